"""Times until which a conversation may be snoozed, as choices and as what a form sent."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from inbox.errors import N_, UserError
from web.language import gettext

MORNING = 9  # o'clock


def choices(now: datetime, zone: ZoneInfo) -> tuple[tuple[str, str, datetime], ...]:
    """(value, label, time) of the offered times, soonest first."""
    local = now.astimezone(zone)
    morning = local.replace(hour=MORNING, minute=0, second=0, microsecond=0)
    monday = morning + timedelta(days=7 - local.weekday())
    offered = [
        ("hours", gettext("In 3 hours"), local.replace(second=0, microsecond=0) + timedelta(hours=3)),
        ("tomorrow", gettext("Tomorrow morning"), morning + timedelta(days=1)),
        ("days", gettext("In 3 days"), morning + timedelta(days=3)),
        ("monday", gettext("Next Monday"), monday),
        ("weeks", gettext("In two weeks"), morning + timedelta(days=14)),
    ]
    return tuple((value, label, at.astimezone(UTC)) for value, label, at in offered)


def read(value: str, *, now: datetime, zone: ZoneInfo) -> datetime:
    """The time that a form sent: one of the choices, or a local date and time. Raises UserError(field="until")."""
    for name, _label, at in choices(now, zone):
        if value == name:
            return at
    try:
        return datetime.fromisoformat(value).replace(tzinfo=zone).astimezone(UTC)
    except (ValueError, OverflowError):
        raise UserError(N_("Choose a time in the future until which to snooze."), field="until") from None
