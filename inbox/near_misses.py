"""Second replies that were stopped: who wrote, where, by which way, and what had arrived meanwhile. For managers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from inbox import conversations, people
from inbox.errors import StaleReply
from inbox.models import Conversation, Draft, Mailbox, Message, NearMiss, User
from inbox.people import Viewer

SHOWN_DAYS = timedelta(days=30)
KEPT = timedelta(days=400)
MOST = 500  # rows of the page
ARRIVALS = 5  # of one near miss


@dataclass(frozen=True)
class Arrival:
    """A mail that its author had not seen. `direction`: in, or out for a colleague's answer."""

    direction: str
    who: str
    at: datetime
    snippet: str


@dataclass(frozen=True)
class NearMissRow:
    """`way`: web, later (a sending by the clock), approval (its release). `holder`: who was writing just then."""

    at: datetime
    conversation_id: int
    subject: str
    mailbox_name: str
    colour: str
    author_id: int
    author_name: str
    way: str
    reason: str  # stale, claimed
    holder: str
    arrived: tuple[Arrival, ...]


def record(session: Session, draft: Draft, error: StaleReply, *, way: str, actor_id: int | None, now: datetime) -> None:
    """Keeps what was stopped, in the history of the conversation too."""
    if draft.conversation_id is None:
        return
    conversation = session.get_one(Conversation, draft.conversation_id)
    session.add(
        NearMiss(
            at=now,
            mailbox_id=draft.mailbox_id,
            conversation_id=conversation.id,
            draft_id=draft.id,
            author_id=draft.author_id,
            way=way,
            reason=error.reason,
            holder=str(error.params.get("name", ""))[:100],
            arrived=_arrived(session, draft, conversation.version - error.seen),
        )
    )
    conversations.record(session, conversation, "refused", now=now, actor_id=actor_id, draft_id=draft.id, way=way)


def page(session: Session, who: Viewer, *, now: datetime) -> tuple[NearMissRow, ...]:
    """Those of the last thirty days in the mailboxes of a manager, newest first."""
    people.must_be(who, "manager")
    wanted = (
        select(NearMiss, Conversation.subject, Mailbox.name, Mailbox.colour, User.name)
        .join(Conversation, Conversation.id == NearMiss.conversation_id)
        .join(Mailbox, Mailbox.id == NearMiss.mailbox_id)
        .join(User, User.id == NearMiss.author_id)
        .where(NearMiss.at >= now - SHOWN_DAYS, NearMiss.mailbox_id.in_(who.mailbox_ids))
        .order_by(NearMiss.at.desc(), NearMiss.id.desc())
        .limit(MOST)
    )
    return tuple(
        NearMissRow(
            at=one.at,
            conversation_id=one.conversation_id,
            subject=subject,
            mailbox_name=mailbox,
            colour=colour,
            author_id=one.author_id,
            author_name=author,
            way=one.way,
            reason=one.reason,
            holder=one.holder,
            arrived=tuple(
                Arrival(each["direction"], each["who"], datetime.fromisoformat(each["at"]), each["snippet"])
                for each in one.arrived
            ),
        )
        for one, subject, mailbox, colour, author in session.execute(wanted)
    )


def forget_old(session: Session, *, now: datetime) -> int:
    """Deletes what is older than a year; called by the clock. How many."""
    return session.execute(delete(NearMiss).where(NearMiss.at < now - KEPT)).rowcount


def _arrived(session: Session, draft: Draft, count: int) -> list[dict[str, str]]:
    """The latest `count` messages, oldest first: what its author had not seen."""
    if count <= 0:
        return []
    latest = (
        select(Message, User.name)
        .outerjoin(User, User.id == Message.author_id)
        .where(Message.conversation_id == draft.conversation_id, ~conversations.AUTOMATIC)
        .order_by(Message.at.desc(), Message.id.desc())
        .limit(min(count, ARRIVALS))
    )
    return [
        {
            "direction": one.direction,
            "who": author or one.from_name or one.from_address,
            "at": one.at.isoformat(),
            "snippet": one.snippet[:200],
        }
        for one, author in reversed(session.execute(latest).all())
    ]
