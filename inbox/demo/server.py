"""The demo's mail server: IMAP (pymap) and SMTP (aiosmtpd) in one process on loopback, kept on disk.

`python -m inbox.demo.server` runs it until SIGTERM, or until the demo is removed. Mail to the team's addresses arrives in
its mailbox, mail to anybody else in a mailbox made for that customer. Unknown people at the team's domain get 550; a customer
called `nobody` is refused for good (550) and one called `later` for now (451), to see how a failed answer looks.
"""

from __future__ import annotations

import asyncio
import contextlib
import email.utils
import signal
import sys
import warnings
from argparse import Namespace
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from pymap.backend.dict import Config, DictBackend, FilterSet, Identity
from pymap.imap import IMAPService
from pymap.parsing.message import AppendMessage
from pymap.user import Passwords, UserMetadata

from inbox import config, demo
from inbox.demo import conversations
from inbox.demo.folders import KeptMailboxes, keep

LARGEST_MAIL = 60_000_000
REMOVED_CHECK = 2.0  # seconds between looks whether the demo is still wanted
REFUSED = {"nobody": "550 5.1.1 no such user here (demo)", "later": "451 4.2.0 mailbox busy, try again later (demo)"}


class _Submission(SMTP):
    line_length_limit = 1_000_000  # real servers take long lines


class DemoServer:
    """One IMAP and one SMTP port over the same mailboxes."""

    def __init__(self, data_dir: Path) -> None:
        self.settings = demo.settings(data_dir)
        self._home = demo.folder(data_dir) / "mail"
        self._hashes: dict[str, str | None] = {}
        self._running: set[asyncio.Task[Any]] = set()

    async def run(self, stop: asyncio.Event) -> None:
        """Serves until `stop` is set. Raises OSError when a port is taken."""
        loop = asyncio.get_running_loop()
        loop.set_task_factory(self._keep_task)
        if not self._home.exists():
            await asyncio.to_thread(seed, self._home, datetime.now(UTC))
        await self._prepare()
        async with AsyncExitStack() as stack:
            await self._backend.start(stack)
            await IMAPService(self._backend, self._config).start(stack)
            listening = await loop.create_server(self._submission, self.settings.smtp_host, self.settings.smtp_port)
            print("demo mail server ready", flush=True)
            while not stop.is_set() and self._home.exists():
                await _wait(stop, REMOVED_CHECK)
            listening.close()

    # -- IMAP

    async def _prepare(self) -> None:
        arguments = Namespace(
            host=self.settings.imap_host,
            port=str(self.settings.imap_port),
            inherited_sockets=None,
            cert=None,
            key=None,
            tls=False,
            proxy_protocol=None,
            debug=False,
            demo_data=False,
            demo_user=self.settings.user,
            demo_password=self.settings.password,
            passlib_cfg=None,
            skip_services=[],
        )
        self._backend, self._config = await DictBackend.init(arguments, invalid_user_sleep=0.0)
        self._config.apply_context()
        assert isinstance(self._config, Config)
        self._customer_hash = await Passwords(self._config).hash_password(self.settings.customer_password)
        for home in sorted(self._home.iterdir()):
            await self._open(home.name)

    async def _open(self, user: str) -> KeptMailboxes:
        """The user's folders; a customer's are made when the first mail for them comes."""
        opened = self._config.set_cache.get(user)
        if opened is not None:
            return opened[0]  # type: ignore[return-value]
        folders = await KeptMailboxes.load(self._home / user, folders=[demo.SENT_FOLDER])
        self._config.set_cache[user] = (folders, FilterSet())
        if user != self.settings.user:
            identity = Identity(user, self._backend.login, None, frozenset())
            await identity.set(UserMetadata(self._config, user, password=self._customer_hash))
        return folders

    def _keep_task(
        self, loop: asyncio.AbstractEventLoop, work: Coroutine[Any, Any, Any], **named: Any
    ) -> asyncio.Task[Any]:
        """pymap 0.36.7 drops its references to tasks, and the collector ends them: connections would break now and then."""
        task = asyncio.Task(work, loop=loop, **named)
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return task

    # -- SMTP

    def _submission(self) -> SMTP:
        return _Submission(
            self,
            data_size_limit=LARGEST_MAIL,
            authenticator=self._authenticate,
            auth_require_tls=False,
            enable_SMTPUTF8=True,
            hostname=demo.TEAM_DOMAIN,
        )

    def _authenticate(
        self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: Any
    ) -> AuthResult:
        known = (self.settings.user.encode(), self.settings.password.encode())
        right = isinstance(data, LoginPassword) and (data.login, data.password) == known
        return AuthResult(success=right, handled=False)  # not handled: aiosmtpd then sends the answer

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        local, _, domain = address.lower().rpartition("@")
        if not local or "/" in address or ".." in domain:
            return "553 5.1.3 not an address"
        if domain == demo.TEAM_DOMAIN:
            if address.lower() not in self.settings.addresses:
                return "550 5.1.1 no such user here"
        elif not session.authenticated:
            return "554 5.7.1 relaying denied: sign in first"
        if local in REFUSED:
            return REFUSED[local]
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        now = datetime.now(UTC)
        trace = (
            f"Return-Path: <{envelope.mail_from}>\r\n"
            f"Received: from {session.host_name} (127.0.0.1) by {demo.TEAM_DOMAIN}; {email.utils.format_datetime(now)}\r\n"
        )
        content = envelope.content if isinstance(envelope.content, bytes) else (envelope.content or "").encode()
        for user in dict.fromkeys(self._user(address) for address in envelope.rcpt_tos):
            folders = await self._open(user)
            inbox = await folders.get_mailbox("INBOX")
            await inbox.append(AppendMessage(trace.encode() + content, now, frozenset()), recent=True)
        return "250 2.0.0 delivered"

    def _user(self, address: str) -> str:
        return self.settings.user if address.lower() in self.settings.addresses else address.lower()


def seed(home: Path, now: datetime) -> None:
    """Lays the year of conversations into the team's mailbox and the answers into the customers'; all or nothing."""
    fresh = home.with_name("mail.new")
    for number, mail in enumerate(conversations.conversations(now), start=1):
        keep(fresh / demo.TEAM_USER / mail.folder, number, mail.raw, mail.received_at)
    fresh.replace(home)


async def _wait(stop: asyncio.Event, seconds: float) -> None:
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(stop.wait(), seconds)


async def serve(data_dir: Path) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    await DemoServer(data_dir).run(stop)


def main() -> None:
    warnings.filterwarnings("ignore", "Session.login_data is deprecated", DeprecationWarning)
    try:
        asyncio.run(serve(config.settings_or_exit().data))
    except OSError as error:
        sys.exit(f"The demo mail server cannot start: {error}")


if __name__ == "__main__":
    main()
