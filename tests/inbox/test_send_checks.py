"""Before a mail leaves somebody looks at what is doubtful, and ticks it for just that mail."""

from __future__ import annotations

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from inbox import drafts, near_misses, replies, send_checks
from inbox.errors import Forbidden, StaleReply, UserError
from inbox.models import Event, Outgoing, WrittenTo
from inbox.send_checks import Looked, NotLookedAt
from tests.inbox.cast import a_message, a_viewer, all_ticked
from tests.inbox.test_replies import LATER, Desk, desk, written

__all__ = ["desk"]


def send(session: Session, desk: Desk, draft_id: int, looked: Looked = send_checks.NOT_LOOKED) -> int:
    version = desk.conversation.version
    return replies.send(
        session, desk.aoi, draft_id, seen_version=version, next_status=None, looked=looked, now=LATER
    ).outgoing_id


def asked(session: Session, desk: Desk, draft_id: int, looked: Looked = send_checks.NOT_LOOKED) -> NotLookedAt:
    with pytest.raises(NotLookedAt) as stopped:
        send(session, desk, draft_id, looked)
    assert session.scalar(select(func.count()).select_from(Outgoing)) == 0
    return stopped.value


def set_rules(session: Session, desk: Desk, **rules: object) -> None:
    manager = a_viewer(session, "Mei", desk.mailbox, role="manager")
    send_checks.set_rules(session, manager, desk.mailbox.id, rules, now=LATER)


def test_an_ordinary_answer_to_its_customer_is_not_asked_about(session: Session, desk: Desk) -> None:
    assert send(session, desk, written(session, desk.aoi, desk.conversation))


def test_somebody_who_never_got_a_mail_is_asked_about_once(session: Session, desk: Desk) -> None:
    draft_id = written(session, desk.aoi, desk.conversation, cc="new@exampel.jp")
    told = asked(session, desk, draft_id)
    badges = {one.address: one.badges for one in told.check.recipients}
    assert badges == {
        "taro@example.jp": ("outside",),
        "new@exampel.jp": ("outside", "first_time", "other_domain", "typo"),
    }
    send(session, desk, draft_id, all_ticked(session, draft_id))
    assert set(session.scalars(select(WrittenTo.address))) == {"taro@example.jp", "new@exampel.jp"}


def test_taking_a_mail_back_forgets_that_it_went_there(session: Session, desk: Desk) -> None:
    draft_id = written(session, desk.aoi, desk.conversation, cc="new@else.example")
    outgoing_id = send(session, desk, draft_id, all_ticked(session, draft_id))
    replies.undo(session, desk.aoi, outgoing_id, now=LATER)
    assert session.scalars(select(WrittenTo.address)).all() == []


@pytest.mark.parametrize("ask", ["always", "outside", "doubtful", "never"])
def test_each_mailbox_says_when_it_asks(session: Session, desk: Desk, ask: str) -> None:
    set_rules(session, desk, ask=ask)
    draft_id = written(session, desk.aoi, desk.conversation)
    if ask in ("always", "outside"):
        assert asked(session, desk, draft_id).left == {"to:taro@example.jp"}
    else:
        assert send(session, desk, draft_id)


def test_warning_words_names_and_missing_files_are_asked_about(session: Session, desk: Desk) -> None:
    set_rules(session, desk, ask="doubtful", words=["極秘"])
    text = "鈴木様\n\n極秘の資料を添付いたします。"
    draft_id = written(session, desk.aoi, desk.conversation, text, subject="")
    kinds = {one.kind for one in asked(session, desk, draft_id).check.findings}
    assert kinds == {"word", "name", "no_attachment", "no_subject"}
    drafts.add_file(
        session, desk.aoi, draft_id, name="a.pdf", content_type="application/pdf", data=b"%PDF-1.4", now=LATER
    )
    assert "no_attachment" not in {one.kind for one in asked(session, desk, draft_id).check.findings}


def test_what_was_ticked_counts_for_just_that_mail(session: Session, desk: Desk) -> None:
    set_rules(session, desk, ask="always")
    draft_id = written(session, desk.aoi, desk.conversation)
    looked = all_ticked(session, draft_id)
    partly = Looked(frozenset(), looked.fingerprint)
    assert asked(session, desk, draft_id, partly).left
    for name in (b"one", b"two"):  # another file of the same name is another file
        for file in drafts.show(session, desk.aoi, draft_id).files:
            drafts.remove_file(session, desk.aoi, draft_id, file.id, now=LATER)
        drafts.add_file(session, desk.aoi, draft_id, name="a.txt", content_type="text/plain", data=name, now=LATER)
        assert asked(session, desk, draft_id, looked).left == set(asked(session, desk, draft_id).check.ticks)
        looked = all_ticked(session, draft_id)
    assert send(session, desk, draft_id, looked)


def test_rules_are_for_managers_and_refused_at_their_field(session: Session, desk: Desk) -> None:
    with pytest.raises(Forbidden):
        send_checks.set_rules(session, desk.aoi, desk.mailbox.id, {"ask": "never"}, now=LATER)
    with pytest.raises(UserError) as refused:
        set_rules(session, desk, ask="sometimes")
    assert refused.value.field == "ask"


def test_a_stopped_second_reply_stands_on_the_managers_page(session: Session, desk: Desk) -> None:
    draft_id, seen = written(session, desk.aoi, desk.conversation), desk.conversation.version
    a_message(session, desk.conversation, "やっぱり届きました。", at=LATER)
    with pytest.raises(StaleReply) as stopped:
        replies.send(session, desk.aoi, draft_id, seen_version=seen, next_status=None, now=LATER)
    replies.keep_refused(session, draft_id, stopped.value, actor_id=desk.aoi.id, now=LATER)
    mei = a_viewer(session, "Mei", desk.mailbox, role="manager")
    [row] = near_misses.page(session, mei, now=LATER)
    assert (row.author_name, row.conversation_id, row.way, row.reason) == (
        "Aoi",
        desk.conversation.id,
        "web",
        "stale",
    )
    assert [(one.direction, one.snippet) for one in row.arrived] == [("in", "やっぱり届きました。")]
    assert session.scalar(select(func.count()).where(Event.kind == "refused")) == 1
    assert near_misses.page(session, a_viewer(session, "Ren", role="manager"), now=LATER) == ()
    with pytest.raises(Forbidden):
        near_misses.page(session, desk.aoi, now=LATER)
