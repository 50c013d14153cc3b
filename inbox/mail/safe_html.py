"""Cleans the HTML of mail from outside: nothing in it runs, submits, overlays or tells a sender that it was read.

Allow-lists only (nh3, an HTML5 parser and sanitiser). The frame's Content-Security-Policy is a second wall, not this
one's excuse.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from html import escape, unescape
from urllib.parse import urlsplit

import nh3

from inbox.mail.html_bounds import bounded
from inbox.mail.html_text import to_text

__all__ = ["CleanHtml", "Link", "clean", "to_text"]

MAX_INLINE_PICTURE = 200_000  # characters of a data: URL

_TAGS = frozenset(
    [
        "a", "abbr", "acronym", "address", "b", "bdi", "bdo", "big", "blockquote", "br", "caption", "center", "cite",
        "code", "col", "colgroup", "dd", "del", "details", "dfn", "dir", "div", "dl", "dt", "em", "figcaption",
        "figure", "font", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "i", "img", "ins", "kbd", "li", "mark", "nobr",
        "ol", "p", "pre", "q", "rp", "rt", "ruby", "s", "samp", "section", "article", "header", "footer", "main",
        "aside", "nav", "small", "span", "strike", "strong", "sub", "summary", "sup", "table", "tbody", "td", "tfoot",
        "th", "thead", "time", "tr", "tt", "u", "ul", "var", "wbr",
    ]
)  # fmt: skip
_EVERYWHERE = frozenset(["align", "valign", "width", "height", "bgcolor", "dir", "lang", "style"])
_ATTRIBUTES = {
    "*": set(_EVERYWHERE),
    "a": {"href"},
    "img": {"src", "alt", "border", "hspace", "vspace"},
    "table": {"cellpadding", "cellspacing", "border", "bordercolor", "summary", "frame", "rules"},
    "td": {"colspan", "rowspan", "nowrap", "abbr"},
    "th": {"colspan", "rowspan", "nowrap", "abbr", "scope"},
    "col": {"span"},
    "colgroup": {"span"},
    "font": {"color", "face", "size"},
    "hr": {"color", "size", "noshade"},
    "ol": {"start", "type", "reversed"},
    "ul": {"type"},
    "li": {"value", "type"},
    "blockquote": {"type"},
    "details": {"open"},
    "br": {"clear"},
}
_CONTENT_LEFT_OUT = frozenset(
    [
        "script", "style", "title", "iframe", "object", "embed", "applet", "noscript", "template", "svg", "math",
        "select", "textarea", "button", "audio", "video", "noframes", "xmp",
    ]
)  # fmt: skip
_SCHEMES = frozenset(["http", "https", "mailto", "tel", "cid", "data"])

# Properties that colour, size and arrange text. None positions, overlays, animates or loads.
_STYLES = frozenset(
    [
        "background-color", "border", "border-bottom", "border-bottom-color", "border-bottom-style",
        "border-bottom-width", "border-collapse", "border-color", "border-left", "border-left-color",
        "border-left-style", "border-left-width", "border-radius", "border-right", "border-right-color",
        "border-right-style", "border-right-width", "border-spacing", "border-style", "border-top",
        "border-top-color", "border-top-style", "border-top-width", "border-width", "box-sizing", "clear", "color",
        "direction", "display", "empty-cells", "float", "font", "font-family", "font-size", "font-stretch",
        "font-style", "font-variant", "font-weight", "height", "letter-spacing", "line-height", "list-style",
        "list-style-position", "list-style-type", "margin", "margin-bottom", "margin-left", "margin-right",
        "margin-top", "max-height", "max-width", "min-height", "min-width", "overflow-wrap", "padding",
        "padding-bottom", "padding-left", "padding-right", "padding-top", "table-layout", "text-align",
        "text-decoration", "text-indent", "text-transform", "unicode-bidi", "vertical-align", "white-space", "width",
        "word-break", "word-spacing", "word-wrap", "writing-mode",
    ]
)  # fmt: skip
_NOT_BELOW_ZERO = frozenset(["margin", "margin-left", "margin-right", "margin-top", "margin-bottom", "text-indent"])
_PLAIN_VALUE = re.compile(r"[\w\s#.,%'\"+/!-]*(?:(?:rgba?|hsla?)\([\d\s.,%/deg]*\)[\w\s#.,%'\"+/!-]*)*")
_SAFE_PICTURE = re.compile(r"data:image/(?:png|gif|jpe?g|webp);base64,[A-Za-z0-9+/=\s]*", re.IGNORECASE)

_ANCHOR = re.compile(r'<a((?: [a-z-]+="[^"]*")*)>(.*?)</a>', re.DOTALL)
_HREF = re.compile(r' href="([^"]*)"')
_TAGS_OUT = re.compile(r"<[^>]*>")
_LOOKS_LIKE_HOST = re.compile(
    r"(?i)^\s*(?:https?://)?((?:[^\W_](?:[^\W_]|-){0,62}\.){1,8}[^\W\d_]{2,24})(?=[\s/:?#]|$)"
)


@dataclass(frozen=True, slots=True)
class Link:
    """A link of the mail: its words as shown, its true target, and whether the words name another host than the
    target's."""

    words: str
    target: str
    misleading: bool


@dataclass(frozen=True, slots=True)
class CleanHtml:
    """`html` may be shown; `blocked_remote` pictures were left out; `cut`: something beyond our limits was left out."""

    html: str
    blocked_remote: int
    links: tuple[Link, ...]
    cut: bool = False


def clean(html: str, *, remote: bool = False, image_url: Callable[[str], str | None] | None = None) -> CleanHtml:
    """The HTML with nothing in it that could run, load, submit or overlay.

    `image_url` gets "cid:…" (and with `remote` also "https://…") and returns the address to load the picture from,
    None for
    none; without it no such picture is kept. Never raises; takes time linear in the length and at most
    `html_bounds.MAX_LENGTH`.
    """
    within = bounded(html)
    pictures = _Pictures(remote=remote, image_url=image_url)
    cleaned = nh3.clean(
        within.html.encode("utf-8", "replace").decode("utf-8"),
        tags=set(_TAGS),
        clean_content_tags=set(_CONTENT_LEFT_OUT),
        attributes=_ATTRIBUTES,
        attribute_filter=pictures.filter,
        link_rel="noopener noreferrer nofollow",
        set_tag_attribute_values={"a": {"target": "_blank"}},
        url_schemes=set(_SCHEMES),
        url_relative="pass_through",
        filter_style_properties=set(_STYLES),
    )
    links: list[Link] = []
    cleaned = _ANCHOR.sub(lambda match: _anchor(match, links), cleaned)
    return CleanHtml(cleaned, pictures.blocked, tuple(links), within.cut)


class _Pictures:
    """nh3's attribute filter: decides on every attribute value, counts the pictures left out."""

    def __init__(self, *, remote: bool, image_url: Callable[[str], str | None] | None) -> None:
        self._remote = remote
        self._image_url = image_url
        self.blocked = 0

    def filter(self, tag: str, attribute: str, value: str) -> str | None:
        if attribute == "style":
            return _safe_style(value)
        if attribute == "src":
            return self._picture(value.strip())
        if attribute == "href":
            return value if _scheme(value) in ("http", "https", "mailto", "tel") else None
        if attribute in ("width", "height"):
            return value if value.strip().rstrip("%px*").replace(".", "", 1).isdigit() else None
        return value

    def _picture(self, source: str) -> str | None:
        scheme = _scheme(source)
        if scheme == "data":
            return source if len(source) <= MAX_INLINE_PICTURE and _SAFE_PICTURE.fullmatch(source) else None
        if scheme == "cid":
            return self._image_url(source) if self._image_url else None
        if scheme in ("http", "https"):
            if self._remote and self._image_url:
                return self._image_url(source)
            self.blocked += 1
        return None


def _scheme(url: str) -> str:
    """The scheme as a browser reads it: controls and spaces at the ends, tabs and line ends anywhere do not count."""
    plain = re.sub(r"[\t\r\n]", "", url[:200].strip("".join(map(chr, range(33)))))
    head, colon, _ = plain.partition(":")
    return head.lower() if colon and re.fullmatch(r"[a-zA-Z][a-zA-Z0-9+.-]*", head) else ""


def _safe_style(style: str) -> str | None:
    """The declarations that are on the list and hold plain values only."""
    if len(style) > 4000:
        return None
    kept = []
    for declaration in style.split(";"):
        name, colon, value = declaration.partition(":")
        name = name.strip().lower()
        if not colon or name not in _STYLES or not _PLAIN_VALUE.fullmatch(value):
            continue
        if name in _NOT_BELOW_ZERO and "-" in value:
            continue
        kept.append(f"{name}:{value.strip()}")
    return ";".join(kept) or None


# -- links
# --------------------------------------------------------------------------------------------------------------


def _anchor(match: re.Match[str], links: list[Link]) -> str:
    href = _HREF.search(match[1])
    if not href:
        return match[0]
    target = unescape(href[1])
    words = " ".join(unescape(_TAGS_OUT.sub("", match[2])).split())[:500]
    shown = true_target(target)
    misleading = is_misleading(words, target)
    links.append(Link(words, target, misleading))
    marks = f' title="{escape(shown)}"' + (' data-misleading="1"' if misleading else "")
    return f"<a{match[1]}{marks}>{match[2]}</a>"


def true_target(url: str) -> str:
    """What to show a reader as the target of a link: the host (in ASCII, so that look-alikes show), or the address of
    a mailto:."""
    try:
        parts = urlsplit(url.strip())
        host = parts.hostname or ""
    except ValueError:
        return url[:200]
    if parts.scheme in ("mailto", "tel"):
        return f"{parts.scheme}:{parts.path}"[:200]
    return ascii_host(host) or url[:200]


def ascii_host(host: str) -> str:
    """The host in lower case, its international labels as punycode."""
    try:
        return host.encode("idna").decode("ascii").lower()
    except UnicodeError:
        return host.lower()


def is_misleading(words: str, target: str) -> bool:
    """True if the words of a link read like a host that is not the target's (nor a parent or child of it)."""
    named = _LOOKS_LIKE_HOST.match(words)
    if not named or _scheme(target) not in ("http", "https"):
        return False
    shown, real = ascii_host(named[1]).removeprefix("www."), true_target(target).removeprefix("www.")
    return shown != real and not real.endswith("." + shown) and not shown.endswith("." + real)
