"""What conversations are sorted by: tags, categories, custom fields. Managers keep them in order."""

from __future__ import annotations

from flask import Blueprint, g, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from inbox import fields, moves, tags, triage
from inbox.errors import UserError
from web import drafts, edge
from web.language import gettext, ngettext

pages = Blueprint("labels", __name__)


@pages.get("/labels")
@edge.only("manager")
def show() -> str:
    return render_template("labels/show.html", errors={}, values={}, **_context())


@pages.post("/labels/tags/<int:tag_id>")
@edge.only("manager")
def change_tag(tag_id: int) -> AnyResponse | edge.Answer:
    """{name, colour, group}."""
    form = request.form
    try:
        tags.change(
            g.session,
            g.who,
            tag_id,
            name=form.get("name", ""),
            colour=form.get("colour", ""),
            group=form.get("group", ""),
            now=g.now,
        )
    except UserError as error:
        return _again(error, f"tag-{tag_id}")
    return _back(gettext("Saved."))


@pages.post("/labels/tags/<int:tag_id>/merging")
@edge.only("manager")
def merge_tag(tag_id: int) -> AnyResponse:
    """{into}: the id of the tag that stays."""
    count = tags.merge(g.session, g.who, tag_id, request.form.get("into", 0, type=int), now=g.now)
    told = ngettext("%(num)d conversation got the other tag.", "%(num)d conversations got the other tag.", count)
    return _back(told)


@pages.post("/labels/tags/<int:tag_id>/removal")
@edge.only("manager")
def remove_tag(tag_id: int) -> AnyResponse:
    name, count = tags.remove(g.session, g.who, tag_id, now=g.now)
    told = ngettext(
        "The tag “%(name)s” is gone; %(num)d conversation had it.",
        "The tag “%(name)s” is gone; %(num)d conversations had it.",
        count,
        name=name,
    )
    return _back(told)


@pages.post("/labels/categories")
@edge.only("manager")
def add_category() -> AnyResponse | edge.Answer:
    try:
        tags.add_category(g.session, g.who, request.form.get("name", ""), now=g.now)
    except UserError as error:
        return _again(error, "category")
    return _back(gettext("Saved."))


@pages.post("/labels/categories/<int:category_id>")
@edge.only("manager")
def change_category(category_id: int) -> AnyResponse | edge.Answer:
    try:
        tags.rename_category(g.session, g.who, category_id, request.form.get("name", ""), now=g.now)
    except UserError as error:
        return _again(error, f"category-{category_id}")
    return _back(gettext("Saved."))


@pages.post("/labels/categories/<int:category_id>/removal")
@edge.only("manager")
def remove_category(category_id: int) -> AnyResponse:
    tags.remove_category(g.session, g.who, category_id, now=g.now)
    return _back(gettext("The category is gone."))


@pages.post("/labels/fields")
@edge.only("manager")
def add_field() -> AnyResponse | edge.Answer:
    """{mailbox_id, name, kind, choices: one a line}."""
    form = request.form
    try:
        fields.add(
            g.session,
            g.who,
            form.get("mailbox_id", 0, type=int),
            name=form.get("name", ""),
            kind=form.get("kind", ""),
            choices=form.get("choices", "").splitlines(),
            now=g.now,
        )
    except UserError as error:
        return _again(error, "field")
    return _back(gettext("Saved."))


@pages.post("/labels/fields/<int:field_id>")
@edge.only("manager")
def change_field(field_id: int) -> AnyResponse | edge.Answer:
    choices = request.form.get("choices", "").splitlines()
    try:
        fields.change(g.session, g.who, field_id, name=request.form.get("name", ""), choices=choices, now=g.now)
    except UserError as error:
        return _again(error, f"field-{field_id}")
    return _back(gettext("Saved."))


@pages.post("/labels/fields/<int:field_id>/removal")
@edge.only("manager")
def remove_field(field_id: int) -> AnyResponse:
    fields.remove(g.session, g.who, field_id, now=g.now)
    return _back(gettext("The field is gone."))


# -- of one conversation


@pages.post("/conversations/<int:conversation_id>/category")
def categorise(conversation_id: int) -> AnyResponse:
    """{category}: an id, or "" for none."""
    triage.categorise(g.session, g.who, conversation_id, request.form.get("category", type=int), now=g.now)
    edge.tell(gettext("Saved."))
    return _conversation(conversation_id)


@pages.post("/conversations/<int:conversation_id>/fields")
def write(conversation_id: int) -> AnyResponse:
    """{field-7: value, …}."""
    for name, value in request.form.items():
        number = name.removeprefix("field-")
        if name.startswith("field-") and number.isascii() and number.isdigit() and len(number) < 19:
            fields.write(g.session, g.who, conversation_id, int(number), value, now=g.now)
    edge.tell(gettext("Saved."))
    return _conversation(conversation_id)


def kind_words() -> dict[str, str]:
    return {
        "text": gettext("Any words"),
        "number": gettext("Number"),
        "date": gettext("Date"),
        "choice": gettext("Choice"),
    }


def _context() -> dict[str, object]:
    named = moves.targets(g.session, g.who, but=0)
    return {
        "tags": tags.page(g.session),
        "categories": tags.category_page(g.session),
        "fields": fields.of_all(g.session, g.who),
        "mailboxes": named,
        "mailbox_names": dict(named),
        "kinds": [(kind, kind_words()[kind]) for kind in fields.KINDS],
    }


def _again(error: UserError, form: str) -> edge.Answer:
    """`form` is the one that was refused: that of a new one (category, field) or of one in the lists (tag-7)."""
    return edge.form_again("labels/show.html", error, values=request.form, wrong=form, **_context())


def _back(told: str) -> AnyResponse:
    edge.tell(told)
    return redirect(url_for("labels.show"), 303)


def _conversation(conversation_id: int) -> AnyResponse:
    return redirect(url_for("conversations.show", conversation_id=conversation_id, **drafts.way_sent()), 303)
