"""What is kept of a mail that was understood: small, clean for both databases, and quick to hand from process to
process."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from inbox.mail import automatic, names, search_words, threads
from inbox.mail.facts import Address, Kind, ParsedMail, Part, Understanding
from inbox.mail.message_ids import content_id

NAME_CHARACTERS = 200
ADDRESS_CHARACTERS = 320
SUBJECT_CHARACTERS = 2_000
TEXT_CHARACTERS = 1_000_000  # of one mail's text; what is longer can be read in the original
PEOPLE = 500  # addresses kept of one header

_INNER = re.compile(r"""cid:[^\s"'<>)]{1,500}""", re.IGNORECASE)  # what HTML shows inside its text (RFC 2392)
_SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class File:
    """An attached file: where it stands in the mail and what it is; columns of `Attachment`."""

    path: str
    name: str
    content_type: str
    size: int
    sha256: str
    content_id: str
    inline: bool


@dataclass(frozen=True, slots=True)
class Reading:
    """A mail as `intake` files it. Names and addresses are [name, address] pairs; keys are those of `mail.threads`."""

    kind: str  # mail.facts.Kind
    silence: str  # routing.autoreply.Silence: why no machine of ours may answer it, "" when one may
    generated: bool  # a program wrote it, but not as an answer (a shop's form, a monitor): somebody must look
    from_: tuple[list[str], ...]
    to: tuple[list[str], ...]
    cc: tuple[list[str], ...]
    reply_to: tuple[list[str], ...]
    subject: str
    mail_id: str
    key: str
    content_key: str
    names: tuple[str, ...]  # keys of the mails that it names, the most trustworthy first
    ours: tuple[int, ...]  # conversations that it names by a signed id of ours
    references: tuple[str, ...]
    thread_index: str
    dated: datetime | None
    text: str
    new_text: str
    snippet: str
    has_html: bool
    words: tuple[str, ...]  # of the text, for `search.index`
    files: tuple[File, ...]
    bounce: dict[str, Any] | None
    warnings: tuple[str, ...]


def of(understood: Understanding, *, secret: bytes, words_in_pieces: bool = False) -> Reading:
    """The reading of a mail. Ids that look like ours but were not signed with `secret` are left out of all
    threading."""
    mail = understood.mail
    named = (*mail.in_reply_to, *mail.references)
    ours = {one: threads.read_own_id(secret, one) for one in named}
    believed = _without(mail, {one for one in named if ours[one] is None and threads.looks_like_ours(one)})
    subject = _clean(mail.subject, SUBJECT_CHARACTERS)
    people = tuple(_pairs(group) for group in (mail.from_ or mail.sender, mail.to, mail.cc, mail.reply_to))
    text, new_text = _clean(mail.text, TEXT_CHARACTERS), _clean(understood.new_text, TEXT_CHARACTERS)
    if new_text == text:
        new_text = text  # one object, which goes to the parent once
    return Reading(
        kind=str(understood.kind),
        silence=understood.silence or _came_back(mail, secret),
        generated=understood.kind is Kind.AUTO_REPLY and _is_no_answer(mail),
        from_=people[0],
        to=people[1],
        cc=people[2],
        reply_to=people[3],
        subject=subject,
        mail_id=_clean(mail.message_id, threads.ID_LIMIT),
        key=threads.own_key(mail),
        content_key=threads.content_key(mail),
        names=threads.keys(believed),
        ours=tuple(dict.fromkeys(found for found in ours.values() if found is not None)),
        references=tuple(_clean(one, threads.ID_LIMIT) for one in _chain(believed)),
        thread_index=_clean(mail.header("Thread-Index"), 500),
        dated=mail.date,
        text=text,
        new_text=new_text,
        snippet=_clean(understood.snippet, 200),
        has_html=bool(mail.html),
        words=search_words.words_of(text if text.strip() else new_text, in_pieces=words_in_pieces),
        files=_files(mail),
        bounce=_bounce(understood),
        warnings=tuple(_clean(one, 200) for one in understood.warnings),
    )


def _without(mail: ParsedMail, forged: set[str]) -> ParsedMail:
    if not forged:
        return mail
    return replace(
        mail,
        in_reply_to=tuple(one for one in mail.in_reply_to if one not in forged),
        references=tuple(one for one in mail.references if one not in forged),
    )


def _chain(mail: ParsedMail) -> tuple[str, ...]:
    """References as an answer to this mail would carry them: oldest first, In-Reply-To last."""
    before = [one for one in mail.references if one not in mail.in_reply_to[:1]]
    return tuple(dict.fromkeys([*before, *mail.in_reply_to[:1]]))


def _came_back(mail: ParsedMail, secret: bytes) -> str:
    """A mail under an id that only we can have written is ours, whoever it now says it is from."""
    return "loop" if threads.read_own_id(secret, mail.message_id) is not None else ""


def _is_no_answer(mail: ParsedMail) -> bool:
    """Whether a program's mail starts something (a form, an alarm) instead of answering one of ours."""
    return not mail.in_reply_to and not mail.references and automatic.auto_submitted(mail) == "auto-generated"


def _files(mail: ParsedMail) -> tuple[File, ...]:
    named = set(map(content_id, _INNER.findall(mail.html)))
    return tuple(_file(part, in_text=part.content_id in named) for part in mail.attachments)


def _file(part: Part, *, in_text: bool) -> File:
    """`in_text`: the HTML shows it. Phones give photos and documents ids that nothing refers to: those are files."""
    return File(
        path=part.path[:200],
        name=_clean(names.clean_name(part.name, part.content_type), 400),
        content_type=names.safe_type(part.name, part.content_type, part.data)[:150],
        size=len(part.data),
        sha256=part.sha256,
        content_id=_clean(part.content_id or "", 500),
        inline=in_text and part.disposition != "attachment" and part.content_type.startswith("image/"),
    )


def _bounce(understood: Understanding) -> dict[str, Any] | None:
    told = understood.bounce
    if told is None:
        return None
    return {
        "recipients": [_clean(one, ADDRESS_CHARACTERS) for one in told.recipients[:PEOPLE]],
        "permanent": told.permanent,
        "status": told.status,
        "reason": told.reason,
        "diagnostic": _clean(told.diagnostic, 1_000),
        "original": threads.key(told.original_message_id) if told.original_message_id else "",
    }


def _pairs(people: tuple[Address, ...]) -> tuple[list[str], ...]:
    return tuple(
        [_clean(one.name, NAME_CHARACTERS), _clean(one.address, ADDRESS_CHARACTERS)] for one in people[:PEOPLE]
    )


def _clean(text: str, limit: int) -> str:
    """Without NUL, which PostgreSQL refuses, and lone surrogates, which nothing can store."""
    text = text[:limit]
    if text.isascii():
        return text.replace("\0", "\ufffd")
    try:
        text.encode()  # faster than a look for surrogates, which hardly any mail has
    except UnicodeEncodeError:
        text = _SURROGATE.sub("\ufffd", text)
    return text.replace("\0", "\ufffd")
