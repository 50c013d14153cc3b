"""Stored bytes that nothing refers to any more: of removed mailboxes, drafts that were given up, interrupted work.

Bytes are stored before their row is committed, and stored again they count as new: what is younger than KEPT is left
alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, exists, select
from sqlalchemy.orm import Session

from inbox import db
from inbox.blobs import blobs
from inbox.models import Draft, DraftFile, Message, Outgoing, RawMail

KEPT = timedelta(days=1)
DRAFT_FILES_KEPT = timedelta(days=30)  # of a discarded draft, so that it can be brought back; of a sent one
AT_ONCE = 500

_REFERS = (Message.raw_sha256, RawMail.sha256, Outgoing.raw_sha256, DraftFile.sha256)  # those with an index first


@dataclass(frozen=True)
class Cleared:
    files: int
    bytes: int


def forget_draft_files(session: Session, *, now: datetime) -> int:
    """Lets go of the files of drafts that were discarded or have left long ago; how many."""
    pending = exists().where(
        Outgoing.draft_id == Draft.id, Outgoing.state.in_(("queued", "held", "sending", "failed", "uncertain"))
    )
    ended = Draft.state.in_(("sent", "discarded"))  # one that waits for approval or its time keeps them, however long
    old = select(Draft.id).where(ended, Draft.updated_at < now - DRAFT_FILES_KEPT, ~pending)
    gone = delete(DraftFile).where(DraftFile.draft_id.in_(old)).execution_options(synchronize_session=False)
    return session.execute(gone).rowcount


def clear(*, now: datetime) -> Cleared:
    """Deletes them; takes a while, in transactions of its own."""
    long_ago = (now - KEPT).timestamp()
    files = size = 0
    for old in blobs().older_than(long_ago):
        for start in range(0, len(old), AT_ONCE):
            for sha256 in _unused(old[start : start + AT_ONCE]):
                freed = blobs().delete_older_than(sha256, long_ago)
                files, size = files + bool(freed), size + freed
    return Cleared(files, size)


def _unused(hashes: list[str]) -> list[str]:
    left = set(hashes)
    with db.reading() as session:
        for column in _REFERS:
            if left:
                left -= set(session.scalars(select(column).where(column.in_(left))))
    return sorted(left)
