"""What a browser gets of a message: clean HTML, the very bytes of files, small pictures; nothing without access."""

from __future__ import annotations

import base64
import io
import zipfile

import pytest
from PIL import Image
from sqlalchemy.orm import Session

from inbox import bodies
from inbox.errors import NotFound, UserError
from inbox.mail.parse import parse
from inbox.models import Attachment
from tests.inbox.cast import a_conversation, a_mailbox, a_message, a_viewer


def a_picture(kind: str = "PNG", size: tuple[int, int] = (800, 400), mode: str = "RGB") -> bytes:
    out = io.BytesIO()
    Image.new(mode, size, "red" if mode != "P" else 1).save(out, kind)
    return out.getvalue()


def a_part(content_type: str, data: bytes, *, name: str, content_id: str = "") -> bytes:
    about = f'Content-Type: {content_type}; name="{name}"\r\nContent-Transfer-Encoding: base64\r\n'
    about += (
        f"Content-ID: <{content_id}>\r\n" if content_id else f'Content-Disposition: attachment; filename="{name}"\r\n'
    )
    return f"--b\r\n{about}\r\n".encode() + base64.encodebytes(data) + b"\r\n"


def a_mail(html: str, *parts: bytes) -> bytes:
    head = (
        b"From: taro@example.jp\r\nSubject: x\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
    )
    body = b"--b\r\nContent-Type: text/html; charset=utf-8\r\n\r\n" + html.encode() + b"\r\n"
    return head + body + b"".join(parts) + b"--b--\r\n"


@pytest.fixture
def aoi(session: Session):
    return a_viewer(session, "Aoi", a_mailbox(session))


def stored(session: Session, aoi, raw: bytes) -> int:
    """A message filed as intake does: its attachments are those of the parsed mail."""
    from inbox.mail import names
    from inbox.models import Mailbox

    mailbox = session.get_one(Mailbox, aoi.mailbox_ids[0])
    message = a_message(session, a_conversation(session, mailbox), raw=raw, has_html=True)
    for n, part in enumerate(parse(raw).attachments):
        session.add(
            Attachment(
                message_id=message.id, position=n, path=part.path, name=names.clean_name(part.name, part.content_type),
                content_type=names.safe_type(part.name, part.content_type, part.data), size=len(part.data),
                sha256=part.sha256, content_id=part.content_id or "",
            )
        )  # fmt: skip
    session.flush()
    return message.id


def test_html_is_a_whole_clean_document_with_its_inline_pictures(session: Session, aoi) -> None:
    html = '<p>本文</p><script>alert(1)</script><img src="cid:pic@x"><img src="cid:none@x"><img src="https://t.example/p.gif">'
    message = stored(session, aoi, a_mail(html, a_part("image/png", a_picture(), name="a.png", content_id="pic@x")))
    document = bodies.html(session, aoi, message)
    assert document.startswith('<!doctype html><html data-blocked="1" data-cut="0">')
    assert f'src="/messages/{message}/inline/0"' in document
    for bad in ("script", "t.example", "none@x"):
        assert bad not in document
    assert 'src="https://t.example/p.gif"' in bodies.html(session, aoi, message, remote=True)
    assert "t.example" not in bodies.html(session, aoi, message)


def test_plain_mail_is_shown_with_links_and_nothing_in_it_is_markup(session: Session, aoi) -> None:
    raw = b"From: a@b.example\r\nContent-Type: text/plain\r\n\r\n<b>x</b> https://shop.example/a\r\n"
    document = bodies.html(session, aoi, stored(session, aoi, raw))
    assert "&lt;b&gt;x&lt;/b&gt;" in document
    assert 'href="https://shop.example/a"' in document


def test_files_come_back_byte_by_byte_and_pictures_inline_only_when_they_are_pictures(session: Session, aoi) -> None:
    png, svg = a_picture(), b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>"
    parts = (
        a_part("image/png", png, name="図.png"),
        a_part("image/svg+xml", svg, name="b.svg"),
        a_part("image/png", b"<html>", name="../../c.png"),
    )
    raw = a_mail("x", *parts)
    message = stored(session, aoi, raw)
    assert bodies.attachment(session, aoi, message, 0) == ("図.png", "image/png", png)
    assert bodies.inline(session, aoi, message, 0)[2] == png
    name, content_type, data = bodies.attachment(session, aoi, message, 1)
    assert (content_type, data) == ("application/octet-stream", svg)
    assert bodies.attachment(session, aoi, message, 2)[0] == "c.png"
    for position in (1, 2, 3, -1):
        with pytest.raises(NotFound):
            bodies.inline(session, aoi, message, position)
    assert bodies.raw(session, aoi, message) == raw
    archive = zipfile.ZipFile(io.BytesIO(bodies.all_as_zip(session, aoi, message)))
    assert archive.namelist() == ["図.png", name, "c.png"]
    assert archive.read("図.png") == png


def test_bytes_are_found_by_their_hash_when_parts_stand_in_another_order_today(session: Session, aoi) -> None:
    parts = (a_part("text/plain", b"one", name="1.txt"), a_part("text/plain", b"two", name="1.txt"))
    message = stored(session, aoi, a_mail("x", *parts))
    first, second = session.query(Attachment).filter_by(message_id=message).order_by(Attachment.position).all()
    first.sha256, second.sha256 = second.sha256, first.sha256
    session.flush()
    assert bodies.attachment(session, aoi, message, 0)[2] == b"two"
    first.sha256 = "0" * 64
    session.flush()
    with pytest.raises(NotFound):
        bodies.attachment(session, aoi, message, 0)
    archive = zipfile.ZipFile(io.BytesIO(bodies.all_as_zip(session, aoi, stored(session, aoi, a_mail("y", *parts)))))
    assert archive.namelist() == ["1.txt", "1 (2).txt"]


@pytest.mark.parametrize(
    ("kind", "mode"), [("PNG", "RGBA"), ("PNG", "P"), ("JPEG", "RGB"), ("JPEG", "CMYK"), ("GIF", "P"), ("WEBP", "RGB")]
)
def test_pictures_of_each_kind_are_made_small(session: Session, aoi, kind: str, mode: str) -> None:
    data = a_picture(kind, mode=mode)
    message = stored(session, aoi, a_mail("x", a_part(f"image/{kind.lower()}", data, name=f"a.{kind.lower()}")))
    small = Image.open(io.BytesIO(bodies.thumbnail(session, aoi, message, 0)))
    assert (small.format, small.size) == ("PNG", (320, 160))


def test_what_is_no_picture_or_a_bomb_has_no_thumbnail(session: Session, aoi) -> None:
    bomb = a_picture(size=(20_000, 20_000), mode="1")
    assert len(bomb) < 1_000_000
    for data in (
        bomb,
        a_picture()[:60],
        b"\x89PNG\r\n\x1a\n",
        b"GIF89a" + b"\xff" * 50,
        b"RIFF\0\0\0\0WEBPVP8 " + b"\0" * 20,
    ):
        with pytest.raises(NotFound):
            bodies.small(
                data, "image/png" if data[:1] == b"\x89" else "image/gif" if data[:1] == b"G" else "image/webp"
            )
    message = stored(session, aoi, a_mail("x", a_part("application/pdf", b"%PDF", name="a.pdf")))
    with pytest.raises(NotFound):
        bodies.thumbnail(session, aoi, message, 0)


def test_small_texts_are_previewed_in_any_charset(session: Session, aoi) -> None:
    parts = (
        a_part("text/csv", "品名,数\r\n鯖缶,3\r\n".encode("cp932"), name="a.csv"),
        a_part("text/plain", b"x" * 300_000, name="b.txt"),
        a_part("text/html", b"<script>", name="c.html"),
    )
    message = stored(session, aoi, a_mail("x", *parts))
    assert "鯖缶,3" in bodies.preview(session, aoi, message, 0)
    for position in (1, 2, 3):
        with pytest.raises(NotFound):
            bodies.preview(session, aoi, message, position)


def test_nothing_is_given_to_somebody_without_access(session: Session, aoi) -> None:
    message = stored(session, aoi, a_mail("x", a_part("image/png", a_picture(), name="a.png")))
    cho = a_viewer(session, "Cho", a_mailbox(session, "Other"))
    for act in (bodies.attachment, bodies.inline, bodies.thumbnail, bodies.preview):
        with pytest.raises(NotFound):
            act(session, cho, message, 0)
    for whole in (bodies.html, bodies.raw, bodies.all_as_zip):
        with pytest.raises(NotFound):
            whole(session, cho, message)
        with pytest.raises(NotFound):
            whole(session, aoi, 999_999)


def test_a_lost_or_too_complex_original_is_told_in_words(session: Session, aoi) -> None:
    from inbox.blobs import blobs
    from inbox.models import Message

    message = stored(session, aoi, a_mail("lost"))
    blobs().delete(session.get_one(Message, message).raw_sha256)
    with pytest.raises(NotFound) as lost:
        bodies.raw(session, aoi, message)
    assert "missing" in str(lost.value)
    deep = b"".join(f"Content-Type: multipart/mixed; boundary=b{n}\r\n\r\n--b{n}\r\n".encode() for n in range(200))
    bomb = a_message(
        session,
        a_conversation(session, session.get_one(Message, message).conversation.mailbox),
        raw=b"From: a@b.example\r\n" + deep,
    )
    with pytest.raises(UserError):
        bodies.html(session, aoi, bomb.id)


def test_memory_for_what_was_parsed_is_bounded() -> None:
    kept: bodies.Kept[bytes] = bodies.Kept(1_000)
    made = []
    for n in range(50):
        kept.get(n, lambda n=n: made.append(n) or b"x" * 200, size=len)
    assert kept.get(49, lambda: b"other", size=len) == b"x" * 200
    assert kept.get(0, lambda: b"made again", size=len) == b"made again"
    kept.get("large", lambda: b"x" * 900, size=len)
    assert kept.get("large", lambda: b"not kept", size=len) == b"not kept"
    assert kept._size <= 1_000
