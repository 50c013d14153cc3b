"""Triage and presence: verbs on one and on many, claims that lapse, who looks."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import Engine, select, text
from sqlalchemy.orm import Session

from inbox import conversations, db, lists, presence, triage
from inbox.errors import NotFound, UserError
from inbox.models import Claim, Conversation, Event, FolderCount, Presence, Tag
from tests.inbox.cast import DAY, MINUTE, NOW, a_conversation, a_mailbox, a_message, a_viewer
from tests.servers import wait_until


@pytest.fixture
def support(session: Session):
    return a_mailbox(session)


@pytest.fixture
def aoi(session: Session, support):
    return a_viewer(session, "Aoi", support)


@pytest.fixture
def ben(session: Session, support):
    return a_viewer(session, "Ben", support)


def kinds(session: Session, conversation) -> list[str]:
    return list(session.scalars(select(Event.kind).where(Event.conversation_id == conversation.id).order_by(Event.id)))


def test_what_was_opened_again_is_closed_since_when_it_was(session: Session, support, aoi) -> None:
    made = a_conversation(session, support)
    triage.close_needless(session, aoi, made.id, reason="Thanks only", now=NOW)
    triage.reopen(session, aoi, made.id, now=NOW + DAY)
    assert (made.closed_at, made.needless) == (None, "")
    triage.close_as_before(session, aoi, made.id, now=NOW + DAY + MINUTE)
    assert (made.status, made.closed_at, made.needless) == ("closed", NOW, "Thanks only")
    triage.wait(session, aoi, made.id, now=NOW + 2 * DAY)
    triage.reopen(session, aoi, made.id, now=NOW + 2 * DAY)
    triage.close_as_before(session, aoi, made.id, now=NOW + 3 * DAY)  # something else was done meanwhile
    assert (made.closed_at, made.needless) == (NOW + 3 * DAY, "")


def test_what_needed_no_answer_waits_as_before_when_it_is_opened_again(session: Session, support, aoi) -> None:
    made = a_conversation(session, support)
    a_message(session, made)
    since = made.waiting_since
    assert since is not None
    triage.close_needless(session, aoi, made.id, reason="Thanks only", now=NOW + DAY)
    assert made.waiting_since is None
    for n in range(2):
        triage.reopen(session, aoi, made.id, now=NOW + (2 + n) * DAY)
        assert made.waiting_since == since
        triage.close_as_before(session, aoi, made.id, now=NOW + (2 + n) * DAY + MINUTE)
        assert (made.waiting_since, made.needless) == (None, "Thanks only")
    a_message(session, made, "And another thing", at=NOW + 5 * DAY)
    assert (made.status, made.waiting_since) == ("open", NOW + 5 * DAY)


def test_each_verb_does_its_work_and_is_written_down(session: Session, support, aoi, ben) -> None:
    made = a_conversation(session, support)
    triage.assign(session, aoi, made.id, ben.id, now=NOW)
    triage.close(session, aoi, made.id, now=NOW)
    triage.reopen(session, aoi, made.id, now=NOW)
    triage.wait(session, aoi, made.id, now=NOW)
    triage.snooze(session, aoi, made.id, until=NOW + DAY, now=NOW)
    triage.spam(session, aoi, made.id, now=NOW)
    triage.not_spam(session, aoi, made.id, now=NOW)
    triage.not_spam(session, aoi, made.id, now=NOW)
    tag_id = triage.tag(session, aoi, made.id, " 返品 ", now=NOW)
    triage.tag(session, aoi, made.id, "返品", now=NOW)
    triage.untag(session, aoi, made.id, tag_id, now=NOW)
    triage.note(session, aoi, made.id, "メモ\0", now=NOW)
    assert kinds(session, made) == ["assigned", *["status"] * 6, "tagged", "untagged", "noted"]
    assert (made.status, made.owner_id) == ("open", ben.id)
    assert lists.counts(session, ben)["mine"] == 1
    assert all(row.count >= 0 for row in session.scalars(select(FolderCount)))


def test_wrong_values_are_refused(session: Session, support, aoi) -> None:
    made = a_conversation(session, support)
    stranger = a_viewer(session, "Cho")
    for act in (
        lambda: triage.assign(session, aoi, made.id, stranger.id, now=NOW),
        lambda: triage.assign(session, aoi, made.id, 999, now=NOW),
        lambda: triage.snooze(session, aoi, made.id, until=NOW, now=NOW),
        lambda: triage.note(session, aoi, made.id, "  \n", now=NOW),
        lambda: triage.note(session, aoi, made.id, "x" * 60_000, now=NOW),
        lambda: triage.tag(session, aoi, made.id, "  ", now=NOW),
        lambda: triage.many(session, aoi, list(range(600)), "close", now=NOW),
    ):
        with pytest.raises(UserError):
            act()
    with pytest.raises(NotFound):
        triage.untag(session, aoi, made.id, 999, now=NOW)


def test_nobody_acts_where_nobody_may_look(session: Session, aoi) -> None:
    hidden = a_conversation(session, a_mailbox(session, "Secret"))
    arguments = {
        "assign": {"owner_id": None},
        "snooze": {"until": NOW + DAY},
        "tag": {"name": "x"},
        "untag": {"tag_id": 1},
        "note": {"text": "x"},
        "needless": {"reason": "x"},
        "categorise": {"category_id": None},
    }
    for name, action in triage.ACTIONS.items():
        with pytest.raises(NotFound):
            action(session, aoi, hidden.id, now=NOW, **arguments.get(name, {}))
        assert triage.many(session, aoi, [hidden.id], name, now=NOW, **arguments.get(name, {})) == 0
    for act in (presence.look, presence.claim, presence.take_over):
        with pytest.raises(NotFound):
            act(session, aoi, hidden.id, now=NOW)
    with pytest.raises(NotFound):
        triage.many(session, aoi, [], "delete", now=NOW)


def test_many_at_once(session: Session, support, aoi, ben) -> None:
    every = [a_conversation(session, support) for _ in range(5)]
    ids = [c.id for c in every]
    assert triage.many(session, aoi, [*ids, ids[0], 999], "assign", owner_id=ben.id, now=NOW) == 5
    assert triage.many(session, aoi, ids, "snooze", until=NOW + DAY, now=NOW) == 5
    assert triage.many(session, aoi, ids[:2], "tag", name="山", now=NOW) == 2
    assert {c.status for c in every} == {"snoozed"}
    assert lists.counts(session, aoi)["snoozed"] == 5


@pytest.mark.only_on("postgres")
def test_many_at_once_never_block_mail_that_comes_in(engine: Engine) -> None:
    """Who files a mail holds its conversation and counts last; so does whoever acts on many."""
    with db.transaction() as session:
        mailbox = a_mailbox(session)
        who = a_viewer(session, "Aoi", mailbox)
        ids = [a_conversation(session, mailbox).id for _ in range(2)]

    def close_all() -> None:
        with db.transaction() as session:
            triage.many(session, who, ids, "close", now=NOW)

    waiting = text("SELECT count(*) FROM pg_locks WHERE NOT granted")
    with ThreadPoolExecutor(1) as aside:
        with db.transaction() as session, engine.connect() as watching:
            second = session.get_one(Conversation, ids[1], with_for_update=True)
            closing = aside.submit(close_all)
            wait_until(lambda: watching.scalar(waiting), what="it waits")
            conversations.place(session, second, status="waiting", now=NOW)
        closing.result(20)
    with db.reading() as session:
        assert lists.counts(session, who)["closed"] == 2


def test_reading_and_unreading_is_each_persons_own(session: Session, support, aoi, ben) -> None:
    made = a_conversation(session, support)
    a_message(session, made)

    def unread() -> list[bool]:
        return [lists.rows_of(session, who, [made.id], now=NOW)[0].unread for who in (aoi, ben)]

    presence.look(session, aoi, made.id, now=NOW)
    assert unread() == [False, True]
    triage.mark_unread(session, aoi, made.id, now=NOW)
    assert unread() == [True, True]
    triage.mark_read(session, ben, made.id, now=NOW)
    assert unread() == [True, False]


def test_looking_is_told_once_and_lapses(session: Session, support, aoi, ben) -> None:
    made = a_conversation(session, support)
    session.info.clear()
    presence.look(session, aoi, made.id, now=NOW)
    assert session.info.pop("screens") == [{"presence": made.id}]
    presence.look(session, aoi, made.id, now=NOW + MINUTE / 2)
    assert "screens" not in session.info
    assert lists.rows_of(session, ben, [made.id], now=NOW + MINUTE)[0].looking == ("Aoi",)
    assert lists.rows_of(session, ben, [made.id], now=NOW + 2 * MINUTE)[0].looking == ()
    presence.look(session, ben, made.id, now=NOW)
    presence.leave(session, ben, made.id)
    assert session.scalars(select(Presence.user_id)).all() == [aoi.id]
    assert presence.forget_lapsed(session, now=NOW + DAY) == 1


def test_a_claim_is_one_persons_until_it_lapses_or_is_given_up(session: Session, support, aoi, ben) -> None:
    made = a_conversation(session, support)
    assert presence.claim(session, aoi, made.id, now=NOW).ok
    refused = presence.claim(session, ben, made.id, now=NOW + MINUTE)
    assert (refused.ok, refused.holder, refused.since) == (False, "Aoi", NOW)
    again = presence.claim(session, aoi, made.id, now=NOW + MINUTE)
    assert (again.ok, again.since, again.until) == (True, NOW, NOW + MINUTE + presence.WRITES)
    assert not presence.claim(session, ben, made.id, now=NOW + 2 * MINUTE).ok
    assert presence.claim(session, ben, made.id, now=NOW + 3 * MINUTE).ok
    presence.release(session, aoi, made.id)
    assert session.scalars(select(Claim.user_id)).all() == [ben.id]
    presence.release(session, ben, made.id)
    assert presence.claim(session, aoi, made.id, now=NOW + 3 * MINUTE).ok


def test_taking_over_is_written_down(session: Session, support, aoi, ben) -> None:
    made = a_conversation(session, support)
    presence.claim(session, aoi, made.id, now=NOW)
    with pytest.raises(UserError) as refused:
        presence.take_over(session, ben, made.id, reason=" ", now=NOW)
    assert refused.value.field == "reason"
    taken = presence.take_over(session, ben, made.id, reason="Aoi is at lunch", now=NOW)
    assert (taken.ok, taken.holder) == (True, "Ben")
    event = session.scalars(select(Event).where(Event.conversation_id == made.id)).one()
    assert (event.kind, event.about) == ("taken_over", {"before": aoi.id, "reason": "Aoi is at lunch"})
    assert not presence.claim(session, aoi, made.id, now=NOW).ok
    from inbox.errors import Conflict

    with pytest.raises(Conflict):
        presence.must_not_be_claimed(session, aoi, made.id, now=NOW)
    presence.must_not_be_claimed(session, ben, made.id, now=NOW)


def test_two_people_may_add_the_same_new_tag_at_once(engine: Engine) -> None:
    with db.transaction() as session:
        mailbox = a_mailbox(session)
        ids = [a_conversation(session, mailbox).id for _ in range(2)]
        people = [a_viewer(session, name, mailbox) for name in ("Aoi", "Ben")]
    barrier, made = threading.Barrier(2, timeout=30), [list[int](), list[int]()]

    def add(side: int) -> None:
        for n in range(40):
            barrier.wait()
            with db.transaction() as session:
                made[side].append(triage.tag(session, people[side], ids[side], f"新しい {n}", now=NOW))

    threads = [threading.Thread(target=add, args=(side,)) for side in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert made[0] == made[1]
    assert len(set(made[0])) == 40
    with db.reading() as session:
        assert session.scalars(select(Tag.colour).distinct()).all() == ["#6b7280"]
