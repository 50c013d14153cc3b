"""What happened since: the history events that open screens follow, and who looks or writes just now."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from inbox.models import Claim, Conversation, Event, Notification, Presence

MOST = 500  # a screen that missed more looks at everything again


@dataclass(frozen=True)
class News:
    """Something changed; `id` is 0 for what stands in no event (looking, writing)."""

    id: int
    conversation_id: int | None
    mailbox_id: int | None
    kind: str
    by: int | None
    to: int | None = None  # a notification: its person alone is told


def newest(session: Session) -> int:
    """Id of the newest event, 0 if there is none."""
    return session.scalar(select(func.max(Event.id))) or 0


def since(session: Session, after: int) -> tuple[News, ...]:
    """Events with a larger id, oldest first; at most MOST + 1."""
    wanted = select(Event.id, Event.conversation_id, Event.mailbox_id, Event.kind, Event.actor_id)
    found = session.execute(wanted.where(Event.id > after).order_by(Event.id).limit(MOST + 1))
    return tuple(News(*row) for row in found)


def newest_told(session: Session) -> int:
    """Id of the newest notification, 0 if there is none."""
    return session.scalar(select(func.max(Notification.id))) or 0


def told_since(session: Session, after: int) -> tuple[tuple[int, int], ...]:
    """(id, person) of notifications with a larger id, oldest first; at most MOST + 1."""
    wanted = select(Notification.id, Notification.user_id).where(Notification.id > after)
    return tuple(map(tuple, session.execute(wanted.order_by(Notification.id).limit(MOST + 1))))


def company(session: Session, *, now: datetime) -> frozenset[tuple[int, int, int, str]]:
    """Who looks or writes where: (conversation, mailbox, user, "looking" or "writing"); two sets differ by the news."""
    lookers = (
        select(Presence.conversation_id, Conversation.mailbox_id, Presence.user_id)
        .join(Conversation, Conversation.id == Presence.conversation_id)
        .where(Presence.until > now)
    )
    writers = (
        select(Claim.conversation_id, Conversation.mailbox_id, Claim.user_id)
        .join(Conversation, Conversation.id == Claim.conversation_id)
        .where(Claim.until > now)
    )
    return frozenset(
        [(*row, "looking") for row in session.execute(lookers)]
        + [(*row, "writing") for row in session.execute(writers)]
    )
