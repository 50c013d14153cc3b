"""Reads a mail's bytes into facts: MIME tree, bodies, attachments, header fields. Pure, bounded, linear, tolerant.

An own parser, because the standard library's is quadratic and recursive on hostile input and the fast ones refuse a whole
mail for one bad line. Boundaries are looked for with bytes.find, so most of the work is done in C.
"""

from __future__ import annotations

import binascii
import re
from dataclasses import dataclass, field

from inbox.mail import bodies, headers, tnef
from inbox.mail.bodies import Node
from inbox.mail.facts import Address, ParsedMail, Part
from inbox.mail.headers import DEFAULT, Limits, TooComplex

__all__ = ["DEFAULT", "Limits", "TooComplex", "parse"]


def parse(raw: bytes, limits: Limits = DEFAULT) -> ParsedMail:
    """Understands any bytes as a mail. Raises TooComplex beyond `limits`, nothing else.

    Line ends of bodies become "\\n"; data of attachments is exactly what the transfer encoding held.
    """
    raw = bytes(raw)
    if b"\r" in raw and b"\n" not in raw:
        raw = raw.replace(b"\r", b"\n")
    reader = _Reader(raw, limits)
    root = reader.entity(_Range(0, len(raw)), path="", depth=0, default="text/plain")
    top = reader.top
    choice = bodies.choose(root)
    attachments = _unpacked(choice, reader)
    found = bodies.read(choice)
    warnings = dict.fromkeys([*reader.warnings, *found.warnings])
    fields = _Fields(top.fields, limits, warnings)
    return ParsedMail(
        subject=fields.subject(),
        from_=fields.addresses("from", senders=True),
        sender=fields.addresses("sender", senders=True),
        to=fields.addresses("to"),
        cc=fields.addresses("cc"),
        reply_to=fields.addresses("reply-to", senders=True),
        message_id=headers.message_id(fields.first("message-id")),
        in_reply_to=headers.message_ids(fields.first("in-reply-to"), limits=limits),
        references=headers.message_ids(fields.first("references"), limits=limits),
        date=headers.date(fields.first("date")),
        text=found.text,
        html=found.html,
        attachments=tuple(attachments),
        parts=tuple(reader.parts),
        headers=fields.decoded(),
        content_type=top.content_type,
        content_params=top.params,
        warnings=tuple(warnings),
        text_is_whole=found.text_is_whole,
    )


class _Fields:
    """The top header fields by name."""

    def __init__(self, fields: list[tuple[str, str]], limits: Limits, warnings: dict[str, None]) -> None:
        self.fields = fields
        self.limits = limits
        self.warnings = warnings
        self.by_name: dict[str, list[str]] = {}
        for name, text in fields:
            self.by_name.setdefault(name.lower(), []).append(text)

    def first(self, name: str) -> str:
        return next((text for text in self.by_name.get(name, ()) if text), "")

    def subject(self) -> str:
        text = self.first("subject")
        if len(text) > self.limits.encoded_header:
            if "=?" in text:
                raise TooComplex(f"a subject of more than {self.limits.encoded_header // 1024} KB")
            self.warnings["subject shortened"] = None
            text = text[: self.limits.encoded_header]
        return headers.decode_words(text).replace("\t", " ").strip()

    def addresses(self, name: str, *, senders: bool = False) -> tuple[Address, ...]:
        texts = self.by_name.get(name, [])
        if senders and len(texts) > 1:
            self.warnings[f"more than one {name.title()}"] = None
            texts = [self.first(name)]
        found: list[Address] = []
        for text in texts:
            found += headers.addresses(text, senders=senders, limits=self.limits) if text else ()
        if len(found) > self.limits.addresses:
            raise TooComplex(f"more than {self.limits.addresses} addresses in {name.title()}")
        return tuple(found)

    def decoded(self) -> tuple[tuple[str, str], ...]:
        limit = self.limits.encoded_header
        return tuple((name, headers.decode_words(text, limit=limit) if "=?" in text else text) for name, text in self.fields)


@dataclass(frozen=True, slots=True)
class _Range:
    """Bytes raw[start:end] of one entity, header block included."""

    start: int
    end: int


@dataclass
class _Head:
    """What an entity's header block says."""

    fields: list[tuple[str, str]] = field(default_factory=list)
    content_type: str = "text/plain"
    params: dict[str, str] = field(default_factory=dict)
    encoding: str = ""
    declared: bool = False  # whether the content type was really given


class _Reader:
    """Walks the MIME tree once, collecting leaves in order."""

    def __init__(self, raw: bytes, limits: Limits) -> None:
        self.raw = raw
        self.limits = limits
        self.parts: list[Part] = []
        self.warnings: list[str] = []
        self.top = _Head()
        self.entities = 0

    def entity(self, where: _Range, *, path: str, depth: int, default: str) -> Node:
        self.entities += 1
        if self.entities > self.limits.parts + 1:
            raise TooComplex(f"more than {self.limits.parts} parts")
        block = headers.split(self.raw, where.start, where.end, limits=self.limits)
        head = self._head(block, default)
        if depth == 0:
            self.top = head
        body = _Range(block.body, where.end)
        if head.content_type.startswith("multipart/"):
            if depth >= self.limits.depth:
                raise TooComplex(f"parts nested more than {self.limits.depth} deep")
            node = self._multipart(head, body, path=path, depth=depth)
            if node is not None:
                return node
            self.warnings.append("a multipart without parts")
            head.content_type = "text/plain"
        return self._leaf(head, body, path=path or "1")

    def _head(self, block: headers.Block, default: str) -> _Head:
        head = _Head(content_type=default)
        hint = _charset_hint(block)
        for name, raw in block.fields:
            head.fields.append((name, headers.to_text(raw, hint=hint)))
        declared = _first(head.fields, "content-type")
        if declared:
            value, head.params = headers.parameters(declared, limits=self.limits)
            head.declared = True
            head.content_type = value if _TYPE.fullmatch(value) else _REPAIRED_TYPES.get(value, "text/plain")
        head.encoding = _encoding_of(_first(head.fields, "content-transfer-encoding"))
        return head

    def _multipart(self, head: _Head, body: _Range, *, path: str, depth: int) -> Node | None:
        ranges = self._ranges(head, body)
        if not ranges:
            return None
        node = Node(head.content_type)
        inner = "message/rfc822" if head.content_type == "multipart/digest" else "text/plain"
        for number, where in enumerate(ranges, start=1):
            child = f"{path}.{number}" if path else str(number)
            node.children.append(self.entity(where, path=child, depth=depth + 1, default=inner))
        return node

    def _ranges(self, head: _Head, body: _Range) -> list[_Range]:
        boundary = head.params.get("boundary", "").rstrip()
        if boundary:
            found = _between(self.raw, body, boundary.encode("utf-8", "surrogatepass"), limit=self.limits.parts)
            if found:
                return found
        guessed = _guessed_boundary(self.raw, body)
        if guessed is None:
            return []
        self.warnings.append("parts found at an undeclared boundary")
        return _between(self.raw, body, guessed, limit=self.limits.parts)

    def _leaf(self, head: _Head, body: _Range, *, path: str) -> Node:
        data = self.raw[body.start : body.end]
        data = _decoded(data, head.encoding)
        if head.content_type == "message/rfc822" and head.encoding in ("", "7bit", "8bit", "binary"):
            data = self.raw[body.start : body.end]
        disposition, name = self._named(head, data)
        content_id = _first(head.fields, "content-id").strip().strip("<>").strip()
        part = Part(
            path=path,
            content_type=head.content_type,
            params=head.params,
            disposition=disposition,
            name=name,
            content_id=content_id or None,
            headers=tuple((n, headers.decode_words(t)) for n, t in head.fields),
            data=data,
        )
        self.parts.append(part)
        return Node(head.content_type, part=part)

    def _named(self, head: _Head, data: bytes) -> tuple[str, str | None]:
        written = _first(head.fields, "content-disposition")
        disposition, params = headers.parameters(written, limits=self.limits) if written else ("", {})
        if disposition not in ("", "inline", "attachment"):
            disposition = "attachment"  # RFC 2183 §2.8
        name = params.get("filename") or params.get("name")
        also = head.params.get("name") or head.params.get("filename")
        if not name or ("?" in name and also and "?" not in also):  # a sender's charset lacked the characters
            name = also
        if name:
            name = " ".join(name.splitlines()).strip()
        elif head.content_type == "message/rfc822":
            name = self._message_name(data)
        return disposition, name or None

    def _message_name(self, data: bytes) -> str:
        """The subject of an attached mail as its file name."""
        try:
            fields = headers.split(data, 0, len(data), limits=self.limits).fields
        except TooComplex:
            return "message.eml"
        for name, raw in fields:
            if name.lower() == "subject":
                subject = headers.one_line(headers.decode_words(headers.to_text(raw[:2000])))
                return f"{subject[:100] or 'message'}.eml"
        return "message.eml"


_TYPE = re.compile(r"[a-z0-9!#$&^_.+-]+/[a-z0-9!#$&^_.+-]+")
_REPAIRED_TYPES = {"text": "text/plain", "html": "text/html", "multipart": "multipart/mixed", "multipart/": "multipart/mixed",
                   "message": "message/rfc822", "pdf": "application/pdf", "application/": "application/octet-stream",
                   "application": "application/octet-stream", "image": "application/octet-stream", "text/": "text/plain"}  # fmt: skip


def _first(fields: list[tuple[str, str]], wanted: str) -> str:
    return next((text for name, text in fields if text and name.lower() == wanted), "")


_CHARSET_HINT = re.compile(rb"charset\s{0,9}=\s{0,9}\"?([\w.:-]{2,40})", re.I)


def _charset_hint(block: headers.Block) -> str | None:
    """The charset that the entity declares, for its own raw 8-bit fields."""
    for name, raw in block.fields:
        if name.lower() == "content-type":
            found = _CHARSET_HINT.search(raw)
            return found[1].decode("ascii", "replace") if found else None
    return None


# --- boundaries -------------------------------------------------------------------------------------------------------


def _between(raw: bytes, body: _Range, boundary: bytes, *, limit: int) -> list[_Range]:
    """The entities between delimiter lines (RFC 2046 §5.1.1); an unclosed last one reaches to the end."""
    delimiter = b"--" + boundary
    ranges: list[_Range] = []
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
                    ranges.append(_Range(opened, max(opened, _before_line_break(raw, at))))
                    if len(ranges) > limit:
                        raise TooComplex(f"more than {limit} parts")
                if rest:
                    return ranges
                opened = min(line_end + 1, body.end)
        at = raw.find(delimiter, after, body.end)
    if opened is not None and (opened < body.end or not ranges):
        ranges.append(_Range(opened, body.end))
    return ranges


def _before_line_break(raw: bytes, at: int) -> int:
    """The line break before a delimiter belongs to the delimiter."""
    if at >= 2 and raw[at - 2 : at] == b"\r\n":
        return at - 2
    return at - 1 if at >= 1 and raw[at - 1] == 0x0A else at


_DELIMITER = re.compile(rb"^--([^\s\-][^\r\n]{0,98}[^\s]|-{2,60}[^\s\-][^\r\n]{0,68}[^\s]|[^\s\-])[ \t]*\r?$", re.M)


def _guessed_boundary(raw: bytes, body: _Range) -> bytes | None:
    """The first line that looks like a delimiter, if a header follows it."""
    found = _DELIMITER.search(raw, body.start, min(body.end, body.start + 64 * 1024))
    if found is None or not _HEADER_NEXT.match(raw, found.end(), body.end):
        return None
    return found[1]


_HEADER_NEXT = re.compile(rb"\r?\n(?:content-[a-z-]+[ \t]*:|\r?\n)", re.I)


# --- transfer encodings -----------------------------------------------------------------------------------------------


def _encoding_of(text: str) -> str:
    """base64, quoted-printable, uuencode, or "" for everything that needs no decoding."""
    word = re.sub(r"[^a-z0-9]", "", text.lower().partition(";")[0].partition("(")[0])
    if word.startswith("base64"):
        return "base64"
    if word.startswith("quotedprintable"):
        return "quoted-printable"
    if word in ("xuuencode", "uuencode", "xuue", "uue"):
        return "uuencode"
    return ""


def _decoded(data: bytes, encoding: str) -> bytes:
    if encoding == "base64":
        return _base64(data)
    if encoding == "quoted-printable":
        return quoted_printable(data)
    if encoding == "uuencode":
        files = _uuencoded(data)
        return files[0][1] if files else data
    return data


def _base64(data: bytes) -> bytes:
    """Base64, or the data itself when it is plainly not encoded at all."""
    sample = data[:4096]
    junk = len(sample) - len(_IN_BASE64.sub(b"", sample)) if b" " in sample.strip() else 0
    if junk and junk > len(sample) // 50:
        return data
    return headers.decode_base64(data)


_IN_BASE64 = re.compile(rb"[^A-Za-z0-9+/=\s]|(?<=[A-Za-z]) (?=[A-Za-z])")
_BLANKS_AT_LINE_END = re.compile(rb"(?<![ \t])[ \t]+(?=\r?\n)")


def quoted_printable(data: bytes) -> bytes:
    """Quoted-printable (RFC 2045 §6.7): trailing blanks dropped, wrong escapes kept as they are."""
    if b" \n" in data or b"\t\n" in data or b" \r\n" in data or b"\t\r\n" in data:
        data = _BLANKS_AT_LINE_END.sub(b"", data)
    return binascii.a2b_qp(data)


_UU_BEGIN = re.compile(rb"^begin(?:-base64)? [0-7]{3,4} ([^\r\n]{1,255}?)[ \t]*\r?\n", re.M)
MAX_INLINE_FILES = 50


def _uuencoded(data: bytes) -> list[tuple[bytes, bytes, int, int]]:
    """(name, data, start, end) of each uuencoded file in a text."""
    files = []
    begin = _UU_BEGIN.search(data)
    while begin and len(files) < MAX_INLINE_FILES:
        decoded, end = _uu_lines(data, begin.end())
        if decoded is None:
            begin = _UU_BEGIN.search(data, begin.end())
            continue
        files.append((begin[1], decoded, begin.start(), end))
        begin = _UU_BEGIN.search(data, end)
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


# --- files inside files -----------------------------------------------------------------------------------------------


def _unpacked(choice: bodies.Choice, reader: _Reader) -> list[Part]:
    """All attachments, with winmail.dat and uuencoded files in plain text taken apart."""
    _uu_out_of_text(choice, reader)
    attachments = []
    for part in choice.rest:
        packed = _winmail(part, choice, reader) if _is_winmail(part) else None
        attachments += [part] if packed is None else packed
    return attachments


def _is_winmail(part: Part) -> bool:
    return part.content_type in ("application/ms-tnef", "application/vnd.ms-tnef") or (part.name or "").lower() == "winmail.dat"


def _winmail(part: Part, choice: bodies.Choice, reader: _Reader) -> list[Part] | None:
    mail = tnef.unpack(part.data)
    if mail is None:
        reader.warnings.append("winmail.dat could not be read")
        return None
    if not any(body.data.strip() for body in choice.plain) and mail.text.strip():
        choice.plain.append(_inner(part, "t", "text/plain", mail.text.encode("utf-8", "replace"), charset="utf-8"))
    if not any(body.content_type == "text/html" for body in choice.html) and mail.html.strip():
        choice.html.append(_inner(part, "h", "text/html", mail.html, charset=mail.html_charset))
    return [
        _inner(part, str(n), file.content_type or "application/octet-stream", file.data, name=file.name, content_id=file.content_id)
        for n, file in enumerate(mail.files, start=1)
        if file.data or file.name
    ]


def _uu_out_of_text(choice: bodies.Choice, reader: _Reader) -> None:
    for place, part in enumerate(choice.plain):
        if part.content_type != "text/plain" or b"begin" not in part.data:
            continue
        files = _uuencoded(part.data)
        if not files:
            continue
        kept, position = [], 0
        for n, (name, data, start, end) in enumerate(files, start=1):
            kept.append(part.data[position:start])
            position = end
            told = headers.one_line(headers.to_text(name))
            choice.rest.append(_inner(part, f"u{n}", "application/octet-stream", data, name=told))
        kept.append(part.data[position:])
        words = Part(**{**_fields_of(part), "data": b"".join(kept)})
        choice.html = [words if other is part else other for other in choice.html]
        choice.plain[place] = words


def _fields_of(part: Part) -> dict[str, object]:
    return {name: getattr(part, name) for name in Part.__dataclass_fields__}


def _inner(  # noqa: PLR0913 -- the fields of a part
    outer: Part, step: str, content_type: str, data: bytes, *, name: str = "", content_id: str = "", charset: str = ""
) -> Part:
    return Part(
        path=f"{outer.path}.{step}",
        content_type=content_type if _TYPE.fullmatch(content_type) else "application/octet-stream",
        params={"charset": charset} if charset else {},
        disposition="attachment" if name else "",
        name=headers.one_line(name) or None,
        content_id=content_id or None,
        headers=(),
        data=data,
    )
