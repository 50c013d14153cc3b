"""Working hours of the team: calendars that managers keep, which mailbox follows which, and why so much was counted."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from inbox import kept_deadlines, people
from inbox.db import one_after_the_other
from inbox.errors import N_, NotFound, UserError, a_name, at_the_field
from inbox.models import Mailbox, MailboxCalendar, WorkCalendar
from inbox.people import Viewer
from routing import hours, public_holidays
from routing.calendars import Calendar, from_json, to_json
from routing.hours import DayCounted

ADVISORY = 7_306  # names our lock on PostgreSQL: two calendars must not become the default one at one moment
YEAR = timedelta(days=366)
LONGEST_SPAN = timedelta(days=92)  # that is explained day by day
SUGGESTED: dict[str, Any] = {
    "zone": "Asia/Tokyo",
    "week": {day: ["09:00-12:00", "13:00-18:00"] for day in ("mon", "tue", "wed", "thu", "fri")},
    "country": "JP",
}


@dataclass(frozen=True)
class CalendarView:
    """A calendar with the mailboxes that follow it by name; the default one counts for all others too."""

    id: int
    name: str
    is_default: bool
    calendar: Calendar
    mailbox_ids: tuple[int, ...]


@dataclass(frozen=True)
class FreeDay:
    """A public holiday of the year ahead. `worked`: an extra working day makes it one all the same."""

    day: date
    name: str
    worked: bool


@dataclass(frozen=True)
class Explained:
    """How much was worked from `start` until `end`, and every day with its periods or why nothing was counted."""

    start: datetime
    end: datetime
    minutes: int
    days: tuple[DayCounted, ...]


def show(session: Session, who: Viewer) -> tuple[CalendarView, ...]:
    """All calendars, the default one first. For managers."""
    people.must_be(who, "manager")
    given: dict[int, list[int]] = {}
    for calendar_id, mailbox_id in session.execute(
        select(MailboxCalendar.calendar_id, MailboxCalendar.mailbox_id).order_by(MailboxCalendar.mailbox_id)
    ):
        given.setdefault(calendar_id, []).append(mailbox_id)
    rows = session.scalars(select(WorkCalendar).order_by(WorkCalendar.is_default.desc(), WorkCalendar.name))
    return tuple(_view(row, given.get(row.id, ())) for row in rows)


def one(session: Session, who: Viewer, calendar_id: int) -> CalendarView:
    """Raises NotFound."""
    found = next((view for view in show(session, who) if view.id == calendar_id), None)
    if found is None:
        raise NotFound
    return found


def save(
    session: Session,
    who: Viewer,
    calendar_id: int | None,
    *,
    name: str,
    body: Mapping[str, Any],
    is_default: bool,
    mailbox_ids: Collection[int],
    now: datetime,
) -> int:
    """Makes (None) or changes a calendar; its id. The first one is the default. Raises UserError with the field.

    `body` is `routing.calendars`' JSON. All running deadlines are worked out anew.
    """
    people.must_be(who, "manager")
    calendar = _read(body)
    one_after_the_other(session, ADVISORY)
    row = session.get(WorkCalendar, calendar_id) if calendar_id is not None else WorkCalendar()
    if row is None:
        raise NotFound
    row.name = _name(session, name, but=calendar_id)
    row.body = to_json(calendar)
    if is_default or not _has_default(session):
        session.execute(update(WorkCalendar).values(is_default=False))
        row.is_default = True
    session.add(row)
    session.flush()
    _follow(session, who, row.id, mailbox_ids)
    kept_deadlines.all_anew(session)
    people.audit(session, who, "calendar_changed", now=now, calendar=row.name)
    return row.id


def remove(session: Session, who: Viewer, calendar_id: int, *, now: datetime) -> None:
    """Its mailboxes follow the default one again, which can only go last."""
    one_after_the_other(session, ADVISORY)
    found = one(session, who, calendar_id)
    if found.is_default and len(show(session, who)) > 1:
        raise UserError(N_("This is the team's calendar. Make another one that first."))
    session.execute(delete(MailboxCalendar).where(MailboxCalendar.calendar_id == calendar_id))
    session.execute(delete(WorkCalendar).where(WorkCalendar.id == calendar_id))
    kept_deadlines.all_anew(session)
    people.audit(session, who, "calendar_removed", now=now, calendar=found.name)


def year_ahead(calendar: Calendar, *, today: date, language: str) -> tuple[FreeDay, ...]:
    """The public holidays of the calendar's country from today on, for a year."""
    if not calendar.country:
        return ()
    extra = {one.day for one in calendar.extra_days}
    found: dict[date, str] = {}
    for year in (today.year, today.year + 1):
        found |= public_holidays.names_in(calendar.country, calendar.subdivision, year, language)
    days = sorted((day, name) for day, name in found.items() if today <= day < today + YEAR)
    return tuple(FreeDay(day, name, day in extra) for day, name in days)


def explain(calendar: Calendar, start: datetime, end: datetime, *, language: str) -> Explained:
    """Raises UserError when the span is none, or too long to be told day by day."""
    if end <= start:
        raise UserError(N_("The end is not after the start."), field="until")
    if end - start > LONGEST_SPAN:
        raise UserError(N_("At most three months can be explained at once."), field="until")
    days = hours.explain(calendar, start, end, language=language)
    return Explained(start, end, hours.working_minutes(calendar, start, end), days)


def _view(row: WorkCalendar, mailbox_ids: Collection[int]) -> CalendarView:
    return CalendarView(row.id, row.name, row.is_default, from_json(row.body), tuple(mailbox_ids))


def _read(body: Mapping[str, Any]) -> Calendar:
    with at_the_field():
        return from_json(body)


def _name(session: Session, name: str, *, but: int | None) -> str:
    clean = a_name(name, most=100)
    taken = session.scalar(select(WorkCalendar.id).where(func.lower(WorkCalendar.name) == clean.lower()))
    if taken is not None and taken != but:
        raise UserError(N_("There is a calendar of this name already."), field="name")
    return clean


def _has_default(session: Session) -> bool:
    return session.scalar(select(WorkCalendar.id).where(WorkCalendar.is_default).limit(1)) is not None


def _follow(session: Session, who: Viewer, calendar_id: int, mailbox_ids: Collection[int]) -> None:
    """Exactly these mailboxes follow the calendar by name, of those that `who` may see; others stay as they are."""
    existing = set(session.scalars(select(Mailbox.id).where(Mailbox.id.in_(who.mailbox_ids))))
    if set(mailbox_ids) - existing:
        raise UserError(N_("One of the mailboxes does not exist."), field="mailbox_ids")
    followed = MailboxCalendar.mailbox_id.in_(mailbox_ids) | (MailboxCalendar.calendar_id == calendar_id)
    session.execute(delete(MailboxCalendar).where(followed, MailboxCalendar.mailbox_id.in_(existing)))
    session.add_all(MailboxCalendar(mailbox_id=one, calendar_id=calendar_id) for one in sorted(set(mailbox_ids)))
    session.flush()
