"""A second pair of eyes: who is asked, what they may do, and what leaves in the end."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from inbox import approval_policies, approvals, drafts, later, people, replies
from inbox.approval_policies import NeedsApproval
from inbox.blobs import blobs
from inbox.errors import Conflict, Forbidden, NotFound, StaleReply, UserError
from inbox.mail.parse import parse
from inbox.models import Absence, Approval, ApproverPool, Draft, Event, Message, Notification, Outgoing, SendRule, User
from inbox.people import Viewer
from inbox.send_checks import Looked, NotLookedAt
from routing.sendcheck import SendRules, rules_to_json
from tests.inbox.cast import HOUR, MINUTE, a_message, a_user, a_viewer, all_ticked
from tests.inbox.test_replies import LATER, Desk, desk, written

__all__ = ["desk"]


@dataclass
class Office:
    """Aoi's mails need the word of Ben; Mei is the manager, Cho Ben's deputy."""

    desk: Desk
    mei: Viewer
    cho: Viewer
    pool: int

    @property
    def version(self) -> int:
        return self.desk.conversation.version


@pytest.fixture
def office(session: Session, desk: Desk) -> Office:
    mei = a_viewer(session, "Mei", desk.mailbox, role="manager")
    cho = a_viewer(session, "Cho", desk.mailbox)
    pool = {"name": "営業", "approvers": [desk.ben.id], "deputies": {str(desk.ben.id): cho.id}, "minutes": 60}
    pool_id = approval_policies.set_pool(session, mei, None, pool, now=LATER)
    policy = {"name": "新人", "pool": pool_id, "authors": [desk.aoi.id]}
    approval_policies.set_policy(session, mei, None, policy, enabled=True, now=LATER)
    return Office(desk, mei, cho, pool_id)


def asked(session: Session, office: Office, text: str = "発送しました。", **more: Any) -> int:
    draft_id = written(session, office.desk.aoi, office.desk.conversation, text)
    return approvals.ask(
        session,
        office.desk.aoi,
        draft_id,
        seen_version=office.version,
        next_status="closed",
        comment="お願いします",
        looked=all_ticked(session, draft_id),
        now=LATER,
        **more,
    )


def decided(session: Session, office: Office, approval_id: int, what: str, who: Viewer | None = None, **more: Any):
    given = {"fields": {}, "seen_version": office.version, "now": LATER} | more
    return approvals.decide(session, who or office.desk.ben, approval_id, what, **given)  # type: ignore[arg-type]


def test_a_mail_that_needs_approval_does_not_leave_without_it(session: Session, office: Office) -> None:
    draft_id = written(session, office.desk.aoi, office.desk.conversation)
    with pytest.raises(NeedsApproval) as stopped:
        replies.send(session, office.desk.aoi, draft_id, seen_version=office.version, next_status=None, now=LATER)
    assert stopped.value.needed.told == [{"policy": "新人", "condition": "author", "found": []}]
    bens = written(session, office.desk.ben, office.desk.conversation)
    assert replies.send(session, office.desk.ben, bens, seen_version=office.version, next_status=None, now=LATER)


def test_the_approver_corrects_and_sends_and_both_names_stay(session: Session, office: Office) -> None:
    approval_id = asked(session, office)
    draft_id = approvals.show(session, office.desk.ben, approval_id, now=LATER).draft.id
    with pytest.raises(Conflict):
        drafts.save(session, office.desk.aoi, draft_id, rev=2, fields={"text": "x"}, now=LATER)
    with pytest.raises(Conflict):
        replies.send(session, office.desk.aoi, draft_id, seen_version=office.version, next_status=None, now=LATER)
    result = decided(session, office, approval_id, "send", fields={"text": "本日発送しました。"})
    outgoing = session.get_one(Outgoing, result.outgoing_id)
    assert "本日発送しました。" in parse(blobs().get(outgoing.raw_sha256)).text
    message = session.get_one(Message, outgoing.message_id)
    assert (message.author_id, message.approved_by_id) == (office.desk.aoi.id, office.desk.ben.id)
    session.refresh(office.desk.conversation)
    assert office.desk.conversation.status == "closed"
    kinds = session.scalars(select(Event.kind).where(Event.kind.like("appro%")).order_by(Event.id)).all()
    assert kinds == ["approval_asked", "approved"]
    view = approvals.show(session, office.desk.aoi, approval_id, now=LATER)
    assert (view.asked_with["text"], view.now_with["text"]) == ("発送しました。", "本日発送しました。")
    with pytest.raises(Conflict):
        decided(session, office, approval_id, "send")


def test_nobody_approves_their_own_and_not_everybody_may(session: Session, office: Office) -> None:
    approval_id = asked(session, office)
    for who in (office.desk.aoi, office.cho, office.mei):
        with pytest.raises(Forbidden):
            decided(session, office, approval_id, "send", who)
    stranger = a_viewer(session, "Zoe")
    with pytest.raises(NotFound):
        decided(session, office, approval_id, "send", stranger)


def test_returned_with_a_reason_it_is_the_authors_again(session: Session, office: Office) -> None:
    approval_id = asked(session, office)
    with pytest.raises(UserError) as refused:
        decided(session, office, approval_id, "return")
    assert refused.value.field == "answer"
    decided(session, office, approval_id, "return", answer="日付を入れてください")
    view = approvals.show(session, office.desk.aoi, approval_id, now=LATER)
    assert (view.draft.state, view.draft.came_back, view.answer) == ("open", "returned", "日付を入れてください")
    again = asked(session, office)
    assert again != approval_id


def test_approved_its_author_sends_exactly_that(session: Session, office: Office) -> None:
    approval_id = asked(session, office)
    decided(session, office, approval_id, "approve")
    draft = approvals.show(session, office.desk.aoi, approval_id, now=LATER).draft
    assert draft.came_back == "approved"
    changed = drafts.save(
        session, office.desk.aoi, draft.id, rev=draft.rev, fields={"text": "全部お返しします"}, now=LATER
    )
    given = {"seen_version": office.version, "next_status": None, "now": LATER}
    with pytest.raises(NeedsApproval), session.begin_nested():
        replies.send(session, office.desk.aoi, draft.id, **given)
    drafts.save(session, office.desk.aoi, draft.id, rev=changed.rev, fields={"text": draft.text}, now=LATER)
    result = replies.send(session, office.desk.aoi, draft.id, **given)
    message = session.get_one(Message, session.get_one(Outgoing, result.outgoing_id).message_id)
    assert message.approved_by_id == office.desk.ben.id


def test_the_author_withdraws(session: Session, office: Office) -> None:
    approval_id = asked(session, office)
    draft_id = approvals.withdraw(session, office.desk.aoi, approval_id, now=LATER)
    assert drafts.show(session, office.desk.aoi, draft_id).state == "open"
    with pytest.raises(Conflict):
        decided(session, office, approval_id, "send")


def test_what_arrived_since_stops_the_release_until_it_was_read(session: Session, office: Office) -> None:
    approval_id, seen = asked(session, office), office.version
    a_message(session, office.desk.conversation, "やっぱり届きました。", at=LATER)
    with pytest.raises(StaleReply) as stopped, session.begin_nested():
        decided(session, office, approval_id, "send", seen_version=seen)
    view = approvals.show(session, office.desk.ben, approval_id, now=LATER)
    assert (view.row.state, [one.text for one in view.unseen]) == ("asked", ["やっぱり届きました。"])
    replies.keep_refused(session, view.draft.id, stopped.value, way="approval", actor_id=office.desk.ben.id, now=LATER)
    assert view.draft.text == "発送しました。"
    assert decided(session, office, approval_id, "send", seen_version=view.version)


def test_an_automatic_answer_hides_nothing_of_what_arrived_since(session: Session, office: Office) -> None:
    approval_id = asked(session, office)
    a_message(session, office.desk.conversation, "やっぱり届きました。", at=LATER)
    answer = {"direction": "out", "kind": "auto_reply"}
    a_message(session, office.desk.conversation, "受け付けました。", at=LATER + MINUTE, **answer)
    view = approvals.show(session, office.desk.ben, approval_id, now=LATER)
    assert [one.text for one in view.unseen] == ["やっぱり届きました。"]


def test_an_approver_who_adds_a_recipient_ticks_it(session: Session, office: Office) -> None:
    approval_id = asked(session, office)
    with pytest.raises(NotLookedAt):
        decided(session, office, approval_id, "send", fields={"cc": "new@else.example"})


def test_deputies_stand_in_when_away_and_after_the_deadline(session: Session, office: Office) -> None:
    approval_id = asked(session, office)
    assert approvals.count(session, office.cho, now=LATER) == 0
    assert approvals.count(session, office.cho, now=LATER + HOUR) == 1, "the deadline has passed"
    assert approvals.count(session, office.desk.ben, now=LATER) == 1
    session.add(Absence(user_id=office.desk.ben.id, starts_at=LATER - HOUR, ends_at=LATER + HOUR))
    session.flush()
    assert decided(session, office, approval_id, "send", office.cho)


def test_deputies_stand_in_for_somebody_who_left(session: Session, office: Office) -> None:
    session.get_one(User, office.desk.ben.id).active = False
    session.flush()
    approval_id = asked(session, office)
    told = select(Notification.user_id).where(Notification.kind == "approval_asked")
    assert session.scalars(told).all() == [office.cho.id]
    assert approvals.count(session, office.mei, now=LATER) == 0
    assert decided(session, office, approval_id, "send", office.cho)


@pytest.mark.parametrize("gone", ["pool", "person", "not come yet"])
def test_when_the_approvers_are_gone_managers_approve(session: Session, office: Office, gone: str) -> None:
    approval_id = asked(session, office)
    if gone == "pool":
        session.delete(session.get_one(ApproverPool, office.pool))
    for who in (office.desk.ben, office.cho):
        user = session.get_one(User, who.id)
        user.active = gone != "person"
        user.password_hash = None if gone == "not come yet" else user.password_hash  # only invited
    session.flush()
    assert approvals.count(session, office.mei, now=LATER) == 1
    assert decided(session, office, approval_id, "send", office.mei)


def test_with_nobody_to_approve_the_request_is_refused_and_the_draft_stays(session: Session, office: Office) -> None:
    for user in session.scalars(select(User).where(User.id != office.desk.aoi.id)):
        user.active = False
    draft_id = written(session, office.desk.aoi, office.desk.conversation)
    with pytest.raises(UserError, match="nobody"), session.begin_nested():
        approvals.ask(session, office.desk.aoi, draft_id, seen_version=office.version, next_status=None, now=LATER)
    assert drafts.show(session, office.desk.aoi, draft_id).state == "open"


def test_approved_before_its_time_it_waits_for_it(session: Session, office: Office) -> None:
    approval_id = asked(session, office, send_at=LATER + HOUR)
    assert decided(session, office, approval_id, "send") is None
    [row] = later.scheduled(session, office.desk.aoi)
    assert (row.at, row.author_name) == (LATER + HOUR, "Aoi")
    result = later.send_now(session, office.desk.aoi, row.draft_id, now=LATER + MINUTE)
    message = session.get_one(Message, session.get_one(Outgoing, result.outgoing_id).message_id)
    assert message.approved_by_id == office.desk.ben.id


def test_new_staff_are_whom_a_manager_names(session: Session, office: Office) -> None:
    policy = {"name": "全新人", "pool": office.pool, "new_staff": True}
    approval_policies.set_policy(session, office.mei, None, policy, enabled=True, now=LATER)
    draft = drafts.show(session, office.cho, written(session, office.cho, office.desk.conversation))
    assert approval_policies.needed(session, draft) is None
    approval_policies.set_new_staff(session, office.mei, [office.cho.id], now=LATER)
    found = approval_policies.needed(session, draft)
    assert found is not None
    assert found.reasons[0].condition == "new_staff"


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"approvers": []}, "approvers"),
        ({"approvers": [999]}, "approvers"),
        ({"name": " "}, "name"),
        ({"minutes": 0}, "minutes"),
        ({"deputies": "circle"}, "deputies"),
    ],
)
def test_a_pool_that_cannot_work_is_refused_at_its_field(
    session: Session, office: Office, given: dict[str, Any], field: str
) -> None:
    aoi, ben = office.desk.aoi.id, office.desk.ben.id
    if given.get("deputies") == "circle":
        given = {"deputies": {str(aoi): ben, str(ben): aoi}}
    pool = {"name": "A", "approvers": [aoi], "deputies": {}, "minutes": None} | given
    with pytest.raises(UserError) as refused:
        approval_policies.set_pool(session, office.mei, None, pool, now=LATER)
    assert refused.value.field == field


def test_a_policy_whose_author_is_the_only_approver_is_refused(session: Session, office: Office) -> None:
    alone = {"name": "A", "approvers": [office.desk.aoi.id], "deputies": {}, "minutes": None}
    pool = approval_policies.set_pool(session, office.mei, None, alone, now=LATER)
    policy = {"name": "B", "pool": pool, "authors": [office.desk.aoi.id]}
    with pytest.raises(UserError) as refused:
        approval_policies.set_policy(session, office.mei, None, policy, enabled=True, now=LATER)
    assert refused.value.field == "pool"
    with pytest.raises(UserError):
        approval_policies.remove_pool(session, office.mei, office.pool, now=LATER)
    with pytest.raises(Forbidden):
        approval_policies.set_policy(session, office.desk.aoi, None, policy, enabled=True, now=LATER)


def test_the_one_who_let_it_go_may_take_it_back(session: Session, office: Office) -> None:
    approval_id = asked(session, office)
    result = decided(session, office, approval_id, "send")
    draft_id = replies.undo(session, office.desk.ben, result.outgoing_id, now=LATER)
    assert drafts.show(session, office.desk.aoi, draft_id).state == "open"
    sent = replies.send(
        session, office.desk.aoi, draft_id, seen_version=office.version, next_status=None, now=LATER + timedelta(0, 9)
    )
    assert sent.outgoing_id != result.outgoing_id, "the same words were approved"
    assert people.of(session, a_user(session, "Nao", office.desk.mailbox)).is_manager is False


# -- rich text and files

RICH = '<div>発送<b>しました</b>。<br></div><div style="color:red">※ 20日</div>'


def asked_rich(session: Session, office: Office, *files: str) -> tuple[int, drafts.DraftView]:
    """A rich mail with a picture in its text and `files`, waiting for Ben."""
    aoi = office.desk.aoi
    draft = drafts.start(session, aoi, "reply", conversation_id=office.desk.conversation.id, now=LATER)
    png = b"\x89PNG\r\n\x1a\n" + b"\0" * 20
    picture = drafts.add_file(
        session, aoi, draft.id, name="図.png", content_type="image/png", data=png, inline=True, now=LATER
    )
    for name in files:
        drafts.add_file(session, aoi, draft.id, name=name, content_type="text/plain", data=name.encode(), now=LATER)
    html = f'{RICH}<img src="{picture.path}" alt="図">'
    drafts.save(session, aoi, draft.id, rev=draft.rev, fields={"html": html, "text": ""}, now=LATER)
    approval_id = approvals.ask(
        session,
        aoi,
        draft.id,
        seen_version=office.version,
        next_status="closed",
        looked=all_ticked(session, draft.id),
        now=LATER,
    )
    return approval_id, approvals.show(session, office.desk.ben, approval_id, now=LATER).draft


def aside(session: Session, office: Office, approval_id: int, name: str = "補足.txt", **more: Any) -> int:
    given = {"content_type": "text/plain", "data": b"more"} | more
    return approvals.attach(session, office.desk.ben, approval_id, name=name, **given, now=LATER).id


def ticked(session: Session, office: Office, approval_id: int, **given: Any) -> Looked:
    """What an approver ticks on the page that comes when a file was added."""
    with pytest.raises(NotLookedAt) as stopped, session.begin_nested():
        decided(session, office, approval_id, "approve", **given)
    session.expire_all()
    return Looked(stopped.value.left, stopped.value.check.fingerprint)


@pytest.mark.parametrize("how", ["nothing", "html", "text"])
def test_words_that_the_approver_leaves_alone_stay_to_the_byte(session: Session, office: Office, how: str) -> None:
    approval_id, shown = asked_rich(session, office)
    stored = session.get_one(Draft, shown.id).html
    assert f'src="/approvals/{approval_id}/files/{shown.files[0].id}"' in shown.editor_html
    fields = {
        "nothing": {"subject": "件名だけ"},
        "html": {"html": shown.editor_html},
        "text": {"text": drafts.words(shown).replace("\n", "\r\n") + "\r\n"},
    }[how]
    decided(session, office, approval_id, "approve", fields=fields)
    assert session.get_one(Draft, shown.id).html == stored
    view = approvals.show(session, office.desk.aoi, approval_id, now=LATER)
    assert view.asked_with["html"] == view.now_with["html"] == stored


def test_the_approvers_rich_words_are_sanitised_and_keep_their_pictures(session: Session, office: Office) -> None:
    approval_id, shown = asked_rich(session, office)
    added = aside(
        session, office, approval_id, "印.png", content_type="image/png", data=b"\x89PNG\r\n\x1a\n", inline=True
    )
    unused = aside(
        session, office, approval_id, "没.png", content_type="image/png", data=b"\x89PNG\r\n\x1a\n", inline=True
    )
    html = f'{shown.editor_html}<u>至急</u><script>x</script><img src="/approvals/{approval_id}/files/{added}" alt="">'
    result = decided(session, office, approval_id, "send", fields={"html": html}, added={added, unused})
    draft = session.get_one(Draft, shown.id)
    assert [file.name for file in draft.files] == ["図.png", "印.png"], "a picture that stands nowhere is not sent"
    assert "<u>至急</u>" in draft.html
    assert "script" not in draft.html
    assert all(f"cid:{file.content_id}" in draft.html for file in draft.files)
    mail = parse(blobs().get(session.get_one(Outgoing, result.outgoing_id).raw_sha256))
    assert "<u>至急</u>" in mail.html


def test_the_approver_takes_a_file_off_and_adds_another(session: Session, office: Office) -> None:
    everything = rules_to_json(SendRules(ask="always"))
    session.add(SendRule(mailbox_id=office.desk.mailbox.id, rules=everything))
    approval_id, shown = asked_rich(session, office, "価格.txt", "地図.txt")
    price = next(file.id for file in shown.files if file.name == "価格.txt")
    added = aside(session, office, approval_id)
    given = {"removed": {price}, "added": {added}}
    assert session.get_one(Draft, shown.id).files[1].name == "価格.txt", "nothing is changed before the decision"
    looked = ticked(session, office, approval_id, **given)
    result = decided(session, office, approval_id, "send", looked=looked, **given)
    view = approvals.show(session, office.desk.aoi, approval_id, now=LATER)
    assert [name for name, _ in view.asked_with["files"]] == ["図.png", "価格.txt", "地図.txt"]
    assert [name for name, _ in view.now_with["files"]] == ["図.png", "地図.txt", "補足.txt"]
    mail = parse(blobs().get(session.get_one(Outgoing, result.outgoing_id).raw_sha256))
    assert {one.name for one in mail.attachments} >= {"地図.txt", "補足.txt"}
    assert "価格.txt" not in {one.name for one in mail.attachments}


def test_a_picture_that_is_taken_off_goes_out_of_the_words(session: Session, office: Office) -> None:
    approval_id, shown = asked_rich(session, office)
    decided(session, office, approval_id, "approve", removed={shown.files[0].id})
    draft = session.get_one(Draft, shown.id)
    assert draft.files == []
    assert "img" not in draft.html
    assert "<b>しました</b>" in draft.html


def test_what_was_put_aside_is_forgotten_when_the_author_withdraws(session: Session, office: Office) -> None:
    approval_id, shown = asked_rich(session, office, "価格.txt")
    file_id = aside(session, office, approval_id)
    assert approvals.file(session, office.desk.ben, approval_id, file_id, now=LATER)[0] == "補足.txt"
    with pytest.raises(NotFound):
        approvals.file(session, office.desk.aoi, approval_id, file_id, now=LATER)
    approvals.withdraw(session, office.desk.aoi, approval_id, now=LATER)
    kept = drafts.show(session, office.desk.aoi, shown.id)
    assert [file.name for file in kept.files] == ["図.png", "価格.txt"]
    assert drafts.aside(session, approval_id) == []


def test_only_who_may_decide_puts_files_aside_and_only_so_many(
    session: Session, office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    approval_id, _ = asked_rich(session, office)
    for who, refused in ((office.desk.aoi, Forbidden), (office.cho, Forbidden), (a_viewer(session, "Zoe"), NotFound)):
        with pytest.raises(refused):
            approvals.attach(session, who, approval_id, name="a", content_type="text/plain", data=b"", now=LATER)
    monkeypatch.setattr(drafts, "MOST_FILES", 1)
    aside(session, office, approval_id)
    with pytest.raises(UserError) as full:
        aside(session, office, approval_id)
    assert full.value.field == "file"
    assert decided(session, office, approval_id, "send"), "what is not named with the decision stays out of the mail"


def test_who_may_decide_now_its_author_and_the_managers_hear_once_that_it_is_overdue(
    session: Session, office: Office
) -> None:
    approval_id = asked(session, office)
    due = session.get_one(Approval, approval_id).due_at
    assert due is not None
    assert approvals.tell_overdue(session, now=due - timedelta(minutes=1)) == 0
    assert [approvals.tell_overdue(session, now=due + timedelta(minutes=n)) for n in (1, 2)] == [1, 0]
    told = session.scalars(select(Notification).where(Notification.kind == "approval_overdue")).all()
    assert {one.user_id for one in told} == {office.desk.aoi.id, office.desk.ben.id, office.cho.id, office.mei.id}
    assert {one.about["path"] for one in told} == {f"/approvals/{approval_id}"}
    other = asked_again(session, office)
    decided(session, office, other, "return", fields={}, answer="Not like this")
    assert approvals.tell_overdue(session, now=due + timedelta(days=9)) == 0, "it was decided"


def asked_again(session: Session, office: Office) -> int:
    """The first one is withdrawn, another one asked for."""
    first = session.scalars(select(Approval.id).where(Approval.state == "asked")).one()
    approvals.withdraw(session, office.desk.aoi, first, now=LATER)
    return asked(session, office, "Second try.")
