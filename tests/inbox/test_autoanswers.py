"""Automatic answers: who gets one, who never does, how often, and what stands in the mail that leaves."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage

import pytest
from sqlalchemy import Engine, func, select

from inbox import autoanswers_settings, conversation_page, db, outbox
from inbox.blobs import blobs
from inbox.models import (
    AnswerBreaker,
    AnswerDecision,
    AutoAnswer,
    Conversation,
    Message,
    Outgoing,
    Person,
    PersonAddress,
    WorkCalendar,
)
from inbox.outbox import KINDS
from inbox.wire import smtp
from routing.autoreply import Budgets
from templates.auto_answers import PROPOSED
from tests.inbox.cast import CUSTOMER, a_viewer
from tests.inbox.intake.story import DAY, MINUTE, NOW, Story, a_mail

AFTERNOON = datetime(2026, 11, 20, 5, 0, tzinfo=UTC)  # 14:00 in Tokyo, a Friday
SUNDAY = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)  # noon in Tokyo; Monday is Labour Thanksgiving Day
HOUR = timedelta(hours=1)
WEEKDAYS = {day: ["09:00-12:00", "13:00-18:00"] for day in ("mon", "tue", "wed", "thu", "fri")}
SECRET_WORDS = "合言葉はひまわりです。https://phishing.example/"


def switched_on(story: Story, *occasions: str, hourly: int = Budgets().mailbox) -> Story:
    """The mailbox answers with the words that come with the product."""
    with db.transaction() as session:
        for occasion in occasions or ("received",):
            words = {
                language: {"subject": one.subject, "text": one.text} for language, one in PROPOSED[occasion].items()
            }
            session.add(AutoAnswer(mailbox_id=story.mailbox_id, occasion=occasion, enabled=True, words=words))
        session.add(AnswerBreaker(mailbox_id=story.mailbox_id, hourly=hourly))
    return story


def working_hours() -> None:
    with db.transaction() as session:
        session.add(
            WorkCalendar(name="平日", is_default=True, body={"zone": "Asia/Tokyo", "week": WEEKDAYS, "country": "JP"})
        )


def answers(story: Story | None = None) -> list[Outgoing]:
    with db.reading() as session:
        wanted = select(Outgoing).where(Outgoing.kind == "auto_reply").order_by(Outgoing.id)
        if story is not None:
            wanted = wanted.where(Outgoing.mailbox_id == story.mailbox_id)
        return list(session.scalars(wanted))


def mail_of(outgoing: Outgoing) -> EmailMessage:
    found = message_from_bytes(blobs().get(outgoing.raw_sha256), policy=policy.default)
    assert isinstance(found, EmailMessage)
    return found


def text_of(outgoing: Outgoing) -> str:
    return str(mail_of(outgoing).get_content()).replace("\r\n", "\n")


def reason(story: Story, raw: bytes, **about: object) -> str:
    """Why a mail got no answer; "" when it did."""
    row = story.arrive(raw, **about)
    with db.reading() as session:
        found = session.scalar(select(AnswerDecision.reason).where(AnswerDecision.message_id == row.message_id))
    assert found is not None, "nothing was decided"
    return found


def breaker(story: Story) -> AnswerBreaker:
    with db.reading() as session:
        return session.get_one(AnswerBreaker, story.mailbox_id)


# -- what leaves


def test_a_new_mail_is_acknowledged_in_the_same_commit(engine: Engine) -> None:
    story = switched_on(Story())
    row = story.arrive(a_mail(SECRET_WORDS, subject="届きません", mail_id="<q1@customer.example>"))
    (sent,) = answers(story)
    conversation = story.conversation_of(row)
    assert (sent.state, sent.envelope_from, sent.priority) == ("queued", "", KINDS["auto_reply"].priority)
    assert [one["address"] for one in sent.recipients] == [CUSTOMER[1]]
    assert sent.conversation_id == conversation.id
    mail = mail_of(sent)
    assert mail["Subject"] == f"【自動返信】お問い合わせを受け付けました（受付番号 {conversation.id}）"
    text = text_of(sent)
    assert text.startswith("山田 太郎 様\n")
    assert "Support team" in text


def test_the_mail_tells_other_machines_to_stay_silent_and_repeats_nothing(engine: Engine) -> None:
    """A-04."""
    story = switched_on(Story("Support", "help@shop.example"))
    story.arrive(
        a_mail(
            SECRET_WORDS,
            subject="ひまわり",
            to="Help@shop.example",
            mail_id="<q2@customer.example>",
            references=("<q1@customer.example>",),
        )
    )
    (sent,) = answers(story)
    mail = mail_of(sent)
    assert mail["Auto-Submitted"] == "auto-replied"
    assert mail["X-Auto-Response-Suppress"] == "All"
    assert mail["Precedence"] == "bulk"
    assert mail["X-Loop"] == "support@shop.example"
    assert mail["In-Reply-To"] == "<q2@customer.example>"
    assert mail["References"].split() == ["<q1@customer.example>", "<q2@customer.example>"]
    assert mail["From"].addresses[0].addr_spec == "help@shop.example", "the address that was written to"
    assert mail["Content-Language"] == "ja"
    assert mail["Date"]
    assert mail["Message-ID"]
    assert sent.envelope_from == ""
    raw = blobs().get(sent.raw_sha256) + mail.get_content().encode() + str(mail["Subject"]).encode()
    for words in ("ひまわり", "合言葉", "phishing"):
        assert words.encode() not in raw


def test_it_stands_in_the_history_and_does_not_count_as_the_answer(engine: Engine) -> None:
    story = switched_on(Story())
    row = story.arrive(a_mail())
    mail, conversation = story.message_of(row), story.conversation_of(row)
    assert (conversation.status, conversation.waiting_since) == ("open", mail.at)
    assert (conversation.activity_at, conversation.last_direction) == (mail.at, "in")
    assert (conversation.version, conversation.message_count) == (1, 2)
    assert conversation.snippet == mail.snippet
    assert conversation.opened_at is None
    (event,) = story.events("auto_answered")
    with db.transaction() as session:
        viewer = a_viewer(session, "Rin", role="admin")
    with db.reading() as session:
        shown = conversation_page.show(session, viewer, conversation.id, now=story.now)
    assert [(one.direction, one.kind) for one in shown.messages] == [("in", "person"), ("out", "auto_reply")]
    assert shown.messages[1].id == event.about["message_id"]
    assert shown.messages[1].answers_id == row.message_id
    assert shown.messages[1].outgoing is not None
    assert "auto_answered" not in [one.kind for one in shown.events], "its message shows it"


def test_the_customers_answer_to_it_goes_on_with_the_conversation(engine: Engine) -> None:
    story = switched_on(Story())
    first = story.arrive(a_mail())
    again = a_mail("注文番号は12です。", subject="Re: 自動", answers=answers()[0].mail_id)
    assert reason(story, again) == "not_new"
    assert {one.id for one in story.conversations()} == {story.conversation_of(first).id}
    assert len(answers()) == 1


@pytest.mark.parametrize(
    ("text", "language", "begins"),
    [
        ("まだ届きません。", "ja", "山田 太郎 様"),
        ("My parcel has not arrived yet, please help.", "en", "Dear 山田 太郎,"),
        ("Mein Paket ist nicht da, bitte helfen Sie mir und prüfen Sie das.", "en", "Dear 山田 太郎,"),
    ],
)
def test_the_language_is_that_of_the_mail(engine: Engine, text: str, language: str, begins: str) -> None:
    story = switched_on(Story())
    story.arrive(a_mail(text, subject="12"))
    mail = mail_of(answers()[0])
    assert mail["Content-Language"] == language
    assert mail.get_content().startswith(begins)


@pytest.mark.parametrize("name", ["", "Win money at http://evil.example now", "x" * 60, "call +1 555 123"])
def test_a_name_that_is_none_is_not_repeated(engine: Engine, name: str) -> None:
    """Whoever writes in another's name must not be able to send them words of their own through us."""
    story = switched_on(Story())
    story.arrive(a_mail(sender=(name, "taro@example.jp")))
    mail = mail_of(answers()[0])
    assert text_of(answers()[0]).startswith("お客様\n")
    assert mail["To"] == "taro@example.jp"


def test_an_answer_goes_to_reply_to(engine: Engine) -> None:
    """A form on our own site writes in our name and says in Reply-To who asked."""
    story = switched_on(Story())
    story.arrive(a_mail(sender=("Form", "support@shop.example"), headers={"Reply-To": "花子 <hanako@example.jp>"}))
    assert [one["address"] for one in answers()[0].recipients] == ["hanako@example.jp"]


# -- when


def test_outside_working_hours_the_customer_learns_when_we_are_back(engine: Engine) -> None:
    working_hours()
    story = switched_on(Story(now=SUNDAY), "received", "closed")
    story.arrive(a_mail())
    text = text_of(answers()[0])
    assert "11月24日（火）9:00 以降に" in text, "Monday is a public holiday"


def test_within_working_hours_only_the_acknowledgement_leaves(engine: Engine) -> None:
    working_hours()
    assert reason(switched_on(Story("Sales", now=AFTERNOON), "closed"), a_mail()) == "in_hours"
    story = switched_on(Story(now=AFTERNOON), "received", "closed")
    assert reason(story, a_mail()) == ""
    assert "受け付けました" in str(mail_of(answers()[0])["Subject"])


def test_outside_working_hours_a_mail_in_a_known_conversation_is_answered_too_once_a_day(engine: Engine) -> None:
    working_hours()
    story = switched_on(Story(now=AFTERNOON), "closed")
    first = a_mail(mail_id="<first@customer.example>")
    assert reason(story, first) == "in_hours"
    story.now = SUNDAY
    assert reason(story, a_mail(answers="<first@customer.example>", date=SUNDAY)) == ""
    assert reason(story, a_mail(answers="<first@customer.example>", date=SUNDAY + HOUR)) == "sender_budget"
    story.now = SUNDAY + DAY
    assert reason(story, a_mail(answers="<first@customer.example>", date=SUNDAY + DAY)) == ""


def test_a_mailbox_without_answers_decides_nothing(engine: Engine) -> None:
    story = Story()
    story.arrive(a_mail())
    with db.reading() as session:
        assert session.scalar(select(func.count()).select_from(AnswerDecision)) == 0


def test_the_first_import_is_silent_and_what_came_long_ago_stays_unanswered(engine: Engine) -> None:
    story = switched_on(Story())
    story.arrive(a_mail(), silent=True)
    assert answers() == []
    assert reason(story, a_mail(sender=("", "b@example.jp")), at=NOW - 2 * DAY) == "late"


# -- who never gets one


@pytest.mark.parametrize(
    ("headers", "why"),
    [
        ({"Auto-Submitted": "auto-replied"}, "auto_submitted"),
        ({"Auto-Submitted": "auto-generated"}, "auto_submitted"),
        ({"Precedence": "bulk"}, "precedence"),
        ({"Precedence": "list"}, "precedence"),
        ({"Precedence": "auto_reply"}, "precedence"),
        ({"X-Auto-Response-Suppress": "OOF, AutoReply"}, "suppressed"),
        ({"X-Auto-Response-Suppress": "All"}, "suppressed"),
        ({"List-Id": "<news.shop2.example>"}, "list"),
        ({"List-Unsubscribe": "<mailto:off@news.example>"}, "list"),
        ({"Return-Path": "<>"}, "null_return_path"),
        ({"X-Autoreply": "yes"}, "auto_header"),
        ({"X-Loop": "anybody@elsewhere.example"}, "loop"),
        ({"X-Spam-Flag": "YES"}, "spam"),
        ({"Authentication-Results": "mx.shop.example; dkim=none; dmarc=fail header.from=example.jp"}, "forged"),
    ],
)
def test_machines_and_lists_never_get_one(engine: Engine, headers: dict[str, str], why: str) -> None:
    """A-03."""
    assert reason(switched_on(Story()), a_mail(headers=headers)) == why
    assert answers() == []


@pytest.mark.parametrize(
    ("sender", "why"),
    [
        ("noreply@example.jp", "robot"),
        ("MAILER-DAEMON@example.jp", "kind"),
        ("bounces+12@example.jp", "robot"),
        ("sales@shop.example", "own_address"),
        ("support@shop.example", "own_address"),
    ],
)
def test_robots_and_our_own_addresses_never_get_one(engine: Engine, sender: str, why: str) -> None:
    Story("Sales")
    assert reason(switched_on(Story()), a_mail(sender=("", sender))) == why
    assert answers() == []


def test_a_stranger_in_a_known_conversation_gets_none(engine: Engine) -> None:
    story = switched_on(Story())
    story.arrive(a_mail(mail_id="<q1@customer.example>"))
    stranger = a_mail("hello", sender=("", "else@other.example"), answers="<q1@customer.example>")
    assert reason(story, stranger) == "stranger"


def test_a_mail_under_an_id_of_ours_never_gets_one(engine: Engine) -> None:
    """Our own mail that comes back changed, whoever it now says it is from."""
    story = switched_on(Story())
    story.arrive(a_mail())
    ours = answers()[0].mail_id
    assert reason(story, a_mail("changed", sender=("", "other@else.example"), mail_id=ours)) == "loop"


def test_neither_spam_nor_a_blocked_sender_gets_one(engine: Engine) -> None:
    story = switched_on(Story())
    with db.transaction() as session:
        session.add(Person(name="", blocked=True, created_at=NOW, addresses=[PersonAddress(address="bad@example.jp")]))
    assert reason(story, a_mail(sender=("", "bad@example.jp"))) in ("spam", "blocked")
    assert answers() == []


BOUNCE = b"""From: MAILER-DAEMON@mx.example
To: support@shop.example
Subject: Undelivered Mail Returned to Sender
Date: Fri, 20 Nov 2026 12:00:00 +0900
Message-ID: <dsn%d@mx.example>
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary=b

--b
Content-Type: text/plain

It could not be delivered.
--b
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example

Final-Recipient: rfc822; taro@example.jp
Action: failed
Status: 5.1.1
Diagnostic-Code: smtp; 550 5.1.1 no such user
--b
Content-Type: text/rfc822-headers

Message-ID: %b
--b--
"""


def test_bounces_of_an_automatic_answer_are_linked_to_it_and_reopen_nothing(engine: Engine) -> None:
    """A-03: no answer to a bounce, no reopen storm."""
    story = switched_on(Story())
    row = story.arrive(a_mail())
    (sent,) = answers()
    with db.transaction() as session:
        session.get_one(Outgoing, sent.id).state = "sent"
        session.get_one(Conversation, sent.conversation_id).status = "closed"
    for number in range(5):
        story.arrive(BOUNCE % (number, sent.mail_id.encode()))
    conversation = story.conversation_of(row)
    assert (conversation.status, conversation.trouble) == ("closed", "")
    assert len(answers()) == 1
    assert answers()[0].recipients[0]["state"] == "bounced"
    assert story.events("bounced") == []
    with db.reading() as session:
        linked = session.scalars(select(Message.answers_id).where(Message.kind == "bounce")).all()
    assert set(linked) == {sent.message_id}


def test_a_mail_that_reaches_two_of_our_mailboxes_is_answered_once_and_our_answer_never(engine: Engine) -> None:
    """A-06: the mail server forwards one mailbox into the other, answers included."""
    support, sales = switched_on(Story()), switched_on(Story("Sales"))
    question = a_mail(to="support@shop.example, sales@shop.example")
    support.arrive(question)
    sales.arrive(question)
    assert len(answers()) == 1
    ours = blobs().get(answers()[0].raw_sha256)
    support.arrive(ours)
    sales.arrive(ours)
    assert len(answers()) == 1


def test_an_answer_that_a_server_refuses_reopens_nothing(engine: Engine) -> None:
    story = switched_on(Story())
    row = story.arrive(a_mail())
    with db.transaction() as session:
        session.get_one(Conversation, answers()[0].conversation_id).status = "closed"
        (claimed,) = outbox.claim(session, story.mailbox_id, "w", now=story.now, limit=5)
    refused = smtp.Answer(CUSTOMER[1], "refused", 550, "no such user")
    result = smtp.Result(claimed.id, "refused", 550, "no such user", (refused,))
    with db.transaction() as session:
        outbox.settle(session, "w", [outbox.Done(claimed, result, None)], sent_copy="none", now=story.now)
    assert (answers()[0].state, answers()[0].code) == ("failed", 550)
    conversation = story.conversation_of(row)
    assert (conversation.status, conversation.trouble) == ("closed", "")
    assert story.events("failed") == []


# -- how often


def test_a_sender_gets_one_a_day(engine: Engine) -> None:
    story = switched_on(Story())
    assert reason(story, a_mail("1")) == ""
    assert reason(story, a_mail("2", sender=("", "TARO@example.jp"))) == "sender_budget"
    story.now += DAY
    assert reason(story, a_mail("3", date=story.now)) == ""


def test_a_peer_that_strips_every_sign_gets_two_at_most_and_raises_an_alarm(engine: Engine) -> None:
    """A-02: subject, ticket number and, worst of all, address change each time."""
    story = switched_on(Story())
    for number in range(11):
        story.arrive(
            a_mail(f"Ticket {number}", subject=f"Ticket {number} opened", sender=("Desk", "desk@peer.example"))
        )
    assert len(answers()) == 1
    for number in range(40):
        story.arrive(a_mail(f"Ticket {number}", subject=f"[{number}]", sender=("", f"t{number}@peer.example")), at=NOW)
        story.now -= MINUTE
    assert len(answers()) == Budgets().domain
    assert breaker(story).alarm in ("domain_budget", "mailbox_budget")


def test_a_flood_opens_the_breaker_of_the_mailbox_and_a_person_closes_it(engine: Engine) -> None:
    story = switched_on(Story())
    flood = [a_mail(sender=("", f"p{n}@d{n}.example")) for n in range(25)]
    story.arrives(*flood, at=NOW)
    assert len(answers()) == Budgets().mailbox == 20
    stopped = breaker(story)
    assert stopped.alarm == "mailbox_budget"
    assert stopped.open_until is not None
    assert stopped.open_until > story.now
    assert reason(story, a_mail(sender=("", "late@d99.example"))) == "breaker"
    with db.transaction() as session:
        viewer = a_viewer(session, "Rin", role="admin")
        autoanswers_settings.close_breaker(session, viewer, story.mailbox_id, now=story.now)
    assert (breaker(story).alarm, breaker(story).open_until) == ("", None)
    assert reason(story, a_mail(sender=("", "later@d98.example"))) == "", "what left before no longer counts"


def test_the_breaker_rests_for_an_hour_and_its_alarm_stays(engine: Engine) -> None:
    story = switched_on(Story(), hourly=3)
    story.arrives(*(a_mail(sender=("", f"p{n}@d{n}.example")) for n in range(5)), at=NOW)
    story.now += HOUR + MINUTE
    assert reason(story, a_mail(sender=("", "next@d9.example"), date=story.now)) == ""
    assert breaker(story).alarm == "mailbox_budget"


def test_a_conversation_gets_three_an_hour(engine: Engine) -> None:
    working_hours()
    story = switched_on(Story(now=AFTERNOON), "closed")
    everybody = ", ".join(f"c{n}@example.jp" for n in range(6))
    story.arrive(a_mail(mail_id="<first@customer.example>", headers={"Cc": everybody}))
    story.now = SUNDAY
    given = [
        reason(story, a_mail(str(n), sender=("", f"c{n}@example.jp"), answers="<first@customer.example>", date=SUNDAY))
        for n in range(6)
    ]
    assert given == ["", "", "", *["conversation_budget"] * 3]


@pytest.mark.parametrize("senders", ["one", "many"])
def test_a_mail_bomb_gets_what_the_budgets_allow_and_every_mail_is_filed(engine: Engine, senders: str) -> None:
    """A-05, in small: the cost of a decision does not grow with the bomb."""
    story = switched_on(Story())
    count = 400
    for start in range(0, count, 100):
        story.arrives(
            *(
                a_mail(
                    f"{n}",
                    subject=f"{n}",
                    sender=(
                        "",
                        f"{'x' if senders == 'one' else n}@bomb{n % 50}.example"
                        if senders == "many"
                        else "x@bomb.example",
                    ),
                )
                for n in range(start, start + 100)
            ),
            at=NOW,
        )
        story.now -= 100 * MINUTE
    assert len(answers()) == (1 if senders == "one" else Budgets().mailbox)
    with db.reading() as session:
        assert session.scalar(select(func.count()).select_from(AnswerDecision)) == count
        assert session.scalar(select(func.count()).select_from(Message).where(Message.direction == "in")) == count


# -- many at once


@pytest.mark.parametrize("case", ["one sender", "one domain", "one mailbox"])
def test_eight_who_file_at_once_exceed_no_budget(engine: Engine, case: str) -> None:
    """Eight processes' worth of intake: mailboxes of their own, or one that is filed twice over."""
    stories = [switched_on(Story(f"Box{n}"), hourly=20) for n in range(8)]
    start = threading.Barrier(8)

    def intake(number: int) -> None:
        box = _Another(stories[number] if case == "one domain" else stories[0], number)
        start.wait()
        for n in range(6):
            sender = {
                "one sender": "taro@example.jp",
                "one domain": f"c{number}-{n}@peer.example",
                "one mailbox": f"c@d{number}-{n}.example",
            }[case]
            box.arrive(a_mail(f"{number}-{n}", subject=f"{number}-{n}", sender=("", sender)))

    with ThreadPoolExecutor(8) as pool:
        for done in [pool.submit(intake, number) for number in range(8)]:
            done.result()
    assert len(answers()) == {"one sender": 1, "one domain": 20, "one mailbox": 20}[case]


class _Another(Story):
    """Another process that files the same mailbox."""

    def __init__(self, story: Story, number: int) -> None:
        self.now, self.mailbox_id, self.address = story.now, story.mailbox_id, story.address
        self._uid = 1_000 * (number + 1)
