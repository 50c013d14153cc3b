"""The bell and its page, following, mentions in notes with and without JavaScript, the choices."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from playwright.sync_api import expect
from sqlalchemy import select

from inbox import db, people, triage
from inbox.models import Note, Team, TeamMember, User
from tests.web.conftest import Visitor, World
from tests.web.stories import until
from tests.web.test_push import listening as listening
from tests.web.test_push import warm


def note_of(world: World, text: str, *, by: str = "manager", on: int | None = None) -> None:
    with db.transaction() as session:
        who = people.of(session, session.get_one(User, world.users[by]))
        triage.note(session, who, on or world.mine, text, now=datetime.now(UTC))


def a_note(page: Any, served: str, world: World) -> Any:
    """Opens one's own conversation and in it the field for a note, by its key."""
    page.goto(f"{served}/conversations/{world.mine}")
    page.wait_for_selector("[data-conversation][data-live]")
    page.keyboard.press("n")
    return page.locator("#note-text")


def unread(visitor: Visitor) -> int:
    return json.loads(visitor.get("/inbox/counts").text)["bell"]


def test_a_mention_stands_at_the_bell_and_on_the_page_until_it_was_read(agent: Visitor, world: World) -> None:
    note_of(world, "@Aoi please call <them>")
    assert '<span class="bell-count" data-count="bell">1</span>' in agent.get("/inbox/open").text
    page = agent.get("/notifications").text
    assert "Mei mentioned you: @Aoi please call &lt;them&gt;" in page
    assert f'href="/conversations/{world.mine}"' in page
    assert (
        '<span class="mention mention-me">@Aoi</span> please call &lt;them&gt;'
        in agent.get(f"/conversations/{world.mine}").text
    )
    agent.post("/notifications/readings", {"all": "1"})
    assert unread(agent) == 0
    assert "Nothing unread" in agent.get("/notifications?unread=1").text
    assert "Mei mentioned you" in agent.get("/notifications").text


def test_looking_at_the_conversation_reads_it(agent: Visitor, world: World) -> None:
    note_of(world, "@Aoi please")
    agent.get(f"/conversations/{world.mine}")
    assert unread(agent) == 1  # GET changes nothing
    agent.post(f"/conversations/{world.mine}/looks")
    assert unread(agent) == 0


def test_another_persons_notifications_cannot_be_read_away(
    agent: Visitor, signed_in: Callable[[str], Visitor], world: World
) -> None:
    note_of(world, "@Aoi please")
    signed_in("manager").post("/notifications/readings", {"id": ["1", "2", "3"]})
    assert unread(agent) == 1


def test_a_refused_mention_stays_in_its_field_with_the_reason(agent: Visitor, world: World) -> None:
    agent.get(f"/conversations/{world.mine}")
    refused = agent.post(f"/conversations/{world.mine}/notes", {"text": "@Ben look at this"})
    assert refused.status_code == 400
    assert "Ben has no access to this mailbox and could not read the note." in refused.text
    assert "@Ben look at this</textarea>" in refused.text
    by_script = agent.post(f"/conversations/{world.mine}/notes", {"text": "@Ben"}, headers={"X-Fragment": "1"})
    assert by_script.headers["X-Field"] == "text"
    with db.reading() as session:
        assert session.scalars(select(Note)).all() == []


def test_names_to_complete_are_of_those_who_may_read(agent: Visitor, world: World) -> None:
    names = [one["name"] for one in json.loads(agent.get(f"/conversations/{world.mine}/mentions").text)]
    assert names == ["Mei", "Rin"]


def test_a_team_is_offered_and_its_mark_tells_its_name_of_today(agent: Visitor, signed_in: Any, world: World) -> None:
    with db.transaction() as session:
        team = Team(name="一次対応", created_at=datetime.now(UTC))
        team.members = [TeamMember(user_id=world.users["manager"])]
        session.add(team)
        session.flush()
        team_id = team.id
    offered = json.loads(agent.get(f"/conversations/{world.mine}/mentions").text)
    assert offered[-1] == {"name": "一次対応", "handle": "", "team": "Team"}
    agent.post(f"/conversations/{world.mine}/notes", {"text": "@一次対応 <b>至急</b>"})
    with db.transaction() as session:
        session.get_one(Team, team_id).name = 'Front "desk"'
    mine = signed_in("manager").get(f"/conversations/{world.mine}").text
    assert '<span class="mention mention-me" title="Team Front &#34;desk&#34;">@一次対応</span> &lt;b&gt;' in mine
    assert '<span class="mention" title=' in agent.get(f"/conversations/{world.mine}").text


def test_following(agent: Visitor, world: World) -> None:
    agent.get(f"/conversations/{world.free}")
    agent.post(f"/conversations/{world.free}/followers", {"on": "1"})
    page = agent.get(f"/conversations/{world.free}").text
    assert "You are told what happens here." in page
    assert "No longer follow" in page
    agent.post(f"/conversations/{world.free}/followers", {"on": "0"})
    assert "No longer follow" not in agent.get(f"/conversations/{world.free}").text


def test_choices_are_kept_and_wrong_times_come_back(agent: Visitor) -> None:
    page = agent.get("/preferences/notifications").text
    assert "A mailbox is in trouble" not in page
    refused = agent.post("/preferences/notifications", {"deadline": "mail", "quiet_from": "22:00", "quiet_until": ""})
    assert refused.status_code == 400
    assert "Give both times, or none." in refused.text
    saved = agent.post(
        "/preferences/notifications", {"deadline": "mail", "quiet_from": "22:00", "quiet_until": "07:00"}
    )
    assert saved.status_code == 303
    page = agent.get("/preferences/notifications").text
    assert 'name="deadline" value="mail" checked' in page
    assert 'name="deadline" value="app" aria-label' in page
    assert 'value="22:00"' in page


def fresh(visitor: Visitor, *, after: int = 0) -> Any:
    return json.loads(visitor.get(f"/notifications/fresh?after={after}").text)


def test_a_tab_gets_what_it_shows_over_other_windows(agent: Visitor, world: World) -> None:
    note_of(world, "@Aoi please")
    one = fresh(agent)
    assert one["title"] == "Mei mentioned you: @Aoi please"
    assert (one["body"], one["url"]) == ("Broken lamp", f"/conversations/{world.mine}")
    assert one["tag"] == f"notification-{one['id']}"
    assert fresh(agent, after=one["id"]) is None


def test_several_things_at_once_are_one_for_a_tab(agent: Visitor, world: World) -> None:
    for number in range(5):
        note_of(world, f"@Aoi {number}")
    told = fresh(agent)
    assert told["title"] == "5 things happened"
    assert told["body"].splitlines() == [f"Mei mentioned you: @Aoi {number}" for number in (4, 3, 2)]
    assert (told["url"], told["tag"]) == (f"/conversations/{world.mine}", "notifications")
    note_of(world, "@Aoi here too", on=world.free)
    assert fresh(agent)["url"] == "/notifications"
    assert fresh(agent, after=told["id"])["title"] == "Mei mentioned you: @Aoi here too"


def test_the_stream_tells_the_person_alone(
    agent: Visitor, signed_in: Callable[[str], Visitor], world: World, valkey: Any, listening: Any
) -> None:
    mine, others = listening(agent), listening(signed_in("admin"))
    warm(mine, world)
    warm(others, world)
    note_of(world, "@Aoi please")
    assert "bell" in kinds(mine, within=1)
    assert "bell" not in kinds(others, within=1)
    agent.post("/notifications/readings", {"all": "1"})
    assert kinds(mine, within=1) == {"bell"}


def kinds(stream: Any, *, within: float) -> set[str]:
    """What was told until nothing comes any more."""
    found: set[str] = set()
    while told := stream.news(within):
        found |= {one["kind"] for one in told}
    return found


def test_without_redis_the_stream_tells_it_in_two_seconds(agent: Visitor, world: World, listening: Any) -> None:
    stream = listening(agent)
    note_of(world, "@Aoi please")
    assert "bell" in kinds(stream, within=4)


@pytest.mark.only_on("sqlite")
def test_a_mention_in_japanese_is_completed_by_keys_and_rings_within_a_second(
    signed_page: Any, served: str, world: World, valkey: Any
) -> None:
    with db.transaction() as session:
        for role, name in (("agent", "青井 葵"), ("manager", "目黒 芽衣")):
            one = session.get_one(User, world.users[role])
            one.name, one.locale = name, "ja"
    aoi, mei = signed_page("agent"), signed_page("manager")
    aoi.goto(served + "/inbox/open")
    aoi.wait_for_selector("#push[data-connected]", state="attached")
    note_of(world, "@青井 一通目です")  # the listening thread has subscribed when this has arrived
    expect(aoi.locator(".bell-count")).to_have_text("1", timeout=5000)
    field = a_note(mei, served, world)
    field.press_sequentially("@青")
    expect(mei.get_by_role("option", name="青井 葵")).to_be_visible()
    field.press("Enter")
    expect(field).to_have_value("@青井 葵 ")
    field.press_sequentially("さん、電話をお願いします")
    mei.get_by_role("button", name="メモを追加").click()
    expect(mei.locator(".mention").last).to_have_text("@青井 葵")
    expect(aoi.locator(".bell-count")).to_have_text("2", timeout=1000)
    aoi.locator(".bell").click()
    expect(
        aoi.get_by_text("目黒 芽衣さんがメモであなたを指名しました: @青井 葵 さん、電話をお願いします")
    ).to_be_visible()


@pytest.mark.only_on("sqlite")
def test_a_team_is_completed_beside_people(signed_page: Any, served: str, world: World) -> None:
    with db.transaction() as session:
        session.get_one(User, world.users["agent"]).locale = "ja"
        team = Team(name="返品 担当", created_at=datetime.now(UTC))
        team.members = [TeamMember(user_id=world.users["manager"])]
        session.add(team)
    page = signed_page("agent")
    field = a_note(page, served, world)
    field.press_sequentially("＠返")
    expect(page.get_by_role("option", name="返品 担当 チーム")).to_be_visible()
    field.press("Tab")
    expect(field).to_have_value("＠返品 担当 ")
    field.press_sequentially("確認をお願いします")
    page.get_by_role("button", name="メモを追加").click()
    expect(page.locator(".mention").last).to_have_text("＠返品 担当")


@pytest.mark.only_on("sqlite")
def test_a_refused_mention_is_told_at_the_field_and_the_words_stay(signed_page: Any, served: str, world: World) -> None:
    page = signed_page("agent")
    a_note(page, served, world)
    field = page.get_by_label("Note for the team")
    field.fill("@Ben look")
    page.get_by_role("button", name="Add the note").click()
    expect(page.get_by_text("Ben has no access to this mailbox and could not read the note.")).to_be_visible()
    expect(field).to_have_value("@Ben look")
    expect(field).to_be_focused()
    field.press("End")
    field.press_sequentially("!")
    expect(page.get_by_text("Ben has no access")).to_be_hidden()


SPY = """
const Real = window.Notification;
window.shown = [];
window.Notification = class extends Real {
  constructor(title, more) { super(title, more); window.shown.push(this); }
};
Object.defineProperty(document, "hidden", { configurable: true, get: () => window.inBackground === true });
"""


def watched(signed_page: Any) -> Any:
    """A tab whose notifications are remembered; notifications are allowed, as after the browser's question."""
    page = signed_page("agent", permissions=["notifications"])
    page.context.add_init_script(SPY)
    return page


def connected(page: Any, address: str) -> Any:
    page.goto(address)
    page.wait_for_selector("#push[data-connected]", state="attached")
    return page


def switch_on(page: Any, served: str) -> None:
    connected(page, served + "/preferences/notifications")
    with page.expect_response("**/notifications/fresh*"):
        page.get_by_role("button", name="Show them in this browser").click()
    expect(page.get_by_text("This browser shows notifications.").first).to_be_visible()


def shown(*pages: Any) -> list[list[str]]:
    return [one for page in pages for one in page.evaluate("window.shown.map((one) => [one.title, one.body])")]


@pytest.mark.only_on("sqlite")
def test_a_tab_shows_notifications_once_the_person_allowed_it_here(
    signed_page: Any, served: str, world: World, valkey: Any
) -> None:
    page = watched(signed_page)
    note_of(world, "@Aoi before")
    switch_on(page, served)
    note_of(world, "@Aoi now")
    until(lambda: shown(page))
    assert shown(page) == [["Mei mentioned you: @Aoi now", "Broken lamp"]]
    with page.expect_navigation(url=f"**/conversations/{world.mine}"):
        page.evaluate("window.shown[0].dispatchEvent(new Event('click'))")


@pytest.mark.only_on("sqlite")
def test_one_of_several_tabs_shows_it_also_in_the_background_and_then_another(
    signed_page: Any, served: str, world: World, valkey: Any
) -> None:
    first = watched(signed_page)
    switch_on(first, served)
    second = connected(first.context.new_page(), served + "/notifications")
    third = connected(first.context.new_page(), served + "/preferences")
    for page in (first, second, third):
        page.evaluate("window.inBackground = true; document.dispatchEvent(new Event('visibilitychange'))")
    note_of(world, "@Aoi one")
    until(lambda: shown(first, second, third))
    forget_the_last(second)
    first.goto("about:blank")  # the one that listened
    note_of(world, "@Aoi two")
    until(lambda: shown(second, third))
    assert shown(second, third) == [["Mei mentioned you: @Aoi two", "Broken lamp"]]


@pytest.mark.only_on("sqlite")
def test_what_happens_soon_after_another_waits_and_becomes_one(
    signed_page: Any, served: str, world: World, valkey: Any
) -> None:
    page = watched(signed_page)
    switch_on(page, served)
    note_of(world, "@Aoi first")
    until(lambda: shown(page))
    assert page.evaluate("Date.now() - localStorage.getItem('madoguchi.told.at')") < 60_000
    put_off_the_next(page)
    for number in range(4):
        note_of(world, f"@Aoi {number}")
    expect(page.locator("[data-count=bell]")).to_have_text("5")
    connected(page, served + "/preferences")  # the wait outlives a page
    assert shown(page) == []
    forget_the_last(page)
    connected(page, served + "/preferences/absence")
    until(lambda: shown(page))
    assert [one[0] for one in shown(page)] == ["4 things happened"]


def put_off_the_next(page: Any) -> None:
    """As if the last notification were shown only in ten minutes, however long the next steps take."""
    page.evaluate("localStorage.setItem('madoguchi.told.at', String(Date.now() + 600_000))")


def forget_the_last(page: Any) -> None:
    """As if the last notification had been shown a while ago."""
    page.evaluate("localStorage.setItem('madoguchi.told.at', '0')")


@pytest.mark.only_on("sqlite")
def test_a_browser_that_forbids_it_says_so_and_switched_off_it_is_silent(
    signed_page: Any, served: str, world: World, valkey: Any
) -> None:
    page = watched(signed_page)
    switch_on(page, served)
    page.get_by_role("button", name="No longer in this browser").click()
    expect(page.get_by_role("button", name="Show them in this browser")).to_be_focused()
    with page.expect_response("**/inbox/counts"):
        note_of(world, "@Aoi now")
    expect(page.locator("[data-count=bell]")).to_have_text("1")
    assert shown(page) == []
    page.add_init_script("Object.defineProperty(Notification, 'permission', { get: () => 'denied' })")
    page.reload()
    expect(page.get_by_text("This browser forbids it.", exact=False)).to_be_visible()
