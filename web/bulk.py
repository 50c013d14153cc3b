"""A bulk change that takes longer than one step: how far it is, and taking it back."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, g, make_response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from inbox import bulk
from inbox.bulk import BulkView
from web import edge
from web.language import gettext, ngettext

pages = Blueprint("bulk", __name__)

LOOK_AGAIN = 2  # seconds until the page of a running change is fetched anew


@pages.get("/bulk/<int:bulk_id>")
def show(bulk_id: int) -> AnyResponse:
    """Looks again by itself while it runs, without a script."""
    view = bulk.show(g.session, g.who, bulk_id)
    back = edge.same_origin(request.args.get("next"), otherwise=url_for("inbox.home"))
    response = make_response(render_template("bulk/show.html", view=view, told=told(view), what=what, back=back))
    if view.state in ("running", "undoing"):
        response.headers["Refresh"] = str(LOOK_AGAIN)
    return response


@pages.post("/bulk/<int:bulk_id>/undo")
def undo(bulk_id: int) -> AnyResponse:
    return after(bulk.undo(g.session, g.who, bulk_id, now=g.now), _next())


def after(view: BulkView, back: str, *, more: dict[str, Any] | None = None) -> AnyResponse:
    """Back to the list when it is done; else to the page that shows how far it is."""
    if view.state in ("running", "undoing"):
        return redirect(url_for("bulk.show", bulk_id=view.id, next=back), 303)
    if view.state == "undone":
        edge.tell(told(view))
    else:
        fields = {"next": back, **(more or {})}
        edge.tell(told(view), undo=url_for("bulk.undo", bulk_id=view.id), fields=fields)
    return redirect(back, 303)


def told(view: BulkView) -> str:
    """What was done, in a sentence, and what was left alone."""
    done = view.done - view.skipped
    if view.state in ("undone", "undoing"):
        sentence = ngettext("%(num)d conversation is as before.", "%(num)d conversations are as before.", done)
    else:
        sentence = ngettext(
            "%(num)d conversation: %(what)s", "%(num)d conversations: %(what)s", done, what=what(view.action)
        )
    if not view.skipped:
        return sentence
    left = ngettext("%(num)d was left alone.", "%(num)d were left alone.", view.skipped)
    return gettext("%(first)s %(second)s", first=sentence, second=left)


def what(action: str) -> str:
    return {
        "assign": gettext("assigned"),
        "close": gettext("closed"),
        "needless": gettext("closed without an answer"),
        "reopen": gettext("opened again"),
        "wait": gettext("waiting for the customer"),
        "snooze": gettext("snoozed"),
        "spam": gettext("marked as spam"),
        "not_spam": gettext("no longer spam"),
        "mark_unread": gettext("marked as unread"),
        "tag": gettext("tagged"),
        "untag": gettext("tag removed"),
        "categorise": gettext("category changed"),
    }[action]


def _next() -> str:
    return edge.same_origin(request.form.get("next"), otherwise=url_for("inbox.home"))
