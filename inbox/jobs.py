"""What workers run when the doorbell rings. Each job finds its work in the database: running one twice, late or never
changes nothing but a few seconds, because the clock rings again for whatever is still due."""

from __future__ import annotations

from datetime import UTC, datetime

from inbox import sending, sent_copies, webhooks


def send() -> None:
    """Every mail that is due leaves, human replies first."""
    sending.send_due()


def copy_sent() -> None:
    """Sent mails get their copy in the Sent folder."""
    sent_copies.file_due()


def call_webhooks() -> None:
    """Webhooks that are due are called."""
    webhooks.call_due(now=datetime.now(UTC))
