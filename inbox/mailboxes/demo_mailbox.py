"""The demo mailbox: connected on the first start, removed with one click."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from inbox import customers, demo
from inbox.config import settings
from inbox.demo.conversations import regulars
from inbox.mailboxes.forms import MailboxForm
from inbox.mailboxes.settings import add, forget_people, remove
from inbox.models import Mailbox, Person, PersonAddress
from inbox.people import Viewer


def connect_demo(session: Session, where: demo.DemoSettings | None = None, *, now: datetime) -> int:
    """Connects the demo's mail server; the id of its mailbox, which may have been there already."""
    found = session.scalar(select(Mailbox.id).where(Mailbox.is_demo))
    if found is not None:
        return found
    where = where or demo.settings(settings().data)
    form = MailboxForm(
        name=demo.TEAM_NAME,
        display_name=demo.TEAM_NAME,
        address=where.user,
        aliases=tuple(one for one in where.addresses if one != where.user),
        imap_host=where.imap_host,
        imap_port=where.imap_port,
        imap_security="plain",
        imap_user=where.user,
        imap_password=where.password,
        smtp_host=where.smtp_host,
        smtp_port=where.smtp_port,
        smtp_security="plain",
        smtp_user=where.user,
        smtp_password=where.password,
        sent_folder=demo.SENT_FOLDER,
        server_files_sent=False,
        colour="#b45309",
    )
    _introduce(session, now=now)
    return add(session, None, form, now=now, is_demo=True)


def _introduce(session: Session, *, now: datetime) -> None:
    """The team knows its regular customers already: company, tier and phase."""
    known = {one.address: one for one in regulars()}
    people = customers.people_for(session, {one.address: one.name for one in known.values()}, now)
    described = [
        {"id": people[address].id, "company": one.company, "tier": one.tier, "phase": one.phase}
        for address, one in known.items()
    ]
    session.execute(update(Person), described)


def remove_demo(session: Session, who: Viewer | None = None, *, now: datetime) -> None:
    """Takes the demo mailbox and its conversations away, and ends its mail server."""
    for mailbox_id in session.scalars(select(Mailbox.id).where(Mailbox.is_demo)).all():
        remove(session, who, mailbox_id, now=now)
    introduced = select(PersonAddress.person_id).where(PersonAddress.address.in_([one.address for one in regulars()]))
    forget_people(session, set(session.scalars(introduced)))
    demo.remove(settings().data)
