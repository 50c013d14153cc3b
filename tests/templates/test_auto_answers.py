"""Words of automatic answers: fields, honorifics, names that are none, days in two languages."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from templates.auto_answers import (
    LONGEST_NAME,
    LONGEST_TEXT,
    OCCASIONS,
    PROPOSED,
    Filling,
    Words,
    chosen,
    filled,
    name_of,
    opening,
    trouble,
)

TUESDAY = datetime(2026, 11, 24, 9, 0, tzinfo=ZoneInfo("Asia/Tokyo"))


def said(text: str, language: str = "ja", **about: object) -> str:
    return filled(Words("s", text), language, Filling(**about)).text.strip()  # type: ignore[arg-type]


@pytest.mark.parametrize("occasion", OCCASIONS)
def test_the_products_own_words_may_be_used_as_they_are(occasion: str) -> None:
    assert set(PROPOSED[occasion]) == {"ja", "en"}
    for words in PROPOSED[occasion].values():
        for text in (words.subject, words.text):
            assert trouble(text, occasion, most=LONGEST_TEXT) is None


@pytest.mark.parametrize(
    ("text", "name", "reads"),
    [
        ("{name} 様", "山田 太郎", "山田 太郎 様"),
        ("{name} 様", "", "お客様"),
        ("{name}様、", "", "お客様、"),
        ("{name}さん", "http://evil.example", "お客様"),
    ],
)
def test_without_a_name_the_honorific_does_not_come_twice(text: str, name: str, reads: str) -> None:
    assert said(text, name=name) == reads


def test_every_field_is_filled_and_nothing_is_filled_twice() -> None:
    text = "{name}/{mailbox}/{number}/{next_opening}/{else}"
    assert said(text, name="花子", mailbox="{number}", number=7, next_opening=TUESDAY) == (
        "花子/{number}/7/11月24日（火）9:00/{else}"
    )


def test_days_are_written_as_people_write_them() -> None:
    assert opening(TUESDAY, "ja") == "11月24日（火）9:00"
    assert opening(TUESDAY, "en") == "Tuesday 24 November, 9:00"


@pytest.mark.parametrize(
    "name", ["山田 太郎", "Anne O'Brien", "Müller-Lüdenscheidt, Karl", "（株）山田商店", "Dr. Kim"]
)
def test_names_stay_as_they_are(name: str) -> None:
    assert name_of(name) == name


@pytest.mark.parametrize(
    "name", ["see evil.example", "a@b.jp", "http://x", "call 0120", "<b>", "x" * (LONGEST_NAME + 1), "win {name}", "#1"]
)
def test_what_carries_a_message_is_no_name(name: str) -> None:
    assert name_of(name) == ""


@given(st.text(max_size=200), st.text(max_size=200))
def test_whatever_is_written_gives_a_subject_of_one_line(subject: str, name: str) -> None:
    words = filled(Words(subject + "{name}", "{name}"), "en", Filling(name=name))
    assert len(words.subject.splitlines()) <= 1
    assert len(name_of(name)) <= LONGEST_NAME


def test_the_customers_language_goes_first_then_the_mailboxes_then_any() -> None:
    both, one = {"ja": Words("件名", "本文"), "en": Words("s", "t")}, {"ja": Words(), "en": Words("s", "t")}
    assert chosen(both, "en", otherwise="ja")[0] == "en"
    assert chosen(both, "", otherwise="ja")[0] == "ja"
    assert chosen(one, "ja", otherwise="ja")[0] == "en"
    with pytest.raises(ValueError, match="without words"):
        chosen({}, "ja", otherwise="ja")
