"""What a person set that cannot be: the field it belongs to and the reason, before anything is stored."""

from __future__ import annotations


def N_(message: str) -> str:
    """Marks an English message for the catalogs; `web` translates it for the reader."""
    return message


class Refused(ValueError):
    """A value that cannot be. `message` is an English msgid with %(name)s placeholders filled from `params`.

    `field` names where it stands, with dots for what is nested and numbers from 0: "week.mon", "days_off.2".
    """

    def __init__(self, field: str, message: str, **params: object) -> None:
        super().__init__(f"{field}: {message % params if params else message}")
        self.field = field
        self.message = message
        self.params = params
