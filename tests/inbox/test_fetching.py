"""Whole mailboxes from a real Dovecot into conversations: nothing lost, nothing doubled, whatever happens on the
server."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest
from imapclient import IMAPClient
from sqlalchemy import Engine, select

from inbox import config, db, intake, quarantine, reconcile
from inbox.blobs import blobs
from inbox.mail.parse import parse
from inbox.models import Attachment, Message, RawMail
from inbox.wire import imap
from tests.inbox.boxes import Box, folder_of_bench, polling
from tests.inbox.truth import Truth, mails
from tests.servers import wait_until
from tests.servers.dovecot import Dovecot

MANY = int(os.environ.get("MADOGUCHI_MANY_MAILS", "2000"))


def agrees(box: Box) -> bool:
    with db.reading() as session:
        sums = [one for one in reconcile.ledgers(session, None) if one.mailbox_id == box.id]
    return all(
        one.reconciled_at is not None
        and one.missing == 0
        and one.on_server == one.filed + one.quarantined + one.left_out
        for one in sums
    )


def check(box: Box, truths: Sequence[Truth], *, since_uid: int = 0) -> None:
    """Every mail stands where it belongs with its words, threads and files; copies are known as such."""
    rows = [row for row in box.rows() if row.uid > since_uid]
    assert len(rows) == len(truths)
    assert [row.state for row in rows] == ["known" if truth.copy_of is not None else "filed" for truth in truths]
    with db.reading() as session:
        messages = {one.id: one for one in session.scalars(select(Message))}
        files: dict[int, list[Attachment]] = {}
        for one in session.scalars(select(Attachment).order_by(Attachment.position)):
            files.setdefault(one.message_id, []).append(one)
    where: list[int] = []
    wrong_words, wrong_threads = [], []
    for index, (row, truth) in enumerate(zip(rows, truths, strict=True)):
        message = messages[row.message_id]
        where.append(message.conversation_id)
        if (message.subject, message.text.split("\n", 1)[0]) != (truth.subject, truth.first_line):
            wrong_words.append((index, message.subject, truth.subject))
        if where[truth.root] != message.conversation_id:
            wrong_threads.append(index)
        assert tuple(one.sha256 for one in files.get(message.id, [])) == truth.files
    assert wrong_words == []
    assert wrong_threads == []
    assert len({*where}) == len({truth.root for truth in truths})
    assert sum(truth.hard for truth in truths) > 0


def bytes_of_files(box: Box, truths: Sequence[Truth]) -> None:
    """Attachments come out of the stored mail byte for byte."""
    rows = box.rows()
    for row, truth in zip(rows, truths, strict=True):
        if truth.files:
            found = parse(blobs().get(row.sha256)).attachments
            assert tuple(part.sha256 for part in found) == truth.files


@pytest.mark.slow
def test_two_thousand_mails_survive_an_outage_a_new_uidvalidity_and_other_clients(
    engine: Engine, dovecot: Dovecot
) -> None:
    truths = list(mails(MANY))
    box = Box(dovecot)
    box.lay([truth.raw.replace(b"\r\n", b"\n") for truth in truths])
    with polling():
        wait_until(lambda: len(box.rows()) > MANY // 5, seconds=120, what="a part of the mails is read")
        dovecot.stop()
        outage = datetime.now(UTC)
        wait_until(lambda: datetime.now(UTC) - outage > timedelta(seconds=3), seconds=10)
        dovecot.start()
        wait_until(lambda: box.folder().import_finished_at and agrees(box), seconds=240, what="the import ends")
    check(box, truths)
    bytes_of_files(box, truths)
    messages = len(box.messages())
    assert (box.folder().import_done, box.folder().import_total) == (len(truths), len(truths))

    with IMAPClient("127.0.0.1", dovecot.imap, ssl=False) as other:  # a colleague with Outlook
        other.login(box.user, box.server_account.password)
        other.select_folder("INBOX")
        other.add_flags(range(1, 200), [b"\\Seen", b"\\Flagged"])
        other.move(range(10, 15), "Trash")
        other.delete_messages(range(20, 25))
        other.expunge()
    box.doveadm("mailbox", "update", "-u", box.user, "--uid-validity", "4711", "INBOX")
    box.read()
    assert {row.state for row in box.rows()} == {"known"}
    assert len(box.rows()) == len(truths) - 10
    assert len(box.messages()) == messages
    with polling():
        reconcile_now(box)
        wait_until(lambda: agrees(box), seconds=60, what="the ledger agrees")
    assert box.folder().server_count == len(truths) - 10
    check_threads_again(box, truths)


def reconcile_now(box: Box) -> None:
    with db.transaction() as session:
        reconcile.ask(session, box.id, now=datetime.now(UTC))


def check_threads_again(box: Box, truths: Sequence[Truth]) -> None:
    assert box.conversations() == len({truth.root for truth in truths})


@pytest.mark.slow
def test_two_thousand_mails_of_the_given_generator(engine: Engine, dovecot: Dovecot, tmp_path: Path) -> None:
    bench = folder_of_bench()
    if bench is None:
        pytest.skip("the generator of mails with known answers is not beside this project")
    made = tmp_path / "mails"
    command = [sys.executable, str(bench / "gen_corpus.py"), str(MANY), str(made)]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    told = [json.loads(line) for line in (made / "manifest.jsonl").read_text().splitlines()]
    raws = [path.read_bytes().replace(b"\r\n", b"\n") for path in sorted(made.glob("*.eml"))]
    box = Box(dovecot)
    box.lay(raws)
    assert box.read() == len(raws)
    rows = box.rows()
    assert [row.state for row in rows] == ["known" if one["dup_of"] is not None else "filed" for one in told]
    messages = {one.id: one for one in box.messages()}
    assert len(messages) == sum(one["dup_of"] is None for one in told)
    where = {one["i"]: messages[row.message_id].conversation_id for one, row in zip(told, rows, strict=True)}
    replies = [one for one in told if one["parent"] is not None]
    assert [one["i"] for one in replies if where[one["i"]] != where[one["root"]]] == []
    hard = [(one, messages[row.message_id]) for one, row in zip(told, rows, strict=True) if one["hard"]]
    assert [one["i"] for one, message in hard if message.subject != one["subject"]] == []
    assert [one["i"] for one, message in hard if one["body_head"][:20] not in message.text] == []
    for one, row in zip(told, rows, strict=True):
        if one["atts"]:
            found = parse(blobs().get(row.sha256)).attachments
            assert sorted(part.sha256 for part in found) == sorted(file["sha256"] for file in one["atts"])
    if MANY == 2000:
        assert (len(replies), len(hard)) == (860, 36)


# -- P-01 … P-09 on the server


@pytest.mark.only_on("sqlite")
def test_p01_a_uidvalidity_that_changes_twice_during_the_import(engine: Engine, dovecot: Dovecot) -> None:
    truths = list(mails(120))
    box = Box(dovecot)
    for number, part in enumerate((truths[:40], truths[40:80], truths[80:])):
        for truth in part:
            dovecot.deliver(box.user, truth.raw)
        box.read()
        box.doveadm("mailbox", "update", "-u", box.user, "--uid-validity", str(9000 + number), "INBOX")
    box.read()
    assert box.conversations() == len({truth.root for truth in truths})
    assert {row.state for row in box.rows()} == {"known"}


def test_p03_a_mail_that_appears_below_the_cursor_is_found_by_the_comparison(engine: Engine, dovecot: Dovecot) -> None:
    box = Box(dovecot)
    box.lay([truth.raw for truth in mails(6)])
    box.read()
    with db.transaction() as session:  # as if the server had shown it only now
        row = session.get_one(RawMail, box.rows()[2].id)
        session.delete(row)
        session.delete(session.get_one(Message, row.message_id))
    account = box.account()
    with imap.connect(account.server) as connection:
        assert reconcile.folder_now(account, account.folders[0], connection, full=False) == 1
        assert reconcile.folder_now(account, account.folders[0], connection, full=True) == 0
    assert [row.state for row in box.rows()] == ["filed"] * 6
    assert agrees_in(box, "INBOX")


def agrees_in(box: Box, name: str) -> bool:
    row = box.folder(name)
    return (
        row.missing_count == 0 and row.server_count == row.accounted_count + row.quarantined_count + row.left_out_count
    )


def test_mail_older_than_asked_for_stays_on_the_server_until_it_is_asked_for(engine: Engine, dovecot: Dovecot) -> None:
    box = Box(dovecot, import_since=datetime(2026, 6, 1, tzinfo=UTC))
    with IMAPClient("127.0.0.1", dovecot.imap, ssl=False) as other:
        other.login(box.user, box.server_account.password)
        for number, truth in enumerate(mails(6)):
            at = datetime(2026, 1 if number < 4 else 8, 1, tzinfo=UTC)
            other.append("INBOX", truth.raw, msg_time=at)
    with polling():
        wait_until(lambda: agrees(box), seconds=30, what="first comparison")
        row = box.folder()
        assert (row.server_count, row.accounted_count, row.left_out_count, row.missing_count) == (6, 2, 4, 0)
        with db.transaction() as session:
            reconcile.backfill(session, None, box.id, datetime(2025, 1, 1, tzinfo=UTC), now=datetime.now(UTC))
        wait_until(lambda: box.folder().accounted_count == 6, seconds=30, what="the older mail is read")
    row = box.folder()
    assert (row.left_out_count, row.missing_count, row.backfill_since) == (0, 0, None)
    assert {one.silent for one in box.rows()} == {True}


def test_a_back_fill_asked_for_while_another_one_runs_is_not_forgotten(engine: Engine, dovecot: Dovecot) -> None:
    box = Box(dovecot, import_since=datetime.now(UTC) + timedelta(days=9))
    dovecot.deliver(box.user, b"From: a@c.example\r\nSubject: old\r\n\r\nx\r\n")
    box.read()
    first, second = datetime(2025, 1, 1, tzinfo=UTC), datetime(2024, 1, 1, tzinfo=UTC)

    def ask(since: datetime) -> bool:
        with db.transaction() as session:
            reconcile.backfill(session, None, box.id, since, now=datetime.now(UTC))
        return False

    ask(first)
    account = box.account()
    with imap.connect(account.server) as connection:
        for asked, left in ((lambda: ask(second), second), (lambda: False, None)):
            reconcile.folder_now(account, account.folders[0], connection, full=True, stop=asked)
            assert box.folder().backfill_since == left
    assert [one.silent for one in box.rows()] == [True]


def test_b12_a_mail_that_is_too_large_stands_in_quarantine_with_its_headers(
    engine: Engine, dovecot: Dovecot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MAX_MAIL_BYTES", "1000000")
    config.settings.cache_clear()
    box = Box(dovecot)
    dovecot.deliver(
        box.user,
        b"From: a@c.example\r\nSubject: =?utf-8?B?5aSn44GN44GE?=\r\n\r\n"
        + b"0123456789" * 7
        + b"\r\n"
        + b"abcdefghij\r\n" * 100_000,
    )
    dovecot.deliver(box.user, b"From: a@c.example\r\nSubject: small\r\n\r\nx\r\n")
    box.read()
    large, small = box.rows()
    assert (large.state, large.cause, large.subject, large.sender) == (
        "quarantined",
        "too_large",
        "大きい",
        "a@c.example",
    )
    assert small.state == "filed"
    monkeypatch.setenv("MAX_MAIL_BYTES", "5000000")
    config.settings.cache_clear()
    with db.transaction() as session:
        assert quarantine.reprocess(session, None, [large.id]) == 1
    box.read()
    assert [row.state for row in box.rows()] == ["filed", "filed"]


@pytest.mark.parametrize("again", ["the poller", "the clock"])
def test_a_crash_after_the_bytes_are_kept_loses_nothing(
    engine: Engine, dovecot: Dovecot, monkeypatch: pytest.MonkeyPatch, again: str
) -> None:
    box = Box(dovecot)
    box.lay([truth.raw for truth in mails(5)])

    class PowerCut(BaseException):
        pass

    def die(*_about: object, **_more: object) -> None:
        raise PowerCut

    with monkeypatch.context() as cut:
        cut.setattr(intake, "file_batch", die)
        with pytest.raises(PowerCut):
            box.read()
    assert box.states() == {"pending": 5}
    assert intake.file_pending(now=datetime.now(UTC)) == 0  # somebody may just be at it
    if again == "the poller":
        assert box.read() == 0
    else:
        assert intake.file_pending(now=datetime.now(UTC) + timedelta(minutes=2)) == 5
    assert box.states() == {"filed": 4, "known": 1}


def test_the_sent_folder_is_found_and_answers_from_elsewhere_count(engine: Engine, dovecot: Dovecot) -> None:
    box = Box(dovecot)
    now = format_datetime(datetime.now(UTC))
    dovecot.deliver(
        box.user,
        f"From: c@c.example\r\nTo: {box.user}\r\nDate: {now}\r\nSubject: q\r\n"
        "Message-ID: <q@c.example>\r\n\r\nhow?\r\n".encode(),
    )
    box.read()
    raw = (
        f"From: {box.user}\r\nTo: c@c.example\r\nDate: {now}\r\nSubject: Re: q\r\nMessage-ID: <a@shop.example>\r\n"
        "In-Reply-To: <q@c.example>\r\n\r\nso!\r\n"
    )
    with IMAPClient("127.0.0.1", dovecot.imap, ssl=False) as other:
        other.login(box.user, box.server_account.password)
        other.append("Sent", raw.encode())
    box.read()
    assert box.mailbox().sent_folder == "Sent"
    assert [(one.direction, one.kind) for one in box.messages()] == [("in", "person"), ("out", "elsewhere")]
    assert box.conversations() == 1
