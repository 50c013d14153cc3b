"""Links that work once: the first sign-in, an invitation, a forgotten password. Only their hash is stored."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from inbox.errors import N_, NotFound, UserError
from inbox.models import OneTimeLink, SignInAttempt, User
from inbox.people import passwords
from inbox.people.addresses import normalised
from inbox.people.team import Member, add_user, member_of
from inbox.people.trail import audit
from inbox.people.viewers import Viewer, of

KINDS = ("first", "invite", "reset")
VALID = {"first": timedelta(days=1), "invite": timedelta(days=7), "reset": timedelta(hours=1)}
RESETS_OF_ACCOUNT = 3  # an hour
RESETS_OF_ADDRESS = 20  # an hour, from one network address


class DeadLink(NotFound):
    """The link was used, is too old, or never existed: all three look the same."""

    def __init__(self) -> None:
        super().__init__(N_("This link does not work any more. Ask for a new one."))


@dataclass(frozen=True)
class LinkOwner:
    """Whom a living link belongs to; for the first sign-in nobody yet (all fields empty)."""

    kind: str
    user_id: int | None
    email: str
    name: str
    role: str
    locale: str


def path(kind: str, token: str) -> str:
    """Where the page of a link stands, below the base address."""
    return f"/links/{kind}/{token}"


def any_user(session: Session) -> bool:
    """Whether somebody can sign in already."""
    return session.scalar(select(User.id).where(User.password_hash.is_not(None)).limit(1)) is not None


def first_login_link(session: Session, base_url: str, *, now: datetime) -> str | None:
    """The address where the first administrator is made; None when there is one. An older such link dies."""
    if any_user(session):
        return None
    session.execute(delete(OneTimeLink).where(OneTimeLink.kind == "first"))
    return base_url.rstrip("/") + path("first", make(session, "first", None, now=now))


def link_owner(session: Session, kind: str, token: str, *, now: datetime) -> LinkOwner:
    """Whose link it is, without using it up. Raises DeadLink."""
    link = _living(session, kind, token, now=now)
    user = session.get(User, link.user_id) if link.user_id else None
    if user is None:
        return LinkOwner(kind=kind, user_id=None, email="", name="", role="admin", locale="")
    return LinkOwner(kind=kind, user_id=user.id, email=user.email, name=user.name, role=user.role, locale=user.locale)


def take_up(
    session: Session,
    kind: str,
    token: str,
    *,
    email: str | None = None,
    name: str | None = None,
    password: str,
    locale: str | None = None,
    now: datetime,
) -> Viewer:
    """Uses the link: sets the password (and makes the first administrator), ends every session of that person.

    `email` counts for the first sign-in only. Raises DeadLink, or UserError for a field; then the link still lives.
    """
    link = _living(session, kind, token, now=now)
    user = (
        _first_admin(session, email or "", name or "", locale=locale, now=now)
        if kind == "first"
        else session.get(User, link.user_id)
    )
    if user is None or not user.active:
        raise DeadLink
    if name is not None and name.strip():
        user.name = name.strip()[:100]
    if locale in ("ja", "en"):
        user.locale = locale
    passwords.check(password, email=user.email, name=user.name)
    _use_up(session, link, now=now)
    user.password_hash = passwords.hashed(password)
    user.session_epoch += 1
    user.last_seen_at = now
    session.flush()
    _kill_others(session, user.id)
    who = of(session, user)
    audit(
        session,
        who,
        {"first": "first_admin", "invite": "joined", "reset": "password_reset"}[kind],
        now=now,
        email=user.email,
    )
    return who


def start_reset(session: Session, email: str, *, ip: str, now: datetime) -> tuple[Member, str] | None:
    """A link for somebody who forgot the password; None when there is nobody to mail it to, or too many were asked for.

    The page must say the same in both cases.
    """
    try:
        address = normalised(email)
    except UserError:
        return None
    if _too_many_resets(session, address, ip[:45], now=now):
        return None
    user = session.scalar(select(User).where(User.email == address))
    session.add(SignInAttempt(at=now, kind="reset", email=address, ip=ip[:45], ok=user is not None))
    if user is None or not user.active:
        return None
    session.execute(delete(OneTimeLink).where(OneTimeLink.user_id == user.id, OneTimeLink.kind == "reset"))
    token = make(session, "reset", user.id, now=now)
    audit(session, None, "reset_asked", now=now, user_id=user.id, ip=ip[:45])
    return member_of(session, user), token


def make(session: Session, kind: str, user_id: int | None, *, now: datetime) -> str:
    """A new link's token."""
    token = secrets.token_urlsafe(32)
    session.add(OneTimeLink(kind=kind, user_id=user_id, token_hash=_hash(token), expires_at=now + VALID[kind]))
    session.flush()
    return token


def _living(session: Session, kind: str, token: str, *, now: datetime) -> OneTimeLink:
    if kind not in KINDS:
        raise DeadLink
    link = session.scalar(select(OneTimeLink).where(OneTimeLink.token_hash == _hash(token), OneTimeLink.kind == kind))
    if link is None or link.used_at is not None or link.expires_at <= now:
        raise DeadLink
    if kind == "first" and any_user(session):
        raise DeadLink
    return link


def _use_up(session: Session, link: OneTimeLink, *, now: datetime) -> None:
    """The guarded UPDATE that makes two clicks at once into one."""
    used = session.execute(
        update(OneTimeLink)
        .where(OneTimeLink.id == link.id, OneTimeLink.used_at.is_(None))
        .values(used_at=now)
        .execution_options(synchronize_session=False)
    )
    if used.rowcount != 1:
        raise DeadLink


def _kill_others(session: Session, user_id: int) -> None:
    session.execute(delete(OneTimeLink).where(OneTimeLink.user_id == user_id, OneTimeLink.used_at.is_(None)))


def _first_admin(session: Session, email: str, name: str, *, locale: str | None, now: datetime) -> User:
    if not name.strip():
        raise UserError(N_("Write your name."), field="name")
    return add_user(session, email=email, name=name, role="admin", mailbox_ids=(), locale=locale or "ja", now=now)


def _too_many_resets(session: Session, email: str, ip: str, *, now: datetime) -> bool:
    asked = select(func.count()).where(SignInAttempt.kind == "reset", SignInAttempt.at > now - timedelta(hours=1))
    of_account = session.scalar(asked.where(SignInAttempt.email == email)) or 0
    of_address = session.scalar(asked.where(SignInAttempt.ip == ip)) or 0
    return of_account >= RESETS_OF_ACCOUNT or of_address >= RESETS_OF_ADDRESS


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
