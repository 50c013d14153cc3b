"""The tokens of search, and queries that nobody can break."""

# ruff: noqa: E501, PT018 (mail as it stands on one line; pairs of facts asserted together)

from __future__ import annotations

import os
import re
import sqlite3
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inbox import search_query
from inbox.mail.search_words import chunks, folded, index_words, words_of

TABLE = "create virtual table words using fts5(body, tokenize='ascii')"


def _finds(query: str, text: str) -> bool:
    database = sqlite3.connect(":memory:")
    database.execute(TABLE)
    database.execute("insert into words values (?)", words_of(text, in_pieces=False))
    matching = search_query.fts5(search_query.read(query))
    return bool(database.execute("select 1 from words where words match ?", (matching,)).fetchall())


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("請求", "先月の請求書を再発行してください"),
        ("鰻", "うな重(鰻)を二つ"),
        ("鯖", "国産鯖缶詰セット"),
        ("詰", "国産鯖缶詰セット"),
        ("\U0002000b", "\U0002000b\U0002000c"),
        ("A", "plan A"),
        ("鯖缶", "国産鯖缶詰セット"),
        ("ﾃｽﾄ", "これはテストです"),
        ("てすと", "これはテストです"),
        ("ＡＢＣ", "abc-123"),
        ("サーバ", "サーバーが落ちました"),
        ("サーバー", "サーバが落ちました"),
        ("サ-バ-", "サーバーが落ちました"),
        ("キャノン", "キヤノン製プリンター"),
        ("ユーザーガイド", "ユーザー・ガイドの送付"),
        ("cafe", "Café au lait"),
        ("invoi", "Invoice 2026-01"),
        ("ｶﾞｿﾘﾝ", "ガソリン代"),
        ("ID-0001", "受付番号 ID-0001 です"),
        ("東京 請求", "東京支店への請求"),
        ("한국", "한국어 메일"),
    ],
)
def test_words_are_found(query: str, text: str) -> None:
    assert _finds(query, text)


@given(st.text(st.sampled_from("鯖缶詰がァー々ab1 _\x01\ue000é𠀋한ᄀꀀ\n"), max_size=30))
@settings(max_examples=400)
def test_each_character_stands_with_its_neighbour_and_words_stand_whole(text: str) -> None:
    """The tokens one by one, as the index makes them of whole texts at once."""
    cjk = "[々〇\u3040-\u30ff\u4e00-\u9fff\uac00-\ud7af\u1100-\u11ff\U00020000-\U0003134f]+"
    tokens: list[str] = []
    for run in re.findall(rf"{cjk}|[^\W_]+?(?={cjk}|[\W_]|$)", folded(text)):
        tokens += [run[at : at + 2] for at in range(len(run))] if re.match(cjk, run) else [run]
    assert index_words(text) == " ".join(tokens)


@pytest.mark.parametrize(
    ("query", "text"), [("かき", "がき"), ("京都", "東京と都会"), ("請求 大阪", "東京の請求"), ("voice", "invoice"), ("a", "about")]
)
def test_other_words_are_not_found(query: str, text: str) -> None:
    assert not _finds(query, text)


@pytest.mark.parametrize("query", ["", " ", '"', "*", "NEAR(", "-", "\0", "。、", "'", "&|!", ":*"])
def test_a_query_without_words_is_empty(query: str) -> None:
    asked = search_query.read(query)
    assert asked.empty or (search_query.fts5(asked), search_query.tsquery(asked)) == ('("near"*)', "('near':*)")


@settings(max_examples=int(os.environ.get("MADOGUCHI_FUZZ", "1000")), deadline=None)
@given(
    st.one_of(
        st.text(max_size=60),
        st.lists(
            st.sampled_from(
                [
                    '"',
                    "*",
                    "NEAR(",
                    "AND",
                    "OR NOT",
                    "請求",
                    "ー",
                    "^a",
                    "{b}",
                    "\0",
                    "'",
                    "col:",
                    "-",
                    "+",
                    " ",
                    "\ud800",
                    "ﾞ",
                    "が",
                ]
            ),
            max_size=12,
        ).map("".join),
    )
)
def test_no_query_is_ever_wrong_syntax(query: str) -> None:
    """S-21: none (MADOGUCHI_FUZZ=10000 tries so many) is an error in FTS5; tsquery texts hold nothing but quoted tokens and our operators."""
    asked = search_query.read(query)
    _SHARED.execute("select 1 from words where words match ?", (search_query.fts5(asked),)).fetchall()
    tokens = re.sub(r" & | <-> |:\*|[()!]", " ", search_query.tsquery(asked)).split()
    assert all(token[0] == token[-1] == "'" and token.count("'") == 2 and "\\" not in token for token in tokens)


_SHARED = sqlite3.connect(":memory:", check_same_thread=False)
_SHARED.execute(TABLE)
_SHARED.execute("insert into words values (?)", words_of("先月の請求書 invoice", in_pieces=False))


def test_long_queries_are_bounded() -> None:
    assert len(search_query.fts5(search_query.read("あ い う " * 10_000))) < 1000
    many = search_query.read(" ".join(f"w{n}" for n in range(500)))
    assert search_query.fts5(many).count("AND") == 29


def test_chunks_lose_no_word_at_a_seam() -> None:
    text = "".join(chr(0x4E00 + n % 5000) for n in range(30_000))
    pieces = list(chunks(text))
    assert all(len(piece) <= 8000 for piece in pieces)
    assert all(any(text[at : at + 10] in piece for piece in pieces) for at in range(0, len(text) - 10, 7))
    assert list(chunks("short")) == ["short"] and list(chunks("")) == [""]


def test_a_long_mail_is_indexed_quickly() -> None:
    began = time.thread_time()
    index_words("国産鯖缶詰セット invoice 2026 " * 40_000)
    assert time.thread_time() - began < 3.0
