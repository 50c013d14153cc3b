"""Who may reach which route. Every route stands here, or the tests fail.

`who`: everybody; or the least role that may (agent, manager, admin). `hidden_from` says who must not even learn that
the thing exists (404): "outsider" is an agent who has no access to the mailbox in which it stands.
`seen`: they see the page on which it stands, so whoever may not is told so (403); all else does not exist for them.
`path` makes the address from the World; `form` what is posted. Everyone who may must get an answer below 400, or 400
and 409 where the form is incomplete on purpose (`refused=True`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from inbox import config, demo

ROLES = ("anonymous", "deactivated", "ended", "outsider", "agent", "manager", "admin")
RANK = {"agent": 0, "outsider": 0, "manager": 1, "admin": 2}


@dataclass(frozen=True)
class Route:
    who: str
    path: Callable[[Any], str]
    form: Callable[[Any], dict[str, Any]] = lambda world: {}
    hidden_from: tuple[str, ...] = ()
    refused: bool = False
    seen: bool = False
    streams: bool = False  # never ends: only its status is looked at
    may_be_down: bool = False  # 503 is a true answer, too
    not_found: bool = field(default=False)  # the example does not exist, for nobody


def route(who: str, path: str | Callable[[Any], str], **more: Any) -> Route:
    return Route(who, (lambda world: path) if isinstance(path, str) else path, **more)


def with_demo(path: str) -> Callable[[Any], str]:
    """The address of a page that stands only while the demo does."""

    def prepared(world: Any) -> str:
        demo.settings(config.settings().data)
        return path

    return prepared


OUTSIDE = ("outsider",)
NOT_MINE = ("outsider", "manager", "admin")

ROUTES: dict[tuple[str, str], Route] = {
    ("static", "GET"): route("everybody", "/static/css/app.css"),
    ("sessions.new", "GET"): route("everybody", "/sign-in"),
    ("sessions.create", "POST"): route(
        "everybody", "/sign-in", form=lambda w: {"email": "x@y.example", "password": "-"}, refused=True
    ),
    ("sessions.end", "POST"): route("everybody", "/sign-out"),
    ("sessions.show_link", "GET"): route("everybody", "/links/invite/none", not_found=True),
    ("sessions.take_up_link", "POST"): route("everybody", "/links/invite/none", not_found=True),
    ("sessions.forgotten", "GET"): route("everybody", "/password-reset"),
    ("sessions.ask_for_reset", "POST"): route("everybody", "/password-reset", form=lambda w: {"email": "x@y.example"}),
    ("sessions.appearance", "POST"): route("everybody", "/appearance", form=lambda w: {"theme": "dark"}),
    ("inbox.home", "GET"): route("agent", "/"),
    ("inbox.show", "GET"): route("agent", lambda w: f"/inbox/open?mailbox={w.support}", hidden_from=("outsider",)),
    ("inbox.rows", "GET"): route("agent", lambda w: f"/inbox/open/rows?id={w.mine}"),
    ("inbox.counts", "GET"): route("agent", "/inbox/counts"),
    ("inbox.change", "POST"): route("agent", "/inbox/changes", form=lambda w: {"action": "close", "id": [w.mine]}),
    ("search.show", "GET"): route("agent", "/search?q=lamp"),
    ("system.healthz", "GET"): route("everybody", "/healthz", may_be_down=True),
    ("system.readyz", "GET"): route("everybody", "/readyz"),
    ("push.events", "GET"): route("agent", "/events", streams=True),
    # set-up and watch
    ("outbox.show", "GET"): route("agent", "/outbox"),
    ("outbox.one", "GET"): route("agent", lambda w: f"/outbox/{w.outgoing}", hidden_from=("outsider",)),
    ("outbox.decide", "POST"): route(
        "agent", lambda w: f"/outbox/{w.outgoing}/hold", hidden_from=("outsider",), refused=True
    ),
    ("outbox.pause", "POST"): route(
        "manager",
        "/outbox/pauses",
        form=lambda w: {"mailbox": w.support, "on": "1"},
        hidden_from=OUTSIDE,
        seen=True,
    ),
    ("people.show", "GET"): route("manager", "/people"),
    ("people.new", "GET"): route("admin", "/people/invitations"),
    ("people.invite", "POST"): route(
        "admin",
        "/people/invitations",
        form=lambda w: {"email": "kei@shop.example", "name": "Kei", "role": "agent", "locale": "ja"},
    ),
    ("people.edit", "GET"): route("admin", lambda w: f"/people/{w.users['agent']}"),
    ("people.change", "POST"): route(
        "admin", lambda w: f"/people/{w.users['outsider']}", form=lambda w: {"role": "agent", "active": "1"}
    ),
    ("people.invite_again", "POST"): route("admin", lambda w: f"/people/{w.users['agent']}/invitation", refused=True),
    ("people.trail", "GET"): route("admin", "/people/audit-trail"),
    ("calendars.show", "GET"): route("manager", "/calendars"),
    ("calendars.new", "GET"): route("manager", "/calendars/new"),
    ("calendars.create", "POST"): route(
        "manager", "/calendars", form=lambda w: {"name": "X", "zone": "UTC"}, refused=True
    ),
    ("calendars.edit", "GET"): route("manager", lambda w: f"/calendars/{w.more['calendar']}"),
    ("calendars.change", "POST"): route(
        "manager",
        lambda w: f"/calendars/{w.more['calendar']}",
        form=lambda w: {"name": "Team", "zone": "UTC", "week.mon": "9:00-17:00"},
    ),
    ("calendars.remove", "POST"): route("manager", lambda w: f"/calendars/{w.more['other_calendar']}/removal"),
    ("calendars.explain", "GET"): route(
        "manager",
        lambda w: f"/calendars/{w.more['calendar']}/explanation?since=2026-11-20T15:00&until=2026-11-23T10:15",
    ),
    ("deadlines.show", "GET"): route("manager", "/deadlines"),
    ("deadlines.new", "GET"): route("manager", "/deadlines/new"),
    ("deadlines.create", "POST"): route(
        "manager", "/deadlines", form=lambda w: {"name": "X", "first_answer": "0"}, refused=True
    ),
    ("deadlines.edit", "GET"): route("manager", lambda w: f"/deadlines/{w.more['policy']}"),
    ("deadlines.change", "POST"): route(
        "manager",
        lambda w: f"/deadlines/{w.more['policy']}",
        form=lambda w: {"name": "Normal", "first_answer": "90", "enabled": "1"},
    ),
    ("deadlines.move", "POST"): route(
        "manager", lambda w: f"/deadlines/{w.more['policy']}/place", form=lambda w: {"to": "up"}
    ),
    ("deadlines.remove", "POST"): route("manager", lambda w: f"/deadlines/{w.more['policy']}/removal"),
    ("deadlines.explain", "GET"): route("agent", lambda w: f"/conversations/{w.mine}/deadlines", hidden_from=OUTSIDE),
    ("board.show", "GET"): route("agent", "/board"),
    ("board.choose_digest", "POST"): route("agent", "/board/digest", form=lambda w: {"hour": "9"}),
    ("handovers.show", "GET"): route("agent", "/handovers"),
    ("handovers.write", "POST"): route("agent", "/handovers", form=lambda w: {"text": ""}, refused=True),
    ("handovers.read", "POST"): route(
        "agent", lambda w: f"/handovers/{w.more['handover']}/reading", hidden_from=OUTSIDE
    ),
    ("handovers.end", "POST"): route("agent", lambda w: f"/handovers/{w.more['handover']}/end", hidden_from=OUTSIDE),
    # who answers
    ("rules.show", "GET"): route("manager", "/rules"),
    ("rules.arrange", "POST"): route("manager", "/rules/order", form=lambda w: {"ids": "1"}),
    ("rules.new", "GET"): route("manager", "/rules/new"),
    ("rules.create", "POST"): route("manager", "/rules/new", form=lambda w: {"name": ""}, refused=True),
    ("rules.edit", "GET"): route("manager", lambda w: f"/rules/{w.more['rule']}"),
    ("rules.change", "POST"): route(
        "manager", lambda w: f"/rules/{w.more['rule']}", form=lambda w: {"name": ""}, refused=True
    ),
    ("rules.try_out", "GET"): route("manager", lambda w: f"/rules/{w.more['rule']}/dry-run"),
    ("rules.switch", "POST"): route("manager", lambda w: f"/rules/{w.more['rule']}/switch", form=lambda w: {"on": "1"}),
    ("rules.versions", "GET"): route("manager", lambda w: f"/rules/{w.more['rule']}/versions"),
    ("rules.go_back", "POST"): route(
        "manager", lambda w: f"/rules/{w.more['rule']}/versions", form=lambda w: {"version": "1"}
    ),
    ("rules.remove", "POST"): route("manager", lambda w: f"/rules/{w.more['rule']}/removal"),
    ("rules.why", "GET"): route("agent", lambda w: f"/conversations/{w.mine}/reasons", hidden_from=OUTSIDE),
    ("teams.show", "GET"): route("manager", "/teams"),
    ("teams.fall_back", "POST"): route("manager", "/teams/fallback", form=lambda w: {"fallback": ""}),
    ("teams.new", "GET"): route("manager", "/teams/new"),
    ("teams.create", "POST"): route("manager", "/teams/new", form=lambda w: {"name": ""}, refused=True),
    ("teams.edit", "GET"): route("manager", lambda w: f"/teams/{w.more['team']}"),
    ("teams.change", "POST"): route(
        "manager", lambda w: f"/teams/{w.more['team']}", form=lambda w: {"name": ""}, refused=True
    ),
    ("teams.remove", "POST"): route("manager", lambda w: f"/teams/{w.more['team']}/removal"),
    ("teams.capacity", "GET"): route("manager", lambda w: f"/people/{w.users['agent']}/capacity"),
    ("teams.set_capacity", "POST"): route(
        "manager", lambda w: f"/people/{w.users['agent']}/capacity", form=lambda w: {"cap": "5"}
    ),
    ("teams.be_absent", "POST"): route(
        "manager",
        lambda w: f"/people/{w.users['manager']}/absences",
        form=lambda w: {"starts": "x"},
        refused=True,
        seen=True,
    ),
    ("teams.work", "POST"): route(
        "manager",
        lambda w: f"/people/{w.users['manager']}/shift",
        form=lambda w: {"kind": "x"},
        refused=True,
        seen=True,
    ),
    ("teams.be_back", "POST"): route("agent", lambda w: f"/absences/{w.more['absence']}/end", hidden_from=OUTSIDE),
    ("teams.absence", "GET"): route("agent", "/preferences/absence"),
    ("preferences.show", "GET"): route("agent", "/preferences"),
    ("preferences.change", "POST"): route("agent", "/preferences", form=lambda w: {"undo_seconds": "99"}, refused=True),
    ("preferences.sign", "POST"): route(
        "agent",
        lambda w: f"/preferences/signatures/{w.support}",
        form=lambda w: {"from_name": "A. Aoi", "own": "1", "html": "<b>Aoi</b>"},
        hidden_from=("outsider",),
    ),
    ("preferences.change_password", "POST"): route(
        "agent",
        "/preferences/password",
        form=lambda w: {"old": "wrong", "password": "another long sentence"},
        refused=True,
    ),
    ("mailboxes.show", "GET"): route("admin", "/mailboxes"),
    ("mailboxes.new", "GET"): route("admin", "/mailboxes/new?address=info@gmail.com"),
    ("mailboxes.create", "POST"): route("admin", "/mailboxes", refused=True),
    ("mailboxes.try_new", "POST"): route("admin", "/mailboxes/trials", refused=True),
    ("mailboxes.one", "GET"): route("admin", lambda w: f"/mailboxes/{w.support}"),
    ("mailboxes.edit", "GET"): route("admin", lambda w: f"/mailboxes/{w.support}/settings"),
    ("mailboxes.change", "POST"): route("admin", lambda w: f"/mailboxes/{w.support}/settings", refused=True),
    ("mailboxes.try_changed", "POST"): route("admin", lambda w: f"/mailboxes/{w.support}/trials", refused=True),
    ("mailboxes.reading", "POST"): route(
        "admin", lambda w: f"/mailboxes/{w.support}/reading", form=lambda w: {"on": "1"}
    ),
    ("mailboxes.sending", "POST"): route(
        "admin", lambda w: f"/mailboxes/{w.support}/sending", form=lambda w: {"on": "1"}
    ),
    ("mailboxes.removal", "GET"): route("admin", lambda w: f"/mailboxes/{w.support}/removal"),
    ("mailboxes.remove", "POST"): route(
        "admin", lambda w: f"/mailboxes/{w.support}/removal", form=lambda w: {"address": "another"}, refused=True
    ),
    ("demo.show", "GET"): route("agent", with_demo("/demo/customer?address=not-one"), refused=True),
    ("demo.send", "POST"): route(
        "agent", with_demo("/demo/customer/mails"), form=lambda w: {"address": "not-one", "text": "Hello"}, refused=True
    ),
    ("demo.remove", "POST"): route("admin", "/demo/removal", seen=True),
    ("health.show", "GET"): route("agent", "/health"),
    ("answer_texts.show", "GET"): route("manager", "/answers/texts"),
    ("answer_texts.new", "GET"): route("manager", "/answers/texts/new"),
    ("answer_texts.create", "POST"): route("manager", "/answers/texts/new", form=lambda w: {"name": ""}, refused=True),
    ("answer_texts.edit", "GET"): route("manager", lambda w: f"/answers/texts/{w.more['text']}"),
    ("answer_texts.change", "POST"): route(
        "manager", lambda w: f"/answers/texts/{w.more['text']}", form=lambda w: {"name": ""}, refused=True
    ),
    ("answer_texts.remove", "POST"): route("manager", lambda w: f"/answers/texts/{w.more['text']}/removal"),
    ("autoanswers.show", "GET"): route("manager", lambda w: f"/mailboxes/{w.support}/answers"),
    ("autoanswers.change", "POST"): route(
        "manager", lambda w: f"/mailboxes/{w.support}/answers", form=lambda w: {"hourly": "20"}
    ),
    ("autoanswers.release", "POST"): route("manager", lambda w: f"/mailboxes/{w.support}/answers/release"),
    ("health.compare", "POST"): route(
        "manager", lambda w: f"/health/{w.support}/comparison", hidden_from=OUTSIDE, seen=True
    ),
    ("health.retry", "POST"): route("manager", lambda w: f"/health/{w.support}/retry", hidden_from=OUTSIDE, seen=True),
    ("health.backfill", "POST"): route(
        "manager",
        lambda w: f"/health/{w.support}/backfill",
        form=lambda w: {"since": "2024-01-01"},
        hidden_from=OUTSIDE,
        seen=True,
    ),
    ("quarantine.show", "GET"): route("agent", "/quarantine"),
    ("quarantine.one", "GET"): route("agent", lambda w: f"/quarantine/{w.broken}", hidden_from=("outsider",)),
    ("quarantine.original", "GET"): route(
        "agent", lambda w: f"/quarantine/{w.broken}/original", hidden_from=("outsider",)
    ),
    ("quarantine.read_again", "POST"): route(
        "agent", "/quarantine/readings", form=lambda w: {"id": w.broken}, hidden_from=("outsider",)
    ),
    ("quarantine.leave_aside", "POST"): route(
        "manager", "/quarantine/dismissals", form=lambda w: {"id": w.broken}, seen=True
    ),
    # last: the sessions that the table uses end here
    # a conversation and what stands in it
    ("conversations.show", "GET"): route("agent", lambda w: f"/conversations/{w.mine}?box=open", hidden_from=OUTSIDE),
    ("conversations.assign", "POST"): route(
        "agent", lambda w: f"/conversations/{w.mine}/owner", form=lambda w: {"owner": "me"}, hidden_from=OUTSIDE
    ),
    ("conversations.set_status", "POST"): route(
        "agent", lambda w: f"/conversations/{w.mine}/status", form=lambda w: {"status": "waiting"}, hidden_from=OUTSIDE
    ),
    ("conversations.tag", "POST"): route(
        "agent", lambda w: f"/conversations/{w.mine}/tags", form=lambda w: {"tag": "new"}, hidden_from=OUTSIDE
    ),
    ("conversations.untag", "POST"): route(
        "agent", lambda w: f"/conversations/{w.mine}/tags/{w.more['tag']}/removal", hidden_from=OUTSIDE
    ),
    ("customers.edit", "GET"): route("agent", lambda w: f"/conversations/{w.mine}/customer", hidden_from=OUTSIDE),
    ("customers.change", "POST"): route(
        "agent", lambda w: f"/conversations/{w.mine}/customer", form=lambda w: {"tier": "VIP"}, hidden_from=OUTSIDE
    ),
    ("conversations.note", "POST"): route(
        "agent", lambda w: f"/conversations/{w.mine}/notes", form=lambda w: {"text": "for us"}, hidden_from=OUTSIDE
    ),
    ("conversations.mark_unread", "POST"): route(
        "agent", lambda w: f"/conversations/{w.mine}/unread", hidden_from=OUTSIDE
    ),
    ("conversations.look", "POST"): route("agent", lambda w: f"/conversations/{w.mine}/looks", hidden_from=OUTSIDE),
    ("conversations.leave", "POST"): route("agent", lambda w: f"/conversations/{w.mine}/leaving", hidden_from=OUTSIDE),
    ("conversations.claim", "POST"): route("agent", lambda w: f"/conversations/{w.mine}/claim", hidden_from=OUTSIDE),
    ("conversations.take_over", "POST"): route(
        "agent", lambda w: f"/conversations/{w.mine}/claim/takeover", hidden_from=OUTSIDE
    ),
    ("conversations.unclaim", "POST"): route(
        "agent", lambda w: f"/conversations/{w.mine}/claim/release", hidden_from=OUTSIDE
    ),
    ("bulk.show", "GET"): route("agent", lambda w: f"/bulk/{w.more['bulk']}", hidden_from=NOT_MINE),
    ("bulk.undo", "POST"): route("agent", lambda w: f"/bulk/{w.more['bulk']}/undo", hidden_from=NOT_MINE),
    ("blocks.show", "GET"): route("agent", "/blocks"),
    ("blocks.create", "POST"): route("agent", "/blocks", form=lambda w: {"pattern": "spam.example"}),
    ("blocks.remove", "POST"): route("agent", lambda w: f"/blocks/{w.more['block']}/removal"),
    ("blocks.sender", "POST"): route(
        "agent", lambda w: f"/conversations/{w.free}/blocks", form=lambda w: {"what": "address"}, hidden_from=OUTSIDE
    ),
    ("labels.show", "GET"): route("manager", "/labels"),
    ("labels.change_tag", "POST"): route(
        "manager",
        lambda w: f"/labels/tags/{w.more['tag']}",
        form=lambda w: {"name": "VIP", "colour": "#112233", "group": "Customers"},
    ),
    ("labels.merge_tag", "POST"): route(
        "manager",
        lambda w: f"/labels/tags/{w.more['tag']}/merging",
        form=lambda w: {"into": w.more["tag"]},
        refused=True,
    ),
    ("labels.remove_tag", "POST"): route("manager", lambda w: f"/labels/tags/{w.more['old_tag']}/removal"),
    ("labels.add_category", "POST"): route("manager", "/labels/categories", form=lambda w: {"name": "Returns"}),
    ("labels.change_category", "POST"): route(
        "manager", lambda w: f"/labels/categories/{w.more['category']}", form=lambda w: {"name": "Other"}
    ),
    ("labels.remove_category", "POST"): route("manager", lambda w: f"/labels/categories/{w.more['category']}/removal"),
    ("labels.add_field", "POST"): route(
        "manager", "/labels/fields", form=lambda w: {"mailbox_id": w.support, "name": "Order", "kind": "text"}
    ),
    ("labels.change_field", "POST"): route(
        "manager", lambda w: f"/labels/fields/{w.more['custom']}", form=lambda w: {"name": "Number"}
    ),
    ("labels.write", "POST"): route(
        "agent",
        lambda w: f"/conversations/{w.mine}/fields",
        form=lambda w: {f"field-{w.more['custom']}": "7"},
        hidden_from=OUTSIDE,
    ),
    ("labels.remove_field", "POST"): route("manager", lambda w: f"/labels/fields/{w.more['custom']}/removal"),
    ("labels.categorise", "POST"): route(
        "agent", lambda w: f"/conversations/{w.mine}/category", form=lambda w: {"category": ""}, hidden_from=OUTSIDE
    ),
    ("views.show", "GET"): route("agent", "/views"),
    ("views.create", "POST"): route(
        "agent", "/views", form=lambda w: {"name": "Late", "box": "open", "way_waiting": "24"}
    ),
    ("views.change", "POST"): route(
        "agent", lambda w: f"/views/{w.more['view']}", form=lambda w: {"name": "Mine"}, hidden_from=NOT_MINE
    ),
    ("views.remove", "POST"): route("agent", lambda w: f"/views/{w.more['view']}/removal", hidden_from=NOT_MINE),
    ("arranging.split", "POST"): route(
        "agent",
        lambda w: f"/conversations/{w.more['first']}/splits",
        form=lambda w: {"message_id": w.more["message"]},
        hidden_from=OUTSIDE,
        refused=True,
    ),
    ("arranging.move", "POST"): route(
        "agent",
        lambda w: f"/conversations/{w.mine}/mailbox",
        form=lambda w: {"mailbox_id": w.support},
        hidden_from=OUTSIDE,
    ),
    ("arranging.link", "POST"): route(
        "agent", lambda w: f"/conversations/{w.mine}/links", form=lambda w: {"other": w.free}, hidden_from=OUTSIDE
    ),
    ("arranging.unlink", "POST"): route(
        "agent", lambda w: f"/conversations/{w.mine}/links/{w.free}/removal", hidden_from=OUTSIDE
    ),
    ("notifications.follow", "POST"): route(
        "agent", lambda w: f"/conversations/{w.mine}/followers", form=lambda w: {"on": "1"}, hidden_from=OUTSIDE
    ),
    ("notifications.can_be_mentioned", "GET"): route(
        "agent", lambda w: f"/conversations/{w.mine}/mentions", hidden_from=OUTSIDE
    ),
    ("notifications.show", "GET"): route("agent", "/notifications?unread=1"),
    ("notifications.fresh", "GET"): route("agent", "/notifications/fresh?after=0"),
    ("notifications.mark_read", "POST"): route("agent", "/notifications/readings", form=lambda w: {"all": "1"}),
    ("webhooks.own", "GET"): route("agent", "/preferences/webhook"),
    ("webhooks.set_own", "POST"): route(
        "agent", "/preferences/webhook", form=lambda w: {"url": "http://127.0.0.1/"}, refused=True
    ),
    ("webhooks.shared", "GET"): route("manager", "/webhooks"),
    ("webhooks.add", "POST"): route("manager", "/webhooks", form=lambda w: {"name": "Chat"}, refused=True),
    ("webhooks.try_out", "POST"): route(
        "agent", lambda w: f"/webhooks/{w.more['webhook']}/trials", hidden_from=NOT_MINE
    ),
    ("webhooks.remove", "POST"): route(
        "agent", lambda w: f"/webhooks/{w.more['webhook']}/removal", hidden_from=NOT_MINE
    ),
    ("notifications.choices", "GET"): route("agent", "/preferences/notifications"),
    ("notifications.choose", "POST"): route(
        "agent", "/preferences/notifications", form=lambda w: {"quiet_from": "25:00"}, refused=True
    ),
    ("joins.new", "GET"): route("agent", lambda w: f"/joins/new?id={w.more['one']}", hidden_from=OUTSIDE),
    ("joins.create", "POST"): route(
        "agent", "/joins", form=lambda w: {"id": [w.more["first"], w.more["one"]]}, hidden_from=OUTSIDE
    ),
    ("joins.part", "POST"): route(
        "agent", "/joins/partings", form=lambda w: {"part": w.more["parted"]}, hidden_from=OUTSIDE
    ),
    ("joins.refuse", "POST"): route(
        "agent", lambda w: f"/suggestions/{w.more['offered']}/refusal", hidden_from=OUTSIDE
    ),
    ("messages.html", "GET"): route("agent", lambda w: f"/messages/{w.more['message']}/html", hidden_from=OUTSIDE),
    ("messages.inline", "GET"): route(
        "agent", lambda w: f"/messages/{w.more['message']}/inline/{w.more['inline']}", hidden_from=OUTSIDE
    ),
    ("messages.file", "GET"): route(
        "agent", lambda w: f"/messages/{w.more['message']}/files/{w.more['csv']}", hidden_from=OUTSIDE
    ),
    ("messages.picture", "GET"): route(
        "agent", lambda w: f"/messages/{w.more['message']}/files/{w.more['png']}/picture", hidden_from=OUTSIDE
    ),
    ("messages.thumbnail", "GET"): route(
        "agent", lambda w: f"/messages/{w.more['message']}/files/{w.more['png']}/thumbnail", hidden_from=OUTSIDE
    ),
    ("messages.preview", "GET"): route(
        "agent", lambda w: f"/messages/{w.more['message']}/files/{w.more['csv']}/text", hidden_from=OUTSIDE
    ),
    ("messages.files", "GET"): route(
        "agent", lambda w: f"/messages/{w.more['message']}/files.zip", hidden_from=OUTSIDE
    ),
    ("messages.raw", "GET"): route("agent", lambda w: f"/messages/{w.more['message']}.eml", hidden_from=OUTSIDE),
    ("messages.source", "GET"): route("agent", lambda w: f"/messages/{w.more['message']}/source", hidden_from=OUTSIDE),
    # drafts are their author's alone
    ("drafts.show", "GET"): route("agent", "/drafts"),
    ("drafts.start", "POST"): route(
        "agent", "/drafts", form=lambda w: {"kind": "reply", "conversation_id": w.mine}, hidden_from=OUTSIDE
    ),
    ("drafts.open_", "GET"): route("agent", lambda w: f"/drafts/{w.more['fresh']}", hidden_from=NOT_MINE),
    ("drafts.save", "POST"): route(
        "agent",
        lambda w: f"/drafts/{w.more['draft']}",
        form=lambda w: {"rev": 2, "text": "More."},
        hidden_from=NOT_MINE,
    ),
    ("drafts.change_kind", "POST"): route(
        "agent",
        lambda w: f"/drafts/{w.more['draft']}/kind",
        form=lambda w: {"rev": 3, "new_kind": "reply_all"},
        hidden_from=NOT_MINE,
    ),
    ("drafts.move", "POST"): route(
        "agent",
        lambda w: f"/drafts/{w.more['fresh']}/mailbox",
        form=lambda w: {"rev": 1, "mailbox_id": w.support},
        hidden_from=NOT_MINE,
    ),
    ("drafts.attach", "POST"): route(
        "agent", lambda w: f"/drafts/{w.more['draft']}/files", hidden_from=NOT_MINE, refused=True
    ),
    ("drafts.file", "GET"): route(
        "agent", lambda w: f"/drafts/{w.more['draft']}/files/{w.more['file']}", hidden_from=NOT_MINE
    ),
    ("drafts.remove_file", "POST"): route(
        "agent", lambda w: f"/drafts/{w.more['draft']}/files/{w.more['file']}/removal", hidden_from=NOT_MINE
    ),
    ("drafts.discard", "POST"): route("agent", lambda w: f"/drafts/{w.more['draft']}/discarding", hidden_from=NOT_MINE),
    ("drafts.bring_back", "POST"): route("agent", lambda w: f"/drafts/{w.more['draft']}/return", hidden_from=NOT_MINE),
    ("replies.send", "POST"): route(
        "agent",
        lambda w: f"/drafts/{w.more['ready']}/replies",
        form=lambda w: {"next_status": "closed"},
        hidden_from=NOT_MINE,
    ),
    ("replies.undo", "POST"): route("agent", lambda w: f"/replies/{w.more['leaving']}/undoing", hidden_from=OUTSIDE),
    ("replies.decide", "POST"): route(
        "agent",
        lambda w: f"/replies/{w.more['failed']}/decision",
        form=lambda w: {"what": "try_again"},
        hidden_from=OUTSIDE,
    ),
    ("guards.show", "GET"): route("manager", "/guards"),
    ("guards.misses", "GET"): route("manager", "/guards/near-misses"),
    ("guards.edit_check", "GET"): route("manager", lambda w: f"/guards/mailboxes/{w.support}"),
    ("guards.change_check", "POST"): route(
        "manager", lambda w: f"/guards/mailboxes/{w.support}", form=lambda w: {"ask": "never"}
    ),
    ("guards.new_pool", "GET"): route("manager", "/guards/approvers/new"),
    ("guards.add_pool", "POST"): route(
        "manager", "/guards/approvers", form=lambda w: {"name": "Leads", "approvers": w.users["manager"]}
    ),
    ("guards.edit_pool", "GET"): route("manager", lambda w: f"/guards/approvers/{w.more['approval_pool']}"),
    ("guards.change_pool", "POST"): route(
        "manager",
        lambda w: f"/guards/approvers/{w.more['approval_pool']}",
        form=lambda w: {"name": "Leads", "approvers": w.users["manager"]},
    ),
    ("guards.new_policy", "GET"): route("manager", "/guards/policies/new"),
    ("guards.add_policy", "POST"): route(
        "manager",
        "/guards/policies",
        form=lambda w: {"name": "Large", "pool": w.more["approval_pool"], "amount": "1000000"},
    ),
    ("guards.edit_policy", "GET"): route("manager", lambda w: f"/guards/policies/{w.more['approval_policy']}"),
    ("guards.change_policy", "POST"): route(
        "manager",
        lambda w: f"/guards/policies/{w.more['approval_policy']}",
        form=lambda w: {"name": "Large", "pool": w.more["approval_pool"], "amount": "1000000"},
    ),
    ("guards.remove_policy", "POST"): route(
        "manager", lambda w: f"/guards/policies/{w.more['approval_policy']}/removal"
    ),
    ("guards.remove_pool", "POST"): route("manager", lambda w: f"/guards/approvers/{w.more['unused_pool']}/removal"),
    ("guards.set_new_staff", "POST"): route("manager", "/guards/new-staff"),
    ("approvals.show", "GET"): route("agent", "/approvals"),
    ("approvals.one", "GET"): route("agent", lambda w: f"/approvals/{w.more['approval']}", hidden_from=OUTSIDE),
    ("approvals.file", "GET"): route(
        "agent", lambda w: f"/approvals/{w.more['approval']}/files/{w.more['approval_file']}", hidden_from=OUTSIDE
    ),
    ("approvals.attach", "POST"): route(
        "agent", lambda w: f"/approvals/{w.more['approval']}/files", hidden_from=OUTSIDE, refused=True
    ),
    ("approvals.decide", "POST"): route(
        "agent", lambda w: f"/approvals/{w.more['approval']}/decision", hidden_from=OUTSIDE, refused=True
    ),
    ("approvals.withdraw", "POST"): route(
        "agent", lambda w: f"/approvals/{w.more['approval']}/withdrawal", hidden_from=NOT_MINE
    ),
    ("replies.leave_now", "POST"): route(
        "agent", lambda w: f"/scheduled/{w.more['scheduled']}/departure", hidden_from=OUTSIDE
    ),
    ("replies.unschedule", "POST"): route(
        "agent", lambda w: f"/scheduled/{w.more['also_scheduled']}/cancellation", hidden_from=OUTSIDE
    ),
    # the last one: it ends the session that all before it were asked with
    ("preferences.end_others", "POST"): route("agent", "/preferences/sessions"),
}
