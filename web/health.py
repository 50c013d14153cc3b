"""How mailboxes and parts of the installation do, in words; comparing with the server, bringing in older mail."""

from __future__ import annotations

import sqlite3
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from flask import Blueprint, current_app, g, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from inbox import autoanswers_settings, forgotten, health, ledger, mailboxes, people
from inbox.errors import N_, NotFound, UserError
from inbox.health import MailboxHealth, Part
from inbox.ledger import Ledger
from inbox.wire.problems import CODES
from web import edge, language
from web.autoanswers import alarm_words
from web.language import gettext, ngettext

pages = Blueprint("health", __name__)

LOOK_AGAIN = 10.0  # seconds that a process trusts what it found about the parts, for the banner
TONES = {"ok": "good", "new": "quiet", "late": "warn", "failing": "bad", "stopped": "bad", "off": "quiet"}
ICONS = {"good": "circle-check", "warn": "alert-triangle", "bad": "circle-x", "quiet": "clock"}


@dataclass(frozen=True)
class Said:
    """Something's state for people. `tone`: good, warn, bad or quiet; never shown by colour alone."""

    name: str
    tone: str
    short: str
    words: str
    more: tuple[str, ...] = ()


@pages.get("/health")
def show() -> str:
    system = health.system(now=g.now)
    found = health.mailboxes(g.session, g.who, now=g.now)
    parts = [said_of_part(part) for part in system.parts]
    called = words()
    stopped = ["warn" for _ in called["answer_alarms"]]
    proof = forgotten.last(g.session)
    shown = {
        "proof": proof,
        "proof_words": _proof_words(),
        "mailboxes": found,
        "parts": parts,
        "worst": _worst([said_of(one).tone for one in found] + [part.tone for part in parts] + stopped),
        **called,
    }
    return render_template("health/inside.html" if edge.fragment() else "health/show.html", **shown)


@pages.post("/health/<int:mailbox_id>/comparison")
def compare(mailbox_id: int) -> Response:
    """Has the poller compare the whole mailbox with its server."""
    _managed(mailbox_id)
    ledger.ask(g.session, mailbox_id, now=g.now)
    edge.tell(gettext("The mailbox is compared with its server now; the sums below change when it is done."))
    return edge.next_page(url_for("health.show"))


@pages.post("/health/<int:mailbox_id>/retry")
def retry(mailbox_id: int) -> Response:
    _managed(mailbox_id)
    mailboxes.try_again(g.session, g.who, mailbox_id, now=g.now)
    edge.tell(gettext("It is tried again now."))
    return edge.next_page(url_for("health.show"))


@pages.post("/health/<int:mailbox_id>/backfill")
def backfill(mailbox_id: int) -> Response:
    """Brings in mail back to a day, silently."""
    _managed(mailbox_id)
    since = _day(request.form.get("since", ""))
    ledger.backfill(g.session, g.who, mailbox_id, since, now=g.now)
    people.audit(g.session, g.who, "backfill_asked", now=g.now, mailbox_id=mailbox_id, since=since.date().isoformat())
    edge.tell(
        gettext("Mail since %(day)s comes in now, silently.", day=since.astimezone(language.zone()).date().isoformat())
    )
    return redirect(edge.same_origin(request.form.get("next"), otherwise=url_for("health.show")), 303)


def _managed(mailbox_id: int) -> None:
    """Agents see how their mailboxes are, but change nothing: NotFound for a mailbox out of sight, else Forbidden."""
    people.mailbox(g.session, g.who, mailbox_id)
    people.must_be(g.who, "manager")


# -- for other rooms


def troubles() -> list[Said]:
    """The parts that do not work, for the banner of every page; looked at every few seconds at most."""
    known: tuple[float, tuple[Part, ...]] | None = current_app.extensions.get("parts")
    if known is None or time.monotonic() - known[0] > LOOK_AGAIN:
        known = current_app.extensions["parts"] = (time.monotonic(), health.system(now=g.now).parts)
    return [said_of_part(part) for part in known[1] if not part.ok]


def card(mailbox_id: int) -> MailboxHealth:
    """One mailbox's health. Raises NotFound for what the person may not see."""
    for found in health.mailboxes(g.session, g.who, now=g.now):
        if found.id == mailbox_id:
            return found
    raise NotFound


def _proof_words() -> dict[str, str]:
    """What the nightly check may find."""
    return {
        "asleep": gettext("Snoozed, but their time is over"),
        "waits_unowned": gettext("Wait for the customer, although the customer waits, and have no owner"),
        "owner_gone": gettext("Their owner has left or no longer sees the mailbox"),
        "no_deadline": gettext("Their deadline was wrong; it was put right"),
    }


def words() -> dict[str, Any]:
    """What the templates call."""
    return {
        "said_of": said_of,
        "sum_of": sum_of,
        "time_left": time_left,
        "icons": ICONS,
        "smtp_words": smtp_words,
        "answer_alarms": autoanswers_settings.alarms(g.session, g.who, now=g.now),
        "alarm_words": alarm_words,
    }


# -- in words


def said_of(one: MailboxHealth) -> Said:
    """How reading a mailbox goes."""
    problem = gettext(CODES.get(one.code, CODES["internal"])) if one.code else ""
    short, sentence = {
        "ok": (gettext("Works"), gettext("Mail comes in.")),
        "new": (gettext("Not read yet"), gettext("It is read for the first time within seconds.")),
        "late": (
            gettext("Behind"),
            gettext("It was last read %(ago)s ago; that should happen every minute.", ago=_span(one.lag)),
        ),
        "failing": (gettext("Does not work"), problem),
        "stopped": (
            gettext("Stopped"),
            gettext(
                "%(problem)s It is not tried again, lest the account be locked, until its settings change.",
                problem=problem,
            ),
        ),
        "off": (gettext("Switched off"), gettext("It is not read. Mail stays on its server.")),
    }[one.state]
    tone = TONES[one.state]
    if one.state == "ok" and (one.smtp_code or any(sums.missing for sums in one.ledgers)):
        tone, short = "warn", gettext("Needs a look")
    return Said(one.name, tone, short, sentence)


def smtp_words(one: MailboxHealth) -> str:
    return gettext(CODES.get(one.smtp_code, CODES["internal"])) if one.smtp_code else ""


def sum_of(sums: Ledger) -> str:
    """The ledger of a folder as one sum: "on the server 12,431 = filed 12,430 + in quarantine 1"."""
    parts = [gettext("filed %(count)s", count=f"{sums.filed:,}")]
    if sums.quarantined:
        parts.append(gettext("in quarantine %(count)s", count=f"{sums.quarantined:,}"))
    if sums.left_out:
        parts.append(gettext("left out as too old %(count)s", count=f"{sums.left_out:,}"))
    if sums.missing:
        parts.append(gettext("missing %(count)s", count=f"{sums.missing:,}"))
    return gettext("on the server %(count)s = %(parts)s", count=f"{sums.on_server:,}", parts=" + ".join(parts))


def time_left(seconds: float | None) -> str:
    if seconds is None:
        return gettext("unknown")
    if seconds < 60:
        return gettext("less than a minute")
    return str(language.age(timedelta(seconds=seconds + 59)))


def said_of_part(part: Part) -> Said:
    name = {
        "database": gettext("Database"),
        "redis": gettext("Redis"),
        "disk": gettext("Disk"),
        "poller": gettext("Poller"),
        "worker": gettext("Worker"),
        "clock": gettext("Clock"),
    }[part.name]
    if not part.ok:
        return Said(
            name,
            "bad",
            gettext("Does not work"),
            _broken_words(part, name),
            tuple(filter(None, (part.facts.get("error"),))),
        )
    sentence, more = _working_words(part)
    return Said(name, "good", gettext("Works"), sentence, more)


def _broken_words(part: Part, name: str) -> str:
    if part.name == "redis":
        return gettext(
            "Redis does not answer. Mail still comes in and leaves, some seconds later; screens follow more slowly."
        )
    if part.name in ("poller", "worker", "clock") and part.code in ("silent", "never"):
        return {
            "poller": gettext("The poller does not run: no mail comes in. It stays on its servers."),
            "worker": gettext("No worker runs: mail leaves more slowly."),
            "clock": gettext("The clock does not run: what is put off is not woken up and retries do not happen."),
        }[part.name]
    return f"{name}: {gettext(health.CODES[part.code])}"


def _working_words(part: Part) -> tuple[str, tuple[str, ...]]:
    facts = part.facts
    if part.name == "database":
        if facts["kind"] != "sqlite":
            return gettext("PostgreSQL, with the newest schema."), ()
        note = gettext(
            "This SQLite (%(version)s) has a flaw that can lose pages when several processes tidy its log at once. Here"
            " only the clock does, so nothing is lost; run a single clock, and update SQLite when you can.",
            version=sqlite3.sqlite_version,
        )
        return gettext("SQLite, with the newest schema."), (note,) if facts.get("sqlite_has_wal_race") else ()
    if part.name == "redis":
        return (gettext("The embedded one.") if facts.get("embedded") else gettext("Your own server.")), ()
    if part.name == "disk":
        places = {place["free"]: place for place in facts.values()}  # often one and the same
        free = [
            gettext("%(free)s of %(total)s free", free=_size(one["free"]), total=_size(one["total"]))
            for one in places.values()
        ]
        return gettext("; ").join(free), ()
    count = facts.get("processes", 1)
    return ngettext(
        "%(num)d process, heard of %(ago)s ago.", "%(num)d processes, heard of %(ago)s ago.", count, ago=_heard(facts)
    ), ()


def _heard(facts: dict[str, Any]) -> str:
    return gettext("%(seconds)d s", seconds=max(0, int((g.now - facts["last_sign"]).total_seconds())))


def _size(size: int) -> str:
    return language.file_size(size)


def _span(span: timedelta | None) -> str:
    return str(language.age(span or timedelta(0)))


def _worst(tones: list[str]) -> str:
    return next((tone for tone in ("bad", "warn") if tone in tones), "good")


def _day(typed: str) -> datetime:
    """The beginning of a day in the reader's time zone. Raises UserError(field="since")."""
    try:
        since = datetime.fromisoformat(typed.strip()).replace(tzinfo=language.zone()).astimezone(UTC)
    except (ValueError, OverflowError):
        raise UserError(N_("Choose a day."), field="since") from None
    if since > g.now:
        raise UserError(N_("Choose a day in the past."), field="since")
    return since
