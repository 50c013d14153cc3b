"""Alembic's entry: runs the migrations on the database that `inbox.db.migrate` names."""

from alembic import context

from inbox.db import make_engine
from inbox.models import Base

config = context.config


def _ours(name: str | None, kind: str, _parents: object) -> bool:
    return not (kind == "table" and (name or "").startswith("search_fts"))  # FTS5 keeps tables of its own


def run() -> None:
    engine = make_engine(config.attributes["url"], pool_size=1)
    with engine.connect() as connection:
        if connection.dialect.name == "postgresql":
            connection.exec_driver_sql("SELECT pg_advisory_xact_lock(7366117)")  # two starts at once: the second waits
        context.configure(
            connection=connection,
            target_metadata=Base.metadata,
            include_name=_ours,
            render_as_batch=True,
            compare_type=True,
            transactional_ddl=True,
        )
        with context.begin_transaction():
            context.run_migrations()
        connection.commit()
    engine.dispose()


run()
