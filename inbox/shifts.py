"""Working hours of people: their own or those of the mailbox, who may set them, and what they say about today."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Any, Literal
from zoneinfo import ZoneInfo

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from inbox import models, people, working_hours
from inbox.calendars import SUGGESTED
from inbox.errors import N_, NotFound, UserError, at_the_field
from inbox.models import User
from inbox.people import Viewer
from routing import hours
from routing.availability import Shift, shift_in
from routing.calendars import Calendar, Period, always, from_json, to_json
from routing.hours import DayCounted

Kind = Literal["any", "mailbox", "own"]
KINDS: tuple[Kind, ...] = ("any", "mailbox", "own")
LOOKED_AHEAD = 7  # days that are told one by one


@dataclass(frozen=True)
class ShiftView:
    """A person's hours as their form shows them. `calendar`: their own, or a suggestion.

    `ahead`: the next days with their periods, or why there are none; empty for somebody who is there at any hour.
    """

    user_id: int
    name: str
    kind: Kind
    calendar: Calendar
    holidays: bool
    ahead: tuple[DayCounted, ...]


@dataclass(frozen=True)
class Today:
    """The periods of somebody's day, in the `zone` of their hours; none: a day off."""

    periods: tuple[Period, ...]
    zone: str


def every(session: Session) -> dict[int, Shift]:
    """The hours of all who have any, by person."""
    rows = session.execute(select(models.Shift.user_id, models.Shift.body, models.Shift.holidays))
    return {user_id: _shift(body, holidays) for user_id, body, holidays in rows}


def show(session: Session, who: Viewer, user_id: int, *, now: datetime, language: str = "") -> ShiftView:
    """One's own, or for managers anybody's. Holidays are those of the team's calendar, named in `language`."""
    user = _person(session, who, user_id)
    house = working_hours.of_the_team(session)
    row = session.get(models.Shift, user_id)
    if row is None:
        return ShiftView(user_id, user.name, "any", _suggested(house), True, ())
    shift = _shift(row.body, row.holidays)
    counted = shift_in(shift, house)
    return ShiftView(
        user_id,
        user.name,
        "own" if shift.hours is not None else "mailbox",
        shift.hours or _suggested(house),
        shift.holidays,
        _ahead(counted, now=now, language=language),
    )


def change(
    session: Session,
    who: Viewer,
    user_id: int,
    *,
    kind: str,
    zone: str,
    week: Mapping[str, list[str]],
    holidays: bool,
    now: datetime,
) -> None:
    """Sets when the person works. `zone` and `week` (periods by weekday) count for hours of their own alone.

    Raises UserError with the field: zone, week, week.mon, …
    """
    _person(session, who, user_id)
    if kind not in KINDS:
        raise UserError(N_("Choose one of the list."), field="kind")
    body: dict[str, Any] | None = None
    if kind == "own":
        with at_the_field():
            body = to_json(from_json({"zone": zone, "week": week}))
    session.execute(delete(models.Shift).where(models.Shift.user_id == user_id))
    if kind != "any":
        session.add(models.Shift(user_id=user_id, body=body, holidays=holidays))
    session.flush()
    people.audit(session, who, "shift_changed", now=now, user_id=user_id, hours=kind)


def today(shift: Shift, house: Calendar, *, now: datetime) -> Today:
    """What the person works today, for a mailbox whose calendar is `house`."""
    calendar = shift_in(shift, house)
    day = now.astimezone(ZoneInfo(calendar.zone)).date()
    return Today(calendar.day(day).periods, calendar.zone)


def _shift(body: Mapping[str, Any] | None, holidays: bool) -> Shift:
    return Shift(working_hours.read(body) if body is not None else None, holidays)


def _suggested(house: Calendar) -> Calendar:
    return from_json(SUGGESTED) if house == always() else house


def _ahead(calendar: Calendar, *, now: datetime, language: str) -> tuple[DayCounted, ...]:
    zone = ZoneInfo(calendar.zone)
    midnight = datetime.combine(now.astimezone(zone).date(), time())
    first, last = (hours.instant(zone, midnight + timedelta(days=days)) for days in (0, LOOKED_AHEAD))
    return hours.explain(calendar, first, last, language=language)


def _person(session: Session, who: Viewer, user_id: int) -> User:
    if user_id != who.id:
        people.must_be(who, "manager")
    found = session.get(User, user_id)
    if found is None or not found.active:
        raise NotFound
    return found
