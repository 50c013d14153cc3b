"""Conversations that are one matter: choosing them, joining them, parting them again."""

from __future__ import annotations

from flask import Blueprint, g, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from inbox import joins, lists, profiles, search
from inbox.errors import NotFound
from web import drafts, edge
from web.inbox import ids_of, shown
from web.language import gettext, ngettext

pages = Blueprint("joins", __name__)

FOUND = 20  # conversations offered to be added


@pages.get("/joins/new")
def new() -> str:
    """?id=3&id=7: what would become one, what speaks against it, and a search for more (?q=…)."""
    plan = joins.plan(g.session, g.who, ids_of(request.args.getlist("id")))
    if not plan.candidates:
        raise NotFound
    chosen = [one.id for one in plan.candidates]
    query = " ".join(request.args.get("q", "").split())[:200]
    return render_template(
        "joins/new.html",
        plan=plan,
        query=query,
        found=[row for row in _found(query, plan) if row.id not in chosen],
        shown=shown(),
        way=drafts.way(request.args),
    )


@pages.post("/joins")
def create() -> AnyResponse:
    """{id, id, …}: makes one conversation of them; the oldest one goes on."""
    ids = ids_of(request.form.getlist("id"))
    if len(ids) < 2:
        edge.tell(gettext("Choose at least two conversations."), kind="info")
        return redirect(url_for("joins.new", id=ids), 303) if ids else edge.next_page(url_for("inbox.home"))
    earlier = set(joins.made_into(g.session, min(ids)))
    kept = joins.join_all(g.session, g.who, ids, now=g.now)
    made = [one for one in joins.made_into(g.session, kept) if one not in earlier]
    told = ngettext("%(num)d conversation was joined.", "%(num)d conversations were joined.", len(ids))
    edge.tell(told, undo=url_for("joins.part"), fields={"part": made[::-1]})
    return redirect(url_for("conversations.show", conversation_id=kept, **drafts.way_sent()), 303)


@pages.post("/joins/partings")
def part() -> AnyResponse:
    """{part, part, …}: takes these joins back."""
    parted = [joins.undo(g.session, g.who, one, now=g.now) for one in ids_of(request.form.getlist("part"))]
    if not parted:
        raise NotFound
    edge.tell(
        ngettext("They are %(num)d conversations again.", "They are %(num)d conversations again.", len(parted) + 1)
    )
    return redirect(url_for("conversations.show", conversation_id=parted[0].conversation_id, **drafts.way_sent()), 303)


@pages.post("/suggestions/<int:suggestion_id>/refusal")
def refuse(suggestion_id: int) -> AnyResponse:
    joins.refuse(g.session, g.who, suggestion_id, now=g.now)
    edge.tell(gettext("Noted: these are two matters."))
    return edge.next_page(url_for("inbox.home"))


def _found(query: str, plan: joins.Plan) -> tuple[lists.ListRow, ...]:
    """What was searched for; without a search the customer's other conversations."""
    if query.isascii() and query.isdigit():
        return lists.rows_of(g.session, g.who, [int(query) if len(query) < 19 else 0], now=g.now)
    if query:
        return search.search(g.session, g.who, query, now=g.now, size=FOUND).rows
    person_id = next((one.person_id for one in plan.candidates if one.person_id is not None), None)
    if person_id is None:
        return ()
    others = profiles.profile(g.session, g.who, person_id).others
    return lists.rows_of(g.session, g.who, [one.id for one in others], now=g.now)
