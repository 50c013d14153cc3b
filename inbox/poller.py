"""The poller process: one thread for each mailbox that it holds, so that a server that hangs delays no other.

Pollers share the mailboxes by leases in the database; a second one may run anywhere. A mailbox's thread keeps one
connection, reads all folders every POLL_SECONDS, waits with IDLE on the inbox in between and asks the others for news
every few seconds: polling is the truth, the rest only makes it faster. Whatever goes wrong is written at the mailbox in
facts, waited for with growing pauses, and tried again without a restart.
"""

from __future__ import annotations

import math
import secrets
import signal
import threading
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from types import FrameType

import structlog
from sqlalchemy import or_, select, update
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from inbox import collector, db, heartbeats, intake, mailboxes
from inbox.mailbox_thread import MailboxThread
from inbox.models import Folder, Heartbeat
from inbox.parse_child import readers
from inbox.storing import storing

TICK_SECONDS = 1.0  # how soon an added, changed or removed mailbox is noticed
LEASE = timedelta(seconds=60)
RENEW_SECONDS = 15.0
BEAT_SECONDS = 5.0
ALIVE = timedelta(seconds=30)  # a poller that was not heard of for so long holds no share
PENDING_SECONDS = 10.0
STOP_SECONDS = 15.0

log = structlog.get_logger()


@dataclass(frozen=True)
class _World:
    """What the database says: mailboxes to read with their settings' fingerprints, who holds them, which are asked
    for now."""

    fingerprints: dict[int, str]
    held_by: dict[int, tuple[str, datetime]]
    asked: frozenset[int]
    pollers: int
    gone: frozenset[str]  # holders that were killed on this machine


def run() -> None:
    """Polls until SIGTERM or SIGINT."""
    stopping = threading.Event()

    def stop(_signal: int, _frame: FrameType | None) -> None:
        stopping.set()

    for one in (signal.SIGTERM, signal.SIGINT):
        signal.signal(one, stop)
    poller = Poller()
    collector.settle()
    try:
        while not stopping.is_set():
            poller.tick()
            stopping.wait(TICK_SECONDS)
    finally:
        poller.stop()


class Poller:
    """Takes its share of the mailboxes and keeps a thread for each. `tick` is called every second."""

    def __init__(self) -> None:
        self.name = f"{heartbeats.name_of('poller')}-{secrets.token_hex(3)}"
        self._threads: dict[int, MailboxThread] = {}
        self._leaving: dict[int, MailboxThread] = {}  # stopped, but not ended yet
        self._done_at: dict[str, datetime] = {}
        self._filing: threading.Thread | None = None

    def tick(self) -> None:
        """One look around; a dead database is waited for, the threads wait by themselves."""
        now = datetime.now(UTC)
        try:
            self._beat(now)
            self._share(now)
        except SQLAlchemyError as error:
            log.warning("database_not_there", error=str(error)[:300])
        for thread in (*self._threads.values(), *self._leaving.values()):
            thread.watch()
        self._file_what_waits(now)

    def stop(self) -> None:
        """Ends all threads between two batches, gives the leases back."""
        threads = [*self._threads.values(), *self._leaving.values()]
        for thread in threads:
            thread.stop()
        for thread in threads:
            thread.join(STOP_SECONDS)
        if self._filing is not None:
            self._filing.join(STOP_SECONDS)
        readers().close()
        storing().close()
        try:
            with db.transaction() as session:
                _give_back(session, self.name)
                heartbeats.stop(session, "poller")
        except SQLAlchemyError as error:
            log.warning("leases_not_given_back", error=str(error)[:300])

    # -- below

    def _beat(self, now: datetime) -> None:
        if not self._is_due("beat", BEAT_SECONDS, now):
            return
        with db.transaction() as session:
            heartbeats.beat(session, "poller", now=now, info={"mailboxes": len(self._threads)})

    def _share(self, now: datetime) -> None:
        with db.reading() as session:
            world = _look(session, now=now)
        self._end_leaving(now)
        for mailbox_id in [one for one in self._threads if one not in world.fingerprints]:
            self._let_go(mailbox_id)
        share = math.ceil(len(world.fingerprints) / max(1, world.pollers))
        for mailbox_id in sorted(self._threads)[share:]:
            self._let_go(mailbox_id)
        for mailbox_id in [one for one in self._threads if self._lost(one, world)]:
            self._let_go(mailbox_id)
        self._renew(now)
        free = [one for one in world.fingerprints if self._may_take(one, world, now)]
        for mailbox_id in free[: max(0, share - len(self._threads))]:
            self._take(mailbox_id, world, now)
        for mailbox_id, thread in self._threads.items():
            thread.told(world.fingerprints.get(mailbox_id, ""), asked=mailbox_id in world.asked)

    def _may_take(self, mailbox_id: int, world: _World, now: datetime) -> bool:
        if mailbox_id in self._threads or mailbox_id in self._leaving:
            return False
        owner, until = world.held_by.get(mailbox_id, ("", now))
        return owner in ("", self.name, *world.gone) or until <= now

    def _lost(self, mailbox_id: int, world: _World) -> bool:
        """Whether another poller took it over while we were away for longer than the lease: the database was gone, or
        this machine slept."""
        return world.held_by.get(mailbox_id, (self.name,))[0] != self.name

    def _take(self, mailbox_id: int, world: _World, now: datetime) -> None:
        with db.transaction() as session:
            taken = _claim(session, mailbox_id, self.name, gone=world.gone, now=now)
        if taken:
            thread = self._threads[mailbox_id] = MailboxThread(mailbox_id)
            thread.start()

    def _let_go(self, mailbox_id: int) -> None:
        thread = self._leaving[mailbox_id] = self._threads.pop(mailbox_id)
        thread.stop()

    def _end_leaving(self, now: datetime) -> None:
        for mailbox_id in [one for one, thread in self._leaving.items() if not thread.is_alive()]:
            del self._leaving[mailbox_id]
            with db.transaction() as session:
                _give_back(session, self.name, mailbox_id)
        for mailbox_id in [one for one, thread in self._threads.items() if not thread.is_alive()]:
            del self._threads[mailbox_id]  # started again at once
            log.warning("thread_ended", mailbox=mailbox_id)

    def _renew(self, now: datetime) -> None:
        if not self._threads or not self._is_due("renew", RENEW_SECONDS, now):
            return
        with db.transaction() as session:
            session.execute(
                update(Folder)
                .where(Folder.mailbox_id.in_(list(self._threads)), Folder.lease_owner.in_((self.name, "")))
                .values(lease_owner=self.name, lease_until=now + LEASE)
                .execution_options(synchronize_session=False)
            )

    def _file_what_waits(self, now: datetime) -> None:
        """Rows that a crash or the quarantine left: on a thread of its own, because a mail may take its time."""
        if self._filing is not None and self._filing.is_alive():
            return
        if self._is_due("pending", PENDING_SECONDS, now):
            self._filing = threading.Thread(target=_file_pending, name="pending", daemon=True)
            self._filing.start()

    def _is_due(self, what: str, seconds: float, now: datetime) -> bool:
        last = self._done_at.get(what)
        if last is not None and timedelta(0) <= now - last < timedelta(seconds=seconds):
            return False
        self._done_at[what] = now
        return True


def _file_pending() -> None:
    try:
        intake.file_pending(now=datetime.now(UTC))
    except (SQLAlchemyError, OSError) as error:
        log.warning("pending_mail_not_filed", error=str(error)[:300])


def _look(session: Session, *, now: datetime) -> _World:
    fingerprints = mailboxes.active_ids(session)
    rows = session.execute(
        select(
            Folder.mailbox_id, Folder.lease_owner, Folder.lease_until, Folder.due_at, Folder.read, Folder.backfill_since
        )
    ).all()
    alive = session.scalars(select(Heartbeat.name).where(Heartbeat.role == "poller", Heartbeat.at > now - ALIVE)).all()
    return _World(
        fingerprints=fingerprints,
        held_by={
            row.mailbox_id: (row.lease_owner, row.lease_until)
            for row in rows
            if row.lease_owner and row.lease_until is not None
        },
        asked=frozenset(
            row.mailbox_id
            for row in rows
            if row.read and ((row.due_at is not None and row.due_at <= now) or row.backfill_since is not None)
        ),
        pollers=sum(not heartbeats.is_gone(one) for one in alive),
        gone=frozenset(one for one in {row.lease_owner for row in rows} if heartbeats.is_gone(one.rpartition("-")[0])),
    )


def _claim(session: Session, mailbox_id: int, owner: str, *, gone: frozenset[str], now: datetime) -> bool:
    """Takes the leases of all folders of a mailbox, or none."""
    taken = session.execute(
        update(Folder)
        .where(
            Folder.mailbox_id == mailbox_id,
            or_(Folder.lease_owner.in_(("", owner, *gone)), Folder.lease_until.is_(None), Folder.lease_until <= now),
        )
        .values(lease_owner=owner, lease_until=now + LEASE)
        .execution_options(synchronize_session=False)
    ).rowcount
    others = session.scalar(
        select(Folder.id).where(Folder.mailbox_id == mailbox_id, Folder.lease_owner != owner).limit(1)
    )
    if others is not None:
        _give_back(session, owner, mailbox_id)
    return bool(taken) and others is None


def _give_back(session: Session, owner: str, mailbox_id: int | None = None) -> None:
    wanted = update(Folder).where(Folder.lease_owner == owner)
    if mailbox_id is not None:
        wanted = wanted.where(Folder.mailbox_id == mailbox_id)
    session.execute(wanted.values(lease_owner="", lease_until=None).execution_options(synchronize_session=False))
