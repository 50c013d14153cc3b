"""Language, time zone and theme of the reader; times and sizes in words.

Catalogs are read from their .po files when the process starts: there is nothing to compile and nothing to forget.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cache, cached_property, lru_cache
from pathlib import Path
from typing import TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.support import NullTranslations, Translations
from flask import Flask, g, has_request_context, request, session
from flask_babel import Babel, Domain, force_locale, get_locale
from markupsafe import Markup, escape

LOCALES = {"ja": "日本語", "en": "English"}
CATALOGS = Path(__file__).resolve().parent / "translations"
DAYS_SHOWN_AS_AGO = 45
TEXTS_KEPT = 10_000
T = TypeVar("T")


def install(app: Flask) -> None:
    _Babel(
        app, default_locale="en", default_timezone="Asia/Tokyo", locale_selector=locale, timezone_selector=_zone_name
    )
    app.add_template_filter(when)
    app.add_template_filter(when_long)
    app.add_template_filter(when_day)
    app.add_template_filter(ago)
    app.add_template_filter(age)
    app.add_template_filter(file_size)
    app.add_template_filter(many)
    app.add_template_filter(said)
    app.context_processor(_for_templates)
    app.jinja_env.globals.update({"_": page_text, "gettext": page_text, "ngettext": page_ntext})


# -- whose language


def locale() -> str:
    """The person's setting, else the language chosen on the sign-in page, else what the browser asks for."""
    who = g.get("who")
    chosen = who.locale if who is not None else session.get("locale", "")
    if chosen in LOCALES:
        return chosen
    asked = (tag.partition("-")[0].lower() for tag in request.accept_languages.values())
    return next((language for language in asked if language in LOCALES), "en")


def zone() -> ZoneInfo:
    return _zone(_zone_name())


def theme() -> str:
    """auto, light or dark."""
    who = g.get("who")
    chosen = who.theme if who is not None else session.get("theme", "auto")
    return chosen if chosen in ("auto", "light", "dark") else "auto"


def _zone_name() -> str:
    who = g.get("who") if has_request_context() else None
    return who.time_zone if who is not None else "Asia/Tokyo"


@cache
def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        return ZoneInfo("UTC")


def _for_templates() -> dict[str, object]:
    return {"locale": str(get_locale()), "theme": theme(), "LOCALES": LOCALES, "errors": {}}


# -- catalogs


class _Catalogs(Domain):
    """Like flask-babel's own, but from .po files."""

    def get_translations(self) -> NullTranslations:
        return _catalog_here()


class _Babel(Babel):
    @cached_property
    def domain_instance(self) -> Domain:
        return _Catalogs(domain=self.domain)


@cache
def catalog(name: str) -> NullTranslations:
    """The translations of a language; English msgids where there are none."""
    path = CATALOGS / name / "LC_MESSAGES" / "messages.po"
    if not path.exists():
        return NullTranslations()
    packed = io.BytesIO()
    with path.open("rb") as source:
        write_mo(packed, read_po(source, locale=name))
    packed.seek(0)
    return Translations(packed)


def gettext(text: str, /, **values: object) -> str:
    """`text` in the reader's language, %(name)s filled in. Flask-Babel's own looks its context up anew for each
    text."""
    told = _translated(_catalog_here(), text)
    return told % values if values else told


def ngettext(one: str, many: str, num: int, /, **values: object) -> str:
    """The same for what is counted; %(num)d is the number."""
    return str(_catalog_here().ungettext(one, many, num)) % {"num": num, **values}


def page_text(text: str, /, **values: object) -> Markup:
    """`_()` of the pages: what is filled in is escaped. Jinja's own takes five calls for each."""
    if not values:
        return _translated_markup(_catalog_here(), text)
    return Markup(_translated(_catalog_here(), text)) % values  # noqa: S704 - catalogs are ours


def page_ntext(one: str, many: str, num: int, /, **values: object) -> Markup:
    """`ngettext()` of the pages."""
    told = Markup(_catalog_here().ungettext(one, many, num))  # noqa: S704
    return told % {"num": num, **values}


@lru_cache(maxsize=TEXTS_KEPT)
def _translated(here: NullTranslations, text: str) -> str:
    return str(here.ugettext(text))


@lru_cache(maxsize=TEXTS_KEPT)
def _translated_markup(here: NullTranslations, text: str) -> Markup:
    return Markup(_translated(here, text)) % {}  # noqa: S704


def once_for_a_language(make: Callable[[], T]) -> Callable[[], T]:
    """`make` gives nothing but texts: what it made for a language is kept."""
    made: dict[NullTranslations, T] = {}

    def kept() -> T:
        here = _catalog_here()
        if here not in made:
            made[here] = make()
        return made[here]

    return kept


@contextmanager
def speaking(name: str) -> Iterator[None]:
    """Texts in another language than the reader's: for a mail to somebody else."""
    kept = g.get("catalog")
    with force_locale(name):
        g.catalog = catalog(name)
        try:
            yield
        finally:
            g.catalog = kept


def _catalog_here() -> NullTranslations:
    """The catalog of this page's reader, looked up once."""
    found: NullTranslations | None = g.get("catalog")
    if found is None:
        found = g.catalog = catalog(locale())
    return found


# -- times and sizes in words. Hand-made, because a list has a hundred of them and Babel needs 0.1 ms for each.

MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]


@dataclass(frozen=True)
class _Reader:
    """What the times of one page have in common, looked up once."""

    zone: ZoneInfo
    now: datetime
    today: date
    japanese: bool


def _reader() -> _Reader:
    found = g.get("reader")
    if found is None:
        local = g.now.astimezone(zone())
        found = g.reader = _Reader(local.tzinfo, g.now, local.date(), locale() == "ja")
    return found


def when(at: datetime | None) -> Markup:
    """For lists: the time today, the day this year, else the date; the full time as its title."""
    if at is None:
        return Markup("")
    reader = _reader()
    local = at.astimezone(reader.zone)
    return _time(at, local, reader, _short(local, reader))


def when_long(at: datetime | None) -> Markup:
    """For headers: day and time."""
    if at is None:
        return Markup("")
    reader = _reader()
    local = at.astimezone(reader.zone)
    return _time(at, local, reader, f"{_day(local, reader)} {local:%H:%M}")


def when_day(at: datetime | None) -> Markup:
    """The day alone."""
    if at is None:
        return Markup("")
    reader = _reader()
    local = at.astimezone(reader.zone)
    return _time(at, local, reader, _day(local, reader))


def ago(at: datetime | None) -> Markup:
    """How long since: "5 min", "3 h", "2 d"; kept fresh by app.js."""
    if at is None:
        return Markup("")
    reader = _reader()
    return _time(at, at.astimezone(reader.zone), reader, age(reader.now - at), " data-ago")


def full(local: datetime) -> str:
    """Day and time of a time in the reader's own zone, as a part of a sentence."""
    return f"{_day(local, _reader())} {local:%H:%M}"


def age(span: timedelta) -> str:
    """A length of time in its largest whole unit."""
    units = unit_words()
    minutes = max(0, span.days * 1440 + span.seconds // 60)
    if minutes < 1:
        return units["now"]
    for size, name in ((1440, "d"), (60, "h"), (1, "m")):
        if minutes >= size:
            return units[name].replace("0", str(minutes // size))
    return units["now"]


@once_for_a_language
def unit_words() -> dict[str, str]:
    """Words for lengths of time, 0 standing for the number; also given to app.js."""
    return {
        "now": str(escape(gettext("now"))),
        "m": str(escape(gettext("0 min"))),
        "h": str(escape(gettext("0 h"))),
        "d": str(escape(gettext("0 d"))),
    }


def file_size(size: int) -> str:
    """Bytes as people say them, in powers of ten."""
    if size < 1000:
        return f"{size} B"
    for unit, power in (("kB", 1e3), ("MB", 1e6), ("GB", 1e9)):
        if size < power * 1000 or unit == "GB":
            value = size / power
            return f"{value:.1f} {unit}" if value < 10 else f"{value:,.0f} {unit}"
    raise AssertionError


def said(text: str) -> str:
    """What a server said; where we said it in its place, in the reader's language."""
    return gettext(text) if text else ""


def many(number: int) -> str:
    """A count with thousands separators."""
    return f"{number:,}"


def _short(local: datetime, reader: _Reader) -> str:
    if local.date() == reader.today:
        return f"{local.hour:02}:{local.minute:02}"
    if local.year == reader.today.year:
        return f"{local.month}月{local.day}日" if reader.japanese else f"{local.day} {MONTHS[local.month - 1]}"
    if reader.japanese:
        return f"{local.year}/{local.month:02}/{local.day:02}"
    return f"{local.day} {MONTHS[local.month - 1]} {local.year}"


def _day(local: datetime, reader: _Reader) -> str:
    if reader.japanese:
        return f"{local.year}年{local.month}月{local.day}日"
    return f"{local.day} {MONTHS[local.month - 1]} {local.year}"


def _time(at: datetime, local: datetime, reader: _Reader, shown: str, more: str = "") -> Markup:
    # every part is made of digits and of our own words; a list has a hundred of these
    full = f"{_day(local, reader)} {local.hour:02}:{local.minute:02}"
    html = f'<time datetime="{at.isoformat(timespec="seconds")}" title="{full}"{more}>{shown}</time>'
    return Markup(html)  # noqa: S704
