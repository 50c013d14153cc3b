from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing.approval import (
    AmountFrom,
    Approval,
    ApprovalPolicy,
    Approver,
    MayApprove,
    Pool,
    Reason,
    approval_due,
    approvers_for,
    check_pools,
    may_approve,
    needs_approval,
    policy_from_json,
    policy_to_json,
    pool_from_json,
    pool_to_json,
)
from routing.calendars import Calendar, Period
from routing.draft import Attachment, Draft, Recipient
from routing.refusals import Refused

AKI, BEN, CHIE, DAI, EMI = range(1, 6)
TOKYO = ZoneInfo("Asia/Tokyo")
OFFICE = Calendar("Asia/Tokyo", ((Period(540, 720), Period(780, 1080)),) * 5 + ((), ()), "JP")

YAMADA = Recipient("Yamada@Example.co.jp", "山田 太郎", known=True)
STRANGER = Recipient("info@neu.example.de", line="cc")
COLLEAGUE = Recipient("ben@ours.example", line="bcc", outside=False, known=True)
DRAFT = Draft(
    author_id=AKI,
    mailbox_id=3,
    subject="お見積りの件",
    words="値引後の金額は １２０万円 です。",
    recipients=(YAMADA, STRANGER, COLLEAGUE),
    attachments=(Attachment("見積書.XLSX", "application/octet-stream"), Attachment("図.png", "image/png")),
)


@pytest.mark.parametrize(
    ("asked", "condition", "found"),
    [
        ({"authors": frozenset({AKI})}, "author", ()),
        ({"new_staff": True}, "new_staff", ()),
        ({"mailboxes": frozenset({3, 4})}, "mailbox", ()),
        ({"domains": ("example.co.jp",)}, "domain", ("yamada@example.co.jp",)),
        ({"domains": ("Example.de",)}, "domain", ("info@neu.example.de",)),
        ({"outside": True}, "outside", ("yamada@example.co.jp", "info@neu.example.de")),
        ({"first_contact": True}, "first_contact", ("info@neu.example.de",)),
        ({"attachment": True}, "attachment", ("見積書.XLSX", "図.png")),
        ({"attachment_types": ("xlsx",)}, "attachment_type", ("見積書.XLSX",)),
        ({"attachment_types": ("*.xlsx", "image/*")}, "attachment_type", ("見積書.XLSX", "図.png")),
        ({"recipients": 3}, "recipients", ("3",)),
        ({"words": ("ﾈﾋﾞｷ", "値引")}, "word", ("値引",)),
        ({"amount": AmountFrom(1_200_000, "JPY")}, "amount", ("120万円",)),
        ({"amount": AmountFrom(1)}, "amount", ("120万円",)),
        ({}, "every_mail", ()),
    ],
)
def test_a_condition_asks_for_approval_and_tells_what_it_found(
    asked: dict[str, Any], condition: Any, found: tuple[str, ...]
) -> None:
    needed = needs_approval([ApprovalPolicy("P", 7, **asked)], DRAFT, new_staff=True)
    assert needed == Approval(True, (Reason("P", condition, found),), (7,))


@pytest.mark.parametrize(
    "asked",
    [
        {"authors": frozenset({BEN})},
        {"new_staff": True},
        {"mailboxes": frozenset({9})},
        {"domains": ("ample.co.jp",)},
        {"attachment_types": ("pdf", "application/pdf", "lsx")},
        {"recipients": 4},
        {"words": ("極秘",)},
        {"amount": AmountFrom(1_200_001, "JPY")},
        {"amount": AmountFrom(1, "USD")},
        {"outside": True, "mailboxes": frozenset({9})},
    ],
)
def test_a_policy_whose_condition_does_not_hold_asks_for_nothing(asked: dict[str, Any]) -> None:
    assert needs_approval([ApprovalPolicy("P", 7, **asked)], DRAFT, new_staff=False) == Approval(False)


def test_all_conditions_of_a_policy_and_any_policy() -> None:
    large = ApprovalPolicy("大口", 1, amount=AmountFrom(1_000_000, "JPY"), outside=True)
    new = ApprovalPolicy("新人", 2, new_staff=True)
    needed = needs_approval([large, new, replace(new, name="二重")], DRAFT, new_staff=True)
    assert [(one.policy, one.condition) for one in needed.reasons] == [
        ("大口", "outside"),
        ("大口", "amount"),
        ("新人", "new_staff"),
        ("二重", "new_staff"),
    ]
    assert needed.pools == (1, 2)


def test_a_first_contact_inside_is_none_and_nobody_is_counted_twice() -> None:
    inside = replace(DRAFT, recipients=(replace(COLLEAGUE, known=False), COLLEAGUE))
    assert not needs_approval([ApprovalPolicy("P", 1, first_contact=True)], inside, new_staff=False).needed
    assert not needs_approval([ApprovalPolicy("P", 1, recipients=2)], inside, new_staff=False).needed


# -- who may


POOL = Pool("営業部", (AKI, BEN), ((AKI, CHIE), (BEN, DAI), (DAI, EMI)), minutes=120)


@pytest.mark.parametrize(
    ("author", "away", "overdue", "asked"),
    [
        (EMI, set(), False, [Approver(AKI), Approver(BEN)]),
        (AKI, set(), False, [Approver(CHIE, AKI), Approver(BEN)]),
        (EMI, {BEN}, False, [Approver(AKI), Approver(DAI, BEN)]),
        (CHIE, {BEN, DAI}, False, [Approver(AKI), Approver(EMI, BEN)]),
        (EMI, set(), True, [Approver(AKI), Approver(CHIE, AKI), Approver(BEN), Approver(DAI, BEN)]),
        (
            AKI,
            {BEN, CHIE, DAI, EMI},
            False,
            [Approver(BEN), Approver(CHIE, AKI), Approver(DAI, BEN), Approver(EMI, BEN)],
        ),
    ],
)
def test_who_is_asked(author: int, away: set[int], overdue: bool, asked: list[Approver]) -> None:
    assert list(approvers_for(POOL, author_id=author, away=frozenset(away), overdue=overdue)) == asked


def test_nobody_approves_their_own_mail() -> None:
    assert may_approve(POOL, AKI, author_id=AKI) == MayApprove(False, "own_mail")
    assert may_approve(POOL, BEN, author_id=AKI) == MayApprove(True)
    assert may_approve(POOL, CHIE, author_id=AKI) == MayApprove(True)


def test_a_deputy_waits_until_needed() -> None:
    assert may_approve(POOL, DAI, author_id=EMI) == MayApprove(False, "not_approver")
    assert may_approve(POOL, DAI, author_id=EMI, away=frozenset({BEN})).may
    assert may_approve(POOL, DAI, author_id=EMI, overdue=True).may
    assert may_approve(POOL, BEN, author_id=EMI, away=frozenset({BEN})).may
    assert may_approve(POOL, 99, author_id=EMI, overdue=True).reason == "not_approver"


def test_a_request_falls_due_in_working_minutes() -> None:
    friday = datetime(2026, 11, 13, 17, tzinfo=TOKYO)
    assert approval_due(POOL, OFFICE, friday) == datetime(2026, 11, 16, 10, tzinfo=TOKYO)
    assert approval_due(replace(POOL, minutes=None), OFFICE, friday) is None


PEOPLE = st.integers(1, 6)


@given(
    st.lists(PEOPLE, min_size=1, max_size=4, unique=True),
    st.dictionaries(PEOPLE, PEOPLE, max_size=5),
    PEOPLE,
    st.frozensets(PEOPLE),
    st.booleans(),
)
def test_no_pool_asks_the_author_or_forgets_to_ask(
    approvers: list[int], deputies: dict[int, int], author: int, away: frozenset[int], overdue: bool
) -> None:
    try:
        pool = Pool("", tuple(approvers), tuple(deputies.items()))
    except Refused:
        assert any(comes_back(person, deputies) for person in deputies)
        return
    assert not any(comes_back(person, deputies) for person in deputies)
    asked = approvers_for(pool, author_id=author, away=away, overdue=overdue)
    people = [one.person_id for one in asked]
    assert author not in people
    assert len(people) == len(set(people))
    if set(approvers) - {author} - away:
        assert not away & set(people)
    if set(approvers) - {author}:
        assert people
    assert all(may_approve(pool, one, author_id=author, away=away, overdue=overdue).may for one in people)
    assert not may_approve(pool, author, author_id=author, away=away, overdue=overdue).may


def comes_back(person: int, deputies: dict[int, int]) -> bool:
    here = person
    for _ in range(len(deputies) + 1):
        if here not in deputies:
            return False
        here = deputies[here]
        if here == person:
            return True
    return False


# -- what cannot be


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"approvers": []}, "approvers"),
        ({"approvers": ["Aki"]}, "approvers"),
        ({"deputies": {"1": 1}}, "deputies"),
        ({"deputies": {"1": 2, "2": 1}}, "deputies"),
        ({"deputies": {"1": 2, "2": 3, "3": 1}}, "deputies"),
        ({"deputies": {"Aki": 2}}, "deputies"),
        ({"deputies": [1, 2]}, "deputies"),
        ({"minutes": 0}, "minutes"),
        ({"boss": 1}, "boss"),
    ],
)
def test_a_pool_that_cannot_be_is_refused_at_its_field(wrong: dict[str, Any], field: str) -> None:
    with pytest.raises(Refused) as refused:
        pool_from_json({**pool_to_json(POOL), **wrong})
    assert refused.value.field == field


def test_two_deputies_for_one_person_are_refused() -> None:
    with pytest.raises(Refused, match="deputies"):
        Pool("", (AKI,), ((AKI, BEN), (AKI, CHIE)))


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"pool": None}, "pool"),
        ({"recipients": 0}, "recipients"),
        ({"domains": ["a@b.example"]}, "domains.0"),
        ({"domains": ["b.example", ""]}, "domains.1"),
        ({"words": [" "]}, "words.0"),
        ({"attachment_types": [""]}, "attachment_types.0"),
        ({"amount": {"at_least": 0, "currency": "JPY"}}, "amount"),
        ({"amount": {"at_least": 10, "currency": "XXX"}}, "amount"),
        ({"amount": 10}, "amount"),
        ({"new_staff": 1}, "new_staff"),
        ({"size": 1}, "size"),
    ],
)
def test_a_policy_that_cannot_be_is_refused_at_its_field(wrong: dict[str, Any], field: str) -> None:
    with pytest.raises(Refused) as refused:
        policy_from_json({**policy_to_json(ApprovalPolicy("P", 1)), **wrong})
    assert refused.value.field == field


def test_approvers_that_are_gone_or_could_never_approve_are_refused() -> None:
    policy = ApprovalPolicy("P", 1, authors=frozenset({AKI}))
    check_pools(policy, {1: POOL})
    check_pools(policy, {1: Pool("", (AKI,), ((AKI, BEN),))})
    with pytest.raises(Refused, match="no longer exist"):
        check_pools(policy, {2: POOL})
    with pytest.raises(Refused, match="only approver is the author"):
        check_pools(policy, {1: Pool("", (AKI,))})


def test_what_is_stored_comes_back() -> None:
    policy = ApprovalPolicy(
        "P",
        7,
        frozenset({1}),
        True,
        frozenset({3}),
        ("a.example",),
        True,
        True,
        True,
        ("pdf",),
        5,
        ("極秘",),
        AmountFrom(5, "EUR"),
    )
    for one in (policy, ApprovalPolicy("", 1)):
        assert policy_from_json(json.loads(json.dumps(policy_to_json(one)))) == one
    for pool in (POOL, Pool("", (1,))):
        assert pool_from_json(json.loads(json.dumps(pool_to_json(pool)))) == pool
