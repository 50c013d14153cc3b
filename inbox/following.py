"""Who follows a conversation, and whom a note mentions."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from inbox import people, telling
from inbox.errors import N_, UserError
from inbox.models import MailboxAccess, Team, TeamMember, User
from inbox.people import Viewer
from inbox.wire import ring
from routing import mentions
from routing.mentions import Group, Mention, Somebody


def follow(session: Session, who: Viewer, conversation_id: int, *, now: datetime) -> None:
    """`who` is told from now on what happens to it."""
    found = people.conversation(session, who, conversation_id)
    telling.follow(session, found.id, who.id, why="asked", now=now)
    ring.screens(session)


def unfollow(session: Session, who: Viewer, conversation_id: int) -> None:
    """Told no more, unless it is theirs or they are mentioned again."""
    telling.unfollow(session, people.conversation(session, who, conversation_id).id, who.id)
    ring.screens(session)


def can_be_mentioned(session: Session, *, mailbox_id: int) -> tuple[Somebody, ...]:
    """Those who may read notes of that mailbox, by name."""
    seen = or_(User.role == "admin", User.id.in_(_with_access(mailbox_id)))
    return _team(session, seen)


def teams_to_mention(session: Session, *, mailbox_id: int) -> tuple[Group, ...]:
    """Teams of which somebody may read notes of that mailbox, by name."""
    readers = {one.id for one in can_be_mentioned(session, mailbox_id=mailbox_id)}
    return tuple(team for team, members in _teams(session) if members & readers)


def mentioned(session: Session, text: str, *, mailbox_id: int) -> tuple[Mention, ...]:
    """Whom the words speak to: each to one person, or to one team, then `ids` are those of it who may read them. Raises
    UserError at the field for somebody who may not, and where a name fits several."""
    if "@" not in text and "＠" not in text:
        return ()
    everybody, teams = _team(session), _teams(session)
    found = mentions.find(text, everybody, [team for team, _ in teams])
    if not found:
        return ()
    readers = frozenset(one.id for one in can_be_mentioned(session, mailbox_id=mailbox_id))
    names = {one.id: one for one in everybody}
    of_team = {team.id: (team, members & readers) for team, members in teams}
    settled = []
    for one in found:
        ids = tuple(user_id for user_id in one.ids if user_id in readers)
        reached = tuple(team_id for team_id in one.teams if of_team[team_id][1])
        if not ids and not reached:
            raise _nobody_reads([names[user_id].name for user_id in one.ids], [of_team[id][0].name for id in one.teams])
        if len(ids) + len(reached) > 1:
            people_said = [f"@{names[user_id].name} (@{names[user_id].handle})" for user_id in ids]
            whole = " / ".join((*people_said, *(f"@{of_team[team_id][0].name}" for team_id in reached)))
            several = N_("“@%(said)s” fits several people. Write one of: %(whole)s")
            raise UserError(several, field="text", said=text[one.start + 1 : one.end], whole=whole)
        members = tuple(sorted(of_team[reached[0]][1])) if reached else ()
        settled.append(Mention(one.start, one.end, ids or members, reached))
    return tuple(settled)


def _nobody_reads(people_named: list[str], teams_named: list[str]) -> UserError:
    if people_named:
        refused = N_("%(name)s has no access to this mailbox and could not read the note.")
        return UserError(refused, field="text", name=people_named[0])
    refused = N_("Nobody of the team %(name)s has access to this mailbox, so nobody could read the note.")
    return UserError(refused, field="text", name=teams_named[0])


def _teams(session: Session) -> list[tuple[Group, frozenset[int]]]:
    """Every team with the ids of its members, by name."""
    members: dict[int, set[int]] = {}
    for team_id, user_id in session.execute(select(TeamMember.team_id, TeamMember.user_id)):
        members.setdefault(team_id, set()).add(user_id)
    rows = session.execute(select(Team.id, Team.name).order_by(Team.name, Team.id))
    return [(Group(row.id, row.name), frozenset(members.get(row.id, ()))) for row in rows]


def _with_access(mailbox_id: int):  # type: ignore[no-untyped-def]
    return select(MailboxAccess.user_id).where(MailboxAccess.mailbox_id == mailbox_id)


def _team(session: Session, *wanted) -> tuple[Somebody, ...]:  # type: ignore[no-untyped-def]
    found = select(User.id, User.name, User.email).where(User.active, *wanted).order_by(User.name, User.id)
    return tuple(Somebody(row.id, row.name, row.email.partition("@")[0]) for row in session.execute(found))
