"""Mails arrive in a mailbox, without a server: bytes go into the ledger and are filed as the poller would."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from email.utils import format_datetime, make_msgid

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from inbox import db, intake, reading
from inbox.blobs import blobs
from inbox.config import settings
from inbox.intake import Arrival
from inbox.intake.filing import Understood
from inbox.mail import threads
from inbox.mail.parse import TooComplex
from inbox.mail.understand import understand
from inbox.models import Conversation, Event, Folder, Mailbox, Message, Outgoing, RawMail, ThreadKey
from inbox.parse_child import Unreadable
from tests.inbox.cast import CUSTOMER, a_mailbox

NOW = datetime(2026, 11, 20, 3, 0, tzinfo=UTC)
MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)


def a_mail(
    text: str = "まだ届きません。",
    *,
    sender: tuple[str, str] = CUSTOMER,
    to: str = "support@shop.example",
    subject: str = "届きません",
    mail_id: str | None = None,
    answers: str = "",
    references: Sequence[str] = (),
    date: datetime = NOW,
    headers: dict[str, str] | None = None,
    files: Sequence[tuple[str, bytes]] = (),
) -> bytes:
    """The bytes of a customer's mail. `mail_id` "" leaves the header out."""
    mail = EmailMessage()
    mail["From"] = f"{sender[0]} <{sender[1]}>" if sender[0] else sender[1]
    mail["To"] = to
    mail["Subject"] = subject
    mail["Date"] = format_datetime(date)
    mail_id = make_msgid(domain="customer.example") if mail_id is None else mail_id
    if mail_id:
        mail["Message-ID"] = mail_id
    if answers:
        mail["In-Reply-To"] = answers
    if references or answers:
        mail["References"] = " ".join([*references, answers]).strip()
    for name, value in (headers or {}).items():
        mail[name] = value
    mail.set_content(text)
    for name, data in files:
        mail.add_attachment(data, maintype="application", subtype="octet-stream", filename=name)
    return mail.as_bytes()


class Story:
    """One mailbox, its INBOX and its Sent folder, and a clock that goes on a minute with every mail."""

    def __init__(self, name: str = "Support", *aliases: str, now: datetime = NOW) -> None:
        self.now = now
        with db.transaction() as session:
            self.mailbox_id = a_mailbox(session, name, *aliases).id
            for folder, role in (("INBOX", "inbox"), ("Sent", "sent")):
                session.add(Folder(mailbox_id=self.mailbox_id, name=folder, role=role, uidvalidity=1))
        self.address = f"{name.lower()}@shop.example"
        self._uid = 0

    def arrives(
        self,
        *raws: bytes,
        folder: str = "INBOX",
        at: datetime | None = None,
        silent: bool = False,
        uidvalidity: int = 1,
    ) -> list[RawMail]:
        """The mails stand in the ledger and are filed, all in one batch; their ledger rows."""
        arrivals = []
        for raw in raws:
            self._uid += 1
            self.now += MINUTE
            sha256 = blobs().put(raw)
            arrivals.append(Arrival(self._uid, at or self.now, len(raw), sha256, silent=silent))
        with db.transaction() as session:
            row = session.scalars(
                select(Folder).where(Folder.mailbox_id == self.mailbox_id, Folder.name == folder)
            ).one()
            row.uidvalidity = uidvalidity
            folder_id = row.id
        with db.transaction() as session:
            kept = intake.keep(session, folder_id, uidvalidity, arrivals, now=self.now, cursor=self._uid)
        read = [Understood(one.raw_id, read_here(blobs().get(one.sha256))) for one in kept]
        intake.file_batch(self.mailbox_id, read, now=self.now)
        with db.reading() as session:
            wanted = [one.raw_id for one in kept]
            return list(session.scalars(select(RawMail).where(RawMail.id.in_(wanted)).order_by(RawMail.uid)))

    def arrive(self, raw: bytes, **about: object) -> RawMail:
        return self.arrives(raw, **about)[0]  # type: ignore[arg-type]

    def sent(
        self, conversation_id: int, text: str = "確認します。", *, to: str = CUSTOMER[1], state: str = "sent"
    ) -> Outgoing:
        """An answer of ours that left (or may have left) the queue."""
        with db.transaction() as session:
            conversation = session.get_one(Conversation, conversation_id)
            mail_id = threads.new_message_id(
                secret(), conversation_id, f"t{self._uid}{self.now:%H%M%S}", "shop.example"
            )
            raw = a_mail(
                text, sender=("Support", self.address), to=to, subject="Re: 届きません", mail_id=mail_id, date=self.now
            )
            message = Message(
                conversation_id=conversation_id, direction="out", kind="reply", from_address=self.address,
                to=[["", to]], subject="Re: 届きません", mail_id=mail_id, key=threads.key(mail_id), at=self.now,
                dated=self.now.replace(microsecond=0), created_at=self.now, text=text + "\n", new_text=text,
                raw_sha256=blobs().put(raw), size=len(raw),
            )  # fmt: skip
            session.add(message)
            session.flush()
            session.add(ThreadKey(mailbox_id=self.mailbox_id, key=message.key, conversation_id=conversation_id))
            outgoing = Outgoing(
                kind="reply", dedupe_key=mail_id, mailbox_id=self.mailbox_id, conversation_id=conversation_id,
                message_id=message.id, state=state, due_at=self.now, data_started_at=self.now, subject="Re: 届きません",
                recipients=[
                    {"address": to, "state": "accepted" if state == "sent" else "uncertain", "code": 250, "text": ""}
                ],
                mail_id=mail_id, key=message.key, raw_sha256=message.raw_sha256, size=len(raw), created_at=self.now,
                sent_at=self.now if state == "sent" else None,
                before={"waiting_since": (self.now - MINUTE).isoformat(), "answers": 1, "next_status": "closed"},
            )  # fmt: skip
            session.add(outgoing)
            conversation.version += 1
            outgoing.before = outgoing.before | {"after_version": conversation.version}
            conversation.message_count += 1
            conversation.last_direction = "out"
            conversation.activity_at = self.now
            conversation.waiting_since = None
            session.flush()
            return outgoing

    def raw_of(self, outgoing: Outgoing) -> bytes:
        return blobs().get(outgoing.raw_sha256)

    def conversation_of(self, row: RawMail) -> Conversation:
        with db.reading() as session:
            message = session.get_one(Message, row.message_id)
            return session.get_one(Conversation, message.conversation_id)

    def message_of(self, row: RawMail) -> Message:
        with db.reading() as session:
            return session.get_one(Message, row.message_id)

    def conversations(self) -> list[Conversation]:
        with db.reading() as session:
            return list(
                session.scalars(
                    select(Conversation).where(Conversation.mailbox_id == self.mailbox_id).order_by(Conversation.id)
                )
            )

    def events(self, kind: str) -> list[Event]:
        with db.reading() as session:
            return list(session.scalars(select(Event).where(Event.kind == kind, Event.mailbox_id == self.mailbox_id)))

    def mailbox(self) -> Mailbox:
        with db.reading() as session:
            return session.get_one(Mailbox, self.mailbox_id)


def count(session: Session, model: type) -> int:
    return session.scalar(select(func.count()).select_from(model)) or 0


def secret() -> bytes:
    return settings().secret("message ids")


def read_here(raw: bytes) -> reading.Reading | Unreadable:
    """What a child would answer, without a child."""
    try:
        pieces = not settings().database.startswith("sqlite")
        return reading.of(understand(raw, own_addresses=()), secret=secret(), words_in_pieces=pieces)
    except TooComplex as error:
        return Unreadable("too_complex", str(error))
