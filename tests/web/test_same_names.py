"""Two people give one name at one moment: the second is told so at the field, and nothing that was typed is lost."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from inbox import answer_texts, calendars, db, fields, mailboxes, people, tags, teams, webhooks
from inbox.answer_texts import TextForm
from inbox.mailboxes import MailboxForm
from inbox.models import (
    AnswerText,
    Category,
    CustomField,
    Mailbox,
    Tag,
    Team,
    User,
    Webhook,
    WorkCalendar,
)
from inbox.people import Viewer
from inbox.teams import TeamForm
from templates.auto_answers import Words
from tests.inbox.cast import NOW
from tests.servers import wait_until
from tests.web.conftest import Visitor, World

NAME = "請求"
First = Callable[[Session, Viewer, World], object]
WEEK = {"zone": "Asia/Tokyo", "week": {"mon": ["09:00-17:00"]}}
SERVERS = {"imap_host": "127.0.0.1", "imap_security": "plain", "smtp_host": "127.0.0.1", "smtp_security": "plain"}


@dataclass(frozen=True)
class Thing:
    """`first` is done by one manager and not yet committed when another one posts `form`; `kept`: what they typed
    besides the name."""

    first: First
    path: str
    form: Callable[[World], Mapping[str, Any]]
    refused: str
    kept: str
    named: Any


def connected(session: Session, who: Viewer, _world: World) -> int:
    form = MailboxForm(
        name="First", address="billing@shop.example", imap_user="x", imap_password="x", imap_port=143, smtp_port=25,
        **SERVERS,
    )  # fmt: skip
    return mailboxes.add(session, who, form, now=NOW)


THINGS = {
    "text": Thing(
        lambda session, who, _: answer_texts.add(session, who, TextForm(NAME, {"ja": Words("件名", "本文")}), now=NOW),
        "/answers/texts/new",
        lambda _: {"name": NAME, "rule_ja_subject": "別の件名", "rule_ja_text": "別の本文"},
        "There is a text of this name already.",
        "別の本文",
        AnswerText.name == NAME,
    ),
    "team": Thing(
        lambda session, who, world: teams.add(
            session, who, TeamForm(NAME, "round_robin", None, None, {world.users["agent"]: 1}, frozenset()), now=NOW
        ),
        "/teams/new",
        lambda world: {
            "name": NAME,
            "way": "weighted",
            "members": [world.users["agent"]],
            "hand_back_minutes": "77",
            f"weight-{world.users['agent']}": "3",
        },
        "There is a team with this name already.",
        'value="77"',
        Team.name == NAME,
    ),
    "calendar": Thing(
        lambda session, who, _: calendars.save(
            session, who, None, name="Team", body=WEEK, is_default=True, mailbox_ids=(), now=NOW
        ),
        "/calendars",
        lambda _: {"name": "team", "zone": "Asia/Tokyo", "week.tue": "8:15-17:00", "is_default": "1"},
        "There is a calendar of this name already.",
        "8:15-17:00",
        func.lower(WorkCalendar.name) == "team",
    ),
    "field": Thing(
        lambda session, who, world: fields.add(session, who, world.support, name=NAME, kind="text", now=NOW),
        "/labels/fields",
        lambda world: {"mailbox_id": world.support, "name": NAME, "kind": "choice", "choices": "赤\n青"},
        "The mailbox has a field of this name already.",
        "赤\n青",
        CustomField.name == NAME,
    ),
    "category": Thing(
        lambda session, who, _: tags.add_category(session, who, NAME, now=NOW),
        "/labels/categories",
        lambda _: {"name": NAME},
        "There is a category of this name already.",
        f'value="{NAME}"',
        Category.name == NAME,
    ),
    "mailbox": Thing(
        connected,
        "/mailboxes",
        lambda _: {
            "name": "Second",
            "address": "billing@shop.example",
            "imap_user": "somebody",
            "imap_password": "horse",
            "imap_port": "143",
            "smtp_port": "25",
            "anyway": "1",
            "locale": "ja",
            "colour": "#2f6fde",
            **SERVERS,
        },
        "billing@shop.example is connected already.",
        'value="somebody"',
        Mailbox.address == "billing@shop.example",
    ),
}


@pytest.fixture
def mei(world: World) -> Viewer:
    with db.reading() as session:
        found = people.viewer(session, world.users["admin"], 0)
    assert found is not None
    return found


def at_once(first: Callable[[Session], object], post: Callable[[], TestResponse]) -> TestResponse:
    """`post` while `first` is written and not yet committed: PostgreSQL makes it wait where the two meet, SQLite before
    it begins to write."""
    waiting = text("SELECT count(*) FROM pg_locks WHERE NOT granted")
    with ThreadPoolExecutor(1) as aside:
        with db.engine().connect() as watching, db.transaction() as session:
            first(session)
            session.flush()
            second: Future[TestResponse] = aside.submit(post)
            if not db.is_sqlite(session):
                wait_until(lambda: second.done() or watching.scalar(waiting), what="the second waits for the first")
        return second.result(30)


@pytest.mark.parametrize("what", THINGS)
def test_the_second_is_refused_at_the_field_and_the_words_stay(
    what: str, mei: Viewer, world: World, signed_in: Callable[..., Visitor]
) -> None:
    thing, other = THINGS[what], signed_in("admin")
    response = at_once(
        lambda session: thing.first(session, mei, world),
        lambda: other.post(thing.path, dict(thing.form(world))),
    )
    assert response.status_code == 400
    assert thing.refused in response.text
    assert thing.kept in response.text
    with db.reading() as session:
        assert session.scalar(select(func.count()).where(thing.named)) == 1


def test_renaming_to_what_another_one_is_renamed_to_just_now(
    mei: Viewer, world: World, signed_in: Callable[..., Visitor]
) -> None:
    with db.transaction() as session:
        for name in ("VIP", "B2B"):
            session.add(Tag(name=name))
            session.add(Category(name=name))
            session.flush()
        one, two = session.scalars(select(Tag.id).order_by(Tag.id))
        first, second = session.scalars(select(Category.id).order_by(Category.id))
    other = signed_in("admin")

    def tag(session: Session) -> None:
        tags.change(session, mei, one, name=NAME, colour="#112233", group="", now=NOW)

    refused = at_once(tag, lambda: other.post(f"/labels/tags/{two}", {"name": NAME, "colour": "#445566"}))
    assert (refused.status_code, "Another tag has this name" in refused.text) == (400, True)
    refused = at_once(
        lambda session: tags.rename_category(session, mei, first, NAME, now=NOW),
        lambda: other.post(f"/labels/categories/{second}", {"name": NAME}),
    )
    assert (refused.status_code, "There is a category of this name already." in refused.text) == (400, True)


def test_somebody_whom_two_invite_at_once_is_invited_by_both(
    mei: Viewer, world: World, signed_in: Callable[..., Visitor]
) -> None:
    """As one after the other: the newer link counts."""
    kei = {"email": "kei@shop.example", "name": "Kei", "role": "agent", "locale": "ja"}
    other = signed_in("admin")
    invited = at_once(
        lambda session: people.invite(session, mei, **kei, mailbox_ids=[world.support], now=NOW),
        lambda: other.post("/people/invitations", kei | {"role": "manager", "mailbox_ids": [world.sales]}),
    )
    assert invited.status_code == 200
    with db.reading() as session:
        (user,) = session.scalars(select(User).where(User.email == "kei@shop.example"))
        assert user.role == "manager"


def test_a_webhook_of_ones_own_set_twice_at_once_is_the_second(world: World, signed_in: Callable[..., Visitor]) -> None:
    with db.reading() as session:
        aoi = people.viewer(session, world.users["agent"], 0)
    assert aoi is not None
    other = signed_in("agent")
    saved = at_once(
        lambda session: webhooks.set_own(session, aoi, "https://hooks.example/1", now=NOW),
        lambda: other.post("/preferences/webhook", {"url": "https://hooks.example/2"}),
    )
    assert saved.status_code == 303
    with db.reading() as session:
        assert session.scalars(select(Webhook.url)).all() == ["https://hooks.example/2"]


def test_the_first_calendars_of_two_people_are_not_both_the_default(
    mei: Viewer, signed_in: Callable[..., Visitor]
) -> None:
    other = signed_in("admin")
    saved = at_once(
        lambda session: calendars.save(
            session, mei, None, name="Tokyo", body=WEEK, is_default=True, mailbox_ids=(), now=NOW
        ),
        lambda: other.post(
            "/calendars", {"name": "Osaka", "zone": "Asia/Tokyo", "week.tue": "9:00-17:00", "is_default": "1"}
        ),
    )
    assert saved.status_code == 303
    with db.reading() as session:
        assert session.scalars(select(WorkCalendar.name).where(WorkCalendar.is_default)).all() == ["Osaka"]


def test_what_no_second_try_mends_stays_an_error(world: World, signed_in: Callable[..., Visitor]) -> None:
    """A constraint that no check of ours looks at is a mistake of ours, told as one: once, not for ever."""
    other = signed_in("admin")
    tries = []

    def always() -> str:
        from flask import g

        tries.append(1)
        g.session.add_all([Category(name=NAME), Category(name=NAME)])
        g.session.flush()
        return "never"

    other.client.application.add_url_rule("/try/always", "always", always, methods=["POST"])
    assert other.post("/try/always").status_code == 500
    assert len(tries) == 2
