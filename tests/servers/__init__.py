"""Real servers, thrown away after the tests: Dovecot, an SMTP server with faults, PostgreSQL, Valkey."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


class NotHere(Exception):
    """This machine lacks the server; the message says what is missing and how to get it."""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until(check: Callable[[], T], *, seconds: float = 10.0, every: float = 0.02, what: str = "") -> T:
    """The first truthy answer of `check`; AssertionError naming `what` when none came within `seconds`."""
    deadline = time.monotonic() + seconds
    while True:
        answer = check()
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds} s: {what or check}")
        time.sleep(every)


def answers(port: int, greeting: bytes = b"", *, host: str = "127.0.0.1") -> bool:
    """Whether something listens on the port and, if a greeting is given, begins with it."""
    try:
        with socket.create_connection((host, port), 1) as connection:
            connection.settimeout(1)
            return connection.recv(len(greeting)) == greeting if greeting else True
    except OSError:
        return False
