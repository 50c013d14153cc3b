"""Mail that comes in for the page tests: real bytes, kept and filed by the same code as a server's."""

from __future__ import annotations

import base64
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from inbox import intake, reading
from inbox.blobs import blobs
from inbox.config import settings
from inbox.mail.compose import Attachment, Letter, compose
from inbox.mail.facts import Address
from inbox.mail.understand import understand
from inbox.models import Conversation, Folder, Message, RawMail

PIXEL = base64.b64decode("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg==")


def arrives(session: Session, mailbox_id: int, raw: bytes, *, at: datetime, role: str = "inbox") -> Message:
    """Files a mail that a server showed; the message it became."""
    folder = session.scalar(select(Folder).where(Folder.mailbox_id == mailbox_id, Folder.role == role))
    if folder is None:
        folder = Folder(mailbox_id=mailbox_id, name=role.upper(), role=role, uidvalidity=1)
        session.add(folder)
        session.flush()
    uid = (session.scalar(select(func.max(RawMail.uid)).where(RawMail.folder_id == folder.id)) or 0) + 1
    row = RawMail(
        folder_id=folder.id, uidvalidity=1, uid=uid, sha256=blobs().put(raw), size=len(raw), internal_date=at, fetched_at=at
    )
    session.add(row)
    session.flush()
    intake.file(session, row, reading.of(understand(raw), secret=settings().secret("message ids")), at)
    assert row.message_id is not None, (row.state, row.cause, row.detail)
    return session.get_one(Message, row.message_id)


def a_letter(
    text: str = "",
    *,
    at: datetime,
    subject: str = "届きません",
    sender: tuple[str, str] = ("山田 太郎", "taro@example.jp"),
    to: str = "support@shop.example",
    html: str = "",
    answers: Message | None = None,
    files: tuple[tuple[str, str, bytes], ...] = (),
    pictures: tuple[tuple[str, str, bytes], ...] = (),
    cc: tuple[tuple[str, str], ...] = (),
) -> bytes:
    """A mail as a customer's program writes it. `pictures` are (content id, type, bytes) inside the HTML."""
    return compose(
        Letter(
            from_=Address(*sender),
            to=(Address("", to),),
            cc=tuple(Address(*one) for one in cc),
            subject=subject,
            message_id=f"<{abs(hash((text, html, subject, at)))}@{sender[1].partition('@')[2]}>",
            date=at,
            text=text,
            html=html,
            in_reply_to=answers.mail_id if answers else "",
            references=tuple(answers.references) if answers else (),
            attachments=(
                *(Attachment(name, kind, data) for name, kind, data in files),
                *(Attachment(f"{cid}.png", kind, data, content_id=cid) for cid, kind, data in pictures),
            ),
        )
    ).raw


def conversation_of(session: Session, message: Message) -> Conversation:
    return session.get_one(Conversation, message.conversation_id)
