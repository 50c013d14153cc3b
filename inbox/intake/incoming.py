"""Mail from outside: into the conversation that it goes on with, or into a new one; what it does there depends on
who wrote it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from inbox import conversations, joins
from inbox.intake import bounces, copies, deciding, knowing
from inbox.intake.filed import Filed, Mail, message_of, name_people, remember
from inbox.intake.knowing import Knowledge
from inbox.mail import threads
from inbox.mail.facts import Kind
from inbox.models import Conversation
from inbox.models.conversations import JOINED

SILENT_OPEN = timedelta(days=30)  # first import: an unanswered mail younger than this still waits for an answer
ROBOTS = (Kind.AUTO_REPLY, Kind.FEEDBACK_REPORT, Kind.BOUNCE)


def file(session: Session, known: Knowledge, mail: Mail, *, now: datetime) -> Filed:
    """Files one mail from outside."""
    reading = mail.reading
    if reading.kind == Kind.BOUNCE:
        bounced = bounces.file(session, known, mail, now=now)
        if bounced is not None:
            return bounced
    place = deciding.place_of(known, reading, trusted=False)
    customer = knowing.customer_of(reading, known.all_addresses)
    person = known.people.get(customer[1].lower()) if customer and reading.kind != Kind.BOUNCE else None
    conversation = place.conversation
    is_new = conversation is None
    blocked = person is not None and person.blocked
    if conversation is None:
        conversation = conversations.start(
            session,
            known.mailbox_id,
            now=now,
            subject=reading.subject,
            person_id=person.id if person else None,
            at=mail.at,
            status="spam" if blocked else _first_status(mail, now=now),
            silent=mail.silent,
        )
    third_party = customer is not None and customer[1].lower() in known.third_parties.get(conversation, ())
    if is_new or not (place.unverified or third_party):
        name_people(conversation, customer)
    key = reading.content_key if known.by_key.get(reading.key) else reading.key
    message = message_of(
        mail,
        conversation,
        key=key,
        now=now,
        direction="in",
        kind=reading.kind,
        person_id=person.id if person else None,
        unverified=place.unverified,
        third_party=third_party,
        bounce=reading.bounce,
    )
    session.add(message)
    # who took no part before must not decide where later mails belong
    keys = (key,) if place.unverified else (key, *reading.names)
    answered = conversation.last_direction == "out" and mail.at < conversation.activity_at and not is_new
    conversations.add_message(session, conversation, message, now=now)
    quiet = blocked or _is_quiet(mail, is_new=is_new, unverified=place.unverified, answered=answered, now=now)
    conversations.receive(session, conversation, message, now=now, quiet=quiet, waits=not third_party)
    remember(known, mail, message, conversation, keys=keys)
    return Filed("filed", message=message, keys=keys, is_new=is_new, person_id=person.id if person else None)


def suggest_joins(
    session: Session, known: Knowledge, mails: Sequence[Mail], filed: Sequence[Filed], *, now: datetime
) -> None:
    """Offers to join a new conversation with an earlier one of the same person and subject; a person decides.

    One mail that came to two of our addresses is one matter: its conversations are joined at once.
    """
    for mail, one in zip(mails, filed, strict=True):
        if one.is_new and not mail.silent:
            copies.join(session, known, mail, one, now=now)
    new = [
        one
        for mail, one in zip(mails, filed, strict=True)
        if one.is_new and one.person_id is not None and not mail.silent and mail.reading.kind == Kind.PERSON
    ]
    if not new:
        return
    rows = session.execute(
        select(
            Conversation.person_id, Conversation.id, Conversation.subject, Conversation.status, Conversation.activity_at
        ).where(
            Conversation.mailbox_id == known.mailbox_id,
            Conversation.person_id.in_({one.person_id for one in new}),
            Conversation.activity_at > now - threads.OPEN_RECENT,
            Conversation.message_count > 0,
            Conversation.status.not_in(("spam", JOINED)),
        )
    ).all()
    for one in new:
        assert one.message is not None
        earlier = [
            threads.Candidate(row.id, row.subject, row.status != "closed", row.activity_at)
            for row in rows
            if row.person_id == one.person_id and row.id < one.message.conversation_id
        ]
        other = threads.suggest(one.message.subject, earlier, now=now)
        if other is not None:
            joins.offer(session, one.message.conversation_id, other, reason="subject", now=now)


def _first_status(mail: Mail, *, now: datetime) -> str:
    if mail.reading.kind in ROBOTS and not mail.reading.generated:
        return "closed"
    return "closed" if mail.silent and mail.at < now - SILENT_OPEN else "open"


def _is_quiet(mail: Mail, *, is_new: bool, unverified: bool, answered: bool, now: datetime) -> bool:
    """Whether a mail leaves status and waiting time as they are. `answered`: an answer later than it is known."""
    if mail.reading.kind in ROBOTS:
        return True
    if mail.reading.kind == Kind.LIST and (is_new or unverified):
        return True
    return mail.silent and (answered or mail.at < now - SILENT_OPEN)
