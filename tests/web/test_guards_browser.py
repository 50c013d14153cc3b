"""Safe sending in a real Chromium, in Japanese: send check, approval with 差戻し, changes side by side, axe, phone."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import select
from sqlalchemy.orm import Session

from inbox import db
from inbox.models import Approval, ApprovalPolicy, ApproverPool, Draft, SendRule, User
from routing.sendcheck import SendRules, rules_to_json
from tests.web.axe import violations
from tests.web.conftest import World, conversation
from tests.web.stories import until

pytestmark = pytest.mark.only_on("sqlite")
Open = Callable[..., Page]


@pytest.fixture
def japanese(world: World) -> World:
    with db.transaction() as session:
        for user in session.scalars(select(User)):
            user.locale = "ja"
    return world


def write(page: Page, served: str, world: World, words: str) -> None:
    page.goto(f"{served}/conversations/{world.free}")
    page.locator(".answer-bar").get_by_role("button", name="返信", exact=True).click()
    page.locator("[data-editor]").click()
    page.keyboard.type(words)
    page.keyboard.press("Control+Enter")


def in_order(page: Page) -> None:
    """Nobody is kept out, and nothing is wider than the screen."""
    assert violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.parametrize("width", [1280, 390])
def test_nothing_leaves_before_all_is_ticked(japanese: World, served: str, signed_page: Open, width: int) -> None:
    with db.transaction() as session:
        rules = rules_to_json(SendRules(ask="always", words=("極秘",)))
        session.add(SendRule(mailbox_id=japanese.support, rules=rules))
    page = signed_page("agent", viewport={"width": width, "height": 844})
    write(page, served, japanese, "鈴木様 極秘の資料を添付します。")
    expect(page.get_by_role("heading", name="送信確認")).to_be_visible()
    expect(page.get_by_text("警告ワード「極秘」")).to_be_visible()
    expect(page.get_by_text("宛名「鈴木」")).to_be_visible()
    expect(page.get_by_text("添付ファイルがないのに")).to_be_visible()
    in_order(page)
    page.get_by_role("button", name="送信", exact=True).click()
    expect(page.locator("#look-left")).to_contain_text("まだチェックしていない項目が 4 件")
    assert conversation(japanese.free).status == "open"
    for box in page.get_by_role("checkbox").all():
        box.check()
    page.keyboard.press("Control+Enter")
    until(lambda: conversation(japanese.free).status == "closed")


def everything_needs_approval(session: Session, world: World) -> None:
    """The manager approves."""
    pool = ApproverPool(body={"name": "責任者", "approvers": [world.users["manager"]]})
    session.add(pool)
    session.flush()
    session.add(ApprovalPolicy(body={"name": "全件", "pool": pool.id}))


@pytest.mark.parametrize("width", [1280, 390])
def test_a_mail_is_returned_asked_for_again_corrected_and_sent(
    japanese: World, served: str, signed_page: Open, width: int
) -> None:
    with db.transaction() as session:
        everything_needs_approval(session, japanese)
    screen = {"width": width, "height": 844}
    agent, manager = signed_page("agent", viewport=screen), signed_page("manager", viewport=screen)
    write(agent, served, japanese, "昨日発送しました。")
    agent.get_by_label("承認者へのコメント").fill("ご確認ください")
    in_order(agent)
    agent.get_by_role("button", name="承認を依頼").click()
    manager.goto(served + "/approvals")
    in_order(manager)
    manager.get_by_role("link", name="Re: 届きません").click()
    expect(manager.get_by_text("ご確認ください")).to_be_visible()
    in_order(manager)
    manager.get_by_label("作成者へのコメント").fill("日付を入れてください")
    manager.get_by_role("button", name="差戻し").click()
    expect(manager.get_by_text("作成者に差し戻しました。")).to_be_visible()
    agent.goto(served + "/drafts")
    expect(agent.get_by_text("下書きに戻ったメールが 1 通あります。")).to_be_visible()
    agent.locator(".draft-link").click()
    expect(agent.get_by_text("承認者がこのメールを差し戻しました。")).to_be_visible()
    agent.locator("[data-editor]").click()
    agent.keyboard.press("Control+End")
    agent.keyboard.type(" 20日です。")
    agent.keyboard.press("Control+Enter")
    agent.get_by_role("button", name="承認を依頼").click()
    until(lambda: waiting() == 1)
    manager.goto(served + "/approvals")
    manager.locator(".plain-rows").first.get_by_role("link", name="Re: 届きません").click()
    manager.locator("[data-editor]").click()
    manager.keyboard.press("Control+a")
    manager.keyboard.type("11月20日に発送しました。")
    manager.get_by_role("button", name="送信", exact=True).click()
    until(lambda: conversation(japanese.free).status == "closed")
    agent.goto(f"{served}/conversations/{japanese.free}")
    expect(agent.get_by_text("承認者: Mei")).to_be_visible()
    with db.reading() as session:
        last = session.scalars(select(Approval.id).order_by(Approval.id.desc())).first()
    agent.goto(f"{served}/approvals/{last}")
    expect(agent.locator(".diff del").first).to_be_visible()
    expect(agent.locator(".diff ins").first).to_contain_text("11月")
    in_order(agent)


@pytest.mark.parametrize("width", [1280, 390])
def test_the_approver_writes_in_the_editor_and_changes_the_files(
    japanese: World, served: str, signed_page: Open, width: int
) -> None:
    with db.transaction() as session:
        everything_needs_approval(session, japanese)
        session.add(SendRule(mailbox_id=japanese.support, rules=rules_to_json(SendRules(ask="always"))))
    screen = {"width": width, "height": 844}
    agent, manager = signed_page("agent", viewport=screen), signed_page("manager", viewport=screen)
    agent.goto(f"{served}/conversations/{japanese.free}")
    agent.locator(".answer-bar").get_by_role("button", name="返信", exact=True).click()
    agent.locator("[data-file-picker]").set_input_files({"name": "価格.txt", "mimeType": "text/plain", "buffer": b"1"})
    expect(agent.get_by_role("link", name="価格.txt")).to_be_visible()
    agent.locator("[data-editor]").click()
    agent.keyboard.press("Control+b")
    agent.keyboard.type("発送しました。")
    agent.keyboard.press("Control+Enter")
    expect(agent.get_by_role("heading", name="送信確認")).to_be_visible()
    for box in agent.get_by_role("checkbox").all():
        box.check()
    agent.get_by_role("button", name="承認を依頼").click()
    until(lambda: waiting() == 1)
    with db.reading() as session:
        asked = session.scalars(select(Approval)).one()
        words = asked.asked_with["html"]
    assert "<b>発送しました。</b>" in words
    manager.goto(f"{served}/approvals/{asked.id}")
    editor = manager.locator("[data-editor]")
    expect(editor.locator("b")).to_have_text("発送しました。")
    manager.get_by_label("件名").fill("Re: 発送のご連絡")
    manager.locator("[data-file-picker]").set_input_files(
        {"name": "地図.txt", "mimeType": "text/plain", "buffer": b"2"}
    )
    expect(manager.get_by_role("link", name="地図.txt")).to_be_visible()
    manager.get_by_label("価格.txt を削除").check()
    in_order(manager)
    manager.get_by_role("button", name="送信", exact=True).click()
    expect(manager.get_by_text("変更した内容に確認が必要です。")).to_be_visible()
    in_order(manager)
    for box in manager.locator("[name=tick]").all():
        box.check()
    expect(manager.get_by_label("価格.txt を削除")).to_be_checked()
    editor.click()
    manager.keyboard.press("Control+End")
    manager.keyboard.type(" 20日です。")
    manager.get_by_role("button", name="送信", exact=True).click()
    until(lambda: conversation(japanese.free).status == "closed")
    with db.reading() as session:
        done = session.get_one(Approval, asked.id)
    assert done.left_as is not None
    assert "<b>発送しました。 20日です。</b>" in done.left_as["html"].replace("\xa0", " ").replace("&nbsp;", " ")
    assert [name for name, _ in done.left_as["files"]] == ["地図.txt"]
    agent.goto(f"{served}/approvals/{asked.id}")
    expect(agent.locator("del", has_text="価格.txt")).to_be_visible()
    expect(agent.locator("ins", has_text="地図.txt")).to_be_visible()
    in_order(agent)


def test_rich_words_that_the_approver_only_looked_at_stay_to_the_byte(
    japanese: World, served: str, signed_page: Open
) -> None:
    a_request = '<div style="color:red">赤い<font face="serif">文字</font></div>\n<p>次の行</p>'
    with db.transaction() as session:
        everything_needs_approval(session, japanese)
    agent, manager = signed_page("agent"), signed_page("manager")
    write(agent, served, japanese, "赤い文字")
    agent.get_by_role("button", name="承認を依頼").click()
    until(lambda: waiting() == 1)
    with db.transaction() as session:
        asked = session.scalars(select(Approval)).one()
        draft = session.get_one(Draft, asked.draft_id)
        draft.html, asked.asked_with = a_request, asked.asked_with | {"html": a_request}
    manager.goto(f"{served}/approvals/{asked.id}")
    expect(manager.locator("[data-editor]")).to_contain_text("赤い文字")
    manager.get_by_label("件名").fill("Re: 変更")
    manager.get_by_role("button", name="送信", exact=True).click()
    until(lambda: conversation(japanese.free).status == "closed")
    with db.reading() as session:
        assert session.get_one(Draft, asked.draft_id).html == a_request


def waiting() -> int:
    with db.reading() as session:
        return len(session.scalars(select(Approval.id).where(Approval.state == "asked")).all())


def test_the_rooms_of_safe_sending_keep_nobody_out(japanese: World, served: str, signed_page: Open) -> None:
    page = signed_page("manager", viewport={"width": 390, "height": 844})
    for path in (
        "/guards",
        f"/guards/mailboxes/{japanese.support}",
        "/guards/near-misses",
        "/guards/approvers/new",
        "/guards/policies/new",
        "/approvals",
    ):
        page.goto(served + path)
        in_order(page)
