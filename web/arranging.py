"""Where conversations stand and what belongs together: splitting, moving to another mailbox, linking."""

from __future__ import annotations

from flask import Blueprint, g, redirect, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from inbox import joins, links, moves, splits, triage
from inbox.errors import N_, UserError
from web import drafts, edge
from web.language import gettext

pages = Blueprint("arranging", __name__)


@pages.post("/conversations/<int:conversation_id>/splits")
def split(conversation_id: int) -> AnyResponse:
    """{message_id}: that message and all after it become a conversation of their own."""
    message_id = request.form.get("message_id", 0, type=int)
    new_id = splits.split(g.session, g.who, conversation_id, message_id, now=g.now)
    edge.tell(
        gettext("This is a conversation of its own now."),
        undo=url_for("joins.create"),
        fields={"id": [conversation_id, new_id]},
    )
    return _page(new_id)


@pages.post("/conversations/<int:conversation_id>/mailbox")
def move(conversation_id: int) -> AnyResponse:
    """{mailbox_id}: it stands there from now on. {owner}: to give it to on the way back."""
    mailbox_id = request.form.get("mailbox_id", 0, type=int)
    owner_id = triage.owner_of(g.session, g.who, conversation_id)
    before = moves.move(g.session, g.who, conversation_id, mailbox_id, now=g.now)
    if owner := request.form.get("owner", type=int):
        triage.assign(g.session, g.who, conversation_id, owner, now=g.now)
    name = next(name for number, name in moves.targets(g.session, g.who, but=0) if number == mailbox_id)
    edge.tell(
        gettext("Moved to %(mailbox)s.", mailbox=name),
        undo=url_for("arranging.move", conversation_id=conversation_id),
        fields={"mailbox_id": before, "owner": owner_id or ""},
    )
    return _page(conversation_id)


@pages.post("/conversations/<int:conversation_id>/links")
def link(conversation_id: int) -> AnyResponse:
    """{other}: the number of another conversation, or its address."""
    given = request.form.get("other", "").strip().rstrip("/").rpartition("/")[2].partition("?")[0]
    if not (given.isascii() and given.isdigit() and len(given) < 19):
        raise UserError(N_("Give the number or the address of a conversation."), field="other")
    other_id = joins.gone_on(g.session, int(given))
    links.link(g.session, g.who, conversation_id, other_id, now=g.now)
    edge.tell(
        gettext("Linked."),
        undo=url_for("arranging.unlink", conversation_id=conversation_id, other_id=other_id),
    )
    return _page(conversation_id)


@pages.post("/conversations/<int:conversation_id>/links/<int:other_id>/removal")
def unlink(conversation_id: int, other_id: int) -> AnyResponse:
    links.unlink(g.session, g.who, conversation_id, other_id, now=g.now)
    edge.tell(
        gettext("The link is removed."),
        undo=url_for("arranging.link", conversation_id=conversation_id),
        fields={"other": other_id},
    )
    return _page(conversation_id)


def _page(conversation_id: int) -> AnyResponse:
    return redirect(url_for("conversations.show", conversation_id=conversation_id, **drafts.way_sent()), 303)
