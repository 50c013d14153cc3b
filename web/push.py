"""The event stream: tells open screens within a second that something changed. They fetch what with their own rights.

One pair of threads per web process serves all its streams: one listens to the doorbell, one reads the new history
events when it rings, or after two seconds without. So a dead Redis costs two seconds and nothing else.
"""

from __future__ import annotations

import json
import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TypeVar

import structlog
from flask import Blueprint, Response, current_app, g, request, session

from inbox import db, news, people
from inbox.news import News
from inbox.wire import ring

POLL_SECONDS = 2.0
BREATH_SECONDS = 0.05  # between two looks: a burst of rings is one look
HEARTBEAT_SECONDS = 15.0
LATE_SECONDS = 20.0  # on PostgreSQL a transaction may commit a smaller event id later; so long is looked back
WAITING_ROOM = 200  # undelivered pieces of news of one screen; a slower one looks at everything again

Row = TypeVar("Row")

pages = Blueprint("push", __name__)
log = structlog.get_logger()


@pages.record_once
def _install(state) -> None:  # type: ignore[no-untyped-def]
    state.app.extensions["push"] = Fan()


@pages.get("/events")
def events() -> Response:
    """text/event-stream; every message is named "news" and holds a JSON list."""
    seen = request.headers.get("Last-Event-ID") or request.args.get("since") or ""
    fan: Fan = current_app.extensions["push"]
    screen = fan.open(g.who, key=session.get("key", ""), since=int(seen) if seen.isascii() and seen.isdigit() else None)
    headers = {"X-Accel-Buffering": "no", "Cache-Control": "no-store"}
    return Response(_stream(fan, screen), mimetype="text/event-stream", headers=headers)


def _stream(fan: Fan, screen: Screen) -> Iterator[str]:
    """Runs after the request's own transaction has ended; holds no connection while it waits."""
    try:
        yield "retry: 1000\n: here\n\n"
        yield from _written(screen.missed())
        looked = time.monotonic()
        while not screen.ended:
            if time.monotonic() - looked >= HEARTBEAT_SECONDS:  # also where news never leave a quiet moment
                if not screen.still_allowed():
                    break
                looked = time.monotonic()
            try:
                batch = [screen.waiting.get(timeout=HEARTBEAT_SECONDS)]
            except queue.Empty:
                yield ": still here\n\n"
                continue
            while len(batch) < WAITING_ROOM and not screen.waiting.empty():
                batch.append(screen.waiting.get_nowait())
            yield from _written([one for one in batch if one is not None])
        yield "event: ended\ndata: {}\n\n"
    finally:
        fan.close(screen)


def _written(batch: list[News]) -> Iterator[str]:
    if not batch:
        return
    newest = max(one.id for one in batch)
    told = [
        {"all": True}
        if one.kind == "all"
        else {"conversation": one.conversation_id, "mailbox": one.mailbox_id, "kind": one.kind, "by": one.by}
        for one in batch
    ]
    yield "event: news\n" + (f"id: {newest}\n" if newest else "") + f"data: {json.dumps(told)}\n\n"


EVERYTHING = News(id=0, conversation_id=None, mailbox_id=None, kind="all", by=None)


def bell(user_id: int) -> News:
    """That person's notifications changed."""
    return News(id=0, conversation_id=None, mailbox_id=None, kind="bell", by=None, to=user_id)


@dataclass(eq=False)
class Screen:
    """One open stream."""

    who: people.Viewer
    key: str  # of the browser session
    since: int | None
    waiting: queue.Queue[News | None] = field(default_factory=lambda: queue.Queue(WAITING_ROOM + 1))
    ended: bool = False

    def tell(self, one: News) -> None:
        if one.to is not None and one.to != self.who.id:
            return
        if one.mailbox_id is not None and not self.who.may_see(one.mailbox_id):
            return
        try:
            if self.waiting.qsize() >= WAITING_ROOM:
                while True:
                    self.waiting.get_nowait()  # too slow: everything anew instead of a long tale
        except queue.Empty:
            one = EVERYTHING
        self.waiting.put_nowait(one)

    def end(self) -> None:
        self.ended = True
        with suppress(queue.Full):  # then it is awake anyway
            self.waiting.put_nowait(None)

    def missed(self) -> list[News]:
        """What happened between the page and this stream."""
        if self.since is None:
            return []
        with db.reading() as opened:
            found = news.since(opened, self.since)
        if len(found) > WAITING_ROOM:
            return [EVERYTHING]
        return [one for one in found if one.mailbox_id is None or self.who.may_see(one.mailbox_id)]

    def still_allowed(self) -> bool:
        """Access is looked at anew with every heartbeat."""
        with db.reading() as opened:
            found = people.viewer(opened, self.who.id, self.who.epoch)
        if found is None:
            return False
        self.who = found
        return True


class Fan:
    """Reads news once for a process and hands them to its screens."""

    def __init__(self) -> None:
        self._screens: set[Screen] = set()
        self._lock = threading.Lock()
        self._bell = threading.Event()
        self._threads: list[threading.Thread] = []
        self._stopping = threading.Event()

    def open(self, who: people.Viewer, *, key: str, since: int | None) -> Screen:
        """A screen that is told everything from now on; what came between its page and now it fetches by `missed`."""
        screen = Screen(who, key, since)
        with self._lock:
            if not self._threads:
                self._start()
            self._screens.add(screen)
        return screen

    def close(self, screen: Screen) -> None:
        with self._lock:
            self._screens.discard(screen)

    def stop(self) -> None:
        """Ends all streams and both threads; for tests and orderly ends."""
        self._stopping.set()
        self._bell.set()
        for screen in self._all():
            screen.end()
        for thread in self._threads[1:]:  # the listener ends by itself when its wait is over
            thread.join(10)

    def __len__(self) -> int:
        return len(self._screens)

    def _start(self) -> None:
        reader = _Reader()
        reader.read()  # before the first screen looks for what it missed, or something could fall in between
        for run, given in ((self._listen, ()), (self._look_again_and_again, (reader,))):
            thread = threading.Thread(target=run, args=given, name=f"push{run.__name__}", daemon=True)
            self._threads.append(thread)
            thread.start()

    def _all(self) -> list[Screen]:
        with self._lock:
            return list(self._screens)

    def _listen(self) -> None:
        while not self._stopping.is_set():
            try:
                for about in ring.listen(POLL_SECONDS):
                    if self._stopping.is_set():
                        return
                    if about and "ended" in about:
                        self._end(about["ended"])
                    if about and "bell" in about:  # something was read: no row tells of it
                        self._tell(bell(about["bell"]))
                    if about is not None:
                        self._bell.set()
            except ring.Dead as error:
                log.info("push_without_redis", error=str(error)[:200])
                self._stopping.wait(POLL_SECONDS)

    def _tell(self, one: News) -> None:
        for screen in self._all():
            screen.tell(one)

    def _end(self, key: str) -> None:
        for screen in self._all():
            if screen.key == key:
                screen.end()

    def _look_again_and_again(self, reader: _Reader) -> None:
        while not self._stopping.is_set():
            try:
                for one in reader.read():
                    self._tell(one)
            except Exception as error:  # noqa: BLE001  the edge of a thread that must outlive a database that is away
                log.warning("push_cannot_read", error=str(error)[:300])
                self._stopping.wait(POLL_SECONDS)
            self._bell.wait(POLL_SECONDS)
            self._bell.clear()
            self._stopping.wait(BREATH_SECONDS)


class _Reader:
    """Knows what was told already: events, notifications, and who was looking or writing."""

    def __init__(self) -> None:
        self._events, self._bells = _Tail(), _Tail()
        self._company: frozenset[tuple[int, int, int, str]] = frozenset()

    def read(self) -> list[News]:
        with db.reading() as opened:
            events = self._events.read(news.newest(opened), lambda after: news.since(opened, after), lambda one: one.id)
            told = self._bells.read(
                news.newest_told(opened), lambda after: news.told_since(opened, after), lambda one: one[0]
            )
            company = news.company(opened, now=datetime.now(UTC))
        changed = self._company ^ company
        self._company = company
        if events is None or told is None:
            return [EVERYTHING]
        told_company = {(c, m, u, kind) for c, m, u, kind in changed}
        return [
            *events,
            *(bell(user_id) for user_id in sorted({user_id for _, user_id in told})),
            *(News(0, conversation, mailbox, kind, by) for conversation, mailbox, by, kind in sorted(told_company)),
        ]


class _Tail:
    """The end of one table whose rows are told as they come."""

    def __init__(self) -> None:
        self._floor: int | None = None  # everything up to here was told
        self._told: dict[int, float] = {}  # beyond the floor, with the time when it was read

    def read(
        self, newest: int, since: Callable[[int], Sequence[Row]], number: Callable[[Row], int]
    ) -> list[Row] | None:
        """What came since the last look; None when that cannot be told one by one."""
        if self._floor is None:
            self._floor = newest
        lost = newest < max(self._told, default=self._floor)  # rows were deleted: their ids come again
        found = () if lost else since(self._floor)
        if lost or len(found) > news.MOST:
            self._floor, self._told = newest, {}
            return None
        fresh = [one for one in found if number(one) not in self._told]
        self._remember([number(one) for one in fresh])
        return fresh

    def _remember(self, fresh: Sequence[int]) -> None:
        now = time.monotonic()
        self._told.update((one, now) for one in fresh)
        old = [number for number, at in self._told.items() if now - at > LATE_SECONDS]
        if old:
            self._floor = max(old)
            self._told = {number: at for number, at in self._told.items() if number > self._floor}
