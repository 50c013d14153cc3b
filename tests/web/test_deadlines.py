"""Pages of deadlines and the board: refused at the field, words in list and conversation; live in a Chromium."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import select

from inbox import conversations, db, kept_deadlines
from inbox.models import Conversation, DeadlinePolicy, User
from tests.inbox.cast import a_conversation, a_message
from tests.web.conftest import Visitor, World, mailbox

NORMAL = {
    "name": "Normal",
    "first_answer": "10",
    "enabled": "1",
    "percent": ["50", "80", "100"],
    "to.0": ["owner"],
    "to.1": ["owner", "team"],
    "to.2": ["owner", "team", "manager"],
}


def work_out() -> None:
    """What the clock process does after a change."""
    more = True
    while more:
        with db.transaction() as session:
            more = kept_deadlines.go_on_anew(session, now=datetime.now(UTC))


def test_a_policy_is_made_ordered_changed_and_removed(signed_in: Callable[[str], Visitor], world: World) -> None:
    mei = signed_in("manager")
    assert "No deadlines are set" in mei.get("/deadlines").text
    mei.post("/deadlines", NORMAL | {"mailboxes": [world.support], "priorities": ["high"]})
    mei.post("/deadlines", NORMAL | {"name": "VIP"})
    with db.reading() as session:
        first, second = session.scalars(select(DeadlinePolicy.id).order_by(DeadlinePolicy.position)).all()
    mei.post(f"/deadlines/{second}/place", {"to": "up"})
    page = mei.get("/deadlines").text
    assert page.index("VIP") < page.index("Normal")
    assert "10 working minutes" in page
    assert f'value="{world.support}" checked' in mei.get(f"/deadlines/{first}").text
    mei.post(f"/deadlines/{first}", {"name": "Night", "resolution": "480"})
    assert "Switched off" in mei.get("/deadlines").text
    mei.post(f"/deadlines/{first}/removal")
    assert "Night" not in mei.get("/deadlines").text.split("toasts")[0]


@pytest.mark.parametrize(
    ("typed", "field"),
    [
        ({"first_answer": "0"}, "first_answer"),
        ({"first_answer": "soon"}, "first_answer"),
        ({"first_answer": "999999"}, "first_answer"),
        ({"resolution": "5"}, "resolution"),
        ({"name": ""}, "name"),
        ({"percent": ["50", "50", "100"]}, "escalation-1"),
        ({"to.2": []}, "escalation-2"),
    ],
)
def test_a_refused_policy_keeps_what_was_typed(
    signed_in: Callable[[str], Visitor], world: World, typed: dict[str, Any], field: str
) -> None:
    again = signed_in("manager").post("/deadlines", NORMAL | {"next_answer": "77"} | typed)
    assert again.status_code == 400
    assert f'id="{field}-error"' in again.text
    assert 'value="77"' in again.text


def test_list_and_conversation_say_how_late_and_the_page_explains_it(
    signed_in: Callable[[str], Visitor], world: World, agent: Visitor
) -> None:
    signed_in("manager").post("/deadlines", NORMAL)
    work_out()
    page = agent.get("/inbox/mine").text
    row = r'due-bad" title="late by (\d+ h )?\d+ min"><svg.*</svg>(\d+ h|\d+ min) late<'
    assert re.search(row, page), "few words in the row"
    assert "late by" in agent.get(f"/conversations/{world.mine}").text
    told = agent.get(f"/conversations/{world.mine}/deadlines").text
    assert "First answer" in told
    assert "Policy: Normal." in told


@pytest.mark.only_on("sqlite")
@pytest.mark.parametrize("width", [1440, 1024, 390])
@pytest.mark.parametrize("language", ["ja", "en"])
def test_how_late_it_is_has_room_in_its_row(
    signed_in: Callable[[str], Visitor],
    world: World,
    served: str,
    signed_page: Callable[..., Page],
    language: str,
    width: int,
) -> None:
    signed_in("manager").post("/deadlines", NORMAL | {"first_answer": "750"})
    with db.transaction() as session:
        session.get_one(User, world.users["agent"]).locale = language
    work_out()
    page = signed_page("agent", viewport={"width": width, "height": 900})
    page.goto(f"{served}/inbox/mine")
    place = page.locator(f"#c{world.mine} .row-wait")
    expect(place).to_contain_text(re.compile(r"\d"))
    assert place.evaluate("one => one.scrollWidth <= one.clientWidth"), place.inner_text()


def test_the_board_is_a_managers_first_page(signed_in: Callable[[str], Visitor], world: World, agent: Visitor) -> None:
    mei = signed_in("manager")
    assert mei.get("/").headers["Location"].endswith("/board")
    assert agent.get("/").headers["Location"].endswith("/inbox/unassigned")
    mei.post("/deadlines", NORMAL)
    work_out()
    page = mei.get("/board").text
    assert "Broken lamp" in page.split('id="board-late"')[1].split("</section>")[0]
    assert "届きません" in page.split('id="board-nobody"')[1].split("</section>")[0]
    assert "A quote for 40 units" not in page
    assert "<html" not in mei.get("/board", headers={"X-Fragment": "1"}).text


@pytest.mark.only_on("sqlite")
def test_in_japanese_the_board_shows_what_is_late_and_follows_what_happens(
    world: World, served: str, signed_page: Callable[..., Page], signed_in: Callable[[str], Visitor], tmp_path: Any
) -> None:
    signed_in("manager").post("/deadlines", NORMAL)
    work_out()
    now = datetime.now(UTC)
    with db.transaction() as session:
        session.get_one(User, world.users["manager"]).locale = "ja"
        fresh = a_conversation(session, session.merge(mailbox(world.support)), "見積のお願い", at=now)
        fresh.people = "佐藤 花子"
        a_message(session, fresh, "お見積をお願いします。", at=now - timedelta(minutes=9))
    page = signed_page("manager")
    page.goto(served)
    page.wait_for_url("**/board")
    late, soon, nobody = (page.locator(f"#board-{name}") for name in ("late", "soon", "nobody"))
    expect(late).to_contain_text("返信遅れ")
    expect(late).to_contain_text("Broken lamp")
    expect(late).to_contain_text("の遅れ")
    expect(soon).to_contain_text("見積のお願い")
    expect(nobody).to_contain_text("見積のお願い")
    for width in (1440, 390):
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        page.screenshot(path=tmp_path / f"board-{width}.png", full_page=True)
    page.set_viewport_size({"width": 1440, "height": 900})
    with db.transaction() as session:
        answered = session.get_one(Conversation, world.mine)
        conversations.set_status(session, answered, "closed", now=datetime.now(UTC), actor_id=None)
    page.evaluate('document.dispatchEvent(new CustomEvent("madoguchi:news", {detail: [{kind: "status"}]}))')
    expect(late).not_to_contain_text("Broken lamp")
    page.keyboard.press("g")
    page.keyboard.press("o")
    page.wait_for_url("**/inbox/open")
    expect(page.locator(".due-bad").first).to_contain_text("遅れ")
    page.goto(f"{served}/board")
    soon.locator(".board-due a").click()
    expect(page.locator("h2.section").first).to_contain_text("初回の返信")
    page.screenshot(path=tmp_path / "explained.png", full_page=True)


def test_a_policy_may_be_for_tiers_in_use_and_for_one_that_nobody_has_yet(
    signed_in: Callable[[str], Visitor], world: World, agent: Visitor
) -> None:
    agent.post(f"/conversations/{world.mine}/customer", {"tier": "VIP"})
    mei = signed_in("manager")
    form = mei.get("/deadlines/new").text
    assert 'name="tiers" value="VIP">' in form
    assert "<option>High touch</option>" in form
    assert "<option>VIP</option>" not in form
    again = mei.post("/deadlines", NORMAL | {"name": "", "tiers": ["VIP", " Gold  <b> "]})
    assert again.status_code == 400
    assert 'name="tiers" value="VIP" checked>' in again.text
    assert 'name="tiers" value="Gold &lt;b&gt;" checked>' in again.text, "what was typed stays, to be ticked or not"
    mei.post("/deadlines", NORMAL | {"name": "Gold", "tiers": ["VIP", "Gold", ""]})
    with db.reading() as session:
        made = session.scalars(select(DeadlinePolicy)).one()
        assert made.body["tiers"] == ["Gold", "VIP"]
    assert '<span class="tag tag-accent">VIP</span>' in mei.get("/deadlines").text
    assert 'value="Gold" checked>' in mei.get(f"/deadlines/{made.id}").text
    work_out()
    assert "late by" in agent.get(f"/conversations/{world.mine}").text
    agent.post(f"/conversations/{world.mine}/customer", {"tier": "Silver"})
    assert "late by" not in agent.get(f"/conversations/{world.mine}").text
