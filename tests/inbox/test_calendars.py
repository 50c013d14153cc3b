"""Calendars of the team: kept, refused at the field, which mailbox follows which, and counted in the open."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from inbox import calendars, working_hours
from inbox.calendars import SUGGESTED
from inbox.errors import Forbidden, NotFound, UserError
from inbox.models import AuditEvent, Setting, WorkCalendar
from tests.inbox.cast import NOW, a_mailbox, a_viewer

TOKYO = ZoneInfo("Asia/Tokyo")


@pytest.fixture
def support(session: Session):
    return a_mailbox(session)


@pytest.fixture
def mei(session: Session, support):
    return a_viewer(session, "Mei", support, role="manager")


def save(session: Session, who, calendar_id: int | None = None, **changed: Any) -> int:
    body = {**SUGGESTED, **changed.pop("body", {})}
    given = {"name": "Team", "is_default": False, "mailbox_ids": (), **changed}
    return calendars.save(session, who, calendar_id, body=body, now=NOW, **given)


def test_the_first_calendar_counts_for_everybody_and_a_mailbox_may_have_its_own(session, support, mei) -> None:
    assert working_hours.calendar_of(session, support.id).zone == "Asia/Tokyo"
    assert len(working_hours.calendar_of(session, support.id).week[6]) == 1, "around the clock until one is set"
    team = save(session, mei)
    assert working_hours.calendar_of(session, support.id) == calendars.one(session, mei, team).calendar
    own = save(session, mei, name="Night", body={"zone": "Europe/Berlin"}, mailbox_ids=[support.id])
    assert working_hours.calendar_of(session, support.id).zone == "Europe/Berlin"
    assert [(one.id, one.is_default, one.mailbox_ids) for one in calendars.show(session, mei)] == [
        (team, True, ()),
        (own, False, (support.id,)),
    ]
    with pytest.raises(UserError):
        calendars.remove(session, mei, team, now=NOW)
    calendars.remove(session, mei, own, now=NOW)
    assert working_hours.calendar_of(session, support.id).zone == "Asia/Tokyo"
    assert session.scalars(select(AuditEvent.kind).order_by(AuditEvent.id)).all() == [
        "calendar_changed",
        "calendar_changed",
        "calendar_removed",
    ]
    assert session.get(Setting, "deadlines_anew") is not None


@pytest.mark.parametrize(
    ("changed", "field", "words"),
    [
        ({"body": {"week": {"mon": ["09:00-13:00", "12:00-18:00"]}}}, "week.mon", "overlap"),
        ({"body": {"week": {"tue": ["18:00-09:00"]}}}, "week.tue", "ends before it starts"),
        ({"body": {"week": {}}}, "week", "No day of the week"),
        ({"body": {"week": {"wed": ["all day"]}}}, "week.wed", "is no period"),
        ({"body": {"zone": "Asia/Edo"}}, "zone", "no time zone"),
        ({"body": {"country": "XX"}}, "country", "not known"),
        ({"body": {"days_off": [{"name": "盆", "from": "2026-08-15", "to": "2026-08-13"}]}}, "days_off.0", "is before"),
        ({"body": {"extra_days": [{"name": "", "date": "2026-09-26", "periods": []}]}}, "extra_days.0", "at least one"),
        ({"name": "  "}, "name", "Write a name"),
        ({"mailbox_ids": [999]}, "mailbox_ids", "does not exist"),
    ],
)
def test_what_cannot_be_is_refused_at_its_field(session, support, mei, changed, field, words) -> None:
    with pytest.raises(UserError, match=words) as refused:
        save(session, mei, **changed)
    assert refused.value.field == field


def test_names_are_told_apart_and_only_managers_come_in(session, support, mei) -> None:
    first = save(session, mei)
    with pytest.raises(UserError, match="already"):
        save(session, mei, name="team")
    save(session, mei, first, name="Team")
    with pytest.raises(NotFound):
        save(session, mei, 999, name="Other")
    with pytest.raises(Forbidden):
        calendars.show(session, a_viewer(session, "Aoi", support))
    assert len(session.scalars(select(WorkCalendar)).all()) == 1


def test_friday_afternoon_to_monday_morning_is_255_minutes_and_every_day_says_why(session, support, mei) -> None:
    calendar = calendars.one(session, mei, save(session, mei, body={"country": ""})).calendar
    friday = datetime(2026, 11, 20, 15, 0, tzinfo=TOKYO)
    found = calendars.explain(calendar, friday, datetime(2026, 11, 23, 10, 15, tzinfo=TOKYO), language="ja")
    assert found.minutes == 255
    assert [(day.day.day, day.why) for day in found.days] == [(20, ""), (21, "weekend"), (22, "weekend"), (23, "")]
    japanese = calendars.one(session, mei, save(session, mei, name="JP")).calendar
    found = calendars.explain(japanese, friday, datetime(2026, 11, 24, 10, 15, tzinfo=TOKYO), language="ja")
    assert found.minutes == 255
    assert (found.days[3].why, found.days[3].name) == ("holiday", "勤労感謝の日")
    for until in (friday, datetime(2027, 11, 1, tzinfo=UTC)):
        with pytest.raises(UserError):
            calendars.explain(calendar, friday, until, language="en")


def test_the_year_ahead_names_every_holiday_and_those_that_are_worked(session, support, mei) -> None:
    body = {"extra_days": [{"name": "棚卸", "date": "2026-11-23", "periods": ["10:00-15:00"]}]}
    calendar = calendars.one(session, mei, save(session, mei, body=body)).calendar
    days = calendars.year_ahead(calendar, today=date(2026, 11, 22), language="ja")
    assert (days[0].day, days[0].name, days[0].worked) == (date(2026, 11, 23), "勤労感謝の日", True)
    assert date(2027, 3, 22) in [one.day for one in days], "振替休日"
    assert len(days) >= 16
