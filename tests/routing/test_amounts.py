from __future__ import annotations

import time
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing.amounts import amounts

FULL_WIDTH = str.maketrans("0123456789,.¥$", "０１２３４５６７８９，．￥＄")


@pytest.mark.parametrize(
    ("text", "value", "currency"),
    [
        ("¥1,200,000", "1200000", "JPY"),
        ("￥１，２００，０００－", "1200000", "JPY"),
        ("\\5,000", "5000", "JPY"),
        ("お見積りは120万円です", "1200000", "JPY"),
        ("１２０万円", "1200000", "JPY"),
        ("1億2,000万円", "120000000", "JPY"),
        ("1.5億円", "150000000", "JPY"),
        ("5,000千円", "5000000", "JPY"),
        ("5,000 千円", "5000000", "JPY"),
        ("3百5十万円", "3500000", "JPY"),
        ("三十万円", "300000", "JPY"),
        ("数百万円", "1000000", "JPY"),
        ("二〇〇円", "200", "JPY"),
        ("1000 yen", "1000", "JPY"),
        ("5 million yen", "5000000", "JPY"),
        ("$5k", "5000", "USD"),
        ("US$5,000.50", "5000.50", "USD"),
        ("USD 5000", "5000", "USD"),
        ("1.2 billion dollars", "1200000000", "USD"),
        ("３００ドル", "300", "USD"),
        ("1.000,50 €", "1000.50", "EUR"),
        ("€12,50", "12.50", "EUR"),
        ("£1.000", "1000", "GBP"),
        ("合計：980,000（税別）", "980000", ""),
        ("Total amount: 980,000", "980000", ""),
        ("お見積は120万でいかがでしょうか", "1200000", ""),
        ("2億の案件です", "200000000", ""),
        ("1億2,000万でお受けします", "120000000", ""),
        ("金壱百弐拾万円也", "1200000", "JPY"),
        ("合計: 1 200 000 円", "1200000", "JPY"),
    ],
)
def test_a_sum_is_read(text: str, value: str, currency: str) -> None:
    [amount] = amounts(text)
    assert (amount.value, amount.currency) == (Decimal(value), currency)


@pytest.mark.parametrize(
    "text",
    [
        "電話 03-1234-5678",
        "2026年12月24日 10:00",
        "合計 3件",
        "注文 12345",
        "1.2.3",
        "元気です",
        "10万人",
        "3万件",
        "090 1234 5678",
        "",
    ],
)
def test_what_is_no_sum_is_not_read(text: str) -> None:
    assert amounts(text) == ()


def test_several_sums_stand_in_their_order() -> None:
    assert [one.value for one in amounts("単価500円、合計 12,000円、値引 ¥1,000")] == [500, 12000, 1000]


@given(st.integers(1, 10**12), st.booleans(), st.sampled_from(["¥{}", "{}円", "金額は{}円です", "JPY {}", "({} yen)"]))
def test_a_sum_comes_back_however_it_is_written(value: int, wide: bool, written: str) -> None:
    text = written.format(f"{value:,}")
    text = text.translate(FULL_WIDTH) if wide else text
    assert [one.value for one in amounts(text)] == [value]


@given(st.integers(1, 9999), st.integers(1, 9999), st.integers(0, 9999))
def test_japanese_units_add_up(hundred_millions: int, ten_thousands: int, rest: int) -> None:
    [amount] = amounts(f"{hundred_millions}億{ten_thousands:,}万{rest or ''}円")
    assert amount.value == hundred_millions * 10**8 + ten_thousands * 10**4 + rest


@given(st.text(alphabet="0123456789,.¥$円万億千百十一二元 ka€m\n合計", max_size=80))
def test_any_text_is_read_without_an_accident(text: str) -> None:
    assert all(one.value >= 0 for one in amounts(text))


@pytest.mark.parametrize("piece", ["千", "1,", "一", "¥", "合計", "1 千", "9"])
def test_a_hostile_text_takes_its_length_in_time(piece: str) -> None:
    began = time.process_time()
    amounts(piece * 100_000)
    assert time.process_time() - began < 3
