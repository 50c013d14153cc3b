"""A correspondent as the team sees one: addresses, conversations, since when. Only from mailboxes the viewer sees."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import bindparam, case, func, literal_column, select, true
from sqlalchemy.orm import InstrumentedAttribute, Session, aliased

from inbox import conversations, db, kept_deadlines, people
from inbox.errors import N_, NotFound, UserError
from inbox.models import Conversation, Mailbox, Message, Person, PersonAddress
from inbox.models.conversations import JOINED
from inbox.people import Viewer
from routing.words import folded

OTHERS = 10
COUNTED = 1_000  # more conversations than these are not counted
LONGEST = {"name": 200, "company": 200, "tier": 40, "phase": 40}  # characters of one line
LONGEST_NOTE = 20_000  # characters
MOST_IN_USE = 100  # tiers, and phases, that forms offer


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
    tier: str
    phase: str
    note: str
    blocked: bool
    first_seen: datetime | None  # the oldest mail that the viewer may see
    addresses: tuple[ProfileAddress, ...]
    conversations: int
    open: int
    others: tuple[OtherConversation, ...]


def profile(
    session: Session,
    who: Viewer,
    person_id: int,
    *,
    but_conversation_id: int = 0,
    addresses: tuple[ProfileAddress, ...] | None = None,
) -> Profile:
    """Raises NotFound for a person with no conversation that `who` may see. One query, and one for `addresses` where
    they were not read yet.
    """
    given = {"person": person_id, "mailboxes": who.mailbox_ids}
    others = db.rows(session, _OTHERS, given)
    if not others:
        raise NotFound
    person = others[0]
    if addresses is None:
        addresses = tuple(address(one.address, one.suspended) for one in db.rows(session, ADDRESSES, given))
    return Profile(
        id=person_id,
        name=person.name,
        company=person.company,
        tier=person.tier,
        phase=person.phase,
        note=person.note,
        blocked=person.blocked,
        first_seen=person.first_seen,
        addresses=addresses,
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


def address(text: str, suspended: str | None) -> ProfileAddress:
    """`suspended`: for which reason; None while it works."""
    return ProfileAddress(text, suspended is not None, suspended or "")


def of_conversation(session: Session, who: Viewer, conversation_id: int) -> Profile:
    """The customer of a conversation. Raises NotFound, also when it has none."""
    found = people.conversation(session, who, conversation_id)
    if found.person_id is None:
        raise NotFound
    return profile(session, who, found.person_id, but_conversation_id=found.id)


def change(
    session: Session,
    who: Viewer,
    conversation_id: int,
    *,
    name: str,
    company: str,
    tier: str,
    phase: str,
    note: str,
    now: datetime,
) -> None:
    """What the team writes down about the customer of a conversation; names become one line, cut to LONGEST.

    Another tier may bring another deadline policy: the open conversations of the customer follow at once. Raises
    NotFound, and UserError for a note that is too long.
    """
    here = people.conversation(session, who, conversation_id)
    if here.person_id is None:
        raise NotFound
    person = session.get_one(Person, here.person_id)
    typed = {"name": name, "company": company, "tier": tier, "phase": phase}
    written = {field: clean(field, text) for field, text in typed.items()}
    written["note"] = note.replace("\0", "").replace("\r\n", "\n").strip()
    if len(written["note"]) > LONGEST_NOTE:
        raise UserError(N_("The note is too long."), field="note")
    changed = {field: text for field, text in written.items() if text != getattr(person, field)}
    if not changed:
        return
    for field, text in changed.items():
        setattr(person, field, text)
    session.flush()
    concerned = {here.id: here}
    if "tier" in changed:
        found = kept_deadlines.customer_changed(session, person.id, besides=(here.id,), now=now)
        concerned |= {one.id: one for one in found}
    told = {field: "" if field == "note" else text for field, text in changed.items()}
    with conversations.together(session):
        for _id, one in sorted(concerned.items()):
            conversations.record(session, one, "customer", now=now, actor_id=who.id, customer=told)


def tiers(session: Session) -> tuple[str, ...]:
    """The tiers that customers have, by name."""
    return tuple(row.name for row in db.rows(session, TIERS))


def phases(session: Session) -> tuple[str, ...]:
    """The phases in which customers are, by name."""
    return tuple(row.name for row in db.rows(session, PHASES))


def spelt_so(in_use: Iterable[str], typed: str) -> tuple[str, ...]:
    """What was typed, and whatever else among `in_use` is the same to rules: width, case and kana do not count."""
    sought = folded(typed)
    return (typed, *(one for one in in_use if one != typed and folded(one) == sought))


def clean(field: str, typed: str) -> str:
    """A name, company, tier or phase as it is stored: one line, cut to LONGEST."""
    return " ".join(typed.replace("\0", "").split())[: LONGEST[field]].rstrip()


def _in_use(column: InstrumentedAttribute[str]):  # type: ignore[no-untyped-def]
    """SELECT of the different values of a column: one look into its index for each, however many people have it."""
    # as literals: the index knows no empty values, and only what is written out can be seen to ask for none
    filled = column != literal_column("''")
    used = select(func.min(column).label("name")).where(filled).cte(f"used_{column.key}", recursive=True)
    step = aliased(used)
    following = select(func.min(column)).where(filled, column > step.c.name).correlate(step).scalar_subquery()
    used = used.union_all(select(following).where(step.c.name.is_not(None)))
    return select(used.c.name).where(used.c.name.is_not(None)).limit(MOST_IN_USE)


_SEEN = (
    Conversation.person_id == bindparam("person"),
    # "+ 0": without statistics SQLite would read a whole mailbox by its index instead of one person's conversations
    db.one_of(Conversation.mailbox_id + 0, "mailboxes"),
    Conversation.status != JOINED,
)
_BEGAN = select(func.min(Message.at)).where(Message.conversation_id == Conversation.id).scalar_subquery()
_EVERY = select(Conversation.status, _BEGAN.label("began")).where(*_SEEN).limit(COUNTED).subquery()
_COUNTS = select(
    func.count().label("every"),
    func.count(case((_EVERY.c.status == "open", 1))).label("open"),
    func.min(_EVERY.c.began).label("first_seen"),  # a person's own row is no older than the import of their mail
).subquery()
ADDRESSES = (
    select(
        PersonAddress.id,
        PersonAddress.address,
        case((PersonAddress.suspended_at.is_not(None), PersonAddress.suspended_reason)).label("suspended"),
    )
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
        Person.tier,
        Person.phase,
        Person.note,
        Person.blocked,
        _COUNTS.c.every,
        _COUNTS.c.open,
        _COUNTS.c.first_seen,
    )
    .join(Mailbox, Mailbox.id == Conversation.mailbox_id)
    .join(Person, Person.id == Conversation.person_id)
    .join(_COUNTS, true())
    .where(*_SEEN)
    .order_by(Conversation.activity_at.desc())
    .limit(OTHERS + 1)
)
TIERS, PHASES = _in_use(Person.tier), _in_use(Person.phase)
