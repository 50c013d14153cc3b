"""Reads a rule's JSON piece by piece and notes each mistake at its place instead of stopping at the first."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from datetime import time

from routing.facts import Known
from routing.refusals import N_, Refused

NUMBER_MOST = 2_000_000_000  # of bytes, minutes and counts

GONE = {
    "people": N_("The person with number %(id)s no longer exists."),
    "teams": N_("The team with number %(id)s no longer exists."),
    "tags": N_("The tag with number %(id)s no longer exists."),
    "mailboxes": N_("The mailbox with number %(id)s no longer exists."),
    "templates": N_("The text with number %(id)s no longer exists."),
    "deadline_policies": N_("The deadline policy with number %(id)s no longer exists."),
    "webhooks": N_("The webhook with number %(id)s no longer exists."),
}
_TIME = re.compile(r"([01]\d|2[0-3]):([0-5]\d)", re.ASCII)


class Reading:
    """The mistakes found so far. `known` is None when ids need not exist (a rule as it once was)."""

    def __init__(self, known: Known | None) -> None:
        self.known = known
        self.refused: list[Refused] = []

    def refuse(self, field: str, message: str, **params: object) -> None:
        self.refused.append(Refused(field, message, **params))

    def keys(self, data: dict[str, object], field: str, *, allowed: Collection[str]) -> None:
        for key in data:
            if key not in allowed:
                self.refuse(f"{field}.{key}", N_("This is not known here."))

    def one_of(self, value: object, field: str, *, choices: Sequence[str]) -> str:
        if isinstance(value, str) and value in choices:
            return value
        self.refuse(field, N_("Choose one of: %(choices)s"), choices=", ".join(choices))
        return ""

    def text(self, value: object, field: str, *, most: int) -> str:
        if not isinstance(value, str) or not value.strip():
            self.refuse(field, N_("Some text is missing here."))
            return ""
        if len(value) > most:
            self.refuse(field, N_("At most %(most)d characters."), most=most)
        return value

    def number(self, value: object, field: str, *, least: int, most: int = NUMBER_MOST) -> int:
        if isinstance(value, int) and not isinstance(value, bool) and least <= value <= most:
            return value
        self.refuse(field, N_("A whole number from %(least)d to %(most)d is needed."), least=least, most=most)
        return least

    def flag(self, value: object, field: str) -> bool:
        if not isinstance(value, bool):
            self.refuse(field, N_("Yes or no is needed here."))
        return bool(value)

    def id(self, value: object, field: str, *, known: str = "") -> int:
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            self.refuse(field, N_("Choose one."))
            return 0
        if known and self.known is not None and value not in getattr(self.known, known):
            self.refuse(field, GONE[known], id=value)
        return value

    def time(self, value: object, field: str) -> time:
        match = _TIME.fullmatch(value) if isinstance(value, str) else None
        if match is None:
            self.refuse(field, N_("A time like 09:30 is needed."))
            return time()
        return time(int(match[1]), int(match[2]))

    def list(self, value: object, field: str, *, least: int = 0, most: int = 50) -> list[object]:
        if isinstance(value, list) and least <= len(value) <= most:
            return value
        if value == [] and least == 1:
            self.refuse(field, N_("At least one is needed here."))
            return []
        self.refuse(field, N_("From %(least)d to %(most)d entries are needed."), least=least, most=most)
        return []

    def dict(self, value: object, field: str) -> dict[str, object]:
        if isinstance(value, dict) and all(isinstance(key, str) for key in value):
            return value
        self.refuse(field, N_("A set of named values is needed here."))
        return {}
