"""Webhooks: addresses that are called when something is told to a person, happens to a team's conversation, or when a
rule says so. The worker calls them outside of every transaction; what failed stands in the log of each."""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete, exists, or_, select
from sqlalchemy.orm import Session

from inbox import db, rules
from inbox.config import settings
from inbox.errors import N_, Conflict, NotFound, UserError, a_name
from inbox.mailboxes.secrets import open_secret, seal
from inbox.models import Conversation, Delivery, Mailbox, Team, User, Webhook
from inbox.notification_words import sentence
from inbox.people import Viewer, audit, must_be
from inbox.telling import KINDS
from inbox.wire import hook, ring
from inbox.wire.hook import Called
from inbox.wire.problems import WireProblem

RETRIES = tuple(timedelta(minutes=m) for m in (1, 5, 30, 120, 360))  # after that it has failed
LEASE = timedelta(seconds=60)  # longer than a call takes
AT_ONCE = 5  # calls that one worker takes
LOGGED = 20  # calls that a log shows
KEPT = timedelta(days=30)
TEAM_KINDS = ("given", "mail", "noted", "mentioned", "trouble", "deadline")  # happen to conversations
WRONG = {
    "scheme": N_("The address must begin with https://."),
    "address": N_("This is not an address that can be called."),
    "port": N_("This is not an address that can be called."),
    "name": N_("Nobody knows this name on the internet."),
    "private": N_("This address lies inside a private network and is not called."),
}


@dataclass(frozen=True)
class DeliveryRow:
    """One call in the log. `code` is the last HTTP status; without one `answer` says why."""

    at: datetime
    kind: str
    state: str
    tries: int
    code: int | None
    answer: str
    next_at: datetime | None


@dataclass(frozen=True)
class WebhookRow:
    """`secret` signs the calls ("whsec_…"); "" when this installation's key no longer opens it."""

    id: int
    name: str
    team_id: int | None
    team: str
    url: str
    secret: str
    kinds: tuple[str, ...]
    last_ok_at: datetime | None
    failing_since: datetime | None
    log: tuple[DeliveryRow, ...]


def own(session: Session, who: Viewer) -> WebhookRow | None:
    found = session.scalar(select(Webhook).where(Webhook.user_id == who.id))
    return _row(session, found) if found is not None else None


def shared(session: Session, who: Viewer) -> tuple[WebhookRow, ...]:
    """Those of teams and rules, by name. For managers."""
    must_be(who, "manager")
    found = session.scalars(select(Webhook).where(Webhook.user_id.is_(None)).order_by(Webhook.name, Webhook.id))
    return tuple(_row(session, one) for one in found)


def teams(session: Session) -> tuple[tuple[int, str], ...]:
    return tuple(map(tuple, session.execute(select(Team.id, Team.name).order_by(Team.name, Team.id))))


def set_own(session: Session, who: Viewer, url: str, *, now: datetime) -> None:
    """The person's own webhook, made or led elsewhere. Raises UserError(field="url")."""
    clean = _checked(url)
    found = session.scalar(select(Webhook).where(Webhook.user_id == who.id))
    if found is None:
        session.add(Webhook(user_id=who.id, url=clean, secret=seal(_new_secret()), created_at=now))
    else:
        found.url, found.failing_since = clean, None
    session.flush()


def add(
    session: Session,
    who: Viewer,
    *,
    name: str,
    url: str,
    team_id: int | None,
    kinds: Collection[str],
    now: datetime,
) -> int:
    """A webhook of a team, or with None one that rules name; its id. For managers. Raises UserError with the field."""
    must_be(who, "manager")
    called = a_name(name, most=100)
    if team_id is not None and session.get(Team, team_id) is None:
        raise UserError(N_("This team no longer exists."), field="team_id")
    chosen = [kind for kind in TEAM_KINDS if kind in kinds]
    if team_id is not None and not chosen:
        raise UserError(N_("Choose at least one thing that calls it."), field="kinds")
    made = Webhook(
        name=called,
        url=_checked(url),
        team_id=team_id,
        kinds=chosen if team_id is not None else [],
        secret=seal(_new_secret()),
        created_at=now,
    )
    session.add(made)
    session.flush()
    audit(session, who, "webhook_added", now=now, name=called, url=made.url)
    return made.id


def remove(session: Session, who: Viewer, webhook_id: int, *, now: datetime) -> None:
    """With its log. One's own, or for managers a shared one, unless rules call it: Conflict names them."""
    found = _reachable(session, who, webhook_id)
    if found.user_id is None:
        session.refresh(found, with_for_update=True)  # a rule that names it just now comes first
        if naming := rules.named(session, "webhook").get(webhook_id):
            raise Conflict(N_("Rules call this webhook: %(rules)s. Change them first."), rules=", ".join(naming))
        audit(session, who, "webhook_removed", now=now, name=found.name, url=found.url)
    session.delete(found)
    session.flush()


def try_out(session: Session, who: Viewer, webhook_id: int, *, now: datetime) -> None:
    """Calls it once with a test; what came of it stands in the log a moment later."""
    call(session, _reachable(session, who, webhook_id).id, "test", now=now)


def call(
    session: Session,
    webhook_id: int,
    kind: str,
    *,
    now: datetime,
    conversation: Conversation | None = None,
    **about: Any,
) -> None:
    """Queues a call; for rules and tests. What is told to people queues its own (`telling`).

    `about` of a rule: rule, rule_version, rule_name.
    """
    body = {
        "kind": kind,
        "at": now.isoformat(),
        "conversation_id": conversation.id if conversation is not None else None,
        "mailbox_id": conversation.mailbox_id if conversation is not None else None,
        "by_id": None,
        "to_id": None,
        "about": about,
    }
    key = f"msg_{secrets.token_hex(16)}"
    session.add(Delivery(webhook_id=webhook_id, key=key, body=body, created_at=now, due_at=now))
    ring.job(session, "call_webhooks")


# -- the worker's part


@dataclass(frozen=True)
class _Claimed:
    id: int
    url: str
    secret: str
    key: str
    body: dict[str, Any]
    tries: int


def is_due(session: Session, now: datetime) -> bool:
    due = Delivery.due_at <= now
    free = or_(Delivery.lease_until.is_(None), Delivery.lease_until < now)
    return bool(session.scalar(select(exists().where(Delivery.state == "queued", due, free))))


def call_due(*, now: datetime) -> int:
    """Calls what is due, a lease first, the outcome after; how many. No transaction is open while it calls."""
    count = 0
    while True:
        with db.transaction() as session:
            claimed = _claim(session, now=now)
        if not claimed:
            return count
        for one in claimed:
            called = _call(one, now=now)
            with db.transaction() as session:
                _settle(session, one, called, now=now)
            count += 1


def forget_old(session: Session, *, now: datetime) -> None:
    session.execute(delete(Delivery).where(Delivery.created_at < now - KEPT, Delivery.state != "queued"))


def _claim(session: Session, *, now: datetime) -> list[_Claimed]:
    wanted = (
        select(Delivery, Webhook)
        .join(Webhook, Webhook.id == Delivery.webhook_id)
        .where(
            Delivery.state == "queued",
            Delivery.due_at <= now,
            or_(Delivery.lease_until.is_(None), Delivery.lease_until < now),
        )
        .order_by(Delivery.due_at, Delivery.id)
        .limit(AT_ONCE)
        .with_for_update(skip_locked=True, of=Delivery)
    )
    claimed = []
    for delivery, webhook in session.execute(wanted):
        delivery.lease_until = now + LEASE * AT_ONCE
        delivery.tries += 1
        body = _body(session, webhook, delivery)
        claimed.append(_Claimed(delivery.id, webhook.url, webhook.secret, delivery.key, body, delivery.tries))
    return claimed


def _call(one: _Claimed, *, now: datetime) -> Called:
    try:
        secret = base64.b64decode(open_secret(one.secret).removeprefix("whsec_"))
    except WireProblem:
        return Called(None, "secret")
    body = json.dumps(one.body, ensure_ascii=False).encode()
    return hook.call(one.url, secret=secret, key=one.key, at=now, body=body)


def _settle(session: Session, one: _Claimed, called: Called, *, now: datetime) -> None:
    delivery = session.get(Delivery, one.id, with_for_update=True)
    if delivery is None:
        return  # its webhook was removed meanwhile
    webhook = session.get_one(Webhook, delivery.webhook_id)
    delivery.lease_until, delivery.code, delivery.answer = None, called.code, called.text
    if called.ok:
        delivery.state, delivery.ended_at = "sent", now
        webhook.last_ok_at, webhook.failing_since = now, None
        return
    webhook.failing_since = webhook.failing_since or now
    if delivery.tries > len(RETRIES) or called.text in WRONG:  # what may not be called is not tried again
        delivery.state, delivery.ended_at = "failed", now
    else:
        delivery.due_at = now + RETRIES[delivery.tries - 1]


def _body(session: Session, webhook: Webhook, delivery: Delivery) -> dict[str, Any]:
    """What the receiver gets. `text` is a whole sentence with its link, which is what chat programs show."""
    told = delivery.body
    conversation = session.get(Conversation, told["conversation_id"]) if told["conversation_id"] else None
    mailbox = session.get(Mailbox, told["mailbox_id"]) if told["mailbox_id"] else None
    by = session.get(User, told["by_id"]) if told["by_id"] else None
    person = session.get(User, webhook.user_id) if webhook.user_id else None
    locale = person.locale if person is not None else mailbox.locale if mailbox is not None else "en"
    path = told["about"].get("path") or (f"/conversations/{conversation.id}" if conversation is not None else "")
    words = sentence(locale, told["kind"], by=by.name if by else "", about=told["about"])
    subject = conversation.subject if conversation is not None else ""
    url = settings().address + path
    return {
        "type": told["kind"],
        "timestamp": told["at"],
        "text": "\n".join(part for part in (f"{words} – {subject}" if subject else words, url) if part),
        "data": {
            "conversation": {"id": conversation.id, "subject": subject, "status": conversation.status}
            if conversation is not None
            else None,
            "mailbox": mailbox.name if mailbox is not None else None,
            "by": by.name if by is not None else None,
            "rule": {"id": told["about"]["rule"], "name": told["about"]["rule_name"]}
            if "rule_name" in told["about"]
            else None,
            "url": url,
        },
    }


def _reachable(session: Session, who: Viewer, webhook_id: int) -> Webhook:
    found = session.get(Webhook, webhook_id)
    if found is None or not (found.user_id == who.id or (found.user_id is None and who.is_manager)):
        raise NotFound
    return found


def _checked(url: str) -> str:
    """The address, if it may be called as far as it can be told without asking anybody."""
    clean = url.strip()
    if len(clean) > 2_000:
        raise UserError(WRONG["address"], field="url")
    try:
        where = hook.target(clean)
        if hook.is_literal(where.host):
            hook.addresses(where.host, where.port)
    except hook.NotCalled as error:
        raise UserError(WRONG[str(error)], field="url") from None
    return clean


def _new_secret() -> str:
    return "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()


def _row(session: Session, one: Webhook) -> WebhookRow:
    try:
        secret = open_secret(one.secret)
    except WireProblem:
        secret = ""
    team = session.get(Team, one.team_id) if one.team_id is not None else None
    log = session.scalars(
        select(Delivery).where(Delivery.webhook_id == one.id).order_by(Delivery.id.desc()).limit(LOGGED)
    )
    return WebhookRow(
        id=one.id,
        name=one.name,
        team_id=one.team_id,
        team=team.name if team is not None else "",
        url=one.url,
        secret=secret,
        kinds=tuple(kind for kind in one.kinds if kind in KINDS),
        last_ok_at=one.last_ok_at,
        failing_since=one.failing_since,
        log=tuple(
            DeliveryRow(
                at=call.created_at,
                kind=call.body.get("kind", ""),
                state=call.state,
                tries=call.tries,
                code=call.code,
                answer=call.answer,
                next_at=call.due_at if call.state == "queued" and call.tries else None,
            )
            for call in log
        ),
    )
