"""Lays a copy of each sent mail into the mailbox's Sent folder, exactly once; its failure never touches the sent state.

Before it appends it looks whether the Message-ID is there already: from an attempt that was cut off, or because the
server files its own copies.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import structlog
from sqlalchemy import or_, select, update
from sqlalchemy.orm import Session

from inbox import db
from inbox.blobs import MissingBlob, blobs
from inbox.mailboxes.secrets import open_secret
from inbox.models import Mailbox, Outgoing
from inbox.wire import imap
from inbox.wire.problems import WireProblem

LEASE = timedelta(minutes=10)  # nobody else tries the same copy meanwhile; longer than any append takes
BATCH = 25
RETRIES = tuple(timedelta(minutes=m) for m in (1, 5, 15, 60, 240, 720))
MOST_TRIES = 10  # then it stays without a copy, visibly

log = structlog.get_logger()


@dataclass(frozen=True)
class Copy:
    """One mail whose copy this process has taken on."""

    outgoing_id: int
    mail_id: str
    raw_sha256: str
    sent_at: datetime


def file_due() -> int:
    """Files every copy that is due, mailbox by mailbox; how many were filed or found."""
    with db.reading() as session:
        mailbox_ids = due_mailboxes(session, now=_now())
    return sum(_file_for(mailbox_id) for mailbox_id in mailbox_ids)


def due_mailboxes(session: Session, *, now: datetime) -> Sequence[int]:
    """Mailboxes with copies to file now."""
    wanted = (
        select(Outgoing.mailbox_id)
        .join(Mailbox)
        .where(Outgoing.sent_copy == "due", Outgoing.sent_copy_due_at <= now, *_reachable(now))
        .distinct()
    )
    return session.scalars(wanted.order_by(Outgoing.mailbox_id)).all()


def take(session: Session, mailbox_id: int, *, now: datetime, limit: int = BATCH) -> list[Copy]:
    """Takes on the next copies of a mailbox; they come back after LEASE if this process dies."""
    due = (
        select(Outgoing)
        .where(Outgoing.mailbox_id == mailbox_id, Outgoing.sent_copy == "due", Outgoing.sent_copy_due_at <= now)
        .order_by(Outgoing.sent_copy_due_at, Outgoing.id)
        .limit(limit)
        .with_for_update(skip_locked=True, of=Outgoing)
    )
    taken = []
    for outgoing in session.scalars(due):
        outgoing.sent_copy_due_at = now + LEASE
        outgoing.sent_copy_tries += 1
        taken.append(Copy(outgoing.id, outgoing.mail_id, outgoing.raw_sha256, outgoing.sent_at or now))
    return taken


def settle(session: Session, done: Sequence[int], state: str) -> None:
    """These copies need nothing more: done, or failed."""
    if done:
        session.execute(
            update(Outgoing)
            .where(Outgoing.id.in_(done), Outgoing.sent_copy == "due")
            .values(sent_copy=state, sent_copy_due_at=None)
        )


def put_off(session: Session, ids: Sequence[int], *, now: datetime) -> None:
    """The server could not be reached or said no: later again, at last never."""
    for outgoing in session.scalars(select(Outgoing).where(Outgoing.id.in_(ids), Outgoing.sent_copy == "due")):
        if outgoing.sent_copy_tries >= MOST_TRIES:
            outgoing.sent_copy, outgoing.sent_copy_due_at = "failed", None
        else:
            outgoing.sent_copy_due_at = now + RETRIES[min(outgoing.sent_copy_tries, len(RETRIES)) - 1]


def _file_for(mailbox_id: int) -> int:
    filed = 0
    while True:
        with db.transaction() as session:
            mailbox = session.get(Mailbox, mailbox_id)
            copies = take(session, mailbox_id, now=_now()) if mailbox is not None else []
        if mailbox is None or not copies:
            return filed
        done, lost, complete = _file(mailbox, copies)
        left = [one.outgoing_id for one in copies if one.outgoing_id not in {*done, *lost}]
        with db.transaction() as session:
            settle(session, done, "done")
            settle(session, lost, "failed")
            put_off(session, left, now=_now())
        filed += len(done)
        if not complete:
            return filed


def _file(mailbox: Mailbox, copies: Sequence[Copy]) -> tuple[list[int], list[int], bool]:
    """Which copies stand in the folder now, which have no bytes any more, and whether the server went along."""
    done: list[int] = []
    lost: list[int] = []
    folder = mailbox.sent_folder
    try:
        with imap.connect(_server(mailbox)) as connection:
            connection.open(folder)
            for one in copies:
                if not connection.find(one.mail_id):
                    connection.append(folder, blobs().get(one.raw_sha256), at=one.sent_at)
                done.append(one.outgoing_id)
    except MissingBlob:
        lost.append(copies[len(done)].outgoing_id)
    except WireProblem as error:
        log.warning("sent_copy_failed", mailbox_id=mailbox.id, code=error.problem.code, text=error.problem.text)
        return done, lost, False
    return done, lost, True


def _server(mailbox: Mailbox) -> imap.Server:
    return imap.Server(
        host=mailbox.imap_host,
        port=mailbox.imap_port,
        security=mailbox.imap_security,
        user=mailbox.imap_user,
        secret=open_secret(mailbox.imap_secret),
    )


def _reachable(now: datetime) -> tuple[object, ...]:
    """Not while its IMAP side is switched off or backing off: the poller knows best when to try again."""
    return (Mailbox.active, or_(Mailbox.next_try_at.is_(None), Mailbox.next_try_at <= now))


def _now() -> datetime:
    return datetime.now(UTC)
