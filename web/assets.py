"""Static files: their address carries a hash of their content, so browsers may keep them for ever."""

from __future__ import annotations

import gzip
import hashlib
import mimetypes
import time
from dataclasses import dataclass
from pathlib import Path

from flask import Flask, Response, request
from markupsafe import Markup
from werkzeug.security import safe_join

from inbox.errors import NotFound
from web.edge import for_everybody

FOLDER = Path(__file__).resolve().parent / "static"
FOREVER = "public, max-age=31536000, immutable"
PACKED = ("text/", "application/json", "image/svg")
ICONS_KEPT = 2000
LOOK_AGAIN_SECONDS = 1.0  # a page names an icon a hundred times; the disk is asked once


@dataclass(frozen=True)
class Asset:
    """A file as it is sent; `packed` is its gzip form, b"" where that saves nothing."""

    mtime: int
    content_type: str
    hash: str
    data: bytes
    packed: bytes


_known: dict[str, Asset] = {}
_addresses: dict[str, tuple[float, str]] = {}
_icons: dict[tuple[str, str, str, str], Markup] = {}


def install(app: Flask) -> None:
    app.add_url_rule("/static/<path:name>", "static", for_everybody(show), methods=["GET"])
    app.add_template_global(asset)
    app.add_template_global(icon, "icon_markup")


def asset(name: str) -> str:
    """The address of a static file, with the hash of its content."""
    until, address = _addresses.get(name, (0.0, ""))
    now = time.monotonic()
    if now > until:
        address = f"/static/{name}?v={_load(name).hash}"
        _addresses[name] = (now + LOOK_AGAIN_SECONDS, address)
    return address


def icon(name: str, label: str = "", **more: str) -> Markup:
    """An icon of the sprite, put together once; `class` among `more`. Without a label it is decoration."""
    key = (asset("vendor/icons.svg"), name, label, more.get("class", ""))
    found = _icons.get(key)
    if found is None:
        sprite, _name, _label, css = key
        told = Markup(' role="img" aria-label="{}"').format(label) if label else Markup(' aria-hidden="true"')
        found = Markup('<svg class="{}"{}><use href="{}#{}"></use></svg>').format(
            f"icon {css}".strip(), told, sprite, name
        )
        if len(_icons) < ICONS_KEPT:  # labels hold names of people: not without bound
            _icons[key] = found
    return found


def show(name: str) -> Response:
    found = _load(name)
    response = Response(found.data, content_type=found.content_type)
    if found.packed and "gzip" in request.headers.get("Accept-Encoding", ""):
        response.data = found.packed
        response.headers["Content-Encoding"] = "gzip"
    response.headers["Vary"] = "Accept-Encoding"
    response.headers["Cache-Control"] = FOREVER if request.args.get("v") == found.hash else "no-cache"
    response.set_etag(found.hash)
    return response.make_conditional(request)


def _load(name: str) -> Asset:
    """The file from memory, read again when it changed on disk."""
    path = safe_join(str(FOLDER), name)
    try:
        if path is None or name.endswith(".py"):
            raise NotFound()
        mtime = Path(path).stat().st_mtime_ns
        known = _known.get(name)
        if known is None or known.mtime != mtime:
            known = _known[name] = _read(Path(path), mtime)
        return known
    except (OSError, ValueError):
        raise NotFound() from None


def _read(path: Path, mtime: int) -> Asset:
    data = path.read_bytes()
    content_type = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    packed = gzip.compress(data, 6, mtime=0) if content_type.startswith(PACKED) else b""
    if content_type.startswith("text/"):
        content_type += "; charset=utf-8"
    return Asset(mtime, content_type, hashlib.sha256(data).hexdigest()[:12], data, packed)
