"""Reads Date fields (RFC 5322 §3.3 and §4.3) and the other forms of dates that mail programs write there."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone

_MONTHS = {
    name: number
    for number, names in enumerate(
        (
            "jan january januar janvier enero ene gennaio gen",
            "feb february februar février fevrier fév fev febrero febbraio",
            "mar march märz maerz mär mrz mars marzo",
            "apr april avril avr abril abr aprile",
            "may mai mayo maggio mag",
            "jun june juni juin junio giugno giu",
            "jul july juli juillet juil julio luglio lug",
            "aug august août aout aoû agosto ago",
            "sep sept september septembre septiembre settembre set",
            "oct october oktober okt octobre octubre ottobre ott",
            "nov november novembre noviembre",
            "dec december dezember dez décembre decembre déc diciembre dic dicembre",
        ),
        start=1,
    )
    for name in names.split()
}
_ZONES = {
    "ut": 0, "gmt": 0, "utc": 0, "z": 0, "wet": 0, "bst": 60, "west": 60, "met": 60, "cet": 60, "mez": 60, "cest": 120,
    "mest": 120, "mesz": 120, "eet": 120, "eest": 180, "msk": 180, "msd": 240, "sast": 120, "jst": 540, "kst": 540,
    "hkt": 480, "sgt": 480, "awst": 480, "acst": 570, "aest": 600, "aedt": 660, "nzst": 720, "nzdt": 780, "est": -300,
    "edt": -240, "cst": -360, "cdt": -300, "mst": -420, "mdt": -360, "pst": -480, "pdt": -420, "akst": -540,
    "hst": -600, "ast": -240, "adt": -180, "nst": -210, "ndt": -150, "brt": -180, "art": -180,
}  # fmt: skip
_CLOCK = r"(\d{1,2})\s*[:.h]\s*(\d{1,2})(?:\s*[:.m]\s*(\d{1,2}))?(?:[.,]\d+)?s?"
_ZONE = r"(?:\s*([AaPp]\.?[Mm]\.?)\b)?(?:\s*(?:GMT|UTC?|UT)?\s*([+-]\s?\d{1,2}:?\d{2}|[A-Za-z]{1,5})\b)?"
_DAY_FIRST = re.compile(rf"(\d{{1,2}})[\s.\-/]+([^\W\d_]{{3,12}})\.?[\s.\-/,]+(\d{{2,4}})[\s,\-T]+{_CLOCK}{_ZONE}")
_MONTH_FIRST = re.compile(rf"\b([^\W\d_]{{3,12}})\.?\s+(\d{{1,2}}),?\s+(\d{{4}})[\s,]+(?:at\s+)?{_CLOCK}{_ZONE}")
_ASCTIME = re.compile(
    rf"\b([^\W\d_]{{3,12}})\s+(\d{{1,2}})\s+{_CLOCK}(?:\s+([A-Z]{{1,5}}|[+-]\d{{4}}))?\s+(\d{{4}})(?:\s*([+-]\d{{4}}))?"
)
_ISO = re.compile(
    rf"(\d{{4}})\s?[-/年.]\s?(\d{{1,2}})\s?[-/月.]\s?(\d{{1,2}})日?(?:\s*\([^)]{{1,4}}\))?[\sT,]*{_CLOCK}{_ZONE}"
)
_DAY_ONLY = re.compile(r"(\d{1,2})[\s\-]+([^\W\d_]{3,12})\.?[\s\-]+(\d{2,4})\b")
_COMMENT = re.compile(r"\([^()]*\)")


def date(text: str) -> datetime | None:
    """An aware datetime from a Date field: RFC 5322 with its obsolete forms, asctime, ISO 8601; None when unreadable.

    An unknown or missing zone counts as UTC. Two-digit years follow RFC 5322 §4.3.
    """
    text = _COMMENT.sub(" ", text[:200])
    if found := _DAY_FIRST.search(text):
        day, month, year, hour, minute, second, half, zone = found.groups()
        return _moment(year, _month(month), day, hour, minute, second, half, zone)
    if found := _ISO.search(text):
        year, month, day, hour, minute, second, half, zone = found.groups()
        return _moment(year, int(month), day, hour, minute, second, half, zone)
    if found := _MONTH_FIRST.search(text):
        month, day, year, hour, minute, second, half, zone = found.groups()
        return _moment(year, _month(month), day, hour, minute, second, half, zone)
    if found := _ASCTIME.search(text):
        month, day, hour, minute, second, zone, year, offset = found.groups()
        return _moment(year, _month(month), day, hour, minute, second, None, offset or zone)
    if found := _DAY_ONLY.search(text):
        day, month, year = found.groups()
        return _moment(year, _month(month), day, "0", "0", "0", None, None)
    return None


def _month(name: str) -> int | None:
    name = name.lower()
    return _MONTHS.get(name) or _MONTHS.get(name[:4]) or _MONTHS.get(name[:3])


def _moment(
    year: str,
    month: int | None,
    day: str,
    hour: str,
    minute: str,
    second: str | None,
    half: str | None,
    zone: str | None,
) -> datetime | None:
    if month is None:
        return None
    number = int(year)
    if len(year) == 2:
        number += 2000 if number < 50 else 1900
    elif len(year) == 3:
        number += 1900
    hours = int(hour)
    if half:
        hours = hours % 12 + (12 if half[0] in "pP" else 0)
    try:
        offset = timezone(timedelta(minutes=_zone_minutes(zone)))
        return datetime(number, month, int(day), hours, int(minute), min(int(second or 0), 59), tzinfo=offset)
    except (ValueError, OverflowError):
        return None


def _zone_minutes(zone: str | None) -> int:
    if not zone:
        return 0
    if zone[0] in "+-":
        digits = zone[1:].strip().replace(":", "").zfill(4)
        minutes = int(digits[:2]) * 60 + int(digits[2:])
        return 0 if minutes >= 24 * 60 else (-minutes if zone[0] == "-" else minutes)
    return _ZONES.get(zone.lower(), 0)
