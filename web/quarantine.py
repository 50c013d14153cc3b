"""Mail that could not be understood: why, its header, its original to download, and another try."""

from __future__ import annotations

from flask import Blueprint, Response, g, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from inbox import people, quarantine, sidebar
from inbox.errors import NotFound
from web import edge
from web.language import gettext, ngettext
from web.outbox import a_number
from web.serving import bytes_response

pages = Blueprint("quarantine", __name__)

MOST_AT_ONCE = 200


@pages.get("/quarantine")
def show() -> str:
    mailbox_id = request.args.get("mailbox", type=a_number)
    after = request.args.get("after", type=a_number)
    page = quarantine.page(g.session, g.who, mailbox_id=mailbox_id, after=after)
    shown = {
        "page": page,
        "causes": causes(),
        "older": url_for("quarantine.show", mailbox=mailbox_id, after=page.older) if page.older else "",
        "first": url_for("quarantine.show", mailbox=mailbox_id) if after else "",
        "mailbox_id": mailbox_id,
    }
    if edge.fragment():
        return render_template("quarantine/rows.html", **shown)
    return render_template(
        "quarantine/show.html", mailboxes=sidebar.show(g.session, g.who, now=g.now).mailboxes, **shown
    )


@pages.get("/quarantine/<int:raw_id>")
def one(raw_id: int) -> str:
    found = quarantine.show(g.session, g.who, raw_id)
    return render_template("quarantine/one.html", row=found.row, headers=found.headers, causes=causes())


@pages.get("/quarantine/<int:raw_id>/original")
def original(raw_id: int) -> Response:
    """The bytes as they came, as a file: a browser must not try to show them."""
    raw = quarantine.raw(g.session, g.who, raw_id)
    return bytes_response(raw, name=f"mail-{raw_id}.eml", content_type="message/rfc822")


@pages.post("/quarantine/readings")
def read_again() -> AnyResponse:
    """Has one mail, the chosen ones, or ("all") every mail that the person may see read again."""
    chosen = None if request.form.get("all") else _ids()
    count = quarantine.reprocess(g.session, g.who, chosen)
    if chosen is not None and len(chosen) == 1 and not count:
        raise NotFound
    if count:
        people.audit(g.session, g.who, "quarantine_reprocessed", now=g.now, count=count)
    edge.tell(
        ngettext(
            "%(num)d mail is read again. It appears in the inbox, or here once more.",
            "%(num)d mails are read again. They appear in the inbox, or here once more.",
            count,
        )
    )
    return redirect(url_for("quarantine.show"), 303)


@pages.post("/quarantine/dismissals")
def leave_aside() -> AnyResponse:
    """Takes mails off this page without reading them; the ledger still counts them."""
    count = quarantine.leave_aside(g.session, g.who, _ids())
    if count:
        people.audit(g.session, g.who, "quarantine_left_aside", now=g.now, count=count, ids=_ids())
    edge.tell(ngettext("%(num)d mail left aside.", "%(num)d mails left aside.", count))
    return redirect(url_for("quarantine.show"), 303)


def causes() -> dict[str, str]:
    return {code: gettext(sentence) for code, sentence in quarantine.CAUSES.items()}


def _ids() -> list[int]:
    return [
        int(one)
        for one in request.form.getlist("id")[:MOST_AT_ONCE]
        if one.isascii() and one.isdigit() and len(one) < 19
    ]
