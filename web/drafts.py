"""Drafts: the list of what is not sent yet, and everything the composer does to one except sending it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from html import escape
from typing import Any

from flask import Blueprint, Response, g, jsonify, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from inbox import approvals, drafts, people, presence, sidebar
from inbox.config import settings
from inbox.drafts import DraftView, StaleDraft
from inbox.errors import N_, Conflict, NotFound, UserError
from web import edge, language, later
from web.language import gettext
from web.serving import bytes_response
from web.words import words

pages = Blueprint("drafts", __name__)

PAIR = tuple[str, str]
WAY = (
    "box", "mailbox", "tag", "owner", "order", "category", "person", "team", "priority", "waiting", "tier", "phase",
    "field", "value", "text", "view",
)  # parts of a list's address  # fmt: skip
DECIDED = ("returned", "approved")  # a draft that came back from its approver
UNSPOKEN = '(),:;<>@[]\\"'  # characters that a display name needs quotation marks for


# -- pages


@pages.get("/drafts")
def show() -> str:
    return render_template("drafts/show.html", rows=drafts.page(g.session, g.who))


@pages.post("/drafts")
def start() -> AnyResponse | str:
    """Opens the composer: {kind, conversation_id?, message_id?, mailbox_id?}. A script gets the composer alone."""
    given = request.form
    draft = drafts.start(
        g.session,
        g.who,
        given.get("kind", ""),
        conversation_id=given.get("conversation_id", type=int),
        message_id=given.get("message_id", type=int),
        mailbox_id=given.get("mailbox_id", type=int),
        now=g.now,
    )
    if edge.fragment():
        return _alone(draft)
    return redirect(where(draft, way_sent()), 303)


@pages.get("/drafts/<int:draft_id>")
def open_(draft_id: int) -> AnyResponse | str:
    """The composer of a new mail on a page of its own; that of an answer stands in its conversation."""
    draft = drafts.show(g.session, g.who, draft_id)
    if draft.state != "open":
        return redirect(where(draft, {}) if draft.conversation_id else url_for("drafts.show"), 303)
    if draft.conversation_id is not None:
        return redirect(where(draft, {}), 303)
    return render_template("drafts/new.html", composer=composer(draft, focus=True), draft=draft, mailboxes=_mailboxes())


@pages.post("/drafts/<int:draft_id>")
def save(draft_id: int) -> AnyResponse | Response | tuple[Any, int]:
    """Keeps what the composer shows. A script gets {rev, said}; 409 with the other version's rev when that is newer."""
    try:
        draft = keep(draft_id)
    except StaleDraft as error:
        if edge.fragment():
            return jsonify(rev=error.newer.rev, said=words(error)), 409
        return conflict_page(error)
    except UserError as error:
        if edge.fragment():
            rest = keep_the_rest(draft_id, error)
            told = {"rev": rest.rev} if rest is not None else {}
            return jsonify(said=words(error), field=error.field, **told), error.status
        return again(draft_id, error)
    if edge.fragment():
        return jsonify(rev=draft.rev, said=saved_words())
    edge.tell(gettext("The draft is saved."))
    return redirect(where(draft, way_sent()), 303)


@pages.post("/drafts/<int:draft_id>/kind")
def change_kind(draft_id: int) -> AnyResponse | str | tuple[Any, int]:
    """Reply becomes reply to all or forward, and back; the words stay, the recipients follow."""
    try:
        draft = keep(draft_id, leave_out=("to", "cc"), kind=request.form.get("new_kind", ""))
    except StaleDraft as error:
        return conflict_page(error)
    if edge.fragment():
        return _alone(draft)
    return redirect(where(draft, way_sent()), 303)


@pages.post("/drafts/<int:draft_id>/mailbox")
def move(draft_id: int) -> AnyResponse | tuple[Any, int]:
    """{mailbox_id}: a new mail leaves from another mailbox."""
    try:
        keep(draft_id, leave_out=("from_address",))
    except StaleDraft as error:
        return conflict_page(error)
    drafts.move(g.session, g.who, draft_id, request.form.get("mailbox_id", 0, type=int), now=g.now)
    return redirect(url_for("drafts.open_", draft_id=draft_id), 303)


@pages.post("/drafts/<int:draft_id>/discarding")
def discard(draft_id: int) -> AnyResponse:
    draft = drafts.show(g.session, g.who, draft_id)
    drafts.discard(g.session, g.who, draft_id, now=g.now)
    if draft.conversation_id is not None:
        presence.release(g.session, g.who, draft.conversation_id)
    edge.tell(gettext("The draft is discarded."), undo=url_for("drafts.bring_back", draft_id=draft_id))
    if draft.conversation_id is not None:
        return redirect(url_for("conversations.show", conversation_id=draft.conversation_id, **way_sent()), 303)
    return redirect(url_for("drafts.show"), 303)


@pages.post("/drafts/<int:draft_id>/return")
def bring_back(draft_id: int) -> AnyResponse:
    """A discarded draft is open again."""
    draft = drafts.bring_back(g.session, g.who, draft_id, now=g.now)
    return redirect(where(draft, {}), 303)


# -- files


@pages.post("/drafts/<int:draft_id>/files")
def attach(draft_id: int) -> AnyResponse | Response | tuple[Any, int]:
    """Files of the field `file`. A script sends one and gets {html, url}; the plain form keeps its words."""
    try:
        if not edge.fragment() and "rev" in request.form:
            keep(draft_id)
        added = [drafts.add_file(g.session, g.who, draft_id, **one, now=g.now) for one in sent_files()]
        if not added:
            raise UserError(N_("Choose a file first."), field="file")
    except StaleDraft as error:
        return conflict_page(error)
    except Conflict:
        raise
    except NotFound:
        raise
    except UserError as error:
        if edge.fragment():
            return jsonify(said=words(error)), error.status
        return again(draft_id, error)
    if edge.fragment():
        html = "".join(render_template("drafts/file.html", file=one, draft_id=draft_id) for one in added)
        return jsonify(html=html, url=added[0].path)
    return redirect(where(drafts.show(g.session, g.who, draft_id), way_sent()), 303)


def sent_files() -> Iterator[dict[str, Any]]:
    """{name, content_type, data, inline} of each file that the form sent; the fields are `file` and `inline`."""
    for sent in request.files.getlist("file"):
        if sent.filename:
            yield {
                "name": sent.filename,
                "content_type": sent.mimetype or "application/octet-stream",
                "data": sent.read(),
                "inline": bool(request.form.get("inline")),
            }


@pages.get("/drafts/<int:draft_id>/files/<int:file_id>")
def file(draft_id: int, file_id: int) -> Response:
    """An own attached file: pictures as such, everything else to download."""
    name, content_type, data = drafts.file(g.session, g.who, draft_id, file_id)
    return bytes_response(data, name=name, content_type=content_type, inline=content_type.startswith("image/"))


@pages.post("/drafts/<int:draft_id>/files/<int:file_id>/removal")
def remove_file(draft_id: int, file_id: int) -> AnyResponse | tuple[str, int]:
    if not edge.fragment() and "rev" in request.form:
        keep(draft_id)
    drafts.remove_file(g.session, g.who, draft_id, file_id, now=g.now)
    if edge.fragment():
        return "", 204
    return redirect(where(drafts.show(g.session, g.who, draft_id), way_sent()), 303)


# -- what a composer shows


@dataclass(frozen=True)
class Composer:
    """A draft as its form shows it; people as text, words as HTML for the editor and as text for the plain field."""

    draft: DraftView
    to: str
    cc: str
    bcc: str
    html: str
    text: str
    quoted: drafts.Quotation | None
    seen_version: int
    now_at: int  # the conversation's version
    here: str
    way: dict[str, Any]
    focus: str  # yes, to or ""
    errors: Mapping[str, str]
    holder: Any
    times: tuple[tuple[str, str, datetime], ...]  # to send it later
    came_back: str  # why its author has it again, in words
    approval_id: int | None  # of the request that was decided
    words: dict[str, str]
    most_bytes: int

    @property
    def behind(self) -> bool:
        """Whether something arrived that the author has not said to have read."""
        return self.now_at > self.seen_version


def _alone(draft: DraftView) -> str:
    """The composer as a script sets it in, with what its page would say of the conversation by now."""
    more: dict[str, Any] = {}
    if draft.conversation_id is not None:
        more["holder"] = presence.of_another(g.session, g.who, draft.conversation_id, now=g.now)
        more["now_at"] = people.conversation(g.session, g.who, draft.conversation_id).version
    return render_template("drafts/composer.html", composer=composer(draft, way=way_sent(), focus=True, **more))


def composer(
    draft: DraftView,
    *,
    way: dict[str, Any] | None = None,
    focus: bool = False,
    errors: Mapping[str, str] | None = None,
    holder: Any = None,
    now_at: int = 0,
) -> Composer:
    way = way or {}
    return Composer(
        draft=draft,
        to=typed(draft.to),
        cc=typed(draft.cc),
        bcc=typed(draft.bcc),
        html=draft.editor_html or as_html(draft.text),
        text=drafts.words(draft),
        quoted=drafts.quotation(g.session, g.who, draft),
        seen_version=draft.seen_version,
        now_at=now_at,
        here=where(draft, way),
        way=way,
        focus=("to" if not draft.to else "yes") if focus else "",
        errors=errors or {},
        holder=holder,
        times=later.choices(g.now, language.zone()),
        came_back=came_back_words(draft.came_back),
        approval_id=approvals.last_of_draft(g.session, draft.id) if draft.came_back in DECIDED else None,
        words=script_words(),
        most_bytes=settings().max_upload_bytes,
    )


def came_back_words(why: str) -> str:
    """Why a mail is a draft of its author again; "" for any other draft."""
    return {
        "": "",
        "returned": gettext("The approver returned this mail."),
        "approved": gettext("Approved: it may leave exactly as it stands."),
        "wrote_first": gettext("The customer wrote first, so this mail was not sent at its time."),
        "stale": gettext("The conversation went on, so this mail was not sent at its time."),
        "failed": gettext("This mail could not be sent at its time."),
    }[why]


def where(draft: DraftView, way: Mapping[str, Any]) -> str:
    """The address of the page where this draft is written on."""
    if draft.conversation_id is None:
        return url_for("drafts.open_", draft_id=draft.id)
    return url_for(
        "conversations.show", conversation_id=draft.conversation_id, draft=draft.id, **way, _anchor="composer"
    )


def way(given: Mapping[str, Any]) -> dict[str, Any]:
    """From which list one came: handed on from page to page, so that "next" means that list's next."""
    return {name: given[name] for name in WAY if given.get(name)}


def way_sent() -> dict[str, Any]:
    """The same as a form sends it, under other names: a form's "owner" or "tag" is what to do, not where one was."""
    return {name: request.form[f"way_{name}"] for name in WAY if request.form.get(f"way_{name}")}


# -- saving


def keep(draft_id: int, *, leave_out: tuple[str, ...] = (), **more: Any) -> DraftView:
    """Stores the words and fields that the form sent. Raises StaleDraft, UserError with the field."""
    values = {name: value for name, value in fields(draft_id).items() if name not in leave_out} | more
    return drafts.save(g.session, g.who, draft_id, rev=request.form.get("rev", 0, type=int), fields=values, now=g.now)


def keep_the_rest(draft_id: int, error: UserError) -> DraftView | None:
    """Stores all but the field that was refused, so that a wrong address costs no words; None when that cannot be."""
    edge.begin_again(roll_back=True)
    refused = ("text", "html") if error.field in ("text", "html") else (error.field,)
    try:
        rest = keep(draft_id, leave_out=refused)
    except UserError:
        edge.begin_again(roll_back=True)
        return None
    g.commit_anyway = True
    return rest


def fields(draft_id: int) -> dict[str, Any]:
    """What the composer's form may change; nothing else of the request is looked at."""
    form = request.form
    found: dict[str, Any] = {
        name: form[name] for name in ("from_address", "to", "cc", "bcc", "subject") if name in form
    }
    if "html" in form:
        found |= {"html": form["html"], "text": ""}
    elif "text" in form:
        draft = drafts.show(g.session, g.who, draft_id)
        if plain(form["text"]) != plain(drafts.words(draft)):  # untouched words keep their rich text
            found |= {"text": form["text"], "html": ""}
    if "quote_shown" in form:
        found["quote"] = "quote" in form
    seen = form.get("seen_version", type=int)
    return found if seen is None else found | {"seen_version": seen}


def again(draft_id: int, error: UserError) -> tuple[str, int]:
    """The page with the composer once more, the error at its field; what was typed is shown, stored or not."""
    keep_the_rest(draft_id, error)
    draft = drafts.show(g.session, g.who, draft_id)
    return page_with(typed_over(draft), errors={error.field: words(error)}), error.status


def typed_over(draft: DraftView) -> DraftView:
    """The draft as the form that just came shows it."""
    form = request.form
    shown: dict[str, Any] = {"subject": form.get("subject", draft.subject)}
    for name in ("to", "cc", "bcc"):
        if name in form:
            shown[name] = (("", form[name]),) if form[name].strip() else ()
    if "html" in form:
        shown |= {"text": drafts.html_words(form["html"]), "editor_html": form["html"]}
    elif "text" in form:
        shown |= {"text": form["text"], "html": "", "editor_html": ""}
    return replace(draft, **shown)


def conflict_page(error: StaleDraft) -> tuple[str, int]:
    """Both versions of a draft that was saved on two devices; the person chooses."""
    edge.begin_again(roll_back=True)
    mine = request.form.get("html") or as_html(request.form.get("text", ""))
    return (
        render_template(
            "drafts/conflict.html",
            newer=error.newer,
            mine=request.form,
            mine_text=request.form.get("text") or drafts.html_words(mine),
            newer_text=drafts.words(error.newer),
            here=where(error.newer, way_sent()),
            way=way_sent(),
        ),
        409,
    )


def page_with(draft: DraftView, *, errors: Mapping[str, str]) -> str:
    """The page on which this draft is written, with errors at its fields."""
    if draft.conversation_id is None:
        shown = composer(draft, errors=errors)
        return render_template("drafts/new.html", composer=shown, draft=draft, mailboxes=_mailboxes())
    from web import conversations

    return conversations.page(draft.conversation_id, composing=draft, errors=errors, way=way_sent())


def saved_words() -> str:
    return gettext("Saved %(time)s", time=f"{g.now.astimezone(language.zone()):%H:%M}")


# -- people and words as text


def typed(pairs: tuple[PAIR, ...]) -> str:
    """(name, address) pairs as a person would type them."""
    return ", ".join(_one(name, address) for name, address in pairs)


def _one(name: str, address: str) -> str:
    if not name or name == address:
        return address
    if any(ch in UNSPOKEN for ch in name):
        name = '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return f"{name} <{address}>"


def as_html(text: str) -> str:
    """Plain words for the rich editor: a block per line."""
    if not text.strip():
        return ""
    return "".join(f"<div>{escape(line) or '<br>'}</div>" for line in text.replace("\r\n", "\n").split("\n"))


def plain(text: str) -> str:
    return " ".join(text.split())


def _mailboxes() -> tuple[tuple[int, str], ...]:
    return tuple((one.id, one.name) for one in sidebar.show(g.session, g.who, now=g.now).mailboxes)


def script_words() -> dict[str, str]:
    """What composer.js says."""
    return {
        "unsaved": gettext("Not saved yet"),
        "saving": gettext("Saving…"),
        "failed": gettext("Not saved. Your words stay on this page; it is tried again."),
        "offline": gettext("No connection. Your words stay on this page and are saved when it is back."),
        "conflict": gettext("This draft was changed on another device."),
        "uploading": gettext("Waiting for the files…"),
        "too large": gettext(
            "Too large: files together may have %(mb)d MB.", mb=settings().max_upload_bytes // 1_000_000
        ),
        "remove": gettext("Remove"),
        "remove address": gettext("Remove %(who)s", who="{}"),
    }
