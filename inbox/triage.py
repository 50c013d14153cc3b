"""What a person does with conversations without answering: assign, close, snooze, tag, note; one or many at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from inbox import conversations, following, people, search
from inbox.errors import N_, NotFound, UserError
from inbox.models import Conversation, Note, Tag, User
from inbox.people import Viewer

MOST_AT_ONCE = 500
LONGEST_NOTE = 50_000  # characters


def assign(session: Session, who: Viewer, conversation_id: int, owner_id: int | None, *, now: datetime) -> None:
    """Gives the conversation to somebody who may see its mailbox, or with None to nobody."""
    found = people.conversation(session, who, conversation_id, lock=True)
    if owner_id is not None and owner_id not in dict(people.colleagues(session, who, mailbox_id=found.mailbox_id)):
        raise UserError(N_("This person has no access to the mailbox."), field="owner_id")
    conversations.assign(session, found, owner_id, now=now, actor_id=who.id)


def owner_of(session: Session, who: Viewer, conversation_id: int) -> int | None:
    return people.conversation(session, who, conversation_id).owner_id


def close(session: Session, who: Viewer, conversation_id: int, *, now: datetime) -> None:
    _set(session, who, conversation_id, "closed", now=now)


def close_as_before(session: Session, who: Viewer, conversation_id: int, *, now: datetime) -> None:
    """Takes back that it was opened again: closed since when it was, for the reason for which it was.

    When something else was done with its status meanwhile, it is closed now.
    """
    found = people.conversation(session, who, conversation_id, lock=True)
    about = conversations.last_change_of_status(session, conversation_id)
    if about.get("after") != found.status or "closed_at" not in about:
        return conversations.set_status(session, found, "closed", now=now, actor_id=who.id)
    closed_at, needless = datetime.fromisoformat(about["closed_at"]), about.get("was_needless", "")
    told = conversations.waits_no_more(found) if needless else {}
    conversations.set_status(session, found, "closed", now=now, actor_id=who.id, closed_at=closed_at, undo=True, **told)
    found.needless = needless


def reopen(session: Session, who: Viewer, conversation_id: int, *, now: datetime) -> None:
    _set(session, who, conversation_id, "open", now=now)


def wait(session: Session, who: Viewer, conversation_id: int, *, now: datetime) -> None:
    """It is the customer's turn."""
    _set(session, who, conversation_id, "waiting", now=now)


def snooze(
    session: Session,
    who: Viewer,
    conversation_id: int,
    *,
    until: datetime,
    in_any_case: bool = False,
    now: datetime,
) -> None:
    """Out of sight until then, or until the customer writes. `in_any_case`: back then even if it was answered."""
    found = people.conversation(session, who, conversation_id, lock=True)
    conversations.set_status(
        session, found, "snoozed", now=now, actor_id=who.id, until=until, in_any_case=in_any_case
    )


def spam(session: Session, who: Viewer, conversation_id: int, *, now: datetime) -> None:
    _set(session, who, conversation_id, "spam", now=now)


def not_spam(session: Session, who: Viewer, conversation_id: int, *, now: datetime) -> None:
    found = people.conversation(session, who, conversation_id, lock=True)
    if found.status == "spam":
        conversations.set_status(session, found, "open", now=now, actor_id=who.id)


def mark_unread(session: Session, who: Viewer, conversation_id: int, *, now: datetime) -> None:
    """For `who` alone; colleagues' marks stay."""
    conversations.mark_unread(session, people.conversation(session, who, conversation_id), who.id)


def mark_read(session: Session, who: Viewer, conversation_id: int, *, now: datetime) -> None:
    conversations.look(session, people.conversation(session, who, conversation_id), who.id, now=now)


def tag(session: Session, who: Viewer, conversation_id: int, name: str, *, now: datetime) -> int:
    """The tag's id; made on first use."""
    found = people.conversation(session, who, conversation_id)
    return conversations.tag(session, found, name, now=now, actor_id=who.id).id


def untag(session: Session, who: Viewer, conversation_id: int, tag_id: int, *, now: datetime) -> None:
    if session.get(Tag, tag_id) is None:
        raise NotFound
    conversations.untag(session, people.conversation(session, who, conversation_id), tag_id, now=now, actor_id=who.id)


def note(session: Session, who: Viewer, conversation_id: int, text: str, *, now: datetime) -> int:
    """Words for the team; the note's id. Raises UserError when there are none, or when they speak to somebody who
    may not read them."""
    if len(text) > LONGEST_NOTE:
        raise UserError(N_("The note is too long."), field="text")
    author = session.get(User, who.id)
    assert author is not None
    found = people.conversation(session, who, conversation_id)
    words = text.replace("\0", "").replace("\r\n", "\n")
    mentions = following.mentioned(session, words, mailbox_id=found.mailbox_id)
    written: Note = conversations.note(session, found, author, text=words, now=now, mentions=mentions)
    search.index_note(session, written, mailbox_id=found.mailbox_id)
    return written.id


def close_needless(session: Session, who: Viewer, conversation_id: int, *, reason: str, now: datetime) -> None:
    """Closed without an answer (対応不要). Raises UserError without a reason."""
    found = people.conversation(session, who, conversation_id, lock=True)
    conversations.close_needless(session, found, reason=reason, now=now, actor_id=who.id)


def categorise(session: Session, who: Viewer, conversation_id: int, category_id: int | None, *, now: datetime) -> None:
    """What it is about, for statistics; None takes that away."""
    found = people.conversation(session, who, conversation_id, lock=True)
    conversations.categorise(session, found, category_id, now=now, actor_id=who.id)


ACTIONS: dict[str, Callable[..., Any]] = {
    "assign": assign,
    "close": close,
    "reopen": reopen,
    "wait": wait,
    "snooze": snooze,
    "spam": spam,
    "not_spam": not_spam,
    "mark_unread": mark_unread,
    "mark_read": mark_read,
    "tag": tag,
    "untag": untag,
    "note": note,
    "needless": close_needless,
    "categorise": categorise,
}


def many(session: Session, who: Viewer, ids: Sequence[int], action: str, *, now: datetime, **about: Any) -> int:
    """One of ACTIONS on each of those that `who` may see; how many. Its arguments go by name (`owner_id`, `until`)."""
    if action not in ACTIONS:
        raise NotFound
    if len(ids) > MOST_AT_ONCE:
        raise UserError(N_("Choose at most %(most)d conversations at once."), most=MOST_AT_ONCE)
    wanted = select(Conversation.id).where(Conversation.id.in_(set(ids)), Conversation.mailbox_id.in_(who.mailbox_ids))
    # one order everywhere, first the conversations, then the counters: no deadlock with mail that comes in
    seen = session.scalars(wanted.order_by(Conversation.id).with_for_update()).all()
    with conversations.together(session):
        for conversation_id in seen:
            ACTIONS[action](session, who, conversation_id, now=now, **about)
    return len(seen)


def _set(session: Session, who: Viewer, conversation_id: int, status: str, *, now: datetime) -> None:
    found = people.conversation(session, who, conversation_id, lock=True)
    conversations.set_status(session, found, status, now=now, actor_id=who.id)
