"""Webhooks: signed, tried again, logged; nothing private can be reached; a team's is called once."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from inbox import db, notifications, people, telling, webhooks
from inbox.config import settings
from inbox.errors import Forbidden, NotFound, UserError
from inbox.models import Delivery, Mailbox, Team, Webhook
from inbox.people import Viewer
from inbox.wire import hook
from tests.inbox.cast import DAY, HOUR, MINUTE, NOW, a_conversation, a_mailbox, a_user


class Receiver:
    """A server that keeps what it is sent and answers as it is told."""

    def __init__(self) -> None:
        self.got: list[tuple[dict[str, str], bytes]] = []
        self.status, self.headers = 200, {}
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.got.append(({k.lower(): v for k, v in self.headers.items()} | {"path": self.path}, body))
                self.send_response(receiver.status)
                for name, value in receiver.headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(b"thanks")

            def log_message(self, *_about: Any) -> None:
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/in?x=1"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.server.shutdown()
    made.server.server_close()


@pytest.fixture
def private_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    allowed = settings().model_copy(update={"webhook_private": True})
    monkeypatch.setattr("inbox.wire.hook.settings", lambda: allowed)


@pytest.fixture
def hana(engine: Engine) -> Viewer:
    with db.transaction() as session:
        support = a_mailbox(session)
        return people.of(session, a_user(session, "Hanako", support, locale="ja", role="manager"))


def run(do: Callable[..., Any], *given: Any, **more: Any) -> Any:
    with db.transaction() as session:
        return do(session, *given, now=NOW, **more)


def log_of(who: Viewer) -> tuple[webhooks.DeliveryRow, ...]:
    with db.reading() as session:
        found = webhooks.own(session, who)
        assert found is not None
        return found.log


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1",
        "255.255.255.255", "::1", "::", "fe80::1%eth0", "fd00::1", "::ffff:10.0.0.1", "64:ff9b::7f00:1",
        "2002:7f00:1::", "ff02::1",
    ],
)  # fmt: skip
def test_what_is_not_the_open_internet_is_private(address: str) -> None:
    assert not hook.is_public(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"])
def test_what_is_public(address: str) -> None:
    assert hook.is_public(address)


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://hooks.example/x", "scheme"),
        ("ftp://hooks.example/x", "scheme"),
        ("javascript:alert(1)", "scheme"),
        ("https://", "address"),
        ("https://user:pw@hooks.example/", "address"),
        ("https://hooks.example:99999/", "address"),
        ("https://hooks.example/a b", "address"),
        ("https://hooks.example/\r\nX: y", "address"),
        ("https://127.0.0.1/", "private"),
        ("https://[::1]/", "private"),
        ("https://169.254.169.254/latest/meta-data", "private"),
    ],
)
def test_addresses_that_are_not_called_are_refused_at_the_field(hana: Viewer, url: str, why: str) -> None:
    with pytest.raises(UserError) as refused:
        run(webhooks.set_own, hana, url)
    assert (refused.value.field, refused.value.message) == ("url", webhooks.WRONG[why])


def test_a_name_that_leads_inside_is_not_called(hana: Viewer, receiver: Receiver) -> None:
    port = receiver.server.server_port
    run(webhooks.set_own, hana, f"https://localhost:{port}/")  # what the name means is asked when it is called
    with db.transaction() as session:
        webhooks.try_out(session, hana, webhooks.own(session, hana).id, now=NOW)
    assert webhooks.call_due(now=NOW) == 1
    (call,) = log_of(hana)
    assert (call.state, call.tries, call.answer) == ("failed", 1, "private")
    assert receiver.got == []


def test_a_call_is_signed_and_says_what_happened(hana: Viewer, receiver: Receiver, private_allowed: None) -> None:
    run(webhooks.set_own, hana, receiver.url)
    with db.transaction() as session:
        ways = notifications.choices(session, hana).ways
        chosen = ways | {"given": frozenset({"webhook"})}
        notifications.choose(session, hana, ways=chosen, quiet_from="", quiet_until="")
        story = a_conversation(session, _mailbox(session))
        telling.about(session, "given", now=NOW, to=[hana.id], conversation_id=story.id)
        secret = webhooks.own(session, hana).secret
    assert webhooks.call_due(now=NOW) == 1
    ((headers, body),) = receiver.got
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    expected = hmac.new(base64.b64decode(secret.removeprefix("whsec_")), signed, hashlib.sha256).digest()
    assert headers["webhook-signature"] == "v1," + base64.b64encode(expected).decode()
    assert headers["path"] == "/in?x=1"
    told = json.loads(body)
    assert told["type"] == "given"
    assert told["text"] == f"自動であなたの担当になりました – 届きません\n{settings().address}/conversations/{story.id}"
    assert told["data"]["conversation"] == {"id": story.id, "subject": "届きません", "status": "open"}
    (call,) = log_of(hana)
    assert (call.state, call.code, call.answer) == ("sent", 200, "thanks")
    assert webhooks.call_due(now=NOW + DAY) == 0


def _mailbox(session: Session) -> Mailbox:
    return session.scalars(select(Mailbox)).one()


def test_a_failure_is_tried_again_with_the_same_id_and_then_given_up(
    hana: Viewer, receiver: Receiver, private_allowed: None
) -> None:
    receiver.status = 500
    run(webhooks.set_own, hana, receiver.url)
    with db.transaction() as session:
        webhooks.try_out(session, hana, webhooks.own(session, hana).id, now=NOW)
    now, tries = NOW, 0
    for wait in (*webhooks.RETRIES, None):
        assert webhooks.call_due(now=now) == 1
        tries += 1
        assert webhooks.call_due(now=now) == 0
        now += wait or DAY
    assert webhooks.call_due(now=now) == 0
    (call,) = log_of(hana)
    assert (call.state, call.code, call.tries) == ("failed", 500, tries) == ("failed", 500, 6)
    assert len({headers["webhook-id"] for headers, _ in receiver.got}) == 1
    with db.reading() as session:
        assert webhooks.own(session, hana).failing_since == NOW


def test_a_redirect_is_not_followed(hana: Viewer, receiver: Receiver, private_allowed: None) -> None:
    receiver.status, receiver.headers = 302, {"Location": receiver.url}
    run(webhooks.set_own, hana, receiver.url)
    with db.transaction() as session:
        webhooks.try_out(session, hana, webhooks.own(session, hana).id, now=NOW)
    webhooks.call_due(now=NOW)
    assert len(receiver.got) == 1
    assert log_of(hana)[0].code == 302


def test_calls_wait_for_the_end_of_quiet_hours(hana: Viewer) -> None:
    run(webhooks.set_own, hana, "https://hooks.example/")
    with db.transaction() as session:
        ways = notifications.choices(session, hana).ways | {"given": frozenset({"webhook"})}
        notifications.choose(session, hana, ways=ways, quiet_from="11:00", quiet_until="14:00")
        story = a_conversation(session, _mailbox(session))
        telling.about(session, "given", now=NOW, to=[hana.id], conversation_id=story.id)
    with db.reading() as session:
        assert session.scalars(select(Delivery.due_at)).one() == NOW + 2 * HOUR  # it is noon in Tokyo
        assert not webhooks.is_due(session, NOW + HOUR)
        assert webhooks.is_due(session, NOW + 2 * HOUR)


def test_a_teams_webhook_is_called_once_for_what_it_asked_for(hana: Viewer) -> None:
    with db.transaction() as session:
        team = Team(name="Billing", created_at=NOW)
        session.add(team)
        session.flush()
        given = {"name": "Chat", "url": "https://hooks.example/", "now": NOW}
        webhooks.add(session, hana, team_id=team.id, kinds=["given", "nonsense"], **given)
        story = a_conversation(session, _mailbox(session))
        story.team_id = team.id
        session.flush()
        for kind in ("given", "mail"):
            telling.about(session, kind, now=NOW, to=[hana.id], conversation_id=story.id)
        (call,) = session.scalars(select(Delivery)).all()
        assert call.body["kind"] == "given"
        (shared,) = webhooks.shared(session, hana)
        assert (shared.team, shared.kinds) == ("Billing", ("given",))
        with pytest.raises(UserError) as refused:
            webhooks.add(session, hana, team_id=team.id, kinds=[], **given)
        assert refused.value.field == "kinds"


def test_nobody_reaches_anothers_webhook(hana: Viewer) -> None:
    run(webhooks.set_own, hana, "https://hooks.example/")
    with db.transaction() as session:
        ben = people.of(session, a_user(session, "Ben", role="admin"))
        hook_id = webhooks.own(session, hana).id
        for do in (webhooks.remove, webhooks.try_out):
            with pytest.raises(NotFound):
                do(session, ben, hook_id, now=NOW)
        agent = replace(hana, role="agent")
        with pytest.raises(Forbidden):
            webhooks.shared(session, agent)
        webhooks.remove(session, hana, hook_id, now=NOW + MINUTE)
        assert session.scalars(select(Webhook)).all() == []
