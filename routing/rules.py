"""A rule: when it asks, what it asks, what it does; from JSON and to JSON. How rules work together: `evaluation`.

    {"name": "請求", "triggers": [{"on": "arrived"}], "condition": {…}, "actions": [{…}, …], "stop": false, "enabled":
    true}

`condition` is null for every mail. The parts are described in `triggers`, `conditions` and `actions`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from routing.actions import Action, action_from, action_json
from routing.conditions import Condition, condition_from, condition_json
from routing.facts import Known
from routing.reading import Reading
from routing.refusals import N_, Refused
from routing.triggers import ARRIVES, Trigger, trigger_from, trigger_json

MOST_ACTIONS = 10  # of one rule
MOST_TRIGGERS = 10  # of one rule
NAME_LENGTH = 100  # characters


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """`condition` None: every mail."""

    id: int
    version: int
    name: str
    triggers: tuple[Trigger, ...]
    condition: Condition | None
    actions: tuple[Action, ...]
    stop: bool = False
    enabled: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokenRule:
    """A stored rule that cannot run: what it names is gone, or it was written by another version of the program."""

    id: int
    version: int
    name: str
    refused: tuple[Refused, ...]
    enabled: bool = True


class RuleRefused(ValueError):
    """A rule that cannot be stored. `refused`: every mistake with its field ("condition.all.0.values.1") and reason."""

    def __init__(self, refused: Iterable[Refused]) -> None:
        self.refused = tuple(refused)
        super().__init__("; ".join(str(one) for one in self.refused))


def rule_from(data: object, *, id: int, version: int, known: Known | None = None) -> Rule:
    """The rule that `data` describes. Raises RuleRefused; with `known`, also for ids that do not exist."""
    reading = Reading(known)
    told = reading.dict(data, "rule")
    reading.keys(told, "rule", allowed=("name", "triggers", "condition", "actions", "stop", "enabled"))
    triggers = reading.list(told.get("triggers"), "triggers", least=1, most=MOST_TRIGGERS)
    actions = reading.list(told.get("actions", []), "actions", most=MOST_ACTIONS)
    condition = told.get("condition")
    rule = Rule(
        id=id,
        version=version,
        name=reading.text(told.get("name"), "name", most=NAME_LENGTH),
        triggers=tuple(
            trigger
            for n, one in enumerate(triggers)
            if (trigger := trigger_from(one, reading, field=f"triggers.{n}")) is not None
        ),
        condition=None if condition is None else condition_from(condition, reading),
        actions=tuple(
            action
            for n, one in enumerate(actions)
            if (action := action_from(one, reading, field=f"actions.{n}")) is not None
        ),
        stop=reading.flag(told.get("stop", False), "stop"),
        enabled=reading.flag(told.get("enabled", True), "enabled"),
    )
    if told.get("actions", []) == [] and not rule.stop:
        reading.refuse("actions", N_("This rule would do nothing."))
    if any(one != ARRIVES for one in rule.triggers):
        _refuse_answers(actions, reading)
    if reading.refused:
        raise RuleRefused(reading.refused)
    return rule


def _refuse_answers(actions: Iterable[object], reading: Reading) -> None:
    """An answer needs a mail that nobody has answered yet; by the clock there may be none."""
    for n, one in enumerate(actions):
        if isinstance(one, dict) and one.get("do") == "auto_answer":
            reading.refuse(
                f"actions.{n}.do",
                N_("Only a mail that arrives is answered automatically. Give other occasions a rule of their own."),
            )


def stored_rule(data: object, *, id: int, version: int, known: Known | None = None) -> Rule | BrokenRule:
    """Like `rule_from` for what is stored already: a rule that cannot run is a BrokenRule and raises nothing."""
    try:
        return rule_from(data, id=id, version=version, known=known)
    except RuleRefused as error:
        told: Mapping[str, object] = data if isinstance(data, dict) else {}
        name, enabled = str(told.get("name", ""))[:NAME_LENGTH], told.get("enabled") is not False
        return BrokenRule(id=id, version=version, name=name, refused=error.refused, enabled=enabled)


def rule_json(rule: Rule) -> dict[str, object]:
    """All of the rule but its id and version, which the table keeps."""
    return {
        "name": rule.name,
        "triggers": [trigger_json(one) for one in rule.triggers],
        "condition": None if rule.condition is None else condition_json(rule.condition),
        "actions": [action_json(one) for one in rule.actions],
        "stop": rule.stop,
        "enabled": rule.enabled,
    }
