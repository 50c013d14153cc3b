"""`restore DIR`: fills an empty installation from a backup; sending starts paused."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path

import click

from inbox.backup import BackupFailed, restore
from inbox.config import settings_or_exit


@click.command("restore")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of words.")
def command(folder: Path, *, as_json: bool) -> None:
    """Restore the backup in DIR into an empty DATA_DIR or database. Nothing is sent until you say so.

    Exit code: 0 done, 1 failed (the reason is printed), 78 a setting is wrong.
    """
    try:
        made = restore(settings_or_exit(), folder)
    except (BackupFailed, OSError) as error:
        click.echo(str(error), err=True)
        sys.exit(1)
    if as_json:
        click.echo(json.dumps(asdict(made)))
        return
    click.echo(f"Restored, with {made.blobs:,} stored mails and files. Sending is paused.")
    if not made.key_fits:
        click.echo(
            "The key of this installation is another one: mail can be read, every mailbox needs its password again.\n"
            "If you have the old key, set SECRET_KEY (or DATA_DIR/secret.key) to it before you start."
        )
    if made.uncertain:
        click.echo(
            f"{made.uncertain} mails were on their way when the backup was made: each needs a decision (outbox)."
        )
    click.echo(
        "Next: start Madoguchi and let it read the mailboxes (Sent folders too: what left since is recognised there),\n"
        "look through the outbox, then resume sending there or with: python -m inbox send --resume"
    )
