"""Two installations that answer each other, over real mail servers: one mail each, then silence.

The decisions are tried one by one in test_autoanswers.py and test_answers_by_rules.py; here is what only the wire can
show: envelopes, headers as a server hands them on, and two houses with secrets of their own that know nothing of each
other.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, func, select
from sqlalchemy.orm import Session

from inbox import answer_texts, autoanswers_settings, conversations, db, people, reasons, rules
from inbox.answer_texts import TextForm
from inbox.models import AnswerDecision, AutoAnswer, Conversation, Mailbox, Message, Outgoing, RuleTrace, User
from inbox.people import Viewer
from routing.autoreply import Budgets
from routing.evaluation import MOST_ACTIONS
from templates.auto_answers import PROPOSED, Words
from tests.conftest import SECRET
from tests.inbox.cast import a_mailbox, a_user
from tests.inbox.intake.story import a_mail
from tests.inbox.routing_cast import Body, a_body
from tests.inbox.test_autoanswers import BOUNCE
from tests.servers.dovecot import Account, Dovecot
from tests.servers.smtp_sink import Delivery, SmtpSink

pytestmark = [pytest.mark.only_on("sqlite"), pytest.mark.slow]

ROOT = Path(__file__).resolve().parents[2]
ROUNDS = 6  # a loop would fill them all
BOMB = 150  # mails for each of the two
TELLING = ("auto-submitted", "x-auto-response-suppress", "precedence", "x-loop", "in-reply-to", "references")
DESK = "desk@peer.example"
# The command line in one process after the other's end of a line: what it takes to start, Python takes once.
COMMANDS = """
import shlex, sys
from inbox.cli import main
for line in sys.stdin:
    try:
        main(shlex.split(line), standalone_mode=False)
        code = 0
    except SystemExit as end:
        code = end.code or 0
    print("ended", code, flush=True)
"""


@dataclass
class Installation:
    """One of them: its own folder, process, database and secret, driven by its own commands."""

    folder: Path
    account: Account
    imap: int
    smtp: int
    secret: str
    engine: Engine = field(init=False)

    def __post_init__(self) -> None:
        self.engine = db.make_engine(f"sqlite:///{self.folder}/madoguchi.db")
        self._errors = (self.folder / "errors").open("w+")
        self._process = subprocess.Popen(
            [sys.executable, "-c", COMMANDS],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            cwd=self.folder,
            env={
                **{name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ},
                "PYTHONPATH": str(ROOT),
                "DATA_DIR": str(self.folder),
                "DATABASE_URL": f"sqlite:///{self.folder}/madoguchi.db",
                "SECRET_KEY": self.secret,
                "LOG_LEVEL": "error",
            },
            text=True,
        )

    def ask(self, *command: str, typed: str = "") -> None:
        """`ended` waits for it: meanwhile the other installation works as well."""
        assert self._process.stdin is not None
        self._process.stdin.write(" ".join(command) + "\n" + (typed + "\n" if typed else ""))
        self._process.stdin.flush()

    def ended(self) -> None:
        assert self._process.stdout is not None
        said = []
        while line := self._process.stdout.readline():
            if line.startswith("ended "):
                break
            said.append(line)
        self._errors.seek(0)
        assert line == "ended 0\n", (said, self._errors.read())

    def add_mailbox(self) -> None:
        where = ("--imap", f"127.0.0.1:{self.imap}", "--imap-security", "plain")
        where += ("--smtp", f"127.0.0.1:{self.smtp}", "--smtp-security", "plain")
        self.ask("mailbox", "add", self.account.user, *where, "--no-test", typed=self.account.password)

    def answer_what_is_new(self) -> None:
        with db.transaction(self.engine) as session:
            words = {one: {"subject": w.subject, "text": w.text} for one, w in PROPOSED["received"].items()}
            session.add(AutoAnswer(mailbox_id=self.mailbox_id, occasion="received", enabled=True, words=words))

    def close(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        try:
            self._process.wait(30)
        finally:
            self._process.kill()
            self._process.stdout.close()
            self._errors.close()
            self.engine.dispose()

    # -- what stands in it

    @property
    def mailbox_id(self) -> int:
        with db.reading(self.engine) as session:
            return session.scalars(select(Mailbox.id).where(Mailbox.address == self.account.user)).one()

    def manager(self, session: Session) -> Viewer:
        found = session.scalar(select(User).where(User.name == "Mei"))
        every = session.scalars(select(Mailbox)).all()
        return people.of(session, found or a_user(session, "Mei", *every, role="manager"))

    def rules(self, *bodies: Body) -> None:
        with db.transaction(self.engine) as session:
            mei, now = self.manager(session), datetime.now(UTC)
            for body in bodies:
                rules.switch(session, mei, rules.create(session, mei, body, now=now), on=True, now=now)

    def answered(self) -> int:
        with db.reading(self.engine) as session:
            return len(session.scalars(select(Outgoing).where(Outgoing.kind == "auto_reply")).all())

    def filed(self) -> int:
        """Mails that came in."""
        with db.reading(self.engine) as session:
            return session.scalar(select(func.count()).select_from(Message).where(Message.direction == "in")) or 0

    def decisions(self) -> list[tuple[str, AnswerDecision]]:
        """With the subject of each mail."""
        wanted = select(Message.subject, AnswerDecision).join(Message, Message.id == AnswerDecision.message_id)
        with db.reading(self.engine) as session:
            return [(subject, one) for subject, one in session.execute(wanted.order_by(Message.id))]

    def reasons(self) -> list[str]:
        return [one.reason for _, one in self.decisions()]


Two = tuple[Installation, Installation, SmtpSink]


def both_work(two: Two) -> None:
    """Each reads its mailbox and sends what is due, at the same time as the other."""
    for command in (("fetch", "--once"), ("send", "--once")):
        for one in two[:2]:
            one.ask(*command)
        for one in two[:2]:
            one.ended()


def until_silent(two: Two, post: Post) -> None:
    for _ in range(ROUNDS):
        both_work(two)
        if not post.carry():
            return
    pytest.fail("they still write to each other")


class Post:
    """Carries what the SMTP server took into the IMAP mailboxes. `on_the_way` makes other bytes of each mail;
    `forwards` names for a mailbox another one into which its server forwards all that comes."""

    def __init__(
        self,
        dovecot: Dovecot,
        sink: SmtpSink,
        *,
        on_the_way: Callable[[bytes, int], bytes] | None = None,
        forwards: dict[str, str] | None = None,
    ) -> None:
        self.dovecot, self.sink, self.on_the_way, self.forwards = dovecot, sink, on_the_way, forwards or {}
        self.carried = self.forwarded = 0

    def carry(self) -> int:
        """How many were on their way."""
        new = self.sink.deliveries[self.carried :]
        self.carried += len(new)
        for number, mail in enumerate(new, self.carried):
            raw = self.on_the_way(mail.raw, number) if self.on_the_way else mail.raw
            for recipient in mail.recipients:
                if recipient.endswith("@support.example"):  # all others live elsewhere
                    self.bring(recipient, raw, sender=DESK if self.on_the_way else mail.sender)
            if self.forwards and not set(mail.recipients) & set(self.forwards):  # to the customer, who has it filed
                self._forward(next(iter(self.forwards)), mail.raw)
        return len(new)

    def bring(self, address: str, raw: bytes, *, sender: str) -> None:
        self.dovecot.deliver(address, raw, sender=sender)
        self._forward(address, raw)

    def _forward(self, address: str, raw: bytes) -> None:
        if address in self.forwards:
            self.forwarded += 1
            self.dovecot.deliver(self.forwards[address], forwarded(raw, address, self.forwarded), sender=address)


def hidden(raw: bytes, number: int) -> bytes:
    """As a ticket system forwards it: nothing tells that a machine wrote it, and each has another subject and id."""
    mail = message_from_bytes(raw, policy=policy.SMTP)
    for name in TELLING:
        del mail[name]
    del mail["Subject"], mail["Message-ID"]
    mail["Subject"], mail["Message-ID"] = f"Ticket {number} opened", f"<ticket{number}@peer.example>"
    return mail.as_bytes()


def forwarded(raw: bytes, by: str, number: int) -> bytes:
    """As a rule in a mail program forwards it: in the name of the mailbox, as a new mail without its old headers."""
    mail = message_from_bytes(hidden(raw, number), policy=policy.SMTP)
    del mail["From"], mail["Subject"]
    mail["From"], mail["Subject"] = by, f"Fwd: {number}"
    return mail.as_bytes()


@pytest.fixture
def two(dovecot: Dovecot, tmp_path: Path, database_template: Callable[[str], str]) -> Iterator[Two]:
    accounts = dovecot.account(), dovecot.account()
    sink = SmtpSink(users={one.user: one.password for one in accounts})
    made = []
    try:
        for number, account in enumerate(accounts):
            folder = tmp_path / f"installation{number}"
            folder.mkdir()
            shutil.copyfile(database_template("sqlite"), folder / "madoguchi.db")
            made.append(Installation(folder, account, dovecot.imap, sink.port, f"{SECRET}{number}"))
        for one in made:
            one.add_mailbox()
        for one in made:
            one.ended()
            one.ask("fetch", "--once")  # the first import, of nothing
        for one in made:
            one.ended()
            one.answer_what_is_new()
        yield made[0], made[1], sink
    finally:
        sink.close()
        for one in made:
            one.close()


def mail_in(delivery: Delivery) -> EmailMessage:
    found = message_from_bytes(delivery.raw, policy=policy.default)
    assert isinstance(found, EmailMessage)
    return found


# -- they answer each other


@pytest.mark.parametrize("bad", [False, True], ids=["honest", "hiding"])
def test_two_of_us_fall_silent_after_one_mail_each(two: Two, dovecot: Dovecot, bad: bool) -> None:
    """A-01, and A-02 where everything that tells a machine is lost on the way."""
    ours, theirs, sink = two
    post = Post(dovecot, sink, on_the_way=hidden if bad else None)
    dovecot.deliver(ours.account.user, a_mail("A question", sender=("", theirs.account.user), to=ours.account.user))
    if not bad:
        dovecot.deliver(theirs.account.user, a_mail("Another", sender=("", ours.account.user), to=theirs.account.user))
    until_silent(two, post)
    assert (ours.answered(), theirs.answered()) == (1, 1), (ours.reasons(), theirs.reasons())
    left = sink.deliveries
    assert [one.sender for one in left] == ["", ""], "an empty return path"
    assert {one.recipients for one in left} == {(ours.account.user,), (theirs.account.user,)}
    silent = [why for one in (ours, theirs) for why in one.reasons() if why]
    assert silent
    assert set(silent) <= ({"sender_budget"} if bad else {"null_return_path", "auto_submitted"})


# --


NEVER: Sequence[tuple[str, dict[str, str], str]] = (
    ("auto-replied", {"Auto-Submitted": "auto-replied"}, "auto_submitted"),
    ("auto-generated", {"Auto-Submitted": "auto-generated"}, "auto_submitted"),
    ("bulk", {"Precedence": "bulk"}, "precedence"),
    ("list", {"Precedence": "list"}, "precedence"),
    ("auto_reply", {"Precedence": "auto_reply"}, "precedence"),
    ("suppressed", {"X-Auto-Response-Suppress": "OOF, AutoReply"}, "suppressed"),
    ("a list's id", {"List-Id": "<news.shop2.example>"}, "list"),
    ("a list to leave", {"List-Unsubscribe": "<mailto:off@news.example>"}, "list"),
    ("x-autoreply", {"X-Autoreply": "yes"}, "auto_header"),
)


def test_what_machines_wrote_is_never_answered_whatever_the_server_made_of_it(two: Two, dovecot: Dovecot) -> None:
    """A-03. The other installation stands in From of all that names no robot: what were answered would come there."""
    ours, theirs, sink = two
    here, there = ours.account.user, theirs.account.user
    dovecot.deliver(here, a_mail(subject="question", sender=("", "taro@example.jp"), to=here))
    both_work(two)
    (answer,) = sink.deliveries
    answer_id = str(mail_in(answer)["Message-ID"])
    with db.transaction(ours.engine) as session:
        (question,) = session.scalars(select(Conversation))
        conversations.set_status(session, question, "closed", now=datetime.now(UTC), actor_id=None)

    expected = {}

    def comes(name: str, why: str, *, envelope: str = there, sender: str = there, **about: Any) -> None:
        expected[name] = why
        dovecot.deliver(here, a_mail(name, subject=name, sender=("", sender), to=here, **about), sender=envelope)

    for name, headers, why in NEVER:
        comes(name, why, headers=headers)
    comes("a null return path", "null_return_path", envelope="")
    comes("somebody away", "auto_submitted", answers=answer_id, headers={"Auto-Submitted": "auto-replied"})
    comes("nobody reads it", "robot", sender="noreply@peer.example")
    comes("a daemon", "kind", sender="mailer-daemon@peer.example")
    comes("our own id", "loop", mail_id=answer_id)
    for number, envelope in enumerate(("", DESK)):  # the second lost its return path on the way
        bounce = (BOUNCE % (number, answer_id.encode())).replace(b"support@shop.example", here.encode())
        dovecot.deliver(here, bounce.replace(b"Returned to Sender", b"Returned %d" % number), sender=envelope)
    expected |= {"Undelivered Mail Returned 0": "null_return_path", "Undelivered Mail Returned 1": "kind"}
    comes("a person", "", sender="hana@customer.example")
    post = Post(dovecot, sink)
    post.carry()
    until_silent(two, post)

    told = {subject: one.reason for subject, one in ours.decisions()}
    assert told == expected | {"question": ""}
    assert [one.recipients for one in sink.deliveries] == [("taro@example.jp",), ("hana@customer.example",)]
    assert theirs.filed() == 0
    with db.reading(ours.engine) as session:
        again = session.get_one(Conversation, question.id)
        outgoing = session.scalars(select(Outgoing).where(Outgoing.conversation_id == question.id)).one()
        linked = session.scalars(select(Message.answers_id).where(Message.kind == "bounce")).all()
        assert (again.status, again.trouble) == ("closed", ""), "none of them opened it again"
        assert [one["state"] for one in outgoing.recipients] == ["bounced"]
        assert linked == [outgoing.message_id] * 2


# --


def test_our_answer_leaves_as_a_machines_mail_and_arrives_as_one(two: Two, dovecot: Dovecot) -> None:
    """A-04: the envelope that the SMTP server was told, the bytes that it took, and what their IMAP server says."""
    ours, theirs, sink = two
    here, there = ours.account.user, theirs.account.user
    asked = a_mail(
        "合言葉はひまわりです。", subject="ひまわり", sender=("", there), to=here, mail_id="<q1@peer.example>"
    )
    dovecot.deliver(here, asked, sender=there)
    post = Post(dovecot, sink)
    until_silent(two, post)
    (left,) = sink.deliveries
    assert (left.sender, left.recipients) == ("", (there,))
    mail = mail_in(left)
    assert mail["From"].addresses[0].addr_spec == mail["X-Loop"] == here
    assert (mail["Auto-Submitted"], mail["X-Auto-Response-Suppress"], mail["Precedence"]) == (
        "auto-replied",
        "All",
        "bulk",
    )
    assert (mail["In-Reply-To"], mail["References"]) == ("<q1@peer.example>", "<q1@peer.example>")
    assert mail["Return-Path"] is None, "that is for their server to write"
    said = left.raw + str(mail.get_content()).encode() + str(mail["Subject"]).encode()
    for words in ("合言葉", "ひまわり"):
        assert words.encode() not in said
    (kept,) = [one for place in ("new", "cur") for one in (dovecot.maildir(there) / place).iterdir()]
    assert message_from_bytes(kept.read_bytes())["Return-Path"] == "<>"
    assert theirs.reasons() == ["null_return_path"]


# --


def bomb(dovecot: Dovecot, to: str, senders: Sequence[str]) -> None:
    """One mail from each, laid into the folder of their server as it comes."""
    new = dovecot.maildir(to) / "new"
    for number, sender in enumerate(senders):
        raw = a_mail(f"{sender} {number}", subject=f"Boom {number}", sender=("", sender), to=to)
        (new / f"{number}.{sender}.bomb").write_bytes(raw)
    dovecot.own(new)


def test_a_mail_bomb_on_both_gets_what_the_budgets_allow_and_every_mail_is_filed(two: Two, dovecot: Dovecot) -> None:
    """A-05: first each is the other's bomber, then many who do not exist write to both."""
    ours, theirs, sink = two
    post = Post(dovecot, sink)
    bomb(dovecot, ours.account.user, [theirs.account.user] * BOMB)
    bomb(dovecot, theirs.account.user, [ours.account.user] * BOMB)
    until_silent(two, post)
    for one in (ours, theirs):
        assert (one.answered(), one.filed()) == (1, BOMB + 1)
        assert Counter(one.reasons()) == {"": 1, "sender_budget": BOMB - 1, "null_return_path": 1}
    many = [f"c{number}@d{number}.example" for number in range(BOMB)]
    for one in (ours, theirs):
        bomb(dovecot, one.account.user, many)
    until_silent(two, post)
    most = Budgets().mailbox
    for one in (ours, theirs):
        assert (one.answered(), one.filed()) == (most, 2 * BOMB + 1)
        assert set(one.reasons()) == {"", "sender_budget", "null_return_path", "mailbox_budget", "breaker"}
        with db.transaction(one.engine) as session:
            shown = autoanswers_settings.alarms(session, one.manager(session), now=datetime.now(UTC))
        (alarm,) = shown.values()
        assert (alarm.budget, alarm.open_until is not None) == ("mailbox_budget", True)
    to = Counter(one.recipients for one in sink.deliveries)
    assert len(sink.deliveries) == 2 * most
    assert max(to.values()) == 2, "one from each"


# --


def test_rules_that_answer_each_other_fall_silent_even_if_all_that_tells_a_machine_is_lost(
    two: Two, dovecot: Dovecot
) -> None:
    """A-06: on each side a rule answers whatever comes with a text of its own, before the mailbox's own answer."""
    ours, theirs, sink = two
    for one in (ours, theirs):
        with db.transaction(one.engine) as session:
            form = TextForm("Always", {"en": Words("Thank you ({number})", "Dear {name}, we have it.")})
            text_id = answer_texts.add(session, one.manager(session), form, now=datetime.now(UTC))
        one.rules(a_body("Answers all", {"do": "auto_answer", "template_id": text_id}))
    post = Post(dovecot, sink, on_the_way=hidden)
    dovecot.deliver(ours.account.user, a_mail("A question", sender=("", theirs.account.user), to=ours.account.user))
    until_silent(two, post)
    assert [str(mail_in(one)["Subject"]).startswith("Thank you") for one in sink.deliveries] == [True, True]
    for one in (ours, theirs):
        decided = [(told.rule_name, told.text_name, told.reason) for _, told in one.decisions()]
        assert decided[0] == ("Answers all", "Always", "")
        assert set(decided[1:]) <= {("Answers all", "Always", "sender_budget")}
    assert ours.answered() == theirs.answered() == 1
    assert "sender_budget" in (*ours.reasons(), *theirs.reasons())


def ping_pong(one: Installation) -> None:
    """Two rules that undo each other's work at every change of status, and one that begins it with each mail."""
    with db.transaction(one.engine) as session:
        elsewhere = a_mailbox(session, "Elsewhere")
        elsewhere.active = False  # it has no server
        tag = conversations.tag_named(session, "pong")
        users = [a_user(session, name, *session.scalars(select(Mailbox))).id for name in ("Aoi", "Ben")]
        elsewhere_id, tag_id, own_id = elsewhere.id, tag.id, one.mailbox_id

    def side(name: str, on: Body, *, status: str, tag: str, mailbox_id: int, owner: int) -> Body:
        return a_body(
            name,
            {"do": "status", "status": status},
            {"do": tag, "tag_id": tag_id},
            {"do": "assign", "try": [{"how": "fixed", "person_id": owner}]},
            {"do": "move", "mailbox_id": mailbox_id},
            on=on,
        )

    one.rules(
        a_body("Serves", {"do": "status", "status": "waiting"}),
        side("Ping", {"on": "status_changed", "to": ["waiting"]}, status="open", tag="add_tag",
             mailbox_id=elsewhere_id, owner=users[0]),
        side("Pong", {"on": "status_changed", "to": ["open"]}, status="waiting", tag="remove_tag",
             mailbox_id=own_id, owner=users[1]),
    )  # fmt: skip


def test_rules_that_undo_each_other_come_to_rest_after_ten_actions_a_mail_and_say_so(
    two: Two, dovecot: Dovecot
) -> None:
    """A-06: assigning, tagging and moving to and fro, in both, while they write to each other."""
    ours, theirs, sink = two
    for one in (ours, theirs):
        ping_pong(one)
    post = Post(dovecot, sink)
    for one, other in ((ours, theirs), (theirs, ours)):
        for number in range(3):
            raw = a_mail(f"{number}", subject=f"{number}", sender=("", other.account.user), to=one.account.user)
            dovecot.deliver(one.account.user, raw)
    until_silent(two, post)
    for one in (ours, theirs):
        with db.transaction(one.engine) as session:
            done = select(RuleTrace.message_id, func.sum(RuleTrace.done)).group_by(RuleTrace.message_id)
            counted = dict(session.execute(done).all())
            shown = [
                reasons.why(session, one.manager(session), conversation_id).rulings[0]
                for conversation_id in session.scalars(select(Conversation.id))
            ]
        assert len(counted) == one.filed() == 4
        assert set(counted.values()) == {MOST_ACTIONS}
        assert [ruling.capped for ruling in shown] == [True] * len(shown), "the last that is told of each"
        assert one.answered() == 1, "and an answer that left before all that stays one"


def test_a_mailbox_that_forwards_into_the_other_answers_included_ends_in_silence(two: Two, dovecot: Dovecot) -> None:
    """A-06: their server forwards all that comes to ours, and the customer's copies of our answers, as mails of its own
    without the headers that tell a machine; each then finds the other's answer in its mailbox."""
    ours, theirs, sink = two
    here, there = ours.account.user, theirs.account.user
    post = Post(dovecot, sink, forwards={here: there})
    for number in range(2):
        asked = a_mail(f"{number}", subject=f"{number}", sender=("", "taro@example.jp"), to=here)
        post.bring(here, asked, sender="taro@example.jp")
    until_silent(two, post)
    assert Counter(one.recipients for one in sink.deliveries) == {("taro@example.jp",): 1, (here,): 1}
    assert post.forwarded > 2, "the answers were forwarded, too"
    assert theirs.filed() == post.forwarded
    assert set(theirs.reasons()) == {"", "sender_budget"}
    assert set(ours.reasons()) == {"", "sender_budget", "null_return_path"}
