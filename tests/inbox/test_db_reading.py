"""A session that only reads changes nothing, leaves its connection fit to write, and keeps prepared statements."""

from __future__ import annotations

from contextlib import suppress

import pytest
from sqlalchemy import Engine, select, text
from sqlalchemy.exc import DBAPIError

from inbox import db
from inbox.models import Setting


def kept() -> list[str]:
    with db.reading() as session:
        return list(session.scalars(select(Setting.key).where(Setting.key.in_(("read", "written")))))


def test_what_a_reader_writes_never_stays(engine: Engine) -> None:
    with suppress(DBAPIError), db.reading() as session:
        session.add(Setting(key="read", value=1))
        session.flush()
    with db.transaction() as session:  # most likely over the same connection
        session.add(Setting(key="written", value=1))
    assert kept() == ["written"]


@pytest.mark.only_on("postgres")
def test_postgres_itself_refuses_what_a_reader_writes(engine: Engine) -> None:
    with pytest.raises(DBAPIError, match="read-only transaction"), db.reading() as session:
        session.execute(text("DELETE FROM setting"))


@pytest.mark.only_on("postgres")
def test_questions_of_readers_are_prepared_once(engine: Engine) -> None:
    question = select(Setting.key).where(Setting.key == "some key")
    for _ in range(8):  # psycopg prepares what was asked five times
        with db.reading() as session:
            db.rows(session, question)
    with db.reading() as session:
        prepared = session.execute(text("SELECT statement FROM pg_prepared_statements")).scalars().all()
    assert any("setting" in statement for statement in prepared)
