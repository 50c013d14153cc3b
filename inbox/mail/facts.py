"""The plain values that mail understanding produces; frozen, picklable, free of any library's types."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from functools import cached_property


class Kind(StrEnum):
    """What sort of sender wrote a mail."""

    PERSON = "person"
    AUTO_REPLY = "auto_reply"
    BOUNCE = "bounce"
    FEEDBACK_REPORT = "feedback_report"
    LIST = "list"


@dataclass(frozen=True, slots=True)
class Address:
    """One mailbox of an address header. `address` is as written (carriers' dotted local parts included), "" if none."""

    name: str
    address: str


@dataclass(frozen=True)
class Part:
    """One leaf of the MIME tree, decoded from its transfer encoding.

    `path` is the IMAP-style section ("1.2"); parts inside an attached message/rfc822 are not leaves of the outer mail:
    the whole attached message is one leaf with `content_type` "message/rfc822".
    """

    path: str
    content_type: str  # lower case, "text/plain" when absent or unreadable
    params: dict[str, str]  # of Content-Type, keys in lower case, RFC 2231 decoded
    disposition: str  # "inline", "attachment" or ""
    name: str | None  # decoded file name as sent; clean it before use (mail/names.py)
    content_id: str | None  # without angle brackets
    headers: tuple[tuple[str, str], ...]
    data: bytes  # transfer encoding undone

    @cached_property
    def sha256(self) -> str:
        return hashlib.sha256(self.data).hexdigest()


@dataclass(frozen=True)
class ParsedMail:
    """Everything that stands in a mail, charset and transfer encodings undone, nothing judged yet.

    `headers` are in order, names as written, values unfolded and decoded (RFC 2047); `parts` are the leaves in order.
    `text` and `html` are the bodies to show ("" when there is none); `attachments` all other leaves.
    """

    subject: str = ""
    from_: tuple[Address, ...] = ()
    sender: tuple[Address, ...] = ()
    to: tuple[Address, ...] = ()
    cc: tuple[Address, ...] = ()
    reply_to: tuple[Address, ...] = ()
    message_id: str = ""  # with angle brackets as sent, "" when absent
    in_reply_to: tuple[str, ...] = ()
    references: tuple[str, ...] = ()
    date: datetime | None = None  # aware
    text: str = ""
    html: str = ""
    attachments: tuple[Part, ...] = ()
    parts: tuple[Part, ...] = ()
    headers: tuple[tuple[str, str], ...] = ()
    content_type: str = "text/plain"  # of the top level
    content_params: dict[str, str] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    text_is_whole: bool = True  # False: some words stand in `html` only, `text` is at most a footer

    def header(self, name: str, default: str = "") -> str:
        """The first header of that name (case-insensitive), decoded, or `default`."""
        found = self._by_name.get(name.lower())
        return found[0] if found else default

    def header_all(self, name: str) -> tuple[str, ...]:
        return tuple(self._by_name.get(name.lower(), ()))

    @cached_property
    def _by_name(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for name, value in self.headers:
            found.setdefault(name.lower(), []).append(value)
        return found


@dataclass(frozen=True, slots=True)
class Bounce:
    """A delivery failure or delay that came back (RFC 3464 or a server's own words)."""

    recipients: tuple[str, ...]
    permanent: bool | None  # None: not told
    status: str  # enhanced status code of RFC 3463, "" when not told
    reason: str  # short code: userunknown, mailboxfull, hostunknown, rejected, ..., "" when not told
    diagnostic: str  # the server's words, at most 1,000 characters
    original_message_id: str  # Message-ID of the mail that bounced, with brackets, "" when not told


@dataclass(frozen=True)
class Understanding:
    """A mail as the rest of the house uses it: what it says and what sort of mail it is."""

    mail: ParsedMail
    kind: Kind
    silence: str  # routing.autoreply.Silence: why no machine of ours may answer it, "" when one may
    bounce: Bounce | None
    new_text: str  # the words that are new; quoted words and signature left out
    quoted_at: int | None  # offset in `mail.text` where quoted words or signature begin, None: nothing quoted
    snippet: str  # one line of new words, at most 200 characters
    warnings: tuple[str, ...] = ()
