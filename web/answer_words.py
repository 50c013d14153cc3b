"""Automatic answers in words: which there are, and why a mail got none."""

from __future__ import annotations

from collections.abc import Callable

from web.language import gettext


def occasions() -> dict[str, str]:
    """The answers of a mailbox itself."""
    return {"received": gettext("Acknowledgement"), "closed": gettext("Outside working hours")}


def languages() -> dict[str, str]:
    """Those in which they are written."""
    return {"ja": gettext("Japanese"), "en": gettext("English")}


def why_none(reason: str, budget: int | None) -> str:
    """Why a mail got no automatic answer."""
    return _REASONS[reason]().replace("{budget}", str(budget or 0))


_REASONS: dict[str, Callable[[], str]] = {
    "kind": lambda: gettext("a machine or a list wrote it"),
    "null_return_path": lambda: gettext("it has no return address"),
    "loop": lambda: gettext("it went through an automatic answer before"),
    "auto_submitted": lambda: gettext("it says that a machine sent it"),
    "precedence": lambda: gettext("it is bulk mail"),
    "auto_header": lambda: gettext("it says that a machine sent it"),
    "list": lambda: gettext("it is a list"),
    "suppressed": lambda: gettext("it asks for no automatic answers"),
    "spam": lambda: gettext("it is spam"),
    "no_sender": lambda: gettext("it has no address that can be written to"),
    "robot": lambda: gettext("nobody reads mail at its address"),
    "own_address": lambda: gettext("it is from an address of our own"),
    "forged": lambda: gettext("its sender is forged"),
    "blocked": lambda: gettext("its sender is blocked"),
    "stranger": lambda: gettext("its sender is not the customer of this conversation"),
    "not_new": lambda: gettext("it goes on with a conversation"),
    "copy": lambda: gettext("it was answered from another mailbox"),
    "in_hours": lambda: gettext("it came within working hours"),
    "late": lambda: gettext("it came long ago"),
    "breaker": lambda: gettext("automatic answers of this mailbox were stopped"),
    "sender_budget": lambda: gettext("this address got one within a day"),
    "conversation_budget": lambda: gettext("this conversation got {budget} within an hour"),
    "domain_budget": lambda: gettext("this domain got {budget} within an hour"),
    "mailbox_budget": lambda: gettext("this mailbox sent {budget} within an hour"),
}
