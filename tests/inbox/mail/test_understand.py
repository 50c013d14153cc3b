"""What the readers of a mail find is put together rightly."""

import pytest

from inbox.mail.facts import Kind
from inbox.mail.parse import TooComplex
from inbox.mail.understand import SNIPPET_LENGTH, snippet_of, understand

REPLY = (
    "From: Hanako <hanako@customer.example>\nTo: support@shop.example\nSubject: Re: x\n"
    "Content-Type: text/plain; charset=utf-8\n\n届きました。ありがとうございます。\n\n"
    "2024年3月1日(金) 10:00 Support <support@shop.example>:\n> 発送しました。\n"
).encode()


def test_a_customers_reply_has_new_words_a_kind_and_a_snippet():
    found = understand(REPLY)
    assert found.kind is Kind.PERSON
    assert found.bounce is None
    assert found.new_text.strip() == "届きました。ありがとうございます。"
    assert found.snippet == "届きました。ありがとうございます。"
    assert found.quoted_at is not None
    assert found.mail.text[found.quoted_at :].lstrip().startswith("2024年")


def test_a_bounce_is_told_with_its_recipient():
    raw = (
        b"From: MAILER-DAEMON@mx.example\nTo: support@shop.example\nSubject: Undelivered Mail\n"
        b"Content-Type: multipart/report; report-type=delivery-status; boundary=b\n\n--b\n\nIt failed.\n--b\n"
        b"Content-Type: message/delivery-status\n\nReporting-MTA: dns; mx.example\n\n"
        b"Final-Recipient: rfc822; gone@customer.example\nAction: failed\nStatus: 5.1.1\n\n--b--\n"
    )
    found = understand(raw)
    assert found.kind is Kind.BOUNCE
    assert found.bounce is not None
    assert found.bounce.recipients == ("gone@customer.example",)
    assert found.bounce.permanent is True


def test_a_footer_does_not_stand_for_the_words_of_the_html():
    raw = (
        b"From: a@b.example\nContent-Type: multipart/mixed; boundary=b\n\n--b\n"
        b"Content-Type: text/html\n\n<p>The question</p>\n"
        b"--b\nContent-Type: text/plain\n\nlist footer\n--b--\n"
    )
    assert "The question" in understand(raw).new_text


def test_a_mail_beyond_the_limits_is_refused():
    with pytest.raises(TooComplex):
        understand(b"X: y\n" * 2000 + b"\nx")


def test_a_snippet_is_one_short_line():
    assert snippet_of(" a\n\n b\t c ") == "a b c"
    assert len(snippet_of("word " * 500)) <= SNIPPET_LENGTH
    assert snippet_of("") == ""
