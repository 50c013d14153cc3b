"""Finds whom a note speaks to: "@name" with a person's whole name, a part of it that fits one person alone, or the
address's first part; or a team's whole name. Widths, case and spaces inside a name do not count."""

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
class Group:
    """A team that can be mentioned."""

    id: int
    name: str


@dataclass(frozen=True)
class Mention:
    """`text[start:end]`, the @ included, speaks to these people and teams; more than one: it is not clear to whom."""

    start: int
    end: int
    ids: tuple[int, ...]
    teams: tuple[int, ...] = ()


Fits = tuple[tuple[int, ...], tuple[int, ...]]  # ids of people, ids of teams


def find(text: str, people: Sequence[Somebody], teams: Sequence[Group] = ()) -> tuple[Mention, ...]:
    """In the order of the text; the longest name that fits counts. What fits nobody is no mention."""
    names = _names(people, teams)
    found, after = [], 0
    for at in AT.finditer(text):
        if at.start() < after:
            continue
        best = _longest(text[at.end() : at.end() + LONGEST], names)
        if best is not None:
            length, (ids, groups) = best
            after = at.end() + length
            found.append(Mention(at.start(), after, ids, groups))
    return tuple(found)


def _names(people: Sequence[Somebody], teams: Sequence[Group]) -> dict[str, Fits]:
    """Every way to name somebody, folded and without spaces, with those whom it fits."""
    whole: dict[str, Fits] = {}
    found: dict[str, Fits] = {}
    for one in people:
        _add(whole, _in_full(one.name), one.id, team=False)
        for name in {_in_full(one.name), *map(_folded, one.name.split()), _folded(one.handle)}:
            _add(found, name, one.id, team=False)
    for group in teams:
        _add(whole, _in_full(group.name), group.id, team=True)
        _add(found, _in_full(group.name), group.id, team=True)
    # a name in full speaks to its bearer, even where it is a part of another's
    return {name: fits for name, fits in (found | whole).items() if name}


def _add(names: dict[str, Fits], name: str, id: int, *, team: bool) -> None:
    people, teams = names.get(name, ((), ()))
    names[name] = (people, (*teams, id)) if team else ((*people, id), teams)


def _in_full(name: str) -> str:
    return _folded("".join(name.split()))


def _longest(after: str, names: dict[str, Fits]) -> tuple[int, Fits] | None:
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
