"""The queue as people see it: what waits, what is on its way, what needs a decision."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from inbox.errors import NotFound
from inbox.models import Attempt, Conversation, Mailbox, Outgoing, User
from inbox.models.outgoing import OUTGOING_STATES
from inbox.outbox import queue
from inbox.outbox.kinds import KINDS
from inbox.people.viewers import Viewer

PAGE_ROWS = 50
LIVE = ("queued", "held", "sending", "failed", "uncertain")  # what the page shows unless asked for one state


@dataclass(frozen=True)
class RecipientRow:
    """`state`: "" (no word yet), accepted, refused, uncertain or bounced; `text` holds the server's words."""

    address: str
    state: str
    code: int | None
    text: str


@dataclass(frozen=True)
class AttemptRow:
    """One try; `outcome` "" while it runs, else sent, later, failed, uncertain, lapsed or released."""

    number: int
    started_at: datetime
    data_started_at: datetime | None
    ended_at: datetime | None
    outcome: str
    code: int | None
    answer: str


@dataclass(frozen=True)
class OutboxRow:
    """One mail of the queue. `may_decide`: whether who looks may hold, cancel or settle it."""

    id: int
    kind: str
    kind_title: str  # English msgid
    state: str
    mailbox_id: int
    mailbox_name: str
    conversation_id: int | None
    conversation_subject: str
    message_id: int | None
    draft_id: int | None
    subject: str
    recipients: tuple[RecipientRow, ...]
    author_id: int | None
    author_name: str
    created_at: datetime
    due_at: datetime
    tries: int
    sent_at: datetime | None
    code: int | None
    answer: str
    held_reason: str
    sent_copy: str
    paused: bool  # its mailbox, or everything
    may_decide: bool


@dataclass(frozen=True)
class OutboxPage:
    """A page of the queue, newest first. `older` is what `after` takes for the next one, None at the end."""

    rows: tuple[OutboxRow, ...]
    older: int | None
    paused_by: str | None  # why nothing leaves at all ("restored", "person"), None when mails may leave


def page(
    session: Session, who: Viewer, *, state: str | None = None, mailbox_id: int | None = None, after: int | None = None
) -> OutboxPage:
    """What `who` may see of the queue: all that is not settled, or one state."""
    wanted = _select(who).order_by(Outgoing.id.desc()).limit(PAGE_ROWS + 1)
    wanted = wanted.where(Outgoing.state == state if state in OUTGOING_STATES else Outgoing.state.in_(LIVE))
    if mailbox_id is not None:
        wanted = wanted.where(Outgoing.mailbox_id == mailbox_id)
    if after is not None:
        wanted = wanted.where(Outgoing.id < after)
    found = session.execute(wanted).all()
    paused = queue.paused_by(session)
    rows = tuple(_row(one, who, paused) for one in found[:PAGE_ROWS])
    return OutboxPage(rows, rows[-1].id if len(found) > PAGE_ROWS else None, paused)


def one(session: Session, who: Viewer, outgoing_id: int) -> OutboxRow:
    """One mail of the queue. Raises NotFound for what `who` may not see."""
    found = session.execute(_select(who).where(Outgoing.id == outgoing_id)).one_or_none()
    if found is None:
        raise NotFound
    return _row(found, who, queue.paused_by(session))


def of_conversation(session: Session, who: Viewer, conversation_id: int) -> tuple[OutboxRow, ...]:
    """The mails that left or leave from this conversation, oldest first."""
    found = session.execute(_select(who).where(Outgoing.conversation_id == conversation_id).order_by(Outgoing.id))
    paused = queue.paused_by(session)
    return tuple(_row(one, who, paused) for one in found)


def attempts(session: Session, who: Viewer, outgoing_id: int) -> tuple[AttemptRow, ...]:
    """Every try of a mail, oldest first; empty for what `who` may not see."""
    found = session.scalars(
        select(Attempt)
        .join(Outgoing, Outgoing.id == Attempt.outgoing_id)
        .where(Attempt.outgoing_id == outgoing_id, Outgoing.mailbox_id.in_(who.mailbox_ids))
        .order_by(Attempt.id)
    )
    return tuple(
        AttemptRow(one.number, one.started_at, one.data_started_at, one.ended_at, one.outcome, one.code, one.answer)
        for one in found
    )


def counts(session: Session, who: Viewer) -> dict[str, int]:
    """How many mails stand in each unsettled state, for sidebar and tabs; sent and cancelled are not counted."""
    found = session.execute(
        select(Outgoing.state, func.count())
        .where(Outgoing.state.in_(LIVE), Outgoing.mailbox_id.in_(who.mailbox_ids))
        .group_by(Outgoing.state)
    )
    return dict.fromkeys(LIVE, 0) | dict(found.all())


def _select(who: Viewer) -> Any:
    return (
        select(Outgoing, Mailbox.name, Mailbox.sending_paused, Conversation.subject, User.name)
        .join(Mailbox, Mailbox.id == Outgoing.mailbox_id)
        .outerjoin(Conversation, Conversation.id == Outgoing.conversation_id)
        .outerjoin(User, User.id == Outgoing.created_by_id)
        .where(Outgoing.mailbox_id.in_(who.mailbox_ids))
    )


def _row(found: Any, who: Viewer, paused_by: str | None) -> OutboxRow:
    one, mailbox_name, mailbox_paused, conversation_subject, author_name = found
    return OutboxRow(
        id=one.id,
        kind=one.kind,
        kind_title=KINDS[one.kind].title,
        state=one.state,
        mailbox_id=one.mailbox_id,
        mailbox_name=mailbox_name,
        conversation_id=one.conversation_id,
        conversation_subject=conversation_subject or "",
        message_id=one.message_id,
        draft_id=one.draft_id,
        subject=one.subject,
        recipients=tuple(
            RecipientRow(known["address"], known["state"], known["code"], known["text"]) for known in one.recipients
        ),
        author_id=one.created_by_id,
        author_name=author_name or "",
        created_at=one.created_at,
        due_at=one.due_at,
        tries=one.tries,
        sent_at=one.sent_at,
        code=one.code,
        answer=one.answer,
        held_reason=one.held_reason,
        sent_copy=one.sent_copy,
        paused=mailbox_paused or paused_by is not None,
        may_decide=one.created_by_id == who.id or who.is_manager,
    )
