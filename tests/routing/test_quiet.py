"""Quiet hours by the wall clock, over midnight, over daylight saving; times as people type them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing import quiet

TOKYO, BERLIN = ZoneInfo("Asia/Tokyo"), ZoneInfo("Europe/Berlin")


def tokyo(day: int, hour: int, minute: int = 0) -> datetime:
    return datetime(2026, 11, day, hour, minute, tzinfo=TOKYO)


@pytest.mark.parametrize(
    ("now", "until"),
    [
        (tokyo(20, 21, 59), None),
        (tokyo(20, 22), tokyo(21, 7)),
        (tokyo(21, 6, 59), tokyo(21, 7)),
        (tokyo(21, 7), None),
    ],
)
def test_the_night_ends_in_the_morning(now: datetime, until: datetime | None) -> None:
    assert quiet.ends(now, TOKYO, "22:00", "07:00") == until


def test_hours_within_a_day() -> None:
    assert quiet.ends(tokyo(20, 12, 30), TOKYO, "12:00", "13:00") == tokyo(20, 13)
    assert quiet.ends(tokyo(20, 11, 59), TOKYO, "12:00", "13:00") is None


def test_no_quiet_hours() -> None:
    assert quiet.ends(tokyo(20, 3), TOKYO, "", "") is None
    assert quiet.ends(tokyo(20, 3), TOKYO, "07:00", "07:00") is None


def test_the_morning_comes_by_the_wall_clock_when_the_clocks_change() -> None:
    before = datetime(2026, 10, 24, 23, 0, tzinfo=BERLIN)
    assert quiet.ends(before, BERLIN, "22:00", "07:00") == datetime(2026, 10, 25, 6, 0, tzinfo=UTC)


@given(
    st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001 (as st wants it)
    st.sampled_from(["22:00", "00:00", "12:15"]),
    st.sampled_from(["07:00", "00:30", "23:45"]),
)
def test_the_end_lies_ahead_within_a_day_and_a_bit_and_is_not_quiet(now: datetime, since: str, until: str) -> None:
    end = quiet.ends(now, BERLIN, since, until)
    if end is not None:
        assert now < end <= now + timedelta(hours=25)
        assert quiet.ends(end, BERLIN, since, until) is None


def test_times_as_people_type_them() -> None:
    assert quiet.read(" ７：００ ") == "07:00"
    for wrong in ("24:00", "7", "7:5", ""):
        with pytest.raises(ValueError):
            quiet.read(wrong)
