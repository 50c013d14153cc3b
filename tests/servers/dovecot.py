"""A throwaway Dovecot 2.3: IMAP, IMAPS and STARTTLS, LMTP, XOAUTH2. Needs root and Debian's packages."""

from __future__ import annotations

import contextlib
import datetime
import http.server
import ipaddress
import itertools
import json
import os
import pwd
import shutil
import smtplib
import subprocess
import tempfile
import textwrap
import threading
import urllib.parse
from dataclasses import dataclass
from pathlib import Path

import psutil

from tests.servers import NotHere, answers, free_port, wait_until

DOVECOT = "/usr/sbin/dovecot"
TRIES = 5  # to find ports that nobody else takes meanwhile
_numbers = itertools.count(1)


@dataclass(frozen=True)
class Account:
    """A mailbox on the throwaway server; `user` is also its address."""

    user: str
    password: str


class PortTaken(RuntimeError):
    """Somebody else listens on a port that was free when it was chosen."""


class Dovecot:
    """Start it once, ask for a fresh `account()` in every test. Ports and mail survive `stop()` and `start()`."""

    host = "127.0.0.1"

    def __init__(self) -> None:
        if not Path(DOVECOT).exists() or not Path("/usr/lib/dovecot/lmtp").exists():
            raise NotHere("Dovecot (Debian packages dovecot-imapd and dovecot-lmtpd)")
        if os.geteuid() != 0:
            raise NotHere("Dovecot (its throwaway server must be started by root)")
        self.dir = Path(tempfile.mkdtemp(prefix="dovecot-"))
        self.dir.chmod(0o755)
        self._choose_ports()
        self.cafile = write_certificate(self.dir)
        self.tokens: dict[str, str] = {}  # OAuth access token → user
        self._introspection = _introspection(self.tokens)
        self._nobody = pwd.getpwnam("nobody")
        self._accounts: dict[str, str] = {}
        (self.dir / "mail").mkdir()
        os.chown(self.dir / "mail", self._nobody.pw_uid, self._nobody.pw_gid)
        self._write_accounts()
        self._write_configuration()
        self._process: subprocess.Popen[bytes] | None = None
        self._started = False  # from then on its ports stay

    # -- what tests use

    def account(self, user: str = "", *, password: str = "correct horse") -> Account:
        """A mailbox with INBOX, Sent, Trash and Junk; without `user` a fresh empty one."""
        user = user or f"box{next(_numbers)}@support.example"
        self._accounts[user] = password
        self._write_accounts()
        if self.running:
            wait_until(lambda: self._knows(user), what=f"Dovecot knows {user}")  # it looks at the file once a second
        return Account(user, password)

    def deliver(self, user: str, raw: bytes, *, sender: str = "sender@customer.example") -> None:
        """Delivers a mail by LMTP, as the customer's mail server would."""
        with smtplib.LMTP(self.host, self.lmtp) as lmtp:
            lmtp.sendmail(sender, [user], raw)

    def maildir(self, user: str) -> Path:
        """The folder on disk; its INBOX is here, the folder Sent in `.Sent`."""
        return self.dir / "mail" / user

    def own(self, path: Path) -> None:
        """Gives files that a test laid into a Maildir to the server's user."""
        for entry in (path, *path.rglob("*")):
            os.chown(entry, self._nobody.pw_uid, self._nobody.pw_gid)

    def start(self) -> None:
        """On other ports when somebody took one meanwhile, at the first start; later ones keep theirs."""
        for tries_left in reversed(range(TRIES)):
            self._process = subprocess.Popen(
                [DOVECOT, "-F", "-c", str(self.dir / "dovecot.conf")],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            try:
                wait_until(self._ready, what="Dovecot greets")
            except PortTaken:
                if not tries_left or self._started:
                    raise
                self._process = None
                self._choose_ports()
                self._write_configuration()
            else:
                self._started = True
                return

    @property
    def running(self) -> bool:
        return self._process is not None

    def stop(self) -> None:
        """Stops the server; open sessions are cut."""
        if self._process is None:
            return
        sessions = psutil.Process(self._process.pid).children(recursive=True)
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(5)
        for one in sessions:  # an IDLE notices only after a while that its master ended
            with contextlib.suppress(psutil.NoSuchProcess):
                one.kill()
        self._process = None

    def close(self) -> None:
        self.stop()
        self._introspection.shutdown()
        self._introspection.server_close()
        shutil.rmtree(self.dir, ignore_errors=True)

    # -- below

    def _choose_ports(self) -> None:
        self.imap, self.imaps, self.lmtp = free_port(), free_port(), free_port()

    def _ready(self) -> bool:
        if self._process is None or self._process.poll() is not None:
            log = self.dir / "dovecot.log"
            told = log.read_text() if log.exists() else "Dovecot ended at once"
            log.unlink(missing_ok=True)
            raise PortTaken(told) if "Address already in use" in told else RuntimeError(told)
        listening = {
            one.laddr.port
            for one in psutil.Process(self._process.pid).net_connections("inet")
            if one.status == "LISTEN"
        }
        return {self.imap, self.imaps, self.lmtp} <= listening and answers(self.imap, b"* OK")

    def _knows(self, user: str) -> bool:
        with smtplib.LMTP(self.host, self.lmtp) as lmtp:
            lmtp.ehlo()
            lmtp.mail("sender@customer.example")
            return lmtp.rcpt(user)[0] == 250

    def _write_accounts(self) -> None:
        uid, gid = self._nobody.pw_uid, self._nobody.pw_gid
        lines = [
            f"{user}:{{PLAIN}}{password}:{uid}:{gid}::{self.dir}/mail/{user}::\n"
            for user, password in self._accounts.items()
        ]
        fresh = self.dir / "passwd.new"
        fresh.write_text("".join(lines))
        fresh.replace(self.dir / "passwd")

    def _write_configuration(self) -> None:
        (self.dir / "oauth2.conf").write_text(
            textwrap.dedent(f"""\
            introspection_mode = post
            introspection_url = http://127.0.0.1:{self._introspection.server_address[1]}/introspect
            username_attribute = email
            active_attribute = active
            active_value = true
            """)
        )
        (self.dir / "dovecot.conf").write_text(
            textwrap.dedent(f"""\
            base_dir = {self.dir}/run
            state_dir = {self.dir}/run
            log_path = {self.dir}/dovecot.log
            protocols = imap lmtp
            listen = 127.0.0.1
            mail_location = maildir:{self.dir}/mail/%u
            mail_uid = {self._nobody.pw_uid}
            mail_gid = {self._nobody.pw_gid}
            first_valid_uid = {self._nobody.pw_uid}
            default_internal_user = dovecot
            default_login_user = dovenull
            ssl = yes
            ssl_cert = <{self.dir}/cert.pem
            ssl_key = <{self.dir}/key.pem
            disable_plaintext_auth = no
            auth_mechanisms = plain login xoauth2 oauthbearer
            imap_idle_notify_interval = 2 mins
            mail_max_userip_connections = 200
            mailbox_list_index = yes
            mail_fsync = never
            auth_failure_delay = 0 secs
            passdb {{
              driver = passwd-file
              args = scheme=PLAIN username_format=%u {self.dir}/passwd
              mechanisms = plain login
            }}
            passdb {{
              driver = oauth2
              mechanisms = xoauth2 oauthbearer
              args = {self.dir}/oauth2.conf
            }}
            userdb {{
              driver = passwd-file
              args = username_format=%u {self.dir}/passwd
            }}
            namespace inbox {{
              inbox = yes
              separator = /
              mailbox Sent {{
                auto = create
                special_use = \\Sent
              }}
              mailbox Trash {{
                auto = create
                special_use = \\Trash
              }}
              mailbox Junk {{
                auto = create
                special_use = \\Junk
              }}
            }}
            service imap-login {{
              inet_listener imap {{
                port = {self.imap}
              }}
              inet_listener imaps {{
                port = {self.imaps}
                ssl = yes
              }}
            }}
            service lmtp {{
              inet_listener lmtp {{
                address = 127.0.0.1
                port = {self.lmtp}
              }}
            }}
            service stats {{
              chroot =
            }}
            """)
        )


def write_certificate(folder: Path) -> Path:
    """A self-signed certificate for localhost and 127.0.0.1: cert.pem, its own CA, and key.pem in the folder."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    names = x509.SubjectAlternativeName([x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=2))
        .add_extension(names, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    (folder / "cert.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "key.pem").write_bytes(private)
    (folder / "key.pem").chmod(0o600)
    return folder / "cert.pem"


def _introspection(tokens: dict[str, str]) -> http.server.ThreadingHTTPServer:
    """An RFC 7662 endpoint: which user a token belongs to."""

    class Endpoint(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            form = urllib.parse.parse_qs(self.rfile.read(int(self.headers.get("content-length", 0))).decode())
            user = tokens.get(form.get("token", [""])[0])
            answer = {"active": "true", "username": user, "email": user} if user else {"active": "false"}
            body = json.dumps(answer).encode()
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Endpoint)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server
