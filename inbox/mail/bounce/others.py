"""Asks flufl.bounce about notices that our own readers did not understand; only for mails that machines wrote."""

from __future__ import annotations

import email
import logging

from flufl.bounce import all_failures

from inbox.mail.bounce.notice import Notice
from inbox.mail.bounce.reasons import permanent_by, reason_of, reply_in, status_in
from inbox.mail.bounce.report import Failure
from inbox.mail.bounce.signs import signs_of
from inbox.mail.facts import ParsedMail

RAW_LIMIT = 128_000  # bytes that it may look at: its patterns walk every line of every part

_log = logging.getLogger(__name__)


def read(mail: ParsedMail, notice: Notice, raw: bytes | None) -> list[Failure]:
    """Its failures, [] when it knows none. It took ordinary mails for bounces in our trials, so a machine's sign is asked for."""
    if raw is None or not signs_of(mail, notice).machine:
        return []
    try:
        temporary, permanent = all_failures(email.message_from_bytes(raw[:RAW_LIMIT]))
    except Exception:  # noqa: BLE001 - a foreign reader of hostile bytes: whatever it raises means "not understood"
        _log.debug("flufl.bounce gave up on a mail", exc_info=True)
        return []
    return [_failure(notice, address, permanent=False) for address in sorted(temporary)] + [_failure(notice, address, permanent=True) for address in sorted(permanent)]


def _failure(notice: Notice, address: bytes, *, permanent: bool) -> Failure:
    words = "\n".join(notice.lines)
    status = status_in(words)
    told = permanent_by(status, reply_in(words))
    return Failure(
        recipient=address.decode("utf-8", "replace"),
        failed=True,
        permanent=permanent if told is None or not permanent else told,
        status=status,
        reason=reason_of(words, status=status),
        diagnostic="",
    )
