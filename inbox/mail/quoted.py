"""Finds the words that are new in a reply, apart from quoted words and signature, in some thirty languages.

Text is read line by line. Each line is named once (empty, quote, attribution "On … wrote:", header block "From: …
Sent: …",
marker "-----Original Message-----", rule, phone signature, text); decisions are made on those names alone. Look-ahead
is
bounded, so the time is linear in the input.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from inbox.mail import quote_words as words
from inbox.mail.facts import ParsedMail
from inbox.mail.quoted_html import QUOTE_END, QUOTE_START, with_quotes_marked
from inbox.mail.quoted_lines import (
    ATTRIBUTION,
    EMPTY,
    HEADER,
    JUDGED,
    LINE_JUDGED,
    MARKER,
    QUOTE,
    RULE,
    SENT_FROM,
    TEXT,
    Line,
    closes_attribution,
    named_lines,
)

SIGNATURE_LINES = 15
SHORT_TAIL = 3


_PROPER_DASHES = re.compile(r"\s*(?:--|—|__)\s*$")
_AROUND_CLOSING = " ,.!\u3001\u3002\uff0c\uff01"
_DASHED_NAME = re.compile(r"\s*-\s?[^\W\d_]{2,}(?:\s[^\W\d_]+){0,2}\s*$")


@dataclass(frozen=True, slots=True)
class NewWords:
    """`text`: the new words. `quoted_at`: the offset in the given text from which on nothing is new, None if nothing
    is folded."""

    text: str
    quoted_at: int | None


def new_words(text: str) -> NewWords:
    """The new words of a plain text body. Never raises; if nothing seems new the whole text counts as new."""
    lines = named_lines(text)
    return _decide(text, lines, keep_single_quote=True)


def new_words_of(mail: ParsedMail) -> NewWords:
    """The new words of a mail, from its text or, if it has none, its HTML (then `quoted_at` is None)."""
    if mail.text.strip() or not mail.html:
        return new_words(mail.text)
    return NewWords(new_words_of_html(mail.html), None)


def new_words_of_html(html: str) -> str:
    """The new words of an HTML body as text; quoting elements are recognised by structure, the rest as in text."""
    marked = with_quotes_marked(html)
    if QUOTE_START not in marked:
        return _decide(marked, named_lines(marked), keep_single_quote=False).text
    plain, quoted_lines = _unmark(marked)
    return _decide(plain, named_lines(plain, quoted_lines), keep_single_quote=False).text


def _unmark(marked: str) -> tuple[str, set[int]]:
    """Text without the quote marks, and the numbers of the lines that stood between them."""
    kept: list[str] = []
    quoted: set[int] = set()
    depth = 0
    for line in marked.split("\n"):
        if line.strip() == QUOTE_START:
            depth += 1
        elif line.strip() == QUOTE_END:
            depth = max(0, depth - 1)
        else:
            if depth:
                quoted.add(len(kept))
            kept.append(line.replace(QUOTE_START, "").replace(QUOTE_END, ""))
    return "\n".join(kept), quoted


# -- deciding on the names
# ----------------------------------------------------------------------------------------------


def _decide(text: str, lines: list[Line], *, keep_single_quote: bool) -> NewWords:
    pattern = "".join(line.kind for line in lines)
    first = _first_new(pattern)
    if first is None or TEXT not in pattern[first:]:
        return _nothing_new(text, pattern)
    if _only_forwarded(pattern):
        return NewWords(_join(line.text for line in lines) + text[JUDGED:], None)
    end = _before_old_mail(pattern, first)
    end = _before_signature(lines, first, end)
    end = _before_quotation(pattern, first, end)
    end = _without_trailing(lines, first, end)
    end = _before_closing(lines, first, end)
    end = _before_dashed_name(lines, first, end)
    kept = _kept(lines, first, end, keep_single_quote=keep_single_quote)
    tail = text[JUDGED:] if end == len(lines) else ""
    new = _join(lines[number].text for number in kept) + tail
    if not new.strip():
        return _nothing_new(text, pattern)
    return NewWords(new, lines[end].start if end < len(lines) else None)


def _nothing_new(text: str, pattern: str) -> NewWords:
    """A mail that is nothing but a quotation under its attribution says nothing new; any other one is shown whole."""
    if ATTRIBUTION in pattern or (QUOTE in pattern and _quotes_an_attribution(text)):
        return NewWords("", 0)
    return NewWords(text.strip("\r\n"), None)


def _quotes_an_attribution(text: str) -> bool:
    first = text.lstrip()[:LINE_JUDGED].split("\n", 1)[0].lstrip("> ").strip()
    return bool(words.STARTS_LIKE_ATTRIBUTION.match(first) and closes_attribution(first))


def _only_forwarded(pattern: str) -> bool:
    """True for a forwarded mail and nothing above it: that is what there is to read."""
    return (
        MARKER in pattern
        and TEXT not in pattern[: pattern.index(MARKER)]
        and ATTRIBUTION not in pattern[: pattern.index(MARKER)]
    )


def _first_new(pattern: str) -> int | None:
    """The first line that can be new: attributions at the very top are passed over, and a quotation with one answer
    below it."""
    at = _TOP.match(pattern).end()
    if len(_ANSWERED_QUOTATION.findall(pattern, at, at + 5000)) < 2:  # else the questions stay with their answers
        at = _TOP_QUOTATION.match(pattern, at).end()
    return at if at < len(pattern) else None


_TOP = re.compile("(?:[ear]*[ah][eahr]*)?")
_ANSWERED_QUOTATION = re.compile("q[eqa]*[ts]")
_TOP_QUOTATION = re.compile("(?:e*q[eqa]*(?=t))?")
_OLD_MAIL = re.compile("[mh]")
_AFTER_ATTRIBUTION = re.compile("a+e*")
_QUOTATION = re.compile("q[qea]*")


def _before_old_mail(pattern: str, first: int) -> int:
    """The line at which "-----Original Message-----" or a header block begins, else the end."""
    found = _OLD_MAIL.search(pattern, first)
    return found.start() if found else len(pattern)


def _before_quotation(pattern: str, first: int, end: int) -> int:
    """`end` moved up over a quotation below which nobody answers."""
    at = pattern.find(ATTRIBUTION, first, end)
    while at >= 0:
        after = _AFTER_ATTRIBUTION.match(pattern, at, end).end()
        quote = _QUOTATION.match(pattern, after, end)
        below = pattern[quote.end() if quote else after : end]
        if TEXT not in below or (not quote and TEXT in pattern[first:at]):  # many programs quote without marks
            return at
        at = pattern.find(ATTRIBUTION, quote.end() if quote else after, end)
    last_text = pattern.rfind(TEXT, first, end)
    if QUOTE in pattern[last_text + 1 : end]:
        return last_text + 1
    return end


def _without_trailing(lines: list[Line], first: int, end: int) -> int:
    while end > first and lines[end - 1].kind in (EMPTY, RULE, SENT_FROM):
        end -= 1
    return end


def _before_signature(lines: list[Line], first: int, end: int) -> int:
    """`end` moved up to the rule that opens a signature."""
    first_text = next((number for number in range(first, end) if lines[number].kind == TEXT), end)
    for number in range(first_text + 1, end):
        if lines[number].kind == RULE and _opens_signature(lines, number, end):
            return number
    return end


def _opens_signature(lines: list[Line], at: int, end: int) -> bool:
    below = []
    for line in lines[at + 1 : min(end, at + 2 + 2 * SIGNATURE_LINES)]:
        if line.kind in (ATTRIBUTION, QUOTE):
            break
        below.append(line)
    if _PROPER_DASHES.match(lines[at].text[:20]):
        return bool(below) or at + 1 == end
    rest = [line for line in below if line.kind not in (EMPTY, RULE)]
    if len(rest) <= SHORT_TAIL:
        return not any("。" in line.text for line in rest)
    block = [line.text for line in below[: next((n for n, line in enumerate(below) if line.kind == RULE), len(below))]]
    return len(rest) <= SIGNATURE_LINES and any(words.POSSIBLE_CONTACT.search(text[:LINE_JUDGED]) for text in block)


def _before_closing(lines: list[Line], first: int, end: int) -> int:
    seen = 0
    for number in range(end - 1, first, -1):
        text = lines[number].text[:LINE_JUDGED].strip()
        if not text:
            continue
        if text.strip(_AROUND_CLOSING).lower() in words.CLOSINGS and any(
            line.kind == TEXT for line in lines[first:number]
        ):
            return _without_trailing(lines, first, number)
        seen += 1
        if seen > SIGNATURE_LINES // 2:
            break
    return end


def _before_dashed_name(lines: list[Line], first: int, end: int) -> int:
    """ "-Jane Doe" alone on the last line signs; in a list of such lines it does not."""
    last = end - 1
    if last - 1 <= first or lines[last - 1].kind != EMPTY or not _DASHED_NAME.match(lines[last].text[:80]):
        return end
    if any(line.text.lstrip().startswith(("-", "*")) for line in lines[max(first, last - 40) : last]):
        return end
    return _without_trailing(lines, first, last)


def _kept(lines: list[Line], first: int, end: int, *, keep_single_quote: bool) -> list[int]:
    """The numbers of the lines to show: quoted lines stay only where answers stand between or below them."""
    numbers = range(first, end)
    pattern = "".join(lines[number].kind for number in numbers)
    dropped = {ATTRIBUTION, SENT_FROM, HEADER}
    if (
        QUOTE in pattern
        and not _answers_between(pattern)
        and (not keep_single_quote or _only_a_closing_follows(lines, first, end))
    ):
        dropped.add(QUOTE)
    return [number for number in numbers if lines[number].kind not in dropped]


def _answers_between(pattern: str) -> bool:
    return re.search(r"q[ea]*t[ets]*[eas]*q", pattern) is not None


def _only_a_closing_follows(lines: list[Line], first: int, end: int) -> bool:
    """True if below the quotation there is no answer but "Regards, Jane"."""
    tail = []
    for number in range(end - 1, first, -1):
        if lines[number].kind == QUOTE:
            break
        if lines[number].kind == TEXT:
            tail.append(lines[number].text[:LINE_JUDGED].strip())
            if len(tail) > 2:
                return False
    return bool(tail) and (
        words.ENGLISH_CLOSING.match(tail[-1]) is not None or tail[-1].strip(" ,.!").lower() in words.CLOSINGS
    )


def _join(texts) -> str:
    """Lines as text without blank lines at the ends; several blank lines in a row stay, they were written so."""
    return "\n".join(text.rstrip("\r") for text in texts).strip("\n\r").rstrip()
