"""The pages of working hours: refused at the field with the typed values kept, and explained; also in a Chromium."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import select

from inbox import db
from inbox.models import User, WorkCalendar
from tests.web.conftest import Visitor, World

WEEK = {f"week.{day}": "9:00-12:00, 13:00〜18:00" for day in ("mon", "tue", "wed", "thu", "fri")}
TEAM = {"name": "Team", "zone": "Asia/Tokyo", "country": "JP", "is_default": "1", **WEEK}
OFF = {"off_name": ["夏季休業", ""], "off_first": ["8/13", ""], "off_last": ["2027/8/15", ""]}


def test_a_calendar_is_made_and_shows_the_holidays_of_the_year_ahead(
    signed_in: Callable[[str], Visitor], world: World
) -> None:
    mei = signed_in("manager")
    assert 'value="09:00-12:00, 13:00-18:00"' in mei.get("/calendars/new").text
    answer = mei.post("/calendars", {**TEAM, "off_name": ["年末年始"], "off_first": ["12/29"], "off_last": ["1/3"]})
    assert answer.status_code == 303
    page = mei.get(answer.headers["Location"]).text
    assert "Constitution Day" in page
    assert 'value="12-29"' in page
    assert "9:00" in mei.get("/calendars").text


def test_a_refused_calendar_keeps_what_was_typed_and_says_why_at_the_field(
    signed_in: Callable[[str], Visitor], world: World
) -> None:
    mei = signed_in("manager")
    again = mei.post("/calendars", {**TEAM, "week.mon": "9:00-13:00, 12:00-18:00"})
    assert again.status_code == 400
    assert 'id="week-mon-error"' in again.text
    assert "09:00-13:00 and 12:00-18:00 overlap." in again.text
    assert 'value="9:00-13:00, 12:00-18:00"' in again.text
    assert 'value="9:00-12:00, 13:00〜18:00"' in again.text
    again = mei.post("/calendars", {**TEAM, **OFF})
    assert 'id="days_off-0-error"' in again.text
    assert 'value="夏季休業"' in again.text
    with db.reading() as session:
        assert session.scalars(select(WorkCalendar)).all() == []
    again = mei.post(mei.post("/calendars", TEAM).headers["Location"], {**TEAM, "week.mon": "nine to five"})
    assert again.status_code == 400
    assert "“nine to five” is no period" in again.text
    assert 'value="nine to five"' in again.text


def test_a_span_is_explained_day_by_day(signed_in: Callable[[str], Visitor], world: World) -> None:
    mei = signed_in("manager")
    made = mei.post("/calendars", TEAM).headers["Location"]
    page = mei.get(f"{made}/explanation?since=2026-11-20T15:00&until=2026-11-24T10:15").text
    assert "255 working minutes" in page
    assert "Public holiday: Labor Thanksgiving Day" in page
    again = mei.get(f"{made}/explanation?since=2026-11-20T15:00&until=yesterday")
    assert (again.status_code, 'id="until-error"' in again.text) == (400, True)


def test_the_teams_calendar_goes_last(signed_in: Callable[[str], Visitor], world: World) -> None:
    mei = signed_in("manager")
    team = mei.post("/calendars", TEAM).headers["Location"]
    other = mei.post("/calendars", {**TEAM, "name": "Other", "is_default": "1"}).headers["Location"]
    mei.post(f"{other}/removal")
    assert "Make another one that first" in mei.get("/calendars").text
    mei.post(f"{team}/removal")
    mei.post(f"{other}/removal")
    assert "No working hours are set" in mei.get("/calendars").text


@pytest.mark.only_on("sqlite")
def test_in_japanese_a_calendar_is_refused_mended_and_explained(
    world: World, served: str, signed_page: Callable[..., Page], tmp_path: Any
) -> None:
    with db.transaction() as session:
        session.get_one(User, world.users["manager"]).locale = "ja"
    page = signed_page("manager")
    page.goto(f"{served}/calendars/new")
    page.get_by_label("月曜日").fill("9:00-13:00、12:00-18:00")
    page.get_by_role("button", name="保存").click()
    expect(page.locator("#week-mon-error")).to_contain_text("重なっています")
    expect(page.get_by_label("月曜日")).to_have_value("9:00-13:00、12:00-18:00")
    page.screenshot(path=tmp_path / "refused.png")
    page.get_by_label("月曜日").fill("9:00-12:00、13:00-18:00")
    page.get_by_role("button", name="保存").click()
    page.wait_for_url("**/calendars/*")
    page.locator("#since").fill("2026-11-20T15:00")
    page.locator("#until").fill("2026-11-24T10:15")
    page.get_by_role("button", name="数える").click()
    expect(page.locator(".explained-sum")).to_contain_text("255")
    expect(page.locator(".explained")).to_contain_text("勤労感謝の日")
    for width in (1440, 390):
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        page.screenshot(path=tmp_path / f"calendar-{width}.png", full_page=True)
