"""Steps of deadlines: when so much of one is used up, owner, team or managers are told, each step once.

A step is a row with a unique key, written in the transaction that tells of it: a clock process that dies in between
tells nothing, and the next one tells it. Of several steps that were passed at once only the highest is told.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from inbox import assignment, conversations, kept_deadlines, telling
from inbox.models import Conversation, EscalationStep, MailboxAccess, TeamMember, User
from routing import deadlines as routing
from routing.deadlines import Clock, Step

BATCH = 100


def tell_due(session: Session, *, now: datetime) -> int:
    """Tells the steps whose time has come, of up to BATCH conversations; how many were looked at and are done with.

    Where the customer is being changed just now nothing is told yet: the next look works the deadlines out anew.
    """
    due = session.scalars(
        select(Conversation)
        .where(Conversation.next_step_at <= now)
        .order_by(Conversation.next_step_at)
        .limit(BATCH)
        .with_for_update(skip_locked=True)
    ).all()
    settled = [one for one in due if kept_deadlines.keep(session, one, now=now)]
    for conversation in settled:
        found = kept_deadlines.work_out(session, conversation, now=now)
        for clock in found.clocks:
            if clock.ticking:
                _tell(session, conversation, clock, now=now)
        conversation.next_step_at = routing.next_change(found)
    return len(settled)


def _tell(session: Session, conversation: Conversation, clock: Clock, *, now: datetime) -> None:
    told = kept_deadlines.told_of(session, conversation.id)
    new = [step for step in clock.reached if (clock.kind, clock.started_at, step.percent) not in told]
    for step in new:
        people = _whom(session, conversation, step) if step is new[-1] else []
        session.add(
            EscalationStep(
                conversation_id=conversation.id,
                kind=clock.kind,
                started_at=clock.started_at,
                percent=step.percent,
                at=now,
                told=people,
            )
        )
        if step is not new[-1]:
            continue
        conversations.record(session, conversation, "escalated", now=now, clock=clock.kind, percent=step.percent)
        telling.about(
            session,
            "deadline",
            now=now,
            to=people,
            conversation_id=conversation.id,
            percent=step.percent,
            clock=clock.kind,
        )
    session.flush()


def _whom(session: Session, conversation: Conversation, step: Step) -> list[int]:
    """Owner, team and managers as the step says, without doubles. Where no team is, managers hear what it would."""
    found: list[int] = []
    if "owner" in step.to and conversation.owner_id is not None:
        found.append(conversation.owner_id)
    team = _team(session, conversation) if "team" in step.to else []
    found += team
    if "manager" in step.to or ("team" in step.to and not team):
        found += managers(session, conversation.mailbox_id)
    return list(dict.fromkeys(found))


def _team(session: Session, conversation: Conversation) -> Sequence[int]:
    """Members of the conversation's team, else of its mailbox's."""
    mailbox_id = conversation.mailbox_id
    team_id = conversation.team_id or assignment.team_of_mailbox(session, {mailbox_id}).get(mailbox_id)
    return session.scalars(select(TeamMember.user_id).where(TeamMember.team_id == team_id)).all()


def managers(session: Session, mailbox_id: int) -> Sequence[int]:
    """Who manages a mailbox; for one without managers, the administrators."""
    access = select(MailboxAccess.user_id).where(MailboxAccess.mailbox_id == mailbox_id)
    wanted = select(User.id).where(User.active, User.password_hash.is_not(None)).order_by(User.id)
    found = session.scalars(wanted.where(User.role == "manager", User.id.in_(access))).all()
    return found or session.scalars(wanted.where(User.role == "admin")).all()
