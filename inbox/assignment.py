"""Who gets a conversation: ways of rules and teams tried on people as they are, fair under concurrency.

Whoever hands out holds the rows of all teams that may be asked, in the order of their ids, until the commit: turns and
open conversations are those that the one before left behind.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session, selectinload

from inbox import conversations
from inbox.models import (
    Absence,
    Capacity,
    Conversation,
    FolderCount,
    MailboxAccess,
    MailboxTeam,
    Setting,
    Team,
    TeamMember,
    User,
)
from inbox.rule_facts import last_owner_of_company, last_owners
from routing import assign
from routing.actions import ByTeam, Fixed, Sticky, Way
from routing.availability import Availability, Away, whether_here

FALLBACK = "fallback_owner"  # the setting that names who gets what nobody else can take
FINISHED = ("closed", "spam")


class Desk:
    """Hands conversations out within one transaction. `team_ids`: every team that may be asked; they are locked."""

    def __init__(self, session: Session, team_ids: Iterable[int], *, now: datetime) -> None:
        self.session, self.now = session, now
        self._teams = _locked(session, set(team_ids))
        self._open = _open_counts(session)
        self._people: dict[int, tuple[assign.Person, ...]] = {}
        found = session.get(Setting, FALLBACK)
        self._fallback_id: int | None = found.value if found is not None else None

    def hand_out(
        self, conversation: Conversation, ways: tuple[Way, ...], *, language: str = "", **about: Any
    ) -> dict[str, Any]:
        """Gives it to whom the ways find, or to nobody where they want that; how that came about, as it is kept in a
        trace. `about` goes into the history."""
        found = assign.assign(ways, self._facts(conversation, ways, language=language), now=self.now)
        self._write_turn(found.turn)
        if found.team_id is not None:
            conversations.give_to_team(self.session, conversation, found.team_id, now=self.now, actor_id=None, **about)
        before = conversation.owner_id
        conversations.assign(
            self.session, conversation, found.owner_id, now=self.now, actor_id=None, reason=found.reason, **about
        )
        conversation.for_opener = found.reason == "on_open"
        if conversation.status == "open":
            for user_id, change in ((before, -1), (found.owner_id, 1)):
                if user_id is not None:
                    self._open[user_id] = self._open.get(user_id, 0) + change
        return _told(found)

    def can_own(self, conversation: Conversation) -> bool:
        """Whether its owner still is in the team and may see the mailbox."""
        people = self.people(conversation.mailbox_id)
        return any(one.id == conversation.owner_id and one.active and one.may_see for one in people)

    def people(self, mailbox_id: int) -> tuple[assign.Person, ...]:
        """Everybody, with access to that mailbox or not, and what they own now."""
        if mailbox_id not in self._people:
            self._people[mailbox_id] = people_of(self.session, mailbox_id, now=self.now)
        return tuple(replace(one, open=self._open.get(one.id, 0)) for one in self._people[mailbox_id])

    def _facts(self, conversation: Conversation, ways: tuple[Way, ...], *, language: str) -> assign.AssignFacts:
        sticky = next((way for way in ways if isinstance(way, Sticky)), None)
        person_id = conversation.person_id
        last = company = None
        if sticky is not None and person_id is not None:
            last = last_owners(self.session, [person_id]).get(person_id)
            company = last_owner_of_company(self.session, person_id) if sticky.company else None
        return assign.AssignFacts(
            people=self.people(conversation.mailbox_id),
            teams=tuple(_team(team) for team in self._teams.values()),
            last_owner_id=last,
            company_owner_id=company,
            language=language,
            fallback_id=self._fallback_id,
        )

    def _write_turn(self, turn: assign.Turn | None) -> None:
        if turn is None:
            return
        team = self._teams[turn.team_id]
        team.turn, team.share = turn.turn, turn.team_share
        for member in team.members:
            if member.user_id == turn.person_id:
                member.turn, member.share = turn.turn, turn.share


def teams_in(ways: Iterable[Way]) -> set[int]:
    """The teams that these ways ask."""
    return {way.team_id for way in ways if not isinstance(way, Fixed | Sticky)}


def team_of_mailbox(session: Session, mailbox_ids: Collection[int]) -> dict[int, int]:
    """The teams that get what no rule gives to anybody, by mailbox."""
    wanted = select(MailboxTeam.mailbox_id, MailboxTeam.team_id).where(MailboxTeam.mailbox_id.in_(mailbox_ids))
    return dict(session.execute(wanted).all())


def take_on_open(session: Session, conversation: Conversation, user_id: int, *, now: datetime) -> bool:
    """Makes it theirs if it waits for the first of its team to open it and they are one of the team.

    The row is locked: of two who open it at once one gets it.
    """
    if not conversation.for_opener or conversation.team_id is None:
        return False
    session.refresh(conversation, with_for_update=True)
    team = session.get(Team, conversation.team_id) if conversation.team_id is not None else None
    if not conversation.for_opener or conversation.owner_id is not None or team is None:
        return False
    person = next((one for one in people_of(session, conversation.mailbox_id, now=now) if one.id == user_id), None)
    if person is None or not assign.takes_on_open(person, _team(team)):
        return False
    conversations.assign(session, conversation, user_id, now=now, actor_id=user_id, reason="on_open")
    return True


def away(session: Session, *, now: datetime) -> frozenset[int]:
    """Who is not there now: absent, or no longer in the team."""
    inactive = session.scalars(select(User.id).where(User.active.is_(False)))
    absent = {user_id for user_id, one in _absences(session, now=now).items() if not _is_here(one, now)}
    return frozenset(inactive) | frozenset(absent)


def people_of(session: Session, mailbox_id: int, *, now: datetime) -> tuple[assign.Person, ...]:
    """Everybody, with what they can take on and whether they are there; `open` is left at 0."""
    with_access = set(session.scalars(select(MailboxAccess.user_id).where(MailboxAccess.mailbox_id == mailbox_id)))
    absences = _absences(session, now=now)
    rows = session.execute(
        select(User.id, User.role, User.active, User.password_hash.is_not(None).label("came"), Capacity)
        .outerjoin(Capacity, Capacity.user_id == User.id)
        .order_by(User.id)
    )
    return tuple(
        assign.Person(
            id=row.id,
            active=row.active and row.came,
            may_see=row.role == "admin" or row.id in with_access,
            cap=row.Capacity.cap if row.Capacity else None,
            skills=frozenset(row.Capacity.skills) if row.Capacity else frozenset(),
            languages=frozenset(row.Capacity.languages) if row.Capacity else frozenset(),
            availability=Availability(away=tuple(absences.get(row.id, ()))),
        )
        for row in rows
    )


def by_team(team_id: int) -> tuple[Way, ...]:
    return (ByTeam(team_id),)


def _absences(session: Session, *, now: datetime) -> dict[int, list[Away]]:
    found: dict[int, list[Away]] = {}
    wanted = select(Absence).where(or_(Absence.ends_at.is_(None), Absence.ends_at > now), Absence.starts_at <= now)
    for one in session.scalars(wanted):
        why = "day_off" if one.why == "day_off" else "away"
        found.setdefault(one.user_id, []).append(Away(one.starts_at, one.ends_at, why))  # type: ignore[arg-type]
    return found


def _is_here(absences: list[Away], now: datetime) -> bool:
    return whether_here(Availability(away=tuple(absences)), now).here


def _locked(session: Session, team_ids: set[int]) -> dict[int, Team]:
    if not team_ids:
        return {}
    rows = session.scalars(
        select(Team)
        .where(Team.id.in_(team_ids))
        .order_by(Team.id)
        .with_for_update()
        .options(selectinload(Team.members))
        .execution_options(populate_existing=True)
    )
    return {team.id: team for team in rows}


def _team(team: Team) -> assign.Team:
    return assign.Team(
        id=team.id,
        way=team.way,  # type: ignore[arg-type]
        members=tuple(_member(one) for one in team.members),
        fallback_id=team.fallback_id,
        turn=team.turn,
        share=team.share,
    )


def _member(one: TeamMember) -> assign.Membership:
    return assign.Membership(one.user_id, weight=one.weight, turn=one.turn, share=one.share)


def _open_counts(session: Session) -> dict[int, int]:
    wanted = (
        select(FolderCount.owner_id, func.sum(FolderCount.count))
        .where(FolderCount.status == "open", FolderCount.owner_id != 0)
        .group_by(FolderCount.owner_id)
    )
    return {owner_id: int(count) for owner_id, count in session.execute(wanted)}


def _told(found: assign.Assignment) -> dict[str, Any]:
    """{"owner": 3, "team": 1, "reason": "round_robin", "considered": [[3, "round_robin", "chosen", {"open": 2}], …]}"""
    return {
        "owner": found.owner_id,
        "team": found.team_id,
        "reason": found.reason,
        "considered": [[one.person_id, one.how, one.why, dict(one.values)] for one in found.considered],
    }
