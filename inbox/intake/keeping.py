"""The ledger's first entry: a mail that a server showed, its bytes in the store, and the folder's cursor, in one
commit."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from inbox.db import insert_into
from inbox.mail.headers import decode_words, one_line, to_text
from inbox.models import Folder, RawMail

GLIMPSE_BYTES = 64 * 1024
GLIMPSE_CHARACTERS = 500  # of one header
GLIMPSED = ("from", "to", "cc", "subject", "date", "message-id", "reply-to", "content-type")


@dataclass(frozen=True, slots=True)
class Arrival:
    """A mail of the open folder: its bytes' hash, or "" and the `cause` why there are none (see wire.imap.Fetched)."""

    uid: int
    arrived: datetime | None
    size: int
    sha256: str
    cause: str = ""
    detail: str = ""
    head: bytes = b""
    silent: bool = False  # first import or back-fill: no notices, no deadlines


@dataclass(frozen=True, slots=True)
class Kept:
    """A ledger row that waits to be filed."""

    raw_id: int
    sha256: str


def keep(
    session: Session,
    folder_id: int,
    uidvalidity: int,
    arrivals: Sequence[Arrival],
    *,
    now: datetime,
    cursor: int | None,
    imported: bool = False,
) -> list[Kept]:
    """Writes ledger rows for mails that are not in the ledger yet, and those that now have bytes; which of them wait.

    `cursor` moves the folder's last UID up, None leaves it. The bytes must be in the store already.
    """
    rows = [_row(folder_id, uidvalidity, one, now=now) for one in arrivals]
    if rows:
        fresh = insert_into(session, RawMail)
        better = {
            name: fresh.excluded[name] for name in ("sha256", "size", "internal_date", "state", "cause", "detail")
        }
        session.execute(
            fresh.on_conflict_do_update(
                index_elements=["folder_id", "uidvalidity", "uid"],
                set_=better,
                where=RawMail.sha256 == "",
            ),
            rows,
        )
    values: dict[str, object] = {"import_done": Folder.import_done + len(arrivals)} if imported else {}
    if cursor is not None:
        values["last_uid"] = cursor
    if values:
        session.execute(
            update(Folder)
            .where(Folder.id == folder_id, Folder.uidvalidity == uidvalidity)
            .values(values)
            .execution_options(synchronize_session=False)
        )
    return _waiting(session, folder_id, uidvalidity, [one.uid for one in arrivals if one.sha256])


def glimpse(head: bytes) -> dict[str, str]:
    """The telling headers of a mail that nobody understood, by lower-cased name: bounded, and never wrong enough to
    raise."""
    found: dict[str, str] = {}
    block = head[:GLIMPSE_BYTES].replace(b"\r\n", b"\n").split(b"\n\n", 1)[0]
    for line in re.sub(rb"\n[ \t]+", b" ", block).split(b"\n"):
        name, colon, value = line.partition(b":")
        key = name.strip().lower().decode("ascii", "replace")
        if colon and key in GLIMPSED and key not in found:
            found[key] = _shown(value[: 4 * GLIMPSE_CHARACTERS].strip())
    return found


def _shown(value: bytes) -> str:
    return one_line(decode_words(to_text(value))).replace("\0", "\ufffd")[:GLIMPSE_CHARACTERS]


def _row(folder_id: int, uidvalidity: int, one: Arrival, *, now: datetime) -> dict[str, object]:
    state = "pending" if one.sha256 else "vanished" if one.cause == "vanished" else "quarantined"
    headers = glimpse(one.head) if one.head else {}
    return {
        "folder_id": folder_id,
        "uidvalidity": uidvalidity,
        "uid": one.uid,
        "sha256": one.sha256,
        "size": one.size,
        "internal_date": one.arrived,
        "fetched_at": now,
        "silent": one.silent,
        "state": state,
        "cause": one.cause,
        "detail": one.detail.replace("\0", "\ufffd")[:1_000],
        "subject": headers.get("subject", ""),
        "sender": headers.get("from", ""),
        "headers": headers,
        "tries": 0,
    }


def _waiting(session: Session, folder_id: int, uidvalidity: int, uids: list[int]) -> list[Kept]:
    if not uids:
        return []
    rows = session.execute(
        select(RawMail.id, RawMail.sha256)
        .where(
            RawMail.folder_id == folder_id,
            RawMail.uidvalidity == uidvalidity,
            RawMail.uid.in_(uids),
            RawMail.state == "pending",
            RawMail.sha256 != "",
        )
        .order_by(RawMail.uid)
    )
    return [Kept(raw_id, sha256) for raw_id, sha256 in rows]
