"""Rules: their list and order, the editor, the dry run before one is switched on, versions; why a conversation is where
it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Blueprint, g, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from inbox import people, reasons, rules
from inbox.errors import UserError
from inbox.rules import WrongRule
from routing.actions import STATUSES_TO_SET
from routing.facts import FIELDS
from web import drafts, edge, rule_forms, rule_words
from web.edge import Answer
from web.language import gettext
from web.rule_forms import Typed

pages = Blueprint("rules", __name__)

LEFT_OUT = ("customer_id",)  # nobody knows a number


@pages.get("/rules")
@edge.only("manager")
def show() -> str:
    return render_template(
        "rules/show.html",
        rules=rules.page(g.session, g.who),
        names=reasons.names(g.session),
        say=rule_words,
    )


@pages.post("/rules/order")
@edge.only("manager")
def arrange() -> Response:
    """{ids}: all rules in their new order; or {id, by}: one of them a place up (-1) or down (1)."""
    if "id" in request.form:
        by = -1 if request.form.get("by") == "-1" else 1
        rules.move(g.session, g.who, request.form.get("id", 0, type=int), by, now=g.now)
    else:
        ids = [int(one) for one in request.form.get("ids", "").split(",") if one.isascii() and one.isdigit()]
        rules.arrange(g.session, g.who, ids, now=g.now)
    return redirect(url_for("rules.show"), 303)


@pages.get("/rules/new")
@edge.only("manager")
def new() -> str:
    return _editor(rule_forms.of_rule(rule_forms.EMPTY), rule=None)


@pages.post("/rules/new")
@edge.only("manager")
def create() -> Response | Answer | str:
    """Stores the rule, switched off; or shows the form with a line more or less."""
    typed = rule_forms.read(request.form)
    if "change" in request.form:
        return _editor(rule_forms.changed(typed, request.form["change"]), rule=None)
    try:
        made = rules.create(g.session, g.who, _to_store(typed), now=g.now)
    except UserError as error:
        return _again(typed, error, rule=None)
    edge.tell(gettext("Saved. It is off until you switch it on."))
    return redirect(url_for("rules.try_out", rule_id=made), 303)


@pages.get("/rules/<int:rule_id>")
@edge.only("manager")
def edit(rule_id: int) -> str:
    rule = rules.show(g.session, g.who, rule_id)
    return _editor(rule_forms.of_rule(rule.body), rule=rule, mistakes=_mistakes(WrongRule(rule.wrong)))


@pages.post("/rules/<int:rule_id>")
@edge.only("manager")
def change(rule_id: int) -> Response | Answer | str:
    rule = rules.show(g.session, g.who, rule_id)
    typed = rule_forms.read(request.form)
    if "change" in request.form:
        return _editor(rule_forms.changed(typed, request.form["change"]), rule=rule)
    seen = request.form.get("version", 0, type=int)
    try:
        rules.change(g.session, g.who, rule_id, _to_store(typed), seen_version=seen, now=g.now)
    except UserError as error:
        return _again(typed, error, rule=rule)
    edge.tell(gettext("Saved."))
    return redirect(url_for("rules.try_out", rule_id=rule_id), 303)


@pages.get("/rules/<int:rule_id>/dry-run")
@edge.only("manager")
def try_out(rule_id: int) -> str:
    """What the rule would have done to the last mails, and the switch."""
    rule = rules.show(g.session, g.who, rule_id)
    found = rules.dry_run(g.session, g.who, rule_id, now=g.now) if not rule.wrong else None
    names = reasons.names(g.session)
    return render_template("rules/dry_run.html", rule=rule, found=found, names=names, say=rule_words)


@pages.post("/rules/<int:rule_id>/switch")
@edge.only("manager")
def switch(rule_id: int) -> Response:
    on = request.form.get("on") == "1"
    rules.switch(g.session, g.who, rule_id, on=on, now=g.now)
    edge.tell(gettext("The rule is on.") if on else gettext("The rule is off."))
    return redirect(url_for("rules.show"), 303)


@pages.get("/rules/<int:rule_id>/versions")
@edge.only("manager")
def versions(rule_id: int) -> str:
    return render_template(
        "rules/versions.html",
        rule=rules.show(g.session, g.who, rule_id),
        versions=rules.versions(g.session, g.who, rule_id),
        names=reasons.names(g.session),
        say=rule_words,
    )


@pages.post("/rules/<int:rule_id>/versions")
@edge.only("manager")
def go_back(rule_id: int) -> Response | Answer:
    """{version}: what it said then becomes its newest version."""
    version = request.form.get("version", 0, type=int)
    try:
        rules.go_back(g.session, g.who, rule_id, version, now=g.now)
    except WrongRule as error:
        rule = rules.show(g.session, g.who, rule_id)
        then = next(one.body for one in rules.versions(g.session, g.who, rule_id) if one.version == version)
        return _again(rule_forms.of_rule(then), error, rule=rule)
    edge.tell(gettext("The rule says again what it said in version %(version)s.", version=version))
    return redirect(url_for("rules.try_out", rule_id=rule_id), 303)


@pages.post("/rules/<int:rule_id>/removal")
@edge.only("manager")
def remove(rule_id: int) -> Response:
    rules.remove(g.session, g.who, rule_id, now=g.now)
    edge.tell(gettext("The rule was removed. What it did stays explained."))
    return redirect(url_for("rules.show"), 303)


@pages.get("/conversations/<int:conversation_id>/reasons")
def why(conversation_id: int) -> str:
    """Why a conversation has this owner, these tags, this status."""
    found = reasons.why(g.session, g.who, conversation_id)
    head = people.conversation(g.session, g.who, conversation_id)
    return render_template(
        "rules/why.html",
        subject=head.subject,
        conversation_id=conversation_id,
        way=drafts.way(request.args),
        why=found,
        say=rule_words,
    )


# -- the editor


def _editor(typed: Typed, *, rule: rules.RuleView | None, mistakes: Mapping[str, str] | None = None) -> str:
    context = _choices()
    template = "rules/form.html" if edge.fragment() else "rules/edit.html"
    return render_template(template, typed=typed, rule=rule, mistakes=mistakes or {}, **context)


def _again(typed: Typed, error: UserError, *, rule: rules.RuleView | None) -> Answer:
    """The form once more, every mistake at its field."""
    return edge.form_again("rules/edit.html", error, typed=typed, rule=rule, mistakes=_mistakes(error), **_choices())


def _mistakes(error: UserError) -> dict[str, str]:
    if not isinstance(error, WrongRule):
        return {}
    return {place: rule_words.refused(one) for place, one in rule_forms.at(error.refused).items()}


def _to_store(typed: Typed) -> dict[str, Any]:
    """The rule with ids in place of the names of its tags; new ones are made on first use."""
    body = rule_forms.as_rule(typed)
    actions = []
    for one in body["actions"]:
        if "tag" in one:
            tag_id = rules.tag(g.session, g.who, one["tag"]) if one["tag"] else None
            one = {"do": one["do"], "tag_id": tag_id}
        actions.append(one)
    return {**body, "actions": actions}


def _choices() -> dict[str, Any]:
    fields = {name: label for name, label in rule_words.fields().items() if name not in LEFT_OUT}
    choices = rules.choices(g.session, g.who)
    return {
        "choices": choices,
        "names": reasons.names(g.session),
        "say": rule_words,
        "fields": fields,
        "offered": {
            "customer_tier": [(one, one) for one in choices.tiers],
            "customer_phase": [(one, one) for one in choices.phases],
        },
        "kinds": {name: one.kind for name, one in FIELDS.items()},
        "field_operators": {name: one.operators for name, one in FIELDS.items()},
        "statuses": [(one, rule_words.choices()["status"][one]) for one in STATUSES_TO_SET],
    }
