"""Finds whom a note speaks to: "@name" with the whole name, a part of it that fits one person alone, or the address's
first part. Widths, case and spaces inside a name do not count."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

AT = re.compile(r"(?<![A-Za-z0-9._+\-@＠])[@＠]")  # not inside an address
LONGEST = 120  # characters after the @ that are looked at


@dataclass(frozen=True)
class Somebody:
    """A person who can be mentioned. `handle` is the part of their address before the @."""

    id: int
    name: str
    handle: str


@dataclass(frozen=True)
class Mention:
    """`text[start:end]`, the @ included, speaks to these people; more than one: it is not clear to whom."""

    start: int
    end: int
    ids: tuple[int, ...]


def find(text: str, people: Sequence[Somebody]) -> tuple[Mention, ...]:
    """In the order of the text; the longest name that fits counts. What fits nobody is no mention."""
    names = _names(people)
    found, after = [], 0
    for at in AT.finditer(text):
        if at.start() < after:
            continue
        best = _longest(text[at.end() : at.end() + LONGEST], names)
        if best is not None:
            length, ids = best
            after = at.end() + length
            found.append(Mention(at.start(), after, ids))
    return tuple(found)


def _names(people: Sequence[Somebody]) -> dict[str, tuple[int, ...]]:
    """Every way to name somebody, folded and without spaces, with those whom it fits."""
    found: dict[str, dict[int, None]] = {}
    for one in people:
        parts = one.name.split()
        for name in {_folded("".join(parts)), *map(_folded, parts), _folded(one.handle)} - {""}:
            found.setdefault(name, {})[one.id] = None
    whole = {_folded("".join(one.name.split())): one.id for one in people}
    # a name in full speaks to its bearer, even where it is a part of another's
    return {name: (whole[name],) if _only(name, whole, people) else tuple(ids) for name, ids in found.items()}


def _only(name: str, whole: dict[str, int], people: Sequence[Somebody]) -> bool:
    return name in whole and sum(_folded("".join(one.name.split())) == name for one in people) == 1


def _longest(after: str, names: dict[str, tuple[int, ...]]) -> tuple[int, tuple[int, ...]] | None:
    """How many characters behind the @ belong to a name, and whose."""
    best, said = None, ""
    most = max(map(len, names), default=0)
    for position, character in enumerate(after):
        if character.isspace():
            if not said or character == "\n":
                break
            continue
        said += _folded(character)
        if len(said) > most:
            break
        if said in names and _ends(said, after[position + 1 : position + 2]):
            best = (position + 1, names[said])
    return best


def _ends(said: str, following: str) -> bool:
    """Whether a name may end here: "@ben" does not speak to Ben in "@benefit"."""
    return not (following and said[-1].isascii() and following.isascii() and (following.isalnum() or following == "_"))


def _folded(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold()
