"""Logs are JSON lines, ours and the libraries' alike."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def lines(code: str, level: str) -> list[dict[str, object]]:
    begin = f"import logging, structlog\nfrom inbox import logs\nlogs.configure({level!r})\n"
    program = f"{begin}log = structlog.get_logger()\n{code}"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True, timeout=30
    )
    assert done.stdout == ""
    return [json.loads(line) for line in done.stderr.splitlines()]


def test_each_line_is_one_object_with_time_level_and_event() -> None:
    (line,) = lines("log.info('mail_filed', subject='請求書\\n再発行')", "info")
    assert line["event"] == "mail_filed"
    assert line["level"] == "info"
    assert line["subject"] == "請求書\n再発行"
    assert str(line["timestamp"]).endswith("Z")


def test_a_librarys_words_look_the_same() -> None:
    (line,) = lines("logging.getLogger('gunicorn.error').warning('worker %d timed out', 7)", "info")
    assert (line["event"], line["logger"], line["level"]) == ("worker 7 timed out", "gunicorn.error", "warning")


def test_an_exception_stays_on_its_line() -> None:
    (line,) = lines("try:\n    1 / 0\nexcept ZeroDivisionError:\n    log.exception('job_failed', job=3)", "info")
    assert "ZeroDivisionError" in str(line["exception"])


def test_the_level_is_kept() -> None:
    assert lines("log.info('a'); log.error('b'); logging.getLogger('x').info('c')", "error")[0]["event"] == "b"
