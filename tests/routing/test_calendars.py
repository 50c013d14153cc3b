"""Calendars: what cannot be is refused at its field, what is stored comes back, Japan's holidays are the real ones."""

from __future__ import annotations

import json
from copy import deepcopy
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing import public_holidays
from routing.calendars import Calendar, DaysOff, ExtraDay, MonthDay, Period, always, from_json, read_period, to_json
from routing.refusals import Refused

OFFICE: dict[str, Any] = {
    "zone": "Asia/Tokyo",
    "week": {
        "mon": ["09:00-12:00", "13:00-18:00"],
        "tue": ["09:00-12:00", "13:00-18:00"],
        "wed": ["09:00-12:00"],
        "thu": [],
        "fri": ["18:00-24:00"],
        "sat": [],
        "sun": [],
    },
    "country": "JP",
    "subdivision": "",
    "days_off": [
        {"name": "夏季休業", "from": "2026-08-13", "to": "2026-08-15"},
        {"name": "年末年始", "from": "12-29", "to": "01-03"},
    ],
    "extra_days": [{"name": "棚卸", "date": "2026-09-26", "periods": ["10:00-15:00"]}],
}


def changed(path: str, value: object) -> dict[str, Any]:
    """OFFICE with one thing set otherwise; `path` has dots."""
    stored = deepcopy(OFFICE)
    *way, last = [int(step) if step.isdigit() else step for step in path.split(".")]
    here: Any = stored
    for step in way:
        here = here[step]
    here[last] = value
    return stored


def test_what_is_stored_comes_back() -> None:
    calendar = from_json(json.loads(json.dumps(OFFICE)))
    assert to_json(calendar) == OFFICE
    assert calendar.week[0] == (Period(540, 720), Period(780, 1080))
    assert calendar.days_off[1] == DaysOff("年末年始", MonthDay(12, 29), MonthDay(1, 3))
    assert calendar.extra_days == (ExtraDay("棚卸", date(2026, 9, 26), (Period(600, 900),)),)


def test_a_single_day_off_needs_no_end_and_a_week_no_empty_days() -> None:
    calendar = from_json({"zone": "UTC", "week": {"mon": ["0:00-24:00"]}, "days_off": [{"name": "", "from": "05-01"}]})
    assert calendar.days_off[0].last == MonthDay(5, 1)
    assert calendar.week[1:] == ((),) * 6


@pytest.mark.parametrize(
    ("path", "value", "field", "reason"),
    [
        ("zone", "Asia/Edo", "zone", "no time zone"),
        ("zone", "", "zone", "no time zone"),
        ("zone", "../etc/passwd", "zone", "no time zone"),
        ("zone", 9, "zone", "text"),
        ("country", "XX", "country", "not known"),
        ("country", "jp", "country", "not known"),
        ("subdivision", "BY", "subdivision", "no region of JP"),
        ("week", {}, "week", "No day"),
        ("week", {"mon": []}, "week", "No day"),
        ("week", {"monday": []}, "week.monday", "not known"),
        ("week", [], "week", "named values"),
        ("week.mon", ["09:00-12:00", "11:59-18:00"], "week.mon", "09:00-12:00 and 11:59-18:00 overlap"),
        ("week.mon", ["09:00-12:00", "09:00-12:00"], "week.mon", "overlap"),
        ("week.tue", ["18:00-09:00"], "week.tue", "ends before it starts"),
        ("week.tue", ["09:00-09:00"], "week.tue", "ends before it starts"),
        ("week.tue", ["09:00-24:01"], "week.tue", "24:00"),
        ("week.tue", ["09:00-10:60"], "week.tue", "no period"),
        ("week.tue", ["nine to five"], "week.tue", "no period"),
        ("week.tue", "09:00-12:00", "week.tue", "list"),
        ("days_off.0.to", "2026-08-12", "days_off.0", "before"),
        ("days_off.0.to", "08-15", "days_off.0", "year"),
        ("days_off.1.from", "02-30", "days_off.1", "no day 02-30"),
        ("days_off.1.from", "2026-02-29", "days_off.1", "no day"),
        ("days_off.1.from", "1-3", "days_off.1", "no day"),
        ("days_off.1.until", "01-03", "days_off.1.until", "not known"),
        ("days_off.0", "2026-08-13", "days_off.0", "named values"),
        ("days_off", [{"from": "01-02"}] * 501, "days_off", "500"),
        ("extra_days.0.date", "09-26", "extra_days.0", "year"),
        ("extra_days.0.periods", [], "extra_days.0", "at least one"),
        ("extra_days.0.periods", ["9:00-11:00", "10:00-12:00"], "extra_days.0", "overlap"),
        ("extra_days", OFFICE["extra_days"] * 2, "extra_days.1", "twice"),
        ("lunch", "12:00-13:00", "lunch", "not known"),
    ],
)
def test_what_cannot_be_is_refused_at_its_field_with_the_reason(
    path: str, value: object, field: str, reason: str
) -> None:
    with pytest.raises(Refused) as refused:
        from_json(changed(path, value))
    assert refused.value.field == field
    assert reason in str(refused.value)


def test_a_region_without_a_country_and_half_a_week_are_refused() -> None:
    with pytest.raises(Refused, match="subdivision"):
        Calendar("UTC", always().week, subdivision="BY")
    with pytest.raises(Refused, match="seven"):
        Calendar("UTC", ((Period(0, 60),),))


@pytest.mark.parametrize(
    "typed",
    ["9:00-12:00", "09:00–12:00", "９：００〜１２：００", " 9:00 ～ 12:00 ", "9時〜12時", "９時００分から12時まで"],
)
def test_a_period_may_be_typed_as_people_type(typed: str) -> None:
    assert read_period(typed, "week.mon") == Period(540, 720)
    assert read_period("13時半-17時15分", "week.mon") == Period(810, 1035)


def test_what_weighs_more_on_a_day() -> None:
    new_year = date(2027, 1, 1)
    calendar = from_json(OFFICE)
    assert calendar.day(date(2026, 5, 6)).name == "振替休日"
    assert (calendar.day(new_year).why, calendar.day(new_year).name) == ("company_day", "年末年始")
    assert calendar.day(date(2026, 9, 26)).periods == (Period(600, 900),)
    assert calendar.day(date(2026, 11, 14)).why == "weekend"
    assert calendar.day(date(2026, 11, 16)).why == ""


def test_a_leap_day_off_comes_only_in_leap_years() -> None:
    calendar = Calendar("UTC", always().week, days_off=(DaysOff("", MonthDay(2, 29), MonthDay(2, 29)),))
    assert calendar.day(date(2028, 2, 29)).why == "company_day"
    assert calendar.day(date(2027, 2, 28)).why == calendar.day(date(2027, 3, 1)).why == ""


# -- Japan, from 内閣府's list

JAPAN = {
    2019: "01-01 01-14 02-11 03-21 04-29 04-30 05-01 05-02 05-03 05-04 05-05 05-06 07-15 08-11 08-12 09-16 09-23 10-14 "
    "10-22 11-03 11-04 11-23",
    2020: "01-01 01-13 02-11 02-23 02-24 03-20 04-29 05-03 05-04 05-05 05-06 07-23 07-24 08-10 09-21 09-22 11-03 11-23",
    2021: "01-01 01-11 02-11 02-23 03-20 04-29 05-03 05-04 05-05 07-22 07-23 08-08 08-09 09-20 09-23 11-03 11-23",
    2024: "01-01 01-08 02-11 02-12 02-23 03-20 04-29 05-03 05-04 05-05 05-06 07-15 08-11 08-12 09-16 09-22 09-23 10-14 "
    "11-03 11-04 11-23",
    2025: "01-01 01-13 02-11 02-23 02-24 03-20 04-29 05-03 05-04 05-05 05-06 07-21 08-11 09-15 09-23 10-13 11-03 11-23 "
    "11-24",
    2026: "01-01 01-12 02-11 02-23 03-20 04-29 05-03 05-04 05-05 05-06 07-20 08-11 09-21 09-22 09-23 10-12 11-03 11-23",
    2027: "01-01 01-11 02-11 02-23 03-21 03-22 04-29 05-03 05-04 05-05 07-19 08-11 09-20 09-23 10-11 11-03 11-23",
}


@pytest.mark.parametrize("year", JAPAN)
def test_every_holiday_of_japan_in_years_that_are_published(year: int) -> None:
    assert sorted(f"{day:%m-%d}" for day in public_holidays.names_in("JP", "", year)) == JAPAN[year].split()


@pytest.mark.parametrize("day", ["1973-04-30", "2008-05-06", "2024-02-12", "2024-11-04", "2025-11-24", "2026-05-06"])
def test_a_holiday_on_a_sunday_is_made_up_for(day: str) -> None:
    assert "振替休日" in public_holidays.names_in("JP", "", int(day[:4]))[date.fromisoformat(day)]


@pytest.mark.parametrize("day", ["2009-09-22", "2015-09-22", "2019-04-30", "2019-05-02", "2026-09-22", "2032-09-21"])
def test_a_day_between_two_holidays_is_one(day: str) -> None:
    assert "国民の休日" in public_holidays.names_in("JP", "", int(day[:4]))[date.fromisoformat(day)]


@pytest.mark.parametrize(
    ("year", "spring", "autumn"),
    [
        (1980, 20, 23),
        (1999, 21, 23),
        (2012, 20, 22),
        (2022, 21, 23),
        (2023, 21, 23),
        (2024, 20, 22),
        (2026, 20, 23),
        (2027, 21, 23),
    ],
)
def test_the_equinoxes(year: int, spring: int, autumn: int) -> None:
    names = public_holidays.names_in("JP", "", year)
    assert names[date(year, 3, spring)] == "春分の日"
    assert names[date(year, 9, autumn)] == "秋分の日"


def test_names_in_the_readers_language_never_in_the_processs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LANGUAGE", "th")
    public_holidays.names_in.cache_clear()
    christmas, new_year = date(2031, 12, 25), date(2031, 1, 1)
    assert public_holidays.names_in("JP", "", 2031)[new_year] == "元日"
    assert public_holidays.names_in("JP", "", 2031, "en")[new_year] == "New Year's Day"
    assert public_holidays.names_in("DE", "", 2031, "ja")[christmas] == "Erster Weihnachtstag"


def test_regions_differ() -> None:
    corpus_christi = date(2026, 6, 4)
    assert corpus_christi in public_holidays.names_in("DE", "BY", 2026)
    assert corpus_christi not in public_holidays.names_in("DE", "BE", 2026)
    assert "BY" in public_holidays.countries()["DE"]


# -- whatever is typed

NAMES = st.sampled_from(
    ["zone", "week", "country", "subdivision", "days_off", "extra_days", "mon", "from", "to", "periods"]
)
ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=12)
    | st.sampled_from(["09:00-12:00", "12-29", "2026-02-30"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES | st.text(max_size=4), inner, max_size=4),
    max_leaves=8,
)


@given(st.sampled_from(sorted(OFFICE)), ANYTHING)
def test_a_form_gives_a_calendar_or_a_refusal_and_nothing_else(name: str, value: object) -> None:
    field = name
    try:
        calendar = from_json({**OFFICE, name: value})
        assert from_json(to_json(calendar)) == calendar
    except Refused as refused:
        field = refused.field
    assert field.split(".")[0] == name
