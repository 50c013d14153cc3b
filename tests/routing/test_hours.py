"""Working time against a model that walks over the span minute by minute and looks at the clock on the wall."""

from __future__ import annotations

import random
import time
from datetime import UTC, date, datetime, timedelta
from functools import cache
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from routing import hours
from routing.calendars import Calendar, DaysOff, ExtraDay, MonthDay, Period

TOKYO = ZoneInfo("Asia/Tokyo")
NINE_TO_SIX = (Period(9 * 60, 12 * 60), Period(13 * 60, 18 * 60))
OFFICE = Calendar("Asia/Tokyo", (NINE_TO_SIX,) * 5 + ((), ()), "JP")
FRIDAY_15 = datetime(2026, 11, 13, 15, tzinfo=TOKYO)
MONDAY_10_15 = datetime(2026, 11, 16, 10, 15, tzinfo=TOKYO)
MINUTE = timedelta(minutes=1)


def tokyo(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=TOKYO)


# -- examples


def test_friday_afternoon_to_monday_morning_with_lunch() -> None:
    """Friday 15:00-18:00 is 180 minutes, Monday 9:00-10:15 is 75."""
    assert hours.working_minutes(OFFICE, FRIDAY_15, MONDAY_10_15) == 255
    assert hours.add_working(OFFICE, FRIDAY_15, 255) == MONDAY_10_15


def test_the_same_is_explained_day_by_day() -> None:
    friday, saturday, sunday, monday = hours.explain(OFFICE, FRIDAY_15, MONDAY_10_15)
    assert [(one.period, one.start, one.end, one.time) for one in friday.counted] == [
        (Period(780, 1080), FRIDAY_15, tokyo("2026-11-13T18:00"), timedelta(hours=3))
    ]
    assert (saturday.day, saturday.counted, saturday.why) == (date(2026, 11, 14), (), "weekend")
    assert (sunday.counted, sunday.why) == ((), "weekend")
    assert [one.time for one in monday.counted] == [75 * MINUTE]


def test_an_explanation_names_the_holiday_in_the_readers_language() -> None:
    span = (tokyo("2026-09-21T00:00"), tokyo("2026-09-24T00:00"))
    assert [(row.why, row.name) for row in hours.explain(OFFICE, *span, language="ja")] == [
        ("holiday", "敬老の日"),
        ("holiday", "国民の休日"),
        ("holiday", "秋分の日"),
    ]
    assert [row.name for row in hours.explain(OFFICE, *span, language="en")][1] == "National Holiday"


def test_a_day_with_hours_that_the_span_does_not_touch_is_told_apart() -> None:
    [row] = hours.explain(OFFICE, tokyo("2026-11-16T06:00"), tokyo("2026-11-16T08:59"))
    assert (row.why, row.counted) == ("outside", ())


def test_an_answer_at_the_end_of_the_day_is_due_when_the_team_closes_not_when_it_opens_again() -> None:
    assert hours.add_working(OFFICE, tokyo("2026-11-13T17:00"), 60) == tokyo("2026-11-13T18:00")
    assert hours.add_working(OFFICE, tokyo("2026-11-13T17:00"), 61) == tokyo("2026-11-16T09:01")


def test_seconds_are_kept_and_minutes_rounded_down_once() -> None:
    start, end = tokyo("2026-11-13T11:59:20"), tokyo("2026-11-13T13:00:50")
    assert hours.working_time(OFFICE, start, end) == timedelta(seconds=40 + 50)
    assert hours.working_minutes(OFFICE, start, end) == 1


def test_nothing_is_worked_backwards() -> None:
    assert hours.working_time(OFFICE, MONDAY_10_15, FRIDAY_15) == timedelta(0)
    assert hours.explain(OFFICE, MONDAY_10_15, FRIDAY_15) == ()
    with pytest.raises(ValueError):
        hours.add_working(OFFICE, FRIDAY_15, -1)


def test_a_time_without_a_zone_is_no_instant() -> None:
    with pytest.raises(ValueError):
        hours.is_open(OFFICE, datetime(2026, 11, 13, 15))  # noqa: DTZ001


def test_open_from_the_start_of_a_period_until_before_its_end() -> None:
    assert hours.is_open(OFFICE, tokyo("2026-11-13T09:00"))
    assert not hours.is_open(OFFICE, tokyo("2026-11-13T12:00"))
    assert hours.next_opening(OFFICE, tokyo("2026-11-13T12:00")) == tokyo("2026-11-13T13:00")
    assert hours.next_opening(OFFICE, FRIDAY_15) == FRIDAY_15
    assert hours.next_opening(OFFICE, tokyo("2026-11-13T18:00")) == tokyo("2026-11-16T09:00")


def test_company_days_over_new_year_and_an_extra_saturday() -> None:
    calendar = Calendar(
        "Asia/Tokyo",
        OFFICE.week,
        "JP",
        days_off=(DaysOff("年末年始", MonthDay(12, 29), MonthDay(1, 3)),),
        extra_days=(ExtraDay("棚卸", date(2027, 1, 9), (Period(600, 900),)),),
    )
    start, end = tokyo("2026-12-28T17:00"), tokyo("2027-01-04T10:00")
    assert hours.working_minutes(calendar, start, end) == 120
    rows = hours.explain(calendar, start, end)
    assert [row.why for row in rows] == ["", *["company_day"] * 6, ""]
    assert {row.name for row in rows if row.why} == {"年末年始"}
    assert hours.working_minutes(calendar, tokyo("2027-01-09T00:00"), tokyo("2027-01-10T00:00")) == 300
    assert hours.working_day_after(calendar, date(2026, 12, 28), 1) == date(2027, 1, 4)
    assert hours.working_day_after(calendar, date(2027, 1, 8), 1) == date(2027, 1, 9)


def test_until_midnight_and_on_after_it_is_one_night() -> None:
    night = Calendar("Asia/Tokyo", ((Period(0, 360), Period(1320, 1440)),) * 7)
    assert hours.working_minutes(night, tokyo("2026-11-13T21:00"), tokyo("2026-11-14T07:00")) == 480


def test_a_calendar_that_is_never_open_says_so_instead_of_searching_for_ever() -> None:
    never = Calendar("Asia/Tokyo", OFFICE.week, days_off=(DaysOff("休業", MonthDay(1, 1), MonthDay(12, 31)),))
    with pytest.raises(hours.NoWorkingTime):
        hours.add_working(never, FRIDAY_15, 1)
    with pytest.raises(hours.NoWorkingTime):
        hours.next_opening(never, FRIDAY_15)
    with pytest.raises(hours.NoWorkingTime):
        hours.working_day_after(never, date(2026, 11, 13), 1)
    assert hours.add_working(never, FRIDAY_15, 0) == FRIDAY_15


def night_of(day: date, *periods: tuple[int, int], zone: str = "America/New_York") -> list[float]:
    """The elapsed minutes of each of these periods on that date."""
    midnight, next_midnight = (
        hours.instant(ZoneInfo(zone), datetime.combine(one, datetime.min.time())) for one in (day, day + timedelta(1))
    )
    calendars = [Calendar(zone, ((Period(*period),),) * 7) for period in periods]
    return [hours.working_time(calendar, midnight, next_midnight) / MINUTE for calendar in calendars]


def test_a_period_over_the_lost_hour_is_shorter_and_one_inside_it_is_empty() -> None:
    assert night_of(date(2026, 3, 8), (60, 240), (130, 170), (90, 150), (150, 210)) == [120, 0, 30, 30]


def test_a_period_over_the_hour_that_comes_twice_is_longer() -> None:
    """1:00 comes twice: 00:00-01:30 ends at the first 1:30, 01:30-03:00 has the rest of both hours."""
    assert night_of(date(2026, 11, 1), (0, 180), (0, 90), (90, 180), (120, 180)) == [240, 90, 150, 60]


def test_half_an_hour_on_lord_howe() -> None:
    assert night_of(date(2026, 4, 5), (60, 180), zone="Australia/Lord_Howe") == [150]
    assert night_of(date(2026, 10, 4), (60, 180), zone="Australia/Lord_Howe") == [90]


def test_a_day_that_an_island_skipped_has_no_hours() -> None:
    samoa = Calendar("Pacific/Apia", (NINE_TO_SIX,) * 7)
    zone = ZoneInfo("Pacific/Apia")
    span = datetime(2011, 12, 29, 12, tzinfo=zone), datetime(2011, 12, 31, 12, tzinfo=zone)
    assert hours.working_minutes(samoa, *span) == 300 + 180


# -- the model

WINDOWS = {
    "Asia/Tokyo": ("JP", "", ((2026, 4, 27, 14), (2026, 9, 18, 8), (2026, 12, 27, 12))),
    "Europe/Berlin": ("DE", "BY", ((2026, 3, 26, 13), (2026, 10, 22, 7), (2026, 12, 23, 16))),
    "America/New_York": ("US", "", ((2026, 3, 5, 7), (2026, 10, 29, 7), (2026, 12, 23, 12))),
    "Australia/Lord_Howe": ("AU", "NSW", ((2026, 4, 1, 8), (2026, 10, 1, 7), (2026, 12, 23, 12))),
}
# Written down by hand, from the governments' own lists.
HOLIDAYS = {
    "JP": "2026-04-29 2026-05-03 2026-05-04 2026-05-05 2026-05-06 2026-09-21 2026-09-22 2026-09-23 2027-01-01",
    "DE": "2026-04-03 2026-04-06 2026-12-25 2026-12-26 2027-01-01 2027-01-06",
    "US": "2026-12-25 2027-01-01",
    "AU": "2026-04-03 2026-04-04 2026-04-05 2026-04-06 2026-10-05 2026-12-25 2026-12-26 2026-12-28 2027-01-01",
}


@cache
def walls(zone: str, window: tuple[int, int, int, int]) -> tuple[datetime, list[tuple[date, int]]]:
    """The first instant of a window, and what a wall clock that is never turned back shows at each of its minutes."""
    year, month, day, days = window
    first = datetime(year, month, day, tzinfo=UTC)
    highest = datetime.min.replace(tzinfo=None)
    shown = []
    for minute in range(days * 1440):
        highest = max(highest, (first + minute * MINUTE).astimezone(ZoneInfo(zone)).replace(tzinfo=None, fold=0))
        shown.append((highest.date(), highest.hour * 60 + highest.minute))
    return first, shown


@cache
def walked(first: str, last: str) -> set[tuple[int, int]]:
    """Every day of the year that somebody passes who walks from one day to the other."""
    here, passed = date.fromisoformat(f"2024-{first}"), set()
    while True:
        passed.add((here.month, here.day))
        if f"{here:%m-%d}" == last:
            return passed
        here += timedelta(days=1)


def open_minutes(calendar: Calendar, day: date) -> set[int]:
    """The minutes of a date on which the team works, read off the calendar's lists."""
    for extra in calendar.extra_days:
        if extra.day == day:
            return {minute for one in extra.periods for minute in range(one.start, one.end)}
    closed = str(day) in HOLIDAYS.get(calendar.country, "").split()
    for off in calendar.days_off:
        if isinstance(off.first, date) and isinstance(off.last, date):
            closed |= off.first <= day <= off.last
        else:
            closed |= (day.month, day.day) in walked(str(off.first), str(off.last))
    if closed:
        return set()
    return {minute for one in calendar.week[day.weekday()] for minute in range(one.start, one.end)}


def modelled(calendar: Calendar, window: tuple[int, int, int, int], start: int, end: int) -> list[int]:
    """The offsets of the minutes from `start` to before `end` of the window that are worked."""
    _, shown = walls(calendar.zone, window)
    known: dict[date, set[int]] = {}
    worked = []
    for minute in range(start, end):
        day, at = shown[minute]
        if day not in known:
            known[day] = open_minutes(calendar, day)
        if at in known[day]:
            worked.append(minute)
    return worked


Case = tuple[Calendar, tuple[int, int, int, int], int, int]


def some_periods(dice: random.Random) -> tuple[Period, ...]:
    """One to three periods, mostly at round times, sometimes touching each other or midnight."""
    step = dice.choice((1, 5, 15, 60))
    ends = sorted(dice.sample(range(0, 1441, step), 2 * dice.randint(1, 3)))
    if dice.random() < 0.2:
        return tuple(Period(start, end) for start, end in pairwise(ends))
    return tuple(Period(ends[at], ends[at + 1]) for at in range(0, len(ends), 2))


def a_case(seed: int) -> Case:
    """A calendar, a window and the minutes of it from which and before which is counted."""
    dice = random.Random(seed)
    zone = dice.choice(sorted(WINDOWS))
    country, subdivision, windows = WINDOWS[zone]
    window = dice.choice(windows)
    _, shown = walls(zone, window)
    week = [() if dice.random() < 0.2 else some_periods(dice) for _ in range(7)]
    week[dice.randrange(7)] = some_periods(dice)
    off = []
    for _ in range(dice.choice((0, 0, 1, 2))):
        first = dice.choice(shown)[0]
        last = first + timedelta(days=dice.randint(0, 5))
        yearly = dice.random() < 0.5
        off.append(DaysOff("休", monthday(first), monthday(last)) if yearly else DaysOff("休", first, last))
    extra = [ExtraDay("出勤", dice.choice(shown)[0], some_periods(dice))] if dice.random() < 0.3 else []
    where = (country, subdivision) if dice.random() < 0.7 else ("", "")
    calendar = Calendar(zone, tuple(week), *where, tuple(off), tuple(extra))
    start = dice.randrange(len(shown))
    return calendar, window, start, min(len(shown), start + dice.randint(0, dice.choice((600, 3000, 12000))))


def monthday(day: date) -> MonthDay:
    return MonthDay(day.month, day.day)


CASES = st.integers(0, 2**64 - 1).map(a_case)  # thrown by dice, because drawing each part takes ten times as long


@pytest.mark.slow
@settings(max_examples=5000, deadline=None)
@given(CASES)
def test_every_way_of_counting_agrees_with_looking_at_the_clock_each_minute(case: Case) -> None:
    calendar, window, start, end = case
    first, _ = walls(calendar.zone, window)
    begun, ended = first + start * MINUTE, first + end * MINUTE
    worked = modelled(calendar, window, start, end)

    assert hours.working_time(calendar, begun, ended) == len(worked) * MINUTE
    assert sum((row.time for row in hours.explain(calendar, begun, ended)), timedelta(0)) == len(worked) * MINUTE
    if worked:
        assert hours.add_working(calendar, begun, len(worked)) == first + (worked[-1] + 1) * MINUTE
        assert hours.next_opening(calendar, begun) == first + worked[0] * MINUTE
        middle = len(worked) // 2
        assert hours.add_working(calendar, begun, middle + 1) == first + (worked[middle] + 1) * MINUTE
    if start < end:
        assert hours.is_open(calendar, begun) == (worked[:1] == [start])
        assert hours.is_open(calendar, begun + timedelta(seconds=59)) == (worked[:1] == [start])


@settings(max_examples=400, deadline=None)
@given(CASES, st.integers(0, 6 * 10**8), st.integers(0, 6 * 10**9), st.integers(0, 6 * 10**8))
def test_time_adds_up_to_the_microsecond(case: Case, one: int, two: int, three: int) -> None:
    calendar, window, start, _ = case
    a = walls(calendar.zone, window)[0] + start * MINUTE + timedelta(microseconds=one)
    b = a + timedelta(microseconds=two)
    c = b + timedelta(microseconds=three)
    whole = hours.working_time(calendar, a, c)
    assert hours.working_time(calendar, a, b) + hours.working_time(calendar, b, c) == whole
    assert sum((row.time for row in hours.explain(calendar, a, c)), timedelta(0)) == whole
    if whole:
        due = hours.add_working_time(calendar, a, whole)
        assert due <= c
        assert hours.working_time(calendar, a, due) == whole
        assert hours.working_time(calendar, a, due - timedelta(microseconds=1)) < whole


def test_three_years_cost_little() -> None:
    """Processor time; once for the first look at each day and once more with the days known."""
    calendar = Calendar("Europe/Berlin", OFFICE.week, "DE", "BE")
    start = datetime(2024, 1, 1, tzinfo=UTC)
    began = time.process_time()
    assert hours.working_minutes(calendar, start, start + timedelta(days=3 * 366)) > 300_000
    assert time.process_time() - began < 1
    began = time.process_time()
    for days in range(100):
        hours.working_minutes(calendar, start, start + timedelta(days=days * 10))
    assert time.process_time() - began < 1
