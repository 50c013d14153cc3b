"""Connected mailboxes, their folders, and the ledger of every mail that a server showed us."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from inbox.models.base import Base, Id

SECURITY = ("tls", "starttls", "plain")
RAW_STATES = ("pending", "filed", "known", "own", "quarantined", "vanished", "ignored")


class Mailbox(Base):
    """An existing mail account that the team shares. Nothing on its server is flagged, moved or deleted."""

    __tablename__ = "mailbox"
    __table_args__ = (
        CheckConstraint(f"imap_security IN {SECURITY}", name="imap_security"),
        CheckConstraint(f"smtp_security IN {SECURITY}", name="smtp_security"),
    )

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    name: Mapped[str] = mapped_column(String(100))  # what the team calls it
    display_name: Mapped[str] = mapped_column(String(100))  # the name in From
    address: Mapped[str] = mapped_column(String(254))  # the main address
    colour: Mapped[str] = mapped_column(String(7), default="#2f6fde")
    signature_html: Mapped[str] = mapped_column(Text, default="")
    quote_replies: Mapped[bool] = mapped_column(default=True)
    locale: Mapped[str] = mapped_column(String(5), default="ja")  # of quotes and notices to customers
    active: Mapped[bool] = mapped_column(default=True)
    is_demo: Mapped[bool] = mapped_column(default=False)
    sending_paused: Mapped[bool] = mapped_column(default=False)
    created_at: Mapped[datetime]

    imap_host: Mapped[str] = mapped_column(String(253))
    imap_port: Mapped[int]
    imap_security: Mapped[str] = mapped_column(String(8))
    imap_user: Mapped[str] = mapped_column(String(254))
    imap_secret: Mapped[str] = mapped_column(Text)  # encrypted; see inbox/mailboxes.py
    smtp_host: Mapped[str] = mapped_column(String(253))
    smtp_port: Mapped[int]
    smtp_security: Mapped[str] = mapped_column(String(8))
    smtp_user: Mapped[str] = mapped_column(String(254))  # "": no sign-in
    smtp_secret: Mapped[str] = mapped_column(Text)

    sent_folder: Mapped[str] = mapped_column(String(255), default="")  # "": none known
    server_files_sent: Mapped[bool] = mapped_column(default=False)  # Gmail and Microsoft 365 file their own copy
    import_since: Mapped[datetime | None]  # first import: mail older than this stays on the server; None: all

    # health, in facts; words are made where they are shown
    last_ok_at: Mapped[datetime | None]  # IMAP last worked
    failing_since: Mapped[datetime | None]
    failures: Mapped[int] = mapped_column(default=0)  # in a row
    error_code: Mapped[str] = mapped_column(String(30), default="")  # wire.problems.CODES
    error_text: Mapped[str] = mapped_column(Text, default="")  # the server's words
    next_try_at: Mapped[datetime | None]  # back-off; None: whenever due
    smtp_last_ok_at: Mapped[datetime | None]
    smtp_error_code: Mapped[str] = mapped_column(String(30), default="")
    smtp_error_text: Mapped[str] = mapped_column(Text, default="")
    smtp_next_try_at: Mapped[datetime | None]
    smtp_failing_since: Mapped[datetime | None]  # the first failed try of the outage

    addresses: Mapped[list[MailboxAddress]] = relationship(
        back_populates="mailbox", cascade="all, delete-orphan", order_by="MailboxAddress.id", lazy="selectin"
    )
    folders: Mapped[list[Folder]] = relationship(
        back_populates="mailbox", cascade="all, delete-orphan", order_by="Folder.id"
    )


class MailboxAddress(Base):
    """An address or alias that customers write to; answers leave from the one that was written to."""

    __tablename__ = "mailbox_address"
    __table_args__ = (UniqueConstraint("mailbox_id", "address"),)

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    mailbox_id: Mapped[int] = mapped_column(ForeignKey("mailbox.id", ondelete="CASCADE"))
    address: Mapped[str] = mapped_column(String(254), index=True)  # lower case
    display_name: Mapped[str] = mapped_column(String(100), default="")  # "": the mailbox's
    mailbox: Mapped[Mailbox] = relationship(back_populates="addresses")


class Folder(Base):
    """A folder that is read, with its cursor and its ledger counts."""

    __tablename__ = "folder"
    __table_args__ = (UniqueConstraint("mailbox_id", "name"),)

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    mailbox_id: Mapped[int] = mapped_column(ForeignKey("mailbox.id", ondelete="CASCADE"))
    name: Mapped[str] = mapped_column(String(255))
    role: Mapped[str] = mapped_column(String(10), default="inbox")  # inbox: customers' mail; sent: our own answers
    read: Mapped[bool] = mapped_column(default=True)
    uidvalidity: Mapped[int | None] = mapped_column(Id)
    last_uid: Mapped[int] = mapped_column(Id, default=0)  # every uid up to here stands in raw_mail
    lease_owner: Mapped[str] = mapped_column(String(100), default="")
    lease_until: Mapped[datetime | None]
    due_at: Mapped[datetime | None]  # read it at the latest then; None: now
    read_at: Mapped[datetime | None]

    # the first import, silent; also a back-fill asked for by a person
    import_total: Mapped[int] = mapped_column(default=0)
    import_done: Mapped[int] = mapped_column(default=0)
    import_started_at: Mapped[datetime | None]
    import_finished_at: Mapped[datetime | None]
    backfill_since: Mapped[datetime | None]  # a person asked to read older mail back to this day

    # the ledger, as of reconciled_at: server_count = filed + quarantined + left_out, or missing/extra is not 0
    server_count: Mapped[int] = mapped_column(default=0)
    accounted_count: Mapped[int] = mapped_column(default=0)
    quarantined_count: Mapped[int] = mapped_column(default=0)
    left_out_count: Mapped[int] = mapped_column(default=0)  # older than import_since, on purpose
    missing_count: Mapped[int] = mapped_column(default=0)  # on the server, not with us: alarm
    reconciled_at: Mapped[datetime | None]
    mailbox: Mapped[Mailbox] = relationship(back_populates="folders")


class RawMail(Base):
    """One mail that a server showed us, by (folder, UIDVALIDITY, UID). Its bytes are kept before anything is
    understood.

    States: pending → filed (a new message), known (another copy of a message we have), own (our own mail seen again),
    quarantined (could not be understood; `cause` says why), vanished (gone before its bytes could be read),
    ignored (left on the server on purpose; `cause` says why).
    """

    __tablename__ = "raw_mail"
    __table_args__ = (
        UniqueConstraint("folder_id", "uidvalidity", "uid"),
        CheckConstraint(f"state IN {RAW_STATES}", name="state"),
        Index("ix_raw_mail_waiting", "state", "id"),
    )

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    folder_id: Mapped[int] = mapped_column(ForeignKey("folder.id", ondelete="CASCADE"))
    uidvalidity: Mapped[int] = mapped_column(Id)
    uid: Mapped[int] = mapped_column(Id)
    sha256: Mapped[str] = mapped_column(String(64), index=True)  # "" when the bytes could not be read
    size: Mapped[int] = mapped_column(default=0)  # bytes
    internal_date: Mapped[datetime | None]
    fetched_at: Mapped[datetime]
    silent: Mapped[bool] = mapped_column(default=False)  # first import or back-fill: no notices, no deadlines
    state: Mapped[str] = mapped_column(String(12), default="pending")
    cause: Mapped[str] = mapped_column(String(40), default="")  # why in quarantine or ignored, a short code
    detail: Mapped[str] = mapped_column(Text, default="")
    tries: Mapped[int] = mapped_column(default=0)
    message_id: Mapped[int | None] = mapped_column(ForeignKey("message.id", ondelete="SET NULL"), index=True)
    subject: Mapped[str] = mapped_column(Text, default="")  # best effort, for the quarantine list
    sender: Mapped[str] = mapped_column(Text, default="")
    headers: Mapped[dict[str, Any]] = mapped_column(default=dict)  # best effort, for the quarantine page
