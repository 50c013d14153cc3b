"""Takes single guards out of the service, in a throwaway process: the checker must notice each of them missing."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import insert, inspect, select, text, update
from sqlalchemy.orm import Session

from inbox import conversations, db, fetching, intake, outbox, replies
from inbox.intake import filing, ourselves
from inbox.models import Conversation, Draft, Folder, RawMail
from inbox.outbox import queue
from routing.claims import MayReply


def cursor_before_bytes() -> None:
    """The folder's cursor is moved in a commit of its own, before the mails stand in the ledger."""
    keep = fetching._Taking._keep

    def moved_first(self: Any, stored: Any, *, moves_cursor: bool) -> Any:
        if moves_cursor:
            with db.transaction() as session:
                moved = update(Folder).where(Folder.id == self._folder.id)
                session.execute(moved.values(last_uid=max(one.uid for one in stored.batch)))
        return keep(self, stored, moves_cursor=moves_cursor)

    fetching._Taking._keep = moved_first


def no_unique_key() -> None:
    """The ledger takes a mail of the same UID again, the cursor moves too late, and copies are not recognised."""
    with db.transaction() as session:
        _without_key(session)

    def plainly(session: Session, folder_id: int, uidvalidity: int, arrivals: Any, **named: Any) -> Any:
        from inbox.intake import keeping

        rows = [keeping._row(folder_id, uidvalidity, one, now=named["now"]) for one in arrivals]
        session.execute(insert(RawMail), rows)
        return keeping._waiting(session, folder_id, uidvalidity, [one.uid for one in arrivals])

    intake.keep = plainly  # type: ignore[assignment]
    ourselves.seen_again = lambda *_positional, **_named: None  # type: ignore[assignment]
    read_folder = fetching.read_folder

    def read_and_move(account: Any, folder: Any, connection: Any, **named: Any) -> int:
        taken = read_folder(account, folder, connection, **named)
        with db.transaction() as session:
            session.execute(update(Folder).where(Folder.id == folder.id).values(last_uid=2**31))
        return taken

    fetching.read_folder = read_and_move


def no_data_mark() -> None:
    """Nothing is written down before DATA."""
    outbox.begin = lambda _session, _worker, ids, **_named: frozenset(ids)  # type: ignore[assignment]


def no_compare_and_set() -> None:
    """An answer leaves whatever version of the conversation its author saw."""

    def raised(session: Session, conversation_id: int, _seen: int) -> bool:
        mine = update(Conversation).where(Conversation.id == conversation_id)
        session.execute(mine.values(version=Conversation.version + 1))
        return True

    conversations.raise_version = raised
    replies.may_reply = lambda _facts: MayReply(True)  # type: ignore[assignment]


def no_dedupe_key() -> None:
    """A draft that was sent can be sent again, under another key."""
    put, send = outbox.put, replies.send

    def under_another_key(session: Session, **named: Any) -> int | None:
        return put(session, **named | {"dedupe_key": secrets.token_hex(8)})

    def as_if_open(session: Session, who: Any, draft_id: int, **named: Any) -> Any:
        session.execute(update(Draft).where(Draft.id == draft_id).values(state="open"))
        return send(session, who, draft_id, **named)

    outbox.put = under_another_key
    replies.send = as_if_open


def settled_before_sending() -> None:
    """The queue says "sent" when DATA begins, not when the server took it."""
    begin = outbox.begin

    def sent_already(session: Session, worker: str, ids: Sequence[int], *, now: datetime) -> frozenset[int]:
        allowed = begin(session, worker, ids, now=now)
        for outgoing in session.scalars(select(queue.Outgoing).where(queue.Outgoing.id.in_(ids))):
            outgoing.state, outgoing.sent_at = "sent", now
            outgoing.recipients = [one | {"state": "accepted"} for one in outgoing.recipients]
        return allowed

    outbox.begin = sent_already


def lapse_ignores_the_mark() -> None:
    """A mail whose sender died after DATA began goes back into the queue."""
    lapsed = queue.lapsed

    def unmarked(session: Session, **named: Any) -> Any:
        rows = lapsed(session, **named)
        for outgoing in rows:
            outgoing.data_started_at = None
        return rows

    queue.lapsed = unmarked


def filed_without_looking() -> None:
    """Whoever holds a mail's reading files it, whether or not it was filed; copies are not recognised."""
    understood = filing._locked

    def any_state(session: Session, mails: Any) -> Any:
        session.execute(update(RawMail).where(RawMail.id.in_([one.raw_id for one in mails])).values(state="pending"))
        return understood(session, mails)

    filing._locked = any_state
    ourselves.seen_again = lambda *_positional, **_named: None  # type: ignore[assignment]


GUARDS: dict[str, Callable[[], None]] = {
    one.__name__: one
    for one in (
        cursor_before_bytes,
        no_unique_key,
        no_data_mark,
        no_compare_and_set,
        no_dedupe_key,
        settled_before_sending,
        lapse_ignores_the_mark,
        filed_without_looking,
    )
}


def _without_key(session: Session) -> None:
    """SQLite's way of dropping a constraint: the table is made anew."""
    if not inspect(session.connection()).get_unique_constraints("raw_mail"):
        return  # taken away already
    made = session.scalar(text("SELECT sql FROM sqlite_master WHERE type = 'table' AND name = 'raw_mail'"))
    kept = "\n".join(line for line in made.splitlines() if "UNIQUE" not in line)
    kept = kept.rstrip().removesuffix(")").rstrip().removesuffix(",") + "\n)"
    session.execute(text(kept.replace("raw_mail", "raw_mail_free", 1)))
    session.execute(text("INSERT INTO raw_mail_free SELECT * FROM raw_mail"))
    session.execute(text("DROP TABLE raw_mail"))
    session.execute(text("ALTER TABLE raw_mail_free RENAME TO raw_mail"))
