"""The facts of a mail that somebody wants to send, as the approval policies and the check before sending see them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from routing.words import Words, comparison

Line = Literal["to", "cc", "bcc"]


@dataclass(frozen=True, slots=True)
class Recipient:
    """`outside`: not one of us. `known`: mail went to or came from this very address before."""

    address: str
    name: str = ""
    line: Line = "to"
    outside: bool = True
    known: bool = False

    @property
    def key(self) -> str:
        return self.address.strip().lower()

    @property
    def domain(self) -> str:
        return self.key.rpartition("@")[2]


@dataclass(frozen=True, slots=True)
class Attachment:
    """`size` in bytes; `digest` of the content, so that another file of the same name is another one."""

    name: str
    mime_type: str = ""
    size: int = 0
    digest: str = ""


@dataclass(frozen=True, slots=True)
class Draft:
    """`words` are the new words: no quoted mail, no signature."""

    author_id: int
    mailbox_id: int
    subject: str = ""
    words: str = ""
    recipients: tuple[Recipient, ...] = ()
    attachments: tuple[Attachment, ...] = ()


def words_found(wanted: Iterable[str], draft: Draft) -> tuple[str, ...]:
    """Which of these stand in the subject or the new words, whatever their width, case and kana.

    A Latin word as a whole word (free is not in freedom), all else anywhere (極秘 is in 極秘資料).
    """
    texts = (Words(draft.subject), Words(draft.words))
    found = []
    for word in wanted:
        single = word.isascii() and not any(character.isspace() for character in word.strip())
        stands_in = comparison("word" if single else "contains", [word])
        if any(stands_in(text) is not None for text in texts):
            found.append(word)
    return tuple(found)


def is_within(domain: str, other: str) -> bool:
    """Whether `domain` is `other` or below it."""
    return domain == other or domain.endswith("." + other)
