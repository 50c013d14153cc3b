"""Notifications by mail: gathered, kept back at night, never a storm, once each; answers to them are refused."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage

import pytest
from sqlalchemy import Engine, func, select
from sqlalchemy.orm import Session

from inbox import db, intake, notification_mails, notifications, people, reading, telling
from inbox.blobs import blobs
from inbox.config import settings
from inbox.mail.compose import Letter, compose
from inbox.mail.facts import Address
from inbox.mail.understand import understand
from inbox.models import Conversation, Folder, Mailbox, Notification, Outgoing, RawMail, User
from inbox.people import Viewer
from tests.inbox.cast import DAY, HOUR, MINUTE, NOW, a_conversation, a_mailbox, a_user

GATHERED = telling.GATHER


@pytest.fixture
def support(session: Session):
    return a_mailbox(session)


@pytest.fixture
def hana(session: Session, support) -> Viewer:
    return people.of(session, a_user(session, "Hanako", support, locale="ja"))


def tell(session: Session, who: Viewer, story: Conversation, *, at: datetime, kind: str = "given") -> None:
    telling.about(session, kind, now=at, to=[who.id], conversation_id=story.id)


def mails(session: Session) -> list[EmailMessage]:
    queued = session.scalars(select(Outgoing).where(Outgoing.kind == "notice").order_by(Outgoing.id))
    return [message_from_bytes(blobs().get(one.raw_sha256), policy=policy.default) for one in queued]  # type: ignore[misc]


def subjects(session: Session) -> list[str]:
    return [str(one["Subject"]) for one in mails(session)]


def test_what_happens_in_one_conversation_is_one_mail(session: Session, support, hana) -> None:
    one, other = a_conversation(session, support, "届きません"), a_conversation(session, support, "見積もり")
    tell(session, hana, one, at=NOW)
    tell(session, hana, one, at=NOW + MINUTE, kind="approval_returned")
    tell(session, hana, other, at=NOW + 2 * MINUTE)
    assert notification_mails.write_to(session, hana.id, now=NOW + MINUTE) == 0
    assert notification_mails.write_to(session, hana.id, now=NOW + GATHERED) == 1
    (mail,) = mails(session)
    assert mail["Subject"] == "だれかがメールを差し戻しました – 届きません（ほか 1 件）"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["To"] == "hanako@shop.example"
    words = mail.get_content()
    assert "自動であなたの担当になりました" in words
    assert f"{settings().address}/conversations/{one.id}" in words
    assert f"{settings().address}/preferences/notifications" in words
    assert notification_mails.write_to(session, hana.id, now=NOW + 2 * GATHERED) == 1
    assert subjects(session)[1] == "自動であなたの担当になりました – 見積もり"
    assert notification_mails.write_to(session, hana.id, now=NOW + HOUR) == 0


def test_what_was_read_meanwhile_is_not_mailed(session: Session, support, hana) -> None:
    tell(session, hana, a_conversation(session, support), at=NOW)
    notifications.mark_read(session, hana, None, now=NOW + MINUTE)
    assert notification_mails.write_to(session, hana.id, now=NOW + GATHERED) == 0
    assert mails(session) == []


def test_at_night_everything_waits_for_one_mail_in_the_morning(session: Session, support, hana) -> None:
    ways = notifications.choices(session, hana).ways
    notifications.choose(session, hana, ways=ways, quiet_from="22:00", quiet_until="07:00")
    night = datetime.fromisoformat("2026-11-20T23:30:00+09:00")
    for n in range(4):
        tell(session, hana, a_conversation(session, support, f"件名{n}"), at=night + n * MINUTE)
    assert notification_mails.write_to(session, hana.id, now=night + 10 * MINUTE) == 0
    morning = datetime.fromisoformat("2026-11-21T07:00:00+09:00")
    assert set(session.scalars(select(Notification.mail_at))) == {morning}
    assert notification_mails.write_to(session, hana.id, now=morning - MINUTE) == 0
    assert notification_mails.write_to(session, hana.id, now=morning) == 1
    assert subjects(session) == ["お預かりしていたお知らせが 4 件あります"]
    assert all(f"件名{n}" in mails(session)[0].get_content() for n in range(4))


def test_a_storm_is_ten_mails_and_then_one_summary(session: Session, support, hana) -> None:
    for n in range(30):
        tell(session, hana, a_conversation(session, support, f"S{n}"), at=NOW)
    assert notification_mails.write_to(session, hana.id, now=NOW + GATHERED) == 10
    for minutes in (1, 30, 59):
        assert notification_mails.write_to(session, hana.id, now=NOW + GATHERED + minutes * MINUTE) == 0
    assert notification_mails.write_to(session, hana.id, now=NOW + GATHERED + HOUR) == 1
    assert subjects(session)[-1] == "お預かりしていたお知らせが 20 件あります"
    assert len(subjects(session)) == 11
    assert session.scalar(select(func.count()).where(Notification.mailed_at.is_(None))) == 0


def test_who_lost_access_or_has_gone_gets_no_mail(session: Session, support, hana) -> None:
    story = a_conversation(session, support)
    tell(session, hana, story, at=NOW)
    session.get_one(User, hana.id).active = False
    assert notification_mails.write_to(session, hana.id, now=NOW + GATHERED) == 0
    assert session.scalars(select(Notification.mail_at)).all() == [None]


def test_without_a_mailbox_that_can_send_mails_wait(session: Session, support, hana) -> None:
    tell(session, hana, a_conversation(session, support), at=NOW)
    support.sending_paused = True
    session.flush()
    assert notification_mails.write_to(session, hana.id, now=NOW + GATHERED) == 0
    support.sending_paused = False
    session.flush()
    assert notification_mails.write_to(session, hana.id, now=NOW + HOUR) == 1


def test_the_clock_writes_what_is_due_once(engine: Engine) -> None:
    with db.transaction() as session:
        support = a_mailbox(session)
        hana = people.of(session, a_user(session, "Hanako", support))
        tell(session, hana, a_conversation(session, support), at=NOW)
    for _ in range(3):
        notification_mails.send_due(now=NOW + GATHERED)
    with db.reading() as session:
        assert len(mails(session)) == 1


def test_admins_are_told_of_a_mailbox_in_trouble_once_for_each_time(session: Session, support) -> None:
    rin = people.of(session, a_user(session, "Rin", role="admin", locale="en"))
    support.failing_since = NOW
    assert notifications.tell_of_trouble(session, now=NOW + MINUTE) == 0
    assert notifications.tell_of_trouble(session, now=NOW + 6 * MINUTE) == 1
    assert notifications.tell_of_trouble(session, now=NOW + 9 * MINUTE) == 0
    support.failing_since = NOW + HOUR
    assert notifications.tell_of_trouble(session, now=NOW + 2 * HOUR) == 1
    sentences = [row.sentence for row in notifications.page(session, rin).rows]
    assert sentences == ["No mail comes in for Support"] * 2


# -- answers to notices


def arrives(session: Session, mailbox: Mailbox, raw: bytes, *, at: datetime) -> RawMail:
    folder = session.scalar(select(Folder).where(Folder.mailbox_id == mailbox.id))
    if folder is None:
        folder = Folder(mailbox_id=mailbox.id, name="INBOX", uidvalidity=1)
        session.add(folder)
        session.flush()
    uid = (session.scalar(select(func.max(RawMail.uid))) or 0) + 1
    sha256 = blobs().put(raw)
    row = RawMail(
        folder_id=folder.id, uidvalidity=1, uid=uid, sha256=sha256, size=len(raw), internal_date=at, fetched_at=at
    )
    session.add(row)
    session.flush()
    intake.file(session, row, reading.of(understand(raw), secret=settings().secret("message ids")), at)
    return row


def an_answer(
    notice: EmailMessage, n: int, *, sender: str = "hanako@shop.example", headers: Sequence[tuple[str, str]] = ()
) -> bytes:
    return compose(
        Letter(
            from_=Address("Hanako", sender),
            to=(Address("", "support@shop.example"),),
            subject=f"Re: {notice['Subject']}",
            message_id=f"<answer{n}@phone.example>",
            date=NOW,
            text="了解です",
            in_reply_to=str(notice["Message-ID"]),
            extra_headers=tuple(headers),
        )
    ).raw


def test_an_answer_to_a_notification_is_refused_once_and_becomes_no_conversation(
    session: Session, support, hana
) -> None:
    story = a_conversation(session, support)
    tell(session, hana, story, at=NOW)
    notification_mails.write_to(session, hana.id, now=NOW + GATHERED)
    (notice,) = mails(session)
    later = NOW + HOUR
    rows = [arrives(session, support, an_answer(notice, n), at=later + n * MINUTE) for n in range(3)]
    assert [(row.state, row.cause, row.message_id) for row in rows] == [("ignored", "notice_answer", None)] * 3
    assert session.scalars(select(Conversation.id)).all() == [story.id]
    _, refusal = mails(session)
    assert refusal["Auto-Submitted"] == "auto-replied"
    assert refusal["In-Reply-To"] == "<answer0@phone.example>"
    assert refusal["To"] == "hanako@shop.example"
    assert str(refusal["Subject"]).startswith("お読みできませんでした: Re: ")
    arrives(session, support, an_answer(notice, 9), at=later + DAY)
    assert len(mails(session)) == 3
    arrives(session, support, an_answer(refusal, 10), at=later + timedelta(hours=2))  # an answer to the refusal, too
    assert len(mails(session)) == 3


# -- answers that name no notice


FOOT = "> メールで受け取るお知らせの設定: {}/preferences/notifications"


def unnamed(
    subject: str,
    *,
    text: str = "了解です",
    to_name: str = "",
    sender: str = "hanako@shop.example",
    in_reply_to: str = "",
    n: int = 1,
) -> bytes:
    """A mail to the shared address that carries no id of a mail that we know."""
    return compose(
        Letter(
            from_=Address("Hanako", sender),
            to=(Address(to_name, "support@shop.example"),),
            subject=subject,
            message_id=f"<unnamed{n}@phone.example>",
            date=NOW,
            text=text,
            in_reply_to=in_reply_to,
        )
    ).raw


@pytest.fixture
def notice(session: Session, support, hana) -> EmailMessage:
    """A notification that went to Hanako: …あなたの担当になりました – 届きません."""
    tell(session, hana, a_conversation(session, support, "届きません"), at=NOW)
    notification_mails.write_to(session, hana.id, now=NOW + GATHERED)
    (sent,) = mails(session)
    return sent


@pytest.mark.parametrize(
    "how", ["subject", "japanese subject", "sender's name", "quoted foot", "rewritten id", "unknown id"]
)
def test_an_answer_without_the_notices_id_is_known_by_sure_signs(
    session: Session, support, notice: EmailMessage, how: str
) -> None:
    subject, quoted = str(notice["Subject"]), "了解です\n\n2026年 Madoguchi <support@shop.example>:\n> お知らせ\n"
    mailed = {
        "subject": unnamed(f"Re: {subject}"),
        "japanese subject": unnamed(f"返信：{subject}"),
        "sender's name": unnamed(subject, to_name="Madoguchi"),
        "quoted foot": unnamed("Re: 別の件名", text=quoted + FOOT.format(settings().address)),
        "rewritten id": unnamed("何か", in_reply_to=str(notice["Message-ID"]).rpartition("@")[0] + "@gateway.example>"),
        "unknown id": unnamed(f"RE: {subject}", in_reply_to="<0100018@email.amazonses.example>"),
    }[how]
    row = arrives(session, support, mailed, at=NOW + HOUR)
    assert (row.state, row.cause) == ("ignored", "notice_answer")
    _, refusal = mails(session)
    assert (refusal["To"], refusal["Auto-Submitted"]) == ("hanako@shop.example", "auto-replied")
    again = arrives(session, support, unnamed(f"Re: {subject}", n=2), at=NOW + 2 * HOUR)
    assert (again.state, len(mails(session))) == ("ignored", 2), "once a day"


@pytest.mark.parametrize(
    "how", ["customer", "customer quotes", "colleague", "other subject", "new mail", "forwarded", "late", "gone"]
)
def test_a_mail_that_is_not_surely_an_answer_to_a_notice_is_filed(
    session: Session, support, hana, notice: EmailMessage, how: str
) -> None:
    a_user(session, "Ken", support)
    subject, at = str(notice["Subject"]), NOW + HOUR
    quoted = "ありがとう\n\n> お知らせ\n" + FOOT.format(settings().address)
    mailed = {
        "customer": unnamed(f"Re: {subject}", to_name="Madoguchi", sender="taro@example.jp"),
        "customer quotes": unnamed(f"Re: {subject}", text=quoted, sender="taro@example.jp"),
        "colleague": unnamed(f"Re: {subject}", sender="ken@shop.example"),  # it went to Hanako
        "other subject": unnamed("Re: 届きません"),
        "new mail": unnamed("備品の件", text=f"{settings().address}/preferences/notifications が開きません"),
        "forwarded": unnamed(f"Fwd: {subject}", text=quoted),
        "late": unnamed(f"Re: {subject}"),
        "gone": unnamed(f"Re: {subject}", sender="hanako@shop.example"),
    }[how]
    if how == "late":
        at = NOW + 100 * DAY
    if how == "gone":
        session.get_one(User, hana.id).active = False
        session.flush()
    assert arrives(session, support, mailed, at=at).state == "filed"
    assert len(mails(session)) == 1


def test_a_colleagues_answer_in_a_conversation_stays_there(session: Session, support, notice: EmailMessage) -> None:
    first = arrives(session, support, unnamed("見積", sender="taro@example.jp"), at=NOW + HOUR)
    subject = f"Re: {notice['Subject']}"
    answer = arrives(session, support, unnamed(subject, in_reply_to="<unnamed1@phone.example>", n=2), at=NOW + 2 * HOUR)
    assert (first.state, answer.state) == ("filed", "filed")
    assert len(mails(session)) == 1


def test_an_absence_note_gets_no_answer(session: Session, support, hana) -> None:
    tell(session, hana, a_conversation(session, support), at=NOW)
    notification_mails.write_to(session, hana.id, now=NOW + GATHERED)
    (notice,) = mails(session)
    absence = an_answer(notice, 1).replace(b"MIME-Version", b"Auto-Submitted: auto-replied\r\nMIME-Version", 1)
    assert arrives(session, support, absence, at=NOW + HOUR).state == "ignored"
    assert len(mails(session)) == 1


def test_a_stranger_who_names_a_notice_is_a_customer(session: Session, support, hana) -> None:
    tell(session, hana, a_conversation(session, support), at=NOW)
    notification_mails.write_to(session, hana.id, now=NOW + GATHERED)
    (notice,) = mails(session)
    filed = arrives(session, support, an_answer(notice, 1, sender="taro@example.jp"), at=NOW + HOUR)
    assert filed.state == "filed"
    assert len(mails(session)) == 1
