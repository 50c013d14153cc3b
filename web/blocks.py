"""Blocked senders: the list of them, and blocking from a conversation."""

from __future__ import annotations

from flask import Blueprint, g, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from inbox import blocks, bulk
from inbox.errors import N_, NotFound, UserError
from web import drafts, edge
from web.bulk import after as after_bulk
from web.conversations import back as list_of
from web.language import gettext

pages = Blueprint("blocks", __name__)


@pages.get("/blocks")
def show() -> str:
    return _page()


@pages.post("/blocks")
def create() -> AnyResponse | edge.Answer:
    """{pattern, reason}: an address or a domain."""
    try:
        made = blocks.block(
            g.session, g.who, request.form.get("pattern", ""), reason=request.form.get("reason", ""), now=g.now
        )
    except UserError as error:
        return edge.form_again("blocks/show.html", error, found=blocks.page(g.session), values=request.form)
    edge.tell(gettext("Blocked. New mail from there is filed as spam."), undo=url_for("blocks.remove", block_id=made))
    return redirect(url_for("blocks.show"), 303)


@pages.post("/blocks/<int:block_id>/removal")
def remove(block_id: int) -> AnyResponse:
    """{bulk}: the change that came with it is taken back, too."""
    pattern = blocks.unblock(g.session, g.who, block_id, now=g.now)
    back = edge.same_origin(request.form.get("next"), otherwise=url_for("blocks.show"))
    if changed := request.form.get("bulk", type=int):
        return after_bulk(bulk.undo(g.session, g.who, changed, now=g.now), back)
    edge.tell(
        gettext("%(pattern)s is no longer blocked.", pattern=pattern),
        undo=url_for("blocks.create"),
        fields={"pattern": pattern},
    )
    return redirect(back, 303)


@pages.post("/conversations/<int:conversation_id>/blocks")
def sender(conversation_id: int) -> AnyResponse:
    """{what}: address, domain, or everything (the address, and all its open conversations are spam)."""
    address = blocks.sender_of(g.session, g.who, conversation_id)
    if not address:
        raise UserError(N_("This conversation has no sender who could be blocked."))
    what = request.form.get("what", "")
    if what not in ("address", "domain", "everything"):
        raise NotFound
    pattern = address.rpartition("@")[2] if what == "domain" else address
    made = blocks.block(g.session, g.who, pattern, now=g.now)
    ids = {conversation_id, *(blocks.open_ones(g.session, g.who, pattern) if what == "everything" else ())}
    goes_to = list_of(drafts.way_sent())
    view = bulk.start(g.session, g.who, "spam", sorted(ids), now=g.now)
    if view.state == "running":
        return after_bulk(view, goes_to)
    edge.tell(
        gettext("%(pattern)s is blocked; it is filed as spam.", pattern=pattern),
        undo=url_for("blocks.remove", block_id=made),
        fields={"bulk": view.id, "next": url_for("conversations.show", conversation_id=conversation_id)},
    )
    return redirect(goes_to, 303)


def _page() -> str:
    return render_template("blocks/show.html", found=blocks.page(g.session), values={}, errors={})
