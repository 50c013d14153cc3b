"""Who gets a conversation, and why: the ways of a rule or a team tried in turn, every candidate with what spoke
against.

- fixed, sticky: this person, when active, with access, and there.
- round_robin: whoever had no turn for longest. Two members who are both there get turns that differ by one at most,
  however others come and go; who comes back gets one turn first, never those that were missed.
- least_open: whoever owns the fewest open conversations; among equals the longest without a turn.
- weighted: turns in proportion to weights (3 gets three times what 1 gets), evenly mixed. Weight 0 gets none.
- Who owns as many as their cap is passed over by these three.
- on_open, pull: nobody for now, on purpose.

When no way finds anybody: the team's fallback, then the general one, those who are there first; then, rather than
nobody, the member with the fewest open conversations although away or full. Only when no active person with access is
left does the conversation stay without an owner, with the reason "nobody".

The caller locks the team's row, passes turns and shares as they are, and writes back what `Assignment.turn` says.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from routing.actions import ByTeam, Fixed, OnOpen, Pull, Spread, Spreading, Sticky, Way
from routing.availability import ALWAYS, Availability, whether_here

WEIGHT_MOST = 10
STRIDE = 2520  # divided by a weight it is a member's step; every weight up to 10 divides it

TeamWay = Literal["round_robin", "least_open", "weighted", "on_open", "pull"]
TEAM_WAYS: tuple[TeamWay, ...] = ("round_robin", "least_open", "weighted", "on_open", "pull")
ReasonCode = Literal[
    "fixed",
    "sticky",
    "sticky_company",
    "round_robin",
    "least_open",
    "weighted",
    "on_open",
    "pull",
    "fallback",
    "last_resort",
    "nobody",
]
Why = Literal[
    "chosen",
    "not_next",
    "inactive",
    "no_access",
    "away",
    "day_off",
    "off_shift",
    "full",
    "weight_zero",
    "no_skill",
    "no_language",
    "gone",
    "no_owner_before",
]
Values = tuple[tuple[str, int | str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """`may_see`: has access to the mailbox in question. `open`: open conversations owned now; `cap` None: no limit."""

    id: int
    active: bool = True
    may_see: bool = True
    open: int = 0
    cap: int | None = None
    skills: frozenset[str] = frozenset()
    languages: frozenset[str] = frozenset()  # ISO 639-1
    availability: Availability = ALWAYS


@dataclass(frozen=True, slots=True)
class Membership:
    """`turn`: number of the team's last turn that this member had, 0 for none. `share`: for weighted turns, 0 at
    first."""

    person_id: int
    weight: int = 1  # 0 to WEIGHT_MOST
    turn: int = 0
    share: int = 0


@dataclass(frozen=True, slots=True)
class Team:
    """`turn`: number of the last turn, `share`: where weighted turns stand; both 0 at first.

    `way`: how the team hands out by itself; pull and on_open leave conversations without an owner on purpose.
    """

    id: int
    way: TeamWay
    members: tuple[Membership, ...]
    fallback_id: int | None = None
    turn: int = 0
    share: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class AssignFacts:
    """Everybody who may be named, every team that may be; the owners before; the mail's language; the general
    fallback."""

    people: tuple[Person, ...]
    teams: tuple[Team, ...] = ()
    last_owner_id: int | None = None  # of this customer
    company_owner_id: int | None = None  # last of this customer's company
    language: str = ""
    fallback_id: int | None = None


@dataclass(frozen=True, slots=True)
class Considered:
    """One candidate of one way (`how`), and `why`: chosen, not_next (fit, but another came first) or what spoke
    against.

    `values`: away, day_off, off_shift: until (ISO 8601); full: open, cap; no_skill: skill; no_language: language;
    chosen and not_next: open. `person_id` is None for gone with a team (no longer there) and for no_owner_before.
    """

    person_id: int | None
    how: ReasonCode
    why: Why
    values: Values = ()


@dataclass(frozen=True, slots=True)
class Turn:
    """To write in the same transaction: the member's `turn` and `share`, the team's `turn` (the same) and
    `team_share`."""

    team_id: int
    person_id: int
    turn: int
    share: int
    team_share: int


@dataclass(frozen=True, slots=True)
class Assignment:
    """`team_id`: the team that handed out, or the first that was asked in vain; None when no team was asked.

    The numbers that decided (open, weight) are those of the facts; who else was considered stands in `considered`.
    """

    owner_id: int | None
    team_id: int | None
    reason: ReasonCode
    considered: tuple[Considered, ...] = ()
    turn: Turn | None = None


def assign(ways: Iterable[Way], facts: AssignFacts, *, now: datetime) -> Assignment:
    """Who gets the conversation. `ways` as in a rule's assign action; for a mailbox's own team `(ByTeam(id),)`."""
    return _Search(facts, now).among(tuple(ways))


def takes_on_open(person: Person, team: Team) -> bool:
    """Whether a conversation that waits for the first of the team to open it becomes this person's when they do."""
    return person.active and person.may_see and any(one.person_id == person.id for one in team.members)


class _Search:
    """One assignment: who was considered so far."""

    def __init__(self, facts: AssignFacts, now: datetime) -> None:
        self.facts, self.now = facts, now
        self.people = {one.id: one for one in facts.people}
        self.teams = {one.id: one for one in facts.teams}
        self.considered: list[Considered] = []
        self.tried: list[Team] = []
        self.named: list[int] = []  # by fixed and sticky

    def among(self, ways: tuple[Way, ...]) -> Assignment:
        for way in ways:
            if found := self._by(way):
                return found
        return self._by_fallback() or self._by_last_resort() or self._given(None, "nobody")

    def _by(self, way: Way) -> Assignment | None:
        match way:
            case Fixed(person_id):
                return self._one("fixed", person_id)
            case Sticky(company):
                found = self._one("sticky", self.facts.last_owner_id)
                return self._one("sticky_company", self.facts.company_owner_id) if company and not found else found
            case OnOpen(team_id):
                return self._by_team(team_id, "on_open")
            case Pull(team_id):
                return self._by_team(team_id, "pull")
            case Spreading(how, team_id, skill, speaks):
                return self._by_team(team_id, how, skill=skill, speaks=speaks)
            case ByTeam(team_id):
                return self._by_team(team_id, self.teams[team_id].way if team_id in self.teams else "pull")

    def _one(self, how: ReasonCode, person_id: int | None) -> Assignment | None:
        if person_id is None:
            self._consider(None, how, "no_owner_before")
            return None
        self.named.append(person_id)
        if self._there(person_id, how) is None:
            return None
        self._consider(person_id, how, "chosen")
        return self._given(person_id, how)

    def _by_team(self, team_id: int, how: TeamWay, *, skill: str = "", speaks: bool = False) -> Assignment | None:
        team = self.teams.get(team_id)
        if team is None:
            self._consider(None, how, "gone", ("team", team_id))
            return None
        if how == "on_open" or how == "pull":
            return self._given(None, how, team=team)
        self.tried.append(team)
        language = self.facts.language if speaks else ""
        fit = [one for one in team.members if self._fits(one, how, skill=skill, language=language)]
        return self._spread(fit, how, team) if fit else None

    def _spread(self, fit: list[Membership], how: Spread, team: Team) -> Assignment:
        chosen = min(fit, key=lambda one: (self._standing(one, how, team), one.turn, one.person_id))
        for one in fit:
            opened = ("open", self.people[one.person_id].open)
            self._consider(one.person_id, how, "chosen" if one is chosen else "not_next", opened)
        share, team_share = chosen.share, team.share
        if how == "weighted":
            team_share = self._standing(chosen, how, team)
            share = team_share + STRIDE // chosen.weight
        turn = Turn(team.id, chosen.person_id, team.turn + 1, share, team_share)
        return self._given(chosen.person_id, how, team=team, turn=turn)

    def _standing(self, member: Membership, how: Spread, team: Team) -> int:
        """Whose is lowest is next."""
        if how == "least_open":
            return self.people[member.person_id].open
        if how == "weighted":  # who comes back starts where the others stand, instead of catching up
            return max(member.share, team.share)
        return member.turn

    def _fits(self, member: Membership, how: Spread, *, skill: str, language: str) -> bool:
        person = self._there(member.person_id, how)
        if person is None:
            return False
        if person.cap is not None and person.open >= person.cap:
            self._consider(person.id, how, "full", ("open", person.open), ("cap", person.cap))
        elif how == "weighted" and member.weight < 1:
            self._consider(person.id, how, "weight_zero")
        elif skill and skill not in person.skills:
            self._consider(person.id, how, "no_skill", ("skill", skill))
        elif language and language not in person.languages:
            self._consider(person.id, how, "no_language", ("language", language))
        else:
            return True
        return False

    def _there(self, person_id: int, how: ReasonCode) -> Person | None:
        """The person, if active, with access and there now; else what speaks against it is noted."""
        person = self._able(person_id, how)
        if person is None:
            return None
        here = whether_here(person.availability, self.now)
        if here.here:
            return person
        assert here.why
        self._consider(person_id, how, here.why, *((("until", here.until.isoformat()),) if here.until else ()))
        return None

    def _able(self, person_id: int, how: ReasonCode) -> Person | None:
        person = self.people.get(person_id)
        if person is not None and person.active and person.may_see:
            return person
        self._consider(person_id, how, "gone" if person is None else "no_access" if person.active else "inactive")
        return None

    def _by_fallback(self) -> Assignment | None:
        teams = [team.fallback_id for team in self.tried]
        asked = [one for one in dict.fromkeys([*teams, self.facts.fallback_id]) if one is not None]
        able = [one for one in asked if self._able(one, "fallback")]
        there = [one for one in able if whether_here(self.people[one].availability, self.now).here]
        if not able:
            return None
        chosen = (there or able)[0]
        self._consider(chosen, "fallback", "chosen")
        return self._given(chosen, "fallback")

    def _by_last_resort(self) -> Assignment | None:
        members = [one.person_id for team in self.tried for one in team.members]
        able = [one for one in dict.fromkeys([*self.named, *members]) if self._able(one, "last_resort")]
        if not able:
            return None
        chosen = min(able, key=lambda one: (self.people[one].open, one))
        self._consider(chosen, "last_resort", "chosen")
        return self._given(chosen, "last_resort")

    def _consider(self, person_id: int | None, how: ReasonCode, why: Why, *values: tuple[str, int | str]) -> None:
        self.considered.append(Considered(person_id, how, why, values))

    def _given(
        self, owner_id: int | None, reason: ReasonCode, *, team: Team | None = None, turn: Turn | None = None
    ) -> Assignment:
        team_id = team.id if team else self.tried[0].id if self.tried and reason in _AFTER_A_TEAM else None
        return Assignment(owner_id, team_id, reason, tuple(self.considered), turn)


_AFTER_A_TEAM = ("fallback", "last_resort", "nobody")  # the team that could not is still the team in charge
