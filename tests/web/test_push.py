"""The event stream: news within a second, only of the own mailboxes, with and without Redis, until the session ends."""

from __future__ import annotations

import json
import queue
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from flask import Flask

from inbox import conversations, db, people, triage
from inbox.models import Conversation, Event, User
from tests.servers.valkey import Valkey
from tests.web.conftest import Visitor, World
from web import push

Open = Callable[..., "Stream"]


class Stream:
    """An open /events, read by a thread of its own."""

    def __init__(self, visitor: Visitor, query: str = "") -> None:
        self.response = visitor.client.get(f"/events{query}", buffered=False)
        self.lines: queue.Queue[str] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        for chunk in self.response.response:
            for line in (chunk.decode() if isinstance(chunk, bytes) else chunk).splitlines():
                self.lines.put(line)
        self.lines.put("over")

    def news(self, within: float) -> list[dict[str, Any]]:
        """The next piece of news; empty when none came in time."""
        return next(iter(self._until("data: ", within)), [])

    def over(self, within: float) -> bool:
        return self._line("over", within) is not None

    def _until(self, start: str, within: float) -> Iterator[list[dict[str, Any]]]:
        line = self._line(start, within)
        if line is not None:
            yield json.loads(line.removeprefix(start))

    def _line(self, start: str, within: float) -> str | None:
        ends = time.monotonic() + within
        while (left := ends - time.monotonic()) > 0:
            try:
                line = self.lines.get(timeout=left)
            except queue.Empty:
                return None
            if line.startswith(start):
                return line
        return None


@pytest.fixture
def listening(app: Flask) -> Open:
    def listen(visitor: Visitor, query: str = "") -> Stream:
        stream = Stream(visitor, query)
        assert stream._line(": here", 5) is not None
        return stream

    return listen


def assign(world: World, conversation_id: int) -> None:
    with db.transaction() as session:
        admin = people.of(session, session.get_one(User, world.users["admin"]))
        owner = world.users["agent"] if conversation_id != world.theirs else world.users["outsider"]
        triage.assign(session, admin, conversation_id, owner, now=datetime.now(UTC))


def warm(stream: Stream, world: World) -> None:
    """Until the listening thread has subscribed, a ring may be missed; then two seconds pass instead of a moment."""
    with db.transaction() as session:
        story = session.get_one(Conversation, world.mine)
        conversations.record(session, story, "noted", now=datetime.now(UTC))
    assert stream.news(6)


def test_what_a_colleague_does_is_told_at_once(
    agent: Visitor, world: World, valkey: Valkey, listening: Open
) -> None:
    stream = listening(agent)
    warm(stream, world)
    time_before = time.monotonic()
    assign(world, world.free)
    assert {
        "conversation": world.free,
        "mailbox": world.support,
        "kind": "assigned",
        "by": world.users["admin"],
    } in stream.news(3)
    assert time.monotonic() - time_before < push.POLL_SECONDS  # the doorbell was heard


def test_other_mailboxes_are_not_told(
    agent: Visitor, signed_in: Callable[[str], Visitor], world: World, valkey: Valkey, listening: Open
) -> None:
    mine, theirs = listening(agent), listening(signed_in("outsider"))
    warm(mine, world)
    assign(world, world.theirs)
    assert theirs.news(3)[0]["conversation"] == world.theirs
    assert mine.news(0.5) == []


def test_without_redis_news_come_by_themselves(agent: Visitor, world: World, listening: Open) -> None:
    stream = listening(agent)
    assign(world, world.free)
    assert stream.news(push.POLL_SECONDS + 3)


def test_redis_may_die_and_come_back(agent: Visitor, world: World, valkey: Valkey, listening: Open) -> None:
    stream = listening(agent)
    warm(stream, world)
    valkey.kill()
    assign(world, world.free)
    assert stream.news(push.POLL_SECONDS + 3)


def test_what_happened_between_page_and_stream_is_not_missed(agent: Visitor, world: World, listening: Open) -> None:
    with db.reading() as session:
        newest = session.query(Event.id).order_by(Event.id.desc()).limit(1).scalar()
    assign(world, world.free)
    stream = listening(agent, f"?since={newest}")
    assert stream.news(1)[0]["conversation"] == world.free


def test_a_screen_that_missed_too_much_looks_at_everything(agent: Visitor, world: World, listening: Open) -> None:
    with db.transaction() as session:
        story = session.get_one(Conversation, world.mine)
        for _ in range(push.WAITING_ROOM + 5):
            conversations.record(session, story, "noted", now=datetime.now(UTC))
    assert {"all": True} in listening(agent, "?since=0").news(3)


def test_who_looks_is_told_though_it_is_no_event(agent: Visitor, world: World, valkey: Valkey, listening: Open) -> None:
    from inbox import presence

    stream = listening(agent)
    warm(stream, world)
    with db.transaction() as session:
        mei = people.of(session, session.get_one(User, world.users["manager"]))
        presence.look(session, mei, world.mine, now=datetime.now(UTC))
    assert {"conversation": world.mine, "mailbox": world.support, "kind": "looking", "by": mei.id} in stream.news(3)


def test_signing_out_closes_the_streams_of_that_browser_only(
    agent: Visitor, signed_in: Callable[[str], Visitor], world: World, valkey: Valkey, listening: Open
) -> None:
    gone, stays = listening(agent), listening(signed_in("manager"))
    warm(gone, world)
    agent.get("/inbox/mine")
    agent.post("/sign-out")
    assert gone.over(5)
    assert not stays.over(0.3)


def test_a_stream_of_somebody_who_may_no_more_ends(
    agent: Visitor, world: World, listening: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(push, "HEARTBEAT_SECONDS", 0.1)
    stream = listening(agent)
    with db.transaction() as session:
        session.get_one(User, world.users["agent"]).session_epoch += 1
    assert stream.over(10)


def test_a_stream_that_never_rests_ends_as_well(
    agent: Visitor, world: World, listening: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(push, "HEARTBEAT_SECONDS", 0.5)
    stream = listening(agent)
    screens = agent.client.application.extensions["push"]._screens
    (screen,) = screens
    with db.transaction() as session:
        session.get_one(User, world.users["agent"]).session_epoch += 1
    ends = time.monotonic() + 10
    while screen in screens and time.monotonic() < ends:
        screen.tell(push.News(0, world.mine, world.support, "looking", None))
        time.sleep(0.01)
    assert screen not in screens
    assert stream.over(1)


def test_nothing_is_told_twice(engine: object, world: World) -> None:
    reader = push._Reader()
    reader.read()
    assign(world, world.free)
    assert [one.kind for one in reader.read()] == ["assigned", "bell"]
    assert reader.read() == []


def test_after_rows_were_deleted_everything_is_looked_at(engine: object, world: World) -> None:
    reader = push._Reader()
    reader.read()
    with db.transaction() as session:
        session.query(Event).delete()
    assert push.EVERYTHING in reader.read()


def test_a_slow_screen_gets_one_word_instead_of_a_long_tale(engine: object, world: World) -> None:
    with db.reading() as session:
        who = people.of(session, session.get_one(User, world.users["agent"]))
    screen = push.Screen(who, "key", None)
    for n in range(push.WAITING_ROOM + 50):
        screen.tell(push.News(n, 1, world.support, "noted", None))
    waiting = [screen.waiting.get_nowait() for _ in range(screen.waiting.qsize())]
    assert push.EVERYTHING in waiting
    assert len(waiting) <= 51


def test_the_stream_says_how_it_wants_to_be_treated(agent: Visitor, engine: object) -> None:
    response = agent.client.get("/events", buffered=False)
    assert response.mimetype == "text/event-stream"
    assert response.headers["X-Accel-Buffering"] == "no"
    assert response.headers["Cache-Control"] == "no-store"
    response.close()
