"""`run`: starts everything and keeps it up until Ctrl-C."""

from __future__ import annotations

import sys

import click

from inbox.config import settings_or_exit
from inbox.run import CannotStart, run


@click.command("run")
def command() -> None:
    """Start web, poller, workers, clock and their servers, and keep them up until Ctrl-C.

    Exit code: 0 stopped as asked, 1 could not start (the reason is printed), 78 a setting is wrong.
    """
    try:
        sys.exit(run(settings_or_exit(), say=lambda line: click.echo(line)))
    except CannotStart as error:
        click.echo(str(error), err=True)
        sys.exit(1)
