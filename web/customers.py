"""What the team writes down about a conversation's customer: name, company, tier, phase and a note."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Blueprint, g, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from inbox import profiles
from inbox.errors import UserError
from inbox.profiles import LONGEST, LONGEST_NOTE, Profile
from web import drafts, edge
from web.language import gettext
from web.words import words

pages = Blueprint("customers", __name__)

FIELDS = (*LONGEST, "note")


@pages.get("/conversations/<int:conversation_id>/customer")
def edit(conversation_id: int) -> str:
    """The form on a page of its own; a script gets the form alone and sets it into the conversation's panel."""
    known = profiles.of_conversation(g.session, g.who, conversation_id)
    context = _context(conversation_id, known, drafts.way(request.args))
    template = "customers/form.html" if edge.fragment() else "customers/edit.html"
    values = {field: getattr(known, field) for field in FIELDS}
    return render_template(template, values=values, errors={}, **context)


@pages.post("/conversations/<int:conversation_id>/customer")
def change(conversation_id: int) -> AnyResponse | edge.Answer | tuple[str, int, dict[str, str]]:
    """{name, company, tier, phase, note}."""
    values = {field: request.form.get(field, "") for field in FIELDS}
    try:
        profiles.change(g.session, g.who, conversation_id, **values, now=g.now)
    except UserError as error:
        if not error.field:
            raise
        if edge.fragment():
            return words(error), error.status, {"X-Field": error.field}
        known = profiles.of_conversation(g.session, g.who, conversation_id)
        context = _context(conversation_id, known, drafts.way_sent())
        return edge.form_again("customers/edit.html", error, values=values, **context)
    edge.tell(gettext("Saved."))
    return redirect(url_for("conversations.show", conversation_id=conversation_id, **drafts.way_sent()), 303)


def _context(conversation_id: int, known: Profile, way: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "conversation_id": conversation_id,
        "known": known,
        "way": way,
        "longest": LONGEST | {"note": LONGEST_NOTE},
        "tiers": _offered(profiles.tiers(g.session), usual_tiers()),
        "phases": _offered(profiles.phases(g.session), usual_phases()),
    }


def _offered(in_use: tuple[str, ...], usual: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*in_use, *usual)))


def usual_tiers() -> tuple[str, ...]:
    """How closely customers are looked after, as most teams name it: offered where none is in use yet."""
    return gettext("High touch"), gettext("Low touch"), gettext("Tech touch"), gettext("VIP")


def usual_phases() -> tuple[str, ...]:
    """How far customers have come, as most teams name it."""
    return gettext("Onboarding"), gettext("In operation"), gettext("Active use"), gettext("Established")
