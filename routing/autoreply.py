"""May an automatic answer leave? Never to machines, never to ourselves, never often: two of us fall silent after one
each.

What the mail itself says is read by `inbox.mail.automatic.silence` and comes in as a code. What no header tells (a
robot that hides, a peer that strips every sign) is held by budgets: few answers in a span of time, each span rolling,
counted from what left or is queued. The first reason that applies is told, the mail's own before the budgets.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

SENDER_SPAN = LATE = timedelta(hours=24)  # LATE: a mail that came so long ago is acknowledged no more
CONVERSATION_SPAN = DOMAIN_SPAN = MAILBOX_SPAN = timedelta(hours=1)
BREAKER_REST = timedelta(hours=1)  # so long no automatic answer leaves a mailbox whose breaker has opened

Silence = Literal[
    "",  # nothing speaks against an answer
    "kind",  # written by a machine or a list
    "null_return_path",
    "loop",  # X-Loop: it went through an automatic answerer before
    "auto_submitted",
    "precedence",
    "auto_header",  # X-Autoreply, X-Vacation and the like
    "list",
    "suppressed",  # X-Auto-Response-Suppress
    "spam",
    "no_sender",
    "robot",  # noreply, mailer-daemon, bounces …
    "own_address",
    "forged",  # our mail server says that its From is not true (DMARC)
]
NothingToSay = Literal[
    "",
    "not_new",  # it goes on with a conversation
    "stranger",  # and is not from its customer
    "copy",  # it came to another of our mailboxes too, and was answered from there
    "in_hours",  # only those outside working hours are answered
    "late",  # it came long ago
]
BudgetName = Literal["sender_budget", "conversation_budget", "domain_budget", "mailbox_budget"]
Reason = Silence | NothingToSay | Literal["blocked", "breaker"] | BudgetName


@dataclass(frozen=True, slots=True)
class Budgets:
    """How many automatic answers may leave: to one address from one mailbox in 24 hours, in one conversation, to one
    domain and from one mailbox in an hour each. 0 lets none leave.

    Twenty from a mailbox: a loop with a peer that hides behind ever new addresses ends there, within minutes and before
    anybody's mail server takes us for a source of spam. A team that hears from more new customers in an hour says so.
    """

    sender: int = 1
    conversation: int = 3
    domain: int = 20
    mailbox: int = 20

    @classmethod
    def hourly(cls, most: int) -> Budgets:
        """Those of a mailbox from which so many may leave in an hour: customers of one big provider are many, too."""
        return cls(domain=most, mailbox=most)


@dataclass(frozen=True, slots=True)
class Sent:
    """How many left or are queued, in the same spans and of every automatic kind, this one not counted."""

    sender: int = 0
    conversation: int = 0
    domain: int = 0
    mailbox: int = 0


@dataclass(frozen=True, slots=True)
class Breaker:
    """Keeps a mailbox silent while `open_until` (aware) lies ahead; None: never opened, or closed again by a person."""

    open_until: datetime | None = None

    def is_open(self, now: datetime) -> bool:
        return self.open_until is not None and now < self.open_until


CLOSED = Breaker()
NOTHING_SENT = Sent()
USUAL = Budgets()


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerFacts:
    """`silence`: what the mail says about itself. `spam`, `blocked`: how we treat its conversation and its sender.
    `nothing`: why the mailbox has nothing to say to it.
    """

    silence: Silence = ""
    spam: bool = False
    blocked: bool = False
    nothing: NothingToSay = ""
    sent: Sent = NOTHING_SENT
    breaker: Breaker = CLOSED


@dataclass(frozen=True, slots=True)
class MayAnswer:
    """`reason` why not, "" when it may. For a budget `limit` is the number that was reached.

    `alarm`: tell a person (a domain or the whole mailbox used its budget up: a loop, or a flood). `breaker` is what to
    keep for the mailbox from now on; it differs from before only when the mailbox's budget opened it.
    """

    may: bool
    reason: Reason = ""
    limit: int | None = None
    alarm: bool = False
    breaker: Breaker = CLOSED


def may_answer(facts: AnswerFacts, *, now: datetime, budgets: Budgets = USUAL) -> MayAnswer:
    """Whether the answer may leave at `now` (aware)."""
    reason = _against(facts, now)
    if reason:
        return MayAnswer(False, reason, breaker=facts.breaker)
    for name, sent, limit in _budgets(facts.sent, budgets):
        if sent >= limit:
            opens = name == "mailbox_budget"
            breaker = Breaker(now + BREAKER_REST) if opens else facts.breaker
            return MayAnswer(False, name, limit, alarm=opens or name == "domain_budget", breaker=breaker)
    return MayAnswer(True, breaker=facts.breaker)


def _against(facts: AnswerFacts, now: datetime) -> Reason:
    if facts.silence:
        return facts.silence
    if facts.spam:
        return "spam"
    if facts.blocked:
        return "blocked"
    if facts.nothing:
        return facts.nothing
    return "breaker" if facts.breaker.is_open(now) else ""


def _budgets(sent: Sent, budgets: Budgets) -> tuple[tuple[BudgetName, int, int], ...]:
    return (
        ("sender_budget", sent.sender, budgets.sender),
        ("conversation_budget", sent.conversation, budgets.conversation),
        ("domain_budget", sent.domain, budgets.domain),
        ("mailbox_budget", sent.mailbox, budgets.mailbox),
    )
