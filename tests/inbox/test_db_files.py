"""The files of a SQLite database belong to their owner alone."""

from __future__ import annotations

import os
from pathlib import Path

from sqlalchemy import text
from sqlalchemy.orm import Session

from inbox import db


def test_a_new_database_is_readable_by_its_owner_alone(tmp_path: Path) -> None:
    before = os.umask(0o022)
    engine = db.make_engine(f"sqlite:///{tmp_path / 'data' / 'madoguchi.db'}")
    try:
        with Session(engine) as session, session.begin():
            session.execute(text("CREATE TABLE t (x)"))
            files = {path.name: path.stat().st_mode & 0o077 for path in (tmp_path / "data").iterdir()}
    finally:
        os.umask(before)
        engine.dispose()
    assert files == {"madoguchi.db": 0, "madoguchi.db-wal": 0, "madoguchi.db-shm": 0}
