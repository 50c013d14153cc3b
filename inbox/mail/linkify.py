"""Plain text to safe HTML: everything escaped, web and mail addresses made into links, in linear time."""

from __future__ import annotations

import re
from html import escape

# The classes of neighbouring parts do not overlap, so nothing is tried twice. Japanese follows an address without a
# space ("https://x.test/aをご覧ください"), so letters beyond ASCII belong to it only after "/", "=" or "#", and no
# particle begins there.
_NOT_IN_ADDRESS = r"\x00-\x7f\s\u3000、。，．！？「」『』（）【】〈〉《》［］〔〕；：“”‘’…"
_ADDRESS = re.compile(
    rf"""(?xia)
      (?P<web> (?<![a-z0-9]) (?:https?://|www\.(?=[a-z0-9]))
               (?: [!#-&(-;=?-\[\]_a-z~]
                 | (?<=[/=\#]) (?![をにはがでのともへ]) [^{_NOT_IN_ADDRESS}]{{1,200}} ){{1,2000}} )
    | (?P<mail> (?<![\w.%+@/-]) [a-z0-9][\w.%+-]{{0,63}} @
                (?:[a-z0-9](?:[a-z0-9-]{{0,62}})\.){{1,8}} [a-z]{{2,24}} (?![\w@-]) )
    """
)
_TRAILING = ".,:;!?*_~…"
_BRACKETS = {")": "(", "]": "["}
MAX_LINKS = 2_000


def linked(text: str) -> str:
    """Text as HTML: escaped, http(s) and mail addresses linked, line ends kept as they are (show it with
    `white-space: pre-wrap`)."""
    out: list[str] = []
    at = 0
    for number, match in enumerate(_ADDRESS.finditer(text)):
        if number >= MAX_LINKS:
            break
        words = _trimmed(match[0])
        if match["web"] and not _has_host(words):
            continue
        out.append(escape(text[at : match.start()]))
        out.append(_link(words, mail=match["mail"] is not None))
        at = match.start() + len(words)
    out.append(escape(text[at:]))
    return "".join(out)


def _link(words: str, *, mail: bool) -> str:
    scheme = "mailto:" if mail else "" if words[:4].lower() == "http" else "https://"
    shown = escape(words)
    return f'<a href="{escape(scheme + words)}" rel="noopener noreferrer nofollow" target="_blank">{shown}</a>'


def _trimmed(words: str) -> str:
    """Without the punctuation of the sentence around: "(see http://x.test/a)." links http://x.test/a."""
    opened = {bracket: words.count(bracket) for bracket in "()[]"}
    end = len(words)
    while end:
        last = words[end - 1]
        if last in _BRACKETS and opened[last] > opened[_BRACKETS[last]]:
            opened[last] -= 1
        elif last not in _TRAILING:
            break
        end -= 1
    return words[:end]


def _has_host(words: str) -> bool:
    rest = words.partition("://")[2] if "://" in words[:8] else words
    return bool(rest) and (rest[0].isalnum() or rest[0] == "[")
