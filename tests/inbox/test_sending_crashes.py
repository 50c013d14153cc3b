"""The sender dies at every single step, one after the other: nothing is lost, nothing is doubled.

A child process sends three mails and ends itself at its n-th step, for n = 1, 2, 3, … until it gets through: before and
after every commit, before and after every word to the mail server.
"""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, event, select, update

from inbox import config, db, outbox, sending
from inbox.blobs import blobs
from inbox.models import Attempt, Mailbox, Outgoing
from inbox.wire import smtp
from tests.inbox.cast import NOW, a_mailbox
from tests.servers.smtp_sink import SmtpSink
from tests.servers.valkey import Valkey

MAILS = 3
DIED = 137
STEPS = ("push", "pull", "data", "go_ahead", "close")


def send_and_die(url: str, data_dir: str, redis_url: str, at: int) -> None:
    """Sends what is due; at step `at` the process ends as if it had been killed."""
    os.environ.update(DATABASE_URL=url, DATA_DIR=data_dir, REDIS_URL=redis_url)
    config.settings.cache_clear()
    db.engine.cache_clear()
    count = 0

    def step() -> None:
        nonlocal count
        count += 1
        if count == at:
            os._exit(DIED)

    def dying(method: Callable[..., Any]) -> Callable[..., Any]:
        def around(self: smtp.Connection, *arguments: Any) -> Any:
            step()
            result = method(self, *arguments)
            step()
            return result

        return around

    for name in STEPS:
        setattr(smtp.Connection, name, dying(getattr(smtp.Connection, name)))
    event.listen(db.engine(), "begin", lambda _connection: step())
    event.listen(db.engine(), "commit", lambda _connection: step())
    sending.send_due(patience=None)


def a_mail(mailbox_id: int, name: str) -> int:
    raw = f"Message-ID: <{name}@shop.example>\r\n\r\nhello {name}\r\n".encode()
    with db.transaction() as session:
        outgoing_id = outbox.put(
            session,
            kind="reply",
            dedupe_key=f"test:{name}",
            mailbox_id=mailbox_id,
            envelope_from="support@shop.example",
            recipients=["a@customer.example"],
            subject="x",
            mail_id=f"<{name}@shop.example>",
            key=f"{name:>32}",
            raw_sha256=blobs().put(raw),
            size=len(raw),
            due_at=NOW,
            now=NOW,
        )
    assert outgoing_id is not None
    return outgoing_id


@pytest.mark.slow
def test_a_sender_may_die_at_any_step(engine: Engine, database_url: str, smtp_sink: SmtpSink, valkey: Valkey) -> None:
    sending._stopping.clear()
    spawn = multiprocessing.get_context("spawn")
    with db.transaction() as session:
        mailbox = a_mailbox(session)
        mailbox.smtp_host, mailbox.smtp_port, mailbox.smtp_security, mailbox.smtp_user = (
            "127.0.0.1",
            smtp_sink.port,
            "plain",
            "",
        )
        mailbox_id = mailbox.id
    uncertain_at: list[int] = []
    at = 0
    while True:
        at += 1
        smtp_sink.reset()
        ids = [a_mail(mailbox_id, f"{at}-{n}") for n in range(MAILS)]
        data = str(config.settings().data)
        child = spawn.Process(target=send_and_die, args=(database_url, data, valkey.url, at))
        child.start()
        child.join(60)
        assert child.exitcode in (0, DIED)
        after_the_crash()
        with db.reading() as session:
            rows = session.scalars(select(Outgoing).where(Outgoing.id.in_(ids))).all()
            noted = set(session.scalars(select(Attempt.outgoing_id).where(Attempt.data_started_at.is_not(None))))
        delivered = [d.raw for d in smtp_sink.deliveries]
        assert len(delivered) == len(set(delivered)), f"step {at}: doubled"
        for row in rows:
            assert row.state in ("sent", "uncertain"), f"step {at}: {row.state}"
            if row.state == "sent":
                assert blobs().get(row.raw_sha256) in delivered, f"step {at}: lost"
            else:
                uncertain_at.append(at)
                assert row.id in noted, f"step {at}: uncertain without a note that DATA begins"
        uncertain = {row.id for row in rows if row.state == "uncertain"}
        assert len(uncertain) <= 1, f"step {at}: one connection, one mail inside DATA"
        if child.exitcode == 0:
            break
    assert at > 20
    assert uncertain_at, "dying inside DATA is among the steps"


def after_the_crash() -> None:
    """What the clock does a minute later, and then the next worker."""
    with db.transaction() as session:
        session.execute(update(Mailbox).values(smtp_next_try_at=None))
        outbox.lapse(session, now=datetime.now(UTC) + outbox.LEASE + timedelta(seconds=1))
    sending.send_due(patience=None)
