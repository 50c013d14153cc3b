"""`explain`: what is understood of mails, one JSON object a line."""

from __future__ import annotations

import base64
import binascii
import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click

from inbox.explain import explain_all, explain_stream, mails_in


@click.command("explain")
@click.argument("paths", nargs=-1, type=click.Path(exists=True, path_type=Path))
@click.option("--bytes", "with_data", is_flag=True, help="Add the bytes of attachments as base64.")
@click.option("--stream", is_flag=True, help="Read one base64 mail a line from standard input, answer each at once.")
def command(paths: tuple[Path, ...], *, with_data: bool, stream: bool) -> None:
    """Say what is understood of the mails in PATHS: .eml files, mboxes, Maildirs or folders of them.

    Exit code: 0 all mails were read (those for the quarantine say so), 1 a file could not be read, 2 wrong usage.
    """
    if stream:
        for answer in explain_stream(map(_mail_of, sys.stdin.buffer), with_data=with_data):
            _print(answer)
        return
    if not paths:
        raise click.UsageError("Give at least one path, or --stream.")
    mails, unreadable = _read(paths)
    for answer in explain_all(mails, with_data=with_data):
        _print(answer)
    if unreadable:
        sys.exit(1)


def _read(paths: Iterable[Path]) -> tuple[list[bytes], bool]:
    mails: list[bytes] = []
    unreadable = False
    for path in paths:
        try:
            mails += mails_in(path)
        except OSError as error:
            click.echo(f"{path}: {error.strerror}", err=True)
            unreadable = True
    return mails, unreadable


def _mail_of(line: bytes) -> bytes | None:
    """None for a line that is no base64."""
    try:
        return base64.b64decode(line, validate=False)
    except binascii.Error:
        return None


def _print(answer: dict[str, Any]) -> None:
    text = json.dumps(answer, ensure_ascii=False)
    sys.stdout.buffer.write(text.encode("utf-8", "replace") + b"\n")
    sys.stdout.buffer.flush()
