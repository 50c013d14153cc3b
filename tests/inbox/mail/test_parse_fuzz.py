"""No bytes make the parser raise anything but TooComplex, hang, or lose a plain mail's words."""

import base64
import contextlib
import pickle
import quopri
import time

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from inbox.mail.parse import TooComplex, parse

PIECES = [
    b"From: a@b.example\n",
    b"Subject: =?utf-8?B?4G4?= x\n",
    b'To: "a" <b@c>, (d\n',
    b"\n",
    b"\r\n",
    b"\r",
    b"\n\n",
    b" ",
    b"\t",
    b":",
    b"Content-Type: multipart/mixed; boundary=b\n",
    b'Content-Type: multipart/alternative; boundary="bb"\n',
    b"Content-Type: text/html; charset=iso-2022-jp\n",
    b"Content-Type: message/rfc822\n",
    b"Content-Type: text/plain; format=flowed\n",
    b"Content-Type: application/ms-tnef\n",
    b"Content-Transfer-Encoding: base64\n",
    b"Content-Transfer-Encoding: quoted-printable\n",
    b"Content-Transfer-Encoding: x-uuencode\n",
    b"Content-Disposition: attachment; filename*0*=utf-8''%e8; filename*1*=%\n",
    b"--b\n",
    b"--b--\n",
    b"--bb\n",
    b"--bb--",
    b"--",
    b"=",
    b"=\n",
    b"=E3=81",
    b"\x1b$B",
    b"\x1b(B",
    b"\x1b(I",
    b"\xe3\x81\x82",
    b"\xff",
    b"\x82\xa0",
    b"\0",
    b"begin 644 a\n",
    b"end\n",
    b"`\n",
    b"%:&5L;&\\\n",
    b"PGA4",
    b"QUJD\n",
    b"====",
    b"<",
    b">",
    b'"',
    b"\\",
    b"(",
    b")",
    b";",
    b"@",
    b",",
    b"\x78\x9f\x3e\x22\x01\x00",
    b"Date: Fri, 99 Foo 12345 99:99:99 +99999\n",
    b"References: <<>> <a@b> c\n",
    b"From x\n",
    b">From x\n",
    b"words",
]
SEED = b"\r\n".join(
    [
        b'From: "A" <a@b.example>',
        b"To: c@d.example, E <e@f.example>",
        b"Subject: =?utf-8?B?44GT44KT?= =?utf-8?q?_x?=",
        b"Message-ID: <1@x>",
        b"References: <0@x>",
        b"Date: Fri, 21 Nov 1997 09:55:06 -0600",
        b"MIME-Version: 1.0",
        b'Content-Type: multipart/mixed; boundary="b"',
        b"",
        b"--b",
        b"Content-Type: multipart/alternative; boundary=bb",
        b"",
        b"--bb",
        b"Content-Type: text/plain; charset=iso-2022-jp; format=flowed",
        b"",
        b"\x1b$B$3$s\x1b(B ",
        b"> x",
        b"--bb",
        b"Content-Type: text/html; charset=utf-8",
        b"Content-Transfer-Encoding: quoted-printable",
        b"",
        b"<p>=E3=81=93</p>",
        b"--bb--",
        b"--b",
        b"Content-Type: application/pdf; name*0*=utf-8''%E8%A6; name*1*=%8B.pdf",
        b"Content-Transfer-Encoding: base64",
        b'Content-Disposition: attachment; filename="=?utf-8?B?6KaL?=.pdf"',
        b"",
        b"aGVsbG8=",
        b"--b",
        b"Content-Type: message/rfc822",
        b"",
        b"Subject: inner",
        b"",
        b"body",
        b"--b--",
        b"",
    ]
)
QUICK = settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def check(raw: bytes) -> None:
    start = time.process_time()
    with contextlib.suppress(TooComplex):
        mail = parse(raw)
        for text in (
            mail.subject,
            mail.text,
            mail.html,
            *(name for name, _ in mail.headers),
            *(value for _, value in mail.headers),
        ):
            text.encode("utf-8")
            assert "\0" not in text
        for one in (*mail.from_, *mail.to, *mail.cc, *mail.reply_to, *mail.sender):
            assert not any(ord(ch) < 32 for ch in one.name + one.address)
        assert mail.date is None or mail.date.utcoffset() is not None
        assert pickle.loads(pickle.dumps(mail)) == mail
    assert time.process_time() - start < 1 + len(raw) / 200_000


@QUICK
@given(st.binary(max_size=2000))
@example(b"From: <")
@example(b"From: a@[1.2.3\n\n")
def test_any_bytes(raw):
    check(raw)


@QUICK
@given(st.lists(st.sampled_from(PIECES), max_size=60))
def test_any_order_of_things_that_mails_are_made_of(pieces):
    check(b"".join(pieces))


@QUICK
@given(
    st.lists(
        st.tuples(
            st.integers(0, len(SEED)), st.integers(0, 40), st.one_of(st.binary(max_size=8), st.sampled_from(PIECES))
        ),
        max_size=8,
    )
)
def test_any_damage_to_a_good_mail(damages):
    raw = SEED
    for at, length, instead in damages:
        raw = raw[:at] + instead + raw[at + length :]
    check(raw)


@pytest.mark.parametrize("length", range(0, len(SEED), 7))
def test_a_mail_cut_off_anywhere(length):
    check(SEED[:length])


def test_the_undamaged_mail_is_read():
    mail = parse(SEED)
    assert (mail.subject, mail.text, mail.html.strip()) == ("こん x", "こん\n> x", "<p>こ</p>")
    assert [part.name for part in mail.attachments] == ["見.pdf", "inner.eml"]


@QUICK
@given(st.text(alphabet=st.characters(blacklist_categories=("Cs", "Cc")), max_size=200))
def test_words_survive_every_transfer_encoding(words):
    head = b"From: a@b.example\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: "
    data = words.encode()
    expected = words.removeprefix("\ufeff") if words.strip() else ""
    assert parse(head + b"base64\n\n" + base64.encodebytes(data)).text == expected
    assert parse(head + b"quoted-printable\n\n" + quopri.encodestring(data)).text.rstrip(" \n") == expected.rstrip(
        " \n"
    )
    assert parse(head + b"8bit\n\n" + data).text == expected
