"""Sends what is due: each mailbox on a thread of its own, so that a server that hangs delays nobody else's mail.

The order of things for one mail: claimed with its Attempt (commit), MAIL and RCPT, "DATA begins" (commit, together with
what became of the mails before), DATA, the server's last word (written with the next commit). While a thread works, a
second one renews its leases; when the process dies, `outbox.lapse` finds them.
"""

from __future__ import annotations

import os
import secrets
import socket
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TypeVar

import structlog
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from inbox import db, outbox
from inbox import rule_runs as _rule_runs  # noqa: F401 (asks rules before each commit)
from inbox.blobs import MissingBlob, blobs
from inbox.errors import N_
from inbox.mailboxes.secrets import open_secret
from inbox.models import Mailbox
from inbox.outbox import Claimed, Done
from inbox.wire import ring, smtp
from inbox.wire.problems import Problem, WireProblem

FIRST_BATCH, LARGEST_BATCH = 20, 250
BATCH_SECONDS = 1.0  # as many as leave in this time are claimed at once; a human reply waits no longer for bulk
BATCH_BYTES = 32_000_000  # of mails in memory at once
CONNECTIONS = 8  # to one fast server while more waits than a batch: going in step they share their commits
FAST = 50.0  # mails a second over one connection; a slower server gets one connection, as big providers demand
SCREEN_SECONDS = 0.3  # open screens are told this often while many mails leave
DATABASE_PATIENCE = 20.0  # before DATA: then the mails go back and the job ends
OUTCOME_PATIENCE = 600.0  # after DATA: what the server said is worth waiting for
RECONNECT = tuple(timedelta(seconds=s) for s in (5, 15, 30, 60, 120, 300, 600))
AFTER_REFUSED_LOGIN = timedelta(minutes=15)  # servers lock accounts that guess
ONE_OUTAGE = timedelta(hours=1)  # a try that comes later than this was due while we did not run

log = structlog.get_logger()
T = TypeVar("T")

_threads: dict[int, threading.Thread] = {}  # mailbox → who sends for it in this process
_threads_lock = threading.Lock()
_stopping = threading.Event()
_failures: dict[int, int] = {}  # connections in a row that failed, by mailbox


@dataclass
class Sent:
    """What a round of sending did: mails settled, by outcome."""

    accepted: int = 0
    later: int = 0
    refused: int = 0
    uncertain: int = 0

    def count(self, done: Iterable[Done]) -> None:
        for one in done:
            setattr(self, one.result.outcome, getattr(self, one.result.outcome) + 1)

    def add(self, other: Sent) -> None:
        for name in ("accepted", "later", "refused", "uncertain"):
            setattr(self, name, getattr(self, name) + getattr(other, name))

    @property
    def all(self) -> int:
        return self.accepted + self.later + self.refused + self.uncertain


def send_due(*, patience: float | None = 30.0) -> Sent:
    """Sends everything that is due, in all mailboxes at once; what was settled when it returned.

    After `patience` seconds it returns although some server still hangs: that thread goes on by itself. None waits for
    all.
    """
    until = None if patience is None else time.monotonic() + patience
    total, idle = Sent(), set[int]()
    while not _stopping.is_set():
        with db.reading() as session:
            due = outbox.due_mailboxes(session, now=_now())
        started = {mailbox_id: _start(mailbox_id) for mailbox_id in due if mailbox_id not in idle}
        if not started:
            return total
        for mailbox_id, (thread, sent) in started.items():
            thread.join(None if until is None else max(0.0, until - time.monotonic()))
            if thread.is_alive():
                idle.add(mailbox_id)
                continue
            total.add(sent)
            if sent.all == 0:
                idle.add(mailbox_id)
    return total


def stop(*, patience: float) -> bool:
    """No new mail is begun in this process; True when every thread ended within `patience` seconds."""
    _stopping.set()
    until = time.monotonic() + patience
    for thread in list(_threads.values()):
        thread.join(max(0.0, until - time.monotonic()))
    return not any(thread.is_alive() for thread in _threads.values())


def _start(mailbox_id: int) -> tuple[threading.Thread, Sent]:
    """The thread that sends for this mailbox, started if there is none."""
    with _threads_lock:
        running = _threads.get(mailbox_id)
        if running is not None and running.is_alive():
            return running, Sent()
        sent = Sent()
        thread = threading.Thread(target=_run, args=(mailbox_id, sent), name=f"send-{mailbox_id}", daemon=True)
        _threads[mailbox_id] = thread
        thread.start()
        return thread, sent


def _run(mailbox_id: int, sent: Sent) -> None:
    try:
        _Sender(mailbox_id, sent).run()
    except Exception:  # the edge of a job: the row is found again by its lease
        log.exception("sending_failed", mailbox_id=mailbox_id)


class _Sender:
    """Sends for one mailbox until nothing is due, over connections that are kept."""

    def __init__(self, mailbox_id: int, sent: Sent) -> None:
        self.mailbox_id, self.sent = mailbox_id, sent
        self.worker = f"{socket.gethostname()[:40]}:{os.getpid()}:{secrets.token_hex(6)}"
        self.connections: list[smtp.Connection] = []
        self.most_connections = CONNECTIONS
        self.claimed: dict[int, Claimed] = {}
        self.began: dict[int, datetime] = {}
        self.unsettled: list[Done] = []  # known to us, not yet written
        self.problem: Problem | None = None  # why no connection is left
        self.screens_told = 0.0

    def run(self) -> None:
        with db.reading() as session:
            mailbox = session.get(Mailbox, self.mailbox_id)
            if mailbox is None:
                return
            self.copy = outbox.sent_copy_of(mailbox)
            self.address = mailbox.address
        try:
            self.server = server_of(mailbox)
            self.connections.append(smtp.connect(self.server))
        except WireProblem as error:
            self._trouble(error.problem)
            return
        keeper = _Keeper(self.worker)
        try:
            self._batches()
        finally:
            for connection in self.connections:
                connection.close()
            try:
                self._settle_rest()
            finally:
                keeper.stop()  # or the mails of a sender that gave up would stay ours, and unsent, for ever
        if self.problem is not None:
            self._trouble(self.problem)
        elif self.sent.all:
            self._well()

    def _batches(self) -> None:
        size, rate = FIRST_BATCH, 0.0
        while not _stopping.is_set():
            batch = self._next_batch(size)
            if not batch:
                return
            if len(batch) == size and rate > FAST:
                self._more_connections()
            began = time.monotonic()
            for part in _by_bytes(batch):
                self._send(part)
                if not self._alive():
                    break
            if not self._alive():
                return
            rate = len(batch) / max(0.001, time.monotonic() - began)
            size = max(1, min(LARGEST_BATCH, int(rate * BATCH_SECONDS)))

    def _next_batch(self, size: int) -> tuple[Claimed, ...]:
        """Writes what is known and claims anew, in one transaction; what was claimed but not begun goes back first."""

        def step() -> tuple[Claimed, ...]:
            with db.transaction() as session:
                self._write(session, now=now)
                return outbox.claim(session, self.mailbox_id, self.worker, now=now, limit=size)

        now = _now()
        batch = _persisting(step, OUTCOME_PATIENCE if self.unsettled else DATABASE_PATIENCE)
        self._written()
        self.claimed = {one.id: one for one in batch}
        return batch

    def _send(self, batch: Sequence[Claimed]) -> None:
        mails = []
        for one in batch:
            if not one.pending:
                self.unsettled.append(Done(one, smtp.Result(one.id, "accepted", None, "", ()), None))
                continue
            try:
                data = blobs().get(one.raw_sha256)
            except MissingBlob:
                self.unsettled.append(Done(one, _lost_bytes(one), None))
                continue
            mails.append(smtp.Mail(one.id, one.envelope_from, one.pending, data, else_from=self.address))
        handed = smtp.hand_over(self.connections, mails, before_data=self._before_data)
        self.unsettled += self._done(handed.results)

    def _before_data(self, following: tuple[smtp.Mail, ...], results: tuple[smtp.Result, ...]) -> frozenset[int]:
        """The commit between RCPT and DATA."""
        self.unsettled += self._done(results)
        if _stopping.is_set():
            return frozenset()

        def step() -> frozenset[int]:
            with db.transaction() as session:
                outbox.settle(session, self.worker, self.unsettled, sent_copy=self.copy, now=now)
                allowed = outbox.begin(session, self.worker, [mail.key for mail in following], now=now)
                self._tell_screens_seldom(session)
                return allowed

        now = _now()
        allowed = _persisting(step, DATABASE_PATIENCE)
        self._count()
        for key in allowed:
            self.began[key] = now
        return allowed

    def _done(self, results: Iterable[smtp.Result]) -> list[Done]:
        return [Done(self.claimed[one.key], one, self.began.get(one.key)) for one in results]

    def _settle_rest(self) -> None:
        """At the end, whatever ended it: nothing that the server said is forgotten, nothing unsent stays ours."""
        if not self.claimed:
            return

        def step() -> None:
            with db.transaction() as session:
                self._write(session, now=now)

        now = _now()
        _persisting(step, OUTCOME_PATIENCE if self.unsettled else DATABASE_PATIENCE)
        self._written()

    def _write(self, session: Session, *, now: datetime) -> None:
        """Everything that is known about this batch: outcomes, and mails that go back because they were not begun."""
        outbox.settle(session, self.worker, self.unsettled, sent_copy=self.copy, now=now)
        if self.copy == "due" and self.claimed:
            ring.job(session, "copy_sent")
        settled = {one.claimed.id for one in self.unsettled} | set(self.began)
        left = [one for one in self.claimed if one not in settled]
        if left:
            outbox.give_back(session, self.worker, left, now=now)

    def _written(self) -> None:
        self._count()
        self.claimed, self.began = {}, {}

    def _count(self) -> None:
        self.sent.count(self.unsettled)
        self.unsettled = []

    def _tell_screens_seldom(self, session: Session) -> None:
        if time.monotonic() - self.screens_told < SCREEN_SECONDS:
            session.info.pop("screens", None)
        else:
            self.screens_told = time.monotonic()

    # -- connections

    def _alive(self) -> bool:
        living = [one for one in self.connections if one.problem is None]
        if not living:
            self.problem = self.connections[0].problem
        elif len(living) < len(self.connections):  # the server takes fewer at once than we opened
            self.connections, self.most_connections = living, len(living)
        return bool(living)

    def _more_connections(self) -> None:
        while len(self.connections) < self.most_connections:
            try:
                self.connections.append(smtp.connect(self.server))
            except WireProblem:
                self.most_connections = len(self.connections)

    def _well(self) -> None:
        _failures.pop(self.mailbox_id, None)
        with db.transaction() as session:
            mailbox = session.get_one(Mailbox, self.mailbox_id)
            mailbox.smtp_error_code = mailbox.smtp_error_text = ""
            mailbox.smtp_next_try_at = mailbox.smtp_failing_since = None
            mailbox.smtp_last_ok_at = _now()
            ring.screens(session)

    def _trouble(self, problem: Problem) -> None:
        """Notes on the mailbox what is wrong and when it is tried again; no mail is to blame."""
        failures = _failures[self.mailbox_id] = _failures.get(self.mailbox_id, 0) + 1
        wait = RECONNECT[min(failures, len(RECONNECT)) - 1]
        if problem.code == "login":
            wait = AFTER_REFUSED_LOGIN
        log.warning("smtp_trouble", mailbox_id=self.mailbox_id, code=problem.code, text=problem.text)
        with db.transaction() as session:
            mailbox = session.get(Mailbox, self.mailbox_id)
            if mailbox is not None:
                now, was_due = _now(), mailbox.smtp_next_try_at
                if mailbox.smtp_failing_since is None or was_due is None or now - was_due > ONE_OUTAGE:
                    mailbox.smtp_failing_since = now
                mailbox.smtp_error_code, mailbox.smtp_error_text = problem.code, problem.text
                mailbox.smtp_next_try_at = now + wait
                ring.screens(session)


class _Keeper:
    """Renews a worker's leases from a thread of its own, for as long as the sender lives."""

    def __init__(self, worker: str) -> None:
        self._worker, self._stop = worker, threading.Event()
        self._thread = threading.Thread(target=self._keep, name="leases", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join(5)

    def _keep(self) -> None:
        while not self._stop.wait(outbox.LEASE.total_seconds() / 3):
            try:
                with db.transaction() as session:
                    outbox.renew(session, self._worker, now=_now())
            except DBAPIError as error:
                log.warning("leases_not_renewed", error=str(error.orig))


def server_of(mailbox: Mailbox) -> smtp.Server:
    """How to reach a mailbox's SMTP server. Raises WireProblem("secret") when its password cannot be decrypted."""
    return smtp.Server(
        host=mailbox.smtp_host,
        port=mailbox.smtp_port,
        security=mailbox.smtp_security,
        user=mailbox.smtp_user,
        password=open_secret(mailbox.smtp_secret) if mailbox.smtp_user else "",
        helo=mailbox.address.rpartition("@")[2],
    )


def _persisting(step: Callable[[], T], patience: float) -> T:
    """Runs a transaction again while the database is busy, restarting or in a deadlock; each is safe to repeat."""
    until, wait = time.monotonic() + patience, 0.05
    while True:
        try:
            return step()
        except DBAPIError as error:
            if time.monotonic() + wait > until:
                raise
            log.warning("database_busy", error=str(error.orig))
            time.sleep(wait)
            wait = min(2.0, wait * 2)


def _by_bytes(batch: Sequence[Claimed]) -> list[list[Claimed]]:
    """The batch in parts of at most BATCH_BYTES each."""
    parts: list[list[Claimed]] = [[]]
    room = BATCH_BYTES
    for one in batch:
        if parts[-1] and one.size > room:
            parts.append([])
            room = BATCH_BYTES
        parts[-1].append(one)
        room -= one.size
    return parts


def _lost_bytes(one: Claimed) -> smtp.Result:
    text = N_("The stored mail is missing from the byte store; write it again.")
    return smtp.Result(one.id, "refused", None, text, tuple(smtp.Answer(a, "refused", None, text) for a in one.pending))


def _now() -> datetime:
    return datetime.now(UTC)
