"""The old mail below an answer or inside a forwarded mail, as text and as HTML."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from html import escape

from inbox.mail.facts import Address
from inbox.mail.mime_writer import body_safe, header_safe

QUOTE_LEVELS = 8  # deeper quotations are left out of the new one


@dataclass(frozen=True, slots=True)
class Quoted:
    """The mail that is quoted or forwarded. `date` is in the zone it shall be shown in; `html` comes from
    `safe_html.clean`."""

    from_: Address
    date: datetime
    text: str = ""
    html: str = ""
    to: tuple[Address, ...] = ()
    cc: tuple[Address, ...] = ()
    subject: str = ""


def quote_text(quoted: Quoted, *, locale: str) -> str:
    """The old text with "> " before each line, below a line that says who wrote it when."""
    lines = body_safe(quoted.text).rstrip("\n").split("\n")
    kept = (line for line in lines if not line.startswith(">" * QUOTE_LEVELS))
    return (
        attribution(quoted.from_, quoted.date, locale=locale)
        + "\n"
        + "\n".join(f">{line}" if line.startswith(">") else f"> {line}".rstrip() for line in kept)
        + "\n"
    )


def quote_html(quoted: Quoted, *, locale: str) -> str:
    """The old mail as a quotation that mail programs know how to fold."""
    who = escape(attribution(quoted.from_, quoted.date, locale=locale))
    bar = "margin:0 0 0 0.8ex;border-left:1px solid #cccccc;padding-left:1ex"
    return (
        f'<div class="gmail_quote"><div>{who}</div>'
        f'<blockquote type="cite" style="{bar}">{_inner_html(quoted)}</blockquote></div>'
    )


def forward_text(quoted: Quoted, *, locale: str) -> str:
    """The old mail below its headers, unquoted."""
    head = "\n".join(f"{name}: {value}" for name, value in _head(quoted, locale=locale))
    return f"---------- {_FORWARDED[_known(locale)]} ----------\n{head}\n\n{body_safe(quoted.text)}"


def forward_html(quoted: Quoted, *, locale: str) -> str:
    head = "<br>".join(f"{escape(name)}: {escape(value)}" for name, value in _head(quoted, locale=locale))
    return (
        f"<div>---------- {_FORWARDED[_known(locale)]} ----------<br>{head}</div><br><div>{_inner_html(quoted)}</div>"
    )


def attribution(who: Address, when: datetime, *, locale: str) -> str:
    """ "On 5 Jan 2026 at 10:03 +0900, Jane <jane@example.test> wrote:" in the reader's language."""
    name = _shown(who)
    if _known(locale) == "ja":
        return f"{_date_ja(when)} {name}:"
    return f"On {_date_en(when)}, {name} wrote:"


def _head(quoted: Quoted, *, locale: str) -> list[tuple[str, str]]:
    names = _HEAD_NAMES[_known(locale)]
    date = _date_ja(quoted.date) if _known(locale) == "ja" else _date_en(quoted.date)
    values = (_shown(quoted.from_), date, header_safe(quoted.subject), _all_shown(quoted.to), _all_shown(quoted.cc))
    return [(name, value) for name, value in zip(names, values, strict=True) if value]


def _inner_html(quoted: Quoted) -> str:
    return quoted.html or f'<div style="white-space:pre-wrap">{escape(body_safe(quoted.text).rstrip())}</div>'


def _shown(address: Address) -> str:
    plain, name = header_safe(address.address), header_safe(address.name)
    return f"{name} <{plain}>" if name and name != plain else plain


def _all_shown(addresses: tuple[Address, ...]) -> str:
    return ", ".join(_shown(address) for address in addresses[:50])


# Written by hand: the text must not depend on the server's locale, and mail programs recognise these forms.
_MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
_FORWARDED = {"en": "Forwarded message", "ja": "転送メッセージ"}
_HEAD_NAMES = {"en": ("From", "Date", "Subject", "To", "Cc"), "ja": ("差出人", "日時", "件名", "宛先", "Cc")}


def _known(locale: str) -> str:
    return "ja" if locale.lower().startswith("ja") else "en"


def _date_en(when: datetime) -> str:
    return f"{when.day} {_MONTHS[when.month - 1]} {when.year} at {when:%H:%M %z}".rstrip()


def _date_ja(when: datetime) -> str:
    return f"{when.year}年{when.month}月{when.day}日({'月火水木金土日'[when.weekday()]}) {when:%H:%M}"
