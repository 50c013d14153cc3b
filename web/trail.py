"""A line of the audit trail in words: what was done, and the facts about it with names in place of numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from web.language import LOCALES, gettext


@dataclass(frozen=True)
class Names:
    """Whom and what the numbers of the trail mean; what is gone keeps its number."""

    mailboxes: Mapping[int, str]
    people: Mapping[int, str]
    roles: Mapping[str, str]


def kinds() -> dict[str, str]:
    return {
        "blocked": gettext("blocked a sender"),
        "unblocked": gettext("no longer blocks a sender"),
        "tag_changed": gettext("changed a tag"),
        "tag_merged": gettext("merged tags"),
        "tag_removed": gettext("deleted a tag"),
        "category_added": gettext("added a category"),
        "category_changed": gettext("changed a category"),
        "category_removed": gettext("deleted a category"),
        "field_added": gettext("added a field"),
        "field_changed": gettext("changed a field"),
        "field_removed": gettext("deleted a field"),
        "first_admin": gettext("made the first account"),
        "joined": gettext("took up the invitation"),
        "password_reset": gettext("set a new password by link"),
        "reset_asked": gettext("A new password was asked for"),
        "password_changed": gettext("changed the password"),
        "sessions_ended": gettext("signed out all other browsers"),
        "signed_in": gettext("signed in"),
        "person_added": gettext("added a person"),
        "invited": gettext("invited"),
        "person_changed": gettext("changed a person's rights"),
        "webhook_added": gettext("added a webhook"),
        "webhook_removed": gettext("removed a webhook"),
        "answer_text_added": gettext("wrote a text for rules"),
        "answer_text_changed": gettext("changed a text for rules"),
        "answer_text_removed": gettext("removed a text for rules"),
        "mailbox_added": gettext("connected a mailbox"),
        "mailbox_changed": gettext("changed a mailbox's settings"),
        "mailbox_on": gettext("switched reading on"),
        "mailbox_off": gettext("switched reading off"),
        "mailbox_removed": gettext("removed a mailbox"),
        "sending_paused": gettext("paused sending"),
        "sending_resumed": gettext("let sending go on"),
        "send_check_changed": gettext("changed the check before sending"),
        "auto_answers_changed": gettext("changed automatic answers"),
        "auto_answers_let_go": gettext("let automatic answers leave again"),
        "approvers_changed": gettext("changed who may approve"),
        "approvers_removed": gettext("removed approvers"),
        "approval_policy_changed": gettext("changed an approval policy"),
        "approval_policy_removed": gettext("removed an approval policy"),
        "new_staff_changed": gettext("changed who counts as new"),
        "backfill_asked": gettext("asked for older mail"),
        "quarantine_left_aside": gettext("left mail of the quarantine aside"),
        "rule_added": gettext("added a rule"),
        "rule_changed": gettext("changed a rule"),
        "rule_switched": gettext("switched a rule on or off"),
        "rules_arranged": gettext("put the rules into another order"),
        "rule_removed": gettext("removed a rule"),
        "team_added": gettext("added a team"),
        "team_changed": gettext("changed a team"),
        "team_removed": gettext("removed a team"),
        "capacity_changed": gettext("changed what a person can take on"),
        "shift_changed": gettext("changed a person’s working hours"),
        "fallback_changed": gettext("changed who gets what nobody else can take"),
        "calendar_changed": gettext("changed the working hours"),
        "calendar_removed": gettext("removed working hours"),
        "policy_changed": gettext("changed a deadline policy"),
        "policy_removed": gettext("removed a deadline policy"),
        "quarantine_reprocessed": gettext("sent mail from the quarantine through again"),
    }


def facts(about: Mapping[str, Any], names: Names) -> list[tuple[str, str]]:
    """The facts of a line, flat: (name, value)."""
    flat: list[tuple[str, str]] = []
    words = _fact_words()
    for name, value in about.items():
        if not isinstance(value, dict):
            flat.append((words.get(name, name), _value(name, value, names)))
            continue
        for inner, of in value.items():
            label = words.get(inner, inner)
            told = {
                "before": gettext("%(what)s before", what=label),
                "after": gettext("%(what)s now", what=label),
            }.get(name, label)
            flat.append((told, _value(inner, of, names)))
    return flat


def _fact_words() -> dict[str, str]:
    receiving, sending = gettext("Receiving (IMAP)"), gettext("Sending (SMTP)")
    return {
        "email": gettext("E-mail address"),
        "role": gettext("Role"),
        "active": gettext("May sign in"),
        "user_id": gettext("Person"),
        "mailbox_id": gettext("Mailbox"),
        "mailbox_ids": gettext("Mailboxes"),
        "ip": gettext("IP address"),
        "count": gettext("Mails"),
        "ids": gettext("Numbers"),
        "since": gettext("Since"),
        "calendar": gettext("Calendar"),
        "policy": gettext("Deadline policy"),
        "name": gettext("What the team calls it"),
        "address": gettext("Address"),
        "display_name": gettext("Name in “From”"),
        "aliases": gettext("Other addresses of this mailbox"),
        "folders": gettext("Folders to read"),
        "sent_folder": gettext("Sent folder"),
        "server_files_sent": gettext("The server keeps sent mail"),
        "colour": gettext("Colour"),
        "locale": gettext("Language"),
        "quote_replies": gettext("Quote the answered mail below the answer"),
        **{f"imap_{name}": f"{receiving} · {word}" for name, word in _server_words().items()},
        **{f"smtp_{name}": f"{sending} · {word}" for name, word in _server_words().items()},
    }


def _server_words() -> dict[str, str]:
    return {
        "host": gettext("Server"),
        "port": gettext("Port"),
        "security": gettext("Encryption"),
        "user": gettext("User name"),
    }


def _value(name: str, value: object, names: Names) -> str:
    if isinstance(value, list | tuple):
        inner = {"mailbox_ids": "mailbox_id"}.get(name, name)
        return gettext(", ").join(_value(inner, one, names) for one in value) or "–"
    if value in (None, ""):
        return "–"
    if isinstance(value, bool):
        return gettext("yes") if value else gettext("no")
    known: Mapping[Any, str] = {
        "mailbox_id": names.mailboxes,
        "user_id": names.people,
        "role": names.roles,
        "locale": LOCALES,
        "imap_security": {"tls": "TLS", "starttls": "STARTTLS"},
        "smtp_security": {"tls": "TLS", "starttls": "STARTTLS"},
    }.get(name, {})
    return known.get(value, str(value))
