"""Compares what a person typed into a rule with what stands in a mail: one folding, five ways to compare.

ＡＢＣ is abc, ﾊﾝｶｸ is ハンカク is はんかく, ㈱ is (株), １２ is 12, サ－バ－ is サーバー; が stays another letter than
か. Search folds further still (`inbox.mail.search_words`): there ビル may find ビール, here it may not.

A pattern runs on RE2, whose time grows with the length of the text only; what RE2 cannot run is refused when it is
typed.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Literal, get_args

import re2

from routing.refusals import N_

Operator = Literal["contains", "equals", "starts", "word", "pattern"]
OPERATORS: tuple[Operator, ...] = get_args(Operator)

READ = 100_000  # characters of one text that rules look at; what follows is not compared
PATTERN_READ = 20_000  # of which patterns see the first, so that the worst one takes tenths of a second, not seconds
PATTERN_LENGTH = 500  # characters
PATTERN_STEPS = 2_000  # RE2's instructions; [0-9]{3} has 7, .{0,20} has 184
PATTERN_MEMORY = 1 << 20  # bytes of one compiled pattern

KANA = {code: code - 0x60 for code in range(0x30A1, 0x30F7)} | {0x30FD: 0x309D, 0x30FE: 0x309E}  # katakana: hiragana
_DASHES = "‐‑‒–—―−─━－~〜～"
_DASH_AFTER_KANA = re.compile(rf"[-{_DASHES}](?<=[\u3041-\u30ff].)(?=[\u3041-\u30ff]|\W|$)")
_KATAKANA = re.compile("[\u30a1-\u30f6\u30fd\u30fe]+")

# Japanese is written without spaces: one between two of its characters is a wrapped line or an aligned name.
_JAPANESE = "\u3005-\u3007\u3041-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003134f"
_IS_JAPANESE = re.compile(f"[{_JAPANESE}]")
_SCRIPTS = (
    ("katakana", re.compile("[\u30a1-\u30ff]")),
    ("han", re.compile("[々-〇\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]")),
)
_HIRAGANA = re.compile("[\u3041-\u309f]")

_NOT_ASCII = re.compile(r"[^\x00-\x7f]+")
_SYNTAX = frozenset("\\.+*?()[]{}|^$-&~#")
# Folded texts hold no katakana and no capitals, so that these classes would never find anything.
_FOLDED_AWAY = re.compile(r"\\[pP]\{\^?(?:Katakana|Lu|Lt)\}?")


class BadPattern(ValueError):
    """A pattern that cannot run. `message` is an English msgid, `params` fill its placeholders."""

    def __init__(self, message: str, **params: object) -> None:
        super().__init__(message % params)
        self.message, self.params = message, params


@dataclass(frozen=True)
class Words:
    """A text of a mail, made ready for comparing; each form is made when it is first asked for."""

    raw: str

    @cached_property
    def spelt(self) -> str:
        """As written but for width and case; katakana is still katakana."""
        return _spelt(self.raw[:READ])

    @cached_property
    def plain(self) -> str:
        """Folded, with its spaces and lines; as long as `spelt`."""
        return self.spelt if self.spelt.isascii() else _in_hiragana(self.spelt)

    @cached_property
    def close(self) -> str:
        """Folded, spaces run together, none between Japanese characters."""
        return _close(self.plain)

    @cached_property
    def encoded(self) -> bytes:
        """The beginning of `plain` for the pattern engine."""
        return self.plain[:PATTERN_READ].encode("utf-8", "replace")


def folded(text: str) -> str:
    """Text as `contains`, `equals` and `starts` compare it."""
    return Words(text).close


def with_long_vowels(text: str) -> str:
    """Dashes behind kana as the long vowel that they stand for: サ－バ－ to サーバー."""
    return _DASH_AFTER_KANA.sub("ー", text)


def comparison(operator: Operator, values: Sequence[str]) -> Callable[[Words], int | None]:
    """What tells which of `values` (its index) a text first compares so with, None for none. Raises BadPattern.

    contains, equals and starts ignore how spaces stand; a value without any character is never found. word finds the
    value where nothing of the same script touches it: invoice not in invoices, 京都 not in 東京都, ビル not in ビルド;
    particles in hiragana may follow anything. pattern is RE2's syntax on the folded text, found anywhere in it; ^ and $
    are the ends of the text, (?m) makes them the ends of lines.
    """
    if operator == "pattern":
        return _first([_pattern(value) for value in values])
    sought = [Words(value) for value in values]
    if operator == "word":
        return _first([_word(one) for one in sought])
    close = [(number, one.close) for number, one in enumerate(sought) if one.close]
    return {"contains": _contains, "starts": _starts, "equals": _equals}[operator](close)


def check_pattern(pattern: str) -> None:
    """Raises BadPattern, with the reason, when `pattern` cannot run."""
    _pattern(pattern)


def _spelt(text: str) -> str:
    if text.isascii():
        return text.lower()
    return with_long_vowels(unicodedata.normalize("NFKC", text).casefold())


def _in_hiragana(text: str) -> str:
    return _KATAKANA.sub(lambda run: run.group().translate(KANA), text)


def _close(text: str) -> str:
    words = text.split()
    if text.isascii():
        return " ".join(words)
    close: list[str] = []
    after_japanese = True
    for word in words:
        if not (after_japanese and (not close or _IS_JAPANESE.match(word))):
            close.append(" ")
        close.append(word)
        after_japanese = _IS_JAPANESE.match(word[-1]) is not None
    return "".join(close)


def _contains(values: list[tuple[int, str]]) -> Callable[[Words], int | None]:
    def first(text: Words) -> int | None:
        close = text.close
        for number, value in values:
            if value in close:
                return number
        return None

    return first


def _starts(values: list[tuple[int, str]]) -> Callable[[Words], int | None]:
    return lambda text: next((number for number, value in values if text.close.startswith(value)), None)


def _equals(values: list[tuple[int, str]]) -> Callable[[Words], int | None]:
    numbers = {value: number for number, value in reversed(values)}
    return lambda text: numbers.get(text.close)


def _first(checks: list[Callable[[Words], bool]]) -> Callable[[Words], int | None]:
    return lambda text: next((number for number, holds in enumerate(checks) if holds(text)), None)


def _word(sought: Words) -> Callable[[Words], bool]:
    spelt = " ".join(sought.spelt.split())
    if not spelt:
        return lambda text: False
    value = _in_hiragana(spelt)
    first, last = _script(spelt[0]), _script(spelt[-1])

    def is_there(text: Words) -> bool:
        at = text.plain.find(value)
        while at >= 0:
            end = at + len(value)
            if not _touches(text.spelt[at - 1 : at], first) and not _touches(text.spelt[end : end + 1], last):
                return True
            at = text.plain.find(value, at + 1)
        return False

    return is_there


def _touches(neighbour: str, script: str) -> bool:
    return bool(neighbour) and bool(script) and _script(neighbour) == script


@lru_cache(maxsize=5000)
def _script(character: str) -> str:
    """ "" for what ends a word: spaces, signs, hiragana."""
    for name, sign in _SCRIPTS:
        if sign.match(character):
            return name
    return "letter" if character.isalnum() and not _HIRAGANA.match(character) else ""


def _pattern(pattern: str) -> Callable[[Words], bool]:
    if len(pattern) > PATTERN_LENGTH:
        raise BadPattern(N_("A pattern has at most %(most)d characters."), most=PATTERN_LENGTH)
    if lost := _FOLDED_AWAY.search(pattern):
        never = N_("%(part)s never matches: texts are compared in small letters and hiragana.")
        raise BadPattern(never, part=lost.group())
    options = re2.Options()
    options.case_sensitive = False
    options.log_errors = False
    options.never_capture = True
    options.max_mem = PATTERN_MEMORY
    try:
        compiled = re2.compile(_NOT_ASCII.sub(lambda run: _folded_run(run.group()), pattern), options)
    except re2.error as error:
        raise BadPattern(N_("This pattern cannot run: %(told)s"), told=_told(error)) from None
    if compiled.programsize > PATTERN_STEPS:
        raise BadPattern(N_("This pattern repeats too much: make its {…} smaller."))
    return lambda text: compiled.search(text.encoded) is not None


def _folded_run(run: str) -> str:
    """What is not ASCII in a pattern, folded like the texts; a full-width sign stays a sign and becomes no syntax."""
    return "".join("\\" + sign if sign in _SYNTAX else sign for sign in _in_hiragana(_spelt(run)))


def _told(error: re2.error) -> str:
    said = error.args[0] if error.args else ""
    return said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said)
