"""Approvals: what waits for a second pair of eyes, the mail that its approver may change, and what became of it."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, g, jsonify, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from inbox import approvals, replies, send_checks
from inbox import drafts as kept
from inbox.approvals import CORRECTED, ApprovalView
from inbox.config import settings
from inbox.drafts import DraftFileView
from inbox.errors import N_, Conflict, Forbidden, NotFound, StaleReply, UserError
from inbox.send_checks import NotLookedAt
from web import diffs, drafts, edge, guard_words
from web.language import gettext
from web.serving import bytes_response
from web.words import words

pages = Blueprint("approvals", __name__)

DECISIONS = ("send", "approve", "return")


@pages.get("/approvals")
def show() -> str:
    return render_template(
        "approvals/show.html",
        waiting=approvals.waiting(g.session, g.who, now=g.now),
        lately=approvals.lately(g.session, g.who, now=g.now),
        words=guard_words,
        state_words=state_words(),
    )


@pages.get("/approvals/<int:approval_id>")
def one(approval_id: int) -> str:
    return _page(approvals.show(g.session, g.who, approval_id, now=g.now))


@pages.post("/approvals/<int:approval_id>/decision")
def decide(approval_id: int) -> Response | tuple[str, int] | str:
    """{what: send, approve or return; the corrected fields; removed, added: files; answer}. A refusal keeps what was
    typed, and files that were chosen."""
    form = request.form
    what = form.get("what", "")
    view = approvals.show(g.session, g.who, approval_id, now=g.now)
    try:
        if what not in DECISIONS:
            raise UserError(N_("Choose what to do."))
        chosen = _put_aside(approval_id)
        if chosen:
            edge.end_transaction()
            edge.begin_again()
        approvals.decide(
            g.session,
            g.who,
            approval_id,
            what,  # type: ignore[arg-type]  # one of DECISIONS
            fields={name: form[name] for name in CORRECTED if name in form},
            removed=_ids("removed"),
            added=_ids("added") | {one.id for one in chosen},
            answer=form.get("answer", ""),
            seen_version=form.get("seen_version", view.seen_version, type=int),
            looked=send_checks.Looked(frozenset(form.getlist("tick")), form.get("fingerprint", "")),
            now=g.now,
        )
    except NotLookedAt as error:
        edge.begin_again(roll_back=True)
        again = approvals.show(g.session, g.who, approval_id, now=g.now)
        return _page(again, check=error.check, left=error.left)
    except StaleReply as error:
        edge.begin_again(roll_back=True)
        replies.keep_refused(g.session, view.draft.id, error, way="approval", actor_id=g.who.id, now=g.now)
        g.session.flush()
        g.commit_anyway = True
        again = approvals.show(g.session, g.who, approval_id, now=g.now)
        return _page(again, errors={"": words(error)}), error.status
    except (Conflict, NotFound, Forbidden):
        raise
    except UserError as error:
        return _refused(approval_id, error)
    edge.tell(
        {
            "send": gettext("Approved. The mail is on its way."),
            "approve": gettext("Approved. Its author can send it now."),
            "return": gettext("Returned to its author."),
        }[what]
    )
    return redirect(url_for("approvals.show"), 303)


@pages.post("/approvals/<int:approval_id>/withdrawal")
def withdraw(approval_id: int) -> Response:
    draft_id = approvals.withdraw(g.session, g.who, approval_id, now=g.now)
    edge.tell(gettext("Withdrawn. Here is your draft."))
    return redirect(drafts.where(kept.show(g.session, g.who, draft_id), {}), 303)


@pages.post("/approvals/<int:approval_id>/files")
def attach(approval_id: int) -> Response | tuple[Any, int] | str:
    """Puts files of the field `file` aside. A script sends one and gets {html, url}; the plain form keeps its words."""
    approvals.show(g.session, g.who, approval_id, now=g.now)
    try:
        chosen = _put_aside(approval_id)
        if not chosen:
            raise UserError(N_("Choose a file first."), field="file")
    except (Conflict, NotFound, Forbidden):
        raise
    except UserError as error:
        if edge.fragment():
            return jsonify(said=words(error)), error.status
        return _refused(approval_id, error)
    if edge.fragment():
        html = "".join(render_template("approvals/file.html", file=one, new=True) for one in chosen)
        return jsonify(html=html, url=chosen[0].path)
    return _page(approvals.show(g.session, g.who, approval_id, now=g.now))


@pages.get("/approvals/<int:approval_id>/files/<int:file_id>")
def file(approval_id: int, file_id: int) -> Response:
    name, content_type, data = approvals.file(g.session, g.who, approval_id, file_id, now=g.now)
    return bytes_response(data, name=name, content_type=content_type, inline=content_type.startswith("image/"))


def state_words() -> dict[str, tuple[str, str, str]]:
    """(words, tone, icon) of a request's state."""
    return {
        "asked": (gettext("Waits for approval"), "warn", "hourglass"),
        "approved": (gettext("Approved"), "good", "checks"),
        "returned": (gettext("Returned"), "bad", "arrow-back-up"),
        "withdrawn": (gettext("Withdrawn"), "quiet", "ban"),
        "sent": (gettext("Approved and sent"), "good", "send"),
    }


def _put_aside(approval_id: int) -> list[DraftFileView]:
    return [approvals.attach(g.session, g.who, approval_id, **one, now=g.now) for one in drafts.sent_files()]


def _ids(name: str) -> set[int]:
    return {int(one) for one in request.form.getlist(name) if one.isascii() and one.isdigit()}


def _refused(approval_id: int, error: UserError) -> tuple[str, int]:
    edge.begin_again(roll_back=True)
    view = approvals.show(g.session, g.who, approval_id, now=g.now)
    return _page(view, errors={error.field: words(error)}), error.status


def _page(
    view: ApprovalView, *, errors: dict[str, str] | None = None, check: Any = None, left: frozenset[str] = frozenset()
) -> str:
    draft = view.draft
    shown: dict[str, Any] = {line: drafts.typed(getattr(draft, line)) for line in ("to", "cc", "bcc")}
    shown |= {"subject": draft.subject, "answer": ""}
    shown |= {name: request.form[name] for name in shown if name in request.form}
    shown |= _words_shown(view)
    return render_template(
        "approvals/one.html",
        view=view,
        values=shown,
        errors=errors or {},
        check=check or send_checks.look(g.session, draft),
        left=left,
        asks=check is not None,
        rows=diffs.side_by_side(view.asked_with["text"], view.now_with["text"]),
        fields=_changed_fields(view),
        files=diffs.gone_and_new(*(tuple(map(tuple, one["files"])) for one in (view.asked_with, view.now_with))),
        other_looks=view.asked_with["html"] != view.now_with["html"]
        and view.asked_with["text"] == view.now_with["text"],
        removed=_ids("removed"),
        script_words=drafts.script_words(),
        most_bytes=settings().max_upload_bytes,
        words=guard_words,
        state_words=state_words(),
    )


def _words_shown(view: ApprovalView) -> dict[str, Any]:
    """html for the rich editor, text for the plain field; `changed`: the form that just came has other words."""
    form, text = request.form, kept.words(view.draft)
    if "html" in form:
        return {"html": form["html"], "text": kept.html_words(form["html"]), "changed": True}
    if "text" in form and drafts.plain(form["text"]) != drafts.plain(text):
        return {"html": drafts.as_html(form["text"]), "text": form["text"], "changed": True}
    return {"html": view.draft.editor_html or drafts.as_html(text), "text": text, "changed": False}


def _changed_fields(view: ApprovalView) -> list[tuple[str, str, str]]:
    """(label, before, after) of what else the approver changed."""
    labels = {"to": gettext("To"), "cc": gettext("Cc"), "bcc": gettext("Bcc"), "subject": gettext("Subject")}
    found = []
    for name, label in labels.items():
        before, after = view.asked_with[name], view.now_with[name]
        if before != after:
            found.append((label, _as_text(before), _as_text(after)))
    return found


def _as_text(value: Any) -> str:
    if isinstance(value, str):
        return value
    return drafts.typed(tuple((str(name), str(address)) for name, address in value))
