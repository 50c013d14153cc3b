"""E-mail addresses of the team, one spelling each."""

from __future__ import annotations

import re
import unicodedata

from inbox.errors import N_, UserError

SHAPE = re.compile(
    r"[^\s@<>()\[\],;:\\\"\x00-\x20\x7f-\xa0\u2028\u2029]+@[^\s@<>()\[\],;:\\\"\x00-\x20\x7f-\xa0\u2028\u2029.]+(\.[^\s@<>()\[\],;:\\\"\x00-\x20\x7f-\xa0.]+)*"
)


def normalised(email: str, *, field: str = "email") -> str:
    """Lower case, no blanks around, full-width letters folded. Raises UserError for what is no address."""
    clean = unicodedata.normalize("NFKC", email).strip().lower()
    if len(clean) > 254 or not SHAPE.fullmatch(clean):
        raise UserError(N_("This is not an e-mail address."), field=field)
    return clean
