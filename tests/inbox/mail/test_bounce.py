"""Failures, delays and complaints that come back are read; what people write about failures is not taken for one."""

import base64
import json
import os
import random
import time
from pathlib import Path

import pytest

from inbox.mail import bounce
from inbox.mail.bounce import reasons
from inbox.mail.bounce.addresses import addresses
from inbox.mail.parse import parse

CORPORA = Path(os.environ.get("MADOGUCHI_CORPORA", Path(__file__).parents[4] / "shared" / "corpora"))


def mail_of(text: str):
    return parse(text.replace("\n", "\r\n").encode())


def report(*groups: str, subject: str = "Undelivered Mail Returned to Sender", label: str = "message/delivery-status"):
    fields = "\n\n".join(("Reporting-MTA: dns; mx.example.jp", *groups))
    return mail_of(
        f"""From: MAILER-DAEMON@mx.example.jp (Mail Delivery System)
To: support@shop.example
Subject: {subject}
Return-Path: <>
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="b"

--b
Content-Type: text/plain

I'm sorry to have to inform you that your message could not be delivered.
--b
Content-Type: {label}

{fields}

--b
Content-Type: text/rfc822-headers

Message-ID: <sent-7@shop.example>
From: support@shop.example
To: hana@customer.example
Subject: Your order
--b--
"""
    )


def notice(body: str, *, sender: str = "MAILER-DAEMON@mx.example.jp", subject: str = "failure notice", more: str = ""):
    return mail_of(f"From: {sender}\nTo: support@shop.example\nSubject: {subject}\n{more}\n{body}")


# --- reports ----------------------------------------------------------------------------------------------------


def test_a_report_tells_who_was_not_reached_and_that_trying_again_is_no_use():
    found = bounce.read(
        report(
            "Final-Recipient: rfc822; hana@customer.example\nAction: failed\nStatus: 5.1.1\n"
            "Diagnostic-Code: smtp; 550 5.1.1 <hana@customer.example>: User unknown"
        )
    )
    assert found.recipients == ("hana@customer.example",)
    assert (found.permanent, found.status, found.reason) == (True, "5.1.1", "userunknown")
    assert found.original_message_id == "<sent-7@shop.example>"
    assert found.diagnostic == "550 5.1.1 <hana@customer.example>: User unknown"


def test_the_address_that_was_written_to_goes_before_the_one_it_was_turned_into():
    found = bounce.read(
        report(
            "Original-Recipient: rfc822;hana@customer.example\nFinal-Recipient: rfc822;box17@store.example\n"
            "Action: failed\nStatus: 5.2.2"
        )
    )
    assert found.recipients == ("hana@customer.example",)
    assert found.reason == "mailboxfull"


def test_a_delay_is_not_permanent():
    found = bounce.read(report("Final-Recipient: rfc822; hana@customer.example\nAction: delayed\nStatus: 4.4.1"))
    assert found.permanent is False


@pytest.mark.parametrize("action", ["delivered", "relayed", "expanded"])
def test_a_report_of_success_is_no_bounce(action):
    assert bounce.read(report(f"Final-Recipient: rfc822; a@b.example\nAction: {action}\nStatus: 2.0.0")) is None


def test_of_several_recipients_only_those_that_failed_are_named():
    found = bounce.read(
        report(
            "Final-Recipient: rfc822; ok@b.example\nAction: relayed\nStatus: 2.0.0",
            "Final-Recipient: rfc822; late@b.example\nAction: delayed\nStatus: 4.2.1",
            "Final-Recipient: rfc822; gone@b.example\nAction: failed\nStatus: 5.1.1",
        )
    )
    assert found.recipients == ("late@b.example", "gone@b.example")
    assert (found.permanent, found.status) == (True, "5.1.1")


def test_groups_that_are_not_parted_by_blank_lines_are_read():
    found = bounce.read(
        report(
            "Final-Recipient: rfc822; one@b.example\nAction: failed\nStatus: 5.1.1\n"
            "Final-Recipient: rfc822; two@b.example\nAction: failed\nStatus: 5.1.1"
        )
    )
    assert found.recipients == ("one@b.example", "two@b.example")


@pytest.mark.parametrize("label", ["text/plain", "application/octet-stream", "message/global-delivery-status"])
def test_a_mislabelled_report_is_read_all_the_same(label):
    found = bounce.read(
        report("Final-Recipient: rfc822; hana@customer.example\nAction: failed\nStatus: 5.1.1", label=label)
    )
    assert found.recipients == ("hana@customer.example",)


def test_a_mail_that_is_nothing_but_a_report_is_read():
    found = bounce.read(
        mail_of(
            "From: postmaster@mx.example.jp\nTo: support@shop.example\nSubject: report\nMIME-Version: 1.0\n"
            "Content-Type: message/delivery-status\n\nReporting-MTA: dns; mx.example.jp\n\n"
            "Final-Recipient: rfc822; hana@customer.example\nAction: failed\nStatus: 5.7.1\n"
        )
    )
    assert found.recipients == ("hana@customer.example",)
    assert found.permanent is True


def test_the_code_in_the_words_of_the_remote_server_says_more_than_a_field_that_says_nothing():
    found = bounce.read(
        report(
            "Final-Recipient: rfc822; a@b.example\nAction: failed\nStatus: 5.0.0\n"
            "Diagnostic-Code: smtp; 552 5.2.2 mailbox full"
        )
    )
    assert (found.status, found.reason) == ("5.2.2", "mailboxfull")


# --- servers' own words -------------------------------------------------------------------------------------------


def test_qmail_names_each_recipient_and_the_reply_that_it_got():
    found = bounce.read(
        notice(
            """Hi. This is the qmail-send program at mx.example.jp.
I'm afraid I wasn't able to deliver your message to the following addresses.
This is a permanent error; I've given up. Sorry it didn't work out.

<hana@customer.example>:
192.0.2.153 does not like recipient.
Remote host said: 550 5.1.1 <hana@customer.example>... User Unknown
Giving up on 192.0.2.153.

<taro@customer.example>:
192.0.2.153 does not like recipient.
Remote host said: 552 5.2.2 Mailbox full

--- Below this line is a copy of the message.

Return-Path: <support@shop.example>
Message-ID: <sent-8@shop.example>
To: hana@customer.example, taro@customer.example
"""
        )
    )
    assert found.recipients == ("hana@customer.example", "taro@customer.example")
    assert (found.permanent, found.status, found.reason) == (True, "5.1.1", "userunknown")
    assert found.original_message_id == "<sent-8@shop.example>"


def test_a_japanese_carrier_that_answers_from_noreply_is_understood():
    found = bounce.read(
        mail_of(
            """From: no-reply@mail.carrier.example
To: support@shop.example
Subject: Mail
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary="b"

--b
Content-Type: text/plain; charset=utf-8

送信先のメールボックスが一杯のため、送信できませんでした。

Your mail sent on: Thu, 29 Apr 2013 23:45:22 +0900
     Could not be delivered to: <hana@carrier.example>
     As their mailbox is full.
--b
Content-Type: message/rfc822

Message-ID: <sent-9@shop.example>
To: hana@carrier.example

x
--b--
"""
        )
    )
    assert found.recipients == ("hana@carrier.example",)
    assert found.reason == "mailboxfull"
    assert found.original_message_id == "<sent-9@shop.example>"


@pytest.mark.parametrize(
    ("body", "subject", "recipient"),
    [
        (
            "There was an error delivering your mail to <hana@c.example>.\n\n550 5.1.1 User unknown\n",
            "Mail delivery failed",
            "hana@c.example",
        ),
        ("Unknown user: hana@c.example\n\nOriginal message follows.\n", "Undeliverable Mail", "hana@c.example"),
        ("Undeliverable Address: hana@c.example\nReason: over disk quota.\n", "Undelivered Mail", "hana@c.example"),
        (
            "  * hana@c.example\n\nSMTP:RCPT host 192.0.2.8: 553 5.3.0 No such user here\n",
            "Delivery status notification",
            "hana@c.example",
        ),
        (
            "Your message\n  Subject: x\nwas not delivered to:\n  hana@c.example\nbecause:\n  User not listed\n",
            "DELIVERY FAILURE: x",
            "hana@c.example",
        ),
        (
            "<docomo..user.@docomo.ne.jp>: 550 Unknown user\n",
            "Undelivered Mail Returned to Sender",
            "docomo..user.@docomo.ne.jp",
        ),
        (
            "以下のメールアドレスへの送信に失敗しました。\nhana@c.example\n-------server message\n550 unknown user\n",
            "failure notice",
            "hana@c.example",
        ),
    ],
)
def test_the_recipient_is_found_wherever_a_server_writes_it(body, subject, recipient):
    found = bounce.read(notice(body, subject=subject))
    assert found.recipients == (recipient,)
    assert found.permanent is True


def test_a_warning_that_the_mail_is_still_in_the_queue_is_not_permanent():
    found = bounce.read(
        notice(
            "This message was created automatically by mail delivery software.\n"
            "A message that you sent has not yet been delivered to all its recipients\n"
            "after more than 24 hours on the queue.\n\n  hana@c.example\n\n"
            "No action is required on your part. Delivery attempts will continue for some time.\n",
            subject="Warning: message delayed 24 hours",
        )
    )
    assert found.recipients == ("hana@c.example",)
    assert found.permanent is False


def test_x_failed_recipients_is_believed():
    found = bounce.read(
        notice("The group you tried to reach may not exist.\n", more="X-Failed-Recipients: sales@groups.example\n")
    )
    assert found.recipients == ("sales@groups.example",)


def test_a_notice_in_html_alone_is_read():
    found = bounce.read(
        notice(
            "<html><body><p>did not reach the following recipient(s):</p><p>hana@c.example on Thu, 11 Jul "
            "2024</p></body></html>",
            subject="Undeliverable: Hello",
            more="MIME-Version: 1.0\nContent-Type: text/html\n",
        )
    )
    assert found.recipients == ("hana@c.example",)


def test_a_notification_of_amazon_ses_is_read():
    told = {
        "notificationType": "Bounce",
        "bounce": {
            "bounceType": "Permanent",
            "bouncedRecipients": [
                {
                    "emailAddress": "hana@c.example",
                    "action": "failed",
                    "status": "5.1.1",
                    "diagnosticCode": "smtp; 550 5.1.1 user unknown",
                }
            ],
        },
        "mail": {"source": "support@shop.example"},
    }
    found = bounce.read(notice(json.dumps(told), sender="no-reply@sns.example", subject="AWS Notification Message"))
    assert found.recipients == ("hana@c.example",)
    assert found.permanent is True


# --- what is none -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sender", "subject", "body", "more"),
    [
        ("hana@c.example", "Re: failure notice", "I got this, why?\n\n<a@b.example>:\n550 User unknown\n", ""),
        ("hana@c.example", "Fwd: Undelivered Mail Returned to Sender", "could not be delivered\n<a@b.example>\n", ""),
        (
            "hana@c.example",
            "My parcel could not be delivered",
            "The driver did not reach me at hana@c.example.\n",
            "User-Agent: Mail\n",
        ),
        (
            "hana@c.example",
            "Delivery problem",
            "Order 12 was not delivered. Write to hana@work.example.\n",
            "In-Reply-To: <a@shop.example>\n",
        ),
        ("hana@c.example", "配送について", "商品が届きませんでした。hana@c.example までお願いします。\n", ""),
        ("postmaster@isp.example", "Our prices change in May", "Dear customer, write to sales@isp.example.\n", ""),
        ("hana@c.example", "Hello", "My mailbox is full, please write to hana@work.example.\n", ""),
    ],
)
def test_people_who_write_about_failures_stay_people(sender, subject, body, more):
    assert bounce.read(notice(body, sender=sender, subject=subject, more=more)) is None


def test_a_complaint_is_no_bounce_and_says_who_complained():
    mail = mail_of(
        """From: abuse@provider.example
To: support@shop.example
Subject: Email Abuse Report
MIME-Version: 1.0
Content-Type: multipart/report; report-type=feedback-report; boundary="b"

--b
Content-Type: text/plain

This is an abuse report.
--b
Content-Type: message/feedback-report

Feedback-Type: abuse
User-Agent: Feedback/1.0
Version: 1
Original-Rcpt-To: hana@provider.example
Source-IP: 192.0.2.1

--b
Content-Type: message/rfc822

Message-ID: <news-1@shop.example>
To: hana@provider.example

x
--b--
"""
    )
    assert bounce.read(mail) is None
    assert bounce.feedback(mail) == bounce.Complaint(
        "abuse", ("hana@provider.example",), "192.0.2.1", "<news-1@shop.example>"
    )


# --- small pieces -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("<a@b.example>: x", ["a@b.example"]),
        ("mailto:a@b.example, 'c@d.example'", ["a@b.example", "c@d.example"]),
        ("da..me.@docomo.ne.jp様", ["da..me.@docomo.ne.jp"]),
        ("host [192.0.2.1] a@localhost @b.example", []),
    ],
)
def test_addresses_are_found_in_words(text, found):
    assert addresses(text) == found


@pytest.mark.parametrize(
    ("text", "status", "reply"),
    [
        ("550 5.1.1 unknown", "5.1.1", "550"),
        ("host mx[192.5.2.1] said: 452 4.2.2 full", "4.2.2", "452"),
        ("Remote host said: 421 busy", "", "421"),
        ("call (480) 624-2500", "", ""),
        ("Sorry, no mailbox here by that name. (#5.1.1)", "5.1.1", ""),
    ],
)
def test_codes_are_found_and_numbers_of_other_things_are_not_taken_for_them(text, status, reply):
    assert (reasons.status_in(text), reasons.reply_in(text)) == (status, reply)


# --- bad input ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "unit",
    [
        "@",
        "a@",
        "a.b@c.",
        "<",
        "<a",
        "\n",
        " ",
        "delivery ",
        "RCPT TO:<",
        "message-id:\n",
        "Final-Recipient: rfc822; a@b.example\n",
        "Action: failed\n\n",
        '{"notificationType":',
        "[[[[",
        "<a@b.example>:\n550 no\n",
        "5.1.",
        ": 550 ",
        "<style>",
        "copy of the ",
        "配信",
    ],
)
def test_a_megabyte_of_anything_takes_less_than_two_seconds(unit):
    body = unit * (1_000_000 // len(unit))
    for content_type in ("text/plain; charset=utf-8", "text/html", "message/delivery-status", "message/rfc822"):
        mail = notice(body, more=f"Return-Path: <>\nMIME-Version: 1.0\nContent-Type: {content_type}\n")
        started = time.thread_time()
        bounce.read(mail)
        assert time.thread_time() - started < 2


def test_changed_bytes_never_raise():
    seed = random.Random(20)
    source = bytearray(
        b"From: MAILER-DAEMON@a.example\r\nReturn-Path: <>\r\nSubject: failure notice\r\nMIME-Version: 1.0\r\n"
        b"Content-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n--b\r\nContent-Type: "
        b"text/plain\r\n\r\n"
        b"<a@b.example>:\r\n550 5.1.1 no\r\n--b\r\nContent-Type: message/delivery-status\r\n\r\nFinal-Recipient: "
        b"rfc822; a@b.example\r\n"
        b"Action: failed\r\nStatus: 5.1.1\r\n--b--\r\n"
    )
    for _ in range(500):
        changed = bytearray(source)
        for _ in range(seed.randint(1, 20)):
            place = seed.randrange(len(changed))
            changed[place : place + seed.randint(0, 3)] = seed.randbytes(seed.randint(0, 4))
        found = bounce.read(parse(bytes(changed)))
        assert found is None or len(found.diagnostic) <= bounce.DIAGNOSTIC_LIMIT


# --- real mails ---------------------------------------------------------------------------------------------------


def _cases(name: str):
    path = CORPORA / "cases" / f"{name}.jsonl"
    if not path.exists():
        pytest.skip(f"no corpora at {CORPORA}; set MADOGUCHI_CORPORA")
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]


@pytest.mark.parametrize(("name", "recognised", "permanence"), [("sisimai", 0.97, 0.97), ("flufl_bounce", 0.95, 0.95)])
def test_real_bounces_are_recognised(name, recognised, permanence):
    said, right, told, agreed = 0, 0, 0, 0
    for case in _cases(name):
        expected = case["expect"]
        if "is_bounce" not in expected:
            continue
        found = bounce.read(parse(base64.b64decode(case["raw_b64"])))
        said += 1
        right += (found is not None) == expected["is_bounce"]
        if expected.get("bounce_permanent") is not None:
            told += 1
            agreed += found is not None and found.permanent == expected["bounce_permanent"]
    assert right / said >= recognised
    assert agreed / told >= permanence
