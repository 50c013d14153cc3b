"""Deadlines: the policies of the team, how near a conversation is to its own, and how that was counted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from flask import Blueprint, g, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from inbox import deadlines, lists, people, profiles, sidebar, working_hours
from inbox.deadlines import PolicyView
from inbox.errors import UserError
from routing import hours
from routing.deadlines import ESCALATION, KINDS, TOLD, Escalation, Policy
from routing.facts import PRIORITIES
from web import calendars, edge
from web.customers import usual_tiers
from web.edge import Answer
from web.language import gettext, ngettext

pages = Blueprint("deadlines", __name__)

STEPS = 3  # lines of the form


@dataclass(frozen=True)
class Form:
    """What the form of a policy shows: as stored, or as typed."""

    name: str
    targets: Mapping[str, str]
    mailboxes: frozenset[int]
    tiers: frozenset[str]
    tags: frozenset[int]
    priorities: frozenset[str]
    steps: tuple[tuple[str, tuple[str, ...]], ...]  # percent as typed, who is told
    enabled: bool


@dataclass(frozen=True)
class Due:
    """How near a deadline is, in words, and in few of them for lists. `tone`: bad, warn or quiet."""

    text: str
    short: str
    tone: str


@pages.get("/deadlines")
@edge.only("manager")
def show() -> str:
    return render_template("deadlines/show.html", policies=deadlines.show(g.session, g.who), **_choices())


@pages.get("/deadlines/new")
@edge.only("manager")
def new() -> str:
    empty = Form("", {}, *[frozenset()] * 4, _steps(ESCALATION), enabled=True)
    return render_template("deadlines/edit.html", form=empty, view=None, **_choices())


@pages.post("/deadlines")
@edge.only("manager")
def create() -> Response | Answer:
    return _save(None)


@pages.get("/deadlines/<int:policy_id>")
@edge.only("manager")
def edit(policy_id: int) -> str:
    view = deadlines.one(g.session, g.who, policy_id)
    return render_template("deadlines/edit.html", form=_stored(view.policy, view.enabled), view=view, **_choices())


@pages.post("/deadlines/<int:policy_id>")
@edge.only("manager")
def change(policy_id: int) -> Response | Answer:
    return _save(deadlines.one(g.session, g.who, policy_id))


@pages.post("/deadlines/<int:policy_id>/place")
@edge.only("manager")
def move(policy_id: int) -> Response:
    """{to}: up or down."""
    deadlines.move(g.session, g.who, policy_id, up=request.form.get("to") == "up", now=g.now)
    return redirect(url_for("deadlines.show"), 303)


@pages.post("/deadlines/<int:policy_id>/removal")
@edge.only("manager")
def remove(policy_id: int) -> Response:
    view = deadlines.one(g.session, g.who, policy_id)
    deadlines.remove(g.session, g.who, policy_id, now=g.now)
    edge.tell(gettext("%(name)s: removed.", name=view.policy.name))
    return redirect(url_for("deadlines.show"), 303)


@pages.get("/conversations/<int:conversation_id>/deadlines")
def explain(conversation_id: int) -> str:
    conversation = people.conversation(g.session, g.who, conversation_id)
    found = deadlines.explain(g.session, g.who, conversation_id, language=g.who.locale, now=g.now)
    return render_template(
        "deadlines/explained.html",
        conversation=conversation,
        found=found,
        kind_words=kind_words(),
        state_words=_state_words(),
        left_words=left_words,
        **calendars.explaining(),
    )


# -- in words, for lists, boards and conversations


def due(due_at: datetime | None, mailbox_id: int) -> Due | None:
    """How many working minutes are left, or how long it is over; None without a deadline."""
    if due_at is None:
        return None
    calendar = _calendar(mailbox_id)
    if due_at > g.now:
        left = hours.working_minutes(calendar, g.now, due_at)
        return Due(left_words(left), short_words(left), "warn" if left <= 60 else "quiet")
    left = -hours.working_minutes(calendar, due_at, g.now)
    return Due(left_words(left), short_words(left), "bad")


def left_words(minutes: int) -> str:
    """ "due in 35 working min", "late by 2 h"; 0: it is due now."""
    if minutes > 0:
        return gettext("due in %(time)s of work", time=calendars.hours_and_minutes(minutes * hours.MINUTE))
    if minutes < 0:
        return gettext("late by %(time)s", time=calendars.hours_and_minutes(-minutes * hours.MINUTE))
    return gettext("due now")


def short_words(minutes: int) -> str:
    """ "35 min left", "2 h late": the same for a narrow column, whole hours from one on."""
    size = abs(minutes)
    time = calendars.hours_and_minutes((size if size < 60 else size - size % 60) * hours.MINUTE)
    if minutes > 0:
        return gettext("%(time)s left", time=time)
    return gettext("%(time)s late", time=time) if minutes < 0 else gettext("due now")


def _calendar(mailbox_id: int) -> Any:
    known = g.setdefault("calendars", {})
    if mailbox_id not in known:
        known[mailbox_id] = working_hours.calendar_of(g.session, mailbox_id)
    return known[mailbox_id]


def kind_words() -> dict[str, str]:
    return {
        "first_answer": gettext("First answer"),
        "next_answer": gettext("Next answer"),
        "resolution": gettext("Resolution"),
    }


def _state_words() -> dict[str, tuple[str, str]]:
    return {
        "running": (gettext("Running"), "accent"),
        "paused": (gettext("Paused"), "quiet"),
        "met": (gettext("In time"), "good"),
        "late": (gettext("Late"), "bad"),
    }


# -- the form


def _save(view: PolicyView | None) -> Response | Answer:
    form = _typed()
    try:
        deadlines.save(
            g.session, g.who, view.id if view else None, body=_body(form), enabled=form.enabled, now=g.now
        )
    except UserError as error:
        return edge.form_again("deadlines/edit.html", error, form=form, view=view, **_choices())
    edge.tell(gettext("%(name)s: saved. Running deadlines are worked out anew.", name=form.name.strip()))
    return redirect(url_for("deadlines.show"), 303)


def _stored(policy: Policy, enabled: bool) -> Form:
    return Form(
        name=policy.name,
        targets={kind: str(policy.target(kind) or "") for kind in KINDS},
        mailboxes=policy.mailboxes,
        tiers=policy.tiers,
        tags=policy.tags,
        priorities=policy.priorities,
        steps=_steps(policy.escalation),
        enabled=enabled,
    )


def _steps(escalation: tuple[Escalation, ...]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    steps = [(str(one.percent), tuple(one.to)) for one in escalation]
    return tuple(steps + [("", ())] * (STEPS - len(steps)))


def _typed() -> Form:
    sent = request.form
    return Form(
        name=sent.get("name", ""),
        targets={kind: sent.get(kind, "").strip() for kind in KINDS},
        mailboxes=frozenset(_numbers("mailboxes")),
        tiers=frozenset(one for typed in sent.getlist("tiers")[:200] if (one := profiles.clean("tier", typed))),
        tags=frozenset(_numbers("tags")),
        priorities=frozenset(sent.getlist("priorities")[:10]),
        steps=tuple(
            (percent.strip(), tuple(one for one in TOLD if one in sent.getlist(f"to.{number}")))
            for number, percent in enumerate(sent.getlist("percent")[:20])
        ),
        enabled="enabled" in sent,
    )


def _body(form: Form) -> dict[str, Any]:
    """`routing.deadlines`' JSON of what was typed; what is no number goes along as it is, to be refused there."""
    return {
        "name": " ".join(form.name.split())[:100],
        **{kind: _number(typed) if typed else None for kind, typed in form.targets.items()},
        "mailboxes": sorted(form.mailboxes),
        "tiers": sorted(form.tiers),
        "tags": sorted(form.tags),
        "priorities": sorted(form.priorities),
        "escalation": [{"percent": _number(percent), "to": list(to)} for percent, to in form.steps if percent or to],
    }


def _number(typed: str) -> int | str:
    return int(typed) if typed.isdecimal() and len(typed) < 10 else typed


def _numbers(name: str) -> list[int]:
    return [int(one) for one in request.form.getlist(name)[:500] if one.isascii() and one.isdigit() and len(one) < 19]


def _choices() -> dict[str, Any]:
    return {
        "mailboxes": sidebar.show(g.session, g.who, now=g.now).mailboxes,
        "tags": lists.tags(g.session),
        "tiers": profiles.tiers(g.session),
        "usual_tiers": usual_tiers(),
        "kind_words": kind_words(),
        "priorities": {one: _priority_words().get(one, one) for one in PRIORITIES},
        "told_words": {
            "owner": gettext("Owner"),
            "team": gettext("Team"),
            "manager": gettext("Managers"),
        },
        "minutes_words": lambda minutes: ngettext("%(num)d working minute", "%(num)d working minutes", minutes),
    }


def _priority_words() -> dict[str, str]:
    return {
        "low": gettext("Low"),
        "normal": gettext("Normal"),
        "high": gettext("High"),
        "urgent": gettext("Urgent"),
    }


@pages.record_once
def _install(state: Any) -> None:
    state.app.add_template_global(due, "due_words")
