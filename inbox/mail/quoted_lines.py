"""Names each line of a mail's text: empty, quote, attribution, header block, marker, rule, phone signature or text.

Look-ahead is bounded by lines and characters, so the time is linear in the input.
"""

from __future__ import annotations

import re
from collections.abc import Set
from dataclasses import dataclass

from inbox.mail import quote_words as words

JUDGED = 500_000  # characters; what follows them belongs to whatever stands there
LINES_JUDGED = 20_000  # lines after these are quoted or text, nothing finer
LINE_JUDGED = 400  # characters of one line
ATTRIBUTION_LINES = 7  # "On … <address> wrote:" wrapped by several programs in turn
ATTRIBUTION_LENGTH = 400
HEADER_BLOCK_LINES = 16

EMPTY, TEXT, QUOTE, ATTRIBUTION, HEADER, MARKER, RULE, SENT_FROM = "e", "t", "q", "a", "h", "m", "r", "s"

_QUOTE_PREFIX = re.compile(r"\s{0,3}(?:[>＞]|&gt;|[A-Z]{1,3}>(?:\s|$)|\|(?:\s|$))")
_RULE = re.compile(r"\s*(?:—|[-_]{2,}|[-_=*~#+—–―─━＿－＝＊＃•·◆◇■□★☆▼▲┏┓┗┛┃☆/\s.:]{4,})\s*$")
_INVISIBLE = re.compile("[\u200b\u200e\u200f\u202a\u202c\u2060\ufeff]")
_UNSEEN = " \t\xa0\u200b\u200e\u200f\u202a\u202c\u2060\ufeff"  # what an empty line can begin with


@dataclass(slots=True)
class Line:
    start: int
    text: str  # without the line end
    kind: str = TEXT


def named_lines(text: str, quoted_lines: Set[int] = frozenset()) -> list[Line]:
    """The lines of the text, each with its name; `quoted_lines` are numbers of lines known to be quoted."""
    lines = _split(text)
    at = 0
    all_seen = text.isascii() or _INVISIBLE.search(text) is None
    for number in _empty_and_quoted(lines, quoted_lines, all_seen=all_seen):
        line = lines[number]
        if number >= at and line.kind == TEXT and (text := _visible(line.text)) and not words.is_ordinary(text):
            at = number + _name(lines, number, text)
    _mend_wrapped_quotes(lines)
    return lines


def _empty_and_quoted(lines: list[Line], quoted_lines: Set[int], *, all_seen: bool) -> list[int]:
    """Names what is empty or quoted; the numbers of the lines that may be something else than text. `all_seen`: no
    character of the text is one that nobody sees."""
    doubtful = []
    for number, line in enumerate(lines):
        text = line.text
        if _is_plain(text) and number not in quoted_lines and (all_seen or _INVISIBLE.search(text) is None):
            continue  # most lines of most mails
        if _is_empty(text):
            line.kind = EMPTY
        elif number in quoted_lines or _is_quote(text):
            line.kind = QUOTE
        elif number < LINES_JUDGED:
            doubtful.append(number)
    return doubtful


def _split(text: str) -> list[Line]:
    lines: list[Line] = []
    start = 0
    for raw in text[:JUDGED].split("\n"):
        shared = (
            words.SHARED_LINE.search(raw, 1)
            if raw.endswith(("wrote:", "wrote: ", "sent:")) and len(raw) < LINE_JUDGED
            else None
        )
        if shared and raw[: shared.start()].strip(" \t>*_-"):
            lines.append(Line(start, raw[: shared.start()]))
            lines.append(Line(start + shared.start(), raw[shared.end() :]))
        else:
            lines.append(Line(start, raw))
        start += len(raw) + 1
    return lines


def _is_empty(text: str) -> bool:
    """Nothing, blanks, or characters that nobody sees: many programs write a zero-width space on an empty line."""
    return not text or text.isspace() or (text[0] in _UNSEEN and not _INVISIBLE.sub("", text).strip())


def _is_plain(text: str) -> bool:
    """Whether a line, if all of it is seen, surely is neither empty nor quoted nor anything that `_name` names."""
    return words.is_ordinary(text) and not text[-1].isspace() and ">" not in text[:5] and len(text) < LINE_JUDGED


def _is_quote(text: str) -> bool:
    match = _QUOTE_PREFIX.match(text, 0, 20)
    return bool(match) and not (text.lstrip().startswith("|") and len(text.strip()) > 1 and text.rstrip().endswith("|"))


def _name(lines: list[Line], at: int, text: str) -> int:
    """Names the line, of which one sees `text`, or the group that begins at it; returns how many lines were named."""
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


def _visible(text: str) -> str:
    text = text[:LINE_JUDGED]
    return text.strip() if text.isascii() else _INVISIBLE.sub("", text).strip()


def _mark(lines: list[Line], at: int, length: int, *, kind: str) -> int:
    for line in lines[at : at + length]:
        line.kind = kind
    return length


def _attribution_length(lines: list[Line], at: int, text: str) -> int:
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
        part = _visible(line.text)
        if offset and part and words.STARTS_LIKE_ATTRIBUTION.match(part) and words.HAS_DATE.search(joined):
            return 0  # another one begins: what came before was a sentence
        joined = joined[:-1] + part if joined.endswith("=") else f"{joined} {part}"
        if len(joined) > ATTRIBUTION_LENGTH:
            return 0
        if part and part[-1] in ":\uff1a-*ル" and closes_attribution(joined):
            return offset + 1
    return 0


def closes_attribution(joined: str) -> bool:
    if not words.HAS_DATE.search(joined):
        return False
    return bool(
        words.ENDS_WITH_WROTE.search(joined)
        or words.ENDS_WITH_JA_WROTE.search(joined)
        or words.ENDS_WITH_ADDRESS.search(joined)
        or words.HAS_WROTE_THEN_NAME.search(joined)
    )


def _next_kind(lines: list[Line], at: int) -> str:
    return lines[at].kind if at < len(lines) else ""


def _header_block_length(lines: list[Line], at: int) -> int:
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
        if loose > 3 or (
            lines[number].kind == EMPTY and _header_kind(lines[min(number + 1, len(lines) - 1)].text) == ""
        ):
            break
    complete = {"from", "date"} <= kinds or {"date", "to"} <= kinds or len(kinds - {"other"}) >= 3
    return last - at + 1 if complete else 0


def _header_kind(text: str) -> str:
    head = text[:60].replace("\uff1a", ":")
    colon = head.find(":")
    if colon < 1:
        return ""
    return words.HEADER_KIND.get(_INVISIBLE.sub("", head[:colon]).strip("*_ \t\xa0").lower(), "")


def _mend_wrapped_quotes(lines: list[Line]) -> None:
    """A long quoted line that a program broke leaves its rest unmarked between two quoted lines."""
    for before, line, after in zip(lines, lines[1:], lines[2:], strict=False):
        if line.kind == TEXT and before.kind == after.kind == QUOTE and len(before.text) >= 60 > len(line.text):
            line.kind = QUOTE
