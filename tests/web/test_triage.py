"""Bulk changes, blocked senders, tags and fields, saved views, and joining, as pages without a script."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from sqlalchemy import select

from inbox import bulk, db
from inbox.models import Block, Category, Conversation, CustomField, Person, SavedView, Tag
from tests.inbox.cast import HOUR, a_conversation, a_message
from tests.web.conftest import Visitor, World, conversation


def fields_of(page: str, action: str) -> dict[str, list[str]]:
    """The hidden fields of the form that goes to that address."""
    form = re.search(rf'<form[^>]*action="{re.escape(action)}".*?</form>', page, re.S)
    assert form is not None, action
    found: dict[str, list[str]] = {}
    for name, value in re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', form[0]):
        found.setdefault(name, []).append(value)
    return found


def test_chosen_conversations_are_closed_and_the_message_takes_it_back(agent: Visitor, world: World) -> None:
    done = agent.post("/inbox/changes", {"id": [world.mine, world.free], "action": "close", "next": "/inbox/open"})
    assert done.headers["Location"] == "/inbox/open"
    page = agent.get("/inbox/open").text
    assert "2 conversations: closed" in page
    undo = re.search(r"/bulk/\d+/undo", page)
    assert undo is not None
    agent.post(undo[0], {"next": "/inbox/open"})
    assert "2 conversations are as before." in agent.get("/inbox/open").text
    assert (conversation(world.mine).status, conversation(world.mine).owner_id) == ("open", world.users["agent"])


def test_all_of_a_list_also_on_its_other_pages_step_by_step(
    agent: Visitor, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk, "STEP", 20)
    now = datetime.now(UTC)
    with db.transaction() as session:
        support = session.get_one(Conversation, world.mine).mailbox
        for n in range(60):
            a_conversation(session, support, f"No. {n}", at=now - HOUR)
    page = agent.get("/inbox/unassigned").text
    assert 'name="all"' in page
    hidden = fields_of(page, "/inbox/changes")
    begun = agent.post("/inbox/changes", {**hidden, "all": "1", "action": "spam"})
    address = begun.headers["Location"]
    assert re.match(r"/bulk/\d+\?next=/inbox/unassigned", address)
    shown = agent.get(address)
    assert shown.headers["Refresh"] == "2"
    assert re.search(r'<progress[^>]* max="61" value="20"', shown.text)
    (number,) = re.findall(r"/bulk/(\d+)", address)
    more = True
    while more:
        with db.transaction() as session:
            more = bulk.go_on(session, int(number), now=now)
    shown = agent.get(address)
    assert "Refresh" not in shown.headers
    assert "61 conversations: marked as spam" in shown.text
    assert conversation(world.free).status == "spam"
    assert conversation(world.mine).status == "open"
    agent.post(f"/bulk/{number}/undo", {"next": "/inbox/unassigned"})
    more = True
    while more:
        with db.transaction() as session:
            more = bulk.go_on(session, int(number), now=now)
    assert conversation(world.free).status == "open"


def test_no_answer_needed_wants_a_reason_and_tells_it(agent: Visitor, world: World) -> None:
    address = f"/conversations/{world.mine}/status"
    assert agent.post(address, {"status": "needless", "reason": " "}).status_code == 400
    agent.post(address, {"status": "needless", "reason": "Only thanks", "here": "1"})
    assert (conversation(world.mine).status, conversation(world.mine).needless) == ("closed", "Only thanks")
    assert "Aoi closed it, no answer needed: Only thanks" in agent.get(f"/conversations/{world.mine}").text
    agent.post(address, {"status": "open"})
    assert conversation(world.mine).needless == ""


def test_blocking_a_sender_and_all_from_there_and_back(agent: Visitor, world: World) -> None:
    page = agent.get(f"/conversations/{world.free}").text
    assert "Block this sender" in page
    agent.post(f"/conversations/{world.free}/blocks", {"what": "everything"})
    assert (conversation(world.mine).status, conversation(world.free).status) == ("spam", "spam")
    assert conversation(world.theirs).status == "open", "in a mailbox that Aoi does not see"
    told = agent.get("/inbox/open").text
    assert "taro@example.jp is blocked" in told
    removal = re.search(r"/blocks/\d+/removal", told)
    assert removal is not None
    agent.post(removal[0], {"bulk": fields_of(told, removal[0])["bulk"][0], "next": "/inbox/open"})
    assert (conversation(world.mine).status, conversation(world.free).status) == ("open", "open")
    with db.reading() as session:
        assert session.scalars(select(Block)).all() == []
        assert not any(session.scalars(select(Person.blocked)))


def test_the_list_of_blocked_senders(agent: Visitor, world: World) -> None:
    page = agent.post("/blocks", {"pattern": "nonsense", "reason": "x"})
    assert (page.status_code, "Write an address" in page.text) == (400, True)
    assert agent.post("/blocks", {"pattern": "shop.example"}).status_code == 400
    agent.post("/blocks", {"pattern": "*.Spam.example", "reason": "offers"})
    page = agent.get("/blocks").text
    assert ("spam.example" in page, "offers" in page) == (True, True)


def test_tags_get_colour_and_group_and_are_merged_and_deleted(
    agent: Visitor, signed_in: Callable[..., Visitor], world: World
) -> None:
    for name in ("VIP", "vip"):
        agent.post(f"/conversations/{world.mine}/tags", {"tag": name})
    mei = signed_in("manager")
    with db.reading() as session:
        ids = {tag.name: tag.id for tag in session.scalars(select(Tag))}
    mei.get("/labels")
    assert mei.post(f"/labels/tags/{ids['vip']}", {"name": "VIP", "colour": "#112233"}).status_code == 400
    mei.post(f"/labels/tags/{ids['VIP']}", {"name": "VIP", "colour": "#AABBCC", "group": "Customers"})
    mei.post(f"/labels/tags/{ids['vip']}/merging", {"into": ids["VIP"]})
    page = mei.get("/labels").text
    assert ("Customers" in page, "#aabbcc" in page, 'value="vip"' in page) == (True, True, False)
    mei.post(f"/labels/tags/{ids['VIP']}/removal")
    assert "The tag “VIP” is gone; 1 conversation had it." in mei.get("/labels").text


def test_a_category_and_fields_are_filled_in_beside_the_conversation(
    agent: Visitor, signed_in: Callable[..., Visitor], world: World
) -> None:
    mei = signed_in("manager")
    mei.get("/labels")
    mei.post("/labels/categories", {"name": "Delivery"})
    for name, kind, choices in (("Order", "number", ""), ("Until", "date", ""), ("Shop", "choice", "Tokyo\nOsaka")):
        mei.post("/labels/fields", {"mailbox_id": world.support, "name": name, "kind": kind, "choices": choices})
    assert mei.post("/labels/fields", {"mailbox_id": world.support, "name": "X", "kind": "choice"}).status_code == 400
    with db.reading() as session:
        category = session.scalars(select(Category.id)).one()
        ids = {one.name: one.id for one in session.scalars(select(CustomField))}
    agent.post(f"/conversations/{world.mine}/category", {"category": category})
    given = {
        f"field-{ids['Order']}": "１，２３４",
        f"field-{ids['Until']}": "2026/12/01",
        f"field-{ids['Shop']}": "Osaka",
    }
    agent.post(f"/conversations/{world.mine}/fields", given)
    page = agent.get(f"/conversations/{world.mine}").text
    assert 'value="1234"' in page
    assert 'value="2026-12-01"' in page
    assert "<option selected>Osaka</option>" in page
    assert "Aoi set the category “Delivery”" in page
    for wrong in (
        {f"field-{ids['Order']}": "many"},
        {f"field-{ids['Until']}": "soon"},
        {f"field-{ids['Shop']}": "Kobe"},
    ):
        assert agent.post(f"/conversations/{world.mine}/fields", wrong).status_code == 400
    found = agent.get(f"/inbox/open?field={ids['Order']}&value=1234").text
    assert ("Broken lamp" in found, "届きません" in found) == (True, False)


def test_a_filtered_list_is_kept_at_the_side_for_the_team(
    agent: Visitor, signed_in: Callable[..., Visitor], world: World
) -> None:
    now = datetime.now(UTC)
    with db.transaction() as session:
        mine = session.get_one(Conversation, world.mine)
        mine.waiting_since = now - 30 * HOUR
        session.get_one(Conversation, world.free).waiting_since = now - HOUR
        a_message(session, mine, "鯖缶について")
    page = agent.get("/inbox/open?waiting=24").text
    assert ("Broken lamp" in page, "届きません" in page) == (True, False)
    hidden = fields_of(page, "/views")
    done = agent.post("/views", {**hidden, "name": "Late", "shared": "1"})
    assert done.headers["Location"].startswith("/inbox/open?waiting=24&view=")
    mei = signed_in("manager")
    side = mei.get("/inbox/mine").text
    kept = re.search(r'href="(/inbox/open\?waiting=24&amp;view=\d+)"', side)
    assert kept is not None
    assert "<h1>Late</h1>" in mei.get(kept[1].replace("&amp;", "&")).text
    (number,) = re.findall(r"view=(\d+)", kept[1])
    assert "<title>Late · Madoguchi</title>" in agent.get(f"/inbox/open?waiting=24&view={number}").text
    mei.post(f"/views/{number}", {"name": "Too late"})
    assert "Too late" not in mei.get("/views").text, "it is Aoi's alone now"
    assert "Too late" in agent.get("/views").text
    agent.post(f"/views/{number}/removal")
    with db.reading() as session:
        assert session.scalars(select(SavedView)).all() == []


def test_a_list_by_words_category_and_person_and_its_rows(agent: Visitor, world: World) -> None:
    with db.transaction() as session:
        made = session.get_one(Conversation, world.free)
        person = made.person_id
        from inbox import search

        search.index(session, a_message(session, made, "鯖缶を探しています"))
    page = agent.get("/inbox/open?text=鯖缶").text
    assert ("届きません" in page, "Broken lamp" in page) == (True, False)
    rows = agent.get(f"/inbox/open/rows?text=鯖缶&id={world.free}&id={world.mine}").text
    assert (f'id="c{world.free}"' in rows, f'id="c{world.mine}"' in rows) == (True, False)
    assert "Broken lamp" in agent.get(f"/inbox/open?person={person}").text
    assert "Broken lamp" not in agent.get("/inbox/open?category=999").text
    assert agent.get("/inbox/open?waiting=0&person=x&field=1&priority=high").status_code == 200


def test_joining_warns_of_different_customers_and_finds_more_by_words_and_number(agent: Visitor, world: World) -> None:
    with db.transaction() as session:
        stranger = Person(name="Kim", created_at=datetime.now(UTC))
        session.add(stranger)
        session.flush()
        session.get_one(Conversation, world.free).person_id = stranger.id
    chosen = agent.post("/inbox/changes", {"id": [world.mine, world.free], "action": "join"})
    assert chosen.headers["Location"] == f"/joins/new?id={world.mine}&id={world.free}"
    page = agent.get(chosen.headers["Location"]).text
    assert "These conversations are with different customers." in page
    found = agent.get(f"/joins/new?id={world.mine}&q={world.free}").text
    assert f"/joins/new?id={world.mine}&amp;id={world.free}" in found
    assert agent.get(f"/joins/new?id={world.theirs}").status_code == 404
    agent.post("/joins", {"id": [world.mine, world.free]})
    assert conversation(world.free).joined_into_id == world.mine
    agent.post(
        "/joins/partings",
        {"part": re.findall(r'name="part" value="(\d+)"', agent.get(f"/conversations/{world.mine}").text)[0]},
    )
    assert conversation(world.free).joined_into_id is None
