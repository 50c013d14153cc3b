"""Who looks: the signed-in person as every use case knows it, and what that person may see."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, bindparam, select
from sqlalchemy.orm import Session

from inbox import db
from inbox.errors import N_, Forbidden, NotFound
from inbox.models import Conversation, Mailbox, MailboxAccess, User
from inbox.models.conversations import JOINED

RANK = {"agent": 0, "manager": 1, "admin": 2}
_READ = (
    select(  # a row for each mailbox, or one
        User.id,
        User.name,
        User.email,
        User.role,
        User.locale,
        User.time_zone,
        User.theme,
        User.undo_seconds,
        User.after_send,
        User.active,
        User.session_epoch,
        MailboxAccess.mailbox_id,
    )
    .outerjoin(MailboxAccess, MailboxAccess.user_id == User.id)
    .where(User.id == bindparam("id"))
)


@dataclass(frozen=True)
class Viewer:
    """A signed-in person of the team. `mailbox_ids` are all mailboxes for admins; nobody sees beyond them."""

    id: int
    name: str
    email: str
    role: str  # agent, manager, admin
    locale: str
    time_zone: str
    theme: str  # auto, light, dark
    undo_seconds: int
    after_send: str  # next, stay, list
    mailbox_ids: tuple[int, ...]
    epoch: int = 0  # stands in the session cookie; `viewer` refuses an older one

    @property
    def is_admin(self) -> bool:
        return self.role == "admin"

    @property
    def is_manager(self) -> bool:
        """A manager or more."""
        return RANK[self.role] >= RANK["manager"]

    def may_see(self, mailbox_id: int) -> bool:
        return mailbox_id in self.mailbox_ids


def viewer(session: Session, user_id: int, epoch: int) -> Viewer | None:
    """The person of a session cookie; None when deactivated, or when the session was ended since (other `epoch`)."""
    rows = db.rows(session, _READ, {"id": user_id})  # every page asks: plain columns, one question
    if not rows or not rows[0].active or rows[0].session_epoch != epoch:
        return None
    given = tuple(sorted(row.mailbox_id for row in rows if row.mailbox_id is not None))
    return _viewer(rows[0], _all_mailbox_ids(session) if rows[0].role == "admin" else given)


def of(session: Session, user: User) -> Viewer:
    """`user` as a viewer, access read anew."""
    if user.role == "admin":
        return _viewer(user, _all_mailbox_ids(session))
    given = select(MailboxAccess.mailbox_id).where(MailboxAccess.user_id == user.id).order_by(MailboxAccess.mailbox_id)
    return _viewer(user, tuple(session.scalars(given)))


def must_be(who: Viewer, role: str) -> None:
    """Raises Forbidden unless `who` has `role` or more."""
    if RANK[who.role] < RANK[role]:
        raise Forbidden(N_("Only people with more rights may do this. Ask an administrator."))


def conversation(session: Session, who: Viewer, conversation_id: int, *, lock: bool = False) -> Conversation:
    """The conversation, if `who` may see its mailbox; else NotFound. `lock` keeps others from changing it meanwhile."""
    wanted = select(Conversation).where(Conversation.id == conversation_id)
    if lock:
        wanted = wanted.with_for_update().execution_options(populate_existing=True)
    found = session.scalar(wanted)
    if found is None or found.status == JOINED or not who.may_see(found.mailbox_id):
        raise NotFound
    return found


def mailbox(session: Session, who: Viewer, mailbox_id: int) -> Mailbox:
    """The mailbox, if `who` may see it; else NotFound."""
    found = session.get(Mailbox, mailbox_id) if who.may_see(mailbox_id) else None
    if found is None:
        raise NotFound
    return found


def _viewer(user: User | Row[Any], mailbox_ids: tuple[int, ...]) -> Viewer:
    return Viewer(
        id=user.id,
        name=user.name,
        email=user.email,
        role=user.role,
        locale=user.locale,
        time_zone=user.time_zone,
        theme=user.theme,
        undo_seconds=user.undo_seconds,
        after_send=user.after_send,
        mailbox_ids=mailbox_ids,
        epoch=user.session_epoch,
    )


def _all_mailbox_ids(session: Session) -> tuple[int, ...]:
    return tuple(session.scalars(select(Mailbox.id).order_by(Mailbox.id)))
