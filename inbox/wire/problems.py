"""What can be wrong between us and a mail server: a short code, a sentence for people, the server's own words."""

from __future__ import annotations

import socket
import ssl
from dataclasses import dataclass

from inbox.errors import N_

CODES = {
    "unknown_host": N_("This server name does not exist. Check the spelling."),
    "refused": N_("The server does not accept connections on this port. Check port and server name."),
    "timeout": N_("The server does not answer. Check port and server name; a firewall may be in between."),
    "unreachable": N_("The server cannot be reached from here. Check the network."),
    "lost": N_("The connection was lost."),
    "no_tls": N_("The server speaks no TLS on this port. Choose STARTTLS or another port."),
    "no_starttls": N_("The server offers no encryption (STARTTLS) on this port. Nothing was sent unencrypted."),
    "old_tls": N_("The server offers only outdated encryption."),
    "certificate_name": N_("The server's certificate is for another name. Check the server name."),
    "certificate_expired": N_("The server's certificate has expired. Whoever runs the server must renew it."),
    "certificate": N_("The server's certificate is not signed by an authority that we trust."),
    "login": N_("The server refused user name or password."),
    "no_login": N_("The server offers no sign-in with user name and password."),
    "limit": N_("The server has too many connections or asks us to wait."),
    "unavailable": N_("The server says that it is not available just now."),
    "app_password": N_(
        "The provider wants a password made for this app. Create an app password in its account settings."
    ),
    "oauth": N_("This provider lets programs sign in by OAuth only, which is not supported yet."),
    "folder": N_("This folder does not exist on the server or may not be opened."),
    "protocol": N_("The server answered something unexpected. Is this the right port?"),
    "sender": N_("The server does not let this account send from this address."),
    "disk_full": N_("The disk of this installation is full. Mail stays safe on the server until there is room."),
    "database": N_("The database of this installation does not answer. Mail stays safe on the server until it does."),
    "internal": N_(
        "Something failed inside this installation; the log says more. Mail stays on the server and is tried again."
    ),
    "secret": N_("The stored password cannot be decrypted: the key of this installation has changed. Enter it again."),
}


@dataclass(frozen=True)
class Problem:
    """`code` is one of CODES; `text` holds the server's or system's own words, "" when there are none."""

    code: str
    text: str = ""

    @property
    def words(self) -> str:
        """An English msgid for people."""
        return CODES[self.code]


class WireProblem(Exception):
    """A mail server could not be used; `problem` says why."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(f"{problem.code}: {problem.text}")
        self.problem = problem


def of(error: BaseException) -> Problem:
    """The problem behind a socket, DNS or TLS error."""
    text = str(error)[:500]
    if isinstance(error, ssl.SSLCertVerificationError):
        return Problem(_certificate(error), error.verify_message or text)
    if isinstance(error, ssl.SSLError):
        return Problem(_tls(error), text)
    if isinstance(error, socket.gaierror | UnicodeError):
        return Problem("unknown_host", text)
    if isinstance(error, ConnectionRefusedError):
        return Problem("refused", text)
    if isinstance(error, TimeoutError):
        return Problem("timeout", text)
    if isinstance(error, ConnectionError | EOFError):
        return Problem("lost", text)
    if isinstance(error, OSError):
        return Problem("unreachable", text)
    return Problem("protocol", text)


def _certificate(error: ssl.SSLCertVerificationError) -> str:
    if error.verify_code == 10:  # X509_V_ERR_CERT_HAS_EXPIRED
        return "certificate_expired"
    if error.verify_code in (62, 64):  # host name or IP address mismatch
        return "certificate_name"
    return "certificate"


def _tls(error: ssl.SSLError) -> str:
    reason = (error.reason or "").upper()
    if "WRONG_VERSION_NUMBER" in reason or "UNKNOWN_PROTOCOL" in reason or "HTTP_REQUEST" in reason:
        return "no_tls"
    if "PROTOCOL_VERSION" in reason or "UNSUPPORTED_PROTOCOL" in reason:
        return "old_tls"
    if "EOF" in reason or isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError):
        return "lost"
    return "protocol"
