"""Words not sent yet: on the server, so that they survive a crash, a change of device and a refused sending."""

from __future__ import annotations

import re
import secrets
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from inbox import bodies, people
from inbox.blobs import MissingBlob, blobs
from inbox.config import settings
from inbox.errors import N_, Conflict, NotFound, UserError
from inbox.mail import names, safe_html
from inbox.mail.address_check import WrongAddress, split_typed
from inbox.mail.compose import forward_subject, header_safe, reply_subject
from inbox.mail.parse import parse
from inbox.models import (
    Attachment,
    Conversation,
    Draft,
    DraftFile,
    Mailbox,
    MailboxAccess,
    MailboxAddress,
    Message,
    User,
)
from inbox.models.outgoing import DRAFT_KINDS
from inbox.people import Viewer

LONGEST = 500_000  # characters of a draft's text or HTML
MOST_PEOPLE = 200  # recipients in one field
MOST_FILES = 100
HEAD = 200_000  # bytes of a mail in which its headers are looked for
SHOWN_QUOTATION = 20_000  # characters
FIELDS = ("from_address", "to", "cc", "bcc", "subject", "html", "text", "quote", "kind", "seen_version")
UNANSWERABLE = ("bounce", "feedback_report")
PICTURE_OF_NOTHING = re.compile(r'<img(?:\s+(?!src=)[\w-]+="[^"]*")*\s*/?>')  # its file was taken off
PAIR = tuple[str, str]


@dataclass(frozen=True)
class DraftFileView:
    id: int
    name: str
    content_type: str
    size: int  # bytes
    content_id: str  # of an inline image; "" for a file
    path: str  # where the author's browser loads it from

    @property
    def inline(self) -> bool:
        return bool(self.content_id)


@dataclass(frozen=True)
class DraftView:
    """A draft as its composer shows it. Signature and quoted mail are not in it: they are added when it is sent.

    `html` refers to inline images by cid:, `editor_html` by their path. People are (name, address) pairs; an address
    that was not typed to its end stands as it is, and sending will name it.
    """

    id: int
    conversation_id: int | None
    mailbox_id: int
    mailbox_name: str
    author_id: int
    author_name: str
    kind: str  # reply, reply_all, forward, new
    state: str  # open, asked (for approval), later, sent, discarded
    answers_id: int | None
    from_address: str
    from_choices: tuple[PAIR, ...]  # (name, address)
    to: tuple[PAIR, ...]
    cc: tuple[PAIR, ...]
    bcc: tuple[PAIR, ...]
    subject: str
    html: str
    editor_html: str
    text: str
    quote: bool
    seen_version: int
    refused_at: datetime | None
    came_back: str  # returned, approved, wrote_first, stale, failed: why its author has it again; "" usually
    rev: int
    updated_at: datetime
    touched: bool  # its author put something into it
    files: tuple[DraftFileView, ...]
    signature_html: str  # what will stand below the words


@dataclass(frozen=True)
class DraftRow:
    """One line of the drafts page."""

    id: int
    conversation_id: int | None
    mailbox_id: int
    mailbox_name: str
    colour: str
    kind: str
    subject: str
    to: tuple[PAIR, ...]
    snippet: str
    files: int
    refused_at: datetime | None
    came_back: str
    updated_at: datetime


@dataclass(frozen=True)
class Quotation:
    """The mail that will stand below the words: an answer quotes it, a forward carries it."""

    message_id: int
    name: str
    address: str
    at: datetime
    text: str  # at most SHOWN_QUOTATION characters of it


class StaleDraft(Conflict):
    """Another device or tab saved meanwhile. `newer` stands on the server; what was refused is in the request."""

    def __init__(self, newer: DraftView) -> None:
        super().__init__(N_("This draft was changed on another device. Both versions are shown; choose one."))
        self.newer = newer


def start(
    session: Session,
    who: Viewer,
    kind: str,
    *,
    conversation_id: int | None = None,
    mailbox_id: int | None = None,
    message_id: int | None = None,
    now: datetime,
) -> DraftView:
    """The open draft of `who` for that conversation and kind, or a new one with everything filled in that is known.

    `message_id`: answer or forward this message instead of the latest. Opening it again means: seen up to now.
    """
    if kind not in DRAFT_KINDS:
        raise NotFound
    if kind == "new":
        return _start_new(session, who, mailbox_id, now=now)
    if conversation_id is None:
        raise NotFound
    conversation = people.conversation(session, who, conversation_id, lock=True)
    draft = _open_draft(session, who, kind, conversation_id)
    if draft is not None and message_id in (None, draft.answers_id):
        draft.seen_version = conversation.version
        session.flush()
        return view(session, draft)
    draft = _filled(session, who, kind, conversation, message_id=message_id, now=now)
    session.add(draft)
    session.flush()
    if kind == "forward" and draft.answers_id is not None:
        _take_files_along(session, who, draft, draft.answers_id)
    return view(session, draft)


def save(
    session: Session, who: Viewer, draft_id: int, *, rev: int, fields: Mapping[str, Any], now: datetime
) -> DraftView:
    """Stores what the composer shows. `fields`: some of FIELDS; people as typed text or (name, address) pairs.

    Raises StaleDraft when another device saved since `rev`, UserError for a field that cannot be.
    """
    draft = _mine(session, who, draft_id)
    unknown = set(fields) - set(FIELDS)
    if unknown:
        raise UserError(N_("Unknown field: %(name)s"), name=sorted(unknown)[0])
    values = {name: _value(session, who, draft, name, value) for name, value in fields.items()}
    if "kind" in values and values["kind"] != draft.kind:
        values |= _other_recipients(session, draft, values["kind"], values)
    changed = session.execute(
        update(Draft)
        .where(Draft.id == draft_id, Draft.rev == rev, Draft.state == "open")
        .values(**values, rev=rev + 1, updated_at=now)
        .execution_options(synchronize_session=False)
    )
    session.refresh(draft)
    if changed.rowcount != 1 and not _same(draft, values):
        raise StaleDraft(view(session, draft))
    return view(session, draft)


def correct(
    session: Session,
    draft: Draft,
    fields: Mapping[str, Any],
    *,
    removed: Collection[int] = (),
    added: Sequence[DraftFile] = (),
    files_at: str = "",
    now: datetime,
) -> None:
    """An approver's changes to a locked draft; the caller knows who may. Words left alone keep their rich text.

    `fields`: to, cc, bcc, subject, and html or text. `removed`: ids of the draft's files; `added`: files put aside.
    `files_at`: where the approver's browser loads them from. Raises UserError for a field that cannot be.
    """
    other_files = _other_files(session, draft, removed, added)
    values: dict[str, Any] = {}
    for name in ("to", "cc", "bcc"):
        if name in fields:
            values[name] = [list(pair) for pair in _typed(fields[name], field=name)]
    if "subject" in fields:
        values["subject"] = header_safe(str(fields["subject"]))[:1_000]
    values |= _other_words(draft, fields, files_at, pictures_gone=bool(removed))
    changed = {name: value for name, value in values.items() if value != getattr(draft, name)}
    for name, value in changed.items():
        setattr(draft, name, value)
    for file in added:
        if file.content_id and file in draft.files and f"cid:{file.content_id}" not in draft.html:
            draft.files.remove(file)  # a picture that was taken out of the text again
    if changed or other_files:
        draft.rev, draft.updated_at = draft.rev + 1, now
    session.flush()


def put_aside(
    session: Session,
    draft: Draft,
    approval_id: int,
    *,
    name: str,
    content_type: str,
    data: bytes,
    inline: bool = False,
    files_at: str,
) -> DraftFileView:
    """A file that an approver would add, kept beside the draft until they decide. Raises UserError when those together
    get too large."""
    file = _new_file(aside(session, approval_id), name=name, content_type=content_type, data=data, inline=inline)
    file.draft_id, file.approval_id = draft.id, approval_id
    session.add(file)
    session.flush()
    return file_view(files_at, file)


def aside(session: Session, approval_id: int) -> list[DraftFile]:
    """What approvers have put aside for this request, oldest first."""
    wanted = select(DraftFile).where(DraftFile.approval_id == approval_id).order_by(DraftFile.id)
    return list(session.scalars(wanted))


def _other_files(session: Session, draft: Draft, removed: Collection[int], added: Sequence[DraftFile]) -> bool:
    """Takes files off the draft and hangs others on it; whether any."""
    gone = [file for file in draft.files if file.id in removed]
    for file in gone:
        draft.files.remove(file)
    for file in added:
        file.approval_id = None
    session.flush()
    session.expire(draft, ["files"])
    if added and len(draft.files) > MOST_FILES:
        raise UserError(N_("At most %(most)d files in one mail."), field="file", most=MOST_FILES)
    return bool(gone or added)


def _other_words(draft: Draft, fields: Mapping[str, Any], files_at: str, *, pictures_gone: bool) -> dict[str, str]:
    """What html and text become. The same HTML, or the same words as text, leave every byte as it is."""
    if "html" in fields:
        given = str(fields["html"]).replace("\r\n", "\n")
        html = _stored_html(draft, given, files_at)
        html = PICTURE_OF_NOTHING.sub("", html) if pictures_gone else html
        return {} if html == draft.html.replace("\r\n", "\n") else {"html": html, "text": ""}
    if "text" in fields:
        text = _short_enough(str(fields["text"]).replace("\0", "").replace("\r\n", "\n"), field="text")
        if text.split() != words(draft).split():
            return {"html": "", "text": text}
    if pictures_gone and draft.html and "cid:" in draft.html:
        return {"html": PICTURE_OF_NOTHING.sub("", _stored_html(draft, draft.html))}
    return {}


def show(session: Session, who: Viewer, draft_id: int) -> DraftView:
    """An own draft, whatever its state."""
    return view(session, _mine(session, who, draft_id, any_state=True))


def discard(session: Session, who: Viewer, draft_id: int, *, now: datetime) -> None:
    draft = _mine(session, who, draft_id)
    draft.state, draft.updated_at = "discarded", now
    session.flush()


def move(session: Session, who: Viewer, draft_id: int, mailbox_id: int, *, now: datetime) -> DraftView:
    """A new mail leaves from another mailbox: its words stay, its From address is that mailbox's."""
    draft = _mine(session, who, draft_id)
    mailbox = people.mailbox(session, who, mailbox_id)
    if draft.kind != "new" or draft.conversation_id is not None:
        raise Conflict(N_("An answer leaves from the mailbox that the customer wrote to."))
    if draft.mailbox_id != mailbox.id:
        draft.mailbox_id, draft.from_address = mailbox.id, mailbox.address
        draft.rev, draft.updated_at = draft.rev + 1, now
        session.flush()
    return view(session, draft)


def leave_from(session: Session, conversation_id: int, mailbox: Mailbox) -> dict[str, list[Any]]:
    """The open drafts of a conversation go with it into another mailbox and leave from there.

    By id of the draft: mailbox and address before, and since; as JSON can hold them.
    """
    conversation = session.get_one(Conversation, conversation_id)
    changed: dict[str, list[Any]] = {}
    for draft in session.scalars(select(Draft).where(Draft.conversation_id == conversation_id, Draft.state == "open")):
        before = [draft.mailbox_id, draft.from_address]
        _leave_from(session, draft, conversation, mailbox)
        changed[str(draft.id)] = [*before, draft.mailbox_id, draft.from_address]
    session.flush()
    return changed


def follow(session: Session, draft: Draft) -> None:
    """The same for one that was locked while its conversation went, and is open again."""
    if draft.conversation_id is None:
        return
    conversation = session.get_one(Conversation, draft.conversation_id)
    if conversation.mailbox_id != draft.mailbox_id:
        _leave_from(session, draft, conversation, session.get_one(Mailbox, conversation.mailbox_id))


def _leave_from(session: Session, draft: Draft, conversation: Conversation, mailbox: Mailbox) -> None:
    base = session.get(Message, draft.answers_id) if draft.answers_id is not None else None
    draft.from_address = _written_to(session, mailbox, conversation, base)
    draft.mailbox_id = mailbox.id


def bring_back(session: Session, who: Viewer, draft_id: int, *, now: datetime) -> DraftView:
    """A draft that its author discarded is open again. Raises Conflict for one that was sent."""
    draft = _mine(session, who, draft_id, any_state=True)
    if draft.state not in ("open", "discarded"):
        raise Conflict(N_("This draft was sent or discarded already."))
    draft.state, draft.updated_at = "open", now
    session.flush()
    return view(session, draft)


def quotation(session: Session, who: Viewer, draft: DraftView) -> Quotation | None:
    """What an answer quotes or a forward carries; None for a new mail."""
    if draft.answers_id is None or not who.may_see(draft.mailbox_id):
        return None
    found = session.get(Message, draft.answers_id)
    if found is None:
        return None
    return Quotation(found.id, found.from_name, found.from_address, found.at, found.text[:SHOWN_QUOTATION])


def add_file(
    session: Session,
    who: Viewer,
    draft_id: int,
    *,
    name: str,
    content_type: str,
    data: bytes,
    inline: bool = False,
    now: datetime,
) -> DraftFileView:
    """Attaches a file, or with `inline` a picture for the text. Raises UserError when all together get too large."""
    draft = _mine(session, who, draft_id)
    file = _new_file(draft.files, name=name, content_type=content_type, data=data, inline=inline)
    draft.files.append(file)
    draft.updated_at = now
    session.flush()
    return file_view(files_of(draft.id), file)


def _new_file(others: Sequence[DraftFile], *, name: str, content_type: str, data: bytes, inline: bool) -> DraftFile:
    """A file beside `others`, its bytes stored. Raises UserError when all together get too large."""
    most = settings().max_upload_bytes
    if sum(file.size for file in others) + len(data) > most or len(others) >= MOST_FILES:
        raise UserError(N_("All files together may have %(most)d MB."), field="file", most=most // 1_000_000)
    safe = names.safe_type(name, content_type, data)
    if inline and safe not in names.INLINE_IMAGES:
        raise UserError(N_("Only pictures can stand inside the text."), field="file")
    return DraftFile(
        name=names.clean_name(name, safe),
        content_type=safe,
        size=len(data),
        sha256=blobs().put(data),
        content_id=f"{secrets.token_hex(12)}@inline" if inline else "",
    )


def remove_file(session: Session, who: Viewer, draft_id: int, file_id: int, *, now: datetime) -> None:
    draft = _mine(session, who, draft_id)
    draft.files.remove(_file(draft, file_id))
    draft.updated_at = now
    session.flush()


def file(session: Session, who: Viewer, draft_id: int, file_id: int) -> tuple[str, str, bytes]:
    """(name, safe content type, bytes) of an own draft's file."""
    found = _file(_mine(session, who, draft_id, any_state=True), file_id)
    return found.name, found.content_type, blobs().get(found.sha256)


def page(session: Session, who: Viewer) -> tuple[DraftRow, ...]:
    """The open drafts of `who`, last touched first."""
    files = select(func.count()).where(DraftFile.draft_id == Draft.id).scalar_subquery()
    wanted = (
        select(Draft, Mailbox.name, Mailbox.colour, files)
        .join(Mailbox, Mailbox.id == Draft.mailbox_id)
        .where(Draft.author_id == who.id, Draft.state == "open", Draft.touched, Draft.mailbox_id.in_(who.mailbox_ids))
        .order_by(Draft.updated_at.desc(), Draft.id.desc())
        .limit(500)
    )
    return tuple(
        DraftRow(
            id=draft.id,
            conversation_id=draft.conversation_id,
            mailbox_id=draft.mailbox_id,
            mailbox_name=mailbox_name,
            colour=colour,
            kind=draft.kind,
            subject=draft.subject,
            to=_pairs(draft.to),
            snippet=" ".join(words(draft).split())[:200],
            files=count,
            refused_at=draft.refused_at,
            came_back=draft.came_back,
            updated_at=draft.updated_at,
        )
        for draft, mailbox_name, colour, count in session.execute(wanted)
    )


def of_conversation(session: Session, conversation_id: int) -> tuple[DraftView, ...]:
    """All open drafts in a conversation, of everybody, oldest first; the caller knows who may see it."""
    wanted = select(Draft).where(Draft.conversation_id == conversation_id, Draft.state == "open").order_by(Draft.id)
    return tuple(view(session, draft) for draft in session.scalars(wanted))


def words(draft: Draft | DraftView) -> str:
    """The draft's words as plain text."""
    return safe_html.to_text(draft.html) if draft.html else draft.text


def html_words(html: str) -> str:
    """The words of an editor's HTML as plain text."""
    return safe_html.to_text(html)


def files_of(draft_id: int) -> str:
    """Where its author's browser loads a draft's files from."""
    return f"/drafts/{draft_id}/files"


def loaded_from(shown: DraftView, files_at: str) -> DraftView:
    """The draft as somebody sees it who loads its files from another address."""
    files = tuple(replace(one, path=f"{files_at}/{one.id}") for one in shown.files)
    return replace(shown, files=files, editor_html=_with_paths(shown.html, files))


def view(session: Session, draft: Draft) -> DraftView:
    mailbox = session.get_one(Mailbox, draft.mailbox_id)
    author = session.get_one(User, draft.author_id)
    own = session.get(MailboxAccess, (draft.author_id, draft.mailbox_id))
    files = tuple(file_view(files_of(draft.id), file) for file in draft.files)
    return DraftView(
        id=draft.id,
        conversation_id=draft.conversation_id,
        mailbox_id=draft.mailbox_id,
        mailbox_name=mailbox.name,
        author_id=draft.author_id,
        author_name=author.name,
        kind=draft.kind,
        state=draft.state,
        answers_id=draft.answers_id,
        from_address=draft.from_address,
        from_choices=_from_choices(mailbox, own),
        to=_pairs(draft.to),
        cc=_pairs(draft.cc),
        bcc=_pairs(draft.bcc),
        subject=draft.subject,
        html=draft.html,
        editor_html=_with_paths(draft.html, files),
        text=draft.text,
        quote=draft.quote,
        seen_version=draft.seen_version,
        refused_at=draft.refused_at,
        came_back=draft.came_back,
        rev=draft.rev,
        updated_at=draft.updated_at,
        touched=draft.touched,
        files=files,
        signature_html=mailbox.signature_html if own is None or own.signature_html is None else own.signature_html,
    )


# -- what a new draft is filled with


def _start_new(session: Session, who: Viewer, mailbox_id: int | None, *, now: datetime) -> DraftView:
    """An untouched draft is taken up again, so that looking at the composer leaves no litter."""
    mailbox = people.mailbox(session, who, mailbox_id if mailbox_id is not None else next(iter(who.mailbox_ids), 0))
    wanted = select(Draft).where(
        Draft.author_id == who.id,
        Draft.mailbox_id == mailbox.id,
        Draft.kind == "new",
        Draft.state == "open",
        Draft.rev == 1,
    )
    draft = next((one for one in session.scalars(wanted.order_by(Draft.id)) if not one.files), None)
    if draft is None:
        draft = Draft(mailbox_id=mailbox.id, kind="new", from_address=mailbox.address, quote=False, **_born(who, now))
        session.add(draft)
        session.flush()
    return view(session, draft)


def _filled(
    session: Session, who: Viewer, kind: str, conversation: Conversation, *, message_id: int | None, now: datetime
) -> Draft:
    mailbox = session.get_one(Mailbox, conversation.mailbox_id)
    base = _base(session, kind, conversation, message_id)
    subject = (base.subject if base is not None else "") or conversation.subject
    to, cc = _recipients(session, kind, base)
    return Draft(
        conversation_id=conversation.id,
        mailbox_id=mailbox.id,
        kind=kind,
        answers_id=base.id if base is not None else None,
        from_address=_written_to(session, mailbox, conversation, base),
        to=[list(pair) for pair in to],
        cc=[list(pair) for pair in cc],
        subject=forward_subject(subject) if kind == "forward" else reply_subject(subject),
        quote=kind == "forward" or mailbox.quote_replies,
        seen_version=conversation.version,
        **_born(who, now),
    )


def _born(who: Viewer, now: datetime) -> dict[str, Any]:
    return {"author_id": who.id, "state": "open", "rev": 1, "created_at": now, "updated_at": now}


def _open_draft(session: Session, who: Viewer, kind: str, conversation_id: int) -> Draft | None:
    wanted = select(Draft).where(
        Draft.author_id == who.id, Draft.conversation_id == conversation_id, Draft.kind == kind, Draft.state == "open"
    )
    return session.scalars(wanted.order_by(Draft.id.desc()).limit(1)).first()


def _base(session: Session, kind: str, conversation: Conversation, message_id: int | None) -> Message | None:
    """The message that is answered or forwarded: the one asked for, else the customer's latest, else our own latest.

    A sender who took no part before (`unverified`) is never answered by default: whoever knows a Message-ID could put
    himself into a conversation.
    """
    latest = (
        select(Message).where(Message.conversation_id == conversation.id).order_by(Message.at.desc(), Message.id.desc())
    )
    if message_id is not None:
        asked = session.scalar(latest.where(Message.id == message_id))
        if asked is None:
            raise NotFound
        return asked
    latest = latest.limit(1)
    if kind == "forward":
        return session.scalar(latest.where(Message.kind.not_in(UNANSWERABLE))) or session.scalar(latest)
    theirs = latest.where(
        Message.direction == "in",
        Message.unverified.is_(False),
        Message.third_party.is_(False),
        Message.kind.not_in(UNANSWERABLE),
    )
    return (
        session.scalar(theirs.where(Message.kind == "person"))
        or session.scalar(theirs)
        or session.scalar(latest.where(Message.direction == "out"))
    )


def _recipients(session: Session, kind: str, base: Message | None) -> tuple[list[PAIR], list[PAIR]]:
    """(To, Cc) of an answer to `base`; our own addresses never."""
    if base is None or kind == "forward":
        return [], []
    ours = _our_addresses(session)
    if base.direction == "out":
        to, cc = _but(base.to, ours), _but(base.cc, ours) if kind == "reply_all" else []
        return to, _but(cc, {address.lower() for _name, address in to})
    sender = [[base.from_name, base.from_address]]
    to = _but(base.reply_to, ours) or _but(sender, ours)
    if kind == "reply_all" or not to:
        to = _but([*to, *base.to], ours)
    cc = _but(base.cc, ours | {address.lower() for _name, address in to}) if kind == "reply_all" else []
    return to, cc


def _but(given: Iterable[Any], left_out: set[str]) -> list[PAIR]:
    """(name, address) pairs, each address once, without those of `left_out` (lower case)."""
    kept: dict[str, PAIR] = {}
    for name, address in given:
        key = str(address).lower()
        if "@" in key and key not in left_out:
            kept.setdefault(key, (str(name), str(address)))
    return list(kept.values())[:MOST_PEOPLE]


def _our_addresses(session: Session) -> set[str]:
    """Every address of every mailbox: an answer to one of them would come back to us."""
    main, aliases = session.scalars(select(Mailbox.address)), session.scalars(select(MailboxAddress.address))
    return {address.lower() for address in (*main, *aliases)}


def _written_to(session: Session, mailbox: Mailbox, conversation: Conversation, base: Message | None) -> str:
    """The address of the mailbox that the customer wrote to, or that we wrote from before."""
    own = {address.lower(): address for address in (mailbox.address, *(one.address for one in mailbox.addresses))}
    if base is not None and base.direction == "in":
        told = [str(address).lower() for _name, address in (*base.to, *base.cc)]
        for address in told if not own.keys().isdisjoint(told) else _delivered_to(base):
            if address in own:
                return own[address]
    wanted = select(Message.from_address).where(Message.conversation_id == conversation.id, Message.direction == "out")
    before = session.scalar(wanted.order_by(Message.at.desc(), Message.id.desc()).limit(1))
    return own.get((before or "").lower(), mailbox.address)


def _delivered_to(message: Message) -> list[str]:
    """Addresses that servers wrote onto a mail which names none of ours: a blind copy, a forwarder, a list."""
    try:
        raw = blobs().get(message.raw_sha256)
    except MissingBlob:
        return []
    mail = parse(raw[:HEAD].partition(b"\r\n\r\n")[0] + b"\r\n\r\n")
    headers = ("Delivered-To", "X-Original-To", "Envelope-To", "X-Forwarded-To")
    return [value.strip(" <>").lower() for name in headers for value in mail.header_all(name)]


def _take_files_along(session: Session, who: Viewer, draft: Draft, message_id: int) -> None:
    """A forwarded mail keeps its files, as far as they may leave; also pictures of its text, which the quotation
    lacks."""
    wanted = select(Attachment.position, Attachment.size).where(Attachment.message_id == message_id)
    room = settings().max_upload_bytes
    for position, size in session.execute(wanted.order_by(Attachment.position).limit(MOST_FILES)).all():
        if size > room:
            continue
        name, content_type, data = bodies.attachment(session, who, message_id, position)
        draft.files.append(DraftFile(name=name, content_type=content_type, size=len(data), sha256=blobs().put(data)))
        room -= len(data)
    session.flush()


# -- saving


def _value(session: Session, who: Viewer, draft: Draft, name: str, value: Any) -> Any:
    if name in ("to", "cc", "bcc"):
        return [list(pair) for pair in _typed(value, field=name)]
    if name == "subject":
        return header_safe(str(value))[:1_000]
    if name == "html":
        return _stored_html(draft, str(value))
    if name == "text":
        return _short_enough(str(value).replace("\0", ""), field=name)
    if name == "quote":
        return bool(value)
    if name == "kind":
        if value not in DRAFT_KINDS or (value == "new") != (draft.kind == "new"):
            raise UserError(N_("Choose one of the list."), field=name)
        return value
    if name == "seen_version":
        return int(value)
    return _own_address(session, draft, str(value))


def _typed(value: Any, *, field: str) -> list[PAIR]:
    """People as typed or as pairs. What is no address yet is kept as it stands: the author is still writing."""
    if not isinstance(value, str):
        pairs = [(header_safe(str(name)), header_safe(str(address)).strip()) for name, address in value]
    else:
        try:
            pairs = [(one.name, one.address) for one in split_typed(value)]
        except WrongAddress:
            pairs = [pair for piece in re.split(r"[,;\n\r、，；]", value) for pair in _typed_one(piece)]
    if len(pairs) > MOST_PEOPLE:
        raise UserError(N_("At most %(most)d recipients in one field."), field=field, most=MOST_PEOPLE)
    return pairs


def _typed_one(piece: str) -> list[PAIR]:
    try:
        return [(one.name, one.address) for one in split_typed(piece)]
    except WrongAddress:
        plain = header_safe(piece).strip()
        return [("", plain)] if plain else []


def _stored_html(draft: Draft, html: str, files_at: str = "") -> str:
    """Sanitised, inline pictures by their cid: whatever path the editor showed them under."""
    files_at = files_at or files_of(draft.id)
    for file in draft.files:
        if file.content_id:
            html = html.replace(f'src="{files_at}/{file.id}"', f'src="cid:{file.content_id}"')
    known = {f"cid:{file.content_id}" for file in draft.files if file.content_id}
    clean = safe_html.clean(
        _short_enough(html.replace("\0", ""), field="html"),
        image_url=lambda source: source if source in known else None,
    )
    return clean.html


def _with_paths(html: str, files: tuple[DraftFileView, ...]) -> str:
    for one in files:
        if one.content_id:
            html = html.replace(f'src="cid:{one.content_id}"', f'src="{one.path}"')
    return html


def _short_enough(text: str, *, field: str) -> str:
    if len(text) > LONGEST:
        raise UserError(N_("This text is too long to be sent as one mail."), field=field)
    return text


def _own_address(session: Session, draft: Draft, address: str) -> str:
    mailbox = session.get_one(Mailbox, draft.mailbox_id)
    own = {known.lower(): known for known in (mailbox.address, *(one.address for one in mailbox.addresses))}
    if address.lower() not in own:
        raise UserError(N_("The mailbox does not have this address."), field="from_address")
    return own[address.lower()]


def _other_recipients(session: Session, draft: Draft, kind: str, values: dict[str, Any]) -> dict[str, Any]:
    """Reply turned into reply to all, or back: recipients as for that kind, unless they come with it."""
    base = session.get(Message, draft.answers_id) if draft.answers_id is not None else None
    to, cc = _recipients(session, kind, base)
    filled = {"to": [list(pair) for pair in to], "cc": [list(pair) for pair in cc]}
    return {name: pairs for name, pairs in filled.items() if name not in values}


def _same(draft: Draft, values: dict[str, Any]) -> bool:
    """Whether the server holds these very words already: the answer to the first try was lost on its way."""
    return draft.state == "open" and all(getattr(draft, name) == value for name, value in values.items())


def _mine(session: Session, who: Viewer, draft_id: int, *, any_state: bool = False) -> Draft:
    draft = session.get(Draft, draft_id)
    if draft is None or draft.author_id != who.id or not who.may_see(draft.mailbox_id):
        raise NotFound
    if draft.state != "open" and not any_state:
        raise Conflict(N_("This draft was sent or discarded already."))
    return draft


def _file(draft: Draft, file_id: int) -> DraftFile:
    found = next((one for one in draft.files if one.id == file_id), None)
    if found is None:
        raise NotFound
    return found


def file_view(files_at: str, file: DraftFile) -> DraftFileView:
    """`files_at`: where whoever looks loads it from."""
    return DraftFileView(
        id=file.id,
        name=file.name,
        content_type=file.content_type,
        size=file.size,
        content_id=file.content_id,
        path=f"{files_at}/{file.id}",
    )


def _from_choices(mailbox: Mailbox, own: MailboxAccess | None) -> tuple[PAIR, ...]:
    """The addresses of the mailbox with the name that would stand before each."""
    choices = {mailbox.address.lower(): (mailbox.display_name, mailbox.address)}
    for alias in mailbox.addresses:
        choices.setdefault(alias.address.lower(), (alias.display_name or mailbox.display_name, alias.address))
    return tuple((own.from_name if own and own.from_name else name, address) for name, address in choices.values())


def _pairs(stored: Iterable[Any]) -> tuple[PAIR, ...]:
    return tuple((str(name), str(address)) for name, address in stored)
