from __future__ import annotations

from calendar import day_name, month_name
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing.calendars import Calendar, DaysOff, MonthDay, Period, always
from routing.when import FARTHEST, When, read_when

TOKYO = ZoneInfo("Asia/Tokyo")
BERLIN = ZoneInfo("Europe/Berlin")
OFFICE = Calendar("Asia/Tokyo", ((Period(570, 720), Period(780, 1080)),) * 5 + ((), ()), "JP")
WEDNESDAY = datetime(2026, 11, 18, 10, 20, tzinfo=TOKYO)  # the Monday after it is 勤労感謝の日


def said(text: str, *, now: datetime = WEDNESDAY, calendar: Calendar | None = OFFICE) -> str:
    """The local time that is meant, or the reason why none is."""
    zone = now.tzinfo
    assert isinstance(zone, ZoneInfo)
    when = read_when(text, now=now, zone=zone, calendar=calendar)
    return when.reason if when.at is None else f"{when.at.astimezone(zone):%Y-%m-%d %H:%M}"


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        # a while
        ("in 2 hours", "2026-11-18 12:20"),
        ("2h", "2026-11-18 12:20"),
        ("in 1.5 hours", "2026-11-18 11:50"),
        ("an hour and a half", "2026-11-18 11:50"),
        ("in 1 hour 30 minutes", "2026-11-18 11:50"),
        ("half an hour", "2026-11-18 10:50"),
        ("30分後", "2026-11-18 10:50"),
        ("１時間半後", "2026-11-18 11:50"),
        ("1時間30分後", "2026-11-18 11:50"),
        ("in 3 days", "2026-11-21 10:20"),
        ("3 days from now at 9:00", "2026-11-21 09:00"),
        ("3日後", "2026-11-21 10:20"),
        ("3日後の10時", "2026-11-21 10:00"),
        ("三日後の十時", "2026-11-21 10:00"),
        ("二時間三十分後", "2026-11-18 12:50"),
        ("十二月二十四日 十五時半", "2026-12-24 15:30"),
        ("明日十一時", "2026-11-19 11:00"),
        ("二十営業日後の九時", "2026-12-17 09:00"),
        ("2週間後", "2026-12-02 10:20"),
        ("in a month", "2026-12-18 10:20"),
        ("１か月後の朝", "2026-12-18 09:30"),
        ("1年後", "2027-11-18 10:20"),
        # working days
        ("3営業日後", "2026-11-24 09:30"),
        ("3営業日後の15時", "2026-11-24 15:00"),
        ("3 business days", "2026-11-24 09:30"),
        ("翌営業日", "2026-11-19 09:30"),
        ("next business day at 10", "2026-11-19 10:00"),
        # days
        ("tomorrow 9:00", "2026-11-19 09:00"),
        ("tomorrow", "2026-11-19 09:30"),
        ("Tomorrow afternoon at 3", "2026-11-19 15:00"),
        ("tonight at 8", "2026-11-18 20:00"),
        ("明日9時", "2026-11-19 09:00"),
        ("明日の朝８時半に", "2026-11-19 08:30"),
        ("明日の午後3時まで", "2026-11-19 15:00"),
        ("明後日 17:30 頃", "2026-11-20 17:30"),
        ("今夜", "2026-11-18 20:00"),
        ("今夜9時", "2026-11-18 21:00"),
        ("明朝", "2026-11-19 09:30"),
        # weekdays and weeks
        ("wednesday 11:00", "2026-11-18 11:00"),
        ("wednesday", "2026-11-25 09:30"),
        ("次の水曜", "2026-11-25 09:30"),
        ("next Friday", "2026-11-27 09:30"),
        ("this friday", "2026-11-20 09:30"),
        ("next Monday morning", "2026-11-23 09:00"),
        ("monday next week 10:30", "2026-11-23 10:30"),
        ("来週月曜の朝", "2026-11-23 09:00"),
        ("来週の火曜日の朝", "2026-11-24 09:30"),
        ("来週", "2026-11-24 09:30"),
        ("next week", "2026-11-24 09:30"),
        ("再来週の金曜10時", "2026-12-04 10:00"),
        ("週明け", "2026-11-24 09:30"),
        ("来月初め", "2026-12-01 09:30"),
        ("今週金", "2026-11-20 09:30"),
        # dates
        ("12/24 10:00", "2026-12-24 10:00"),
        ("１２／２４　１０：００", "2026-12-24 10:00"),
        ("12/24(木) 10:00", "2026-12-24 10:00"),
        ("12月24日 正午", "2026-12-24 12:00"),
        ("2026年12月24日", "2026-12-24 09:30"),
        ("2026-12-24 9am", "2026-12-24 09:00"),
        ("Thu, Dec 24 at 5:30 p.m.", "2026-12-24 17:30"),
        ("24 December 2026", "2026-12-24 09:30"),
        ("the 24th", "2026-11-24 09:30"),
        ("24日", "2026-11-24 09:30"),
        ("17日", "2026-12-17 09:30"),
        ("11/17", "2027-11-17 09:30"),
        ("来年1月5日", "2027-01-05 09:30"),
        ("2/29", "2028-02-29 09:30"),
        ("月末", "2026-11-30 09:30"),
        ("来月末", "2026-12-31 09:30"),
        ("来月5日", "2026-12-05 09:00"),
        ("end of next month", "2026-12-31 09:30"),
        # times
        ("11:00", "2026-11-18 11:00"),
        ("9:00", "2026-11-19 09:00"),
        ("at 9", "2026-11-19 09:00"),
        ("18時", "2026-11-18 18:00"),
        ("夜8時", "2026-11-18 20:00"),
        ("noon", "2026-11-18 12:00"),
        ("12 am", "2026-11-19 00:00"),
        ("12pm", "2026-11-18 12:00"),
        ("午後12時", "2026-11-19 00:00"),
        ("24:00", "2026-11-19 00:00"),
    ],
)
def test_what_is_meant(text: str, meant: str) -> None:
    assert said(text) == meant


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "unreadable"),
        ("  ", "unreadable"),
        ("soon", "unreadable"),
        ("そのうち", "unreadable"),
        ("tomorrow tomorrow", "unreadable"),
        ("in 2 hours tomorrow", "unreadable"),
        ("9:00 10:00", "unreadable"),
        ("2/30", "unreadable"),
        ("99/99", "unreadable"),
        ("31日 32日", "unreadable"),
        ("25時", "unreadable"),
        ("9:60", "unreadable"),
        ("13pm", "unreadable"),
        ("夜1時", "unreadable"),
        ("12/24(金)", "unreadable"),
        ("1.5営業日後", "unreadable"),
        ("明日" * 60, "unreadable"),
        ("今日 9:00", "past"),
        ("this morning at 8", "past"),
        ("2026/11/17", "past"),
        ("今週月曜", "past"),
        ("0分後", "past"),
        ("0営業日後", "unreadable"),
        ("3年後", "too_far"),
        ("in 9999 years", "too_far"),
        ("9999年1月1日", "too_far"),
        ("9999営業日後", "too_far"),
    ],
)
def test_why_not(text: str, reason: str) -> None:
    assert said(text) == reason


def test_without_a_calendar_days_begin_at_nine_and_working_days_are_unknown() -> None:
    assert said("明日", calendar=None) == "2026-11-19 09:00"
    assert said("来週", calendar=None) == "2026-11-23 09:00"
    assert said("3営業日後", calendar=None) == "no_calendar"
    closed = Calendar("Asia/Tokyo", OFFICE.week, days_off=(DaysOff("", MonthDay(1, 1), MonthDay(12, 31)),))
    assert said("3営業日後", calendar=closed) == "no_calendar"


def test_a_team_that_opens_in_the_afternoon_has_its_morning_at_nine() -> None:
    late = Calendar("Asia/Tokyo", ((Period(840, 1200),),) * 7)
    assert said("明日", calendar=late) == "2026-11-19 14:00"
    assert said("明日の朝", calendar=late) == "2026-11-19 09:00"


def test_at_the_end_of_a_month_a_month_later_is_its_end() -> None:
    assert said("1か月後", now=datetime(2027, 1, 31, 12, tzinfo=TOKYO)) == "2027-02-28 12:00"
    assert said("31日", now=datetime(2027, 2, 1, 12, tzinfo=TOKYO)) == "2027-03-31 09:30"


def test_on_a_sunday_next_monday_is_tomorrow() -> None:
    sunday = datetime(2026, 11, 15, 20, tzinfo=TOKYO)
    assert said("next monday", now=sunday) == said("来週月曜", now=sunday) == "2026-11-16 09:30"


def test_a_time_that_is_skipped_is_the_jump_and_of_one_that_comes_twice_the_first() -> None:
    spring = datetime(2026, 3, 28, 12, tzinfo=BERLIN)
    assert read_when("tomorrow 2:30", now=spring, zone=BERLIN).at == datetime(2026, 3, 29, 1, tzinfo=UTC)
    autumn = datetime(2026, 10, 24, 12, tzinfo=BERLIN)
    assert read_when("tomorrow 2:30", now=autumn, zone=BERLIN).at == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)


def test_hours_are_real_hours_over_the_change_of_clocks() -> None:
    before = datetime(2026, 3, 29, 0, 30, tzinfo=BERLIN)
    assert read_when("in 3 hours", now=before, zone=BERLIN).at == before.astimezone(UTC) + timedelta(hours=3)


# -- properties

ZONES = st.sampled_from(["Asia/Tokyo", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe"]).map(ZoneInfo)
NOWS = st.datetimes(datetime(2020, 1, 1), datetime(2035, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
CALENDARS = st.sampled_from([None, OFFICE, always()])
SAID = """tomorrow next monday this week morning at in 2 3 h hours days 明日 来週 月曜 の 朝 9時 半 後 営業日 12/24
10:00 :00 pm 24 日 月 末 今夜 december th 年 2026 - / ( 木 ) and a half 25 分 9999"""
PIECES = st.sampled_from(SAID.split())
WIDE = str.maketrans("0123456789/: ", "０１２３４５６７８９／：　")


@given(
    st.lists(PIECES, max_size=6).map(" ".join) | st.lists(PIECES, max_size=6).map("".join) | st.text(max_size=30),
    NOWS,
    ZONES,
    CALENDARS,
)
def test_whatever_is_said_is_after_now_or_has_a_reason(
    text: str, now: datetime, zone: ZoneInfo, calendar: Calendar | None
) -> None:
    when = read_when(text, now=now, zone=zone, calendar=calendar)
    if when.at is None:
        assert when.reason
    else:
        assert not when.reason
        assert now < when.at <= now + FARTHEST


@given(
    NOWS,
    ZONES,
    st.integers(0, 700),
    st.times().map(lambda one: time(one.hour, one.minute)),
    st.booleans(),
    st.sampled_from(
        [
            "{d:%Y-%m-%d} {t:%H:%M}",
            "{d.year}/{d.month}/{d.day} {t:%H:%M}",
            "{d.year}年{d.month}月{d.day}日 {t.hour}時{t.minute}分",
            "{d.day} {m} {d.year} at {t:%H:%M}",
            "{m} {d.day}, {d.year} {h}:{t:%M} {half}",
        ]
    ),
)
def test_a_date_and_time_comes_back_in_every_way_of_writing(
    now: datetime, zone: ZoneInfo, away: int, at: time, wide: bool, form: str
) -> None:
    day = now.astimezone(zone).date() + timedelta(days=away)
    text = form.format(
        d=day, t=at, m=month_name[day.month], h=(at.hour - 1) % 12 + 1, half="pm" if at.hour >= 12 else "AM"
    )
    when = read_when(text.translate(WIDE) if wide else text, now=now, zone=zone)
    wall = datetime.combine(day, at)
    exact = wall.replace(tzinfo=zone).astimezone(UTC)
    skipped = exact.astimezone(zone).replace(tzinfo=None) != wall
    if skipped:
        assert when.reason == "past" or (when.at is not None and abs(when.at - exact) <= timedelta(hours=1))
    else:
        assert when == (When(exact) if exact > now else When(None, "past"))


@given(
    NOWS,
    ZONES,
    st.sampled_from(range(7)),
    st.sampled_from([("{en}", 0), ("{ja}曜日", 0), ("next {en}", 7), ("来週の{ja}曜", 7)]),
)
def test_a_weekday_is_that_day_of_its_week(now: datetime, zone: ZoneInfo, number: int, form: tuple[str, int]) -> None:
    text = form[0].format(en=day_name[number], ja="月火水木金土日"[number])
    when = read_when(f"{text} 12:00", now=now, zone=zone)
    assert when.at is not None
    found, today = when.at.astimezone(zone).date(), now.astimezone(zone).date()
    assert found.weekday() == number
    monday = today - timedelta(days=today.weekday())
    if form[1]:
        assert 7 <= (found - monday).days < 14
    else:
        assert 0 <= (found - today).days <= 7


@given(NOWS, st.integers(1, 60))
def test_working_days_are_counted_without_today(now: datetime, count: int) -> None:
    when = read_when(f"{count}営業日後", now=now, zone=TOKYO, calendar=OFFICE)
    assert when.at is not None
    day: date = now.astimezone(TOKYO).date()
    for _ in range(count):
        day += timedelta(days=1)
        while not OFFICE.day(day).periods:
            day += timedelta(days=1)
    assert when.at.astimezone(TOKYO) == datetime.combine(day, time(9, 30), TOKYO)
