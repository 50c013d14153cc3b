"""A calendar says when a team works: periods of each weekday, public holidays, the company's own days off, extra days.

Its JSON form (`to_json`, `from_json`):

    {"zone": "Asia/Tokyo", "week": {"mon": ["09:00-12:00", "13:00-18:00"], …}, "country": "JP", "subdivision": "",
     "days_off": [{"name": "夏季休業", "from": "2026-08-13", "to": "2026-08-15"},
                  {"name": "年末年始", "from": "12-29", "to": "01-03"}],
     "extra_days": [{"name": "棚卸", "date": "2026-09-26", "periods": ["10:00-15:00"]}]}

A range without a year comes back every year. An extra day weighs more than a day off, a day off more than a public
holiday, a public holiday more than the weekday.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import MAXYEAR, MINYEAR, date
from itertools import pairwise
from typing import Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from routing import forms, public_holidays
from routing.refusals import N_, Refused

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
MIDNIGHT = 24 * 60  # the last minute at which a period may end
LEAP_YEAR = 2024  # any: tells whether a month has such a day at all

Why = Literal["", "weekend", "holiday", "company_day"]
_PERIOD = re.compile(r"(\d{1,2}):(\d{2})\s*(?:[-‐‑‒–—―−~〜]|から)\s*(\d{1,2}):(\d{2})(?:まで)?")
_SPOKEN = re.compile(r"(\d{1,2})時(?:(\d{1,2})分|(半))?")  # 9時, 9時30分, 9時半


@dataclass(frozen=True, slots=True, order=True)
class Period:
    """From `start` until before `end`, in minutes of the wall clock after midnight; a day ends at 1440 (24:00)."""

    start: int
    end: int

    def __str__(self) -> str:
        return f"{_clock(self.start)}-{_clock(self.end)}"


@dataclass(frozen=True, slots=True, order=True)
class MonthDay:
    """A day that comes back every year; the 29th of February only in leap years."""

    month: int
    day: int

    def __str__(self) -> str:
        return f"{self.month:02}-{self.day:02}"


@dataclass(frozen=True, slots=True)
class DaysOff:
    """One day or several, both ends included: of one year (dates) or of every year (MonthDay, also over New Year)."""

    name: str
    first: date | MonthDay
    last: date | MonthDay

    def covers(self, day: date) -> bool:
        if isinstance(self.first, date) and isinstance(self.last, date):
            return self.first <= day <= self.last
        assert isinstance(self.first, MonthDay)
        assert isinstance(self.last, MonthDay)
        here = MonthDay(day.month, day.day)
        if self.first <= self.last:
            return self.first <= here <= self.last
        return here >= self.first or here <= self.last


@dataclass(frozen=True, slots=True)
class ExtraDay:
    """A day on which the team works during these periods, whatever day it is."""

    name: str
    day: date
    periods: tuple[Period, ...]


@dataclass(frozen=True, slots=True)
class Day:
    """What the calendar says about one date. `why` it has no periods; `name` of the holiday, day off or extra day."""

    periods: tuple[Period, ...]
    why: Why = ""
    name: str = ""


@dataclass(frozen=True, slots=True)
class Calendar:
    """`week` holds the periods of Monday to Sunday. `country` and `subdivision` are ISO 3166 codes, "" for none.

    Raises Refused (with the fields of the JSON form) for what cannot be: a calendar that exists can be worked with.
    """

    zone: str
    week: tuple[tuple[Period, ...], ...]
    country: str = ""
    subdivision: str = ""
    days_off: tuple[DaysOff, ...] = ()
    extra_days: tuple[ExtraDay, ...] = ()

    def __post_init__(self) -> None:
        _check_zone(self.zone)
        _check_week(self.week)
        _check_country(self.country, self.subdivision)
        for number, off in enumerate(self.days_off):
            _check_days_off(f"days_off.{number}", off)
        for number, extra in enumerate(self.extra_days):
            _check_periods(f"extra_days.{number}", extra.periods)
            if not extra.periods:
                raise Refused(f"extra_days.{number}", N_("An extra working day needs at least one period."))
            if any(extra.day == other.day for other in self.extra_days[:number]):
                raise Refused(f"extra_days.{number}", N_("%(day)s stands here twice."), day=extra.day)
        object.__setattr__(self, "week", tuple(tuple(sorted(periods)) for periods in self.week))

    def day(self, day: date, *, language: str = "") -> Day:
        """What is worked on that date and why not; names of public holidays in `language` ("ja") where they exist."""
        for extra in self.extra_days:
            if extra.day == day:
                return Day(tuple(sorted(extra.periods)), "", extra.name)
        for off in self.days_off:
            if off.covers(day):
                return Day((), "company_day", off.name)
        if self.country:
            name = public_holidays.names_in(self.country, self.subdivision, day.year, language).get(day)
            if name is not None:
                return Day((), "holiday", name)
        periods = self.week[day.weekday()]
        return Day(periods, "" if periods else "weekend")


def always(zone: str = "UTC") -> Calendar:
    """Around the clock, every day: for teams that set no hours."""
    return Calendar(zone, ((Period(0, MIDNIGHT),),) * 7)


# -- checks


def _check_zone(zone: str) -> None:
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise Refused("zone", N_("There is no time zone “%(zone)s”."), zone=zone) from None


def _check_week(week: tuple[tuple[Period, ...], ...]) -> None:
    if len(week) != len(WEEKDAYS):
        raise Refused("week", N_("A week has seven days."))
    for name, periods in zip(WEEKDAYS, week, strict=True):
        _check_periods(f"week.{name}", periods)
    if not any(week):
        raise Refused("week", N_("No day of the week has working hours."))


def _check_periods(field: str, periods: tuple[Period, ...]) -> None:
    for period in periods:
        if not (0 <= period.start <= MIDNIGHT and 0 <= period.end <= MIDNIGHT):
            raise Refused(field, N_("%(period)s is no time of a day; the day ends at 24:00."), period=period)
        if period.end <= period.start:
            message = N_("%(period)s ends before it starts. Work over midnight is two periods, to 24:00 and from 0:00.")
            raise Refused(field, message, period=period)
    inorder = sorted(periods)
    for earlier, later in pairwise(inorder):
        if later.start < earlier.end:
            raise Refused(field, N_("%(earlier)s and %(later)s overlap."), earlier=earlier, later=later)


def _check_country(country: str, subdivision: str) -> None:
    if not country:
        if subdivision:
            raise Refused("subdivision", N_("A region needs its country."))
        return
    if country not in public_holidays.countries():
        raise Refused("country", N_("The public holidays of “%(country)s” are not known."), country=country)
    if subdivision and subdivision not in public_holidays.countries()[country]:
        message = N_("“%(subdivision)s” is no region of %(country)s.")
        raise Refused("subdivision", message, subdivision=subdivision, country=country)


def _check_days_off(field: str, off: DaysOff) -> None:
    if isinstance(off.first, date) is not isinstance(off.last, date):
        raise Refused(field, N_("Either both days have a year or neither."))
    if isinstance(off.first, date) and isinstance(off.last, date) and off.last < off.first:
        raise Refused(field, N_("%(last)s is before %(first)s."), first=off.first, last=off.last)
    for end in (off.first, off.last):
        if isinstance(end, MonthDay) and not _is_day(end):
            raise Refused(field, N_("There is no day %(day)s."), day=end)


def _is_day(end: MonthDay) -> bool:
    try:
        date(LEAP_YEAR, end.month, end.day)
    except ValueError:
        return False
    return True


# -- JSON


def to_json(calendar: Calendar) -> dict[str, Any]:
    """The form in which a calendar is stored; `from_json` gives an equal one."""
    return {
        "zone": calendar.zone,
        "week": {name: [str(one) for one in periods] for name, periods in zip(WEEKDAYS, calendar.week, strict=True)},
        "country": calendar.country,
        "subdivision": calendar.subdivision,
        "days_off": [{"name": off.name, "from": str(off.first), "to": str(off.last)} for off in calendar.days_off],
        "extra_days": [
            {"name": extra.name, "date": str(extra.day), "periods": [str(one) for one in extra.periods]}
            for extra in calendar.extra_days
        ],
    }


def from_json(stored: Mapping[str, Any]) -> Calendar:
    """The calendar of that JSON form; raises Refused with the field that is wrong. Days of the week may be left out."""
    forms.only(stored, "", known={"zone", "week", "country", "subdivision", "days_off", "extra_days"})
    week = forms.mapping(stored.get("week", {}), "week")
    forms.only(week, "week", known=WEEKDAYS)
    return Calendar(
        zone=forms.text(stored.get("zone", ""), "zone"),
        week=tuple(_periods(week.get(name, []), f"week.{name}") for name in WEEKDAYS),
        country=forms.text(stored.get("country", ""), "country"),
        subdivision=forms.text(stored.get("subdivision", ""), "subdivision"),
        days_off=tuple(
            _days_off(one, f"days_off.{number}")
            for number, one in enumerate(forms.items(stored.get("days_off", []), "days_off"))
        ),
        extra_days=tuple(
            _extra_day(one, f"extra_days.{number}")
            for number, one in enumerate(forms.items(stored.get("extra_days", []), "extra_days"))
        ),
    )


def read_period(text: str, field: str) -> Period:
    """A period from "9:00-12:00" or "9時〜12時半"; full-width digits and any dash or 〜 may be typed. Raises Refused
    for `field`."""
    plain = unicodedata.normalize("NFKC", text).strip()
    match = _PERIOD.fullmatch(_SPOKEN.sub(lambda said: f"{said[1]}:{30 if said[3] else int(said[2] or 0):02}", plain))
    if match is None:
        raise Refused(field, N_("“%(text)s” is no period; one looks like 09:00-12:00."), text=text)
    hour, minute, last_hour, last_minute = map(int, match.groups())
    if minute > 59 or last_minute > 59:
        raise Refused(field, N_("“%(text)s” is no period; one looks like 09:00-12:00."), text=text)
    return Period(hour * 60 + minute, last_hour * 60 + last_minute)


def _periods(stored: object, field: str) -> tuple[Period, ...]:
    return tuple(read_period(forms.text(one, field), field) for one in forms.items(stored, field))


def _days_off(stored: object, field: str) -> DaysOff:
    one = forms.mapping(stored, field)
    forms.only(one, field, known={"name", "from", "to"})
    first = _day(one.get("from"), field)
    return DaysOff(forms.text(one.get("name", ""), field), first, _day(one["to"], field) if one.get("to") else first)


def _extra_day(stored: object, field: str) -> ExtraDay:
    one = forms.mapping(stored, field)
    forms.only(one, field, known={"name", "date", "periods"})
    day = _day(one.get("date"), field)
    if not isinstance(day, date):
        raise Refused(field, N_("An extra working day needs a date with its year."))
    return ExtraDay(forms.text(one.get("name", ""), field), day, _periods(one.get("periods", []), field))


def _day(stored: object, field: str) -> date | MonthDay:
    """A day from "2026-08-13" or, for every year, "08-13"."""
    text = forms.text(stored, field)
    parts = text.split("-")
    lengths = [len(part) for part in parts if part.isascii() and part.isdigit()]
    if lengths in ([4, 2, 2], [2, 2]) and len(lengths) == len(parts):
        numbers = [int(part) for part in parts]
        if len(numbers) == 2:
            return MonthDay(*numbers)
        if MINYEAR < numbers[0] < MAXYEAR and _is_day_of(numbers):
            return date(*numbers)
    raise Refused(field, N_("“%(text)s” is no day; one looks like 2026-08-13, or 08-13 for every year."), text=text)


def _is_day_of(numbers: list[int]) -> bool:
    try:
        date(*numbers)
    except ValueError:
        return False
    return True


def _clock(minutes: int) -> str:
    return f"{minutes // 60:02}:{minutes % 60:02}"
