"""Reads delivery reports (RFC 3464), also mislabelled ones, those in plain text and those that are the whole mail."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from inbox.mail.bounce.addresses import first_address
from inbox.mail.bounce.notice import LINE_LIMIT, PARTS_LIMIT, REPORT_TYPES, text_of
from inbox.mail.bounce.reasons import permanent_by, reason_of, reply_in, status_in
from inbox.mail.facts import ParsedMail, Part

RECIPIENTS_LIMIT = 200  # groups of a report that are read

_FIELD = re.compile(r"^([A-Za-z][A-Za-z0-9-]{1,40})[ \t]?:(.*)$")
_PER_RECIPIENT = frozenset(
    (
        "original-recipient",
        "final-recipient",
        "action",
        "status",
        "remote-mta",
        "diagnostic-code",
        "last-attempt-date",
        "final-log-id",
        "will-retry-until",
    )
)
_NOT_FAILED = ("delivered", "relayed", "expanded")


@dataclass(frozen=True, slots=True)
class Failure:
    """What is told of one recipient; `failed` is False for a success (delivered, relayed, expanded)."""

    recipient: str
    failed: bool
    permanent: bool | None
    status: str
    reason: str
    diagnostic: str


def read(mail: ParsedMail) -> list[Failure] | None:
    """What the report says of each recipient; None when the mail carries no report."""
    for text in _candidates(mail):
        groups = [group for group in groups_of(text) if _is_recipient(group)]
        if groups:
            return [_failure(group) for group in groups[:RECIPIENTS_LIMIT]]
    return None


def read_attached(mail: ParsedMail) -> list[Failure] | None:
    """The same from a report inside an attached message: some gateways wrap their mails so. Only for mails that
    machines wrote: people attach reports to ask about them."""
    for part in mail.parts[:PARTS_LIMIT]:
        if part.content_type == "message/rfc822" and _has_fields(part):
            groups = [group for group in groups_of(text_of(part)) if _is_recipient(group)]
            if groups:
                return [_failure(group) for group in groups[:RECIPIENTS_LIMIT]]
    return None


def _candidates(mail: ParsedMail) -> Iterator[str]:
    """Texts that may be a report: the labelled parts first, then other parts that have its fields."""
    parts = mail.parts[:PARTS_LIMIT]
    yield from (text_of(part) for part in parts if part.content_type in REPORT_TYPES)
    yield from (text_of(part) for part in parts if _may_report(part))


def _may_report(part: Part) -> bool:
    if part.content_type in REPORT_TYPES or part.content_type == "message/rfc822":
        return False
    if not part.content_type.startswith(("text/plain", "message/", "application/octet-stream")):
        return False
    return _has_fields(part)


def _has_fields(part: Part) -> bool:
    head = part.data[:64_000].lower()
    return b"final-recipient:" in head and b"action:" in head


def _is_recipient(group: dict[str, str]) -> bool:
    return ("final-recipient" in group or "original-recipient" in group) and ("action" in group or "status" in group)


def groups_of(text: str) -> list[dict[str, str]]:
    """The groups of fields, names in lower case. Blank lines alone do not end a group (some servers put them anywhere):
    a field of a recipient after a blank line does, and so does one that the group already has."""
    groups: list[dict[str, str]] = [{}]
    name, blank = "", False
    for line in text.splitlines():
        if not line.strip():
            name, blank = "", True
            continue
        match = _FIELD.match(line[:LINE_LIMIT])
        if match is None or line[0] in " \t":
            if name:
                groups[-1][name] += " " + line.strip()[:LINE_LIMIT]
            continue
        name = match.group(1).lower()
        group = groups[-1]
        told = "final-recipient" in group and ("action" in group or "status" in group)
        if name in _PER_RECIPIENT and (name in group or (blank and told)):
            groups.append({})
        groups[-1].setdefault(name, match.group(2).strip())
        blank = False
    return groups


def fields_of(text: str) -> dict[str, list[str]]:
    """All fields of a text, names in lower case, every value of a repeated name."""
    fields: dict[str, list[str]] = {}
    name = ""
    for line in text.splitlines():
        match = _FIELD.match(line[:LINE_LIMIT])
        if match is not None:
            name = match.group(1).lower()
            fields.setdefault(name, []).append(match.group(2).strip())
        elif name and line[:1] in (" ", "\t"):
            fields[name][-1] += " " + line.strip()[:LINE_LIMIT]
    return fields


def _failure(group: dict[str, str]) -> Failure:
    action = "".join(re.findall(r"^[a-z]*", group.get("action", "").strip().lower()))
    diagnostic = group.get("diagnostic-code", "").partition(";")[2].strip() or group.get("diagnostic-code", "").strip()
    status = _status(group.get("status", ""), diagnostic)
    permanent = False if action == "delayed" else permanent_by(status, reply_in(diagnostic))
    words = diagnostic or group.get("status", "")
    return Failure(
        recipient=_recipient(group),
        failed=action not in _NOT_FAILED,
        permanent=True if permanent is None and action not in _NOT_FAILED else permanent,
        status=status,
        reason=reason_of(words, status=status),
        diagnostic=diagnostic,
    )


def _status(field: str, diagnostic: str) -> str:
    """The code in the remote server's own reply says more than the one that our side's server put in the field."""
    return status_in(diagnostic) or status_in(field)


def _recipient(group: dict[str, str]) -> str:
    """The address that was written to (Original-Recipient) before the one that it was turned into."""
    for name in ("original-recipient", "final-recipient", "x-actual-recipient"):
        value = group.get(name, "")
        kind, semicolon, rest = value.partition(";")
        found = first_address(rest if semicolon else kind)
        if found:
            return found
    value = group.get("final-recipient", "").rpartition(";")[2].strip().strip("<>")
    return value if value and not re.search(r"[/|\s]", value) else ""
