"""The operator's commands of sending, people, backup and schema, as they are typed."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import Engine, select, text

from inbox import blobs, db, drafts, people, replies, sending
from inbox.cli import main
from inbox.models import MailboxAccess, User
from tests.inbox.cast import NOW, a_conversation, a_mailbox, a_message, a_person, a_viewer
from tests.servers.smtp_sink import SmtpSink
from tests.servers.valkey import Valkey

pytestmark = pytest.mark.only_on("sqlite")


def run(*arguments: str, typed: str = "") -> Result:
    return CliRunner().invoke(main, arguments, input=typed)


@pytest.fixture
def queued(engine: Engine, smtp_sink: SmtpSink, valkey: Valkey) -> None:
    sending._stopping.clear()
    blobs.blobs.cache_clear()
    with db.transaction() as session:
        mailbox = a_mailbox(session)
        mailbox.smtp_host, mailbox.smtp_port, mailbox.smtp_security, mailbox.smtp_user = (
            "127.0.0.1",
            smtp_sink.port,
            "plain",
            "",
        )
        aoi = replace(a_viewer(session, "Aoi", mailbox), undo_seconds=0)
        conversation = a_conversation(session, mailbox, person=a_person(session))
        a_message(session, conversation)
        draft = drafts.start(session, aoi, "reply", conversation_id=conversation.id, now=NOW)
        drafts.save(session, aoi, draft.id, rev=draft.rev, fields={"text": "はい"}, now=NOW)
        seen = conversation.version
        replies.send(session, aoi, draft.id, seen_version=seen, next_status=None, now=NOW)


def test_send_once_sends_and_counts(queued: None, smtp_sink: SmtpSink) -> None:
    done = run("send", "--once", "--json")
    assert done.exit_code == 0
    assert json.loads(done.output) == {
        "accepted": 1, "later": 0, "refused": 0, "uncertain": 0, "copies": 0, "paused_by": None,
    }  # fmt: skip
    assert len(smtp_sink.deliveries) == 1


def test_send_once_tells_of_refusals_by_its_exit_code(queued: None, smtp_sink: SmtpSink) -> None:
    smtp_sink.fail("rcpt", "550 5.1.1 unknown")
    done = run("send", "--once")
    assert (done.exit_code, "refused 1" in done.output) == (1, True)


def test_sending_is_paused_and_resumed(queued: None, smtp_sink: SmtpSink) -> None:
    assert run("send", "--pause").exit_code == 0
    done = run("send", "--once")
    assert (done.exit_code, "paused" in done.output, smtp_sink.deliveries) == (0, True, [])
    assert run("send", "--resume").exit_code == 0
    assert "sent 1" in run("send", "--once").output


def test_send_without_a_wish_is_wrong_usage(engine: Engine) -> None:
    assert run("send").exit_code == 2


def test_a_person_is_added_with_the_password_from_standard_input(engine: Engine) -> None:
    with db.transaction() as session:
        first, _second = a_mailbox(session, "Support").id, a_mailbox(session, "Sales").id
    done = run(
        "user", "add", "aoi@shop.example", "--name", "Aoi", "--role", "agent", "--mailbox", "support@shop.example",
        typed="a long enough passphrase\n",
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    with db.transaction() as session:
        viewer = people.sign_in(session, "aoi@shop.example", "a long enough passphrase", ip="::1", now=NOW)
        assert (viewer.name, viewer.role) == ("Aoi", "agent")
        assert session.scalars(select(MailboxAccess.mailbox_id)).all() == [first]


@pytest.mark.parametrize(
    ("arguments", "typed", "told"),
    [
        (("nobody",), "a long enough passphrase\n", "address"),
        (("a@b.example",), "short\n", "characters"),
        (("a@b.example", "--mailbox", "no@such.example"), "a long enough passphrase\n", "no@such.example"),
    ],
)
def test_a_person_that_cannot_be_added_is_told_why(
    engine: Engine, arguments: tuple[str, ...], typed: str, told: str
) -> None:
    done = run("user", "add", *arguments, typed=typed)
    assert done.exit_code == 1
    assert told in done.output
    with db.reading() as session:
        assert session.scalars(select(User)).all() == []


def test_backup_says_what_is_in_it(queued: None, tmp_path: Path) -> None:
    done = run("backup", str(tmp_path / "b"), "--json")
    assert done.exit_code == 0, done.output
    assert json.loads(done.output)["blobs"] == 2
    again = run("backup", str(tmp_path / "b"))
    assert (again.exit_code, "not an empty folder" in again.output) == (1, True)


def test_restore_into_a_full_house_is_refused(queued: None, tmp_path: Path) -> None:
    run("backup", str(tmp_path / "b"))
    done = run("restore", str(tmp_path / "b"))
    assert (done.exit_code, "empty" in done.output) == (1, True)


def test_migrate_makes_the_schema(tmp_path: Path, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    from inbox import config

    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{tmp_path / 'fresh.db'}")
    config.settings.cache_clear()
    assert run("migrate").exit_code == 0
    assert json.loads(run("migrate", "--json").output) == {"up_to_date": True}
    fresh = db.make_engine(f"sqlite:///{tmp_path / 'fresh.db'}")
    with db.reading(fresh) as session:
        assert session.scalar(text("SELECT count(*) FROM conversation")) == 0
    fresh.dispose()
