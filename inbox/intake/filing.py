"""Files what the children read: into conversations, with all that follows, in one transaction for up to a
hundred mails."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import structlog
from sqlalchemy import bindparam, select, update
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.orm import Session

from inbox import autoanswers, conversations, db, rule_runs, search
from inbox.blobs import MissingBlob, blobs
from inbox.intake import incoming, knowing, notice_answers, ourselves
from inbox.intake.filed import Filed, Mail
from inbox.intake.keeping import GLIMPSE_BYTES, Kept, glimpse
from inbox.intake.knowing import Knowledge
from inbox.models import Folder, RawMail, ThreadKey
from inbox.parse_child import Unreadable, readers
from inbox.reading import Reading

AT_ONCE = 100  # mails of one transaction, some 150 ms: short enough for those who wait to write
TRIES_ALONE = 5
OVERLOOKED = timedelta(seconds=60)  # a ledger row that waits longer was left by somebody who died

log = structlog.get_logger()

_raw = RawMail.__table__
_BECAME = (
    update(_raw)
    .where(_raw.c.id == bindparam("raw_id"))
    .values(state=bindparam("became"), message_id=bindparam("message"), cause=bindparam("why"), detail="")
)


@dataclass(frozen=True)
class Understood:
    """What a child made of a kept mail; for an unreadable one, what its headers say at a glance."""

    raw_id: int
    reading: Reading | Unreadable
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Answer:
    """A kept mail that a child is reading."""

    kept: Kept
    reading: Future[Reading | Unreadable]

    def wait(self) -> Understood:
        return _seen(self.kept, self.reading.result())


def ask(kept: Sequence[Kept], *, own_addresses: frozenset[str]) -> list[Answer]:
    """Has the children read the kept bytes; they do so while the caller goes on."""
    return [Answer(one, readers().submit(one.sha256, own_addresses=own_addresses)) for one in kept]


def understood(kept: Sequence[Kept], *, own_addresses: frozenset[str]) -> list[Understood]:
    """What the children read. No transaction should be open: this takes as long as it takes."""
    return [answer.wait() for answer in ask(kept, own_addresses=own_addresses)]


def pending(
    session: Session,
    *,
    now: datetime,
    limit: int = 200,
    mailbox_id: int | None = None,
    raw_ids: Sequence[int] | None = None,
) -> dict[int, list[Kept]]:
    """Ledger rows with bytes that wait to be filed, by mailbox: those of one mailbox, those named, or the
    overlooked."""
    wanted = (
        select(Folder.mailbox_id, RawMail.id, RawMail.sha256)
        .join(Folder, Folder.id == RawMail.folder_id)
        .where(RawMail.state == "pending", RawMail.sha256 != "")
        .order_by(RawMail.id)
        .limit(limit)
    )
    if raw_ids is not None:
        wanted = wanted.where(RawMail.id.in_(raw_ids))
    elif mailbox_id is not None:
        wanted = wanted.where(Folder.mailbox_id == mailbox_id)
    else:
        wanted = wanted.where(RawMail.fetched_at < now - OVERLOOKED)
    found: dict[int, list[Kept]] = {}
    for one_id, raw_id, sha256 in session.execute(wanted):
        found.setdefault(one_id, []).append(Kept(raw_id, sha256))
    return found


def file_pending(
    *, now: datetime, limit: int = 200, mailbox_id: int | None = None, raw_ids: Sequence[int] | None = None
) -> int:
    """Files what stands in the ledger and waits: after a crash, or sent back from the quarantine. How many.

    Without `mailbox_id` or `raw_ids` only what waits for so long that nobody can be at it.
    """
    with db.reading() as session:
        found = pending(session, now=now, limit=limit, mailbox_id=mailbox_id, raw_ids=raw_ids)
        own = {one_id: knowing.addresses(session, one_id)[0] for one_id in found}
    for one_id, kept in found.items():
        for start in range(0, len(kept), AT_ONCE):
            some = understood(kept[start : start + AT_ONCE], own_addresses=own[one_id])
            file_batch(one_id, some, now=now)
    return sum(len(kept) for kept in found.values())


def file_batch(mailbox_id: int, mails: Sequence[Understood], *, now: datetime) -> None:
    """Files some mails of one mailbox, in a transaction of its own; at most AT_ONCE of them should be given.

    If the database refuses them together each is tried alone, and the one that it refuses goes into the quarantine.
    Raises only when the database itself is not there.
    """
    try:
        with db.transaction(repeatable=True) as session:  # after a power cut they wait in the ledger as before
            _file(session, mailbox_id, mails, now=now)
        return
    except (OperationalError, InterfaceError) as error:
        if _is_gone(error):
            raise
        log.warning("filing_again", mailbox=mailbox_id, error=str(error)[:300])
    except Exception:  # the edge of a job: one mail's trouble must not hold up the others
        log.exception("filing_one_by_one", mailbox=mailbox_id, raw_ids=[one.raw_id for one in mails])
    for one in mails:
        _file_alone(mailbox_id, one, now=now)


def file(session: Session, raw: RawMail, reading: Reading | Unreadable, now: datetime) -> None:
    """Files one mail inside the caller's transaction."""
    folder = session.get_one(Folder, raw.folder_id)
    _file(session, folder.mailbox_id, [Understood(raw.id, reading)], now=now)
    session.refresh(raw)


def _file_alone(mailbox_id: int, one: Understood, *, now: datetime) -> None:
    """Files it, or refuses it; after deadlock upon deadlock it is left to wait in the ledger."""
    for _ in range(TRIES_ALONE):
        try:
            with db.transaction() as session:
                _file(session, mailbox_id, [one], now=now)
        except (OperationalError, InterfaceError) as error:
            if _is_gone(error):
                raise
            if _is_passing(error):
                log.warning("filing_again", mailbox=mailbox_id, raw_id=one.raw_id, error=str(error)[:300])
                continue
            _refuse(one, error)
        except Exception as error:  # the edge of a job
            log.exception("cannot_file", raw_id=one.raw_id)
            _refuse(one, error)
        return


def _refuse(one: Understood, error: BaseException) -> None:
    detail = f"{type(error).__name__}: {error}".replace("\0", "\ufffd")[:1_000]
    with db.transaction() as session:
        session.execute(
            update(RawMail)
            .where(RawMail.id == one.raw_id, RawMail.state == "pending")
            .values(state="quarantined", cause="filing", detail=detail, tries=RawMail.tries + 1, **_shown(one))
        )


def _is_gone(error: DBAPIError) -> bool:
    """Whether the database is not there or full, which is no mail's fault."""
    too_much_for_it = (getattr(error.orig, "sqlstate", None) or "").startswith("54")  # PostgreSQL's own limits
    return not too_much_for_it and not _is_passing(error)


def _is_passing(error: DBAPIError) -> bool:
    """A deadlock or a lock: nobody's fault, and worth another try."""
    words = str(error.orig).lower()
    return any(sign in words for sign in ("deadlock", "could not serialize"))


def _seen(kept: Kept, reading: Reading | Unreadable) -> Understood:
    if isinstance(reading, Reading):
        return Understood(kept.raw_id, reading)
    try:
        head = blobs().get(kept.sha256)[:GLIMPSE_BYTES]
    except (MissingBlob, OSError):
        head = b""
    return Understood(kept.raw_id, reading, glimpse(head))


def _shown(one: Understood) -> dict[str, Any]:
    if isinstance(one.reading, Reading):
        sender = " ".join(part for part in (one.reading.from_[0] if one.reading.from_ else []) if part)
        return {"subject": one.reading.subject, "sender": sender}
    return {
        "subject": one.headers.get("subject", ""),
        "sender": one.headers.get("from", ""),
        "headers": one.headers,
    }


# -- in the transaction


def _file(session: Session, mailbox_id: int, mails: Sequence[Understood], *, now: datetime) -> None:
    knowing.lock(session, mailbox_id)
    rows = _locked(session, mails)
    readable = [
        Mail.of(rows[one.raw_id], one.reading)
        for one in mails
        if one.raw_id in rows and isinstance(one.reading, Reading)
    ]
    refused = [
        _quarantined(one, rows[one.raw_id])
        for one in mails
        if one.raw_id in rows and isinstance(one.reading, Unreadable)
    ]
    if refused:
        session.execute(update(RawMail), refused)
    if readable:
        since = min(one.at for one in readable)
        known = knowing.gather(session, mailbox_id, [(one.sha256, one.reading) for one in readable], since=since)
        with conversations.together(session):
            filed = [_file_one_of_its_time(session, known, one, now=now) for one in readable]
        _settle(session, known, readable, filed, now=now)
        wishes = _ask_rules(session, readable, filed, now=now)
        _answer(session, known, readable, filed, wishes, now=now)
        session.connection().execute(
            _BECAME,
            [
                {"raw_id": mail.raw_id, "became": one.state, "message": one.message_id, "why": one.cause}
                for mail, one in zip(readable, filed, strict=True)
            ],
        )


def _file_one_of_its_time(session: Session, known: Knowledge, mail: Mail, *, now: datetime) -> Filed:
    """What a first import brings is past: no rule is asked about it."""
    if not mail.silent:
        return _file_one(session, known, mail, now=now)
    with conversations.history(session):
        return _file_one(session, known, mail, now=now)


def _file_one(session: Session, known: Knowledge, mail: Mail, *, now: datetime) -> Filed:
    seen = ourselves.seen_again(session, known, mail, now=now)
    if seen is not None:
        return seen
    if mail.is_sent:
        return ourselves.sent_elsewhere(session, known, mail, now=now)
    ourselves.settle_named(session, known, mail, now=now)
    refused = notice_answers.refuse(session, known, mail, now=now)
    if refused is not None:
        return refused
    return incoming.file(session, known, mail, now=now)


def _settle(
    session: Session, known: Knowledge, mails: Sequence[Mail], filed: Sequence[Filed], *, now: datetime
) -> None:
    """What needs the ids of the new rows: keys of threads, the search index, suggested joins."""
    keys: dict[str, int] = {}
    for one in filed:
        if one.message is not None:
            for key in one.keys:
                keys.setdefault(key, one.message.conversation_id)
    if keys:
        session.connection().execute(
            db.insert_into(session, ThreadKey.__table__).on_conflict_do_nothing(index_elements=["mailbox_id", "key"]),
            [
                {"mailbox_id": known.mailbox_id, "key": key, "conversation_id": conversation_id}
                for key, conversation_id in sorted(keys.items())
            ],
        )
    search.index_all(
        session,
        [(one.message, mail.reading.words) for mail, one in zip(mails, filed, strict=True) if one.message is not None],
    )
    incoming.suggest_joins(session, known, mails, filed, now=now)


def _ask_rules(
    session: Session, mails: Sequence[Mail], filed: Sequence[Filed], *, now: datetime
) -> dict[int, autoanswers.Wish]:
    """Rules decide about new mails from outside, and about what changed its status by a mail; what a first import
    brings is past. The answers that they want, by the mail's id."""
    new = [
        one.message.id
        for mail, one in zip(mails, filed, strict=True)
        if one.message is not None and one.message.direction == "in" and not mail.silent
    ]
    wishes = rule_runs.arrived(session, new, now=now) if new else {}
    rule_runs.status_changed(session, now=now)
    return wishes


def _answer(
    session: Session,
    known: Knowledge,
    mails: Sequence[Mail],
    filed: Sequence[Filed],
    wishes: Mapping[int, autoanswers.Wish],
    *,
    now: datetime,
) -> None:
    """Automatic answers to new mails from outside; the first import is silent."""
    new = [
        autoanswers.Arrived(one.message, mail.reading.silence, begins=one.is_new)
        for mail, one in zip(mails, filed, strict=True)
        if one.message is not None and one.message.direction == "in" and not mail.silent
    ]
    autoanswers.arrived(session, known.mailbox_id, new, ours=known.all_addresses, wishes=wishes, now=now)


def _locked(session: Session, mails: Sequence[Understood]) -> dict[int, Any]:
    """The ledger rows that still wait, held by us until the commit; those that another process holds are left to it."""
    rows = session.execute(
        select(
            RawMail.id,
            RawMail.sha256,
            RawMail.size,
            RawMail.internal_date,
            RawMail.fetched_at,
            RawMail.silent,
            RawMail.tries,
            Folder.role,
        )
        .join(Folder, Folder.id == RawMail.folder_id)
        .where(RawMail.id.in_([one.raw_id for one in mails]), RawMail.state == "pending")
        .with_for_update(of=RawMail, skip_locked=True)
    )
    return {row.id: row for row in rows}


def _quarantined(one: Understood, row: Any) -> dict[str, Any]:
    assert isinstance(one.reading, Unreadable)
    told = {"id": one.raw_id, "state": "quarantined", "cause": one.reading.cause, "detail": one.reading.detail}
    return told | {"tries": row.tries + 1} | _shown(one)
