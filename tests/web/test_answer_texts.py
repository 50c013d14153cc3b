"""Texts for rules on their pages: written, previewed, refused at the field, kept while a rule names them; the rule
editor offers them and webhooks."""

from __future__ import annotations

import re
from collections.abc import Callable
from html import unescape
from typing import Any

import pytest
from sqlalchemy import select

from inbox import db, people, rules
from inbox.models import AnswerDecision, AnswerText, Message, Rule, RuleTrace, User, Webhook
from tests.inbox.cast import NOW
from tests.inbox.routing_cast import a_body
from tests.web.conftest import Visitor, World
from tests.web.test_rules import FORM, stored

pytestmark = pytest.mark.only_on("sqlite")

TYPED = {
    "name": "カタログ",
    "rule_ja_subject": "カタログのご案内",
    "rule_ja_text": "{name} 様\r\n\r\nこちらです。{mailbox}",
    "rule_en_subject": "",
    "rule_en_text": "",
}


@pytest.fixture
def manager(signed_in: Callable[[str], Visitor]) -> Visitor:
    return signed_in("manager")


def texts() -> list[AnswerText]:
    with db.reading() as session:
        return list(session.scalars(select(AnswerText).order_by(AnswerText.id)))


def written(manager: Visitor) -> int:
    assert manager.post("/answers/texts/new", TYPED).status_code == 303
    return texts()[-1].id


def a_hook(manager: Visitor, name: str = "Warehouse") -> int:
    given = {"name": name, "url": "https://hooks.example/x", "team_id": ""}
    assert manager.post("/webhooks", given).status_code == 303
    with db.reading() as session:
        return session.scalars(select(Webhook.id).where(Webhook.name == name)).one()


def words_of(page: str) -> str:
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", page)).split())


def test_a_text_is_previewed_stored_and_changed(manager: Visitor) -> None:
    before = len(texts())
    shown = manager.post("/answers/texts/new", TYPED | {"name": "", "what": "preview"}).text
    assert "山田 太郎 様" in shown
    assert "Nothing is saved yet." in shown
    assert len(texts()) == before
    text_id = written(manager)
    assert texts()[-1].words["ja"] == {"subject": "カタログのご案内", "text": "{name} 様\n\nこちらです。{mailbox}"}
    page = manager.get(f"/answers/texts/{text_id}").text
    assert 'value="カタログのご案内"' in page
    assert "カタログ" in manager.get("/answers/texts").text
    changed = TYPED | {"rule_ja_subject": "新しい", "version": "1"}
    assert manager.post(f"/answers/texts/{text_id}", changed).status_code == 303
    again = manager.post(f"/answers/texts/{text_id}", changed | {"rule_ja_subject": "別の"})
    assert again.status_code == 409
    assert 'value="別の"' in again.text
    assert "Somebody changed this text while you had it open." in words_of(again.text)
    assert texts()[-1].words["ja"]["subject"] == "新しい"


@pytest.mark.parametrize(
    ("changed", "field", "words"),
    [
        ({"name": " "}, "name", "Write a name."),
        ({"rule_ja_text": "{nmae} 様"}, "rule_ja_text", "There is no field {nmae}."),
        ({"rule_ja_text": "{next_opening} から"}, "rule_ja_text", "stands only in the answer outside working hours"),
        ({"rule_ja_subject": ""}, "rule_ja_subject", "Give it a subject."),
        ({"rule_ja_subject": "", "rule_ja_text": ""}, "rule_ja_text", "in one language at least"),
        ({"rule_en_text": "x" * 5_001, "rule_en_subject": "x"}, "rule_en_text", "At most 5000 characters."),
    ],
)
def test_a_mistake_stands_at_its_field(manager: Visitor, changed: dict[str, str], field: str, words: str) -> None:
    before = len(texts())
    answer = manager.post("/answers/texts/new", TYPED | changed)
    assert answer.status_code == 400
    assert f'id="{field}-error"' in answer.text
    assert words in words_of(answer.text)
    assert len(texts()) == before


def test_the_editor_offers_texts_and_webhooks_and_a_rule_says_what_it_does(manager: Visitor, world: World) -> None:
    text_id, hook_id = written(manager), a_hook(manager)
    both = {
        "name": "Catalogues",
        "actions.0.do": "auto_answer",
        "actions.0.template_id": str(text_id),
        "actions.1.do": "webhook",
        "actions.1.webhook_id": str(hook_id),
    }
    drawn = manager.post("/rules/new", FORM | both | {"change": "show"}).text
    assert re.search(rf'name="actions.0.template_id".*?value="{text_id}" selected>カタログ<', drawn, re.DOTALL)
    assert re.search(rf'name="actions.1.webhook_id".*?value="{hook_id}" selected>Warehouse<', drawn, re.DOTALL)
    without = manager.post("/rules/new", FORM | both | {"change": "remove:condition.0"}).text
    assert "When a mail arrives: answer it with “カタログ”, call the webhook “Warehouse”." in words_of(without)
    saved = manager.post("/rules/new", FORM | both)
    assert saved.status_code == 303
    rule, body = stored("Catalogues")
    assert body["actions"] == [
        {"do": "auto_answer", "template_id": text_id},
        {"do": "webhook", "webhook_id": hook_id},
    ]
    tried = words_of(manager.get(saved.location).text)
    assert "answer it with “カタログ”, call the webhook “Warehouse”" in tried
    assert "No mail left and no webhook was called." in tried
    assert "Rules: Catalogues" in words_of(manager.get("/answers/texts").text)

    kept = manager.post(f"/answers/texts/{text_id}/removal")
    assert kept.location == f"/answers/texts/{text_id}"
    assert "Rules answer with this text: Catalogues." in words_of(manager.get(kept.location).text)
    manager.post(f"/webhooks/{hook_id}/removal", {"next": "/webhooks"})
    assert "Rules call this webhook: Catalogues." in words_of(manager.get("/webhooks").text)
    with db.transaction() as session:
        assert session.get(Webhook, hook_id) is not None
        session.get_one(Rule, rule.id).removed = True
    assert manager.post(f"/answers/texts/{text_id}/removal").location == "/answers/texts"
    manager.post(f"/webhooks/{hook_id}/removal", {"next": "/webhooks"})
    assert text_id not in [one.id for one in texts()]
    with db.reading() as session:
        assert session.get(Webhook, hook_id) is None


@pytest.mark.parametrize(
    ("changed", "field", "reason"),
    [
        ({"actions.0.template_id": ""}, "actions.0.template_id", "Choose one."),
        ({"actions.0.template_id": "999"}, "actions.0.template_id", "no longer exists"),
        ({"actions.0.do": "webhook", "actions.0.webhook_id": "999"}, "actions.0.webhook_id", "no longer exists"),
        ({"triggers.0.on": "unanswered", "triggers.0.minutes": "60"}, "actions.0.do", "Only a mail that arrives"),
        ({"triggers.0.on": "status_changed"}, "actions.0.do", "Only a mail that arrives"),
    ],
)
def test_what_a_rule_cannot_do_is_refused_at_its_field(
    manager: Visitor, changed: dict[str, str], field: str, reason: str
) -> None:
    form = FORM | {"actions.0.do": "auto_answer", "actions.0.template_id": str(written(manager))} | changed
    again = manager.post("/rules/new", form)
    assert again.status_code == 400
    found = re.search(rf'id="{re.escape(field)}-error">(.*?)</div>', again.text, re.DOTALL)
    assert found is not None
    assert reason in found[1]


@pytest.mark.parametrize(
    ("about", "told", "detail"),
    [
        (
            {"instead": "received"},
            "Answered with “Catalogue” instead of: Acknowledgement.",
            "“Catalogue”, by rule “Lamps”",
        ),
        (
            {"reason": "sender_budget", "most": 1},
            "No automatic answer with “Catalogue”: this address got one within a day.",
            "None: this address got one within a day (rule “Lamps” wanted “Catalogue”)",
        ),
    ],
)
def test_what_became_of_an_answer_stands_in_the_reasons_and_at_the_mail(
    manager: Visitor, world: World, about: dict[str, Any], told: str, detail: str
) -> None:
    with db.transaction() as session:
        message = session.scalars(select(Message).where(Message.conversation_id == world.mine)).one()
        given = {"message_id": message.id, "mailbox_id": world.support, "at": NOW, "occasion": "rule"}
        session.add(AnswerDecision(**given, rule_name="Lamps", text_name="Catalogue", **about))
        session.add(
            RuleTrace(conversation_id=world.mine, message_id=message.id, at=NOW, happened="arrived", done=1, trace=[])
        )
    assert told in words_of(manager.get(f"/conversations/{world.mine}/reasons").text)
    assert detail in words_of(manager.get(f"/conversations/{world.mine}?box=open").text)


def test_in_japanese_too(manager: Visitor, world: World) -> None:
    text_id, hook_id = written(manager), a_hook(manager, "倉庫")
    actions = {"do": "auto_answer", "template_id": text_id}, {"do": "webhook", "webhook_id": hook_id}
    with db.transaction() as session:
        user = session.get_one(User, world.users["manager"])
        user.locale = "ja"
        rules.create(session, people.of(session, user), a_body("案内", *actions), now=NOW)
    page = words_of(manager.get("/rules").text)
    assert "メールが届いたとき、「カタログ」で自動返信する、Webhook「倉庫」を呼び出す。" in page
