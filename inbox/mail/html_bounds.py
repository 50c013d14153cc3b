"""Bounds the size and the nesting of HTML from outside before any parser sees it, in time linear in its length.

HTML parsers follow the standard's tree construction, which is quadratic for deeply nested or never closed elements
(20,000 nested <div> cost seconds, 11 KB of unclosed <b> become 2 MB). The scan here is not a parser and decides nothing
about safety: it only leaves out tags beyond a depth that no honest mail reaches. Sanitising comes after it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

MAX_LENGTH = 2_000_000  # characters
MAX_DEPTH = 150  # open elements; lxml loses text beyond 254
MAX_TAGS = 60_000
MAX_ENTITIES = 20_000  # the sanitiser's time grows with their square
MAX_TAG_LENGTH = 300_000  # characters, enough for an inline picture of 200 KB
MAX_CARRIED = 100  # <b>, <font> … never closed: parsers open them again in every following block
MAX_CARRIED_WORK = 600_000  # elements that parsers may have to make for that

_TAG = re.compile(r"<(?:(/?)([a-zA-Z][^\s/>\x00]{0,60})|(!--)|[!?/])")
# What stands between a tag's name and its ">", as the standard reads it (HTML, 13.2.5.32 and following): quotes count
# only
# after "=". Possessive, so that nothing is read twice.
_REST_OF_TAG = re.compile(
    r"""(?:[\s/]++
        | [^\s/>][^\s/>=]*+ (?: \s*+=\s*+ (?: "[^"]*+" | '[^']*+' | [^\s>"'][^\s>]*+ | (?=>) ) | (?!\s*+=) )
        )*+>""",
    re.VERBOSE,
)
_COMMENT_END = re.compile(r"--!?>")
_BIG_DATA_URL = re.compile(rf"data:[\w/+.;=-]{{0,100}},[A-Za-z0-9+/=%]{{{MAX_TAG_LENGTH - 1000},}}")
_VOID = frozenset(
    ["area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "source", "track", "wbr"]
)
_CLOSED_BY_ITSELF = frozenset(
    ["p", "li", "td", "th", "tr", "thead", "tbody", "tfoot", "dt", "dd", "option", "html", "body", "head"]
)
_CARRIED = frozenset(["a", "b", "big", "code", "em", "font", "i", "nobr", "s", "small", "strike", "strong", "tt", "u"])
# Their content is no HTML; left out as a whole, because where they end is a science of its own.
_RAW_TEXT = frozenset(["script", "style", "title", "textarea", "xmp", "noembed", "noframes", "iframe"])
_RAW_TEXT_END = {name: re.compile(rf"</{name}(?=[\s/>])[^>]{{0,200}}>?", re.IGNORECASE) for name in _RAW_TEXT}
# They switch the parser to other rules; without their tags the content is read by the usual ones.
_LEFT_OUT = frozenset(["svg", "math", "select", "template", "frameset", "plaintext"])
# Tags of no HTML element (SVG's <path/>, MathML's <mi>, Word's <o:p>, made-up ones) are left out, their words stay: the
# sanitiser drops SVG and MathML elements that stand outside of theirs together with all that follows.
_HTML = frozenset({
    "a", "abbr", "acronym", "address", "applet", "area", "article", "aside", "audio", "b", "base", "basefont",
    "bdi", "bdo", "bgsound", "big", "blink", "blockquote", "body", "br", "button", "canvas", "caption", "center",
    "cite", "code", "col", "colgroup", "command", "data", "datalist", "dd", "del", "details", "dfn", "dialog",
    "dir", "div", "dl", "dt", "em", "embed", "fieldset", "figcaption", "figure", "font", "footer", "form",
    "frame", "frameset", "h1", "h2", "h3", "h4", "h5", "h6", "head", "header", "hgroup", "hr", "html", "i",
    "iframe", "img", "input", "ins", "isindex", "kbd", "keygen", "label", "legend", "li", "link", "listing",
    "main", "map", "mark", "marquee", "menu", "menuitem", "meta", "meter", "multicol", "nav", "nextid", "nobr",
    "noembed", "noframes", "noscript", "object", "ol", "optgroup", "option", "output", "p", "param", "picture",
    "plaintext", "pre", "progress", "q", "rb", "rbc", "rp", "rt", "rtc", "ruby", "s", "samp", "script", "search",
    "section", "select", "slot", "small", "source", "spacer", "span", "strike", "strong", "style", "sub",
    "summary", "sup", "table", "tbody", "td", "template", "textarea", "tfoot", "th", "thead", "time", "title",
    "tr", "track", "tt", "u", "ul", "var", "video", "wbr", "xmp",
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class Bounded:
    """`html` within the bounds; `cut` tells whether anything that a reader could miss was left out."""

    html: str
    cut: bool


def bounded(html: str) -> Bounded:
    """HTML within the bounds above; text is kept as far as `MAX_LENGTH` goes, scripts and styles are left out."""
    html = html.replace("\0", "").replace("<![CDATA[", "")
    cut = False
    if len(html) > MAX_TAG_LENGTH and "data:" in html:
        html, big = _BIG_DATA_URL.subn("", html)
        cut = bool(big)
    if len(html) > MAX_LENGTH:
        html, cut = html[:MAX_LENGTH], True
    if html.count("&") > MAX_ENTITIES:
        html, cut = _without_entities(html), True
    kept, excess = _without_excess(html)
    return Bounded(kept, cut or excess)


def _without_entities(html: str) -> str:
    pieces = html.split("&", MAX_ENTITIES)
    return "&".join(pieces[:-1]) + "&" + pieces[-1].replace("&", " ")


def _without_excess(html: str) -> tuple[str, bool]:
    kept: list[str] = []
    from_, at, tags = 0, 0, 0
    excess = False
    nesting = _Nesting()
    while match := _TAG.search(html, at):
        start, at = match.span()
        closing, name, comment = match.groups()
        if comment:
            end = _COMMENT_END.search(html, start + 2)
            at = end.end() if end else len(html)
            continue
        if name is None:
            at = html.find(">", at) + 1 or len(html)
            continue
        name = name.lower()
        tags += 1
        rest = _REST_OF_TAG.match(html, at)
        if not rest:  # a tag that never ends: parsers drop all that follows
            kept.append(html[from_:start])
            return "".join(kept), excess
        at = rest.end()
        if name in _RAW_TEXT:
            end = None if closing else _RAW_TEXT_END[name].search(html, at)
            kept.append(html[from_:start])
            from_ = at = at if closing else end.end() if end else len(html)
        elif name in _LEFT_OUT or name not in _HTML:
            kept.append(html[from_:start])
            from_ = at
        elif (
            tags > MAX_TAGS
            or at - start > MAX_TAG_LENGTH
            or not (nesting.close(name) if closing else nesting.open(name))
        ):
            kept.append(html[from_:start])
            from_ = at
            excess = True
    kept.append(html[from_:])
    return "".join(kept), excess


class _Nesting:
    """How deep the elements are nested, and how many formatting elements are carried along, roughly as a browser does
    it."""

    def __init__(self) -> None:
        self._stack: list[str] = []
        self._open: dict[str, int] = {}
        self._left_out: dict[str, int] = {}
        self._carried = 0
        self._work = 0

    def open(self, name: str) -> bool:
        """False if the tag has to be left out."""
        self._work += self._carried
        if name in _VOID or name in _CLOSED_BY_ITSELF:
            return True
        carried = name in _CARRIED
        if len(self._stack) >= MAX_DEPTH or (
            carried and (self._carried >= MAX_CARRIED or self._work > MAX_CARRIED_WORK)
        ):
            self._left_out[name] = self._left_out.get(name, 0) + 1
            return False
        self._stack.append(name)
        self._open[name] = self._open.get(name, 0) + 1
        self._carried += carried
        return True

    def close(self, name: str) -> bool:
        """False if the tag closes one that was left out."""
        if self._left_out.get(name):
            self._left_out[name] -= 1
            return False
        if not self._open.get(name):
            return True
        if name in _CARRIED:
            self._close_carried(name)
            return True
        while self._stack:
            top = self._stack.pop()
            self._open[top] -= 1
            if top == name:
                break
        return True

    def _close_carried(self, name: str) -> None:
        """Takes the innermost such element away, unless a table stands between: parsers do not look out of a cell."""
        for at in range(len(self._stack) - 1, -1, -1):
            if self._stack[at] == "table":
                return
            if self._stack[at] == name:
                del self._stack[at]
                self._open[name] -= 1
                self._carried -= 1
                return
