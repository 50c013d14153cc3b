"""Connected mailboxes: the wizard that connects one, its settings, pausing, removing. For administrators."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from flask import Blueprint, g, redirect, render_template, request, url_for
from werkzeug.datastructures import MultiDict
from werkzeug.wrappers import Response

from inbox import mailboxes, outbox, people, sidebar
from inbox.errors import N_, NotFound, UserError
from inbox.mailboxes import PROVIDERS, MailboxForm, Provider, TestStep
from inbox.mailboxes.providers import provider as provider_of
from inbox.wire.problems import WireProblem
from web import edge
from web.edge import Answer
from web.language import gettext, ngettext
from web.preferences import as_html

pages = Blueprint("mailboxes", __name__)

COLOURS = ("#2f6fde", "#1c7a46", "#b45309", "#8b3fc7", "#c0392b", "#0e7490", "#a16207", "#be3a76")
SINCE = {"all": None, "year": timedelta(days=365), "quarter": timedelta(days=90), "new": timedelta(0)}
SENT_COPIES = {"auto": None, "us": False, "server": True}
# at which stage of a sign-in a problem stands
REACH = ("unknown_host", "refused", "timeout", "unreachable", "protocol", "lost")
TLS = ("no_tls", "no_starttls", "old_tls", "certificate_name", "certificate_expired", "certificate")


# -- pages


@pages.get("/mailboxes")
@edge.only("admin")
def show() -> str:
    side = sidebar.show(g.session, g.who, now=g.now)
    rows = [(one, mailboxes.form_of(g.session, one.id)) for one in side.mailboxes]
    return render_template("mailboxes/show.html", rows=rows)


@pages.get("/mailboxes/new")
@edge.only("admin")
def new() -> str | Answer:
    """Step 1 asks for the address; with an address in the query it is step 2, its settings filled in."""
    address = " ".join(request.args.get("address", "").split())
    name = " ".join(request.args.get("name", "").split())[:100]
    if "address" not in request.args:
        return render_template("mailboxes/new.html", values={}, providers=PROVIDERS)
    if address.count("@") != 1 or not all(address.split("@")):
        error = UserError(N_("%(address)s is not an e-mail address."), field="address", address=address or "–")
        return edge.form_again("mailboxes/new.html", error, values=request.args, providers=PROVIDERS)
    known = provider_of(request.args.get("provider", "")) or mailboxes.suggest(address)
    values = _first_values(address, name or address, known)
    return render_template("mailboxes/settings.html", **_page(values, provider=known))


@pages.post("/mailboxes")
@edge.only("admin")
def create() -> Response | str | Answer:
    """Tries both directions first; with "anyway" it connects whatever the servers say."""
    values = _values()
    page = _page(values, provider=provider_of(values["provider"]))
    try:
        form = _form(values)
        steps = [] if request.form.get("anyway") else _tried(form)
        if not all(step.ok for step in steps):
            return _refused(page, form, steps)
        mailbox_id = mailboxes.add(g.session, g.who, form, now=g.now)
    except UserError as error:
        return edge.form_again("mailboxes/settings.html", error, **page)
    edge.tell(gettext("%(name)s is connected. Its mail comes in now.", name=form.name))
    return redirect(url_for("mailboxes.one", mailbox_id=mailbox_id), 303)


@pages.post("/mailboxes/trials")
@edge.only("admin")
def try_new() -> str | Answer:
    return _trial(None)


@pages.get("/mailboxes/<int:mailbox_id>")
@edge.only("admin")
def one(mailbox_id: int) -> str:
    """How the mailbox is, and what can be done with it."""
    from web import health

    shown = {
        "card": health.card(mailbox_id),
        "mailbox": _side(mailbox_id),
        "form": mailboxes.form_of(g.session, mailbox_id),
    }
    return render_template(
        "mailboxes/one_inside.html" if edge.fragment() else "mailboxes/one.html", **shown, **health.words()
    )


@pages.get("/mailboxes/<int:mailbox_id>/settings")
@edge.only("admin")
def edit(mailbox_id: int) -> str:
    form = mailboxes.form_of(g.session, mailbox_id)
    return render_template("mailboxes/settings.html", **_page(_values_of(form), mailbox_id=mailbox_id))


@pages.post("/mailboxes/<int:mailbox_id>/settings")
@edge.only("admin")
def change(mailbox_id: int) -> Response | str | Answer:
    """An empty password keeps the stored one. Settings of a server that changed are tried first, unless "anyway"."""
    kept = mailboxes.form_of(g.session, mailbox_id)
    values = _values()
    page = _page(values, mailbox_id=mailbox_id)
    try:
        form = _form(values, kept=kept)
        steps = _tried(form, mailbox_id) if mailboxes.needs_trial(form, kept) and not request.form.get("anyway") else []
        if not all(step.ok for step in steps):
            return _refused(page, form, steps)
        mailboxes.change(g.session, g.who, mailbox_id, form, now=g.now)
    except UserError as error:
        return edge.form_again("mailboxes/settings.html", error, **page)
    edge.tell(gettext("Saved."))
    return redirect(url_for("mailboxes.one", mailbox_id=mailbox_id), 303)


@pages.post("/mailboxes/<int:mailbox_id>/trials")
@edge.only("admin")
def try_changed(mailbox_id: int) -> str | Answer:
    mailboxes.form_of(g.session, mailbox_id)  # NotFound before anything else
    return _trial(mailbox_id)


@pages.post("/mailboxes/<int:mailbox_id>/reading")
@edge.only("admin")
def reading(mailbox_id: int) -> Response:
    on = request.form.get("on") == "1"
    mailboxes.set_active(g.session, g.who, mailbox_id, on, now=g.now)
    edge.tell(gettext("Mail comes in again.") if on else gettext("Paused. Mail stays on the server until you go on."))
    return edge.next_page(url_for("mailboxes.one", mailbox_id=mailbox_id))


@pages.post("/mailboxes/<int:mailbox_id>/sending")
@edge.only("admin")
def sending(mailbox_id: int) -> Response:
    on = request.form.get("on") == "1"
    outbox.pause(g.session, g.who, mailbox_id, not on)
    people.audit(g.session, g.who, "sending_resumed" if on else "sending_paused", now=g.now, mailbox_id=mailbox_id)
    edge.tell(gettext("Sending goes on.") if on else gettext("Sending is paused. Mails wait in the outbox."))
    return edge.next_page(url_for("mailboxes.one", mailbox_id=mailbox_id))


@pages.get("/mailboxes/<int:mailbox_id>/removal")
@edge.only("admin")
def removal(mailbox_id: int) -> str:
    return render_template(
        "mailboxes/removal.html", form=mailboxes.form_of(g.session, mailbox_id), mailbox_id=mailbox_id
    )


@pages.post("/mailboxes/<int:mailbox_id>/removal")
@edge.only("admin")
def remove(mailbox_id: int) -> Response | Answer:
    form = mailboxes.form_of(g.session, mailbox_id)
    typed = request.form.get("address", "").strip()
    if typed.lower() != form.address.lower():
        error = UserError(N_("Type %(address)s to confirm."), field="address", address=form.address)
        return edge.form_again("mailboxes/removal.html", error, form=form, mailbox_id=mailbox_id, typed=typed)
    mailboxes.remove(g.session, g.who, mailbox_id, now=g.now)
    edge.tell(gettext("%(name)s was removed. Its mail is still on its server.", name=form.name))
    return redirect(url_for("mailboxes.show"), 303)


# -- trying: sockets, so outside of any transaction


@dataclass(frozen=True)
class Line:
    """One thing tried, in words. `state`: ok, bad, warn, or skip (not reached)."""

    state: str
    words: str
    problem: str = ""
    said: str = ""


@dataclass(frozen=True)
class Result:
    """Both directions. `refused`: connecting was asked for and did not happen because of it."""

    receiving: tuple[Line, ...]
    sending: tuple[Line, ...]
    ok: bool
    refused: bool
    folders: tuple[str, ...]


def _trial(mailbox_id: int | None) -> str | Answer:
    values = _values()
    page = _page(values, mailbox_id=mailbox_id, provider=provider_of(values["provider"]))
    try:
        form = _form(values, kept=mailboxes.form_of(g.session, mailbox_id) if mailbox_id else None)
        result = _result(form, _tried(form, mailbox_id))
    except UserError as error:
        return edge.form_again("mailboxes/settings.html", error, **page)
    template = "mailboxes/result.html" if edge.fragment() else "mailboxes/settings.html"
    return render_template(template, **page | {"result": result})


def _refused(page: dict[str, Any], form: MailboxForm, steps: list[TestStep]) -> Answer:
    """The form again with what the servers said; nothing was connected or saved."""
    return render_template("mailboxes/settings.html", **page | {"result": _result(form, steps, refused=True)}), 422


def _tried(form: MailboxForm, mailbox_id: int | None = None) -> list[TestStep]:
    """Signs in to both servers, up to a minute: the request's transaction ends before and begins anew after."""
    letter_at = g.now if request.form.get("letter") else None
    try:
        if mailbox_id is not None:
            form = mailboxes.with_kept_passwords(g.session, mailbox_id, form)
    except WireProblem as error:
        return [TestStep("imap", False, error.problem)]
    edge.end_transaction()
    try:
        return mailboxes.test(form, letter_at=letter_at)
    finally:
        edge.begin_again()


def _result(form: MailboxForm, steps: list[TestStep], *, refused: bool = False) -> Result:
    receiving = [line for step in steps if step.name in ("imap", "folders", "sent") for line in _lines(step, form)]
    sending = [line for step in steps if step.name in ("smtp", "sender", "letter") for line in _lines(step, form)]
    folders = next((step.facts["folders"] for step in steps if "folders" in step.facts), ())
    return Result(tuple(receiving), tuple(sending), all(step.ok for step in steps), refused, tuple(folders))  # type: ignore[arg-type]


def _lines(step: TestStep, form: MailboxForm) -> list[Line]:
    if step.name in ("imap", "smtp"):
        return _sign_in_lines(step, form)
    words = {
        "folders": gettext("Open the folders to read"),
        "sent": gettext("Find the Sent folder"),
        "sender": gettext("Send from this address"),
        "letter": gettext("Send a test mail to this address"),
    }[step.name]
    if step.name == "folders" and step.ok:
        mails = sum(step.facts["mails"].values())  # type: ignore[attr-defined]
        words = ngettext(
            "Read %(folders)s: %(count)s mail",
            "Read %(folders)s: %(count)s mails",
            mails,
            folders=gettext(", ").join(form.folders),
            count=f"{mails:,}",
        )
    if step.name == "sent" and step.ok:
        found = step.facts.get("sent_folder")
        if not found:
            return [Line("warn", gettext("No Sent folder found; name one below if there is one."))]
        words = gettext("Sent folder: %(name)s", name=found)
    return [_line("ok" if step.ok else "bad", words, step)]


def _sign_in_lines(step: TestStep, form: MailboxForm) -> list[Line]:
    """Reaching, encrypting and signing in: the problem says how far it came."""
    host, port, security, user = (getattr(form, f"{step.name}_{what}") for what in ("host", "port", "security", "user"))
    code = step.problem.code if step.problem else ""
    failed = 3 if step.ok else 0 if code in REACH else 1 if code in TLS else 2
    encrypted = {
        "tls": gettext("Encrypt (TLS)"),
        "starttls": gettext("Encrypt (STARTTLS)"),
        "plain": gettext("Not encrypted"),
    }[security]
    signed_in = gettext("Sign in as %(user)s", user=user) if user else gettext("No sign-in")
    stages = (gettext("Reach %(host)s, port %(port)s", host=host, port=port), encrypted, signed_in)
    return [
        _line("bad", words, step)
        if number == failed
        else Line(
            "warn" if number == 1 and security == "plain" and number < failed else "ok" if number < failed else "skip",
            words,
        )
        for number, words in enumerate(stages)
    ]


def _line(state: str, words: str, step: TestStep) -> Line:
    return Line(
        state, words, gettext(step.problem.words) if step.problem else "", step.problem.text if step.problem else ""
    )


# -- the form: what a person types, and what it means


def _first_values(address: str, name: str, known: Provider | None) -> dict[str, Any]:
    domain = address.partition("@")[2].lower()
    taken = {one.colour for one in sidebar.show(g.session, g.who, now=g.now).mailboxes}
    guess = MailboxForm(
        name=name,
        address=address,
        imap_host=known.imap_host if known else f"imap.{domain}",
        imap_port=known.imap_port if known else 993,
        imap_security=known.imap_security if known else "tls",
        imap_user=known.user_for(address) if known else address,
        smtp_host=known.smtp_host if known else f"smtp.{domain}",
        smtp_port=known.smtp_port if known else 465,
        smtp_security=known.smtp_security if known else "tls",
        smtp_user=known.user_for(address) if known else address,
        colour=next((colour for colour in COLOURS if colour not in taken), COLOURS[0]),
        locale=g.who.locale,
    )
    return _values_of(guess) | {
        "provider": known.key if known else "",
        "since": "all",
        "display_name": "" if name == address else name,
    }


def _values_of(form: MailboxForm) -> dict[str, Any]:
    """A form's settings as its fields show them; passwords are never shown."""
    copies = {False: "us", True: "server", None: "auto"}[form.server_files_sent]
    login = "none" if not form.smtp_user else "same" if form.smtp_user == form.imap_user else "own"
    fields = ("name", "display_name", "address", "colour", "locale", "sent_folder", "signature_html", "quote_replies")
    servers = (f"{side}_{what}" for side in ("imap", "smtp") for what in ("host", "port", "security", "user"))
    return {name: getattr(form, name) for name in (*fields, *servers)} | {
        "aliases": "\n".join(form.aliases),
        "folders": "\n".join(form.folders),
        "sent_copies": copies,
        "smtp_login": login,
        "smtp_user": form.smtp_user if login == "own" else "",
        "imap_password": "",
        "smtp_password": "",
        "provider": "",
        "since": "",
    }


def _values() -> dict[str, Any]:
    """What was typed, so that it stands there again: also the password, which no page but this answer holds."""
    given: MultiDict[str, str] = request.form
    names = (
        "name", "display_name", "address", "aliases", "colour", "locale", "sent_folder", "signature_html",
        "sent_copies", "smtp_login", "provider", "since",
        *(f"{side}_{what}" for side in ("imap", "smtp") for what in ("host", "port", "security", "user", "password")),
    )  # fmt: skip
    folders = dict.fromkeys(
        line.strip() for given_lines in given.getlist("folders") for line in given_lines.splitlines() if line.strip()
    )
    values: dict[str, Any] = {name: given.get(name, "") for name in names}
    return values | {"folders": "\n".join(folders), "quote_replies": given.get("quote_replies") == "1"}


def _form(values: dict[str, Any], *, kept: MailboxForm | None = None) -> MailboxForm:
    """The typed settings. Raises UserError for what has no meaning; the rest is checked where it is used."""
    login = values["smtp_login"]
    same_now = login == "same" and kept is not None and kept.smtp_user != kept.imap_user
    if same_now and not values["imap_password"]:
        raise UserError(N_("Give the password once more, as it is now used for sending too."), field="imap_password")
    form = MailboxForm(
        **{name: values[name] for name in ("name", "display_name", "address", "colour", "locale", "sent_folder")},
        **{
            f"{side}_{what}": values[f"{side}_{what}"].strip()
            for side in ("imap", "smtp")
            for what in ("host", "security")
        },
        imap_port=_port(values, "imap_port"),
        smtp_port=_port(values, "smtp_port"),
        imap_user=values["imap_user"],
        imap_password=values["imap_password"],
        smtp_user={"same": values["imap_user"], "own": values["smtp_user"]}.get(login, ""),
        smtp_password={"same": values["imap_password"], "own": values["smtp_password"]}.get(login, ""),
        aliases=_aliases(values["aliases"]),
        folders=tuple(values["folders"].splitlines()) or ("INBOX",),
        server_files_sent=SENT_COPIES.get(values["sent_copies"]),
        signature_html=as_html(values["signature_html"]),
        quote_replies=values["quote_replies"],
        import_since=_since(values["since"], kept),
    )
    if login == "own" and not form.smtp_user.strip():
        raise UserError(N_("Give the user name to sign in with."), field="smtp_user")
    if kept is None and not form.imap_password:
        raise UserError(N_("Give the password."), field="imap_password")
    return replace(form, name=form.name.strip() or form.address)


def _aliases(typed: str) -> tuple[str, ...]:
    """One a line, with or without a name; those without may also stand side by side."""
    found: list[str] = []
    for line in typed.splitlines():
        found += [line.strip(" ,")] if "<" in line else line.replace(",", " ").split()
    return tuple(found)


def _port(values: dict[str, Any], field: str) -> int:
    typed = values[field].strip()
    if not (typed.isascii() and typed.isdigit() and len(typed) < 6):
        raise UserError(N_("A port is a number from 1 to 65535."), field=field)
    return int(typed)


def _since(choice: str, kept: MailboxForm | None) -> datetime | None:
    if kept is not None:
        return kept.import_since
    span = SINCE.get(choice)
    return None if span is None else g.now - span


def _side(mailbox_id: int) -> sidebar.SideMailbox:
    for found in sidebar.show(g.session, g.who, now=g.now).mailboxes:
        if found.id == mailbox_id:
            return found
    raise NotFound


def _page(values: dict[str, Any], *, mailbox_id: int | None = None, provider: Provider | None = None) -> dict[str, Any]:
    return {
        "values": values,
        "mailbox_id": mailbox_id,
        "provider": provider,
        "result": None,
        "securities": (
            ("tls", gettext("TLS")),
            ("starttls", gettext("STARTTLS")),
            ("plain", gettext("None (not encrypted)")),
        ),
        "logins": (
            ("same", gettext("As for receiving")),
            ("own", gettext("With its own user name")),
            ("none", gettext("Without sign-in")),
        ),
        "copies": (
            ("auto", gettext("As the provider is known to do")),
            ("us", gettext("We lay a copy there")),
            ("server", gettext("The server does it by itself")),
        ),
        "sinces": (
            ("all", gettext("All mail")),
            ("year", gettext("The last year")),
            ("quarter", gettext("The last 90 days")),
            ("new", gettext("Only new mail")),
        ),
    }
