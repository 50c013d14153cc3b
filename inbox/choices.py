"""What can be given to a conversation: tags, a category, an owner; and what its customers are. In one question, because
every list asks it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, Select, literal, null, select, union_all
from sqlalchemy.orm import Session

from inbox import db, profiles
from inbox.models import Category, Tag
from inbox.people import Viewer
from inbox.people.team import COLLEAGUES


@dataclass(frozen=True)
class Choices:
    """All by name. `team` are those who can own a conversation of the mailbox, or of one that the viewer sees."""

    tags: tuple[tuple[int, str, str], ...]  # (id, name, colour)
    categories: tuple[tuple[int, str], ...]
    team: tuple[tuple[int, str], ...]


@dataclass(frozen=True)
class Filters:
    """What a list can be narrowed to besides: the tiers and phases that customers have."""

    tiers: tuple[str, ...]
    phases: tuple[str, ...]


def of(session: Session, who: Viewer, *, mailbox_id: int | None = None) -> Choices:
    """Those for conversations of one mailbox, or of all that `who` sees."""
    return _choices(db.rows(session, _EVERY, {"mailboxes": who.mailbox_ids if mailbox_id is None else (mailbox_id,)}))


def of_list(session: Session, who: Viewer) -> tuple[Choices, Filters]:
    """Those for conversations of all mailboxes that `who` sees."""
    found = db.rows(session, _EVERY_OF_LIST, {"mailboxes": who.mailbox_ids})
    tiers, phases = (tuple(row.name for row in found if row.what == what) for what in ("tier", "phase"))
    return _choices(found), Filters(tiers, phases)


def _choices(found: Sequence[Row[Any]]) -> Choices:
    return Choices(
        tags=tuple((row.id, row.name, row.colour) for row in found if row.what == "tag"),
        categories=tuple((row.id, row.name) for row in found if row.what == "category"),
        team=tuple((row.id, row.name) for row in found if row.what == "person"),
    )


_people = COLLEAGUES.subquery()
_given = (
    select(literal("tag").label("what"), Tag.id, Tag.name, Tag.colour),
    select(literal("category"), Category.id, Category.name, null()),
    select(literal("person"), _people.c.id, _people.c.name, null()),
)
_of_customers = tuple(
    select(literal(what), literal(0), used.c.name, null())
    for what, used in (("tier", profiles.TIERS.subquery()), ("phase", profiles.PHASES.subquery()))
)


def _by_name(*parts: Select[Any]) -> Select[Any]:
    every = union_all(*parts).subquery()
    return select(every).order_by(every.c.name, every.c.id)


_EVERY, _EVERY_OF_LIST = _by_name(*_given), _by_name(*_given, *_of_customers)
