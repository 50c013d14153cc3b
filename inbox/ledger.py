"""The ledger of every folder: what is on the server, and what became of it here. `reconcile` proves it against the
server."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from inbox.errors import NotFound
from inbox.models import Folder, Mailbox
from inbox.people import Viewer, must_be


@dataclass(frozen=True)
class Ledger:
    """One folder's sums as of `reconciled_at` (None: not compared yet). `missing` is an alarm when it is not 0."""

    mailbox_id: int
    mailbox: str
    folder: str
    on_server: int
    filed: int
    quarantined: int
    left_out: int
    missing: int
    reconciled_at: datetime | None
    importing: bool
    import_done: int
    import_total: int


def ledgers(session: Session, who: Viewer | None) -> tuple[Ledger, ...]:
    """The sums of all folders that are read, of the mailboxes that `who` may see (None: all)."""
    rows = session.execute(
        select(Folder, Mailbox.name)
        .join(Mailbox, Mailbox.id == Folder.mailbox_id)
        .where(Folder.read)
        .order_by(Mailbox.name, Mailbox.id, Folder.role, Folder.name)
    )
    return tuple(
        Ledger(
            mailbox_id=folder.mailbox_id,
            mailbox=name,
            folder=folder.name,
            on_server=folder.server_count,
            filed=folder.accounted_count,
            quarantined=folder.quarantined_count,
            left_out=folder.left_out_count,
            missing=folder.missing_count,
            reconciled_at=folder.reconciled_at,
            importing=folder.import_started_at is not None and folder.import_finished_at is None,
            import_done=folder.import_done,
            import_total=folder.import_total,
        )
        for folder, name in rows
        if who is None or who.may_see(folder.mailbox_id)
    )


def ask(session: Session, mailbox_id: int, *, now: datetime) -> None:
    """Asks the poller to compare all folders of the mailbox now."""
    session.execute(update(Folder).where(Folder.mailbox_id == mailbox_id).values(reconciled_at=None, due_at=now))


def backfill(session: Session, who: Viewer | None, mailbox_id: int, since: datetime, *, now: datetime) -> None:
    """Asks the poller to read older mail too, back to that day, silently."""
    if who is not None:
        must_be(who, "manager")
        if not who.may_see(mailbox_id):
            raise NotFound
    mailbox = session.get(Mailbox, mailbox_id)
    if mailbox is None:
        raise NotFound
    if mailbox.import_since is not None and since < mailbox.import_since:
        mailbox.import_since = since
    session.execute(
        update(Folder)
        .where(Folder.mailbox_id == mailbox_id)
        .values(backfill_since=since, reconciled_at=None, due_at=now)
    )
