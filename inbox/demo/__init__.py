"""The demo mailbox: a mail server on loopback, a year of conversations, and the customer's side, to try all without an account.

Everything lives in DATA_DIR/demo-mail; `remove` takes it away and the running server ends by itself.
"""

from __future__ import annotations

import json
import secrets
import shutil
import socket
from dataclasses import asdict, dataclass
from pathlib import Path

TEAM_DOMAIN = "demo.example"
TEAM_USER = "support@demo.example"
ADDRESSES = (TEAM_USER, "billing@demo.example")  # both are delivered into the one mailbox
TEAM_NAME = "ひなた珈琲サプライ"
SENT_FOLDER = "Sent"
FIRST_PORT, LAST_PORT = 20_000, 29_999  # below the range from which the system hands out ports for outgoing connections


@dataclass(frozen=True)
class DemoSettings:
    """Where the demo mail server answers (loopback, no TLS) and how the team signs in."""

    imap_host: str
    imap_port: int
    smtp_host: str
    smtp_port: int
    user: str
    password: str
    addresses: tuple[str, ...]
    customer_password: str  # one for all customers' mailboxes


def settings(data_dir: Path) -> DemoSettings:
    """The demo's settings; chosen at the first call and kept, so that a restart answers on the same ports."""
    path = folder(data_dir) / "settings.json"
    try:
        kept = json.loads(path.read_text())
    except FileNotFoundError:
        return _choose(path)
    return DemoSettings(**kept | {"addresses": tuple(kept["addresses"])})


def folder(data_dir: Path) -> Path:
    return Path(data_dir) / "demo-mail"


def exists(data_dir: Path) -> bool:
    """Whether the demo was set up and not removed."""
    return (folder(data_dir) / "settings.json").exists()


def remove(data_dir: Path) -> None:
    """Deletes the demo server's settings and mail; a running server ends within seconds."""
    shutil.rmtree(folder(data_dir), ignore_errors=True)


def _choose(path: Path) -> DemoSettings:
    imap_port, smtp_port = _free_ports(2)
    chosen = DemoSettings(
        imap_host="127.0.0.1",
        imap_port=imap_port,
        smtp_host="127.0.0.1",
        smtp_port=smtp_port,
        user=TEAM_USER,
        password=secrets.token_urlsafe(12),
        addresses=ADDRESSES,
        customer_password=secrets.token_urlsafe(12),
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_suffix(".new")
    fresh.touch(mode=0o600)
    fresh.write_text(json.dumps(asdict(chosen), indent=1))
    fresh.replace(path)
    return chosen


def _free_ports(count: int) -> list[int]:
    found: list[int] = []
    while len(found) < count:
        port = FIRST_PORT + secrets.randbelow(LAST_PORT - FIRST_PORT + 1)
        if port not in found and _is_free(port):
            found.append(port)
    return found


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
