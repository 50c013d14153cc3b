"""A throwaway PostgreSQL on a unix socket, from Debian's packages; started by root it runs as `postgres`."""

from __future__ import annotations

import itertools
import os
import pwd
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from tests.servers import NotHere

BINARIES = Path("/usr/lib/postgresql")  # never the one of PATH: it may come from elsewhere and lack its parts
_numbers = itertools.count(1)


class Postgres:
    """`create()` gives a fresh database, a copy of `template` when that is given."""

    def __init__(self) -> None:
        found = sorted(BINARIES.glob("*/bin/initdb"), key=lambda path: int(path.parent.parent.name.split(".")[0]))
        if not found:
            raise NotHere("PostgreSQL (Debian package postgresql)")
        self._bin = found[-1].parent
        self.dir = Path(tempfile.mkdtemp(prefix="pg-"))
        self._as: dict[str, Any] = {}  # the server refuses to run as root
        if os.geteuid() == 0:
            account = pwd.getpwnam("postgres")
            os.chown(self.dir, account.pw_uid, account.pw_gid)
            self._as = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
        self._run("initdb", "-D", "d", "-A", "trust", "-U", "postgres", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync")
        self.start()

    def create(self, *, template: str = "template1") -> str:
        """The name of a fresh database."""
        name = f"t{os.getpid()}_{next(_numbers)}"
        self._admin(sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(template)))
        return name

    def drop(self, name: str) -> None:
        self._admin(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))

    def url(self, name: str) -> str:
        return f"postgresql+psycopg://postgres@/{name}?host={self.dir}"

    def start(self) -> None:
        options = f"-k {self.dir} -c listen_addresses='' -c max_connections=300 -c fsync=off -c full_page_writes=off"
        self._run("pg_ctl", "-D", "d", "-w", "-l", "log", "-o", options, "start")

    def stop(self) -> None:
        """Cuts every connection, as a crash would; data stays for `start()`."""
        self._run("pg_ctl", "-D", "d", "-m", "immediate", "stop")

    def close(self) -> None:
        self.stop()
        shutil.rmtree(self.dir, ignore_errors=True)

    def _run(self, program: str, *arguments: str) -> None:
        done = subprocess.run(
            [str(self._bin / program), *arguments],
            **self._as,
            cwd=self.dir,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE if program == "initdb" else subprocess.DEVNULL,  # the server would keep a pipe open
            stderr=subprocess.STDOUT,
            timeout=120,
        )
        if done.returncode:
            log = self.dir / "log"
            told = (done.stdout or b"").decode() + (log.read_text() if log.exists() else "")
            raise RuntimeError(f"{program} failed: {told}")

    def _admin(self, statement: sql.Composable) -> None:
        with psycopg.connect(f"host={self.dir} user=postgres dbname=postgres", autocommit=True) as connection:
            connection.execute(statement)
