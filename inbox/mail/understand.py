"""Puts together what the readers of a mail find: facts, sort of sender, bounce, new words."""

from __future__ import annotations

from collections.abc import Collection

from inbox.mail import automatic, bounce, quoted
from inbox.mail.facts import Bounce, ParsedMail, Understanding
from inbox.mail.headers import one_line
from inbox.mail.parse import DEFAULT, Limits, parse

SNIPPET_LENGTH = 200  # characters


def understand(raw: bytes, limits: Limits = DEFAULT, *, own_addresses: Collection[str] = ()) -> Understanding:
    """Everything that can be known from a mail's bytes alone. Raises TooComplex, which means quarantine; nothing else.

    `own_addresses` are the mailbox's own, in lower case; see `automatic.kind_of`.
    """
    mail = parse(raw, limits)
    found = bounce.read(mail)
    return of_parsed(mail, found, own_addresses=own_addresses)


def of_parsed(mail: ParsedMail, found: Bounce | None, *, own_addresses: Collection[str] = ()) -> Understanding:
    """The rest of `understand` for a mail that is parsed already; `found` is what `bounce.read` said of it."""
    words = _new_words(mail)
    kind = automatic.kind_of(mail, found, own_addresses=own_addresses)
    return Understanding(
        mail=mail,
        kind=kind,
        silence=automatic.silence(mail, kind, own_addresses=own_addresses),
        bounce=found,
        new_text=words.text,
        quoted_at=words.quoted_at,
        snippet=snippet_of(words.text),
        warnings=mail.warnings,
    )


def _new_words(mail: ParsedMail) -> quoted.NewWords:
    if mail.html and not mail.text_is_whole:
        return quoted.NewWords(quoted.new_words_of_html(mail.html), None)
    return quoted.new_words_of(mail)


def snippet_of(words: str) -> str:
    """One line of at most SNIPPET_LENGTH characters for a list."""
    line = one_line(words[: 4 * SNIPPET_LENGTH])
    return line if len(line) <= SNIPPET_LENGTH else line[: SNIPPET_LENGTH - 1].rstrip() + "…"
