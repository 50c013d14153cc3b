"""`backup DIR`: copies a running installation into a folder."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import click

from inbox.backup import BackupFailed, backup
from inbox.config import settings_or_exit


@click.command("backup")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--with-key", is_flag=True, help="Put the key in too, which opens the stored mailbox passwords.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of words.")
def command(folder: Path, *, with_key: bool, as_json: bool) -> None:
    """Copy database and stored mail into the empty folder DIR, while everything runs.

    Exit code: 0 done, 1 failed (the reason is printed), 78 a setting is wrong.
    """
    try:
        made = backup(settings_or_exit(), folder, with_key=with_key, now=datetime.now(UTC))
    except (BackupFailed, OSError) as error:
        click.echo(str(error), err=True)
        sys.exit(1)
    if as_json:
        click.echo(json.dumps(asdict(made)))
        return
    click.echo(f"{folder}: {made.database}, {made.blobs:,} stored mails and files, {made.bytes:,} bytes")
    if not with_key:
        click.echo("The key is not in it: keep SECRET_KEY or DATA_DIR/secret.key elsewhere,")
        click.echo("or every mailbox needs its password again after a restore.")
