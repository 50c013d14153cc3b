"""A whole installation in real processes, each kept up by a tiny supervisor, each to be killed at any moment."""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from tests.conftest import SECRET
from tests.servers import free_port

REPO = Path(__file__).resolve().parents[2]
ROLES = ("poller", "worker", "clock", "web")
STOP_SECONDS = 30.0
TEND_SECONDS = 0.05


class Installation:
    """Web, poller, worker and clock of one data folder. What dies is started again at once, until `close()`.

    Every process leads a group of its own and is killed with it. They run in the data folder: no developer's .env is
    read.
    """

    def __init__(self, folder: Path, *, database_url: str, redis_url: str, **settings: str) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        self.killed: Counter[str] = Counter()
        self.ended: Counter[str] = Counter()  # of its own accord, with its exit code: never meant to happen
        self.started_at: dict[str, float] = {}
        self.environment = {
            **{name: os.environ[name] for name in ("PATH", "HOME", "LANG", "LD_LIBRARY_PATH") if name in os.environ},
            "PYTHONPATH": str(REPO),
            "DATA_DIR": str(folder),
            "DATABASE_URL": database_url,
            "REDIS_URL": redis_url,
            "SECRET_KEY": SECRET,
            "PORT": str(self.port),
            "LOG_LEVEL": "warning",
            **settings,
        }
        self._commands = _commands(self.port)
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._lock = threading.RLock()
        self._closing = threading.Event()
        self._tender = threading.Thread(target=self._tend, name="tender", daemon=True)

    def start(self, *roles: str) -> None:
        """Starts these (all, if none is named) and keeps them up."""
        with self._lock:
            for role in roles or ROLES:
                self._start(role)
        self._tender.start()

    def serves(self) -> bool:
        """Whether the web shows a page."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/sign-in", timeout=0.5) as page:
                return bool(page.status == 200)
        except (OSError, http.client.HTTPException):
            return False

    def kill(self, role: str) -> None:
        """kill -9, the whole group; it is started again at once."""
        with self._lock:
            if self._end(role, signal.SIGKILL):
                self.killed[role] += 1
            self._start(role)

    def pid(self, role: str) -> int:
        with self._lock:
            return self._processes[role].pid

    def running(self) -> bool:
        with self._lock:
            return all(one.poll() is None for one in self._processes.values())

    def log(self, role: str, *, last: int = 3000) -> str:
        path = self.folder / f"{role}.log"
        return path.read_text(errors="replace")[-last:] if path.exists() else ""

    def close(self) -> None:
        """Asks all to end, then makes them; nothing is left behind."""
        self._closing.set()
        if self._tender.is_alive():
            self._tender.join(5)
        with self._lock:
            for one in self._processes.values():
                _signal(one, signal.SIGTERM)
            until = time.monotonic() + STOP_SECONDS
            for one in self._processes.values():
                with contextlib.suppress(subprocess.TimeoutExpired):
                    one.wait(max(0.1, until - time.monotonic()))
            for role in list(self._processes):
                self._end(role, signal.SIGKILL)

    # -- below

    def _tend(self) -> None:
        while not self._closing.wait(TEND_SECONDS):
            with self._lock:
                for role, one in list(self._processes.items()):
                    if one.poll() is not None and not self._closing.is_set():
                        self.ended[f"{role} ({one.returncode})"] += 1
                        self._start(role)

    def _start(self, role: str) -> None:
        with (self.folder / f"{role}.log").open("ab") as log:
            self._processes[role] = subprocess.Popen(
                self._commands[role],
                cwd=self.folder,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.started_at[role] = time.monotonic()

    def _end(self, role: str, number: int) -> bool:
        """Whether it still lived."""
        process = self._processes.pop(role, None)
        if process is None:
            return False
        alive = process.poll() is None
        _signal(process, number)
        process.wait(10)
        return alive


def _commands(port: int) -> Mapping[str, tuple[str, ...]]:
    web = ("-m", "gunicorn", "-k", "gthread", "-w", "1", "--threads", "16", "--no-control-socket")
    return {
        **{role: (sys.executable, "-m", "inbox", role) for role in ("poller", "worker", "clock")},
        "web": (sys.executable, *web, "--log-level", "warning", "-b", f"127.0.0.1:{port}", "wsgi:app"),
    }


def _signal(process: subprocess.Popen[bytes], number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, number)
