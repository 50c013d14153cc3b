"""The health page in words, the banners of every page, the ledger's sum, and what can be asked for."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from html import unescape

import pytest
from flask import Flask
from sqlalchemy import select

from inbox import db, heartbeats
from inbox.models import AuditEvent, Folder, Mailbox
from tests.web.conftest import Visitor, World, mailbox

pytestmark = pytest.mark.only_on("sqlite")


def words_of(page: str) -> str:
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", page)).split())


def change(mailbox_id: int, **values: object) -> None:
    with db.transaction() as session:
        found = session.get_one(Mailbox, mailbox_id)
        for name, value in values.items():
            setattr(found, name, value)


def folder(mailbox_id: int, **values: object) -> None:
    with db.transaction() as session:
        found = session.scalars(select(Folder).where(Folder.mailbox_id == mailbox_id)).one()
        for name, value in values.items():
            setattr(found, name, value)


def everything_lives() -> None:
    with db.transaction() as session:
        for role in ("poller", "worker", "clock"):
            heartbeats.beat(session, role, now=datetime.now(UTC))


def test_the_ledger_is_a_sum_that_people_can_check(agent: Visitor, world: World) -> None:
    folder(
        world.support,
        server_count=12_431,
        accounted_count=12_430,
        quarantined_count=1,
        reconciled_at=datetime.now(UTC),
    )
    assert "on the server 12,431 = filed 12,430 + in quarantine 1" in words_of(agent.get("/health").text)
    folder(world.support, server_count=12_435, left_out_count=3, missing_count=1)
    shown = words_of(agent.get("/health").text)
    assert "on the server 12,435 = filed 12,430 + in quarantine 1 + left out as too old 3 + missing 1" in shown
    assert "What is missing is fetched again." in shown


def test_a_refused_password_is_told_in_words_on_page_banner_and_sidebar(agent: Visitor, world: World) -> None:
    now = datetime.now(UTC)
    change(
        world.support,
        failing_since=now - timedelta(minutes=3),
        failures=1,
        error_code="login",
        error_text="AUTHENTICATIONFAILED <script>",
        last_ok_at=now - timedelta(hours=1),
    )
    page = agent.get("/health").text
    shown = words_of(page)
    assert "The server refused user name or password." in shown
    assert "AUTHENTICATIONFAILED <script>" in shown
    assert "<script>" not in page.split("health-card")[1].split("</article>")[0]
    assert "No mail comes in for: Support." in words_of(agent.get("/inbox/open").text)
    assert 'class="health health-bad"' in agent.get("/inbox/open").text


def test_after_three_refused_passwords_it_says_that_it_stopped(agent: Visitor, world: World) -> None:
    change(world.support, failing_since=datetime.now(UTC), failures=3, error_code="login")
    assert "lest the account be locked" in words_of(agent.get("/health").text)


def test_sending_that_fails_is_told_apart_from_receiving(agent: Visitor, world: World) -> None:
    now = datetime.now(UTC)
    change(
        world.support, last_ok_at=now, smtp_error_code="certificate_expired", smtp_error_text="certificate has expired"
    )
    shown = words_of(agent.get("/health").text)
    assert "Mail comes in." in shown
    assert "Sending: The server's certificate has expired." in shown
    assert "No mail leaves from: Support." in shown


def test_nobody_sees_the_mailboxes_of_others(signed_in: Callable[[str], Visitor], world: World) -> None:
    change(world.support, error_code="login", error_text="secret words", failing_since=datetime.now(UTC))
    page = signed_in("outsider").get("/health").text
    assert "support@shop.example" not in page
    assert "secret words" not in page


def test_dead_parts_are_a_banner_on_every_page_and_living_ones_are_not(
    agent: Visitor, world: World, app: Flask, valkey: object
) -> None:
    shown = words_of(agent.get("/inbox/open").text)
    assert "These parts do not work: Poller, Worker, Clock." in shown
    everything_lives()
    app.extensions.pop("parts")
    assert "do not work" not in words_of(agent.get("/inbox/open").text)
    assert "1 process, heard of 0 s ago." in words_of(agent.get("/health").text)


def test_a_dead_redis_is_no_disaster_and_says_so(agent: Visitor, world: World) -> None:
    everything_lives()
    shown = words_of(agent.get("/inbox/open").text)
    assert "Redis does not answer. Mail still comes in and leaves, some seconds later" in shown


def test_a_manager_asks_for_a_comparison_another_try_and_older_mail(
    signed_in: Callable[[str], Visitor], world: World
) -> None:
    manager = signed_in("manager")
    folder(world.support, reconciled_at=datetime.now(UTC))
    change(world.support, error_code="login", failures=3, failing_since=datetime.now(UTC))
    assert manager.post(f"/health/{world.support}/comparison").status_code == 303
    with db.reading() as session:
        row = session.scalars(select(Folder).where(Folder.mailbox_id == world.support)).one()
    assert row.reconciled_at is None
    assert row.due_at is not None
    manager.post(f"/health/{world.support}/retry")
    assert mailbox(world.support).error_code == ""
    manager.post(f"/health/{world.support}/backfill", {"since": "2023-04-01"})
    with db.reading() as session:
        row = session.scalars(select(Folder).where(Folder.mailbox_id == world.support)).one()
        kinds = list(session.scalars(select(AuditEvent.kind)))
    assert row.backfill_since == datetime(2023, 3, 31, 15, tzinfo=UTC)  # midnight in Tokyo
    assert "backfill_asked" in kinds
    assert manager.post(f"/health/{world.support}/backfill", {"since": "soon"}).status_code == 400
    assert manager.post(f"/health/{world.support}/backfill", {"since": "2999-01-01"}).status_code == 400
    assert manager.post(f"/health/{world.sales}/comparison").status_code == 404
    assert manager.post(f"/health/{world.sales}/retry").status_code == 404
    assert manager.post(f"/health/{world.sales}/backfill", {"since": "2023-04-01"}).status_code == 404


def test_a_switched_off_mailbox_is_no_trouble(agent: Visitor, world: World) -> None:
    change(world.support, active=False)
    shown = words_of(agent.get("/health").text)
    assert "It is not read. Mail stays on its server." in shown
    assert "No mail comes in for" not in shown
