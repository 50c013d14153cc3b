"""Says which mails belong together: by the ids that they name, never by subject alone.

A conversation's mails are found by keys. Every Message-ID becomes a fixed key (`key`); a mail stands under its own
(`own_key`) and names those that it answers (`keys`). Two mails that name the same unseen parent belong together, as in
Jamie Zawinski's algorithm. Our own mails carry signed ids, so that an answer to one of them is believed at once.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

from inbox.mail.facts import ParsedMail

ID_LIMIT = 998  # characters of a Message-ID: a line of RFC 5322 §2.1.1
LAST_REFERENCES = 60  # ids that are kept of a long References header: the nearest parents ...
FIRST_REFERENCES = 5  # ... and the roots
OWN_ID_LIMIT = 120  # characters of our own Message-IDs, brackets included
SUBJECT_LIMIT = 400_000  # characters of a subject from which prefixes are taken
RECENT = timedelta(days=30)  # a closed conversation is suggested so long after its last mail
OPEN_RECENT = timedelta(days=180)  # and an open one so long

_PREFIX = re.compile(
    r"""\s*(?:
        (?:re|fwd?|aw|wg|sv|vs|vb|antw|antwort|doorst|tr|rv|res|enc|rif|r|i|odp|pd|ynt|ilt|ha|bls|trs
          |vá|továbbítás|atb|fs|sl|tl|re-?enviad[oa]|reenv
          |hv|va|vl|ant|σχετ|απ|πρθ|отв|ответ|пересл|回复|回覆|答复|答覆|转发|轉寄|轉發|転送|返信|회신|답장|전달)
        \s*(?:\[\d{1,4}\]|\(\d{1,4}\)|\^\d{1,4}|\d{1,3})?\s*[:：]
      | (?:転送|返信|回复|转发)[】\]]?\s
    )\s*""",
    re.IGNORECASE | re.VERBOSE,
)
_TAG = re.compile(r"\s*(?:\[[^\[\]]{0,80}\]|【(?:返信|転送|再送)】)\s*")
_TAIL = re.compile(r"\s*\((?:fwd|fw|転送)\)\s*$", re.IGNORECASE)

_OWN_ID = re.compile(r"^m\.([0-9a-z]{1,13})\.([0-9A-Za-z_-]{1,24})\.([a-z2-7]{26})$")
_OWN_ID_PURPOSE = b"madoguchi message-id 1\x00"
_SAFE_TOKEN = re.compile(r"^[0-9A-Za-z_-]{1,24}$")


# --- keys -------------------------------------------------------------------------------------------------------


def key(message_id: str) -> str:
    """The fixed key of a Message-ID: 32 hexadecimal digits. Brackets, folding, needless quotes make no difference."""
    return hashlib.sha256(_normal(message_id).encode("utf-8", "surrogatepass")).hexdigest()[:32]


def own_key(mail: ParsedMail) -> str:
    """The key that `mail` itself stands under: its Message-ID's, or its `content_key` when it has none."""
    return key(mail.message_id) if _normal(mail.message_id) else content_key(mail)


def content_key(mail: ParsedMail) -> str:
    """A key from what the sender wrote, the same from every folder that the mail is fetched from. Serves mails with no
    Message-ID, and those that reuse the id of another mail (see `is_copy`)."""
    digest = hashlib.sha256(b"no message-id\x00")
    for name in ("From", "Sender", "To", "Cc", "Subject", "Date", "In-Reply-To", "References"):
        digest.update("\x00".join((name, *mail.header_all(name), "")).encode("utf-8", "surrogatepass"))
    for part in mail.parts:
        digest.update(part.sha256.encode())
    if not mail.parts:
        digest.update((mail.subject + "\x00" + mail.text + "\x00" + mail.html).encode("utf-8", "surrogatepass"))
    return digest.hexdigest()[:32]


def is_copy(mail: ParsedMail, other: ParsedMail) -> bool:
    """Whether two mails with one Message-ID are the same mail that came twice (over two of our addresses, say) and not
    two mails of a program that writes the same id on everything: sender and date are told and equal."""
    return bool(mail.from_) and mail.from_ == other.from_ and mail.date is not None and mail.date == other.date


def keys(mail: ParsedMail) -> tuple[str, ...]:
    """Keys of the mails that `mail` names, the most trustworthy first: In-Reply-To, then References from the last to
    the first. At most `LAST_REFERENCES` + `FIRST_REFERENCES` of the latter; its own id is left out."""
    references = mail.references
    if len(references) > LAST_REFERENCES + FIRST_REFERENCES:
        references = references[:FIRST_REFERENCES] + references[-LAST_REFERENCES:]
    named = (*mail.in_reply_to[:FIRST_REFERENCES], *reversed(references))
    own = own_key(mail)
    return tuple(dict.fromkeys(found for found in (key(one) for one in named if _normal(one)) if found != own))


def group(mails: Sequence[ParsedMail]) -> list[int]:
    """A conversation number for each mail, counted from 1 in order of arrival.

    Jamie Zawinski's algorithm by ids alone (RFC 5256 §3, steps 1 and 2): each mail hangs under the nearest mail that it
    names, seen or not; what others say of a mail's parent counts until that mail itself says something else.
    """
    links = _Links()
    seen: dict[str, ParsedMail] = {}
    owns = []
    for mail in mails:
        own = own_key(mail)
        if own in seen and not is_copy(mail, seen[own]):
            own = f"{content_key(mail)}.{len(owns)}"
        seen.setdefault(own, mail)
        owns.append(own)
        links.hang(own, tuple(reversed(keys(mail))))
    numbers: dict[str, int] = {}
    return [numbers.setdefault(links.root(own), len(numbers) + 1) for own in owns]


class _Links:
    """Which mail hangs under which; keys of mails that nobody has seen hang here too."""

    def __init__(self) -> None:
        self._parents: dict[str, str] = {}
        self._bearing: set[str] = set()  # those that others hang under: only they can close a ring

    def hang(self, own: str, chain: tuple[str, ...]) -> None:
        """Links the mails of a chain (root first), and `own` under its last one whatever was said of it before."""
        for parent, child in pairwise(chain):
            if child not in self._parents:
                self._link(parent, child)
        if chain:
            self._parents.pop(own, None)
            self._link(chain[-1], own)

    def root(self, node: str) -> str:
        while node in self._parents:
            node = self._parents[node]
        return node

    def _link(self, parent: str, child: str) -> None:
        if child in self._bearing and self.root(parent) == child:
            return  # would close a ring
        self._parents[child] = parent
        self._bearing.add(parent)


def _normal(message_id: str) -> str:
    """Without brackets, white space and quotes that RFC 5322 does not need (`<"a"@b>` is `<a@b>`)."""
    text = "".join(message_id[: 4 * ID_LIMIT].split()).strip("<>")[:ID_LIMIT]
    local, sign, domain = text.rpartition("@")
    if sign and len(local) > 2 and local[0] == local[-1] == '"' and re.fullmatch(r"[^\s\"\\@<>]+", local[1:-1]):
        return local[1:-1] + sign + domain
    return text


# --- subjects ---------------------------------------------------------------------------------------------------


def base_subject(subject: str) -> str:
    """The subject without Re:, Fwd:, AW:, SV:, 返信:, 転送:, [tag] and the like; linear in its length. Case is kept."""
    subject = subject[:SUBJECT_LIMIT]
    position = 0
    while True:
        match = _PREFIX.match(subject, position)
        if match is None:
            match = _TAG.match(subject, position)
            if match is not None and not subject[match.end() : match.end() + 1]:
                break  # a tag that is all there is says something
        if match is None:
            break
        position = match.end()
    words = " ".join(subject[position:].split())
    return _TAIL.sub("", words)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A conversation of the same person that a mail might belong to."""

    conversation_id: int
    subject: str
    is_open: bool
    last_at: datetime  # UTC, aware


def suggest(subject: str, candidates: Sequence[Candidate], *, now: datetime) -> int | None:
    """The conversation that a mail with no ids of ours *might* belong to, for a person to decide; None for none.

    `candidates` are conversations of the mail's own sender. The base subject must be the same and say something, the
    conversation be open or lately closed; open ones go first, then the latest.
    """
    wanted = base_subject(subject).casefold()
    if len(wanted) < 2:
        return None
    fitting = [one for one in candidates if _is_near(one, now) and base_subject(one.subject).casefold() == wanted]
    best = max(fitting, key=lambda one: (one.is_open, one.last_at, one.conversation_id), default=None)
    return best.conversation_id if best else None


def _is_near(candidate: Candidate, now: datetime) -> bool:
    return now - candidate.last_at <= (OPEN_RECENT if candidate.is_open else RECENT)


# --- our own ids ------------------------------------------------------------------------------------------------


def new_message_id(secret: bytes, conversation_id: int, message_token: str, domain: str) -> str:
    """A Message-ID (with brackets, at most `OWN_ID_LIMIT` characters) that says which conversation it belongs to,
    signed so that nobody else can write one. `message_token` makes it unique; `domain` is the mailbox's own.

    Raises ValueError for a negative conversation id, an empty token or domain."""
    if conversation_id < 0 or not message_token or not domain.strip("."):
        raise ValueError("a conversation id of 0 or more, a token and a domain are needed")
    token = message_token if _SAFE_TOKEN.match(message_token) else _shortened(message_token)
    told = f"{_base36(conversation_id)}.{token}"
    local = f"m.{told}.{_signature(secret, told)}"
    return f"<{local}@{_short_domain(domain, OWN_ID_LIMIT - len(local) - 3)}>"


def read_own_id(secret: bytes, message_id: str) -> int | None:
    """The conversation that a Message-ID of ours names; None when it is not ours or was changed. The domain is not
    signed: gateways rewrite it."""
    local = _normal(message_id).rpartition("@")[0]
    match = _OWN_ID.match(local)
    if match is None:
        return None
    told = f"{match.group(1)}.{match.group(2)}"
    if not hmac.compare_digest(_signature(secret, told), match.group(3)):
        return None
    return int(match.group(1), 36)


def looks_like_ours(message_id: str) -> bool:
    """Whether a Message-ID has the form of ours, signed or not: unsigned it is a forgery and must join nothing."""
    return _OWN_ID.match(_normal(message_id).rpartition("@")[0]) is not None


def _shortened(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()[:24]


def _signature(secret: bytes, told: str) -> str:
    """16 bytes of HMAC-SHA256 in 26 characters that need no quoting (base32 in lower case)."""
    digest = hmac.new(secret, _OWN_ID_PURPOSE + told.encode(), hashlib.sha256).digest()[:16]
    return base64.b32encode(digest).decode().rstrip("=").lower()


def _base36(number: int) -> str:
    digits = ""
    while True:
        number, digit = divmod(number, 36)
        digits = "0123456789abcdefghijklmnopqrstuvwxyz"[digit] + digits
        if not number:
            return digits


def _short_domain(domain: str, limit: int) -> str:
    """The domain in ASCII; of one that is too long, its last labels."""
    try:
        ascii_domain = domain.strip(".").encode("idna").decode().lower()
    except UnicodeError:
        ascii_domain = hashlib.sha256(domain.encode("utf-8", "surrogatepass")).hexdigest()[:16] + ".invalid"
    safe = re.sub(r"[^a-z0-9.-]", "-", ascii_domain)
    while len(safe) > limit and "." in safe:
        safe = safe.partition(".")[2]
    return safe[-limit:].lstrip(".-") or "invalid"
