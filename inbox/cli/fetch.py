"""`fetch --once`: reads all mailboxes once, as the poller does all the time."""

from __future__ import annotations

import sys
from typing import Any

import click

from inbox import fetching
from inbox.cli.reading import each_account
from inbox.config import settings_or_exit
from inbox.mailboxes import Account
from inbox.wire.imap import Connection


@click.command("fetch")
@click.option("--once", is_flag=True, required=True, help="Read what is new, file it, and end.")
@click.option("--mailbox", "addresses", multiple=True, help="Address of a mailbox; all active ones when not given.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a mailbox instead of words.")
def command(*, once: bool, addresses: tuple[str, ...], as_json: bool) -> None:
    """Read what is new in the mailboxes and file it. A running poller is not disturbed: nothing is filed twice.

    Exit code: 0 all were read, 1 one could not be (the reason is printed), 2 wrong usage, 78 a setting is wrong.
    """
    assert once
    settings_or_exit()
    good = each_account(addresses, _read, words=lambda told: f"{told['mails']} new", as_json=as_json)
    sys.exit(0 if good else 1)


def _read(account: Account, connection: Connection) -> dict[str, Any]:
    return {"mails": fetching.read(account, connection)}
