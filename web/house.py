"""What every page of the house shows around its own content: folders with counts, mailboxes, banners."""

from __future__ import annotations

from dataclasses import dataclass, field

from flask import Flask, current_app, g, request, url_for

from inbox import sidebar, views
from inbox.sidebar import Sidebar, SideMailbox
from web.language import gettext, ngettext, once_for_a_language, unit_words


@dataclass(frozen=True)
class Item:
    """A line of the sidebar. `counter` names the count that app.js keeps fresh."""

    label: str
    url: str
    icon: str = ""
    counter: str = ""
    count: int = 0
    key: str = ""
    here: bool = False
    loud: bool = False
    colour: str = ""
    health: str = ""
    health_words: str = ""


@dataclass(frozen=True)
class Group:
    label: str
    items: tuple[Item, ...]


@dataclass(frozen=True)
class Banner:
    """A line above the page while something is wrong. `kind`: bad or note."""

    kind: str
    text: str
    url: str = ""
    link: str = ""


@dataclass(frozen=True)
class House:
    groups: tuple[Group, ...]
    account: tuple[Item, ...]
    banners: tuple[Banner, ...]
    newest: int
    bell: int = 0  # notifications that were not read
    compose: str = ""
    demo: bool = False  # whether the demo mailbox is among the mailboxes
    handovers: bool = False  # whether hand-over notes count now
    words: dict[str, object] = field(default_factory=dict)


def install(app: Flask) -> None:
    app.add_template_global(house)
    app.add_template_global(_address, "house_address")
    app.add_template_global(first_steps)
    app.add_template_global(handovers_count)


def house() -> House:
    """Built once for a page, from a handful of small queries."""
    side = sidebar.show(g.session, g.who, now=g.now)
    g.house = House(
        groups=tuple(
            group for group in (_boxes(side), _views(side), _mailboxes(side), _more(side), _settings()) if group.items
        ),
        account=_account(),
        banners=_banners(side),
        newest=side.newest,
        bell=side.bell,
        compose=_address("drafts.start") if side.mailboxes else "",
        demo=any(mailbox.is_demo for mailbox in side.mailboxes),
        handovers=side.has_handovers,
        words=_words(),
    )
    return g.house


def first_steps() -> bool:
    """Whether the page of the house that is being built shows what to try with the demo."""
    return g.house.demo


def handovers_count() -> bool:
    """Whether the page of the house that is being built has hand-over notes to look for."""
    return g.house.handovers


def counts(side: Sidebar) -> dict[str, int]:
    """Every count of the sidebar by its name, as app.js fetches them."""
    return {
        **side.boxes,
        "bell": side.bell,
        "late": side.late,
        "drafts": side.drafts,
        "outbox": side.leaving + side.stuck,
        "quarantine": side.quarantined,
        "approvals": side.approvals,
        **{f"mailbox-{mailbox.id}": mailbox.open for mailbox in side.mailboxes},
    }


def box_label(box: str) -> str:
    return _box_labels()[box]


@once_for_a_language
def _box_labels() -> dict[str, str]:
    return {
        "unassigned": gettext("Unassigned"),
        "mine": gettext("Mine"),
        "open": gettext("All open"),
        "waiting": gettext("Waiting for the customer"),
        "snoozed": gettext("Snoozed"),
        "closed": gettext("Closed"),
        "spam": gettext("Spam"),
    }


BOX_ICONS = {
    "unassigned": "inbox",
    "mine": "user",
    "open": "folder-open",
    "waiting": "hourglass",
    "snoozed": "zzz",
    "closed": "circle-check",
    "spam": "alert-hexagon",
}
BOX_KEYS = {
    "unassigned": "g u",
    "mine": "g m",
    "open": "g o",
    "waiting": "g w",
    "snoozed": "g s",
    "closed": "g c",
    "spam": "g x",
}


def _boxes(side: Sidebar) -> Group:
    here = (request.view_args or {}).get("box") if request.endpoint == "inbox.show" and not _mailbox_here() else None
    shown_count = ("unassigned", "mine", "open", "waiting", "snoozed")  # how many are closed is no news to anybody
    board = Item(
        gettext("Board"),
        url_for("board.show"),
        icon="alarm",
        counter="late",
        count=side.late,
        key="g b",
        here=_here("board.show"),
        loud=True,
    )
    return Group(
        "",
        (
            board,
            *(
                Item(
                    gettext("Waiting") if box == "waiting" else box_label(box),
                    url_for("inbox.show", box=box),
                    icon=BOX_ICONS[box],
                    counter=box if box in shown_count else "",
                    count=side.boxes[box] if box in shown_count else 0,
                    key=BOX_KEYS[box],
                    here=box == here,
                    loud=box in ("unassigned", "mine"),
                )
                for box in BOX_ICONS
            ),
        ),
    )


def _views(side: Sidebar) -> Group:
    here = request.args.get("view", type=int) if request.endpoint == "inbox.show" else None
    kept = views.all_of(g.session, g.who) if side.has_views else ()
    items = [
        Item(
            one.name,
            url_for("inbox.show", box=one.box, **one.query, view=one.id),
            icon="users" if one.shared else "filter",
            here=one.id == here,
        )
        for one in kept
    ]
    if kept:
        items.append(Item(gettext("Manage views"), url_for("views.show"), icon="settings", here=_here("views.show")))
    return Group(gettext("Views"), tuple(items))


def _mailboxes(side: Sidebar) -> Group:
    return Group(
        gettext("Mailboxes"),
        tuple(
            Item(
                mailbox.name,
                url_for("inbox.show", box="open", mailbox=mailbox.id),
                colour=mailbox.colour,
                counter=f"mailbox-{mailbox.id}",
                count=mailbox.open,
                here=_mailbox_here() == mailbox.id,
                health=mailbox.state,
                health_words=_health_words(mailbox),
            )
            for mailbox in side.mailboxes
        ),
    )


def _more(side: Sidebar) -> Group:
    wanted = (
        (gettext("Hand-over notes"), "handovers.show", "notes", "", 0, "g n", False),
        (gettext("Drafts"), "drafts.show", "edit", "drafts", side.drafts, "g d", side.came_back > 0),
        (gettext("Approvals"), "approvals.show", "checks", "approvals", side.approvals, "g v", side.approvals > 0),
        (gettext("Outbox"), "outbox.show", "send", "outbox", side.leaving + side.stuck, "g e", side.stuck > 0),
        (
            gettext("Quarantine"),
            "quarantine.show",
            "shield-x",
            "quarantine",
            side.quarantined,
            "g q",
            side.quarantined > 0,
        ),
    )
    return Group(
        gettext("Mail"),
        tuple(
            Item(label, address, icon=icon, counter=counter, count=count, key=key, loud=loud, here=_here(endpoint))
            for label, endpoint, icon, counter, count, key, loud in wanted
            if (address := _address(endpoint))
        ),
    )


def _settings() -> Group:
    wanted = [
        (gettext("Health"), "health.show", "activity", "g h"),
        (gettext("Blocked senders"), "blocks.show", "ban", "g n"),
    ]
    if g.who.is_manager:
        wanted.append((gettext("Tags, categories and fields"), "labels.show", "tags", "g y"))
    if g.who.is_manager:
        wanted.append((gettext("People"), "people.show", "users", "g p"))
        wanted.append((gettext("Webhooks"), "webhooks.shared", "webhook", "g k"))
        wanted.append((gettext("Safe sending"), "guards.show", "shield-check", "g f"))
        wanted.append((gettext("Deadlines"), "deadlines.show", "clock", "g l"))
        wanted.append((gettext("Rules"), "rules.show", "list-numbers", "g r"))
        wanted.append((gettext("Teams"), "teams.show", "user-circle", "g j"))
        wanted.append((gettext("Working hours"), "calendars.show", "calendar", "g t"))
    if g.who.is_admin:
        wanted.append((gettext("Mailboxes"), "mailboxes.show", "mailbox", "g a"))
    return Group(
        gettext("Set-up"),
        tuple(
            Item(label, address, icon=icon, key=key, here=_here(endpoint))
            for label, endpoint, icon, key in wanted
            if (address := _address(endpoint))
        ),
    )


def _account() -> tuple[Item, ...]:
    address = _address("preferences.show")
    return (Item(gettext("Preferences"), address, icon="settings"),) if address else ()


def _banners(side: Sidebar) -> tuple[Banner, ...]:
    """What is wrong with the installation, then with mailboxes, then what is only worth knowing."""
    return (*_pauses(side), *_parts(), *_broken(side), *_notes(side))


def _pauses(side: Sidebar) -> list[Banner]:
    outbox = _address("outbox.show")
    if side.paused_by == "restored":
        text = gettext("This is a restored backup: nothing is sent until an administrator lets sending go on.")
        return [Banner("bad", text, outbox, gettext("Look at the outbox"))]
    if side.paused_by:
        return [Banner("bad", gettext("Sending is paused for all mailboxes."), outbox, gettext("Look at the outbox"))]
    paused = [mailbox.name for mailbox in side.mailboxes if mailbox.sending_paused]
    if paused:
        text = gettext("Sending is paused for: %(names)s.", names=gettext(", ").join(paused))
        return [Banner("note", text, outbox, gettext("Look at the outbox"))]
    return []


def _parts() -> list[Banner]:
    """Parts of the system that do not work, in one line."""
    if not _address("health.show"):
        return []
    from web import health

    found = health.troubles()
    if not found:
        return []
    names = gettext(", ").join(one.name for one in found)
    text = found[0].words if len(found) == 1 else gettext("These parts do not work: %(names)s.", names=names)
    return [Banner("bad", text, _address("health.show"), gettext("What is wrong"))]


def _broken(side: Sidebar) -> list[Banner]:
    health, found = _address("health.show"), []
    reading = [mailbox.name for mailbox in side.mailboxes if mailbox.state == "bad"]
    if reading:
        text = gettext("No mail comes in for: %(names)s.", names=gettext(", ").join(reading))
        found.append(Banner("bad", text, health, gettext("What is wrong")))
    sending = [mailbox.name for mailbox in side.mailboxes if mailbox.smtp_error_code and mailbox.state != "off"]
    if sending:
        text = gettext("No mail leaves from: %(names)s.", names=gettext(", ").join(sending))
        found.append(Banner("bad", text, health, gettext("What is wrong")))
    if side.forgotten and g.who.is_manager:
        text = gettext("The nightly check found customers’ mail that nobody would see.")
        found.append(Banner("bad", text, health, gettext("What is wrong")))
    return found


def _notes(side: Sidebar) -> list[Banner]:
    return [*_failing_rules(side), *_came_back(side), *_importing(side)]


def _failing_rules(side: Sidebar) -> list[Banner]:
    if not (side.failing_rules and g.who.is_manager):
        return []
    text = ngettext("%(num)d rule could not run.", "%(num)d rules could not run.", side.failing_rules)
    return [Banner("bad", text, _address("rules.show"), gettext("Look at the rules"))]


def _came_back(side: Sidebar) -> list[Banner]:
    """What was approved, returned or not sent at its time is told to its author wherever they are."""
    if not side.came_back:
        return []
    text = ngettext(
        "%(num)d mail came back to you as a draft.", "%(num)d mails came back to you as drafts.", side.came_back
    )
    return [Banner("note", text, _address("drafts.show"), gettext("Look at the drafts"))]


def _importing(side: Sidebar) -> list[Banner]:
    if not any(mailbox.importing for mailbox in side.mailboxes):
        return []
    return [
        Banner("note", gettext("Older mail is still coming in."), _address("health.show"), gettext("How far it is"))
    ]


def _health_words(mailbox: SideMailbox) -> str:
    return {
        "ok": gettext("Works"),
        "new": gettext("Not read yet"),
        "warn": gettext("Needs a look"),
        "bad": gettext("Does not work"),
        "off": gettext("Switched off"),
    }[mailbox.state]


@once_for_a_language
def _words() -> dict[str, object]:
    """What app.js and keys.js say."""
    return {
        "units": unit_words(),
        "this page": gettext("On this page"),
        "nothing": gettext("Nothing fits these words"),
        "recent": gettext("Recently opened"),
        "new mail": gettext("New mail: %(who)s", who="{}"),
        "new mails": gettext("%(count)s new conversations", count="{}"),
        "signed out": gettext("You are signed out."),
        "failed": gettext("That did not work. Check the connection and try again."),
        "selected": gettext("%(count)s selected", count="{}"),
        "then": gettext("then"),
        "keys": {
            "list": gettext("In the list"),
            "next": gettext("Next"),
            "previous": gettext("Previous"),
            "open": gettext("Open the conversation"),
            "choose": gettext("Choose"),
        },
    }


def _mailbox_here() -> int | None:
    return request.args.get("mailbox", type=int) if request.endpoint == "inbox.show" else None


def _here(endpoint: str) -> bool:
    return request.blueprint == endpoint.partition(".")[0]


def _address(endpoint: str) -> str:
    """Where a page stands; "" in a house without it."""
    return url_for(endpoint) if endpoint in current_app.view_functions else ""
