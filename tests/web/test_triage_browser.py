"""Joining and parting, and changes of many conversations with undo, in a real Chromium in Japanese."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from inbox import bulk, db
from inbox.models import Conversation, Person, User
from tests.inbox.cast import HOUR, a_conversation
from tests.web.axe import violations
from tests.web.conftest import World, conversation
from tests.web.stories import until

PHONE = {"width": 390, "height": 844}

pytestmark = pytest.mark.only_on("sqlite")


@pytest.fixture
def page(signed_page: Callable[..., Page], world: World) -> Page:
    with db.transaction() as session:
        session.get_one(User, world.users["agent"]).locale = "ja"
    return signed_page("agent", locale="ja-JP")


def looks_right(page: Page, tmp_path: Path, name: str) -> None:
    """Accessible, and nothing wider than the screen, wide and narrow."""
    assert violations(page) == []
    page.screenshot(path=tmp_path / f"{name}.png")
    wide = page.viewport_size
    page.set_viewport_size(PHONE)
    page.screenshot(path=tmp_path / f"{name}-narrow.png")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert wide is not None
    page.set_viewport_size(wide)


def test_chosen_conversations_are_joined_and_parted_again(
    page: Page, served: str, world: World, tmp_path: Path
) -> None:
    with db.transaction() as session:
        other = Person(name="金", created_at=datetime.now(UTC))
        session.add(other)
        session.flush()
        session.get_one(Conversation, world.free).person_id = other.id
    page.goto(f"{served}/inbox/open")
    for number in (world.mine, world.free):
        page.locator(f"#c{number} input[type=checkbox]").check()
    page.get_by_role("button", name="統合する").click()
    expect(page.get_by_role("heading", name="会話の統合")).to_be_visible()
    expect(page.get_by_text("お客様の異なる会話が含まれています。")).to_be_visible()
    looks_right(page, tmp_path, "joining")
    page.get_by_role("button", name="統合する").click()
    page.wait_for_url(f"**/conversations/{world.mine}*")
    expect(page.get_by_text("2件の会話を統合しました。")).to_be_visible()
    expect(page.locator(".msg")).to_have_count(2)
    assert conversation(world.free).joined_into_id == world.mine
    page.reload()
    page.get_by_role("button", name="元に分ける").click()
    expect(page.get_by_text("2件の会話に分けました。")).to_be_visible()
    expect(page.locator(".msg")).to_have_count(1)
    assert conversation(world.free).joined_into_id is None


def test_all_of_a_long_list_with_progress_and_undo(
    page: Page, served: str, world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk, "STEP", 25)
    now = datetime.now(UTC)
    with db.transaction() as session:
        support = session.get_one(Conversation, world.mine).mailbox
        for n in range(70):
            a_conversation(session, support, f"件 {n}", at=now - HOUR)
    page.goto(f"{served}/inbox/unassigned")
    page.locator("[data-row] input[type=checkbox]").first.check()
    more = page.locator(".bulk-actions details", has=page.locator("[data-all]"))
    more.locator("summary").click()
    page.get_by_label("この一覧のすべて（ほかのページも含む）").check()
    page.get_by_label("対応不要の理由").fill("お礼のみ")
    page.get_by_role("button", name="対応不要").click()
    page.wait_for_url(re.compile(r"/bulk/\d+"), wait_until="commit")
    bar = page.get_by_role("progressbar")
    expect(bar).to_have_attribute("max", "71")
    expect(page.get_by_text("処理は自動で続きます。")).to_be_visible()
    go_on(now)
    expect(page.get_by_role("status").filter(has_text="対応不要にしました")).to_be_visible()
    looks_right(page, tmp_path, "bulk")
    assert (conversation(world.free).status, conversation(world.free).needless) == ("closed", "お礼のみ")
    page.get_by_role("button", name="元に戻す").click()
    go_on(now)
    until(lambda: conversation(world.free).status == "open")
    assert conversation(world.free).needless == ""


def go_on(now: datetime) -> None:
    """What the clock does every second."""
    more: Any = True
    while more:
        with db.transaction() as session:
            more = [one for one in bulk.unfinished(session) if bulk.go_on(session, one, now=now)]


def test_a_few_are_closed_and_brought_back_by_one_key(page: Page, served: str, world: World) -> None:
    page.goto(f"{served}/inbox/open")
    for number in (world.mine, world.free):
        page.locator(f"#c{number} input[type=checkbox]").check()
    page.locator(".bulk-actions button[value=close]").click()
    expect(page.get_by_role("button", name="元に戻す")).to_be_visible()
    until(lambda: conversation(world.free).status == "closed")
    page.keyboard.press("z")
    until(lambda: conversation(world.free).status == "open")
    assert (conversation(world.mine).status, conversation(world.mine).owner_id) == ("open", world.users["agent"])


def test_the_pages_that_keep_order(
    page: Page, signed_page: Callable[..., Page], served: str, world: World, tmp_path: Path
) -> None:
    for path in ("blocks", "views"):
        page.goto(f"{served}/{path}")
        looks_right(page, tmp_path, path)
    mei = signed_page("manager", locale="ja-JP")
    mei.goto(f"{served}/labels")
    mei.locator("#name").fill("Delivery")
    mei.locator("#name").press("Enter")
    expect(mei.locator(".label-list input[value=Delivery]")).to_be_visible()
    looks_right(mei, tmp_path, "labels")
