"""The quarantine: what stands there is seen by whom it concerns, and read again when asked."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from sqlalchemy import Engine, select, update

from inbox import db, intake, people, quarantine
from inbox.errors import NotFound
from inbox.intake import Arrival
from inbox.models import Folder, Mailbox, RawMail
from tests.inbox.cast import a_user
from tests.inbox.intake.story import Story, a_mail

BOMB = b"From: b@c.example\r\nSubject: =?utf-8?B?54iG5by+?=\r\n" + b"X-A: 1\r\n" * 5_000 + b"\r\nx"


@pytest.fixture
def story(engine: Engine) -> Story:
    return Story()


def viewer(story: Story, role: str = "agent", *, sees: bool = True) -> people.Viewer:
    with db.transaction() as session:
        mailbox = session.get_one(Mailbox, story.mailbox_id)
        return people.of(session, a_user(session, f"{role}{sees}", *([mailbox] if sees else []), role=role))


def test_it_is_listed_with_what_its_headers_say(story: Story) -> None:
    row = story.arrive(BOMB)
    with db.reading() as session:
        page = quarantine.page(session, None)
        (one,) = page.rows
        assert (one.id, one.cause, one.has_bytes, page.count, page.older) == (row.id, "too_complex", True, 1, None)
        assert quarantine.raw(session, None, row.id) == BOMB
        assert quarantine.CAUSES[one.cause]


def test_only_those_see_it_who_see_the_mailbox(story: Story) -> None:
    row = story.arrive(BOMB)
    inside, outside = viewer(story), viewer(story, sees=False)
    with db.reading() as session:
        assert quarantine.page(session, inside).count == 1
        assert quarantine.page(session, outside).count == 0
        for read in (quarantine.show, quarantine.raw):
            with pytest.raises(NotFound):
                read(session, outside, row.id)
    with db.transaction() as session:
        assert quarantine.reprocess(session, outside, [row.id]) == 0


def test_read_again_it_goes_where_it_belongs(story: Story) -> None:
    row = story.arrive(a_mail())
    with db.transaction() as session:  # a fault of ours that was mended since
        session.execute(update(RawMail).values(state="quarantined", cause="failed", message_id=None))
    other = story.arrive(a_mail(subject="x"))
    with db.transaction() as session:
        assert quarantine.reprocess(session, viewer(story, "manager"), None) == 1
    assert intake.file_pending(now=datetime.now(UTC)) == 1
    with db.reading() as session:
        states = dict(session.execute(select(RawMail.id, RawMail.state)).all())
    assert states == {row.id: "known", other.id: "filed"}  # its message had been filed before we spoilt the row


def test_without_bytes_it_is_fetched_anew(story: Story) -> None:
    with db.transaction() as session:
        folder = session.scalars(select(Folder).where(Folder.name == "INBOX")).one()
        folder.read_at = datetime.now(UTC)
        session.flush()
        arrival = Arrival(7, None, 99_000_000, "", cause="too_large", head=b"Subject: big\r\nFrom: a@b.example\r\n\r\n")
        intake.keep(session, folder.id, 1, [arrival], now=story.now, cursor=7)
    with db.transaction() as session:
        (one,) = quarantine.page(session, None).rows
        assert (one.subject, one.sender, one.has_bytes) == ("big", "a@b.example", False)
        with pytest.raises(NotFound):
            quarantine.raw(session, None, one.id)
        assert quarantine.reprocess(session, None, [one.id]) == 1
    with db.reading() as session:
        assert session.scalars(select(Folder.due_at).where(Folder.name == "INBOX")).one() is not None
    assert intake.file_pending(now=datetime.now(UTC)) == 0


def test_a_mail_left_aside_stays_in_the_ledger(story: Story) -> None:
    row = story.arrive(BOMB)
    with db.transaction() as session:
        assert quarantine.leave_aside(session, viewer(story, "manager"), [row.id]) == 1
    with db.reading() as session:
        assert quarantine.page(session, None).count == 0
        assert session.get_one(RawMail, row.id).state == "ignored"
