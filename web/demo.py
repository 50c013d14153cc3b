"""The demo's other side: be a customer, write to the team, read the answers; and away with the demo."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from flask import Blueprint, g, redirect, render_template, request, url_for
from flask_babel import lazy_gettext
from werkzeug.wrappers import Response

from inbox import demo, mailboxes, people
from inbox.config import settings
from inbox.demo import customer
from inbox.demo.customer import Answer, File, Written
from inbox.errors import N_, NotFound, UserError
from web import edge
from web.edge import Answer as Page
from web.language import gettext

pages = Blueprint("demo", __name__)

CUSTOMERS = (  # to choose from; any other address does as well
    ("高橋 美咲", "misaki.takahashi@example.jp"),
    ("Daniel Weber", "daniel.weber@example.com"),
    ("佐々木 健", "ken..sasaki@docomo.example"),
    (lazy_gettext("No Such Person"), "nobody@example.com"),
    (lazy_gettext("Busy Server"), "later@example.com"),
)
MOST_FILES = 5


@dataclass(frozen=True)
class Letter:
    """One mail of a customer's thread; `ours`: what the team answered."""

    ours: bool
    sender: str
    subject: str
    text: str
    at: datetime
    message_id: str
    in_reply_to: str
    references: tuple[str, ...]
    files: tuple[str, ...]


@pages.get("/demo/customer")
def show() -> str | Page:
    _must_stand()
    address, name = _chosen(request.args.get("address"), request.args.get("name"))
    values = {
        "address": address,
        "name": name,
        "subject": request.args.get("subject", ""),
        "in_reply_to": request.args.get("answers", ""),
    }
    try:
        threads = _threads(address)
    except UserError as error:
        if edge.fragment():
            raise
        return edge.form_again("demo/customer.html", error, values=values, threads=[], customers=CUSTOMERS)
    if edge.fragment():
        return render_template("demo/threads.html", threads=threads, values=values)
    return render_template("demo/customer.html", values=values, threads=threads, customers=CUSTOMERS)


@pages.post("/demo/customer/mails")
def send() -> Response | Page:
    """Writes as the customer: over the demo's own mail server, so outside of any transaction."""
    _must_stand()
    values = {
        name: request.form.get(name, "").strip() for name in ("address", "name", "subject", "text", "in_reply_to")
    }
    edge.end_transaction()
    try:
        if not values["text"]:
            raise UserError(N_("Write something."), field="text")
        customer.send(
            values["address"],
            values["subject"],
            values["text"].replace("\r\n", "\n") + "\n",
            name=values["name"],
            in_reply_to=values["in_reply_to"],
            files=_files(),
        )
    except UserError as error:
        error.field = "address" if error.field == "from_address" else error.field
        edge.begin_again()
        return edge.form_again("demo/customer.html", error, values=values, threads=[], customers=CUSTOMERS)
    edge.begin_again()
    edge.tell(gettext("Sent. It appears in the inbox within a second or two."))
    return redirect(url_for("demo.show", address=values["address"], name=values["name"]), 303)


@pages.post("/demo/removal")
def remove() -> Response:
    people.must_be(g.who, "admin")  # all see the demo
    mailboxes.remove_demo(g.session, g.who, now=g.now)
    edge.tell(gettext("The demo is gone: its mailbox, its conversations and its mail server."))
    return redirect(url_for("mailboxes.show"), 303)


def _must_stand() -> None:
    if not demo.exists(settings().data):
        raise NotFound(N_("The demo was removed, or never connected."))


def _chosen(address: str | None, name: str | None) -> tuple[str, str]:
    address = " ".join((address or CUSTOMERS[0][1]).split())[:254]
    known = {known_address: known_name for known_name, known_address in CUSTOMERS}
    return address, " ".join((name or known.get(address, "")).split())[:100]


def _files() -> list[File]:
    given = [one for one in request.files.getlist("file") if one.filename][:MOST_FILES]
    return [File(one.filename or "file", one.mimetype or "application/octet-stream", one.read()) for one in given]


def _threads(address: str) -> list[list[Letter]]:
    """The customer's mails with the answers that came back: threads, the liveliest first, each oldest first."""
    edge.end_transaction()
    try:
        letters = [_own(one) for one in customer.written(address)] + [_theirs(one) for one in customer.answers(address)]
    finally:
        edge.begin_again()
    threads: list[dict[str, Any]] = []
    for letter in sorted(letters, key=lambda one: one.at):
        named = {letter.message_id, letter.in_reply_to, *letter.references} - {""}
        home = next((one for one in threads if one["ids"] & named), None)
        if home is None:
            home = {"ids": set(), "letters": []}
            threads.append(home)
        home["ids"] |= named
        home["letters"].append(letter)
    return [one["letters"] for one in sorted(threads, key=lambda one: one["letters"][-1].at, reverse=True)]


def _own(mail: Written) -> Letter:
    return Letter(
        ours=False,
        sender=f"{mail.name} <{mail.address}>" if mail.name else mail.address,
        subject=mail.subject,
        text=mail.text.strip(),
        at=datetime.fromisoformat(mail.at),
        message_id=mail.message_id,
        in_reply_to=mail.in_reply_to,
        references=(mail.in_reply_to,) if mail.in_reply_to else (),
        files=mail.files,
    )


def _theirs(mail: Answer) -> Letter:
    return Letter(
        ours=True,
        sender=mail.sender,
        subject=mail.subject,
        text=mail.text.strip(),
        at=mail.date,
        message_id=mail.message_id,
        in_reply_to=mail.in_reply_to,
        references=mail.references,
        files=(),
    )
