"""Statements compiled once for a database: what is written for every single mail must cost little.

SQLAlchemy's own path takes about as long to prepare one small statement as SQLite takes to run it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.sql.dml import UpdateBase


class Prepared:
    """An INSERT or UPDATE of fixed shape; its parameters pass through the columns' own types."""

    def __init__(self, statement: UpdateBase, *, columns: Sequence[str] | None = None) -> None:
        """`columns`: those of an INSERT; all others become NULL."""
        self._statement, self._columns = statement, columns
        self._compiled: dict[str, _Compiled] = {}

    def many(self, connection: Connection, rows: Sequence[Mapping[str, Any]]) -> int:
        """Runs it for each row; how many database rows were changed altogether."""
        dialect = connection.dialect.name
        compiled = self._compiled.get(dialect) or self._compiled.setdefault(dialect, self._compile(connection))
        return connection.exec_driver_sql(compiled.sql, compiled.parameters(rows)).rowcount

    def _compile(self, connection: Connection) -> _Compiled:
        dialect = connection.dialect
        found = self._statement.compile(dialect=dialect, column_keys=self._columns)
        fixed: dict[str, Any] = {}
        plain, processed = [], []
        for name, bind in found.binds.items():
            process = bind.type.dialect_impl(dialect).bind_processor(dialect)
            if not bind.required:
                fixed[name] = process(bind.value) if process else bind.value
            elif process is None:
                plain.append(name)
            else:
                processed.append((name, process))
        return _Compiled(found.string, tuple(found.positiontup or ()), tuple(plain), tuple(processed), fixed)


@dataclass(frozen=True)
class _Compiled:
    sql: str
    positions: tuple[str, ...]  # () when the driver takes parameters by name
    plain: tuple[str, ...]  # values that the driver takes as they are
    processed: tuple[tuple[str, Callable[[Any], Any]], ...]
    fixed: Mapping[str, Any]  # values that stand in the statement itself

    def parameters(self, rows: Sequence[Mapping[str, Any]]) -> list[Any]:
        times: dict[int, Any] = {}  # the same moment stands in every row; turning it into text costs more than all else
        out: list[Any] = []
        for row in rows:
            values = {name: row.get(name) for name in self.plain}
            for name, process in self.processed:
                value = row.get(name)
                if type(value) is datetime:
                    if id(value) not in times:
                        times[id(value)] = process(value)
                    values[name] = times[id(value)]
                else:
                    values[name] = process(value)
            values |= self.fixed
            out.append(tuple([values[name] for name in self.positions]) if self.positions else values)
        return out
