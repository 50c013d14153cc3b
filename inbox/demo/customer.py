"""The customer's side of the demo: writes to the team without an account, and reads what came back."""

from __future__ import annotations

import email.message
import email.policy
import email.utils
import json
import re
import smtplib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

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


@dataclass(frozen=True)
class Written:
    """A mail that was written here as a customer; `files` are names."""

    message_id: str
    address: str
    name: str
    subject: str
    text: str
    at: str  # ISO, UTC
    in_reply_to: str
    files: tuple[str, ...]


@dataclass(frozen=True)
class File:
    """Something attached."""

    name: str
    content_type: str
    data: bytes


def send(
    from_address: str, subject: str, text: str, *, name: str = "", in_reply_to: str = "", files: Sequence[File] = ()
) -> str:
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
    for file in files:
        maintype, subtype = _type(file.content_type)
        mail.add_attachment(file.data, maintype=maintype, subtype=subtype, filename=_one_line(file.name))
    try:
        with smtplib.SMTP(settings.smtp_host, settings.smtp_port, timeout=TIMEOUT) as smtp:
            smtp.sendmail(address, [settings.user], mail.as_bytes())
    except (OSError, smtplib.SMTPException) as error:
        raise _dead(error) from error
    at = datetime.now(UTC).isoformat(timespec="seconds")
    names = tuple(_one_line(file.name) for file in files)
    _note(Written(message_id, address, _one_line(name), _one_line(subject), text, at, _one_line(in_reply_to), names))
    return message_id


def written(address: str) -> list[Written]:
    """What was written here as this customer, newest first. Raises UserError for an address that cannot be one."""
    customer = _customer(address)
    try:
        lines = _notes().read_text("utf-8").splitlines()
    except FileNotFoundError:
        return []
    noted = [json.loads(line) for line in lines]
    found = [Written(**one | {"files": tuple(one["files"])}) for one in noted if one["address"] == customer]
    return found[::-1][:MOST_SHOWN]


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


def _type(content_type: str) -> tuple[str, str]:
    known = re.fullmatch(r"(application|audio|font|image|text|video)/([\w.+-]{1,80})", content_type)
    return (known[1], known[2]) if known else ("application", "octet-stream")


def _notes() -> Path:
    return demo.folder(config.settings().data) / "written.jsonl"


def _note(mail: Written) -> None:
    with _notes().open("a", encoding="utf-8") as notes:
        notes.write(json.dumps(asdict(mail), ensure_ascii=False) + "\n")


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _dead(error: Exception) -> Unavailable:
    return Unavailable(N_("The demo mail server does not answer (%(error)s). Is `make run` running?"), error=str(error))
