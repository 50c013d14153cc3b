"""Signing in, and slowing down those who guess.

Five wrong tries from one network address at one account, then a wait that doubles with each further wrong try. The
count belongs to (account, network address), so nobody can lock the owner out from elsewhere. Guessing at one account
from many addresses leaves each of them two tries; guessing at many accounts from one address slows that address.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from inbox.db import is_sqlite
from inbox.errors import N_, UserError
from inbox.models import SignInAttempt, User
from inbox.people import passwords
from inbox.people.addresses import normalised
from inbox.people.trail import audit
from inbox.people.viewers import Viewer, of

WINDOW = timedelta(minutes=15)
FREE_TRIES = 5
FREE_TRIES_UNDER_ATTACK = 2
ATTACK_ON_ACCOUNT = 50  # wrong tries from anywhere within the window
FREE_TRIES_OF_ADDRESS = 40  # wrong tries of one network address at any accounts within the window
FIRST_WAIT = timedelta(seconds=15)
LONGEST_WAIT = timedelta(minutes=15)
KEPT = timedelta(days=2)
ADVISORY = 7_304  # names our advisory locks on PostgreSQL: tries from one network address are looked at one by one


class NotSignedIn(UserError):
    """Wrong address or password; which of them is not told. The try stands in the session and must be committed."""

    status = 401
    commits = True


class TooManyTries(UserError):
    """Guessing too fast: `seconds` to wait. Nothing was checked and nothing was written."""

    status = 429

    def __init__(self, seconds: int) -> None:
        super().__init__(N_("Too many wrong tries. Wait %(seconds)d seconds and try again."), seconds=seconds)
        self.seconds = seconds


def sign_in(session: Session, email: str, password: str, *, ip: str, now: datetime) -> Viewer:
    """The person, or NotSignedIn or TooManyTries.

    NotSignedIn has `commits = True`: the web edge commits the transaction although the answer is an error, because the
    counted try is what slows guessing.
    """
    try:
        address = normalised(email)
    except UserError:
        address = email.strip().lower()[:254]
    _one_by_one(session, ip[:45])
    wait = _wait(session, address, ip[:45], now=now)
    if wait > 0:
        raise TooManyTries(wait)
    user = session.scalar(select(User).where(User.email == address))
    stored = user.password_hash if user is not None and user.active else None
    ok = passwords.right(stored, password)
    session.add(SignInAttempt(at=now, kind="sign_in", email=address, ip=ip[:45], ok=ok))
    session.flush()
    if not ok or user is None:
        raise NotSignedIn(N_("The e-mail address or the password is wrong."), field="password")
    if passwords.outdated(user.password_hash or ""):
        user.password_hash = passwords.hashed(password)
    user.last_seen_at = now
    who = of(session, user)
    audit(session, who, "signed_in", now=now, ip=ip[:45])
    return who


def forget_old_tries(session: Session, *, now: datetime) -> int:
    """Deletes tries that no rule looks at any more; called by the clock."""
    return session.execute(delete(SignInAttempt).where(SignInAttempt.at < now - KEPT)).rowcount


def _one_by_one(session: Session, ip: str) -> None:
    """A hundred tries at once must not all look before the first of them counts. SQLite has one writer anyway."""
    if not is_sqlite(session):
        session.execute(select(func.pg_advisory_xact_lock(ADVISORY, func.hashtext(ip))))


def _wait(session: Session, email: str, ip: str, *, now: datetime) -> int:
    """Seconds until the next try is looked at; 0: now."""
    wrong = (SignInAttempt.kind == "sign_in", SignInAttempt.ok.is_(False), SignInAttempt.at > now - WINDOW)
    of_account, last_here = SignInAttempt.email == email, func.max(SignInAttempt.at)
    here = select(func.count(), last_here).where(
        *wrong, of_account, SignInAttempt.ip == ip, SignInAttempt.at > _last_right(email, ip)
    )
    count, last = session.execute(here).one()
    anywhere = session.scalar(select(func.count()).where(*wrong, of_account)) or 0
    address, address_last = session.execute(select(func.count(), last_here).where(*wrong, SignInAttempt.ip == ip)).one()
    free = FREE_TRIES_UNDER_ATTACK if anywhere >= ATTACK_ON_ACCOUNT else FREE_TRIES
    return max(_left(count - free, last, now=now), _left(address - FREE_TRIES_OF_ADDRESS, address_last, now=now))


def _last_right(email: str, ip: str):  # type: ignore[no-untyped-def]
    """When this account was last signed into from here: what was wrong before it is forgiven."""
    right = (
        SignInAttempt.kind == "sign_in",
        SignInAttempt.ok.is_(True),
        SignInAttempt.email == email,
        SignInAttempt.ip == ip,
    )
    long_ago = datetime.fromisoformat("2000-01-01T00:00:00+00:00")
    return func.coalesce(select(func.max(SignInAttempt.at)).where(*right).scalar_subquery(), long_ago)


def _left(too_many: int, last: datetime | None, *, now: datetime) -> int:
    if too_many < 0 or last is None:
        return 0
    wait = min(FIRST_WAIT * 2 ** min(too_many, 10), LONGEST_WAIT)
    return max(0, -(-(last + wait - now) // timedelta(seconds=1)))
