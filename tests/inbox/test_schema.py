"""The schema that the migrations make is the one that the models tell, and finds what refers to a row by an index."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import Engine, inspect

from inbox import db
from inbox.models import Base

FOR_GOOD = {"user"}  # people of the team are deactivated, never deleted
FEW = {"mailbox", "deadline_policy"}  # taken away once in a long while: one search through all is no harm


def differences(engine: Engine) -> list[object]:
    def ours(name: str | None, kind: str, _parents: object) -> bool:
        return not (kind == "table" and str(name).startswith(("search_fts", "alembic_version")))

    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"include_name": ours, "compare_type": True})
        return list(compare_metadata(context, Base.metadata))


def test_the_migrations_make_what_the_models_tell(engine: Engine) -> None:
    assert differences(engine) == []


def test_every_migration_can_be_taken_back_and_run_again(engine: Engine, database_url: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(db.__file__).parent.parent / "migrations"))
    config.attributes["url"] = database_url
    command.downgrade(config, "0001")
    assert differences(engine) != []
    command.upgrade(config, "head")
    assert differences(engine) == []


def found_by(table: str, inspector) -> set[str]:  # type: ignore[no-untyped-def]
    """Columns that stand first in an index, a unique constraint or the primary key."""
    ways = [inspector.get_pk_constraint(table)["constrained_columns"]]
    ways += [index["column_names"] for index in inspector.get_indexes(table)]
    ways += [unique["column_names"] for unique in inspector.get_unique_constraints(table)]
    return {columns[0] for columns in ways if columns}


def test_a_row_goes_without_a_search_through_all_that_might_refer_to_it(engine: Engine) -> None:
    """Both databases look for what refers to a row that is deleted: an answer taken back must not read every mail."""
    inspector = inspect(engine)
    slow = []
    for table in inspector.get_table_names():
        found = found_by(table, inspector)
        for key in inspector.get_foreign_keys(table):
            (column,) = key["constrained_columns"]
            if key["referred_table"] not in FOR_GOOD | FEW and column not in found:
                slow.append(f"{table}.{column} → {key['referred_table']}")
    assert slow == []
