"""`send`: sends what is due now, or stops and resumes all sending."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict

import click

from inbox import db, outbox, sending, sent_copies
from inbox.config import settings_or_exit


@click.command("send")
@click.option("--once", "what", flag_value="once", help="Send what is due now, then end; workers do it all the time.")
@click.option("--pause", "what", flag_value="pause", help="Let nothing leave any more, in no mailbox.")
@click.option("--resume", "what", flag_value="resume", help="Let mails leave again, after --pause or a restore.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of words.")
def command(*, what: str | None, as_json: bool) -> None:
    """Send every mail that is due, of all mailboxes, and lay copies into Sent folders; or pause and resume sending.

    Exit code: 0 nothing was refused or left uncertain, 1 something was, 2 wrong usage, 78 a setting is wrong.
    """
    settings_or_exit()
    if what is None:
        raise click.UsageError("Say --once, --pause or --resume.")
    if what != "once":
        with db.transaction() as session:
            outbox.pause_all(session, None, what == "pause")
        click.echo(json.dumps({"paused": what == "pause"}) if as_json else f"Sending is {what}d.")
        return
    sent = sending.send_due(patience=None)
    copies = sent_copies.file_due()
    with db.reading() as session:
        paused = outbox.paused_by(session)
    if as_json:
        click.echo(json.dumps(asdict(sent) | {"copies": copies, "paused_by": paused}))
    else:
        click.echo(
            f"sent {sent.accepted}, later {sent.later}, refused {sent.refused}, uncertain {sent.uncertain}; "
            f"copies in Sent folders {copies}"
        )
        if paused is not None:
            click.echo(f"Sending is paused ({paused}); resume with --resume.")
    sys.exit(1 if sent.refused or sent.uncertain else 0)
