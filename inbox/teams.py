"""Teams and what their people can take on: members with weights, caps, skills, languages, absences, the fallback."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, or_, select, update
from sqlalchemy.orm import Session, selectinload

from inbox import people, shifts, working_hours
from inbox.assignment import FALLBACK
from inbox.errors import N_, Conflict, Forbidden, NotFound, UserError, a_name
from inbox.models import (
    Absence,
    Capacity,
    Conversation,
    Mailbox,
    MailboxTeam,
    Rule,
    RuleVersion,
    Setting,
    Team,
    TeamMember,
    User,
)
from inbox.people import Viewer
from routing.assign import TEAM_WAYS, WEIGHT_MOST
from routing.calendars import Calendar

NAME_LENGTH = 100  # characters
MOST_WORDS = 30  # skills, or languages, of one person
WORD_LENGTH = 50  # characters of a skill
CAP_MOST = 10_000
MINUTES_MOST = 100_000


@dataclass(frozen=True)
class TeamForm:
    """What a manager sets. `members` are weights by person."""

    name: str
    way: str
    fallback_id: int | None
    hand_back_minutes: int | None
    members: Mapping[int, int]
    mailbox_ids: frozenset[int]


@dataclass(frozen=True)
class MemberView:
    """`absence`: of now or the next one. `today`: what they work today, None for somebody without hours."""

    user_id: int
    name: str
    active: bool
    weight: int
    cap: int | None
    skills: tuple[str, ...]
    languages: tuple[str, ...]
    absence: AbsenceView | None
    today: shifts.Today | None


@dataclass(frozen=True)
class TeamView:
    id: int
    name: str
    way: str
    fallback_id: int | None
    fallback_name: str
    hand_back_minutes: int | None
    members: tuple[MemberView, ...]
    mailboxes: tuple[tuple[int, str, str], ...]  # (id, name, colour) of those whose mail it gets


@dataclass(frozen=True)
class AbsenceView:
    id: int
    user_id: int
    starts_at: datetime
    ends_at: datetime | None
    why: str  # away, day_off


@dataclass(frozen=True)
class CapacityView:
    user_id: int
    name: str
    cap: int | None
    skills: tuple[str, ...]
    languages: tuple[str, ...]


# -- teams


def page(session: Session, who: Viewer, *, now: datetime) -> tuple[TeamView, ...]:
    """All teams, by name; for managers."""
    people.must_be(who, "manager")
    users = {user.id: user for user in session.scalars(select(User))}
    capacities = {one.user_id: one for one in session.scalars(select(Capacity))}
    absent = _by_person(absences(session, who, now=now))
    working = shifts.every(session)
    boxes: dict[int, list[tuple[int, str, str]]] = {}
    for team_id, mailbox_id, name, colour in session.execute(
        select(MailboxTeam.team_id, Mailbox.id, Mailbox.name, Mailbox.colour)
        .join(Mailbox, Mailbox.id == MailboxTeam.mailbox_id)
        .order_by(Mailbox.name)
    ):
        boxes.setdefault(team_id, []).append((mailbox_id, name, colour))
    rows = session.scalars(select(Team).options(selectinload(Team.members)).order_by(Team.name)).all()
    houses = {team.id: _house(session, boxes.get(team.id, ())) for team in rows} if working else {}
    today = {
        (team.id, one.user_id): shifts.today(working[one.user_id], houses[team.id], now=now)
        for team in rows
        for one in team.members
        if one.user_id in working
    }
    return tuple(
        TeamView(
            id=team.id,
            name=team.name,
            way=team.way,
            fallback_id=team.fallback_id,
            fallback_name=users[team.fallback_id].name if team.fallback_id else "",
            hand_back_minutes=team.hand_back_minutes,
            members=tuple(
                sorted(
                    (
                        _member(one, users, capacities, absent, today.get((team.id, one.user_id)))
                        for one in team.members
                    ),
                    key=lambda one: (not one.active, one.name, one.user_id),
                )
            ),
            mailboxes=tuple(boxes.get(team.id, ())),
        )
        for team in rows
    )


def show(session: Session, who: Viewer, team_id: int, *, now: datetime) -> TeamView:
    for one in page(session, who, now=now):
        if one.id == team_id:
            return one
    raise NotFound


def names(session: Session) -> dict[int, str]:
    """All teams' names, for whoever reads a conversation's history."""
    return dict(session.execute(select(Team.id, Team.name)).all())


def add(session: Session, who: Viewer, form: TeamForm, *, now: datetime) -> int:
    """The new team's id. Raises UserError with the field."""
    people.must_be(who, "manager")
    team = Team(name="", way="round_robin", created_at=now)
    _fill(session, team, form)
    session.add(team)
    session.flush()
    _join(session, team, form)
    people.audit(session, who, "team_added", now=now, team=team.id, name=team.name)
    return team.id


def change(session: Session, who: Viewer, team_id: int, form: TeamForm, *, now: datetime) -> None:
    """Members that stay keep their turns."""
    people.must_be(who, "manager")
    team = _team(session, team_id)
    _fill(session, team, form)
    session.flush()
    _join(session, team, form)
    people.audit(session, who, "team_changed", now=now, team=team.id, name=team.name, members=sorted(form.members))


def remove(session: Session, who: Viewer, team_id: int, *, now: datetime) -> None:
    """Raises Conflict while a rule that is switched on names the team."""
    people.must_be(who, "manager")
    team = _team(session, team_id)
    naming = _rules_that_name(session, team_id)
    if naming:
        raise Conflict(N_("Rules name this team: %(names)s. Change or switch them off first."), names=", ".join(naming))
    session.execute(update(Conversation).where(Conversation.team_id == team_id).values(team_id=None, for_opener=False))
    people.audit(session, who, "team_removed", now=now, team=team_id, name=team.name)
    session.delete(team)
    session.flush()


# -- the general fallback


def fallback(session: Session) -> int | None:
    """Who gets what no team and no rule finds anybody for."""
    found = session.get(Setting, FALLBACK)
    return found.value if found is not None else None


def set_fallback(session: Session, who: Viewer, user_id: int | None, *, now: datetime) -> None:
    people.must_be(who, "manager")
    if user_id is not None:
        _person(session, user_id, field="fallback")
    session.merge(Setting(key=FALLBACK, value=user_id))
    session.flush()
    people.audit(session, who, "fallback_changed", now=now, user_id=user_id)


# -- what people can take on


def capacity(session: Session, who: Viewer, user_id: int) -> CapacityView:
    people.must_be(who, "manager")
    user = _person(session, user_id)
    found = session.get(Capacity, user_id)
    return CapacityView(
        user_id,
        user.name,
        found.cap if found else None,
        tuple(found.skills) if found else (),
        tuple(found.languages) if found else (),
    )


def set_capacity(
    session: Session,
    who: Viewer,
    user_id: int,
    *,
    cap: int | None,
    skills: Sequence[str],
    languages: Sequence[str],
    now: datetime,
) -> None:
    """At most so many open conversations (None: any number); skills as rules name them, languages as ja, en."""
    people.must_be(who, "manager")
    _person(session, user_id)
    if cap is not None and not 0 <= cap <= CAP_MOST:
        raise UserError(N_("A whole number from %(least)d to %(most)d is needed."), field="cap", least=0, most=CAP_MOST)
    kept = session.get(Capacity, user_id) or Capacity(user_id=user_id)
    kept.cap = cap
    kept.skills = _words(skills, field="skills")
    kept.languages = [_language(one) for one in _words(languages, field="languages")]
    session.add(kept)
    session.flush()
    people.audit(session, who, "capacity_changed", now=now, user_id=user_id, cap=cap, skills=kept.skills)


# -- absences


def absences(session: Session, who: Viewer, *, now: datetime, user_id: int | None = None) -> tuple[AbsenceView, ...]:
    """Those that are not over, of one person or, for managers, of everybody; the earliest first."""
    _may_tell(who, user_id)
    wanted = select(Absence).where(or_(Absence.ends_at.is_(None), Absence.ends_at > now)).order_by(Absence.starts_at)
    if user_id is not None:
        wanted = wanted.where(Absence.user_id == user_id)
    return tuple(_absence(one) for one in session.scalars(wanted))


def be_absent(
    session: Session,
    who: Viewer,
    user_id: int,
    *,
    starts_at: datetime,
    ends_at: datetime | None,
    why: str = "away",
    now: datetime,
) -> int:
    """The absence's id. One's own, or for managers anybody's. Raises UserError with the field."""
    _may_tell(who, user_id)
    _person(session, user_id)
    if why not in ("away", "day_off"):
        raise UserError(N_("Choose one of the list."), field="why")
    if ends_at is not None and ends_at <= starts_at:
        raise UserError(N_("The end must come after the beginning."), field="ends_at")
    if ends_at is not None and ends_at <= now:
        raise UserError(N_("This is over already."), field="ends_at")
    made = Absence(user_id=user_id, starts_at=starts_at, ends_at=ends_at, why=why, entered_by_id=who.id)
    session.add(made)
    session.flush()
    return made.id


def be_back(session: Session, who: Viewer, absence_id: int, *, now: datetime) -> int:
    """Ends an absence now, or takes back one that has not begun; whose it was."""
    found = session.get(Absence, absence_id)
    if found is None or (found.user_id != who.id and not who.is_manager):
        raise NotFound
    if found.starts_at >= now:
        session.delete(found)
    else:
        found.ends_at = now
    session.flush()
    return found.user_id


# -- inside


def _fill(session: Session, team: Team, form: TeamForm) -> None:
    name = a_name(form.name, most=NAME_LENGTH)
    same = session.scalar(select(Team.id).where(Team.name == name, Team.id != (team.id or 0)))
    if same is not None:
        raise UserError(N_("There is a team with this name already."), field="name")
    if form.way not in TEAM_WAYS:
        raise UserError(N_("Choose one of the list."), field="way")
    minutes = form.hand_back_minutes
    if minutes is not None and not 1 <= minutes <= MINUTES_MOST:
        message = N_("A whole number from %(least)d to %(most)d is needed.")
        raise UserError(message, field="hand_back_minutes", least=1, most=MINUTES_MOST)
    if not form.members:
        raise UserError(N_("A team needs at least one member."), field="members")
    for user_id, weight in form.members.items():
        _person(session, user_id, field="members")
        if not 0 <= weight <= WEIGHT_MOST:
            raise UserError(
                N_("A weight is a whole number from 0 to %(most)d."), field=f"weight-{user_id}", most=WEIGHT_MOST
            )
    if form.way == "weighted" and not any(form.members.values()):
        raise UserError(N_("Somebody needs a weight above 0."), field="members")
    if form.fallback_id is not None:
        _person(session, form.fallback_id, field="fallback")
    known = set(session.scalars(select(Mailbox.id).where(Mailbox.id.in_(form.mailbox_ids))))
    if known != set(form.mailbox_ids):
        raise UserError(N_("One of the mailboxes does not exist."), field="mailbox_ids")
    team.name, team.way, team.fallback_id, team.hand_back_minutes = name, form.way, form.fallback_id, minutes


def _join(session: Session, team: Team, form: TeamForm) -> None:
    """Members and mailboxes as the form says. Who is new stands where the others are, not behind all turns missed."""
    there = {one.user_id: one for one in team.members}
    for user_id, one in there.items():
        if user_id not in form.members:
            team.members.remove(one)
    for user_id, weight in form.members.items():
        if user_id in there:
            there[user_id].weight = weight
        else:
            team.members.append(TeamMember(user_id=user_id, weight=weight, turn=0, share=team.share))
    theirs = or_(MailboxTeam.team_id == team.id, MailboxTeam.mailbox_id.in_(form.mailbox_ids))
    session.execute(delete(MailboxTeam).where(theirs))
    session.add_all(MailboxTeam(mailbox_id=one, team_id=team.id) for one in sorted(form.mailbox_ids))
    session.flush()


def _rules_that_name(session: Session, team_id: int) -> list[str]:
    its_version = (RuleVersion.rule_id == Rule.id) & (RuleVersion.version == Rule.version)
    wanted = select(RuleVersion.body).join(Rule, its_version).where(Rule.enabled, Rule.removed.is_(False))
    bodies = session.scalars(wanted.order_by(Rule.position))
    return [str(body.get("name", "")) for body in bodies if team_id in _teams_in(body)]


def _teams_in(told: object) -> set[int]:
    """Every team that a rule's JSON names anywhere."""
    found: set[int] = set()
    if isinstance(told, dict):
        if told.get("field") == "team_id":
            found.update(one for one in told.get("values", ()) if isinstance(one, int))
        for key, value in told.items():
            if key == "team_id" and isinstance(value, int):
                found.add(value)
            elif key == "teams" and isinstance(value, list):
                found.update(value)
            else:
                found |= _teams_in(value)
    elif isinstance(told, list):
        for one in told:
            found |= _teams_in(one)
    return found


def _team(session: Session, team_id: int) -> Team:
    found = session.get(Team, team_id, with_for_update=True, populate_existing=True)
    if found is None:
        raise NotFound
    return found


def _person(session: Session, user_id: int, *, field: str = "") -> User:
    found = session.get(User, user_id)
    if found is None or not found.active:
        if field:
            raise UserError(N_("This person is no longer in the team."), field=field)
        raise NotFound
    return found


def _may_tell(who: Viewer, user_id: int | None) -> None:
    if user_id != who.id and not who.is_manager:
        raise Forbidden(N_("Only people with more rights may do this. Ask an administrator."))


def _words(given: Sequence[str], *, field: str) -> list[str]:
    words = list(dict.fromkeys(" ".join(one.split()) for one in given if one.strip()))
    if len(words) > MOST_WORDS:
        raise UserError(N_("At most %(most)d of these."), field=field, most=MOST_WORDS)
    if any(len(one) > WORD_LENGTH for one in words):
        raise UserError(N_("At most %(most)d characters."), field=field, most=WORD_LENGTH)
    return words


def _language(written: str) -> str:
    code = written.strip().lower()
    if not (len(code) == 2 and code.isascii() and code.isalpha()):
        raise UserError(N_("A language is written with two letters: ja, en."), field="languages")
    return code


def _absence(one: Absence) -> AbsenceView:
    return AbsenceView(one.id, one.user_id, one.starts_at, one.ends_at, one.why)


def _by_person(found: Iterable[AbsenceView]) -> dict[int, AbsenceView]:
    first: dict[int, AbsenceView] = {}
    for one in found:
        first.setdefault(one.user_id, one)
    return first


def _house(session: Session, boxes: Sequence[tuple[int, str, str]]) -> Calendar:
    """The calendar by which a team works: that of its first mailbox."""
    return working_hours.calendar_of(session, boxes[0][0]) if boxes else working_hours.of_the_team(session)


def _member(
    one: TeamMember,
    users: Mapping[int, User],
    capacities: Mapping[int, Capacity],
    absent: Mapping[int, AbsenceView],
    today: shifts.Today | None,
) -> MemberView:
    user, known = users[one.user_id], capacities.get(one.user_id)
    return MemberView(
        user_id=user.id,
        name=user.name,
        active=user.active,
        weight=one.weight,
        cap=known.cap if known else None,
        skills=tuple(known.skills) if known else (),
        languages=tuple(known.languages) if known else (),
        absence=absent.get(user.id),
        today=today,
    )
