"""The words of what looks at a mail before it leaves: badges, findings, reasons for approval, ways of near misses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from web.language import gettext, ngettext


def badge(name: str) -> tuple[str, str, str]:
    """(words, tone, icon) of what stands beside a recipient or a file."""
    return {
        "outside": (gettext("Outside"), "quiet", "world"),
        "first_time": (gettext("First time"), "warn", "user-plus"),
        "other_domain": (gettext("Not the customer’s domain"), "warn", "at"),
        "typo": (gettext("Misspelt?"), "bad", "alert-triangle"),
        "risky": (gettext("Program or macros"), "bad", "alert-hexagon"),
        "large": (gettext("Large"), "quiet", "archive"),
        "empty": (gettext("Empty file"), "warn", "file"),
    }[name]


def finding(kind: str, found: str) -> str:
    """What looks wrong, as a sentence."""
    match kind:
        case "word":
            return gettext("The mail contains the warning word “%(word)s”.", word=found)
        case "name":
            return gettext("It addresses “%(name)s”, who is none of the recipients.", name=found)
        case "no_attachment":
            return gettext("The text speaks of an attachment, but there is none: “%(words)s”", words=found)
        case "no_subject":
            return gettext("The subject is empty.")
        case "many_visible":
            return ngettext(
                "%(num)d outside address is visible to the others. Bcc would hide it.",
                "%(num)d outside addresses are visible to each other. Bcc would hide them.",
                int(found),
            )
        case "nobody_visible":
            return gettext("Everybody stands in Bcc; nobody is visible.")
    raise AssertionError(kind)


def line(name: str) -> str:
    return {"to": gettext("To"), "cc": gettext("Cc"), "bcc": gettext("Bcc")}[name]


def ask(name: str) -> str:
    """When a mailbox asks for ticks."""
    return {
        "always": gettext("Always"),
        "outside": gettext("When anybody outside gets the mail"),
        "doubtful": gettext("Only for what is doubtful"),
        "never": gettext("Never"),
    }[name]


def reason(told: Mapping[str, Any]) -> str:
    """Why approval is needed, with what was found."""
    found: Sequence[str] = told.get("found") or ()
    words = {
        "every_mail": lambda: gettext("every mail"),
        "author": lambda: gettext("its author’s mail"),
        "new_staff": lambda: gettext("its author is new"),
        "mailbox": lambda: gettext("mail of this mailbox"),
        "domain": lambda: gettext("goes to a domain that is looked at"),
        "outside": lambda: gettext("goes outside"),
        "first_contact": lambda: gettext("first contact"),
        "attachment": lambda: gettext("has an attachment"),
        "attachment_type": lambda: gettext("has such an attachment"),
        "recipients": lambda: gettext("number of recipients"),
        "word": lambda: gettext("contains a word"),
        "amount": lambda: gettext("names a sum"),
    }[told["condition"]]()
    return f"{words}: {gettext(', ').join(found)}" if found else words


def way(name: str) -> str:
    """By which way a second reply was about to leave."""
    return {
        "web": gettext("Sent by hand"),
        "later": gettext("Scheduled"),
        "approval": gettext("Released by an approver"),
    }[name]
