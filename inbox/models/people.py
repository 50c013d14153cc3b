"""The team: users, their mailboxes, one-time links, sign-in attempts."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, CheckConstraint, ForeignKey, Index, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from inbox.models.base import Base, Id

ROLES = ("agent", "manager", "admin")


class User(Base):
    """A person of the team. Never deleted (history names them), only deactivated."""

    __tablename__ = "user"
    __table_args__ = (CheckConstraint(f"role IN {ROLES}", name="role"),)

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    email: Mapped[str] = mapped_column(String(254), unique=True)  # lower case
    name: Mapped[str] = mapped_column(String(100))
    role: Mapped[str] = mapped_column(String(10), default="agent")
    password_hash: Mapped[str | None] = mapped_column(String(200))  # argon2id; None until the invitation is taken up
    locale: Mapped[str] = mapped_column(String(5), default="ja")
    time_zone: Mapped[str] = mapped_column(String(50), default="Asia/Tokyo")
    theme: Mapped[str] = mapped_column(String(5), default="auto")  # auto, light, dark
    undo_seconds: Mapped[int] = mapped_column(default=10)
    after_send: Mapped[str] = mapped_column(String(10), default="next")  # next, stay, list
    active: Mapped[bool] = mapped_column(default=True)
    session_epoch: Mapped[int] = mapped_column(default=0)  # raised to end every session of this person
    created_at: Mapped[datetime]
    last_seen_at: Mapped[datetime | None]


class MailboxAccess(Base):
    """Who may see and answer which mailbox. Admins reach all of them without a row."""

    __tablename__ = "mailbox_access"

    user_id: Mapped[int] = mapped_column(ForeignKey("user.id"), primary_key=True)
    mailbox_id: Mapped[int] = mapped_column(ForeignKey("mailbox.id", ondelete="CASCADE"), primary_key=True, index=True)
    signature_html: Mapped[str | None] = mapped_column(Text)  # None: the mailbox's own signature
    from_name: Mapped[str | None] = mapped_column(String(100))  # None: the mailbox's display name


class OneTimeLink(Base):
    """A link that works once: first sign-in, invitation, password reset. Only its hash is stored."""

    __tablename__ = "one_time_link"

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    kind: Mapped[str] = mapped_column(String(10))  # first, invite, reset
    user_id: Mapped[int | None] = mapped_column(ForeignKey("user.id"), index=True)
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]


class SignInAttempt(Base):
    """A sign-in or reset try, kept to slow guessing per account and per address."""

    __tablename__ = "sign_in_attempt"
    __table_args__ = (Index(None, "email", "at"), Index(None, "ip", "at"))

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    at: Mapped[datetime]
    kind: Mapped[str] = mapped_column(String(10))  # sign_in, reset
    email: Mapped[str] = mapped_column(String(254))
    ip: Mapped[str] = mapped_column(String(45))
    ok: Mapped[bool]


class AuditEvent(Base):
    """Who changed a mailbox, a person or a setting, or signed in."""

    __tablename__ = "audit_event"

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    at: Mapped[datetime] = mapped_column(index=True)
    user_id: Mapped[int | None] = mapped_column(ForeignKey("user.id"))
    kind: Mapped[str] = mapped_column(String(40))
    about: Mapped[dict[str, Any]] = mapped_column(default=dict)


class ReadMark(Base):
    """How far a person has read a conversation."""

    __tablename__ = "read_mark"

    user_id: Mapped[int] = mapped_column(ForeignKey("user.id"), primary_key=True)
    conversation_id: Mapped[int] = mapped_column(
        ForeignKey("conversation.id", ondelete="CASCADE"), primary_key=True, index=True
    )
    version: Mapped[int]  # the conversation's version when it was last opened


class Presence(Base):
    """Who has a conversation open just now; a row older than its time limit means nothing."""

    __tablename__ = "presence"
    __table_args__ = (UniqueConstraint("conversation_id", "user_id"),)

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    conversation_id: Mapped[int] = mapped_column(ForeignKey("conversation.id", ondelete="CASCADE"))
    user_id: Mapped[int] = mapped_column(ForeignKey("user.id"))
    until: Mapped[datetime] = mapped_column(index=True)


class Setting(Base):
    """A switch of the whole installation (sending paused, instance id, demo) by name."""

    __tablename__ = "setting"

    key: Mapped[str] = mapped_column(String(50), primary_key=True)
    value: Mapped[Any] = mapped_column(JSON)


class Heartbeat(Base):
    """A running process says that it lives; what /healthz and /readyz read."""

    __tablename__ = "heartbeat"

    name: Mapped[str] = mapped_column(String(100), primary_key=True)  # role@host:pid
    role: Mapped[str] = mapped_column(String(20), index=True)  # poller, worker, clock, web
    at: Mapped[datetime]
    info: Mapped[dict[str, Any]] = mapped_column(default=dict)
