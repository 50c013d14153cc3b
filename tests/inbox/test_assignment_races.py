"""Eight workers hand out at once while ten people come and go; again and again two who take one conversation."""

from __future__ import annotations

import multiprocessing
import os
import random
import threading
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, select

from inbox import assignment, config, conversations, db, people, presence, teams, triage
from inbox.models import Absence, Conversation, Event, Mailbox, Team, User
from tests.inbox.cast import NOW, RACES, a_conversation, a_mailbox
from tests.inbox.routing_cast import a_manager, a_team, agents

WORKERS = 8
EACH = 25  # conversations of one worker


@pytest.fixture
def desk(engine: Engine) -> list[int]:
    """Ten people of a team, all with access."""
    with db.transaction() as session:
        a_mailbox(session, "Support")
    return agents(*(f"P{n}" for n in range(10)))


def in_processes(count: int, work: Callable[..., None], *given: Any) -> list[Any]:
    """What each of `count` processes, begun at one moment, put into the queue."""
    context = multiprocessing.get_context("spawn")
    out, barrier = context.Queue(), context.Barrier(count)
    settings = config.settings()
    where = (settings.database, str(settings.data), settings.redis)
    started = [context.Process(target=work, args=(n, where, barrier, out, *given)) for n in range(count)]
    for one in started:
        one.start()
    told = [out.get(timeout=240) for _ in started]
    for one in started:
        one.join(60)
        assert one.exitcode == 0
    return told


def connect(where: tuple[str, str, str]) -> None:
    os.environ.update(DATABASE_URL=where[0], DATA_DIR=where[1], REDIS_URL=where[2])
    config.settings.cache_clear()
    db.engine.cache_clear()


def hand_out(
    number: int, where: tuple[str, str, str], barrier: Any, out: Any, team_id: int, conversation_ids: list[int]
) -> None:
    """One worker: its share of the conversations, one transaction each."""
    connect(where)
    barrier.wait(60)
    for conversation_id in conversation_ids[number::WORKERS]:
        with db.transaction() as session:
            found = session.get_one(Conversation, conversation_id, with_for_update=True)
            desk = assignment.Desk(session, [team_id], now=NOW)
            desk.hand_out(found, assignment.by_team(team_id))
    out.put(number)
    db.engine().dispose()


def some_conversations(count: int) -> list[int]:
    with db.transaction() as session:
        mailbox = session.scalars(select(Mailbox)).one()
        return [a_conversation(session, mailbox, f"{n}").id for n in range(count)]


@pytest.mark.slow
@pytest.mark.parametrize("way", ["round_robin", "least_open"])
def test_eight_workers_stay_fair_among_ten_people(desk: list[int], way: str) -> None:
    team_id = a_team(a_manager(), desk, way=way)
    ids = some_conversations(WORKERS * EACH)
    in_processes(WORKERS, hand_out, team_id, ids)
    with db.reading() as session:
        owners = Counter(session.scalars(select(Conversation.owner_id)))
        assert session.get_one(Team, team_id).turn == WORKERS * EACH
        audited = session.scalars(select(Event).where(Event.kind == "assigned")).all()
    assert set(owners) == set(desk)
    assert max(owners.values()) - min(owners.values()) <= 1
    assert Counter(one.about["after"] for one in audited) == owners


@pytest.mark.slow
@pytest.mark.parametrize("way", ["round_robin", "least_open"])
def test_those_who_stay_get_the_same_while_others_come_and_go(desk: list[int], way: str) -> None:
    """Half of the people leave and come back while eight threads hand out; the others' turns differ by one at most."""
    mei = a_manager()
    team_id = a_team(mei, desk, way=way)
    stay, move = desk[:5], desk[5:]
    ids, moves = some_conversations(WORKERS * EACH), random.Random(7)
    barrier, done = threading.Barrier(WORKERS + 1), threading.Event()
    failed: list[BaseException] = []

    def work(number: int) -> None:
        try:
            barrier.wait(60)
            for conversation_id in ids[number::WORKERS]:
                with db.transaction() as session:
                    found = session.get_one(Conversation, conversation_id, with_for_update=True)
                    assignment.Desk(session, [team_id], now=NOW).hand_out(found, assignment.by_team(team_id))
        except BaseException as error:  # noqa: BLE001 (told by the test itself)
            failed.append(error)

    def come_and_go() -> None:
        barrier.wait(60)
        while not done.is_set():
            with db.transaction() as session:
                person = moves.choice(move)
                away = session.scalars(select(Absence).where(Absence.user_id == person)).first()
                if away is None:
                    session.add(Absence(user_id=person, starts_at=NOW - timedelta(hours=1)))
                else:
                    session.delete(away)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(WORKERS)]
    mover = threading.Thread(target=come_and_go)
    for one in (*threads, mover):
        one.start()
    for one in threads:
        one.join(240)
    done.set()
    mover.join(60)
    assert not failed, failed
    with db.reading() as session:
        owners = Counter(session.scalars(select(Conversation.owner_id)))
    assert sum(owners.values()) == len(ids)
    assert None not in owners
    of_those_who_stayed = [owners[one] for one in stay]
    assert max(of_those_who_stayed) - min(of_those_who_stayed) <= 1
    if way == "least_open":
        assert max(owners[one] for one in move) <= max(of_those_who_stayed)


def take(
    number: int, where: tuple[str, str, str], barrier: Any, out: Any, who: list[int], conversation_ids: list[int]
) -> None:
    """One of two: opens each conversation at the moment when the other does; afterwards one assigns it by hand."""
    connect(where)
    with db.reading() as session:
        viewer = people.of(session, session.get_one(User, who[number]))
    for place, conversation_id in enumerate(conversation_ids):
        barrier.wait(60)
        with db.transaction() as session:
            if number == 0 and place % 5 == 0:
                triage.assign(session, viewer, conversation_id, viewer.id, now=NOW)
            else:
                presence.look(session, viewer, conversation_id, now=NOW)
    out.put(number)
    db.engine().dispose()


@pytest.mark.slow
def test_again_and_again_two_take_one_conversation(desk: list[int]) -> None:
    team_id = a_team(a_manager(), desk, way="on_open")
    ids = some_conversations(RACES)
    with db.transaction() as session:
        for found in session.scalars(select(Conversation)):
            found.team_id, found.for_opener = team_id, True
    both = desk[:2]
    in_processes(2, take, both, ids)
    with db.reading() as session:
        found = session.scalars(select(Conversation).order_by(Conversation.id)).all()
        audited: dict[int, list[Event]] = {}
        for event in session.scalars(select(Event).where(Event.kind == "assigned").order_by(Event.id)):
            audited.setdefault(event.conversation_id or 0, []).append(event)
    for place, one in enumerate(found):
        events = audited[one.id]
        assert one.owner_id in both
        assert not one.for_opener
        assert events[0].about["before"] is None
        assert events[-1].about["after"] == one.owner_id
        # each change starts where the one before ended: nobody took what was somebody's without seeing it
        assert [e.about["before"] for e in events[1:]] == [e.about["after"] for e in events[:-1]]
        assert len(events) <= (2 if place % 5 == 0 else 1)
    with db.transaction() as session:
        assert teams.fallback(session) is None
        conversations.recount(session)
