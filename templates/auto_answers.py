"""What a mailbox says by itself: the occasions, the words that come with the product, and the fields in them.

Nothing that the sender wrote is repeated but the name, and that only when it looks like one: whoever sends mail in
another's name must not be able to write to them through us.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

OCCASIONS = ("received", "closed")  # every new conversation; only those that begin outside working hours
BY_RULE = "rule"  # a rule says so, at any hour
LANGUAGES = ("ja", "en")
FIELDS = ("name", "mailbox", "number", "next_opening")
ONLY_CLOSED = "next_opening"  # while the team works there is no next opening to tell
LONGEST_SUBJECT = 200  # characters
LONGEST_TEXT = 5_000
LONGEST_NAME = 40

Trouble = Literal["unknown_field", "only_closed", "too_long"]

_FIELD = re.compile(r"\{([^{}\n]{0,40})\}")
_NAME_AND_HONORIFIC = re.compile(r"\{name\}(?:[ \u3000]*(?:様|さま|さん))?")
_NO_NAME = re.compile(r"[@/\\<>{}\[\]#:;=|*\"0-9]|www|https?|\.[a-z]{2,}", re.IGNORECASE)
_NAMELESS = {"ja": "お客様", "en": "Customer"}
_WEEKDAYS = {
    "ja": "月火水木金土日",
    "en": ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"),
}
_MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Words:
    """Subject and text of an answer in one language. Empty in both: there is none in that language."""

    subject: str = ""
    text: str = ""

    @property
    def empty(self) -> bool:
        return not self.subject.strip() and not self.text.strip()


@dataclass(frozen=True, slots=True, kw_only=True)
class Filling:
    """What stands in the fields. `next_opening` (aware, in the mailbox's zone) is None while the team works."""

    name: str = ""
    mailbox: str = ""
    number: int = 0
    next_opening: datetime | None = None


PROPOSED: Mapping[str, Mapping[str, Words]] = {
    "received": {
        "ja": Words(
            "【自動返信】お問い合わせを受け付けました（受付番号 {number}）",
            "{name} 様\n\n"
            "お問い合わせいただき、ありがとうございます。\n"
            "以下の受付番号で承りました。担当者より順次ご返信いたしますので、今しばらくお待ちください。\n\n"
            "受付番号：{number}\n\n"
            "追加でお知らせいただくことがある場合は、このメールにそのままご返信ください。\n"
            "※このメールは自動でお送りしています。\n\n"
            "{mailbox}",
        ),
        "en": Words(
            "Automatic reply: we have received your message (no. {number})",
            "Dear {name},\n\n"
            "thank you for your message. We have received it under the number {number} and will answer you as soon as "
            "we can.\n\n"
            "If you would like to add something, simply reply to this mail.\n"
            "This mail was sent automatically.\n\n"
            "{mailbox}",
        ),
    },
    "closed": {
        "ja": Words(
            "【自動返信】営業時間外のため、翌営業時間にご返信いたします（受付番号 {number}）",
            "{name} 様\n\n"
            "お問い合わせいただき、ありがとうございます。\n"
            "ただいま営業時間外のため、{next_opening} 以降に担当者より順次ご返信いたします。\n"
            "恐れ入りますが、今しばらくお待ちください。\n\n"
            "受付番号：{number}\n\n"
            "追加でお知らせいただくことがある場合は、このメールにそのままご返信ください。\n"
            "※このメールは自動でお送りしています。\n\n"
            "{mailbox}",
        ),
        "en": Words(
            "Automatic reply: we are closed at the moment (no. {number})",
            "Dear {name},\n\n"
            "thank you for your message. We are closed at the moment and will be back on {next_opening}; then we will "
            "answer you as soon as we can. Your message has the number {number}.\n\n"
            "If you would like to add something, simply reply to this mail.\n"
            "This mail was sent automatically.\n\n"
            "{mailbox}",
        ),
    },
}


def trouble(words: str, occasion: str, *, most: int) -> tuple[Trouble, str] | None:
    """What keeps a subject or a text (at most `most` characters) from being used, with the field in question."""
    if len(words) > most:
        return "too_long", ""
    for field in _FIELD.findall(words):
        if field not in FIELDS:
            return "unknown_field", field
        if field == ONLY_CLOSED and occasion != "closed":
            return "only_closed", field
    return None


def chosen(words: Mapping[str, Words], language: str, *, otherwise: str) -> tuple[str, Words]:
    """The words in the customer's language, else in the mailbox's, else those there are; with their language."""
    for one in (language, otherwise, *LANGUAGES):
        if one in words and not words[one].empty:
            return one, words[one]
    raise ValueError("an answer without words")


def filled(words: Words, language: str, filling: Filling) -> Words:
    """Subject and text as the customer reads them."""
    name = name_of(filling.name)
    values = {
        "mailbox": filling.mailbox,
        "number": str(filling.number),
        "next_opening": opening(filling.next_opening, language) if filling.next_opening is not None else "",
    }

    def fill(text: str) -> str:
        if not name:
            text = _NAME_AND_HONORIFIC.sub(_NAMELESS[language], text)
        known = values | {"name": name}
        return _FIELD.sub(lambda found: known.get(found[1], found[0]), text)

    return Words(" ".join(fill(words.subject).split()), fill(words.text).strip() + "\n")


def name_of(told: str) -> str:
    """A sender's name as an answer may repeat it; "" for what is longer than a name or carries a message."""
    name = " ".join("".join(ch if ch.isprintable() else " " for ch in told).split()).strip("'")
    return "" if len(name) > LONGEST_NAME or _NO_NAME.search(name) else name


def opening(at: datetime, language: str) -> str:
    """Day and time of the wall clock: "11月24日（火）9:00", "Tuesday 24 November, 9:00"."""
    weekday = _WEEKDAYS[language][at.weekday()]
    if language == "ja":
        return f"{at.month}月{at.day}日（{weekday}）{at.hour}:{at.minute:02}"
    return f"{weekday} {at.day} {_MONTHS[at.month - 1]}, {at.hour}:{at.minute:02}"
