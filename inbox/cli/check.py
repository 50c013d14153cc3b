"""`check`: can this machine reach everything that it needs?"""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from typing import Any

import click
from sqlalchemy.exc import SQLAlchemyError

from inbox import db, health, mailboxes
from inbox.config import settings_or_exit
from inbox.mailboxes import STEPS
from inbox.wire.problems import CODES, WireProblem

PROCESSES = ("poller", "worker", "clock")


@click.command("check")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line instead of words.")
@click.option("--no-mailboxes", is_flag=True, help="Leave the mail servers alone.")
def command(*, as_json: bool, no_mailboxes: bool) -> None:
    """Ask database, Redis and disk, look for the processes, and sign in to every mailbox in both directions.

    Exit code: 0 everything works, 1 something does not (it is named), 78 a setting is wrong.
    """
    settings_or_exit()
    system = health.system(now=datetime.now(UTC))
    lines = [
        {"what": part.name, "ok": part.ok, "code": part.code, "words": health.CODES[part.code]} for part in system.parts
    ]
    if system.part("database").code == "ok" and not no_mailboxes:
        lines += _mailboxes()
    for line in lines:
        click.echo(json.dumps(line, ensure_ascii=False) if as_json else _words(line))
    sys.exit(0 if all(line["ok"] for line in lines) else 1)


def _mailboxes() -> list[dict[str, Any]]:
    lines = []
    try:
        with db.reading() as session:
            ids = list(mailboxes.active_ids(session))
    except SQLAlchemyError as error:
        return [{"what": "mailboxes", "ok": False, "code": "down", "words": str(getattr(error, "orig", error))[:300]}]
    for mailbox_id in ids:
        with db.reading() as session:
            form = mailboxes.form_of(session, mailbox_id)
            try:
                form = mailboxes.with_kept_passwords(session, mailbox_id, form)
            except WireProblem as error:
                lines.append({"what": form.address, "ok": False, "code": "secret", "words": CODES[error.problem.code]})
                continue
        for step in mailboxes.test(form):
            words = f"{step.problem.words} {step.problem.text}".rstrip() if step.problem else "Works."
            code = step.problem.code if step.problem else "ok"
            lines.append({"what": f"{form.address}: {STEPS[step.name]}", "ok": step.ok, "code": code, "words": words})
    return lines


def _words(line: dict[str, Any]) -> str:
    return f"{'ok  ' if line['ok'] else 'FAIL'} {line['what']}: {line['words']}"
