"""Errors named for what the user must know. `web` turns them into pages, `cli` into sentences and exit codes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from routing.refusals import Refused


def N_(message: str) -> str:
    """Marks an English message for the catalogs; translating happens at the edge, where the reader's language is
    known."""
    return message


class UserError(Exception):
    """Something the user can mend. `message` is an English msgid with %(name)s placeholders filled from `params`.

    `field` names the form field it belongs to, "" for the whole form.
    """

    status = 400

    def __init__(self, message: str, *, field: str = "", **params: object) -> None:
        super().__init__(message % params if params else message)
        self.message = message
        self.params = params
        self.field = field


class NotFound(UserError):
    """The thing does not exist, or not for this person: both look the same (404)."""

    status = 404

    def __init__(self, message: str = N_("This page does not exist, or you may not see it.")) -> None:
        super().__init__(message)


class Forbidden(UserError):
    """The person sees the thing but may not do this with it."""

    status = 403


class Conflict(UserError):
    """Somebody else changed the thing meanwhile; the words of the refused person are kept."""

    status = 409


class StaleReply(Conflict):
    """A reply was refused because the conversation went on after the version its author saw.

    `draft_id` holds the kept words, `seen` and `now_at` are versions of the conversation. `reason`: stale, claimed.
    """

    def __init__(
        self, message: str, *, draft_id: int, seen: int, now_at: int, reason: str = "stale", **params: object
    ) -> None:
        super().__init__(message, **params)
        self.reason = reason
        self.draft_id = draft_id
        self.seen = seen
        self.now_at = now_at


class Unavailable(UserError):
    """A part that we need (database, Redis, disk, mail server) does not answer."""

    status = 503


# -- what a person typed, or the error at its field


def a_name(typed: str, *, most: int, missing: str = N_("Write a name.")) -> str:
    """The name with single spaces, cut to `most` characters. Raises UserError at "name" when nothing is left."""
    clean = " ".join(typed.split())[:most]
    if not clean:
        raise UserError(missing, field="name")
    return clean


@contextmanager
def at_the_field(*, outermost: bool = False) -> Iterator[None]:
    """What routing refuses becomes a UserError at the same field, or at the field around it when a form has no
    smaller."""
    try:
        yield
    except Refused as refused:
        field = refused.field.partition(".")[0] if outermost else refused.field
        raise UserError(refused.message, field=field, **refused.params) from None
