"""One mailbox's thread in the poller: connects, reads, waits for news, and knows how long to wait after what."""

from __future__ import annotations

import errno
import random
import threading
import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import structlog
from sqlalchemy import select, update
from sqlalchemy.exc import SQLAlchemyError

from inbox import db, fetching, mailboxes, reconcile
from inbox.config import settings
from inbox.fetching import Interrupted
from inbox.mailboxes import LOGIN_TRIES, REFUSED, Account, FolderToRead
from inbox.models import Folder, Mailbox
from inbox.wire import imap, ring
from inbox.wire.imap import Connection
from inbox.wire.problems import Problem, WireProblem

LOOK_SECONDS = 10.0  # IDLE watches one folder; so often the others are asked for news
MOST_LOOKED_AT = 20  # folders; the others wait until all are read
LONGEST_IDLE = 540.0  # seconds; servers and routers forget a silent connection after ten minutes
QUICK = (1.0, 5.0, 15.0)  # first pauses after a connection that broke
FIRST_PAUSE, LONGEST_PAUSE = 60.0, 1800.0
DATABASE_PAUSES = (1.0, 2.0, 5.0, 10.0, 20.0)
FULL_DISK_PAUSE = 15.0
FULL_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)
ABORT_AFTER = 8.0  # seconds that a stopped thread gets before its connection is cut

log = structlog.get_logger()


@dataclass(frozen=True)
class _Trouble:
    """What is written at the mailbox about its last failures."""

    failures: int
    code: str
    next_try_at: datetime | None


class MailboxThread(threading.Thread):
    """Reads one mailbox until told to stop. Only `stop`, `told` and `watch` are for other threads."""

    def __init__(self, mailbox_id: int) -> None:
        super().__init__(name=f"mailbox-{mailbox_id}", daemon=True)
        self._mailbox_id = mailbox_id
        self._stopped_at: float | None = None
        self._wake = threading.Event()  # something to look at: stop, new settings, asked to read now
        self._asked = False
        self._fingerprint = ""
        self._connection: Connection | None = None
        self._database_failures = 0
        self._gone: Problem | None = None  # of a folder that cannot be opened while the others are read

    def stop(self) -> None:
        """Ends after the batch that is being read."""
        if self._stopped_at is None:
            self._stopped_at = time.monotonic()
        self._wake.set()

    def told(self, fingerprint: str, *, asked: bool) -> None:
        """What the database says just now: settings, and whether somebody asked to read at once."""
        if self._fingerprint and fingerprint != self._fingerprint:
            self._wake.set()
        if asked:
            self._asked = True
            self._wake.set()

    def watch(self) -> None:
        """Cuts a connection on which nothing happens any more."""
        connection = self._connection
        if connection is None:
            return
        stopped = self._stopped_at is not None and time.monotonic() - self._stopped_at > ABORT_AFTER
        if stopped or connection.overdue():
            log.warning("connection_cut", mailbox=self._mailbox_id, stopped=stopped)
            connection.abort()

    def run(self) -> None:
        while not self._stopping:
            try:
                if not self._one_connection():
                    return
            except Interrupted:
                continue
            except WireProblem as error:
                self._failed(error.problem)
            except SQLAlchemyError as error:
                self._without_database(error)
            except OSError as error:
                self._failed(_of_system(error))
            except Exception as error:  # the edge of a job: whatever it is, this mailbox is tried again
                log.exception("mailbox_failed", mailbox=self._mailbox_id)
                self._failed(Problem("internal", f"{type(error).__name__}: {error}"[:300]))

    # -- one connection

    @property
    def _stopping(self) -> bool:
        return self._stopped_at is not None

    def _one_connection(self) -> bool:
        """From signing in to the end of the connection; False when there is no such mailbox any more."""
        self._wake.clear()
        with db.reading() as session:
            account = mailboxes.account(session, self._mailbox_id)
            trouble = _trouble(session, self._mailbox_id)
        if account is None:
            return False
        self._fingerprint = account.fingerprint
        if not self._may_try(trouble):
            return True
        with imap.connect(account.server) as connection:
            self._connection = connection
            try:
                self._stay(account, connection)
            finally:
                self._connection = None
        return True

    def _may_try(self, trouble: _Trouble) -> bool:
        """Waits for the next try; False when something changed meanwhile and all is to be looked at anew."""
        if trouble.code in REFUSED and trouble.failures >= LOGIN_TRIES:
            self._wake.wait(LONGEST_PAUSE)
            self._asked = False
            return False
        left = (trouble.next_try_at - datetime.now(UTC)).total_seconds() if trouble.next_try_at else 0.0
        if left <= 0:
            return True
        self._wake.wait(min(left, LONGEST_PAUSE))
        return not self._wake.is_set()

    def _stay(self, account: Account, connection: Connection) -> None:
        """Reads and waits, as long as the connection lives and the settings stay."""
        if fetching.find_sent_folder(account, connection):
            with db.reading() as session:
                account = mailboxes.account(session, self._mailbox_id) or account
            self._fingerprint = account.fingerprint
        self._read_all(account, connection)
        can_idle = connection.can_idle
        others = account.folders[1 : 1 + MOST_LOOKED_AT] if can_idle else ()
        looked: dict[int, int | None] = {}
        every = float(settings().poll_seconds)
        next_at, look_at = time.monotonic() + every, time.monotonic() + LOOK_SECONDS
        while not self._wake.is_set() or self._asked:
            if self._asked:
                self._asked = False
                self._wake.clear()
                news, next_at = False, 0.0
            else:
                until = min(next_at, look_at) if others else next_at
                news = self._wait(connection, min(until - time.monotonic(), LONGEST_IDLE), can_idle=can_idle)
            if self._stopping:
                return
            fresh: tuple[FolderToRead, ...] = ()
            if time.monotonic() >= look_at:
                fresh = _with_news(connection, others, looked)
                look_at = time.monotonic() + LOOK_SECONDS
            if news or fresh:  # the watched one last: it stays open
                fetching.read(account, connection, folders=(*fresh, *account.folders[:1]), stop=self._must_end)
                self._worked()
            if time.monotonic() >= next_at:
                self._read_all(account, connection)
                next_at = time.monotonic() + every

    def _read_all(self, account: Account, connection: Connection) -> None:
        """All folders, the one that IDLE watches last: it stays open.

        Besides, the inbox is read first, so that an answer in the Sent folder finds the mail that it answers and counts
        as its answer. A first import begins with the Sent folder: what was answered long ago never stands open.
        One that was renamed or deleted on the server is told, and keeps nobody from reading the others.
        """
        watched, others = account.folders[:1], account.folders[1:]
        order = (*others, *watched) if self._is_importing() else (*watched, *others, *watched)
        gone: dict[int, Problem] = {}
        for folder in order:
            try:
                fetching.read(account, connection, folders=(folder,), stop=self._must_end)
            except WireProblem as error:
                if error.problem.code != "folder" or folder in watched:
                    raise
                gone[folder.id] = error.problem
                self._not_asked_for(folder.id)
        self._gone = next(iter(gone.values()), None)
        there = replace(account, folders=tuple(one for one in account.folders if one.id not in gone))
        if reconcile.when_due(there, connection, now=datetime.now(UTC), stop=self._must_end):
            fetching.read(account, connection, folders=account.folders[:1], stop=self._must_end)
        self._worked()

    def _not_asked_for(self, folder_id: int) -> None:
        """Nobody can have a folder read that is not there: what was asked of it would be asked again every second."""
        with db.transaction() as session:
            session.execute(update(Folder).where(Folder.id == folder_id).values(due_at=None, backfill_since=None))

    def _is_importing(self) -> bool:
        unfinished = (Folder.mailbox_id == self._mailbox_id, Folder.read, Folder.import_finished_at.is_(None))
        with db.reading() as session:
            return session.scalar(select(Folder.id).where(*unfinished).limit(1)) is not None

    def _wait(self, connection: Connection, seconds: float, *, can_idle: bool) -> bool:
        if seconds <= 0:
            return False
        if can_idle:
            return connection.wait(seconds, stop=self._is_woken)
        if not self._stopping:
            self._wake.wait(seconds)
        return False

    def _is_woken(self) -> bool:
        return self._stopping or self._wake.is_set()

    def _must_end(self) -> bool:
        return self._stopping

    # -- how it goes

    def _worked(self) -> None:
        self._database_failures = 0
        now, problem = datetime.now(UTC), self._gone or Problem("")
        with db.transaction() as session:
            was_failing = session.scalar(select(Mailbox.failing_since).where(Mailbox.id == self._mailbox_id))
            session.execute(
                update(Mailbox)
                .where(Mailbox.id == self._mailbox_id)
                .values(
                    last_ok_at=now,
                    failing_since=(was_failing or now) if self._gone else None,
                    failures=0,
                    error_code=problem.code,
                    error_text=problem.text.replace("\0", "\ufffd"),
                    next_try_at=None,
                )
            )
            if (was_failing is not None) != (self._gone is not None):
                ring.screens(session)

    def _failed(self, problem: Problem) -> None:
        """Writes down what is wrong and when it is tried again."""
        if self._stopping:
            return
        now = datetime.now(UTC)
        log.warning("mailbox_trouble", mailbox=self._mailbox_id, code=problem.code, text=problem.text)
        try:
            with db.transaction() as session:
                row = session.execute(
                    select(Mailbox.failures, Mailbox.error_code, Mailbox.failing_since)
                    .where(Mailbox.id == self._mailbox_id)
                    .with_for_update()
                ).one_or_none()
                if row is None:
                    return
                same = (row.error_code in REFUSED) == (problem.code in REFUSED)
                failures = row.failures + 1 if same else 1
                session.execute(
                    update(Mailbox)
                    .where(Mailbox.id == self._mailbox_id)
                    .values(
                        failing_since=row.failing_since or (now if failures > 1 or not _is_passing(problem) else None),
                        failures=failures,
                        error_code=problem.code,
                        error_text=problem.text.replace("\0", "\ufffd"),
                        next_try_at=now + pause(problem, failures),
                    )
                )
                ring.screens(session)
        except (SQLAlchemyError, OSError) as error:
            self._without_database(error)

    def _without_database(self, error: BaseException) -> None:
        """Nothing can be written, not even what is wrong: the health page asks the database itself."""
        pauses = DATABASE_PAUSES
        seconds = pauses[min(self._database_failures, len(pauses) - 1)] * random.uniform(0.8, 1.2)
        self._database_failures += 1
        log.warning("database_not_there", mailbox=self._mailbox_id, error=str(error)[:300], again_in=round(seconds, 1))
        self._wake.wait(seconds)


def _with_news(
    connection: Connection, folders: tuple[FolderToRead, ...], looked: dict[int, int | None]
) -> tuple[FolderToRead, ...]:
    """Those in which a mail came since the last look, the first time all; `looked` keeps what was seen."""
    fresh = []
    for folder in folders:
        try:
            next_uid = connection.next_uid(folder.name)
        except WireProblem as error:
            if error.problem.code != "folder":
                raise
            continue  # it is gone: told when all are read
        if folder.id not in looked or looked[folder.id] != next_uid:
            fresh.append(folder)
        looked[folder.id] = next_uid
    return tuple(fresh)


def pause(problem: Problem, failures: int) -> timedelta:
    """How long to wait after the `failures`-th failure in a row; grows from seconds to half an hour, with some
    chance in it."""
    if problem.code == "disk_full":
        return timedelta(seconds=FULL_DISK_PAUSE)
    quick = QUICK if _is_passing(problem) or problem.code == "internal" else ()
    if failures <= len(quick):
        seconds = quick[failures - 1]
    else:
        seconds = min(LONGEST_PAUSE, FIRST_PAUSE * 2.0 ** min(20, failures - len(quick) - 1))
    return timedelta(seconds=seconds * random.uniform(0.75, 1.25))


def _is_passing(problem: Problem) -> bool:
    """What a restart of the server or a hiccup of the network looks like: nobody needs to hear of it once."""
    return problem.code in ("lost", "timeout", "refused", "unreachable")


def _trouble(session, mailbox_id: int) -> _Trouble:  # type: ignore[no-untyped-def]
    row = session.execute(
        select(Mailbox.failures, Mailbox.error_code, Mailbox.next_try_at).where(Mailbox.id == mailbox_id)
    ).one_or_none()
    return _Trouble(row.failures, row.error_code, row.next_try_at) if row else _Trouble(0, "", None)


def _of_system(error: OSError) -> Problem:
    if error.errno in FULL_DISK:
        return Problem("disk_full", str(error)[:300])
    return Problem("internal", f"{type(error).__name__}: {error}"[:300])
