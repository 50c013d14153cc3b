"""Notifications by mail: gathered for a few minutes, kept back in quiet hours, never a storm.

What happened in one conversation within `telling.GATHER` is one mail; what was read in the app meanwhile is not mailed.
In quiet hours, and after MOST_AN_HOUR mails to one person, the rest waits and becomes one summary.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import exists, func, select, update
from sqlalchemy.orm import Session

from inbox import db, notices, people
from inbox.config import settings
from inbox.models import Notification, NotificationChoice, User
from inbox.notification_words import say
from inbox.notifications import NotificationRow, rows
from inbox.people import Viewer
from routing import quiet

MOST_AN_HOUR = 10  # mails to one person
MOST_LINES = 50  # of a summary
HOUR = timedelta(hours=1)
NO_MAILBOX = timedelta(minutes=10)  # until the next try when no mailbox can send


def send_due(*, now: datetime) -> None:
    """Writes the mails that are due, a transaction for each person."""
    with db.reading() as session:
        due = exists().where(Notification.user_id == User.id, Notification.mail_at <= now)
        ids = session.scalars(select(User.id).where(due).order_by(User.id)).all()
    for user_id in ids:
        with db.transaction() as session:
            write_to(session, user_id, now=now)


def write_to(session: Session, user_id: int, *, now: datetime) -> int:
    """Queues what is due to one person; how many mails. Both copies of a clock may call it: the person is locked."""
    user = session.scalars(select(User).where(User.id == user_id).with_for_update(of=User)).one()
    who = people.of(session, user)
    _drop(session, who, active=user.active)
    later, kept_back = _not_now(session, user, now=now)
    if later is not None:
        _postpone(session, user_id, until=later, now=now, waited=kept_back)
        return 0
    pending = rows(session, who, Notification.mail_at.is_not(None))
    due = set(
        session.scalars(select(Notification.id).where(Notification.user_id == user_id, Notification.mail_at <= now))
    )
    waited = session.scalar(
        select(Notification.id).where(Notification.id.in_(due), Notification.waited).limit(1)
    )
    groups = [pending] if waited is not None else _by_conversation(pending, due)
    count = 0
    for group in groups:
        if count and (more := _not_now(session, user, now=now))[0] is not None:
            _postpone(session, user_id, until=more[0], now=now, waited=True)
            break
        if not _queue(session, who, group, waited=waited is not None, now=now):
            _postpone(session, user_id, until=now + NO_MAILBOX, now=now, waited=False)
            break
        count += 1
    return count


def _drop(session: Session, who: Viewer, *, active: bool) -> None:
    """No mail about what was read meanwhile, may not be seen any more, or to somebody who has gone."""
    gone = Notification.read_at.is_not(None) | (
        Notification.mailbox_id.is_not(None) & Notification.mailbox_id.not_in(who.mailbox_ids)
    )
    wanted = update(Notification).where(Notification.user_id == who.id, Notification.mail_at.is_not(None))
    session.execute(
        (wanted.where(gone) if active else wanted).values(mail_at=None).execution_options(synchronize_session=False)
    )


def _not_now(session: Session, user: User, *, now: datetime) -> tuple[datetime | None, bool]:
    """Until when this person gets no mail (None: they may now), and whether what waits becomes a summary."""
    chosen = session.get(NotificationChoice, user.id)
    if chosen is not None:
        morning = quiet.ends(now, ZoneInfo(user.time_zone), chosen.quiet_from, chosen.quiet_until)
        if morning is not None:
            return morning, True
    mails = (
        select(func.min(Notification.mailed_at))
        .where(Notification.user_id == user.id, Notification.mailed_at > now - HOUR)
        .group_by(Notification.mailed_with_id)
    )
    times = sorted(session.scalars(mails))
    return (times[-MOST_AN_HOUR] + HOUR, True) if len(times) >= MOST_AN_HOUR else (None, False)


def _postpone(session: Session, user_id: int, *, until: datetime, now: datetime, waited: bool) -> None:
    values = {"mail_at": until} | ({"waited": True} if waited else {})
    session.execute(
        update(Notification)
        .where(Notification.user_id == user_id, Notification.mail_at <= now)
        .values(**values)
        .execution_options(synchronize_session=False)
    )


def _by_conversation(pending: Sequence[NotificationRow], due: set[int]) -> list[tuple[NotificationRow, ...]]:
    """One mail for each conversation of which something is due; what belongs to none has its own."""
    groups: dict[tuple[str, int], list[NotificationRow]] = {}
    for row in pending:
        key = ("conversation", row.conversation_id) if row.conversation_id else ("alone", row.id)
        groups.setdefault(key, []).append(row)
    return [tuple(group) for group in groups.values() if any(row.id in due for row in group)]


def _queue(session: Session, who: Viewer, group: Sequence[NotificationRow], *, waited: bool, now: datetime) -> bool:
    first = min(row.id for row in group)
    queued = notices.queue(
        session,
        to=who.email,
        subject=_subject(who.locale, group, waited=waited),
        text=_text(who.locale, group),
        dedupe_key=f"told:{who.id}:{first}",
        now=now,
    )
    if queued:
        session.execute(
            update(Notification)
            .where(Notification.id.in_([row.id for row in group]))
            .values(mail_at=None, mailed_at=now, mailed_with_id=first)
            .execution_options(synchronize_session=False)
        )
    return queued


def _subject(locale: str, group: Sequence[NotificationRow], *, waited: bool) -> str:
    if waited:
        return say(locale, "summary.waited", count=len(group))
    newest = group[0]
    line = newest.sentence if not newest.subject else f"{newest.sentence} – {newest.subject}"
    return line if len(group) == 1 else say(locale, "one more", subject=line, count=len(group) - 1)


def _text(locale: str, group: Sequence[NotificationRow]) -> str:
    """What happened, oldest first, under the conversation in which it did."""
    address, parts = settings().address, []
    shown = sorted(group, key=lambda row: row.id)[:MOST_LINES]
    places: dict[str, list[NotificationRow]] = {}
    for row in shown:
        places.setdefault(row.path, []).append(row)
    for path, here in places.items():
        head = [here[0].subject or say(locale, "no subject")] if here[0].conversation_id else []
        lines = [f"・{row.sentence}" for row in here]
        parts.append("\n".join([*head, *lines, *([address + path] if path else [])]))
    if len(group) > len(shown):
        parts.append(say(locale, "more", count=len(group) - len(shown), url=f"{address}/notifications"))
    foot = say(locale, "foot", url=f"{address}/preferences/notifications")
    return "\n\n".join(parts) + f"\n\n-- \n{foot}\n"
