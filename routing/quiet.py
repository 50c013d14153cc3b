"""Quiet hours: when a person's clock says that nothing may disturb, and until when."""

from __future__ import annotations

import re
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

_TIME = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)")


def read(typed: str) -> str:
    """ "7:00" or "０７：００" as "07:00". Raises ValueError when it is no time of a day."""
    found = _TIME.fullmatch(typed.strip().translate(str.maketrans("０１２３４５６７８９：", "0123456789:")))
    if found is None:
        raise ValueError(typed)
    return f"{int(found[1]):02}:{found[2]}"


def ends(now: datetime, zone: ZoneInfo, quiet_from: str, quiet_until: str) -> datetime | None:
    """When the quiet hours end in which `now` lies (UTC); None outside of them, and where there are none.

    The hours are of the wall clock, so that they follow daylight saving; they may pass midnight.
    """
    if not quiet_from or not quiet_until or quiet_from == quiet_until:
        return None
    local = now.astimezone(zone)
    clock = f"{local:%H:%M}"
    over_midnight = quiet_from > quiet_until
    inside = clock >= quiet_from or clock < quiet_until if over_midnight else quiet_from <= clock < quiet_until
    if not inside:
        return None
    day = local.date() + timedelta(days=1 if over_midnight and clock >= quiet_from else 0)
    return datetime.combine(day, time.fromisoformat(quiet_until), zone).astimezone(UTC)
