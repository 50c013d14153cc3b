"""Sending a draft, taking it back, and what people decide about an answer that did not go out smoothly."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from flask import Blueprint, g, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from inbox import approval_policies, approvals, conversation_page, outbox, replies, send_checks
from inbox import drafts as kept
from inbox import later as later_sendings
from inbox.approval_policies import NeedsApproval
from inbox.drafts import DraftView, StaleDraft
from inbox.errors import N_, Conflict, NotFound, StaleReply, UserError
from inbox.send_checks import Looked, NotLookedAt
from web import conversations, drafts, edge, guard_words, language, later
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
        address = _leave(draft, goes_on, way)
    except StaleReply as error:
        return _stale(draft, error, way)
    except NotLookedAt as error:
        return between(draft, check=error.check, left=error.left)
    except NeedsApproval:
        return between(draft)
    except (Conflict, NotFound):
        raise
    except UserError as error:
        return drafts.again(draft_id, error)
    return redirect(address, 303)


def _leave(draft: DraftView, goes_on: str, way: dict[str, Any]) -> str:
    """Sends it now, at its time, or asks for approval, whichever the form says; where to go then."""
    form = request.form
    asked = {
        "seen_version": form.get("seen_version", draft.seen_version, type=int),
        "next_status": form.get("next_status") or None,
        "looked": looked(),
        "now": g.now,
    }
    at = _when(draft)
    if form.get("ask_approval"):
        more = {"comment": form.get("comment", ""), "send_at": at, "regardless": "regardless" in form}
        approvals.ask(g.session, g.who, draft.id, **asked, **more)
        edge.tell(gettext("Approval is asked for. Until it is decided nobody changes the mail."))
        return goes_on or url_for("approvals.show")
    if at is not None:
        later_sendings.schedule(g.session, g.who, draft.id, at=at, regardless="regardless" in form, **asked)
        time = language.full(at.astimezone(language.zone()))
        edge.tell(gettext("It leaves at %(time)s.", time=time), undo=url_for("replies.unschedule", draft_id=draft.id))
        return goes_on or url_for("outbox.show")
    sent = replies.send(g.session, g.who, draft.id, **asked)
    _tell(sent)
    return goes_on or url_for("conversations.show", conversation_id=sent.conversation_id, **way)


def _when(draft: DraftView) -> datetime | None:
    """When it shall leave, None for at once: a choice, or a time as people say it. Raises UserError(field="when")."""
    form = request.form
    if not ("at" in form or "when_choice" in form or "later" in form):
        return None
    if "at" in form:
        return datetime.fromisoformat(form["at"])  # from the page between: the moment that was meant there
    zone = language.zone()
    for name, _label, at in later.choices(g.now, zone):
        if form.get("when_choice") == name:
            return at
    return later_sendings.read(g.session, form.get("when", ""), mailbox_id=draft.mailbox_id, zone=zone, now=g.now)


@pages.post("/scheduled/<int:draft_id>/departure")
def leave_now(draft_id: int) -> AnyResponse | tuple[str, int]:
    """A mail that waits for its time leaves now. When the conversation went on it stays where it is."""
    try:
        sent = later_sendings.send_now(g.session, g.who, draft_id, now=g.now)
    except StaleReply as error:
        edge.begin_again(roll_back=True)
        replies.keep_refused(g.session, draft_id, error, way="later", actor_id=g.who.id, now=g.now)
        g.commit_anyway = True
        raise
    edge.tell(gettext("The mail is on its way."))
    return redirect(url_for("conversations.show", conversation_id=sent.conversation_id), 303)


@pages.post("/scheduled/<int:draft_id>/cancellation")
def unschedule(draft_id: int) -> AnyResponse:
    """A mail that waits for its time is a draft again."""
    later_sendings.cancel(g.session, g.who, draft_id, now=g.now)
    edge.tell(gettext("It does not leave; it is a draft again."))
    return _to_draft(draft_id)


def looked() -> Looked:
    """What was ticked on the page between, and for which mail."""
    return Looked(frozenset(request.form.getlist("tick")), request.form.get("fingerprint", ""))


def between(draft: DraftView, *, check: Any = None, left: frozenset[str] = frozenset()) -> str:
    """The page between: recipients, attachments and findings to look at, and whether a colleague has to approve.

    Nothing has left yet.
    """
    at = _when(draft)
    edge.begin_again(roll_back=True)
    form = request.form
    check = check or send_checks.look(g.session, draft)
    carried = {name: form[name] for name in ("next_status", "seen_version", "regardless") if name in form}
    if at is not None:
        carried["at"] = at.isoformat()
    same = form.get("fingerprint") == check.fingerprint
    return render_template(
        "drafts/check.html",
        draft=draft,
        check=check,
        left=left,
        needed=_approval_needed(draft),
        comment=form.get("comment", ""),
        at=at,
        ticked=set(form.getlist("tick")) if same else set(),
        again="fingerprint" in form,
        carried={"seen_version": draft.seen_version} | carried,
        shown_words=kept.words(draft),
        action=url_for("replies.send", draft_id=draft.id),
        here=drafts.where(draft, drafts.way_sent()),
        way=drafts.way_sent(),
        words=guard_words,
    )


def _approval_needed(draft: DraftView) -> list[dict[str, Any]]:
    """Why a colleague has to approve this mail first; empty when nobody has to."""
    try:
        approval_policies.must_be_approved(g.session, draft)
    except NeedsApproval as error:
        return error.needed.told
    return []


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
