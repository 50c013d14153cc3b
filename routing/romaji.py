"""Kana as Latin letters, so that "Yamada" in a greeting is ヤマダ in the customer's record, however it is romanised."""

from __future__ import annotations

import re

_ROWS = {
    "": "あいうえお", "k": "かきくけこ", "s": "さしすせそ", "t": "たちつてと", "n": "なにぬねの", "h": "はひふへほ",
    "m": "まみむめも", "r": "らりるれろ", "g": "がぎぐげご", "z": "ざじずぜぞ", "d": "だぢづでど", "b": "ばびぶべぼ",
    "p": "ぱぴぷぺぽ",
}  # fmt: skip
_KANA = {kana: consonant + vowel for consonant, row in _ROWS.items() for kana, vowel in zip(row, "aiueo", strict=True)}
_KANA |= {"や": "ya", "ゆ": "yu", "よ": "yo", "わ": "wa", "を": "o", "ん": "n", "ゔ": "bu"}
_KANA |= {"ぢ": "zi", "づ": "zu", "ー": ""}
_SMALL = {"ゃ": "ya", "ゅ": "yu", "ょ": "yo", "ぁ": "a", "ぃ": "i", "ぅ": "u", "ぇ": "e", "ぉ": "o"}
# Hepburn and 訓令式 come out alike; long vowels are short.
_ALIKE = (
    (re.compile("sh"), "sy"), (re.compile("ch"), "ty"), (re.compile("j"), "zy"), (re.compile("(?<=[szt])yi"), "i"),
    (re.compile("ts"), "t"), (re.compile("f"), "h"), (re.compile("m(?=[bp])"), "n"), (re.compile("dz"), "z"),
    (re.compile("n'"), "n"), (re.compile("oh(?![aiueoy])"), "o"), (re.compile("ou|oo"), "o"), (re.compile("uu"), "u"),
    (re.compile(r"([kstpgzdb])\1"), r"\1"), (re.compile("ty(?=ty)|t(?=ty)"), ""),
)  # fmt: skip


def romanised(kana: str) -> str:
    """Hiragana in letters that `alike` compares; "" when something else stands in it."""
    out = ""
    for character in kana:
        if character in _SMALL:
            out = out[:-1] + _SMALL[character]
        elif character == "っ":
            continue
        elif character in _KANA:
            out += _KANA[character]
        else:
            return ""
    return alike(out)


def alike(latin: str) -> str:
    """One spelling for Sato, Satou, Satoh; Shimizu, Simizu; Chiba, Tiba. Small letters in and out."""
    for pattern, instead in _ALIKE:
        latin = pattern.sub(instead, latin)
    return latin
