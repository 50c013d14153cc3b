"""Why a conversation is where it is: what rules made of each thing that happened to it, with the names to tell it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from inbox import people, rules
from inbox.models import AnswerDecision, AnswerText, DeadlinePolicy, Mailbox, RuleTrace, Tag, Team, User, Webhook
from inbox.people import Viewer
from routing.traces import Trace, trace_from

SHOWN = 30  # things that happened, the newest


@dataclass(frozen=True)
class Names:
    """Of everything that a rule or a trace may speak of, by id."""

    people: dict[int, str]
    teams: dict[int, str]
    tags: dict[int, str]
    mailboxes: dict[int, str]
    deadline_policies: dict[int, str]
    answer_texts: dict[int, str]
    webhooks: dict[int, str]


@dataclass(frozen=True)
class Considered:
    """One candidate, and why it was or was not theirs (`routing.assign.Considered`)."""

    person_id: int | None
    how: str
    why: str
    values: dict[str, Any]


@dataclass(frozen=True)
class Assigned:
    """How an owner was found. `reason` is one of routing.assign's, or: kept, finished. `rule_id` None: no rule, but the
    team of the mailbox. `before`: who had it when it was handed back."""

    owner_id: int | None
    team_id: int | None
    reason: str
    rule_id: int | None
    considered: tuple[Considered, ...]
    before_id: int | None


@dataclass(frozen=True)
class Answered:
    """The automatic answer that a rule wanted. `reason` why none left (`routing.autoreply.Reason`; `budget`: how many
    had left), "" when it left; `instead`: the mailbox's own answer that it goes before, "" for none."""

    rule_name: str
    text_name: str
    reason: str
    budget: int | None
    instead: str


@dataclass(frozen=True)
class Ruling:
    """What happened (`routing.triggers.ONS`, handed_back) and what became of every rule, in their order then."""

    id: int
    at: datetime
    happened: str
    capped: bool
    traces: tuple[Trace, ...]
    assigned: Assigned | None
    answered: Answered | None


@dataclass(frozen=True)
class Why:
    """The newest first. `said`: what each rule said in the version that was asked, by (rule, version)."""

    rulings: tuple[Ruling, ...]
    said: dict[tuple[int, int], dict[str, Any]]
    names: Names


def why(session: Session, who: Viewer, conversation_id: int) -> Why:
    """Raises NotFound for a conversation that `who` may not see."""
    people.conversation(session, who, conversation_id)
    wanted = (RuleTrace.message_id == AnswerDecision.message_id) & (AnswerDecision.rule_name != "")
    rows = session.execute(
        select(RuleTrace, AnswerDecision)
        .outerjoin(AnswerDecision, wanted & (RuleTrace.happened == "arrived"))
        .where(RuleTrace.conversation_id == conversation_id)
        .order_by(RuleTrace.id.desc())
        .limit(SHOWN)
    )
    rulings = tuple(_ruling(trace, decision) for trace, decision in rows)
    asked = sorted({(one.rule_id, one.version) for ruling in rulings for one in ruling.traces})
    return Why(rulings, rules.said(session, asked), names(session))


def names(session: Session) -> Names:
    return Names(
        people=dict(session.execute(select(User.id, User.name)).all()),
        teams=dict(session.execute(select(Team.id, Team.name)).all()),
        tags=dict(session.execute(select(Tag.id, Tag.name)).all()),
        mailboxes=dict(session.execute(select(Mailbox.id, Mailbox.name)).all()),
        deadline_policies={one.id: str(one.body.get("name", "")) for one in session.scalars(select(DeadlinePolicy))},
        answer_texts=dict(session.execute(select(AnswerText.id, AnswerText.name)).all()),
        webhooks=dict(session.execute(select(Webhook.id, Webhook.name).where(Webhook.user_id.is_(None))).all()),
    )


def _ruling(row: RuleTrace, decision: AnswerDecision | None) -> Ruling:
    traces = trace_from(row.trace)
    return Ruling(row.id, row.at, row.happened, row.capped, traces, _assigned(row.assignment), _answered(decision))


def _answered(one: AnswerDecision | None) -> Answered | None:
    return Answered(one.rule_name, one.text_name, one.reason, one.most, one.instead) if one is not None else None


def _assigned(told: dict[str, Any] | None) -> Assigned | None:
    if told is None:
        return None
    return Assigned(
        owner_id=told["owner"],
        team_id=told["team"],
        reason=told["reason"],
        rule_id=told.get("rule"),
        considered=tuple(Considered(*one) for one in told["considered"]),
        before_id=told.get("before"),
    )
