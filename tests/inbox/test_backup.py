"""A backup taken while everything runs is whole; a restore starts quiet and sends nothing twice."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import Engine, func, select, text, update

from inbox import backup, blobs, config, db, drafts, outbox, replies, sending
from inbox.backup import BackupFailed
from inbox.config import Settings
from inbox.mailboxes.secrets import open_secret, seal
from inbox.models import Conversation, Mailbox, Message, Outgoing
from inbox.wire.problems import WireProblem
from tests.inbox.cast import NOW, a_conversation, a_mailbox, a_message, a_person, a_viewer
from tests.servers.postgres import Postgres
from tests.servers.smtp_sink import SmtpSink
from tests.servers.valkey import Valkey


@pytest.fixture
def answered(engine: Engine, smtp_sink: SmtpSink, valkey: Valkey) -> int:
    """A conversation whose answer stands in the queue; the id of the queued mail."""
    sending._stopping.clear()
    with db.transaction() as session:
        mailbox = a_mailbox(session)
        mailbox.smtp_host, mailbox.smtp_port, mailbox.smtp_security, mailbox.smtp_user = (
            "127.0.0.1",
            smtp_sink.port,
            "plain",
            "",
        )
        mailbox.imap_secret = seal("imap password")
        aoi = replace(a_viewer(session, "Aoi", mailbox), undo_seconds=0)
        conversation = a_conversation(session, mailbox, person=a_person(session))
        a_message(session, conversation)
        draft = drafts.start(session, aoi, "reply", conversation_id=conversation.id, now=NOW)
        drafts.save(session, aoi, draft.id, rev=draft.rev, fields={"text": "はい"}, now=NOW)
        seen = conversation.version
        return replies.send(session, aoi, draft.id, seen_version=seen, next_status="closed", now=NOW).outgoing_id


@pytest.fixture
def elsewhere(
    database_kind: str, tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., Settings]]:
    """Makes this process an empty installation on another machine: another folder, another database."""
    made: list[tuple[Postgres, str]] = []

    def move(*, secret: str | None = None) -> Settings:
        folder = tmp_path / f"elsewhere{len(list(tmp_path.iterdir()))}"
        monkeypatch.setenv("DATA_DIR", str(folder))
        if database_kind == "sqlite":
            monkeypatch.setenv("DATABASE_URL", f"sqlite:///{folder / 'madoguchi.db'}")
        else:
            server: Postgres = request.getfixturevalue("postgres")
            made.append((server, server.create()))
            monkeypatch.setenv("DATABASE_URL", server.url(made[-1][1]))
        if secret is not None:
            monkeypatch.setenv("SECRET_KEY", secret)
        db.engine().dispose()
        for cached in (config.settings, db.engine, blobs.blobs):
            cached.cache_clear()
        return config.settings()

    yield move
    db.engine().dispose()
    monkeypatch.undo()
    for cached in (config.settings, db.engine, blobs.blobs):
        cached.cache_clear()
    for server, name in made:
        server.drop(name)


@pytest.fixture(autouse=True)
def own_blobs(engine: Engine) -> Iterator[None]:
    blobs.blobs.cache_clear()
    yield
    blobs.blobs.cache_clear()


def test_everything_comes_back_and_nothing_is_sent_until_a_person_says_so(
    answered: int, elsewhere: Callable[..., Settings], smtp_sink: SmtpSink, tmp_path: Path
) -> None:
    made = backup.backup(config.settings(), tmp_path / "backup", now=NOW)
    assert made.blobs == 2
    restored = backup.restore(elsewhere(), tmp_path / "backup")
    assert (restored.blobs, restored.key_fits, restored.uncertain) == (2, True, 0)
    with db.reading() as session:
        assert outbox.paused_by(session) == "restored"
        message = session.scalars(select(Message).where(Message.direction == "out")).one()
        assert blobs.blobs().get(message.raw_sha256)
        assert open_secret(session.scalars(select(Mailbox.imap_secret)).one()) == "imap password"
    assert sending.send_due(patience=None).all == 0
    with db.transaction() as session:
        outbox.pause_all(session, None, False)
    assert sending.send_due(patience=None).accepted == 1
    assert len(smtp_sink.deliveries) == 1


def test_what_left_after_the_backup_is_recognised_and_not_sent_again(
    answered: int, elsewhere: Callable[..., Settings], smtp_sink: SmtpSink, tmp_path: Path
) -> None:
    backup.backup(config.settings(), tmp_path / "backup", now=NOW)
    assert sending.send_due(patience=None).accepted == 1
    backup.restore(elsewhere(), tmp_path / "backup")
    with db.transaction() as session:  # what intake does when it reads the Sent folder
        key = session.get_one(Outgoing, answered).key
        assert outbox.found_elsewhere(session, key, now=datetime.now(UTC))
    with db.transaction() as session:
        outbox.pause_all(session, None, False)
    assert sending.send_due(patience=None).all == 0
    assert len(smtp_sink.deliveries) == 1


def test_what_was_told_to_come_later_and_left_after_the_backup_is_not_sent_again(
    answered: int, elsewhere: Callable[..., Settings], smtp_sink: SmtpSink, tmp_path: Path
) -> None:
    smtp_sink.fail("rcpt", "450 4.2.0 later", times=1)
    assert sending.send_due(patience=None).later == 1
    backup.backup(config.settings(), tmp_path / "backup", now=NOW)
    with db.transaction() as session:
        session.execute(update(Outgoing).values(due_at=NOW))
    assert sending.send_due(patience=None).accepted == 1
    backup.restore(elsewhere(), tmp_path / "backup")
    with db.transaction() as session:  # what intake does when it reads the Sent folder
        outbox.found_elsewhere(session, session.get_one(Outgoing, answered).key, now=datetime.now(UTC))
        outbox.pause_all(session, None, False)
        session.execute(update(Outgoing).values(due_at=NOW))
    assert sending.send_due(patience=None).all == 0
    assert len(smtp_sink.deliveries) == 1


def test_a_mail_that_was_inside_data_is_uncertain_after_a_restore(
    answered: int, elsewhere: Callable[..., Settings], tmp_path: Path
) -> None:
    now = datetime.now(UTC)
    with db.transaction() as session:
        claimed = outbox.claim(session, 1, "w", now=now, limit=1)
        outbox.begin(session, "w", [claimed[0].id], now=now)
    backup.backup(config.settings(), tmp_path / "backup", now=NOW)
    assert backup.restore(elsewhere(), tmp_path / "backup").uncertain == 1
    with db.reading() as session:
        assert session.get_one(Outgoing, answered).state == "uncertain"


def test_without_the_key_mail_can_be_read_and_passwords_must_be_typed_anew(
    answered: int, elsewhere: Callable[..., Settings], tmp_path: Path
) -> None:
    backup.backup(config.settings(), tmp_path / "backup", now=NOW)
    assert not (tmp_path / "backup" / "secret.key").exists()
    restored = backup.restore(elsewhere(secret="another key, quite another one altogether"), tmp_path / "backup")
    assert not restored.key_fits
    with db.reading() as session, pytest.raises(WireProblem):
        open_secret(session.scalars(select(Mailbox.imap_secret)).one())


def test_with_the_key_an_empty_machine_is_as_before(
    answered: int, elsewhere: Callable[..., Settings], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backup.backup(config.settings(), tmp_path / "backup", with_key=True, now=NOW)
    target = elsewhere(secret="")
    assert backup.restore(target, tmp_path / "backup").key_fits
    assert (target.data / "secret.key").stat().st_mode & 0o777 == 0o600


@pytest.mark.slow
def test_a_backup_taken_while_mails_come_in_is_one_moment(
    answered: int, elsewhere: Callable[..., Settings], tmp_path: Path
) -> None:
    stop = threading.Event()

    def mails_come_in() -> None:
        number = 0
        while not stop.is_set():
            with db.transaction() as session:
                conversation = a_conversation(session, session.get_one(Mailbox, 1), f"mail {number}")
                a_message(session, conversation, f"words {number}")
            number += 1

    writer = threading.Thread(target=mails_come_in)
    writer.start()
    try:
        backup.backup(config.settings(), tmp_path / "backup", now=NOW)
    finally:
        stop.set()
        writer.join(20)
    backup.restore(elsewhere(), tmp_path / "backup")
    with db.reading() as session:
        hashes = session.scalars(select(Message.raw_sha256)).all()
        assert all(blobs.blobs().has(one) for one in hashes)
        counted = session.scalar(select(func.count()).select_from(Conversation))
        kept = session.scalar(text("SELECT SUM(count) FROM folder_count"))
        assert counted == kept
        assert len(hashes) == counted + 1


# -- refusals


def test_a_backup_overwrites_nothing(answered: int, tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "letter.txt").write_text("mine")
    with pytest.raises(BackupFailed, match="not an empty folder"):
        backup.backup(config.settings(), tmp_path / "full", now=NOW)


def test_a_restore_overwrites_nothing(answered: int, tmp_path: Path) -> None:
    backup.backup(config.settings(), tmp_path / "backup", now=NOW)
    with pytest.raises(BackupFailed, match=r"already|not empty"):
        backup.restore(config.settings(), tmp_path / "backup")


@pytest.mark.parametrize("how", ["database", "blob", "manifest", "version"])
def test_a_damaged_backup_is_refused_before_anything_is_written(
    answered: int, elsewhere: Callable[..., Settings], tmp_path: Path, how: str
) -> None:
    folder = tmp_path / "backup"
    made = backup.backup(config.settings(), folder, now=NOW)
    shutil.copytree(folder, tmp_path / "copy")  # the blobs of the first are links to the living ones
    folder = tmp_path / "copy"
    if how == "manifest":
        (folder / "manifest.json").unlink()
    elif how == "version":
        manifest = json.loads((folder / "manifest.json").read_text())
        (folder / "manifest.json").write_text(json.dumps(manifest | {"format": 99}))
    else:
        path = folder / backup.DATABASE[made.database] if how == "database" else next(folder.glob("blobs/??/*"))
        path.chmod(0o600)
        path.write_bytes(path.read_bytes()[:-1] + b"!")
    target = elsewhere()
    with pytest.raises(BackupFailed):
        backup.restore(target, folder)
    assert not target.data.exists() or not any(target.data.iterdir())


def test_a_backup_of_another_kind_of_database_is_refused(
    answered: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = backup.backup(config.settings(), tmp_path / "backup", now=NOW)
    other = "postgresql://u@h/d" if made.database == "sqlite" else f"sqlite:///{tmp_path / 'other.db'}"
    monkeypatch.setenv("DATABASE_URL", other)
    monkeypatch.setenv("DATA_DIR", str(tmp_path / "other"))
    with pytest.raises(BackupFailed, match="DATABASE_URL"):
        backup.restore(Settings(), tmp_path / "backup")
