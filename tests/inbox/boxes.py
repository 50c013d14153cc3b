"""Mailboxes on the throwaway Dovecot, connected to the test's installation, and a poller that runs inside the test."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import func, select

from inbox import db, fetching, mailboxes
from inbox.mailboxes import Account, MailboxForm
from inbox.models import Conversation, Folder, Mailbox, Message, RawMail
from inbox.poller import Poller
from inbox.wire import imap
from tests.servers.dovecot import Account as ServerAccount
from tests.servers.dovecot import Dovecot


def form_of(port: int, account: ServerAccount, **other: object) -> MailboxForm:
    values: dict[str, object] = {
        "name": account.user.partition("@")[0],
        "address": account.user,
        "imap_host": "127.0.0.1",
        "imap_port": port,
        "imap_security": "plain",
        "imap_user": account.user,
        "imap_password": account.password,
        "smtp_host": "127.0.0.1",
        "smtp_user": account.user,
    }
    return MailboxForm(**(values | other))  # type: ignore[arg-type]


class Box:
    """One connected mailbox."""

    def __init__(self, dovecot: Dovecot, account: ServerAccount | None = None, **form: object) -> None:
        self.dovecot = dovecot
        self.server_account = account or dovecot.account()
        self.user = self.server_account.user
        with db.transaction() as session:
            made = form_of(dovecot.imap, self.server_account, **form)
            self.id = mailboxes.add(session, None, made, now=datetime.now(UTC))

    def account(self) -> Account:
        with db.reading() as session:
            found = mailboxes.account(session, self.id)
        assert found is not None
        return found

    def read(self) -> int:
        """What `fetch --once` does."""
        account = self.account()
        with imap.connect(account.server) as connection:
            if fetching.find_sent_folder(account, connection):
                account = self.account()
            return fetching.read(account, connection)

    def lay(self, raws: Sequence[bytes], *, folder: str = "") -> None:
        """Mails into the Maildir, much faster than delivering them; in order."""
        path = self.dovecot.maildir(self.user) / folder
        for name in ("cur", "new", "tmp"):
            (path / name).mkdir(parents=True, exist_ok=True)
        stamp = datetime.now(UTC).timestamp()
        for number, raw in enumerate(raws):
            (path / "new" / f"{stamp:.0f}.M{number:06d}P1.test").write_bytes(raw)
        self.dovecot.own(self.dovecot.maildir(self.user))

    def save(self, raw: bytes, *, folder: str) -> None:
        """A mail into a folder, as a filter on the server would put it there."""
        self.doveadm("save", "-u", self.user, "-m", folder, given=raw)

    def doveadm(self, *command: str, given: bytes = b"") -> None:
        done = subprocess.run(
            ["doveadm", "-c", str(self.dovecot.dir / "dovecot.conf"), *command],
            input=given,
            capture_output=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr

    def rows(self, folder: str = "INBOX") -> list[RawMail]:
        with db.reading() as session:
            return list(
                session.scalars(
                    select(RawMail)
                    .join(Folder, Folder.id == RawMail.folder_id)
                    .where(
                        Folder.mailbox_id == self.id, Folder.name == folder, RawMail.uidvalidity == Folder.uidvalidity
                    )
                    .order_by(RawMail.uid)
                )
            )

    def states(self) -> dict[str, int]:
        """How many ledger rows stand in which state, of all folders and validities."""
        with db.reading() as session:
            found = session.execute(
                select(RawMail.state, func.count())
                .join(Folder, Folder.id == RawMail.folder_id)
                .where(Folder.mailbox_id == self.id)
                .group_by(RawMail.state)
            )
            return dict(found.all())

    def folder(self, name: str = "INBOX") -> Folder:
        with db.reading() as session:
            return session.scalars(select(Folder).where(Folder.mailbox_id == self.id, Folder.name == name)).one()

    def mailbox(self) -> Mailbox:
        with db.reading() as session:
            return session.get_one(Mailbox, self.id)

    def conversations(self) -> int:
        with db.reading() as session:
            return session.scalar(select(func.count()).where(Conversation.mailbox_id == self.id)) or 0

    def messages(self) -> list[Message]:
        with db.reading() as session:
            return list(
                session.scalars(
                    select(Message)
                    .join(Conversation, Conversation.id == Message.conversation_id)
                    .where(Conversation.mailbox_id == self.id)
                    .order_by(Message.id)
                )
            )


@contextmanager
def polling(*, every: float = 0.1) -> Iterator[Poller]:
    """A poller on a thread of its own; it ends as on SIGTERM."""
    poller = Poller()
    ending = threading.Event()
    failed: list[BaseException] = []

    def run() -> None:
        try:
            while not ending.is_set():
                poller.tick()
                ending.wait(every)
        except BaseException as error:
            failed.append(error)
            raise

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield poller
    finally:
        ending.set()
        thread.join(30)
        poller.stop()
        assert not failed, failed


def folder_of_bench() -> Path | None:
    """Where generators of mails with known answers stand beside this project, if they do."""
    import os

    given = os.environ.get("MADOGUCHI_CORPORA")
    corpora = Path(given) if given else Path(__file__).resolve().parents[2].parent / "shared" / "corpora"
    found = corpora.parent / "bench"
    return found if (found / "gen_corpus.py").exists() else None
