"""Header fields: splitting, encoded words (RFC 2047), parameters (RFC 2045, 2231), addresses, dates, message ids (RFC 5322).

Everything here takes what real mail contains, not only what the standards allow, is linear in its input and never raises
but `TooComplex`.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from typing import NamedTuple

from inbox.mail import charsets
from inbox.mail.facts import Address


class TooComplex(ValueError):
    """The mail is beyond the limits of what is parsed; it goes to the quarantine with this sentence, its bytes kept."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a mail may have before parsing it is refused. Sizes in bytes."""

    depth: int = 50  # multiparts in multiparts
    parts: int = 1_000
    headers: int = 1_000  # in one block
    header_block: int = 256 * 1024
    encoded_header: int = 10 * 1024  # a header with encoded words
    parameter_header: int = 64 * 1024  # Content-Type and the like
    continuations: int = 100  # of one RFC 2231 parameter
    addresses: int = 2_000  # in one header
    references: int = 50  # the last ones, beside the first


DEFAULT = Limits()


# --- blocks -----------------------------------------------------------------------------------------------------------


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


# --- text -------------------------------------------------------------------------------------------------------------

# Anything that ends a line somewhere (terminal, browser, SMTP, Python's str.splitlines) or is invisible control.
_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029]")
_BIDI = re.compile("[\u202a-\u202e\u2066-\u2069\u200e\u200f\u061c\ufeff]")


def to_text(raw: bytes, *, hint: str | None = None) -> str:
    """A raw field value unfolded and read as text, encoded words left as they are. `hint` is the mail's own charset."""
    if raw.isascii() and b"\x1b" not in raw:
        text = raw.decode("ascii")
    else:
        text = _eight_bits(raw, hint)
    if "\n" in text:
        text = text.replace("\r\n", "\n").replace("\n", "")
    if _CONTROLS.search(text):
        text = _CONTROLS.sub(_harmless, text)
    return text.strip(" \t")


def _harmless(control: re.Match[str]) -> str:
    return "" if control[0] == "\0" else " "


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
    pending: list[bytes] = []
    charset = ""
    position = 0
    for word in _words(text):
        between = text[position : word.start]
        if pending and (between.strip(" \t\r\n") or word.charset != charset):
            out.append(_word_text(pending, charset))
            pending = []
            between = between if between.strip(" \t\r\n") else ""
        elif pending:
            between = ""
        out.append(between)
        charset = word.charset
        pending.append(word.data)
        position = word.end
    if pending:
        out.append(_word_text(pending, charset))
    out.append(text[position:])
    decoded = "".join(out)
    return _CONTROLS.sub(_harmless, decoded) if _CONTROLS.search(decoded) else decoded


class _Word(NamedTuple):
    start: int
    end: int
    charset: str
    data: bytes


def _words(text: str) -> Iterator[_Word]:
    start = text.find("=?")
    while start >= 0:
        close = text.find("?", start + 2)
        if close < 0:
            return
        charset = text[start + 2 : close]
        body = close + 3
        if text[close + 2 : body] != "?" or text[close + 1] not in "bBqQ" or not charset or " " in charset or "=?" in charset:
            start = text.find("=?", start + 2)
            continue
        end = text.find("?=", body)
        if end < 0:
            return
        inner = text.find("=?", body, end)
        if inner >= 0 and text[close + 1] in "bB" or inner >= 0 and _WORD_HEAD.match(text, inner):
            start = inner  # the word before was never closed
            continue
        payload = text[body:end]
        yield _Word(start, end + 2, charset.partition("*")[0].strip().lower(), _word_bytes(payload, text[close + 1]))
        start = text.find("=?", end + 2)


_WORD_HEAD = re.compile(r"=\?[^?\s]{1,60}\?[bBqQ]\?")


def _word_bytes(payload: str, encoding: str) -> bytes:
    raw = payload.encode("utf-8", "surrogatepass")
    if encoding in "bB":
        return decode_base64(raw)
    return binascii.a2b_qp(raw.replace(b"\n", b"").replace(b"\r", b""), header=True)


def _word_text(pieces: list[bytes], charset: str) -> str:
    return charsets.decode(b"".join(pieces), charset).text


_NOT_BASE64 = re.compile(rb"[^A-Za-z0-9+/=]+")
_PADDED = re.compile(rb"[^=]+")


def decode_base64(raw: bytes) -> bytes:
    """Base64 as mail contains it: junk skipped, missing padding added, pieces that were encoded apart joined."""
    end = raw.find(b"=")
    if end < 0 or not raw[end:].strip(b"= \t\r\n"):
        try:
            return binascii.a2b_base64(raw)
        except binascii.Error:
            pass
    cleaned = _NOT_BASE64.sub(b"", raw)
    return b"".join(_base64_piece(piece) for piece in _PADDED.findall(cleaned))


def _base64_piece(piece: bytes) -> bytes:
    if len(piece) % 4 == 1:
        piece = piece[:-1]
    return binascii.a2b_base64(piece + b"=" * (-len(piece) % 4))


def one_line(text: str) -> str:
    """`text` on one line without control characters; runs of blanks become one."""
    return " ".join(_BIDI.sub("", _CONTROLS.sub(_harmless, text)).split())


# --- parameters -------------------------------------------------------------------------------------------------------


class Parameters(NamedTuple):
    """A structured field such as Content-Type: its main value in lower case ("" when missing) and its parameters."""

    value: str
    params: dict[str, str]


_MAIN = re.compile(r"[\s;,]*([^\s;,=\"()]+/?[^\s;,=\"()]*)(?=[\s;,(]|$)")
_PARAM_NAME = re.compile(r"[\s;,]*([^\s=;\"]+)\s*=\s*")
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


# --- message ids ------------------------------------------------------------------------------------------------------

_BRACKETED = re.compile(r"<([^<>]*)>")
_BLANKS = re.compile(r"\s+")


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


# --- dates ------------------------------------------------------------------------------------------------------------

_MONTHS = {
    name: number
    for number, names in enumerate(
        (
            "jan january januar janvier enero ene gennaio gen",
            "feb february februar février fevrier fév fev febrero febbraio",
            "mar march märz maerz mär mrz mars marzo",
            "apr april avril avr abril abr aprile",
            "may mai mayo maggio mag",
            "jun june juni juin junio giugno giu",
            "jul july juli juillet juil julio luglio lug",
            "aug august août aout aoû agosto ago",
            "sep sept september septembre septiembre settembre set",
            "oct october oktober okt octobre octubre ottobre ott",
            "nov november novembre noviembre",
            "dec december dezember dez décembre decembre déc diciembre dic dicembre",
        ),
        start=1,
    )
    for name in names.split()
}
_ZONES = {
    "ut": 0, "gmt": 0, "utc": 0, "z": 0, "wet": 0, "bst": 60, "west": 60, "met": 60, "cet": 60, "mez": 60, "cest": 120,
    "mest": 120, "mesz": 120, "eet": 120, "eest": 180, "msk": 180, "msd": 240, "sast": 120, "jst": 540, "kst": 540,
    "hkt": 480, "sgt": 480, "awst": 480, "acst": 570, "aest": 600, "aedt": 660, "nzst": 720, "nzdt": 780, "est": -300,
    "edt": -240, "cst": -360, "cdt": -300, "mst": -420, "mdt": -360, "pst": -480, "pdt": -420, "akst": -540, "hst": -600,
    "ast": -240, "adt": -180, "nst": -210, "ndt": -150, "brt": -180, "art": -180,
}  # fmt: skip
_CLOCK = r"(\d{1,2})\s*[:.h]\s*(\d{1,2})(?:\s*[:.m]\s*(\d{1,2}))?(?:[.,]\d+)?s?"
_ZONE = r"(?:\s*([AaPp]\.?[Mm]\.?)\b)?(?:\s*(?:GMT|UTC?|UT)?\s*([+-]\s?\d{1,2}:?\d{2}|[A-Za-z]{1,5})\b)?"
_DAY_FIRST = re.compile(rf"(\d{{1,2}})[\s.\-/]+([^\W\d_]{{3,12}})\.?[\s.\-/,]+(\d{{2,4}})[\s,\-T]+{_CLOCK}{_ZONE}")
_MONTH_FIRST = re.compile(rf"\b([^\W\d_]{{3,12}})\.?\s+(\d{{1,2}}),?\s+(\d{{4}})[\s,]+(?:at\s+)?{_CLOCK}{_ZONE}")
_ASCTIME = re.compile(rf"\b([^\W\d_]{{3,12}})\s+(\d{{1,2}})\s+{_CLOCK}(?:\s+([A-Z]{{1,5}}|[+-]\d{{4}}))?\s+(\d{{4}})(?:\s*([+-]\d{{4}}))?")
_ISO = re.compile(rf"(\d{{4}})\s?[-/年.]\s?(\d{{1,2}})\s?[-/月.]\s?(\d{{1,2}})日?(?:\s*\([^)]{{1,4}}\))?[\sT,]*{_CLOCK}{_ZONE}")
_DAY_ONLY = re.compile(r"(\d{1,2})[\s\-]+([^\W\d_]{3,12})\.?[\s\-]+(\d{2,4})\b")
_COMMENT = re.compile(r"\([^()]*\)")


def date(text: str) -> datetime | None:
    """An aware datetime from a Date field: RFC 5322 with its obsolete forms, asctime, ISO 8601; None when unreadable.

    An unknown or missing zone counts as UTC. Two-digit years follow RFC 5322 §4.3.
    """
    text = _COMMENT.sub(" ", text[:200])
    if found := _DAY_FIRST.search(text):
        day, month, year, hour, minute, second, half, zone = found.groups()
        return _moment(year, _month(month), day, hour, minute, second, half, zone)
    if found := _ISO.search(text):
        year, month, day, hour, minute, second, half, zone = found.groups()
        return _moment(year, int(month), day, hour, minute, second, half, zone)
    if found := _MONTH_FIRST.search(text):
        month, day, year, hour, minute, second, half, zone = found.groups()
        return _moment(year, _month(month), day, hour, minute, second, half, zone)
    if found := _ASCTIME.search(text):
        month, day, hour, minute, second, zone, year, offset = found.groups()
        return _moment(year, _month(month), day, hour, minute, second, None, offset or zone)
    if found := _DAY_ONLY.search(text):
        day, month, year = found.groups()
        return _moment(year, _month(month), day, "0", "0", "0", None, None)
    return None


def _month(name: str) -> int | None:
    name = name.lower()
    return _MONTHS.get(name) or _MONTHS.get(name[:4]) or _MONTHS.get(name[:3])


def _moment(  # noqa: PLR0913, PLR0917 -- the eight fields of a date
    year: str, month: int | None, day: str, hour: str, minute: str, second: str | None, half: str | None, zone: str | None
) -> datetime | None:
    if month is None:
        return None
    number = int(year)
    if len(year) == 2:
        number += 2000 if number < 50 else 1900
    elif len(year) == 3:
        number += 1900
    hours = int(hour)
    if half:
        hours = hours % 12 + (12 if half[0] in "pP" else 0)
    try:
        offset = timezone(timedelta(minutes=_zone_minutes(zone)))
        return datetime(number, month, int(day), hours, int(minute), min(int(second or 0), 59), tzinfo=offset)
    except (ValueError, OverflowError):
        return None


def _zone_minutes(zone: str | None) -> int:
    if not zone:
        return 0
    if zone[0] in "+-":
        digits = zone[1:].strip().replace(":", "").zfill(4)
        minutes = int(digits[:2]) * 60 + int(digits[2:])
        return 0 if minutes >= 24 * 60 else (-minutes if zone[0] == "-" else minutes)
    return _ZONES.get(zone.lower(), 0)


def as_utc(moment: datetime) -> datetime:
    """The same moment in UTC."""
    return moment.astimezone(UTC)


# --- addresses --------------------------------------------------------------------------------------------------------

_SIMPLE = re.compile(r"(?:([^\"(),.:;<>@\[\]\\=?\x00-\x1f]*)<)?([\w.!#$%&'*+/?^`{|}~-]+@[\w.-]+)(>)?", re.A)
_ENCODED_NAME = re.compile(r"\"?((?:=\?[^?\s]{1,40}\?[bBqQ]\?[^?\s\"]*\?=\s*)+)\"?\s*<([\w.!#$%&'*+/?^`{|}~-]+@[\w.-]+)>", re.A)


def addresses(text: str, *, senders: bool = False, limits: Limits = DEFAULT) -> tuple[Address, ...]:
    """Mailboxes of an unfolded address field, in order; groups are opened, their names dropped.

    An address is only ever what stands in the field literally: encoded words are decoded in names alone, and text that
    could be read as two addresses is none (`alice@example.org)bob@evil.example`). The mailbox in angle brackets wins over
    anything before it. Carriers' local parts with doubled or trailing dots are kept. In fields that name `senders`,
    ";" separates nothing. Raises TooComplex.
    """
    simple = _SIMPLE.fullmatch(text)
    if simple and (simple[1] is None) == (simple[3] is None):
        return (Address(" ".join((simple[1] or "").split()), simple[2]),)
    named = _ENCODED_NAME.fullmatch(text)
    if named:
        return (Address(_name(named[1]), named[2]),)
    mailboxes = []
    for item in _items(_tokens(text), senders=senders):
        mailboxes += _mailboxes(item, senders=senders)
        if len(mailboxes) > limits.addresses:
            raise TooComplex(f"more than {limits.addresses} addresses in a header")
    return tuple(mailboxes)


class _Token(NamedTuple):
    kind: str  # one of: blank quoted comment angle encoded literal atom , ; :
    text: str  # as written; without its brackets for angle and comment


_ATOM = re.compile(r"[^\s\"(<,;:\[=]+|=")
_BLANK = re.compile(r"\s+")
_ENCODED = re.compile(r"=\?[^?\s]{1,60}\?[bBqQ]\?[^?]*\?=")
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"', re.S)
_LITERAL = re.compile(r"\[[^\[\]\s<>\"(),;]*\]")


def _tokens(text: str) -> list[_Token]:
    """Lexes an address field in one pass. Brackets and quotes that never close are ordinary characters."""
    closing = _closing_parentheses(text)
    tokens: list[_Token] = []
    position = 0
    quotes_left = True
    angle_end = 0
    while position < len(text):
        ch = text[position]
        found: re.Match[str] | None = None
        if ch == '"' and quotes_left:
            found = _QUOTED.match(text, position)
            quotes_left = found is not None
            kind = "quoted"
        elif ch == "(" and position in closing:
            end = closing[position]
            tokens.append(_Token("comment", text[position + 1 : end]))
            position = end + 1
            continue
        elif ch == "<":
            quoted = _QUOTED.match(text, position + 1) if quotes_left else None
            if angle_end <= position or quoted:
                angle_end = _closing_angle(text, quoted.end() if quoted else position + 1)
            if quoted or text.find("<", position + 1, angle_end) < 0:
                tokens.append(_Token("angle", text[position + 1 : angle_end]))
                position = angle_end + text.startswith(">", angle_end)
                continue
        elif ch in ",;:":
            tokens.append(_Token(ch, ch))
            position += 1
            continue
        elif ch == "=":
            found, kind = _ENCODED.match(text, position), "encoded"
        elif ch == "[":
            found, kind = _LITERAL.match(text, position), "literal"
        elif ch.isspace():
            found, kind = _BLANK.match(text, position), "blank"
        if found is None:
            found, kind = _ATOM.match(text, position), "atom"
        piece = found[0] if found else ch
        tokens.append(_Token(kind if found else "atom", piece))
        position += len(piece)
    return tokens


def _closing_angle(text: str, start: int) -> int:
    """Where an angle bracket closes; one that never does ends before the next comma, or with the field."""
    end = text.find(">", start)
    if end < 0:
        end = text.find(",", start)
    return len(text) if end < 0 else end


def _closing_parentheses(text: str) -> dict[int, int]:
    closing: dict[int, int] = {}
    if "(" not in text:
        return closing
    opened: list[int] = []
    for found in re.finditer(r"\\.|[()]", text, re.S):
        if found[0] == "(":
            opened.append(found.start())
        elif found[0] == ")" and opened:
            closing[opened.pop()] = found.start()
    return closing


def _items(tokens: list[_Token], *, senders: bool) -> list[list[_Token]]:
    """Tokens of each mailbox. A name cut by an unquoted comma ("Doe, John <j@d.example>") is put together again."""
    items: list[list[_Token]] = [[]]
    in_group = False
    for token in tokens:
        if token.kind == ":" and not in_group and not _has_at(items[-1]):
            in_group = True
            items[-1] = []
        elif token.kind == ";" and (in_group or not senders):
            in_group = False
            items.append([])
        elif token.kind == ",":
            items.append([token])
        elif token.kind == ":" and in_group and not _has_at(items[-1]):
            items[-1] = []
        else:
            items[-1].append(token)
    whole: list[list[_Token]] = []
    for item in items:
        if whole and _only_words(whole[-1]) and item[:1] == [_COMMA] and any(t.kind == "angle" for t in item):
            whole[-1] = whole[-1] + item
        else:
            whole.append(item)
    return [item[1:] if item[:1] == [_COMMA] else item for item in whole]


_COMMA = _Token(",", ",")


def _has_at(item: list[_Token]) -> bool:
    return any(token.kind == "angle" or (token.kind == "atom" and "@" in token.text) for token in item)


def _only_words(item: list[_Token]) -> bool:
    """A part of a name: words, but nothing that may be an address; one bare word may be a local mailbox, yet rarely is."""
    words = [token for token in item if token.kind in ("atom", "encoded", "quoted")]
    return bool(words) and not any(token.kind == "angle" or "@" in token.text for token in item)


def _mailboxes(item: list[_Token], *, senders: bool) -> list[Address]:
    angles = [i for i, token in enumerate(item) if token.kind == "angle"]
    if not angles:
        mailbox = _bare_mailbox(item)
        return [mailbox] if mailbox else []
    real = [i for i in angles if "@" in item[i].text] or angles[-1:]
    if senders:
        real = real[-1:]
    mailboxes = []
    start = 0
    for i in real:
        name = _name_of(item[start:i]) or _comment_of(item[i + 1 :])
        spec = _angle_spec(item[i].text)
        if spec or name or item[i].text.strip():
            mailboxes.append(Address(name or ("" if spec else one_line(item[i].text)), spec))
        start = i + 1
    return mailboxes


def _name_of(tokens: list[_Token]) -> str:
    return _name("".join(_spoken(token) for token in tokens if token.kind != "comment"))


def _spoken(token: _Token) -> str:
    if token.kind == "quoted":
        return _unquoted(token.text)
    if token.kind == "angle":
        return f"<{token.text}>"
    return token.text


def _unquoted(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text[1:-1], flags=re.S) if "\\" in text else text[1:-1]


def _name(text: str) -> str:
    name = one_line(decode_words(text))
    if len(name) > 2 and name[0] == name[-1] and name[0] in "\"'" and name[0] not in name[1:-1]:
        name = name[1:-1].strip()
    return name


def _comment_of(tokens: list[_Token]) -> str:
    return _name(" ".join(re.sub(r"\\(.)", r"\1", t.text, flags=re.S) for t in tokens if t.kind == "comment"))


def _bare_mailbox(item: list[_Token]) -> Address | None:
    """A mailbox without angle brackets: `a@b.example (Name)`, `Name a@b.example`, or only a name."""
    words = [token for token in item if token.kind != "comment"]
    while words and words[0].kind == "blank":
        words.pop(0)
    while words and words[-1].kind in ("blank", ";", ":"):
        words.pop()
    if not words:
        return None
    last = max((i for i, token in enumerate(words) if token.kind == "blank"), default=-1)
    if last > 0 and not words[last - 1].text.endswith(".") and words[last + 1].text[:1] not in ".@":
        spec = _spec(words[last + 1 :])
        if spec and not any("@" in token.text for token in words[:last]):
            return Address(_name_of(words[:last]), spec)
    spec = _spec(words)
    if spec:
        return Address(_comment_of(item), spec)
    written = _name_of(words)
    if len(words) == 1 and words[0].kind == "atom" and _LOCAL_WORD.fullmatch(words[0].text):
        return Address(_comment_of(item), words[0].text)  # a mailbox of the sender's own machine: "moderator"
    return Address(written, "") if written else None


_LOCAL_WORD = re.compile(r"[\w.!#$%&'*+/=?^`{|}~-]+")
_DOMAIN = re.compile(r"[^\s@\"(),:;<>\[\]\\\x00-\x20\x7f]+|\[[^\[\]\s\\<>\"(),;]+\]")
_DOT_ATOM = re.compile(r"[^\s@\"(),:;<>\[\]\\\x00-\x20\x7f]+")


def _angle_spec(text: str) -> str:
    text = text.strip().lstrip("<").strip()
    if simple := _SIMPLE.fullmatch(text):
        return simple[2] if simple[1] is None and simple[3] is None else ""
    if text[:1] == "@" and ":" in text:  # a source route, RFC 5322 §4.4
        text = text.rpartition(":")[2]
    if text[:7].lower() == "mailto:":
        text = text[7:]
    if len(text) > 2 and text[0] == text[-1] == "'":
        text = text[1:-1]
    words = [token for token in _tokens(text) if token.kind != "comment"]
    while words and words[0].kind == "blank":
        words.pop(0)
    while words and words[-1].kind == "blank":
        words.pop()
    if len(words) == 1 and words[0].kind == "atom" and _LOCAL_WORD.fullmatch(words[0].text):
        return words[0].text
    return _spec(words)


def _spec(words: list[_Token]) -> str:
    """An addr-spec from its tokens, "" unless it can be read in one way only."""
    if any(token.kind in ("angle", ",", ";", ":") for token in words):
        return ""
    parts = [i for i, token in enumerate(words) if token.kind == "atom" and "@" in token.text]
    if len(parts) != 1 or words[parts[0]].text.count("@") != 1:
        return ""
    at = parts[0]
    before, _, after = words[at].text.partition("@")
    domain = after + "".join(token.text for token in words[at + 1 :] if token.kind != "blank")
    if any(token.kind in ("quoted", "encoded") for token in words[at + 1 :]) or not _DOMAIN.fullmatch(domain):
        return ""
    blanks = [i for i, token in enumerate(words) if token.kind == "blank" and i > at]
    if blanks and not _around_dots(words, blanks, after):
        return ""
    local = _local([*words[:at], *([_Token("atom", before)] if before else [])])
    return f"{local}@{domain}" if local else ""


def _around_dots(words: list[_Token], blanks: list[int], after: str) -> bool:
    """Blanks in a domain are only allowed beside its dots or right after the "@" (RFC 5322 §4.4)."""
    for i in blanks:
        previous = words[i - 1].text if i else after
        following = words[i + 1].text if i + 1 < len(words) else "."
        if not (previous.endswith((".", "@")) or following.startswith(".")):
            return False
    return True


def _local(words: list[_Token]) -> str:
    while words and words[-1].kind == "blank":
        words = words[:-1]
    if not words:
        return ""
    if len(words) == 1 and words[0].kind in ("atom", "encoded"):
        return words[0].text if _DOT_ATOM.fullmatch(words[0].text) else ""
    if len(words) == 1 and words[0].kind == "quoted":
        return words[0].text if not _CONTROLS.search(words[0].text) else ""
    if any(token.kind == "literal" for token in words):
        return ""
    value = "".join(" " if token.kind == "blank" else _spoken(token) for token in words)
    if all(token.kind != "quoted" for token in words):
        value = re.sub(r" ?\. ?", ".", value)
        if any(ch in value for ch in "()<>[]:;,"):
            return ""
    if _CONTROLS.search(value):
        return ""
    if _DOT_ATOM.fullmatch(value):
        return value
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
