"""Webhooks: one's own, and for managers those of teams and rules, each with the log of its calls."""

from __future__ import annotations

from flask import Blueprint, g, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from inbox import webhooks
from inbox.errors import Conflict, UserError
from web import edge
from web.edge import Answer
from web.language import gettext
from web.words import words

pages = Blueprint("webhooks", __name__)


@pages.get("/preferences/webhook")
def own() -> str:
    return render_template("webhooks/own.html", **_own())


@pages.post("/preferences/webhook")
def set_own() -> AnyResponse | Answer:
    """{url}"""
    url = request.form.get("url", "")
    try:
        webhooks.set_own(g.session, g.who, url, now=g.now)
    except UserError as error:
        return edge.form_again("webhooks/own.html", error, **_own() | {"url": url})
    edge.tell(gettext("Saved."))
    return redirect(url_for("webhooks.own"), 303)


@pages.get("/webhooks")
@edge.only("manager")
def shared() -> str:
    return render_template("webhooks/shared.html", **_shared(), values={})


@pages.post("/webhooks")
@edge.only("manager")
def add() -> AnyResponse | Answer:
    """{name, url, kinds}; {team_id}: empty for one that rules name."""
    given = request.form
    team = given.get("team_id", "")
    kinds = given.getlist("kinds")
    try:
        webhooks.add(
            g.session,
            g.who,
            name=given.get("name", ""),
            url=given.get("url", ""),
            team_id=int(team) if team.isascii() and team.isdigit() else None,
            kinds=kinds,
            now=g.now,
        )
    except UserError as error:
        return edge.form_again("webhooks/shared.html", error, **_shared(), values={**given, "kinds": kinds})
    edge.tell(gettext("Saved."))
    return redirect(url_for("webhooks.shared"), 303)


@pages.post("/webhooks/<int:webhook_id>/removal")
def remove(webhook_id: int) -> AnyResponse:
    """Not while a rule calls it."""
    try:
        webhooks.remove(g.session, g.who, webhook_id, now=g.now)
        edge.tell(gettext("The webhook was removed."))
    except Conflict as error:
        edge.tell(words(error), kind="problem")
    return edge.next_page(url_for("webhooks.own"))


@pages.post("/webhooks/<int:webhook_id>/trials")
def try_out(webhook_id: int) -> AnyResponse:
    webhooks.try_out(g.session, g.who, webhook_id, now=g.now)
    edge.tell(gettext("It is called now. What came of it stands in its log in a moment."))
    return edge.next_page(url_for("webhooks.own"))


def _own() -> dict[str, object]:
    found = webhooks.own(g.session, g.who)
    return {"hook": found, "url": found.url if found is not None else "", "why": _why}


def of_teams() -> dict[str, str]:
    """What calls a team's webhook, in words that are of no one person."""
    return {
        "given": gettext("A conversation is given to somebody"),
        "mail": gettext("New mail in a conversation"),
        "noted": gettext("A note in a conversation"),
        "mentioned": gettext("Somebody is mentioned in a note"),
        "trouble": gettext("An answer did not arrive, or it is uncertain"),
        "deadline": gettext("A deadline comes near or has passed"),
    }


def _shared() -> dict[str, object]:
    titles = of_teams()
    return {
        "hooks": webhooks.shared(g.session, g.who),
        "teams": [("", gettext("No team: for rules"))] + [(str(one), name) for one, name in webhooks.teams(g.session)],
        "kinds": [(kind, titles[kind]) for kind in webhooks.TEAM_KINDS],
        "titles": titles,
        "why": _why,
    }


def _why(answer: str) -> str:
    """What a call came to: our own reason, or what the server said."""
    return gettext(webhooks.WRONG[answer]) if answer in webhooks.WRONG else answer
