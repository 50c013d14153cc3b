"""The customer's side of the demo: writes to the team without an account, and reads what came back."""

from __future__ import annotations

import email.message
import email.policy
import email.utils
import re
import smtplib
from dataclasses import dataclass
from datetime import UTC, datetime

from imapclient import IMAPClient
from imapclient.exceptions import IMAPClientError, LoginError

from inbox import config, demo
from inbox.errors import N_, Unavailable, UserError

TIMEOUT = 10.0  # seconds
MOST_SHOWN = 50


@dataclass(frozen=True)
class Answer:
    """A mail in a customer's mailbox."""

    subject: str
    sender: str  # "Name <address>", as the customer sees it
    text: str
    date: datetime  # when it arrived, UTC
    message_id: str
    in_reply_to: str
    references: tuple[str, ...]
    raw: bytes


def send(from_address: str, subject: str, text: str, *, name: str = "", in_reply_to: str = "") -> str:
    """Writes a mail from a customer to the team; the Message-ID. `in_reply_to` answers a mail of `answers`.

    Raises UserError for an address that cannot be one, Unavailable when the demo server does not answer.
    """
    address = _customer(from_address)
    settings = demo.settings(config.settings().data)
    mail = email.message.EmailMessage(policy=email.policy.SMTPUTF8)
    mail["From"] = email.utils.formataddr((_one_line(name), address))
    mail["To"] = settings.user
    mail["Subject"] = _one_line(subject)
    mail["Date"] = email.utils.format_datetime(datetime.now(UTC))
    mail["Message-ID"] = message_id = email.utils.make_msgid(domain=address.rpartition("@")[2])
    if in_reply_to:
        mail["In-Reply-To"] = mail["References"] = _one_line(in_reply_to)
    mail.set_content(text)
    try:
        with smtplib.SMTP(settings.smtp_host, settings.smtp_port, timeout=TIMEOUT) as smtp:
            smtp.sendmail(address, [settings.user], mail.as_bytes())
    except (OSError, smtplib.SMTPException) as error:
        raise _dead(error) from error
    return message_id


def answers(address: str) -> list[Answer]:
    """What came back to the customer, newest first; [] when nothing did.

    Raises UserError for an address that cannot be one, Unavailable when the demo server does not answer.
    """
    user = _customer(address)
    settings = demo.settings(config.settings().data)
    try:
        with IMAPClient(settings.imap_host, port=settings.imap_port, ssl=False, timeout=TIMEOUT) as imap:
            try:
                imap.login(user, settings.customer_password)
            except LoginError:
                return []  # nobody wrote to this customer yet, so there is no mailbox
            imap.select_folder("INBOX", readonly=True)
            uids = sorted(imap.search(), reverse=True)[:MOST_SHOWN]
            found = imap.fetch(uids, ["BODY.PEEK[]", "INTERNALDATE"]) if uids else {}
    except (OSError, IMAPClientError) as error:
        raise _dead(error) from error
    return [_answer(found[uid][b"BODY[]"], found[uid][b"INTERNALDATE"]) for uid in uids]


def _answer(raw: bytes, arrived: datetime) -> Answer:
    mail = email.message_from_bytes(raw, policy=email.policy.default)
    body = mail.get_body(preferencelist=("plain", "html"))
    return Answer(
        subject=str(mail["Subject"] or ""),
        sender=str(mail["From"] or ""),
        text=body.get_content() if body is not None else "",
        date=arrived.astimezone(UTC),
        message_id=str(mail["Message-ID"] or "").strip(),
        in_reply_to=str(mail["In-Reply-To"] or "").strip(),
        references=tuple(str(mail["References"] or "").split()),
        raw=raw,
    )


def _customer(address: str) -> str:
    """The address of a customer, lower case. Carriers' dotted addresses (a..b@) are real and pass."""
    cleaned = address.strip().lower()
    if not re.fullmatch(r"[^\s@<>,;:\"/\\]+@[a-z0-9-]+(\.[a-z0-9-]+)+", cleaned):
        raise UserError(N_("This is not an e-mail address: %(address)s"), field="from_address", address=address)
    if cleaned.endswith("@" + demo.TEAM_DOMAIN):
        raise UserError(N_("Write as a customer: this address belongs to the team."), field="from_address")
    return cleaned


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _dead(error: Exception) -> Unavailable:
    return Unavailable(N_("The demo mail server does not answer (%(error)s). Is `make run` running?"), error=str(error))
