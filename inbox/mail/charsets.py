"""Turns bytes of any declared, wrongly declared or undeclared charset into text; never raises."""

from __future__ import annotations

import codecs
import re
from functools import lru_cache
from typing import NamedTuple

from chardetng_py import EncodingDetector

# Detection looks at this many bytes from the first one that is not ASCII; more makes it slower, not better.
DETECTION_WINDOW = 32 * 1024

# A declared multi-byte charset is believed although some bytes do not fit it, up to this share of unreadable characters.
TOLERATED_DAMAGE = 0.1


class Decoded(NamedTuple):
    """`charset` is the codec that was used; `warning` is "" when the declared charset was right (or none was needed)."""

    text: str
    charset: str
    warning: str = ""


def decode(data: bytes, label: str | None = None) -> Decoded:
    """Text of `data`, whose declared charset is `label` (None or "" when not declared). Linear time, never raises.

    Labels are read as the WHATWG Encoding Standard reads them: ISO-8859-1 means Windows-1252, Shift_JIS means CP932,
    GB2312 means GB18030. UTF-7 is never decoded, because it hides markup in ASCII. NUL becomes U+FFFD.
    """
    codec = codec_of(label) if label else None
    decoded = _decode(data, codec, label or "")
    text = decoded.text
    if "\0" in text:
        decoded = decoded._replace(text=text.replace("\0", "\ufffd"))
    return decoded


def _decode(data: bytes, codec: str | None, label: str) -> Decoded:
    if data.isascii():
        return _decode_seven_bits(data, codec)
    marked = _by_byte_order_mark(data)
    if marked is not None:
        return marked
    if codec is None or codec == "ascii":
        return _detect(data, label)
    if codec in _DECODERS:
        text = _DECODERS[codec](data)
    elif codec == "utf-8":
        try:
            return Decoded(data.decode("utf-8"), codec)
        except UnicodeDecodeError:
            text = data.decode("utf-8", "replace")
    else:
        text = _strictly_or_replaced(data, codec)
    if "\ufffd" not in text:
        return Decoded(text, codec)
    return _repair(data, codec, text, label)


def _decode_seven_bits(data: bytes, codec: str | None) -> Decoded:
    if b"\x1b" in data:
        if b"\x1b$)C" in data:
            return Decoded(data.decode("iso2022_kr", "replace"), "iso2022_kr")
        if codec == "iso-2022-jp" or _JAPANESE_ESCAPE.search(data):
            return Decoded(_iso_2022_jp(data), "iso-2022-jp")
    if codec == "hz" and b"~{" in data:
        return Decoded(data.decode("hz", "replace"), "hz")
    if codec == "iso-2022-jp" and b"\x0e" in data:
        return Decoded(_iso_2022_jp(data), "iso-2022-jp")
    if codec is not None and codec.startswith(("utf-16", "utf-32")) and b"\0" in data:
        return Decoded(data.decode(codec, "replace").removeprefix("\ufeff"), codec)
    return Decoded(data.decode("ascii"), "ascii")


def _by_byte_order_mark(data: bytes) -> Decoded | None:
    if data.startswith(codecs.BOM_UTF8):
        return Decoded(data[3:].decode("utf-8", "replace"), "utf-8")
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) and len(data) % 2 == 0 and b"\0" in data:
        return Decoded(data.decode("utf-16", "replace"), "utf-16")
    return None


def _strictly_or_replaced(data: bytes, codec: str) -> str:
    try:
        return data.decode(codec)
    except UnicodeDecodeError:
        return data.decode(codec, "replace")
    except Exception:  # codecs written in C raise what they like on damaged input
        return data.decode("latin-1")


def _repair(data: bytes, codec: str, text: str, label: str) -> Decoded:
    """The declared charset does not fit: a little damage keeps it, otherwise the bytes decide."""
    unreadable = text.count("\ufffd")
    foreign = sum(1 for ch in text[:DETECTION_WINDOW] if ch > "\x7f") or 1
    if codec in _SINGLE_BYTE_FALLBACK:
        guess = guess_charset(data)
        if guess in _MULTI_BYTE and "\ufffd" not in (guessed := _detect(data, label)).text:
            return guessed
        return Decoded(data.decode("latin-1"), "latin-1")
    if unreadable <= max(1, foreign * TOLERATED_DAMAGE) and foreign > 1:
        return Decoded(text, codec, f"some characters are not {label}")
    found = _detect(data, label)
    if found.text.count("\ufffd") > unreadable:
        return Decoded(text, codec, f"some characters are not {label}")
    return found


def _detect(data: bytes, label: str) -> Decoded:
    """The charset that the bytes themselves speak of: UTF-8 if it fits, else the browser's guess."""
    try:
        text = data.decode("utf-8")
        return Decoded(text, "utf-8", f"charset {label} did not fit, read as utf-8" if label else "")
    except UnicodeDecodeError:
        pass
    guess = guess_charset(data)
    if guess == "utf-8":
        text = data.decode("utf-8", "replace")
    elif guess in _DECODERS:
        text = _DECODERS[guess](data)
    else:
        text = _strictly_or_replaced(data, guess)
        if guess in _SINGLE_BYTE_FALLBACK and "\ufffd" in text:
            text = data.decode("latin-1")
    said = f"charset {label} did not fit" if label else "no charset declared"
    return Decoded(text, guess, f"{said}, read as {guess}")


def guess_charset(data: bytes) -> str:
    """Codec name of the most likely charset of undeclared bytes."""
    first = _NOT_ASCII.search(data)
    start = max(0, first.start() - 256) if first else 0
    detector = EncodingDetector()
    detector.feed(data[start : start + DETECTION_WINDOW], last=len(data) - start <= DETECTION_WINDOW)
    guessed = codec_of(str(detector.guess(tld=None, allow_utf8=True)))
    return guessed or "cp1252"


# --- labels -----------------------------------------------------------------------------------------------------------

_NOT_ASCII = re.compile(rb"[\x80-\xff]")

_ALIASES = {
    "iso-8859-1": "cp1252", "latin1": "cp1252", "latin-1": "cp1252", "iso8859-1": "cp1252", "iso88591": "cp1252",
    "8859-1": "cp1252", "l1": "cp1252", "cp819": "cp1252", "windows-1252": "cp1252", "cp1252": "cp1252",
    "us-ascii": "ascii", "ascii": "ascii", "usascii": "ascii", "ansi-x3.4-1968": "ascii", "646": "ascii", "us": "ascii",
    "iso-646-us": "ascii", "7bit": "ascii", "unknown-8bit": "ascii", "x-unknown": "ascii", "unknown": "ascii",
    "default": "ascii", "none": "ascii", "default-charset": "ascii", "8bit": "ascii", "binary": "ascii", "user-defined": "ascii",
    "x-user-defined": "ascii", "utf-7": "ascii", "unicode-1-1-utf-7": "ascii", "csunicode11utf7": "ascii", "utf7": "ascii",
    "x-unicode-2-0-utf-7": "ascii", "imap4-utf-7": "ascii", "utf-7-imap": "ascii",
    "utf8": "utf-8", "utf-8": "utf-8", "unicode-1-1-utf-8": "utf-8", "utf-8-sig": "utf-8", "utf8mb4": "utf-8", "utf-8n": "utf-8",
    "cp65001": "utf-8", "65001": "utf-8", "cesu-8": "utf-8", "unicode": "utf-16", "ucs-2": "utf-16", "iso-10646-ucs-2": "utf-16",
    "utf-16": "utf-16", "utf-16le": "utf-16-le", "utf-16be": "utf-16-be", "utf-32": "utf-32",
    "shift-jis": "cp932", "shiftjis": "cp932", "sjis": "cp932", "x-sjis": "cp932", "ms-kanji": "cp932", "windows-31j": "cp932",
    "cp932": "cp932", "ms932": "cp932", "windows-932": "cp932", "csshiftjis": "cp932", "x-ms-cp932": "cp932", "mskanji": "cp932",
    "x-shift-jis": "cp932", "cswindows31j": "cp932", "sjis-win": "cp932", "932": "cp932", "sjis-open": "cp932", "ibm-943": "cp932",
    "iso-2022-jp": "iso-2022-jp", "iso2022-jp": "iso-2022-jp", "iso2022jp": "iso-2022-jp", "csiso2022jp": "iso-2022-jp",
    "iso-2022-jp-1": "iso-2022-jp", "iso-2022-jp-2": "iso-2022-jp", "iso-2022-jp-3": "iso-2022-jp", "jis": "iso-2022-jp",
    "iso-2022-jp-2004": "iso-2022-jp", "iso-2022-jp-ms": "iso-2022-jp", "iso-2022-jp-ext": "iso-2022-jp",
    "cp50220": "iso-2022-jp", "cp50221": "iso-2022-jp", "cp50222": "iso-2022-jp", "iso-2022": "iso-2022-jp",
    "euc-jp": "euc-jp", "eucjp": "euc-jp", "x-euc-jp": "euc-jp", "x-euc": "euc-jp", "ujis": "euc-jp", "eucjp-ms": "euc-jp",
    "eucjp-win": "euc-jp", "cp51932": "euc-jp", "cseucpkdfmtjapanese": "euc-jp", "euc-jp-ms": "euc-jp", "eucjp-open": "euc-jp",
    "gb2312": "gb18030", "gbk": "gb18030", "gb18030": "gb18030", "euc-cn": "gb18030", "x-gbk": "gb18030", "cp936": "gb18030",
    "gb-2312": "gb18030", "gb-2312-80": "gb18030", "chinese": "gb18030", "csgb2312": "gb18030", "windows-936": "gb18030",
    "ms936": "gb18030", "x-euc-cn": "gb18030", "hz-gb-2312": "hz", "hz": "hz", "936": "gb18030",
    "big5": "cp950", "big-5": "cp950", "x-big5": "cp950", "cn-big5": "cp950", "big5-hkscs": "big5hkscs", "windows-950": "cp950",
    "950": "cp950", "euc-kr": "cp949", "ks-c-5601-1987": "cp949", "ks-c-5601": "cp949", "ksc5601": "cp949", "uhc": "cp949",
    "windows-949": "cp949", "korean": "cp949", "ks-c-5601-1989": "cp949", "euckr": "cp949", "ksc-5601": "cp949", "949": "cp949",
    "iso-2022-kr": "iso2022_kr", "csiso2022kr": "iso2022_kr",
    "tis-620": "cp874", "iso-8859-11": "cp874", "windows-874": "cp874", "iso-8859-9": "cp1254", "latin5": "cp1254",
    "iso-8859-8-i": "iso8859-8", "iso-8859-8-e": "iso8859-8", "iso-8859-6-i": "iso8859-6", "iso-8859-6-e": "iso8859-6",
    "macintosh": "mac_roman", "mac": "mac_roman", "x-mac-roman": "mac_roman", "x-mac-cyrillic": "mac_cyrillic",
    "x-mac-japanese": "cp932", "x-mac-ce": "mac_latin2", "x-mac-greek": "mac_greek", "x-mac-turkish": "mac_turkish",
    "ansi": "cp1252", "x-ansi": "cp1252", "iso-8859": "cp1252", "iso-ir-6": "ascii", "iso-ir-100": "cp1252",
    "koi8": "koi8-r", "koi": "koi8-r", "x-cp1251": "cp1251", "x-cp1252": "cp1252", "x-cp1250": "cp1250", "visii": "cp1258",
    "viscii": "cp1258", "iso-8859-12": "cp1252", "logical": "iso8859-8",
}  # fmt: skip

# Codecs of the standard library that no mail may choose: not charsets of text, or able to hide markup.
_REFUSED = frozenset({"idna", "punycode", "undefined", "unicode_escape", "raw_unicode_escape", "utf-7", "mbcs", "oem", "rot13"})

_SINGLE_BYTE_FALLBACK = frozenset({"cp1252", "cp1250", "cp1251", "cp1253", "cp1254", "cp1255", "cp1257", "cp1258", "cp874"})

_MULTI_BYTE = frozenset({"utf-8", "cp932", "euc-jp", "iso-2022-jp", "gb18030", "cp950", "cp949"})

_LABEL_JUNK = re.compile(r"^[\s\"'=*]*(?:charset=)?[\s\"']*|[\s\"';,).>\0].*$", re.I | re.S)


@lru_cache(maxsize=512)
def codec_of(label: str) -> str | None:
    """Name of the codec for a charset label as mail writes it ("x-sjis", "'UTF8'", "win-1257"), None when unknown."""
    cleaned = _LABEL_JUNK.sub("", label[:200]).lower().replace("_", "-")
    if cleaned in _ALIASES:
        return _ALIASES[cleaned]
    numbered = re.fullmatch(r"(?:x-)?(?:windows|win|cp|microsoft-cp|ms|ibm|x-cp|ansi|dos)-?(\d{3,5})", cleaned)
    if numbered:
        number = numbered[1]
        cleaned = _ALIASES.get(number, f"cp{number}")
        if cleaned in _ALIASES:
            return _ALIASES[cleaned]
    iso = re.fullmatch(r"(?:x-)?(?:iso)?-?-?8859-?(\d{1,2})(?:-[a-z])?(?::\d+)?", cleaned)
    if iso:
        cleaned = f"iso8859-{int(iso[1])}"
        aliased = _ALIASES.get(f"iso-8859-{int(iso[1])}")
        if aliased:
            return aliased
    return _of_standard_library(cleaned)


def _of_standard_library(name: str) -> str | None:
    if not name.isascii() or "\0" in name:
        return None
    try:
        found = codecs.lookup(name)
    except (LookupError, ValueError):
        return None
    if not getattr(found, "_is_text_encoding", True) or found.name.replace("-", "_") in {r.replace("-", "_") for r in _REFUSED}:
        return None
    return found.name


# --- Japanese ---------------------------------------------------------------------------------------------------------

# Where JIS X 0208 and CP932 disagree on the Unicode character, Windows' side is taken for all Japanese charsets, so that
# the same word typed in two charsets is found by one search.
_AS_WINDOWS = {
    ord("〜"): "～", ord("‖"): "∥", ord("−"): "－", ord("¢"): "￠", ord("£"): "￡", ord("¬"): "￢", ord("—"): "―",
}  # fmt: skip
_DIFFERING = re.compile("[〜‖−¢£¬—]")

_JAPANESE_ESCAPE = re.compile(rb"\x1b(?:\$[@B]|\$\([@BDOPQ]|\([IJ])")
_SHIFT = re.compile(rb"\x1b(\$[@AB]|\$\([@ABCDOPQ]|\([ABHIJ]|&@)|([\x0e\x0f])")
_HIGH = bytes(b | 0x80 if 0x21 <= b <= 0x7E else b for b in range(256))
_PAIRS = re.compile(rb"((?:[\x21-\x7e\xa1-\xfe][\x21-\x7e\xa1-\xfe])+)|(.)", re.S)


def _iso_2022_jp(data: bytes) -> str:
    """ISO-2022-JP as mail really is: CP50220/50221/50222, JIS X 0201/0208/0212/0213, NEC and IBM rows, missing shifts."""
    out: list[str] = []
    state = b"(B"
    position = 0
    for shift in _SHIFT.finditer(data):
        state = _segment(out, data[position : shift.start()], state)
        position = shift.end()
        if shift[1] is not None:
            state = state if shift[1] == b"&@" else shift[1]
        else:
            state = b"(I" if shift[2] == b"\x0e" else b"(B"
    _segment(out, data[position:], state)
    return "".join(out)


def _segment(out: list[str], data: bytes, state: bytes) -> bytes:
    """Decodes the bytes between two escape sequences; a line's end leads back to ASCII (RFC 1468)."""
    if not data:
        return state
    if state in (b"(B", b"(J", b"(H", b"(A"):
        out.append(data.decode("ascii") if data.isascii() else data.decode("cp932", "replace"))
        return state
    end = data.find(b"\n")
    inside, rest = (data, b"") if end < 0 else (data[:end], data[end:])
    if state == b"(I":
        out.append(bytes(b | 0x80 if 0x21 <= b <= 0x5F else b for b in inside).decode("cp932", "replace"))
    elif state in (b"$A", b"$(A"):
        out.append(inside.translate(_HIGH).decode("gb18030", "replace"))
    elif state == b"$(C":
        out.append(inside.translate(_HIGH).decode("cp949", "replace"))
    elif state == b"$(D":
        out.append(_double(inside, "euc_jp", b"\x8f"))
    elif state in (b"$(O", b"$(Q"):
        out.append(_double(inside, "euc_jis_2004", b""))
    elif state == b"$(P":
        out.append(_double(inside, "euc_jis_2004", b"\x8f"))
    else:
        out.append(_jis_x_0208(inside))
    if not rest:
        return state
    out.append(rest.decode("ascii") if rest.isascii() else rest.decode("cp932", "replace"))
    return b"(B"


def _jis_x_0208(data: bytes) -> str:
    high = data.translate(_HIGH)
    try:
        return _as_windows(high.decode("euc_jp"))
    except UnicodeDecodeError:
        return "".join(_pairs_as_cp932(run) if run else other.decode("latin-1") for run, other in _PAIRS.findall(high))


def _double(data: bytes, codec: str, prefix: bytes) -> str:
    high = data.translate(_HIGH)
    pairs = (high[i : i + 2] for i in range(0, len(high), 2))
    return "".join((prefix + pair).decode(codec, "replace") for pair in pairs)


def _pairs_as_cp932(run: bytes) -> str:
    """Pairs of a JIS X 0208 plane, the vendors' rows included, through their places in Shift_JIS."""
    out = []
    for i in range(0, len(run) - 1, 2):
        row, cell = (run[i] & 0x7F) - 0x21, (run[i + 1] & 0x7F) - 0x21
        lead = row // 2 + (0x81 if row < 62 else 0xC1)
        trail = cell + (0x9F if row % 2 else (0x40 if cell < 63 else 0x41))
        try:
            out.append(bytes((lead, trail)).decode("cp932"))
        except UnicodeDecodeError:
            out.append("\ufffd")
    return "".join(out)


_EUC = re.compile(rb"([\x00-\x7f]+)|((?:[\xa1-\xfe][\xa1-\xfe])+)|(\x8e[\xa1-\xdf])|(\x8f[\xa1-\xfe][\xa1-\xfe])|(.)", re.S)


def _euc_jp(data: bytes) -> str:
    """EUC-JP with the NEC and IBM rows of eucJP-ms and CP51932."""
    try:
        return _as_windows(data.decode("euc_jp"))
    except UnicodeDecodeError:
        pass
    out = []
    for plain, pairs, kana, supplement, other in _EUC.findall(data):
        if plain:
            out.append(plain.decode("ascii"))
        elif pairs:
            try:
                out.append(_as_windows(pairs.decode("euc_jp")))
            except UnicodeDecodeError:
                out.append(_pairs_as_cp932(pairs))
        elif kana:
            out.append(kana[1:].decode("cp932"))
        else:
            out.append((supplement or other).decode("euc_jp", "replace"))
    return "".join(out)


def _as_windows(text: str) -> str:
    return text.translate(_AS_WINDOWS) if _DIFFERING.search(text) else text


def _cp932(data: bytes) -> str:
    try:
        return data.decode("cp932")
    except UnicodeDecodeError:
        pass
    try:
        return _as_windows(data.decode("shift_jis_2004"))
    except UnicodeDecodeError:
        return data.decode("cp932", "replace")


def _big5(data: bytes) -> str:
    try:
        return data.decode("cp950")
    except UnicodeDecodeError:
        pass
    try:
        return data.decode("big5hkscs")
    except UnicodeDecodeError:
        return data.decode("cp950", "replace")


def _iso_2022_jp_with_eight_bits(data: bytes) -> str:
    """Declared ISO-2022-JP, but with bytes above 0x7F: raw half-width kana between escapes, or another charset at all."""
    if b"\x1b" in data:
        return _iso_2022_jp(data)
    return "\ufffd" * len(data)  # nothing of it is ISO-2022-JP: the bytes must decide


_DECODERS = {
    "iso-2022-jp": _iso_2022_jp_with_eight_bits,
    "euc-jp": _euc_jp,
    "cp932": _cp932,
    "cp950": _big5,
}
