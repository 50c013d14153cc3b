"""Is a person there to get work? Shifts (a calendar of their own or the team's), days off, "away until"."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from routing.calendars import Calendar
from routing.hours import NoWorkingTime, is_open, next_opening

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
