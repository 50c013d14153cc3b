"""The warning board: what is late, nearly due, in one's own hands, or in nobody's; it keeps itself fresh."""

from __future__ import annotations

from flask import Blueprint, g, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from inbox import approvals, board, digests
from web import edge
from web.language import gettext

pages = Blueprint("board", __name__)


@pages.get("/board")
def show() -> str:
    found = board.show(g.session, g.who, now=g.now)
    template = "board/inside.html" if edge.fragment() else "board/show.html"
    return render_template(
        template,
        board=found,
        words=section_words(),
        all_of=_all_of(),
        digest_hour=digests.hour_of(g.session, g.who),
        hours=[("", gettext("No digest")), *((str(hour), f"{hour}:00") for hour in range(5, 13))],
        approvals=approvals.waiting(g.session, g.who, now=g.now),
    )


@pages.post("/board/digest")
def choose_digest() -> Response:
    """{hour}: of the person's own clock; "" for none."""
    typed = request.form.get("hour", "")
    hour = int(typed) if typed.isascii() and typed.isdigit() and len(typed) < 3 else None
    digests.choose(g.session, g.who, hour, now=g.now)
    if hour is None:
        edge.tell(gettext("No morning digest."))
    else:
        edge.tell(gettext("The morning digest comes at %(hour)s:00.", hour=hour))
    return redirect(url_for("board.show"), 303)


def section_words() -> dict[str, tuple[str, str, str]]:
    """Title, what an empty one says, icon."""
    return {
        "late": (gettext("Answer is late"), gettext("Nothing is late."), "alarm"),
        "soon": (gettext("Nearly due"), gettext("Nothing is nearly due."), "clock"),
        "mine": (gettext("I am answering"), gettext("You have no answer in hand."), "pencil"),
        "nobody": (gettext("Nobody’s"), gettext("Everything has an owner."), "user-minus"),
    }


def _all_of() -> dict[str, str]:
    return {
        "mine": url_for("drafts.show"),
        "nobody": url_for("inbox.show", box="unassigned", order="waiting"),
    }
