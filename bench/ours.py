"""The same jobs done by Madoguchi itself: each runs in a process of its own and prints its figure as JSON."""

from __future__ import annotations

import json
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import func, select

from inbox import collector, db, fetching, mailboxes, outbox, sending
from inbox.blobs import blobs
from inbox.mail.threads import key
from inbox.models import Message, Outgoing
from inbox.wire import imap


def ingest(port: int, before: str, user: str, password: str) -> dict[str, float]:
    """Mails a second from IMAP until the last one stands in its conversation, ledger, bytes and search words
    included.

    `before` is a small account that is read first: a poller runs for weeks, its children and its statements are there.
    """
    db.migrate()
    collector.settle()  # as the poller does
    _read(port, before, password)
    taken, seconds = _read(port, user, password)
    with db.reading() as session:
        filed = session.scalar(select(func.count()).select_from(Message))
    return {"rate": taken / seconds, "taken": taken, "messages": filed or 0}


def _read(port: int, user: str, password: str) -> tuple[int, float]:
    """Connects a mailbox and reads it; how many mails in how many seconds."""
    with db.transaction() as session:
        form = _form(user, password, address=user, imap_port=port)
        mailbox_id = mailboxes.add(session, None, form, now=datetime.now(UTC))
        account = mailboxes.account(session, mailbox_id)
    assert account is not None
    with imap.connect(account.server) as connection:
        begin = time.perf_counter()
        taken = fetching.read(account, connection)
        return taken, time.perf_counter() - begin


def send(port: int, corpus: str) -> dict[str, float]:
    """Mails a second from the queue to the server, each with its attempt and its commit before DATA."""
    db.migrate()
    now = datetime.now(UTC)
    raws = [path.read_bytes() for path in sorted(Path(corpus).glob("*.eml"))]
    with db.transaction() as session:
        form = _form("support@shop.example", "unused", smtp_port=port)
        mailbox_id = mailboxes.add(session, None, form, now=now)
    with db.transaction() as session:
        for number, raw in enumerate(raws):
            outbox.put(
                session,
                kind="reply",
                dedupe_key=f"bench:{number}",
                mailbox_id=mailbox_id,
                envelope_from="support@shop.example",
                recipients=["customer@customer.example"],
                subject="bench",
                mail_id=f"<bench.{number}@shop.example>",
                key=key(f"<bench.{number}@shop.example>"),
                raw_sha256=blobs().put(raw),
                size=len(raw),
                due_at=now,
                now=now,
            )
    collector.settle()  # as the worker does
    begin = time.perf_counter()
    sending.send_due(patience=None)
    seconds = time.perf_counter() - begin
    with db.reading() as session:
        sent = session.scalar(select(func.count()).select_from(Outgoing).where(Outgoing.state == "sent"))
    return {"rate": len(raws) / seconds, "sent": sent or 0}


def connect(port: int, user: str, password: str) -> str:
    """Connects the mailbox for the processes to come; the cookie of a signed-in admin."""
    from bench.seed import cookie
    from inbox.models import User

    db.migrate()
    now = datetime.now(UTC)
    with db.transaction() as session:
        session.add(
            User(email="admin@shop.example", name="Admin", role="admin", created_at=now, password_hash="nobody")
        )
        mailboxes.add(session, None, _form(user, password, imap_port=port), now=now)
    return cookie()


def _form(
    user: str, password: str, *, address: str = "support@shop.example", imap_port: int = 143, smtp_port: int = 25
) -> mailboxes.MailboxForm:
    return mailboxes.MailboxForm(
        name="Support",
        address=address,
        imap_host="127.0.0.1",
        imap_port=imap_port,
        imap_security="plain",
        imap_user=user,
        imap_password=password,
        smtp_host="127.0.0.1",
        smtp_port=smtp_port,
        smtp_security="plain",
        server_files_sent=True,
    )


JOBS = {"ingest": ingest, "send": send, "connect": connect}

if __name__ == "__main__":
    job, port, *arguments = sys.argv[1:]
    print(json.dumps(JOBS[job](int(port), *arguments)))  # type: ignore[operator]
