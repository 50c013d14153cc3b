"""Reads the notices that servers write for people, in their own words: who was not reached, why, and for how long."""

from __future__ import annotations

import re

from inbox.mail.bounce import report, returned
from inbox.mail.bounce.addresses import addresses
from inbox.mail.bounce.notice import TEXT_LIMIT, Notice
from inbox.mail.bounce.reasons import permanent_by, reason_of, reply_in, status_in
from inbox.mail.bounce.report import Failure
from inbox.mail.bounce.signs import SUBJECT_LIMIT, Signs, signs_of
from inbox.mail.facts import ParsedMail

BLOCK_LINES = 12  # lines after a recipient that may tell why
RECIPIENTS_LIMIT = 200

# "Final-Recipient: rfc822; a@b", "Failed Recipient: a@b", "Undeliverable Address: a@b", ">>> RCPT TO:<a@b>" ...
_NAMED = re.compile(
    r"""^[\s*>|<-]{0,12}(?:
        (?:final|original|failed|intended|undelivered|invalid|bad)?[ -]?recipients?(?:\(s\))? | error-for
          | undeliverable\ address
      | (?:failed|invalid|bad|unknown)\ (?:address|user|addressee)(?:es)? | (?:[a-z]+\ )?(?:<<<
        |>>>)?\s*rcpt\ to | \[status:\ error,\ address
      | unable\ to\ deliver\ (?:mail|message)?\s?to | invalid\ final\ delivery\ userid | unknown\ user
        | no\ such\ user
      | (?:in:|out:|sent|c:|->)\s*<{0,3}\s*rcpt\ to
    )\s?:""",
    re.IGNORECASE | re.VERBOSE,
)
# A line that begins with an address: "<a@b>:", "  * a@b", "> a@b", "a@b on Thu, 29 Apr", "a@b ... unknown host"
_LEADS = re.compile(
    r"^[\s*>|•・-]{0,24}[<\"'(\[]{0,2}(?:mailto:"
    r"|smtp:)?[^\s<>\"'()\[\]:;,]{1,64}@[^\s<>\"'()\[\]:;,]{1,255}[>\"')\]]{0,2}\s*(?:$|[:;,.(<-]|\.\.\."
    r"|on\ |\S+\ )",
    re.IGNORECASE,
)
_LEADS_ALONE = re.compile(
    r"^[\s*>|•・-]{0,24}[<\"'(\[]{0,2}(?:mailto:"
    r"|smtp:)?[^\s<>\"'()\[\]:;,]{1,64}@[^\s<>\"'()\[\]:;,]{1,255}[>\"')\]]{0,2}\s*(?:$|:|;|,|\.\.\.|\(|\["
    r"|on \w{3},|-)",
    re.IGNORECASE,
)
_FROM_LIST = re.compile(r"^\s*\(?(?:expanded|generated) from:?\s", re.IGNORECASE)
_DIRECTORY = re.compile(r"c=[^;]{0,40};.{0,200}(?:smtp|rfc822)=([^;\s]{1,64}@[^;\s]{1,255})", re.IGNORECASE)
# A sentence that names the address: "Could not be delivered to: <a@b>", "error delivering your mail to <a@b>"
_SENTENCE = re.compile(
    r"(?:un)?deliver|not reach|reach|addressed to|rejected|unavailable|unknown|mailbox|quota|postponed"
    r"|failed|user|account|no such|recipient|mailing list|duplicated"
    r"|pas pu|entregad|zugestellt|recapitat|送信|配信|配送|投递|投遞|доставлен",
    re.IGNORECASE,
)
_ASIDE = re.compile(
    r"contact|assist|further help|questions?|please (?:see|visit|forward|send|call)|postmaster@|https?://"
    r"|mail from|^\s*(?:from|sender|reply-to|subject|date|sent|cc|bcc|to)\s?:|original sender|fran?om:"
    r"|問い合わせ|ご連絡",
    re.IGNORECASE,
)
_REPLIED = re.compile(
    r"(?:^|[\s:<(\"\]#\[])[45]\d\d[ -]|[45]\.\d{1,3}\.\d{1,3}|\bsaid:|does not like recipient|error", re.IGNORECASE
)

# The mail is still in the queue: a warning, whatever codes stand beside it.
_WAITING = re.compile(
    r"warning message only|this is (?:just|only) a warning|not yet been delivered"
    r"|delivery attempts will (?:be )?continue|attempts will continue|(?:will|to) be retried"
    r"|will keep trying"
    r"|has been (?:delayed|postponed)|still undelivered|temporary failure report|we will (?:continue|keep)"
    r"|will continue to (?:try|attempt)|is delayed for more|kept in the queue"
    r"|will be attempted again|continue to be made"
    r"|再送を(?:試み|続け|行い)|配信が遅れ|verzögert|retardé|se seguirá intentando"
)
_WAITING_SUBJECT = re.compile(
    r"\b(?:delayed|delay|warning|still being retried|not yet delivered|verzögert|遅延)\b", re.IGNORECASE
)


def read(mail: ParsedMail, notice: Notice) -> list[Failure]:
    """One failure for each recipient that the notice names; [] when the mail does not look like a notice."""
    signs = signs_of(mail, notice)
    attached = report.read_attached(mail) if signs.machine else None
    if attached is not None:
        return [failure for failure in attached if failure.failed]
    if not signs.notice:
        return []
    named = _recipients(mail, notice, signs)
    if not named:
        return [_failure(mail, notice, "")] if signs.certain else []
    return [_failure(mail, notice, address) for address in named[:RECIPIENTS_LIMIT]]


def diagnostic(notice: Notice, recipient: str = "") -> str:
    """The lines that tell why: those after the recipient's own, else those with a reply, else the first words."""
    block = _block(notice, recipient)
    replies = [line.strip() for line in block if _REPLIED.search(line)]
    told = replies or [line.strip() for line in block if line.strip()]
    if not told:
        told = [line.strip() for line in notice.lines if _REPLIED.search(line)] or [
            line.strip() for line in notice.lines if line.strip()
        ]
    return " ".join(told)[:1_000]


def _failure(mail: ParsedMail, notice: Notice, recipient: str) -> Failure:
    told = diagnostic(notice, recipient)
    everything = "\n".join(notice.lines)
    status = status_in(told) or status_in(everything)
    reply = reply_in("\n".join(_block(notice, recipient))) or reply_in(everything)
    permanent = permanent_by(status, reply)
    if _is_waiting(mail, notice):
        permanent = False
    return Failure(
        recipient=recipient,
        failed=True,
        permanent=True if permanent is None else permanent,
        status=status,
        reason=reason_of(told, status=status) or reason_of(everything, status=status),
        diagnostic=told,
    )


def _is_waiting(mail: ParsedMail, notice: Notice) -> bool:
    flat = notice.flat
    if _WAITING.search(flat):
        return "failed permanently" not in flat and "permanent error" not in flat
    if _WAITING_SUBJECT.search(mail.subject[:SUBJECT_LIMIT]) is None or "permanent" in flat or "failed" in flat:
        return False
    return permanent_by(status_in(flat)) is not True and reason_of(flat) not in (
        "userunknown",
        "hostunknown",
        "hasmoved",
    )


def _block(notice: Notice, recipient: str) -> list[str]:
    """The lines about one recipient: from the line that names it first to the next recipient's line."""
    if not recipient:
        return []
    wanted = recipient.lower()
    start = next((number for number, line in enumerate(notice.lines) if wanted in line.lower()), None)
    if start is None:
        return []
    block = [notice.lines[start]]
    for line in notice.lines[start + 1 : start + 1 + BLOCK_LINES]:
        if _LEADS_ALONE.match(line) and wanted not in line.lower():
            break
        block.append(line)
    return block


def _recipients(mail: ParsedMail, notice: Notice, signs: Signs) -> list[str]:
    """Who was not reached, the surest way of telling first."""
    head = returned.head_of(mail, notice)
    not_these = _lower(returned.senders(head)) | {one.address.lower() for one in mail.from_}
    ours = {one.address.lower() for one in mail.to + mail.cc}
    failed = addresses(mail.header("X-Failed-Recipients")[:TEXT_LIMIT])[:RECIPIENTS_LIMIT]
    if failed:
        return failed
    for found in (_named(notice), _leading(notice), _told(notice), addresses(mail.subject[:SUBJECT_LIMIT])):
        kept = [one for one in found if one.lower() not in not_these]
        kept = [one for one in kept if one.lower() not in ours] or kept
        if kept:
            return kept
    sent_to = returned.recipients(head)
    return sent_to if signs.certain and len(sent_to) == 1 else []


def _named(notice: Notice) -> list[str]:
    found: list[str] = []
    for line in notice.lines:
        match = _NAMED.match(line)
        if match:
            found += addresses(line[match.end() :])
        match = _DIRECTORY.search(line)
        if match:
            found.append(match.group(1))
    return list(dict.fromkeys(found))


def _leading(notice: Notice) -> list[str]:
    found: list[str] = []
    for line in notice.lines:
        if "@" not in line or _ASIDE.search(line):
            continue
        if _LEADS_ALONE.match(line) or (_LEADS.match(line) and _REPLIED.search(line)):
            found += addresses(line)[:1]
        elif _FROM_LIST.match(line):
            found += addresses(line)[:1]  # the address that was written to, before an alias turned it into another
    return list(dict.fromkeys(found))


def _told(notice: Notice) -> list[str]:
    """Addresses in sentences about failing; a sentence may begin on the line before."""
    found: list[str] = []
    before = ""
    for line in notice.lines:
        if "@" in line and not _ASIDE.search(line) and _SENTENCE.search(before + " " + line):
            found += addresses(line)
        if line.strip():
            before = line
    return list(dict.fromkeys(found))


def _lower(found: list[str]) -> set[str]:
    return {one.lower() for one in found}
