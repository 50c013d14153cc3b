"""`reconcile`: compares every folder on the servers with the ledger, and fetches what is missing."""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import Any

import click

from inbox import db, fetching, reconcile
from inbox.cli.reading import each_account
from inbox.config import settings_or_exit
from inbox.mailboxes import Account
from inbox.reconcile import Ledger
from inbox.wire.imap import Connection


@click.command("reconcile")
@click.option("--mailbox", "addresses", multiple=True, help="Address of a mailbox; all active ones when not given.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a mailbox instead of words.")
def command(*, addresses: tuple[str, ...], as_json: bool) -> None:
    """Compare what stands on the mail servers with what stands here, mail by mail; fetch what is missing.

    Exit code: 0 every ledger agrees, 1 one does not or a server cannot be reached, 78 a setting is wrong.
    """
    settings_or_exit()
    agreed: list[bool] = []

    def do(account: Account, connection: Connection) -> dict[str, Any]:
        told = _compare(account, connection)
        agreed.append(all(one["missing"] == 0 for one in told["folders"]))
        return told

    good = each_account(addresses, do, words=_words, as_json=as_json)
    sys.exit(0 if good and all(agreed) else 1)


def _compare(account: Account, connection: Connection) -> dict[str, Any]:
    late = 0
    for folder in account.folders:
        fetching.read_folder(account, folder, connection)
        late += reconcile.folder_now(account, folder, connection, full=True)
    with db.reading() as session:
        sums = [one for one in reconcile.ledgers(session, None) if one.mailbox_id == account.mailbox_id]
    return {"found_late": late, "folders": [_sums(one) for one in sums]}


def _sums(one: Ledger) -> dict[str, Any]:
    wanted = ("folder", "on_server", "filed", "quarantined", "left_out", "missing")
    return {name: value for name, value in asdict(one).items() if name in wanted}


def _words(told: dict[str, Any]) -> str:
    lines = [
        f"{one['folder']}: on the server {one['on_server']:,}"
        f" = filed {one['filed']:,} + in quarantine {one['quarantined']:,}"
        + (f" + left out {one['left_out']:,}" if one["left_out"] else "")
        + (f"  MISSING {one['missing']:,}" if one["missing"] else "")
        for one in told["folders"]
    ]
    return "\n  ".join(["", *lines])
