"""Again and again two clicks at one moment, from two processes: one mail each, and nobody's words are lost."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import Engine, func, select
from sqlalchemy.orm import Session

from inbox import config, db, replies, sending
from inbox.errors import StaleReply
from inbox.models import Conversation, Draft, Event, Mailbox, Message, Outgoing
from inbox.people import Viewer
from tests.inbox.cast import NOW, RACES, a_conversation, a_mailbox, a_message, a_person, a_viewer
from tests.mail_lint import lint
from tests.servers.smtp_sink import SmtpSink
from tests.servers.valkey import Valkey


def a_draft(session: Session, conversation: Conversation, asked: Message, who: Viewer) -> int:
    draft = Draft(
        conversation_id=conversation.id,
        mailbox_id=conversation.mailbox_id,
        author_id=who.id,
        kind="reply",
        answers_id=asked.id,
        from_address="support@shop.example",
        to=[[asked.from_name, asked.from_address]],
        subject="Re: 届きません",
        text=f"{who.name} です。{conversation.id}",
        seen_version=conversation.version,
        created_at=NOW,
        updated_at=NOW,
    )
    session.add(draft)
    session.flush()
    return draft.id


def click(
    url: str, data_dir: str, redis_url: str, who: Viewer, drafts: list[tuple[int, int]], barrier: Any, out: Any
) -> None:
    """One process: presses send on each draft at the moment when the other process does."""
    import os

    os.environ.update(DATABASE_URL=url, DATA_DIR=data_dir, REDIS_URL=redis_url)
    config.settings.cache_clear()
    db.engine.cache_clear()
    told: list[tuple[str, int, int]] = []
    for draft_id, seen in drafts:
        barrier.wait(60)
        try:
            with db.transaction() as session:
                now = datetime.now(UTC)
                result = replies.send(session, who, draft_id, seen_version=seen, next_status="closed", now=now)
            told.append(("sent", draft_id, result.outgoing_id))
        except StaleReply as error:
            with db.transaction() as session:
                replies.keep_refused(session, draft_id, error, actor_id=who.id, now=datetime.now(UTC))
            told.append(("refused", draft_id, 0))
    out.put(told)


@pytest.fixture
def race(engine: Engine, database_url: str, valkey: Valkey) -> Callable[..., list[list[tuple[str, int, int]]]]:
    def run(*sides: tuple[Viewer, list[tuple[int, int]]]) -> list[list[tuple[str, int, int]]]:
        spawn = multiprocessing.get_context("spawn")
        barrier, out = spawn.Barrier(len(sides)), spawn.Queue()
        data = str(config.settings().data)
        children = [
            spawn.Process(target=click, args=(database_url, data, valkey.url, who, drafts, barrier, out))
            for who, drafts in sides
        ]
        for child in children:
            child.start()
        told = [out.get(timeout=400) for _ in children]
        for child in children:
            child.join(30)
        return told

    return run


def prepare(sink: SmtpSink, *, agents: int) -> list[tuple[Viewer, list[tuple[int, int]]]]:
    """RACES conversations, a draft of each agent in each: (agent, [(draft, version that was seen)])."""
    with db.transaction() as session:
        mailbox = a_mailbox(session)
        sends_to(mailbox, sink)
        team = [replace(a_viewer(session, name, mailbox), undo_seconds=0) for name in ("Aoi", "Ben")[:agents]]
        person = a_person(session)
        sides: list[tuple[Viewer, list[tuple[int, int]]]] = [(who, []) for who in team]
        for _ in range(RACES):
            conversation = a_conversation(session, mailbox, person=person)
            asked = a_message(session, conversation)
            for who, drafts in sides:
                drafts.append((a_draft(session, conversation, asked, who), conversation.version))
    return sides


def sends_to(mailbox: Mailbox, sink: SmtpSink) -> None:
    mailbox.smtp_host, mailbox.smtp_port = "127.0.0.1", sink.port
    mailbox.smtp_security, mailbox.smtp_user = "plain", ""


def delivered_once_each(sink: SmtpSink, count: int = RACES) -> None:
    sending._stopping.clear()
    assert sending.send_due(patience=None).accepted == count
    assert len(sink.deliveries) == len({d.raw for d in sink.deliveries}) == count
    for delivery in sink.deliveries[::50]:
        lint(delivery.raw)


@pytest.mark.slow
def test_of_two_agents_who_answer_at_one_moment_one_is_sent_and_the_other_keeps_the_words(
    race: Callable[..., list[list[tuple[str, int, int]]]], smtp_sink: SmtpSink
) -> None:
    sides = prepare(smtp_sink, agents=2)
    told = race(*sides)
    everything = [one for side in told for one in side]
    assert sum(1 for how, *_ in everything if how == "sent") == RACES
    refused = {draft_id for how, draft_id, _ in everything if how == "refused"}
    assert len(refused) == RACES
    with db.reading() as session:
        kept = session.scalars(select(Draft).where(Draft.id.in_(refused))).all()
        assert all(
            one.state == "open" and one.refused_at and one.text.endswith(str(one.conversation_id)) for one in kept
        )
        assert session.scalar(select(func.count()).where(Draft.state == "sent")) == RACES
        assert session.scalar(select(func.count()).where(Message.direction == "out")) == RACES
        assert session.scalar(select(func.count(Outgoing.conversation_id.distinct()))) == RACES
        assert session.scalar(select(func.count()).where(Event.kind == "refused")) == RACES
        assert session.scalar(select(func.count()).where(Conversation.status == "closed")) == RACES
    delivered_once_each(smtp_sink)


@pytest.mark.slow
def test_of_two_clicks_at_one_moment_one_is_sent_and_both_hear_the_same(
    race: Callable[..., list[list[tuple[str, int, int]]]], smtp_sink: SmtpSink
) -> None:
    (side,) = prepare(smtp_sink, agents=1)
    first, second = race(side, side)
    assert first == second
    assert {how for how, *_ in first} == {"sent"}
    assert len({outgoing_id for *_, outgoing_id in first}) == RACES
    with db.reading() as session:
        assert session.scalar(select(func.count()).select_from(Outgoing)) == RACES
        assert session.scalar(select(func.count()).where(Message.direction == "out")) == RACES
    delivered_once_each(smtp_sink)
