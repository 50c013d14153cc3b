"""Reads message ids (RFC 5322 §3.6.4) as programs really write them."""

from __future__ import annotations

import re
from urllib.parse import unquote

from inbox.mail.limits import DEFAULT, Limits

_BRACKETED = re.compile(r"<([^<>]*)>")
_BLANKS = re.compile(r"\s+")


def content_id(url: str) -> str:
    """The Content-ID that a cid: URL names (RFC 2392), without brackets."""
    return unquote(url[4:]).strip("<> ")


def message_id(text: str) -> str:
    """The first message id of a field in angle brackets, blanks inside removed; "" when there is none."""
    found = message_ids(text)
    return found[0] if found else ""


def message_ids(text: str, *, limits: Limits = DEFAULT) -> tuple[str, ...]:
    """Message ids of References or In-Reply-To, in order, without doubles: the first and the last `limits.references`.

    Ids without brackets count when they contain "@", or when the field holds nothing else than one word.
    """
    found = [_BLANKS.sub("", inner) for inner in _BRACKETED.findall(text)]
    found = [inner for inner in found if inner]
    if not found:
        words = [word.strip("<>,;\"'()") for word in text.split()]
        found = [word for word in words if "@" in word] or (words if len(words) == 1 else [])
    unique = list(dict.fromkeys(f"<{inner}>" for inner in found if inner))
    if len(unique) > limits.references + 1:
        unique = unique[:1] + unique[-limits.references :]
    return tuple(unique)
