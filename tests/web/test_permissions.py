"""Every route × every role, generated from the app's own map; no token, no post; GET changes nothing."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import pytest
from flask import Flask
from sqlalchemy import select

from inbox import db
from inbox.models import Base
from tests.web.conftest import Visitor, World, without_tokens
from tests.web.permissions import RANK, ROLES, ROUTES, Route

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


pytestmark = pytest.mark.usefixtures("one_of_everything")


def every_route(app: Flask) -> set[tuple[str, str]]:
    return {
        (rule.endpoint, method)
        for rule in app.url_map.iter_rules()
        for method in METHODS
        if method in (rule.methods or ())
    }


def visitor_of(role: str, app: Flask, signed_in: Callable[..., Visitor]) -> Visitor:
    if role == "anonymous":
        return Visitor(app)
    if role == "ended":  # a session of the agent that was ended from elsewhere
        return signed_in("agent", epoch=7)
    return signed_in(role)


def ask(visitor: Visitor, method: str, route: Route, world: World) -> tuple[int, str]:
    path = route.path(world)
    if method == "GET":
        response = visitor.client.get(path, buffered=not route.streams)
    else:
        response = visitor.post(path, route.form(world), method=method)
    location = response.headers.get("Location", "")
    response.close()
    return response.status_code, location


def test_every_route_stands_in_the_table(app: Flask) -> None:
    assert every_route(app) - set(ROUTES) == set(), "add these to tests/web/permissions.py"
    assert set(ROUTES) - every_route(app) == set(), "these routes are gone"


@pytest.mark.parametrize("role", ROLES)
def test_everybody_reaches_what_they_may_and_nothing_else(
    role: str, app: Flask, world: World, signed_in: Callable[..., Visitor], valkey: object
) -> None:
    wrong = []
    for (endpoint, method), route in ROUTES.items():
        visitor = visitor_of(role, app, signed_in)
        status, location = ask(visitor, method, route, world)
        if route.not_found:
            right = status == 404
        elif role in ("anonymous", "deactivated", "ended") and route.who != "everybody":
            right = (status == 303 and "/sign-in" in location) or status == 401
        elif role in route.hidden_from:
            right = status == 404
        elif route.who != "everybody" and RANK[role] < RANK[route.who]:
            right = status == (403 if route.seen else 404)
        elif route.may_be_down:
            right = status in (200, 503)
        elif route.refused:
            right = status in (400, 401, 409, 429)
        else:
            right = status < 400 and (route.who == "everybody" or "/sign-in" not in location)
        if not right:
            wrong.append(f"{role} {method} {endpoint}: {status} {location}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("path", ["/rules", "/people/1", "/mailboxes/1/settings", "/people/audit-trail"])
def test_a_page_for_others_looks_like_one_that_does_not_exist(path: str, world: World, agent: Visitor) -> None:
    nowhere, hidden = agent.get("/nowhere"), agent.get(path)
    assert (nowhere.status_code, hidden.status_code) == (404, 404)
    assert without_tokens(hidden.text).replace(path, "/nowhere") == without_tokens(nowhere.text)


def test_no_change_without_its_token(app: Flask, world: World, signed_in: Callable[..., Visitor]) -> None:
    before = everything()
    for (endpoint, method), route in ROUTES.items():
        if method == "GET":
            continue
        client = signed_in("admin").client
        for headers in ({}, {"X-CSRFToken": "made up"}, {"Content-Type": "text/plain"}):
            response = client.open(route.path(world), method=method, data=b"a=1", headers=headers)
            assert response.status_code == 400, (endpoint, headers)
    assert everything() == before


def test_no_change_from_another_website(app: Flask, world: World, signed_in: Callable[..., Visitor]) -> None:
    for (endpoint, method), route in ROUTES.items():
        if method != "GET":
            response = signed_in("admin").post(
                route.path(world), route.form(world), headers={"Sec-Fetch-Site": "cross-site"}
            )
            assert response.status_code == 403, endpoint


def test_get_changes_nothing(app: Flask, world: World, signed_in: Callable[..., Visitor], valkey: object) -> None:
    before = everything()
    for (_endpoint, method), route in ROUTES.items():
        if method == "GET":
            for role in ("anonymous", "agent", "admin"):
                ask(visitor_of(role, app, signed_in), method, route, world)
    assert everything() == before


def everything() -> dict[str, str]:
    """A digest of every table's rows."""
    with db.reading() as session:
        return {
            table.name: hashlib.sha256(
                repr(
                    sorted(map(repr, session.execute(select(*(c for c in table.c if c.name != "words"))).all()))
                ).encode()
            ).hexdigest()
            for table in Base.metadata.sorted_tables
            if any(c.name != "words" for c in table.c)
        }
