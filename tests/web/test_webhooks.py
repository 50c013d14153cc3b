"""Webhooks of teams: their words are of no one person."""

from __future__ import annotations

from inbox import webhooks
from tests.web.conftest import Visitor, World
from web.webhooks import of_teams


def test_what_calls_a_teams_webhook_is_told_for_everybody(world: World, signed_in) -> None:  # type: ignore[no-untyped-def]
    page = signed_in("manager").get("/webhooks")
    assert "given to somebody" in page.text
    assert "given to me" not in page.text


def test_every_kind_that_can_be_chosen_has_its_words(visitor: Visitor) -> None:
    with visitor.client.application.test_request_context():
        assert set(of_teams()) == set(webhooks.TEAM_KINDS)
