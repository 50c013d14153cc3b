"""The outbox page: every state in words, the server's own words, and what a person may decide."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from sqlalchemy import select

from inbox import db, outbox
from inbox.models import AuditEvent, Outgoing, Setting, User
from inbox.outbox import settling
from tests.web.conftest import Visitor, World, an_outgoing, mailbox


def queue(world: World, state: str, **more: object) -> int:
    with db.transaction() as session:
        return an_outgoing(session, world.support, world.users["agent"], state=state, **more)


def state_of(outgoing_id: int) -> str:
    with db.reading() as session:
        return session.get_one(Outgoing, outgoing_id).state


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ("queued", "until then it can be taken back"),
        ("held", "waits for a person to release it"),
        ("sending", "Being sent"),
        ("failed", "The mail server refused it"),
        ("uncertain", "no machine sends it a second time"),
        ("sent", "taken by the server"),
        ("cancelled", "Cancelled"),
    ],
)
@pytest.mark.only_on("sqlite")
def test_every_state_is_shown_in_words(agent: Visitor, world: World, state: str, words: str) -> None:
    queue(world, state, subject=f"about {state}")
    page = agent.get(f"/outbox?state={state}")
    assert f"about {state}" in page.text
    assert words in page.text


def test_the_servers_words_stand_at_the_recipient_they_are_about(agent: Visitor, world: World) -> None:
    queue(world, "failed", text='<img src=x onerror="alert(1)"> 5.1.1 User unknown')
    page = agent.get("/outbox")
    assert "5.1.1 User unknown" in page.text
    assert "<img src=x" not in page.text


def test_what_we_say_in_a_servers_place_is_in_the_readers_language(agent: Visitor, world: World) -> None:
    with db.transaction() as session:
        session.get_one(User, world.users["agent"]).locale = "ja"
    queue(world, "failed", answer=settling.UNREACHABLE)
    assert "48時間接続できませんでした" in agent.get("/outbox").text


def test_what_is_settled_stands_only_under_its_own_state(agent: Visitor, world: World) -> None:
    queue(world, "sent", subject="gone long ago")
    assert "gone long ago" not in agent.get("/outbox").text
    assert "gone long ago" in agent.get("/outbox?state=sent").text


def test_an_agent_of_another_mailbox_sees_nothing_of_it(signed_in: Callable[[str], Visitor], world: World) -> None:
    held = queue(world, "held", subject="not yours")
    outsider = signed_in("outsider")
    assert "not yours" not in outsider.get("/outbox").text
    assert outsider.get(f"/outbox/{held}").status_code == 404
    assert outsider.post(f"/outbox/{held}/release").status_code == 404
    assert state_of(held) == "held"


@pytest.mark.parametrize(
    ("before", "decision", "after"),
    [
        ("queued", "hold", "held"),
        ("held", "release", "queued"),
        ("held", "departure", "queued"),
        ("queued", "cancellation", "cancelled"),
        ("failed", "retry", "queued"),
        ("uncertain", "retry", "queued"),
        ("uncertain", "arrival", "sent"),
    ],
)
def test_decisions(agent: Visitor, world: World, before: str, decision: str, after: str) -> None:
    outgoing = queue(world, before)
    response = agent.post(f"/outbox/{outgoing}/{decision}")
    assert (response.status_code, state_of(outgoing)) == (303, after)


def test_a_decision_that_comes_too_late_is_told_and_changes_nothing(agent: Visitor, world: World) -> None:
    sent = queue(world, "sending")
    response = agent.post(f"/outbox/{sent}/cancellation")
    assert response.status_code == 409
    assert "already on its way" in response.text
    assert state_of(sent) == "sending"
    assert agent.post(f"/outbox/{sent}/no-such-thing").status_code == 404


def test_a_manager_pauses_a_mailbox_and_it_is_written_down(signed_in: Callable[[str], Visitor], world: World) -> None:
    manager = signed_in("manager")
    assert manager.post("/outbox/pauses", {"mailbox": str(world.support), "on": "1"}).status_code == 303
    assert mailbox(world.support).sending_paused
    assert "Sending is paused for: Support." in manager.get("/outbox").text
    manager.post("/outbox/pauses", {"mailbox": str(world.support), "on": "0"})
    assert not mailbox(world.support).sending_paused
    assert manager.post("/outbox/pauses", {"mailbox": str(world.sales), "on": "1"}).status_code == 404
    with db.reading() as session:
        kinds = list(session.scalars(select(AuditEvent.kind).order_by(AuditEvent.id)))
    assert kinds == ["sending_paused", "sending_resumed"]


def test_only_an_administrator_stops_everything(signed_in: Callable[[str], Visitor], world: World) -> None:
    assert signed_in("manager").post("/outbox/pauses", {"mailbox": "all", "on": "1"}).status_code == 403
    admin = signed_in("admin")
    admin.post("/outbox/pauses", {"mailbox": "all", "on": "1"})
    assert "Sending is paused for all mailboxes." in admin.get("/").text + admin.get("/outbox").text
    admin.post("/outbox/pauses", {"mailbox": "all", "on": "0"})
    with db.reading() as session:
        assert outbox.paused_by(session) is None


def test_a_restored_backup_says_so_on_every_page(agent: Visitor, world: World) -> None:
    with db.transaction() as session:
        session.add(Setting(key="sending_paused", value="restored"))
    assert "This is a restored backup" in agent.get("/outbox").text


def test_a_script_gets_the_rows_alone(agent: Visitor, world: World) -> None:
    queue(world, "held", subject="only this")
    page = agent.get("/outbox", headers={"X-Fragment": "1"})
    assert "only this" in page.text
    assert "<html" not in page.text


def test_tries_are_told_one_by_one(agent: Visitor, world: World) -> None:
    from inbox.models import Attempt

    outgoing, now = queue(world, "failed", tries=1), datetime.now(UTC)
    with db.transaction() as session:
        session.add(
            Attempt(
                outgoing_id=outgoing,
                number=1,
                worker="w",
                started_at=now,
                ended_at=now,
                outcome="failed",
                code=550,
                answer="No",
            )
        )
    page = agent.get(f"/outbox/{outgoing}").text
    assert "Try 1" in page
    assert "550 No" in page


def test_older_pages_are_reached_by_key(agent: Visitor, world: World) -> None:
    for number in range(55):
        queue(world, "held", subject=f"mail {number:02}")
    first = agent.get("/outbox?state=held")
    assert "mail 54" in first.text
    assert "mail 04" not in first.text
    older = first.text.split('rel="next" href="')[1].split('"')[0].replace("&amp;", "&")
    assert "mail 04" in agent.get(older).text
