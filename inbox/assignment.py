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

from inbox import conversations, shifts, working_hours
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
from routing.availability import Availability, Away, has_left, shift_in, whether_here
from routing.calendars import Calendar

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
        return self._carry_out(conversation, found, **about)

    def hand_back(self, conversation: Conversation, team_id: int) -> dict[str, Any] | None:
        """Offers it to the team again, because its owner is not there; None when nobody who is there was found.

        Whoever stands in although away gets it from somebody who left the team, not from somebody who comes back.
        """
        found = assign.assign(by_team(team_id), self._facts(conversation, by_team(team_id), language=""), now=self.now)
        if found.owner_id == conversation.owner_id or not self._is_better_off(conversation, found):
            return None
        return self._carry_out(conversation, found, handed_back=True)

    def _is_better_off(self, conversation: Conversation, found: assign.Assignment) -> bool:
        if found.owner_id is None:
            return found.reason != "nobody"
        there = {one.id: one for one in self.people(conversation.mailbox_id)}
        owner = there.get(conversation.owner_id or 0)
        gone = owner is None or not owner.active
        return gone or whether_here(there[found.owner_id].availability, self.now).here

    def _carry_out(self, conversation: Conversation, found: assign.Assignment, **about: Any) -> dict[str, Any]:
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
        sticky = [way for way in ways if isinstance(way, Sticky)]
        person_id = conversation.person_id
        last = company = None
        if sticky and person_id is not None:
            last = last_owners(self.session, [person_id]).get(person_id)
            by_company = any(way.company for way in sticky)
            company = last_owner_of_company(self.session, person_id) if by_company else None
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


class Gone:
    """Who has left: absent, after their shift, or no longer in the team. Shifts may differ by mailbox."""

    def __init__(self, session: Session, *, now: datetime) -> None:
        self.session, self.now = session, now
        inactive = session.scalars(select(User.id).where(User.active.is_(False)))
        self._everywhere = frozenset(inactive) | frozenset(_absences(session, now=now))
        self._shifts = shifts.every(session)
        self._houses: dict[int, Calendar] = {}

    @property
    def perhaps(self) -> frozenset[int]:
        """Whoever may have left some mailbox."""
        return self._everywhere | frozenset(self._shifts)

    def from_mailbox(self, user_id: int, mailbox_id: int) -> bool:
        if user_id in self._everywhere or user_id not in self._shifts:
            return user_id in self._everywhere
        if mailbox_id not in self._houses:
            self._houses[mailbox_id] = working_hours.calendar_of(self.session, mailbox_id)
        return has_left(Availability(shift_in(self._shifts[user_id], self._houses[mailbox_id])), self.now)


def people_of(session: Session, mailbox_id: int, *, now: datetime) -> tuple[assign.Person, ...]:
    """Everybody, with what they can take on and whether they are there; `open` is left at 0."""
    with_access = set(session.scalars(select(MailboxAccess.user_id).where(MailboxAccess.mailbox_id == mailbox_id)))
    absences = _absences(session, now=now)
    working = _working(session, mailbox_id)
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
            availability=Availability(working.get(row.id), away=tuple(absences.get(row.id, ()))),
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


def _working(session: Session, mailbox_id: int) -> dict[int, Calendar]:
    """When people with hours work for that mailbox."""
    found = shifts.every(session)
    if not found:
        return {}
    house = working_hours.calendar_of(session, mailbox_id)
    return {user_id: shift_in(shift, house) for user_id, shift in found.items()}


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
