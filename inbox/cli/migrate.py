"""`migrate`: brings the database to the newest schema."""

from __future__ import annotations

import json
import sys

import click
from sqlalchemy.exc import SQLAlchemyError

from inbox import db
from inbox.config import settings_or_exit


@click.command("migrate")
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of words.")
def command(*, as_json: bool) -> None:
    """Bring the database to this version's schema. Safe to run again, and from several machines at once.

    Exit code: 0 done, 1 the database refused (the reason is printed), 78 a setting is wrong.
    """
    chosen = settings_or_exit()
    try:
        db.migrate(chosen.database)
    except (SQLAlchemyError, OSError) as error:
        words = f"The database could not be brought up to date: {error}"
        click.echo(json.dumps({"error": words}) if as_json else words, err=not as_json)
        sys.exit(1)
    click.echo(json.dumps({"up_to_date": True}) if as_json else "The database is up to date.")
