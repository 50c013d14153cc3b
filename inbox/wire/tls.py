"""The one TLS context for mail servers: certificates and host names are checked, TLS 1.2 or newer."""

from __future__ import annotations

import ssl
from functools import cache

from inbox.config import settings


@cache
def context() -> ssl.SSLContext:
    """The system's authorities, and those of TLS_CA_FILE."""
    made = ssl.create_default_context()
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    if settings().tls_ca_file is not None:
        made.load_verify_locations(cafile=settings().tls_ca_file)
    return made
