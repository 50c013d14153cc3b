"""`poller`: reads the mailboxes until SIGTERM."""

from __future__ import annotations

import click

from inbox import poller
from inbox.config import settings_or_exit


@click.command("poller")
def command() -> None:
    """Read all mailboxes, until Ctrl-C or SIGTERM. Any number of pollers may run; they share the mailboxes.

    Exit code: 0 stopped as asked, 78 a setting is wrong.
    """
    settings_or_exit()
    poller.run()
