"""Says what is understood of given mails, as plain values for JSON: nothing is stored, sent or fetched."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from inbox.mail import safe_html, threads
from inbox.mail.facts import Address, Bounce, Kind, ParsedMail, Part, Understanding
from inbox.mail.parse import TooComplex, parse
from inbox.mail.understand import understand

Explanation = dict[str, Any]


def explain(raw: bytes, *, conversation: int = 1, with_data: bool = False) -> Explanation:
    """One mail's explanation. A mail beyond the limits has only `quarantine` (the cause) filled.

    `with_data` adds each attachment's bytes as base64; `conversation` is a number given by `conversations_of`.
    """
    try:
        return _explanation(understand(raw), conversation=conversation, with_data=with_data)
    except TooComplex as cause:
        return quarantined(str(cause), conversation=conversation)


def explain_all(mails: Iterable[bytes], *, with_data: bool = False) -> Iterator[Explanation]:
    """Explanations in order; `conversation` says which of the mails belong together. Reads `mails` twice at most."""
    mails = list(mails)
    numbers = threads.group([_for_threads(raw) for raw in mails])
    for raw, number in zip(mails, numbers, strict=True):
        yield explain(raw, conversation=number, with_data=with_data)


def explain_stream(mails: Iterable[bytes | None], *, with_data: bool = False) -> Iterator[Explanation]:
    """Like `explain_all`, but each mail is answered at once: it joins the conversation of the mails before it. None is
    a mail that could not be handed over."""
    numbers: dict[str, int] = {}
    for line, raw in enumerate(mails, start=1):
        if raw is None:
            yield quarantined(f"line {line} is not base64", conversation=0)
            continue
        mail = _for_threads(raw)
        own = threads.own_key(mail) if mail.headers else f"nameless {len(numbers)}"
        named = (own, *threads.keys(mail))
        known = [numbers[key] for key in named if key in numbers]
        number = min(known) if known else max(numbers.values(), default=0) + 1
        numbers.update(dict.fromkeys(named, number))
        yield explain(raw, conversation=number, with_data=with_data)


def _for_threads(raw: bytes) -> ParsedMail:
    """Only what threading looks at, so that a large mailbox fits into memory."""
    try:
        return replace(parse(raw), attachments=(), parts=(), html="")
    except TooComplex:
        return ParsedMail()


def quarantined(cause: str, *, conversation: int = 1) -> Explanation:
    """The explanation of a mail that cannot be parsed."""
    understood = Understanding(
        ParsedMail(), Kind.PERSON, silence="no_sender", bounce=None, new_text="", quoted_at=None, snippet=""
    )
    return {**_explanation(understood, conversation=conversation, with_data=False), "quarantine": cause}


def _explanation(found: Understanding, *, conversation: int, with_data: bool) -> Explanation:
    facts = _facts(found.mail, with_data=with_data)
    return {
        **facts,
        "safe_html": safe_html.clean(found.mail.html).html if found.mail.html else "",
        "new_text": found.new_text,
        "kind": found.kind.value,
        "bounce": _bounce(found.bounce),
        "warnings": list(found.warnings),
        "quarantine": None,
        "conversation": conversation,
    }


def _facts(mail: ParsedMail, *, with_data: bool) -> Explanation:
    return {
        "subject": mail.subject,
        "from": _people(mail.from_),
        "to": _people(mail.to),
        "cc": _people(mail.cc),
        "reply_to": _people(mail.reply_to),
        "message_id": mail.message_id,
        "in_reply_to": list(mail.in_reply_to),
        "references": list(mail.references),
        "date": mail.date.isoformat() if mail.date else None,
        "text": mail.text,
        "html": mail.html,
        "attachments": [_attachment(part, with_data=with_data) for part in mail.attachments],
        "warnings": list(mail.warnings),
    }


def _people(addresses: tuple[Address, ...]) -> list[dict[str, str]]:
    return [{"name": one.name, "address": one.address} for one in addresses]


def _attachment(part: Part, *, with_data: bool) -> Explanation:
    told: Explanation = {
        "name": part.name or "",
        "content_type": part.content_type,
        "size": len(part.data),
        "sha256": part.sha256,
    }
    if with_data:
        told["data"] = base64.b64encode(part.data).decode("ascii")
    return told


def _bounce(found: Bounce | None) -> Explanation | None:
    if found is None:
        return None
    return {
        "recipients": list(found.recipients),
        "permanent": found.permanent,
        "status": found.status,
        "reason": found.reason,
    }


# --- files ------------------------------------------------------------------------------------------------------------


def mails_in(path: Path) -> Iterator[bytes]:
    """The mails of an .eml file, an mbox, a Maildir or any folder of such files, in order of name. Raises OSError."""
    if path.is_dir():
        for file in sorted(path.rglob("*")):
            inside = file.relative_to(path).parts
            if file.is_file() and not any(step.startswith(".") or step == "tmp" for step in inside):
                yield from mails_in(file)
        return
    data = path.read_bytes()
    if path.suffix.lower() != ".eml" and data.startswith(b"From "):
        yield from _mbox(data)
    else:
        yield data


_MBOX_START = re.compile(rb"(?:\A|\n\r?\n)From [^\n]*\n")
_MBOX_QUOTED = re.compile(rb"^>(>*From )", re.M)


def _mbox(data: bytes) -> Iterator[bytes]:
    """Mails of an mbox (RFC 4155); ">From " is unquoted as in mboxrd."""
    starts = list(_MBOX_START.finditer(data))
    for number, found in enumerate(starts):
        end = starts[number + 1].start() + 1 if number + 1 < len(starts) else len(data)
        yield _MBOX_QUOTED.sub(rb"\1", data[found.end() : end])
