"""Composer and conversation in a real Chromium: typing, IME, pasting, files, colleagues, keys, no scripts, axe."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import select

from inbox import db, drafts, people, presence, replies
from inbox.models import Claim, Conversation, Draft, DraftFile, Outgoing, ReadMark, User
from tests.inbox.cast import a_message
from tests.servers.valkey import Valkey
from tests.web.axe import violations
from tests.web.conftest import World, conversation
from tests.web.stories import a_draft, an_answer, until

PHONE = {"width": 390, "height": 844}
pytestmark = pytest.mark.only_on("sqlite")
Open = Callable[..., Page]


@pytest.fixture
def desk(served: str, signed_page: Open, world: World, valkey: Valkey) -> Page:
    """Aoi's browser with the conversation 届きません open."""
    page = signed_page("agent")
    page.goto(f"{served}/conversations/{world.free}?box=open")
    page.wait_for_selector("#push[data-connected]", state="attached")
    page.wait_for_selector("[data-conversation][data-live]")
    return page


def kept() -> Draft | None:
    with db.reading() as session:
        return session.scalars(select(Draft).order_by(Draft.id.desc())).first()


def writing(page: Page) -> Any:
    """Opens a reply by its key and returns the editor, focused."""
    page.keyboard.press("r")
    editor = page.get_by_role("textbox", name="Text of the mail")
    expect(editor).to_be_focused()
    return editor


def test_what_is_typed_is_saved_by_itself_and_claims_the_conversation(desk: Page, world: World) -> None:
    writing(desk)
    desk.keyboard.type("Thank you")
    expect(desk.locator("[data-save-state]")).to_contain_text("Saved")
    assert kept().html == "<div>Thank you</div>"  # type: ignore[union-attr]
    with db.reading() as session:
        assert session.scalars(select(Claim)).one().user_id == world.users["agent"]
    desk.reload()
    expect(desk.get_by_role("textbox", name="Text of the mail")).to_have_text("Thank you")


def test_enter_of_an_input_method_writes_and_never_sends(desk: Page, world: World) -> None:
    editor = writing(desk)
    wire = desk.context.new_cdp_session(desk)
    wire.send("Input.imeSetComposition", {"text": "にほん", "selectionStart": 3, "selectionEnd": 3})
    desk.keyboard.press("Enter")
    wire.send("Input.insertText", {"text": "日本"})
    desk.keyboard.type("です")
    expect(editor).to_contain_text("日本です")
    desk.locator("input[name=subject]").focus()
    wire.send("Input.imeSetComposition", {"text": "けん", "selectionStart": 2, "selectionEnd": 2})
    desk.keyboard.press("Enter")
    wire.send("Input.insertText", {"text": "件"})
    desk.keyboard.press("Enter")  # a plain one: to the text, it sends nothing
    expect(editor).to_be_focused()
    assert desk.url.startswith(desk.url.partition("?")[0])
    with db.reading() as session:
        assert session.scalars(select(Outgoing).where(Outgoing.draft_id.is_not(None))).all() == []


def test_ctrl_enter_sends_and_the_way_back_is_a_key_away(desk: Page, world: World) -> None:
    writing(desk)
    desk.keyboard.type("On its way.")
    desk.keyboard.press("Control+Enter")
    desk.wait_for_url(f"**/conversations/{world.mine}**")
    until(lambda: conversation(world.free).status == "closed")
    expect(desk.locator(".told-left")).to_contain_text("s")
    desk.get_by_role("button", name="Undo").click()
    desk.wait_for_url(f"**/conversations/{world.free}?draft=**")
    expect(desk.get_by_role("textbox", name="Text of the mail")).to_contain_text("On its way.")


def test_the_toolbar_and_links_make_plain_tags(desk: Page) -> None:
    writing(desk)
    desk.keyboard.press("Control+b")
    desk.keyboard.type("bold")
    desk.keyboard.press("Control+b")
    desk.keyboard.press("Enter")
    desk.get_by_role("button", name="List", exact=True).click()
    desk.keyboard.type("one")
    expect(desk.get_by_role("button", name="List", exact=True)).to_have_attribute("aria-pressed", "true")
    desk.keyboard.press("Enter")
    desk.keyboard.type("two")
    desk.keyboard.press("Shift+Home")
    desk.get_by_role("button", name="Link", exact=True).click()
    desk.get_by_label("Link to").fill("shop.example/help")
    desk.keyboard.press("Enter")
    html = until(lambda: (found := kept()) and "shop.example" in found.html and found.html)
    assert "<b>bold</b>" in html
    assert "<ul><li>" in html
    assert 'href="https://shop.example/help"' in html


def test_pasted_tables_come_clean_and_nothing_of_them_runs(desk: Page) -> None:
    editor = writing(desk)
    editor.evaluate(
        """(place, html) => { const data = new DataTransfer();
        data.setData("text/html", html); data.setData("text/plain", "x");
        const paste = { clipboardData: data, bubbles: true, cancelable: true };
        place.dispatchEvent(new ClipboardEvent("paste", paste)); }""",
        '<table style="color:white"><tr><td onclick="document.title=1">A</td><td>B</td></tr></table>'
        "<ol><li>first</li></ol>"
        '<img src=x onerror="document.title=\'run\'"><img src="https://tracker.invalid/p.gif"><script>document.title="run"</script>',
    )
    html = until(lambda: (found := kept()) and "<table" in found.html and found.html)
    assert "<td>A" in html
    assert "<ol><li>" in html
    for gone in ("style=", "onclick", "onerror", "tracker", "script"):
        assert gone not in html
    assert "run" not in desk.title()


@pytest.mark.parametrize("beside", ["", '<img src="https://elsewhere.example/shot.png">'])
def test_a_pasted_picture_stands_in_the_text(desk: Page, beside: str) -> None:
    """`beside`: what "Copy image" of a browser puts on the clipboard together with it."""
    editor = writing(desk)
    desk.keyboard.type("See ")
    editor.evaluate(
        """async (place, beside) => { const canvas = document.createElement("canvas"); canvas.width = canvas.height = 4;
        const blob = await new Promise((done) => canvas.toBlob(done, "image/png"));
        const data = new DataTransfer(); data.items.add(new File([blob], "shot.png", { type: "image/png" }));
        if (beside) data.setData("text/html", beside);
        const paste = { clipboardData: data, bubbles: true, cancelable: true };
        place.dispatchEvent(new ClipboardEvent("paste", paste)); }""",
        beside,
    )
    expect(editor.locator("img")).to_have_attribute("src", re.compile(r"^/drafts/\d+/files/\d+$"))
    until(lambda: (found := kept()) and 'src="cid:' in found.html)
    desk.get_by_role("button", name="Remove shot.png").click()
    expect(editor.locator("img")).to_have_count(0)


def test_files_are_dropped_with_progress_and_too_large_ones_refused(desk: Page, world: World) -> None:
    writing(desk)
    drop = """(place, size) => { const data = new DataTransfer();
        data.items.add(new File([new Uint8Array(size)], `f${size}.bin`));
        place.dispatchEvent(new DragEvent("drop", { dataTransfer: data, bubbles: true, cancelable: true })); }"""
    composer = desk.locator("[data-composer]")
    composer.evaluate(drop, 5_000)
    expect(composer.get_by_role("link", name="f5000.bin")).to_be_visible()
    composer.evaluate(drop, 26_000_000)
    expect(composer.locator(".file-refused")).to_contain_text("Too large")
    with db.reading() as session:
        assert [file.name for file in session.scalars(select(DraftFile))] == ["f5000.bin"]


def test_a_failed_save_keeps_the_words_says_so_and_tries_again(desk: Page) -> None:
    writing(desk)
    desk.route("**/drafts/*", lambda route: route.abort() if route.request.method == "POST" else route.fallback())
    desk.keyboard.type("Do not lose me")
    expect(desk.locator("[data-save-state]")).to_contain_text("Your words stay on this page")
    expect(desk.get_by_role("textbox", name="Text of the mail")).to_have_text("Do not lose me")
    desk.unroute("**/drafts/*")
    expect(desk.locator("[data-save-state]")).to_contain_text("Saved", timeout=10_000)
    assert "Do not lose me" in kept().html  # type: ignore[union-attr]


def test_two_devices_do_not_overwrite_each_other(desk: Page, served: str, signed_page: Open) -> None:
    writing(desk)
    desk.keyboard.type("From the desk")
    expect(desk.locator("[data-save-state]")).to_contain_text("Saved")
    phone = signed_page("agent", viewport=PHONE)
    phone.goto(desk.url)
    phone.get_by_role("textbox", name="Text of the mail").click()
    phone.keyboard.type("From the phone. ")
    expect(phone.locator("[data-save-state]")).to_contain_text("Saved")
    desk.get_by_role("textbox", name="Text of the mail").click()
    desk.keyboard.type("!")
    expect(desk.locator("[data-conflict]")).to_be_visible()
    assert "phone" in kept().html  # type: ignore[union-attr]
    desk.get_by_role("button", name="Keep this version").click()
    until(lambda: "phone" not in (kept().html if kept() else ""))  # type: ignore[union-attr]


def test_a_mail_that_arrives_is_shown_without_touching_the_words(desk: Page, world: World) -> None:
    editor = writing(desk)
    desk.keyboard.type("Half a sent")
    with db.transaction() as session:
        a_message(session, session.get_one(Conversation, world.free), "One thing more!", at=datetime.now(UTC))
    expect(desk.locator(".msg .words", has_text="One thing more!")).to_be_visible()
    banner = desk.locator("[data-arrived]")
    expect(banner).to_be_visible()
    desk.keyboard.type("ence")
    expect(editor).to_have_text("Half a sentence")
    desk.keyboard.press("Control+Enter")
    expect(desk.get_by_role("heading", name="Your answer was stopped")).to_be_visible()
    desk.get_by_role("button", name="Edit my answer").click()
    expect(desk.get_by_role("textbox", name="Text of the mail")).to_have_text("Half a sentence")
    desk.keyboard.press("Control+Enter")
    until(lambda: conversation(world.free).status == "closed")
    expect(desk.get_by_role("button", name="Undo")).to_be_visible()


def test_having_read_what_arrived_is_enough_to_send(desk: Page, world: World) -> None:
    writing(desk)
    desk.keyboard.type("Answer")
    with db.transaction() as session:
        a_message(session, session.get_one(Conversation, world.free), "And also this.", at=datetime.now(UTC))
    desk.get_by_role("button", name="I have read it").click()
    desk.keyboard.press("Control+Enter")
    until(lambda: conversation(world.free).status == "closed")
    expect(desk.get_by_role("button", name="Undo")).to_be_visible()


def test_a_colleague_who_writes_is_seen_within_a_moment(desk: Page, world: World) -> None:
    with db.transaction() as session:
        mei = people.viewer(session, world.users["manager"], 0)
        assert mei is not None
        presence.claim(session, mei, world.free, now=datetime.now(UTC))
    expect(desk.get_by_text("Mei is writing")).to_be_visible()
    writing(desk)
    expect(desk.get_by_text("Mei is writing an answer")).to_be_visible()
    desk.keyboard.type("Me too")
    expect(desk.locator("[data-save-state]")).to_contain_text("Saved")
    desk.reload()  # the whole page says it, too, and one writes on
    expect(desk.get_by_role("textbox", name="Text of the mail")).to_be_focused()
    expect(desk.get_by_text("Mei is writing an answer")).to_be_visible()
    desk.get_by_text("Take over", exact=True).click()
    desk.get_by_label("Reason").fill("She is at lunch")
    desk.get_by_role("button", name="I write the answer").click()
    expect(desk.get_by_text("Mei: She is at lunch")).to_be_visible()
    expect(desk.get_by_role("textbox", name="Text of the mail")).to_have_text("Me too")


def test_a_colleagues_answer_appears_in_the_open_page(desk: Page, world: World) -> None:
    with db.transaction() as session:
        mei = people.viewer(session, world.users["manager"], 0)
        assert mei is not None
        draft = a_draft(session, mei, world.free, "Done by Mei", now=datetime.now(UTC))
        replies.send(session, mei, draft.id, seen_version=draft.seen_version, next_status="open", now=datetime.now(UTC))
    expect(desk.locator(".msg .words", has_text="Done by Mei")).to_be_visible()
    until(lambda: read_version(world) == conversation(world.free).version)


def read_version(world: World) -> int:
    with db.reading() as session:
        mark = session.get(ReadMark, (world.users["agent"], world.free))
        return mark.version if mark else 0


def test_keys_do_what_the_buttons_do(desk: Page, world: World) -> None:
    desk.keyboard.press("i")
    expect(desk.get_by_text("Aoi took it")).to_be_visible()
    assert conversation(world.free).owner_id == world.users["agent"]
    desk.keyboard.press("n")
    desk.keyboard.type("A note by keys")
    desk.get_by_role("button", name="Add the note").click()
    expect(desk.get_by_text("A note by keys")).to_be_visible()
    desk.keyboard.press("j")
    desk.wait_for_url(f"**/conversations/{world.mine}?box=open")
    desk.keyboard.press("k")
    desk.wait_for_url(f"**/conversations/{world.free}?box=open")
    desk.keyboard.press("s")
    expect(desk.get_by_role("button", name="Tomorrow morning")).to_be_visible()
    desk.keyboard.press("Escape")
    desk.keyboard.press("e")
    until(lambda: conversation(world.free).status == "closed")
    desk.wait_for_url(f"**/conversations/{world.mine}?box=open")
    desk.keyboard.press("!")
    until(lambda: conversation(world.mine).status == "spam")
    expect(desk.get_by_role("button", name="Undo")).to_be_visible()


def test_everything_works_without_scripts(served: str, signed_page: Open, world: World) -> None:
    page = signed_page("agent", java_script_enabled=False)
    page.goto(f"{served}/conversations/{world.free}?box=open")
    page.get_by_role("button", name="Reply", exact=True).first.click()
    page.get_by_role("textbox", name="Text of the mail").fill("Plain words")
    page.locator("input[name=file]").set_input_files({"name": "a.txt", "mimeType": "text/plain", "buffer": b"abc"})
    page.get_by_role("button", name="Attach these").click()
    expect(page.get_by_role("link", name="a.txt")).to_be_visible()
    expect(page.get_by_role("textbox", name="Text of the mail")).to_have_value("Plain words")
    page.get_by_label("Subject").press("Enter")
    assert "The draft is saved." in page.content(), "Enter in a line saves, it does not send"
    page.get_by_role("button", name="Send and close").first.click()
    page.get_by_role("button", name="Undo").first.click()
    expect(page.get_by_role("textbox", name="Text of the mail")).to_have_value("Plain words")


def test_on_a_phone_one_reads_who_wrote_and_what_became_of_it(served: str, signed_page: Open, world: World) -> None:
    with db.transaction() as session:
        who = people.of(session, session.get_one(User, world.users["agent"]))
        sent = an_answer(session, who, world.free, now=datetime.now(UTC))
        session.get_one(Outgoing, sent.outgoing_id).state = "failed"
        session.get_one(Conversation, world.free).trouble = "failed"
        session.get_one(User, who.id).name = "Aoi Tanaka-Yamamoto-Ito"
    page = signed_page("agent", viewport=PHONE)
    page.goto(f"{served}/conversations/{world.free}")
    head = page.locator(".msg-out .msg-head")
    for part in (head.locator(".msg-name"), head.locator(".tag")):
        for one in part.all():
            assert one.evaluate("one => one.scrollWidth <= one.clientWidth"), one.inner_text()
            box = one.bounding_box()
            assert box is not None
            assert box["x"] + box["width"] <= PHONE["width"] - 50, one.inner_text()


def test_who_comes_to_a_draft_by_its_address_writes_at_once(served: str, signed_page: Open, world: World) -> None:
    with db.transaction() as session:
        who = people.of(session, session.get_one(User, world.users["agent"]))
        draft = drafts.start(session, who, "reply", conversation_id=world.free, now=datetime.now(UTC))
        drafts.save(session, who, draft.id, rev=draft.rev, fields={"text": "Words"}, now=datetime.now(UTC))
    page = signed_page("agent")
    page.goto(f"{served}/drafts")
    page.get_by_role("link", name=re.compile("Re: 届きません")).click()
    page.wait_for_url("**#composer")
    page.wait_for_selector("[data-conversation][data-live]")
    page.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")  # it was shown
    page.keyboard.type(" e")
    expect(page.get_by_role("textbox", name="Text of the mail")).to_have_text("Words e")
    assert conversation(world.free).status == "open", "a letter is no key"


@pytest.mark.parametrize("scripts", [True, False])
def test_what_is_refused_stands_before_the_eyes_at_its_field(
    served: str, signed_page: Open, world: World, scripts: bool
) -> None:
    with db.transaction() as session:
        story = session.get_one(Conversation, world.free)
        for n in range(3):
            a_message(session, story, "One line of many\n" * 40, at=datetime.now(UTC), subject=f"Long {n}")
        who = people.of(session, session.get_one(User, world.users["agent"]))
        draft = drafts.start(session, who, "reply", conversation_id=story.id, now=datetime.now(UTC))
        fields = {"text": "Words that stay", "to": ()}
        drafts.save(session, who, draft.id, rev=draft.rev, fields=fields, now=datetime.now(UTC))
    page = signed_page("agent", java_script_enabled=scripts)
    page.goto(f"{served}/conversations/{world.free}?box=open")
    page.get_by_role("button", name="Reply", exact=True).first.click()
    page.get_by_role("button", name="Send and close").first.click()
    expect(page.get_by_label("To", exact=True)).to_be_focused()
    expect(page.get_by_text("Say to whom it shall go.")).to_be_in_viewport()
    page.get_by_label("To", exact=True).fill("taro@example.jp")
    words = page.get_by_role("textbox", name="Text of the mail")
    words.fill("")
    page.get_by_role("button", name="Send and close").first.click()
    expect(words).to_be_focused()
    expect(page.get_by_text("Write something first.")).to_be_in_viewport()


def test_on_a_phone_every_way_to_send_can_be_read(served: str, signed_page: Open, world: World) -> None:
    page = signed_page("agent", viewport=PHONE)
    page.goto(f"{served}/conversations/{world.free}?box=open")
    page.get_by_role("button", name="Reply", exact=True).first.click()
    page.get_by_label("Other ways to send").click()
    for way in ("Send and close", "Send and wait for the customer", "Send and keep open"):
        button = page.locator(".send-more").get_by_role("button", name=way)
        expect(button).to_be_visible()
        box = button.bounding_box()
        assert box is not None
        assert box["x"] >= 0, way
        assert box["x"] + box["width"] <= PHONE["width"], way


@pytest.mark.parametrize(("theme", "size"), [("light", {"width": 1440, "height": 900}), ("dark", PHONE)])
def test_axe_finds_nothing(served: str, signed_page: Open, world: World, theme: str, size: dict[str, int]) -> None:
    page = signed_page("agent", viewport=size, color_scheme=theme)
    wrong = []
    for path in (f"/conversations/{world.free}?box=open", "reply", "/drafts"):
        if path == "reply":
            page.keyboard.press("r")
            page.get_by_role("textbox", name="Text of the mail").wait_for()
            page.keyboard.type("words")
        else:
            page.goto(served + path)
        page.evaluate(
            "document.querySelector('main').firstElementChild.scrollIntoView()"
        )  # nothing half under the top bar
        wrong += [f"{path}: {one}" for one in violations(page)]
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "nothing is wider than the screen"
    assert wrong == []


def test_a_forgotten_attachment_is_asked_about_before_sending(desk: Page, world: World) -> None:
    writing(desk)
    desk.keyboard.type("請求書を添付します。")
    desk.keyboard.press("Control+Enter")
    expect(desk.get_by_role("heading", name="Check before sending")).to_be_visible()
    assert conversation(world.free).status == "open"
    desk.get_by_label("speaks of an attachment").check()
    desk.keyboard.press("Control+Enter")
    until(lambda: conversation(world.free).status == "closed")
    expect(desk.get_by_role("button", name="Undo")).to_be_visible()


def test_another_kind_of_answer_takes_the_place_only_when_the_words_are_safe(desk: Page, world: World) -> None:
    writing(desk)
    desk.keyboard.type("First words")
    desk.get_by_label("More for this mail").first.click()
    desk.locator(".msg-menu").get_by_role("button", name="Forward").click()
    expect(desk.get_by_role("region", name="Forward")).to_be_visible()
    with db.reading() as session:
        drafts = {one.kind: one.html for one in session.scalars(select(Draft))}
    assert "First words" in drafts["reply"]
    expect(desk.get_by_role("link", name="Go on with your answer")).to_be_visible()


def test_what_one_does_with_the_conversation_leaves_the_composer_open(desk: Page, world: World) -> None:
    editor = writing(desk)
    desk.keyboard.type("Half a sentence")
    desk.locator("#menu-tag summary").click()
    desk.locator("#menu-tag input[name=tag]").fill("returns")
    desk.keyboard.press("Enter")
    expect(desk.locator("[data-part=head] .tag-form")).to_contain_text("returns")
    expect(editor).to_have_text("Half a sentence")
    editor.focus()
    desk.keyboard.press("End")
    desk.keyboard.type(" and its end")
    expect(desk.locator("[data-save-state]")).to_contain_text("Saved")
    until(lambda: kept().html == "<div>Half a sentence and its end</div>")  # type: ignore[union-attr]


def test_a_composer_that_was_only_opened_is_no_draft(desk: Page, served: str) -> None:
    writing(desk)
    desk.goto(f"{served}/drafts")
    expect(desk.get_by_text("No drafts")).to_be_visible()
