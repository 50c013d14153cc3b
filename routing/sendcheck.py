"""The look before sending: who will get it, what hangs on it, and what in it looks wrong. What must be ticked by hand.

What must be ticked has a fingerprint: a recipient more, another file of the same name or a new finding gives another
one, and everything is asked again. Rules' JSON form (`rules_to_json`, `rules_from_json`):

    {"ask": "outside", "words": ["極秘", "社外秘"], "most_visible": 5, "check_names": true, "check_attachments": true}
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal, get_args

from routing import forms
from routing.attachment_words import mentions_attachment
from routing.draft import Attachment, Draft, Line, Recipient, is_within, words_found
from routing.greetings import Names, strangers
from routing.lookalikes import looks_like
from routing.refusals import N_, Refused

LARGE = 10 * 1024 * 1024  # bytes; many servers refuse a mail above it once it is encoded
RISKY = frozenset(
    {"exe", "bat", "cmd", "com", "js", "jse", "vbs", "vbe", "wsf", "ps1", "scr", "msi", "lnk", "iso", "jar", "hta"}
    | {"docm", "xlsm", "pptm", "xlam"}
)

Ask = Literal["always", "outside", "doubtful", "never"]
Badge = Literal["outside", "first_time", "other_domain", "typo"]
FileBadge = Literal["risky", "large", "empty"]
Kind = Literal["word", "name", "no_attachment", "no_subject", "many_visible", "nobody_visible"]
ASKS: tuple[Ask, ...] = get_args(Ask)
NO_NAMES = Names()
DOUBTFUL = frozenset({"first_time", "other_domain", "typo", "risky", "empty"})


@dataclass(frozen=True, slots=True)
class SendRules:
    """A mailbox's rules. `ask` for ticks: always; outside (when anybody outside gets it); doubtful (only what carries a
    badge that says more than outside or large); never. Findings are asked for in all but never. `most_visible` outside
    addresses may stand in To and Cc; None: any number. Raises Refused with the field.
    """

    ask: Ask = "outside"
    words: tuple[str, ...] = ()
    most_visible: int | None = 5
    check_names: bool = True
    check_attachments: bool = True

    def __post_init__(self) -> None:
        if self.ask not in ASKS:
            raise Refused("ask", N_("Choose when recipients have to be ticked."))
        if self.most_visible is not None and self.most_visible < 1:
            raise Refused("most_visible", N_("At least one recipient."))
        for number, word in enumerate(self.words):
            if not word.strip():
                raise Refused(f"words.{number}", N_("An empty entry finds nothing."))


@dataclass(frozen=True, slots=True)
class SendFacts:
    """`customer_domains` of the conversation's customer and company, empty when it has none. `known_domains` are those
    that mail is exchanged with, for slips of the finger; `names` is everybody who gets the mail, and their companies.
    """

    draft: Draft
    names: Names = NO_NAMES
    customer_domains: frozenset[str] = frozenset()
    known_domains: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class CheckedRecipient:
    """`like` is the known domain that this one may be a slip for (badge typo). `tick` names its box, "" for none.

    outside: not one of us. first_time: never exchanged a mail. other_domain: not the customer's.
    """

    address: str
    name: str
    line: Line
    badges: tuple[Badge, ...]
    like: str
    tick: str


@dataclass(frozen=True, slots=True)
class CheckedAttachment:
    """risky: a program or a file with macros; large: above LARGE; empty: nothing in it."""

    name: str
    size: int
    badges: tuple[FileBadge, ...]
    tick: str


@dataclass(frozen=True, slots=True)
class Finding:
    """`found` is what it is about: the warning word, the name, the sentence, the number of addresses.

    word: 警告ワード. name: addressed and none of the recipients. no_attachment: mentioned, but there is none.
    many_visible: more outside addresses of different domains than allowed see each other; Bcc hides them.
    nobody_visible: only Bcc.
    """

    kind: Kind
    found: str
    tick: str


@dataclass(frozen=True, slots=True)
class SendCheck:
    """`ticks` are the boxes in the order of the page; `fingerprint` goes with them in the form."""

    recipients: tuple[CheckedRecipient, ...]
    attachments: tuple[CheckedAttachment, ...]
    findings: tuple[Finding, ...]
    visible_outside: int
    ticks: tuple[str, ...]
    fingerprint: str


def check(facts: SendFacts, rules: SendRules) -> SendCheck:
    """What somebody has to look at before this mail leaves."""
    draft = facts.draft
    asks_all = rules.ask == "always" or (rules.ask == "outside" and any(one.outside for one in draft.recipients))
    recipients = tuple(_recipient(one, facts, rules, asks_all=asks_all) for one in draft.recipients)
    attachments = tuple(_attachment(one, rules, asks_all=asks_all) for one in draft.attachments)
    visible = {one.key: one.domain for one in draft.recipients if one.outside and one.line != "bcc"}
    findings = tuple(
        Finding(kind, found, f"finding:{kind}:{found}" if rules.ask != "never" else "")
        for kind, found in _findings(facts, rules, visible)
    )
    ticks = tuple(dict.fromkeys(one.tick for one in (*recipients, *attachments, *findings) if one.tick))
    return SendCheck(recipients, attachments, findings, len(visible), ticks, _fingerprint(ticks))


def still_to_tick(found: SendCheck, *, ticked: Collection[str], fingerprint: str) -> tuple[str, ...]:
    """The boxes that are not ticked yet; all of them when they were ticked for something else (another fingerprint)."""
    if fingerprint != found.fingerprint:
        return found.ticks
    return tuple(one for one in found.ticks if one not in ticked)


def _recipient(one: Recipient, facts: SendFacts, rules: SendRules, *, asks_all: bool) -> CheckedRecipient:
    like = "" if one.known or not one.outside else looks_like(one.domain, facts.known_domains | facts.customer_domains)
    told: dict[Badge, bool] = {
        "outside": one.outside,
        "first_time": not one.known,
        "other_domain": one.outside
        and bool(facts.customer_domains)
        and not any(is_within(one.domain, domain) for domain in facts.customer_domains),
        "typo": bool(like),
    }
    badges = tuple(badge for badge, holds in told.items() if holds)
    asked = asks_all or (rules.ask == "doubtful" and not DOUBTFUL.isdisjoint(badges))
    return CheckedRecipient(one.address, one.name, one.line, badges, like, f"{one.line}:{one.key}" if asked else "")


def _attachment(one: Attachment, rules: SendRules, *, asks_all: bool) -> CheckedAttachment:
    told: dict[FileBadge, bool] = {
        "risky": one.name.rpartition(".")[2].strip().lower() in RISKY,
        "large": one.size > LARGE,
        "empty": one.size == 0,
    }
    badges = tuple(badge for badge, holds in told.items() if holds)
    asked = asks_all or (rules.ask == "doubtful" and not DOUBTFUL.isdisjoint(badges))
    tick = f"file:{one.name}:{one.digest or one.size}" if asked else ""
    return CheckedAttachment(one.name, one.size, badges, tick)


def _findings(facts: SendFacts, rules: SendRules, visible: Mapping[str, str]) -> list[tuple[Kind, str]]:
    draft = facts.draft
    found: list[tuple[Kind, str]] = []
    if not draft.subject.strip():
        found.append(("no_subject", ""))
    found += [("word", word) for word in words_found(rules.words, draft)]
    if rules.check_names:
        found += [("name", name) for name in strangers(draft.words, _all_names(facts))]
    if rules.check_attachments and not draft.attachments and (said := mentions_attachment(draft.words)):
        found.append(("no_attachment", said))
    if rules.most_visible is not None and len(visible) > rules.most_visible and len(set(visible.values())) > 1:
        found.append(("many_visible", str(len(visible))))
    if draft.recipients and all(one.line == "bcc" for one in draft.recipients):
        found.append(("nobody_visible", ""))
    return found


def _all_names(facts: SendFacts) -> Names:
    """The names on record, those that stand beside the addresses, and what the addresses themselves tell."""
    everyone = facts.draft.recipients
    beside = tuple(one.name for one in everyone if one.name)
    told = tuple(part for one in everyone for part in one.key.partition("@")[::2])
    return Names((*facts.names.people, *beside), facts.names.companies, (*facts.names.allowed, *told))


def _fingerprint(ticks: tuple[str, ...]) -> str:
    return hashlib.sha256(json.dumps(sorted(ticks)).encode()).hexdigest()[:32]


def rules_to_json(rules: SendRules) -> dict[str, Any]:
    return {**{field.name: getattr(rules, field.name) for field in fields(SendRules)}, "words": list(rules.words)}


def rules_from_json(stored: Mapping[str, Any]) -> SendRules:
    """Raises Refused with the field that is wrong; what is left out is as in SendRules."""
    forms.only(stored, "", known=[field.name for field in fields(SendRules)])
    usual = SendRules()
    ask = next((one for one in ASKS if one == stored.get("ask", usual.ask)), None)
    if ask is None:
        raise Refused("ask", N_("Choose when recipients have to be ticked."))
    return SendRules(
        ask=ask,
        words=forms.texts(stored.get("words", []), "words"),
        most_visible=forms.number_or_none(stored.get("most_visible", usual.most_visible), "most_visible"),
        check_names=forms.flag(stored.get("check_names", True), "check_names"),
        check_attachments=forms.flag(stored.get("check_attachments", True), "check_attachments"),
    )
