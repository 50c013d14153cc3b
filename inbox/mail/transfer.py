"""Undoes transfer encodings: base64, quoted-printable, uuencode. Takes whatever mail contains; never raises, linear."""

from __future__ import annotations

import binascii
import re
from typing import NamedTuple

import pybase64


def encoding_of(text: str) -> str:
    """base64, quoted-printable, uuencode, or "" for everything that needs no decoding."""
    word = re.sub(r"[^a-z0-9]", "", text.lower().partition(";")[0].partition("(")[0])
    if word.startswith("base64"):
        return "base64"
    if word.startswith("quotedprintable"):
        return "quoted-printable"
    if word in ("xuuencode", "uuencode", "xuue", "uue"):
        return "uuencode"
    return ""


def decoded(data: bytes, encoding: str) -> bytes:
    if encoding == "base64":
        return _base64(data)
    if encoding == "quoted-printable":
        return quoted_printable(data)
    if encoding == "uuencode":
        files = uuencoded(data)
        return files[0].data if files else data
    return data


def _base64(data: bytes) -> bytes:
    """Base64, or the data itself when it is plainly not encoded at all."""
    sample = data[:4096]
    junk = len(sample) - len(_IN_BASE64.sub(b"", sample)) if b" " in sample.strip() else 0
    if junk and junk > len(sample) // 50:
        return data
    return decode_base64(data)


_IN_BASE64 = re.compile(rb"[^A-Za-z0-9+/=\s]|(?<=[A-Za-z]) (?=[A-Za-z])")
_BLANKS_AT_LINE_END = re.compile(rb"(?<![ \t])[ \t]+(?=\r?\n)")


def quoted_printable(data: bytes) -> bytes:
    """Quoted-printable (RFC 2045 §6.7): trailing blanks dropped, wrong escapes kept as they are."""
    if b" \n" in data or b"\t\n" in data or b" \r\n" in data or b"\t\r\n" in data:
        data = _BLANKS_AT_LINE_END.sub(b"", data)
    return binascii.a2b_qp(data)


_UU_BEGIN = re.compile(rb"^begin(?:-base64)? [0-7]{3,4} ([^\r\n]{1,255}?)[ \t]*\r?\n", re.M)
MAX_INLINE_FILES = 50


class File(NamedTuple):
    """A file found in a text, at text[start:end]. `name` as it is written there."""

    name: bytes
    data: bytes
    start: int
    end: int


def uuencoded(text: bytes) -> list[File]:
    """The uuencoded files that stand in a text."""
    files: list[File] = []
    begin = _UU_BEGIN.search(text)
    while begin and len(files) < MAX_INLINE_FILES:
        data, end = _uu_lines(text, begin.end())
        if data is not None:
            files.append(File(begin[1], data, begin.start(), end))
        begin = _UU_BEGIN.search(text, end if data is not None else begin.end())
    return files


def _uu_lines(data: bytes, position: int) -> tuple[bytes | None, int]:
    out = []
    while position < len(data):
        line_end = data.find(b"\n", position)
        line_end = len(data) if line_end < 0 else line_end
        line = data[position:line_end].rstrip(b"\r")
        position = line_end + 1
        if line.strip() == b"end":
            return b"".join(out), min(position, len(data))
        try:
            out.append(binascii.a2b_uu(line[:90]))
        except binascii.Error:
            length = ((line[0] - 32) & 63) if line else 0
            try:
                out.append(binascii.a2b_uu(line[: (length * 4 + 2) // 3 + 1]))
            except binascii.Error:
                return None, position
    return None, position


_NOT_BASE64 = re.compile(rb"[^A-Za-z0-9+/=]+")
_PADDED = re.compile(rb"[^=]+")


def decode_base64(raw: bytes) -> bytes:
    """Base64 as mail contains it: junk skipped, missing padding added, pieces that were encoded apart joined."""
    end = raw.find(b"=")
    if end < 0 or not raw[end:].strip(b"= \t\r\n"):
        try:
            return pybase64.b64decode(raw)
        except binascii.Error:
            pass
    cleaned = _NOT_BASE64.sub(b"", raw)
    return b"".join(_base64_piece(piece) for piece in _PADDED.findall(cleaned))


def _base64_piece(piece: bytes) -> bytes:
    if len(piece) % 4 == 1:
        piece = piece[:-1]
    return binascii.a2b_base64(piece + b"=" * (-len(piece) % 4))
