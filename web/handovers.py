"""Hand-over notes (申し送り): written for the next shift, shown above the list, marked as read, ended."""

from __future__ import annotations

from datetime import datetime, timedelta

from flask import Blueprint, g, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from inbox import handovers, sidebar
from inbox.errors import N_, UserError
from web import edge, language
from web.edge import Answer
from web.language import gettext

pages = Blueprint("handovers", __name__)


@pages.get("/handovers")
def show() -> str:
    local = (g.now.astimezone(language.zone()) + timedelta(days=1)).replace(hour=18, minute=0)
    return _page({"until": f"{local:%Y-%m-%dT%H:%M}", "text": "", "mailbox": request.args.get("mailbox", "")})


@pages.post("/handovers")
def write() -> Response | Answer:
    """{text, mailbox, until}; mailbox "" for all."""
    typed = {name: request.form.get(name, "") for name in ("text", "mailbox", "until")}
    chosen = typed["mailbox"]
    mailbox_id = int(chosen) if chosen.isascii() and chosen.isdigit() and len(chosen) < 19 else None
    try:
        until = _time(typed["until"])
        handovers.write(g.session, g.who, text=typed["text"], mailbox_id=mailbox_id, until=until, now=g.now)
    except UserError as error:
        if error.status != 400:
            raise
        return _page(typed, errors={error.field: edge.words(error)}), error.status
    edge.tell(gettext("The hand-over note is written."))
    return redirect(url_for("handovers.show"), 303)


@pages.post("/handovers/<int:note_id>/reading")
def read(note_id: int) -> Response:
    handovers.read(g.session, g.who, note_id, now=g.now)
    return edge.next_page(url_for("handovers.show"))


@pages.post("/handovers/<int:note_id>/end")
def end(note_id: int) -> Response:
    handovers.end(g.session, g.who, note_id, now=g.now)
    edge.tell(gettext("The hand-over note is over."))
    return edge.next_page(url_for("handovers.show"))


def notes(mailbox_id: int | None = None) -> tuple[handovers.Note, ...]:
    """The notes that count now, for the page of a list."""
    return handovers.current(g.session, g.who, now=g.now, mailbox_id=mailbox_id)


def _page(values: dict[str, str], *, errors: dict[str, str] | None = None) -> str:
    every = sidebar.show(g.session, g.who, now=g.now).mailboxes
    choices = [(str(one.id), one.name) for one in every]
    return render_template(
        "handovers/show.html",
        notes=notes(),
        values=values,
        errors=errors or {},
        mailboxes=[("", gettext("All mailboxes")), *choices],
    )


def _time(typed: str) -> datetime:
    try:
        return datetime.fromisoformat(typed).replace(tzinfo=language.zone())
    except ValueError:
        raise UserError(N_("Choose day and time."), field="until") from None


@pages.record_once
def _install(state) -> None:  # type: ignore[no-untyped-def]
    state.app.add_template_global(notes, "handover_notes")
