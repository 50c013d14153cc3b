"""Who gets a conversation: fair turns while people come and go, caps, fallbacks, and why each did or did not."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing.actions import ByTeam, Fixed, OnOpen, Pull, Spread, Spreading, Sticky, Way
from routing.assign import (
    STRIDE,
    TEAM_WAYS,
    WEIGHT_MOST,
    AssignFacts,
    Assignment,
    Membership,
    Person,
    Team,
    assign,
    takes_on_open,
)
from routing.availability import Availability, Away, Here, whether_here
from routing.calendars import Calendar, DaysOff, MonthDay, Period

AKI, BEN, CHIE, DAN = 1, 2, 3, 4
BILLING = 7
NOW = datetime(2026, 11, 20, 5, 0, tzinfo=UTC)  # Friday 14:00 in Tokyo
HOUR = timedelta(hours=1)
OUT = Availability(away=(Away(NOW - HOUR, NOW + HOUR),))
DAYTIME = Calendar("Asia/Tokyo", ((Period(540, 720), Period(780, 1080)),) * 5 + ((), ()))


def person(id: int, **more: object) -> Person:
    return Person(id=id, **more)  # type: ignore[arg-type]


def team(*members: Membership | int, way: str = "round_robin", **more: object) -> Team:
    memberships = tuple(Membership(one) if isinstance(one, int) else one for one in members)
    return Team(BILLING, way, memberships, **more)  # type: ignore[arg-type]


def given_to(*ways: Way, people: tuple[Person, ...], of: Team | None = None, **more: object) -> Assignment:
    facts = AssignFacts(people=people, teams=(of,) if of else (), **more)  # type: ignore[arg-type]
    return assign(ways, facts, now=NOW)


def why_not(assignment: Assignment) -> dict[int | None, str]:
    return {one.person_id: one.why for one in assignment.considered}


def test_a_fixed_person_gets_it() -> None:
    got = given_to(Fixed(AKI), people=(person(AKI),))
    assert (got.owner_id, got.reason, got.team_id, got.turn) == (AKI, "fixed", None, None)


def test_the_customers_last_owner_gets_it_else_the_companys() -> None:
    people = (person(AKI), person(BEN))
    sticky = given_to(Sticky(company=True), people=people, last_owner_id=AKI, company_owner_id=BEN)
    assert (sticky.owner_id, sticky.reason) == (AKI, "sticky")
    company = given_to(Sticky(company=True), people=people, company_owner_id=BEN)
    assert (company.owner_id, company.reason) == (BEN, "sticky_company")
    away = (person(AKI, availability=OUT), person(BEN))
    instead = given_to(Sticky(company=True), people=away, last_owner_id=AKI, company_owner_id=BEN)
    assert instead.owner_id == BEN
    assert why_not(instead) == {AKI: "away", BEN: "chosen"}
    alone = given_to(Sticky(), Fixed(AKI), people=people, company_owner_id=BEN)
    assert (alone.owner_id, alone.reason) == (AKI, "fixed")
    assert alone.considered[0].why == "no_owner_before"


def test_every_candidate_is_told_with_what_spoke_against() -> None:
    people = (
        person(1, active=False),
        person(2, may_see=False),
        person(3, availability=OUT),
        person(4, availability=Availability(away=(Away(NOW - HOUR, NOW + HOUR, "day_off"),))),
        person(5, availability=Availability(DAYTIME, away=(Away(NOW - 2 * HOUR, NOW - HOUR),))),
        person(6, open=3, cap=3),
        person(8, skills=frozenset({"returns"})),
        person(9, languages=frozenset({"ja"})),
        person(10, skills=frozenset({"returns"}), languages=frozenset({"en"}), open=2, cap=3),
        person(11, skills=frozenset({"returns"}), languages=frozenset({"en"}), open=5),
        person(12, skills=frozenset({"returns"}), languages=frozenset({"en"})),
    )
    of = team(*(one.id for one in people if one.id != 12), Membership(12, weight=0), 99)
    got = given_to(Spreading("weighted", BILLING, "returns", speaks=True), people=people, of=of, language="en")
    assert (got.owner_id, got.team_id, got.reason) == (10, BILLING, "weighted")
    assert why_not(got) == {
        1: "inactive",
        2: "no_access",
        3: "away",
        4: "day_off",
        5: "no_skill",
        6: "full",
        8: "no_language",
        9: "no_skill",
        10: "chosen",
        11: "not_next",
        12: "weight_zero",
        99: "gone",
    }
    values = {one.person_id: dict(one.values) for one in got.considered}
    assert values[3] == {"until": (NOW + HOUR).isoformat()}
    assert values[6] == {"open": 3, "cap": 3}
    assert values[8] == {"language": "en"}
    assert values[9] == {"skill": "returns"}
    assert values[11] == {"open": 5}


def test_whoever_is_off_shift_is_told_with_the_next_one() -> None:
    sleeping = person(AKI, availability=Availability(DAYTIME))
    late = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)  # Friday 18:00 in Tokyo
    got = assign((Fixed(AKI),), AssignFacts(people=(sleeping, person(BEN)), fallback_id=BEN), now=late)
    assert got.owner_id == BEN
    assert got.considered[0].why == "off_shift"
    assert dict(got.considered[0].values) == {"until": "2026-11-23T00:00:00+00:00"}


def test_nobody_speaks_a_language_that_is_not_known() -> None:
    got = given_to(Spreading("round_robin", BILLING, speaks=True), people=(person(AKI),), of=team(AKI), language="")
    assert got.owner_id == AKI


def test_least_open_takes_the_fewest_and_respects_caps() -> None:
    people = (person(AKI, open=4), person(BEN, open=1, cap=1), person(CHIE, open=2, cap=9), person(DAN, open=2))
    of = team(AKI, BEN, Membership(CHIE, turn=5), Membership(DAN, turn=4), way="least_open", turn=5)
    got = given_to(ByTeam(BILLING), people=people, of=of)
    assert (got.owner_id, got.reason) == (DAN, "least_open"), "as few as Chie, and longer without a turn"
    assert got.turn is not None
    assert (got.turn.person_id, got.turn.turn) == (DAN, 6)


@pytest.mark.parametrize(("way", "reason"), [(OnOpen(BILLING), "on_open"), (Pull(BILLING), "pull")])
def test_a_team_may_want_nobody_for_now(way: Way, reason: str) -> None:
    got = given_to(way, people=(person(AKI),), of=team(AKI), fallback_id=AKI)
    assert (got.owner_id, got.team_id, got.reason) == (None, BILLING, reason)
    as_the_team_wants = given_to(ByTeam(BILLING), people=(person(AKI),), of=team(AKI, way=reason), fallback_id=AKI)
    assert as_the_team_wants == got


def test_the_first_of_the_team_to_open_it_gets_it() -> None:
    of = team(AKI, BEN, way="on_open")
    assert takes_on_open(person(AKI), of)
    assert not takes_on_open(person(CHIE), of)
    assert not takes_on_open(person(BEN, may_see=False), of)
    assert not takes_on_open(person(BEN, active=False), of)


def test_when_no_way_finds_anybody_the_fallbacks_come_in() -> None:
    people = (person(AKI, availability=OUT), person(BEN), person(CHIE))
    of = team(AKI, fallback_id=BEN)
    assert given_to(ByTeam(BILLING), people=people, of=of, fallback_id=CHIE).owner_id == BEN
    away = (person(AKI, availability=OUT), person(BEN, availability=OUT), person(CHIE))
    assert given_to(ByTeam(BILLING), people=away, of=of, fallback_id=CHIE).owner_id == CHIE
    all_away = (person(AKI, availability=OUT), person(BEN, availability=OUT), person(CHIE, availability=OUT))
    got = given_to(ByTeam(BILLING), people=all_away, of=of, fallback_id=CHIE)
    assert (got.owner_id, got.reason, got.team_id) == (BEN, "fallback", BILLING), "rather away than nobody"


def test_rather_somebody_who_is_away_or_full_than_nobody() -> None:
    people = (person(AKI, availability=OUT, open=3), person(BEN, open=2, cap=2), person(CHIE, active=False))
    got = given_to(ByTeam(BILLING), people=people, of=team(AKI, BEN, CHIE), fallback_id=CHIE)
    assert (got.owner_id, got.reason) == (BEN, "last_resort")
    fixed = given_to(Fixed(AKI), people=people)
    assert (fixed.owner_id, fixed.reason) == (AKI, "last_resort")


def test_only_when_nobody_is_left_nobody_owns_it() -> None:
    got = given_to(Fixed(9), ByTeam(BILLING), ByTeam(99), people=(person(AKI, active=False),), of=team(AKI))
    assert (got.owner_id, got.reason, got.team_id) == (None, "nobody", BILLING)
    assert why_not(got) == {9: "gone", AKI: "inactive", None: "gone"}


def test_absences_go_before_shifts_and_the_longest_is_told() -> None:
    both = Availability(DAYTIME, (Away(NOW - HOUR, NOW + HOUR), Away(NOW, NOW + 5 * HOUR, "day_off")))
    assert whether_here(both, NOW).until == NOW + 5 * HOUR
    assert whether_here(both, NOW).why == "day_off"
    assert whether_here(both, NOW + 10 * HOUR).why == "off_shift"
    assert not whether_here(Availability(away=(Away(NOW),)), NOW + 999 * HOUR).here
    assert whether_here(Availability(away=(Away(NOW, NOW + HOUR),)), NOW + HOUR).here
    assert whether_here(Availability(DAYTIME), NOW).here
    all_year = DaysOff("休業", MonthDay(1, 1), MonthDay(12, 31))
    assert whether_here(Availability(replace(DAYTIME, days_off=(all_year,))), NOW) == Here(False, "off_shift")


# Fairness: a day of arrivals while people come and go


class Office:
    """A team whose state is written back after every turn, as the caller does it."""

    def __init__(self, size: int, how: Spread, weights: list[int] | None = None) -> None:
        members = range(1, size + 1)
        self.how, self.out = how, set[int]()
        self.open = dict.fromkeys(members, 0)
        self.given: list[int] = []
        weights = weights or [1] * size
        self.team = team(*(Membership(one, weight) for one, weight in zip(members, weights, strict=True)), way=how)

    def arrives(self) -> Assignment:
        people = tuple(
            person(one, open=count, availability=OUT if one in self.out else Availability())
            for one, count in self.open.items()
        )
        got = given_to(ByTeam(BILLING), people=people, of=self.team)
        if got.turn is not None:
            assert got.owner_id is not None
            self.given.append(got.owner_id)
            self.open[got.owner_id] += 1
            turn = got.turn
            members = [
                replace(one, turn=turn.turn, share=turn.share) if one.person_id == turn.person_id else one
                for one in self.team.members
            ]
            self.team = replace(self.team, members=tuple(members), turn=turn.turn, share=turn.team_share)
        return got


TEN = 10
steps = st.lists(
    st.one_of(
        st.just(("arrives", 0)),
        st.just(("arrives", 0)),
        st.tuples(st.sampled_from(("goes", "comes", "closes")), st.integers(1, TEN)),
    ),
    min_size=20,
    max_size=120,
)


@given(steps)
def test_round_robin_differs_by_one_at_most_between_two_who_are_both_there(steps: list[tuple[str, int]]) -> None:
    office = Office(TEN, "round_robin")
    since = dict.fromkeys(combinations(range(1, TEN + 1), 2), 0)  # both there without a break since this turn
    for what, who in steps:
        if what == "arrives":
            office.arrives()
        elif what != "closes":
            (office.out.add if what == "goes" else office.out.discard)(who)
        for pair, first in since.items():
            if office.out.isdisjoint(pair):
                counts = [office.given[first:].count(one) for one in pair]
                assert abs(counts[0] - counts[1]) <= 1
            else:
                since[pair] = len(office.given)


@given(steps)
def test_least_open_always_takes_the_fewest_of_those_there(steps: list[tuple[str, int]]) -> None:
    office = Office(TEN, "least_open")
    for what, who in steps:
        before = {one: count for one, count in office.open.items() if one not in office.out}
        if what == "arrives":
            got = office.arrives()
            assert not before or before[got.owner_id or 0] == min(before.values())
        elif what == "closes":
            office.open[who] = max(0, office.open[who] - 1)
        else:
            (office.out.add if what == "goes" else office.out.discard)(who)


@given(st.integers(1, TEN), st.integers(1, 60))
def test_least_open_stays_even_where_nobody_leaves(size: int, count: int) -> None:
    office = Office(size, "least_open")
    for _ in range(count):
        office.arrives()
    assert max(office.open.values()) - min(office.open.values()) <= 1


@given(st.lists(st.integers(1, WEIGHT_MOST), min_size=2, max_size=6), st.integers(1, 120))
def test_weighted_turns_keep_the_proportion(weights: list[int], count: int) -> None:
    office = Office(len(weights), "weighted", weights)
    for _ in range(count):
        office.arrives()
    for (one, weight), (other, heavier) in combinations(enumerate(weights, start=1), 2):
        given_one, given_other = office.given.count(one), office.given.count(other)
        assert abs(given_one / weight - given_other / heavier) <= 1 / weight + 1 / heavier
    assert all(STRIDE % weight == 0 for weight in weights)


@given(st.sampled_from(("round_robin", "weighted")), st.integers(1, 40))
def test_who_comes_back_does_not_catch_up(how: Spread, missed: int) -> None:
    office = Office(3, how)
    office.out.add(3)
    for _ in range(missed):
        office.arrives()
    office.out.discard(3)
    before = len(office.given)
    for _ in range(6):
        office.arrives()
    assert sorted(office.given[before:].count(one) for one in (1, 2, 3)) in ([2, 2, 2], [1, 2, 3])
    assert office.given[before:].count(3) <= 3


people_of_any_sort = st.lists(
    st.builds(
        Person,
        id=st.integers(1, 8),
        active=st.booleans(),
        may_see=st.booleans(),
        open=st.integers(0, 4),
        cap=st.none() | st.integers(0, 4),
        skills=st.frozensets(st.sampled_from(["returns"])),
        languages=st.frozensets(st.sampled_from(["ja", "en"])),
        availability=st.sampled_from([Availability(), OUT, Availability(DAYTIME)]),
    ),
    max_size=6,
    unique_by=lambda one: one.id,
).map(tuple)
members = st.lists(
    st.builds(Membership, st.integers(1, 9), st.integers(0, 3), st.integers(0, 5), st.integers(0, STRIDE)),
    max_size=6,
    unique_by=lambda one: one.person_id,
).map(tuple)
teams = st.builds(Team, st.just(BILLING), st.sampled_from(TEAM_WAYS), members, st.none() | st.integers(1, 9))
ways = st.lists(
    st.one_of(
        st.builds(Fixed, st.integers(1, 9)),
        st.builds(Sticky, st.booleans()),
        st.just(ByTeam(BILLING)),
        st.just(ByTeam(99)),
        st.builds(
            Spreading, st.sampled_from(TEAM_WAYS[:3]), st.just(BILLING), st.sampled_from(["", "returns"]), st.booleans()
        ),
    ),
    min_size=1,
    max_size=3,
).map(tuple)


@given(people_of_any_sort, teams, ways, st.none() | st.integers(1, 9), st.none() | st.integers(1, 9))
def test_nothing_is_without_an_owner_unless_wanted_or_nobody_is_left(
    people: tuple[Person, ...], of: Team, ways: tuple[Way, ...], before: int | None, fallback: int | None
) -> None:
    got = given_to(*ways, people=people, of=of, last_owner_id=before, fallback_id=fallback, language="ja")
    able = {one.id for one in people if one.active and one.may_see}
    if got.owner_id is not None:
        assert got.owner_id in able
        assert [one.person_id for one in got.considered if one.why == "chosen"] == [got.owner_id]
    elif got.reason == "nobody":
        named = {way.person_id for way in ways if isinstance(way, Fixed)} | ({fallback} - {None})
        named |= {before} if any(isinstance(way, Sticky) for way in ways) else set()
        asked_team = any(isinstance(way, ByTeam | Spreading) and way.team_id == BILLING for way in ways)
        named |= {one.person_id for one in of.members} | ({of.fallback_id} - {None}) if asked_team else set()
        assert named.isdisjoint(able)
    else:
        assert got.reason == of.way
    assert (got.turn is not None) == (got.reason in ("round_robin", "least_open", "weighted"))
