"""One thing done to many conversations: in steps of one short transaction each, and taken back the same way.

What was chosen is written down first; the clock goes on with it, so a crash or a closed browser only delays it. Each
conversation remembers what the action changed in it. Taking it back leaves alone what somebody changed since.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import delete, func, insert, select
from sqlalchemy.orm import Session

from inbox import conversations, kept_deadlines, people, rule_runs, triage
from inbox.errors import N_, Conflict, NotFound, UserError
from inbox.models import Bulk, BulkItem, Conversation, ConversationTag, ReadMark, Tag, User
from inbox.models.conversations import JOINED
from inbox.people import Viewer

STEP = 200  # conversations in one transaction, some 100 ms: short enough for those who wait to write
MOST = 50_000  # conversations of one bulk change
KEPT_DAYS = 30  # so long it can be taken back
ACTIONS = (
    "assign",
    "close",
    "needless",
    "reopen",
    "wait",
    "snooze",
    "spam",
    "not_spam",
    "mark_unread",
    "tag",
    "untag",
    "categorise",
)
FACTS = ("status", "owner_id", "snoozed_until", "closed_at", "needless", "category_id", "waiting_since", "trouble")
TIMES = ("snoozed_until", "closed_at", "waiting_since")


@dataclass(frozen=True)
class BulkView:
    """How far it is. `state`: running, done, undoing, undone."""

    id: int
    action: str
    state: str
    total: int
    done: int
    skipped: int
    trouble: str
    at: datetime


def start(session: Session, who: Viewer, action: str, ids: Sequence[int], *, now: datetime, **given: Any) -> BulkView:
    """Writes down what is to be done and takes the first step. `given` are the arguments of the action by name.

    Raises UserError when even the first conversation refuses it.
    """
    if action not in ACTIONS:
        raise NotFound
    if len(ids) > MOST:
        raise UserError(N_("Choose at most %(most)d conversations at once."), most=MOST)
    made = Bulk(
        user_id=who.id, action=action, given=_to_json(given), state="running", total=len(set(ids)), done=0, at=now
    )
    session.add(made)
    session.flush()
    rows = [{"bulk_id": made.id, "conversation_id": one, "state": "waiting"} for one in _there(session, ids)]
    made.total = len(rows)
    for start_at in range(0, len(rows), 1_000):
        session.connection().execute(insert(BulkItem.__table__), rows[start_at : start_at + 1_000])
    _step(session, made, now=now)
    if made.skipped and made.skipped == made.done and made.trouble:
        raise UserError(made.trouble)
    return _view(made)


def show(session: Session, who: Viewer, bulk_id: int) -> BulkView:
    """Raises NotFound for another person's."""
    return _view(_mine(session, who, bulk_id))


def undo(session: Session, who: Viewer, bulk_id: int, *, now: datetime) -> BulkView:
    """Begins to take it back and takes the first step; also one that is still running."""
    found = _mine(session, who, bulk_id, lock=True)
    if found.state in ("undoing", "undone"):
        raise Conflict(N_("This was taken back already."))
    done = select(func.count()).where(BulkItem.bulk_id == found.id, BulkItem.state == "done")
    found.state, found.done, found.skipped, found.trouble = "undoing", 0, 0, ""
    found.total = session.scalar(done) or 0
    _step(session, found, now=now)
    return _view(found)


def go_on(session: Session, bulk_id: int, *, now: datetime) -> bool:
    """One step; whether there is more to do. Several processes may ask: one of them does it."""
    found = session.scalar(select(Bulk).where(Bulk.id == bulk_id).with_for_update(skip_locked=True))
    if found is None or found.state not in ("running", "undoing"):
        return False
    _step(session, found, now=now)
    return found.state in ("running", "undoing")


def unfinished(session: Session) -> tuple[int, ...]:
    """Ids of those that the clock goes on with, the oldest first."""
    return tuple(session.scalars(select(Bulk.id).where(Bulk.state.in_(("running", "undoing"))).order_by(Bulk.id)))


def forget_old(session: Session, *, before: datetime) -> None:
    """What can no longer be taken back."""
    old = select(Bulk.id).where(Bulk.at < before, Bulk.state.in_(("done", "undone")))
    session.execute(delete(BulkItem).where(BulkItem.bulk_id.in_(old)))
    session.execute(delete(Bulk).where(Bulk.id.in_(old)))


# -- a step


def _there(session: Session, ids: Sequence[int]) -> list[int]:
    """Those that exist; an address of a form may name anything."""
    found: list[int] = []
    every = sorted(set(ids))
    for start_at in range(0, len(every), 1_000):
        some = every[start_at : start_at + 1_000]
        found += session.scalars(select(Conversation.id).where(Conversation.id.in_(some)).order_by(Conversation.id))
    return found


def _step(session: Session, bulk: Bulk, *, now: datetime) -> None:
    forwards = bulk.state == "running"
    waits = BulkItem.state == ("waiting" if forwards else "done")
    wanted = select(BulkItem).where(BulkItem.bulk_id == bulk.id, waits)
    items = session.scalars(wanted.order_by(BulkItem.conversation_id).limit(STEP)).all()
    who = people.of(session, session.get_one(User, bulk.user_id))
    ids = [one.conversation_id for one in items]
    # one order everywhere, first the conversations, then the counters: no deadlock with mail that comes in
    locked = select(Conversation).where(Conversation.id.in_(ids)).order_by(Conversation.id).with_for_update()
    there = {one.id: one for one in session.scalars(locked.execution_options(populate_existing=True))}
    with conversations.together(session):
        for item in items:
            found = there.get(item.conversation_id)
            if found is None or found.status == JOINED or not who.may_see(found.mailbox_id):
                item.state = "skipped"
            elif forwards:
                _do(session, who, bulk, item, found, now=now)
            else:
                _take_back(session, who, bulk, item, found, now=now)
            bulk.done += 1
            bulk.skipped += item.state == "skipped"
    session.flush()
    more = session.scalar(wanted.with_only_columns(BulkItem.conversation_id).limit(1))
    if more is None:
        bulk.state = "done" if forwards else "undone"
    session.flush()


def _do(session: Session, who: Viewer, bulk: Bulk, item: BulkItem, found: Conversation, *, now: datetime) -> None:
    before = _facts(session, bulk, found)
    try:
        triage.ACTIONS[bulk.action](session, who, found.id, now=now, **_from_json(bulk.given))
    except UserError as error:
        item.state = "skipped"
        bulk.trouble = bulk.trouble or error.message
        return
    rule_runs.status_changed(session, now=now)  # what rules make of it is taken back with it
    after = _facts(session, bulk, found)
    item.state = "done"
    item.before = {name: value for name, value in before.items() if value != after[name]}
    item.after = {name: after[name] for name in item.before}


def _take_back(
    session: Session, who: Viewer, bulk: Bulk, item: BulkItem, found: Conversation, *, now: datetime
) -> None:
    before, after = item.before or {}, item.after or {}
    present = _facts(session, bulk, found)
    if any(present[name] != after[name] for name in after):
        item.state = "skipped"
        return
    facts = _from_json(before)
    told = {"now": now, "actor_id": who.id}
    if facts.get("status", found.status) != found.status:
        conversations.record(session, found, "status", before=found.status, after=facts["status"], undo=True, **told)
        conversations.place(session, found, status=facts["status"], now=now)
        rule_runs.status_changed(session, now=now)
    if "owner_id" in facts:
        conversations.assign(session, found, facts["owner_id"], **told)
    if "category_id" in facts:
        conversations.categorise(session, found, facts["category_id"], **told)
    for name in ("snoozed_until", "closed_at", "needless", "waiting_since", "trouble"):
        if name in facts:
            setattr(found, name, facts[name])
    if "waiting_since" in facts:
        kept_deadlines.keep(session, found, now=now)
    if "tagged" in facts:
        _tag_back(session, bulk, found, was=facts["tagged"], **told)
    if "read" in facts:
        conversations.mark_read(session, found, [bulk.user_id])
    item.state = "undone"


def _tag_back(session: Session, bulk: Bulk, found: Conversation, *, was: bool, now: datetime, actor_id: int) -> None:
    tag_id = _tag_id(session, bulk)
    if tag_id is None:
        return
    if was:
        name = session.scalar(select(Tag.name).where(Tag.id == tag_id)) or ""
        conversations.tag(session, found, name, now=now, actor_id=actor_id)
    else:
        conversations.untag(session, found, tag_id, now=now, actor_id=actor_id)


def _facts(session: Session, bulk: Bulk, found: Conversation) -> dict[str, Any]:
    """What an action may change, as JSON can hold it."""
    facts = _to_json({name: getattr(found, name) for name in FACTS})
    if bulk.action in ("tag", "untag"):
        mark = select(ConversationTag.tag_id).where(
            ConversationTag.conversation_id == found.id, ConversationTag.tag_id == _tag_id(session, bulk)
        )
        facts["tagged"] = session.scalar(mark) is not None
    if bulk.action == "mark_unread":
        mark = select(ReadMark.version).where(ReadMark.conversation_id == found.id, ReadMark.user_id == bulk.user_id)
        facts["read"] = (session.scalar(mark) or 0) >= found.version
    return facts


def _tag_id(session: Session, bulk: Bulk) -> int | None:
    if "tag_id" in bulk.given:
        return int(bulk.given["tag_id"])
    name = conversations.tag_name(str(bulk.given.get("name", "")))
    return session.scalar(select(Tag.id).where(Tag.name == name))


def _to_json(facts: dict[str, Any]) -> dict[str, Any]:
    return {name: value.isoformat() if isinstance(value, datetime) else value for name, value in facts.items()}


def _from_json(facts: dict[str, Any]) -> dict[str, Any]:
    return {
        name: datetime.fromisoformat(value) if name in (*TIMES, "until") and isinstance(value, str) else value
        for name, value in facts.items()
    }


def _mine(session: Session, who: Viewer, bulk_id: int, *, lock: bool = False) -> Bulk:
    found = session.get(Bulk, bulk_id, with_for_update=lock or None)
    if found is None or found.user_id != who.id:
        raise NotFound
    return found


def _view(one: Bulk) -> BulkView:
    return BulkView(one.id, one.action, one.state, one.total, one.done, one.skipped, one.trouble, one.at)
