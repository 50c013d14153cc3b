"""The doorbell: tells workers and screens that the database holds something new. Losing every ring loses nothing.

A ring is collected while a transaction runs (`job`, `screens`) and goes out after its commit (`out`). Jobs carry at
most an id; what is due stands in the database, and the clock rings again for whatever was missed.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import redis
import structlog
from redis.backoff import NoBackoff
from redis.retry import Retry
from rq import Queue, SimpleWorker
from rq.serializers import JSONSerializer
from sqlalchemy.orm import Session

from inbox.config import settings

QUEUES = ("send", "work")  # a worker empties the first before it looks at the second
CHANNEL = "madoguchi:screens"
JOB_SECONDS = 900  # a job that runs longer is ended; its row is found again by its lease

Dead = redis.RedisError  # what every function here raises when the server does not answer

Dead = redis.RedisError  # the server does not answer, or answers with an error

log = structlog.get_logger()


@cache
def connection() -> redis.Redis:
    """This process's connection; a dead server answers with an error at once, never with a hang."""
    return redis.Redis.from_url(
        settings().redis,
        socket_connect_timeout=1,
        socket_timeout=5,
        retry=Retry(NoBackoff(), 1),
        health_check_interval=15,
    )


def job(session: Session, name: str, argument: int | None = None, *, queue: str = "work") -> None:
    """After this transaction's commit, some worker runs `inbox.jobs.<name>`(argument)."""
    session.info.setdefault("rings", {})[(queue, name, argument)] = True


def screens(session: Session, **about: Any) -> None:
    """After the commit, open screens look for new events; `about` is for what stands in no event (who is looking)."""
    session.info.setdefault("screens", []).append(about)


def out(session: Session) -> None:
    """Sends what a committed transaction collected. A dead Redis is logged, not raised: the clock rings again."""
    jobs = session.info.pop("rings", {})
    news = session.info.pop("screens", [])
    if not jobs and not news:
        return
    try:
        for queue, name, argument in jobs:
            enqueue(name, argument, queue=queue)
        for about in {json.dumps(about, sort_keys=True): about for about in news}.values():
            connection().publish(CHANNEL, json.dumps(about))
    except redis.RedisError as error:
        log.warning("doorbell_dead", error=str(error))


def drop(session: Session) -> None:
    """Forgets what a rolled back transaction collected."""
    session.info.pop("rings", None)
    session.info.pop("screens", None)


def enqueue(name: str, argument: int | None = None, *, queue: str = "work") -> None:
    """Puts one job on a queue now. Raises redis.RedisError."""
    Queue(queue, connection=connection(), serializer=JSONSerializer).enqueue_call(
        f"inbox.jobs.{name}",
        args=() if argument is None else (argument,),
        timeout=JOB_SECONDS,
        result_ttl=0,
        failure_ttl=3600,
        ttl=3600,
    )


def ping() -> None:
    """Raises redis.RedisError when the server does not answer or would throw jobs away when full."""
    connection().ping()


def backlog() -> int:
    """Jobs waiting on all queues."""
    return sum(Queue(name, connection=connection(), serializer=JSONSerializer).count for name in QUEUES)


def work(*, burst: bool = False, stopping: Callable[[], None] = lambda: None) -> None:
    """Runs jobs until told to stop (SIGTERM, SIGINT), then calls `stopping` at once and ends after the running job.

    In this process, not in a fork for each: engine and connections stay open. Raises redis.RedisError when the server
    is not there at the start; later it waits for it to come back.
    """
    queues = [Queue(name, connection=connection(), serializer=JSONSerializer) for name in QUEUES]
    worker = _Worker(queues, connection=connection(), serializer=JSONSerializer, log_job_description=False)
    worker.stopping = stopping
    worker.work(burst=burst, with_scheduler=False, logging_level="WARNING")


class _Worker(SimpleWorker):
    max_connection_wait_time = 5.0  # seconds between looks for a Redis that went away
    stopping: Callable[[], None]

    def handle_warm_shutdown_request(self) -> None:
        super().handle_warm_shutdown_request()
        self.stopping()


def listen(seconds: float) -> Iterator[dict[str, Any] | None]:
    """What screens are told, as it comes; None whenever `seconds` passed in silence. Raises redis.RedisError."""
    wire = redis.Redis.from_url(settings().redis, socket_connect_timeout=1, socket_timeout=seconds + 5)
    channel = wire.pubsub(ignore_subscribe_messages=True)
    try:
        channel.subscribe(CHANNEL)
        while True:
            message = channel.get_message(timeout=seconds)
            yield json.loads(message["data"]) if message else None
    finally:
        channel.close()
        wire.close()
