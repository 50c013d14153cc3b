"""A real SMTP server that keeps what it takes and fails where a test tells it to.

In a test: `sink = SmtpSink()`, then `sink.fail("rcpt", "550 5.1.1 no such user")` or `sink.cut("dot", taken=True)`.
As a process of its own: `python -m tests.servers.smtp_sink FOLDER` writes FOLDER/port, appends each taken mail to
FOLDER/taken.jsonl before it answers, and reads faults from FOLDER/faults.json at every connection.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import signal
import ssl
import sys
import threading
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from tests.servers import wait_until

STEPS = ("connect", "ehlo", "starttls", "auth", "mail", "rcpt", "data", "dot", "quit")
LONGEST_LINE = 64 * 1024 * 1024


@dataclass
class Fault:
    """What goes wrong at one step. `reply` is sent instead of the usual one; without it the connection is cut.

    `at` "dot" is the end of the mail: `taken` says whether the mail was kept although the client does not hear of it.
    `at` "data" with `after_bytes` cuts inside the mail. `seconds` is waited before anything. `times` None: for ever.
    `only` restricts it to commands that contain the text (an address, for MAIL and RCPT).
    """

    at: str
    reply: str | None = None
    taken: bool = False
    seconds: float = 0.0
    times: int | None = None
    only: str = ""
    after_bytes: int | None = None

    def __post_init__(self) -> None:
        if self.at not in STEPS:
            raise ValueError(f"no such step: {self.at}")


@dataclass(frozen=True)
class Delivery:
    """A mail that the server took: what the customer's mailbox would hold."""

    sender: str
    recipients: tuple[str, ...]
    raw: bytes  # dot-stuffing undone, CRLF kept
    user: str  # who signed in, "" when nobody
    tls: bool
    at: datetime


@dataclass
class Server:
    """The protocol, apart from where it runs. `tls` offers STARTTLS; `users` asks for AUTH before MAIL."""

    users: dict[str, str] | None = None
    tls: ssl.SSLContext | None = None
    folder: Path | None = None
    max_bytes: int = 50_000_000
    deliveries: list[Delivery] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    connections: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            await _Session(self, reader, writer).run()
        except (_Cut, ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass
        finally:
            writer.close()

    def fault(self, at: str, command: str = "") -> Fault | None:
        """The fault that strikes here, counted as used."""
        for fault in self._known_faults():
            if fault.at != at or fault.times == 0 or fault.only not in command:
                continue
            if fault.times is not None:
                fault.times -= 1
            return fault
        return None

    def take(self, delivery: Delivery) -> None:
        """Keeps a mail; on disk it is synced before the client hears of it, so that a kill loses no evidence."""
        self.deliveries.append(delivery)
        if self.folder is None:
            return
        row = asdict(delivery) | {"raw": base64.b64encode(delivery.raw).decode(), "at": delivery.at.isoformat()}
        with (self.folder / "taken.jsonl").open("a") as log:
            log.write(json.dumps(row) + "\n")
            log.flush()
            os.fsync(log.fileno())

    def _known_faults(self) -> list[Fault]:
        source = self.folder / "faults.json" if self.folder else None
        if source and source.exists():
            self.faults = [Fault(**row) for row in json.loads(source.read_text())]
            source.unlink()
        return self.faults


class _Cut(Exception):
    """The connection ends here, without a word."""


class _Session:
    def __init__(self, server: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.server, self.reader, self.writer = server, reader, writer
        self.user, self.sender, self.recipients, self.tls = "", None, [], False  # type: str, str | None, list[str], bool

    async def run(self) -> None:
        await self.say("connect", "220 sink.example ESMTP")
        while line := await self.reader.readline():
            command = line.decode("utf-8", "replace").rstrip("\r\n")
            verb = command.split(" ")[0].lower()
            if verb == "quit":
                await self.say("quit", "221 2.0.0 bye")
                return
            handle = getattr(self, f"on_{verb}", None)
            if handle is None:
                await self.write("502 5.5.2 command not known")
            else:
                await handle(command)

    async def on_ehlo(self, command: str) -> None:
        offers = [
            "sink.example",
            "PIPELINING",
            f"SIZE {self.server.max_bytes}",
            "8BITMIME",
            "SMTPUTF8",
            "ENHANCEDSTATUSCODES",
        ]
        if self.server.tls and not self.tls:
            offers.append("STARTTLS")
        if self.server.users is not None:
            offers.append("AUTH PLAIN LOGIN")
        lines = [f"250-{offer}" for offer in offers[:-1]] + [f"250 {offers[-1]}"]
        await self.say("ehlo", "\r\n".join(lines), command=command)

    async def on_helo(self, command: str) -> None:
        await self.say("ehlo", "250 sink.example", command=command)

    async def on_noop(self, command: str) -> None:
        await self.write("250 2.0.0 OK")

    async def on_rset(self, command: str) -> None:
        self.sender, self.recipients = None, []
        await self.write("250 2.0.0 OK")

    async def on_starttls(self, command: str) -> None:
        if self.server.tls is None:
            await self.write("454 4.7.0 TLS not available")
        elif await self.say("starttls", "220 2.0.0 ready for TLS"):
            await self.writer.start_tls(self.server.tls)
            self.tls, self.sender, self.recipients = True, None, []

    async def on_auth(self, command: str) -> None:
        words = command.split(" ")
        if words[1].upper() == "PLAIN":
            first = words[2] if len(words) > 2 else await self.ask("334 ")
            _, user, password = base64.b64decode(first).decode().split("\0")
        else:
            user = base64.b64decode(words[2] if len(words) > 2 else await self.ask("334 VXNlcm5hbWU6")).decode()
            password = base64.b64decode(await self.ask("334 UGFzc3dvcmQ6")).decode()
        if (self.server.users or {}).get(user) != password:
            await self.write("535 5.7.8 user name or password is wrong")
        elif await self.say("auth", "235 2.7.0 welcome", command=user):
            self.user = user

    async def on_mail(self, command: str) -> None:
        if self.server.users is not None and not self.user:
            await self.write("530 5.7.0 authentication required")
        elif await self.say("mail", "250 2.1.0 sender ok", command=command):
            self.sender, self.recipients = _address(command), []

    async def on_rcpt(self, command: str) -> None:
        if self.sender is None:
            await self.write("503 5.5.1 MAIL first")
        elif await self.say("rcpt", "250 2.1.5 recipient ok", command=command):
            self.recipients.append(_address(command))

    async def on_data(self, command: str) -> None:
        if not self.recipients:
            await self.write("503 5.5.1 RCPT first")
            return
        inside = next(
            (f for f in self.server.faults if f.at == "data" and f.after_bytes is not None and f.times != 0), None
        )
        if inside is None:
            if not await self.say("data", "354 go ahead"):
                return
        else:
            await self.write("354 go ahead")
        raw = await self.read_mail(inside)
        delivery = Delivery(self.sender or "", tuple(self.recipients), raw, self.user, self.tls, datetime.now(UTC))
        fault = self.server.fault("dot", " ".join(self.recipients))
        if fault is None or fault.taken:
            self.server.take(delivery)
        self.sender, self.recipients = None, []
        await self.strike(fault, "250 2.0.0 taken")

    async def read_mail(self, inside: Fault | None) -> bytes:
        lines: list[bytes] = []
        size = 0
        while (line := await self.reader.readline()) != b".\r\n":
            if not line:
                raise _Cut
            size += len(line)
            if inside is not None and size > (inside.after_bytes or 0):
                self.server.fault("data")
                raise _Cut
            lines.append(line[1:] if line.startswith(b".") else line)
        return b"".join(lines)

    async def say(self, at: str, usual: str, *, command: str = "") -> bool:
        """Answers, unless a fault strikes; False when the command was refused."""
        return await self.strike(self.server.fault(at, command), usual)

    async def strike(self, fault: Fault | None, usual: str) -> bool:
        if fault is None:
            await self.write(usual)
            return True
        if fault.seconds:
            await asyncio.sleep(fault.seconds)
        if fault.reply is None and not fault.seconds:
            raise _Cut
        await self.write(fault.reply or usual)
        if (fault.reply or "").startswith("421"):
            raise _Cut
        return fault.reply is None or fault.reply[0] in "23"

    async def ask(self, challenge: str) -> str:
        await self.write(challenge)
        return (await self.reader.readline()).decode().strip()

    async def write(self, reply: str) -> None:
        self.writer.write(reply.encode() + b"\r\n")
        await self.writer.drain()


def _address(command: str) -> str:
    return command[command.index("<") + 1 : command.index(">")] if "<" in command else ""


class SmtpSink:
    """The server on a thread of the test's own process."""

    host = "127.0.0.1"

    def __init__(self, *, users: dict[str, str] | None = None, tls: ssl.SSLContext | None = None) -> None:
        self._server = Server(users=users, tls=tls)
        self._loop = asyncio.new_event_loop()
        self._listening: asyncio.Server | None = None
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True, name="smtp-sink")
        self._thread.start()
        self.port = 0
        self.start()

    @property
    def deliveries(self) -> list[Delivery]:
        return list(self._server.deliveries)

    @property
    def connections(self) -> int:
        return self._server.connections

    def fail(self, at: str, reply: str, *, times: int | None = None, only: str = "") -> None:
        """Answers `reply` ("451 4.3.0 later") at that step instead of the usual words."""
        self._server.faults.append(Fault(at, reply, times=times, only=only))

    def cut(self, at: str, *, taken: bool = False, times: int | None = 1, after_bytes: int | None = None) -> None:
        """Cuts the connection at that step; at "dot", `taken` says whether the mail was kept all the same."""
        self._server.faults.append(Fault(at, taken=taken, times=times, after_bytes=after_bytes))

    def delay(self, at: str, seconds: float, *, times: int | None = 1) -> None:
        self._server.faults.append(Fault(at, seconds=seconds, taken=True, times=times))

    def heal(self) -> None:
        self._server.faults.clear()

    def reset(self) -> None:
        """As new: no faults, no mail, listening."""
        self.heal()
        self._server.deliveries.clear()
        self._server.connections = 0
        if self._listening is None:
            self.start()

    def wait_for(self, count: int, *, seconds: float = 10.0) -> list[Delivery]:
        wait_until(lambda: len(self._server.deliveries) >= count, seconds=seconds, what=f"{count} mails taken")
        return self.deliveries

    def start(self) -> None:
        """Listens; again on the same port after `stop()`."""

        async def listen() -> asyncio.Server:
            return await asyncio.start_server(self._server.serve, self.host, self.port, limit=LONGEST_LINE)

        self._listening = asyncio.run_coroutine_threadsafe(listen(), self._loop).result(10)
        self.port = self._listening.sockets[0].getsockname()[1]

    def stop(self) -> None:
        """Refuses new connections; `start()` brings it back on the same port."""
        if self._listening is not None:
            self._loop.call_soon_threadsafe(self._listening.close)
            self._listening = None

    def close(self) -> None:
        self.stop()
        asyncio.run_coroutine_threadsafe(self._hang_up(), self._loop).result(5)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._loop.close()

    async def _hang_up(self) -> None:
        """Ends every connection that a client left open."""
        talking = asyncio.all_tasks() - {asyncio.current_task()}
        for one in talking:
            one.cancel()
        await asyncio.gather(*talking, return_exceptions=True)
        await asyncio.sleep(0)  # transports tell their protocols that they are closed


def taken(folder: Path) -> list[Delivery]:
    """What a server in a process of its own has taken so far."""
    log = folder / "taken.jsonl"
    rows: Sequence[str] = log.read_text().splitlines() if log.exists() else ()
    return [_delivery(json.loads(row)) for row in rows]


def _delivery(row: dict[str, str]) -> Delivery:
    return Delivery(
        row["sender"],
        tuple(row["recipients"]),
        base64.b64decode(row["raw"]),
        row["user"],
        bool(row["tls"]),
        datetime.fromisoformat(row["at"]),
    )


def tell(folder: Path, faults: Sequence[Fault]) -> None:
    """Gives a server in a process of its own new faults in place of the old ones."""
    fresh = folder / "faults.new"
    fresh.write_text(json.dumps([asdict(fault) for fault in faults]))
    fresh.replace(folder / "faults.json")


async def _main(folder: Path) -> None:
    server = Server(folder=folder)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    listening = await asyncio.start_server(server.serve, "127.0.0.1", 0, limit=LONGEST_LINE)
    fresh = folder / "port.new"
    fresh.write_text(str(listening.sockets[0].getsockname()[1]))
    fresh.replace(folder / "port")
    await stop.wait()
    listening.close()


if __name__ == "__main__":
    asyncio.run(_main(Path(sys.argv[1])))
