"""The IMAP wire against a real Dovecot and against a server that answers nonsense."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest
from imapclient import IMAPClient

from inbox import config
from inbox.wire import imap
from inbox.wire.imap import Connection, Server
from inbox.wire.problems import CODES, WireProblem
from tests.servers.dovecot import Account, Dovecot
from tests.servers.hostile_imap import HostileImap, Talk

MAIL = b"From: a@c.example\r\nSubject: %d\r\nMessage-ID: <%d@c.example>\r\n\r\nhello %d\r\n"


@pytest.fixture(autouse=True)
def certificate(dovecot_server: Dovecot, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TLS_CA_FILE", str(dovecot_server.cafile))
    config.settings.cache_clear()
    yield
    config.settings.cache_clear()


def server_of(dovecot: Dovecot, account: Account, *, security: str = "plain", **other: object) -> Server:
    port = dovecot.imaps if security == "tls" else dovecot.imap
    values = {"host": "localhost", "port": port, "security": security, "user": account.user, "secret": account.password}
    return Server(**(values | other))  # type: ignore[arg-type]


@pytest.fixture
def connection(dovecot: Dovecot, account: Account) -> Iterator[Connection]:
    with imap.connect(server_of(dovecot, account)) as opened:
        yield opened


def all_of(connection: Connection, uids: list[int], *, largest: int = 10**6) -> list[imap.Fetched]:
    return [one for batch in connection.fetch(uids, largest=largest) for one in batch]


def code_of(action: Callable[[], object]) -> str:
    with pytest.raises(WireProblem) as caught:
        action()
    assert caught.value.problem.code in CODES
    return caught.value.problem.code


# -- signing in


@pytest.mark.parametrize("security", ["plain", "starttls", "tls"])
def test_all_three_ways_to_sign_in_work(dovecot: Dovecot, account: Account, security: str) -> None:
    with imap.connect(server_of(dovecot, account, security=security)) as connection:
        assert connection.open("INBOX").exists == 0


def test_a_wrong_password_is_told_with_the_servers_words(dovecot: Dovecot, account: Account) -> None:
    with pytest.raises(WireProblem) as caught:
        imap.connect(server_of(dovecot, account, secret="wrong"))
    assert caught.value.problem.code == "login"
    assert "Authentication failed" in caught.value.problem.text
    assert "wrong" not in str(caught.value)


def test_a_password_that_is_not_ascii_works(dovecot: Dovecot) -> None:
    account = dovecot.account(password="パスワード ü")
    with imap.connect(server_of(dovecot, account)) as connection:
        assert connection.open("INBOX").exists == 0


def test_a_password_cannot_carry_commands(dovecot: Dovecot, account: Account) -> None:
    assert code_of(lambda: imap.connect(server_of(dovecot, account, secret="x\r\nA1 DELETE INBOX"))) == "login"


def test_a_certificate_for_another_name_is_refused(dovecot: Dovecot, account: Account) -> None:
    hosts = server_of(dovecot, account, security="tls", host="127.1")
    assert code_of(lambda: imap.connect(hosts)) == "certificate_name"


def test_an_unknown_authority_is_refused(dovecot: Dovecot, account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TLS_CA_FILE")
    config.settings.cache_clear()
    for security in ("tls", "starttls"):
        server = server_of(dovecot, account, security=security)
        assert code_of(lambda server=server: imap.connect(server)) == "certificate"


def test_tls_on_a_plain_port_and_the_other_way_round_never_fall_back(dovecot: Dovecot, account: Account) -> None:
    assert code_of(lambda: imap.connect(server_of(dovecot, account, security="tls", port=dovecot.imap))) == "no_tls"
    server = HostileImap()
    try:
        asked = Server("127.0.0.1", server.port, "starttls", "u", "p")
        assert code_of(lambda: imap.connect(asked)) == "no_starttls"
        assert server.logins == 0
        assert not any("LOGIN" in command for command in server.commands)
    finally:
        server.close()


def test_nobody_there_is_told_apart_from_a_wrong_name(account: Account) -> None:
    assert code_of(lambda: imap.connect(Server("127.0.0.1", 1, "plain", "u", "p"))) == "refused"
    assert code_of(lambda: imap.connect(Server("no-such-host.invalid", 143, "plain", "u", "p"))) == "unknown_host"


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (b"TAG NO [AUTHENTICATIONFAILED] Invalid credentials\r\n", "login"),
        (b"TAG NO [ALERT] Application-specific password required\r\n", "app_password"),
        (b"TAG NO [UNAVAILABLE] Temporary authentication failure\r\n", "unavailable"),
        (b"TAG NO [ALERT] Too many simultaneous connections. (Failure)\r\n", "limit"),
        (b"TAG NO AUTHENTICATE failed: BasicAuthBlocked\r\n", "oauth"),
        (b"* BYE [LIMIT] Maximum number of connections from user+IP exceeded\r\n", "limit"),
    ],
)
def test_refusals_of_the_login_are_understood(answer: bytes, code: str) -> None:
    server = HostileImap(answers={"LOGIN": answer})
    try:
        assert code_of(lambda: imap.connect(Server("127.0.0.1", server.port, "plain", "u", "p"))) == code
    finally:
        server.close()


# -- folders and mails


def test_folders_are_listed_with_their_roles_and_any_name_can_be_opened(dovecot: Dovecot, account: Account) -> None:
    names = ["受信箱", "A&B", "日本語/テスト", "&-", 'quo"ted']
    with IMAPClient("127.0.0.1", dovecot.imap, ssl=False) as other:
        other.login(account.user, account.password)
        for name in names:
            other.create_folder(name)
            other.append(name, MAIL % (1, 1, 1))
    with imap.connect(server_of(dovecot, account)) as connection:
        listed = {one.name: one.role for one in connection.folders()}
        assert {listed[name] for name in names} == {""}
        assert (listed["INBOX"], listed["Sent"], listed["Trash"], listed["Junk"]) == ("inbox", "sent", "trash", "junk")
        for name in names:
            connection.open(name)
            assert all_of(connection, connection.uids())[0].raw == MAIL % (1, 1, 1)


def test_a_folder_that_is_not_there_is_named(connection: Connection) -> None:
    assert code_of(lambda: connection.open("nowhere")) == "folder"


def test_p02_reading_changes_no_flag_and_cares_for_none(dovecot: Dovecot, account: Account) -> None:
    for n in range(4):
        dovecot.deliver(account.user, MAIL % (n, n, n))
    with IMAPClient("127.0.0.1", dovecot.imap, ssl=False) as other:
        other.login(account.user, account.password)
        other.select_folder("INBOX")
        other.add_flags([1, 2], [b"\\Seen", b"\\Deleted"])
        with imap.connect(server_of(dovecot, account)) as connection:
            connection.open("INBOX")
            assert [one.raw is not None for one in all_of(connection, connection.uids())] == [True] * 4
        flags = {uid: {f for f in found if f != b"\\Recent"} for uid, found in other.get_flags([1, 2, 3, 4]).items()}
        assert flags == {1: {b"\\Seen", b"\\Deleted"}, 2: {b"\\Seen", b"\\Deleted"}, 3: set(), 4: set()}


def test_batches_are_bounded_by_number_and_by_bytes(
    dovecot: Dovecot, account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    for n in range(7):
        dovecot.deliver(account.user, MAIL % (n, n, n))
    with imap.connect(server_of(dovecot, account)) as connection:
        connection.open("INBOX")
        monkeypatch.setattr(imap, "BATCH_MAILS", 3)
        assert [len(batch) for batch in connection.fetch(connection.uids(), largest=10**6)] == [3, 3, 1]
        monkeypatch.setattr(imap, "BATCH_BYTES", 1)
        assert [len(batch) for batch in connection.fetch(connection.uids(), largest=10**6)] == [1] * 7


def test_p04_a_mail_that_is_gone_meanwhile_is_told_and_stops_nothing(dovecot: Dovecot, account: Account) -> None:
    for n in range(3):
        dovecot.deliver(account.user, MAIL % (n, n, n))
    with imap.connect(server_of(dovecot, account)) as connection:
        connection.open("INBOX")
        uids = connection.uids()
        with IMAPClient("127.0.0.1", dovecot.imap, ssl=False) as other:
            other.login(account.user, account.password)
            other.select_folder("INBOX")
            other.delete_messages([uids[1]])
            other.expunge()
        assert [(one.uid, one.cause) for one in all_of(connection, [*uids, 99])] == [
            (uids[0], ""),
            (uids[1], "vanished"),
            (uids[2], ""),
            (99, "vanished"),
        ]


def test_p03_a_star_never_brings_an_old_mail_back(dovecot: Dovecot, account: Account) -> None:
    dovecot.deliver(account.user, MAIL % (1, 1, 1))
    with imap.connect(server_of(dovecot, account)) as connection:
        connection.open("INBOX")
        assert connection.uids(after=1) == []
        assert connection.uids(after=0) == [1]


def test_b12_a_mail_that_is_too_large_stays_there_and_shows_its_head(dovecot: Dovecot, account: Account) -> None:
    dovecot.deliver(account.user, MAIL % (1, 1, 1) + b"0123456789\r\n" * 5_000)
    dovecot.deliver(account.user, MAIL % (2, 2, 2))
    with imap.connect(server_of(dovecot, account)) as connection:
        connection.open("INBOX")
        large, small = all_of(connection, connection.uids(), largest=10_000)
    assert (large.raw, large.cause, small.raw is not None) == (None, "too_large", True)
    assert large.size > 50_000, large
    assert b"Subject: 1" in large.head


def test_a_copy_of_our_own_is_laid_down_once_and_found_by_its_id(dovecot: Dovecot, account: Account) -> None:
    with imap.connect(server_of(dovecot, account)) as connection:
        connection.append("Sent", MAIL % (5, 5, 5), at=datetime.now(UTC))
        connection.open("Sent")
        assert len(connection.find("<5@c.example>")) == 1
        assert connection.find("<6@c.example>") == []


# -- news


@pytest.mark.parametrize("security", ["plain", "tls"])
def test_news_wakes_the_wait(dovecot: Dovecot, account: Account, security: str) -> None:
    with imap.connect(server_of(dovecot, account, security=security)) as connection:
        connection.open("INBOX")
        assert connection.wait(0.3) is False
        for n in range(3):
            timer = threading.Timer(0.2, dovecot.deliver, (account.user, MAIL % (n, n, n)))
            timer.start()
            began = time.monotonic()
            assert connection.wait(10) is True
            assert time.monotonic() - began < 3
            assert connection.uids() == list(range(1, n + 2))
            timer.join()


def test_a_wait_ends_when_asked(connection: Connection) -> None:
    connection.open("INBOX")
    asked = threading.Event()
    threading.Timer(0.2, asked.set).start()
    began = time.monotonic()
    assert connection.wait(30, stop=asked.is_set) is False
    assert time.monotonic() - began < 4
    connection.noop()


def test_p05_a_kicked_connection_is_noticed_while_waiting(dovecot: Dovecot, account: Account) -> None:
    with imap.connect(server_of(dovecot, account)) as connection:
        connection.open("INBOX")
        kick = ["doveadm", "-c", str(dovecot.dir / "dovecot.conf"), "kick", account.user]
        timer = threading.Timer(0.2, subprocess.run, (kick,), {"capture_output": True, "check": False})
        timer.start()
        assert code_of(lambda: connection.wait(20)) == "lost"
        timer.join()


@pytest.mark.parametrize(
    "script",
    [
        pytest.param([b"+ idling\r\n* 2 EXISTS\r\n"], id="buffered with the greeting"),
        pytest.param([b"+ idling\r\n", b"* 2 EX", b"ISTS\r\n"], id="in two pieces"),
    ],
)
def test_news_that_the_library_misses_are_seen(script: list[bytes]) -> None:
    server = HostileImap({1: MAIL % (1, 1, 1)}, idle=script)
    try:
        with imap.connect(Server("127.0.0.1", server.port, "plain", "u", "p")) as connection:
            connection.open("INBOX")
            assert connection.wait(5) is True
    finally:
        server.close()


def test_news_told_in_passing_are_seen_once() -> None:
    """A mail that comes between SEARCH and IDLE is told in the answer to the command that runs just then."""

    def in_passing(talk: Talk, tag: str, uids: list[int], items: str) -> bytes:
        return talk.usual(uids, items) + b"* 2 EXISTS\r\n" + f"{tag} OK done\r\n".encode()

    server = HostileImap({1: MAIL % (1, 1, 1)}, on_fetch=in_passing)
    try:
        with imap.connect(Server("127.0.0.1", server.port, "plain", "u", "p")) as connection:
            connection.open("INBOX")
            all_of(connection, [1])
            assert connection.wait(5) is True
            assert "IDLE" not in server.commands
            assert connection.wait(0.3) is False
    finally:
        server.close()


def test_a_watchdog_can_cut_a_connection_that_hangs() -> None:
    server = HostileImap({1: MAIL % (1, 1, 1)}, answers={"UID SEARCH": b""})
    try:
        connection = imap.connect(Server("127.0.0.1", server.port, "plain", "u", "p"))
        connection.open("INBOX")
        threading.Timer(0.2, connection.abort).start()
        began = time.monotonic()
        assert code_of(connection.uids) == "lost"
        assert time.monotonic() - began < 5
        connection.close()
    finally:
        server.close()


# -- P-10: a server that answers nonsense

MAILS = {n: MAIL % (n, n, n) for n in range(1, 10)}
BAD = 5


def spoil(answer: Callable[[Talk, str], bytes | None], *, body_only: bool = True):  # type: ignore[no-untyped-def]
    """Spoils every answer that has to do with mail BAD."""

    def hook(talk: Talk, tag: str, uids: list[int], items: str) -> bytes | None:
        if BAD not in uids or (body_only and "BODY" not in items):
            return None
        return answer(talk, tag)

    return hook


def around(talk: Talk, tag: str, spoilt: bytes) -> bytes:
    return talk.usual([BAD - 1], "BODY.PEEK[]") + spoilt + f"{tag} OK done\r\n".encode()


NONSENSE: dict[str, Callable[[Talk, str], bytes | None]] = {
    "literal announced too long, then cut": lambda talk, tag: _cut(talk, b"* 5 FETCH (UID 5 BODY[] {9999}\r\nshort"),
    "literal announced too short": lambda talk, tag: around(
        talk, tag, b"* 5 FETCH (UID 5 BODY[] {3}\r\n" + MAILS[5] + b")\r\n"
    ),
    "literal of a terabyte": lambda talk, tag: around(talk, tag, b"* 5 FETCH (UID 5 BODY[] {1099511627776}\r\n"),
    "negative literal": lambda talk, tag: around(talk, tag, b"* 5 FETCH (UID 5 BODY[] {-3}\r\nabc)\r\n"),
    "body NIL": lambda talk, tag: around(talk, tag, b"* 5 FETCH (UID 5 BODY[] NIL)\r\n"),
    "no body item": lambda talk, tag: around(talk, tag, b"* 5 FETCH (UID 5)\r\n"),
    "open parenthesis": lambda talk, tag: around(talk, tag, b"* 5 FETCH (UID 5 BODY[] (((\r\n"),
    "uneven items": lambda talk, tag: around(talk, tag, b"* 5 FETCH (UID 5 BODY[])\r\n"),
    "not a list": lambda talk, tag: around(talk, tag, b"* 5 FETCH nonsense\r\n"),
    "uid that is no number": lambda talk, tag: around(talk, tag, b'* 5 FETCH (UID x BODY[] "a")\r\n'),
    "negative uid": lambda talk, tag: around(talk, tag, b'* 5 FETCH (UID -5 BODY[] "a")\r\n'),
    "sequence that is no number": lambda talk, tag: around(talk, tag, b'* five FETCH (UID 5 BODY[] "a")\r\n'),
    "a line of ten megabytes": lambda talk, tag: around(
        talk, tag, b"* OK " + b"x" * 10_000_000 + b"\r\n* 5 FETCH (UID 5 BODY[] NIL)\r\n"
    ),
    "a line of twenty megabytes": lambda talk, tag: around(talk, tag, b"* OK " + b"x" * 20_000_000 + b"\r\n"),
    "tagged NO": lambda talk, tag: f"{tag} NO internal error\r\n".encode(),
    "tagged BAD": lambda talk, tag: f"{tag} BAD what\r\n".encode(),
    "OK without data": lambda talk, tag: f"{tag} OK done\r\n".encode(),
    "a tag of somebody else": lambda talk, tag: b"ZZZZ9999 OK done\r\n",
    "no CRLF": lambda talk, tag: _cut(talk, b"* 5 FETCH (UID 5"),
    "garbage": lambda talk, tag: bytes(range(256)) + b"\r\n",
    "continuation out of nowhere": lambda talk, tag: around(talk, tag, b"+ go on\r\n") + b"",
    "BYE in the middle": lambda talk, tag: _cut(talk, b"* BYE see you\r\n"),
    "cut at once": lambda talk, tag: _cut(talk, b""),
    "unknown untagged data": lambda talk, tag: around(
        talk, tag, b"* XANYTHING goes (a b {3}\r\nabc)\r\n* 5 FETCH (UID 5 BODY[] NIL)\r\n"
    ),
    "another mail's uid": lambda talk, tag: around(talk, tag, b'* 5 FETCH (UID 77 BODY[] "x")\r\n'),
}


def _cut(talk: Talk, last: bytes) -> bytes:
    talk.connection.sendall(last)
    talk.connection.shutdown(2)
    return b""


@pytest.mark.parametrize("name", NONSENSE)
def test_p10_one_mail_of_nonsense_is_named_and_all_others_come(name: str) -> None:
    server = HostileImap(MAILS, on_fetch=spoil(NONSENSE[name]))
    try:
        with imap.connect(Server("127.0.0.1", server.port, "plain", "u", "p")) as connection:
            connection.open("INBOX")
            found = {one.uid: one for one in all_of(connection, connection.uids())}
        assert {uid for uid, one in found.items() if one.raw == MAILS[uid]} >= set(MAILS) - {BAD}
        if found[BAD].raw is None:
            assert found[BAD].cause in ("unreadable", "no_data")
    finally:
        server.close()


SPOILT_FACTS = {
    "size that is no number": b'* 5 FETCH (UID 5 INTERNALDATE "20-Nov-2026 03:00:00 +0000" RFC822.SIZE huge)\r\n',
    "negative size": b'* 5 FETCH (UID 5 INTERNALDATE "20-Nov-2026 03:00:00 +0000" RFC822.SIZE -7)\r\n',
    "date NIL": b"* 5 FETCH (UID 5 INTERNALDATE NIL RFC822.SIZE 7)\r\n",
    "date of nonsense": b'* 5 FETCH (UID 5 INTERNALDATE "yesterday" RFC822.SIZE 7)\r\n',
    "date far away": b'* 5 FETCH (UID 5 INTERNALDATE "01-Jan-0001 00:00:00 +1400" RFC822.SIZE 7)\r\n',
    "nothing but the uid": b"* 5 FETCH (UID 5)\r\n",
    "an envelope that nobody asked for": b"* 5 FETCH (UID 5 ENVELOPE (((( RFC822.SIZE 7)\r\n",
}


@pytest.mark.parametrize("name", SPOILT_FACTS)
def test_p10_spoilt_sizes_and_dates_cost_nothing_but_themselves(name: str) -> None:
    def hook(talk: Talk, tag: str, uids: list[int], items: str) -> bytes | None:
        if BAD not in uids or "BODY" in items:
            return None
        others = [uid for uid in uids if uid != BAD]
        return talk.usual(others, items) + SPOILT_FACTS[name] + f"{tag} OK done\r\n".encode()

    server = HostileImap(MAILS, on_fetch=hook)
    try:
        with imap.connect(Server("127.0.0.1", server.port, "plain", "u", "p")) as connection:
            connection.open("INBOX")
            found = all_of(connection, connection.uids())
        assert [one.raw for one in found] == list(MAILS.values())
    finally:
        server.close()


@pytest.mark.parametrize(
    ("answers", "code"),
    [
        ({"EXAMINE": b"TAG OK fine\r\n"}, "protocol"),
        ({"EXAMINE": b"* OK [UIDVALIDITY 0] x\r\nTAG OK fine\r\n"}, "protocol"),
        ({"EXAMINE": b"* -3 EXISTS\r\n* OK [UIDVALIDITY nonsense] x\r\nTAG OK fine\r\n"}, "protocol"),
        ({"EXAMINE": b"TAG NO [NONEXISTENT] no such\r\n"}, "folder"),
        ({"EXAMINE": b"* BYE [UNAVAILABLE] later\r\n"}, "unavailable"),
        ({"UID SEARCH": b"* SEARCH a b c\r\nTAG OK fine\r\n"}, "protocol"),
        ({"UID SEARCH": b"TAG NO no\r\n"}, "protocol"),
        ({"CAPABILITY": b"* CAPABILITY\r\nTAG OK fine\r\n"}, "protocol"),
    ],
)
def test_p10_nonsense_before_any_mail_is_one_named_problem(answers: dict[str, bytes], code: str) -> None:
    server = HostileImap(MAILS, answers=answers, greeting=b"* OK ready\r\n")

    def talk() -> None:
        with imap.connect(Server("127.0.0.1", server.port, "plain", "u", "p")) as connection:
            connection.open("INBOX")
            connection.uids()

    try:
        assert code_of(talk) == code
    finally:
        server.close()


@pytest.mark.parametrize("listed", [b"* SEARCH\r\n", b"* SEARCH 0 -4 99999999999 3\r\n", b""])
def test_p10_uids_out_of_range_are_left_out(listed: bytes) -> None:
    server = HostileImap(MAILS, answers={"UID SEARCH": listed + b"TAG OK fine\r\n"})
    try:
        with imap.connect(Server("127.0.0.1", server.port, "plain", "u", "p")) as connection:
            connection.open("INBOX")
            uids, refused = [], ""
            try:
                uids = connection.uids()
            except WireProblem as error:
                refused = error.problem.code
            assert uids in ([], [3])
            assert refused in ("", "protocol")
    finally:
        server.close()


def test_a_server_that_dies_at_every_mail_is_itself_to_blame() -> None:
    def hook(talk: Talk, tag: str, uids: list[int], items: str) -> bytes | None:
        return _cut(talk, b"* BYE too much\r\n") if "BODY" in items else None

    server = HostileImap(MAILS, on_fetch=hook)
    try:
        with imap.connect(Server("127.0.0.1", server.port, "plain", "u", "p")) as connection:
            connection.open("INBOX")
            assert code_of(lambda: all_of(connection, connection.uids())) == "lost"
    finally:
        server.close()
