"""Who is told what: one table of kinds, and rows for everybody concerned in the transaction of what happened.

Nobody is told what they did themselves, nor about a mailbox that they may not see. How the words travel further (mail,
browser, webhook) is decided here by each person's choice and done later, by `notification_mails`, the open screens and
`webhooks`.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import CTE, ColumnElement, delete, insert, select, update
from sqlalchemy.orm import Session

from inbox import db
from inbox.errors import N_
from inbox.models import (
    Conversation,
    Delivery,
    Follower,
    MailboxAccess,
    Notification,
    NotificationChoice,
    User,
    Webhook,
)
from inbox.wire import ring
from routing import quiet

WAYS = ("app", "mail", "browser", "webhook")
GATHER = timedelta(minutes=3)  # before a mail leaves: what happens meanwhile stands in it, what was read does not
EXCERPT = 300  # characters of a note that go along


@dataclass(frozen=True)
class Kind:
    """Something that people are told.

    `audience`: who is told besides those whom the caller names: owner, followers (of the conversation), mailbox
    (all who may see it), admins. `ways`: by which ways, unless a person chose otherwise.
    """

    title: str
    icon: str
    ways: frozenset[str]
    audience: frozenset[str] = frozenset()


APP = frozenset({"app"})
LOUD = frozenset({"app", "browser"})
ALL = frozenset({"app", "mail", "browser"})
CLOSE = frozenset({"owner", "followers"})

KINDS = {
    "given": Kind(N_("A conversation is given to me"), "user-check", ALL),
    "mentioned": Kind(N_("Somebody mentions me in a note"), "at", ALL),
    "mail": Kind(N_("New mail in a conversation that I own or follow"), "mail", LOUD, CLOSE),
    "noted": Kind(N_("A note in a conversation that I own or follow"), "note", APP, CLOSE),
    "trouble": Kind(
        N_("An answer of mine did not arrive, or it is uncertain"), "alert-triangle", ALL, frozenset({"owner"})
    ),
    "deadline": Kind(N_("A deadline comes near or has passed"), "clock", ALL),
    "approval_asked": Kind(N_("My approval is asked for"), "shield-check", ALL),
    "approval_returned": Kind(N_("A mail of mine was given back"), "arrow-back-up", ALL),
    "approval_approved": Kind(N_("A mail of mine was approved"), "checks", LOUD),
    "approval_overdue": Kind(N_("An approval waits beyond its deadline"), "clock", ALL),
    "later_back": Kind(N_("A mail that I scheduled did not leave"), "arrow-back-up", ALL),
    "handover": Kind(N_("A hand-over note"), "notes", LOUD, frozenset({"mailbox"})),
    "rule": Kind(N_("A rule tells me something"), "target", ALL),
    "mailbox": Kind(N_("A mailbox is in trouble"), "plug-connected-x", ALL, frozenset({"admins"})),
}
ADMINS_ONLY = frozenset(kind for kind, about in KINDS.items() if "admins" in about.audience)


@dataclass(frozen=True)
class Told:
    """One thing that happened. `to`: people who are told in any case; `by`: who did it."""

    kind: str
    at: datetime
    to: frozenset[int] = frozenset()
    by: int | None = None
    conversation_id: int | None = None
    mailbox_id: int | None = None
    but_not: frozenset[int] = frozenset()  # told of the same thing in other words
    about: dict[str, Any] = field(default_factory=dict)


def about(
    session: Session,
    kind: str,
    *,
    now: datetime,
    to: Iterable[int] = (),
    by: int | None = None,
    conversation_id: int | None = None,
    mailbox_id: int | None = None,
    path: str = "",
    **words: Any,
) -> None:
    """Tells those named in `to` and the kind's own audience, by each person's chosen ways, after the commit.

    `path`: where it is looked at, when not in the conversation ("/approvals/7"). `words` are what its sentence needs
    (`notification_words`): text, percent, clock.
    """
    given = words | ({"path": path} if path else {})
    about_all(session, [Told(kind, now, frozenset(to), by, conversation_id, mailbox_id, about=given)])


def about_all(session: Session, told: Sequence[Told]) -> None:
    """The same for many things in a handful of queries."""
    if not told:
        return
    places = _places(session, {one.conversation_id for one in told if one.conversation_id is not None})
    concerned = _concerned(session, told, places)
    wanted = {user_id for ids in concerned for user_id in ids}
    people = _people(session, wanted, all_of_them=any("mailbox" in KINDS[one.kind].audience for one in told))
    rows, calls = [], []
    for one, ids in zip(told, concerned, strict=True):
        place = places.get(one.conversation_id or 0)
        mailbox_id = place.mailbox_id if place is not None else one.mailbox_id
        if "mailbox" in KINDS[one.kind].audience:
            ids = set(people)
        for user_id in sorted(ids - {one.by} - one.but_not):
            person = people.get(user_id)
            if person is None or not person.may_see(mailbox_id):
                continue
            ways = person.ways(one.kind)
            if ways & {"app", "mail", "browser"}:
                rows.append(_row(one, user_id, mailbox_id, ways))
            if "webhook" in ways and person.webhook_id is not None:
                calls.append(_call(one, person.webhook_id, mailbox_id, user_id, person.not_before(one.at)))
        calls += _team_calls(session, one, place)
    if rows:
        session.execute(insert(Notification), rows)
        ring.screens(session)
    if calls:
        session.execute(insert(Delivery), calls)
        ring.job(session, "call_webhooks")


def follow(session: Session, conversation_id: int, user_id: int, *, why: str, now: datetime) -> None:
    """`why`: asked, mentioned or wrote. Following twice changes nothing."""
    values = {"conversation_id": conversation_id, "user_id": user_id, "why": why, "since": now}
    statement = db.insert_into(session, Follower).values(**values)
    session.execute(statement.on_conflict_do_nothing(index_elements=["conversation_id", "user_id"]))


def unfollow(session: Session, conversation_id: int, user_id: int) -> None:
    """Also what was joined into the conversation is followed no longer."""
    here = with_joined(Conversation.id == conversation_id)
    session.execute(
        delete(Follower)
        .where(Follower.user_id == user_id, Follower.conversation_id.in_(select(here.c.id)))
        .execution_options(synchronize_session=False)
    )


def with_joined(wanted: ColumnElement[bool]) -> CTE:
    """(goes_on, id): the wanted conversations and all that was joined into them, also by way of another. Who followed
    one of those follows where it went."""
    found = select(Conversation.id.label("goes_on"), Conversation.id.label("id")).where(wanted)
    joined = found.cte("joined", recursive=True)
    return joined.union_all(select(joined.c.goes_on, Conversation.id).where(Conversation.joined_into_id == joined.c.id))


def seen(session: Session, user_id: int, conversation_id: int, *, now: datetime) -> None:
    """The person looked at the conversation: what was told about it is read."""
    changed = session.execute(
        update(Notification)
        .where(
            Notification.conversation_id == conversation_id,
            Notification.user_id == user_id,
            Notification.read_at.is_(None),
        )
        .values(read_at=now)
        .execution_options(synchronize_session=False)
    )
    if changed.rowcount:
        ring.screens(session, bell=user_id)


@dataclass(frozen=True)
class _Place:
    mailbox_id: int
    owner_id: int | None
    team_id: int | None


@dataclass(frozen=True)
class _Person:
    mailboxes: frozenset[int] | None  # None: all
    chosen: dict[str, Any]
    webhook_id: int | None
    zone: str
    quiet_from: str
    quiet_until: str

    def may_see(self, mailbox_id: int | None) -> bool:
        return mailbox_id is None or self.mailboxes is None or mailbox_id in self.mailboxes

    def ways(self, kind: str) -> frozenset[str]:
        return frozenset(self.chosen.get(kind, KINDS[kind].ways))

    def not_before(self, now: datetime) -> datetime:
        return quiet.ends(now, ZoneInfo(self.zone), self.quiet_from, self.quiet_until) or now


def _places(session: Session, ids: Collection[int]) -> dict[int, _Place]:
    if not ids:
        return {}
    columns = (Conversation.id, Conversation.mailbox_id, Conversation.owner_id, Conversation.team_id)
    return {row.id: _Place(*row[1:]) for row in db.rows(session, select(*columns).where(Conversation.id.in_(ids)))}


def _concerned(session: Session, told: Sequence[Told], places: dict[int, _Place]) -> list[set[int]]:
    following: dict[int, set[int]] = {}
    wanted = {one.conversation_id for one in told if "followers" in KINDS[one.kind].audience}
    if wanted:
        here = with_joined(Conversation.id.in_(wanted))
        rows = select(here.c.goes_on, Follower.user_id).join(Follower, Follower.conversation_id == here.c.id)
        for conversation_id, user_id in db.rows(session, rows):
            following.setdefault(conversation_id, set()).add(user_id)
    admins: set[int] = set()
    if any("admins" in KINDS[one.kind].audience for one in told):
        admins = set(session.scalars(select(User.id).where(User.role == "admin", User.active)))
    found = []
    for one in told:
        audience, ids = KINDS[one.kind].audience, set(one.to)
        place = places.get(one.conversation_id or 0)
        if "owner" in audience and place is not None and place.owner_id is not None:
            ids.add(place.owner_id)
        if "followers" in audience:
            ids |= following.get(one.conversation_id or 0, set())
        if "admins" in audience:
            ids |= admins
        found.append(ids)
    return found


def _people(session: Session, ids: Collection[int], *, all_of_them: bool) -> dict[int, _Person]:
    """Those of them who work here, with what they may see and chose."""
    if not ids and not all_of_them:
        return {}
    wanted = (
        select(
            User.id,
            User.role,
            User.time_zone,
            NotificationChoice.ways,
            NotificationChoice.quiet_from,
            NotificationChoice.quiet_until,
            Webhook.id.label("webhook_id"),
        )
        .outerjoin(NotificationChoice, NotificationChoice.user_id == User.id)
        .outerjoin(Webhook, (Webhook.user_id == User.id) & Webhook.active)
        .where(User.active)
    )
    access = select(MailboxAccess.user_id, MailboxAccess.mailbox_id)
    if not all_of_them:
        wanted, access = wanted.where(User.id.in_(ids)), access.where(MailboxAccess.user_id.in_(ids))
    given: dict[int, set[int]] = {}
    for user_id, mailbox_id in db.rows(session, access):
        given.setdefault(user_id, set()).add(mailbox_id)
    return {
        row.id: _Person(
            mailboxes=None if row.role == "admin" else frozenset(given.get(row.id, ())),
            chosen=row.ways or {},
            webhook_id=row.webhook_id,
            zone=row.time_zone,
            quiet_from=row.quiet_from or "",
            quiet_until=row.quiet_until or "",
        )
        for row in db.rows(session, wanted)
    }


def _row(one: Told, user_id: int, mailbox_id: int | None, ways: frozenset[str]) -> dict[str, Any]:
    return {
        "user_id": user_id,
        "kind": one.kind,
        "at": one.at,
        "conversation_id": one.conversation_id,
        "mailbox_id": mailbox_id,
        "by_id": one.by,
        "about": one.about,
        "shown": "app" in ways,
        "browser": "browser" in ways,
        "mail_at": one.at + GATHER if "mail" in ways else None,
        "waited": False,
    }


def _call(
    one: Told, webhook_id: int, mailbox_id: int | None, user_id: int | None, due_at: datetime
) -> dict[str, Any]:
    """A call of a webhook: numbers and codes; its words are added when it is called (`webhooks`)."""
    body = {
        "kind": one.kind,
        "at": one.at.isoformat(),
        "conversation_id": one.conversation_id,
        "mailbox_id": mailbox_id,
        "by_id": one.by,
        "to_id": user_id,
        "about": one.about,
    }
    return {
        "webhook_id": webhook_id,
        "key": f"msg_{secrets.token_hex(16)}",
        "body": body,
        "state": "queued",
        "created_at": one.at,
        "due_at": due_at,
        "tries": 0,
        "answer": "",
    }


def _team_calls(session: Session, one: Told, place: _Place | None) -> list[dict[str, Any]]:
    """A team's webhook is called once for what happens to its conversations, whoever is told besides."""
    if place is None or place.team_id is None:
        return []
    hooks = session.execute(
        select(Webhook.id, Webhook.kinds).where(Webhook.team_id == place.team_id, Webhook.active)
    ).all()
    return [_call(one, hook.id, place.mailbox_id, None, one.at) for hook in hooks if one.kind in hook.kinds]
