"""Times inside sentences, and pages in the reader's language."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from sqlalchemy import update

from inbox import db
from inbox.models import Outgoing, User
from tests.web.conftest import Visitor, World
from tests.web.test_drafts import started
from tests.web.test_replies import form


def speak(world: World, locale: str) -> None:
    with db.transaction() as session:
        session.get_one(User, world.users["agent"]).locale = locale


@pytest.mark.parametrize(
    ("locale", "sentence"),
    [("en", "Aoi snoozed it until 4 Mar 2031 09:30"), ("ja", "Aoiさんが2031年3月4日 09:30まで保留にしました")],
)
def test_a_snoozed_conversation_says_until_when(
    signed_in: Callable[[str], Visitor], world: World, locale: str, sentence: str
) -> None:
    speak(world, locale)
    agent = signed_in("agent")
    agent.post(f"/conversations/{world.mine}/status", {"status": "snoozed", "until": "2031-03-04T09:30"})
    assert sentence in agent.get(f"/conversations/{world.mine}").text


def test_an_answer_that_is_put_off_says_when_it_is_tried_again(agent: Visitor, world: World) -> None:
    agent.post(f"/drafts/{started(agent, world)}/replies", form())
    again = datetime(2031, 3, 4, 0, 30, tzinfo=UTC)
    with db.transaction() as session:
        session.execute(update(Outgoing).where(Outgoing.state == "queued").values(tries=1, due_at=again))
    assert "it is tried again at 4 Mar 2031 09:30" in agent.get(f"/conversations/{world.free}").text


def test_japanese_pages_say_so_and_name_the_folders_in_japanese(
    signed_in: Callable[[str], Visitor], world: World
) -> None:
    speak(world, "ja")
    agent = signed_in("agent")
    for path in ("/inbox/open", "/drafts", "/outbox", "/quarantine", "/health", "/preferences", "/search?q=x"):
        page = agent.get(path).text
        assert '<html lang="ja"' in page
        assert "担当なし" in page, path
        assert "Unassigned" not in page, path
