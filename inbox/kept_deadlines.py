"""The deadlines that stand in each conversation's own row, so that lists and boards read an index and work nothing out.

Whatever changes a clock (a message, status, tag, priority, mailbox) calls `keep` in the same transaction, another tier
of the customer `customer_changed`; a change of calendars or policies calls `all_anew`, and the clock process goes
through the open conversations in batches. Pauses are kept to the microsecond, so what was worked out can always be
worked out again.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import delete, insert, literal, select, update
from sqlalchemy.orm import Session

from inbox import working_hours
from inbox.db import insert_into, is_sqlite
from inbox.models import Conversation, ConversationTag, DeadlinePolicy, EscalationStep, Pause, Person, Setting
from inbox.models.conversations import JOINED
from routing import deadlines as routing
from routing.calendars import Calendar
from routing.deadlines import Clock, DeadlineFacts, Deadlines, Policy, Which

HALTED = ("waiting", "closed", "spam")  # in these nobody of us has to act
SOON = 80  # percent of a target; what used up as much is nearly due
BATCH = 200
ANEW = "deadlines_anew"  # the setting with the last conversation that was worked out anew


@dataclass(frozen=True)
class _Policies:
    """The policies of a transaction, in their order, with the calendars that were needed so far."""

    rows: tuple[tuple[int, Policy], ...]
    calendars: dict[int, Calendar]

    @property
    def ask_tags(self) -> bool:
        return any(policy.tags for _id, policy in self.rows)

    @property
    def ask_tier(self) -> bool:
        return any(policy.tiers for _id, policy in self.rows)


def moved(session: Session, conversation: Conversation, *, before: str, now: datetime) -> None:
    """Its status was `before` until `now`: a pause begins or ends with it."""
    was, halted = before in HALTED, conversation.status in HALTED
    if conversation.began_at is None or was == halted or JOINED in (before, conversation.status):
        return
    if conversation.id is None:
        session.flush()
    open_one = (Pause.conversation_id == conversation.id, Pause.ended_at.is_(None))
    with session.no_autoflush:  # mails by the dozen write their rows together, at the end
        if not halted:
            ended = update(Pause).where(*open_one).values(ended_at=now)
            session.execute(ended.execution_options(synchronize_session=False))
            return
        if session.scalar(select(Pause.started_at).where(*open_one).limit(1)) is not None:
            return
        values = {"conversation_id": conversation.id, "started_at": now, "why": conversation.status}
        begun = insert_into(session, Pause).values(**values, ended_at=None)
        # an answer that did arrive after all goes on with the pause that it began
        again = begun.on_conflict_do_update(index_elements=["conversation_id", "started_at"], set_={"ended_at": None})
        session.execute(again)


def part(session: Session, conversation: Conversation, *, joined_at: datetime, now: datetime) -> None:
    """A join is taken back: a pause that it ended goes on as if it had not been; none begins now."""
    mine = Pause.conversation_id == conversation.id
    for change in (
        delete(Pause).where(mine, Pause.started_at == now, Pause.ended_at.is_(None)),
        update(Pause).where(mine, Pause.ended_at == joined_at).values(ended_at=None),
    ):
        session.execute(change.execution_options(synchronize_session=False))
    keep(session, conversation, now=now)


def share_pauses(session: Session, old: Conversation, new: Conversation) -> None:
    """A part of the one is a conversation of its own from now on: what paused the one paused that part."""
    pauses = select(literal(new.id), Pause.started_at, Pause.ended_at, Pause.why).where(Pause.conversation_id == old.id)
    columns = ["conversation_id", "started_at", "ended_at", "why"]
    session.execute(insert(Pause).from_select(columns, pauses))


def keep(session: Session, conversation: Conversation, *, now: datetime) -> bool:
    """Works out the deadlines of one conversation and writes them into its row.

    False: its customer is being changed just now, so the clock process looks at it again at once.
    """
    policies = _policies(session)
    if not policies.rows and conversation.due_at is None and conversation.next_step_at is None:
        return True
    settled = not policies.ask_tier or not _may_tick(conversation) or _hold_tier(session, conversation.person_id)
    found = work_out(session, conversation, now=now) if _may_tick(conversation) else Deadlines("")
    urgent = found.most_urgent
    conversation.due_at = urgent.due_at if urgent else None
    conversation.due_kind = urgent.kind if urgent else ""
    conversation.soon_at = _soon_at(session, conversation, urgent, now=now) if urgent else None
    conversation.next_step_at = _next_step(session, conversation, found) if settled else now
    return settled


def _hold_tier(session: Session, person_id: int | None) -> bool:
    """The customer stays as they are until our commit: whoever changes their tier waits for it, and finds what we
    write. False: somebody changes it already.

    We wait for nobody, because we hold conversations and they want them next. SQLite has one writer anyway.
    """
    if person_id is None or is_sqlite(session):
        return True
    held = select(Person.id).where(Person.id == person_id).with_for_update(read=True, skip_locked=True)
    with session.no_autoflush:
        return session.scalar(held) is not None


def customer_changed(
    session: Session, person_id: int, *, besides: Collection[int] = (), now: datetime
) -> Sequence[Conversation]:
    """A customer's tier is another one: the deadlines of the open conversations follow; those that were looked at.

    Call it when the new tier is written and before any conversation is locked: what others open meanwhile is either
    seen here, because they held the old tier until their commit, or looked at again by the clock process (`keep`). Of a
    customer with more than BATCH it works all out anew. `besides`: ids of those that the caller writes into, locked
    with the others in the one order that everybody keeps.
    """
    if not _policies(session).ask_tier:
        return ()
    running = Conversation.status.in_(("open", "snoozed"))
    mine = session.scalars(
        select(Conversation.id).where(Conversation.person_id == person_id, running).limit(BATCH + 1)
    ).all()
    if len(mine) > BATCH:
        all_anew(session)
        return ()
    locked = session.scalars(
        select(Conversation)
        .where(Conversation.id.in_({*mine, *besides}))
        .order_by(Conversation.id)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).all()
    concerned = [one for one in locked if one.person_id == person_id and one.status in ("open", "snoozed")]
    for conversation in concerned:
        keep(session, conversation, now=now)
    return concerned


def work_out(session: Session, conversation: Conversation, *, now: datetime) -> Deadlines:
    """The clocks of a conversation as they stand at `now`."""
    policies = _policies(session)
    policy = _policy_of(session, policies, conversation)
    facts = facts_of(session, conversation)
    calendar = _calendar(session, policies, conversation.mailbox_id)
    return routing.deadlines(policy, facts, calendar=calendar, now=now)


def facts_of(session: Session, conversation: Conversation) -> DeadlineFacts:
    began = conversation.began_at
    waiting = conversation.waiting_since
    return DeadlineFacts(
        status=conversation.status,
        began_at=began,
        # what the first import left unanswered has no deadline; what came since then has
        waiting_since=max(waiting, began) if waiting and began else waiting,
        first_answered_at=conversation.first_answered_at,
        first_asked_at=conversation.first_asked_at,
        closed_at=conversation.closed_at,
        pauses=pauses_of(session, conversation.id),
    )


def pauses_of(session: Session, conversation_id: int | None) -> tuple[routing.Pause, ...]:
    if conversation_id is None:
        return ()
    wanted = select(Pause.started_at, Pause.ended_at).where(Pause.conversation_id == conversation_id)
    with session.no_autoflush:
        rows = session.execute(wanted.order_by(Pause.started_at)).all()
    return tuple(routing.Pause(start, max(start, end) if end else None) for start, end in rows)


def all_anew(session: Session) -> None:
    """Policies or calendars changed: the clock process works every running deadline out anew."""
    session.info.pop("policies", None)
    session.merge(Setting(key=ANEW, value=0))


def go_on_anew(session: Session, *, now: datetime) -> bool:
    """The next batch of what `all_anew` asked for; whether there is more. Steps that are over already are not told."""
    place = session.get(Setting, ANEW, with_for_update=True)
    if place is None:
        return False
    batch = session.scalars(
        select(Conversation)
        .where(Conversation.id > int(place.value), Conversation.status.in_(("open", "snoozed")))
        .order_by(Conversation.id)
        .limit(BATCH)
        .with_for_update()
    ).all()
    for conversation in batch:
        settled = keep(session, conversation, now=now)
        if settled and conversation.next_step_at is not None and conversation.next_step_at <= now:
            conversation.next_step_at = routing.next_change(work_out(session, conversation, now=now))
    if len(batch) < BATCH:
        session.delete(place)
        return False
    place.value = batch[-1].id
    return True


def note_answer(conversation: Conversation, at: datetime) -> None:
    """A person of us answers what waits: the first time, the clock of the first answer stops."""
    if conversation.first_answered_at is None and conversation.began_at and conversation.waiting_since:
        conversation.first_asked_at = max(conversation.waiting_since, conversation.began_at)
        conversation.first_answered_at = at


def forget_answer(conversation: Conversation, answered_at: datetime | None) -> None:
    """The answer of that moment did not leave or did not arrive: if it was the first one, none was given yet."""
    if answered_at is not None and conversation.first_answered_at == answered_at:
        conversation.first_answered_at = conversation.first_asked_at = None


def _may_tick(conversation: Conversation) -> bool:
    return conversation.began_at is not None and conversation.status in ("open", "snoozed")


def _policies(session: Session) -> _Policies:
    found: _Policies | None = session.info.get("policies")
    if found is None:
        wanted = select(DeadlinePolicy.id, DeadlinePolicy.body).where(DeadlinePolicy.enabled)
        with session.no_autoflush:
            rows = session.execute(wanted.order_by(DeadlinePolicy.position, DeadlinePolicy.id)).all()
        found = _Policies(tuple((number, _known(json.dumps(body))) for number, body in rows), {})
        session.info["policies"] = found
    return found


@lru_cache(maxsize=256)
def _known(body: str) -> Policy:
    return routing.from_json(json.loads(body))


def _policy_of(session: Session, policies: _Policies, conversation: Conversation) -> Policy | None:
    """The one that a rule chose, else the first that holds."""
    chosen = next((policy for number, policy in policies.rows if number == conversation.policy_id), None)
    if chosen is not None:
        return chosen
    tags: Sequence[int] = ()
    if policies.ask_tags and conversation.id is not None:
        carried = select(ConversationTag.tag_id).where(ConversationTag.conversation_id == conversation.id)
        with session.no_autoflush:
            tags = session.scalars(carried).all()
    tier = ""
    if policies.ask_tier and conversation.person_id is not None:
        with session.no_autoflush:
            tier = session.scalar(select(Person.tier).where(Person.id == conversation.person_id)) or ""
    which = Which(conversation.mailbox_id, tier=tier, tags=frozenset(tags), priority=conversation.priority or "normal")
    return routing.policy_for((policy for _number, policy in policies.rows), which)


def _calendar(session: Session, policies: _Policies, mailbox_id: int) -> Calendar:
    if mailbox_id not in policies.calendars:
        with session.no_autoflush:
            policies.calendars[mailbox_id] = working_hours.calendar_of(session, mailbox_id)
    return policies.calendars[mailbox_id]


def _soon_at(session: Session, conversation: Conversation, urgent: Clock, *, now: datetime) -> datetime | None:
    """When SOON percent of the most urgent clock are used up."""
    calendar = _calendar(session, _policies(session), conversation.mailbox_id)
    soon = routing.clock(
        urgent.kind,
        urgent.target_minutes,
        started_at=urgent.started_at,
        pauses=pauses_of(session, conversation.id),
        escalation=(routing.Escalation(SOON, ("owner",)),),
        calendar=calendar,
        now=now,
    )
    step = soon.ahead or (soon.reached[0] if soon.reached else None)
    return step.at if step else None


def _next_step(session: Session, conversation: Conversation, found: Deadlines) -> datetime | None:
    """The first step that nobody was told yet: one that is over (a mail that came in late) or the next one ahead."""
    times = [at for at in (routing.next_change(found),) if at is not None]
    reached = [(clock, step) for clock in found.clocks if clock.ticking for step in clock.reached]
    if reached:
        told = told_of(session, conversation.id)
        times += [step.at for clock, step in reached if (clock.kind, clock.started_at, step.percent) not in told]
    return min(times, default=None)


def told_of(session: Session, conversation_id: int | None) -> set[tuple[str, Any, int]]:
    """The steps that were told: (kind, start of its clock, percent)."""
    if conversation_id is None:
        return set()
    wanted = select(EscalationStep.kind, EscalationStep.started_at, EscalationStep.percent)
    with session.no_autoflush:  # steps are flushed where they are written
        rows = session.execute(wanted.where(EscalationStep.conversation_id == conversation_id)).all()
    return {(kind, started_at, percent) for kind, started_at, percent in rows}
