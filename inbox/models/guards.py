"""What looks at a mail before it leaves: send checks, approval, sending later, and the second replies that were
stopped."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, CheckConstraint, ForeignKey, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from inbox.models.base import Base, Id, filled

APPROVAL_STATES = ("asked", "approved", "returned", "withdrawn", "sent")


class SendRule(Base):
    """What a mailbox asks for before a mail leaves; one without a row asks for what is doubtful."""

    __tablename__ = "send_rule"

    mailbox_id: Mapped[int] = mapped_column(ForeignKey("mailbox.id", ondelete="CASCADE"), primary_key=True)
    rules: Mapped[dict[str, Any]] = mapped_column(default=dict)  # routing.sendcheck


class WrittenTo(Base):
    """An address that a mail of ours went to. It goes with its message when that is taken back."""

    __tablename__ = "written_to"

    address: Mapped[str] = mapped_column(String(320), primary_key=True)  # lower case
    message_id: Mapped[int] = mapped_column(ForeignKey("message.id", ondelete="CASCADE"), index=True)


class ApproverPool(Base):
    """People who may approve, their deputies and the deadline."""

    __tablename__ = "approver_pool"

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    body: Mapped[dict[str, Any]] = mapped_column(default=dict)  # routing.approval


class ApprovalPolicy(Base):
    """Which mails need a second person."""

    __tablename__ = "approval_policy"

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    enabled: Mapped[bool] = mapped_column(default=True)
    body: Mapped[dict[str, Any]] = mapped_column(default=dict)  # routing.approval


class NewStaff(Base):
    """Somebody who is new here: policies may ask for approval of what they write."""

    __tablename__ = "new_staff"

    user_id: Mapped[int] = mapped_column(ForeignKey("user.id"), primary_key=True)


class Approval(Base):
    """One request: asked → approved | returned | withdrawn | sent. While it is asked the draft is locked.

    `asked_with` is the mail as its author asked for it, `left_as` as the approver let it go or gave it back.
    """

    __tablename__ = "approval"
    __table_args__ = (
        CheckConstraint(f"state IN {APPROVAL_STATES}", name="state"),
        Index("ix_approval_waiting", "state", "mailbox_id"),
        Index("ix_approval_author", "author_id", "id"),
    )

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    draft_id: Mapped[int] = mapped_column(ForeignKey("draft.id", ondelete="CASCADE"), index=True)
    mailbox_id: Mapped[int] = mapped_column(ForeignKey("mailbox.id", ondelete="CASCADE"))
    author_id: Mapped[int] = mapped_column(ForeignKey("user.id"))
    state: Mapped[str] = mapped_column(String(10), default="asked")
    pools: Mapped[list[Any]] = mapped_column(default=list)  # ids; one of them is enough
    reasons: Mapped[list[Any]] = mapped_column(default=list)  # [{policy, condition, found}]
    comment: Mapped[str] = mapped_column(Text, default="")  # the author's
    answer: Mapped[str] = mapped_column(Text, default="")  # the approver's
    asked_at: Mapped[datetime]
    due_at: Mapped[datetime | None]  # from then on deputies may too
    overdue_told_at: Mapped[datetime | None]  # they, its author and the managers were told of that
    decided_at: Mapped[datetime | None]
    decided_by_id: Mapped[int | None] = mapped_column(ForeignKey("user.id"))
    next_status: Mapped[str] = mapped_column(String(10), default="")  # of the conversation; "": the usual one
    asked_with: Mapped[dict[str, Any]] = mapped_column(default=dict)
    left_as: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    send_at: Mapped[datetime | None]  # not before
    regardless: Mapped[bool] = mapped_column(default=False)  # also if the customer writes first


class LaterSending(Base):
    """A draft that leaves by itself at `at`. `regardless`: also if the customer writes first."""

    __tablename__ = "later_sending"

    draft_id: Mapped[int] = mapped_column(ForeignKey("draft.id", ondelete="CASCADE"), primary_key=True)
    at: Mapped[datetime] = mapped_column(index=True)
    regardless: Mapped[bool] = mapped_column(default=False)
    next_status: Mapped[str] = mapped_column(String(10), default="")
    made_at: Mapped[datetime]
    approved_by_id: Mapped[int | None] = mapped_column(ForeignKey("user.id"))


class NearMiss(Base):
    """A second reply that was stopped: whose, by which way, and what had arrived."""

    __tablename__ = "near_miss"
    __table_args__ = (Index("ix_near_miss_at", "at"), filled("near_miss", "draft_id"))

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    at: Mapped[datetime]
    mailbox_id: Mapped[int] = mapped_column(ForeignKey("mailbox.id", ondelete="CASCADE"))
    conversation_id: Mapped[int] = mapped_column(ForeignKey("conversation.id", ondelete="CASCADE"), index=True)
    draft_id: Mapped[int | None] = mapped_column(ForeignKey("draft.id", ondelete="SET NULL"))
    author_id: Mapped[int] = mapped_column(ForeignKey("user.id"))
    way: Mapped[str] = mapped_column(String(10))  # web, later, approval
    reason: Mapped[str] = mapped_column(String(10))  # stale, claimed
    holder: Mapped[str] = mapped_column(String(100), default="")  # who was writing
    arrived: Mapped[list[Any]] = mapped_column(default=list)  # [{direction, who, at, snippet}]
    author: Mapped[Any] = relationship("User")
