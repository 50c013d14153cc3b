"""What rules may ask about a mail and its conversation: the facts, the fields' kinds, and the ids that exist."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import time
from typing import Literal

from routing.words import OPERATORS

MAIL_KINDS = ("person", "auto_reply", "bounce", "feedback_report", "list")
STATUSES = ("open", "waiting", "snoozed", "closed", "spam")
PRIORITIES = ("low", "normal", "high", "urgent")


@dataclass(frozen=True, slots=True, kw_only=True)
class MailFacts:
    """One mail and its conversation as all rules of one evaluation see them; every field of a condition is one here.

    Ids are the database's, None for nobody or unknown. `words` are the new words (no quotes, no signature). `size` is
    in bytes. `local_time` and `weekday` (1 Monday to 7 Sunday) are the arrival's in the mailbox's time zone, `in_hours`
    tells whether its calendar was open then. `previous_owner_id` is who last owned a conversation of this customer, or
    this conversation before it was closed. `minutes_waited` are working minutes since the oldest unanswered customer
    message, None when nothing waits. `headers` are (name, decoded value) in order. For a status change or a schedule
    the mail is the conversation's last incoming one.
    """

    sender_address: str = ""
    sender_name: str = ""
    sender_domain: str = ""
    customer_id: int | None = None
    customer_name: str = ""
    customer_company: str = ""
    customer_tier: str = ""
    customer_phase: str = ""
    first_contact: bool | None = None
    recipient_addresses: tuple[str, ...] = ()  # To, Cc and the envelope's where known
    mailbox_id: int | None = None
    subject: str = ""
    words: str = ""
    language: str = ""  # ISO 639-1: ja, en
    attachment_names: tuple[str, ...] = ()
    attachment_types: tuple[str, ...] = ()  # application/pdf
    attachment_count: int = 0
    size: int = 0
    kind: str = "person"  # MAIL_KINDS
    headers: tuple[tuple[str, str], ...] = ()
    in_hours: bool | None = None
    local_time: time | None = None
    weekday: int | None = None
    tags: frozenset[int] = frozenset()
    owner_id: int | None = None
    previous_owner_id: int | None = None
    team_id: int | None = None
    status: str = "open"  # STATUSES
    priority: str = "normal"  # PRIORITIES
    minutes_waited: int | None = None
    message_count: int = 1


FieldKind = Literal["text", "texts", "header", "choice", "id", "ids", "number", "flag", "weekday", "time"]


@dataclass(frozen=True, slots=True)
class Field:
    """What a condition may ask of one field. `known` names the ids of `Known` that its values must be among."""

    kind: FieldKind
    choices: tuple[str, ...] = ()
    known: str = ""

    @property
    def operators(self) -> tuple[str, ...]:
        return _OPERATORS[self.kind]


_OPERATORS: Mapping[FieldKind, tuple[str, ...]] = {
    "text": (*OPERATORS, "empty"),
    "texts": (*OPERATORS, "empty"),
    "header": (*OPERATORS, "empty"),
    "choice": ("is",),
    "id": ("is", "empty"),
    "ids": ("is", "empty"),
    "number": ("is", "at_least", "at_most"),
    "flag": ("is",),
    "weekday": ("is",),
    "time": ("between",),
}

FIELDS: Mapping[str, Field] = {
    "sender_address": Field("text"),
    "sender_name": Field("text"),
    "sender_domain": Field("text"),
    "customer_id": Field("id"),
    "customer_name": Field("text"),
    "customer_company": Field("text"),
    "customer_tier": Field("text"),
    "customer_phase": Field("text"),
    "first_contact": Field("flag"),
    "recipient_addresses": Field("texts"),
    "mailbox_id": Field("id", known="mailboxes"),
    "subject": Field("text"),
    "words": Field("text"),
    "language": Field("text"),
    "attachment_names": Field("texts"),
    "attachment_types": Field("texts"),
    "attachment_count": Field("number"),
    "size": Field("number"),
    "kind": Field("choice", choices=MAIL_KINDS),
    "headers": Field("header"),
    "in_hours": Field("flag"),
    "local_time": Field("time"),
    "weekday": Field("weekday"),
    "tags": Field("ids", known="tags"),
    "owner_id": Field("id", known="people"),
    "previous_owner_id": Field("id", known="people"),
    "team_id": Field("id", known="teams"),
    "status": Field("choice", choices=STATUSES),
    "priority": Field("choice", choices=PRIORITIES),
    "minutes_waited": Field("number"),
    "message_count": Field("number"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """The ids that exist and may be named in a rule; a deactivated person is not among `people`."""

    people: frozenset[int] = frozenset()
    teams: frozenset[int] = frozenset()
    tags: frozenset[int] = frozenset()
    mailboxes: frozenset[int] = frozenset()
    templates: frozenset[int] = frozenset()
    deadline_policies: frozenset[int] = frozenset()
    webhooks: frozenset[int] = frozenset()
