"""The operator's commands about incoming mail: words or JSON, and exit codes that a script can trust."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import Engine, select

from inbox import config, db
from inbox.models import Mailbox
from tests.inbox.boxes import Box
from tests.inbox.truth import mails
from tests.servers.dovecot import Dovecot
from tests.servers.smtp_sink import SmtpSink

ROOT = Path(__file__).resolve().parents[3]


def run(*command: str, password: str = "") -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"DATABASE_URL": config.settings().database, "DATA_DIR": str(config.settings().data)}
    return subprocess.run(
        [sys.executable, "-m", "inbox", *command],
        input=password + "\n",
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def lines(result: subprocess.CompletedProcess[str]) -> list[dict]:  # type: ignore[type-arg]
    return [json.loads(line) for line in result.stdout.splitlines()]


@pytest.mark.only_on("sqlite")
def test_how_a_mailbox_looks_and_answers_is_told_when_it_is_added(engine: Engine, tmp_path: Path) -> None:
    (tmp_path / "signature.html").write_text("<b>店</b><script>x</script>", encoding="utf-8")
    looks = ("--display-name", "窓口ショップ", "--colour", "#1c7a46", "--no-quote")
    looks += ("--signature", str(tmp_path / "signature.html"), "--alias", "返品係 <Returns@shop.example>")
    where = ("--imap", "imap.shop.example", "--smtp", "smtp.shop.example", "--no-test", "--alias", "info@shop.example")
    assert run("mailbox", "add", "shop@shop.example", *looks, *where, password="x").returncode == 0
    assert run("mailbox", "add", "b@shop.example", *where, "--colour", "blue", password="x").returncode == 1
    with db.reading() as session:
        made = session.scalars(select(Mailbox)).one()
        assert (made.display_name, made.colour, made.quote_replies) == ("窓口ショップ", "#1c7a46", False)
        assert "店" in made.signature_html
        assert "script" not in made.signature_html
        assert {(one.display_name, one.address) for one in made.addresses} == {
            ("", "shop@shop.example"),
            ("返品係", "returns@shop.example"),
            ("", "info@shop.example"),
        }


@pytest.mark.only_on("sqlite")
def test_a_mailbox_is_added_listed_tried_and_removed(engine: Engine, dovecot: Dovecot, smtp_sink: SmtpSink) -> None:
    account = dovecot.account()
    where = ("--imap", f"127.0.0.1:{dovecot.imap}", "--imap-security", "plain")
    where += ("--smtp", f"127.0.0.1:{smtp_sink.port}", "--smtp-security", "plain")
    refused = run("mailbox", "add", account.user, *where, "--json", password="wrong")
    assert refused.returncode == 1
    assert json.loads(refused.stdout)["steps"][0]["problem"] == "login"
    added = run("mailbox", "add", account.user, *where, "--no-test", "--json", password=account.password)
    assert (added.returncode, json.loads(added.stdout)["address"]) == (0, account.user)
    assert run("mailbox", "add", account.user, *where, "--no-test", password="x").returncode == 1
    (listed,) = lines(run("mailbox", "list", "--json"))
    assert (listed["address"], listed["state"]) == (account.user, "new")
    tried = run("mailbox", "test", account.user, "--json")
    assert json.loads(tried.stdout)["steps"][0] == {"step": "imap", "ok": True, "problem": "", "words": ""}
    assert run("mailbox", "test", "nobody@x.example").returncode == 1
    assert run("mailbox", "remove", account.user, "--json").returncode == 1
    (removed,) = lines(run("mailbox", "remove", account.user, "--yes", "--json"))
    assert removed == {"id": listed["id"], "address": account.user}
    assert run("mailbox", "list").stdout == ""


def test_fetch_once_reconcile_and_the_quarantine(engine: Engine, dovecot: Dovecot) -> None:
    box = Box(dovecot)
    truths = list(mails(8))
    box.lay([truth.raw for truth in truths] + [b"X-A: 1\n" * 5_000 + b"\nbomb\n"])
    (fetched,) = lines(run("fetch", "--once", "--json"))
    assert fetched == {"address": box.user, "mails": 9}
    done = run("reconcile", "--json")
    (told,) = lines(done)
    inbox = next(one for one in told["folders"] if one["folder"] == "INBOX")
    assert (done.returncode, inbox["on_server"], inbox["filed"], inbox["quarantined"], inbox["missing"]) == (
        0,
        9,
        8,
        1,
        0,
    )
    assert "on the server 9 = filed 8 + in quarantine 1" in run("reconcile").stdout
    listed = run("quarantine", "list", "--json")
    assert (listed.returncode, lines(listed)[0]["cause"]) == (1, "too_complex")
    again = run("quarantine", "reprocess", "--json")
    assert (again.returncode, json.loads(again.stdout)) == (1, {"asked": 1, "filed": 0, "left": 1})


@pytest.mark.only_on("sqlite")
def test_what_cannot_be_reached_is_named_and_fails(engine: Engine, dovecot: Dovecot) -> None:
    Box(dovecot, imap_password="wrong")
    fetched = run("fetch", "--once", "--json")
    assert (fetched.returncode, lines(fetched)[0]["problem"]) == (1, "login")
    assert run("fetch").returncode == 2
    checked = run("check", "--json")
    told = {one["what"]: one["ok"] for one in lines(checked)}
    assert (checked.returncode, told["database"], told["poller"]) == (1, True, False)
    assert run("fetch", "--once", "--mailbox", "nobody@x.example").returncode == 1
