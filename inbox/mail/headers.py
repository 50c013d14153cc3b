"""Header fields: splitting a block into them (RFC 5322) and reading their text, encoded words (RFC 2047) included."""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterator
from typing import NamedTuple

from inbox.mail import charsets
from inbox.mail.limits import DEFAULT, Limits, TooComplex
from inbox.mail.transfer import decode_base64


class Block(NamedTuple):
    """Header fields in order with raw values (still folded bytes), and where the body begins."""

    fields: list[tuple[str, bytes]]
    body: int


_BLANK_LINE = re.compile(rb"\n\r?\n")
_FIELD = re.compile(rb"^([!-9;-~]+)[ \t]*:(?!//)[ \t]*(.*(?:\n[ \t].*)*)(?:\n|\Z)", re.M)
_MBOX_LINE = re.compile(rb">?From [^\n]*\n")


def split(data: bytes, start: int, end: int, *, limits: Limits = DEFAULT) -> Block:
    """Reads the header block at data[start:end]. Lines that are no headers are taken for broken folding.

    Without a blank line the headers end before the first line that is none. Raises TooComplex.
    """
    envelope = _MBOX_LINE.match(data, start, end)
    if envelope:
        start = envelope.end()
    if data.startswith((b"\n", b"\r\n"), start, end):
        return Block([], data.index(b"\n", start) + 1)
    blank = _BLANK_LINE.search(data, start, min(end, start + limits.header_block))
    if blank:
        block, body = data[start : blank.start() + 1], blank.end()
    elif end - start > limits.header_block:
        if _FIELD.match(data, start, start + 1024):
            raise TooComplex(f"more than {limits.header_block // 1024} KB of headers")
        return Block([], start)
    else:
        block, body = data[start:end], end
    fields, tidy = _fields(block.replace(b"\r\n", b"\n") if b"\r" in block else block)
    if not tidy:
        fields, rest = _untidy_fields(block, stop_at_junk=blank is None)
        if not fields:
            return Block([], start)
        if rest:
            body = end - rest if blank is None else body
    if len(fields) > limits.headers:
        raise TooComplex(f"more than {limits.headers} headers")
    return Block(fields, body)


def _fields(block: bytes) -> tuple[list[tuple[str, bytes]], bool]:
    fields = []
    position = 0
    for match in _FIELD.finditer(block):
        if match.start() != position:
            return fields, False
        position = match.end()
        fields.append((match[1].decode("ascii"), match[2]))
    return fields, position >= len(block)


_LINE = re.compile(rb"[^\n]*\n|[^\n]+")
_FIELD_START = re.compile(rb"([!-9;-~]+)[ \t]*:(?!//)")


def _untidy_fields(block: bytes, *, stop_at_junk: bool) -> tuple[list[tuple[str, bytes]], int]:
    """Fields, and how many bytes at the block's end are no headers any more (0 unless `stop_at_junk`)."""
    fields: list[tuple[str, list[bytes]]] = []
    lines = _LINE.findall(block)
    left = len(block)
    for line in lines:
        found = _FIELD_START.match(line)
        if found:
            fields.append((found[1].decode("ascii"), [line[found.end() :].strip(b" \t\r\n")]))
        elif line[:1] in (b" ", b"\t") or not stop_at_junk:
            if fields:
                fields[-1][1].append(line.rstrip(b"\r\n"))
            elif not stop_at_junk and len(lines) == 1:
                break
        else:
            return [(name, _refolded(value)) for name, value in fields], left
        left -= len(line)
    return [(name, _refolded(value)) for name, value in fields], 0


def _refolded(lines: list[bytes]) -> bytes:
    return b"\n".join([lines[0], *(line if line[:1] in (b" ", b"\t") else b" " + line for line in lines[1:])])


# --- text -----------------------------------------------------------------------------------------------------------

# Anything that ends a line somewhere (terminal, browser, SMTP, Python's str.splitlines) or is invisible control.
CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029]")
_BIDI = re.compile("[\u202a-\u202e\u2066-\u2069\u200e\u200f\u061c\ufeff]")


def to_text(raw: bytes, *, hint: str | None = None) -> str:
    """A raw field value unfolded and read as text, encoded words left as they are. `hint` is the mail's own charset."""
    text = raw.decode("ascii") if raw.isascii() and b"\x1b" not in raw else _eight_bits(raw, hint)
    if "\n" in text:
        text = text.replace("\r\n", "\n").replace("\n", "")
    if CONTROLS.search(text):
        text = CONTROLS.sub(harmless, text)
    return text.strip(" \t")


def harmless(control: re.Match[str]) -> str:
    return "\ufffd" if control[0] == "\0" else " "


def _eight_bits(raw: bytes, hint: str | None) -> str:
    try:
        if b"\x1b" not in raw:
            return raw.decode("utf-8")
    except UnicodeDecodeError:
        pass
    hinted = charsets.codec_of(hint) if hint else None
    if hinted not in (None, "ascii", "utf-8"):
        decoded = charsets.decode(raw, hint)
        if not decoded.warning:
            return decoded.text
    return charsets.decode(raw).text


def decode_words(text: str, *, limit: int = DEFAULT.encoded_header) -> str:
    """Encoded words (RFC 2047) of `text` decoded wherever they stand, quoted strings included; broken ones stay.

    Neighbours of one charset are joined as bytes first, because senders cut characters in two. Text longer than `limit`
    is not decoded.
    """
    if "=?" not in text or len(text) > limit:
        return text
    out: list[str] = []
    pending: list[_Word] = []
    position = 0
    for word in _words(text):
        between = text[position : word.start]
        if pending and (between.strip(" \t\r\n") or word.charset != pending[0].charset):
            out.append(_word_text(pending))
            pending = []
            between = between if between.strip(" \t\r\n") else ""
        elif pending:
            between = ""
        out.append(between)
        pending.append(word)
        position = word.end
    if pending:
        out.append(_word_text(pending))
    out.append(text[position:])
    decoded = "".join(out)
    return CONTROLS.sub(harmless, decoded) if CONTROLS.search(decoded) else decoded


class _Word(NamedTuple):
    start: int
    end: int
    charset: str
    encoding: str  # "b" or "q"
    payload: bytes


def _words(text: str) -> Iterator[_Word]:
    start = text.find("=?")
    while start >= 0:
        close = text.find("?", start + 2)
        if close < 0:
            return
        charset = text[start + 2 : close]
        body = close + 3
        if (
            text[close + 2 : body] != "?"
            or text[close + 1] not in "bBqQ"
            or not charset
            or " " in charset
            or "=?" in charset
        ):
            start = text.find("=?", start + 2)
            continue
        end = text.find("?=", body)
        if end < 0:
            return
        inner = text.find("=?", body, end)
        if inner >= 0 and (text[close + 1] in "bB" or _WORD_HEAD.match(text, inner)):
            start = inner  # the word before was never closed
            continue
        payload = text[body:end].encode("utf-8", "surrogatepass")
        yield _Word(start, end + 2, charset.partition("*")[0].strip().lower(), text[close + 1].lower(), payload)
        start = text.find("=?", end + 2)


_WORD_HEAD = re.compile(r"=\?[^?\s]{1,60}\?[bBqQ]\?")


def _word_text(words: list[_Word]) -> str:
    """The text of neighbouring words of one charset. Their base64 may be one text, cut within four characters."""
    pieces = [decode_base64(w.payload) if w.encoding == "b" else binascii.a2b_qp(w.payload, header=True) for w in words]
    text = charsets.decode(b"".join(pieces), words[0].charset).text
    if "\ufffd" in text and len(words) > 1 and all(word.encoding == "b" for word in words):
        whole = charsets.decode(decode_base64(b"".join(word.payload for word in words)), words[0].charset).text
        return whole if whole.count("\ufffd") < text.count("\ufffd") else text
    return text


def one_line(text: str) -> str:
    """`text` on one line without control characters; runs of blanks become one."""
    return " ".join(_BIDI.sub("", CONTROLS.sub(harmless, text)).split())
