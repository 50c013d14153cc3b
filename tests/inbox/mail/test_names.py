"""File names and types of attachments cannot harm a file system, a browser or the eye of the reader."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inbox.mail.names import MAX_NAME_BYTES, clean_name, safe_type


@pytest.mark.parametrize(
    ("name", "clean"),
    [
        ("見積書.pdf", "見積書.pdf"),
        ("report 2024.tar.gz", "report 2024.tar.gz"),
        ("../../etc/passwd", "passwd"),
        ("..\\..\\boot.ini", "boot.ini"),
        ("/u/nsb/RFC.ps", "RFC.ps"),
        ("C:\\files\\a.txt", "a.txt"),
        ("\u200b.htaccess", "htaccess"),
        (".htaccess", "htaccess"),
        ("..\u200b/..\u200b/x", "x"),
        ("invoice\u202efdp.exe", "invoicefdp.exe"),
        ('a"b\r\nSet-Cookie: x', "a_b Set-Cookie_ x"),
        ("a\x00b.txt", "ab.txt"),
        ("CON", "_CON"),
        ("con.txt", "_con.txt"),
        ("LPT1.log", "_LPT1.log"),
        ("a. . .", "a"),
        ("ﾃｽﾄ.ｐｄｆ", "テスト.pdf"),
        ("Ａ／Ｂ.txt", "A／B.txt"),  # a wide slash stays wide: NFKC would make it a folder
        ("a\u2028b.txt", "a b.txt"),
        ("x.exe \u3164.txt", "x.exe.txt"),
    ],
)
def test_names_are_one_plain_visible_component(name, clean):
    assert clean_name(name) == clean


@pytest.mark.parametrize("name", ["", None, "...", "///", "\u200b\u202e", " ", "\ud800"])
def test_a_name_is_never_empty(name):
    assert clean_name(name) == "attachment"
    assert clean_name(name, "application/pdf") == "attachment.pdf"


def test_long_names_keep_their_extension():
    name = clean_name("長" * 4000 + ".pdf")
    assert name.endswith("長.pdf")
    assert len(name.encode()) <= MAX_NAME_BYTES


@given(st.text(max_size=300))
def test_any_text_gives_a_safe_name(text):
    name = clean_name(text)
    assert name
    assert len(name.encode("utf-8")) <= MAX_NAME_BYTES
    assert not set(name) & set('/\\<>:"|?*')
    assert name.isprintable()
    assert not name.startswith((".", " "))
    assert not name.endswith((".", " "))
    assert clean_name(name) == name


PNG = b"\x89PNG\r\n\x1a\n" + bytes(20)


@pytest.mark.parametrize(
    ("name", "declared", "data", "served"),
    [
        ("a.png", "image/png", PNG, "image/png"),
        ("a.bin", "application/octet-stream", PNG, "image/png"),
        ("a.png", "image/png", b"<script>", "application/octet-stream"),
        ("a.jpg", "image/jpeg", b"\xff\xd8\xff\xe0", "image/jpeg"),
        ("a.gif", "text/html", b"GIF89a<script>", "image/gif"),
        ("a.webp", "image/webp", b"RIFF\0\0\0\0WEBPVP8 ", "image/webp"),
        ("a.avif", "image/avif", b"\0\0\0\x1cftypavif", "image/avif"),
        ("a.svg", "image/svg+xml", b"<svg/>", "application/octet-stream"),
        ("a.html", "text/html", b"<p>", "application/octet-stream"),
        ("a.html", "text/plain", b"<p>", "application/octet-stream"),
        ("a.txt", "text/plain", b"words", "text/plain"),
        ("a.pdf", "application/pdf", b"%PDF", "application/pdf"),
        ("a.xml", "application/xhtml+xml", b"<html/>", "application/octet-stream"),
        ("a", "nonsense\r\nX: y", b"", "application/octet-stream"),
        ("BM.txt", "text/plain", b"BM is a name", "text/plain"),
    ],
)
def test_the_bytes_decide_about_images_and_nothing_that_runs_is_served(name, declared, data, served):
    assert safe_type(name, declared, data) == served
