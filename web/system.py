"""/healthz and /readyz: what watches the installation asks here; parts and facts only, no secrets."""

from __future__ import annotations

from flask import Blueprint, Response, g, jsonify

from inbox import health
from web import edge

pages = Blueprint("system", __name__)


@pages.get("/healthz")
@edge.for_everybody
def healthz() -> tuple[Response, int]:
    """200 while every part works, else 503 with the parts that do not."""
    return _told(health.system(now=g.now))


@pages.get("/readyz")
@edge.for_everybody
def readyz() -> tuple[Response, int]:
    """200 when pages can be served: the database answers and has the newest schema."""
    return _told(health.system(now=g.now), only=("database", "disk"))


def _told(system: health.SystemHealth, *, only: tuple[str, ...] = ()) -> tuple[Response, int]:
    parts = {part.name: {"ok": part.ok, "code": part.code} for part in system.parts if not only or part.name in only}
    ok = all(part["ok"] for part in parts.values())
    return jsonify(ok=ok, parts=parts), 200 if ok else 503
