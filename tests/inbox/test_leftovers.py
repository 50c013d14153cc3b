"""Bytes that nothing refers to are deleted, and none that anything refers to or soon will."""

from __future__ import annotations

import os
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, func, select, update

from inbox import blobs as blobs_module
from inbox import clock, db, drafts, leftovers, mailboxes
from inbox.blobs import blobs
from inbox.models import Draft, DraftFile, Folder, Mailbox, Message, RawMail
from tests.inbox.cast import NOW, a_conversation, a_mailbox, a_message, a_viewer

DAY = timedelta(days=1)


def stored(data: bytes, *, days: float = 2) -> str:
    """Bytes in the store, put there so many days ago."""
    sha256 = blobs().put(data)
    age(sha256, days=days)
    return sha256


def age(sha256: str, *, days: float) -> None:
    then = (datetime.now(UTC) - DAY * days).timestamp()
    os.utime(path_of(sha256), (then, then))


def path_of(sha256: str) -> Path:
    return blobs().folder / sha256[:2] / sha256[2:]


def clear() -> leftovers.Cleared:
    return leftovers.clear(now=datetime.now(UTC))


def test_what_nothing_refers_to_goes_after_a_day(engine: Engine) -> None:
    old, young = stored(b"old leftover"), stored(b"young", days=0.9)
    assert clear() == leftovers.Cleared(files=1, bytes=len(b"old leftover"))
    assert (blobs().has(old), blobs().has(young)) == (False, True)


def test_what_a_row_refers_to_stays(engine: Engine) -> None:
    message, ledger, quarantined, file = (stored(name) for name in (b"message", b"ledger", b"quarantined", b"file"))
    with db.transaction() as session:
        mailbox = a_mailbox(session)
        conversation = a_conversation(session, mailbox)
        a_message(session, conversation).raw_sha256 = message
        folder = Folder(mailbox_id=mailbox.id, name="INBOX")
        session.add(folder)
        session.flush()
        for uid, (sha256, state) in enumerate(((ledger, "known"), (quarantined, "quarantined"))):
            session.add(
                RawMail(folder_id=folder.id, uidvalidity=1, uid=uid, sha256=sha256, size=1, state=state, fetched_at=NOW)
            )
        aoi = a_viewer(session, "Aoi", mailbox)
        draft = drafts.start(session, aoi, "new", mailbox_id=mailbox.id, now=NOW)
        session.add(DraftFile(draft_id=draft.id, name="a", content_type="text/plain", size=4, sha256=file))
    assert clear().files == 0
    assert all(blobs().has(one) for one in (message, ledger, quarantined, file))


def test_bytes_that_are_stored_again_count_as_new(engine: Engine) -> None:
    again = stored(b"again")
    assert blobs().put(b"again") == again
    assert clear().files == 0
    assert blobs().has(again)


def test_bytes_that_are_stored_again_while_they_are_deleted_stay(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the question who refers to them and their end."""
    sha256 = stored(b"race")
    unused = leftovers._unused

    def meanwhile(hashes: list[str]) -> list[str]:
        found = unused(hashes)
        blobs().put(b"race")
        return found

    monkeypatch.setattr(leftovers, "_unused", meanwhile)
    assert clear().files == 0
    assert blobs().get(sha256) == b"race"


def test_a_thousand_races_lose_nothing(engine: Engine) -> None:
    """One stores what another deletes: after `put` the bytes are there, whoever was faster."""
    lost: list[int] = []
    barrier = threading.Barrier(2, timeout=30)

    def deleting() -> None:
        for n in range(1000):
            barrier.wait()
            blobs().delete_older_than(hashes[n], datetime.now(UTC).timestamp() - 3600)
            barrier.wait()

    hashes = [stored(b"%d" % n) for n in range(1000)]
    thread = threading.Thread(target=deleting)
    thread.start()
    for n in range(1000):
        barrier.wait()
        blobs().put(b"%d" % n)
        barrier.wait()
        lost += [n] if not blobs().has(hashes[n]) else []
    thread.join(30)
    assert lost == []


def test_files_that_were_never_finished_go_and_one_set_aside_comes_back(engine: Engine) -> None:
    sha256 = stored(b"whole", days=0)
    half = path_of(sha256).with_name("half.123.abcd")
    half.write_bytes(b"ha")
    aside = path_of(sha256).rename(f"{path_of(sha256)}{blobs_module.ASIDE}")
    then = (datetime.now(UTC) - DAY * 2).timestamp()
    for one in (half, aside):
        os.utime(one, (then, then))
    clear()
    assert not half.exists()
    assert blobs().get(sha256) == b"whole"
    young = half.with_name("half.124.abcd")
    young.write_bytes(b"ha")
    clear()
    assert young.exists()


def test_the_mail_of_a_removed_mailbox_goes(engine: Engine) -> None:
    sha256 = stored(b"raw mail")
    with db.transaction() as session:
        mailbox = a_mailbox(session)
        a_message(session, a_conversation(session, mailbox)).raw_sha256 = sha256
        mailbox.active = False
        mailbox_id = mailbox.id
        admin = a_viewer(session, "Rin", role="admin")
    assert clear().files == 0
    with db.transaction() as session:
        mailboxes.remove(session, admin, mailbox_id, now=NOW)
    assert session_count(Message) == session_count(Mailbox) == 0
    assert clear().files == 1
    assert not blobs().has(sha256)


def test_files_of_drafts_go_a_month_after_they_were_discarded(engine: Engine) -> None:
    now = datetime.now(UTC)
    with db.transaction() as session:
        mailbox = a_mailbox(session)
        aoi = a_viewer(session, "Aoi", mailbox)
        for name, state, days in (
            ("open", "open", 90),
            ("scheduled", "later", 90),
            ("asked", "asked", 90),
            ("late", "discarded", 29),
            ("gone", "discarded", 31),
        ):
            draft = drafts.start(session, aoi, "new", mailbox_id=mailbox.id, now=NOW)
            row = session.get_one(Draft, draft.id)
            row.files.append(DraftFile(name=name, content_type="text/plain", size=1, sha256=stored(name.encode())))
            session.flush()
            session.execute(update(Draft).where(Draft.id == row.id).values(state=state, updated_at=now - DAY * days))
        assert leftovers.forget_draft_files(session, now=now) == 1
    with db.reading() as session:
        assert set(session.scalars(select(DraftFile.name))) == {"open", "scheduled", "asked", "late"}
    assert clear().files == 1


def test_the_clock_clears_once_a_night(engine: Engine) -> None:
    night = datetime.now(UTC).replace(hour=clock.NIGHT_HOUR, minute=0) + DAY
    clock._clear_leftovers_nightly(night - DAY)
    sha256 = stored(b"leftover")
    clock._clear_leftovers_nightly(night - timedelta(minutes=1))
    assert blobs().has(sha256)
    clock._clear_leftovers_nightly(night)
    assert not blobs().has(sha256)
    sha256 = stored(b"another")
    clock._clear_leftovers_nightly(night + timedelta(minutes=20))
    assert blobs().has(sha256)


def test_a_machine_that_was_off_at_night_clears_when_it_is_next_on(engine: Engine) -> None:
    night = datetime.now(UTC).replace(hour=clock.NIGHT_HOUR, minute=0)
    clock._clear_leftovers_nightly(night)
    sha256 = stored(b"leftover")
    clock._clear_leftovers_nightly(night + 2 * DAY - timedelta(hours=9))
    assert not blobs().has(sha256)


def session_count(model: type) -> int:
    with db.reading() as session:
        return session.scalar(select(func.count()).select_from(model))
