"""Brings the translation catalogs up to date with the texts in the code: `python -m web.catalogs`.

`--check` only tells; exit code 1 when a text has no Japanese translation.
"""

from __future__ import annotations

import sys
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po, write_po

ROOT = Path(__file__).resolve().parents[1]
CATALOGS = ROOT / "web" / "translations"
LOCALES = ("ja",)  # English is what the code says
METHODS = [
    ("web/pages/**.html", "jinja2"),
    ("web/pages/**.txt", "jinja2"),
    ("web/**.py", "python"),
    ("inbox/**.py", "python"),
    ("routing/**.py", "python"),
]
DATES = (
    '"POT-Creation-Date',
    '"PO-Revision-Date',
    '"Generated-By',
    '"Last-Translator',
    '"Language-Team',
    '"Report-Msgid',
)
KEYWORDS = {"_": None, "gettext": None, "lazy_gettext": None, "ngettext": (1, 2), "pgettext": ((1, "c"), 2), "N_": None}


def main() -> int:
    check = "--check" in sys.argv[1:]
    missing = 0
    for locale in LOCALES:
        updated = update(locale)
        empty = [
            message
            for message in updated
            if message.id and (not message.string or not all(_forms(message.string)) or message.fuzzy)
        ]
        missing += len(empty)
        print(f"{locale}: {len(updated)} texts, {len(empty)} not translated")
        for message in empty[:20] if check else ():
            print(f"  {message.id!r}")
        if not check:
            _write(locale, updated)
    return 1 if check and missing else 0


def update(locale: str) -> Catalog:
    """The catalog of `locale` with the texts that the code has now; what is no longer said is gone."""
    path = CATALOGS / locale / "LC_MESSAGES" / "messages.po"
    catalog = Catalog(locale=locale, project="Madoguchi", fuzzy=False)
    if path.exists():
        with path.open("rb") as source:
            catalog = read_po(source, locale=locale)
    catalog.update(template(), no_fuzzy_matching=True)
    catalog.obsolete.clear()
    catalog.header_comment = f"# Madoguchi in {locale}. Brought up to date by `make catalogs`."
    return catalog


def template() -> Catalog:
    """Every text of the code."""
    found = Catalog(project="Madoguchi", fuzzy=False)
    texts = extract_from_dir(ROOT, METHODS, {"web/pages/**": {"trimmed": "true", "silent": "false"}}, KEYWORDS)
    for filename, _line, message, _comments, context in texts:
        found.add(message, None, [(filename, 0)], context=context)
    return found


def _write(locale: str, catalog: Catalog) -> None:
    path = CATALOGS / locale / "LC_MESSAGES" / "messages.po"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as target:
        # no line numbers and no date: a change shows what was translated, nothing else
        write_po(target, catalog, width=110, sort_output=True, no_location=True, omit_header=False)
    text = path.read_text("utf-8")
    kept = [line for line in text.splitlines() if not line.startswith(DATES)]
    path.write_text("\n".join(kept) + "\n", "utf-8")


def _forms(string: str | tuple[str, ...]) -> tuple[str, ...]:
    return string if isinstance(string, tuple) else (string,)


if __name__ == "__main__":
    raise SystemExit(main())
