"""In which language is a text written? By its script; among Latin ones by small words. Good enough for routing."""

from __future__ import annotations

import re
from collections.abc import Mapping

READ = 5_000  # characters

_KANA = re.compile("[\u3041-\u30ff\uff66-\uff9f]")
_HANGUL = re.compile("[\uac00-\ud7af\u1100-\u11ff]")
_HAN = re.compile("[\u3400-\u4dbf\u4e00-\u9fff]")
_OTHERS: Mapping[str, re.Pattern[str]] = {
    "ru": re.compile("[\u0400-\u04ff]"),
    "el": re.compile("[\u0370-\u03ff]"),
    "he": re.compile("[\u0590-\u05ff]"),
    "ar": re.compile("[\u0600-\u06ff]"),
    "th": re.compile("[\u0e00-\u0e7f]"),
}
_LATIN = re.compile("[A-Za-zÀ-ɏ]+")
_WORDS = """
en the and is are you we our your this that with for have not please of to in my i it
de der die das und ist nicht ein eine mit für wir sie ihre ich auf bitte von zu wurde haben
fr le la les et est pas un une avec pour nous vous votre je sur merci de du des que
es el la los y es no un una con para nosotros su yo por gracias de del que se mi
it il la gli e non un una con per noi voi vostro io su grazie di del che sono mio
pt o a os e não um uma com para nós você seu eu por obrigado de do que em meu
nl de het een en is niet met voor wij uw ik op van dat deze graag bedankt zijn mijn
"""
_SMALL_WORDS: Mapping[str, frozenset[str]] = {
    line.split()[0]: frozenset(line.split()[1:]) for line in _WORDS.strip().splitlines()
}
HAN_ALONE = 60  # Han characters without any kana: from so many on it is Chinese, below a Japanese heading


def language_of(text: str) -> str:
    """The ISO 639-1 code, "" when it cannot be told."""
    text = text[:READ]
    if _KANA.search(text):
        return "ja"
    if len(_HANGUL.findall(text)) > 1:
        return "ko"
    han = len(_HAN.findall(text))
    if han:
        return "zh" if han >= HAN_ALONE else "ja"
    letters = len("".join(_LATIN.findall(text)))
    for language, script in _OTHERS.items():
        if len(script.findall(text)) > letters:
            return language
    return _latin(text)


def _latin(text: str) -> str:
    words = [word.lower() for word in _LATIN.findall(text)]
    if not words:
        return ""
    counts = {language: sum(word in small for word in words) for language, small in _SMALL_WORDS.items()}
    best = max(counts, key=lambda language: counts[language])
    return best if counts[best] else "en" if text.isascii() else ""
