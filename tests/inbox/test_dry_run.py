"""What a dry run tells is what the real run does: generated mails, fifty rules, decided twice."""

from __future__ import annotations

import random
from typing import Any

import pytest
from sqlalchemy import Engine, delete, func, select, update

from inbox import clock, conversations, db, rule_runs, rules
from inbox.models import Conversation, ConversationTag, Message, Person, RuleTrace
from tests.inbox.cast import MINUTE, NOW
from tests.inbox.intake.story import Story, a_mail
from tests.inbox.routing_cast import Body, a_body, a_manager, a_rule, a_team, agents, the_rule

SUBJECTS = (
    "ご請求の件",
    "届きません",
    "解約したい",
    "Invoice 42",
    "返品について",
    "見積もりのお願い",
    "ログインできない",
)
WORDS = (
    "請求書をお送りください。",
    "まだ届いていません。",
    "Could you send us the invoice?",
    "至急お願いします。",
    "ありがとうございます。",
)
DOMAINS = ("example.jp", "corp.example", "shop.example.com")
MAILS = 120


def generated(rng: random.Random, number: int) -> bytes:
    return a_mail(
        f"{rng.choice(WORDS)}\n{rng.choice(WORDS)}",
        sender=(rng.choice(("山田 太郎", "Kim", "")), f"c{rng.randrange(40)}@{rng.choice(DOMAINS)}"),
        subject=f"{rng.choice(SUBJECTS)} {number}",
        files=[("見積.pdf", b"%PDF-1.4")] if rng.random() < 0.2 else (),
        headers={"X-Form": rng.choice(("contact", "trial"))} if rng.random() < 0.3 else None,
    )


def a_question(rng: random.Random) -> Body:
    return rng.choice(
        [
            {"field": "subject", "operator": "contains", "values": [rng.choice(("請求", "invoice", "返品"))]},
            {"field": "words", "operator": "word", "values": [rng.choice(("至急", "invoice", "請求書"))]},
            {"field": "sender_domain", "operator": "equals", "values": [rng.choice(DOMAINS)]},
            {"field": "attachment_count", "operator": "at_least", "values": [1]},
            {"field": "language", "operator": "equals", "values": [rng.choice(("ja", "en"))]},
            {"field": "headers", "header": "X-Form", "operator": "equals", "values": ["trial"]},
            {"field": "first_contact", "operator": "is", "values": [rng.random() < 0.5]},
            {"field": "subject", "operator": "pattern", "values": [r"[0-9]*[02468]$"]},
            {"field": "tags", "operator": "empty", "values": []},
            {"field": "customer_tier", "operator": "equals", "values": [rng.choice(("ＶＩＰ", "ロータッチ"))]},
            {"field": "customer_phase", "operator": rng.choice(("contains", "starts")), "values": ["導入"]},
            {"field": "customer_phase", "operator": "empty", "values": []},
        ]
    )


def rule_of(rng: random.Random, number: int, tags: list[int], team: int) -> Body:
    parts: list[Any] = [a_question(rng) for _ in range(rng.randrange(1, 4))]
    if rng.random() < 0.3:
        parts.append({"none": [a_question(rng)]})
    actions: list[Body] = [
        {"do": "add_tag", "tag_id": rng.choice(tags)},
        {"do": "priority", "priority": rng.choice(("low", "high", "urgent"))},
        {"do": "assign", "try": [{"how": "team", "team_id": team}]},
    ]
    wanted = rng.sample(actions, rng.randrange(1, 3))
    return a_body(f"R{number}", *wanted, when={rng.choice(("all", "any")): parts}, stop=rng.random() < 0.1)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
def test_a_dry_run_tells_exactly_what_the_real_run_does(engine: Engine, seed: int) -> None:
    rng = random.Random(seed)
    story = Story()
    mei = a_manager()
    team = a_team(mei, agents("Aoi", "Ben"))
    story.arrives(*(generated(rng, n) for n in range(MAILS // 2)))
    story.arrives(*(generated(rng, n) for n in range(MAILS // 2, MAILS)))
    with db.transaction() as session:
        tags = [conversations.tag_named(session, name).id for name in ("A", "B", "C")]
        session.execute(update(Conversation).values(owner_id=None))
        for person in session.scalars(select(Person).order_by(Person.id)):
            person.tier, person.phase = rng.choice(("", "VIP", "ロータッチ")), rng.choice(("", "導入", "運用"))
    made = [a_rule(mei, rule_of(rng, n, tags, team)) for n in range(20)]
    with db.reading() as session:
        foretold = {one: rules.dry_run(session, mei, one, now=NOW) for one in made}
        mails = list(session.scalars(select(Message.id).order_by(Message.id)))
        assert session.scalar(select(func.count()).select_from(RuleTrace)) == 0
        assert session.scalar(select(func.count()).select_from(ConversationTag)) == 0
    assert {one.looked_at for one in foretold.values()} == {MAILS}

    for start in range(0, MAILS, 50):
        with db.transaction() as session:
            rule_runs.arrived(session, mails[start : start + 50], now=story.now + MINUTE)
    with db.reading() as session:
        traces = session.scalars(select(RuleTrace)).all()
    assert len(traces) == MAILS
    touched: dict[int, set[int]] = {one: set() for one in made}
    for trace in traces:
        assert [one["rule"] for one in trace.trace] == made  # complete, in order
        for one in trace.trace:
            if one["how"] == "matched":
                touched[one["rule"]].add(trace.message_id or 0)
    for rule_id, told in foretold.items():
        assert {one.message_id for one in told.touched} == touched[rule_id]
        assert told.count == len(touched[rule_id]) == the_rule(rule_id).hits


def test_a_dry_run_sees_the_mailboxes_of_its_manager_only(engine: Engine) -> None:
    sales = Story("Sales")
    mei = a_manager()
    support = Story("Support")
    sales.arrive(a_mail(subject="請求"))
    support.arrive(a_mail(subject="請求", sender=("Hana", "hana@example.jp")))
    rule = a_rule(mei, a_body("All", {"do": "priority", "priority": "high"}), on=False)
    with db.transaction() as session:
        found = rules.dry_run(session, mei, rule, now=NOW)
        assert (found.looked_at, found.count) == (1, 1)
        assert [one.actions for one in found.touched] == [({"do": "priority", "priority": "high"},)]
        session.execute(delete(RuleTrace))


@pytest.mark.parametrize(
    "on",
    [
        {"on": "unanswered", "minutes": 30},
        {"on": "schedule", "weekdays": [1, 2, 3, 4, 5, 6, 7], "at": "12:30"},
    ],
)
def test_what_waits_for_time_is_tried_on_what_stands_there_now(engine: Engine, on: dict[str, Any]) -> None:
    story, mei = Story(), a_manager()
    asked = {"field": "subject", "operator": "contains", "values": ["請求"]}
    body = a_body("Waits", {"do": "priority", "priority": "high"}, when=asked, on=on)
    rule = a_rule(mei, body, on=False, now=story.now)
    story.arrives(*(a_mail(subject=subject, sender=("", f"{n}@example.jp")) for n, subject in enumerate(SUBJECTS)))
    noon = story.now + 40 * MINUTE
    with db.reading() as session:
        told = rules.dry_run(session, mei, rule, now=noon)
    assert (told.today, told.looked_at, told.count) == (True, len(SUBJECTS), 1)
    with db.transaction() as session:
        rules.switch(session, mei, rule, on=True, now=story.now)
    clock._run_rules(noon)
    with db.reading() as session:
        changed = session.scalars(select(Conversation.id).where(Conversation.priority == "high")).all()
    assert changed == [one.conversation_id for one in told.touched]

