"""Bytes of any charset, rightly or wrongly declared, become readable text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inbox.mail.charsets import codec_of, decode

ROUND_NUMBERS_IN_JIS = b'\x1b$B-!-"\x1b(B'  # NEC row 13: not in JIS X 0208, sent all the same
IBM_KANJI_IN_JIS = b'\x1b$By"\x1b(B'


@pytest.mark.parametrize(
    ("data", "label", "text"),
    [
        (ROUND_NUMBERS_IN_JIS, "ISO-2022-JP", "①②"),
        (IBM_KANJI_IN_JIS, "iso-2022-jp", "褜"),
        (b"\x1b(I1234\x1b(B", "iso-2022-jp", "ｱｲｳｴ"),
        (b'\xb1\xb2\x1b$B$"\x1b(B', "iso-2022-jp", "ｱｲあ"),
        (b"\x0e12\x0fabc", "cp50222", "ｱｲabc"),
        (b"\x1b$(D0\x21\x1b(B", "iso-2022-jp-1", b"\x8f\xb0\xa1".decode("euc_jp")),
        (b'\x1b$B$"\nabc', "iso-2022-jp", "あ\nabc"),
        ("髙島屋㈱①".encode("cp932"), "Shift_JIS", "髙島屋㈱①"),
        ("髙島屋㈱①".encode("cp932"), "x-sjis", "髙島屋㈱①"),
        ("髙島屋㈱①".encode("cp932"), "windows-31j", "髙島屋㈱①"),
        (b"\xad\xa1\xb9\xe2\x8e\xb1", "euc-jp", "①高ｱ"),
        ("中文測試".encode("big5"), "Big5", "中文測試"),
        ("这是镕".encode("gb18030"), "gb2312", "这是镕"),
        ("한국어 똠".encode("cp949"), "ks_c_5601-1987", "한국어 똠"),
        ("안녕".encode("iso2022_kr"), "iso-2022-kr", "안녕"),
        ("你好".encode("hz"), "hz-gb-2312", "你好"),
        (b"it\x92s \x80 5", "iso-8859-1", "it’s € 5"),
        ("ÕÄÖÜ".encode("cp1257"), "win-1257", "ÕÄÖÜ"),
        ("Grüße".encode(), "'UTF8'", "Grüße"),
        ("日本".encode("utf-16"), "utf-16", "日本"),
        (b"\xef\xbb\xbfabc", "utf-8", "abc"),
        (b"plain", None, "plain"),
    ],
)
def test_declared_charsets_are_read_as_windows_and_the_carriers_write_them(data, label, text):
    assert decode(data, label).text == text


def test_wave_dash_is_the_same_character_in_all_japanese_charsets():
    sent = {"shift_jis": "〜", "euc_jp": "〜", "iso2022_jp": "〜"}
    assert {decode(text.encode(codec), codec).text for codec, text in sent.items()} == {"～"}


@pytest.mark.parametrize(
    ("data", "label", "text"),
    [
        ("こんにちは世界。ありがとう".encode("cp932"), "iso-8859-1", "こんにちは世界。ありがとう"),
        ("こんにちは世界".encode(), "us-ascii", "こんにちは世界"),
        ("Привет, как дела".encode("cp1251"), None, "Привет, как дела"),
        ("お世話になっております".encode("euc_jp"), None, "お世話になっております"),
        ("お世話になっております".encode("cp932"), "iso-2022-jp", "お世話になっております"),
        ("お世話になっております".encode("iso2022_jp"), None, "お世話になっております"),
        ("お世話になっております".encode("iso2022_jp"), "utf-8", "お世話になっております"),
        ("Grüße aus Köln".encode("latin-1"), "utf-8", "Grüße aus Köln"),
        ("Grüße".encode(), "no-such-charset", "Grüße"),
    ],
)
def test_wrong_or_missing_labels_are_overruled_by_the_bytes(data, label, text):
    assert decode(data, label).text == text


def test_a_wrong_label_is_told_in_a_warning():
    assert "did not fit" in decode("世界の窓口".encode("cp932"), "utf-8").warning
    assert decode("世界".encode(), "utf-8").warning == ""


def test_a_little_damage_does_not_change_the_charset():
    damaged = "これは長い文章です。" * 5
    decoded = decode(damaged.encode()[:-1], "utf-8")
    assert decoded.charset == "utf-8"
    assert decoded.text.startswith(damaged[:-1])


def test_utf_7_is_never_decoded_into_markup():
    assert decode(b"+ADw-script+AD4-", "utf-7").text == "+ADw-script+AD4-"


def test_nul_never_reaches_a_database():
    assert decode(b"a\0b", "utf-8").text == "a\ufffdb"


@pytest.mark.parametrize(
    "label", ["rot13", "idna", "unicode_escape", "base64", "zlib", "utf-8\0", "x" * 1000, "", "?", "ü", "undefined"]
)
def test_labels_that_are_no_charsets_are_unknown_and_never_raise(label):
    assert decode(b"abc\xff", label).text
    assert codec_of(label) in (None, "utf-8")


@given(
    st.binary(max_size=300),
    st.one_of(
        st.none(),
        st.text(max_size=20),
        st.sampled_from(
            [
                "utf-8",
                "euc-jp",
                "iso-2022-jp",
                "shift_jis",
                "big5",
                "gbk",
                "utf-16",
                "hz",
                "iso-2022-kr",
                "cp1252",
                "cp437",
            ]
        ),
    ),
)
def test_no_bytes_under_no_label_raise(data, label):
    decoded = decode(data, label)
    decoded.text.encode("utf-8")
    assert "\0" not in decoded.text


@given(st.binary(max_size=200))
def test_escape_sequences_of_any_kind_never_raise(data):
    decode(
        b"\x1b$B" + data + b"\x1b(I" + data + b"\x1b$(D" + data + b"\x1b$(P" + data + b"\x1b$(C" + data, "iso-2022-jp"
    )


@given(st.text(st.sampled_from("abc 1\r\n請求書あいう、。「」ー〇々"), max_size=60))
def test_iso_2022_jp_as_nearly_all_mail_has_it_comes_back(text):
    """Also in pieces that lead to the careful way: a run that the line's end closes, and one that nothing closes."""
    data = text.encode("iso2022_jp")
    assert decode(data, "iso-2022-jp").text == text
    assert decode(data.removesuffix(b"\x1b(B"), "iso-2022-jp").text == text
    assert decode(data.replace(b"\x1b(B\n", b"\n"), "iso-2022-jp").text == text
    assert decode(data.replace(b"\x1b$B", b"\x1b$@").replace(b"\x1b(B", b"\x1b(J"), "iso-2022-jp").text == text


@pytest.mark.parametrize("label", [None, "utf-8", "us-ascii", "iso-2022-jp", "euc-jp", "iso-8859-1", "windows-1251"])
@pytest.mark.parametrize("text", ["はい", "髙橋です。", "①髙橋 こんにちは。よろしく"])
def test_a_few_words_in_cp932_are_known_under_any_label(text: str, label: str | None) -> None:
    assert decode(text.encode("cp932"), label).text == text


@pytest.mark.parametrize(
    ("text", "charset"),
    [
        ("‚Ähnlich‘ und „so“", "cp1252"),
        ("Привет, как дела?", "cp1251"),
        ("ѓорѓи ‚кажа‘", "cp1251"),
        ("café été à la crème", "cp1252"),
        ("Žluťoučký kůň ‚a‘", "cp1250"),
    ],
)
def test_low_quotation_marks_make_no_japanese(text: str, charset: str) -> None:
    assert decode(text.encode(charset), charset).text == text
