"""The customer's form: in the panel and on its own page, what is offered, refusals, badges, what the history says."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from inbox import db, profiles
from inbox.models import Person, User
from tests.inbox.cast import a_conversation
from tests.web.conftest import Visitor, World, mailbox

TYPED = {"name": "山田 太郎", "company": "山田商店", "tier": "VIP", "phase": "導入", "note": "Calls on Mondays."}


@pytest.fixture
def taros(world: World) -> int:
    """A conversation of 山田 太郎 in Support."""
    return world.mine


def test_tier_and_phase_are_written_shown_and_told(agent: Visitor, world: World, taros: int) -> None:
    assert f"/conversations/{taros}/customer" in agent.get(f"/conversations/{taros}").text
    page = agent.get(f"/conversations/{taros}/customer?box=open").text
    assert "<html" in page
    assert "<option>Tech touch</option>" in page
    assert "<option>Onboarding</option>" in page
    saved = agent.post(f"/conversations/{taros}/customer", TYPED | {"way_box": "open"})
    assert saved.location == f"/conversations/{taros}?box=open"
    shown = agent.get(saved.location).text
    panel = shown.split('data-part="panel"')[1]
    assert '<span class="visually-hidden">Tier: </span>VIP</a>' in panel
    assert '<span class="visually-hidden">Phase: </span>導入</a>' in panel
    assert "山田商店" in panel
    assert "Calls on Mondays." in panel
    assert "Aoi changed what is known of the customer: company “山田商店”, tier “VIP”, phase “導入”, note" in shown
    listed = agent.get("/inbox/open?tier=VIP&phase=導入").text
    assert "Broken lamp" in listed
    assert 'name="way_tier" value="VIP"' in listed, "it can be kept as a view"
    assert "Broken lamp" not in agent.get("/inbox/open?tier=Gold").text.split("data-rows")[1]
    agent.post(f"/conversations/{taros}/customer", TYPED | {"tier": ""})
    assert "Aoi changed what is known of the customer: no tier" in agent.get(f"/conversations/{taros}").text


def test_a_list_offers_the_tiers_and_phases_in_use_and_asks_for_them_as_rules_do(
    agent: Visitor, world: World, taros: int
) -> None:
    """Width, case and kana do not count, whoever wrote the tier down however."""
    agent.post(f"/conversations/{taros}/customer", TYPED | {"tier": "ＶＩＰ", "phase": "オンボーディング"})
    with db.transaction() as session:
        session.add_all(Person(tier=tier, created_at=datetime.now(UTC)) for tier in ("Ärger <b>", "vip"))
    page = agent.get("/inbox/open").text
    offered = page.split('id="tiers-in-use">')[1].split("</datalist>")[0]
    assert set(re.findall("<option>(.*?)</option>", offered)) == {"Ärger &lt;b&gt;", "ＶＩＰ", "vip"}
    assert "<option>オンボーディング</option>" in page.split('id="phases-in-use">')[1]
    assert 'list="tiers-in-use"' in page
    for asked in ("tier=vip", "tier=Vip&phase=ｵﾝﾎﾞｰﾃﾞｨﾝｸﾞ", "phase=おんぼーでぃんぐ"):
        listed = agent.get(f"/inbox/open?{asked}").text
        assert "Broken lamp" in listed.split("data-rows")[1], asked
        rows = agent.get(f"/inbox/open/rows?{asked}&id={taros}&id={world.free}").text
        assert f"/conversations/{taros}?" in rows
    for asked in ("tier=vi", "phase=オンホーディンク", "tier=gold"):
        assert "Broken lamp" not in agent.get(f"/inbox/open?{asked}").text.split("data-rows")[1], asked


def test_what_is_in_use_is_offered_before_what_is_usual_and_a_script_gets_the_form_alone(
    agent: Visitor, taros: int
) -> None:
    with db.transaction() as session:
        session.add_all(Person(tier=tier, created_at=datetime.now(UTC)) for tier in ("Ärger <b>", "VIP"))
    form = agent.get(f"/conversations/{taros}/customer", headers={"X-Fragment": "1"}).text
    assert form.startswith("<details")
    offered = form.split('id="customer-tiers">')[1].split("</datalist>")[0]
    assert offered.count("<option>VIP</option>") == 1
    assert offered.index("VIP") < offered.index("High touch")
    assert "Ärger &lt;b&gt;" in offered


def test_a_refused_note_stays_in_the_form_with_all_the_rest(agent: Visitor, taros: int) -> None:
    typed = TYPED | {"tier": "Gold <i>", "note": "x" * (profiles.LONGEST_NOTE + 1)}
    again = agent.post(f"/conversations/{taros}/customer", typed)
    assert again.status_code == 400
    assert "The note is too long." in again.text
    assert 'value="Gold &lt;i&gt;"' in again.text
    in_place = agent.post(f"/conversations/{taros}/customer", typed, headers={"X-Fragment": "1"})
    assert (in_place.status_code, in_place.headers["X-Field"], in_place.text) == (400, "note", "The note is too long.")
    with db.reading() as session:
        assert profiles.tiers(session) == ()


def test_a_conversation_without_a_customer_has_no_form(agent: Visitor, world: World) -> None:
    with db.transaction() as session:
        nobodys = a_conversation(session, session.merge(mailbox(world.support))).id
    assert agent.get(f"/conversations/{nobodys}/customer").status_code == 404
    assert agent.post(f"/conversations/{nobodys}/customer", TYPED).status_code == 404


@pytest.mark.only_on("sqlite")
def test_in_japanese_the_form_opens_in_the_panel_and_the_badges_follow(
    world: World, taros: int, served: str, signed_page: Callable[..., Page], tmp_path: Any
) -> None:
    with db.transaction() as session:
        session.get_one(User, world.users["agent"]).locale = "ja"
    page = signed_page("agent", viewport={"width": 1440, "height": 1000})
    page.goto(f"{served}/conversations/{taros}")
    panel = page.locator(".panel")
    panel.get_by_text("お客様の情報を編集").click()
    tier = panel.get_by_label("顧客層")
    expect(panel.get_by_label("名前")).to_be_focused()
    assert page.locator("#customer-tiers option").all_text_contents() == [
        "ハイタッチ",
        "ロータッチ",
        "テックタッチ",
        "VIP",
    ]
    assert page.locator("#customer-phases option").all_text_contents() == ["導入", "運用", "活用", "定着"]
    tier.fill("ハイタッチ")
    panel.get_by_label("段階").fill("運用")
    page.screenshot(path=tmp_path / "form.png")
    panel.get_by_label("段階").press("Enter")
    expect(panel.locator(".panel-tags")).to_contain_text("ハイタッチ")
    expect(page.locator("[data-thread]")).to_contain_text("顧客層「ハイタッチ」、段階「運用」")
    expect(panel.locator("form[action$=customer]")).to_have_count(0)
    page.screenshot(path=tmp_path / "panel.png")
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(f"{served}/conversations/{taros}/customer")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.screenshot(path=tmp_path / "phone.png", full_page=True)
