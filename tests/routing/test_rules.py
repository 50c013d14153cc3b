"""Rules as JSON: round trip, and every mistake told at its field."""

from __future__ import annotations

import json
from datetime import UTC, datetime, time
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing.actions import (
    PRIORITIES,
    SPREADS,
    STATUSES_TO_SET,
    AddTag,
    Assign,
    AutoAnswer,
    ByTeam,
    CallWebhook,
    Fixed,
    GiveToTeam,
    MarkSpam,
    MoveToMailbox,
    Notify,
    OnOpen,
    Pull,
    RemoveTag,
    SetDeadlinePolicy,
    SetPriority,
    SetStatus,
    Spreading,
    Sticky,
)
from routing.conditions import HOWS, MOST_DEPTH, MOST_QUESTIONS, Group, Question
from routing.facts import FIELDS, STATUSES, Known
from routing.rules import BrokenRule, Rule, RuleRefused, rule_from, rule_json, stored_rule
from routing.triggers import Arrived, Schedule, StatusChanged, Unanswered, last_due

EVERYTHING = Known(
    people=frozenset({1, 2}),
    teams=frozenset({3}),
    tags=frozenset({5}),
    mailboxes=frozenset({4}),
    templates=frozenset({6}),
    deadline_policies=frozenset({8}),
    webhooks=frozenset({7}),
)

ids = st.integers(1, 10_000)
some_text = st.text(min_size=1, max_size=20).filter(lambda text: bool(text.strip()))
times = st.times().map(lambda at: at.replace(second=0, microsecond=0, fold=0))


@st.composite
def questions(draw: st.DrawFn) -> Question:
    name = draw(st.sampled_from(sorted(FIELDS)))
    asks = FIELDS[name]
    operator = draw(st.sampled_from(asks.operators))
    header = draw(some_text) if asks.kind == "header" else ""
    one = {
        "choice": st.sampled_from(asks.choices or ("",)),
        "id": ids,
        "ids": ids,
        "number": st.integers(0, 10**9),
        "flag": st.booleans(),
        "weekday": st.integers(1, 7),
        "time": times.map(lambda at: at.strftime("%H:%M")),
    }.get(asks.kind, st.sampled_from(["請求", "VIP", "a.b", "^[ァ-ン]+$"]))
    least, most = (0, 0) if operator == "empty" else (2, 2) if operator == "between" else (1, 4)
    if asks.kind == "flag" or operator in ("at_least", "at_most"):
        most = 1
    return Question(name, operator, tuple(draw(st.lists(one, min_size=least, max_size=most, unique=True))), header)


conditions = st.recursive(
    questions(),
    lambda parts: st.builds(Group, st.sampled_from(HOWS), st.lists(parts, min_size=1, max_size=3).map(tuple)),
    max_leaves=8,
)
ways = st.one_of(
    st.builds(Fixed, ids),
    st.builds(Sticky, st.booleans()),
    st.builds(ByTeam, ids),
    st.builds(Spreading, st.sampled_from(SPREADS), ids, st.just("") | some_text, st.booleans()),
    st.builds(OnOpen, ids),
    st.builds(Pull, ids),
)
some_ids = st.lists(ids, max_size=3).map(tuple)
actions = st.one_of(
    st.builds(Assign, st.lists(ways, min_size=1, max_size=3).map(tuple)),
    *(
        st.builds(one, ids)
        for one in (GiveToTeam, AddTag, RemoveTag, SetDeadlinePolicy, MoveToMailbox, AutoAnswer, CallWebhook)
    ),
    st.builds(SetStatus, st.sampled_from(STATUSES_TO_SET)),
    st.builds(SetPriority, st.sampled_from(PRIORITIES)),
    st.builds(Notify, some_ids, some_ids, st.just(True)),
    st.builds(Notify, some_ids.filter(bool), some_ids, st.booleans()),
    st.just(MarkSpam()),
)
schedules = st.builds(Schedule, st.sets(st.integers(1, 7), min_size=1).map(lambda days: tuple(sorted(days))), times)
triggers = st.one_of(
    st.just(Arrived()),
    st.builds(StatusChanged, st.lists(st.sampled_from(STATUSES), max_size=3).map(tuple)),
    st.builds(Unanswered, st.integers(1, 10_000)),
    schedules,
)
rules = st.builds(
    Rule,
    id=ids,
    version=ids,
    name=some_text,
    triggers=st.lists(triggers, min_size=1, max_size=3).map(tuple),
    condition=st.none() | conditions,
    actions=st.lists(actions, min_size=1, max_size=4).map(tuple),
    stop=st.booleans(),
    enabled=st.booleans(),
).filter(lambda rule: set(rule.triggers) <= {Arrived()} or not any(isinstance(one, AutoAnswer) for one in rule.actions))


@given(rules)
def test_a_rule_comes_back_from_its_json_as_it_was(rule: Rule) -> None:
    stored = json.loads(json.dumps(rule_json(rule)))
    assert rule_from(stored, id=rule.id, version=rule.version) == rule


def a_rule(**parts: object) -> dict[str, object]:
    return {"name": "請求", "triggers": [{"on": "arrived"}], "condition": None, "actions": [{"do": "spam"}]} | parts


def asking(field: str, operator: str, *values: object, **more: object) -> dict[str, object]:
    return {"field": field, "operator": operator, "values": list(values)} | more


def deep(levels: int) -> dict[str, object]:
    return {"any": [deep(levels - 1)]} if levels else asking("subject", "empty")


def test_a_good_rule_is_taken() -> None:
    condition = {
        "all": [
            asking("subject", "contains", "請求", "invoice"),
            {"none": [asking("tags", "is", 5), asking("in_hours", "is", True)]},
            asking("headers", "equals", "yes", header="X-Form"),
            asking("local_time", "between", "22:00", "06:00"),
        ]
    }
    rule = rule_from(a_rule(condition=condition), id=9, version=2, known=EVERYTHING)
    assert (rule.id, rule.version, rule.name) == (9, 2, "請求")
    assert rule.triggers == (Arrived(),)
    assert rule.enabled
    assert not rule.stop


@pytest.mark.parametrize(
    ("parts", "field", "reason"),
    [
        ({"name": " "}, "name", "text is missing"),
        ({"name": "x" * 101}, "name", "At most 100"),
        ({"color": "red"}, "rule.color", "not known here"),
        ({"triggers": []}, "triggers", "At least one"),
        ({"triggers": [{"on": "tuesday"}]}, "triggers.0.on", "Choose one of"),
        ({"triggers": [{"on": "unanswered", "minutes": 0}]}, "triggers.0.minutes", "whole number from 1"),
        ({"triggers": [{"on": "schedule", "weekdays": [], "at": "09:00"}]}, "triggers.0.weekdays", "At least one"),
        ({"triggers": [{"on": "schedule", "weekdays": [8], "at": "09:00"}]}, "triggers.0.weekdays.0", "from 1 to 7"),
        ({"triggers": [{"on": "schedule", "weekdays": [1], "at": "25:00"}]}, "triggers.0.at", "time like"),
        ({"triggers": [{"on": "status_changed", "to": ["done"]}]}, "triggers.0.to.0", "Choose one of"),
        ({"condition": []}, "condition", "set of named values"),
        ({"condition": {"all": []}}, "condition.all", "group is empty"),
        ({"condition": {"all": [{"any": []}]}}, "condition.all.0.any", "group is empty"),
        ({"condition": {"all": {}}}, "condition.all", "entries are needed"),
        ({"condition": {"all": [asking("subject", "empty")], "any": []}}, "condition.any", "not known here"),
        ({"condition": deep(MOST_DEPTH + 1)}, "condition" + ".any.0" * MOST_DEPTH, "at most 6 deep"),
        (
            {
                "condition": {
                    "any": [{"any": [asking("subject", "empty")] * 60}, {"any": [asking("words", "empty")] * 60}]
                }
            },
            "condition",
            f"at most {MOST_QUESTIONS} conditions",
        ),
        ({"condition": asking("colour", "is", 1)}, "condition.field", "no field named colour"),
        ({"condition": asking("subject", "is", "x")}, "condition.operator", "cannot be compared"),
        ({"condition": asking("size", "contains", "x")}, "condition.operator", "cannot be compared"),
        ({"condition": asking("subject", "contains")}, "condition.values", "At least one"),
        ({"condition": asking("subject", "contains", "a", " ")}, "condition.values.1", "text is missing"),
        ({"condition": asking("subject", "contains", 5)}, "condition.values.0", "text is missing"),
        ({"condition": asking("subject", "pattern", "a", "(")}, "condition.values.1", "cannot run: missing"),
        ({"condition": asking("headers", "equals", "x")}, "condition.header", "text is missing"),
        ({"condition": asking("subject", "equals", "x", header="Y")}, "condition.header", "not known here"),
        ({"condition": asking("size", "at_least", -1)}, "condition.values.0", "whole number from 0"),
        ({"condition": asking("size", "at_least", 10**12)}, "condition.values.0", "whole number from 0"),
        ({"condition": asking("size", "at_least", True)}, "condition.values.0", "whole number from 0"),
        ({"condition": asking("size", "at_least", 1, 2)}, "condition.values", "From 1 to 1"),
        ({"condition": asking("weekday", "is", 0)}, "condition.values.0", "from 1 to 7"),
        ({"condition": asking("in_hours", "is", "yes")}, "condition.values.0", "Yes or no"),
        ({"condition": asking("local_time", "between", "9:00", "18:00")}, "condition.values.0", "time like"),
        ({"condition": asking("local_time", "between", "09:00", "09:00")}, "condition.values", "the same"),
        ({"condition": asking("kind", "is", "robot")}, "condition.values.0", "Choose one of"),
        ({"condition": {"none": [asking("tags", "is", 5, 99)]}}, "condition.none.0.values.1", "tag with number 99"),
        ({"condition": asking("previous_owner_id", "is", 77)}, "condition.values.0", "person with number 77"),
        ({"condition": asking("mailbox_id", "is", 77)}, "condition.values.0", "mailbox with number 77"),
        ({"condition": asking("team_id", "is", 77)}, "condition.values.0", "team with number 77"),
        ({"actions": []}, "actions", "would do nothing"),
        ({"actions": [{"do": "spam"}] * 11}, "actions", "From 0 to 10"),
        ({"actions": [{"do": "dance"}]}, "actions.0.do", "no action named dance"),
        ({"actions": [{"do": "spam"}, {"do": "team", "team_id": 9}]}, "actions.1.team_id", "team with number 9"),
        ({"actions": [{"do": "add_tag", "tag_id": "5"}]}, "actions.0.tag_id", "Choose one."),
        ({"actions": [{"do": "add_tag", "tag_id": 5, "colour": 1}]}, "actions.0.colour", "not known here"),
        ({"actions": [{"do": "status", "status": "snoozed"}]}, "actions.0.status", "Choose one of"),
        ({"actions": [{"do": "priority", "priority": 1}]}, "actions.0.priority", "Choose one of"),
        ({"actions": [{"do": "auto_answer", "template_id": 9}]}, "actions.0.template_id", "text with number 9"),
        (
            {
                "triggers": [{"on": "arrived"}, {"on": "status_changed"}],
                "actions": [{"do": "spam"}, {"do": "auto_answer", "template_id": 6}],
            },
            "actions.1.do",
            "Only a mail that arrives",
        ),
        ({"actions": [{"do": "deadline_policy", "policy_id": 9}]}, "actions.0.policy_id", "policy with number 9"),
        ({"actions": [{"do": "webhook", "webhook_id": 9}]}, "actions.0.webhook_id", "webhook with number 9"),
        ({"actions": [{"do": "move", "mailbox_id": 9}]}, "actions.0.mailbox_id", "mailbox with number 9"),
        ({"actions": [{"do": "notify"}]}, "actions.0", "Nobody would be told"),
        ({"actions": [{"do": "notify", "people": [1, 9]}]}, "actions.0.people.1", "person with number 9"),
        ({"actions": [{"do": "assign", "try": []}]}, "actions.0.try", "At least one"),
        ({"actions": [{"do": "assign", "try": [{"how": "luck"}]}]}, "actions.0.try.0.how", "Choose one of"),
        (
            {"actions": [{"do": "assign", "try": [{"how": "sticky"}, {"how": "fixed", "person_id": 9}]}]},
            "actions.0.try.1.person_id",
            "person with number 9",
        ),
        (
            {"actions": [{"do": "assign", "try": [{"how": "round_robin", "team_id": 9}]}]},
            "actions.0.try.0.team_id",
            "team with number 9",
        ),
        ({"stop": 1}, "stop", "Yes or no"),
        ({"enabled": None}, "enabled", "Yes or no"),
    ],
)
def test_what_cannot_be_is_refused_at_its_field(parts: dict[str, object], field: str, reason: str) -> None:
    with pytest.raises(RuleRefused) as refused:
        rule_from(a_rule(**parts), id=1, version=1, known=EVERYTHING)
    told = {one.field: one.message % one.params for one in refused.value.refused}
    assert reason in told[field]
    assert len(refused.value.refused) == 1


def test_all_mistakes_are_told_at_once() -> None:
    broken = a_rule(name="", condition=asking("subject", "pattern", "["), actions=[{"do": "team", "team_id": 9}])
    with pytest.raises(RuleRefused) as refused:
        rule_from(broken, id=1, version=1, known=EVERYTHING)
    assert {one.field for one in refused.value.refused} == {"name", "condition.values.0", "actions.0.team_id"}


def test_a_rule_as_it_once_was_may_name_what_is_gone() -> None:
    assert rule_from(a_rule(actions=[{"do": "team", "team_id": 9}]), id=1, version=1).actions == (GiveToTeam(9),)


def test_a_stored_rule_that_cannot_run_is_kept_with_its_mistakes() -> None:
    rule = stored_rule(a_rule(actions=[{"do": "team", "team_id": 9}]), id=1, version=3, known=EVERYTHING)
    assert isinstance(rule, BrokenRule)
    assert (rule.id, rule.version, rule.name, rule.enabled) == (1, 3, "請求", True)
    assert [one.field for one in rule.refused] == ["actions.0.team_id"]


@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats()
        | st.sampled_from(["all", "subject", "contains", "is", ""]),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    ["all", "any", "field", "operator", "values", "do", "try", "how", "on", "name", "team_id"]
                ),
                inner,
                max_size=4,
            )
        ),
        max_leaves=12,
    )
)
def test_whatever_is_stored_is_a_rule_or_told_as_broken(data: object) -> None:
    for parts in (data, a_rule(condition=data), a_rule(actions=[data]), a_rule(triggers=data), a_rule(name=data)):
        rule = stored_rule(parts, id=1, version=1, known=EVERYTHING)
        assert isinstance(rule, Rule) or rule.refused


NEW_YORK = ZoneInfo("America/New_York")


@pytest.mark.parametrize(
    ("schedule", "now", "planned"),
    [
        (Schedule((1,), time(9)), "2026-11-23T14:00", "2026-11-23T14:00"),
        (Schedule((1,), time(9)), "2026-11-23T13:59", "2026-11-16T14:00"),
        (Schedule((1, 3), time(9)), "2026-11-27T03:00", "2026-11-25T14:00"),
        (Schedule((7,), time(2, 30)), "2026-03-08T12:00", "2026-03-08T07:00"),  # 2:30 is skipped: 3:00 EDT
        (Schedule((7,), time(1, 30)), "2026-11-01T12:00", "2026-11-01T05:30"),  # 1:30 comes twice: the first
    ],
)
def test_when_a_schedule_was_last_due(schedule: Schedule, now: str, planned: str) -> None:
    at = datetime.fromisoformat(now).replace(tzinfo=UTC)
    assert last_due(schedule, now=at, zone=NEW_YORK) == datetime.fromisoformat(planned).replace(tzinfo=UTC)


@given(schedules, st.integers(1_577_836_800, 2_051_222_400))
def test_a_schedule_is_due_at_least_once_a_week(schedule: Schedule, now: int) -> None:
    at = datetime.fromtimestamp(now, UTC)
    planned = last_due(schedule, now=at, zone=NEW_YORK)
    assert planned <= at
    assert (at - planned).total_seconds() <= (7 * 24 + 1) * 3600
    assert last_due(schedule, now=planned, zone=NEW_YORK) == planned
