"""Finds the parts of a multipart body at its delimiter lines (RFC 2046 §5.1.1)."""

from __future__ import annotations

import re
from dataclasses import dataclass

from inbox.mail.limits import TooComplex


@dataclass(frozen=True, slots=True)
class Range:
    """Bytes raw[start:end] of one entity, header block included."""

    start: int
    end: int


def between(raw: bytes, body: Range, boundary: bytes, *, limit: int) -> list[Range]:
    """The entities between delimiter lines (RFC 2046 §5.1.1); an unclosed last one reaches to the end."""
    delimiter = b"--" + boundary
    ranges: list[Range] = []
    opened: int | None = None
    at = raw.find(delimiter, body.start, body.end)
    while at >= 0:
        after = at + len(delimiter)
        line_end = raw.find(b"\n", after, body.end)
        line_end = body.end if line_end < 0 else line_end
        if at == body.start or raw[at - 1] == 0x0A:
            rest = raw[after : min(line_end, after + 80)].strip(b" \t\r")
            if not rest or rest.startswith(b"--"):
                if opened is not None:
                    ranges.append(Range(opened, max(opened, _before_line_break(raw, at))))
                    if len(ranges) > limit:
                        raise TooComplex(f"more than {limit} parts")
                if rest:
                    return ranges
                opened = min(line_end + 1, body.end)
        at = raw.find(delimiter, after, body.end)
    if opened is not None and (opened < body.end or not ranges):
        ranges.append(Range(opened, body.end))
    return ranges


def _before_line_break(raw: bytes, at: int) -> int:
    """The line break before a delimiter belongs to the delimiter."""
    if at >= 2 and raw[at - 2 : at] == b"\r\n":
        return at - 2
    return at - 1 if at >= 1 and raw[at - 1] == 0x0A else at


_DELIMITER = re.compile(rb"^--([^\s\-][^\r\n]{0,98}[^\s]|-{2,60}[^\s\-][^\r\n]{0,68}[^\s]|[^\s\-])[ \t]*\r?$", re.M)


def guessed_boundary(raw: bytes, body: Range) -> bytes | None:
    """The first line that looks like a delimiter, if a header follows it."""
    found = _DELIMITER.search(raw, body.start, min(body.end, body.start + 64 * 1024))
    if found is None or not _HEADER_NEXT.match(raw, found.end(), body.end):
        return None
    return found[1]


_HEADER_NEXT = re.compile(rb"\r?\n(?:content-[a-z-]+[ \t]*:|\r?\n)", re.I)
