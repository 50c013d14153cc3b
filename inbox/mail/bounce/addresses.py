"""Finds e-mail addresses in a server's words; every pattern is bounded, so a line costs its length and no more."""

from __future__ import annotations

import re

# RFC 5321 lengths: 64 before the sign, 255 after it. Carriers' dotted local parts are allowed on purpose.
_ADDRESS = re.compile(
    r"(?<![A-Za-z0-9!#$%&*+/?^_`{|}~.=-])"
    r"(\"[^\"\r\n<>]{1,62}\"|[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]{1,64})"
    r"@(\[[0-9A-Fa-f:.]{2,45}\]"
    r"|(?:[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?\.){1,20}[A-Za-z][A-Za-z0-9-]{0,61}[A-Za-z0-9])"
)
_PREFIX = re.compile(r"^(?:mailto:|smtp:|(?:dda:)?smtp=|rfc822[;=])", re.IGNORECASE)


def addresses(text: str) -> list[str]:
    """All addresses of a text in order, without doubles."""
    found = (_clean(match.group(1)) + "@" + match.group(2) for match in _ADDRESS.finditer(text))
    return list(dict.fromkeys(address for address in found if not address.startswith("@")))


def first_address(text: str) -> str:
    return next(iter(addresses(text)), "")


def _clean(local: str) -> str:
    local = _PREFIX.sub("", local)
    if "=" in local and re.match(r"(?i)(?:smtp|rfc822|dda)\b", local):
        local = local.rsplit("=", 1)[1]
    return local.strip("'`") if not local.startswith('"') else local
