"""`user add`: a person of the team who can sign in at once."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime

import click
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from inbox import db, people
from inbox.config import settings_or_exit
from inbox.errors import UserError
from inbox.models import Mailbox
from inbox.models.people import ROLES


@click.group("user")
def command() -> None:
    """The people of the team."""
    settings_or_exit()


@command.command("add")
@click.argument("email")
@click.option("--name", default="", help="Shown to colleagues; the part before @ when not given.")
@click.option("--role", type=click.Choice(ROLES), default="agent", show_default=True)
@click.option(
    "--mailbox", "mailboxes", multiple=True, help="Address of a mailbox this person works in; all when not given."
)
@click.option("--locale", type=click.Choice(["ja", "en"]), default="ja", show_default=True)
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of words.")
def add(email: str, *, name: str, role: str, mailboxes: tuple[str, ...], locale: str, as_json: bool) -> None:
    """Add a person with EMAIL. The password is asked for, or read from standard input.

    Exit code: 0 added, 1 refused (the reason is printed), 78 a setting is wrong.
    """
    password = _password()
    try:
        with db.transaction() as session:
            user_id = people.add(
                session,
                None,
                email=email,
                name=name or email.partition("@")[0],
                role=role,
                mailbox_ids=_ids(session, mailboxes),
                locale=locale,
                password=password,
                now=datetime.now(UTC),
            )
    except UserError as error:
        click.echo(str(error), err=True)
        sys.exit(1)
    except IntegrityError:  # somebody else was quicker with the same address
        click.echo("Somebody with this e-mail address is in the team already.", err=True)
        sys.exit(1)
    click.echo(json.dumps({"id": user_id, "email": email, "role": role}) if as_json else f"{email} may sign in now.")


def _password() -> str:
    if sys.stdin.isatty():
        return str(click.prompt("Password", hide_input=True, confirmation_prompt=True))
    return sys.stdin.readline().rstrip("\n")


def _ids(session, addresses: tuple[str, ...]) -> tuple[int, ...]:  # type: ignore[no-untyped-def]
    known = {address.lower(): found for found, address in session.execute(select(Mailbox.id, Mailbox.address))}
    for address in addresses:
        if address.lower() not in known:
            raise UserError("There is no mailbox %(address)s.", address=address)
    return tuple(known[address.lower()] for address in addresses) or tuple(known.values())
