"""Unpacks winmail.dat, the Transport Neutral Encapsulation Format of Outlook ([MS-OXTNEF]); bounded and never raises.

Own code, because the readers at hand loop for ever on a count that the file itself states.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

from inbox.mail import charsets

SIGNATURE = 0x223E9F78
MAX_ATTRIBUTES = 5_000
MAX_PROPERTIES = 5_000
MAX_ATTACHMENTS = 200

_TITLE, _DATA, _RENDER, _PROPERTIES, _ATTACHMENT, _CODEPAGE, _BODY = (
    0x8010,
    0x800F,
    0x9002,
    0x9003,
    0x9005,
    0x9007,
    0x800C,
)
_LONG_NAME, _SHORT_NAME, _DISPLAY_NAME, _MIME_TAG, _CONTENT_ID, _OBJECT = 0x3707, 0x3704, 0x3001, 0x370E, 0x3712, 0x3701
_PLAIN, _HTML, _INTERNET_CODEPAGE = 0x1000, 0x1013, 0x3FDE
_MESSAGE_INTERFACE = bytes.fromhex("0703020000000000c000000000000046")


@dataclass
class Packed:
    """One file inside; `content_type` and `content_id` are "" when not told."""

    name: str = ""
    data: bytes = b""
    content_type: str = ""
    content_id: str = ""


@dataclass
class Winmail:
    """What a winmail.dat holds. `html` is bytes in `html_charset`."""

    text: str = ""
    html: bytes = b""
    html_charset: str = ""
    files: list[Packed] = field(default_factory=list)


class _Damaged(ValueError):
    """The structure ends or contradicts itself."""


def unpack(data: bytes) -> Winmail | None:
    """Reads a TNEF stream as far as it is sound; None when it is none at all."""
    if len(data) < 6 or int.from_bytes(data[:4], "little") != SIGNATURE:
        return None
    mail = Winmail()
    charset = "cp1252"
    for kind, value in _attributes(data):
        if kind == _CODEPAGE and len(value) >= 4:
            charset = f"cp{int.from_bytes(value[:4], 'little')}"
        elif kind == _RENDER and len(mail.files) < MAX_ATTACHMENTS:
            mail.files.append(Packed())
        elif kind == _BODY:
            mail.text = mail.text or _string(value, charset)
        elif kind == _PROPERTIES:
            _read_message(mail, value, charset)
        elif mail.files and kind == _TITLE:
            mail.files[-1].name = mail.files[-1].name or _string(value, charset)
        elif mail.files and kind == _DATA:
            mail.files[-1].data = bytes(value)
        elif mail.files and kind == _ATTACHMENT:
            _read_file(mail.files[-1], value, charset)
    return mail


def _attributes(data: bytes) -> Iterator[tuple[int, memoryview]]:
    view = memoryview(data)
    offset = 6
    for _ in range(MAX_ATTRIBUTES):
        if offset + 9 > len(view):
            return
        kind = int.from_bytes(view[offset + 1 : offset + 3], "little")
        length = int.from_bytes(view[offset + 5 : offset + 9], "little")
        yield kind, view[offset + 9 : offset + 9 + length]
        offset += 9 + length + 2


def _read_message(mail: Winmail, value: memoryview, charset: str) -> None:
    for tag, kind, data in _properties(value):
        if tag == _INTERNET_CODEPAGE and len(data) >= 4:
            mail.html_charset = f"cp{int.from_bytes(data[:4], 'little')}"
        elif tag == _PLAIN:
            mail.text = _typed_string(kind, data, charset)
        elif tag == _HTML:
            mail.html = bytes(data)


def _read_file(file: Packed, value: memoryview, charset: str) -> None:
    for tag, kind, data in _properties(value):
        if tag == _LONG_NAME or (tag in (_SHORT_NAME, _DISPLAY_NAME) and not file.name):
            file.name = _typed_string(kind, data, charset) or file.name
        elif tag == _MIME_TAG:
            file.content_type = _typed_string(kind, data, charset).lower()
        elif tag == _CONTENT_ID:
            file.content_id = _typed_string(kind, data, charset).strip("<> ")
        elif tag == _OBJECT:
            file.data = bytes(data[16:]) if len(data) > 16 else bytes(data)
            if bytes(data[:16]) == _MESSAGE_INTERFACE:
                file.content_type = "application/ms-tnef"


_FIXED = {
    0x0002: 2,
    0x0003: 4,
    0x0004: 4,
    0x0005: 8,
    0x0006: 8,
    0x0007: 8,
    0x000A: 4,
    0x000B: 2,
    0x0014: 8,
    0x0040: 8,
    0x0048: 16,
}
_VARIABLE = frozenset({0x0000, 0x000D, 0x001E, 0x001F, 0x0102})


def _properties(view: memoryview) -> Iterator[tuple[int, int, memoryview]]:
    """(tag, type, first value) of each MAPI property; damage ends the reading, what was read so far counts."""
    try:
        yield from _sound_properties(_Reader(view))
    except _Damaged:
        return


def _sound_properties(reader: _Reader) -> Iterator[tuple[int, int, memoryview]]:
    for _ in range(min(reader.number(4), MAX_PROPERTIES)):
        kind, tag = reader.number(2), reader.number(2)
        if tag >= 0x8000:
            _skip_name(reader)
        many = bool(kind & 0x1000)
        kind &= ~0x1000
        if kind in _FIXED:
            yield tag, kind, _fixed(reader, _FIXED[kind], reader.number(4) if many else 1)
        elif kind in _VARIABLE:
            yield tag, kind, _variable(reader)
        elif kind != 0x0001:
            return


def _skip_name(reader: _Reader) -> None:
    reader.take(16)
    if reader.number(4) == 0:
        reader.take(4)
    else:
        reader.padded(reader.number(4))


def _fixed(reader: _Reader, size: int, count: int) -> memoryview:
    return reader.padded(size * count)[:size]


def _variable(reader: _Reader) -> memoryview:
    values = reader.number(4)
    first = reader.padded(reader.number(4)) if values else memoryview(b"")
    for _ in range(values - 1):
        reader.padded(reader.number(4))
    return first


class _Reader:
    """Takes values from the front; every step moves on by what it takes, so a false count ends with the data."""

    def __init__(self, view: memoryview) -> None:
        self.view = view
        self.at = 0

    def take(self, length: int) -> memoryview:
        if self.at + length > len(self.view):
            raise _Damaged
        value = self.view[self.at : self.at + length]
        self.at += length
        return value

    def padded(self, length: int) -> memoryview:
        value = self.take(length)
        self.at += -length % 4
        return value

    def number(self, length: int) -> int:
        return int(struct.unpack("<I" if length == 4 else "<H", self.take(length))[0])


def _typed_string(kind: int, data: memoryview, charset: str) -> str:
    return bytes(data).decode("utf-16-le", "replace").rstrip("\0") if kind == 0x001F else _string(data, charset)


def _string(data: memoryview, charset: str) -> str:
    return charsets.decode(bytes(data).rstrip(b"\0"), charset).text
