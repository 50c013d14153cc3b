"""Which mails need a second person and who that may be: policies, pools of approvers, new staff."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy import delete, or_, select
from sqlalchemy.orm import Session

from inbox import drafts, people, send_checks
from inbox.drafts import DraftView
from inbox.errors import N_, NotFound, UserError, at_the_field
from inbox.models import Absence, Approval, ApprovalPolicy, ApproverPool, Draft, MailboxAccess, NewStaff, User
from inbox.people import Viewer
from routing import approval as routing_approval
from routing.approval import Pool, Reason, may_approve, needs_approval

T = TypeVar("T")


@dataclass(frozen=True)
class PolicyRow:
    id: int
    enabled: bool
    policy: routing_approval.ApprovalPolicy
    pool_name: str  # "" when its approvers are gone: managers approve


@dataclass(frozen=True)
class PoolRow:
    id: int
    pool: Pool


@dataclass(frozen=True)
class Needed:
    """Why a mail needs approval, and the pools of which one person is enough."""

    reasons: tuple[Reason, ...]
    pools: tuple[int, ...]

    @property
    def told(self) -> list[dict[str, Any]]:
        return [{"policy": one.policy, "condition": one.condition, "found": list(one.found)} for one in self.reasons]


class NeedsApproval(UserError):
    """This mail has to be looked at by a second person first."""

    def __init__(self, needed: Needed) -> None:
        super().__init__(N_("This mail needs the approval of a colleague."))
        self.needed = needed


# -- does it need approval?


def needed(session: Session, draft: DraftView) -> Needed | None:
    """Why this mail needs approval; None when it does not."""
    policies = [
        routing_approval.policy_from_json(body)
        for body in session.scalars(
            select(ApprovalPolicy.body).where(ApprovalPolicy.enabled).order_by(ApprovalPolicy.id)
        )
    ]
    if not policies:
        return None
    is_new = session.get(NewStaff, draft.author_id) is not None
    found = needs_approval(policies, send_checks.mail(session, draft), new_staff=is_new)
    return Needed(found.reasons, found.pools) if found.needed else None


def must_be_approved(session: Session, draft: DraftView) -> int | None:
    """Who approved exactly this mail, None when nobody has to. Raises NeedsApproval."""
    found = needed(session, draft)
    if found is None:
        return None
    wanted = select(Approval).where(Approval.draft_id == draft.id, Approval.state.in_(("approved", "sent")))
    latest = session.scalar(wanted.order_by(Approval.id.desc()).limit(1))
    if latest is None or latest.left_as != content(session, draft):
        raise NeedsApproval(found)
    return latest.decided_by_id


def content(session: Session, draft: DraftView) -> dict[str, Any]:
    """What is approved: recipients, sender, subject, words and files of a draft, as they would leave."""
    digests = session.get_one(Draft, draft.id).files
    return {
        "from": draft.from_address,
        **{line: [list(pair) for pair in getattr(draft, line)] for line in send_checks.LINES},
        "subject": draft.subject,
        "html": draft.html,
        "text": drafts.words(draft),
        "quote": draft.quote,
        "files": [[file.name, file.sha256] for file in digests],
    }


# -- who may approve?


def who_may(session: Session, approval: Approval, *, now: datetime) -> dict[int, str]:
    """(id → name) of those who may decide. When a pool is gone, or nobody of it is left, managers may."""
    known = pools(session)
    there = {
        user.id: user
        for user in session.scalars(
            select(User)
            .outerjoin(
                MailboxAccess,
                (MailboxAccess.user_id == User.id) & (MailboxAccess.mailbox_id == approval.mailbox_id),
            )
            .where(User.active, User.password_hash.is_not(None))  # who was only invited cannot look at anything
            .where(or_(User.role == "admin", MailboxAccess.user_id.is_not(None)))
            .order_by(User.id)
        )
        if user.id != approval.author_id
    }
    absent = select(Absence.user_id).where(
        Absence.starts_at <= now, or_(Absence.ends_at.is_(None), Absence.ends_at > now)
    )
    named = {one for pool in known.values() for one in (*pool.approvers, *(deputy for _, deputy in pool.deputies))}
    away = frozenset(session.scalars(absent)) | (named - set(there))  # for whoever left, deputies stand in as well
    overdue = approval.due_at is not None and approval.due_at <= now
    may = {
        user_id: user.name
        for user_id, user in there.items()
        if any(
            may_approve(known[one], user_id, author_id=approval.author_id, away=away, overdue=overdue).may
            for one in approval.pools
            if one in known
        )
    }
    return may or {user_id: user.name for user_id, user in there.items() if user.role in ("manager", "admin")}


def pools(session: Session) -> dict[int, Pool]:
    rows = session.execute(select(ApproverPool.id, ApproverPool.body).order_by(ApproverPool.id))
    return {id: routing_approval.pool_from_json(body) for id, body in rows}


# -- settings, for managers


def all_policies(session: Session, who: Viewer) -> tuple[PolicyRow, ...]:
    people.must_be(who, "manager")
    known = pools(session)
    rows = session.scalars(select(ApprovalPolicy).order_by(ApprovalPolicy.id)).all()
    found = [(row, routing_approval.policy_from_json(row.body)) for row in rows]
    return tuple(
        PolicyRow(row.id, row.enabled, policy, known[policy.pool].name if policy.pool in known else "")
        for row, policy in found
    )


def all_pools(session: Session, who: Viewer) -> tuple[PoolRow, ...]:
    people.must_be(who, "manager")
    return tuple(PoolRow(id, pool) for id, pool in pools(session).items())


def everybody(session: Session, who: Viewer) -> tuple[tuple[int, str], ...]:
    """(id, name) of all who may sign in."""
    people.must_be(who, "manager")
    rows = session.execute(select(User.id, User.name).where(User.active).order_by(User.name, User.id))
    return tuple((row.id, row.name) for row in rows)


def new_staff(session: Session) -> frozenset[int]:
    return frozenset(session.scalars(select(NewStaff.user_id)))


def set_new_staff(session: Session, who: Viewer, user_ids: Sequence[int], *, now: datetime) -> None:
    people.must_be(who, "manager")
    wanted = _people(session, user_ids, field="new_staff")
    session.execute(delete(NewStaff))
    session.add_all(NewStaff(user_id=one) for one in sorted(wanted))
    people.audit(session, who, "new_staff_changed", now=now, ids=sorted(wanted))


def set_pool(session: Session, who: Viewer, pool_id: int | None, given: Mapping[str, Any], *, now: datetime) -> int:
    """Adds or changes a pool. Raises UserError with the field: nobody in it, deputies in a circle, no such person."""
    people.must_be(who, "manager")
    pool = _read(routing_approval.pool_from_json, given)
    if not pool.name.strip():
        raise UserError(N_("Write a name."), field="name")
    _people(session, pool.approvers, field="approvers")
    _people(session, [deputy for _person, deputy in pool.deputies], field="deputies")
    row = session.get(ApproverPool, pool_id) if pool_id is not None else ApproverPool()
    if row is None:
        raise NotFound
    row.body = routing_approval.pool_to_json(pool)
    session.add(row)
    session.flush()
    for policy in all_policies(session, who):
        _check_pool(session, policy.policy)
    people.audit(session, who, "approvers_changed", now=now, name=pool.name)
    return row.id


def remove_pool(session: Session, who: Viewer, pool_id: int, *, now: datetime) -> None:
    """Requests that wait for it go to the managers. Raises UserError while a policy names it."""
    people.must_be(who, "manager")
    row = session.get(ApproverPool, pool_id)
    if row is None:
        raise NotFound
    using = [one.policy.name for one in all_policies(session, who) if one.policy.pool == pool_id]
    if using:
        raise UserError(N_("The policy “%(name)s” needs these approvers."), name=using[0])
    people.audit(session, who, "approvers_removed", now=now, name=row.body["name"])
    session.delete(row)


def set_policy(
    session: Session, who: Viewer, policy_id: int | None, given: Mapping[str, Any], *, enabled: bool, now: datetime
) -> int:
    """Adds or changes a policy. Raises UserError with the field."""
    people.must_be(who, "manager")
    policy = _read(routing_approval.policy_from_json, given)
    if not policy.name.strip():
        raise UserError(N_("Write a name."), field="name")
    _people(session, sorted(policy.authors), field="authors")
    if not set(policy.mailboxes) <= set(who.mailbox_ids):
        raise UserError(N_("One of the mailboxes does not exist."), field="mailboxes")
    _check_pool(session, policy)
    row = session.get(ApprovalPolicy, policy_id) if policy_id is not None else ApprovalPolicy()
    if row is None:
        raise NotFound
    row.body, row.enabled = routing_approval.policy_to_json(policy), enabled
    session.add(row)
    session.flush()
    people.audit(session, who, "approval_policy_changed", now=now, name=policy.name)
    return row.id


def remove_policy(session: Session, who: Viewer, policy_id: int, *, now: datetime) -> None:
    people.must_be(who, "manager")
    row = session.get(ApprovalPolicy, policy_id)
    if row is None:
        raise NotFound
    people.audit(session, who, "approval_policy_removed", now=now, name=row.body["name"])
    session.delete(row)


def _check_pool(session: Session, policy: routing_approval.ApprovalPolicy) -> None:
    with at_the_field(outermost=True):
        routing_approval.check_pools(policy, pools(session))


def _read(read: Callable[[Mapping[str, Any]], T], given: Mapping[str, Any]) -> T:
    with at_the_field(outermost=True):
        return read(given)


def _people(session: Session, user_ids: Sequence[int], *, field: str) -> set[int]:
    """The ids. Raises UserError when one of them is nobody, or no longer works here."""
    known = set(session.scalars(select(User.id).where(User.id.in_(user_ids), User.active)))
    if known != set(user_ids):
        raise UserError(N_("One of these people no longer works here."), field=field)
    return known
