"""Who may reach which route. Every route stands here, or the tests fail.

`who`: everybody; or the least role that may (agent, manager, admin). `hidden_from` says who must not even learn that
the thing exists (404): "outsider" is an agent who has no access to the mailbox in which it stands.
`path` makes the address from the World; `form` what is posted. Everyone who may must get an answer below 400, or 400
and 409 where the form is incomplete on purpose (`refused=True`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

ROLES = ("anonymous", "deactivated", "ended", "outsider", "agent", "manager", "admin")
RANK = {"agent": 0, "outsider": 0, "manager": 1, "admin": 2}


@dataclass(frozen=True)
class Route:
    who: str
    path: Callable[[Any], str]
    form: Callable[[Any], dict[str, Any]] = lambda world: {}
    hidden_from: tuple[str, ...] = ()
    refused: bool = False
    streams: bool = False  # never ends: only its status is looked at
    not_found: bool = field(default=False)  # the example does not exist, for nobody


def route(who: str, path: str | Callable[[Any], str], **more: Any) -> Route:
    return Route(who, (lambda world: path) if isinstance(path, str) else path, **more)


ROUTES: dict[tuple[str, str], Route] = {
    ("static", "GET"): route("everybody", "/static/css/app.css"),
    ("sessions.new", "GET"): route("everybody", "/sign-in"),
    ("sessions.create", "POST"): route(
        "everybody", "/sign-in", form=lambda w: {"email": "x@y.example", "password": "-"}, refused=True
    ),
    ("sessions.end", "POST"): route("everybody", "/sign-out"),
    ("sessions.show_link", "GET"): route("everybody", "/links/invite/none", not_found=True),
    ("sessions.take_up_link", "POST"): route("everybody", "/links/invite/none", not_found=True),
    ("sessions.forgotten", "GET"): route("everybody", "/password-reset"),
    ("sessions.ask_for_reset", "POST"): route("everybody", "/password-reset", form=lambda w: {"email": "x@y.example"}),
    ("sessions.appearance", "POST"): route("everybody", "/appearance", form=lambda w: {"theme": "dark"}),
    ("inbox.home", "GET"): route("agent", "/"),
    ("inbox.show", "GET"): route("agent", lambda w: f"/inbox/open?mailbox={w.support}", hidden_from=("outsider",)),
    ("inbox.rows", "GET"): route("agent", lambda w: f"/inbox/open/rows?id={w.mine}"),
    ("inbox.counts", "GET"): route("agent", "/inbox/counts"),
    ("inbox.change", "POST"): route("agent", "/inbox/changes", form=lambda w: {"action": "close", "id": [w.mine]}),
    ("search.show", "GET"): route("agent", "/search?q=lamp"),
    ("push.events", "GET"): route("agent", "/events", streams=True),
}
