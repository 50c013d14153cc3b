"""One conversation as its page shows it: messages oldest to newest, notes and history between them, in few queries."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, func, literal, null, or_, select, union_all
from sqlalchemy.orm import Session, aliased

from inbox import bodies, db, drafts, profiles, replies, telling
from inbox.db import Utc
from inbox.drafts import DraftView
from inbox.errors import NotFound
from inbox.mail import quoted, senders
from inbox.models import (
    AnswerDecision,
    Attachment,
    Claim,
    Conversation,
    ConversationLink,
    ConversationTag,
    CustomField,
    Draft,
    Event,
    Follower,
    JoinSuggestion,
    Mailbox,
    Message,
    Note,
    Outgoing,
    Presence,
    ReadMark,
    Tag,
    Team,
    TeamMember,
    User,
)
from inbox.models.conversations import JOINED
from inbox.people import Viewer
from inbox.profiles import Profile, ProfileAddress

MESSAGES = 100  # newest ones; older ones on demand
EVENTS = 300
NOTES = 300
SHOWN = 200_000  # characters of one text; what is longer can be read in the original
TOLD_BY_MESSAGES = (
    "received",
    "replied",
    "forwarded",
    "started",
    "elsewhere",
    "auto_answered",
    "noted",
)  # events that a message or note shows
PAIR = tuple[str, str]  # (name, address)


@dataclass(frozen=True)
class FileView:
    """A file of a message; `thumbnail` and `preview` say whether `bodies` can show one."""

    position: int
    name: str
    content_type: str
    size: int  # bytes
    inline: bool  # shown inside the HTML
    thumbnail: bool
    preview: bool


@dataclass(frozen=True)
class OutgoingView:
    """Where an answer is on its way. `due_at` of a queued one: when it leaves, or the next try."""

    id: int
    state: str  # queued, held, sending, sent, failed, uncertain, cancelled
    due_at: datetime
    can_undo: bool  # its author asked for time to think and that is not over
    undo_until: datetime  # so long a way back is promised; it lasts a little longer
    tries: int
    code: int | None  # the server's last answer
    answer: str
    recipients: tuple[dict[str, Any], ...]  # {address, state, code, text}
    held_reason: str
    sent_at: datetime | None
    sent_copy: str


@dataclass(frozen=True)
class MessageView:
    """A mail. `new_text` are its new words, `quoted` what follows them (quotation, signature), folded on the screen."""

    id: int
    direction: str  # in, out
    kind: str  # in: person, auto_reply, bounce, feedback_report, list; out: reply, forward, new, elsewhere, auto_reply
    author_id: int | None
    author_name: str  # of ours
    approved_by: str  # who let it go, "" usually
    from_name: str
    from_address: str
    to: tuple[PAIR, ...]
    cc: tuple[PAIR, ...]
    bcc: tuple[PAIR, ...]
    reply_to: tuple[PAIR, ...]
    subject: str
    mail_id: str
    at: datetime
    dated: datetime | None
    new_text: str
    quoted: str
    cut: bool  # the text is longer than what is shown
    has_html: bool
    size: int  # bytes of the mail
    files: tuple[FileView, ...]
    outgoing: OutgoingView | None
    bounce: dict[str, Any] | None
    unverified: bool  # its sender took no part in the conversation before
    third_party: bool  # from somebody to whom we forwarded
    oddities: tuple[str, ...]  # of the sender's name: mail.senders
    warnings: tuple[str, ...]  # of parsing
    answers_id: int | None
    no_auto_answer: str  # why a mail got none: routing.autoreply.Reason; "": it got one, or nothing was to be decided
    budget: int | None  # that kept it from getting one
    answer_by: str  # the rule that wanted an automatic answer
    answer_text: str  # the name of its text
    what: str = "message"


@dataclass(frozen=True)
class MentionView:
    """`text[start:end]` of a note speaks to these people. `team`: today's name of theirs, when it speaks to a team."""

    start: int
    end: int
    user_ids: frozenset[int]
    team: str = ""


@dataclass(frozen=True)
class NoteView:
    id: int
    author_id: int
    author_name: str
    at: datetime
    text: str
    mentions: tuple[MentionView, ...] = ()
    what: str = "note"


@dataclass(frozen=True)
class EventView:
    """A line of history; `kind` is one of conversations.EVENTS. People in `about` are ids: `names` knows them."""

    id: int
    at: datetime
    actor_id: int | None
    actor_name: str
    kind: str
    about: dict[str, Any]
    what: str = "event"


@dataclass(frozen=True)
class ClaimView:
    user_id: int
    name: str
    since: datetime
    until: datetime
    mine: bool


@dataclass(frozen=True)
class Suggestion:
    """Two conversations that may be one matter (`state` offered), or were made one and can be parted (joined)."""

    id: int
    state: str
    reason: str
    other_id: int
    subject: str
    activity_at: datetime
    message_count: int
    mailbox_name: str
    seen: bool  # whether the viewer may see the other one; else its subject is not told


@dataclass(frozen=True)
class ConversationView:
    id: int
    mailbox_id: int
    mailbox_name: str
    mailbox_address: str
    colour: str
    subject: str
    status: str
    owner_id: int | None
    owner_name: str
    version: int  # what an answer must have seen
    waiting_since: datetime | None
    opened_at: datetime | None
    snoozed_until: datetime | None
    closed_at: datetime | None
    due_at: datetime | None  # of its most urgent deadline that ticks
    created_at: datetime
    activity_at: datetime
    trouble: str
    message_count: int
    attachment_count: int
    unread: bool
    read_version: int  # 0: never opened by the viewer
    category_id: int | None
    needless: str  # closed without an answer: why
    joined_into_id: int | None  # it was emptied by a join: show that one instead
    tags: tuple[tuple[int, str, str], ...]  # (id, name, colour)
    messages: tuple[MessageView, ...]
    notes: tuple[NoteView, ...]
    events: tuple[EventView, ...]
    entries: tuple[MessageView | NoteView | EventView, ...]  # all three, oldest first
    older: bool  # there are earlier messages; `show(..., before=messages[0].id)`
    drafts: tuple[DraftView, ...]  # the viewer's own
    others_drafts: tuple[DraftView, ...]  # read only
    locked: bool  # some draft waits for approval or for its time
    claim: ClaimView | None
    looking: tuple[str, ...]  # names of others
    followers: tuple[tuple[int, str], ...]  # (id, name), by name
    has_fields: bool  # its mailbox has custom fields
    has_links: bool
    person: Profile | None
    suggestions: tuple[Suggestion, ...]
    names: dict[int, str]  # of people that events speak of
    team_names: dict[int, str]  # of teams that events speak of, while they stand


def show(
    session: Session, who: Viewer, conversation_id: int, *, now: datetime, before: int | None = None
) -> ConversationView:
    """The page's facts. `before`: the MESSAGES before that message id. Raises NotFound."""
    heads = db.rows(session, _HEAD, {"id": conversation_id, "me": who.id, "now": now})
    if not heads or not who.may_see(heads[0].mailbox_id):
        raise NotFound
    row = heads[0]
    messages, older = _messages(session, row, now=now, before=before)
    notes, events, names, team_names = _history(session, row, since=messages[0].at if older else None)
    company = _company(session, row, who, now=now)
    every = drafts.of_conversation(session, conversation_id) if row.drafts else ()
    return ConversationView(
        id=row.id,
        mailbox_id=row.mailbox_id,
        mailbox_name=row.mailbox_name,
        mailbox_address=row.mailbox_address,
        colour=row.colour,
        subject=row.subject,
        status=row.status,
        owner_id=row.owner_id,
        owner_name=row.owner_name or "",
        version=row.version,
        waiting_since=row.waiting_since,
        opened_at=row.opened_at,
        snoozed_until=row.snoozed_until,
        closed_at=row.closed_at,
        due_at=row.due_at,
        created_at=row.created_at,
        activity_at=row.activity_at,
        trouble=row.trouble,
        message_count=row.message_count,
        attachment_count=row.attachment_count,
        unread=(row.read_version or 0) < row.version,
        read_version=row.read_version or 0,
        category_id=row.category_id,
        needless=row.needless,
        joined_into_id=row.joined_into_id,
        tags=company.tags,
        messages=messages,
        notes=notes,
        events=events,
        entries=_merged(messages, notes, events),
        older=older,
        drafts=tuple(draft for draft in every if draft.author_id == who.id),
        others_drafts=tuple(draft for draft in every if draft.author_id != who.id),
        locked=bool(row.locked),
        claim=_claim(row, who),
        looking=company.looking,
        followers=company.followers,
        has_fields=bool(row.has_fields),
        has_links=bool(row.has_links),
        person=_person(session, who, row, company.addresses),
        suggestions=_suggestions(session, who, row),
        names=names,
        team_names=team_names,
    )


def _messages(session: Session, row: Any, *, now: datetime, before: int | None) -> tuple[tuple[MessageView, ...], bool]:
    """The messages, oldest first, and whether there are earlier ones."""
    given: dict[str, Any] = {"id": row.id, "limit": MESSAGES + 1}
    if before is None:
        found = db.rows(session, _MESSAGES, given)
    else:
        found = db.rows(session, _MESSAGES_BEFORE, given | {"before": before})
    older, found = len(found) > MESSAGES, found[:MESSAGES][::-1]
    ids = [message.id for message in found]
    files: dict[int, list[FileView]] = {}
    if row.attachment_count and ids:
        for file in db.rows(session, _FILES, {"ids": ids}):
            files.setdefault(file.message_id, []).append(_file(file))
    sent = {}
    if any(message.direction == "out" for message in found):
        sent = {one.message_id: _outgoing(one, now=now) for one in db.rows(session, _OUTGOING, {"ids": ids})}
    return tuple(_message(m, tuple(files.get(m.id, ())), sent.get(m.id)) for m in found), older


def _message(row: Any, files: tuple[FileView, ...], outgoing: OutgoingView | None) -> MessageView:
    new_text, rest = split(row.text, row.new_text)
    incoming = row.direction == "in"
    return MessageView(
        id=row.id,
        direction=row.direction,
        kind=row.kind,
        author_id=row.author_id,
        author_name=row.author_name or "",
        approved_by=row.approver_name or "",
        from_name=row.from_name,
        from_address=row.from_address,
        to=_pairs(row.to),
        cc=_pairs(row.cc),
        bcc=_pairs(row.bcc),
        reply_to=_pairs(row.reply_to),
        subject=row.subject,
        mail_id=row.mail_id,
        at=row.at,
        dated=row.dated,
        new_text=new_text,
        quoted=rest,
        cut=len(row.text) >= SHOWN or len(row.new_text) >= SHOWN,
        has_html=row.has_html,
        size=row.size,
        files=files,
        outgoing=outgoing,
        bounce=row.bounce,
        unverified=row.unverified,
        third_party=row.third_party,
        oddities=senders.oddities(row.from_name, row.from_address, [a for _n, a in row.reply_to]) if incoming else (),
        warnings=tuple(map(str, row.warnings)),
        answers_id=row.answers_id,
        no_auto_answer=row.no_auto_answer or "",
        budget=row.budget,
        answer_by=row.answer_by or "",
        answer_text=row.answer_text or "",
    )


def split(text: str, new_text: str) -> tuple[str, str]:
    """(new words, what is folded below them). Nothing of the text is lost: where answers stand between quoted lines the
    whole mail is the folded part.
    """
    if not text.strip():
        return new_text.strip("\n"), ""
    start = text.find(new_text) if new_text.strip() else -1
    if start >= 0 and not text[:start].strip():
        return new_text.strip("\n"), text[start + len(new_text) :].strip("\n")
    told = quoted.new_words(text)
    if told.quoted_at is not None and text[: told.quoted_at].strip() == new_text.strip():
        return new_text.strip("\n"), text[told.quoted_at :].strip("\n")
    return new_text.strip("\n"), text.strip("\n") if new_text.strip() != text.strip() else ""


def _teams(session: Session, notes: Iterable[Any], events: Iterable[Any]) -> dict[int, tuple[str, frozenset[int]]]:
    """Name and members of the teams that these notes mention and that these events speak of, as they are today."""
    ids = {one[3] for note in notes for one in note.mentions if one[2] is None}
    ids |= {event.about["team_after"] for event in events if event.about.get("team_after")}
    if not ids:
        return {}
    members: dict[int, list[int]] = {}
    names: dict[int, str] = {}
    for team in db.rows(session, _TEAMS, {"ids": sorted(ids)}):
        names[team.id] = team.name
        if team.user_id is not None:
            members.setdefault(team.id, []).append(team.user_id)
    return {team_id: (name, frozenset(members.get(team_id, ()))) for team_id, name in names.items()}


def _mention(stored: list[Any], teams: dict[int, tuple[str, frozenset[int]]]) -> MentionView:
    start, end, user_id = stored[:3]
    if user_id is not None:
        return MentionView(start, end, frozenset({user_id}))
    name, members = teams.get(stored[3], ("", frozenset()))  # a team that is gone keeps its mark
    return MentionView(start, end, members, team=name)


def _history(
    session: Session, row: Any, *, since: datetime | None
) -> tuple[tuple[NoteView, ...], tuple[EventView, ...], dict[int, str], dict[int, str]]:
    """Notes and events, names of people and of teams; with earlier messages left out also what happened before the
    first one shown.
    """
    rows = db.rows(session, _NOTES, {"id": row.id}) if row.notes else ()
    happened = db.rows(session, _EVENTS, {"id": row.id})
    teams = _teams(session, rows, happened)
    notes = [
        NoteView(
            id=note.id,
            author_id=note.author_id,
            author_name=note.author_name,
            at=note.at,
            text=note.text,
            mentions=tuple(_mention(one, teams) for one in note.mentions),
        )
        for note in rows
    ]
    events = [
        EventView(
            id=event.id,
            at=event.at,
            actor_id=event.actor_id,
            actor_name=event.actor_name or "",
            kind=event.kind,
            about=event.about,
        )
        for event in happened
    ]
    spoken_of = {user_id for event in events for user_id in (event.about.get("before"), event.about.get("after"))}
    ids = sorted(user_id for user_id in spoken_of if isinstance(user_id, int) and not isinstance(user_id, bool))
    known = db.rows(session, _NAMES, {"ids": ids}) if ids else ()
    names = dict(map(tuple, known))
    return (
        tuple(note for note in reversed(notes) if since is None or note.at >= since),
        tuple(event for event in reversed(events) if since is None or event.at >= since),
        names,
        {team_id: name for team_id, (name, _members) in teams.items()},
    )


@dataclass(frozen=True)
class _Company:
    """What stands around a conversation, few of each."""

    tags: tuple[tuple[int, str, str], ...]
    looking: tuple[str, ...]
    followers: tuple[tuple[int, str], ...]
    addresses: tuple[ProfileAddress, ...]  # of the customer


def _company(session: Session, row: Any, who: Viewer, *, now: datetime) -> _Company:
    """All of it with one question."""
    found = db.rows(session, _COMPANY, {"id": row.id, "person": row.person_id, "me": who.id, "now": now})
    by_name = sorted(found, key=lambda one: (one.name, one.id))
    return _Company(
        tags=tuple((one.id, one.name, one.more) for one in by_name if one.what == "tag"),
        looking=tuple(one.name for one in found if one.what == "looker"),
        followers=tuple((one.id, one.name) for one in by_name if one.what == "follower"),
        addresses=tuple(profiles.address(one.name, one.more) for one in found if one.what == "address"),
    )


def _claim(row: Any, who: Viewer) -> ClaimView | None:
    if row.writer_id is None:
        return None
    return ClaimView(
        user_id=row.writer_id,
        name=row.writer_name,
        since=row.claimed_at,
        until=row.claimed_until,
        mine=row.writer_id == who.id,
    )


def _person(session: Session, who: Viewer, row: Any, addresses: tuple[ProfileAddress, ...]) -> Profile | None:
    if row.person_id is None:
        return None
    try:
        return profiles.profile(session, who, row.person_id, but_conversation_id=row.id, addresses=addresses)
    except NotFound:  # all conversations of that person were joined into others
        return None


def _suggestions(session: Session, who: Viewer, row: Any) -> tuple[Suggestion, ...]:
    if not row.suggestions:
        return ()
    return tuple(
        Suggestion(
            id=one.id,
            state=one.state,
            reason=one.reason,
            other_id=one.other,
            subject=one.subject if who.may_see(one.mailbox_id) else "",
            activity_at=one.activity_at,
            message_count=one.message_count,
            mailbox_name=one.mailbox_name,
            seen=who.may_see(one.mailbox_id),
        )
        for one in db.rows(session, _SUGGESTIONS, {"id": row.id})
    )


def _merged(*kinds: Iterable[Any]) -> tuple[Any, ...]:
    """By time; at the same moment history follows the message that it speaks of."""
    rank = {"message": 0, "note": 1, "event": 2}
    return tuple(sorted((one for kind in kinds for one in kind), key=lambda one: (one.at, rank[one.what], one.id)))


def _file(row: Any) -> FileView:
    return FileView(
        position=row.position,
        name=row.name,
        content_type=row.content_type,
        size=row.size,
        inline=row.inline,
        thumbnail=row.content_type in bodies.PICTURES and row.size <= bodies.LARGEST_PICTURE,
        preview=bodies.previewable(row.content_type, row.size),
    )


def _outgoing(row: Any, *, now: datetime) -> OutgoingView:
    return OutgoingView(
        id=row.id,
        state=row.state,
        due_at=row.due_at,
        can_undo=row.state in ("queued", "held") and row.tries == 0 and row.due_at > now,
        undo_until=row.due_at - replies.HOLD,
        tries=row.tries,
        code=row.code,
        answer=row.answer,
        recipients=tuple(row.recipients),
        held_reason=row.held_reason,
        sent_at=row.sent_at,
        sent_copy=row.sent_copy,
    )


def _pairs(stored: Iterable[Any]) -> tuple[PAIR, ...]:
    return tuple((str(name), str(address)) for name, address in stored)


# -- the statements

_ID, _LIMIT = bindparam("id"), bindparam("limit")
_NOW, _ME = bindparam("now", type_=Utc()), bindparam("me")
_writer = aliased(User)
_approver = aliased(User)
_other = aliased(Conversation)

_HEAD = (
    select(
        *(column for column in Conversation.__table__.c if column.name not in ("people", "snippet")),
        Mailbox.name.label("mailbox_name"),
        Mailbox.address.label("mailbox_address"),
        Mailbox.colour,
        User.name.label("owner_name"),
        ReadMark.version.label("read_version"),
        Claim.user_id.label("writer_id"),
        Claim.since.label("claimed_at"),
        Claim.until.label("claimed_until"),
        _writer.name.label("writer_name"),
        select(Draft.id)
        .where(Draft.conversation_id == Conversation.id, Draft.state == "open")
        .exists()
        .label("drafts"),
        select(Draft.id)
        .where(Draft.conversation_id == Conversation.id, Draft.state.in_(("asked", "later")))
        .exists()
        .label("locked"),
        select(Note.id).where(Note.conversation_id == Conversation.id).exists().label("notes"),
        select(CustomField.id).where(CustomField.mailbox_id == Conversation.mailbox_id).exists().label("has_fields"),
        select(ConversationLink.one_id)
        .where(or_(ConversationLink.one_id == Conversation.id, ConversationLink.other_id == Conversation.id))
        .exists()
        .label("has_links"),
        select(JoinSuggestion.id)
        .where(or_(JoinSuggestion.conversation_id == Conversation.id, JoinSuggestion.other_id == Conversation.id))
        .exists()
        .label("suggestions"),
    )
    .join(Mailbox, Mailbox.id == Conversation.mailbox_id)
    .outerjoin(User, User.id == Conversation.owner_id)
    .outerjoin(ReadMark, (ReadMark.conversation_id == Conversation.id) & (ReadMark.user_id == _ME))
    .outerjoin(Claim, (Claim.conversation_id == Conversation.id) & (Claim.until > _NOW))
    .outerjoin(_writer, _writer.id == Claim.user_id)
    .where(Conversation.id == _ID)
)
_MESSAGES = (
    select(
        *(
            c
            for c in Message.__table__.c
            if c.name not in ("text", "new_text", "references", "thread_index", "snippet")
        ),
        func.substr(Message.text, 1, SHOWN).label("text"),
        func.substr(Message.new_text, 1, SHOWN).label("new_text"),
        User.name.label("author_name"),
        _approver.name.label("approver_name"),
        AnswerDecision.reason.label("no_auto_answer"),
        AnswerDecision.most.label("budget"),
        AnswerDecision.rule_name.label("answer_by"),
        AnswerDecision.text_name.label("answer_text"),
    )
    .outerjoin(User, User.id == Message.author_id)
    .outerjoin(_approver, _approver.id == Message.approved_by_id)
    .outerjoin(AnswerDecision, AnswerDecision.message_id == Message.id)
    .where(Message.conversation_id == _ID)
    .order_by(Message.at.desc(), Message.id.desc())
    .limit(_LIMIT)
)
_mark = aliased(Message)
_MESSAGES_BEFORE = _MESSAGES.join(_mark, _mark.id == bindparam("before")).where(
    or_(Message.at < _mark.at, (Message.at == _mark.at) & (Message.id < _mark.id)), _mark.conversation_id == _ID
)
_FILES = (
    select(*(c for c in Attachment.__table__.c if c.name not in ("path", "sha256", "content_id")))
    .where(db.one_of(Attachment.message_id, "ids"))
    .order_by(Attachment.message_id, Attachment.position)
)
_OUTGOING = (
    select(
        Outgoing.id,
        Outgoing.message_id,
        Outgoing.state,
        Outgoing.due_at,
        Outgoing.tries,
        Outgoing.code,
        Outgoing.answer,
        Outgoing.recipients,
        Outgoing.held_reason,
        Outgoing.sent_at,
        Outgoing.sent_copy,
    )
    .where(db.one_of(Outgoing.message_id, "ids"))
    .order_by(Outgoing.id)
)
_NOTES = (
    select(Note.id, Note.author_id, Note.at, Note.text, Note.mentions, User.name.label("author_name"))
    .join(User, User.id == Note.author_id)
    .where(Note.conversation_id == _ID)
    .order_by(Note.at.desc(), Note.id.desc())
    .limit(NOTES)
)
_TEAMS = (
    select(Team.id, Team.name, TeamMember.user_id)
    .outerjoin(TeamMember, TeamMember.team_id == Team.id)
    .where(db.one_of(Team.id, "ids"))
)
_NAMES = select(User.id, User.name).where(db.one_of(User.id, "ids"))
_EVENTS = (
    select(Event.id, Event.at, Event.actor_id, Event.kind, Event.about, User.name.label("actor_name"))
    .outerjoin(User, User.id == Event.actor_id)
    .where(Event.conversation_id == _ID, Event.kind.not_in(TOLD_BY_MESSAGES))
    .order_by(Event.id.desc())
    .limit(EVENTS)
)
_addresses = profiles.ADDRESSES.subquery()
_here = telling.with_joined(Conversation.id == _ID)
_follower_ids = select(Follower.user_id).join(_here, _here.c.id == Follower.conversation_id)
_COMPANY = union_all(
    select(literal("tag").label("what"), Tag.id, Tag.name, Tag.colour.label("more"))
    .join(ConversationTag, ConversationTag.tag_id == Tag.id)
    .where(ConversationTag.conversation_id == _ID),
    select(literal("looker"), User.id, User.name, null())
    .join(Presence, Presence.user_id == User.id)
    .where(Presence.conversation_id == _ID, Presence.until > _NOW, User.id != _ME),
    select(literal("follower"), User.id, User.name, null()).where(User.id.in_(_follower_ids), User.active),
    select(literal("address"), _addresses.c.id, _addresses.c.address, _addresses.c.suspended),
)
_SUGGESTIONS = union_all(
    *(
        select(
            JoinSuggestion.id,
            JoinSuggestion.state,
            JoinSuggestion.reason,
            other.label("other"),
            _other.subject,
            _other.activity_at,
            _other.message_count,
            _other.mailbox_id,
            Mailbox.name.label("mailbox_name"),
        )
        .join(_other, _other.id == other)
        .join(Mailbox, Mailbox.id == _other.mailbox_id)
        .where(
            this == _ID,
            or_(
                JoinSuggestion.state == "joined",
                (JoinSuggestion.state == "offered") & _other.status.not_in(("spam", JOINED)),
            ),
        )
        for this, other in (
            (JoinSuggestion.conversation_id, JoinSuggestion.other_id),
            (JoinSuggestion.other_id, JoinSuggestion.conversation_id),
        )
    )
)
