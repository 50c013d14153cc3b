"""The team's tags and categories: named, coloured, grouped, merged, deleted, and how many conversations carry each."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from inbox import conversations, people
from inbox.errors import N_, NotFound, UserError, a_name
from inbox.models import Category, Conversation, ConversationTag, Tag
from inbox.people import Viewer

LONGEST = 50  # characters of a name or a group
_COLOUR = re.compile(r"#[0-9a-f]{6}")


@dataclass(frozen=True)
class TagRow:
    id: int
    name: str
    colour: str
    group: str
    count: int  # conversations that carry it


@dataclass(frozen=True)
class CategoryRow:
    id: int
    name: str
    count: int


def page(session: Session) -> tuple[TagRow, ...]:
    """All tags by group and name; those without a group last."""
    carried = select(func.count()).where(ConversationTag.tag_id == Tag.id).scalar_subquery()
    rows = session.execute(select(Tag.id, Tag.name, Tag.colour, Tag.group, carried).order_by(Tag.name))
    return tuple(sorted((TagRow(*row) for row in rows), key=lambda one: (one.group == "", one.group)))


def change(session: Session, who: Viewer, tag_id: int, *, name: str, colour: str, group: str, now: datetime) -> None:
    """Raises UserError when another tag has the name: `merge` is meant for that."""
    found = _tag(session, tag_id)
    clean = _name(name)
    if session.scalar(select(Tag.id).where(Tag.name == clean, Tag.id != tag_id)) is not None:
        raise UserError(N_("Another tag has this name. Merge the two instead."), field="name")
    if not _COLOUR.fullmatch(colour.lower()):
        raise UserError(N_("Choose a colour."), field="colour")
    found.name, found.colour, found.group = clean, colour.lower(), " ".join(group.split())[:LONGEST]
    people.audit(session, who, "tag_changed", now=now, tag=clean)
    session.flush()


def merge(session: Session, who: Viewer, tag_id: int, into_id: int, *, now: datetime) -> int:
    """What carries the one carries the other from now on; the one is gone. How many conversations that changed."""
    found, into = _tag(session, tag_id), _tag(session, into_id)
    if found.id == into.id:
        raise UserError(N_("Choose another tag to merge it into."), field="into")
    has = select(ConversationTag.conversation_id).where(ConversationTag.tag_id == into.id)
    moved = session.execute(
        update(ConversationTag)
        .where(ConversationTag.tag_id == found.id, ConversationTag.conversation_id.not_in(has))
        .values(tag_id=into.id)
    )
    people.audit(session, who, "tag_merged", now=now, tag=found.name, into=into.name)
    session.delete(found)
    session.flush()
    session.expire_all()
    return moved.rowcount


def remove(session: Session, who: Viewer, tag_id: int, *, now: datetime) -> tuple[str, int]:
    """Takes the tag off everything and deletes it: its name, and how many conversations carried it."""
    found = _tag(session, tag_id)
    name = found.name
    gone = session.execute(delete(ConversationTag).where(ConversationTag.tag_id == tag_id))
    people.audit(session, who, "tag_removed", now=now, tag=name, conversations=gone.rowcount)
    session.delete(found)
    session.flush()
    return name, gone.rowcount


def category_page(session: Session) -> tuple[CategoryRow, ...]:
    carried = select(func.count()).where(Conversation.category_id == Category.id).scalar_subquery()
    rows = session.execute(select(Category.id, Category.name, carried).order_by(Category.name))
    return tuple(CategoryRow(*row) for row in rows)


def add_category(session: Session, who: Viewer, name: str, *, now: datetime) -> int:
    clean = _name(name)
    made = conversations.upsert(session, Category, {"name": clean}, key=["name"], update=None)
    if not made:
        raise UserError(N_("There is a category of this name already."), field="name")
    people.audit(session, who, "category_added", now=now, category=clean)
    return session.scalars(select(Category.id).where(Category.name == clean)).one()


def rename_category(session: Session, who: Viewer, category_id: int, name: str, *, now: datetime) -> None:
    found, clean = session.get(Category, category_id), _name(name)
    if found is None:
        raise NotFound
    if session.scalar(select(Category.id).where(Category.name == clean, Category.id != category_id)) is not None:
        raise UserError(N_("There is a category of this name already."), field="name")
    found.name = clean
    people.audit(session, who, "category_changed", now=now, category=clean)
    session.flush()


def remove_category(session: Session, who: Viewer, category_id: int, *, now: datetime) -> None:
    """Conversations of it have none from then on."""
    found = session.get(Category, category_id)
    if found is None:
        raise NotFound
    session.execute(update(Conversation).where(Conversation.category_id == category_id).values(category_id=None))
    people.audit(session, who, "category_removed", now=now, category=found.name)
    session.delete(found)
    session.flush()


def _tag(session: Session, tag_id: int) -> Tag:
    found = session.get(Tag, tag_id)
    if found is None:
        raise NotFound
    return found


def _name(name: str) -> str:
    return a_name(name, most=LONGEST, missing=N_("Give it a name."))
