"""Rules as a manager keeps them: their order, what they say in which version, how often they matched, what they would
do."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache, partial
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from inbox import conversations, people, profiles, rule_facts
from inbox.errors import N_, Conflict, NotFound, UserError
from inbox.models import (
    AnswerText,
    Conversation,
    DeadlinePolicy,
    Mailbox,
    Message,
    Rule,
    RuleVersion,
    Tag,
    Team,
    User,
    Webhook,
)
from inbox.models.conversations import JOINED, UNFINISHED
from inbox.people import Viewer
from routing.actions import action_json
from routing.evaluation import Compiled, compiled, decide
from routing.facts import Known
from routing.refusals import Refused
from routing.rules import BrokenRule, RuleRefused, rule_from, rule_json, stored_rule
from routing.traces import Trace
from routing.triggers import Happened, trigger_json

FOR_RULES = (Webhook.user_id.is_(None), Webhook.team_id.is_(None), Webhook.active)  # webhooks that they may call
NAMED: dict[str, tuple[str, Any]] = {"auto_answer": ("template_id", AnswerText), "webhook": ("webhook_id", Webhook)}
MOST_RULES = 200
TRIED_ON = 1_000  # mails of a dry run
SHOWN = 200  # mails that a dry run names


class WrongRule(UserError):
    """A rule that cannot be stored; `refused` has every mistake with its field."""

    def __init__(self, refused: Sequence[Refused]) -> None:
        super().__init__(N_("The rule cannot be stored as it is. See the marked fields."))
        self.refused = tuple(refused)


@dataclass(frozen=True)
class RuleView:
    """A rule at its place. `body` is what it says (`routing.rules`), `wrong` what keeps it from running.

    `number` counts from 1 in the order in which rules are asked; it is how people name them.
    """

    id: int
    number: int
    name: str
    enabled: bool
    version: int
    body: dict[str, Any]
    wrong: tuple[Refused, ...]
    hits: int
    last_hit_at: datetime | None
    failures: int
    failed_at: datetime | None
    failure: dict[str, Any] | None


@dataclass(frozen=True)
class VersionView:
    version: int
    at: datetime
    user_name: str  # "" for the command line
    body: dict[str, Any]


@dataclass(frozen=True)
class Choices:
    """What rules may name, as (id, name), by name."""

    people: tuple[tuple[int, str], ...]
    teams: tuple[tuple[int, str], ...]
    tags: tuple[tuple[int, str], ...]
    mailboxes: tuple[tuple[int, str], ...]
    deadline_policies: tuple[tuple[int, str], ...]
    answer_texts: tuple[tuple[int, str], ...]
    webhooks: tuple[tuple[int, str], ...]
    tiers: tuple[str, ...]  # of customers, and their phases: texts, those in use
    phases: tuple[str, ...]


@dataclass(frozen=True)
class Touched:
    """A mail that the rule would have matched, with what it would have done; `others` came first with the rest."""

    conversation_id: int
    message_id: int
    subject: str
    sender: str
    at: datetime
    actions: tuple[dict[str, Any], ...]
    left_out: int


@dataclass(frozen=True)
class DryRun:
    """`looked_at` mails were asked, the rule matched `count` of them; the newest SHOWN stand in `touched`.

    `today`: the rule waits (also) for something else than arriving mail, for which today's conversations were asked.
    """

    today: bool
    looked_at: int
    count: int
    touched: tuple[Touched, ...]
    failed: int


# -- what stands there


def page(session: Session, who: Viewer) -> tuple[RuleView, ...]:
    """All rules in their order; for managers."""
    people.must_be(who, "manager")
    known = known_ids(session)
    return tuple(_view(row, number, known) for number, row in enumerate(_rows(session), 1))


def show(session: Session, who: Viewer, rule_id: int) -> RuleView:
    for one in page(session, who):
        if one.id == rule_id:
            return one
    raise NotFound


def versions(session: Session, who: Viewer, rule_id: int) -> tuple[VersionView, ...]:
    """Newest first."""
    people.must_be(who, "manager")
    _rule(session, rule_id)
    wanted = (
        select(RuleVersion, User.name)
        .outerjoin(User, User.id == RuleVersion.user_id)
        .where(RuleVersion.rule_id == rule_id)
        .order_by(RuleVersion.version.desc())
    )
    return tuple(VersionView(one.version, one.at, name or "", one.body) for one, name in session.execute(wanted))


def choices(session: Session, who: Viewer) -> Choices:
    people.must_be(who, "manager")
    active = select(User.id, User.name).where(User.active).order_by(User.name, User.id)
    return Choices(
        people=tuple(map(tuple, session.execute(active))),
        teams=tuple(map(tuple, session.execute(select(Team.id, Team.name).order_by(Team.name)))),
        tags=tuple(map(tuple, session.execute(select(Tag.id, Tag.name).order_by(Tag.name)))),
        mailboxes=tuple(map(tuple, session.execute(select(Mailbox.id, Mailbox.name).order_by(Mailbox.name)))),
        deadline_policies=tuple(
            (one.id, str(one.body.get("name", "")))
            for one in session.scalars(select(DeadlinePolicy).order_by(DeadlinePolicy.position))
        ),
        answer_texts=tuple(
            map(tuple, session.execute(select(AnswerText.id, AnswerText.name).order_by(AnswerText.name)))
        ),
        webhooks=tuple(
            map(tuple, session.execute(select(Webhook.id, Webhook.name).where(*FOR_RULES).order_by(Webhook.name)))
        ),
        tiers=profiles.tiers(session),
        phases=profiles.phases(session),
    )


def tag(session: Session, who: Viewer, name: str) -> int:
    """The tag of that name, made on first use."""
    people.must_be(who, "manager")
    return conversations.tag_named(session, conversations.tag_name(name)).id


def alarms(session: Session) -> tuple[str, ...]:
    """Names of rules that are switched on and could not run lately."""
    its_version = (Rule.id == RuleVersion.rule_id) & (Rule.version == RuleVersion.version)
    wanted = select(RuleVersion.body).join(Rule, its_version)
    failing = wanted.where(Rule.enabled, Rule.removed.is_(False), Rule.failures > 0).order_by(Rule.position)
    return tuple(str(body.get("name", "")) for body in session.scalars(failing))


# -- changing them


def create(session: Session, who: Viewer, body: Mapping[str, Any], *, now: datetime) -> int:
    """A new rule at the end, switched off; its id. Raises WrongRule."""
    people.must_be(who, "manager")
    checked = _checked(session, body)
    if len(_rows(session)) >= MOST_RULES:
        raise UserError(N_("There can be at most %(most)d rules."), most=MOST_RULES)
    last = session.scalar(select(func.max(Rule.position))) or 0
    rule = Rule(position=last + 1, enabled=False, version=1, scheduled_at=now)
    session.add(rule)
    session.flush()
    session.add(RuleVersion(rule_id=rule.id, version=1, at=now, user_id=who.id, body=checked))
    session.flush()
    people.audit(session, who, "rule_added", now=now, rule=rule.id, name=checked["name"])
    return rule.id


def change(
    session: Session, who: Viewer, rule_id: int, body: Mapping[str, Any], *, seen_version: int, now: datetime
) -> int:
    """A new version; its number. Raises WrongRule, and Conflict when somebody else made one meanwhile."""
    people.must_be(who, "manager")
    rule = _rule(session, rule_id, lock=True)
    checked = _checked(session, body)
    if rule.version != seen_version:
        raise Conflict(N_("Somebody changed this rule while you had it open. Look at the new version first."))
    before = session.get_one(RuleVersion, (rule_id, rule.version)).body
    if checked == before:
        return rule.version
    _next_version(session, who, rule, checked, now=now)
    return rule.version


def go_back(session: Session, who: Viewer, rule_id: int, version: int, *, now: datetime) -> int:
    """What the rule said in that version, as a new one. Raises WrongRule when it names what is gone."""
    people.must_be(who, "manager")
    rule = _rule(session, rule_id, lock=True)
    found = session.get(RuleVersion, (rule_id, version))
    if found is None:
        raise NotFound
    _next_version(session, who, rule, _checked(session, found.body), now=now)
    return rule.version


def switch(session: Session, who: Viewer, rule_id: int, *, on: bool, now: datetime) -> None:
    """Raises WrongRule when a rule that cannot run is to be switched on."""
    people.must_be(who, "manager")
    rule = _rule(session, rule_id, lock=True)
    if on == rule.enabled:
        return
    if on:
        _checked(session, session.get_one(RuleVersion, (rule_id, rule.version)).body)
        rule.scheduled_at = now
    rule.enabled, rule.failures, rule.failed_at, rule.failure = on, 0, None, None
    session.flush()
    people.audit(session, who, "rule_switched", now=now, rule=rule_id, on=on)


def arrange(session: Session, who: Viewer, rule_ids: Sequence[int], *, now: datetime) -> None:
    """Puts the rules into this order; those not named stay behind them as they were."""
    people.must_be(who, "manager")
    rows = {rule.id: rule for rule, _ in _rows(session, lock=True)}
    wanted = [one for one in dict.fromkeys(rule_ids) if one in rows]
    order = [*wanted, *(one for one in rows if one not in wanted)]
    for position, rule_id in enumerate(order, 1):
        rows[rule_id].position = position
    session.flush()
    people.audit(session, who, "rules_arranged", now=now, rules=order)


def move(session: Session, who: Viewer, rule_id: int, by: int, *, now: datetime) -> None:
    """One place up (-1) or down (1)."""
    people.must_be(who, "manager")
    order = [rule.id for rule, _ in _rows(session)]
    if rule_id not in order:
        raise NotFound
    place = order.index(rule_id)
    order.insert(max(0, min(len(order) - 1, place + by)), order.pop(place))
    arrange(session, who, order, now=now)


def remove(session: Session, who: Viewer, rule_id: int, *, now: datetime) -> None:
    """Out of all lists; its versions stay for the traces that speak of it."""
    people.must_be(who, "manager")
    rule = _rule(session, rule_id, lock=True)
    rule.removed, rule.enabled = True, False
    session.flush()
    people.audit(session, who, "rule_removed", now=now, rule=rule_id)


# -- what a rule would do


def dry_run(session: Session, who: Viewer, rule_id: int, *, now: datetime) -> DryRun:
    """What the rule would have done to the last TRIED_ON mails of the mailboxes that `who` sees, had it been switched
    on as it is now.

    The rules that are switched on are asked with it, in their order. A mail that began its conversation is asked as it
    came; for a later one owner, tags and status are those of today. Where the rule waits for a change of status, for
    time without an answer or for the clock, up to TRIED_ON conversations are asked as if that happened now.
    """
    people.must_be(who, "manager")
    _rule(session, rule_id)
    with_it = in_force(session, also=rule_id)
    triggers = next((one.triggers for one in with_it.rules if one.id == rule_id), ())
    occasions = {str(trigger_json(one)["on"]) for one in triggers} or {"arrived"}
    found = []
    for on in sorted(occasions):
        happened = Happened(on, due=frozenset({rule_id}))  # type: ignore[arg-type]  # one of ONS
        if on == "arrived":
            ids, read = _newest_mails(session, who), partial(rule_facts.of_messages, as_it_came=True)
        else:
            ids, read = _that_may_be_touched(session, who, on), partial(rule_facts.of_conversations)
        for start in range(0, len(ids), 200):
            for case in read(session, ids[start : start + 200], asks=with_it.asks, now=now):
                found.append((case, decide(with_it, case.facts, happened=happened)))
    traces = [(case, decision, _of_rule(decision.trace, rule_id)) for case, decision in found]
    each = {one[0].key: one for one in traces if one[2] is not None and one[2].how == "matched"}
    matched = sorted(each.values(), key=lambda one: one[0].message_id, reverse=True)
    return DryRun(
        today=occasions != {"arrived"},
        looked_at=len({case.key for case, _ in found}),
        count=len(matched),
        touched=tuple(
            Touched(
                conversation_id=case.conversation_id,
                message_id=case.message_id,
                subject=case.subject,
                sender=case.facts.sender_name or case.facts.sender_address,
                at=case.at,
                actions=tuple(action_json(todo.action) for todo in decision.todo if todo.rule_id == rule_id),
                left_out=len(trace.left_out) if trace is not None else 0,
            )
            for case, decision, trace in matched[:SHOWN]
        ),
        failed=sum(1 for _, _, trace in traces if trace is not None and trace.how == "failed"),
    )


def _newest_mails(session: Session, who: Viewer) -> list[int]:
    """Of each mailbox the newest are walked by their own index, as mails come in by the thousand."""
    wanted = (
        select(Message.id)
        .join(Conversation, Conversation.id == Message.conversation_id)
        .where(
            Message.direction == "in",
            Conversation.mailbox_id.in_(who.mailbox_ids),
            Conversation.status.not_in(("spam", JOINED)),
        )
        .order_by(Message.id.desc())
        .limit(TRIED_ON)
    )
    return list(session.scalars(wanted))


def _that_may_be_touched(session: Session, who: Viewer, on: str) -> list[int]:
    """The newest conversations that such an occasion can be about, as `rule_runs` looks for them."""
    about = {
        "unanswered": (
            Conversation.status == "open",
            Conversation.waiting_since.is_not(None),
            Conversation.silent.is_(False),
        ),
        "schedule": (Conversation.status.in_(UNFINISHED),),
        "status_changed": (Conversation.status.not_in(("spam", JOINED)),),
    }[on]
    wanted = select(Conversation.id).where(Conversation.mailbox_id.in_(who.mailbox_ids), *about)
    return list(session.scalars(wanted.order_by(Conversation.id.desc()).limit(TRIED_ON)))


def _of_rule(traces: Sequence[Trace], rule_id: int) -> Trace | None:
    return next((one for one in traces if one.rule_id == rule_id), None)


# -- at work


def in_force(session: Session, *, also: int | None = None) -> Compiled:
    """All rules in their order, ready to decide. `also` is asked as if it were switched on."""
    rows = _rows(session)
    if not rows:
        return compiled(())
    told = tuple(
        (rule.id, rule.version, json.dumps(version.body | {"enabled": rule.enabled or rule.id == also}, sort_keys=True))
        for rule, version in rows
    )
    return _compiled(told, known_ids(session))


@lru_cache(maxsize=8)
def _compiled(told: tuple[tuple[int, int, str], ...], known: Known) -> Compiled:
    """Kept until a rule, a person, a team, a tag or a mailbox comes or goes."""
    return compiled(
        stored_rule(json.loads(body), id=rule_id, version=version, known=known) for rule_id, version, body in told
    )


def any_set_off(session: Session, on: str) -> bool:
    """Whether a rule that is switched on waits for that (`routing.triggers.ONS`)."""
    return any(
        rule.enabled and any(one.get("on") == on for one in version.body.get("triggers", ()))
        for rule, version in _rows(session)
    )


def known_ids(session: Session) -> Known:
    """What rules may name as it exists now."""
    return Known(
        people=frozenset(session.scalars(select(User.id).where(User.active))),
        teams=frozenset(session.scalars(select(Team.id))),
        tags=frozenset(session.scalars(select(Tag.id))),
        mailboxes=frozenset(session.scalars(select(Mailbox.id))),
        deadline_policies=frozenset(session.scalars(select(DeadlinePolicy.id))),
        templates=frozenset(session.scalars(select(AnswerText.id))),
        webhooks=frozenset(session.scalars(select(Webhook.id).where(*FOR_RULES))),
    )


def named(session: Session, do: str) -> dict[int, tuple[str, ...]]:
    """Names of the rules, switched on or off, by the text or webhook that one of their actions `do` names."""
    key = NAMED[do][0]
    found: dict[int, tuple[str, ...]] = {}
    for _, version in _rows(session):
        ids = {one[key] for one in version.body.get("actions", ()) if one.get("do") == do}
        found |= {one: (*found.get(one, ()), str(version.body.get("name", ""))) for one in ids}
    return found


def said(session: Session, wanted: Sequence[tuple[int, int]]) -> dict[tuple[int, int], dict[str, Any]]:
    """What rules said in these versions, by (rule, version)."""
    if not wanted:
        return {}
    rows = session.scalars(select(RuleVersion).where(RuleVersion.rule_id.in_({rule_id for rule_id, _ in wanted})))
    return {(one.rule_id, one.version): one.body for one in rows}


def _checked(session: Session, body: Mapping[str, Any]) -> dict[str, Any]:
    """The rule as it is stored. Raises WrongRule."""
    given = dict(body)
    given.pop("enabled", None)  # a switch beside the rule: flipping it makes no new version
    _hold(session, given)
    try:
        rule = rule_from(given, id=0, version=0, known=known_ids(session))
    except RuleRefused as error:
        raise WrongRule(error.refused) from None
    stored = rule_json(rule)
    del stored["enabled"]
    return stored


def _hold(session: Session, body: Mapping[str, Any]) -> None:
    """Texts and webhooks that the rule names stay until the commit: removing them looks for rules first."""
    actions = [one for one in _list(body.get("actions")) if isinstance(one, dict)]
    for do, (key, model) in NAMED.items():
        ids = {one.get(key) for one in actions if one.get("do") == do and type(one.get(key)) is int}
        if ids:
            session.execute(select(model.id).where(model.id.in_(ids)).order_by(model.id).with_for_update(read=True))


def _list(told: object) -> list[Any]:
    return told if isinstance(told, list) else []


def _next_version(session: Session, who: Viewer, rule: Rule, body: dict[str, Any], *, now: datetime) -> None:
    rule.version += 1
    rule.failures, rule.failed_at, rule.failure = 0, None, None
    session.add(RuleVersion(rule_id=rule.id, version=rule.version, at=now, user_id=who.id, body=body))
    session.flush()
    people.audit(session, who, "rule_changed", now=now, rule=rule.id, name=body["name"], version=rule.version)


def _rows(session: Session, *, lock: bool = False) -> list[tuple[Rule, RuleVersion]]:
    wanted = (
        select(Rule, RuleVersion)
        .join(RuleVersion, (RuleVersion.rule_id == Rule.id) & (RuleVersion.version == Rule.version))
        .where(Rule.removed.is_(False))
        .order_by(Rule.position, Rule.id)
    )
    if lock:
        wanted = wanted.with_for_update(of=Rule)
    return [(rule, version) for rule, version in session.execute(wanted)]


def _rule(session: Session, rule_id: int, *, lock: bool = False) -> Rule:
    found = session.get(Rule, rule_id, with_for_update=lock, populate_existing=lock)
    if found is None or found.removed:
        raise NotFound
    return found


def _view(row: tuple[Rule, RuleVersion], number: int, known: Known) -> RuleView:
    rule, version = row
    read = stored_rule(version.body, id=rule.id, version=rule.version, known=known)
    return RuleView(
        id=rule.id,
        number=number,
        name=str(version.body.get("name", "")),
        enabled=rule.enabled,
        version=rule.version,
        body=dict(version.body),
        wrong=read.refused if isinstance(read, BrokenRule) else (),
        hits=rule.hits,
        last_hit_at=rule.last_hit_at,
        failures=rule.failures,
        failed_at=rule.failed_at,
        failure=rule.failure,
    )
