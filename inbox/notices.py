"""Mails to our own people: invitations, password resets. They leave through the same queue as everything else."""

from __future__ import annotations

import hashlib
import secrets
from datetime import datetime

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from inbox import outbox
from inbox.blobs import blobs
from inbox.config import settings
from inbox.mail import compose, threads
from inbox.mail.compose import Letter
from inbox.mail.facts import Address
from inbox.models import Mailbox
from inbox.wire import ring

SENDER = "Madoguchi"  # the name in From: these mails are the product's, not the mailbox's


def queue(
    session: Session,
    *,
    to: str,
    subject: str,
    text: str,
    html: str = "",
    dedupe_key: str,
    now: datetime,
    in_reply_to: str = "",
) -> bool:
    """Queues a mail to one of the team; asked twice with one key, it goes once. False when no mailbox can send.

    `in_reply_to`: the Message-ID of a mail that a machine answers with it (RFC 3834).
    """
    mailbox = _sender(session, now)
    if mailbox is None:
        return False
    kind = outbox.KINDS["notice"]
    headers = dict(kind.headers)
    domain = mailbox.address.rpartition("@")[2]
    letter = Letter(
        from_=Address(SENDER, mailbox.address),
        to=(Address("", to),),
        subject=subject,
        message_id=threads.new_message_id(settings().secret("message ids"), 0, secrets.token_hex(10), domain),
        date=now,
        text=text,
        html=html,
        auto_submitted="auto-replied" if in_reply_to else headers["Auto-Submitted"],
        in_reply_to=in_reply_to,
        references=(in_reply_to,) if in_reply_to else (),
        extra_headers=tuple((name, value) for name, value in headers.items() if name != "Auto-Submitted"),
    )
    composed = compose.compose(letter)
    outbox.put(
        session,
        kind="notice",
        dedupe_key=f"notice:{hashlib.sha256(dedupe_key.encode()).hexdigest()[:40]}",
        mailbox_id=mailbox.id,
        envelope_from=mailbox.address,
        recipients=composed.recipients,
        subject=subject,
        mail_id=composed.message_id,
        key=threads.key(composed.message_id),
        raw_sha256=blobs().put(composed.raw),
        size=len(composed.raw),
        due_at=now,
        now=now,
    )
    ring.job(session, "send", queue="send")
    return True


def _sender(session: Session, now: datetime) -> Mailbox | None:
    """The first real mailbox that can send just now; the demo's only when there is no other."""
    if outbox.paused_by(session) is not None:
        return None
    wanted = select(Mailbox).where(
        Mailbox.active,
        ~Mailbox.sending_paused,
        or_(Mailbox.smtp_error_code == "", Mailbox.smtp_next_try_at <= now),
    )
    return session.scalar(wanted.order_by(Mailbox.is_demo, Mailbox.id).limit(1))
