"""A connection to PostgreSQL that rested is asked before it is used; one that was used a moment ago is not."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine, text

from inbox import db
from tests.servers.postgres import Postgres


@pytest.fixture
def engine(postgres: Postgres) -> Iterator[Engine]:
    name = postgres.create()
    made = db.make_engine(postgres.url(name), pool_size=1)
    yield made
    made.dispose()
    postgres.drop(name)


def session_id(engine: Engine) -> int:
    with engine.connect() as connection:
        return int(connection.execute(text("SELECT pg_backend_pid()")).scalar_one())


def cut(engine: Engine, pid: int) -> None:
    elsewhere = db.make_engine(engine.url.render_as_string(hide_password=False))
    with elsewhere.connect() as connection:
        connection.execute(text("SELECT pg_terminate_backend(:pid, 5000)"), {"pid": pid})
    elsewhere.dispose()


def test_a_connection_that_was_cut_while_it_rested_is_replaced(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    before = session_id(engine)
    cut(engine, before)
    monkeypatch.setattr(db, "RESTED_SECONDS", 0.0)
    assert session_id(engine) != before


def test_a_connection_that_was_just_used_is_used_again_without_a_question(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(db, "RESTED_SECONDS", 600.0)
    before = session_id(engine)
    asked: list[object] = []
    monkeypatch.setattr(engine.dialect, "do_ping", asked.append)
    assert (session_id(engine), asked) == (before, [])
