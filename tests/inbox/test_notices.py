from __future__ import annotations

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from inbox import notices, outbox
from inbox.blobs import blobs
from inbox.mail.parse import parse
from inbox.models import Outgoing
from tests.inbox.cast import NOW, a_mailbox
from tests.mail_lint import lint


def queue(session: Session, key: str = "reset:1") -> bool:
    text = "Choose a new password: http://inbox.shop.example/reset/abc"
    return notices.queue(session, to="aoi@shop.example", subject="パスワード", text=text, dedupe_key=key, now=NOW)


def test_a_notice_says_that_a_machine_wrote_it_and_goes_to_one_of_us(session: Session) -> None:
    a_mailbox(session)
    assert queue(session)
    outgoing = session.scalars(select(Outgoing)).one()
    raw = blobs().get(outgoing.raw_sha256)
    lint(raw)
    mail = parse(raw)
    assert mail.header("Auto-Submitted") == "auto-generated"
    assert mail.header("X-Auto-Response-Suppress") == "All"
    assert [one.address for one in mail.to] == ["aoi@shop.example"]
    assert (outgoing.kind, outgoing.conversation_id, outgoing.priority) == (
        "notice",
        None,
        outbox.KINDS["notice"].priority,
    )


def test_the_same_notice_is_queued_once(session: Session) -> None:
    a_mailbox(session)
    assert queue(session)
    assert queue(session)
    assert queue(session, "reset:2")
    assert session.scalar(select(func.count()).select_from(Outgoing)) == 2


@pytest.mark.parametrize("why", ["no mailbox", "off", "paused", "all paused", "broken"])
def test_without_a_mailbox_that_can_send_nothing_is_promised(session: Session, why: str) -> None:
    if why != "no mailbox":
        mailbox = a_mailbox(session)
        mailbox.active = why != "off"
        mailbox.sending_paused = why == "paused"
        mailbox.smtp_error_code = "login" if why == "broken" else ""
        session.flush()
    if why == "all paused":
        outbox.pause_all(session, None, True)
        session.flush()
    assert not queue(session)


def test_a_real_mailbox_goes_before_the_demos(session: Session) -> None:
    a_mailbox(session, "Demo").is_demo = True
    real = a_mailbox(session, "Support")
    session.flush()
    queue(session)
    assert session.scalars(select(Outgoing.mailbox_id)).one() == real.id
