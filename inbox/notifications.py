"""What a person was told: the page, the bell, what open tabs show, and by which ways each kind shall reach them.

Telling somebody: `about`, in the transaction of what happened.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import delete, or_, select, update
from sqlalchemy.orm import Session, aliased

from inbox.db import insert_into
from inbox.errors import N_, UserError
from inbox.models import Conversation, Mailbox, Notification, NotificationChoice, User
from inbox.notification_words import say, sentence
from inbox.people import Viewer
from inbox.telling import ADMINS_ONLY, KINDS, WAYS, about
from inbox.wire import ring
from routing import quiet

__all__ = ["about", "choices", "choose", "forget_old", "fresh", "mark_read", "page", "tell_of_trouble"]

ROWS = 50  # of one page
MOST_FRESH = 100  # that are counted when a tab shows several as one
LINES_FRESH = 3  # of them that are told
KEPT = timedelta(days=90)
TROUBLE_AFTER = timedelta(minutes=5)  # a server that restarts is nobody's trouble


@dataclass(frozen=True)
class NotificationRow:
    """One thing that was told; `path` is where to look at it, "" when nowhere."""

    id: int
    kind: str
    icon: str
    at: datetime
    unread: bool
    sentence: str
    by: str
    conversation_id: int | None
    subject: str
    mailbox: str
    colour: str
    path: str


@dataclass(frozen=True)
class NotificationPage:
    """Newest first. `older` is the id to ask for what comes below, None at the end."""

    rows: tuple[NotificationRow, ...]
    older: int | None


@dataclass(frozen=True)
class Choices:
    """By which ways each kind reaches a person, and their quiet hours ("22:00", "" for none)."""

    ways: Mapping[str, frozenset[str]]
    quiet_from: str
    quiet_until: str


@dataclass(frozen=True)
class Fresh:
    """What is shown over other windows. `id`: number of the newest; `path` "" when it is about several places."""

    id: int
    count: int
    title: str
    body: str
    path: str


def page(session: Session, who: Viewer, *, unread_only: bool = False, before: int | None = None) -> NotificationPage:
    """A page of what `who` was told, about mailboxes that they may still see."""
    wanted = Notification.shown if not unread_only else Notification.shown & Notification.read_at.is_(None)
    found = rows(session, who, wanted, before=before, limit=ROWS + 1)
    return NotificationPage(found[:ROWS], found[ROWS - 1].id if len(found) > ROWS else None)


def fresh(session: Session, who: Viewer, *, after: int, now: datetime) -> Fresh | None:
    """What an open tab shows over other windows: what is unread and later than number `after`, several things as one.

    None when there is nothing, and in quiet hours. It says no more than the bell's page does.
    """
    chosen = choices(session, who)
    if quiet.ends(now, ZoneInfo(who.time_zone), chosen.quiet_from, chosen.quiet_until) is not None:
        return None
    wanted = (Notification.id > after) & Notification.browser & Notification.read_at.is_(None)
    found = rows(session, who, wanted, limit=MOST_FRESH)
    if not found:
        return None
    newest = found[0]
    if len(found) == 1:
        return Fresh(newest.id, 1, newest.sentence, newest.subject, newest.path)
    paths = {one.path for one in found}
    title = say(who.locale, "summary", count=len(found))
    lines = "\n".join(one.sentence for one in found[:LINES_FRESH])
    return Fresh(newest.id, len(found), title, lines, newest.path if len(paths) == 1 else "")


def rows(
    session: Session, who: Viewer, wanted: Any, *, before: int | None = None, limit: int | None = None
) -> tuple[NotificationRow, ...]:
    """The notifications of `who` that fit `wanted`, newest first, in their own language."""
    by = aliased(User)
    statement = (
        select(
            Notification,
            by.name.label("by_name"),
            Conversation.subject,
            Mailbox.name.label("mailbox_name"),
            Mailbox.colour,
        )
        .outerjoin(by, by.id == Notification.by_id)
        .outerjoin(Conversation, Conversation.id == Notification.conversation_id)
        .outerjoin(Mailbox, Mailbox.id == Notification.mailbox_id)
        .where(
            Notification.user_id == who.id,
            wanted,
            or_(Notification.mailbox_id.is_(None), Notification.mailbox_id.in_(who.mailbox_ids)),
        )
        .order_by(Notification.id.desc())
        .limit(limit)
    )
    if before is not None:
        statement = statement.where(Notification.id < before)
    return tuple(_row(who, *found) for found in session.execute(statement))


def mark_read(session: Session, who: Viewer, ids: Collection[int] | None, *, now: datetime) -> int:
    """Those of `who` among `ids`, or with None all; how many were unread."""
    wanted = (
        update(Notification)
        .where(Notification.user_id == who.id, Notification.read_at.is_(None))
        .values(read_at=now)
        .execution_options(synchronize_session=False)
    )
    if ids is not None:
        wanted = wanted.where(Notification.id.in_(ids))
    changed = session.execute(wanted).rowcount
    if changed:
        ring.screens(session, bell=who.id)
    return changed


def kinds_for(who: Viewer) -> tuple[str, ...]:
    """The kinds that `who` can be told of."""
    return tuple(kind for kind in KINDS if who.is_admin or kind not in ADMINS_ONLY)


def choices(session: Session, who: Viewer) -> Choices:
    chosen = session.get(NotificationChoice, who.id)
    ways: dict[str, Sequence[str]] = chosen.ways if chosen is not None else {}
    return Choices(
        ways={kind: frozenset(ways.get(kind, KINDS[kind].ways)) for kind in kinds_for(who)},
        quiet_from=chosen.quiet_from if chosen is not None else "",
        quiet_until=chosen.quiet_until if chosen is not None else "",
    )


def choose(
    session: Session,
    who: Viewer,
    *,
    ways: Mapping[str, Collection[str]],
    quiet_from: str,
    quiet_until: str,
) -> None:
    """Both times or none. Raises UserError with the field's name."""
    times = {"quiet_from": _time(quiet_from, "quiet_from"), "quiet_until": _time(quiet_until, "quiet_until")}
    for field, other in (("quiet_from", "quiet_until"), ("quiet_until", "quiet_from")):
        if times[other] and not times[field]:
            raise UserError(N_("Give both times, or none."), field=field)
    if times["quiet_from"] and times["quiet_from"] == times["quiet_until"]:
        raise UserError(N_("Quiet hours cannot begin and end at the same time."), field="quiet_until")
    known = {kind: [way for way in WAYS if way in ways.get(kind, ())] for kind in kinds_for(who)}
    values = {"ways": known, **times}
    statement = insert_into(session, NotificationChoice).values(user_id=who.id, **values)
    session.execute(statement.on_conflict_do_update(index_elements=["user_id"], set_=values))


def tell_of_trouble(session: Session, *, now: datetime) -> int:
    """Tells administrators of mailboxes that have not worked for TROUBLE_AFTER, once for each time; of how many."""
    since = now - TROUBLE_AFTER
    ill = select(Mailbox).where(
        Mailbox.active, or_(Mailbox.failing_since <= since, Mailbox.smtp_failing_since <= since)
    )
    count = 0
    for mailbox in session.scalars(ill).all():
        for what, began in (("reading", mailbox.failing_since), ("sending", mailbox.smtp_failing_since)):
            if began is None or began > since or _told_of(session, mailbox.id, what, began):
                continue
            about(session, "mailbox", now=now, mailbox_id=mailbox.id, path="/health", what=what, name=mailbox.name)
            count += 1
    return count


def _told_of(session: Session, mailbox_id: int, what: str, began: datetime) -> bool:
    earlier = select(Notification.about).where(
        Notification.kind == "mailbox", Notification.mailbox_id == mailbox_id, Notification.at >= began
    )
    return any(one.get("what") == what for one in session.scalars(earlier))


def forget_old(session: Session, *, now: datetime) -> int:
    """What was told three months ago is told no more; how many."""
    return session.execute(delete(Notification).where(Notification.at < now - KEPT)).rowcount


def _time(typed: str, field: str) -> str:
    if not typed.strip():
        return ""
    try:
        return quiet.read(typed)
    except ValueError:
        raise UserError(N_("Write a time such as 22:00."), field=field) from None


def _row(
    who: Viewer, one: Notification, by: str | None, subject: str | None, mailbox: str | None, colour: str | None
) -> NotificationRow:
    kind = KINDS.get(one.kind)
    return NotificationRow(
        id=one.id,
        kind=one.kind,
        icon=kind.icon if kind is not None else "bell",
        at=one.at,
        unread=one.read_at is None,
        sentence=sentence(who.locale, one.kind, by=by or "", about=one.about),
        by=by or "",
        conversation_id=one.conversation_id,
        subject=subject or "",
        mailbox=mailbox or "",
        colour=colour or "",
        path=one.about.get("path") or (f"/conversations/{one.conversation_id}" if one.conversation_id else ""),
    )
