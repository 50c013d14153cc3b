"""Again and again somebody answers while a colleague joins, moves or splits the conversation. Nothing is doubled."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from sqlalchemy import Engine, func, select
from sqlalchemy.orm import Session

from inbox import conversations, db, joins, moves, replies, splits
from inbox.errors import StaleReply
from inbox.models import Conversation, Draft, FolderCount, Mailbox, Message, Outgoing, ThreadKey
from inbox.models.conversations import JOINED
from inbox.people import Viewer
from tests.inbox.cast import MINUTE, NOW, RACES, a_conversation, a_mailbox, a_message, a_person, a_viewer
from tests.inbox.test_reply_races import a_draft

AT_ONCE = 4  # pairs of threads; the pairs are apart, as people are


class Round:
    """One conversation with a draft, another one beside it, and what the colleague does."""

    def __init__(self, session: Session, who: Viewer, mailboxes: tuple[int, int], number: int, person: object) -> None:
        support = session.get_one(Mailbox, mailboxes[0])
        one, other = (a_conversation(session, support, f"件 {number}", person=person) for _ in range(2))
        asked = a_message(session, one, "一", at=NOW)
        self.second = a_message(session, one, "二", at=NOW + MINUTE).id
        a_message(session, other, "三", at=NOW)
        self.draft = a_draft(session, one, asked, who)
        self.seen, self.one, self.other, self.mailbox = one.version, one.id, other.id, mailboxes[1]
        self.do: Callable[[Session, Viewer], object] = (self.join, self.move, self.split)[number % 3]

    def join(self, session: Session, who: Viewer) -> object:
        return joins.join(session, who, self.one, self.other, now=datetime.now(UTC))

    def move(self, session: Session, who: Viewer) -> object:
        return moves.move(session, who, self.one, self.mailbox, now=datetime.now(UTC))

    def split(self, session: Session, who: Viewer) -> object:
        return splits.split(session, who, self.one, self.second, now=datetime.now(UTC))


@pytest.mark.slow
def test_answering_against_joining_moving_and_splitting(engine: Engine) -> None:
    with db.transaction() as session:
        support, sales = a_mailbox(session, "Support"), a_mailbox(session, "Sales")
        aoi, ben = (replace(a_viewer(session, name, support, sales), undo_seconds=0) for name in ("Aoi", "Ben"))
        person = a_person(session)
        rounds = [Round(session, aoi, (support.id, sales.id), n, person) for n in range(RACES)]
    told: list[str] = []
    failed: list[BaseException] = []
    pairs = [threading.Barrier(2) for _ in range(AT_ONCE)]

    def answers(number: int) -> None:
        for one in rounds[number::AT_ONCE]:
            pairs[number].wait(60)
            try:
                with db.transaction() as session:
                    replies.send(
                        session, aoi, one.draft, seen_version=one.seen, next_status="closed", now=datetime.now(UTC)
                    )
                told.append("sent")
            except StaleReply:
                told.append("refused")

    def arranges(number: int) -> None:
        for one in rounds[number::AT_ONCE]:
            pairs[number].wait(60)
            with db.transaction() as session:
                one.do(session, ben)

    def guarded(work: Callable[[int], None], number: int) -> None:
        try:
            work(number)
        except BaseException as error:  # noqa: BLE001 - told to the test below
            failed.append(error)
            pairs[number].abort()

    threads = [
        threading.Thread(target=guarded, args=(work, n)) for n in range(AT_ONCE) for work in (answers, arranges)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(500)
    assert failed == []
    assert len(told) == RACES
    sent = told.count("sent")
    with db.transaction() as session:
        nothing_is_lost_or_doubled(session, rounds, sent=sent)


def nothing_is_lost_or_doubled(session: Session, rounds: list[Round], *, sent: int) -> None:
    def number(*conditions: object) -> int:
        return session.scalar(select(func.count()).where(*conditions)) or 0  # type: ignore[arg-type]

    assert number(Message.direction == "in") == 3 * len(rounds)
    assert number(Message.direction == "out") == number(Outgoing.id > 0) == number(Draft.state == "sent") == sent
    assert number(Draft.state == "open") == len(rounds) - sent
    strayed = select(Outgoing.id).join(Message, Message.id == Outgoing.message_id)
    assert session.scalars(strayed.where(Outgoing.conversation_id != Message.conversation_id)).all() == []
    for model in (Message, Outgoing, Draft, ThreadKey):
        emptied = select(Conversation.id).where(Conversation.status == JOINED)
        assert number(model.conversation_id.in_(emptied)) == 0, model
    counted = dict(
        session.execute(select(Message.conversation_id, func.count()).group_by(Message.conversation_id)).all()
    )
    for one in session.scalars(select(Conversation)):
        assert one.message_count == counted.get(one.id, 0)
    open_drafts = session.scalars(select(Draft).where(Draft.state == "open")).all()
    for draft in open_drafts:  # the words are kept, and stand where the conversation is now
        conversation = session.get_one(Conversation, draft.conversation_id)
        assert (draft.mailbox_id, bool(draft.text)) == (conversation.mailbox_id, True)
    kept = sorted(
        (r.mailbox_id, r.status, r.owner_id, r.count) for r in session.scalars(select(FolderCount)) if r.count
    )
    conversations.recount(session)
    session.expire_all()
    assert kept == sorted(
        (r.mailbox_id, r.status, r.owner_id, r.count) for r in session.scalars(select(FolderCount)) if r.count
    )
