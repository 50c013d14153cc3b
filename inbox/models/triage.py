"""What sorts conversations: links between them, blocked senders, categories, custom fields, saved views, bulk
changes."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import JSON, CheckConstraint, ForeignKey, Index, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from inbox.models.base import Base, Id

if TYPE_CHECKING:  # SQLAlchemy knows them by their names
    from inbox.models.people import User

FIELD_KINDS = ("text", "number", "date", "choice")
BULK_STATES = ("running", "done", "undoing", "undone")


class ConversationLink(Base):
    """Two conversations that have to do with each other; one row for both directions, the smaller id first."""

    __tablename__ = "conversation_link"

    one_id: Mapped[int] = mapped_column(ForeignKey("conversation.id", ondelete="CASCADE"), primary_key=True)
    other_id: Mapped[int] = mapped_column(
        ForeignKey("conversation.id", ondelete="CASCADE"), primary_key=True, index=True
    )
    by_id: Mapped[int] = mapped_column(ForeignKey("user.id"))
    at: Mapped[datetime]


class Block(Base):
    """A sender whose mail is filed as spam: an address, or a domain with all below it."""

    __tablename__ = "block"

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    pattern: Mapped[str] = mapped_column(String(320), unique=True)  # lower case; "@" only in an address
    reason: Mapped[str] = mapped_column(String(200), default="")
    by_id: Mapped[int] = mapped_column(ForeignKey("user.id"))
    at: Mapped[datetime]
    by: Mapped[User] = relationship()


class Category(Base):
    """What a conversation is about, for statistics; a conversation has one at most."""

    __tablename__ = "category"

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    name: Mapped[str] = mapped_column(String(50), unique=True)


class CustomField(Base):
    """A fact that a mailbox's team writes down about its conversations."""

    __tablename__ = "custom_field"
    __table_args__ = (
        UniqueConstraint("mailbox_id", "name"),
        CheckConstraint(f"kind IN {FIELD_KINDS}", name="kind"),
    )

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    mailbox_id: Mapped[int] = mapped_column(ForeignKey("mailbox.id", ondelete="CASCADE"))
    name: Mapped[str] = mapped_column(String(50))
    kind: Mapped[str] = mapped_column(String(6))
    choices: Mapped[list[Any]] = mapped_column(default=list)  # of a choice


class FieldValue(Base):
    """As written: a number in digits, a date as 2026-11-20, a choice by its words."""

    __tablename__ = "field_value"
    __table_args__ = (Index("ix_field_value_value", "field_id", "value"),)

    conversation_id: Mapped[int] = mapped_column(ForeignKey("conversation.id", ondelete="CASCADE"), primary_key=True)
    field_id: Mapped[int] = mapped_column(ForeignKey("custom_field.id", ondelete="CASCADE"), primary_key=True)
    value: Mapped[str] = mapped_column(String(500))


class SavedView(Base):
    """A list that somebody keeps: a box, filters and an order, for one person or for everybody."""

    __tablename__ = "saved_view"

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    owner_id: Mapped[int] = mapped_column(ForeignKey("user.id"), index=True)
    shared: Mapped[bool] = mapped_column(default=False, index=True)
    name: Mapped[str] = mapped_column(String(60))
    wanted: Mapped[dict[str, Any]] = mapped_column(default=dict)  # lists.Filter as JSON, with box and order
    at: Mapped[datetime]
    owner: Mapped[User] = relationship()


class Bulk(Base):
    """One thing done to many conversations, in steps; a crash leaves it where it was, and it goes on."""

    __tablename__ = "bulk"
    __table_args__ = (CheckConstraint(f"state IN {BULK_STATES}", name="state"), Index(None, "state", "id"))

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("user.id"), index=True)
    action: Mapped[str] = mapped_column(String(20))  # bulk.ACTIONS
    given: Mapped[dict[str, Any]] = mapped_column(default=dict)  # the arguments of the action
    state: Mapped[str] = mapped_column(String(8), default="running")
    total: Mapped[int]
    done: Mapped[int] = mapped_column(default=0)  # in this direction
    skipped: Mapped[int] = mapped_column(default=0)  # gone, no longer to be seen, or changed by others since
    trouble: Mapped[str] = mapped_column(Text, default="")  # why the first skipped one was
    at: Mapped[datetime]
    user: Mapped[User] = relationship()


class BulkItem(Base):
    """A conversation of a bulk change. `before` and `after` are what the action changes, to take it back."""

    __tablename__ = "bulk_item"

    bulk_id: Mapped[int] = mapped_column(ForeignKey("bulk.id", ondelete="CASCADE"), primary_key=True)
    conversation_id: Mapped[int] = mapped_column(
        ForeignKey("conversation.id", ondelete="CASCADE"), primary_key=True, index=True
    )
    state: Mapped[str] = mapped_column(String(8), default="waiting")  # waiting, done, skipped, undone
    before: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    after: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
