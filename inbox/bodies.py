"""The bytes of a message, shown safely: its HTML for a sandboxed frame, files, thumbnails, previews, the original.

Everything is read from the raw mail when it is asked for; what was parsed stays in memory for a while, bounded.
"""

from __future__ import annotations

import io
import threading
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any, Generic, TypeVar

from PIL import Image, ImageOps, UnidentifiedImageError
from sqlalchemy import select
from sqlalchemy.orm import Session

from inbox.blobs import MissingBlob, blobs
from inbox.errors import N_, NotFound, UserError
from inbox.mail import charsets, linkify, names, safe_html
from inbox.mail.facts import ParsedMail
from inbox.mail.limits import TooComplex
from inbox.mail.message_ids import content_id
from inbox.mail.parse import parse
from inbox.models import Attachment, Conversation, Message
from inbox.people import Viewer

THUMBNAIL = 320  # pixels of the longer side
MOST_PIXELS = 40_000_000  # of a picture that is made small; beyond that it is shown as a file
LARGEST_PICTURE = 30_000_000  # bytes
PICTURES = {"image/png": "PNG", "image/jpeg": "JPEG", "image/gif": "GIF", "image/webp": "WEBP"}
PREVIEWED = ("text/plain", "text/csv")
LARGEST_PREVIEW = 200_000  # bytes
SHOWN_PREVIEW = 20_000  # characters
LARGEST_ZIP = 100_000_000  # bytes of all files together
AT_ONCE = threading.BoundedSemaphore(2)  # pictures being decoded
STYLE = (
    "html{color-scheme:light;background:#fff}"
    "body{margin:0;padding:4px 2px;color:#1f2937;font:15px/1.6 system-ui,-apple-system,'Segoe UI','Hiragino Sans',"
    "'Noto Sans JP','Noto Sans CJK JP',Meiryo,sans-serif;overflow-wrap:anywhere}"
    "img{max-width:100%;height:auto}table{max-width:100%}pre{white-space:pre-wrap}"
    "blockquote{margin:.5em 0;padding-left:.8em;border-left:3px solid #d1d5db;color:#4b5563}"
    "a[data-misleading]{outline:2px solid #dc2626;outline-offset:1px}"
    "a[data-misleading]::after{content:' ⚠ ' attr(title);color:#dc2626;font-size:.85em}"
)

V = TypeVar("V")


class Kept(Generic[V]):
    """The last results that were asked for, as many as fit into `most` bytes; safe between threads."""

    def __init__(self, most: int) -> None:
        self._most, self._size = most, 0
        self._kept: OrderedDict[Hashable, tuple[V, int]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Hashable, make: Callable[[], V], *, size: Callable[[V], int]) -> V:
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key][0]
        made = make()
        weight = size(made)
        with self._lock:
            if weight <= self._most // 4 and key not in self._kept:
                self._kept[key] = (made, weight)
                self._size += weight
            while self._size > self._most:
                self._size -= self._kept.popitem(last=False)[1][1]
        return made


_mails: Kept[ParsedMail] = Kept(48_000_000)
_documents: Kept[str] = Kept(8_000_000)
_thumbnails: Kept[bytes] = Kept(8_000_000)


def html(session: Session, who: Viewer, message_id: int, *, remote: bool = False) -> str:
    """A whole HTML document for the sandboxed frame; pictures from elsewhere only with `remote`.

    The root element tells in `data-blocked` how many pictures were left out, and in `data-cut` whether something beyond
    our limits was. Serve it under its own Content-Security-Policy.
    """
    message = _message(session, who, message_id)
    return _documents.get(
        (message.id, message.raw_sha256, remote),
        lambda: _document(message.id, _parsed(message.raw_sha256), remote=remote),
        size=len,
    )


def attachment(session: Session, who: Viewer, message_id: int, position: int) -> tuple[str, str, bytes]:
    """(clean name, safe content type, bytes). Serve it as a download with `nosniff`."""
    message = _message(session, who, message_id)
    return _read(_row(session, message_id, position), _parsed(message.raw_sha256))


def inline(session: Session, who: Viewer, message_id: int, position: int) -> tuple[str, str, bytes]:
    """The same for what may be shown inside a page: pictures whose bytes are pictures. NotFound for all else."""
    name, content_type, data = attachment(session, who, message_id, position)
    if content_type not in names.INLINE_IMAGES or names.safe_type(name, content_type, data) != content_type:
        raise NotFound
    return name, content_type, data


def raw(session: Session, who: Viewer, message_id: int) -> bytes:
    """The mail as it came or left. Serve it as a download named .eml."""
    return _bytes(_message(session, who, message_id).raw_sha256)


def thumbnail(session: Session, who: Viewer, message_id: int, position: int) -> bytes:
    """A PNG of at most 320 pixels, without the picture's metadata. NotFound for what is no picture or too large."""
    message = _message(session, who, message_id)
    row = _row(session, message_id, position)
    if row.content_type not in PICTURES or row.size > LARGEST_PICTURE:
        raise NotFound
    return _thumbnails.get(
        row.sha256, lambda: small(_read(row, _parsed(message.raw_sha256))[2], row.content_type), size=len
    )


def small(data: bytes, content_type: str) -> bytes:
    """The picture in at most 320 pixels as PNG. NotFound when it cannot be read or has too many pixels."""
    with AT_ONCE:
        try:
            with Image.open(io.BytesIO(data), formats=[PICTURES[content_type]]) as picture:
                if picture.width * picture.height > MOST_PIXELS:
                    raise NotFound
                picture.draft("RGB", (THUMBNAIL * 2, THUMBNAIL * 2))  # JPEG: decode only as much as is needed
                upright = ImageOps.exif_transpose(picture)
                plain = upright.convert(
                    "RGBA" if "A" in upright.getbands() or "transparency" in upright.info else "RGB"
                )
                plain.thumbnail((THUMBNAIL, THUMBNAIL))
                out = io.BytesIO()
                plain.save(out, "PNG")
                return out.getvalue()
        except (
            UnidentifiedImageError,
            OSError,
            ValueError,
            SyntaxError,
            EOFError,
            MemoryError,
            Image.DecompressionBombError,
            Image.DecompressionBombWarning,
        ):
            raise NotFound from None


def preview(session: Session, who: Viewer, message_id: int, position: int) -> str:
    """The beginning of a small text or CSV file. NotFound for other files."""
    message = _message(session, who, message_id)
    row = _row(session, message_id, position)
    if not previewable(row.content_type, row.size):
        raise NotFound
    return charsets.decode(_read(row, _parsed(message.raw_sha256))[2]).text[:SHOWN_PREVIEW]


def previewable(content_type: str, size: int) -> bool:
    return content_type in PREVIEWED and size <= LARGEST_PREVIEW


def all_as_zip(session: Session, who: Viewer, message_id: int) -> bytes:
    """All files of a message in one archive, names made different from one another."""
    message = _message(session, who, message_id)
    rows = session.scalars(
        select(Attachment).where(Attachment.message_id == message_id).order_by(Attachment.position)
    ).all()
    if not rows:
        raise NotFound
    if sum(row.size for row in rows) > LARGEST_ZIP:
        raise UserError(N_("These files are too large for one archive. Download them one by one."))
    mail, out, used = _parsed(message.raw_sha256), io.BytesIO(), set[str]()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for row in rows:
            name, _content_type, data = _read(row, mail)
            archive.writestr(_different(name, used), data)
    return out.getvalue()


def inline_path(message_id: int, position: int) -> str:
    """Where the frame loads an inline picture from."""
    return f"/messages/{message_id}/inline/{position}"


def _document(message_id: int, mail: ParsedMail, *, remote: bool) -> str:
    by_id = {part.content_id: n for n, part in reversed(list(enumerate(mail.attachments))) if part.content_id}

    def address(source: str) -> str | None:
        if not source.lower().startswith("cid:"):
            return source if remote else None
        position = by_id.get(content_id(source))
        return inline_path(message_id, position) if position is not None else None

    if mail.html:
        clean = safe_html.clean(mail.html, remote=remote, image_url=address)
        body, blocked, cut = clean.html, clean.blocked_remote, clean.cut
    else:
        body, blocked, cut = f'<div style="white-space:pre-wrap">{linkify.linked(mail.text)}</div>', 0, False
    return (
        f'<!doctype html><html data-blocked="{blocked}" data-cut="{int(cut)}"><head><meta charset="utf-8">'
        '<meta name="referrer" content="no-referrer"><meta name="viewport" content="width=device-width">'
        f"<title></title><style>{STYLE}</style></head><body>{body}</body></html>"
    )


def _message(session: Session, who: Viewer, message_id: int) -> Any:
    """(id, raw_sha256) of a message that `who` may see; else NotFound."""
    wanted = select(Message.id, Message.raw_sha256).join(Conversation, Conversation.id == Message.conversation_id)
    found = session.execute(
        wanted.where(Message.id == message_id, Conversation.mailbox_id.in_(who.mailbox_ids))
    ).one_or_none()
    if found is None:
        raise NotFound
    return found


def _row(session: Session, message_id: int, position: int) -> Attachment:
    found = session.scalar(
        select(Attachment).where(Attachment.message_id == message_id, Attachment.position == position)
    )
    if found is None:
        raise NotFound
    return found


def _read(row: Attachment, mail: ParsedMail) -> tuple[str, str, bytes]:
    """The very bytes that were seen when the mail was filed, also if parsing puts its parts in another order today."""
    parts = mail.attachments
    part = parts[row.position] if row.position < len(parts) else None
    if part is None or part.sha256 != row.sha256:
        part = next((one for one in (*parts, *mail.parts) if one.sha256 == row.sha256), None)
    if part is None:
        raise NotFound
    return row.name, row.content_type, part.data


def _parsed(sha256: str) -> ParsedMail:
    def understood() -> ParsedMail:
        try:
            return parse(_bytes(sha256))
        except TooComplex:
            raise UserError(N_("This mail is too complex to be shown. Download the original to look at it.")) from None

    return _mails.get(
        sha256, understood, size=lambda mail: sum(len(p.data) for p in mail.parts) + len(mail.html) * 2 + 4_000
    )


def _bytes(sha256: str) -> bytes:
    try:
        return blobs().get(sha256)
    except MissingBlob:
        raise NotFound(N_("The original of this mail is missing in the store.")) from None


def _different(name: str, used: set[str]) -> str:
    stem, dot, extension = name.rpartition(".") if "." in name else (name, "", "")
    candidate, n = name, 1
    while candidate.lower() in used:
        n += 1
        candidate = f"{stem} ({n}){dot}{extension}"
    used.add(candidate.lower())
    return candidate
