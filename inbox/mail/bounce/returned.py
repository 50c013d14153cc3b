"""Finds what is known of the mail that bounced: its Message-ID, its sender and its recipients."""

from __future__ import annotations

import re

from inbox.mail.bounce.addresses import addresses
from inbox.mail.bounce.notice import PARTS_LIMIT, TEXT_LIMIT, Notice, text_of
from inbox.mail.facts import ParsedMail

_TYPES = (
    "message/rfc822",
    "message/global",
    "text/rfc822-headers",
    "message/rfc822-headers",
    "message/global-headers",
    "message/partial",
)
_ID = re.compile(
    r"^[>|\s]{0,12}(?:x-)?(?:original-)?message-?id\s?:\s*(?:\n[>|\s]{0,12})?<?([^\s<>]{3,998})>?",
    re.IGNORECASE | re.MULTILINE,
)
_FIELD = r"^[>|\s]{0,12}(?:%s)\s?:([^\n]{0,2000}(?:\n[ \t][^\n]{0,2000}){0,20})"
_TO = re.compile(_FIELD % "to|cc|delivered-to|x-original-to", re.IGNORECASE | re.MULTILINE)
_FROM = re.compile(_FIELD % "from|sender|return-path|reply-to", re.IGNORECASE | re.MULTILINE)


def head_of(mail: ParsedMail, notice: Notice) -> str:
    """The head of the returned mail, from its own part or from the words that follow the notice; "" when none came."""
    for part in mail.parts[:PARTS_LIMIT]:
        if part.content_type in _TYPES:
            text = _lines(text_of(part)).lstrip()
            if text.strip():
                return text.partition("\n\n")[0] if part.content_type.startswith("message/") else text
    return _lines(notice.returned)


def original_id(mail: ParsedMail, notice: Notice) -> str:
    """Message-ID of the mail that bounced, with brackets; "" when not told.

    First the returned mail, then a line of the notice, at last In-Reply-To (some servers answer the mail that failed).
    """
    for text in (head_of(mail, notice), "\n".join(notice.lines)):
        match = _ID.search(text[:TEXT_LIMIT])
        if match:
            return f"<{match.group(1)}>"
    return next(iter(mail.in_reply_to), "")


def recipients(head: str) -> list[str]:
    return addresses("\n".join(match.group(1) for match in _TO.finditer(head[:TEXT_LIMIT])))


def senders(head: str) -> list[str]:
    return addresses("\n".join(match.group(1) for match in _FROM.finditer(head[:TEXT_LIMIT])))


def _lines(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")
