"""Adding, changing and removing mailboxes. Whoever tries the settings first (`trying.test`) does so outside of
these."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from inbox import joins, search
from inbox.db import one_after_the_other
from inbox.errors import N_, NotFound, UserError
from inbox.mailboxes.forms import MailboxForm, alias, checked, must_not_lend_passwords
from inbox.mailboxes.providers import files_sent_itself
from inbox.mailboxes.secrets import seal
from inbox.models import (
    Conversation,
    Draft,
    Folder,
    Mailbox,
    MailboxAddress,
    Message,
    Note,
    Outgoing,
    Person,
)
from inbox.people import Viewer, audit, must_be
from inbox.wire import ring

REMOVED_AT_ONCE = 500
ADVISORY = 7_305  # names our lock on PostgreSQL: two must not connect one address, and be read twice, at one moment
_COLUMNS = (
    "name", "address", "imap_host", "imap_port", "imap_security", "imap_user", "smtp_host", "smtp_port",
    "smtp_security", "smtp_user", "colour", "signature_html", "quote_replies", "locale", "import_since",
)  # fmt: skip


def add(session: Session, who: Viewer | None, form: MailboxForm, *, now: datetime, is_demo: bool = False) -> int:
    """Connects a mailbox; the poller begins to read it within seconds. `who` is None on the command line."""
    if who is not None:
        must_be(who, "admin")
    form = checked(form)
    if not form.imap_password:
        raise UserError(N_("Give the password."), field="imap_password")
    one_after_the_other(session, ADVISORY)
    if session.scalar(select(Mailbox.id).where(Mailbox.address == form.address)) is not None:
        raise UserError(N_("%(address)s is connected already."), field="address", address=form.address)
    mailbox = Mailbox(
        **_columns(form),
        imap_secret=seal(form.imap_password),
        smtp_secret=seal(form.smtp_password or form.imap_password) if form.smtp_user else "",
        sent_folder=form.sent_folder,
        server_files_sent=_files_sent(form),
        is_demo=is_demo,
        created_at=now,
        addresses=[MailboxAddress(address=one, display_name=name) for one, name in _addresses(form).items()],
        folders=[Folder(name=one, role="inbox") for one in form.folders],
    )
    if form.sent_folder:
        mailbox.folders.append(Folder(name=form.sent_folder, role="sent"))
    session.add(mailbox)
    session.flush()
    audit(session, who, "mailbox_added", now=now, mailbox_id=mailbox.id, address=form.address)
    ring.screens(session)
    return mailbox.id


def change(session: Session, who: Viewer | None, mailbox_id: int, form: MailboxForm, *, now: datetime) -> None:
    """Takes over new settings; a mailbox that had stopped after refused passwords is tried again."""
    if who is not None:
        must_be(who, "admin")
    form = checked(form)
    mailbox = _of(session, mailbox_id)
    must_not_lend_passwords(session, mailbox_id, form)
    one_after_the_other(session, ADVISORY)
    other = select(Mailbox.id).where(Mailbox.address == form.address, Mailbox.id != mailbox_id)
    if session.scalar(other) is not None:
        raise UserError(N_("%(address)s is connected already."), field="address", address=form.address)
    for name, value in _columns(form).items():
        setattr(mailbox, name, value)
    if form.imap_password:
        mailbox.imap_secret = seal(form.imap_password)
    if form.smtp_password:
        mailbox.smtp_secret = seal(form.smtp_password)
    elif not form.smtp_user:
        mailbox.smtp_secret = ""
    mailbox.server_files_sent = _files_sent(form)
    _set_addresses(mailbox, form)
    choose_folders(session, mailbox_id, form.folders, sent_folder=form.sent_folder)
    _forget_trouble(mailbox)
    told = {
        k: v for k, v in asdict(form).items() if "password" not in k and k not in ("signature_html", "import_since")
    }
    audit(session, who, "mailbox_changed", now=now, mailbox_id=mailbox_id, settings=told)
    ring.screens(session)


def choose_folders(session: Session, mailbox_id: int, folders: tuple[str, ...], *, sent_folder: str) -> None:
    """Which folders are read. A folder that is no longer read keeps its ledger, and goes on from there when chosen
    again."""
    mailbox = _of(session, mailbox_id)
    mailbox.sent_folder = sent_folder
    wanted = dict.fromkeys(folders, "inbox") | ({sent_folder: "sent"} if sent_folder else {})
    there = {one.name: one for one in mailbox.folders}
    for name, one in there.items():
        one.read = name in wanted
        one.role = wanted.get(name, one.role)
    for name, role in wanted.items():
        if name not in there:
            mailbox.folders.append(Folder(name=name, role=role))


def set_active(session: Session, who: Viewer | None, mailbox_id: int, on: bool, *, now: datetime) -> None:
    """Switches reading on or off; what was filed stays."""
    if who is not None:
        must_be(who, "admin")
    mailbox = _of(session, mailbox_id)
    mailbox.active = on
    _forget_trouble(mailbox)
    audit(session, who, "mailbox_on" if on else "mailbox_off", now=now, mailbox_id=mailbox_id)
    ring.screens(session)


def try_again(session: Session, who: Viewer | None, mailbox_id: int, *, now: datetime) -> None:
    """Asks the poller to forget its waiting time and to try now, also after refused passwords."""
    if who is not None:
        must_be(who, "manager")
    _forget_trouble(_of(session, mailbox_id))
    read_now(session, mailbox_id, now=now)


def read_now(session: Session, mailbox_id: int, *, now: datetime) -> None:
    """All folders are due; the poller sees it within seconds."""
    session.execute(update(Folder).where(Folder.mailbox_id == mailbox_id).values(due_at=now))


def remove(session: Session, who: Viewer | None, mailbox_id: int, *, now: datetime) -> None:
    """Takes a mailbox away with all its conversations. Nothing happens on its server. Stored bytes are left to the
    clock."""
    if who is not None:
        must_be(who, "admin")
    mailbox = _of(session, mailbox_id)
    address = mailbox.address
    joins.part_from(session, mailbox_id, now=now)
    people = set(
        session.scalars(select(Conversation.person_id).where(Conversation.mailbox_id == mailbox_id).distinct())
    )
    session.execute(delete(Outgoing).where(Outgoing.mailbox_id == mailbox_id))
    session.execute(delete(Draft).where(Draft.mailbox_id == mailbox_id))
    messages = (
        select(Message)
        .join(Conversation, Conversation.id == Message.conversation_id)
        .where(Conversation.mailbox_id == mailbox_id)
        .execution_options(yield_per=REMOVED_AT_ONCE)
    )
    for message in session.scalars(messages):
        search.unindex(session, message, mailbox_id=mailbox_id)
    for note in session.scalars(select(Note).join(Conversation).where(Conversation.mailbox_id == mailbox_id)):
        search.unindex_note(session, note, mailbox_id=mailbox_id)
    session.flush()
    session.expunge_all()
    session.execute(delete(Mailbox).where(Mailbox.id == mailbox_id))
    forget_people(session, people - {None})  # type: ignore[arg-type]
    audit(session, who, "mailbox_removed", now=now, mailbox_id=mailbox_id, address=address)
    ring.screens(session)


def forget_people(session: Session, ids: set[int]) -> None:
    """Deletes those of them who stand in no conversation any more."""
    for start in range(0, len(ids), REMOVED_AT_ONCE):
        some = sorted(ids)[start : start + REMOVED_AT_ONCE]
        used = select(Conversation.person_id).where(Conversation.person_id.in_(some))
        wrote = select(Message.person_id).where(Message.person_id.in_(some))
        session.execute(
            delete(Person)
            .where(Person.id.in_(some), Person.id.not_in(used), Person.id.not_in(wrote))
            .execution_options(synchronize_session=False)
        )


def _of(session: Session, mailbox_id: int) -> Mailbox:
    found = session.get(Mailbox, mailbox_id)
    if found is None:
        raise NotFound
    return found


def _columns(form: MailboxForm) -> dict[str, object]:
    return {name: getattr(form, name) for name in _COLUMNS} | {"display_name": form.display_name or form.name}


def _addresses(form: MailboxForm) -> dict[str, str]:
    """Every address of the mailbox with its name in From, "" for the mailbox's."""
    named = {address: name for name, address in map(alias, form.aliases)}
    return {form.address.lower(): ""} | {one: name for one, name in named.items() if one != form.address.lower()}


def _set_addresses(mailbox: Mailbox, form: MailboxForm) -> None:
    wanted = _addresses(form)
    there = {one.address: one for one in mailbox.addresses}
    for address, one in there.items():
        if address not in wanted:
            mailbox.addresses.remove(one)
    for address, name in wanted.items():
        if address in there:
            there[address].display_name = name
        else:
            mailbox.addresses.append(MailboxAddress(address=address, display_name=name))


def _files_sent(form: MailboxForm) -> bool:
    return files_sent_itself(form.smtp_host) if form.server_files_sent is None else form.server_files_sent


def _forget_trouble(mailbox: Mailbox) -> None:
    mailbox.failing_since = mailbox.next_try_at = mailbox.smtp_failing_since = mailbox.smtp_next_try_at = None
    mailbox.failures = 0
    mailbox.error_code = mailbox.error_text = mailbox.smtp_error_code = mailbox.smtp_error_text = ""
