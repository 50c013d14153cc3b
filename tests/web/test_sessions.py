"""Signing in and out, one-time links, forgotten passwords, language and theme."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from inbox import db, people
from tests.web.conftest import PASSWORD, Visitor, World, user, without_tokens
from web import sessions


def sign_in(visitor: Visitor, email: str = "aoi@shop.example", password: str = PASSWORD, **more: str):  # type: ignore[no-untyped-def]
    visitor.get("/sign-in")
    return visitor.post("/sign-in", {"email": email, "password": password, **more})


def test_who_signs_in_stands_before_the_list(visitor: Visitor) -> None:
    response = sign_in(visitor)
    assert response.status_code == 303
    assert response.headers["Location"] == "/"
    assert "Broken lamp" in visitor.get("/inbox/mine").text


def test_signing_in_leads_to_the_page_that_was_asked_for(visitor: Visitor) -> None:
    assert sign_in(visitor, next="/inbox/waiting").headers["Location"] == "/inbox/waiting"


def test_signing_in_leads_to_no_other_website(visitor: Visitor) -> None:
    assert sign_in(visitor, next="//evil.example/").headers["Location"] == "/"


def test_a_wrong_password_keeps_the_address_and_tells_no_more(visitor: Visitor) -> None:
    known, unknown = sign_in(visitor, password="wrong"), sign_in(visitor, email="nobody@shop.example")
    assert known.status_code == unknown.status_code == 401
    assert 'value="aoi@shop.example"' in known.text
    sentence = "The e-mail address or the password is wrong."
    assert sentence in known.text
    assert sentence in unknown.text
    assert 'aria-describedby="password-error"' in known.text


def test_guessing_is_slowed_and_says_how_long(visitor: Visitor) -> None:
    answers = [sign_in(visitor, password=f"guess number {n}") for n in range(7)]
    assert [answer.status_code for answer in answers][:5] == [401] * 5
    assert answers[-1].status_code == 429
    assert int(answers[-1].headers["Retry-After"]) > 0
    assert sign_in(visitor).status_code == 429  # not even the right one is looked at
    elsewhere = Visitor(visitor.client.application)
    elsewhere.client.environ_base["REMOTE_ADDR"] = "10.0.0.9"
    assert sign_in(elsewhere).status_code == 303  # its owner is not locked out


def test_nothing_of_the_session_before_signing_in_remains(visitor: Visitor) -> None:
    with visitor.client.session_transaction() as session:
        session["planted"] = "by somebody else"
    sign_in(visitor)
    with visitor.client.session_transaction() as session:
        assert "planted" not in session


def test_the_deactivated_cannot_sign_in(visitor: Visitor) -> None:
    assert sign_in(visitor, email="gone@shop.example").status_code == 401


def test_signing_out_ends_the_session(agent: Visitor) -> None:
    agent.get("/inbox/mine")
    assert agent.post("/sign-out").headers["Location"] == "/sign-in"
    assert agent.get("/inbox/mine").status_code == 303


def test_a_session_ends_when_its_person_is_deactivated(agent: Visitor, world: World) -> None:
    assert agent.get("/inbox/mine").status_code == 200
    with db.transaction() as session:
        admin = people.viewer(session, world.users["admin"], 0)
        assert admin is not None
        people.change_person(
            session,
            admin,
            world.users["agent"],
            role="agent",
            active=False,
            mailbox_ids=[world.support],
            now=datetime.now(UTC),
        )
    assert agent.get("/inbox/mine").status_code == 303


def test_the_first_person_makes_the_first_account(app, engine: object) -> None:  # type: ignore[no-untyped-def]
    visitor = Visitor(app)
    assert "Nobody can sign in yet" in visitor.get("/sign-in").text
    with db.transaction() as session:
        link = people.first_login_link(session, "http://inbox.example", now=datetime.now(UTC))
    assert link is not None
    path = link.removeprefix("http://inbox.example")
    assert "first account" in visitor.get(path).text
    short = visitor.post(path, {"email": "rin@shop.example", "name": "Rin", "password": "short", "locale": "en"})
    assert short.status_code == 400
    assert 'value="Rin"' in short.text
    given = {"email": "rin@shop.example", "name": "Rin", "password": PASSWORD, "locale": "ja"}
    assert visitor.post(path, given).headers["Location"] == "/"
    page = visitor.get("/inbox/unassigned")
    assert page.status_code == 200
    assert '<html lang="ja"' in page.text
    assert Visitor(app).get(path).status_code == 404  # it worked once


def test_an_invitation_is_taken_up(app, world: World) -> None:  # type: ignore[no-untyped-def]
    with db.transaction() as session:
        admin = people.viewer(session, world.users["admin"], 0)
        assert admin is not None
        token = people.invite(
            session,
            admin,
            email="new@shop.example",
            name="Nao",
            role="agent",
            mailbox_ids=[world.support],
            locale="en",
            now=datetime.now(UTC),
        )
    visitor = Visitor(app)
    assert "new@shop.example" in visitor.get(f"/links/invite/{token}").text
    assert visitor.post(f"/links/invite/{token}", {"name": "Nao", "password": PASSWORD}).status_code == 303
    assert "届きません" in visitor.get("/inbox/unassigned").text


def test_a_forgotten_password_says_the_same_to_everybody(visitor: Visitor) -> None:
    visitor.get("/password-reset")
    known = visitor.post("/password-reset", {"email": "aoi@shop.example"})
    unknown = visitor.post("/password-reset", {"email": "nobody@shop.example"})
    assert known.status_code == unknown.status_code == 200
    assert without_tokens(known.text) == without_tokens(unknown.text)


def test_s27_the_clock_does_not_tell_who_is_in_the_team(visitor: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions, "SAME_TIME", 1.0)
    visitor.get("/password-reset")
    for email in ("aoi@shop.example", "nobody@shop.example", "no address"):
        began = time.monotonic()
        visitor.post("/password-reset", {"email": email})
        assert time.monotonic() - began >= 1.0


def test_a_reset_link_sets_the_password_and_ends_other_sessions(app, agent: Visitor, world: World) -> None:  # type: ignore[no-untyped-def]
    with db.transaction() as session:
        found = people.start_reset(session, "aoi@shop.example", ip="10.0.0.1", now=datetime.now(UTC))
    assert found is not None
    path = people.path("reset", found[1])
    visitor = Visitor(app)
    visitor.get(path)
    assert visitor.post(path, {"password": "another long sentence"}).status_code == 303
    assert "Your password was changed" in visitor.get("/inbox/mine").text
    assert agent.get("/inbox/mine").status_code == 303
    assert sign_in(Visitor(app), password="another long sentence").status_code == 303


def test_the_browsers_language_is_spoken_until_one_is_chosen(visitor: Visitor) -> None:
    assert '<html lang="ja"' in visitor.get("/sign-in", headers={"Accept-Language": "ja-JP,en;q=0.5"}).text
    assert '<html lang="en"' in visitor.get("/sign-in", headers={"Accept-Language": "fr"}).text
    visitor.post("/appearance", {"locale": "ja", "next": "/sign-in"})
    assert '<html lang="ja"' in visitor.get("/sign-in", headers={"Accept-Language": "en"}).text


def test_language_and_theme_of_a_person_stay_with_the_person(agent: Visitor, world: World) -> None:
    agent.get("/inbox/mine")
    assert agent.post("/appearance", {"theme": "dark", "next": "/inbox/mine"}).headers["Location"] == "/inbox/mine"
    assert 'data-bs-theme="dark"' in agent.get("/inbox/mine").text
    assert user(world.users["agent"]).theme == "dark"
    agent.post("/appearance", {"theme": "<script>", "locale": "xx"})
    assert user(world.users["agent"]).theme == "dark"


def test_who_is_signed_in_needs_no_sign_in_page(signed_in: Callable[[str], Visitor]) -> None:
    assert signed_in("admin").get("/sign-in?next=/inbox/spam").headers["Location"] == "/inbox/spam"
