"""The clock process: finds whatever is due and rings, so that a lost ring costs seconds and never a mail.

It alone moves SQLite's log into the database. When nobody answers the doorbell (Redis is dead, or no worker lives), it
sends what has been due for a few seconds itself: nothing waits for Redis.
"""

from __future__ import annotations

import fcntl
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import FrameType
from typing import IO

import structlog
from sqlalchemy import exists, select
from sqlalchemy.orm import Session

from inbox import (
    approvals,
    bulk,
    collector,
    conversations,
    db,
    digests,
    escalation,
    forgotten,
    heartbeats,
    intake,
    kept_deadlines,
    later,
    leftovers,
    near_misses,
    notification_mails,
    notifications,
    outbox,
    people,
    presence,
    rule_runs,
    sending,
    sent_copies,
    webhooks,
)
from inbox.config import settings
from inbox.models import Conversation, FolderCount, Outgoing, RawMail, Setting
from inbox.wire import ring

TICK = 1.0
ANEW_SECONDS = 0.5  # of a tick that may go into working deadlines out anew
ALONE_AFTER = 5.0  # seconds that something was due and nobody took it up: then the clock does it itself
PENDING_AFTER = timedelta(seconds=60)  # a kept mail that its poller should have filed long ago
NIGHT_HOUR = 18  # UTC: three in the morning in Japan

log = structlog.get_logger()


@dataclass
class Step:
    """One thing that the clock looks after. A step that fails is logged and tried again at its next turn."""

    name: str
    every: float  # seconds
    do: Callable[[datetime], None]
    next_at: float = field(default=0.0)


def run() -> None:
    """Ticks until SIGTERM or SIGINT."""
    stopping = threading.Event()

    def stop(_signal: int, _frame: FrameType | None) -> None:
        stopping.set()

    for one in (signal.SIGTERM, signal.SIGINT):
        signal.signal(one, stop)
    with _OnlyClock(stopping), heartbeats.Heart("clock"):
        steps = all_steps()
        collector.settle()
        while not stopping.is_set():
            tick(steps)
            stopping.wait(TICK)
        sending.stop(patience=20)


def all_steps() -> list[Step]:
    """What the clock does, the most urgent first."""
    return [
        Step("send", 1, _Due("send", "send", _mail_is_due, lambda: sending.send_due(patience=0.5)).ring),
        Step("lapsed_leases", 5, _lapse),
        Step("snoozed", 1, _wake),
        Step("deadlines", 2, _deadlines),
        Step("later", 1, later.look_after),
        Step("copies", 5, _Due("copy_sent", "work", _copy_is_due, sent_copies.file_due).ring),
        Step("pending", 10, _Aside("pending", _file_pending).start),
        Step("notifications", 10, _Aside("notifications", lambda now: notification_mails.send_due(now=now)).start),
        Step("webhooks", 5, _Due("call_webhooks", "work", webhooks.is_due, _call_webhooks).ring),
        Step("mailbox_trouble", 60, _tell_of_trouble),
        Step("rules", 20, _Aside("rules", _run_rules).start),
        Step("hand_back", 60, _hand_back),
        Step("approvals", 30, _tell_of_approvals),
        Step("bulk", 1, _Aside("bulk", _go_on_with_bulk).start),
        Step("checkpoint", 1, lambda _now: db.checkpoint()),
        Step("presence", 10, _forget_presence),
        Step("give_up", 600, _give_up),
        Step("housekeeping", 3600, _keep_house),
        Step("recount", 600, _recount_nightly),
        Step("digests", 60, _Aside("digests", _send_digests).start),
        Step("forgotten", 600, _Aside("forgotten", _prove_nightly).start),
        Step("leftovers", 600, _Aside("leftovers", _clear_leftovers_nightly).start),
    ]


def tick(steps: list[Step]) -> None:
    """Runs every step whose turn it is."""
    for step in steps:
        if time.monotonic() < step.next_at:
            continue
        step.next_at = time.monotonic() + step.every
        try:
            step.do(datetime.now(UTC))
        except Exception:  # the edge of a job
            log.exception("step_failed", step=step.name)


class _Due:
    """Rings while something is due; does it itself when nobody takes it up."""

    def __init__(self, job: str, queue: str, is_due: Callable[[Session, datetime], bool], do: Callable[[], object]):
        self._job, self._queue, self._is_due, self._do = job, queue, is_due, do
        self._since: float | None = None
        self._thread = threading.Thread()

    def ring(self, now: datetime) -> None:
        with db.reading() as session:
            due = self._is_due(session, now)
        if not due:
            self._since = None
            return
        if self._since is None:
            self._since = time.monotonic()
        try:
            ring.enqueue(self._job, queue=self._queue)
        except ring.Dead as error:
            log.warning("doorbell_dead", error=str(error))
        if time.monotonic() - self._since > ALONE_AFTER and not self._thread.is_alive():
            log.warning("nobody_answers_the_doorbell", job=self._job)
            self._thread = threading.Thread(target=self._do_it, name=self._job, daemon=True)
            self._thread.start()

    def _do_it(self) -> None:
        try:
            self._do()
        except Exception:  # the edge of a job
            log.exception("job_failed", job=self._job)


class _Aside:
    """Does something that may take minutes, once at a time, while the clock ticks on."""

    def __init__(self, name: str, do: Callable[[datetime], None]) -> None:
        self._name, self._do = name, do
        self._thread = threading.Thread()

    def start(self, now: datetime) -> None:
        if not self._thread.is_alive():
            self._thread = threading.Thread(target=self._run, args=(now,), name=self._name, daemon=True)
            self._thread.start()

    def _run(self, now: datetime) -> None:
        try:
            self._do(now)
        except Exception:  # the edge of a job
            log.exception("step_failed", step=self._name)


def _mail_is_due(session: Session, now: datetime) -> bool:
    """Whether a mail may leave now and no worker is busy with its mailbox."""
    due = outbox.due_mailboxes(session, now=now)
    busy = select(Outgoing.mailbox_id).where(Outgoing.state == "sending", Outgoing.lease_until > now).distinct()
    return bool(set(due) - set(session.scalars(busy))) if due else False


def _copy_is_due(session: Session, now: datetime) -> bool:
    return bool(sent_copies.due_mailboxes(session, now=now))


def _lapse(now: datetime) -> None:
    with db.reading() as session:
        holders = outbox.holders(session)
    gone = frozenset(one for one in holders if heartbeats.is_gone(one.rpartition(":")[0]))
    if gone or any(until < now for until in holders.values()):
        with db.transaction() as session:
            count = outbox.lapse(session, now=now, gone=gone)
        log.warning("leases_lapsed", count=count)


def _wake(now: datetime) -> None:
    due = exists().where(Conversation.status == "snoozed", Conversation.snoozed_until <= now)
    reminded = exists().where(Conversation.remind_at <= now)
    with db.reading() as session:
        any_due = session.scalar(select(due)) or session.scalar(select(reminded))
    while any_due:
        with db.transaction() as session:
            any_due = conversations.wake_due(session, now=now) > 0


def _deadlines(now: datetime) -> None:
    """Steps whose time has come; and after a change of policies or calendars what runs, in batches."""
    with db.reading() as session:
        due = session.scalar(select(exists().where(Conversation.next_step_at <= now)))
        anew = session.get(Setting, kept_deadlines.ANEW) is not None
    while due:
        with db.transaction() as session:
            due = escalation.tell_due(session, now=now) == escalation.BATCH
    until = time.monotonic() + ANEW_SECONDS
    while anew and time.monotonic() < until:
        with db.transaction() as session:
            anew = kept_deadlines.go_on_anew(session, now=now)


def _send_digests(now: datetime) -> None:
    with db.reading() as session:
        waiting = digests.due(session, now=now)
    for user_id in waiting:
        with db.transaction() as session:
            digests.send(session, user_id, now=now)


def _prove_nightly(now: datetime) -> None:
    with db.reading() as session:
        if forgotten.is_too_early(session):
            return
    with db.transaction() as session:
        if not _not_yet_done(session, "proved_on", now):
            return
    wrong: list[int] = []
    after: int | None = 0
    while after is not None:
        with db.transaction() as session:
            mended, after = forgotten.mend(session, after=after, now=now)
        wrong += mended
    with db.transaction() as session:
        proof = forgotten.prove(session, wrong_deadlines=wrong, now=now)
    for one in proof.findings:
        log.error("forgotten", code=one.code, count=one.count, ids=one.ids)


def _file_pending(now: datetime) -> None:
    waiting = exists().where(RawMail.state == "pending", RawMail.fetched_at < now - PENDING_AFTER)
    with db.reading() as session:
        any_waiting = session.scalar(select(waiting))
    if any_waiting:
        count = intake.file_pending(now=now)
        log.warning("filed_late", count=count)


def _run_rules(now: datetime) -> None:
    """Rules that wait for working minutes without an answer, and rules by the clock."""
    with db.reading() as session:
        if not rule_runs.wait_for_the_clock(session):
            return
    while True:
        with db.transaction() as session:
            if not rule_runs.unanswered(session, now=now):
                break
    more = True
    while more:  # those that a process left undone first, then those whose moment has come
        with db.transaction() as session:
            more = rule_runs.by_the_clock(session, now=now) or bool(rule_runs.due_by_the_clock(session, now=now))


def _hand_back(now: datetime) -> None:
    with db.reading() as session:
        if not rule_runs.may_hand_back(session, now=now):
            return
    with db.transaction() as session:
        rule_runs.hand_back(session, now=now)


def _go_on_with_bulk(now: datetime) -> None:
    """What somebody does to many conversations at once, step by step, each in a transaction of its own."""
    with db.reading() as session:
        unfinished = bulk.unfinished(session)
    for bulk_id in unfinished:
        more = True
        while more:
            with db.transaction() as session:
                more = bulk.go_on(session, bulk_id, now=now)


def _forget_presence(now: datetime) -> None:
    with db.transaction() as session:
        presence.forget_lapsed(session, now=now)


def _give_up(now: datetime) -> None:
    with db.transaction() as session:
        outbox.give_up(session, now=now)


def _call_webhooks() -> None:
    webhooks.call_due(now=datetime.now(UTC))


def _tell_of_trouble(now: datetime) -> None:
    with db.transaction() as session:
        notifications.tell_of_trouble(session, now=now)


def _tell_of_approvals(now: datetime) -> None:
    with db.transaction() as session:
        approvals.tell_overdue(session, now=now)


def _keep_house(now: datetime) -> None:
    with db.transaction() as session:
        people.forget_old_tries(session, now=now)
        bulk.forget_old(session, before=now - timedelta(days=bulk.KEPT_DAYS))
        heartbeats.forget_old(session, now=now)
        near_misses.forget_old(session, now=now)
        notifications.forget_old(session, now=now)
        webhooks.forget_old(session, now=now)


def _recount_nightly(now: datetime) -> None:
    with db.transaction() as session:
        wrong = recount(session) if _not_yet_done(session, "recounted_on", now) else 0
    if wrong:
        log.error("counters_were_wrong", count=wrong)


def _clear_leftovers_nightly(now: datetime) -> None:
    with db.transaction() as session:
        if not _not_yet_done(session, "leftovers_cleared_on", now):
            return
        leftovers.forget_draft_files(session, now=now)
    cleared = leftovers.clear(now=now)
    log.info("leftovers_cleared", files=cleared.files, bytes=cleared.bytes)


def _not_yet_done(session: Session, what: str, now: datetime) -> bool:
    """Whether the work of the last night is still to do, which is then noted as done; a machine that is off at night
    does it when it is next on."""
    night = (now - timedelta(hours=NIGHT_HOUR)).date().isoformat()
    done = session.get(Setting, what)
    if done is not None and done.value >= night:
        return False
    session.merge(Setting(key=what, value=night))
    return True


def recount(session: Session) -> int:
    """Makes the kept counters anew from the conversations; how many had been wrong."""
    before = _counters(session)
    conversations.recount(session)
    return len(before ^ _counters(session))


def _counters(session: Session) -> set[tuple[int, str, int, int]]:
    kept = select(FolderCount.mailbox_id, FolderCount.status, FolderCount.owner_id, FolderCount.count)
    return {(row[0], row[1], row[2], row[3]) for row in session.execute(kept.where(FolderCount.count != 0))}


class _OnlyClock:
    """A second clock on this machine waits for the first to end: two that checkpoint could lose SQLite's pages."""

    def __init__(self, stopping: threading.Event) -> None:
        self._stopping = stopping
        self._file: IO[str] | None = None

    def __enter__(self) -> None:
        settings().data.mkdir(parents=True, exist_ok=True)
        self._file = (settings().data / "clock.lock").open("a")
        while not self._stopping.is_set():
            try:
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            except OSError:
                log.warning("another_clock_runs")
                self._stopping.wait(2)

    def __exit__(self, *_about: object) -> None:
        if self._file is not None:
            self._file.close()
