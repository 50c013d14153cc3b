"""The pages for people who answer mail: alike in both languages, in the product's words, with operators that work."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from inbox import search_query
from web.language import catalog

DOCS = Path(__file__).resolve().parent.parent / "docs"
ENGLISH, JAPANESE = (DOCS / "user.md").read_text("utf-8"), (DOCS / "user.ja.md").read_text("utf-8")
OPERATOR = re.compile(r"`((?:from|to|subject|has|is|tag|in|after|before):[^`]+)`")
FOLDERS = ("Unassigned", "Mine", "All open", "Waiting", "Snoozed", "Closed", "Spam")
BUTTONS = (
    "Send and close",
    "Send and wait for the customer",
    "Undo",
    "Take over",
    "Mark as sent",
    "Send again",
    "Read again",
)


def test_both_languages_have_the_same_chapters_and_tables() -> None:
    def shape(text: str) -> list[str]:
        return re.findall(r"^#+|^\|(?=-)", text, re.MULTILINE)

    assert shape(ENGLISH) == shape(JAPANESE)
    assert len(re.findall(r"^\|", ENGLISH, re.MULTILINE)) == len(re.findall(r"^\|", JAPANESE, re.MULTILINE))


@pytest.mark.parametrize("text", [ENGLISH, JAPANESE], ids=["en", "ja"])
def test_every_operator_on_the_page_is_understood(text: str) -> None:
    named = OPERATOR.findall(text)
    assert {one.partition(":")[0] for one in named} == {
        *search_query.FIELDS,
        *("has", "is", "tag", "in", "after", "before"),
    }
    for one in named:
        query = search_query.read(one)
        word = one.partition(":")[2]
        understood = query.statuses or query.owner or query.mailboxes or query.tags or query.before or query.after
        marked = any(term.tokens and term.tokens[0][0] >= "\ue000" for term in query.wanted)
        assert understood or marked, f"{one} is searched as the words {word}"


@pytest.mark.parametrize("word", [*FOLDERS, *BUTTONS])
def test_folders_and_buttons_are_called_as_on_the_screen(word: str) -> None:
    assert word in ENGLISH
    assert catalog("ja").gettext(word) in JAPANESE


def test_both_languages_name_the_same_keys() -> None:
    def keys(text: str) -> list[str]:
        table = text.split("Ctrl K`", 1)[1].split("\n## ", 1)[0]
        return re.findall(r"`([^`]+)`", table)

    assert keys(ENGLISH) == keys(JAPANESE)
