"""The web house: shows what `inbox` did, and passes on what a person wants done.

How to write a page (say, `things`):

1. `web/things.py` has `pages = Blueprint("things", __name__)` and is named in PAGES below. Its templates stand in
   `web/pages/things/`, its tests in `tests/web/test_things.py`, its routes in `tests/web/permissions.py` (a route that
   is missing there fails the tests).
2. A view gets `g.session` (a transaction: read-only for GET, writing for POST), `g.who` (people.Viewer) and `g.now`
   (aware UTC), calls one use case of `inbox`, and shows or redirects. It never commits: a status below 400 commits and
   then rings, any other rolls back. GET changes nothing. Addresses are nouns: POST /conversations/7/closure.
3. Every page needs a sign-in unless marked `@edge.for_everybody`; `@edge.only("admin")` asks for a role.
4. Errors: let NotFound, Forbidden and Conflict fly, the edge makes their page. For a form:
       try: things.rename(g.session, g.who, thing_id, name=request.form["name"], now=g.now)
       except UserError as error: return edge.form_again("things/form.html", error, values=request.form)
       edge.tell(gettext("Renamed."), undo=url_for("things.undo", thing_id=7)); return redirect(…)
   `form_again` answers with the error's status, so the transaction is rolled back; the words that were typed stay.
   Sockets (testing a mailbox) are opened outside a transaction: `edge.end_transaction()` before, `begin_again()` after.
5. Templates: `{% extends "base.html" %}`, blocks `title`, `main`, `scripts`. `{% import "parts/ui.html" as ui %}` gives
   field, textarea, select, check, button, icon, badge, dot, avatar, empty, older_newer, form_error, csrf. Times:
   `{{ at | when }}` (lists), `{{ at | when_long }}`, `{{ at | ago }}` (words, kept fresh by app.js); sizes:
   `{{ size | file_size }}`. Every text goes through `_()`.
6. The content security policy forbids inline scripts, inline styles and style attributes. Colours chosen by people are
   shown by `ui.dot(colour)` (an SVG attribute). Scripts are files under `static/js`, loaded with
   `<script src="{{ asset('js/things.js') }}" defer>` in block `scripts`. A fetch goes through `Madoguchi.ask` (app.js),
   which sends the CSRF token; htmx does so by itself.
7. Keys are declared where the thing is: `data-key="r"` on a link or button makes the key press it, and lists it in the
   help sheet and the palette under its `data-key-label` (or its text); `data-key="g u"` is a sequence. See keys.js.
8. What others do: `document.addEventListener("madoguchi:news", e => e.detail)` gives a list of {conversation, mailbox,
   kind, by}; `{all: true}` among them means "look at everything again". Fetch what you show; never trust the news.
"""

from __future__ import annotations

from importlib import import_module

from flask import Flask
from werkzeug.middleware.proxy_fix import ProxyFix

from inbox.config import settings
from web import assets, edge, house, language
from web.addresses import Madoguchi

PAGES = (
    "sessions",
    "inbox",
    "search",
    "push",
    "system",
    "outbox",
    "people",
    "rules",
    "teams",
    "calendars",
    "deadlines",
    "board",
    "handovers",
    "preferences",
    "mailboxes",
    "demo",
    "approvals",
    "guards",
    "health",
    "quarantine",
    "conversations",
    "customers",
    "messages",
    "drafts",
    "replies",
    "joins",
    "answer_texts",
    "autoanswers",
    "notifications",
    "webhooks",
    "arranging",
    "bulk",
    "blocks",
    "labels",
    "views",
)


def create_app() -> Flask:
    """The whole web application of this process."""
    chosen = settings()
    app = Madoguchi(__name__, template_folder="pages", static_folder=None)
    secure = chosen.base_url.startswith("https://")
    app.config.update(
        SECRET_KEY=chosen.secret("web sessions"),
        SESSION_COOKIE_NAME="__Host-madoguchi" if secure else "madoguchi",
        SESSION_COOKIE_SECURE=secure,
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_REFRESH_EACH_REQUEST=False,
        MAX_CONTENT_LENGTH=chosen.max_upload_bytes + 2_000_000,
        MAX_FORM_MEMORY_SIZE=5_000_000,  # a draft with a long quoted thread
        MAX_FORM_PARTS=2_000,
        WTF_CSRF_TIME_LIMIT=None,  # as long as the session: a form left open over lunch still works
    )
    app.jinja_env.trim_blocks = True
    app.jinja_env.lstrip_blocks = True
    if chosen.trusted_proxies:
        near = chosen.trusted_proxies
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=near, x_proto=near, x_host=near)  # type: ignore[method-assign]
    edge.install(app)
    assets.install(app)
    language.install(app)
    house.install(app)
    for word in PAGES:
        app.register_blueprint(import_module(f"web.{word}").pages)
    return app
