"""Who follows a conversation, and whom a note mentions."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from inbox import people, telling
from inbox.errors import N_, UserError
from inbox.models import Conversation, Follower, MailboxAccess, User
from inbox.people import Viewer
from inbox.wire import ring
from routing import mentions
from routing.mentions import Mention, Somebody


@dataclass(frozen=True)
class Followers:
    """Those who follow a conversation, by name; `mine`: whether the asker is one of them."""

    names: tuple[str, ...]
    mine: bool


def followers(session: Session, who: Viewer, conversation_id: int) -> Followers:
    """Of what was joined into it, too."""
    rows = session.execute(
        select(User.id, User.name)
        .distinct()
        .join(Follower, Follower.user_id == User.id)
        .join(Conversation, Conversation.id == Follower.conversation_id)
        .where(
            or_(Conversation.id == conversation_id, Conversation.joined_into_id == conversation_id),
            User.active,
        )
        .order_by(User.name, User.id)
    ).all()
    return Followers(tuple(row.name for row in rows), any(row.id == who.id for row in rows))


def follow(session: Session, who: Viewer, conversation_id: int, *, now: datetime) -> None:
    """`who` is told from now on what happens to it."""
    found = people.conversation(session, who, conversation_id)
    telling.follow(session, found.id, who.id, why="asked", now=now)
    ring.screens(session)


def unfollow(session: Session, who: Viewer, conversation_id: int) -> None:
    """Told no more, unless it is theirs or they are mentioned again."""
    telling.unfollow(session, people.conversation(session, who, conversation_id).id, who.id)
    ring.screens(session)


def can_be_mentioned(session: Session, *, mailbox_id: int) -> tuple[Somebody, ...]:
    """Those who may read notes of that mailbox, by name."""
    seen = or_(User.role == "admin", User.id.in_(_with_access(mailbox_id)))
    return _team(session, seen)


def mentioned(session: Session, text: str, *, mailbox_id: int) -> tuple[Mention, ...]:
    """Whom the words speak to, each to one person. Raises UserError at the field for somebody who may not read them,
    and where a name fits several people."""
    if "@" not in text and "＠" not in text:
        return ()
    team = _team(session)
    found = mentions.find(text, team)
    if not found:
        return ()
    readers = {one.id: one for one in can_be_mentioned(session, mailbox_id=mailbox_id)}
    names = {one.id: one for one in team}
    settled = []
    for one in found:
        said = text[one.start + 1 : one.end]
        ids = tuple(user_id for user_id in one.ids if user_id in readers)
        if not ids:
            raise UserError(
                N_("%(name)s has no access to this mailbox and could not read the note."),
                field="text",
                name=names[one.ids[0]].name,
            )
        if len(ids) > 1:
            whole = " / ".join(f"@{names[user_id].name} (@{names[user_id].handle})" for user_id in ids)
            several = N_("“@%(said)s” fits several people. Write one of: %(whole)s")
            raise UserError(several, field="text", said=said, whole=whole)
        settled.append(Mention(one.start, one.end, ids))
    return tuple(settled)


def _with_access(mailbox_id: int):  # type: ignore[no-untyped-def]
    return select(MailboxAccess.user_id).where(MailboxAccess.mailbox_id == mailbox_id)


def _team(session: Session, *wanted) -> tuple[Somebody, ...]:  # type: ignore[no-untyped-def]
    found = select(User.id, User.name, User.email).where(User.active, *wanted).order_by(User.name, User.id)
    return tuple(Somebody(row.id, row.name, row.email.partition("@")[0]) for row in session.execute(found))
