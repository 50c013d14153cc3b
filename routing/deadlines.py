"""Until when must we answer? Targets in working minutes, the clocks that run against them, the steps of escalation.

Three kinds of clocks: `first_answer` and `next_answer` run from the oldest customer message that nobody answered until
our answer; `resolution` runs from the customer's first message until the conversation is closed. All of them stand
still while we wait for the customer, and count the calendar's working time only. A snooze stops no clock: the customer
still waits. Conversations that came in by the first import, and spam, have none.

A policy's JSON form (`to_json`, `from_json`), `null` for what is not promised, an empty list for "any":

    {"name": "Gold", "first_answer": 60, "next_answer": 120, "resolution": null,
     "mailboxes": [3], "tiers": ["gold"], "tags": [7], "priorities": ["high"],
     "escalation": [{"percent": 50, "to": ["owner"]}, {"percent": 100, "to": ["owner", "team", "manager"]}]}
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import Any, Literal, cast, get_args

from routing import forms
from routing.calendars import Calendar
from routing.facts import PRIORITIES
from routing.hours import MINUTE, NOTHING, NoWorkingTime, add_working_time, working_time
from routing.refusals import N_, Refused
from routing.words import folded

Kind = Literal["first_answer", "next_answer", "resolution"]
State = Literal["running", "paused", "met", "late"]
Told = Literal["owner", "team", "manager"]
KINDS: tuple[Kind, ...] = get_args(Kind)
TOLD: tuple[Told, ...] = get_args(Told)
LONGEST = 500_000  # minutes of one target; about four years of office hours


@dataclass(frozen=True, slots=True)
class Escalation:
    """At `percent` of the target (1 to 100) these are told."""

    percent: int
    to: tuple[Told, ...]


ESCALATION = (
    Escalation(50, ("owner",)),
    Escalation(80, ("owner", "team")),
    Escalation(100, ("owner", "team", "manager")),
)


@dataclass(frozen=True, slots=True)
class Policy:
    """Targets in working minutes, None for what is not promised, and for which conversations they hold.

    An empty set holds for any; of several tags one is enough. Tiers are compared as rules compare texts. Raises Refused
    with the field.
    """

    name: str
    first_answer: int | None = None
    next_answer: int | None = None
    resolution: int | None = None
    mailboxes: frozenset[int] = frozenset()
    tiers: frozenset[str] = frozenset()
    tags: frozenset[int] = frozenset()
    priorities: frozenset[str] = frozenset()  # of facts.PRIORITIES
    escalation: tuple[Escalation, ...] = ESCALATION

    def __post_init__(self) -> None:
        targets = {kind: self.target(kind) for kind in KINDS}
        for kind, minutes in targets.items():
            if minutes is not None and minutes < 1:
                raise Refused(kind, N_("A deadline needs at least one minute."))
            if minutes is not None and minutes > LONGEST:
                raise Refused(kind, N_("A deadline of more than %(most)s minutes is not possible."), most=LONGEST)
        if all(minutes is None for minutes in targets.values()):
            raise Refused("first_answer", N_("A policy needs at least one deadline."))
        if self.first_answer and self.resolution and self.resolution < self.first_answer:
            raise Refused("resolution", N_("The first answer cannot take longer than the resolution."))
        for priority in self.priorities - set(PRIORITIES):
            raise Refused("priorities", N_("There is no priority “%(priority)s”."), priority=priority)
        for number, step in enumerate(self.escalation):
            _check_escalation(f"escalation.{number}", step, self.escalation[:number])

    def target(self, kind: Kind) -> int | None:
        """The working minutes of that kind of clock."""
        minutes: int | None = getattr(self, kind)
        return minutes

    def holds_for(self, which: Which) -> bool:
        return (
            (not self.mailboxes or which.mailbox in self.mailboxes)
            and (not self.tiers or folded(which.tier) in map(folded, self.tiers))
            and (not self.tags or bool(self.tags & which.tags))
            and (not self.priorities or which.priority in self.priorities)
        )


@dataclass(frozen=True, slots=True)
class Which:
    """What decides about the policy of a conversation; `tier` is its customer's, "" for none."""

    mailbox: int
    tier: str = ""
    tags: frozenset[int] = frozenset()
    priority: str = "normal"


def policy_for(policies: Iterable[Policy], which: Which) -> Policy | None:
    """The first policy that holds, in the order in which a manager put them, as with rules: special ones come first.

    Not the strictest: a long deadline that somebody promised one customer on purpose must be able to win.
    """
    return next((policy for policy in policies if policy.holds_for(which)), None)


@dataclass(frozen=True, slots=True)
class Pause:
    """From `start` until `end` nobody of us had to act: we waited for the customer, or it was closed for a while.

    `end` is None while that still holds. Raises ValueError when it is before `start`.
    """

    start: datetime
    end: datetime | None = None

    def __post_init__(self) -> None:
        if self.end is not None and self.end < self.start:
            raise ValueError("a pause ends after it began")


@dataclass(frozen=True, slots=True)
class DeadlineFacts:
    """What the clocks of one conversation are worked out from; all times aware.

    `status` is open, waiting, snoozed, closed or spam. `began_at` is when the customer's first message came, None when
    none did. `waiting_since` is when the oldest unanswered one came, None when all are answered. `first_answered_at` is
    our first answer by a person; `first_asked_at` the message that it answered, where that is not the first one of all.
    `silent`: came in by the first import.
    """

    status: str
    began_at: datetime | None
    waiting_since: datetime | None = None
    first_answered_at: datetime | None = None
    first_asked_at: datetime | None = None
    closed_at: datetime | None = None
    pauses: tuple[Pause, ...] = ()
    silent: bool = False


@dataclass(frozen=True, slots=True)
class Step:
    """At `at` so many percent of the target were used up; `to` are told."""

    percent: int
    at: datetime
    to: tuple[Told, ...]


@dataclass(frozen=True, slots=True)
class Clock:
    """One deadline. `used` is working time without pauses; `share` of the target, 1.0 when all of it is used.

    `due_at` is None while the clock is paused (it is not known then) and when the calendar never has so much time.
    late: the deadline is over, answered or not; met: stopped by then; an answer at the very instant is in time.
    `reached` are the steps so far, `ahead` the next one.
    """

    kind: Kind
    state: State
    started_at: datetime
    stopped_at: datetime | None
    target_minutes: int
    used: timedelta
    due_at: datetime | None
    reached: tuple[Step, ...]
    ahead: Step | None

    @property
    def used_minutes(self) -> int:
        """Whole minutes, rounded down."""
        return self.used // MINUTE

    @property
    def share(self) -> float:
        return self.used / (self.target_minutes * MINUTE)

    @property
    def ticking(self) -> bool:
        """Whether nobody answered yet and nobody paused it."""
        return self.stopped_at is None and self.state != "paused"


@dataclass(frozen=True, slots=True)
class Deadlines:
    """The clocks of one conversation, at most one of each kind; none without a policy."""

    policy: str
    clocks: tuple[Clock, ...] = ()

    def of(self, kind: Kind) -> Clock | None:
        return next((clock for clock in self.clocks if clock.kind == kind), None)

    @property
    def most_urgent(self) -> Clock | None:
        """The clock that is due first among those that still tick: what lists sort by and boards show."""
        ticking = [clock for clock in self.clocks if clock.ticking and clock.due_at is not None]
        return min(ticking, key=lambda clock: (clock.due_at, KINDS.index(clock.kind)), default=None)


def deadlines(policy: Policy | None, facts: DeadlineFacts, *, calendar: Calendar, now: datetime) -> Deadlines:
    """The clocks of a conversation as they stand at `now`.

    An answer's clock runs while a customer message is unanswered: the first one until any person of us answered, the
    next one after that. When it is closed without an answer (対応不要) no answer is owed and only the resolution
    counts.
    """
    if policy is None or facts.silent or facts.status == "spam" or facts.began_at is None:
        return Deadlines("" if policy is None else policy.name)
    closed_at = facts.closed_at if facts.status == "closed" else None
    spans: dict[Kind, tuple[datetime, datetime | None]] = {"resolution": (facts.began_at, closed_at)}
    if facts.first_answered_at is not None:
        spans["first_answer"] = (facts.first_asked_at or facts.began_at, facts.first_answered_at)
    if facts.waiting_since is not None and facts.status != "closed":
        spans["next_answer" if facts.first_answered_at else "first_answer"] = (facts.waiting_since, None)
    clocks = []
    for kind in KINDS:
        minutes = policy.target(kind)
        if minutes is not None and kind in spans:
            started_at, stopped_at = spans[kind]
            clocks.append(
                clock(
                    kind,
                    minutes,
                    started_at=started_at,
                    stopped_at=stopped_at,
                    pauses=facts.pauses,
                    escalation=policy.escalation,
                    calendar=calendar,
                    now=now,
                )
            )
    return Deadlines(policy.name, tuple(clocks))


def next_change(found: Deadlines | Iterable[Deadlines]) -> datetime | None:
    """The next instant at which a step is reached if nothing happens: until then a clock may sleep. None: never."""
    each = (found,) if isinstance(found, Deadlines) else found
    return min((one.ahead.at for every in each for one in every.clocks if one.ahead is not None), default=None)


def clock(
    kind: Kind,
    minutes: int,
    *,
    started_at: datetime,
    stopped_at: datetime | None = None,
    pauses: Sequence[Pause] = (),
    escalation: Sequence[Escalation] = ESCALATION,
    calendar: Calendar,
    now: datetime,
) -> Clock:
    """One clock by itself, for reports about answers of the past; `stopped_at` None while it runs."""
    if stopped_at is not None and stopped_at > now:
        stopped_at = None  # it has not happened yet
    if stopped_at is not None:  # what came after it, or with it, is not its pause
        pauses = [pause for pause in pauses if pause.start < stopped_at]
    until = now if stopped_at is None else stopped_at
    stretches = _stretches(started_at, pauses, until)
    resumes, ends = stretches[-1]
    used = sum((working_time(calendar, start, min(end or until, until)) for start, end in stretches), NOTHING)
    due_at = _after(calendar, stretches, minutes * MINUTE)
    steps = [
        Step(one.percent, at, one.to)
        for one in sorted(escalation, key=lambda one: one.percent)
        if (at := _after(calendar, stretches, minutes * MINUTE * one.percent / 100)) is not None
    ]
    return Clock(
        kind=kind,
        state=_state(due_at, stopped_at, now=now, paused=ends is not None or resumes > until),
        started_at=started_at,
        stopped_at=stopped_at,
        target_minutes=minutes,
        used=used,
        due_at=due_at,
        reached=tuple(step for step in steps if step.at <= until),
        ahead=None if stopped_at else next((step for step in steps if step.at > until), None),
    )


def _state(due_at: datetime | None, stopped_at: datetime | None, *, now: datetime, paused: bool) -> State:
    if stopped_at is not None:
        return "met" if due_at is None or stopped_at <= due_at else "late"
    if due_at is not None and due_at <= now:
        return "late"
    return "paused" if paused else "running"


def _stretches(
    started_at: datetime, pauses: Iterable[Pause], until: datetime
) -> list[tuple[datetime, datetime | None]]:
    """The spans between the pauses, at least one; the last has no end unless a pause still holds.

    A pause that begins after `until` is none yet.
    """
    here = started_at
    stretches: list[tuple[datetime, datetime | None]] = []
    for pause in sorted(pauses, key=lambda pause: pause.start):
        if pause.start > until or (pause.end is not None and pause.end <= here):
            continue
        if pause.start > here:
            stretches.append((here, pause.start))
        if pause.end is None:
            return stretches or [(here, here)]
        here = pause.end
    return [*stretches, (here, None)]


def _after(
    calendar: Calendar, stretches: Iterable[tuple[datetime, datetime | None]], amount: timedelta
) -> datetime | None:
    """When so much working time of the stretches is over; None when they, or the calendar, do not have that much."""
    for start, end in stretches:
        if end is None:
            try:
                return add_working_time(calendar, start, amount)
            except NoWorkingTime:
                return None
        there = working_time(calendar, start, end)
        if there >= amount:
            return add_working_time(calendar, start, amount)
        amount -= there
    return None


# -- JSON


def to_json(policy: Policy) -> dict[str, Any]:
    """The form in which a policy is stored; `from_json` gives an equal one."""
    return {
        "name": policy.name,
        **{kind: policy.target(kind) for kind in KINDS},
        "mailboxes": sorted(policy.mailboxes),
        "tiers": sorted(policy.tiers),
        "tags": sorted(policy.tags),
        "priorities": sorted(policy.priorities),
        "escalation": [{"percent": step.percent, "to": list(step.to)} for step in policy.escalation],
    }


def from_json(stored: Mapping[str, Any]) -> Policy:
    """The policy of that JSON form; raises Refused with the field that is wrong."""
    forms.only(stored, "", known=[field.name for field in fields(Policy)])
    return Policy(
        name=forms.text(stored.get("name", ""), "name"),
        first_answer=forms.number_or_none(stored.get("first_answer"), "first_answer"),
        next_answer=forms.number_or_none(stored.get("next_answer"), "next_answer"),
        resolution=forms.number_or_none(stored.get("resolution"), "resolution"),
        mailboxes=frozenset(forms.numbers(stored.get("mailboxes", []), "mailboxes")),
        tiers=frozenset(forms.texts(stored.get("tiers", []), "tiers")),
        tags=frozenset(forms.numbers(stored.get("tags", []), "tags")),
        priorities=frozenset(forms.texts(stored.get("priorities", []), "priorities")),
        escalation=_escalation(stored["escalation"]) if "escalation" in stored else ESCALATION,
    )


def _escalation(stored: object) -> tuple[Escalation, ...]:
    steps = []
    for number, one in enumerate(forms.items(stored, "escalation")):
        field = f"escalation.{number}"
        step = forms.mapping(one, field)
        forms.only(step, field, known=("percent", "to"))
        to = cast("tuple[Told, ...]", forms.texts(step.get("to"), field))  # checked by Policy
        steps.append(Escalation(forms.number(step.get("percent"), field), to))
    return tuple(steps)


def _check_escalation(field: str, step: Escalation, earlier: Iterable[Escalation]) -> None:
    if not 1 <= step.percent <= 100:
        raise Refused(field, N_("A step lies between 1 % and 100 %."))
    if any(step.percent == other.percent for other in earlier):
        raise Refused(field, N_("%(percent)s %% stands here twice."), percent=step.percent)
    if not step.to or any(one not in TOLD for one in step.to):
        raise Refused(field, N_("A step tells the owner, the team or the manager."))
