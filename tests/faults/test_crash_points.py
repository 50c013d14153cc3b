"""F-01: the service dies at every dangerous moment, one after the other; a fresh process takes over; nothing is amiss.

And the other way round: with one guard taken away the checker does find something, or it would be worth nothing.
"""

from __future__ import annotations

import itertools
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import Engine

from inbox import db, mailboxes
from inbox.models import Mailbox
from tests.conftest import SECRET
from tests.faults.check import Imap, Place, Report, check, read_store
from tests.faults.crashing import ANSWERED, KILLED
from tests.inbox.cast import a_user
from tests.servers.dovecot import Account, Dovecot
from tests.servers.postgres import Postgres
from tests.servers.smtp_sink import SmtpSink
from tests.servers.valkey import Valkey

MAILS = 6
MOST_POINTS = 150  # of one step; it ends long before
STRIDE = {"sqlite": 1, "postgres": 3}  # every moment; every third one where copying the database takes long
REST = ("overlooked", "fetch", "answer", "lapse", "send")  # what the processes that live on do
REPO = Path(__file__).resolve().parents[2]


class Forks:
    """The process that forks for every order; see `crashing`."""

    def __init__(self, folder: Path) -> None:
        self._log = (folder / "forks.log").open("w+")
        self._warm: set[str] = set()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.crashing"],
            cwd=REPO,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
        )

    def run(self, **order: object) -> int:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        assert answer, "the forking process died: " + self.told()
        return int(answer)

    def warm(self, house: House) -> None:
        """Has every statement compiled once, in a copy that is thrown away: all forks inherit that."""
        if house.kind not in self._warm:
            self._warm.add(house.kind)
            copy = house.copy()
            self.run(warm=True, steps=REST, environment=copy.environment, journal=str(copy.journal))
            copy.remove()

    def told(self) -> str:
        self._log.flush()
        self._log.seek(0)
        return self._log.read()[-4000:]

    def close(self) -> None:
        self._process.stdin.close()  # type: ignore[union-attr]
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._log.close()


@dataclass
class House:
    """One installation that can be put back to where it stood: database, stored bytes, what the agent knows."""

    kind: str
    folder: Path
    postgres: Postgres | None
    account: Account
    dovecot: Dovecot
    sink: SmtpSink
    forks: Forks
    redis: str
    url: str
    store: dict[Place, str] = field(default_factory=dict)
    _copies: Iterator[int] = field(default_factory=itertools.count)

    @property
    def blobs(self) -> Path:
        return self.folder / "blobs"

    @property
    def journal(self) -> Path:
        return self.folder / "journal"

    @property
    def environment(self) -> dict[str, str]:
        return {
            "DATA_DIR": str(self.folder),
            "DATABASE_URL": self.url,
            "REDIS_URL": self.redis,
            "SECRET_KEY": SECRET,
            "LOG_LEVEL": "error",
        }

    def run(self, *steps: str, die_at: int = 0, sabotage: tuple[str, ...] = ()) -> int:
        return self.forks.run(
            steps=steps, die_at=die_at, sabotage=sabotage, environment=self.environment, journal=str(self.journal)
        )

    def must(self, *steps: str, sabotage: tuple[str, ...] = ()) -> None:
        assert self.run(*steps, sabotage=sabotage) == 0, self.forks.told()

    def copy(self) -> House:
        """The same, to be ruined."""
        fresh = self.folder.with_name(f"{self.folder.name}-{next(self._copies)}")
        shutil.copytree(self.folder, fresh)
        url = f"sqlite:///{fresh / 'madoguchi.db'}"
        if self.postgres is not None:
            url = self.postgres.url(self.postgres.create(template=_database(self.url)))
        return replace(self, folder=fresh, url=url, _copies=itertools.count())

    def remove(self) -> None:
        shutil.rmtree(self.folder)
        if self.postgres is not None:
            self.postgres.drop(_database(self.url))

    def accepted(self) -> set[int]:
        rows = [json.loads(line) for line in self.journal.read_text().splitlines()] if self.journal.exists() else []
        return {row["draft"] for row in rows if row.get("accepted")}

    def report(self) -> Report:
        return check(self.url, self.blobs, store=self.store, deliveries=self.sink.deliveries, accepted=self.accepted())


def _database(url: str) -> str:
    return url.partition("@/")[2].partition("?")[0]


def a_mail(number: int) -> bytes:
    return (
        f"From: Customer {number} <c{number}@customer.example>\r\nTo: support@shop.example\r\n"
        f"Subject: Question {number}\r\nDate: Fri, 20 Nov 2026 03:0{number}:00 +0000\r\n"
        f"Message-ID: <question.{number}@customer.example>\r\n\r\nWhere is order {number}?\r\n"
    ).encode()


@pytest.fixture(scope="module")
def forks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Forks]:
    started = Forks(tmp_path_factory.mktemp("forks"))
    yield started
    started.close()


@pytest.fixture
def fast_disk() -> Iterator[Path]:
    """Processes are killed here, not the machine: nothing has to reach a real disk."""
    memory = Path("/dev/shm")
    folder = Path(tempfile.mkdtemp(prefix="madoguchi-", dir=memory if os.access(memory, os.W_OK) else None))
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def house(
    engine: Engine,
    database_url: str,
    database_kind: str,
    fast_disk: Path,
    dovecot: Dovecot,
    smtp_sink: SmtpSink,
    valkey: Valkey,
    forks: Forks,
    request: pytest.FixtureRequest,
) -> House:
    """Six mails on the server, nothing read yet; two agents who may answer at once."""
    account = dovecot.account()
    for number in range(MAILS):
        dovecot.deliver(account.user, a_mail(number))
    folder = fast_disk / "house"
    folder.mkdir()
    with db.transaction() as session:
        form = mailboxes.MailboxForm(
            name="Support",
            address="support@shop.example",
            imap_host=dovecot.host,
            imap_port=dovecot.imap,
            imap_security="plain",
            imap_user=account.user,
            imap_password=account.password,
            smtp_host=smtp_sink.host,
            smtp_port=smtp_sink.port,
            smtp_security="plain",
            server_files_sent=True,
        )
        mailbox = session.get_one(Mailbox, mailboxes.add(session, None, form, now=datetime.now(UTC)))
        for name in ("Aoi", "Ben"):
            a_user(session, name, mailbox, undo_seconds=0)
    engine.dispose()
    url = database_url
    if database_kind == "sqlite":
        db.checkpoint()
        engine.dispose()
        url = f"sqlite:///{folder / 'madoguchi.db'}"
        shutil.copyfile(database_url.removeprefix("sqlite:///"), folder / "madoguchi.db")
    imap = Imap(dovecot.host, dovecot.imap, account.user, account.password)
    postgres = request.getfixturevalue("postgres") if database_kind == "postgres" else None
    made = House(database_kind, folder, postgres, account, dovecot, smtp_sink, forks, valkey.url, url, read_store(imap))
    forks.warm(made)
    return made


def every_death(house: House, *steps: str) -> list[str]:
    """Lets `steps` die at one moment after the other, a fresh process ends the work each time; what is amiss then."""
    amiss: list[str] = []
    uncertain = 0
    for moment in range(random.randint(1, STRIDE[house.kind]), MOST_POINTS, STRIDE[house.kind]):
        house.sink.reset()
        ruined = house.copy()
        code = ruined.run(*steps, die_at=moment)
        assert code in (0, KILLED), house.forks.told()
        ruined.must(*REST)
        report = ruined.report()
        uncertain += len(report.uncertain)
        if not report.clean or report.answers != ANSWERED or report.mails != MAILS:
            amiss.append(f"died at moment {moment} of {steps}: {report}")
        ruined.remove()
        if code == 0:
            print(f"{house.kind}: {steps} died at its moments up to {moment - 1}, {uncertain} answers uncertain")
            return amiss
    raise AssertionError(f"{steps} never came to its end")


def test_dying_at_any_moment_of_reading_mail_loses_and_doubles_nothing(house: House) -> None:
    assert every_death(house, "fetch") == []


def test_dying_at_any_moment_of_answering_loses_and_doubles_nothing(house: House) -> None:
    house.must("fetch")
    assert every_death(house, "answer") == []


def test_dying_at_any_moment_of_sending_loses_and_doubles_nothing(house: House) -> None:
    house.must("fetch", "answer")
    assert every_death(house, "send") == []


# -- the checker itself


def deaths_until_noticed(house: House, guard: str, *steps: str) -> bool:
    """Whether some death with that guard taken away leaves something that the checker finds."""
    for moment in range(1, MOST_POINTS, 2):
        house.sink.reset()
        ruined = house.copy()
        code = ruined.run(*steps, die_at=moment, sabotage=(guard,))
        ruined.must(*REST, sabotage=(guard,))
        noticed = not ruined.report().clean
        ruined.remove()
        if noticed or code == 0:
            return noticed
    return False


@pytest.mark.only_on("sqlite")
@pytest.mark.parametrize(
    ("guard", "before", "steps"),
    [
        ("cursor_before_bytes", (), ("fetch",)),
        ("no_unique_key", (), ("fetch",)),
        ("no_data_mark", ("fetch", "answer"), ("send",)),
        ("settled_before_sending", ("fetch", "answer"), ("send",)),
        ("lapse_ignores_the_mark", ("fetch", "answer"), ("send",)),
    ],
)
def test_the_checker_notices_a_missing_guard_when_the_service_dies(
    house: House, guard: str, before: tuple[str, ...], steps: tuple[str, ...]
) -> None:
    if before:
        house.must(*before)
    assert deaths_until_noticed(house, guard, *steps)


@pytest.mark.parametrize(
    ("guard", "steps"),
    [
        ("no_compare_and_set", ("fetch", "answer twice", "send")),
        ("no_dedupe_key", ("fetch", "answer", "click again", "send")),
        ("filed_without_looking", ("fetch", "file all again")),
    ],
)
def test_the_checker_notices_a_missing_guard_when_things_are_done_twice(
    house: House, guard: str, steps: tuple[str, ...]
) -> None:
    whole, ruined = house.copy(), house.copy()
    whole.must(*steps, "send")
    assert whole.report().clean, str(whole.report())
    house.sink.reset()
    ruined.must(*steps, sabotage=(guard,))
    assert ruined.report().doubled
