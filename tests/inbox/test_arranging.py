"""Splitting, moving, linking, third parties, and one mail that came to two of our addresses."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from inbox import (
    conversation_page,
    conversations,
    db,
    deadlines,
    drafts,
    joins,
    links,
    moves,
    people,
    replies,
    search,
    splits,
)
from inbox.errors import Conflict, NotFound, UserError
from inbox.models import Conversation, Draft, Event, JoinSuggestion, Mailbox, Message, Note, ThreadKey, User
from tests.inbox.cast import (
    CUSTOMER,
    MINUTE,
    NOW,
    a_conversation,
    a_mailbox,
    a_message,
    a_person,
    a_user,
    a_viewer,
    all_ticked,
)
from tests.inbox.intake.story import Story, a_mail

SUPPLIER = ("佐藤商会", "sato@supplier.example")


def sees(name: str, *stories: Story, role: str = "agent") -> people.Viewer:
    with db.transaction() as session:
        return a_viewer(session, name, *(session.get_one(Mailbox, one.mailbox_id) for one in stories), role=role)


# -- splitting


def test_a_second_matter_becomes_a_conversation_of_its_own_and_joining_takes_it_back(session: Session) -> None:
    support, taro = a_mailbox(session), a_person(session)
    aoi = a_viewer(session, "Aoi", support)
    old = a_conversation(session, support, person=taro, owner=aoi, at=NOW)
    first = a_message(session, old, "一件目", at=NOW)
    answer = a_message(session, old, "はい", at=NOW + MINUTE, direction="out")
    conversations.answered(session, old, status="open", at=NOW)
    second = a_message(session, old, "二件目", at=NOW + 2 * MINUTE, files=(("a.txt", "text/plain", b"x"),))
    old.waiting_since = second.at
    conversations.tag(session, old, "返品", now=NOW, actor_id=aoi.id)
    note = conversations.note(session, old, session.get_one(User, aoi.id), text="別件", now=NOW + 3 * MINUTE)
    written = drafts.start(session, aoi, "reply", conversation_id=old.id, message_id=second.id, now=NOW)
    new_id = splits.split(session, aoi, old.id, second.id, now=NOW + 4 * MINUTE)
    new = session.get_one(Conversation, new_id)
    session.refresh(old)
    assert [one.id for one in session.scalars(select(Message).where(Message.conversation_id == old.id))] == [
        first.id,
        answer.id,
    ]
    assert (old.message_count, old.attachment_count, old.waiting_since, old.snippet) == (2, 0, None, answer.snippet)
    assert (new.message_count, new.attachment_count, new.waiting_since, new.snippet) == (1, 1, second.at, "二件目")
    assert (new.owner_id, new.status, [tag.name for tag in new.tags]) == (aoi.id, "open", ["返品"])
    assert session.get_one(Note, note.id).conversation_id == new_id
    assert session.get_one(Draft, written.id).conversation_id == new_id
    assert session.scalar(select(ThreadKey.conversation_id).where(ThreadKey.key == second.key)) == new_id
    assert joins.join(session, aoi, old.id, new_id, now=NOW) == old.id
    assert (old.message_count, old.attachment_count, old.waiting_since) == (3, 1, second.at)


def test_what_cannot_be_split_is_refused(session: Session) -> None:
    support = a_mailbox(session)
    aoi = a_viewer(session, "Aoi", support)
    old, other = a_conversation(session, support), a_conversation(session, support)
    first, strange = a_message(session, old), a_message(session, other)
    with pytest.raises(UserError, match="first one stays"):
        splits.split(session, aoi, old.id, first.id, now=NOW)
    with pytest.raises(NotFound):
        splits.split(session, aoi, old.id, strange.id, now=NOW)
    with pytest.raises(NotFound):
        splits.split(session, a_viewer(session, "Ben"), old.id, first.id, now=NOW)


def test_answers_to_what_was_split_off_go_there_and_to_what_stayed_stay(engine: Engine) -> None:
    story = Story()
    aoi = sees("Aoi", story)
    begun = story.arrive(a_mail("一件目", mail_id="<one@customer.example>"))
    old_id = story.conversation_of(begun).id
    stays = story.sent(old_id, "一件目の答え")
    second = story.arrive(a_mail("二件目", mail_id="<two@customer.example>", answers="<one@customer.example>"))
    goes = story.sent(old_id, "二件目の答え")
    with db.transaction() as session:
        new_id = splits.split(session, aoi, old_id, second.message_id, now=story.now)
    again = story.arrive(a_mail("二件目の続き", answers=goes.mail_id, references=["<one@customer.example>"]))
    first = story.arrive(a_mail("一件目の続き", answers=stays.mail_id))
    assert story.conversation_of(again).id == new_id
    assert story.conversation_of(first).id == old_id


def test_both_parts_of_a_split_have_their_deadlines_at_once(session: Session) -> None:
    support, taro = a_mailbox(session), a_person(session)
    mei = a_viewer(session, "Mei", support, role="manager")
    body = {"name": "All", "first_answer": 60, "next_answer": 120}
    deadlines.save(session, mei, None, body=body, enabled=True, now=NOW)
    old = a_conversation(session, support, person=taro, at=NOW - MINUTE)
    a_message(session, old, "一件目", at=NOW)
    second = a_message(session, old, "二件目", at=NOW + 10 * MINUTE)
    assert old.due_at == NOW + 60 * MINUTE
    new = session.get_one(Conversation, splits.split(session, mei, old.id, second.id, now=NOW + 11 * MINUTE))
    assert old.due_at == NOW + 60 * MINUTE
    assert new.due_at == NOW + 70 * MINUTE, "nobody answered it yet: it counts from its own first mail"
    assert new.soon_at is not None
    assert new.next_step_at is not None
    joins.join(session, mei, old.id, new.id, now=NOW + 12 * MINUTE)
    assert old.due_at == NOW + 60 * MINUTE


def test_a_pause_before_a_split_counts_for_both_parts(session: Session) -> None:
    support = a_mailbox(session)
    mei = a_viewer(session, "Mei", support, role="manager")
    deadlines.save(session, mei, None, body={"name": "All", "first_answer": 60}, enabled=True, now=NOW)
    old = a_conversation(session, support, at=NOW - MINUTE)
    a_message(session, old, "一件目", at=NOW)
    second = a_message(session, old, "二件目", at=NOW + 10 * MINUTE)
    conversations.set_status(session, old, "waiting", now=NOW + 20 * MINUTE, actor_id=mei.id)
    new = session.get_one(Conversation, splits.split(session, mei, old.id, second.id, now=NOW + 30 * MINUTE))
    assert old.due_at is new.due_at is None
    for part in (old, new):
        conversations.set_status(session, part, "open", now=NOW + 50 * MINUTE, actor_id=mei.id)
    assert old.due_at == NOW + 90 * MINUTE
    assert new.due_at == NOW + 100 * MINUTE


def test_an_automatic_answer_gives_a_part_of_a_conversation_no_other_place(session: Session) -> None:
    """It is nobody's: the customer's mail before it is what a list shows, after a split and after a join is undone."""
    support = a_mailbox(session)
    aoi = a_viewer(session, "Aoi", support)
    answer = {"direction": "out", "kind": "auto_reply"}

    def shown(one: Conversation) -> tuple[object, ...]:
        return one.snippet, one.last_direction, one.activity_at

    old = a_conversation(session, support, at=NOW - MINUTE)
    a_message(session, old, "一件目", at=NOW)
    a_message(session, old, "自動", at=NOW + MINUTE, **answer)
    second = a_message(session, old, "二件目", at=NOW + 2 * MINUTE)
    a_message(session, old, "自動", at=NOW + 3 * MINUTE, **answer)
    new = session.get_one(Conversation, splits.split(session, aoi, old.id, second.id, now=NOW))
    assert shown(old) == ("一件目", "in", NOW)
    assert shown(new) == ("二件目", "in", NOW + 2 * MINUTE)
    joins.join(session, aoi, old.id, new.id, now=NOW + 4 * MINUTE)
    a_message(session, old, "三件目", at=NOW + 5 * MINUTE)
    a_message(session, old, "自動", at=NOW + 6 * MINUTE, **answer)
    (join_id,) = joins.made_into(session, old.id)
    joins.undo(session, aoi, join_id, now=NOW + 7 * MINUTE)
    assert shown(old) == ("三件目", "in", NOW + 5 * MINUTE)


# -- moving


def test_a_moved_conversation_is_found_from_its_old_address_and_known_mail_stays_known(engine: Engine) -> None:
    support, sales = Story("Support"), Story("Sales")
    aoi = sees("Aoi", support, sales)
    raw = a_mail("見積もりをください。鯖缶", mail_id="<one@customer.example>")
    begun = support.arrive(raw)
    moved_id = support.conversation_of(begun).id
    sent = support.sent(moved_id)
    with db.transaction() as session:
        moves.move(session, aoi, moved_id, sales.mailbox_id, now=NOW)
    with db.reading() as session:
        assert session.get_one(Conversation, moved_id).mailbox_id == sales.mailbox_id
        counts = {
            one.mailbox_id: one.count
            for one in session.scalars(select(conversations.FolderCount).where(conversations.FolderCount.count > 0))
        }
        assert counts == {sales.mailbox_id: 1}
    old = support.arrive(a_mail("まだです", answers=sent.mail_id))
    new = sales.arrive(a_mail("こちらにも", answers="<one@customer.example>", to="sales@shop.example"))
    assert support.conversation_of(old).id == moved_id
    assert sales.conversation_of(new).id == moved_id
    assert support.arrive(raw, uidvalidity=2).state == "known"
    ben = sees("Ben", sales)
    with db.reading() as session:
        assert [row.id for row in search.search(session, ben, "鯖缶", now=NOW).rows] == [moved_id]


def test_moving_stops_an_answer_from_the_old_address_and_drafts_leave_from_the_new_one(session: Session) -> None:
    support, sales = a_mailbox(session, "Support", "help@shop.example"), a_mailbox(session, "Sales")
    aoi, ben = a_viewer(session, "Aoi", support, sales), a_viewer(session, "Ben", support)
    one = a_conversation(session, support, owner=ben)
    a_message(session, one)
    draft = drafts.start(session, aoi, "reply", conversation_id=one.id, now=NOW)
    drafts.save(session, aoi, draft.id, rev=draft.rev, fields={"from_address": "help@shop.example"}, now=NOW)
    seen = one.version
    with pytest.raises(NotFound):
        moves.move(session, ben, one.id, sales.id, now=NOW)
    assert moves.move(session, aoi, one.id, sales.id, now=NOW) == support.id
    assert not conversations.raise_version(session, one.id, seen)
    kept = session.get_one(Draft, draft.id)
    assert (kept.mailbox_id, kept.from_address) == (sales.id, "sales@shop.example")
    assert one.owner_id is None, "Ben does not see Sales"
    told = session.scalars(select(Event).where(Event.kind == "moved")).one()
    assert (told.about["from"], told.about["to"], told.about["owner"]) == (support.id, sales.id, ben.id)
    moves.move(session, aoi, one.id, support.id, now=NOW)
    assert session.get_one(Draft, draft.id).mailbox_id == support.id


# -- links


def test_a_link_is_seen_from_both_sides_by_who_may_see_them(session: Session) -> None:
    support, sales = a_mailbox(session, "Support"), a_mailbox(session, "Sales")
    aoi, ben = a_viewer(session, "Aoi", support, sales), a_viewer(session, "Ben", support)
    one, other = a_conversation(session, support, "一"), a_conversation(session, sales, "二")
    links.link(session, aoi, other.id, one.id, now=NOW)
    links.link(session, aoi, one.id, other.id, now=NOW)
    assert [row.subject for row in links.of(session, aoi, one.id)] == ["二"]
    assert [row.subject for row in links.of(session, aoi, other.id)] == ["一"]
    assert links.of(session, ben, one.id) == ()
    assert len(session.scalars(select(Event).where(Event.kind == "linked")).all()) == 2
    with pytest.raises(NotFound):
        links.link(session, ben, one.id, other.id, now=NOW)
    with pytest.raises(UserError):
        links.link(session, aoi, one.id, one.id, now=NOW)
    links.unlink(session, aoi, other.id, one.id, now=NOW)
    assert links.of(session, aoi, one.id) == ()
    with pytest.raises(NotFound):
        links.unlink(session, aoi, other.id, one.id, now=NOW)


# -- third parties


def test_a_third_party_answers_into_the_same_conversation_and_never_becomes_the_customer(engine: Engine) -> None:
    story = Story()
    aoi = sees("Aoi", story)
    asked = story.arrive(a_mail("在庫はありますか", mail_id="<ask@customer.example>"))
    conversation = story.conversation_of(asked)
    forward = story.sent(conversation.id, "転送します", to=SUPPLIER[1])
    with db.transaction() as session:
        session.get_one(Message, forward.message_id).kind = "forward"
        conversations.answered(session, session.get_one(Conversation, conversation.id), status="waiting", at=NOW)
    answer = story.arrive(a_mail("あります", sender=SUPPLIER, answers=forward.mail_id, subject="Re: Fwd: 届きません"))
    after, message = story.conversation_of(answer), story.message_of(answer)
    assert (after.id, after.person_id, after.status, after.waiting_since) == (
        conversation.id,
        conversation.person_id,
        "open",
        None,
    )
    assert (message.third_party, message.unverified, SUPPLIER[0] in after.people) == (True, False, False)
    with db.transaction() as session:
        draft = drafts.start(session, aoi, "reply", conversation_id=conversation.id, now=NOW)
        assert [address for _name, address in draft.to] == [CUSTOMER[1]]
    with db.transaction() as session:
        session.get_one(Conversation, conversation.id).waiting_since = NOW
        back = drafts.start(session, aoi, "reply_all", conversation_id=conversation.id, message_id=message.id, now=NOW)
        drafts.save(session, aoi, back.id, rev=back.rev, fields={"text": "ありがとう", "cc": ""}, now=NOW)
        looked = all_ticked(session, back.id)
        replies.send(session, aoi, back.id, seen_version=back.seen_version, next_status=None, looked=looked, now=NOW)
        assert session.get_one(Conversation, conversation.id).waiting_since == NOW, "the customer still waits"
    again = story.arrive(a_mail("追伸", sender=SUPPLIER, answers=message.mail_id))
    assert story.message_of(again).third_party
    customer = story.arrive(a_mail("どうですか", answers="<ask@customer.example>"))
    assert not story.message_of(customer).third_party
    assert story.conversation_of(customer).waiting_since is not None


# -- one mail to two of our addresses


def both(text: str, **more: Any) -> bytes:
    return a_mail(text, to="support@shop.example, sales@shop.example", mail_id="<both@customer.example>", **more)


def test_one_mail_to_two_of_our_addresses_is_one_conversation(engine: Engine) -> None:
    support, sales = Story("Support"), Story("Sales")
    aoi = sees("Aoi", support, sales)
    raw = both("両方に送ります")
    first, second = support.arrive(raw), sales.arrive(raw)
    kept = support.conversation_of(first)
    assert sales.conversation_of(second).id == kept.id
    with db.transaction() as session:
        view = conversation_page.show(session, aoi, kept.id, now=NOW)
        assert (len(view.messages), view.status) == (2, "open")
        (told,) = view.suggestions
        assert (told.reason, told.state, told.mailbox_name, told.seen) == ("copy", "joined", "Sales", True)
    answer = sales.arrive(a_mail("続きです", answers="<both@customer.example>", to="sales@shop.example"))
    assert sales.conversation_of(answer).id == kept.id
    with db.transaction() as session:
        parted = joins.undo(session, aoi, told.id, now=NOW)
        assert session.get_one(Conversation, parted.other_id).mailbox_id == sales.mailbox_id


def test_nobody_loses_sight_of_a_copy_by_joining(engine: Engine) -> None:
    support, sales = Story("Support"), Story("Sales")
    aoi, ben = sees("Aoi", support, sales), sees("Ben", sales)
    raw = both("両方に送ります")
    first, second = support.arrive(raw), sales.arrive(raw)
    here, there = support.conversation_of(first), sales.conversation_of(second)
    assert here.id != there.id
    with db.reading() as session:
        (blind,) = conversation_page.show(session, ben, there.id, now=NOW).suggestions
        (seeing,) = conversation_page.show(session, aoi, there.id, now=NOW).suggestions
    assert (blind.state, blind.mailbox_name, blind.subject, blind.seen) == ("offered", "Support", "", False)
    assert (seeing.subject, seeing.seen) == ("届きません", True)


def test_the_same_id_on_other_words_is_another_mail(engine: Engine) -> None:
    support, sales = Story("Support"), Story("Sales")
    sees("Aoi", support, sales)
    first, second = support.arrive(both("ひとつ")), sales.arrive(both("ふたつ"))
    assert support.conversation_of(first).id != sales.conversation_of(second).id
    with db.reading() as session:
        assert session.scalars(select(JoinSuggestion)).all() == []


def test_only_who_may_see_both_may_part_a_copy(session: Session) -> None:
    support, sales = a_mailbox(session, "Support"), a_mailbox(session, "Sales")
    rin = a_viewer(session, "Rin", role="admin")
    one, other = a_conversation(session, support), a_conversation(session, sales)
    joins.make_one(session, one, other, actor_id=None, reason="copy", now=NOW)
    ben = people.of(session, a_user(session, "Ben", support))
    with pytest.raises(NotFound):
        joins.undo(session, ben, joins.made_into(session, one.id)[0], now=NOW)
    joins.undo(session, rin, joins.made_into(session, one.id)[0], now=NOW)
    with pytest.raises((Conflict, NotFound)):
        joins.undo(session, rin, 1, now=NOW)
