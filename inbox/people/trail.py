"""The audit trail: who signed in, who changed a mailbox, a person or a setting."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from inbox.models import AuditEvent, User
from inbox.people.viewers import Viewer, must_be


@dataclass(frozen=True)
class AuditRow:
    id: int
    at: datetime
    kind: str
    user_name: str  # "" for the command line and the system
    about: dict[str, Any]


def audit(session: Session, who: Viewer | None, kind: str, *, now: datetime, **about: Any) -> None:
    """Writes one line. `who` is None on the command line. Never give it a secret."""
    session.add(AuditEvent(at=now, user_id=who.id if who else None, kind=kind, about=about))


def trail(session: Session, who: Viewer, *, before_id: int | None = None, size: int = 100) -> tuple[AuditRow, ...]:
    """Newest first; for administrators."""
    must_be(who, "admin")
    wanted = select(AuditEvent, User.name).outerjoin(User, User.id == AuditEvent.user_id).order_by(AuditEvent.id.desc())
    if before_id is not None:
        wanted = wanted.where(AuditEvent.id < before_id)
    return tuple(
        AuditRow(id=event.id, at=event.at, kind=event.kind, user_name=name or "", about=event.about)
        for event, name in session.execute(wanted.limit(size))
    )
