"""Conversations that have to do with each other without being one matter: linked, seen from both sides."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import bindparam, delete, or_, select
from sqlalchemy.orm import Session

from inbox import conversations, db, joins, people
from inbox.errors import N_, NotFound, UserError
from inbox.models import Conversation, ConversationLink, Mailbox
from inbox.models.conversations import JOINED
from inbox.people import Viewer


@dataclass(frozen=True)
class Linked:
    id: int
    subject: str
    people: str
    status: str
    mailbox_name: str
    colour: str
    activity_at: datetime


def link(session: Session, who: Viewer, conversation_id: int, other_id: int, *, now: datetime) -> None:
    """Raises NotFound for what `who` may not see. Twice is once."""
    if conversation_id == other_id:
        raise UserError(N_("These are the same conversation."), field="other")
    here, there = (people.conversation(session, who, one) for one in (conversation_id, other_id))
    one_id, last_id = sorted((here.id, there.id))
    made = conversations.upsert(
        session,
        ConversationLink,
        {"one_id": one_id, "other_id": last_id, "by_id": who.id, "at": now},
        key=["one_id", "other_id"],
        update=None,
    )
    if made:
        for one, other in ((here, there), (there, here)):
            conversations.record(session, one, "linked", now=now, actor_id=who.id, other=other.id)


def unlink(session: Session, who: Viewer, conversation_id: int, other_id: int, *, now: datetime) -> None:
    here = people.conversation(session, who, conversation_id)
    pair = sorted((conversation_id, other_id))
    gone = session.execute(
        delete(ConversationLink).where(ConversationLink.one_id == pair[0], ConversationLink.other_id == pair[1])
    )
    if not gone.rowcount:
        raise NotFound
    conversations.record(session, here, "unlinked", now=now, actor_id=who.id, other=other_id)
    there = session.get(Conversation, joins.gone_on(session, other_id))
    if there is not None:
        conversations.record(session, there, "unlinked", now=now, actor_id=who.id, other=conversation_id)


def of(session: Session, who: Viewer, conversation_id: int) -> tuple[Linked, ...]:
    """Those that `who` may see, the newest first. One query."""
    rows = db.rows(session, _LINKED, {"id": conversation_id})
    return tuple(
        Linked(row.id, row.subject, row.people, row.status, row.mailbox_name, row.colour, row.activity_at)
        for row in rows
        if who.may_see(row.mailbox_id)
    )


_ID = bindparam("id")
_LINKED = (
    select(
        Conversation.id,
        Conversation.mailbox_id,
        Conversation.subject,
        Conversation.people,
        Conversation.status,
        Conversation.activity_at,
        Mailbox.name.label("mailbox_name"),
        Mailbox.colour,
    )
    .join(
        ConversationLink,
        or_(
            (ConversationLink.one_id == _ID) & (Conversation.id == ConversationLink.other_id),
            (ConversationLink.other_id == _ID) & (Conversation.id == ConversationLink.one_id),
        ),
    )
    .join(Mailbox, Mailbox.id == Conversation.mailbox_id)
    .where(Conversation.status != JOINED)
    .order_by(Conversation.activity_at.desc(), Conversation.id.desc())
    .limit(50)
)
