"""What watches the installation: true answers without sign-in, without secrets, and without a database."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from inbox import config, db
from inbox.models import Heartbeat
from tests.servers.valkey import Valkey
from tests.web.conftest import Visitor, World
from web import create_app

PARTS = {"database", "redis", "disk", "poller", "worker", "clock"}


def beat(*, age: timedelta = timedelta()) -> None:
    with db.transaction() as session:
        for role in ("poller", "worker", "clock"):
            session.merge(Heartbeat(name=f"{role}@here", role=role, at=datetime.now(UTC) - age))


def test_everything_works(visitor: Visitor, valkey: Valkey, world: World) -> None:
    beat()
    response = visitor.get("/healthz")
    assert response.status_code == 200, response.json
    assert response.json["ok"] is True
    assert set(response.json["parts"]) == PARTS


def test_a_silent_worker_is_told(visitor: Visitor, valkey: Valkey, world: World) -> None:
    beat(age=timedelta(minutes=5))
    response = visitor.get("/healthz")
    assert response.status_code == 503
    assert response.json["parts"]["worker"] == {"ok": False, "code": "silent"}
    assert visitor.get("/readyz").status_code == 200


def test_a_dead_redis_is_told_and_pages_still_come(visitor: Visitor, agent: Visitor, world: World) -> None:
    beat()
    assert visitor.get("/healthz").json["parts"]["redis"]["ok"] is False
    assert agent.get("/inbox/mine").status_code == 200


@pytest.mark.only_on("sqlite")
def test_without_a_database_the_answer_is_no(engine: object, tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setenv("DATABASE_URL", "postgresql://nobody@127.0.0.1:1/nothing")
    config.settings.cache_clear()
    db.engine.cache_clear()
    client = create_app().test_client()
    with client.session_transaction() as session:
        session.update(user=1, epoch=0, at=int(datetime.now(UTC).timestamp()))
    for path in ("/healthz", "/readyz"):
        response = client.get(path)
        assert response.status_code == 503
        assert response.json["parts"]["database"]["code"] == "down"
        assert "nobody" not in response.text
    page = client.get("/inbox/mine")
    assert page.status_code == 503
    assert "Nothing is lost" in page.text
    assert client.get("/static/css/app.css").status_code == 200
