"""Long-running processes say that they live; /healthz, /readyz and the health page read it."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import structlog
from sqlalchemy import delete
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from inbox import db
from inbox.models import Heartbeat

EVERY = timedelta(seconds=5)
FORGOTTEN = timedelta(days=1)  # a row this old belongs to a process that nobody misses

log = structlog.get_logger()


def beat(session: Session, role: str, *, now: datetime, info: Mapping[str, Any] | None = None) -> None:
    """This process lives, `info` says how it does."""
    values = {"role": role, "at": now, "info": dict(info or {})}
    statement = db.insert_into(session, Heartbeat).values(name=name_of(role), **values)
    session.execute(statement.on_conflict_do_update(index_elements=["name"], set_=values))


def stop(session: Session, role: str) -> None:
    """This process ends as it should; nobody has to miss it."""
    session.execute(delete(Heartbeat).where(Heartbeat.name == name_of(role)))


def forget_old(session: Session, *, now: datetime) -> int:
    """Deletes rows of processes that are long gone; how many."""
    return session.execute(delete(Heartbeat).where(Heartbeat.at < now - FORGOTTEN)).rowcount


def name_of(role: str) -> str:
    """role@host:pid"""
    return f"{role}@{socket.gethostname()[:60]}:{os.getpid()}"


def is_gone(process: str) -> bool:
    """Whether `process` ("host:pid", with or without "role@" before it) ran on this machine and is no more.

    What a killed process held need not wait for its lease to lapse. Nothing is known of other machines: False.
    """
    host, _, number = process.rpartition("@")[2].rpartition(":")
    if host not in (socket.gethostname()[:60], socket.gethostname()[:40]) or not number.isdigit():
        return False
    try:
        os.kill(int(number), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        pass  # somebody else's process has that number now, or it is ours under another user: the lease will tell
    return False


class Heart:
    """Beats from a thread of its own while a `with` block runs."""

    def __init__(self, role: str, *, info: Callable[[], Mapping[str, Any]] = dict) -> None:
        self._role, self._info = role, info
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"heart-{role}", daemon=True)

    def __enter__(self) -> Heart:
        self._thread.start()
        return self

    def __exit__(self, *_about: object) -> None:
        self._stop.set()
        self._thread.join(5)
        try:
            with db.transaction() as session:
                stop(session, self._role)
        except SQLAlchemyError as error:
            log.warning("heartbeat_not_removed", error=str(error))

    def _run(self) -> None:
        while True:
            try:
                with db.transaction() as session:
                    beat(session, self._role, now=datetime.now(UTC), info=self._info())
            except SQLAlchemyError as error:
                log.warning("heartbeat_not_written", error=str(error))
            if self._stop.wait(EVERY.total_seconds()):
                return
