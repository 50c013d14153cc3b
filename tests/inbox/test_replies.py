"""Answers leave once, say what their author meant, and can be taken back while there is time."""

from __future__ import annotations

import base64
from dataclasses import dataclass, replace
from datetime import timedelta

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from inbox import conversations, drafts, lists, outbox, people, presence, replies, search
from inbox.blobs import blobs
from inbox.errors import Conflict, NotFound, StaleReply, UserError
from inbox.mail.parse import parse
from inbox.models import Conversation, Draft, Event, FolderCount, Mailbox, Message, Outgoing, User
from inbox.people import Viewer
from tests.inbox.cast import (
    CUSTOMER,
    HOUR,
    MINUTE,
    NOW,
    a_conversation,
    a_mailbox,
    a_message,
    a_person,
    a_viewer,
    all_ticked,
)
from tests.mail_lint import lint

LATER = NOW + HOUR


@dataclass
class Desk:
    """Support's conversation with 山田 太郎, Aoi and Ben before it."""

    mailbox: Mailbox
    conversation: Conversation
    asked: Message
    aoi: Viewer
    ben: Viewer


@pytest.fixture
def desk(session: Session) -> Desk:
    mailbox = a_mailbox(session, "Support", "help@shop.example")
    aoi, ben = a_viewer(session, "Aoi", mailbox), a_viewer(session, "Ben", mailbox)
    conversation = a_conversation(session, mailbox, person=a_person(session))
    asked = a_message(
        session,
        conversation,
        mail_id="<ask@example.jp>",
        references=["<root@example.jp>", "<mid@example.jp>"],
        to=[["", "help@shop.example"]],
    )
    return Desk(mailbox, conversation, asked, aoi, ben)


def written(
    session: Session, who: Viewer, conversation: Conversation, text: str = "発送しました。", **fields: object
) -> int:
    draft = drafts.start(session, who, fields.pop("kind", "reply"), conversation_id=conversation.id, now=LATER)
    drafts.save(session, who, draft.id, rev=draft.rev, fields={"text": text, **fields}, now=LATER)
    return draft.id


def sent(session: Session, desk: Desk, draft_id: int, *, who: Viewer | None = None, status: str | None = None):
    return replies.send(
        session,
        who or desk.aoi,
        draft_id,
        seen_version=desk.conversation.version,
        next_status=status,
        looked=all_ticked(session, draft_id),
        now=LATER,
    )


def raw_of(session: Session, outgoing_id: int) -> bytes:
    return blobs().get(session.get_one(Outgoing, outgoing_id).raw_sha256)


# -- what leaves


def test_a_reply_stands_in_the_thread_and_comes_from_the_address_that_was_written_to(
    session: Session, desk: Desk
) -> None:
    result = sent(session, desk, written(session, desk.aoi, desk.conversation))
    raw = raw_of(session, result.outgoing_id)
    lint(raw)
    mail = parse(raw)
    assert mail.in_reply_to == ("<ask@example.jp>",)
    assert mail.references == ("<root@example.jp>", "<mid@example.jp>", "<ask@example.jp>")
    assert mail.from_[0].address == "help@shop.example"
    assert [one.address for one in mail.to] == [CUSTOMER[1]]
    assert mail.subject == "Re: 届きません"
    assert "発送しました。" in mail.text
    assert "> まだ届きません。" in mail.text
    assert "発送しました。" in mail.html


def test_the_old_mail_is_left_out_when_the_author_says_so(session: Session, desk: Desk) -> None:
    result = sent(session, desk, written(session, desk.aoi, desk.conversation, quote=False))
    mail = parse(raw_of(session, result.outgoing_id))
    assert "まだ届きません" not in mail.text + mail.html


def test_the_signature_stands_between_words_and_quotation(session: Session, desk: Desk) -> None:
    people.sign_as(session, desk.aoi, desk.mailbox.id, from_name="Aoi at the shop", html="<b>Aoi</b><br>03-0000-0000")
    result = sent(session, desk, written(session, desk.aoi, desk.conversation))
    mail = parse(raw_of(session, result.outgoing_id))
    assert mail.from_[0].name == "Aoi at the shop"
    words, signature, quotation = (mail.text.index(one) for one in ("発送しました", "-- \nAoi\n03-0000-0000", "> まだ"))
    assert words < signature < quotation


def test_outlooks_thread_index_is_continued(session: Session, desk: Desk) -> None:
    desk.asked.thread_index = "AdjYZ0m5cE1lqZ8hQ3ylxv1kq0Qm1g=="
    result = sent(session, desk, written(session, desk.aoi, desk.conversation))
    child = base64.b64decode(parse(raw_of(session, result.outgoing_id)).header("Thread-Index"))
    assert child[:22] == base64.b64decode("AdjYZ0m5cE1lqZ8hQ3ylxv1kq0Qm1g==")
    assert len(child) == 27


def test_files_and_pictures_travel(session: Session, desk: Desk) -> None:
    draft_id = written(session, desk.aoi, desk.conversation)
    drafts.add_file(
        session, desk.aoi, draft_id, name="請求書.pdf", content_type="application/pdf", data=b"%PDF-1.4 x", now=LATER
    )
    png = bytes.fromhex(
        "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c4890000000d4944415478da63fcffff3f030005fe02fea135"
        "81c80000000049454e44ae426082"
    )
    picture = drafts.add_file(
        session, desk.aoi, draft_id, name="a.png", content_type="image/png", data=png, inline=True, now=LATER
    )
    draft = drafts.show(session, desk.aoi, draft_id)
    html = f'<p>ご覧ください <img src="cid:{picture.content_id}"></p>'
    drafts.save(session, desk.aoi, draft_id, rev=draft.rev, fields={"html": html}, now=LATER)
    result = sent(session, desk, draft_id)
    mail = parse(raw_of(session, result.outgoing_id))
    assert {part.name: part.data for part in mail.attachments} == {"請求書.pdf": b"%PDF-1.4 x", "a.png": png}
    message = session.get_one(Message, session.get_one(Outgoing, result.outgoing_id).message_id)
    assert [(one.name, one.inline) for one in message.attachments if not one.inline] == [("請求書.pdf", False)]
    assert f"cid:{picture.content_id}" in mail.html
    assert desk.conversation.attachment_count == 1


def test_blind_copies_are_in_the_envelope_only(session: Session, desk: Desk) -> None:
    result = sent(session, desk, written(session, desk.aoi, desk.conversation, bcc="boss@shop.example"))
    outgoing = session.get_one(Outgoing, result.outgoing_id)
    assert [one["address"] for one in outgoing.recipients] == [CUSTOMER[1], "boss@shop.example"]
    assert b"boss@shop.example" not in raw_of(session, result.outgoing_id)
    assert session.get_one(Message, outgoing.message_id).bcc == [["", "boss@shop.example"]]


def test_a_forward_carries_the_mail_and_answers_nobody(session: Session, desk: Desk) -> None:
    waiting = desk.conversation.waiting_since
    draft_id = written(session, desk.aoi, desk.conversation, "", kind="forward", to="factory@maker.example")
    result = sent(session, desk, draft_id)
    mail = parse(raw_of(session, result.outgoing_id))
    assert mail.subject == "Fwd: 届きません"
    assert mail.in_reply_to == ()
    assert "まだ届きません" in mail.text
    assert (desk.conversation.status, desk.conversation.waiting_since) == ("open", waiting)


def test_a_new_mail_starts_a_conversation_that_waits_for_the_customer(session: Session, desk: Desk) -> None:
    draft = drafts.start(session, desk.aoi, "new", mailbox_id=desk.mailbox.id, now=LATER)
    fields = {"to": "新規 <new@example.jp>", "subject": "ご案内", "text": "こんにちは"}
    drafts.save(session, desk.aoi, draft.id, rev=draft.rev, fields=fields, now=LATER)
    result = replies.send(
        session, desk.aoi, draft.id, seen_version=0, next_status=None, looked=all_ticked(session, draft.id), now=LATER
    )
    started = session.get_one(Conversation, result.conversation_id)
    assert (started.status, started.subject, started.owner_id, started.people) == (
        "waiting",
        "ご案内",
        desk.aoi.id,
        "新規",
    )
    assert started.message_count == 1


# -- what it does to the conversation


@pytest.mark.parametrize(("asked", "stands"), [(None, "waiting"), ("open", "open"), ("closed", "closed")])
def test_after_an_answer_the_conversation_goes_where_its_author_says(
    session: Session, desk: Desk, asked: str | None, stands: str
) -> None:
    sent(session, desk, written(session, desk.aoi, desk.conversation), status=asked)
    session.refresh(desk.conversation)
    assert (desk.conversation.status, desk.conversation.waiting_since) == (stands, None)
    assert (desk.conversation.closed_at is not None) == (stands == "closed")
    assert desk.conversation.owner_id == desk.aoi.id
    assert lists.counts(session, desk.aoi)["mine" if stands == "open" else stands] == 1


def test_an_answer_is_found_by_its_words(session: Session, desk: Desk) -> None:
    sent(session, desk, written(session, desk.aoi, desk.conversation, "冷凍便で発送しました"))
    assert [row.id for row in search.search(session, desk.aoi, "冷凍便", now=LATER).rows] == [desk.conversation.id]


def test_ones_claim_ends_with_the_answer(session: Session, desk: Desk) -> None:
    presence.claim(session, desk.aoi, desk.conversation.id, now=LATER)
    sent(session, desk, written(session, desk.aoi, desk.conversation))
    assert conversations.claim_of(session, desk.conversation.id, now=LATER) is None


# -- what is refused, words kept


def test_an_answer_over_unread_words_is_refused_and_kept(session: Session, desk: Desk) -> None:
    draft_id, seen = written(session, desk.aoi, desk.conversation), desk.conversation.version
    a_message(session, desk.conversation, "やっぱり届きました。", at=LATER)
    with pytest.raises(StaleReply) as refused:
        replies.send(
            session,
            desk.aoi,
            draft_id,
            seen_version=seen,
            next_status=None,
            looked=all_ticked(session, draft_id),
            now=LATER,
        )
    assert (refused.value.draft_id, refused.value.seen, refused.value.now_at) == (draft_id, seen, seen + 1)
    replies.keep_refused(session, draft_id, refused.value, actor_id=desk.aoi.id, now=LATER)
    kept = drafts.show(session, desk.aoi, draft_id)
    assert (kept.state, kept.text, kept.refused_at) == ("open", "発送しました。", LATER)
    assert session.scalar(select(func.count()).where(Event.kind == "refused")) == 1


def test_an_answer_while_a_colleague_writes_is_refused(session: Session, desk: Desk) -> None:
    presence.claim(session, desk.ben, desk.conversation.id, now=LATER)
    with pytest.raises(StaleReply, match="Ben"):
        sent(session, desk, written(session, desk.aoi, desk.conversation))
    assert session.scalar(select(func.count()).select_from(Outgoing)) == 0


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"to": ""}, "to"),
        ({"to": [["", "kein-komma"]]}, "to"),
        ({"cc": [["", "a@b\r\nBcc: x@y.example"]]}, "cc"),
        ({"to": [["", "support@shop.example"]]}, "to"),
        ({"text": "  \n"}, "text"),
    ],
)
def test_what_cannot_be_sent_names_its_field(
    session: Session, desk: Desk, fields: dict[str, object], field: str
) -> None:
    draft_id = written(session, desk.aoi, desk.conversation)
    draft = session.get_one(Draft, draft_id)
    for name, value in fields.items():
        setattr(draft, name, [] if value == "" else value)
    session.flush()
    with pytest.raises(UserError) as refused:
        sent(session, desk, draft_id)
    assert refused.value.field == field
    assert session.get_one(Draft, draft_id).state == "open"


def test_another_mailboxs_address_is_refused(session: Session, desk: Desk) -> None:
    draft_id = written(session, desk.aoi, desk.conversation)
    session.get_one(Draft, draft_id).from_address = "boss@shop.example"
    with pytest.raises(UserError) as refused:
        sent(session, desk, draft_id)
    assert refused.value.field == "from_address"


def test_nobody_sends_anothers_draft(session: Session, desk: Desk) -> None:
    draft_id = written(session, desk.aoi, desk.conversation)
    with pytest.raises(NotFound):
        sent(session, desk, draft_id, who=desk.ben)


def test_control_characters_in_any_field_stay_out_of_the_headers(session: Session, desk: Desk) -> None:
    draft_id = written(session, desk.aoi, desk.conversation)
    draft = session.get_one(Draft, draft_id)
    draft.subject = "Hi\r\nBcc: evil@example.org\u2028X-Evil: 1"
    draft.to = [["Eve\r\nX-Evil: 1\u2029", "taro@example.jp"]]
    session.flush()
    raw = raw_of(session, sent(session, desk, draft_id).outgoing_id)
    lint(raw)
    mail = parse(raw)
    assert mail.header("X-Evil") == mail.header("Bcc") == ""
    assert [one.address for one in mail.to] == ["taro@example.jp"]


# -- twice


def test_a_double_click_sends_once_and_both_clicks_get_the_same_answer(session: Session, desk: Desk) -> None:
    draft_id, seen = written(session, desk.aoi, desk.conversation), desk.conversation.version
    first = sent(session, desk, draft_id)
    again = replies.send(
        session,
        desk.aoi,
        draft_id,
        seen_version=seen,
        next_status="closed",
        looked=all_ticked(session, draft_id),
        now=LATER,
    )
    assert again == first
    assert session.scalar(select(func.count()).select_from(Outgoing)) == 1


# -- back


def test_undo_gives_everything_back(session: Session, desk: Desk) -> None:
    draft_id = written(session, desk.aoi, desk.conversation, "間違えました")
    before = lists.counts(session, desk.aoi)
    waiting, snippet = desk.conversation.waiting_since, desk.conversation.snippet
    result = sent(session, desk, draft_id, status="closed")
    assert replies.undo(session, desk.aoi, result.outgoing_id, now=LATER) == draft_id
    session.refresh(desk.conversation)
    stands = desk.conversation
    assert (stands.status, stands.owner_id, stands.waiting_since) == ("open", None, waiting)
    assert (stands.message_count, stands.snippet, stands.last_direction) == (1, snippet, "in")
    assert (
        lists.counts(session, desk.aoi) == before | {"drafts": before.get("drafts", 0)}
        if "drafts" in before
        else before
    )
    kept = drafts.show(session, desk.aoi, draft_id)
    assert (kept.state, kept.text) == ("open", "間違えました")
    assert search.search(session, desk.aoi, "間違えました", now=LATER).rows == ()
    assert session.scalar(select(func.count()).where(Message.direction == "out")) == 0
    assert counters_are_right(session)


def test_after_undo_the_same_draft_can_be_sent_again(session: Session, desk: Desk) -> None:
    draft_id = written(session, desk.aoi, desk.conversation)
    first = sent(session, desk, draft_id)
    replies.undo(session, desk.aoi, first.outgoing_id, now=LATER)
    session.refresh(desk.conversation)
    draft = drafts.show(session, desk.aoi, draft_id)
    second = replies.send(
        session,
        desk.aoi,
        draft_id,
        seen_version=draft.seen_version,
        next_status=None,
        looked=all_ticked(session, draft_id),
        now=LATER,
    )
    assert second.outgoing_id != first.outgoing_id
    states = session.scalars(select(Outgoing.state).order_by(Outgoing.id)).all()
    assert states == ["cancelled", "queued"]


def test_what_came_in_since_must_be_read_before_an_undone_answer_is_sent_again(session: Session, desk: Desk) -> None:
    draft_id = written(session, desk.aoi, desk.conversation)
    first = sent(session, desk, draft_id, status="closed")
    a_message(session, desk.conversation, "急ぎです", at=LATER + MINUTE)
    replies.undo(session, desk.aoi, first.outgoing_id, now=LATER)
    draft = drafts.show(session, desk.aoi, draft_id)
    with pytest.raises(StaleReply):
        replies.send(
            session,
            desk.aoi,
            draft_id,
            seen_version=draft.seen_version,
            next_status=None,
            looked=all_ticked(session, draft_id),
            now=LATER,
        )
    assert desk.conversation.status == "open"


def test_undoing_a_new_mail_leaves_no_empty_conversation(session: Session, desk: Desk) -> None:
    draft = drafts.start(session, desk.aoi, "new", mailbox_id=desk.mailbox.id, now=LATER)
    fields = {"to": "new@example.jp", "subject": "ご案内", "text": "こんにちは"}
    drafts.save(session, desk.aoi, draft.id, rev=draft.rev, fields=fields, now=LATER)
    result = replies.send(
        session, desk.aoi, draft.id, seen_version=0, next_status=None, looked=all_ticked(session, draft.id), now=LATER
    )
    assert replies.undo(session, desk.aoi, result.outgoing_id, now=LATER) == draft.id
    assert session.get(Conversation, result.conversation_id) is None
    assert drafts.show(session, desk.aoi, draft.id).conversation_id is None
    assert counters_are_right(session)


def test_undoing_a_forward_gives_status_and_owner_back(session: Session, desk: Desk) -> None:
    draft_id = written(session, desk.aoi, desk.conversation, "", kind="forward", to="factory@maker.example")
    result = sent(session, desk, draft_id, status="closed")
    assert (desk.conversation.status, desk.conversation.owner_id) == ("closed", desk.aoi.id)
    replies.undo(session, desk.aoi, result.outgoing_id, now=LATER)
    session.refresh(desk.conversation)
    assert (desk.conversation.status, desk.conversation.owner_id) == ("open", None)
    assert counters_are_right(session)


def test_undoing_an_answer_in_a_closed_conversation_gives_the_time_of_closing_back(
    session: Session, desk: Desk
) -> None:
    conversations.set_status(session, desk.conversation, "closed", now=NOW, actor_id=desk.aoi.id)
    for status in ("waiting", "closed"):
        draft_id = written(session, desk.aoi, desk.conversation, "追伸です")
        result = sent(session, desk, draft_id, status=status)
        assert desk.conversation.closed_at == (LATER if status == "closed" else None)
        replies.undo(session, desk.aoi, result.outgoing_id, now=LATER)
        session.refresh(desk.conversation)
        assert (desk.conversation.status, desk.conversation.closed_at) == ("closed", NOW)


def test_undoing_a_new_mail_after_an_answer_in_its_conversation_was_undone(session: Session, desk: Desk) -> None:
    draft = drafts.start(session, desk.aoi, "new", mailbox_id=desk.mailbox.id, now=LATER)
    fields = {"to": "new@example.jp", "subject": "ご案内", "text": "こんにちは"}
    drafts.save(session, desk.aoi, draft.id, rev=draft.rev, fields=fields, now=LATER)
    first = replies.send(
        session, desk.aoi, draft.id, seen_version=0, next_status=None, looked=all_ticked(session, draft.id), now=LATER
    )
    conversation = session.get_one(Conversation, first.conversation_id)
    second = written(session, desk.aoi, conversation, "追伸", to="new@example.jp")
    more = replies.send(
        session,
        desk.aoi,
        second,
        seen_version=conversation.version,
        next_status=None,
        looked=all_ticked(session, second),
        now=LATER,
    )
    replies.undo(session, desk.aoi, more.outgoing_id, now=LATER)
    replies.undo(session, desk.aoi, first.outgoing_id, now=LATER)
    assert session.get(Conversation, first.conversation_id) is None
    assert counters_are_right(session)


def test_undo_is_too_late_once_the_sender_has_it(session: Session, desk: Desk) -> None:
    result = sent(session, desk, written(session, desk.aoi, desk.conversation))
    outbox.claim(session, desk.mailbox.id, "w", now=result.undo_until + replies.HOLD, limit=1)
    with pytest.raises(Conflict):
        replies.undo(session, desk.aoi, result.outgoing_id, now=LATER)


def test_a_colleague_cannot_undo_but_a_manager_can(session: Session, desk: Desk) -> None:
    result = sent(session, desk, written(session, desk.aoi, desk.conversation))
    with pytest.raises(NotFound):
        replies.undo(session, desk.ben, result.outgoing_id, now=LATER)
    mei = a_viewer(session, "Mei", desk.mailbox, role="manager")
    assert replies.undo(session, mei, result.outgoing_id, now=LATER)


def test_the_hold_is_three_seconds_longer_than_what_is_shown(session: Session, desk: Desk) -> None:
    result = sent(session, desk, written(session, desk.aoi, desk.conversation))
    due = session.get_one(Outgoing, result.outgoing_id).due_at
    assert result.undo_until == LATER + timedelta(seconds=10)
    assert due == result.undo_until + timedelta(seconds=3)


def test_who_wants_no_undo_waits_for_nothing(session: Session, desk: Desk) -> None:
    swift = replace(desk.aoi, undo_seconds=0)
    result = sent(session, desk, written(session, desk.aoi, desk.conversation), who=swift)
    assert session.get_one(Outgoing, result.outgoing_id).due_at == LATER


def counters_are_right(session: Session) -> bool:
    counted = select(FolderCount.mailbox_id, FolderCount.status, FolderCount.owner_id, FolderCount.count)
    kept = {tuple(row) for row in session.execute(counted.where(FolderCount.count != 0))}
    session.flush()
    conversations.recount(session)
    return kept == {tuple(row) for row in session.execute(counted.where(FolderCount.count != 0))}


def test_the_author_is_named_in_the_history(session: Session, desk: Desk) -> None:
    sent(session, desk, written(session, desk.aoi, desk.conversation), status="closed")
    event = session.scalars(select(Event).where(Event.kind == "replied")).one()
    assert session.get_one(User, event.actor_id).name == "Aoi"
    assert (event.about["before"], event.about["after"]) == ("open", "closed")
