"""What is odd about a sender's name: it shows another address, mixes scripts, or turns the direction of writing."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

ADDRESS = re.compile(r"[\w.+'-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}")
TURNING = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
LOOK_ALIKE = ("LATIN", "CYRILLIC", "GREEK", "ARMENIAN", "CHEROKEE")


def oddities(name: str, address: str, reply_to: Iterable[str] = ()) -> tuple[str, ...]:
    """Codes: other_address (the name shows an address that is not the sender's), mixed_scripts (letters that look
    alike), turned (characters that reorder what is read), other_reply (answers would go to another domain).
    """
    found = []
    shown = {one.lower() for one in ADDRESS.findall(unicodedata.normalize("NFKC", name))}
    if shown - {address.lower()}:
        found.append("other_address")
    if any(mixed(word) for word in re.split(r"[\s@.,]+", f"{name} {_readable(address)}"[:500])):
        found.append("mixed_scripts")
    if TURNING & set(name):
        found.append("turned")
    domain = address.rpartition("@")[2].lower()
    if any(one.rpartition("@")[2].lower() != domain for one in reply_to if "@" in one):
        found.append("other_reply")
    return tuple(found)


def mixed(word: str) -> bool:
    """Whether one word has letters of several of the scripts that look alike."""
    if word.isascii():
        return False
    scripts = {unicodedata.name(letter, "").partition(" ")[0] for letter in word if letter.isalpha()}
    return len(scripts.intersection(LOOK_ALIKE)) > 1


def _readable(address: str) -> str:
    """The address with its domain's international labels spelled out."""
    local, at, domain = address.rpartition("@")
    if "xn--" not in domain.lower():
        return address
    try:
        return f"{local}{at}{domain.encode('ascii').decode('idna')}"
    except UnicodeError:
        return address
