"""People are told from machines, and machines are never answered by a machine."""

import pytest

from inbox.mail import automatic, bounce
from inbox.mail.facts import Bounce, Kind
from inbox.mail.parse import parse

A_BOUNCE = Bounce(("a@b.example",), True, "5.1.1", "userunknown", "", "")


def mail_of(
    headers: str = "", *, subject: str = "Order 12", sender: str = "hana@customer.example", body: str = "Hello."
):
    head = (
        f"From: {sender}\nTo: support@shop.example\nSubject: {subject}\nDate: Mon, 2 Nov 2026 09:00:00 +0900\n{headers}"
    )
    return parse((head.rstrip("\n") + "\n\n" + body).replace("\n", "\r\n").encode())


def kind_of(mail, **more):
    return automatic.kind_of(mail, bounce.read(mail), **more)


def test_a_customer_is_a_person_who_may_be_answered():
    mail = mail_of()
    assert kind_of(mail) is Kind.PERSON
    assert automatic.silence(mail, Kind.PERSON) == ""


@pytest.mark.parametrize(
    ("headers", "kind"),
    [
        ("Auto-Submitted: auto-replied", Kind.AUTO_REPLY),
        ("Auto-Submitted: auto-replied (vacation)", Kind.AUTO_REPLY),
        ("Auto-Submitted: Auto-Generated", Kind.AUTO_REPLY),
        ("Auto-Submitted: auto-notified; owner-email=a@b.example", Kind.AUTO_REPLY),
        ("Auto-Submitted: no", Kind.PERSON),
        ("Auto-Submitted: no\nX-Autoreply: yes", Kind.PERSON),
        ("X-Autoreply: yes", Kind.AUTO_REPLY),
        ("X-Autoreply: no", Kind.PERSON),
        ("X-Autorespond: 1", Kind.AUTO_REPLY),
        ("Precedence: auto_reply", Kind.AUTO_REPLY),
        ("X-FC-MachineGenerated: true", Kind.AUTO_REPLY),
        ("X-Auto-Response-Suppress: DR, RN", Kind.PERSON),
        ("Delivered-To: autoresponder@isp.example", Kind.AUTO_REPLY),
        ("List-Id: <news.shop.example>", Kind.LIST),
        ("List-Unsubscribe: <mailto:u@shop.example>", Kind.LIST),
        ("Precedence: bulk", Kind.LIST),
        ("Precedence: list\nAuto-Submitted: auto-generated", Kind.LIST),
        ("Precedence: list\nAuto-Submitted: auto-replied", Kind.AUTO_REPLY),
        ("Return-Path: <>", Kind.AUTO_REPLY),
        ("Return-Path: <hana@customer.example>", Kind.PERSON),
    ],
)
def test_headers_say_who_wrote(headers, kind):
    assert kind_of(mail_of(headers)) is kind


@pytest.mark.parametrize(
    "subject",
    [
        "自動返信: ご注文について",
        "【自動返信】お問い合わせありがとうございます",
        "お問い合わせありがとうございます（自動返信）",
        "不在のお知らせ",
        "休暇中です",
        "Re: 自動応答 Order 12",
        "Automatic reply: Order 12",
        "Auto-Reply: x",
        "Auto: Order 12",
        "Out of Office",
        "Out of the office: Order 12",
        "Away from my email",
        "Away until May 5",
        "I'm on vacation",
        "Abwesenheitsnotiz: Bestellung",
        "Automatische Antwort: x",
        "Réponse automatique : x",
        "Absence du bureau",
        "Respuesta automática: x",
        "Fuera de la oficina",
        "Risposta automatica: x",
        "Fuori sede",
        "Automatisch antwoord: x",
        "Afwezig: x",
        "Resposta automática: x",
        "自动回复: 订单",
        "自動回覆：訂單",
        "자동 회신: 주문",
        "부재중 알림",
        "Autosvar: x",
        "Автоответ: x",
        "[shop] Automatic reply: x",
    ],
)
def test_subjects_of_auto_responders_are_known_in_many_languages(subject):
    assert kind_of(mail_of(subject=subject)) is Kind.AUTO_REPLY


@pytest.mark.parametrize(
    "subject",
    [
        "Re: automatic door broken",
        "Automatic payment failed",
        "Out of office supplies",
        "自動車の修理について",
        "自動更新を止めたい",
        "不在票が入っていました",
        "Holiday opening hours?",
        "On time delivery",
        "Automatik-Uhr defekt",
        "休暇の予約",
        "Autoradio kaputt",
        "Away team shirts",
        "",
    ],
)
def test_subjects_of_people_stay_subjects_of_people(subject):
    assert kind_of(mail_of(subject=subject)) is Kind.PERSON


def test_a_bounce_and_a_complaint_go_before_everything_else():
    assert automatic.kind_of(mail_of("Auto-Submitted: auto-replied"), A_BOUNCE) is Kind.BOUNCE
    complaint = parse(
        b"From: fbl@isp.example\r\nSubject: abuse\r\nMIME-Version: 1.0\r\n"
        b"Content-Type: multipart/report; report-type=feedback-report; boundary=b\r\n\r\n"
        b"--b\r\nContent-Type: message/feedback-report\r\n\r\nFeedback-Type: abuse\r\n--b--\r\n"
    )
    assert kind_of(complaint) is Kind.FEEDBACK_REPORT


def test_a_read_receipt_was_not_written_by_a_person():
    mail = parse(
        b"From: hana@customer.example\r\nSubject: Read: Order 12\r\nMIME-Version: 1.0\r\n"
        b"Content-Type: multipart/report; report-type=disposition-notification; boundary=b\r\n\r\n"
        b"--b\r\nContent-Type: text/plain\r\n\r\nYour message was displayed.\r\n"
        b"--b\r\nContent-Type: message/disposition-notification\r\n\r\nDisposition: manual-action/MDN-sent-manually; "
        b"displayed\r\n--b--\r\n"
    )
    assert kind_of(mail) is Kind.AUTO_REPLY


@pytest.mark.parametrize(
    "headers",
    [
        "List-Id: Support <support.shop.example>\nPrecedence: list",
        "List-Post: <mailto:support@shop.example>",
        "Mailing-list: list support@shop.example; contact support+owners@shop.example",
    ],
)
def test_what_comes_through_a_group_of_our_own_was_written_by_a_person(headers):
    mail = mail_of(headers)
    assert kind_of(mail) is Kind.LIST
    assert kind_of(mail, own_addresses=("support@shop.example",)) is Kind.PERSON


@pytest.mark.parametrize(
    ("headers", "why"),
    [
        ("Precedence: junk", "precedence"),
        ("X-Precedence: auto_reply", "precedence"),
        ("List-Help: <https://shop.example>", "list"),
        ("X-Auto-Response-Suppress: OOF, AutoReply", "suppressed"),
        ("X-Auto-Response-Suppress: All", "suppressed"),
        ("X-Loop: desk", "loop"),
        ("Return-Path: <>", "null_return_path"),
        ("Auto-Submitted: auto-generated", "auto_submitted"),
        ("Auto-Submitted: no\r\nX-Autoreply: yes", "auto_header"),
        ("X-Spam-Flag: YES", "spam"),
        ("Feedback-ID: 1:2:3", "list"),
    ],
)
def test_nobody_who_asks_for_silence_is_answered_by_a_machine(headers, why):
    assert automatic.silence(mail_of(headers), Kind.PERSON) == why


@pytest.mark.parametrize(
    "sender",
    [
        "noreply@a.example",
        "no-reply@a.example",
        "do_not_reply@a.example",
        "order-noreply@a.example",
        "MAILER-DAEMON@a.example",
        "postmaster@a.example",
        "bounces+17@a.example",
        "list-owner@a.example",
        "notifications@a.example",
        "auto-confirm@a.example",
        "news-bounces@a.example",
    ],
)
def test_robots_are_not_answered(sender):
    assert automatic.silence(mail_of(sender=sender), Kind.PERSON) == "robot"


@pytest.mark.parametrize("kind", [Kind.AUTO_REPLY, Kind.BOUNCE, Kind.FEEDBACK_REPORT, Kind.LIST])
def test_only_people_are_answered(kind):
    assert automatic.silence(mail_of(), kind) == "kind"


def test_a_form_that_writes_from_noreply_is_answered_at_the_customers_own_address():
    mail = mail_of("Reply-To: hana@customer.example", sender="noreply@forms.example")
    assert automatic.silence(mail, Kind.PERSON) == ""


def test_our_own_addresses_are_never_answered():
    mail = mail_of(sender="Support@shop.example")
    assert automatic.silence(mail, Kind.PERSON, own_addresses=("support@shop.example",)) == "own_address"


def test_a_mail_without_a_sender_is_not_answered():
    assert automatic.silence(parse(b"Subject: x\r\n\r\nHello"), Kind.PERSON) == "no_sender"


@pytest.mark.parametrize(
    ("value", "results"),
    [
        (
            "mx.google.com; dkim=pass header.i=@a.example header.s=s1; spf=pass (google.com: domain of a@a.example "
            "designates "
            "1.2.3.4 as permitted sender) smtp.mailfrom=a@a.example; dmarc=pass (p=REJECT sp=REJECT dis=NONE) "
            "header.from=a.example",
            {"dkim": "pass", "spf": "pass", "dmarc": "pass"},
        ),
        (
            "spf=fail (sender IP is 1.2.3.4) smtp.mailfrom=a.example; dkim=none (message not signed) "
            "header.d=none;dmarc=fail "
            "action=none header.from=a.example;compauth=fail reason=001",
            {"spf": "fail", "dkim": "none", "dmarc": "fail", "compauth": "fail"},
        ),
        ("mx.a.example; dkim=fail header.d=x; dkim=pass header.d=a.example", {"dkim": "pass"}),
        ("mx.a.example; none", {}),
        ("", {}),
    ],
)
def test_authentication_results_are_read_leniently(value, results):
    assert automatic.authentication(mail_of(f"Authentication-Results: {value}" if value else "")) == results


def test_only_the_topmost_authentication_results_count():
    mail = mail_of(
        "Authentication-Results: mx.shop.example; spf=fail\nAuthentication-Results: forged; spf=pass; dmarc=pass"
    )
    assert automatic.authentication(mail) == {"spf": "fail"}


@pytest.mark.parametrize(
    "subject",
    [
        "不在通知の件",
        "Re: 不在通知の件",
        "不在のため受け取れませんでした",
        "休暇中の配送について",
        "自動返信が届かない",
        "自動配信メールを止めたい",
        "Auto-generated invoice is wrong",
        "Vacation response not working",
        "Automatic reply feature broken",
        "Abwesenheit bei der Lieferung",
        "Réponse automatique incorrecte",
    ],
)
def test_people_write_about_absences_and_automatic_answers(subject: str) -> None:
    assert kind_of(mail_of(subject=subject)) is Kind.PERSON


def test_who_asks_for_silence_may_be_a_person() -> None:
    mail = mail_of("X-Auto-Response-Suppress: All")
    assert kind_of(mail) is Kind.PERSON
    assert automatic.silence(mail, Kind.PERSON) == "suppressed"
