"""Bulk changes: done in steps, resumed after a crash, taken back exactly, and never over a colleague's later change."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from inbox import bulk, conversations, db, lists, people, presence, tags, triage
from inbox.errors import Conflict, NotFound, UserError
from inbox.models import Bulk, BulkItem, Conversation, Event, User
from tests.inbox.cast import DAY, HOUR, NOW, a_conversation, a_mailbox, a_message, a_user, a_viewer

FACTS = (*bulk.FACTS, "mailbox_id", "person_id", "message_count", "opened_at")


def rows(session: Session) -> list[tuple[Any, ...]]:
    session.flush()
    session.expire_all()
    every = session.scalars(select(Conversation).order_by(Conversation.id))
    return [(one.id, *(getattr(one, name) for name in FACTS), [tag.name for tag in one.tags]) for one in every]


@pytest.fixture
def support(session: Session) -> Any:
    return a_mailbox(session)


@pytest.fixture
def aoi(session: Session, support: Any) -> people.Viewer:
    return a_viewer(session, "Aoi", support)


@pytest.fixture
def ids(session: Session, support: Any, aoi: people.Viewer) -> list[int]:
    """Conversations in every status, with and without an owner."""
    ben = a_user(session, "Ben", support)
    made = []
    for n, status in enumerate(["open", "waiting", "snoozed", "closed", "spam"] * 2):
        one = a_conversation(session, support, f"件 {n}", owner=ben if n % 2 else None, waiting_since=NOW - HOUR * n)
        a_message(session, one, str(n), at=NOW - HOUR)
        conversations.set_status(session, one, status, now=NOW - HOUR, actor_id=None, until=NOW + DAY)
        made.append(one.id)
    conversations.tag(session, session.get_one(Conversation, made[0]), "返品", now=NOW, actor_id=aoi.id)
    return made


@pytest.mark.parametrize(
    ("action", "given"),
    [
        ("assign", {"owner_id": None}),
        ("close", {}),
        ("needless", {"reason": "お礼のみ"}),
        ("reopen", {}),
        ("wait", {}),
        ("snooze", {"until": NOW + 2 * DAY}),
        ("spam", {}),
        ("not_spam", {}),
        ("mark_unread", {}),
        ("tag", {"name": "返品"}),
        ("categorise", {"category_id": 1}),
    ],
)
def test_every_action_is_taken_back_exactly(
    session: Session, support: Any, aoi: people.Viewer, ids: list[int], action: str, given: dict[str, Any]
) -> None:
    tags.add_category(session, aoi, "配送", now=NOW)
    presence.look(session, aoi, ids[3], now=NOW)
    before, counts = rows(session), lists.counts(session, aoi)
    unread = [row.unread for row in lists.rows_of(session, aoi, ids, now=NOW)]
    done = bulk.start(session, aoi, action, ids, now=NOW, **given)
    assert (done.state, done.total, done.skipped) == ("done", len(ids), 0)
    undone = bulk.undo(session, aoi, done.id, now=NOW + HOUR)
    assert (undone.state, undone.skipped) == ("undone", 0)
    assert rows(session) == before
    assert lists.counts(session, aoi) == counts
    assert [row.unread for row in lists.rows_of(session, aoi, ids, now=NOW)] == unread
    with pytest.raises(Conflict):
        bulk.undo(session, aoi, done.id, now=NOW)


def test_what_a_colleague_changed_since_is_left_alone(
    session: Session, support: Any, aoi: people.Viewer, ids: list[int]
) -> None:
    done = bulk.start(session, aoi, "close", ids, now=NOW)
    triage.reopen(session, aoi, ids[0], now=NOW)
    triage.assign(session, aoi, ids[1], aoi.id, now=NOW)
    undone = bulk.undo(session, aoi, done.id, now=NOW)
    assert undone.skipped == 1, "the owner is none of what closing changed"
    assert session.get_one(Conversation, ids[0]).status == "open"
    assert session.get_one(Conversation, ids[1]).status == "waiting"
    assert session.get_one(Conversation, ids[1]).owner_id == aoi.id


def test_what_one_may_not_see_or_what_is_not_there_is_skipped(
    session: Session, support: Any, aoi: people.Viewer, ids: list[int]
) -> None:
    secret = a_conversation(session, a_mailbox(session, "Secret"))
    done = bulk.start(session, aoi, "close", [ids[0], secret.id, 999_999], now=NOW)
    assert (done.total, done.skipped) == (2, 1)
    assert secret.status == "open"
    ben = people.of(session, session.scalars(select(User).where(User.name == "Ben")).one())
    with pytest.raises(NotFound):
        bulk.show(session, ben, done.id)
    with pytest.raises(NotFound):
        bulk.undo(session, ben, done.id, now=NOW)
    with pytest.raises(NotFound):
        bulk.start(session, aoi, "note", ids, now=NOW, text="x")


def test_what_every_conversation_refuses_is_an_error(
    session: Session, support: Any, aoi: people.Viewer, ids: list[int]
) -> None:
    for action, given in (
        ("needless", {"reason": " "}),
        ("snooze", {"until": NOW - DAY}),
        ("categorise", {"category_id": 99}),
    ):
        with pytest.raises(UserError):
            bulk.start(session, aoi, action, ids[:2], now=NOW, **given)


def test_many_are_done_in_steps_and_a_crash_loses_and_doubles_nothing(engine: Engine) -> None:
    with db.transaction() as session:
        support = a_mailbox(session)
        aoi = a_viewer(session, "Aoi", support)
        ids = [a_conversation(session, support, str(n)).id for n in range(3 * bulk.STEP + 7)]
    with db.transaction() as session:
        begun = bulk.start(session, aoi, "close", ids, now=NOW)
    assert (begun.state, begun.done, begun.total) == ("running", bulk.STEP, len(ids))
    with pytest.raises(RuntimeError), db.transaction() as session:  # dies in the middle of a step
        bulk.go_on(session, begun.id, now=NOW)
        raise RuntimeError
    with db.reading() as session:
        assert bulk.show(session, aoi, begun.id).done == bulk.STEP
        assert bulk.unfinished(session) == (begun.id,)
    steps = 0
    more = True
    while more:
        with db.transaction() as session:
            more = bulk.go_on(session, begun.id, now=NOW)
            steps += 1
    assert steps == 3
    with db.reading() as session:
        assert bulk.show(session, aoi, begun.id).done == len(ids)
        assert len(session.scalars(select(Event.id).where(Event.kind == "status")).all()) == len(ids)
        assert lists.counts(session, aoi)["closed"] == len(ids)
    with db.transaction() as session:
        bulk.undo(session, aoi, begun.id, now=NOW)
    while bulk_goes_on(begun.id):
        pass
    with db.transaction() as session:
        assert lists.counts(session, aoi)["open"] == len(ids)
        bulk.forget_old(session, before=NOW + timedelta(days=1))
        assert session.scalars(select(Bulk)).all() == []
        assert session.scalars(select(BulkItem)).all() == []


def bulk_goes_on(bulk_id: int) -> bool:
    with db.transaction() as session:
        return bulk.go_on(session, bulk_id, now=NOW)
