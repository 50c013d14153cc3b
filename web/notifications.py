"""What a person was told: the page behind the bell, what open tabs show, following, and the choices."""

from __future__ import annotations

from flask import Blueprint, Response, g, jsonify, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from inbox import following, notifications, people
from inbox.errors import UserError
from inbox.telling import KINDS, WAYS
from web import drafts, edge
from web.edge import Answer
from web.language import gettext, ngettext

pages = Blueprint("notifications", __name__)


@pages.get("/notifications")
def show() -> str:
    """?unread=1 shows what was not read, ?before=7 what is older than number 7. A script gets the list alone."""
    unread = request.args.get("unread") == "1"
    found = notifications.page(g.session, g.who, unread_only=unread, before=request.args.get("before", type=int))
    way = {"unread": 1} if unread else {}
    older = url_for("notifications.show", before=found.older, **way) if found.older else ""
    template = "notifications/list.html" if edge.fragment() else "notifications/show.html"
    return render_template(template, rows=found.rows, older=older, unread=unread, here=request.full_path.rstrip("?"))


@pages.get("/notifications/fresh")
def fresh() -> Response:
    """{id, title, body, tag, url} to show over other windows, of what is newer than ?after=; null for nothing."""
    found = notifications.fresh(g.session, g.who, after=request.args.get("after", 0, type=int), now=g.now)
    if found is None:
        return jsonify(None)
    return jsonify(
        {
            "id": found.id,
            "title": found.title,
            "body": found.body,
            "tag": f"notification-{found.id}" if found.count == 1 else "notifications",
            "url": found.path or url_for("notifications.show"),
        }
    )


@pages.post("/notifications/readings")
def mark_read() -> AnyResponse:
    """{id}: one or several; {all}: everything."""
    chosen = [int(one) for one in request.form.getlist("id") if one.isascii() and one.isdigit()]
    ids = None if request.form.get("all") == "1" else chosen
    count = notifications.mark_read(g.session, g.who, ids, now=g.now)
    if ids is None:
        told = ngettext(
            "%(num)d notification was marked as read.", "%(num)d notifications were marked as read.", count
        )
        edge.tell(told)
    return edge.next_page(url_for("notifications.show"))


@pages.post("/conversations/<int:conversation_id>/followers")
def follow(conversation_id: int) -> AnyResponse:
    """{on}: 1 to follow, 0 to follow no longer."""
    if request.form.get("on") == "1":
        following.follow(g.session, g.who, conversation_id, now=g.now)
        edge.tell(gettext("You are told what happens here."))
    else:
        following.unfollow(g.session, g.who, conversation_id)
        edge.tell(gettext("You no longer follow this conversation."))
    return redirect(url_for("conversations.show", conversation_id=conversation_id, **drafts.way_sent()), 303)


@pages.get("/conversations/<int:conversation_id>/mentions")
def can_be_mentioned(conversation_id: int) -> Response:
    """Names to complete while a note is typed."""
    mailbox_id = people.conversation(g.session, g.who, conversation_id).mailbox_id
    found = following.can_be_mentioned(g.session, mailbox_id=mailbox_id)
    teams = following.teams_to_mention(g.session, mailbox_id=mailbox_id)
    return jsonify(
        [{"name": one.name, "handle": one.handle} for one in found if one.id != g.who.id]
        + [{"name": one.name, "handle": "", "team": gettext("Team")} for one in teams]
    )


# -- by which ways


@pages.get("/preferences/notifications")
def choices() -> str:
    return render_template("notifications/choices.html", **_choices())


@pages.post("/preferences/notifications")
def choose() -> AnyResponse | Answer:
    """{kind}: the ways of each kind; {quiet_from, quiet_until}."""
    given = request.form
    ways = {kind: given.getlist(kind) for kind in KINDS}
    times = {name: given.get(name, "") for name in ("quiet_from", "quiet_until")}
    try:
        notifications.choose(g.session, g.who, ways=ways, **times)
    except UserError as error:
        return edge.form_again("notifications/choices.html", error, **_choices() | {"ways": ways} | times)
    edge.tell(gettext("Saved."))
    return redirect(url_for("notifications.choices"), 303)


def _choices() -> dict[str, object]:
    chosen = notifications.choices(g.session, g.who)
    return {
        "kinds": [(kind, gettext(KINDS[kind].title), KINDS[kind].icon) for kind in chosen.ways],
        "way_names": [(way, _way_names()[way]) for way in WAYS],
        "ways": chosen.ways,
        "quiet_from": chosen.quiet_from,
        "quiet_until": chosen.quiet_until,
    }


def _way_names() -> dict[str, str]:
    return {
        "app": gettext("In the app"),
        "mail": gettext("By mail"),
        "browser": gettext("Browser"),
        "webhook": gettext("Webhook"),
    }
