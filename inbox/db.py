"""Engine, sessions and transactions on SQLite and PostgreSQL.

SQLite: WAL, every writing transaction starts with BEGIN IMMEDIATE (a deferred BEGIN fails with "database is locked"
under load, and the driver's own mode loses updates). Only the clock process checkpoints (`checkpoint`): SQLite before
3.51.3 has a race between a checkpoint and another connection's write that can drop committed pages.
"""

from __future__ import annotations

import os
import re
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    ColumnElement,
    Connection,
    DateTime,
    Engine,
    Executable,
    Row,
    bindparam,
    create_engine,
    event,
    make_url,
    text,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Dialect, ExceptionContext
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import InstrumentedAttribute, Session
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import TypeDecorator

from inbox.config import settings
from inbox.wire import ring

_VALUES = re.compile(r"\n(?:DETAIL|CONTEXT):")
RESTED_SECONDS = 1.0  # after that a pooled connection to PostgreSQL is asked whether it still lives
WAL_RACE_FIXED = ((3, 44, 6), (3, 50, 7), (3, 51, 3))  # back-ported to 3.44.6 and 3.50.7


class Utc(TypeDecorator[datetime]):
    """An aware datetime, stored in UTC on both databases."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("naive datetime")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return None if value is None else value.astimezone(UTC)

    def bind_processor(self, dialect: Dialect) -> Callable[[Any], Any] | None:
        """On SQLite the text that its own type would write, made in one step: a mail holds a dozen times."""
        return _sqlite_text if dialect.name == "sqlite" else super().bind_processor(dialect)

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[Any], Any] | None:
        return _from_sqlite_text if dialect.name == "sqlite" else super().result_processor(dialect, coltype)


def _sqlite_text(value: datetime | None) -> str | None:
    if value is None:
        return None
    if value.tzinfo is None:
        raise ValueError("naive datetime")
    return value.astimezone(UTC).replace(tzinfo=None).isoformat(" ", "microseconds")


def _from_sqlite_text(value: str | None) -> datetime | None:
    return None if value is None else datetime.fromisoformat(value).replace(tzinfo=UTC)


def make_engine(url: str, *, pool_size: int = 20) -> Engine:
    """A new engine. `pool_size` bounds the connections of this process; waiting for one gives up after 10 s."""
    if url.startswith("sqlite"):
        return _sqlite(url, pool_size=pool_size)
    if url.startswith("postgresql://"):
        url = "postgresql+psycopg://" + url.removeprefix("postgresql://")
    engine = create_engine(
        url,
        pool_size=pool_size,
        max_overflow=pool_size,
        pool_timeout=10,
        hide_parameters=True,  # errors go into logs and the quarantine: no mail and no hash of a password among them
    )
    event.listen(engine, "connect", _writes_in_transactions_only)
    event.listen(engine, "begin", _begin_on_postgres)
    event.listen(engine, "handle_error", _tell_no_values)
    _ask_the_rested(engine)
    return engine


def _writes_in_transactions_only(connection: Any, _record: object) -> None:
    """What runs outside of a transaction can only read (`reading`); a transaction begins as one that writes."""
    connection.autocommit = True
    connection.execute("SET default_transaction_read_only = on")
    connection.autocommit = False
    connection.read_only = False


def _begin_on_postgres(connection: Connection) -> None:
    if connection.get_execution_options().get("repeatable"):
        connection.exec_driver_sql("SET LOCAL synchronous_commit = off")


def _tell_no_values(told: ExceptionContext) -> None:
    """PostgreSQL names the values that it refuses after its message ("Key (email)=(hanako@…) already exists"): cut."""
    for error in (told.original_exception, told.sqlalchemy_exception):
        if error is not None:
            error.args = tuple(_VALUES.split(one, 1)[0] if isinstance(one, str) else one for one in error.args)


def _ask_the_rested(engine: Engine) -> None:
    """A connection that rested is asked whether it still lives before it is used; asking each time would cost those
    who commit a hundred times a second a sixth of their time."""

    @event.listens_for(engine, "checkin")
    def _rests(_connection: Any, record: Any) -> None:
        record.info["since"] = time.monotonic()

    @event.listens_for(engine, "checkout")
    def _is_used(connection: Any, record: Any, _proxy: Any) -> None:
        since = record.info.get("since")
        if since is None or time.monotonic() - since < RESTED_SECONDS:
            return
        try:
            engine.dialect.do_ping(connection)
        except engine.dialect.loaded_dbapi.Error as error:
            raise DisconnectionError from error


def _sqlite(url: str, *, pool_size: int) -> Engine:
    path = url.removeprefix("sqlite:///")
    if path:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        _make_for_its_owner(make_url(url).database or "")
    engine = create_engine(
        url,
        connect_args={"timeout": 30, "check_same_thread": False, "cached_statements": 512},
        pool_size=pool_size,
        max_overflow=pool_size,
        pool_timeout=10,
        hide_parameters=True,  # as for PostgreSQL above
    )

    @event.listens_for(engine, "connect")
    def _connect(connection: sqlite3.Connection, _record: object) -> None:
        connection.isolation_level = None  # the driver must not guess: we emit BEGIN ourselves
        for pragma in (
            "journal_mode=WAL",
            "foreign_keys=ON",
            "busy_timeout=30000",
            "temp_store=MEMORY",
            "cache_size=-16000",
            "mmap_size=268435456",
            "wal_autocheckpoint=0",
        ):
            connection.execute("PRAGMA " + pragma)

    @event.listens_for(engine, "begin")
    def _begin(connection) -> None:  # type: ignore[no-untyped-def]
        options = connection.get_execution_options()
        if options.get("read_only"):
            connection.exec_driver_sql("BEGIN")
            return
        connection.exec_driver_sql(f"PRAGMA synchronous={'NORMAL' if options.get('repeatable') else 'FULL'}")
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine


def _make_for_its_owner(path: str) -> None:
    """All mail stands in it: a new database is readable by its owner alone, as are the files that SQLite lays beside.

    Where that cannot be done, opening it says why.
    """
    if path and path != ":memory:":
        with suppress(OSError):
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))


@cache
def engine() -> Engine:
    """This process's engine, made at first use (after a fork each process makes its own)."""
    return make_engine(settings().database, pool_size=40)


@contextmanager
def transaction(on: Engine | None = None, *, repeatable: bool = False) -> Iterator[Session]:
    """A writing transaction: commits at the end and then rings, rolls back on any exception.

    Its commit waits until the disk has it: a begun attempt must survive a power cut, or a reply could go twice.
    `repeatable`: it does not wait, because what a power cut takes back will be done again by itself. The logs of both
    databases are written in order, so the next commit that waits brings this one to the disk as well: nothing that
    was built on it survives without it.
    """
    with Session((on or engine()).execution_options(repeatable=repeatable), expire_on_commit=False) as session:
        with session.begin():
            yield session
        ring.out(session)


def reading(on: Engine | None = None) -> Session:
    """A session that only reads; what it writes is refused (PostgreSQL) or dropped (SQLite). It takes no connection
    before the first question.

    On SQLite it never waits for a writer. On PostgreSQL it begins nothing: each statement of READ COMMITTED looks at
    its own moment anyway, and with every ROLLBACK psycopg throws its prepared statements away.
    """
    chosen = on or engine()
    options = {"read_only": True} if chosen.dialect.name == "sqlite" else {"isolation_level": "AUTOCOMMIT"}
    return Session(chosen.execution_options(**options), expire_on_commit=False)


def rows(session: Session, statement: Executable, given: Mapping[str, Any] | None = None) -> Sequence[Row[Any]]:
    """What a statement of plain columns finds, past the ORM's own steps: a page asks about ten of these."""
    if session.autoflush:
        session.flush()
    return session.connection().execute(statement, given).all()


class one_of(FunctionElement[bool]):
    """`one_of(column, "ids")`: the column is among the numbers that the statement is given as a list under that name.

    PostgreSQL takes them as one array, so its statement is the same however many they are, and short enough to be kept
    by psycopg (50 parameters, 4096 characters). SQLite has no arrays: there it is an IN.
    """

    type = Boolean()
    inherit_cache = True

    def __init__(self, column: ColumnElement[int] | InstrumentedAttribute[int], name: str) -> None:
        super().__init__(column, bindparam(name, expanding=True))

    def self_group(self, against: object = None) -> one_of:
        """A comparison needs no "= 1" after it to be a condition on SQLite."""
        return self


@compiles(one_of)
def _in(element: one_of, compiler: SQLCompiler, **more: Any) -> str:
    column, numbers = element.clauses
    return compiler.process(column.in_(numbers), **more)


@compiles(one_of, "postgresql")
def _any(element: one_of, compiler: SQLCompiler, **more: Any) -> str:
    column, numbers = element.clauses
    numbers = bindparam(numbers.key, type_=postgresql.ARRAY(BigInteger))
    return f"{compiler.process(column, **more)} = ANY ({compiler.process(numbers, **more)})"


def is_sqlite(session: Session) -> bool:
    return session.get_bind().dialect.name == "sqlite"


def one_after_the_other(session: Session, what: int) -> None:
    """Whoever else asks for `what` waits until this transaction ends; `what` is one of the numbers named ADVISORY.

    For what no constraint can hold. SQLite has one writer anyway.
    """
    if not is_sqlite(session):
        session.execute(text("SELECT pg_advisory_xact_lock(:what, 0)"), {"what": what})


def insert_into(session: Session, model: type) -> sqlite.Insert | postgresql.Insert:
    """INSERT that can say ON CONFLICT, in the words of the session's database."""
    return sqlite.insert(model) if is_sqlite(session) else postgresql.insert(model)


def new_ids(session: Session, model: Any, count: int) -> Sequence[int]:
    """Ids for `count` rows that this transaction will write: with them many rows go in as one prepared statement.

    Flushes nothing.
    """
    table, connection = model.__tablename__, session.connection()
    if is_sqlite(session):  # nobody else writes before our commit
        last = connection.execute(text(f"SELECT coalesce(max(id), 0) FROM {table}")).scalar_one()  # noqa: S608
        return range(last + 1, last + count + 1)
    taken = text(f"SELECT nextval('{table}_id_seq') FROM generate_series(1, :count)")  # noqa: S608
    return connection.execute(taken, {"count": count}).scalars().all()


def checkpoint(on: Engine | None = None) -> None:
    """Moves SQLite's write-ahead log into the database. Called by the clock process alone; nothing on PostgreSQL."""
    chosen = on or engine()
    if chosen.dialect.name == "sqlite":
        with chosen.connect().execution_options(isolation_level="AUTOCOMMIT", read_only=True) as connection:
            connection.exec_driver_sql("PRAGMA wal_checkpoint(PASSIVE)")


def sqlite_has_wal_race() -> bool:
    """Whether the linked SQLite still has the race that makes a single checkpointing process necessary."""
    version = sqlite3.sqlite_version_info
    fixed = any(version[:2] == good[:2] and version >= good for good in WAL_RACE_FIXED)
    return not fixed and version < WAL_RACE_FIXED[-1]


def migrate(url: str | None = None) -> None:
    """Brings the database to the newest schema. Safe to call again and from two processes at once."""
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).resolve().parent.parent / "migrations"))
    config.attributes["url"] = url or settings().database
    command.upgrade(config, "head")


def ping(on: Engine | None = None) -> None:
    """Raises when the database does not answer."""
    with reading(on) as session:
        session.execute(text("SELECT 1"))
