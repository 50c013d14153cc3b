"""What became of a mail: written once the server has spoken, or once its worker has fallen silent.

The usual end ("accepted by all") is written for many mails with three statements; every other end goes one by one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, insert, select, update
from sqlalchemy.orm import Session

from inbox import conversations
from inbox.errors import N_
from inbox.models import Attempt, Conversation, Event, Mailbox, Outgoing, RawMail
from inbox.outbox import queue
from inbox.outbox.kinds import KINDS
from inbox.outbox.prepared import Prepared
from inbox.outbox.queue import Claimed
from inbox.wire import ring
from inbox.wire.smtp import Answer, Result

UNREACHABLE = N_("The mail server could not be reached for 48 hours.")

_outgoing, _attempt = Outgoing.__table__, Attempt.__table__


@dataclass(frozen=True)
class Done:
    """A mail whose attempt ended, and how. `data_started_at` is None when it ended before DATA."""

    claimed: Claimed
    result: Result
    data_started_at: datetime | None


_sent = Prepared(
    update(_outgoing)
    .where(
        _outgoing.c.id == bindparam("an_id"),
        _outgoing.c.state == "sending",
        _outgoing.c.lease_owner == bindparam("worker"),
    )
    .values(
        state="sent",
        sent_at=bindparam("now"),
        recipients=bindparam("new_recipients"),
        code=bindparam("new_code"),
        answer=bindparam("new_answer"),
        tries=bindparam("new_tries"),
        lease_until=None,
        sent_copy=bindparam("copy"),
        sent_copy_due_at=bindparam("copy_due"),
    )
)
_attempt_ended = Prepared(
    update(_attempt)
    .where(_attempt.c.outgoing_id == bindparam("an_id"), _attempt.c.ended_at.is_(None))
    .values(
        data_started_at=bindparam("began"),
        ended_at=bindparam("now"),
        outcome=bindparam("new_outcome"),
        code=bindparam("new_code"),
        answer=bindparam("new_answer"),
    )
)
_event = Prepared(insert(Event.__table__), columns=("conversation_id", "mailbox_id", "at", "kind", "about"))


def settle(session: Session, worker: str, done: Sequence[Done], *, sent_copy: str, now: datetime) -> None:
    """Writes what became of these mails. `sent_copy` is what a sent one of this mailbox gets: due, server or none."""
    plain = [one for one in done if _plainly_sent(one)]
    if plain:
        _settle_sent(session, worker, plain, sent_copy=sent_copy, now=now)
    for one in done:
        if not _plainly_sent(one):
            _settle_one(session, worker, one, sent_copy=sent_copy, now=now)
    if done:
        ring.screens(session)


def lapse(session: Session, *, now: datetime, gone: frozenset[str] = frozenset(), limit: int = 500) -> int:
    """Mails whose worker is gone: before DATA they are queued again, after it nobody knows: uncertain. How many.

    `gone` are workers that are known to be dead; their leases need not lapse.
    """
    left = queue.lapsed(session, now=now, gone=gone, limit=limit)
    for outgoing in left:
        if outgoing.data_started_at is None:
            queue.end_attempt(session, outgoing, outcome="lapsed", now=now)
            outgoing.state, outgoing.lease_owner, outgoing.lease_until = "queued", "", None
            continue
        queue.end_attempt(session, outgoing, outcome="uncertain", now=now)
        outgoing.recipients = [one if one["state"] else one | {"state": "uncertain"} for one in outgoing.recipients]
        _uncertain(session, outgoing, "", now=now)
    if left:
        ring.job(session, "send", queue="send")
        session.flush()
    return len(left)


def give_up(session: Session, *, now: datetime, limit: int = 100) -> int:
    """Mails that waited two days for a mail server that cannot be reached: failed, back to their owners. How many.

    Only the time counts in which they were due and were tried in vain: a pause does not, nor that we did not run.
    """
    if queue.paused_by(session) is not None:
        return 0
    long_ago = now - KINDS["reply"].give_up_after
    waiting = session.scalars(
        select(Outgoing)
        .join(Mailbox)
        .where(
            Outgoing.state == "queued",
            Outgoing.due_at < long_ago,
            Mailbox.smtp_failing_since < long_ago,
            Mailbox.smtp_next_try_at > now,  # else a try is due first
            ~Mailbox.sending_paused,
        )
        .limit(limit)
        .with_for_update(skip_locked=True, of=Outgoing)
    ).all()
    for outgoing in waiting:
        outgoing.recipients = [
            one if one["state"] else one | {"state": "refused", "text": UNREACHABLE} for one in outgoing.recipients
        ]
        _ended(session, outgoing, code=None, text=UNREACHABLE, now=now)
    return len(waiting)


def found_elsewhere(session: Session, key: str, *, now: datetime) -> bool:
    """A mail of ours with this `mail.threads.key` was seen in the Sent folder, in a bounce or in an answer: it did
    leave.

    Settles an uncertain one as sent; and one that nobody has as far as we know, which after a restore means
    that it left before. True if there was one.
    """
    found = session.scalars(
        select(Outgoing)
        .where(Outgoing.key == key, Outgoing.state.in_(("uncertain", "queued", "held")))
        .with_for_update(of=Outgoing)
        .execution_options(populate_existing=True)
    ).all()
    left = [one for one in found if one.state == "uncertain" or not _somebody_has_it(one)]
    for outgoing in left:
        arrived(session, outgoing, by="found", actor_id=None, now=now)
    return bool(left)


def _somebody_has_it(outgoing: Outgoing) -> bool:
    """Then its being seen somewhere tells nothing about those for whom it still waits."""
    return any(one["state"] in ("accepted", "bounced", "uncertain") for one in outgoing.recipients)


def arrived(session: Session, outgoing: Outgoing, *, by: str, actor_id: int | None, now: datetime) -> None:
    """An uncertain mail is known to have been taken: sent. `by` is found or person."""
    outgoing.state, outgoing.lease_owner, outgoing.lease_until = "sent", "", None
    outgoing.sent_at = outgoing.data_started_at or now
    outgoing.recipients = [
        one | {"state": "accepted"} if one["state"] in ("", "uncertain") else one for one in outgoing.recipients
    ]
    if by != "found":
        outgoing.sent_copy, outgoing.sent_copy_due_at = _sent_copy(session, outgoing), now
    conversation = _conversation(session, outgoing)
    if conversation is not None:
        stand_again(session, outgoing, conversation, now=now)
        told = {"outgoing_id": outgoing.id, "message_id": outgoing.message_id, "by": by, "as": "sent"}
        conversations.record(session, conversation, "resolved", now=now, actor_id=actor_id, **told)


def stand_again(session: Session, outgoing: Outgoing, conversation: Conversation, *, now: datetime) -> None:
    """The answer counts after all: nothing waits for it any more, unless something came in since."""
    if conversation.trouble not in ("uncertain", "failed"):
        return
    conversation.trouble = ""
    before = outgoing.before
    if conversation.version == before.get("after_version") and outgoing.kind == "reply" and before.get("answers"):
        status = before.get("next_status")
        conversations.answered(session, conversation, status=status, at=outgoing.created_at, now=now)


# -- one mail


def _plainly_sent(one: Done) -> bool:
    """Accepted for all its recipients, in its first or a later try."""
    return (
        one.result.outcome == "accepted"
        and all(answer.outcome == "accepted" for answer in one.result.recipients)
        and all(known["state"] in ("", "accepted") for known in one.claimed.recipients)
    )


def _settle_sent(session: Session, worker: str, done: Sequence[Done], *, sent_copy: str, now: datetime) -> None:
    rows = [
        {
            "an_id": one.claimed.id,
            "worker": worker,
            "now": now,
            "new_recipients": _merged(one.claimed.recipients, one.result.recipients),
            "new_code": one.result.code,
            "new_answer": one.result.text,
            "new_tries": one.claimed.tries + 1,
            "copy": sent_copy if KINDS[one.claimed.kind].sent_copy else "none",
            "copy_due": now if KINDS[one.claimed.kind].sent_copy and sent_copy == "due" else None,
        }
        for one in done
    ]
    changed = _sent.many(session.connection(), rows)
    if changed != len(rows):  # a lease was lost while the server thought about it: tell each one by one
        done = _not_written(session, worker, done, sent_copy=sent_copy, now=now)
    if not done:
        return
    _end(session, done, "sent", now=now)
    events = [
        {
            "conversation_id": one.claimed.conversation_id,
            "mailbox_id": one.claimed.mailbox_id,
            "at": now,
            "kind": "sent",
            "about": {"outgoing_id": one.claimed.id, "message_id": one.claimed.message_id},
        }
        for one in done
        if one.claimed.conversation_id is not None
    ]
    if events:
        _event.many(session.connection(), events)


def _not_written(session: Session, worker: str, done: Sequence[Done], *, sent_copy: str, now: datetime) -> list[Done]:
    """Those that were written as sent; the others are settled here, late but with the server's own word."""
    ids = [one.claimed.id for one in done]
    mine = select(Outgoing.id).where(Outgoing.id.in_(ids), Outgoing.state == "sent", Outgoing.sent_at == now)
    written = set(session.scalars(mine))
    for one in done:
        if one.claimed.id not in written:
            _settle_one(session, worker, one, sent_copy=sent_copy, now=now)
    return [one for one in done if one.claimed.id in written]


def _settle_one(session: Session, worker: str, one: Done, *, sent_copy: str, now: datetime) -> None:
    outgoing = _locked(session, one.claimed.id)
    if outgoing is None or outgoing.lease_owner != worker or outgoing.state not in ("sending", "uncertain"):
        return
    late = outgoing.state == "uncertain"  # its lease lapsed, but we know more than that
    result = one.result
    outgoing.tries = one.claimed.tries + 1
    outgoing.recipients = _merged(one.claimed.recipients, result.recipients)
    outgoing.code, outgoing.answer = result.code, result.text
    states = {known["state"] for known in outgoing.recipients}
    if "uncertain" in states:
        _end(session, [one], "uncertain", now=now)
        if not late:
            _uncertain(session, outgoing, result.text, now=now)
        return
    if late:
        conversation = _conversation(session, outgoing)
        if conversation is not None:
            stand_again(session, outgoing, conversation, now=now)
    if "" in states and not _too_old(outgoing, now=now):
        _end(session, [one], "later", now=now)
        outgoing.state, outgoing.lease_owner, outgoing.lease_until = "queued", "", None
        outgoing.data_started_at = None
        outgoing.due_at = now + KINDS[outgoing.kind].retry_after(outgoing.tries)
        outgoing.retrying_since = outgoing.retrying_since or now
        return
    outgoing.recipients = [known if known["state"] else known | {"state": "refused"} for known in outgoing.recipients]
    all_refused = all(known["state"] == "refused" for known in outgoing.recipients)
    _end(session, [one], "failed" if all_refused else "sent", now=now)
    if not all_refused:
        outgoing.sent_copy = sent_copy if KINDS[outgoing.kind].sent_copy else "none"
        outgoing.sent_copy_due_at = now if outgoing.sent_copy == "due" else None
    _ended(session, outgoing, code=result.code, text=result.text, now=now)


def _ended(session: Session, outgoing: Outgoing, *, code: int | None, text: str, now: datetime) -> None:
    """No recipient is left to try: sent if any took it, and trouble for its owner if any did not."""
    refused = [one for one in outgoing.recipients if one["state"] == "refused"]
    taken = [one for one in outgoing.recipients if one["state"] == "accepted"]
    outgoing.state = "sent" if taken else "failed"
    outgoing.sent_at = now if taken else None
    outgoing.lease_owner, outgoing.lease_until = "", None
    outgoing.code, outgoing.answer = code, text
    conversation = _conversation(session, outgoing)
    if conversation is None:
        return
    told = {"outgoing_id": outgoing.id, "message_id": outgoing.message_id}
    if taken:
        conversations.record(session, conversation, "sent", now=now, **told)
    if refused and KINDS[outgoing.kind].owed:
        _come_back(session, outgoing, conversation, trouble="failed", now=now)
        told |= {"code": code, "answer": text, "recipients": refused, "partly": bool(taken)}
        conversations.record(session, conversation, "failed", now=now, **told)


def _uncertain(session: Session, outgoing: Outgoing, text: str, *, now: datetime) -> None:
    if _was_seen(session, outgoing):  # while we waited for the server's word; nobody will see it a second time
        arrived(session, outgoing, by="found", actor_id=None, now=now)
        return
    outgoing.state, outgoing.lease_until = "uncertain", None  # the owner stays: it may still learn the truth
    if text:
        outgoing.answer = text
    conversation = _conversation(session, outgoing) if KINDS[outgoing.kind].owed else None
    if conversation is not None:
        _come_back(session, outgoing, conversation, trouble="uncertain", now=now)
        told = {"outgoing_id": outgoing.id, "message_id": outgoing.message_id, "answer": text}
        conversations.record(session, conversation, "uncertain", now=now, **told)


def _was_seen(session: Session, outgoing: Outgoing) -> bool:
    """Whether the mail came by in a folder that is read, the Sent folder most often, since its DATA began."""
    if outgoing.message_id is None or outgoing.data_started_at is None:
        return False
    seen = select(RawMail.id).where(
        RawMail.message_id == outgoing.message_id,
        RawMail.state == "own",
        RawMail.fetched_at >= outgoing.data_started_at,
    )
    return session.scalar(seen.limit(1)) is not None


def _come_back(
    session: Session, outgoing: Outgoing, conversation: Conversation, *, trouble: str, now: datetime
) -> None:
    """Open again to its owner; the customer waits since when they waited before the answer that did not arrive."""
    then = outgoing.before.get("waiting_since")
    since = [datetime.fromisoformat(then)] if then else []
    if conversation.waiting_since is not None:
        since.append(conversation.waiting_since)
    conversations.come_back(
        session,
        conversation,
        waiting_since=min(since, default=None),
        answered_at=outgoing.created_at,
        trouble=trouble,
        now=now,
    )


def _conversation(session: Session, outgoing: Outgoing) -> Conversation | None:
    """Locked and read anew: status and counters may change."""
    if outgoing.conversation_id is None:
        return None
    wanted = select(Conversation).where(Conversation.id == outgoing.conversation_id).with_for_update(of=Conversation)
    session.flush()  # reading anew must not throw away what was changed a moment ago
    return session.scalar(wanted.execution_options(populate_existing=True))


def _locked(session: Session, outgoing_id: int) -> Outgoing | None:
    session.flush()
    wanted = select(Outgoing).where(Outgoing.id == outgoing_id).with_for_update(of=Outgoing)
    return session.scalar(wanted.execution_options(populate_existing=True))


def _too_old(outgoing: Outgoing, *, now: datetime) -> bool:
    since = outgoing.retrying_since
    return since is not None and now - since >= KINDS[outgoing.kind].give_up_after


def _end(session: Session, done: Sequence[Done], outcome: str, *, now: datetime) -> None:
    rows = [
        {
            "an_id": one.claimed.id,
            "began": one.data_started_at,
            "now": now,
            "new_outcome": outcome,
            "new_code": one.result.code,
            "new_answer": one.result.text,
        }
        for one in done
    ]
    _attempt_ended.many(session.connection(), rows)


def _merged(known: Sequence[dict[str, Any]], answers: Sequence[Answer]) -> list[dict[str, Any]]:
    """Every recipient with the newest word about it; "later" leaves the state open."""
    said = {answer.address: answer for answer in answers}
    return [_told(one, said[one["address"]]) if one["address"] in said else one for one in known]


def _told(one: dict[str, Any], answer: Answer) -> dict[str, Any]:
    state = "" if answer.outcome == "later" else answer.outcome
    return one | {"state": state, "code": answer.code, "text": answer.text}


def _sent_copy(session: Session, outgoing: Outgoing) -> str:
    if not KINDS[outgoing.kind].sent_copy:
        return "none"
    mailbox = session.get_one(Mailbox, outgoing.mailbox_id)
    return sent_copy_of(mailbox)


def sent_copy_of(mailbox: Mailbox) -> str:
    """What a sent mail's copy needs in this mailbox: server (it files its own), due (we lay it there), none."""
    if mailbox.server_files_sent:
        return "server"
    return "due" if mailbox.sent_folder else "none"
