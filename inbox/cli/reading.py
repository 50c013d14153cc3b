"""What `fetch` and `reconcile` share: one connection to each mailbox, one line of words or JSON about it."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any

import click
from sqlalchemy.exc import SQLAlchemyError

from inbox import db, mailboxes
from inbox.mailboxes import Account
from inbox.parse_child import readers
from inbox.storing import storing
from inbox.wire import imap
from inbox.wire.imap import Connection
from inbox.wire.problems import CODES, WireProblem


def each_account(
    addresses: tuple[str, ...],
    do: Callable[[Account, Connection], dict[str, Any]],
    *,
    words: Callable[[dict[str, Any]], str],
    as_json: bool,
) -> bool:
    """Signs in to every active mailbox, or those named, and does it there; whether all went well."""
    try:
        with db.reading() as session:
            ids = list(mailboxes.active_ids(session))
    except SQLAlchemyError as error:
        click.echo(f"The database does not answer: {getattr(error, 'orig', error)}", err=True)
        sys.exit(1)
    good, seen = True, set()
    for mailbox_id in ids:
        told = _one(mailbox_id, addresses, do)
        if told is None:
            continue
        seen.add(told["address"].lower())
        good = good and "problem" not in told
        click.echo(json.dumps(told, ensure_ascii=False) if as_json else f"{told['address']}: {_line(told, words)}")
    for address in addresses:
        if address.lower() not in seen:
            click.echo(f"There is no active mailbox {address}.", err=True)
            good = False
    readers().close()
    storing().close()
    return good


def _one(
    mailbox_id: int, addresses: tuple[str, ...], do: Callable[[Account, Connection], dict[str, Any]]
) -> dict[str, Any] | None:
    address = ""
    try:
        with db.reading() as session:
            account = mailboxes.account(session, mailbox_id)
        if account is None or (addresses and account.address.lower() not in {one.lower() for one in addresses}):
            return None
        address = account.address
        with imap.connect(account.server) as connection:
            return {"address": address} | do(account, connection)
    except WireProblem as error:
        told = {"address": address or f"mailbox {mailbox_id}"}
        return told | {"problem": error.problem.code, "words": error.problem.text}


def _line(told: dict[str, Any], words: Callable[[dict[str, Any]], str]) -> str:
    return f"{CODES[told['problem']]} {told['words']}".rstrip() if "problem" in told else words(told)
