"""Automatic answers at work: every new mail is decided about, and the answer stands in the outbox with the same commit.

`routing.autoreply` decides. Here the facts are counted, under one lock for the whole installation, so that however many
mailboxes file at once no budget is exceeded. The decision is kept with its reason, whichever it is. The text that a
rule wants goes before the mailbox's own answer, through the same gate: no mail gets two.

An answer is a message of the conversation, but nobody's: it leaves version, status, waiting time and place in the list
as they are, carries what tells other machines to stay silent (RFC 3834), and an empty return path.
"""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import structlog
from sqlalchemy import func, insert, select
from sqlalchemy.orm import Session

from inbox import conversations, outbox, working_hours
from inbox.blobs import blobs
from inbox.config import settings
from inbox.db import insert_into, one_after_the_other
from inbox.mail import compose, threads
from inbox.mail.address_check import WrongAddress, check_recipient
from inbox.mail.compose import Composed, Letter
from inbox.mail.facts import Address
from inbox.mail.languages import language_of
from inbox.mail.understand import snippet_of
from inbox.models import (
    AnswerBreaker,
    AnswerDecision,
    AnswerText,
    AutoAnswer,
    Mailbox,
    Message,
    Person,
    ThreadKey,
)
from inbox.wire import ring
from routing import autoreply
from routing.autoreply import AnswerFacts, Breaker, Budgets, MayAnswer, NothingToSay, Sent, Silence, may_answer
from routing.calendars import Calendar
from routing.hours import NoWorkingTime, is_open, next_opening
from templates.auto_answers import BY_RULE, Filling, Words, chosen, filled, name_of

KIND = "auto_reply"  # of the outgoing mail and of its message
NEVER = ("late", "stranger")  # what no rule gets over; when the mailbox's own answers leave is another matter
ADVISORY = 7_303  # names our lock on PostgreSQL: budgets are counted by one process at a time

log = structlog.get_logger()


@dataclass(frozen=True)
class Arrived:
    """A mail that was filed just now. `silence`: what it says about itself; `begins`: it started its conversation."""

    message: Message
    silence: str
    begins: bool

    @property
    def sender(self) -> tuple[str, str]:
        """(name, address) to which an answer goes."""
        first = self.message.reply_to[:1] or [[self.message.from_name, self.message.from_address]]
        return str(first[0][0]), str(first[0][1])

    @property
    def address(self) -> str:
        return self.sender[1].lower()

    @property
    def domain(self) -> str:
        return self.address.rpartition("@")[2]


@dataclass(frozen=True)
class Wish:
    """A rule wants a mail answered with the text `text_id`."""

    text_id: int
    rule_id: int
    rule_version: int
    rule_name: str


def arrived(
    session: Session,
    mailbox_id: int,
    mails: Sequence[Arrived],
    *,
    ours: frozenset[str],
    wishes: Mapping[int, Wish],
    now: datetime,
) -> None:
    """Decides about each of these mails and queues the answers that may leave. `ours`: addresses of all mailboxes;
    `wishes` of rules, by the mail's id.

    Call it last: what rules made of the conversations counts, and the lock is held until the commit.
    """
    words = _switched_on(session, mailbox_id) if mails else {}
    texts = _texts(session, wishes.values())
    asked = {one.message.id: wish for one in mails if (wish := wishes.get(one.message.id)) and wish.text_id in texts}
    mails = mails if words else [one for one in mails if one.message.id in asked]
    if not mails:
        return
    calendar = working_hours.calendar_of(session, mailbox_id)
    closed = not is_open(calendar, now)
    blocked = _blocked(session, mails)
    cases = [
        _case(one, words, wish=asked.get(one.message.id), closed=closed, blocked=blocked, ours=ours, now=now)
        for one in mails
    ]
    in_question = [one for one in cases if one.decided.may]
    if in_question:
        one_after_the_other(session, ADVISORY)
        _look_again(session, [one.mail.message for one in in_question])
        mailbox = session.get_one(Mailbox, mailbox_id)
        budget = _Budget(session, mailbox_id, [one.mail for one in in_question], now=now)
        filling = Filling(mailbox=mailbox.display_name, next_opening=_opening(calendar, now) if closed else None)
        for one in in_question:
            one.decided = budget.ask(one)
            if one.decided.may:
                said = texts[one.wish.text_id].words if one.wish else words[one.occasion]
                _answer(session, mailbox, one, said, filling, calendar, now=now)
        budget.write(session)
    _keep(session, mailbox_id, cases, texts, now=now)


def _look_again(session: Session, messages: Sequence[Message]) -> None:
    """A new conversation may have been joined into that of the same mail to another of our addresses."""
    wanted = select(Message.id, Message.conversation_id).where(Message.id.in_([one.id for one in messages]))
    stands = dict(session.execute(wanted).all())
    for one in messages:
        if stands[one.id] != one.conversation_id:
            session.expire(one, ["conversation_id", "conversation"])


# -- facts


@dataclass
class _Case:
    """`instead`: the mailbox's own answer that the rule's goes before."""

    mail: Arrived
    occasion: str
    facts: AnswerFacts
    decided: MayAnswer
    wish: Wish | None
    instead: str


@dataclass(frozen=True)
class _Text:
    name: str
    words: Mapping[str, Words]


def _texts(session: Session, wishes: Collection[Wish]) -> dict[int, _Text]:
    wanted = {one.text_id for one in wishes}
    if not wanted:
        return {}
    rows = session.scalars(select(AnswerText).where(AnswerText.id.in_(wanted)))
    return {one.id: _Text(one.name, _words(one.words)) for one in rows}


def _switched_on(session: Session, mailbox_id: int) -> dict[str, dict[str, Words]]:
    """What the mailbox says, by occasion and language."""
    rows = session.scalars(select(AutoAnswer).where(AutoAnswer.mailbox_id == mailbox_id, AutoAnswer.enabled))
    return {one.occasion: _words(one.words) for one in rows}


def _words(stored: Mapping[str, Any]) -> dict[str, Words]:
    return {language: Words(**words) for language, words in stored.items()}


def _blocked(session: Session, mails: Sequence[Arrived]) -> frozenset[int]:
    wrote = {one.message.person_id for one in mails if one.message.person_id is not None}
    return frozenset(session.scalars(select(Person.id).where(Person.id.in_(wrote), Person.blocked)))


def _case(
    mail: Arrived,
    words: Mapping[str, object],
    *,
    wish: Wish | None,
    closed: bool,
    blocked: frozenset[int],
    ours: frozenset[str],
    now: datetime,
) -> _Case:
    """As far as the mail itself goes: nothing is counted yet."""
    occasion, nothing = _occasion(mail, words, closed=closed, now=now)
    instead = ""
    if wish is not None and nothing not in NEVER:
        instead = "" if nothing else occasion
        occasion, nothing = BY_RULE, ""
    facts = AnswerFacts(
        silence=mail.silence or _unreachable(mail, ours),  # type: ignore[arg-type]
        spam=mail.message.conversation.status == "spam",
        blocked=mail.message.person_id in blocked,
        nothing=nothing,
    )
    return _Case(mail, occasion, facts, may_answer(facts, now=now), wish, instead)


def _occasion(mail: Arrived, words: Mapping[str, object], *, closed: bool, now: datetime) -> tuple[str, NothingToSay]:
    """Which answer it is, and why there is none. Outside working hours theirs goes before the one to every new mail."""
    if now - mail.message.at > autoreply.LATE:
        return "", "late"
    if mail.message.unverified or mail.message.third_party:
        return "", "stranger"
    if closed and "closed" in words:
        return "closed", ""
    if "received" not in words:
        return "", "in_hours"
    return "received", "" if mail.begins else "not_new"


def _unreachable(mail: Arrived, ours: frozenset[str]) -> Silence:
    """What the mail itself could not know: the addresses of our other mailboxes, and whether one can be written to."""
    try:
        check_recipient(mail.sender[1])
    except WrongAddress:
        return "no_sender"
    return "own_address" if mail.address in ours else ""


def _opening(calendar: Calendar, now: datetime) -> datetime | None:
    try:
        return next_opening(calendar, now).astimezone(ZoneInfo(calendar.zone))
    except NoWorkingTime:
        return None


# -- budgets


@dataclass
class _Budget:
    """What left in each span, counted once for all mails of the batch and then in memory."""

    session: Session
    mailbox_id: int
    mails: Sequence[Arrived]
    now: datetime = field(kw_only=True)

    def __post_init__(self) -> None:
        row = self.session.get(AnswerBreaker, self.mailbox_id, with_for_update=True, populate_existing=True)
        self.row = row or AnswerBreaker(mailbox_id=self.mailbox_id, hourly=Budgets().mailbox, alarm="", alarm_domain="")
        self.breaker = Breaker(self.row.open_until)
        self.senders = self._senders()
        self.conversations = self._in_conversations()
        self.domains = self._domains()
        self.mailbox = self._from_the_mailbox()
        self.answered = self._answered()

    def ask(self, case: _Case) -> MayAnswer:
        mail = case.mail
        conversation_id = mail.message.conversation_id
        sent = Sent(
            sender=self.senders[mail.address],
            conversation=self.conversations[conversation_id],
            domain=self.domains[mail.domain],
            mailbox=self.mailbox,
        )
        nothing: NothingToSay = "copy" if mail.message.key in self.answered else case.facts.nothing
        facts = replace(case.facts, nothing=nothing, sent=sent, breaker=self.breaker)
        decided = may_answer(facts, now=self.now, budgets=Budgets.hourly(self.row.hourly))
        self.breaker = decided.breaker
        if decided.may:
            self.senders[mail.address] += 1
            self.conversations[conversation_id] += 1
            self.domains[mail.domain] += 1
            self.mailbox += 1
        elif decided.alarm:
            self._alarm(decided.reason, mail.domain)
        return decided

    def write(self, session: Session) -> None:
        """The breaker as it stands now."""
        if self.row.open_until != self.breaker.open_until:
            self.row.open_until = self.breaker.open_until
        session.add(self.row)
        session.flush()

    def _alarm(self, reason: str, domain: str) -> None:
        """The mailbox's own alarm goes before that of a domain; one that stands already stays."""
        if self.row.alarm == "mailbox_budget" or (self.row.alarm and reason == "domain_budget"):
            return
        log.warning("automatic_answers_stopped", mailbox_id=self.mailbox_id, reason=reason, domain=domain)
        self.row.alarm, self.row.alarm_at = reason, self.now
        self.row.alarm_domain = domain if reason == "domain_budget" else ""
        ring.screens(self.session)

    def _senders(self) -> Counter[str]:
        wanted = select(AnswerDecision.address, func.count()).where(
            AnswerDecision.mailbox_id == self.mailbox_id,
            AnswerDecision.address.in_({one.address for one in self.mails}),
            AnswerDecision.at > self.now - autoreply.SENDER_SPAN,
            AnswerDecision.reason == "",
        )
        return self._counted(wanted.group_by(AnswerDecision.address))

    def _in_conversations(self) -> Counter[int]:
        wanted = (
            select(Message.conversation_id, func.count())
            .join(AnswerDecision, AnswerDecision.message_id == Message.id)
            .where(
                Message.conversation_id.in_({one.message.conversation_id for one in self.mails}),
                AnswerDecision.at > self.now - autoreply.CONVERSATION_SPAN,
                AnswerDecision.reason == "",
            )
        )
        return self._counted(wanted.group_by(Message.conversation_id))

    def _domains(self) -> Counter[str]:
        wanted = select(AnswerDecision.domain, func.count()).where(
            AnswerDecision.domain.in_({one.domain for one in self.mails}),
            AnswerDecision.at > self.now - autoreply.DOMAIN_SPAN,
            AnswerDecision.reason == "",
        )
        return self._counted(wanted.group_by(AnswerDecision.domain))

    def _answered(self) -> frozenset[str]:
        """Keys of mails that came to another of our mailboxes too and were answered from there."""
        wanted = (
            select(Message.key)
            .join(AnswerDecision, AnswerDecision.message_id == Message.id)
            .where(Message.key.in_({one.message.key for one in self.mails}), AnswerDecision.reason == "")
        )
        return frozenset(self.session.scalars(wanted))

    def _from_the_mailbox(self) -> int:
        since = self.now - autoreply.MAILBOX_SPAN
        wanted = select(func.count()).where(
            AnswerDecision.mailbox_id == self.mailbox_id,
            AnswerDecision.at > max(since, self.row.counts_from or since),
            AnswerDecision.reason == "",
        )
        return self.session.scalar(wanted) or 0

    def _counted(self, wanted) -> Counter:  # type: ignore[no-untyped-def, type-arg]
        return Counter(dict(self.session.execute(wanted).all()))


def _keep(
    session: Session, mailbox_id: int, cases: Sequence[_Case], texts: Mapping[int, _Text], *, now: datetime
) -> None:
    session.connection().execute(
        insert(AnswerDecision.__table__),
        [
            {
                "message_id": one.mail.message.id,
                "mailbox_id": mailbox_id,
                "at": now,
                "occasion": one.occasion,
                "rule_name": one.wish.rule_name if one.wish else "",
                "text_name": texts[one.wish.text_id].name if one.wish else "",
                "instead": one.instead,
                "reason": one.decided.reason,
                "most": one.decided.limit,
                "address": one.mail.address[:320],
                "domain": one.mail.domain[:255],
            }
            for one in cases
        ],
    )


# -- the mail


def _answer(
    session: Session,
    mailbox: Mailbox,
    case: _Case,
    words: Mapping[str, Words],
    filling: Filling,
    calendar: Calendar,
    *,
    now: datetime,
) -> None:
    """The answer as a message of the conversation and as a mail in the queue, composed once."""
    mail, wish = case.mail, case.wish
    answered = mail.message
    language, template = chosen(words, _language(answered, mailbox), otherwise=mailbox.locale)
    said = filled(template, language, replace(filling, name=mail.sender[0], number=answered.conversation_id))
    composed = _compose(mailbox, mail, said, language, now=now.astimezone(ZoneInfo(calendar.zone)))
    message = _file(session, mailbox, mail, said, composed, now=now)
    outbox.put(
        session,
        kind=KIND,
        dedupe_key=f"{KIND}:{answered.id}",
        mailbox_id=mailbox.id,
        envelope_from="",  # nobody answers that, and what cannot be delivered does not come back
        recipients=composed.recipients,
        subject=said.subject,
        mail_id=composed.message_id,
        key=message.key,
        raw_sha256=message.raw_sha256,
        size=message.size,
        due_at=now,
        now=now,
        conversation_id=answered.conversation_id,
        message_id=message.id,
    )
    asked = {"rule": wish.rule_id, "rule_version": wish.rule_version, "rule_name": wish.rule_name} if wish else {}
    conversations.record(
        session, answered.conversation, "auto_answered", now=now, message=message, answers=answered.id, **asked
    )
    ring.job(session, "send", queue="send")


def _language(message: Message, mailbox: Mailbox) -> str:
    """Japanese to those who write Japanese, English to all others; the mailbox's own to those who wrote nothing."""
    told = language_of(message.new_text or message.subject)
    return mailbox.locale if not told else "ja" if told == "ja" else "en"


def _compose(mailbox: Mailbox, mail: Arrived, said: Words, language: str, *, now: datetime) -> Composed:
    answered = mail.message
    name, address = mail.sender
    sender = _written_to(mailbox, answered)
    headers = dict(outbox.KINDS[KIND].headers)
    domain = mailbox.address.rpartition("@")[2]
    secret = settings().secret("message ids")
    letter = Letter(
        from_=sender,
        to=(Address(name_of(name), check_recipient(address)),),
        subject=said.subject,
        message_id=threads.new_message_id(secret, answered.conversation_id, secrets.token_hex(10), domain),
        date=now,
        text=said.text,
        in_reply_to=answered.mail_id,
        references=tuple(answered.references),
        auto_submitted=headers.pop("Auto-Submitted"),
        extra_headers=(*headers.items(), ("X-Loop", mailbox.address)),
        language=language,
    )
    return compose.compose(letter)


def _written_to(mailbox: Mailbox, message: Message) -> Address:
    """The address of the mailbox that the mail was sent to, else its main one."""
    names = {one.address.lower(): one.display_name for one in mailbox.addresses}
    used = next((str(one[1]).lower() for one in (*message.to, *message.cc) if str(one[1]).lower() in names), "")
    return Address(names.get(used) or mailbox.display_name, used or mailbox.address)


def _file(
    session: Session, mailbox: Mailbox, mail: Arrived, said: Words, composed: Composed, *, now: datetime
) -> Message:
    answered = mail.message
    sender = _written_to(mailbox, answered)
    message = Message(
        conversation_id=answered.conversation_id,
        direction="out",
        kind=KIND,
        from_name=sender.name,
        from_address=sender.address,
        to=[[name_of(mail.sender[0]), mail.sender[1]]],
        subject=said.subject,
        mail_id=composed.message_id,
        key=threads.key(composed.message_id),
        references=[*answered.references, *([answered.mail_id] if answered.mail_id else [])],
        at=now,
        dated=now,
        created_at=now,
        text=said.text,
        new_text=said.text.strip(),
        snippet=snippet_of(said.text),
        raw_sha256=blobs().put(composed.raw),
        size=len(composed.raw),
        answers_id=answered.id,
    )
    session.add(message)
    answered.conversation.message_count += 1
    session.flush()
    session.execute(
        insert_into(session, ThreadKey)
        .values(mailbox_id=mailbox.id, key=message.key, conversation_id=message.conversation_id)
        .on_conflict_do_nothing()
    )
    return message
