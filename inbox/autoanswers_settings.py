"""What a mailbox answers by itself, as managers write it: words, switches, limit, preview, and the breaker."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.orm import Session

from inbox import people, working_hours
from inbox.conversations import upsert
from inbox.errors import N_, UserError
from inbox.models import AnswerBreaker, AutoAnswer, Mailbox
from inbox.people import Viewer
from inbox.wire import ring
from routing.autoreply import Budgets
from routing.calendars import Calendar
from routing.hours import NoWorkingTime, is_open, next_opening, working_time
from templates.auto_answers import (
    LANGUAGES,
    LONGEST_SUBJECT,
    LONGEST_TEXT,
    OCCASIONS,
    PROPOSED,
    Filling,
    Words,
    filled,
    trouble,
)

MOST_HOURLY = 1_000
WEEK = timedelta(days=7)
SAMPLE_NUMBER = 1024
SAMPLE_NAMES = {"ja": "山田 太郎", "en": "Hanako Yamada"}

TROUBLES = {
    "unknown_field": N_("There is no field {%(named)s}. Known are {name}, {mailbox}, {number} and {next_opening}."),
    "only_closed": N_("{%(named)s} stands only in the answer outside working hours."),
    "too_long": N_("At most %(most)d characters."),
}


@dataclass(frozen=True)
class Answer:
    """What is said on one occasion, by language."""

    enabled: bool = False
    words: Mapping[str, Words] = field(default_factory=dict)


@dataclass(frozen=True)
class AnswersForm:
    """All that can be set, by occasion. `hourly`: automatic answers that may leave the mailbox in an hour."""

    answers: Mapping[str, Answer]
    hourly: int = Budgets().mailbox


@dataclass(frozen=True)
class Alarm:
    """Too many automatic answers at `at`. The mailbox is silent until `open_until`; None: it goes on answering others.

    `budget`: mailbox_budget, or domain_budget with its `domain`.
    """

    mailbox_id: int
    at: datetime
    budget: str
    domain: str
    open_until: datetime | None


@dataclass(frozen=True)
class AnswersView:
    """A mailbox's answers; those never written come with the product's own words.

    `ever_closed`: it has working hours, so that there is a time outside them.
    """

    mailbox_id: int
    mailbox_name: str
    form: AnswersForm
    ever_closed: bool
    alarm: Alarm | None


@dataclass(frozen=True)
class Previewed:
    """An answer as a customer would read it."""

    occasion: str
    language: str
    words: Words


def show(session: Session, who: Viewer, mailbox_id: int, *, now: datetime) -> AnswersView:
    """For managers. Raises NotFound."""
    mailbox = _mailbox(session, who, mailbox_id)
    stored = {
        one.occasion: one for one in session.scalars(select(AutoAnswer).where(AutoAnswer.mailbox_id == mailbox_id))
    }
    answers = {
        occasion: Answer(
            stored[occasion].enabled,
            {language: Words(**stored[occasion].words.get(language, {})) for language in LANGUAGES},
        )
        if occasion in stored
        else Answer(False, PROPOSED[occasion])
        for occasion in OCCASIONS
    }
    breaker = session.get(AnswerBreaker, mailbox_id)
    return AnswersView(
        mailbox_id=mailbox.id,
        mailbox_name=mailbox.name,
        form=AnswersForm(answers, breaker.hourly if breaker else Budgets().mailbox),
        ever_closed=_ever_closed(working_hours.calendar_of(session, mailbox_id), now),
        alarm=_alarm(breaker, now=now) if breaker else None,
    )


def change(session: Session, who: Viewer, mailbox_id: int, form: AnswersForm, *, now: datetime) -> None:
    """Raises UserError that names the field: occasion_language_subject or _text, occasion_enabled, hourly."""
    _mailbox(session, who, mailbox_id)
    check(form)
    if form.answers["closed"].enabled and not _ever_closed(working_hours.calendar_of(session, mailbox_id), now):
        raise UserError(
            N_("This mailbox has no working hours yet, so this answer would never leave. Set them first."),
            field="closed_enabled",
        )
    for occasion in OCCASIONS:
        answer = form.answers[occasion]
        words = {language: {"subject": one.subject, "text": one.text} for language, one in answer.words.items()}
        values = {"enabled": answer.enabled, "words": words}
        upsert(
            session,
            AutoAnswer,
            {"mailbox_id": mailbox_id, "occasion": occasion, **values},
            key=["mailbox_id", "occasion"],
            update=values,
        )
    upsert(
        session,
        AnswerBreaker,
        {"mailbox_id": mailbox_id, "hourly": form.hourly, "alarm": "", "alarm_domain": ""},
        key=["mailbox_id"],
        update={"hourly": form.hourly},
    )
    on = [occasion for occasion in OCCASIONS if form.answers[occasion].enabled]
    people.audit(session, who, "auto_answers_changed", now=now, mailbox_id=mailbox_id, on=on, hourly=form.hourly)


def check(form: AnswersForm) -> None:
    """Raises UserError as `change` does; the words of an answer that is off are checked too, but may be missing."""
    if not 1 <= form.hourly <= MOST_HOURLY:
        raise UserError(N_("A number from 1 to %(most)d."), field="hourly", most=MOST_HOURLY)
    for occasion in OCCASIONS:
        answer = form.answers[occasion]
        for language in LANGUAGES:
            check_words(occasion, language, answer.words.get(language, Words()))
        if answer.enabled and all(one.empty for one in answer.words.values()):
            raise UserError(
                N_("Write what it says, in one language at least."), field=f"{occasion}_{LANGUAGES[0]}_text"
            )


def check_words(occasion: str, language: str, words: Words) -> None:
    """Raises UserError that names the field: occasion_language_subject or _text."""
    where = f"{occasion}_{language}"
    for part, said, most in (("subject", words.subject, LONGEST_SUBJECT), ("text", words.text, LONGEST_TEXT)):
        if found := trouble(said, occasion, most=most):
            code, named = found
            raise UserError(TROUBLES[code], field=f"{where}_{part}", named=named, most=most)
    if not words.empty and not words.subject.strip():
        raise UserError(N_("Give it a subject."), field=f"{where}_subject")
    if not words.empty and not words.text.strip():
        raise UserError(N_("Write what it says."), field=f"{where}_text")


def preview(
    session: Session, who: Viewer, mailbox_id: int, form: AnswersForm, *, now: datetime
) -> tuple[Previewed, ...]:
    """Everything that is written in the form as a customer would read it. Raises UserError as `change` does."""
    mailbox = _mailbox(session, who, mailbox_id)
    check(form)
    calendar = working_hours.calendar_of(session, mailbox_id)
    opening = _next_opening(calendar, now)
    return tuple(
        Previewed(
            occasion,
            language,
            filled(
                form.answers[occasion].words[language],
                language,
                Filling(
                    name=SAMPLE_NAMES[language],
                    mailbox=mailbox.display_name,
                    number=SAMPLE_NUMBER,
                    next_opening=opening,
                ),
            ),
        )
        for occasion in OCCASIONS
        for language in LANGUAGES
        if language in form.answers[occasion].words and not form.answers[occasion].words[language].empty
    )


def alarms(session: Session, who: Viewer, *, now: datetime) -> dict[int, Alarm]:
    """Those that nobody has seen yet, by mailbox."""
    rows = session.scalars(
        select(AnswerBreaker).where(AnswerBreaker.mailbox_id.in_(who.mailbox_ids), AnswerBreaker.alarm != "")
    )
    found = (_alarm(row, now=now) for row in rows)
    return {one.mailbox_id: one for one in found if one is not None}


def close_breaker(session: Session, who: Viewer, mailbox_id: int, *, now: datetime) -> None:
    """A manager has seen the alarm: answers leave again at once, and the mailbox's hour begins anew."""
    _mailbox(session, who, mailbox_id)
    row = session.get(AnswerBreaker, mailbox_id, with_for_update=True, populate_existing=True)
    if row is None or not row.alarm:
        return
    row.open_until, row.counts_from = None, now
    row.alarm, row.alarm_at, row.alarm_domain = "", None, ""
    people.audit(session, who, "auto_answers_let_go", now=now, mailbox_id=mailbox_id)
    ring.screens(session)


# -- below


def _mailbox(session: Session, who: Viewer, mailbox_id: int) -> Mailbox:
    people.must_be(who, "manager")
    return people.mailbox(session, who, mailbox_id)


def _alarm(row: AnswerBreaker, *, now: datetime) -> Alarm | None:
    if not row.alarm or row.alarm_at is None:
        return None
    until = row.open_until if row.open_until is not None and row.open_until > now else None
    return Alarm(row.mailbox_id, row.alarm_at, row.alarm, row.alarm_domain, until)


def _ever_closed(calendar: Calendar, now: datetime) -> bool:
    return working_time(calendar, now, now + WEEK) < WEEK


def _next_opening(calendar: Calendar, now: datetime) -> datetime | None:
    """The first opening after the team closes next; its clock shows the calendar's zone."""
    try:
        hour = timedelta(hours=1)
        closed = next((at for at in (now + n * hour for n in range(24 * 7)) if not is_open(calendar, at)), None)
        return next_opening(calendar, closed).astimezone(ZoneInfo(calendar.zone)) if closed is not None else None
    except NoWorkingTime:
        return None
