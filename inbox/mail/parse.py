"""Reads a mail's bytes into facts: MIME tree, bodies, attachments, header fields. Pure, bounded, linear, tolerant.

An own parser, because the standard library's is quadratic and recursive on hostile input and the fast ones refuse a
whole mail for one bad line. Boundaries are looked for with bytes.find, so most of the work is done in C.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from inbox.mail import bodies, headers, packed, transfer
from inbox.mail.addresses import addresses
from inbox.mail.bodies import Node
from inbox.mail.boundaries import Range, between, guessed_boundary
from inbox.mail.dates import date
from inbox.mail.facts import Address, ParsedMail, Part
from inbox.mail.limits import DEFAULT, Limits, TooComplex
from inbox.mail.message_ids import message_id, message_ids
from inbox.mail.parameters import parameters

__all__ = ["DEFAULT", "Limits", "TooComplex", "parse"]


def parse(raw: bytes, limits: Limits = DEFAULT) -> ParsedMail:
    """Understands any bytes as a mail. Raises TooComplex beyond `limits`, nothing else.

    Line ends of bodies become "\\n"; data of attachments is exactly what the transfer encoding held.
    """
    raw = bytes(raw)
    if b"\r" in raw and b"\n" not in raw:
        raw = raw.replace(b"\r", b"\n")
    reader = _Reader(raw, limits)
    root = reader.entity(Range(0, len(raw)), path="", depth=0, default="text/plain")
    top = reader.top
    choice = bodies.choose(root)
    attachments, warned = packed.unpacked(choice)
    found = bodies.read(choice)
    warnings = dict.fromkeys([*reader.warnings, *warned, *found.warnings])
    fields = _Fields(top.fields, limits, warnings)
    return ParsedMail(
        subject=fields.subject(),
        from_=fields.addresses("from", senders=True),
        sender=fields.addresses("sender", senders=True),
        to=fields.addresses("to"),
        cc=fields.addresses("cc"),
        reply_to=fields.addresses("reply-to", senders=True),
        message_id=message_id(fields.first("message-id")),
        in_reply_to=message_ids(fields.first("in-reply-to"), limits=limits),
        references=message_ids(fields.first("references"), limits=limits),
        date=date(fields.first("date")),
        text=found.text,
        html=found.html,
        attachments=tuple(attachments),
        parts=tuple(reader.parts),
        headers=top.decoded(limits),
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
            found += addresses(text, senders=senders, limits=self.limits) if text else ()
        if len(found) > self.limits.addresses:
            raise TooComplex(f"more than {self.limits.addresses} addresses in {name.title()}")
        return tuple(found)

    def decoded(self) -> tuple[tuple[str, str], ...]:
        limit = self.limits.encoded_header
        return tuple(
            (name, headers.decode_words(text, limit=limit) if "=?" in text else text) for name, text in self.fields
        )


@dataclass
class _Head:
    """What an entity's header block says."""

    fields: list[tuple[str, str]] = field(default_factory=list)
    content_type: str = "text/plain"
    params: dict[str, str] = field(default_factory=dict)
    encoding: str = ""
    _decoded: tuple[tuple[str, str], ...] | None = None

    def decoded(self, limits: Limits) -> tuple[tuple[str, str], ...]:
        """All fields with their encoded words read."""
        if self._decoded is None:
            limit = limits.encoded_header
            self._decoded = tuple(
                (name, headers.decode_words(text, limit=limit) if "=?" in text else text) for name, text in self.fields
            )
        return self._decoded


class _Reader:
    """Walks the MIME tree once, collecting leaves in order."""

    def __init__(self, raw: bytes, limits: Limits) -> None:
        self.raw = raw
        self.limits = limits
        self.parts: list[Part] = []
        self.warnings: list[str] = []
        self.top = _Head()
        self.entities = 0

    def entity(self, where: Range, *, path: str, depth: int, default: str) -> Node:
        self.entities += 1
        if self.entities > self.limits.parts + 1:
            raise TooComplex(f"more than {self.limits.parts} parts")
        block = headers.split(self.raw, where.start, where.end, limits=self.limits)
        head = self._head(block, default)
        if depth == 0:
            self.top = head
        body = Range(block.body, where.end)
        if head.content_type.startswith("multipart/"):
            if depth >= self.limits.depth:
                raise TooComplex(f"parts nested more than {self.limits.depth} deep")
            node = self._multipart(head, body, path=path, depth=depth) or self._encoded(
                head, body, path=path, depth=depth
            )
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
            value, head.params = parameters(declared, limits=self.limits)
            head.content_type = value if _TYPE.fullmatch(value) else _REPAIRED_TYPES.get(value, "text/plain")
        head.encoding = transfer.encoding_of(_first(head.fields, "content-transfer-encoding"))
        return head

    def _multipart(self, head: _Head, body: Range, *, path: str, depth: int) -> Node | None:
        ranges = self._ranges(head, body)
        if not ranges:
            return None
        node = Node(head.content_type)
        inner = "message/rfc822" if head.content_type == "multipart/digest" else "text/plain"
        for number, where in enumerate(ranges, start=1):
            child = f"{path}.{number}" if path else str(number)
            node.children.append(self.entity(where, path=child, depth=depth + 1, default=inner))
        return node

    def _encoded(self, head: _Head, body: Range, *, path: str, depth: int) -> Node | None:
        """A multipart that was encoded as a whole, against RFC 2045 §6.4."""
        if not head.encoding:
            return None
        inner = _Reader(transfer.decoded(self.raw[body.start : body.end], head.encoding), self.limits)
        inner.parts, inner.warnings, inner.entities = self.parts, self.warnings, self.entities
        node = inner._multipart(head, Range(0, len(inner.raw)), path=path, depth=depth)
        self.entities = inner.entities
        return node

    def _ranges(self, head: _Head, body: Range) -> list[Range]:
        boundary = head.params.get("boundary", "").rstrip()
        if boundary:
            found = between(self.raw, body, boundary.encode("utf-8", "surrogatepass"), limit=self.limits.parts)
            if found:
                return found
        guessed = guessed_boundary(self.raw, body)
        if guessed is None:
            return []
        self.warnings.append("parts found at an undeclared boundary")
        return between(self.raw, body, guessed, limit=self.limits.parts)

    def _leaf(self, head: _Head, body: Range, *, path: str) -> Node:
        data = self.raw[body.start : body.end]
        data = transfer.decoded(data, head.encoding)
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
            headers=head.decoded(self.limits),
            data=data,
        )
        self.parts.append(part)
        return Node(head.content_type, part=part)

    def _named(self, head: _Head, data: bytes) -> tuple[str, str | None]:
        written = _first(head.fields, "content-disposition")
        disposition, params = parameters(written, limits=self.limits) if written else ("", {})
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
_REPAIRED_TYPES = {
    "text": "text/plain",
    "text/": "text/plain",
    "html": "text/html",
    "multipart": "multipart/mixed",
    "multipart/": "multipart/mixed",
    "message": "message/rfc822",
    "pdf": "application/pdf",
    "application": "application/octet-stream",
    "application/": "application/octet-stream",
    "image": "application/octet-stream",
}


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
