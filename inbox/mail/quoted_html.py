"""Marks the quoting elements of an HTML mail and turns it into text, so that quoted words can be told by line."""

from __future__ import annotations

import re

from lxml import html as lxml_html

from inbox.mail.html_text import parsed, text_of_tree

# Private-use characters, which are removed from mail before: a mail cannot forge the marks.
QUOTE_START = "\ue0f1"
QUOTE_END = "\ue0f2"
_MARKS = re.compile(f"[{QUOTE_START}{QUOTE_END}]")

_QUOTING_CLASSES = frozenset(
    [
        "gmail_quote", "gmail_quote_container", "yahoo_quoted", "protonmail_quote", "tutanota_quote", "zmail_extra",
        "outlookmessageheader", "front-blockquote",
    ]
)  # fmt: skip
_QUOTING_IDS = re.compile(
    r"(?i)^(?:x_)*(?:olk_src_body_section|mail-editor-reference-message-container|isforwardcontent|isreplycontent|"
    r"yahoo_quoted.*)$"
)
_REST_IS_QUOTED = re.compile(r"(?i)^(?:x_)*(?:divrplyfwdmsg|appendonsend|stopspelling|zwchr|orimsghtmlseperator)$")
_GMAIL_INDENT = re.compile(r"margin:\s*0(?:px)?\s+0(?:px)?\s+0(?:px)?\s+40px")


def with_quotes_marked(html: str) -> str:
    """Text of the HTML in which a line of `QUOTE_START` opens, and one of `QUOTE_END` closes, each quoting element."""
    tree = parsed(_MARKS.sub("", html))
    if tree is None:
        return ""
    for element in list(tree.iter(lxml_html.etree.Element)):
        if _rest_is_quoted(element):
            _mark_rest(element)
        elif _is_quoting(element):
            _mark(element)
    return text_of_tree(tree)


def _is_quoting(element) -> bool:
    classes = set((element.get("class") or "").lower().split())
    if element.tag == "blockquote":
        return not ("gmail_quote" in classes and not _inside_gmail_quote(element)) and not _GMAIL_INDENT.search(
            element.get("style") or ""
        )
    if classes & _QUOTING_CLASSES:
        return not _holds_quotes(element)  # answers may stand between the quotations inside
    return bool(_QUOTING_IDS.match((element.get("id") or "")[:80])) and not _holds_quotes(element)


def _holds_quotes(element) -> bool:
    return next(element.iter("blockquote"), None) is not None


def _inside_gmail_quote(element) -> bool:
    """Gmail's own quotations stand inside a div of that class; its "quote" button makes a bare blockquote."""
    above = element.getparent()
    for _ in range(6):
        if above is None:
            return False
        if "gmail_quote" in (above.get("class") or "") or "gmail_extra" in (above.get("class") or ""):
            return True
        above = above.getparent()
    return False


def _rest_is_quoted(element) -> bool:
    return (
        bool(_REST_IS_QUOTED.match((element.get("id") or "")[:80]))
        or "outlookmessageheader" in (element.get("class") or "").lower()
    )


def _mark(element) -> None:
    _insert_line(element, 0, QUOTE_START)
    _insert_line(element, len(element), QUOTE_END)


def _insert_line(element, at: int, mark: str) -> None:
    line = element.makeelement("div")
    line.text = mark
    if at == 0:
        line.tail, element.text = element.text, None
    element.insert(at, line)


def _mark_rest(element) -> None:
    """Opens a quotation before the element that nothing closes: all that follows in its parent is the old mail."""
    parent = element.getparent()
    if parent is None:
        return
    line = element.makeelement("div")
    line.text = QUOTE_START
    element.addprevious(line)
