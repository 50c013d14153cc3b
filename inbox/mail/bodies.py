"""Chooses which parts of a mail are its words (RFC 2046, 2387, 3676, read as in RFC 8621 §4.1.4) and reads them."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from inbox.mail import charsets
from inbox.mail.facts import Part


@dataclass
class Node:
    """One entity of the MIME tree while parsing: a multipart with `children`, or a leaf with its `part`."""

    content_type: str
    part: Part | None = None
    children: list[Node] = field(default_factory=list)


@dataclass
class Choice:
    """Leaves in reading order: what makes up the plain body, what the HTML body, and everything else."""

    plain: list[Part] = field(default_factory=list)
    html: list[Part] = field(default_factory=list)
    rest: list[Part] = field(default_factory=list)


@dataclass(frozen=True)
class Bodies:
    """The two readings of a mail; `text_is_whole` is False when words stand in the HTML alone."""

    text: str
    html: str
    text_is_whole: bool
    warnings: tuple[str, ...]


def choose(root: Node) -> Choice:
    """Sorts all leaves under `root`."""
    choice = Choice()
    _sort([root], "", choice)
    if not choice.plain and not choice.html:
        _only_words(choice)
    return choice


# The same words once more in another form; never shown as a file.
_OTHER_FORMS = frozenset({"text/x-amp-html", "text/watch-html"})


def _sort(nodes: list[Node], kind: str, choice: Choice) -> None:
    before = len(choice.plain), len(choice.html)
    for place, node in enumerate(nodes):
        if node.part is None:
            _sort(node.children, node.content_type.partition("/")[2], choice)
        elif not _is_body(node.part, kind, place):
            if not (kind == "alternative" and node.part.content_type in _OTHER_FORMS):
                choice.rest.append(node.part)
        elif kind == "alternative":
            (choice.html if node.part.content_type == "text/html" else choice.plain).append(node.part)
        else:
            choice.plain.append(node.part)
            choice.html.append(node.part)
    if kind == "alternative":
        _borrow(choice, *before)


def _borrow(choice: Choice, plain: int, rich: int) -> None:
    """An alternative with one form only serves both readings."""
    if len(choice.plain) == plain and len(choice.html) > rich:
        choice.plain += choice.html[rich:]
    elif len(choice.html) == rich and len(choice.plain) > plain:
        choice.html += choice.plain[plain:]


def _is_body(part: Part, kind: str, place: int) -> bool:
    if part.content_type not in ("text/plain", "text/html") or part.disposition == "attachment":
        return False
    if kind == "":
        return True
    if place == 0:
        return part.name is None or part.disposition != "inline" or part.content_type == "text/html"
    return kind != "related" and part.name is None


def _only_words(choice: Choice) -> None:
    """A mail without any body shows the first text it has: an invitation, an enriched text."""
    for part in choice.rest:
        if (
            part.content_type.startswith("text/")
            and part.content_type != "text/rfc822-headers"
            and part.disposition != "attachment"
        ):
            choice.plain.append(part)
            if part.content_type != "text/calendar":
                choice.rest.remove(part)
            return


def read(choice: Choice) -> Bodies:
    """Decodes the chosen parts. `text` leaves HTML parts out; `html`, if there is any, has the plain ones escaped."""
    texts: dict[str, str] = {}
    warnings: list[str] = []
    for part in [*choice.plain, *choice.html]:
        if part.path not in texts:
            decoded = charsets.decode(part.data, part.params.get("charset") or _declared_inside(part))
            texts[part.path] = _reading_form(part, decoded.text)
            if decoded.warning and decoded.warning != "no charset declared, read as utf-8":
                warnings.append(decoded.warning)
    plain = [part for part in choice.plain if part.content_type != "text/html"]
    rich = [part for part in choice.html if part.content_type == "text/html"]
    text = _joined(texts[part.path] for part in plain)
    markup = _joined(_as_markup(part, texts[part.path]) for part in choice.html) if rich else ""
    whole = all(part.content_type != "text/html" for part in choice.plain)
    return Bodies(text, markup, whole, tuple(dict.fromkeys(warnings)))


def _joined(pieces: Iterable[str]) -> str:
    return "\n".join(piece for piece in pieces if piece.strip())


def _as_markup(part: Part, text: str) -> str:
    if part.content_type == "text/html":
        return text
    return f'<div style="white-space: pre-wrap">{html.escape(text)}</div>' if text.strip() else ""


_META_CHARSET = re.compile(rb"<meta[^>]{0,200}?charset\s{0,9}=\s{0,9}[\"']?\s{0,9}([\w.:-]{2,40})", re.I)


def _declared_inside(part: Part) -> str | None:
    if part.content_type != "text/html":
        return None
    found = _META_CHARSET.search(part.data[:2048])
    return found[1].decode("ascii", "replace") if found else None


_TAGS = re.compile(r"<(?:<|[^<>]*>)")


def _reading_form(part: Part, text: str) -> str:
    """Line ends as \\n; format=flowed unfolded; text/enriched without its commands."""
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    if part.content_type in ("text/enriched", "text/richtext"):
        return _TAGS.sub(lambda tag: "<" if tag[0] == "<<" else "", text)
    if part.content_type == "text/plain" and part.params.get("format", "").lower() == "flowed":
        return unflowed(text, delsp=part.params.get("delsp", "").lower() == "yes")
    return text


def unflowed(text: str, *, delsp: bool = False) -> str:
    """Paragraphs of format=flowed text (RFC 3676) put together again; quote marks and the signature line stay."""
    return "\n".join(_paragraphs(text.split("\n"), delsp=delsp))


def _paragraphs(lines: Iterable[str], *, delsp: bool) -> Iterator[str]:
    pending: list[str] = []
    depth = 0
    for raw in lines:
        unquoted = raw.lstrip(">")
        marks = len(raw) - len(unquoted)
        line = unquoted[1:] if unquoted.startswith(" ") else unquoted
        if pending and (marks != depth or line == "-- "):
            yield _quoted(depth, "".join(pending).rstrip(" ") if not delsp else "".join(pending))
            pending = []
        depth = marks
        if line.endswith(" ") and line != "-- ":
            pending.append(line[:-1] if delsp else line)
        else:
            yield _quoted(marks, "".join(pending) + line)
            pending = []
    if pending:
        yield _quoted(depth, "".join(pending))


def _quoted(marks: int, line: str) -> str:
    return f"{'>' * marks} {line}" if marks else line
