"""Dates of mails, in the forms of the standard and of thirty years of programs."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inbox.mail.dates import date


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Fri, 21 Nov 1997 09:55:06 -0600", "1997-11-21T15:55:06"),
        ("21 Nov 97 09:55:06 GMT", "1997-11-21T09:55:06"),
        ("Thu,\t13\tFeb\t1969\t23:32\t-0330 (Newfoundland Time)", "1969-02-14T03:02:00"),
        ("Fri, 21 Nov 1997 09(comment):   55  :  06 -0600", "1997-11-21T15:55:06"),
        ("Wed, 27 Sep 2017 12:48:51 JST", "2017-09-27T03:48:51"),
        ("Wed, 27 Sep 2017 12:48:51", "2017-09-27T12:48:51"),
        ("Wed, 27 Sep 2017 12:48:51 XYZ", "2017-09-27T12:48:51"),
        ("Wed, 27 Sep 2017 12:48:51 +9999", "2017-09-27T12:48:51"),
        ("27-Sep-2017 12:48", "2017-09-27T12:48:00"),
        ("Wed Sep 27 12:48:51 2017", "2017-09-27T12:48:51"),
        ("Wed Sep 27 12:48:51 EDT 2017", "2017-09-27T16:48:51"),
        ("2017-09-27T12:48:51Z", "2017-09-27T12:48:51"),
        ("2017-09-27 12:48:51 +0900", "2017-09-27T03:48:51"),
        ("2017年9月27日(水) 12:48", "2017-09-27T12:48:00"),
        ("September 27, 2017 1:48:51 PM", "2017-09-27T13:48:51"),
        ("Mi, 27 Dez 2017 12:48:51 +0100", "2017-12-27T11:48:51"),
        ("Mon, 31 Dec 2016 23:59:60 +0000", "2016-12-31T23:59:59"),
        ("Sat, 1 Jan 100 10:00:00 +0000", "2000-01-01T10:00:00"),
    ],
)
def test_dates_are_aware_moments(text, expected):
    found = date(text)
    assert found is not None
    assert found.astimezone(UTC) == datetime.fromisoformat(expected).replace(tzinfo=UTC)


def test_the_senders_own_zone_is_kept():
    found = date("Fri, 21 Nov 1997 09:55:06 +0900")
    assert found is not None
    assert found.utcoffset() == timedelta(hours=9)


@pytest.mark.parametrize(
    "text", ["", "yesterday", "Fri, 32 Nov 1997 09:55:06 +0000", "21 Foo 1997 09:55:06", "1 Jan 2020 25:00:00"]
)
def test_what_is_no_date_is_none(text):
    assert date(text) is None


@given(st.text(alphabet="0123456789 :+-/.,JanFebMarT年月日Z()", max_size=60))
def test_no_text_raises(text):
    date(text)
