"""Another tier of a customer, and a mail or a click that opens a conversation of theirs in the same instant: whoever is
first, the deadline is that of the new tier within a second."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, select, text
from sqlalchemy.orm import Session
from structlog.testing import capture_logs

from inbox import clock, db, deadlines, intake, kept_deadlines, profiles, triage
from inbox.blobs import blobs
from inbox.intake import Arrival
from inbox.models import Conversation, Folder, RawMail
from inbox.people import Viewer
from tests.inbox.cast import RACES
from tests.inbox.intake.story import Story, a_mail, read_here
from tests.inbox.routing_cast import a_manager, conversations_of
from tests.servers import wait_until

GOLD, ALL = timedelta(minutes=30), timedelta(minutes=240)
WAITING = text("SELECT count(*) FROM pg_locks WHERE NOT granted")


@pytest.fixture
def story(engine: Engine) -> Story:
    return Story()


@pytest.fixture
def mei(story: Story) -> Viewer:
    """With two policies: one for the tier VIP, one for all others."""
    mei = a_manager()
    with db.transaction() as session:
        for body in ({"name": "Gold", "first_answer": 30, "tiers": ["VIP"]}, {"name": "All", "first_answer": 240}):
            deadlines.save(session, mei, None, body=body, enabled=True, now=story.now)
    clock._deadlines(story.now)
    return mei


def tier(session: Session, who: Viewer, conversation_id: int, name: str, now: datetime) -> None:
    profiles.change(session, who, conversation_id, name="", company="", tier=name, phase="", note="", now=now)


def time_given(conversation: Conversation) -> timedelta:
    assert conversation.due_at is not None
    assert conversation.began_at is not None
    return conversation.due_at - conversation.began_at


def here(story: Story) -> list[timedelta]:
    return [time_given(one) for one in conversations_of(story.mailbox_id) if one.status == "open"]


@contextmanager
def beside(engine: Engine, what: Callable[[], object], *, waits: bool) -> Any:
    """A transaction that is open while `what` runs on another thread: on PostgreSQL until that is done, or, with
    `waits`, until it waits for us. SQLite has one writer, so there it comes after us in any case."""
    with ThreadPoolExecutor(1) as aside:
        with engine.connect() as watching, db.transaction() as session:
            yield session
            session.flush()
            other: Future[object] = aside.submit(what)
            if not db.is_sqlite(session):
                wait_until(lambda: other.done() or watching.scalar(WAITING), what="it is done or waits")
                assert other.done() != waits
        other.result(30)


def test_a_mail_that_is_filed_while_the_tier_changes(story: Story, mei: Viewer, engine: Engine) -> None:
    """It waits for nobody: intake never stands still because somebody saves a form."""
    story.arrive(a_mail(subject="first"))
    (first,) = conversations_of(story.mailbox_id)
    with beside(engine, lambda: story.arrive(a_mail(subject="second")), waits=False) as session:
        tier(session, mei, first.id, "VIP", story.now)
    clock._deadlines(story.now)
    assert here(story) == [GOLD, GOLD]
    ahead = [one.next_step_at for one in conversations_of(story.mailbox_id)]
    assert all(at is not None and at > story.now for at in ahead), "nothing is left to be looked at"


@pytest.mark.only_on("postgres")
def test_the_clock_that_looks_while_the_tier_still_changes_looks_again(
    story: Story, mei: Viewer, engine: Engine
) -> None:
    story.arrive(a_mail(subject="first"))
    (first,) = conversations_of(story.mailbox_id)

    def filed_and_looked_at() -> None:
        story.arrive(a_mail(subject="second"))
        clock._deadlines(story.now)

    with beside(engine, filed_and_looked_at, waits=False) as session:
        tier(session, mei, first.id, "VIP", story.now)
    assert here(story) == [GOLD, ALL]
    clock._deadlines(story.now)
    assert here(story) == [GOLD, GOLD]


def test_a_tier_that_changes_while_a_mail_is_filed(story: Story, mei: Viewer, engine: Engine) -> None:
    story.arrive(a_mail(subject="first"))
    (first,) = conversations_of(story.mailbox_id)

    def changes() -> None:
        with db.transaction() as session:
            tier(session, mei, first.id, "VIP", story.now)

    with beside(engine, changes, waits=True) as session:
        file_within(session, story, a_mail(subject="second"))
    assert here(story) == [GOLD, GOLD], "at once: it waited and found both"


@pytest.mark.parametrize("tier_first", [True, False])
def test_a_conversation_that_is_opened_again_while_the_tier_changes(
    story: Story, mei: Viewer, engine: Engine, tier_first: bool
) -> None:
    story.arrives(a_mail(subject="first"), a_mail(subject="second"))
    first, second = conversations_of(story.mailbox_id)
    with db.transaction() as session:
        triage.close(session, mei, second.id, now=story.now)

    def changes() -> None:
        with db.transaction() as session:
            tier(session, mei, first.id, "VIP", story.now)

    def opens() -> None:
        with db.transaction() as session:
            triage.reopen(session, mei, second.id, now=story.now)

    with beside(engine, opens if tier_first else changes, waits=not tier_first) as session:
        if tier_first:
            tier(session, mei, first.id, "VIP", story.now)
        else:
            triage.reopen(session, mei, second.id, now=story.now)
    clock._deadlines(story.now)
    assert len(here(story)) == 2
    assert set(here(story)) == {GOLD}


def test_mail_clicks_and_tiers_for_one_customer_at_once_end_right_and_never_block_each_other(
    story: Story, mei: Viewer, engine: Engine
) -> None:
    story.arrives(*(a_mail(subject=f"{number}") for number in range(4)))
    ids = [one.id for one in conversations_of(story.mailbox_id)]
    rounds, start = max(5, RACES // 15), threading.Barrier(3)

    def mails() -> None:
        start.wait(30)
        for number in range(rounds):
            story.arrives(*(a_mail(subject=f"{number}-{n}") for n in range(3)))

    def clicks() -> None:
        start.wait(30)
        chosen = random.Random(7)
        for number in range(rounds):
            with db.transaction() as session:
                triage.many(session, mei, chosen.sample(ids, 3), "close" if number % 2 else "reopen", now=story.now)

    def tiers() -> None:
        start.wait(30)
        for number in range(rounds):
            with db.transaction() as session:
                tier(session, mei, ids[number % 4], "VIP" if number % 2 == 0 else "Silver", story.now)
            clock._deadlines(story.now)
        with db.transaction() as session:
            tier(session, mei, ids[0], "VIP", story.now)

    with capture_logs() as logs, ThreadPoolExecutor(3) as pool:
        for done in [pool.submit(one) for one in (mails, clicks, tiers)]:
            done.result(120)
    clock._deadlines(story.now)
    with db.transaction() as session:  # pauses make the time given longer, so it is worked out once more
        found = session.scalars(select(Conversation).where(Conversation.status == "open")).all()
        assert len(found) >= 3 * rounds
        for one in found:
            anew = kept_deadlines.work_out(session, one, now=story.now)
            assert (anew.policy, anew.most_urgent and anew.most_urgent.due_at) == ("Gold", one.due_at)
    assert [one for one in logs if one["event"] == "filing_again"] == [], "no mail had to be filed twice for a deadlock"


def file_within(session: Session, story: Story, raw: bytes) -> None:
    """As intake does it, in a transaction that the caller ends."""
    folder = session.scalars(select(Folder).where(Folder.mailbox_id == story.mailbox_id, Folder.name == "INBOX")).one()
    story._uid += 1
    arrival = Arrival(story._uid, story.now, len(raw), blobs().put(raw), silent=False)
    (kept,) = intake.keep(session, folder.id, 1, [arrival], now=story.now, cursor=story._uid)
    intake.file(session, session.get_one(RawMail, kept.raw_id), read_here(raw), story.now)
