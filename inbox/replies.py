"""Answers, forwarded and new mails: sent once, or refused with the words kept; and taken back while there is time.

A second answer is stopped three times: by the claim ("a colleague is writing"), by the version of the conversation that
the author saw, and by the dedupe key of the draft. That is so whichever way a mail leaves: sent by its author, by the
clock, or by who approves it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from inbox import (
    approval_policies,
    attached,
    conversations,
    customers,
    drafts,
    letters,
    near_misses,
    outbox,
    people,
    presence,
    reading,
    search,
    send_checks,
)
from inbox.blobs import blobs
from inbox.config import settings
from inbox.db import insert_into
from inbox.drafts import DraftView
from inbox.errors import N_, Conflict, NotFound, StaleReply, UserError
from inbox.mail import threads
from inbox.mail.compose import Composed
from inbox.mail.understand import snippet_of, understand
from inbox.models import Conversation, Draft, Mailbox, Message, Outgoing, ThreadKey
from inbox.people import Viewer
from inbox.send_checks import NOT_LOOKED, Looked
from inbox.wire import ring
from routing.claims import ReplyFacts, may_reply

HOLD = timedelta(seconds=3)  # beyond the undo time that is shown, so that the last click still counts
AFTER_REPLY = "waiting"  # where a conversation goes when nothing else was asked for
NEXT = ("open", "waiting", "closed")
PEOPLE_CHARACTERS = 200  # of the names in a list's row

STALE = N_("Something was added to this conversation while you wrote. Your words are kept.")
CLAIMED = N_("%(name)s is writing an answer just now. Your words are kept.")
TOO_LATE = N_("Too late to undo: the mail is already on its way.")


@dataclass(frozen=True)
class SendResult:
    """A mail stands in the queue; until `undo_until` its author is shown a way back."""

    outgoing_id: int
    undo_until: datetime
    conversation_id: int


def send(
    session: Session,
    who: Viewer,
    draft_id: int,
    *,
    seen_version: int,
    next_status: str | None,
    now: datetime,
    looked: Looked = NOT_LOOKED,
) -> SendResult:
    """Sends the draft as it stands on the server. Asked twice, it is sent once and both get the same result.

    `next_status` is where the conversation goes; None: waiting after an answer, unchanged after a forward. `looked` is
    what `who` ticked on the page between. Raises StaleReply when the conversation went on after `seen_version` or a
    colleague is writing, NotLookedAt and NeedsApproval when that comes first, UserError for what cannot be sent.
    """
    if next_status is not None and next_status not in NEXT:
        raise UserError(N_("Unknown status."), field="next_status")
    draft = _draft(session, who, draft_id)
    return _leave(session, who, draft, seen_version, next_status, state="open", looked=looked, now=now)


def release(
    session: Session,
    author: Viewer,
    draft: Draft,
    *,
    seen_version: int,
    next_status: str | None,
    approver: Viewer | None = None,
    now: datetime,
) -> SendResult:
    """Sends a locked draft for its author: its time has come, or the approver let it go. What it must pass first was
    passed when it was locked, all but the version of the conversation. Raises StaleReply, UserError.
    """
    state = draft.state
    return _leave(session, author, draft, seen_version, next_status, state=state, approver=approver, now=now)


def gate(session: Session, who: Viewer, draft: Draft, *, seen_version: int, now: datetime) -> None:
    """Raises StaleReply when an answer of `who` could not leave just now; for a draft that is about to be locked."""
    if draft.conversation_id is None:
        return
    people.conversation(session, who, draft.conversation_id, lock=True)
    _decide(session, draft, {who.id}, seen_version=seen_version, now=now)


def _leave(
    session: Session,
    author: Viewer,
    draft: Draft,
    seen_version: int,
    next_status: str | None,
    *,
    state: str,
    looked: Looked | None = None,
    approver: Viewer | None = None,
    now: datetime,
) -> SendResult:
    """`looked` None: the look and the approval were passed before."""
    if draft.state != state:
        return _sent_before(session, draft)
    mailbox = people.mailbox(session, approver or author, draft.mailbox_id)
    letters.check(drafts.view(session, draft), mailbox)
    conversation = None
    if draft.conversation_id is not None:
        writers = {author.id, approver.id if approver is not None else author.id}
        conversation = _gate(session, draft, writers, state, seen_version=seen_version, now=now)
        if conversation is None:
            return _sent_before(session, draft)
    session.refresh(draft, with_for_update={"of": Draft})
    if draft.state != state:
        return _sent_before(session, draft)
    view = drafts.view(session, draft)
    letters.check(view, mailbox)
    approved_by = approver.id if approver is not None else None
    if looked is not None:
        send_checks.must_be_looked_at(session, view, looked)
        approved_by = approval_policies.must_be_approved(session, view)
    started = conversation is None
    if conversation is None:
        conversation = _start(session, author, view, now=now)
    answered = session.get(Message, view.answers_id) if view.answers_id is not None else None
    to_customer = answered is None or not answered.third_party
    before = _before(conversation, view, next_status, started=started, to_customer=to_customer)
    composed = letters.write(session, author, view, mailbox, conversation_id=conversation.id, now=now)
    message = _file(session, author, view, conversation, composed, now=now)
    message.approved_by_id = approved_by
    send_checks.note_written_to(session, message.id, composed.recipients)
    who = approver or author
    undo_seconds = who.undo_seconds if state != "later" else 0
    outgoing_id, undo_until = _queue(
        session, author, view, mailbox, message, composed, before, undo_seconds=undo_seconds, now=now
    )
    _move_on(session, author, view, conversation, message, before, now=now)
    draft.state, draft.updated_at, draft.refused_at, draft.came_back = "sent", now, None, ""
    draft.conversation_id = conversation.id
    presence.release(session, who, conversation.id)
    session.flush()
    return SendResult(outgoing_id, undo_until, conversation.id)


def undo(session: Session, who: Viewer, outgoing_id: int, *, now: datetime) -> int:
    """Takes a mail back that has not left: its draft is open again, the conversation as before. The draft's id.

    Raises Conflict when it is too late.
    """
    outgoing = session.get(Outgoing, outgoing_id)
    if outgoing is None or not who.may_see(outgoing.mailbox_id) or outgoing.draft_id is None:
        raise NotFound
    message = session.get(Message, outgoing.message_id) if outgoing.message_id is not None else None
    approved_by = message.approved_by_id if message is not None else None
    if who.id not in (outgoing.created_by_id, approved_by) and not who.is_manager:
        raise NotFound
    if outgoing.state not in ("queued", "held", "sending"):
        raise Conflict(TOO_LATE)
    draft_id = outbox.take_back(session, outgoing, "undone", actor_id=who.id, now=now)
    assert draft_id is not None
    return draft_id


def keep_refused(
    session: Session, draft_id: int, error: StaleReply, *, way: str = "web", actor_id: int | None, now: datetime
) -> None:
    """Notes that this draft's sending was stopped; in a transaction of its own, as the refused one is rolled back."""
    draft = session.get_one(Draft, draft_id)
    if draft.state in ("sent", "discarded"):
        return
    draft.refused_at = now
    near_misses.record(session, draft, error, way=way, actor_id=actor_id, now=now)


# -- may it leave?


def _draft(session: Session, who: Viewer, draft_id: int) -> Draft:
    draft = session.get(Draft, draft_id)
    if draft is None or draft.author_id != who.id or not who.may_see(draft.mailbox_id):
        raise NotFound
    return draft


def _sent_before(session: Session, draft: Draft) -> SendResult:
    """The result that the first of two clicks got."""
    if draft.state == "asked":
        raise Conflict(N_("This mail waits for approval."))
    if draft.state == "later":
        raise Conflict(N_("This mail waits for its time."))
    wanted = select(Outgoing).where(Outgoing.draft_id == draft.id, Outgoing.state != "cancelled")
    first = session.scalar(wanted.order_by(Outgoing.id.desc()).limit(1))
    if draft.state != "sent" or first is None or first.conversation_id is None:
        raise Conflict(N_("This draft was sent or discarded already."))
    return SendResult(first.id, first.due_at - HOLD, first.conversation_id)


def _gate(
    session: Session, draft: Draft, writers: set[int], state: str, *, seen_version: int, now: datetime
) -> Conversation | None:
    """The conversation, its version raised and locked for us; None when it was sent already. Raises StaleReply."""
    assert draft.conversation_id is not None
    try:
        _decide(session, draft, writers, seen_version=seen_version, now=now)
        if not conversations.raise_version(session, draft.conversation_id, seen_version):
            raise StaleReply(STALE, draft_id=draft.id, seen=seen_version, now_at=seen_version + 1)
    except StaleReply:
        session.refresh(draft)
        if draft.state != state:  # the other click of a double click was faster
            return None
        raise
    wanted = select(Conversation).where(Conversation.id == draft.conversation_id)
    return session.scalars(wanted.execution_options(populate_existing=True)).one()


def _decide(session: Session, draft: Draft, writers: set[int], *, seen_version: int, now: datetime) -> None:
    """Raises StaleReply as routing.claims says; `writers` are those whose claim is no obstacle."""
    assert draft.conversation_id is not None
    claim = conversations.claim_of(session, draft.conversation_id, now=now)
    version = session.scalar(select(Conversation.version).where(Conversation.id == draft.conversation_id)) or 0
    writing = claim.user_id if claim is not None and draft.kind != "forward" and claim.user_id not in writers else None
    decided = may_reply(ReplyFacts(author_id=draft.author_id, seen=seen_version, version=version, claimed_by=writing))
    if decided.may:
        return
    told = {"draft_id": draft.id, "seen": seen_version, "now_at": version}
    if decided.reason == "claimed" and claim is not None:
        raise StaleReply(CLAIMED, reason="claimed", name=claim.user.name, **told)
    raise StaleReply(STALE, **told)


# -- what is written


def _start(session: Session, who: Viewer, view: DraftView, *, now: datetime) -> Conversation:
    """The conversation that a new mail begins."""
    name, address = (view.to or view.cc or view.bcc)[0]
    conversation = conversations.start(
        session,
        view.mailbox_id,
        now=now,
        subject=view.subject,
        person_id=customers.person_for(session, address, name, now),
        at=now,
        status="open",
        owner_id=who.id,
    )
    conversation.version, conversation.opened_at = 1, now
    names = [name or address for name, address in (*view.to, *view.cc)]
    conversation.people = ", ".join(one.replace(",", " ") for one in names)[:PEOPLE_CHARACTERS]
    return conversation


def _before(
    conversation: Conversation, view: DraftView, next_status: str | None, *, started: bool, to_customer: bool
) -> dict[str, Any]:
    """What undo and failure give back, and what counts once the mail did arrive. A third party's answer from us leaves
    the customer waiting.
    """
    answers = view.kind in ("reply", "reply_all") and to_customer
    if next_status is None and (answers or started):
        next_status = AFTER_REPLY
    if conversation.status == "spam" and next_status != "open":
        next_status = None
    return {
        "status": conversation.status,
        "owner_id": conversation.owner_id,
        "waiting_since": _iso(conversation.waiting_since),
        "snoozed_until": _iso(conversation.snoozed_until),
        "closed_at": _iso(conversation.closed_at),
        "trouble": conversation.trouble,
        "after_version": conversation.version,
        "next_status": next_status,
        "answers": answers,
        "started": started,
    }


def _file(
    session: Session, who: Viewer, view: DraftView, conversation: Conversation, composed: Composed, *, now: datetime
) -> Message:
    """The mail as a message of the conversation, read from its own bytes like any other."""
    read = reading.of(understand(composed.raw), secret=settings().secret("message ids"))
    words = drafts.words(view).strip()
    sender = read.from_[0]
    message = Message(
        conversation_id=conversation.id,
        direction="out",
        kind=view.kind if view.kind in ("forward", "new") else "reply",
        author_id=who.id,
        from_name=sender[0],
        from_address=sender[1],
        to=list(read.to),
        cc=list(read.cc),
        bcc=[list(pair) for pair in view.bcc],
        subject=read.subject,
        mail_id=composed.message_id,
        key=threads.key(composed.message_id),
        references=list(read.references),
        thread_index=read.thread_index,
        at=now,
        dated=now,
        created_at=now,
        text=read.text,
        new_text=words,
        snippet=snippet_of(words) or read.snippet,
        has_html=read.has_html,
        raw_sha256=blobs().put(composed.raw),
        size=len(composed.raw),
        answers_id=view.answers_id,
        attachments=attached.rows(read.files),
    )
    session.add(message)
    session.flush()
    session.execute(
        insert_into(session, ThreadKey)
        .values(mailbox_id=view.mailbox_id, key=message.key, conversation_id=conversation.id)
        .on_conflict_do_nothing()
    )
    conversations.add_message(session, conversation, message, now=now)
    conversation.attachment_count += sum(1 for file in message.attachments if not file.inline)
    session.flush()
    search.index(session, message)
    return message


def _queue(
    session: Session,
    who: Viewer,
    view: DraftView,
    mailbox: Mailbox,
    message: Message,
    composed: Composed,
    before: dict[str, Any],
    *,
    undo_seconds: int,
    now: datetime,
) -> tuple[int, datetime]:
    earlier = session.scalar(select(func.count()).where(Outgoing.draft_id == view.id)) or 0
    undo_until = now + timedelta(seconds=undo_seconds)
    due_at = undo_until + HOLD if undo_seconds else now
    outgoing_id = outbox.put(
        session,
        kind="reply",
        dedupe_key=f"reply:{view.id}:{earlier}",
        mailbox_id=mailbox.id,
        conversation_id=message.conversation_id,
        message_id=message.id,
        draft_id=view.id,
        created_by_id=who.id,
        envelope_from=view.from_address,
        recipients=composed.recipients,
        subject=message.subject,
        mail_id=composed.message_id,
        key=message.key,
        raw_sha256=message.raw_sha256,
        size=message.size,
        due_at=due_at,
        before=before,
        now=now,
    )
    if outgoing_id is None:
        raise Conflict(N_("This draft was sent or discarded already."))
    if not undo_seconds:
        ring.job(session, "send", queue="send")
    return outgoing_id, undo_until


def _move_on(
    session: Session,
    who: Viewer,
    view: DraftView,
    conversation: Conversation,
    message: Message,
    before: dict[str, Any],
    *,
    now: datetime,
) -> None:
    """The history event, and where the conversation stands now."""
    kind = "started" if before["started"] else "forwarded" if view.kind == "forward" else "replied"
    status = before["next_status"]
    told = {"before": before["status"], "after": status or before["status"]}
    with conversations.together(session):  # all counters in one order: no deadlock with a join or another answer
        conversations.record(session, conversation, kind, now=now, actor_id=who.id, message=message, **told)
        if before["answers"]:
            conversations.answered(session, conversation, status=status, at=now)
        elif status is not None:
            conversations.place(session, conversation, status=status, closed_at=now, now=now)
        if conversation.owner_id is None:
            conversations.assign(session, conversation, who.id, now=now, actor_id=who.id)


def _iso(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment is not None else None


def _unindex(session: Session, message: Message, mailbox_id: int) -> None:
    search.unindex(session, message, mailbox_id=mailbox_id)


outbox.when_taken_back.append(_unindex)
