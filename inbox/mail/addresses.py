"""Reads address fields (RFC 5322 §3.4 and §4.4) so that nobody is taken for another; linear in the field's length."""

from __future__ import annotations

import re
from typing import NamedTuple

from inbox.mail.facts import Address
from inbox.mail.headers import CONTROLS, decode_words, one_line
from inbox.mail.limits import DEFAULT, Limits, TooComplex

_SIMPLE = re.compile(r"(?:([^\"(),.:;<>@\[\]\\=?\x00-\x1f]*)<)?([\w.!#$%&'*+/?^`{|}~-]+@[\w.-]+)(>)?", re.A)
_ENCODED_NAME = re.compile(
    r"\"?((?:=\?[^?\s]{1,40}\?[bBqQ]\?[^?\s\"]*\?=\s*)+)\"?\s*<([\w.!#$%&'*+/?^`{|}~-]+@[\w.-]+)>", re.A
)


def addresses(text: str, *, senders: bool = False, limits: Limits = DEFAULT) -> tuple[Address, ...]:
    """Mailboxes of an unfolded address field, in order; groups are opened, their names dropped.

    An address is only ever what stands in the field literally: encoded words are decoded in names alone, and text that
    could be read as two addresses is none (`alice@example.org)bob@evil.example`). The mailbox in angle brackets wins
    over anything before it. Carriers' local parts with doubled or trailing dots are kept. In fields that name
    `senders`, ";" separates nothing. Raises TooComplex.
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
    """A part of a name: words, but nothing with an address. (One bare word may be a local mailbox, yet rarely is.)"""
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
        name = _name_of(item[start:i]).rstrip("< ") or _comment_of(item[start:])
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
    if words[-1].kind == "atom" and words[-1].text.endswith(">") and len(words[-1].text) > 1:
        words[-1] = _Token("atom", words[-1].text.rstrip(">"))  # its opening bracket was lost
    last = max((i for i, token in enumerate(words) if token.kind == "blank"), default=-1)
    if last > 0 and not words[last - 1].text.endswith(".") and words[last + 1].text[:1] not in ".@":
        spec = _spec(words[last + 1 :])
        if spec and not any("@" in token.text for token in words[:last] if token.kind == "atom"):
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
# Characters that nobody sees: an address with one looks like another address.
_INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufeff\uffa0\ufffd]"
)
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
    if len(words) == 1 and before[:1] == "'" and domain[-1] == "'":
        before, domain = before[1:], domain[:-1]
    local = _local([*words[:at], *([_Token("atom", before)] if before else [])])
    return f"{local}@{domain}" if local and not _INVISIBLE.search(local + domain) else ""


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
        return words[0].text if not CONTROLS.search(words[0].text) else ""
    if any(token.kind == "literal" for token in words):
        return ""
    value = "".join(" " if token.kind == "blank" else _spoken(token) for token in words)
    if all(token.kind != "quoted" for token in words):
        value = re.sub(r" ?\. ?", ".", value)
        if any(ch in value for ch in "()<>[]:;,"):
            return ""
    if CONTROLS.search(value):
        return ""
    if _DOT_ATOM.fullmatch(value):
        return value
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
