"""/healthz and /readyz: what watches the installation asks here; parts and codes only, no secrets."""

from __future__ import annotations

from flask import Blueprint, Response, g, jsonify

from inbox import health
from web import edge

pages = Blueprint("system", __name__)

READY = ("database", "disk")  # what a page needs; the rest may be on its way up


@pages.get("/healthz")
@edge.for_machines
def healthz() -> tuple[Response, int]:
    """200 while every part works, else 503 and which does not."""
    return _told(health.system(now=g.now).parts)


@pages.get("/readyz")
@edge.for_machines
def readyz() -> tuple[Response, int]:
    """200 when pages can be served: the database answers in the newest form and bytes can be stored."""
    return _told(tuple(part for part in health.system(now=g.now).parts if part.name in READY))


def _told(parts: tuple[health.Part, ...]) -> tuple[Response, int]:
    ok = all(part.ok for part in parts)
    return jsonify(ok=ok, parts={part.name: {"ok": part.ok, "code": part.code} for part in parts}), 200 if ok else 503
