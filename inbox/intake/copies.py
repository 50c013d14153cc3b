"""One mail that came to two of our addresses: its conversations are made one, if nobody loses sight of it by that."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session, aliased

from inbox import joins
from inbox.intake import deciding, knowing
from inbox.intake.filed import Filed, Mail
from inbox.intake.knowing import Knowledge
from inbox.mail.facts import Kind
from inbox.models import Conversation, MailboxAccess, User
from inbox.models.conversations import JOINED

REASON = "copy"  # of the suggestion: the page says that the same mail came to another address, too


def join(session: Session, known: Knowledge, mail: Mail, filed: Filed, *, now: datetime) -> None:
    """Joins the new conversation into the one where the mail stands already, or offers that to who may see both."""
    assert filed.message is not None
    candidates = known.copies.get(filed.message.key, [])
    if not candidates or mail.reading.kind != Kind.PERSON:
        return
    for one in candidates:
        knowing.complete(session, one)
    same = deciding.copy_of(candidates, mail.reading)
    if same is None or same.direction != "in" or not isinstance(same.conversation, int):
        return
    wanted = select(Conversation).where(Conversation.id == joins.gone_on(session, same.conversation))
    other = session.scalars(wanted.with_for_update().execution_options(populate_existing=True)).first()
    new = session.get_one(Conversation, filed.message.conversation_id)
    if other is None or other.status in (JOINED, "spam") or new.status in (JOINED, "spam") or other.id == new.id:
        return
    if _everybody_sees(session, who_sees=new.mailbox_id, also=other.mailbox_id):
        joins.make_one(session, other, new, actor_id=None, reason=REASON, now=now)
    else:
        joins.offer(session, new.id, other.id, reason=REASON, now=now)


def _everybody_sees(session: Session, *, who_sees: int, also: int) -> bool:
    """Whether all who see the one mailbox see the other as well; admins see all."""
    there = aliased(MailboxAccess)
    blind = (
        select(MailboxAccess.user_id)
        .join(User, User.id == MailboxAccess.user_id)
        .outerjoin(there, (there.user_id == MailboxAccess.user_id) & (there.mailbox_id == also))
        .where(MailboxAccess.mailbox_id == who_sees, User.active, User.role != "admin", there.user_id.is_(None))
    )
    return session.scalar(blind.limit(1)) is None
