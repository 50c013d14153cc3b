"""Who is told what, by which way: followers, notifications, what people chose, webhooks and what they were sent."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, CheckConstraint, ForeignKey, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from inbox.models.base import Base, Id

DELIVERY_STATES = ("queued", "sent", "failed")


class Follower(Base):
    """Somebody who is told what happens to a conversation without owning it."""

    __tablename__ = "follower"

    conversation_id: Mapped[int] = mapped_column(ForeignKey("conversation.id", ondelete="CASCADE"), primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("user.id"), primary_key=True, index=True)
    since: Mapped[datetime]
    why: Mapped[str] = mapped_column(String(10), default="asked")  # asked, mentioned, wrote


class Notification(Base):
    """One person was told of one thing. `mail_at` and `browser` say by which other ways than the page."""

    __tablename__ = "notification"
    __table_args__ = (
        Index("ix_notification_person", "user_id", "shown", "id"),
        Index("ix_notification_unread", "user_id", "shown", "read_at"),
        Index("ix_notification_conversation", "conversation_id", "user_id"),
        Index("ix_notification_mail", "mail_at"),
        Index("ix_notification_mailed", "user_id", "mailed_at"),
    )

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("user.id"))
    kind: Mapped[str] = mapped_column(String(20))  # telling.KINDS
    at: Mapped[datetime]
    conversation_id: Mapped[int | None] = mapped_column(ForeignKey("conversation.id", ondelete="CASCADE"))
    mailbox_id: Mapped[int | None] = mapped_column(ForeignKey("mailbox.id", ondelete="CASCADE"))
    by_id: Mapped[int | None] = mapped_column(ForeignKey("user.id"))  # None: a customer, a server or the clock
    about: Mapped[dict[str, Any]] = mapped_column(default=dict)  # what its words need
    shown: Mapped[bool] = mapped_column(default=True)  # on the page and at the bell
    browser: Mapped[bool] = mapped_column(default=False)  # open tabs show it over other windows
    read_at: Mapped[datetime | None]
    mail_at: Mapped[datetime | None]  # a mail is due then; None: none, or it left
    waited: Mapped[bool] = mapped_column(default=False)  # its mail waited for the morning or for others to thin out
    mailed_at: Mapped[datetime | None]
    mailed_with_id: Mapped[int | None]  # the first notification of the mail in which it stands


class NotificationChoice(Base):
    """What a person chose; without a row everything is as `telling.KINDS` says."""

    __tablename__ = "notification_choice"

    user_id: Mapped[int] = mapped_column(ForeignKey("user.id"), primary_key=True)
    ways: Mapped[dict[str, Any]] = mapped_column(default=dict)  # {kind: [telling.WAYS]}
    quiet_from: Mapped[str] = mapped_column(String(5), default="")  # "22:00" of the person's clock; "": no quiet hours
    quiet_until: Mapped[str] = mapped_column(String(5), default="")


class Webhook(Base):
    """An address that is called: for one person, for a team, or (neither) for rules that name it."""

    __tablename__ = "webhook"
    __table_args__ = (CheckConstraint("user_id IS NULL OR team_id IS NULL", name="whose"),)

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    user_id: Mapped[int | None] = mapped_column(ForeignKey("user.id"), unique=True)
    team_id: Mapped[int | None] = mapped_column(ForeignKey("team.id", ondelete="CASCADE"), index=True)
    name: Mapped[str] = mapped_column(String(100), default="")
    url: Mapped[str] = mapped_column(Text)
    secret: Mapped[str] = mapped_column(Text)  # sealed
    kinds: Mapped[list[Any]] = mapped_column(default=list)  # of a team: telling.KINDS; a person has the matrix
    active: Mapped[bool] = mapped_column(default=True)
    created_at: Mapped[datetime]
    last_ok_at: Mapped[datetime | None]
    failing_since: Mapped[datetime | None]


class Delivery(Base):
    """One call of a webhook: queued → sent | failed. Its body is written once, every try sends the same."""

    __tablename__ = "delivery"
    __table_args__ = (
        CheckConstraint(f"state IN {DELIVERY_STATES}", name="state"),
        Index("ix_delivery_due", "state", "due_at"),
        Index("ix_delivery_webhook", "webhook_id", "id"),
    )

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    webhook_id: Mapped[int] = mapped_column(ForeignKey("webhook.id", ondelete="CASCADE"))
    key: Mapped[str] = mapped_column(String(40), unique=True)  # the receiver knows a repeated call by it
    body: Mapped[dict[str, Any]] = mapped_column(JSON)
    state: Mapped[str] = mapped_column(String(10), default="queued")
    created_at: Mapped[datetime]
    due_at: Mapped[datetime]
    tries: Mapped[int] = mapped_column(default=0)
    lease_until: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    code: Mapped[int | None]  # HTTP status of the last answer
    answer: Mapped[str] = mapped_column(Text, default="")
