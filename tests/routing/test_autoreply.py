"""Automatic answers: what keeps them from leaving, budgets, and the breaker."""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing.autoreply import (
    BREAKER_REST,
    CONVERSATION_SPAN,
    DOMAIN_SPAN,
    MAILBOX_SPAN,
    SENDER_SPAN,
    AnswerFacts,
    Breaker,
    Budgets,
    MayAnswer,
    Sent,
    Silence,
    may_answer,
)

NOW = datetime(2026, 11, 20, 5, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
REASONS = [reason for reason in get_args(Silence) if reason]


def test_a_person_who_writes_for_the_first_time_is_answered() -> None:
    assert may_answer(AnswerFacts(), now=NOW) == MayAnswer(True)


@pytest.mark.parametrize("reason", REASONS)
def test_a_mail_that_asks_for_silence_is_not_answered(reason: Silence) -> None:
    assert may_answer(AnswerFacts(silence=reason), now=NOW) == MayAnswer(False, reason)


def test_neither_spam_nor_blocked_senders_are_answered() -> None:
    assert may_answer(AnswerFacts(spam=True), now=NOW).reason == "spam"
    assert may_answer(AnswerFacts(blocked=True), now=NOW).reason == "blocked"


def test_a_mail_to_which_there_is_nothing_to_say_is_not_answered_and_its_own_reason_goes_first() -> None:
    assert may_answer(AnswerFacts(nothing="not_new"), now=NOW) == MayAnswer(False, "not_new")
    assert may_answer(AnswerFacts(nothing="not_new", silence="list", spam=True), now=NOW).reason == "list"
    assert may_answer(AnswerFacts(nothing="late", blocked=True), now=NOW).reason == "blocked"


def test_a_mailbox_with_many_new_customers_may_say_so() -> None:
    busy = Budgets.hourly(100)
    assert (busy.sender, busy.conversation, busy.domain, busy.mailbox) == (1, 3, 100, 100)
    assert may_answer(AnswerFacts(sent=Sent(domain=99, mailbox=99)), now=NOW, budgets=busy).may


@pytest.mark.parametrize(
    ("sent", "reason", "limit", "alarm"),
    [
        (Sent(sender=1), "sender_budget", 1, False),
        (Sent(conversation=3), "conversation_budget", 3, False),
        (Sent(domain=20), "domain_budget", 20, True),
        (Sent(mailbox=20), "mailbox_budget", 20, True),
        (Sent(sender=1, mailbox=20), "sender_budget", 1, False),
    ],
)
def test_a_budget_that_is_used_up_is_told(sent: Sent, reason: str, limit: int, alarm: bool) -> None:
    decided = may_answer(AnswerFacts(sent=sent), now=NOW)
    assert (decided.may, decided.reason, decided.limit, decided.alarm) == (False, reason, limit, alarm)


def test_one_less_than_the_budget_may_leave() -> None:
    assert may_answer(AnswerFacts(sent=Sent(0, 2, 19, 19)), now=NOW).may


def test_the_breaker_opens_with_the_mailboxes_budget_and_rests() -> None:
    opened = may_answer(AnswerFacts(sent=Sent(mailbox=20)), now=NOW)
    assert opened.breaker == Breaker(NOW + BREAKER_REST)
    quiet = AnswerFacts(breaker=opened.breaker)
    during = may_answer(quiet, now=NOW + BREAKER_REST - MINUTE)
    assert (during.may, during.reason, during.alarm) == (False, "breaker", False), "the alarm went off once"
    assert during.breaker == opened.breaker
    assert may_answer(quiet, now=NOW + BREAKER_REST).may
    assert may_answer(AnswerFacts(breaker=Breaker()), now=NOW).may, "a person closed it"


def test_a_budget_of_nothing_lets_nothing_leave() -> None:
    for name in (one.name for one in fields(Budgets)):
        assert not may_answer(AnswerFacts(), now=NOW, budgets=replace(Budgets(), **{name: 0})).may


class Post:
    """Answers that left, counted as the caller counts them."""

    def __init__(self, budgets: Budgets) -> None:
        self.budgets, self.breaker = budgets, Breaker()
        self.left: list[tuple[datetime, str, int]] = []
        self.alarms = 0

    def counted(self, now: datetime, span: timedelta, *, who: str = "", conversation: int = 0) -> int:
        """Those in the span before `now`, it included; `who` is an address or "@domain"."""
        return sum(
            now - span < at <= now and sender.endswith(who) and conversation in (0, where)
            for at, sender, where in self.left
        )

    def comes(self, now: datetime, sender: str, conversation: int) -> MayAnswer:
        sent = Sent(
            sender=self.counted(now, SENDER_SPAN, who=sender),
            conversation=self.counted(now, CONVERSATION_SPAN, conversation=conversation),
            domain=self.counted(now, DOMAIN_SPAN, who="@" + sender.partition("@")[2]),
            mailbox=self.counted(now, MAILBOX_SPAN),
        )
        decided = may_answer(AnswerFacts(sent=sent, breaker=self.breaker), now=now, budgets=self.budgets)
        self.breaker = decided.breaker
        self.alarms += decided.alarm
        if decided.may:
            self.left.append((now, sender, conversation))
        return decided


arrivals = st.lists(
    st.tuples(st.integers(0, 200), st.integers(1, 6), st.sampled_from(["a.example", "b.example"]), st.integers(1, 3)),
    max_size=80,
)


@given(arrivals, st.builds(Budgets, *(st.integers(0, 4) for _ in range(4))))
def test_no_span_ever_holds_more_than_its_budget(arrivals: list[tuple[int, int, str, int]], budgets: Budgets) -> None:
    post, now = Post(budgets), NOW
    for minutes, who, domain, conversation in arrivals:
        now += timedelta(minutes=minutes)
        post.comes(now, f"{who}@{domain}", conversation)
    for at, who, conversation in post.left:
        assert post.counted(at, SENDER_SPAN, who=who) <= budgets.sender
        assert post.counted(at, CONVERSATION_SPAN, conversation=conversation) <= budgets.conversation
        assert post.counted(at, DOMAIN_SPAN, who="@" + who.partition("@")[2]) <= budgets.domain
        assert post.counted(at, MAILBOX_SPAN) <= budgets.mailbox


def test_two_of_us_fall_silent_after_one_mail_each() -> None:
    """The peer strips every sign of an automatic mail and opens a new conversation each time."""
    ours, theirs, now = Post(Budgets()), Post(Budgets()), NOW
    flying, conversation = [(ours, "them@peer.example")], 0
    while flying:
        desk, sender = flying.pop()
        now, conversation = now + MINUTE, conversation + 1
        if desk.comes(now, sender, conversation).may:
            flying.append((theirs, "us@shop.example") if desk is ours else (ours, "them@peer.example"))
    assert len(ours.left) == len(theirs.left) == 1


def test_a_peer_that_changes_its_address_each_time_is_stopped_by_its_domain() -> None:
    post = Post(Budgets())
    for number in range(100):
        post.comes(NOW + number * timedelta(seconds=20), f"ticket-{number}@peer.example", number + 1)
    assert len(post.left) == 20
    assert post.alarms > 0


def test_a_flood_of_senders_opens_the_breaker() -> None:
    post = Post(Budgets())
    for number in range(10_000):
        at = NOW + number * timedelta(milliseconds=60)
        sent = Sent(mailbox=len(post.left))
        decided = may_answer(AnswerFacts(sent=sent, breaker=post.breaker), now=at)
        post.breaker, post.alarms = decided.breaker, post.alarms + decided.alarm
        if decided.may:
            post.left.append((at, f"{number}@x{number}.example", number))
    assert len(post.left) == Budgets().mailbox
    assert post.alarms == 1
