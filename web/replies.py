"""Sending a draft, taking it back, and what people decide about an answer that did not go out smoothly."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, g, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from inbox import conversation_page, outbox, replies
from inbox import drafts as kept
from inbox.drafts import DraftView, StaleDraft
from inbox.errors import N_, Conflict, NotFound, StaleReply, UserError
from inbox.send_checks import Looked, NotLookedAt
from web import conversations, drafts, edge, guard_words
from web.language import gettext
from web.words import words

pages = Blueprint("replies", __name__)


@pages.post("/drafts/<int:draft_id>/replies")
def send(draft_id: int) -> AnyResponse | tuple[str, int]:
    """{the composer's fields, seen_version, next_status}. The words are committed first: a refusal cannot lose them."""
    draft = kept.show(g.session, g.who, draft_id)
    if draft.state == "open" and "rev" in request.form:
        try:
            draft = drafts.keep(draft_id)
        except StaleDraft as error:
            return drafts.conflict_page(error)
        except UserError as error:
            return drafts.again(draft_id, error)
        edge.end_transaction()
        edge.begin_again()
    way = drafts.way_sent()
    goes_on = conversations.after(draft.conversation_id, way) if draft.conversation_id else ""
    try:
        sent = replies.send(
            g.session,
            g.who,
            draft_id,
            seen_version=request.form.get("seen_version", draft.seen_version, type=int),
            next_status=request.form.get("next_status") or None,
            looked=looked(),
            now=g.now,
        )
    except StaleReply as error:
        return _stale(draft, error, way)
    except NotLookedAt as error:
        return between(draft, error)
    except (Conflict, NotFound):
        raise
    except UserError as error:
        return drafts.again(draft_id, error)
    _tell(sent)
    return redirect(goes_on or url_for("conversations.show", conversation_id=sent.conversation_id, **way), 303)


def looked() -> Looked:
    """What was ticked on the page between, and for which mail."""
    return Looked(frozenset(request.form.getlist("tick")), request.form.get("fingerprint", ""))


def between(draft: DraftView, asked: NotLookedAt) -> str:
    """The page between: recipients, attachments and findings to look at. Nothing has left yet."""
    check = asked.check
    edge.begin_again(roll_back=True)
    form = request.form
    carried = {name: form[name] for name in ("next_status", "seen_version") if name in form}
    return render_template(
        "drafts/check.html",
        draft=draft,
        check=check,
        left=asked.left,
        ticked=set(form.getlist("tick")) if form.get("fingerprint") == check.fingerprint else set(),
        again="fingerprint" in form,
        carried={"seen_version": draft.seen_version} | carried,
        shown_words=kept.words(draft),
        here=drafts.where(draft, drafts.way_sent()),
        way=drafts.way_sent(),
        words=guard_words,
    )


def _tell(sent: replies.SendResult) -> None:
    """A way back for as long as there is one; the message itself shows it too."""
    if sent.undo_until <= g.now:
        edge.tell(gettext("The mail is on its way."))
        return
    edge.tell(
        gettext("The mail leaves in a moment."),
        undo=url_for("replies.undo", outgoing_id=sent.outgoing_id),
        until=sent.undo_until,
    )


@pages.post("/replies/<int:outgoing_id>/undoing")
def undo(outgoing_id: int) -> AnyResponse:
    """The mail does not leave; its draft is open again with all its words."""
    draft_id = replies.undo(g.session, g.who, outgoing_id, now=g.now)
    edge.tell(gettext("Not sent. Here is your draft."))
    return _to_draft(draft_id)


@pages.post("/replies/<int:outgoing_id>/decision")
def decide(outgoing_id: int) -> AnyResponse:
    """{what}: try_again, mark_sent, send_now, release, or cancel, which makes it a draft again."""
    what = request.form.get("what", "")
    given = {"session": g.session, "who": g.who, "outgoing_id": outgoing_id, "now": g.now}
    if what == "cancel":
        draft_id = outbox.cancel(**given)
        edge.tell(gettext("It does not leave."))
        if draft_id is not None and _is_mine(draft_id):
            return _to_draft(draft_id)
    elif what in ("try_again", "mark_sent", "send_now", "release"):
        {
            "try_again": outbox.try_again,
            "mark_sent": outbox.mark_sent,
            "send_now": outbox.send_now,
            "release": outbox.release,
        }[what](**given)
        edge.tell(gettext("Marked as sent.") if what == "mark_sent" else gettext("It is sent now."))
    else:
        raise UserError(N_("Choose what to do."))
    return edge.next_page(url_for("inbox.home"))


def _is_mine(draft_id: int) -> bool:
    """Whether the draft is the viewer's own; a manager may cancel a colleague's mail but not read on in the draft."""
    try:
        kept.show(g.session, g.who, draft_id)
    except NotFound:
        return False
    return True


def _to_draft(draft_id: int) -> AnyResponse:
    if not _is_mine(draft_id):
        return edge.next_page(url_for("inbox.home"))
    return redirect(drafts.where(kept.show(g.session, g.who, draft_id), {}), 303)


def _stale(draft: DraftView, error: StaleReply, way: dict[str, Any]) -> tuple[str, int]:
    """The refused answer: what arrived since, and the kept words below with what can be done now."""
    edge.begin_again(roll_back=True)
    replies.keep_refused(g.session, draft.id, error, actor_id=g.who.id, now=g.now)
    g.session.flush()
    g.commit_anyway = True  # that it was refused stands in the history
    assert draft.conversation_id is not None
    view = conversation_page.show(g.session, g.who, draft.conversation_id, now=g.now)
    since = max(0, view.version - error.seen)
    shown = render_template(
        "conversations/stale.html",
        view=view,
        way=way,
        draft=kept.show(g.session, g.who, draft.id),
        reason=words(error),
        arrived=view.messages[-since:] if since else (),
        claim=view.claim if view.claim and not view.claim.mine else None,
        next_status=request.form.get("next_status", ""),
        kept_words=kept.words(draft),
    )
    return shown, error.status
