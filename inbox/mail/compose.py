"""Builds the bytes of a mail that leaves us: RFC 5322, CRLF, threaded, text and HTML, nothing in it able to break a
header."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from email.utils import format_datetime

from inbox.mail import mime_writer as mime
from inbox.mail.facts import Address
from inbox.mail.html_text import to_text
from inbox.mail.mime_writer import body_safe, header_safe
from inbox.mail.quoting import Quoted, forward_html, forward_text, quote_html, quote_text

__all__ = [
    "Attachment", "Composed", "Letter", "Quoted", "body_safe", "bounded_references", "cannot_encode",
    "child_thread_index", "compose", "forward_html", "forward_subject", "forward_text", "header_safe", "quote_html",
    "quote_text", "reply_subject",
]  # fmt: skip

REFERENCES_LENGTH = 900  # characters of the References field; some relays refuse long header blocks
MESSAGE_ID_LENGTH = 500
SUBJECT_LENGTH = 500
THREAD_INDEX_LENGTH = 400  # octets; Outlook adds five with each answer

_MESSAGE_ID = re.compile(r"<[^<>\s\x00-\x20\x7f-\x9f]+>")
_FIELD_NAME = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,60}")
_MADE_HERE = frozenset(
    [
        "from", "to", "cc", "bcc", "sender", "reply-to", "subject", "date", "message-id", "in-reply-to", "references",
        "mime-version", "content-type", "content-transfer-encoding",
    ]
)  # fmt: skip
_ANSWERED = re.compile(
    r"(?:(?:re|aw|antw|sv|vs|odp|ynt|rv|res|ref|rif|回复|回覆|答复|答覆|返信|返|отв|ответ|회신|답장)\s{0,3}(?:[\[(^]\d{1,4}[\])]?|\*\d{1,4})?\s{0,3}[:：]\s{0,5})+",
    re.IGNORECASE,
)
_FORWARDED = re.compile(r"(?:(?:fwd?|wg|tr|enc|doorst|vb|vl|pd|转发|轉寄|転送)\s{0,3}[:：]\s{0,5})+", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file to send. `content_id` (without brackets) makes it a picture inside the HTML, shown there by `cid:`."""

    name: str
    content_type: str
    data: bytes
    content_id: str | None = None


@dataclass(frozen=True, slots=True)
class Letter:
    """A mail to be sent, in plain values. `date` is aware; `message_id`, `in_reply_to` and `references` have their
    brackets.

    With `html` and no `text` the text part is derived from it. `thread_index` is the Thread-Index of the answered
    mail, as it
    stood there. `auto_submitted` (RFC 3834) is auto-replied or auto-generated, "" for a person's mail. `charset` is
    utf-8 or
    iso-2022-jp; what `cannot_encode` lists for the latter is sent as "?".
    """

    from_: Address
    to: tuple[Address, ...]
    subject: str
    message_id: str
    date: datetime
    text: str = ""
    html: str = ""
    cc: tuple[Address, ...] = ()
    bcc: tuple[Address, ...] = ()
    reply_to: tuple[Address, ...] = ()
    sender: Address | None = None
    attachments: tuple[Attachment, ...] = ()
    in_reply_to: str = ""
    references: tuple[str, ...] = ()
    thread_index: str = ""
    thread_topic: str = ""
    auto_submitted: str = ""
    extra_headers: tuple[tuple[str, str], ...] = ()
    language: str = ""
    charset: str = "utf-8"


@dataclass(frozen=True, slots=True)
class Composed:
    """The bytes, the Message-ID in them, and the envelope recipients (To, Cc and Bcc, each once, in order)."""

    raw: bytes
    message_id: str
    recipients: tuple[str, ...]
    smtputf8: bool = False  # a header holds a non-ASCII address: the server has to offer SMTPUTF8 (RFC 6531)


def compose(letter: Letter) -> Composed:
    """The mail as bytes with CRLF; Bcc stands in `recipients` only. The same letter gives the same bytes.

    Raises ValueError for a letter without From address or well-formed Message-ID, or with an extra header that is
    made here.
    """
    if "@" not in letter.from_.address or not _is_message_id(letter.message_id):
        raise ValueError("a letter needs a From address and a Message-ID with brackets")
    raw = b"".join(_fields(letter)) + b"MIME-Version: 1.0\r\n" + _body(letter)
    recipients = dict.fromkeys(one.address for one in (*letter.to, *letter.cc, *letter.bcc) if one.address)
    visible = (letter.from_, *letter.to, *letter.cc, *letter.reply_to)
    smtputf8 = not all(one.isascii() for one in recipients) or not all(one.address.isascii() for one in visible)
    return Composed(raw, letter.message_id, tuple(recipients), smtputf8)


def _fields(letter: Letter) -> list[bytes]:
    fields = [
        mime.token_field("Message-ID", [letter.message_id]),
        f"Date: {format_datetime(letter.date)}\r\n".encode("ascii"),
        mime.address_field("From", [letter.from_], charset=letter.charset),
    ]
    if letter.sender:
        fields.append(mime.address_field("Sender", [letter.sender], charset=letter.charset))
    for name, addresses in (("To", letter.to), ("Cc", letter.cc), ("Reply-To", letter.reply_to)):
        if addresses:
            fields.append(mime.address_field(name, addresses, charset=letter.charset))
    if not letter.to and not letter.cc:
        fields.append(b"To: undisclosed-recipients:;\r\n")
    fields.append(mime.text_field("Subject", header_safe(letter.subject, limit=SUBJECT_LENGTH), charset=letter.charset))
    return fields + _thread_fields(letter) + _other_fields(letter)


def _thread_fields(letter: Letter) -> list[bytes]:
    fields = []
    if _is_message_id(letter.in_reply_to):
        fields.append(mime.token_field("In-Reply-To", [letter.in_reply_to]))
    if references := bounded_references(letter.references, letter.in_reply_to):
        fields.append(mime.token_field("References", references))
    if letter.thread_index and (index := child_thread_index(letter.thread_index, letter.date)):
        fields.append(mime.token_field("Thread-Index", re.findall(".{1,70}", index)))
        if letter.thread_topic:
            fields.append(mime.text_field("Thread-Topic", header_safe(letter.thread_topic, limit=SUBJECT_LENGTH)))
    return fields


def _other_fields(letter: Letter) -> list[bytes]:
    fields = []
    if letter.auto_submitted:
        fields.append(mime.text_field("Auto-Submitted", letter.auto_submitted))
    if letter.language:
        fields.append(mime.text_field("Content-Language", header_safe(letter.language, limit=40)))
    for name, value in letter.extra_headers:
        if not _FIELD_NAME.fullmatch(name) or name.lower() in _MADE_HERE:
            raise ValueError(f"not an extra header: {name!r}")
        fields.append(mime.text_field(name, value))
    return fields


def _body(letter: Letter) -> bytes:
    """One entity: the text alone, or with its HTML and pictures, or all that with the files."""
    mark = hashlib.sha256(letter.message_id.encode("utf-8", "replace")).hexdigest()[:24]
    inside = tuple(one for one in letter.attachments if one.content_id and letter.html)
    files = tuple(one for one in letter.attachments if one not in inside)
    text = letter.text if letter.text.strip() or not letter.html else to_text(letter.html, links=True)
    body = mime.text_part(text, subtype="plain", charset=letter.charset.lower())
    if letter.html:
        html = mime.text_part(letter.html, subtype="html")
        if inside:
            html = mime.multipart("related", [html, *map(_file, inside)], boundary=f"=_r{mark}")
        body = mime.multipart("alternative", [body, html], boundary=f"=_a{mark}")
    if files:
        body = mime.multipart("mixed", [body, *map(_file, files)], boundary=f"=_m{mark}")
    return body


def _file(file: Attachment) -> bytes:
    return mime.file_part(file.name, file.content_type, file.data, content_id=file.content_id)


# -- threading
# ----------------------------------------------------------------------------------------------------------


def bounded_references(
    references: Sequence[str], in_reply_to: str = "", *, limit: int = REFERENCES_LENGTH
) -> tuple[str, ...]:
    """The ids for References: well-formed ones, each once, the answered one last, at most `limit` characters together.

    The first (the root of the thread, RFC 5322 3.6.4) is kept and as many of the last as fit.
    """
    ids = [one for one in dict.fromkeys(references) if one != in_reply_to and _is_message_id(one)]
    if _is_message_id(in_reply_to):
        ids.append(in_reply_to)
    if not ids or len(" ".join(ids)) <= limit:
        return tuple(ids)
    root, later = ids[0], ids[1:]
    room = limit - len(root)
    kept: list[str] = []
    for one in reversed(later):
        room -= len(one) + 1
        if room < 0:
            break
        kept.insert(0, one)
    if later and not kept:  # the answered mail matters more than the root
        return (later[-1],)
    return (root, *kept)


def _is_message_id(value: str) -> bool:
    return len(value) <= MESSAGE_ID_LENGTH and _MESSAGE_ID.fullmatch(value) is not None


def child_thread_index(parent: str, when: datetime) -> str:
    """Outlook's Thread-Index of an answer: the parent's and a child block of five octets (MS-OXOMSG 2.2.1.3), "" if
    unreadable.

    The block holds the time since the thread began, in one of two resolutions, and a number that stays zero.
    """
    try:
        octets = base64.b64decode(re.sub(r"\s", "", parent), validate=True)
    except ValueError:
        return ""
    if len(octets) < 22 or (len(octets) - 22) % 5 or len(octets) + 5 > THREAD_INDEX_LENGTH:
        return ""
    ticks = int(when.timestamp() * 10_000_000) + 116_444_736_000_000_000  # 100 ns since 1601-01-01
    passed = max(0, ticks - (int.from_bytes(octets[:6], "big") << 16))
    coarse = passed >= 1 << 49  # beyond 1.7 years
    delta = (passed >> (23 if coarse else 18)) & 0x7FFFFFFF
    return base64.b64encode(octets + ((coarse << 31) | delta).to_bytes(4, "big") + b"\0").decode("ascii")


def reply_subject(subject: str) -> str:
    """The subject of an answer: one "Re: ", whatever stood before in whatever language."""
    return f"Re: {_without(_ANSWERED, subject)}".rstrip()


def forward_subject(subject: str) -> str:
    """The subject of a forwarded mail: one "Fwd: "."""
    return f"Fwd: {_without(_FORWARDED, subject)}".rstrip()


def _without(prefix: re.Pattern[str], subject: str) -> str:
    plain = header_safe(subject, limit=1_000_000)
    found = prefix.match(plain)
    return plain[found.end() if found else 0 :][: SUBJECT_LENGTH - 5]


# -- charset
# ------------------------------------------------------------------------------------------------------------


def cannot_encode(text: str, charset: str) -> tuple[str, ...]:
    """The characters of the text that the charset has no code for, each once, in order of appearance."""
    if charset.lower() == "iso-2022-jp":
        return tuple(char for char in dict.fromkeys(text) if not _has_code(char.translate(mime.JIS_TWINS), charset))
    return tuple(char for char in dict.fromkeys(text) if not _has_code(char, charset))


def _has_code(char: str, charset: str) -> bool:
    try:
        char.encode(charset)
    except UnicodeError:
        return False
    return True
