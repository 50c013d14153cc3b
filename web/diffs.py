"""Two versions of a text side by side: line by line, and inside a changed line the words that differ. And what is gone
from a list, and new in it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import TypeVar

LONGEST_LINE = 2_000  # characters; a longer line is shown as changed as a whole
_WORDS = re.compile(r"[A-Za-z0-9]+|\s+|.", re.DOTALL)

Piece = tuple[bool, str]  # (differs, text)
Thing = TypeVar("Thing", bound=Hashable)


@dataclass(frozen=True)
class Row:
    """A line before and after. `kind`: same, changed, gone (nothing after) or new (nothing before)."""

    kind: str
    before: tuple[Piece, ...]
    after: tuple[Piece, ...]


def side_by_side(before: str, after: str) -> tuple[Row, ...]:
    """Joined again, the pieces of a side are that side's text."""
    old, new = before.split("\n"), after.split("\n")
    return tuple(_rows(old, new))


def gone_and_new(before: Sequence[Thing], after: Sequence[Thing]) -> tuple[tuple[Thing, ...], tuple[Thing, ...]]:
    """(gone, new), each in its own order; what stands there twice counts twice."""
    return _without(before, after), _without(after, before)


def _without(things: Sequence[Thing], others: Sequence[Thing]) -> tuple[Thing, ...]:
    left = Counter(others)
    found = []
    for one in things:
        if left[one]:
            left[one] -= 1
        else:
            found.append(one)
    return tuple(found)


def _rows(old: list[str], new: list[str]) -> Iterator[Row]:
    for what, i1, i2, j1, j2 in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if what == "equal":
            yield from (Row("same", ((False, line),), ((False, line),)) for line in old[i1:i2])
            continue
        both = min(i2 - i1, j2 - j1)
        yield from (_changed(old[i1 + n], new[j1 + n]) for n in range(both))
        yield from (Row("gone", ((True, line),), ()) for line in old[i1 + both : i2])
        yield from (Row("new", (), ((True, line),)) for line in new[j1 + both : j2])


def _changed(old: str, new: str) -> Row:
    if len(old) + len(new) > LONGEST_LINE:
        return Row("changed", ((True, old),), ((True, new),))
    one, two = _WORDS.findall(old), _WORDS.findall(new)
    before: list[Piece] = []
    after: list[Piece] = []
    for what, i1, i2, j1, j2 in SequenceMatcher(None, one, two, autojunk=False).get_opcodes():
        if i2 > i1:
            before.append((what != "equal", "".join(one[i1:i2])))
        if j2 > j1:
            after.append((what != "equal", "".join(two[j1:j2])))
    return Row("changed", tuple(before), tuple(after))
