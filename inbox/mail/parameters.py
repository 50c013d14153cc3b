"""Structured fields such as Content-Type: main value and parameters (RFC 2045, RFC 2231), however sent."""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterator
from typing import NamedTuple

from inbox.mail import charsets
from inbox.mail.headers import decode_words
from inbox.mail.limits import DEFAULT, Limits, TooComplex


class Parameters(NamedTuple):
    """A structured field such as Content-Type: its main value in lower case ("" when missing) and its parameters."""

    value: str
    params: dict[str, str]


_MAIN = re.compile(r"[\s;,]*([^\s;,=\"()]+/?[^\s;,=\"()]*)(?=[\s;,(]|$)")
_SEPARATORS = re.compile(r"[\s;,]*")
_PARAM_NAME = re.compile(r"([^\s=;\"]+)\s*=\s*")
_NEXT_PARAM = re.compile(r"\s+[A-Za-z][\w-]*(?:\*\d{1,3})?\*?=")
_COMMENT_AFTER = re.compile(r"\s*\([^()]*\)\s*$")
_SECTION = re.compile(r"(.+?)\*(?:(\d{1,4})(\*)?)?$")


def parameters(text: str, *, limits: Limits = DEFAULT) -> Parameters:
    """Splits an unfolded field value into main value and parameters, RFC 2231 and encoded words decoded.

    Missing semicolons, unquoted blanks, unclosed quotes and comments are tolerated. Raises TooComplex.
    """
    if len(text) > limits.parameter_header:
        raise TooComplex(f"a header with more than {limits.parameter_header // 1024} KB of parameters")
    main = _MAIN.match(text)
    position = main.end() if main else 0
    plain: dict[str, str] = {}
    sections: dict[str, dict[int, tuple[str, bool, bool]]] = {}
    for name, value, quoted in _pairs(text, position):
        extended = _SECTION.match(name) if "*" in name else None
        if extended is None:
            plain.setdefault(name, value)
            continue
        number = int(extended[2] or 0)
        known = sections.setdefault(extended[1], {})
        if len(known) >= limits.continuations:
            raise TooComplex(f"more than {limits.continuations} continuations of a parameter")
        known.setdefault(number, (value, quoted, extended[2] is None or extended[3] is not None))
    params = {name: decode_words(value, limit=limits.encoded_header) for name, value in plain.items()}
    for name, pieces in sections.items():
        params[name] = _joined(pieces, limits)
    return Parameters(main[1].lower() if main else "", params)


def _pairs(text: str, position: int) -> Iterator[tuple[str, str, bool]]:
    while True:
        position = _SEPARATORS.match(text, position).end()  # type: ignore[union-attr] -- matches nothing at least
        head = _PARAM_NAME.match(text, position)
        if head is None:
            semicolon = text.find(";", position)
            if semicolon < 0:
                return
            position = semicolon + 1
            continue
        name = head[1].lower()
        position = head.end()
        quoted = text.startswith('"', position)
        value, position = _quoted(text, position) if quoted else _bare(text, position, name)
        yield name, value, quoted


_QUOTE_OR_BACKSLASH = re.compile(r'["\\]')


def _quoted(text: str, start: int) -> tuple[str, int]:
    out = []
    position = start + 1
    while True:
        special = _QUOTE_OR_BACKSLASH.search(text, position)
        if special is None:
            out.append(text[position:])
            return "".join(out), len(text)
        at = special.start()
        out.append(text[position:at])
        if special[0] == '"':
            return "".join(out), at + 1
        escaped = text[at + 1 : at + 2]
        out.append(escaped if escaped in ('"', "\\") else "\\" + escaped)  # C:\folder\file is no escape
        position = at + 2


def _bare(text: str, start: int, name: str) -> tuple[str, int]:
    end = text.find(";", start)
    end = len(text) if end < 0 else end
    following = _NEXT_PARAM.search(text, start, end)
    if following:
        end = following.start()
    value = text[start:end].strip()
    if "name" not in name:
        value = _COMMENT_AFTER.sub("", value)
    return value, end


def _joined(pieces: dict[int, tuple[str, bool, bool]], limits: Limits) -> str:
    """One value from its numbered pieces (RFC 2231 §3 and §4.1)."""
    ordered = [pieces[number] for number in sorted(pieces)]
    if not any(extended for _, _, extended in ordered):
        return decode_words("".join(value for value, _, _ in ordered), limit=limits.encoded_header)
    charset = None
    first, quoted, extended = ordered[0]
    if (extended or not quoted) and first.count("'") >= 2:
        charset, _, first = first.split("'", 2)
        ordered[0] = (first, quoted, True)
    data = b"".join(
        _unpercent(value) if extended else value.encode("utf-8", "surrogatepass") for value, _, extended in ordered
    )
    text = charsets.decode(data, charset.strip() if charset else None).text
    return decode_words(text, limit=limits.encoded_header)


_PERCENT = re.compile(rb"%([0-9A-Fa-f]{2})")


def _unpercent(value: str) -> bytes:
    return _PERCENT.sub(lambda found: binascii.unhexlify(found[1]), value.encode("utf-8", "surrogatepass"))
