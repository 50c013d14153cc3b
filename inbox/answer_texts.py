"""Texts with which rules answer mail: named, in each language, the same in every mailbox; for managers.

A text that a rule names cannot be removed; whether an answer leaves is decided by `autoanswers`, as for the mailboxes'
own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from inbox import people, rules
from inbox.autoanswers_settings import SAMPLE_NAMES, SAMPLE_NUMBER, Previewed, check_words
from inbox.errors import N_, Conflict, NotFound, UserError, a_name
from inbox.models import AnswerText, Mailbox
from inbox.people import Viewer
from templates.auto_answers import BY_RULE, LANGUAGES, Filling, Words, filled

MOST_TEXTS = 100
NAME_LENGTH = 100  # characters


@dataclass(frozen=True)
class TextForm:
    """What can be set. `words` by language; a language may stay empty, not all of them."""

    name: str = ""
    words: Mapping[str, Words] = field(default_factory=dict)


@dataclass(frozen=True)
class TextView:
    """A text with the names of the rules, switched on or off, that answer with it."""

    id: int
    version: int
    form: TextForm
    rules: tuple[str, ...]


def page(session: Session, who: Viewer) -> tuple[TextView, ...]:
    """All of them, by name."""
    people.must_be(who, "manager")
    named = rules.named(session, "auto_answer")
    return tuple(_view(one, named) for one in session.scalars(select(AnswerText).order_by(AnswerText.name)))


def show(session: Session, who: Viewer, text_id: int) -> TextView:
    """Raises NotFound."""
    people.must_be(who, "manager")
    return _view(_text(session, text_id), rules.named(session, "auto_answer"))


def add(session: Session, who: Viewer, form: TextForm, *, now: datetime) -> int:
    """A new text; its id. Raises UserError that names the field: name, rule_language_subject or _text."""
    people.must_be(who, "manager")
    name = _checked(session, form, but=None)
    if (session.scalar(select(func.count()).select_from(AnswerText)) or 0) >= MOST_TEXTS:
        raise UserError(N_("There can be at most %(most)d texts."), most=MOST_TEXTS)
    made = AnswerText(name=name, words=_stored(form), version=1, created_at=now)
    session.add(made)
    session.flush()
    people.audit(session, who, "answer_text_added", now=now, text=made.id, name=name)
    return made.id


def change(session: Session, who: Viewer, text_id: int, form: TextForm, *, seen_version: int, now: datetime) -> None:
    """Rules answer with the new words from now on. Raises UserError as `add` does, and Conflict when somebody else
    changed it meanwhile."""
    people.must_be(who, "manager")
    text = _text(session, text_id, lock=True)
    name = _checked(session, form, but=text_id)
    if text.version != seen_version:
        raise Conflict(N_("Somebody changed this text while you had it open. Look at the new version first."))
    if (text.name, text.words) == (name, _stored(form)):
        return
    text.name, text.words, text.version = name, _stored(form), text.version + 1
    session.flush()
    people.audit(session, who, "answer_text_changed", now=now, text=text_id, name=name)


def remove(session: Session, who: Viewer, text_id: int, *, now: datetime) -> None:
    """Raises Conflict that names the rules which answer with it."""
    people.must_be(who, "manager")
    text = _text(session, text_id, lock=True)
    if naming := rules.named(session, "auto_answer").get(text_id):
        raise Conflict(N_("Rules answer with this text: %(rules)s. Change them first."), rules=", ".join(naming))
    session.delete(text)
    session.flush()
    people.audit(session, who, "answer_text_removed", now=now, text=text_id, name=text.name)


def preview(session: Session, who: Viewer, form: TextForm) -> tuple[Previewed, ...]:
    """What is written in the form as a customer of one of the mailboxes would read it. Raises UserError as `add`
    does; a name is not needed yet."""
    people.must_be(who, "manager")
    _check_words(form)
    mailbox = session.scalar(
        select(Mailbox.display_name).where(Mailbox.id.in_(who.mailbox_ids)).order_by(Mailbox.id).limit(1)
    )
    return tuple(
        Previewed(
            BY_RULE,
            language,
            filled(words, language, Filling(name=SAMPLE_NAMES[language], mailbox=mailbox or "", number=SAMPLE_NUMBER)),
        )
        for language in LANGUAGES
        if not (words := form.words.get(language, Words())).empty
    )


# -- below


def _checked(session: Session, form: TextForm, *, but: int | None) -> str:
    """The name as it is stored."""
    name = a_name(form.name, most=NAME_LENGTH)
    other = session.scalar(select(AnswerText.id).where(AnswerText.name == name))
    if other is not None and other != but:
        raise UserError(N_("There is a text of this name already."), field="name")
    _check_words(form)
    return name


def _check_words(form: TextForm) -> None:
    for language in LANGUAGES:
        check_words(BY_RULE, language, form.words.get(language, Words()))
    if all(one.empty for one in form.words.values()):
        raise UserError(N_("Write what it says, in one language at least."), field=f"{BY_RULE}_{LANGUAGES[0]}_text")


def _stored(form: TextForm) -> dict[str, dict[str, str]]:
    return {language: {"subject": one.subject, "text": one.text} for language, one in form.words.items()}


def _text(session: Session, text_id: int, *, lock: bool = False) -> AnswerText:
    found = session.get(AnswerText, text_id, with_for_update=lock, populate_existing=lock)
    if found is None:
        raise NotFound
    return found


def _view(one: AnswerText, named: Mapping[int, tuple[str, ...]]) -> TextView:
    words = {language: Words(**one.words.get(language, {})) for language in LANGUAGES}
    return TextView(one.id, one.version, TextForm(one.name, words), named.get(one.id, ()))
