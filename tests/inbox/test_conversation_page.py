"""The conversation page: everything in order and in few queries, new words first, warnings where a sender is odd."""

from __future__ import annotations

import pytest
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from inbox import conversation_page, conversations, drafts, presence, profiles
from inbox.errors import NotFound
from inbox.mail.senders import oddities
from inbox.models import JoinSuggestion, Outgoing, User
from tests.inbox.cast import (
    CUSTOMER,
    HOUR,
    MINUTE,
    NOW,
    a_conversation,
    a_mailbox,
    a_message,
    a_person,
    a_user,
    a_viewer,
    statements,
)


@pytest.fixture
def support(session: Session):
    return a_mailbox(session)


@pytest.fixture
def aoi(session: Session, support):
    return a_viewer(session, "Aoi", support)


@pytest.fixture
def taro(session: Session):
    return a_person(session)


def an_outgoing(session: Session, conversation, message, **more) -> Outgoing:
    values = {"state": "queued", "due_at": NOW + MINUTE, "created_at": NOW, "raw_sha256": message.raw_sha256} | more
    made = Outgoing(
        kind="reply",
        dedupe_key=f"reply:{message.id}",
        mailbox_id=conversation.mailbox_id,
        conversation_id=conversation.id,
        message_id=message.id,
        **values,
    )
    session.add(made)
    session.flush()
    return made


def a_full_conversation(session: Session, support, taro, aoi):
    """Mail in and out, files, a note, history, tags, a colleague who writes and one who looks, drafts, a suggestion."""
    ben, mei = a_user(session, "Ben", support), a_user(session, "Mei", support)
    made = a_conversation(session, support, person=taro, at=NOW - HOUR)
    a_message(session, made, "届きません。", files=(("写真.png", "image/png", b"x"), ("a.csv", "text/csv", b"y")))
    answer = a_message(
        session, made, "お調べします。", direction="out", sender=("Support", "support@shop.example"), author_id=ben.id
    )
    an_outgoing(session, made, answer)
    conversations.assign(session, made, mei.id, now=NOW - MINUTE, actor_id=ben.id)
    conversations.note(session, made, session.get_one(User, ben.id), text="至急", now=NOW - MINUTE)
    conversations.tag(session, made, "返品", now=NOW, actor_id=aoi.id)
    viewer_ben, viewer_mei = a_viewer(session, "Ben2", support), a_viewer(session, "Mei2", support)
    presence.look(session, viewer_mei, made.id, now=NOW)
    presence.claim(session, viewer_ben, made.id, now=NOW)
    drafts.start(session, aoi, "reply", conversation_id=made.id, now=NOW)
    drafts.start(session, viewer_ben, "reply", conversation_id=made.id, now=NOW)
    other = a_conversation(session, support, "別件", person=taro, at=NOW - 2 * HOUR)
    session.add(JoinSuggestion(conversation_id=made.id, other_id=other.id, reason="same_person", at=NOW))
    session.flush()
    return made, other


def test_everything_stands_on_the_page_in_order(session: Session, support, taro, aoi) -> None:
    made, other = a_full_conversation(session, support, taro, aoi)
    view = conversation_page.show(session, aoi, made.id, now=NOW)
    assert [entry.what for entry in view.entries] == ["message", "message", "note", "event", "event"]
    assert [event.kind for event in view.events] == ["assigned", "tagged"]
    assert view.names[view.events[0].about["after"]] == "Mei"
    first, answer = view.messages
    assert (first.from_name, first.from_address) == CUSTOMER
    assert [(f.name, f.thumbnail, f.preview) for f in first.files] == [
        ("写真.png", True, False),
        ("a.csv", False, True),
    ]
    assert (answer.author_name, answer.outgoing.state, answer.outgoing.can_undo) == ("Ben", "queued", True)
    assert [tag[1] for tag in view.tags] == ["返品"]
    assert view.looking == ("Mei2",)
    assert (view.claim.name, view.claim.mine) == ("Ben2", False)
    assert [d.author_name for d in view.drafts] == ["Aoi"]
    assert [d.author_name for d in view.others_drafts] == ["Ben2"]
    assert (view.person.name, view.person.conversations, [o.id for o in view.person.others]) == (
        CUSTOMER[0],
        2,
        [other.id],
    )
    assert [(s.other_id, s.state, s.subject) for s in view.suggestions] == [(other.id, "offered", "別件")]
    assert [s.other_id for s in conversation_page.show(session, aoi, other.id, now=NOW).suggestions] == [made.id]
    assert (view.owner_name, view.status, view.unread, view.version) == ("Mei", "open", True, made.version)
    assert not view.older


def test_the_page_takes_at_most_eleven_queries_and_more_only_for_open_drafts(
    session: Session, engine: Engine, support, taro, aoi
) -> None:
    made, other = a_full_conversation(session, support, taro, aoi)
    for draft in (*conversation_page.show(session, aoi, made.id, now=NOW).drafts,):
        drafts.discard(session, aoi, draft.id, now=NOW)
    session.expire_all()
    with statements(engine) as seen:
        conversation_page.show(session, aoi, other.id, now=NOW)
    assert len(seen) <= 11, "\n\n".join(seen)
    for n in range(30):
        a_message(session, made, f"続き{n}", files=(("a.png", "image/png", str(n).encode()),))
    conversations.note(session, made, session.get_one(User, aoi.id), text="また", now=NOW)
    from sqlalchemy import update

    from inbox.models import Draft

    session.execute(update(Draft).values(state="discarded"))
    session.flush()
    session.expire_all()
    with statements(engine) as seen:
        conversation_page.show(session, aoi, made.id, now=NOW)
    assert len(seen) <= 11, "\n\n".join(seen)


def test_nobody_without_access_sees_it_and_the_customers_other_mailboxes_stay_hidden(
    session: Session, support, taro, aoi
) -> None:
    secret = a_mailbox(session, "Secret")
    hidden = a_conversation(session, secret, "秘密", person=taro)
    made = a_conversation(session, support, person=taro)
    a_message(session, made)
    with pytest.raises(NotFound):
        conversation_page.show(session, aoi, hidden.id, now=NOW)
    with pytest.raises(NotFound):
        conversation_page.show(session, aoi, 999_999, now=NOW)
    person = conversation_page.show(session, aoi, made.id, now=NOW).person
    assert (person.conversations, person.others) == (1, ())
    alone = a_person(session, "Hanako", "hanako@example.jp")
    a_conversation(session, secret, person=alone)
    with pytest.raises(NotFound):
        profiles.profile(session, aoi, alone.id)


def test_long_conversations_show_the_newest_and_go_back_in_steps(session: Session, support, aoi, monkeypatch) -> None:
    monkeypatch.setattr(conversation_page, "MESSAGES", 4)
    made = a_conversation(session, support, at=NOW - HOUR)
    every = [a_message(session, made, f"{n}", at=NOW - HOUR + (n // 2) * MINUTE).id for n in range(11)]
    got: list[int] = []
    view = conversation_page.show(session, aoi, made.id, now=NOW)
    got = [m.id for m in view.messages]
    while view.older:
        view = conversation_page.show(session, aoi, made.id, now=NOW, before=view.messages[0].id)
        got = [m.id for m in view.messages] + got
    assert got == every


@pytest.mark.parametrize(
    ("text", "new", "shown", "folded"),
    [
        ("はい。\n\n> 届きましたか", "はい。", "はい。", "> 届きましたか"),
        ("\nはい。\n-- \n山田", "はい。", "はい。", "-- \n山田"),
        ("はい。", "はい。", "はい。", ""),
        ("", "HTML の言葉", "HTML の言葉", ""),
        ("> 質問1\n答え1\n> 質問2\n答え2", "答え1\n答え2", "答え1\n答え2", "> 質問1\n答え1\n> 質問2\n答え2"),
        ("", "", "", ""),
        ("> 引用だけ", "", "", "> 引用だけ"),
    ],
)
def test_new_words_come_first_and_nothing_is_lost(text: str, new: str, shown: str, folded: str) -> None:
    assert conversation_page.split(text, new) == (shown, folded)


def test_undo_is_possible_until_the_time_is_over(session: Session, support, aoi) -> None:
    made = a_conversation(session, support)
    answer = a_message(session, made, "答え", direction="out", author_id=aoi.id)
    sent = an_outgoing(session, made, answer)
    states = []
    for state, tries, now in (
        ("queued", 0, NOW),
        ("queued", 0, NOW + HOUR),
        ("queued", 1, NOW),
        ("sent", 1, NOW),
        ("uncertain", 1, NOW),
    ):
        sent.state, sent.tries = state, tries
        session.flush()
        states.append(conversation_page.show(session, aoi, made.id, now=now).messages[0].outgoing.can_undo)
    assert states == [True, False, False, False, False]


@pytest.mark.parametrize(
    ("name", "address", "reply_to", "expected"),
    [
        ("山田 太郎", "taro@example.jp", [], ()),
        ("support@shop.example", "evil@x.example", [], ("other_address",)),
        ("Taro (taro@example.jp)", "Taro@Example.jp", [], ()),
        ("Pаypal", "a@b.example", [], ("mixed_scripts",)),
        ("Пётр Smith", "a@b.example", [], ()),
        ("Google", "a@xn--ggle-55da.example", [], ("mixed_scripts",)),
        ("moc.knab\u202e", "a@b.example", [], ("turned",)),
        ("Kim", "a@b.example", ["kim@c.example"], ("other_reply",)),
        ("Kim", "a@b.example", ["kim@B.example", ""], ()),
        ("", "", [], ()),
        ("x" * 100_000, "a@" + "xn--" * 1_000, [], ()),
    ],
)
def test_odd_senders_are_marked(name: str, address: str, reply_to: list[str], expected: tuple[str, ...]) -> None:
    assert oddities(name, address, reply_to) == expected
