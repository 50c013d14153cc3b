"""Checks the addresses that our own people type. Correspondents' addresses are never judged by this."""

from __future__ import annotations

import re

from inbox.mail.facts import Address

MAX_ADDRESS = 254  # octets, RFC 5321 4.5.3.1 with RFC 3696 erratum 1690
MAX_LOCAL_PART = 64

# Dots may stand anywhere in the local part: carriers gave out addresses like a..b@docomo.ne.jp and a.@ezweb.ne.jp.
_LOCAL_PART = re.compile(r"[^\s\x00-\x20\x7f-\x9f\u2028\u2029\"(),:;<>@\[\\\]]+")
_QUOTED_LOCAL_PART = re.compile(r'"(?:[^"\\\x00-\x1f\x7f-\x9f\u2028\u2029]|\\[\x20-\x7e])*"')
_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_INVISIBLE = dict.fromkeys(map(ord, "\u200b\u200c\u200d\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2060\ufeff"))
_FULL_WIDTH = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)} | {0x3000: 0x20, 0x3002: 0x2E}
_SEPARATORS = ",;\n\r、，；"
_ANGLED = re.compile(r"^(?P<name>.*?)[\s\u3000]*[<＜](?P<address>[^<>＜＞]*)[>＞]$", re.DOTALL)


class WrongAddress(ValueError):
    """An address that no mail can be sent to. `reason` is empty, control, space, no_at, local, domain, too_long or
    name."""

    def __init__(self, address: str, reason: str) -> None:
        super().__init__(f"{reason}: {address!r}")
        self.address = address
        self.reason = reason


def check_recipient(address: str) -> str:
    """The address as it goes on the wire: domain in lower-case ASCII (punycode), local part as typed.

    Full-width characters and invisible ones, as an input method or a copied page leaves them, are mended. A local
    part with
    non-ASCII characters is kept; it needs SMTPUTF8 (RFC 6531). Raises WrongAddress.
    """
    if any(char in address.strip() for char in "\r\n\0\x0b\x0c\x85\u2028\u2029"):
        raise WrongAddress(address, "control")
    plain = address.translate(_INVISIBLE).translate(_FULL_WIDTH).strip()
    if plain.lower().startswith("mailto:"):
        plain = plain[7:]
    if not plain:
        raise WrongAddress(address, "empty")
    local, at, domain = plain.rpartition("@")
    if not at:
        raise WrongAddress(address, "no_at")
    if not _QUOTED_LOCAL_PART.fullmatch(local):
        if any(char.isspace() for char in plain):
            raise WrongAddress(address, "space")
        if not _LOCAL_PART.fullmatch(local):
            raise WrongAddress(address, "local")
    checked = f"{local}@{_checked_domain(domain, address)}"
    if len(local.encode()) > MAX_LOCAL_PART or len(checked.encode()) > MAX_ADDRESS:
        raise WrongAddress(address, "too_long")
    return checked


def _checked_domain(domain: str, address: str) -> str:
    try:
        ascii_domain = domain.removesuffix(".").encode("idna").decode("ascii").lower()
    except UnicodeError:
        raise WrongAddress(address, "domain") from None
    labels = ascii_domain.split(".")
    if len(labels) < 2 or not all(_LABEL.fullmatch(label) for label in labels) or labels[-1].isdigit():
        raise WrongAddress(address, "domain")
    return ascii_domain


def split_typed(text: str) -> list[Address]:
    """The recipients that a person typed into one field: "Jane <a@b.test>, c@d.test; 山田 <e@f.test>、". Raises
    WrongAddress."""
    return [_typed(piece) for piece in _pieces(text) if piece.strip(" \t\u3000")]


def _typed(piece: str) -> Address:
    piece = piece.strip(" \t\u3000")
    angled = _ANGLED.match(piece)
    if not angled:
        return Address("", check_recipient(piece))
    name = angled["name"].strip(" \t\u3000")
    if len(name) > 1 and name[0] == name[-1] == '"':
        name = re.sub(r"\\(.)", r"\1", name[1:-1])
    return Address(" ".join(name.translate(_INVISIBLE).split()), check_recipient(angled["address"]))


def _pieces(text: str) -> list[str]:
    """Split at commas, semicolons and line ends that stand outside quotes and angle brackets; a single quote mark is
    a character."""
    pieces, piece = [], []
    quotes = text.count('"') % 2 == 0
    quoted = escaped = angled = False
    for char in text:
        if escaped:
            escaped = False
        elif char == "\\" and quoted:
            escaped = True
        elif char == '"' and quotes and not angled:
            quoted = not quoted
        elif not quoted:
            angled = char in "<＜" or (angled and char not in ">＞")
            if char in _SEPARATORS and (not angled or char in "\r\n"):
                pieces.append("".join(piece))
                piece, angled = [], False
                continue
        piece.append(char)
    pieces.append("".join(piece))
    return pieces
