"""Mails that could not be understood or read: seen, looked at, tried again, or left aside. Their bytes are kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from inbox.blobs import MissingBlob, blobs
from inbox.errors import N_, NotFound
from inbox.models import Folder, Mailbox, RawMail
from inbox.people import Viewer, must_be
from inbox.wire import ring

CAUSES = {
    "too_complex": N_("It is built so intricately that reading it was stopped."),
    "timeout": N_("Reading it took too long."),
    "memory": N_("Reading it took too much memory."),
    "crashed": N_("The reading process ended at it."),
    "failed": N_("An error of ours; the details help to mend it."),
    "missing_bytes": N_("Its stored bytes are not in the store any more."),
    "filing": N_("It was understood, but the database refused it."),
    "too_large": N_("It is larger than this installation takes in; it stays on the mail server."),
    "no_data": N_("The mail server lists it but gives no content."),
    "unreadable": N_("The mail server's answer for it makes no sense."),
}
BY_PERSON = "by_person"  # cause of a mail that somebody left aside


@dataclass(frozen=True)
class QuarantineRow:
    """A mail in quarantine. `has_bytes`: its original can be downloaded and read again without the server."""

    id: int
    mailbox_id: int
    mailbox_name: str
    folder: str
    sender: str
    subject: str
    arrived: datetime
    size: int
    cause: str  # one of CAUSES
    detail: str
    tries: int
    has_bytes: bool


@dataclass(frozen=True)
class QuarantinePage:
    rows: tuple[QuarantineRow, ...]
    older: int | None  # give as `after` for the next page
    count: int


@dataclass(frozen=True)
class QuarantineView:
    """One mail with what its headers say at a glance, by lower-cased name."""

    row: QuarantineRow
    headers: dict[str, str]


def page(
    session: Session, who: Viewer | None, *, mailbox_id: int | None = None, after: int | None = None, size: int = 50
) -> QuarantinePage:
    """The newest first, of the mailboxes that `who` may see (None: all)."""
    wanted = _rows(who, mailbox_id).order_by(RawMail.id.desc()).limit(size + 1)
    if after is not None:
        wanted = wanted.where(RawMail.id < after)
    rows = [_row(one) for one in session.execute(wanted)]
    count = session.scalar(select(func.count()).select_from(_rows(who, mailbox_id).subquery())) or 0
    return QuarantinePage(tuple(rows[:size]), rows[size - 1].id if len(rows) > size else None, count)


def show(session: Session, who: Viewer | None, raw_id: int) -> QuarantineView:
    """Raises NotFound for a mail that is not there, or not for `who`."""
    found = session.execute(_rows(who, None).where(RawMail.id == raw_id)).one_or_none()
    if found is None:
        raise NotFound
    return QuarantineView(_row(found), {str(name): str(value) for name, value in found.headers.items()})


def raw(session: Session, who: Viewer | None, raw_id: int) -> bytes:
    """The original bytes, to download. Raises NotFound when there are none."""
    if not show(session, who, raw_id).row.has_bytes:
        raise NotFound
    sha256 = session.scalar(select(RawMail.sha256).where(RawMail.id == raw_id)) or ""
    try:
        return blobs().get(sha256)
    except MissingBlob:
        raise NotFound from None


def reprocess(session: Session, who: Viewer | None, raw_ids: Sequence[int] | None) -> int:
    """Has mails read again (None: all that `who` may see); how many. Those without bytes are fetched anew.

    The poller and the clock pick them up within seconds.
    """
    wanted = _allowed(who, raw_ids)
    ids = list(session.scalars(wanted))
    if ids:
        session.execute(update(RawMail).where(RawMail.id.in_(ids)).values(state="pending"))
        bare = select(RawMail.folder_id).where(RawMail.id.in_(ids), RawMail.sha256 == "")
        session.execute(
            update(Folder)
            .where(Folder.id.in_(bare))
            .values(due_at=Folder.read_at)  # in the past: the poller reads it now
            .execution_options(synchronize_session=False)
        )
        ring.screens(session)
    return len(ids)


def leave_aside(session: Session, who: Viewer | None, raw_ids: Sequence[int]) -> int:
    """Takes mails out of the quarantine without reading them; they stay in the ledger as left aside. How many."""
    if who is not None:
        must_be(who, "manager")
    ids = list(session.scalars(_allowed(who, raw_ids)))
    if ids:
        session.execute(update(RawMail).where(RawMail.id.in_(ids)).values(state="ignored", cause=BY_PERSON))
        ring.screens(session)
    return len(ids)


def _allowed(who: Viewer | None, raw_ids: Sequence[int] | None):  # type: ignore[no-untyped-def]
    wanted = select(RawMail.id).join(Folder, Folder.id == RawMail.folder_id).where(RawMail.state == "quarantined")
    if raw_ids is not None:
        wanted = wanted.where(RawMail.id.in_(raw_ids))
    if who is not None:
        wanted = wanted.where(Folder.mailbox_id.in_(who.mailbox_ids))
    return wanted


def _rows(who: Viewer | None, mailbox_id: int | None):  # type: ignore[no-untyped-def]
    wanted = (
        select(
            RawMail.id,
            Folder.mailbox_id,
            Mailbox.name,
            Folder.name.label("folder"),
            RawMail.sender,
            RawMail.subject,
            func.coalesce(RawMail.internal_date, RawMail.fetched_at).label("arrived"),
            RawMail.size,
            RawMail.cause,
            RawMail.detail,
            RawMail.tries,
            RawMail.sha256,
            RawMail.headers,
        )
        .join(Folder, Folder.id == RawMail.folder_id)
        .join(Mailbox, Mailbox.id == Folder.mailbox_id)
        .where(RawMail.state == "quarantined")
    )
    if who is not None:
        wanted = wanted.where(Folder.mailbox_id.in_(who.mailbox_ids))
    return wanted.where(Folder.mailbox_id == mailbox_id) if mailbox_id is not None else wanted


def _row(found) -> QuarantineRow:  # type: ignore[no-untyped-def]
    return QuarantineRow(
        id=found.id,
        mailbox_id=found.mailbox_id,
        mailbox_name=found.name,
        folder=found.folder,
        sender=found.sender,
        subject=found.subject,
        arrived=found.arrived,
        size=found.size,
        cause=found.cause,
        detail=found.detail,
        tries=found.tries,
        has_bytes=bool(found.sha256),
    )
