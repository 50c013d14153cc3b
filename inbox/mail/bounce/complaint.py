"""Reads feedback reports (ARF, RFC 5965): a recipient told his provider that a mail was not wanted."""

from __future__ import annotations

import re
from dataclasses import dataclass

from inbox.mail.bounce import notification
from inbox.mail.bounce.addresses import addresses, first_address
from inbox.mail.bounce.notice import PARTS_LIMIT, notice_of, text_of
from inbox.mail.bounce.report import fields_of
from inbox.mail.bounce.returned import head_of, original_id, recipients
from inbox.mail.facts import ParsedMail

# Providers that forward the complained mail with no report of RFC 5965.
_SUBJECT = re.compile(
    r"^\s*(?:complaint about message from|feedback report|abuse report|email abuse report)\b", re.IGNORECASE
)
_UNSUBSCRIBE = re.compile(
    r"\b(?:sent this (?:e-?mail|message) to unsubscribe|list-unsubscribe request)\b", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Complaint:
    """`type` is RFC 5965's Feedback-Type (abuse, fraud, opt-out, auth-failure, ...), "" when not told."""

    type: str
    recipients: tuple[str, ...]  # who complained, () when the provider hides it
    source: str  # the address or host that sent the mail, "" when not told
    original_message_id: str  # of the mail that was complained about, with brackets, "" when not told


def feedback(mail: ParsedMail) -> Complaint | None:
    """The complaint that `mail` reports, or None when it is no feedback report."""
    notice = notice_of(mail)
    complained = notification.complaint(notice)
    if complained is not None:
        return Complaint(complained.type, complained.recipients, "", complained.message_id)
    fields = _fields(mail)
    if fields is None and not _forwarded_complaint(mail):
        return None
    fields = fields or {}
    told = addresses("\n".join(fields.get("original-rcpt-to", []) + fields.get("removal-recipient", [])))
    return Complaint(
        type=_first(fields, "feedback-type").lower(),
        recipients=tuple(told or recipients(head_of(mail, notice))[:1]),
        source=_first(fields, "source-ip") or first_address(_first(fields, "original-mail-from")),
        original_message_id=original_id(mail, notice),
    )


def _fields(mail: ParsedMail) -> dict[str, list[str]] | None:
    labelled = (
        mail.content_type == "multipart/report"
        and mail.content_params.get("report-type", "").lower() == "feedback-report"
    )
    for part in mail.parts[:PARTS_LIMIT]:
        if part.content_type == "message/feedback-report":
            return fields_of(text_of(part))
        if labelled and part.content_type.startswith(("text/", "message/", "application/")):
            fields = fields_of(text_of(part))
            if "feedback-type" in fields:
                return fields
    return {} if labelled else None


def _forwarded_complaint(mail: ParsedMail) -> bool:
    attached = any(part.content_type == "message/rfc822" for part in mail.parts[:PARTS_LIMIT])
    if attached and _SUBJECT.match(mail.subject):
        return True
    automatic = mail.header("Auto-Submitted").strip().lower() not in ("", "no")
    return automatic and _UNSUBSCRIBE.search(mail.text[:2_000]) is not None


def _first(fields: dict[str, list[str]], name: str) -> str:
    return next(iter(fields.get(name, [])), "").strip()
