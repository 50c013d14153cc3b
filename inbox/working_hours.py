"""Which calendar counts for a mailbox: its own, else the team's, else around the clock."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from inbox.models import Mailbox, MailboxCalendar, WorkCalendar
from routing.calendars import Calendar, always, from_json

ZONES = {"ja": "Asia/Tokyo"}  # of a mailbox's language, while no calendar is set


def calendar_of(session: Session, mailbox_id: int) -> Calendar:
    """The calendar of the mailbox. While none is set: around the clock, in the zone of the mailbox's language."""
    given = select(MailboxCalendar.calendar_id).where(MailboxCalendar.mailbox_id == mailbox_id).scalar_subquery()
    default = select(WorkCalendar.id).where(WorkCalendar.is_default).limit(1).scalar_subquery()
    body = session.scalar(select(WorkCalendar.body).where(WorkCalendar.id == func.coalesce(given, default)))
    if body is not None:
        return read(body)
    locale = session.scalar(select(Mailbox.locale).where(Mailbox.id == mailbox_id))
    return always(ZONES.get(locale or "", "UTC"))


def of_the_team(session: Session) -> Calendar:
    """The calendar of every mailbox that has none of its own. While none is set: around the clock, in UTC."""
    body = session.scalar(select(WorkCalendar.body).where(WorkCalendar.is_default).limit(1))
    return read(body) if body is not None else always()


def read(body: Mapping[str, Any]) -> Calendar:
    """The calendar of `routing.calendars`' JSON as it is stored."""
    return _known(json.dumps(body, sort_keys=True))


@lru_cache(maxsize=1024)
def _known(body: str) -> Calendar:
    """One object for equal calendars: their days are worked out once."""
    return from_json(json.loads(body))
