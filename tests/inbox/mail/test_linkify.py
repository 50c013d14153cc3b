"""Plain text shown as HTML: escaped, linked, quick (S-03)."""

from __future__ import annotations

import html
import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inbox.mail.linkify import linked


def _targets(text: str) -> list[str]:
    return [html.unescape(target) for target in re.findall(r'<a href="([^"]*)"', linked(text))]


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("see http://x.test/a.", "http://x.test/a"),
        ("(see https://x.test/a_(b))", "https://x.test/a_(b)"),
        ("詳しくはhttps://x.test/aをご覧ください", "https://x.test/a"),
        ("https://x.test/をご覧ください", "https://x.test/"),
        ("https://x.test/wiki/日本#歴史 です", "https://x.test/wiki/日本#歴史"),
        ("メールはa@x.test迄", "mailto:a@x.test"),
        ("https://x.test/a。次の文", "https://x.test/a"),
        ("「https://x.test/a」を", "https://x.test/a"),
        ("（https://x.test/a）", "https://x.test/a"),
        ("www.x.test, thanks", "https://www.x.test"),
        ("me: a.b+c@x.example.test!", "mailto:a.b+c@x.example.test"),
        ("http://x.test/?a=1&b=2", "http://x.test/?a=1&b=2"),
        ("HTTPS://X.test/A?", "HTTPS://X.test/A"),
        ("http://[::1]/x", "http://[::1]/x"),
    ],
)
def test_addresses_are_linked_without_the_punctuation_around_them(text: str, target: str) -> None:
    assert _targets(text) == [target]


@pytest.mark.parametrize(
    "text", ["javascript:alert(1)", "http://", "https://.", "data:text/html,x", "a@b", "vbscript:x", "x www. y"]
)
def test_what_is_no_web_or_mail_address_is_not_linked(text: str) -> None:
    assert linked(text) == html.escape(text)


def test_an_attribute_cannot_be_broken_out_of() -> None:
    found = linked('http://x/" onmouseover=alert(1) x="')
    assert found.startswith(
        '<a href="http://x/" rel="noopener noreferrer nofollow" target="_blank">http://x/</a>&quot; onmouseover'
    )


@settings(max_examples=300, deadline=None)
@given(
    st.one_of(
        st.text(max_size=200),
        st.lists(
            st.sampled_from(
                ["http://", "www.", "x.test", '"', "<", ">", "'", "&", " ", ")", "(", "@", "a@b.test", "。", "\n"]
            ),
            max_size=20,
        ).map("".join),
    )
)
def test_the_words_stay_what_they_were(text: str) -> None:
    found = linked(text)
    assert html.unescape(re.sub(r"</?a[^>]*>", "", found)) == html.unescape(html.escape(text))
    assert "<" not in re.sub(r'<a href="[^"<>]*" rel="[a-z ]*" target="_blank">|</a>', "", found)


@pytest.mark.parametrize(
    "piece",
    [
        "http://",
        "http://x",
        "www.",
        "a@",
        "a.",
        "a@b.",
        "(",
        "http://x.test/)",
        ".",
        "http://x.test/ ",
        "aaaaaaaaaa@bbbbbbbbb.cccccc",
        "http://x/あ",
        "www.a/",
        "a@b.cc",
    ],
)
def test_a_megabyte_takes_less_than_a_second(piece: str) -> None:
    text = piece * (1_000_000 // len(piece))
    began = time.thread_time()
    linked(text)
    assert time.thread_time() - began < 2.0
