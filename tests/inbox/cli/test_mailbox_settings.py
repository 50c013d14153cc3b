"""`mailbox change`: what is given changes, the rest stays; servers are asked first, passwords are not lent."""

from __future__ import annotations

import json
from typing import Any

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import Engine

from inbox import db, mailboxes
from inbox.cli import main
from inbox.models import Mailbox
from tests.servers.dovecot import Account, Dovecot
from tests.servers.smtp_sink import SmtpSink


def run(*arguments: str, typed: str = "") -> Result:
    return CliRunner().invoke(main, ("mailbox", *arguments), input=typed)


def settings_of(mailbox_id: int) -> dict[str, Any]:
    with db.reading() as session:
        one = session.get_one(Mailbox, mailbox_id)
        names = ("name", "imap_host", "imap_port", "imap_security", "imap_user", "smtp_host", "smtp_port", "locale")
        passwords = (mailboxes.open_secret(one.imap_secret), mailboxes.open_secret(one.smtp_secret))
        return {name: getattr(one, name) for name in names} | {
            "aliases": sorted(each.address for each in one.addresses),
            "passwords": passwords,
        }


@pytest.fixture
def kept(engine: Engine) -> int:
    """A mailbox at a server that nobody reaches."""
    done = run(
        "add", "support@shop.example", "--name", "Support", "--imap", "imap.shop.example", "--smtp",
        "smtp.shop.example:2525", "--smtp-security", "starttls", "--alias", "info@shop.example", "--no-test", "--json",
        typed="first\n",
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    return int(json.loads(done.stdout)["id"])


def test_what_is_given_changes_and_the_rest_stays(kept: int) -> None:
    before = settings_of(kept)
    assert (before["imap_port"], before["imap_security"], before["smtp_port"]) == (993, "tls", 2525)
    done = run("change", str(kept), "--name", "Shop", "--alias", "", "--json")
    assert (done.exit_code, json.loads(done.stdout)) == (0, {"id": kept, "address": "support@shop.example"})
    assert settings_of(kept) == before | {"name": "Shop", "aliases": ["support@shop.example"]}
    done = run("change", "support@shop.example", "--locale", "en")
    assert (done.exit_code, "support@shop.example is changed" in done.output) == (0, True)
    assert settings_of(kept)["locale"] == "en"


def test_another_server_is_tried_before_it_is_saved(
    kept: int, dovecot: Dovecot, account: Account, smtp_sink: SmtpSink
) -> None:
    before = settings_of(kept)
    other = (
        "change", str(kept), "--imap-host", f"127.0.0.1:{dovecot.imap}", "--imap-security", "plain", "--smtp-host",
        f"127.0.0.1:{smtp_sink.port}", "--smtp-security", "plain", "--user", account.user, "--password", "--json",
    )  # fmt: skip
    wrong = run(*other, typed="wrong\n")
    assert wrong.exit_code == 1
    step = json.loads(wrong.stdout)["steps"][0]
    assert (step["step"], step["ok"], step["problem"]) == ("imap", False, "login")
    assert settings_of(kept) == before
    assert "wrong" not in wrong.output
    done = run(*other, "--no-test", typed=f"{account.password}\n")
    assert done.exit_code == 0, done.output
    after = settings_of(kept)
    assert (after["imap_host"], after["imap_port"], after["imap_user"]) == ("127.0.0.1", dovecot.imap, account.user)
    assert after["passwords"] == (account.password, account.password)


def test_a_stored_password_goes_to_no_other_server(kept: int) -> None:
    before = settings_of(kept)
    for options in (("--imap", "evil.example"), ("--smtp-security", "plain")):
        for trial in ((), ("--no-test",)):
            done = run("change", str(kept), *options, *trial, "--json")
            assert (done.exit_code, json.loads(done.stdout)) == (1, {"error": "Give the password."})
    assert settings_of(kept) == before


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("99",), "There is no mailbox 99."),
        (("nobody@shop.example", "--name", "X"), "There is no mailbox nobody@shop.example."),
        (("1", "--colour", "red"), "Choose a colour."),
        (("1", "--imap", "imap.shop.example:x"), "x is not a port."),
    ],
)
def test_what_cannot_be_is_told(kept: int, arguments: tuple[str, ...], told: str) -> None:
    done = run("change", *arguments, "--json")
    assert (done.exit_code, json.loads(done.stdout)) == (1, {"error": told})
