"""The morning digest (朝礼): one mail a working day to everybody who has something late, due today, in hand or unowned.

A row says on which day the last one was made. It is written in the transaction that queues the mail, whose own key is
the day's: nobody gets two, however often the clock process starts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from inbox import conversations, lists, notices, people, working_hours
from inbox.config import settings
from inbox.errors import N_, UserError
from inbox.models import Conversation, DeadlinePolicy, Digest, User
from inbox.people import Viewer
from routing.hours import is_working_day

USUAL_HOUR = 8  # of the person's own clock, for a team that keeps deadlines
LATEST = 3  # hours after its hour in which a digest is still one of the morning
LISTED = 10

WORDS = {
    "en": {
        "subject": "%(late)s late, %(today)s due today",
        "late": "Late",
        "today": "Due today",
        "mine": "Mine, open",
        "nobody": "Without an owner",
        "board": "The board",
        "stop": "Hour or end of this mail: at the foot of the board.",
    },
    "ja": {
        "subject": "返信遅れ %(late)s件、本日期限 %(today)s件",
        "late": "返信遅れ",
        "today": "本日が期限",
        "mine": "自分の担当（未対応）",
        "nobody": "担当者なし",
        "board": "警告ボード",
        "stop": "このメールの時刻変更・停止は、警告ボードの一番下でできます。",
    },
}


@dataclass(frozen=True)
class Facts:
    """What a digest tells: counts, and the subjects of the most urgent with their ids."""

    late: tuple[tuple[int, str], ...]
    today: tuple[tuple[int, str], ...]
    late_count: int
    today_count: int
    mine: int
    nobody: int

    @property
    def is_empty(self) -> bool:
        return not (self.late_count or self.today_count or self.mine or self.nobody)


def hour_of(session: Session, who: Viewer) -> int | None:
    """At which hour `who` gets the digest; None: not at all."""
    row = session.get(Digest, who.id)
    return row.hour if row is not None else _usual(session)


def choose(session: Session, who: Viewer, hour: int | None, *, now: datetime) -> None:
    """At which hour (0 to 23) of the person's clock it comes; None: never. Raises UserError."""
    if hour is not None and not 0 <= hour <= 23:
        raise UserError(N_("Choose an hour from 0 to 23."), field="hour")
    row = session.get(Digest, who.id) or Digest(user_id=who.id)
    row.hour = hour
    session.add(row)
    session.flush()


def due(session: Session, *, now: datetime) -> list[int]:
    """The people whose hour has come and who had none today."""
    usual = _usual(session)
    rows = session.execute(
        select(User.id, User.time_zone, Digest.user_id, Digest.hour, Digest.sent_on)
        .outerjoin(Digest, Digest.user_id == User.id)
        .where(User.active, User.password_hash.is_not(None), or_(Digest.user_id.is_(None), Digest.hour.is_not(None)))
        .order_by(User.id)
    )
    found = []
    for user_id, zone, chosen, hour, sent_on in rows:
        local = now.astimezone(ZoneInfo(zone))
        wanted = hour if chosen is not None else usual
        if wanted is not None and wanted <= local.hour < wanted + LATEST and sent_on != local.date().isoformat():
            found.append(user_id)
    return found


def send(session: Session, user_id: int, *, now: datetime) -> bool:
    """The digest of one person, for today; whether a mail was queued. Nothing is sent on days off or without news."""
    user = session.get_one(User, user_id)
    local = now.astimezone(ZoneInfo(user.time_zone))
    today = local.date()
    conversations.upsert(
        session, Digest, {"user_id": user_id, "hour": _usual(session), "sent_on": ""}, key=["user_id"], update=None
    )
    row = session.get_one(Digest, user_id, with_for_update=True, populate_existing=True)
    if row.sent_on == today.isoformat():
        return False
    who = people.of(session, user)
    works = who.mailbox_ids and is_working_day(working_hours.calendar_of(session, who.mailbox_ids[0]), today)
    found = facts(session, who, now=now) if works else None
    if found is not None and not found.is_empty and not _queue(session, user, found, day=today.isoformat(), now=now):
        return False  # no mailbox can send just now: tried again until the morning is over
    row.sent_on = today.isoformat()
    return found is not None and not found.is_empty


def facts(session: Session, who: Viewer, *, now: datetime) -> Facts:
    zone = ZoneInfo(who.time_zone)
    midnight = datetime.combine(now.astimezone(zone).date() + timedelta(days=1), time(), zone)
    late = (Conversation.mailbox_id.in_(who.mailbox_ids), Conversation.due_at <= now)
    today = (Conversation.mailbox_id.in_(who.mailbox_ids), Conversation.due_at > now, Conversation.due_at < midnight)
    counts = lists.counts(session, who)
    first = [
        tuple(
            (number, subject)
            for number, subject in session.execute(
                select(Conversation.id, Conversation.subject).where(*where).order_by(Conversation.due_at).limit(LISTED)
            )
        )
        for where in (late, today)
    ]
    count = select(func.count()).select_from(Conversation)
    how_many = [session.scalar(count.where(*where)) or 0 for where in (late, today)]
    return Facts(first[0], first[1], how_many[0], how_many[1], counts["mine"], counts["unassigned"])


def _usual(session: Session) -> int | None:
    """Teams that keep deadlines get it unless somebody does not want it."""
    kept = session.scalar(select(DeadlinePolicy.id).where(DeadlinePolicy.enabled).limit(1))
    return USUAL_HOUR if kept is not None else None


def _queue(session: Session, user: User, found: Facts, *, day: str, now: datetime) -> bool:
    words = WORDS["ja" if user.locale == "ja" else "en"]
    return notices.queue(
        session,
        to=user.email,
        subject=words["subject"] % {"late": found.late_count, "today": found.today_count},
        text=_text(words, found),
        dedupe_key=f"digest:{user.id}:{day}",
        now=now,
    )


def _text(words: dict[str, str], found: Facts) -> str:
    address = settings().address
    lines: list[str] = []
    for title, count, shown in (
        (words["late"], found.late_count, found.late),
        (words["today"], found.today_count, found.today),
    ):
        lines += [f"{title}: {count}", *_subjects(shown, address), ""]
    lines += [f"{words['mine']}: {found.mine}", f"{words['nobody']}: {found.nobody}", ""]
    return "\n".join([*lines, f"{words['board']}: {address}/board", words["stop"], ""])


def _subjects(shown: Sequence[tuple[int, str]], address: str) -> list[str]:
    return [f"- {' '.join(subject.split())[:80]}\n  {address}/conversations/{number}" for number, subject in shown]
