"""Reads stored or typed JSON of settings: the value in its type, or Refused with the field where it stands."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from routing.refusals import N_, Refused

LONGEST_TEXT = 500  # characters
MOST_ITEMS = 500


def mapping(stored: object, field: str) -> Mapping[str, Any]:
    if not isinstance(stored, Mapping):
        raise Refused(field, N_("A set of named values is needed here."))
    return stored


def only(stored: Mapping[str, Any], under: str, *, known: Collection[str]) -> None:
    """Raises Refused for the first name that is not `known`; `under` is the field it stands under, "" for the top."""
    for name in stored:
        if name not in known:
            raise Refused(f"{under}.{name}" if under else str(name), N_("This is not known here."))


def items(stored: object, field: str) -> list[Any]:
    if not isinstance(stored, list):
        raise Refused(field, N_("A list is needed here."))
    if len(stored) > MOST_ITEMS:
        raise Refused(field, N_("More than %(most)s entries are not possible."), most=MOST_ITEMS)
    return stored


def text(stored: object, field: str) -> str:
    if not isinstance(stored, str):
        raise Refused(field, N_("A text is needed here."))
    if len(stored) > LONGEST_TEXT:
        raise Refused(field, N_("More than %(most)s characters are not possible."), most=LONGEST_TEXT)
    return stored


def texts(stored: object, field: str) -> tuple[str, ...]:
    return tuple(text(one, field) for one in items(stored, field))


def number(stored: object, field: str) -> int:
    if not isinstance(stored, int) or isinstance(stored, bool):
        raise Refused(field, N_("A whole number is needed here."))
    return stored


def numbers(stored: object, field: str) -> tuple[int, ...]:
    return tuple(number(one, field) for one in items(stored, field))


def number_or_none(stored: object, field: str) -> int | None:
    return None if stored is None else number(stored, field)


def flag(stored: object, field: str) -> bool:
    if not isinstance(stored, bool):
        raise Refused(field, N_("Yes or no is needed here."))
    return stored
