"""Conversations and everything that stands in them."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import JSON, CheckConstraint, ForeignKey, Index, String, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from inbox.models.base import Base, Id, filled

if TYPE_CHECKING:  # SQLAlchemy knows them by their names
    from inbox.models.mailboxes import Mailbox
    from inbox.models.people import User

STATUSES = ("open", "waiting", "snoozed", "closed", "spam")
UNFINISHED = ("open", "waiting", "snoozed")
JOINED = "joined"  # emptied by a join: in no list and no counter, kept for its address and for the undo


class Person(Base):
    """A correspondent. Identity is the address, never the display name."""

    __tablename__ = "person"
    __table_args__ = tuple(  # most people have neither: the values in use are read past all of them
        Index(f"ix_person_{name}", name, sqlite_where=text(f"{name} <> ''"), postgresql_where=text(f"{name} <> ''"))
        for name in ("tier", "phase")
    )

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    name: Mapped[str] = mapped_column(String(200), default="")
    company: Mapped[str] = mapped_column(String(200), default="")
    tier: Mapped[str] = mapped_column(String(40), default="")  # how closely the team looks after them, in its words
    phase: Mapped[str] = mapped_column(String(40), default="")  # how far they have come, in its words
    note: Mapped[str] = mapped_column(Text, default="")
    blocked: Mapped[bool] = mapped_column(default=False)  # mail of a blocked person is filed as spam
    created_at: Mapped[datetime]
    addresses: Mapped[list[PersonAddress]] = relationship(back_populates="person", order_by="PersonAddress.id")


class PersonAddress(Base):
    __tablename__ = "person_address"

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    person_id: Mapped[int] = mapped_column(ForeignKey("person.id", ondelete="CASCADE"), index=True)
    address: Mapped[str] = mapped_column(String(320), unique=True)  # lower case
    suspended_at: Mapped[datetime | None]  # a permanent bounce came back from here
    suspended_reason: Mapped[str] = mapped_column(Text, default="")
    person: Mapped[Person] = relationship(back_populates="addresses")


class Conversation(Base):
    """One matter with one customer: one owner, one status, one version that every public change raises.

    `status`: open (somebody of us must act), waiting (for the customer), snoozed (until `snoozed_until`), closed, spam.
    `waiting_since` is the arrival of the oldest customer message that no human answer followed; None: nothing to
    answer.
    """

    __tablename__ = "conversation"
    __table_args__ = (
        CheckConstraint(f"status IN {(*STATUSES, JOINED)}", name="status"),
        Index("ix_conversation_list", "mailbox_id", "status", "activity_at", "id"),
        Index("ix_conversation_owner", "mailbox_id", "status", "owner_id", "activity_at", "id"),
        Index("ix_conversation_waiting", "mailbox_id", "status", "waiting_since", "id"),
        Index("ix_conversation_owner_waiting", "mailbox_id", "status", "owner_id", "waiting_since", "id"),
        Index("ix_conversation_person", "person_id", "activity_at"),
        Index("ix_conversation_snoozed", "status", "snoozed_until"),
        Index("ix_conversation_category", "category_id", "status", "activity_at"),
        Index("ix_conversation_due", "mailbox_id", "due_at", "soon_at", "id"),
        Index("ix_conversation_next_step", "next_step_at"),
        Index("ix_conversation_remind", "remind_at"),
        filled("conversation", "joined_into_id"),
    )

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    mailbox_id: Mapped[int] = mapped_column(ForeignKey("mailbox.id", ondelete="CASCADE"))
    person_id: Mapped[int | None] = mapped_column(ForeignKey("person.id"))
    subject: Mapped[str] = mapped_column(Text, default="")
    status: Mapped[str] = mapped_column(String(10), default="open")
    owner_id: Mapped[int | None] = mapped_column(ForeignKey("user.id"), index=True)
    team_id: Mapped[int | None] = mapped_column(ForeignKey("team.id", ondelete="SET NULL"), index=True)
    for_opener: Mapped[bool] = mapped_column(default=False)  # becomes whose of the team opens it first
    priority: Mapped[str] = mapped_column(String(6), default="normal")  # routing.facts.PRIORITIES
    version: Mapped[int] = mapped_column(default=1)
    waiting_since: Mapped[datetime | None]
    opened_at: Mapped[datetime | None]  # first time that one of the team opened it; None: 新着
    activity_at: Mapped[datetime]  # last message; the list's order
    snoozed_until: Mapped[datetime | None]
    remind_at: Mapped[datetime | None]  # it comes back then in any case, whatever happens until then
    closed_at: Mapped[datetime | None]
    created_at: Mapped[datetime]
    message_count: Mapped[int] = mapped_column(default=0)
    attachment_count: Mapped[int] = mapped_column(default=0)
    last_direction: Mapped[str] = mapped_column(String(3), default="in")
    people: Mapped[str] = mapped_column(Text, default="")  # names for the list: "山田 太郎, Kim"
    snippet: Mapped[str] = mapped_column(Text, default="")
    category_id: Mapped[int | None] = mapped_column(ForeignKey("category.id", ondelete="SET NULL"))
    needless: Mapped[str] = mapped_column(String(200), default="")  # closed without an answer (対応不要): why
    trouble: Mapped[str] = mapped_column(String(20), default="")  # failed, uncertain, bounced: an answer did not arrive
    silent: Mapped[bool] = mapped_column(default=False)  # came in by the first import
    joined_into_id: Mapped[int | None] = mapped_column(ForeignKey("conversation.id", ondelete="CASCADE"))

    # what its deadlines are worked out from, and what was worked out (inbox.kept_deadlines)
    # a rule chose it
    policy_id: Mapped[int | None] = mapped_column(ForeignKey("deadline_policy.id", ondelete="SET NULL"))
    began_at: Mapped[datetime | None]  # the customer's first message for which clocks run; None: none do
    first_asked_at: Mapped[datetime | None]  # the message that our first answer answered
    first_answered_at: Mapped[datetime | None]
    due_at: Mapped[datetime | None]  # of the most urgent clock that ticks
    due_kind: Mapped[str] = mapped_column(String(12), default="")
    soon_at: Mapped[datetime | None]  # from then on it is nearly due
    next_step_at: Mapped[datetime | None]  # somebody is to be told then

    mailbox: Mapped[Mailbox] = relationship()
    person: Mapped[Person | None] = relationship()
    owner: Mapped[User | None] = relationship()
    tags: Mapped[list[Tag]] = relationship(secondary="conversation_tag", order_by="Tag.name")


class ThreadKey(Base):
    """A Message-ID that stands in a conversation or is referred to by it, so that later relatives find it (JWZ)."""

    __tablename__ = "thread_key"
    __table_args__ = (Index(None, "conversation_id"),)

    mailbox_id: Mapped[int] = mapped_column(ForeignKey("mailbox.id", ondelete="CASCADE"), primary_key=True)
    key: Mapped[str] = mapped_column(String(32), primary_key=True)  # mail.threads.key(...)
    conversation_id: Mapped[int] = mapped_column(ForeignKey("conversation.id", ondelete="CASCADE"))


class Message(Base):
    """One mail of a conversation, in or out. HTML and attachments of a mail are read from its raw bytes when shown."""

    __tablename__ = "message"
    __table_args__ = (
        Index("ix_message_conversation", "conversation_id", "at", "id"),
        Index("ix_message_key", "key"),
        Index("ix_message_raw", "raw_sha256"),
        filled("message", "answers_id"),
        filled("message", "person_id"),
    )

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    conversation_id: Mapped[int] = mapped_column(ForeignKey("conversation.id", ondelete="CASCADE"))
    direction: Mapped[str] = mapped_column(String(3))  # in, out
    # in: mail.facts.Kind; out: reply, forward, new, elsewhere (sent from Outlook)
    kind: Mapped[str] = mapped_column(String(20))
    author_id: Mapped[int | None] = mapped_column(ForeignKey("user.id"))  # out: who wrote it here
    approved_by_id: Mapped[int | None] = mapped_column(ForeignKey("user.id"))  # out: who let it go
    person_id: Mapped[int | None] = mapped_column(ForeignKey("person.id"))  # in: who wrote it
    from_name: Mapped[str] = mapped_column(Text, default="")
    from_address: Mapped[str] = mapped_column(Text, default="")
    to: Mapped[list[Any]] = mapped_column(default=list)  # [[name, address], ...]
    cc: Mapped[list[Any]] = mapped_column(default=list)
    bcc: Mapped[list[Any]] = mapped_column(default=list)
    reply_to: Mapped[list[Any]] = mapped_column(default=list)
    subject: Mapped[str] = mapped_column(Text, default="")
    mail_id: Mapped[str] = mapped_column(Text, default="")  # Message-ID with brackets
    key: Mapped[str] = mapped_column(String(32))  # mail.threads.own_key
    references: Mapped[list[Any]] = mapped_column(default=list)  # Message-IDs, oldest first, In-Reply-To last
    thread_index: Mapped[str] = mapped_column(Text, default="")  # Outlook's, base64
    at: Mapped[datetime]  # arrival (server's INTERNALDATE) or sending; the order in the conversation
    dated: Mapped[datetime | None]  # the Date header
    created_at: Mapped[datetime]
    text: Mapped[str] = mapped_column(Text, default="")
    new_text: Mapped[str] = mapped_column(Text, default="")
    snippet: Mapped[str] = mapped_column(String(220), default="")
    has_html: Mapped[bool] = mapped_column(default=False)
    raw_sha256: Mapped[str] = mapped_column(String(64))  # in blobs
    size: Mapped[int] = mapped_column(default=0)  # bytes
    unverified: Mapped[bool] = mapped_column(default=False)  # its sender took no part in the conversation before
    third_party: Mapped[bool] = mapped_column(default=False)  # in: from somebody to whom we forwarded, not the customer
    bounce: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    warnings: Mapped[list[Any]] = mapped_column(default=list)
    # out: the message it replies to; bounce: the mail that bounced
    answers_id: Mapped[int | None] = mapped_column(ForeignKey("message.id"))
    conversation: Mapped[Conversation] = relationship()
    author: Mapped[User | None] = relationship(foreign_keys=[author_id])
    attachments: Mapped[list[Attachment]] = relationship(order_by="Attachment.position", cascade="all, delete-orphan")


class Attachment(Base):
    """A file of a message; its bytes are the leaf `path` of the raw mail."""

    __tablename__ = "attachment"

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    message_id: Mapped[int] = mapped_column(ForeignKey("message.id", ondelete="CASCADE"), index=True)
    position: Mapped[int]  # index into ParsedMail.attachments
    path: Mapped[str] = mapped_column(String(200))  # section of the MIME tree, "" for parts found inside a part (TNEF)
    name: Mapped[str] = mapped_column(Text)  # cleaned
    content_type: Mapped[str] = mapped_column(String(150))  # safe: what the bytes are, not what the mail says
    size: Mapped[int]
    sha256: Mapped[str] = mapped_column(String(64))
    content_id: Mapped[str] = mapped_column(Text, default="")
    inline: Mapped[bool] = mapped_column(default=False)  # shown inside the HTML by its Content-ID


class Note(Base):
    """Words for the team only."""

    __tablename__ = "note"
    __table_args__ = (Index("ix_note_conversation", "conversation_id", "at"),)

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    conversation_id: Mapped[int] = mapped_column(ForeignKey("conversation.id", ondelete="CASCADE"))
    author_id: Mapped[int] = mapped_column(ForeignKey("user.id"))
    at: Mapped[datetime]
    text: Mapped[str] = mapped_column(Text)
    # in the text: [start, end, user id] or [start, end, null, team id]
    mentions: Mapped[list[Any]] = mapped_column(default=list)
    author: Mapped[User] = relationship()


class Event(Base):
    """What happened to a conversation, written in the same transaction as the change itself; also what screens
    follow."""

    __tablename__ = "event"
    __table_args__ = (Index("ix_event_conversation", "conversation_id", "id"),)

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    conversation_id: Mapped[int | None] = mapped_column(ForeignKey("conversation.id", ondelete="CASCADE"))
    mailbox_id: Mapped[int | None] = mapped_column(ForeignKey("mailbox.id", ondelete="CASCADE"))
    at: Mapped[datetime]
    actor_id: Mapped[int | None] = mapped_column(ForeignKey("user.id"))  # None: the system or the customer
    kind: Mapped[str] = mapped_column(String(30))  # conversations.EVENTS
    about: Mapped[dict[str, Any]] = mapped_column(default=dict)
    actor: Mapped[User | None] = relationship()


class Claim(Base):
    """"A colleague is writing": taken when writing starts, lapses by itself."""

    __tablename__ = "claim"

    conversation_id: Mapped[int] = mapped_column(ForeignKey("conversation.id", ondelete="CASCADE"), primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("user.id"))
    since: Mapped[datetime]
    until: Mapped[datetime] = mapped_column(index=True)
    user: Mapped[User] = relationship()


class Tag(Base):
    __tablename__ = "tag"

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    name: Mapped[str] = mapped_column(String(50), unique=True)
    colour: Mapped[str] = mapped_column(String(7), default="#6b7280")
    group: Mapped[str] = mapped_column(String(50), default="")  # tags of one group stand together


class ConversationTag(Base):
    __tablename__ = "conversation_tag"

    conversation_id: Mapped[int] = mapped_column(ForeignKey("conversation.id", ondelete="CASCADE"), primary_key=True)
    tag_id: Mapped[int] = mapped_column(ForeignKey("tag.id", ondelete="CASCADE"), primary_key=True, index=True)


class FolderCount(Base):
    """How many conversations stand in (mailbox, status, owner); kept with every change so that no page has to count."""

    __tablename__ = "folder_count"

    mailbox_id: Mapped[int] = mapped_column(ForeignKey("mailbox.id", ondelete="CASCADE"), primary_key=True)
    status: Mapped[str] = mapped_column(String(10), primary_key=True)
    owner_id: Mapped[int] = mapped_column(Id, primary_key=True, autoincrement=False)  # 0: nobody
    count: Mapped[int] = mapped_column(default=0)


class JoinSuggestion(Base):
    """"These two may be one matter": shown with a one-click join; a join can be undone."""

    __tablename__ = "join_suggestion"
    __table_args__ = (UniqueConstraint("conversation_id", "other_id"),)

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    conversation_id: Mapped[int] = mapped_column(ForeignKey("conversation.id", ondelete="CASCADE"))  # the newer one
    other_id: Mapped[int] = mapped_column(ForeignKey("conversation.id", ondelete="CASCADE"), index=True)
    reason: Mapped[str] = mapped_column(String(40))
    state: Mapped[str] = mapped_column(String(10), default="offered")  # offered, joined, refused, undone
    moved: Mapped[dict[str, Any]] = mapped_column(default=dict)  # what a join moved, to undo it
    at: Mapped[datetime]
