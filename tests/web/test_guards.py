"""Safe sending through the pages: the look before sending, its settings, stopped second replies."""

from __future__ import annotations

import re
from html import unescape
from typing import Any

from sqlalchemy import select

from inbox import db
from inbox.models import Outgoing, SendRule
from tests.web.conftest import Visitor, World, conversation
from tests.web.test_drafts import started


def boxes(page: str, *, tick: bool) -> dict[str, Any]:
    """What the form of the page between sends, without scripts."""
    form = page.partition('id="look"')[2].partition("</form>")[0]
    sent: dict[str, Any] = dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', form))
    sent.pop("csrf_token", None)
    if tick:
        sent["tick"] = [unescape(one) for one in re.findall(r'name="tick" value="([^"]+)"', page)]
    return sent


def test_a_mail_leaves_only_when_all_is_ticked(agent: Visitor, world: World) -> None:
    draft = started(agent, world)
    form = {"rev": 1, "seen_version": 1, "text": "請求書を添付します。", "next_status": "closed"}
    between = agent.post(f"/drafts/{draft}/replies", form)
    assert (between.status_code, conversation(world.free).status) == (200, "open")
    assert "speaks of an attachment" in between.text
    again = agent.post(f"/drafts/{draft}/replies", boxes(between.text, tick=False))
    assert "1 box is not ticked yet." in again.text
    done = agent.post(f"/drafts/{draft}/replies", boxes(again.text, tick=True))
    assert (done.status_code, conversation(world.free).status) == (303, "closed")
    with db.reading() as session:
        assert len(session.scalars(select(Outgoing).where(Outgoing.draft_id == draft)).all()) == 1


def test_a_manager_sets_what_is_asked(signed_in: Any, world: World) -> None:
    manager = signed_in("manager")
    path = f"/guards/mailboxes/{world.support}"
    assert "Only for what is doubtful" in manager.get("/guards").text
    refused = manager.post(path, {"ask": "always", "words": "極秘", "most_visible": "0"})
    assert refused.status_code == 400
    assert 'id="most_visible-error"' in refused.text
    assert "極秘" in refused.text, "what was typed stays"
    done = manager.post(path, {"ask": "always", "words": "極秘\n社外秘", "most_visible": "", "check_names": "1"})
    assert done.status_code == 303
    with db.reading() as session:
        kept = session.get_one(SendRule, world.support).rules
    assert (kept["ask"], kept["words"], kept["most_visible"], kept["check_attachments"]) == (
        "always",
        ["極秘", "社外秘"],
        None,
        False,
    )
    assert signed_in("manager").get(f"/guards/mailboxes/{world.sales}").status_code == 404


def test_a_stopped_second_reply_is_told_to_managers(agent: Visitor, signed_in: Any, world: World) -> None:
    draft = started(agent, world)
    stopped = agent.post(f"/drafts/{draft}/replies", {"rev": 1, "seen_version": 0, "text": "x"})
    assert stopped.status_code == 409
    page = signed_in("manager").get("/guards/near-misses").text
    assert "届きません" in page
    assert "Aoi" in page
    assert agent.get("/guards/near-misses").status_code == 403
