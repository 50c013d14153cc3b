"""What can be done again need not wait for the disk; everything else does, also on the connection that was just used
for it."""

from __future__ import annotations

from sqlalchemy import Engine, text
from sqlalchemy.orm import Session

from inbox import db


def waits(session: Session) -> bool:
    if db.is_sqlite(session):
        return session.execute(text("PRAGMA synchronous")).scalar_one() == 2  # FULL; 1 is NORMAL
    return session.execute(text("SHOW synchronous_commit")).scalar_one() == "on"


def test_only_what_can_be_repeated_does_not_wait_for_the_disk(engine: Engine) -> None:
    found = []
    for repeatable in (False, True, False, True, False):
        with db.transaction(engine, repeatable=repeatable) as session:
            found.append(waits(session))
    assert found == [True, False, True, False, True]
