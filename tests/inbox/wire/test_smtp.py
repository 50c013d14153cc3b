"""Handing mails over to a real SMTP server that fails in every way: nothing is guessed, nothing is sent twice."""

from __future__ import annotations

import datetime
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from inbox import config
from inbox.wire import smtp
from inbox.wire.problems import WireProblem
from tests.servers import free_port
from tests.servers.dovecot import write_certificate
from tests.servers.smtp_sink import SmtpSink

BODY = b"From: a@shop.example\r\nTo: b@customer.example\r\nSubject: hi\r\n\r\nhello\r\n"


def server(sink: SmtpSink, **more: str) -> smtp.Server:
    return smtp.Server(**({"host": "127.0.0.1", "port": sink.port, "security": "plain"} | more))


def mail(key: int, *recipients: str, data: bytes = BODY) -> smtp.Mail:
    return smtp.Mail(key, "support@shop.example", recipients or (f"c{key}@customer.example",), data)


class Ledger:
    """Notes what it was asked before DATA, in order, and answers yes unless told otherwise."""

    def __init__(self, sink: SmtpSink, *, no: frozenset[int] = frozenset()) -> None:
        self.sink, self.no = sink, no
        self.asked: list[tuple[tuple[int, ...], int]] = []  # (keys that want to begin, deliveries at that moment)
        self.results: dict[int, smtp.Result] = {}

    def __call__(self, following: tuple[smtp.Mail, ...], results: tuple[smtp.Result, ...]) -> set[int]:
        self.asked.append((tuple(one.key for one in following), len(self.sink.deliveries)))
        self.note(results)
        return {one.key for one in following} - self.no

    def note(self, results: tuple[smtp.Result, ...]) -> None:
        for one in results:
            assert one.key not in self.results, "told twice"
            self.results[one.key] = one


def hand_over(sink: SmtpSink, mails: list[smtp.Mail], *, connections: int = 1, no: frozenset[int] = frozenset()):
    """(ledger, mails left) after everything was told."""
    open_ones = [smtp.connect(server(sink)) for _ in range(connections)]
    ledger = Ledger(sink, no=no)
    handed = smtp.hand_over(open_ones, mails, before_data=ledger)
    ledger.note(handed.results)
    for one in open_ones:
        one.close()
    return ledger, handed.left


# -- as it should be


def automatic(key: int, *, else_from: str = "support@shop.example") -> smtp.Mail:
    return smtp.Mail(key, "", (f"c{key}@customer.example",), BODY, else_from=else_from)


def test_an_empty_return_path_goes_over_the_wire(smtp_sink: SmtpSink) -> None:
    hand_over(smtp_sink, [automatic(1), mail(2)])
    assert [one.sender for one in smtp_sink.deliveries] == ["", "support@shop.example"]


@pytest.mark.parametrize("pipelining", [True, False])
def test_a_server_that_refuses_an_empty_return_path_gets_the_mailboxes_address(
    smtp_sink: SmtpSink, monkeypatch: pytest.MonkeyPatch, pipelining: bool
) -> None:
    smtp_sink.fail("mail", "550 5.7.1 empty sender refused", only="FROM:<>")
    connection = smtp.connect(server(smtp_sink))
    monkeypatch.setattr(connection, "_pipelining", pipelining)
    ledger = Ledger(smtp_sink)
    handed = smtp.hand_over(
        [connection], [automatic(1), automatic(2), mail(3), automatic(4, else_from="")], before_data=ledger
    )
    ledger.note(handed.results)
    connection.close()
    assert [one.sender for one in smtp_sink.deliveries] == ["support@shop.example"] * 3
    assert {key: one.outcome for key, one in ledger.results.items()} == {
        1: "accepted", 2: "accepted", 3: "accepted", 4: "refused",
    }  # fmt: skip



@pytest.mark.parametrize("connections", [1, 3])
def test_many_mails_over_kept_connections_arrive_once_each(smtp_sink: SmtpSink, connections: int) -> None:
    ledger, left = hand_over(smtp_sink, [mail(n) for n in range(20)], connections=connections)
    assert left == ()
    assert {one.outcome for one in ledger.results.values()} == {"accepted"}
    assert sorted(d.recipients[0] for d in smtp_sink.deliveries) == sorted(f"c{n}@customer.example" for n in range(20))
    assert smtp_sink.connections == connections


def test_no_data_is_sent_before_the_caller_has_said_yes(smtp_sink: SmtpSink) -> None:
    ledger, _ = hand_over(smtp_sink, [mail(1), mail(2)])
    assert ledger.asked == [((1,), 0), ((2,), 1)]


def test_connections_in_step_ask_together(smtp_sink: SmtpSink) -> None:
    ledger, _ = hand_over(smtp_sink, [mail(n) for n in range(4)], connections=2)
    assert ledger.asked == [((0, 1), 0), ((2, 3), 2)]


def test_a_mail_that_may_not_go_any_more_is_not_sent_and_the_next_one_is(smtp_sink: SmtpSink) -> None:
    ledger, left = hand_over(smtp_sink, [mail(1), mail(2), mail(3)], no=frozenset({2}))
    assert left == ()
    assert set(ledger.results) == {1, 3}
    assert [d.recipients[0] for d in smtp_sink.deliveries] == ["c1@customer.example", "c3@customer.example"]


def test_what_the_caller_raises_ends_the_connection_without_data(smtp_sink: SmtpSink) -> None:
    connection = smtp.connect(server(smtp_sink))

    def fail(_next: object, _results: object) -> set[int]:
        raise RuntimeError("database is gone")

    with pytest.raises(RuntimeError):
        smtp.hand_over([connection], [mail(1)], before_data=fail)
    assert connection.problem is not None
    assert smtp_sink.deliveries == []


def test_a_server_without_pipelining_is_asked_one_by_one(smtp_sink: SmtpSink) -> None:
    smtp_sink.fail("ehlo", "250 old.example")
    ledger, left = hand_over(smtp_sink, [mail(1), mail(2, "x@a.example", "y@a.example")])
    assert left == ()
    assert [d.recipients for d in smtp_sink.deliveries] == [("c1@customer.example",), ("x@a.example", "y@a.example")]
    assert {one.outcome for one in ledger.results.values()} == {"accepted"}


def test_bytes_arrive_as_they_are_with_crlf_and_doubled_dots(smtp_sink: SmtpSink) -> None:
    data = b"Subject: x\r\n\r\n.\r\n..two\r\n\n.\nbare\rcr\r\nno end"
    hand_over(smtp_sink, [mail(1, data=data)])
    assert smtp_sink.deliveries[0].raw == b"Subject: x\r\n\r\n.\r\n..two\r\n\r\n.\r\nbare\r\ncr\r\nno end\r\n"


def test_a_large_mail_arrives_whole(smtp_sink: SmtpSink) -> None:
    data = BODY + (b"y" * 76 + b"\r\n") * 80_000
    hand_over(smtp_sink, [mail(1, data=data), mail(2)])
    assert smtp_sink.deliveries[0].raw == data
    assert len(smtp_sink.deliveries) == 2


# -- no, and later


@pytest.mark.parametrize("pipelining", [True, False])
def test_every_recipient_gets_the_servers_own_answer(smtp_sink: SmtpSink, pipelining: bool) -> None:
    if not pipelining:
        smtp_sink.fail("ehlo", "250 old.example")
    smtp_sink.fail("rcpt", "550 5.1.1 no such user", only="gone@")
    smtp_sink.fail("rcpt", "450 4.2.0 greylisted", only="grey@")
    ledger, _ = hand_over(smtp_sink, [mail(1, "ok@a.example", "gone@a.example", "grey@a.example"), mail(2)])
    told = {one.address: (one.outcome, one.code) for one in ledger.results[1].recipients}
    assert told == {
        "ok@a.example": ("accepted", 250),
        "gone@a.example": ("refused", 550),
        "grey@a.example": ("later", 450),
    }
    assert ledger.results[1].outcome == "accepted"
    assert ledger.results[1].recipients[1].text == "5.1.1 no such user"
    assert [d.recipients for d in smtp_sink.deliveries] == [("ok@a.example",), ("c2@customer.example",)]


@pytest.mark.parametrize("step", ["mail", "rcpt", "data", "dot"])
@pytest.mark.parametrize(
    ("reply", "outcome"),
    [
        ("451 4.3.0 try again", "later"),
        ("552 5.3.4 too big", "refused"),
        ("550 5.7.1 policy", "refused"),
        ("535 5.7.8 no", "refused"),
        ("554 5.0.0 no", "refused"),
    ],
)
def test_a_refusal_at_any_step_is_definite_and_the_next_mail_goes(
    smtp_sink: SmtpSink, step: str, reply: str, outcome: str
) -> None:
    smtp_sink.fail(step, reply, times=1)
    ledger, left = hand_over(smtp_sink, [mail(1), mail(2)])
    assert left == ()
    assert (ledger.results[1].outcome, ledger.results[1].code) == (outcome, int(reply[:3]))
    assert reply[4:] in ledger.results[1].text
    assert ledger.results[2].outcome == "accepted"
    assert len(smtp_sink.deliveries) == 1


def test_nobody_is_asked_for_a_mail_without_a_willing_recipient(smtp_sink: SmtpSink) -> None:
    smtp_sink.fail("rcpt", "550 5.1.1 no such user")
    ledger, _ = hand_over(smtp_sink, [mail(1)])
    assert ledger.asked == []


def test_a_mail_that_the_server_calls_too_large_is_not_sent_at_all(smtp_sink: SmtpSink) -> None:
    smtp_sink.fail("ehlo", "250-small.example\r\n250-PIPELINING\r\n250 SIZE 100")
    ledger, _ = hand_over(smtp_sink, [mail(1, data=BODY + b"z" * 200 + b"\r\n"), mail(2)])
    assert (ledger.results[1].outcome, ledger.results[1].code) == ("refused", None)
    assert "larger than its server takes" in ledger.results[1].text
    assert len(smtp_sink.deliveries) == 1


# -- the connection ends


@pytest.mark.parametrize("taken", [True, False])
def test_a_connection_lost_after_the_dot_is_uncertain_and_later_mails_are_untouched(
    smtp_sink: SmtpSink, taken: bool
) -> None:
    smtp_sink.cut("dot", taken=taken)
    ledger, left = hand_over(smtp_sink, [mail(1), mail(2), mail(3)])
    assert ledger.results[1].outcome == "uncertain"
    assert [one.key for one in left] == [2, 3]
    assert len(smtp_sink.deliveries) == (1 if taken else 0)


def test_a_connection_lost_inside_the_mail_is_uncertain(smtp_sink: SmtpSink) -> None:
    smtp_sink.cut("data", after_bytes=1000)
    ledger, left = hand_over(smtp_sink, [mail(1, data=BODY + b"x" * 76 + b"\r\n" * 50_000), mail(2)])
    assert ledger.results[1].outcome == "uncertain"
    assert [one.key for one in left] == [2]


@pytest.mark.parametrize("step", ["mail", "rcpt"])
def test_a_connection_lost_before_data_touches_nothing(smtp_sink: SmtpSink, step: str) -> None:
    smtp_sink.cut(step)
    ledger, left = hand_over(smtp_sink, [mail(1), mail(2)])
    assert ledger.results == {}
    assert [one.key for one in left] == [1, 2]


def test_a_server_that_says_goodbye_before_data_is_to_blame_and_not_the_mail(smtp_sink: SmtpSink) -> None:
    smtp_sink.fail("mail", "421 4.7.0 too many mails", times=1)
    connection = smtp.connect(server(smtp_sink))
    handed = smtp.hand_over([connection], [mail(1)], before_data=Ledger(smtp_sink))
    assert (handed.results, [one.key for one in handed.left]) == ((), [1])
    assert connection.problem is not None
    assert connection.problem.code == "limit"


def test_goodbye_instead_of_an_answer_to_the_mail_is_definite(smtp_sink: SmtpSink) -> None:
    smtp_sink.fail("dot", "421 4.3.2 shutting down", times=1)
    ledger, left = hand_over(smtp_sink, [mail(1), mail(2)])
    assert ledger.results[1].outcome == "later"
    assert [one.key for one in left] == [2]


def test_one_lost_connection_of_several_costs_one_mail(smtp_sink: SmtpSink) -> None:
    smtp_sink.cut("dot", times=1)
    ledger, left = hand_over(smtp_sink, [mail(n) for n in range(10)], connections=3)
    outcomes = [one.outcome for one in ledger.results.values()]
    assert left == ()
    assert (outcomes.count("uncertain"), outcomes.count("accepted")) == (1, 9)
    assert len(smtp_sink.deliveries) == 9


def test_a_last_word_that_does_not_come_in_time_is_uncertain(
    smtp_sink: SmtpSink, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(smtp, "LAST_REPLY_SECONDS", 0.2)
    smtp_sink.delay("dot", 1.0)
    ledger, _ = hand_over(smtp_sink, [mail(1)])
    assert ledger.results[1].outcome == "uncertain"
    smtp_sink.wait_for(1)  # and indeed it was taken


# -- connecting


def problem_of(asked: smtp.Server) -> str:
    with pytest.raises(WireProblem) as raised:
        smtp.connect(asked)
    return raised.value.problem.code


def test_a_port_where_nobody_listens_is_refused() -> None:
    assert problem_of(smtp.Server("127.0.0.1", free_port(), "plain")) == "refused"


def test_a_name_that_does_not_exist_is_named() -> None:
    assert problem_of(smtp.Server("no-such-host.invalid", 25, "plain")) == "unknown_host"


def test_a_greeting_with_4xx_means_wait(smtp_sink: SmtpSink) -> None:
    smtp_sink.fail("connect", "421 4.7.0 too many connections", times=1)
    assert problem_of(server(smtp_sink)) in ("limit", "lost")


def test_starttls_that_is_not_offered_sends_nothing_in_plain(smtp_sink: SmtpSink) -> None:
    asked = server(smtp_sink, security="starttls", user="support", password="secret")
    assert problem_of(asked) == "no_starttls"


def test_tls_on_a_plain_port_is_named(smtp_sink: SmtpSink) -> None:
    assert problem_of(server(smtp_sink, security="tls")) == "no_tls"


@pytest.fixture
def trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with a certificate for localhost that TLS_CA_FILE trusts."""
    write_certificate(tmp_path)
    monkeypatch.setenv("TLS_CA_FILE", str(tmp_path / "cert.pem"))
    config.settings.cache_clear()
    yield tmp_path
    monkeypatch.undo()
    config.settings.cache_clear()


def sink_with(folder: Path, **users: str) -> SmtpSink:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    return SmtpSink(users=users or None, tls=context)


def test_starttls_and_a_password_in_japanese(trusted: Path) -> None:
    sink = sink_with(trusted, support="合言葉ひらけゴマ")
    try:
        asked = server(sink, host="localhost", security="starttls", user="support", password="合言葉ひらけゴマ")
        connection = smtp.connect(asked)
        smtp.hand_over([connection], [mail(1)], before_data=Ledger(sink))
        assert (sink.deliveries[0].user, sink.deliveries[0].tls) == ("support", True)
        assert problem_of(server(sink, host="localhost", security="starttls", user="support", password="x")) == "login"
    finally:
        sink.close()


def test_a_certificate_of_nobody_we_trust_is_refused(tmp_path: Path) -> None:
    write_certificate(tmp_path)
    sink = sink_with(tmp_path)
    try:
        assert problem_of(server(sink, host="localhost", security="starttls")) == "certificate"
    finally:
        sink.close()


@pytest.mark.parametrize(
    ("name", "ends", "code"), [("other.example", 1, "certificate_name"), ("localhost", -1, "certificate_expired")]
)
def test_a_certificate_for_another_name_or_out_of_date_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, ends: int, code: str
) -> None:
    a_certificate(tmp_path, name, ends)
    monkeypatch.setenv("TLS_CA_FILE", str(tmp_path / "cert.pem"))
    config.settings.cache_clear()
    sink = sink_with(tmp_path)
    try:
        assert problem_of(server(sink, host="localhost", security="starttls")) == code
    finally:
        sink.close()
        monkeypatch.undo()
        config.settings.cache_clear()


def a_certificate(folder: Path, name: str, ends: int) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=9))
        .not_valid_after(now + datetime.timedelta(days=ends))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    (folder / "cert.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "key.pem").write_bytes(private)


def test_outdated_encryption_is_refused(trusted: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(trusted / "cert.pem", trusted / "key.pem")
    context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSv1"):
        context.minimum_version, context.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
    sink = SmtpSink(tls=context)
    try:
        # a server that hangs up without an alert looks like a lost connection
        assert problem_of(server(sink, host="localhost", security="starttls")) in ("old_tls", "lost")
        assert sink.deliveries == []
    finally:
        sink.close()


# -- addresses beyond ASCII


def test_an_international_domain_needs_nothing_of_the_server(smtp_sink: SmtpSink) -> None:
    smtp_sink.fail("ehlo", "250 old.example")
    hand_over(smtp_sink, [mail(1, "taro@日本語.example")])
    assert smtp_sink.deliveries[0].recipients == ("taro@xn--wgv71a119e.example",)


def test_an_international_local_part_is_refused_in_words_when_the_server_cannot(smtp_sink: SmtpSink) -> None:
    smtp_sink.fail("ehlo", "250 old.example")
    ledger, _ = hand_over(smtp_sink, [mail(1, "太郎@example.jp")])
    assert ledger.results[1].outcome == "refused"
    assert "SMTPUTF8" in ledger.results[1].text
    assert smtp_sink.deliveries == []


def test_and_arrives_when_it_can(smtp_sink: SmtpSink) -> None:
    hand_over(smtp_sink, [mail(1, "太郎@example.jp")])
    assert smtp_sink.deliveries[0].recipients == ("太郎@example.jp",)


@pytest.mark.parametrize("address", ["a@b.example>\r\nRCPT TO:<evil@c.example", "a b@c.example", "a\n@b.example"])
def test_an_address_can_bring_no_command_along(smtp_sink: SmtpSink, address: str) -> None:
    ledger, _ = hand_over(smtp_sink, [mail(1, address), mail(2)])
    assert ledger.results[1].outcome == "refused"
    assert [d.recipients for d in smtp_sink.deliveries] == [("c2@customer.example",)]


def test_whether_a_sender_is_allowed_can_be_asked_without_sending(smtp_sink: SmtpSink) -> None:
    connection = smtp.connect(server(smtp_sink))
    assert connection.may_send_from("support@shop.example") is None
    smtp_sink.fail("mail", "553 5.7.1 not yours", times=1)
    problem = connection.may_send_from("boss@shop.example")
    assert problem is not None
    assert (problem.code, problem.text) == ("sender", "553 5.7.1 not yours")
    connection.close()
