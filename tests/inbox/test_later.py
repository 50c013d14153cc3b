"""Sending later: at its time, once, through the same gate; and back to its author when the customer writes first."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime

import pytest
from sqlalchemy import Engine, func, select, text
from sqlalchemy.orm import Session

from inbox import db, drafts, joins, later, moves, near_misses, presence, replies
from inbox.blobs import blobs
from inbox.errors import Conflict, NotFound, StaleReply, UserError
from inbox.models import Conversation, Draft, DraftFile, Event, LaterSending, Mailbox, Notification, Outgoing, User
from inbox.people import Viewer
from inbox.people import of as viewer_of
from tests.inbox.cast import HOUR, MINUTE, NOW, a_conversation, a_mailbox, a_message, a_person, a_viewer, all_ticked
from tests.servers import wait_until

LATER = NOW + HOUR
DUE = LATER + HOUR


@dataclass
class Evening:
    conversation_id: int
    mailbox_id: int
    aoi: Viewer
    ben: Viewer
    mei: Viewer


@pytest.fixture
def evening(engine: Engine) -> Iterator[Evening]:
    with db.transaction() as session:
        mailbox = a_mailbox(session)
        aoi, ben = (a_viewer(session, name, mailbox) for name in ("Aoi", "Ben"))
        mei = a_viewer(session, "Mei", mailbox, role="manager")
        conversation = a_conversation(session, mailbox, person=a_person(session))
        a_message(session, conversation)
        made = Evening(conversation.id, mailbox.id, aoi, ben, mei)
    return made


def written(session: Session, evening: Evening, who: Viewer | None = None) -> int:
    draft = drafts.start(session, who or evening.aoi, "reply", conversation_id=evening.conversation_id, now=LATER)
    drafts.save(session, who or evening.aoi, draft.id, rev=draft.rev, fields={"text": "発送しました。"}, now=LATER)
    return draft.id


def scheduled(evening: Evening, *, regardless: bool = False, at: datetime = DUE) -> int:
    with db.transaction() as session:
        draft_id = written(session, evening)
        seen = session.get_one(Draft, draft_id).seen_version
        later.schedule(
            session,
            evening.aoi,
            draft_id,
            at=at,
            regardless=regardless,
            seen_version=seen,
            next_status="closed",
            now=LATER,
        )
    return draft_id


def customer_writes(evening: Evening) -> None:
    with db.transaction() as session:
        a_message(session, session.get_one(Conversation, evening.conversation_id), "もういいです。", at=LATER + MINUTE)


def ben_answers(evening: Evening) -> None:
    with db.transaction() as session:
        draft_id = written(session, evening, evening.ben)
        seen = session.get_one(Draft, draft_id).seen_version
        now = LATER + 2 * MINUTE
        replies.send(session, evening.ben, draft_id, seen_version=seen, next_status=None, now=now)


def draft(draft_id: int) -> Draft:
    with db.reading() as session:
        return session.get_one(Draft, draft_id)


def sent(draft_id: int) -> int:
    with db.reading() as session:
        return session.scalar(select(func.count()).where(Outgoing.draft_id == draft_id)) or 0


def events(kind: str) -> int:
    with db.reading() as session:
        return session.scalar(select(func.count()).where(Event.kind == kind)) or 0


def test_it_leaves_at_its_time_and_once(evening: Evening) -> None:
    draft_id = scheduled(evening)
    assert later.look_after(DUE - MINUTE) == 0
    assert (draft(draft_id).state, sent(draft_id)) == ("later", 0)
    later.look_after(DUE)
    later.look_after(DUE)
    assert (draft(draft_id).state, sent(draft_id)) == ("sent", 1)
    with db.reading() as session:
        outgoing = session.scalars(select(Outgoing).where(Outgoing.draft_id == draft_id)).one()
        assert (outgoing.due_at, outgoing.created_by_id) == (DUE, evening.aoi.id)
        assert session.get_one(Conversation, evening.conversation_id).status == "closed"
        assert session.scalar(select(func.count()).select_from(LaterSending)) == 0


def test_when_the_customer_writes_first_it_is_a_draft_again(evening: Evening) -> None:
    draft_id = scheduled(evening)
    customer_writes(evening)
    later.look_after(LATER + 2 * MINUTE)
    back = draft(draft_id)
    assert (back.state, back.came_back, sent(draft_id), events("overtaken")) == ("open", "wrote_first", 0, 1)
    with db.reading() as session:
        told = session.scalars(select(Notification).where(Notification.kind == "later_back")).one()
    assert (told.user_id, told.conversation_id, told.about["why"]) == (
        evening.aoi.id, evening.conversation_id, "wrote_first",
    )
    later.look_after(DUE)
    assert sent(draft_id) == 0


def test_regardless_means_regardless_of_the_customer(evening: Evening) -> None:
    draft_id = scheduled(evening, regardless=True)
    customer_writes(evening)
    later.look_after(LATER + 2 * MINUTE)
    assert draft(draft_id).state == "later"
    later.look_after(DUE)
    assert sent(draft_id) == 1


@pytest.mark.parametrize("regardless", [False, True])
def test_never_over_a_colleagues_answer(evening: Evening, regardless: bool) -> None:
    draft_id = scheduled(evening, regardless=regardless)
    ben_answers(evening)
    later.look_after(DUE)
    back = draft(draft_id)
    assert (back.state, back.came_back, sent(draft_id)) == ("open", "stale", 0)
    with db.reading() as session:
        [row] = near_misses.page(session, evening.mei, now=DUE)
    assert (row.way, row.author_name, [one.who for one in row.arrived]) == ("later", "Aoi", ["Ben"])


@pytest.mark.parametrize("regardless", [False, True])
def test_it_waits_while_a_colleague_is_writing(evening: Evening, regardless: bool) -> None:
    """Also where the customer's mail, which is no obstacle, came in meanwhile."""
    draft_id = scheduled(evening, regardless=regardless)
    if regardless:
        customer_writes(evening)
    with db.transaction() as session:
        presence.claim(session, evening.ben, evening.conversation_id, now=DUE)
    later.look_after(DUE)
    assert draft(draft_id).state == "later"
    later.look_after(DUE + 2 * MINUTE)
    assert sent(draft_id) == 1


@pytest.mark.parametrize("regardless", [False, True])
def test_an_automatic_answer_to_the_customer_is_nobodys_answer(evening: Evening, regardless: bool) -> None:
    """It raises no version and takes nobody's words away: the customer's mail before it alone counts."""
    draft_id = scheduled(evening, regardless=regardless)
    customer_writes(evening)
    with db.transaction() as session:
        conversation = session.get_one(Conversation, evening.conversation_id)
        a_message(session, conversation, "受け付けました。", at=LATER + MINUTE, direction="out", kind="auto_reply")
    later.look_after(DUE)
    back = draft(draft_id)
    if regardless:
        assert (back.state, sent(draft_id)) == ("sent", 1)
    else:
        assert (back.state, back.came_back, events("overtaken"), events("refused")) == ("open", "wrote_first", 1, 0)


def test_regardless_of_a_mail_that_comes_in_the_very_instant(evening: Evening, engine: Engine) -> None:
    draft_id = scheduled(evening, regardless=True)
    waiting = text("SELECT count(*) FROM pg_locks WHERE NOT granted")
    with ThreadPoolExecutor(1) as aside:
        with engine.connect() as watching, db.transaction() as session:
            a_message(session, session.get_one(Conversation, evening.conversation_id), "急ぎです。", at=DUE)
            session.flush()
            looked = aside.submit(later.look_after, DUE)
            if not db.is_sqlite(session):
                wait_until(lambda: looked.done() or watching.scalar(waiting), what="it waits for the mail")
        looked.result(30)
    assert (draft(draft_id).state, sent(draft_id)) == ("sent", 1)


def test_never_over_an_answer_that_a_join_brought_into_the_conversation(evening: Evening) -> None:
    """Its author saw only one of the two, whatever the customer writes."""
    with db.transaction() as session:
        other = a_conversation(
            session, session.get_one(Mailbox, evening.mailbox_id), person=a_person(session, "Kim", "k@x.example")
        )
        a_message(session, other, at=NOW + MINUTE)
        a_message(session, other, "返金しました。", at=NOW + 2 * MINUTE, direction="out", author_id=evening.ben.id)
        other_id = other.id
    draft_id = scheduled(evening, regardless=True)
    with db.transaction() as session:
        joins.join(session, evening.ben, evening.conversation_id, other_id, now=LATER + MINUTE)
    later.look_after(DUE)
    assert (draft(draft_id).state, draft(draft_id).came_back, sent(draft_id)) == ("open", "stale", 0)


@pytest.mark.parametrize("regardless", [False, True])
def test_moved_into_another_mailbox_it_comes_back_and_leaves_from_there(evening: Evening, regardless: bool) -> None:
    """The customer did not write, so nobody says that they did."""
    with db.transaction() as session:
        sales = a_mailbox(session, "Sales")
        sales_id = sales.id
        rin = a_viewer(session, "Rin", role="admin")
    draft_id = scheduled(evening, regardless=regardless)
    with db.transaction() as session:
        moves.move(session, rin, evening.conversation_id, sales_id, now=LATER + MINUTE)
    later.look_after(DUE)
    back = draft(draft_id)
    assert (back.state, back.came_back, sent(draft_id), events("overtaken")) == ("open", "stale", 0, 0)
    assert (back.mailbox_id, back.from_address) == (sales_id, "sales@shop.example")


def test_its_author_and_managers_send_it_now_or_cancel(evening: Evening) -> None:
    draft_id = scheduled(evening)
    with db.transaction() as session, pytest.raises(NotFound):
        later.cancel(session, evening.ben, draft_id, now=LATER)
    with db.transaction() as session:
        assert later.cancel(session, evening.mei, draft_id, now=LATER) == draft_id
    assert (draft(draft_id).state, events("unscheduled")) == ("open", 1)
    draft_id = scheduled(evening)
    with db.transaction() as session:
        result = later.send_now(session, evening.mei, draft_id, now=LATER)
        assert session.get_one(Outgoing, result.outgoing_id).created_by_id == evening.aoi.id
    with db.transaction() as session, pytest.raises(Conflict):
        later.cancel(session, evening.aoi, draft_id, now=LATER)


def test_while_it_waits_it_cannot_be_changed_or_sent_twice(evening: Evening) -> None:
    draft_id = scheduled(evening)
    seen = draft(draft_id).seen_version
    with db.transaction() as session, pytest.raises(Conflict):
        drafts.save(session, evening.aoi, draft_id, rev=2, fields={"text": "x"}, now=LATER)
    with db.transaction() as session, pytest.raises(Conflict):
        replies.send(session, evening.aoi, draft_id, seen_version=seen, next_status=None, now=LATER)
    with db.transaction() as session, pytest.raises(Conflict):
        drafts.bring_back(session, evening.aoi, draft_id, now=LATER)


def test_what_cannot_be_scheduled(evening: Evening) -> None:
    with db.transaction() as session:
        draft_id = written(session, evening)
    given = {"regardless": False, "next_status": None, "now": LATER}
    with db.transaction() as session, pytest.raises(UserError) as refused:
        later.schedule(session, evening.aoi, draft_id, at=LATER, seen_version=2, **given)
    assert refused.value.field == "when"
    with db.transaction() as session, pytest.raises(StaleReply):
        later.schedule(session, evening.aoi, draft_id, at=DUE, seen_version=99, **given)
    assert draft(draft_id).state == "open"


def test_of_an_author_who_lost_the_mailbox_it_comes_back(evening: Evening) -> None:
    draft_id = scheduled(evening)
    with db.transaction() as session:
        from inbox.models import MailboxAccess

        session.delete(session.get_one(MailboxAccess, (evening.aoi.id, evening.mailbox_id)))
    later.look_after(DUE)
    assert (draft(draft_id).state, draft(draft_id).came_back, sent(draft_id)) == ("open", "failed", 0)


def test_one_whose_file_was_lost_comes_back_and_holds_no_other_up(evening: Evening) -> None:
    """After a restore without all of its stored bytes, for example."""
    with db.transaction() as session:
        first, second = written(session, evening), written(session, evening, evening.ben)
        file = drafts.add_file(
            session, evening.aoi, first, name="請求書.pdf", content_type="application/pdf", data=b"lost", now=LATER
        )
        sha256 = session.get_one(DraftFile, file.id).sha256
        for who, draft_id, at in ((evening.aoi, first, DUE), (evening.ben, second, DUE + MINUTE)):
            seen = session.get_one(Draft, draft_id).seen_version
            given = {"regardless": True, "seen_version": seen, "next_status": None, "now": LATER}
            later.schedule(session, who, draft_id, at=at, **given, looked=all_ticked(session, draft_id))
    blobs().delete(sha256)
    later.look_after(DUE + MINUTE)
    assert (draft(first).state, draft(first).came_back, sent(first), sent(second)) == ("open", "failed", 0, 1)
    with db.transaction() as session, pytest.raises(UserError) as refused:
        seen = session.get_one(Conversation, evening.conversation_id).version
        replies.send(
            session, evening.aoi, first, seen_version=seen, next_status=None, now=DUE, looked=all_ticked(session, first)
        )
    assert (refused.value.field, refused.value.params) == ("file", {"name": "請求書.pdf"})


def test_a_new_mail_waits_too(evening: Evening) -> None:
    with db.transaction() as session:
        mailbox = session.get_one(Mailbox, evening.mailbox_id)
        made = drafts.start(session, evening.aoi, "new", mailbox_id=mailbox.id, now=LATER)
        fields = {"to": "taro@example.jp", "subject": "ご案内", "text": "こんにちは"}
        drafts.save(session, evening.aoi, made.id, rev=made.rev, fields=fields, now=LATER)
        later.schedule(
            session, evening.aoi, made.id, at=DUE, regardless=False, seen_version=0, next_status=None, now=LATER
        )
    later.look_after(DUE)
    assert sent(made.id) == 1
    with db.reading() as session:
        who = replace(viewer_of(session, session.get_one(User, evening.aoi.id)), undo_seconds=0)
        assert later.scheduled(session, who) == ()
