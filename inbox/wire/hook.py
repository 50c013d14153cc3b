"""Calls a webhook: one POST over HTTPS to a public address, signed; nothing of ours can be reached through it.

The name is resolved once, every address that it gives must be a public one, and the connection goes to that very
address, so that a name cannot point elsewhere a moment later. Redirects are not followed, proxies of the environment
are not used. The signature is that of standardwebhooks.com, so that receivers find ready-made code.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import http.client
import ipaddress
import socket
import threading
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit

from inbox.config import settings
from inbox.wire import tls

SECONDS = 10.0  # for each step: connecting, sending, each piece of the answer
ALL_SECONDS = 25.0  # for the whole call, so that nobody holds a worker with one byte at a time
ANSWER_BYTES = 500  # of an answer that are kept


@dataclass(frozen=True)
class Called:
    """`code` is the HTTP status, None when no server answered; `text` says why, or how the answer begins."""

    code: int | None
    text: str

    @property
    def ok(self) -> bool:
        return self.code is not None and 200 <= self.code < 300


class NotCalled(Exception):
    """An address that may not be called; its text is one of REASONS."""


REASONS = ("scheme", "address", "name", "private", "port")


@dataclass(frozen=True)
class Target:
    """Where a webhook's address leads."""

    tls: bool
    host: str
    port: int
    path: str


def target(url: str) -> Target:
    """Reads an address. Raises NotCalled for all but https, and http where private addresses are allowed."""
    try:
        parts = urlsplit(url.strip())
        port = parts.port
    except ValueError:
        raise NotCalled("address") from None
    if parts.scheme != "https" and not (parts.scheme == "http" and settings().webhook_private):
        raise NotCalled("scheme")
    if not parts.hostname or parts.username is not None or parts.password is not None or not url.isprintable():
        raise NotCalled("address")
    if port == 0:
        raise NotCalled("port")
    secure = parts.scheme == "https"
    try:
        host = parts.hostname.encode("idna").decode()
        path = ((parts.path or "/") + (f"?{parts.query}" if parts.query else "")).encode("ascii").decode()
    except UnicodeError:
        raise NotCalled("address") from None
    if " " in path:
        raise NotCalled("address")
    return Target(secure, host, port or (443 if secure else 80), path)


def is_literal(host: str) -> bool:
    """Whether it is an IP address, which can be judged without asking anybody."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def addresses(host: str, port: int) -> list[str]:
    """The IP addresses of a name. Raises NotCalled("private") when one of them is not public, unless that is allowed,
    and NotCalled("name") for a name that nobody knows."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
    except (OSError, UnicodeError):
        raise NotCalled("name") from None
    given = list(dict.fromkeys(str(one[4][0]) for one in found))
    if not settings().webhook_private and not all(is_public(one) for one in given):
        raise NotCalled("private")
    return given


def is_public(address: str) -> bool:
    """Whether an IP address belongs to the open internet, also when it hides an IPv4 address in an IPv6 one."""
    one = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(one, ipaddress.IPv6Address):
        hidden = one.ipv4_mapped or one.sixtofour or (one.teredo[1] if one.teredo else None)
        if hidden is None and one in ipaddress.ip_network("64:ff9b::/96"):
            hidden = ipaddress.IPv4Address(int(one) & 0xFFFFFFFF)
        if hidden is not None:
            return is_public(str(hidden))
    return one.is_global and not one.is_multicast


def sign(secret: bytes, key: str, at: datetime, body: bytes) -> dict[str, str]:
    """The headers by which a receiver knows us: HMAC-SHA256 over id, time and body."""
    stamp = str(int(at.timestamp()))
    signed = hmac.new(secret, b".".join((key.encode(), stamp.encode(), body)), hashlib.sha256).digest()
    return {
        "webhook-id": key,
        "webhook-timestamp": stamp,
        "webhook-signature": f"v1,{base64.b64encode(signed).decode()}",
    }


def call(url: str, *, secret: bytes, key: str, at: datetime, body: bytes) -> Called:
    """One try. Never raises for what the other side does; no transaction may be open."""
    try:
        where = target(url)
        ips = addresses(where.host, where.port)
    except NotCalled as error:
        return Called(None, str(error))
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "Madoguchi",
        "Connection": "close",
        **sign(secret, key, at, body),
    }
    connection = _Pinned(where, ips[0])
    limit = threading.Timer(ALL_SECONDS, connection.hang_up)
    limit.daemon = True
    limit.start()
    try:
        connection.request("POST", where.path, body=body, headers=headers)
        answer = connection.getresponse()
        return Called(answer.status, answer.read(ANSWER_BYTES).decode("utf-8", "replace").replace("\0", ""))
    except (OSError, http.client.HTTPException, ValueError) as error:
        return Called(None, f"{type(error).__name__}: {error}"[:ANSWER_BYTES])
    finally:
        limit.cancel()
        connection.close()


class _Pinned(http.client.HTTPConnection):
    """A connection to one IP address in the name of the host that it was resolved from."""

    def __init__(self, where: Target, ip: str) -> None:
        self.default_port = 443 if where.tls else 80
        super().__init__(where.host, where.port, timeout=SECONDS)
        self._where, self._ip = where, ip

    def connect(self) -> None:
        raw = socket.create_connection((self._ip, self._where.port), timeout=SECONDS)
        if self._where.tls:
            self.sock = tls.context().wrap_socket(raw, server_hostname=self._where.host)
        else:
            self.sock = raw

    def hang_up(self) -> None:
        with suppress(OSError, AttributeError):
            self.sock.shutdown(socket.SHUT_RDWR)
