"""A page that dies in the middle of reading must not spoil the pages after it."""

from __future__ import annotations

import pytest
from flask import Flask, g
from sqlalchemy import text

from inbox import db
from tests.web.conftest import Visitor, World
from web import create_app, edge


@pytest.mark.only_on("sqlite")
def test_what_is_written_after_a_page_died_reading_is_written(app: Flask, world: World) -> None:
    held = []

    class Broken(Exception):
        pass

    dying = create_app()

    @edge.for_everybody
    def dies() -> str:
        held.append(g.session.execute(text("SELECT id FROM conversation")))  # as a traceback would
        raise Broken

    dying.add_url_rule("/dies", "dies", dies)
    try:
        visitor = Visitor(dying)
        visitor.get("/sign-in")
        db.engine().dispose()  # one connection in the pool: the one that the broken page uses
        assert visitor.client.get("/dies").status_code == 500
        with db.make_engine(str(db.engine().url)).begin() as other:  # another process writes meanwhile
            other.execute(text("UPDATE mailbox SET name = name || '!'"))
        for _ in range(3):
            assert visitor.post("/password-reset", {"email": "x@y.example"}).status_code == 200
    finally:
        dying.extensions["push"].stop()
