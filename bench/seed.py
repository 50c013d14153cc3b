"""Fills a fresh database with as many conversations as asked: `python -m bench.seed COUNT`."""

from __future__ import annotations

import json
import random
import sys
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

from sqlalchemy import insert, text
from sqlalchemy.orm import Session

from inbox import conversations, db, people, search
from inbox.blobs import blobs
from inbox.mail.search_words import index_words
from inbox.models import (
    Base,
    Conversation,
    Mailbox,
    MailboxAccess,
    MailboxAddress,
    Message,
    Person,
    PersonAddress,
    User,
)

NOW = datetime(2026, 11, 20, 3, 0, tzinfo=UTC)
AT_ONCE = 20_000
PEOPLE = 20_000
STATUSES = ("closed",) * 12 + ("open", "open", "waiting", "snoozed")
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


def seed(count: int) -> None:
    """One mailbox, ten agents, `count` conversations of one message, search words included."""
    db.migrate()
    chance = random.Random(3)
    sha256 = blobs().put(RAW)
    with db.transaction() as session:
        mailbox = _mailbox()
        session.add(mailbox)
        session.flush()
        users = [_user(number) for number in range(10)]
        session.add_all(users)
        session.flush()
        session.add_all(MailboxAccess(user_id=user.id, mailbox_id=mailbox.id) for user in users)
        many = min(PEOPLE, count)
        session.execute(insert(Person), [{"id": n + 1, "name": f"山田 {n}", "created_at": NOW} for n in range(many)])
        session.execute(
            insert(PersonAddress), [{"person_id": n + 1, "address": f"taro{n}@example.jp"} for n in range(many)]
        )
        mailbox_id, owners = mailbox.id, [None, *(user.id for user in users)]
    for start in range(0, count, AT_ONCE):
        rows = [_row(n, chance, mailbox_id, owners, sha256, many) for n in range(start, min(start + AT_ONCE, count))]
        with db.transaction() as session:
            _write(session, Conversation, [conversation for conversation, _ in rows])
            _write(session, Message, [message for _, message in rows])
            _write_words(session, mailbox_id, [SimpleNamespace(**message, attachments=[]) for _, message in rows])
        db.checkpoint()
    with db.transaction() as session:
        conversations.recount(session)
        if not db.is_sqlite(session):
            for table in ("conversation", "message", "person"):
                session.execute(
                    text(f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), {max(count, PEOPLE) + 1})")
                )
    db.checkpoint()
    with db.engine().connect().execution_options(isolation_level="AUTOCOMMIT", read_only=True) as connection:
        connection.exec_driver_sql("ANALYZE")


def _write(session: Session, model: type[Base], rows: list[dict[str, Any]]) -> None:
    """Past the ORM's conversions: a million rows would take it ten minutes."""
    defaults = {c.name: c.default.arg for c in model.__table__.columns if c.default is not None and c.default.is_scalar}
    rows = [defaults | row for row in rows]
    columns = [c for c in model.__table__.columns if c.name in rows[0]]
    sqlite = db.is_sqlite(session)

    def plain(value: Any) -> Any:
        if isinstance(value, list):
            return json.dumps(value)
        return value.strftime("%Y-%m-%d %H:%M:%S.%f") if sqlite and isinstance(value, datetime) else value

    tuples = [tuple(plain(row[c.name]) for c in columns) for row in rows]
    names = ", ".join(f'"{c.name}"' for c in columns)
    cursor = session.connection().connection.cursor()
    if sqlite:
        cursor.executemany(
            f"INSERT INTO {model.__tablename__} ({names}) VALUES ({', '.join('?' * len(columns))})", tuples
        )
        return
    with cursor.copy(f"COPY {model.__tablename__} ({names}) FROM STDIN") as copy:
        for one in tuples:
            copy.write_row(one)


def _write_words(session: Session, mailbox_id: int, messages: list[Any]) -> None:
    """What `search.index_all` writes, without a lookup for each message."""
    rows = [(search.place_of(m), m.id, f"{search._marks(m, mailbox_id)} {index_words(m.text)}") for m in messages]
    cursor = session.connection().connection.cursor()
    if db.is_sqlite(session):
        cursor.executemany(
            "INSERT INTO search_fts(rowid, words) VALUES (?, ?)", [(place, words) for place, _, words in rows]
        )
        return
    with cursor.copy("COPY search_words (place, chunk, message_id, words) FROM STDIN") as copy:
        for place, message_id, words in rows:
            copy.write_row((place, 0, message_id, search._vector(words)))


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


def _row(
    n: int, chance: random.Random, mailbox_id: int, owners: list[int | None], sha256: str, many: int
) -> tuple[dict[str, Any], dict[str, Any]]:
    at = NOW - timedelta(seconds=31 * (n + 1))
    subject = f"{chance.choice(THINGS)}{chance.choice(ASKS)}"
    words = (
        f"お世話になっております。注文番号{n}の{chance.choice(THINGS)}{chance.choice(ASKS)}。よろしくお願いいたします。"
    )
    status = chance.choice(STATUSES)
    person = n % many + 1
    conversation = {
        "id": n + 1,
        "mailbox_id": mailbox_id,
        "person_id": person,
        "subject": subject,
        "status": status,
        "owner_id": chance.choice(owners),
        "version": 1,
        "waiting_since": at if status == "open" else None,
        "opened_at": at,
        "activity_at": at,
        "snoozed_until": NOW + timedelta(days=9) if status == "snoozed" else None,
        "created_at": at,
        "message_count": 1,
        "people": f"山田 {person - 1}",
        "snippet": words,
    }
    message = {
        "id": n + 1,
        "conversation_id": n + 1,
        "direction": "in",
        "kind": "person",
        "person_id": person,
        "from_name": f"山田 {person - 1}",
        "from_address": f"taro{person - 1}@example.jp",
        "to": [["", "support@shop.example"]],
        **{name: [] for name in ("cc", "bcc", "reply_to", "references", "warnings")},
        "subject": subject,
        "mail_id": f"<{n}@example.jp>",
        "key": f"{n:032x}",
        "at": at,
        "created_at": at,
        "text": words,
        "new_text": words,
        "snippet": words,
        "raw_sha256": sha256,
        "size": len(RAW),
    }
    return conversation, message


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


if __name__ == "__main__":
    seed(int(sys.argv[1]))
    print('"' + cookie() + '"')
