"""Real servers and fresh databases for every test. A server that is missing skips its tests, and fails them in CI."""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest
import structlog
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from inbox import blobs, config, db
from inbox.wire import ring
from tests.servers import NotHere
from tests.servers.dovecot import Account, Dovecot
from tests.servers.postgres import Postgres
from tests.servers.smtp_sink import SmtpSink
from tests.servers.valkey import Valkey

DATABASES = ("sqlite", "postgres")
SECRET = "a secret for tests only, 0123456789abcdef"
MISSING = pytest.StashKey[set[str]]()
T = TypeVar("T")


# -- options, and what was not tested


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--db",
        choices=(*DATABASES, "both"),
        default="both",
        help="on which database the tests that need one run (default: both)",
    )


def pytest_configure(config: pytest.Config) -> None:
    """No test reads a developer's .env or touches a developer's data folder."""
    from inbox.config import Settings

    Settings.model_config["env_file"] = None
    for name in Settings.model_fields:
        os.environ.pop(name.upper(), None)
    os.environ["DATA_DIR"] = tempfile.mkdtemp(prefix="madoguchi-")
    os.environ["SECRET_KEY"] = SECRET
    config.stash[MISSING] = set()


def pytest_unconfigure(config: pytest.Config) -> None:
    if "DATA_DIR" in os.environ:
        shutil.rmtree(os.environ["DATA_DIR"], ignore_errors=True)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test that asks for a database runs once on each; `@pytest.mark.only_on("sqlite")` keeps it to one."""
    if "database_kind" not in metafunc.fixturenames:
        return
    asked = metafunc.config.getoption("--db")
    marker = metafunc.definition.get_closest_marker("only_on")
    kinds = [k for k in DATABASES if asked in (k, "both") and (marker is None or k in marker.args)]
    metafunc.parametrize("database_kind", kinds, scope="session")


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    for what in sorted(config.stash[MISSING]):
        terminalreporter.write_line(f"NOT tested with the real thing on this machine: {what}", yellow=True)


def started(request: pytest.FixtureRequest, server: Callable[[], T]) -> T:
    """The server, or a skip that says what is missing; in CI nothing may be missing."""
    try:
        return server()
    except NotHere as missing:
        request.config.stash[MISSING].add(str(missing))
        if os.environ.get("CI"):
            pytest.fail(f"missing in CI: {missing}")
        pytest.skip(f"not on this machine: {missing}")


@pytest.fixture(autouse=True)
def logs_as_at_the_start() -> Iterator[None]:
    """A command that was run inside a test leaves no log behind that writes to that test's streams."""
    yield
    structlog.reset_defaults()


def read_anew() -> None:
    """What this process keeps of its settings is read again at the next use; an engine that was made stays usable."""
    for kept in (config.settings, ring.connection, blobs.blobs):
        kept.cache_clear()


# -- servers, one of each for the whole run


@pytest.fixture(scope="session")
def dovecot_server(request: pytest.FixtureRequest) -> Iterator[Dovecot]:
    server = started(request, Dovecot)
    server.start()
    yield server
    server.close()


@pytest.fixture
def dovecot(dovecot_server: Dovecot) -> Iterator[Dovecot]:
    """A running Dovecot; `account()` gives a fresh mailbox. A test may stop it: the next test finds it running."""
    yield dovecot_server
    if not dovecot_server.running:
        dovecot_server.start()


@pytest.fixture
def account(dovecot: Dovecot) -> Account:
    """A fresh, empty mailbox on the real IMAP server."""
    return dovecot.account()


@pytest.fixture(scope="session")
def smtp_sink_server() -> Iterator[SmtpSink]:
    server = SmtpSink()
    yield server
    server.close()


@pytest.fixture
def smtp_sink(smtp_sink_server: SmtpSink) -> Iterator[SmtpSink]:
    """A real SMTP server without faults and without mail; it takes everything until told otherwise."""
    smtp_sink_server.reset()
    yield smtp_sink_server
    smtp_sink_server.reset()


@pytest.fixture(scope="session")
def postgres(request: pytest.FixtureRequest) -> Iterator[Postgres]:
    server = started(request, Postgres)
    yield server
    server.close()


@pytest.fixture(scope="session")
def valkey_server() -> Iterator[Valkey]:
    server = Valkey()
    yield server
    server.close()


@pytest.fixture
def valkey(valkey_server: Valkey, monkeypatch: pytest.MonkeyPatch) -> Iterator[Valkey]:
    """An empty Valkey that REDIS_URL points to."""
    valkey_server.flush()
    monkeypatch.setenv("REDIS_URL", valkey_server.url)
    read_anew()
    yield valkey_server
    read_anew()
    if not valkey_server.running:
        valkey_server.start()


# -- databases: migrated once, then copied for every test


@pytest.fixture(scope="session")
def database_template(request: pytest.FixtureRequest) -> Callable[[str], str]:
    """Makes the migrated, empty database that the tests copy: a file's path, or a PostgreSQL database's name."""
    made: dict[str, str] = {}

    def template(kind: str) -> str:
        if kind not in made:
            made[kind] = (
                _sqlite_template() if kind == "sqlite" else _postgres_template(request.getfixturevalue("postgres"))
            )
        return made[kind]

    return template


def _sqlite_template() -> str:
    path = Path(os.environ["DATA_DIR"]) / "template.db"
    db.migrate(f"sqlite:///{path}")
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    return str(path)


def _postgres_template(server: Postgres) -> str:
    name = server.create()
    db.migrate(server.url(name))
    return name


@pytest.fixture
def database_url(
    database_kind: str, database_template: Callable[[str], str], tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[str]:
    """A fresh, migrated, empty database; the test runs once on SQLite and once on PostgreSQL."""
    if database_kind == "sqlite":
        path = tmp_path / "madoguchi.db"
        shutil.copyfile(database_template("sqlite"), path)
        yield f"sqlite:///{path}"
        return
    server: Postgres = request.getfixturevalue("postgres")
    name = server.create(template=database_template("postgres"))
    yield server.url(name)
    server.drop(name)


@pytest.fixture
def engine(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    """This process as a fresh installation: `db.engine()` and the settings point to the test's database."""
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.setenv("DATA_DIR", str(tmp_path / "data"))
    db.engine.cache_clear()
    read_anew()
    yield db.engine()
    db.engine().dispose()
    db.engine.cache_clear()
    read_anew()


@pytest.fixture
def session(engine: Engine) -> Iterator[Session]:
    """One writing transaction, rolled back at the end; commit it where another connection must see the rows."""
    with Session(engine, expire_on_commit=False) as opened:
        yield opened
        opened.rollback()


# -- a real Chromium


def chromium() -> str:
    """The system's Chromium; nothing is downloaded."""
    found = (
        os.environ.get("CHROMIUM")
        or shutil.which("chromium")
        or shutil.which("chromium-browser")
        or shutil.which("google-chrome")
    )
    if not found:
        raise NotHere("Chromium (Debian package chromium)")
    return found


@pytest.fixture(scope="session")
def browser_type_launch_args(
    browser_type_launch_args: dict[str, Any], request: pytest.FixtureRequest
) -> dict[str, Any]:
    arguments = [
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
    ]
    if os.geteuid() == 0:
        arguments.append("--no-sandbox")
    return {**browser_type_launch_args, "executable_path": started(request, chromium), "args": arguments}


@pytest.fixture(scope="session")
def browser_context_args(browser_context_args: dict[str, Any]) -> dict[str, Any]:
    return {
        **browser_context_args,
        "locale": "en-GB",
        "timezone_id": "Asia/Tokyo",
        "viewport": {"width": 1440, "height": 900},
    }
