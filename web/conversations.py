"""A conversation: its page, what people do with it without answering, who looks and who writes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from flask import Blueprint, g, redirect, render_template, request, url_for
from markupsafe import Markup
from werkzeug.wrappers import Response as AnyResponse

from inbox import approvals, choices, conversation_page, fields, links, lists, moves, people, presence, triage
from inbox import later as later_sendings
from inbox.conversation_page import ConversationView, EventView, MessageView, NoteView
from inbox.drafts import DraftView
from inbox.errors import N_, UserError
from inbox.mail import linkify, safe_html
from web import drafts, edge, history, house, language, later
from web.inbox import Wanted
from web.language import gettext
from web.words import words

pages = Blueprint("conversations", __name__)

SHOWN_OPEN = 3  # the newest messages; and all that are unread, and the customer's last
FOLDED_ONE_BY_ONE = 4  # more earlier messages than these stand behind one line
SNIPPET = 160  # characters
LINK_BESIDE_ITS_WORDS = re.compile(r"\S <https?://")  # as text made from HTML shows it

Entry = MessageView | NoteView | EventView


# -- the page


@pages.get("/conversations/<int:conversation_id>")
def show(conversation_id: int) -> str | AnyResponse:
    """The page; ?draft=7 opens that draft's composer, ?before=9 shows the messages before that one.

    A script gets the part that changes by itself, without the house around it.
    """
    view = conversation_page.show(
        g.session, g.who, conversation_id, now=g.now, before=request.args.get("before", type=int)
    )
    if view.joined_into_id is not None:
        return redirect(
            url_for("conversations.show", conversation_id=view.joined_into_id, **drafts.way(request.args)), 303
        )
    asked = request.args.get("draft", type=int)
    composing = next((one for one in view.drafts if one.id == asked), None)
    context = _context(view, way=drafts.way(request.args), composing=composing)
    if edge.fragment():
        return render_template("conversations/live.html", **context)
    composer = _composer(view, composing, way=drafts.way(request.args)) if composing else None
    return render_template("conversations/show.html", composer=composer, **context)


def page(conversation_id: int, *, composing: DraftView, errors: Mapping[str, str], way: dict[str, Any]) -> str:
    """The page with a composer whose form was refused."""
    view = conversation_page.show(g.session, g.who, conversation_id, now=g.now)
    composer = _composer(view, composing, way=way, errors=errors)
    return render_template("conversations/show.html", composer=composer, **_context(view, way=way, composing=composing))


def _composer(
    view: ConversationView, draft: DraftView, *, way: dict[str, Any], errors: Mapping[str, str] | None = None
) -> drafts.Composer:
    holder = view.claim if view.claim and not view.claim.mine else None
    return drafts.composer(draft, way=way, focus=errors is None, errors=errors, holder=holder, now_at=view.version)


def _context(view: ConversationView, *, way: dict[str, Any], composing: DraftView | None) -> dict[str, Any]:
    above, below = _neighbours(view.id, way)
    offered = choices.of(g.session, g.who, mailbox_id=view.mailbox_id)
    return {
        "view": view,
        "way": way,
        "shown": _shown(view),
        "team": offered.team,
        "all_tags": offered.tags,
        "categories": offered.categories,
        "fields": fields.of_conversation(g.session, view.id, view.mailbox_id) if view.has_fields else (),
        "links": links.of(g.session, g.who, view.id) if view.has_links else (),
        "move_to": moves.targets(g.session, g.who, but=view.mailbox_id) if len(g.who.mailbox_ids) > 1 else (),
        "scheduled": later_sendings.scheduled(g.session, g.who, conversation_id=view.id) if view.locked else (),
        "approvals": approvals.of_conversation(g.session, g.who, view.id, now=g.now) if view.locked else (),
        "snoozes": later.choices(g.now, language.zone()),
        "status_words": history.snoozed(view.snoozed_until)
        if view.status == "snoozed"
        else history.status(view.status),
        "above": _address(above, way),
        "below": _address(below, way),
        "back": back(way),
        "back_label": house.box_label(way["box"]) if way.get("box") in lists.BOXES else gettext("Back to the list"),
        "other_drafts": [
            (one, drafts.where(one, way))
            for one in view.drafts
            if one.touched and (composing is None or one.id != composing.id)
        ],
        "said": {
            "arrived": gettext("A mail came in while you were here: %(who)s", who="{}"),
            "next message": gettext("Next message"),
            "previous message": gettext("Previous message"),
        },
    }


@dataclass(frozen=True)
class Line:
    """One entry of the thread as it is shown. `folded`: a message that shows one line until it is opened."""

    entry: Entry
    folded: bool
    begin: bool  # where one begins to read
    text: str  # of an event
    snippet: str = ""


@dataclass(frozen=True)
class Shown:
    """`earlier` stand behind one line, `lines` are shown."""

    earlier: tuple[Line, ...]
    earlier_messages: int
    lines: tuple[Line, ...]


def _shown(view: ConversationView) -> Shown:
    """Which messages are open: the newest, all unread ones, the customer's last."""
    ids = [message.id for message in view.messages]
    unread = min(len(ids), max(0, view.version - view.read_version)) if view.read_version else len(ids)
    opened = set(ids[-max(SHOWN_OPEN, unread) :]) if unread < len(ids) else set(ids[-SHOWN_OPEN:] + ids[:1])
    opened.update([message.id for message in view.messages if message.direction == "in"][-1:])
    begin = ids[-unread] if unread and ids else (ids[-1] if ids else 0)
    lines = [line for entry in view.entries if (line := _line(entry, view, opened, begin)) is not None]
    first = next(
        (
            n
            for n, line in enumerate(lines)
            if line.entry.what == "message" and not line.folded and line.entry.id != ids[0]
        ),
        0,
    )
    hidden = [line for line in lines[:first] if line.folded]
    if len(hidden) <= FOLDED_ONE_BY_ONE:
        return Shown((), 0, tuple(lines))
    start = 1 if lines and not lines[0].folded else 0
    return Shown(tuple(lines[start:first]), len(hidden), tuple(lines[:start] + lines[first:]))


def _line(entry: Entry, view: ConversationView, opened: set[int], begin: int) -> Line | None:
    if isinstance(entry, EventView):
        text = history.event(entry, view.names, view.team_names)
        return Line(entry, folded=False, begin=False, text=text) if text else None
    if isinstance(entry, NoteView):
        return Line(entry, folded=False, begin=False, text="")
    snippet = " ".join((entry.new_text or entry.quoted)[:600].split())[:SNIPPET]
    return Line(entry, folded=entry.id not in opened, begin=entry.id == begin, text="", snippet=snippet)


def _neighbours(conversation_id: int, way: Mapping[str, Any]) -> tuple[int | None, int | None]:
    box = way.get("box")
    if box not in lists.BOXES:
        return None, None
    wanted = Wanted.of(box, way)
    return lists.neighbours(g.session, g.who, conversation_id, box, order=wanted.order, **wanted.filters)


def _address(conversation_id: int | None, way: dict[str, Any]) -> str:
    return url_for("conversations.show", conversation_id=conversation_id, **way) if conversation_id else ""


def back(way: dict[str, Any]) -> str:
    """The list one came from."""
    if way.get("box") not in lists.BOXES:
        return url_for("inbox.home")
    return url_for("inbox.show", **way)


def after(conversation_id: int, way: dict[str, Any], *, stay: bool = False) -> str:
    """Where to go when this one is done, as the person chose: the next in the list, the list, or stay."""
    if g.who.after_send == "stay" or stay:
        return url_for("conversations.show", conversation_id=conversation_id, **way)
    if g.who.after_send == "next":
        above, below = _neighbours(conversation_id, way)
        if below or above:
            return _address(below or above, way)
    return back(way)


# -- owner, status, tags, notes


@pages.post("/conversations/<int:conversation_id>/owner")
def assign(conversation_id: int) -> AnyResponse:
    """{owner}: an id, "me" or "" for nobody."""
    view = people.conversation(g.session, g.who, conversation_id)
    before = view.owner_id
    owner = request.form.get("owner", "")
    owner_id = g.who.id if owner == "me" else int(owner) if owner.isascii() and owner.isdigit() else None
    triage.assign(g.session, g.who, conversation_id, owner_id, now=g.now)
    name = dict(people.colleagues(g.session, g.who)).get(owner_id or 0, "")
    told = (
        gettext("It is yours.")
        if owner_id == g.who.id
        else gettext("Given to %(name)s.", name=name)
        if owner_id
        else gettext("Given back to the team.")
    )
    edge.tell(
        told, undo=url_for("conversations.assign", conversation_id=conversation_id), fields={"owner": before or ""}
    )
    return _here(conversation_id)


@pages.post("/conversations/<int:conversation_id>/status")
def set_status(conversation_id: int) -> AnyResponse:
    """{status}: open, waiting, closed, spam, or snoozed with {until}; {as_before}: closed as it was before."""
    before = people.conversation(g.session, g.who, conversation_id).status
    status = request.form.get("status", "")
    goes_on = after(conversation_id, drafts.way_sent())  # before it leaves its place in the list
    given = {"session": g.session, "who": g.who, "conversation_id": conversation_id, "now": g.now}
    if status == "snoozed":
        until = later.read(request.form.get("until", ""), now=g.now, zone=language.zone())
        triage.snooze(**given, until=until, in_any_case="in_any_case" in request.form)
    elif status == "needless":
        triage.close_needless(**given, reason=request.form.get("reason", ""))
    elif status == "open":
        (triage.not_spam if before == "spam" else triage.reopen)(**given)
    elif status == "closed" and "as_before" in request.form:
        triage.close_as_before(**given)
    elif status in ("waiting", "closed", "spam"):
        {"waiting": triage.wait, "closed": triage.close, "spam": triage.spam}[status](**given)
    else:
        raise UserError(N_("Choose what to do."))
    told = {
        "snoozed": gettext("Snoozed."),
        "open": gettext("Open again."),
        "waiting": gettext("Waiting for the customer."),
        "closed": gettext("Closed."),
        "spam": gettext("Marked as spam."),
        "needless": gettext("Closed without an answer."),
    }[status]
    undo = before if before not in ("snoozed", status) else "open"
    edge.tell(
        told,
        undo=url_for("conversations.set_status", conversation_id=conversation_id),
        fields={"status": undo, "here": conversation_id} | ({"as_before": 1} if before == "closed" else {}),
    )
    if status in ("open", "waiting") or "here" in request.form:
        return _here(conversation_id)
    return redirect(goes_on, 303)


@pages.post("/conversations/<int:conversation_id>/tags")
def tag(conversation_id: int) -> AnyResponse:
    triage.tag(g.session, g.who, conversation_id, request.form.get("tag", ""), now=g.now)
    return _here(conversation_id)


@pages.post("/conversations/<int:conversation_id>/tags/<int:tag_id>/removal")
def untag(conversation_id: int, tag_id: int) -> AnyResponse:
    triage.untag(g.session, g.who, conversation_id, tag_id, now=g.now)
    return _here(conversation_id)


@pages.post("/conversations/<int:conversation_id>/notes")
def note(conversation_id: int) -> AnyResponse | tuple[str, int] | tuple[str, int, dict[str, str]]:
    """A note that is refused stays in its field, with the reason beside it."""
    text = request.form.get("text", "")
    try:
        written = triage.note(g.session, g.who, conversation_id, text, now=g.now)
    except UserError as error:
        if error.field != "text":
            raise
        if edge.fragment():
            return words(error), error.status, {"X-Field": error.field}
        view = conversation_page.show(g.session, g.who, conversation_id, now=g.now)
        context = _context(view, way=drafts.way_sent(), composing=None)
        refused = {"note_error": words(error), "note_text": text}
        return render_template("conversations/show.html", composer=None, **context, **refused), error.status
    return _here(conversation_id, anchor=f"note-{written}")


@pages.post("/conversations/<int:conversation_id>/unread")
def mark_unread(conversation_id: int) -> AnyResponse:
    triage.mark_unread(g.session, g.who, conversation_id, now=g.now)
    presence.leave(g.session, g.who, conversation_id)
    edge.tell(gettext("Marked as unread."))
    return redirect(back(drafts.way_sent()), 303)


def _here(conversation_id: int, *, anchor: str | None = None) -> AnyResponse:
    address = url_for("conversations.show", conversation_id=conversation_id, _anchor=anchor, **drafts.way_sent())
    return redirect(edge.same_origin(request.form.get("next"), otherwise=address) if anchor is None else address, 303)


# -- who looks, who writes


@pages.post("/conversations/<int:conversation_id>/looks")
def look(conversation_id: int) -> tuple[str, int]:
    """Sent by the page while it is on the screen: read up to here, and colleagues see who looks."""
    presence.look(g.session, g.who, conversation_id, now=g.now)
    return "", 204


@pages.post("/conversations/<int:conversation_id>/leaving")
def leave(conversation_id: int) -> tuple[str, int]:
    people.conversation(g.session, g.who, conversation_id)
    presence.leave(g.session, g.who, conversation_id)
    return "", 204


@pages.post("/conversations/<int:conversation_id>/claim")
def claim(conversation_id: int) -> str:
    """ "I am writing." Answers with what to show in the composer: nothing, or who writes already."""
    held = presence.claim(g.session, g.who, conversation_id, now=g.now)
    if held.ok:
        return ""
    draft_id = request.form.get("draft", type=int)
    return render_template("conversations/holder.html", holder=held, conversation_id=conversation_id, draft_id=draft_id)


@pages.post("/conversations/<int:conversation_id>/claim/release")
def unclaim(conversation_id: int) -> tuple[str, int]:
    people.conversation(g.session, g.who, conversation_id)
    presence.release(g.session, g.who, conversation_id)
    return "", 204


@pages.post("/conversations/<int:conversation_id>/claim/takeover")
def take_over(conversation_id: int) -> AnyResponse:
    """The colleague's claim becomes one's own, with a reason that stands in the history."""
    presence.take_over(g.session, g.who, conversation_id, reason=request.form.get("reason", ""), now=g.now)
    edge.tell(gettext("You write the answer now. Your colleague sees it."))
    draft = request.form.get("draft", type=int)
    address = url_for("conversations.show", conversation_id=conversation_id, draft=draft, **drafts.way_sent())
    return redirect(address, 303)


# -- what the templates of this and other modules need


def linked(text: str) -> Markup:
    """Plain words with their addresses as links; nothing else of it is HTML."""
    return Markup(linkify.linked(text))  # noqa: S704 - it escapes everything but the links it makes


def note_words(note: NoteView) -> Markup:
    """A note's words with their links; whom it mentions is marked, the reader most. A team tells its name of today."""
    shown, at = Markup(""), 0
    for one in note.mentions:
        css = "mention mention-me" if g.who.id in one.user_ids else "mention"
        name = Markup(' title="{}"').format(gettext("Team %(name)s", name=one.team)) if one.team else ""
        words_said = Markup('<span class="{}"{}>{}</span>').format(css, name, note.text[one.start : one.end])
        shown += linked(note.text[at : one.start]) + words_said
        at = one.end
    return shown + linked(note.text[at:])


def safe(html: str) -> Markup:
    """A signature, cleaned. Its styles are left to the mail: our pages allow no inline styles."""
    return Markup(re.sub(r' style="[^"]*"', "", safe_html.clean(html).html))  # noqa: S704 - just cleaned


def reads_better_designed(message: MessageView) -> bool:
    """Whether the HTML is the mail and the text only what was made of it: newsletters, forms, tables of links."""
    if message.direction == "out" or message.quoted:
        return False
    return (
        message.kind == "list"
        or any(file.inline for file in message.files)
        or len(LINK_BESIDE_ITS_WORDS.findall(message.new_text[:20_000])) > 1
    )


def short_name(pair: tuple[str, str]) -> str:
    name, address = pair
    return name or address


def clock(at: Any) -> str:
    return f"{at.astimezone(language.zone()):%H:%M}"


@pages.record_once
def _install(state: Any) -> None:
    state.app.add_template_filter(linked)
    state.app.add_template_filter(note_words)
    state.app.add_template_filter(short_name)
    for name, made in (
        ("safe", safe),
        ("clock", clock),
        ("reads_better_designed", reads_better_designed),
        ("cautions", history.cautions),
        ("outgoing_words", history.outgoing),
        ("outgoing_advice", history.advice),
        ("bounce_words", history.bounce),
    ):
        state.app.add_template_global(made, name)
