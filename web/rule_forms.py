"""The rule editor's form: what was typed as a rule's JSON and back, lines added, removed and moved without JavaScript.

A field is named by its place: `condition.1.0.operator` belongs to the first line of the group that is the second line
of the condition. A group is what has `….how`. Mistakes come back with the same names (`at`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from werkzeug.datastructures import MultiDict

from routing.actions import SPREADS
from routing.conditions import HOWS
from routing.facts import FIELDS
from routing.refusals import Refused

Typed = dict[str, Any]
MOST_LINES = 120
LISTS = ("values", "to", "weekdays", "people", "teams")
EMPTY: Typed = {
    "name": "",
    "triggers": [{"on": "arrived"}],
    "condition": {"all": [{"field": "subject", "operator": "contains", "values": []}]},
    "actions": [{"do": "assign", "try": [{"how": "team", "team_id": None}]}],
    "stop": False,
}
_NUMBER = re.compile(r"[0-9]{1,15}", re.ASCII)


def of_rule(body: Mapping[str, Any]) -> Typed:
    """A stored rule as the form shows it: the condition is a group."""
    condition = body.get("condition")
    if condition is None:
        condition = {"all": []}
    elif "field" in condition:
        condition = {"all": [condition]}
    return {**body, "condition": condition}


def read(form: MultiDict[str, str]) -> Typed:
    """What was typed, as JSON that may be wrong."""
    return {
        "name": form.get("name", "").strip()[:200],
        "triggers": [_trigger(form, f"triggers.{n}") for n in _places(form, "triggers")],
        "condition": _part(form, "condition", depth=0),
        "actions": [_action(form, f"actions.{n}") for n in _places(form, "actions")],
        "stop": "stop" in form,
    }


def as_rule(typed: Typed) -> Typed:
    """For storing: no condition where there is no line."""
    condition = typed["condition"]
    is_empty = any(condition.get(how) == [] for how in HOWS)
    return {**typed, "condition": None if is_empty else condition}


def changed(typed: Typed, wanted: str) -> Typed:
    """The form after a button: "add:condition.0", "group:condition", "remove:actions.1", "up:…", "down:…"; anything
    else changes nothing."""
    do, _, place = wanted.partition(":")
    if do in ("add", "group"):
        lines = _lines(typed, place)
        if lines is not None and len(lines) < MOST_LINES:
            lines.append(_new(place, group=do == "group"))
    elif do in ("remove", "up", "down"):
        above, _, last = place.rpartition(".")
        lines = _lines(typed, above)
        number = int(last) if _NUMBER.fullmatch(last) else -1
        if lines is not None and 0 <= number < len(lines):
            line = lines.pop(number)
            if do != "remove":
                lines.insert(max(0, number + (-1 if do == "up" else 1)), line)
    return typed


def at(refused: Iterable[Refused]) -> dict[str, Refused]:
    """The first mistake of each field of the form."""
    found: dict[str, Refused] = {}
    for one in refused:
        found.setdefault(_place(one.field), one)
    return found


def kind_of(field: str) -> str:
    return FIELDS[field].kind if field in FIELDS else "text"


# -- reading


def _trigger(form: MultiDict[str, str], at: str) -> Typed:
    on = form.get(f"{at}.on", "arrived")
    if on == "status_changed":
        return {"on": on, "to": form.getlist(f"{at}.to")}
    if on == "unanswered":
        return {"on": on, "minutes": _number(form.get(f"{at}.minutes", ""))}
    if on == "schedule":
        days = [_number(day) for day in form.getlist(f"{at}.weekdays")]
        return {"on": on, "weekdays": days, "at": form.get(f"{at}.at", "")}
    return {"on": on}


def _part(form: MultiDict[str, str], at: str, *, depth: int) -> Typed:
    if depth and f"{at}.how" not in form:
        return _question(form, at)
    how = form.get(f"{at}.how", "all")
    parts = [_part(form, f"{at}.{n}", depth=depth + 1) for n in _places(form, at)] if depth < 8 else []
    return {how if how in HOWS else "all": parts}


def _question(form: MultiDict[str, str], at: str) -> Typed:
    """When another kind of field was chosen than the line was drawn for, its values no longer fit."""
    field = form.get(f"{at}.field", "subject")
    kind = kind_of(field)
    fits = kind_of(form.get(f"{at}.was", field)) == kind
    operators = FIELDS[field].operators if field in FIELDS else ("contains",)
    operator = form.get(f"{at}.operator", operators[0])
    if operator not in operators:
        operator = operators[0]
    values = list(_values(form, f"{at}.values", kind)) if fits else []
    if operator == "empty":
        values = []
    told: Typed = {"field": field, "operator": operator, "values": values}
    if kind == "header":
        told["header"] = form.get(f"{at}.header", "").strip()
    return told


def _values(form: MultiDict[str, str], at: str, kind: str) -> Iterator[object]:
    for typed in form.getlist(at)[:100]:
        if kind in ("text", "texts", "header"):
            yield from (line.strip() for line in typed.splitlines() if line.strip())
        elif kind == "flag":
            yield typed == "1"
        elif kind in ("id", "ids", "number", "weekday"):
            if typed.strip():
                yield _number(typed)
        elif typed.strip():
            yield typed


def _action(form: MultiDict[str, str], at: str) -> Typed:
    do = form.get(f"{at}.do", "assign")
    match do:
        case "assign":
            ways = [_way(form, f"{at}.try.{n}") for n in _places(form, f"{at}.try")]
            return {"do": do, "try": ways or [{"how": "team", "team_id": None}]}
        case "team":
            return {"do": do, "team_id": _id(form, f"{at}.team_id")}
        case "add_tag" | "remove_tag":
            return {"do": do, "tag": " ".join(form.get(f"{at}.tag_id", "").split())[:50]}
        case "status":
            return {"do": do, "status": form.get(f"{at}.status", "")}
        case "priority":
            return {"do": do, "priority": form.get(f"{at}.priority", "")}
        case "notify":
            people, teams = (
                [_number(one) for one in form.getlist(f"{at}.{whom}")[:100]] for whom in ("people", "teams")
            )
            return {"do": do, "people": people, "teams": teams, "owner": f"{at}.owner" in form}
        case "deadline_policy":
            return {"do": do, "policy_id": _id(form, f"{at}.policy_id")}
        case "move":
            return {"do": do, "mailbox_id": _id(form, f"{at}.mailbox_id")}
        case "auto_answer":
            return {"do": do, "template_id": _id(form, f"{at}.template_id")}
        case "webhook":
            return {"do": do, "webhook_id": _id(form, f"{at}.webhook_id")}
    return {"do": do}


def _way(form: MultiDict[str, str], at: str) -> Typed:
    how = form.get(f"{at}.how", "team")
    if how == "fixed":
        return {"how": how, "person_id": _id(form, f"{at}.person_id")}
    if how == "sticky":
        return {"how": how, "company": f"{at}.company" in form}
    told: Typed = {"how": how, "team_id": _id(form, f"{at}.team_id")}
    if how in SPREADS:
        told |= {"skill": " ".join(form.get(f"{at}.skill", "").split()), "speaks": f"{at}.speaks" in form}
    return told


def _places(form: MultiDict[str, str], under: str) -> list[int]:
    """The numbers of the lines there."""
    start = f"{under}."
    found = {key[len(start) :].partition(".")[0] for key in form if key.startswith(start)}
    return sorted(int(one) for one in found if _NUMBER.fullmatch(one))[:MOST_LINES]


def _id(form: MultiDict[str, str], at: str) -> int | None:
    typed = form.get(at, "")
    return int(typed) if _NUMBER.fullmatch(typed) else None


def _number(typed: str) -> int | str:
    """A whole number; anything else stays as it was typed and is refused at its field."""
    clean = typed.strip()
    return int(clean) if _NUMBER.fullmatch(clean) else clean


# -- lines


def _lines(typed: Typed, place: str) -> list[Any] | None:
    """The list in which the lines of that place stand."""
    first, *rest = place.split(".")
    if first == "triggers" and not rest:
        found: list[Any] = typed["triggers"]
        return found
    if first == "actions":
        actions: list[Any] = typed["actions"]
        if not rest:
            return actions
        number = int(rest[0]) if _NUMBER.fullmatch(rest[0]) else -1
        if len(rest) == 2 and rest[1] == "try" and 0 <= number < len(actions):
            return actions[number].get("try")  # type: ignore[no-any-return]
        return None
    if first != "condition":
        return None
    here: Any = typed["condition"]
    for part in rest:
        inside = _inside(here)
        if inside is None or not _NUMBER.fullmatch(part) or int(part) >= len(inside):
            return None
        here = inside[int(part)]
    return _inside(here)


def _inside(part: Any) -> list[Any] | None:
    return next((part[how] for how in HOWS if how in part), None)


def _new(place: str, *, group: bool) -> Typed:
    if place == "triggers":
        return {"on": "arrived"}
    if place == "actions":
        return {"do": "add_tag", "tag": ""}
    if place.startswith("actions."):
        return {"how": "fixed", "person_id": None}
    question: Typed = {"field": "subject", "operator": "contains", "values": []}
    return {"any": [question]} if group else question


def _place(field: str) -> str:
    """ "condition.all.0.values.1" stands in the form as "condition.0.values"."""
    parts = field.split(".")
    if parts[0] == "condition":
        parts = [part for part in parts if part not in HOWS]
    for number, part in enumerate(parts):
        if part in LISTS:
            return ".".join(parts[: number + 1])
    return ".".join(parts)
