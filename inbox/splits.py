"""A second matter in one conversation becomes a conversation of its own, from one message on. Joining takes it back."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import func, insert, select, update
from sqlalchemy.orm import Session

from inbox import conversations, joins, kept_deadlines, people
from inbox.errors import N_, NotFound, UserError
from inbox.joins import FACTS
from inbox.models import (
    Attachment,
    Conversation,
    ConversationTag,
    Draft,
    Event,
    Message,
    Note,
    Outgoing,
    ThreadKey,
)
from inbox.people import Viewer

PEOPLE_CHARACTERS = 200


def split(session: Session, who: Viewer, conversation_id: int, message_id: int, *, now: datetime) -> int:
    """The id of the new conversation, which begins with that message.

    Owner, status and tags are those of the old one. Notes written after that message go along, and so do answers and
    drafts that belong to what goes.
    """
    joins.lock_outgoing(session, [conversation_id])
    old = people.conversation(session, who, conversation_id, lock=True)
    every = session.scalars(
        select(Message).where(Message.conversation_id == old.id).order_by(Message.at, Message.id)
    ).all()
    start = next((n for n, one in enumerate(every) if one.id == message_id), None)
    if start is None:
        raise NotFound
    if start == 0:
        raise UserError(N_("Choose a later message: the first one stays."))
    going, readers = every[start:], conversations.readers(session, old)
    new = _begin(session, old, going, now=now)
    _take_along(session, old, new, going)
    waited = old.waiting_since
    for part in (old, new):
        _know(session, part, waited=waited)
    if waited is not None and old.waiting_since is None and new.waiting_since is None:
        old.waiting_since = waited
    for part in (old, new):
        kept_deadlines.keep(session, part, now=now)
    old.version += 1  # no answer to both of them may leave
    new.version = old.version
    session.flush()
    for part in (old, new):
        conversations.mark_read(session, part, readers)
    told = {"messages": len(going)}
    conversations.record(session, old, "split", now=now, actor_id=who.id, into=new.id, **told)
    conversations.record(session, new, "split", now=now, actor_id=who.id, from_=old.id, **told)
    session.flush()
    return new.id


def _begin(session: Session, old: Conversation, going: Sequence[Message], *, now: datetime) -> Conversation:
    first = going[0]
    writer = next((one.person_id for one in going if one.direction == "in" and not one.third_party), None)
    new = conversations.start(
        session,
        old.mailbox_id,
        now=now,
        subject=first.subject or old.subject,
        person_id=writer or old.person_id,
        at=first.at,
        status=old.status,
        owner_id=old.owner_id,
        silent=old.silent,
    )
    for name in FACTS:
        setattr(new, name, getattr(old, name))
    if new.began_at is not None and new.first_answered_at is None:  # nobody answered this matter either
        new.began_at = max(new.began_at, next((one.at for one in going if one.direction == "in"), first.at))
    session.flush()
    kept_deadlines.share_pauses(session, old, new)
    tags = select(ConversationTag.tag_id).where(ConversationTag.conversation_id == old.id)
    copied = [{"conversation_id": new.id, "tag_id": tag_id} for tag_id in session.scalars(tags)]
    if copied:
        session.execute(insert(ConversationTag), copied)
    return new


def _take_along(session: Session, old: Conversation, new: Conversation, going: Sequence[Message]) -> None:
    ids = [one.id for one in going]
    events = [
        event.id
        for event in session.scalars(select(Event).where(Event.conversation_id == old.id))
        if event.about.get("message_id") in ids
    ]
    notes = select(Note.id).where(Note.conversation_id == old.id, Note.at >= going[0].at)
    for model, chosen in (
        (Message, Message.id.in_(ids)),
        (Outgoing, Outgoing.message_id.in_(ids)),
        (Draft, Draft.answers_id.in_(ids)),
        (Note, Note.id.in_(list(session.scalars(notes)))),
        (Event, Event.id.in_(events)),
        (ThreadKey, ThreadKey.key.in_([one.key for one in going])),
    ):
        session.execute(
            update(model)
            .where(model.conversation_id == old.id, chosen)
            .values(conversation_id=new.id)
            .execution_options(synchronize_session="fetch")
        )


def _know(session: Session, part: Conversation, *, waited: datetime | None) -> None:
    """What a list shows of the part, from its own messages."""
    stands = select(Message).where(Message.conversation_id == part.id).order_by(Message.at, Message.id)
    messages = session.scalars(stands.execution_options(populate_existing=True)).all()
    last = next((one for one in reversed(messages) if not _is_automatic(one)), messages[-1])
    files = select(func.count()).select_from(Attachment)
    part.activity_at, part.last_direction = last.at, last.direction
    part.snippet = last.snippet[: conversations.SNIPPET_CHARACTERS]
    part.message_count = len(messages)
    part.attachment_count = (
        session.scalar(
            files.join(Message, Message.id == Attachment.message_id).where(
                Message.conversation_id == part.id, ~Attachment.inline
            )
        )
        or 0
    )
    part.people = _names(messages) or part.people
    part.waiting_since = _unanswered_since(messages) if waited is not None else None


def _names(messages: Sequence[Any]) -> str:
    named = [(one.from_name or one.from_address).replace(",", " ").strip() for one in messages if one.direction == "in"]
    return ", ".join(dict.fromkeys(filter(None, named)))[:PEOPLE_CHARACTERS]


def _is_automatic(one: Message) -> bool:
    return one.direction == "out" and one.kind == "auto_reply"


def _unanswered_since(messages: Sequence[Message]) -> datetime | None:
    since: datetime | None = None
    for one in messages:
        if one.direction == "out" and one.kind not in ("forward", "auto_reply"):
            since = None
        elif one.direction == "in" and one.kind in ("person", "list") and not one.third_party:
            since = since or one.at
    return since
