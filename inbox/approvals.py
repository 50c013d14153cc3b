"""Approval: a second person looks at a mail before it leaves, may correct it, lets it go or gives it back.

While a request waits its draft is locked for its author. Nobody approves a mail of their own; both names stand in the
history and on the message.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any, Literal

from sqlalchemy import delete, or_, select, update
from sqlalchemy.orm import Session

from inbox import (
    approval_policies,
    conversations,
    drafts,
    escalation,
    later,
    letters,
    people,
    presence,
    replies,
    send_checks,
    telling,
    working_hours,
)
from inbox.approval_policies import Needed
from inbox.blobs import blobs
from inbox.drafts import DraftFileView, DraftView
from inbox.errors import N_, Conflict, Forbidden, NotFound, UserError
from inbox.models import Approval, Conversation, Draft, DraftFile, Mailbox, Message, User
from inbox.people import Viewer
from inbox.replies import SendResult
from inbox.send_checks import NOT_LOOKED, Looked
from inbox.wire import ring
from routing.approval import approval_due
from routing.hours import NoWorkingTime

LONGEST = 2_000  # characters of a comment
MOST = 200  # rows of the page
TOLD = {  # of what people are told: telling.KINDS
    "approval_asked": "approval_asked",
    "approval_returned": "approval_returned",
    "approved": "approval_approved",
}
CORRECTED = ("to", "cc", "bcc", "subject", "html", "text")  # what an approver may change, besides the files

Decision = Literal["send", "approve", "return"]


@dataclass(frozen=True)
class ApprovalRow:
    """A request in the list. `mine`: whether who looks wrote the mail; `may`: whether they may decide."""

    id: int
    draft_id: int
    state: str
    author_id: int
    author_name: str
    mailbox_name: str
    colour: str
    conversation_id: int | None
    subject: str
    to: tuple[tuple[str, str], ...]
    reasons: tuple[dict[str, Any], ...]
    asked_at: datetime
    due_at: datetime | None
    overdue: bool
    mine: bool
    may: bool


@dataclass(frozen=True)
class Unseen:
    """A mail that came into the conversation after the author asked."""

    direction: str
    who: str
    at: datetime
    text: str


@dataclass(frozen=True)
class ApprovalView:
    """A request with its mail. `asked_with` and `now_with` are that mail before and after the approver's changes.

    `aside`: files that approvers would add; they are no part of the mail yet.
    """

    row: ApprovalRow
    draft: DraftView
    aside: tuple[DraftFileView, ...]
    comment: str
    answer: str
    decided_at: datetime | None
    decided_by: str
    asked_with: Mapping[str, Any]
    now_with: Mapping[str, Any]
    approvers: tuple[str, ...]
    version: int  # of the conversation now; 0 for a new mail
    seen_version: int  # that the author saw
    unseen: tuple[Unseen, ...]
    send_at: datetime | None


def ask(
    session: Session,
    who: Viewer,
    draft_id: int,
    *,
    seen_version: int,
    next_status: str | None,
    comment: str = "",
    send_at: datetime | None = None,
    regardless: bool = False,
    looked: Looked = NOT_LOOKED,
    now: datetime,
) -> int:
    """Locks the draft and asks for approval; the request's id. Raises what `replies.send` raises before that."""
    draft = session.get(Draft, draft_id)
    if draft is None or draft.author_id != who.id:
        raise NotFound
    mailbox = people.mailbox(session, who, draft.mailbox_id)
    if next_status is not None and next_status not in replies.NEXT:
        raise UserError(N_("Unknown status."), field="next_status")
    replies.gate(session, who, draft, seen_version=seen_version, now=now)
    later.lock(session, draft, "asked", from_="open")
    view = drafts.view(session, draft)
    letters.check(view, mailbox)
    send_checks.must_be_looked_at(session, view, looked)
    needed = approval_policies.needed(session, view) or Needed((), ())
    draft.seen_version, draft.came_back, draft.refused_at, draft.updated_at = seen_version, "", None, now
    asked = Approval(
        draft_id=draft.id,
        mailbox_id=mailbox.id,
        author_id=who.id,
        state="asked",
        pools=list(needed.pools),
        reasons=needed.told,
        comment=comment.strip()[:LONGEST],
        asked_at=now,
        due_at=_due(session, mailbox, needed, now=now),
        next_status=next_status or "",
        asked_with=approval_policies.content(session, view),
        send_at=send_at,
        regardless=regardless,
    )
    session.add(asked)
    session.flush()
    if not approval_policies.who_may(session, asked, now=now):
        raise UserError(N_("There is nobody who could approve this mail. A manager has to see this mailbox."))
    if draft.conversation_id is not None:
        presence.release(session, who, draft.conversation_id)
    _record(session, asked, draft, "approval_asked", actor_id=who.id, now=now)
    return asked.id


def tell_overdue(session: Session, *, now: datetime) -> int:
    """Tells, once for each request that waits beyond its deadline, those who may decide it from now on, its author and
    the managers; how many requests."""
    late = select(Approval).where(
        Approval.state == "asked", Approval.due_at <= now, Approval.overdue_told_at.is_(None)
    )
    found = session.scalars(late.order_by(Approval.id).limit(MOST).with_for_update(skip_locked=True)).all()
    for asked in found:
        asked.overdue_told_at = now
        may = approval_policies.who_may(session, asked, now=now)
        telling.about(
            session,
            "approval_overdue",
            now=now,
            to={*may, asked.author_id, *escalation.managers(session, asked.mailbox_id)},
            conversation_id=session.get_one(Draft, asked.draft_id).conversation_id,
            mailbox_id=asked.mailbox_id,
            path=f"/approvals/{asked.id}",
        )
    session.flush()
    return len(found)


def withdraw(session: Session, who: Viewer, approval_id: int, *, now: datetime) -> int:
    """The author takes the request back; the draft is open again: its id."""
    asked, draft = _asked(session, who, approval_id)
    if asked.author_id != who.id:
        raise NotFound
    _decided(session, asked, "withdrawn", who, now=now)
    later.lock(session, draft, "open", from_="asked")
    _record(session, asked, draft, "approval_withdrawn", actor_id=who.id, now=now)
    return draft.id


def decide(
    session: Session,
    who: Viewer,
    approval_id: int,
    what: Decision,
    *,
    fields: Mapping[str, Any],
    removed: Collection[int] = (),
    added: Collection[int] = (),
    answer: str = "",
    seen_version: int,
    looked: Looked = NOT_LOOKED,
    now: datetime,
) -> SendResult | None:
    """send: it leaves; approve: its author may send exactly this; return: back to the author with `answer`.

    `fields` are the approver's corrections, some of CORRECTED; `removed` and `added` are ids of the mail's files and of
    those put aside (`attach`). `seen_version` is what the approver has seen of the conversation. Raises StaleReply when
    it went on, NotLookedAt when the corrections ask for ticks, Forbidden for the author and for who may not.
    """
    asked, draft = _asked(session, who, approval_id)
    _must_decide(session, who, asked, now=now)
    if what == "return" and not answer.strip():
        raise UserError(N_("Say what has to be changed."), field="answer")
    before = send_checks.look(session, drafts.view(session, draft)).fingerprint
    drafts.correct(
        session,
        draft,
        {name: fields[name] for name in CORRECTED if name in fields},
        removed=removed,
        added=[one for one in drafts.aside(session, asked.id) if one.id in added and one.id not in removed],
        files_at=files_of(asked.id),
        now=now,
    )
    view = drafts.view(session, draft)
    asked.answer, asked.left_as = answer.strip()[:LONGEST], approval_policies.content(session, view)
    state = {"send": "sent", "approve": "approved", "return": "returned"}[what]
    _decided(session, asked, state, who, now=now)
    if what == "return":
        _return(session, asked, draft, "returned", "approval_returned", who, now=now)
        return None
    letters.check(view, session.get_one(Mailbox, draft.mailbox_id))
    if send_checks.look(session, view).fingerprint != before:
        send_checks.must_be_looked_at(session, view, looked)
    if what == "approve":
        _return(session, asked, draft, "approved", "approved", who, now=now)
        return None
    return _let_go(session, who, asked, draft, seen_version=seen_version, now=now)


def attach(
    session: Session,
    who: Viewer,
    approval_id: int,
    *,
    name: str,
    content_type: str,
    data: bytes,
    inline: bool = False,
    now: datetime,
) -> DraftFileView:
    """Puts a file aside that an approver would add, with `inline` a picture for the text. The mail stays as it is until
    `decide` names the file. Raises what `decide` raises for who may not, UserError for a file that cannot be."""
    asked, draft = _asked(session, who, approval_id)
    _must_decide(session, who, asked, now=now)
    file = {"name": name, "content_type": content_type, "data": data, "inline": inline}
    return drafts.put_aside(session, draft, asked.id, **file, files_at=files_of(asked.id))


def _must_decide(session: Session, who: Viewer, asked: Approval, *, now: datetime) -> None:
    if asked.author_id == who.id:
        raise Forbidden(N_("Nobody approves a mail of their own."))
    if who.id not in approval_policies.who_may(session, asked, now=now):
        raise Forbidden(N_("You are not one of those who may approve this mail."))


def _let_go(
    session: Session, who: Viewer, asked: Approval, draft: Draft, *, seen_version: int, now: datetime
) -> SendResult | None:
    author = people.of(session, session.get_one(User, asked.author_id))
    if asked.send_at is not None and asked.send_at > now:
        replies.gate(session, who, draft, seen_version=seen_version, now=now)
        draft.seen_version = seen_version
        later.put(
            session,
            draft,
            asked.send_at,
            regardless=asked.regardless,
            next_status=asked.next_status or None,
            approved_by_id=who.id,
            now=now,
        )
        _record(session, asked, draft, "approved", actor_id=who.id, now=now)
        return None
    sent = replies.release(
        session,
        author,
        draft,
        seen_version=seen_version,
        next_status=asked.next_status or None,
        approver=who,
        now=now,
    )
    _record(session, asked, draft, "approved", actor_id=who.id, now=now)
    return sent


def _return(
    session: Session, asked: Approval, draft: Draft, came_back: str, event: str, who: Viewer, *, now: datetime
) -> None:
    """The draft is its author's again, who is told."""
    later.lock(session, draft, "open", from_="asked")
    draft.came_back, draft.updated_at = came_back, now
    _record(session, asked, draft, event, actor_id=who.id, now=now)


# -- what people see


def waiting(session: Session, who: Viewer, *, now: datetime) -> tuple[ApprovalRow, ...]:
    """Requests that wait: those that `who` may decide, their own, and for managers all of their mailboxes."""
    rows = session.execute(_select(who).where(Approval.state == "asked").order_by(Approval.asked_at, Approval.id)).all()
    found = (_row(session, who, row, now=now) for row in rows)
    return tuple(islice((row for row in found if row.may or row.mine or who.is_manager), MOST))


def lately(session: Session, who: Viewer, *, now: datetime) -> tuple[ApprovalRow, ...]:
    """The latest that were decided: of `who`, by `who`, and for managers all."""
    wanted = _select(who).where(Approval.state != "asked").order_by(Approval.id.desc()).limit(30)
    if not who.is_manager:
        wanted = wanted.where(or_(Approval.author_id == who.id, Approval.decided_by_id == who.id))
    return tuple(_row(session, who, row, now=now) for row in session.execute(wanted))


def count(session: Session, who: Viewer, *, now: datetime) -> int:
    """How many wait for this very person."""
    return sum(1 for row in waiting(session, who, now=now) if row.may)


def show(session: Session, who: Viewer, approval_id: int, *, now: datetime) -> ApprovalView:
    """Raises NotFound for all but the author, those who may decide, who decided, and managers of the mailbox."""
    found = session.execute(_select(who).where(Approval.id == approval_id)).one_or_none()
    if found is None:
        raise NotFound
    asked, draft = found[0], found[1]
    row = _row(session, who, found, now=now)
    if not (row.may or row.mine or who.is_manager or asked.decided_by_id == who.id):
        raise NotFound
    files_at = files_of(asked.id)
    view = drafts.loaded_from(drafts.view(session, draft), files_at)
    decider = session.get(User, asked.decided_by_id) if asked.decided_by_id is not None else None
    may = approval_policies.who_may(session, asked, now=now) if asked.state == "asked" else {}
    version = 0
    if draft.conversation_id is not None:
        wanted = select(Conversation.version).where(Conversation.id == draft.conversation_id)
        version = session.scalar(wanted) or 0
    return ApprovalView(
        row=row,
        draft=view,
        aside=tuple(drafts.file_view(files_at, one) for one in drafts.aside(session, asked.id)) if row.may else (),
        comment=asked.comment,
        answer=asked.answer,
        decided_at=asked.decided_at,
        decided_by=decider.name if decider is not None else "",
        asked_with=asked.asked_with,
        now_with=asked.left_as or approval_policies.content(session, view),
        approvers=tuple(may.values()),
        version=version,
        seen_version=draft.seen_version,
        unseen=_unseen(session, draft, version) if asked.state == "asked" else (),
        send_at=asked.send_at,
    )


def files_of(approval_id: int) -> str:
    """Where the browser of an approver loads the files of that request from."""
    return f"/approvals/{approval_id}/files"


def file(session: Session, who: Viewer, approval_id: int, file_id: int, *, now: datetime) -> tuple[str, str, bytes]:
    """(name, safe content type, bytes) of a file that hangs on the mail, and for approvers of one put aside."""
    shown = show(session, who, approval_id, now=now)
    found = session.get(DraftFile, file_id)
    if found is None or found.id not in {one.id for one in (*shown.draft.files, *shown.aside)}:
        raise NotFound
    return found.name, found.content_type, blobs().get(found.sha256)


def of_conversation(session: Session, who: Viewer, conversation_id: int, *, now: datetime) -> tuple[ApprovalRow, ...]:
    """Requests of a conversation that wait; everybody who sees the conversation sees that they do."""
    wanted = _select(who).where(Approval.state == "asked", Draft.conversation_id == conversation_id)
    return tuple(_row(session, who, row, now=now) for row in session.execute(wanted.order_by(Approval.id)))


def last_of_draft(session: Session, draft_id: int) -> int | None:
    """The latest request for this draft, to tell its author what became of it."""
    wanted = select(Approval.id).where(Approval.draft_id == draft_id).order_by(Approval.id.desc())
    return session.scalar(wanted.limit(1))


# -- below


def _select(who: Viewer) -> Any:
    return (
        select(Approval, Draft, User.name, Mailbox.name, Mailbox.colour)
        .join(Draft, Draft.id == Approval.draft_id)
        .join(User, User.id == Approval.author_id)
        .join(Mailbox, Mailbox.id == Approval.mailbox_id)
        .where(Approval.mailbox_id.in_(who.mailbox_ids))
    )


def _row(session: Session, who: Viewer, found: Any, *, now: datetime) -> ApprovalRow:
    asked, draft, author, mailbox, colour = found
    mine = asked.author_id == who.id
    may = asked.state == "asked" and not mine and who.id in approval_policies.who_may(session, asked, now=now)
    return ApprovalRow(
        id=asked.id,
        draft_id=draft.id,
        state=asked.state,
        author_id=asked.author_id,
        author_name=author,
        mailbox_name=mailbox,
        colour=colour,
        conversation_id=draft.conversation_id,
        subject=draft.subject,
        to=tuple((str(name), str(address)) for name, address in (*draft.to, *draft.cc, *draft.bcc)),
        reasons=tuple(asked.reasons),
        asked_at=asked.asked_at,
        due_at=asked.due_at,
        overdue=asked.state == "asked" and asked.due_at is not None and asked.due_at <= now,
        mine=mine,
        may=may,
    )


def _unseen(session: Session, draft: Draft, version: int) -> tuple[Unseen, ...]:
    """What came after the author asked, oldest first."""
    count = version - draft.seen_version
    if draft.conversation_id is None or count <= 0:
        return ()
    latest = (
        select(Message, User.name)
        .outerjoin(User, User.id == Message.author_id)
        .where(Message.conversation_id == draft.conversation_id, ~conversations.AUTOMATIC)
        .order_by(Message.at.desc(), Message.id.desc())
        .limit(min(count, 10))
    )
    return tuple(
        Unseen(one.direction, author or one.from_name or one.from_address, one.at, one.new_text[:5_000])
        for one, author in reversed(session.execute(latest).all())
    )


def _asked(session: Session, who: Viewer, approval_id: int) -> tuple[Approval, Draft]:
    """The request and its draft. Raises NotFound, and Conflict when it was decided meanwhile."""
    asked = session.get(Approval, approval_id)
    if asked is None or not who.may_see(asked.mailbox_id):
        raise NotFound
    if asked.state != "asked":
        raise Conflict(N_("This request was decided already."))
    return asked, session.get_one(Draft, asked.draft_id, populate_existing=True)


def _decided(session: Session, asked: Approval, state: str, who: Viewer, *, now: datetime) -> None:
    """The guarded UPDATE of every decision: of two people at one moment, one decides. Files put aside are forgotten."""
    session.flush()
    changed = session.execute(
        update(Approval)
        .where(Approval.id == asked.id, Approval.state == "asked")
        .values(state=state, decided_at=now, decided_by_id=who.id)
        .execution_options(synchronize_session=False)
    )
    if changed.rowcount != 1:
        raise Conflict(N_("This request was decided already."))
    session.execute(
        delete(DraftFile).where(DraftFile.approval_id == asked.id).execution_options(synchronize_session=False)
    )
    session.refresh(asked)
    ring.screens(session)


def _due(session: Session, mailbox: Mailbox, needed: Needed, *, now: datetime) -> datetime | None:
    """The soonest deadline of its pools, in the mailbox's working hours."""
    calendar, known, due = working_hours.calendar_of(session, mailbox.id), approval_policies.pools(session), []
    for one in needed.pools:
        try:
            due.append(approval_due(known[one], calendar, now) if one in known else None)
        except NoWorkingTime:
            continue
    return min((one for one in due if one is not None), default=None)


def _record(session: Session, asked: Approval, draft: Draft, kind: str, *, actor_id: int, now: datetime) -> None:
    _tell(session, asked, draft, kind, by=actor_id, now=now)
    if draft.conversation_id is None:
        ring.screens(session)
        return
    conversation = session.get_one(Conversation, draft.conversation_id)
    told = {"approval_id": asked.id, "before": asked.author_id, "draft_id": draft.id}
    conversations.record(session, conversation, kind, now=now, actor_id=actor_id, **told)


def _tell(session: Session, asked: Approval, draft: Draft, event: str, *, by: int, now: datetime) -> None:
    """Those who may approve are told of a request, its author of the answer."""
    if event not in TOLD:
        return
    to = approval_policies.who_may(session, asked, now=now) if event == "approval_asked" else (asked.author_id,)
    telling.about(
        session,
        TOLD[event],
        now=now,
        to=to,
        by=by,
        conversation_id=draft.conversation_id,
        mailbox_id=asked.mailbox_id,
        path=f"/approvals/{asked.id}",
        text=asked.answer,
    )
