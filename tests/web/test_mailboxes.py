"""The mailbox wizard against a real IMAP server and a real SMTP server; settings, pauses, removal."""

from __future__ import annotations

import re
from collections.abc import Callable
from html import unescape
from typing import Any

import pytest
from sqlalchemy import select

from inbox import db, mailboxes, search
from inbox.models import AuditEvent, Folder, Mailbox, Message
from tests.servers.dovecot import Account, Dovecot
from tests.servers.smtp_sink import SmtpSink
from tests.web.conftest import Visitor, World, mailbox

pytestmark = pytest.mark.only_on("sqlite")


@pytest.fixture
def admin(signed_in: Callable[[str], Visitor]) -> Visitor:
    return signed_in("admin")


@pytest.fixture
def typed(dovecot: Dovecot, account: Account, smtp_sink: SmtpSink) -> dict[str, Any]:
    """What a person types for a mailbox that works."""
    return {
        "name": "Orders",
        "address": account.user,
        "imap_password": account.password,
        "imap_host": dovecot.host,
        "imap_port": str(dovecot.imap),
        "imap_security": "plain",
        "imap_user": account.user,
        "smtp_host": smtp_sink.host,
        "smtp_port": str(smtp_sink.port),
        "smtp_security": "plain",
        "smtp_login": "none",
        "aliases": "shop@support.example, info@support.example\nReturns, Inc <returns@support.example>,",
        "colour": "#1c7a46",
        "locale": "ja",
        "folders": "INBOX",
        "sent_copies": "us",
        "quote_replies": "1",
        "since": "all",
        "signature_html": "Orders\nTel. 03",
    }


def orders() -> Mailbox:
    with db.reading() as session:
        return session.scalars(select(Mailbox).where(Mailbox.name == "Orders")).one()


def words_of(page: str) -> str:
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", page)).split())


def test_the_first_step_knows_the_providers(admin: Visitor) -> None:
    gmail = admin.get("/mailboxes/new?address=info@gmail.com&name=Info").text
    assert 'value="imap.gmail.com"' in gmail
    assert "app password" in gmail
    outlook = admin.get("/mailboxes/new?address=info@outlook.com").text
    assert "OAuth only" in outlook
    hosted = admin.get("/mailboxes/new?address=info@shop.example&provider=sakura").text
    assert 'value="example.sakura.ne.jp"' in hosted
    unknown = admin.get("/mailboxes/new?address=info@shop.example").text
    assert 'value="imap.shop.example"' in unknown
    assert "are a guess" in unknown


def test_an_address_that_is_none_is_asked_for_again(admin: Visitor) -> None:
    again = admin.get("/mailboxes/new?address=info&name=Info")
    assert again.status_code == 400
    assert 'id="address-error"' in again.text
    assert 'value="Info"' in again.text


def test_connecting_tries_both_directions_and_shows_the_mailbox(admin: Visitor, typed: dict[str, Any]) -> None:
    done = admin.post("/mailboxes", typed)
    made = orders()
    assert (done.status_code, done.headers["Location"]) == (303, f"/mailboxes/{made.id}")
    assert mailboxes.open_secret(made.imap_secret) == typed["imap_password"]
    assert made.signature_html == "Orders<br>Tel. 03"
    assert sorted(one.address for one in made.addresses) == sorted(
        [typed["address"], "shop@support.example", "info@support.example", "returns@support.example"]
    )
    assert next(one.display_name for one in made.addresses if one.address.startswith("returns@")) == "Returns, Inc"
    page = admin.get(f"/mailboxes/{made.id}").text
    assert "Orders is connected. Its mail comes in now." in page
    assert typed["imap_password"] not in page


def test_a_test_says_each_step_in_words_and_connects_nothing(admin: Visitor, typed: dict[str, Any]) -> None:
    shown = words_of(admin.post("/mailboxes/trials", typed).text)
    for words in (
        "Both directions work",
        f"Reach 127.0.0.1, port {typed['imap_port']}",
        "Not encrypted",
        f"Sign in as {typed['imap_user']}",
        "Read INBOX: 0 mails",
        "Sent folder: Sent",
        "Send from this address",
    ):
        assert words in shown
    with db.reading() as session:
        assert session.scalar(select(Mailbox.id).where(Mailbox.name == "Orders")) is None


def test_a_script_gets_the_result_alone(admin: Visitor, typed: dict[str, Any]) -> None:
    part = admin.post("/mailboxes/trials", typed, headers={"X-Fragment": "1"}).text
    assert "Both directions work" in part
    assert "<form" not in part


def test_a_wrong_password_is_told_as_such_and_what_was_typed_stays(admin: Visitor, typed: dict[str, Any]) -> None:
    again = admin.post("/mailboxes", typed | {"imap_password": "wrong one"})
    assert again.status_code == 422
    shown = words_of(again.text)
    assert "Not connected yet" in shown
    assert "The server refused user name or password." in shown
    assert 'value="wrong one"' in again.text
    assert 'value="Orders"' in again.text
    assert "Connect anyway" in shown
    assert admin.post("/mailboxes", typed | {"imap_password": "wrong one", "anyway": "1"}).status_code == 303
    assert orders().active


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"imap_host": "no-such-host.invalid"}, "This server name does not exist."),
        ({"imap_port": "1"}, "does not accept connections on this port"),
        ({"imap_security": "tls"}, "The server speaks no TLS on this port."),
        ({"imap_security": "starttls"}, "is not signed by an authority that we trust"),
        ({"smtp_security": "starttls"}, "offers no encryption (STARTTLS)"),
        ({"folders": "Nowhere"}, "This folder does not exist on the server"),
    ],
)
def test_what_is_wrong_stands_there_in_plain_words(
    admin: Visitor, typed: dict[str, Any], change: dict[str, str], words: str
) -> None:
    shown = words_of(admin.post("/mailboxes/trials", typed | change).text)
    assert words in shown
    assert "Something does not work yet" in shown


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("imap_port", "many"),
        ("smtp_port", "70000"),
        ("imap_host", "a b"),
        ("address", "nobody"),
        ("aliases", "x@y.example not-one"),
        ("colour", "blue"),
        ("imap_password", ""),
    ],
)
def test_a_wrong_field_is_named_before_any_server_is_asked(
    admin: Visitor, typed: dict[str, Any], smtp_sink: SmtpSink, field: str, value: str
) -> None:
    again = admin.post("/mailboxes", typed | {field: value})
    assert again.status_code == 400
    assert f'id="{field}-error"' in again.text
    assert 'value="Orders"' in again.text
    assert smtp_sink.connections == 0


def test_no_transaction_waits_for_the_servers(admin: Visitor, typed: dict[str, Any], smtp_sink: SmtpSink) -> None:
    """While a mail server is slow to greet, others write; on SQLite a kept transaction would stop them all."""
    written = []

    def tried(form: mailboxes.MailboxForm, **more: Any) -> list[mailboxes.TestStep]:
        with db.make_engine(str(db.engine().url)).begin() as other:
            other.exec_driver_sql("PRAGMA busy_timeout=200")
            other.exec_driver_sql("UPDATE mailbox SET colour = '#000000'")
        written.append(form.name)
        return real(form, **more)

    real = mailboxes.test
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mailboxes, "test", tried)
        assert admin.post("/mailboxes", typed).status_code == 303
    assert written == ["Orders"]


def test_a_mail_to_itself_is_sent_only_when_asked_for(
    admin: Visitor, typed: dict[str, Any], smtp_sink: SmtpSink
) -> None:
    admin.post("/mailboxes/trials", typed)
    assert smtp_sink.deliveries == []
    shown = words_of(admin.post("/mailboxes/trials", typed | {"letter": "1"}).text)
    assert "Send a test mail to this address" in shown
    assert "Both directions work" in shown
    (delivery,) = smtp_sink.deliveries
    assert b"Auto-Submitted: auto-generated" in delivery.raw


def test_an_empty_password_keeps_the_stored_one(admin: Visitor, typed: dict[str, Any]) -> None:
    admin.post("/mailboxes", typed)
    made = orders()
    settings = f"/mailboxes/{made.id}/settings"
    assert typed["imap_password"] not in admin.get(settings).text
    saved = admin.post(settings, typed | {"imap_password": "", "colour": "#be3a76", "aliases": ""})
    assert saved.status_code == 303
    again = orders()
    assert (again.colour, again.imap_secret) == ("#be3a76", made.imap_secret)
    assert [one.address for one in again.addresses] == [typed["address"]]
    shown = words_of(admin.post(f"/mailboxes/{made.id}/trials", typed | {"imap_password": ""}).text)
    assert "Both directions work" in shown


def test_changed_servers_are_tried_before_they_are_saved(admin: Visitor, typed: dict[str, Any]) -> None:
    admin.post("/mailboxes", typed)
    path = f"/mailboxes/{orders().id}/settings"
    refused = admin.post(path, typed | {"imap_password": "", "imap_port": "1"})
    assert refused.status_code == 422
    assert "Save anyway" in refused.text
    assert orders().imap_port == int(typed["imap_port"])
    assert admin.post(path, typed | {"imap_password": "", "imap_port": "1", "anyway": "1"}).status_code == 303
    assert orders().imap_port == 1


def test_the_same_address_twice_is_refused(admin: Visitor, typed: dict[str, Any]) -> None:
    admin.post("/mailboxes", typed)
    again = admin.post("/mailboxes", typed)
    assert again.status_code == 400
    assert "is connected already" in again.text


def test_folders_chosen_by_tick_are_read_too(admin: Visitor, typed: dict[str, Any]) -> None:
    admin.post("/mailboxes", typed | {"folders": ["INBOX", "Junk"]})
    with db.reading() as session:
        names = set(session.scalars(select(Folder.name).where(Folder.mailbox_id == orders().id)))
    assert {"INBOX", "Junk"} <= names


def test_pausing_and_going_on(admin: Visitor, world: World) -> None:
    admin.post(f"/mailboxes/{world.support}/reading", {"on": "0"})
    admin.post(f"/mailboxes/{world.support}/sending", {"on": "0"})
    paused = mailbox(world.support)
    assert (paused.active, paused.sending_paused) == (False, True)
    admin.post(f"/mailboxes/{world.support}/reading", {"on": "1"})
    admin.post(f"/mailboxes/{world.support}/sending", {"on": "1"})
    going = mailbox(world.support)
    assert (going.active, going.sending_paused) == (True, False)
    with db.reading() as session:
        kinds = list(session.scalars(select(AuditEvent.kind).order_by(AuditEvent.id)))
    assert kinds == ["mailbox_off", "sending_paused", "mailbox_on", "sending_resumed"]


def test_removal_asks_for_the_address_and_says_what_stays(admin: Visitor, world: World) -> None:
    with db.transaction() as session:
        for message in session.scalars(select(Message).where(Message.conversation_id == world.theirs)):
            search.index(session, message)
    path = f"/mailboxes/{world.sales}/removal"
    assert "Every mail on its own server: nothing there is touched." in admin.get(path).text
    again = admin.post(path, {"address": "sales"})
    assert again.status_code == 400
    assert 'id="address-error"' in again.text
    assert admin.post(path, {"address": "Sales@shop.example "}).status_code == 303
    with db.reading() as session:
        assert session.get(Mailbox, world.sales) is None


def test_the_page_of_an_importing_mailbox_shows_a_true_bar(admin: Visitor, world: World) -> None:
    from datetime import UTC, datetime, timedelta

    with db.transaction() as session:
        folder = session.scalars(select(Folder).where(Folder.mailbox_id == world.support)).one()
        folder.import_total, folder.import_done = 1000, 250
        folder.import_started_at = datetime.now(UTC) - timedelta(seconds=50)
    page = admin.get(f"/mailboxes/{world.support}", headers={"X-Fragment": "1"}).text
    assert '<progress max="1000" value="250"' in page
    shown = words_of(page)
    assert "250 of 1,000 mails" in shown
    assert "750 left" in shown
    assert "5 a second" in shown
    assert "time left: 3 min" in shown
