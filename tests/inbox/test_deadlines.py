"""Deadlines in each conversation's row: what starts, pauses, stops and changes them, and how they are counted."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from inbox import bulk, calendars, conversations, db, deadlines, kept_deadlines, triage
from inbox.calendars import SUGGESTED
from inbox.errors import Forbidden, NotFound, UserError
from inbox.models import Conversation, Pause, Setting
from tests.inbox.cast import DAY, HOUR, MINUTE, a_conversation, a_mailbox, a_message, a_viewer

TOKYO = ZoneInfo("Asia/Tokyo")
FRIDAY = datetime(2026, 11, 20, 15, 0, tzinfo=TOKYO)  # Monday the 23rd is a holiday


@pytest.fixture
def support(session: Session):
    return a_mailbox(session)


@pytest.fixture
def mei(session: Session, support):
    who = a_viewer(session, "Mei", support, role="manager")
    calendars.save(session, who, None, name="Team", body=SUGGESTED, is_default=True, mailbox_ids=(), now=FRIDAY)
    return who


def policy(session: Session, who, policy_id: int | None = None, *, enabled: bool = True, **body: Any) -> int:
    given = {"name": "Normal", "first_answer": 240, "next_answer": 120, **body}
    return deadlines.save(session, who, policy_id, body=given, enabled=enabled, now=FRIDAY)


def asked(session: Session, mailbox, at: datetime = FRIDAY, **more: Any) -> Conversation:
    made = a_conversation(session, mailbox, at=at - MINUTE, **more)
    a_message(session, made, at=at)
    return made


def tokyo(at: datetime | None) -> str:
    return f"{at.astimezone(TOKYO):%m-%d %H:%M}" if at else ""


def test_the_clock_starts_with_the_customers_mail_and_counts_working_time(session, support, mei) -> None:
    policy(session, mei)
    made = asked(session, support)
    assert (tokyo(made.due_at), made.due_kind) == ("11-24 10:00", "first_answer")
    assert tokyo(made.soon_at) == "11-24 09:12"
    assert tokyo(made.next_step_at) == "11-20 17:00"
    a_message(session, made, at=FRIDAY + HOUR)
    assert tokyo(made.due_at) == "11-24 10:00", "it counts from the oldest unanswered mail"
    conversations.answered(session, made, status="waiting", at=FRIDAY + 2 * HOUR)
    assert (made.due_at, made.due_kind, made.next_step_at) == (None, "", None)
    assert (made.first_asked_at, made.first_answered_at) == (FRIDAY, FRIDAY + 2 * HOUR)
    a_message(session, made, at=datetime(2026, 11, 24, 9, 0, tzinfo=TOKYO))
    assert (tokyo(made.due_at), made.due_kind) == ("11-24 11:00", "next_answer")


def test_clocks_run_again_when_no_answer_needed_is_taken_back(session, support, mei) -> None:
    policy(session, mei)
    one, many = asked(session, support), asked(session, support)
    closed, again = ((FRIDAY + minutes * MINUTE).astimezone(UTC) for minutes in (1, 2))
    triage.close_needless(session, mei, one.id, reason="Thanks", now=closed)
    done = bulk.start(session, mei, "needless", [many.id], reason="Thanks", now=closed)
    assert (one.due_at, many.due_at) == (None, None)
    triage.reopen(session, mei, one.id, now=again)
    assert bulk.undo(session, mei, done.id, now=again).skipped == 0
    for made in (one, many):
        assert (made.waiting_since, made.due_kind) == (FRIDAY, "first_answer")
        assert tokyo(made.due_at) == "11-24 10:01", "and one minute in which it was closed"


def test_pauses_are_kept_exactly_and_make_the_resolution_wait(session, support, mei) -> None:
    policy(session, mei, first_answer=None, next_answer=None, resolution=480)
    made = asked(session, support)
    assert tokyo(made.due_at) == "11-24 15:00"
    conversations.set_status(session, made, "waiting", now=FRIDAY + HOUR, actor_id=None)
    assert made.due_at is None
    conversations.set_status(session, made, "closed", now=FRIDAY + 90 * MINUTE, actor_id=None)
    conversations.set_status(session, made, "open", now=FRIDAY + 2 * HOUR, actor_id=None)
    assert tokyo(made.due_at) == "11-24 16:00"
    conversations.set_status(session, made, "snoozed", now=FRIDAY + 2 * HOUR, actor_id=None, until=FRIDAY + DAY)
    assert tokyo(made.due_at) == "11-24 16:00", "a snooze stops no clock"
    conversations.set_status(session, made, "spam", now=FRIDAY + 3 * HOUR, actor_id=None)
    assert made.due_at is None
    rows = session.scalars(select(Pause).order_by(Pause.started_at)).all()
    assert [(one.started_at, one.ended_at, one.why) for one in rows] == [
        (FRIDAY + HOUR, FRIDAY + 2 * HOUR, "waiting"),
        (FRIDAY + 3 * HOUR, None, "spam"),
    ]


def test_an_answer_that_did_not_arrive_is_no_answer(session, support, mei) -> None:
    policy(session, mei)
    made = asked(session, support)
    due = made.due_at
    conversations.answered(session, made, status="waiting", at=FRIDAY + HOUR)
    conversations.come_back(
        session, made, waiting_since=FRIDAY, answered_at=FRIDAY + HOUR, trouble="failed", now=FRIDAY + HOUR
    )
    assert (made.due_at, made.due_kind, made.first_answered_at) == (due, "first_answer", None)


def test_the_first_import_has_no_deadline_but_what_comes_after_it_has(session, support, mei) -> None:
    policy(session, mei)
    made = a_conversation(session, support, at=FRIDAY, silent=True)
    a_message(session, made, at=FRIDAY - DAY)
    assert (made.waiting_since, made.due_at) == (FRIDAY - DAY, None)
    a_message(session, made, at=FRIDAY + MINUTE)
    assert tokyo(made.due_at) == "11-24 10:01"


def test_the_first_policy_that_holds_counts_and_tags_priority_and_rules_change_it(session, support, mei) -> None:
    sales = a_mailbox(session, "Sales")
    general = policy(session, mei)
    made = asked(session, support)
    vip = conversations.tag(session, made, "VIP", now=FRIDAY, actor_id=None)
    special = policy(session, mei, name="VIP", first_answer=30, tags=[vip.id])
    policy(session, mei, name="High", first_answer=60, priorities=["high"])
    deadlines.move(session, mei, special, up=True, now=FRIDAY)
    assert [one.policy.name for one in deadlines.show(session, mei)] == ["VIP", "Normal", "High"]
    conversations.untag(session, made, vip.id, now=FRIDAY, actor_id=None)
    assert tokyo(made.due_at) == "11-24 10:00"
    conversations.tag(session, made, "VIP", now=FRIDAY, actor_id=None)
    assert tokyo(made.due_at) == "11-20 15:30"
    deadlines.remove(session, mei, general, now=FRIDAY)
    conversations.untag(session, made, vip.id, now=FRIDAY, actor_id=None)
    assert made.due_at is None
    conversations.set_priority(session, made, "high", now=FRIDAY, actor_id=None)
    assert tokyo(made.due_at) == "11-20 16:00"
    calendars.save(
        session, mei, None, name="Sales", body={**SUGGESTED, "zone": "Europe/Berlin"}, is_default=False,
        mailbox_ids=(), now=FRIDAY,
    )  # fmt: skip
    conversations.place(session, made, mailbox_id=sales.id, now=FRIDAY)
    assert tokyo(made.due_at) == "11-20 16:00"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"first_answer": 0}, "first_answer"),
        ({"first_answer": None, "next_answer": None}, "first_answer"),
        ({"resolution": 10}, "resolution"),
        ({"name": " "}, "name"),
        ({"mailboxes": [999]}, "mailboxes"),
        ({"tags": [999]}, "tags"),
        ({"priorities": ["extreme"]}, "priorities"),
        ({"escalation": [{"percent": 120, "to": ["owner"]}]}, "escalation.0"),
        ({"escalation": [{"percent": 50, "to": []}]}, "escalation.0"),
    ],
)
def test_what_cannot_be_is_refused_at_its_field(session, support, mei, body, field) -> None:
    with pytest.raises(UserError) as refused:
        policy(session, mei, **body)
    assert refused.value.field == field


def test_only_managers_keep_policies(session, support, mei) -> None:
    made = policy(session, mei)
    with pytest.raises(Forbidden):
        deadlines.show(session, a_viewer(session, "Aoi", support))
    with pytest.raises(NotFound):
        deadlines.remove(session, mei, made + 1, now=FRIDAY)


def test_a_changed_policy_reaches_every_open_conversation_in_batches(engine, monkeypatch) -> None:
    monkeypatch.setattr(kept_deadlines, "BATCH", 3)
    with db.transaction() as session:
        mailbox = a_mailbox(session)
        who = a_viewer(session, "Mei", mailbox, role="manager")
        calendars.save(session, who, None, name="T", body=SUGGESTED, is_default=True, mailbox_ids=(), now=FRIDAY)
        for _ in range(8):
            asked(session, mailbox)
        closed = asked(session, mailbox)
        conversations.set_status(session, closed, "closed", now=FRIDAY, actor_id=None)
        policy(session, who)
    rounds = 0
    more = True
    while more:
        with db.transaction() as session:
            more = kept_deadlines.go_on_anew(session, now=FRIDAY + DAY * 30)
            rounds += 1
    with db.reading() as session:
        columns = (Conversation.status, Conversation.due_at, Conversation.next_step_at)
        rows = session.execute(select(*columns).order_by(Conversation.id)).all()
        assert session.get(Setting, kept_deadlines.ANEW) is None
    assert rounds == 3
    assert [(status, tokyo(due)) for status, due, _step in rows] == [("open", "11-24 10:00")] * 8 + [("closed", "")]
    assert all(step is None for _status, _due, step in rows), "what was over already when the policy came is not told"


def test_the_count_is_explained_with_its_pauses(session, support, mei) -> None:
    policy(session, mei, first_answer=255, resolution=600)
    made = asked(session, support)
    conversations.set_status(session, made, "waiting", now=FRIDAY + HOUR, actor_id=None)
    conversations.set_status(session, made, "open", now=FRIDAY + 2 * HOUR, actor_id=None)
    now = datetime(2026, 11, 24, 9, 30, tzinfo=TOKYO)
    found = deadlines.explain(session, mei, made.id, language="ja", now=now)
    first = found.clocks[0]
    assert (found.policy, first.clock.kind) == ("Normal", "first_answer")
    assert (first.clock.used_minutes, first.left) == (150, 105)
    assert sum(day.time.total_seconds() for day in first.days) == 150 * 60
    assert "勤労感謝の日" in [day.name for day in first.days]
    late = deadlines.explain(session, mei, made.id, language="ja", now=now + 2 * HOUR).clocks[0]
    assert (late.clock.state, late.left) == ("late", -15)
