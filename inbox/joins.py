"""Conversations that are one matter become one, and can be parted again at any time.

The oldest one goes on; everything of the others moves there, also from another mailbox. An emptied one keeps its row
(status `joined`, in no list) for its address and for the undo. What moved is written into the suggestion, so that
parting gives back exactly that. Mail and work that came after the join stay with the conversation that went on. Nothing
of all this is told to the customer.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import delete, func, insert, or_, select, update
from sqlalchemy.orm import Session, aliased

from inbox import conversations, drafts, kept_deadlines, people, search
from inbox.db import Utc
from inbox.errors import N_, Conflict, NotFound, UserError
from inbox.joined_facts import Joint, parted, united
from inbox.models import (
    Attachment,
    Claim,
    Conversation,
    ConversationTag,
    Draft,
    Event,
    JoinSuggestion,
    Mailbox,
    Message,
    Note,
    Outgoing,
    RuleTrace,
    ThreadKey,
    User,
)
from inbox.models.conversations import JOINED
from inbox.people import Viewer

MOVED = {
    "messages": Message,
    "notes": Note,
    "events": Event,
    "outgoing": Outgoing,
    "drafts": Draft,
    "traces": RuleTrace,
}
IDENTITY = ("id", "mailbox_id", "person_id", "subject", "version", "created_at", "silent", "joined_into_id")
WORKED_OUT = ("due_at", "due_kind", "soon_at", "next_step_at")
FACTS = tuple(column.name for column in Conversation.__table__.c if column.name not in (*IDENTITY, *WORKED_OUT))
TIMES = tuple(name for name in FACTS if isinstance(Conversation.__table__.c[name].type, Utc))
AT_ONCE = 500  # ids in one statement
MOST_JOINED = 20  # conversations made one by one click


@dataclass(frozen=True)
class Parted:
    """The two conversations after an undo: the one that had gone on, and the one that is back."""

    conversation_id: int
    other_id: int


@dataclass(frozen=True)
class Candidate:
    """A conversation that is about to be joined, as the page that asks shows it."""

    id: int
    subject: str
    people: str
    mailbox_id: int
    mailbox_name: str
    colour: str
    status: str
    owner_name: str
    person_id: int | None
    activity_at: datetime
    message_count: int


@dataclass(frozen=True)
class Plan:
    """What a join would make one, the one that goes on first, and what speaks against it."""

    candidates: tuple[Candidate, ...]
    different_customers: bool
    different_mailboxes: bool


def plan(session: Session, who: Viewer, ids: Sequence[int]) -> Plan:
    """The conversations of `ids` that `who` may see, as they would be joined."""
    wanted = (
        select(Conversation, Mailbox.name, Mailbox.colour, User.name)
        .join(Mailbox, Mailbox.id == Conversation.mailbox_id)
        .outerjoin(User, User.id == Conversation.owner_id)
        .where(
            Conversation.id.in_(set(ids[:MOST_JOINED])),
            (Conversation.mailbox_id + 0).in_(who.mailbox_ids),  # found by their ids, not by the mailbox's index
            Conversation.status != JOINED,
        )
        .order_by(Conversation.id)
    )
    found = tuple(
        Candidate(
            id=one.id,
            subject=one.subject,
            people=one.people,
            mailbox_id=one.mailbox_id,
            mailbox_name=mailbox_name,
            colour=colour,
            status=one.status,
            owner_name=owner_name or "",
            person_id=one.person_id,
            activity_at=one.activity_at,
            message_count=one.message_count,
        )
        for one, mailbox_name, colour, owner_name in session.execute(wanted)
    )
    return Plan(
        candidates=found,
        different_customers=len({one.person_id for one in found if one.person_id is not None}) > 1,
        different_mailboxes=len({one.mailbox_id for one in found}) > 1,
    )


def join(session: Session, who: Viewer, conversation_id: int, other_id: int, *, now: datetime) -> int:
    """Makes one of the two; the id of the one that goes on (the older one)."""
    return join_all(session, who, (conversation_id, other_id), now=now)


def join_all(session: Session, who: Viewer, ids: Sequence[int], *, now: datetime) -> int:
    """Makes one of all of them; the id of the one that goes on (the oldest one)."""
    oldest_id, *others = sorted(set(ids))  # one order everywhere: no deadlock
    if not others:
        raise UserError(N_("These are the same conversation."))
    if len(others) >= MOST_JOINED:
        raise UserError(N_("At most %(most)d conversations can be joined at once."), most=MOST_JOINED)
    lock_outgoing(session, ids)
    oldest, *rest = [people.conversation(session, who, one, lock=True) for one in (oldest_id, *others)]
    for newer in rest:
        make_one(session, oldest, newer, actor_id=who.id, reason="by_hand", now=now)
    return oldest_id


def make_one(
    session: Session, older: Conversation, newer: Conversation, *, actor_id: int | None, reason: str, now: datetime
) -> None:
    """Joins `newer` into `older`, both locked by the caller. `actor_id` None: the system does it."""
    suggestion = _suggestion(session, older.id, newer.id, reason=reason, now=now)
    session.flush()
    before = {"older": _facts(older), "newer": _facts(newer)}
    readers = {"older": conversations.readers(session, older), "newer": conversations.readers(session, newer)}
    moved = _move(session, newer, older) | {
        "older": older.id,
        "newer": newer.id,
        "tags": _add_tags(session, newer, older),
    }
    with conversations.together(session):  # all counters in one order: no deadlock with another join
        _become(session, older, united(before["older"], before["newer"]), now=now)
        older.version = max(older.version, newer.version) + 1  # no answer that saw only one of them may leave
        _empty(session, newer, older, now=now)
    session.flush()
    conversations.mark_read(session, older, {*readers["older"]} & {*readers["newer"]})
    suggestion.moved = moved | {
        "before": {name: _to_json(facts) for name, facts in before.items()},
        "after": {"older": _to_json(_facts(older))},
        "readers": readers,
        "last_message": session.scalar(select(func.max(Message.id)).where(Message.conversation_id == older.id)) or 0,
    }
    suggestion.state, suggestion.at = "joined", now
    conversations.record(
        session, older, "joined", now=now, actor_id=actor_id, other=newer.id, messages=len(moved["messages"])
    )
    session.flush()


def undo(session: Session, who: Viewer, suggestion_id: int, *, now: datetime) -> Parted:
    """Parts what `join` joined; mail that came since stays where it was filed. Raises Conflict when that cannot be."""
    suggestion = session.get(JoinSuggestion, suggestion_id)
    if suggestion is None:
        raise NotFound
    lock_outgoing(session, [suggestion.moved.get("older", 0)])
    locked = _locked(session, suggestion.moved.get("older", 0), suggestion.moved.get("newer", 0))
    if locked is None or not all(who.may_see(one.mailbox_id) for one in locked):
        raise NotFound
    older, newer = locked
    session.refresh(suggestion, with_for_update=True)
    if suggestion.state != "joined":
        raise Conflict(N_("These conversations were parted already."))
    if older.status == JOINED:
        raise Conflict(N_("This conversation was joined into another one since. Undo that first."))
    _part(session, suggestion, older, newer, now=now)
    session.flush()
    for conversation, other in ((older, newer), (newer, older)):
        conversations.record(session, conversation, "unjoined", now=now, actor_id=who.id, other=other.id)
    return Parted(conversation_id=older.id, other_id=newer.id)


def part_from(session: Session, mailbox_id: int, *, now: datetime) -> None:
    """Gives other mailboxes back what was joined with conversations of this one, before it is taken away with all of
    its own; the outermost join first."""
    one, other = aliased(Conversation), aliased(Conversation)
    touching = (
        select(JoinSuggestion)
        .join(one, one.id == JoinSuggestion.conversation_id)
        .join(other, other.id == JoinSuggestion.other_id)
        .where(JoinSuggestion.state == "joined", or_(one.mailbox_id == mailbox_id, other.mailbox_id == mailbox_id))
        .order_by(JoinSuggestion.at.desc(), JoinSuggestion.id.desc())
    )
    if session.scalars(touching.where(one.mailbox_id != other.mailbox_id).limit(1)).first() is None:
        return  # nothing of anybody else's: it all goes
    while joined := list(session.scalars(touching)):
        outermost = False
        for suggestion in joined:
            locked = _locked(session, suggestion.moved["older"], suggestion.moved["newer"])
            if locked is None or locked[0].status == JOINED:
                continue
            _part(session, suggestion, *locked, now=now)
            outermost = True
        if not outermost:
            return


def made_into(session: Session, conversation_id: int) -> tuple[int, ...]:
    """Ids of the joins into that conversation that are in force, oldest first; `undo` takes each back."""
    return tuple(one.id for one in _in_force(session, conversation_id))


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


def lock_outgoing(session: Session, ids: Sequence[int]) -> None:
    """Before the conversations, in the order of those who send: no deadlock with an answer that is on its way."""
    wanted = select(Outgoing.id).where(Outgoing.conversation_id.in_(set(ids))).order_by(Outgoing.id)
    session.execute(wanted.with_for_update()).all()


def _locked(session: Session, *ids: int) -> list[Conversation] | None:
    wanted = select(Conversation).where(Conversation.id.in_(ids)).order_by(Conversation.id).with_for_update()
    found = {one.id: one for one in session.scalars(wanted.execution_options(populate_existing=True))}
    return [found[one] for one in ids] if len(found) == len(ids) else None


def _suggestion(session: Session, older_id: int, newer_id: int, *, reason: str, now: datetime) -> JoinSuggestion:
    known = _known(session, newer_id, older_id)
    if known is None:
        known = JoinSuggestion(conversation_id=newer_id, other_id=older_id, reason=reason, at=now)
        session.add(known)
    return known


def _known(session: Session, one_id: int, other_id: int) -> JoinSuggestion | None:
    pair = JoinSuggestion.conversation_id, JoinSuggestion.other_id
    either = or_((pair[0] == one_id) & (pair[1] == other_id), (pair[0] == other_id) & (pair[1] == one_id))
    return session.scalars(select(JoinSuggestion).where(either).with_for_update()).first()


def _facts(conversation: Conversation) -> dict[str, Any]:
    return {name: getattr(conversation, name) for name in FACTS}


def _become(session: Session, conversation: Conversation, facts: dict[str, Any], *, now: datetime) -> None:
    """Through `place`, so that the counters follow; the rest as it stands."""
    conversations.place(session, conversation, status=facts["status"], owner_id=facts["owner_id"], now=now)
    for name in FACTS:
        setattr(conversation, name, facts[name])
    kept_deadlines.keep(session, conversation, now=now)


def _to_json(facts: dict[str, Any]) -> dict[str, Any]:
    return {name: value.isoformat() if isinstance(value, datetime) else value for name, value in facts.items()}


def _from_json(facts: dict[str, Any]) -> dict[str, Any]:
    return {
        name: datetime.fromisoformat(value) if name in TIMES and value is not None else value
        for name, value in facts.items()
    }


def _move(session: Session, source: Conversation, target: Conversation) -> dict[str, Any]:
    """Moves everything that stands in `source`; what moved, by kind."""
    moved: dict[str, Any] = {}
    if source.mailbox_id != target.mailbox_id:
        search.belongs_to(session, source.id, before=source.mailbox_id, after=target.mailbox_id)
        moved["senders"] = drafts.leave_from(session, source.id, session.get_one(Mailbox, target.mailbox_id))
    for kind, model in MOVED.items():
        moved[kind] = list(
            session.scalars(select(model.id).where(model.conversation_id == source.id).order_by(model.id))
        )
        _point(session, model, moved[kind], target.id)
    keys = select(ThreadKey.mailbox_id, ThreadKey.key).where(ThreadKey.conversation_id == source.id)
    moved["keys"] = sorted([mailbox_id, key] for mailbox_id, key in session.execute(keys))
    _point_keys(session, moved["keys"], target.id)
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
    session.expire(target, ["tags"])
    return new


def _empty(session: Session, newer: Conversation, older: Conversation, *, now: datetime) -> None:
    conversations.place(session, newer, status=JOINED, now=now)
    newer.joined_into_id = older.id
    newer.version += 1  # nor one that waited for the join to end
    newer.message_count = newer.attachment_count = 0
    newer.waiting_since = None


# -- parting


def _part(
    session: Session, suggestion: JoinSuggestion, older: Conversation, newer: Conversation, *, now: datetime
) -> None:
    moved, readers = suggestion.moved, conversations.readers(session, older)
    in_force = _in_force(session, older.id)
    later = in_force[in_force.index(suggestion) + 1 :]
    came = _came_since(session, older, moved, later)
    facts, again = parted(_facts(older), _joint(moved), [_joint(one.moved) for one in later])
    whole = _give_back(session, moved, older, newer)
    for one, joint in zip(later, again, strict=True):
        told = one.moved | {"after": {"older": _to_json(dict(joint.after))}}
        told["before"] = one.moved["before"] | {"older": _to_json(dict(joint.before))}
        one.moved = told
    _take_tags_back(session, moved, older, later)
    with conversations.together(session):
        _become(session, newer, _from_json(moved["before"]["newer"]), now=now)
        _become(session, older, facts | _with(session, older, came, facts), now=now)
    kept_deadlines.part(session, older, joined_at=suggestion.at, now=now)
    if not whole:  # an answer was taken back meanwhile
        _count_anew(session, older)
        _count_anew(session, newer)
    newer.joined_into_id = None
    newer.version = older.version = max(newer.version, older.version) + 1
    session.flush()
    conversations.mark_read(session, newer, {*moved["readers"]["newer"], *readers})
    conversations.mark_read(session, older, {*readers, *(moved["readers"]["older"] if not came and not later else ())})
    if later and not came:
        told = later[0].moved["readers"]
        both = sorted({*told["older"], *moved["readers"]["older"]})
        later[0].moved = later[0].moved | {"readers": told | {"older": both}}
    suggestion.state, suggestion.at = "undone", now
    suggestion.moved = {"older": older.id, "newer": newer.id}
    session.flush()


def _in_force(session: Session, conversation_id: int) -> list[JoinSuggestion]:
    """The joins into that conversation, oldest first."""
    either = or_(JoinSuggestion.conversation_id == conversation_id, JoinSuggestion.other_id == conversation_id)
    found = session.scalars(
        select(JoinSuggestion)
        .where(either, JoinSuggestion.state == "joined")
        .order_by(JoinSuggestion.at, JoinSuggestion.id)
    )
    return [one for one in found if one.moved.get("older") == conversation_id]


def _joint(moved: dict[str, Any]) -> Joint:
    return Joint(
        before=_from_json(moved["before"]["older"]),
        other=_from_json(moved["before"]["newer"]),
        after=_from_json(moved["after"]["older"]),
    )


def _give_back(session: Session, moved: dict[str, Any], older: Conversation, newer: Conversation) -> bool:
    """Whether every message that was moved still is there."""
    sent_since = set(
        session.scalars(
            select(Outgoing.draft_id).where(
                Outgoing.conversation_id == older.id,
                Outgoing.draft_id.in_(moved["drafts"]),
                Outgoing.id.not_in(moved["outgoing"]),
                Outgoing.state != "cancelled",
            )
        )
    )
    there = session.scalar(select(func.count()).where(Message.id.in_(moved["messages"]))) or 0
    for kind, model in MOVED.items():
        ids = moved[kind] if kind != "drafts" else [one for one in moved[kind] if one not in sent_since]
        _point(session, model, ids, newer.id, only_from=older.id)
    _point_keys(session, moved["keys"], newer.id, only_from=older.id)
    if older.mailbox_id != newer.mailbox_id:
        search.belongs_to(session, newer.id, before=older.mailbox_id, after=newer.mailbox_id)
        for draft_id, (mailbox_id, address, *since) in moved.get("senders", {}).items():
            session.execute(
                update(Draft)
                .where(Draft.id == int(draft_id), Draft.mailbox_id == since[0], Draft.from_address == since[1])
                .where(Draft.conversation_id == newer.id)
                .values(mailbox_id=mailbox_id, from_address=address)
            )
    session.execute(delete(Claim).where(Claim.conversation_id == older.id))
    return there == len(moved["messages"])


def _take_tags_back(
    session: Session, moved: dict[str, Any], older: Conversation, later: Sequence[JoinSuggestion]
) -> None:
    """A tag that a later join brought along, too, stays, and goes with that one."""
    gone = set(moved["tags"])
    session.execute(
        delete(ConversationTag).where(ConversationTag.conversation_id == older.id, ConversationTag.tag_id.in_(gone))
    )
    for one in later:
        brings = select(ConversationTag.tag_id).where(
            ConversationTag.conversation_id == one.moved["newer"], ConversationTag.tag_id.in_(gone)
        )
        again = sorted(session.scalars(brings))
        if again:
            session.execute(
                insert(ConversationTag), [{"conversation_id": older.id, "tag_id": tag_id} for tag_id in again]
            )
            one.moved = one.moved | {"tags": sorted({*one.moved["tags"], *again})}
            gone -= set(again)
    for conversation_id in (older.id, moved["newer"]):
        session.expire(session.get_one(Conversation, conversation_id), ["tags"])


def _came_since(
    session: Session, older: Conversation, moved: dict[str, Any], later: Sequence[JoinSuggestion]
) -> list[Message]:
    """Mails that came or were written after the join, in order; not those that a later join brought along."""
    brought = {message_id for one in later for message_id in one.moved["messages"]}
    wanted = select(Message).where(Message.conversation_id == older.id, Message.id > moved["last_message"])
    return [one for one in session.scalars(wanted.order_by(Message.at, Message.id)) if one.id not in brought]


def _with(session: Session, older: Conversation, new: Sequence[Message], facts: dict[str, Any]) -> dict[str, Any]:
    """What mail that came after the join makes of the conversation that stays: its place, and that it waits."""
    if not new:
        return {}
    last = session.scalars(
        select(Message)
        .where(Message.conversation_id == older.id)
        .order_by(conversations.AUTOMATIC, Message.at.desc(), Message.id.desc())
        .limit(1)
    ).one()
    changed: dict[str, Any] = {
        "activity_at": last.at,
        "snippet": last.snippet[: conversations.SNIPPET_CHARACTERS],
        "last_direction": last.direction,
    }
    unanswered: datetime | None = None
    for one in new:
        if one.direction == "out" and one.kind not in ("forward", "auto_reply"):
            unanswered = None
        elif one.direction == "in" and one.kind in ("person", "list"):
            unanswered = unanswered or one.at
    if unanswered is not None and older.waiting_since is not None:
        changed["waiting_since"] = min(filter(None, (facts["waiting_since"], unanswered)))
        if facts["status"] != "spam":
            changed |= {"status": "open", "closed_at": None, "snoozed_until": None}
    return changed


def _count_anew(session: Session, conversation: Conversation) -> None:
    stands = Message.conversation_id == conversation.id
    files = select(func.count()).select_from(Attachment).join(Message, Message.id == Attachment.message_id)
    conversation.message_count = session.scalar(select(func.count()).select_from(Message).where(stands)) or 0
    conversation.attachment_count = session.scalar(files.where(stands, ~Attachment.inline)) or 0


def _point(
    session: Session, model: Any, ids: Sequence[int], conversation_id: int, *, only_from: int | None = None
) -> None:
    for some in _in_parts(ids):
        change = update(model).where(model.id.in_(some))
        if only_from is not None:
            change = change.where(model.conversation_id == only_from)
        session.execute(change.values(conversation_id=conversation_id).execution_options(synchronize_session="fetch"))


def _point_keys(
    session: Session, keys: Sequence[Sequence[Any]], conversation_id: int, *, only_from: int | None = None
) -> None:
    for mailbox_id in sorted({one[0] for one in keys}):
        for some in _in_parts([key for owner, key in keys if owner == mailbox_id]):
            change = update(ThreadKey).where(ThreadKey.mailbox_id == mailbox_id, ThreadKey.key.in_(some))
            if only_from is not None:
                change = change.where(ThreadKey.conversation_id == only_from)
            session.execute(
                change.values(conversation_id=conversation_id).execution_options(synchronize_session="fetch")
            )


def _in_parts(ids: Sequence[Any]) -> Iterator[Sequence[Any]]:
    for start in range(0, len(ids), AT_ONCE):
        yield ids[start : start + AT_ONCE]
