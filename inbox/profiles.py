"""A correspondent as the team sees one: addresses, conversations, since when. Only from mailboxes the viewer sees."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import bindparam, func, select
from sqlalchemy.orm import Session

from inbox import db
from inbox.errors import NotFound
from inbox.models import Conversation, Mailbox, Person, PersonAddress
from inbox.models.conversations import JOINED
from inbox.people import Viewer

OTHERS = 10
COUNTED = 1_000  # more conversations than these are not counted


@dataclass(frozen=True)
class ProfileAddress:
    address: str
    suspended: bool  # a permanent bounce came back from here
    suspended_reason: str


@dataclass(frozen=True)
class OtherConversation:
    id: int
    mailbox_name: str
    colour: str
    subject: str
    status: str
    activity_at: datetime
    message_count: int


@dataclass(frozen=True)
class Profile:
    """`conversations` counts those that the viewer may see, up to COUNTED; `others` are the newest of them but one."""

    id: int
    name: str
    company: str
    note: str
    blocked: bool
    first_seen: datetime
    addresses: tuple[ProfileAddress, ...]
    conversations: int
    open: int
    others: tuple[OtherConversation, ...]


def profile(session: Session, who: Viewer, person_id: int, *, but_conversation_id: int = 0) -> Profile:
    """Raises NotFound for a person with no conversation that `who` may see. Two queries."""
    given = {"person": person_id, "mailboxes": who.mailbox_ids}
    others = db.rows(session, _OTHERS, given)
    if not others:
        raise NotFound
    person = others[0]
    addresses = db.rows(session, _ADDRESSES, {"person": person_id})
    return Profile(
        id=person_id,
        name=person.name,
        company=person.company,
        note=person.note,
        blocked=person.blocked,
        first_seen=person.first_seen,
        addresses=tuple(ProfileAddress(a.address, a.suspended_at is not None, a.suspended_reason) for a in addresses),
        conversations=others[0].every,
        open=others[0].open,
        others=tuple(
            OtherConversation(
                id=row.id,
                mailbox_name=row.mailbox_name,
                colour=row.colour,
                subject=row.subject,
                status=row.status,
                activity_at=row.activity_at,
                message_count=row.message_count,
            )
            for row in others
            if row.id != but_conversation_id
        )[:OTHERS],
    )


def change(session: Session, who: Viewer, person_id: int, *, name: str, company: str, note: str, blocked: bool) -> None:
    """What the team writes down about a person. Raises NotFound like `profile`."""
    profile(session, who, person_id)
    person = session.get_one(Person, person_id)
    person.name, person.company = " ".join(name.split())[:200], " ".join(company.split())[:200]
    person.note, person.blocked = note.strip()[:20_000], blocked
    session.flush()


_SEEN = (
    Conversation.person_id == bindparam("person"),
    # "+ 0": without statistics SQLite would read a whole mailbox by its index instead of one person's conversations
    (Conversation.mailbox_id + 0).in_(bindparam("mailboxes", expanding=True)),
    Conversation.status != JOINED,
)
_EVERY = select(Conversation.id, Conversation.status).where(*_SEEN).limit(COUNTED).subquery()
_ADDRESSES = (
    select(PersonAddress.address, PersonAddress.suspended_at, PersonAddress.suspended_reason)
    .where(PersonAddress.person_id == bindparam("person"))
    .order_by(PersonAddress.id)
    .limit(50)
)
_OTHERS = (
    select(
        Conversation.id,
        Conversation.subject,
        Conversation.status,
        Conversation.activity_at,
        Conversation.message_count,
        Mailbox.name.label("mailbox_name"),
        Mailbox.colour,
        Person.name,
        Person.company,
        Person.note,
        Person.blocked,
        Person.created_at.label("first_seen"),
        select(func.count()).select_from(_EVERY).scalar_subquery().label("every"),
        select(func.count()).select_from(_EVERY).where(_EVERY.c.status == "open").scalar_subquery().label("open"),
    )
    .join(Mailbox, Mailbox.id == Conversation.mailbox_id)
    .join(Person, Person.id == Conversation.person_id)
    .where(*_SEEN)
    .order_by(Conversation.activity_at.desc())
    .limit(OTHERS + 1)
)
