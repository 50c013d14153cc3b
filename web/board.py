"""The warning board: what is late, nearly due, in one's own hands, or in nobody's; it keeps itself fresh."""

from __future__ import annotations

from flask import Blueprint, g, render_template, url_for

from inbox import board
from web import edge, inbox
from web.language import gettext

pages = Blueprint("board", __name__)


@pages.get("/board")
def show() -> str:
    found = board.show(g.session, g.who, now=g.now)
    template = "board/inside.html" if edge.fragment() else "board/show.html"
    return render_template(
        template, board=found, words=section_words(), shown=inbox.shown(), all_of=_all_of()
    )


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
