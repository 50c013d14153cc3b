"""Search: Japanese of two characters, fields, phrases, pages, access; nothing typed is an error."""

from __future__ import annotations

import random
from datetime import UTC, datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.orm import Session

from inbox import conversations, search, triage
from inbox.models import Note, User
from tests.inbox.cast import DAY, MINUTE, NOW, a_conversation, a_mailbox, a_message, a_viewer


@pytest.fixture
def support(session: Session):
    return a_mailbox(session, "Support")


@pytest.fixture
def aoi(session: Session, support):
    return a_viewer(session, "Aoi", support)


def filed(session: Session, mailbox, subject: str, body: str, **more):
    """A conversation with one indexed message."""
    at = more.pop("at", NOW)
    conversation = a_conversation(session, mailbox, subject, at=at)
    message = a_message(session, conversation, body, at=at, **more)
    search.index(session, message)
    return conversation


def found(session: Session, who, query: str, **how) -> list[int]:
    return [row.id for row in search.search(session, who, query, now=NOW, **how).rows]


def test_two_and_one_character_words_are_found_and_others_are_not(session: Session, support, aoi) -> None:
    a = filed(session, support, "鯖缶の注文", "鯖缶を三個お願いします。")
    b = filed(session, support, "別件", "鯖の缶切りについて")
    assert found(session, aoi, "鯖缶") == [a.id]
    assert set(found(session, aoi, "鯖")) == {a.id, b.id}
    assert found(session, aoi, "缶詰") == []
    assert found(session, aoi, "鯖缶を三個") == [a.id]
    assert found(session, aoi, "個三") == []


def test_spellings_do_not_matter(session: Session, support, aoi) -> None:
    a = filed(session, support, "サーバーの件", "ＡＢＣ１２３ のサーバが落ちました。Café Zürich")
    for query in ("サーバ", "ｻｰﾊﾞｰ", "さーば", "abc123", "ＡＢＣ", "CAFE", "zurich"):
        assert found(session, aoi, query) == [a.id], query


def test_fields_narrow(session: Session, support, aoi) -> None:
    a = filed(session, support, "請求書", "田中様の件", sender=("鈴木 花子", "hanako@example.jp"))
    b = filed(session, support, "鈴木様へ", "本文", sender=("田中 一郎", "ichiro@tanaka.example"))
    assert found(session, aoi, "from:鈴木") == [a.id]
    assert found(session, aoi, "from:hanako@example.jp") == [a.id]
    assert found(session, aoi, "from:hana") == [a.id]
    assert found(session, aoi, "subject:鈴木") == [b.id]
    assert found(session, aoi, "from:田中 subject:鈴木") == [b.id]
    assert found(session, aoi, "to:support@shop.example 請求") == [a.id]
    assert found(session, aoi, "to:hanako") == []
    assert set(found(session, aoi, "鈴木")) == {a.id, b.id}
    assert found(session, aoi, "鈴木 -from:hanako") == [b.id]
    assert found(session, aoi, "from：鈴木") == [a.id]


def test_phrases_and_words_left_out(session: Session, support, aoi) -> None:
    a = filed(session, support, "x", "please return the blue box to us")
    b = filed(session, support, "x", "the box is blue, please return it")
    assert found(session, aoi, '"blue box"') == [a.id]
    assert set(found(session, aoi, "blue box")) == {a.id, b.id}
    assert found(session, aoi, "blue -retur -us") == []
    assert found(session, aoi, "blue -us") == [b.id]
    assert found(session, aoi, '"blue box') == [a.id]
    assert set(found(session, aoi, "-nothing")) == {a.id, b.id}


def test_operators_of_state_place_and_time(session: Session, support, aoi) -> None:
    sales = a_mailbox(session, "営業", address="sales@shop.example")
    who = a_viewer(session, "Ben", support, sales)
    old = filed(session, support, "返品", "返品します", at=datetime(2026, 3, 31, 15, 0, tzinfo=UTC))  # 1 April in Tokyo
    new = filed(session, sales, "返品", "返品です", files=(("a.pdf", "application/pdf", b"x"),))
    conversations.place(session, old, status="closed", now=NOW)
    conversations.tag(session, new, "急ぎ", now=NOW, actor_id=who.id)
    session.flush()
    assert found(session, who, "返品") == [new.id, old.id]
    assert found(session, who, "返品 is:closed") == [old.id]
    assert found(session, who, "is:open") == [new.id]
    assert found(session, who, "has:attachment") == [new.id]
    assert found(session, who, "返品 -has:attachment") == [old.id]
    assert found(session, who, "a.pdf") == [new.id]
    assert found(session, who, "in:営業") == [new.id]
    assert found(session, who, "in:support@shop.example 返品") == [old.id]
    assert found(session, who, "in:nowhere 返品") == []
    assert found(session, who, "tag:急ぎ") == [new.id]
    assert found(session, who, "tag:other") == []
    assert found(session, who, "before:2026-04-02 返品") == [old.id]
    assert found(session, who, "before:2026-04-01 返品") == []
    assert found(session, who, "after:2026-04-01 返品") == [new.id, old.id]
    assert found(session, who, "after:2026/04/02 返品") == [new.id]
    assert found(session, who, "is:mine") == []
    conversations.place(session, new, owner_id=who.id, now=NOW)
    session.flush()
    assert found(session, who, "is:mine 返品") == [new.id]
    assert found(session, who, "is:unassigned 返品") == [old.id]


def test_nobody_finds_what_stands_in_a_mailbox_without_access(session: Session, support, aoi) -> None:
    secret = a_mailbox(session, "Secret")
    hidden = filed(session, secret, "秘密の件", "合言葉")
    rin = a_viewer(session, "Rin", role="admin")
    assert found(session, rin, "合言葉") == [hidden.id]
    for query in ("合言葉", "in:secret 合言葉", "秘密", "-x", "is:open"):
        assert found(session, aoi, query) == []
    assert found(session, a_viewer(session, "Cho"), "合言葉") == []


@pytest.mark.parametrize("walked", [search.WALKED, 0], ids=["collected", "walked"])
def test_pages_show_every_conversation_once_newest_match_first(
    session: Session, support, aoi, walked, monkeypatch
) -> None:
    monkeypatch.setattr(search, "WALKED", walked)
    chance = random.Random(3)
    every = [a_conversation(session, support, f"件{n}", at=NOW - DAY) for n in range(25)]
    newest: dict[int, tuple[datetime, int]] = {}
    for n in range(90):
        conversation = chance.choice(every)
        at = NOW - MINUTE * 60 * chance.randrange(400)
        message = a_message(session, conversation, "返金希望" if n % 3 else "別の話", at=at)
        search.index(session, message)
        if n % 3:
            newest[conversation.id] = max(newest.get(conversation.id, (at, 0)), (at, message.id))
    expected = sorted(newest, key=lambda i: newest[i], reverse=True)
    for size in (1, 4, 50):
        ids, after = [], None
        while True:
            page = search.search(session, aoi, "返金", now=NOW, after=after, size=size)
            ids += [row.id for row in page.rows]
            after = page.older
            if after is None:
                break
        assert ids == expected


def test_the_found_words_are_marked_in_plain_pieces(session: Session, support, aoi) -> None:
    filed(
        session, support, "件名", "前置き。" * 30 + "ここで<b>サーバー</b>が止まり、サーバが戻る。" + "後書き。" * 100
    )
    (row,) = search.search(session, aoi, "サーバー", now=NOW).rows
    assert [words for words, marked in row.match if marked] == ["サーバ", "サーバ"]
    shown = "".join(words for words, _ in row.match)
    assert shown.startswith("…")
    assert shown.index("サーバー") <= 20, "a phone's row shows what was found"
    assert "<b>サーバー</b>が止まり" in shown
    assert len(shown) <= search.AROUND + 2
    assert search.pieces("Invoice for voice", ["voice"]) == (("Invoice for ", False), ("voice", True))
    assert search.pieces("何もない", ["x"]) == (("何もない", False),)
    assert search.pieces("", ["x"]) == ()
    assert search.pieces("> > 倉庫に\n＞ 在庫 5 > 3\n", ["在庫"])[0] == ("倉庫に ", False)
    assert search.pieces("> > 倉庫に\n＞ 在庫 5 > 3\n", ["在庫"])[-1] == (" 5 > 3", False)


@pytest.mark.parametrize("walked", [search.WALKED, 0], ids=["collected", "walked"])
def test_long_texts_are_searched_to_their_end_and_as_a_whole(
    session: Session, support, aoi, walked, monkeypatch
) -> None:
    monkeypatch.setattr(search, "WALKED", walked)
    long = filed(session, support, "長い", "最初の目印です。" + "埋め草の文。" * 9_000 + "最後の合図です。needle")
    filed(session, support, "短い", "最初の目印です。")
    assert found(session, aoi, "needle") == [long.id]
    assert found(session, aoi, "合図") == [long.id]
    assert found(session, aoi, "目印 合図") == [long.id]
    assert long.id not in found(session, aoi, "目印 -合図")
    assert found(session, aoi, "合図 -目印") == []
    assert found(session, aoi, "in:support 目印 needle") == [long.id]


def test_what_is_taken_out_is_not_found(session: Session, support, aoi) -> None:
    conversation = a_conversation(session, support, "消す")
    message = a_message(session, conversation, "個人情報")
    search.index(session, message)
    assert found(session, aoi, "個人情報") == [conversation.id]
    search.unindex(session, message, mailbox_id=support.id)
    assert found(session, aoi, "個人情報") == []


def test_taking_out_what_never_stood_there_is_no_error(session: Session, support, aoi) -> None:
    kept = filed(session, support, "残す", "合言葉")
    conversation = a_conversation(session, support, "索引なし")
    message = a_message(session, conversation, "合言葉")
    note = conversations.note(session, conversation, session.get_one(User, aoi.id), text="合言葉", now=NOW)
    search.unindex(session, message, mailbox_id=support.id)
    search.unindex_note(session, note, mailbox_id=support.id)
    assert found(session, aoi, "合言葉") == [kept.id]


def test_the_words_of_a_note_find_its_conversation(session: Session, support, aoi) -> None:
    conversation = filed(session, support, "件", "お客様の文")
    other = filed(session, support, "別件", "倉庫の話", at=NOW - DAY)
    triage.note(session, aoi, conversation.id, "倉庫に在庫を確認済み", now=NOW + MINUTE * 90)
    (first, second) = search.search(session, aoi, "倉庫", now=NOW).rows
    assert (first.id, second.id) == (conversation.id, other.id)
    assert ("倉庫", True) in first.match
    assert ("に在庫を確認済み", False) in first.match
    assert found(session, aoi, "在庫 in:support after:2020-01-01") == [conversation.id]
    assert found(session, aoi, "在庫 before:2020-01-01") == []
    assert found(session, aoi, "subject:在庫") == []
    one = search.search(session, aoi, "倉庫", now=NOW, size=1)
    assert [row.id for row in one.rows] == [conversation.id]
    assert found(session, aoi, "倉庫", after=one.older, size=1) == [other.id]


def test_a_note_shown_on_one_page_is_not_shown_again_for_its_mail(session: Session, support, aoi) -> None:
    noted = filed(session, support, "件", "倉庫", at=NOW - DAY * 2)
    other = filed(session, support, "別件", "倉庫", at=NOW - DAY)
    triage.note(session, aoi, noted.id, "倉庫", now=NOW)
    one = search.search(session, aoi, "倉庫", now=NOW, size=1)
    two = search.search(session, aoi, "倉庫", now=NOW, size=1, after=one.older)
    assert ([row.id for row in one.rows], [row.id for row in two.rows]) == ([noted.id], [other.id])
    assert two.older is None


def test_notes_are_found_only_by_who_may_see_the_mailbox(session: Session, support, aoi) -> None:
    triage.note(session, aoi, filed(session, support, "件", "文").id, "内緒の話", now=NOW)
    elsewhere = a_viewer(session, "Ben", a_mailbox(session, "Sales"))
    assert found(session, elsewhere, "内緒") == []
    assert len(found(session, aoi, "内緒")) == 1


def test_a_note_that_is_taken_out_is_not_found(session: Session, support, aoi) -> None:
    conversation = filed(session, support, "件", "文")
    note_id = triage.note(session, aoi, conversation.id, "個人情報" + "長い文。" * 9_000 + "終わり", now=NOW)
    assert found(session, aoi, "個人情報 終わり") == [conversation.id]
    search.unindex_note(session, session.get_one(Note, note_id), mailbox_id=support.id)
    assert found(session, aoi, "個人情報") == []
    assert found(session, aoi, "終わり") == []


def test_a_mail_that_is_html_alone_is_found_by_its_words(session: Session, support, aoi) -> None:
    conversation = filed(session, support, "件", "", new_text="表の中の鯖缶")
    assert found(session, aoi, "鯖缶") == [conversation.id]
    assert any(marked for _words, marked in search.search(session, aoi, "鯖缶", now=NOW).rows[0].match)


HOSTILE = [
    "", " ", '"', '""', "*", "-", "--", "NEAR(a b)", "a AND", "OR", "NOT x", "a:b:c", "from:", "from:*", "is:",
    "before:x", "before:9999-99-99", "before:0001-01-01", "after:9999-12-31", "' & !", "a'b", "\\", "a\\'b",
    ":*", "<->", "(", "))", "{",
    "^", "+x", "x" * 5_000, "猫" * 3_000, "a " * 3_000, "-a " * 500, "\0", "a\0b", "\ud800", "\ue000",
    "\ue004 1", "％", "%_", "in:\"",
    "tag:", "has:x", "subject:-", "😀", "ー", "・", "ﷺ", "ก็", "à́", "'; DROP TABLE message; --", "before:2026-13-01 x",
    "is:open is:closed in:support has:attachment -has:attachment",
]  # fmt: skip


def test_nothing_typed_is_an_error(session: Session, support, aoi) -> None:
    filed(session, support, "件名", "本文 body")
    for query in HOSTILE:
        search.search(session, aoi, query, now=NOW)
    for after in ("", "x", "-1", "9" * 40, "²", "0", "1e3"):
        search.search(session, aoi, "本文", now=NOW, after=after)


def test_no_text_that_hypothesis_finds_is_an_error(session: Session, support, aoi) -> None:
    filed(session, support, "件名", "本文 body")

    @settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.text(max_size=60) | st.text(alphabet="ab\"-:*()&|!<>'\\^{}本文\0 fromistbel\ue000\ue004", max_size=40))
    def attempt(query: str) -> None:
        search.search(session, aoi, query, now=NOW)

    attempt()


def test_hostile_mail_is_indexed_without_an_error(session: Session, support, aoi) -> None:
    for n, body in enumerate(HOSTILE):
        stored = body.replace("\0", "").encode("utf-8", "replace").decode()  # as the parser leaves it
        filed(session, support, stored, stored, raw=str(n).encode())
    assert found(session, aoi, "drop table")


@pytest.mark.only_on("postgres")
def test_a_rare_word_is_collected_by_the_index_of_words(session: Session, support, aoi) -> None:
    filed(session, support, "件", "珍しい鰻")
    session.execute(text("SET LOCAL enable_seqscan = off"))
    taken = []
    from sqlalchemy import event

    engine = session.get_bind()

    def note(_connection, _cursor, statement, parameters, _context, _many) -> None:
        if statement.startswith("WITH f"):
            taken.append((statement, parameters))

    event.listen(engine, "before_cursor_execute", note)
    assert found(session, aoi, "鰻")
    event.remove(engine, "before_cursor_execute", note)
    statement, parameters = taken[0]
    plan = "\n".join(session.connection().exec_driver_sql("EXPLAIN " + statement, parameters).scalars())
    assert "ix_search_words_words" in plan, plan


def test_what_is_no_operator_is_a_word(session: Session, support, aoi) -> None:
    a = filed(session, support, "is:strange has:spots", "before:noon https://shop.example/a")
    for query in ("is:strange", "has:spots", "before:noon", "https://shop.example/a", "x-y:z -nothing https:"):
        assert found(session, aoi, query) == ([a.id] if not query.startswith("x") else []), query
