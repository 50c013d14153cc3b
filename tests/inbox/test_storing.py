"""Bytes of mails that come by the hundred are stored by a process of its own: all, or an error that says why."""

from __future__ import annotations

import errno
import hashlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from inbox import config
from inbox.blobs import blobs
from inbox.storing import Storing
from tests.servers import wait_until

MANY = [b"mail %d\r\n" % n * 3_000 for n in range(150)]


@pytest.fixture
def storing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Storing]:
    monkeypatch.setenv("DATA_DIR", str(tmp_path))
    config.settings.cache_clear()
    blobs.cache_clear()
    made = Storing()
    yield made
    made.close()
    config.settings.cache_clear()
    blobs.cache_clear()


def the_process(elder: set[int]) -> psutil.Process:
    (found,) = (one for one in psutil.Process().children() if one.pid not in elder)
    return found


def test_all_are_stored_and_named_in_order(storing: Storing) -> None:
    assert storing.put_all([]) == []
    hashes = storing.put_all(MANY)
    assert hashes == [hashlib.sha256(one).hexdigest() for one in MANY]
    assert [blobs().get(one) for one in hashes] == MANY
    assert storing.put_all(MANY[:3]) == hashes[:3]


def test_a_process_that_is_killed_is_replaced_and_costs_no_mail(storing: Storing) -> None:
    elder = {one.pid for one in psutil.Process().children()}
    storing.put_all(MANY[:1])
    os.kill(the_process(elder).pid, signal.SIGKILL)
    assert [blobs().get(one) for one in storing.put_all(MANY)] == MANY


def test_what_the_disk_says_is_told(storing: Storing, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setenv("BLOB_URL", f"file://{tmp_path / 'file'}")
    config.settings.cache_clear()
    blobs.cache_clear()
    with pytest.raises(NotADirectoryError) as told:
        storing.put_all(MANY)
    assert told.value.errno == errno.ENOTDIR
    monkeypatch.delenv("BLOB_URL")
    config.settings.cache_clear()
    blobs.cache_clear()
    assert len(storing.put_all(MANY)) == len(MANY)  # the process goes on


def test_one_that_cannot_stay_alive_is_told(storing: Storing, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("inbox.storing.ChildProcess", _Dead)
    with pytest.raises(OSError, match="the storing process ended"):
        storing.put_all(MANY)


def test_it_ends_with_its_parent(storing: Storing) -> None:
    elder = {one.pid for one in psutil.Process().children()}
    storing.put_all(MANY[:1])
    child = the_process(elder)
    storing.close()
    wait_until(lambda: not child.is_running(), what="the process ends")
    assert storing.put_all(MANY[:1])  # asked again, it starts again


class _Dead:
    """Starts and dies."""

    def __init__(self, _module: str) -> None: ...

    def send(self, *_payloads: bytes) -> None:
        raise BrokenPipeError

    def end(self) -> None: ...
