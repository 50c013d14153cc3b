"""Safe sending through the pages: the look before sending, its settings, stopped second replies."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from html import unescape
from io import BytesIO
from typing import Any

import pytest
from sqlalchemy import select

from inbox import db
from inbox.models import (
    Approval,
    ApprovalPolicy,
    ApproverPool,
    Conversation,
    Draft,
    DraftFile,
    LaterSending,
    NewStaff,
    Outgoing,
    SendRule,
)
from tests.inbox.cast import a_message
from tests.web.conftest import Visitor, World, conversation
from tests.web.test_drafts import started


def boxes(page: str, *, tick: bool) -> dict[str, Any]:
    """What the form of the page between sends, without scripts."""
    form = page.partition('id="look"')[2].partition("</form>")[0]
    sent: dict[str, Any] = dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', form))
    sent.pop("csrf_token", None)
    if tick:
        sent["tick"] = [unescape(one) for one in re.findall(r'name="tick" value="([^"]+)"', page)]
    return sent


def test_a_mail_leaves_only_when_all_is_ticked(agent: Visitor, world: World) -> None:
    draft = started(agent, world)
    form = {"rev": 1, "seen_version": 1, "text": "請求書を添付します。", "next_status": "closed"}
    between = agent.post(f"/drafts/{draft}/replies", form)
    assert (between.status_code, conversation(world.free).status) == (200, "open")
    assert "speaks of an attachment" in between.text
    again = agent.post(f"/drafts/{draft}/replies", boxes(between.text, tick=False))
    assert "1 box is not ticked yet." in again.text
    done = agent.post(f"/drafts/{draft}/replies", boxes(again.text, tick=True))
    assert (done.status_code, conversation(world.free).status) == (303, "closed")
    with db.reading() as session:
        assert len(session.scalars(select(Outgoing).where(Outgoing.draft_id == draft)).all()) == 1


def test_a_manager_sets_what_is_asked(signed_in: Any, world: World) -> None:
    manager = signed_in("manager")
    path = f"/guards/mailboxes/{world.support}"
    assert "Only for what is doubtful" in manager.get("/guards").text
    refused = manager.post(path, {"ask": "always", "word_list": "極秘", "most_visible": "0"})
    assert refused.status_code == 400
    assert 'id="most_visible-error"' in refused.text
    assert "極秘" in refused.text, "what was typed stays"
    done = manager.post(path, {"ask": "always", "word_list": "極秘\n社外秘", "most_visible": "", "check_names": "1"})
    assert done.status_code == 303
    with db.reading() as session:
        kept = session.get_one(SendRule, world.support).rules
    assert (kept["ask"], kept["words"], kept["most_visible"], kept["check_attachments"]) == (
        "always",
        ["極秘", "社外秘"],
        None,
        False,
    )
    assert signed_in("manager").get(f"/guards/mailboxes/{world.sales}").status_code == 404


def test_a_stopped_second_reply_is_told_to_managers(agent: Visitor, signed_in: Any, world: World) -> None:
    draft = started(agent, world)
    stopped = agent.post(f"/drafts/{draft}/replies", {"rev": 1, "seen_version": 0, "text": "x"})
    assert stopped.status_code == 409
    page = signed_in("manager").get("/guards/near-misses").text
    assert "届きません" in page
    assert "Aoi" in page
    assert agent.get("/guards/near-misses").status_code == 404


# -- approval


def customer_writes(conversation_id: int, text: str) -> None:
    with db.transaction() as session:
        a_message(session, session.get_one(Conversation, conversation_id), text, at=datetime.now(UTC))


def a_policy(world: World, approver: str = "manager", **more: Any) -> None:
    with db.transaction() as session:
        pool = ApproverPool(body={"name": "責任者", "approvers": [world.users[approver]]})
        session.add(pool)
        session.flush()
        session.add(ApprovalPolicy(body={"name": "全件", "pool": pool.id} | more))


def asked(agent: Visitor, world: World, text: str = "発送しました。") -> int:
    draft = started(agent, world)
    form = {"rev": 1, "seen_version": 1, "text": text, "next_status": "closed"}
    between = agent.post(f"/drafts/{draft}/replies", form)
    assert "has to approve this mail" in between.text
    sent = boxes(between.text, tick=True) | {"ask_approval": "1", "comment": "見てください"}
    assert agent.post(f"/drafts/{draft}/replies", sent).status_code == 303
    with db.reading() as session:
        return session.scalars(select(Approval.id).where(Approval.draft_id == draft)).one()


def test_a_mail_waits_for_its_approver_who_corrects_and_sends_it(agent: Visitor, signed_in: Any, world: World) -> None:
    a_policy(world)
    approval = asked(agent, world)
    assert "waits for approval" in agent.get(f"/conversations/{world.free}").text
    manager = signed_in("manager")
    assert 'data-count="approvals">1<' in manager.get("/approvals").text
    page = manager.get(f"/approvals/{approval}").text
    assert "見てください" in page
    form = {"what": "send", "text": "本日発送しました。", "seen_version": "1"}
    assert manager.post(f"/approvals/{approval}/decision", form).status_code == 303
    shown = agent.get(f"/conversations/{world.free}").text
    assert "Approved by Mei" in shown
    assert "Mei approved the answer of Aoi" in shown
    assert "<ins>本日</ins>" in agent.get(f"/approvals/{approval}").text
    assert manager.post(f"/approvals/{approval}/decision", form).status_code == 409


def test_a_returned_mail_is_its_authors_again_with_the_reason(agent: Visitor, signed_in: Any, world: World) -> None:
    a_policy(world)
    approval, manager = asked(agent, world), signed_in("manager")
    without = manager.post(f"/approvals/{approval}/decision", {"what": "return", "text": "typed"})
    assert (without.status_code, "typed" in without.text) == (400, True)
    assert 'id="answer-error"' in without.text
    manager.post(f"/approvals/{approval}/decision", {"what": "return", "answer": "日付を入れてください"})
    home = agent.get("/drafts").text
    assert "1 mail came back to you as a draft." in home
    with db.reading() as session:
        draft = session.get_one(Approval, approval).draft_id
    page = agent.get(f"/conversations/{world.free}?draft={draft}").text
    assert "The approver returned this mail." in page
    assert f"/approvals/{approval}" in page
    assert "日付を入れてください" in agent.get(f"/approvals/{approval}").text


def test_a_release_over_unread_mail_is_stopped_and_what_was_typed_stays(
    agent: Visitor, signed_in: Any, world: World
) -> None:
    a_policy(world)
    approval, manager = asked(agent, world), signed_in("manager")
    manager.get(f"/approvals/{approval}")
    customer_writes(world.free, "やっぱり不要です")
    form = {"what": "send", "text": "直しました"}
    stopped = manager.post(f"/approvals/{approval}/decision", form)
    assert stopped.status_code == 409
    assert "やっぱり不要です" in stopped.text
    assert "直しました" in stopped.text
    assert "Released by an approver" in manager.get("/guards/near-misses").text
    again = manager.post(f"/approvals/{approval}/decision", form | {"seen_version": "2"})
    assert again.status_code == 303


def test_an_approver_without_scripts_changes_files_and_sees_both_sides(
    agent: Visitor, signed_in: Any, world: World
) -> None:
    a_policy(world)
    draft = started(agent, world)
    agent.post(f"/drafts/{draft}/files", {"file": (BytesIO(b"old prices"), "価格.txt")})
    form = {"rev": 1, "seen_version": 1, "html": "<div>発送<b>しました</b>。</div>", "next_status": "closed"}
    between = agent.post(f"/drafts/{draft}/replies", form)
    agent.post(f"/drafts/{draft}/replies", boxes(between.text, tick=True) | {"ask_approval": "1"})
    with db.reading() as session:
        approval = session.scalars(select(Approval.id).where(Approval.draft_id == draft)).one()
        old = session.scalars(select(DraftFile.id).where(DraftFile.draft_id == draft)).one()
    manager = signed_in("manager")
    page = manager.get(f"/approvals/{approval}").text
    assert f'name="removed" value="{old}"' in page
    attached = manager.post(
        f"/approvals/{approval}/files",
        {"file": (BytesIO(b"map"), "地図.txt"), "text": "発送しました。", "subject": "新しい件名", "removed": str(old)},
    )
    [new] = re.findall(r'name="added" value="(\d+)"', attached.text)
    assert "新しい件名" in attached.text, "what was typed stays"
    assert re.search(rf'name="removed" value="{old}"[^>]* checked', attached.text)
    assert manager.get(f"/approvals/{approval}/files/{new}").data == b"map"
    form = {"what": "send", "text": "発送しました。\r\n", "removed": str(old), "added": new}
    done = manager.post(f"/approvals/{approval}/decision", form)
    if done.status_code == 200:  # another look is asked for
        ticks = boxes(done.text.replace('id="decision"', 'id="look"'), tick=True)
        done = manager.post(f"/approvals/{approval}/decision", form | ticks)
    assert done.status_code == 303
    with db.reading() as session:
        sent = session.get_one(Draft, draft)
        assert sent.html == "<div>発送<b>しました</b>。</div>"
        assert [file.name for file in sent.files] == ["地図.txt"]
    both = agent.get(f"/approvals/{approval}").text
    assert "<del>価格.txt</del>" in both
    assert "<ins>地図.txt</ins>" in both


def test_a_file_that_is_chosen_with_the_decision_goes_along(agent: Visitor, signed_in: Any, world: World) -> None:
    a_policy(world)
    approval, manager = asked(agent, world), signed_in("manager")
    refused = manager.post(
        f"/approvals/{approval}/decision", {"what": "return", "file": (BytesIO(b"map"), "地図.txt"), "answer": ""}
    )
    assert refused.status_code == 400
    [kept] = re.findall(r'name="added" value="(\d+)"', refused.text)
    done = manager.post(
        f"/approvals/{approval}/decision", {"what": "return", "answer": "地図を付けました", "added": kept}
    )
    assert done.status_code == 303
    with db.reading() as session:
        draft = session.get_one(Draft, session.get_one(Approval, approval).draft_id)
        assert [file.name for file in draft.files] == ["地図.txt"]
    assert agent.post(f"/approvals/{approval}/files", {"file": (BytesIO(b"x"), "x.txt")}).status_code == 409
    assert manager.post(f"/approvals/{approval}/files").status_code == 400


def test_the_author_cannot_approve_but_withdraws(agent: Visitor, world: World) -> None:
    a_policy(world)
    approval = asked(agent, world)
    assert agent.post(f"/approvals/{approval}/decision", {"what": "send"}).status_code == 403
    back = agent.post(f"/approvals/{approval}/withdrawal")
    assert f"/conversations/{world.free}" in back.headers["Location"]


def test_policies_and_approvers_are_made_and_refused_at_their_fields(signed_in: Any, world: World) -> None:
    manager = signed_in("manager")
    nobody = manager.post("/guards/approvers", {"name": "責任者"})
    assert (nobody.status_code, 'id="approvers-error"' in nobody.text) == (400, True)
    mei, aoi = world.users["manager"], world.users["agent"]
    circle = {"name": "責任者", "approvers": [mei], "person": [mei, aoi], f"deputy_{mei}": aoi, f"deputy_{aoi}": mei}
    in_circle = manager.post("/guards/approvers", circle)
    assert (in_circle.status_code, "in a circle" in in_circle.text) == (400, True)
    assert manager.post("/guards/approvers", {"name": "責任者", "approvers": [mei]}).status_code == 303
    with db.reading() as session:
        pool = session.scalars(select(ApproverPool.id)).one()
    bad = {"name": "大口", "pool": pool, "amount": "10", "domains": "a@b.example"}
    refused = manager.post("/guards/policies", bad)
    assert (refused.status_code, 'id="domains-error"' in refused.text) == (400, True)
    good = bad | {"domains": "example.co.jp", "enabled": "1", "authors": [aoi]}
    assert manager.post("/guards/policies", good).status_code == 303
    with db.reading() as session:
        policy = session.scalars(select(ApprovalPolicy)).one()
    assert (policy.enabled, policy.body["amount"], policy.body["authors"]) == (
        True,
        {"at_least": 10, "currency": ""},
        [aoi],
    )
    assert "大口" in manager.get(f"/guards/policies/{policy.id}").text
    assert manager.post(f"/guards/approvers/{pool}/removal").status_code == 400, "a policy needs them"
    manager.post("/guards/new-staff", {"new_staff": [aoi]})
    with db.reading() as session:
        assert session.scalars(select(NewStaff.user_id)).all() == [aoi]
    assert manager.post(f"/guards/policies/{policy.id}/removal").status_code == 303
    assert manager.post(f"/guards/approvers/{pool}/removal").status_code == 303


# -- later


@pytest.mark.parametrize(
    "how", [{"when_choice": "tomorrow"}, {"later": "1", "when": "in 2 hours"}, {"later": "1", "when": "3日後の9時"}]
)
def test_a_mail_waits_for_its_time_and_can_be_stopped_or_sent(
    agent: Visitor, signed_in: Any, world: World, how: dict[str, str]
) -> None:
    draft = started(agent, world)
    form = {"rev": 1, "seen_version": 1, "text": "発送しました。"}
    assert agent.post(f"/drafts/{draft}/replies", form | how).status_code == 303
    page = agent.get(f"/conversations/{world.free}").text
    assert f'data-scheduled="{draft}"' in page
    assert "becomes a draft again" in page
    manager = signed_in("manager")
    assert f"/scheduled/{draft}/departure" in manager.get("/outbox").text
    stopped = agent.post(f"/scheduled/{draft}/cancellation")
    assert stopped.headers["Location"].startswith(f"/conversations/{world.free}")
    again = {"rev": 2, "seen_version": 1, "text": "発送しました。"} | how
    assert agent.post(f"/drafts/{draft}/replies", again).status_code == 303
    assert manager.post(f"/scheduled/{draft}/departure").status_code == 303
    with db.reading() as session:
        assert len(session.scalars(select(Outgoing).where(Outgoing.draft_id == draft)).all()) == 1


def test_a_time_that_cannot_be_is_refused_at_its_field(agent: Visitor, world: World) -> None:
    draft = started(agent, world)
    form = {"rev": 1, "seen_version": 1, "text": "x", "later": "1", "when": "someday"}
    refused = agent.post(f"/drafts/{draft}/replies", form)
    assert (refused.status_code, 'id="composer-when-error"' in refused.text) == (400, True)


def test_a_doubtful_mail_keeps_its_time_over_the_page_between(agent: Visitor, world: World) -> None:
    draft = started(agent, world)
    form = {"rev": 1, "seen_version": 1, "text": "x", "cc": "new@else.example", "when_choice": "tomorrow"}
    between = agent.post(f"/drafts/{draft}/replies", form)
    assert "Leaves at" in between.text
    assert agent.post(f"/drafts/{draft}/replies", boxes(between.text, tick=True)).status_code == 303
    with db.reading() as session:
        assert session.get_one(LaterSending, draft).at > datetime.now(UTC)
