"""What a rule does: one frozen dataclass for each kind of action; from JSON and to JSON.

    {"do": "assign", "try": [{"how": "sticky", "company": true}, {"how": "team", "team_id": 3}]}
    {"do": "team", "team_id": 3}                 {"do": "add_tag", "tag_id": 5}      {"do": "remove_tag", "tag_id": 5}
    {"do": "status", "status": "closed"}         {"do": "priority", "priority": "high"}
    {"do": "deadline_policy", "policy_id": 2}    {"do": "move", "mailbox_id": 4}
    {"do": "auto_answer", "template_id": 6}
    {"do": "notify", "people": [1], "teams": [3], "owner": true}
    {"do": "webhook", "webhook_id": 7}           {"do": "spam"}

The ways of `assign` are tried in turn, the first that finds somebody (or wants nobody: pull, on_open) is taken:

    {"how": "fixed", "person_id": 1}
    {"how": "sticky", "company": false}          the customer's last owner; with company, else the company's
    {"how": "team", "team_id": 3}                as the team hands out by itself
    {"how": "round_robin" | "least_open" | "weighted", "team_id": 3, "skill": "returns", "speaks": true}
    {"how": "on_open" | "pull", "team_id": 3}

`skill` ("" for none) and `speaks` (the mail's language) leave only those members who have it.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import Literal

from routing.facts import PRIORITIES
from routing.reading import Reading
from routing.refusals import N_

MOST_WAYS = 5  # of one assignment
SKILL_LENGTH = 50  # characters
STATUSES_TO_SET = ("open", "waiting", "closed")  # snoozing needs an hour, spam is an action of its own

Spread = Literal["round_robin", "least_open", "weighted"]
SPREADS: tuple[Spread, ...] = ("round_robin", "least_open", "weighted")


@dataclass(frozen=True, slots=True)
class Fixed:
    person_id: int


@dataclass(frozen=True, slots=True)
class Sticky:
    """The last owner of this customer; with `company`, else of the customer's company."""

    company: bool = False


@dataclass(frozen=True, slots=True)
class ByTeam:
    """As the team hands out by itself (`assign.Team.way`)."""

    team_id: int


@dataclass(frozen=True, slots=True)
class Spreading:
    """Handed out among a team's members; `skill` and `speaks` leave only those who have it."""

    how: Spread
    team_id: int
    skill: str = ""
    speaks: bool = False


@dataclass(frozen=True, slots=True)
class OnOpen:
    """Nobody now; the first member who opens it gets it."""

    team_id: int


@dataclass(frozen=True, slots=True)
class Pull:
    """Nobody; a member takes it."""

    team_id: int


WAYS = ("fixed", "sticky", "team", *SPREADS, "on_open", "pull")
Way = Fixed | Sticky | ByTeam | Spreading | OnOpen | Pull


@dataclass(frozen=True, slots=True)
class Assign:
    ways: tuple[Way, ...]


@dataclass(frozen=True, slots=True)
class GiveToTeam:
    team_id: int


@dataclass(frozen=True, slots=True)
class AddTag:
    tag_id: int


@dataclass(frozen=True, slots=True)
class RemoveTag:
    tag_id: int


@dataclass(frozen=True, slots=True)
class SetStatus:
    status: str


@dataclass(frozen=True, slots=True)
class SetPriority:
    priority: str


@dataclass(frozen=True, slots=True)
class SetDeadlinePolicy:
    policy_id: int


@dataclass(frozen=True, slots=True)
class MoveToMailbox:
    mailbox_id: int


@dataclass(frozen=True, slots=True)
class AutoAnswer:
    """Answer a mail that arrived with a text, if `autoreply.may_answer` lets it leave."""

    template_id: int


@dataclass(frozen=True, slots=True)
class Notify:
    people: tuple[int, ...] = ()
    teams: tuple[int, ...] = ()
    owner: bool = False  # whoever owns it once the rules are through


@dataclass(frozen=True, slots=True)
class CallWebhook:
    webhook_id: int


@dataclass(frozen=True, slots=True)
class MarkSpam:
    pass


Action = (
    Assign
    | GiveToTeam
    | AddTag
    | RemoveTag
    | SetStatus
    | SetPriority
    | SetDeadlinePolicy
    | MoveToMailbox
    | AutoAnswer
    | Notify
    | CallWebhook
    | MarkSpam
)


def decides(action: Action) -> Hashable:
    """What the action decides. Two actions that decide the same cannot both be carried out: the first has the word.

    Owner, team, status (spam is one), priority, deadline policy, mailbox and automatic answer are decided once; so is
    each tag. A webhook is called once, the same people are told once.
    """
    match action:
        case AddTag(tag_id) | RemoveTag(tag_id):
            return "tag", tag_id
        case SetStatus() | MarkSpam():
            return "status"
        case Notify() | CallWebhook():
            return action
    return type(action)


def action_from(data: object, reading: Reading, *, field: str) -> Action | None:
    """The action that `data` describes; None, with at least one refusal noted, when it cannot be."""
    before = len(reading.refused)
    told = reading.dict(data, field)
    do = told.get("do")
    if not isinstance(do, str) or do not in _READERS:
        reading.refuse(f"{field}.do", N_("Rules know no action named %(name)s."), name=do)
        return None
    allowed, read = _READERS[do]
    reading.keys(told, field, allowed=("do", *allowed))
    action = read(told, reading, field)
    return action if len(reading.refused) == before else None


def action_json(action: Action) -> dict[str, object]:
    match action:
        case Assign(ways):
            return {"do": "assign", "try": [way_json(way) for way in ways]}
        case GiveToTeam(team_id):
            return {"do": "team", "team_id": team_id}
        case AddTag(tag_id):
            return {"do": "add_tag", "tag_id": tag_id}
        case RemoveTag(tag_id):
            return {"do": "remove_tag", "tag_id": tag_id}
        case SetStatus(status):
            return {"do": "status", "status": status}
        case SetPriority(priority):
            return {"do": "priority", "priority": priority}
        case SetDeadlinePolicy(policy_id):
            return {"do": "deadline_policy", "policy_id": policy_id}
        case MoveToMailbox(mailbox_id):
            return {"do": "move", "mailbox_id": mailbox_id}
        case AutoAnswer(template_id):
            return {"do": "auto_answer", "template_id": template_id}
        case Notify(people, teams, owner):
            return {"do": "notify", "people": list(people), "teams": list(teams), "owner": owner}
        case CallWebhook(webhook_id):
            return {"do": "webhook", "webhook_id": webhook_id}
        case MarkSpam():
            return {"do": "spam"}


def way_json(way: Way) -> dict[str, object]:
    match way:
        case Fixed(person_id):
            return {"how": "fixed", "person_id": person_id}
        case Sticky(company):
            return {"how": "sticky", "company": company}
        case ByTeam(team_id):
            return {"how": "team", "team_id": team_id}
        case Spreading(how, team_id, skill, speaks):
            return {"how": how, "team_id": team_id, "skill": skill, "speaks": speaks}
        case OnOpen(team_id):
            return {"how": "on_open", "team_id": team_id}
        case Pull(team_id):
            return {"how": "pull", "team_id": team_id}


def way_from(data: object, reading: Reading, *, field: str) -> Way | None:
    """The way of assigning that `data` describes; None or meaningless when a refusal was noted."""
    told = reading.dict(data, field)
    how = reading.one_of(told.get("how"), f"{field}.how", choices=WAYS)
    if how == "fixed":
        reading.keys(told, field, allowed=("how", "person_id"))
        return Fixed(reading.id(told.get("person_id"), f"{field}.person_id", known="people"))
    if how == "sticky":
        reading.keys(told, field, allowed=("how", "company"))
        return Sticky(reading.flag(told.get("company", False), f"{field}.company"))
    return _team_way(how, told, reading, field=field) if how else None


def _team_way(how: str, told: dict[str, object], reading: Reading, *, field: str) -> Way:
    reading.keys(told, field, allowed=("how", "team_id", "skill", "speaks") if how in SPREADS else ("how", "team_id"))
    team_id = reading.id(told.get("team_id"), f"{field}.team_id", known="teams")
    if how == "team":
        return ByTeam(team_id)
    if how == "on_open":
        return OnOpen(team_id)
    if how == "pull":
        return Pull(team_id)
    skill = told.get("skill", "")
    return Spreading(
        how,  # type: ignore[arg-type]
        team_id,
        skill=reading.text(skill, f"{field}.skill", most=SKILL_LENGTH) if skill != "" else "",
        speaks=reading.flag(told.get("speaks", False), f"{field}.speaks"),
    )


# From JSON, one reader for each kind

_Told = dict[str, object]
_Read = Callable[[_Told, Reading, str], Action]


def _assign(told: _Told, reading: Reading, field: str) -> Action:
    entries = reading.list(told.get("try"), f"{field}.try", least=1, most=MOST_WAYS)
    ways = [way_from(one, reading, field=f"{field}.try.{n}") for n, one in enumerate(entries)]
    return Assign(tuple(way for way in ways if way is not None))


def _status(told: _Told, reading: Reading, field: str) -> Action:
    return SetStatus(reading.one_of(told.get("status"), f"{field}.status", choices=STATUSES_TO_SET))


def _priority(told: _Told, reading: Reading, field: str) -> Action:
    return SetPriority(reading.one_of(told.get("priority"), f"{field}.priority", choices=PRIORITIES))


def _notify(told: _Told, reading: Reading, field: str) -> Action:
    people = _ids(told.get("people", []), reading, f"{field}.people", known="people")
    teams = _ids(told.get("teams", []), reading, f"{field}.teams", known="teams")
    owner = reading.flag(told.get("owner", False), f"{field}.owner")
    if not people and not teams and not owner:
        reading.refuse(field, N_("Nobody would be told."))
    return Notify(people, teams, owner)


def _spam(told: _Told, reading: Reading, field: str) -> Action:
    return MarkSpam()


def _ids(data: object, reading: Reading, field: str, *, known: str) -> tuple[int, ...]:
    return tuple(reading.id(one, f"{field}.{n}", known=known) for n, one in enumerate(reading.list(data, field)))


def _naming(action: Callable[[int], Action], key: str, known: str) -> tuple[tuple[str, ...], _Read]:
    """An action that names one thing by its id."""
    return (key,), lambda told, reading, field: action(reading.id(told.get(key), f"{field}.{key}", known=known))


_READERS: Mapping[str, tuple[tuple[str, ...], _Read]] = {
    "assign": (("try",), _assign),
    "team": _naming(GiveToTeam, "team_id", "teams"),
    "add_tag": _naming(AddTag, "tag_id", "tags"),
    "remove_tag": _naming(RemoveTag, "tag_id", "tags"),
    "status": (("status",), _status),
    "priority": (("priority",), _priority),
    "deadline_policy": _naming(SetDeadlinePolicy, "policy_id", "deadline_policies"),
    "move": _naming(MoveToMailbox, "mailbox_id", "mailboxes"),
    "auto_answer": _naming(AutoAnswer, "template_id", "templates"),
    "notify": (("people", "teams", "owner"), _notify),
    "webhook": _naming(CallWebhook, "webhook_id", "webhooks"),
    "spam": ((), _spam),
}
ACTIONS = tuple(_READERS)
