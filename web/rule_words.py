"""Rules in plain sentences: what sets one off, what it asks, what it does, and what became of it with a mail."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from markupsafe import Markup

from inbox.reasons import Answered, Assigned, Considered, Names, Ruling, Why
from routing.conditions import HOWS, Reason
from routing.facts import FIELDS
from routing.refusals import Refused
from routing.traces import Trace
from web import language
from web.answer_words import occasions, why_none
from web.language import gettext, once_for_a_language

Told = Mapping[str, Any]


# -- words of single things


@once_for_a_language
def fields() -> dict[str, str]:
    """What can be asked, in the order in which the editor offers it."""
    return {
        "sender_domain": gettext("the sender’s domain"),
        "sender_address": gettext("the sender’s address"),
        "sender_name": gettext("the sender’s name"),
        "subject": gettext("the subject"),
        "words": gettext("the new words"),
        "recipient_addresses": gettext("a recipient’s address"),
        "mailbox_id": gettext("the mailbox"),
        "customer_name": gettext("the customer’s name"),
        "customer_company": gettext("the customer’s company"),
        "customer_tier": gettext("the customer’s tier"),
        "customer_phase": gettext("the customer’s phase"),
        "first_contact": gettext("this is the customer’s first mail"),
        "language": gettext("the language"),
        "attachment_names": gettext("a file’s name"),
        "attachment_types": gettext("a file’s type"),
        "attachment_count": gettext("the number of files"),
        "size": gettext("the size in bytes"),
        "kind": gettext("the kind of mail"),
        "headers": gettext("the header"),
        "in_hours": gettext("it is within working hours"),
        "local_time": gettext("the time of day"),
        "weekday": gettext("the day of the week"),
        "tags": gettext("a tag"),
        "owner_id": gettext("the owner"),
        "previous_owner_id": gettext("the previous owner"),
        "team_id": gettext("the team"),
        "status": gettext("the status"),
        "priority": gettext("the priority"),
        "minutes_waited": gettext("the working minutes without an answer"),
        "message_count": gettext("the number of messages"),
        "customer_id": gettext("the customer’s number"),
    }


@once_for_a_language
def operators() -> dict[str, str]:
    return {
        "contains": gettext("contains"),
        "equals": gettext("is exactly"),
        "starts": gettext("begins with"),
        "word": gettext("has the word"),
        "pattern": gettext("fits the pattern"),
        "empty": gettext("is empty"),
        "is": gettext("is"),
        "at_least": gettext("is at least"),
        "at_most": gettext("is at most"),
        "between": gettext("is between"),
    }


@once_for_a_language
def hows() -> dict[str, str]:
    return {
        "all": gettext("all of these hold"),
        "any": gettext("any of these holds"),
        "none": gettext("none of these holds"),
    }


@once_for_a_language
def ons() -> dict[str, str]:
    return {
        "arrived": gettext("a mail arrives"),
        "status_changed": gettext("the status changes"),
        "unanswered": gettext("nobody has answered for some time"),
        "schedule": gettext("the clock says so"),
    }


@once_for_a_language
def dos() -> dict[str, str]:
    """The actions that the editor offers, in its order."""
    return {
        "assign": gettext("give it to"),
        "team": gettext("hand it to the team"),
        "add_tag": gettext("add the tag"),
        "remove_tag": gettext("remove the tag"),
        "status": gettext("set the status to"),
        "priority": gettext("set the priority to"),
        "deadline_policy": gettext("set its deadlines by"),
        "move": gettext("move it to"),
        "notify": gettext("tell"),
        "auto_answer": gettext("answer it with the text"),
        "webhook": gettext("call the webhook"),
        "spam": gettext("mark it as spam"),
    }


@once_for_a_language
def ways() -> dict[str, str]:
    return {
        "fixed": gettext("one person"),
        "sticky": gettext("whoever last had this customer"),
        "team": gettext("a team, as it hands out by itself"),
        "round_robin": gettext("a team’s members in turn"),
        "least_open": gettext("whoever of a team has the fewest open"),
        "weighted": gettext("a team’s members by their weights"),
        "on_open": gettext("whoever of a team opens it first"),
        "pull": gettext("nobody: a team takes it by itself"),
    }


@once_for_a_language
def team_ways() -> dict[str, str]:
    return {
        "round_robin": gettext("In turn"),
        "least_open": gettext("Whoever has the fewest open"),
        "weighted": gettext("In turn, by weight"),
        "on_open": gettext("Whoever opens it first"),
        "pull": gettext("Nobody: members take it by themselves"),
    }


@once_for_a_language
def choices() -> dict[str, dict[str, str]]:
    """The values of fields with a fixed list."""
    return {
        "kind": {
            "person": gettext("a person’s mail"),
            "auto_reply": gettext("an automatic reply"),
            "bounce": gettext("an undeliverable mail"),
            "feedback_report": gettext("a complaint report"),
            "list": gettext("a mailing list"),
        },
        "status": {
            "open": gettext("Open"),
            "waiting": gettext("Waiting for the customer"),
            "snoozed": gettext("Snoozed"),
            "closed": gettext("Closed"),
            "spam": gettext("Spam"),
        },
        "priority": {
            "low": gettext("Low"),
            "normal": gettext("Normal"),
            "high": gettext("High"),
            "urgent": gettext("Urgent"),
        },
        "weekday": {
            "1": gettext("Monday"),
            "2": gettext("Tuesday"),
            "3": gettext("Wednesday"),
            "4": gettext("Thursday"),
            "5": gettext("Friday"),
            "6": gettext("Saturday"),
            "7": gettext("Sunday"),
        },
    }


# -- a rule in a sentence


def rule(body: Told, names: Names) -> str:
    """When a mail arrives and the subject contains “請求”: give it to Aoi."""
    when = _or([trigger(one) for one in _list(body.get("triggers"))])
    asked = condition(body["condition"], names) if body.get("condition") else ""  # the editor's may have no line yet
    done = gettext(", ").join(action(one, names) for one in _list(body.get("actions")))
    if body.get("stop"):
        done = gettext("%(first)s, then ask no further rule", first=done) if done else gettext("ask no further rule")
    if not asked:
        return gettext("When %(when)s: %(done)s.", when=when, done=done)
    return gettext("When %(when)s and %(asked)s: %(done)s.", when=when, asked=asked, done=done)


def trigger(one: Told) -> str:
    match one.get("on"):
        case "status_changed" if one.get("to"):
            wanted = _or([choices()["status"].get(status, status) for status in one["to"]])
            return gettext("the status changes to %(status)s", status=wanted)
        case "unanswered":
            return gettext("nobody has answered for %(minutes)s working minutes", minutes=one.get("minutes"))
        case "schedule":
            days = gettext(", ").join(choices()["weekday"].get(str(day), str(day)) for day in one.get("weekdays", ()))
            return gettext("it is %(time)s on %(days)s", time=one.get("at"), days=days)
    return ons().get(str(one.get("on")), "")


def condition(told: Told, names: Names, *, inside: bool = False) -> str:
    for how in HOWS:
        if how in told:
            parts = [condition(one, names, inside=True) for one in told[how]]
            if how == "none":
                return gettext("not (%(parts)s)", parts=gettext(", or ").join(parts))
            text = _and(parts) if how == "all" else gettext(", or ").join(parts)
            return gettext("(%(parts)s)", parts=text) if inside and len(parts) > 1 else text
    return question(told, names)


def question(told: Told, names: Names) -> str:
    """the subject contains “請求” or “invoice”"""
    field, operator, values = str(told.get("field")), str(told.get("operator")), list(told.get("values", ()))
    what = fields().get(field, field)
    if field == "headers":
        what = gettext("the header %(name)s", name=told.get("header", ""))
    kind = FIELDS[field].kind if field in FIELDS else "text"
    if kind == "flag":
        return what if values[:1] == [True] else gettext("not: %(what)s", what=what)
    shown = [value(field, one, names) for one in values]
    if operator == "empty":
        return gettext("%(what)s is empty", what=what)
    if operator == "between" and len(shown) == 2:
        return gettext("%(what)s is between %(first)s and %(last)s", what=what, first=shown[0], last=shown[1])
    told_values = _or([_quoted(one) if kind in ("text", "texts", "header") else one for one in shown])
    told_values = told_values or "…"
    return {
        "contains": gettext("%(what)s contains %(values)s", what=what, values=told_values),
        "equals": gettext("%(what)s is exactly %(values)s", what=what, values=told_values),
        "starts": gettext("%(what)s begins with %(values)s", what=what, values=told_values),
        "word": gettext("%(what)s has the word %(values)s", what=what, values=told_values),
        "pattern": gettext("%(what)s fits the pattern %(values)s", what=what, values=told_values),
        "at_least": gettext("%(what)s is at least %(values)s", what=what, values=told_values),
        "at_most": gettext("%(what)s is at most %(values)s", what=what, values=told_values),
    }.get(operator, gettext("%(what)s is %(values)s", what=what, values=told_values))


def action(one: Told, names: Names) -> str:
    match one.get("do"):
        case "assign":
            whom = gettext(", else ").join(way(each, names) for each in _list(one.get("try")))
            return gettext("give it to %(whom)s", whom=whom)
        case "team":
            return gettext("hand it to the team %(team)s", team=_name(names.teams, one.get("team_id")))
        case "add_tag":
            return gettext("add the tag “%(tag)s”", tag=one.get("tag") or _name(names.tags, one.get("tag_id")))
        case "remove_tag":
            return gettext("remove the tag “%(tag)s”", tag=one.get("tag") or _name(names.tags, one.get("tag_id")))
        case "status":
            return gettext("set the status to %(status)s", status=value("status", one.get("status"), names))
        case "priority":
            return gettext("set the priority to %(priority)s", priority=value("priority", one.get("priority"), names))
        case "deadline_policy":
            policy = _name(names.deadline_policies, one.get("policy_id"))
            return gettext("set its deadlines by “%(policy)s”", policy=policy)
        case "move":
            return gettext("move it to %(mailbox)s", mailbox=_name(names.mailboxes, one.get("mailbox_id")))
        case "auto_answer":
            return gettext("answer it with “%(name)s”", name=_name(names.answer_texts, one.get("template_id")))
        case "webhook":
            return gettext("call the webhook “%(name)s”", name=_name(names.webhooks, one.get("webhook_id")))
        case "notify":
            told = [_name(names.people, person) for person in _list(one.get("people"))]
            told += [_name(names.teams, team) for team in _list(one.get("teams"))]
            told += [gettext("the owner")] if one.get("owner") else []
            return gettext("tell %(whom)s", whom=gettext(", ").join(told) or "…")
    return dos().get(str(one.get("do")), str(one.get("do")))


def way(one: Told, names: Names) -> str:
    team = _name(names.teams, one.get("team_id"))
    match one.get("how"):
        case "fixed":
            return _name(names.people, one.get("person_id"))
        case "sticky":
            if one.get("company"):
                return gettext("whoever last had this customer or the company")
            return gettext("whoever last had this customer")
        case "team":
            return team
        case "round_robin":
            told = gettext("%(team)s in turn", team=team)
        case "least_open":
            told = gettext("whoever of %(team)s has the fewest open", team=team)
        case "weighted":
            told = gettext("%(team)s by weight", team=team)
        case "on_open":
            return gettext("whoever of %(team)s opens it first", team=team)
        case "pull":
            return gettext("nobody: %(team)s takes it by itself", team=team)
        case _:
            return ""
    if one.get("skill"):
        told = gettext("%(first)s with the skill “%(skill)s”", first=told, skill=one["skill"])
    if one.get("speaks"):
        told = gettext("%(first)s who speaks the language", first=told)
    return told


def value(field: str, one: object, names: Names) -> str:
    """A value of a condition, or what a mail had, in words."""
    if one is None or one == "":
        return gettext("nothing")
    if isinstance(one, bool):
        return gettext("yes") if one else gettext("no")
    kinds = {
        "mailbox_id": names.mailboxes,
        "tags": names.tags,
        "team_id": names.teams,
        "owner_id": names.people,
        "previous_owner_id": names.people,
    }
    if field in kinds:
        return gettext(", ").join(_name(kinds[field], int(part)) for part in str(one).split(", ") if part.isdigit())
    return choices().get(field, {}).get(str(one), str(one))


# -- what became of it


def refused(one: Refused) -> str:
    """Why something cannot be, in the reader's language."""
    return gettext(one.message, **one.params)


def failure(told: Told) -> str:
    return gettext(str(told.get("error", "")), **told.get("params", {}))


def happened(ruling: Ruling) -> str:
    return {
        "arrived": gettext("A mail arrived"),
        "status_changed": gettext("The status changed"),
        "unanswered": gettext("It waited for an answer"),
        "schedule": gettext("The clock asked the rules"),
        "handed_back": gettext("It sat untouched with somebody who is not there"),
    }.get(ruling.happened, ruling.happened)


def trace(one: Trace, number: int, why: Why) -> str:
    """What became of one rule, in a sentence."""
    name = rule_name(one, number, why)
    match one.how:
        case "matched":
            because = _because(one, why)
            if because:
                return gettext("%(rule)s matched because %(because)s.", rule=name, because=because)
            return gettext("%(rule)s takes every mail.", rule=name)
        case "not_matched":
            return gettext("%(rule)s did not match: %(because)s.", rule=name, because=_because(one, why))
        case "disabled":
            return gettext("%(rule)s was switched off.", rule=name)
        case "not_triggered":
            return gettext("%(rule)s waits for something else.", rule=name)
        case "after_stop":
            return gettext("%(rule)s was not asked: a rule before it stopped the rest.", rule=name)
        case "after_cap":
            return gettext("%(rule)s was not asked: ten actions had been done to this mail already.", rule=name)
        case "failed":
            told = failure({"error": one.error, "params": dict(one.params)})
            return gettext("%(rule)s could not run: %(error)s", rule=name, error=told)
    raise AssertionError(one.how)


def left_out(one: Trace, number: int, why: Why) -> tuple[str, ...]:
    """The actions that a rule asked for in vain."""
    body = why.said.get((one.rule_id, one.version), {})
    actions = _list(body.get("actions"))
    told = []
    for what in one.left_out:
        done = action(actions[what.index], why.names) if what.index < len(actions) else ""
        if what.why == "decided":
            told.append(gettext("Not done, an earlier rule had decided that: %(action)s", action=done))
        else:
            told.append(gettext("Not done, ten actions had been done to this mail already: %(action)s", action=done))
    return tuple(told)


def rule_name(one: Trace, number: int, why: Why) -> str:
    body = why.said.get((one.rule_id, one.version), {})
    return gettext("Rule %(number)s “%(name)s”", number=number, name=body.get("name", ""))


def assigned(ruling: Ruling, why: Why) -> str:
    """Given to Aoi by rule 4 because …"""
    found = ruling.assigned
    if found is None:
        return ""
    who = _name(why.names.people, found.owner_id) if found.owner_id is not None else ""
    team = _name(why.names.teams, found.team_id) if found.team_id is not None else ""
    by = next((n for n, one in enumerate(ruling.traces, 1) if one.rule_id == found.rule_id), 0)
    told = _given(found, who, team)
    if not by:
        return told
    one = ruling.traces[by - 1]
    because = _because(one, why)
    name = rule_name(one, by, why)
    if because:
        return gettext("%(what)s %(rule)s asked for it because %(because)s.", what=told, rule=name, because=because)
    return gettext("%(what)s %(rule)s asked for it, for every mail.", what=told, rule=name)


def answered(one: Answered) -> str:
    """What became of the answer that a rule wanted."""
    if one.reason:
        why = why_none(one.reason, one.budget)
        return gettext("No automatic answer with “%(name)s”: %(why)s.", name=one.text_name, why=why)
    if one.instead:
        own = occasions()[one.instead]
        return gettext("Answered with “%(name)s” instead of: %(answer)s.", name=one.text_name, answer=own)
    return gettext("Answered with “%(name)s”.", name=one.text_name)


def considered(one: Considered, names: Names) -> str:
    """Ben: away until Friday 9:00"""
    name = _name(names.people, one.person_id) if one.person_id is not None else gettext("Nobody")
    return gettext("%(name)s: %(why)s", name=name, why=_against(one))


def _given(found: Assigned, who: str, team: str) -> str:
    match found.reason:
        case "kept":
            return gettext("%(who)s kept it: an owner stays the owner when the customer writes again.", who=who)
        case "finished":
            return gettext("Nobody was looked for: it is closed or spam.")
        case "fixed":
            return gettext("Given to %(who)s.", who=who)
        case "sticky":
            return gettext("Given to %(who)s, who last had this customer.", who=who)
        case "sticky_company":
            return gettext("Given to %(who)s, who last had somebody of this company.", who=who)
        case "round_robin":
            return gettext("Given to %(who)s, whose turn it was in %(team)s.", who=who, team=team)
        case "least_open":
            return gettext("Given to %(who)s, who had the fewest open of %(team)s.", who=who, team=team)
        case "weighted":
            return gettext("Given to %(who)s, whose turn it was by weight in %(team)s.", who=who, team=team)
        case "on_open":
            return gettext("Whoever of %(team)s opens it first gets it.", team=team)
        case "pull":
            return gettext("It waits until somebody of %(team)s takes it.", team=team)
        case "fallback":
            return gettext("Given to %(who)s, who stands in when nobody else can.", who=who)
        case "last_resort":
            return gettext("Given to %(who)s although away, off shift or full: nobody else was left.", who=who)
    return gettext("Nobody was found who could take it.")


def _against(one: Considered) -> str:
    values = one.values
    until = _until(values.get("until"))
    return {
        "chosen": gettext("gets it"),
        "not_next": gettext("%(open)s open, was not next", open=values.get("open", 0)),
        "inactive": gettext("may not sign in"),
        "no_access": gettext("has no access to the mailbox"),
        "away": gettext("away until %(until)s", until=until) if until else gettext("away"),
        "day_off": gettext("day off until %(until)s", until=until) if until else gettext("day off"),
        "off_shift": gettext("off shift until %(until)s", until=until) if until else gettext("off shift"),
        "full": gettext("has %(open)s open, the most is %(cap)s", open=values.get("open"), cap=values.get("cap")),
        "weight_zero": gettext("has weight 0"),
        "no_skill": gettext("has not the skill “%(skill)s”", skill=values.get("skill", "")),
        "no_language": gettext("does not speak “%(language)s”", language=values.get("language", "")),
        "gone": gettext("is gone"),
        "no_owner_before": gettext("had this customer before"),
    }.get(one.why, one.why)


def _until(iso: object) -> str | Markup:
    return language.full(datetime.fromisoformat(str(iso)).astimezone(language.zone())) if iso else ""


def _because(one: Trace, why: Why) -> str:
    """The questions that decided, each with what the mail had."""
    asked = why.said.get((one.rule_id, one.version), {}).get("condition")
    if not asked:
        return ""
    return _and([_reason(reason, asked, why.names) for reason in one.why])


def _reason(reason: Reason, asked: Told, names: Names) -> str:
    told = _question_at(asked, reason.path)
    if told is None:
        return ""
    field = str(told.get("field"))
    met = dict(told) | {"values": [reason.value]} if reason.held and reason.value is not None else told
    if field in FIELDS and FIELDS[field].kind == "flag":
        return question({**told, "values": [bool(reason.found)]}, names)
    found = value(field, reason.found, names)
    if reason.held:
        if FIELDS[field].kind in ("text", "texts", "header") and reason.value is not None:
            return gettext("%(question)s (“%(found)s”)", question=question(met, names), found=found)
        return question(met, names)
    return gettext("“%(question)s” does not hold (it was: %(found)s)", question=question(told, names), found=found)


def _question_at(asked: Told, path: str) -> Told | None:
    """The question that a reason's path names: "all.0", "" for a lone one."""
    here: Any = asked
    for part in path.split(".") if path else ():
        try:
            here = here[int(part)] if isinstance(here, list) else here[part]
        except (KeyError, IndexError, ValueError):
            return None
    return here if isinstance(here, dict) and "field" in here else None


def _quoted(text: str) -> str:
    return gettext("“%(words)s”", words=text)


def _name(names: Mapping[int, str], wanted: object) -> str:
    if not isinstance(wanted, int):
        return "…"
    return names.get(wanted, f"#{wanted}")


def _list(told: object) -> Sequence[Any]:
    return told if isinstance(told, list) else []


def _and(parts: Sequence[str]) -> str:
    return gettext(" and ").join(one for one in parts if one)


def _or(parts: Sequence[str]) -> str:
    return gettext(" or ").join(one for one in parts if one)
