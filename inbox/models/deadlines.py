"""Until when we must answer: working hours, policies, pauses, steps that were told, digests, hand-over notes."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from inbox.models.base import Base, Id


class WorkCalendar(Base):
    """When a team works. `body` is `routing.calendars`' JSON; the default one counts where a mailbox has none."""

    __tablename__ = "work_calendar"

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    name: Mapped[str] = mapped_column(String(100), unique=True)
    is_default: Mapped[bool] = mapped_column(default=False)
    body: Mapped[dict[str, Any]] = mapped_column(default=dict)


class MailboxCalendar(Base):
    """The calendar of a mailbox that does not follow the default one."""

    __tablename__ = "mailbox_calendar"

    mailbox_id: Mapped[int] = mapped_column(ForeignKey("mailbox.id", ondelete="CASCADE"), primary_key=True)
    calendar_id: Mapped[int] = mapped_column(ForeignKey("work_calendar.id", ondelete="CASCADE"), index=True)


class DeadlinePolicy(Base):
    """Targets for some conversations. `body` is `routing.deadlines`' JSON; the first that holds counts."""

    __tablename__ = "deadline_policy"

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    position: Mapped[int]
    enabled: Mapped[bool] = mapped_column(default=True)
    body: Mapped[dict[str, Any]] = mapped_column(default=dict)


class Pause(Base):
    """Nobody of us had to act from `started_at` until `ended_at` (None: still): its conversation's clocks stood."""

    __tablename__ = "pause"

    conversation_id: Mapped[int] = mapped_column(ForeignKey("conversation.id", ondelete="CASCADE"), primary_key=True)
    started_at: Mapped[datetime] = mapped_column(primary_key=True)
    ended_at: Mapped[datetime | None]
    why: Mapped[str] = mapped_column(String(10))  # the status: waiting, closed, spam


class EscalationStep(Base):
    """A step of a deadline that was reached; `told` are the people who were told. Each step stands here once."""

    __tablename__ = "escalation_step"
    __table_args__ = (UniqueConstraint("conversation_id", "kind", "started_at", "percent"),)

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    conversation_id: Mapped[int] = mapped_column(ForeignKey("conversation.id", ondelete="CASCADE"))
    kind: Mapped[str] = mapped_column(String(12))  # routing.deadlines.KINDS
    started_at: Mapped[datetime]  # of its clock
    percent: Mapped[int]
    at: Mapped[datetime] = mapped_column(index=True)
    told: Mapped[list[Any]] = mapped_column(default=list)


class Digest(Base):
    """The morning digest of a person: its hour in their time zone (None: none) and the day of the last one."""

    __tablename__ = "digest"

    user_id: Mapped[int] = mapped_column(ForeignKey("user.id"), primary_key=True)
    hour: Mapped[int | None]
    sent_on: Mapped[str] = mapped_column(String(10), default="")  # ISO date


class Handover(Base):
    """A hand-over note (申し送り) for one mailbox, or for all of them (None), until a time."""

    __tablename__ = "handover"
    __table_args__ = (Index(None, "until"),)

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    mailbox_id: Mapped[int | None] = mapped_column(ForeignKey("mailbox.id", ondelete="CASCADE"), index=True)
    author_id: Mapped[int] = mapped_column(ForeignKey("user.id"))
    at: Mapped[datetime]
    until: Mapped[datetime]
    text: Mapped[str] = mapped_column(Text)
    reads: Mapped[list[HandoverRead]] = relationship(
        cascade="all, delete-orphan", passive_deletes=True, order_by="HandoverRead.at"
    )


class HandoverRead(Base):
    """Somebody read that hand-over note."""

    __tablename__ = "handover_read"

    handover_id: Mapped[int] = mapped_column(ForeignKey("handover.id", ondelete="CASCADE"), primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("user.id"), primary_key=True, index=True)
    at: Mapped[datetime]
