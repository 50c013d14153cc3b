"""Mail of our own that is seen again, and answers that colleagues sent from another program."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from inbox import conversations, kept_deadlines, outbox
from inbox.intake import deciding, knowing
from inbox.intake.filed import Filed, Mail, message_of, name_people, remember
from inbox.intake.knowing import Knowledge, Stored
from inbox.mail.facts import Kind
from inbox.models import Conversation, Message, Outgoing

AFTER_ELSEWHERE = "waiting"  # an answer from another program: now the customer has the word
AFTER_OLD = "closed"  # the same, found by the first import


def seen_again(session: Session, known: Knowledge, mail: Mail, *, now: datetime) -> Filed | None:
    """What we have already: our own mail coming back, or another copy of a filed one. None for a mail that is new."""
    reading = mail.reading
    outgoing = known.outgoing.get(reading.key)
    if outgoing is not None and _is_our_words(session, mail, outgoing):
        if outgoing.state in ("uncertain", "queued", "held"):
            session.flush()
            outbox.found_elsewhere(session, outgoing.key, now=now)
        return Filed("own", known_id=outgoing.message_id)
    stored = known.by_hash.get(mail.sha256)
    if stored is None:
        candidates = [*known.by_key.get(reading.key, ()), *known.by_key.get(reading.content_key, ())]
        for one in candidates:
            knowing.complete(session, one)
        stored = deciding.copy_of(candidates, reading)
    if stored is None:
        return None
    if stored.direction == "out" and stored.kind != "elsewhere":
        return Filed("own", known=stored)
    if mail.is_sent and stored.direction == "in":
        _was_ours(session, known, mail, stored, now=now)
    return Filed("known", known=stored)


def settle_named(session: Session, known: Knowledge, mail: Mail, *, now: datetime) -> None:
    """Whoever answers a mail of ours has got it: one whose sending was uncertain is settled."""
    for key in mail.reading.names:
        outgoing = known.outgoing.get(key)
        if outgoing is not None and outgoing.state == "uncertain":
            session.flush()
            outbox.found_elsewhere(session, outgoing.key, now=now)


def sent_elsewhere(session: Session, known: Knowledge, mail: Mail, *, now: datetime) -> Filed:
    """A mail in our Sent folder that did not leave from here: from Outlook or a phone. It counts as the answer."""
    reading = mail.reading
    place = deciding.place_of(known, reading, trusted=True)
    conversation, is_new = place.conversation, place.conversation is None
    to = knowing.other_side(reading, known.own_addresses)
    person = known.people.get(to[1].lower()) if to else None
    if conversation is None:
        conversation = conversations.start(
            session,
            known.mailbox_id,
            now=now,
            subject=reading.subject,
            person_id=person.id if person else None,
            at=mail.at,
            status="closed",
            silent=mail.silent,
        )
        name_people(conversation, to)
    key = reading.content_key if known.by_key.get(reading.key) else reading.key
    message = message_of(mail, conversation, key=key, now=now, direction="out", kind="elsewhere")
    session.add(message)
    keys = (key, *reading.names)
    after = conversation.message_count and conversation.last_direction == "in" and conversation.activity_at > mail.at
    conversations.add_message(session, conversation, message, now=now)
    remember(known, mail, message, conversation, keys=keys)
    conversation.version += 1
    if not is_new and reading.kind in (Kind.PERSON, Kind.LIST):
        _counts_as_answer(session, conversation, mail, customer_wrote_after=bool(after))
    conversations.record(session, conversation, "elsewhere", now=now, message=message)
    return Filed("filed", message=message, keys=keys, is_new=is_new)


def _counts_as_answer(session: Session, conversation: Conversation, mail: Mail, *, customer_wrote_after: bool) -> None:
    if customer_wrote_after:
        if conversation.waiting_since is not None:
            kept_deadlines.note_answer(conversation, mail.at)
            conversation.waiting_since = _oldest_after(session, conversation, mail.at)
            kept_deadlines.keep(session, conversation, now=mail.at)
        return
    status = None
    if conversation.status in ("open", "snoozed"):
        status = AFTER_OLD if mail.silent else AFTER_ELSEWHERE
    conversations.answered(session, conversation, status=status, at=mail.at)


def _oldest_after(session: Session, conversation: Conversation, at: datetime) -> datetime | None:
    """Arrival of the first customer's mail that came after that moment."""
    session.flush()
    return session.scalar(
        select(func.min(Message.at)).where(
            Message.conversation_id == conversation.id,
            Message.direction == "in",
            Message.kind.in_((Kind.PERSON, Kind.LIST)),
            Message.at > at,
        )
    )


def _was_ours(session: Session, known: Knowledge, mail: Mail, stored: Stored, *, now: datetime) -> None:
    """A mail filed from the inbox (a Cc to ourselves) turns out to be a colleague's answer: the Sent folder has it
    too."""
    message = stored.row or session.get(Message, stored.message_id)
    conversation = known.conversation(stored.conversation)
    if message is None or conversation is None or message.from_address.lower() not in known.all_addresses:
        return
    message.direction = stored.direction = "out"
    message.kind = stored.kind = "elsewhere"
    if conversation.activity_at == message.at:
        conversation.last_direction = "out"
    _counts_as_answer(session, conversation, mail, customer_wrote_after=conversation.activity_at > message.at)
    conversations.record(session, conversation, "elsewhere", now=now, message=message)


def _is_our_words(session: Session, mail: Mail, outgoing: Outgoing) -> bool:
    """Whether a mail with one of our Message-IDs is what we sent: everybody whom we wrote to knows the id."""
    if mail.is_sent or mail.sha256 == outgoing.raw_sha256:
        return True
    if outgoing.message_id is None:
        return mail.reading.subject == outgoing.subject
    said = session.scalar(select(Message.text).where(Message.id == outgoing.message_id)) or ""
    return said.split() == mail.reading.text.split()
