"""Is a person there to get work? Shifts (a calendar of their own or the team's), days off, "away until"."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal

from routing.calendars import Calendar, ExtraDay
from routing.hours import NOTHING, NoWorkingTime, is_open, next_opening, working_time

BREAK = timedelta(hours=2)  # who was there so lately and will be so soon has a break, not the end of the shift

Why = Literal["", "away", "day_off", "off_shift"]


@dataclass(frozen=True, slots=True)
class Away:
    """From `start` until before `end` (aware), None for as long as nobody ends it."""

    start: datetime
    end: datetime | None = None
    why: Literal["away", "day_off"] = "away"

    def covers(self, now: datetime) -> bool:
        return self.start <= now and (self.end is None or now < self.end)


@dataclass(frozen=True, slots=True)
class Shift:
    """A person's working hours: `hours` of their own, None for those of the mailbox's calendar.

    `holidays`: hours of one's own stand still on the public holidays and days off of the mailbox's calendar.
    """

    hours: Calendar | None = None
    holidays: bool = True


def shift_in(shift: Shift, house: Calendar) -> Calendar:
    """When the person works for a mailbox whose calendar is `house`.

    An extra working day of the house lifts a holiday, and the person works as on any such weekday.
    """
    if shift.hours is None:
        return house
    if not shift.holidays:
        return shift.hours
    week = shift.hours.week
    lifted = tuple(
        ExtraDay(one.name, one.day, week[one.day.weekday()]) for one in house.extra_days if week[one.day.weekday()]
    )
    return replace(
        shift.hours,
        country=house.country,
        subdivision=house.subdivision,
        days_off=house.days_off,
        extra_days=lifted,
    )


@dataclass(frozen=True, slots=True)
class Availability:
    """`shifts` None: at any hour. A day off is an `away` from midnight to midnight, half a day one until noon."""

    shifts: Calendar | None = None
    away: tuple[Away, ...] = ()


ALWAYS = Availability()


@dataclass(frozen=True, slots=True)
class Here:
    """`why` the person is not there and `until` when (UTC or as given), None when that is not known."""

    here: bool
    why: Why = ""
    until: datetime | None = None


def whether_here(availability: Availability, now: datetime) -> Here:
    """Whether the person is there at `now` (aware). Days off and absences go before shifts."""
    covering = [one for one in availability.away if one.covers(now)]
    if covering:
        longest = max(covering, key=lambda one: (one.end is None, one.end or now))
        return Here(False, longest.why, longest.end)
    if availability.shifts is None or is_open(availability.shifts, now):
        return Here(True)
    try:
        return Here(False, "off_shift", next_opening(availability.shifts, now))
    except NoWorkingTime:
        return Here(False, "off_shift")


def has_left(availability: Availability, now: datetime) -> bool:
    """Whether what sits with the person may go back: they are away, or their shift is over. A break is not its end."""
    here = whether_here(availability, now)
    if here.here or here.why != "off_shift" or availability.shifts is None or here.until is None:
        return not here.here
    was_there = working_time(availability.shifts, now - BREAK, now) > NOTHING
    return not (was_there and here.until - now <= BREAK)
