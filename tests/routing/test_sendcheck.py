from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing.draft import Attachment, Draft, Recipient
from routing.greetings import Names
from routing.lookalikes import WELL_KNOWN, looks_like
from routing.refusals import Refused
from routing.sendcheck import SendCheck, SendFacts, SendRules, check, rules_from_json, rules_to_json, still_to_tick

YAMADA = Recipient("Yamada@acme-trading.co.jp", "山田 太郎", known=True)
BEN = Recipient("ben@ours.example", "Ben", line="cc", outside=False, known=True)
QUOTE = Attachment("見積書.pdf", "application/pdf", 20_000, "d1")
DRAFT = Draft(1, 3, "お見積りの件", "山田様\n見積書を添付いたします。", (YAMADA, BEN), (QUOTE,))
FACTS = SendFacts(
    DRAFT,
    Names(("山田 太郎", "ヤマダ タロウ"), ("株式会社アクメ商事",)),
    customer_domains=frozenset({"acme-trading.co.jp"}),
    known_domains=frozenset({"acme-trading.co.jp", "beta.example"}),
)
ALWAYS = SendRules(ask="always")


def checked(*, rules: SendRules = ALWAYS, names: Names | None = None, **changes: Any) -> SendCheck:
    facts = replace(FACTS, draft=replace(DRAFT, **changes))
    return check(facts if names is None else replace(facts, names=names), rules)


def test_an_ordinary_answer_has_its_boxes_and_no_findings() -> None:
    found = checked()
    assert [(one.address, one.badges) for one in found.recipients] == [
        (YAMADA.address, ("outside",)),
        (BEN.address, ()),
    ]
    assert [(one.name, one.badges) for one in found.attachments] == [("見積書.pdf", ())]
    assert found.findings == ()
    assert found.ticks == ("to:yamada@acme-trading.co.jp", "cc:ben@ours.example", "file:見積書.pdf:d1")
    assert found.visible_outside == 1


@pytest.mark.parametrize(
    ("address", "badges", "like"),
    [
        ("sato@acme-trading.co.jp", ("outside", "first_time"), ""),
        ("sato@tokyo.acme-trading.co.jp", ("outside", "first_time"), ""),
        ("info@beta.example", ("outside", "first_time", "other_domain"), ""),
        ("yamada@acme-tradnig.co.jp", ("outside", "first_time", "other_domain", "typo"), "acme-trading.co.jp"),
        ("yamada@gmial.com", ("outside", "first_time", "other_domain", "typo"), "gmail.com"),
    ],
)
def test_badges_of_a_recipient(address: str, badges: tuple[str, ...], like: str) -> None:
    [one] = checked(recipients=(Recipient(address),)).recipients
    assert (one.badges, one.like) == (badges, like)


def test_an_address_that_we_wrote_to_before_is_no_slip() -> None:
    [one] = checked(recipients=(Recipient("yamada@gmial.com", known=True),)).recipients
    assert one.badges == ("outside", "other_domain")


def test_a_conversation_without_a_customer_has_no_other_domain() -> None:
    facts = replace(
        FACTS, customer_domains=frozenset(), draft=replace(DRAFT, recipients=(Recipient("a@beta.example"),))
    )
    assert check(facts, ALWAYS).recipients[0].badges == ("outside", "first_time")


@pytest.mark.parametrize(
    ("attachment", "badges"),
    [
        (Attachment("setup.EXE", size=1), ("risky",)),
        (Attachment("請求.pdf.js", size=1), ("risky",)),
        (Attachment("表.xlsm", size=1), ("risky",)),
        (Attachment("film.mp4", size=11 * 1024 * 1024), ("large",)),
        (Attachment("空.pdf"), ("empty",)),
    ],
)
def test_badges_of_an_attachment(attachment: Attachment, badges: tuple[str, ...]) -> None:
    assert checked(attachments=(attachment,)).attachments[0].badges == badges


OUTSIDE = tuple(Recipient(f"a{number}@beta{number % 2}.example", known=True) for number in range(6))


@pytest.mark.parametrize(
    ("changes", "kind", "found"),
    [
        ({"subject": " "}, "no_subject", ""),
        ({"subject": "【ﾏﾙ秘】資料"}, "word", "マル秘"),
        ({"words": "山田様\nSOCIAL  SECURITY"}, "word", "social security"),
        ({"words": "佐藤様\n見積書を添付します"}, "name", "佐藤"),
        ({"attachments": ()}, "no_attachment", "見積書を添付いたします"),
        ({"recipients": OUTSIDE}, "many_visible", "6"),
        ({"recipients": (replace(YAMADA, line="bcc"),)}, "nobody_visible", ""),
    ],
)
def test_what_looks_wrong_is_found_and_has_a_box(changes: dict[str, Any], kind: str, found: str) -> None:
    rules = replace(ALWAYS, words=("マル秘", "social security", "極秘"))
    result = checked(rules=rules, **changes)
    assert [(one.kind, one.found) for one in result.findings] == [(kind, found)]
    assert result.findings[0].tick in result.ticks


def test_many_of_one_company_may_see_each_other_and_blind_ones_are_not_counted() -> None:
    same = tuple(Recipient(f"a{number}@beta.example", known=True) for number in range(9))
    assert checked(recipients=same).findings == ()
    blind = (YAMADA, *(replace(one, line="bcc") for one in OUTSIDE))
    assert checked(recipients=blind).findings == ()
    assert checked(recipients=blind).visible_outside == 1


def test_the_name_beside_an_address_may_be_addressed() -> None:
    assert checked(words="佐藤様", recipients=(YAMADA, Recipient("s@beta.example", "佐藤 花子"))).findings == ()


def test_checks_that_a_mailbox_does_not_want() -> None:
    rules = replace(ALWAYS, check_names=False, check_attachments=False, most_visible=None)
    assert checked(rules=rules, words="佐藤様\n添付します", attachments=(), recipients=OUTSIDE).findings == ()


@pytest.mark.parametrize(
    ("ask", "recipients", "ticks"),
    [
        ("always", (BEN,), ("cc:ben@ours.example", "file:見積書.pdf:d1")),
        ("outside", (BEN,), ()),
        ("outside", (YAMADA, BEN), ("to:yamada@acme-trading.co.jp", "cc:ben@ours.example", "file:見積書.pdf:d1")),
        ("doubtful", (YAMADA, BEN), ()),
        ("doubtful", (YAMADA, Recipient("x@beta.example")), ("to:x@beta.example",)),
        ("never", (YAMADA, Recipient("x@beta.example")), ()),
    ],
)
def test_what_a_mailbox_asks_to_tick(ask: Any, recipients: tuple[Recipient, ...], ticks: tuple[str, ...]) -> None:
    assert checked(rules=SendRules(ask=ask), recipients=recipients).ticks == ticks


def test_findings_are_shown_but_not_asked_for_when_nothing_is_asked() -> None:
    found = checked(rules=SendRules(ask="never"), subject="")
    assert [one.kind for one in found.findings] == ["no_subject"]
    assert found.ticks == ()


def test_everything_is_asked_again_when_something_changed() -> None:
    before = checked()
    assert still_to_tick(before, ticked=before.ticks, fingerprint=before.fingerprint) == ()
    assert still_to_tick(before, ticked=before.ticks[1:], fingerprint=before.fingerprint) == before.ticks[:1]
    for changes in (
        {"recipients": (YAMADA,)},
        {"recipients": (replace(YAMADA, line="bcc"), BEN)},
        {"attachments": (replace(QUOTE, digest="d2"),)},
        {"subject": ""},
    ):
        after = checked(**changes)
        assert still_to_tick(after, ticked=before.ticks, fingerprint=before.fingerprint) == after.ticks
    same = checked(words="山田様\n少しだけ直しました。見積書を添付いたします。")
    assert still_to_tick(same, ticked=before.ticks, fingerprint=before.fingerprint) == ()


# -- slips


@pytest.mark.parametrize(
    ("domain", "like"),
    [
        ("gmial.com", "gmail.com"),
        ("gmail.con", "gmail.com"),
        ("gmai.com", "gmail.com"),
        ("yahoo.co.jo", "yahoo.co.jp"),
        ("yahooo.co.jp", "yahoo.co.jp"),
        ("dcomo.ne.jp", "docomo.ne.jp"),
        ("rnsn.com", ""),  # the longest part of msn.com is too short to be compared
        ("arnazon.example", "amazon.example"),
        ("amaz0n.example", "amazon.example"),
        ("abd.jp", ""),
        ("gmail.com", ""),
        ("amazon.example", ""),
        ("something.else.example", ""),
        ("", ""),
    ],
)
def test_a_slip_of_finger_or_eye(domain: str, like: str) -> None:
    assert looks_like(domain, {"amazon.example", "abc.jp"}) == like


@given(st.sampled_from(sorted(WELL_KNOWN)), st.data())
def test_every_single_slip_is_noticed_or_makes_a_known_domain(domain: str, data: st.DataObject) -> None:
    if max(map(len, domain.split("."))) < 4:
        return
    at = data.draw(st.integers(0, len(domain) - 1))
    kind = data.draw(st.sampled_from(["less", "more", "other", "swap"]))
    letter = data.draw(st.sampled_from("abcdefghijklmnopqrstuvwxyz"))
    slip = {
        "less": domain[:at] + domain[at + 1 :],
        "more": domain[:at] + letter + domain[at:],
        "other": domain[:at] + letter + domain[at + 1 :],
        "swap": domain[:at] + domain[at : at + 2][::-1] + domain[at + 2 :],
    }[kind]
    assert slip in WELL_KNOWN or looks_like(slip, ()) in WELL_KNOWN


# -- rules


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"ask": "sometimes"}, "ask"),
        ({"ask": None}, "ask"),
        ({"words": ["極秘", " "]}, "words.1"),
        ({"words": "極秘"}, "words"),
        ({"most_visible": 0}, "most_visible"),
        ({"check_names": "yes"}, "check_names"),
        ({"colour": 1}, "colour"),
    ],
)
def test_rules_that_cannot_be_are_refused_at_their_field(wrong: dict[str, Any], field: str) -> None:
    with pytest.raises(Refused) as refused:
        rules_from_json({**rules_to_json(SendRules()), **wrong})
    assert refused.value.field == field


def test_what_is_stored_comes_back() -> None:
    for rules in (SendRules(), SendRules("doubtful", ("極秘",), None, False, False)):
        assert rules_from_json(json.loads(json.dumps(rules_to_json(rules)))) == rules
    assert rules_from_json({}) == SendRules()
