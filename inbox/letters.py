"""Makes the letter of a draft: who writes to whom, words, signature, quoted mail, files, and its thread."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import datetime
from html import escape
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from inbox import drafts
from inbox.blobs import MissingBlob, blobs
from inbox.config import settings
from inbox.drafts import DraftView
from inbox.errors import N_, UserError
from inbox.mail import compose, safe_html, threads
from inbox.mail.address_check import WrongAddress, check_recipient
from inbox.mail.compose import Attachment, Letter, Quoted
from inbox.mail.facts import Address
from inbox.mail.parse import parse
from inbox.mail.threads import new_message_id
from inbox.models import Mailbox, Message
from inbox.people import Viewer

MOST_RECIPIENTS = 100  # of one mail; more is a broadcast

WRONG_ADDRESS = N_("%(address)s is not an address that mail can be sent to.")


def check(draft: DraftView, mailbox: Mailbox) -> None:
    """Raises UserError, naming the field, for a draft that cannot be sent; its words stay as they are."""
    for field in ("to", "cc", "bcc"):
        for _name, address in getattr(draft, field):
            try:
                check_recipient(address)
            except WrongAddress:
                raise UserError(WRONG_ADDRESS, field=field, address=" ".join(address.split())[:100]) from None
    everybody = {address.lower() for field in ("to", "cc", "bcc") for _name, address in getattr(draft, field)}
    if not everybody:
        raise UserError(N_("Say to whom it shall go."), field="to")
    if len(everybody) > MOST_RECIPIENTS:
        raise UserError(N_("One mail goes to at most %(most)d addresses."), field="to", most=MOST_RECIPIENTS)
    own = {mailbox.address.lower(), *(alias.address.lower() for alias in mailbox.addresses)}
    if everybody <= own:
        raise UserError(N_("This would go to your own mailbox only."), field="to")
    if draft.from_address.lower() not in {address.lower() for _name, address in draft.from_choices}:
        raise UserError(
            N_("This mailbox does not send from %(address)s."), field="from_address", address=draft.from_address
        )
    if sum(file.size for file in draft.files) > settings().max_upload_bytes:
        most = settings().max_upload_bytes // 1_000_000
        raise UserError(N_("All files together may have %(most)d MB."), field="file", most=most)
    if not drafts.words(draft).strip() and not draft.files and draft.kind != "forward":
        raise UserError(N_("Write something first."), field="text")


def write(
    session: Session, who: Viewer, draft: DraftView, mailbox: Mailbox, *, conversation_id: int, now: datetime
) -> compose.Composed:
    """The mail as bytes, once; every try to send it sends these. Raises UserError for a file whose bytes are lost."""
    answered = session.get(Message, draft.answers_id) if draft.answers_id is not None else None
    threaded = answered if draft.kind != "forward" else None
    quoted = _quoted(answered, who) if answered is not None and (draft.quote or draft.kind == "forward") else None
    text, html = _bodies(draft, mailbox, quoted)
    name = next(name for name, address in draft.from_choices if address.lower() == draft.from_address.lower())
    domain = mailbox.address.rpartition("@")[2]
    letter = Letter(
        from_=Address(name, draft.from_address),
        to=_people(draft.to),
        cc=_people(draft.cc),
        bcc=_people(draft.bcc),
        subject=draft.subject,
        message_id=new_message_id(settings().secret("message ids"), conversation_id, secrets.token_hex(10), domain),
        date=now.astimezone(ZoneInfo(who.time_zone)),
        text=text,
        html=html,
        attachments=tuple(_attached(file, sha256) for file, sha256 in _bytes_of(session, draft)),
        in_reply_to=threaded.mail_id if threaded is not None else "",
        references=tuple(threaded.references) if threaded is not None else (),
        thread_index=threaded.thread_index if threaded is not None else "",
        thread_topic=threads.base_subject(threaded.subject) if threaded is not None else "",
    )
    return compose.compose(letter)


def _people(pairs: Iterable[tuple[str, str]]) -> tuple[Address, ...]:
    return tuple(Address(name, check_recipient(address)) for name, address in pairs)


def _attached(file: drafts.DraftFileView, sha256: str) -> Attachment:
    try:
        return Attachment(file.name, file.content_type, blobs().get(sha256), file.content_id or None)
    except MissingBlob:
        message = N_("The stored bytes of %(name)s are lost. Take the file out and attach it again.")
        raise UserError(message, field="file", name=file.name) from None


def _bytes_of(session: Session, draft: DraftView) -> list[tuple[drafts.DraftFileView, str]]:
    from inbox.models import Draft

    stored = {file.id: file.sha256 for file in session.get_one(Draft, draft.id).files}
    return [(file, stored[file.id]) for file in draft.files]


# -- words


def _bodies(draft: DraftView, mailbox: Mailbox, quoted: Quoted | None) -> tuple[str, str]:
    """(text, HTML): the words, the signature, and the old mail below them."""
    words = drafts.words(draft).strip("\n")
    html = draft.html or "".join(f"<div>{escape(line) or '<br>'}</div>" for line in words.split("\n"))
    if signature := draft.signature_html:
        words += "\n\n-- \n" + safe_html.to_text(signature).strip("\n")
        html += f'<div><br></div><div class="signature">-- <br>{signature}</div>'
    if quoted is not None:
        forward = draft.kind == "forward"
        as_text, as_html = (
            (compose.forward_text, compose.forward_html) if forward else (compose.quote_text, compose.quote_html)
        )
        words += "\n\n" + as_text(quoted, locale=mailbox.locale)
        html += "<div><br></div>" + as_html(quoted, locale=mailbox.locale)
    return words, html


def _quoted(message: Message, who: Viewer) -> Quoted:
    """The old mail as it is quoted: its own pictures are left out, links to pictures elsewhere stay. Of one whose bytes
    are lost the words are quoted."""
    html = ""
    with suppress(MissingBlob):
        raw = blobs().get(message.raw_sha256) if message.has_html else b""
        html = safe_html.clean(parse(raw).html, remote=True, image_url=_elsewhere).html if raw else ""
    return Quoted(
        from_=Address(message.from_name, message.from_address),
        date=(message.dated or message.at).astimezone(ZoneInfo(who.time_zone)),
        text=message.text,
        html=html,
        to=_addresses(message.to),
        cc=_addresses(message.cc),
        subject=message.subject,
    )


def _elsewhere(source: str) -> str | None:
    return source if source.lower().startswith("https://") else None


def _addresses(stored: Sequence[Any]) -> tuple[Address, ...]:
    return tuple(Address(str(name), str(address)) for name, address in stored)
