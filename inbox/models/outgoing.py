"""Drafts, and the one queue for everything that leaves."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, Text
from sqlalchemy.ext.hybrid import hybrid_property
from sqlalchemy.orm import Mapped, mapped_column, relationship

from inbox.models.base import Base, Id, filled

if TYPE_CHECKING:  # SQLAlchemy knows them by their names
    from inbox.models.conversations import Conversation
    from inbox.models.mailboxes import Mailbox
    from inbox.models.people import User

OUTGOING_STATES = ("queued", "held", "sending", "sent", "failed", "uncertain", "cancelled")
DRAFT_KINDS = ("reply", "reply_all", "forward", "new")


class Draft(Base):
    """Words not sent yet; on the server, so they survive a crash and a change of device.

    `seen_version` is the conversation's version that the author saw; `rev` is raised by every save.
    """

    __tablename__ = "draft"
    __table_args__ = (
        CheckConstraint(f"kind IN {DRAFT_KINDS}", name="kind"),
        Index("ix_draft_author", "author_id", "state", "updated_at"),
        Index("ix_draft_conversation", "conversation_id", "state"),
        filled("draft", "answers_id"),
    )

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    conversation_id: Mapped[int | None] = mapped_column(ForeignKey("conversation.id", ondelete="CASCADE"))
    mailbox_id: Mapped[int] = mapped_column(ForeignKey("mailbox.id", ondelete="CASCADE"))
    author_id: Mapped[int] = mapped_column(ForeignKey("user.id"))
    kind: Mapped[str] = mapped_column(String(10))
    state: Mapped[str] = mapped_column(String(10), default="open")  # open, asked (for approval), later, sent, discarded
    answers_id: Mapped[int | None] = mapped_column(ForeignKey("message.id", ondelete="SET NULL"))
    from_address: Mapped[str] = mapped_column(String(254), default="")
    to: Mapped[list[Any]] = mapped_column(default=list)  # [[name, address], ...]
    cc: Mapped[list[Any]] = mapped_column(default=list)
    bcc: Mapped[list[Any]] = mapped_column(default=list)
    subject: Mapped[str] = mapped_column(Text, default="")
    html: Mapped[str] = mapped_column(Text, default="")  # sanitised rich text, quote not included
    text: Mapped[str] = mapped_column(Text, default="")  # when written without rich text
    quote: Mapped[bool] = mapped_column(default=True)  # append the quoted original
    seen_version: Mapped[int] = mapped_column(default=0)
    refused_at: Mapped[datetime | None]  # its sending was refused because the conversation went on
    # returned, approved, wrote_first, stale: why its author has it again
    came_back: Mapped[str] = mapped_column(String(12), default="")
    rev: Mapped[int] = mapped_column(default=1)
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    author: Mapped[User] = relationship()
    files: Mapped[list[DraftFile]] = relationship(  # without what an approver has only put aside
        order_by="DraftFile.id",
        cascade="all, delete-orphan",
        primaryjoin="and_(Draft.id == DraftFile.draft_id, DraftFile.approval_id.is_(None))",
    )

    @hybrid_property
    def touched(self) -> bool:
        """Whether its author put anything into it: a composer that was only opened is no draft to anybody."""
        return (self.rev > 1) | (self.updated_at > self.created_at)


class DraftFile(Base):
    """A file attached to a draft; its bytes are in blobs. With `approval_id` an approver has put it aside: it hangs on
    the mail once they decide, and is forgotten when somebody else does."""

    __tablename__ = "draft_file"

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    draft_id: Mapped[int] = mapped_column(ForeignKey("draft.id", ondelete="CASCADE"), index=True)
    name: Mapped[str] = mapped_column(Text)  # cleaned
    content_type: Mapped[str] = mapped_column(String(150))
    size: Mapped[int]
    sha256: Mapped[str] = mapped_column(String(64))
    content_id: Mapped[str] = mapped_column(String(100), default="")  # of an inline image
    approval_id: Mapped[int | None] = mapped_column(ForeignKey("approval.id", ondelete="CASCADE"), index=True)


class Outgoing(Base):
    """One mail that leaves, whatever its kind. Composed once, with its Message-ID; every attempt sends the same bytes.

    queued → sending → sent | failed | uncertain; queued ⇄ held; queued → cancelled.
    uncertain: the connection was lost after DATA began; no machine sends it again.
    """

    __tablename__ = "outgoing"
    __table_args__ = (
        CheckConstraint(f"state IN {OUTGOING_STATES}", name="state"),
        Index("ix_outgoing_due", "state", "priority", "due_at", "id"),
        Index("ix_outgoing_mailbox", "mailbox_id", "state", "id"),
        Index("ix_outgoing_sent_copy", "sent_copy", "sent_copy_due_at"),
        Index("ix_outgoing_key", "key"),
        filled("outgoing", "draft_id"),
    )

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    kind: Mapped[str] = mapped_column(String(12))  # outbox.KINDS
    dedupe_key: Mapped[str] = mapped_column(String(100), unique=True)
    mailbox_id: Mapped[int] = mapped_column(ForeignKey("mailbox.id"))
    conversation_id: Mapped[int | None] = mapped_column(ForeignKey("conversation.id"), index=True)
    message_id: Mapped[int | None] = mapped_column(ForeignKey("message.id"), index=True)
    draft_id: Mapped[int | None] = mapped_column(ForeignKey("draft.id"))
    created_by_id: Mapped[int | None] = mapped_column(ForeignKey("user.id"))
    state: Mapped[str] = mapped_column(String(10), default="queued")
    priority: Mapped[int] = mapped_column(default=10)  # lower leaves first
    due_at: Mapped[datetime]  # not before; undo window, retry
    tries: Mapped[int] = mapped_column(default=0)
    retrying_since: Mapped[datetime | None]  # its first temporary refusal since a person let it go
    lease_owner: Mapped[str] = mapped_column(String(100), default="")
    lease_until: Mapped[datetime | None]
    data_started_at: Mapped[datetime | None]  # of the running attempt: from here on the server may have taken it
    envelope_from: Mapped[str] = mapped_column(String(320), default="")
    # [{address, state: ""|accepted|refused|bounced, code, text}]
    recipients: Mapped[list[Any]] = mapped_column(default=list)
    subject: Mapped[str] = mapped_column(Text, default="")  # for the queue page
    mail_id: Mapped[str] = mapped_column(Text, default="")
    key: Mapped[str] = mapped_column(String(32), default="")  # mail.threads.key(mail_id)
    raw_sha256: Mapped[str] = mapped_column(String(64))
    size: Mapped[int] = mapped_column(default=0)
    code: Mapped[int | None]  # the server's last answer
    answer: Mapped[str] = mapped_column(Text, default="")
    held_reason: Mapped[str] = mapped_column(String(30), default="")
    # status and waiting_since to give back on undo or failure
    before: Mapped[dict[str, Any]] = mapped_column(default=dict)
    created_at: Mapped[datetime]
    sent_at: Mapped[datetime | None]
    sent_copy: Mapped[str] = mapped_column(String(10), default="none")  # none, due, done, server, failed
    sent_copy_due_at: Mapped[datetime | None]
    sent_copy_tries: Mapped[int] = mapped_column(default=0)
    mailbox: Mapped[Mailbox] = relationship()
    conversation: Mapped[Conversation | None] = relationship()
    created_by: Mapped[User | None] = relationship()
    attempts: Mapped[list[Attempt]] = relationship(order_by="Attempt.id", cascade="all, delete-orphan")


class Attempt(Base):
    """One try to hand a mail to the server, written down before the network is touched."""

    __tablename__ = "attempt"

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    outgoing_id: Mapped[int] = mapped_column(ForeignKey("outgoing.id", ondelete="CASCADE"), index=True)
    number: Mapped[int]
    worker: Mapped[str] = mapped_column(String(100))
    started_at: Mapped[datetime]
    data_started_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    outcome: Mapped[str] = mapped_column(String(12), default="")  # sent, later, failed, uncertain, lapsed
    code: Mapped[int | None]
    answer: Mapped[str] = mapped_column(Text, default="")
