"""`migrate`: brings the database to the newest schema."""

from __future__ import annotations

import sys

import click
from sqlalchemy.exc import SQLAlchemyError

from inbox import db
from inbox.config import settings_or_exit


@click.command("migrate")
def command() -> None:
    """Bring the database to this version's schema. Safe to run again, and from several machines at once.

    Exit code: 0 done, 1 the database refused (the reason is printed), 78 a setting is wrong.
    """
    chosen = settings_or_exit()
    try:
        db.migrate(chosen.database)
    except (SQLAlchemyError, OSError) as error:
        click.echo(f"The database could not be brought up to date: {error}", err=True)
        sys.exit(1)
    click.echo("The database is up to date.")
