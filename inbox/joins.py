"""Two conversations that are one matter become one, and can be parted again.

The older one goes on; everything of the newer one moves there. The emptied one keeps its row (status `joined`, in no
list) for its address and for the undo. What moved is written into the suggestion, so that parting gives back exactly
that, also when the joined conversation went on meanwhile.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import delete, insert, or_, select, update
from sqlalchemy.orm import Session

from inbox import conversations, people
from inbox.errors import N_, Conflict, NotFound, UserError
from inbox.models import (
    Claim,
    Conversation,
    ConversationTag,
    Draft,
    Event,
    JoinSuggestion,
    Message,
    Note,
    Outgoing,
    ThreadKey,
)
from inbox.models.conversations import JOINED
from inbox.people import Viewer

MOVED = {"messages": Message, "notes": Note, "events": Event, "outgoing": Outgoing, "drafts": Draft}
# What a join changes in a conversation beside its counts; each is given back by an undo if nobody changed it since.
FACTS = (
    "status",
    "owner_id",
    "waiting_since",
    "opened_at",
    "snoozed_until",
    "closed_at",
    "trouble",
    "activity_at",
    "snippet",
    "last_direction",
    "people",
    "message_count",
    "attachment_count",
)
TIMES = ("waiting_since", "opened_at", "snoozed_until", "closed_at", "activity_at")
OF_THE_LAST_MESSAGE = ("activity_at", "snippet", "last_direction")
MOST_URGENT_FIRST = ("open", "snoozed", "waiting", "closed", "spam")
AT_ONCE = 500  # ids in one statement


@dataclass(frozen=True)
class Parted:
    """The two conversations after an undo: the one that had gone on, and the one that is back."""

    conversation_id: int
    other_id: int


def join(session: Session, who: Viewer, conversation_id: int, other_id: int, *, now: datetime) -> int:
    """Makes one of the two, which must stand in one mailbox; the id of the one that goes on (the older one)."""
    if conversation_id == other_id:
        raise UserError(N_("These are the same conversation."))
    older_id, newer_id = sorted((conversation_id, other_id))  # one order everywhere: no deadlock
    older = people.conversation(session, who, older_id, lock=True)
    newer = people.conversation(session, who, newer_id, lock=True)
    if older.mailbox_id != newer.mailbox_id:
        raise UserError(N_("Only conversations of one mailbox can be joined."))
    suggestion = _suggestion(session, older_id, newer_id, now=now)
    before = {"older": _facts(older), "newer": _facts(newer)}
    moved = _move(session, newer, older) | {
        "older": older_id,
        "newer": newer_id,
        "tags": _add_tags(session, newer, older),
    }
    _unite(session, older, newer)
    _empty(session, newer, older)
    session.flush()
    suggestion.moved = moved | {"before": before, "after": {"older": _facts(older)}}
    suggestion.state, suggestion.at = "joined", now
    conversations.record(
        session, older, "joined", now=now, actor_id=who.id, other=newer_id, messages=len(moved["messages"])
    )
    session.flush()
    return older_id


def undo(session: Session, who: Viewer, suggestion_id: int, *, now: datetime) -> Parted:
    """Parts what `join` joined; mail that came since stays where it was filed. Raises Conflict when that cannot be."""
    suggestion = session.get(JoinSuggestion, suggestion_id, with_for_update=True)
    if suggestion is None:
        raise NotFound
    moved = suggestion.moved
    older = session.get(Conversation, moved.get("older", 0), with_for_update=True)
    newer = session.get(Conversation, moved.get("newer", 0), with_for_update=True)
    if older is None or newer is None or not who.may_see(older.mailbox_id):
        raise NotFound
    if suggestion.state != "joined":
        raise Conflict(N_("These conversations were parted already."))
    if older.status == JOINED:
        raise Conflict(N_("This conversation was joined into another one since. Undo that first."))
    _give_back(session, moved, older, newer)
    _restore(session, newer, moved["before"]["newer"])
    _restore_older(session, older, moved)
    newer.joined_into_id = None
    newer.version = max(newer.version, older.version) + 1
    older.version = newer.version
    suggestion.state, suggestion.at = "undone", now
    suggestion.moved = {"older": older.id, "newer": newer.id}
    session.flush()
    for conversation, other in ((older, newer), (newer, older)):
        conversations.record(session, conversation, "unjoined", now=now, actor_id=who.id, other=other.id)
    return Parted(conversation_id=older.id, other_id=newer.id)


def refuse(session: Session, who: Viewer, suggestion_id: int, *, now: datetime) -> None:
    """ "Not one matter": the suggestion is not shown again."""
    suggestion = session.get(JoinSuggestion, suggestion_id)
    if suggestion is None:
        raise NotFound
    people.conversation(session, who, suggestion.conversation_id)
    if suggestion.state == "offered":
        suggestion.state, suggestion.at = "refused", now
        session.flush()


def offer(session: Session, conversation_id: int, other_id: int, *, reason: str, now: datetime) -> bool:
    """Suggests a join to whoever looks; called when mail is filed. False when that was suggested before."""
    if _known(session, conversation_id, other_id) is not None:
        return False
    session.add(
        JoinSuggestion(conversation_id=conversation_id, other_id=other_id, reason=reason[:40], state="offered", at=now)
    )
    session.flush()
    return True


def gone_on(session: Session, conversation_id: int) -> int:
    """The conversation that goes on for one that may have been joined into another."""
    for _step in range(100):
        into = session.scalar(select(Conversation.joined_into_id).where(Conversation.id == conversation_id))
        if into is None:
            break
        conversation_id = into
    return conversation_id


# -- joining


def _suggestion(session: Session, older_id: int, newer_id: int, *, now: datetime) -> JoinSuggestion:
    known = _known(session, newer_id, older_id)
    if known is None:
        known = JoinSuggestion(conversation_id=newer_id, other_id=older_id, reason="by_hand", at=now)
        session.add(known)
    return known


def _known(session: Session, one_id: int, other_id: int) -> JoinSuggestion | None:
    pair = JoinSuggestion.conversation_id, JoinSuggestion.other_id
    either = or_((pair[0] == one_id) & (pair[1] == other_id), (pair[0] == other_id) & (pair[1] == one_id))
    return session.scalars(select(JoinSuggestion).where(either).with_for_update()).first()


def _facts(conversation: Conversation) -> dict[str, Any]:
    """As JSON can hold them."""
    facts = {name: getattr(conversation, name) for name in FACTS}
    return {name: value.isoformat() if isinstance(value, datetime) else value for name, value in facts.items()}


def _move(session: Session, source: Conversation, target: Conversation) -> dict[str, Any]:
    """Moves everything that stands in `source`; what moved, by kind."""
    moved: dict[str, Any] = {}
    for kind, model in MOVED.items():
        moved[kind] = list(
            session.scalars(select(model.id).where(model.conversation_id == source.id).order_by(model.id))
        )
        _point(session, model, moved[kind], target.id)
    keys = select(ThreadKey.key).where(
        ThreadKey.mailbox_id == source.mailbox_id, ThreadKey.conversation_id == source.id
    )
    moved["keys"] = sorted(session.scalars(keys))
    _point_keys(session, source.mailbox_id, moved["keys"], target.id)
    session.execute(delete(Claim).where(Claim.conversation_id == source.id))
    return moved


def _add_tags(session: Session, source: Conversation, target: Conversation) -> list[int]:
    """Tags of `source` that `target` did not have; `source` keeps its own for the undo."""
    has = select(ConversationTag.tag_id).where(ConversationTag.conversation_id == target.id)
    wanted = select(ConversationTag.tag_id).where(
        ConversationTag.conversation_id == source.id, ConversationTag.tag_id.not_in(has)
    )
    new = sorted(session.scalars(wanted))
    if new:
        session.execute(insert(ConversationTag), [{"conversation_id": target.id, "tag_id": tag_id} for tag_id in new])
    return new


def _unite(session: Session, older: Conversation, newer: Conversation) -> None:
    """What the joined conversation is: as urgent as the more urgent of the two, waiting as long as the longer."""
    last = max((older, newer), key=lambda one: (one.activity_at, one.id))
    status = min((older.status, newer.status), key=MOST_URGENT_FIRST.index)
    until = older.snoozed_until or newer.snoozed_until
    closed = last.closed_at or older.closed_at or newer.closed_at
    owner_id = older.owner_id or newer.owner_id
    conversations.place(session, older, status=status, owner_id=owner_id, closed_at=closed)
    older.snoozed_until = until if status == "snoozed" else None
    older.waiting_since = min(filter(None, (older.waiting_since, newer.waiting_since)), default=None)
    older.opened_at = min(filter(None, (older.opened_at, newer.opened_at)), default=None)
    older.trouble = older.trouble or newer.trouble
    for name in OF_THE_LAST_MESSAGE:
        setattr(older, name, getattr(last, name))
    older.people = ", ".join(dict.fromkeys(filter(None, f"{older.people}, {newer.people}".split(", "))))[:500]
    older.message_count += newer.message_count
    older.attachment_count += newer.attachment_count
    older.version = max(older.version, newer.version) + 1  # no answer that saw only one of them may leave


def _empty(session: Session, newer: Conversation, older: Conversation) -> None:
    conversations.place(session, newer, status=JOINED)
    newer.joined_into_id = older.id
    newer.version += 1  # nor one that waited for the join to end
    newer.message_count = newer.attachment_count = 0
    newer.waiting_since = None


# -- parting


def _give_back(session: Session, moved: dict[str, Any], older: Conversation, newer: Conversation) -> None:
    for kind, model in MOVED.items():
        _point(session, model, moved[kind], newer.id, only_from=older.id)
    _point_keys(session, older.mailbox_id, moved["keys"], newer.id, only_from=older.id)
    added = ConversationTag.tag_id.in_(moved["tags"])
    session.execute(delete(ConversationTag).where(ConversationTag.conversation_id == older.id, added))
    session.execute(delete(Claim).where(Claim.conversation_id == older.id))
    for conversation in (older, newer):
        session.expire(conversation, ["tags"])


def _restore(session: Session, conversation: Conversation, facts: dict[str, Any]) -> None:
    values = {name: _from_json(name, value) for name, value in facts.items()}
    conversations.place(session, conversation, status=values.pop("status"), owner_id=values.pop("owner_id"))
    for name, value in values.items():
        setattr(conversation, name, value)


def _restore_older(session: Session, older: Conversation, moved: dict[str, Any]) -> None:
    """What nobody changed since is as before; counts go back by what moved; the rest stays as it is now."""
    before, after, present = moved["before"]["older"], moved["after"]["older"], _facts(older)
    facts = {name: before[name] if present[name] == after[name] else present[name] for name in FACTS}
    counts = ("message_count", "attachment_count")
    facts |= {name: max(0, present[name] - moved["before"]["newer"][name]) for name in counts}
    if any(present[name] != after[name] for name in OF_THE_LAST_MESSAGE):
        facts |= _last_message(session, older)
    _restore(session, older, facts)


def _last_message(session: Session, conversation: Conversation) -> dict[str, Any]:
    wanted = select(Message.at, Message.snippet, Message.direction).where(Message.conversation_id == conversation.id)
    row = session.execute(wanted.order_by(Message.at.desc(), Message.id.desc()).limit(1)).first()
    if row is None:
        return {}
    return {
        "activity_at": row.at.isoformat(),
        "snippet": row.snippet[: conversations.SNIPPET_CHARACTERS],
        "last_direction": row.direction,
    }


def _from_json(name: str, value: Any) -> Any:
    return datetime.fromisoformat(value) if name in TIMES and value is not None else value


def _point(
    session: Session, model: Any, ids: Sequence[int], conversation_id: int, *, only_from: int | None = None
) -> None:
    for some in _in_parts(ids):
        change = update(model).where(model.id.in_(some))
        if only_from is not None:
            change = change.where(model.conversation_id == only_from)
        session.execute(change.values(conversation_id=conversation_id).execution_options(synchronize_session="fetch"))


def _point_keys(
    session: Session, mailbox_id: int, keys: Sequence[str], conversation_id: int, *, only_from: int | None = None
) -> None:
    for some in _in_parts(keys):
        change = update(ThreadKey).where(ThreadKey.mailbox_id == mailbox_id, ThreadKey.key.in_(some))
        if only_from is not None:
            change = change.where(ThreadKey.conversation_id == only_from)
        session.execute(change.values(conversation_id=conversation_id).execution_options(synchronize_session="fetch"))


def _in_parts(ids: Sequence[Any]) -> Iterator[Sequence[Any]]:
    for start in range(0, len(ids), AT_ONCE):
        yield ids[start : start + AT_ONCE]
