"""What managers may set about automatic answers, and how mistakes are told."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sqlalchemy.orm import Session

from inbox import autoanswers_settings as answers
from inbox.autoanswers_settings import Answer, AnswersForm
from inbox.errors import Forbidden, NotFound, UserError
from inbox.models import AuditEvent, Mailbox, WorkCalendar
from inbox.people import Viewer
from templates.auto_answers import PROPOSED, Words
from tests.inbox.cast import NOW, a_mailbox, a_viewer

HOURS = {"zone": "Asia/Tokyo", "week": {"mon": ["09:00-18:00"], "fri": ["09:00-18:00"]}}


@pytest.fixture
def support(session: Session) -> Mailbox:
    return a_mailbox(session)


@pytest.fixture
def mei(session: Session, support: Mailbox) -> Viewer:
    return a_viewer(session, "Mei", support, role="manager")


def proposed(**changed: Answer) -> AnswersForm:
    usual = {occasion: Answer(False, PROPOSED[occasion]) for occasion in PROPOSED}
    return AnswersForm(usual | changed)


def received(
    language: str = "ja", *, subject: str = "受付", text: str = "承りました", enabled: bool = True
) -> AnswersForm:
    return proposed(received=Answer(enabled, {"ja": Words(), "en": Words(), language: Words(subject, text)}))


def test_what_was_never_written_comes_with_the_products_words_and_is_off(
    session: Session, support: Mailbox, mei: Viewer
) -> None:
    view = answers.show(session, mei, support.id, now=NOW)
    assert not any(one.enabled for one in view.form.answers.values())
    assert view.form.answers["received"].words["ja"].subject.startswith("【自動返信】")
    assert view.form.hourly == 20
    assert not view.ever_closed
    answers.check(view.form)


def test_what_was_saved_is_shown_again_and_noted(session: Session, support: Mailbox, mei: Viewer) -> None:
    form = replace(received(), hourly=300)
    answers.change(session, mei, support.id, form, now=NOW)
    answers.change(session, mei, support.id, form, now=NOW)
    view = answers.show(session, mei, support.id, now=NOW)
    assert view.form.answers["received"] == form.answers["received"]
    assert view.form.hourly == 300
    assert {one.kind for one in session.query(AuditEvent)} == {"auto_answers_changed"}


@pytest.mark.parametrize(
    ("form", "field", "says"),
    [
        (received(subject=""), "received_ja_subject", "subject"),
        (received(text=" \n"), "received_ja_text", "Write"),
        (received(text="{nmae} 様"), "received_ja_text", "{nmae}"),
        (received(subject="{next_opening}"), "received_ja_subject", "only in the answer outside"),
        (received("en", text="x" * 5001), "received_en_text", "5000"),
        (received(subject="x" * 201, enabled=False), "received_ja_subject", "200"),
        (received(subject="", text=""), "received_ja_text", "one language"),
        (replace(received(), hourly=0), "hourly", "1"),
        (replace(received(), hourly=1001), "hourly", "1000"),
        (proposed(closed=Answer(True, PROPOSED["closed"])), "closed_enabled", "working hours"),
    ],
)
def test_mistakes_are_refused_at_their_field(
    session: Session, support: Mailbox, mei: Viewer, form: AnswersForm, field: str, says: str
) -> None:
    with pytest.raises(UserError, match=says.replace("{", r"\{")) as refused:
        answers.change(session, mei, support.id, form, now=NOW)
    assert refused.value.field == field


def test_the_preview_shows_every_field_filled(session: Session, support: Mailbox, mei: Viewer) -> None:
    session.add(WorkCalendar(name="x", is_default=True, body=HOURS))
    session.flush()
    shown = answers.preview(session, mei, support.id, proposed(), now=NOW)
    assert [(one.occasion, one.language) for one in shown] == [
        ("received", "ja"), ("received", "en"), ("closed", "ja"), ("closed", "en"),
    ]  # fmt: skip
    assert not any("{" in one.words.subject + one.words.text for one in shown)
    assert "11月23日（月）9:00 以降に" in shown[2].words.text
    assert "Monday 23 November, 9:00" in shown[3].words.text
    answers.change(session, mei, support.id, proposed(closed=Answer(True, PROPOSED["closed"])), now=NOW)


def test_only_managers_of_the_mailbox_may(session: Session, support: Mailbox, mei: Viewer) -> None:
    agent, other = a_viewer(session, "Aoi", support), a_mailbox(session, "Sales")
    with pytest.raises(Forbidden):
        answers.show(session, agent, support.id, now=NOW)
    with pytest.raises(Forbidden):
        answers.close_breaker(session, agent, support.id, now=NOW)
    with pytest.raises(NotFound):
        answers.change(session, mei, other.id, proposed(), now=NOW)
