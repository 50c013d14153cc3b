"""Runs one step of the service in a fresh fork that dies at its n-th dangerous moment, as `kill -9` would have it.

Nothing in the service knows of this. A process with everything imported reads one order a line (JSON) from standard
input and forks; the fork wraps, in itself alone, what changes the outside world (commits, commands to the mail servers,
bytes written, rings) and ends without a word when it comes to the n-th of them. The answer is the fork's exit code: 137
killed, 0 the step came to its end, anything else a failure. `sabotage.py` takes guards away in the same place, to see
that the checker notices.
"""

from __future__ import annotations

import functools
import json
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable
from concurrent.futures import Future
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, event, make_url, select
from sqlalchemy.engine.default import DefaultDialect

from inbox import config, db, drafts, fetching, intake, mailboxes, outbox, people, reading, replies, sending
from inbox.blobs import Blobs, _writers, blobs
from inbox.errors import StaleReply
from inbox.intake import filing
from inbox.mail.understand import understand
from inbox.models import Conversation, Draft, Mailbox, RawMail, User
from inbox.wire import imap, ring, smtp
from tests.faults import sabotage

KILLED = 137
ANSWERED = 4  # conversations that the agent answers
STEP_SECONDS = 30
LATER = timedelta(minutes=2)  # what a lease of a dead process has lapsed by


_warm: dict[str, Engine] = {}  # by database: engines whose statements are compiled, with all connections closed


def main() -> None:
    """An order with `warm` runs here, so that the forks find every statement compiled; the others in a fork each."""
    for line in sys.stdin:
        order = json.loads(line)
        if order.get("warm"):
            _obey(order)
            db.engine().dispose()
            print(0, flush=True)
            continue
        child = os.fork()
        if child == 0:
            _in_the_fork(order)
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


def _in_the_fork(order: dict[str, Any]) -> None:
    code = 1
    try:
        signal.alarm(STEP_SECONDS)
        _obey(order)
        code = 0
    except BaseException:  # noqa: BLE001 - the edge of the fork: its parent gets the exit code
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


def _obey(order: dict[str, Any]) -> None:
    os.environ.update(order["environment"])
    for cached in (config.settings, blobs, ring.connection, _writers):
        cached.cache_clear()
    engine = _engine(order["environment"]["DATABASE_URL"])
    db.engine = lambda: engine  # type: ignore[assignment]
    filing.readers = _reader_in_this_process  # type: ignore[assignment]
    fetching.storing = blobs  # type: ignore[assignment]  # in this process, too
    for name in order.get("sabotage", ()):
        sabotage.GUARDS[name]()
    if order.get("die_at"):
        _Death(order["die_at"]).lie_in_wait()
    for step in order["steps"]:
        STEPS[step](Path(order["journal"]))


def _engine(url: str) -> Engine:
    """The warm engine of that kind of database, its new connections going to `url`."""
    kind = url.partition(":")[0]
    if kind not in _warm:
        _warm[kind] = db.make_engine(url)
    engine = _warm[kind]
    arguments, named = engine.dialect.create_connect_args(make_url(url))

    @event.listens_for(engine, "do_connect")
    def elsewhere(_dialect: Any, _record: Any, positional: list[Any], given: dict[str, Any]) -> None:
        positional[:] = arguments
        given.update(named)

    return engine


# -- the n-th moment


class _Death:
    """Counts dangerous moments of the whole process and ends it at the n-th."""

    def __init__(self, at: int) -> None:
        self._left = at
        self._lock = threading.Lock()

    def lie_in_wait(self) -> None:
        for owner, name in (
            (DefaultDialect, "do_commit"),
            (Blobs, "_put"),
            (smtp.Connection, "_send"),
            (imap.Connection, "open"),
            (imap.Connection, "_batch"),
            (ring, "enqueue"),
        ):
            self._wrap(owner, name)

    def _wrap(self, owner: Any, name: str) -> None:
        original: Callable[..., Any] = getattr(owner, name)

        @functools.wraps(original)
        def wrapped(*positional: Any, **named: Any) -> Any:
            self._moment()
            answer = original(*positional, **named)
            self._moment()
            return answer

        setattr(owner, name, wrapped)

    def _moment(self) -> None:
        with self._lock:
            self._left -= 1
            if self._left == 0:
                os._exit(KILLED)


class _reader_in_this_process:
    """Reads mails here: a child process for each fork would take longer than everything else together."""

    def submit(self, sha256: str, *, own_addresses: frozenset[str]) -> Future[Any]:
        understood = understand(blobs().get(sha256), own_addresses=tuple(own_addresses))
        in_pieces = not config.settings().database.startswith("sqlite")
        answer: Future[Any] = Future()
        secret = config.settings().secret("message ids")
        answer.set_result(reading.of(understood, secret=secret, words_in_pieces=in_pieces))
        return answer


# -- the steps


def _fetch(_journal: Path) -> None:
    """What the poller does with one mailbox."""
    with db.reading() as session:
        account = mailboxes.account(session, session.scalars(select(Mailbox.id)).one())
    assert account is not None
    with imap.connect(account.server) as connection:
        fetching.read(account, connection)


def _overlooked(_journal: Path) -> None:
    """What the clock does about mails that a dead process left in the ledger."""
    intake.file_pending(now=datetime.now(UTC) + LATER)


def _answer(journal: Path) -> None:
    """What an agent does, who tries again until told that it is on its way; the journal is what the agent knows."""
    known = _journal_of(journal)
    with db.reading() as session:
        who = people.of(session, session.scalars(select(User).order_by(User.id).limit(1)).one())
        waiting = session.scalars(select(Conversation.id).order_by(Conversation.id).limit(ANSWERED)).all()
    for conversation_id in dict.fromkeys((*known, *waiting)):
        if known.get(conversation_id, {}).get("accepted"):
            continue
        _answer_one(journal, who, conversation_id, known.get(conversation_id, {}).get("draft"))


def _answer_one(journal: Path, who: people.Viewer, conversation_id: int, draft_id: int | None) -> None:
    now = datetime.now(UTC)
    if draft_id is None:
        with db.transaction() as session:
            draft = drafts.start(session, who, "reply", conversation_id=conversation_id, now=now)
            draft_id = draft.id
        with db.transaction() as session:
            words = {"text": f"Answer to conversation {conversation_id}."}
            drafts.save(session, who, draft_id, rev=draft.rev, fields=words, now=now)
        _note(journal, conversation=conversation_id, draft=draft_id)
    for _ in range(2):
        with db.reading() as session:
            seen = session.scalars(select(Draft.seen_version).where(Draft.id == draft_id)).one()
        try:
            with db.transaction() as session:
                replies.send(session, who, draft_id, seen_version=seen, next_status=None, now=now)
            _note(journal, conversation=conversation_id, draft=draft_id, accepted=True)
            return
        except StaleReply:  # something came in meanwhile: read it, then send
            with db.transaction() as session:
                drafts.start(session, who, "reply", conversation_id=conversation_id, now=now)


def _send(_journal: Path) -> None:
    sending.send_due(patience=None)


def _lapse(_journal: Path) -> None:
    """What the clock does about mails whose sender died."""
    with db.transaction() as session:
        outbox.lapse(session, now=datetime.now(UTC) + LATER)


def _answer_twice(journal: Path) -> None:
    """Two colleagues who saw the same version both answer every conversation; whom the gate stops keeps the words."""
    now = datetime.now(UTC)
    with db.reading() as session:
        team = [people.of(session, user) for user in session.scalars(select(User).order_by(User.id))]
        seen = dict(session.execute(select(Conversation.id, Conversation.version)).tuples().all())
    begun = []
    for conversation_id, version in seen.items():
        for who in team:
            with db.transaction() as session:
                draft = drafts.start(session, who, "reply", conversation_id=conversation_id, now=now)
                drafts.save(session, who, draft.id, rev=draft.rev, fields={"text": f"{who.name} answers."}, now=now)
            begun.append((who, conversation_id, draft.id, version))
    for who, conversation_id, draft_id, version in begun:
        try:
            with db.transaction() as session:
                replies.send(session, who, draft_id, seen_version=version, next_status=None, now=now)
            _note(journal, conversation=conversation_id, draft=draft_id, accepted=True)
        except StaleReply:
            pass


def _click_again(journal: Path) -> None:
    """The second click of every double click."""
    with db.reading() as session:
        who = people.of(session, session.scalars(select(User).order_by(User.id).limit(1)).one())
    for conversation_id, about in _journal_of(journal).items():
        with db.reading() as session:
            version = session.scalars(select(Conversation.version).where(Conversation.id == conversation_id)).one()
        with db.transaction() as session:
            replies.send(session, who, about["draft"], seen_version=version, next_status=None, now=datetime.now(UTC))


def _file_all_again(_journal: Path) -> None:
    """A second process that has read the same mails hands them in once more."""
    with db.reading() as session:
        mailbox_id = session.scalars(select(Mailbox.id)).one()
        own = session.scalars(select(Mailbox.address)).one()
        rows = session.execute(select(RawMail.id, RawMail.sha256)).all()
    kept = [intake.Kept(row.id, row.sha256) for row in rows]
    read = intake.understood(kept, own_addresses=frozenset({own}))
    intake.file_batch(mailbox_id, read, now=datetime.now(UTC))


STEPS: dict[str, Callable[[Path], None]] = {
    "fetch": _fetch,
    "overlooked": _overlooked,
    "answer": _answer,
    "send": _send,
    "lapse": _lapse,
    "answer twice": _answer_twice,
    "click again": _click_again,
    "file all again": _file_all_again,
}


# -- what the agent knows, on disk


def _journal_of(path: Path) -> dict[int, dict[str, Any]]:
    lines = path.read_text().splitlines() if path.exists() else []
    found: dict[int, dict[str, Any]] = {}
    for line in lines:
        row = json.loads(line)
        found.setdefault(row["conversation"], {}).update(row)
    return found


def _note(path: Path, **about: Any) -> None:
    with path.open("a") as journal:
        journal.write(json.dumps(about) + "\n")


if __name__ == "__main__":
    main()
