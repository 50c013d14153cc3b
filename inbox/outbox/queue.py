"""The queue's own steps: put, claim, begin, settle, lapse. One row is one mail; every step is one guarded UPDATE.

queued → sending → sent | failed | uncertain, or back to queued when the server said "later". Two workers never hold one
row: claiming sets a lease in the worker's name, and every later step names it again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import bindparam, exists, func, insert, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from inbox.db import is_sqlite
from inbox.models import Attempt, Mailbox, Outgoing, Setting
from inbox.outbox.kinds import KINDS
from inbox.outbox.prepared import Prepared

LEASE = timedelta(seconds=45)  # renewed every LEASE / 3 while its worker lives
PAUSED = "sending_paused"  # while this Setting exists nothing leaves; its value is the reason

_outgoing, _attempt = Outgoing.__table__, Attempt.__table__


@dataclass(frozen=True)
class Claimed:
    """A mail that this worker may send now."""

    id: int
    kind: str
    tries: int  # before this one
    mailbox_id: int
    conversation_id: int | None
    message_id: int | None
    envelope_from: str
    recipients: tuple[dict[str, Any], ...]  # all; those with state "" get the mail
    raw_sha256: str
    size: int

    @property
    def pending(self) -> tuple[str, ...]:
        """Addresses that no server has given a last word about."""
        return tuple(one["address"] for one in self.recipients if not one["state"])


def recipient(address: str) -> dict[str, Any]:
    """A row of `Outgoing.recipients` that nothing is known about yet."""
    return {"address": address, "state": "", "code": None, "text": ""}


def put(
    session: Session,
    *,
    kind: str,
    dedupe_key: str,
    mailbox_id: int,
    envelope_from: str,
    recipients: Sequence[str],
    subject: str,
    mail_id: str,
    key: str,
    raw_sha256: str,
    size: int,
    due_at: datetime,
    now: datetime,
    conversation_id: int | None = None,
    message_id: int | None = None,
    draft_id: int | None = None,
    created_by_id: int | None = None,
    before: Mapping[str, Any] | None = None,
) -> int | None:
    """Queues a composed mail; its id, or None when one with this dedupe key stands in the queue already."""
    dialect = sqlite if is_sqlite(session) else postgresql
    statement = (
        dialect.insert(Outgoing)
        .values(
            kind=kind,
            dedupe_key=dedupe_key,
            mailbox_id=mailbox_id,
            conversation_id=conversation_id,
            message_id=message_id,
            draft_id=draft_id,
            created_by_id=created_by_id,
            state="queued",
            priority=KINDS[kind].priority,
            due_at=due_at,
            tries=0,
            envelope_from=envelope_from,
            recipients=[recipient(address) for address in recipients],
            subject=subject,
            mail_id=mail_id,
            key=key,
            raw_sha256=raw_sha256,
            size=size,
            before=dict(before or {}),
            created_at=now,
        )
        .on_conflict_do_nothing(index_elements=["dedupe_key"])
        .returning(Outgoing.id)
    )
    return session.scalar(statement)


def paused_by(session: Session) -> str | None:
    """Why nothing may leave at all just now ("restored", "person"); None when mails may leave."""
    value = session.scalar(select(Setting.value).where(Setting.key == PAUSED))
    return str(value) if value else None


def due_mailboxes(session: Session, *, now: datetime) -> tuple[int, ...]:
    """Mailboxes that have mails to send now and may send."""
    due = exists().where(Outgoing.mailbox_id == Mailbox.id, Outgoing.state == "queued", Outgoing.due_at <= now)
    return tuple(session.scalars(select(Mailbox.id).where(due, *_may_send(now)).order_by(Mailbox.id)))


_attempt_begun = Prepared(
    insert(_attempt).values(outcome="", answer=""),
    columns=("outgoing_id", "number", "worker", "started_at", "outcome", "answer"),
)


def claim(session: Session, mailbox_id: int, worker: str, *, now: datetime, limit: int) -> tuple[Claimed, ...]:
    """Takes the next due mails of a mailbox for this worker, with their Attempt rows; commit before touching the
    network.

    In the order in which they shall leave: human replies first, then by due time.
    """
    wanted = (
        select(Outgoing.id)
        .join(Mailbox)
        .where(Outgoing.mailbox_id == mailbox_id, Outgoing.state == "queued", Outgoing.due_at <= now, *_may_send(now))
        .order_by(Outgoing.priority, Outgoing.due_at, Outgoing.id)
        .limit(limit)
        .with_for_update(skip_locked=True, of=Outgoing)
    )
    ids = session.scalars(wanted).all()
    if not ids:
        return ()
    taken = session.execute(
        update(_outgoing)
        .where(_outgoing.c.id.in_(ids), _outgoing.c.state == "queued")
        .values(state="sending", lease_owner=worker, lease_until=now + LEASE, data_started_at=None)
        .returning(
            *(_outgoing.c[name] for name in ("id", "kind", "tries", "mailbox_id", "conversation_id", "message_id")),
            *(_outgoing.c[name] for name in ("envelope_from", "recipients", "raw_sha256", "size")),
        )
    ).all()
    if not taken:
        return ()
    _attempt_begun.many(
        session.connection(),
        [{"outgoing_id": row.id, "number": row.tries + 1, "worker": worker, "started_at": now} for row in taken],
    )
    order = {outgoing_id: position for position, outgoing_id in enumerate(ids)}
    return tuple(
        Claimed(
            id=row.id,
            kind=row.kind,
            tries=row.tries,
            mailbox_id=row.mailbox_id,
            conversation_id=row.conversation_id,
            message_id=row.message_id,
            envelope_from=row.envelope_from,
            recipients=tuple(row.recipients),
            raw_sha256=row.raw_sha256,
            size=row.size,
        )
        for row in sorted(taken, key=lambda row: order[row.id])
    )


_begin = Prepared(
    update(_outgoing)
    .where(
        _outgoing.c.id == bindparam("an_id"),
        _outgoing.c.state == "sending",
        _outgoing.c.lease_owner == bindparam("worker"),
        or_(_outgoing.c.data_started_at.is_(None), _outgoing.c.data_started_at == bindparam("now")),  # told twice
        ~exists().where(Mailbox.id == _outgoing.c.mailbox_id, Mailbox.sending_paused),
        ~exists().where(Setting.key == PAUSED),
    )
    .values(data_started_at=bindparam("now"), lease_until=bindparam("until"))
)


def begin(session: Session, worker: str, ids: Sequence[int], *, now: datetime) -> frozenset[int]:
    """Notes that DATA begins for these mails; which of them may go. Commit before DATA: after it nobody else sends
    them.

    A mail is left out when its lease was lost meanwhile or sending was paused.
    """
    rows = [{"an_id": one, "worker": worker, "now": now, "until": now + LEASE} for one in ids]
    if _begin.many(session.connection(), rows) == len(rows):
        return frozenset(ids)
    mine = select(Outgoing.id).where(
        Outgoing.id.in_(ids),
        Outgoing.state == "sending",
        Outgoing.lease_owner == worker,
        Outgoing.data_started_at == now,
    )
    return frozenset(session.scalars(mine))


def renew(session: Session, worker: str, *, now: datetime) -> int:
    """Keeps this worker's leases for another LEASE; how many."""
    result = session.execute(
        update(_outgoing)
        .where(_outgoing.c.state == "sending", _outgoing.c.lease_owner == worker)
        .values(lease_until=now + LEASE)
    )
    return result.rowcount


def release(session: Session, worker: str, ids: Sequence[int], *, now: datetime) -> None:
    """Gives back claimed mails whose DATA this worker did not begin, whatever it noted; they count as not tried."""
    given_back = session.scalars(
        update(_outgoing)
        .where(
            _outgoing.c.id.in_(ids),
            _outgoing.c.state == "sending",
            _outgoing.c.lease_owner == worker,
        )
        .values(state="queued", lease_owner="", lease_until=None, data_started_at=None)
        .returning(_outgoing.c.id)
    ).all()
    _end_attempts(session, given_back, outcome="released", now=now)


def holders(session: Session) -> dict[str, datetime]:
    """The workers that hold mails, and until when the lease that lapses first is theirs."""
    held = select(Outgoing.lease_owner, func.min(Outgoing.lease_until)).where(Outgoing.state == "sending")
    return {row[0]: row[1] for row in session.execute(held.group_by(Outgoing.lease_owner))}


def lapsed(
    session: Session, *, now: datetime, gone: frozenset[str] = frozenset(), limit: int = 500
) -> Sequence[Outgoing]:
    """Rows whose worker stopped renewing its lease, or is one of `gone`; locked."""
    return session.scalars(
        select(Outgoing)
        .where(Outgoing.state == "sending", or_(Outgoing.lease_until < now, Outgoing.lease_owner.in_(gone)))
        .order_by(Outgoing.id)
        .limit(limit)
        .with_for_update(skip_locked=True)
        .execution_options(populate_existing=True)
    ).all()


def end_attempt(session: Session, outgoing: Outgoing, *, outcome: str, now: datetime) -> None:
    """Closes the open attempt of a mail whose worker did not."""
    _end_attempts(session, [outgoing.id], outcome=outcome, now=now, data_started_at=outgoing.data_started_at)


def _end_attempts(
    session: Session, ids: Sequence[int], *, outcome: str, now: datetime, data_started_at: datetime | None = None
) -> None:
    if ids:
        session.execute(
            update(_attempt)
            .where(_attempt.c.outgoing_id.in_(ids), _attempt.c.ended_at.is_(None))
            .values(ended_at=now, outcome=outcome, data_started_at=data_started_at)
        )


def _may_send(now: datetime) -> tuple[Any, ...]:
    """What keeps a whole mailbox from sending: switched off, paused, backing off, or everything paused."""
    return (
        Mailbox.active,
        ~Mailbox.sending_paused,
        or_(Mailbox.smtp_next_try_at.is_(None), Mailbox.smtp_next_try_at <= now),
        ~exists().where(Setting.key == PAUSED),
    )
