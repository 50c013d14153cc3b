"""Who looks at a conversation, and who writes in it: hints for colleagues that lapse by themselves, never locks."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from inbox import assignment, conversations
from inbox.conversations import upsert
from inbox.errors import N_, Conflict, UserError
from inbox.models import Claim, Presence, User
from inbox.people import Viewer, conversation
from inbox.wire import ring

LOOKS = timedelta(seconds=60)  # a screen says every 30 s that it still looks
WRITES = timedelta(seconds=90)  # a composer says every 30 s that it still writes


@dataclass(frozen=True)
class Claimed:
    """Whether the claim is the asker's now; if not, who holds it since when."""

    ok: bool
    holder_id: int
    holder: str
    since: datetime
    until: datetime


def look(session: Session, who: Viewer, conversation_id: int, *, now: datetime) -> None:
    """`who` has the conversation open and has read it so far. Screens are told only when that is new.

    What waits for the first of a team to open it becomes theirs.
    """
    found = conversation(session, who, conversation_id)
    assignment.take_on_open(session, found, who.id, now=now)
    conversations.look(session, found, who.id, now=now)
    mine = select(Presence).where(Presence.conversation_id == conversation_id, Presence.user_id == who.id)
    before = session.scalar(mine)
    news = before is None or before.until <= now
    upsert(
        session,
        Presence,
        {"conversation_id": conversation_id, "user_id": who.id, "until": now + LOOKS},
        key=["conversation_id", "user_id"],
        update={"until": now + LOOKS},
    )
    if news:
        ring.screens(session, presence=conversation_id)


def leave(session: Session, who: Viewer, conversation_id: int) -> None:
    """`who` closed the conversation or went on to another."""
    gone = session.execute(
        delete(Presence).where(Presence.conversation_id == conversation_id, Presence.user_id == who.id)
    )
    if gone.rowcount:
        ring.screens(session, presence=conversation_id)


def claim(session: Session, who: Viewer, conversation_id: int, *, now: datetime) -> Claimed:
    """ "I am writing": taken when nobody else's claim lives, and prolonged by every call."""
    conversation(session, who, conversation_id, lock=True)
    held = _living(session, conversation_id, now=now)
    if held is not None and held.user_id != who.id:
        return held_by(session, held)
    since = held.since if held is not None else now
    _take(session, who, conversation_id, since=since, now=now)
    if held is None:
        ring.screens(session, presence=conversation_id)
    return Claimed(ok=True, holder_id=who.id, holder=who.name, since=since, until=now + WRITES)


def release(session: Session, who: Viewer, conversation_id: int) -> None:
    """`who` stopped writing. Nothing happens to a claim of somebody else."""
    gone = session.execute(delete(Claim).where(Claim.conversation_id == conversation_id, Claim.user_id == who.id))
    if gone.rowcount:
        ring.screens(session, presence=conversation_id)


def take_over(session: Session, who: Viewer, conversation_id: int, *, reason: str = "", now: datetime) -> Claimed:
    """Takes a colleague's claim, on purpose and in writing: the history says so. Raises UserError without a reason."""
    found = conversation(session, who, conversation_id, lock=True)
    held, why = _living(session, conversation_id, now=now), " ".join(reason.split())[:200]
    if held is not None and held.user_id != who.id and not why:
        raise UserError(N_("Say why you take over. Your colleague sees it."), field="reason")
    _take(session, who, conversation_id, since=now, now=now)
    if held is not None and held.user_id != who.id:
        conversations.record(session, found, "taken_over", now=now, actor_id=who.id, before=held.user_id, reason=why)
    ring.screens(session, presence=conversation_id)
    return Claimed(ok=True, holder_id=who.id, holder=who.name, since=now, until=now + WRITES)


def must_not_be_claimed(session: Session, who: Viewer, conversation_id: int, *, now: datetime) -> None:
    """Raises Conflict while somebody else is writing; for actions that would pull the ground from under that person."""
    held = of_another(session, who, conversation_id, now=now)
    if held is not None:
        raise Conflict(N_("%(name)s is writing an answer just now."), name=held.holder)


def of_another(session: Session, who: Viewer, conversation_id: int, *, now: datetime) -> Claimed | None:
    """The claim of a colleague who is writing; None while nobody but `who` is."""
    held = _living(session, conversation_id, now=now)
    return held_by(session, held) if held is not None and held.user_id != who.id else None


def forget_lapsed(session: Session, *, now: datetime) -> int:
    """Deletes rows that mean nothing any more; called by the clock. How many."""
    looks = session.execute(delete(Presence).where(Presence.until <= now)).rowcount
    return looks + session.execute(delete(Claim).where(Claim.until <= now)).rowcount


def held_by(session: Session, held: Claim) -> Claimed:
    name = session.scalar(select(User.name).where(User.id == held.user_id)) or ""
    return Claimed(ok=False, holder_id=held.user_id, holder=name, since=held.since, until=held.until)


def _living(session: Session, conversation_id: int, *, now: datetime) -> Claim | None:
    wanted = select(Claim).where(Claim.conversation_id == conversation_id, Claim.until > now)
    return session.scalar(wanted.execution_options(populate_existing=True))


def _take(session: Session, who: Viewer, conversation_id: int, *, since: datetime, now: datetime) -> None:
    upsert(
        session,
        Claim,
        {"conversation_id": conversation_id, "user_id": who.id, "since": since, "until": now + WRITES},
        key=["conversation_id"],
        update={"user_id": who.id, "since": since, "until": now + WRITES},
    )
