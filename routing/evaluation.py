"""Rules at work: facts of a mail in, what to do and why out.

- Rules are asked in order. All see the mail as it was before the first of them; what one does, another does not see
  until something happens again.
- The first has the word: what a rule decided (owner, team, status, priority, …; see `actions.decides`), no later rule
  decides otherwise. The later action is left out and its trace names the rule that came first. So "assigned by rule 4"
  stays true whatever stands below rule 4.
- After a rule with `stop` that matched no other is asked.
- At most MOST_ACTIONS actions are done to one mail, those of earlier evaluations included. The one beyond is left out,
  no further rule is asked, and `Decision.capped` says so: rules that feed each other come to rest.
- A rule that cannot run is skipped and told as failed; the others go on.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from routing.actions import Action, decides
from routing.conditions import Asked, Outcome, Ready, questions_of, ready
from routing.facts import MailFacts
from routing.refusals import N_
from routing.rules import BrokenRule, Rule
from routing.traces import LeftOut, Trace
from routing.triggers import ARRIVED, ARRIVES, Happened, sets_off

MOST_ACTIONS = 10  # of one mail in all


@dataclass(frozen=True, slots=True)
class ToDo:
    """An action with the rule that asked for it."""

    action: Action
    rule_id: int
    version: int


@dataclass(frozen=True, slots=True)
class Decision:
    """`todo` in order of carrying out; `trace` has every rule in order. `stopped_by`: the rule that stopped the rest.

    `capped`: an action was left out because of MOST_ACTIONS. Remember `len(todo)` with the mail: it is the next `done`.
    """

    todo: tuple[ToDo, ...]
    trace: tuple[Trace, ...]
    stopped_by: int | None = None
    capped: bool = False

    @property
    def failed(self) -> tuple[Trace, ...]:
        return tuple(one for one in self.trace if one.how == "failed")


@dataclass(frozen=True, slots=True)
class Compiled:
    """Rules made ready for many mails. `asks`: the fields of MailFacts that any of them asks for; others may stay
    empty."""

    rules: tuple[Rule | BrokenRule, ...]
    conditions: tuple[Ready | None, ...]  # None: every mail
    asks: frozenset[str]


def compiled(rules: Iterable[Rule | BrokenRule]) -> Compiled:
    """The rules in this order, ready to decide. Do it once for many mails; the result may be kept until a rule
    changes."""
    ordered = tuple(rules)
    conditions = tuple(
        None if isinstance(rule, BrokenRule) or rule.condition is None else ready(rule.condition) for rule in ordered
    )
    asks = {
        question.field
        for rule in ordered
        if isinstance(rule, Rule) and rule.condition is not None
        for _, question in questions_of(rule.condition)
    }
    return Compiled(ordered, conditions, frozenset(asks))


def decide(rules: Compiled, facts: MailFacts, *, happened: Happened = ARRIVED, done: int = 0) -> Decision:
    """What the rules want done with this mail. `done`: actions that rules did to it before, in other evaluations."""
    run = _Run(rules, facts, happened, done)
    return run.decision()


class _Run:
    """One evaluation: what was asked for so far."""

    def __init__(self, rules: Compiled, facts: MailFacts, happened: Happened, done: int) -> None:
        self.rules, self.facts, self.happened, self.done = rules, facts, happened, done
        self.asked = Asked(facts)
        self.todo: list[ToDo] = []
        self.decided: dict[object, int] = {}
        self.stopped_by: int | None = None
        self.capped_by: int | None = None

    def decision(self) -> Decision:
        pairs = zip(self.rules.rules, self.rules.conditions, strict=True)
        traces = tuple([self._trace(rule, condition) for rule, condition in pairs])
        return Decision(tuple(self.todo), traces, self.stopped_by, self.capped_by is not None)

    def _trace(self, rule: Rule | BrokenRule, condition: Ready | None) -> Trace:
        if not rule.enabled:
            return Trace(rule.id, rule.version, "disabled")
        if self.capped_by is not None:
            return Trace(rule.id, rule.version, "after_cap", by=self.capped_by)
        if self.stopped_by is not None:
            return Trace(rule.id, rule.version, "after_stop", by=self.stopped_by)
        if isinstance(rule, BrokenRule):
            return _failed(rule, rule.refused[0].message, rule.refused[0].params)
        if not self._is_set_off(rule):
            return Trace(rule.id, rule.version, "not_triggered")
        try:
            held, why = condition(self.asked) if condition is not None else _EVERY_MAIL
        except Exception as error:  # noqa: BLE001 (one rule's failure is told and must not keep the others from running)
            return _failed(
                rule, N_("It failed as it ran: %(error)s"), {"error": f"{type(error).__name__}: {error}"[:200]}
            )
        if not held:
            return Trace(rule.id, rule.version, "not_matched", why)
        left_out = self._take(rule)
        if rule.stop:
            self.stopped_by = rule.id
        return Trace(rule.id, rule.version, "matched", why, left_out)

    def _is_set_off(self, rule: Rule) -> bool:
        if self.happened.on == "arrived":  # most evaluations
            return ARRIVES in rule.triggers
        status, waited = self.facts.status, self.facts.minutes_waited
        return any(sets_off(one, rule.id, self.happened, status=status, minutes_waited=waited) for one in rule.triggers)

    def _take(self, rule: Rule) -> tuple[LeftOut, ...]:
        left_out: list[LeftOut] = []
        for index, action in enumerate(rule.actions):
            what = decides(action)
            if what in self.decided:
                left_out.append(LeftOut(index, "decided", self.decided[what]))
            elif self.done + len(self.todo) >= MOST_ACTIONS:
                left_out.append(LeftOut(index, "capped"))
                self.capped_by = rule.id
            else:
                self.decided[what] = rule.id
                self.todo.append(ToDo(action, rule.id, rule.version))
        return tuple(left_out)


_EVERY_MAIL: Outcome = (True, ())


def _failed(rule: Rule | BrokenRule, error: str, params: Mapping[str, object]) -> Trace:
    told = tuple((name, str(value)) for name, value in params.items())
    return Trace(rule.id, rule.version, "failed", error=error, params=told)
