"""What is served of a mail by itself: frame, pictures, files, original; nothing in it runs or phones home."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from inbox import db
from inbox.models import Message
from tests.web.conftest import Visitor, World
from tests.web.stories import PIXEL, a_letter, arrives, until

ATTACKS = """
<script>parent.document.title = "run"</script><img src=x onerror="parent.document.title='run'">
<svg onload="parent.document.title='run'"><use href="data:image/svg+xml,<svg id=x xmlns='http://www.w3.org/2000/svg'/>#x"></svg>
<details open ontoggle="parent.document.title='run'"><summary>x</summary></details>
<a href="jav&#x09;ascript:parent.document.title='run'" id="go">go</a>
<form action="{there}/form"><input name=a autofocus onfocus="parent.document.title='run'"></form>
<base href="{there}/"><meta http-equiv="refresh" content="0;url={there}/refresh">
<link rel="stylesheet" href="{there}/css"><link rel="dns-prefetch" href="{there}">
<style>@import url({there}/import); body {{ background: url({there}/bg) }} @font-face {{ font-family: x; src: url({there}/font) }}</style>
<div style="background: url({there}/style); position: fixed; inset: 0">cover</div>
<img src="{there}/pixel.gif" srcset="{there}/set.gif 2x"><video poster="{there}/poster" src="{there}/video"></video>
<table background="{there}/table"><tr><td>cell</td></tr></table><iframe src="{there}/frame"></iframe><object data="{there}/object"></object>
<p>Words that stay.</p>
<math><mtext><table><mglyph><style><img src=x onerror="parent.document.title='run'"></style></mglyph></table></mtext></math>
<noscript><p title="</noscript><img src=x onerror=parent.document.title='run'>"></noscript>
"""  # noqa: E501


def frame_mail(world: World, html: str, **more: Any) -> Message:
    now = datetime.now(UTC)
    with db.transaction() as session:
        return arrives(session, world.support, a_letter("", at=now, html=html, **more), at=now)


def test_the_frame_has_its_own_policy_without_scripts(agent: Visitor, world: World) -> None:
    message = frame_mail(world, "<p>Hello</p>")
    answer = agent.get(f"/messages/{message.id}/html")
    policy = answer.headers["Content-Security-Policy"]
    assert policy.startswith(
        "sandbox allow-same-origin allow-popups allow-popups-to-escape-sandbox; default-src 'none'"
    )
    assert "allow-scripts" not in policy
    assert "script-src" not in policy
    assert "img-src 'self' data:;" in policy
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    page = agent.get(f"/conversations/{message.conversation_id}").text
    assert 'sandbox="allow-same-origin allow-popups allow-popups-to-escape-sandbox"' in page
    assert "allow-scripts" not in page


def test_pictures_from_elsewhere_only_when_asked_for(agent: Visitor, world: World) -> None:
    message = frame_mail(world, '<p>Hi</p><img src="https://pictures.example/a.png">')
    plain, remote = agent.get(f"/messages/{message.id}/html"), agent.get(f"/messages/{message.id}/html?remote=1")
    assert "pictures.example" not in plain.text
    assert 'data-blocked="1"' in plain.text
    assert "https://pictures.example/a.png" in remote.text
    assert "img-src 'self' data: http: https:;" in remote.headers["Content-Security-Policy"]
    assert remote.headers["Referrer-Policy"] == "no-referrer"


def test_a_picture_inside_the_mail_is_shown_and_nothing_else_is(agent: Visitor, world: World) -> None:
    message = frame_mail(
        world,
        '<img src="cid:one">',
        pictures=(("one", "image/png", PIXEL),),
        files=(("a.html", "text/html", b"<script>1</script>"),),
    )
    positions = {file.content_type: file.position for file in message.attachments}
    assert (
        f'src="/messages/{message.id}/inline/{positions["image/png"]}"'
        in agent.get(f"/messages/{message.id}/html").text
    )
    shown = agent.get(f"/messages/{message.id}/inline/{positions['image/png']}")
    assert shown.data == PIXEL
    assert shown.mimetype == "image/png"
    other = next(position for kind, position in positions.items() if kind != "image/png")
    assert agent.get(f"/messages/{message.id}/inline/{other}").status_code == 404


@pytest.mark.parametrize(
    ("name", "kind", "data"),
    [
        ("page.html", "text/html", b"<script>alert(1)</script>"),
        ("drawing.svg", "image/svg+xml", b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>"),
        ("really.png", "text/html", b"<script>alert(1)</script>"),
        ("gif.js", "image/gif", b"GIF89a/*<script>*/=1;alert(1)"),
        ("feed.xml", "text/xml", b"<?xml-stylesheet href='x.xsl'?><x/>"),
        ("paper.pdf", "application/pdf", b"%PDF-1.4 /JS"),
        ("../../etc/passwd", "text/plain", b"x"),
        ('a"b\r\nSet-Cookie: x=1', "text/plain", b"x"),
        ("請求書\u202efdp.exe", "application/octet-stream", b"MZ"),
        ("x" * 4_000, "text/plain", b"x"),
    ],
)
def test_a_file_is_only_ever_downloaded(agent: Visitor, world: World, name: str, kind: str, data: bytes) -> None:
    now = datetime.now(UTC)
    with db.transaction() as session:
        message = arrives(session, world.support, a_letter("see", at=now, files=((name, kind, data),)), at=now)
        position = message.attachments[0].position
    answer = agent.get(f"/messages/{message.id}/files/{position}")
    assert answer.data == data
    headers = answer.headers
    assert headers["Content-Disposition"].startswith("attachment; ")
    assert "Set-Cookie" not in headers
    assert "/" not in headers["Content-Disposition"].partition("filename*=UTF-8''")[2]
    assert len(headers["Content-Disposition"]) < 1_500
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Content-Security-Policy"] == "sandbox; default-src 'none'"
    assert answer.mimetype not in ("text/html", "image/svg+xml", "text/xml", "application/xml", "text/javascript")


def test_the_original_comes_back_byte_for_byte(agent: Visitor, world: World) -> None:
    now = datetime.now(UTC)
    letter = a_letter("original", at=now)
    with db.transaction() as session:
        message = arrives(session, world.support, letter, at=now)
    answer = agent.get(f"/messages/{message.id}.eml")
    assert answer.data == letter
    assert answer.headers["Content-Disposition"].startswith("attachment; ")
    source = agent.get(f"/messages/{message.id}/source").text
    assert "Message-ID" in source
    assert "original" in source


# -- in Chromium


@pytest.fixture
def elsewhere() -> Iterator[tuple[str, list[str]]]:
    """A server of somebody else: its address, and what was fetched from it."""
    asked: list[str] = []

    class Listener(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(f"{self.path} referer={self.headers.get('Referer')} cookie={self.headers.get('Cookie')}")
            self.send_response(200)
            self.send_header("Content-Type", "image/png")
            self.end_headers()
            self.wfile.write(PIXEL)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Listener)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", asked
    server.shutdown()
    thread.join(5)
    server.server_close()


@pytest.mark.only_on("sqlite")
def test_nothing_in_a_mail_runs_or_loads(
    served: str, signed_page: Any, world: World, elsewhere: tuple[str, list[str]]
) -> None:
    there, asked = elsewhere
    message = frame_mail(world, ATTACKS.format(there=there))
    page = signed_page("agent")
    dialogs: list[str] = []
    page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
    page.goto(f"{served}/conversations/{message.conversation_id}")
    page.get_by_text("As it was designed (HTML)").click()
    frame = page.frame_locator("iframe[data-mail]")
    frame.get_by_text("Words that stay.").wait_for()
    until(lambda: page.locator("iframe[data-mail]").evaluate("frame => frame.clientHeight") != 160)
    assert frame.locator("script, form, input, iframe, object, base, meta[http-equiv], link, video, svg").count() == 0
    assert page.title().startswith("届きません")
    assert dialogs == []
    assert asked == []


@pytest.mark.only_on("sqlite")
def test_the_frame_fits_its_mail_and_shows_pictures_only_when_asked(
    served: str, signed_page: Any, world: World
) -> None:
    message = frame_mail(
        world, '<p>Hi</p><img src="https://pictures.invalid/a.png"><div style="height:900px">tall</div>'
    )
    page = signed_page("agent")
    asked: list[str] = []
    page.route("https://pictures.invalid/**", lambda route: (asked.append(str(route.request.headers)), route.abort()))
    page.goto(f"{served}/conversations/{message.conversation_id}")
    page.get_by_text("As it was designed (HTML)").click()
    until(lambda: page.locator("iframe[data-mail]").evaluate("frame => frame.clientHeight") > 900)
    bar = page.locator("[data-remote-bar]")
    bar.wait_for()
    assert asked == []
    with page.expect_request("https://pictures.invalid/a.png") as request:
        page.get_by_text("Show pictures").click()
    assert "referer" not in {name.lower() for name in request.value.headers}
    assert bar.count() == 0
