"""The team: who is in it, inviting, rights and mailboxes, and the audit trail of what was changed by whom."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, g, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from inbox import people, sidebar
from inbox.config import settings
from inbox.errors import NotFound, UserError
from inbox.people import Member
from web import edge, language
from web import trail as trail_words
from web.edge import Answer
from web.language import gettext, speaking
from web.outbox import a_number

pages = Blueprint("people", __name__)

TRAIL_SIZE = 100


@pages.get("/people")
@edge.only("manager")
def show() -> str:
    return render_template(
        "people/show.html", team=people.team(g.session, g.who), mailboxes=_mailboxes(), role_words=role_words()
    )


@pages.get("/people/invitations")
@edge.only("admin")
def new() -> str:
    values = {"role": "agent", "locale": g.who.locale, "mailbox_ids": [one.id for one in _mailboxes()]}
    return render_template("people/new.html", values=values, **_choices())


@pages.post("/people/invitations")
@edge.only("admin")
def invite() -> str | Answer:
    """Makes an invitation, mails it, and shows its link this once: a mail may not arrive, or no mailbox be connected
    yet."""
    values = {name: request.form.get(name, "") for name in ("email", "name", "role", "locale")}
    chosen = _chosen_mailboxes()
    try:
        token = people.invite(g.session, g.who, **values, mailbox_ids=chosen, now=g.now)
    except UserError as error:
        return edge.form_again("people/new.html", error, values={**values, "mailbox_ids": chosen}, **_choices())
    return _invited(values["name"].strip(), people.normalised(values["email"]), values["locale"], token)


@pages.get("/people/<int:user_id>")
@edge.only("admin")
def edit(user_id: int) -> str:
    member = _member(user_id)
    return render_template("people/edit.html", member=member, values=member, **_choices())


@pages.post("/people/<int:user_id>")
@edge.only("admin")
def change(user_id: int) -> Response | Answer:
    member = _member(user_id)
    role, active, chosen = request.form.get("role", ""), request.form.get("active") == "1", _chosen_mailboxes()
    try:
        people.change_person(g.session, g.who, user_id, role=role, active=active, mailbox_ids=chosen, now=g.now)
    except UserError as error:
        values = {"role": role, "active": active, "mailbox_ids": chosen}
        return edge.form_again("people/edit.html", error, member=member, values=values, **_choices())
    edge.tell(gettext("%(name)s: saved.", name=member.name))
    return redirect(url_for("people.show"), 303)


@pages.post("/people/<int:user_id>/invitation")
@edge.only("admin")
def invite_again(user_id: int) -> str:
    """A new link for somebody who has not come yet; the older one dies."""
    member = _member(user_id)
    token = people.invite(
        g.session,
        g.who,
        email=member.email,
        name=member.name,
        role=member.role,
        mailbox_ids=member.mailbox_ids,
        locale=member.locale,
        now=g.now,
    )
    return _invited(member.name, member.email, member.locale, token)


@pages.get("/people/audit-trail")
@edge.only("admin")
def trail() -> str:
    before = request.args.get("before", type=a_number)
    rows = people.trail(g.session, g.who, before_id=before, size=TRAIL_SIZE + 1)
    older = url_for("people.trail", before=rows[TRAIL_SIZE - 1].id) if len(rows) > TRAIL_SIZE else ""
    newest = url_for("people.trail") if before else ""
    names = trail_words.Names(
        mailboxes={one.id: one.name for one in _mailboxes()},
        people={one.id: one.name for one in people.team(g.session, g.who)},
        roles={role: words[0] for role, words in role_words().items()},
    )
    return render_template(
        "people/trail.html",
        rows=rows[:TRAIL_SIZE],
        older=older,
        newest=newest,
        kind_words=trail_words.kinds(),
        facts_of=lambda row: trail_words.facts(row.about, names),
    )


def role_words() -> dict[str, tuple[str, str]]:
    """Name and meaning of each role."""
    return {
        "agent": (gettext("Agent"), gettext("Reads and answers mail in the chosen mailboxes.")),
        "manager": (
            gettext("Manager"),
            gettext(
                "Also sets up rules, teams, working hours, deadlines and safe sending, decides about others' outgoing "
                "mail, sees the team."
            ),
        ),
        "admin": (
            gettext("Administrator"),
            gettext("Reaches every mailbox; connects mailboxes, invites people, changes rights."),
        ),
    }


def _invited(name: str, email: str, locale: str, token: str) -> str:
    link = settings().address + people.path("invite", token)
    mailed = _mail_invitation(name, email, locale, link)
    return render_template("people/invited.html", name=name, email=email, link=link, mailed=mailed)


def _mail_invitation(name: str, email: str, locale: str, link: str) -> bool:
    """Whether the mail went into the outbox; False while no mailbox can send."""
    from inbox import notices

    with speaking(locale if locale in language.LOCALES else "en"):
        words = {"name": name, "link": link, "inviter": g.who.name}
        return notices.queue(
            g.session,
            to=email,
            subject=gettext("%(inviter)s invites you to Madoguchi", inviter=g.who.name),
            text=render_template("people/invitation_mail.txt", **words),
            html=render_template("people/invitation_mail.html", **words),
            dedupe_key=f"invite:{link[-24:]}",
            now=g.now,
        )


def _member(user_id: int) -> Member:
    for member in people.team(g.session, g.who):
        if member.id == user_id:
            return member
    raise NotFound


def _choices() -> dict[str, Any]:
    return {"mailboxes": _mailboxes(), "role_words": role_words()}


def _mailboxes() -> tuple[sidebar.SideMailbox, ...]:
    return sidebar.show(g.session, g.who, now=g.now).mailboxes


def _chosen_mailboxes() -> list[int]:
    return [
        int(one)
        for one in request.form.getlist("mailbox_ids")[:500]
        if one.isascii() and one.isdigit() and len(one) < 19
    ]
