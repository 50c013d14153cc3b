"""Answers to our own notices: refused politely once a day, never a conversation.

Most name the notice by its Message-ID. Some programs name nothing, and some gateways give our mails another id: then
other signs must make it sure, and the sender must be one of the team. A customer's mail is never refused.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from inbox import notices
from inbox.config import settings
from inbox.intake.filed import Filed, Mail
from inbox.intake.knowing import Knowledge
from inbox.mail.facts import Kind
from inbox.mail.threads import base_subject
from inbox.models import Outgoing, User
from inbox.notification_words import say
from inbox.reading import Reading

CAUSE = "notice_answer"  # of a ledger row that stays on the server and becomes no conversation
REMEMBERED = timedelta(days=90)  # so long a notice's subject is looked for
NO_CONVERSATION = 0  # what the signed Message-ID of a notice names (`notices.queue`)
_ANSWER = re.compile(r"\s*(?:re|aw|antw|sv|返信|回复|回覆|회신|답장)\s*(?:\[\d{1,4}\])?\s*[:：]", re.IGNORECASE)


def refuse(session: Session, known: Knowledge, mail: Mail, *, now: datetime) -> Filed | None:
    """A mail of one of the team that answers a notice to them; None for every other mail.

    A person is told that nobody reads it, at most once a day; a machine (absence notes) gets no answer.
    """
    reading = mail.reading
    sender = reading.from_[0][1].lower() if reading.from_ else ""
    if not sender or reading.kind == Kind.BOUNCE:
        return None
    names_it = any(_is_notice_to(known.outgoing.get(key), sender) for key in reading.names)
    if not names_it and not _could_answer_one(known, reading):
        return None
    user = session.scalar(select(User).where(User.email == sender, User.active))
    if not names_it and (user is None or not _is_sure(session, mail, sender)):
        return None
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
    return outgoing is not None and outgoing.kind == "notice" and _went_to(outgoing.recipients, sender)


def _went_to(recipients: list[dict[str, str]], sender: str) -> bool:
    return any(one["address"].lower() == sender for one in recipients)


# -- answers that do not name the notice


def _could_answer_one(known: Knowledge, reading: Reading) -> bool:
    """Whether it looks like an answer, and to nothing else that we know; asked of every mail, so without a query."""
    if any(reading.ours):
        return False  # a conversation's number
    for key in reading.names:
        if key in known.threads or known.by_key.get(key) or known.copies.get(key) or key in known.outgoing:
            return False
    if NO_CONVERSATION in reading.ours or _ANSWER.match(reading.subject):
        return True
    return any(one[0] == notices.SENDER and one[1].lower() in known.own_addresses for one in reading.to)


def _is_sure(session: Session, mail: Mail, sender: str) -> bool:
    """Signed by us, or under the subject of a notice that went to the sender, or with a notice's foot quoted below."""
    reading, foot = mail.reading, f"{settings().address}/preferences/notifications"
    if NO_CONVERSATION in reading.ours or (foot in reading.text and foot not in reading.new_text):
        return True
    subject = base_subject(reading.subject)
    if not subject:
        return False
    sent = select(Outgoing.subject, Outgoing.recipients).where(
        Outgoing.kind == "notice",
        Outgoing.created_at > mail.at - REMEMBERED,
        Outgoing.subject.endswith(subject, autoescape=True),
    )
    return any(
        base_subject(row.subject) == subject and _went_to(row.recipients, sender) for row in session.execute(sent)
    )
