"""Deterministic mails for measuring: Japanese and English, many charsets, replies, HTML, files; median about 14 KB."""

from __future__ import annotations

import base64
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

START = datetime(2026, 1, 1, tzinfo=UTC)
JAPANESE = (
    "お世話になっております。",
    "先日注文した商品がまだ届いておりません。",
    "配送状況を確認していただけますでしょうか。",
    "請求書の宛名を変更していただけますか。",
    "パスワードの再設定メールが届きません。",
    "添付ファイルをご確認ください。",
    "見積書を今週中にいただけると助かります。",
    "ご対応のほどよろしくお願いいたします。",
)
SUBJECTS = (
    "配送について",
    "請求書の再発行のお願い",
    "ログインできません",
    "見積依頼",
    "領収書について",
    "納期のご確認",
)
SYLLABLES = ("ka re mi to lan sor ven tri pol dex mar qui ban ter no si cu per lo ras ing ment ad ob ze fi gra").split()  # noqa: SIM905  (a list of thirty quoted syllables reads worse)
CHARSETS = ("utf-8", "utf-8", "utf-8", "utf-8", "iso-2022-jp", "iso-2022-jp", "shift_jis", "euc-jp")


def mails(count: int, *, seed: int = 7) -> Iterator[bytes]:
    """`count` mails with CRLF lines; the same seed gives the same bytes."""
    chance = random.Random(seed)
    words = ["".join(chance.choices(SYLLABLES, k=chance.randint(1, 4))) for _ in range(4000)]
    pool = chance.randbytes(1_000_000)
    earlier: list[tuple[str, str, str]] = []  # (Message-ID, References, subject)
    for number in range(count):
        yield _mail(chance, number, words=words, pool=pool, earlier=earlier)


def _mail(
    chance: random.Random, number: int, *, words: list[str], pool: bytes, earlier: list[tuple[str, str, str]]
) -> bytes:
    japanese = chance.random() < 0.6
    mail_id = f"<{number}.{chance.getrandbits(48):x}@customer.example>"
    parent = chance.choice(earlier[-400:]) if earlier and chance.random() < 0.43 else None
    subject = (
        f"Re: {parent[2]}"
        if parent
        else f"{chance.choice(SUBJECTS)} {number}"
        if japanese
        else f"Order {number} " + " ".join(chance.choices(words, k=4))
    )
    references = f"{parent[1]} {parent[0]}".strip() if parent else ""
    earlier.append((mail_id, references, subject.removeprefix("Re: ")))
    charset = chance.choice(CHARSETS) if japanese else "utf-8"
    size = int(
        min(max(chance.lognormvariate(8.8, 0.7), 800), 120_000)
    )  # bytes of words: most mails are short, some are very long
    body = _japanese(chance, size) if japanese else _english(chance, size, words)
    sender = chance.randrange(600)
    head = [
        "Return-Path: <c@customer.example>",
        f"From: {_word('顧客 太郎', charset) if japanese else 'Alex Customer'} <c{sender}@customer.example>",
        "To: support@shop.example",
        f"Subject: {_word(subject, charset) if japanese else subject}",
        f"Date: {format_datetime(START + timedelta(seconds=37 * number))}",
        f"Message-ID: {mail_id}",
        *([f"In-Reply-To: {parent[0]}", "References: " + "\r\n ".join(references.split()[-20:])] if parent else []),
        *(
            f"Received: from relay{hop}.example by mx.example with ESMTPS id {chance.getrandbits(60):x}"
            for hop in range(4)
        ),
        "DKIM-Signature: v=1; a=rsa-sha256; d=customer.example; b=" + base64.b64encode(chance.randbytes(180)).decode(),
        "MIME-Version: 1.0",
    ]
    content = _bodies(chance, body, charset, number)
    if chance.random() < 0.11:
        content = _with_file(chance, content, pool, number)
    return "\r\n".join(head).encode() + b"\r\n" + content


def _bodies(chance: random.Random, body: str, charset: str, number: int) -> bytes:
    if chance.random() > 0.37:
        return _text(body, charset, "plain")
    edge = f"alt{number}"
    html = (
        "<html><body>"
        + "".join(f'<p style="margin:0 0 8px">{line}</p>' for line in body.split("\n"))
        + "</body></html>"
    )
    parts = b"".join(
        b"--%b\r\n%b\r\n" % (edge.encode(), part)
        for part in (_text(body, charset, "plain"), _text(html, charset, "html"))
    )
    return b'Content-Type: multipart/alternative; boundary="%b"\r\n\r\n%b--%b--\r\n' % (
        edge.encode(),
        parts,
        edge.encode(),
    )


def _text(body: str, charset: str, subtype: str) -> bytes:
    raw = body.replace("\n", "\r\n").encode(charset, "replace")
    head = f"Content-Type: text/{subtype}; charset={charset}\r\nContent-Transfer-Encoding: "
    if charset == "iso-2022-jp":
        return head.encode() + b"7bit\r\n\r\n" + raw + b"\r\n"
    return head.encode() + b"base64\r\n\r\n" + _lines(raw)


def _with_file(chance: random.Random, content: bytes, pool: bytes, number: int) -> bytes:
    edge = b"mix%d" % number
    start = chance.randrange(len(pool) - 600_000)
    data = pool[start : start + chance.randint(40_000, 600_000)]
    name = chance.choice(("invoice.pdf", "photo.jpg", "list.xlsx"))
    file = (
        f'Content-Type: application/octet-stream; name="{name}"\r\n'
        f'Content-Disposition: attachment; filename="{name}"\r\n'
        "Content-Transfer-Encoding: base64\r\n\r\n"
    ).encode() + _lines(data)
    return b'Content-Type: multipart/mixed; boundary="%b"\r\n\r\n--%b\r\n%b\r\n--%b\r\n%b\r\n--%b--\r\n' % (
        edge,
        edge,
        content,
        edge,
        file,
        edge,
    )


def _lines(raw: bytes) -> bytes:
    return base64.encodebytes(raw).replace(b"\n", b"\r\n")


def _word(text: str, charset: str) -> str:
    return f"=?{charset}?B?{base64.b64encode(text.encode(charset, 'replace')).decode()}?="


def _japanese(chance: random.Random, size: int) -> str:
    lines = ["株式会社サンプル ご担当者様", ""]
    while sum(map(len, lines)) * 3 < size:
        lines.append("".join(chance.choices(JAPANESE, k=2)))
    return "\n".join(lines)


def _english(chance: random.Random, size: int, words: list[str]) -> str:
    lines = ["Dear team,", ""]
    while sum(map(len, lines)) < size:
        lines.append(" ".join(chance.choices(words, k=11)).capitalize() + ".")
    return "\n".join(lines)
