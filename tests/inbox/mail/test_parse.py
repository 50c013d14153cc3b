"""A mail's bytes become facts: bodies, attachments and fields, from tidy and untidy senders."""

import base64
import hashlib

import pytest

from inbox.mail.facts import Address
from inbox.mail.parse import parse

HEAD = b"From: Hanako <hanako@customer.example>\nTo: support@shop.example\nSubject: x\nMIME-Version: 1.0\n"


def multipart(kind: str, *parts: bytes, boundary: str = "b", head: bytes = HEAD) -> bytes:
    edge = boundary.encode()
    body = b"".join(b"\n--" + edge + b"\n" + part for part in parts)
    return head + f'Content-Type: multipart/{kind}; boundary="{boundary}"\n'.encode() + body + b"\n--" + edge + b"--\n"


PLAIN = b"Content-Type: text/plain; charset=utf-8\n\n" + "こんにちは".encode()
HTML = b"Content-Type: text/html; charset=utf-8\n\n<p>" + "こんにちは".encode() + b"</p>"
PNG = b"Content-Type: image/png; name=a.png\nContent-Transfer-Encoding: base64\nContent-ID: <logo@x>\n\naGVsbG8=\n"


def test_the_facts_of_a_plain_mail():
    mail = parse(
        b"From: =?utf-8?B?5L2Q6Jek?= <hanako@customer.example>\r\n"
        b"To: support@shop.example, b@c.example\r\nCc: d@e.example\r\n"
        b"Reply-To: r@s.example\r\nSubject: =?iso-2022-jp?B?GyRCTGQkJDlnJG8kOxsoQg==?=\r\nMessage-ID: <1@x>\r\n"
        b"In-Reply-To: <0@x>\r\nReferences: <a@x> <0@x>\r\n"
        b"Date: Fri, 21 Nov 1997 09:55:06 +0900\r\n\r\nHello\r\nthere\r\n"
    )
    assert mail.subject == "問い合わせ"
    assert mail.from_ == (Address("佐藤", "hanako@customer.example"),)
    assert [one.address for one in mail.to] == ["support@shop.example", "b@c.example"]
    assert [one.address for one in (*mail.cc, *mail.reply_to)] == ["d@e.example", "r@s.example"]
    assert (mail.message_id, mail.in_reply_to, mail.references) == ("<1@x>", ("<0@x>",), ("<a@x>", "<0@x>"))
    assert mail.date is not None
    assert mail.date.isoformat() == "1997-11-21T09:55:06+09:00"
    assert mail.text == "Hello\nthere\n"
    assert mail.html == ""
    assert mail.header("subject") == "問い合わせ"
    assert mail.attachments == mail.warnings == ()


def test_alternative_gives_both_readings_and_no_attachment():
    mail = parse(multipart("alternative", PLAIN, HTML))
    assert mail.text == "こんにちは"
    assert mail.html == "<p>こんにちは</p>"
    assert mail.attachments == ()
    assert mail.text_is_whole


def test_related_pictures_are_attachments_with_their_content_id():
    mail = parse(multipart("related", HTML, PNG))
    assert mail.html.startswith("<p>")
    assert mail.text == ""
    assert [(part.name, part.content_id, part.data) for part in mail.attachments] == [("a.png", "logo@x", b"hello")]


def test_pieces_of_text_between_attachments_are_joined():
    mail = parse(multipart("mixed", PLAIN, PNG, PLAIN))
    assert mail.text == "こんにちは\nこんにちは"
    assert len(mail.attachments) == 1


def test_a_lists_footer_below_html_is_shown_but_is_not_the_whole_text():
    mail = parse(multipart("mixed", HTML, PLAIN.replace("こんにちは".encode(), b"a < list")))
    assert mail.text == "a < list"
    assert not mail.text_is_whole
    assert "こんにちは" in mail.html
    assert "a &lt; list" in mail.html


def test_a_picture_inside_an_alternative_is_kept():
    related = multipart("related", HTML, PNG, boundary="inner", head=b"")
    mail = parse(multipart("mixed", multipart("alternative", PLAIN, related, boundary="mid", head=b""), PNG))
    assert mail.text == "こんにちは"
    assert [part.path for part in mail.attachments] == ["1.2.2", "2"]


def test_a_text_sent_as_a_file_is_a_file():
    named = b"Content-Type: text/plain; name=notes.txt\nContent-Disposition: attachment\n\nnotes"
    assert [part.name for part in parse(multipart("mixed", PLAIN, named)).attachments] == ["notes.txt"]
    inline = named.replace(b"attachment", b"inline; filename=notes.txt")
    assert [part.name for part in parse(multipart("mixed", PLAIN, inline)).attachments] == ["notes.txt"]


def test_an_attached_mail_is_one_attachment_named_after_its_subject():
    attached = b"Content-Type: message/rfc822\n\nSubject: =?utf-8?B?6KaL56mN?=\nFrom: a@b.example\n\n--b inside\nwords"
    mail = parse(multipart("mixed", PLAIN, attached))
    (part,) = mail.attachments
    assert part.name == "見積.eml"
    assert part.content_type == "message/rfc822"
    assert part.data.startswith(b"Subject:")
    assert part.data.endswith(b"words")
    assert mail.text == "こんにちは"


def test_the_parts_of_a_digest_are_mails():
    mail = parse(multipart("digest", b"\nSubject: one\n\n1", b"\nSubject: two\n\n2"))
    assert [(part.name, part.content_type) for part in mail.attachments] == [
        ("one.eml", "message/rfc822"),
        ("two.eml", "message/rfc822"),
    ]


def test_an_invitation_stays_a_file_and_is_the_body_when_there_is_none():
    calendar = b"Content-Type: text/calendar; method=REQUEST\n\nBEGIN:VCALENDAR"
    assert [part.content_type for part in parse(multipart("alternative", PLAIN, calendar)).attachments] == [
        "text/calendar"
    ]
    alone = parse(HEAD + calendar)
    assert alone.text == "BEGIN:VCALENDAR"
    assert len(alone.attachments) == 1


def test_the_second_form_of_the_same_words_is_no_attachment():
    amp = b"Content-Type: text/x-amp-html\n\n<html amp4email>"
    mail = parse(multipart("alternative", PLAIN, amp, HTML))
    assert mail.attachments == ()
    assert len(mail.parts) == 3


def test_a_signature_is_an_attachment_beside_the_signed_text():
    signature = b"Content-Type: application/pgp-signature; name=signature.asc\n\nsig"
    mail = parse(multipart("signed", PLAIN, signature))
    assert mail.text == "こんにちは"
    assert [part.name for part in mail.attachments] == ["signature.asc"]


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_attachments_are_byte_identical(end):
    data = bytes(range(256)) * 100
    raw = multipart(
        "mixed", PLAIN, b"Content-Type: a/b; name=x\nContent-Transfer-Encoding: base64\n\n" + base64.encodebytes(data)
    )
    (part,) = parse(raw.replace(b"\n", end)).attachments
    assert part.sha256 == hashlib.sha256(data).hexdigest()


def test_binary_parts_keep_every_byte_up_to_the_delimiters_line_break():
    raw = multipart("mixed", PLAIN, b"Content-Type: a/b\nContent-Transfer-Encoding: binary\n\n\0\r\n\n \r\n")
    assert parse(raw).attachments[0].data == b"\0\r\n\n \r\n"


def test_flowed_text_is_put_together_again():
    raw = HEAD + b"Content-Type: text/plain; format=flowed\n\nHow are \nyou?\n> quoted \n> words\n -- \n-- \nMe \n"
    assert parse(raw).text == "How are you?\n> quoted words\n-- \n-- \nMe "
    japanese = HEAD + "Content-Type: text/plain; charset=utf-8; format=flowed; delsp=yes\n\n長い \n文章".encode()
    assert parse(japanese).text == "長い文章"


def test_an_uuencoded_file_leaves_the_words():
    mail = parse(HEAD + b"\nSee:\nbegin 644 a.txt\n%:&5L;&\\\n`\nend\nBye")
    assert mail.text == "See:\nBye"
    assert [(part.name, part.data) for part in mail.attachments] == [("a.txt", b"hello")]


# --- untidy senders ---------------------------------------------------------------------------------------------------


def test_a_missing_closing_delimiter_loses_nothing():
    assert parse(multipart("mixed", PLAIN, PNG).replace(b"--b--", b"")).attachments[0].data == b"hello"


def test_an_undeclared_boundary_is_found():
    raw = multipart("mixed", PLAIN, PNG)
    for broken in (raw.replace(b'; boundary="b"', b""), raw.replace(b'boundary="b"', b'boundary="B"')):
        mail = parse(broken)
        assert mail.text == "こんにちは"
        assert len(mail.attachments) == 1
        assert mail.warnings


def test_a_multipart_without_any_part_is_shown_as_text():
    assert parse(HEAD + b"Content-Type: multipart/mixed; boundary=b\n\nwords").text == "words"


def test_a_delimiter_right_after_the_part_headers_ends_the_part():
    mail = parse(
        HEAD + b"Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: text/html\n--b\n\nwords\n--b--"
    )
    assert mail.text == "words"


def test_similar_boundaries_do_not_disturb_each_other():
    inner = multipart("alternative", PLAIN, HTML, boundary="b_alt", head=b"")
    assert parse(multipart("mixed", inner, PNG)).text == "こんにちは"


@pytest.mark.parametrize(
    "written",
    [
        b"text/plain; charset=",
        b"text; charset=x",
        b"plain",
        b"text/plain; charset=utf-8; charset=x",
        b"/",
        b"",
        b"text / plain",
    ],
)
def test_an_unreadable_content_type_means_plain_text(written):
    assert parse(HEAD + b"Content-Type: " + written + b"\n\nwords").text == "words"


def test_line_ends_of_old_programs_are_understood():
    assert parse(b"Subject: x\rFrom: a@b.example\r\rone\rtwo").text == "one\ntwo"
    assert parse(b"Subject: x\r\n\none\rtwo\r\nthree").text == "one\ntwo\nthree"


def test_raw_eight_bit_fields_are_detected():
    head = "From: 山田 <y@z.example>\nSubject: お見積りのご依頼について\n\nx".encode("cp932")
    mail = parse(head)
    assert mail.subject == "お見積りのご依頼について"
    assert mail.from_[0].name.startswith("山田") or mail.from_[0].address == "y@z.example"


def test_the_full_name_is_preferred_when_the_other_lost_its_characters():
    part = b'Content-Type: a/b; name="=?utf-8?B?6KaL56mNLnBkZg==?="\n'
    part += b'Content-Disposition: attachment; filename="??.pdf"\n\nx'
    assert parse(multipart("mixed", PLAIN, part)).attachments[0].name == "見積.pdf"


def test_two_senders_are_told():
    mail = parse(b"From: a@b.example\nFrom: c@d.example\n\nx")
    assert [one.address for one in mail.from_] == ["a@b.example"]
    assert mail.warnings == ("more than one From",)


def test_nothing_at_all_is_a_mail_too():
    assert parse(b"").text == ""
    assert parse(b"\n").text == ""
    assert parse(b"\0\xff").subject == ""


def test_charset_declared_inside_html_counts_when_nothing_else_says():
    raw = HEAD + b"Content-Type: text/html\n\n" + '<meta charset="euc-jp"><p>日本語</p>'.encode("euc_jp")
    assert "日本語" in parse(raw).html


def test_a_multipart_that_was_encoded_as_a_whole_is_opened():
    body = multipart("mixed", PLAIN, PNG, head=b"").partition(b"\n")[2]
    head = HEAD + b"Content-Type: multipart/mixed; boundary=b\nContent-Transfer-Encoding: base64\n\n"
    mail = parse(head + base64.encodebytes(body))
    assert mail.text == "こんにちは"
    assert [part.data for part in mail.attachments] == [b"hello"]


def test_a_single_text_is_the_body_even_if_it_has_a_file_name():
    mail = parse(HEAD + b"Content-Type: text/plain\nContent-Disposition: inline; filename=message.txt\n\nwords")
    assert (mail.text, mail.attachments) == ("words", ())
