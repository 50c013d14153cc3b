"""Whatever is joined and in whatever order it is parted: every row is as it was."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from inbox import conversations, drafts, joins, lists, presence, search, triage
from inbox.errors import Conflict
from inbox.models import (
    Attachment,
    Conversation,
    ConversationTag,
    Draft,
    DraftFile,
    Event,
    FolderCount,
    Message,
    Note,
    Outgoing,
    Pause,
    ReadMark,
    ThreadKey,
)
from tests.inbox.cast import DAY, MINUTE, NOW, a_conversation, a_mailbox, a_message, a_person, a_user, a_viewer

ROWS = (Conversation, Pause, Message, Attachment, Note, Event, Outgoing, Draft, DraftFile, ConversationTag, ThreadKey)
OWN_MARKS = {Conversation: ("version",)}  # only grows: an answer that saw the joined one must not leave

MESSAGES = st.lists(
    st.tuples(st.sampled_from(["in", "out"]), st.booleans(), st.text(alphabet="返品希望 a", min_size=1, max_size=8)),
    max_size=4,
)
STORY = st.fixed_dictionaries(
    {
        "mailbox": st.integers(0, 1),
        "minutes": st.integers(0, 5_000),
        "status": st.sampled_from(["open", "waiting", "snoozed", "closed", "spam"]),
        "owner": st.integers(0, 2),
        "messages": MESSAGES,
        "notes": st.lists(st.text(alphabet="メモ x", min_size=1, max_size=5).filter(str.strip), max_size=2),
        "tags": st.sets(st.sampled_from(["返品", "急ぎ", "VIP"])),
        "waits": st.booleans(),
        "opened": st.booleans(),
        "trouble": st.sampled_from(["", "failed"]),
        "people": st.sampled_from(["", "山田 太郎", "山田 太郎, Kim"]),
        "draft": st.sampled_from(["", "reply", "reply_all"]),
        "read_by": st.booleans(),
    }
)


def everything(session: Session) -> dict[str, list[tuple[Any, ...]]]:
    """All rows that a join may touch, column by column, but the lines that tell of joining and parting."""
    session.flush()
    session.expire_all()
    found: dict[str, list[tuple[Any, ...]]] = {}
    for model in ROWS:
        columns = [column for column in model.__table__.c if column.name not in OWN_MARKS.get(model, ())]
        wanted = select(*columns).order_by(*model.__table__.primary_key.columns)
        if model is Event:
            wanted = wanted.where(Event.kind.not_in(("joined", "unjoined")))
        found[model.__tablename__] = [tuple(row) for row in session.execute(wanted)]
    counts = session.scalars(select(FolderCount).where(FolderCount.count != 0))
    found["counts"] = sorted((one.mailbox_id, one.status, one.owner_id, one.count) for one in counts)
    unread = (
        select(Conversation.id, ReadMark.user_id)
        .join(ReadMark, ReadMark.conversation_id == Conversation.id)
        .where(ReadMark.version >= Conversation.version)
    )
    found["read"] = sorted(tuple(row) for row in session.execute(unread))
    return found


class World:
    """Two mailboxes, two owners, and the conversations of an example."""

    def __init__(self, session: Session, stories: list[dict[str, Any]]) -> None:
        self.session = session
        self.mailboxes = a_mailbox(session, "Support"), a_mailbox(session, "Sales")
        self.aoi = a_viewer(session, "Aoi", *self.mailboxes)
        self.owners = a_user(session, "Ben", *self.mailboxes), a_user(session, "Mei", *self.mailboxes)
        self.taro = a_person(session)
        self.ids = [self._made(number, story).id for number, story in enumerate(stories)]

    def _made(self, number: int, story: dict[str, Any]) -> Conversation:
        session, at = self.session, NOW - MINUTE * story["minutes"]
        owner = self.owners[story["owner"] - 1] if story["owner"] else None
        made = a_conversation(
            session, self.mailboxes[story["mailbox"]], f"件 {number}", person=self.taro, at=at, owner=owner
        )
        for n, (direction, file, text) in enumerate(story["messages"]):
            files = (("a.txt", "text/plain", b"x"),) if file else ()
            message = a_message(session, made, text, at=at + n * MINUTE, direction=direction, files=files)
            search.index(session, message)
            if direction == "out":
                session.add(
                    Outgoing(
                        kind="reply", dedupe_key=f"k{message.id}", mailbox_id=made.mailbox_id, conversation_id=made.id,
                        message_id=message.id, due_at=NOW, created_at=NOW, raw_sha256=message.raw_sha256,
                    )
                )  # fmt: skip
        for text in story["notes"]:
            triage.note(session, self.aoi, made.id, text, now=at)
        for name in sorted(story["tags"]):
            conversations.tag(session, made, name, now=at, actor_id=self.aoi.id)
        if story["draft"]:
            draft = drafts.start(session, self.aoi, story["draft"], conversation_id=made.id, now=at)
            drafts.save(session, self.aoi, draft.id, rev=draft.rev, fields={"text": f"書きかけ {number}"}, now=at)
            drafts.add_file(session, self.aoi, draft.id, name="b.txt", content_type="text/plain", data=b"b", now=at)
        made.waiting_since = at if story["waits"] else None
        made.opened_at = at + MINUTE if story["opened"] else None
        made.trouble, made.people = story["trouble"], story["people"]
        conversations.set_status(session, made, story["status"], now=NOW, actor_id=None, until=NOW + DAY)
        if story["read_by"]:
            conversations.look(session, made, self.aoi.id, now=NOW)
        session.flush()
        return made

    def found(self, words: str) -> set[int]:
        return {row.id for row in search.search(self.session, self.aoi, words, now=NOW).rows}


@settings(
    max_examples=60, deadline=None, phases=[Phase.generate], suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(STORY, min_size=2, max_size=5), st.data())
def test_join_and_part_in_any_order_gives_back_every_row(
    engine: Engine, stories: list[dict[str, Any]], data: st.DataObject
) -> None:
    with Session(engine, expire_on_commit=False) as session:
        world = World(session, stories)
        before = everything(session)
        texts = {text for story in stories for _direction, _file, text in story["messages"] if text.strip()}
        found = {text: world.found(text) for text in texts}
        free = list(world.ids)
        for _ in range(data.draw(st.integers(1, len(stories) - 1))):
            chosen = (
                data.draw(st.lists(st.sampled_from(free), min_size=2, max_size=3, unique=True)) if len(free) > 1 else []
            )
            if chosen:
                joins.join_all(session, world.aoi, chosen, now=NOW)
                free = [one for one in free if one not in chosen or one == min(chosen)]
        joined = everything(session)
        assert len(joined["message"]) == len(before["message"])
        assert sum(row[2] for row in _counts(session)) == len(before["message"])
        while standing := _standing(session):
            session.flush()
            part = data.draw(st.sampled_from(standing))
            try:
                joins.undo(session, world.aoi, part, now=NOW + MINUTE)
            except Conflict:  # what it was joined into was joined itself: that comes first
                continue
        assert everything(session) == before
        assert {text: world.found(text) for text in texts} == found
        session.rollback()


def _standing(session: Session) -> list[int]:
    return [
        one
        for conversation_id in session.scalars(select(Conversation.id).where(Conversation.status != "joined"))
        for one in joins.made_into(session, conversation_id)
    ]


def _counts(session: Session) -> list[tuple[int, str, int]]:
    return [
        tuple(row) for row in session.execute(select(Conversation.id, Conversation.status, Conversation.message_count))
    ]


def test_read_stays_read_and_a_colleagues_unread_mail_unread(session: Session) -> None:
    support = a_mailbox(session)
    aoi, ben = a_viewer(session, "Aoi", support), a_viewer(session, "Ben", support)
    one, other = a_conversation(session, support), a_conversation(session, support)
    for conversation in (one, other):
        a_message(session, conversation, str(conversation.id))
        presence.look(session, aoi, conversation.id, now=NOW)
    presence.look(session, ben, one.id, now=NOW)
    joins.join(session, aoi, one.id, other.id, now=NOW)

    def unread(who: Any) -> list[bool]:
        return [row.unread for row in lists.rows_of(session, who, [one.id, other.id], now=NOW)]

    assert (unread(aoi), unread(ben)) == ([False], [True])
    joins.undo(session, aoi, joins.made_into(session, one.id)[0], now=NOW)
    assert (unread(aoi), unread(ben)) == ([False, False], [False, True])


def test_a_mail_that_came_after_the_join_waits_although_the_customer_of_before_did_not(session: Session) -> None:
    support = a_mailbox(session)
    aoi = a_viewer(session, "Aoi", support)
    kept = a_conversation(session, support, at=NOW - DAY, status="closed")
    other = a_conversation(session, support, at=NOW - timedelta(hours=2))
    a_message(session, kept, "済み", at=NOW - DAY)
    conversations.answered(session, kept, status="closed", at=NOW - DAY)
    a_message(session, other, "別件", at=NOW - timedelta(hours=2))
    joins.join(session, aoi, kept.id, other.id, now=NOW)
    assert kept.status == "open"
    later = a_message(session, kept, "まだです", at=NOW + MINUTE)
    joins.undo(session, aoi, joins.made_into(session, kept.id)[0], now=NOW + 2 * MINUTE)
    assert (kept.status, kept.waiting_since, kept.message_count) == ("open", later.at, 2)
    assert (other.status, other.message_count) == ("open", 1)
    assert session.get_one(Message, later.id).conversation_id == kept.id


def test_a_draft_sent_after_the_join_stays_with_its_mail(session: Session) -> None:
    support = a_mailbox(session)
    aoi = a_viewer(session, "Aoi", support)
    kept, other = a_conversation(session, support), a_conversation(session, support)
    for conversation in (kept, other):
        a_message(session, conversation, str(conversation.id))
    written = drafts.start(session, aoi, "reply", conversation_id=other.id, now=NOW)
    joins.join(session, aoi, kept.id, other.id, now=NOW)
    reply = a_message(session, kept, "返事", direction="out", at=NOW + MINUTE)
    session.add(
        Outgoing(
            kind="reply", dedupe_key="k", mailbox_id=support.id, conversation_id=kept.id, message_id=reply.id,
            draft_id=written.id, due_at=NOW, created_at=NOW, raw_sha256=reply.raw_sha256,
        )
    )  # fmt: skip
    session.flush()
    joins.undo(session, aoi, joins.made_into(session, kept.id)[0], now=NOW + 2 * MINUTE)
    assert session.get_one(Draft, written.id).conversation_id == kept.id


@pytest.mark.parametrize("sees_both", [True, False])
def test_only_who_sees_both_mailboxes_may_part_what_was_joined_across_them(session: Session, sees_both: bool) -> None:
    support, sales = a_mailbox(session, "Support"), a_mailbox(session, "Sales")
    aoi = a_viewer(session, "Aoi", support, sales)
    ben = a_viewer(session, "Ben", *((support, sales) if sees_both else (support,)))
    one, other = a_conversation(session, support), a_conversation(session, sales)
    assert joins.plan(session, aoi, [one.id, other.id]).different_mailboxes
    joins.join(session, aoi, one.id, other.id, now=NOW)
    parting = joins.made_into(session, one.id)[0]
    if sees_both:
        assert joins.undo(session, ben, parting, now=NOW).other_id == other.id
    else:
        with pytest.raises(joins.NotFound):
            joins.undo(session, ben, parting, now=NOW)
