"""Reads the notifications in JSON that Amazon SES sends for bounces, complaints and deliveries."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from inbox.mail.bounce.notice import TEXT_LIMIT, Notice
from inbox.mail.bounce.reasons import permanent_by, reason_of, reply_in, status_in
from inbox.mail.bounce.report import Failure


@dataclass(frozen=True, slots=True)
class Complained:
    type: str
    recipients: tuple[str, ...]
    message_id: str


def read(notice: Notice) -> list[Failure] | None:
    """The failures of a bounce notification; [] for one that tells of something else; None when it is none at all."""
    told = _told(notice)
    if told is None:
        return None
    bounce = _object(told, "bounce")
    kind = str(bounce.get("bounceType") or "").lower()
    return [_failure(recipient, kind) for recipient in _objects(bounce, "bouncedRecipients")]


def complaint(notice: Notice) -> Complained | None:
    """The complaint that a notification tells of, or None."""
    told = _told(notice)
    if told is None or _kind(told) != "complaint":
        return None
    complained = _object(told, "complaint")
    return Complained(
        type=str(complained.get("complaintFeedbackType") or "").lower(),
        recipients=tuple(str(one.get("emailAddress") or "") for one in _objects(complained, "complainedRecipients")),
        message_id=_message_id(told),
    )


def _failure(recipient: dict[str, Any], kind: str) -> Failure:
    diagnostic = str(recipient.get("diagnosticCode") or "")
    status = status_in(diagnostic) or str(recipient.get("status") or "")
    permanent = permanent_by(status, reply_in(diagnostic))
    if permanent is None and kind in ("permanent", "transient"):
        permanent = kind == "permanent"
    return Failure(
        recipient=str(recipient.get("emailAddress") or ""),
        failed=str(recipient.get("action") or "failed").lower() not in ("delivered", "relayed", "expanded"),
        permanent=permanent,
        status=status,
        reason=reason_of(diagnostic, status=status),
        diagnostic=diagnostic,
    )


def _told(notice: Notice) -> dict[str, Any] | None:
    """The JSON object at the beginning of the words; long lines that a mailer folded are joined again."""
    if not notice.text.lstrip().startswith("{"):
        return None
    text = "\n".join(notice.lines).lstrip()
    if not text.startswith("{") or 'Type"' not in text[:TEXT_LIMIT]:
        return None
    decoder = json.JSONDecoder(strict=False)
    for source in (text, text.replace("\n ", ""), text.replace("\n", "")):
        try:
            value, _ = decoder.raw_decode(source)
        except (ValueError, RecursionError):
            continue
        if isinstance(value, dict) and isinstance(value.get("Message"), str):
            return _inner(value["Message"])
        if isinstance(value, dict) and _kind(value):
            return value
    return None


def _inner(message: str) -> dict[str, Any] | None:
    try:
        value = json.loads(message, strict=False)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) and _kind(value) else None


def _kind(told: dict[str, Any]) -> str:
    return str(told.get("notificationType") or told.get("eventType") or "").lower()


def _message_id(told: dict[str, Any]) -> str:
    common = _object(_object(told, "mail"), "commonHeaders")
    return str(common.get("messageId") or "")


def _object(of: dict[str, Any], name: str) -> dict[str, Any]:
    value = of.get(name)
    return value if isinstance(value, dict) else {}


def _objects(of: dict[str, Any], name: str) -> list[dict[str, Any]]:
    value = of.get(name)
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []
