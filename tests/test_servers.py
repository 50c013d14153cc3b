"""The throwaway servers do what the other tests rely on."""

from __future__ import annotations

import smtplib
import ssl
import subprocess
import sys
from pathlib import Path

import pytest
from imapclient import IMAPClient
from sqlalchemy import Engine, inspect, text

from inbox import config, db
from tests.servers import free_port, wait_until
from tests.servers.dovecot import Dovecot, write_certificate
from tests.servers.smtp_sink import Fault, SmtpSink, taken, tell
from tests.servers.valkey import Valkey

MAIL = b"From: a@customer.example\r\nTo: support@demo.example\r\nSubject: hello\r\n\r\n.dotted\r\nline\r\n"


def send(port: int, raw: bytes = MAIL, *, to: str = "b@customer.example") -> None:
    with smtplib.SMTP("127.0.0.1", port, timeout=10) as smtp:
        smtp.sendmail("support@demo.example", [to], raw)


def test_dovecot_keeps_delivered_mail_over_a_restart(dovecot: Dovecot) -> None:
    account = dovecot.account()
    dovecot.deliver(account.user, MAIL)
    dovecot.stop()
    dovecot.start()
    context = ssl.create_default_context(cafile=str(dovecot.cafile))
    with IMAPClient("127.0.0.1", port=dovecot.imaps, ssl_context=context, timeout=10) as client:
        client.login(account.user, account.password)
        client.select_folder("INBOX")
        assert client.search() == [1]
        assert {b"INBOX", b"Sent", b"Junk"} <= {name.encode() for _, _, name in client.list_folders()}


def test_dovecot_takes_other_ports_when_one_was_taken_meanwhile(dovecot: Dovecot) -> None:
    other = Dovecot()
    try:
        other.imaps = dovecot.imaps  # as if somebody had been faster
        other._write_configuration()
        other.start()
        assert other.imaps != dovecot.imaps
        account = other.account()
        other.deliver(account.user, MAIL)
        kept = (other.imap, other.imaps, other.lmtp)
        other.stop()
        other.start()
        assert (other.imap, other.imaps, other.lmtp) == kept
    finally:
        other.close()


def test_the_sink_keeps_what_it_takes_byte_for_byte(smtp_sink: SmtpSink) -> None:
    send(smtp_sink.port)
    assert [d.raw for d in smtp_sink.deliveries] == [MAIL]
    assert smtp_sink.deliveries[0].recipients == ("b@customer.example",)


def test_the_sink_refuses_where_it_was_told_to_and_heals(smtp_sink: SmtpSink) -> None:
    smtp_sink.fail("rcpt", "550 5.1.1 no such user", only="nobody@")
    with pytest.raises(smtplib.SMTPRecipientsRefused):
        send(smtp_sink.port, to="nobody@customer.example")
    send(smtp_sink.port)
    smtp_sink.fail("dot", "451 4.3.0 later", times=1)
    with pytest.raises(smtplib.SMTPDataError):
        send(smtp_sink.port)
    send(smtp_sink.port)
    assert len(smtp_sink.deliveries) == 2


@pytest.mark.parametrize(("took", "kept"), [(True, 1), (False, 0)])
def test_the_sink_hangs_up_after_the_dot_with_or_without_the_mail(smtp_sink: SmtpSink, took: bool, kept: int) -> None:
    smtp_sink.cut("dot", taken=took)
    with pytest.raises(smtplib.SMTPServerDisconnected):
        send(smtp_sink.port)
    assert len(smtp_sink.deliveries) == kept


def test_the_sink_hangs_up_inside_the_mail(smtp_sink: SmtpSink) -> None:
    smtp_sink.cut("data", after_bytes=1000)
    with pytest.raises((smtplib.SMTPServerDisconnected, ConnectionError)):
        send(smtp_sink.port, MAIL + b"x" * 70 + b"\r\n" + (b"y" * 70 + b"\r\n") * 20_000)
    assert smtp_sink.deliveries == []


def test_the_sink_asks_for_tls_and_a_password(tmp_path: Path) -> None:
    write_certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")
    sink = SmtpSink(users={"support": "password"}, tls=context)
    try:
        with smtplib.SMTP("127.0.0.1", sink.port, timeout=10) as smtp:
            smtp.starttls(context=ssl.create_default_context(cafile=str(tmp_path / "cert.pem")))
            with pytest.raises(smtplib.SMTPSenderRefused):
                smtp.sendmail("support@demo.example", ["b@customer.example"], MAIL)
            with pytest.raises(smtplib.SMTPAuthenticationError):
                smtp.login("support", "wrong")
            smtp.login("support", "password")
            smtp.sendmail("support@demo.example", ["b@customer.example"], MAIL)
        assert (sink.deliveries[0].user, sink.deliveries[0].tls) == ("support", True)
    finally:
        sink.close()


def test_the_sink_in_a_process_of_its_own_takes_faults_and_tells_what_it_took(tmp_path: Path) -> None:
    child = subprocess.Popen([sys.executable, "-m", "tests.servers.smtp_sink", str(tmp_path)])
    try:
        wait_until(lambda: (tmp_path / "port").exists(), what="the sink writes its port")
        port = int((tmp_path / "port").read_text())
        tell(tmp_path, [Fault("dot", taken=True, times=1)])
        with pytest.raises(smtplib.SMTPServerDisconnected):
            send(port)
        send(port)
        assert [d.raw for d in taken(tmp_path)] == [MAIL, MAIL]
    finally:
        child.terminate()
        assert child.wait(10) == 0


def test_valkey_forgets_everything_when_killed_and_comes_back_on_the_same_address(valkey: Valkey) -> None:
    assert config.settings().redis == valkey.url
    valkey.kill()
    valkey.start()
    valkey.flush()


def test_every_test_gets_a_migrated_database_of_its_own(engine: Engine) -> None:
    assert db.engine() is engine
    tables = inspect(engine).get_table_names()
    assert "conversation" in tables
    with db.transaction() as session:
        session.execute(text("CREATE TABLE only_here (id INTEGER)"))


def test_and_finds_nothing_of_the_test_before(engine: Engine) -> None:
    assert "only_here" not in inspect(engine).get_table_names()


def test_free_ports_are_free() -> None:
    assert free_port() != free_port()
