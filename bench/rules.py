"""Decisions of rules a second: 50 rules as a support desk has them, mails in Japanese and English, traces complete.

Needs no server and no database: `python -m bench rules`.
"""

from __future__ import annotations

import random
import time as clock
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import time

from routing.evaluation import Compiled, compiled, decide
from routing.facts import MailFacts
from routing.rules import rule_from
from routing.traces import trace_json

RULES, MAILS = 50, 10_000
SEED = 7

_WORDS = (
    *("請求書", "領収証", "見積", "解約", "返品", "交換", "配送", "遅延", "至急", "注文", "キャンセル", "不具合"),
    *("ログイン", "パスワード", "契約", "更新", "invoice", "refund", "delivery", "order", "broken", "password"),
    *("contract", "renewal", "urgent", "quote"),
)
_FILLER = (
    "いつもお世話になっております。株式会社山田商店の山田です。",
    "お手数をおかけいたしますが、ご確認のほどよろしくお願いいたします。",
    "先日お送りいただいた商品について、ﾒｰﾙにて失礼いたします。注文番号は１２３４－５６７８です。",
    "Thank you for your help with our order last week, we are still waiting for an answer.",
    "ご不明な点がございましたら、お気軽にお問い合わせください。",
)


@dataclass(frozen=True, slots=True)
class Speed:
    """`decisions` a second of CPU time, `traced` the same with each trace turned into JSON; `matched` rules a mail."""

    decisions: float
    traced: float
    matched: float


def measure(*, mails: int = MAILS) -> Speed:
    rules, facts = fifty_rules(), list(some_mails(mails))
    matched = 0
    started = clock.process_time()
    for one in facts:
        decide(rules, one)
    decided = clock.process_time()
    for one in facts:
        trace = trace_json(decide(rules, one).trace)
        matched += sum(rule["how"] == "matched" for rule in trace)
        if len(trace) != RULES:
            raise RuntimeError("a trace is not complete")
    traced = clock.process_time()
    return Speed(mails / (decided - started), mails / (traced - decided), matched / mails)


def fifty_rules() -> Compiled:
    """Every way to compare; three questions on average; two in five look at the new words."""
    chance = random.Random(SEED)
    return compiled(rule_from(_rule(number, chance), id=number, version=1) for number in range(1, RULES + 1))


def _rule(number: int, chance: random.Random) -> dict[str, object]:
    words = chance.sample(_WORDS, 3)
    about = chance.choice(("subject", "words", "subject", "words", "sender_domain"))
    value = [f"kaisha{chance.randrange(40)}.example.jp"] if about == "sender_domain" else words
    operator = "pattern" if number % 8 == 0 else "word" if number % 5 == 0 else "contains"
    if operator == "pattern":
        about, value = "words", [rf"{words[0]}.{{0,20}}(?:番号|number)|[0-9]{{4}}-{number:04}"]
    more: list[dict[str, object]] = [
        {"field": "in_hours", "operator": "is", "values": [True]},
        {"field": "recipient_addresses", "operator": "equals", "values": ["support@shop.example", "info@shop.example"]},
        {"none": [{"field": "customer_tier", "operator": "equals", "values": ["VIP"]}]},
        {"any": [
            {"field": "attachment_names", "operator": "contains", "values": [".pdf"]},
            {"field": "size", "operator": "at_least", "values": [100_000]},
        ]},
    ]  # fmt: skip
    first = {"field": about, "operator": operator, "values": value}
    return {
        "name": f"{words[0]} {number}",
        "triggers": [{"on": "arrived"}],
        "condition": {"all": [*chance.sample(more, number % 3), first, *chance.sample(more, 1)]},
        "actions": [
            {"do": "add_tag", "tag_id": number},
            {"do": "assign", "try": [{"how": "sticky"}, {"how": "round_robin", "team_id": 1 + number % 5}]},
        ],
    }


def some_mails(count: int) -> Iterator[MailFacts]:
    chance = random.Random(SEED + 1)
    for number in range(count):
        words = "\n".join(chance.choices(_FILLER, k=chance.randint(3, 20)) + chance.choices(_WORDS, k=2))
        yield MailFacts(
            sender_address=f"person{number % 900}@kaisha{number % 60}.example.jp",
            sender_name="山田　太郎",
            sender_domain=f"kaisha{number % 60}.example.jp",
            customer_tier=chance.choice(("", "VIP")),
            recipient_addresses=("support@shop.example",),
            subject=f"【お問い合わせ】{chance.choice(_WORDS)}について（{number}）",
            words=words,
            language="ja",
            attachment_names=("請求書.pdf",) if number % 4 == 0 else (),
            size=len(words) * 3,
            in_hours=number % 3 > 0,
            local_time=time(number % 24),
            weekday=1 + number % 7,
        )
