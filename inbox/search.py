"""Search over subject, people and text that finds two-character Japanese words, in both databases.

Each message and each note stands in the index under its *place*: hour of arrival << 32 | id, of a note with the bit
NOTE. Walking places downwards gives the newest first without sorting, however many match, also when old mail is
imported later.
"""

# ruff: noqa: S608 -- only numbers and fixed words are put into statements; what was typed goes as a parameter

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Row, bindparam, delete, func, select, text
from sqlalchemy.orm import Session

from inbox import lists, search_query
from inbox.db import Utc, is_sqlite
from inbox.mail.search_words import INDEXED, folded, index_words, vector, with_characters, words_of
from inbox.models import Conversation, Mailbox, Message, Note, SearchWords
from inbox.people import Viewer
from inbox.search_query import EVERY, FILES, LONG, MAILBOX, RECIPIENT, SENDER, SUBJECT, Query, Term

SHOWN = 20_000  # characters of a text in which the found words are looked for, to show them
BEFORE, AROUND = 16, 200  # characters of a found text: before the first word (a phone shows twenty), all together
ID_BITS = 32
NOTE = 1 << ID_BITS - 1
ALL_PLACES = 2**63 - 1
REINDEXED = 50  # messages held in memory while a conversation moves to another mailbox
WALKED = 100  # PostgreSQL: matches that a page needs; see `_is_rare`
_QUOTE_MARKS = re.compile(r"^[ \t]*(?:[>＞][ \t]?)+", re.MULTILINE)  # in front of what a mail repeats

_INSERT_FTS = text("INSERT INTO search_fts (rowid, words) VALUES (:place, :words)")
_INSERT_VECTOR = text(
    "INSERT INTO search_words (place, chunk, message_id, note_id, words)"
    " VALUES (:place, :chunk, :message_id, :note_id, CAST(:marks AS tsvector) || CAST(:piece AS tsvector))"
)


def index(session: Session, message: Message, words: Sequence[str] | None = None) -> None:
    """Puts a stored message into the index. Its words never change; its text does not either.

    `words` is `words_of` the text (of a mail that is HTML alone: of its new words) where that was made elsewhere.
    """
    index_all(session, [(message, words)])


def index_all(session: Session, stored: Iterable[tuple[Message, Sequence[str] | None]]) -> None:
    """`index` for many messages at once."""
    in_pieces = not is_sqlite(session)
    rows: list[dict[str, object]] = []
    for message, made in stored:
        conversation = session.get(Conversation, message.conversation_id)
        assert conversation is not None
        place, marks = place_of(message), _marks(message, conversation.mailbox_id)
        words = words_of(_body(message), in_pieces=in_pieces) if made is None else made
        rows += _rows(place, marks, words, in_pieces=in_pieces, message_id=message.id)
    _write(session, rows, in_pieces=in_pieces)


def index_note(session: Session, note: Note, *, mailbox_id: int) -> None:
    """Puts a note into the index; only who may see its mailbox finds it."""
    in_pieces = not is_sqlite(session)
    words = words_of(note.text, in_pieces=in_pieces)
    rows = _rows(_place_of_note(note), _note_marks(mailbox_id), words, in_pieces=in_pieces, note_id=note.id)
    _write(session, rows, in_pieces=in_pieces)


def unindex(session: Session, message: Message, *, mailbox_id: int) -> None:
    """Takes a message out of the index, before it is deleted. One that never stood there is no error."""
    if is_sqlite(session):
        words = words_of(_body(message), in_pieces=False)
        _take_out(session, _rows(place_of(message), _marks(message, mailbox_id), words, in_pieces=False))
    else:
        session.execute(delete(SearchWords).where(SearchWords.message_id == message.id))


def unindex_note(session: Session, note: Note, *, mailbox_id: int) -> None:
    """Takes a note out of the index, before it is deleted. One that never stood there is no error."""
    if is_sqlite(session):
        words = words_of(note.text, in_pieces=False)
        _take_out(session, _rows(_place_of_note(note), _note_marks(mailbox_id), words, in_pieces=False))
    else:
        session.execute(delete(SearchWords).where(SearchWords.note_id == note.id))


def belongs_to(session: Session, conversation_id: int, *, before: int, after: int) -> None:
    """A conversation's messages and notes are found in mailbox `after` from now on, no longer in `before`."""
    in_pieces = not is_sqlite(session)
    messages = select(Message).where(Message.conversation_id == conversation_id).order_by(Message.id)
    for message in session.scalars(messages.execution_options(yield_per=REINDEXED)):
        unindex(session, message, mailbox_id=before)
        words = words_of(_body(message), in_pieces=in_pieces)
        rows = _rows(place_of(message), _marks(message, after), words, in_pieces=in_pieces, message_id=message.id)
        _write(session, rows, in_pieces=in_pieces)
    for note in session.scalars(select(Note).where(Note.conversation_id == conversation_id)).all():
        unindex_note(session, note, mailbox_id=before)
        index_note(session, note, mailbox_id=after)


def search(
    session: Session, who: Viewer, query: str, *, now: datetime, after: str | None = None, size: int = 50
) -> lists.ListPage:
    """Conversations with a message or note that matches, newest match first, each once; it stands in `row.match`.

    Never raises for anything typed. `newer` of the page is always None.
    """
    size = max(1, min(size, lists.LARGEST_PAGE))
    asked = _narrowed(session, who, search_query.read(query))
    start = int(after) if after and after.isdecimal() and after.isascii() and len(after) < 20 else ALL_PLACES
    if asked is None:
        return lists.ListPage(rows=(), older=None, newer=None)
    best, place = _best_matches(session, asked, before=min(start, ALL_PLACES), size=size)
    rows = lists.rows_of(session, who, list(best)[:size], now=now)
    texts = _texts(session, [best[row.id] for row in rows])
    return lists.ListPage(
        rows=tuple(replace(row, match=pieces(texts.get(best[row.id], ""), asked.query.words)) for row in rows),
        older=str(place) if len(best) > size else None,
        newer=None,
    )


def ids(session: Session, who: Viewer, query: str, *, most: int) -> tuple[int, ...]:
    """The conversations with the newest matches, up to `most`."""
    asked = _narrowed(session, who, search_query.read(query))
    if asked is None:
        return ()
    best, _place = _best_matches(session, asked, before=ALL_PLACES, size=most)
    return tuple(list(best)[:most])


def pieces(found: str, words: Sequence[str]) -> tuple[tuple[str, bool], ...]:
    """The part of a text around the first searched word, as pieces (text, is it a searched word) of plain text."""
    flat = " ".join(_QUOTE_MARKS.sub("", found[:SHOWN]).split())
    same, origin = _folded_with_origins(flat)
    spots = _spots(same, words)
    first = origin[spots[0][0]] if spots else 0
    start = max(0, first - BEFORE) if first > BEFORE else 0
    out: list[tuple[str, bool]] = [("…", False)] if start else []
    at, end = start, min(len(flat), start + AROUND)
    for low, high in ((origin[low], origin[high - 1] + 1) for low, high in spots):
        if low < at or low >= end:
            continue
        out += [(flat[at:low], False), (flat[low : min(high, end)], True)]
        at = min(high, end)
    out.append((flat[at:end] + ("…" if end < len(flat) else ""), False))
    return tuple(piece for piece in out if piece[0])


def place_of(message: Message | Row[Any]) -> int:
    """Where a message stands in the order of search: by hour of arrival, then by id."""
    return _hour(message.at) << ID_BITS | message.id


def _place_of_note(note: Note | Row[Any]) -> int:
    return _hour(note.at) << ID_BITS | NOTE | note.id


def _hour(at: datetime) -> int:
    return max(0, int(at.timestamp()) // 3600) & 0x7FFFFFFF


@dataclass(frozen=True)
class Asked:
    """A query with its names looked up for one viewer."""

    query: Query
    who_id: int
    mailbox_ids: tuple[int, ...]
    within: tuple[Term, ...]  # marks of the mailboxes, when they are not all
    tag_ids: tuple[int, ...] | None
    since: datetime | None
    until: datetime | None


def _narrowed(session: Session, who: Viewer, query: Query) -> Asked | None:
    """None when nothing can match: an empty query, a mailbox or a tag that is not there."""
    if query.empty or not who.mailbox_ids:
        return None
    mailbox_ids = who.mailbox_ids
    if query.mailboxes:
        named = session.execute(select(Mailbox.id, Mailbox.name, Mailbox.address).where(Mailbox.id.in_(mailbox_ids)))
        mailbox_ids = tuple(m.id for m in named if {folded(m.name), folded(m.address)} & set(query.mailboxes))
    tag_ids = None
    if query.tags:
        tag_ids = tuple(t for t, name, _colour in lists.tags(session) if folded(name) in query.tags)
    if not mailbox_ids or tag_ids == ():
        return None
    everything = who.is_admin and not query.mailboxes
    return Asked(
        query=query,
        who_id=who.id,
        mailbox_ids=mailbox_ids,
        within=() if everything else tuple(Term((f"{MAILBOX}{mailbox_id}",)) for mailbox_id in mailbox_ids),
        tag_ids=tag_ids,
        since=_midnight(query.after, who.time_zone),
        until=_midnight(query.before, who.time_zone),
    )


def _midnight(day: date | None, zone: str) -> datetime | None:
    if day is None or not 1971 <= day.year <= 9000:
        return None
    return datetime.combine(day, time(), ZoneInfo(zone)).astimezone(UTC)


def _best_matches(session: Session, asked: Asked, *, before: int, size: int) -> tuple[dict[int, int], int]:
    """Up to size + 1 conversations with the place of their newest match, and after which place the next page goes
    on."""
    best: dict[int, int] = {}
    place, page_end, step = before, before, size * 2
    while True:
        hits, last = _hits(session, asked, before=place, limit=step)
        fresh = [hit for hit in hits if hit.conversation_id not in best]
        shown = _shown_before(session, asked, fresh, from_place=before) if before < ALL_PLACES else set()
        for hit in fresh:
            if hit.conversation_id in shown or hit.conversation_id in best:
                continue
            best[hit.conversation_id] = hit.place
            if len(best) > size:
                return best, page_end
            page_end = hit.place
        if last is None:
            return best, page_end
        place, step = last, min(step * 40, 20_000)


@dataclass(frozen=True)
class Hit:
    place: int
    conversation_id: int


def _hits(session: Session, asked: Asked, *, before: int, limit: int) -> tuple[list[Hit], int | None]:
    """Of the next `limit` matching messages and notes below a place those that the other conditions let through.

    And the place of the last one looked at; None when no more match.
    """
    lowest = max(0, int(asked.since.timestamp()) // 3600) << ID_BITS if asked.since is not None else 0
    if asked.until is not None:
        before = min(before, (int(asked.until.timestamp()) // 3600 + 1) << ID_BITS)
    below = f"{{place}} < {before:d} AND {{place}} >= {lowest:d}"
    matching, given = _matching(session, asked, below, ending=f" ORDER BY place DESC LIMIT {limit:d}")
    rows = _judged(
        session, asked, f"SELECT place FROM ({matching}) found ORDER BY place DESC LIMIT {limit:d}", given
    )
    hits = [Hit(place, conversation_id) for place, conversation_id, passes in rows if passes]
    return hits, rows[-1][0] if len(rows) == limit else None


def _shown_before(session: Session, asked: Asked, hits: list[Hit], *, from_place: int) -> set[int]:
    """Those of the conversations that a page before this one showed, for a newer match."""
    ids = {hit.conversation_id for hit in hits}
    messages = session.execute(select(Message.id, Message.at).where(Message.conversation_id.in_(ids)))
    notes = session.execute(select(Note.id, Note.at).where(Note.conversation_id.in_(ids)))
    places = (*map(place_of, messages), *map(_place_of_note, notes))
    newer = [place for place in places if place >= from_place]
    if not newer:
        return set()
    matching, given = _matching(session, asked, "{place} IN (" + ", ".join(map(str, newer)) + ")")
    return {
        conversation_id for _place, conversation_id, passes in _judged(session, asked, matching, given) if passes
    }


def _judged(session: Session, asked: Asked, matching: str, given: dict[str, Any]) -> Sequence[Row[Any]]:
    """(place, conversation id, whether the conditions that change let it through), newest first."""
    conditions, times = _conditions(asked)
    statement = text(
        f"WITH f AS ({matching}) SELECT f.place, c.id,"
        f" CASE WHEN {' AND '.join(conditions)} THEN 1 ELSE 0 END AS passes"
        f" FROM f LEFT JOIN message m ON m.id = (f.place & {2 * NOTE - 1})"
        f" LEFT JOIN note n ON n.id = (f.place & {2 * NOTE - 1}) - {NOTE}"
        " LEFT JOIN conversation c ON c.id = coalesce(m.conversation_id, n.conversation_id)"
        " ORDER BY f.place DESC"
    )
    statement = statement.bindparams(*(bindparam(name, type_=Utc()) for name in times))
    return session.execute(statement, given | times).all()


def _matching(session: Session, asked: Asked, where: str, *, ending: str = "") -> tuple[str, dict[str, Any]]:
    """A SELECT of the places whose words match; `where` narrows {place}, `ending` orders."""
    if is_sqlite(session):
        narrowed = where.format(place="rowid")
        found = f"SELECT rowid AS place FROM search_fts WHERE search_fts MATCH :query AND {narrowed}"
        return f"{found}{ending}", {"query": search_query.fts5(asked.query, within=asked.within)}
    query = search_query.tsquery(asked.query, within=asked.within)
    narrowed = where.format(place="place")
    several = len(asked.query.wanted) + len(asked.query.unwanted) > 1
    given = {"query": f"{query} & !'{LONG}'" if several else query}
    found = "SELECT place FROM search_words WHERE words @@ CAST(:query AS tsquery)"
    # A rare word must be collected by the words' index first: with ORDER BY … LIMIT alone the planner walks all places
    # in hope of a match. A frequent one is found soon enough by walking.
    if _is_rare(session, given["query"]):
        first = f"WITH rare AS MATERIALIZED ({found}) SELECT DISTINCT place FROM rare WHERE {narrowed}"
    else:
        first = f"{found} AND {narrowed}{ending}"
    if not several:
        return first, given
    return f"({first}) UNION ALL ({_in_long_texts(asked, narrowed, given)})", given


def _in_long_texts(asked: Asked, narrowed: str, given: dict[str, Any]) -> str:
    """PostgreSQL: texts in several rows match when their rows together do."""
    every = [Query(wanted=(term,)) for term in asked.query.wanted]
    never = [Query(wanted=(term,)) for term in asked.query.unwanted]
    tests = [search_query.tsquery(one) for one in every] + (
        [search_query.tsquery(Query(), within=asked.within)] if asked.within else []
    )
    given["some"] = f"'{LONG}' & ({' | '.join(tests or [search_query.tsquery(Query())])})"
    having = []
    for n, test in enumerate([*tests, *(search_query.tsquery(one) for one in never)]):
        given[f"test{n}"] = test
        having.append(f"{'' if n < len(tests) else 'NOT '}bool_or(words @@ CAST(:test{n} AS tsquery))")
    long = " AND place IN (SELECT place FROM search_words WHERE words @@ CAST(:some AS tsquery))"
    return (
        f"SELECT place FROM search_words WHERE {narrowed}{long} GROUP BY place HAVING {' AND '.join(having)}"
    )


def _is_rare(session: Session, query: str) -> bool:
    """Whether collecting all matches costs less than walking places until a page is full.

    Of `total` rows walking reads WALKED · total / matches. PostgreSQL knows the frequent words from ANALYZE.
    """
    plan = session.execute(
        text("EXPLAIN (FORMAT JSON) SELECT 1 FROM search_words WHERE words @@ CAST(:query AS tsquery)"),
        {"query": query},
    ).scalar_one()
    told = json.loads(plan) if isinstance(plan, str) else plan
    matches = float(told[0]["Plan"]["Plan Rows"])
    total = session.scalar(text("SELECT reltuples FROM pg_class WHERE oid = CAST('search_words' AS regclass)")) or 0
    return matches * matches < WALKED * max(total, matches)


def _conditions(asked: Asked) -> tuple[list[str], dict[str, datetime]]:
    conditions = [f"c.mailbox_id IN ({', '.join(f'{mailbox_id:d}' for mailbox_id in asked.mailbox_ids)})"]
    if asked.query.statuses:
        conditions.append("c.status IN (" + ", ".join(f"'{status}'" for status in sorted(asked.query.statuses)) + ")")
    if asked.query.owner:
        conditions.append(f"c.owner_id = {asked.who_id:d}" if asked.query.owner == "me" else "c.owner_id IS NULL")
    if asked.tag_ids is not None:
        tags = ", ".join(f"{tag_id:d}" for tag_id in asked.tag_ids)
        conditions.append(
            f"EXISTS (SELECT 1 FROM conversation_tag t WHERE t.conversation_id = c.id AND t.tag_id IN ({tags}))"
        )
    edges = {"since": asked.since, "until": asked.until}
    conditions += [
        f"coalesce(m.at, n.at) {'>=' if name == 'since' else '<'} :{name}"
        for name, edge in edges.items()
        if edge is not None
    ]
    return conditions, {name: edge for name, edge in edges.items() if edge is not None}


def _texts(session: Session, places: list[int]) -> dict[int, str]:
    """The texts in which the words were found, by place."""
    of_messages = {place & NOTE - 1: place for place in places if not place & NOTE}
    of_notes = {place & NOTE - 1: place for place in places if place & NOTE}
    whole_text, new_text = func.substr(Message.text, 1, SHOWN), func.substr(Message.new_text, 1, SHOWN)
    messages = select(Message.id, whole_text, new_text).where(Message.id.in_(of_messages))
    notes = select(Note.id, func.substr(Note.text, 1, SHOWN)).where(Note.id.in_(of_notes))
    texts = {of_messages[found]: whole if whole.strip() else new for found, whole, new in session.execute(messages)}
    if of_notes:
        texts |= {of_notes[found]: words for found, words in session.execute(notes)}
    return texts


def _rows(
    place: int,
    marks: str,
    words: Sequence[str],
    *,
    in_pieces: bool,
    message_id: int | None = None,
    note_id: int | None = None,
) -> list[dict[str, object]]:
    """What is written into the index for a message or for a note."""
    if not in_pieces:
        return [{"place": place, "words": f"{with_characters(marks)} {words[0]}"}]
    fixed: dict[str, object] = {"place": place, "message_id": message_id, "note_id": note_id}
    fixed["marks"] = vector(f"{LONG} {marks}" if len(words) > 1 else marks)
    return [fixed | {"chunk": n, "piece": piece} for n, piece in enumerate(words)]


def _write(session: Session, rows: list[dict[str, object]], *, in_pieces: bool) -> None:
    if rows:
        session.connection().execute(_INSERT_VECTOR if in_pieces else _INSERT_FTS, rows)


def _take_out(session: Session, rows: list[dict[str, object]]) -> None:
    """SQLite: the table keeps no words of its own and must be told which ones go; told wrongly, it is malformed."""
    for row in rows:
        if session.scalar(text("SELECT 1 FROM search_fts_docsize WHERE id = :place"), row) is not None:
            session.execute(
                text("INSERT INTO search_fts (search_fts, rowid, words) VALUES ('delete', :place, :words)"), row
            )


def _body(message: Message) -> str:
    """All words of the text; of a mail that is HTML alone its new words."""
    whole = message.text if message.text.strip() else message.new_text
    return whole[:INDEXED]


def _note_marks(mailbox_id: int) -> str:
    return f"{EVERY} {MAILBOX}{mailbox_id}"


def _marks(message: Message, mailbox_id: int) -> str:
    """Subject and people, both as words and as words of their field, and the marks that narrow a search."""
    sender = [message.from_name, message.from_address]
    recipients = [part for pair in [*message.to, *message.cc, *message.bcc][:200] for part in pair]
    marks = [EVERY, f"{MAILBOX}{mailbox_id}"]
    if message.attachments:
        marks.append(FILES)
    subject, names = message.subject[:2_000], [a.name for a in message.attachments[:100]]
    fields = [(mark, [*map(_index_words, texts)]) for mark, texts in _fields(subject, sender, recipients)]
    return " ".join(
        [
            *marks,
            *(mark + token for mark, texts in fields for words in texts for token in words.split()),
            *(words for _mark, texts in fields for words in texts),
            *map(index_words, names),
        ]
    )


def _fields(subject: str, sender: list[str], recipients: list[str]) -> list[tuple[str, list[str]]]:
    return [(SUBJECT, [subject]), (SENDER, sender), (RECIPIENT, recipients)]


_index_words = lru_cache(maxsize=2_000)(index_words)  # the same people and subjects come again and again


@lru_cache(maxsize=20_000)
def _folded_character(character: str) -> str:
    return folded(character)


def _folded_with_origins(flat: str) -> tuple[str, Sequence[int]]:
    """The text as it is compared, and for each of its characters the place in `flat` that it came from."""
    same = folded(flat)
    if len(same) == len(flat):
        return same, range(len(flat) + 1)
    out: list[str] = []
    origin: list[int] = []
    for at, character in enumerate(flat):
        kept = _folded_character(character)
        out.append(kept)
        origin += [at] * len(kept)
    return "".join(out), [*origin, len(flat)]


def _spots(same: str, words: Sequence[str]) -> list[tuple[int, int]]:
    """Where the words stand, in order, without overlaps; words of letters only where a word begins."""
    spots: list[tuple[int, int]] = []
    for word in words:
        at = same.find(word) if word else -1
        while at >= 0 and len(spots) < 500:
            if at == 0 or not (
                word[0].isascii() and word[0].isalnum() and same[at - 1].isascii() and same[at - 1].isalnum()
            ):
                spots.append((at, at + len(word)))
            at = same.find(word, at + len(word))
    kept: list[tuple[int, int]] = []
    for low, high in sorted(spots, key=lambda spot: (spot[0], -spot[1])):
        if not kept or low >= kept[-1][1]:
            kept.append((low, high))
    return kept
