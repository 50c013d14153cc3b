"""Joins: one matter becomes one conversation, and parting gives back exactly what was there."""

from __future__ import annotations

import random
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from inbox import conversation_page, conversations, drafts, joins, lists, people, presence, search
from inbox.errors import Conflict, NotFound, UserError
from inbox.models import Conversation, Event, FolderCount, JoinSuggestion, Message, Outgoing, ThreadKey, User
from tests.inbox.cast import MINUTE, NOW, a_conversation, a_mailbox, a_message, a_person, a_user, a_viewer

KEPT = [column.name for column in Conversation.__table__.c if column.name not in ("version",)]


@pytest.fixture
def support(session: Session):
    return a_mailbox(session)


@pytest.fixture
def aoi(session: Session, support):
    return a_viewer(session, "Aoi", support)


def state(session: Session) -> dict[str, Any]:
    """Everything that a join may touch, but the history lines of joining and parting."""
    session.flush()
    session.expire_all()
    return {
        "conversations": [
            [getattr(c, name) for name in KEPT] for c in session.scalars(select(Conversation).order_by(Conversation.id))
        ],
        "messages": session.execute(select(Message.id, Message.conversation_id).order_by(Message.id)).all(),
        "events": session.execute(
            select(Event.id, Event.conversation_id).where(Event.kind.not_in(("joined", "unjoined"))).order_by(Event.id)
        ).all(),
        "keys": session.execute(select(ThreadKey.key, ThreadKey.conversation_id).order_by(ThreadKey.key)).all(),
        "outgoing": session.execute(select(Outgoing.id, Outgoing.conversation_id).order_by(Outgoing.id)).all(),
        "drafts": [(d.id, d.conversation_id) for d in session.scalars(select(drafts.Draft).order_by(drafts.Draft.id))],
        "tags": [
            (c.id, [t.name for t in c.tags]) for c in session.scalars(select(Conversation).order_by(Conversation.id))
        ],
        "counts": sorted(
            (row.mailbox_id, row.status, row.owner_id, row.count)
            for row in session.scalars(select(FolderCount))
            if row.count
        ),
    }


def counted_anew(session: Session) -> list[tuple[Any, ...]]:
    session.flush()
    kept = sorted(
        (r.mailbox_id, r.status, r.owner_id, r.count) for r in session.scalars(select(FolderCount)) if r.count
    )
    conversations.recount(session)
    session.expire_all()
    anew = sorted(
        (r.mailbox_id, r.status, r.owner_id, r.count) for r in session.scalars(select(FolderCount)) if r.count
    )
    assert kept == anew
    return anew


def a_random_conversation(session: Session, support, users, chance: random.Random) -> Conversation:
    at = NOW - MINUTE * chance.randrange(5_000)
    status = chance.choice(["open", "waiting", "snoozed", "closed", "spam"])
    made = a_conversation(session, support, f"件 {chance.random()}", at=at, owner=chance.choice([None, *users]))
    for n in range(chance.randrange(4)):
        files = (("a.txt", "text/plain", b"x"),) * chance.randrange(2)
        message = a_message(
            session,
            made,
            f"{n} {chance.random()}",
            at=at + MINUTE * n,
            direction=chance.choice(["in", "out"]),
            files=files,
        )
        if message.direction == "out":
            session.add(
                Outgoing(
                    kind="reply", dedupe_key=f"k{message.id}", mailbox_id=support.id, conversation_id=made.id,
                    message_id=message.id, due_at=NOW, created_at=NOW, raw_sha256=message.raw_sha256,
                )
            )  # fmt: skip
    if chance.random() < 0.5:
        conversations.note(session, made, chance.choice(users), text="メモ", now=NOW)
    for name in chance.sample(["返品", "急ぎ", "VIP"], chance.randrange(3)):
        conversations.tag(session, made, name, now=NOW, actor_id=users[0].id)
    made.waiting_since = chance.choice([None, at])
    made.opened_at = chance.choice([None, at + MINUTE])
    made.trouble = chance.choice(["", "failed"])
    made.people = chance.choice(["", "山田 太郎", "山田 太郎, Kim"])
    conversations.set_status(session, made, status, now=NOW, actor_id=None, until=NOW + timedelta(days=1))
    session.flush()
    return made


@pytest.mark.parametrize("seed", range(12))
def test_parting_restores_everything_exactly(session: Session, support, seed: int) -> None:
    chance = random.Random(seed)
    users = [a_user(session, "Ben", support), a_user(session, "Mei", support)]
    aoi = a_viewer(session, "Aoi", support)
    one, other = (a_random_conversation(session, support, users, chance) for _ in range(2))
    drafts.start(session, aoi, "reply", conversation_id=chance.choice([one.id, other.id]), now=NOW)
    before = state(session)
    joined = joins.join(session, aoi, *chance.sample([one.id, other.id], 2), now=NOW)
    assert joined == min(one.id, other.id)
    assert state(session) != before
    assert one.message_count + other.message_count == len(before["messages"])
    counted_anew(session)
    suggestion = session.scalars(select(JoinSuggestion)).one()
    parted = joins.undo(session, aoi, suggestion.id, now=NOW)
    assert {parted.conversation_id, parted.other_id} == {one.id, other.id}
    assert state(session) == before
    counted_anew(session)


def test_the_joined_conversation_holds_all_and_the_emptied_one_stands_nowhere(session: Session, support, aoi) -> None:
    taro = a_person(session)
    old = a_conversation(session, support, "一", person=taro, at=NOW - MINUTE * 9)
    new = a_conversation(session, support, "二", person=taro, at=NOW, status="open")
    conversations.place(session, old, status="closed", now=NOW)
    first, second = a_message(session, old, "最初", at=NOW - MINUTE * 9), a_message(session, new, "続きの鯖缶", at=NOW)
    conversations.place(session, old, status="closed", now=NOW)
    search.index(session, second)
    versions = (old.version, new.version)
    assert joins.offer(session, new.id, old.id, reason="same_person", now=NOW)
    assert not joins.offer(session, old.id, new.id, reason="same_person", now=NOW)
    joins.join(session, aoi, new.id, old.id, now=NOW)
    assert (old.status, old.message_count, old.activity_at, old.snippet) == ("open", 2, NOW, "続きの鯖缶")
    assert old.version > max(versions)
    view = conversation_page.show(session, aoi, old.id, now=NOW)
    assert [m.id for m in view.messages] == [first.id, second.id]
    assert [(s.state, s.other_id) for s in view.suggestions] == [("joined", new.id)]
    assert conversation_page.show(session, aoi, new.id, now=NOW).joined_into_id == old.id
    assert joins.gone_on(session, new.id) == old.id
    for box in lists.BOXES:
        assert new.id not in [row.id for row in lists.page(session, aoi, box, now=NOW).rows]
    assert lists.rows_of(session, aoi, [new.id], now=NOW) == ()
    assert [row.id for row in search.search(session, aoi, "鯖缶", now=NOW).rows] == [old.id]
    with pytest.raises(NotFound):
        people.conversation(session, aoi, new.id)
    with pytest.raises(NotFound):
        joins.join(session, aoi, new.id, old.id, now=NOW)
    assert conversation_page.show(session, aoi, old.id, now=NOW).person.conversations == 1


def test_an_answer_that_saw_only_one_of_them_cannot_leave(session: Session, support, aoi) -> None:
    old, new = a_conversation(session, support), a_conversation(session, support)
    for _ in range(3):
        a_message(session, new, str(_))
    seen = {old.version, new.version}
    joins.join(session, aoi, old.id, new.id, now=NOW)
    assert not any(conversations.raise_version(session, i, version) for i in (old.id, new.id) for version in seen)
    suggestion = session.scalars(select(JoinSuggestion)).one()
    joined = old.version
    joins.undo(session, aoi, suggestion.id, now=NOW)
    assert not any(
        conversations.raise_version(session, i, version) for i in (old.id, new.id) for version in (*seen, joined)
    )


def test_mail_and_work_that_came_after_the_join_stay_when_it_is_undone(session: Session, support, aoi) -> None:
    old = a_conversation(session, support, at=NOW - MINUTE * 9)
    new = a_conversation(session, support, at=NOW - MINUTE)
    a_message(session, old, "最初", at=NOW - MINUTE * 9)
    moved = a_message(session, new, "二通目", at=NOW - MINUTE)
    joins.join(session, aoi, old.id, new.id, now=NOW)
    later = a_message(session, old, "三通目", at=NOW + MINUTE)
    conversations.assign(session, old, aoi.id, now=NOW, actor_id=aoi.id)
    presence.claim(session, aoi, old.id, now=NOW)
    joins.undo(session, aoi, session.scalars(select(JoinSuggestion)).one().id, now=NOW)
    assert (session.get_one(Message, moved.id).conversation_id, session.get_one(Message, later.id).conversation_id) == (
        new.id,
        old.id,
    )
    assert (old.message_count, new.message_count, old.snippet, old.owner_id, new.owner_id) == (
        2,
        1,
        "三通目",
        aoi.id,
        None,
    )
    counted_anew(session)


def test_what_cannot_be_joined_or_parted_is_refused(session: Session, support, aoi) -> None:
    secret = a_mailbox(session, "Secret")
    a, b, c = (a_conversation(session, support) for _ in range(3))
    hidden = a_conversation(session, secret)
    a_viewer(session, "Rin", role="admin")
    with pytest.raises(UserError):
        joins.join(session, aoi, a.id, a.id, now=NOW)
    with pytest.raises(NotFound):
        joins.join(session, aoi, a.id, hidden.id, now=NOW)
    joins.join(session, aoi, b.id, c.id, now=NOW)
    first = session.scalars(select(JoinSuggestion)).one()
    joins.join(session, aoi, a.id, b.id, now=NOW)
    with pytest.raises(Conflict):
        joins.undo(session, aoi, first.id, now=NOW)
    assert joins.gone_on(session, c.id) == a.id
    with pytest.raises(NotFound):
        joins.undo(session, a_viewer(session, "Cho"), first.id, now=NOW)
    with pytest.raises(NotFound):
        joins.undo(session, aoi, 999, now=NOW)
    second = session.scalars(select(JoinSuggestion).where(JoinSuggestion.id != first.id)).one()
    joins.undo(session, aoi, second.id, now=NOW)
    joins.undo(session, aoi, first.id, now=NOW)
    with pytest.raises(Conflict):
        joins.undo(session, aoi, first.id, now=NOW)
    assert {x.status for x in (a, b, c)} == {"open"}
    joins.join(session, aoi, b.id, c.id, now=NOW)
    assert session.get_one(JoinSuggestion, first.id).state == "joined"


def test_a_refused_suggestion_is_not_shown_again(session: Session, support, aoi) -> None:
    a, b = a_conversation(session, support), a_conversation(session, support)
    joins.offer(session, b.id, a.id, reason="same_subject", now=NOW)
    (shown,) = conversation_page.show(session, aoi, a.id, now=NOW).suggestions
    joins.refuse(session, aoi, shown.id, now=NOW)
    assert conversation_page.show(session, aoi, a.id, now=NOW).suggestions == ()
    assert not joins.offer(session, b.id, a.id, reason="same_subject", now=NOW)
    with pytest.raises(NotFound):
        joins.refuse(session, aoi, 999, now=NOW)


def test_a_large_conversation_moves_in_parts(session: Session, engine: Engine, support, aoi, monkeypatch) -> None:
    monkeypatch.setattr(joins, "AT_ONCE", 3)
    a, b = a_conversation(session, support), a_conversation(session, support)
    for n in range(10):
        a_message(session, b, str(n))
    joins.join(session, aoi, a.id, b.id, now=NOW)
    assert (a.message_count, b.message_count) == (10, 0)
    assert session.scalars(select(Message.conversation_id).distinct()).all() == [a.id]
    assert session.get_one(User, aoi.id)


def test_mail_that_names_the_emptied_conversation_is_filed_where_it_went_on(session: Session, support, aoi) -> None:
    from inbox.intake import knowing

    a, b, c = (a_conversation(session, support) for _ in range(3))
    a_message(session, c)
    joins.join(session, aoi, b.id, c.id, now=NOW)
    joins.join(session, aoi, a.id, b.id, now=NOW)
    found = knowing._locked(session, {c.id, b.id})
    assert {i: one.id for i, one in found.items()} == {a.id: a.id, b.id: a.id, c.id: a.id}
