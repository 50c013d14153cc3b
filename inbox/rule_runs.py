"""Rules at work: something happened to conversations, the rules decide, their actions are carried out, the trace is
kept.

All in the caller's transaction. What fails costs a rule, never a mail: its actions are taken back, it is counted as an
alarm, and the other rules go on.

Changes of status are noted where they are made (`conversations.place`), whoever makes them, and asked about once:
before the commit, or earlier by those who need to know at once what rules make of them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import structlog
from sqlalchemy import event, exists, func, insert, select, update
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.orm import Session

from inbox import assignment, conversations, moves, rule_facts, rules, telling, webhooks, working_hours
from inbox.autoanswers import Wish
from inbox.conversations import upsert
from inbox.mail.languages import language_of
from inbox.models import (
    Conversation,
    ConversationTag,
    Draft,
    Event,
    Mailbox,
    MailboxTeam,
    Message,
    Note,
    Rule,
    RuleTrace,
    RuleWaited,
    Setting,
    Tag,
    Team,
    TeamMember,
)
from inbox.models.conversations import UNFINISHED
from inbox.rule_facts import Case
from routing.actions import (
    Action,
    AddTag,
    Assign,
    AutoAnswer,
    CallWebhook,
    GiveToTeam,
    MarkSpam,
    MoveToMailbox,
    Notify,
    RemoveTag,
    SetDeadlinePolicy,
    SetPriority,
    SetStatus,
)
from routing.evaluation import MOST_ACTIONS, Compiled, Decision, ToDo, compiled, decide
from routing.hours import working_time
from routing.refusals import N_, Refused
from routing.rules import BrokenRule
from routing.rules import Rule as PureRule
from routing.traces import trace_json
from routing.triggers import ARRIVED, Happened, Schedule, StatusChanged, Unanswered, last_due

LATELY = timedelta(hours=1)  # in which rules do at most MOST_ACTIONS to one mail
AT_ONCE = 100  # conversations of one transaction of the clock
PLANNED = "rules_by_the_clock"  # the setting with the rules whose moment has come, and the last conversation done
UNTOUCHED = ("not_triggered", "disabled")  # a trace of nothing else is not worth keeping
LOOKED_BACK = timedelta(days=366)  # an answer that is owed for longer is owed all the same

log = structlog.get_logger()


class _Failed(Exception):
    """An action that could not be carried out."""

    def __init__(self, rule_id: int, error: Exception) -> None:
        super().__init__(str(error))
        self.rule_id, self.error = rule_id, error


# -- what sets rules off


def arrived(session: Session, message_ids: Sequence[int], *, now: datetime) -> dict[int, Wish]:
    """Mails came in and are filed. Several of one conversation are treated one after the other.

    The answers that rules want, by the mail's id: whether they may leave is decided by `autoanswers`.
    """
    wishes: dict[int, Wish] = {}
    in_force = rules.in_force(session)
    if not in_force.rules and session.scalar(select(MailboxTeam.team_id).limit(1)) is None:
        return wishes
    for wave in _waves(session, message_ids):
        cases = rule_facts.of_messages(session, wave, asks=in_force.asks, now=now)
        decided = _each(session, in_force, [one for one in cases if one.facts.status != "spam"], ARRIVED, now=now)
        wishes |= {one.case.message_id: one.wish for one in decided if one.wish is not None}
        _follow(session, in_force, decided, now=now)
    return wishes


def status_changed(session: Session, *, now: datetime | None = None) -> None:
    """Asks about every conversation whose status changed in this transaction and about which no rule was asked yet.

    `now` is when the last of them changed, unless given.
    """
    if not conversations.noted(session):
        return
    if not rules.any_set_off(session, "status_changed"):
        conversations.changes(session)
        return
    now = now or max(one.at for one in conversations.noted(session).values())
    _follow(session, rules.in_force(session), (), now=now)


@event.listens_for(Session, "before_commit")
def _before_commit(session: Session) -> None:
    if not session.in_nested_transaction():  # a savepoint ends
        status_changed(session)


def wait_for_the_clock(session: Session) -> bool:
    """Whether any rule is set off by time."""
    in_force = rules.in_force(session)
    return bool(_with(in_force, Unanswered) or _with(in_force, Schedule) or session.get(Setting, PLANNED))


def unanswered(session: Session, *, now: datetime) -> int:
    """Rules that wait for so many working minutes without an answer; how many conversations they looked at."""
    in_force = rules.in_force(session)
    waiting = {rule.id: trigger.minutes for rule, trigger in _with(in_force, Unanswered)}
    found = _waited_enough(session, waiting, now=now) if waiting else {}
    if not found:
        return 0
    _lock(session, found)
    # as it is now that nobody else can ask, answer or join: another clock, or a person, may have been faster
    found = {one: due for one, due in _waited_enough(session, waiting, now=now).items() if one in found}
    for case in rule_facts.of_conversations(session, list(found), asks=in_force.asks, now=now):
        due = found[case.conversation_id]
        already = frozenset(waiting) - due
        decided = _each(session, in_force, [case], Happened("unanswered", already=already), now=now)
        _follow(session, in_force, decided, now=now)
        for rule_id in due:
            _remember_waiting(session, case, rule_id)
    return len(found)


def due_by_the_clock(session: Session, *, now: datetime) -> frozenset[int]:
    """Rules whose planned moment has come since they last ran; they count as run from now on, and `by_the_clock` asks
    them. None while it is not done with those before.

    The time zone is that of the first mailbox.
    """
    planned = _with(rules.in_force(session), Schedule)
    if not planned:
        return frozenset()
    zone = _zone(session)
    wanted = select(Rule).where(Rule.id.in_({rule.id for rule, _ in planned})).order_by(Rule.id).with_for_update()
    rows = {one.id: one for one in session.scalars(wanted.execution_options(populate_existing=True))}
    if session.get(Setting, PLANNED) is not None:
        return frozenset()
    due = {rule.id for rule, at in planned if last_due(at, now=now, zone=zone) > rows[rule.id].scheduled_at}
    for rule_id in due:
        rows[rule_id].scheduled_at = now
    if due:
        session.add(Setting(key=PLANNED, value={"rules": sorted(due), "after": 0}))
    session.flush()
    return frozenset(due)


def by_the_clock(session: Session, *, now: datetime) -> bool:
    """Asks the rules that `due_by_the_clock` found about the next unfinished conversations; whether there is more.

    Where it stands is kept with what was done: a clock process that dies leaves the rest to the next one.
    """
    place = session.get(Setting, PLANNED, with_for_update=True)
    if place is None:
        return False
    wanted = (
        select(Conversation.id)
        .where(Conversation.id > place.value["after"], Conversation.status.in_(UNFINISHED))
        .order_by(Conversation.id)
        .limit(AT_ONCE)
        .with_for_update()
    )
    ids = list(session.scalars(wanted))
    if not ids:
        session.delete(place)
        return False
    in_force = rules.in_force(session)
    cases = rule_facts.of_conversations(session, ids, asks=in_force.asks, now=now)
    decided = _each(session, in_force, cases, Happened("schedule", due=frozenset(place.value["rules"])), now=now)
    _follow(session, in_force, decided, now=now)
    place.value = place.value | {"after": ids[-1]}
    return True


def may_hand_back(session: Session, *, now: datetime) -> bool:
    """Whether a team hands back and anybody may be gone."""
    return bool(_patience(session) and assignment.Gone(session, now=now).perhaps)


def hand_back(session: Session, *, now: datetime, limit: int = AT_ONCE) -> int:
    """Conversations that sit untouched for too long with somebody who is away, or whose shift is over, go back to
    their team; how many."""
    patience = _patience(session)
    if not patience:
        return 0
    due = _sitting_too_long(session, patience, now=now)
    if not due:
        return 0
    kept: list[dict[str, Any]] = []
    with conversations.together(session):
        desk = assignment.Desk(session, patience, now=now)
        for one in _still_with_the_gone(session, due):
            if len(kept) < limit and (trace := _offered_again(desk, one, due[one.id], now=now)):
                kept.append(trace)
    if kept:
        session.connection().execute(insert(RuleTrace.__table__), kept)
    return len(kept)


# -- decide, do, tell


@dataclass
class _Evaluated:
    """What was decided, and what came of it. `first`: a mail arrived; `own_team_id`: of its mailbox; `names` of
    rules."""

    case: Case
    decision: Decision
    first: bool
    own_team_id: int | None
    names: dict[int, str]
    done: int = 0
    status_by: int | None = None  # the rule that gave it another status
    assignment: dict[str, Any] | None = None
    wish: Wish | None = None  # an answer

    @property
    def team_in_charge(self) -> int | None:
        """The team that hands out by itself when no rule says who gets it; None: nobody has to."""
        given = [one.action.team_id for one in self.decision.todo if isinstance(one.action, GiveToTeam)]
        if any(isinstance(one.action, Assign) for one in self.decision.todo):
            return None
        return given[0] if given else (self.case.facts.team_id or self.own_team_id) if self.first else None

    def asked_by(self, todo: ToDo) -> dict[str, Any]:
        """What the history keeps about who wanted it."""
        return {"rule": todo.rule_id, "rule_version": todo.version, "rule_name": self.names.get(todo.rule_id, "")}

    def teams(self) -> set[int]:
        """Every team that may be asked, so that all are locked before the first."""
        ways = [way for one in self.decision.todo if isinstance(one.action, Assign) for way in one.action.ways]
        return assignment.teams_in(ways) | ({self.team_in_charge} if self.team_in_charge is not None else set())


@dataclass
class _Tally:
    """Matches and failures of rules, to be counted in the order of their ids: no deadlock."""

    hits: Counter[int] = field(default_factory=Counter)
    failures: dict[int, tuple[int, dict[str, Any]]] = field(default_factory=dict)


def _follow(session: Session, in_force: Compiled, decided: Sequence[_Evaluated], *, now: datetime) -> None:
    """Asks about changes of status until none is left. `decided`: what rules did a moment ago; no rule is asked about
    a change that it made itself, and those that feed each other end at MOST_ACTIONS."""
    made_by = _made_by(decided)
    if not _waits_for(in_force, StatusChanged):
        conversations.changes(session)
        return
    while changed := conversations.changes(session):
        session.flush()
        by: dict[int | None, list[int]] = {}
        for conversation, change in changed.items():
            if conversation.status != change.before:
                by.setdefault(made_by.get(conversation.id), []).append(conversation.id)
        followed = []
        for rule_id in sorted(by, key=lambda one: one or 0):
            happened = Happened("status_changed", already=frozenset() if rule_id is None else frozenset({rule_id}))
            cases = rule_facts.of_conversations(session, by[rule_id], asks=in_force.asks, now=now)
            followed += _each(session, in_force, cases, happened, now=now)
        made_by = _made_by(followed)


def _made_by(decided: Sequence[_Evaluated]) -> dict[int, int]:
    """The rule that gave each conversation another status."""
    return {one.case.conversation_id: one.status_by for one in decided if one.status_by is not None}


def _each(
    session: Session, in_force: Compiled, cases: Sequence[Case], happened: Happened, *, now: datetime
) -> list[_Evaluated]:
    """All of them at once; if an action fails, one by one and without the rule that failed."""
    if not cases:
        return []
    try:
        return _attempt(session, in_force, cases, happened, now=now)
    except _Failed as failed:
        log.exception("rule_failed", rule=failed.rule_id, error=str(failed.error)[:300])
    decided = []
    for case in cases:
        remaining = in_force
        while True:
            try:
                decided += _attempt(session, remaining, [case], happened, now=now)
                break
            except _Failed as failed:
                remaining = _without(remaining, failed)
    return decided


def _attempt(
    session: Session, in_force: Compiled, cases: Sequence[Case], happened: Happened, *, now: datetime
) -> list[_Evaluated]:
    """Within a savepoint. Raises _Failed when an action fails; nothing of it remains then."""
    before = _done_before(session, cases, now=now) if happened != ARRIVED else {}
    own_teams = assignment.team_of_mailbox(session, {one.mailbox_id for one in cases}) if happened == ARRIVED else {}
    names = {rule.id: rule.name for rule in in_force.rules}
    decided = [
        _Evaluated(
            case,
            decide(in_force, case.facts, happened=happened, done=before.get(case.key, 0)),
            first=happened == ARRIVED,
            own_team_id=own_teams.get(case.mailbox_id),
            names=names,
        )
        for case in cases
    ]
    with session.begin_nested():
        wanted = select(Conversation).where(Conversation.id.in_({one.conversation_id for one in cases}))
        rows = {one.id: one for one in session.scalars(wanted)}
        desk = assignment.Desk(session, {team_id for one in decided for team_id in one.teams()}, now=now)
        with conversations.together(session):
            for one in decided:
                _carry_out(session, desk, one, rows[one.case.conversation_id], now=now)
        _keep(session, decided, happened, now=now)
    return decided


def _carry_out(
    session: Session, desk: assignment.Desk, one: _Evaluated, conversation: Conversation, *, now: datetime
) -> None:
    tell = []
    for todo in one.decision.todo:
        status = conversation.status
        if not _would_change(session, conversation, todo.action):
            continue
        try:
            if isinstance(todo.action, Notify):
                tell.append((todo.action, one.names.get(todo.rule_id, "")))
            elif isinstance(todo.action, Assign):
                told = _assign(desk, conversation, todo.action, one, **one.asked_by(todo))
                one.assignment = told | {"rule": todo.rule_id}
            elif isinstance(todo.action, AutoAnswer):
                name = one.names.get(todo.rule_id, "")
                one.wish = Wish(todo.action.template_id, todo.rule_id, todo.version, name)
            else:
                _do(session, conversation, todo.action, now=now, about=one.asked_by(todo))
        except (OperationalError, InterfaceError):
            raise  # the database's trouble is no rule's fault
        except Exception as error:  # one rule's failure is told and must not keep a mail from being filed
            raise _Failed(todo.rule_id, error) from error
        one.done += 1
        if conversation.status != status:
            one.status_by = todo.rule_id
    if one.team_in_charge is not None and _wants_an_owner(conversation):
        one.assignment = desk.hand_out(
            conversation, assignment.by_team(one.team_in_charge), language=_language(one.case)
        )
    for notify, rule_name in tell:  # now the owner is known
        _tell(session, conversation, notify, rule_name, now=now)


def _tell(session: Session, conversation: Conversation, notify: Notify, rule_name: str, *, now: datetime) -> None:
    to = set(notify.people)
    if notify.teams:
        to.update(session.scalars(select(TeamMember.user_id).where(TeamMember.team_id.in_(notify.teams))))
    if notify.owner and conversation.owner_id is not None:
        to.add(conversation.owner_id)
    telling.about(session, "rule", now=now, to=to, conversation_id=conversation.id, rule_name=rule_name)


def _assign(
    desk: assignment.Desk, conversation: Conversation, action: Assign, one: _Evaluated, **about: Any
) -> dict[str, Any]:
    """With a new mail an owner stays the owner while they can be; what is finished gets none."""
    if conversation.status in assignment.FINISHED:
        return {"owner": conversation.owner_id, "team": None, "reason": "finished", "considered": []}
    if one.first and conversation.owner_id is not None and desk.can_own(conversation):
        return {"owner": conversation.owner_id, "team": None, "reason": "kept", "considered": []}
    return desk.hand_out(conversation, action.ways, language=_language(one.case), **about)


def _wants_an_owner(conversation: Conversation) -> bool:
    return conversation.owner_id is None and conversation.status not in assignment.FINISHED


def _do(session: Session, conversation: Conversation, action: Action, *, now: datetime, about: dict[str, Any]) -> None:
    told: dict[str, Any] = {"now": now, "actor_id": None, **about}
    match action:
        case GiveToTeam(team_id):
            conversations.give_to_team(session, conversation, team_id, **told)
        case AddTag(tag_id):
            conversations.tag(session, conversation, session.get_one(Tag, tag_id).name, **told)
        case RemoveTag(tag_id):
            conversations.untag(session, conversation, tag_id, **told)
        case SetStatus(status):
            conversations.set_status(session, conversation, status, **told)
        case MarkSpam():
            conversations.set_status(session, conversation, "spam", **told)
        case SetPriority(priority):
            conversations.set_priority(session, conversation, priority, **told)
        case SetDeadlinePolicy(policy_id):
            conversations.set_deadline_policy(session, conversation, policy_id, **told)
        case MoveToMailbox(mailbox_id):
            moves.carry(session, conversation, session.get_one(Mailbox, mailbox_id), **told)
        case CallWebhook(webhook_id):
            webhooks.call(session, webhook_id, "rule", now=now, conversation=conversation, **about)
        case _:
            raise NotImplementedError(type(action).__name__)


def _would_change(session: Session, conversation: Conversation, action: Action) -> bool:
    """What stands so already is not done, not told and not counted."""
    match action:
        case GiveToTeam(team_id):
            return conversation.team_id != team_id
        case AddTag(tag_id):
            return session.get(ConversationTag, (conversation.id, tag_id), populate_existing=True) is None
        case RemoveTag(tag_id):
            return session.get(ConversationTag, (conversation.id, tag_id), populate_existing=True) is not None
        case SetStatus(status):
            return conversation.status != status
        case MarkSpam():
            return conversation.status != "spam"
        case SetPriority(priority):
            return conversation.priority != priority
        case SetDeadlinePolicy(policy_id):
            return conversation.policy_id != policy_id
        case MoveToMailbox(mailbox_id):
            return conversation.mailbox_id != mailbox_id
    return True


def _keep(session: Session, decided: Sequence[_Evaluated], happened: Happened, *, now: datetime) -> None:
    """Traces and counters. An evaluation that no rule waited for leaves none."""
    told = [
        one
        for one in decided
        if one.assignment is not None or any(trace.how not in UNTOUCHED for trace in one.decision.trace)
    ]
    if not told:
        return
    session.connection().execute(
        insert(RuleTrace.__table__),
        [
            {
                "conversation_id": one.case.conversation_id,
                "message_id": one.case.message_id or None,
                "at": now,
                "happened": happened.on,
                "done": one.done,
                "capped": one.decision.capped,
                "trace": trace_json(one.decision.trace),
                "assignment": one.assignment,
            }
            for one in told
        ],
    )
    _count(session, told, now=now)


def _count(session: Session, decided: Sequence[_Evaluated], *, now: datetime) -> None:
    tally = _Tally()
    for one in decided:
        for trace in one.decision.trace:
            if trace.how == "matched":
                tally.hits[trace.rule_id] += 1
            elif trace.how == "failed":
                count, _ = tally.failures.get(trace.rule_id, (0, {}))
                tally.failures[trace.rule_id] = count + 1, {"error": trace.error, "params": dict(trace.params)}
    for rule_id in sorted({*tally.hits, *tally.failures}):
        values: dict[str, Any] = {}
        if rule_id in tally.hits:
            values |= {"hits": Rule.hits + tally.hits[rule_id], "last_hit_at": now}
        if rule_id in tally.failures:
            count, failure = tally.failures[rule_id]
            values |= {"failures": Rule.failures + count, "failed_at": now, "failure": failure}
        session.execute(
            update(Rule).where(Rule.id == rule_id).values(**values).execution_options(synchronize_session=False)
        )


def _without(in_force: Compiled, failed: _Failed) -> Compiled:
    """The same rules; the one that failed tells so and does nothing."""
    told = f"{type(failed.error).__name__}: {failed.error}"[:200]
    why = Refused("actions", N_("It failed as it ran: %(error)s"), error=told)
    return compiled(
        BrokenRule(id=one.id, version=one.version, name=one.name, refused=(why,)) if one.id == failed.rule_id else one
        for one in in_force.rules
    )


# -- what is needed for it


def _waves(session: Session, message_ids: Sequence[int]) -> list[list[int]]:
    """The mails in batches in which no conversation stands twice, in their order."""
    waves: list[list[int]] = []
    seen: Counter[int] = Counter()
    wanted = select(Message.id, Message.conversation_id).where(Message.id.in_(message_ids)).order_by(Message.id)
    for message_id, conversation_id in session.execute(wanted):
        number = seen[conversation_id]
        seen[conversation_id] += 1
        if number == len(waves):
            waves.append([])
        waves[number].append(message_id)
    return waves


def _waits_for(in_force: Compiled, kind: type) -> bool:
    return bool(_with(in_force, kind))


def _with(in_force: Compiled, kind: type) -> list[tuple[PureRule, Any]]:
    """Rules that run and are set off so, with the trigger."""
    return [
        (rule, trigger)
        for rule in in_force.rules
        if isinstance(rule, PureRule) and rule.enabled
        for trigger in rule.triggers
        if isinstance(trigger, kind)
    ]


def _done_before(session: Session, cases: Iterable[Case], *, now: datetime) -> dict[tuple[int, int], int]:
    """How many actions rules did to these mails lately, by (conversation, mail; 0 for none): rules that feed each other
    do so at once, while one that reminds every morning goes on for weeks."""
    mail = func.coalesce(RuleTrace.message_id, 0)
    wanted = (
        select(RuleTrace.conversation_id, mail, func.sum(RuleTrace.done))
        .where(RuleTrace.conversation_id.in_({one.conversation_id for one in cases}), RuleTrace.at > now - LATELY)
        .group_by(RuleTrace.conversation_id, mail)
    )
    return {
        (conversation_id, message_id): min(int(done), MOST_ACTIONS)
        for conversation_id, message_id, done in session.execute(wanted)
    }


def _language(case: Case) -> str:
    return case.facts.language or language_of(case.facts.words or case.facts.subject)


# -- waiting


def _waited_enough(session: Session, waiting: dict[int, int], *, now: datetime) -> dict[int, frozenset[int]]:
    """Conversations whose customer has waited as long as a rule says and about which it was not asked yet."""
    found: dict[int, set[int]] = {}
    for mailbox_id in session.scalars(select(Mailbox.id).where(Mailbox.active)):
        calendar = working_hours.calendar_of(session, mailbox_id)
        for rule_id, minutes in waiting.items():
            asked = (
                select(RuleWaited.id)
                .where(
                    RuleWaited.conversation_id == Conversation.id,
                    RuleWaited.rule_id == rule_id,
                    RuleWaited.waiting_since == Conversation.waiting_since,
                )
                .exists()
            )
            wanted = select(Conversation.id).where(
                Conversation.mailbox_id == mailbox_id,
                Conversation.status == "open",
                Conversation.waiting_since <= _so_long_ago(calendar, minutes, now=now),
                Conversation.silent.is_(False),
                ~asked,
            )
            for conversation_id in session.scalars(wanted.order_by(Conversation.waiting_since).limit(AT_ONCE)):
                found.setdefault(conversation_id, set()).add(rule_id)
    return {conversation_id: frozenset(rule_ids) for conversation_id, rule_ids in found.items()}


def _so_long_ago(calendar: Any, minutes: int, *, now: datetime) -> datetime:
    """The latest instant since which so many working minutes have passed, to the second."""
    wanted, early, late = timedelta(minutes=minutes), now - LOOKED_BACK, now - timedelta(minutes=minutes)
    while late - early > timedelta(seconds=1):
        middle = early + (late - early) / 2
        if working_time(calendar, middle, now) >= wanted:
            early = middle
        else:
            late = middle
    return late if working_time(calendar, late, now) >= wanted else early


def _lock(session: Session, conversation_ids: Collection[int]) -> None:
    wanted = select(Conversation.id).where(Conversation.id.in_(conversation_ids)).order_by(Conversation.id)
    session.execute(wanted.with_for_update())


def _remember_waiting(session: Session, case: Case, rule_id: int) -> None:
    if case.waiting_since is None:
        return
    upsert(
        session,
        RuleWaited,
        {"conversation_id": case.conversation_id, "rule_id": rule_id, "waiting_since": case.waiting_since},
        key=["conversation_id", "rule_id"],
        update={"waiting_since": case.waiting_since},
    )


def _zone(session: Session) -> ZoneInfo:
    first = session.scalar(select(func.min(Mailbox.id)))
    return ZoneInfo(working_hours.calendar_of(session, first).zone) if first is not None else ZoneInfo("UTC")


# -- giving back

_UNTOUCHED = (  # an open conversation with an unanswered mail for which its owner wrote nothing; reading is no work
    Conversation.status == "open",
    Conversation.waiting_since.is_not(None),
    Conversation.silent.is_(False),
    ~exists().where(
        Draft.conversation_id == Conversation.id,
        Draft.author_id == Conversation.owner_id,
        Draft.state.in_(("open", "asked", "later")),
        Draft.touched,
    ),
    ~exists().where(
        Note.conversation_id == Conversation.id,
        Note.author_id == Conversation.owner_id,
        Note.at >= Conversation.waiting_since,
    ),
)


def _patience(session: Session) -> dict[int, int]:
    """Working minutes after which each team hands back."""
    rows = session.execute(select(Team.id, Team.hand_back_minutes).where(Team.hand_back_minutes.is_not(None)))
    return {team_id: minutes for team_id, minutes in rows if minutes is not None}


def _sitting_too_long(session: Session, patience: dict[int, int], *, now: datetime) -> dict[int, tuple[int, int]]:
    """(owner, team) of conversations for which their owner, who has left, did nothing for the team's time."""
    gone = assignment.Gone(session, now=now)
    earliest = now - timedelta(minutes=min(patience.values()))  # working time is never more than time
    given = (
        select(func.max(Event.at))
        .where(Event.conversation_id == Conversation.id, Event.kind == "assigned")
        .scalar_subquery()
    )
    team_id = func.coalesce(Conversation.team_id, MailboxTeam.team_id)
    rows = session.execute(
        select(
            Conversation.id, Conversation.owner_id, Conversation.mailbox_id, Conversation.waiting_since, team_id, given
        )
        .outerjoin(MailboxTeam, MailboxTeam.mailbox_id == Conversation.mailbox_id)
        .where(
            Conversation.owner_id.in_(gone.perhaps),
            Conversation.waiting_since <= earliest,
            team_id.in_(patience),
            *_UNTOUCHED,
        )
    ).all()
    calendars = {one: working_hours.calendar_of(session, one) for one in {row.mailbox_id for row in rows}}
    found = {}
    for id_, owner_id, mailbox_id, waiting_since, its_team, given_at in rows:
        since = max(waiting_since, given_at or waiting_since)
        enough = working_time(calendars[mailbox_id], since, now) >= timedelta(minutes=patience[its_team])
        if enough and gone.from_mailbox(owner_id, mailbox_id):
            found[id_] = (owner_id, its_team)
    return found


def _still_with_the_gone(session: Session, due: dict[int, tuple[int, int]]) -> list[Conversation]:
    """Those that nobody took or worked on meanwhile, locked."""
    wanted = (
        select(Conversation)
        .where(Conversation.id.in_(due), *_UNTOUCHED)
        .order_by(Conversation.id)
        .with_for_update(of=Conversation, skip_locked=True)
        .execution_options(populate_existing=True)
    )
    return [one for one in session.scalars(wanted) if one.owner_id == due[one.id][0]]


def _offered_again(
    desk: assignment.Desk, one: Conversation, about: tuple[int, int], *, now: datetime
) -> dict[str, Any] | None:
    """The trace of giving it back; None when nobody else was found."""
    before, team_id = about
    told = desk.hand_back(one, team_id)
    if told is None:
        return None
    return {
        "conversation_id": one.id,
        "message_id": None,
        "at": now,
        "happened": "handed_back",
        "done": 0,
        "capped": False,
        "trace": [],
        "assignment": told | {"before": before},
    }
