"""What can happen to a conversation. Each verb changes its state and writes its history event in one transaction.

Callers commit. The version is raised by every public message, in or out, and by a join: it is what an author saw, and
what `raise_version` compares when an answer leaves. Owner, status, notes and tags do not raise it: they take no words
away.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from sqlalchemy import delete, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from inbox import kept_deadlines, telling
from inbox.db import is_sqlite, new_ids
from inbox.errors import N_, UserError
from inbox.models import (
    Attachment,
    Category,
    Claim,
    Conversation,
    ConversationTag,
    Event,
    FolderCount,
    Message,
    Note,
    ReadMark,
    Tag,
    Team,
    User,
)
from inbox.models.conversations import JOINED
from inbox.wire import ring
from routing.mentions import Mention

SNIPPET_CHARACTERS = 200
AUTOMATIC = (Message.direction == "out") & (Message.kind == "auto_reply")  # nobody's answer: it raises no version

EVENTS = {
    "received": N_("A mail came in"),
    "replied": N_("Answered"),
    "forwarded": N_("Forwarded"),
    "started": N_("Wrote first"),
    "elsewhere": N_("Answered outside Madoguchi"),
    "auto_answered": N_("An automatic answer was written"),
    "sent": N_("The answer was handed to the mail server"),
    "undone": N_("Sending was undone"),
    "cancelled": N_("Sending was cancelled"),
    "failed": N_("The answer could not be sent"),
    "uncertain": N_("It is uncertain whether the answer arrived"),
    "resolved": N_("An uncertain answer was settled"),
    "bounced": N_("The answer came back as undeliverable"),
    "refused": N_("A second answer was stopped"),
    "assigned": N_("The owner changed"),
    "status": N_("The status changed"),
    "noted": N_("A note was written"),
    "tagged": N_("A tag was added"),
    "untagged": N_("A tag was removed"),
    "team": N_("The team changed"),
    "priority": N_("The priority changed"),
    "deadline_policy": N_("Another deadline policy counts"),
    "joined": N_("Conversations were joined"),
    "unjoined": N_("A join was undone"),
    "split": N_("A part became a conversation of its own"),
    "moved": N_("It was moved to another mailbox"),
    "categorised": N_("The category changed"),
    "field": N_("A field was filled in"),
    "customer": N_("What is known of the customer changed"),
    "linked": N_("It was linked with another conversation"),
    "unlinked": N_("A link was removed"),
    "escalated": N_("A step of a deadline was reached"),
    "reminded": N_("Reminded, as somebody asked"),
    "taken_over": N_("A colleague's claim was taken over"),
    "approval_asked": N_("Approval was asked for"),
    "approved": N_("An answer was approved"),
    "approval_returned": N_("An answer was returned to its author"),
    "approval_withdrawn": N_("A request for approval was withdrawn"),
    "scheduled": N_("An answer waits for its time"),
    "unscheduled": N_("An answer that waited for its time is a draft again"),
    "overtaken": N_("The customer wrote first: an answer that waited for its time is a draft again"),
}


def start(
    session: Session,
    mailbox_id: int,
    *,
    now: datetime,
    subject: str,
    person_id: int | None,
    at: datetime,
    status: str = "open",
    owner_id: int | None = None,
    silent: bool = False,
) -> Conversation:
    """A new conversation without messages yet; `at` is the arrival of the mail that starts it."""
    conversation = Conversation(
        mailbox_id=mailbox_id,
        person_id=person_id,
        subject=subject,
        status=status,
        owner_id=owner_id,
        activity_at=at,
        created_at=now,
        silent=silent,
        version=0,
        message_count=0,
        attachment_count=0,
        last_direction="in",
        people="",
        snippet="",
        trouble="",
    )
    session.add(conversation)
    if _together(session) is None:
        session.flush()
    _count(session, {(mailbox_id, status, owner_id or 0): 1})
    return conversation


def record(
    session: Session,
    conversation: Conversation,
    kind: str,
    *,
    now: datetime,
    actor_id: int | None = None,
    message: Message | None = None,
    **about: Any,
) -> None:
    """Writes one history event and lets open screens know after the commit. `message` goes in as `message_id`."""
    assert kind in EVENTS, kind
    written = _Written(conversation, kind, at=now, actor_id=actor_id, message=message, about=about)
    gathered = _together(session)
    if gathered is None:
        session.execute(insert(Event), written.row())
    else:
        gathered.events.append(written)
    ring.screens(session)
    if kind in ("failed", "uncertain", "bounced") and about.get("permanent") is not False:
        answer_id = about.get("message_id") if message is None else message.answers_id
        _tell(session, conversation, "trouble", now=now, to=_author(session, answer_id), what=kind)


def _author(session: Session, message_id: int | None) -> frozenset[int]:
    """Who wrote that answer."""
    found = session.scalar(select(Message.author_id).where(Message.id == message_id)) if message_id else None
    return frozenset() if found is None else frozenset({found})


def _tell(
    session: Session,
    conversation: Conversation,
    kind: str,
    *,
    now: datetime,
    to: Iterable[int] = (),
    by: int | None = None,
    but_not: Iterable[int] = (),
    **words: Any,
) -> None:
    """Tells those concerned (`telling.KINDS`), in this transaction."""
    told = telling.Told(kind, now, frozenset(to), by, but_not=frozenset(but_not), about=words)
    gathered = _together(session)
    if gathered is None:
        telling.about_all(session, [replace(told, conversation_id=conversation.id)])
    else:
        gathered.told.append((conversation, told))


@contextmanager
def together(session: Session) -> Iterator[None]:
    """All verbs inside write their rows, counters and events in a few statements at the end: for mails by the dozen.

    New rows have no id before the end; hand over the message itself where an event is to name it. Inside another one
    it writes with that one, or nothing if it fails.
    """
    outer = _together(session)
    gathered = session.info["together"] = _Together()
    try:
        yield
    finally:
        if outer is None:
            del session.info["together"]
        else:
            session.info["together"] = outer
    if outer is not None:
        outer.events += gathered.events
        outer.told += gathered.told
        outer.counts.update(gathered.counts)
        return
    _number(session)
    session.flush()
    if gathered.events:
        session.connection().execute(insert(Event.__table__), [event.row() for event in gathered.events])
    _count(session, {which: change for which, change in gathered.counts.items() if change})
    telling.about_all(session, [replace(one, conversation_id=conversation.id) for conversation, one in gathered.told])


def _number(session: Session) -> None:
    """Gives the new rows their ids, so that they need not be asked for one by one."""
    for model in (Conversation, Message, Attachment):
        new = [one for one in session.new if isinstance(one, model) and one.id is None]
        if new:
            for one, number in zip(new, new_ids(session, model, len(new)), strict=True):
                one.id = number


def raise_version(session: Session, conversation_id: int, seen: int) -> bool:
    """The lock of an answer: raises the version if it still is the one that the author saw; False if not."""
    result = session.execute(
        update(Conversation)
        .where(Conversation.id == conversation_id, Conversation.version == seen)
        .values(version=seen + 1)
        .execution_options(synchronize_session=False)
    )
    return result.rowcount == 1


def add_message(session: Session, conversation: Conversation, message: Message, *, now: datetime) -> None:
    """Counts a stored message in: order, snippet, names for the list. The verbs below say what it means."""
    conversation.message_count += 1
    if message.at >= conversation.activity_at or conversation.message_count == 1:
        conversation.activity_at = message.at
        conversation.snippet = message.snippet[:SNIPPET_CHARACTERS]
        conversation.last_direction = message.direction


def receive(
    session: Session,
    conversation: Conversation,
    message: Message,
    *,
    now: datetime,
    quiet: bool = False,
    waits: bool = True,
) -> None:
    """A mail of a customer stands in the conversation: raises the version and brings it back to its owner.

    `quiet` (robots, lists, first import of answered mail) changes neither status nor waiting time. Spam stays spam.
    `waits` False: its sender is no customer who waits for an answer, but somebody has to look at it.
    """
    conversation.version += 1
    if not quiet and conversation.status != "spam":
        if waits and conversation.waiting_since is None:
            conversation.waiting_since = message.at
        if (
            waits
            and conversation.began_at is None
            and not (conversation.silent and message.at <= conversation.created_at)
        ):
            conversation.began_at = message.at  # what the first import brings has no deadline
        place(session, conversation, status="open", now=now)
    record(session, conversation, "received", now=now, message=message, mail_kind=message.kind)
    if not quiet and conversation.message_count > 1 and conversation.status != "spam":  # nobody follows a new one yet
        _tell(session, conversation, "mail", now=now, who=message.from_name or message.from_address)


def answered(
    session: Session, conversation: Conversation, *, status: str | None, at: datetime, now: datetime | None = None
) -> None:
    """A human answer follows the customer's words since `at`: nothing waits any more; `status` is where it goes next.

    `now`: when that becomes known, if later.
    """
    kept_deadlines.note_answer(conversation, at)
    conversation.waiting_since = None
    conversation.trouble = ""
    if conversation.opened_at is None:
        conversation.opened_at = conversation.activity_at
    if status is not None:
        place(session, conversation, status=status, closed_at=at, now=at, known_at=now)
    else:
        kept_deadlines.keep(session, conversation, now=at)


def come_back(
    session: Session,
    conversation: Conversation,
    *,
    waiting_since: datetime | None,
    answered_at: datetime | None,
    trouble: str,
    now: datetime,
) -> None:
    """The answer of `answered_at` did not arrive (failed, bounced): the conversation is open again to its owner."""
    conversation.waiting_since = waiting_since
    kept_deadlines.forget_answer(conversation, answered_at)
    conversation.trouble = trouble
    if conversation.status != "spam":
        place(session, conversation, status="open", now=now)


def assign(
    session: Session,
    conversation: Conversation,
    owner_id: int | None,
    *,
    now: datetime,
    actor_id: int | None,
    **about: Any,
) -> None:
    """Gives the conversation to somebody, or to nobody. `about` (here and below): what else the history keeps."""
    conversation.for_opener = False
    if conversation.owner_id == owner_id:
        return
    before = conversation.owner_id
    place(session, conversation, owner_id=owner_id, now=now)
    record(session, conversation, "assigned", now=now, actor_id=actor_id, before=before, after=owner_id, **about)
    if owner_id is not None:
        _tell(session, conversation, "given", now=now, to=(owner_id,), by=actor_id)


def give_to_team(
    session: Session,
    conversation: Conversation,
    team_id: int | None,
    *,
    now: datetime,
    actor_id: int | None,
    **about: Any,
) -> None:
    """The team in charge; who of it answers is another question."""
    if conversation.team_id == team_id:
        return
    before, conversation.team_id = conversation.team_id, team_id
    record(session, conversation, "team", now=now, actor_id=actor_id, team_before=before, team_after=team_id, **about)


def set_priority(
    session: Session, conversation: Conversation, priority: str, *, now: datetime, actor_id: int | None, **about: Any
) -> None:
    """One of routing.facts.PRIORITIES."""
    if conversation.priority == priority:
        return
    before, conversation.priority = conversation.priority, priority
    kept_deadlines.keep(session, conversation, now=now)
    told = {"priority_before": before, "priority_after": priority}
    record(session, conversation, "priority", now=now, actor_id=actor_id, **told, **about)


def set_deadline_policy(
    session: Session, conversation: Conversation, policy_id: int, *, now: datetime, actor_id: int | None, **about: Any
) -> None:
    """Its deadlines are those of that policy, whichever would hold by itself."""
    if conversation.policy_id == policy_id:
        return
    conversation.policy_id = policy_id
    kept_deadlines.keep(session, conversation, now=now)
    record(session, conversation, "deadline_policy", now=now, actor_id=actor_id, policy=policy_id, **about)


def set_status(
    session: Session,
    conversation: Conversation,
    status: str,
    *,
    now: datetime,
    actor_id: int | None,
    until: datetime | None = None,
    in_any_case: bool = False,
    closed_at: datetime | None = None,
    **about: Any,
) -> None:
    """open, waiting, snoozed (needs `until`, in the future), closed (since `closed_at`, else now) or spam.

    A snooze ends when the customer writes; with `in_any_case` the conversation comes back at that time even so, and
    even if it was answered or closed meanwhile.
    """
    if status == "snoozed" and (until is None or until <= now):
        raise UserError(N_("Choose a time in the future until which to snooze."), field="until")
    if conversation.status == status and status != "snoozed":
        return
    before = conversation.status
    told = {"until": until.isoformat()} if until else {}
    if conversation.closed_at is not None:  # so that it can be closed again as it was
        told |= {"closed_at": conversation.closed_at.isoformat(), "was_needless": conversation.needless}
    if conversation.needless and conversation.waiting_since is None and status not in ("closed", "spam"):
        conversation.waiting_since = _waited(session, conversation)
    place(session, conversation, status=status, closed_at=closed_at or now, now=now)
    conversation.snoozed_until = until if status == "snoozed" else None
    if status == "snoozed":
        conversation.remind_at = until if in_any_case else None
    record(session, conversation, "status", now=now, actor_id=actor_id, before=before, after=status, **told, **about)


def close_needless(
    session: Session, conversation: Conversation, *, reason: str, now: datetime, actor_id: int | None
) -> None:
    """Closes it although nobody answered; nothing waits any more. The reason stands until it is opened again."""
    words = " ".join(reason.split())[:200]
    if not words:
        raise UserError(N_("Say why no answer is needed."), field="reason")
    told = {"before": conversation.status, "after": "closed", "needless": words}
    told |= waits_no_more(conversation)
    place(session, conversation, status="closed", closed_at=now, now=now)
    conversation.needless = words
    record(session, conversation, "status", now=now, actor_id=actor_id, **told)


def waits_no_more(conversation: Conversation) -> dict[str, str]:
    """Its customer waits for no answer; what its event has to tell, so that whoever opens it again starts no clock
    anew."""
    waited, conversation.waiting_since = conversation.waiting_since, None
    return {"waited": waited.isoformat()} if waited else {}


def last_change_of_status(session: Session, conversation_id: int) -> dict[str, Any]:
    """What its event tells; empty when it has changed never."""
    wanted = select(Event.about).where(Event.conversation_id == conversation_id, Event.kind == "status")
    return session.scalar(wanted.order_by(Event.id.desc()).limit(1)) or {}


def _waited(session: Session, conversation: Conversation) -> datetime | None:
    """Since when a conversation waited that was closed without an answer."""
    about = last_change_of_status(session, conversation.id)
    return datetime.fromisoformat(about["waited"]) if "waited" in about else None


def categorise(
    session: Session, conversation: Conversation, category_id: int | None, *, now: datetime, actor_id: int | None
) -> None:
    """What it is about, for statistics."""
    if conversation.category_id == category_id:
        return
    name = session.scalar(select(Category.name).where(Category.id == category_id))
    if category_id is not None and name is None:
        raise UserError(N_("Choose one of the list."), field="category")
    conversation.category_id = category_id
    record(session, conversation, "categorised", now=now, actor_id=actor_id, category=name or "")


def wake_due(session: Session, *, now: datetime, limit: int = 200) -> int:
    """Brings snoozed conversations back whose time has come; how many."""
    due = session.scalars(
        select(Conversation)
        .where(Conversation.status == "snoozed", Conversation.snoozed_until <= now)
        .limit(limit)
        .with_for_update(skip_locked=True)
    ).all()
    with together(session):
        for conversation in due:
            conversation.remind_at = None
            set_status(session, conversation, "open", now=now, actor_id=None)
    return len(due) + _remind(session, now=now, limit=limit)


def _remind(session: Session, *, now: datetime, limit: int) -> int:
    """Those that come back in any case, although they slept no longer; what was joined or became spam stays away."""
    due = session.scalars(
        select(Conversation).where(Conversation.remind_at <= now).limit(limit).with_for_update(skip_locked=True)
    ).all()
    with together(session):
        for conversation in due:
            conversation.remind_at = None
            if conversation.status in ("open", "waiting", "closed"):
                place(session, conversation, status="open", now=now)
                record(session, conversation, "reminded", now=now)
    return len(due)


def look(session: Session, conversation: Conversation, user_id: int, *, now: datetime) -> None:
    """A person of the team opened it: read up to this version, with what was told about it; no longer new to the
    team."""
    telling.seen(session, user_id, conversation.id, now=now)
    if conversation.opened_at is None:
        conversation.opened_at = now
    mark_read(session, conversation, [user_id])


def readers(session: Session, conversation: Conversation) -> list[int]:
    """Who has read all of it."""
    wanted = select(ReadMark.user_id).where(
        ReadMark.conversation_id == conversation.id, ReadMark.version >= conversation.version
    )
    return sorted(session.scalars(wanted))


def mark_read(session: Session, conversation: Conversation, user_ids: Iterable[int]) -> None:
    """For these people there is nothing new in it at its present version."""
    for user_id in sorted(user_ids):
        upsert(
            session,
            ReadMark,
            {"user_id": user_id, "conversation_id": conversation.id, "version": conversation.version},
            key=["user_id", "conversation_id"],
            update={"version": conversation.version},
        )


def mark_unread(session: Session, conversation: Conversation, user_id: int) -> None:
    session.execute(delete(ReadMark).where(ReadMark.user_id == user_id, ReadMark.conversation_id == conversation.id))


def note(
    session: Session,
    conversation: Conversation,
    author: User,
    *,
    text: str,
    now: datetime,
    mentions: Sequence[Mention] = (),
) -> Note:
    """Words for the team only; the customer never sees them. Who writes one or is mentioned by name follows from then
    on.

    `mentions` are of `text` as given; each speaks to one person, or to the members of one team.
    """
    words = text.strip()
    if not words:
        raise UserError(N_("Write something first."), field="text")
    cut = len(text) - len(text.lstrip())
    spans = [
        [one.start - cut, one.end - cut, *((None, one.teams[0]) if one.teams else one.ids[:1])] for one in mentions
    ]
    written = Note(conversation_id=conversation.id, author_id=author.id, at=now, text=words, mentions=spans)
    session.add(written)
    session.flush()
    record(session, conversation, "noted", now=now, actor_id=author.id, note_id=written.id)
    mentioned = {one.ids[0] for one in mentions if not one.teams}
    everybody = {user_id for one in mentions for user_id in one.ids}
    told = {"now": now, "by": author.id, "text": words[: telling.EXCERPT], "note_id": written.id}
    _tell(session, conversation, "noted", but_not=everybody, **told)  # before new followers are written down
    if mentioned:
        _tell(session, conversation, "mentioned", to=mentioned, **told)
    reached = {author.id, *mentioned}  # everybody is told once, by their own name first
    for one in mentions:
        if one.teams and set(one.ids) - reached:
            team = session.get_one(Team, one.teams[0]).name
            _tell(session, conversation, "mentioned", to=set(one.ids) - reached, team=team, **told)
            reached |= set(one.ids)
    telling.follow(session, conversation.id, author.id, why="wrote", now=now)
    for user_id in mentioned:
        telling.follow(session, conversation.id, user_id, why="mentioned", now=now)
    return written


def tag(
    session: Session, conversation: Conversation, name: str, *, now: datetime, actor_id: int | None, **about: Any
) -> Tag:
    """Adds a tag, made on first use."""
    clean = tag_name(name)
    if not clean:
        raise UserError(N_("A tag needs a name."), field="tag")
    found = tag_named(session, clean)
    inserted = upsert(
        session,
        ConversationTag,
        {"conversation_id": conversation.id, "tag_id": found.id},
        key=["conversation_id", "tag_id"],
        update=None,
    )
    if inserted:
        kept_deadlines.keep(session, conversation, now=now)
        record(session, conversation, "tagged", now=now, actor_id=actor_id, tag=clean, **about)
    return found


def tag_name(typed: str) -> str:
    """As tags are named: single spaces, at most 50 characters."""
    return " ".join(typed.split())[:50]


def tag_named(session: Session, name: str) -> Tag:
    """The tag of that name, made if need be; two people may do that at once."""
    wanted = select(Tag).where(Tag.name == name)
    found = session.scalar(wanted)
    if found is None:
        upsert(session, Tag, {"name": name}, key=["name"], update=None)
        found = session.scalars(wanted).one()
    return found


def untag(
    session: Session, conversation: Conversation, tag_id: int, *, now: datetime, actor_id: int | None, **about: Any
) -> None:
    gone = session.execute(
        delete(ConversationTag).where(
            ConversationTag.conversation_id == conversation.id, ConversationTag.tag_id == tag_id
        )
    )
    if gone.rowcount:
        kept_deadlines.keep(session, conversation, now=now)
        name = session.scalar(select(Tag.name).where(Tag.id == tag_id))
        record(session, conversation, "untagged", now=now, actor_id=actor_id, tag=name, **about)


def place(
    session: Session,
    conversation: Conversation,
    *,
    now: datetime,
    status: str | None = None,
    owner_id: int | str | None = "same",
    closed_at: datetime | None = None,
    mailbox_id: int | None = None,
    known_at: datetime | None = None,
) -> None:
    """The only way in which status, owner or mailbox of a conversation change: counters and deadlines follow, and rules
    are asked before the commit (`rule_runs`).

    `closed_at` is for a status of closed. `known_at`: when it becomes known that it changed, if later than `now`.
    """
    old = (conversation.mailbox_id, conversation.status, conversation.owner_id or 0)
    if status is not None:
        if status != "closed":
            conversation.needless = ""
        conversation.status = status
        if status != "snoozed":
            conversation.snoozed_until = None
        conversation.closed_at = closed_at if status == "closed" else None
    if owner_id != "same":
        conversation.owner_id = owner_id  # type: ignore[assignment]
    if mailbox_id is not None:
        conversation.mailbox_id = mailbox_id
    new = (conversation.mailbox_id, conversation.status, conversation.owner_id or 0)
    if new != old:
        _count(session, {old: -1, new: 1})
    if status is not None or mailbox_id is not None:
        kept_deadlines.moved(session, conversation, before=old[1], now=now)
        kept_deadlines.keep(session, conversation, now=now)
    if conversation.status != old[1] and JOINED not in (conversation.status, old[1]):
        known: dict[Conversation, Change] = session.info.setdefault("status_changes", {})
        before = known[conversation].before if conversation in known else old[1]
        known[conversation] = Change(before, known_at or now)


@dataclass(frozen=True)
class Change:
    """The status before the first change about which no rule was asked yet, and when it last changed."""

    before: str
    at: datetime


def noted(session: Session) -> dict[Conversation, Change]:
    """The changes of status of this transaction about which no rule was asked yet."""
    found: dict[Conversation, Change] = session.info.get("status_changes", {})
    return found


def changes(session: Session) -> dict[Conversation, Change]:
    """The same; from now on they count as asked about."""
    found: dict[Conversation, Change] = session.info.pop("status_changes", {})
    return found


@contextmanager
def history(session: Session) -> Iterator[None]:
    """What changes inside happened long ago: no rule is asked about it."""
    before = dict(noted(session))
    yield
    session.info["status_changes"] = before


def uncount(session: Session, conversation: Conversation) -> None:
    """Takes a conversation out of the counters, before it is deleted or emptied by a join."""
    _count(session, {(conversation.mailbox_id, conversation.status, conversation.owner_id or 0): -1})


def recount(session: Session) -> None:
    """Makes the counters anew from the conversations; the nightly proof that they are right."""
    from sqlalchemy import func

    session.execute(delete(FolderCount))
    owner = func.coalesce(Conversation.owner_id, 0)
    rows = select(Conversation.mailbox_id, Conversation.status, owner, func.count()).group_by(
        Conversation.mailbox_id, Conversation.status, owner
    )
    session.execute(insert(FolderCount).from_select(["mailbox_id", "status", "owner_id", "count"], rows))


def claim_of(session: Session, conversation_id: int, *, now: datetime) -> Claim | None:
    """Who writes an answer just now, or None."""
    return session.scalar(select(Claim).where(Claim.conversation_id == conversation_id, Claim.until > now))


@dataclass(frozen=True)
class _Written:
    """An event whose conversation and message may not have their ids yet."""

    conversation: Conversation
    kind: str
    at: datetime
    actor_id: int | None
    message: Message | None
    about: dict[str, Any]

    def row(self) -> dict[str, Any]:
        named = {} if self.message is None else {"message_id": self.message.id}
        return {
            "conversation_id": self.conversation.id,
            "mailbox_id": self.conversation.mailbox_id,
            "at": self.at,
            "actor_id": self.actor_id,
            "kind": self.kind,
            "about": named | self.about,
        }


@dataclass
class _Together:
    events: list[_Written] = field(default_factory=list)
    counts: Counter[tuple[int, str, int]] = field(default_factory=Counter)
    told: list[tuple[Conversation, telling.Told]] = field(default_factory=list)


def _together(session: Session) -> _Together | None:
    found: _Together | None = session.info.get("together")
    return found


def _count(session: Session, changes: dict[tuple[int, str, int], int]) -> None:
    gathered = _together(session)
    if gathered is not None:
        for which, change in changes.items():
            gathered.counts[which] += change
        return
    for (mailbox_id, status, owner_id), change in sorted(changes.items()):  # one order everywhere: no deadlock
        upsert(
            session,
            FolderCount,
            {"mailbox_id": mailbox_id, "status": status, "owner_id": owner_id, "count": change},
            key=["mailbox_id", "status", "owner_id"],
            update={"count": FolderCount.count + change},
        )


def upsert(
    session: Session, model: type, values: dict[str, Any], *, key: list[str], update: dict[str, Any] | None
) -> bool:
    """INSERT … ON CONFLICT, the same words on both databases; True if a row was written."""
    dialect = sqlite if is_sqlite(session) else postgresql
    statement = dialect.insert(model).values(**values)
    if update is None:
        statement = statement.on_conflict_do_nothing(index_elements=key)
    else:
        statement = statement.on_conflict_do_update(index_elements=key, set_=update)
    statement = statement.execution_options(preserve_rowcount=True)  # an INSERT does not tell its count unasked
    return session.execute(statement).rowcount > 0
