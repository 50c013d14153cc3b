"""The worker process: runs jobs as the doorbell rings. It lives through a dead Redis and ends cleanly on SIGTERM."""

from __future__ import annotations

import signal
import threading
from types import FrameType

import structlog

from inbox import collector, heartbeats, sending
from inbox.wire import ring

DRAIN_SECONDS = 20.0  # a mail inside DATA gets this long to end after SIGTERM
RETRY_SECONDS = 1.0  # between looks for a Redis that is not there at the start

log = structlog.get_logger()


def run(*, burst: bool = False) -> None:
    """Works until SIGTERM or SIGINT; `burst` ends when the queues are empty."""
    stopping = threading.Event()

    def stop(*_about: int | FrameType | None) -> None:
        stopping.set()
        sending.stop(patience=0)

    collector.settle()
    with heartbeats.Heart("worker"):
        while not stopping.is_set():
            for one in (signal.SIGTERM, signal.SIGINT):
                signal.signal(one, stop)
            try:
                ring.work(burst=burst, stopping=stop)
                if burst:
                    break
            except ring.Dead as error:
                log.warning("doorbell_dead", error=str(error))
            stopping.wait(RETRY_SECONDS)  # RQ also gives up, without a word, when Redis dies just as a job ends
        if not sending.stop(patience=DRAIN_SECONDS):
            log.warning("stopped_inside_a_mail")
