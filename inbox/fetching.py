"""Reads a mailbox's folders: what is new goes into the ledger with its bytes, then into conversations.

Whoever holds the connection calls this: the poller's threads, `fetch --once`, and the reconciliation. No transaction
is open while a socket is waited for, and none while the children read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import structlog
from sqlalchemy import select, update

from inbox import db, intake, mailboxes
from inbox.config import settings
from inbox.intake import Arrival, Kept
from inbox.intake.filing import AT_ONCE
from inbox.mailboxes import Account, FolderToRead
from inbox.models import Folder, RawMail
from inbox.storing import storing
from inbox.wire.imap import Connection, Fetched

LIVE = timedelta(days=1)  # a folder read anew: mail that came so long before the last reading is news, older is not

log = structlog.get_logger()


class Interrupted(Exception):
    """Somebody asked to stop between two batches; everything read so far is kept."""


@dataclass(frozen=True)
class _Cursor:
    """Where reading goes on. `live_since`: mail that arrived before is filed silently; None: all is news."""

    last_uid: int
    importing: bool
    live_since: datetime | None


def read(
    account: Account,
    connection: Connection,
    *,
    folders: Sequence[FolderToRead] | None = None,
    stop: Callable[[], bool] = lambda: False,
) -> int:
    """Reads what is new in the account's folders; how many mails. What an earlier reading left behind is filed first.

    Raises WireProblem, SQLAlchemyError, OSError, Interrupted.
    """
    while intake.file_pending(now=datetime.now(UTC), mailbox_id=account.mailbox_id) and not stop():
        pass
    return sum(read_folder(account, folder, connection, stop=stop) for folder in folders or account.folders)


def read_folder(
    account: Account, folder: FolderToRead, connection: Connection, *, stop: Callable[[], bool] = lambda: False
) -> int:
    """Reads one folder from its cursor on. A new UIDVALIDITY means: from the beginning, known mails are recognised."""
    opened = connection.open(folder.name)
    cursor = _begin(folder.id, opened.uidvalidity)
    uids = connection.uids(after=cursor.last_uid, since=_day(account.import_since))
    again = _asked_again(folder.id, opened.uidvalidity)
    if cursor.importing:
        _expect(folder.id, len(uids))
    take = _Taking(account, folder, opened.uidvalidity, cursor)
    taken = take.all(connection.fetch(uids, largest=settings().max_mail_bytes), stop=stop, moves_cursor=True)
    if again:
        taken += take.all(connection.fetch(again, largest=settings().max_mail_bytes), stop=stop, moves_cursor=False)
    _end(folder.id, importing=cursor.importing)
    return taken


def fetch_these(
    account: Account,
    folder: FolderToRead,
    connection: Connection,
    uids: Sequence[int],
    *,
    uidvalidity: int,
    live_since: datetime | None,
    counted: bool = False,
    stop: Callable[[], bool] = lambda: False,
) -> int:
    """Fetches and files named mails of the open folder, below the cursor perhaps; the cursor stays.

    `counted`: they are part of an import whose progress is shown.
    """
    take = _Taking(account, folder, uidvalidity, _Cursor(last_uid=0, importing=counted, live_since=live_since))
    return take.all(connection.fetch(uids, largest=settings().max_mail_bytes), stop=stop, moves_cursor=False)


def find_sent_folder(account: Account, connection: Connection) -> bool:
    """Looks for the account's Sent folder and has it read from now on; True when the account changed."""
    if account.sent_folder:
        return False
    found = next((one.name for one in connection.folders() if one.role == "sent"), "")
    inboxes = tuple(one.name for one in account.folders if one.role == "inbox")
    if not found or found in inboxes:
        return False
    with db.transaction() as session:
        mailboxes.choose_folders(session, account.mailbox_id, inboxes, sent_folder=found)
    return True


class _Taking:
    """Mails on their way from the server into the ledger and on into conversations; the children read one batch
    ahead."""

    def __init__(self, account: Account, folder: FolderToRead, uidvalidity: int, cursor: _Cursor) -> None:
        self._account = account
        self._folder = folder
        self._uidvalidity = uidvalidity
        self._cursor = cursor

    def all(self, batches: Iterator[list[Fetched]], *, stop: Callable[[], bool], moves_cursor: bool) -> int:
        """While one batch is filed, the next one is read by the children and the one after it comes from the server."""
        taken = 0
        read: list[intake.Answer] = []
        with ThreadPoolExecutor(1, thread_name_prefix="fetch") as fetcher:
            coming = fetcher.submit(_next, batches)
            while (stored := coming.result()) is not None:
                stopping = stop()
                if not stopping:
                    coming = fetcher.submit(_next, batches)
                kept = self._keep(stored, moves_cursor=moves_cursor)
                taken += len(stored.batch)
                being_read = intake.ask(kept, own_addresses=self._account.own_addresses)
                self._file(read)
                read = being_read
                if stopping:
                    self._file(read)
                    raise Interrupted
        self._file(read)
        return taken

    def _keep(self, stored: _Stored, *, moves_cursor: bool) -> list[Kept]:
        now = datetime.now(UTC)
        batch, hashes = stored.batch, iter(stored.hashes)
        arrivals = [
            Arrival(
                uid=one.uid,
                arrived=one.arrived,
                size=one.size,
                sha256=next(hashes) if one.raw is not None else "",
                cause=one.cause,
                detail=one.detail,
                head=one.head,
                silent=self._is_old(one.arrived, now),
            )
            for one in batch
        ]
        with db.transaction() as session:
            return intake.keep(
                session,
                self._folder.id,
                self._uidvalidity,
                arrivals,
                now=now,
                cursor=max(one.uid for one in batch) if moves_cursor else None,
                imported=self._cursor.importing,
            )

    def _file(self, answers: list[intake.Answer]) -> None:
        for start in range(0, len(answers), AT_ONCE):
            read = [answer.wait() for answer in answers[start : start + AT_ONCE]]
            intake.file_batch(self._account.mailbox_id, read, now=datetime.now(UTC))

    def _is_old(self, arrived: datetime | None, now: datetime) -> bool:
        since = self._cursor.live_since
        return since is not None and (arrived or now) < since


@dataclass(frozen=True)
class _Stored:
    """Mails as they came, and the hashes of those that have bytes, which are on the disk."""

    batch: list[Fetched]
    hashes: list[str]


def _next(batches: Iterator[list[Fetched]]) -> _Stored | None:
    """The next mails from the server, their bytes stored; None at the end."""
    batch = next(batches, None)
    if batch is None:
        return None
    return _Stored(batch, storing().put_all([one.raw for one in batch if one.raw is not None]))


def _begin(folder_id: int, uidvalidity: int) -> _Cursor:
    """Where the folder stands; a first reading and a new UIDVALIDITY are written down before anything is fetched."""
    with db.reading() as session:
        row = session.get_one(Folder, folder_id)
    if row.uidvalidity == uidvalidity:
        importing = row.import_started_at is not None and row.import_finished_at is None
        return _Cursor(row.last_uid, importing, row.import_started_at if importing else _rescanned_since(row))
    now = datetime.now(UTC)
    first = row.uidvalidity is None
    if not first:
        log.warning("uidvalidity_changed", folder=folder_id, before=row.uidvalidity, after=uidvalidity)
    importing = first or (row.import_started_at is not None and row.import_finished_at is None)
    values: dict[str, object] = {"uidvalidity": uidvalidity, "last_uid": 0}
    if importing:
        values |= {"import_started_at": now, "import_done": 0, "import_total": 0}
    with db.transaction() as session:
        session.execute(update(Folder).where(Folder.id == folder_id).values(values))
    return _Cursor(0, importing, now if importing else (row.read_at or now) - LIVE)


def _rescanned_since(row: Folder) -> datetime | None:
    """A reading from the beginning that was cut short goes on as what it was: old mail stays silent."""
    if row.last_uid == 0 and row.read_at is not None:
        return row.read_at - LIVE
    return None


def _expect(folder_id: int, count: int) -> None:
    """How long the first import will be: what is done already (before a restart) and what is left."""
    with db.transaction() as session:
        session.execute(update(Folder).where(Folder.id == folder_id).values(import_total=Folder.import_done + count))


def _end(folder_id: int, *, importing: bool) -> None:
    now = datetime.now(UTC)
    values: dict[str, object] = {"read_at": now, "due_at": None}
    if importing:
        values["import_finished_at"] = now
    with db.transaction() as session:
        session.execute(update(Folder).where(Folder.id == folder_id).values(values))


def _asked_again(folder_id: int, uidvalidity: int) -> list[int]:
    """UIDs of mails in the ledger without bytes that somebody sent back from the quarantine."""
    with db.reading() as session:
        return list(
            session.scalars(
                select(RawMail.uid).where(
                    RawMail.folder_id == folder_id,
                    RawMail.uidvalidity == uidvalidity,
                    RawMail.state == "pending",
                    RawMail.sha256 == "",
                )
            )
        )


def _day(since: datetime | None):  # type: ignore[no-untyped-def]
    return since.date() if since is not None else None
