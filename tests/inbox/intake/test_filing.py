"""Stories of mails that come in: where they belong, and what becomes of the conversation."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import Engine, event, func, select, update
from sqlalchemy.exc import OperationalError

from inbox import conversations, db, joins, outbox, people, search
from inbox.mail import threads
from inbox.models import (
    Conversation,
    FolderCount,
    JoinSuggestion,
    Message,
    Outgoing,
    Person,
    PersonAddress,
    RawMail,
    ThreadKey,
)
from tests.inbox.cast import CUSTOMER, a_user
from tests.inbox.intake.story import DAY, MINUTE, NOW, Story, a_mail, count, secret

COLLEAGUE = ("Aoi", "support@shop.example")
STRANGER = ("誰か", "mallory@evil.example")


@pytest.fixture
def story(engine: Engine) -> Story:
    return Story()


def test_a_first_mail_opens_a_conversation_that_waits(story: Story) -> None:
    row = story.arrive(a_mail())
    found = story.conversation_of(row)
    assert (row.state, found.status, found.waiting_since, found.version) == ("filed", "open", story.now, 1)
    assert (found.subject, found.people, found.snippet) == ("届きません", "山田 太郎", "まだ届きません。")
    message = story.message_of(row)
    assert (message.direction, message.kind, message.from_address) == ("in", "person", CUSTOMER[1])
    assert [event.about["message_id"] for event in story.events("received")] == [message.id]


def test_an_answer_goes_on_with_its_conversation_and_reopens_it(story: Story) -> None:
    first = story.arrive(a_mail(mail_id="<1@customer.example>"))
    with db.transaction() as session:
        conversation = session.get_one(Conversation, story.conversation_of(first).id)
        conversations.answered(session, conversation, status="closed", at=story.now)
    second = story.arrive(a_mail("届きました", mail_id="<2@customer.example>", answers="<1@customer.example>"))
    found = story.conversation_of(second)
    assert found.id == story.conversation_of(first).id
    assert (found.status, found.message_count, found.version, found.waiting_since) == ("open", 2, 2, story.now)
    assert story.message_of(second).unverified is False


def test_many_mails_of_one_batch_find_each_other(story: Story) -> None:
    raws = [a_mail(f"{n}", mail_id=f"<{n}@c.example>", answers=f"<{n - 1}@c.example>" if n else "") for n in range(25)]
    rows = story.arrives(*raws)
    assert {story.conversation_of(row).id for row in rows} == {story.conversations()[0].id}
    assert story.conversations()[0].message_count == 25
    with db.reading() as session:
        counted = session.execute(select(FolderCount.status, func.sum(FolderCount.count)).group_by(FolderCount.status))
        assert dict(counted.all()) == {"open": 1}


def test_the_counters_agree_with_a_recount_after_all_sorts_of_mail(story: Story) -> None:
    first = story.arrive(a_mail(mail_id="<1@c.example>"))
    story.arrives(
        a_mail(headers={"Auto-Submitted": "auto-replied"}),
        a_mail(mail_id="<2@c.example>", answers="<1@c.example>"),
        a_mail(sender=STRANGER, headers={"List-Id": "<news.example>"}),
    )
    story.arrive(a_mail(sender=COLLEAGUE, to=CUSTOMER[1], answers="<2@c.example>"), folder="Sent")
    with db.transaction() as session:
        kept = set(session.execute(select(FolderCount.status, FolderCount.count).where(FolderCount.count != 0)).all())
        conversations.recount(session)
        assert kept == set(session.execute(select(FolderCount.status, FolderCount.count)).all())
    assert story.conversation_of(first).status == "waiting"


def test_the_same_bytes_twice_are_one_message(story: Story) -> None:
    raw = a_mail()
    first, second = story.arrives(raw, raw)
    third = story.arrive(raw, folder="Sent")
    assert [row.state for row in (first, second, third)] == ["filed", "known", "known"]
    assert first.message_id == second.message_id == third.message_id
    assert story.conversations()[0].message_count == 1


def test_p01_a_folder_read_anew_changes_nothing(story: Story) -> None:
    raws = [a_mail(f"{n}", mail_id=f"<{n}@c.example>") for n in range(10)]
    story.arrives(*raws)
    again = story.arrives(*raws, uidvalidity=2)
    assert {row.state for row in again} == {"known"}
    assert len(story.conversations()) == 10


def test_a_copy_over_another_route_is_recognised_by_its_words(story: Story) -> None:
    date = NOW - DAY
    plain = a_mail(mail_id="<same@c.example>", date=date)
    other = b"Received: from list.example\r\nDelivered-To: info@shop.example\r\n" + plain
    first, second = story.arrives(plain, other)
    assert (second.state, second.message_id) == ("known", first.message_id)


def test_p06_one_message_id_on_different_mails_loses_none(story: Story) -> None:
    raws = [a_mail(f"Paket {n}", mail_id="<reused@dhl.example>", subject=f"Paket {n}") for n in range(20)]
    rows = story.arrives(*raws[:10]) + story.arrives(*raws[10:])
    assert {row.state for row in rows} == {"filed"}
    assert len({row.message_id for row in rows}) == 20
    again = story.arrives(*raws, uidvalidity=2)
    assert {row.state for row in again} == {"known"}


def test_p07_mails_without_a_usable_id_are_all_filed_and_recognised(story: Story) -> None:
    raws = [a_mail("kein", mail_id=""), a_mail("leer", mail_id="").replace(b"\n\n", b"\nMessage-ID: \n\n", 1)]
    raws += [a_mail("krumm", mail_id="").replace(b"\n\n", b"\nMessage-ID: no brackets here\n\n", 1)]
    rows = story.arrives(*raws)
    assert [row.state for row in rows] == ["filed"] * 3
    assert [row.state for row in story.arrives(*raws, uidvalidity=2)] == ["known"] * 3
    assert len(story.conversations()) == 3


def test_p09_a_mail_to_two_of_our_mailboxes_has_one_copy_in_each(story: Story) -> None:
    other = Story("Sales")
    raw = a_mail(to="support@shop.example, sales@shop.example")
    assert (story.arrive(raw).state, other.arrive(raw).state) == ("filed", "filed")
    assert len(story.conversations()) == len(other.conversations()) == 1


def test_p13_our_own_mail_coming_back_opens_nothing(story: Story) -> None:
    other = Story("Sales")
    row = story.arrive(a_mail())
    outgoing = story.sent(story.conversation_of(row).id)
    transported = b"Received: from out.example by in.example\r\nReturn-Path: <support@shop.example>\r\n" + story.raw_of(
        outgoing
    )
    for where, folder in ((story, "INBOX"), (story, "Sent"), (other, "INBOX")):
        seen = where.arrive(transported, folder=folder)
        assert (seen.state, seen.message_id) == ("own", outgoing.message_id)
    assert (len(story.conversations()), len(other.conversations())) == (1, 0)


def test_a_stranger_who_writes_under_our_own_id_is_not_hidden(story: Story) -> None:
    row = story.arrive(a_mail())
    outgoing = story.sent(story.conversation_of(row).id)
    forged = story.arrive(a_mail("Bitte zahlen Sie hier", sender=STRANGER, mail_id=outgoing.mail_id))
    assert forged.state == "filed"
    assert story.conversation_of(forged).id != story.conversation_of(row).id


def test_an_uncertain_answer_is_settled_when_it_shows_up_in_the_sent_folder(story: Story) -> None:
    row = story.arrive(a_mail())
    outgoing = story.sent(story.conversation_of(row).id, state="uncertain")
    assert story.arrive(story.raw_of(outgoing), folder="Sent").state == "own"
    with db.reading() as session:
        assert session.get_one(Outgoing, outgoing.id).state == "sent"
    assert len(story.events("resolved")) == 1


def test_an_answer_seen_in_the_sent_folder_before_its_sender_died_is_not_uncertain(story: Story) -> None:
    row = story.arrive(a_mail())
    outgoing = story.sent(story.conversation_of(row).id, state="sending")
    with db.transaction() as session:
        held = session.get_one(Outgoing, outgoing.id)
        held.recipients = [one | {"state": ""} for one in held.recipients]
        held.lease_owner, held.lease_until = "w", story.now + MINUTE
    assert story.arrive(story.raw_of(outgoing), folder="Sent").state == "own"
    with db.transaction() as session:
        assert outbox.lapse(session, now=story.now + DAY) == 1
    with db.reading() as session:
        left = session.get_one(Outgoing, outgoing.id)
    assert (left.state, [one["state"] for one in left.recipients]) == ("sent", ["accepted"])
    assert story.conversation_of(row).trouble == ""


def test_a_customers_answer_to_an_uncertain_mail_joins_by_its_signed_id(story: Story) -> None:
    row = story.arrive(a_mail())
    outgoing = story.sent(story.conversation_of(row).id, state="uncertain")
    with db.transaction() as session:  # even when the key is unknown, as after a restored backup
        session.execute(ThreadKey.__table__.delete())
    answer = story.arrive(a_mail("danke", answers=outgoing.mail_id))
    assert story.conversation_of(answer).id == story.conversation_of(row).id
    with db.reading() as session:
        assert session.get_one(Outgoing, outgoing.id).state == "sent"


def test_a_signed_id_whose_number_another_conversation_got_does_not_join_a_stranger_to_it(story: Story) -> None:
    """After a restored backup, or a mailbox that was removed and connected again, numbers are given out anew."""
    row = story.arrive(a_mail())
    forgotten = threads.new_message_id(secret(), story.conversation_of(row).id, "t1", "shop.example")
    other = story.arrive(a_mail("danke", sender=STRANGER, answers=forgotten))
    assert story.conversation_of(other).id != story.conversation_of(row).id
    same = story.arrive(a_mail("danke", answers=forgotten))
    assert story.conversation_of(same).id == story.conversation_of(row).id


def test_an_answer_from_outlook_counts(story: Story) -> None:
    row = story.arrive(a_mail(mail_id="<q@c.example>"))
    seen = story.arrive(
        a_mail("ご連絡ありがとうございます", sender=COLLEAGUE, to=CUSTOMER[1], answers="<q@c.example>"), folder="Sent"
    )
    found = story.conversation_of(seen)
    assert found.id == story.conversation_of(row).id
    assert (found.status, found.waiting_since, found.last_direction, found.version) == ("waiting", None, "out", 2)
    assert (story.message_of(seen).direction, story.message_of(seen).kind) == ("out", "elsewhere")
    assert len(story.events("elsewhere")) == 1


def test_an_answer_from_outlook_that_the_customer_overtook_leaves_the_later_mail_waiting(story: Story) -> None:
    story.arrive(a_mail(mail_id="<q@c.example>"))
    answered_at = story.now + MINUTE / 2
    second = story.arrive(a_mail("noch etwas", mail_id="<r@c.example>", answers="<q@c.example>"))
    story.arrive(a_mail("ok", sender=COLLEAGUE, to=CUSTOMER[1], answers="<q@c.example>"), folder="Sent", at=answered_at)
    found = story.conversation_of(second)
    assert (found.status, found.waiting_since) == ("open", second.internal_date)


def test_a_conversation_begun_in_outlook_is_closed_until_the_customer_answers(story: Story) -> None:
    sent = story.arrive(
        a_mail("案内", sender=COLLEAGUE, to=f"山田 <{CUSTOMER[1]}>", mail_id="<o@shop.example>"), folder="Sent"
    )
    assert story.conversation_of(sent).status == "closed"
    answer = story.arrive(a_mail("返事", answers="<o@shop.example>"))
    found = story.conversation_of(answer)
    assert (found.id, found.status) == (story.conversation_of(sent).id, "open")
    assert story.message_of(answer).unverified is False


def test_our_own_answer_with_a_copy_to_ourselves_counts_when_the_sent_folder_shows_it(story: Story) -> None:
    story.arrive(a_mail(mail_id="<q@c.example>"))
    raw = a_mail("答え", sender=COLLEAGUE, to=f"{CUSTOMER[1]}, support@shop.example", answers="<q@c.example>")
    story.arrive(raw)
    seen = story.arrive(raw, folder="Sent")
    assert seen.state == "known"
    found = story.conversation_of(seen)
    assert (found.status, found.waiting_since, found.last_direction) == ("waiting", None, "out")
    assert story.message_of(seen).kind == "elsewhere"


def test_a_stranger_with_a_real_id_joins_marked_as_unverified(story: Story) -> None:
    row = story.arrive(a_mail(mail_id="<q@c.example>"))
    strange = story.arrive(a_mail("ich auch", sender=STRANGER, answers="<q@c.example>"))
    found = story.conversation_of(strange)
    assert found.id == story.conversation_of(row).id
    assert story.message_of(strange).unverified is True
    assert found.people == "山田 太郎"
    with db.reading() as session:
        person = session.get_one(Person, found.person_id)
        assert person.addresses[0].address == CUSTOMER[1]


@pytest.mark.parametrize("together", [False, True], ids=["one by one", "in one batch"])
def test_s13_a_stranger_stays_one_in_the_second_mail_and_brings_nobody_along(story: Story, together: bool) -> None:
    story.arrive(a_mail(mail_id="<q@c.example>"))
    friend = ("Freund", "friend@elsewhere.example")
    mails = [
        a_mail("ich auch", sender=STRANGER, answers="<q@c.example>", headers={"Cc": friend[1]}),
        a_mail("nochmal", sender=STRANGER, answers="<q@c.example>", mail_id="<s2@c.example>"),
        a_mail("und ich", sender=friend, answers="<q@c.example>", mail_id="<s3@c.example>"),
    ]
    rows = story.arrives(*mails) if together else [story.arrive(mail) for mail in mails]
    assert [story.message_of(row).unverified for row in rows] == [True, True, True]


def test_a_stranger_with_an_id_that_nobody_saw_joins_nothing(story: Story) -> None:
    row = story.arrive(a_mail(answers="<unseen@c.example>"))
    strange = story.arrive(a_mail("x", sender=STRANGER, answers="<unseen@c.example>"))
    friend = story.arrive(a_mail("y", answers="<unseen@c.example>"))
    assert story.conversation_of(strange).id != story.conversation_of(row).id
    assert story.conversation_of(friend).id == story.conversation_of(row).id


def test_a_forged_signature_joins_nothing(story: Story) -> None:
    row = story.arrive(a_mail())
    real = story.sent(story.conversation_of(row).id).mail_id
    forged = real.replace(real.split(".")[3][:4], "aaaa", 1)
    assert threads.read_own_id(secret(), forged) is None
    found = story.arrive(a_mail("x", answers=forged))
    assert story.conversation_of(found).id != story.conversation_of(row).id
    with db.reading() as session:
        assert session.scalar(select(ThreadKey).where(ThreadKey.key == threads.key(forged))) is None


def test_an_auto_reply_joins_and_wakes_nobody(story: Story) -> None:
    row = story.arrive(a_mail(mail_id="<q@c.example>"))
    outgoing = story.sent(story.conversation_of(row).id)
    with db.transaction() as session:
        conversation = session.get_one(Conversation, story.conversation_of(row).id)
        conversations.answered(session, conversation, status="closed", at=story.now)
    auto = story.arrive(a_mail("不在です", answers=outgoing.mail_id, headers={"Auto-Submitted": "auto-replied"}))
    found = story.conversation_of(auto)
    assert (found.id, found.status, found.waiting_since) == (story.conversation_of(row).id, "closed", None)


def test_an_auto_reply_to_nothing_stays_quiet_but_a_forms_mail_is_open(story: Story) -> None:
    auto = story.arrive(a_mail("不在です", headers={"Auto-Submitted": "auto-replied"}))
    form = story.arrive(a_mail("フォーム", headers={"Auto-Submitted": "auto-generated"}))
    assert story.conversation_of(auto).status == "closed"
    assert (story.conversation_of(form).status, story.conversation_of(form).waiting_since) == ("open", None)


def test_a_newsletter_is_open_but_waits_for_no_answer(story: Story) -> None:
    news = story.arrive(a_mail(headers={"List-Id": "<news.example>", "List-Unsubscribe": "<https://x.example>"}))
    assert (story.conversation_of(news).status, story.conversation_of(news).waiting_since) == ("open", None)


def test_a_blocked_persons_mail_is_spam(story: Story) -> None:
    first = story.arrive(a_mail())
    with db.transaction() as session:
        session.execute(update(Person).values(blocked=True))
    second = story.arrive(a_mail("又", subject="other"))
    assert story.conversation_of(second).status == "spam"
    assert story.conversation_of(first).status == "open"


def test_spam_stays_spam_when_its_sender_writes_again(story: Story) -> None:
    row = story.arrive(a_mail(mail_id="<s@c.example>"))
    with db.transaction() as session:
        found = session.get_one(Conversation, story.conversation_of(row).id)
        conversations.set_status(session, found, "spam", now=story.now, actor_id=None)
    again = story.arrive(a_mail("!", answers="<s@c.example>"))
    assert story.conversation_of(again).status == "spam"


def test_a_first_import_opens_only_what_still_waits(story: Story) -> None:
    old = story.arrive(a_mail("alt", subject="alt"), at=NOW - 90 * DAY, silent=True)
    young = story.arrive(a_mail("neu", subject="neu", mail_id="<n@c.example>"), at=NOW - 3 * DAY, silent=True)
    done = story.arrive(a_mail("erledigt", subject="e", mail_id="<e@c.example>"), at=NOW - 2 * DAY, silent=True)
    story.arrive(
        a_mail("ok", sender=COLLEAGUE, to=CUSTOMER[1], answers="<e@c.example>"),
        folder="Sent",
        at=NOW - DAY,
        silent=True,
    )
    assert story.conversation_of(old).status == "closed"
    assert (story.conversation_of(young).status, story.conversation_of(young).waiting_since) == ("open", NOW - 3 * DAY)
    assert (story.conversation_of(done).status, story.conversation_of(done).waiting_since) == ("closed", None)
    assert story.conversation_of(young).silent is True


def test_a_first_import_in_the_other_order_comes_to_the_same(story: Story) -> None:
    story.arrive(a_mail("ok", sender=COLLEAGUE, to=CUSTOMER[1], mail_id="<a@shop.example>", answers="<e@c.example>"),
                 folder="Sent", at=NOW - DAY, silent=True)  # fmt: skip
    done = story.arrive(a_mail("frage", mail_id="<e@c.example>"), at=NOW - 2 * DAY, silent=True)
    found = story.conversation_of(done)
    assert (found.status, found.message_count, found.waiting_since) == ("closed", 2, None)


def test_the_same_subject_is_only_suggested_and_never_joined(story: Story) -> None:
    first = story.arrive(a_mail(subject="注文 4711 について"))
    second = story.arrive(a_mail(subject="Re: 注文 4711 について"))
    stranger = story.arrive(a_mail(subject="Re: 注文 4711 について", sender=STRANGER))
    ids = [story.conversation_of(row).id for row in (first, second, stranger)]
    assert len(set(ids)) == 3
    with db.reading() as session:
        offered = session.scalars(select(JoinSuggestion)).all()
        assert [(one.conversation_id, one.other_id) for one in offered] == [(ids[1], ids[0])]


def test_mail_to_a_joined_conversation_goes_where_it_was_joined_to(story: Story) -> None:
    first = story.arrive(a_mail(subject="A", mail_id="<a@c.example>"))
    second = story.arrive(a_mail(subject="B", mail_id="<b@c.example>"))
    outgoing = story.sent(story.conversation_of(second).id)
    older, newer = story.conversation_of(first).id, story.conversation_of(second).id
    with db.transaction() as session:
        who = people.of(session, a_user(session, "Mei", role="admin"))
        joins.join(session, who, older, newer, now=story.now)
    answer = story.arrive(a_mail("weiter", answers=outgoing.mail_id))
    assert story.conversation_of(answer).id == older


def test_a_form_that_writes_in_our_name_is_from_whom_reply_to_names(story: Story) -> None:
    row = story.arrive(
        a_mail("問い合わせ", sender=("Web form", "support@shop.example"), headers={"Reply-To": f"山田 <{CUSTOMER[1]}>"})
    )
    with db.reading() as session:
        person = session.get_one(Person, story.conversation_of(row).person_id)
        assert person.addresses[0].address == CUSTOMER[1]


def test_the_person_is_found_by_address_whatever_the_case_and_keeps_the_first_name(story: Story) -> None:
    story.arrives(a_mail(sender=("", "Taro@Example.JP")), a_mail(sender=("山田 太郎", "taro@example.jp")))
    story.arrive(a_mail(sender=("山田", "TARO@example.jp")))
    with db.reading() as session:
        assert count(session, PersonAddress) == 1
        assert session.scalar(select(Person.name)) == "山田 太郎"


def test_carriers_dotted_addresses_are_people_too(story: Story) -> None:
    row = story.arrive(a_mail(sender=("太郎", "x@x.example")).replace(b"x@x.example", b"taro..yamada.@docomo.ne.jp"))
    assert story.message_of(row).from_address == "taro..yamada.@docomo.ne.jp"
    assert story.conversation_of(row).person_id is not None


def test_attachments_stand_in_rows_with_safe_names(story: Story) -> None:
    row = story.arrive(a_mail(files=[("../../請求書.pdf", b"%PDF-1.4 x"), ("\u200b.htaccess", b"Deny")]))
    with db.reading() as session:
        message = session.get_one(Message, row.message_id)
        assert [(one.name, one.size) for one in message.attachments] == [("請求書.pdf", 10), ("htaccess", 4)]
    assert story.conversation_of(row).attachment_count == 2


def test_what_the_database_cannot_hold_is_cleaned(story: Story) -> None:
    raw = a_mail(mail_id="<nul@c.example>").replace(b"Subject: ", b"Subject: a\x00b \xed\xa0\x80 ", 1) + b"\x00\xff\xfe"
    assert story.arrive(raw).state == "filed"


def test_a_filed_mail_is_found_by_two_japanese_characters(story: Story) -> None:
    story.arrives(a_mail("鯖缶を三つください"), a_mail("鰻"))
    with db.transaction() as session:
        who = people.of(session, a_user(session, "Mei", role="admin"))
        assert len(search.search(session, who, "鯖缶", now=story.now).rows) == 1


def test_mail_that_cannot_be_read_stands_in_quarantine_and_the_others_are_filed(story: Story) -> None:
    bomb = b"Subject: =?utf-8?B?44OQ44Og?=\r\nFrom: b@c.example\r\n" + b"X-A: 1\r\n" * 5_000 + b"\r\nx"
    first, second, third = story.arrives(a_mail("1"), bomb, a_mail("3"))
    assert [row.state for row in (first, second, third)] == ["filed", "quarantined", "filed"]
    assert (second.cause, second.tries) == ("too_complex", 1)


def test_a_version_is_raised_once_for_every_mail(story: Story) -> None:
    rows = story.arrives(
        *[a_mail(f"{n}", mail_id=f"<{n}@c.example>", answers="<0@c.example>" if n else "") for n in range(5)]
    )
    assert story.conversation_of(rows[0]).version == 5


@pytest.mark.parametrize("times", [1, 2, 20])
def test_a_deadlock_puts_no_mail_into_the_quarantine(story: Story, engine: Engine, times: int) -> None:
    left = [times]

    def stop(_connection: object, _cursor: object, statement: str, *_about: object) -> None:
        if statement.startswith("INSERT INTO message ") and left[0]:
            left[0] -= 1
            raise OperationalError(statement, None, Exception("deadlock detected"))

    event.listen(engine, "before_cursor_execute", stop)
    row = story.arrive(a_mail())
    event.remove(engine, "before_cursor_execute", stop)
    assert row.state == ("filed" if times < 5 else "pending")


def test_filing_twice_is_impossible(story: Story) -> None:
    row = story.arrive(a_mail())
    from inbox import intake
    from inbox.intake.filing import Understood
    from tests.inbox.intake.story import read_here

    intake.file_batch(story.mailbox_id, [Understood(row.id, read_here(a_mail()))], now=story.now)
    with db.reading() as session:
        assert count(session, Message) == 1


def test_the_server_clock_that_runs_ahead_does_not_put_a_mail_in_the_future(story: Story) -> None:
    row = story.arrive(a_mail(), at=NOW + timedelta(days=400))
    assert story.message_of(row).at <= story.now
    with db.reading() as session:
        assert session.get_one(RawMail, row.id).internal_date == NOW + timedelta(days=400)


def test_a_photo_that_no_html_shows_is_a_file_whatever_its_header_says(story: Story) -> None:
    """Phones send photos and documents as "inline" with a Content-ID to which nothing refers."""
    picture = b"Content-Transfer-Encoding: base64\r\n\r\niVBORw0KGgo=\r\n"
    parts = [
        b'Content-Type: text/html\r\n\r\n<p>Hello <img src="cid:shown%40x"></p>\r\n',
        b'Content-Type: image/png; name="photo.png"\r\nContent-Disposition: inline\r\nContent-ID: <a@x>\r\n' + picture,
        b'Content-Type: application/pdf; name="order.pdf"\r\nContent-Disposition: inline\r\nContent-ID: <b@x>\r\n'
        + picture,
        b'Content-Type: image/png; name="logo.png"\r\nContent-Disposition: inline\r\nContent-ID: <shown@x>\r\n'
        + picture,
    ]
    raw = b"From: taro@example.jp\r\nTo: support@shop.example\r\nMIME-Version: 1.0\r\n"
    raw += b"Content-Type: multipart/mixed; boundary=b\r\n\r\n"
    raw += b"".join(b"--b\r\n" + part for part in parts) + b"--b--\r\n"
    story.arrive(raw)
    with db.reading() as session:
        message = session.scalars(select(Message)).one()
        assert [(one.name, one.inline) for one in message.attachments] == [
            ("photo.png", False),
            ("order.pdf", False),
            ("logo.png", True),
        ]
        assert session.get_one(Conversation, message.conversation_id).attachment_count == 2
