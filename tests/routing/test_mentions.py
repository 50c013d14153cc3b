"""Mentions in notes: whole names, parts, Japanese without spaces, widths, addresses, and names that fit several."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing.mentions import Group, Somebody, find

HANAKO = Somebody(1, "佐藤 花子", "hanako")
JIRO = Somebody(2, "佐藤 次郎", "jiro.sato")
KEN = Somebody(3, "鈴木 健", "ken")
BEN = Somebody(4, "Ben Carter", "ben")
ANA = Somebody(5, "Ana", "ana")
ANABEL = Somebody(6, "Ana Bel", "abel")
TEAM = (HANAKO, JIRO, KEN, BEN, ANA, ANABEL)


@pytest.mark.parametrize(
    ("text", "said", "ids"),
    [
        ("@佐藤 花子 確認をお願いします", "@佐藤 花子", (1,)),
        ("@佐藤花子さん、確認をお願いします", "@佐藤花子", (1,)),
        ("確認を＠花子さんにお願いします", "＠花子", (1,)),
        ("お願い@佐藤　次郎さん", "@佐藤　次郎", (2,)),
        ("@鈴木さん", "@鈴木", (3,)),
        ("@佐藤さん", "@佐藤", (1, 2)),
        ("@BEN please", "@BEN", (4,)),
        ("@Ｂｅｎ　Carter please", "@Ｂｅｎ　Carter", (4,)),
        ("ask @jiro.sato.", "@jiro.sato", (2,)),
        ("@ana bel", "@ana bel", (6,)),
        ("@ana, look", "@ana", (5,)),
    ],
)
def test_a_name_speaks_to_its_bearer(text: str, said: str, ids: tuple[int, ...]) -> None:
    (found,) = find(text, TEAM)
    assert text[found.start : found.end] == said
    assert found.ids == ids


@pytest.mark.parametrize(
    "text", ["mail ken@example.jp about it", "@benefit", "@nobody", "at @ 10:00", "@\nken", "@@", "", "a.b@ben"]
)
def test_what_names_nobody_is_no_mention(text: str) -> None:
    assert find(text, TEAM) == ()


SALES = Group(1, "営業 東京")
BENS = Group(2, "Ben")
ANAS = Group(3, "Ana")


@pytest.mark.parametrize(
    ("text", "said", "ids", "teams"),
    [
        ("@営業東京さん 見積をお願いします", "@営業東京", (), (1,)),
        ("＠営業　東京 へ", "＠営業　東京", (), (1,)),
        ("@Ben", "@Ben", (), (2,)),  # in full, where it is a part of a person's name
        ("@Ben Carter", "@Ben Carter", (4,), ()),
        ("@ana", "@ana", (5,), (3,)),  # both in full
        ("@abel", "@abel", (6,), ()),
    ],
)
def test_a_teams_whole_name_speaks_to_it(
    text: str, said: str, ids: tuple[int, ...], teams: tuple[int, ...]
) -> None:
    (found,) = find(text, TEAM, (SALES, BENS, ANAS))
    assert text[found.start : found.end] == said
    assert (found.ids, found.teams) == (ids, teams)


def test_a_part_of_a_teams_name_is_no_mention() -> None:
    assert find("@営業 へ", TEAM, (SALES,)) == ()


def test_several_people_in_one_note() -> None:
    text = "@花子 と @鈴木 へ。cc: @Ben"
    assert [text[one.start : one.end] for one in find(text, TEAM)] == ["@花子", "@鈴木", "@Ben"]


@given(st.text(alphabet="@＠ 佐藤花子benBEN.\n", max_size=60))
def test_mentions_lie_apart_and_begin_with_an_at(text: str) -> None:
    after = 0
    for one in find(text, TEAM):
        assert after <= one.start < one.end <= len(text)
        assert text[one.start] in "@＠"
        after = one.end
