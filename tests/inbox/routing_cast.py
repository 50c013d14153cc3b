"""Teams, rules and mails of the routing stories."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from inbox import db, people, rules, teams
from inbox.models import Conversation, Event, Mailbox, Message, Rule, RuleTrace, User
from inbox.people import Viewer
from inbox.teams import TeamForm
from tests.inbox.cast import NOW, a_user

Body = dict[str, Any]


def contains(field: str, *values: str) -> Body:
    return {"field": field, "operator": "contains", "values": list(values)}


def a_body(name: str = "請求", *actions: Body, when: Body | None = None, on: Body | None = None, **more: Any) -> Body:
    return {
        "name": name,
        "triggers": [on or {"on": "arrived"}],
        "condition": when,
        "actions": list(actions),
        "stop": False,
        **more,
    }


def a_rule(who: Viewer, body: Body, *, on: bool = True, now: datetime = NOW) -> int:
    with db.transaction() as session:
        made = rules.create(session, who, body, now=now)
        if on:
            rules.switch(session, who, made, on=True, now=now)
        return made


def a_manager(name: str = "Mei") -> Viewer:
    with db.transaction() as session:
        boxes = list(session.scalars(select(Mailbox)))
        return people.of(session, a_user(session, name, *boxes, role="manager"))


def agents(*names: str, mailbox_id: int | None = None) -> list[int]:
    with db.transaction() as session:
        boxes = list(session.scalars(select(Mailbox)))
        wanted = [one for one in boxes if mailbox_id in (None, one.id)]
        return [a_user(session, name, *wanted).id for name in names]


def a_team(
    who: Viewer,
    members: Iterable[int] | Mapping[int, int],
    *,
    name: str = "Billing",
    way: str = "round_robin",
    fallback: int | None = None,
    hand_back: int | None = None,
    mailboxes: Iterable[int] = (),
) -> int:
    weights = dict(members) if isinstance(members, Mapping) else dict.fromkeys(members, 1)
    form = TeamForm(name, way, fallback, hand_back, weights, frozenset(mailboxes))
    with db.transaction() as session:
        return teams.add(session, who, form, now=NOW)


def conversations_of(mailbox_id: int) -> list[Conversation]:
    with db.reading() as session:
        wanted = select(Conversation).where(Conversation.mailbox_id == mailbox_id).order_by(Conversation.id)
        return list(session.scalars(wanted))


def traces_of(conversation_id: int) -> list[RuleTrace]:
    with db.reading() as session:
        wanted = select(RuleTrace).where(RuleTrace.conversation_id == conversation_id).order_by(RuleTrace.id)
        return list(session.scalars(wanted))


def events_of(conversation_id: int, *kinds: str) -> list[Event]:
    with db.reading() as session:
        wanted = select(Event).where(Event.conversation_id == conversation_id, Event.kind.in_(kinds))
        return list(session.scalars(wanted.order_by(Event.id)))


def the_rule(rule_id: int) -> Rule:
    with db.reading() as session:
        return session.get_one(Rule, rule_id)


def name_of(session: Session, user_id: int | None) -> str:
    return session.get_one(User, user_id).name if user_id is not None else ""


def last_mail(conversation_id: int) -> Message:
    with db.reading() as session:
        wanted = select(Message).where(Message.conversation_id == conversation_id).order_by(Message.id.desc())
        return session.scalars(wanted).first()  # type: ignore[return-value]
