"""An error's sentence in the reader's language."""

from __future__ import annotations

from inbox.errors import UserError
from web.language import gettext


def words(error: UserError) -> str:
    return gettext(error.message, **error.params)
