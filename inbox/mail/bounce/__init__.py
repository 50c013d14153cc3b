"""Reads what came back: delivery failures and delays (RFC 3464 or a server's own words) and complaints (RFC 5965).

`read` asks two readers, the more trustworthy first:

1. `report`: the machine-readable report of RFC 3464, wherever in the mail it stands and however it is labelled
   (and `notification`: the same in JSON, as Amazon SES sends it);
2. `words`: the notice that a server wrote for people, in its own words.

Everything is bounded by the sizes in `notice`; nothing here raises for any mail. The package flufl.bounce is not asked:
on the mails that we tried it found one failure more, took ordinary mails for bounces, and needed 6 s for 128 kB of
empty lines.
"""

from __future__ import annotations

from inbox.mail.bounce import notification, report, words
from inbox.mail.bounce.complaint import Complaint, feedback
from inbox.mail.bounce.notice import Notice, notice_of
from inbox.mail.bounce.reasons import reason_of, status_in
from inbox.mail.bounce.returned import original_id
from inbox.mail.facts import Bounce, ParsedMail

__all__ = ["Complaint", "feedback", "read"]

DIAGNOSTIC_LIMIT = 1_000  # characters


def read(mail: ParsedMail) -> Bounce | None:
    """The failure or delay that `mail` reports, or None when it reports none.

    A delay ("will keep trying") is a bounce that is not permanent. A report that only tells of success
    (delivered, relayed, expanded) and a complaint are no bounces.
    """
    if feedback(mail) is not None:
        return None
    notice = notice_of(mail)
    told = notification.read(notice)
    if told is None:
        told = report.read(mail)
    failures = words.read(mail, notice) if told is None else [failure for failure in told if failure.failed]
    return _bounce(mail, notice, failures) if failures else None


def _bounce(mail: ParsedMail, notice: Notice, failures: list[report.Failure]) -> Bounce:
    """One answer from the failures of all recipients: the worst one speaks for the mail."""
    worst = max(failures, key=lambda failure: (failure.permanent is True, failure.permanent is False))
    recipients = tuple(dict.fromkeys(failure.recipient for failure in failures if failure.recipient))
    diagnostic = worst.diagnostic or words.diagnostic(notice, worst.recipient)
    status = _finer(worst.status, diagnostic)
    return Bounce(
        recipients=recipients,
        permanent=worst.permanent,
        status=status,
        reason=(worst.diagnostic and worst.reason) or reason_of(diagnostic, status=status),
        diagnostic=diagnostic[:DIAGNOSTIC_LIMIT],
        original_message_id=original_id(mail, notice),
    )


def _finer(status: str, diagnostic: str) -> str:
    """5.0.0 says nothing: a code of the same class in the server's words says more."""
    told = status_in(diagnostic) if status in ("", "4.0.0", "5.0.0") else ""
    return told if told and told[0] == (status or told)[0] else status
