"""Must a second person look at this mail before it leaves, why, and who may?

A policy asks for approval when all conditions that it names hold; several policies stand for "or", and every reason of
every one is told. A pool holds the people who may approve, the deputies of those who are away, and a deadline after
which the deputies may too. Nobody approves a mail of their own.

The JSON forms (`policy_to_json`, `policy_from_json`, `pool_to_json`, `pool_from_json`); what is left out asks nothing:

    {"name": "大口見積", "pool": 2, "authors": [], "new_staff": false, "mailboxes": [3], "domains": ["example.co.jp"],
     "outside": true, "first_contact": false, "attachment": false, "attachment_types": ["xlsx", "image/*"],
     "recipients": 10, "words": ["値引"], "amount": {"at_least": 1000000, "currency": "JPY"}}
    {"name": "営業部", "approvers": [1, 2], "deputies": {"1": 5}, "minutes": 120}
"""

from __future__ import annotations

import mimetypes
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from decimal import Decimal
from fnmatch import fnmatchcase
from typing import Any, Literal

from routing import forms
from routing.amounts import amounts
from routing.calendars import Calendar
from routing.draft import Draft, is_within, words_found
from routing.hours import add_working
from routing.refusals import N_, Refused

LONGEST = 100_000  # working minutes of a pool's deadline
CURRENCIES = ("", "JPY", "USD", "EUR", "GBP", "CNY")

Condition = Literal[
    "every_mail",
    "author",
    "new_staff",
    "mailbox",
    "domain",
    "outside",
    "first_contact",
    "attachment",
    "attachment_type",
    "recipients",
    "word",
    "amount",
]


# -- policies


@dataclass(frozen=True, slots=True)
class AmountFrom:
    """A sum of at least `at_least`, in `currency` (ISO 4217) or, with "", in any; one that tells no currency counts."""

    at_least: int
    currency: str = ""


@dataclass(frozen=True, slots=True)
class ApprovalPolicy:
    """`pool` is the id of who may approve. A condition that is empty, False or None is not asked.

    `domains` of recipients hold for what is below them too; `attachment_types` are extensions or MIME types (image/*);
    `recipients` is the least number of addresses in all lines together. Raises Refused with the field.
    """

    name: str
    pool: int
    authors: frozenset[int] = frozenset()
    new_staff: bool = False
    mailboxes: frozenset[int] = frozenset()
    domains: tuple[str, ...] = ()
    outside: bool = False
    first_contact: bool = False
    attachment: bool = False
    attachment_types: tuple[str, ...] = ()
    recipients: int | None = None
    words: tuple[str, ...] = ()
    amount: AmountFrom | None = None

    def __post_init__(self) -> None:
        if self.recipients is not None and self.recipients < 1:
            raise Refused("recipients", N_("At least one recipient."))
        for number, domain in enumerate(self.domains):
            if not domain or "@" in domain or domain.startswith(".") or any(ch.isspace() for ch in domain):
                raise Refused(f"domains.{number}", N_("“%(domain)s” is no domain."), domain=domain)
        for name in ("words", "attachment_types"):
            for number, one in enumerate(getattr(self, name)):
                if not one.strip():
                    raise Refused(f"{name}.{number}", N_("An empty entry finds nothing."))
        if self.amount is not None and self.amount.at_least < 1:
            raise Refused("amount", N_("An amount is at least 1."))
        if self.amount is not None and self.amount.currency not in CURRENCIES:
            raise Refused("amount", N_("“%(currency)s” is not read."), currency=self.amount.currency)


@dataclass(frozen=True, slots=True)
class Reason:
    """Why approval is needed: the policy, its condition that held, and what was found ("1,200,000円")."""

    policy: str
    condition: Condition
    found: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Approval:
    """`pools` are the ids of those who may approve, in the policies' order; one of them is enough."""

    needed: bool
    reasons: tuple[Reason, ...] = ()
    pools: tuple[int, ...] = ()


def needs_approval(policies: Iterable[ApprovalPolicy], draft: Draft, *, new_staff: bool) -> Approval:
    """Whether the mail needs approval, with every reason. `new_staff` tells about its author."""
    reasons: list[Reason] = []
    pools: list[int] = []
    for policy in policies:
        held = list(_conditions(policy, draft, new_staff=new_staff))
        if any(found is None for _, found in held):
            continue
        pools.append(policy.pool)
        reasons += [Reason(policy.name, condition, found or ()) for condition, found in held]
        if not held:
            reasons.append(Reason(policy.name, "every_mail"))
    return Approval(bool(reasons), tuple(reasons), tuple(dict.fromkeys(pools)))


Found = tuple[str, ...] | None  # None: the condition does not hold


def _conditions(policy: ApprovalPolicy, draft: Draft, *, new_staff: bool) -> Iterator[tuple[Condition, Found]]:
    """Every condition that the policy asks, with what was found."""
    everyone = draft.recipients
    if policy.authors:
        yield "author", () if draft.author_id in policy.authors else None
    if policy.new_staff:
        yield "new_staff", () if new_staff else None
    if policy.mailboxes:
        yield "mailbox", () if draft.mailbox_id in policy.mailboxes else None
    if policy.domains:
        wanted = [domain.lower() for domain in policy.domains]
        yield "domain", _some(one.key for one in everyone if any(is_within(one.domain, domain) for domain in wanted))
    if policy.outside:
        yield "outside", _some(one.key for one in everyone if one.outside)
    if policy.first_contact:
        yield "first_contact", _some(one.key for one in everyone if one.outside and not one.known)
    if policy.attachment:
        yield "attachment", _some(one.name for one in draft.attachments)
    if policy.attachment_types:
        yield (
            "attachment_type",
            _some(
                one.name
                for one in draft.attachments
                if any(_is_of_type(one.name, one.mime_type, kind) for kind in policy.attachment_types)
            ),
        )
    if policy.recipients is not None:
        count = len({one.key for one in everyone})
        yield "recipients", (str(count),) if count >= policy.recipients else None
    if policy.words:
        yield "word", _some(words_found(policy.words, draft))
    if policy.amount is not None:
        yield "amount", _some(_amounts_from(policy.amount, draft))


def _some(found: Iterable[str]) -> Found:
    return tuple(dict.fromkeys(found)) or None


def _is_of_type(name: str, mime_type: str, kind: str) -> bool:
    """By extension (".XLSX", "xlsx", "tar.gz") or by MIME type ("application/pdf", "image/*"), told or by the name."""
    kind = kind.strip().lower()
    if "/" in kind:
        guessed = mimetypes.guess_type(name)[0] or ""
        return any(fnmatchcase(one.lower(), kind) for one in (mime_type, guessed) if one)
    return name.strip().lower().endswith("." + kind.lstrip("*").lstrip("."))


def _amounts_from(wanted: AmountFrom, draft: Draft) -> Iterator[str]:
    for text in (draft.subject, draft.words):
        for amount in amounts(text):
            same = not wanted.currency or amount.currency in ("", wanted.currency)
            if same and amount.value >= Decimal(wanted.at_least):
                yield amount.text


# -- who may approve


@dataclass(frozen=True, slots=True)
class Pool:
    """`deputies` are pairs (person, who stands in); a deputy may have one too. `minutes` are working minutes.

    Raises Refused with the field: no approvers, a cycle of deputies, a deadline of 0.
    """

    name: str
    approvers: tuple[int, ...]
    deputies: tuple[tuple[int, int], ...] = ()
    minutes: int | None = None

    def __post_init__(self) -> None:
        if not self.approvers:
            raise Refused("approvers", N_("Somebody has to be able to approve."))
        if self.minutes is not None and not 1 <= self.minutes <= LONGEST:
            raise Refused("minutes", N_("A deadline lies between 1 and %(most)s minutes."), most=LONGEST)
        if len(dict(self.deputies)) < len(self.deputies):
            raise Refused("deputies", N_("A person has one deputy only."))
        for person, _ in self.deputies:
            _check_no_cycle(person, dict(self.deputies))


@dataclass(frozen=True, slots=True)
class Approver:
    """`stands_in_for` is the approver whose deputy this is, None for an approver of the pool."""

    person_id: int
    stands_in_for: int | None = None


@dataclass(frozen=True, slots=True)
class MayApprove:
    """`reason`: own_mail, not_approver, "" when they may."""

    may: bool
    reason: Literal["", "own_mail", "not_approver"] = ""


def approval_due(pool: Pool, calendar: Calendar, asked_at: datetime) -> datetime | None:
    """When the deputies may approve too and are told; None without a deadline. Raises hours.NoWorkingTime."""
    return None if pool.minutes is None else add_working(calendar, asked_at, pool.minutes)


def approvers_for(
    pool: Pool, *, author_id: int, away: frozenset[int] = frozenset(), overdue: bool = False
) -> tuple[Approver, ...]:
    """Who is asked: each approver who is there; for one who is away, or is the author, the first deputy who is there.

    Overdue: the deputies of those who are there too. When nobody is there, all are asked, so that the mail does not
    wait unseen; nobody at all only if the author is the whole pool.
    """
    deputies = dict(pool.deputies)
    asked: dict[int, Approver] = {}
    for person in pool.approvers:
        there = person != author_id and person not in away
        if there:
            asked[person] = Approver(person)
        if not there or overdue:
            for deputy in _deputies(person, deputies):
                if deputy != author_id and deputy not in away:
                    asked.setdefault(deputy, Approver(deputy, person))
                    break
    return tuple(asked.values()) or _everyone(pool, author_id)


def may_approve(
    pool: Pool, approver_id: int, *, author_id: int, away: frozenset[int] = frozenset(), overdue: bool = False
) -> MayApprove:
    """An approver may at any time, away or not; a deputy while standing in or when it is overdue; nobody their own."""
    if approver_id == author_id:
        return MayApprove(False, "own_mail")
    asked = {one.person_id for one in approvers_for(pool, author_id=author_id, away=away, overdue=overdue)}
    if approver_id in asked or approver_id in pool.approvers:
        return MayApprove(True)
    return MayApprove(False, "not_approver")


def check_pools(policy: ApprovalPolicy, pools: Mapping[int, Pool]) -> None:
    """Raises Refused when the policy's pool does not exist or could never approve the mail of one of its authors."""
    pool = pools.get(policy.pool)
    if pool is None:
        raise Refused("pool", N_("These approvers no longer exist."))
    for author in sorted(policy.authors):
        if not approvers_for(pool, author_id=author):
            raise Refused("pool", N_("The only approver is the author: nobody could approve this person's mail."))


def _everyone(pool: Pool, author_id: int) -> tuple[Approver, ...]:
    """The approvers and all their deputies but the author, there or not."""
    deputies = dict(pool.deputies)
    all_of_them = {person: Approver(person) for person in pool.approvers}
    for person in pool.approvers:
        for deputy in _deputies(person, deputies):
            all_of_them.setdefault(deputy, Approver(deputy, person))
    all_of_them.pop(author_id, None)
    return tuple(all_of_them.values())


def _deputies(person: int, deputies: Mapping[int, int]) -> Iterator[int]:
    """The deputy, the deputy's deputy and so on; a pool has no cycle."""
    while (deputy := deputies.get(person)) is not None:
        yield deputy
        person = deputy


def _check_no_cycle(person: int, deputies: Mapping[int, int]) -> None:
    passed = {person}
    here = person
    while (here_next := deputies.get(here)) is not None:
        if here_next in passed:
            raise Refused("deputies", N_("The deputies stand in for each other in a circle."))
        passed.add(here_next)
        here = here_next


# -- JSON


def policy_to_json(policy: ApprovalPolicy) -> dict[str, Any]:
    return {
        "name": policy.name,
        "pool": policy.pool,
        "authors": sorted(policy.authors),
        "new_staff": policy.new_staff,
        "mailboxes": sorted(policy.mailboxes),
        "domains": list(policy.domains),
        "outside": policy.outside,
        "first_contact": policy.first_contact,
        "attachment": policy.attachment,
        "attachment_types": list(policy.attachment_types),
        "recipients": policy.recipients,
        "words": list(policy.words),
        "amount": policy.amount and {"at_least": policy.amount.at_least, "currency": policy.amount.currency},
    }


def policy_from_json(stored: Mapping[str, Any]) -> ApprovalPolicy:
    """Raises Refused with the field that is wrong."""
    forms.only(stored, "", known=[field.name for field in fields(ApprovalPolicy)])
    return ApprovalPolicy(
        name=forms.text(stored.get("name", ""), "name"),
        pool=forms.number(stored.get("pool"), "pool"),
        authors=frozenset(forms.numbers(stored.get("authors", []), "authors")),
        new_staff=forms.flag(stored.get("new_staff", False), "new_staff"),
        mailboxes=frozenset(forms.numbers(stored.get("mailboxes", []), "mailboxes")),
        domains=forms.texts(stored.get("domains", []), "domains"),
        outside=forms.flag(stored.get("outside", False), "outside"),
        first_contact=forms.flag(stored.get("first_contact", False), "first_contact"),
        attachment=forms.flag(stored.get("attachment", False), "attachment"),
        attachment_types=forms.texts(stored.get("attachment_types", []), "attachment_types"),
        recipients=forms.number_or_none(stored.get("recipients"), "recipients"),
        words=forms.texts(stored.get("words", []), "words"),
        amount=_amount_from_json(stored.get("amount")),
    )


def _amount_from_json(stored: object) -> AmountFrom | None:
    if stored is None:
        return None
    amount = forms.mapping(stored, "amount")
    forms.only(amount, "amount", known=("at_least", "currency"))
    return AmountFrom(forms.number(amount.get("at_least"), "amount"), forms.text(amount.get("currency", ""), "amount"))


def pool_to_json(pool: Pool) -> dict[str, Any]:
    return {
        "name": pool.name,
        "approvers": list(pool.approvers),
        "deputies": {str(person): deputy for person, deputy in pool.deputies},
        "minutes": pool.minutes,
    }


def pool_from_json(stored: Mapping[str, Any]) -> Pool:
    """Raises Refused with the field that is wrong."""
    forms.only(stored, "", known=[field.name for field in fields(Pool)])
    deputies = []
    for person, deputy in forms.mapping(stored.get("deputies", {}), "deputies").items():
        if not (person.isascii() and person.isdigit()):
            raise Refused("deputies", N_("A whole number is needed here."))
        deputies.append((int(person), forms.number(deputy, "deputies")))
    return Pool(
        name=forms.text(stored.get("name", ""), "name"),
        approvers=forms.numbers(stored.get("approvers", []), "approvers"),
        deputies=tuple(deputies),
        minutes=forms.number_or_none(stored.get("minutes"), "minutes"),
    )
