"""The outbox: every mail that leaves, what became of it at each recipient, and what a person can decide about it."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, g, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from inbox import later, outbox, people, sidebar
from inbox.errors import NotFound
from inbox.outbox import OutboxRow
from web import edge
from web.language import gettext

pages = Blueprint("outbox", __name__)

STATES = ("queued", "held", "sending", "failed", "uncertain", "sent", "cancelled")
LOOK = {  # icon and tone of a state; its words stand beside it
    "queued": ("clock", "quiet"),
    "held": ("hand-stop", "warn"),
    "sending": ("mail-fast", "accent"),
    "sent": ("circle-check", "good"),
    "failed": ("alert-triangle", "bad"),
    "uncertain": ("help", "warn"),
    "cancelled": ("ban", "quiet"),
}
DECISIONS = {
    "cancellation": outbox.cancel,
    "hold": outbox.hold,
    "release": outbox.release,
    "departure": outbox.send_now,
    "retry": outbox.try_again,
    "arrival": outbox.mark_sent,
}


@pages.get("/outbox")
def show() -> str:
    state = request.args.get("state", "")
    mailbox_id = request.args.get("mailbox", type=a_number)
    page = outbox.page(
        g.session, g.who, state=state or None, mailbox_id=mailbox_id, after=request.args.get("after", type=a_number)
    )
    chosen = {"state": state or None, "mailbox": mailbox_id}
    shown = {
        "page": page,
        "state": state,
        "mailbox_id": mailbox_id,
        "counts": outbox.counts(g.session, g.who),
        "older": url_for("outbox.show", **chosen, after=page.older) if page.older else "",
        "scheduled": later.scheduled(g.session, g.who) if not (state or mailbox_id) else (),
        "first": url_for("outbox.show", **chosen) if request.args.get("after") else "",
        **_words(),
    }
    if edge.fragment():
        return render_template("outbox/rows.html", **shown)
    return render_template("outbox/show.html", mailboxes=sidebar.show(g.session, g.who, now=g.now).mailboxes, **shown)


@pages.get("/outbox/<int:outgoing_id>")
def one(outgoing_id: int) -> str:
    """One mail with every try."""
    row = outbox.one(g.session, g.who, outgoing_id)
    shown = {"row": row, "attempts": outbox.attempts(g.session, g.who, outgoing_id), **_words()}
    return render_template("outbox/one_inside.html" if edge.fragment() else "outbox/one.html", **shown)


@pages.post("/outbox/<int:outgoing_id>/<decision>")
def decide(outgoing_id: int, decision: str) -> Response:
    """What a person wants done with a mail; `decision` is one of DECISIONS. Conflict when it left meanwhile."""
    if decision not in DECISIONS:
        raise NotFound
    row = outbox.one(g.session, g.who, outgoing_id)
    draft_id = DECISIONS[decision](g.session, g.who, outgoing_id, now=g.now)
    edge.tell(_told(decision, row))
    if decision == "cancellation" and draft_id and row.author_id == g.who.id:
        return redirect(url_for("drafts.open_", draft_id=draft_id), 303)
    return edge.next_page(url_for("outbox.show"))


@pages.post("/outbox/pauses")
def pause() -> Response:
    """Stops or starts everything that leaves: of one mailbox, or ("all", administrators) of the installation.

    Everybody sees the outbox: whoever may not is told so."""
    on = request.form.get("on") == "1"
    which = request.form.get("mailbox", "")
    if which == "all":
        outbox.pause_all(g.session, g.who, on)
        people.audit(g.session, g.who, "sending_paused" if on else "sending_resumed", now=g.now)
    else:
        mailbox_id = int(which) if which.isascii() and which.isdigit() and len(which) < 19 else 0
        outbox.pause(g.session, g.who, mailbox_id, on)
        people.audit(g.session, g.who, "sending_paused" if on else "sending_resumed", now=g.now, mailbox_id=mailbox_id)
    edge.tell(gettext("Sending is paused. Mails wait in the outbox.") if on else gettext("Sending goes on."))
    return edge.next_page(url_for("outbox.show"))


def a_number(given: str) -> int:
    """An id in a query. Raises ValueError for what no database can hold, so that it counts as not given."""
    if not (given.isascii() and given.isdigit() and len(given) < 19):
        raise ValueError(given)
    return int(given)


def _words() -> dict[str, Any]:
    return {
        "STATES": STATES,
        "look": LOOK,
        "state_words": _state_words(),
        "recipient_words": _recipient_words(),
        "outcome_words": _outcome_words(),
    }


def _state_words() -> dict[str, str]:
    return {
        "queued": gettext("Waiting to leave"),
        "held": gettext("Held"),
        "sending": gettext("Being sent"),
        "sent": gettext("Sent"),
        "failed": gettext("Not sent"),
        "uncertain": gettext("Uncertain"),
        "cancelled": gettext("Cancelled"),
    }


def _recipient_words() -> dict[str, str]:
    return {
        "": gettext("no word yet"),
        "accepted": gettext("taken by the server"),
        "refused": gettext("refused"),
        "uncertain": gettext("uncertain"),
        "bounced": gettext("came back"),
    }


def _outcome_words() -> dict[str, str]:
    return {
        "": gettext("running"),
        "sent": gettext("sent"),
        "later": gettext("to be tried later"),
        "failed": gettext("refused"),
        "uncertain": gettext("uncertain"),
        "lapsed": gettext("broken off"),
        "released": gettext("given back before it began"),
    }


def _told(decision: str, row: OutboxRow) -> str:
    return {
        "cancellation": gettext("It will not be sent. Its words are a draft again.")
        if row.draft_id
        else gettext("It will not be sent."),
        "hold": gettext("It stays in the outbox until somebody releases it."),
        "release": gettext("Released. It leaves as soon as it is due."),
        "departure": gettext("It is sent now."),
        "retry": gettext("It is tried again now."),
        "arrival": gettext("Marked as sent."),
    }[decision]
