"""How rules compare words, in Japanese and English."""

from __future__ import annotations

import time
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing.words import (
    OPERATORS,
    PATTERN_LENGTH,
    PATTERN_READ,
    READ,
    BadPattern,
    Words,
    check_pattern,
    comparison,
    folded,
)


def holds(operator: str, value: str, text: str) -> bool:
    return comparison(operator, [value])(Words(text)) is not None


@pytest.mark.parametrize(
    ("operator", "value", "text"),
    [
        ("contains", "㈱山田商店", "お世話になります。（株）山田商店です"),
        ("contains", "ﾊﾝｶｸ", "これははんかくです"),
        ("equals", "ガギグ", "ｶﾞｷﾞｸﾞ"),
        ("equals", "がぎぐ", "か\u3099き\u3099く\u3099"),
        ("contains", "注文１２３", "注文123 の件"),
        ("contains", "ＩＮＶＯＩＣＥ", "Your invoice"),
        ("contains", "サ－バ－", "サーバーが落ちました"),
        ("contains", "ｻｰﾊﾞｰ", "さーばー"),
        ("contains", "請求書", "ご請\r\n求書の件"),
        ("contains", "山田太郎", "山田　太郎様"),
        ("contains", "ご 請求", "ご請求"),
        ("contains", "unit price", "the unit\n   price is"),
        ("contains", "STRASSE", "Hauptstraße 3"),
        ("equals", " VIP ", "vip"),
        ("starts", "re:", "ＲＥ：見積"),
        ("starts", "【至急】", "  【至急】ご確認"),
        ("word", "invoice", "The INVOICE, please"),
        ("word", "請求", "請求の件"),
        ("word", "京都", "京都へ"),
        ("word", "ビル", "そのビルは"),
        ("word", "ﾋﾞﾙ", "ビル管理"),
        ("word", "C++", "in C++ and C"),
        ("word", "かいやく", "もうかいやくします"),
        ("word", "invoice", "invoices, and one invoice"),
        ("pattern", r"注文\s*No\.?\s*\d{4}", "注文 ＮＯ．１２３４"),
        ("pattern", "[ァ-ヶー]{3,}", "ﾌﾟﾘﾝﾀｰ"),
        ("pattern", r"[０-９]{3}-\d{4}", "〒１２３－４５６７"),
        ("pattern", "（至急）", "【(至急)】"),
        ("pattern", "^re:", "Re: x"),
        ("pattern", "(?m)^解約", "お世話です\n解約します"),
        ("pattern", "請求書|領収証", "領収証をください"),
    ],
)
def test_it_holds(operator: str, value: str, text: str) -> None:
    assert holds(operator, value, text)


@pytest.mark.parametrize(
    ("operator", "value", "text"),
    [
        ("contains", "か", "がぎぐ"),
        ("contains", "ビル", "ビール"),
        ("contains", "きや", "きゃ"),
        ("contains", "ab", "a b"),
        ("equals", "見積", "見積書"),
        ("equals", "0", ""),
        ("starts", "至急", "大至急"),
        ("word", "invoice", "invoices"),
        ("word", "invoice", "re-invoice2"),
        ("word", "京都", "東京都"),
        ("word", "請求", "請求書"),
        ("word", "ビル", "ビルド"),
        ("word", "12", "123"),
        ("pattern", "^見積", "お見積"),
        ("pattern", "（.）", "あ"),
        ("pattern", "a．c", "abc"),
    ],
)
def test_it_does_not_hold(operator: str, value: str, text: str) -> None:
    assert not holds(operator, value, text)


@pytest.mark.parametrize("operator", ["contains", "equals", "starts", "word"])
def test_nothing_is_never_found(operator: str) -> None:
    assert not holds(operator, "　", "anything")
    assert not holds(operator, "", "")


@pytest.mark.parametrize(
    ("pattern", "told"),
    [
        ("(", "missing )"),
        ("[a", "missing ]"),
        ("a**", "bad repetition"),
        ("(?=x)", "perl operator"),
        ("(?<!x)y", "perl operator"),
        (r"(a)\1", "escape sequence"),
        ("x{1001}", "repetition size"),
        ("((a{100}){100}){100}", "repetition size"),
        ("[^c]{900}c", "repeats too much"),
        (r"\p{Katakana}+", "Katakana"),
        (r"\p{Lu}", "Lu"),
        ("a" * (PATTERN_LENGTH + 1), "500"),
    ],
)
def test_a_pattern_that_cannot_run_is_refused_with_its_reason(pattern: str, told: str) -> None:
    with pytest.raises(BadPattern, match=told.replace(")", r"\)")) as refused:
        check_pattern(pattern)
    assert refused.value.message % refused.value.params == str(refused.value)


@pytest.mark.parametrize("operator", OPERATORS)
def test_the_first_value_that_compares_is_told(operator: str) -> None:
    assert comparison(operator, ["見積", "請求", "せいきゅう", "請求"])(Words("請求")) == 1
    assert comparison(operator, ["請求", "請求"])(Words("請求")) == 0
    assert comparison(operator, ["見積", "解約"])(Words("請求")) is None


def test_a_pattern_that_hangs_other_engines_runs_in_linear_time() -> None:
    evil = comparison("pattern", ["^(a+)+$"])
    started = time.process_time()
    assert evil(Words("a" * 15_000 + "!")) is None
    assert time.process_time() - started < 5.0


def test_only_the_beginning_of_a_very_long_text_is_compared() -> None:
    text = Words("x" * READ + "needle")
    assert comparison("pattern", ["needle"])(Words("x" * PATTERN_READ + "needle")) is None
    assert {comparison(operator, ["needle"])(text) for operator in OPERATORS} == {None}


@given(st.text(max_size=80))
def test_a_text_equals_itself(text: str) -> None:
    assert holds("equals", text, text) == bool(folded(text))
    assert len(Words(text).plain) == len(Words(text).spelt), "a word's neighbours are looked up in the other"


@given(st.text(max_size=10), st.text(max_size=40))
def test_what_equals_or_starts_is_contained(value: str, text: str) -> None:
    if holds("equals", value, text):
        assert holds("starts", value, text)
    if holds("starts", value, text):
        assert holds("contains", value, text)


@given(st.text(max_size=30), st.text(max_size=60))
def test_a_pattern_is_refused_or_runs(pattern: str, text: str) -> None:
    with suppress(BadPattern):
        assert comparison("pattern", [pattern])(Words(text)) in (0, None)


@given(st.text(alphabet="アイウガギグパピッャヴー", min_size=1, max_size=12))
def test_katakana_and_hiragana_are_one(word: str) -> None:
    hiragana = "".join(chr(ord(one) - 0x60) if "ァ" <= one <= "ヶ" else one for one in word)
    for operator in ("contains", "equals", "starts", "word", "pattern"):
        assert holds(operator, word, hiragana)
