"""Sums of money in a text: ¥1,200,000, １２０万円, 120万, 1億2,000万円, 三十万円, 金壱百弐拾万円也, $5k, 1.000,50 €,
合計 980,000.

When a text can be read in two ways the larger sum is meant: who asks for approval above a limit wants to be asked.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from decimal import Decimal

READ = 100_000  # characters of a text; what follows is not read
LONGEST_NUMBER = 30  # digits and signs

_DIGITS = {character: value for value, character in enumerate("〇一二三四五六七八九")}
_OF_DEEDS = str.maketrans("零壱壹弐貳参參伍拾萬", "〇一一二二三三五十万")  # 大字, as contracts write them
_SMALL = {"十": 10, "百": 100, "千": 1000}
_LARGE = {"万": 10**4, "億": 10**8, "兆": 10**12}
_ENGLISH = {"k": 1000, "thousand": 1000, "m": 10**6, "million": 10**6, "bn": 10**9, "billion": 10**9}

_CURRENCIES = {
    "JPY": r"¥|\\|jpy|円|yen",
    "USD": r"us\$|\$|usd|米?ドル|dollars?",
    "EUR": r"€|eur|ユーロ|euros?",
    "GBP": r"£|gbp|ポンド",
    "CNY": r"cny|rmb|元",
}
_BEFORE = r"¥|\\|us\$|\$|€|£|\b(?:jpy|usd|eur|gbp|cny|rmb)"
_BEHIND = r"円|米?ドル|ユーロ|ポンド|元|€|(?:yen|jpy|usd|dollars?|eur|euros?|gbp|cny|rmb)\b"
_NAMED = r"金額|総額|合計|請求額|見積額|代金|価格|料金|\b(?:total|amount|price)\b"
_NUMBER = rf"\d[\d,.]{{0,{LONGEST_NUMBER}}}(?<![,.])"
_KANJI = "〇一二三四五六七八九十百千万億兆"
_RUN = rf"[\d{_KANJI}](?:[\d,.{_KANJI}]|\s(?=[十百千万億兆])){{0,{LONGEST_NUMBER}}}(?<![,.])"
_SUM = rf"(?P<sum>{_RUN})(?:\s?(?P<english>k|m|bn|thousand|million|billion)\b)?"
_SUMS = (
    re.compile(rf"(?P<currency>{_BEFORE})\s{{0,2}}(?=\d){_SUM}"),
    re.compile(rf"(?<![\d,.]){_SUM}\s?(?P<currency>{_BEHIND})"),
    # 120万 alone is a sum, unless something is counted: 10万人, 3万件
    re.compile(
        rf"(?<![\d,.{_KANJI}])(?P<sum>\d[\d,.]{{0,{LONGEST_NUMBER}}}[千百]?[万億兆](?:[\d,.{_KANJI}]{{0,20}}[万億兆千百])?)"
        rf"(?P<english>)(?P<currency>)(?![\d,.{_KANJI}]|\s?(?:{_BEHIND}|[人名件個本台冊回歩部枚通点字語秒分時日年月kmgt社店坪票アユクダ]))"
    ),
    re.compile(rf"(?:{_NAMED})(?P<currency>)[^\d\n]{{0,8}}(?<![\d,.])(?=\d){_SUM}(?![\d年月日時分個件名%])"),
)
_TOKEN = re.compile(rf"{_NUMBER}|[{_KANJI}]")
_SPACE_GROUPS = re.compile(r"(?<![\d,.])\d{1,3}(?:[ \u202f]\d{3})+(?![\d,.])")  # 1 200 000, as in French
_COMMA_GROUPS = re.compile(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?")
_DOT_GROUPS = re.compile(r"\d{1,3}(?:\.\d{3})+(?:,\d+)?")


@dataclass(frozen=True, slots=True)
class Amount:
    """`currency` is an ISO 4217 code, "" when none is told; `text` as it was read, half width."""

    value: Decimal
    currency: str
    text: str


def amounts(text: str) -> tuple[Amount, ...]:
    """The sums in the text in their order; a bare number is none."""
    text = unicodedata.normalize("NFKC", text[:READ]).lower().translate(_OF_DEEDS)
    text = _SPACE_GROUPS.sub(lambda match: re.sub(r"\s", "", match[0]), text)
    found: dict[int, Amount] = {}
    for pattern in _SUMS:
        for match in pattern.finditer(text):
            value = _value(match["sum"]) * _ENGLISH.get(match["english"] or "", 1)
            found.setdefault(match.start("sum"), Amount(value, _currency(match["currency"]), match[0].strip()))
    return tuple(found[at] for at in sorted(found))


def _currency(written: str) -> str:
    return next((code for code, pattern in _CURRENCIES.items() if re.fullmatch(pattern, written)), "")


def _value(written: str) -> Decimal:
    """1億2,000万 is 120,000,000: small units add up until a large one multiplies them."""
    total = section = Decimal(0)
    number: Decimal | None = None
    tokens = _TOKEN.findall(written)
    for at, token in enumerate(tokens):
        if token in _DIGITS:
            number = (number or 0) * Decimal(10) + _DIGITS[token]
        elif token in _SMALL:
            section += (Decimal(1) if number is None else number) * _SMALL[token]
            number = None
        elif token in _LARGE:
            section += number or 0
            total += (section or 1) * _LARGE[token]
            section, number = Decimal(0), None
        else:
            number = _number(token, has_unit=at + 1 < len(tokens))
    return total + section + (number or 0)


def _number(written: str, *, has_unit: bool) -> Decimal:
    """1,000.50 and 1.000,50; 1.500 is fifteen hundred unless a unit follows (1.500億)."""
    if _COMMA_GROUPS.fullmatch(written):
        return Decimal(written.replace(",", ""))
    if _DOT_GROUPS.fullmatch(written) and not has_unit:
        return Decimal(written.replace(".", "").replace(",", "."))
    whole, point, rest = written.rpartition("." if "." in written else ",")
    if point and rest.isdigit() and whole.isdigit() and not (point == "," and len(rest) > 2):
        return Decimal(f"{whole}.{rest}")
    return Decimal(re.sub("[,.]", "", written))
