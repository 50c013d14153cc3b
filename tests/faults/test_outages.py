"""What we depend on goes away and comes back: health says so, nothing is lost, nobody has to restart anything.

F-03 Redis, F-04 PostgreSQL, F-05 disk, F-07 the IMAP server, F-08 a changed password, F-14 an expired certificate; the
SMTP server; and an IMAP server that hangs while another mailbox is read.
"""

from __future__ import annotations

import os
import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, func, select

from inbox import config, db, drafts, health, mailboxes, people, replies
from inbox.blobs import blobs
from inbox.mailboxes import MailboxForm
from inbox.models import Conversation, Folder, Mailbox, Outgoing, RawMail, User
from tests.faults.check import Imap, check, read_store
from tests.faults.installation import Installation
from tests.inbox.cast import a_user
from tests.servers import wait_until
from tests.servers.dovecot import Account, Dovecot
from tests.servers.hostile_imap import HostileImap
from tests.servers.postgres import Postgres
from tests.servers.smtp_sink import SmtpSink
from tests.servers.valkey import Valkey

pytestmark = pytest.mark.slow

OUTAGE = 3.0  # seconds
RECOVERED = 40.0  # seconds within which all is well again; pauses after failures are 1, 5, 15 s
PROCESSES = ("poller", "worker", "clock")
DISK_MEGABYTES = 500  # of the disk that fills up; health calls less than 200 free ones full


@dataclass
class Shop:
    """One installation with one mailbox, its servers, and what was done in it."""

    place: Installation
    dovecot: Dovecot
    account: Account
    sink: SmtpSink
    mailbox_id: int
    form: MailboxForm
    database_url: str
    delivered: int = 0
    accepted: set[int] = field(default_factory=set)

    def deliver(self, count: int = 1) -> None:
        """Mails arrive in the Maildir whether or not Dovecot runs."""
        folder = self.dovecot.maildir(self.account.user)
        for _ in range(count):
            self.delivered += 1
            fresh = folder / "tmp" / f"{time.time_ns()}.{self.delivered}.test"
            fresh.write_bytes(a_mail(self.delivered))
            self.dovecot.own(fresh)
            fresh.rename(folder / "new" / fresh.name)

    def filed(self) -> int:
        with db.reading() as session:
            return session.scalar(select(func.count()).where(RawMail.state == "filed")) or 0

    def until_filed(self, *, seconds: float = RECOVERED) -> None:
        wait_until(lambda: self.filed() == self.delivered, seconds=seconds, every=0.1, what="all mails are filed")

    def answer(self) -> int:
        """Somebody answers the next conversation; the id of the queue row."""
        now = datetime.now(UTC)
        with db.transaction() as session:
            who = people.of(session, session.scalars(select(User)).one())
            unanswered = select(Conversation.id).where(Conversation.waiting_since.is_not(None))
            first = session.scalars(unanswered.order_by(Conversation.id).limit(1)).one()
            draft = drafts.start(session, who, "reply", conversation_id=first, now=now)
            draft = drafts.save(session, who, draft.id, rev=draft.rev, fields={"text": "On its way."}, now=now)
            sent = replies.send(session, who, draft.id, seen_version=draft.seen_version, next_status=None, now=now)
        self.accepted.add(draft.id)
        return sent.outgoing_id

    def state_of(self, outgoing_id: int) -> str:
        with db.reading() as session:
            return session.get_one(Outgoing, outgoing_id).state

    def until_sent(self, outgoing_id: int) -> None:
        wait_until(lambda: self.state_of(outgoing_id) == "sent", seconds=RECOVERED, every=0.1, what="it is sent")

    def health(self) -> health.MailboxHealth:
        with db.reading() as session:
            found = health.mailboxes(session, None, now=datetime.now(UTC))
        return next(one for one in found if one.id == self.mailbox_id)

    def until(self, what: str, holds: Callable[[health.MailboxHealth], bool]) -> None:
        wait_until(lambda: holds(self.health()), seconds=RECOVERED, every=0.1, what=what)

    def all_is_well(self) -> None:
        """Nothing lost, nothing doubled, health says so, and no process had to be started again."""
        self.until("the mailbox works", lambda one: one.state == "ok" and not one.code)
        wait_until(lambda: health.system(now=datetime.now(UTC)).ok, seconds=RECOVERED, every=0.2, what="all is green")
        assert not self.place.ended, self.place.ended
        store = read_store(Imap(self.dovecot.host, self.dovecot.imap, self.account.user, self.account.password))
        report = check(
            self.database_url,
            Path(config.settings().blob_dir),
            store=store,
            deliveries=self.sink.deliveries,
            accepted=self.accepted,
        )
        assert report.clean, report
        assert report.mails == self.delivered
        assert not report.uncertain


def a_mail(number: int) -> bytes:
    return (
        f"From: Customer <c{number}@customer.example>\nTo: support@shop.example\nSubject: Question {number}\n"
        f"Message-ID: <{number}.{time.time_ns()}@customer.example>\n\nWhere is order {number}?\n"
    ).encode()


def a_shop(
    dovecot: Dovecot, sink: SmtpSink, redis_url: str, database_url: str, folder: Path, **changes: object
) -> Shop:
    account = dovecot.account()
    form = MailboxForm(
        name="Support",
        address="support@shop.example",
        imap_host="127.0.0.1",
        imap_port=dovecot.imap,
        imap_security="plain",
        imap_user=account.user,
        imap_password=account.password,
        smtp_host="127.0.0.1",
        smtp_port=sink.port,
        smtp_security="plain",
        server_files_sent=True,
    )
    form = replace(form, **changes)  # type: ignore[arg-type]
    with db.transaction() as session:
        mailbox_id = mailboxes.add(session, None, form, now=datetime.now(UTC))
        a_user(session, "Aoi", session.get_one(Mailbox, mailbox_id), undo_seconds=0)
    read_store(Imap("127.0.0.1", dovecot.imap, account.user, account.password))  # makes the Maildir
    place = Installation(folder, database_url=database_url, redis_url=redis_url, POLL_SECONDS="2")
    return Shop(place, dovecot, account, sink, mailbox_id, form, database_url)


@pytest.fixture
def shop(
    engine: Engine, database_url: str, dovecot: Dovecot, valkey: Valkey, smtp_sink: SmtpSink, tmp_path: Path
) -> Iterator[Shop]:
    """Running, two mails filed."""
    made = a_shop(dovecot, smtp_sink, valkey.url, database_url, tmp_path / "data")
    with running(made):
        yield made


@contextmanager
def running(shop: Shop) -> Iterator[None]:
    try:
        shop.place.start(*PROCESSES)
        shop.deliver(2)
        shop.until_filed(seconds=60)
        yield
    finally:
        shop.place.close()


# -- servers


@pytest.mark.only_on("sqlite")
def test_the_imap_server_is_away_for_three_seconds(shop: Shop) -> None:
    shop.dovecot.stop()
    shop.deliver(3)
    time.sleep(OUTAGE)  # the length of the outage is what is tested
    shop.until("health names the outage", lambda one: one.code in ("lost", "refused"))
    shop.dovecot.start()
    shop.until_filed()
    shop.all_is_well()


@pytest.mark.only_on("sqlite")
def test_the_smtp_server_is_away_for_three_seconds(shop: Shop) -> None:
    shop.sink.stop()
    answer = shop.answer()
    shop.until("health names the outage", lambda one: one.smtp_code == "refused")
    assert shop.state_of(answer) == "queued"
    time.sleep(OUTAGE)
    shop.sink.start()
    shop.until_sent(answer)
    shop.until("health forgets it", lambda one: not one.smtp_code)
    shop.all_is_well()


def test_redis_is_away_for_three_seconds_and_comes_back_empty(shop: Shop, valkey: Valkey) -> None:
    valkey.kill()
    assert health.system(now=datetime.now(UTC)).part("redis").code == "down"
    meanwhile = shop.answer()
    shop.deliver(2)
    shop.until_filed()
    time.sleep(OUTAGE)
    valkey.start()
    shop.until_sent(meanwhile)
    for _ in range(2):
        valkey.flush()
        shop.until_sent(shop.answer())
    shop.all_is_well()


@pytest.mark.only_on("sqlite")
def test_answers_leave_without_any_redis(shop: Shop, valkey: Valkey) -> None:
    valkey.kill()
    try:
        shop.until_sent(shop.answer())
    finally:
        valkey.start()
    shop.all_is_well()


@pytest.mark.only_on("postgres")
def test_the_database_restarts_at_once_and_is_away_for_three_seconds(shop: Shop, postgres: Postgres) -> None:
    answer = shop.answer()
    postgres.stop()
    try:
        shop.deliver(3)
        assert health.system(now=datetime.now(UTC)).part("database").code == "down"
        assert health.system(now=datetime.now(UTC)).part("poller").code == "unknown"
        time.sleep(OUTAGE)
    finally:
        postgres.start()
    shop.until_filed()
    shop.until_sent(answer)
    shop.until_sent(shop.answer())
    shop.all_is_well()


# -- disk


@contextmanager
def small_disk(folder: Path) -> Iterator[Path]:
    """A disk of its own, in memory; skips where nothing may be mounted."""
    folder.mkdir()
    options = f"size={DISK_MEGABYTES}m"
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"no disk can be mounted here: {done.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.fixture
def small_shop(
    engine: Engine,
    database_url: str,
    database_kind: str,
    dovecot: Dovecot,
    valkey: Valkey,
    smtp_sink: SmtpSink,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Shop]:
    """A shop whose stored mail lies on a small disk, and whose database does too when it is a file."""
    with small_disk(tmp_path / "disk") as disk:
        if database_kind == "sqlite":
            shutil.copyfile(database_url.removeprefix("sqlite:///"), disk / "madoguchi.db")
            database_url = f"sqlite:///{disk / 'madoguchi.db'}"
            monkeypatch.setenv("DATABASE_URL", database_url)
        monkeypatch.setenv("DATA_DIR", str(disk))
        for cached in (config.settings, db.engine, blobs):
            cached.cache_clear()
        made = a_shop(dovecot, smtp_sink, valkey.url, database_url, disk)
        try:
            with running(made):
                yield made
        finally:
            db.engine().dispose()
            for cached in (config.settings, db.engine, blobs):
                cached.cache_clear()


def test_the_disk_is_full_for_a_while(small_shop: Shop) -> None:
    shop = small_shop
    filler = shop.place.folder / "filler"
    fill(filler)
    shop.deliver(20)
    try:
        assert health.system(now=datetime.now(UTC)).part("disk").code == "full"
        if not config.settings().database.startswith("sqlite"):  # else there is no room to write it down either
            shop.until("health names the disk", lambda one: one.code == "disk_full")
        time.sleep(OUTAGE)
        assert shop.place.running()
        assert cursor(shop) <= shop.filed() + waiting(shop), "the cursor never runs ahead of what is stored"
    finally:
        filler.unlink()
    shop.until_filed(seconds=60)
    shop.until_sent(shop.answer())
    shop.all_is_well()


def fill(filler: Path) -> None:
    with filler.open("wb", buffering=0) as file, suppress(OSError):
        os.posix_fallocate(file.fileno(), 0, shutil.disk_usage(filler.parent).free - 65536)
        for size in (65536, 4096):
            while True:
                file.seek(0, os.SEEK_END)
                file.write(b"x" * size)


def cursor(shop: Shop) -> int:
    with db.reading() as session:
        return session.scalars(select(Folder.last_uid).where(Folder.name == "INBOX")).one()


def waiting(shop: Shop) -> int:
    with db.reading() as session:
        return session.scalar(select(func.count()).where(RawMail.state == "pending")) or 0


# -- what the server thinks of us


@pytest.mark.only_on("sqlite")
def test_a_changed_password_is_named_and_works_again_as_soon_as_it_is_typed_in(shop: Shop) -> None:
    changed = shop.dovecot.account(shop.account.user, password="another horse")
    shop.dovecot.stop()
    shop.dovecot.start()
    shop.deliver(2)
    shop.until("health names the password", lambda one: one.state in ("failing", "stopped") and one.code == "login")
    assert shop.health().failures <= 5
    with db.transaction() as session:
        new = replace(shop.form, imap_password=changed.password)
        mailboxes.change(session, None, shop.mailbox_id, new, now=datetime.now(UTC))
    shop.account = changed
    shop.until_filed()
    shop.all_is_well()


class Terminator:
    """TLS in front of Dovecot, with a certificate that can be exchanged while it listens."""

    def __init__(self, port: int, certificate: Path) -> None:
        self.renew(certificate)
        self._to = port
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def renew(self, certificate: Path) -> None:
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._tls.load_cert_chain(certificate)

    def close(self) -> None:
        self._listening.close()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listening.accept()
                threading.Thread(target=self._talk, args=(client,), daemon=True).start()

    def _talk(self, client: socket.socket) -> None:
        with (
            suppress(OSError),
            closing(client),
            closing(self._tls.wrap_socket(client, server_side=True)) as inside,
            socket.create_connection(("127.0.0.1", self._to)) as server,
        ):
            threading.Thread(target=_pump, args=(server, inside), daemon=True).start()
            _pump(inside, server)


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while piece := source.recv(65536):
            sink.sendall(piece)
    for one in (source, sink):
        with suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)


def a_certificate(path: Path, *, days: int) -> Path:
    """Self-signed for localhost, valid from ten days ago until `days` from now; key and certificate in one file."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"shop {path.stem}")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=10))
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    path.write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()) + made.public_bytes(pem)
    )
    return path


@pytest.mark.only_on("sqlite")
def test_an_expired_certificate_is_named_and_nothing_secret_is_said_to_it(
    engine: Engine, database_url: str, dovecot: Dovecot, valkey: Valkey, smtp_sink: SmtpSink, tmp_path: Path
) -> None:
    good, expired = a_certificate(tmp_path / "good.pem", days=2), a_certificate(tmp_path / "expired.pem", days=-1)
    trusted = tmp_path / "trusted.pem"
    trusted.write_bytes(b"".join(_public(one) for one in (good, expired)))
    tls = Terminator(dovecot.imap, good)
    change = {"imap_host": "localhost", "imap_port": tls.port, "imap_security": "tls"}
    shop = a_shop(dovecot, smtp_sink, valkey.url, database_url, tmp_path / "data", **change)
    shop.place.environment["TLS_CA_FILE"] = str(trusted)
    with closing(tls), running(shop):
        tls.renew(expired)
        dovecot.stop()  # the open connection ends, and the next one meets the new certificate
        dovecot.start()
        shop.deliver(2)
        shop.until("health names the certificate", lambda one: one.code == "certificate_expired")
        assert shop.health().state == "failing"
        tls.renew(good)
        with db.transaction() as session:
            mailboxes.try_again(session, None, shop.mailbox_id, now=datetime.now(UTC))
        shop.until_filed()
        shop.all_is_well()


def _public(pem: Path) -> bytes:
    return b"-----BEGIN CERTIFICATE-----" + pem.read_bytes().partition(b"-----BEGIN CERTIFICATE-----")[2]


@pytest.mark.only_on("sqlite")
def test_an_imap_server_that_hangs_delays_no_other_mailbox(shop: Shop) -> None:
    silent = HostileImap(hang=True)
    try:
        with db.transaction() as session:
            hanging = replace(shop.form, name="Sales", address="sales@shop.example", imap_port=silent.port)
            mailboxes.add(session, None, hanging, now=datetime.now(UTC))
        wait_until(lambda: silent._open, seconds=20, what="the poller called the silent server")
        for _ in range(3):
            began = time.monotonic()
            shop.deliver()
            shop.until_filed(seconds=10)
            assert time.monotonic() - began < 5
        shop.until("the other mailbox is well", lambda one: one.state == "ok")
    finally:
        silent.close()
