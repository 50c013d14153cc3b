"""Transfer encodings are undone, damage included, and never lose bytes that were there."""

import base64
import binascii

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inbox.mail.transfer import decode_base64, decoded, encoding_of, quoted_printable, uuencoded


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("BASE64", "base64"),
        ("base64;", "base64"),
        ("Quoted-Printable", "quoted-printable"),
        ("quoted printable", "quoted-printable"),
        ("x-uuencode", "uuencode"),
        ("7-bit", ""),
        ("foobar", ""),
        ("", ""),
    ],
)
def test_encodings_are_recognised_however_written(written, meant):
    assert encoding_of(written) == meant


@given(st.binary(max_size=500))
def test_what_was_encoded_comes_back(data):
    assert decoded(base64.encodebytes(data), "base64") == data
    assert quoted_printable(binascii.b2a_qp(data.replace(b"\n", b"").replace(b"\r", b""))) == data.replace(
        b"\n", b""
    ).replace(b"\r", b"")


@pytest.mark.parametrize(
    "raw", [b"aGVsbG8", b"aGVs\r\nbG8=", b"aGVs!!bG8=", b"aGVs=bG8=", b"aGVsbG8=\n\n", b" aGVsbG8=", b"aGVsbG8==="]
)
def test_damaged_base64_gives_what_is_left(raw):
    assert decode_base64(raw) == b"hello"


def test_a_body_that_is_not_base64_at_all_stays_itself():
    words = b"This is no base64, whatever the header says. It is a letter to you."
    assert decoded(words, "base64") == words


@pytest.mark.parametrize(
    ("raw", "meant"),
    [
        (b"caf=C3=A9", "café".encode()),
        (b"caf=c3=a9", "café".encode()),
        (b"soft=\nbreak", b"softbreak"),
        (b"soft=  \r\nbreak", b"softbreak"),
        (b"trailing  \nblank", b"trailing\nblank"),
        (b"wrong=ZZ escape", b"wrong=ZZ escape"),
        (b"=AE=\n<?xml version=\"1.0\"?>", b"\xae<?xml version=\"1.0\"?>"),
    ],
)  # fmt: skip
def test_quoted_printable_as_programs_write_it(raw, meant):
    assert quoted_printable(raw) == meant


def test_uuencoded_files_are_found_in_a_text():
    lines = binascii.b2a_uu(b"hello world")
    text = b"See this:\nbegin 644 hello.txt\n" + lines + b"`\nend\nBye\nbegin 7 of us\n"
    (file,) = uuencoded(text)
    assert (file.name, file.data) == (b"hello.txt", b"hello world")
    assert text[: file.start] + text[file.end :] == b"See this:\nBye\nbegin 7 of us\n"


@given(st.binary(max_size=300), st.sampled_from(["base64", "quoted-printable", "uuencode", ""]))
def test_no_bytes_raise(data, encoding):
    decoded(data, encoding)
    uuencoded(b"begin 644 x\n" + data + b"\nend\n")
