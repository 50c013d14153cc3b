"""Working time: how much of a span a team works, when some working time is over, and why so.

Unit and rounding: time is counted exactly, to the microsecond, and summed over all periods; `working_minutes` rounds
once, at the end, down to whole minutes. Instants that come out are UTC.

Periods are times of the wall clock. A period starts at the first instant at which the clock shows its start or later,
and ends at the first instant at which it shows its end or later; between them real elapsed time counts. So in the night
in which clocks jump from 2:00 to 3:00 the period 01:00-04:00 is two hours long and 02:10-02:50 is empty; when they are
set back from 3:00 to 2:00 it is four hours long, and the hour that comes twice belongs to what was open before it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Literal
from zoneinfo import ZoneInfo

from routing.calendars import Calendar, Period

HORIZON_DAYS = 3660  # so far ahead is looked for working time
REMEMBERED_DAYS = 20_000  # of one calendar
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)
NOTHING = timedelta(0)


class NoWorkingTime(ValueError):
    """The calendar has not that much working time in the next ten years (days off all year round)."""


@dataclass(frozen=True, slots=True)
class Counted:
    """What was counted of one period: from `start` until before `end` in the calendar's zone; `time` really elapsed."""

    period: Period
    start: datetime
    end: datetime
    time: timedelta


@dataclass(frozen=True, slots=True)
class DayCounted:
    """One date of a span: what was counted, or `why` nothing was.

    outside: the day has periods, the span touches none of them. `name` of the holiday, the day off or the extra day.
    """

    day: date
    counted: tuple[Counted, ...]
    why: Literal["", "weekend", "holiday", "company_day", "outside"]
    name: str

    @property
    def time(self) -> timedelta:
        return sum((one.time for one in self.counted), NOTHING)


def working_time(calendar: Calendar, start: datetime, end: datetime) -> timedelta:
    """The exact working time from `start` until `end` (aware); nothing when `end` is not after `start`."""
    first, last = _micros(start), _micros(end)
    total = 0
    if last > first:
        opened = _opened(calendar)
        for day in _days(opened.local_date(start) - DAY, opened.local_date(end) + DAY):
            for opens, closes, _ in opened.on(day):
                if closes > first and opens < last:
                    total += min(closes, last) - max(opens, first)
    return total * MICROSECOND


def working_minutes(calendar: Calendar, start: datetime, end: datetime) -> int:
    """The same in whole minutes, rounded down once at the end."""
    return working_time(calendar, start, end) // MINUTE


def add_working_time(calendar: Calendar, start: datetime, amount: timedelta) -> datetime:
    """The first instant (UTC) at which `amount` of working time is over since `start`; `start` itself for no time.

    Friday 17:00 and an hour more is Friday 18:00, when the team closes, not Monday's opening. Raises NoWorkingTime.
    """
    if amount < NOTHING:
        raise ValueError("working time is added, never taken away")
    here, left = _micros(start), amount // MICROSECOND
    if not left:
        return _instant(here)
    for opens, closes, _ in _ahead(calendar, start):
        usable = closes - max(opens, here)
        if usable >= left:
            return _instant(max(opens, here) + left)
        left -= usable
    raise NoWorkingTime


def add_working(calendar: Calendar, start: datetime, minutes: int) -> datetime:
    """The first instant (UTC) at which so many working minutes are over since `start`. Raises NoWorkingTime."""
    return add_working_time(calendar, start, minutes * MINUTE)


def is_open(calendar: Calendar, at: datetime) -> bool:
    """Whether the team works at that instant; it no longer does at the instant at which a period ends."""
    here, opened = _micros(at), _opened(calendar)
    day = opened.local_date(at)
    return any(opens <= here < closes for one in _days(day - DAY, day + DAY) for opens, closes, _ in opened.on(one))


def next_opening(calendar: Calendar, at: datetime) -> datetime:
    """`at` itself while the team works, else the instant (UTC) at which it starts again. Raises NoWorkingTime."""
    here = _micros(at)
    for opens, _, _ in _ahead(calendar, at):
        return _instant(max(opens, here))
    raise NoWorkingTime


def is_working_day(calendar: Calendar, day: date) -> bool:
    """Whether anything is worked on that date."""
    return bool(calendar.day(day).periods)


def working_day_after(calendar: Calendar, day: date, count: int) -> date:
    """The `count`-th working day after `day`, which itself does not count (3営業日後). Raises NoWorkingTime."""
    if count < 1:
        raise ValueError("the day after is at least one day away")
    for after in _days(day + DAY, day + HORIZON_DAYS * DAY):
        count -= is_working_day(calendar, after)
        if count == 0:
            return after
    raise NoWorkingTime


def explain(calendar: Calendar, start: datetime, end: datetime, *, language: str = "") -> tuple[DayCounted, ...]:
    """Every date of the span with what was counted; the times add up to `working_time` exactly.

    `language` is the one for names of public holidays ("ja"); a country answers in its own where it does not know it.
    """
    first, last = _micros(start), _micros(end)
    if last <= first:
        return ()
    opened = _opened(calendar)
    from_day, until_day = opened.local_date(start), opened.local_date(end - MICROSECOND)
    rows = [
        _explained(calendar, opened, day, first=first, last=last, language=language)
        for day in _days(from_day - DAY, until_day + DAY)
    ]
    return tuple(row for row in rows if row.counted or from_day <= row.day <= until_day)


def instant(zone: ZoneInfo, wall: datetime) -> datetime:
    """The first instant (UTC) at which the clocks of the zone show `wall` (naive) or later.

    A time that is skipped is the instant of the jump; of a time that comes twice it is the first.
    """
    shown = wall.replace(tzinfo=zone, fold=0)
    at = shown.astimezone(UTC)
    if at.astimezone(zone).replace(tzinfo=None, fold=0) == wall.replace(fold=0):
        return at
    before, after = wall.replace(tzinfo=zone, fold=1).astimezone(UTC), at  # the jump lies between them
    offset = before.astimezone(zone).utcoffset()
    while after - before > timedelta(seconds=1):
        middle = before + ((after - before) // 2 // timedelta(seconds=1)) * timedelta(seconds=1)
        if middle.astimezone(zone).utcoffset() == offset:
            before = middle
        else:
            after = middle
    return after.replace(microsecond=0)


class _Opened:
    """The periods of a calendar as instants (microseconds since 1970), each day worked out once."""

    def __init__(self, calendar: Calendar) -> None:
        self.calendar = calendar
        self.zone = ZoneInfo(calendar.zone)
        self._known: dict[date, tuple[tuple[int, int, Period], ...]] = {}

    def local_date(self, at: datetime) -> date:
        return at.astimezone(self.zone).date()

    def on(self, day: date) -> tuple[tuple[int, int, Period], ...]:
        """(opens, closes, period) of that date in order; periods that no clock showed are left out."""
        found = self._known.get(day)
        if found is None:
            if len(self._known) >= REMEMBERED_DAYS:
                self._known.clear()
            found = self._known[day] = self._worked_out(day)
        return found

    def _worked_out(self, day: date) -> tuple[tuple[int, int, Period], ...]:
        midnight = datetime.combine(day, time())
        spans = []
        for period in self.calendar.day(day).periods:
            opens = _micros(instant(self.zone, midnight + period.start * MINUTE))
            closes = _micros(instant(self.zone, midnight + period.end * MINUTE))
            if opens < closes:
                spans.append((opens, closes, period))
        return tuple(spans)


@lru_cache(maxsize=256)
def _opened(calendar: Calendar) -> _Opened:
    return _Opened(calendar)


def _ahead(calendar: Calendar, start: datetime) -> Iterator[tuple[int, int, Period]]:
    """What is worked from `start` on, in order; a period that has begun is the first."""
    here, opened = _micros(start), _opened(calendar)
    day = opened.local_date(start)
    for one in _days(day - DAY, day + HORIZON_DAYS * DAY):
        for span in opened.on(one):
            if span[1] > here:
                yield span


def _explained(calendar: Calendar, opened: _Opened, day: date, *, first: int, last: int, language: str) -> DayCounted:
    counted = []
    for opens, closes, period in opened.on(day):
        begun, ended = max(opens, first), min(closes, last)
        if begun < ended:
            shown = (_instant(begun).astimezone(opened.zone), _instant(ended).astimezone(opened.zone))
            counted.append(Counted(period, *shown, time=(ended - begun) * MICROSECOND))
    said = calendar.day(day, language=language)
    if counted:
        return DayCounted(day, tuple(counted), "", said.name)
    return DayCounted(day, (), said.why or "outside", said.name)


def _days(first: date, last: date) -> Iterator[date]:
    for number in range(first.toordinal(), last.toordinal() + 1):
        yield date.fromordinal(number)


def _micros(at: datetime) -> int:
    if at.tzinfo is None:
        raise ValueError("a time without its zone is no instant")
    return (at.astimezone(UTC) - EPOCH) // MICROSECOND


def _instant(micros: int) -> datetime:
    return EPOCH + micros * MICROSECOND
