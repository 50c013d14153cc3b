"""`quarantine list|reprocess`: mails that could not be understood or read."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime

import click
from sqlalchemy import func, select

from inbox import db, intake, quarantine
from inbox.config import settings_or_exit
from inbox.models import RawMail
from inbox.parse_child import readers


@click.group("quarantine")
def command() -> None:
    """Mails that could not be understood or read. Their bytes are kept."""
    settings_or_exit()


@command.command("list")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a mail instead of words.")
def show(*, as_json: bool) -> None:
    """List what stands in quarantine, the newest first.

    Exit code: 0 it is empty, 1 it is not, 78 a setting is wrong.
    """
    after, any_there = None, False
    while True:
        with db.reading() as session:
            page = quarantine.page(session, None, after=after, size=200)
        for one in page.rows:
            any_there = True
            if as_json:
                told = {
                    "id": one.id,
                    "mailbox": one.mailbox_name,
                    "folder": one.folder,
                    "from": one.sender,
                    "subject": one.subject,
                    "arrived": one.arrived.isoformat(),
                    "bytes": one.size,
                    "cause": one.cause,
                    "detail": one.detail,
                }
                click.echo(json.dumps(told, ensure_ascii=False))
            else:
                click.echo(f"{one.id}  {one.mailbox_name}  {one.arrived:%Y-%m-%d %H:%M}  {one.sender}  {one.subject}")
                click.echo(f"    {quarantine.CAUSES.get(one.cause, one.cause)} {one.detail}".rstrip())
        if page.older is None:
            sys.exit(1 if any_there else 0)
        after = page.older


@command.command("reprocess")
@click.argument("ids", nargs=-1, type=int)
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of words.")
def reprocess(ids: tuple[int, ...], *, as_json: bool) -> None:
    """Read the mails with these IDS again, or all when none are given. Those without bytes are fetched by the poller.

    Exit code: 0 none of them is in quarantine any more, 1 some are, 78 a setting is wrong.
    """
    with db.reading() as session:
        wanted = select(RawMail.id).where(RawMail.state == "quarantined")
        chosen = list(session.scalars(wanted.where(RawMail.id.in_(ids)) if ids else wanted))
    with db.transaction() as session:
        asked = quarantine.reprocess(session, None, chosen)
    for start in range(0, len(chosen), 200):
        intake.file_pending(now=datetime.now(UTC), raw_ids=chosen[start : start + 200])
    readers().close()
    with db.reading() as session:
        left = (
            session.scalar(
                select(func.count()).where(RawMail.id.in_(chosen), RawMail.state.in_(("quarantined", "pending")))
            )
            or 0
        )
    told = {"asked": asked, "filed": asked - left, "left": left}
    click.echo(json.dumps(told) if as_json else f"{asked} read again: {asked - left} filed, {left} still not.")
    sys.exit(1 if left else 0)
