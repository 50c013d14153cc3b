"""Safe names and safe content types for attached files; what a mail says about a file is never taken on trust."""

from __future__ import annotations

import re
import unicodedata

MAX_NAME_BYTES = 180  # leaves room for a prefix below the 255 bytes of common file systems

# Types a browser may show inside our own page, with how their files begin (offset 0 unless told in `_sniffed`).
INLINE_IMAGES = frozenset({"image/png", "image/gif", "image/jpeg", "image/webp", "image/bmp", "image/avif"})

# Types that are only ever downloaded, told as they are because no browser runs them.
_HARMLESS = frozenset({
    "application/pdf", "application/zip", "application/gzip", "application/rtf", "application/json",
    "application/pgp-signature", "application/pkcs7-signature", "application/x-pkcs7-signature",
    "application/pkcs7-mime", "application/msword",
    "application/vnd.ms-excel", "application/vnd.ms-powerpoint", "application/x-7z-compressed", "application/x-tar",
    "application/vnd.oasis.opendocument.text", "application/vnd.oasis.opendocument.spreadsheet",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "application/vnd.openxmlformats-officedocument.presentationml.presentation",
    "text/plain", "text/csv", "text/calendar", "text/vcard", "message/rfc822", "message/delivery-status", "image/tiff",
    "image/heic", "audio/mpeg", "audio/mp4", "audio/ogg", "audio/wav", "video/mp4", "video/quicktime", "video/webm",
})  # fmt: skip

_EXTENSIONS = {
    "text/plain": ".txt", "text/html": ".html", "text/calendar": ".ics", "text/csv": ".csv", "message/rfc822": ".eml",
    "application/pdf": ".pdf", "application/zip": ".zip", "image/png": ".png", "image/jpeg": ".jpg",
    "image/gif": ".gif", "image/webp": ".webp", "image/bmp": ".bmp", "message/delivery-status": ".txt",
    "text/rfc822-headers": ".txt", "application/pgp-signature": ".asc",
    "application/pkcs7-signature": ".p7s", "application/x-pkcs7-signature": ".p7s", "text/vcard": ".vcf",
    "text/x-vcard": ".vcf", "text/directory": ".vcf", "image/avif": ".avif", "image/tiff": ".tif",
}  # fmt: skip

_RESERVED = frozenset(
    {"con", "prn", "aux", "nul", "clock$", *(f"{d}{n}" for d in ("com", "lpt") for n in "0123456789¹²³")}
)
_FORBIDDEN = re.compile(r'[\x00-\x1f\x7f<>:"|?*]')
# Characters that NFKC turns into ones with a meaning in paths, markup or quoting stay as they are.
_KEPT_WIDE = re.compile("[／＼：＜＞＂｜？＊．。․‥…＇＆％＃；]")


def clean_name(name: str | None, content_type: str = "application/octet-stream") -> str:
    """A file name to show and to offer for saving: one plain component, never empty, at most 180 bytes of UTF-8.

    Invisible characters (controls, zero-width, direction marks) go first, the checks come after, so that nothing hides
    behind them. Folders, leading dots, trailing dots and blanks and Windows' device names are taken away; the extension
    survives shortening.
    """
    text = _visible(name or "")
    text = _composed(text)
    text = text.replace("\\", "/").rstrip("/ ").rpartition("/")[2]
    text = _FORBIDDEN.sub("_", text)
    text = " ".join(text.split()).strip(" .")
    stem, dot, extension = text.rpartition(".")
    if not dot or not re.fullmatch(r"\w{1,16}", extension):
        stem, extension = text, ""
    stem = stem.rstrip(" .")
    if not stem:
        stem, extension = "attachment", extension or ""
        if not extension:
            return "attachment" + _EXTENSIONS.get(content_type.lower(), "")
    if stem.partition(".")[0].strip().lower() in _RESERVED:
        stem = "_" + stem
    ending = f".{extension}" if extension else ""
    return _shortened(stem, MAX_NAME_BYTES - len(ending.encode())) + ending


def _visible(text: str) -> str:
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        " " if ch in "\t\r\n\u2028\u2029\x85" else ch for ch in text if ch in "\t\r\n\x85\u2028\u2029" or _seen(ch)
    )


def _seen(ch: str) -> bool:
    return unicodedata.category(ch) not in ("Cc", "Cf", "Cs", "Co", "Cn") and ch not in "\u115f\u1160\u3164\uffa0\u034f"


def _composed(text: str) -> str:
    """NFKC, but characters that would become path or markup signs are left in their wide form."""
    if text.isascii():
        return text
    out = []
    start = 0
    for wide in _KEPT_WIDE.finditer(text):
        out += [unicodedata.normalize("NFKC", text[start : wide.start()]), wide[0]]
        start = wide.end()
    out.append(unicodedata.normalize("NFKC", text[start:]))
    composed = "".join(out)
    return composed if all(map(_seen, composed)) else "".join(filter(_seen, composed))


def _shortened(stem: str, limit: int) -> str:
    raw = stem.encode("utf-8")
    return stem if len(raw) <= limit else raw[:limit].decode("utf-8", "ignore").rstrip(" .") or "attachment"


def safe_type(name: str | None, content_type: str, data: bytes) -> str:
    """The content type to serve a file with: an image for inline use when its bytes are one, a type no browser runs, or
    application/octet-stream. Serve with `nosniff` and, but for INLINE_IMAGES, as an attachment.
    """
    sniffed = _sniffed(data)
    if sniffed:
        return sniffed
    declared = content_type.lower().strip()
    if declared in INLINE_IMAGES or declared not in _HARMLESS:
        return "application/octet-stream"
    if declared.startswith("text/") and (name or "").lower().rstrip(". ").endswith(
        (".html", ".htm", ".svg", ".xhtml", ".xml", ".hta")
    ):
        return "application/octet-stream"
    return declared


def _sniffed(data: bytes) -> str:
    head = data[:32]
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if head.startswith((b"GIF87a", b"GIF89a")):
        return "image/gif"
    if head.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return "image/webp"
    if (
        head.startswith(b"BM")
        and len(data) >= 26
        and int.from_bytes(data[2:6], "little") in (len(data), 0)
        and head[6:10] == bytes(4)
    ):
        return "image/bmp"
    if head[4:12] in (b"ftypavif", b"ftypavis"):
        return "image/avif"
    return ""
