"""`demo customer`: the customer's side of the demo mailbox, from the terminal."""

from __future__ import annotations

import sys

import click

from inbox.config import settings_or_exit
from inbox.demo import customer
from inbox.errors import UserError


@click.group("demo")
def command() -> None:
    """Try the whole loop without an account: write as a customer, read the answer."""
    settings_or_exit()


@command.group("customer")
def customer_group() -> None:
    """Be a customer of the demo company."""


@customer_group.command("send")
@click.argument("address")
@click.argument("subject")
@click.argument("text", required=False)
@click.option("--name", default="", help="The customer's name.")
@click.option("--in-reply-to", default="", help="Message-ID of the mail that this answers.")
def send(address: str, subject: str, text: str | None, *, name: str, in_reply_to: str) -> None:
    """Write a mail to the team as ADDRESS, TEXT from standard input when not given. Prints the Message-ID."""
    words = text if text is not None else sys.stdin.read()
    _told(lambda: click.echo(customer.send(address, subject, words, name=name, in_reply_to=in_reply_to)))


@customer_group.command("answers")
@click.argument("address")
def answers(address: str) -> None:
    """Show what came back to ADDRESS, newest first. Exit code 1 when nothing did."""

    def show() -> None:
        found = customer.answers(address)
        for answer in found:
            click.echo(
                f"From: {answer.sender}\nSubject: {answer.subject}\nDate: {answer.date:%Y-%m-%d %H:%M} UTC\n\n"
                f"{answer.text.strip()}\n"
            )
        if not found:
            click.echo("No answer yet.", err=True)
            sys.exit(1)

    _told(show)


def _told(step) -> None:  # type: ignore[no-untyped-def]
    try:
        step()
    except UserError as error:
        click.echo(str(error), err=True)
        sys.exit(1)
