"""Hand-over notes (申し送り): what the next shift must know, for one mailbox or all, until a time; who read them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from inbox import conversations, people, telling
from inbox.errors import N_, Forbidden, NotFound, UserError
from inbox.models import Handover, HandoverRead, Mailbox, User
from inbox.people import Viewer

LONGEST = 5_000  # characters
FARTHEST = timedelta(days=400)
MOST = 50  # notes that count at once


@dataclass(frozen=True)
class Note:
    """A hand-over note as `who` sees it. `mailbox_name` is "" for one that speaks to all mailboxes."""

    id: int
    mailbox_id: int | None
    mailbox_name: str
    colour: str
    author_id: int
    author_name: str
    at: datetime
    until: datetime
    text: str
    read_by: tuple[str, ...]
    unread: bool
    may_end: bool


def current(session: Session, who: Viewer, *, now: datetime, mailbox_id: int | None = None) -> tuple[Note, ...]:
    """The notes that count now for what `who` sees, or for one mailbox; unread ones first, then the newest."""
    seen = who.mailbox_ids if mailbox_id is None else tuple(one for one in who.mailbox_ids if one == mailbox_id)
    rows = session.execute(
        select(Handover, User.name, Mailbox.name, Mailbox.colour)
        .join(User, User.id == Handover.author_id)
        .outerjoin(Mailbox, Mailbox.id == Handover.mailbox_id)
        .where(Handover.until > now, or_(Handover.mailbox_id.is_(None), Handover.mailbox_id.in_(seen)))
        .order_by(Handover.at.desc(), Handover.id.desc())
        .limit(MOST)
    ).all()
    if not rows:
        return ()
    readers: dict[int, list[tuple[int, str]]] = {}
    for number, user_id, name in session.execute(
        select(HandoverRead.handover_id, User.id, User.name)
        .join(User, User.id == HandoverRead.user_id)
        .where(HandoverRead.handover_id.in_([row.Handover.id for row in rows]))
        .order_by(HandoverRead.at)
    ):
        readers.setdefault(number, []).append((user_id, name))
    notes = [
        Note(
            id=note.id,
            mailbox_id=note.mailbox_id,
            mailbox_name=mailbox or "",
            colour=colour or "",
            author_id=note.author_id,
            author_name=author,
            at=note.at,
            until=note.until,
            text=note.text,
            read_by=tuple(name for _id, name in readers.get(note.id, ())),
            unread=who.id not in {user_id for user_id, _name in readers.get(note.id, ())},
            may_end=who.id == note.author_id or who.is_manager,
        )
        for note, author, mailbox, colour in rows
    ]
    return tuple(sorted(notes, key=lambda note: not note.unread))


def write(
    session: Session, who: Viewer, *, text: str, mailbox_id: int | None, until: datetime, now: datetime
) -> int:
    """A note for one mailbox, or with None for all; its author has read it. Raises UserError with the field.

    For all mailboxes only managers write, because everybody reads it.
    """
    words = text.replace("\0", "").strip()
    if not words:
        raise UserError(N_("Write something first."), field="text")
    if len(words) > LONGEST:
        raise UserError(N_("The note is too long."), field="text")
    if not now < until <= now + FARTHEST:
        raise UserError(N_("Choose a time in the future, within a year."), field="until")
    if mailbox_id is None and not who.is_manager and len(who.mailbox_ids) != _mailboxes(session):
        raise UserError(N_("Choose one of your mailboxes; notes for all are written by managers."), field="mailbox")
    if mailbox_id is not None:
        people.mailbox(session, who, mailbox_id)
    if len(current(session, who, now=now)) >= MOST:
        raise UserError(N_("There are too many hand-over notes; end some first."))
    note = Handover(mailbox_id=mailbox_id, author_id=who.id, at=now, until=until, text=words)
    session.add(note)
    session.flush()
    read(session, who, note.id, now=now)
    telling.about(session, "handover", now=now, by=who.id, mailbox_id=mailbox_id, path="/handovers", text=words[:200])
    return note.id


def read(session: Session, who: Viewer, note_id: int, *, now: datetime) -> None:
    """ "I have read it." """
    _note(session, who, note_id)
    values = {"handover_id": note_id, "user_id": who.id, "at": now}
    conversations.upsert(session, HandoverRead, values, key=["handover_id", "user_id"], update=None)


def end(session: Session, who: Viewer, note_id: int, *, now: datetime) -> None:
    """It no longer counts. For its author and for managers."""
    note = _note(session, who, note_id)
    if who.id != note.author_id and not who.is_manager:
        raise Forbidden(N_("Only its author or a manager can end a hand-over note."))
    note.until = min(note.until, now)


def _note(session: Session, who: Viewer, note_id: int) -> Handover:
    note = session.get(Handover, note_id)
    if note is None or (note.mailbox_id is not None and not who.may_see(note.mailbox_id)):
        raise NotFound
    return note


def _mailboxes(session: Session) -> int:
    return session.scalar(select(func.count()).select_from(Mailbox)) or 0
