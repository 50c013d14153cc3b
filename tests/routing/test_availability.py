"""Shifts: hours of one's own or of the mailbox, holidays, nights, the days on which clocks are set, breaks."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from routing.availability import Availability, Away, Here, Shift, has_left, shift_in, whether_here
from routing.calendars import Calendar, DaysOff, ExtraDay, MonthDay, Period, always, from_json
from routing.refusals import Refused

HOUSE = from_json(
    {
        "zone": "Asia/Tokyo",
        "week": {key: ["09:00-18:00"] for key in ("mon", "tue", "wed", "thu", "fri")},
        "country": "JP",
        "days_off": [{"name": "年末年始", "from": "12-29", "to": "01-03"}],
        "extra_days": [{"name": "棚卸", "date": "2026-11-23", "periods": ["10:00-15:00"]}],
    }
)
EARLY = from_json({"zone": "Asia/Tokyo", "week": {"mon": ["07:00-11:00", "12:00-15:00"], "tue": ["07:00-15:00"]}})
BERLIN = Calendar("Europe/Berlin", ((Period(60, 240),),) * 7)  # 1:00 to 4:00
NIGHTS = Calendar("Asia/Tokyo", ((Period(0, 360), Period(1320, 1440)),) * 7)
MONDAY = datetime(2026, 11, 16, tzinfo=UTC) - timedelta(hours=9)  # midnight in Tokyo


def tokyo(hour: float, day: int = 0) -> datetime:
    return MONDAY + timedelta(days=day, hours=hour)


def here(shifts: Calendar, at: datetime) -> bool:
    return whether_here(Availability(shifts), at).here


def test_without_hours_of_their_own_people_work_as_the_mailbox() -> None:
    assert shift_in(Shift(), HOUSE) == HOUSE
    assert shift_in(Shift(holidays=False), always()) == always()


def test_own_hours_rest_on_the_holidays_of_the_house_and_an_extra_day_lifts_them() -> None:
    counted = shift_in(Shift(EARLY), HOUSE)
    assert counted.zone == "Asia/Tokyo"
    assert counted.day(date(2026, 11, 16)).periods == EARLY.week[0]
    assert counted.day(date(2026, 11, 23)).periods == EARLY.week[0]  # a holiday, but stocktaking: at their own hours
    assert counted.day(date(2027, 1, 11)).why == "holiday"
    assert counted.day(date(2026, 12, 29)).why == "company_day"
    assert shift_in(Shift(EARLY, holidays=False), HOUSE) == EARLY
    saturday = replace(HOUSE, extra_days=(ExtraDay("棚卸", date(2026, 11, 21), (Period(600, 900),)),))
    assert shift_in(Shift(EARLY), saturday).day(date(2026, 11, 21)).periods == ()


def test_the_next_shift_is_told_over_a_holiday() -> None:
    counted = shift_in(Shift(EARLY), replace(HOUSE, extra_days=()))
    told = whether_here(Availability(counted), tokyo(15, day=1))
    assert told == Here(False, "off_shift", tokyo(7, day=8))  # not Monday the 23rd


def test_a_night_is_two_periods_and_no_gap_at_midnight() -> None:
    assert [here(NIGHTS, tokyo(hour)) for hour in (21.99, 22, 23.99, 24, 29.99, 30)] == [
        False,
        True,
        True,
        True,
        True,
        False,
    ]
    with pytest.raises(Refused) as refused:
        from_json({"zone": "Asia/Tokyo", "week": {"mon": ["22:00-06:00"]}})
    assert refused.value.field == "week.mon"
    assert "two periods" in refused.value.message


def test_a_shift_in_the_night_in_which_clocks_are_set() -> None:
    spring = datetime(2026, 3, 29, 0, 0, tzinfo=UTC)  # 1:00 in Berlin; at 1:00 UTC it is 3:00
    assert [here(BERLIN, spring + timedelta(minutes=one)) for one in (-1, 0, 59, 60, 119, 120)] == [
        False,
        True,
        True,
        True,
        True,
        False,
    ]
    autumn = datetime(2026, 10, 24, 23, 0, tzinfo=UTC)  # 1:00 in Berlin; from 2:00 to 3:00 comes twice
    assert [here(BERLIN, autumn + timedelta(minutes=one)) for one in (-1, 0, 90, 150, 239, 240)] == [
        False,
        True,
        True,
        True,
        True,
        False,
    ]
    assert whether_here(Availability(BERLIN), autumn + timedelta(hours=4)).until == autumn + timedelta(hours=25)


def test_a_break_is_not_the_end_of_a_shift_and_nobody_has_left_before_it_ends() -> None:
    mine = Availability(EARLY)
    left = {hour: has_left(mine, tokyo(hour)) for hour in (6, 7, 10.9, 11, 11.9, 12, 14.9, 15, 16, 23)}
    assert left == {6: True, 7: False, 10.9: False, 11: False, 11.9: False, 12: False, 14.9: False} | dict.fromkeys(
        (15, 16, 23), True
    )
    split = Availability(Calendar("Asia/Tokyo", ((Period(480, 600), Period(960, 1080)),) * 7))
    assert has_left(split, tokyo(11))  # from 10 to 16 is no break
    assert not has_left(Availability(), tokyo(3))


def test_whoever_is_away_has_left_also_within_their_hours() -> None:
    away = Availability(EARLY, (Away(tokyo(8), tokyo(9)),))
    assert has_left(away, tokyo(8))
    assert not has_left(away, tokyo(9))
    never = replace(EARLY, days_off=(DaysOff("休業", MonthDay(1, 1), MonthDay(12, 31)),))
    assert has_left(Availability(never), tokyo(8))
