"""`mailbox add|change|test|list|remove`: connected mailboxes."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import click
from sqlalchemy import select
from sqlalchemy.orm import Session

from inbox import db, health, mailboxes
from inbox.config import settings_or_exit
from inbox.errors import UserError
from inbox.mailboxes import STEPS, MailboxForm, TestStep
from inbox.models import Mailbox
from inbox.models.mailboxes import SECURITY
from inbox.wire.problems import CODES, WireProblem


@click.group("mailbox")
def command() -> None:
    """The mailboxes that are read and answered from."""
    settings_or_exit()


OPTIONS = (
    click.option("--name", help="What the team calls it; the address when not given."),
    click.option("--imap", "--imap-host", "imap_server", help="host[:port]; known providers need none."),
    click.option("--imap-security", type=click.Choice(SECURITY)),
    click.option("--smtp", "--smtp-host", "smtp_server", help="host[:port]; known providers need none."),
    click.option("--smtp-security", type=click.Choice(SECURITY)),
    click.option("--user", help="To sign in with; the address when not given."),
    click.option("--display-name", help="The name in From; --name when not given."),
    click.option(
        "--alias",
        "aliases",
        multiple=True,
        help='Another address that arrives in this mailbox; "Returns <returns@shop.example>" has its own name in From.',
    ),
    click.option("--colour", help=f"#rrggbb, to tell mailboxes apart; {MailboxForm.colour} when not given."),
    click.option("--signature", type=click.File(encoding="utf-8"), help="A file with the signature's HTML."),
    click.option("--quote/--no-quote", default=None, help="Quote the answered mail below the answer; yes by itself."),
    click.option("--folder", "folders", multiple=True, help="A folder to read; INBOX when not given."),
    click.option("--sent-folder", help="Where answers sent from elsewhere stand; looked for when not given."),
    click.option("--since", type=click.DateTime(["%Y-%m-%d"]), help="Leave older mail on the server."),
    click.option("--locale", type=click.Choice(["ja", "en"]), help="ja when not given."),
)


def settings(function: Callable[..., Any]) -> Callable[..., Any]:
    """The options of a mailbox's settings; what is not given is None or empty."""
    for option in reversed(OPTIONS):
        function = option(function)
    return function


@command.command("add")
@click.argument("address")
@settings
@click.option("--no-test", is_flag=True, help="Do not try the settings first.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of words.")
def add(address: str, *, as_json: bool, no_test: bool, **given: Any) -> None:
    """Connect the mailbox of ADDRESS. The password is asked for, or read from standard input.

    Exit code: 0 connected, 1 refused (the reason is printed), 78 a setting is wrong.
    """
    try:
        form = _new(address, given, password=_password())
        if not no_test:
            _must_work(form, as_json=as_json)
        with db.transaction() as session:
            mailbox_id = mailboxes.add(session, None, form, now=datetime.now(UTC))
    except UserError as error:
        _refuse(str(error), as_json=as_json)
    told = {"id": mailbox_id, "address": address}
    click.echo(json.dumps(told) if as_json else f"{address} is connected; the poller begins to read it.")


@command.command("change")
@click.argument("mailbox")
@settings
@click.option("--address", help="Another address.")
@click.option("--password", is_flag=True, help="Another password; asked for, or read from standard input.")
@click.option("--no-test", is_flag=True, help="Do not try the settings first.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of words.")
def change(mailbox: str, *, as_json: bool, no_test: bool, password: bool, address: str | None, **given: Any) -> None:
    """Change settings of MAILBOX, its number or its address. What is not given stays.

    --alias and --folder replace those that there are; --alias "" takes all aliases away. What a server has a say in is
    tried first, in both directions, and nothing is saved when it does not work. For another server, or one that is no
    longer encrypted, the password has to be given too.

    Exit code: 0 changed, 1 refused (the reason is printed), 78 a setting is wrong.
    """
    try:
        with db.reading() as session:
            mailbox_id = _id_of(session, mailbox)
            kept = mailboxes.form_of(session, mailbox_id)
        form = _changed(kept, given | {"address": address}, password=_password() if password else "")
        if mailboxes.needs_trial(form, kept) and not no_test:
            with db.reading() as session:
                trial = mailboxes.with_kept_passwords(session, mailbox_id, form)
            _must_work(trial, as_json=as_json)
        with db.transaction() as session:
            mailboxes.change(session, None, mailbox_id, form, now=datetime.now(UTC))
    except UserError as error:
        _refuse(str(error), as_json=as_json)
    except WireProblem as error:
        _refuse(CODES[error.problem.code], as_json=as_json)
    told = {"id": mailbox_id, "address": form.address}
    click.echo(json.dumps(told) if as_json else f"{form.address} is changed; the poller goes on with it.")


@command.command("test")
@click.argument("address")
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of words.")
def try_out(address: str, *, as_json: bool) -> None:
    """Try the connected mailbox of ADDRESS in both directions. No mail is sent or changed.

    Exit code: 0 both directions work, 1 one does not (the reason is printed), 78 a setting is wrong.
    """
    try:
        with db.reading() as session:
            mailbox_id = _id_of(session, address)
            form = mailboxes.with_kept_passwords(session, mailbox_id, mailboxes.form_of(session, mailbox_id))
        steps = mailboxes.test(form)
    except UserError as error:
        _refuse(str(error), as_json=as_json)
    except WireProblem as error:
        _refuse(CODES[error.problem.code], as_json=as_json)
    _tell(steps, as_json=as_json)
    sys.exit(0 if all(step.ok for step in steps) else 1)


@command.command("list")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a mailbox instead of words.")
def show(*, as_json: bool) -> None:
    """List the mailboxes and how each does.

    Exit code: 0 all work, 1 one is failing or stopped, 78 a setting is wrong.
    """
    with db.reading() as session:
        found = health.mailboxes(session, None, now=datetime.now(UTC))
    for one in found:
        if as_json:
            told = {
                "id": one.id,
                "address": one.address,
                "name": one.name,
                "state": one.state,
                "problem": one.code,
                "words": one.text,
                "last_ok_at": one.last_ok_at.isoformat() if one.last_ok_at else None,
                "backlog": one.backlog,
                "quarantined": one.quarantined,
            }
            click.echo(json.dumps(told, ensure_ascii=False))
        else:
            why = f": {CODES[one.code]} {one.text}" if one.code else ""
            click.echo(f"{one.id}  {one.address}  {one.name}  {one.state}{why}")
    sys.exit(1 if any(one.state in ("failing", "stopped") for one in found) else 0)


@command.command("remove")
@click.argument("address")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of words; needs --yes.")
def remove(address: str, *, yes: bool, as_json: bool) -> None:
    """Take the mailbox of ADDRESS away with all its conversations here. Nothing happens on its mail server.

    Exit code: 0 removed, 1 there is no such mailbox or you said no, 78 a setting is wrong.
    """
    if as_json and not yes:
        _refuse("--json asks nothing: give --yes too.", as_json=True)
    if not yes and not click.confirm(f"Remove {address} and all its conversations from this installation?"):
        sys.exit(1)
    try:
        with db.transaction() as session:
            mailbox_id = _id_of(session, address)
            mailboxes.remove(session, None, mailbox_id, now=datetime.now(UTC))
    except UserError as error:
        _refuse(str(error), as_json=as_json)
    click.echo(json.dumps({"id": mailbox_id, "address": address}) if as_json else f"{address} is removed.")


def _new(address: str, given: dict[str, Any], *, password: str) -> MailboxForm:
    provider = mailboxes.suggest(address)
    user = provider.user_for(address) if provider else address
    form = MailboxForm(
        name=address,
        address=address,
        imap_host=provider.imap_host if provider else "",
        imap_port=provider.imap_port if provider else 993,
        imap_security=provider.imap_security if provider and not given["imap_server"] else "tls",
        smtp_host=provider.smtp_host if provider else "",
        smtp_port=provider.smtp_port if provider else 465,
        smtp_security=provider.smtp_security if provider and not given["smtp_server"] else "tls",
        imap_user=user,
        smtp_user=user,
    )
    return _changed(form, given, password=password)


def _changed(form: MailboxForm, given: dict[str, Any], *, password: str) -> MailboxForm:
    """The form with what was given; a mailbox that sends without signing in goes on so."""
    told = {
        "name": given["name"],
        "address": given.get("address"),
        "display_name": given["display_name"],
        "aliases": given["aliases"] or None,
        "colour": given["colour"],
        "signature_html": given["signature"].read() if given["signature"] else None,
        "quote_replies": given["quote"],
        "folders": given["folders"] or None,
        "sent_folder": given["sent_folder"],
        "locale": given["locale"],
        "import_since": given["since"].replace(tzinfo=UTC) if given["since"] else None,
        "imap_user": given["user"],
        "smtp_user": given["user"] if form.smtp_user else None,
        "imap_password": password or None,
        "smtp_password": password if form.smtp_user and password else None,
    }
    servers = _server(form, given, "imap", ports=(993, 143)) | _server(form, given, "smtp", ports=(465, 587))
    return replace(form, **{name: value for name, value in told.items() if value is not None}, **servers)


def _server(form: MailboxForm, given: dict[str, Any], which: str, *, ports: tuple[int, int]) -> dict[str, Any]:
    """Its host, port and security. A host without a port is asked at the usual one: `ports` with TLS, without."""
    told: dict[str, Any] = {}
    security = given[f"{which}_security"]
    if given[f"{which}_server"]:
        host, _, port = given[f"{which}_server"].rpartition(":")
        if not host:
            host, port = port, ""
        if port and not port.isdecimal():
            raise UserError("%(port)s is not a port.", port=port)
        security = security or getattr(form, f"{which}_security")
        told[f"{which}_host"] = host
        told[f"{which}_port"] = int(port) if port else ports[0] if security == "tls" else ports[1]
    if security:
        told[f"{which}_security"] = security
    return told


def _must_work(form: MailboxForm, *, as_json: bool) -> None:
    """Tries both directions; tells what does not work and ends the command."""
    steps = mailboxes.test(form)
    if not all(step.ok for step in steps):
        _tell(steps, as_json=as_json)
        sys.exit(1)


def _password() -> str:
    if sys.stdin.isatty():
        return str(click.prompt("Password", hide_input=True))
    return sys.stdin.readline().rstrip("\n")


def _id_of(session: Session, mailbox: str) -> int:
    """Of its number or its address."""
    number = mailbox.isascii() and mailbox.isdigit() and len(mailbox) < 19
    wanted = Mailbox.id == int(mailbox) if number else Mailbox.address == mailbox
    found = session.scalar(select(Mailbox.id).where(wanted))
    if found is None:
        raise UserError("There is no mailbox %(mailbox)s.", mailbox=mailbox)
    return int(found)


def _tell(steps: list[TestStep], *, as_json: bool) -> None:
    if as_json:
        told = [
            {
                "step": step.name,
                "ok": step.ok,
                "problem": step.problem.code if step.problem else "",
                "words": step.problem.text if step.problem else "",
            }
            for step in steps
        ]
        click.echo(json.dumps({"steps": told}, ensure_ascii=False))
        return
    for step in steps:
        why = f": {step.problem.words} {step.problem.text}".rstrip() if step.problem else ""
        click.echo(f"{'ok  ' if step.ok else 'FAIL'} {STEPS[step.name]}{why}")


def _refuse(why: str, *, as_json: bool) -> None:
    click.echo(json.dumps({"error": why}) if as_json else why, err=not as_json)
    sys.exit(1)
