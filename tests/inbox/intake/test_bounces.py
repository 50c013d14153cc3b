"""Mails that came back: attached to the answer that they belong to, never a conversation of their own."""

from __future__ import annotations

import pytest
from sqlalchemy import Engine, select

from inbox import conversations, db
from inbox.models import Conversation, Message, Outgoing, PersonAddress
from tests.inbox.cast import CUSTOMER
from tests.inbox.intake.story import Story, a_mail


@pytest.fixture
def story(engine: Engine) -> Story:
    return Story()


def a_bounce(
    recipient: str = CUSTOMER[1], *, original: str = "", action: str = "failed", status: str = "5.1.1", more: str = ""
) -> bytes:
    """A delivery report as Postfix writes it; without `original` it does not say which mail it is about."""
    headers = f"Message-ID: {original}\n" if original else "Subject: something\n"
    return (
        "Return-Path: <>\nFrom: Mail Delivery System <MAILER-DAEMON@mx.example>\nTo: <support@shop.example>\n"
        "Subject: Undelivered Mail Returned to Sender\n"
        f"Message-ID: <b.{abs(hash((recipient, original, status, more)))}@mx.example>\n"
        "Auto-Submitted: auto-replied\nMIME-Version: 1.0\n"
        'Content-Type: multipart/report; report-type=delivery-status; boundary="B"\n\n'
        f"--B\nContent-Type: text/plain\n\nThis is the mail system. {more}\n\n"
        "--B\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; mx.example\n\n"
        f"Final-Recipient: rfc822; {recipient}\nAction: {action}\nStatus: {status}\n"
        f"Diagnostic-Code: smtp; {status[0]}50 {status} User unknown\n\n"
        f"--B\nContent-Type: text/rfc822-headers\n\nFrom: support@shop.example\nTo: {recipient}\n{headers}\n--B--\n"
    ).encode()


def answered(story: Story) -> tuple[int, Outgoing]:
    row = story.arrive(a_mail())
    conversation_id = story.conversation_of(row).id
    outgoing = story.sent(conversation_id)
    with db.transaction() as session:
        conversation = session.get_one(Conversation, conversation_id)
        conversations.answered(session, conversation, status="closed", at=story.now)
    return conversation_id, outgoing


@pytest.mark.parametrize("names_it", [True, False], ids=["by its Message-ID", "by its recipient"])
def test_a_permanent_bounce_reopens_the_conversation(story: Story, names_it: bool) -> None:
    conversation_id, outgoing = answered(story)
    row = story.arrive(a_bounce(original=outgoing.mail_id if names_it else ""))
    found = story.conversation_of(row)
    assert (found.id, found.status, found.trouble) == (conversation_id, "open", "bounced")
    assert found.waiting_since is not None
    message = story.message_of(row)
    assert (message.kind, message.answers_id) == ("bounce", outgoing.message_id)
    assert message.bounce is not None
    assert message.bounce["permanent"] is True
    with db.reading() as session:
        assert session.get_one(Outgoing, outgoing.id).recipients[0]["state"] == "bounced"
        assert session.scalar(select(PersonAddress.suspended_at)) is not None
    assert [event.about["recipients"] for event in story.events("bounced")] == [[CUSTOMER[1]]]
    assert len(story.conversations()) == 1


def test_a_delay_is_noted_and_reopens_nothing(story: Story) -> None:
    conversation_id, outgoing = answered(story)
    row = story.arrive(a_bounce(original=outgoing.mail_id, action="delayed", status="4.4.1"))
    found = story.conversation_of(row)
    assert (found.id, found.status, found.trouble) == (conversation_id, "closed", "")
    with db.reading() as session:
        assert session.get_one(Outgoing, outgoing.id).recipients[0]["state"] == "accepted"


def test_a_bounce_of_an_uncertain_mail_shows_that_it_had_left(story: Story) -> None:
    row = story.arrive(a_mail())
    outgoing = story.sent(story.conversation_of(row).id, state="uncertain")
    story.arrive(a_bounce(original=outgoing.mail_id))
    with db.reading() as session:
        assert session.get_one(Outgoing, outgoing.id).state == "sent"
    assert story.conversations()[0].trouble == "bounced"


def test_a_bounce_of_a_mail_sent_from_outlook_finds_it(story: Story) -> None:
    sent = story.arrive(
        a_mail("案内", sender=("", "support@shop.example"), to=CUSTOMER[1], mail_id="<o@shop.example>"), folder="Sent"
    )
    row = story.arrive(a_bounce(original="<o@shop.example>"))
    found = story.conversation_of(row)
    assert (found.id, found.status, found.trouble) == (story.conversation_of(sent).id, "open", "bounced")
    assert story.message_of(row).answers_id == sent.message_id


def test_a_bounce_of_nothing_of_ours_is_kept_quietly(story: Story) -> None:
    answered(story)
    row = story.arrive(a_bounce("nobody@elsewhere.example", original="<not-ours@x.example>"))
    found = story.conversation_of(row)
    assert (found.status, found.waiting_since, found.person_id) == ("closed", None, None)
    assert len(story.conversations()) == 2


def test_a_bounce_that_names_a_customers_mail_does_not_join_it(story: Story) -> None:
    first = story.arrive(a_mail(mail_id="<c@customer.example>"))
    row = story.arrive(a_bounce("x@y.example", original="<c@customer.example>"))
    assert story.conversation_of(row).id != story.conversation_of(first).id


def test_a_bounce_in_the_batch_of_the_mail_itself_is_attached(story: Story) -> None:
    raw = a_mail("案内", sender=("", "support@shop.example"), to=CUSTOMER[1], mail_id="<o@shop.example>")
    first, second = story.arrives(raw, a_bounce(original="<o@shop.example>"), folder="Sent")
    assert first.state == "filed"
    assert second.state in ("filed", "known")
    with db.reading() as session:
        assert len(session.scalars(select(Message)).all()) == 2
