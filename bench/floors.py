"""The floors: the least code that does each job at all, with the fastest parts, without rules and second chances."""

from __future__ import annotations

import hashlib
import os
import re
import smtplib
import sqlite3
import time
from collections.abc import Sequence
from pathlib import Path

import fast_mail_parser
import psycopg
from imapclient import IMAPClient

CJK = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uff66-\uff9f々]+")
IDS = re.compile(r"<[^<>\s]+>")
EVERY = 50  # mails a commit

SQLITE = """
create table conv(id integer primary key, subject, updated);
create table msg(id integer primary key, conv int, uid int unique, mid text, sender text, subject text, body text,
                 html text);
create index m1 on msg(mid);
create table att(id integer primary key, msg int, name, ct, sha);
create virtual table f using fts5(s, b, content='', tokenize='unicode61');
"""
POSTGRES = """
create table conv(id serial primary key, subject text, updated int);
create table msg(id serial primary key, conv int, uid int unique, mid text, sender text, subject text, body text,
                 html text, tv tsvector);
create index m1 on msg(mid);
create index m2 on msg using gin(tv);
create table att(id serial primary key, msg int, name text, ct text, sha text);
"""


def ingest(port: int, user: str, password: str, *, database: str, folder: Path, durable: bool = False) -> float:
    """Mails a second from IMAP into rows: fetch, parse, find the thread, insert with search words, files to disk.

    It keeps no raw mail and flushes nothing, so a power cut loses mail. `durable`: each raw mail is flushed to the
    disk before it is parsed, and each commit too, as Madoguchi does.
    """
    store = _Sqlite(folder, durable=durable) if database == "sqlite" else _Postgres(database)
    client = IMAPClient("127.0.0.1", port, ssl=False)
    client.login(user, password)
    client.select_folder("INBOX", readonly=True)
    client._imap.debug = 0
    uids = client.search("ALL")
    begin = time.perf_counter()
    done = 0
    for start in range(0, len(uids), EVERY):
        fetched = client.fetch(uids[start : start + EVERY], [b"BODY.PEEK[]"])
        for uid in sorted(fetched) if durable else ():
            _keep(folder / f"{uid}.eml", fetched[uid][b"BODY[]"])
        for uid in sorted(fetched):
            store.insert(uid, _parsed(fetched[uid][b"BODY[]"], folder), done)
            done += 1
        store.commit()
    seconds = time.perf_counter() - begin
    client.logout()
    return done / seconds


def _keep(path: Path, raw: bytes) -> None:
    with path.open("wb") as file:
        file.write(raw)
        file.flush()
        os.fdatasync(file.fileno())


def _parsed(raw: bytes, folder: Path) -> tuple:  # type: ignore[type-arg]
    mail = fast_mail_parser.parse_email(raw)

    def head(name: str) -> str:
        return str((mail.headers.get(name) or [""])[0])

    relatives = (IDS.findall(head("References")) + IDS.findall(head("In-Reply-To")))[-8:]
    files = []
    for one in mail.attachments:
        sha = hashlib.sha256(one.content).hexdigest()
        path = folder / sha
        if not path.exists():
            path.write_bytes(one.content)
        files.append((one.filename, one.mimetype, sha))
    text = (mail.text_plain or [""])[0]
    html = (mail.text_html or [""])[0]
    return head("Message-ID"), relatives, head("From"), mail.subject, text, html, files


def _bigrams(text: str) -> str:
    return CJK.sub(lambda run: " " + " ".join(run[0][i : i + 2] for i in range(len(run[0]))) + " ", text)


class _Sqlite:
    def __init__(self, folder: Path, *, durable: bool) -> None:
        self.c = sqlite3.connect(folder / "floor.db")
        self.c.execute("pragma journal_mode=wal")
        self.c.execute(f"pragma synchronous={'full' if durable else 'normal'}")
        self.c.executescript(SQLITE)

    def insert(self, uid: int, mail: tuple, n: int) -> None:  # type: ignore[type-arg]
        mid, relatives, sender, subject, text, html, files = mail
        c = self.c
        marks = ",".join("?" * len(relatives))
        found = (
            c.execute(f"select conv from msg where mid in ({marks}) limit 1", relatives).fetchone()
            if relatives
            else None
        )
        conv = (
            found[0] if found else c.execute("insert into conv(subject, updated) values(?, ?)", (subject, n)).lastrowid
        )
        row = c.execute(
            "insert into msg(conv, uid, mid, sender, subject, body, html) values(?, ?, ?, ?, ?, ?, ?)",
            (conv, uid, mid, sender, subject, text, html),
        ).lastrowid
        c.execute("insert into f(rowid, s, b) values(?, ?, ?)", (row, _bigrams(subject), _bigrams(text)))
        for one in files:
            c.execute("insert into att(msg, name, ct, sha) values(?, ?, ?, ?)", (row, *one))
        c.execute("update conv set updated = ? where id = ?", (n, conv))

    def commit(self) -> None:
        self.c.commit()


class _Postgres:
    def __init__(self, url: str) -> None:
        self.c = psycopg.connect(url.replace("postgresql+psycopg://", "postgresql://"))
        self.c.execute(POSTGRES)
        self.c.commit()

    def insert(self, uid: int, mail: tuple, n: int) -> None:  # type: ignore[type-arg]
        mid, relatives, sender, subject, text, html, files = mail
        c = self.c
        found = (
            c.execute("select conv from msg where mid = any(%s) limit 1", (relatives,)).fetchone()
            if relatives
            else None
        )
        if found is None:
            found = c.execute("insert into conv(subject, updated) values(%s, %s) returning id", (subject, n)).fetchone()
        assert found is not None
        row = c.execute(
            "insert into msg(conv, uid, mid, sender, subject, body, html, tv)"
            " values(%s, %s, %s, %s, %s, %s, %s, to_tsvector('simple', %s)) returning id",
            (found[0], uid, mid, sender, subject, text, html, _bigrams(subject + "\n" + text)[:500_000]),
        ).fetchone()
        assert row is not None
        for one in files:
            c.execute("insert into att(msg, name, ct, sha) values(%s, %s, %s, %s)", (row[0], *one))
        c.execute("update conv set updated = %s where id = %s", (n, found[0]))

    def commit(self) -> None:
        self.c.commit()


def send(port: int, mails: Sequence[bytes]) -> float:
    """Mails a second with bare smtplib over one kept connection."""
    with smtplib.SMTP("127.0.0.1", port, local_hostname="bench.example") as client:
        begin = time.perf_counter()
        for raw in mails:
            client.sendmail("support@shop.example", ["customer@customer.example"], raw)
        return len(mails) / (time.perf_counter() - begin)
