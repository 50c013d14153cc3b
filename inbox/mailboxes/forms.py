"""A mailbox's settings as a person types them, and what is wrong with them before any server is asked."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from inbox.errors import N_, NotFound, UserError
from inbox.mail import safe_html
from inbox.mailboxes.secrets import open_secret
from inbox.models import Mailbox
from inbox.models.mailboxes import SECURITY

LONGEST_FOLDER = 255  # characters of a folder's name
_HOST = re.compile(r"^(?!-)[A-Za-z0-9.-]{1,253}(?<!-)$|^\[?[0-9A-Fa-f:.]{2,45}\]?$")
_COLOUR = re.compile(r"^#[0-9a-fA-F]{6}$")
_NAMED = re.compile(r"^([^<>]*)<([^<>]*)>$")
_ADDRESS = re.compile(r"^[^\s@<>\",;:\\\x00-\x1f]{1,64}@[^\s@<>\",;:\\\x00-\x1f]{1,189}$")


@dataclass(frozen=True)
class MailboxForm:
    """All settings of a mailbox. An empty password keeps the stored one; `sent_folder` "" lets the poller look for
    it."""

    name: str
    address: str
    imap_host: str
    imap_user: str
    smtp_host: str
    imap_password: str = field(default="", repr=False)
    smtp_password: str = field(default="", repr=False)
    imap_port: int = 993
    imap_security: str = "tls"
    smtp_port: int = 465
    smtp_security: str = "tls"
    smtp_user: str = ""  # "": no sign-in
    display_name: str = ""  # the name in From; "": the mailbox's name
    aliases: tuple[str, ...] = ()  # as `alias` reads them
    folders: tuple[str, ...] = ("INBOX",)  # customers' mail is read from these
    sent_folder: str = ""
    server_files_sent: bool | None = None  # None: as the provider is known to do
    colour: str = "#2f6fde"
    signature_html: str = ""
    quote_replies: bool = True
    locale: str = "ja"
    import_since: datetime | None = None  # older mail stays on the server


def checked(form: MailboxForm) -> MailboxForm:
    """The form with blanks trimmed. Raises UserError that names the field."""
    form = replace(
        form,
        name=" ".join(form.name.split())[:100],
        display_name=" ".join(form.display_name.split())[:100],
        address=form.address.strip(),
        imap_host=form.imap_host.strip().rstrip("."),
        smtp_host=form.smtp_host.strip().rstrip("."),
        imap_user=form.imap_user.strip(),
        smtp_user=form.smtp_user.strip(),
        aliases=_aliases(form),
        folders=tuple(dict.fromkeys(one.strip() for one in form.folders if one.strip())),
        sent_folder=form.sent_folder.strip(),
        signature_html=safe_html.clean(form.signature_html).html if form.signature_html else "",
    )
    if not form.name:
        raise UserError(N_("Give the mailbox a name."), field="name")
    for where, address in (("address", form.address), *(("aliases", alias(one)[1]) for one in form.aliases)):
        if not _ADDRESS.match(address) or len(address) > 254:
            raise UserError(N_("%(address)s is not an e-mail address."), field=where, address=address)
    for where in ("imap", "smtp"):
        _check_server(form, where)
    if not form.imap_user:
        raise UserError(N_("Give the user name to sign in with."), field="imap_user")
    for where in ("imap_user", "imap_password", "smtp_user", "smtp_password", "sent_folder"):
        if any(ord(ch) < 32 or ch == "\x7f" for ch in getattr(form, where)):
            raise UserError(N_("This contains characters that cannot be typed."), field=where)
    if len(form.sent_folder) > LONGEST_FOLDER:
        raise UserError(N_("At most %(most)d characters."), field="sent_folder", most=LONGEST_FOLDER)
    if any(ord(ch) < 32 or len(one) > LONGEST_FOLDER for one in form.folders for ch in one) or not form.folders:
        raise UserError(N_("Name at least one folder to read."), field="folders")
    if not _COLOUR.match(form.colour):
        raise UserError(N_("Choose a colour."), field="colour")
    if form.locale not in ("ja", "en"):
        raise UserError(N_("Choose a language."), field="locale")
    return form


def alias(typed: str) -> tuple[str, str]:
    """(name in From, address in lower case) of "Returns <returns@shop.example>" or of an address alone.

    The name is "" for the mailbox's.
    """
    found = _NAMED.match(typed.strip())
    name, address = (found[1], found[2]) if found else ("", typed)
    shown = "".join(ch if ch.isprintable() else " " for ch in name)
    return " ".join(shown.split()).strip('"')[:100], address.strip().lower()


def _aliases(form: MailboxForm) -> tuple[str, ...]:
    """As they are typed, tidied up, each address once."""
    named = {address: name for name, address in reversed([alias(one) for one in form.aliases if one.strip()])}
    return tuple(_typed(name, address) for address, name in reversed(named.items()))


def _typed(name: str, address: str) -> str:
    return f"{name} <{address}>" if name else address


def form_of(session: Session, mailbox_id: int) -> MailboxForm:
    """The stored settings, without the passwords. Raises NotFound."""
    mailbox = session.get(Mailbox, mailbox_id)
    if mailbox is None:
        raise NotFound
    return MailboxForm(
        name=mailbox.name,
        address=mailbox.address,
        imap_host=mailbox.imap_host,
        imap_user=mailbox.imap_user,
        smtp_host=mailbox.smtp_host,
        imap_port=mailbox.imap_port,
        imap_security=mailbox.imap_security,
        smtp_port=mailbox.smtp_port,
        smtp_security=mailbox.smtp_security,
        smtp_user=mailbox.smtp_user,
        display_name=mailbox.display_name,
        aliases=tuple(
            _typed(one.display_name, one.address) for one in mailbox.addresses if one.address != mailbox.address.lower()
        ),
        folders=tuple(one.name for one in mailbox.folders if one.role == "inbox" and one.read) or ("INBOX",),
        sent_folder=mailbox.sent_folder,
        server_files_sent=mailbox.server_files_sent,
        colour=mailbox.colour,
        signature_html=mailbox.signature_html,
        quote_replies=mailbox.quote_replies,
        locale=mailbox.locale,
        import_since=mailbox.import_since,
    )


def needs_trial(form: MailboxForm, kept: MailboxForm) -> bool:
    """Whether something changed that a server has a say in."""
    told = (
        "address",
        *(f"{side}_{what}" for side in ("imap", "smtp") for what in ("host", "port", "security", "user")),
    )
    changed = any(getattr(form, name) != getattr(kept, name) for name in told)
    return changed or bool(form.imap_password or form.smtp_password) or not set(form.folders) <= set(kept.folders)


def must_not_lend_passwords(session: Session, mailbox_id: int, form: MailboxForm) -> None:
    """A stored password goes to no other server than the one it was given for, and never in the clear where it was not.

    Raises UserError for the password that has to be typed anew; else whoever may change settings could read it.
    """
    kept = session.get(Mailbox, mailbox_id)
    if kept is None:
        raise NotFound
    for where, secret in (("imap", kept.imap_secret), ("smtp", kept.smtp_secret if form.smtp_user else "")):
        host, security = getattr(form, f"{where}_host"), getattr(form, f"{where}_security")
        same_host = host.strip().rstrip(".").lower() == getattr(kept, f"{where}_host").lower()
        as_safe = security != "plain" or getattr(kept, f"{where}_security") == "plain"
        if secret and not getattr(form, f"{where}_password") and not (same_host and as_safe):
            raise UserError(N_("Give the password."), field=f"{where}_password")


def with_kept_passwords(session: Session, mailbox_id: int, form: MailboxForm) -> MailboxForm:
    """The form with stored passwords where none were typed, to try it out. Raises WireProblem("secret"), or UserError
    for a password that may not go to another server."""
    must_not_lend_passwords(session, mailbox_id, form)
    kept = session.execute(
        select(Mailbox.imap_secret, Mailbox.smtp_secret).where(Mailbox.id == mailbox_id)
    ).one_or_none()
    if kept is None:
        raise NotFound
    return replace(
        form,
        imap_password=form.imap_password or open_secret(kept.imap_secret),
        smtp_password=form.smtp_password or open_secret(kept.smtp_secret),
    )


def _check_server(form: MailboxForm, where: str) -> None:
    host, port, security = (getattr(form, f"{where}_{what}") for what in ("host", "port", "security"))
    if not _HOST.match(safe_html.ascii_host(host)):
        raise UserError(N_("Give the server's name, such as imap.example.com."), field=f"{where}_host")
    if not 1 <= port <= 65535:
        raise UserError(N_("A port is a number from 1 to 65535."), field=f"{where}_port")
    if security not in SECURITY:
        raise UserError(N_("Choose how the connection is encrypted."), field=f"{where}_security")
