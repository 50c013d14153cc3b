"""A rule's condition: questions in groups of all, any and none, nested; from JSON, to JSON, and made ready to run.

    {"all": [
        {"field": "subject", "operator": "contains", "values": ["請求", "invoice"]},
        {"none": [{"field": "customer_tier", "operator": "equals", "values": ["VIP"]}]},
        {"field": "headers", "header": "X-Form", "operator": "empty", "values": []}]}

A question holds when one of its values does; a field with several texts (recipients, attachments) when one of them
does. `between` takes two times, the first included, the second not; 22:00 to 06:00 goes over midnight. What is not
known (no local time, no minutes waited) holds nothing but `empty`. How each field may be asked: `facts.FIELDS`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import time
from typing import Literal, NamedTuple

from routing.facts import FIELDS, Field, MailFacts
from routing.reading import Reading
from routing.refusals import N_
from routing.words import BadPattern, Operator, Words, check_pattern, comparison

MOST_QUESTIONS = 100  # of one condition
MOST_DEPTH = 6  # groups inside groups
MOST_VALUES = 50  # of one question
VALUE_LENGTH = 500  # characters
FOUND_LENGTH = 80  # characters of a mail's text that a reason repeats

Value = str | int | bool
Found = str | int | bool | None
How = Literal["all", "any", "none"]
HOWS: tuple[How, ...] = ("all", "any", "none")


@dataclass(frozen=True, slots=True)
class Question:
    """One question to one field. `header` is the header's name when `field` is "headers", else ""."""

    field: str
    operator: str
    values: tuple[Value, ...] = ()
    header: str = ""


@dataclass(frozen=True, slots=True)
class Group:
    """all: every part holds; any: at least one does; none: no part does. Never empty."""

    how: How
    parts: tuple[Condition, ...]


Condition = Question | Group


class Reason(NamedTuple):
    """One question that decided. `path` finds it by `question_at`: "all.0", "all.1.none.0", "" for a lone question.

    `held`: whether it held (inside a none group, a question that held is why the group did not). `value` is the first
    of its values that did, None when none. `found` is what the mail had: the beginning of a text, a number, an id, yes
    or no, a time as "09:30"; of several the one that was met, else all in one text.
    """

    path: str
    held: bool
    found: Found
    value: Value | None


Outcome = tuple[bool, tuple[Reason, ...]]
Ready = Callable[["Asked"], Outcome]


class Asked:
    """The facts of one mail while rules ask for them; each text is folded once, however many rules look at it."""

    __slots__ = ("_texts", "facts")

    def __init__(self, facts: MailFacts) -> None:
        self.facts = facts
        self._texts: dict[tuple[str, str], tuple[tuple[Words, ...], str]] = {}

    def texts(self, which: tuple[str, str]) -> tuple[tuple[Words, ...], str]:
        """The texts of a field, or of a header ("headers" and its name in lower case), and how a reason shows them."""
        found = self._texts.get(which)
        if found is None:
            texts = self._raw(*which)
            shown = ", ".join([text[:FOUND_LENGTH] for text in texts[:5]])[:FOUND_LENGTH]
            found = self._texts[which] = tuple([Words(text) for text in texts]), shown
        return found

    def _raw(self, field: str, header: str) -> tuple[str, ...]:
        if header:
            return tuple(value for name, value in self.facts.headers if name.lower() == header)
        value = getattr(self.facts, field)
        return (value,) if isinstance(value, str) else value


def condition_from(data: object, reading: Reading, *, field: str = "condition") -> Condition | None:
    """The condition that `data` describes; None, with at least one refusal noted, when it cannot be."""
    before = len(reading.refused)
    condition = _part_from(data, reading, field, depth=0)
    if condition is not None and sum(1 for _ in questions_of(condition)) > MOST_QUESTIONS:
        reading.refuse(field, N_("A rule has at most %(most)d conditions."), most=MOST_QUESTIONS)
    return condition if len(reading.refused) == before else None


def condition_json(condition: Condition) -> dict[str, object]:
    if isinstance(condition, Group):
        return {condition.how: [condition_json(part) for part in condition.parts]}
    header = {"header": condition.header} if condition.header else {}
    return {"field": condition.field, **header, "operator": condition.operator, "values": list(condition.values)}


def questions_of(condition: Condition, path: str = "") -> Iterator[tuple[str, Question]]:
    """Every question with its path, in order."""
    if isinstance(condition, Question):
        yield path, condition
        return
    for number, part in enumerate(condition.parts):
        yield from questions_of(part, _inside(path, condition.how, number))


def question_at(condition: Condition, path: str) -> Question:
    """The question that a reason speaks of. Raises KeyError when there is none (another version of the rule)."""
    for found, question in questions_of(condition):
        if found == path:
            return question
    raise KeyError(path)


def ready(condition: Condition, path: str = "") -> Ready:
    """The condition as a function of what is asked; texts and patterns of its questions are prepared once.

    The reasons of a group are the least that explain it: of all the first question that failed, or every one; of any
    the first that held, or every one; of none the first that held, or every one. Raises BadPattern.
    """
    if isinstance(condition, Question):
        return _asking(condition, path)
    parts = [ready(part, _inside(path, condition.how, number)) for number, part in enumerate(condition.parts)]
    ends_with = condition.how != "all"  # the outcome of a part after which no other part matters
    outcome_then = condition.how == "any"

    def holds(asked: Asked) -> Outcome:
        reasons: tuple[Reason, ...] = ()
        for part in parts:
            held, why = part(asked)
            if held == ends_with:
                return outcome_then, why
            reasons += why
        return not outcome_then, reasons

    return holds


def _inside(path: str, how: How, number: int) -> str:
    return f"{path}.{how}.{number}" if path else f"{how}.{number}"


# From JSON


def _part_from(data: object, reading: Reading, field: str, *, depth: int) -> Condition | None:
    told = reading.dict(data, field)
    hows = [how for how in HOWS if how in told]
    if not hows:
        return _question_from(told, reading, field) if told else None
    how = hows[0]
    reading.keys(told, field, allowed=(how,))
    if depth >= MOST_DEPTH:
        reading.refuse(field, N_("Groups stand at most %(most)d deep."), most=MOST_DEPTH)
        return None
    inside = f"{field}.{how}"
    if told[how] == []:
        reading.refuse(inside, N_("This group is empty."))
    entries = reading.list(told[how], inside, most=MOST_QUESTIONS) if told[how] != [] else []
    parts = [_part_from(one, reading, f"{inside}.{n}", depth=depth + 1) for n, one in enumerate(entries)]
    return Group(how, tuple(part for part in parts if part is not None))


def _question_from(told: dict[str, object], reading: Reading, field: str) -> Question | None:
    reading.keys(told, field, allowed=("field", "operator", "values", "header"))
    name = told.get("field")
    if not isinstance(name, str) or name not in FIELDS:
        reading.refuse(f"{field}.field", N_("Rules know no field named %(name)s."), name=name)
        return None
    asks = FIELDS[name]
    operator = told.get("operator")
    if not isinstance(operator, str) or operator not in asks.operators:
        reading.refuse(f"{field}.operator", N_("%(name)s cannot be compared so."), name=name)
        return None
    header = reading.text(told.get("header"), f"{field}.header", most=100) if asks.kind == "header" else ""
    if asks.kind != "header" and "header" in told:
        reading.refuse(f"{field}.header", N_("This is not known here."))
    values = _values(told.get("values", []), reading, f"{field}.values", (asks, operator))
    return Question(name, operator, values, header)


_HOW_MANY = {"empty": (0, 0), "between": (2, 2), "at_least": (1, 1), "at_most": (1, 1), "flag": (1, 1)}


def _values(data: object, reading: Reading, field: str, how: tuple[Field, str]) -> tuple[Value, ...]:
    asks, operator = how
    least, most = _HOW_MANY.get("flag" if asks.kind == "flag" else operator, (1, MOST_VALUES))
    entries = reading.list(data, field, least=least, most=most)
    values = tuple(_value(one, reading, f"{field}.{n}", how) for n, one in enumerate(entries))
    if operator == "between" and len(values) == 2 and values[0] == values[1]:
        reading.refuse(field, N_("The two times are the same."))
    return values


def _value(data: object, reading: Reading, field: str, how: tuple[Field, str]) -> Value:
    asks, operator = how
    match asks.kind:
        case "choice":
            return reading.one_of(data, field, choices=asks.choices)
        case "id" | "ids":
            return reading.id(data, field, known=asks.known)
        case "number":
            return reading.number(data, field, least=0)
        case "flag":
            return reading.flag(data, field)
        case "weekday":
            return reading.number(data, field, least=1, most=7)
        case "time":
            return reading.time(data, field).strftime("%H:%M")
    text = reading.text(data, field, most=VALUE_LENGTH)
    if operator == "pattern" and text:
        try:
            check_pattern(text)
        except BadPattern as bad:
            reading.refuse(field, bad.message, **bad.params)
    return text


# Made ready


def _asking(question: Question, path: str) -> Ready:
    kind = FIELDS[question.field].kind
    if kind in ("text", "texts", "header"):
        return _empty_text(question, path) if question.operator == "empty" else _text(question, path)
    if question.operator == "empty":
        return _plain(question, path, lambda value: not value)
    values = frozenset(question.values)
    match question.operator:
        case "at_least":
            least = question.values[0]
            return _plain(question, path, lambda value: value is not None and value >= least)
        case "at_most":
            most = question.values[0]
            return _plain(question, path, lambda value: value is not None and value <= most)
        case "between":
            first, last = (time.fromisoformat(str(value)) for value in question.values)
            return _plain(question, path, lambda value: value is not None and _between(value, first, last))
    if kind == "ids":
        return _plain(question, path, lambda value: not values.isdisjoint(value))
    return _plain(question, path, lambda value: value in values)


def _text(question: Question, path: str) -> Ready:
    which, values = (question.field, question.header.lower()), question.values
    first_of = comparison(_operator(question), [str(value) for value in values])

    def holds(asked: Asked) -> Outcome:
        texts, shown = asked.texts(which)
        for text in texts:
            met = first_of(text)
            if met is not None:
                return True, (Reason(path, True, text.raw[:FOUND_LENGTH], values[met]),)
        return False, (Reason(path, False, shown, None),)

    return holds


def _empty_text(question: Question, path: str) -> Ready:
    which = (question.field, question.header.lower())

    def holds(asked: Asked) -> Outcome:
        texts, shown = asked.texts(which)
        held = not any(text.raw.strip() for text in texts)
        return held, (Reason(path, held, shown, None),)

    return holds


def _plain(question: Question, path: str, holds_for: Callable[[object], bool]) -> Ready:
    field, values = question.field, question.values

    def holds(asked: Asked) -> Outcome:
        value = getattr(asked.facts, field)
        held = holds_for(value)
        met = next((one for one in values if _is_met(one, value)), None) if held else None
        return held, (Reason(path, held, _told(value), met),)

    return holds


def _is_met(one: Value, value: object) -> bool:
    return one in value if isinstance(value, frozenset) else one == value


def _between(value: time, first: time, last: time) -> bool:
    return first <= value < last if first < last else value >= first or value < last


def _told(value: object) -> Found:
    if isinstance(value, frozenset):
        return ", ".join(str(one) for one in sorted(value))[:FOUND_LENGTH]
    if isinstance(value, time):
        return value.strftime("%H:%M")
    return value  # type: ignore[return-value]


def _operator(question: Question) -> Operator:
    return question.operator  # type: ignore[return-value]
