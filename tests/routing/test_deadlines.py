from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from routing import hours
from routing.calendars import Calendar, Period, always
from routing.deadlines import (
    Clock,
    DeadlineFacts,
    Deadlines,
    Escalation,
    Pause,
    Policy,
    Which,
    clock,
    deadlines,
    from_json,
    next_change,
    policy_for,
    to_json,
)
from routing.refusals import Refused

TOKYO = ZoneInfo("Asia/Tokyo")
OFFICE = Calendar("Asia/Tokyo", ((Period(540, 720), Period(780, 1080)),) * 5 + ((), ()), "JP")
POLICY = Policy("Standard", first_answer=60, next_answer=120, resolution=960)
MINUTE = timedelta(minutes=1)


def at(text: str) -> datetime:
    """A day and time of the week of Monday, 16 November 2026 in Tokyo: "fri 17:30" is the Friday before."""
    day, clock_time = text.split()
    number = {"fri": 13, "sat": 14, "sun": 15, "mon": 16, "tue": 17, "wed": 18}[day]
    hour, minute = clock_time.split(":")
    return datetime(2026, 11, number, int(hour), int(minute), tzinfo=TOKYO)


def found(facts: DeadlineFacts, now: str, *, policy: Policy | None = POLICY) -> Deadlines:
    return deadlines(policy, facts, calendar=OFFICE, now=at(now))


def the(kind: str, facts: DeadlineFacts, now: str) -> Clock:
    one = next((one for one in found(facts, now).clocks if one.kind == kind), None)
    assert one is not None
    return one


ASKED = DeadlineFacts("open", began_at=at("fri 17:30"), waiting_since=at("fri 17:30"))


def test_a_question_on_friday_evening_is_due_on_monday_morning() -> None:
    first = the("first_answer", ASKED, "sun 12:00")
    assert (first.state, first.due_at, first.used_minutes, first.share) == ("running", at("mon 9:30"), 30, 0.5)
    assert [(step.percent, step.at) for step in first.reached] == [(50, at("fri 18:00"))]
    assert first.ahead is not None
    assert (first.ahead.percent, first.ahead.at, first.ahead.to) == (80, at("mon 9:18"), ("owner", "team"))


def test_a_deadline_is_over_at_its_very_instant_but_an_answer_then_is_in_time() -> None:
    assert the("first_answer", ASKED, "mon 9:29").state == "running"
    late = the("first_answer", ASKED, "mon 9:30")
    assert (late.state, late.share, late.ahead) == ("late", 1.0, None)
    assert [step.percent for step in late.reached] == [50, 80, 100]
    in_time = replace(ASKED, waiting_since=None, first_answered_at=at("mon 9:30"))
    assert the("first_answer", in_time, "mon 12:00").state == "met"


def test_an_answer_outside_hours_after_the_deadline_is_late_although_no_working_time_passed() -> None:
    asked = replace(ASKED, began_at=at("fri 17:00"), waiting_since=at("fri 17:00"))
    answered = replace(asked, waiting_since=None, first_answered_at=at("sat 10:00"))
    first = the("first_answer", answered, "mon 12:00")
    assert (first.state, first.due_at, first.used_minutes) == ("late", at("fri 18:00"), 60)


def test_after_the_first_answer_the_next_question_has_its_own_clock_from_the_oldest_unanswered_one() -> None:
    facts = replace(ASKED, first_answered_at=at("mon 9:20"), waiting_since=at("mon 11:00"))
    assert the("first_answer", facts, "mon 11:30").state == "met"
    following = the("next_answer", facts, "mon 11:30")
    assert (following.started_at, following.due_at) == (at("mon 11:00"), at("mon 14:00"))


def test_while_everything_is_answered_no_answer_is_owed() -> None:
    facts = replace(ASKED, waiting_since=None, first_answered_at=at("mon 9:20"))
    assert found(facts, "mon 11:30").of("next_answer") is None


def test_a_clock_stands_still_while_we_wait_for_the_customer() -> None:
    facts = DeadlineFacts(
        "waiting",
        began_at=at("mon 9:00"),
        first_answered_at=at("mon 9:30"),
        pauses=(Pause(at("mon 9:30")),),
    )
    waiting = the("resolution", facts, "tue 17:00")
    assert (waiting.state, waiting.used_minutes, waiting.due_at, waiting.ahead) == ("paused", 30, None, None)
    assert next_change(found(facts, "tue 17:00")) is None
    assert found(facts, "tue 17:00").most_urgent is None
    answered = replace(
        facts, status="open", waiting_since=at("tue 16:00"), pauses=(Pause(at("mon 9:30"), at("tue 16:00")),)
    )
    running = the("resolution", answered, "tue 17:00")
    assert (running.state, running.used_minutes) == ("running", 90)
    assert running.due_at == hours.add_working(OFFICE, at("tue 16:00"), 930)


def test_an_answer_that_begins_a_pause_still_has_its_deadline() -> None:
    facts = replace(ASKED, waiting_since=None, first_answered_at=at("mon 9:20"), pauses=(Pause(at("mon 9:20")),))
    first = the("first_answer", facts, "tue 9:00")
    assert (first.state, first.due_at) == ("met", at("mon 9:30"))


def test_a_late_clock_stays_late_while_it_is_paused() -> None:
    facts = replace(ASKED, pauses=(Pause(at("mon 10:00")),))
    assert the("first_answer", facts, "mon 11:00").state == "late"


def test_closing_ends_the_resolution_and_owes_no_answer() -> None:
    closed = replace(ASKED, status="closed", closed_at=at("mon 9:10"))
    assert [(one.kind, one.state) for one in found(closed, "tue 9:00").clocks] == [("resolution", "met")]


def test_a_conversation_that_comes_back_runs_on_without_the_time_it_was_closed() -> None:
    facts = replace(ASKED, waiting_since=at("tue 9:00"), pauses=(Pause(at("mon 9:10"), at("tue 9:00")),))
    assert the("resolution", facts, "tue 9:30").used_minutes == 30 + 10 + 30
    assert the("first_answer", facts, "tue 9:30").due_at == at("tue 10:00")


@pytest.mark.parametrize(
    "facts",
    [replace(ASKED, silent=True), replace(ASKED, status="spam"), DeadlineFacts("open", began_at=None)],
    ids=["first import", "spam", "nobody asked"],
)
def test_who_is_owed_nothing_has_no_clock(facts: DeadlineFacts) -> None:
    assert found(facts, "mon 12:00").clocks == ()


def test_without_a_policy_there_are_no_deadlines() -> None:
    assert found(ASKED, "mon 12:00", policy=None) == Deadlines("")


def test_a_snooze_stops_no_clock() -> None:
    assert the("first_answer", replace(ASKED, status="snoozed"), "mon 9:10").used_minutes == 40


def test_the_most_urgent_clock_is_the_one_that_is_due_first() -> None:
    urgent = found(ASKED, "mon 9:10").most_urgent
    assert urgent is not None
    assert urgent.kind == "first_answer"


def test_a_clock_may_sleep_until_the_earliest_step_of_all() -> None:
    other = replace(ASKED, began_at=at("mon 9:00"), waiting_since=at("mon 9:00"))
    both = [found(ASKED, "mon 9:10"), found(other, "mon 9:10")]
    assert next_change(both[0]) == at("mon 9:18")
    assert next_change(both[1]) == at("mon 9:30")
    assert next_change(both) == at("mon 9:18")
    assert next_change([]) is None


# -- which policy


GOLD = Policy("Gold", first_answer=30, tiers=frozenset({"gold"}))
BILLING = Policy("Billing", first_answer=240, mailboxes=frozenset({3}), tags=frozenset({7, 8}))
URGENT = Policy("Urgent", first_answer=15, priorities=frozenset({"urgent", "high"}))


@pytest.mark.parametrize(
    ("which", "name"),
    [
        (Which(1, tier="gold"), "Gold"),
        (Which(1, tier="ＧＯＬＤ"), "Gold"),
        (Which(1, tier="golden"), "Standard"),
        (Which(3, tier="gold", tags=frozenset({7})), "Gold"),
        (Which(3, tags=frozenset({8, 9})), "Billing"),
        (Which(3), "Standard"),
        (Which(4, tags=frozenset({7})), "Standard"),
        (Which(1, priority="high"), "Urgent"),
    ],
)
def test_the_first_policy_that_holds(which: Which, name: str) -> None:
    policy = policy_for((GOLD, BILLING, URGENT, POLICY), which)
    assert policy is not None
    assert policy.name == name


def test_no_policy_may_hold() -> None:
    assert policy_for((GOLD,), Which(1)) is None


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"first_answer": 0}, "first_answer"),
        ({"next_answer": -5}, "next_answer"),
        ({"resolution": 10**9}, "resolution"),
        ({"resolution": 30}, "resolution"),
        ({"first_answer": 1.5}, "first_answer"),
        ({"first_answer": True}, "first_answer"),
        ({"first_answer": None, "next_answer": None, "resolution": None}, "first_answer"),
        ({"priorities": ["very"]}, "priorities"),
        ({"mailboxes": ["sales"]}, "mailboxes"),
        ({"tiers": "gold"}, "tiers"),
        ({"escalation": [{"percent": 101, "to": ["owner"]}]}, "escalation.0"),
        ({"escalation": [{"percent": 50, "to": ["owner"]}, {"percent": 50, "to": ["team"]}]}, "escalation.1"),
        ({"escalation": [{"percent": 50, "to": ["ceo"]}]}, "escalation.0"),
        ({"escalation": [{"percent": 50, "to": []}]}, "escalation.0"),
        ({"second_answer": 5}, "second_answer"),
    ],
)
def test_a_policy_that_cannot_be_is_refused_at_its_field(wrong: dict[str, Any], field: str) -> None:
    with pytest.raises(Refused) as refused:
        from_json({**to_json(POLICY), **wrong})
    assert refused.value.field == field


def test_what_is_stored_comes_back() -> None:
    for policy in (POLICY, GOLD, BILLING, replace(URGENT, escalation=(Escalation(90, ("manager",)),))):
        assert from_json(json.loads(json.dumps(to_json(policy)))) == policy


def test_a_pause_cannot_end_before_it_begins() -> None:
    with pytest.raises(ValueError):
        Pause(at("tue 9:00"), at("mon 9:00"))


# -- properties: a clock is what remains of its span when the pauses are cut out


START = datetime(2026, 3, 2, tzinfo=UTC)
OFFSETS = st.integers(0, 20 * 1440)
CALENDARS = st.sampled_from([OFFICE, always(), Calendar("Europe/Berlin", OFFICE.week, "DE")])


@st.composite
def pauses(draw: st.DrawFn) -> tuple[Pause, ...]:
    """Overlapping, touching and empty ones too; perhaps one that still holds."""
    ends = draw(st.lists(st.tuples(OFFSETS, st.integers(0, 4000)), max_size=4))
    closed = [Pause(START + first * MINUTE, START + (first + long) * MINUTE) for first, long in ends]
    still = draw(st.none() | OFFSETS)
    return tuple(closed + ([Pause(START + still * MINUTE)] if still is not None else []))


@settings(max_examples=400, deadline=None)
@given(CALENDARS, OFFSETS, pauses(), st.integers(1, 3000), OFFSETS, st.none() | OFFSETS)
def test_used_time_is_working_time_without_the_pauses(
    calendar: Calendar, started: int, paused: tuple[Pause, ...], minutes: int, now: int, stopped: int | None
) -> None:
    started_at, at_now = START + started * MINUTE, START + max(started, now) * MINUTE
    stopped_at = None if stopped is None else START + max(started, stopped) * MINUTE
    one = clock(
        "first_answer",
        minutes,
        started_at=started_at,
        stopped_at=stopped_at,
        pauses=paused,
        calendar=calendar,
        now=at_now,
    )
    until = at_now if stopped_at is None else min(at_now, stopped_at)
    assert one.used == running_time(calendar, started_at, until, paused)
    assert [step.at for step in one.reached] == sorted(step.at for step in one.reached)
    for step in one.reached:
        assert step.at <= until
        assert running_time(calendar, started_at, step.at, paused) == minutes * MINUTE * step.percent / 100
    if one.ahead is not None:
        assert one.ahead.at > at_now
        assert one.stopped_at is None
    assert (one.state == "late") == (
        one.due_at is not None and (one.stopped_at or at_now) >= one.due_at and one.stopped_at != one.due_at
    )
    assert (one.share >= 1) >= (one.state == "late")
    assert (len(one.reached) == 3) >= (one.state == "late")


def running_time(calendar: Calendar, start: datetime, end: datetime, paused: tuple[Pause, ...]) -> timedelta:
    """Cut at every point where something begins or ends, and counted where no pause holds."""
    points = {start, end} | {one for pause in paused for one in (pause.start, pause.end) if one and start < one < end}
    total = timedelta(0)
    for first, last in pairwise(sorted(points)):
        if not any(pause.start <= first and (pause.end is None or pause.end >= last) for pause in paused):
            total += hours.working_time(calendar, first, last)
    return total


@settings(max_examples=200, deadline=None)
@given(CALENDARS, OFFSETS, pauses(), st.integers(1, 3000), OFFSETS)
def test_nothing_changes_before_the_next_change(
    calendar: Calendar, started: int, paused: tuple[Pause, ...], minutes: int, now: int
) -> None:
    at_now = START + max(started, now) * MINUTE
    known = tuple(pause for pause in paused if pause.start <= at_now and (pause.end is None or pause.end <= at_now))

    def reached(moment: datetime) -> list[int]:
        one = clock(
            "resolution", minutes, started_at=START + started * MINUTE, pauses=known, calendar=calendar, now=moment
        )
        return [step.percent for step in one.reached]

    asleep = clock(
        "resolution", minutes, started_at=START + started * MINUTE, pauses=known, calendar=calendar, now=at_now
    )
    change = next_change(Deadlines("", (asleep,)))
    if change is None:
        assert reached(at_now + timedelta(days=400)) == reached(at_now)
    else:
        assert reached(change - timedelta(microseconds=1)) == reached(at_now)
        assert len(reached(change)) == len(reached(at_now)) + 1
