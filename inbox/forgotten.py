"""The nightly proof that nothing is forgotten: every unanswered customer message has an owner or stands on a board.

What is found is kept, shown on the health page and raises the alarm there; deadlines that were wrong are put right.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, exists, func, or_, select
from sqlalchemy.orm import Session

from inbox import kept_deadlines
from inbox.models import Conversation, Folder, Mailbox, MailboxAccess, Setting, User

KEPT = "forgotten"  # the setting with the last proof
LATE = timedelta(minutes=10)  # that a snoozed conversation may come back after its time
NAMED = 20  # conversations that a finding names
BATCH = 500

# what keeps a conversation with an unanswered message out of everybody's sight; words are made where it is shown
CODES = ("asleep", "waits_unowned", "owner_gone", "no_deadline")


@dataclass(frozen=True)
class Finding:
    """`code` of CODES, how many conversations, the ids of the first."""

    code: str
    count: int
    ids: tuple[int, ...]


@dataclass(frozen=True)
class Proof:
    """What the last check found; `open` is how many unanswered conversations it looked at."""

    at: datetime
    open: int
    findings: tuple[Finding, ...]


def last(session: Session) -> Proof | None:
    """The last proof; None before the first night."""
    kept = session.get(Setting, KEPT)
    if kept is None:
        return None
    stored: dict[str, Any] = kept.value
    found = tuple(Finding(one["code"], one["count"], tuple(one["ids"])) for one in stored["findings"])
    return Proof(datetime.fromisoformat(stored["at"]), stored["open"], found)


def is_too_early(session: Session) -> bool:
    """Before the first mail is there and the first import has ended a proof would say something about nothing."""
    if last(session) is not None:
        return False
    begun = Folder.import_started_at.is_not(None) & Folder.import_finished_at.is_(None)
    importing = session.scalar(select(exists().where(begun)))
    return bool(importing) or not session.scalar(select(exists().where(Conversation.id > 0)))


def prove(session: Session, *, wrong_deadlines: Sequence[int], now: datetime) -> Proof:
    """Looks at every unanswered conversation and keeps what it found, with what `mend` found."""
    unanswered = (Conversation.status.in_(("open", "snoozed", "waiting")), Conversation.waiting_since.is_not(None))
    found = [_finding(session, code, *unanswered, where) for code, where in _hidden(now).items()]
    found.append(Finding("no_deadline", len(wrong_deadlines), tuple(wrong_deadlines[:NAMED])))
    count = session.scalar(select(func.count()).select_from(Conversation).where(*unanswered)) or 0
    proof = Proof(now, count, tuple(one for one in found if one.count))
    stored = [{"code": one.code, "count": one.count, "ids": list(one.ids)} for one in proof.findings]
    session.merge(Setting(key=KEPT, value={"at": now.isoformat(), "open": count, "findings": stored}))
    return proof


def _hidden(now: datetime) -> dict[str, ColumnElement[bool]]:
    """Conditions under which no person has it and no board shows it. Open and unowned is on the board of everybody."""
    may_see = (
        select(User.id)
        .where(
            User.id == Conversation.owner_id,
            User.active,
            or_(
                User.role == "admin",
                select(MailboxAccess.user_id)
                .where(MailboxAccess.user_id == User.id, MailboxAccess.mailbox_id == Conversation.mailbox_id)
                .exists(),
            ),
        )
        .exists()
    )
    overslept = or_(Conversation.snoozed_until.is_(None), Conversation.snoozed_until < now - LATE)
    return {
        "asleep": (Conversation.status == "snoozed") & overslept,
        "waits_unowned": (Conversation.status == "waiting") & Conversation.owner_id.is_(None),
        "owner_gone": Conversation.owner_id.is_not(None) & ~may_see,
    }


def _finding(session: Session, code: str, *where: ColumnElement[bool]) -> Finding:
    ids = session.scalars(
        select(Conversation.id)
        .join(Mailbox, Mailbox.id == Conversation.mailbox_id)
        .where(Mailbox.active, *where)
        .order_by(Conversation.id)
    ).all()
    return Finding(code, len(ids), tuple(ids[:NAMED]))


def mend(session: Session, *, after: int, now: datetime) -> tuple[list[int], int | None]:
    """Works the running deadlines of the next conversations out anew: which were wrong, and after which one to go on.

    None: all are done. While a change of policies is being worked in, none of them counts as wrong.
    """
    batch = session.scalars(
        select(Conversation)
        .where(Conversation.id > after, Conversation.status.in_(("open", "snoozed")))
        .order_by(Conversation.id)
        .limit(BATCH)
        .with_for_update()
    ).all()
    being_changed = session.get(Setting, kept_deadlines.ANEW) is not None
    wrong = []
    for conversation in batch:
        before = (conversation.due_at, conversation.soon_at)
        kept_deadlines.keep(session, conversation, now=now)
        if (conversation.due_at, conversation.soon_at) != before and not being_changed:
            wrong.append(conversation.id)
    return wrong, batch[-1].id if len(batch) == BATCH else None
