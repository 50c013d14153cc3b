"""A mail on its way into a conversation, and what became of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from inbox import attached
from inbox.intake.knowing import Knowledge, Stored
from inbox.models import Conversation, Message
from inbox.reading import Reading

PEOPLE_CHARACTERS = 200  # of the names in a list's row
SNIPPET_CHARACTERS = 220


@dataclass(frozen=True)
class Mail:
    """A ledger row that waits, and what its bytes say."""

    raw_id: int
    sha256: str
    size: int
    at: datetime  # arrival at the server
    silent: bool
    is_sent: bool  # it stands in a Sent folder
    reading: Reading

    @classmethod
    def of(cls, row: Any, reading: Reading) -> Mail:
        at = row.internal_date or reading.dated or row.fetched_at
        return cls(
            raw_id=row.id,
            sha256=row.sha256,
            size=row.size,
            at=min(
                at, row.fetched_at
            ),  # a server's clock that runs ahead must not put a mail above all others for ever
            silent=row.silent,
            is_sent=row.role == "sent",
            reading=reading,
        )


@dataclass
class Filed:
    """What a ledger row became: filed (a new message), known (another copy), own (our own mail), ignored."""

    state: str
    message: Message | None = None  # the new one
    known_id: int | None = None
    known: Stored | None = None
    keys: tuple[str, ...] = ()
    is_new: bool = False  # it started a conversation
    person_id: int | None = None
    cause: str = ""  # why it is ignored

    @property
    def message_id(self) -> int | None:
        if self.message is not None:
            return self.message.id
        if self.known is not None:
            return self.known.row.id if self.known.row is not None else self.known.message_id
        return self.known_id


def message_of(mail: Mail, conversation: Conversation, *, key: str, now: datetime, **columns: Any) -> Message:
    """A row for a mail. Its conversation may have no id yet: the relationship gives it one."""
    reading = mail.reading
    sender = reading.from_[0] if reading.from_ else ["", ""]
    return Message(
        conversation=conversation,
        from_name=sender[0],
        from_address=sender[1],
        to=list(reading.to),
        cc=list(reading.cc),
        bcc=[],
        reply_to=list(reading.reply_to),
        subject=reading.subject,
        mail_id=reading.mail_id,
        key=key,
        references=list(reading.references),
        thread_index=reading.thread_index,
        at=mail.at,
        dated=reading.dated,
        created_at=now,
        text=reading.text,
        new_text=reading.new_text,
        snippet=reading.snippet[:SNIPPET_CHARACTERS],
        has_html=reading.has_html,
        raw_sha256=mail.sha256,
        size=mail.size,
        warnings=list(reading.warnings),
        attachments=attached.rows(reading.files),
        **columns,
    )


def remember(
    known: Knowledge, mail: Mail, message: Message, conversation: Conversation, *, keys: tuple[str, ...]
) -> None:
    """Lets the next mails of the batch find this one."""
    reading = mail.reading
    stored = Stored(
        message_id=None,
        conversation=conversation,
        direction=message.direction,
        kind=message.kind,
        from_address=message.from_address,
        dated=message.dated,
        subject=message.subject,
        text=message.text,
        raw_sha256=mail.sha256,
        files=tuple(file.sha256 for file in reading.files),
        row=message,
    )
    known.by_hash.setdefault(mail.sha256, stored)
    known.by_key[message.key].append(stored)
    for key in keys:
        known.threads.setdefault(key, conversation)
    part = known.taking_part.setdefault(conversation, set())
    if not message.unverified:
        part.update((message.from_address.lower(), *(one[1].lower() for one in (*reading.to, *reading.cc))))
    conversation.attachment_count += sum(not file.inline for file in reading.files)


def name_people(conversation: Conversation, *named: list[str] | None) -> None:
    """Adds correspondents to the names that a list's row shows."""
    shown = [one for one in conversation.people.split(", ") if one]
    for one in named:
        name = (one[0] or one[1]).replace(",", " ").strip() if one else ""
        if name and name not in shown and len(", ".join([*shown, name])) <= PEOPLE_CHARACTERS:
            shown.append(name)
    conversation.people = ", ".join(shown)
