"""The rule editor in a real Chromium, in Japanese: lines, groups, a mistake, dry run, switching on; also on a phone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import select

from inbox import db
from inbox.models import Rule, RuleVersion, User
from tests.web.axe import violations
from tests.web.conftest import World

pytestmark = pytest.mark.only_on("sqlite")


@pytest.fixture
def mei(world: World) -> World:
    """The manager reads Japanese."""
    with db.transaction() as session:
        session.get_one(User, world.users["manager"]).locale = "ja"
    return world


def test_a_rule_is_written_tried_and_switched_on_in_japanese(
    mei: World, served: str, signed_page: Callable[..., Any]
) -> None:
    page = signed_page("manager", locale="ja-JP")
    page.goto(f"{served}/rules")
    page.get_by_role("link", name="ルールを追加").first.click()
    page.get_by_label("ルール名").fill("照明の問い合わせ")
    page.locator("[id='condition.how']").select_option(label="いずれかの条件を満たす")
    page.locator("[id='condition.0.values']").fill("lamp\nライト")
    page.get_by_role("button", name="条件を追加", exact=True).click()
    page.locator("[id='condition.1.field']").select_option(label="添付ファイルの数")  # draws the line anew
    page.locator("[id='condition.1.operator']").select_option(label="次の値以上である")
    page.wait_for_selector("input[id='condition.1.values']")
    page.locator("[id='actions.0.do']").select_option(label="優先度を変える")
    page.locator("[id='actions.0.priority']").select_option(label="高")
    assert page.locator("[id='condition.0.values']").input_value() == "lamp\nライト"

    page.get_by_role("button", name="保存して試す").click()  # a number is missing
    page.wait_for_selector("[id='condition.1.values-error']")
    assert page.locator("[id='condition.1.values']").get_attribute("aria-invalid") == "true"
    assert violations(page) == []
    page.locator("[id='condition.1.values']").fill("3")
    page.get_by_role("button", name="保存して試す").click()

    page.wait_for_selector(".rule-count")
    assert page.locator(".rule-count strong").inner_text() == "1件のメールが対象になります"
    sentence = page.locator(".rule-sentence").inner_text()
    assert sentence == (
        "メールが届いたとき、件名に「lamp」または「ライト」を含む、または添付ファイルの数が3以上であるなら、優先度を高にする。"
    )
    assert page.get_by_role("link", name="Broken lamp").is_visible()
    assert violations(page) == []
    page.get_by_role("button", name="オンにする").click()
    page.wait_for_selector(".rules")
    assert violations(page) == []
    with db.reading() as session:
        rule = session.scalars(select(Rule)).one()
        body = session.get_one(RuleVersion, (rule.id, 1)).body
    assert rule.enabled
    assert body["condition"]["any"][1] == {"field": "attachment_count", "operator": "at_least", "values": [3]}


def test_rules_are_ordered_by_dragging_and_the_editor_fits_a_phone(
    mei: World, served: str, signed_page: Callable[..., Any]
) -> None:
    page = signed_page("manager", locale="ja-JP")
    for name in ("一番", "二番"):
        page.goto(f"{served}/rules/new")
        page.get_by_label("ルール名").fill(name)
        page.locator("[id='condition.0.values']").fill("x")
        page.locator("[id='actions.0.do']").select_option("spam")
        page.get_by_role("button", name="保存して試す").click()
        page.wait_for_selector(".rule-count")
    page.goto(f"{served}/rules")
    assert page.locator(".rule-name > a").all_inner_texts() == ["一番", "二番"]
    with page.expect_navigation():
        page.locator(".rule-row").nth(1).drag_to(page.locator(".rule-row").nth(0), target_position={"x": 20, "y": 2})
    page.wait_for_selector(".rules")
    assert page.locator(".rule-name > a").all_inner_texts() == ["二番", "一番"]

    page.set_viewport_size({"width": 390, "height": 844})
    for path in ("/rules", "/rules/new", "/teams", "/teams/new"):
        page.goto(served + path)
        wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert wide <= 0, path


def test_a_text_is_written_and_chosen_in_a_rule(mei: World, served: str, signed_page: Callable[..., Any]) -> None:
    page = signed_page("manager", locale="ja-JP")
    page.goto(f"{served}/answers/texts")
    page.get_by_role("link", name="返信文を追加").first.click()
    page.get_by_label("名前", exact=True).fill("カタログ")
    page.locator("#rule_ja_subject").fill("カタログのご案内")
    page.locator("#rule_ja_text").fill("{nmae} 様")
    page.get_by_role("button", name="保存").click()
    page.wait_for_selector("#rule_ja_text-error")
    assert violations(page) == []
    page.locator("#rule_ja_text").fill("{name} 様\n\nこちらです。")
    page.get_by_role("button", name="プレビュー").click()
    assert "山田 太郎 様" in page.locator("#preview").inner_text()
    assert violations(page) == []
    page.get_by_role("button", name="保存").click()
    page.wait_for_url("**/answers/texts")
    assert violations(page) == []
    page.goto(f"{served}/rules/new")
    page.locator("[id='actions.0.do']").select_option(label="返信文で自動返信する")  # draws the line anew
    page.locator("[id='actions.0.template_id']").select_option(label="カタログ")
    assert violations(page) == []
    page.set_viewport_size({"width": 360, "height": 740})
    for path in ("/answers/texts", "/answers/texts/new", "/rules/new"):
        page.goto(served + path)
        assert page.evaluate("document.documentElement.scrollWidth") <= 360, path
