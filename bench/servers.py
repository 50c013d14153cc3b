"""The throwaway servers of a run, and child processes that measure one thing in a fresh data folder."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.servers import answers, free_port, wait_until

SMTP_SINK = "/usr/sbin/smtp-sink"


@contextmanager
def smtp_sink() -> Iterator[tuple[int, str]]:
    """A fast SMTP server that throws mail away; (port, what it is)."""
    port = free_port()
    if Path(SMTP_SINK).exists():
        user = ["-u", "nobody"] if os.geteuid() == 0 else []
        command = [SMTP_SINK, *user, f"127.0.0.1:{port}", "200"]
        what = "smtp-sink of Postfix"
    else:
        command = [sys.executable, "-m", "aiosmtpd", "-n", "-l", f"127.0.0.1:{port}", "-c", "aiosmtpd.handlers.Sink"]
        what = "aiosmtpd"
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_until(lambda: answers(port, b"220"), what="the SMTP sink greets")
        yield port, what
    finally:
        process.terminate()
        process.wait(5)


@contextmanager
def data_folder(database_url: str = "", **settings: str) -> Iterator[dict[str, str]]:
    """An environment with an empty data folder, for child processes."""
    folder = tempfile.mkdtemp(prefix="madoguchi-bench-")
    environment = {
        **{name: value for name, value in os.environ.items() if name not in ("DATABASE_URL", "REDIS_URL", "BLOB_URL")},
        "DATA_DIR": folder,
        "DATABASE_URL": database_url,
        "SECRET_KEY": "only for measuring, 0123456789abcdef",
        "LOG_LEVEL": "error",
        **settings,
    }
    try:
        yield environment
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def child(environment: dict[str, str], *arguments: str, seconds: float = 900) -> Any:
    """What `python arguments…` prints as its last line, read as JSON."""
    done = subprocess.run(
        [sys.executable, *arguments],
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=seconds,
    )
    if done.returncode:
        raise RuntimeError(f"{' '.join(arguments)} failed:\n{done.stderr[-3000:]}")
    return json.loads(done.stdout.splitlines()[-1])
