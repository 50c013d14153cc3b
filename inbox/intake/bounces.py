"""A mail that came back: it goes to the answer that it belongs to, and an answer that did not arrive is open again."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from inbox import conversations, outbox
from inbox.intake.filed import Filed, Mail, message_of, remember
from inbox.intake.knowing import Knowledge, Stored
from inbox.models import Conversation, Outgoing, PersonAddress

LATELY = timedelta(days=7)  # a bounce that names no mail of ours belongs to what we sent to that address since then
LOOKED_AT = 500  # of the latest mails
GONE = ("userunknown", "hostunknown", "hasmoved", "suspend", "notaccept")  # nothing will ever arrive there


def file(session: Session, known: Knowledge, mail: Mail, *, now: datetime) -> Filed | None:
    """Attaches a bounce to the mail of ours that it belongs to; None when it belongs to none."""
    outgoing = _outgoing(session, known, mail)
    told = mail.reading.bounce or {}
    if outgoing is not None:
        conversation = known.conversations.get(outgoing.conversation_id or 0) or _conversation(session, known, outgoing)
        answers = outgoing.message_id
    else:
        stored = _elsewhere(known, told)
        conversation = known.conversation(stored.conversation) if stored else None
        answers = (stored.row.id if stored.row else stored.message_id) if stored else None
    if conversation is None or conversation.mailbox_id != known.mailbox_id:
        return None
    reading = mail.reading
    key = reading.content_key if known.by_key.get(reading.key) else reading.key
    message = message_of(
        mail, conversation, key=key, now=now, direction="in", kind=reading.kind, bounce=told, answers_id=answers
    )
    session.add(message)
    conversations.add_message(session, conversation, message, now=now)
    conversations.receive(session, conversation, message, now=now, quiet=True)
    remember(known, mail, message, conversation, keys=(key,))
    if outgoing is not None and outgoing.state == "uncertain":
        session.flush()
        outbox.found_elsewhere(session, outgoing.key, now=now)
    _mark(session, outgoing, told, now=now)
    if outgoing is not None and not outbox.KINDS[outgoing.kind].owed:
        return Filed("filed", message=message, keys=(key,))
    if told.get("permanent") is not False:
        conversations.come_back(
            session,
            conversation,
            waiting_since=_since(conversation, outgoing),
            answered_at=outgoing.created_at if outgoing is not None else None,
            trouble="bounced",
            now=now,
        )
    conversations.record(
        session,
        conversation,
        "bounced",
        now=now,
        message=message,
        **{name: told.get(name) for name in ("recipients", "permanent", "status", "reason")},
    )
    return Filed("filed", message=message, keys=(key,))


def _outgoing(session: Session, known: Knowledge, mail: Mail) -> Outgoing | None:
    told = mail.reading.bounce or {}
    for key in (told.get("original", ""), *mail.reading.names):
        if key and key in known.outgoing:
            return known.outgoing[key]
    addresses = {one.lower() for one in told.get("recipients", ())}
    if told.get("original") or not addresses:
        return None  # it names a mail, and that is not ours
    lately = session.scalars(
        select(Outgoing)
        .where(
            Outgoing.mailbox_id == known.mailbox_id,
            Outgoing.state.in_(("sent", "uncertain")),
            Outgoing.created_at > mail.at - LATELY,
            Outgoing.created_at <= mail.at,
        )
        .order_by(Outgoing.id.desc())
        .limit(LOOKED_AT)
    )
    return next((one for one in lately if addresses & {to["address"].lower() for to in one.recipients}), None)


def _conversation(session: Session, known: Knowledge, outgoing: Outgoing) -> Conversation | None:
    if outgoing.conversation_id is None:
        return None
    found = session.get(Conversation, outgoing.conversation_id, with_for_update=True)
    if found is not None:
        known.conversations[found.id] = found
    return found


def _elsewhere(known: Knowledge, told: dict[str, Any]) -> Stored | None:
    return next((one for one in known.by_key.get(told.get("original", ""), ()) if one.direction == "out"), None)


def _mark(session: Session, outgoing: Outgoing | None, told: dict[str, Any], *, now: datetime) -> None:
    """Notes at the recipients of the mail, and at the address itself if nothing can arrive there any more."""
    bounced = {one.lower() for one in told.get("recipients", ())}
    permanent = told.get("permanent") is not False
    if outgoing is not None and permanent:
        all_of_them = not bounced and len(outgoing.recipients) == 1
        outgoing.recipients = [
            one | {"state": "bounced", "text": told.get("diagnostic", "")}
            if all_of_them or one["address"].lower() in bounced
            else one
            for one in outgoing.recipients
        ]
    ours = {one["address"].lower() for one in outgoing.recipients} if outgoing is not None else set()
    if told.get("permanent") is True and told.get("reason") in GONE and bounced & ours:
        session.execute(
            update(PersonAddress)
            .where(PersonAddress.address.in_(bounced & ours))
            .values(suspended_at=now, suspended_reason=told.get("diagnostic", "")[:500])
            .execution_options(synchronize_session=False)
        )


def _since(conversation: Conversation, outgoing: Outgoing | None) -> datetime | None:
    """Since when the customer waits if our answer does not count."""
    then = outgoing.before.get("waiting_since") if outgoing is not None else None
    since = [datetime.fromisoformat(then)] if then else []
    if conversation.waiting_since is not None:
        since.append(conversation.waiting_since)
    return min(since, default=None)
