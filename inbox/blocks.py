"""Senders whose mail is filed as spam without a word: addresses, and domains with all below them. Nothing is lost."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import or_, select, update
from sqlalchemy.orm import Session

from inbox import conversations, people
from inbox.errors import N_, NotFound, UserError
from inbox.models import Block, Conversation, Mailbox, MailboxAddress, Message, Person, PersonAddress, User
from inbox.models.conversations import UNFINISHED
from inbox.people import Viewer

MOST = 5_000  # rows on the page
_ADDRESS = re.compile(r"[^\s@%]+@[^\s@%]+\.[^\s@%.]+")
_DOMAIN = re.compile(r"[^\s@%_]+\.[^\s@%_.]{2,}")


@dataclass(frozen=True)
class Blocked:
    id: int
    pattern: str
    reason: str
    by_name: str
    at: datetime


def block(session: Session, who: Viewer, pattern: str, *, reason: str = "", now: datetime) -> int:
    """Blocks an address ("a@b.example") or a domain ("b.example"); the id. Twice is once.

    Raises UserError for what is neither, and for an address of our own.
    """
    clean = pattern.strip().lower().removeprefix("@").removeprefix("*.").rstrip(".")
    if len(clean) > 320 or not (_ADDRESS if "@" in clean else _DOMAIN).fullmatch(clean):
        raise UserError(N_("Write an address (a@b.example) or a domain (b.example)."), field="pattern")
    if any(_matches(clean, own) for own in _own(session)):
        raise UserError(N_("That would block an address of our own."), field="pattern")
    values = {"pattern": clean, "reason": " ".join(reason.split())[:200], "by_id": who.id, "at": now}
    made = conversations.upsert(session, Block, values, key=["pattern"], update=None)
    found = session.scalars(select(Block).where(Block.pattern == clean)).one()
    if made:
        session.execute(update(Person).where(Person.id.in_(_behind(clean))).values(blocked=True))
        people.audit(session, who, "blocked", now=now, pattern=clean)
    return found.id


def unblock(session: Session, who: Viewer, block_id: int, *, now: datetime) -> str:
    """Takes it from the list; the pattern. What was filed as spam stays there."""
    found = session.get(Block, block_id)
    if found is None:
        raise NotFound
    pattern = found.pattern
    session.delete(found)
    session.flush()
    freed = {
        one.person_id: one.address
        for one in session.scalars(select(PersonAddress).where(PersonAddress.person_id.in_(_behind(pattern))))
    }
    still = matching(session, freed.values())
    session.execute(
        update(Person)
        .where(Person.id.in_([person_id for person_id, address in freed.items() if address not in still]))
        .values(blocked=False)
    )
    people.audit(session, who, "unblocked", now=now, pattern=pattern)
    return pattern


def page(session: Session) -> tuple[Blocked, ...]:
    """All that is blocked, the newest first."""
    rows = session.execute(
        select(Block, User.name)
        .join(User, User.id == Block.by_id)
        .order_by(Block.at.desc(), Block.id.desc())
        .limit(MOST)
    )
    return tuple(Blocked(one.id, one.pattern, one.reason, name, one.at) for one, name in rows)


def matching(session: Session, addresses: Iterable[str]) -> set[str]:
    """Those of the addresses (lower case) that are blocked."""
    tails = {address: _tails(address) for address in addresses}
    asked = {tail for found in tails.values() for tail in found}
    if not asked:
        return set()
    known = set(session.scalars(select(Block.pattern).where(Block.pattern.in_(asked))))
    return {address for address, found in tails.items() if not known.isdisjoint(found)}


def sender_of(session: Session, who: Viewer, conversation_id: int) -> str:
    """The address of the customer of a conversation, or of whom its first mail came from; "" when there is none."""
    found = people.conversation(session, who, conversation_id)
    written = select(Message.from_address).where(
        Message.conversation_id == found.id, Message.direction == "in", Message.third_party.is_(False)
    )
    address = session.scalar(written.order_by(Message.at, Message.id).limit(1)) or ""
    if address.lower() in _own(session):  # a form that writes in our own name
        known = select(PersonAddress.address).where(PersonAddress.person_id == found.person_id)
        address = session.scalar(known.order_by(PersonAddress.id).limit(1)) or ""
    return address.lower()


def open_ones(session: Session, who: Viewer, pattern: str) -> tuple[int, ...]:
    """Conversations of that sender that are not finished and that `who` may see."""
    theirs = select(Conversation.id, Conversation.mailbox_id, Conversation.status).where(
        Conversation.person_id.in_(_behind(pattern))
    )
    return tuple(
        sorted(
            row.id
            for row in session.execute(theirs)
            if who.may_see(row.mailbox_id) and row.status in UNFINISHED
        )
    )


def _own(session: Session) -> set[str]:
    main, aliases = session.scalars(select(Mailbox.address)), session.scalars(select(MailboxAddress.address))
    return {address.lower() for address in (*main, *aliases)}


def _matches(pattern: str, address: str) -> bool:
    return pattern in _tails(address)


def _tails(address: str) -> set[str]:
    """All patterns that would block an address: itself, its domain, and every domain above that."""
    labels = address.rpartition("@")[2].split(".")
    return {address, *(".".join(labels[n:]) for n in range(len(labels) - 1))}


def _behind(pattern: str):  # type: ignore[no-untyped-def]
    """SELECT of the people whom a pattern is about."""
    address = PersonAddress.address
    if "@" in pattern:
        return select(PersonAddress.person_id).where(address == pattern)
    return select(PersonAddress.person_id).where(or_(address.like(f"%@{pattern}"), address.like(f"%.{pattern}")))
