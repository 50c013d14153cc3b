"""The poller with real mail servers: news within a second, nobody waits for a server that hangs, everything mends
itself."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, func, select, text, update

from inbox import config, db, heartbeats, mailbox_thread, mailboxes
from inbox.blobs import blobs
from inbox.mailbox_thread import pause
from inbox.models import Conversation, Event, Folder, Heartbeat, Mailbox, Message
from inbox.wire.imap import Connection
from inbox.wire.problems import Problem
from tests.inbox.boxes import Box, form_of, polling
from tests.inbox.truth import mails
from tests.servers import wait_until
from tests.servers.dovecot import Account, Dovecot
from tests.servers.hostile_imap import HostileImap

ROOT = Path(__file__).resolve().parents[2]
MAIL = b"From: c%d@c.example\r\nSubject: s%d\r\nMessage-ID: <%d@c.example>\r\n\r\nhello\r\n"


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pauses of a test's length."""
    monkeypatch.setattr(mailbox_thread, "QUICK", (0.05, 0.1, 0.2))
    monkeypatch.setattr(mailbox_thread, "FIRST_PAUSE", 0.1)
    monkeypatch.setattr(mailbox_thread, "LONGEST_PAUSE", 0.5)
    monkeypatch.setattr(mailbox_thread, "FULL_DISK_PAUSE", 0.2)
    monkeypatch.setattr(mailbox_thread, "DATABASE_PAUSES", (0.1, 0.2))


def connect(port: int, user: str = "u@hostile.example", **form: object) -> int:
    with db.transaction() as session:
        made = form_of(port, Account(user, "secret"), **form)
        return mailboxes.add(session, None, made, now=datetime.now(UTC))


def mailbox(mailbox_id: int) -> Mailbox:
    with db.reading() as session:
        return session.get_one(Mailbox, mailbox_id)


def test_a_mail_is_filed_within_a_second_of_its_delivery(engine: Engine, dovecot: Dovecot) -> None:
    box = Box(dovecot)
    with polling():
        wait_until(lambda: box.folder().reconciled_at, what="first reading")
        took = []
        for number in range(5):
            dovecot.deliver(box.user, MAIL % (number, number, number))
            began = time.monotonic()
            wait_until(lambda number=number: len(box.messages()) == number + 1, what="the mail is filed")
            took.append(time.monotonic() - began)
        assert sorted(took)[2] < 1.5  # half a second of it is Dovecot's own delay; other tests may run beside this one
        with db.reading() as session:
            assert session.scalar(select(func.count()).where(Event.kind == "received")) == 5


def test_mail_in_a_folder_that_idle_does_not_watch_is_soon_there(
    engine: Engine, dovecot: Dovecot, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the look it would wait for the poll, a minute later."""
    monkeypatch.setattr(mailbox_thread, "LOOK_SECONDS", 0.5)
    box = Box(dovecot, folders=("INBOX", "Orders", "Gone"), sent_folder="Sent")
    box.doveadm("mailbox", "create", "-u", box.user, "Orders")
    asked = []
    next_uid = Connection.next_uid
    monkeypatch.setattr(Connection, "next_uid", lambda self, name: asked.append(name) or next_uid(self, name))
    with polling():
        wait_until(lambda: box.folder().reconciled_at, what="first reading")
        wait_until(lambda: asked.count("Orders") > 1, what="a look without news")
        for number in range(3):
            box.save(MAIL % (number, number, number), folder="Orders")
            wait_until(lambda number=number: len(box.messages()) == number + 1, seconds=8, what="the mail is filed")
        seen = asked.count("Orders")
        wait_until(lambda: asked.count("Orders") > seen + 1, what="the last mail's reading is over")
        read_at = box.folder("Orders").read_at
        wait_until(lambda: asked.count("Orders") > seen + 3, what="looks without news")
        assert box.folder("Orders").read_at == read_at, "what has no news is not read"
        dovecot.deliver(box.user, MAIL % (7, 7, 7))
        wait_until(lambda: len(box.messages()) == 4, seconds=3, what="the inbox is watched as ever")
    assert "INBOX" not in asked


def test_mailboxes_are_added_changed_and_removed_while_it_runs(engine: Engine, dovecot: Dovecot) -> None:
    with polling() as poller:
        first, second = Box(dovecot), Box(dovecot)
        for box in (first, second):
            wait_until(lambda box=box: box.mailbox().last_ok_at, what="the new mailbox is read")
        other = dovecot.account()
        dovecot.deliver(other.user, MAIL % (1, 1, 1))
        with db.transaction() as session:
            form = replace(mailboxes.form_of(session, first.id), imap_user=other.user, imap_password=other.password)
            mailboxes.change(session, None, first.id, form, now=datetime.now(UTC))
            mailboxes.set_active(session, None, second.id, False, now=datetime.now(UTC))
        wait_until(lambda: len(first.messages()) == 1, what="the other account's mail is read")
        wait_until(lambda: list(poller._threads) == [first.id], what="the switched off one is let go")
        with db.transaction() as session:
            mailboxes.remove(session, None, first.id, now=datetime.now(UTC))
        wait_until(lambda: not poller._threads and not poller._leaving, what="the removed one is let go")
        with db.reading() as session:
            assert session.scalar(select(func.count()).select_from(Message)) == 0


def test_f06_a_server_that_hangs_delays_no_other_mailbox(engine: Engine, dovecot: Dovecot) -> None:
    silent, mute = HostileImap(hang=True), HostileImap({1: MAIL % (1, 1, 1)}, answers={"UID SEARCH": b""})
    try:
        connect(silent.port, "silent@hostile.example")
        connect(mute.port, "mute@hostile.example")
        with polling():
            wait_until(lambda: mute.logins, what="the hanging server is tried")
            box = Box(dovecot)
            dovecot.deliver(box.user, MAIL % (1, 1, 1))
            began = time.monotonic()
            wait_until(lambda: len(box.messages()) == 1, what="the good mailbox is read")
            assert time.monotonic() - began < 5
    finally:
        silent.close()
        mute.close()


def test_a_connection_that_is_overdue_is_cut_and_made_anew(
    engine: Engine, quick: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("inbox.wire.imap.PATIENCE", 0.5)
    server = HostileImap({1: MAIL % (1, 1, 1)}, answers={"UID SEARCH": b""})
    try:
        mailbox_id = connect(server.port)
        with polling():
            wait_until(lambda: mailbox(mailbox_id).failures >= 2, seconds=20, what="the hanging connection is cut")
            assert mailbox(mailbox_id).error_code in ("lost", "timeout")
            del server.answers["UID SEARCH"]
            wait_until(lambda: mailbox(mailbox_id).last_ok_at, seconds=20, what="it is read at last")
        assert (mailbox(mailbox_id).failing_since, mailbox(mailbox_id).error_code) == (None, "")
    finally:
        server.close()


def test_f08_a_refused_password_is_tried_three_times_and_then_waits_for_a_new_one(engine: Engine, quick: None) -> None:
    server = HostileImap({1: MAIL % (1, 1, 1)}, answers={"LOGIN": b"TAG NO [AUTHENTICATIONFAILED] no\r\n"})
    try:
        mailbox_id = connect(server.port)

        def tries() -> int:
            return server.commands.count("LOGIN")

        with polling():
            wait_until(lambda: tries() == 3, what="three tries")
            wait_until(lambda: mailbox(mailbox_id).failures == 3)
            found = mailbox(mailbox_id)
            assert (found.error_code, found.error_text) == ("login", "[AUTHENTICATIONFAILED] no")
            assert found.failing_since is not None
            settled = time.monotonic() + 1.5
            wait_until(lambda: time.monotonic() > settled)
            assert tries() == 3
        with polling():  # nor after a restart
            settled = time.monotonic() + 1.0
            wait_until(lambda: time.monotonic() > settled)
            assert tries() == 3
            del server.answers["LOGIN"]
            with db.transaction() as session:
                form = replace(mailboxes.form_of(session, mailbox_id), imap_password="the new one")
                mailboxes.change(session, None, mailbox_id, form, now=datetime.now(UTC))
            wait_until(lambda: mailbox(mailbox_id).last_ok_at, what="it is read with the new password")
        assert mailbox(mailbox_id).error_code == ""
    finally:
        server.close()


def test_pauses_grow_to_half_an_hour_and_differ_by_chance() -> None:
    def about(code: str, failures: int) -> float:
        return sum(pause(Problem(code), failures).total_seconds() for _ in range(200)) / 200

    assert [round(about("lost", n)) for n in (1, 2, 3)] == [1, 5, 15]
    assert about("lost", 4) == pytest.approx(60, rel=0.1)
    assert about("limit", 1) == pytest.approx(60, rel=0.1)
    assert about("login", 2) == pytest.approx(120, rel=0.1)
    assert about("lost", 50) == pytest.approx(1800, rel=0.1)
    assert len({pause(Problem("lost"), 4) for _ in range(20)}) > 10


def test_f07_a_server_that_restarts_again_and_again_loses_nothing(
    engine: Engine, dovecot: Dovecot, quick: None
) -> None:
    box = Box(dovecot)
    truths = list(mails(60))
    with polling():
        for start in range(0, 60, 20):
            for truth in truths[start : start + 20]:
                dovecot.deliver(box.user, truth.raw)
            subprocess.run(
                ["doveadm", "-c", str(dovecot.dir / "dovecot.conf"), "kick", box.user], capture_output=True, check=False
            )
            dovecot.stop()
            dovecot.start()
        wait_until(
            lambda: len(box.rows()) == 60 and "pending" not in box.states(), seconds=60, what="all mails are filed"
        )
    assert box.conversations() >= len({truth.root for truth in truths}) - 1
    assert len(box.messages()) == sum(truth.copy_of is None for truth in truths)


@pytest.mark.only_on("postgres")
def test_f04_a_database_that_drops_everybody_loses_nothing(engine: Engine, dovecot: Dovecot, quick: None) -> None:
    box = Box(dovecot)
    truths = list(mails(150))
    box.lay([truth.raw for truth in truths])
    ending = threading.Event()

    def drop_everybody() -> None:
        admin = db.make_engine(config.settings().database, pool_size=1)
        while not ending.wait(0.25):
            with admin.connect() as connection:
                connection.execute(
                    text(
                        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
                    )
                )
        admin.dispose()

    dropper = threading.Thread(target=drop_everybody)
    with polling():
        dropper.start()
        settled = time.monotonic() + 4
        wait_until(lambda: time.monotonic() > settled)
        ending.set()
        dropper.join()
        wait_until(
            lambda: len(box.rows()) == 150 and "pending" not in box.states(), seconds=60, what="all mails are filed"
        )
    assert "quarantined" not in box.states()
    assert len(box.messages()) == sum(truth.copy_of is None for truth in truths)


@contextmanager
def small_disk(path: Path, size: str) -> Iterator[Path]:
    path.mkdir(parents=True)
    if (
        os.geteuid() != 0
        or subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", path], check=False).returncode
    ):
        pytest.skip("a small disk can only be mounted by root")
    try:
        yield path
    finally:
        subprocess.run(["umount", "-l", path], check=True)


def test_f05_a_full_disk_moves_no_cursor_and_mends_itself(
    engine: Engine, dovecot: Dovecot, quick: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with small_disk(tmp_path / "small", "1m") as disk:
        monkeypatch.setenv("BLOB_URL", f"file://{disk}")
        config.settings.cache_clear()
        blobs.cache_clear()
        box = Box(dovecot)
        raws = [MAIL % (n, n, n) + (b"%05d" % n * 15 + b"\r\n") * 2_500 for n in range(12)]
        with polling():
            for raw in raws:
                dovecot.deliver(box.user, raw)
            wait_until(lambda: box.mailbox().error_code == "disk_full", seconds=20, what="the full disk is told")
            assert os.strerror(errno.ENOSPC) in box.mailbox().error_text
            assert box.folder().last_uid < 12
            subprocess.run(["mount", "-o", "remount,size=64m", str(disk)], check=True)
            wait_until(lambda: box.states() == {"filed": 12}, seconds=20, what="all mails are filed")
            wait_until(lambda: box.mailbox().error_code == "", what="the banner goes")
        for row, raw in zip(box.rows(), raws, strict=True):
            assert blobs().get(row.sha256).endswith(raw)
    blobs.cache_clear()


def test_two_pollers_share_and_one_takes_over_from_a_dead_one(engine: Engine, dovecot: Dovecot) -> None:
    boxes = [Box(dovecot) for _ in range(4)]
    environment = os.environ | {"DATABASE_URL": config.settings().database, "DATA_DIR": str(config.settings().data)}
    other = subprocess.Popen(
        [sys.executable, "-m", "inbox", "poller"], cwd=ROOT, env=environment, stderr=subprocess.DEVNULL
    )

    def owners() -> list[str]:
        with db.reading() as session:
            return sorted(set(session.scalars(select(Folder.lease_owner).where(Folder.read))))

    try:
        wait_until(
            lambda: all(box.mailbox().last_ok_at for box in boxes), seconds=40, what="the first poller reads all"
        )
        with polling() as poller:
            wait_until(lambda: len(poller._threads) == 2, seconds=20, what="the second one gets its share")
            assert len(owners()) == 2
            other.kill()
            other.wait()
            with db.transaction() as session:  # time passes
                session.execute(
                    update(Folder).where(Folder.lease_owner != poller.name).values(lease_until=datetime.now(UTC))
                )
                session.execute(
                    update(Heartbeat)
                    .where(Heartbeat.name.contains(f":{other.pid}"))
                    .values(at=datetime.now(UTC) - timedelta(minutes=5))
                )
            wait_until(lambda: len(poller._threads) == 4, seconds=20, what="it takes over")
            for number, box in enumerate(boxes):
                dovecot.deliver(box.user, MAIL % (number, number, number))
            wait_until(lambda: all(len(box.messages()) == 1 for box in boxes), seconds=20, what="all is read on")
    finally:
        other.kill()
        other.wait()


def test_what_was_answered_elsewhere_while_nobody_read_does_not_wait(engine: Engine, dovecot: Dovecot) -> None:
    box = Box(dovecot, sent_folder="Sent")
    box.read()
    asked = b"From: c@c.example\r\nTo: us@shop.example\r\nSubject: s\r\nMessage-ID: <q@c.example>\r\n\r\nhello?\r\n"
    answered = (
        b"From: us@shop.example\r\nTo: c@c.example\r\nSubject: Re: s\r\nIn-Reply-To: <q@c.example>\r\n\r\nyes\r\n"
    )
    box.lay([asked])
    box.lay([answered], folder=".Sent")
    with polling():
        wait_until(lambda: len(box.messages()) == 2, what="both are read")
    (found,) = {one.conversation_id for one in box.messages()}
    with db.reading() as session:
        conversation = session.get_one(Conversation, found)
    assert (conversation.status, conversation.waiting_since) == ("waiting", None)


def test_a_folder_that_is_gone_is_told_and_the_others_are_read_on(engine: Engine, dovecot: Dovecot) -> None:
    box = Box(dovecot, folders=("INBOX", "Renamed"))
    with polling():
        wait_until(lambda: box.mailbox().error_code == "folder", what="the missing folder is told")
        assert box.mailbox().failing_since is not None
        dovecot.deliver(box.user, MAIL % (1, 1, 1))
        wait_until(lambda: len(box.messages()) == 1, seconds=5, what="news come as ever")
        assert (box.mailbox().error_code, box.mailbox().failures) == ("folder", 0)
        with db.transaction() as session:
            mailboxes.read_now(session, box.id, now=datetime.now(UTC))
        wait_until(lambda: box.folder("Renamed").due_at is None, what="it is looked for once and not for ever")
        box.doveadm("mailbox", "create", "-u", box.user, "Renamed")
        with db.transaction() as session:
            mailboxes.read_now(session, box.id, now=datetime.now(UTC))
        wait_until(lambda: box.mailbox().error_code == "", what="the folder is there")
    assert box.mailbox().failing_since is None


def test_a_poller_that_was_away_lets_go_of_what_another_one_took_over(engine: Engine, dovecot: Dovecot) -> None:
    """Else two read one mailbox for ever, and a mailbox that its holder counts as one too many is read by nobody."""
    box = Box(dovecot)

    def leased(owner: str, until: datetime) -> None:
        with db.transaction() as session:
            session.execute(update(Folder).values(lease_owner=owner, lease_until=until))

    with polling() as poller:
        wait_until(lambda: box.mailbox().last_ok_at, what="first reading")
        leased("poller@elsewhere:1-abcdef", datetime.now(UTC) + timedelta(minutes=1))
        wait_until(lambda: not poller._threads and not poller._leaving, what="it is let go")
        leased("poller@elsewhere:1-abcdef", datetime.now(UTC))
        wait_until(lambda: list(poller._threads) == [box.id], what="it is taken back when the other one is gone")
        assert box.folder().lease_owner == poller.name


def test_it_says_that_it_lives_and_ends_at_once_when_asked(engine: Engine, dovecot: Dovecot) -> None:
    Box(dovecot)
    with polling() as poller:
        name = heartbeats.name_of("poller")

        def beat() -> datetime | None:
            with db.reading() as session:
                return session.scalar(select(Heartbeat.at).where(Heartbeat.name == name))

        wait_until(beat, what="a heartbeat")
        wait_until(lambda: poller._threads)
        began = time.monotonic()
    assert time.monotonic() - began < 6
    with db.reading() as session:
        assert session.scalar(select(func.count()).where(Heartbeat.name == name)) == 0
        assert session.scalar(select(func.count()).where(Folder.lease_owner != "")) == 0
