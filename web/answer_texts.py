"""Texts with which rules answer: their list, the editor with its preview, removal of those that no rule names."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import Blueprint, g, redirect, render_template, request, url_for
from werkzeug.datastructures import MultiDict
from werkzeug.wrappers import Response

from inbox import answer_texts as texts
from inbox.answer_texts import TextForm, TextView
from inbox.errors import Conflict, UserError
from templates.auto_answers import BY_RULE, LANGUAGES, LONGEST_SUBJECT, Words
from web import answer_words, edge
from web.edge import Answer as Page
from web.language import gettext
from web.words import words

pages = Blueprint("answer_texts", __name__)


@pages.get("/answers/texts")
@edge.only("manager")
def show() -> str:
    return render_template("answer_texts/show.html", texts=texts.page(g.session, g.who))


@pages.get("/answers/texts/new")
@edge.only("manager")
def new() -> str:
    return render_template("answer_texts/edit.html", **_page(None, TextForm(words=dict.fromkeys(LANGUAGES, Words()))))


@pages.post("/answers/texts/new")
@edge.only("manager")
def create() -> Response | str | Page:
    """{name, rule_ja_subject, rule_ja_text, …}; {what}: preview shows the text as typed and stores nothing."""
    return _stored(None, lambda form: texts.add(g.session, g.who, form, now=g.now))


@pages.get("/answers/texts/<int:text_id>")
@edge.only("manager")
def edit(text_id: int) -> str:
    view = texts.show(g.session, g.who, text_id)
    return render_template("answer_texts/edit.html", **_page(view, view.form))


@pages.post("/answers/texts/<int:text_id>")
@edge.only("manager")
def change(text_id: int) -> Response | str | Page:
    """As above; {version}: which one the author saw."""
    seen = request.form.get("version", 0, type=int)
    view = texts.show(g.session, g.who, text_id)
    return _stored(view, lambda form: texts.change(g.session, g.who, text_id, form, seen_version=seen, now=g.now))


@pages.post("/answers/texts/<int:text_id>/removal")
@edge.only("manager")
def remove(text_id: int) -> Response:
    try:
        texts.remove(g.session, g.who, text_id, now=g.now)
    except Conflict as error:
        edge.tell(words(error), kind="problem")
        return redirect(url_for("answer_texts.edit", text_id=text_id), 303)
    edge.tell(gettext("The text was removed."))
    return redirect(url_for("answer_texts.show"), 303)


def _stored(view: TextView | None, store: Callable[[TextForm], object]) -> Response | str | Page:
    form = _typed(request.form)
    page = _page(view, form)
    try:
        if request.form.get("what") == "preview":
            shown = texts.preview(g.session, g.who, form)
            return render_template("answer_texts/edit.html", **page | {"previewed": shown})
        store(form)
    except UserError as error:
        return edge.form_again("answer_texts/edit.html", error, **page)
    edge.tell(gettext("Saved."))
    return redirect(url_for("answer_texts.show"), 303)


def _typed(values: MultiDict[str, str]) -> TextForm:
    return TextForm(
        values.get("name", ""),
        {
            language: Words(
                values.get(f"{BY_RULE}_{language}_subject", ""),
                values.get(f"{BY_RULE}_{language}_text", "").replace("\r\n", "\n"),
            )
            for language in LANGUAGES
        },
    )


def _page(view: TextView | None, form: TextForm) -> dict[str, Any]:
    return {
        "view": view,
        "form": form,
        "languages": answer_words.languages(),
        "most": LONGEST_SUBJECT,
        "previewed": (),
    }
