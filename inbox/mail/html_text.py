"""HTML to readable text: paragraphs, lists, tables line by line, links with their target when asked for."""

from __future__ import annotations

import re

from lxml import etree
from lxml import html as lxml_html

from inbox.mail.html_bounds import bounded

_SKIPPED = frozenset(
    [
        "script", "style", "head", "title", "noscript", "template", "object", "select", "textarea", "audio", "video",
        "map",
    ]
)  # fmt: skip
# Blank lines above and below; 0 means a line of its own.
_BLOCKS = {
    **dict.fromkeys(
        ["p", "h1", "h2", "h3", "h4", "h5", "h6", "blockquote", "pre", "ul", "ol", "dl", "figure", "fieldset"], 1
    ),
    **dict.fromkeys(
        [
            "div", "table", "tr", "section", "article", "header", "footer", "main", "nav", "aside", "address",
            "center", "li", "dt", "dd", "form", "hr", "caption", "figcaption", "body",
        ],
        0,
    ),
}  # fmt: skip
_SPACES = re.compile(r"[ \t\r\n\f]+")
_HIDDEN = re.compile(r"display\s*:\s*none|mso-hide\s*:\s*all", re.IGNORECASE)
_NO_MARGIN = re.compile(r"margin(?:-top|-bottom)?\s*:\s*0", re.IGNORECASE)
_NOT_IN_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


def to_text(html: str, *, links: bool = False) -> str:
    """Readable text of an HTML body of any quality; never raises, linear in the length.

    `links`: a link's target follows its words in angle brackets unless the words are the target.
    """
    tree = parsed(html)
    return "" if tree is None else text_of_tree(tree, links=links)


def parsed(html: str):
    """The lxml tree of HTML within bounds, None if there is nothing in it."""
    html = _NOT_IN_XML.sub("", bounded(html).html)
    if not html.strip():
        return None
    try:
        return lxml_html.document_fromstring(
            f"<html><body>{html}</body></html>", parser=lxml_html.HTMLParser(remove_comments=True, remove_pis=True)
        )
    except (etree.LxmlError, ValueError):
        return None


def text_of_tree(tree, *, links: bool = False) -> str:
    writer = _Writer()
    skipped = None
    for event, element in etree.iterwalk(tree, events=("start", "end")):
        tag = element.tag
        if not isinstance(tag, str):
            continue
        if event == "start":
            if skipped is None and (tag in _SKIPPED or _HIDDEN.search(element.get("style") or "")):
                skipped = element
            if skipped is None:
                _open(writer, element, tag)
        elif skipped is None:
            _close(writer, element, tag, links=links)
            writer.write(element.tail)
        elif skipped is element:
            skipped = None
            if tag in _BLOCKS:
                writer.line_ends()
            writer.write(element.tail)
    return writer.text()


def _open(writer: _Writer, element, tag: str) -> None:
    if tag in _BLOCKS:
        writer.block(_margin(element, tag))
    if tag == "br":
        writer.line_break()
    elif tag == "hr":
        writer.write("-" * 20)
        writer.line_ends()
    elif tag in ("td", "th"):
        writer.next_cell()
    elif tag == "li":
        writer.write(
            "- "
            if element.getparent() is None or element.getparent().tag != "ol"
            else f"{writer.next_number(element.getparent())}. "
        )
        writer.stick()
    elif tag == "pre":
        writer.preformatted += 1
    writer.write(element.text)


def _close(writer: _Writer, element, tag: str, *, links: bool) -> None:
    if links and tag == "a":
        _write_target(writer, element)
    elif tag == "pre":
        writer.preformatted -= 1
    elif tag in ("td", "th"):
        writer.cell_ends()
    if tag in _BLOCKS:
        writer.block(_margin(element, tag))


def _margin(element, tag: str) -> int:
    margin = _BLOCKS[tag]
    if margin and ((element.get("class") or "").startswith("Mso") or _NO_MARGIN.search(element.get("style") or "")):
        return 0
    if tag in ("ul", "ol") and element.getparent() is not None and element.getparent().tag in ("li", "ul", "ol"):
        return 0
    return margin


def _write_target(writer: _Writer, element) -> None:
    target = (element.get("href") or "").strip()
    words = "".join(element.itertext()).strip()
    if target.lower().startswith(("http:", "https:")) and target.rstrip("/") not in (
        words,
        words.rstrip("/"),
        f"https://{words}",
        f"http://{words}",
    ):
        writer.write(f" <{target}>")


class _Writer:
    """Collects words; white space is folded as a browser folds it."""

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._line: list[str] = []
        self._space = False
        self._stuck = False  # after a bullet: the first block of the item stays on its line
        self._blank_before = 0
        self._numbers: dict[object, int] = {}  # of items so far, by list
        self.preformatted = 0

    def write(self, text: str | None) -> None:
        if not text:
            return
        if self.preformatted:
            first, *rest = text.replace("\r\n", "\n").split("\n")
            self._put(first)
            for line in rest:
                self.line_break()
                self._put(line)
            return
        folded = _SPACES.sub(" ", text)
        if folded.startswith(" "):
            self._space = True
        if words := folded.strip(" "):
            self._put((" " if self._space and self._line and not self._line[-1].endswith(" ") else "") + words)
            self._space = folded.endswith(" ")

    def _put(self, text: str) -> None:
        if not text:
            return
        if not self._line and self._lines:
            self._lines.extend([""] * max(0, self._blank_before - self._trailing_blank()))
        self._blank_before = 0
        self._line.append(text)
        self._stuck = False

    def _trailing_blank(self) -> int:
        return 1 if self._lines and not self._lines[-1] else 0

    def next_number(self, numbered_list) -> int:
        number = self._numbers.get(numbered_list, 0) + 1
        self._numbers[numbered_list] = number
        return number

    def stick(self) -> None:
        self._stuck = True

    def line_break(self) -> None:
        self._lines.append("".join(self._line).rstrip(" "))
        self._line, self._space = [], False

    def line_ends(self) -> None:
        if self._line:
            self.line_break()

    def block(self, margin: int) -> None:
        if self._stuck:
            return
        self.line_ends()
        self._space = False
        self._blank_before = max(self._blank_before, margin)

    def next_cell(self) -> None:
        if self._line and not self._line[-1].endswith(" "):
            self._line.append("  ")

    def cell_ends(self) -> None:
        self._space = True

    def text(self) -> str:
        self.line_ends()
        return "\n".join(line.replace("\xa0", " ").rstrip() for line in self._lines).strip("\n")
