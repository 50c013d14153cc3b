"""Working hours of a person: one's own page, a manager's for others, refused at the field, shown with the team."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.web.axe import violations
from tests.web.conftest import Visitor, World

WEEK = {f"week.{day}": "0:00-12:00, 12:00-24:00" for day in ("mon", "tue", "wed", "thu", "fri", "sat", "sun")}
OWN = {"kind": "own", "zone": "Asia/Tokyo", **WEEK}


def test_own_hours_are_set_explained_and_taken_back(signed_in: Callable[[str], Visitor], world: World) -> None:
    aoi = signed_in("agent")
    mine = f"/people/{world.users['agent']}/shift"
    assert "The next seven days" not in aoi.get("/preferences/absence").text
    answer = aoi.post(mine, {**OWN, "holidays": "1"})
    assert (answer.status_code, answer.headers["Location"]) == (303, "/preferences/absence")
    page = aoi.get("/preferences/absence").text
    assert 'value="00:00-12:00, 12:00-24:00"' in page
    assert "The next seven days" in page
    aoi.post(mine, {"kind": "any"})
    assert "The next seven days" not in aoi.get("/preferences/absence").text
    assert aoi.post(f"/people/{world.users['manager']}/shift", OWN).status_code == 403


def test_what_overlaps_is_refused_at_its_field_and_kept(signed_in: Callable[[str], Visitor], world: World) -> None:
    aoi = signed_in("agent")
    again = aoi.post(
        f"/people/{world.users['agent']}/shift",
        {**OWN, "week.tue": "9:00-13:00, 12:00-18:00", "week.wed": "８:００〜９:００"},
    )
    assert again.status_code == 400
    assert 'id="week-tue-error"' in again.text
    assert "09:00-13:00 and 12:00-18:00 overlap." in again.text
    assert 'value="9:00-13:00, 12:00-18:00"' in again.text
    assert 'value="８:００〜９:００"' in again.text
    again = aoi.post(f"/people/{world.users['agent']}/shift", {**OWN, "week.sat": "22:00-6:00"})
    assert "Work over midnight is two periods" in again.text


def test_a_manager_sets_them_and_sees_them_with_the_team(signed_in: Callable[[str], Visitor], world: World) -> None:
    mei = signed_in("manager")
    agent = world.users["agent"]
    mei.post("/teams/new", {"name": "Night", "way": "round_robin", "members": [str(agent)]})
    answer = mei.post(f"/people/{agent}/shift", OWN)
    assert answer.headers["Location"] == f"/people/{agent}/capacity"
    assert "works 00:00-12:00, 12:00-24:00 today" in mei.get("/teams").text
    mei.get("/")
    mei.post("/appearance", {"locale": "ja"})
    assert "本日の勤務" in mei.get("/teams").text


@pytest.mark.only_on("sqlite")
def test_hours_are_chosen_with_the_keyboard_and_refused_at_their_field(
    signed_page: Callable[..., Any], served: str, world: World
) -> None:
    page = signed_page("agent")
    page.goto(f"{served}/preferences/absence")
    expect(page.get_by_label("Tuesday")).to_be_hidden()
    page.get_by_label("Is there", exact=True).select_option(label="Hours of my own")
    tuesday = page.get_by_label("Tuesday")
    tuesday.fill("9:00-13:00, 12:00-18:00")
    tuesday.press("Enter")
    expect(page.locator("#week-tue-error")).to_be_visible()
    expect(tuesday).to_have_value("9:00-13:00, 12:00-18:00")
    assert violations(page) == []
    tuesday.fill("9:00-13:00")
    tuesday.press("Enter")
    page.get_by_text("The next seven days").click()
    assert violations(page) == []
    for look in ("light", "dark"):
        page.emulate_media(color_scheme=look)
        assert violations(page) == []
    page.set_viewport_size({"width": 390, "height": 844})
    wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert wide <= 0
