"""Writes header fields and MIME parts as bytes; every field value passes `header_safe` here, the one choke point.

Own code instead of the standard library's generator, because that one turns long message ids into encoded words,
refuses values
with U+2028, quotes carriers' dotted addresses and takes several times longer.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable, Sequence
from urllib.parse import quote

from inbox.mail.facts import Address

LINE = 76  # characters of a header line, RFC 2047 2
ENCODED_WORD = 75
LONGEST_BODY_LINE = 900  # octets sent as they are; RFC 5322 allows 998
NAME_LENGTH = 200
FILE_NAME_LENGTH = 200

# Everything that str.splitlines() or some mail program takes for a line end, all other controls, and what is no
# character.
_UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]+")
_BIDI = re.compile("[\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_ATOMS = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~ -]*")
_PLAIN_LOCAL_PART = re.compile(r"[^\s\"(),:;<>@\[\\\]]+")
_TYPE = re.compile(r"[A-Za-z0-9][\w!#$&^.+-]{0,79}/[A-Za-z0-9][\w!#$&^.+-]{0,79}")

# Characters that Japanese programs write in two ways; the second of each pair has a code in ISO-2022-JP.
JIS_TWINS = str.maketrans(
    {
        "\uff5e": "\u301c",
        "\uff0d": "\u2212",
        "\u2225": "\u2016",
        "\uffe0": "\u00a2",
        "\uffe1": "\u00a3",
        "\uffe2": "\u00ac",
        "\u2014": "\u2015",
    }
)


def header_safe(value: str, *, limit: int = 2000) -> str:
    """A value that cannot end a header field: line ends and controls of every kind become a space; at most `limit`
    characters."""
    return " ".join(_UNSAFE.sub(" ", value).split())[:limit].rstrip()


def text_field(name: str, value: str, *, charset: str = "utf-8") -> bytes:
    """An unstructured field (Subject and the like), as encoded words where needed."""
    value = header_safe(value)
    words = value.split(" ")
    if value.isascii() and "=?" not in value and all(len(word) <= LINE - 2 for word in words):
        return _folded(name, words)
    return _folded(name, _encoded_words(value, charset=charset, first_room=LINE - len(name) - 2))


def token_field(name: str, tokens: Sequence[str]) -> bytes:
    """A field of tokens that must stay as they are (message ids); folded between them only."""
    return _folded(name, [header_safe(token).replace(" ", "") for token in tokens])


def address_field(name: str, addresses: Iterable[Address], *, charset: str = "utf-8") -> bytes:
    """An address list; local parts with dots in odd places stay unquoted, their carriers know them only so."""
    tokens: list[str] = []
    for address in addresses:
        tokens.extend(_address_tokens(address, charset=charset))
        tokens[-1] += ","
    tokens[-1] = tokens[-1][:-1]
    return _folded(name, tokens)


def _address_tokens(address: Address, *, charset: str) -> list[str]:
    local, _, domain = header_safe(address.address).replace(" ", "").rpartition("@")
    if not _PLAIN_LOCAL_PART.fullmatch(local) and not (local.startswith('"') and local.endswith('"')):
        local = '"' + local.replace("\\", "\\\\").replace('"', '\\"') + '"'
    spec = f"{local}@{domain}".replace("<", "").replace(">", "")
    name = _BIDI.sub("", header_safe(address.name, limit=NAME_LENGTH))
    if not name:
        return [spec]
    if not name.isascii() or "=?" in name or any(len(word) > LINE - 4 for word in name.split(" ")):
        return [*_encoded_words(name, charset=charset, first_room=ENCODED_WORD - 16), f"<{spec}>"]
    if not _ATOMS.fullmatch(name):
        name = '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return [*name.split(" "), f"<{spec}>"]


def _folded(name: str, tokens: Sequence[str]) -> bytes:
    lines = [f"{name}:"]
    for token in tokens:
        if len(lines[-1]) + 1 + len(token) <= LINE or lines[-1] == f"{name}:":
            lines[-1] += f" {token}"
        else:
            lines.append(f" {token}")
    return ("\r\n".join(lines) + "\r\n").encode("utf-8")


def _encoded_words(value: str, *, charset: str, first_room: int) -> list[str]:
    """RFC 2047 words, none splitting a character, the first at most `first_room` long."""
    charset = charset if charset == "utf-8" or not _cannot(value, charset) else "utf-8"
    if charset != "utf-8":
        value = value.translate(JIS_TWINS)
    in_base64 = charset != "utf-8" or sum(char > "\x7f" for char in value) * 3 > len(value)
    words: list[str] = []
    start, room = 0, max(first_room, 30)
    while start < len(value):
        end = min(len(value), start + room)
        while end > start + 1 and len(_encoded_word(value[start:end], charset, in_base64=in_base64)) > room:
            end -= max(1, (end - start) // 8)
        words.append(_encoded_word(value[start:end], charset, in_base64=in_base64))
        start, room = end, ENCODED_WORD
    return words


def _encoded_word(text: str, charset: str, *, in_base64: bool) -> str:
    octets = text.encode(charset)
    if in_base64:
        return f"=?{charset}?B?{base64.b64encode(octets).decode('ascii')}?="
    safe = (
        quote(octets, safe="!*+-/ ")
        .replace("%", "=")
        .replace("_", "=5F")
        .replace(" ", "_")
        .replace(".", "=2E")
        .replace("~", "=7E")
    )
    return f"=?{charset}?Q?{safe}?="


def _cannot(text: str, charset: str) -> bool:
    try:
        text.translate(JIS_TWINS).encode(charset)
    except (UnicodeError, LookupError):
        return True
    return False


# -- parts: each is a whole MIME entity, fields and body
# -----------------------------------------------------------------


def text_part(text: str, *, subtype: str, charset: str = "utf-8") -> bytes:
    """A text entity; 7bit, quoted-printable or base64, whichever is shortest and legal."""
    text = body_safe(text)
    if charset != "utf-8":
        octets = text.translate(JIS_TWINS).encode(charset, "replace").replace(b"\n", b"\r\n")
        return _text_entity(octets, subtype=subtype, charset=charset, seven_bit=_short_lines(octets))
    octets = text.encode("utf-8").replace(b"\n", b"\r\n")
    return _text_entity(octets, subtype=subtype, charset=charset, seven_bit=text.isascii() and _short_lines(octets))


def _text_entity(octets: bytes, *, subtype: str, charset: str, seven_bit: bool) -> bytes:
    encoding, body = "7bit", octets
    if not seven_bit:
        encoding, body = "quoted-printable", binascii.b2a_qp(octets, istext=True)
        if charset != "utf-8" or len(body) > len(octets) * 1.37:
            encoding, body = "base64", _base64_lines(octets)
    return (
        f'Content-Type: text/{subtype}; charset="{charset}"\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n'.encode(
            "ascii"
        )
        + body
    )


def _short_lines(octets: bytes) -> bool:
    return len(octets) <= LONGEST_BODY_LINE or max(map(len, octets.split(b"\r\n"))) <= LONGEST_BODY_LINE


def _base64_lines(octets: bytes) -> bytes:
    return base64.encodebytes(octets).replace(b"\n", b"\r\n")


def file_part(name: str, content_type: str, data: bytes, *, content_id: str | None = None) -> bytes:
    """A file as base64; `content_id` makes it an inline picture. Types that could nest or mislead become
    octet-stream."""
    if not _TYPE.fullmatch(content_type) or content_type.lower().startswith(("multipart/", "message/")):
        content_type = "application/octet-stream"
    name = file_name_safe(name)
    disposition = "inline" if content_id else "attachment"
    fields = [
        _folded("Content-Type", [f"{content_type};", *_name_parameter(name)]),
        b"Content-Transfer-Encoding: base64\r\n",
        _folded("Content-Disposition", [f"{disposition};", *_rfc2231("filename", name)]),
    ]
    if content_id:
        fields.append(token_field("Content-ID", [f"<{re.sub(r'[^A-Za-z0-9.@_+-]', '', content_id)[:120]}>"]))
    return b"".join(fields) + b"\r\n" + _base64_lines(data)


def _name_parameter(name: str) -> list[str]:
    """The name once more in the old way, for programs that do not know RFC 2231."""
    if name.isascii():
        return _rfc2231("name", name)
    words = _encoded_words(name, charset="utf-8", first_room=60)
    words[0] = f'name="{words[0]}'
    words[-1] += '"'
    return words


def _rfc2231(key: str, value: str) -> list[str]:
    """The parameter as tokens; non-ASCII or long values in pieces as RFC 2231 has them."""
    if value.isascii() and len(value) <= 60:
        return [f'{key}="' + value.replace("\\", "\\\\").replace('"', '\\"') + '"']
    encoded = quote(value, safe="!#$&+-.^_`|~")
    if len(encoded) <= 55:
        return [f"{key}*=utf-8''{encoded}"]
    pieces = re.findall(r"(?:%[0-9A-F]{2}|.){1,18}", encoded)
    tokens = [f"{key}*{number}*={piece};" for number, piece in enumerate(pieces)]
    tokens[0] = f"{key}*0*=utf-8''{pieces[0]};"
    tokens[-1] = tokens[-1][:-1]
    return tokens


def file_name_safe(name: str) -> str:
    """A file name for a header: no path, no controls, no characters that turn the reading direction."""
    plain = _BIDI.sub("", header_safe(name)).replace("\\", "/").rpartition("/")[2].strip()
    if len(plain) > FILE_NAME_LENGTH:
        stem, dot, ending = plain.rpartition(".")
        plain = f"{stem[: FILE_NAME_LENGTH - 20]}.{ending[:19]}" if dot else plain[:FILE_NAME_LENGTH]
    return plain or "attachment"


def multipart(subtype: str, parts: Sequence[bytes], *, boundary: str) -> bytes:
    """An entity of entities. `boundary` is lengthened until it does not occur in them."""
    while any(boundary.encode("ascii") in part for part in parts):
        boundary += "_"
    line = f"--{boundary}".encode("ascii")
    body = b"".join(line + b"\r\n" + part + (b"" if part.endswith(b"\r\n") else b"\r\n") for part in parts)
    return (
        f'Content-Type: multipart/{subtype};\r\n boundary="{boundary}"\r\n\r\n'.encode("ascii")
        + body
        + line
        + b"--\r\n"
    )


def body_safe(text: str) -> str:
    """Body text whose only line end is "\\n" and that ends with one; no NUL, nothing that could end a mail early
    (SMTP smuggling)."""
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\0", "")
    text = text.encode("utf-8", "replace").decode("utf-8")
    return text if text.endswith("\n") else f"{text}\n"
