"""Rules and teams on their pages: the editor without a script, refusals at their fields, dry run, order, why."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import select

from inbox import db, people, rule_runs, rules, teams
from inbox.models import Message, Person, Rule, RuleVersion, Team, User
from tests.inbox.routing_cast import a_body, contains
from tests.web.conftest import Visitor, World, conversation

FORM = {
    "name": "Lamps",
    "triggers.0.on": "arrived",
    "condition.how": "any",
    "condition.0.field": "subject",
    "condition.0.was": "subject",
    "condition.0.operator": "contains",
    "condition.0.values": "lamp\nライト",
    "actions.0.do": "priority",
    "actions.0.priority": "high",
}


@pytest.fixture
def manager(signed_in: Callable[[str], Visitor]) -> Visitor:
    return signed_in("manager")


def stored(name: str) -> tuple[Rule, dict[str, Any]]:
    with db.reading() as session:
        for rule, body in session.execute(
            select(Rule, RuleVersion.body).join(
                RuleVersion, (RuleVersion.rule_id == Rule.id) & (RuleVersion.version == Rule.version)
            )
        ):
            if body["name"] == name:
                return rule, body
    raise AssertionError(name)


def ids(world: World) -> dict[str, int]:
    return world.users


def test_a_rule_is_written_tried_and_switched_on(manager: Visitor, world: World) -> None:
    saved = manager.post("/rules/new", FORM)
    assert saved.status_code == 303
    rule, body = stored("Lamps")
    assert body["condition"] == {"any": [{"field": "subject", "operator": "contains", "values": ["lamp", "ライト"]}]}
    assert not rule.enabled

    tried = manager.get(saved.location)
    assert "It would have touched 1 mail" in tried.text
    assert "Broken lamp" in tried.text
    assert "set the priority to High" in tried.text
    assert conversation(world.mine).priority == "normal"

    manager.post(f"/rules/{rule.id}/switch", {"on": "1"})
    shown = manager.get("/rules").text
    assert "When a mail arrives and the subject contains “lamp” or “ライト”: set the priority to High." in shown
    with db.transaction() as session:
        ids = list(session.scalars(select(Message.id)))
        rule_runs.arrived(session, ids, now=datetime.now(UTC))
    assert conversation(world.mine).priority == "high"
    assert conversation(world.free).priority == "normal"
    assert "1 match" in manager.get("/rules").text
    told = manager.get(f"/conversations/{world.mine}/reasons").text
    assert "Rule 1 “Lamps” matched because the subject contains “lamp” (“Broken lamp”)." in told
    missed = manager.get(f"/conversations/{world.free}/reasons").text
    assert "Rule 1 “Lamps” did not match" in missed
    assert "“届きません”" in missed or "届きません" in missed
    assert "Rule “Lamps”: priority: High" in manager.get(f"/conversations/{world.mine}").text


def test_lines_come_and_go_by_buttons_and_what_was_typed_stays(manager: Visitor) -> None:
    more = manager.post("/rules/new", FORM | {"change": "add:condition"}).text
    assert 'name="condition.1.field"' in more
    assert "lamp\nライト" in more
    grouped = manager.post("/rules/new", FORM | {"change": "group:condition"}).text
    assert 'name="condition.1.0.field"' in grouped
    fewer = manager.post("/rules/new", FORM | {"change": "remove:condition.0"}).text
    assert 'name="condition.0.field"' not in fewer
    assert "No condition: the rule takes every mail." in fewer
    two = FORM | {"actions.1.do": "spam", "change": "up:actions.1"}
    swapped = manager.post("/rules/new", two).text
    assert re.search(r'name="actions.0.do".*?value="spam" selected', swapped, re.DOTALL)
    other = manager.post("/rules/new", FORM | {"condition.0.field": "weekday", "change": "show"}).text
    assert 'type="checkbox" name="condition.0.values" value="6"' in other
    for nonsense in ("remove:condition.99", "add:nowhere", "up:actions.x", "remove:", "add:actions.9.try"):
        assert manager.post("/rules/new", FORM | {"change": nonsense}).status_code == 200


@pytest.mark.parametrize(
    ("changed", "field", "reason"),
    [
        ({"name": ""}, "name", "Some text is missing here."),
        ({"condition.0.values": ""}, "condition.0.values", "At least one is needed"),
        ({"condition.0.operator": "pattern", "condition.0.values": "("}, "condition.0.values", "pattern"),
        ({"actions.0.do": "team", "actions.0.team_id": ""}, "actions.0.team_id", "Choose one."),
        ({"actions.0.do": "team", "actions.0.team_id": "99"}, "actions.0.team_id", "no longer exists"),
        ({"triggers.0.on": "unanswered", "triggers.0.minutes": "soon"}, "triggers.0.minutes", "A whole number"),
        ({"triggers.0.on": "schedule", "triggers.0.at": "9"}, "triggers.0.weekdays", "At least one is needed"),
        (
            {"actions.0.do": "assign", "actions.0.try.0.how": "fixed", "actions.0.try.0.person_id": "999"},
            "actions.0.try.0.person_id",
            "no longer exists",
        ),
    ],
)
def test_every_refusal_stands_at_its_field(manager: Visitor, changed: dict[str, str], field: str, reason: str) -> None:
    again = manager.post("/rules/new", FORM | changed)
    assert again.status_code == 400
    found = re.search(rf'id="{re.escape(field)}-error">(.*?)</div>', again.text, re.DOTALL)
    assert found, field
    assert reason in found[1]


def test_rules_are_ordered_changed_and_go_back(manager: Visitor, world: World) -> None:
    manager.post("/rules/new", FORM)
    manager.post("/rules/new", FORM | {"name": "Second", "actions.0.priority": "low"})
    first, second = stored("Lamps")[0].id, stored("Second")[0].id
    manager.post("/rules/order", {"id": str(second), "by": "-1"})
    assert re.findall(r'data-rule="(\d+)"', manager.get("/rules").text) == [str(second), str(first)]
    manager.post("/rules/order", {"ids": f"{first},{second}"})
    assert re.findall(r'data-rule="(\d+)"', manager.get("/rules").text) == [str(first), str(second)]

    assert manager.post(f"/rules/{first}", FORM | {"name": "Lamps 2", "version": "1"}).status_code == 303
    late = manager.post(f"/rules/{first}", FORM | {"name": "Mine", "version": "1"})
    assert late.status_code == 409
    assert 'value="Mine"' in late.text
    assert "Lamps 2" in manager.get(f"/rules/{first}/versions").text
    manager.post(f"/rules/{first}/versions", {"version": "1"})
    rule, _ = stored("Lamps")
    assert rule.version == 3
    manager.post(f"/rules/{first}/removal")
    assert manager.get(f"/rules/{first}").status_code == 404


def test_a_team_is_made_and_hands_out(manager: Visitor, world: World) -> None:
    aoi, mei = world.users["agent"], world.users["manager"]
    wrong = manager.post("/teams/new", {"name": "Desk", "way": "weighted"})
    assert wrong.status_code == 400
    assert "A team needs at least one member." in wrong.text
    form = {
        "name": "Desk",
        "way": "least_open",
        "members": [str(aoi), str(mei)],
        f"weight-{aoi}": "3",
        "hand_back_minutes": "60",
        "mailbox_ids": [str(world.support)],
    }
    assert manager.post("/teams/new", form).status_code == 303
    with db.reading() as session:
        team = session.scalars(select(Team)).one()
    assert "Desk" in manager.get("/teams").text
    shown = manager.get(f"/teams/{team.id}").text
    assert f'name="weight-{aoi}" value="3"' in shown
    refused = manager.post(f"/people/{aoi}/capacity", {"cap": "many", "skills": "", "languages": ""})
    assert 'id="cap-error"' in refused.text
    manager.post(f"/people/{aoi}/capacity", {"cap": "5", "skills": "返品、請求", "languages": "ja, en"})
    assert "返品" in manager.get("/teams").text
    manager.post(f"/people/{aoi}/absences", {"why": "day_off", "starts": "", "ends": ""})
    assert "Absent" in manager.get("/teams").text
    with db.transaction() as session:
        wanted = select(Message.id).where(Message.conversation_id == world.free)
        rule_runs.arrived(session, list(session.scalars(wanted)), now=datetime.now(UTC))
    assert conversation(world.free).owner_id == mei
    why = manager.get(f"/conversations/{world.free}/reasons").text
    assert "Given to Mei, who had the fewest open of Desk." in why
    assert "Aoi: day off" in why
    assert manager.post(f"/teams/{team.id}/removal").status_code == 303


def test_an_agent_enters_an_absence_and_comes_back_but_not_for_others(agent: Visitor, world: World) -> None:
    aoi, mei = world.users["agent"], world.users["manager"]
    assert agent.post(f"/people/{mei}/absences", {"why": "away"}).status_code == 403
    wrong = agent.post(f"/people/{aoi}/absences", {"why": "away", "starts": "2026-13-01"})
    assert 'id="starts-error"' in wrong.text
    assert agent.post(f"/people/{aoi}/absences", {"why": "away"}).status_code == 303
    shown = agent.get("/preferences/absence").text
    found = re.search(r'action="(/absences/\d+/end)"', shown)
    assert found
    agent.post(found[1])
    assert not re.search(r'action="(/absences/\d+/end)"', agent.get("/preferences/absence").text)


def test_a_rule_that_names_somebody_who_left_stands_out(manager: Visitor, world: World) -> None:
    with db.transaction() as session:
        who = people.of(session, session.get_one(User, world.users["manager"]))
        fixed = {"do": "assign", "try": [{"how": "fixed", "person_id": world.users["agent"]}]}
        made = rules.create(session, who, a_body("To Aoi", fixed, when=contains("subject", "x")), now=datetime.now(UTC))
        session.get_one(User, world.users["agent"]).active = False
        assert teams.fallback(session) is None
    assert "Cannot run" in manager.get("/rules").text
    assert 'id="actions.0.try.0.person_id-error"' in manager.get(f"/rules/{made}").text
    assert manager.post(f"/rules/{made}/switch", {"on": "1"}).status_code == 400
    with db.transaction() as session:
        rule = session.get_one(Rule, made)
        rule.enabled, rule.failures, rule.failed_at = True, 2, datetime.now(UTC)
    assert "1 rule could not run." in manager.get("/rules").text


def test_the_editor_offers_the_tiers_and_phases_in_use(manager: Visitor, world: World) -> None:
    with db.transaction() as session:
        session.add_all(Person(tier=tier, phase="導入", created_at=datetime.now(UTC)) for tier in ("VIP", "ロータッチ"))
    typed = FORM | {
        "condition.0.field": "customer_tier",
        "condition.0.operator": "equals",
        "condition.0.values": ["VIP", "Gold\nSilver"],
    }
    drawn = manager.post("/rules/new", typed | {"change": "show"}).text
    line = drawn.split('id="condition.0.field"')[1].split("</li>")[0]
    assert '<option value="customer_phase">the customer’s phase</option>' in line
    assert re.findall(r'name="condition\.0\.values" value="([^"]+)"( checked)?', line) == [
        ("VIP", " checked"),
        ("ロータッチ", ""),
    ]
    assert ">Gold\nSilver</textarea>" in line, "what nobody has yet can be asked for, too"
    assert "the customer’s tier is exactly “VIP” or “Gold” or “Silver”" in drawn
    assert manager.post("/rules/new", typed).status_code == 303
    _rule, body = stored("Lamps")
    assert body["condition"]["any"] == [
        {"field": "customer_tier", "operator": "equals", "values": ["VIP", "Gold", "Silver"]}
    ]
    refused = manager.post("/rules/new", typed | {"condition.0.values": [" "]})
    assert refused.status_code == 400
    assert 'id="condition.0.values-error"' in refused.text
