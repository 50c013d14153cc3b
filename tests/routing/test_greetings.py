from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing.attachment_words import mentions_attachment
from routing.greetings import Names, addressed, strangers
from routing.romaji import alike, romanised

YAMADA = Names(("山田 太郎", "ヤマダ タロウ"), ("株式会社アクメ",), ("taro.yamada",))


@pytest.mark.parametrize(
    "text",
    [
        "山田様",
        "山田太郎様\nお世話になっております。",
        "株式会社アクメ\n営業部 山田 太郎 様",
        "株式会社アクメ山田様",
        "営業部山田様",
        "山田部長様",
        "やまださま",
        "ﾔﾏﾀﾞ様",
        "タロウ様",
        "Dear Mr. Yamada,",
        "Dear Yamada-san,",
        "Hello Taro!",
        "アクメ株式会社 御中",
        "(株)アクメ ご担当者様",
    ],
)
def test_the_customer_is_addressed(text: str) -> None:
    assert addressed(text)
    assert strangers(text, YAMADA) == ()


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("佐藤様", "佐藤"),
        ("株式会社アクメ 佐藤様\nお世話になっております。", "株式会社アクメ 佐藤"),
        ("サトウさま", "サトウ"),
        ("小山田様", "小山田"),
        ("林様", "林"),
        ("山様", "山"),
        ("Dear Mr. Sato,", "Sato"),
        ("Hi Ken,\nthank you", "Ken"),
        ("Suzuki-san, thank you", "Suzuki"),
        ("株式会社ベータ 御中", "株式会社ベータ"),
        ("株式会社ベータ ご担当者様", "株式会社ベータ"),
        ("\n\n  山田様、佐藤様\n", "佐藤"),
        ("山田様・佐藤様", "佐藤"),
        ("佐藤様／山田様", "佐藤"),
        ("山田様＆佐藤様", "佐藤"),
        ("山田様と佐藤様", "佐藤"),
    ],
)
def test_somebody_else_is_addressed(text: str, name: str) -> None:
    assert strangers(text, YAMADA) == (name,)


@pytest.mark.parametrize(
    "text",
    [
        "お客様",
        "ご担当者様",
        "皆様、お世話になっております。",
        "仕様\n同様\n各位\nこの製品の仕様",
        "この模様をご覧ください",
        "Hi all,",
        "Dear Sir or Madam,",
        "Dear customer,",
        "Hello again!",
        "先日は佐藤様にお越しいただきました。",
        "> 佐藤様",
        "1\n2\n3\n4\n5\n6\n佐藤様",
        "",
    ],
)
def test_nobody_is_addressed(text: str) -> None:
    assert strangers(text, YAMADA) == ()


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("やまだ様", Names(("山田 太郎",))),
        ("Dear Mr. Sato,", Names(("山田 太郎",))),
        ("佐藤様", Names(("Taro Yamada",))),
        ("佐藤様", Names()),
        ("株式会社ベータ 御中", Names(("山田 太郎",))),
        ("佐藤様", Names((), (), ("佐藤",))),
    ],
)
def test_what_cannot_be_compared_is_not_judged(text: str, names: Names) -> None:
    assert strangers(text, names) == ()


def test_a_record_without_a_space_knows_family_and_given_name() -> None:
    for text in ("林様", "林太郎様", "太郎様"):
        assert strangers(text, Names(("林太郎",))) == ()
    assert strangers("木林様", Names(("林太郎",))) == ("木林",)


@pytest.mark.parametrize(
    ("kana", "spellings"),
    [
        ("さとう", ["sato", "satou", "satoh"]),
        ("しみず", ["shimizu", "simizu"]),
        ("ちば", ["chiba", "tiba"]),
        ("つつみ", ["tsutsumi", "tutumi"]),
        ("はっとり", ["hattori"]),
        ("じゅんいち", ["junichi", "jun'ichi"]),
        ("なんば", ["nanba", "namba"]),
        ("おおの", ["ono", "oono", "ohno"]),
        ("ふじわら", ["fujiwara"]),
        ("きょうこ", ["kyoko", "kyouko"]),
    ],
)
def test_kana_and_its_spellings_in_latin_letters(kana: str, spellings: list[str]) -> None:
    assert {alike(one) for one in spellings} == {romanised(kana)}


FAMILY = st.sampled_from(
    ["佐藤", "鈴木", "高橋", "渡辺", "伊藤", "小林", "中村", "斎藤", "五十嵐", "林", "森", "長谷川"]
)
GIVEN = st.sampled_from(["太郎", "花子", "健一", "美咲", "翔太", "恵"])
GREETINGS = st.sampled_from(
    ["{f}様", "{f} {g}様", "{f}{g} 様", "株式会社ベータ\n営業部 {f}様", "営業部長 {f}様", "{f}さま、"]
)


@given(FAMILY, GIVEN, GREETINGS, FAMILY)
def test_the_own_name_passes_in_every_form_and_another_one_in_none(
    family: str, given_name: str, form: str, other: str
) -> None:
    text = form.format(f=family, g=given_name)
    assert strangers(text, Names((f"{family} {given_name}",))) == ()
    if other != family:
        assert strangers(text, Names((f"{other} 次郎",))) != ()


@given(st.text(max_size=200))
def test_any_text_is_read_without_an_accident(text: str) -> None:
    assert set(strangers(text, YAMADA)) <= set(addressed(text))


# -- attachments


@pytest.mark.parametrize(
    "text",
    [
        "見積書を添付いたします。",
        "添付ファイルをご確認ください。",
        "添付の資料をご覧ください",
        "添付してお送りいたします",
        "添付いたしますのでご確認ください",
        "添付しましたのでご確認ください",
        "見積書を添付しますのでよろしくお願いします",
        "添付した見積書をご覧ください",
        "添付しておりますので、ご返送ください",
        "ご査収ください。",
        "詳細は別紙のとおりです",
        "別添のとおりです",
        "ｶﾀﾛｸﾞを同封します",
        "写真を添付してください。こちらの見本を添付します。",
        "Please find attached the quote.",
        "Please find the attachment below.",
        "See the attachment.",
        "I’ve attached it",
        "We attach the contract.",
        "Enclosed is our offer",
    ],
)
def test_something_is_said_to_be_attached(text: str) -> None:
    assert mentions_attachment(text)


@pytest.mark.parametrize(
    "text",
    [
        "写真を添付してください。",
        "スクリーンショットを添付の上ご返信ください",
        "添付をお願いいたします",
        "写真を添付してお送りください",
        "資料を添付して、ご返信ください",
        "別紙をご返送ください",
        "画像を添付していただけますか",
        "添付されていませんでした。",
        "添付漏れでした",
        "いただいた添付を拝見しました",
        "ご添付いただいた資料の件",
        "添付ファイルを確認できず、添付なしで届いております",
        "Please attach a screenshot.",
        "Could you send it as an attachment?",
        "the file you attached is empty",
        "No attachment was found",
        "your attachment could not be opened",
        "It was not attached.",
        "> 見積書を添付いたします。",
        "お見積りの件、承知しました。",
        "",
    ],
)
def test_nothing_of_ours_is_said_to_be_attached(text: str) -> None:
    assert mentions_attachment(text) == ""
