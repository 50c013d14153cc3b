"""Whatever is due is found again: by the clock, with a doorbell or without."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine, select, text, update

from inbox import clock, config, conversations, db, heartbeats, outbox, sending, worker
from inbox.blobs import blobs
from inbox.models import Conversation, Folder, FolderCount, Heartbeat, Mailbox, Outgoing, Presence, RawMail
from inbox.wire import ring
from tests.inbox.cast import NOW, a_conversation, a_mailbox, a_user
from tests.servers import wait_until
from tests.servers.smtp_sink import SmtpSink
from tests.servers.valkey import Valkey


@pytest.fixture
def mailbox_id(engine: Engine, smtp_sink: SmtpSink, valkey: Valkey) -> Iterator[int]:
    ring.connection.cache_clear()
    sending._stopping.clear()
    with db.transaction() as session:
        mailbox = a_mailbox(session)
        mailbox.smtp_host, mailbox.smtp_port, mailbox.smtp_security, mailbox.smtp_user = (
            "127.0.0.1",
            smtp_sink.port,
            "plain",
            "",
        )
        made = mailbox.id
    yield made
    ring.connection.cache_clear()


def a_mail(mailbox_id: int, number: int = 1) -> int:
    raw = f"Message-ID: <{number}@shop.example>\r\n\r\nhello\r\n".encode()
    with db.transaction() as session:
        outgoing_id = outbox.put(
            session,
            kind="reply",
            dedupe_key=f"test:{number}",
            mailbox_id=mailbox_id,
            envelope_from="support@shop.example",
            recipients=["a@customer.example"],
            subject="x",
            mail_id=f"<{number}@shop.example>",
            key=f"{number:032}",
            raw_sha256=blobs().put(raw),
            size=len(raw),
            due_at=NOW,
            now=NOW,
        )
    assert outgoing_id is not None
    return outgoing_id


def state_of(outgoing_id: int) -> str:
    with db.reading() as session:
        return session.get_one(Outgoing, outgoing_id).state


@contextmanager
def process(command: str) -> Iterator[subprocess.Popen[bytes]]:
    """`python -m inbox command` on this test's database."""
    environment = os.environ | {"LOG_LEVEL": "error"}
    child = subprocess.Popen([sys.executable, "-m", "inbox", command], env=environment)
    try:
        yield child
    finally:
        child.kill()
        child.wait(10)


# -- ringing


def test_the_clock_rings_for_what_is_due(mailbox_id: int) -> None:
    a_mail(mailbox_id)
    clock.tick([step for step in clock.all_steps() if step.name == "send"])
    assert ring.backlog() == 1


def test_it_does_not_ring_for_what_a_worker_has_in_hand(mailbox_id: int) -> None:
    a_mail(mailbox_id)
    with db.transaction() as session:
        outbox.claim(session, mailbox_id, "busy", now=datetime.now(UTC), limit=1)
    a_mail(mailbox_id, 2)
    clock.tick([step for step in clock.all_steps() if step.name == "send"])
    assert ring.backlog() == 0


def test_with_a_dead_doorbell_it_sends_by_itself(
    mailbox_id: int, valkey: Valkey, smtp_sink: SmtpSink, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clock, "ALONE_AFTER", 0.2)
    outgoing_id = a_mail(mailbox_id)
    valkey.kill()
    steps = [step for step in clock.all_steps() if step.name == "send"]
    steps[0].every = 0.05

    def sent() -> bool:
        clock.tick(steps)
        return state_of(outgoing_id) == "sent"

    wait_until(sent, seconds=15, every=0.05, what="the clock sends by itself")
    assert len(smtp_sink.deliveries) == 1


def test_a_lapsed_lease_is_found(mailbox_id: int) -> None:
    outgoing_id = a_mail(mailbox_id)
    with db.transaction() as session:
        outbox.claim(session, mailbox_id, "dead", now=NOW, limit=1)
    clock.tick([step for step in clock.all_steps() if step.name == "lapsed_leases"])
    assert state_of(outgoing_id) == "queued"


# -- other steps


def test_snoozed_conversations_come_back(mailbox_id: int) -> None:
    with db.transaction() as session:
        conversation = a_conversation(session, session.get_one(Mailbox, mailbox_id))
        until = NOW + timedelta(minutes=1)
        conversations.set_status(session, conversation, "snoozed", now=NOW, actor_id=None, until=until)
    clock.tick([step for step in clock.all_steps() if step.name == "snoozed"])
    with db.reading() as session:
        assert session.scalars(select(Conversation.status)).one() == "open"


def test_mails_that_take_their_time_hold_up_no_answer(mailbox_id: int, monkeypatch: pytest.MonkeyPatch) -> None:
    reading, read = threading.Event(), threading.Event()

    def read_bombs(**_about: object) -> int:
        reading.set()
        read.wait(60)
        return 1

    monkeypatch.setattr(clock.intake, "file_pending", read_bombs)
    with db.transaction() as session:
        folder = Folder(mailbox_id=mailbox_id, name="INBOX", role="inbox", uidvalidity=1)
        session.add(folder)
        session.flush()
        session.add(RawMail(folder_id=folder.id, uidvalidity=1, uid=1, sha256="0" * 64, fetched_at=NOW))
    steps = clock.all_steps()
    ticking = threading.Thread(target=clock.tick, args=(steps,))
    ticking.start()
    try:
        assert reading.wait(20)
        ticking.join(20)
        assert not ticking.is_alive()
    finally:
        read.set()
        ticking.join()


def test_old_presence_is_forgotten(mailbox_id: int) -> None:
    with db.transaction() as session:
        mailbox = session.get_one(Mailbox, mailbox_id)
        conversation, user = a_conversation(session, mailbox), a_user(session, "Aoi", mailbox)
        session.add(Presence(conversation_id=conversation.id, user_id=user.id, until=NOW))
    clock.tick([step for step in clock.all_steps() if step.name == "presence"])
    with db.reading() as session:
        assert session.scalars(select(Presence)).all() == []


def test_wrong_counters_are_found_and_made_right(mailbox_id: int) -> None:
    with db.transaction() as session:
        a_conversation(session, session.get_one(Mailbox, mailbox_id))
    with db.transaction() as session:
        assert clock.recount(session) == 0
        session.execute(update(FolderCount).values(count=7))
    with db.transaction() as session:
        assert clock.recount(session) == 2  # the wrong one went, the right one came
    with db.reading() as session:
        assert session.scalars(select(FolderCount.count)).all() == [1]


def test_what_a_dead_sender_held_goes_on_at_once(mailbox_id: int) -> None:
    now = datetime.now(UTC)
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    host, pid = heartbeats.name_of("worker").rpartition("@")[2].rpartition(":")[::2]
    holders = (f"{host[:40]}:{dead.pid}:aa", f"{host[:40]}:{dead.pid}:bb", f"{host[:40]}:{pid}:cc", "elsewhere:1:dd")
    ids = [a_mail(mailbox_id, number) for number in range(1, 5)]
    with db.transaction() as session:
        for holder in holders:
            assert len(outbox.claim(session, mailbox_id, holder, now=now, limit=1)) == 1
        outbox.begin(session, holders[1], ids[1:2], now=now)
    clock.tick([step for step in clock.all_steps() if step.name == "lapsed_leases"])
    with db.reading() as session:
        states = [session.get_one(Outgoing, one).state for one in ids]
    assert states == ["queued", "uncertain", "sending", "sending"]


@pytest.mark.only_on("sqlite")
def test_the_log_of_sqlite_is_moved_into_the_database(mailbox_id: int) -> None:
    a_mail(mailbox_id)
    clock.tick([step for step in clock.all_steps() if step.name == "checkpoint"])
    with db.engine().connect().execution_options(read_only=True) as connection:
        busy, frames, moved = connection.execute(text("PRAGMA wal_checkpoint(PASSIVE)")).one()
    assert (busy, frames) == (0, moved)


def test_a_step_that_fails_stops_no_other(mailbox_id: int) -> None:
    done = []

    def fail(_now: datetime) -> None:
        raise RuntimeError("nope")

    steps = [clock.Step("bad", 1, fail), clock.Step("good", 1, done.append)]
    clock.tick(steps)
    assert len(done) == 1


def test_heartbeats_are_written_and_forgotten(engine: Engine) -> None:
    with heartbeats.Heart("clock"):
        wait_until(lambda: _hearts() == ["clock"], what="a heartbeat")
    assert _hearts() == []
    with db.transaction() as session:
        session.add(Heartbeat(name="worker@gone:1", role="worker", at=NOW, info={}))
    with db.transaction() as session:
        assert heartbeats.forget_old(session, now=NOW + timedelta(days=2)) == 1


def _hearts() -> list[str]:
    with db.reading() as session:
        return list(session.scalars(select(Heartbeat.role)))


# -- the processes


def test_clock_and_worker_send_what_is_due_and_end_on_sigterm(
    mailbox_id: int, smtp_sink: SmtpSink, valkey: Valkey
) -> None:
    with process("clock") as clock_process, process("worker") as worker_process:
        wait_until(lambda: set(_hearts()) == {"clock", "worker"}, seconds=30, what="both live")
        outgoing_id = a_mail(mailbox_id)
        wait_until(lambda: state_of(outgoing_id) == "sent", seconds=15, what="it is sent")
        for child in (worker_process, clock_process):
            child.send_signal(signal.SIGTERM)
        assert worker_process.wait(25) == 0
        assert clock_process.wait(25) == 0
    assert _hearts() == []
    assert len(smtp_sink.deliveries) == 1


def test_a_worker_lives_through_the_death_of_redis(mailbox_id: int, smtp_sink: SmtpSink, valkey: Valkey) -> None:
    valkey.kill()
    with process("worker") as worker_process:
        wait_until(lambda: _hearts() == ["worker"], seconds=30, what="it lives without Redis")
        valkey.start()
        ids = []
        for number in (1, 2):
            ids.append(a_mail(mailbox_id, number))
            wait_until(_rung, seconds=15, every=0.5, what="somebody hears")
            wait_until(lambda one=ids[-1]: state_of(one) == "sent", seconds=30, what=f"mail {number} is sent")  # type: ignore[misc]
            if number == 1:
                valkey.kill()
                valkey.start()
        assert worker_process.poll() is None
    assert len(smtp_sink.deliveries) == 2


def test_a_worker_goes_on_when_its_library_gives_up(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def work(*, burst: bool, stopping: Callable[[], None]) -> None:  # ends as RQ's does when Redis dies under a job
        calls.append(burst)
        if len(calls) == 3:
            stopping()

    monkeypatch.setattr(worker.ring, "work", work)
    monkeypatch.setattr(worker, "RETRY_SECONDS", 0)
    before = {one: signal.getsignal(one) for one in (signal.SIGTERM, signal.SIGINT)}
    try:
        worker.run()
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)
    assert calls == [False] * 3


def _rung() -> bool:
    try:
        ring.enqueue("send", queue="send")
    except ring.Dead:
        return False
    return True


@pytest.mark.only_on("sqlite")
def test_a_second_clock_waits_for_the_first(mailbox_id: int) -> None:
    with process("clock") as first:
        wait_until(lambda: _hearts() == ["clock"], seconds=30)
        with process("clock") as second:
            wait_until(lambda: second.poll() is None and (config.settings().data / "clock.lock").exists(), seconds=5)
            first.send_signal(signal.SIGTERM)
            assert first.wait(25) == 0
            wait_until(lambda: _hearts() == ["clock"], seconds=30, what="the second takes over")
