"""Set-up and watch in a real Chromium: the wizard, parts that keep themselves fresh, the signature editor, axe, phone
width."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import select

from inbox import config, db, demo, mailboxes, people
from inbox.models import Folder, Mailbox, Outgoing, User
from tests.servers.dovecot import Account, Dovecot
from tests.servers.smtp_sink import SmtpSink
from tests.web.axe import violations
from tests.web.conftest import World, a_broken_mail, an_outgoing

ROOMS = (
    "/outbox",
    "/outbox?state=sent",
    "/health",
    "/quarantine",
    "/quarantine/{broken}",
    "/people",
    "/people/invitations",
    "/people/{agent}",
    "/people/audit-trail",
    "/preferences",
    "/mailboxes",
    "/mailboxes/new",
    "/mailboxes/new?address=info@shop.example",
    "/mailboxes/{support}",
    "/mailboxes/{support}/settings",
    "/mailboxes/{support}/removal",
    "/mailboxes/{support}/answers",
    "/guards",
    "/preferences/webhook",
    "/outbox/{outgoing}",
    "/board",
    "/calendars/new",
    "/deadlines/new",
    "/handovers",
    "/conversations/{mine}/deadlines",
)

pytestmark = pytest.mark.only_on("sqlite")
Open = Callable[..., Page]


@pytest.fixture
def full(world: World) -> World:
    """A world with something in every room."""
    now = datetime.now(UTC)
    with db.transaction() as session:
        for state in ("queued", "held", "sending", "failed", "uncertain"):
            an_outgoing(session, world.support, world.users["agent"], state=state, text="550 5.1.1 User unknown")
        a_broken_mail(session, world.support, subject="a bomb " * 30)
        folder = session.scalars(select(Folder).where(Folder.mailbox_id == world.support)).one()
        folder.import_total, folder.import_done, folder.import_started_at = 12_431, 4_000, now
        sales = session.get_one(Mailbox, world.sales)
        sales.failing_since, sales.error_code, sales.error_text = now, "login", "AUTHENTICATIONFAILED " + "x" * 200
        sales.failures = 3
        people.audit(
            session, None, "mailbox_changed", now=now, mailbox_id=1, settings={"name": "x" * 80, "b": 1, "c": 2}
        )
    return world


def paths(world: World) -> list[str]:
    known = {
        "broken": world.broken,
        "agent": world.users["agent"],
        "support": world.support,
        "outgoing": world.outgoing,
        "mine": world.mine,
    }
    return [path.format(**known) for path in ROOMS]


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_no_room_keeps_anybody_out(full: World, served: str, signed_page: Open, theme: str) -> None:
    with db.transaction() as session:
        session.get_one(User, full.users["admin"]).theme = theme
    page, found = signed_page("admin"), []
    for path in paths(full):
        page.goto(served + path)
        found += [f"{path}: {one}" for one in violations(page)]
    assert found == []


def test_every_room_fits_a_phone_in_japanese(full: World, served: str, signed_page: Open) -> None:
    with db.transaction() as session:
        session.get_one(User, full.users["admin"]).locale = "ja"
    page, wide = signed_page("admin", viewport={"width": 390, "height": 844}), []
    for path in paths(full):
        page.goto(served + path)
        if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
            wide.append(path)
    assert wide == []


def test_on_a_phone_the_encryption_of_a_server_can_be_read(world: World, served: str, signed_page: Open) -> None:
    page = signed_page("admin", viewport={"width": 390, "height": 844})
    page.goto(f"{served}/mailboxes/{world.support}/settings")
    for side in ("imap", "smtp"):
        security, port = (page.locator(f"#{side}_{name}").bounding_box() for name in ("security", "port"))
        assert security is not None
        assert port is not None
        assert security["width"] > port["width"], "words need more room than five digits"


def test_the_outbox_follows_without_a_reload_and_keeps_the_focus(world: World, served: str, signed_page: Open) -> None:
    with db.transaction() as session:
        held = an_outgoing(session, world.support, world.users["agent"], state="held", subject="about to go")
    page = signed_page("agent")
    page.goto(served + "/outbox")
    row = page.locator(f"#o{held}")
    expect(row).to_contain_text("Held")
    page.locator(f"#o{held}-departure").focus()
    with db.transaction() as session:
        session.get_one(Outgoing, held).state = "queued"
    page.evaluate("document.dispatchEvent(new CustomEvent('madoguchi:news', { detail: [{ all: true }] }))")
    expect(row).to_contain_text("Waiting to leave")
    assert page.evaluate("document.activeElement.id") == f"o{held}-departure"
    page.locator(f"#o{held}-departure").click()
    page.wait_for_url("**/outbox")
    expect(page.get_by_text("It is sent now.")).to_be_visible()


def test_the_wizard_tries_without_leaving_the_page_and_then_connects(
    world: World, served: str, signed_page: Open, dovecot: Dovecot, account: Account, smtp_sink: SmtpSink
) -> None:
    page = signed_page("admin")
    page.goto(served + "/mailboxes/new")
    page.get_by_label("E-mail address of the mailbox").fill(account.user)
    page.get_by_label("What the team calls it").fill("Orders")
    page.get_by_role("button", name="Next").click()
    page.get_by_label("Password", exact=True).fill("wrong one")
    for side, port in (("imap", dovecot.imap), ("smtp", smtp_sink.port)):
        page.locator(f"#{side}_host").fill("127.0.0.1")
        page.locator(f"#{side}_security").select_option("plain")
        page.locator(f"#{side}_port").fill(str(port))
    page.locator("#smtp_login").select_option("none")
    page.get_by_role("button", name="Test both directions").click()
    expect(page.get_by_role("heading", name="Something does not work yet")).to_be_visible(timeout=20_000)
    expect(page.get_by_text("The server refused user name or password.")).to_be_visible()
    assert page.url.endswith("name=Orders&provider=")
    assert page.get_by_label("Password", exact=True).input_value() == "wrong one"
    page.get_by_label("Password", exact=True).fill(account.password)
    page.get_by_role("button", name="Test both directions").click()
    expect(page.get_by_role("heading", name="Both directions work")).to_be_visible(timeout=20_000)
    page.get_by_text("Folders on the server").click()
    page.get_by_label("Junk").check()
    assert page.locator("#folders").input_value() == "INBOX\nJunk"
    page.get_by_role("button", name="Connect", exact=True).click()
    page.wait_for_url("**/mailboxes/*")
    expect(page.get_by_role("heading", name="Orders", level=1)).to_be_visible()
    with db.reading() as session:
        made = session.scalars(select(Mailbox).where(Mailbox.name == "Orders")).one()
        folders = set(session.scalars(select(Folder.name).where(Folder.mailbox_id == made.id)))
    assert mailboxes.open_secret(made.imap_secret) == account.password
    assert folders == {"INBOX", "Junk"}


def test_the_port_follows_the_encryption_unless_it_was_typed(world: World, served: str, signed_page: Open) -> None:
    page = signed_page("admin")
    page.goto(served + "/mailboxes/new?address=info@shop.example")
    page.locator("#smtp_security").select_option("starttls")
    assert page.locator("#smtp_port").input_value() == "587"
    page.locator("#imap_port").fill("1993")
    page.locator("#imap_security").select_option("starttls")
    assert page.locator("#imap_port").input_value() == "1993"
    expect(page.locator("#smtp_user")).to_be_hidden()
    page.locator("#smtp_login").select_option("own")
    expect(page.locator("#smtp_user")).to_be_visible()


def test_a_signature_is_written_in_the_editor(world: World, served: str, signed_page: Open) -> None:
    page = signed_page("agent")
    page.goto(served + "/preferences")
    page.get_by_role("textbox", name="Signature").click()
    page.keyboard.type("Aoi")
    page.keyboard.press("Shift+Home")
    page.get_by_role("button", name="Bold").click()
    assert page.get_by_label("Sign with my own signature here").is_checked()
    page.get_by_role("button", name="Save the signature").click()
    expect(page.get_by_text("Signature saved.")).to_be_visible()
    with db.reading() as session:
        who = people.viewer(session, world.users["agent"], 0)
        assert who is not None
        (own,) = people.signatures(session, who)
    assert own.html is not None
    assert "<b>Aoi</b>" in own.html


def test_what_an_extension_of_the_browser_marks_is_no_signature_of_ones_own(
    world: World, served: str, signed_page: Open
) -> None:
    page = signed_page("agent")
    page.goto(served + "/preferences")
    page.get_by_role("textbox", name="Signature").evaluate("box => box.setAttribute('data-checked-spelling', 'no')")
    page.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
    page.get_by_label("Name in “From”").fill("Aoi")
    expect(page.get_by_label("Sign with my own signature here")).not_to_be_checked()
    page.get_by_role("button", name="Save the signature").click()
    expect(page.get_by_text("Signature saved.")).to_be_visible()
    with db.reading() as session:
        who = people.viewer(session, world.users["agent"], 0)
        assert who is not None
        (own,) = people.signatures(session, who)
    assert (own.from_name, own.html) == ("Aoi", None)


def test_the_rooms_work_without_scripts(full: World, served: str, signed_page: Open) -> None:
    page = signed_page("admin", java_script_enabled=False)
    page.goto(served + "/preferences")
    page.locator("#undo_seconds").fill("30")
    page.get_by_role("button", name="Save", exact=True).click()
    assert page.locator("#undo_seconds").input_value() == "30"
    page.goto(served + "/outbox?state=held")
    page.get_by_role("button", name="Release").click()
    assert page.url.endswith("/outbox")
    page.goto(served + "/mailboxes/new")
    page.get_by_label("E-mail address of the mailbox").fill("info@gmail.com")
    page.get_by_role("button", name="Next").click()
    page.get_by_role("button", name="Connect", exact=True).click()
    expect(page.locator("#imap_password-error")).to_be_visible()


def test_first_steps_are_shown_and_the_demo_goes(world: World, served: str, signed_page: Open) -> None:
    demo.settings(config.settings().data)
    with db.transaction() as session:
        mailboxes.connect_demo(session, now=datetime.now(UTC))
    page: Any = signed_page("admin")
    page.goto(served + "/inbox/open")
    page.get_by_text("Remove the demo").click()
    page.get_by_role("button", name="Remove it now").click()
    page.wait_for_url("**/mailboxes")
    expect(page.get_by_text("The demo is gone")).to_be_visible()
