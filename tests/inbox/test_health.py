"""Health tells the truth about every part, also when the database is not there to be asked."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine, update

from inbox import config, db, health, heartbeats
from inbox.models import Folder, Heartbeat, Mailbox
from tests.inbox.intake.story import Story, a_mail
from tests.servers.valkey import Valkey

NOW = datetime(2026, 11, 20, 3, 0, tzinfo=UTC)


def codes(now: datetime = NOW) -> dict[str, str]:
    return {part.name: part.code for part in health.system(now=now).parts}


def test_everything_works_when_all_processes_live(engine: Engine, valkey: Valkey) -> None:
    with db.transaction() as session:
        for role in ("poller", "worker", "clock"):
            heartbeats.beat(session, role, now=NOW)
    found = health.system(now=NOW + timedelta(seconds=20))
    assert found.ok, found
    assert found.part("database").facts["kind"] in ("sqlite", "postgresql")


def test_a_silent_process_and_one_that_never_was_are_told_apart(engine: Engine, valkey: Valkey) -> None:
    with db.transaction() as session:
        heartbeats.beat(session, "poller", now=NOW)
    told = codes(NOW + timedelta(seconds=45))
    assert (told["poller"], told["worker"], told["clock"]) == ("silent", "never", "never")


def test_a_dead_redis_is_told(engine: Engine, valkey: Valkey) -> None:
    valkey.kill()
    assert codes()["redis"] == "down"


def test_a_database_that_is_not_there_is_told(engine: Engine, valkey: Valkey, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none")
    config.settings.cache_clear()
    db.engine.cache_clear()
    told = codes()
    assert (told["database"], told["poller"]) == ("down", "unknown")
    assert not health.system(now=NOW).ok


def test_an_old_schema_is_told(engine: Engine, valkey: Valkey) -> None:
    from sqlalchemy import text

    with db.transaction() as session:
        session.execute(text("UPDATE alembic_version SET version_num = '0000'"))
    assert codes()["database"] == "old_schema"


def test_a_mailbox_is_described_in_facts(engine: Engine) -> None:
    story = Story()
    story.arrives(a_mail(), b"X: 1\r\n" * 5_000)

    def state() -> str:
        with db.reading() as session:
            (found,) = health.mailboxes(session, None, now=NOW + timedelta(hours=1))
        assert (found.quarantined, found.backlog) == (1, 0)
        return found.state

    def set_to(**values: object) -> str:
        with db.transaction() as session:
            session.execute(update(Mailbox).values(**values))
        return state()

    assert state() == "new"
    with db.transaction() as session:
        session.execute(update(Folder).values(read_at=NOW + timedelta(minutes=59, seconds=30)))
    assert set_to(last_ok_at=NOW) == "ok"
    assert set_to(failing_since=NOW, failures=2, error_code="timeout") == "failing"
    assert set_to(failing_since=NOW, failures=3, error_code="login") == "stopped"
    assert set_to(active=False) == "off"
    assert set_to(active=True, failing_since=None, failures=0, error_code="") == "ok"
    with db.transaction() as session:
        session.execute(update(Folder).values(read_at=NOW))
    assert state() == "late"


def test_an_import_tells_how_far_it_is(engine: Engine) -> None:
    Story()
    with db.transaction() as session:
        session.execute(update(Mailbox).values(last_ok_at=NOW))
        session.execute(
            update(Folder)
            .where(Folder.role == "inbox")
            .values(import_started_at=NOW, import_done=300, import_total=900)
        )
    with db.reading() as session:
        (found,) = health.mailboxes(session, None, now=NOW + timedelta(seconds=30))
    assert found.importing == health.ImportProgress(done=300, total=900, rate=10.0, seconds_left=60.0)


def test_heartbeats_of_long_gone_processes_do_not_hide_a_silent_one(engine: Engine, valkey: Valkey) -> None:
    with db.transaction() as session:
        session.add(Heartbeat(name="poller@old:1", role="poller", at=NOW - timedelta(hours=3), info={}))
        heartbeats.beat(session, "poller", now=NOW)
    assert codes(NOW + timedelta(seconds=5))["poller"] == "ok"
