"""The declarative base: naming convention, column types, and the one way to write a JSON or time column."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar

from sqlalchemy import JSON, BigInteger, Index, Integer, MetaData, text
from sqlalchemy.orm import DeclarativeBase

from inbox.db import Utc

Id = BigInteger().with_variant(Integer, "sqlite")  # SQLite's rowid must be spelled INTEGER


class Base(DeclarativeBase):
    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map: ClassVar[dict[Any, Any]] = {datetime: Utc, dict[str, Any]: JSON, list[Any]: JSON}

    def __init__(self, **values: Any) -> None:
        """A new row; relationships and columns by their names. Raises TypeError for others.

        Columns are set without the history that SQLAlchemy keeps of every change: of a new row all is new, and mails
        by the thousand spend a tenth of their time on it.
        """
        columns = type(self).__mapper__.column_attrs
        for name, value in values.items():
            if name in columns:
                self.__dict__[name] = value
            elif hasattr(type(self), name):
                setattr(self, name, value)
            else:
                raise TypeError(f"{type(self).__name__} has no {name!r}")


def filled(table: str, column: str) -> Index:
    """An index of the rows that have something in that column, for columns that are mostly empty: the others cost
    nothing."""
    where = text(f"{column} IS NOT NULL")
    return Index(f"ix_{table}_{column}", column, sqlite_where=where, postgresql_where=where)
