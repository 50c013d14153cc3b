"""Bytes that came from outside, handed to a browser so that it can do nothing with them but show or save them."""

from __future__ import annotations

from urllib.parse import quote

from flask import Response

HARMLESS = "sandbox; default-src 'none'"
PICTURES = frozenset({"image/png", "image/gif", "image/jpeg", "image/webp", "image/bmp", "image/avif"})


def bytes_response(data: bytes, *, name: str, content_type: str, inline: bool = False, seconds: int = 0) -> Response:
    """A download; with `inline` shown in place, which only pictures are. `seconds`: how long the browser may keep it.

    `name` is a clean file name; it is told by RFC 6266 with its ASCII fallback.
    """
    shown = inline and content_type in PICTURES
    plain = name.encode("ascii", "replace").decode().replace("?", "_").replace('"', "_").replace("\\", "_")
    response = Response(data, content_type=content_type)
    response.headers["Content-Disposition"] = (
        f"{'inline' if shown else 'attachment'}; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"
    )
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Content-Security-Policy"] = HARMLESS
    if seconds:
        response.headers["Cache-Control"] = f"private, max-age={seconds}, immutable"
    return response
