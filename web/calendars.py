"""Working hours: calendars with their periods, public holidays, days off, and how a span of time is counted."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

from babel import Locale
from flask import Blueprint, g, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from inbox import calendars, sidebar
from inbox.calendars import SUGGESTED, CalendarView
from inbox.errors import N_, UserError
from routing import public_holidays
from routing.calendars import WEEKDAYS, Calendar, to_json
from web import edge, language
from web.edge import Answer, words
from web.language import gettext

pages = Blueprint("calendars", __name__)

EMPTY_LINES = 2  # for new days off and extra days, below those that there are
MOST_LINES = 200
BETWEEN = re.compile(r"[,、;；\n]+")


@dataclass(frozen=True)
class Line:
    """A day off or an extra day as it stands in the form."""

    name: str = ""
    first: str = ""
    last: str = ""
    periods: str = ""


@dataclass(frozen=True)
class Form:
    """What the form of a calendar shows: as stored, or as typed."""

    name: str
    zone: str
    week: Mapping[str, str]
    country: str
    subdivision: str
    days_off: tuple[Line, ...]
    extra_days: tuple[Line, ...]
    is_default: bool
    mailbox_ids: tuple[int, ...]


@pages.get("/calendars")
@edge.only("manager")
def show() -> str:
    every = calendars.show(g.session, g.who)
    return render_template("calendars/show.html", calendars=every, mailboxes=_mailboxes(), **_words())


@pages.get("/calendars/new")
@edge.only("manager")
def new() -> str:
    first = not calendars.show(g.session, g.who)
    form = _stored(SUGGESTED, name=gettext("Working hours") if first else "", is_default=first, mailbox_ids=())
    return render_template("calendars/edit.html", form=form, view=None, **_choices())


@pages.post("/calendars")
@edge.only("manager")
def create() -> Response | Answer:
    return _save(None)


@pages.get("/calendars/<int:calendar_id>")
@edge.only("manager")
def edit(calendar_id: int) -> str:
    view = calendars.one(g.session, g.who, calendar_id)
    return _page(view)


@pages.post("/calendars/<int:calendar_id>")
@edge.only("manager")
def change(calendar_id: int) -> Response | Answer:
    return _save(calendars.one(g.session, g.who, calendar_id))


@pages.post("/calendars/<int:calendar_id>/removal")
@edge.only("manager")
def remove(calendar_id: int) -> Response | Answer:
    view = calendars.one(g.session, g.who, calendar_id)
    try:
        calendars.remove(g.session, g.who, calendar_id, now=g.now)
    except UserError as error:
        edge.tell(words(error), kind="problem")
        return redirect(url_for("calendars.edit", calendar_id=calendar_id), 303)
    edge.tell(gettext("%(name)s: removed.", name=view.name))
    return redirect(url_for("calendars.show"), 303)


@pages.get("/calendars/<int:calendar_id>/explanation")
@edge.only("manager")
def explain(calendar_id: int) -> str | Answer:
    """{since, until}: local times of the calendar's zone; how much was worked between them, day by day."""
    view = calendars.one(g.session, g.who, calendar_id)
    typed = {name: request.args.get(name, "") for name in ("since", "until")}
    try:
        span = [_local(typed[name], field=name, zone=ZoneInfo(view.calendar.zone)) for name in ("since", "until")]
        found = calendars.explain(view.calendar, *span, language=language.locale())
    except UserError as error:
        page = _page(view, typed=typed, errors={error.field: words(error)})
        return page, error.status
    return _page(view, typed=typed, explained=found)


# -- the form


def _save(view: CalendarView | None) -> Response | Answer:
    form = _typed()
    try:
        saved = calendars.save(
            g.session,
            g.who,
            view.id if view else None,
            name=form.name,
            body=_body(form),
            is_default=form.is_default,
            mailbox_ids=form.mailbox_ids,
            now=g.now,
        )
    except UserError as error:
        around = _around(view) if view else {}
        return edge.form_again("calendars/edit.html", error, form=form, view=view, **around, **_choices())
    edge.tell(gettext("%(name)s: saved. Running deadlines are worked out anew.", name=form.name.strip()))
    return redirect(url_for("calendars.edit", calendar_id=saved), 303)


def _page(view: CalendarView, *, typed: Mapping[str, str] | None = None, **more: Any) -> str:
    form = _stored(to_json(view.calendar), name=view.name, is_default=view.is_default, mailbox_ids=view.mailbox_ids)
    around = _around(view) | ({"typed": typed} if typed else {})
    return render_template("calendars/edit.html", form=form, view=view, **around, **_choices(), **more)


def _around(view: CalendarView) -> dict[str, Any]:
    """What stands below the form of a calendar that exists."""
    return {"year": _year(view.calendar), "typed": _example(view.calendar)}


def _stored(body: Mapping[str, Any], *, name: str, is_default: bool, mailbox_ids: tuple[int, ...]) -> Form:
    off = tuple(
        Line(one["name"], one["from"], one["to"] if one["to"] != one["from"] else "")
        for one in body.get("days_off", ())
    )
    extra = tuple(Line(one["name"], one["date"], "", ", ".join(one["periods"])) for one in body.get("extra_days", ()))
    return Form(
        name=name,
        zone=body["zone"],
        week={day: ", ".join(body["week"].get(day, ())) for day in WEEKDAYS},
        country=body.get("country", ""),
        subdivision=body.get("subdivision", ""),
        days_off=_with_room(off),
        extra_days=_with_room(extra),
        is_default=is_default,
        mailbox_ids=mailbox_ids,
    )


def _typed() -> Form:
    sent = request.form
    columns = {
        name: sent.getlist(name)[:MOST_LINES]
        for name in ("off_name", "off_first", "off_last", "extra_name", "extra_day", "extra_periods")
    }
    off = [Line(*one) for one in zip(*(columns[name] for name in ("off_name", "off_first", "off_last")), strict=False)]
    extra = [
        Line(name, day, "", periods)
        for name, day, periods in zip(
            *(columns[name] for name in ("extra_name", "extra_day", "extra_periods")), strict=False
        )
    ]
    return Form(
        name=sent.get("name", ""),
        zone=sent.get("zone", "").strip(),
        week={day: sent.get(f"week.{day}", "") for day in WEEKDAYS},
        country=sent.get("country", ""),
        subdivision=sent.get("subdivision", "").strip().upper(),
        days_off=_with_room(one for one in off if one != Line()),
        extra_days=_with_room(one for one in extra if one != Line()),
        is_default="is_default" in sent,
        mailbox_ids=tuple(
            int(one) for one in sent.getlist("mailbox_ids") if one.isascii() and one.isdigit() and len(one) < 19
        ),
    )


def _body(form: Form) -> dict[str, Any]:
    """`routing.calendars`' JSON of what was typed; numbers of fields are those of the form's lines."""
    return {
        "zone": form.zone,
        "week": {day: periods(typed) for day, typed in form.week.items()},
        "country": form.country,
        "subdivision": form.subdivision,
        "days_off": [
            {"name": one.name.strip(), "from": _day(one.first), "to": _day(one.last)}
            for one in form.days_off
            if one != Line()
        ],
        "extra_days": [
            {"name": one.name.strip(), "date": _day(one.first), "periods": periods(one.periods)}
            for one in form.extra_days
            if one != Line()
        ],
    }


def periods(typed: str) -> list[str]:
    """The periods that stand in one field, with commas or in lines."""
    return [one.strip() for one in BETWEEN.split(typed) if one.strip()]


def _day(typed: str) -> str:
    """2026/8/13 and 8/13 as they are stored; anything else as it was typed, for the refusal."""
    text = unicodedata.normalize("NFKC", typed).strip()
    parts = re.split(r"[/.\-年月]", text.rstrip("日"))
    if len(parts) in (2, 3) and all(part.isascii() and part.isdigit() for part in parts):
        return "-".join(part.zfill(2) for part in parts)
    return text


def _with_room(lines: Iterable[Line]) -> tuple[Line, ...]:
    return (*lines, *(Line() for _ in range(EMPTY_LINES)))


# -- what the pages need


def _choices() -> dict[str, Any]:
    territories = Locale.parse(language.locale()).territories
    countries = sorted(
        ((code, territories.get(code, code)) for code in public_holidays.countries()), key=lambda one: str(one[1])
    )
    return {
        "countries": [("", gettext("No public holidays")), *countries],
        "zones": sorted(available_timezones()),
        "mailboxes": _mailboxes(),
        **_words(),
    }


def _words() -> dict[str, Any]:
    return {"weekdays": weekdays(), **explaining()}


def explaining() -> dict[str, Any]:
    """What `calendars/explained.html` calls."""
    return {"why": why, "hm": hours_and_minutes, "day_of": day_of, "no_time": timedelta()}


def _mailboxes() -> tuple[sidebar.SideMailbox, ...]:
    return sidebar.show(g.session, g.who, now=g.now).mailboxes


def _year(calendar: Calendar) -> tuple[calendars.FreeDay, ...]:
    today = g.now.astimezone(ZoneInfo(calendar.zone)).date()
    return calendars.year_ahead(calendar, today=today, language=language.locale())


def _example(calendar: Calendar) -> dict[str, str]:
    """From Friday afternoon to Monday morning, the question that everybody asks first."""
    today = g.now.astimezone(ZoneInfo(calendar.zone)).date()
    friday = today + timedelta(days=(4 - today.weekday()) % 7)
    return {"since": f"{friday}T15:00", "until": f"{friday + timedelta(days=3)}T10:15"}


def _local(typed: str, *, field: str, zone: ZoneInfo) -> datetime:
    try:
        return datetime.fromisoformat(typed).replace(tzinfo=zone)
    except ValueError:
        raise UserError(N_("Choose day and time."), field=field) from None


def weekdays() -> dict[str, str]:
    return {
        "mon": gettext("Monday"),
        "tue": gettext("Tuesday"),
        "wed": gettext("Wednesday"),
        "thu": gettext("Thursday"),
        "fri": gettext("Friday"),
        "sat": gettext("Saturday"),
        "sun": gettext("Sunday"),
    }


def day_of(day: date) -> str:
    """The date with its weekday."""
    name = weekdays()[WEEKDAYS[day.weekday()]]
    if language.locale() == "ja":
        return f"{day.year}年{day.month}月{day.day}日({name[:1]})"
    return f"{name[:3]} {day.day} {language.MONTHS[day.month - 1]} {day.year}"


def why(reason: str, name: str) -> str:
    """Why nothing of a day was counted."""
    told = {
        "weekend": gettext("No working hours on this weekday"),
        "holiday": gettext("Public holiday"),
        "company_day": gettext("Day off of the company"),
        "outside": gettext("Outside the working hours"),
    }.get(reason, "")
    return gettext("%(reason)s: %(name)s", reason=told, name=name) if told and name else told or name


def hours_and_minutes(span: timedelta) -> str:
    """ "3 h 15 min"; whole minutes, rounded down."""
    total = int(span.total_seconds() // 60)
    whole, left = divmod(total, 60)
    if not whole:
        return gettext("%(minutes)s min", minutes=left)
    if not left:
        return gettext("%(hours)s h", hours=whole)
    return gettext("%(hours)s h %(minutes)s min", hours=whole, minutes=left)
