"""Signing in and out, the first sign-in, invitations, forgotten passwords; language and theme of the reader."""

from __future__ import annotations

import time

from flask import Blueprint, g, redirect, render_template, request, session, url_for
from werkzeug.wrappers import Response

from inbox import notices, people
from inbox.config import settings
from inbox.errors import UserError
from inbox.people import TooManyTries
from inbox.wire import ring
from web import edge
from web.edge import Answer
from web.language import LOCALES, gettext, speaking

pages = Blueprint("sessions", __name__)

THEMES = ("auto", "light", "dark")
SAME_TIME = 0.3  # seconds; longer than queueing a reset mail takes, so that the clock tells nobody who is in the team


@pages.get("/sign-in")
@edge.for_everybody
def new() -> str | Response:
    onwards = edge.same_origin(request.args.get("next"), otherwise="")
    if g.who is not None:
        return redirect(onwards or url_for("inbox.home"), 303)
    return render_template("sessions/new.html", values={}, next=onwards, nobody_yet=not people.any_user(g.session))


@pages.post("/sign-in")
@edge.for_everybody
def create() -> Answer | Response | tuple[str, int, dict[str, str]]:
    onwards = edge.same_origin(request.form.get("next"), otherwise="")
    email, password = request.form.get("email", ""), request.form.get("password", "")
    try:
        who = people.sign_in(g.session, email[:254], password[:1000], ip=request.remote_addr or "", now=g.now)
    except UserError as error:
        page, status = edge.form_again(
            "sessions/new.html", error, values={"email": email}, next=onwards, nobody_yet=False
        )
        return page, status, {"Retry-After": str(error.seconds)} if isinstance(error, TooManyTries) else {}
    edge.remember(who)
    return redirect(onwards or url_for("inbox.home"), 303)


@pages.post("/sign-out")
@edge.for_everybody
def end() -> Response:
    """Ends this browser's session; its open event streams close."""
    if "key" in session:
        ring.screens(g.session, ended=session["key"])
    edge.forget()
    return redirect(url_for("sessions.new"), 303)


@pages.get("/links/<kind>/<token>")
@edge.for_everybody
def show_link(kind: str, token: str) -> str:
    owner = people.link_owner(g.session, kind, token, now=g.now)
    return render_template("sessions/link.html", owner=owner, values={"name": owner.name})


@pages.post("/links/<kind>/<token>")
@edge.for_everybody
def take_up_link(kind: str, token: str) -> Answer | Response:
    """First sign-in, invitation and password reset: sets the password and signs in."""
    owner = people.link_owner(g.session, kind, token, now=g.now)
    asked = request.form
    try:
        who = people.take_up(
            g.session,
            kind,
            token,
            email=asked.get("email") if kind == "first" else None,
            name=asked.get("name") if kind != "reset" else None,
            password=asked.get("password", ""),
            locale=asked.get("locale") or None,
            now=g.now,
        )
    except UserError as error:
        return edge.form_again("sessions/link.html", error, owner=owner, values=asked)
    edge.remember(who)
    if kind == "reset":
        edge.tell(gettext("Your password was changed. Other browsers were signed out."))
    return redirect(url_for("inbox.home"), 303)


@pages.get("/password-reset")
@edge.for_everybody
def forgotten() -> str:
    return render_template("sessions/forgotten.html", values={}, asked=False)


@pages.post("/password-reset")
@edge.for_everybody
def ask_for_reset() -> str:
    """The same answer whether or not somebody has that address, and after the same time."""
    began = time.monotonic()
    email = request.form.get("email", "")[:254]
    found = people.start_reset(g.session, email, ip=request.remote_addr or "", now=g.now)
    if found is not None:
        member, token = found
        _mail_reset(member, settings().address + people.path("reset", token))
    edge.end_transaction()  # others need not wait
    time.sleep(max(0.0, SAME_TIME - (time.monotonic() - began)))
    edge.begin_again()
    return render_template("sessions/forgotten.html", values={"email": email}, asked=True)


@pages.post("/appearance")
@edge.for_everybody
def appearance() -> Response:
    """Language and theme: of the person when signed in, else of this browser."""
    theme, locale = request.form.get("theme"), request.form.get("locale")
    theme = theme if theme in THEMES else None
    locale = locale if locale in LOCALES else None
    if g.who is not None:
        people.preferences(g.session, g.who, theme=theme, locale=locale)
    else:
        session.update({name: value for name, value in (("theme", theme), ("locale", locale)) if value})
    return edge.next_page(url_for("inbox.home" if g.who is not None else "sessions.new"))


def _mail_reset(member: people.Member, link: str) -> None:
    with speaking(member.locale):
        words = {"name": member.name, "link": link}
        notices.queue(
            g.session,
            to=member.email,
            subject=gettext("Set a new password for Madoguchi"),
            text=render_template("sessions/reset_mail.txt", **words),
            html=render_template("sessions/reset_mail.html", **words),
            dedupe_key=f"reset:{link[-24:]}",
            now=g.now,
        )
