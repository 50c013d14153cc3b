"""What IMAP servers say, made into plain values: folders and their roles, sizes and dates, and which problem words
mean."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from inbox.wire.problems import Problem

_ROLES = {
    b"\\sent": "sent",
    b"\\trash": "trash",
    b"\\junk": "junk",
    b"\\drafts": "drafts",
    b"\\archive": "archive",
    b"\\all": "all",
    b"\\flagged": "flagged",
}
_SENT_NAMES = (
    "sent", "sent items", "sent messages", "sent mail", "sent-mail", "sentmail", "[gmail]/sent mail",
    "[gmail]/送信済みメール", "送信済み", "送信済みメール", "送信済みアイテム", "送信済みトレイ", "送信箱", "gesendet",
    "gesendete objekte", "gesendete elemente", "envoyés",
    "éléments envoyés", "enviados", "elementos enviados", "posta inviata", "inviata",
    "verzonden", "已发送", "已傳送",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Listed:
    """A folder of the account. `role`: inbox, sent, trash, junk, drafts, archive, all, flagged or "" when nobody
    says."""

    name: str
    role: str


def listed_of(answer: Iterable[tuple[Iterable[bytes], object, object]]) -> list[Listed]:
    """The folders of a LIST answer that can be opened, with the roles that flags (RFC 6154) or names tell."""
    found = []
    for flags, _separator, name in answer:
        lower = {flag.lower() for flag in flags}
        if b"\\noselect" in lower or b"\\nonexistent" in lower:
            continue
        role = "inbox" if str(name).upper() == "INBOX" else next((_ROLES[f] for f in sorted(lower) if f in _ROLES), "")
        found.append(Listed(str(name), role))
    return found if any(one.role == "sent" for one in found) else guess_sent(found)


def fact(about: dict[bytes, Any]) -> tuple[datetime | None, int]:
    arrived = about.get(b"INTERNALDATE")
    size = about.get(b"RFC822.SIZE")
    if isinstance(arrived, datetime):
        try:
            arrived = (arrived if arrived.tzinfo else arrived.replace(tzinfo=UTC)).astimezone(UTC)
        except (OverflowError, ValueError):
            arrived = None
    else:
        arrived = None
    return arrived, size if isinstance(size, int) and 0 <= size < 2**40 else 0


def body(about: dict[bytes, Any], item: bytes = b"BODY[]") -> bytes | None:
    raw = about.get(item)
    if isinstance(raw, int):  # a mail that consists of digits, sent as a quoted string or atom
        raw = str(raw).encode()
    return raw if isinstance(raw, bytes) else None


def guess_sent(found: list[Listed]) -> list[Listed]:
    """Marks the folder whose name says "sent" in one of many languages, where the server does not say it (RFC 6154)."""
    for wanted in _SENT_NAMES:
        for position, one in enumerate(found):
            name = re.sub(r"^inbox[./\\]", "", one.name.lower())
            if name == wanted and not one.role:
                return [*found[:position], Listed(one.name, "sent"), *found[position + 1 :]]
    return found


def words(error: BaseException) -> str:
    """The server's words inside an exception of the library, without its Python clothes."""
    return text_of(error.args[0]) if error.args else type(error).__name__


def text_of(value: object) -> str:
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    text = str(value)
    match = re.fullmatch(r"""b(['"])(.*)\1""", text, re.DOTALL)
    return " ".join((match.group(2) if match else text).split())[:500]


def of_abort(text: str) -> Problem:
    if _asks_to_wait(text):
        return Problem("limit", text)
    if "[UNAVAILABLE]" in text.upper():
        return Problem("unavailable", text)
    if "timed out" in text:
        return Problem("timeout", text)
    if "unexpected" in text or "literal of" in text or "got more than" in text:
        return Problem("protocol", text)
    return Problem("lost", text)


def of_refusal(text: str, code: str) -> Problem:
    if "[UNAVAILABLE]" in text.upper():
        return Problem("unavailable", text)
    if _asks_to_wait(text):
        return Problem("limit", text)
    return Problem(code, text)


def of_login(text: str) -> Problem:
    lower = text.lower()
    if "[unavailable]" in lower or "temporar" in lower or "[contactadmin]" in lower:
        return Problem("unavailable", text)
    if _asks_to_wait(text):
        return Problem("limit", text)
    if (
        "application-specific password" in lower
        or "app password" in lower
        or "アプリ パスワード" in text
        or "アプリパスワード" in text
    ):
        return Problem("app_password", text)
    if "basicauthblocked" in lower or "basic authentication is disabled" in lower or "oauth" in lower:
        return Problem("oauth", text)
    if "[privacyrequired]" in lower:
        return Problem("no_login", text)
    if "eof" in lower or "socket error" in lower:
        return Problem("lost", text)
    return Problem("login", text)


def _asks_to_wait(text: str) -> bool:
    lower = text.lower()
    return any(
        sign in lower
        for sign in (
            "[limit]",
            "[inuse]",
            "[throttled]",
            "too many",
            "maximum number of",
            "connection limit",
            "rate limit",
        )
    )
