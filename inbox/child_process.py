"""A child process of our own that is spoken with over pipes: each message is its length and its bytes."""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import signal
import struct
import subprocess
import sys
import time
from pathlib import Path
from typing import BinaryIO

from inbox.config import settings

START_SECONDS = 30.0  # until a fresh child says that it is ready
PIPE_BYTES = 1 << 20  # many messages fit, so that each side goes on while the other is busy
SOURCE = Path(__file__).resolve().parent.parent

_LENGTH = struct.Struct("!I")
_READY = b"ready"


class ChildProcess:
    """`python -m module`, whose `Parent` answers. It ends when we do, whatever ends us."""

    def __init__(self, module: str) -> None:
        """Raises OSError or EOFError when it does not start."""
        self._received = bytearray()  # what was read and not taken yet
        self._process = subprocess.Popen(
            [sys.executable, "-m", module],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
            cwd=SOURCE,
            env=os.environ | {"DATA_DIR": str(settings().data)},
            start_new_session=True,  # Ctrl-C reaches the parent alone, which ends it in its own time
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._in, self._out = self._process.stdin.fileno(), self._process.stdout.fileno()
        for pipe in (self._in, self._out):
            with contextlib.suppress(AttributeError, OSError):  # not on every system, and not for every user
                fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
        try:
            self.receive(seconds=START_SECONDS)
        except (OSError, EOFError):
            self.kill()
            raise

    def send(self, *payloads: bytes) -> None:
        """Raises OSError when it ended."""
        left = memoryview(b"".join([part for one in payloads for part in (_LENGTH.pack(len(one)), one)]))
        while left:
            left = left[os.write(self._in, left) :]

    def receive(self, *, seconds: float | None = None) -> bytes:
        """One message. Raises TimeoutError, or EOFError when it ended."""
        deadline = time.monotonic() + seconds if seconds is not None else None
        self._fill(_LENGTH.size, deadline)
        (length,) = _LENGTH.unpack_from(self._received)
        self._fill(_LENGTH.size + length, deadline)
        message = bytes(self._received[_LENGTH.size : _LENGTH.size + length])
        del self._received[: _LENGTH.size + length]
        return message

    def code(self, *, seconds: float = 1.0) -> int | None:
        """How it ended (see subprocess); None when it still lives."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            return self._process.wait(seconds)
        return None

    def end(self) -> None:
        """Lets it finish what it was given, for a second."""
        with contextlib.suppress(OSError):
            self._process.stdin.close()  # type: ignore[union-attr]
        self.code()
        self.kill()

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            with contextlib.suppress(OSError):
                pipe.close()  # type: ignore[union-attr]

    def _fill(self, wanted: int, deadline: float | None) -> None:
        poller = select.poll()
        poller.register(self._out, select.POLLIN | select.POLLHUP)
        while len(self._received) < wanted:
            if deadline is not None:
                left = deadline - time.monotonic()
                if left <= 0 or not poller.poll(left * 1000):
                    raise TimeoutError
            piece = os.read(self._out, PIPE_BYTES)
            if not piece:
                raise EOFError
            self._received += piece


# -- in the child


class Parent:
    """The process that started this one, as seen from here."""

    def __init__(self) -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        self._source, self._sink = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
        os.dup2(2, 1)  # whatever prints must not disturb the answers

    def ready(self) -> None:
        self.answer(_READY)

    def receive(self) -> bytes | None:
        """The next message, None when there is nobody any more who sends one."""
        header = _exactly(self._source, _LENGTH.size)
        return _exactly(self._source, _LENGTH.unpack(header)[0]) if header is not None else None

    def answer(self, message: bytes) -> None:
        self._sink.write(_LENGTH.pack(len(message)) + message)
        self._sink.flush()


def _exactly(source: BinaryIO, count: int) -> bytes | None:
    found = source.read(count)
    return found if len(found) == count else None
