"""`worker`: runs jobs until SIGTERM."""

from __future__ import annotations

import click

from inbox import worker
from inbox.config import settings_or_exit


@click.command("worker")
@click.option("--burst", is_flag=True, help="End when no job waits.")
def command(*, burst: bool) -> None:
    """Run jobs (sending, copies in Sent folders) until Ctrl-C or SIGTERM. Any number of workers may run.

    Exit code: 0 stopped as asked, 78 a setting is wrong.
    """
    settings_or_exit()
    worker.run(burst=burst)
