"""Two installations that answer each other, over real mail servers: one mail each, then silence."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from pathlib import Path

import pytest
from sqlalchemy import Engine, select

from inbox import db
from inbox.models import AnswerDecision, AutoAnswer, Mailbox, Outgoing
from templates.auto_answers import PROPOSED
from tests.conftest import SECRET
from tests.inbox.intake.story import a_mail
from tests.servers.dovecot import Account, Dovecot
from tests.servers.smtp_sink import SmtpSink

pytestmark = [pytest.mark.only_on("sqlite"), pytest.mark.slow]

ROOT = Path(__file__).resolve().parents[2]
ROUNDS = 6  # a loop would fill them all
TELLING = ("auto-submitted", "x-auto-response-suppress", "precedence", "x-loop", "in-reply-to", "references")


@dataclass
class Installation:
    """One of them: its own folder, database and secret, driven by its own commands."""

    folder: Path
    account: Account
    imap: int
    smtp: int
    secret: str
    engine: Engine = field(init=False)

    def __post_init__(self) -> None:
        self.engine = db.make_engine(f"sqlite:///{self.folder}/madoguchi.db")
        where = ("--imap", f"127.0.0.1:{self.imap}", "--imap-security", "plain")
        where += ("--smtp", f"127.0.0.1:{self.smtp}", "--smtp-security", "plain")
        self.run("migrate")
        self.run("mailbox", "add", self.account.user, *where, "--no-test", password=self.account.password)
        self.run("fetch", "--once")  # the first import, of nothing
        with db.transaction(self.engine) as session:
            (mailbox,) = session.scalars(select(Mailbox))
            words = {one: {"subject": w.subject, "text": w.text} for one, w in PROPOSED["received"].items()}
            session.add(AutoAnswer(mailbox_id=mailbox.id, occasion="received", enabled=True, words=words))

    def run(self, *command: str, password: str = "") -> None:
        done = subprocess.run(
            [sys.executable, "-m", "inbox", *command],
            input=password + "\n",
            cwd=self.folder,
            env={
                **{name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ},
                "PYTHONPATH": str(ROOT),
                "DATA_DIR": str(self.folder),
                "DATABASE_URL": f"sqlite:///{self.folder}/madoguchi.db",
                "SECRET_KEY": self.secret,
                "LOG_LEVEL": "error",
            },
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, (command, done.stdout, done.stderr)

    def works(self) -> None:
        self.run("fetch", "--once")
        self.run("send", "--once")

    def answered(self) -> int:
        with db.reading(self.engine) as session:
            return len(session.scalars(select(Outgoing).where(Outgoing.kind == "auto_reply")).all())

    def reasons(self) -> list[str]:
        with db.reading(self.engine) as session:
            return list(session.scalars(select(AnswerDecision.reason).order_by(AnswerDecision.message_id)))


class Post:
    """Carries what the SMTP server took into the IMAP mailboxes; a bad one hides that a machine wrote it."""

    def __init__(self, dovecot: Dovecot, sink: SmtpSink, *, bad: bool) -> None:
        self.dovecot, self.sink, self.bad, self.carried = dovecot, sink, bad, 0

    def carry(self) -> int:
        """How many were on their way."""
        new = self.sink.deliveries[self.carried :]
        self.carried += len(new)
        for number, mail in enumerate(new, self.carried):
            raw = hidden(mail.raw, number) if self.bad else mail.raw
            for recipient in mail.recipients:
                self.dovecot.deliver(recipient, raw, sender="desk@peer.example" if self.bad else mail.sender)
        return len(new)


def hidden(raw: bytes, number: int) -> bytes:
    """As a ticket system forwards it: nothing tells that a machine wrote it, and each has another subject and id."""
    mail = message_from_bytes(raw, policy=policy.SMTP)
    for name in TELLING:
        del mail[name]
    del mail["Subject"], mail["Message-ID"]
    mail["Subject"], mail["Message-ID"] = f"Ticket {number} opened", f"<ticket{number}@peer.example>"
    return mail.as_bytes()


@pytest.fixture
def two(dovecot: Dovecot, tmp_path: Path) -> Iterator[tuple[Installation, Installation, SmtpSink]]:
    accounts = dovecot.account(), dovecot.account()
    sink = SmtpSink(users={one.user: one.password for one in accounts})
    made = []
    for number, account in enumerate(accounts):
        folder = tmp_path / f"installation{number}"
        folder.mkdir()
        made.append(Installation(folder, account, dovecot.imap, sink.port, f"{SECRET}{number}"))
    try:
        yield made[0], made[1], sink
    finally:
        sink.close()
        for one in made:
            one.engine.dispose()


@pytest.mark.parametrize("bad", [False, True], ids=["honest", "hiding"])
def test_two_of_us_fall_silent_after_one_mail_each(
    two: tuple[Installation, Installation, SmtpSink], dovecot: Dovecot, bad: bool
) -> None:
    """A-01, and A-02 where everything that tells a machine is lost on the way."""
    ours, theirs, sink = two
    post = Post(dovecot, sink, bad=bad)
    dovecot.deliver(ours.account.user, a_mail("A question", sender=("", theirs.account.user), to=ours.account.user))
    if not bad:
        dovecot.deliver(theirs.account.user, a_mail("Another", sender=("", ours.account.user), to=theirs.account.user))
    for _ in range(ROUNDS):
        ours.works()
        theirs.works()
        if not post.carry():
            break
    else:
        pytest.fail("they still write to each other")
    assert (ours.answered(), theirs.answered()) == (1, 1), (ours.reasons(), theirs.reasons())
    left = sink.deliveries
    assert [one.sender for one in left] == ["", ""], "an empty return path"
    assert {one.recipients for one in left} == {(ours.account.user,), (theirs.account.user,)}
    silent = [why for one in (ours, theirs) for why in one.reasons() if why]
    assert silent
    assert set(silent) <= ({"sender_budget"} if bad else {"null_return_path", "auto_submitted"})
