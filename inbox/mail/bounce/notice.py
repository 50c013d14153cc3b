"""The words of a notice apart from the mail that it brings back; sizes are bounded here for all readers of bounces."""

from __future__ import annotations

import html
import re
from dataclasses import dataclass
from functools import cached_property

from inbox.mail.charsets import decode
from inbox.mail.facts import ParsedMail, Part

TEXT_LIMIT = 64_000  # characters of a text that are looked at
LINE_LIMIT = 1_000  # characters of a line
CUT_LIMIT = 160  # characters of a line that says "the original message follows"
LINES_LIMIT = 600  # lines of a notice
PARTS_LIMIT = 20  # parts of a mail that are looked at

REPORT_TYPES = ("message/delivery-status", "message/global-delivery-status")

# "--- Below this line is a copy of the message.", "-------- Returned Mail --------", "Original message follows." ...
_CUT = re.compile(
    r"""^(?:
        .{0,30}\bbelow\b.{0,30}\b(?:copy|original|returned|unsent)\b
      | .{0,40}\b(?:copy|header|headers|part|text|lines)\b.{0,30}\bof\b.{0,12}\b(?:your|the
        |original)\b.{0,20}\b(?:message|mail|e-mail)\b
      | (?:the\ )?(?:original|returned|unsent|unsent\ message|undelivered|failed|old)\ (?:message|mail|e-mail
        |header|mail\ info)s?\b
        (?:\ (?:text|as\ received|below|follows|headers?|info|attached))*
      | (?:message|mail)\ (?:headers?|body|text)\ (?:follows?|is|:)
      | .{0,30}\breturned\ (?:message|mail)\ follows
      | start\ of\ returned\ message
      | your\ message\ reads
      | .{0,40}\bheader\ (?:and|of)\b.{0,60}\bfollow
      | (?:included|enclosed|attached|attachment)\ is\ a\ copy
      | .{0,30}\bfirst\ \d+\ lines\ of\b
      | begin\ forwarded\ message\b(?!:)
      | forwarded\ message\ -
      | mensaje\ original | mensagem\ original | message\ d'origine | urspr.{1,12}ngliche\ nachricht
        | originalnachricht
      | .{0,12}(?:元の?メ(?:ール|ッセージ)|原信件|原始邮件|原始郵件)
      | .{0,30}копия\ сообщения
    )[^@]{0,60}$""",
    re.IGNORECASE | re.VERBOSE,
)
_FRAME = " >|*=_-~+#[]"  # what servers draw around such a line
# Names of fields that only a mail's own head has; "To:" or "Subject:" also stand in the words of a notice.
_TRACE = re.compile(r"^[>\s]{0,8}(?:received|return-path|dkim-signature|x-[a-z0-9-]{2,40}|arc-seal)\s?:", re.IGNORECASE)
_TAG = re.compile(r"<[^<>]{0,2000}>")
_BREAK = re.compile(r"<\s*/?\s*(?:br|p|div|tr|li|h[1-6]|pre|table)\b[^<>]{0,500}>", re.IGNORECASE)
_SILENT = re.compile(r"<(style|script|title)\b[^<>]{0,500}>[^<]{0,20000}</\1\s*>", re.IGNORECASE)


@dataclass(frozen=True)
class Notice:
    """The readable text of a mail that may be a notice, taken apart when first asked for: most mails never are."""

    text: str

    @cached_property
    def _parts(self) -> tuple[tuple[str, ...], str]:
        return split(self.text)

    @property
    def lines(self) -> tuple[str, ...]:
        """The server's words."""
        return self._parts[0]

    @property
    def returned(self) -> str:
        """What follows of the mail that comes back, "" for none."""
        return self._parts[1]

    @cached_property
    def flat(self) -> str:
        """All words on one line in lower case, so that a phrase is found across line ends."""
        return " ".join(" ".join(self.lines).split()).lower()


def notice_of(mail: ParsedMail) -> Notice:
    """The first readable text of a mail (plain before HTML)."""
    text = mail.text if mail.text.strip() else ""
    if not text:
        text = next((text_of(part) for part in mail.parts[:PARTS_LIMIT] if _is_words(part)), "")
    if not text.strip():
        text = words_of_html(mail.html)
    return Notice(text)


def split(text: str) -> tuple[tuple[str, ...], str]:
    """Cuts a text where the returned mail begins: the lines before, and the rest."""
    lines = [line[:LINE_LIMIT] for line in text[:TEXT_LIMIT].splitlines()]
    for number in range(len(lines)):
        if number >= LINES_LIMIT or _begins_returned(lines, number):
            return tuple(lines[:number]), "\n".join(lines[number:])
    return tuple(lines), ""


def _begins_returned(lines: list[str], number: int) -> bool:
    line = lines[number]
    if _TRACE.match(line) and not line.lower().lstrip("> ").startswith("x-failed"):
        return True
    bare = " ".join(line.split()).strip(_FRAME) if number > 0 and len(line) < CUT_LIMIT else ""
    return bool(bare) and _CUT.match(bare) is not None and any(words.strip() for words in lines[:number])


def _is_words(part: Part) -> bool:
    """Text for people; a multipart that could not be taken apart is looked at as it stands."""
    return part.content_type.startswith(("text/", "multipart/")) and part.content_type not in (
        "text/html",
        "text/rfc822-headers",
    )


def text_of(part: Part) -> str:
    """A part's text, at most `TEXT_LIMIT` characters; any charset, never raises."""
    return decode(part.data[: 4 * TEXT_LIMIT], part.params.get("charset")).text[:TEXT_LIMIT]


def words_of_html(source: str) -> str:
    """The words of an HTML notice, a line break for every block; linear, no tree is built."""
    source = _SILENT.sub(" ", source[: 2 * TEXT_LIMIT])
    source = source.replace("\r", " ").replace("\n", " ")
    return html.unescape(_TAG.sub(" ", _BREAK.sub("\n", source)))
