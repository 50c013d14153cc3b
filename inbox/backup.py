"""Backup of a running installation into a folder, and its restore into an empty one, which starts with sending paused.

The database is copied first, in one consistent view; stored bytes are never changed or deleted before their rows, so
whatever the copy of the database names is in the byte store afterwards. The key that encrypts mailbox passwords is left
out unless asked for: with it, the backup is as secret as the passwords themselves.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sqlite3
import subprocess
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import URL, create_engine, inspect, make_url, select
from sqlalchemy.orm import Session

from inbox import db, outbox
from inbox.config import Settings
from inbox.errors import UserError
from inbox.models import Outgoing, Setting

FORMAT = 1
MANIFEST = "manifest.json"
DATABASE = {"sqlite": "madoguchi.db", "postgresql": "madoguchi.pgdump"}
KEY = "secret.key"
PROOF = b"madoguchi backup key proof"


class BackupFailed(UserError):
    """Why a backup or a restore could not be done, as one sentence."""


@dataclass(frozen=True)
class Made:
    """What a backup or restore holds."""

    database: str  # sqlite or postgresql
    blobs: int
    bytes: int
    with_key: bool


@dataclass(frozen=True)
class Restored:
    """What was restored. `key_fits`: whether the key of this installation opens the mailbox passwords."""

    blobs: int
    key_fits: bool
    uncertain: int  # mails that were on their way when the backup was made


def backup(settings: Settings, folder: Path, *, with_key: bool = False, now: datetime) -> Made:
    """Copies database and stored bytes into `folder`, which must be empty or absent. Raises BackupFailed."""
    _must_be_empty(folder)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    url = make_url(_plain(settings.database))
    kind = url.get_backend_name()
    copy = folder / DATABASE[kind]
    if kind == "sqlite":
        _copy_sqlite(Path(str(url.database)), copy)
    else:
        _dump_postgres(url, copy)
    count, size = _copy_blobs(settings.blob_dir, folder / "blobs")
    if with_key:
        _write_key(settings, folder / KEY)
    manifest = {
        "format": FORMAT,
        "made_at": now.isoformat(),
        "database": kind,
        "database_sha256": _sha256(copy),
        "blobs": count,
        "blob_bytes": size,
        "key_proof": _proof(settings),
    }
    _write(folder / MANIFEST, json.dumps(manifest, indent=1).encode())
    return Made(database=kind, blobs=count, bytes=size + copy.stat().st_size, with_key=with_key)


def restore(settings: Settings, folder: Path) -> Restored:
    """Fills an empty installation from a backup; sending stays paused until a person resumes it. Raises BackupFailed.

    Mail that came in since is fetched again from the mail servers; mail that went out since is recognised in the Sent
    folder.
    """
    manifest = _manifest(folder)
    kind = str(manifest["database"])
    copy = folder / DATABASE[kind]
    if _sha256(copy) != manifest["database_sha256"]:
        raise BackupFailed("The backup is damaged: %(name)s is not what was written.", name=copy.name)
    _check_blobs(folder / "blobs")
    url = make_url(_plain(settings.database))
    if url.get_backend_name() != kind:
        raise BackupFailed(
            "The backup is of %(was)s, but DATABASE_URL names %(now)s.", was=kind, now=url.get_backend_name()
        )
    if kind == "sqlite":
        _restore_sqlite(copy, Path(str(url.database)))
    else:
        _restore_postgres(url, copy)
    count, _size = _copy_blobs(folder / "blobs", settings.blob_dir)
    if (folder / KEY).exists() and not settings.secret_key:
        _restore_key(settings, folder / KEY)
    db.migrate(settings.database)
    uncertain = _pause(settings)
    return Restored(blobs=count, key_fits=_proof(settings) == manifest["key_proof"], uncertain=uncertain)


# -- databases


def _copy_sqlite(source: Path, target: Path) -> None:
    if not source.exists():
        raise BackupFailed("There is no database at %(path)s yet.", path=source)
    reading = sqlite3.connect(f"file:{source}?mode=ro", uri=True, timeout=30)
    writing = sqlite3.connect(target)
    try:
        reading.execute("PRAGMA wal_autocheckpoint=0")
        reading.backup(writing)  # all pages in one step: one moment in time, while others go on writing
        writing.execute("PRAGMA journal_mode=DELETE")
        if writing.execute("PRAGMA integrity_check").fetchone() != ("ok",):
            raise BackupFailed("The copy of the database is damaged; is the disk healthy?")
    finally:
        reading.close()
        writing.close()


def _restore_sqlite(copy: Path, target: Path) -> None:
    if target.exists():
        engine = create_engine(f"sqlite:///{target}")
        tables = inspect(engine).get_table_names()
        engine.dispose()
        if tables:
            raise BackupFailed("%(path)s holds a database already; restore into an empty folder.", path=target)
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    for old in (target, target.with_name(target.name + "-wal"), target.with_name(target.name + "-shm")):
        old.unlink(missing_ok=True)
    shutil.copyfile(copy, target)
    target.chmod(0o600)


def _dump_postgres(url: URL, target: Path) -> None:
    _run(["pg_dump", "--format=custom", "--no-owner", "--no-privileges", f"--file={target}"], url)


def _restore_postgres(url: URL, copy: Path) -> None:
    engine = db.make_engine(str(url.render_as_string(hide_password=False)))
    tables = inspect(engine).get_table_names()
    engine.dispose()
    if tables:
        raise BackupFailed("The database %(name)s is not empty; restore into a new one.", name=url.database)
    _run(["pg_restore", "--exit-on-error", "--single-transaction", "--no-owner", "--no-privileges"], url, str(copy))


def _run(command: list[str], url: URL, *more: str) -> None:
    """A PostgreSQL tool on this database; its password goes through the environment, which no process list shows."""
    environment = dict(os.environ)
    if url.password is not None:
        environment["PGPASSWORD"] = str(url.password)
    plain = url.set(drivername="postgresql", password=None).render_as_string(hide_password=False)
    tool = _tool(command[0])
    done = subprocess.run(
        [tool, *command[1:], f"--dbname={plain}", *more], env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise BackupFailed("%(tool)s failed: %(why)s", tool=command[0], why=done.stderr.strip()[-500:])


def _tool(name: str) -> str:
    """The newest one that is installed: an older one refuses a newer server."""
    versions = sorted(
        Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda path: int(path.parts[-3].split(".")[0])
    )
    found = str(versions[-1]) if versions else shutil.which(name)
    if found is None:
        raise BackupFailed("%(name)s is not installed (Debian package postgresql-client).", name=name)
    return found


# -- bytes and key


def _copy_blobs(source: Path, target: Path) -> tuple[int, int]:
    """(files, bytes). On one disk they are hard links and cost no room: stored bytes never change."""
    count = size = 0
    target.mkdir(parents=True, exist_ok=True, mode=0o700)
    for folder in sorted(path for path in source.glob("??") if path.is_dir()):
        (target / folder.name).mkdir(exist_ok=True, mode=0o700)
        for path in sorted(folder.iterdir()):
            if len(path.name) != 62:
                continue  # a file that is just being written
            copy = target / folder.name / path.name
            try:
                if not copy.exists():
                    _link_or_copy(path, copy)
            except FileNotFoundError:
                continue  # a leftover that was deleted just now
            count += 1
            size += copy.stat().st_size
    return count, size


def _link_or_copy(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
        target.chmod(0o600)


def _check_blobs(folder: Path) -> None:
    """Every file is what its name says."""
    for path in sorted(folder.glob("??/*")):
        if _sha256(path) != path.parent.name + path.name:
            raise BackupFailed("The backup is damaged: %(name)s is not what was written.", name=path.name)


def _write_key(settings: Settings, target: Path) -> None:
    settings.secret("backup")  # makes the key file when there is none yet
    key = settings.secret_key.encode() if settings.secret_key else (settings.data / KEY).read_bytes()
    _write(target, key)


def _restore_key(settings: Settings, source: Path) -> None:
    target = settings.data / KEY
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    _write(target, source.read_bytes())


def _proof(settings: Settings) -> str:
    """Tells whether two installations have the same key, and nothing else about it."""
    return hashlib.blake2b(PROOF, key=settings.secret("backup proof"), digest_size=16).hexdigest()


# -- manifest


def _manifest(folder: Path) -> dict[str, Any]:
    try:
        manifest: dict[str, Any] = json.loads((folder / MANIFEST).read_bytes())
    except (OSError, ValueError):
        raise BackupFailed("%(folder)s holds no complete backup (no %(name)s).", folder=folder, name=MANIFEST) from None
    if manifest.get("format") != FORMAT or manifest.get("database") not in DATABASE:
        raise BackupFailed("This backup was made by another version of Madoguchi.")
    return manifest


def _pause(settings: Settings) -> int:
    """Nothing leaves before somebody has looked. How many mails were inside DATA and are uncertain now."""
    engine = db.make_engine(settings.database)
    try:
        with Session(engine, expire_on_commit=False) as session, session.begin():
            session.merge(Setting(key="sending_paused", value="restored"))
            sending = session.scalars(select(Outgoing).where(Outgoing.state == "sending")).all()
            latest = max((one.lease_until for one in sending if one.lease_until), default=None)
            if latest is not None:
                outbox.lapse(session, now=latest + timedelta(seconds=1), limit=len(sending))
            return sum(1 for one in sending if one.state == "uncertain")
    finally:
        engine.dispose()


def _must_be_empty(folder: Path) -> None:
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise BackupFailed("%(folder)s is not an empty folder.", folder=folder)


def _write(path: Path, data: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _sha256(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        raise BackupFailed("The backup is damaged: %(name)s is missing.", name=path.name) from None


def _plain(url: str) -> str:
    return url.replace("postgresql+psycopg://", "postgresql://", 1)
