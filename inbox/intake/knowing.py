"""All that a batch of mails needs to know before it is filed, read in a handful of queries and kept up to date in
memory."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from inbox.customers import Known as KnownPerson
from inbox.customers import people_for
from inbox.db import is_sqlite
from inbox.mail.facts import Kind
from inbox.models import Attachment, Conversation, Mailbox, MailboxAddress, Message, Outgoing, ThreadKey
from inbox.reading import Reading

ADVISORY_COPIES = 7_302  # a mail that comes into several mailboxes
ADVISORY = 7_301  # names our advisory locks on PostgreSQL: one mailbox is filed by one process at a time


@dataclass
class Stored:
    """A message that is filed already, or will be at the end of this batch."""

    message_id: int | None
    conversation: Conversation | int
    direction: str
    kind: str
    from_address: str
    dated: datetime | None
    subject: str
    text: str
    raw_sha256: str
    files: tuple[str, ...] | None = None  # hashes; None: not read yet
    row: Message | None = None


@dataclass
class Knowledge:
    """What is known in one mailbox about the mails of a batch; filing adds to it."""

    mailbox_id: int
    own_addresses: frozenset[str]  # of this mailbox
    all_addresses: frozenset[str]  # of all our mailboxes
    people: dict[str, KnownPerson]
    by_hash: dict[str, Stored] = field(default_factory=dict)
    by_key: dict[str, list[Stored]] = field(default_factory=lambda: defaultdict(list))
    threads: dict[str, Conversation | int] = field(default_factory=dict)
    conversations: dict[int, Conversation] = field(default_factory=dict)
    taking_part: dict[Conversation, set[str]] = field(default_factory=dict)
    third_parties: dict[Conversation, set[str]] = field(default_factory=dict)  # to whom we forwarded; no customers
    copies: dict[str, list[Stored]] = field(default_factory=lambda: defaultdict(list))  # in other mailboxes, by key
    outgoing: dict[str, Outgoing] = field(default_factory=dict)

    def conversation(self, found: Conversation | int | None) -> Conversation | None:
        return self.conversations.get(found) if isinstance(found, int) else found


def lock(session: Session, mailbox_id: int) -> None:
    """Holds the mailbox's filing until the end of the transaction. SQLite has one writer anyway."""
    if not is_sqlite(session):
        session.execute(
            text("SELECT pg_advisory_xact_lock(:space, :mailbox)"), {"space": ADVISORY, "mailbox": mailbox_id}
        )


def _one_after_the_other(session: Session, readings: Sequence[Reading], ours: frozenset[str]) -> None:
    """A mail to two of our addresses comes into two mailboxes at one moment: whoever is second finds the first.

    Held until the end of the transaction, in one order everywhere.
    """
    if is_sqlite(session):
        return
    several = {
        one.key
        for one in readings
        if len({pair[1].lower() for pair in (*one.to, *one.cc)} & ours) > 1
    }
    for key in sorted(several):
        session.execute(
            text("SELECT pg_advisory_xact_lock(:space, hashtext(:key))"), {"space": ADVISORY_COPIES, "key": key}
        )


def addresses(session: Session, mailbox_id: int) -> tuple[frozenset[str], frozenset[str]]:
    """The mailbox's own addresses, and those of all mailboxes; lower case."""
    rows = session.execute(select(MailboxAddress.mailbox_id, MailboxAddress.address)).all()
    main = session.execute(select(Mailbox.id, Mailbox.address)).all()
    every = [(owner, address.lower()) for owner, address in (*rows, *main)]
    return frozenset(a for owner, a in every if owner == mailbox_id), frozenset(a for _, a in every)


def gather(session: Session, mailbox_id: int, readings: Sequence[tuple[str, Reading]], *, since: datetime) -> Knowledge:
    """Reads everything that filing `readings` (pairs of raw hash and reading) in that mailbox can ask for.

    `since` is the arrival of the oldest of them: from then on its correspondents are known.
    """
    own, every = addresses(session, mailbox_id)
    _one_after_the_other(session, [one for _, one in readings], every)
    knowledge = Knowledge(mailbox_id, own, every, _people(session, [one for _, one in readings], every, since))
    _messages(session, knowledge, readings)
    _threads(session, knowledge, [one for _, one in readings])
    return knowledge


def customer_of(reading: Reading, ours: frozenset[str]) -> list[str] | None:
    """[name, address] of whom an incoming mail is from; a form that writes in our own name tells it in Reply-To."""
    if not reading.from_:
        return None
    first = reading.from_[0]
    if first[1].lower() in ours and reading.reply_to and reading.reply_to[0][1].lower() not in ours:
        return reading.reply_to[0]
    return first


def other_side(reading: Reading, ours: frozenset[str]) -> list[str] | None:
    """[name, address] of whom a mail of our own was written to."""
    return next((one for one in (*reading.to, *reading.cc) if one[1].lower() not in ours), None)


def _people(
    session: Session, readings: Iterable[Reading], ours: frozenset[str], since: datetime
) -> dict[str, KnownPerson]:
    named: dict[str, str] = {}
    for reading in readings:
        if reading.kind == Kind.BOUNCE:
            continue  # a mail server is nobody's customer
        for one in (customer_of(reading, ours), other_side(reading, ours)):
            if one and one[1] and not named.get(one[1].lower()):
                named[one[1].lower()] = one[0]
    return people_for(session, named, since)


def _messages(session: Session, knowledge: Knowledge, readings: Sequence[tuple[str, Reading]]) -> None:
    hashes = {sha256 for sha256, _ in readings}
    keys: set[str] = set()
    for _, reading in readings:
        keys |= {reading.key, reading.content_key}
        keys.update(reading.names)
        if reading.bounce and reading.bounce["original"]:
            keys.add(reading.bounce["original"])
    columns = (
        Message.id, Message.conversation_id, Message.direction, Message.kind, Message.from_address, Message.dated,
        Message.subject, Message.raw_sha256, Message.key,
    )  # fmt: skip
    # the mailbox is compared here: asked for it, SQLite would walk all its conversations instead of a few keys
    led_there = select(ThreadKey.key).where(  # filed here, but its conversation was moved or joined into one elsewhere
        ThreadKey.mailbox_id == knowledge.mailbox_id,
        ThreadKey.key == Message.key,
        ThreadKey.conversation_id == Message.conversation_id,
    )
    anywhere = select(*columns, Conversation.mailbox_id, led_there.exists().label("led_there")).join(
        Conversation, Conversation.id == Message.conversation_id
    )
    rows = [
        *session.execute(anywhere.where(Message.raw_sha256.in_(hashes))),
        *session.execute(anywhere.where(Message.key.in_(keys))),
    ]
    for row in rows:
        stored = Stored(
            message_id=row.id,
            conversation=row.conversation_id,
            direction=row.direction,
            kind=row.kind,
            from_address=row.from_address,
            dated=row.dated,
            subject=row.subject,
            text="",
            raw_sha256=row.raw_sha256,
        )
        if row.mailbox_id != knowledge.mailbox_id and not row.led_there:
            knowledge.copies[row.key].append(stored)
            continue
        knowledge.by_hash.setdefault(row.raw_sha256, stored)
        if all(one.message_id != row.id for one in knowledge.by_key[row.key]):
            knowledge.by_key[row.key].append(stored)
    found = session.scalars(select(Outgoing).where(Outgoing.key.in_(keys - {""})))
    knowledge.outgoing = {one.key: one for one in found}


def complete(session: Session, stored: Stored) -> None:
    """Text and files of a message, read only when a second mail has the same Message-ID."""
    if stored.files is not None or stored.message_id is None:
        return
    stored.text = session.scalar(select(Message.text).where(Message.id == stored.message_id)) or ""
    files = session.scalars(
        select(Attachment.sha256).where(Attachment.message_id == stored.message_id).order_by(Attachment.position)
    )
    stored.files = tuple(files)


def _threads(session: Session, knowledge: Knowledge, readings: list[Reading]) -> None:
    keys: set[str] = set()
    wanted: set[int] = set()
    for reading in readings:
        keys |= {reading.key, *reading.names}
        wanted.update(reading.ours)
    rows = session.execute(
        select(ThreadKey.key, ThreadKey.conversation_id).where(
            ThreadKey.mailbox_id == knowledge.mailbox_id, ThreadKey.key.in_(keys)
        )
    )
    knowledge.threads = dict(rows.all())
    wanted.update(one for one in knowledge.threads.values() if isinstance(one, int))
    wanted.update(
        one.conversation for found in knowledge.by_key.values() for one in found if isinstance(one.conversation, int)
    )
    wanted.update(one.conversation for one in knowledge.by_hash.values() if isinstance(one.conversation, int))
    wanted.update(one.conversation_id for one in knowledge.outgoing.values() if one.conversation_id)
    if not wanted:
        return
    knowledge.conversations = _locked(session, wanted)
    _taking_part(session, knowledge)


def _locked(session: Session, ids: set[int]) -> dict[int, Conversation]:
    """Conversations by id; for one that was joined into another, that other.

    Locked in one order: an answer that leaves just now waits for us or we for it, and both count the version up.
    """
    found: dict[int, Conversation] = {}
    missing = set(ids)
    while missing:
        rows = session.scalars(
            select(Conversation).where(Conversation.id.in_(missing)).order_by(Conversation.id).with_for_update()
        )
        found |= {one.id: one for one in rows}
        missing = {one.joined_into_id for one in found.values() if one.joined_into_id is not None} - set(found)
    return {conversation_id: _goes_on(one, found) for conversation_id, one in found.items()}


def _goes_on(one: Conversation, found: dict[int, Conversation]) -> Conversation:
    while one.joined_into_id is not None and one.joined_into_id in found:
        one = found[one.joined_into_id]
    return one


def _taking_part(session: Session, knowledge: Knowledge) -> None:
    """Who stands in From, To or Cc of each conversation's mails.

    A mail of somebody who took no part makes nobody take part, or his second mail would pass for a customer's.
    """
    rows = session.execute(
        select(
            Message.conversation_id,
            Message.from_address,
            Message.to,
            Message.cc,
            Message.direction,
            Message.kind,
            Message.third_party,
        ).where(Message.conversation_id.in_(knowledge.conversations), Message.unverified.is_(False))
    )
    for conversation in knowledge.conversations.values():
        knowledge.taking_part[conversation] = set()
        knowledge.third_parties[conversation] = set()
    customers: dict[Conversation, set[str]] = defaultdict(set)
    for row in rows:
        conversation = knowledge.conversations[row.conversation_id]
        written_to = {one[1].lower() for one in (*row.to, *row.cc)}
        knowledge.taking_part[conversation] |= {row.from_address.lower(), *written_to}
        if row.third_party:
            knowledge.third_parties[conversation].add(row.from_address.lower())
        elif row.direction == "out" and row.kind == "forward":
            knowledge.third_parties[conversation] |= written_to
        elif row.direction == "in":
            customers[conversation] |= {row.from_address.lower(), *written_to}
        elif row.kind != "reply":  # an answer may have gone to a third party
            customers[conversation] |= written_to
    for conversation, found in customers.items():
        knowledge.third_parties[conversation] -= found
