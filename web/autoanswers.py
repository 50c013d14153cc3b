"""Automatic answers of a mailbox: what they say, when they leave, how they read, and letting them go after an alarm."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, g, redirect, render_template, request, url_for
from werkzeug.datastructures import MultiDict
from werkzeug.wrappers import Response

from inbox import autoanswers_settings as answers
from inbox.autoanswers_settings import Alarm, Answer, AnswersForm
from inbox.errors import N_, UserError
from templates.auto_answers import LANGUAGES, OCCASIONS, Words
from web import answer_words, edge
from web.answer_words import why_none
from web.edge import Answer as Page
from web.language import gettext

pages = Blueprint("autoanswers", __name__)


@pages.get("/mailboxes/<int:mailbox_id>/answers")
@edge.only("manager")
def show(mailbox_id: int) -> str:
    view = answers.show(g.session, g.who, mailbox_id, now=g.now)
    return render_template("autoanswers/show.html", **_page(view), form=view.form)


@pages.post("/mailboxes/<int:mailbox_id>/answers")
@edge.only("manager")
def change(mailbox_id: int) -> Response | str | Page:
    """{what}: preview shows the answers as typed and changes nothing."""
    view = answers.show(g.session, g.who, mailbox_id, now=g.now)
    form = _typed(request.form)
    page = _page(view) | {"form": form, "hourly": request.form.get("hourly", "")}
    try:
        form = _form(request.form)
        if request.form.get("what") == "preview":
            shown = answers.preview(g.session, g.who, mailbox_id, form, now=g.now)
            return render_template("autoanswers/show.html", **page | {"previewed": shown})
        answers.change(g.session, g.who, mailbox_id, form, now=g.now)
    except UserError as error:
        return edge.form_again("autoanswers/show.html", error, **page)
    edge.tell(gettext("Saved."))
    return redirect(url_for("autoanswers.show", mailbox_id=mailbox_id), 303)


@pages.post("/mailboxes/<int:mailbox_id>/answers/release")
@edge.only("manager")
def release(mailbox_id: int) -> Response:
    """Somebody has seen the alarm."""
    answers.close_breaker(g.session, g.who, mailbox_id, now=g.now)
    edge.tell(gettext("Automatic answers leave again."))
    return edge.next_page(url_for("autoanswers.show", mailbox_id=mailbox_id))


# -- in words


def alarm_words(alarm: Alarm) -> str:
    if alarm.budget == "domain_budget":
        return gettext(
            "Very many automatic answers went to %(domain)s. Perhaps a machine answers there.", domain=alarm.domain
        )
    if alarm.open_until is not None:
        return gettext("Automatic answers are stopped: too many left within an hour. Perhaps a machine answers them.")
    return gettext("Automatic answers were stopped for an hour: too many left. Perhaps a machine answers them.")


@pages.record_once
def _install(state: Any) -> None:
    state.app.add_template_global(why_none, "why_no_answer")  # a conversation's page tells it at each mail


# -- the form


def _page(view: answers.AnswersView) -> dict[str, Any]:
    return {
        "view": view,
        "hourly": view.form.hourly,
        "languages": answer_words.languages(),
        "occasions": {
            "received": (
                answer_words.occasions()["received"],
                gettext("To every new conversation."),
                gettext("Acknowledge new conversations"),
            ),
            "closed": (
                answer_words.occasions()["closed"],
                gettext("To everybody who writes while the team does not work; instead of the acknowledgement."),
                gettext("Answer outside working hours"),
            ),
        },
        "alarm_words": alarm_words,
        "previewed": (),
    }


def _typed(values: MultiDict[str, str]) -> AnswersForm:
    """As it was typed, whatever is wrong with it."""
    return AnswersForm(
        {
            occasion: Answer(
                bool(values.get(f"{occasion}_enabled")),
                {
                    language: Words(
                        values.get(f"{occasion}_{language}_subject", ""),
                        values.get(f"{occasion}_{language}_text", "").replace("\r\n", "\n"),
                    )
                    for language in LANGUAGES
                },
            )
            for occasion in OCCASIONS
        }
    )


def _form(values: MultiDict[str, str]) -> AnswersForm:
    """Raises UserError for a limit that is no number."""
    typed = _typed(values)
    try:
        return AnswersForm(typed.answers, int(values.get("hourly", "")))
    except ValueError:
        raise UserError(N_("A number from 1 to %(most)d."), field="hourly", most=answers.MOST_HOURLY) from None
