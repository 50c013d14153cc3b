"""The look before sending: the facts of a mail, its mailbox's rules, and whether everything was ticked for just this
mail."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from inbox import drafts, people
from inbox.db import insert_into
from inbox.drafts import DraftView
from inbox.errors import N_, UserError, at_the_field
from inbox.models import (
    Conversation,
    Draft,
    Mailbox,
    MailboxAddress,
    Message,
    Person,
    PersonAddress,
    SendRule,
    User,
    WrittenTo,
)
from inbox.people import Viewer
from routing import draft as routing_draft
from routing.draft import Attachment, Line, Recipient
from routing.greetings import Names
from routing.lookalikes import WELL_KNOWN
from routing.sendcheck import SendCheck, SendFacts, SendRules, check, rules_from_json, rules_to_json, still_to_tick

USUAL = SendRules(ask="doubtful")  # of a mailbox for which nobody chose anything
RECENT = 5_000  # addresses whose domains a slip of the finger is measured by

LINES: tuple[Line, ...] = ("to", "cc", "bcc")


@dataclass(frozen=True)
class Looked:
    """What somebody ticked on the page between, and for which mail: its fingerprint."""

    ticked: frozenset[str] = frozenset()
    fingerprint: str = ""


NOT_LOOKED = Looked()


class NotLookedAt(UserError):
    """Something must be looked at and ticked first; `check` says what, `left` what is not ticked yet."""

    def __init__(self, found: SendCheck, left: Collection[str]) -> None:
        super().__init__(N_("Look at the recipients and the attachments first, and tick each."))
        self.check = found
        self.left = frozenset(left)


@dataclass(frozen=True)
class MailboxRules:
    """A mailbox with its rules, as the settings show them."""

    mailbox_id: int
    name: str
    colour: str
    rules: SendRules


def must_be_looked_at(session: Session, draft: DraftView, looked: Looked) -> None:
    """Raises NotLookedAt unless everything that has to be ticked was ticked for exactly this mail."""
    found = look(session, draft)
    left = still_to_tick(found, ticked=looked.ticked, fingerprint=looked.fingerprint)
    if left:
        raise NotLookedAt(found, left)


def look(session: Session, draft: DraftView) -> SendCheck:
    """What somebody has to look at before this mail leaves, by the rules of its mailbox."""
    return check(facts(session, draft), rules_of(session, draft.mailbox_id))


def note_written_to(session: Session, message_id: int, addresses: Iterable[str]) -> None:
    """Remembers that a mail went there; taking that mail back forgets it again."""
    rows = [{"address": one, "message_id": message_id} for one in sorted({one.lower() for one in addresses})]
    if rows:
        session.execute(insert_into(session, WrittenTo).on_conflict_do_nothing(index_elements=["address"]), rows)


# -- rules of a mailbox


def rules_of(session: Session, mailbox_id: int) -> SendRules:
    stored = session.scalar(select(SendRule.rules).where(SendRule.mailbox_id == mailbox_id))
    return USUAL if stored is None else rules_from_json(stored)


def all_rules(session: Session, who: Viewer) -> tuple[MailboxRules, ...]:
    """The rules of every mailbox that a manager sees."""
    people.must_be(who, "manager")
    rows = session.execute(
        select(Mailbox.id, Mailbox.name, Mailbox.colour, SendRule.rules)
        .outerjoin(SendRule, SendRule.mailbox_id == Mailbox.id)
        .where(Mailbox.id.in_(who.mailbox_ids))
        .order_by(Mailbox.name, Mailbox.id)
    )
    return tuple(
        MailboxRules(id, name, colour, USUAL if stored is None else rules_from_json(stored))
        for id, name, colour, stored in rows
    )


def set_rules(session: Session, who: Viewer, mailbox_id: int, given: Mapping[str, Any], *, now: datetime) -> None:
    """Takes over new rules, as JSON of routing.sendcheck. Managers only. Raises UserError with the field."""
    people.must_be(who, "manager")
    mailbox = people.mailbox(session, who, mailbox_id)
    with at_the_field(outermost=True):
        rules = rules_to_json(rules_from_json(given))
    session.merge(SendRule(mailbox_id=mailbox.id, rules=rules))
    people.audit(session, who, "send_check_changed", now=now, mailbox_id=mailbox.id, settings=rules)


# -- facts


def mail(session: Session, draft: DraftView) -> routing_draft.Draft:
    """The draft as the policies and the check see it."""
    known, ours, own_domains = _known(session, draft), _our_addresses(session), _own_domains(session)

    def recipient(name: str, address: str, line: Line) -> Recipient:
        key = address.lower()
        outside = key not in ours and key.rpartition("@")[2] not in own_domains
        return Recipient(address, name, line, outside=outside, known=not outside or key in known)

    recipients = tuple(recipient(name, address, line) for line in LINES for name, address in getattr(draft, line))
    digests = {file.id: file.sha256 for file in session.get_one(Draft, draft.id).files}
    return routing_draft.Draft(
        author_id=draft.author_id,
        mailbox_id=draft.mailbox_id,
        subject=draft.subject,
        words=drafts.words(draft),
        recipients=recipients,
        attachments=tuple(
            Attachment(file.name, file.content_type, file.size, digests[file.id])
            for file in draft.files
            if not file.inline
        ),
    )


def facts(session: Session, draft: DraftView) -> SendFacts:
    facts_of_mail = mail(session, draft)
    unknown = any(one.outside and not one.known for one in facts_of_mail.recipients)
    return SendFacts(
        facts_of_mail,
        names=_names(session, {one.key for one in facts_of_mail.recipients}),
        customer_domains=_customer_domains(session, draft.conversation_id),
        known_domains=_domains_of_late(session) if unknown else frozenset(),
    )


def _known(session: Session, draft: DraftView) -> set[str]:
    """Those of the recipients with whom mail was exchanged, and who stand in the mail that is answered."""
    asked = {address.lower() for line in LINES for _name, address in getattr(draft, line)}
    wrote = session.scalars(select(PersonAddress.address).where(PersonAddress.address.in_(asked)))
    written = session.scalars(select(WrittenTo.address).where(WrittenTo.address.in_(asked)))
    known = {*wrote, *written}
    answered = session.get(Message, draft.answers_id) if draft.answers_id is not None else None
    if answered is not None and not answered.unverified:
        known |= {str(address).lower() for _name, address in (*answered.to, *answered.cc)}
        known.add(answered.from_address.lower())
    return known


def _our_addresses(session: Session) -> frozenset[str]:
    """Of mailboxes and of people who work here."""
    found = (session.scalars(select(one)) for one in (Mailbox.address, MailboxAddress.address, User.email))
    return frozenset(address.lower() for addresses in found for address in addresses)


def _own_domains(session: Session) -> frozenset[str]:
    """Where everybody is one of us: the domains of our mailboxes, but not those where anybody can have an address."""
    domains = {address.lower().rpartition("@")[2] for address in session.scalars(select(Mailbox.address))}
    return frozenset(domains - WELL_KNOWN)


def _names(session: Session, addresses: set[str]) -> Names:
    """The names and companies on record of those who get it."""
    rows = session.execute(
        select(Person.name, Person.company)
        .join(PersonAddress, PersonAddress.person_id == Person.id)
        .where(PersonAddress.address.in_(addresses))
    ).all()
    ours = session.scalars(select(User.name).where(User.email.in_(addresses)))
    people_ = (*(row.name for row in rows if row.name), *ours)
    return Names(people=people_, companies=tuple(row.company for row in rows if row.company))


def _customer_domains(session: Session, conversation_id: int | None) -> frozenset[str]:
    if conversation_id is None:
        return frozenset()
    addresses = session.scalars(
        select(PersonAddress.address)
        .join(Conversation, Conversation.person_id == PersonAddress.person_id)
        .where(Conversation.id == conversation_id)
    )
    return frozenset(address.rpartition("@")[2] for address in addresses)


def _domains_of_late(session: Session) -> frozenset[str]:
    """The domains of those who wrote to us most lately."""
    latest = select(PersonAddress.address).order_by(PersonAddress.id.desc()).limit(RECENT)
    return frozenset(address.rpartition("@")[2] for address in session.scalars(latest))
