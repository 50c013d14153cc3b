"""The edge between HTTP and the use cases: one transaction a request, who is signed in, errors as pages, headers."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import structlog
from flask import Flask, Request, Response, current_app, flash, g, redirect, render_template, request, session, url_for
from flask_wtf.csrf import CSRFError, CSRFProtect, generate_csrf
from markupsafe import Markup
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import Session
from werkzeug.datastructures import ImmutableMultiDict, MultiDict
from werkzeug.exceptions import HTTPException, InternalServerError, RequestEntityTooLarge
from werkzeug.formparser import FormDataParser
from werkzeug.utils import cached_property
from werkzeug.wrappers import Response as AnyResponse
from werkzeug.wsgi import LimitedStream

from inbox import db, people
from inbox.config import settings
from inbox.drafts import html_words
from inbox.errors import N_, Forbidden, NotFound, UserError
from inbox.wire import ring
from web.language import gettext
from web.words import words

READING = ("GET", "HEAD", "OPTIONS")
SIGNED_IN_FOR = timedelta(days=30)  # then the password is asked again
BODY_OF_STRANGERS = 256_000  # bytes of a request to a page that needs no sign-in, or from nobody we know
POLICY = (
    "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self' data:; frame-src 'self'; "
    "frame-ancestors 'none'; base-uri 'none'; form-action 'self'; object-src 'none'"
)

LONG_WORDS = ("text", "answer", "comment", "note")  # fields of forms in which people write sentences

log = structlog.get_logger()
csrf = CSRFProtect()
View = TypeVar("View", bound=Callable[..., Any])
Answer = tuple[str, int]


# -- what a view says about itself


def for_everybody(view: View) -> View:
    """Marks a page that needs no sign-in."""
    view.for_everybody = True  # type: ignore[attr-defined]
    return view


def for_machines(view: View) -> View:
    """Marks an address that needs no sign-in and asks for nobody, so that it answers without a database."""
    view.for_machines = True  # type: ignore[attr-defined]
    return view


def only(role: str) -> Callable[[View], View]:
    """Marks a page for people with this role or more: "manager" or "admin". To all others it does not exist.

    What stands on a page that they do see is left to `people.must_be`, after what they may see: that is refused (403).
    """

    def mark(view: View) -> View:
        view.only = role  # type: ignore[attr-defined]
        return view

    return mark


# -- what a view may call


def form_again(template: str, error: UserError, **context: Any) -> Answer:
    """The form once more: what was typed stays, the error stands at its field, nothing is committed.

    The page finds `errors` ({field: sentence}, "" for the whole form) and whatever else it needs in `context`.
    """
    keep_if_error_says_so(error)
    return render_template(template, errors={error.field: words(error)}, **context), error.status


def tell(
    sentence: str,
    *,
    kind: str = "done",
    undo: str = "",
    fields: dict[str, Any] | None = None,
    until: datetime | None = None,
) -> None:
    """A short message on the next page, read out to screen readers; `undo` is an address that takes it back by POST.

    `kind`: done, info or problem. `until`: so long the undo works; the message counts down to it.
    """
    ends = until.isoformat() if until else ""
    flash({"text": sentence, "undo": undo, "fields": fields or {}, "until": ends}, kind)  # type: ignore[arg-type]


def end_transaction() -> None:
    """Commits and rings now, before a wire is touched. `begin_again` follows it."""
    _commit()
    g.session.close()
    g.committed = True


def begin_again(*, roll_back: bool = False) -> Session:
    """A new transaction within this request, in `g.session` too; what was not committed before is dropped."""
    old: Session = g.session
    if roll_back:
        old.rollback()
        ring.drop(old)
    old.close()
    g.session = _open()
    g.now = datetime.now(UTC)
    return g.session


def same_origin(path: str | None, *, otherwise: str) -> str:
    """`path` if it is one of ours ("/…", no scheme, no host in any spelling), else `otherwise`."""
    if (
        not path
        or not path.startswith("/")
        or path.startswith("//")
        or "\\" in path
        or not path.isprintable()
        or " " in path
    ):
        return otherwise
    return path


def next_page(otherwise: str) -> AnyResponse:
    """To the page that the form names in `next`, if it is one of ours; 303, so that it is fetched by GET."""
    return redirect(same_origin(request.form.get("next"), otherwise=otherwise), 303)


def fragment() -> bool:
    """Whether a script asks for a part of a page."""
    return "HX-Request" in request.headers or "X-Fragment" in request.headers


def keep_if_error_says_so(error: Exception) -> None:
    """Some refusals leave a trace that must stay (a wrong password is counted)."""
    if getattr(error, "commits", False):
        g.commit_anyway = True


# -- sign-in, kept in a signed cookie


def remember(who: people.Viewer) -> None:
    """Starts a fresh session for `who`; nothing of the one before remains."""
    language = session.get("locale")
    session.clear()
    session.permanent = True
    session.update(user=who.id, epoch=who.epoch, at=int(g.now.timestamp()), key=secrets.token_urlsafe(12))
    if language:
        session["locale"] = language
    g.who = who


def forget() -> None:
    language = session.get("locale")
    session.clear()
    if language:
        session["locale"] = language
    g.who = None


def _who(opened: Session, now: datetime) -> people.Viewer | None:
    if "user" not in session or now.timestamp() - session.get("at", 0) > SIGNED_IN_FOR.total_seconds():
        return None
    return people.viewer(opened, session["user"], session["epoch"])


# -- one request


def _without_nul(values: MultiDict[str, str]) -> MultiDict[str, str]:
    """Nobody types this character, and PostgreSQL stores no text with it."""
    if not any("\0" in value for _name, value in values.items(multi=True)):
        return values
    return ImmutableMultiDict((name, value.replace("\0", "")) for name, value in values.items(multi=True))


class _Parser(FormDataParser):
    def parse(self, *args: Any, **more: Any) -> Any:
        stream, form, files = super().parse(*args, **more)
        return stream, _without_nul(form), files


class _Request(Request):
    form_data_parser_class = _Parser

    @cached_property
    def args(self) -> MultiDict[str, str]:  # type: ignore[override]
        return _without_nul(super().args)


def install(app: Flask) -> None:
    app.request_class = _Request
    app.permanent_session_lifetime = SIGNED_IN_FOR
    app.before_request(_begin)
    app.before_request(_take_whole)
    csrf.init_app(app)
    app.add_template_global(csrf_field)
    app.before_request(_admit)
    app.after_request(_headers)
    app.after_request(_stay)
    app.after_request(_end)
    app.teardown_request(_close)
    app.register_error_handler(CSRFError, _show_csrf)
    app.register_error_handler(UserError, _show_user_error)
    app.register_error_handler(HTTPException, _show_http)
    app.register_error_handler(Exception, _show_any)


def _open() -> Session:
    """Lazy: no connection is taken before the first query."""
    if request.method in READING:
        return db.reading()
    return Session(db.engine(), expire_on_commit=False)


def _begin() -> None:
    g.now = datetime.now(UTC)
    g.who = None
    g.commit_anyway = g.committed = g.ran_again = g.admitted = False
    if request.endpoint == "static":
        return  # the same for everybody: whoever asks is not looked at
    g.session = _open()
    g.told_before = list(session.get("_flashes", []))
    if "user" not in session or getattr(_view(), "for_everybody", False):
        request.max_content_length = BODY_OF_STRANGERS  # nothing of a body was read so far


def _take_whole() -> None:
    """A body whose length was not told is read as far as the limit, and refused there like one whose length was."""
    if request.endpoint is None or request.content_length is not None or request.method in READING:
        return
    _ = request.form  # reads it
    if isinstance(request.stream, LimitedStream) and request.stream.is_exhausted:
        raise RequestEntityTooLarge


def _admit() -> AnyResponse | Answer | tuple[str, int, dict[str, str]] | None:
    """Knows who asks, and lets nobody through who may not."""
    if request.endpoint == "static":
        return None
    if request.method not in READING and request.headers.get("Sec-Fetch-Site", "same-origin") not in (
        "same-origin",
        "none",
    ):
        raise Forbidden(N_("This was asked for by another website."))
    view = _view()
    if getattr(view, "for_machines", False):
        return None
    g.who = _who(g.session, g.now)
    if request.endpoint is None:
        return None  # not found, shown inside the house to those who live in it
    if getattr(view, "for_everybody", False):
        return None
    if g.who is None:
        return _ask_to_sign_in()
    try:
        people.must_be(g.who, getattr(view, "only", "agent"))
    except Forbidden:
        raise NotFound from None
    g.admitted = True
    return None


def _view() -> Callable[..., Any] | None:
    return current_app.view_functions.get(request.endpoint or "")


def _ask_to_sign_in() -> AnyResponse | Answer | tuple[str, int, dict[str, str]]:
    here = request.full_path.rstrip("?") if request.method == "GET" and not fragment() else None
    address = url_for("sessions.new", next=here if here != "/" else None)
    signed_out = gettext("You were signed out, so nothing was sent or kept. Copy your words, then sign in again.")
    if fragment() or request.path == "/events":
        return signed_out, 401, {"HX-Redirect": url_for("sessions.new"), "X-Sign-In": address}
    if written := _written():
        return _page(401, gettext("Signed out"), signed_out, written=written)
    return redirect(address, 303)


def _end(response: Response) -> Response:
    if "session" not in g:
        return response
    if request.method not in READING and (response.status_code < 400 or g.commit_anyway):
        _commit()
    else:
        g.session.rollback()
        ring.drop(g.session)
    g.session.close()
    return response


def _commit() -> None:
    g.commit_anyway = False
    g.session.commit()
    ring.out(g.session)


def _close(_error: BaseException | None) -> None:
    opened = g.pop("session", None)
    if opened is not None:
        opened.close()


def _stay(response: Response) -> Response:
    """A script that posts in place is told where the form would have led, and goes there only if that is elsewhere."""
    if response.status_code == 303 and "X-In-Place" in request.headers:
        address = response.headers.pop("Location")
        response.status_code = 204
        response.data = b""
        response.headers["X-Go"] = address
    return response


def _headers(response: Response) -> Response:
    headers = response.headers
    headers.setdefault("Content-Security-Policy", POLICY)
    headers.setdefault("X-Content-Type-Options", "nosniff")
    headers.setdefault("Referrer-Policy", "same-origin")
    headers.setdefault("Cross-Origin-Opener-Policy", "same-origin")
    headers.setdefault("Cross-Origin-Resource-Policy", "same-origin")
    headers.setdefault("Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=()")
    if request.endpoint != "static":
        headers.setdefault("Cache-Control", "no-store")
    if settings().base_url.startswith("https://"):
        headers.setdefault("Strict-Transport-Security", "max-age=31536000")
    return response


# -- errors as pages


def csrf_field() -> Markup:
    """The hidden field of every form; a page may have dozens of forms."""
    if "csrf_field" not in g:
        g.csrf_field = Markup('<input type="hidden" name="csrf_token" value="{}">').format(generate_csrf())
    found: Markup = g.csrf_field
    return found


def _show_csrf(error: CSRFError) -> Answer:
    log.info("csrf_refused", reason=error.description, path=request.path)
    return _page(400, gettext("This form is too old"), gettext("Go back, load the page again and send it once more."))


def _show_user_error(error: UserError) -> Answer:
    keep_if_error_says_so(error)
    titles = {
        404: gettext("Not found"),
        403: gettext("Not allowed"),
        409: gettext("Somebody was faster"),
        503: gettext("Not available just now"),
    }
    return _page(error.status, titles.get(error.status, gettext("That did not work")), words(error))


def _show_http(error: HTTPException) -> Answer | AnyResponse:
    code = error.code or 500
    if error.response is not None or code < 400:
        return error.get_response()
    if isinstance(error, InternalServerError):  # an error page failed in its turn, or the commit did
        return _show_any(error)
    if code == 404:
        return _show_user_error(NotFound())
    sentences = {
        405: gettext("This address exists, but not for what was asked of it."),
        413: _too_large(),
        429: gettext("Too many requests. Wait a moment."),
    }
    return _page(
        code, gettext("That did not work"), sentences.get(code, gettext("The request could not be understood."))
    )


def _too_large() -> str:
    if request.max_content_length == BODY_OF_STRANGERS:
        return gettext("That is too large. Before sign-in the limit is %(kb)d kB.", kb=BODY_OF_STRANGERS // 1_000)
    return gettext("That is too large. The limit is %(mb)d MB.", mb=settings().max_upload_bytes // 1_000_000)


def _show_any(error: Exception) -> Answer | AnyResponse:
    """The page edge's bare catch: logged with a number, answered calmly."""
    number = secrets.token_hex(4)
    cause = getattr(error, "original_exception", None) or error
    if _lost_a_race(cause) and g.admitted and not g.ran_again and not g.committed:
        return _run_again(cause)
    _drop_connection()
    if _no_such_id(cause):
        return _show_user_error(NotFound())
    if _database_gone(cause):
        log.error("database_gone", id=number, path=request.path, error=str(cause)[:300])
        sentence = gettext(
            "The database does not answer. Nothing is lost; this page works again as soon as it is back."
        )
        return _page(503, gettext("Not available just now"), sentence, number=number)
    log.error("page_failed", id=number, path=request.path, method=request.method, exc_info=cause)
    sentence = gettext(
        "Something went wrong on our side. Nothing was changed. It is logged under %(number)s.", number=number
    )
    return _page(500, gettext("Something went wrong"), sentence, number=number)


def _lost_a_race(error: BaseException) -> bool:
    """Two changes waited for each other and PostgreSQL ended this one; or somebody else's commit came between what was
    looked up and what was written (a name that was free, a team that was there)."""
    deadlock = isinstance(error, OperationalError) and type(error.orig).__name__ == "DeadlockDetected"
    return deadlock or isinstance(error, IntegrityError)


def _run_again(cause: BaseException) -> AnyResponse:
    """Nothing of it was written, so it has its turn now, and sees what the other one left: the check that found a name
    free finds it taken and says so at its field."""
    log.warning("run_again", path=request.path, method=request.method, error=str(cause)[:300])
    begin_again(roll_back=True)
    g.commit_anyway, g.ran_again = False, True
    session["_flashes"] = g.told_before
    for file in request.files.values():
        file.seek(0)
    try:
        return current_app.make_response(current_app.dispatch_request())
    except Exception as error:  # noqa: BLE001 -- the page edge once more: each kind has its page
        return current_app.make_response(current_app.handle_user_exception(error))


def _drop_connection() -> None:
    """A page that died while it read rows leaves its cursor open for as long as somebody holds the traceback.

    On SQLite that cursor keeps an old view of the database on its connection, and every later write there would be
    refused as "database is locked": so this connection is not used again.
    """
    opened = g.get("session")
    if opened is not None:
        ring.drop(opened)
        opened.invalidate()


def _no_such_id(error: BaseException) -> bool:
    """An id in an address that is larger than any database holds (SQLite's driver, psycopg)."""
    return isinstance(error, OverflowError) or type(getattr(error, "orig", None)).__name__ == "NumericValueOutOfRange"


def _database_gone(error: BaseException) -> bool:
    if isinstance(error, PoolTimeout | OperationalError):
        return True
    return isinstance(error, DBAPIError) and error.connection_invalidated


def _page(
    status: int, title: str, sentence: str, *, number: str = "", written: tuple[str, ...] | None = None
) -> Answer:
    """An error page; inside the house while that stands, else a bare one. Scripts get the sentence alone. `written`:
    `_written()` where it was read already."""
    opened = g.get("session")
    if opened is not None and not g.get("commit_anyway"):
        opened.rollback()
        ring.drop(opened)
    if fragment():
        return render_template("parts/problem.html", sentence=sentence), status
    inside = status < 500 and g.get("who") is not None
    template = "error_inside.html" if inside else "error.html"
    written = _written() if written is None else written
    shown = {"status": status, "title": title, "sentence": sentence, "number": number, "written": written}
    return render_template(template, **shown), status


def _written() -> tuple[str, ...]:
    """What a form carried that stands on no page any more, so that nobody has to write it again."""
    if request.method in READING:
        return ()
    try:
        form = request.form
    except HTTPException:  # too large to be read
        return ()
    told = dict.fromkeys(form.get(name, "").strip() for name in LONG_WORDS)
    if "html" in form:  # a rich editor sends its words in both ways
        told |= {html_words(form["html"]).strip(): None}
        told.pop(form.get("text", "").strip(), None)
    return tuple(one for one in told if one)
