"""Mails made to hang or to fill memory are filed or refused quickly, whatever their size (promises, section 2.3)."""

import contextlib
import time
import tracemalloc

import pytest

from inbox.mail.parse import TooComplex, parse

H = b"From: a@b.example\nSubject: x\n"
JIS = H + b"Content-Type: text/plain; charset=iso-2022-jp\n\n"
MIXED = H + b"Content-Type: multipart/mixed; boundary=b\n\n"


def nested(depth: int) -> bytes:
    opening = b"".join(b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (n, n) for n in range(depth))
    return opening + b"\nhi\n" + b"".join(b"--b%d--\n" % n for n in reversed(range(depth)))


REFUSED = {
    "nested multiparts": lambda times: nested(500 * times),
    "parts": lambda times: MIXED + b"--b\n\nx\n" * (10_000 * times) + b"--b--",
    "continuations": lambda times: (
        H + b"Content-Type: text/plain" + b"".join(b"; name*%d=a" % n for n in range(3_000 * times)) + b"\n\nx"
    ),
    "recipients": lambda times: (
        H + b"To: " + b", ".join(b"u%d@x.example" % n for n in range(10_000 * times)) + b"\n\nx"
    ),
    "encoded words in the subject": lambda times: (
        b"Subject: " + b" ".join([b"=?utf-8?q?=C3=A9?="] * (10_000 * times)) + b"\n\nx"
    ),
    "headers": lambda times: b"".join(b"X-%d: y\n" % n for n in range(100_000 * times)) + b"\nx",
    "one header": lambda times: b"Subject: " + b"x" * (10_000_000 * times) + b"\n\nx",
    "encoded words in a file name": lambda times: (
        H + b'Content-Type: a/b; name="' + b" ".join([b"=?utf-8?q?a?="] * (10_000 * times)) + b'"\n\nx'
    ),
    "semicolons": lambda times: H + b"Content-Type: text/plain" + b";" * (100_000 * times) + b"\n\nx",
    "references": lambda times: (
        H + b"References: " + b"\n ".join(b"<%d@x>" % n for n in range(100_000 * times)) + b"\n\nx"
    ),
}

FILED = {
    "attached mails in attached mails": lambda times: b"Content-Type: message/rfc822\n\n" * (2_000 * times) + b"hi",
    "semicolons below the limit": lambda times: H + b"Content-Type: text/plain" + b";" * 60_000 + b"\n\nx",
    "parentheses": lambda times: b"From: " + b"(" * (500 * times) + b"\n\nx",
    "angle brackets": lambda times: b"From: " + b"<" * (500 * times) + b">\n\nx",
    "quotes": lambda times: b"To: " + b'"\\' * (5_000 * times) + b"\n\nx",
    "groups": lambda times: b"To: " + b"g:" * (5_000 * times) + b"\n\nx",
    "at signs": lambda times: b"To: " + b"a@" * (5_000 * times) + b"\n\nx",
    "blanks in an address": lambda times: b"To: a" + b" " * (20_000 * times) + b"b\n\nx",
    "open encoded words": lambda times: b"To: " + b"=?a?q?" * (3_000 * times) + b"\n\nx",
    "half an address": lambda times: b"From: <" * times + b"\n\nx",
    "half a literal": lambda times: b"From: a@[1.2.3\n\nx",
    "no header at all": lambda times: b"x" * (1_000_000 * times),
    "folds": lambda times: b"Subject: " + b"\n x" * (8_000 * times) + b"\n\nx",
    "blanks in quoted-printable": lambda times: (
        H + b"Content-Transfer-Encoding: quoted-printable\n\n" + b" " * (100_000 * times) + b"x \n"
    ),
    "padding in base64": lambda times: H + b"Content-Transfer-Encoding: base64\n\n" + b"QQ==" * (100_000 * times),
    "uuencoded beginnings": lambda times: H + b"\n" + b"begin 644 a\n!\n" * (20_000 * times),
    "escape sequences": lambda times: JIS + b"\x1b$B!!" * (50_000 * times),
    "unassigned kanji": lambda times: JIS + b"\x1b$B" + b"~~" * (50_000 * times),
    "broken EUC-JP": lambda times: (
        H + b"Content-Type: text/plain; charset=euc-jp\n\n" + b"\xad\xa1\xff" * (50_000 * times)
    ),
    "flowed lines": lambda times: H + b"Content-Type: text/plain; format=flowed\n\n" + b"a \n" * (50_000 * times),
    "nearly delimiters": lambda times: MIXED + b"--bb\n" * (50_000 * times),
    "tags": lambda times: H + b"Content-Type: text/enriched\n\n" + b"<a" * (50_000 * times),
}


def seconds(raw: bytes) -> float:
    start = time.process_time()
    with contextlib.suppress(TooComplex):
        parse(raw)
    return time.process_time() - start


@pytest.mark.parametrize("times", [1, 10])
@pytest.mark.parametrize("bomb", REFUSED)
def test_bombs_are_refused_with_a_sentence(bomb, times):
    raw = REFUSED[bomb](times)
    tracemalloc.start()
    try:
        with pytest.raises(TooComplex, match="more than"):
            parse(raw)
        assert tracemalloc.get_traced_memory()[1] < 30_000_000
    finally:
        tracemalloc.stop()
    assert seconds(raw) < 3


@pytest.mark.parametrize("bomb", FILED)
def test_what_is_within_the_limits_is_filed_in_linear_time(bomb):
    parse(FILED[bomb](1))
    assert seconds(FILED[bomb](10)) < 10


def test_the_limits_themselves_are_allowed():
    assert parse(nested(50)).text == "hi"
    many = MIXED + b"--b\n\nx\n" * 1000 + b"--b--"
    assert len(parse(many).parts) == 1000
    long = H + b"References: " + b" ".join(b"<%d@x>" % n for n in range(20_000)) + b"\n\nx"
    assert len(parse(long).references) == 51


@pytest.mark.parametrize(
    "charset", [b"rot13", b'"utf-8\0"', b"utf-7", b"idna", b"unicode_escape", b"\xff", b"x" * 5000]
)
def test_charsets_that_are_none_are_read_all_the_same(charset):
    mail = parse(H + b"Content-Type: text/plain; charset=" + charset + b"\n\n+ADw-script+AD4- words")
    assert mail.text == "+ADw-script+AD4- words"
