"""What can be given to a conversation: tags, a category, an owner; in one question, because every list asks it."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import literal, null, select, union_all
from sqlalchemy.orm import Session

from inbox import db
from inbox.models import Category, Tag
from inbox.people import Viewer
from inbox.people.team import COLLEAGUES


@dataclass(frozen=True)
class Choices:
    """All by name. `team` are those who can own a conversation of the mailbox, or of one that the viewer sees."""

    tags: tuple[tuple[int, str, str], ...]  # (id, name, colour)
    categories: tuple[tuple[int, str], ...]
    team: tuple[tuple[int, str], ...]


def of(session: Session, who: Viewer, *, mailbox_id: int | None = None) -> Choices:
    """Those for conversations of one mailbox, or of all that `who` sees."""
    found = db.rows(session, _EVERY, {"mailboxes": who.mailbox_ids if mailbox_id is None else (mailbox_id,)})
    return Choices(
        tags=tuple((row.id, row.name, row.colour) for row in found if row.what == "tag"),
        categories=tuple((row.id, row.name) for row in found if row.what == "category"),
        team=tuple((row.id, row.name) for row in found if row.what == "person"),
    )


_people = COLLEAGUES.subquery()
_every = union_all(
    select(literal("tag").label("what"), Tag.id, Tag.name, Tag.colour),
    select(literal("category"), Category.id, Category.name, null()),
    select(literal("person"), _people.c.id, _people.c.name, null()),
).subquery()
_EVERY = select(_every).order_by(_every.c.name, _every.c.id)
