"""The public holidays of a country, offline: 振替休日 and 国民の休日, Easter and observed Mondays included.

Source: the `holidays` package (for Japan 国民の祝日に関する法律, 1949 to 2099). Equinoxes of years to come are
computed; the government announces them one year ahead.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from functools import cache, lru_cache

import holidays


@cache
def countries() -> Mapping[str, tuple[str, ...]]:
    """The ISO 3166 codes of the countries that are known, each with its subdivisions (JP: none, DE: BW, BY, …)."""
    found = holidays.list_supported_countries(include_aliases=False)
    return {code: tuple(parts) for code, parts in sorted(found.items()) if len(code) == 2}


@lru_cache(maxsize=4096)
def names_in(country: str, subdivision: str, year: int, language: str = "") -> Mapping[date, str]:
    """The holidays of one year with their names.

    `language` is the reader's ("ja", "en"); a country that has no names in it answers in its own language.
    """
    found = holidays.country_holidays(
        country, subdiv=subdivision or None, years=[year], expand=False, language=_language(country, language)
    )
    return {day: name for day, name in found.items() if day.year == year}


@cache
def _language(country: str, wanted: str) -> str | None:
    """Named always, because the package would otherwise ask the environment of the process."""
    names = holidays.country_holidays(country)
    offered = names.supported_languages or ()
    for language in offered:
        if wanted and language.partition("_")[0] == wanted.partition("_")[0]:
            return str(language)
    return names.default_language
