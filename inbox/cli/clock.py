"""`clock`: finds whatever is due, until SIGTERM."""

from __future__ import annotations

import click

from inbox import clock
from inbox.config import settings_or_exit


@click.command("clock")
def command() -> None:
    """Look every second for what is due, and ring for it, until Ctrl-C or SIGTERM. One for each installation.

    Exit code: 0 stopped as asked, 78 a setting is wrong.
    """
    settings_or_exit()
    clock.run()
