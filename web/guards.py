"""Safe sending, for managers: what is asked before a mail leaves, who approves, which second replies were stopped."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, g, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from inbox import approval_policies as policies
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
    return render_template("guards/show.html", **_overview())


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
        "word_list": "\n".join(rules.words),
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
            "words": lines("word_list"),
            "most_visible": number("most_visible"),
            "check_names": "check_names" in form,
            "check_attachments": "check_attachments" in form,
        }
        send_checks.set_rules(g.session, g.who, mailbox_id, given, now=g.now)
    except UserError as error:
        return edge.form_again("guards/check.html", _at_its_field(error), one=one, values=form, **_asks())
    edge.tell(gettext("Saved."))
    return redirect(url_for("guards.show"), 303)


def _check(mailbox_id: int) -> send_checks.MailboxRules:
    for one in send_checks.all_rules(g.session, g.who):
        if one.mailbox_id == mailbox_id:
            return one
    raise NotFound


def _asks() -> dict[str, Any]:
    return {"asks": [(name, guard_words.ask(name)) for name in ASKS]}


# -- approval: pools, policies, new staff


@pages.get("/guards/approvers/new")
@edge.only("manager")
def new_pool() -> str:
    values = {"name": "", "approvers": [], "deputies": {}, "minutes": ""}
    return render_template("guards/pool.html", values=values, pool_id=None, **_people())


@pages.get("/guards/approvers/<int:pool_id>")
@edge.only("manager")
def edit_pool(pool_id: int) -> str:
    pool = next((one.pool for one in policies.all_pools(g.session, g.who) if one.id == pool_id), None)
    if pool is None:
        raise NotFound
    values = {
        "name": pool.name,
        "approvers": pool.approvers,
        "deputies": {str(person): deputy for person, deputy in pool.deputies},
        "minutes": pool.minutes,
    }
    return render_template("guards/pool.html", values=values, pool_id=pool_id, **_people())


@pages.post("/guards/approvers")
@edge.only("manager")
def add_pool() -> Response | Answer:
    return _set_pool(None)


@pages.post("/guards/approvers/<int:pool_id>")
@edge.only("manager")
def change_pool(pool_id: int) -> Response | Answer:
    return _set_pool(pool_id)


@pages.post("/guards/approvers/<int:pool_id>/removal")
@edge.only("manager")
def remove_pool(pool_id: int) -> Response | Answer:
    try:
        policies.remove_pool(g.session, g.who, pool_id, now=g.now)
    except NotFound:
        raise
    except UserError as error:
        return edge.form_again("guards/show.html", error, **_overview())
    edge.tell(gettext("Removed."))
    return redirect(url_for("guards.show"), 303)


def _set_pool(pool_id: int | None) -> Response | Answer:
    form = request.form
    deputies = {one: form.get(f"deputy_{one}", type=int) for one in form.getlist("person") if form.get(f"deputy_{one}")}
    values = {
        "name": form.get("name", ""),
        "approvers": form.getlist("approvers", type=int),
        "deputies": deputies,
        "minutes": form.get("minutes", ""),
    }
    try:
        policies.set_pool(g.session, g.who, pool_id, values | {"minutes": number("minutes")}, now=g.now)
    except NotFound:
        raise
    except UserError as error:
        return edge.form_again("guards/pool.html", error, values=values, pool_id=pool_id, **_people())
    edge.tell(gettext("Saved."))
    return redirect(url_for("guards.show"), 303)


@pages.get("/guards/policies/new")
@edge.only("manager")
def new_policy() -> str:
    return render_template("guards/policy.html", values={"enabled": True}, policy_id=None, **_choices())


@pages.get("/guards/policies/<int:policy_id>")
@edge.only("manager")
def edit_policy(policy_id: int) -> str:
    row = next((one for one in policies.all_policies(g.session, g.who) if one.id == policy_id), None)
    if row is None:
        raise NotFound
    policy = row.policy
    values = {name: getattr(policy, name) for name in ("name", "pool", "authors", "mailboxes", "recipients", *FLAGS)}
    values |= {name: "\n".join(getattr(policy, of)) for name, of in TEXTS.items()} | {"enabled": row.enabled}
    if policy.amount is not None:
        values |= {"amount": policy.amount.at_least, "currency": policy.amount.currency}
    return render_template("guards/policy.html", values=values, policy_id=policy_id, **_choices())


@pages.post("/guards/policies")
@edge.only("manager")
def add_policy() -> Response | Answer:
    return _set_policy(None)


@pages.post("/guards/policies/<int:policy_id>")
@edge.only("manager")
def change_policy(policy_id: int) -> Response | Answer:
    return _set_policy(policy_id)


@pages.post("/guards/policies/<int:policy_id>/removal")
@edge.only("manager")
def remove_policy(policy_id: int) -> Response:
    policies.remove_policy(g.session, g.who, policy_id, now=g.now)
    edge.tell(gettext("Removed."))
    return redirect(url_for("guards.show"), 303)


@pages.post("/guards/new-staff")
@edge.only("manager")
def set_new_staff() -> Response:
    policies.set_new_staff(g.session, g.who, request.form.getlist("new_staff", type=int), now=g.now)
    edge.tell(gettext("Saved."))
    return redirect(url_for("guards.show"), 303)


FLAGS = ("new_staff", "outside", "first_contact", "attachment")
TEXTS = {"domains": "domains", "attachment_types": "attachment_types", "word_list": "words"}  # field → what it is of


def _set_policy(policy_id: int | None) -> Response | Answer:
    form = request.form
    values: dict[str, Any] = {name: form.get(name, "") for name in ("name", "recipients", "amount", "currency", *TEXTS)}
    values |= {name: name in form for name in (*FLAGS, "enabled")}
    values |= {name: form.getlist(name, type=int) for name in ("authors", "mailboxes")}
    values["pool"] = form.get("pool", 0, type=int)
    try:
        at_least = number("amount")
        given = {name: values[name] for name in ("name", "pool", "authors", "mailboxes", *FLAGS)}
        given |= {of: lines(name) for name, of in TEXTS.items()} | {"recipients": number("recipients")}
        given["amount"] = None if at_least is None else {"at_least": at_least, "currency": values["currency"]}
        policies.set_policy(g.session, g.who, policy_id, given, enabled=values["enabled"], now=g.now)
    except NotFound:
        raise
    except UserError as error:
        return edge.form_again(
            "guards/policy.html", _at_its_field(error), values=values, policy_id=policy_id, **_choices()
        )
    edge.tell(gettext("Saved."))
    return redirect(url_for("guards.show"), 303)


def _overview() -> dict[str, Any]:
    return {
        "checks": send_checks.all_rules(g.session, g.who),
        "policies": policies.all_policies(g.session, g.who),
        "pools": policies.all_pools(g.session, g.who),
        "newcomers": policies.new_staff(g.session),
        "words": guard_words,
        **_people(),
    }


def _people() -> dict[str, Any]:
    return {"everybody": policies.everybody(g.session, g.who)}


def _choices() -> dict[str, Any]:
    return {
        "pools": [(0, gettext("Choose …"))] + [(one.id, one.pool.name) for one in policies.all_pools(g.session, g.who)],
        "mailboxes": [(one.mailbox_id, one.name) for one in send_checks.all_rules(g.session, g.who)],
        "currencies": [("", gettext("any currency")), *((one, one) for one in ("JPY", "USD", "EUR", "GBP", "CNY"))],
        **_people(),
    }


# -- what forms send


def _at_its_field(error: UserError) -> UserError:
    """`words` is the name of something else on every page of the house."""
    if error.field == "words":
        error.field = "word_list"
    return error


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
