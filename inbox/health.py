"""How the installation and its mailboxes do, in facts and codes; sentences are made where they are shown."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from sqlalchemy import func, select, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from inbox import db, ledger
from inbox.config import settings
from inbox.errors import N_
from inbox.ledger import Ledger
from inbox.mailboxes import LOGIN_TRIES, REFUSED
from inbox.models import Folder, Heartbeat, Mailbox, Outgoing, RawMail
from inbox.people import Viewer
from inbox.wire import ring

SILENT_AFTER = timedelta(seconds=30)  # processes say every five seconds that they live
FULL_PART = 0.95  # of the disk
FULL_BYTES = 200_000_000  # free bytes under which mail can soon not be stored
LATE = timedelta(minutes=5)  # a mailbox that was not read for so long is behind

CODES = {
    "ok": N_("Works."),
    "down": N_("Does not answer."),
    "old_schema": N_("The database has an older form than this program. Run: python -m inbox migrate"),
    "full": N_("The disk is almost full. Mail waits on its servers when it is."),
    "unreadable": N_("The folder for stored mail cannot be used."),
    "silent": N_("The process has not been heard of lately."),
    "never": N_("The process has never been started."),
    "unknown": N_("Cannot be told while the database does not answer."),
}


@dataclass(frozen=True)
class Part:
    """One part of the installation: database, redis, disk, poller, worker or clock. `code` is one of CODES."""

    name: str
    ok: bool
    code: str = "ok"
    facts: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class SystemHealth:
    parts: tuple[Part, ...]

    @property
    def ok(self) -> bool:
        return all(part.ok for part in self.parts)

    def part(self, name: str) -> Part:
        return next(part for part in self.parts if part.name == name)


@dataclass(frozen=True)
class ImportProgress:
    """A first import or back-fill that runs: mails done and in all, mails a second so far, seconds left at that
    rate."""

    done: int
    total: int
    rate: float
    seconds_left: float | None


@dataclass(frozen=True)
class MailboxHealth:
    """One mailbox. `state`: ok, new (never read yet), late, failing, stopped (refused passwords: waits for new
    settings), off.

    `code` and `text` are the last problem of reading (`wire.problems.CODES` and the server's words), "" when it works.
    """

    id: int
    name: str
    address: str
    colour: str
    is_demo: bool
    state: str
    code: str
    text: str
    failing_since: datetime | None
    failures: int
    next_try_at: datetime | None
    last_ok_at: datetime | None
    lag: timedelta | None  # since the inbox was last read
    backlog: int  # mails fetched and not filed yet
    quarantined: int
    importing: ImportProgress | None
    ledgers: tuple[Ledger, ...]
    sending_paused: bool
    smtp_code: str
    smtp_text: str
    smtp_last_ok_at: datetime | None
    smtp_next_try_at: datetime | None
    waiting_to_leave: int


def system(*, now: datetime) -> SystemHealth:
    """All parts, asked just now. Opens its own short transactions and never raises."""
    database = _database()
    beats = _heartbeats() if database.code != "down" else None
    return SystemHealth(
        (
            database,
            _redis(),
            _disk(),
            *(_process(role, beats, now=now) for role in ("poller", "worker", "clock")),
        )
    )


def mailboxes(session: Session, who: Viewer | None, *, now: datetime) -> tuple[MailboxHealth, ...]:
    """The mailboxes that `who` may see (None: all), by name."""
    wanted = select(Mailbox).order_by(Mailbox.name, Mailbox.id)
    if who is not None:
        wanted = wanted.where(Mailbox.id.in_(who.mailbox_ids))
    counts = _counts(session)
    leaving = _leaving(session)
    sums: dict[int, list[Ledger]] = {}
    for one in ledger.ledgers(session, who):
        sums.setdefault(one.mailbox_id, []).append(one)
    folders: dict[int, list[Folder]] = {}
    for folder in session.scalars(select(Folder).where(Folder.read)):
        folders.setdefault(folder.mailbox_id, []).append(folder)
    return tuple(
        _mailbox(
            one,
            folders.get(one.id, []),
            counts=counts,
            ledgers=tuple(sums.get(one.id, ())),
            waiting_to_leave=leaving.get(one.id, 0),
            now=now,
        )
        for one in session.scalars(wanted)
    )


# -- the installation


def _database() -> Part:
    facts: dict[str, Any] = {"kind": "sqlite" if settings().database.startswith("sqlite") else "postgresql"}
    if facts["kind"] == "sqlite":
        facts["sqlite_has_wal_race"] = db.sqlite_has_wal_race()
    try:
        with db.reading() as session:
            version = session.execute(text("SELECT version_num FROM alembic_version")).scalar()
    except (SQLAlchemyError, OSError) as error:
        return Part("database", False, "down", facts | {"error": str(getattr(error, "orig", error))[:300]})
    if version != _newest_schema():
        return Part("database", False, "old_schema", facts | {"schema": version})
    return Part("database", True, facts=facts)


@cache
def _newest_schema() -> str | None:
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", str(Path(db.__file__).resolve().parent.parent / "migrations"))
    return ScriptDirectory.from_config(config).get_current_head()


def _redis() -> Part:
    facts = {"embedded": settings().embedded_redis}
    try:
        ring.ping()
    except (ring.Dead, OSError) as error:
        return Part("redis", False, "down", facts | {"error": str(error)[:300]})
    return Part("redis", True, facts=facts)


def _disk() -> Part:
    found: dict[str, Any] = {}
    code = "ok"
    for name, folder in (("data", settings().data), ("mail", settings().blob_dir)):
        place = next((one for one in (folder, *folder.parents) if one.exists()), Path("/"))
        try:
            usage = shutil.disk_usage(place)
        except OSError as error:
            return Part("disk", False, "unreadable", {"folder": str(folder), "error": str(error)[:300]})
        found[name] = {"free": usage.free, "total": usage.total}
        if usage.free < FULL_BYTES or usage.free < usage.total * (1 - FULL_PART):
            code = "full"
    return Part("disk", code == "ok", code, found)


def _heartbeats() -> dict[str, tuple[datetime, int]] | None:
    """Last sign of life and number of known processes, by role."""
    try:
        with db.reading() as session:
            rows = session.execute(
                select(Heartbeat.role, func.max(Heartbeat.at), func.count()).group_by(Heartbeat.role)
            ).all()
    except (SQLAlchemyError, OSError):
        return None
    return {role: (at, count) for role, at, count in rows}


def _process(role: str, beats: dict[str, tuple[datetime, int]] | None, *, now: datetime) -> Part:
    if beats is None:
        return Part(role, False, "unknown")
    if role not in beats:
        return Part(role, False, "never")
    at, count = beats[role]
    facts = {"last_sign": at, "processes": count}
    return Part(role, True, facts=facts) if now - at <= SILENT_AFTER else Part(role, False, "silent", facts)


# -- mailboxes


def _counts(session: Session) -> dict[tuple[int, str], int]:
    rows = session.execute(
        select(Folder.mailbox_id, RawMail.state, func.count())
        .join(Folder, Folder.id == RawMail.folder_id)
        .where(RawMail.state.in_(("pending", "quarantined")))
        .group_by(Folder.mailbox_id, RawMail.state)
    )
    return {(mailbox_id, state): count for mailbox_id, state, count in rows}


def _leaving(session: Session) -> dict[int, int]:
    rows = session.execute(
        select(Outgoing.mailbox_id, func.count())
        .where(Outgoing.state.in_(("queued", "sending")))
        .group_by(Outgoing.mailbox_id)
    )
    return dict(rows.all())


def _mailbox(
    one: Mailbox,
    folders: list[Folder],
    *,
    counts: dict[tuple[int, str], int],
    ledgers: tuple[Ledger, ...],
    waiting_to_leave: int,
    now: datetime,
) -> MailboxHealth:
    read_at = min((f.read_at for f in folders if f.role == "inbox" and f.read_at is not None), default=None)
    progress = _progress(folders, now=now)
    return MailboxHealth(
        id=one.id,
        name=one.name,
        address=one.address,
        colour=one.colour,
        is_demo=one.is_demo,
        state=_state(one, read_at, importing=progress is not None, now=now),
        code=one.error_code,
        text=one.error_text,
        failing_since=one.failing_since,
        failures=one.failures,
        next_try_at=one.next_try_at,
        last_ok_at=one.last_ok_at,
        lag=now - read_at if read_at is not None else None,
        backlog=counts.get((one.id, "pending"), 0),
        quarantined=counts.get((one.id, "quarantined"), 0),
        importing=progress,
        ledgers=ledgers,
        sending_paused=one.sending_paused,
        smtp_code=one.smtp_error_code,
        smtp_text=one.smtp_error_text,
        smtp_last_ok_at=one.smtp_last_ok_at,
        smtp_next_try_at=one.smtp_next_try_at,
        waiting_to_leave=waiting_to_leave,
    )


def _state(one: Mailbox, read_at: datetime | None, *, importing: bool, now: datetime) -> str:
    late = read_at is not None and now - read_at > max(LATE, 3 * timedelta(seconds=settings().poll_seconds))
    checks: tuple[tuple[str, Callable[[], bool]], ...] = (
        ("off", lambda: not one.active),
        ("stopped", lambda: one.error_code in REFUSED and one.failures >= LOGIN_TRIES),
        ("failing", lambda: one.failing_since is not None),
        ("new", lambda: one.last_ok_at is None),
        ("late", lambda: late and not importing),
    )
    return next((state for state, holds in checks if holds()), "ok")


def _progress(folders: list[Folder], *, now: datetime) -> ImportProgress | None:
    running = [f for f in folders if f.import_started_at is not None and f.import_finished_at is None]
    if not running:
        return None
    done, total = sum(f.import_done for f in running), sum(f.import_total for f in running)
    began = min(f.import_started_at for f in running if f.import_started_at is not None)
    seconds = max(0.001, (now - began).total_seconds())
    rate = done / seconds
    return ImportProgress(done, total, rate, (total - done) / rate if rate > 0 else None)
