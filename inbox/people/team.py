"""The team: who is in it, with which rights and mailboxes."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, or_, select
from sqlalchemy.orm import Session

from inbox import conversations, db
from inbox.errors import N_, NotFound, UserError, a_name
from inbox.models import Claim, Conversation, Mailbox, MailboxAccess, OneTimeLink, Presence, User
from inbox.models.conversations import UNFINISHED
from inbox.models.people import ROLES
from inbox.people import passwords
from inbox.people.addresses import normalised
from inbox.people.trail import audit
from inbox.people.viewers import Viewer, must_be

LOCALES = ("ja", "en")


@dataclass(frozen=True)
class Member:
    """One of the team, as the people page shows it."""

    id: int
    name: str
    email: str
    role: str
    locale: str
    active: bool
    invited: bool  # has not taken up the invitation yet
    mailbox_ids: tuple[int, ...]  # given by name; an admin reaches all of them anyway
    last_seen_at: datetime | None


def team(session: Session, who: Viewer) -> tuple[Member, ...]:
    """Everybody, the active first, by name. For managers and administrators."""
    must_be(who, "manager")
    users = session.scalars(select(User).order_by(User.active.desc(), User.name, User.id)).all()
    given: dict[int, list[int]] = {}
    for user_id, mailbox_id in session.execute(
        select(MailboxAccess.user_id, MailboxAccess.mailbox_id).order_by(MailboxAccess.mailbox_id)
    ):
        given.setdefault(user_id, []).append(mailbox_id)
    return tuple(_member(user, tuple(given.get(user.id, ()))) for user in users)


def colleagues(session: Session, who: Viewer, *, mailbox_id: int | None = None) -> tuple[tuple[int, str], ...]:
    """(id, name) of those who can be given a conversation of `mailbox_id`, or of all that `who` sees; by name."""
    if mailbox_id is not None and not who.may_see(mailbox_id):
        return ()
    boxes = who.mailbox_ids if mailbox_id is None else (mailbox_id,)
    by_name = COLLEAGUES.order_by(User.name, User.id)
    return tuple(map(tuple, db.rows(session, by_name, {"mailboxes": boxes})))


_WITH_ACCESS = select(MailboxAccess.user_id).where(db.one_of(MailboxAccess.mailbox_id, "mailboxes"))
COLLEAGUES = select(User.id, User.name).where(
    User.active, User.password_hash.is_not(None), or_(User.role == "admin", User.id.in_(_WITH_ACCESS))
)


def add(
    session: Session,
    who: Viewer | None,
    *,
    email: str,
    name: str,
    role: str,
    mailbox_ids: Collection[int] = (),
    locale: str = "ja",
    password: str,
    now: datetime,
) -> int:
    """A person who can sign in at once (the command line's `user add`); the id. Raises UserError for a field."""
    if who is not None:
        must_be(who, "admin")
    user = add_user(session, email=email, name=name, role=role, mailbox_ids=mailbox_ids, locale=locale, now=now)
    passwords.check(password, email=user.email, name=user.name)
    user.password_hash = passwords.hashed(password)
    audit(session, who, "person_added", now=now, email=user.email, role=role)
    return user.id


def invite(
    session: Session,
    who: Viewer,
    *,
    email: str,
    name: str,
    role: str,
    mailbox_ids: Collection[int],
    locale: str,
    now: datetime,
) -> str:
    """The token of an invitation, valid for seven days; inviting again kills the older one. For administrators."""
    from inbox.people.links import make

    must_be(who, "admin")
    address = normalised(email)
    user = session.scalar(select(User).where(User.email == address))
    if user is None:
        user = add_user(session, email=address, name=name, role=role, mailbox_ids=mailbox_ids, locale=locale, now=now)
    elif user.password_hash is not None:
        raise UserError(N_("Somebody with this e-mail address is in the team already."), field="email")
    else:
        user.name, user.role, user.active = _name(name), _role(role), True
        _give(session, user.id, mailbox_ids)
        session.execute(delete(OneTimeLink).where(OneTimeLink.user_id == user.id))
    audit(session, who, "invited", now=now, email=address, role=role, mailbox_ids=sorted(mailbox_ids))
    return make(session, "invite", user.id, now=now)


def change_person(
    session: Session,
    who: Viewer,
    user_id: int,
    *,
    role: str,
    active: bool,
    mailbox_ids: Collection[int],
    now: datetime,
) -> None:
    """Rights of one person. Deactivating ends the sessions and gives open conversations back to everybody."""
    must_be(who, "admin")
    user = session.get(User, user_id)
    if user is None:
        raise NotFound
    if user.id == who.id and (role != "admin" or not active):
        raise UserError(N_("You cannot take your own administrator rights away. Another administrator can."))
    before = {"role": user.role, "active": user.active, "mailbox_ids": list(_given(session, user_id))}
    user.role = _role(role)
    _give(session, user_id, mailbox_ids)
    if user.active and not active:
        _deactivate(session, who, user, now=now)
    user.active = active
    _admin_left(session)
    after = {"role": role, "active": active, "mailbox_ids": sorted(mailbox_ids)}
    audit(session, who, "person_changed", now=now, user_id=user_id, before=before, after=after)


def add_user(
    session: Session, *, email: str, name: str, role: str, mailbox_ids: Collection[int], locale: str, now: datetime
) -> User:
    """The row of a new person, without a password yet."""
    address = normalised(email)
    if session.scalar(select(User.id).where(User.email == address)) is not None:
        raise UserError(N_("Somebody with this e-mail address is in the team already."), field="email")
    user = User(
        email=address,
        name=_name(name),
        role=_role(role),
        locale=locale if locale in LOCALES else "ja",
        created_at=now,
        session_epoch=0,
    )
    session.add(user)
    session.flush()
    _give(session, user.id, mailbox_ids)
    return user


def member_of(session: Session, user: User) -> Member:
    return _member(user, _given(session, user.id))


def _member(user: User, mailbox_ids: tuple[int, ...]) -> Member:
    return Member(
        id=user.id,
        name=user.name,
        email=user.email,
        role=user.role,
        locale=user.locale,
        active=user.active,
        invited=user.password_hash is None,
        mailbox_ids=mailbox_ids,
        last_seen_at=user.last_seen_at,
    )


def _given(session: Session, user_id: int) -> tuple[int, ...]:
    wanted = select(MailboxAccess.mailbox_id).where(MailboxAccess.user_id == user_id).order_by(MailboxAccess.mailbox_id)
    return tuple(session.scalars(wanted))


def _give(session: Session, user_id: int, mailbox_ids: Collection[int]) -> None:
    """Access to exactly these mailboxes; signatures of those that stay are kept."""
    existing = set(session.scalars(select(Mailbox.id).where(Mailbox.id.in_(mailbox_ids))))
    if existing != set(mailbox_ids):
        raise UserError(N_("One of the mailboxes does not exist."), field="mailbox_ids")
    gone = delete(MailboxAccess).where(MailboxAccess.user_id == user_id, MailboxAccess.mailbox_id.not_in(existing))
    session.execute(gone.execution_options(synchronize_session="fetch"))
    for mailbox_id in sorted(existing - set(_given(session, user_id))):
        session.add(MailboxAccess(user_id=user_id, mailbox_id=mailbox_id))
    session.flush()


def _deactivate(session: Session, who: Viewer, user: User, *, now: datetime) -> None:
    user.session_epoch += 1
    session.execute(delete(OneTimeLink).where(OneTimeLink.user_id == user.id))
    session.execute(delete(Claim).where(Claim.user_id == user.id))
    session.execute(delete(Presence).where(Presence.user_id == user.id))
    unfinished = select(Conversation).where(
        Conversation.owner_id == user.id, Conversation.status.in_(UNFINISHED)
    )
    for conversation in session.scalars(unfinished.order_by(Conversation.id).with_for_update()):
        conversations.assign(session, conversation, None, now=now, actor_id=who.id)


def _admin_left(session: Session) -> None:
    session.flush()
    wanted = select(User.id).where(User.role == "admin", User.active, User.password_hash.is_not(None)).limit(1)
    if session.scalar(wanted) is None:
        raise UserError(N_("At least one administrator must remain."))


def _role(role: str) -> str:
    if role not in ROLES:
        raise UserError(N_("Choose a role."), field="role")
    return role


def _name(name: str) -> str:
    return a_name(name, most=100)
