"""New words of a reply, told by program, by language and by shape."""

# ruff: noqa: E501, PT018 (mail as it stands on one line; pairs of facts asserted together)

from __future__ import annotations

import gc
import json
import os
import re
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inbox.mail.facts import ParsedMail
from inbox.mail.quote_words import is_ordinary
from inbox.mail.quoted import new_words, new_words_of, new_words_of_html

ANSWER = "お世話になっております。\n明日の10時にお願いいたします。"

JAPANESE = {
    "outlook": "-----Original Message-----\nFrom: 窓口 <support@shop.example>\nSent: Monday, January 5, 2026 10:00 AM\nTo: 山田 <y@example.test>\nSubject: 件名\n\n元の文",
    "outlook, japanese labels": "________________________________\n差出人: 窓口 <support@shop.example>\n送信日時: 2026年1月5日 10:00\n宛先: 山田 <y@example.test>\n件名: ご予約\n\n元の文",
    "outlook, full-width colons": "差出人：窓口 <support@shop.example>\n送信日時：2026年1月5日 10:00\n宛先：山田\n件名：ご予約\n\n元の文",
    "outlook, old marker": "-----元のメッセージ-----\n差出人: 窓口\n\n元の文",
    "iphone": "iPhoneから送信\n\n2026/01/05 10:00、窓口 <support@shop.example>のメール:\n\n> 元の文\n> 二行目",
    "iphone, unmarked quote": "2026/01/05 10:00、窓口 <support@shop.example>のメール:\n\n元の文\n二行目",
    "gmail": "2026年1月5日(月) 10:00 窓口 <support@shop.example>:\n\n> 元の文\n>\n> 二行目",
    "gmail, wrapped": "2026年1月5日(月) 10:00 とても長い名前の窓口 <\nsupport@shop.example>:\n\n> 元の文",
    "yahoo": "----- Original Message -----\nFrom: 窓口 <support@shop.example>\nTo: y@example.test\nDate: 2026/1/5, Mon 10:00\nSubject: 件名\n\n> 元の文",
    "yahoo, old": "--- 窓口 <support@shop.example> さんは書きました:\n\n> 元の文",
    "becky": "On Mon, 5 Jan 2026 10:00:00 +0900\n窓口 <support@shop.example> wrote:\n\n> 元の文",
    "thunderbird": "On 2026/01/05 10:00, 窓口 wrote:\n> 元の文\n> 二行目",
    "thunderbird, parentheses": "(2026/01/05 10:00), 窓口 wrote:\n> 元の文",
    "full-width marks": "＞元の文\n＞二行目",
    "android": "Androidのスマートフォンから送信\n\n2026年1月5日 10:00、窓口 <support@shop.example>さんのメール:\n> 元の文",
    "forwarded": "---------- 転送メッセージ ----------\n差出人: 窓口\n日時: 2026年1月5日\n\n元の文",
    "signature box": "━━━━━━━━━━━━━━━━━━\n株式会社山田商店\n山田 太郎\nTEL 03-1234-5678\nhttps://yamada.example\n━━━━━━━━━━━━━━━━━━",
    "signature dashes": "-- \n山田 太郎\n",
    "outlook for ios": "Outlook for iOS<https://aka.ms/o0ukef>を入手\n________________________________\nFrom: 窓口 <support@shop.example>\nSent: Monday, January 5, 2026 10:00:00 AM\nTo: y@example.test\nSubject: x\n\n元の文",
}


@pytest.mark.parametrize("program", JAPANESE)
def test_japanese_programs_quotations_are_told_from_the_answer(program: str) -> None:
    text = f"{ANSWER}\n\n{JAPANESE[program]}\n"
    found = new_words(text)
    assert found.text == ANSWER
    assert found.quoted_at is not None
    assert text[: found.quoted_at].strip() == ANSWER


OTHERS = {
    "de": "Am Mo., 5. Jan. 2026 um 10:00 Uhr schrieb Shop <support@shop.example>:\n\n> alt",
    "de outlook": "Von: Shop <support@shop.example>\nGesendet: Montag, 5. Januar 2026 10:00\nAn: Max\nBetreff: AW: x\n\nalt",
    "fr": "Le lun. 5 janv. 2026 à 10:00, Shop <support@shop.example> a écrit :\n\n> vieux",
    "fr outlook": "De : Shop <support@shop.example>\nEnvoyé : lundi 5 janvier 2026 10:00\nÀ : Max\nObjet : x\n\nvieux",
    "es": "El lun, 5 ene 2026 a las 10:00, Shop (<support@shop.example>) escribió:\n\n> viejo",
    "it": "Il giorno lun 5 gen 2026 alle ore 10:00 Shop <support@shop.example> ha scritto:\n\n> vecchio",
    "nl": "Op ma 5 jan 2026 om 10:00 schreef Shop <support@shop.example>:\n\n> oud",
    "pt": "Em seg., 5 de jan. de 2026 às 10:00, Shop <support@shop.example> escreveu:\n\n> velho",
    "pl": "pon., 5 sty 2026 o 10:00 Shop <support@shop.example> napisał(a):\n\n> stare",
    "sv": "Den mån 5 jan. 2026 kl 10:00 skrev Shop <support@shop.example>:\n\n> gammalt",
    "da": "Den man. 5. jan. 2026 kl. 10.00 skrev Shop <support@shop.example>:\n\n> gammelt",
    "no": "man. 5. jan. 2026 kl. 10:00 skrev Shop <support@shop.example>:\n\n> gammelt",
    "cs": "po 5. 1. 2026 v 10:00 odesílatel Shop <support@shop.example> napsal:\n\n> staré",
    "ru": "пн, 5 янв. 2026 г. в 10:00, Shop <support@shop.example>:\n\n> старое",
    "ko": "2026년 1월 5일 (월) 오전 10:00, Shop <support@shop.example>님이 작성:\n\n> 이전",
    "zh": "Shop <support@shop.example> 于2026年1月5日周一 10:00写道：\n\n> 旧",
    "zh outlook": "发件人: Shop <support@shop.example>\n发送时间: 2026年1月5日 10:00\n收件人: Max\n主题: x\n\n旧",
    "en apple": "> On 5 Jan 2026, at 10:00, Shop <support@shop.example> wrote:\n> \n> old",
    "en outlook": "From: Shop <support@shop.example>\nSent: Monday, January 5, 2026 10:00 AM\nTo: Max\nSubject: x\n\nold",
    "en above line": "##- Please type your reply above this line -##\n\nold",
}


@pytest.mark.parametrize("language", OTHERS)
def test_quotations_of_many_languages_are_told_from_the_answer(language: str) -> None:
    assert new_words(f"Yes, 2 pieces.\n\n{OTHERS[language]}\n").text == "Yes, 2 pieces."


def test_answers_between_quoted_questions_stay_with_their_questions() -> None:
    text = "On 5 Jan 2026, at 10:00, Shop wrote:\n> Which size?\nLarge.\n> Which colour?\nBlue.\n> Regards, Shop\n"
    found = new_words(text).text
    assert found == "> Which size?\nLarge.\n> Which colour?\nBlue."


def test_an_answer_below_the_quotation_is_found() -> None:
    assert (
        new_words("2026年1月5日(月) 10:00 窓口 <s@shop.example>:\n> 元の文\n> 二行目\n\n了解しました。\n").text
        == "了解しました。"
    )


def test_a_mail_without_quotation_is_new_as_a_whole() -> None:
    text = "On Monday at 10:30 we met and she wrote: a letter.\nFrom: now on, To: you\n\n- one\n- two"
    assert new_words(text).text == text
    assert new_words(text).quoted_at is None


def test_an_order_with_rules_inside_stays_whole() -> None:
    text = "ご注文内容\n--------------------\n商品A 1個\n商品B 2個\n商品C 3個\n商品D 4個\n--------------------\n合計 1,000円\n以上3点の確認をお願いします。"
    assert new_words(text).text == text


def test_a_forwarded_mail_alone_is_what_there_is_to_read() -> None:
    text = "---------- Forwarded message ----------\nFrom: a@example.test\nDate: Mon, 5 Jan 2026\nSubject: x\n\nPlease help."
    assert "Please help." in new_words(text).text


def test_a_contact_form_with_sender_and_subject_stays_whole() -> None:
    text = "ホームページからの問い合わせです。\n\n差出人: 山田\n件名: 見積もり\n本文: 100個の見積もりをください。"
    assert new_words(text).text == text


def test_nothing_but_a_quotation_under_its_attribution_says_nothing_new() -> None:
    assert new_words("On 5 Jan 2026, at 10:00, Shop <s@shop.example> wrote:\n> old\n> older\n").text == ""


def test_html_quotations_of_programs_are_cut() -> None:
    gmail = '<div dir="ltr">Yes.</div><br><div class="gmail_quote"><div class="gmail_attr">On Mon, Jan 5, 2026 at 10:00 AM Shop &lt;<a href="mailto:s@shop.example">s@shop.example</a>&gt; wrote:<br></div><blockquote class="gmail_quote">old</blockquote></div>'
    outlook = '<div>Yes.</div><div id="appendonsend"></div><hr><div id="divRplyFwdMsg"><b>From:</b> Shop<br><b>Sent:</b> Monday<br></div><div>old</div>'
    thunderbird = 'Yes.<br><div class="moz-cite-prefix">Am 05.01.26 um 10:00 schrieb Shop:<br></div><blockquote type="cite" cite="mid:x">old</blockquote>'
    yahoo = '<div>Yes.</div><div id="ydp1" class="yahoo_quoted"><div>On Monday, Shop wrote:</div><div>old</div></div>'
    proton = '<div>Yes.</div><div class="protonmail_quote">On Monday, Shop wrote:<br><blockquote type="cite">old</blockquote></div>'
    for html in (gmail, outlook, thunderbird, yahoo):
        assert new_words_of_html(html) == "Yes.", html
    assert "old" not in new_words_of_html(proton)


def test_answers_inside_a_gmail_quotation_are_kept() -> None:
    html = '<div class="gmail_quote">On Mon, Jan 5, 2026 at 10:00 AM Shop &lt;s@shop.example&gt; wrote:<br><blockquote class="gmail_quote">Size?</blockquote><div>Large</div><blockquote class="gmail_quote">Colour?</blockquote><div>Blue</div></div>'
    found = new_words_of_html(html)
    assert "Large" in found and "Blue" in found


def test_the_text_of_a_mail_is_preferred_to_its_html() -> None:
    assert new_words_of(ParsedMail(text="new\n\n> old", html="<p>other</p>")).text == "new"
    assert new_words_of(ParsedMail(text=" \n", html="<p>new</p><blockquote>old</blockquote>")).text == "new"


HOSTILE = {
    "quote marks": "> " * 500_000,
    "quoted lines": "> \n" * 333_333,
    "Re": "Re: " * 100_000,
    "attributions": "On 5 Jan 2026, Shop\n" * 50_000,
    "openers": "On 1\n" * 200_000,
    "headers": "From: a\nDate: b\n" * 60_000,
    "from only": "From: a\n" * 120_000,
    "rules": "-----\n" * 150_000,
    "one long rule": "-" * 1_000_000,
    "colons": ":" * 1_000_000,
    "dashes and words": "- a" * 300_000,
    "sent from": "Sent from my phone\n" * 50_000,
    "spaces": " " * 1_000_000 + "x",
    "words": "wrote " * 160_000 + ":",
    "wrapped quotes": ("> " + "x" * 70 + "\nrest\n") * 13_000,
}


def seconds_for(text: str) -> float:
    """Processor seconds of the quickest of three searches; without the collector, whose cost is the test process's."""
    tries = []
    gc.disable()
    try:
        for _ in range(3):
            began = time.thread_time()
            new_words(text)
            tries.append(time.thread_time() - began)
    finally:
        gc.enable()
    return min(tries)


@pytest.mark.parametrize("attack", HOSTILE)
def test_the_search_for_quotations_grows_no_faster_than_the_mail(attack: str) -> None:
    """S-22: four times the text takes about four times as long at most; what is quadratic would take sixteen times."""
    whole = HOSTILE[attack]
    assert seconds_for(whole) < 8 * seconds_for(whole[: len(whole) // 4]) + 0.25


@settings(max_examples=300, deadline=None)
@given(
    st.lists(
        st.sampled_from(
            [
                "> q",
                "text",
                "",
                "On 5 Jan 2026, at 10:00, A <a@b.c> wrote:",
                "-- ",
                "-----",
                "From: a",
                "Date: b",
                "Sent from my iPhone",
                "Kh",
                "---- 元のメッセージ ----",
                "\x00\ud800",
            ]
        ),
        max_size=14,
    ),
    st.sampled_from(["\n", "\r\n"]),
)
def test_new_words_are_lines_of_the_mail_in_their_order(lines: list[str], end: str) -> None:
    text = end.join(lines)
    found = new_words(text)
    assert found.quoted_at is None or 0 <= found.quoted_at <= len(text)
    rest = iter(line.rstrip() for line in text.replace("\r", "").split("\n"))
    assert all(line.rstrip() in rest for line in found.text.split("\n") if line.strip())


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=400))
def test_no_text_and_no_html_makes_it_raise(text: str) -> None:
    new_words(text)
    new_words_of_html(text)


CORPORA = Path(os.environ.get("MADOGUCHI_CORPORA") or Path(__file__).parents[4] / "shared" / "corpora") / "cases"


@pytest.mark.skipif(not CORPORA.is_dir(), reason="the corpora are not at hand (MADOGUCHI_CORPORA)")
def test_replies_of_other_projects_are_read_as_they_expect_in_nine_of_ten_cases() -> None:
    good = total = 0
    for name in ("mail_parser_reply", "talon", "email_reply_parser", "email_reply_trimmer"):
        for line in (CORPORA / f"{name}.jsonl").read_text("utf-8").splitlines():
            case = json.loads(line)
            if case["kind"] == "reply" and "reply_text" in case["expect"]:
                total += 1
                good += _squeezed(new_words(case["text"]).text) == _squeezed(case["expect"]["reply_text"])
            elif case["kind"] == "reply_html":
                total += 1
                good += _squeezed(new_words_of_html(case["text"])) == _squeezed(case["expect"]["reply_html_text"])
    assert total > 50
    assert good / total >= 0.9


def _squeezed(text: str) -> str:
    return re.sub(r"\s+", "", text)


@pytest.mark.parametrize("unseen", ["\u200b", " \u200e", "\ufeff\u2060", "\xa0", " " * 500])
def test_a_line_of_invisible_characters_is_an_empty_one(unseen: str) -> None:
    assert new_words(f"Hello\n{unseen}\nJane\n{unseen}").text == f"Hello\n{unseen}\nJane"


def test_blanks_before_a_far_away_word_make_no_line_empty() -> None:
    assert new_words("Hello\n" + " " * 500 + "far").text.endswith("far")


@pytest.mark.parametrize(
    "line",
    [
        "On Monday, 3 May 2026, Jane wrote:", "Am 3. Mai 2026 um 10:00 schrieb Jane:", "Le lundi 3 mai 2026, Jane a écrit",
        "Dňa 3. 5. 2026 Jane napísal(a)", "W dniu 3.05.2026 Jane pisze", "Στις 3 Μαΐου 2026, Jane έγραψε", "på 3 maj 2026",
        "у 3 травня 2026", "mié., 3 may 2026", "Lördag 3 maj 2026", "søn. 3. mai 2026", "вт, 3 мая 2026 г.", "在 2026年5月3日", "2026년 5월 3일",
        "3 May 2026 10:00 Jane", "(2026/05/03 10:00)", "*On* 3 May", "-- On 3 May 2026", "Jane <j@example.org> wrote:", "山田さんが書いた",
        "From: Jane", "差出人： 山田", "Original message processed by David", "Please reply above this line", "Type your reply above this line",
        "この行より上に返信", "====", "—", "Sent from my iPhone", "Get Outlook for iOS", "Gesendet von Mail", "Von meinem iPhone gesendet",
        "Diese Nachricht wurde von meinem Gerät gesendet", "Envoyé depuis mon mobile", "Enviado desde mi iPhone", "Inviato da iPhone",
        "Verzonden vanaf mijn iPhone", "Wysłano z iPhone'a", "Skickat från min iPhone", "Odesláno z iPhonu", "Lähetetty iPhonesta",
        "Отправлено с iPhone", "Надіслано з iPhone", "iPhone cihazımdan gönderildi", "İPHONE CİHAZIMDAN GÖNDERİLDİ", "iPhoneから送信", "Outlook for iOS を入手",
        "从我的 iPhone 发送", "從我的 iPhone 傳送", "来自 QQ", "내 iPhone에서 보냄",
    ],
)  # fmt: skip
def test_no_line_that_means_something_passes_for_ordinary(line: str) -> None:
    assert not is_ordinary(line)


@pytest.mark.parametrize("line", ["When will it come?", "お世話になっております。", "Ist die Rechnung angekommen?"])
def test_most_lines_are_ordinary(line: str) -> None:
    assert is_ordinary(line)
