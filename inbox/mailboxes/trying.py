"""Tries a mailbox's settings in both directions and says in plain words what is wrong. Opens sockets: no transaction
here."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from email.utils import make_msgid

from inbox.errors import N_
from inbox.mail.compose import Letter, compose
from inbox.mail.facts import Address
from inbox.mailboxes.forms import MailboxForm, checked
from inbox.mailboxes.providers import suggest
from inbox.wire import imap, smtp
from inbox.wire.problems import Problem, WireProblem

STEPS = {
    "imap": N_("Sign in to receive (IMAP)"),
    "folders": N_("Open the folders to read"),
    "sent": N_("Find the Sent folder"),
    "smtp": N_("Sign in to send (SMTP)"),
    "sender": N_("Send from this address"),
    "letter": N_("Send a test mail to this address"),
}
LETTER_SUBJECT = "Madoguchi: test / テスト"
LETTER_TEXT = (
    "This mail was sent to try out the settings of this mailbox. It can be deleted.\n"
    "このメールは、メールボックスの設定を確認するために送信されました。削除してかまいません。\n"
)


@dataclass(frozen=True)
class TestStep:
    """One thing that was tried: `name` is one of STEPS; `facts` tell what was found (folders, sent_folder, mails)."""

    __test__ = False  # for pytest, which collects what begins with Test

    name: str
    ok: bool
    problem: Problem | None = None
    facts: dict[str, object] = field(default_factory=dict)


def test(form: MailboxForm, *, letter_at: datetime | None = None) -> list[TestStep]:  # noqa: PT028 (no test of pytest)
    """Signs in to both servers, opens the folders read-only, asks whether the address may send. No mail is changed.

    With `letter_at` (the time now) also a small mail from the address to itself is sent. Raises UserError when the form
    itself is wrong.
    """
    form = checked(form)
    return [*_receiving(form), *_sending(form, letter_at)]


test.__test__ = False  # type: ignore[attr-defined]


def _receiving(form: MailboxForm) -> list[TestStep]:
    server = imap.Server(form.imap_host, form.imap_port, form.imap_security, form.imap_user, form.imap_password)
    try:
        connection = imap.connect(server)
    except WireProblem as error:
        return [TestStep("imap", False, _advised(form, error.problem))]
    with connection:
        steps = [TestStep("imap", True)]
        try:
            listed = connection.folders()
            mails = {folder: connection.open(folder).exists for folder in form.folders}
        except WireProblem as error:
            return [*steps, TestStep("folders", False, error.problem)]
        facts = {"folders": [one.name for one in listed], "mails": mails}
        steps.append(TestStep("folders", True, facts=facts))
        steps.append(_sent_folder(form, listed))
    return steps


def _sent_folder(form: MailboxForm, listed: list[imap.Listed]) -> TestStep:
    if form.sent_folder:
        there = any(one.name == form.sent_folder for one in listed)
        problem = None if there else Problem("folder", form.sent_folder)
        return TestStep("sent", there, problem, {"sent_folder": form.sent_folder})
    found = next((one.name for one in listed if one.role == "sent"), "")
    return TestStep("sent", True, facts={"sent_folder": found})


def _sending(form: MailboxForm, letter_at: datetime | None) -> list[TestStep]:
    server = smtp.Server(
        form.smtp_host,
        form.smtp_port,
        form.smtp_security,
        form.smtp_user,
        form.smtp_password if form.smtp_user else "",
        form.address.rpartition("@")[2],
    )
    try:
        connection = smtp.connect(server)
    except WireProblem as error:
        return [TestStep("smtp", False, _advised(form, error.problem))]
    try:
        problem = connection.may_send_from(form.address)
        steps = [TestStep("smtp", True), TestStep("sender", problem is None, problem)]
        if letter_at is not None and problem is None:
            steps.append(_letter(form, connection, letter_at))
    finally:
        connection.close()
    return steps


def _letter(form: MailboxForm, connection: smtp.Connection, at: datetime) -> TestStep:
    own = Address(form.display_name or form.name, form.address)
    letter = Letter(
        from_=own,
        to=(own,),
        subject=LETTER_SUBJECT,
        message_id=make_msgid(domain=form.address.rpartition("@")[2]),
        date=at,
        text=LETTER_TEXT,
        auto_submitted="auto-generated",
    )
    mail = smtp.Mail(1, form.address, (form.address,), compose(letter).raw)
    handed = smtp.hand_over([connection], [mail], before_data=lambda mails, _results: {one.key for one in mails})
    if handed.results and handed.results[0].outcome == "accepted":
        return TestStep("letter", True)
    if handed.results:
        return TestStep("letter", False, Problem("sender", handed.results[0].text))
    return TestStep("letter", False, connection.problem or Problem("lost"))


def _advised(form: MailboxForm, problem: Problem) -> Problem:
    """A refused password says less than what is known of the provider."""
    provider = suggest(form.address)
    if problem.code == "login" and provider is not None:
        if provider.oauth_only:
            return Problem("oauth", problem.text)
        if provider.key in ("gmail", "workspace", "yahoo", "aol", "icloud", "fastmail"):
            return Problem("app_password", problem.text)
    return problem
