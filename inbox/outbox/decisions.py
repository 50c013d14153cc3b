"""What people decide about a mail in the queue: hold, send now, cancel, try again, settle an uncertain one."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from inbox import conversations, kept_deadlines
from inbox.errors import N_, Conflict, NotFound
from inbox.models import Conversation, Draft, Event, Mailbox, Message, Note, Outgoing, Setting, ThreadKey
from inbox.outbox import queue, settling
from inbox.people.viewers import Viewer, must_be
from inbox.wire import ring

TOO_LATE = N_("This mail is already on its way or was settled by somebody else.")

# Told of a message that never left and of its mailbox, before it is deleted: the search index stands above this module.
when_taken_back: list[Callable[[Session, Message, int], None]] = []


def cancel(session: Session, who: Viewer, outgoing_id: int, *, now: datetime) -> int | None:
    """Takes a mail that did not leave out of the queue; a reply becomes an open draft again: its id. Raises Conflict.

    Its author may, and managers. A failed one counts as not left when no recipient's server took it.
    """
    outgoing = _mine(session, who, outgoing_id)
    return take_back(session, outgoing, "cancelled", actor_id=who.id, now=now)


def take_back(session: Session, outgoing: Outgoing, event: str, *, actor_id: int, now: datetime) -> int | None:
    """As `cancel`; `event` is what the history calls it. The guard: whoever changes `state` first, wins."""
    left_nowhere = outgoing.state == "failed" and not any(one["state"] == "accepted" for one in outgoing.recipients)
    allowed = ("queued", "held", "failed") if left_nowhere else ("queued", "held")
    _change(session, outgoing, from_=allowed, to="cancelled")
    if any(one["state"] == "accepted" for one in outgoing.recipients):
        raise Conflict(N_("Some recipients have this mail already; it cannot be taken back."))
    message = session.get(Message, outgoing.message_id) if outgoing.message_id else None
    draft = session.get(Draft, outgoing.draft_id) if outgoing.draft_id else None
    conversation = _lock(session, outgoing.conversation_id)
    if conversation is not None and message is not None:
        _give_back(session, outgoing, conversation, message, event=event, actor_id=actor_id, now=now)
    if draft is None:
        return None
    draft.state, draft.updated_at, draft.refused_at = "open", now, None
    draft.conversation_id = outgoing.conversation_id
    if conversation is not None and outgoing.conversation_id is not None:
        nothing_since = conversation.version == outgoing.before.get("after_version")
        conversation.version += 1
        draft.seen_version = conversation.version if nothing_since else outgoing.before.get("after_version", 0)
    session.flush()
    return draft.id


def hold(session: Session, who: Viewer, outgoing_id: int, *, now: datetime) -> None:
    """It stays in the queue until somebody releases it."""
    outgoing = _mine(session, who, outgoing_id)
    _change(session, outgoing, from_=("queued",), to="held", held_reason="person")


def release(session: Session, who: Viewer, outgoing_id: int, *, now: datetime) -> None:
    """A held mail may leave, at once if it is due; the time in which it is tried begins anew."""
    outgoing = _mine(session, who, outgoing_id)
    due_at = max(outgoing.due_at, now)
    _change(session, outgoing, from_=("held",), to="queued", due_at=due_at, retrying_since=None, held_reason="")
    ring.job(session, "send", queue="send")


def send_now(session: Session, who: Viewer, outgoing_id: int, *, now: datetime) -> None:
    """Ends the undo window or the wait for the next try."""
    outgoing = _mine(session, who, outgoing_id)
    anew = {"due_at": now, "retrying_since": None, "held_reason": ""}
    _change(session, outgoing, from_=("queued", "held"), to="queued", **anew)
    ring.job(session, "send", queue="send")


def try_again(session: Session, who: Viewer, outgoing_id: int, *, now: datetime) -> None:
    """Sends the same mail again: a failed one to those who refused it, an uncertain one to those who may have it.

    For an uncertain one this is the person's word that a second copy is better than none.
    """
    outgoing = _mine(session, who, outgoing_id)
    was = outgoing.state
    open_again = [
        one | {"state": "", "code": None, "text": ""} if one["state"] in ("refused", "uncertain") else one
        for one in outgoing.recipients
    ]
    _change(
        session,
        outgoing,
        from_=("failed", "uncertain"),
        to="queued",
        due_at=now,
        tries=0,
        retrying_since=None,
        recipients=open_again,
        data_started_at=None,
        lease_owner="",
    )
    conversation = _lock(session, outgoing.conversation_id)
    if conversation is not None:
        settling.stand_again(session, outgoing, conversation, now=now)
        told = {"outgoing_id": outgoing.id, "message_id": outgoing.message_id, "as": "sent_again", "was": was}
        conversations.record(session, conversation, "resolved", now=now, actor_id=who.id, **told)
    ring.job(session, "send", queue="send")


def mark_sent(session: Session, who: Viewer, outgoing_id: int, *, now: datetime) -> None:
    """A person knows that an uncertain mail arrived."""
    outgoing = _mine(session, who, outgoing_id)
    _change(session, outgoing, from_=("uncertain",), to="sent")
    settling.arrived(session, outgoing, by="person", actor_id=who.id, now=now)


def pause(session: Session, who: Viewer, mailbox_id: int, on: bool) -> None:
    """Stops everything that leaves this mailbox, or lets it go on. Managers only."""
    mailbox = session.get(Mailbox, mailbox_id)
    if mailbox is None or not who.may_see(mailbox_id):
        raise NotFound
    must_be(who, "manager")
    mailbox.sending_paused = on
    if not on:
        mailbox.smtp_next_try_at = None
        _begin_anew(session, mailbox_id)
        ring.job(session, "send", queue="send")
    ring.screens(session)


def pause_all(session: Session, who: Viewer | None, on: bool, *, reason: str = "person") -> None:
    """Stops everything that leaves this installation, or lets it go on. Admins, or the operator (None)."""
    if who is not None:
        must_be(who, "admin")
    session.execute(delete(Setting).where(Setting.key == queue.PAUSED))
    if on:
        session.add(Setting(key=queue.PAUSED, value=reason))
    else:
        _begin_anew(session)
        ring.job(session, "send", queue="send")
    ring.screens(session)


# -- below


def _begin_anew(session: Session, mailbox_id: int | None = None) -> None:
    """After a pause every mail has the full time again before it is given up."""
    mailboxes, queued = update(Mailbox), update(Outgoing).where(Outgoing.state == "queued")
    if mailbox_id is not None:
        mailboxes, queued = mailboxes.where(Mailbox.id == mailbox_id), queued.where(Outgoing.mailbox_id == mailbox_id)
    session.execute(mailboxes.where(Mailbox.smtp_failing_since.is_not(None)).values(smtp_failing_since=None))
    session.execute(queued.where(Outgoing.retrying_since.is_not(None)).values(retrying_since=None))


def _mine(session: Session, who: Viewer, outgoing_id: int) -> Outgoing:
    """The row, if `who` sees its mailbox and is its author or a manager; else NotFound."""
    outgoing = session.get(Outgoing, outgoing_id)
    if outgoing is None or not who.may_see(outgoing.mailbox_id):
        raise NotFound
    if outgoing.created_by_id != who.id and not who.is_manager:
        raise NotFound
    return outgoing


def _change(session: Session, outgoing: Outgoing, *, from_: tuple[str, ...], to: str, **values: object) -> None:
    """The guarded UPDATE of every decision; Conflict when the row is in none of the states that it may be in."""
    changed = session.execute(
        update(Outgoing)
        .where(Outgoing.id == outgoing.id, Outgoing.state.in_(from_))
        .values(state=to, **values)
        .execution_options(synchronize_session=False)
    )
    if changed.rowcount != 1:
        raise Conflict(TOO_LATE)
    session.refresh(outgoing)
    ring.screens(session)


def _lock(session: Session, conversation_id: int | None) -> Conversation | None:
    if conversation_id is None:
        return None
    session.flush()
    wanted = select(Conversation).where(Conversation.id == conversation_id).with_for_update(of=Conversation)
    return session.scalar(wanted.execution_options(populate_existing=True))


def _give_back(
    session: Session,
    outgoing: Outgoing,
    conversation: Conversation,
    message: Message,
    *,
    event: str,
    actor_id: int,
    now: datetime,
) -> None:
    """The message that never left goes, the conversation stands as before it; one that holds nothing else goes too."""
    for tell in when_taken_back:
        tell(session, message, conversation.mailbox_id)
    mail_key, files = outgoing.key, sum(1 for one in message.attachments if not one.inline)
    outgoing.message_id = None
    session.flush()
    session.execute(update(Message).where(Message.answers_id == message.id).values(answers_id=None))
    session.delete(message)
    session.execute(delete(ThreadKey).where(ThreadKey.conversation_id == conversation.id, ThreadKey.key == mail_key))
    session.flush()
    if outgoing.before.get("started") and _is_empty(session, conversation):
        outgoing.conversation_id = None
        session.flush()
        for model in (Draft, Outgoing):  # other answers that were written in it and taken back
            session.execute(update(model).where(model.conversation_id == conversation.id).values(conversation_id=None))
        session.execute(delete(Event).where(Event.conversation_id == conversation.id))
        conversations.uncount(session, conversation)
        session.delete(conversation)
        session.flush()
        return
    _restore(session, outgoing, conversation, files, now=now)
    told = {"outgoing_id": outgoing.id, "draft_id": outgoing.draft_id}
    conversations.record(session, conversation, event, now=now, actor_id=actor_id, **told)


def _restore(session: Session, outgoing: Outgoing, conversation: Conversation, files: int, *, now: datetime) -> None:
    before = outgoing.before
    nothing_since = conversation.version == before.get("after_version")
    conversation.message_count -= 1
    conversation.attachment_count -= files
    last = session.scalar(
        select(Message).where(Message.conversation_id == conversation.id).order_by(Message.at.desc(), Message.id.desc())
    )
    if last is not None:
        conversation.activity_at, conversation.last_direction = last.at, last.direction
        conversation.snippet = last.snippet[: conversations.SNIPPET_CHARACTERS]
    if before.get("answers"):
        waiting = [datetime.fromisoformat(before["waiting_since"])] if before.get("waiting_since") else []
        if conversation.waiting_since is not None:
            waiting.append(conversation.waiting_since)
        conversation.waiting_since = min(waiting, default=None)
        kept_deadlines.forget_answer(conversation, outgoing.created_at)
        conversation.trouble = before.get("trouble", "")
    if nothing_since and before.get("status"):
        until, closed = before.get("snoozed_until"), before.get("closed_at")
        owner = before["owner_id"] if conversation.owner_id == outgoing.created_by_id else conversation.owner_id
        moved = before.get("answers") or before.get("next_status")  # else it stands where somebody put it
        conversations.place(
            session,
            conversation,
            status=before["status"] if moved else None,
            owner_id=owner,
            closed_at=datetime.fromisoformat(closed) if closed else None,
            now=now,
        )
        if moved:
            conversation.snoozed_until = datetime.fromisoformat(until) if until else None


def _is_empty(session: Session, conversation: Conversation) -> bool:
    messages = session.scalar(select(Message.id).where(Message.conversation_id == conversation.id).limit(1))
    notes = session.scalar(select(Note.id).where(Note.conversation_id == conversation.id).limit(1))
    return messages is None and notes is None
