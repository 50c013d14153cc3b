"""The parts of a mail that are served by themselves: its HTML for a sandboxed frame, pictures, files, the original."""

from __future__ import annotations

from flask import Blueprint, Response, g, render_template, request

from inbox import bodies
from web.language import gettext
from web.serving import bytes_response

pages = Blueprint("messages", __name__)

KEPT_SECONDS = 86_400  # a mail never changes
# No allow-scripts, ever: allow-same-origin lets our page measure the frame, and only because nothing in it can run.
FRAME_POLICY = (
    "sandbox allow-same-origin allow-popups allow-popups-to-escape-sandbox; "
    "default-src 'none'; style-src 'unsafe-inline'; "
    "img-src {pictures}; form-action 'none'; base-uri 'none'; frame-ancestors 'self'"
)


@pages.get("/messages/<int:message_id>/html")
def html(message_id: int) -> Response:
    """The HTML of a mail, cleaned, for the frame. Pictures from elsewhere only with ?remote=1: a person asked."""
    remote = request.args.get("remote") == "1"
    response = Response(
        bodies.html(g.session, g.who, message_id, remote=remote), content_type="text/html; charset=utf-8"
    )
    response.headers["Content-Security-Policy"] = FRAME_POLICY.format(
        pictures="'self' data:" + (" http: https:" if remote else "")
    )
    response.headers["Referrer-Policy"] = "no-referrer"
    response.headers["X-Frame-Options"] = "SAMEORIGIN"
    return response


@pages.get("/messages/<int:message_id>/inline/<int:position>")
def inline(message_id: int, position: int) -> Response:
    """A picture that stands inside the HTML."""
    name, content_type, data = bodies.inline(g.session, g.who, message_id, position)
    return bytes_response(data, name=name, content_type=content_type, inline=True, seconds=KEPT_SECONDS)


@pages.get("/messages/<int:message_id>/files/<int:position>")
def file(message_id: int, position: int) -> Response:
    name, content_type, data = bodies.attachment(g.session, g.who, message_id, position)
    return bytes_response(data, name=name, content_type=content_type)


@pages.get("/messages/<int:message_id>/files/<int:position>/picture")
def picture(message_id: int, position: int) -> Response:
    """An attached picture in full, shown in place."""
    name, content_type, data = bodies.inline(g.session, g.who, message_id, position)
    return bytes_response(data, name=name, content_type=content_type, inline=True, seconds=KEPT_SECONDS)


@pages.get("/messages/<int:message_id>/files/<int:position>/thumbnail")
def thumbnail(message_id: int, position: int) -> Response:
    data = bodies.thumbnail(g.session, g.who, message_id, position)
    return bytes_response(data, name="thumbnail.png", content_type="image/png", inline=True, seconds=KEPT_SECONDS)


@pages.get("/messages/<int:message_id>/files/<int:position>/text")
def preview(message_id: int, position: int) -> str:
    """The beginning of an attached text."""
    name, _content_type, _data = bodies.attachment(g.session, g.who, message_id, position)
    text = bodies.preview(g.session, g.who, message_id, position)
    return render_template("conversations/preview.html", name=name, text=text, message_id=message_id, position=position)


@pages.get("/messages/<int:message_id>/files.zip")
def files(message_id: int) -> Response:
    data = bodies.all_as_zip(g.session, g.who, message_id)
    return bytes_response(data, name=f"files-{message_id}.zip", content_type="application/zip")


@pages.get("/messages/<int:message_id>.eml")
def raw(message_id: int) -> Response:
    """The mail as it came or left."""
    data = bodies.raw(g.session, g.who, message_id)
    return bytes_response(data, name=f"mail-{message_id}.eml", content_type="message/rfc822")


@pages.get("/messages/<int:message_id>/source")
def source(message_id: int) -> str:
    """The original as text, headers first."""
    data = bodies.raw(g.session, g.who, message_id)
    head, body, more = source_parts(data)
    title = gettext("The original of a mail")
    return render_template(
        "conversations/source.html", title=title, head=head, body=body, more=more, message_id=message_id
    )


SHOWN_SOURCE = 300_000  # bytes; the rest is in the download


def source_parts(data: bytes) -> tuple[str, str, bool]:
    """(headers, body, whether the body was cut) as text; bytes that are no UTF-8 are shown as such."""
    normal = data.replace(b"\r\n", b"\n")
    head, _blank, body = normal.partition(b"\n\n")
    return _text(head[:SHOWN_SOURCE]), _text(body[:SHOWN_SOURCE]), len(body) > SHOWN_SOURCE


def _text(data: bytes) -> str:
    return data.decode("utf-8", "backslashreplace")
