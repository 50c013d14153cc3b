"""The page of automatic answers, the alarm on the health page, and why a mail got none."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from html import unescape
from typing import Any, get_args

import pytest

from inbox import db
from inbox.models import AnswerBreaker, AnswerDecision, AutoAnswer, Message
from routing.autoreply import Reason
from templates.auto_answers import LANGUAGES, OCCASIONS, PROPOSED
from tests.web.conftest import Visitor, World
from web import answer_words

pytestmark = pytest.mark.only_on("sqlite")

Signed = Callable[[str], Visitor]


def typed(**changed: str) -> dict[str, str]:
    usual = {"hourly": "20"}
    for occasion in OCCASIONS:
        for language in LANGUAGES:
            words = PROPOSED[occasion][language]
            usual |= {f"{occasion}_{language}_subject": words.subject, f"{occasion}_{language}_text": words.text}
    return usual | changed


def stored(world: World) -> dict[str, AutoAnswer]:
    with db.reading() as session:
        found = (session.get(AutoAnswer, (world.support, occasion)) for occasion in OCCASIONS)
        return {one.occasion: one for one in found if one is not None}


def an_alarm(world: World, **about: Any) -> None:
    with db.transaction() as session:
        usual = {"hourly": 20, "alarm": "mailbox_budget", "alarm_at": datetime.now(UTC)}
        session.add(AnswerBreaker(mailbox_id=world.support, **usual | about))


def words_of(page: str) -> str:
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", page)).split())


def test_the_form_comes_with_good_words_and_keeps_what_is_saved(signed_in: Signed, world: World) -> None:
    manager, path = signed_in("manager"), f"/mailboxes/{world.support}/answers"
    assert "【自動返信】お問い合わせを受け付けました" in manager.get(path).text
    saved = manager.post(path, typed(received_enabled="1", received_ja_subject="承りました", hourly="50"))
    assert (saved.status_code, saved.headers["Location"]) == (303, path)
    again = manager.get(path).text
    assert 'value="承りました"' in again
    assert 'value="50"' in again
    assert (stored(world)["received"].enabled, stored(world)["closed"].enabled) == (True, False)


def test_a_mistake_stands_at_its_field_and_what_was_typed_stays(signed_in: Signed, world: World) -> None:
    answer = signed_in("manager").post(
        f"/mailboxes/{world.support}/answers", typed(received_ja_text="{nmae} 様、承りました", hourly="many")
    )
    assert answer.status_code == 400
    assert "{nmae} 様、承りました" in answer.text
    assert 'value="many"' in answer.text
    assert 'id="hourly-error"' in answer.text
    answer = signed_in("manager").post(
        f"/mailboxes/{world.support}/answers", typed(received_ja_text="{nmae} 様、承りました")
    )
    assert "There is no field {nmae}." in words_of(answer.text)
    assert 'id="received_ja_text-error"' in answer.text
    answer = signed_in("manager").post(f"/mailboxes/{world.support}/answers", typed(closed_enabled="1"))
    assert 'id="closed_enabled-error"' in answer.text
    assert stored(world) == {}


def test_the_preview_shows_what_is_typed_and_saves_nothing(signed_in: Signed, world: World) -> None:
    page = signed_in("manager").post(
        f"/mailboxes/{world.support}/answers",
        typed(what="preview", received_ja_text="{name} 様\n<b>受付番号</b> {number}", received_enabled="1"),
    )
    assert page.status_code == 200
    shown = page.text.split('id="preview"')[1].split("<form")[0]
    assert "山田 太郎 様\n&lt;b&gt;受付番号&lt;/b&gt; 1024" in shown
    assert "&lt;b&gt;受付番号&lt;/b&gt; {number}" in page.text.split("<form")[-1], "what was typed stays"
    assert stored(world) == {}


def test_the_alarm_stands_on_the_health_page_until_a_manager_lets_answers_go(signed_in: Signed, world: World) -> None:
    an_alarm(world, open_until=datetime.now(UTC) + timedelta(minutes=40))
    told = "Automatic answers are stopped: too many left within an hour."
    for role in ("agent", "manager"):
        page = signed_in(role).get("/health").text
        assert told in words_of(page)
        assert ("answers/release" in page) == (role == "manager")
    manager = signed_in("manager")
    assert told in words_of(manager.get(f"/mailboxes/{world.support}/answers").text)
    assert manager.post(f"/mailboxes/{world.support}/answers/release").status_code == 303
    assert told not in words_of(manager.get("/health").text)
    with db.reading() as session:
        assert session.get_one(AnswerBreaker, world.support).open_until is None


def test_the_alarm_of_a_domain_names_it(signed_in: Signed, world: World) -> None:
    an_alarm(world, alarm="domain_budget", alarm_domain="peer.example")
    assert "Very many automatic answers went to peer.example." in words_of(signed_in("agent").get("/health").text)


def test_why_a_mail_got_none_stands_among_its_details(agent: Visitor, world: World) -> None:
    with db.transaction() as session:
        message = session.query(Message).filter_by(conversation_id=world.mine).one()
        session.add(
            AnswerDecision(message_id=message.id, mailbox_id=world.support, at=datetime.now(UTC), reason="list")
        )
    assert "None: it is a list" in words_of(agent.get(f"/conversations/{world.mine}?box=open").text)


def test_every_reason_has_its_words(app: Any) -> None:
    with app.test_request_context():
        for code in reasons():
            assert len(answer_words.why_none(code, 3)) > 5
        assert answer_words.why_none("mailbox_budget", 20) == "this mailbox sent 20 within an hour"


def reasons() -> set[str]:
    """Every code that can be kept; "" is an answer that left."""
    return {code for part in get_args(Reason) for code in get_args(part)} - {""}
