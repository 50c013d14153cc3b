"""The demo's mail server and the customer's side of it, over real sockets."""

from __future__ import annotations

import os
import smtplib
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from click.testing import CliRunner
from imapclient import IMAPClient

from inbox import config, demo
from inbox.cli import main
from inbox.demo import customer
from inbox.errors import Unavailable, UserError
from inbox.wire.imap import Server, connect
from tests.servers import answers as listens
from tests.servers import wait_until

ROOT = Path(__file__).resolve().parents[3]
CUSTOMER = "hanako..sato.@docomo.example"


class Running:
    """The server as a process of its own, as `run` starts it."""

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir
        self.settings = demo.settings(data_dir)
        self.start()

    def start(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "inbox.demo.server"],
            cwd=ROOT,
            env={**os.environ, "DATA_DIR": str(self.data_dir)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        wait_until(self._answers, seconds=30, what="the demo server answers")

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(10)

    def imap(self) -> IMAPClient:
        client = IMAPClient(self.settings.imap_host, port=self.settings.imap_port, ssl=False, timeout=10)
        client.login(self.settings.user, self.settings.password)
        return client

    @property
    def wire(self) -> Server:
        about = self.settings
        return Server(about.imap_host, about.imap_port, "plain", about.user, about.password)

    def submit(self, to: str, raw: bytes) -> None:
        with smtplib.SMTP(self.settings.smtp_host, self.settings.smtp_port, timeout=10) as smtp:
            smtp.login(self.settings.user, self.settings.password)
            smtp.sendmail(self.settings.user, [to], raw)

    def _answers(self) -> bool:
        assert self.process.poll() is None
        return listens(self.settings.imap_port, b"* OK") and listens(self.settings.smtp_port, b"220")


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    server = Running(tmp_path_factory.mktemp("demo"))
    yield server
    server.kill()


@pytest.fixture
def server(running: Running, monkeypatch: pytest.MonkeyPatch) -> Iterator[Running]:
    """The running demo server, and settings that point to it."""
    monkeypatch.setenv("DATA_DIR", str(running.data_dir))
    config.settings.cache_clear()
    yield running
    config.settings.cache_clear()


def test_the_settings_stay_the_same_and_only_the_owner_may_read_them(tmp_path: Path) -> None:
    chosen = demo.settings(tmp_path)
    assert demo.settings(tmp_path) == chosen
    assert (demo.folder(tmp_path) / "settings.json").stat().st_mode & 0o077 == 0
    assert demo.exists(tmp_path)
    demo.remove(tmp_path)
    assert not demo.exists(tmp_path)


def test_every_mail_comes_back_byte_for_byte(server: Running) -> None:
    with server.imap() as imap:
        for name, least in (("INBOX", 250), ("Sent", 150)):
            imap.select_folder(name, readonly=True)
            fetched = imap.fetch(imap.search(), ["BODY.PEEK[]"])
            assert len(fetched) >= least
            kept = demo.folder(server.data_dir) / "mail" / demo.TEAM_USER / name
            assert {uid: item[b"BODY[]"] for uid, item in fetched.items()} == {
                int(path.stem): path.read_bytes() for path in kept.glob("*.eml")
            }


def test_a_customers_mail_wakes_idle_and_the_answer_comes_back_threaded(server: Running) -> None:
    with server.imap() as imap:
        imap.select_folder("INBOX", readonly=True)
        before = set(imap.search())
        with connect(server.wire) as idling, ThreadPoolExecutor(1) as pool:
            idling.open("INBOX")
            woken = pool.submit(idling.wait, 10.0)
            sent = customer.send(CUSTOMER, "注文の件", "まだ届きません。\nよろしくお願いします。", name="佐藤 花子")
            assert woken.result(15)
        imap.noop()
        (new,) = set(imap.search()) - before
        raw = imap.fetch([new], ["BODY.PEEK[]"])[new][b"BODY[]"]
    assert sent.encode() in raw
    assert CUSTOMER.encode() in raw
    answer = (
        f"From: <{server.settings.user}>\r\nTo: <{CUSTOMER}>\r\nSubject: Re\r\n"
        f"Message-ID: <1@demo.example>\r\nIn-Reply-To: {sent}\r\n\r\nships today\r\n"
    )
    server.submit(CUSTOMER, answer.encode())
    (back,) = customer.answers(CUSTOMER)
    assert (back.text.strip(), back.in_reply_to, back.message_id) == ("ships today", sent, "<1@demo.example>")
    again = customer.send(CUSTOMER, "Re: 注文の件", "ありがとうございます", in_reply_to=back.message_id)
    assert again != sent


def test_nobody_wrote_to_a_new_customer_yet(server: Running) -> None:
    assert customer.answers("nobody.wrote@customer.example") == []


@pytest.mark.parametrize("address", ["", "no address", "a@b", "a@b.example>\r\nRCPT TO:<c", "support@demo.example"])
def test_a_wrong_customer_address_is_refused_in_words(server: Running, address: str) -> None:
    with pytest.raises(UserError):
        customer.send(address, "x", "y")


def test_header_fields_stay_one_line(server: Running) -> None:
    customer.send(CUSTOMER, "two\r\nBcc: x@y.example", "text", name="A\r\nB")
    with server.imap() as imap:
        imap.select_folder("INBOX", readonly=True)
        last = imap.search()[-1]
        head = imap.fetch([last], ["BODY.PEEK[HEADER]"])[last][b"BODY[HEADER]"]
    assert b"\r\nBcc" not in head


@pytest.mark.parametrize(
    ("to", "code"),
    [("unknown@demo.example", 550), ("nobody@customer.example", 550), ("later@customer.example", 451)],
)
def test_some_recipients_are_refused_so_that_failures_can_be_seen(server: Running, to: str, code: int) -> None:
    with pytest.raises(smtplib.SMTPRecipientsRefused) as refused:
        server.submit(to, b"Subject: x\r\n\r\ny\r\n")
    assert refused.value.recipients[to][0] == code


def test_nobody_relays_without_signing_in(server: Running) -> None:
    with smtplib.SMTP(server.settings.smtp_host, server.settings.smtp_port, timeout=10) as smtp:
        with pytest.raises(smtplib.SMTPRecipientsRefused):
            smtp.sendmail("a@customer.example", ["b@customer.example"], b"Subject: x\r\n\r\ny\r\n")
        with pytest.raises(smtplib.SMTPAuthenticationError):
            smtp.login(server.settings.user, "wrong")


def test_a_kill_changes_neither_uids_nor_mail(server: Running) -> None:
    def state() -> dict[str, tuple[int, list[int]]]:
        with server.imap() as imap:
            return {
                name: (imap.select_folder(name, readonly=True)[b"UIDVALIDITY"], imap.search())
                for name in ("INBOX", "Sent")
            }

    with server.imap() as imap:
        imap.append("Sent", b"Subject: copy\r\n\r\nof an answer\r\n")
        imap.select_folder("INBOX")
        newest = imap.search()[-1]
        imap.delete_messages([newest])
        imap.expunge()
    before = state()
    server.kill()
    server.start()
    assert state() == before
    customer.send(CUSTOMER, "after", "the kill")
    assert state()["INBOX"][1][-1] > newest


def test_the_command_line_sends_and_shows(server: Running) -> None:
    runner = CliRunner()
    done = runner.invoke(main, ["demo", "customer", "send", "cli@customer.example", "Hello", "words"])
    assert (done.exit_code, done.output.startswith("<")) == (0, True)
    none = runner.invoke(main, ["demo", "customer", "answers", "cli@customer.example"])
    assert none.exit_code == 1
    assert "No answer yet." in none.output
    server.submit("cli@customer.example", b"From: support@demo.example\r\nSubject: Re: Hello\r\n\r\nHello too\r\n")
    some = runner.invoke(main, ["demo", "customer", "answers", "cli@customer.example"])
    assert some.exit_code == 0
    assert "Hello too" in some.output


def test_a_server_that_is_down_is_said_in_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATA_DIR", str(tmp_path))
    config.settings.cache_clear()
    try:
        with pytest.raises(Unavailable, match="does not answer"):
            customer.send(CUSTOMER, "x", "y")
        with pytest.raises(Unavailable, match="does not answer"):
            customer.answers(CUSTOMER)
    finally:
        config.settings.cache_clear()


def test_removing_the_demo_ends_its_server(tmp_path: Path) -> None:
    server = Running(tmp_path)
    demo.remove(tmp_path)
    assert server.process.wait(15) == 0
