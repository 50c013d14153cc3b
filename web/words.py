"""An error's sentence in the reader's language."""

from __future__ import annotations

from flask_babel import gettext

from inbox.errors import UserError


def words(error: UserError) -> str:
    return gettext(error.message, **error.params) if error.params else gettext(error.message)
