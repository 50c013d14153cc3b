"""The edge: headers, transactions, errors as pages."""

from __future__ import annotations

import io
from collections.abc import Callable

import pytest
from flask import Flask, g
from sqlalchemy.exc import OperationalError

from inbox import config, db
from inbox.errors import Conflict, UserError
from inbox.models import Setting
from tests.web.conftest import Visitor, World
from web import create_app, edge


def keep(key: str) -> None:
    g.session.add(Setting(key=key, value=1))
    g.session.flush()


@pytest.fixture
def tried(app: Flask, world: World) -> Flask:
    """The app with a few routes that do what pages do."""

    @edge.for_everybody
    def works() -> str:
        keep("works")
        return "done"

    @edge.for_everybody
    def refuses() -> str:
        keep("refuses")
        raise Conflict("%(name)s was faster.", name="Ben")

    @edge.for_everybody
    def counts_tries() -> str:
        keep("tried")
        error = UserError("Wrong.")
        error.commits = True  # type: ignore[attr-defined]
        raise error

    @edge.for_everybody
    def breaks() -> str:
        keep("breaks")
        raise ZeroDivisionError("secret detail")

    @edge.for_everybody
    def database_is_away() -> str:
        raise OperationalError("SELECT", {}, Exception("connection refused"))

    @edge.for_everybody
    def in_two_steps() -> str:
        keep("first step")
        edge.end_transaction()
        edge.begin_again()
        keep("second step")
        raise UserError("The wire failed.")

    for view in (works, refuses, counts_tries, breaks, database_is_away, in_two_steps):
        app.add_url_rule(f"/try/{view.__name__}", view.__name__, view, methods=["GET", "POST"])
    return app


def kept(key: str) -> bool:
    with db.reading() as session:
        return session.get(Setting, key) is not None


def test_a_post_that_works_is_committed(tried: Flask) -> None:
    assert Visitor(tried).post("/try/works").status_code == 200
    assert kept("works")


def test_a_get_is_never_committed(tried: Flask) -> None:
    Visitor(tried).get("/try/works")  # what it writes is dropped (SQLite) or refused (PostgreSQL)
    assert not kept("works")


def test_a_refusal_is_a_page_in_words_and_rolls_back(tried: Flask) -> None:
    response = Visitor(tried).post("/try/refuses")
    assert response.status_code == 409
    assert "Ben was faster." in response.text
    assert not kept("refuses")


def test_a_refusal_whose_trace_must_stay_is_committed(tried: Flask) -> None:
    assert Visitor(tried).post("/try/counts_tries").status_code == 400
    assert kept("tried")


def test_a_broken_page_tells_a_number_and_no_secret(tried: Flask, capsys: pytest.CaptureFixture[str]) -> None:
    response = Visitor(tried).post("/try/breaks")
    assert response.status_code == 500
    assert "secret detail" not in response.text
    number = response.text.split("logged under ")[1][:8]
    assert number in capsys.readouterr().out
    assert not kept("breaks")


def test_without_its_database_the_house_says_so(tried: Flask) -> None:
    response = Visitor(tried).get("/try/database_is_away")
    assert response.status_code == 503
    assert "Nothing is lost" in response.text


def test_what_was_committed_before_the_wire_stays(tried: Flask) -> None:
    assert Visitor(tried).post("/try/in_two_steps").status_code == 400
    assert kept("first step")
    assert not kept("second step")


def test_scripts_get_the_sentence_alone(tried: Flask) -> None:
    response = Visitor(tried).post("/try/refuses", headers={"X-Fragment": "1"})
    assert response.status_code == 409
    assert "Ben was faster." in response.text
    assert "<html" not in response.text


def test_every_answer_carries_the_security_headers(app: Flask, agent: Visitor) -> None:
    for path in ("/sign-in", "/inbox/open", "/static/js/app.js", "/nowhere"):
        headers = agent.get(path).headers
        policy = headers["Content-Security-Policy"]
        assert "default-src 'self'" in policy
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "same-origin"
    assert agent.get("/inbox/open").headers["Cache-Control"] == "no-store"


def test_pages_carry_no_inline_script_or_style(agent: Visitor) -> None:
    for path in ("/sign-in", "/inbox/open", "/inbox/mine", "/search?q=lamp", "/nowhere"):
        page = agent.get(path).text
        assert " style=" not in page
        assert " onclick=" not in page
        assert "<style" not in page


def test_the_cookie_is_closed_to_scripts(visitor: Visitor) -> None:
    cookie = visitor.get("/sign-in").headers["Set-Cookie"]
    assert cookie.startswith("madoguchi=")
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie


def test_behind_https_the_cookie_belongs_to_this_host_alone(engine: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BASE_URL", "https://inbox.example.jp")
    config.settings.cache_clear()
    response = create_app().test_client().get("/sign-in", base_url="https://inbox.example.jp")
    cookie = response.headers["Set-Cookie"]
    assert cookie.startswith("__Host-madoguchi=")
    assert "Secure" in cookie
    assert "Path=/" in cookie
    assert response.headers["Strict-Transport-Security"].startswith("max-age=")


def test_static_files_are_kept_for_ever_under_their_hash(visitor: Visitor) -> None:
    page = visitor.get("/sign-in").text
    address = page.split('rel="stylesheet" href="')[1].split('"')[0]
    first = visitor.get(address, headers={"Accept-Encoding": "gzip"})
    assert "immutable" in first.headers["Cache-Control"]
    assert first.headers["Content-Encoding"] == "gzip"
    assert len(first.data) < 100_000
    again = visitor.get(address, headers={"If-None-Match": first.headers["ETag"]})
    assert again.status_code == 304
    assert visitor.get(address.split("?")[0]).headers["Cache-Control"] == "no-cache"


@pytest.mark.parametrize("path", ["../edge.py", "..%2fedge.py", "vendor/vendor.py", "none.css", "%00", "."])
def test_nothing_but_static_files_is_given_out(visitor: Visitor, path: str) -> None:
    assert visitor.get(f"/static/{path}").status_code == 404


@pytest.mark.parametrize(
    "path",
    [
        "//evil.example",
        "/\\evil.example",
        "https:evil.example",
        "https://evil.example/",
        "javascript:alert(1)",
        "",
        None,
        "/a\r\nSet-Cookie: x=y",
        "/\tevil",
        "evil",
        "\\\\evil",
        "/%0d\nx",
    ],
)
def test_next_leads_to_our_own_pages_only(path: str | None) -> None:
    assert edge.same_origin(path, otherwise="/home") == "/home"


@pytest.mark.parametrize(
    "path", ["/inbox/open?mailbox=1&order=waiting", "/conversations/7?box=mine", "/search?q=%E9%B0%BB"]
)
def test_next_may_be_any_page_of_ours(path: str) -> None:
    assert edge.same_origin(path, otherwise="/home") == path


def test_proxy_headers_count_only_behind_a_proxy(engine: object, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    spoofed = {"X-Forwarded-For": "6.6.6.6", "X-Forwarded-Proto": "https", "X-Forwarded-Host": "evil.example"}
    for near, expected in ((0, "127.0.0.1"), (1, "6.6.6.6")):
        monkeypatch.setenv("TRUSTED_PROXIES", str(near))
        config.settings.cache_clear()
        app = create_app()
        seen = []
        app.before_request(lambda seen=seen: seen.append(__import__("flask").request.remote_addr))
        app.test_client().get("/sign-in", headers=spoofed)
        assert seen == [expected]


def test_a_page_that_does_not_exist_stands_inside_the_house(agent: Visitor, visitor: Visitor) -> None:
    inside, outside = agent.get("/nowhere"), visitor.get("/nowhere")
    assert inside.status_code == outside.status_code == 404
    assert "Unassigned" in inside.text
    assert "Unassigned" not in outside.text


def test_too_large_a_post_is_refused(agent: Visitor, app: Flask) -> None:
    app.config["MAX_CONTENT_LENGTH"] = 300_000
    assert agent.post("/preferences", {"name": "x" * 400_000}).status_code == 413
    assert agent.post("/nowhere", {"name": "x" * 280_000}).status_code == 404


@pytest.mark.parametrize("path", ["/sign-in", "/drafts", "/nowhere/else"])
@pytest.mark.parametrize("length_told", [True, False])
def test_strangers_may_send_little(visitor: Visitor, app: Flask, path: str, length_told: bool) -> None:
    visitor.get("/sign-in")
    read = io.BytesIO(b"email=" + b"x" * (edge.BODY_OF_STRANGERS + 1))
    how = {} if length_told else {"wsgi.input_terminated": True, "HTTP_TRANSFER_ENCODING": "chunked"}
    response = visitor.client.post(
        path,
        input_stream=read,
        content_length=len(read.getvalue()) if length_told else None,
        content_type="application/x-www-form-urlencoded",
        environ_overrides=how,
    )
    if path == "/nowhere/else":
        assert response.status_code == 404
    else:
        assert response.status_code == 413
        assert "Before sign-in the limit is 256 kB." in response.text
    assert read.tell() <= edge.BODY_OF_STRANGERS + 1


def test_a_body_in_chunks_is_taken_up_to_the_limit_of_those_who_are_signed_in(agent: Visitor, app: Flask) -> None:
    app.config["MAX_CONTENT_LENGTH"] = 300_000
    agent.get("/preferences")
    for size, status in ((200_000, 400), (400_000, 413)):
        answer = agent.client.post(
            "/preferences",
            input_stream=io.BytesIO(b"undo_seconds=" + b"x" * size),
            content_type="application/x-www-form-urlencoded",
            headers={"X-CSRFToken": agent.token},
            environ_overrides={"wsgi.input_terminated": True, "HTTP_TRANSFER_ENCODING": "chunked"},
        )
        assert answer.status_code == status
        assert ("Write a number of seconds." in answer.text) == (status == 400)


def test_pages_for_everybody_take_little_from_those_who_are_signed_in_too(agent: Visitor) -> None:
    assert agent.post("/appearance", {"theme": "x" * 300_000}).status_code == 413


def test_signed_out_screens_are_told_to_sign_in(visitor: Visitor) -> None:
    response = visitor.get("/inbox/counts", headers={"X-Fragment": "1"})
    assert response.status_code == 401
    assert "X-Sign-In" in response.headers
    assert visitor.get("/inbox/mine").headers["Location"] == "/sign-in?next=/inbox/mine"


def test_a_session_of_another_secret_is_no_session(signed_in: Callable[[str], Visitor], engine: object) -> None:
    visitor = signed_in("admin")
    cookie = visitor.client.get_cookie("madoguchi")
    assert cookie is not None
    visitor.client.set_cookie("madoguchi", cookie.value[:-4] + "AAAA")
    assert visitor.get("/inbox/mine").status_code == 303
