"""Mails whose right reading is known: charsets that go wrong elsewhere, threads, attachments, robots, copies."""

from __future__ import annotations

import base64
import hashlib
import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

START = datetime(2026, 9, 1, tzinfo=UTC)
WORDS = (
    "お世話になっております。",
    "商品がまだ届いておりません。",
    "返金の手続きについて教えてください。",
    "住所変更をお願いいたします。",
)
HARD = ("①②③ 番号付き", "髙島㈱ ①番", "ﾊﾝｶｸ ｶﾅ", "〜から‐まで", "纊褜鍈銈蓜")  # NEC and IBM characters, half-width kana


@dataclass(frozen=True)
class Truth:
    """What must be filed for one mail."""

    raw: bytes
    subject: str
    first_line: str
    root: int  # index of the mail that its conversation began with
    files: tuple[str, ...]  # SHA-256 of its attachments
    hard: bool
    copy_of: int | None  # index of the mail that these very bytes came as before


def mails(count: int, *, seed: int = 11) -> Iterator[Truth]:
    """`count` mails, the same for the same seed."""
    chance = random.Random(seed)
    known: list[tuple[str, tuple[str, ...], int]] = []  # Message-ID, References, root
    last: Truth | None = None
    for index in range(count):
        if last is not None and chance.random() < 0.01:
            copied = last.copy_of if last.copy_of is not None else index - 1
            last = Truth(last.raw, last.subject, last.first_line, last.root, last.files, last.hard, copied)
            yield last
            continue
        parent = chance.choice(known[-300:]) if known and chance.random() < 0.43 else None
        last = _mail(chance, index, parent)
        mail_id = f"<{index}.truth@customer.example>"
        known.append((mail_id, (*parent[1], parent[0])[-12:] if parent else (), parent[2] if parent else index))
        yield last


def _mail(chance: random.Random, index: int, parent: tuple[str, tuple[str, ...], int] | None) -> Truth:
    hard = chance.random() < 0.02
    charset = (
        "cp50221"
        if hard and chance.random() < 0.5
        else "cp932"
        if hard
        else chance.choice(("utf-8", "iso-2022-jp", "cp932"))
    )
    mark = chance.choice(HARD[:3] if charset == "cp50221" else HARD[:2]) if hard else "件名"
    subject, first = f"{mark} {index}", f"{mark} 本文 {index}"
    body = "\n".join([first, *chance.choices(WORDS, k=chance.randint(3, 60))]) + "\n"
    label = {"cp932": "Shift_JIS", "cp50221": "ISO-2022-JP"}.get(charset, charset)
    head = [
        f"Received: from relay{index % 9}.example by mx.example id {chance.getrandbits(60):x}",
        f"Date: {format_datetime(START + timedelta(seconds=41 * index))}",
        f"From: {_word('顧客', 'utf-8')} <c{chance.randrange(200)}@customer.example>",
        "To: support@shop.example",
        f"Subject: =?{label}?B?{base64.b64encode(_encoded(subject, charset)).decode()}?=",
        f"Message-ID: <{index}.truth@customer.example>",
        "MIME-Version: 1.0",
    ]
    if parent:
        head += [f"In-Reply-To: {parent[0]}", "References: " + " ".join((*parent[1], parent[0])[-12:])]
    text = f"Content-Type: text/plain; charset={label}\r\nContent-Transfer-Encoding: base64\r\n\r\n".encode()
    text += base64.encodebytes(_encoded(body, charset)).replace(b"\n", b"\r\n")
    files = [chance.randbytes(chance.randint(100, 60_000)) for _ in range(chance.choice((0, 0, 0, 0, 0, 0, 1, 2)))]
    raw = "\r\n".join(head).encode() + b"\r\n" + (_with_files(text, files, index) if files else text)
    root = parent[2] if parent else index
    return Truth(raw, subject, first, root, tuple(hashlib.sha256(one).hexdigest() for one in files), hard, None)


def _with_files(text: bytes, files: list[bytes], index: int) -> bytes:
    boundary = f"=_{index}".encode()
    out = b'Content-Type: multipart/mixed; boundary="' + boundary + b'"\r\n\r\n--' + boundary + b"\r\n" + text
    for number, data in enumerate(files):
        name = f"filename*=UTF-8''%E8%AB%8B%E6%B1%82-{number}.bin"
        out += b"\r\n--" + boundary + b"\r\nContent-Type: application/octet-stream\r\n"
        out += f"Content-Disposition: attachment; {name}\r\nContent-Transfer-Encoding: base64\r\n\r\n".encode()
        out += base64.encodebytes(data).replace(b"\n", b"\r\n")
    return out + b"\r\n--" + boundary + b"--\r\n"


def _word(text: str, charset: str) -> str:
    return f"=?{charset}?B?{base64.b64encode(text.encode(charset)).decode()}?="


def _encoded(text: str, charset: str) -> bytes:
    """CP50221 as mail programs of Windows write it: JIS X 0208 with NEC's row 13, half-width kana by ESC ( I."""
    if charset != "cp50221":
        return text.encode("iso2022_jp" if charset == "iso-2022-jp" else charset)
    out = b""
    for char in text:
        if "①" <= char <= "⑳":
            out += b"\x1b$B" + bytes((0x2D, 0x21 + ord(char) - ord("①"))) + b"\x1b(B"
        elif char == "㈱":
            out += b"\x1b$B" + bytes((0x2D, 0x6A)) + b"\x1b(B"
        elif char == "髙":
            out += b"\x1b$B" + bytes((0x7C, 0x62)) + b"\x1b(B"  # NEC selected IBM characters
        elif "\uff61" <= char <= "\uff9f":
            out += b"\x1b(I" + bytes((ord(char) - 0xFF61 + 0x21,)) + b"\x1b(B"
        else:
            out += char.encode("iso2022_jp")
    return out
