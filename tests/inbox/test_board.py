"""The warning board: every section holds what it should, of the reader's mailboxes only, and reads indexes."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import Engine, insert
from sqlalchemy.orm import Session

from inbox import board, conversations, drafts, presence, sidebar
from inbox.models import Conversation
from tests.inbox.cast import DAY, HOUR, MINUTE, NOW, a_conversation, a_mailbox, a_message, a_viewer, statements


@pytest.fixture
def support(session: Session):
    return a_mailbox(session)


@pytest.fixture
def aoi(session: Session, support):
    return a_viewer(session, "Aoi", support)


def due(session: Session, mailbox, at, *, soon: timedelta = HOUR, **more) -> int:
    made = a_conversation(session, mailbox, **more)
    made.due_at, made.soon_at = at, at - soon
    session.flush()
    return made.id


def shown(session: Session, who) -> dict[str, list[int]]:
    found = board.show(session, who, now=NOW)
    assert all(section.count == len(section.rows) for section in found.sections)
    return {section.name: [row.id for row in section.rows] for section in found.sections}


def test_each_section_holds_what_it_should_and_the_most_urgent_first(session, support, aoi) -> None:
    ben = a_viewer(session, "Ben", support)
    hidden = a_mailbox(session, "Secret")
    due(session, hidden, NOW - HOUR)
    late = [due(session, support, NOW - n * HOUR, owner=ben) for n in (1, 3)]
    soon = due(session, support, NOW + MINUTE, owner=ben)
    due(session, support, NOW + DAY, owner=ben)
    nobodys = a_conversation(session, support).id
    a_message(session, session.get_one(Conversation, nobodys))
    writing, claimed = (a_conversation(session, support, owner=aoi) for _ in range(2))
    draft = drafts.start(session, aoi, "reply", conversation_id=writing.id, now=NOW)
    drafts.save(session, aoi, draft.id, rev=draft.rev, fields={"text": "…"}, now=NOW)
    presence.claim(session, aoi, claimed.id, now=NOW)
    presence.claim(session, ben, a_conversation(session, support, owner=ben).id, now=NOW)
    assert shown(session, aoi) == {
        "late": late[::-1],
        "soon": [soon],
        "mine": [writing.id, claimed.id],
        "nobody": [nobodys],
    }
    assert sidebar.show(session, aoi, now=NOW).late == 2
    assert not board.show(session, aoi, now=NOW).is_clear


def test_what_is_answered_closed_or_spam_stands_on_no_board(session, support, aoi) -> None:
    for status in ("waiting", "closed", "spam"):
        made = session.get_one(Conversation, due(session, support, NOW - HOUR))
        conversations.set_status(session, made, status, now=NOW, actor_id=None)
    assert shown(session, aoi) == {"late": [], "soon": [], "mine": [], "nobody": []}
    assert board.show(session, a_viewer(session, "Cho"), now=NOW).is_clear


@pytest.mark.only_on("sqlite")
def test_late_and_soon_are_read_from_their_index(session: Session, engine: Engine, support, aoi) -> None:
    row = {"mailbox_id": support.id, "status": "closed", "activity_at": NOW, "created_at": NOW}
    session.execute(insert(Conversation), [row] * 2_000)
    due(session, support, NOW - HOUR)
    session.commit()
    with statements(engine) as seen:
        board.show(session, aoi, now=NOW)
        plain = [one for one in seen if "due_at" in one and "snippet" not in one]
        assert len(seen) <= 12
    for statement in plain:
        marks = (1,) * statement.count("?")
        plan = session.connection().exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", marks).all()
        assert not [line for line in map(str, plan) if "SCAN conversation" in line and "USING" not in line], plan
        assert "ix_conversation_due" in str(plan)
