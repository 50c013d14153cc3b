"""winmail.dat gives its files back, and a hostile one gives nothing and takes no time."""

import struct
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inbox.mail.parse import parse
from inbox.mail.tnef import unpack


def attribute(kind: int, data: bytes, *, level: int = 2) -> bytes:
    return struct.pack("<BHHI", level, kind, 6, len(data)) + data + struct.pack("<H", sum(data) & 0xFFFF)


def properties(*entries: bytes) -> bytes:
    return struct.pack("<I", len(entries)) + b"".join(entries)


def text_property(tag: int, text: str) -> bytes:
    raw = text.encode("utf-16-le") + b"\0\0"
    return struct.pack("<HHII", 0x001F, tag, 1, len(raw)) + raw + bytes(-len(raw) % 4)


def bytes_property(tag: int, raw: bytes) -> bytes:
    return struct.pack("<HHII", 0x0102, tag, 1, len(raw)) + raw + bytes(-len(raw) % 4)


def number_property(tag: int, number: int) -> bytes:
    return struct.pack("<HHI", 0x0003, tag, number)


HEAD = struct.pack("<IH", 0x223E9F78, 1)
WINMAIL = (
    HEAD
    + attribute(0x9007, struct.pack("<II", 932, 0), level=1)
    + attribute(
        0x9003,
        properties(
            number_property(0x3FDE, 65001),
            bytes_property(0x1013, "<p>お世話になります</p>".encode()),
            text_property(0x1000, "お世話になります"),
        ),
        level=1,
    )
    + attribute(0x9002, bytes(14))
    + attribute(0x8010, "見積~1.pdf".encode("cp932") + b"\0")
    + attribute(0x800F, b"%PDF-1.4 data")
    + attribute(0x9005, properties(text_property(0x3707, "見積書 2024.pdf"), text_property(0x370E, "Application/PDF")))
    + attribute(0x9002, bytes(14))
    + attribute(0x8010, "図.png".encode("cp932") + b"\0")
    + attribute(0x800F, b"\x89PNG")
)


def test_files_and_bodies_come_out():
    mail = unpack(WINMAIL)
    assert mail is not None
    assert [(file.name, file.data) for file in mail.files] == [
        ("見積書 2024.pdf", b"%PDF-1.4 data"),
        ("図.png", b"\x89PNG"),
    ]
    assert mail.files[0].content_type == "application/pdf"
    assert mail.text == "お世話になります"
    assert mail.html.decode() == "<p>お世話になります</p>"


def test_a_mail_with_winmail_dat_shows_what_is_inside():
    raw = (
        b"From: a@b.example\nContent-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: text/plain\n\n\n--b\n"
        b"Content-Type: application/ms-tnef; name=winmail.dat\nContent-Transfer-Encoding: binary\n\n"
        + WINMAIL
        + b"\n--b--\n"
    )
    mail = parse(raw)
    assert [part.name for part in mail.attachments] == ["見積書 2024.pdf", "図.png"]
    assert mail.text.strip() == "お世話になります"
    assert "お世話" in mail.html


def test_an_unreadable_winmail_dat_stays_an_attachment():
    mail = parse(b"Content-Type: application/ms-tnef; name=winmail.dat\n\nnot tnef")
    assert [part.name for part in mail.attachments] == ["winmail.dat"]
    assert "winmail.dat could not be read" in mail.warnings


@pytest.mark.parametrize(
    "hostile",
    [
        HEAD + attribute(0x9003, struct.pack("<I", 0xFFFFFFFF)),
        HEAD + attribute(0x9003, struct.pack("<IHHI", 1, 0x1003, 0x1000, 0xFFFFFFFF)),
        HEAD + attribute(0x9003, struct.pack("<IHHII", 1, 0x001E, 0x1000, 0xFFFFFFFF, 0)),
        HEAD + attribute(0x9003, struct.pack("<I", 0x7FFFFFFF) + struct.pack("<HH", 1, 1) * 100_000),
        HEAD + attribute(0x9002, b"") * 100_000,
        HEAD + attribute(0x9004, struct.pack("<I", 0xFFFFFFFF)),
        HEAD + struct.pack("<BHHI", 1, 0x800F, 6, 0xFFFFFFFF),
    ],
)
def test_false_counts_cost_no_time(hostile):
    start = time.process_time()
    unpack(hostile)
    assert time.process_time() - start < 1


@given(st.binary(max_size=300))
def test_no_bytes_raise(data):
    unpack(HEAD + data)
    unpack(HEAD + attribute(0x9003, data) + attribute(0x9002, b"") + attribute(0x9005, data) + data)


@given(st.integers(0, len(WINMAIL)), st.binary(max_size=8))
def test_no_damage_raises(at, junk):
    unpack(WINMAIL[:at] + junk + WINMAIL[at + len(junk) :])
    unpack(WINMAIL[:at])
