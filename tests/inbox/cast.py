"""The named cast of the stories: agents Aoi and Ben, manager Mei, admin Rin, customer 山田 太郎, support@, sales@."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Engine, event
from sqlalchemy.orm import Session

from inbox import conversations, drafts, people, send_checks
from inbox.blobs import blobs
from inbox.models import (
    Attachment,
    Conversation,
    Draft,
    Mailbox,
    MailboxAccess,
    MailboxAddress,
    Message,
    Person,
    PersonAddress,
    ThreadKey,
    User,
)

NOW = datetime(2026, 11, 20, 3, 0, tzinfo=UTC)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
CUSTOMER = ("山田 太郎", "taro@example.jp")
RACES = int(os.environ.get("RACES", "150"))  # of each kind; `make test RACES=1000` is the full number


def a_mailbox(session: Session, name: str = "Support", *aliases: str, address: str | None = None) -> Mailbox:
    address = address or f"{name.lower()}@shop.example"
    made = Mailbox(
        name=name,
        display_name=f"{name} team",
        address=address,
        created_at=NOW,
        imap_host="imap.shop.example",
        imap_port=993,
        imap_security="tls",
        imap_user=address,
        imap_secret="",
        smtp_host="smtp.shop.example",
        smtp_port=465,
        smtp_security="tls",
        smtp_user=address,
        smtp_secret="",
        addresses=[MailboxAddress(address=a) for a in (address, *aliases)],
    )
    session.add(made)
    session.flush()
    return made


def a_user(session: Session, name: str = "Aoi", *mailboxes: Mailbox, role: str = "agent", **more: Any) -> User:
    more.setdefault("password_hash", "not a hash: nobody signs in with it")
    user = User(email=f"{name.lower()}@shop.example", name=name, role=role, created_at=NOW, **more)
    session.add(user)
    session.flush()
    session.add_all(MailboxAccess(user_id=user.id, mailbox_id=mailbox.id) for mailbox in mailboxes)
    session.flush()
    return user


def a_viewer(session: Session, name: str = "Aoi", *mailboxes: Mailbox, role: str = "agent") -> people.Viewer:
    return people.of(session, a_user(session, name, *mailboxes, role=role))


def a_person(session: Session, name: str = CUSTOMER[0], *addresses: str) -> Person:
    person = Person(
        name=name, created_at=NOW, addresses=[PersonAddress(address=a) for a in (addresses or (CUSTOMER[1],))]
    )
    session.add(person)
    session.flush()
    return person


def a_conversation(
    session: Session,
    mailbox: Mailbox,
    subject: str = "届きません",
    *,
    person: Person | None = None,
    at: datetime = NOW,
    status: str = "open",
    owner: User | people.Viewer | None = None,
    waiting_since: datetime | None = None,
    silent: bool = False,
) -> Conversation:
    made = conversations.start(
        session,
        mailbox.id,
        now=at,
        subject=subject,
        person_id=person.id if person else None,
        at=at,
        status=status,
        owner_id=owner.id if owner else None,
        silent=silent,
    )
    made.waiting_since = waiting_since
    session.flush()
    return made


def a_message(
    session: Session,
    conversation: Conversation,
    text: str = "まだ届きません。",
    *,
    at: datetime | None = None,
    direction: str = "in",
    sender: tuple[str, str] = CUSTOMER,
    raw: bytes = b"",
    files: tuple[tuple[str, str, bytes], ...] = (),
    **more: Any,
) -> Message:
    """A stored mail with its bytes, counted into its conversation (and received, when it is a customer's)."""
    at = at or conversation.activity_at + MINUTE
    raw = raw or f"From: {sender[1]}\r\nSubject: x\r\nDate: {at}\r\n\r\n{text}\r\n".encode()
    mail_id = more.pop(
        "mail_id", f"<{hashlib.sha256(raw + str(conversation.id).encode()).hexdigest()[:20]}@example.jp>"
    )
    values: dict[str, Any] = {
        "kind": "person" if direction == "in" else "reply",
        "subject": conversation.subject,
        "text": text,
        "new_text": text,
        "snippet": text[:200],
        "to": [["", "support@shop.example"]] if direction == "in" else [list(CUSTOMER)],
        "person_id": conversation.person_id if direction == "in" else None,
    }
    message = Message(
        conversation_id=conversation.id,
        direction=direction,
        from_name=sender[0],
        from_address=sender[1],
        mail_id=mail_id,
        key=hashlib.sha256(mail_id.encode()).hexdigest()[:32],
        at=at,
        created_at=at,
        raw_sha256=blobs().put(raw),
        size=len(raw),
        attachments=[
            Attachment(
                position=n,
                path=str(n + 2),
                name=name,
                content_type=kind,
                size=len(data),
                sha256=hashlib.sha256(data).hexdigest(),
            )
            for n, (name, kind, data) in enumerate(files)
        ],
        **(values | more),
    )
    session.add(message)
    session.flush()
    session.add(ThreadKey(mailbox_id=conversation.mailbox_id, key=message.key, conversation_id=conversation.id))
    conversations.add_message(session, conversation, message, now=at)
    conversation.attachment_count += len(files)
    if direction == "in":
        conversations.receive(session, conversation, message, now=at)
    session.flush()
    return message


def all_ticked(session: Session, draft_id: int) -> send_checks.Looked:
    """As if somebody had looked at everything that has to be looked at before this draft leaves."""
    found = send_checks.look(session, drafts.view(session, session.get_one(Draft, draft_id)))
    return send_checks.Looked(frozenset(found.ticks), found.fingerprint)


@contextmanager
def statements(engine: Engine) -> Iterator[list[str]]:
    """Collects the SQL that runs meanwhile."""
    seen: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, _parameters: Any, _context: Any, _many: bool) -> None:
        if not statement.startswith(("BEGIN", "SAVEPOINT", "RELEASE")):
            seen.append(statement)

    event.listen(engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(engine, "before_cursor_execute", note)
