"""F-02 and F-03: poller, worker and web are killed at random moments while mails come in and answers go out.

FLUSHALL empties Redis every five seconds meanwhile. Afterwards nothing is lost and nothing doubled, and an answer is
uncertain only where DATA had begun. FAULTS_SEED repeats a run's chances; FAULTS_MAILS, FAULTS_ANSWERS and FAULTS_KILLS
change its size.
"""

from __future__ import annotations

import os
import queue
import random
import secrets
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import Engine, func, select

from bench import corpus
from inbox import db, mailboxes
from inbox.models import Conversation, Heartbeat, Mailbox, Outgoing, RawMail
from inbox.people import passwords
from tests.faults.agents import Agent
from tests.faults.check import Imap, check, read_maildir, read_store
from tests.faults.installation import REPO, Installation
from tests.inbox.cast import a_user
from tests.servers import wait_until
from tests.servers.dovecot import Account, Dovecot
from tests.servers.smtp_sink import Fault, taken, tell
from tests.servers.valkey import Valkey

MAILS = int(os.environ.get("FAULTS_MAILS", "2000"))
ANSWERS = int(os.environ.get("FAULTS_ANSWERS", "500"))
KILLS = int(os.environ.get("FAULTS_KILLS", "60"))
VICTIMS = ("poller", "worker", "web")
CLOCK_TOO = 8  # every so many kills the clock dies as well
LIVES = (0.1, 3.5)  # seconds from the first sign of life to the next kill
UNBORN = 0.15  # of all kills: while the process is still starting
AIMED = 0.4  # of the worker's deaths: inside DATA, if there is one in its lifetime
START = 10.0  # seconds that a start may take at most
FLUSH_EVERY = 5.0
FIRST = 150  # mails that are there before the first kill
SLOW_SERVER = 0.1  # seconds from taking a mail to the SMTP server's answer: a worker often dies in them
REST = 150.0  # seconds until all is quiet after the last kill; leases of the dead lapse in 45
AGENTS = ("Aoi", "Ben", "Chie", "Dan", "Emi")
PASSWORD = "a good long sentence"


@pytest.mark.slow
def test_killing_at_sixty_moments_loses_and_doubles_nothing(
    engine: Engine, database_url: str, database_kind: str, dovecot: Dovecot, valkey: Valkey, tmp_path: Path
) -> None:
    seed = int(os.environ.get("FAULTS_SEED", "0")) or secrets.randbelow(10**9)
    chance = random.Random(seed)
    print(f"\nseed {seed} on {database_kind}")
    account = dovecot.account()
    mails = Letters(dovecot, account, seed=seed)
    with smtp_server(tmp_path) as (sink, port):
        a_house(dovecot, account, port)
        place = Installation(
            tmp_path / "data", database_url=database_url, redis_url=valkey.url, POLL_SECONDS="3", WEB_THREADS="16"
        )
        agents, work = a_team(place, seed)
        try:
            place.start()
            wait_until(place.serves, seconds=60, what="the web shows a page")
            mails.deliver(FIRST)
            wait_until(lambda: filed() >= FIRST // 2, seconds=60, what="the first mails are filed")
            for agent in agents:
                agent.start()
            asked = Asked(work, chance)
            with flushing(valkey):
                kill_at_random(place, mails, asked, chance)
                mails.deliver(MAILS - mails.delivered)
                wait_until(lambda: asked.some(ANSWERS) >= ANSWERS, seconds=60, every=0.3, what="all are asked for")
                for _ in agents:
                    work.put(None)
                for agent in agents:
                    agent.join(REST)
                at_rest(mails, place)
        finally:
            for _ in agents:
                work.put(None)
            place.close()
        told = [agent.told for agent in agents]
        accepted = {draft: conversation for one in told for draft, conversation in one.accepted.items()}
        store = read_store(Imap(dovecot.host, dovecot.imap, account.user, account.password), ("INBOX", "Sent"))
        report = check(
            database_url, place.folder / "blobs", store=store, deliveries=taken(sink), accepted=accepted.keys()
        )
    inbox = Counter(sha256 for (folder, _, _), sha256 in store.items() if folder == "INBOX")
    refused, retries = sum(one.refused for one in told), sum(one.retries for one in told)
    print(f"agents: {len(accepted)} accepted, {refused} refused, {retries} requests asked again")
    print(f"killed {dict(place.killed)}, ended by themselves {dict(place.ended)}")
    print(report)
    print(
        f"RELIABILITY: mails={inbox.total()} answers={report.answers} kills={place.killed.total()} "
        f"lost={len(report.lost)} doubled={len(report.doubled)} uncertain={len(report.uncertain)} "
        f"({database_kind}, seed {seed})"
    )
    assert not [one for each in told for one in each.gone]
    assert report.clean, report
    assert inbox == read_maildir(dovecot.maildir(account.user))
    assert inbox.total() == MAILS
    assert report.answers >= ANSWERS
    assert sum(place.killed[role] for role in VICTIMS) == KILLS
    assert not place.ended, f"{place.ended}\n" + "\n".join(place.log(one.partition(" ")[0]) for one in place.ended)
    assert len(report.uncertain) <= (place.killed["worker"] + place.killed["clock"]) * 8  # connections go in step


# -- what happens


def kill_at_random(place: Installation, mails: Letters, asked: Asked, chance: random.Random) -> None:
    """KILLS kills, one of the three at a time, while portions of mails arrive and portions of answers are asked for."""
    doom = {role: Doom(place, role, chance) for role in VICTIMS}
    for number in range(1, KILLS + 1):
        role = wait_until(lambda: next((one for one in VICTIMS if doom[one].has_come()), ""), seconds=2 * START)
        place.kill(role)
        doom[role] = Doom(place, role, chance)
        if number % CLOCK_TOO == 0:
            place.kill("clock")
        mails.deliver(FIRST + (MAILS - FIRST) * number // KILLS - mails.delivered)
        asked.some(ANSWERS * number // KILLS)


class Doom:
    """When a process dies: a while after its first sign of life, sometimes before that, sometimes inside DATA."""

    def __init__(self, place: Installation, role: str, chance: random.Random) -> None:
        self._place, self._role = place, role
        self._life = chance.uniform(*LIVES)
        self._sign = place.started_at[role] if chance.random() < UNBORN else None
        self._aimed = role == "worker" and chance.random() < AIMED

    def has_come(self) -> bool:
        if self._sign is None and (self._lives() or time.monotonic() - self._place.started_at[self._role] > START):
            self._sign = time.monotonic()
        if self._sign is None:
            return False
        return time.monotonic() > self._sign + self._life or (self._aimed and inside_data())

    def _lives(self) -> bool:
        if self._role == "web":
            return self._place.serves()
        with db.reading() as session:
            pid = self._place.pid(self._role)
            return session.scalar(select(Heartbeat.name).where(Heartbeat.name.endswith(f":{pid}"))) is not None


def inside_data() -> bool:
    """Whether the SMTP server is taking a mail just now."""
    with db.reading() as session:
        begun = (Outgoing.state == "sending", Outgoing.data_started_at.is_not(None))
        return session.scalar(select(Outgoing.id).where(*begun).limit(1)) is not None


class Letters:
    """Mails that are laid into the Maildir as a mail server does it, in portions."""

    def __init__(self, dovecot: Dovecot, account: Account, *, seed: int) -> None:
        self.delivered = 0
        self._dovecot, self._folder = dovecot, dovecot.maildir(account.user)
        self._mails = corpus.mails(MAILS, seed=seed)
        read_store(Imap(dovecot.host, dovecot.imap, account.user, account.password))  # makes the Maildir

    def on_the_server(self) -> int:
        """Mails in the inbox and copies in the Sent folder."""
        folders = (self._folder, self._folder / ".Sent")
        return sum(1 for folder in folders for part in ("new", "cur") for _ in (folder / part).glob("*"))

    def deliver(self, count: int) -> None:
        for _ in range(max(0, count)):
            name = f"{time.time_ns()}.{self.delivered}.test"
            fresh = self._folder / "tmp" / name
            fresh.write_bytes(next(self._mails).replace(b"\r\n", b"\n"))
            self._dovecot.own(fresh)
            fresh.rename(self._folder / "new" / name)
            self.delivered += 1


class Asked:
    """Hands conversations to the agents: each once, one in twelve to two of them at the same time."""

    def __init__(self, work: queue.Queue[int | None], chance: random.Random) -> None:
        self._work, self._chance = work, chance
        self._given: set[int] = set()

    def some(self, until: int) -> int:
        """Asks for answers until `until` conversations were given out, as far as there are any; how many were."""
        if len(self._given) < until:
            with db.reading() as session:
                found = session.scalars(
                    select(Conversation.id).where(Conversation.id.not_in(self._given)).order_by(func.random())
                )
                fresh = found.fetchmany(until - len(self._given))
            for conversation_id in fresh:
                self._given.add(conversation_id)
                for _ in range(2 if self._chance.random() < 1 / 12 else 1):
                    self._work.put(conversation_id)
        return len(self._given)


def at_rest(mails: Letters, place: Installation) -> None:
    """Waits until nothing is left to do; what does not come to rest is for the checker to name."""
    until = time.monotonic() + REST

    def quiet() -> bool:
        with db.reading() as session:
            known = session.scalar(select(func.count()).select_from(RawMail)) or 0
            waiting = session.scalar(select(func.count()).where(RawMail.state == "pending"))
            leaving = session.scalar(select(func.count()).where(Outgoing.state.in_(("queued", "sending"))))
            now = datetime.now(UTC)
            due = (Outgoing.sent_copy == "due", Outgoing.sent_copy_due_at <= now)
            copies = session.scalar(select(func.count()).where(*due))
        done = known >= mails.on_the_server() and not waiting and not leaving and not copies
        return done or time.monotonic() > until

    began = time.monotonic()
    wait_until(quiet, seconds=REST + 10, every=0.3, what="all is quiet")
    print(f"at rest {time.monotonic() - began:.0f} s after the last answer")


def filed() -> int:
    with db.reading() as session:
        return session.scalar(select(func.count()).where(RawMail.state == "filed")) or 0


# -- what stands around it


def a_house(dovecot: Dovecot, account: Account, port: int) -> None:
    """One mailbox and five agents; two of them have a second to take an answer back."""
    with db.transaction() as session:
        form = mailboxes.MailboxForm(
            name="Support",
            address="support@shop.example",
            imap_host=dovecot.host,
            imap_port=dovecot.imap,
            imap_security="plain",
            imap_user=account.user,
            imap_password=account.password,
            smtp_host="127.0.0.1",
            smtp_port=port,
            smtp_security="plain",
            sent_folder="Sent",
        )
        mailbox = session.get_one(Mailbox, mailboxes.add(session, None, form, now=datetime.now(UTC)))
        hashed = passwords.hashed(PASSWORD)
        for number, name in enumerate(AGENTS):
            a_user(session, name, mailbox, undo_seconds=number % 2, password_hash=hashed, locale="en")


def a_team(place: Installation, seed: int) -> tuple[list[Agent], queue.Queue[int | None]]:
    work: queue.Queue[int | None] = queue.Queue()
    emails = [f"{name.lower()}@shop.example" for name in AGENTS]
    return [Agent(place.port, one, PASSWORD, work, seed=seed + n) for n, one in enumerate(emails)], work


@contextmanager
def smtp_server(folder: Path) -> Iterator[tuple[Path, int]]:
    """The SMTP server in a process of its own: what it took is on disk before the client hears of it."""
    sink = folder / "sink"
    sink.mkdir()
    tell(sink, [Fault("dot", taken=True, seconds=SLOW_SERVER)])
    process = subprocess.Popen([sys.executable, "-m", "tests.servers.smtp_sink", str(sink)], cwd=REPO)
    try:
        wait_until(lambda: (sink / "port").exists(), what="the SMTP server listens")
        yield sink, int((sink / "port").read_text())
    finally:
        process.terminate()
        process.wait(10)


@contextmanager
def flushing(valkey: Valkey) -> Iterator[None]:
    """FLUSHALL every five seconds."""
    stop = threading.Event()

    def flush() -> None:
        while not stop.wait(FLUSH_EVERY):
            valkey.flush()

    thread = threading.Thread(target=flush, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(10)
