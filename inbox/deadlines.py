"""Deadline policies as managers keep them, and the deadlines of one conversation with how they were counted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from inbox import kept_deadlines, people, profiles, working_hours
from inbox.errors import N_, NotFound, UserError, at_the_field
from inbox.models import DeadlinePolicy, Tag
from inbox.people import Viewer
from routing import hours
from routing.deadlines import Clock, Pause, Policy, from_json, to_json
from routing.hours import DayCounted

MOST_POLICIES = 100
EXPLAINED_DAYS = 92  # newest days of a clock that are told one by one


@dataclass(frozen=True)
class PolicyView:
    """A policy at its place; `number` counts from 1 in the order in which policies are asked."""

    id: int
    number: int
    enabled: bool
    policy: Policy


@dataclass(frozen=True)
class Counted:
    """A clock and the stretches in which it ran, day by day; `pauses` are those between them."""

    clock: Clock
    days: tuple[DayCounted, ...]
    left: int  # working minutes until it is due; below 0: so long over. 0 when `due_at` is not known
    pauses: tuple[Pause, ...]


@dataclass(frozen=True)
class Explained:
    """The deadlines of a conversation. `policy` is "" when none holds for it."""

    policy: str
    zone: str
    clocks: tuple[Counted, ...]


def show(session: Session, who: Viewer) -> tuple[PolicyView, ...]:
    """All policies in their order. For managers."""
    people.must_be(who, "manager")
    return tuple(
        PolicyView(row.id, number, row.enabled, from_json(row.body)) for number, row in enumerate(_rows(session), 1)
    )


def one(session: Session, who: Viewer, policy_id: int) -> PolicyView:
    """Raises NotFound."""
    found = next((view for view in show(session, who) if view.id == policy_id), None)
    if found is None:
        raise NotFound
    return found


def save(
    session: Session, who: Viewer, policy_id: int | None, *, body: Mapping[str, Any], enabled: bool, now: datetime
) -> int:
    """Makes a policy (None), the last in the order, or changes one; its id. Raises UserError with the field.

    `body` is `routing.deadlines`' JSON. All running deadlines are worked out anew.
    """
    people.must_be(who, "manager")
    policy = _read(body)
    if not policy.name.strip():
        raise UserError(N_("Write a name."), field="name")
    _must_exist(session, who, policy)
    row = session.get(DeadlinePolicy, policy_id) if policy_id is not None else _last(session)
    if row is None:
        raise NotFound
    row.body, row.enabled = to_json(policy), enabled
    session.add(row)
    session.flush()
    kept_deadlines.all_anew(session)
    people.audit(session, who, "policy_changed", now=now, policy=policy.name)
    return row.id


def remove(session: Session, who: Viewer, policy_id: int, *, now: datetime) -> None:
    found = one(session, who, policy_id)
    session.delete(session.get_one(DeadlinePolicy, policy_id))
    session.flush()
    kept_deadlines.all_anew(session)
    people.audit(session, who, "policy_removed", now=now, policy=found.policy.name)


def move(session: Session, who: Viewer, policy_id: int, *, up: bool, now: datetime) -> None:
    """One place up or down: the first policy that holds counts."""
    found = one(session, who, policy_id)
    rows = _rows(session)
    here = found.number - 1
    there = here - 1 if up else here + 1
    if 0 <= there < len(rows):
        rows[here], rows[there] = rows[there], rows[here]
    for position, row in enumerate(rows):
        row.position = position
    session.flush()
    kept_deadlines.all_anew(session)
    people.audit(session, who, "policy_changed", now=now, policy=found.policy.name)


def explain(session: Session, who: Viewer, conversation_id: int, *, language: str, now: datetime) -> Explained:
    """The clocks of a conversation, each with what was counted. Raises NotFound."""
    conversation = people.conversation(session, who, conversation_id)
    found = kept_deadlines.work_out(session, conversation, now=now)
    calendar = working_hours.calendar_of(session, conversation.mailbox_id)
    pauses = kept_deadlines.pauses_of(session, conversation.id)
    counted = []
    for clock in found.clocks:
        until = min(clock.stopped_at or now, now)
        stood = tuple(one for one in pauses if one.start < until and (one.end is None or one.end > clock.started_at))
        days: list[DayCounted] = []
        here = clock.started_at
        for pause in stood:
            days += hours.explain(calendar, here, max(here, pause.start), language=language)
            here = until if pause.end is None else pause.end
        days += hours.explain(calendar, here, max(here, until), language=language)
        left = 0
        if clock.due_at is not None and clock.stopped_at is None:
            left = hours.working_minutes(calendar, now, clock.due_at) or -hours.working_minutes(
                calendar, clock.due_at, now
            )
        counted.append(Counted(clock, tuple(days[-EXPLAINED_DAYS:]), left, stood))
    return Explained(found.policy, calendar.zone, tuple(counted))


def _rows(session: Session) -> list[DeadlinePolicy]:
    return list(session.scalars(select(DeadlinePolicy).order_by(DeadlinePolicy.position, DeadlinePolicy.id)))


def _last(session: Session) -> DeadlinePolicy:
    count = session.scalar(select(func.count()).select_from(DeadlinePolicy)) or 0
    if count >= MOST_POLICIES:
        raise UserError(N_("There can be at most %(most)d policies."), most=MOST_POLICIES)
    last = session.scalar(select(func.max(DeadlinePolicy.position)))
    return DeadlinePolicy(position=0 if last is None else last + 1)


def _read(body: Mapping[str, Any]) -> Policy:
    tiers = {profiles.clean("tier", one) for one in body.get("tiers", ())} - {""}
    with at_the_field():
        return from_json({**body, "tiers": sorted(tiers)})


def _must_exist(session: Session, who: Viewer, policy: Policy) -> None:
    if policy.mailboxes - set(who.mailbox_ids):
        raise UserError(N_("One of the mailboxes does not exist."), field="mailboxes")
    if policy.tags - set(session.scalars(select(Tag.id).where(Tag.id.in_(policy.tags)))):
        raise UserError(N_("One of the tags does not exist."), field="tags")
