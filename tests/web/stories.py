"""Mail that comes in for the page tests: real bytes, kept and filed by the same code as a server's."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from inbox import (
    approvals,
    blocks,
    bulk,
    calendars,
    drafts,
    fields,
    handovers,
    intake,
    joins,
    later,
    reading,
    replies,
    tags,
    triage,
    views,
    webhooks,
)
from inbox.blobs import blobs
from inbox.config import settings
from inbox.drafts import DraftView
from inbox.mail.compose import Attachment, Letter, compose
from inbox.mail.facts import Address
from inbox.mail.understand import understand
from inbox.models import (
    Absence,
    AnswerText,
    ApprovalPolicy,
    ApproverPool,
    Conversation,
    DeadlinePolicy,
    Folder,
    JoinSuggestion,
    Message,
    Outgoing,
    RawMail,
    Rule,
    RuleVersion,
    Team,
    TeamMember,
    WorkCalendar,
)
from inbox.people import Viewer
from inbox.replies import SendResult
from tests.inbox.cast import all_ticked

PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg=="
)


def until(condition: Callable[[], Any], seconds: float = 8.0) -> Any:
    """Waits until something is so; what `condition` returned."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)
    return found


def arrives(session: Session, mailbox_id: int, raw: bytes, *, at: datetime, role: str = "inbox") -> Message:
    """Files a mail that a server showed; the message it became."""
    folder = session.scalar(select(Folder).where(Folder.mailbox_id == mailbox_id, Folder.role == role))
    if folder is None:
        folder = Folder(mailbox_id=mailbox_id, name=role.upper(), role=role, uidvalidity=1)
        session.add(folder)
        session.flush()
    uid = (session.scalar(select(func.max(RawMail.uid)).where(RawMail.folder_id == folder.id)) or 0) + 1
    row = RawMail(
        folder_id=folder.id,
        uidvalidity=1,
        uid=uid,
        sha256=blobs().put(raw),
        size=len(raw),
        internal_date=at,
        fetched_at=at,
    )
    session.add(row)
    session.flush()
    intake.file(session, row, reading.of(understand(raw), secret=settings().secret("message ids")), at)
    assert row.message_id is not None, (row.state, row.cause, row.detail)
    message = session.get_one(Message, row.message_id)
    assert len(message.attachments) >= 0  # read now, so that they can be looked at when the session is gone
    return message


def a_letter(
    text: str = "",
    *,
    at: datetime,
    subject: str = "届きません",
    sender: tuple[str, str] = ("山田 太郎", "taro@example.jp"),
    to: str = "support@shop.example",
    html: str = "",
    answers: Message | None = None,
    files: tuple[tuple[str, str, bytes], ...] = (),
    pictures: tuple[tuple[str, str, bytes], ...] = (),
    cc: tuple[tuple[str, str], ...] = (),
) -> bytes:
    """A mail as a customer's program writes it. `pictures` are (content id, type, bytes) inside the HTML."""
    return compose(
        Letter(
            from_=Address(*sender),
            to=(Address("", to),),
            cc=tuple(Address(*one) for one in cc),
            subject=subject,
            message_id=f"<{abs(hash((text, html, subject, at)))}@{sender[1].partition('@')[2]}>",
            date=at,
            text=text,
            html=html,
            in_reply_to=answers.mail_id if answers else "",
            references=tuple(answers.references) if answers else (),
            attachments=(
                *(Attachment(name, kind, data) for name, kind, data in files),
                *(Attachment(f"{cid}.png", kind, data, content_id=cid) for cid, kind, data in pictures),
            ),
        )
    ).raw


def conversation_of(session: Session, message: Message) -> Conversation:
    return session.get_one(Conversation, message.conversation_id)


def a_draft(
    session: Session, who: Viewer, conversation_id: int, text: str = "Thank you.", *, kind: str = "reply", now: datetime
) -> DraftView:
    """A draft with words, as its author left it."""
    draft = drafts.start(session, who, kind, conversation_id=conversation_id, now=now)
    return drafts.save(session, who, draft.id, rev=draft.rev, fields={"text": text}, now=now)


def an_answer(
    session: Session,
    who: Viewer,
    conversation_id: int,
    text: str = "Here you are.",
    *,
    now: datetime,
    status: str = "open",
) -> SendResult:
    """An answer that stands in the outbox."""
    draft = a_draft(session, who, conversation_id, text, now=now)
    return replies.send(
        session,
        who,
        draft.id,
        seen_version=draft.seen_version,
        next_status=status,
        looked=all_ticked(session, draft.id),
        now=now,
    )


def one_of_each(session: Session, support: int, agent: Viewer, *, now: datetime) -> dict[str, int]:
    """Ids of one of everything that an address of the pages names, in the agent's hands."""
    made: dict[str, int] = {}
    lines: list[int] = []
    for n in range(7):
        at = now - timedelta(hours=20 - n)
        letter = a_letter(
            f"Question {n}",
            at=at,
            subject=f"Subject {n}",
            sender=(f"Customer {n}", f"customer{n}@example.jp"),
            html='<p>Question</p><img src="cid:one">' if n == 0 else "",
            files=(("list.csv", "text/csv", b"a,b\n1,2\n"), ("dot.png", "image/png", PIXEL)) if n == 0 else (),
            pictures=(("one", "image/png", PIXEL),) if n == 0 else (),
        )
        message = arrives(session, support, letter, at=at)
        lines.append(message.conversation_id)
        if n == 0:
            made["message"] = message.id
            for file in message.attachments:
                made[{"list.csv": "csv", "dot.png": "png"}.get(file.name, "inline")] = file.position
    made["draft"] = a_draft(session, agent, lines[0], now=now).id
    made["file"] = drafts.add_file(
        session, agent, made["draft"], name="a.txt", content_type="text/plain", data=b"a", now=now
    ).id
    made["ready"] = a_draft(session, agent, lines[1], now=now).id
    made["thrown"] = a_draft(session, agent, lines[2], now=now).id
    made["fresh"] = drafts.start(session, agent, "new", mailbox_id=support, now=now).id
    made["leaving"] = an_answer(session, agent, lines[2], now=now).outgoing_id
    stuck = session.get_one(Outgoing, an_answer(session, agent, lines[3], now=now).outgoing_id)
    stuck.state, made["failed"] = "failed", stuck.id
    made["tag"] = triage.tag(session, agent, lines[0], "VIP", now=now)
    made["first"], made["one"], made["other"] = lines[0], lines[3], lines[4]
    made["old_tag"] = triage.tag(session, agent, lines[0], "old", now=now)
    made["bulk"] = bulk.start(session, agent, "mark_unread", lines[:2], now=now).id
    made["block"] = blocks.block(session, agent, "bad.example", now=now)
    made["category"] = tags.add_category(session, agent, "Delivery", now=now)
    made["custom"] = fields.add(session, agent, support, name="Order number", kind="text", now=now)
    made["view"] = views.keep(session, agent, name="Late", wanted={"box": "open", "waiting": "24"}, now=now)
    joins.join(session, agent, lines[5], lines[6], now=now)
    joins.offer(session, lines[0], lines[1], reason="same person", now=now)
    policy = DeadlinePolicy(position=0, body={"name": "Normal", "first_answer": 120})
    session.add(policy)
    session.flush()
    made["policy"] = policy.id
    tomorrow = now + timedelta(days=1)
    webhooks.set_own(session, agent, "https://hooks.example/", now=now)
    made["webhook"] = webhooks.own(session, agent).id
    made["handover"] = handovers.write(session, agent, text="Call back", mailbox_id=support, until=tomorrow, now=now)
    made |= _who_answers(session, agent, now=now)
    made |= _approval(session, agent, a_draft(session, agent, lines[4], now=now), now=now)
    for name, default in (("calendar", True), ("other_calendar", False)):
        calendar = WorkCalendar(name=name, is_default=default, body=calendars.SUGGESTED)
        session.add(calendar)
        session.flush()
        made[name] = calendar.id
    for suggestion in session.scalars(select(JoinSuggestion)):
        made["parted" if suggestion.state == "joined" else "offered"] = suggestion.id
    return made


def _approval(session: Session, agent: Viewer, draft: DraftView, *, now: datetime) -> dict[str, int]:
    """Approvers, a policy that holds for nothing here, and a request of the agent."""
    pool = ApproverPool(body={"name": "Leads", "approvers": [agent.id]})
    session.add(pool)
    session.flush()
    policy = ApprovalPolicy(body={"name": "Secrets", "pool": pool.id, "words": ["never said here"]})
    session.add(policy)
    session.flush()
    unused = ApproverPool(body={"name": "Nobody's", "approvers": [agent.id]})
    session.add(unused)
    session.flush()
    made = {"approval_pool": pool.id, "approval_policy": policy.id, "unused_pool": unused.id}
    file = drafts.add_file(session, agent, draft.id, name="a.txt", content_type="text/plain", data=b"a", now=now)
    looked = all_ticked(session, draft.id)
    made["approval"] = approvals.ask(
        session, agent, draft.id, seen_version=draft.seen_version, next_status=None, looked=looked, now=now
    )
    made["approval_file"] = file.id
    assert draft.conversation_id is not None
    for name in ("scheduled", "also_scheduled"):
        waits = a_draft(session, agent, draft.conversation_id, now=now)
        given = {"at": now + timedelta(hours=3), "regardless": False, "seen_version": waits.seen_version}
        later.schedule(session, agent, waits.id, **given, next_status=None, now=now)
        made[name] = waits.id
    return made


def _who_answers(session: Session, agent: Viewer, *, now: datetime) -> dict[str, int]:
    body = {
        "name": "Lamps",
        "triggers": [{"on": "arrived"}],
        "condition": None,
        "actions": [{"do": "priority", "priority": "high"}],
        "stop": False,
    }
    rule = Rule(position=1, version=1, scheduled_at=now)
    team = Team(name="Desk", created_at=now, members=[TeamMember(user_id=agent.id)])
    absence = Absence(user_id=agent.id, starts_at=now)
    text = AnswerText(
        name="Catalogue", words={"en": {"subject": "Our catalogue", "text": "Here it is."}}, created_at=now
    )
    session.add_all((rule, team, absence, text))
    session.flush()
    session.add(RuleVersion(rule_id=rule.id, version=1, at=now, user_id=agent.id, body=body))
    session.flush()
    return {"rule": rule.id, "team": team.id, "absence": absence.id, "text": text.id}
