"""Fills a fresh database with as many conversations as asked: `python -m bench.seed COUNT`."""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import cache
from types import SimpleNamespace
from typing import Any

from sqlalchemy import insert, text

from inbox import conversations, db, people, search
from inbox.blobs import blobs
from inbox.mail.search_words import index_words, vector, with_characters
from inbox.models import (
    Base,
    Conversation,
    ConversationTag,
    Event,
    Folder,
    Mailbox,
    MailboxAccess,
    MailboxAddress,
    Message,
    Person,
    PersonAddress,
    RawMail,
    SearchWords,
    Tag,
    User,
)

NOW = datetime(2026, 11, 20, 3, 0, tzinfo=UTC)
AT_ONCE = 20_000
PEOPLE = 20_000
STATUSES = ("closed",) * 12 + ("open", "open", "waiting", "snoozed")
TAGS = ("至急", "請求", "返品", "契約", "技術")
TAGGED = 6  # every sixth conversation carries a tag
THINGS = [
    "請求書",
    "見積書",
    "領収書",
    "納品",
    "返品",
    "交換",
    "配送",
    "会員登録",
    "パスワード",
    "解約",
    "契約更新",
    "操作方法",
    "不具合",
    "在庫",
    "色違い",
]
ASKS = ("について教えてください", "が届きません", "を再発行してください", "の件でご相談です", "を変更したいです")
RAW = (
    "From: =?utf-8?B?5bGx55Sw?= <taro@example.jp>\r\nTo: support@shop.example\r\nSubject: bench\r\n"
    "Content-Type: text/plain; charset=utf-8\r\n\r\nお世話になっております。ご確認をお願いいたします。\r\n"
).encode()
LISTS = {
    "to": json.dumps([["", "support@shop.example"]]),
    **dict.fromkeys(("cc", "bcc", "reply_to", "references", "warnings"), "[]"),
}
Row = dict[str, Any]


def seed(count: int) -> None:
    """One mailbox, ten agents, `count` conversations of one mail, each with its history and its search words."""
    db.migrate()
    cast = _cast(count)
    fill = _sqlite if db.engine().dialect.name == "sqlite" else _postgres
    with fill() as (write, write_words):
        for start in range(0, count, AT_ONCE):
            numbers = range(start, min(start + AT_ONCE, count))
            for model, made in MADE.items():
                write(model, [made(n, cast) for n in numbers])
            write(ConversationTag, [_tagged(n) for n in numbers if n % TAGGED == 0])
            write_words([(_place(n, cast), n + 1, *_index_words(n, cast)) for n in numbers])
    with db.transaction() as session:
        conversations.recount(session)
        if not db.is_sqlite(session):
            for table in ("conversation", "message", "person", "event", "raw_mail"):
                session.execute(
                    text(f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), {max(count, PEOPLE) + 1})")
                )
    db.checkpoint()
    if db.engine().dialect.name == "postgresql":  # its autovacuum would; SQLite plans without statistics, as it lives
        with db.engine().connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.exec_driver_sql("VACUUM ANALYZE")


def cookie() -> str:
    """A signed-in browser's cookie for the first agent: name=value."""
    from web import create_app

    app = create_app()
    with db.reading() as session:
        user = session.get_one(User, 1)
        assert people.viewer(session, user.id, user.session_epoch) is not None
    serializer = app.session_interface.get_signing_serializer(app)  # type: ignore[attr-defined]
    value = serializer.dumps({"user": 1, "epoch": 0, "at": int(datetime.now(UTC).timestamp()), "key": "bench"})
    return f"{app.config['SESSION_COOKIE_NAME']}={value}"


# -- who and what


def _cast(count: int) -> SimpleNamespace:
    """What all rows share: ids of the mailbox, its folder, the agents, and how many correspondents there are."""
    many, sha256 = min(PEOPLE, count), blobs().put(RAW)
    with db.transaction() as session:
        mailbox = _mailbox()
        users = [_user(number) for number in range(10)]
        session.add_all([mailbox, *users, *(Tag(name=name) for name in TAGS)])
        session.flush()
        folder = Folder(mailbox_id=mailbox.id, name="INBOX")
        session.add_all([folder, *(MailboxAccess(user_id=user.id, mailbox_id=mailbox.id) for user in users)])
        session.execute(insert(Person), [{"id": n + 1, "name": f"山田 {n}", "created_at": NOW} for n in range(many)])
        session.execute(
            insert(PersonAddress), [{"person_id": n + 1, "address": f"taro{n}@example.jp"} for n in range(many)]
        )
        session.flush()
        owners = (None, *(user.id for user in users))
        return SimpleNamespace(
            count=count,
            many=many,
            mailbox_id=mailbox.id,
            folder_id=folder.id,
            owners=owners,
            sha256=sha256,
            chance=random.Random(3),
        )


def _when(n: int, cast: SimpleNamespace) -> datetime:
    """Conversation 0 is the oldest, as mail arrives."""
    return NOW - timedelta(seconds=31 * (cast.count - n))


def _at(n: int, cast: SimpleNamespace) -> str:
    return _stored(_when(n, cast))


def _stored(at: datetime) -> str:
    """As SQLite stores a time; PostgreSQL is told that it is UTC."""
    return at.replace(tzinfo=None).isoformat(" ", "microseconds")


def _what(n: int) -> tuple[str, str, str]:
    """Thing, asked question, and the thing that the text speaks of; the same for everybody, spread evenly."""
    return THINGS[n % 15], ASKS[n // 15 % 5], THINGS[n // 75 % 15]


def _subject(n: int) -> str:
    thing, ask, _other = _what(n)
    return thing + ask


def _words(n: int) -> str:
    _thing, ask, other = _what(n)
    return _text(str(n), ask, other)


def _text(number: str, ask: str, other: str) -> str:
    return f"お世話になっております。注文番号{number}の{other}{ask}。よろしくお願いいたします。"


def _mail(subject: str, person: int) -> Row:
    """What stands in the headers of a mail."""
    return {
        "subject": subject,
        "from_name": f"山田 {person}",
        "from_address": f"taro{person}@example.jp",
        "to": [["", "support@shop.example"]],
        "cc": [],
        "bcc": [],
    }


def _conversation(n: int, cast: SimpleNamespace) -> Row:
    at, status, person = _at(n, cast), cast.chance.choice(STATUSES), n % cast.many
    return {
        "id": n + 1,
        "mailbox_id": cast.mailbox_id,
        "person_id": person + 1,
        "subject": _subject(n),
        "status": status,
        "owner_id": cast.chance.choice(cast.owners),
        "version": 1,
        "waiting_since": at if status == "open" else None,
        "opened_at": at,
        "activity_at": at,
        "snoozed_until": _stored(NOW + timedelta(days=9)) if status == "snoozed" else None,
        "created_at": at,
        "message_count": 1,
        "people": f"山田 {person}",
        "snippet": _words(n),
    }


def _message(n: int, cast: SimpleNamespace) -> Row:
    at, person, words = _at(n, cast), n % cast.many, _words(n)
    return {
        "id": n + 1,
        "conversation_id": n + 1,
        "direction": "in",
        "kind": "person",
        "person_id": person + 1,
        **_mail(_subject(n), person),
        **LISTS,
        "mail_id": f"<{n}@example.jp>",
        "key": f"{n:032x}",
        "at": at,
        "created_at": at,
        "text": words,
        "new_text": words,
        "snippet": words,
        "raw_sha256": cast.sha256,
        "size": len(RAW),
    }


def _event(n: int, cast: SimpleNamespace) -> Row:
    return {
        "id": n + 1,
        "conversation_id": n + 1,
        "mailbox_id": cast.mailbox_id,
        "at": _at(n, cast),
        "kind": "received",
        "about": "{}",
    }


def _raw_mail(n: int, cast: SimpleNamespace) -> Row:
    return {
        "id": n + 1,
        "folder_id": cast.folder_id,
        "uidvalidity": 1,
        "uid": n + 1,
        "sha256": cast.sha256,
        "size": len(RAW),
        "fetched_at": _at(n, cast),
        "state": "filed",
        "message_id": n + 1,
        "headers": "{}",
    }


def _tagged(n: int) -> Row:
    return {"conversation_id": n + 1, "tag_id": n // TAGGED % len(TAGS) + 1}


MADE = {Conversation: _conversation, Message: _message, Event: _event, RawMail: _raw_mail}


def _mailbox() -> Mailbox:
    return Mailbox(
        name="Support",
        display_name="Support",
        address="support@shop.example",
        created_at=NOW,
        imap_host="127.0.0.1",
        imap_port=1,
        imap_security="plain",
        imap_user="x",
        imap_secret="",
        smtp_host="127.0.0.1",
        smtp_port=1,
        smtp_security="plain",
        smtp_user="",
        smtp_secret="",
        active=False,
        addresses=[MailboxAddress(address="support@shop.example")],
    )


def _user(number: int) -> User:
    return User(
        email=f"agent{number}@shop.example",
        name=f"担当 {number}",
        role="agent",
        created_at=NOW,
        password_hash="nobody signs in",
    )


# -- its words in the index: as `search.index_all` makes them, but what repeats is made once


def _place(n: int, cast: SimpleNamespace) -> int:
    return search.place_of(SimpleNamespace(id=n + 1, at=_when(n, cast)))  # type: ignore[arg-type]


def _index_words(n: int, cast: SimpleNamespace) -> tuple[str, str]:
    before, after = _around_number(*_what(n)[1:])
    return _marks(_subject(n), n % cast.many, cast.mailbox_id), f"{before} {n} {after}"


@cache
def _around_number(ask: str, other: str) -> tuple[str, str]:
    before, after = _text("0", ask, other).split("0")
    return index_words(before), index_words(after)


@cache
def _marks(subject: str, person: int, mailbox_id: int) -> str:
    return search._marks(SimpleNamespace(**_mail(subject, person), attachments=[]), mailbox_id)  # type: ignore[arg-type]


# -- into the database, past the ORM and its checks: with them a million rows would take an hour

Write = Callable[[type[Base], list[Row]], None]
WriteWords = Callable[[list[tuple[int, int, str, str]]], None]  # place, message's id, marks, words of the text


@contextmanager
def _sqlite() -> Iterator[tuple[Write, WriteWords]]:
    raw = db.engine().raw_connection()
    cursor = raw.cursor()
    for pragma in ("foreign_keys=OFF", "synchronous=OFF", "cache_size=-400000"):
        cursor.execute("PRAGMA " + pragma)

    def write(model: type[Base], rows: list[Row]) -> None:
        names, tuples = _columns(model, rows)
        marks = ", ".join("?" * len(names))
        _all(f"INSERT INTO {model.__tablename__} ({_quoted(names)}) VALUES ({marks})", tuples)

    def write_words(rows: list[tuple[int, int, str, str]]) -> None:
        found = [(place, f"{with_characters(marks)} {with_characters(words)}") for place, _id, marks, words in rows]
        _all("INSERT INTO search_fts(rowid, words) VALUES (?, ?)", found)
        db.checkpoint()

    def _all(statement: str, tuples: list[tuple[Any, ...]]) -> None:
        cursor.execute("BEGIN IMMEDIATE")
        cursor.executemany(statement, tuples)
        cursor.execute("COMMIT")

    yield write, write_words
    raw.invalidate()  # nobody else gets a connection with these settings


@contextmanager
def _postgres() -> Iterator[tuple[Write, WriteWords]]:
    raw = db.engine().raw_connection()
    cursor = raw.cursor()
    for setting in ("TIME ZONE 'UTC'", "session_replication_role = replica", "maintenance_work_mem = '512MB'"):
        cursor.execute(f"SET {setting}")
    cursor.execute("DROP INDEX ix_search_words_words")  # it is built faster at the end

    def write(model: type[Base], rows: list[Row]) -> None:
        names, tuples = _columns(model, rows)
        _copy(model.__tablename__, names, tuples)

    def write_words(rows: list[tuple[int, int, str, str]]) -> None:
        vectors = [(place, 0, message_id, vector(f"{marks} {words}")) for place, message_id, marks, words in rows]
        _copy(SearchWords.__tablename__, ["place", "chunk", "message_id", "words"], vectors)
        raw.commit()

    def _copy(table: str, names: list[str], tuples: list[tuple[Any, ...]]) -> None:
        lines = ("\t".join(["\\N" if value is None else str(value) for value in row]) + "\n" for row in tuples)
        with cursor.copy(f"COPY {table} ({_quoted(names)}) FROM STDIN") as copy:
            copy.write("".join(lines))

    yield write, write_words
    cursor.execute("CREATE INDEX ix_search_words_words ON search_words USING gin (words)")
    raw.commit()
    raw.invalidate()


def _columns(model: type[Base], rows: list[Row]) -> tuple[list[str], list[tuple[Any, ...]]]:
    """The rows as tuples, with the defaults of their columns."""
    columns = model.__table__.columns
    rest = {c.name: c.default.arg for c in columns if c.default is not None and c.default.is_scalar}
    names = list(rest | rows[0])
    return names, [tuple((rest | row).values()) for row in rows]


def _quoted(names: list[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)


if __name__ == "__main__":
    seed(int(sys.argv[1]))
    print('"' + cookie() + '"')
