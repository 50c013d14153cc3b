"""Answers to our own notices: refused politely once a day, never a conversation."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from inbox import notices
from inbox.config import settings
from inbox.intake.filed import Filed, Mail
from inbox.intake.knowing import Knowledge
from inbox.mail.facts import Kind
from inbox.models import Outgoing, User
from inbox.notification_words import say

CAUSE = "notice_answer"  # of a ledger row that stays on the server and becomes no conversation


def refuse(session: Session, known: Knowledge, mail: Mail, *, now: datetime) -> Filed | None:
    """A mail of one of the team that answers a notice to them; None for every other mail.

    A person is told that nobody reads it, at most once a day; a machine (absence notes) gets no answer.
    """
    reading = mail.reading
    sender = reading.from_[0][1].lower() if reading.from_ else ""
    if reading.kind == Kind.BOUNCE or not any(_is_notice_to(known.outgoing.get(key), sender) for key in reading.names):
        return None
    user = session.scalar(select(User).where(User.email == sender, User.active))
    if user is not None and reading.kind == Kind.PERSON and not reading.silence and not mail.silent:
        notices.queue(
            session,
            to=user.email,
            subject=say(user.locale, "refusal.subject", subject=reading.subject),
            text=say(user.locale, "refusal.text", url=f"{settings().address}/notifications"),
            dedupe_key=f"notice answer:{user.id}:{now.date().isoformat()}",
            now=now,
            in_reply_to=reading.mail_id,
        )
    return Filed("ignored", cause=CAUSE)


def _is_notice_to(outgoing: Outgoing | None, sender: str) -> bool:
    """The id in a mail proves nothing alone: its sender must be the one whom the notice went to."""
    if outgoing is None or outgoing.kind != "notice" or not sender:
        return False
    return any(one["address"].lower() == sender for one in outgoing.recipients)
