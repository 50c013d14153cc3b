"""Rules at work: the laws of groups, order, first word, stop, the most actions, failures, and a trace of it all."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing.actions import (
    Action,
    AddTag,
    Assign,
    CallWebhook,
    Fixed,
    GiveToTeam,
    MarkSpam,
    Notify,
    Pull,
    RemoveTag,
    SetPriority,
    SetStatus,
    decides,
)
from routing.conditions import (
    HOWS,
    Asked,
    Condition,
    Group,
    Question,
    Reason,
    condition_from,
    condition_json,
    question_at,
    questions_of,
    ready,
)
from routing.evaluation import MOST_ACTIONS, Decision, compiled, decide
from routing.facts import MailFacts
from routing.reading import Reading
from routing.refusals import Refused
from routing.rules import BrokenRule, Rule
from routing.traces import trace_from, trace_json
from routing.triggers import Arrived, Happened, Schedule, StatusChanged, Unanswered

A_MAIL = MailFacts(
    sender_address="hana@yamada.example.jp",
    sender_name="山田　花子",
    sender_domain="yamada.example.jp",
    customer_id=70,
    customer_name="山田花子",
    customer_company="㈱山田商店",
    customer_tier="VIP",
    first_contact=False,
    recipient_addresses=("support@shop.example", "Billing@Shop.example"),
    mailbox_id=4,
    subject="【至急】１１月分のご請求について",
    words="請求書の\r\n再発行をお願いします。",
    language="ja",
    attachment_names=("請求書.pdf", "写真.JPG"),
    attachment_types=("application/pdf", "image/jpeg"),
    attachment_count=2,
    size=48_000,
    headers=(("X-Form", "contact"), ("X-Mailer", "Becky")),
    in_hours=False,
    local_time=time(22, 30),
    weekday=5,
    tags=frozenset({5, 6}),
    previous_owner_id=1,
    minutes_waited=30,
)


def asked(facts: MailFacts, condition: Condition) -> tuple[bool, tuple[Reason, ...]]:
    return ready(condition)(Asked(facts))


@pytest.mark.parametrize(
    ("field", "operator", "values", "found", "met"),
    [
        ("sender_address", "contains", ("@yamada.",), "hana@yamada.example.jp", "@yamada."),
        ("sender_name", "equals", ("山田花子",), "山田　花子", "山田花子"),
        ("sender_domain", "equals", ("example.jp", "YAMADA.example.jp"), "yamada.example.jp", "YAMADA.example.jp"),
        ("customer_id", "is", (9, 70), 70, 70),
        ("customer_company", "contains", ("（株）山田",), "㈱山田商店", "（株）山田"),
        ("customer_tier", "equals", ("ｖｉｐ",), "VIP", "ｖｉｐ"),
        ("customer_phase", "empty", (), "", None),
        ("first_contact", "is", (False,), False, False),
        ("recipient_addresses", "starts", ("billing@",), "Billing@Shop.example", "billing@"),
        ("mailbox_id", "is", (4,), 4, 4),
        ("subject", "starts", ("【至急】",), A_MAIL.subject, "【至急】"),
        ("subject", "pattern", ("[0-9]+月分",), A_MAIL.subject, "[0-9]+月分"),
        ("words", "contains", ("請求書の再発行",), A_MAIL.words, "請求書の再発行"),
        ("language", "equals", ("ja",), "ja", "ja"),
        ("attachment_names", "contains", (".jpg",), "写真.JPG", ".jpg"),
        ("attachment_types", "starts", ("image/",), "image/jpeg", "image/"),
        ("attachment_count", "at_least", (2,), 2, 2),
        ("size", "at_most", (50_000,), 48_000, None),
        ("kind", "is", ("person",), "person", "person"),
        ("in_hours", "is", (False,), False, False),
        ("local_time", "between", ("22:00", "06:00"), "22:30", None),
        ("weekday", "is", (5, 6), 5, 5),
        ("tags", "is", (9, 6), "5, 6", 6),
        ("owner_id", "empty", (), None, None),
        ("previous_owner_id", "is", (1,), 1, 1),
        ("status", "is", ("open",), "open", "open"),
        ("priority", "is", ("normal",), "normal", "normal"),
        ("minutes_waited", "at_least", (30,), 30, 30),
        ("message_count", "is", (1,), 1, 1),
    ],
)
def test_a_question_holds_and_tells_what_was_found(
    field: str, operator: str, values: tuple[str | int, ...], found: object, met: object
) -> None:
    held, reasons = asked(A_MAIL, Question(field, operator, values))
    assert held
    assert reasons == (Reason("", True, found, met),)


@pytest.mark.parametrize(
    ("question", "found"),
    [
        (Question("subject", "contains", ("見積", "quote")), A_MAIL.subject),
        (Question("recipient_addresses", "starts", ("sales@",)), "support@shop.example, Billing@Shop.example"),
        (Question("headers", "equals", ("yes",), "x-form"), "contact"),
        (Question("headers", "empty", (), "X-MAILER"), "Becky"),
        (Question("headers", "contains", ("a",), "X-None"), ""),
        (Question("attachment_names", "empty"), "請求書.pdf, 写真.JPG"),
        (Question("size", "at_least", (48_001,)), 48_000),
        (Question("local_time", "between", ("09:00", "22:30")), "22:30"),
        (Question("local_time", "between", ("23:00", "06:00")), "22:30"),
        (Question("tags", "is", (1, 2)), "5, 6"),
        (Question("tags", "empty"), "5, 6"),
        (Question("owner_id", "is", (1,)), None),
        (Question("in_hours", "is", (True,)), False),
    ],
)
def test_a_question_that_does_not_hold_tells_what_was_found(question: Question, found: object) -> None:
    assert asked(A_MAIL, question) == (False, (Reason("", False, found, None),))


@pytest.mark.parametrize(
    "question",
    [
        Question("minutes_waited", "at_least", (0,)),
        Question("minutes_waited", "at_most", (10**6,)),
        Question("local_time", "between", ("00:00", "23:59")),
        Question("weekday", "is", (1, 2, 3, 4, 5, 6, 7)),
        Question("in_hours", "is", (True, False)),
        Question("first_contact", "is", (True, False)),
    ],
)
def test_what_is_not_known_holds_nothing(question: Question) -> None:
    assert not asked(MailFacts(), question)[0]


def test_midnight_and_ends_of_a_span_of_hours() -> None:
    def at(hour: int, minute: int, *span: str) -> bool:
        facts = replace(A_MAIL, local_time=time(hour, minute))
        return asked(facts, Question("local_time", "between", span))[0]

    assert at(9, 0, "09:00", "18:00")
    assert not at(18, 0, "09:00", "18:00")
    assert at(0, 0, "22:00", "06:00")
    assert at(22, 0, "22:00", "06:00")
    assert not at(6, 0, "22:00", "06:00")


QUESTIONS = (
    Question("subject", "contains", ("請求",)),
    Question("subject", "contains", ("見積",)),
    Question("size", "at_least", (1_000,)),
    Question("size", "at_least", (100_000,)),
    Question("tags", "is", (5,)),
    Question("headers", "empty", (), "X-None"),
    Question("in_hours", "is", (True,)),
)
conditions = st.recursive(
    st.sampled_from(QUESTIONS),
    lambda parts: st.builds(Group, st.sampled_from(HOWS), st.lists(parts, min_size=1, max_size=4).map(tuple)),
    max_leaves=12,
)
mails = st.builds(
    MailFacts,
    subject=st.sampled_from(["ご請求", "見積のお願い", "請求と見積", ""]),
    size=st.sampled_from([0, 1_000, 200_000]),
    tags=st.frozensets(st.sampled_from([5, 6])),
    in_hours=st.sampled_from([True, False, None]),
)


def naive(condition: Condition, facts: MailFacts) -> bool:
    if isinstance(condition, Question):
        return asked(facts, condition)[0]
    held = [naive(part, facts) for part in condition.parts]
    return {"all": all(held), "any": any(held), "none": not any(held)}[condition.how]


@given(conditions, mails)
def test_groups_hold_as_logic_says(condition: Condition, facts: MailFacts) -> None:
    held, reasons = asked(facts, condition)
    assert held == naive(condition, facts)
    for reason in reasons:
        assert asked(facts, question_at(condition, reason.path))[0] == reason.held


@given(conditions, mails)
def test_the_reasons_are_enough(condition: Condition, facts: MailFacts) -> None:
    """Whatever the other questions say, those that are told as reasons decide it."""
    held, reasons = asked(facts, condition)
    told = {reason.path: reason.held for reason in reasons}

    def outcome(part: Condition, path: str) -> bool | None:
        if isinstance(part, Question):
            return told.get(path)
        inside = [
            outcome(one, f"{path}.{part.how}.{n}" if path else f"{part.how}.{n}") for n, one in enumerate(part.parts)
        ]
        if part.how == "all":
            return False if False in inside else None if None in inside else True
        found = True if True in inside else None if None in inside else False
        return found if part.how == "any" or found is None else not found

    assert reasons
    assert outcome(condition, "") == held


@given(st.lists(conditions, min_size=1, max_size=4).map(tuple), mails)
def test_none_is_not_any_and_all_is_none_of_the_opposites(parts: tuple[Condition, ...], facts: MailFacts) -> None:
    assert asked(facts, Group("none", parts))[0] != asked(facts, Group("any", parts))[0]
    opposites = tuple(Group("none", (part,)) for part in parts)
    assert asked(facts, Group("all", parts))[0] == asked(facts, Group("none", opposites))[0]


@given(conditions)
def test_paths_name_each_question_once(condition: Condition) -> None:
    paths = [path for path, _ in questions_of(condition)]
    assert len(set(paths)) == len(paths)
    reading = Reading(None)
    assert condition_from(condition_json(condition), reading) == condition
    assert reading.refused == []


def rule(number: int, *actions: Action, condition: Condition | None = None, **more: object) -> Rule:
    parts: dict[str, object] = {"triggers": (Arrived(),)} | more
    return Rule(id=number, version=1, name=f"rule {number}", condition=condition, actions=actions, **parts)  # type: ignore[arg-type]


def outcomes(decision: Decision) -> list[str]:
    return [one.how for one in decision.trace]


YES, NO = Question("subject", "contains", ("請求",)), Question("subject", "contains", ("見積",))


def test_the_first_rule_has_the_word_and_the_later_ones_are_told() -> None:
    to_aki, to_ben = Assign((Fixed(1),)), Assign((Pull(3),))
    decision = decide(compiled([rule(1, to_aki, condition=NO), rule(2, to_ben), rule(3, AddTag(5), to_aki)]), A_MAIL)
    assert [(one.rule_id, one.action) for one in decision.todo] == [(2, to_ben), (3, AddTag(5))]
    assert outcomes(decision) == ["not_matched", "matched", "matched"]
    assert [(one.index, one.why, one.by) for one in decision.trace[2].left_out] == [(1, "decided", 2)]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (SetStatus("closed"), SetStatus("waiting")),
        (MarkSpam(), SetStatus("open")),
        (SetPriority("high"), SetPriority("low")),
        (GiveToTeam(3), GiveToTeam(4)),
        (AddTag(5), RemoveTag(5)),
        (AddTag(5), AddTag(5)),
        (CallWebhook(7), CallWebhook(7)),
        (Notify((1,)), Notify((1,))),
    ],
)
def test_what_was_decided_is_not_decided_again(first: Action, second: Action) -> None:
    assert [one.action for one in decide(compiled([rule(1, first), rule(2, second)]), A_MAIL).todo] == [first]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (AddTag(5), AddTag(6)),
        (Notify((1,)), Notify((2,))),
        (CallWebhook(1), CallWebhook(2)),
        (GiveToTeam(3), MarkSpam()),
    ],
)
def test_different_things_are_all_done(first: Action, second: Action) -> None:
    assert len(decide(compiled([rule(1, first), rule(2, second)]), A_MAIL).todo) == 2


def test_all_rules_see_the_mail_as_it_was() -> None:
    tagged = Question("tags", "is", (99,))
    assert outcomes(decide(compiled([rule(1, AddTag(99)), rule(2, MarkSpam(), condition=tagged)]), A_MAIL)) == [
        "matched",
        "not_matched",
    ]


def test_a_rule_that_stops_is_the_last_one_asked_but_only_if_it_matched() -> None:
    passed = rule(1, AddTag(1), condition=NO, stop=True)
    stops = rule(2, AddTag(2), condition=YES, stop=True)
    decision = decide(compiled([passed, stops, rule(3, AddTag(3)), rule(4, AddTag(4), enabled=False)]), A_MAIL)
    assert outcomes(decision) == ["not_matched", "matched", "after_stop", "disabled"]
    assert decision.trace[2].by == decision.stopped_by == 2
    assert [one.rule_id for one in decision.todo] == [2]


def test_a_rule_that_only_stops_keeps_a_mail_from_the_others() -> None:
    assert decide(compiled([rule(1, stop=True), rule(2, MarkSpam())]), A_MAIL).todo == ()


def test_no_more_than_ten_actions_are_done_to_one_mail_in_all() -> None:
    rules = compiled([rule(n, AddTag(2 * n), AddTag(2 * n + 1)) for n in range(1, 8)])
    fresh = decide(rules, A_MAIL)
    assert [one.action for one in fresh.todo] == [AddTag(n) for n in range(2, 12)]
    assert fresh.capped
    assert outcomes(fresh) == ["matched"] * 6 + ["after_cap"]
    assert [(one.index, one.why) for one in fresh.trace[5].left_out] == [(0, "capped"), (1, "capped")]
    assert fresh.trace[6].by == 6
    later = decide(rules, A_MAIL, done=9)
    assert len(later.todo) == 1
    assert later.capped
    full = decide(compiled([rule(1, AddTag(1))]), A_MAIL, done=MOST_ACTIONS)
    assert full.todo == ()
    assert full.capped
    assert not decide(compiled([rule(1, AddTag(1), condition=NO)]), A_MAIL, done=MOST_ACTIONS).capped


def test_exactly_ten_actions_are_no_reason_to_stop() -> None:
    decision = decide(compiled([rule(1, *(AddTag(n) for n in range(1, 11))), rule(2, stop=True)]), A_MAIL)
    assert len(decision.todo) == MOST_ACTIONS
    assert not decision.capped
    assert decision.stopped_by == 2


class Unreadable(str):
    def __getitem__(self, key: object) -> str:
        raise RuntimeError("this text cannot be read")


def test_a_rule_that_fails_as_it_runs_is_skipped_and_told() -> None:
    facts = replace(A_MAIL, subject=Unreadable("請求"))
    rules = compiled([rule(1, AddTag(1)), rule(2, AddTag(2), condition=YES, stop=True), rule(3, AddTag(3))])
    decision = decide(rules, facts)
    assert outcomes(decision) == ["matched", "failed", "matched"]
    (failed,) = decision.failed
    assert "this text cannot be read" in failed.error % dict(failed.params)
    assert [one.rule_id for one in decision.todo] == [1, 3]


def test_a_broken_rule_is_told_as_failed_and_the_others_go_on() -> None:
    gone = Refused("actions.0.team_id", "The team with number %(id)s no longer exists.", id=9)
    broken = BrokenRule(id=1, version=2, name="x", refused=(gone,))
    off = BrokenRule(id=2, version=2, name="y", refused=(gone,), enabled=False)
    decision = decide(compiled([broken, off, rule(3, AddTag(3))]), A_MAIL)
    assert outcomes(decision) == ["failed", "disabled", "matched"]
    failed = decision.trace[0]
    assert failed.error % dict(failed.params) == "The team with number 9 no longer exists."


def test_a_rule_runs_only_for_what_it_waits_for() -> None:
    rules = compiled(
        [
            rule(1, AddTag(1)),
            rule(2, AddTag(2), triggers=(StatusChanged(("closed",)),)),
            rule(3, AddTag(3), triggers=(StatusChanged(),)),
            rule(4, AddTag(4), triggers=(Unanswered(30),)),
            rule(5, AddTag(5), triggers=(Unanswered(31), Arrived())),
            rule(6, AddTag(6), triggers=(Schedule((1,), time(9)),)),
        ]
    )

    def ran(facts: MailFacts, happened: Happened) -> list[int]:
        return [one.rule_id for one in decide(rules, facts, happened=happened).todo]

    assert ran(A_MAIL, Happened("arrived")) == [1, 5]
    assert ran(A_MAIL, Happened("status_changed")) == [3]
    assert ran(replace(A_MAIL, status="closed"), Happened("status_changed")) == [2, 3]
    assert ran(A_MAIL, Happened("unanswered")) == [4]
    assert ran(replace(A_MAIL, minutes_waited=31), Happened("unanswered")) == [4, 5]
    assert ran(replace(A_MAIL, minutes_waited=31), Happened("unanswered", already=frozenset({4}))) == [5]
    assert ran(replace(A_MAIL, minutes_waited=None), Happened("unanswered")) == []
    assert ran(A_MAIL, Happened("schedule")) == []
    assert ran(A_MAIL, Happened("schedule", due=frozenset({6}))) == [6]


def test_the_fields_that_rules_ask_for_are_known_beforehand() -> None:
    condition = Group("all", (YES, Group("none", (Question("size", "at_least", (1,)),))))
    assert compiled([rule(1, MarkSpam()), rule(2, MarkSpam(), condition=condition)]).asks == {"subject", "size"}


some_actions = st.lists(
    st.one_of(
        st.builds(AddTag, st.integers(1, 4)),
        st.builds(RemoveTag, st.integers(1, 4)),
        st.builds(SetPriority, st.sampled_from(["low", "high"])),
        st.builds(CallWebhook, st.integers(1, 3)),
        st.just(MarkSpam()),
        st.just(Assign((Fixed(1),))),
    ),
    max_size=5,
)
rule_lists = st.lists(st.tuples(some_actions, st.none() | conditions, st.booleans(), st.booleans()), max_size=8).map(
    lambda drawn: [
        rule(n, *acts, condition=condition, stop=stop, enabled=enabled)
        for n, (acts, condition, stop, enabled) in enumerate(drawn, start=1)
    ]
)


@given(rule_lists, mails, st.integers(0, 12))
def test_order_stop_first_word_and_most_actions_hold_for_any_rules(
    rules: list[Rule], facts: MailFacts, done: int
) -> None:
    decision = decide(compiled(rules), facts, done=done)
    expected: list[tuple[int, Action]] = []
    decided: set[object] = set()
    stopped = capped = False
    for one in rules:
        if not one.enabled or stopped or capped or not (one.condition is None or naive(one.condition, facts)):
            continue
        for action in one.actions:
            if decides(action) not in decided and done + len(expected) >= MOST_ACTIONS:
                capped = True
            elif decides(action) not in decided:
                decided.add(decides(action))
                expected.append((one.id, action))
        stopped = one.stop
    assert [(one.rule_id, one.action) for one in decision.todo] == expected
    assert decision.capped == capped
    assert (decision.stopped_by is not None) == stopped
    assert [one.rule_id for one in decision.trace] == [one.id for one in rules]
    for one, traced in zip(rules, decision.trace, strict=True):
        if traced.how == "matched":
            done_by_it = sum(1 for item in decision.todo if item.rule_id == one.id)
            assert done_by_it + len(traced.left_out) == len(one.actions)


@given(rule_lists, mails)
def test_the_same_mail_is_decided_the_same_again(rules: list[Rule], facts: MailFacts) -> None:
    """What makes a dry run tell the truth."""
    assert decide(compiled(rules), facts) == decide(compiled(rules), facts)


@given(rule_lists, mails, st.integers(0, 12))
def test_a_trace_comes_back_from_its_json(rules: list[Rule], facts: MailFacts, done: int) -> None:
    trace = decide(compiled(rules), facts, done=done).trace
    assert trace_from(json.loads(json.dumps(trace_json(trace)))) == trace
