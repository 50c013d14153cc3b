"""What happened, in a sentence: events, states of an answer, why a mail came back, what is odd about a sender."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from markupsafe import Markup

from inbox.conversation_page import EventView, MessageView, OutgoingView
from web import language
from web.language import gettext

# the message or note shows it
SILENT = ("sent", "received", "replied", "forwarded", "started", "elsewhere", "auto_answered", "noted")


def event(one: EventView, names: Mapping[int, str], teams: Mapping[int, str]) -> str:
    """The event as a sentence; "" for what its message shows already."""
    about = one.about
    who = one.actor_name
    if about.get("rule_name"):
        return gettext("Rule “%(rule)s”: %(what)s", rule=about["rule_name"], what=_by_itself(one, names, teams))
    if about.get("handed_back"):
        return gettext("Given to somebody else, because nobody worked on it: its owner is not there")
    match one.kind:
        case "team" | "priority" | "deadline_policy":
            told = _by_itself(one, names, teams)
            return told[:1].upper() + told[1:]
        case "assigned":
            return _assigned(who, names.get(about.get("before") or 0, ""), names.get(about.get("after") or 0, ""), one)
        case "status":
            return _status(who, about)
        case "tagged":
            return gettext("%(who)s added the tag “%(tag)s”", who=who, tag=about.get("tag", ""))
        case "untagged":
            return gettext("%(who)s removed the tag “%(tag)s”", who=who, tag=about.get("tag", ""))
        case "escalated":
            return _escalated(about)
        case "joined":
            if not who:
                return gettext("Another conversation was joined into this one")
            return gettext("%(who)s joined another conversation into this one", who=who)
        case "unjoined":
            return gettext("%(who)s parted the conversations again", who=who)
        case "split":
            return gettext("%(who)s made a conversation of its own of a part", who=who)
        case "moved":
            return gettext("%(who)s moved it to %(mailbox)s", who=who, mailbox=about.get("mailbox", ""))
        case "categorised":
            return gettext("%(who)s set the category “%(category)s”", who=who, category=about.get("category", ""))
        case "field":
            return gettext(
                "%(who)s set “%(field)s” to “%(value)s”",
                who=who,
                field=about.get("field", ""),
                value=about.get("value", ""),
            )
        case "customer":
            return _customer(who, about.get("customer", {}))
        case "linked":
            return gettext("%(who)s linked it with conversation %(number)s", who=who, number=about.get("other", ""))
        case "unlinked":
            return gettext(
                "%(who)s removed the link with conversation %(number)s", who=who, number=about.get("other", "")
            )
        case "taken_over":
            return _taken_over(who, names.get(about.get("before") or 0, ""), str(about.get("reason") or ""))
        case "approval_asked":
            return gettext("%(who)s asked for approval of an answer", who=who)
        case "approved":
            return gettext("%(who)s approved the answer of %(author)s", who=who, author=_author(about, names))
        case "approval_returned":
            return gettext("%(who)s returned the answer to %(author)s", who=who, author=_author(about, names))
        case "approval_withdrawn":
            return gettext("%(who)s withdrew the request for approval", who=who)
        case "scheduled":
            at = language.full(datetime.fromisoformat(str(about["until"])).astimezone(language.zone()))
            return gettext("%(who)s scheduled an answer for %(time)s", who=who, time=at)
        case "unscheduled" if who:
            return gettext("%(who)s stopped an answer that waited for its time", who=who)
        case "undone":
            return gettext("%(who)s stopped the sending of an answer", who=who)
        case "cancelled":
            return gettext("%(who)s cancelled the sending of an answer", who=who)
        case "refused":
            return gettext("A second answer by %(who)s was stopped; its words are kept", who=who)
        case "failed":
            return gettext("An answer could not be sent; open again")
        case "uncertain":
            return gettext("It is uncertain whether an answer arrived; open again")
        case "resolved":
            return _resolved(who, about)
        case "bounced":
            return gettext("An answer came back as undeliverable; open again")
        case kind if kind in SILENT:
            return ""
    from inbox.conversations import EVENTS

    told = gettext(EVENTS[one.kind])
    return f"{told} · {who}" if who else told


def _by_itself(one: EventView, names: Mapping[int, str], teams: Mapping[int, str]) -> str:
    """What was changed, without who did it."""
    about = one.about
    match one.kind:
        case "assigned":
            return _assigned("", "", names.get(about.get("after") or 0, ""), one)
        case "tagged":
            return gettext("tag “%(tag)s” added", tag=about.get("tag", ""))
        case "untagged":
            return gettext("tag “%(tag)s” removed", tag=about.get("tag", ""))
        case "status":
            return status(str(about.get("after")))
        case "priority":
            from web.rule_words import choices

            after = str(about.get("priority_after"))
            return gettext("priority: %(priority)s", priority=choices()["priority"].get(after, after))
        case "team":
            return _given_to_team(about, teams)
        case "deadline_policy":
            return gettext("another deadline policy counts")
        case "auto_answered":
            return gettext("an automatic answer was written")
        case "moved":
            return gettext("moved to %(mailbox)s", mailbox=about.get("mailbox", ""))
    from inbox.conversations import EVENTS

    return gettext(EVENTS[one.kind])


def _author(about: Mapping[str, Any], names: Mapping[int, str]) -> str:
    return names.get(about.get("before") or 0, "")


def _assigned(who: str, before: str, after: str, one: EventView) -> str:
    if one.about.get("after") is None:
        return gettext("%(who)s gave it back to the team", who=who) if who else gettext("Given back to the team")
    if one.about.get("after") == one.actor_id:
        return gettext("%(who)s took it", who=who)
    if not who:
        return gettext("Assigned to %(owner)s", owner=after)
    return gettext("%(who)s gave it to %(owner)s", who=who, owner=after)


def _given_to_team(about: Mapping[str, Any], teams: Mapping[int, str]) -> str:
    after = about.get("team_after")
    if after is None:
        return gettext("no team is in charge any more")
    if after not in teams:  # removed since
        return gettext("handed to another team")
    return gettext("handed to the team “%(team)s”", team=teams[after])


def _status(who: str, about: Mapping[str, Any]) -> str:
    after = about.get("after")
    if about.get("needless"):
        return gettext("%(who)s closed it, no answer needed: %(reason)s", who=who, reason=about["needless"])
    if after == "snoozed" and "until" not in about:
        return gettext("%(who)s undid a change", who=who)
    if not who:
        return {
            "open": gettext("Open again: its time has come"),
            "closed": gettext("Closed"),
        }.get(str(after), status(str(after)))
    if after == "snoozed":
        until = datetime.fromisoformat(str(about["until"])).astimezone(language.zone())
        return gettext("%(who)s snoozed it until %(time)s", who=who, time=language.full(until))
    return {
        "open": gettext("%(who)s opened it again", who=who),
        "waiting": gettext("%(who)s set it to wait for the customer", who=who),
        "closed": gettext("%(who)s closed it", who=who),
        "spam": gettext("%(who)s marked it as spam", who=who),
    }[str(after)]


def _customer(who: str, changed: Mapping[str, str]) -> str:
    labels = {
        "name": gettext("name"),
        "company": gettext("company"),
        "tier": gettext("tier"),
        "phase": gettext("phase"),
        "note": gettext("note"),
    }
    told = [
        gettext("%(field)s “%(value)s”", field=labels[field], value=value)
        if value
        else labels[field]
        if field == "note"
        else gettext("no %(field)s", field=labels[field])
        for field, value in changed.items()
        if field in labels
    ]
    return gettext("%(who)s changed what is known of the customer: %(facts)s", who=who, facts=gettext(", ").join(told))


def _escalated(about: Mapping[str, Any]) -> str:
    from web.deadlines import kind_words

    clock, percent = kind_words().get(str(about.get("clock")), ""), int(about.get("percent") or 0)
    if percent >= 100:
        return gettext("The deadline “%(clock)s” has passed", clock=clock)
    return gettext("%(percent)s %% of the deadline “%(clock)s” are used up", percent=percent, clock=clock)


def _taken_over(who: str, holder: str, reason: str) -> str:
    if reason:
        return gettext(
            "%(who)s took the writing over from %(holder)s: %(reason)s", who=who, holder=holder, reason=reason
        )
    return gettext("%(who)s took the writing over from %(holder)s", who=who, holder=holder)


def _resolved(who: str, about: Mapping[str, Any]) -> str:
    if about.get("as") == "sent_again":
        return gettext("%(who)s sent the answer again", who=who)
    if who:
        return gettext("%(who)s marked the answer as sent", who=who)
    return gettext("The answer did arrive after all")


def status(name: str) -> str:
    return {
        "open": gettext("Open"),
        "waiting": gettext("Waiting for the customer"),
        "snoozed": gettext("Snoozed"),
        "closed": gettext("Closed"),
        "spam": gettext("Spam"),
        "joined": gettext("Joined into another conversation"),
    }.get(name, name)


def snoozed(until: datetime | None) -> Markup | str:
    return gettext("Snoozed until %(time)s", time=language.full(until.astimezone(language.zone()))) if until else ""


# -- an answer on its way


def outgoing(one: OutgoingView) -> tuple[str, str, str]:
    """(tone, icon, sentence) of where an answer is."""
    match one.state:
        case "queued" if one.can_undo:
            return "busy", "clock", gettext("Not sent yet: you can still take it back")
        case "queued" if one.tries:
            again = language.full(one.due_at.astimezone(language.zone()))
            return "warn", "refresh", gettext("Not taken yet; it is tried again at %(time)s", time=again)
        case "queued":
            return "busy", "send", gettext("On its way to the mail server")
        case "held":
            return "warn", "player-pause", gettext("Held back")
        case "sending":
            return "busy", "send", gettext("Being sent")
        case "sent":
            return "good", "check", gettext("Sent")
        case "failed":
            return "bad", "alert-triangle", gettext("Not sent: the mail server refused it")
        case "uncertain":
            return "bad", "mail-question", gettext("Uncertain: the connection broke while it was handed over")
        case "cancelled":
            return "quiet", "ban", gettext("Cancelled")
    raise AssertionError(one.state)


def advice(one: OutgoingView) -> str:
    """What to do about an answer that did not go out smoothly."""
    if one.state == "failed":
        return gettext("Check the address and the server’s words, then try again, or take it back as a draft.")
    if one.state == "uncertain":
        return gettext(
            "It may have arrived. If you send it again, the customer may get it twice. "
            "Ask, or look into the Sent folder."
        )
    return ""


# -- why a mail came back

REASONS = {
    "userunknown": lambda: gettext("The address does not exist."),
    "hostunknown": lambda: gettext("The domain of the address does not exist."),
    "hasmoved": lambda: gettext("The person is no longer there."),
    "mailboxfull": lambda: gettext("The mailbox is full."),
    "mesgtoobig": lambda: gettext("The mail is too large for the receiver."),
    "filtered": lambda: gettext("The receiver’s filter refused it."),
    "rejected": lambda: gettext("The receiver refused it."),
    "blocked": lambda: gettext("The receiver’s server blocks our server."),
    "badreputation": lambda: gettext("The receiver’s server does not trust our server."),
    "requireptr": lambda: gettext("The receiver’s server does not trust our server."),
    "authfailure": lambda: gettext("SPF, DKIM or DMARC of our domain did not pass."),
    "policyviolation": lambda: gettext("It breaks a rule of the receiver’s server."),
    "spamdetected": lambda: gettext("The receiver’s server takes it for spam."),
    "virusdetected": lambda: gettext("The receiver’s server takes it for a virus."),
    "expired": lambda: gettext("The receiver’s server could not be reached for too long."),
    "networkerror": lambda: gettext("The receiver’s server could not be reached."),
    "suspend": lambda: gettext("The address is suspended."),
    "norelaying": lambda: gettext("The receiver’s server does not take mail for this address."),
    "notaccept": lambda: gettext("The domain takes no mail."),
}


def bounce(told: Mapping[str, Any]) -> str:
    """Why, in a sentence, and for whom."""
    made = REASONS.get(str(told.get("reason") or ""))
    why = made() if made else gettext("The receiver’s server did not say why.")
    lasting = {True: gettext("This is permanent."), False: gettext("It may work later.")}.get(told.get("permanent"), "")  # type: ignore[call-overload]
    return gettext("%(first)s %(second)s", first=why, second=lasting) if lasting else why


# -- what to be careful about


def cautions(message: MessageView) -> tuple[str, ...]:
    """Warnings about who a mail says it comes from."""
    found = []
    if message.unverified:
        found.append(
            gettext("This sender took no part in the conversation before. Answers do not go there by themselves.")
        )
    for code in message.oddities:
        found.append(
            {
                "other_address": gettext(
                    "The name shows another address than the true one: %(address)s", address=message.from_address
                ),
                "mixed_scripts": gettext("Name or address mixes letters of several scripts that look alike."),
                "turned": gettext("The name has characters that turn the direction of reading."),
                "other_reply": gettext(
                    "Answers would go to another domain than the sender’s: %(to)s",
                    to=", ".join(a for _n, a in message.reply_to),
                ),
            }.get(code, code)
        )
    return tuple(found)
