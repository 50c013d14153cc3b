"""What a person types into the search field, understood: words, "phrases", -left out, from:, is:, before: and so on.

Pure. The result holds tokens made by `mail.search_words` only, so nothing that is typed can be syntax of a database.
Tokens of a field carry a private-use character in front, which no typed word can hold.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date

from inbox.mail.search_words import folded, index_words
from inbox.models.conversations import STATUSES

LONGEST = 1_000  # characters of a query; the rest is not read
MOST_TERMS = 30
EVERY, SENDER, RECIPIENT, SUBJECT, MAILBOX, FILES, LONG = (chr(0xE000 + n) for n in range(7))
FIELDS = {"from": SENDER, "to": RECIPIENT, "subject": SUBJECT}
# The same operators as a Japanese keyboard gives them (full-width colon and letters are folded before)
PIECE = re.compile(r'(-?)(?:([A-Za-z]{2,10}):)?(?:"([^"]*)"?|(\S+))')
DAY = re.compile(r"(\d{4})[-/.](\d{1,2})(?:[-/.](\d{1,2}))?")


@dataclass(frozen=True)
class Term:
    """Tokens that must follow one another; `prefix`: the last one may go on."""

    tokens: tuple[str, ...]
    prefix: bool = False


@dataclass(frozen=True)
class Query:
    """All of `wanted` and none of `unwanted`; empty sets and None do not narrow. `words` are to be marked."""

    wanted: tuple[Term, ...] = ()
    unwanted: tuple[Term, ...] = ()
    words: tuple[str, ...] = ()  # folded
    statuses: frozenset[str] = frozenset()
    owner: str = ""  # "", me, nobody
    mailboxes: tuple[str, ...] = ()  # names or addresses as typed, folded
    tags: tuple[str, ...] = ()  # folded
    before: date | None = None  # that day is left out
    after: date | None = None  # that day is included

    @property
    def empty(self) -> bool:
        return self == Query()


def read(text: str) -> Query:
    """Understands anything; what is no operator is a word."""
    found: dict[str, list] = {"wanted": [], "unwanted": [], "words": [], "statuses": [], "mailboxes": [], "tags": []}
    single: dict[str, object] = {}
    for minus, operator, phrase, word in PIECE.findall(
        text[:LONGEST].replace("：", ":").replace("　", " ").replace("\0", " ")
    ):
        value = phrase or word
        if not value or _operator(operator.lower(), value, bool(minus), found, single):
            continue
        whole = f"{operator}:{value}" if operator else value
        terms = phrases(whole) if phrase else words(whole)
        found["unwanted" if minus else "wanted"] += terms
        if not minus:
            found["words"] += _marked_words(whole, whole_phrase=bool(phrase))
    return Query(
        wanted=tuple(dict.fromkeys(found["wanted"]))[:MOST_TERMS],
        unwanted=tuple(dict.fromkeys(found["unwanted"]))[:MOST_TERMS],
        words=tuple(dict.fromkeys(found["words"]))[:MOST_TERMS],
        statuses=frozenset(found["statuses"]),
        mailboxes=tuple(found["mailboxes"]),
        tags=tuple(found["tags"]),
        **single,  # type: ignore[arg-type]
    )


def words(text: str) -> list[Term]:
    """Each run of `text` for itself: words by their beginning, Japanese as it stands."""
    return [_term(run) for run in _runs(index_words(text).split())]


def phrases(text: str, *, field: str = "", prefix: bool = False) -> list[Term]:
    """One term with all of `text`, one after the other; `field` is the mark of a field."""
    runs = _runs(index_words(text).split())
    if not runs:
        return []
    last = _term(runs[-1])
    tokens = [token for run in runs[:-1] for token in run] + list(last.tokens)
    open_end = len(runs[-1]) == 1 and (prefix or _is_cjk(last.tokens[-1]))
    return [Term(tuple(field + token for token in tokens), open_end)]


def fts5(query: Query, *, within: tuple[Term, ...] = ()) -> str:
    """The MATCH expression for SQLite; one of `within` (mailboxes) must stand there as well."""
    wanted = [_fts5(term) for term in query.wanted]
    if within:
        wanted.append("(" + " OR ".join(map(_fts5, within)) + ")")
    expression = " AND ".join(wanted) or _fts5(Term((EVERY,)))
    return f"({expression})" + "".join(f" NOT {_fts5(term)}" for term in query.unwanted)


def tsquery(query: Query, *, within: tuple[Term, ...] = ()) -> str:
    """The same as text to cast to PostgreSQL's tsquery."""
    wanted = [_tsquery(term) for term in query.wanted]
    if within:
        wanted.append("(" + " | ".join(map(_tsquery, within)) + ")")
    wanted += [f"!{_tsquery(term)}" for term in query.unwanted]
    if not query.wanted and not within:
        wanted.insert(0, _tsquery(Term((EVERY,))))
    return " & ".join(wanted)


def _operator(operator: str, value: str, minus: bool, found: dict[str, list], single: dict[str, object]) -> bool:
    """Whether it was an operator that is understood."""
    if operator in FIELDS:
        terms = phrases(value, field=FIELDS[operator], prefix=True)
        found["unwanted" if minus else "wanted"] += terms
        if operator == "subject" and not minus:
            found["words"] += _marked_words(value, whole_phrase=False)
        return bool(terms)
    if operator == "has" and value.lower() in ("attachment", "attachments", "file", "files"):
        found["unwanted" if minus else "wanted"].append(Term((FILES,)))
        return True
    if minus:
        return False
    if operator == "is" and value.lower() in STATUSES:
        found["statuses"].append(value.lower())
    elif operator == "is" and value.lower() in ("mine", "unassigned"):
        single["owner"] = {"mine": "me", "unassigned": "nobody"}[value.lower()]
    elif operator == "in":
        found["mailboxes"].append(folded(value))
    elif operator == "tag":
        found["tags"].append(folded(value))
    elif operator in ("before", "after"):
        day = _day(value)
        if day is None:
            return False
        single[operator] = day
    else:
        return False
    return True


def _day(text: str) -> date | None:
    told = DAY.fullmatch(text)
    try:
        return date(int(told[1]), int(told[2]), int(told[3] or 1)) if told else None
    except ValueError:
        return None


def _runs(tokens: list[str]) -> list[list[str]]:
    """Tokens of one Japanese run together, other words for themselves."""
    runs: list[list[str]] = []
    inside = False
    for token in tokens:
        if inside and _is_cjk(token):
            runs[-1].append(token)
        else:
            runs.append([token])
        inside = _is_cjk(token) and len(token) == 2  # the single last character closes a run
    return runs


def _term(run: list[str]) -> Term:
    """A run without its last lone character, which stands in the index only where a text ends there. A word is looked
    for by its beginning, a single letter as it stands: words begin with it everywhere."""
    return Term(tuple(run[:-1])) if len(run) > 1 else Term(tuple(run), prefix=len(run[0]) > 1 or _is_cjk(run[0]))


def _is_cjk(token: str) -> bool:
    return "\u1100" <= token[0] <= "\u11ff" or (token[0] >= "\u2e80" and not "\ue000" <= token[0] <= "\uf8ff")


def _marked_words(text: str, *, whole_phrase: bool) -> list[str]:
    """What to mark in a found text."""
    if whole_phrase:
        return [folded(text).strip()] if folded(text).strip() else []
    return ["".join(token[0] for token in run) if len(run) > 1 else run[0] for run in _runs(index_words(text).split())]


def _fts5(term: Term) -> str:
    stands_alone = len(term.tokens) == 1 == len(term.tokens[0])  # see `search_words.with_characters`
    return '"' + " ".join(term.tokens) + '"' + ("*" if term.prefix and not stands_alone else "")


def _tsquery(term: Term) -> str:
    *first, last = (f"'{token}'" for token in term.tokens)
    return "(" + " <-> ".join([*first, last + (":*" if term.prefix else "")]) + ")"
