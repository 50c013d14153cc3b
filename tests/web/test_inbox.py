"""The list: what stands in it, bulk changes, counts, live rows, and how much work a page costs."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine, select

from inbox import conversations, db, presence
from inbox.models import Conversation, ConversationTag, Tag, User
from inbox.people import of
from tests.inbox.cast import a_conversation, statements
from tests.web.conftest import Visitor, World, conversation

MOST_STATEMENTS = 8  # of one list page, whatever it shows; SQLite's BEGIN is one


def test_each_box_shows_its_own(agent: Visitor) -> None:
    assert "届きません" in agent.get("/inbox/unassigned").text
    assert "Broken lamp" not in agent.get("/inbox/unassigned").text
    assert "Broken lamp" in agent.get("/inbox/mine").text
    assert "Broken lamp" in agent.get("/inbox/open?order=waiting").text


def test_other_mailboxes_are_not_seen(agent: Visitor, world: World) -> None:
    assert "A quote for 40 units" not in agent.get("/inbox/open").text
    assert agent.get(f"/inbox/open?mailbox={world.sales}").status_code == 404
    assert "A quote for 40 units" not in agent.get(f"/inbox/open/rows?id={world.theirs}").text


@pytest.mark.parametrize(
    "query", ["after=nonsense", "after=o99999999999999999999_1", "mailbox=x", "order=upside", "tag=9999", "owner=-1"]
)
def test_strange_addresses_harm_nothing(agent: Visitor, query: str) -> None:
    assert agent.get(f"/inbox/open?{query}").status_code == 200


def test_an_empty_box_helps(agent: Visitor) -> None:
    assert "Nothing sleeps" in agent.get("/inbox/snoozed").text


def test_words_of_customers_cannot_become_markup(agent: Visitor, world: World) -> None:
    with db.transaction() as session:
        story = session.get_one(Conversation, world.mine)
        story.subject = story.people = story.snippet = '"><img src=x onerror=alert(1)>'
    page = agent.get("/inbox/mine").text
    assert "<img src=x" not in page
    assert "&lt;img src=x" in page


def test_pages_are_walked_by_keys(agent: Visitor, world: World) -> None:
    with db.transaction() as session:
        support = session.get_one(Conversation, world.mine).mailbox
        for n in range(60):
            a_conversation(session, support, f"Story {n:02}", at=datetime(2026, 1, 1, tzinfo=UTC) + timedelta(hours=n))
    first = agent.get("/inbox/unassigned").text
    assert "Story 59" in first
    assert "Story 05" not in first
    older = first.split('rel="next" href="')[1].split('"')[0].replace("&amp;", "&")
    second = agent.get(older).text
    assert "Story 05" in second
    assert "Story 59" not in second
    assert 'rel="prev"' in second


def test_a_page_costs_a_fixed_number_of_queries(agent: Visitor, world: World, engine: Engine) -> None:
    agent.get("/inbox/unassigned")
    with statements(engine) as few:
        agent.get("/inbox/unassigned")
    with db.transaction() as session:
        support = session.get_one(Conversation, world.mine).mailbox
        for n in range(40):
            story = a_conversation(session, support, f"Story {n}")
            conversations.tag(session, story, "tagged", now=datetime.now(UTC), actor_id=None)
    with statements(engine) as many:
        agent.get("/inbox/unassigned")
    assert len(many) <= len(few) + 1
    assert len(many) <= MOST_STATEMENTS


def test_several_are_closed_at_once_and_opened_again(agent: Visitor, world: World) -> None:
    agent.get("/inbox/open")
    response = agent.post(
        "/inbox/changes", {"action": "close", "id": [world.mine, world.free], "box": "open", "next": "/inbox/open"}
    )
    assert response.headers["Location"] == "/inbox/open"
    assert conversation(world.mine).status == conversation(world.free).status == "closed"
    page = agent.get("/inbox/open").text
    assert "2 conversations: closed" in page
    undo = re.search(r'action="(/[^"]*undo[^"]*)"', page)
    assert undo is not None
    agent.post(undo[1])
    assert conversation(world.mine).status == conversation(world.free).status == "open"


def test_somebody_elses_mailbox_is_out_of_reach_of_bulk_changes(agent: Visitor, world: World) -> None:
    agent.post("/inbox/changes", {"action": "close", "id": [world.theirs]})
    assert conversation(world.theirs).status == "open"


def test_a_conversation_is_taken_given_and_dropped(agent: Visitor, world: World) -> None:
    agent.post("/inbox/changes", {"action": "take", "id": [world.free]})
    assert conversation(world.free).owner_id == world.users["agent"]
    agent.post("/inbox/changes", {"action": "assign", "owner": str(world.users["manager"]), "id": [world.free]})
    assert conversation(world.free).owner_id == world.users["manager"]
    agent.post("/inbox/changes", {"action": "assign", "owner": "", "id": [world.free]})
    assert conversation(world.free).owner_id is None


def test_it_cannot_be_given_to_somebody_without_access(agent: Visitor, world: World) -> None:
    response = agent.post(
        "/inbox/changes", {"action": "assign", "owner": str(world.users["outsider"]), "id": [world.free]}
    )
    assert response.status_code == 400
    assert conversation(world.free).owner_id is None


def test_snoozing_asks_for_a_time_in_the_future(agent: Visitor, world: World) -> None:
    agent.post("/inbox/changes", {"action": "snooze", "until": "tomorrow", "id": [world.mine]})
    story = conversation(world.mine)
    assert story.status == "snoozed"
    assert story.snoozed_until is not None
    assert story.snoozed_until > datetime.now(UTC)
    for until in ("", "never", "2001-01-01T09:00", "0000-00-00", "99999-01-01T00:00"):
        assert agent.post("/inbox/changes", {"action": "snooze", "until": until, "id": [world.free]}).status_code == 400
    assert conversation(world.free).status == "open"


@pytest.mark.parametrize("action", ["", "delete", "__init__", "note"])
def test_unknown_changes_are_refused(agent: Visitor, world: World, action: str) -> None:
    assert agent.post("/inbox/changes", {"action": action, "id": [world.mine]}).status_code == 400


@pytest.mark.parametrize(
    ("typed", "state"),
    [
        ({"tag": "VIP", "reason": " "}, ("open", ["VIP"], "")),
        ({"tag": "", "reason": "Only thanks"}, ("closed", [], "Only thanks")),
        ({"tag": "VIP", "reason": "Only thanks"}, ("open", [], "")),
        ({}, ("open", [], "")),
    ],
)
def test_enter_in_a_field_does_what_the_field_is_for_and_never_what_stands_first(
    agent: Visitor, world: World, typed: dict[str, str], state: tuple[str, list[str], str]
) -> None:
    page = agent.get("/inbox/open").text
    form = page[page.index('<form id="bulk"') :]
    assert 'value="typed"' in form[form.index("<button") :].partition(">")[0], "the first button is what Enter presses"
    answer = agent.post("/inbox/changes", {"action": "typed", "id": world.mine, "next": "/inbox/open", **typed})
    assert answer.headers["Location"] == "/inbox/open"
    now = conversation(world.mine)
    with db.reading() as session:
        of_it = select(Tag.name).join(ConversationTag).where(ConversationTag.conversation_id == now.id)
        tags = list(session.scalars(of_it))
    assert (now.status, tags, now.needless) == state
    if now.status == "open" and not tags:
        assert "Press the button of what shall be done." in agent.get("/inbox/open").text


def test_nothing_chosen_says_so(agent: Visitor) -> None:
    agent.post("/inbox/changes", {"action": "close", "id": ["x", "-1", "9" * 30]})
    assert "Choose conversations first." in agent.get("/inbox/open").text


def test_rows_are_given_as_they_are_now(agent: Visitor, world: World) -> None:
    both = f"id={world.mine}&id={world.free}"
    assert agent.get(f"/inbox/open/rows?{both}").text.count("data-row=") == 2
    assert agent.get(f"/inbox/mine/rows?{both}").text.count("data-row=") == 1
    agent.get("/inbox/open")
    agent.post("/inbox/changes", {"action": "close", "id": [world.mine]})
    assert "data-row=" not in agent.get(f"/inbox/mine/rows?{both}").text
    assert agent.get("/inbox/nowhere/rows?id=1").status_code == 404


def test_a_colleague_who_writes_is_named_in_the_row(agent: Visitor, world: World) -> None:
    now = datetime.now(UTC)
    with db.transaction() as session:
        mei = of(session, session.get_one(User, world.users["manager"]))
        presence.claim(session, mei, world.mine, now=now)
        presence.look(session, mei, world.free, now=now)
    page = agent.get("/inbox/open").text
    assert "Mei is writing" in page
    assert "Mei is looking" in page


def test_counts_follow(agent: Visitor, world: World) -> None:
    counts = agent.get("/inbox/counts").json
    assert (counts["unassigned"], counts["mine"], counts["open"]) == (1, 1, 2)
    assert counts[f"mailbox-{world.support}"] == 2
    assert f"mailbox-{world.sales}" not in counts


def test_search_finds_two_characters_and_keeps_to_the_own_mailboxes(
    agent: Visitor, signed_in: Callable[[str], Visitor], world: World
) -> None:
    from inbox import search
    from inbox.models import Message

    with db.transaction() as session:
        for message in session.query(Message):
            search.index(session, message)
    assert "届きません" in agent.get("/search?q=届き").text
    assert "data-row=" not in agent.get("/search?q=quote").text
    assert "A quote for 40 units" in signed_in("outsider").get("/search?q=quote").text
    assert "Nothing found" in agent.get('/search?q="* NEAR(').text
