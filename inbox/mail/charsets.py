"""Turns bytes of any declared, wrongly declared or undeclared charset into text; never raises."""

from __future__ import annotations

import codecs
import re
from functools import lru_cache
from typing import NamedTuple

from chardetng_py import EncodingDetector

# Detection looks at this many bytes from the first one that is not ASCII; more makes it slower, not better.
DETECTION_WINDOW = 32 * 1024

# A declared multi-byte charset is believed although some bytes do not fit it, up to this share of its characters.
TOLERATED_DAMAGE = 0.1


class Decoded(NamedTuple):
    """`charset` is the codec that was used; `warning` is "" when the declared charset was right or none was needed."""

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
    if "\ufffd" not in text and not (codec in _SINGLE_BYTE_FALLBACK and _reads_as_japanese(data)):
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
    except UnicodeError:
        return data.decode(codec, "replace")


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
    guessed = codec_of(str(detector.guess(tld=None, allow_utf8=True))) or "cp1252"
    return "cp932" if guessed in _SINGLE_BYTE_FALLBACK and _reads_as_japanese(data) else guessed


def _reads_as_japanese(data: bytes) -> bool:
    """Whether all of it is CP932 with some kana. Few words are too little for the detector, which counts; kana begin
    with bytes that no language of one byte a letter uses so."""
    window = data[:DETECTION_WINDOW]
    if b"\x82" not in window and b"\x83" not in window:
        return False
    text = _DECODERS["cp932"](window)
    if len(data) > DETECTION_WINDOW:
        text = text.rstrip("\ufffd")  # half of a character at the cut
    return _KANA.search(text) is not None and _NOT_JAPANESE.search(text) is None


# --- labels -----------------------------------------------------------------------------------------------------------

_NOT_ASCII = re.compile(rb"[\x80-\xff]")
_KANA = re.compile("[\u3041-\u3096\u30a1-\u30fa]")
_NOT_JAPANESE = re.compile("[^\x00-\x7f\u2010-\u27ff\u3000-\u33ff\u3400-\u9fff\uf900-\ufaff\uff01-\uffee]")

_NAMES = {
    "cp1252": (
        "iso-8859-1 latin1 latin-1 iso8859-1 iso88591 8859-1 l1 cp819 windows-1252 cp1252 ansi x-ansi "
        "iso-8859 iso-ir-100 x-cp1252 iso-8859-12"
    ),
    "ascii": (
        "us-ascii ascii usascii ansi-x3.4-1968 646 us iso-646-us 7bit unknown-8bit x-unknown unknown default "
        "none default-charset 8bit binary user-defined x-user-defined utf-7 unicode-1-1-utf-7 csunicode11utf7 "
        "utf7 x-unicode-2-0-utf-7 imap4-utf-7 utf-7-imap iso-ir-6"
    ),
    "utf-8": "utf8 utf-8 unicode-1-1-utf-8 utf-8-sig utf8mb4 utf-8n cp65001 65001 cesu-8",
    "utf-16": "unicode ucs-2 iso-10646-ucs-2 utf-16",
    "utf-16-le": "utf-16le",
    "utf-16-be": "utf-16be",
    "utf-32": "utf-32",
    "cp932": (
        "shift-jis shiftjis sjis x-sjis ms-kanji windows-31j cp932 ms932 windows-932 csshiftjis x-ms-cp932 "
        "mskanji x-shift-jis cswindows31j sjis-win 932 sjis-open ibm-943 x-mac-japanese"
    ),
    "iso-2022-jp": (
        "iso-2022-jp iso2022-jp iso2022jp csiso2022jp iso-2022-jp-1 iso-2022-jp-2 iso-2022-jp-3 jis "
        "iso-2022-jp-2004 iso-2022-jp-ms iso-2022-jp-ext cp50220 cp50221 cp50222 iso-2022"
    ),
    "euc-jp": "euc-jp eucjp x-euc-jp x-euc ujis eucjp-ms eucjp-win cp51932 cseucpkdfmtjapanese euc-jp-ms eucjp-open",
    "gb18030": (
        "gb2312 gbk gb18030 euc-cn x-gbk cp936 gb-2312 gb-2312-80 chinese csgb2312 windows-936 ms936 x-euc-cn 936"
    ),
    "hz": "hz-gb-2312 hz",
    "cp950": "big5 big-5 x-big5 cn-big5 windows-950 950",
    "big5hkscs": "big5-hkscs",
    "cp949": "euc-kr ks-c-5601-1987 ks-c-5601 ksc5601 uhc windows-949 korean ks-c-5601-1989 euckr ksc-5601 949",
    "iso2022_kr": "iso-2022-kr csiso2022kr",
    "cp874": "tis-620 iso-8859-11 windows-874",
    "cp1254": "iso-8859-9 latin5",
    "iso8859-8": "iso-8859-8-i iso-8859-8-e logical",
    "iso8859-6": "iso-8859-6-i iso-8859-6-e",
    "mac_roman": "macintosh mac x-mac-roman",
    "mac_cyrillic": "x-mac-cyrillic",
    "mac_latin2": "x-mac-ce",
    "mac_greek": "x-mac-greek",
    "mac_turkish": "x-mac-turkish",
    "koi8-r": "koi8 koi",
    "cp1251": "x-cp1251",
    "cp1250": "x-cp1250",
    "cp1258": "visii viscii",
}  # codec: labels that mean it, beside those that the standard library knows
_ALIASES = {label: codec for codec, labels in _NAMES.items() for label in labels.split()}

# Codecs of the standard library that no mail may choose: not charsets of text, or able to hide markup.
_REFUSED = frozenset(
    ["idna", "punycode", "undefined", "unicode_escape", "raw_unicode_escape", "utf_7", "mbcs", "oem", "rot13"]
)

_SINGLE_BYTE_FALLBACK = frozenset(
    ["cp1252", "cp1250", "cp1251", "cp1253", "cp1254", "cp1255", "cp1257", "cp1258", "cp874"]
)

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
    if not getattr(found, "_is_text_encoding", True) or found.name.replace("-", "_") in _REFUSED:
        return None
    return found.name


# --- Japanese ---------------------------------------------------------------------------------------------------------

# Where JIS X 0208 and CP932 disagree on the Unicode character, Windows' side is taken for all Japanese charsets, so
# that the same word typed in two charsets is found by one search.
_AS_WINDOWS = {
    ord("〜"): "～", ord("‖"): "∥", ord("−"): "－", ord("¢"): "￠", ord("£"): "￡", ord("¬"): "￢", ord("—"): "―",
}  # fmt: skip
_DIFFERING = re.compile("[〜‖−¢£¬—]")

_JAPANESE_ESCAPE = re.compile(rb"\x1b(?:\$[@B]|\$\([@BDOPQ]|\([IJ])")
_SHIFT = re.compile(rb"\x1b(\$[@AB]|\$\([@ABCDOPQ]|\([ABHIJ]|&@)|([\x0e\x0f])")
_IN_ROWS = bytes(range(0x21, 0x7F))  # both bytes of a character of JIS X 0208
_HIGH = bytes(b | 0x80 if 0x21 <= b <= 0x7E else b for b in range(256))


def _iso_2022_jp(data: bytes) -> str:
    """ISO-2022-JP as mail really is: CP50220 to CP50222, JIS X 0201/0208/0212/0213, NEC and IBM rows."""
    plain = _plain_iso_2022_jp(data)
    if plain is not None:
        return plain
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


def _plain_iso_2022_jp(data: bytes) -> str | None:
    """RFC 1468 as nearly all mail keeps it, ASCII and JIS X 0208 in turn: without its escapes it is EUC-JP, decoded in
    one go. None for everything else."""
    head, *runs = data.replace(b"\x1b$@", b"\x1b$B").replace(b"\x1b(J", b"\x1b(B").split(b"\x1b$B")
    pieces = [head]
    for run in runs:
        double, shift, single = run.partition(b"\x1b(B")
        if not shift or len(double) % 2 or double.translate(None, _IN_ROWS):
            return None
        pieces += (double.translate(_HIGH), single)
    joined = b"".join(pieces)
    if b"\x1b" in joined or b"\x0e" in joined or b"\x0f" in joined or not b"".join(pieces[::2]).isascii():
        return None
    return _euc_jp(joined)


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
    return _euc_jp(data.translate(_HIGH))


def _double(data: bytes, codec: str, prefix: bytes) -> str:
    high = data.translate(_HIGH)
    pairs = (high[i : i + 2] for i in range(0, len(high), 2))
    return "".join((prefix + pair).decode(codec, "replace") for pair in pairs)


def _euc_jp(data: bytes) -> str:
    """EUC-JP with the NEC and IBM rows of eucJP-ms and CP51932."""
    return _as_windows(data.decode("euc_jp", _VENDOR_ROWS))


_VENDOR_ROWS = "madoguchi.vendor_rows"  # a name for the error handler below


def _from_vendor_row(error: UnicodeError) -> tuple[str, int]:
    """Reads a pair that JIS X 0208 does not have through its place in Shift_JIS, where CP932 has the vendors' rows."""
    if not isinstance(error, UnicodeDecodeError):
        raise error
    pair = error.object[error.start : error.start + 2]
    if len(pair) == 2 and pair[0] >= 0xA1 and pair[1] >= 0xA1 and pair != b"\xff\xff":
        row, cell = pair[0] - 0xA1, pair[1] - 0xA1
        lead = row // 2 + (0x81 if row < 62 else 0xC1)
        trail = cell + (0x9F if row % 2 else (0x40 if cell < 63 else 0x41))
        try:
            return bytes((lead, min(trail, 0xFF))).decode("cp932"), error.start + 2
        except UnicodeDecodeError:
            return "\ufffd", error.start + 2
    return "\ufffd", error.start + 1


codecs.register_error(_VENDOR_ROWS, _from_vendor_row)


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
    """Declared ISO-2022-JP, but with bytes above 0x7F: raw half-width kana between escapes, or another charset."""
    if b"\x1b" in data:
        return _iso_2022_jp(data)
    return "\ufffd" * len(data)  # nothing of it is ISO-2022-JP: the bytes must decide


_DECODERS = {
    "iso-2022-jp": _iso_2022_jp_with_eight_bits,
    "euc-jp": _euc_jp,
    "cp932": _cp932,
    "cp950": _big5,
}
