"""Brings the bytes of mails that come in by the hundred to the disk, in a process of its own.

Naming, writing and flushing a file are a dozen calls of the system; made in the process that files mails, each of them
would wait there for the interpreter.
"""

from __future__ import annotations

import pickle
import threading
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from inbox.blobs import Blobs, blobs
from inbox.child_process import ChildProcess, Parent

TRIES = 2  # whoever killed it: storing the same bytes once more does no harm


class Storing:
    """The process and who speaks with it, one at a time. Safe to use from many threads."""

    def __init__(self) -> None:
        self._process: ChildProcess | None = None
        self._lock = threading.Lock()

    def put_all(self, many: Sequence[bytes]) -> list[str]:
        """As `Blobs.put_all` of this process's store. Raises OSError."""
        if not many:
            return []
        with self._lock:
            for _ in range(TRIES):
                try:
                    return self._asked(many)
                except EOFError:
                    self._end()
        raise OSError("the storing process ended")

    def close(self) -> None:
        with self._lock:
            self._end()

    def _asked(self, many: Sequence[bytes]) -> list[str]:
        if self._process is None:
            self._process = ChildProcess("inbox.storing")
        try:
            self._process.send(pickle.dumps((blobs().folder, len(many))), *many)
        except OSError as error:
            raise EOFError from error
        answer: list[str] | OSError = pickle.loads(self._process.receive())  # noqa: S301 - from our own child
        if isinstance(answer, OSError):
            raise answer
        return answer

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.end()


@cache
def storing() -> Storing:
    """This process's; started at first use, and again after `close`."""
    return Storing()


# -- in the child


def main() -> None:
    parent = Parent()
    parent.ready()
    while (asked := parent.receive()) is not None:
        folder, count = pickle.loads(asked)  # noqa: S301 - from our own parent
        many = [raw for _ in range(count) if (raw := parent.receive()) is not None]
        if len(many) == count:  # else the parent died meanwhile, and will fetch them again
            parent.answer(pickle.dumps(_stored(folder, many)))


def _stored(folder: Path, many: Sequence[bytes]) -> list[str] | OSError:
    try:
        return Blobs(folder).put_all(many)
    except OSError as error:
        return error


if __name__ == "__main__":
    main()
