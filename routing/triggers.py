"""When a rule runs: on arrival, on a change of status, after working minutes without an answer, by the clock.

{"on": "arrived"}
{"on": "status_changed", "to": ["closed"]}          an empty list: to any status
{"on": "unanswered", "minutes": 120}                working minutes since the oldest unanswered customer message
{"on": "schedule", "weekdays": [1, 5], "at": "09:00"}  1 Monday to 7 Sunday, in the time zone of the installation
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

from routing.facts import STATUSES
from routing.hours import instant
from routing.reading import Reading

MINUTES_MOST = 60 * 24 * 365

On = Literal["arrived", "status_changed", "unanswered", "schedule"]
ONS: tuple[On, ...] = ("arrived", "status_changed", "unanswered", "schedule")


@dataclass(frozen=True, slots=True)
class Arrived:
    pass


@dataclass(frozen=True, slots=True)
class StatusChanged:
    to: tuple[str, ...] = ()  # empty: to any


@dataclass(frozen=True, slots=True)
class Unanswered:
    minutes: int  # working minutes


@dataclass(frozen=True, slots=True)
class Schedule:
    """`weekdays`: 1 Monday to 7 Sunday; `at`: local time of day."""

    weekdays: tuple[int, ...]
    at: time


ARRIVES = Arrived()
Trigger = Arrived | StatusChanged | Unanswered | Schedule


@dataclass(frozen=True, slots=True)
class Happened:
    """What sets rules off just now.

    unanswered: every rule whose minutes have passed (`MailFacts.minutes_waited`) and that is not in `already`, the
    rules that ran for this waiting before: remember them with the conversation and its `waiting_since`.
    schedule: the rules in `due`, see `last_due`.
    status_changed: `MailFacts.status` is the new one; not the rules in `already`, which changed it themselves.
    """

    on: On = "arrived"
    already: frozenset[int] = frozenset()
    due: frozenset[int] = frozenset()


ARRIVED = Happened("arrived")


def last_due(schedule: Schedule, *, now: datetime, zone: ZoneInfo) -> datetime:
    """The latest planned moment (UTC) at or before `now` (aware). A rule is due when it last ran before it.

    A time that the clock jumps over in spring is the instant of the jump, one that comes twice in autumn its first.
    """
    here = now.astimezone(zone)
    for back in range(8):
        day = here.date() - timedelta(days=back)
        planned = instant(zone, datetime.combine(day, schedule.at))
        if day.isoweekday() in schedule.weekdays and planned <= now:
            return planned
    raise ValueError("a schedule without weekdays")


def sets_off(trigger: Trigger, rule_id: int, happened: Happened, *, status: str, minutes_waited: int | None) -> bool:
    """Whether what happened is what this trigger of this rule waits for."""
    match trigger:
        case Arrived():
            return happened.on == "arrived"
        case StatusChanged(to):
            return happened.on == "status_changed" and (not to or status in to) and rule_id not in happened.already
        case Unanswered(minutes):
            passed = minutes_waited is not None and minutes_waited >= minutes
            return happened.on == "unanswered" and passed and rule_id not in happened.already
        case Schedule():
            return happened.on == "schedule" and rule_id in happened.due


def trigger_from(data: object, reading: Reading, *, field: str) -> Trigger | None:
    """The trigger that `data` describes; None or meaningless when a refusal was noted."""
    told = reading.dict(data, field)
    on = reading.one_of(told.get("on"), f"{field}.on", choices=ONS)
    if on == "status_changed":
        reading.keys(told, field, allowed=("on", "to"))
        wanted = reading.list(told.get("to", []), f"{field}.to", most=len(STATUSES))
        statuses = [reading.one_of(one, f"{field}.to.{n}", choices=STATUSES) for n, one in enumerate(wanted)]
        return StatusChanged(tuple(statuses))
    if on == "unanswered":
        reading.keys(told, field, allowed=("on", "minutes"))
        return Unanswered(reading.number(told.get("minutes"), f"{field}.minutes", least=1, most=MINUTES_MOST))
    if on == "schedule":
        reading.keys(told, field, allowed=("on", "weekdays", "at"))
        days = reading.list(told.get("weekdays"), f"{field}.weekdays", least=1, most=7)
        weekdays = [reading.number(one, f"{field}.weekdays.{n}", least=1, most=7) for n, one in enumerate(days)]
        return Schedule(tuple(sorted(set(weekdays))), reading.time(told.get("at"), f"{field}.at"))
    if on == "arrived":
        reading.keys(told, field, allowed=("on",))
        return Arrived()
    return None


def trigger_json(trigger: Trigger) -> dict[str, object]:
    match trigger:
        case Arrived():
            return {"on": "arrived"}
        case StatusChanged(to):
            return {"on": "status_changed", "to": list(to)}
        case Unanswered(minutes):
            return {"on": "unanswered", "minutes": minutes}
        case Schedule(weekdays, at):
            return {"on": "schedule", "weekdays": list(weekdays), "at": at.strftime("%H:%M")}
