"""The copy in the Sent folder of a real IMAP server: exactly one, whatever happens."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from imapclient import IMAPClient
from sqlalchemy import Engine, update
from sqlalchemy.orm import Session

from inbox import db, outbox, sent_copies
from inbox.blobs import blobs
from inbox.mailboxes.secrets import seal
from inbox.models import Mailbox, Outgoing
from inbox.wire import imap
from inbox.wire.problems import Problem, WireProblem
from tests.inbox.cast import NOW, a_mailbox
from tests.servers import free_port
from tests.servers.dovecot import Account, Dovecot

RAW = b"Message-ID: <%d@shop.example>\r\nFrom: support@shop.example\r\nTo: a@customer.example\r\n\r\nhello\r\n"


@pytest.fixture
def mailbox_id(engine: Engine, dovecot: Dovecot, account: Account) -> int:
    with db.transaction() as session:
        mailbox = a_mailbox(session)
        mailbox.imap_host, mailbox.imap_port, mailbox.imap_security = "127.0.0.1", dovecot.imap, "plain"
        mailbox.imap_user, mailbox.imap_secret, mailbox.sent_folder = account.user, seal(account.password), "Sent"
        return mailbox.id


@pytest.fixture
def sent_folder(dovecot: Dovecot, account: Account) -> Iterator[IMAPClient]:
    context = ssl.create_default_context(cafile=str(dovecot.cafile))
    with IMAPClient("127.0.0.1", port=dovecot.imaps, ssl_context=context, timeout=10) as client:
        client.login(account.user, account.password)
        yield client


def bytes_in(client: IMAPClient) -> list[bytes]:
    client.select_folder("Sent", readonly=True)
    return (
        [one[b"BODY[]"] for one in client.fetch(client.search(), ["BODY.PEEK[]"]).values()] if client.search() else []
    )


def sent(mailbox_id: int, number: int, *, copy: str = "due") -> int:
    """A mail that was handed over; its copy is due."""
    raw = RAW % number
    with db.transaction() as session:
        outgoing_id = outbox.put(
            session,
            kind="reply",
            dedupe_key=f"test:{number}",
            mailbox_id=mailbox_id,
            envelope_from="support@shop.example",
            recipients=["a@customer.example"],
            subject="x",
            mail_id=f"<{number}@shop.example>",
            key=f"{number:032}",
            raw_sha256=blobs().put(raw),
            size=len(raw),
            due_at=NOW,
            now=NOW,
        )
        assert outgoing_id is not None
        outgoing = session.get_one(Outgoing, outgoing_id)
        outgoing.state, outgoing.sent_at, outgoing.sent_copy, outgoing.sent_copy_due_at = "sent", NOW, copy, NOW
        return outgoing_id


def row(session_or_id: int) -> Outgoing:
    with db.reading() as session:
        return session.get_one(Outgoing, session_or_id)


def test_a_copy_is_filed_byte_for_byte_and_once(mailbox_id: int, sent_folder: IMAPClient) -> None:
    ids = [sent(mailbox_id, n) for n in range(3)]
    assert sent_copies.file_due() == 3
    assert sent_copies.file_due() == 0
    assert sorted(bytes_in(sent_folder)) == sorted(RAW % n for n in range(3))
    assert {row(one).sent_copy for one in ids} == {"done"}


def test_a_copy_that_stands_there_already_is_not_filed_again(mailbox_id: int, sent_folder: IMAPClient) -> None:
    sent_folder.append("Sent", RAW % 7)
    outgoing_id = sent(mailbox_id, 7)
    assert sent_copies.file_due() == 1
    assert (bytes_in(sent_folder), row(outgoing_id).sent_copy) == ([RAW % 7], "done")


def test_a_process_that_dies_after_appending_leaves_one_copy(
    mailbox_id: int, sent_folder: IMAPClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    outgoing_id = sent(mailbox_id, 1)

    def die(*_about: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(sent_copies, "settle", die)
        with pytest.raises(KeyboardInterrupt):
            sent_copies.file_due()
    assert (row(outgoing_id).sent_copy, sent_copies.file_due()) == ("due", 0)
    with db.transaction() as session:
        session.execute(update(Outgoing).values(sent_copy_due_at=NOW))
    assert sent_copies.file_due() == 1
    assert bytes_in(sent_folder) == [RAW % 1]


def test_a_server_that_files_its_own_gets_none_from_us(session: Session, engine: Engine) -> None:
    mailbox = a_mailbox(session)
    mailbox.sent_folder = "Sent"
    assert outbox.sent_copy_of(mailbox) == "due"
    mailbox.server_files_sent = True
    assert outbox.sent_copy_of(mailbox) == "server"
    mailbox.server_files_sent, mailbox.sent_folder = False, ""
    assert outbox.sent_copy_of(mailbox) == "none"


def test_a_failure_is_tried_again_later_and_never_touches_the_sent_state(mailbox_id: int) -> None:
    outgoing_id = sent(mailbox_id, 1)
    with db.transaction() as session:
        session.execute(update(Mailbox).values(imap_port=free_port()))
    for tries in range(1, sent_copies.MOST_TRIES + 1):
        before = datetime.now(UTC)
        assert sent_copies.file_due() == 0
        stands = row(outgoing_id)
        assert (stands.state, stands.sent_copy_tries) == ("sent", tries)
        if tries < sent_copies.MOST_TRIES:
            assert stands.sent_copy_due_at >= before + timedelta(minutes=1)
            with db.transaction() as session:
                session.execute(update(Outgoing).values(sent_copy_due_at=NOW))
    assert row(outgoing_id).sent_copy == "failed"


def test_a_folder_that_is_gone_puts_it_off(mailbox_id: int) -> None:
    outgoing_id = sent(mailbox_id, 1)
    with db.transaction() as session:
        session.execute(update(Mailbox).values(sent_folder="Nowhere"))
    assert sent_copies.file_due() == 0
    assert (row(outgoing_id).state, row(outgoing_id).sent_copy) == ("sent", "due")


def test_copies_before_the_server_said_no_are_kept(
    mailbox_id: int, sent_folder: IMAPClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = sent(mailbox_id, 1), sent(mailbox_id, 2)
    append = imap.Connection.append

    def only_one(self: imap.Connection, folder: str, raw: bytes, *, at: datetime) -> None:
        if raw == RAW % 2:
            raise WireProblem(Problem("limit", "quota exceeded"))
        append(self, folder, raw, at=at)

    monkeypatch.setattr(imap.Connection, "append", only_one)
    assert sent_copies.file_due() == 1
    assert (row(first).sent_copy, row(second).sent_copy) == ("done", "due")
    assert bytes_in(sent_folder) == [RAW % 1]
