"""A person's own settings: language, time zone, look, undo time, signatures, password."""

from __future__ import annotations

import zoneinfo
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from inbox.errors import N_, NotFound, UserError
from inbox.models import Mailbox, MailboxAccess, User
from inbox.people import passwords
from inbox.people.team import LOCALES
from inbox.people.trail import audit
from inbox.people.viewers import Viewer, of

THEMES = ("auto", "light", "dark")
AFTER_SEND = ("next", "stay", "list")
LONGEST_UNDO = 60  # seconds
LONGEST_SIGNATURE = 20_000  # characters of HTML


@dataclass(frozen=True)
class Signature:
    """How `who` signs in one mailbox; None: as the mailbox does."""

    mailbox_id: int
    mailbox_name: str
    mailbox_from_name: str
    mailbox_html: str
    from_name: str | None
    html: str | None


def preferences(
    session: Session,
    who: Viewer,
    *,
    name: str | None = None,
    locale: str | None = None,
    time_zone: str | None = None,
    theme: str | None = None,
    undo_seconds: int | None = None,
    after_send: str | None = None,
) -> Viewer:
    """Changes what is given, and returns the person anew. Raises UserError with the field's name."""
    user = _me(session, who)
    if name is not None:
        user.name = " ".join(name.split())[:100] or user.name
    if locale is not None:
        user.locale = _one_of(locale, LOCALES, field="locale")
    if time_zone is not None:
        user.time_zone = _one_of(time_zone, zoneinfo.available_timezones(), field="time_zone")
    if theme is not None:
        user.theme = _one_of(theme, THEMES, field="theme")
    if after_send is not None:
        user.after_send = _one_of(after_send, AFTER_SEND, field="after_send")
    if undo_seconds is not None:
        if not 0 <= undo_seconds <= LONGEST_UNDO:
            raise UserError(N_("Choose between 0 and %(longest)d seconds."), field="undo_seconds", longest=LONGEST_UNDO)
        user.undo_seconds = undo_seconds
    session.flush()
    return of(session, user)


def change_password(session: Session, who: Viewer, old: str, new: str, *, now: datetime) -> Viewer:
    """Ends all other sessions of the person; the returned viewer has the new `epoch` for this one."""
    user = _me(session, who)
    if not passwords.right(user.password_hash, old):
        raise UserError(N_("The present password is wrong."), field="old")
    passwords.check(new, email=user.email, name=user.name)
    user.password_hash = passwords.hashed(new)
    user.session_epoch += 1
    session.flush()
    audit(session, who, "password_changed", now=now)
    return of(session, user)


def end_other_sessions(session: Session, who: Viewer, *, now: datetime) -> Viewer:
    """Signs the person out everywhere; the returned viewer has the new `epoch` for this one."""
    user = _me(session, who)
    user.session_epoch += 1
    session.flush()
    audit(session, who, "sessions_ended", now=now)
    return of(session, user)


def signatures(session: Session, who: Viewer) -> tuple[Signature, ...]:
    """One for each mailbox that `who` sees."""
    wanted = (
        select(Mailbox, MailboxAccess)
        .outerjoin(MailboxAccess, (MailboxAccess.mailbox_id == Mailbox.id) & (MailboxAccess.user_id == who.id))
        .where(Mailbox.id.in_(who.mailbox_ids))
        .order_by(Mailbox.name, Mailbox.id)
    )
    return tuple(
        Signature(
            mailbox_id=mailbox.id,
            mailbox_name=mailbox.name,
            mailbox_from_name=mailbox.display_name,
            mailbox_html=mailbox.signature_html,
            from_name=own.from_name if own else None,
            html=own.signature_html if own else None,
        )
        for mailbox, own in session.execute(wanted)
    )


def sign_as(session: Session, who: Viewer, mailbox_id: int, *, from_name: str | None, html: str | None) -> None:
    """The person's own name in From and signature in one mailbox; None gives back the mailbox's."""
    from inbox.mail import safe_html

    if not who.may_see(mailbox_id):
        raise NotFound
    if html is not None and len(html) > LONGEST_SIGNATURE:
        raise UserError(N_("The signature is too long."), field="html")
    own = session.get(MailboxAccess, (who.id, mailbox_id))
    if own is None:  # an administrator reaches the mailbox without a row
        own = MailboxAccess(user_id=who.id, mailbox_id=mailbox_id)
        session.add(own)
    own.from_name = " ".join(from_name.split())[:100] or None if from_name is not None else None
    own.signature_html = safe_html.clean(html).html if html is not None else None
    session.flush()


def _me(session: Session, who: Viewer) -> User:
    user = session.get(User, who.id)
    if user is None or not user.active:
        raise NotFound
    return user


def _one_of(value: str, allowed: object, *, field: str) -> str:
    if value not in allowed:  # type: ignore[operator]
        raise UserError(N_("Choose one of the list."), field=field)
    return value
