"""The catalogs: everything said is translated, with the same placeholders; nothing visible is said past them."""

from __future__ import annotations

import ast
import html
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from babel.messages.catalog import Message
from jinja2 import Environment

from web import catalogs

ROOT = catalogs.ROOT
TEMPLATES = sorted((ROOT / "web" / "pages").rglob("*.html"))
CLI = ROOT / "inbox" / "cli"  # the operator's command line speaks English only
MODULES = [
    path for path in sorted([*(ROOT / "web").rglob("*.py"), *(ROOT / "inbox").rglob("*.py")]) if CLI not in path.parents
]
PLACEHOLDER = re.compile(r"%\(\w+\)[sd]|%[sd%]|\{\}")
SHOWN = re.compile(r"[^\W\d_]{2,}")  # two letters of any script in a row
ATTRIBUTE = re.compile(r'\b[\w-]+="[^"]*"')  # in a macro that gives attributes only
SPOKEN_ATTRIBUTE = re.compile(r'\b(?:title|aria-label|placeholder|alt|data-[a-z]*(?:label|ask|busy|copied))="([^"]*)"')
NOT_WORDS = {  # names of keys, of header fields and of file types are the same in every language
    *("Ctrl", "Shift", "https", "eml"),
    *("Subject", "Message-ID", "In-Reply-To", "References"),
    *("support@example.com",),
}
SAYING = {"UserError", "NotFound", "Forbidden", "Conflict", "Unavailable", "tell", "Banner"}


@cache
def said(locale: str) -> list[Message]:
    return [message for message in catalogs.update(locale) if message.id]


def forms(text: str | tuple[str, ...] | list[str]) -> tuple[str, ...]:
    return (text,) if isinstance(text, str) else tuple(text)


@pytest.mark.parametrize("locale", catalogs.LOCALES)
def test_everything_that_the_code_says_is_translated(locale: str) -> None:
    messages = said(locale)
    assert len(messages) > 800
    missing = [message.id for message in messages if message.fuzzy or not all(forms(message.string or ""))]
    assert missing == [], "run `make catalogs` and translate these"


@pytest.mark.parametrize("locale", catalogs.LOCALES)
def test_translations_have_the_placeholders_of_their_text(locale: str) -> None:
    wrong = [
        (message.id, string)
        for message in said(locale)
        for string in forms(message.string)
        if set(PLACEHOLDER.findall(string)) != set(PLACEHOLDER.findall(forms(message.id)[-1]))
    ]
    assert wrong == []


def test_the_stored_catalog_is_what_the_code_says_now() -> None:
    from babel.messages.pofile import read_po

    for locale in catalogs.LOCALES:
        with (catalogs.CATALOGS / locale / "LC_MESSAGES" / "messages.po").open("rb") as source:
            stored = {forms(message.id) for message in read_po(source, locale=locale) if message.id}
        assert stored == {forms(message.id) for message in said(locale)}, "run `make catalogs`"


def test_one_and_many_are_different_texts_in_english() -> None:
    """A count beside a plural noun goes through ngettext."""
    plain = [forms(message.id) for message in said("ja") if len(forms(message.id)) == 1]
    counted = re.compile(r"%\((num|count|total)\)[sd] (mails|messages|conversations|tries|processes|failures)\b")
    always_many = {"%(count)s new conversations"}  # the browser says it from two on
    assert [text for (text,) in plain if counted.search(text) and text not in always_many] == []


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: str(path.relative_to(ROOT / "web" / "pages")))
def test_no_template_says_anything_past_the_catalogs(path: Path) -> None:
    assert list(_unmarked(path.read_text("utf-8"))) == []


def test_a_sentence_past_the_catalogs_would_be_noticed() -> None:
    assert list(_unmarked('<p class="x">{{ name }} wrote</p>')) == ["wrote"]
    assert list(_unmarked('<button title="Send it">{{ icon }}</button>')) == ["Send it"]
    assert list(_unmarked("<p>{{ _('Sent') }} · <kbd>r</kbd></p><script>let words</script>")) == []


def test_no_sentence_of_python_goes_past_the_catalogs() -> None:
    unmarked = [
        f"{path.relative_to(ROOT)}:{call.lineno}: {sentence}"
        for path in MODULES
        for call, sentence in _literal_sentences(ast.parse(path.read_text("utf-8")))
    ]
    assert unmarked == []


def _unmarked(template: str) -> Iterator[str]:
    """What a template shows of itself: text between tags and spoken attributes, without what Jinja puts in."""
    template = re.sub(r"{% block body_class %}.*?{% endblock %}", "", template)  # a CSS class
    own = "".join(
        value if kind == "data" else "\0" if kind == "variable_begin" else ""
        for _line, kind, value in Environment(autoescape=True).lex(template)
        if kind in ("data", "variable_begin")
    )
    own = re.sub(r"(?s)<(script|style)\b.*?</\1>|<!--.*?-->", "", own)
    for text in (*SPOKEN_ATTRIBUTE.findall(own), *re.split(r"<[^>]*>", own)):
        shown = " ".join(html.unescape(ATTRIBUTE.sub("", text).replace("\0", " ")).split())
        left = shown
        for word in NOT_WORDS:
            left = left.replace(word, "")
        if SHOWN.search(left):
            yield shown


def _literal_sentences(tree: ast.AST) -> Iterator[tuple[ast.Call, str]]:
    """Sentences given as plain literals to what shows them to people."""
    for call in ast.walk(tree):
        if not isinstance(call, ast.Call) or not call.args:
            continue
        name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
        first = call.args[1 if name == "Banner" and len(call.args) > 1 else 0]
        if isinstance(first, ast.JoinedStr) and name in SAYING:
            yield call, ast.unparse(first)
        elif name in SAYING and isinstance(first, ast.Constant) and isinstance(first.value, str) and first.value:
            yield call, first.value
