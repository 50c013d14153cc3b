"""Structured logs: one JSON object a line on standard error, words at a terminal. Libraries' logs look the same."""

from __future__ import annotations

import logging
import sys
from contextlib import suppress
from typing import IO, Any, cast

import structlog

CHATTY = ("alembic", "rq", "urllib3", "PIL", "mail.log")  # libraries that are heard from warnings on


def configure(level: str, *, to: IO[str] | None = None) -> None:
    """Sets up this process's logs. `level` is debug, info, warning or error; `to` is standard error unless given."""
    stream = to or sys.stderr
    number = logging.getLevelNamesMapping()[level.upper()]
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    shown: list[Any] = (  # tracebacks without local values: those hold passwords and mail
        [structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)]
        if stream.isatty()
        else [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(ensure_ascii=False)]
    )
    structlog.configure(
        processors=[*shared, *shown],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.WriteLoggerFactory(file=cast(IO[str], _Lenient(stream))),
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.add_logger_name],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *shown],
        )
    )
    logging.basicConfig(level=number, handlers=[handler], force=True)
    for name in CHATTY:
        logging.getLogger(name).setLevel(max(number, logging.WARNING))


class _Lenient:
    """A full disk or a closed pipe must not end a process because it had something to say about it."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream

    def write(self, text: str) -> None:
        with suppress(OSError):
            self._stream.write(text)

    def flush(self) -> None:
        with suppress(OSError):
            self._stream.flush()
