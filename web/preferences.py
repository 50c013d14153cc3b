"""A person's own settings: name, language, time zone, look, sending, signatures, password, other browsers."""

from __future__ import annotations

import zoneinfo
from functools import cache
from html import escape
from typing import Any

from flask import Blueprint, g, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from inbox import people
from inbox.errors import N_, NotFound, UserError
from web import edge
from web.edge import Answer
from web.language import gettext

pages = Blueprint("preferences", __name__)

USUAL_ZONES = (
    "Asia/Tokyo",
    "UTC",
    "Europe/London",
    "Europe/Berlin",
    "America/New_York",
    "America/Los_Angeles",
    "Asia/Shanghai",
    "Asia/Singapore",
)


@pages.get("/preferences")
def show() -> str:
    return render_template("preferences/show.html", **_page(values=g.who))


@pages.post("/preferences")
def change() -> Response | Answer:
    given = request.form
    try:
        undo = given.get("undo_seconds", "")
        if not (undo.isascii() and undo.isdigit() and len(undo) < 5):
            raise UserError(N_("Write a number of seconds."), field="undo_seconds")
        if not given.get("name", "").strip():
            raise UserError(N_("Write your name."), field="name")
        people.preferences(
            g.session,
            g.who,
            name=given["name"],
            locale=given.get("locale"),
            time_zone=given.get("time_zone"),
            theme=given.get("theme"),
            undo_seconds=int(undo),
            after_send=given.get("after_send"),
        )
    except UserError as error:
        return edge.form_again("preferences/show.html", error, **_page(values=given))
    edge.tell(gettext("Saved."))
    return redirect(url_for("preferences.show"), 303)


@pages.post("/preferences/signatures/<int:mailbox_id>")
def sign(mailbox_id: int) -> Response | Answer:
    """The person's own name and signature in one mailbox; empty fields give back the mailbox's."""
    own = request.form.get("own") == "1"
    html = as_html(request.form.get("html", ""))
    try:
        people.sign_as(
            g.session,
            g.who,
            mailbox_id,
            from_name=request.form.get("from_name", "").strip() or None,
            html=html if own else None,
        )
    except NotFound:
        raise
    except UserError as error:
        error.field = f"{error.field}-{mailbox_id}" if error.field else ""
        return edge.form_again("preferences/show.html", error, **_page(values=g.who))
    edge.tell(gettext("Signature saved."))
    return redirect(url_for("preferences.show", _anchor=f"signature-{mailbox_id}"), 303)


@pages.post("/preferences/password")
def change_password() -> Response | Answer:
    old, new = request.form.get("old", "")[:1000], request.form.get("password", "")[:1000]
    try:
        who = people.change_password(g.session, g.who, old, new, now=g.now)
    except UserError as error:
        return edge.form_again("preferences/show.html", error, **_page(values=g.who))
    edge.remember(who)
    edge.tell(gettext("Your password was changed. Other browsers were signed out."))
    return redirect(url_for("preferences.show"), 303)


@pages.post("/preferences/sessions")
def end_others() -> Response:
    edge.remember(people.end_other_sessions(g.session, g.who, now=g.now))
    edge.tell(gettext("All other browsers were signed out."))
    return redirect(url_for("preferences.show"), 303)


def as_html(typed: str) -> str:
    """What the editor sent; plain lines (typed without it) become lines of HTML."""
    clean = typed.strip().replace("\r\n", "\n")
    return (
        clean
        if "<" in clean and ">" in clean
        else "<br>".join(escape(line) for line in clean.split("\n"))
        if clean
        else ""
    )


def _page(*, values: Any) -> dict[str, Any]:
    return {
        "values": values,
        "zones": _zones(),
        "signatures": people.signatures(g.session, g.who),
        "themes": (("auto", gettext("As the system")), ("light", gettext("Light")), ("dark", gettext("Dark"))),
        "after": (
            ("next", gettext("Show the next conversation")),
            ("stay", gettext("Stay in the conversation")),
            ("list", gettext("Go back to the list")),
        ),
    }


@cache
def _zones() -> tuple[tuple[str, str], ...]:
    others = sorted(
        name
        for name in zoneinfo.available_timezones()
        if "/" in name and not name.startswith(("Etc/", "SystemV/", "US/"))
    )
    return tuple((name, name.replace("_", " ")) for name in dict.fromkeys((*USUAL_ZONES, *others)))
