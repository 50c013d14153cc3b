"""What rules may know about mails: the facts of many at once, in one query, and in a few more for what rules ask."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Row, Select, func, select
from sqlalchemy.orm import Session, aliased

from inbox import working_hours
from inbox.blobs import MissingBlob, blobs
from inbox.mail import headers
from inbox.mail.languages import language_of
from inbox.mail.limits import TooComplex
from inbox.models import Attachment, Conversation, ConversationTag, Message, Person
from routing.facts import MailFacts
from routing.hours import is_open, working_minutes
from routing.words import READ

HEAD_BYTES = 200_000
ROBOTS = ("auto_reply", "feedback_report", "bounce")


@dataclass(frozen=True)
class Case:
    """A conversation with the mail in question (0: it has none that came in)."""

    conversation_id: int
    mailbox_id: int
    message_id: int
    person_id: int | None
    subject: str
    at: datetime
    waiting_since: datetime | None
    facts: MailFacts

    @property
    def key(self) -> tuple[int, int]:
        return self.conversation_id, self.message_id


def of_messages(
    session: Session, message_ids: Collection[int], *, asks: Collection[str], now: datetime, as_it_came: bool = False
) -> list[Case]:
    """The cases of these mails, in the order of their ids. `asks`: `evaluation.Compiled.asks`; what is not among them
    may stay empty.

    With `as_it_came` a mail that began its conversation finds it new (no owner, no tags), as it was then.
    """
    wanted = _wanted().join(Message, Message.conversation_id == Conversation.id).where(Message.id.in_(message_ids))
    return _cases(session, session.execute(wanted).all(), asks=asks, now=now, as_it_came=as_it_came)


def of_conversations(
    session: Session, conversation_ids: Collection[int], *, asks: Collection[str], now: datetime
) -> list[Case]:
    """The cases of these conversations with their last mail that came in."""
    newer = aliased(Message)
    last = (
        select(func.max(newer.id))
        .where(newer.conversation_id == Conversation.id, newer.direction == "in")
        .correlate(Conversation)
        .scalar_subquery()
    )
    wanted = _wanted().outerjoin(Message, Message.id == last).where(Conversation.id.in_(conversation_ids))
    return _cases(session, session.execute(wanted).all(), asks=asks, now=now, as_it_came=False)


def _wanted() -> Select[Any]:
    return (
        select(
            Conversation.id.label("conversation_id"),
            Conversation.mailbox_id,
            Conversation.person_id,
            Conversation.subject.label("conversation_subject"),
            Conversation.owner_id,
            Conversation.team_id,
            Conversation.status,
            Conversation.priority,
            Conversation.waiting_since,
            Conversation.created_at,
            Message.id,
            Message.at,
            Message.kind,
            Message.from_address,
            Message.from_name,
            Message.to,
            Message.cc,
            Message.subject,
            func.substr(Message.new_text, 1, READ).label("words"),
            Message.size,
            Message.raw_sha256,
            Person.name.label("person_name"),
            Person.company,
            Person.tier,
            Person.phase,
        )
        .select_from(Conversation)
        .outerjoin(Person, Person.id == Conversation.person_id)
        .order_by(Conversation.id)
    )


def _cases(
    session: Session, rows: Sequence[Row[Any]], *, asks: Collection[str], now: datetime, as_it_came: bool
) -> list[Case]:
    more = _More(session, rows, asks, as_it_came=as_it_came)
    return sorted((_case(row, more, now=now) for row in rows), key=lambda one: (one.message_id, one.conversation_id))


def _case(row: Row[Any], more: _More, *, now: datetime) -> Case:
    at = row.at or row.created_at
    new = more.as_it_came and row.id is not None and more.number.get(row.id) == 1
    calendar = more.calendars[row.mailbox_id]
    local = at.astimezone(ZoneInfo(calendar.zone))
    waiting_since = (None if row.kind in ROBOTS else at) if new else row.waiting_since
    names = more.files.get(row.id, ())
    facts = MailFacts(
        sender_address=(row.from_address or "").lower(),
        sender_name=row.from_name or "",
        sender_domain=(row.from_address or "").rpartition("@")[2].lower(),
        customer_id=row.person_id,
        customer_name=row.person_name or "",
        customer_company=row.company or "",
        customer_tier=row.tier or "",
        customer_phase=row.phase or "",
        first_contact=more.first.get(row.id),
        recipient_addresses=tuple(str(one[1]).lower() for one in (*(row.to or ()), *(row.cc or ())) if one[1]),
        mailbox_id=row.mailbox_id,
        subject=row.conversation_subject if row.id is None else row.subject,
        words=row.words or "",
        language=language_of(row.words or row.subject or "") if more.asks("language") else "",
        attachment_names=tuple(name for name, _kind in names),
        attachment_types=tuple(kind for _name, kind in names),
        attachment_count=len(names),
        size=row.size or 0,
        kind=row.kind or "person",
        headers=more.headers.get(row.id, ()),
        in_hours=is_open(calendar, at),
        local_time=local.time().replace(microsecond=0),
        weekday=local.isoweekday(),
        tags=frozenset() if new else more.tags.get(row.conversation_id, frozenset()),
        owner_id=None if new else row.owner_id,
        previous_owner_id=more.previous.get(row.conversation_id),
        team_id=None if new else row.team_id,
        status=("closed" if row.kind in ROBOTS else "open") if new else row.status,
        priority="normal" if new else row.priority,
        minutes_waited=None if waiting_since is None else working_minutes(calendar, waiting_since, at if new else now),
        message_count=more.number.get(row.id, 1),
    )
    return Case(
        row.conversation_id, row.mailbox_id, row.id or 0, row.person_id, facts.subject, at, row.waiting_since, facts
    )


class _More:
    """What only some rules ask for, read for all mails at once."""

    def __init__(self, session: Session, rows: Sequence[Row[Any]], asks: Collection[str], *, as_it_came: bool) -> None:
        self.session, self.rows, self._asks, self.as_it_came = session, rows, asks, as_it_came
        self.ids = [row.id for row in rows if row.id is not None]
        self.conversation_ids = sorted({row.conversation_id for row in rows})
        self.calendars = {one: working_hours.calendar_of(session, one) for one in {row.mailbox_id for row in rows}}
        self.files = self._files() if self.asks("attachment_names", "attachment_types", "attachment_count") else {}
        self.tags = self._tags() if self.asks("tags") else {}
        self.first = self._first() if self.asks("first_contact") else {}
        self.number = self._number() if as_it_came or self.asks("message_count") else {}
        self.previous = self._previous() if self.asks("previous_owner_id") else {}
        self.headers = {row.id: _headers(row.raw_sha256) for row in rows if row.id} if self.asks("headers") else {}

    def asks(self, *fields: str) -> bool:
        return any(one in self._asks for one in fields)

    def _files(self) -> dict[int, tuple[tuple[str, str], ...]]:
        found: dict[int, list[tuple[str, str]]] = {}
        wanted = select(Attachment.message_id, Attachment.name, Attachment.content_type).where(
            Attachment.message_id.in_(self.ids), Attachment.inline.is_(False)
        )
        for message_id, name, kind in self.session.execute(wanted.order_by(Attachment.position)):
            found.setdefault(message_id, []).append((name, kind))
        return {message_id: tuple(names) for message_id, names in found.items()}

    def _tags(self) -> dict[int, frozenset[int]]:
        found: dict[int, set[int]] = {}
        wanted = select(ConversationTag.conversation_id, ConversationTag.tag_id).where(
            ConversationTag.conversation_id.in_(self.conversation_ids)
        )
        for conversation_id, tag_id in self.session.execute(wanted):
            found.setdefault(conversation_id, set()).add(tag_id)
        return {conversation_id: frozenset(tags) for conversation_id, tags in found.items()}

    def _first(self) -> dict[int, bool]:
        """Whether no earlier mail of that customer came in."""
        mine, earlier, theirs = aliased(Message), aliased(Message), aliased(Conversation)
        before = (
            select(earlier.id)
            .join(theirs, theirs.id == earlier.conversation_id)
            .where(theirs.person_id == Conversation.person_id, earlier.direction == "in", earlier.id < mine.id)
            .exists()
        )
        wanted = select(mine.id, before).join(Conversation, Conversation.id == mine.conversation_id)
        return {one: not known for one, known in self.session.execute(wanted.where(mine.id.in_(self.ids)))}

    def _number(self) -> dict[int, int]:
        """The how-manieth message of its conversation each is."""
        mine, earlier = aliased(Message), aliased(Message)
        count = (
            select(func.count())
            .where(earlier.conversation_id == mine.conversation_id, earlier.id <= mine.id)
            .correlate(mine)
            .scalar_subquery()
        )
        return dict(self.session.execute(select(mine.id, count).where(mine.id.in_(self.ids))).all())

    def _previous(self) -> dict[int, int]:
        """Who owns the conversation, else who last owned another one of the customer."""
        found = {row.conversation_id: row.owner_id for row in self.rows if row.owner_id}
        others = last_owners(self.session, {row.person_id for row in self.rows if row.person_id})
        for row in self.rows:
            if row.conversation_id not in found and row.person_id in others:
                found[row.conversation_id] = others[row.person_id]
        return found


def last_owners(session: Session, person_ids: Iterable[int]) -> dict[int, int]:
    """Who owns the newest conversation of each of these customers that has an owner."""
    newest_first = (Conversation.activity_at.desc(), Conversation.id.desc())
    newest = (
        select(
            Conversation.person_id,
            Conversation.owner_id,
            func.row_number().over(partition_by=Conversation.person_id, order_by=newest_first).label("place"),
        )
        .where(Conversation.person_id.in_(set(person_ids)), Conversation.owner_id.is_not(None))
        .subquery()
    )
    rows = session.execute(select(newest.c.person_id, newest.c.owner_id).where(newest.c.place == 1))
    return dict(rows.all())


def last_owner_of_company(session: Session, person_id: int) -> int | None:
    """Who owns the newest conversation of anybody of this customer's company."""
    company = session.scalar(select(Person.company).where(Person.id == person_id))
    if not company:
        return None
    colleagues = select(Person.id).where(Person.company == company)
    return session.scalar(
        select(Conversation.owner_id)
        .where(Conversation.person_id.in_(colleagues), Conversation.owner_id.is_not(None))
        .order_by(Conversation.activity_at.desc(), Conversation.id.desc())
        .limit(1)
    )


def _headers(sha256: str) -> tuple[tuple[str, str], ...]:
    try:
        data = blobs().get(sha256)[:HEAD_BYTES]
        block = headers.split(data, 0, len(data))
    except (MissingBlob, OSError, TooComplex):
        return ()
    return tuple((name, headers.one_line(headers.decode_words(headers.to_text(raw)))) for name, raw in block.fields)
