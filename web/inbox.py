"""The list of conversations: boxes, filters, pages, bulk changes, and rows that change while one looks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode as url_encode

from flask import Blueprint, Response, current_app, g, jsonify, redirect, render_template, request, url_for
from markupsafe import Markup
from werkzeug.wrappers import Response as AnyResponse

from inbox import bulk, choices, lists, profiles, search, sidebar, views
from inbox.errors import N_, NotFound, UserError
from inbox.joins import MOST_JOINED
from inbox.lists import BOXES, NO_MORE, ListRow, More
from web import edge, house, language, later
from web.assets import asset
from web.bulk import after as after_bulk
from web.deadlines import due
from web.language import gettext, once_for_a_language

pages = Blueprint("inbox", __name__)

PAGE_SIZE = 50
MOST_AT_ONCE = 200  # conversations in one bulk change, rows in one update
MOST_FOUND = 2_000  # conversations with the newest matches that a filter by words looks at
LONGEST_WAITING = 24 * 365  # hours
ROW_ICONS = ("alert-triangle", "pencil", "eye", "edit", "paperclip", "zzz", "clock", "corner-up-left")


@dataclass(frozen=True)
class Wanted:
    """What the address of a list asks for."""

    box: str
    mailbox_id: int | None
    tag_id: int | None
    owner_id: int | None
    order: str
    category_id: int | None = None
    person_id: int | None = None
    team_id: int | None = None
    priority: str = ""
    waiting: int | None = None  # hours that an answer is owed for at least
    tier: str = ""  # of the customer
    phase: str = ""
    field: int | None = None  # of the custom field that must have `value`
    value: str = ""
    text: str = ""  # words that must stand in it
    view: int | None = None  # the saved view that one looks at

    @property
    def query(self) -> dict[str, Any]:
        """The same as parts of an address; what is usual stands in none."""
        query = {"mailbox": self.mailbox_id, "tag": self.tag_id, "owner": self.owner_id, **self.more_query}
        return {name: value for name, value in query.items() if value} | (
            {"order": self.order} if self.order != "newest" else {}
        )

    @property
    def more_query(self) -> dict[str, Any]:
        return {
            "category": self.category_id,
            "person": self.person_id,
            "team": self.team_id,
            "priority": self.priority,
            "waiting": self.waiting,
            "tier": self.tier,
            "phase": self.phase,
            "field": self.field if self.value else None,
            "value": self.value if self.field else "",
            "text": self.text,
            "view": self.view,
        }

    @property
    def filters(self) -> dict[str, Any]:
        return {"mailbox_id": self.mailbox_id, "tag_id": self.tag_id, "owner_id": self.owner_id, "more": self.more}

    @property
    def more(self) -> More:
        return More(
            category_id=self.category_id,
            person_id=self.person_id,
            team_id=self.team_id,
            priority=self.priority or None,
            tier=profiles.spelt_so(profiles.tiers(g.session), self.tier) if self.tier else None,
            phase=profiles.spelt_so(profiles.phases(g.session), self.phase) if self.phase else None,
            waits_longer=g.now - timedelta(hours=self.waiting) if self.waiting else None,
            field=(self.field, self.value) if self.field and self.value else None,
            found=search.ids(g.session, g.who, self.text, most=MOST_FOUND) if self.text else None,
        )

    @classmethod
    def read(cls, box: str) -> Wanted:
        return cls.of(box, request.args)

    @classmethod
    def of(cls, box: str, given: Mapping[str, Any]) -> Wanted:
        """From parts of an address that came with another page."""
        mailbox_id, tag_id, owner_id = (_number(given.get(name)) for name in ("mailbox", "tag", "owner"))
        category, person, team, waiting, field, view = (
            _number(given.get(name)) for name in ("category", "person", "team", "waiting", "field", "view")
        )
        priority, tier, phase, value, text = (
            " ".join(str(given.get(n) or "").split())[:200] for n in ("priority", "tier", "phase", "value", "text")
        )
        return cls(
            box,
            mailbox_id,
            tag_id,
            owner_id,
            "waiting" if given.get("order") == "waiting" else "newest",
            category_id=category,
            person_id=person,
            team_id=team,
            priority=priority,
            waiting=min(waiting, LONGEST_WAITING) if waiting else None,
            tier=tier,
            phase=phase,
            field=field,
            value=value,
            text=text,
            view=view,
        )


def _number(given: Any) -> int | None:
    text = str(given or "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None


@pages.get("/")
def home() -> AnyResponse:
    """A manager begins with what is late, everybody else with what nobody has yet."""
    return redirect(url_for("board.show") if g.who.role == "manager" else url_for("inbox.show", box="unassigned"), 303)


@pages.get("/inbox/<box>")
def show(box: str) -> str:
    wanted = Wanted.read(box)
    page = lists.page(
        g.session,
        g.who,
        box,
        now=g.now,
        after=request.args.get("after"),
        size=PAGE_SIZE,
        order=wanted.order,
        **wanted.filters,
    )
    first = not request.args.get("after") or page.newer is None
    offered, narrowing = choices.of_list(g.session, g.who)
    return render_template(
        "inbox/show.html",
        wanted=wanted,
        page=page,
        first=first,
        title=house.box_label(box),
        older=_address(wanted, after=page.older) if page.older else "",
        newer=_address(wanted, after=page.newer) if page.newer else "",
        tags=offered.tags,
        categories=offered.categories,
        team=offered.team,
        narrowing=narrowing,
        view=_view(wanted),
        snoozes=later.choices(g.now, language.zone()),
        shown=shown(wanted),
    )


def _view(wanted: Wanted) -> views.View | None:
    if wanted.view is None:
        return None
    return next((one for one in views.all_of(g.session, g.who) if one.id == wanted.view), None)


@pages.get("/inbox/<box>/rows")
def rows(box: str) -> str:
    """Rows as they are now: those of the asked conversations that stand in this list. inbox.js sets them in."""
    if box not in BOXES:
        raise NotFound
    wanted = Wanted.read(box)
    asked, more = ids_of(request.args.getlist("id")), wanted.more
    if more == NO_MORE:
        found = [row for row in lists.rows_of(g.session, g.who, asked, now=g.now) if _stands_in(row, wanted)]
    else:
        within = tuple(one for one in asked if more.found is None or one in more.found)
        given = wanted.filters | {"more": replace(more, found=within)}
        found = list(lists.page(g.session, g.who, box, now=g.now, size=MOST_AT_ONCE, **given).rows)
    return render_template("inbox/rows.html", rows=found, shown=shown(wanted))


@pages.get("/inbox/counts")
def counts() -> Response:
    return jsonify(house.counts(sidebar.show(g.session, g.who, now=g.now)))


@pages.post("/inbox/changes")
def change() -> AnyResponse:
    """One thing done to several conversations at once; {all}: to all of the list, also those on its other pages."""
    ids = _every_id() if "all" in request.form else ids_of(request.form.getlist("id"))
    back = edge.same_origin(request.form.get("next"), otherwise=url_for("inbox.show", box="unassigned"))
    if not ids:
        edge.tell(gettext("Choose conversations first."), kind="info")
        return redirect(back, 303)
    action = request.form.get("action", "")
    if action == "typed" and not (action := _typed()):
        edge.tell(gettext("Press the button of what shall be done."), kind="info")
        return redirect(back, 303)
    if action == "join":
        return redirect(url_for("joins.new", id=ids[:MOST_JOINED]), 303)
    given = _given_with(action)
    action = "assign" if action == "take" else action
    return after_bulk(bulk.start(g.session, g.who, action, ids, now=g.now, **given), back)


def _typed() -> str:
    """What Enter in a field asks for: the action whose words were typed; "" when that is none or could be either."""
    wanted = [action for name, action in (("tag", "tag"), ("reason", "needless")) if request.form.get(name, "").strip()]
    return wanted[0] if len(wanted) == 1 else ""


def _every_id() -> list[int]:
    form = request.form
    given = {name.removeprefix("way_"): value for name, value in form.items() if name.startswith("way_")}
    wanted = Wanted.of(form.get("box", ""), given)
    return lists.every_id(g.session, g.who, wanted.box, most=bulk.MOST + 1, **wanted.filters)


@dataclass(frozen=True)
class Shown:
    """What a row says beyond its facts: made once for a page, so that rows cost no look-ups."""

    words: dict[str, str]
    icons: dict[str, Markup]
    base: str
    tail: str
    several_mailboxes: bool
    key: tuple[object, ...]  # all that a row's looks depend on besides the row itself


def shown(wanted: Wanted | None = None) -> Shown:
    base = request.script_root + "/conversations/"
    tail = "?" + url_encode({"box": wanted.box, **wanted.query}) if wanted else ""
    several = len(g.who.mailbox_ids) > 1 and (wanted is None or wanted.mailbox_id is None)
    return Shown(
        words=_row_words(),
        icons={name: _icon(name) for name in ROW_ICONS},
        base=base,
        tail=tail,
        several_mailboxes=several,
        key=(language.locale(), language.zone(), g.now.replace(second=0, microsecond=0), base, tail, several),
    )


@once_for_a_language
def _row_words() -> dict[str, str]:
    return {
        "open": gettext("Open"),
        "waiting": gettext("Waiting"),
        "snoozed": gettext("Snoozed"),
        "closed": gettext("Closed"),
        "spam": gettext("Spam"),
        "failed": gettext("Not sent"),
        "uncertain": gettext("Uncertain"),
        "bounced": gettext("Came back"),
        "new": gettext("New"),
        "unread": gettext("Unread"),
        "draft": gettext("Draft"),
        "files": gettext("Has attachments"),
        "no subject": gettext("(no subject)"),
        "nobody": gettext("No owner"),
        "you wrote": gettext("Our answer was last"),
        "since": gettext("Waits for an answer since"),
        "until": gettext("Snoozed until"),
        "choose": gettext("Choose"),
        "writes": gettext("%(name)s is writing", name="{}"),
        "looks": gettext("%(name)s is looking", name="{}"),
        "messages": gettext("Messages"),
    }


ROWS_KEPT = 5_000
_rows: dict[tuple[object, ...], Markup] = {}


@pages.app_template_global()
def row_markup(row: ListRow, look: Shown) -> Markup:
    """A row of a list, kept for its state, language and minute: a team looks at the same lists all day."""
    key = (row, look.key)
    found = _rows.get(key)
    if found is None:
        if len(_rows) >= ROWS_KEPT:
            _rows.clear()
        template = current_app.jinja_env.get_template("inbox/row.html")
        found = _rows[key] = template.module.row(row, look, due(row.due_at, row.mailbox_id))  # type: ignore[attr-defined]
    return found


def _icon(name: str) -> Markup:
    return Markup('<svg class="icon" aria-hidden="true"><use href="%s#%s"></use></svg>') % (
        asset("vendor/icons.svg"),
        name,
    )


def _stands_in(row: ListRow, wanted: Wanted) -> bool:
    """Whether a conversation belongs to the asked list."""
    status = "open" if wanted.box in ("unassigned", "mine") else wanted.box
    owner_fits = {"unassigned": row.owner_id is None, "mine": row.owner_id == g.who.id}.get(
        wanted.box, wanted.owner_id is None or row.owner_id == wanted.owner_id
    )
    tag_fits = wanted.tag_id is None or any(tag_id == wanted.tag_id for tag_id, _name, _colour in row.tags)
    return row.status == status and owner_fits and tag_fits and wanted.mailbox_id in (None, row.mailbox_id)


def _address(wanted: Wanted, *, after: str | None = None) -> str:
    return url_for("inbox.show", box=wanted.box, after=after, **wanted.query)


def ids_of(given: list[str]) -> list[int]:
    """The numbers of a form or an address, each once."""
    return list(
        dict.fromkeys(int(one) for one in given[:MOST_AT_ONCE] if one.isascii() and one.isdigit() and len(one) < 19)
    )


def _given_with(action: str) -> dict[str, Any]:
    """The further fields that an action takes."""
    form = request.form
    if action == "take":
        return {"owner_id": g.who.id}
    if action == "assign":
        owner = form.get("owner", "")
        return {"owner_id": g.who.id if owner == "me" else int(owner) if owner.isascii() and owner.isdigit() else None}
    if action == "snooze":
        return {"until": later.read(form.get("until", ""), now=g.now, zone=language.zone())}
    if action == "tag":
        return {"name": form.get("tag", "")}
    if action == "needless":
        return {"reason": form.get("reason", "")}
    if action == "categorise":
        return {"category_id": _number(form.get("category"))}
    if action in ("close", "reopen", "wait", "spam", "not_spam", "mark_unread"):
        return {}
    raise UserError(N_("Choose what to do."))
