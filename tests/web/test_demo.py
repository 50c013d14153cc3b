"""The customer's side of the demo over the demo's own mail server: writing, the answer that came back, removing it
all."""

from __future__ import annotations

import io
import os
import smtplib
import subprocess
import sys
from collections.abc import Callable, Iterator
from email.message import EmailMessage
from pathlib import Path

import pytest
from imapclient import IMAPClient
from sqlalchemy import Engine, select

from inbox import config, demo, mailboxes
from inbox import db as database
from inbox.models import Mailbox
from tests.servers import answers, wait_until
from tests.web.conftest import Visitor, World

ROOT = Path(__file__).resolve().parents[2]
KEI = {"address": "kei@customer.example", "name": "Kei 山本", "subject": "届きません", "text": "まだ\r\n届きません。"}

pytestmark = pytest.mark.only_on("sqlite")


@pytest.fixture
def server(engine: Engine) -> Iterator[demo.DemoSettings]:
    """The demo's mail server, running for this installation."""
    chosen = demo.settings(config.settings().data)
    process = subprocess.Popen(
        [sys.executable, "-m", "inbox.demo.server"],
        cwd=ROOT,
        env={**os.environ, "DATA_DIR": str(config.settings().data)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_until(
            lambda: answers(chosen.imap_port, b"* OK") and answers(chosen.smtp_port, b"220"),
            seconds=40,
            what="the demo server answers",
        )
        yield chosen
    finally:
        process.kill()
        process.wait(10)


def arrived(server: demo.DemoSettings, subject: str) -> bytes:
    """The bytes of the team's newest mail with that subject."""
    with IMAPClient(server.imap_host, port=server.imap_port, ssl=False, timeout=10) as imap:
        imap.login(server.user, server.password)
        imap.select_folder("INBOX", readonly=True)
        found = imap.fetch([max(imap.search())], ["BODY.PEEK[]"])
    (raw,) = [one[b"BODY[]"] for one in found.values()]
    return raw


def test_the_loop_as_a_customer_sees_it(
    agent: Visitor, signed_in: Callable[[str], Visitor], world: World, server: demo.DemoSettings
) -> None:
    file = (io.BytesIO(b"PNG bytes"), "写真.png", "image/png")
    sent = agent.post("/demo/customer/mails", KEI | {"file": file}, content_type="multipart/form-data")
    assert sent.status_code == 303
    page = agent.get(sent.headers["Location"]).text
    assert "まだ\n届きません。" in page
    assert "写真.png" in page
    assert "No answer yet." in page

    raw = arrived(server, KEI["subject"])
    assert b"kei@customer.example" in raw
    from email import message_from_bytes, policy

    mail = message_from_bytes(raw, policy=policy.default)
    (attached,) = list(mail.iter_attachments())
    assert (attached.get_filename(), attached.get_content()) == ("写真.png", b"PNG bytes")

    answer = EmailMessage()
    answer["From"], answer["To"], answer["Subject"] = server.user, KEI["address"], "Re: 届きません"
    answer["Message-ID"], answer["In-Reply-To"] = "<answer@demo.example>", mail["Message-ID"]
    answer["References"] = mail["Message-ID"]
    answer.set_content("今日発送しました。<script>")
    with smtplib.SMTP(server.smtp_host, server.smtp_port, timeout=10) as smtp:
        smtp.login(server.user, server.password)
        smtp.sendmail(server.user, [KEI["address"]], answer.as_bytes())

    part = agent.get(sent.headers["Location"], headers={"X-Fragment": "1"}).text
    assert part.count("<article") == 1, "answer and question are one thread"
    assert "今日発送しました。&lt;script&gt;" in part
    assert "&lt;answer@demo.example&gt;" in part
    assert "No answer yet." not in part
    assert "answers=%3Canswer@demo.example%3E" in part or "answers=%3Canswer%40demo.example%3E" in part


def test_what_cannot_be_sent_is_told_at_its_field(agent: Visitor, world: World, server: demo.DemoSettings) -> None:
    for change, field in (
        ({"address": "nobody"}, "address"),
        ({"address": server.user}, "address"),
        ({"text": "  "}, "text"),
    ):
        again = agent.post("/demo/customer/mails", KEI | change)
        assert again.status_code == 400
        assert f'id="{field}-error"' in again.text
        assert "届きません" in again.text


def test_a_demo_server_that_does_not_answer_is_said_so(agent: Visitor, world: World) -> None:
    demo.settings(config.settings().data)
    response = agent.get("/demo/customer?address=kei@customer.example")
    assert response.status_code == 503
    assert "The demo mail server does not answer" in response.text


def test_without_a_demo_there_is_no_customer(agent: Visitor, world: World) -> None:
    assert agent.get("/demo/customer").status_code == 404
    assert agent.post("/demo/customer/mails", KEI).status_code == 404


def test_first_steps_stand_above_the_list_until_the_demo_is_removed_with_one_click(
    signed_in: Callable[[str], Visitor], world: World
) -> None:
    from datetime import UTC, datetime

    demo.settings(config.settings().data)
    with database.transaction() as session:
        mailboxes.connect_demo(session, now=datetime.now(UTC))
    admin = signed_in("admin")
    page = admin.get("/inbox/open").text
    assert "This is the demo mailbox" in page
    assert 'href="/mailboxes/new"' in page
    assert "This is the demo mailbox" not in signed_in("agent").get("/inbox/open").text  # sees Support alone
    assert admin.post("/demo/removal").status_code == 303
    assert "This is the demo mailbox" not in admin.get("/inbox/open").text
    assert not demo.exists(config.settings().data)
    with database.reading() as session:
        assert session.scalar(select(Mailbox.id).where(Mailbox.is_demo)) is None
