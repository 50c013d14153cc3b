"""The house in a real Chromium: signing in, the list by keys, what colleagues do, phone width, themes, axe."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from inbox import conversations, db, people, search, triage
from inbox.models import Conversation, User
from tests.inbox.cast import a_conversation, a_message
from tests.servers.valkey import Valkey
from tests.web.axe import violations
from tests.web.conftest import PASSWORD, World, conversation, leave, stay_silent
from web import push

PHONE = {"width": 390, "height": 844}

pytestmark = pytest.mark.only_on("sqlite")
SignIn = Callable[..., Page]


@pytest.fixture
def sign_in(served: str, browser: Browser) -> Any:
    """`sign_in("aoi")`: a browser of its own in which that person is signed in; console errors fail the test."""
    opened = []
    errors: list[str] = []

    def run(name: str = "aoi", **more: Any) -> Page:
        context = browser.new_context(**{"viewport": {"width": 1440, "height": 900}, "locale": "en-GB", **more})
        stay_silent(context)
        page = context.new_page()
        page.set_default_timeout(8000)
        page.on(
            "console",
            lambda message: (
                errors.append(message.text) if message.type == "error" and "404" not in message.text else None
            ),
        )
        page.on("pageerror", lambda error: errors.append(str(error)))
        opened.append(context)
        page.goto(served + "/sign-in")
        page.get_by_label("E-mail address").fill(f"{name}@shop.example")
        page.get_by_label("Password", exact=True).fill(PASSWORD)
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_url("**/inbox/unassigned")
        return page

    yield run
    leave(opened)
    assert errors == []


def as_admin(world: World, do: Callable[..., Any], *given: Any) -> None:
    with db.transaction() as session:
        do(session, people.of(session, session.get_one(User, world.users["admin"])), *given, now=datetime.now(UTC))


def connected(page: Page) -> Page:
    """Waits until the event stream of this page stands."""
    page.wait_for_selector("#push[data-connected]", state="attached")
    return page


def test_a_person_signs_in_and_sees_the_list(sign_in: SignIn) -> None:
    page = sign_in()
    expect(page.get_by_role("heading", name="Unassigned")).to_be_visible()
    expect(page.get_by_role("link", name="届きません")).to_be_visible()
    assert page.title() == "Unassigned · Madoguchi"


def test_what_a_colleague_does_appears_at_once(sign_in: SignIn, world: World, valkey: Valkey) -> None:
    page = connected(sign_in())
    page.mouse.move(5, 400)
    as_admin(world, triage.tag, world.free, "first")  # the listening thread has subscribed when this has arrived
    expect(page.get_by_text("first", exact=True).first).to_be_visible(timeout=5000)
    began = time.monotonic()
    as_admin(world, triage.assign, world.free, world.users["agent"])
    expect(page.get_by_role("link", name="届きません")).to_have_count(0, timeout=3000)
    assert time.monotonic() - began < push.POLL_SECONDS  # the doorbell was heard
    expect(page.locator('[data-count="mine"]')).to_have_text("2")
    expect(page.locator('[data-count="unassigned"]')).to_have_text("")
    expect(page.get_by_text("Nothing waits for an owner")).to_be_visible()


def new_mail(world: World, subject: str) -> None:
    now = datetime.now(UTC)
    with db.transaction() as session:
        support = session.get_one(Conversation, world.mine).mailbox
        story = a_conversation(session, support, subject, at=now)
        story.people = "Kim Jiwoo"
        a_message(session, story, "words", at=now)


def test_new_mail_appears_at_the_top_without_reload(sign_in: SignIn, world: World, valkey: Valkey) -> None:
    page = connected(sign_in())
    page.mouse.move(5, 400)
    new_mail(world, "Where is my order?")
    expect(page.locator("[data-row]").first).to_contain_text("Where is my order?", timeout=5000)


def test_new_mail_does_not_move_the_list_under_the_pointer(sign_in: SignIn, world: World, valkey: Valkey) -> None:
    page = connected(sign_in())
    page.get_by_role("link", name="届きません").hover()
    new_mail(world, "Where is my order?")
    banner = page.get_by_role("button", name="New mail: Kim Jiwoo · Where is my order?")
    expect(banner).to_be_visible(timeout=5000)
    expect(page.locator("[data-row]").first).to_contain_text("届きません")
    banner.click()
    expect(page.locator("[data-row]").first).to_contain_text("Where is my order?")


def test_who_writes_is_seen_and_gone_again(sign_in: SignIn, world: World, valkey: Valkey) -> None:
    from inbox import presence

    page = connected(sign_in())
    as_admin(world, presence.claim, world.free)
    expect(page.get_by_text("Rin is writing")).to_be_visible(timeout=5000)
    with db.transaction() as session:
        presence.release(session, people.of(session, session.get_one(User, world.users["admin"])), world.free)
    expect(page.get_by_text("Rin is writing")).to_have_count(0, timeout=5000)


def test_the_list_obeys_keys(sign_in: SignIn, world: World, served: str) -> None:
    with db.transaction() as session:
        support = session.get_one(Conversation, world.mine).mailbox
        for n in range(4):
            a_conversation(session, support, f"Story {n}", at=datetime.now(UTC))
    page = sign_in()
    for key, focused in (("j", "Story 3"), ("j", "Story 2"), ("k", "Story 3"), ("j", "Story 2")):
        page.keyboard.press(key)
        assert page.evaluate("document.activeElement.textContent") == focused
    page.keyboard.press("x")
    expect(page.get_by_text("1 selected")).to_be_visible()
    page.keyboard.press("e")
    page.wait_for_load_state()
    expect(page.get_by_text("1 conversation: closed")).to_be_visible()
    expect(page.get_by_role("link", name="Story 2")).to_have_count(0)
    page.keyboard.press("z")
    expect(page.get_by_role("link", name="Story 2")).to_be_visible()
    page.keyboard.press("g")
    page.keyboard.press("m")
    page.wait_for_url("**/inbox/mine")


def test_a_tag_that_is_typed_is_set_by_enter(sign_in: SignIn, world: World) -> None:
    page = sign_in()
    page.get_by_label("Choose: 届きません").check()
    page.keyboard.press("l")
    page.keyboard.type("VIP")
    page.keyboard.press("Enter")
    expect(page.locator(f"#c{world.free}")).to_contain_text("VIP")
    assert conversation(world.free).status == "open"


def test_a_key_acts_on_the_row_where_one_stands(sign_in: SignIn, world: World) -> None:
    page = sign_in()
    page.keyboard.press("j")
    page.keyboard.press("i")
    expect(page.get_by_text("1 conversation: assigned")).to_be_visible()
    assert conversation(world.free).owner_id == world.users["agent"]


def test_keys_are_letters_while_one_types(sign_in: SignIn) -> None:
    page = sign_in()
    page.keyboard.press("/")
    page.keyboard.type("gm jx?")
    expect(page.get_by_role("searchbox")).to_have_value("gm jx?")
    assert page.url.endswith("/inbox/unassigned")


def test_the_help_sheet_lists_the_keys_of_the_page(sign_in: SignIn) -> None:
    page = sign_in()
    page.keyboard.press("?")
    sheet = page.get_by_role("dialog", name="Keyboard")
    for label in ("Next", "Previous", "Close", "Assign", "Search", "Mine"):
        expect(sheet.get_by_text(label, exact=True).first).to_be_visible()
    page.keyboard.press("Escape")
    expect(sheet).to_be_hidden()


def test_who_signs_in_next_sees_no_titles_that_the_one_before_opened(
    sign_in: SignIn, served: str, world: World
) -> None:
    page = sign_in()
    page.goto(f"{served}/conversations/{world.free}")
    kept = "localStorage.getItem('madoguchi.recent')"
    page.wait_for_function(f"{kept} !== null")
    page.locator("form[action='/sign-out'] button").evaluate("button => button.click()")
    page.wait_for_url("**/sign-in")
    assert page.evaluate(kept) is None


def test_the_palette_finds_folders_and_searches(sign_in: SignIn) -> None:
    page = sign_in()
    page.keyboard.press("Control+k")
    page.keyboard.type("snoozed")
    page.keyboard.press("Enter")
    page.wait_for_url("**/inbox/snoozed")
    page.keyboard.press("Control+k")
    page.keyboard.type("lamp 鰻")
    page.keyboard.press("Enter")
    page.wait_for_url("**/search?q=lamp%20%E9%B0%BB")


def test_without_scripts_the_list_still_works(served: str, world: World, browser: Browser) -> None:
    context = browser.new_context(java_script_enabled=False, locale="en-GB")
    page = context.new_page()
    page.goto(served + "/sign-in")
    page.get_by_label("E-mail address").fill("aoi@shop.example")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_label(re.compile("Choose: 届きません")).check()
    page.get_by_role("button", name="Close", exact=True).first.click()
    expect(page.get_by_text("1 conversation: closed")).to_be_visible()
    assert conversation(world.free).status == "closed"
    context.close()


def test_at_phone_width_the_sidebar_is_a_drawer(sign_in: SignIn) -> None:
    page = sign_in(viewport=PHONE, has_touch=True)
    folders = page.get_by_role("navigation", name="Folders")
    expect(folders).to_be_hidden()
    page.get_by_role("button", name="Folders").click()
    expect(folders).to_be_visible()
    folders.get_by_role("link", name=re.compile("Mine")).click()
    page.wait_for_url("**/inbox/mine")
    expect(folders).to_be_hidden()
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]


@pytest.mark.parametrize("viewport", [{"width": 1440, "height": 900}, PHONE])
def test_a_filter_is_filled_in_as_a_whole_and_then_asked_for(sign_in: SignIn, viewport: dict[str, int]) -> None:
    page = sign_in(viewport=viewport)
    here = page.url
    page.get_by_text("Filter", exact=True).click()
    page.get_by_label("Words", exact=True).fill("届きません")
    page.get_by_label("Waits for hours").fill("90")
    page.get_by_label("Priority").select_option("normal")
    show = page.get_by_role("button", name="Show", exact=True)
    expect(show).to_be_in_viewport(ratio=1)
    assert page.url == here, "a field that is left asks for nothing yet"
    show.click()
    page.wait_for_url(re.compile("text=.+&waiting=90&priority=normal"))
    expect(page.get_by_text("Nothing waits for an owner")).to_be_visible()


def test_on_a_phone_what_is_done_with_chosen_ones_hangs_from_its_button(sign_in: SignIn) -> None:
    page = sign_in(viewport=PHONE)
    page.get_by_label("Choose: 届きません").check()
    more = page.locator(".bulk-actions summary").filter(has_text="More")
    more.click()
    unread = page.get_by_role("button", name="Mark as unread")
    expect(unread).to_be_in_viewport(ratio=1)
    top, bottom = unread.bounding_box(), more.bounding_box()
    assert top is not None
    assert bottom is not None
    assert top["y"] > bottom["y"] + bottom["height"]


def test_the_theme_follows_the_system_and_then_the_person(sign_in: SignIn) -> None:
    page = sign_in(color_scheme="dark")
    ground = "getComputedStyle(document.querySelector('.main')).backgroundColor"
    dark = page.evaluate(ground)
    page.locator(".top-end .menu summary").click()
    page.get_by_role("button", name="Light").click()
    page.wait_for_load_state()
    assert page.evaluate(ground) != dark
    assert page.url.endswith("/inbox/unassigned")


def test_a_screen_signs_out_with_its_browser(sign_in: SignIn, valkey: Valkey, served: str) -> None:
    page = connected(sign_in())
    other = page.context.new_page()
    other.goto(served + "/inbox/mine")
    other.locator(".top-end .menu summary").click()
    other.get_by_role("button", name="Sign out").click()
    page.bring_to_front()
    page.wait_for_url("**/sign-in**")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1440, 390])
def test_the_pages_are_accessible(sign_in: SignIn, served: str, world: World, scheme: str, width: int) -> None:
    with db.transaction() as session:
        story = session.get_one(Conversation, world.mine)
        story.trouble = "uncertain"
        story.waiting_since = datetime(2026, 1, 1, tzinfo=UTC)
        conversations.tag(session, story, "VIP", now=datetime.now(UTC), actor_id=None)
        search.index(session, a_message(session, story, "Words that are found"))
    page = sign_in(color_scheme=scheme, viewport={"width": width, "height": 900})
    found = []
    for path in (
        "/inbox/open",
        "/inbox/snoozed",
        "/search",
        "/search?q=Words",
        "/search?q=none",
        "/nowhere",
        "/inbox/mine#keys",
        "/inbox/mine#palette",
    ):
        page.goto(served + path)
        if "#" in path and width > 800:
            page.keyboard.press("?" if path.endswith("keys") else "Control+k")
        found += [f"{path}: {one}" for one in violations(page)]
    assert not found, "\n".join(found)


def test_the_pages_before_signing_in_are_accessible(served: str, world: World, page: Page) -> None:
    found = []
    for path in ("/sign-in", "/password-reset", "/links/invite/none"):
        page.goto(served + path)
        found += [f"{path}: {one}" for one in violations(page)]
    assert not found, "\n".join(found)


