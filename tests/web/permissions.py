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

from inbox import config, demo

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


def with_demo(path: str) -> Callable[[Any], str]:
    """The address of a page that stands only while the demo does."""

    def prepared(world: Any) -> str:
        demo.settings(config.settings().data)
        return path

    return prepared


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
    # set-up and watch
    ("outbox.show", "GET"): route("agent", "/outbox"),
    ("outbox.one", "GET"): route("agent", lambda w: f"/outbox/{w.outgoing}", hidden_from=("outsider",)),
    ("outbox.decide", "POST"): route(
        "agent", lambda w: f"/outbox/{w.outgoing}/hold", hidden_from=("outsider",), refused=True
    ),
    ("outbox.pause", "POST"): route("manager", "/outbox/pauses", form=lambda w: {"mailbox": w.support, "on": "1"}),
    ("people.show", "GET"): route("manager", "/people"),
    ("people.new", "GET"): route("admin", "/people/invitations"),
    ("people.invite", "POST"): route(
        "admin",
        "/people/invitations",
        form=lambda w: {"email": "kei@shop.example", "name": "Kei", "role": "agent", "locale": "ja"},
    ),
    ("people.edit", "GET"): route("admin", lambda w: f"/people/{w.users['agent']}"),
    ("people.change", "POST"): route(
        "admin", lambda w: f"/people/{w.users['outsider']}", form=lambda w: {"role": "agent", "active": "1"}
    ),
    ("people.invite_again", "POST"): route("admin", lambda w: f"/people/{w.users['agent']}/invitation", refused=True),
    ("people.trail", "GET"): route("admin", "/people/audit-trail"),
    ("preferences.show", "GET"): route("agent", "/preferences"),
    ("preferences.change", "POST"): route("agent", "/preferences", form=lambda w: {"undo_seconds": "99"}, refused=True),
    ("preferences.sign", "POST"): route(
        "agent",
        lambda w: f"/preferences/signatures/{w.support}",
        form=lambda w: {"from_name": "A. Aoi", "own": "1", "html": "<b>Aoi</b>"},
        hidden_from=("outsider",),
    ),
    ("preferences.change_password", "POST"): route(
        "agent", "/preferences/password", form=lambda w: {"old": "wrong", "password": "another long sentence"}, refused=True
    ),
    ("mailboxes.show", "GET"): route("admin", "/mailboxes"),
    ("mailboxes.new", "GET"): route("admin", "/mailboxes/new?address=info@gmail.com"),
    ("mailboxes.create", "POST"): route("admin", "/mailboxes", refused=True),
    ("mailboxes.try_new", "POST"): route("admin", "/mailboxes/trials", refused=True),
    ("mailboxes.one", "GET"): route("admin", lambda w: f"/mailboxes/{w.support}"),
    ("mailboxes.edit", "GET"): route("admin", lambda w: f"/mailboxes/{w.support}/settings"),
    ("mailboxes.change", "POST"): route("admin", lambda w: f"/mailboxes/{w.support}/settings", refused=True),
    ("mailboxes.try_changed", "POST"): route("admin", lambda w: f"/mailboxes/{w.support}/trials", refused=True),
    ("mailboxes.reading", "POST"): route("admin", lambda w: f"/mailboxes/{w.support}/reading", form=lambda w: {"on": "1"}),
    ("mailboxes.sending", "POST"): route("admin", lambda w: f"/mailboxes/{w.support}/sending", form=lambda w: {"on": "1"}),
    ("mailboxes.removal", "GET"): route("admin", lambda w: f"/mailboxes/{w.support}/removal"),
    ("mailboxes.remove", "POST"): route(
        "admin", lambda w: f"/mailboxes/{w.support}/removal", form=lambda w: {"address": "another"}, refused=True
    ),
    ("demo.show", "GET"): route("agent", with_demo("/demo/customer?address=not-one"), refused=True),
    ("demo.send", "POST"): route(
        "agent", with_demo("/demo/customer/mails"), form=lambda w: {"address": "not-one", "text": "Hello"}, refused=True
    ),
    ("demo.remove", "POST"): route("admin", "/demo/removal"),
    # last: the sessions that the table uses end here
    ("preferences.end_others", "POST"): route("agent", "/preferences/sessions"),
}
