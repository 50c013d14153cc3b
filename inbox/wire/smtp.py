"""Hands mails to an SMTP server (RFC 5321): kept connections, every recipient's own answer, no guess at what was taken.

The moment that matters is DATA: before it nothing can have been taken, after it everything may have been. So the caller
is asked, between RCPT and DATA of each mail, to write that down and commit (`before_data`). A commit costs as much as a
mail, so: where the server offers PIPELINING (RFC 2920), the next mail's MAIL and RCPT travel behind the current mail's
last line, two round trips a mail instead of four; and several connections can go in step, one commit for all of them.
"""

from __future__ import annotations

import base64
import contextlib
import re
import smtplib
import socket
from collections import deque
from collections.abc import Callable, Container, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from inbox.errors import N_
from inbox.wire import problems, tls
from inbox.wire.problems import Problem, WireProblem

CONNECT_SECONDS = 20.0
COMMAND_SECONDS = 300.0  # MAIL, RCPT (RFC 5321 §4.5.3.2)
LAST_REPLY_SECONDS = 600.0  # after the final dot: the server is delivering; giving up early makes mails uncertain
BLOCK_BYTES = 1 << 20
LONGEST_REPLY_BYTES = 1 << 16
ANSWER_CHARACTERS = 1000

Outcome = Literal["accepted", "later", "refused", "uncertain"]
BARE_LINE_END = re.compile(rb"(?<!\r)\n|\r(?!\n)")
LEADING_DOT = re.compile(rb"(?m)^\.")


@dataclass(frozen=True)
class Server:
    """How to reach it. `security` is tls, starttls or plain, and never anything weaker; `user` "": no sign-in."""

    host: str
    port: int
    security: str
    user: str = ""
    password: str = field(default="", repr=False)
    helo: str = ""  # the name that we greet with; "": our own address in brackets


@dataclass(frozen=True)
class Mail:
    """What goes over the wire; `key` is the caller's own mark and comes back in the Result.

    An empty `sender` is the empty return path of automatic mail; servers that refuse it get `else_from` instead.
    """

    key: int
    sender: str
    recipients: tuple[str, ...]
    data: bytes
    else_from: str = ""


@dataclass(frozen=True)
class Answer:
    """What became of the mail for one recipient; `code` is None when it is our own judgement and not the server's."""

    address: str
    outcome: Outcome
    code: int | None
    text: str


@dataclass(frozen=True)
class Result:
    """What became of one mail. `outcome` is that of the whole: accepted if any recipient's was accepted."""

    key: int
    outcome: Outcome
    code: int | None
    text: str
    recipients: tuple[Answer, ...]


@dataclass(frozen=True)
class Handed:
    """How a `hand_over` ended: the results that `before_data` was not told, and the mails that were not begun."""

    results: tuple[Result, ...]
    left: tuple[Mail, ...]


def connect(server: Server) -> Connection:
    """Greets, encrypts as asked for, and signs in. Raises WireProblem; never falls back to plain text."""
    try:
        smtp = _greeted(server)
    except smtplib.SMTPConnectError as error:
        code = "limit" if 400 <= error.smtp_code < 500 else "protocol"
        raise WireProblem(Problem(code, f"{error.smtp_code} {_words(error.smtp_error)}")) from error
    except smtplib.SMTPServerDisconnected as error:
        raise WireProblem(Problem("lost", str(error))) from error
    except (OSError, UnicodeError, smtplib.SMTPException) as error:
        raise WireProblem(problems.of(error)) from error
    try:
        _sign_in(smtp, server)
    except (OSError, smtplib.SMTPException) as error:
        smtp.close()
        raise WireProblem(_lost(error)) from error
    except WireProblem:
        smtp.close()
        raise
    return Connection(smtp)


class Connection:
    """An open, signed-in connection. `problem` says why it ended, None while it works."""

    def __init__(self, smtp: smtplib.SMTP) -> None:
        self.problem: Problem | None = None
        self._socket = smtp.sock
        self._buffer = bytearray()
        self._pipelining = smtp.has_extn("pipelining")
        self._utf8 = smtp.has_extn("smtputf8")
        self._eightbit = smtp.has_extn("8bitmime")
        self._size_offered = smtp.has_extn("size")
        size = smtp.esmtp_features.get("size", "")
        self._size = int(size) if size.isdigit() else 0  # 0: no limit told
        self._open = False  # MAIL was said, and neither DATA nor RSET followed

        self._inside: tuple[Mail, tuple[Answer, ...]] | None = None  # DATA was said, its last reply is not read
        self._offered: Mail | None = None  # MAIL and RCPT are on their way
        self._rset_sent = False
        self._waits(COMMAND_SECONDS)

    def may_send_from(self, address: str) -> Problem | None:
        """Whether the server takes this sender; nothing is sent."""
        try:
            self._say(f"MAIL FROM:<{_ascii_domain(address)}>")
            code, text = self._reply()
            self._say("RSET")
            self._reply()
        except _Lost as lost:
            self._end(lost.problem)
            return lost.problem
        return None if code == 250 else Problem("sender", f"{code} {text}")

    def close(self) -> None:
        """QUIT, without caring for the answer."""
        if self.problem is None:
            with contextlib.suppress(_Lost):
                self._waits(2)
                self._say("QUIT")
                self._reply()
        self._end(Problem("lost"))

    # -- the steps of `hand_over`, in their order

    def refusal(self, mail: Mail) -> Result | None:
        """What the server would refuse anyway, said without asking it."""
        if self._size and len(mail.data) > self._size:
            return _refused(mail, N_("The mail is larger than its server takes. Send the files in several mails."))
        if _addresses_need_utf8(mail) and not self._utf8:
            told = N_("The server cannot handle addresses with other than ASCII letters (SMTPUTF8).")
            return _refused(mail, told)
        if any(_unsafe(address) for address in (mail.sender, *mail.recipients)):
            return _refused(mail, N_("An address contains characters that no address may contain."))
        return None

    def push(self, mail: Mail | None) -> None:
        """The mail that DATA was said for, and behind it MAIL and RCPT of the next one. Never raises: `pull` tells."""
        data = bytearray()
        if self._inside is not None:
            data += _wire_bytes(self._inside[0].data)
        if mail is not None and self._pipelining:
            data += self._offer(mail)
        self._offered = mail
        try:
            self._send(data)
        except _Lost as lost:
            self._end(lost.problem)

    def pull(self) -> tuple[Result | None, tuple[Answer, ...] | None]:
        """The result of the mail inside DATA, and the recipients' answers for the next one (None: not begun)."""
        result = self._last_reply() if self._inside is not None else None
        mail, self._offered = self._offered, None
        if mail is None or self.problem is not None:
            return result, None
        try:
            return result, self._recipients(mail)
        except _Lost as lost:
            self._end(lost.problem)
            return result, None

    def data(self, mail: Mail, answers: tuple[Answer, ...]) -> None:
        """DATA: from here on a lost connection means uncertain."""
        self._open = False
        self._inside = (mail, answers)
        try:
            self._waits(LAST_REPLY_SECONDS)
            self._say("DATA")
        except _Lost as lost:
            self._end(lost.problem)

    def go_ahead(self) -> Result | None:
        """Reads 354 (None: go on), or how the mail ended here."""
        assert self._inside is not None
        mail, answers = self._inside
        try:
            if self.problem is not None:
                raise _Lost(self.problem)
            code, text = self._reply(final=True)
        except _Lost as lost:
            self._inside = None
            self._end(lost.problem)
            return _result(mail, _uncertain(answers, lost.problem))
        if code == 354:
            return None
        self._inside = None
        self._open = True
        refusal = code if 400 <= code < 600 else 451  # a good answer to DATA is none that we know
        return _result(mail, _after_data(answers, refusal, text))

    def _last_reply(self) -> Result:
        """What the server says to the final dot."""
        assert self._inside is not None
        (mail, answers), self._inside = self._inside, None
        try:
            if self.problem is not None:
                raise _Lost(self.problem)
            code, text = self._reply(final=True)
            if 300 <= code < 400:
                raise _Lost(Problem("protocol", f"{code} {text}"))
        except _Lost as lost:
            self._end(lost.problem)
            return _result(mail, _uncertain(answers, lost.problem))
        if code == 421:
            self._end(Problem("limit", f"{code} {text}"))
        if self._offered is None:
            self._waits(COMMAND_SECONDS)
        return _result(mail, _after_data(answers, code, text))

    def _recipients(self, mail: Mail) -> tuple[Answer, ...]:
        """MAIL and RCPT: each recipient's answer; `outcome` accepted means so far."""
        if not self._pipelining:
            return self._recipients_one_by_one(mail)
        if self._rset_sent:
            self._reply()
        code, text = self._reply()
        answers = tuple(_answer(address, *self._reply()) for address in mail.recipients)
        self._open = code == 250
        if code >= 500 and not mail.sender and mail.else_from:
            return self._recipients_one_by_one(replace(mail, sender=mail.else_from))
        if code != 250:  # then RCPT was refused only because of MAIL
            return tuple(_answer(address, code, text) for address in mail.recipients)
        return answers

    def _recipients_one_by_one(self, mail: Mail) -> tuple[Answer, ...]:
        if self._open:
            self._say("RSET")
            self._reply()
        self._say(self._mail_from(mail))
        code, text = self._reply()
        self._open = code == 250
        if code >= 500 and not mail.sender and mail.else_from:
            return self._recipients_one_by_one(replace(mail, sender=mail.else_from))
        if code != 250:
            return tuple(_answer(address, code, text) for address in mail.recipients)
        answers = []
        for address in mail.recipients:
            self._say(_rcpt_to(address))
            answers.append(_answer(address, *self._reply()))
        return tuple(answers)

    def _offer(self, mail: Mail) -> bytes:
        """MAIL and every RCPT in one packet, after a RSET if the last transaction was left open."""
        self._rset_sent = self._open
        lines = ["RSET"] if self._open else []
        lines.append(self._mail_from(mail))
        lines.extend(_rcpt_to(address) for address in mail.recipients)
        return "".join(line + "\r\n" for line in lines).encode()

    def _mail_from(self, mail: Mail) -> str:
        options = [f"SIZE={len(mail.data)}"] if self._size_offered else []
        if self._utf8 and (_addresses_need_utf8(mail) or _has_utf8_headers(mail)):
            options.append("SMTPUTF8")
        if self._eightbit and not mail.data.isascii():
            options.append("BODY=8BITMIME")
        return " ".join([f"MAIL FROM:<{_ascii_domain(mail.sender)}>", *options])

    # -- lines

    def _say(self, line: str) -> None:
        self._send(line.encode() + b"\r\n")

    def _send(self, data: bytes | bytearray) -> None:
        """Raises _Lost. Each block has the time limit for itself (Python's counts for a whole `sendall`)."""
        view = memoryview(data)
        try:
            for start in range(0, len(view), BLOCK_BYTES):
                self._socket.sendall(view[start : start + BLOCK_BYTES])
        except OSError as error:
            raise _Lost(problems.of(error)) from error

    def _reply(self, *, final: bool = False) -> tuple[int, str]:
        """The next reply (RFC 5321 §4.2). Raises _Lost when the connection ended, or when 421 says that it ends."""
        texts = []
        while True:
            line = self._line()
            texts.append(line[4:])
            if line[3:4] != b"-":
                break
        if not line[:3].isdigit() or line[:1] not in b"2345":
            raise _Lost(Problem("protocol", _words(line)))
        code, text = int(line[:3]), _words(b" ".join(texts))
        if code == 421 and not final:
            raise _Lost(Problem("limit", f"{code} {text}"))
        return code, text

    def _line(self) -> bytes:
        while (end := self._buffer.find(b"\n")) < 0:
            if len(self._buffer) > LONGEST_REPLY_BYTES:
                raise _Lost(Problem("protocol", _words(bytes(self._buffer[:500]))))
            try:
                more = self._socket.recv(65536)
            except OSError as error:
                raise _Lost(problems.of(error)) from error
            if not more:
                raise _Lost(Problem("lost"))
            self._buffer += more
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 1]
        return line

    def _waits(self, seconds: float) -> None:
        with contextlib.suppress(OSError):
            self._socket.settimeout(seconds)

    def _end(self, problem: Problem) -> None:
        if self.problem is None:
            self.problem = problem
        self._socket.close()


def hand_over(
    connections: Sequence[Connection],
    mails: Iterable[Mail],
    *,
    before_data: Callable[[tuple[Mail, ...], tuple[Result, ...]], Container[int]],
) -> Handed:
    """Sends the mails in order, over one or several connections to the same server that go in step.

    `before_data(next, results)` is called when the server took recipients of the `next` mails (one a connection at
    most) and before DATA: it commits that their DATA begins, together with the `results` of earlier mails, and answers
    the keys of those that may go. What it raises ends the connections and goes through. A connection that ends early
    has its `problem` set; mails that no connection was left for come back untouched.
    """
    waiting = deque(mails)
    untold: list[Result] = []
    try:
        while True:
            alive = [one for one in connections if one.problem is None]
            busy = [one for one in alive if one._inside is not None]
            if not waiting and not busy:
                break
            if not alive:
                break
            for one in alive:
                one.push(_next(one, waiting, untold))
            ready: list[tuple[Connection, Mail, tuple[Answer, ...]]] = []
            for one in alive:
                mail = one._offered
                result, answers = one.pull()
                if result is not None:
                    untold.append(result)
                if mail is not None and answers is None:
                    waiting.appendleft(mail)
                elif mail is not None and any(a.outcome == "accepted" for a in answers or ()):
                    ready.append((one, mail, answers or ()))
                elif mail is not None:
                    untold.append(_result(mail, answers or ()))
            if ready:
                told, untold = tuple(untold), []
                allowed = before_data(tuple(mail for _, mail, _ in ready), told)
                begun = [entry for entry in ready if entry[1].key in allowed]
                for one, mail, answers in begun:
                    one.data(mail, answers)
                for one, _, _ in begun:
                    ended = one.go_ahead()
                    if ended is not None:
                        untold.append(ended)
    except BaseException:
        for one in connections:
            one._end(Problem("lost"))
        raise
    return Handed(tuple(untold), tuple(waiting))


def _next(connection: Connection, waiting: deque[Mail], untold: list[Result]) -> Mail | None:
    """The next mail that the server does not refuse from the outset."""
    while waiting:
        mail = waiting.popleft()
        refusal = connection.refusal(mail)
        if refusal is None:
            return mail
        untold.append(refusal)
    return None


class _Lost(Exception):
    """The connection ended."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.code)
        self.problem = problem


# -- connecting


def _greeted(server: Server) -> smtplib.SMTP:
    helo = server.helo.encode("idna").decode() if server.helo else "[127.0.0.1]"
    if server.security == "tls":
        smtp: smtplib.SMTP = smtplib.SMTP_SSL(
            server.host, server.port, local_hostname=helo, timeout=CONNECT_SECONDS, context=tls.context()
        )
    else:
        smtp = smtplib.SMTP(server.host, server.port, local_hostname=helo, timeout=CONNECT_SECONDS)
    try:
        smtp.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        smtp.ehlo_or_helo_if_needed()
        if server.security == "starttls":
            if not smtp.has_extn("starttls"):
                raise WireProblem(Problem("no_starttls"))
            code, text = smtp.starttls(context=tls.context())
            if code != 220:
                raise WireProblem(Problem("no_starttls", f"{code} {_words(text)}"))
            smtp.ehlo_or_helo_if_needed()
    except BaseException:
        smtp.close()
        raise
    return smtp


def _sign_in(smtp: smtplib.SMTP, server: Server) -> None:
    """AUTH PLAIN or LOGIN in UTF-8 (RFC 4616), which smtplib's own cannot do; its own for the rest."""
    if not server.user:
        return
    if not smtp.has_extn("auth"):
        raise WireProblem(Problem("no_login"))
    methods = smtp.esmtp_features["auth"].upper().split()
    user, password = server.user.encode(), server.password.encode()
    if "PLAIN" in methods:
        code, text = smtp.docmd("AUTH", "PLAIN " + _base64(b"\0" + user + b"\0" + password))
    elif "LOGIN" in methods:
        code, text = smtp.docmd("AUTH", "LOGIN " + _base64(user))
        if code == 334:
            code, text = smtp.docmd(_base64(password))
    else:
        try:
            code, text = smtp.login(server.user, server.password)
        except smtplib.SMTPAuthenticationError as error:
            raise WireProblem(Problem("login", f"{error.smtp_code} {_words(error.smtp_error)}")) from error
        except smtplib.SMTPNotSupportedError as error:
            raise WireProblem(Problem("no_login", str(error))) from error
    if code not in (235, 503):  # 503: already signed in
        raise WireProblem(Problem("limit" if 400 <= code < 500 else "login", f"{code} {_words(text)}"))


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _lost(error: Exception) -> Problem:
    if isinstance(error, smtplib.SMTPServerDisconnected):
        waited_in_vain = isinstance(error.__context__, TimeoutError)
        return Problem("timeout" if waited_in_vain else "lost", str(error)[:ANSWER_CHARACTERS])
    if isinstance(error, OSError) and not isinstance(error, smtplib.SMTPException):
        return problems.of(error)
    return Problem("protocol", str(error)[:ANSWER_CHARACTERS])


# -- answers


def _answer(address: str, code: int, text: str) -> Answer:
    if 200 <= code < 300:
        return Answer(address, "accepted", code, text)
    return Answer(address, "later" if 400 <= code < 500 else "refused", code, text)


def _after_data(answers: tuple[Answer, ...], code: int, text: str) -> tuple[Answer, ...]:
    """What the answer to DATA or to the final dot means for those who were accepted by RCPT."""
    return tuple(_answer(a.address, code, text) if a.outcome == "accepted" else a for a in answers)


def _uncertain(answers: tuple[Answer, ...], problem: Problem) -> tuple[Answer, ...]:
    return tuple(Answer(a.address, "uncertain", None, problem.text) if a.outcome == "accepted" else a for a in answers)


def _refused(mail: Mail, text: str) -> Result:
    return _result(mail, tuple(Answer(address, "refused", None, text) for address in mail.recipients))


def _result(mail: Mail, answers: tuple[Answer, ...]) -> Result:
    """The whole mail's outcome: uncertain before accepted before later before refused."""
    for outcome in ("uncertain", "accepted", "later", "refused"):
        for answer in answers:
            if answer.outcome == outcome:
                return Result(mail.key, answer.outcome, answer.code, answer.text, answers)
    raise ValueError("a mail without recipients")


def _words(raw: bytes | str) -> str:
    text = raw.decode("utf-8", "replace") if isinstance(raw, bytes) else raw
    return " ".join(text.split())[:ANSWER_CHARACTERS]


# -- bytes


def _wire_bytes(data: bytes) -> bytes:
    """CRLF line ends only (a bare CR or LF is how one mail is smuggled into another), dots doubled, the final dot."""
    if not data.count(b"\n") == data.count(b"\r") == data.count(b"\r\n"):
        data = BARE_LINE_END.sub(b"\r\n", data)
    if data.startswith(b".") or b"\n." in data:
        data = LEADING_DOT.sub(b"..", data)
    return data + (b".\r\n" if data.endswith(b"\r\n") else b"\r\n.\r\n")


def _addresses_need_utf8(mail: Mail) -> bool:
    """RFC 6531: an address whose local part is not ASCII."""
    return any(not _ascii_domain(address).isascii() for address in (mail.sender, *mail.recipients))


def _has_utf8_headers(mail: Mail) -> bool:
    return not mail.data.isascii() and not mail.data.partition(b"\r\n\r\n")[0].isascii()


def _rcpt_to(address: str) -> str:
    return f"RCPT TO:<{_ascii_domain(address)}>"


def _ascii_domain(address: str) -> str:
    """The domain in its ASCII form (IDNA), so that most international addresses need no SMTPUTF8."""
    if address.isascii():
        return address
    local, _, domain = address.rpartition("@")
    try:
        return f"{local}@{domain.encode('idna').decode()}"
    except UnicodeError:
        return address


def _unsafe(address: str) -> bool:
    return not address.isprintable() or any(c in address for c in "<> ")
