"""A conversation goes to another mailbox: from then on that mailbox's people see it, and answers leave from there.

What the customer writes to the old address still finds it. Mail that waits to be sent leaves as it was composed.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import literal, select
from sqlalchemy.orm import Session

from inbox import assignment, conversations, drafts, people, search
from inbox.db import insert_into
from inbox.models import Conversation, Mailbox, ThreadKey
from inbox.people import Viewer


def move(session: Session, who: Viewer, conversation_id: int, mailbox_id: int, *, now: datetime) -> int:
    """Moves it; the id of the mailbox where it stood. An owner who does not see the new one loses it.

    Its version is raised: an answer that was to leave from the old address is stopped, its words are kept.
    """
    mailbox = people.mailbox(session, who, mailbox_id)
    found = people.conversation(session, who, conversation_id, lock=True)
    before = found.mailbox_id
    carry(session, found, mailbox, now=now, actor_id=who.id)
    return before


def carry(
    session: Session, found: Conversation, mailbox: Mailbox, *, now: datetime, actor_id: int | None, **about: Any
) -> None:
    """The same, without asking who may: for rules. `about`: what else the history keeps."""
    before = found.mailbox_id
    if before == mailbox.id:
        return
    search.belongs_to(session, found.id, before=before, after=mailbox.id)
    drafts.leave_from(session, found.id, mailbox)
    _be_found(session, found.id, mailbox)
    readers = conversations.readers(session, found)
    seen_by = {one.id for one in assignment.people_of(session, mailbox.id, now=now) if one.active and one.may_see}
    owner_id = found.owner_id if found.owner_id in seen_by else None
    told: dict[str, Any] = {"from": before, "to": mailbox.id, "mailbox": mailbox.name}
    if owner_id != found.owner_id:
        told["owner"] = found.owner_id
    # for those who saw it until now
    conversations.record(session, found, "moved", now=now, actor_id=actor_id, **told, **about)
    conversations.place(session, found, mailbox_id=mailbox.id, owner_id=owner_id, now=now)
    found.version += 1
    session.flush()
    conversations.mark_read(session, found, readers)


def targets(session: Session, who: Viewer, *, but: int) -> tuple[tuple[int, str], ...]:
    """Mailboxes to which `who` can move something: (id, name)."""
    wanted = select(Mailbox.id, Mailbox.name).where(Mailbox.id.in_(who.mailbox_ids), Mailbox.id != but)
    return tuple((number, name) for number, name in session.execute(wanted.order_by(Mailbox.name)))


def _be_found(session: Session, conversation_id: int, mailbox: Mailbox) -> None:
    """Answers that come to the new mailbox find it, too."""
    keys = select(literal(mailbox.id), ThreadKey.key, ThreadKey.conversation_id).where(
        ThreadKey.conversation_id == conversation_id, ThreadKey.mailbox_id != mailbox.id
    )
    session.execute(
        insert_into(session, ThreadKey)
        .from_select(["mailbox_id", "key", "conversation_id"], keys)
        .on_conflict_do_nothing(index_elements=["mailbox_id", "key"])
    )
