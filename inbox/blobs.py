"""Stored bytes by their SHA-256: raw mails, composed mails and uploads. Written once, never changed."""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import cache
from itertools import zip_longest
from pathlib import Path

from inbox.config import settings

ASIDE = ".old"  # of a file that is about to be deleted
WRITERS = 4  # files that are flushed to the disk at the same time: several cost little more than one


class MissingBlob(Exception):
    """The bytes of that hash are not in the store."""


class Blobs:
    """A folder of files named by the SHA-256 of their content, two levels deep."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def put(self, data: bytes) -> str:
        """Stores `data` and returns its hex SHA-256; on return the bytes and their name are on the disk."""
        return self.put_all([data])[0]

    def put_all(self, many: Sequence[bytes]) -> list[str]:
        """Stores several byte strings, as `put` does each; every writer takes its share of them at once."""
        if len(many) > 1:
            shares = _writers().map(self._put_some, [many[nth::WRITERS] for nth in range(WRITERS)])
            stored = [sha256 for in_turn in zip_longest(*shares) for sha256 in in_turn if sha256]
        else:
            stored = self._put_some(many)
        for folder in {self.folder, *(path.parent for path in map(self._path, stored))} if stored else ():
            _flush(folder)
        return stored

    def get(self, sha256: str) -> bytes:
        try:
            return self._path(sha256).read_bytes()
        except FileNotFoundError:
            raise MissingBlob(sha256) from None

    def has(self, sha256: str) -> bool:
        return self._path(sha256).exists()

    def delete(self, sha256: str) -> None:
        self._path(sha256).unlink(missing_ok=True)

    def older_than(self, moment: float) -> Iterator[list[str]]:
        """Hashes of the bytes that nobody stored since (seconds of the epoch), folder by folder.

        Files that were never finished and are as old as that are deleted on the way.
        """
        for folder in sorted(self.folder.glob("??")):
            found = []
            for path in sorted(folder.iterdir()):
                with suppress(FileNotFoundError):  # written to its end meanwhile
                    if path.stat().st_mtime >= moment:
                        continue
                    if len(path.name) == 62:
                        found.append(folder.name + path.name)
                    elif path.suffix == ASIDE:  # we died just then
                        path.rename(path.with_suffix(""))
                    else:
                        path.unlink()
            yield found

    def delete_older_than(self, sha256: str, moment: float) -> int:
        """Deletes bytes that nobody stored since; how many bytes, 0 when somebody did just now."""
        path = self._path(sha256)
        aside = path.with_name(path.name + ASIDE)
        try:
            path.rename(aside)  # from here on `put` writes them anew: what it touched before, we see
        except FileNotFoundError:
            return 0
        told = aside.stat()
        if told.st_mtime >= moment:
            aside.rename(path)
            return 0
        aside.unlink()
        return told.st_size

    def _path(self, sha256: str) -> Path:
        if len(sha256) != 64 or not sha256.isalnum():
            raise MissingBlob(sha256)
        return self.folder / sha256[:2] / sha256[2:]

    def _put_some(self, many: Sequence[bytes]) -> list[str]:
        return [self._put(data) for data in many]

    def _put(self, data: bytes) -> str:
        sha256 = hashlib.sha256(data).hexdigest()
        path = self._path(sha256)
        with suppress(FileNotFoundError):
            os.utime(path)  # asked for again: no leftover, whatever refers to it so far
            path.stat()  # still there: whoever sets it aside after this sees the new time
            return sha256
        temporary = f"{path}.{os.getpid()}.{secrets.token_hex(4)}"
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
        try:
            descriptor = os.open(temporary, flags, 0o600)
        except FileNotFoundError:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            descriptor = os.open(temporary, flags, 0o600)
        try:
            view = memoryview(data)
            while view:
                view = view[os.write(descriptor, view) :]
            os.fdatasync(descriptor)
        except OSError:
            os.close(descriptor)
            os.unlink(temporary)
            raise
        os.close(descriptor)
        os.rename(temporary, path)  # whole or not at all: a reader never sees half a mail
        return sha256


def _flush(folder: Path) -> None:
    """Brings the names in a folder to the disk: a file whose name a power cut forgets is lost (see fsync(2))."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@cache
def _writers() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(WRITERS, thread_name_prefix="blobs")


@cache
def blobs() -> Blobs:
    """This process's store."""
    return Blobs(settings().blob_dir)
