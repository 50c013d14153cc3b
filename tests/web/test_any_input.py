"""Whatever stands in a field of any form or in any address: an answer in words, and refused words stay on the page."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urljoin, urlsplit

import pytest
from lxml import html
from werkzeug.datastructures import MultiDict

from tests.web.conftest import Visitor, World
from tests.web.permissions import ROUTES

VALUES = (
    "",
    "5",
    "-1",
    "9" * 25,
    "1e9",
    "%(text)s %s {0} {{ 7*7 }}",
    "\0 zero",
    "a\r\nBcc: x@y.example",
    "\u2028\u202e請求書\ud7ff𠮷㍻",
    "<script>alert(1)</script>",
    "x" * 70_000,
    "2026-02-30",
    "99:99-98:00",
    "９：００〜１２：００",
    "@",
    "a@b.example, c@d.example",
    "[[[(((*+?",
)
SENTENCES = ("請求書の件、承知しました。", "<b>Bold</b> & %s")  # put into every field for many words
EACH = 2  # values tried in one field; all of them come in turn
# what ends the visit, takes the cast away, or calls servers that do not exist
LEFT_ALONE = ("/sign-out", "/removal", "/preferences/sessions", "/demo/", "/trials")
ARGUMENTS = (
    *("q", "after", "before", "newer", "order", "owner", "tag", "text", "waiting", "priority", "tier", "phase"),
    *("box", "mailbox", "since", "until", "id", "next", "page", "kind"),
)


@dataclass(frozen=True)
class Form:
    """One way to send a form: by one of its buttons. `free`: anything can be typed; `long`: of those, for many words;
    `chosen`: the rest."""

    action: str
    fields: tuple[tuple[str, str], ...]
    free: tuple[str, ...]
    long: tuple[str, ...]
    chosen: tuple[str, ...]

    def filled(self, name: str, value: str) -> MultiDict[str, str]:
        return MultiDict([*((field, told) for field, told in self.fields if field != name), (name, value)])


pytestmark = pytest.mark.usefixtures("one_of_everything")


def pages(world: World) -> Iterator[str]:
    for (_endpoint, method), route in ROUTES.items():
        if method == "GET" and not route.streams:
            yield route.path(world)


def forms(visitor: Visitor, world: World) -> list[Form]:
    """Every form of every page that the visitor sees, once for each of its buttons."""
    found: dict[object, Form] = {}
    for page in pages(world):
        response = visitor.get(page)
        if response.status_code != 200 or response.mimetype != "text/html":
            continue
        for element in html.fromstring(response.text).iter("form"):
            if (element.get("method") or "get").lower() == "post":
                for form in _ways(element, page):
                    if not any(part in form.action for part in LEFT_ALONE):
                        found.setdefault((urlsplit(form.action).path, form.free, form.chosen), form)
    return list(found.values())


def _ways(element: Any, page: str) -> Iterator[Form]:
    for one in element.xpath(".//*[@disabled]"):  # switched on by scripts alone
        one.drop_tree()
    fields = [(name, value) for name, value in element.form_values() if name != "csrf_token"]
    free = tuple(dict.fromkeys(one.get("name") for one in element.iter("input", "textarea") if _is_typed(one)))
    long = tuple(dict.fromkeys(one.get("name") for one in element.iter("textarea") if one.get("name")))
    for button in [one for one in element.iter("button") if one.get("type") != "button"] or [None]:
        pressed = []
        if button is not None and button.get("name"):
            pressed = [(button.get("name"), button.get("value", ""))]
        action = (button is not None and button.get("formaction")) or element.get("action") or page
        chosen = dict.fromkeys(name for name, _ in (*fields, *pressed) if name not in free)
        yield Form(urljoin(page, action), (*fields, *pressed), free, long, tuple(chosen))


def _is_typed(element: Any) -> bool:
    kinds = ("hidden", "checkbox", "radio", "file", "submit")
    return bool(element.get("name")) and (element.tag == "textarea" or element.get("type", "text") not in kinds)


@pytest.mark.parametrize("role", ["admin", "agent"])
def test_no_form_breaks_the_page(
    role: str, world: World, signed_in: Callable[[str], Visitor], valkey: object
) -> None:
    visitor, broken, tried = signed_in(role), [], 0
    for form in forms(visitor, world):
        for name in (*form.free, *form.chosen):
            for _ in range(EACH):
                value = VALUES[tried % len(VALUES)]
                tried += 1
                status = visitor.post(form.action, form.filled(name, value)).status_code
                if status >= 500 and status != 503:
                    broken.append((form.action, name, value[:40], status))
    assert tried > 10 * len(VALUES), "every value came often"
    assert broken == []


@pytest.mark.parametrize("role", ["admin", "agent"])
def test_no_words_are_lost(role: str, world: World, signed_in: Callable[[str], Visitor], valkey: object) -> None:
    visitor, lost, refused = signed_in(role), [], 0
    for form in forms(visitor, world):
        for name in form.long:
            for value in SENTENCES:
                response = visitor.post(form.action, form.filled(name, value))
                if response.status_code < 400:
                    continue
                refused += 1
                shown = html.fromstring(response.text).text_content()
                if value not in shown and html.fromstring(value).text_content() not in shown:
                    lost.append((form.action, name, response.status_code, value))
    assert refused
    assert lost == []


def test_no_address_breaks_the_page(world: World, signed_in: Callable[[str], Visitor], valkey: object) -> None:
    visitor, broken = signed_in("admin"), []
    for page in pages(world):
        for value in VALUES:
            if len(value) < 10_000:
                told = page + "?" + urlencode(dict.fromkeys(ARGUMENTS, value))
                status = visitor.client.get(told).status_code
                if status >= 500 and status != 503:
                    broken.append((page, value, status))
    assert broken == []
