"""The web house with its cast: agent Aoi and manager Mei of Support, agent Ben of Sales only, admin Rin."""

from __future__ import annotations

import re
import secrets
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest
from flask import Flask
from jinja2.bccache import Bucket, BytecodeCache
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session
from werkzeug.serving import make_server
from werkzeug.test import TestResponse

from inbox import db, people
from inbox.blobs import blobs
from inbox.models import Conversation, Folder, Mailbox, Outgoing, RawMail, User
from inbox.people import passwords
from tests.inbox.cast import HOUR, MINUTE, a_conversation, a_mailbox, a_message, a_person, a_user
from tests.web.stories import one_of_each
from web import create_app

PASSWORD = "a good long sentence"


@dataclass
class World:
    """What stands in the database, by ids."""

    support: int
    sales: int
    users: dict[str, int]  # by role in the stories: agent, outsider, manager, admin, deactivated
    mine: int  # a conversation in Support, owned by the agent
    free: int  # one in Support without an owner
    theirs: int  # one in Sales
    outgoing: int = 0  # a sent mail of the agent in Support
    broken: int = 0  # a mail in Support's quarantine
    more: dict[str, Any] = field(default_factory=dict)


@pytest.fixture
def world(engine: Engine) -> World:
    with db.transaction() as session:
        support, sales = a_mailbox(session, "Support"), a_mailbox(session, "Sales")
        hashed = passwords.hashed(PASSWORD)
        people = {
            "agent": a_user(session, "Aoi", support, password_hash=hashed, locale="en"),
            "outsider": a_user(session, "Ben", sales, password_hash=hashed, locale="en"),
            "manager": a_user(session, "Mei", support, role="manager", password_hash=hashed, locale="en"),
            "admin": a_user(session, "Rin", role="admin", password_hash=hashed, locale="en"),
            "deactivated": a_user(session, "Gone", support, password_hash=hashed, active=False),
        }
        person, now = a_person(session), datetime.now(UTC)
        stories = {}
        for name, mailbox, subject, owner, at in (
            ("mine", support, "Broken lamp", people["agent"], now - HOUR),
            ("free", support, "届きません", None, now - 30 * MINUTE),
            ("theirs", sales, "A quote for 40 units", None, now - 20 * MINUTE),
        ):
            story = a_conversation(session, mailbox, subject, person=person, owner=owner, at=at)
            story.people = "山田 太郎"
            a_message(session, story, f"Words about {subject}", at=at)
            stories[name] = story.id
        users = {role: user.id for role, user in people.items()}
        stories["outgoing"] = an_outgoing(session, support.id, users["agent"])
        stories["broken"] = a_broken_mail(session, support.id)
        return World(support.id, sales.id, users, **stories)


@pytest.fixture
def one_of_everything(world: World) -> None:
    """The world has one of everything that an address of the pages names."""
    with db.transaction() as session:
        agent = people.viewer(session, world.users["agent"], 0)
        assert agent is not None
        world.more |= one_of_each(session, world.support, agent, now=datetime.now(UTC))


def an_outgoing(session: Session, mailbox_id: int, author_id: int, *, state: str = "sent", **more: Any) -> int:
    """A mail in the outbox, to taro and keiri."""
    now = datetime.now(UTC)
    known = {"sent": "accepted", "failed": "refused", "uncertain": "uncertain"}.get(state, "")
    text = more.pop("text", "")
    made = Outgoing(
        kind="reply",
        dedupe_key=f"test:{secrets.token_hex(8)}",
        mailbox_id=mailbox_id,
        created_by_id=author_id,
        state=state,
        due_at=more.pop("due_at", now + HOUR),
        created_at=now,
        recipients=[
            {"address": one, "state": known, "code": None, "text": text}
            for one in ("taro@example.jp", "keiri@example.jp")
        ],
        subject=more.pop("subject", "Re: Broken lamp"),
        raw_sha256="0" * 64,
        **more,
    )
    session.add(made)
    session.flush()
    return made.id


def a_broken_mail(session: Session, mailbox_id: int, *, raw: bytes = b"From: x\r\n\r\n\xff", **more: Any) -> int:
    """A mail in quarantine; `raw` b"" for one whose bytes could not be read."""
    folder = session.scalar(select(Folder).where(Folder.mailbox_id == mailbox_id, Folder.name == "INBOX"))
    if folder is None:
        folder = Folder(mailbox_id=mailbox_id, name="INBOX", uidvalidity=1)
        session.add(folder)
        session.flush()
    made = RawMail(
        folder_id=folder.id,
        uidvalidity=1,
        uid=secrets.randbelow(1 << 40) + 1,
        sha256=blobs().put(raw) if raw else "",
        size=len(raw),
        fetched_at=datetime.now(UTC),
        state="quarantined",
        **({"cause": "too_complex", "sender": "x", "subject": "bomb", "headers": {"from": "x"}} | more),
    )
    session.add(made)
    session.flush()
    return made.id


class CompiledPages(BytecodeCache):
    """Each page's template is compiled once a run instead of once a test: that is a third of the tests' time."""

    def __init__(self) -> None:
        self._code: dict[str, bytes] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        if bucket.key in self._code:
            bucket.bytecode_from_string(self._code[bucket.key])

    def dump_bytecode(self, bucket: Bucket) -> None:
        self._code[bucket.key] = bucket.bytecode_to_string()


COMPILED = CompiledPages()


@pytest.fixture
def app(engine: Engine) -> Iterator[Flask]:
    made = create_app()
    made.jinja_env.bytecode_cache = COMPILED
    yield made
    made.extensions["push"].stop()


class Visitor:
    """A browser without a screen: keeps its cookies, sends the CSRF token with every post."""

    def __init__(self, app: Flask) -> None:
        self.client = app.test_client()
        self.token = ""

    def get(self, path: str, **more: Any) -> TestResponse:
        response = self.client.get(path, **more)
        found = (
            re.search(r'name="csrf_token" value="([^"]+)"', response.text) if response.mimetype == "text/html" else None
        )
        self.token = found[1] if found else self.token
        return response

    def post(self, path: str, data: dict[str, Any] | None = None, **more: Any) -> TestResponse:
        if not self.token:
            self.get("/password-reset")
        headers = {"X-CSRFToken": self.token, **more.pop("headers", {})}
        return self.client.post(path, data=data or {}, headers=headers, **more)


@pytest.fixture
def visitor(app: Flask, world: World) -> Visitor:
    """Somebody who is not signed in."""
    return Visitor(app)


@pytest.fixture
def signed_in(app: Flask, world: World) -> Callable[[str], Visitor]:
    """`signed_in("agent")`: a browser in which that person is signed in; no password is asked, which takes time."""

    def sign_in(role: str, *, epoch: int = 0) -> Visitor:
        found = Visitor(app)
        with found.client.session_transaction() as session:
            session.update(
                user=world.users[role], epoch=epoch, at=int(datetime.now(UTC).timestamp()), key=f"browser of {role}"
            )
        return found

    return sign_in


@pytest.fixture
def agent(signed_in: Callable[[str], Visitor]) -> Visitor:
    return signed_in("agent")


@pytest.fixture
def served(app: Flask, world: World) -> Iterator[str]:
    """The address of a real server with this app, for Chromium."""
    server = make_server("127.0.0.1", 0, app, threaded=True)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    app.extensions["push"].stop()
    server.shutdown()
    thread.join(5)
    server.server_close()


def stay_silent(context: Any) -> None:
    """Nobody is there to answer "leave the page?"."""
    context.add_init_script("addEventListener('beforeunload', event => event.stopImmediatePropagation())")


def leave(contexts: list[Any]) -> None:
    """Empties the pages. They are not closed: Chromium waits for ever when a page is closed that just then goes to
    another one, as after a test that ends with a click. The whole browser goes at the end of the run."""
    from playwright.sync_api import Error

    for page in (page for one in contexts for page in one.pages):
        with suppress(Error):
            page.goto("about:blank", timeout=5_000)


@pytest.fixture
def signed_page(
    served: str, signed_in: Callable[[str], Visitor], browser: Any, browser_context_args: dict[str, Any]
) -> Iterator[Callable[..., Any]]:
    """`signed_page("agent")`: a page of a real Chromium in which that person is signed in; errors of its scripts fail
    the test."""
    from playwright.sync_api import Page

    errors: list[str] = []
    contexts = []

    def open_page(role: str, **context: Any) -> Page:
        client = signed_in(role).client
        opened = browser.new_context(**browser_context_args | context)
        contexts.append(opened)
        stay_silent(opened)
        cookie = client.get_cookie("madoguchi")
        assert cookie is not None
        opened.add_cookies([{"name": "madoguchi", "value": cookie.value, "url": served}])
        page: Page = opened.new_page()
        page.set_default_timeout(8_000)
        page.on("pageerror", lambda error: errors.append(str(error)))
        return page

    yield open_page
    leave(contexts)
    assert errors == []


def conversation(conversation_id: int) -> Conversation:
    with db.reading() as session:
        return session.get_one(Conversation, conversation_id)


def without_tokens(page: str) -> str:
    """A page to compare with another: each has tokens of its own, and others every second."""
    return re.sub(r"[\w-]+\.[\w-]+\.[\w-]{20,}", "", page)


def user(user_id: int) -> User:
    with db.reading() as session:
        return session.get_one(User, user_id)


def mailbox(mailbox_id: int) -> Mailbox:
    with db.reading() as session:
        return session.get_one(Mailbox, mailbox_id)
