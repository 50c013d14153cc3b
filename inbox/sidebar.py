"""What stands at the side of every page: counts of the boxes, mailboxes and how they are, troubles."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, bindparam, func, literal_column, or_, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from inbox import approvals, board, db, forgotten, lists
from inbox.models import (
    AnswerBreaker,
    Approval,
    Draft,
    Event,
    Folder,
    Handover,
    Mailbox,
    Notification,
    Outgoing,
    RawMail,
    Rule,
    SavedView,
    Setting,
)
from inbox.outbox.queue import PAUSED
from inbox.people import Viewer

LATE = timedelta(minutes=10)  # no word from the mail server for so long counts as trouble
LEAVING = ("queued", "held", "sending")
STUCK = ("failed", "uncertain")


@dataclass(frozen=True)
class SideMailbox:
    """`state`: ok, new (never read yet), warn (cannot send, paused, late, or its automatic answers were stopped), bad
    (cannot read), off.
    """

    id: int
    name: str
    colour: str
    state: str
    open: int
    importing: bool
    is_demo: bool
    sending_paused: bool
    error_code: str  # wire.problems.CODES, of reading; "" while that works
    smtp_error_code: str


@dataclass(frozen=True)
class Sidebar:
    """Counts are those that `who` may see. `newest` is the id of the newest history event, for the event stream."""

    boxes: dict[str, int]
    mailboxes: tuple[SideMailbox, ...]
    leaving: int
    stuck: int
    quarantined: int
    drafts: int
    bell: int  # notifications that were not read
    late: int  # conversations whose deadline is over, at most board.MOST_COUNTED
    approvals: int  # requests that wait for this very person
    failing_rules: int  # that are switched on and could not run
    came_back: int  # own drafts that were returned, approved or not sent at their time
    forgotten: bool  # the last nightly check found customers' mail that nobody would see
    has_views: bool  # lists kept for the viewer or the team
    has_handovers: bool  # notes for the next shift that count now, of any mailbox
    newest: int
    paused_by: str | None  # why nothing leaves at all (outbox.paused_by)


def show(session: Session, who: Viewer, *, now: datetime) -> Sidebar:
    given = {"mailboxes": who.mailbox_ids, "me": who.id, "now": now}
    (numbers,) = db.rows(session, _NUMBERS, given)  # first: what comes while we read is news
    mailboxes = [(row, lists.boxes_of(row)) for row in db.rows(session, _MAILBOXES, given)]
    return Sidebar(
        boxes={box: sum(counts[box] for _row, counts in mailboxes) for box in lists.BOXES},
        mailboxes=tuple(
            SideMailbox(
                id=row.id,
                name=row.name,
                colour=row.colour,
                state=_state(row, now=now),
                open=counts["open"],
                importing=bool(row.importing),
                is_demo=row.is_demo,
                sending_paused=row.sending_paused,
                error_code=row.error_code,
                smtp_error_code=row.smtp_error_code,
            )
            for row, counts in mailboxes
        ),
        leaving=numbers.leaving,
        stuck=numbers.stuck,
        quarantined=numbers.quarantined,
        drafts=numbers.drafts,
        late=min(numbers.late, board.MOST_COUNTED),
        bell=numbers.bell,
        approvals=approvals.count(session, who, now=now) if numbers.asked else 0,
        came_back=numbers.came_back,
        failing_rules=numbers.failing_rules,
        forgotten=bool(numbers.forgotten and numbers.forgotten["findings"]),
        has_views=bool(numbers.has_views),
        has_handovers=bool(numbers.has_handovers),
        newest=numbers.newest or 0,
        paused_by=str(numbers.paused) if numbers.paused else None,
    )


def _state(row, *, now: datetime) -> str:  # type: ignore[no-untyped-def]
    if not row.active:
        return "off"
    if row.failing_since is not None:
        return "bad"
    if row.last_ok_at is None:
        return "new"
    if row.smtp_error_code or row.sending_paused or row.answers_alarm or now - row.last_ok_at > LATE:
        return "warn"
    return "ok"


def _in_state(column: InstrumentedAttribute[str], *states: str) -> ColumnElement[bool]:
    """Written out and no parameters, because few rows stand in these states: the one plan that PostgreSQL keeps for a
    prepared statement counts with the average state.
    """
    return column.in_([literal_column(f"'{state}'") for state in states])


_NEWEST = select(func.max(Event.id))
_IMPORTING = select(Folder.id).where(
    Folder.mailbox_id == Mailbox.id, Folder.import_started_at.is_not(None), Folder.import_finished_at.is_(None)
)
_ALARM = select(AnswerBreaker.mailbox_id).where(AnswerBreaker.mailbox_id == Mailbox.id, AnswerBreaker.alarm != "")
_counts = lists.IN_BOXES.subquery()
_MAILBOXES = (
    select(
        Mailbox.id,
        Mailbox.name,
        Mailbox.colour,
        Mailbox.active,
        Mailbox.is_demo,
        Mailbox.failing_since,
        Mailbox.last_ok_at,
        Mailbox.error_code,
        Mailbox.smtp_error_code,
        Mailbox.sending_paused,
        _IMPORTING.exists().label("importing"),
        _ALARM.exists().label("answers_alarm"),
        *(_counts.c[box] for box in lists.BOXES),
    )
    .outerjoin(_counts, _counts.c.mailbox_id == Mailbox.id)
    .where(db.one_of(Mailbox.id, "mailboxes"))
    .order_by(Mailbox.name, Mailbox.id)
)
_LEAVING, _STUCK = (
    select(func.count())
    .select_from(Outgoing)
    .where(db.one_of(Outgoing.mailbox_id, "mailboxes"), _in_state(Outgoing.state, *states))
    for states in (LEAVING, STUCK)
)
_QUARANTINED = (
    select(func.count())
    .select_from(RawMail)
    .join(Folder, Folder.id == RawMail.folder_id)
    .where(_in_state(RawMail.state, "quarantined"), db.one_of(Folder.mailbox_id, "mailboxes"))
)
_DRAFTS = (
    select(func.count())
    .select_from(Draft)
    .where(Draft.author_id == bindparam("me"), _in_state(Draft.state, "open"), Draft.touched)
)
_BELL = (
    select(func.count())
    .select_from(Notification)
    .where(
        Notification.user_id == bindparam("me"),
        Notification.shown,
        Notification.read_at.is_(None),
        or_(Notification.mailbox_id.is_(None), db.one_of(Notification.mailbox_id, "mailboxes")),
    )
)
_ASKED = (
    select(func.count())
    .select_from(Approval)
    .where(
        _in_state(Approval.state, "asked"),
        db.one_of(Approval.mailbox_id, "mailboxes"),
        Approval.author_id != bindparam("me"),
    )
)
_CAME_BACK = (
    select(func.count())
    .select_from(Draft)
    .where(Draft.author_id == bindparam("me"), _in_state(Draft.state, "open"), Draft.came_back != "")
)
_FAILING_RULES = (
    select(func.count()).select_from(Rule).where(Rule.enabled, Rule.removed.is_(False), Rule.failures > 0)
)
_VIEWS = select(SavedView.id).where(or_(SavedView.owner_id == bindparam("me"), SavedView.shared))
_HANDOVERS = select(Handover.id).where(Handover.until > bindparam("now", type_=db.Utc()))
_PAUSED = select(Setting.value).where(Setting.key == PAUSED)
_FORGOTTEN = select(Setting.value).where(Setting.key == forgotten.KEPT)
_NUMBERS = select(
    _NEWEST.scalar_subquery().label("newest"),
    _LEAVING.scalar_subquery().label("leaving"),
    _STUCK.scalar_subquery().label("stuck"),
    _FAILING_RULES.scalar_subquery().label("failing_rules"),
    _QUARANTINED.scalar_subquery().label("quarantined"),
    _DRAFTS.scalar_subquery().label("drafts"),
    _BELL.scalar_subquery().label("bell"),
    _ASKED.scalar_subquery().label("asked"),
    _CAME_BACK.scalar_subquery().label("came_back"),
    _VIEWS.exists().label("has_views"),
    _HANDOVERS.exists().label("has_handovers"),
    _PAUSED.scalar_subquery().label("paused"),
    board.LATE,
    _FORGOTTEN.scalar_subquery().label("forgotten"),
)
