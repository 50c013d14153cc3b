"""Teams: who is in them and how they hand out; what people can take on; working hours and absences, one's own and, for
managers, those of others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import available_timezones

from flask import Blueprint, g, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from inbox import people, shifts, sidebar, teams
from inbox.errors import N_, NotFound, UserError
from inbox.teams import TeamForm, TeamView
from routing.calendars import WEEKDAYS
from web import calendars, edge, language, rule_words
from web.edge import Answer
from web.language import gettext

pages = Blueprint("teams", __name__)


@dataclass(frozen=True)
class ShiftForm:
    """Somebody's working hours as stored, or as typed."""

    kind: str
    zone: str
    week: Mapping[str, str]
    holidays: bool


@pages.get("/teams")
@edge.only("manager")
def show() -> str:
    return render_template("teams/show.html", **_page())


@pages.post("/teams/fallback")
@edge.only("manager")
def fall_back() -> Response | Answer:
    """{fallback}: who gets what nobody else can take; empty for nobody."""
    try:
        teams.set_fallback(g.session, g.who, _id("fallback"), now=g.now)
    except UserError as error:
        return edge.form_again("teams/show.html", error, **_page())
    edge.tell(gettext("Saved."))
    return redirect(url_for("teams.show"), 303)


@pages.get("/teams/new")
@edge.only("manager")
def new() -> str:
    form = TeamForm("", "round_robin", None, None, {}, frozenset())
    return render_template("teams/edit.html", team=None, form=form, minutes="", **_choices())


@pages.post("/teams/new")
@edge.only("manager")
def create() -> Response | Answer:
    try:
        teams.add(g.session, g.who, _form(), now=g.now)
    except UserError as error:
        return _again(error, team=None)
    edge.tell(gettext("Saved."))
    return redirect(url_for("teams.show"), 303)


@pages.get("/teams/<int:team_id>")
@edge.only("manager")
def edit(team_id: int) -> str:
    team = teams.show(g.session, g.who, team_id, now=g.now)
    form = TeamForm(
        team.name,
        team.way,
        team.fallback_id,
        team.hand_back_minutes,
        {one.user_id: one.weight for one in team.members},
        frozenset(box[0] for box in team.mailboxes),
    )
    return render_template("teams/edit.html", team=team, form=form, minutes=team.hand_back_minutes, **_choices())


@pages.post("/teams/<int:team_id>")
@edge.only("manager")
def change(team_id: int) -> Response | Answer:
    team = teams.show(g.session, g.who, team_id, now=g.now)
    try:
        teams.change(g.session, g.who, team_id, _form(), now=g.now)
    except UserError as error:
        return _again(error, team=team)
    edge.tell(gettext("Saved."))
    return redirect(url_for("teams.show"), 303)


@pages.post("/teams/<int:team_id>/removal")
@edge.only("manager")
def remove(team_id: int) -> Response:
    teams.remove(g.session, g.who, team_id, now=g.now)
    edge.tell(gettext("The team was removed."))
    return redirect(url_for("teams.show"), 303)


@pages.get("/people/<int:user_id>/capacity")
@edge.only("manager")
def capacity(user_id: int) -> str:
    """What a person can take on, when they work, and when they are absent."""
    return render_template("teams/person.html", **_person(user_id))


@pages.post("/people/<int:user_id>/capacity")
@edge.only("manager")
def set_capacity(user_id: int) -> Response | Answer:
    typed = {name: request.form.get(name, "") for name in ("cap", "skills", "languages")}
    try:
        teams.set_capacity(
            g.session,
            g.who,
            user_id,
            cap=_number(typed["cap"], field="cap"),
            skills=_words(typed["skills"]),
            languages=_words(typed["languages"]),
            now=g.now,
        )
    except NotFound:
        raise
    except UserError as error:
        return edge.form_again("teams/person.html", error, **_person(user_id) | {"typed": typed})
    edge.tell(gettext("Saved."))
    return redirect(url_for("teams.show"), 303)


@pages.post("/people/<int:user_id>/shift")
def work(user_id: int) -> Response | Answer:
    """{kind}: any, mailbox or own; {zone, week.mon, …, holidays} of one's own hours."""
    form = _typed_shift()
    try:
        shifts.change(
            g.session,
            g.who,
            user_id,
            kind=form.kind,
            zone=form.zone,
            week={day: calendars.periods(typed) for day, typed in form.week.items()},
            holidays=form.holidays,
            now=g.now,
        )
    except UserError as error:
        if error.status != 400:
            raise
        return edge.form_again("teams/person.html", error, **_person(user_id) | {"shift": form})
    edge.tell(gettext("Saved."))
    return redirect(_page_of(user_id), 303)


@pages.post("/people/<int:user_id>/absences")
def be_absent(user_id: int) -> Response | Answer:
    """{why, starts, ends}: days, or times; without an end until it is ended."""
    try:
        starts, ends = _span(request.form.get("starts", ""), request.form.get("ends", ""))
        why = request.form.get("why", "away")
        teams.be_absent(g.session, g.who, user_id, starts_at=starts, ends_at=ends, why=why, now=g.now)
    except UserError as error:
        if error.status != 400:
            raise
        return edge.form_again("teams/person.html", error, **_person(user_id))
    edge.tell(gettext("Noted. No new conversations are given out meanwhile."))
    return redirect(_page_of(user_id), 303)


@pages.post("/absences/<int:absence_id>/end")
def be_back(absence_id: int) -> Response:
    user_id = teams.be_back(g.session, g.who, absence_id, now=g.now)
    edge.tell(gettext("The absence is over."))
    return redirect(_page_of(user_id), 303)


@pages.get("/preferences/absence")
def absence() -> str:
    """One's own working hours and absences."""
    return render_template("teams/person.html", **_person(g.who.id))


def _page_of(user_id: int) -> str:
    return url_for("teams.absence") if user_id == g.who.id else url_for("teams.capacity", user_id=user_id)


# -- reading


def _form() -> TeamForm:
    members = {}
    for typed in request.form.getlist("members")[:1000]:
        if typed.isascii() and typed.isdigit():
            weight = _number(request.form.get(f"weight-{typed}", "1"), field=f"weight-{typed}")
            members[int(typed)] = 1 if weight is None else weight
    return TeamForm(
        name=request.form.get("name", ""),
        way=request.form.get("way", ""),
        fallback_id=_id("fallback"),
        hand_back_minutes=_number(request.form.get("hand_back_minutes", ""), field="hand_back_minutes"),
        members=members,
        mailbox_ids=frozenset(
            int(one) for one in request.form.getlist("mailbox_ids")[:500] if one.isascii() and one.isdigit()
        ),
    )


def _typed() -> TeamForm:
    """The form as it was typed, where that is possible."""
    members = [one for one in request.form.getlist("members") if one.isascii() and one.isdigit()]
    weights = {one: request.form.get(f"weight-{one}", "1") for one in members}
    return TeamForm(
        request.form.get("name", ""),
        request.form.get("way", ""),
        _id("fallback"),
        None,
        {int(one): int(weight) if weight.isascii() and weight.isdigit() else 1 for one, weight in weights.items()},
        frozenset(int(one) for one in request.form.getlist("mailbox_ids") if one.isascii() and one.isdigit()),
    )


def _typed_shift() -> ShiftForm:
    given = request.form
    return ShiftForm(
        kind=given.get("kind", ""),
        zone=given.get("zone", "").strip(),
        week={day: given.get(f"week.{day}", "") for day in WEEKDAYS},
        holidays="holidays" in given,
    )


def _span(starts: str, ends: str) -> tuple[datetime, datetime | None]:
    """A last day counts as a whole."""
    first = g.now if not starts else _moment(starts, field="starts_at")
    if not ends:
        return first, None
    last = _moment(ends, field="ends_at")
    return first, last + timedelta(days=1) if len(ends) == len("2026-11-20") else last


def _moment(typed: str, *, field: str) -> datetime:
    """A day or a local time from a date field."""
    try:
        return datetime.fromisoformat(typed).replace(tzinfo=language.zone())
    except ValueError:
        raise UserError(N_("This is no day."), field=field) from None


def _number(typed: str, *, field: str) -> int | None:
    clean = typed.strip()
    if not clean:
        return None
    if not (clean.isascii() and clean.isdigit() and len(clean) < 10):
        raise UserError(N_("A whole number is needed here."), field=field)
    return int(clean)


def _id(name: str) -> int | None:
    typed = request.form.get(name, "")
    return int(typed) if typed.isascii() and typed.isdigit() and len(typed) < 19 else None


def _words(typed: str) -> list[str]:
    return [one for one in typed.replace("、", ",").replace("，", ",").replace("\n", ",").split(",") if one.strip()]


# -- showing


def _page() -> dict[str, Any]:
    found = teams.page(g.session, g.who, now=g.now)
    team = [one for one in people.team(g.session, g.who) if one.active]
    return {
        "teams": found,
        "ways": rule_words.team_ways(),
        "team": team,
        "stand_ins": [("", gettext("Nobody")), *((one.id, one.name) for one in team)],
        "fallback": teams.fallback(g.session),
        "absent": _by_person(),
    }


def _by_person() -> dict[int, teams.AbsenceView]:
    found: dict[int, teams.AbsenceView] = {}
    for one in teams.absences(g.session, g.who, now=g.now):
        found.setdefault(one.user_id, one)
    return found


def _choices() -> dict[str, Any]:
    team = [one for one in people.team(g.session, g.who) if one.active]
    return {
        "ways": rule_words.team_ways(),
        "team_members": team,
        "stand_ins": [("", gettext("Nobody")), *((one.id, one.name) for one in team)],
        "mailboxes": sidebar.show(g.session, g.who, now=g.now).mailboxes,
    }


def _again(error: UserError, *, team: TeamView | None) -> Answer:
    minutes = request.form.get("hand_back_minutes", "")
    return edge.form_again("teams/edit.html", error, team=team, form=_typed(), minutes=minutes, **_choices())


def _person(user_id: int) -> dict[str, Any]:
    mine = user_id == g.who.id
    view = teams.capacity(g.session, g.who, user_id) if g.who.is_manager else None
    typed = {
        "cap": view.cap if view and view.cap is not None else "",
        "skills": ", ".join(view.skills) if view else "",
        "languages": ", ".join(view.languages) if view else "",
    }
    hours = shifts.show(g.session, g.who, user_id, now=g.now, language=language.locale())
    return {
        "shift": ShiftForm(
            hours.kind,
            hours.calendar.zone if hours.kind == "own" else g.who.time_zone,
            {day: ", ".join(map(str, periods)) for day, periods in zip(WEEKDAYS, hours.calendar.week, strict=True)},
            hours.holidays,
        ),
        "ahead": hours.ahead,
        "zones": sorted(available_timezones()),
        "shift_kinds": (
            ("any", gettext("At any hour")),
            ("mailbox", gettext("As the calendar of the mailbox says")),
            ("own", gettext("Hours of their own") if user_id != g.who.id else gettext("Hours of my own")),
        ),
        "weekdays": calendars.weekdays(),
        "why": calendars.why,
        "day_of": calendars.day_of,
        "user_id": user_id,
        "person": hours.name,
        "mine": mine,
        "view": view,
        "typed": typed,
        "absences": teams.absences(g.session, g.who, now=g.now, user_id=user_id),
    }
