"""One tokeniser for SQLite FTS5 and PostgreSQL: words of alphabetic scripts, overlapping pairs of characters for
Chinese, Japanese, Korean.

"鯖缶詰" is stored as 鯖缶 缶詰 詰, so that two characters find what a dictionary would not know. Both sides are folded
alike: full and half width, upper and lower case, hiragana and katakana, small kana, long vowels and the many dashes.
Queries are only ever built from such tokens, so nothing that a person types can be syntax.
"""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterator
from itertools import zip_longest

from routing.words import KANA, with_long_vowels

MAX_WORD = 60  # characters of one word; longer ones (base64, tracking codes) are indexed by their beginning
CHUNK = 8000  # characters; PostgreSQL keeps positions of a tsvector only up to 16,383
OVERLAP = 20
INDEXED = 400_000  # characters of one text; what follows is not searched
POSITIONS = 16_383  # of a tsvector
SAME_WORD = 255  # positions of one word in a tsvector

_CJK = (
    "\u3005-\u3007\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uac00-\ud7af\u1100-\u11ff"
    "\U00020000-\U0003134f"
)
_RUN = re.compile(rf"([{_CJK}]+)|([^\W_{_CJK}]+)")
_WORD = re.compile("[a-z0-9]+")
_CHARACTER = re.compile(f"[{_CJK}]")
# Two characters that are no letters, so that no run contains them: between runs, and in place of a word.
_SEAM, _A_WORD = "\x01", "\ue000"
_OVER_A_SEAM = re.compile(f"{_SEAM}. ")
_SMALL = "ぁぃぅぇぉっゃゅょゎゕゖ"
_LARGE = "あいうえおつやゆよわかけ"
_FOLDED = KANA | {ord(small): ord(large) for small, large in zip(_SMALL, _LARGE, strict=True)}
_FOLDED |= {ord(small) + 0x60: ord(large) for small, large in zip(_SMALL, _LARGE, strict=True)}
# A hundred `str.replace`, which look for one character each, take a seventh of the time of one `str.translate`.
_REPLACED = tuple((chr(one), chr(other)) for one, other in _FOLDED.items())
# The long vowel and the middle dot may be written or not (サーバー, サーバ; ユーザー・ガイド): neither is kept.
_DROPPED = re.compile("[ー・゛゜]")
_ACCENT = re.compile("[\u0300-\u036f]")
_MAY_HAVE_ACCENT = re.compile("[\u00c0-\u024f\u1e00-\u1eff\u0300-\u036f]")


def folded(text: str) -> str:
    """Text as it is compared: NFKC, lower case, hiragana for katakana, large kana for small, no long vowels, no
    accents on Latin."""
    if text.isascii():
        return text.replace("\0", " ").lower()
    text = unicodedata.normalize("NFKC", text.replace("\0", " ")).casefold()
    text = _DROPPED.sub("", with_long_vowels(text))
    if text.isascii():
        return text
    for one, other in _REPLACED:
        text = text.replace(one, other)
    return _without_accents(text)


def _without_accents(text: str) -> str:
    """Latin letters without accents; voiced kana stay (が is another letter than か)."""
    if _MAY_HAVE_ACCENT.search(text) is None:
        return text
    return unicodedata.normalize("NFC", _ACCENT.sub("", unicodedata.normalize("NFD", text)))


def index_words(text: str) -> str:
    """The tokens of a text, separated by spaces, for the index."""
    text = folded(text)
    if text.isascii():
        return " ".join([word[:MAX_WORD] for word in _WORD.findall(text)])
    runs = _RUN.findall(text)
    words = [word[:MAX_WORD] for _cjk, word in runs if word]
    pairs = _in_pairs(_SEAM.join([cjk or _A_WORD for cjk, _word in runs]))
    return "".join([part for both in zip_longest(pairs.split(_A_WORD), words, fillvalue="") for part in both])


def _in_pairs(runs: str) -> str:
    """鯖缶詰 becomes 鯖缶 缶詰 詰: the last character stands alone, so that a prefix search for one character finds it.

    The text is laid into each third place, once more one character later, and blanks between: for whole texts at once,
    several times faster than pair by pair. Pairs that lead over a seam are mended afterwards.
    """
    units = runs.encode("utf-16-le")
    if len(units) != 2 * len(runs):  # characters of two units
        return " ".join([run[at : at + 2] for run in runs.split(_SEAM) for at in range(len(run))])
    laid = bytearray(b" \0" * (3 * len(runs)))
    for unit in (0, 1):
        laid[unit::6] = units[unit::2]
        laid[2 + unit : -6 : 6] = units[2 + unit :: 2]
    return _OVER_A_SEAM.sub("", laid[:-4].decode("utf-16-le")).replace(_SEAM, "")


def with_characters(words: str) -> str:
    """Index words, and after them each character of Chinese, Japanese and Korean once, for who searches for one alone.

    For SQLite, which would otherwise have to put together all pairs that begin with it. PostgreSQL's index finds them.
    """
    return f"{words} {' '.join(sorted(_CHARACTER.findall(''.join(set(words)))))}" if not words.isascii() else words


def chunks(text: str, *, size: int = CHUNK, overlap: int = OVERLAP) -> Iterator[str]:
    """The text in pieces of `size` characters that share `overlap` characters, so that no word is lost at a seam."""
    step = size - overlap
    for start in range(0, max(1, len(text) - overlap), step):
        yield text[start : start + size]


def words_of(found: str, *, in_pieces: bool) -> tuple[str, ...]:
    """The index's words of a text: for SQLite in one, for PostgreSQL a `vector` for each piece. Needs no database and
    takes its time."""
    if not in_pieces:
        return (with_characters(index_words(found[:INDEXED])),)
    return tuple(vector(index_words(piece)) for piece in chunks(found[:INDEXED]))


def vector(words: str) -> str:
    """A tsvector literal; made here so that no parser or locale of the server has a say in what a word is."""
    positions: defaultdict[str, list[str]] = defaultdict(list)
    for word, at in zip(words.split(), _POSITIONS, strict=False):
        positions[word].append(at)
    return " ".join([f"'{word}':{','.join(where[:SAME_WORD])}" for word, where in positions.items()])


_POSITIONS = tuple(map(str, range(1, POSITIONS + 1)))
