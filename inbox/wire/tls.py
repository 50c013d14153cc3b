"""The one TLS context for mail servers: certificates and host names are checked, TLS 1.2 or newer."""

from __future__ import annotations

import ssl
from functools import cache
from pathlib import Path

from inbox.config import settings


def context() -> ssl.SSLContext:
    """The system's authorities, and those of TLS_CA_FILE."""
    return _context(settings().tls_ca_file)


@cache
def _context(extra: Path | None) -> ssl.SSLContext:
    made = ssl.create_default_context()
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    if extra is not None:
        made.load_verify_locations(cafile=extra)
    return made
