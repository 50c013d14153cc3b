"""Finds the words that are new in a reply, apart from quoted words and signature, in some thirty languages.

Text is read line by line. Each line is named once (empty, quote, attribution "On … wrote:", header block "From: … Sent: …",
marker "-----Original Message-----", rule, phone signature, text); decisions are made on those names alone. Look-ahead is
bounded, so the time is linear in the input.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from inbox.mail import quote_words as words
from inbox.mail.facts import ParsedMail
from inbox.mail.quoted_html import QUOTE_END, QUOTE_START, with_quotes_marked

JUDGED = 500_000  # characters; what follows them belongs to whatever stands there
LINES_JUDGED = 20_000  # lines after these are quoted or text, nothing finer
LINE_JUDGED = 400  # characters of one line
ATTRIBUTION_LINES = 7  # "On … <address> wrote:" wrapped by several programs in turn
ATTRIBUTION_LENGTH = 400
HEADER_BLOCK_LINES = 16
SIGNATURE_LINES = 15
SHORT_TAIL = 3

EMPTY, TEXT, QUOTE, ATTRIBUTION, HEADER, MARKER, RULE, SENT_FROM = "e", "t", "q", "a", "h", "m", "r", "s"

_QUOTE_PREFIX = re.compile(r"\s{0,3}(?:[>＞]|&gt;|[A-Z]{1,3}>(?:\s|$)|\|(?:\s|$))")
_RULE = re.compile(r"\s*(?:—|[-_]{2,}|[-_=*~#+—–―─━＿－＝＊＃•·◆◇■□★☆▼▲┏┓┗┛┃☆/\s.:]{4,})\s*$")
_PROPER_DASHES = re.compile(r"\s*(?:--|—|__)\s*$")
_DASHED_NAME = re.compile(r"\s*-\s?[^\W\d_]{2,}(?:\s[^\W\d_]+){0,2}\s*$")
_INVISIBLE = dict.fromkeys(map(ord, "\u200b\u200e\u200f\u202a\u202c\u2060\ufeff"))


@dataclass(frozen=True, slots=True)
class NewWords:
    """`text`: the new words. `quoted_at`: the offset in the given text from which on nothing is new, None if nothing is folded."""

    text: str
    quoted_at: int | None


@dataclass(slots=True)
class _Line:
    start: int
    text: str  # without the line end
    kind: str = TEXT


def new_words(text: str) -> NewWords:
    """The new words of a plain text body. Never raises; if nothing seems new the whole text counts as new."""
    lines = _named_lines(text)
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
        return _decide(marked, _named_lines(marked), keep_single_quote=False).text
    plain, quoted_lines = _unmark(marked)
    return _decide(plain, _named_lines(plain, quoted_lines), keep_single_quote=False).text


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


# -- naming the lines ---------------------------------------------------------------------------------------------------


def _named_lines(text: str, quoted_lines: set[int] = frozenset()) -> list[_Line]:
    lines = _split(text)
    for number, line in enumerate(lines):
        if not line.text or line.text.isspace():
            line.kind = EMPTY
        elif number in quoted_lines or _is_quote(line.text):
            line.kind = QUOTE
    at = 0
    while at < min(len(lines), LINES_JUDGED):
        at += _name(lines, at) if lines[at].kind == TEXT else 1
    _mend_wrapped_quotes(lines)
    return lines


def _split(text: str) -> list[_Line]:
    lines: list[_Line] = []
    start = 0
    for raw in text[:JUDGED].split("\n"):
        shared = words.SHARED_LINE.search(raw, 1) if raw.endswith(("wrote:", "wrote: ", "sent:")) and len(raw) < LINE_JUDGED else None
        if shared and raw[: shared.start()].strip(" \t>*_-"):
            lines.append(_Line(start, raw[: shared.start()]))
            lines.append(_Line(start + shared.start(), raw[shared.end() :]))
        else:
            lines.append(_Line(start, raw))
        start += len(raw) + 1
    return lines


def _is_quote(text: str) -> bool:
    match = _QUOTE_PREFIX.match(text, 0, 20)
    return bool(match) and not (text.lstrip().startswith("|") and len(text.strip()) > 1 and text.rstrip().endswith("|"))


def _name(lines: list[_Line], at: int) -> int:
    """Names the line, or the group of lines that begins at it; returns how many lines were named."""
    text = lines[at].text[:LINE_JUDGED].translate(_INVISIBLE).strip()
    if length := _attribution_length(lines, at, text):
        return _mark(lines, at, length, kind=ATTRIBUTION)
    if length := _header_block_length(lines, at):
        return _mark(lines, at, length, kind=HEADER)
    if words.ANNOUNCES_FORWARD.match(text) or (text[0] in "-_=*~—–―" and words.BETWEEN_RULES.match(text)):
        return _mark(lines, at, 1, kind=MARKER)
    if _RULE.match(text):
        return _mark(lines, at, 1, kind=RULE)
    if len(text) < 120 and words.SENT_FROM.match(text):
        return _mark(lines, at, 1, kind=SENT_FROM)
    return 1


def _mark(lines: list[_Line], at: int, length: int, *, kind: str) -> int:
    for line in lines[at : at + length]:
        line.kind = kind
    return length


def _attribution_length(lines: list[_Line], at: int, text: str) -> int:
    """How many lines the attribution that begins here takes ("On … wrote:"), 0 if none begins."""
    if len(text) < 200 and (words.NAME_AND_ADDRESS_WROTE.match(text) or words.NAME_WROTE_JA.match(text)):
        return 1
    if "@" in text[:200] and len(text) < 200 and words.ENDS_WITH_WROTE.search(text) and words.HAS_DATE.search(text):
        return 1
    if not words.STARTS_LIKE_ATTRIBUTION.match(text):
        return 0
    if words.DATE_ZONE_AND_NAME.match(text) and _next_kind(lines, at + 1) in (EMPTY, QUOTE, ""):
        return 1
    if words.ENDS_WITH_BARE_ADDRESS.search(text) and text[0].isdigit() and _next_kind(lines, at + 1) in (EMPTY, QUOTE):
        return 1
    joined = ""
    for offset, line in enumerate(lines[at : at + ATTRIBUTION_LINES]):
        part = line.text[:LINE_JUDGED].translate(_INVISIBLE).strip()
        if offset and part and words.STARTS_LIKE_ATTRIBUTION.match(part) and words.HAS_DATE.search(joined):
            return 0  # another one begins: what came before was a sentence
        joined = joined[:-1] + part if joined.endswith("=") else f"{joined} {part}"
        if len(joined) > ATTRIBUTION_LENGTH:
            return 0
        if part and part[-1] in ":\uff1a-*ル" and _closes_attribution(joined):
            return offset + 1
    return 0


def _closes_attribution(joined: str) -> bool:
    if not words.HAS_DATE.search(joined):
        return False
    return bool(
        words.ENDS_WITH_WROTE.search(joined)
        or words.ENDS_WITH_JA_WROTE.search(joined)
        or words.ENDS_WITH_ADDRESS.search(joined)
        or words.HAS_WROTE_THEN_NAME.search(joined)
    )


def _next_kind(lines: list[_Line], at: int) -> str:
    return lines[at].kind if at < len(lines) else ""


def _header_block_length(lines: list[_Line], at: int) -> int:
    """How many lines a block "From: … / Sent: … / To: …" takes that begins here, 0 if none begins."""
    if _header_kind(lines[at].text) not in ("from", "date"):
        return 0
    kinds: set[str] = set()
    last = at
    loose = 0
    for number in range(at, min(at + HEADER_BLOCK_LINES, len(lines))):
        kind = _header_kind(lines[number].text)
        if kind:
            kinds.add(kind)
            last, loose = number, 0
            continue
        loose += 1
        if loose > 3 or (lines[number].kind == EMPTY and _header_kind(lines[min(number + 1, len(lines) - 1)].text) == ""):
            break
    complete = {"from", "date"} <= kinds or {"date", "to"} <= kinds or len(kinds - {"other"}) >= 3
    return last - at + 1 if complete else 0


def _header_kind(text: str) -> str:
    head = text[:60].replace("\uff1a", ":")
    colon = head.find(":")
    if colon < 1:
        return ""
    return words.HEADER_KIND.get(head[:colon].translate(_INVISIBLE).strip("*_ \t\xa0").lower(), "")


def _mend_wrapped_quotes(lines: list[_Line]) -> None:
    """A long quoted line that a program broke leaves its rest unmarked between two quoted lines."""
    for before, line, after in zip(lines, lines[1:], lines[2:], strict=False):
        if line.kind == TEXT and before.kind == after.kind == QUOTE and len(before.text) >= 60 > len(line.text):
            line.kind = QUOTE


# -- deciding on the names ----------------------------------------------------------------------------------------------


def _decide(text: str, lines: list[_Line], *, keep_single_quote: bool) -> NewWords:
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
    return bool(words.STARTS_LIKE_ATTRIBUTION.match(first) and _closes_attribution(first))


def _only_forwarded(pattern: str) -> bool:
    """True for a forwarded mail and nothing above it: that is what there is to read."""
    return MARKER in pattern and TEXT not in pattern[: pattern.index(MARKER)] and ATTRIBUTION not in pattern[: pattern.index(MARKER)]


def _first_new(pattern: str) -> int | None:
    """The first line that can be new: attributions at the very top are passed over, and a quotation with one answer below it."""
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


def _without_trailing(lines: list[_Line], first: int, end: int) -> int:
    while end > first and lines[end - 1].kind in (EMPTY, RULE, SENT_FROM):
        end -= 1
    return end


def _before_signature(lines: list[_Line], first: int, end: int) -> int:
    """`end` moved up to the rule that opens a signature."""
    first_text = next((number for number in range(first, end) if lines[number].kind == TEXT), end)
    for number in range(first_text + 1, end):
        if lines[number].kind == RULE and _opens_signature(lines, number, end):
            return number
    return end


def _opens_signature(lines: list[_Line], at: int, end: int) -> bool:
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


def _before_closing(lines: list[_Line], first: int, end: int) -> int:
    seen = 0
    for number in range(end - 1, first, -1):
        text = lines[number].text[:LINE_JUDGED].strip()
        if not text:
            continue
        if text.strip(" ,.!,、。").lower() in words.CLOSINGS and any(line.kind == TEXT for line in lines[first:number]):
            return _without_trailing(lines, first, number)
        seen += 1
        if seen > SIGNATURE_LINES // 2:
            break
    return end


def _before_dashed_name(lines: list[_Line], first: int, end: int) -> int:
    """"-Jane Doe" alone on the last line signs; in a list of such lines it does not."""
    last = end - 1
    if last - 1 > first and lines[last - 1].kind == EMPTY and _DASHED_NAME.match(lines[last].text[:80]):
        if not any(line.text.lstrip().startswith(("-", "*")) for line in lines[max(first, last - 40) : last]):
            return _without_trailing(lines, first, last)
    return end


def _kept(lines: list[_Line], first: int, end: int, *, keep_single_quote: bool) -> list[int]:
    """The numbers of the lines to show: quoted lines stay only where answers stand between or below them."""
    numbers = range(first, end)
    pattern = "".join(lines[number].kind for number in numbers)
    dropped = {ATTRIBUTION, SENT_FROM, HEADER}
    if QUOTE in pattern and not _answers_between(pattern) and (not keep_single_quote or _only_a_closing_follows(lines, first, end)):
        dropped.add(QUOTE)
    return [number for number in numbers if lines[number].kind not in dropped]


def _answers_between(pattern: str) -> bool:
    return re.search(r"q[ea]*t[ets]*[eas]*q", pattern) is not None


def _only_a_closing_follows(lines: list[_Line], first: int, end: int) -> bool:
    """True if below the quotation there is no answer but "Regards, Jane"."""
    tail = []
    for number in range(end - 1, first, -1):
        if lines[number].kind == QUOTE:
            break
        if lines[number].kind == TEXT:
            tail.append(lines[number].text[:LINE_JUDGED].strip())
            if len(tail) > 2:
                return False
    return bool(tail) and (words.ENGLISH_CLOSING.match(tail[-1]) is not None or tail[-1].strip(" ,.!").lower() in words.CLOSINGS)


def _join(texts) -> str:
    """Lines as text without blank lines at the ends; several blank lines in a row stay, they were written so."""
    return "\n".join(text.rstrip("\r") for text in texts).strip("\n\r").rstrip()
