"""Reads an IMAP account: signs in, shows what is there, fetches bytes, waits for news. Nothing here changes a flag.

Folders are opened read-only (EXAMINE) and bodies fetched with BODY.PEEK[]. Only what every server answers well is
asked: never ENVELOPE or BODYSTRUCTURE, whose broken forms stop a client before any mail is read. A batch that fails
is halved until the mail that is to blame stands alone. Every error leaves as `WireProblem` with a code and the
server's own words.
"""

from __future__ import annotations

import select
import socket
import ssl
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

from imapclient import IMAPClient, SocketTimeout
from imapclient.exceptions import IMAPClientAbortError, IMAPClientError, LoginError
from imapclient.imapclient import _parse_untagged_response

from inbox.wire import problems, tls
from inbox.wire.imap_answers import Listed, body, fact, listed_of, of_abort, of_login, of_refusal, text_of, words
from inbox.wire.problems import Problem, WireProblem

CONNECT_SECONDS = 15
READ_SECONDS = 60  # silence of a server in the middle of an answer
LINE_SECONDS = 10  # a line that began must end within
DONE_SECONDS = 15
SLICE_SECONDS = 1.0  # how often a wait for news looks whether it should stop
BATCH_MAILS = 100
FIRST_MAILS = 20  # of a long reading: filed while the next ones come
BATCH_BYTES = 20_000_000
FACTS_AT_ONCE = 500
LONGEST_LINE = 16_000_000  # a SEARCH answer names every UID of the folder in one line
SLOWEST = 20_000  # bytes a second: what takes longer is a hanging server
PATIENCE = 300.0  # seconds for one command besides its bytes, then the watchdog cuts the connection
LOST_IN_A_ROW = 3  # single mails at which the connection died: then the server is to blame, not the mail


@dataclass(frozen=True)
class Server:
    """Where an account answers. `security` is tls, starttls or plain; there is no falling back from one to another."""

    host: str
    port: int
    security: str
    user: str
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Opened:
    """What a folder said when it was opened."""

    uidvalidity: int
    exists: int


@dataclass(frozen=True, slots=True)
class Fetched:
    """One mail as the server gave it.

    `raw` is None when it could not be read: `cause` is then "vanished" (gone meanwhile), "too_large" (`head` holds its
    header lines), "no_data" (listed, but the server gives no bytes) or "unreadable" (the server's answer makes no
    sense or ends the connection); `detail` holds the words.
    """

    uid: int
    arrived: datetime | None  # INTERNALDATE, aware
    size: int  # bytes
    raw: bytes | None
    cause: str = ""
    detail: str = ""
    head: bytes = b""


def connect(server: Server) -> Connection:
    """A signed-in connection. Raises WireProblem; nothing secret was sent when the encryption asked for failed."""
    return Connection(server)


class Connection:
    """One IMAP connection. Not for two threads at once, except `abort` and `overdue`."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._folder = ""
        self._client: IMAPClient | None = None
        self._until = time.monotonic() + PATIENCE
        self._sign_in()

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, *_about: object) -> None:
        self.close()

    # -- what is there

    @property
    def can_idle(self) -> bool:
        with self._told():
            return self._imap.has_capability("IDLE")

    def folders(self) -> list[Listed]:
        """All folders that can be opened."""
        with self._told():
            listed = self._imap.list_folders()
        return listed_of(listed)

    def open(self, folder: str) -> Opened:
        """Opens a folder read-only. Raises WireProblem("folder") when it is not there."""
        with self._told("folder"):
            answer = self._imap.select_folder(folder, readonly=True)
        self._folder = folder
        uidvalidity = answer.get(b"UIDVALIDITY")
        if not isinstance(uidvalidity, int) or uidvalidity <= 0:
            raise WireProblem(Problem("protocol", "the server names no UIDVALIDITY"))
        exists = answer.get(b"EXISTS", 0)
        self._exists = max(0, exists) if isinstance(exists, int) else 0
        return Opened(uidvalidity=uidvalidity, exists=self._exists)

    def next_uid(self, folder: str) -> int | None:
        """The UID that the next mail of a folder will get, without opening it; None: the server does not say.

        A change means news. Raises WireProblem("folder") when it is not there.
        """
        with self._told("folder"):
            told = self._imap.folder_status(folder, [b"UIDNEXT"]).get(b"UIDNEXT")
        return told if isinstance(told, int) else None

    def uids(self, *, after: int = 0, since: date | None = None) -> list[int]:
        """UIDs of the open folder above `after`, ascending; `since` leaves out what arrived before that day."""
        criteria: list[Any] = ["UID", f"{after + 1}:*"] if after else ["ALL"]
        if since is not None:
            criteria += ["SINCE", since - timedelta(days=1)]  # the server's day may begin before ours
        with self._told():
            found = self._imap.search(criteria)
        return sorted({uid for uid in found if after < uid < 2**32})  # n:* names the last mail even when it is below n

    def find(self, message_id: str) -> list[int]:
        """UIDs of mails in the open folder with that Message-ID."""
        with self._told():
            return sorted(self._imap.search(["HEADER", "Message-ID", message_id]))

    # -- bytes

    def fetch(self, uids: Sequence[int], *, largest: int) -> Iterator[list[Fetched]]:
        """The mails of the open folder in batches bounded by number and bytes, in ascending order of UID.

        A mail above `largest` bytes stays on the server; of it only the header comes.
        """
        self._lost = 0
        ordered = sorted(uids)
        for start in range(0, len(ordered), FACTS_AT_ONCE):
            asked = ordered[start : start + FACTS_AT_ONCE]
            facts = self._facts(asked)
            for batch in _bounded(asked, facts, largest=largest, first=FIRST_MAILS if not start else BATCH_MAILS):
                yield self._batch(batch, facts, largest=largest)

    def append(self, folder: str, raw: bytes, *, at: datetime) -> None:
        """Lays our own copy of a sent mail into a folder, marked as read."""
        with self._told("folder", expect=len(raw) / SLOWEST):
            self._imap.append(folder, raw, flags=(b"\\Seen",), msg_time=at)

    # -- waiting

    def wait(self, seconds: float, *, stop: Callable[[], bool] = lambda: False) -> bool:
        """Waits with IDLE (RFC 2177) until the open folder has news; False when time is over or `stop()` says so.

        Bytes that are already buffered, lines in two pieces, a BYE and a dead peer are all seen: the library's own
        `idle_check` misses each of them.
        """
        with self._told(expect=seconds):
            return self._told_already() or self._idle(seconds, stop)

    def noop(self) -> None:
        with self._told():
            self._imap.noop()

    # -- end

    def close(self) -> None:
        """Says good-bye, or just closes when nobody listens any more."""
        client, self._client = self._client, None
        if client is None:
            return
        with suppress(Exception):  # the connection may be in any state; it only has to be gone
            client.socket().settimeout(2)
            client.logout()
        with suppress(Exception):
            client.shutdown()

    def abort(self) -> None:
        """Cuts the connection from another thread; the thread that waits on it gets WireProblem("lost")."""
        client = self._client
        if client is not None:
            with suppress(OSError):
                client.socket().shutdown(socket.SHUT_RDWR)

    def overdue(self) -> bool:
        """Whether the running command took longer than any honest server takes."""
        return self._client is not None and time.monotonic() > self._until

    # -- below

    @property
    def _imap(self) -> IMAPClient:
        if self._client is None:
            raise WireProblem(Problem("lost", "closed"))
        return self._client

    @contextmanager
    def _told(self, refused: str = "protocol", *, expect: float = 0.0) -> Iterator[None]:
        """Names every error. `refused` is the code for a NO or BAD of the server."""
        self._until = time.monotonic() + PATIENCE + expect
        try:
            yield
        except WireProblem:
            raise
        except IMAPClientAbortError as error:
            raise WireProblem(of_abort(words(error))) from error
        except IMAPClientError as error:
            raise WireProblem(of_refusal(words(error), refused)) from error
        except (OSError, EOFError) as error:
            raise WireProblem(problems.of(error)) from error
        except (
            ValueError,
            TypeError,
            KeyError,
            IndexError,
            AttributeError,
            UnicodeError,
            RecursionError,
            OverflowError,
        ) as error:
            # a server's nonsense goes through the library as any of these
            raise WireProblem(Problem("protocol", f"{type(error).__name__}: {error}"[:500])) from error

    def _sign_in(self) -> None:
        server = self._server
        if any(ord(ch) < 32 or ch == "\x7f" for ch in server.host + server.user + server.secret):
            raise WireProblem(Problem("login", "control characters in user name or password"))
        with self._told():
            client = self._client = self._dialled()
        try:
            with self._told("no_starttls"):
                if server.security == "starttls":
                    if not client.has_capability("STARTTLS"):
                        raise WireProblem(Problem("no_starttls"))
                    client.starttls(ssl_context=tls.context())
                    _prepare(client)
            with self._told("login"):
                self._log_in(client)
        except WireProblem:
            self.close()
            raise

    def _dialled(self) -> IMAPClient:
        server = self._server
        timeout = SocketTimeout(connect=CONNECT_SECONDS, read=READ_SECONDS)
        if server.security == "tls":
            client = IMAPClient(server.host, server.port, ssl=True, ssl_context=tls.context(), timeout=timeout)
        else:
            client = IMAPClient(server.host, server.port, ssl=False, timeout=timeout)
        client.normalise_times = False
        _prepare(client)
        return client

    def _log_in(self, client: IMAPClient) -> None:
        server = self._server
        if client.has_capability("LOGINDISABLED"):
            raise WireProblem(Problem("no_login", "LOGINDISABLED"))
        try:
            if (server.user + server.secret).isascii():
                client.login(server.user, server.secret)
            else:
                client.plain_login(server.user, server.secret)
        except LoginError as error:
            raise WireProblem(of_login(words(error))) from None  # the chain could show the command with the password

    def _reopen(self) -> None:
        """A fresh connection to the same folder, after the old one died in the middle of a batch."""
        folder = self._folder
        client, self._client = self._client, None
        if client is not None:
            with suppress(Exception):
                client.shutdown()
        self._sign_in()
        self.open(folder)

    def _facts(self, uids: list[int]) -> dict[int, tuple[datetime | None, int]]:
        """Arrival and size by UID; a UID that is gone is missing. One answer that makes no sense spoils only its own
        mail."""
        try:
            with self._told():
                answer = self._imap.fetch(uids, [b"UID", b"INTERNALDATE", b"RFC822.SIZE"])
        except WireProblem as error:
            self._revive(error)
            if len(uids) == 1:
                self._blame(error)
                return {uids[0]: (None, 0)}
            half = len(uids) // 2
            return self._facts(uids[:half]) | self._facts(uids[half:])
        return {uid: fact(about) for uid, about in answer.items()}

    def _batch(self, uids: list[int], facts: dict[int, tuple[datetime | None, int]], *, largest: int) -> list[Fetched]:
        known = [uid for uid in uids if uid in facts]
        large = [uid for uid in known if facts[uid][1] > largest]
        found = self._bodies([uid for uid in known if uid not in large], facts)
        found |= {uid: self._head(uid, facts[uid]) for uid in large}
        missing = [uid for uid in uids if uid not in found]
        if missing:
            found |= self._gone(missing, facts)
        return [found[uid] for uid in uids]

    def _bodies(self, uids: list[int], facts: dict[int, tuple[datetime | None, int]]) -> dict[int, Fetched]:
        """Bytes by UID; halves a failing batch until the mail that is to blame stands alone."""
        if not uids:
            return {}
        try:
            with self._told(expect=sum(facts[uid][1] for uid in uids) / SLOWEST):
                answer = self._imap.fetch(uids, [b"UID", b"BODY.PEEK[]"])
        except WireProblem as error:
            self._revive(error)
            if len(uids) > 1:
                half = len(uids) // 2
                return self._bodies(uids[:half], facts) | self._bodies(uids[half:], facts)
            self._blame(error)
            arrived, size = facts[uids[0]]
            return {
                uids[0]: Fetched(uids[0], arrived, size, None, "unreadable", error.problem.text or error.problem.code)
            }
        self._lost = 0
        found = {}
        for uid, about in answer.items():
            raw = body(about)
            if raw is not None:
                found[uid] = Fetched(uid, facts[uid][0], len(raw), raw)
        return found

    def _head(self, uid: int, fact: tuple[datetime | None, int]) -> Fetched:
        head, detail = b"", ""
        try:
            with self._told():
                answer = self._imap.fetch([uid], [b"UID", b"BODY.PEEK[HEADER]"])
            head = body(answer.get(uid, {}), b"BODY[HEADER]") or b""
        except WireProblem as error:
            self._revive(error)
            detail = error.problem.text
        return Fetched(uid, fact[0], fact[1], None, "too_large", detail, head[:1_000_000])

    def _gone(self, uids: list[int], facts: dict[int, tuple[datetime | None, int]]) -> dict[int, Fetched]:
        """Mails that the server gave no bytes of together with others: asked for alone; gone meanwhile, or still listed
        and without content, which is a fault that must be seen."""
        with self._told():
            listed = set(self._imap.search(["UID", ",".join(map(str, uids))]))
        answer = {}
        for uid in uids:
            fact = facts.get(uid, (None, 0))
            alone = self._bodies([uid], {uid: fact}).get(uid) if uid in listed else None
            answer[uid] = alone or Fetched(uid, fact[0], fact[1], None, "no_data" if uid in listed else "vanished")
        return answer

    def _revive(self, error: WireProblem) -> None:
        """After a failed command: a connection that may be out of step is replaced. Raises when the server is not
        there."""
        cause = error.__cause__
        in_step = isinstance(cause, IMAPClientError) and not isinstance(cause, IMAPClientAbortError)
        if in_step and "got more than" not in str(cause):
            with suppress(WireProblem):
                self.noop()
                return
        self._reopen()

    def _blame(self, error: WireProblem) -> None:
        """Counts single mails at which the connection died; too many in a row and it is the server's fault."""
        if error.problem.code in ("lost", "timeout", "limit", "unavailable", "unreachable"):
            self._lost += 1
            if self._lost >= LOST_IN_A_ROW:
                raise error

    _lost = 0
    _exists = 0  # mails in the folder when it was opened

    def _told_already(self) -> bool:
        """Whether an answer to an earlier command said in passing that mail came: IDLE would not say it again."""
        told = self._imap._imap.untagged_responses.pop("EXISTS", None) or []
        return any(one.isdigit() and int(one) > self._exists for one in told if isinstance(one, bytes))

    def _idle(self, seconds: float, stop: Callable[[], bool]) -> bool:
        client = self._imap
        sock = client.socket()
        sock.settimeout(DONE_SECONDS)
        client.idle()
        end = time.monotonic() + seconds
        news = False
        try:
            while not news or _readable(client, sock, 0.02):
                left = end - time.monotonic()
                if left <= 0 or stop():
                    break
                if not news and not _readable(client, sock, min(left, SLICE_SECONDS)):
                    continue
                sock.settimeout(LINE_SECONDS)  # one whole line, however it was cut in pieces
                news = _is_news(_parse_untagged_response(client._imap._get_line())) or news
            sock.settimeout(DONE_SECONDS)
            _text, more = client.idle_done()
        finally:
            with suppress(OSError):
                sock.settimeout(READ_SECONDS)
        news_at_the_end = [_is_news(one) for one in more]  # every one is looked at: one may be a BYE
        return news or any(news_at_the_end)


def _prepare(client: IMAPClient) -> None:
    """What the library leaves out: no Nagle delay, no repr() of every literal, bounds on lines and literals."""
    imap = client._imap
    imap.debug = 0
    client.socket().setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    client.socket().setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)

    def read(size: int) -> bytes:
        if size > 400_000_000:
            raise imap.abort(f"literal of {size} bytes announced")
        data = imap.file.read(size)
        if len(data) != size:
            raise imap.abort("socket error: EOF inside a literal")
        return data

    def readline() -> bytes:
        line = imap.file.readline(LONGEST_LINE + 1)
        if len(line) > LONGEST_LINE:
            raise imap.abort(f"got more than {LONGEST_LINE} bytes in a line")
        return line

    imap.read = read
    imap.readline = readline


def _readable(client: IMAPClient, sock: socket.socket, seconds: float) -> bool:
    """Whether a line (or the end) can be read; bytes in the reader's or the TLS layer's buffer never wake poll()."""
    reader = client._imap.file
    sock.settimeout(0)
    try:
        if reader.peek(1):
            return True
    except (ssl.SSLWantReadError, BlockingIOError):
        pass
    finally:
        sock.settimeout(LINE_SECONDS)
    poller = select.poll()
    poller.register(sock, select.POLLIN | select.POLLHUP | select.POLLERR)
    return bool(poller.poll(max(0.0, seconds) * 1000))


def _is_news(response: Any) -> bool:
    """Whether an untagged line says that mail came, went or changed. Raises WireProblem for a BYE."""
    if not isinstance(response, tuple) or len(response) < 2:
        return False
    if response[0] == b"BYE":
        raise WireProblem(of_abort(text_of(response[1])))
    return response[1] in (b"EXISTS", b"RECENT", b"EXPUNGE")


def _bounded(
    uids: list[int], facts: dict[int, tuple[datetime | None, int]], *, largest: int, first: int
) -> Iterator[list[int]]:
    batch: list[int] = []
    total = 0
    most = min(first, BATCH_MAILS)
    for uid in uids:
        size = min(facts.get(uid, (None, 0))[1], largest)
        if batch and (len(batch) >= most or total + size > BATCH_BYTES):
            yield batch
            batch, total, most = [], 0, BATCH_MAILS
        batch.append(uid)
        total += size
    if batch:
        yield batch
