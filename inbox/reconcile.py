"""Compares what a server holds with the ledger, mail by mail, writes the sums, and fetches what is missing.

Every hour the newest part of each folder, because a mail can appear below the cursor; every night and when asked
for, all of it. The sums are what a person sees: on the server = filed + in quarantine + left out on purpose, and
missing is 0.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import structlog
from sqlalchemy import case, null, select, update

from inbox import db, fetching
from inbox.ledger import Ledger, ask, backfill, ledgers
from inbox.mailboxes import Account, FolderToRead
from inbox.models import Folder, RawMail
from inbox.wire.imap import Connection

WINDOW_EVERY = timedelta(hours=1)
FULL_EVERY = timedelta(hours=24)
WINDOW_UIDS = 2_000
LIVE = timedelta(days=1)  # a mail found late that is younger is news, an older one is filed silently
ROWS_AT_ONCE = 50_000
QUARANTINED, VANISHED = "quarantined", "vanished"

log = structlog.get_logger()

__all__ = ["Ledger", "ask", "backfill", "folder_now", "ledgers", "when_due"]


@dataclass(frozen=True)
class _Compared:
    on_server: int
    filed: int
    quarantined: int
    left_out: int
    missing: list[int]


def when_due(
    account: Account, connection: Connection, *, now: datetime, stop: Callable[[], bool] = lambda: False
) -> bool:
    """Compares those folders whose time has come; True when any was, and the open folder may be another one."""
    with db.reading() as session:
        rows = {one.id: one for one in session.scalars(select(Folder).where(Folder.mailbox_id == account.mailbox_id))}
    compared = False
    for folder in account.folders:
        row = rows.get(folder.id)
        if row is None or row.uidvalidity is None:
            continue
        asked = row.reconciled_at is None or row.backfill_since is not None
        full = asked or _night(row.reconciled_at) != _night(now)
        if full or now - row.reconciled_at >= WINDOW_EVERY:
            folder_now(account, folder, connection, full=full, stop=stop)
            compared = True
    return compared


def folder_now(
    account: Account,
    folder: FolderToRead,
    connection: Connection,
    *,
    full: bool,
    stop: Callable[[], bool] = lambda: False,
) -> int:
    """Compares one folder with its ledger, fetches what is missing and writes the sums; how many were missing.

    A comparison of the newest part finds what came late but leaves the sums of the whole as they were.
    """
    uidvalidity = connection.open(folder.name).uidvalidity
    with db.reading() as session:
        row = session.get_one(Folder, folder.id)
    if row.uidvalidity != uidvalidity:
        fetching.read_folder(account, folder, connection, stop=stop)
    compared = _compare(account, row, connection, uidvalidity, full=full)
    if compared.missing:
        log.info("late_mail", folder=folder.id, count=len(compared.missing))
        _fetch(account, folder, connection, compared.missing, row=row, uidvalidity=uidvalidity, stop=stop)
        if full:
            compared = _compare(account, row, connection, uidvalidity, full=True)
    _write(folder.id, row, compared, full=full)
    return len(compared.missing)


def _fetch(
    account: Account,
    folder: FolderToRead,
    connection: Connection,
    uids: list[int],
    *,
    row: Folder,
    uidvalidity: int,
    stop: Callable[[], bool],
) -> None:
    """Fetches what is missing; a back-fill that a person asked for is silent and shows how far it is."""
    now = datetime.now(UTC)
    asked = row.backfill_since is not None
    progress = {"import_started_at": now, "import_finished_at": None, "import_done": 0, "import_total": len(uids)}
    if asked:
        _set(folder.id, progress)
    fetching.fetch_these(
        account,
        folder,
        connection,
        uids,
        uidvalidity=uidvalidity,
        live_since=now if asked else now - LIVE,
        counted=asked,
        stop=stop,
    )
    if asked:
        _set(folder.id, {"import_finished_at": datetime.now(UTC)})


def _compare(account: Account, row: Folder, connection: Connection, uidvalidity: int, *, full: bool) -> _Compared:
    after = 0 if full else max(0, row.last_uid - WINDOW_UIDS)
    everything = set(connection.uids(after=after))
    since = account.import_since
    if row.backfill_since is not None and since is not None:
        since = min(since, row.backfill_since)
    wanted = set(connection.uids(after=after, since=since.date())) if since is not None else everything
    states = _states(row.id, uidvalidity, after=after)
    # what came after we looked at the cursor is the next reading's business
    missing = sorted(uid for uid in wanted if states.get(uid, VANISHED) == VANISHED)
    counts = Counter(states.get(uid, "") for uid in everything)
    return _Compared(
        on_server=len(everything),
        filed=sum(counts[state] for state in ("filed", "known", "own", "pending", "ignored")),
        quarantined=counts[QUARANTINED],
        left_out=len([uid for uid in everything - wanted if uid not in states]),
        missing=missing,
    )


def _states(folder_id: int, uidvalidity: int, *, after: int) -> dict[int, str]:
    """State by UID. A row without bytes that the server has again counts as vanished: it can be fetched now."""
    found: dict[int, str] = {}
    last = after
    while True:
        with db.reading() as session:
            rows = session.execute(
                select(RawMail.uid, RawMail.state)
                .where(RawMail.folder_id == folder_id, RawMail.uidvalidity == uidvalidity, RawMail.uid > last)
                .order_by(RawMail.uid)
                .limit(ROWS_AT_ONCE)
            ).all()
        found.update((uid, state) for uid, state in rows)
        if len(rows) < ROWS_AT_ONCE:
            return found
        last = rows[-1].uid


def _write(folder_id: int, row: Folder, compared: _Compared, *, full: bool) -> None:
    now = datetime.now(UTC)
    values: dict[str, object] = {"reconciled_at": now, "due_at": None}
    if full:
        values |= {
            "server_count": compared.on_server,
            "accounted_count": compared.filed,
            "quarantined_count": compared.quarantined,
            "left_out_count": compared.left_out,
            "missing_count": len(compared.missing),
        }
        if row.backfill_since is not None:  # but not what somebody asked for meanwhile
            answered = Folder.backfill_since == row.backfill_since
            values["backfill_since"] = case((answered, null()), else_=Folder.backfill_since)
    _set(folder_id, values)


def _set(folder_id: int, values: dict[str, object]) -> None:
    with db.transaction() as session:
        session.execute(update(Folder).where(Folder.id == folder_id).values(values))


def _night(at: datetime) -> object:
    """Which night a comparison belongs to; between 3 and 4 o'clock UTC a new one begins."""
    return (at - timedelta(hours=3)).date()
