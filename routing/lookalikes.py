"""Is this domain a slip of the finger or of the eye for one that we know? gmial.com, yahoo.co.jo, rnicrosoft.com."""

from __future__ import annotations

from collections.abc import Collection

SHORTEST_LABEL = 4  # characters; of shorter names (abc, abd) too many honest ones differ by one letter

# Where private customers have their mail, in Japan and elsewhere.
WELL_KNOWN = frozenset(
    {
        *("gmail.com", "googlemail.com", "yahoo.co.jp", "yahoo.com", "ymail.ne.jp", "outlook.com", "outlook.jp"),
        *(
            "hotmail.com",
            "hotmail.co.jp",
            "live.jp",
            "live.com",
            "msn.com",
            "icloud.com",
            "me.com",
            "mac.com",
            "aol.com",
        ),
        *("docomo.ne.jp", "ezweb.ne.jp", "au.com", "softbank.ne.jp", "i.softbank.jp", "ymobile.ne.jp", "uqmobile.jp"),
        *("rakuten.jp", "nifty.com", "biglobe.ne.jp", "ocn.ne.jp", "so-net.ne.jp", "plala.or.jp", "dion.ne.jp"),
        *("excite.co.jp", "goo.jp", "gmx.de", "gmx.net", "web.de", "t-online.de", "freenet.de", "orange.fr", "free.fr"),
        *("wanadoo.fr", "laposte.net", "libero.it", "proton.me", "protonmail.com", "fastmail.com", "qq.com", "163.com"),
    }
)
_LOOKS = (("rn", "m"), ("vv", "w"), ("cl", "d"), ("0", "o"), ("1", "l"), ("5", "s"))


def looks_like(domain: str, known: Collection[str]) -> str:
    """The known (lower case) or well-known domain that this one is nearly; "" when it is one itself or like none.

    Nearly: one letter more, less, another or two neighbours swapped, or the same at a glance (rn for m, 0 for o).
    """
    if domain in WELL_KNOWN or domain in known:
        return ""
    for others in (known, WELL_KNOWN):
        near = sorted(other for other in others if _is_near(domain, other))
        if near:
            return near[0]
    return ""


def _is_near(domain: str, other: str) -> bool:
    if abs(len(domain) - len(other)) > 3 or max(map(len, other.split("."))) < SHORTEST_LABEL:
        return False
    return _one_slip(domain, other) or _glance(domain) == _glance(other)


def _one_slip(one: str, other: str) -> bool:
    """Optimal string alignment distance of exactly one."""
    start = 0
    while start < min(len(one), len(other)) and one[start] == other[start]:
        start += 1
    left, right = one[start:], other[start:]
    swapped = left[:2] == right[:2][::-1] and left[2:] == right[2:]
    return left != right and (left[1:] == right[1:] or left[1:] == right or left == right[1:] or swapped)


def _glance(domain: str) -> str:
    for seen, meant in _LOOKS:
        domain = domain.replace(seen, meant)
    return domain
