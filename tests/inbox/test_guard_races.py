"""Again and again two ways at one moment, from two processes: by hand, by the clock, by an approver, by itself. One
mail each."""

from __future__ import annotations

import multiprocessing
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import Engine, func, select

from inbox import approval_policies, approvals, config, db, drafts, intake, later, replies
from inbox.blobs import blobs
from inbox.errors import Conflict, StaleReply
from inbox.intake import Arrival
from inbox.intake.filing import Understood
from inbox.models import (
    Approval,
    Conversation,
    Draft,
    Event,
    Folder,
    LaterSending,
    Mailbox,
    Message,
    NearMiss,
    Outgoing,
    WorkCalendar,
)
from inbox.people import Viewer
from tests.inbox.cast import HOUR, NOW, RACES, a_conversation, a_mailbox, a_message, a_person, a_viewer
from tests.inbox.intake.story import DAY, Story, a_mail, read_here
from tests.inbox.test_autoanswers import switched_on
from tests.inbox.test_reply_races import a_draft, delivered_once_each, sends_to
from tests.servers.smtp_sink import SmtpSink
from tests.servers.valkey import Valkey

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Turn:
    """One side of one race."""

    conversation: int
    draft: int
    approval: int
    seen: int
    arrived: Understood | None = None  # a mail that waits to be filed


def act(url: str, data: str, redis_url: str, how: str, who: Viewer, turns: list[Turn], barrier: Any, out: Any) -> None:
    """One process: acts on each turn at the moment when the other process does. Tells what came of each."""
    import os

    os.environ.update(DATABASE_URL=url, DATA_DIR=data, REDIS_URL=redis_url)
    config.settings.cache_clear()
    db.engine.cache_clear()
    told = []
    for turn in turns:
        barrier.wait(60)
        told.append(WAYS[how](who, turn))
    out.put((how, told))


def by_hand(who: Viewer, turn: Turn) -> str:
    try:
        with db.transaction() as session:
            given = {"seen_version": turn.seen, "next_status": "closed", "now": datetime.now(UTC)}
            replies.send(session, who, turn.draft, **given)
    except StaleReply as error:
        with db.transaction() as session:
            replies.keep_refused(session, turn.draft, error, actor_id=who.id, now=datetime.now(UTC))
        return "refused"
    return "sent"


def by_the_clock(_who: Viewer, turn: Turn) -> str:
    later.tend(turn.draft, now=datetime.now(UTC))
    return "tended"


def by_an_approver(who: Viewer, turn: Turn) -> str:
    try:
        with db.transaction() as session:
            given = {"fields": {}, "seen_version": turn.seen, "now": datetime.now(UTC)}
            approvals.decide(session, who, turn.approval, "send", **given)
    except StaleReply as error:
        with db.transaction() as session:
            replies.keep_refused(session, turn.draft, error, way="approval", actor_id=who.id, now=datetime.now(UTC))
        return "refused"
    except Conflict:
        return "too late"
    return "sent"


def cancelled(who: Viewer, turn: Turn) -> str:
    try:
        with db.transaction() as session:
            later.cancel(session, who, turn.draft, now=datetime.now(UTC))
    except Conflict:
        return "too late"
    return "cancelled"


def customer_writes(_who: Viewer, turn: Turn) -> str:
    with db.transaction() as session:
        wanted = select(Conversation).where(Conversation.id == turn.conversation).with_for_update(of=Conversation)
        a_message(session, session.scalars(wanted).one(), "もう届きました。", at=datetime.now(UTC))
    return "wrote"


def mail_is_filed(_who: Viewer, turn: Turn) -> str:
    assert turn.arrived is not None
    with db.reading() as session:
        mailbox_id = session.scalars(select(Conversation.mailbox_id).where(Conversation.id == turn.conversation)).one()
    intake.file_batch(mailbox_id, [turn.arrived], now=datetime.now(UTC))
    return "filed"


WAYS: dict[str, Callable[[Viewer, Turn], str]] = {
    "by hand": by_hand,
    "by the clock": by_the_clock,
    "by an approver": by_an_approver,
    "cancelled": cancelled,
    "customer writes": customer_writes,
    "a mail is filed": mail_is_filed,
}
LOCKED = {"by the clock": "later", "by an approver": "asked"}


@pytest.fixture
def race(engine: Engine, database_url: str, valkey: Valkey) -> Callable[..., list[tuple[str, list[str]]]]:
    def run(*sides: tuple[str, Viewer, list[Turn]]) -> list[tuple[str, list[str]]]:
        spawn = multiprocessing.get_context("spawn")
        barrier, out = spawn.Barrier(len(sides)), spawn.Queue()
        data = str(config.settings().data)
        children = [
            spawn.Process(target=act, args=(database_url, data, valkey.url, *side, barrier, out)) for side in sides
        ]
        for child in children:
            child.start()
        told = [out.get(timeout=1500) for _ in children]
        for child in children:
            child.join(30)
        return told

    return run


def prepare(sink: SmtpSink, ways: tuple[str, str], *, same: bool) -> list[tuple[str, Viewer, list[Turn]]]:
    """RACES conversations; for each way a draft of its own, or with `same` one for both."""
    with db.transaction() as session:
        mailbox = a_mailbox(session)
        sends_to(mailbox, sink)
        aoi, ben = (replace(a_viewer(session, name, mailbox), undo_seconds=0) for name in ("Aoi", "Ben"))
        mei = replace(a_viewer(session, "Mei", mailbox, role="manager"), undo_seconds=0)
        nao = replace(a_viewer(session, "Nao", mailbox, role="manager"), undo_seconds=0)
        person = a_person(session)
        sides: list[tuple[str, Viewer, list[Turn]]] = []
        for place, way in enumerate(ways):
            actor = (mei, nao)[place] if way == "by an approver" else (aoi, ben)[0 if same else place]
            sides.append((way, actor, []))
        for _ in range(RACES):
            conversation = a_conversation(session, mailbox, person=person)
            asked = a_message(session, conversation)
            made: Turn | None = None
            for place, (way, _actor, turns) in enumerate(sides):
                if made is None or not same:
                    made = a_turn(session, conversation, asked, (aoi, ben)[place], way)
                turns.append(made)
    return sides


def a_turn(session: Any, conversation: Conversation, asked: Message, author: Viewer, way: str) -> Turn:
    draft_id, approval_id = a_draft(session, conversation, asked, author), 0
    draft = session.get_one(Draft, draft_id)
    draft.state = LOCKED.get(way, "open")
    session.flush()
    if draft.state == "later":
        session.add(LaterSending(draft_id=draft_id, at=NOW + HOUR, made_at=NOW + HOUR, next_status="closed"))
    if draft.state == "asked":
        content = approval_policies.content(session, drafts.view(session, draft))
        approval = Approval(
            draft_id=draft_id,
            mailbox_id=draft.mailbox_id,
            author_id=author.id,
            asked_at=NOW,
            asked_with=content,
            next_status="closed",
        )
        session.add(approval)
        session.flush()
        approval_id = approval.id
    return Turn(conversation.id, draft_id, approval_id, conversation.version)


def counted(model: Any, *where: Any) -> int:
    with db.reading() as session:
        return session.scalar(select(func.count()).select_from(model).where(*where)) or 0


@pytest.mark.parametrize(
    "ways", [("by hand", "by the clock"), ("by hand", "by an approver"), ("by the clock", "by an approver")]
)
def test_of_two_answers_by_two_ways_one_leaves_and_the_other_keeps_the_words(
    race: Callable[..., Any], smtp_sink: SmtpSink, ways: tuple[str, str]
) -> None:
    race(*prepare(smtp_sink, ways, same=False))
    assert counted(Outgoing) == RACES
    with db.reading() as session:
        assert session.scalar(select(func.count(Outgoing.conversation_id.distinct()))) == RACES
    assert counted(Draft, Draft.state == "sent") == RACES
    assert counted(NearMiss) == counted(Event, Event.kind == "refused") == RACES, "every one that was stopped is told"
    with db.reading() as session:
        for kept in session.scalars(select(Draft).where(Draft.state != "sent")):
            assert kept.text.endswith(str(kept.conversation_id))
            assert kept.state in ("open", "asked")
    delivered_once_each(smtp_sink)


@pytest.mark.parametrize("way", ["by the clock", "by an approver"])
def test_two_clocks_and_two_approvers_send_it_once(race: Callable[..., Any], smtp_sink: SmtpSink, way: str) -> None:
    told = race(*prepare(smtp_sink, (way, way), same=True))
    assert counted(Outgoing) == counted(Draft, Draft.state == "sent") == RACES
    assert counted(NearMiss) == 0
    if way == "by an approver":
        results = Counter(one for _way, side in told for one in side)
        assert results == {"sent": RACES, "too late": RACES}
    delivered_once_each(smtp_sink)


def test_cancelled_at_its_moment_it_is_sent_or_a_draft_and_its_author_is_told_which(
    race: Callable[..., Any], smtp_sink: SmtpSink
) -> None:
    told = dict(race(*prepare(smtp_sink, ("by the clock", "cancelled"), same=True)))
    results = Counter(told["cancelled"])
    assert results["cancelled"] + results["too late"] == RACES
    assert counted(Draft, Draft.state == "open") == results["cancelled"]
    assert counted(Outgoing) == counted(Draft, Draft.state == "sent") == results["too late"]
    assert counted(LaterSending) == 0


@pytest.mark.parametrize("way", ["by the clock", "by an approver"])
def test_a_customers_mail_at_that_moment_is_never_answered_unread(
    race: Callable[..., Any], smtp_sink: SmtpSink, way: str
) -> None:
    race(*prepare(smtp_sink, (way, "customer writes"), same=True))
    assert counted(Message, Message.direction == "in") == 2 * RACES
    sent, back = counted(Draft, Draft.state == "sent"), counted(Draft, Draft.state != "sent")
    assert (sent + back, counted(Outgoing)) == (RACES, sent)
    assert counted(Conversation, Conversation.status == "open") == RACES, "the customer waits for an answer"
    if way == "by the clock":
        assert counted(Draft, Draft.state == "open", Draft.came_back.in_(("wrote_first", "stale"))) == back
    else:
        assert counted(NearMiss) == counted(Draft, Draft.state == "asked") == back


def second_mails(story: Story, sink: SmtpSink, other: str) -> list[tuple[str, Viewer, list[Turn]]]:
    """RACES customers who wrote, whose answers are ready to leave, and who write once more: each second mail stands in
    the ledger of a mailbox that answers by itself."""
    first = [
        a_mail(f"mail {n}", sender=("", f"c@d{n}.example"), subject=f"mail {n}", mail_id=f"<first.{n}@d{n}.example>")
        for n in range(RACES)
    ]
    for start in range(0, RACES, 100):
        story.arrives(*first[start : start + 100])
    switched_on(story, "closed", hourly=2 * RACES)
    now = datetime.now(UTC)
    with db.transaction() as session:
        another_day = f"{now + 3 * DAY:%a}".lower()
        week = {another_day: ["09:00-12:00"]}
        session.add(WorkCalendar(name="closed now", is_default=True, body={"zone": "Asia/Tokyo", "week": week}))
        mailbox = session.get_one(Mailbox, story.mailbox_id)
        sends_to(mailbox, sink)
        aoi, mei = (
            replace(a_viewer(session, name, mailbox, role=role), undo_seconds=0)
            for name, role in (("Aoi", "agent"), ("Mei", "manager"))
        )
        folder = session.scalars(select(Folder).where(Folder.mailbox_id == mailbox.id, Folder.role == "inbox")).one()
        turns = []
        for message in session.scalars(select(Message).order_by(Message.id)).all():
            raw = a_mail("one more", sender=("", message.from_address), answers=message.mail_id)
            arrival = Arrival(2 * RACES + message.id, now, len(raw), blobs().put(raw))
            (kept,) = intake.keep(session, folder.id, 1, [arrival], now=now, cursor=arrival.uid)
            conversation = session.get_one(Conversation, message.conversation_id)
            turn = a_turn(session, conversation, message, aoi, other)
            turns.append(replace(turn, arrived=Understood(kept.raw_id, read_here(raw))))
    return [("a mail is filed", aoi, turns), (other, mei if other == "by an approver" else aoi, turns)]


@pytest.mark.parametrize("other", ["a mail is filed", "by hand", "by the clock", "by an approver"])
def test_a_mail_is_answered_automatically_once_and_a_person_never_answers_it_unread(
    race: Callable[..., Any], smtp_sink: SmtpSink, other: str
) -> None:
    race(*second_mails(Story(), smtp_sink, other))
    assert counted(Message, Message.direction == "in") == 2 * RACES
    assert counted(Outgoing, Outgoing.kind == "auto_reply") == RACES
    with db.reading() as session:
        by_itself = select(func.count(Outgoing.conversation_id.distinct())).where(Outgoing.kind == "auto_reply")
        assert session.scalar(by_itself) == RACES
        unsent = session.scalars(select(Draft).where(Draft.state != "sent")).all()
    assert all(one.text.endswith(str(one.conversation_id)) for one in unsent), "the words are kept"
    answered = counted(Outgoing, Outgoing.kind == "reply")
    assert answered == RACES - len(unsent) == counted(Draft, Draft.state == "sent")
    assert counted(Conversation, Conversation.status == "open") == RACES, "the customer waits for an answer"
    delivered_once_each(smtp_sink, RACES + answered)
