"""Sending later: a draft leaves by itself when its time comes, unless the customer writes first.

Until then the draft is locked. The clock sends it through the same gate as a hand would; what may no longer leave
becomes a draft again, and its author is told.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from zoneinfo import ZoneInfo

import structlog
from sqlalchemy import or_, select, update
from sqlalchemy.orm import Session

from inbox import (
    approval_policies,
    conversations,
    db,
    drafts,
    letters,
    people,
    presence,
    replies,
    send_checks,
    telling,
    working_hours,
)
from inbox.errors import N_, Conflict, NotFound, StaleReply, UserError
from inbox.models import Conversation, Draft, Event, LaterSending, Mailbox, Message, User
from inbox.people import Viewer
from inbox.replies import SendResult
from inbox.send_checks import NOT_LOOKED, Looked
from inbox.wire import ring
from routing.when import read_when

AT_ONCE = 100
_FIELD = re.compile(r"(?<=\d)T(?=\d)")  # 2026-12-24T15:00, as a field for dates sends it
Back = Literal["wrote_first", "stale", "failed"]

NOT_READ = {
    "unreadable": N_("This time is not understood. Write it like “tomorrow 9:00” or “12/24 15:00”."),
    "past": N_("This time has passed."),
    "too_far": N_("This time is more than two years away."),
    "no_calendar": N_("There are no working hours to count by."),
}

log = structlog.get_logger()


@dataclass(frozen=True)
class Scheduled:
    """When a draft leaves by itself. `may_decide`: whether who looks may send it now or cancel."""

    draft_id: int
    at: datetime
    regardless: bool
    author_id: int
    author_name: str
    subject: str
    mailbox_name: str
    colour: str
    conversation_id: int | None
    to: tuple[tuple[str, str], ...]
    may_decide: bool


def schedule(
    session: Session,
    who: Viewer,
    draft_id: int,
    *,
    at: datetime,
    regardless: bool,
    seen_version: int,
    next_status: str | None,
    looked: Looked = NOT_LOOKED,
    now: datetime,
) -> None:
    """Locks the draft until `at`. Raises what `replies.send` raises, and UserError(field="when") for a time gone by."""
    if at <= now:
        raise UserError(N_("This time has passed."), field="when")
    if next_status is not None and next_status not in replies.NEXT:
        raise UserError(N_("Unknown status."), field="next_status")
    draft = session.get(Draft, draft_id)
    if draft is None or draft.author_id != who.id:
        raise NotFound
    mailbox = people.mailbox(session, who, draft.mailbox_id)
    replies.gate(session, who, draft, seen_version=seen_version, now=now)
    lock(session, draft, "later", from_="open")
    view = drafts.view(session, draft)
    letters.check(view, mailbox)
    send_checks.must_be_looked_at(session, view, looked)
    approved_by = approval_policies.must_be_approved(session, view)
    draft.seen_version = seen_version
    put(session, draft, at, regardless=regardless, next_status=next_status, approved_by_id=approved_by, now=now)


def put(
    session: Session,
    draft: Draft,
    at: datetime,
    *,
    regardless: bool,
    next_status: str | None,
    approved_by_id: int | None,
    now: datetime,
) -> None:
    """The locked draft waits for its time."""
    draft.state, draft.updated_at, draft.refused_at, draft.came_back = "later", now, None, ""
    session.add(
        LaterSending(
            draft_id=draft.id,
            at=at,
            regardless=regardless,
            next_status=next_status or "",
            made_at=now,
            approved_by_id=approved_by_id,
        )
    )
    _record(session, draft, "scheduled", actor_id=draft.author_id, now=now, until=at.isoformat())
    if draft.conversation_id is not None:
        author = people.of(session, session.get_one(User, draft.author_id))
        presence.release(session, author, draft.conversation_id)
    session.flush()


def read(session: Session, said: str, *, mailbox_id: int, zone: ZoneInfo, now: datetime) -> datetime:
    """The time that somebody means: 明日9時, 3営業日後, Monday morning. Raises UserError(field="when")."""
    calendar = working_hours.calendar_of(session, mailbox_id)
    found = read_when(_FIELD.sub(" ", said), now=now, zone=zone, calendar=calendar)
    if found.at is None:
        raise UserError(NOT_READ[found.reason], field="when")
    return found.at


def cancel(session: Session, who: Viewer, draft_id: int, *, now: datetime) -> int:
    """It does not leave; the draft is open again. Its author may, and managers. The draft's id."""
    draft, row = _mine(session, who, draft_id)
    _back(session, draft, row, came_back="", now=now)
    _record(session, draft, "unscheduled", actor_id=who.id, now=now)
    return draft.id


def send_now(session: Session, who: Viewer, draft_id: int, *, now: datetime) -> SendResult:
    """It leaves at once. Raises StaleReply when the conversation went on."""
    draft, row = _mine(session, who, draft_id)
    return _release(session, draft, row, now=now)


def scheduled(session: Session, who: Viewer, *, conversation_id: int | None = None) -> tuple[Scheduled, ...]:
    """What waits for its time in the mailboxes of `who`, the soonest first."""
    wanted = (
        select(LaterSending, Draft, User.name, Mailbox.name, Mailbox.colour)
        .join(Draft, Draft.id == LaterSending.draft_id)
        .join(User, User.id == Draft.author_id)
        .join(Mailbox, Mailbox.id == Draft.mailbox_id)
        .where(Draft.mailbox_id.in_(who.mailbox_ids))
        .order_by(LaterSending.at, LaterSending.draft_id)
        .limit(500)
    )
    if conversation_id is not None:
        wanted = wanted.where(Draft.conversation_id == conversation_id)
    return tuple(
        Scheduled(
            draft_id=draft.id,
            at=row.at,
            regardless=row.regardless,
            author_id=draft.author_id,
            author_name=author,
            subject=draft.subject,
            mailbox_name=mailbox,
            colour=colour,
            conversation_id=draft.conversation_id,
            to=tuple((str(name), str(address)) for name, address in (*draft.to, *draft.cc, *draft.bcc)),
            may_decide=draft.author_id == who.id or who.is_manager,
        )
        for row, draft, author, mailbox, colour in session.execute(wanted)
    )


# -- by the clock


def look_after(now: datetime) -> int:
    """Sends what is due and gives back what was overtaken, each in a transaction of its own; how many."""
    with db.reading() as session:
        ids = _ripe(session, now=now)
    for draft_id in ids:
        tend(draft_id, now=now)
    return len(ids)


def tend(draft_id: int, *, now: datetime) -> None:
    """Sends this draft if it is due, or gives it back. Two clocks at one moment do it once."""
    try:
        with db.transaction() as session:
            _one(session, draft_id, now=now)
    except StaleReply as error:
        with db.transaction() as session:
            if _row(session, draft_id) is not None:
                replies.keep_refused(session, draft_id, error, way="later", actor_id=None, now=now)
                _give_back(session, draft_id, "stale", now=now)
    except UserError as error:
        log.warning("later_sending_failed", draft_id=draft_id, error=str(error))
        with db.transaction() as session:
            _give_back(session, draft_id, "failed", now=now)


def _ripe(session: Session, *, now: datetime) -> list[int]:
    """Drafts whose time has come, or whose conversation went on."""
    overtaken = (~LaterSending.regardless) & (Conversation.version != Draft.seen_version)
    wanted = (
        select(LaterSending.draft_id)
        .join(Draft, Draft.id == LaterSending.draft_id)
        .outerjoin(Conversation, Conversation.id == Draft.conversation_id)
        .where(or_(LaterSending.at <= now, overtaken))
        .order_by(LaterSending.at)
        .limit(AT_ONCE)
    )
    return list(session.scalars(wanted))


def _one(session: Session, draft_id: int, *, now: datetime) -> None:
    found = _row(session, draft_id)
    if found is None:
        return  # cancelled or sent meanwhile
    draft, row = found
    went_on = draft.conversation_id is not None and _version(session, draft) != draft.seen_version
    by_us = went_on and _we_went_on(session, draft, row)
    if went_on and not by_us and not row.regardless:
        _back(session, draft, row, came_back="wrote_first", now=now)
        _record(session, draft, "overtaken", actor_id=None, now=now)
        return
    if not by_us and (row.at > now or _somebody_writes(session, draft, now=now)):
        return  # not yet, or not until that colleague has sent or stopped
    _release(session, draft, row, now=now)  # if we went on, the gate tells what happened


def _release(session: Session, draft: Draft, row: LaterSending, *, now: datetime) -> SendResult:
    author = people.of(session, session.get_one(User, draft.author_id))
    approver = session.get(User, row.approved_by_id) if row.approved_by_id is not None else None
    seen = draft.seen_version
    if row.regardless and draft.conversation_id is not None:
        _hold(session, draft.conversation_id)  # also a mail that is filed just now is no obstacle
        if not _we_went_on(session, draft, row):
            seen = _version(session, draft)  # the customer's mails are none, on purpose
    next_status = row.next_status or None
    session.delete(row)
    session.flush()
    return replies.release(
        session,
        author,
        draft,
        seen_version=seen,
        next_status=next_status,
        approver=people.of(session, approver) if approver is not None else None,
        now=now,
    )


def _give_back(session: Session, draft_id: int, why: Back, *, now: datetime) -> None:
    found = _row(session, draft_id)
    if found is not None:
        _back(session, *found, came_back=why, now=now)
        if why == "failed":
            _record(session, found[0], "unscheduled", actor_id=None, now=now)


def _back(session: Session, draft: Draft, row: LaterSending, *, came_back: str, now: datetime) -> None:
    session.delete(row)
    lock(session, draft, "open", from_="later")
    draft.came_back, draft.updated_at = came_back, now
    if came_back:
        telling.about(
            session,
            "later_back",
            now=now,
            to=[draft.author_id],
            conversation_id=draft.conversation_id,
            mailbox_id=draft.mailbox_id,
            path="" if draft.conversation_id else f"/drafts/{draft.id}",
            why=came_back,
        )
    session.flush()


# -- below


def lock(session: Session, draft: Draft, to: str, *, from_: str) -> None:
    """The guarded UPDATE of every change between open, asked and later: whoever is first wins. Raises Conflict."""
    changed = session.execute(
        update(Draft)
        .where(Draft.id == draft.id, Draft.state == from_)
        .values(state=to)
        .execution_options(synchronize_session=False)
    )
    session.refresh(draft)
    if changed.rowcount != 1:
        raise Conflict(N_("This draft was sent or discarded already."))
    if to == "open":
        drafts.follow(session, draft)
    ring.screens(session)


def _mine(session: Session, who: Viewer, draft_id: int) -> tuple[Draft, LaterSending]:
    draft = session.get(Draft, draft_id)
    if draft is None or not who.may_see(draft.mailbox_id) or not (draft.author_id == who.id or who.is_manager):
        raise NotFound
    found = _row(session, draft_id)
    if found is None:
        raise Conflict(N_("This mail is already on its way or was settled by somebody else."))
    return found


def _row(session: Session, draft_id: int) -> tuple[Draft, LaterSending] | None:
    """Both rows, held by us until the commit."""
    row = session.scalar(
        select(LaterSending)
        .where(LaterSending.draft_id == draft_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    if row is None:
        return None
    return session.get_one(Draft, draft_id, populate_existing=True), row


def _version(session: Session, draft: Draft) -> int:
    return session.scalar(select(Conversation.version).where(Conversation.id == draft.conversation_id)) or 0


def _hold(session: Session, conversation_id: int) -> None:
    session.execute(select(Conversation.id).where(Conversation.id == conversation_id).with_for_update())


def _we_went_on(session: Session, draft: Draft, row: LaterSending) -> bool:
    """Whether, since it waits, one of us answered, or made another conversation of it than its author saw."""
    ours = select(Message.id).where(
        Message.conversation_id == draft.conversation_id,
        Message.direction == "out",
        ~conversations.AUTOMATIC,
        Message.created_at >= row.made_at,
    )
    by_itself = (Event.kind == "joined") & Event.actor_id.is_(None)  # the copies of one mail
    arranged = select(Event.id).where(
        Event.conversation_id == draft.conversation_id,
        Event.kind.in_(("joined", "unjoined", "split", "moved")),
        ~by_itself,
        Event.at >= row.made_at,
    )
    return session.scalar(ours.limit(1)) is not None or session.scalar(arranged.limit(1)) is not None


def _somebody_writes(session: Session, draft: Draft, *, now: datetime) -> bool:
    if draft.conversation_id is None or draft.kind == "forward":
        return False
    claim = conversations.claim_of(session, draft.conversation_id, now=now)
    return claim is not None and claim.user_id != draft.author_id


def _record(session: Session, draft: Draft, kind: str, *, actor_id: int | None, now: datetime, **about: object) -> None:
    if draft.conversation_id is None:
        ring.screens(session)
        return
    conversation = session.get_one(Conversation, draft.conversation_id)
    conversations.record(session, conversation, kind, now=now, actor_id=actor_id, draft_id=draft.id, **about)
