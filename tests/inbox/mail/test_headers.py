"""Header blocks are split and encoded words are read, however senders wrote them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inbox.mail.headers import decode_words, one_line, split, to_text
from inbox.mail.limits import Limits, TooComplex


def fields(raw: bytes):
    return split(raw, 0, len(raw)).fields


def body(raw: bytes):
    return raw[split(raw, 0, len(raw)).body :]


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_folded_fields_are_one_field(end):
    raw = end.join([b"Subject: a", b" b", b"\tc", b"To: x@y.example", b"", b"body"])
    assert [(name, to_text(value)) for name, value in fields(raw)] == [("Subject", "a b\tc"), ("To", "x@y.example")]
    assert body(raw) == b"body"


def test_an_envelope_line_of_an_mbox_is_skipped():
    assert fields(b"From a@b.example Mon Jan 1 00:00:00 2024\nTo: x\n\nbody") == [("To", b"x")]


def test_blanks_before_the_colon_are_tolerated():
    assert fields(b"Subject : x\n\n") == [("Subject", b"x")]


def test_a_line_without_colon_between_headers_is_broken_folding():
    raw = b"Subject: long\ntext goes on\nTo: x\n\nbody"
    assert [(n, to_text(v)) for n, v in fields(raw)] == [("Subject", "long text goes on"), ("To", "x")]


def test_without_a_blank_line_the_body_begins_at_the_first_line_that_is_no_header():
    for end in (b"\n", b"\r\n"):
        raw = end.join([b"Subject: x", b"Hello there", b"Note: this"])
        assert fields(raw) == [("Subject", b"x")]
        assert body(raw) == end.join([b"Hello there", b"Note: this"])


def test_text_that_begins_without_headers_is_all_body():
    assert body(b"Hello there\n\nhow are you") == b"Hello there\n\nhow are you"
    assert body(b"http://example.com/x\n\nhow are you") == b"http://example.com/x\n\nhow are you"
    assert body(b"\n===") == b"==="


def test_too_many_or_too_long_headers_are_refused():
    with pytest.raises(TooComplex):
        fields(b"X: y\n" * 1001 + b"\n")
    with pytest.raises(TooComplex):
        fields(b"X: " + b"y" * 300_000 + b"\n\n")
    assert len(split(b"X: y\n" * 20 + b"\n", 0, 101, limits=Limits(headers=20)).fields) == 20


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"=?utf-8?q?this_is_a_test?=", "this is a test"),
        (b"=?UTF-8?B?44GT44KT44Gr?= =?utf-8?b?44Gh44Gv?=", "こんにちは"),
        (b"The =?utf-8?q?=C3=89ric=2C?= Himself", "The Éric, Himself"),
        (b"=?utf-8?B?5bGx?= =?iso-8859-1?Q?=E9?=", "山é"),
        (b"=?utf-8?Q?a?= b =?utf-8?Q?c?=", "a b c"),
        (b"=?utf-8?q?caf=C3?= =?utf-8?q?=A9?=", "café"),  # a character cut in two
        (b"=?utf-8?B?44GT44KT4?=\n =?utf-8?B?4Gr?=", "こんに"),  # base64 cut within four characters
        (b"=?utf-8?B?YWI?= =?utf-8?B?Y2Q?=", "abcd"),  # padding missing twice
        (b"=?utf-8?B?YWJj?==?utf-8?B?ZGVm?=", "abcdef"),
        (b"=?utf-8?B?YWJ j?=", "abc"),
        (b"=?utf-8?B?YWI?=", "ab"),  # padding missing
        (b"=?utf-8?B?YQ==Yg==?=", "ab"),  # two pieces encoded apart
        (b"=?utf-8*en?Q?hi?=", "hi"),  # RFC 2231 section 5
        (b"=?utf-8?Q?really??=", "really?"),
        (b"=?iso-8859-1?x?wrong?= end", "=?iso-8859-1?x?wrong?= end"),
        (b"a =?iso-8859-1?q?never_closed", "a =?iso-8859-1?q?never_closed"),
        (b"a =?iso-8859-1", "a =?iso-8859-1"),
        (b"=?utf-8?q?open =?utf-8?q?closed?=", "=?utf-8?q?open closed"),
        (b"=?no-such?Q?caf=E9?=", "café"),
        (b"=?ISO-2022-JP?B?GyRCLSEbKEI=?=", "①"),
        (b"=?Shift_JIS?B?+ow=?=", b"\xfa\x8c".decode("cp932")),
        ("Säying Hello".encode(), "Säying Hello"),  # RFC 6532
        ("件名".encode("iso2022_jp"), "件名"),  # raw, unlabelled
        ("お問い合わせの件について".encode("cp932"), "お問い合わせの件について"),
        (b"a\x00b\x0bc\xe2\x80\xa8d", "a\ufffdb c d"),
    ],
)  # fmt: skip
def test_field_text_is_read_whatever_its_encoding(raw, text):
    assert decode_words(to_text(raw)) == text


def test_the_mails_own_charset_helps_with_raw_fields():
    assert to_text("ÕÄÖÜ".encode("cp1257"), hint="windows-1257") == "ÕÄÖÜ"


def test_very_long_fields_stay_encoded():
    long = "=?utf-8?q?a?= " * 2000
    assert decode_words(long) == long


def test_one_line_has_no_controls_and_no_hidden_direction():
    assert one_line("a\r\nBcc: b\x00\u202ecod\u2028e ") == "a Bcc: b\ufffdcod e"


@given(st.binary(max_size=400))
def test_no_bytes_break_the_reading_of_a_field(raw):
    text = decode_words(to_text(raw))
    assert "\n" not in text
    assert "\0" not in text


@given(st.binary(max_size=400))
def test_no_bytes_break_the_splitting(raw):
    block = split(raw, 0, len(raw))
    assert 0 <= block.body <= len(raw)
