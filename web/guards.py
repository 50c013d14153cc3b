"""Safe sending, for managers: what is asked before a mail leaves, who approves, which second replies were stopped."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, g, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from inbox import near_misses, send_checks
from inbox.errors import N_, NotFound, UserError
from web import edge, guard_words
from web.edge import Answer
from web.language import gettext

pages = Blueprint("guards", __name__)

ASKS = ("always", "outside", "doubtful", "never")


@pages.get("/guards")
@edge.only("manager")
def show() -> str:
    return render_template("guards/show.html", checks=send_checks.all_rules(g.session, g.who), words=guard_words)


@pages.get("/guards/near-misses")
@edge.only("manager")
def misses() -> str:
    """The second replies that were stopped in the last thirty days."""
    rows = near_misses.page(g.session, g.who, now=g.now)
    return render_template("guards/near_misses.html", rows=rows, words=guard_words)


# -- send check of a mailbox


@pages.get("/guards/mailboxes/<int:mailbox_id>")
@edge.only("manager")
def edit_check(mailbox_id: int) -> str:
    one = _check(mailbox_id)
    rules = one.rules
    values = {
        "ask": rules.ask,
        "words": "\n".join(rules.words),
        "most_visible": rules.most_visible,
        "check_names": rules.check_names,
        "check_attachments": rules.check_attachments,
    }
    return render_template("guards/check.html", one=one, values=values, **_asks())


@pages.post("/guards/mailboxes/<int:mailbox_id>")
@edge.only("manager")
def change_check(mailbox_id: int) -> Response | Answer:
    one = _check(mailbox_id)
    form = request.form
    try:
        given = {
            "ask": form.get("ask", ""),
            "words": lines("words"),
            "most_visible": number("most_visible"),
            "check_names": "check_names" in form,
            "check_attachments": "check_attachments" in form,
        }
        send_checks.set_rules(g.session, g.who, mailbox_id, given, now=g.now)
    except UserError as error:
        return edge.form_again("guards/check.html", error, one=one, values=form, **_asks())
    edge.tell(gettext("Saved."))
    return redirect(url_for("guards.show"), 303)


def _check(mailbox_id: int) -> send_checks.MailboxRules:
    for one in send_checks.all_rules(g.session, g.who):
        if one.mailbox_id == mailbox_id:
            return one
    raise NotFound


def _asks() -> dict[str, Any]:
    return {"asks": [(name, guard_words.ask(name)) for name in ASKS]}


# -- what forms send


def lines(field: str) -> list[str]:
    """The lines of a text field, without empty ones."""
    return [line.strip() for line in request.form.get(field, "").splitlines() if line.strip()]


def number(field: str) -> int | None:
    """A whole number, None for an empty field. Raises UserError."""
    typed = request.form.get(field, "").strip().replace(",", "")
    if not typed:
        return None
    if not (typed.isascii() and typed.isdigit() and len(typed) < 19):
        raise UserError(N_("A whole number is needed here."), field=field)
    return int(typed)
