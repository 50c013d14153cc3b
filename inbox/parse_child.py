"""Understands mails in child processes that are bounded in time and memory, so that no mail takes down who files it.

`readers().submit(...)` hands bytes' hashes to the children, which read on ahead. A mail at which a child dies, hangs or
refuses comes back as `Unreadable`; the child is replaced and the other mails go on.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import queue
import resource
import signal
import threading
from collections import deque
from collections.abc import Collection, Iterable
from concurrent.futures import Future
from dataclasses import dataclass

from inbox import collector, reading
from inbox.blobs import MissingBlob, blobs
from inbox.child_process import ChildProcess, Parent
from inbox.config import Settings, settings
from inbox.mail.parse import TooComplex
from inbox.mail.understand import understand
from inbox.reading import Reading

WALL_SECONDS = 20.0  # one mail, as the parent sees it
START_TRIES = 3
CPU_SECONDS = 25  # one mail, as the kernel sees it: ends a child whose parent is gone
MEMORY_BYTES = 1_000_000_000
CHILDREN = 2
AHEAD = 16  # mails given to a child before its first answer is read


@dataclass(frozen=True)
class Unreadable:
    """A mail that could not be understood. `cause`: too_complex, timeout, memory, crashed, missing_bytes, failed."""

    cause: str
    detail: str = ""


class _NotStarted(OSError):
    """No child can be had just now; the mails are tried again later."""


@dataclass
class _Task:
    sha256: str
    own_addresses: tuple[str, ...]
    answer: Future[Reading | Unreadable]
    deaths: int = 0


class Readers:
    """A few children and the threads that feed them. Safe to use from many threads."""

    def __init__(self, children: int = CHILDREN) -> None:
        self.closed = False
        self._tasks: queue.SimpleQueue[_Task | None] = queue.SimpleQueue()
        self._threads = [threading.Thread(target=self._serve, daemon=True, name=f"reader-{n}") for n in range(children)]
        for thread in self._threads:
            thread.start()

    def submit(self, sha256: str, *, own_addresses: Collection[str] = ()) -> Future[Reading | Unreadable]:
        """Reads the stored bytes of that hash; the answer comes within the time limit of the mails before it and its
        own."""
        task = _Task(sha256, tuple(own_addresses), Future())
        self._tasks.put(task)
        return task.answer

    def read(self, hashes: Iterable[str], *, own_addresses: Collection[str] = ()) -> list[Reading | Unreadable]:
        waiting = [self.submit(one, own_addresses=own_addresses) for one in hashes]
        return [one.result() for one in waiting]

    def close(self) -> None:
        """Ends the children, after what they were given."""
        self.closed = True
        for _ in self._threads:
            self._tasks.put(None)
        for thread in self._threads:
            thread.join(5)

    def _serve(self) -> None:
        child = _Child()
        ending = False
        try:
            while not (ending and child.idle):
                while not ending and child.room:
                    try:
                        task = self._tasks.get(block=child.idle)
                    except queue.Empty:
                        break
                    if task is None:
                        ending = True
                    else:
                        child.give(task)
                if not child.idle:
                    child.take()
        finally:
            child.end()


class _Child:
    """One child process and the mails that it was given, oldest first."""

    def __init__(self) -> None:
        self._process: ChildProcess | None = None
        self._given: deque[_Task] = deque()

    @property
    def idle(self) -> bool:
        return not self._given

    @property
    def room(self) -> bool:
        return len(self._given) < AHEAD

    def give(self, task: _Task) -> None:
        self._given.append(task)
        try:
            self._send(task)
        except OSError:  # it died between two mails, or cannot be started: `take` tells
            self._replace()

    def take(self) -> None:
        """Waits for the answer to the oldest mail and hands it over; a mail at which a child died gets a second
        chance."""
        try:
            answer = self._answer()
        except _NotStarted as error:  # no memory, no process: not the mails' fault
            while self._given:
                self._given.popleft().answer.set_exception(error)
            return
        task = self._given[0]
        cause = answer.cause if isinstance(answer, Unreadable) else ""
        died = cause in ("timeout", "memory", "crashed")
        task.deaths += cause == "crashed"
        again = cause == "crashed" and task.deaths == 1
        if not again:
            self._given.popleft()
        if died:
            self._replace()
        if not again:
            task.answer.set_result(answer)

    def end(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.end()

    def _answer(self) -> Reading | Unreadable:
        try:
            if self._process is None:
                self._give_all()
            payload = self._running().receive(seconds=WALL_SECONDS)
        except _NotStarted:
            raise
        except TimeoutError:
            return Unreadable("timeout", f"not understood within {WALL_SECONDS:.0f} s")
        except (EOFError, OSError):
            return self._obituary()
        found: Reading | Unreadable = pickle.loads(payload)  # noqa: S301 - from our own child
        return found

    def _obituary(self) -> Unreadable:
        code = self._process.code() if self._process is not None else None
        if code == -signal.SIGXCPU:
            return Unreadable("timeout", f"more than {CPU_SECONDS} s of computing")
        return Unreadable("crashed", f"the reading process ended ({code})")

    def _replace(self) -> None:
        """A fresh child, which gets all mails that wait."""
        self._kill()
        try:
            self._give_all()
        except OSError:  # `take` tries once more, and tells
            self._kill()

    def _give_all(self) -> None:
        for task in self._given:
            self._send(task)

    def _kill(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.kill()

    def _running(self) -> ChildProcess:
        tries = 0
        while self._process is None:
            tries += 1
            try:
                self._process = ChildProcess("inbox.parse_child")
            except (OSError, EOFError) as error:
                if tries == START_TRIES:
                    raise _NotStarted("the reading process does not start") from error
        return self._process

    def _send(self, task: _Task) -> None:
        self._running().send(pickle.dumps((task.sha256, task.own_addresses)))


_readers: Readers | None = None
_readers_for: Settings | None = None
_readers_lock = threading.Lock()


def readers() -> Readers:
    """This process's children, started at first use; fresh ones after `close` and for other settings."""
    global _readers, _readers_for
    with _readers_lock:
        if _readers is None or _readers.closed or _readers_for is not settings():
            if _readers is not None:
                _readers.close()
            _readers, _readers_for = Readers(min(CHILDREN, os.cpu_count() or 1)), settings()
        return _readers


# -- in the child


def main() -> None:
    """Reads hashes from standard input and answers each with a pickled `Reading` or `Unreadable`, until the input
    ends."""
    parent = Parent()
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    secret, in_pieces = settings().secret("message ids"), not settings().database.startswith("sqlite")
    collector.settle()
    parent.ready()
    while (asked := parent.receive()) is not None:
        sha256, own_addresses = pickle.loads(asked)  # noqa: S301 - from our own parent
        _allow_cpu(CPU_SECONDS)
        answer = _read(sha256, own_addresses, secret, words_in_pieces=in_pieces)
        parent.answer(pickle.dumps(answer, protocol=pickle.HIGHEST_PROTOCOL))


def _read(sha256: str, own_addresses: tuple[str, ...], secret: bytes, *, words_in_pieces: bool) -> Reading | Unreadable:
    try:
        raw = blobs().get(sha256)
        understood = understand(raw, own_addresses=own_addresses)
        return reading.of(understood, secret=secret, words_in_pieces=words_in_pieces)
    except TooComplex as error:
        return Unreadable("too_complex", str(error)[:500])
    except MemoryError:
        return Unreadable("memory", f"needs more than {MEMORY_BYTES // 1_000_000} MB")
    except RecursionError:
        return Unreadable("too_complex", "nested too deeply")
    except MissingBlob:
        return Unreadable("missing_bytes", sha256)
    except Exception as error:  # noqa: BLE001 - the edge of a job: one mail's trouble is never the end of the others
        return Unreadable("failed", f"{type(error).__name__}: {error}"[:500])


def _allow_cpu(seconds: int) -> None:
    used = resource.getrusage(resource.RUSAGE_SELF)
    limit = int(used.ru_utime + used.ru_stime) + seconds
    resource.setrlimit(resource.RLIMIT_CPU, (limit, resource.RLIM_INFINITY))


if __name__ == "__main__":
    # this file is `__main__` here: the parent must get classes that it knows under their real module's name
    from inbox import parse_child

    with contextlib.suppress(BrokenPipeError):  # the parent was killed: nobody waits for the answer
        parse_child.main()
