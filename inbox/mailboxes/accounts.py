"""A mailbox as the one who reads it needs it: where to sign in, which folders, and whether its settings changed."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session, selectinload

from inbox.mailboxes.secrets import open_secret
from inbox.models import Folder, Mailbox
from inbox.wire.imap import Server

REFUSED = frozenset(
    {"login", "app_password", "oauth", "no_login", "secret"}
)  # problems that trying again does not mend
LOGIN_TRIES = 3  # refused passwords until reading stops, lest the provider locks the account; new settings start again


@dataclass(frozen=True)
class FolderToRead:
    """A folder that is read. `role`: inbox for customers' mail, sent for our own answers."""

    id: int
    name: str
    role: str


@dataclass(frozen=True)
class Account:
    """One mailbox's side of IMAP. `fingerprint` changes with every setting that a connection depends on."""

    mailbox_id: int
    address: str
    server: Server
    folders: tuple[FolderToRead, ...]
    own_addresses: frozenset[str]
    import_since: datetime | None
    sent_folder: str
    fingerprint: str


def active_ids(session: Session) -> dict[int, str]:
    """Fingerprints of the mailboxes that are to be read, by id."""
    found = session.scalars(select(Mailbox).options(selectinload(Mailbox.folders)).where(Mailbox.active))
    return {mailbox.id: _fingerprint(mailbox) for mailbox in found}


def account(session: Session, mailbox_id: int) -> Account | None:
    """The account of an active mailbox; None when it is gone or switched off. Raises WireProblem("secret")."""
    found = session.scalars(
        select(Mailbox).options(selectinload(Mailbox.folders)).where(Mailbox.id == mailbox_id, Mailbox.active)
    ).one_or_none()
    if found is None:
        return None
    return Account(
        mailbox_id=found.id,
        address=found.address,
        server=Server(
            host=found.imap_host,
            port=found.imap_port,
            security=found.imap_security,
            user=found.imap_user,
            secret=open_secret(found.imap_secret),
        ),
        folders=tuple(FolderToRead(one.id, one.name, one.role) for one in _read(found)),
        own_addresses=frozenset({found.address.lower(), *(one.address for one in found.addresses)}),
        import_since=found.import_since,
        sent_folder=found.sent_folder,
        fingerprint=_fingerprint(found),
    )


def _read(mailbox: Mailbox) -> list[Folder]:
    """INBOX first: it is what IDLE watches."""
    wanted = [one for one in mailbox.folders if one.read]
    return sorted(wanted, key=lambda one: (one.role == "sent", one.name.upper() != "INBOX", one.id))


def _fingerprint(mailbox: Mailbox) -> str:
    told = (
        mailbox.imap_host,
        mailbox.imap_port,
        mailbox.imap_security,
        mailbox.imap_user,
        mailbox.imap_secret,
        mailbox.address,
        mailbox.import_since,
        sorted(one.address for one in mailbox.addresses),
        [(one.id, one.name, one.role) for one in _read(mailbox)],
    )
    return hashlib.sha256(repr(told).encode()).hexdigest()[:16]
