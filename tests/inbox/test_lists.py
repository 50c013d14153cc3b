"""The list of conversations: what stands in which box, pages that neither skip nor repeat, and how they are read."""

from __future__ import annotations

import random
from datetime import timedelta

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.orm import Session

from inbox import conversations, lists, profiles
from inbox.errors import NotFound
from inbox.models import Claim, Conversation, Draft, Presence
from tests.inbox.cast import DAY, MINUTE, NOW, a_conversation, a_mailbox, a_person, a_user, a_viewer, statements


@pytest.fixture
def support(session: Session):
    return a_mailbox(session, "Support")


@pytest.fixture
def sales(session: Session):
    return a_mailbox(session, "Sales")


def every_page(session: Session, who, box: str, **how) -> list[int]:
    """All ids of a box, read page by page downwards, and the same upwards again."""
    down, after = [], None
    while True:
        page = lists.page(session, who, box, now=NOW, after=after, **how)
        down.append([row.id for row in page.rows])
        if page.older is None:
            break
        after = page.older
    up = [down[-1]]
    while page.newer is not None:
        page = lists.page(session, who, box, now=NOW, after=page.newer, **how)
        up.insert(0, [row.id for row in page.rows])
    assert up == down
    return [i for ids in down for i in ids]


def many(session: Session, mailboxes, owners, n: int = 120) -> list[Conversation]:
    chance = random.Random(7)
    return [
        a_conversation(
            session,
            chance.choice(mailboxes),
            at=NOW - MINUTE * chance.randrange(40),  # many share a minute: the id decides
            status=chance.choice(["open", "open", "open", "waiting", "closed"]),
            owner=chance.choice(owners),
            waiting_since=chance.choice([None, NOW - MINUTE * chance.randrange(30)]),
        )
        for _ in range(n)
    ]


def test_each_box_shows_exactly_its_conversations_newest_first(session: Session, support, sales) -> None:
    aoi, ben = a_viewer(session, "Aoi", support, sales), a_user(session, "Ben", support)
    every = many(session, [support, sales], [None, aoi, ben])

    def expected(keep) -> list[int]:
        return [c.id for c in sorted(filter(keep, every), key=lambda c: (c.activity_at, c.id), reverse=True)]

    assert every_page(session, aoi, "open", size=7) == expected(lambda c: c.status == "open")
    assert every_page(session, aoi, "unassigned", size=3) == expected(
        lambda c: c.status == "open" and c.owner_id is None
    )
    assert every_page(session, aoi, "mine", size=5) == expected(lambda c: c.status == "open" and c.owner_id == aoi.id)
    assert every_page(session, aoi, "closed", size=50) == expected(lambda c: c.status == "closed")
    assert every_page(session, aoi, "waiting", owner_id=ben.id, size=2) == expected(
        lambda c: c.status == "waiting" and c.owner_id == ben.id
    )
    assert every_page(session, aoi, "open", mailbox_id=sales.id, size=6) == expected(
        lambda c: c.status == "open" and c.mailbox_id == sales.id
    )
    counts = lists.counts(session, aoi)
    assert counts["open"] == len(expected(lambda c: c.status == "open"))
    assert counts["mine"] == len(expected(lambda c: c.status == "open" and c.owner_id == aoi.id))
    assert counts["unassigned"] == len(expected(lambda c: c.status == "open" and c.owner_id is None))
    assert counts["snoozed"] == counts["spam"] == 0
    assert lists.counts(session, aoi, mailbox_id=sales.id)["closed"] == len(
        expected(lambda c: c.status == "closed" and c.mailbox_id == sales.id)
    )


@pytest.mark.parametrize("size", [1, 4, 13])
def test_who_waits_longest_comes_first_and_those_who_do_not_wait_come_after(
    session: Session, support, sales, size
) -> None:
    aoi = a_viewer(session, "Aoi", support, sales)
    every = many(session, [support, sales], [None, aoi], 60)

    def expected(keep) -> list[int]:
        chosen = sorted(filter(keep, every), key=lambda c: c.id)
        waiting = sorted((c for c in chosen if c.waiting_since), key=lambda c: (c.waiting_since, c.id))
        return [c.id for c in waiting + [c for c in chosen if c.waiting_since is None]]

    assert every_page(session, aoi, "open", order="waiting", size=size) == expected(lambda c: c.status == "open")
    assert every_page(session, aoi, "unassigned", order="waiting", size=size) == expected(
        lambda c: c.status == "open" and c.owner_id is None
    )


def test_a_tag_narrows_the_list_whether_few_or_many_carry_it(session: Session, support, monkeypatch) -> None:
    aoi = a_viewer(session, "Aoi", support)
    every = many(session, [support], [None], 40)
    for conversation in every[::3]:
        conversations.tag(session, conversation, "返品", now=NOW, actor_id=aoi.id)
    ((tag_id, name, _colour),) = lists.tags(session)
    assert name == "返品"
    tagged = {c.id for c in every[::3] if c.status == "open"}
    assert set(every_page(session, aoi, "open", tag_id=tag_id, size=4)) == tagged
    monkeypatch.setattr(lists, "FEW", 3)
    assert set(every_page(session, aoi, "open", tag_id=tag_id, size=4)) == tagged
    assert every_page(session, aoi, "open", tag_id=tag_id + 1, size=4) == []


def test_nobody_sees_a_mailbox_without_access(session: Session, support, sales) -> None:
    ben = a_viewer(session, "Ben", support)
    hidden = a_conversation(session, sales)
    assert lists.page(session, ben, "open", now=NOW).rows == ()
    assert lists.rows_of(session, ben, [hidden.id], now=NOW) == ()
    assert lists.counts(session, ben)["open"] == 0
    assert lists.counts(session, ben, mailbox_id=sales.id)["open"] == 0
    with pytest.raises(NotFound):
        lists.page(session, ben, "open", now=NOW, mailbox_id=sales.id)
    with pytest.raises(NotFound):
        lists.neighbours(session, ben, hidden.id, "open")
    with pytest.raises(NotFound):
        lists.page(session, ben, "everything", now=NOW)
    nobody = a_viewer(session, "Cho")
    assert lists.page(session, nobody, "open", now=NOW).rows == ()


def test_a_row_tells_who_looks_who_writes_and_what_is_unread(session: Session, support) -> None:
    aoi, ben = a_viewer(session, "Aoi", support), a_user(session, "Ben", support)
    read, fresh, imported = (a_conversation(session, support, s) for s in ("read", "fresh", "imported"))
    conversations.look(session, read, aoi.id, now=NOW)
    conversations.place(session, imported, status="closed", now=NOW)
    imported.silent = True
    session.add_all(
        [
            Presence(conversation_id=fresh.id, user_id=ben.id, until=NOW + MINUTE),
            Presence(conversation_id=read.id, user_id=ben.id, until=NOW - MINUTE),
            Presence(conversation_id=fresh.id, user_id=aoi.id, until=NOW + MINUTE),
            Claim(conversation_id=fresh.id, user_id=ben.id, since=NOW - MINUTE, until=NOW + MINUTE),
            Claim(conversation_id=read.id, user_id=ben.id, since=NOW - DAY, until=NOW - DAY),
            Draft(
                conversation_id=read.id,
                mailbox_id=support.id,
                author_id=aoi.id,
                kind="reply",
                rev=2,
                created_at=NOW,
                updated_at=NOW,
            ),
        ]
    )
    conversations.tag(session, fresh, "急ぎ", now=NOW, actor_id=ben.id)
    session.flush()
    first, second, third = lists.rows_of(session, aoi, [fresh.id, read.id, imported.id], now=NOW)
    assert (first.subject, first.unread, first.is_new, first.looking) == ("fresh", True, True, ("Ben",))
    assert first.writing == (ben.id, "Ben", NOW - MINUTE)
    assert [name for _id, name, _colour in first.tags] == ["急ぎ"]
    assert (second.unread, second.is_new, second.looking, second.writing, second.has_draft) == (
        False,
        False,
        (),
        None,
        True,
    )
    assert (third.unread, third.is_new) == (False, False)
    read.version += 1
    session.flush()
    assert lists.rows_of(session, aoi, [read.id], now=NOW)[0].unread


def test_neighbours_are_the_rows_above_and_below_even_when_this_one_left_the_box(session: Session, support) -> None:
    aoi = a_viewer(session, "Aoi", support)
    oldest, middle, newest = (a_conversation(session, support, at=NOW + n * MINUTE) for n in range(3))
    assert lists.neighbours(session, aoi, middle.id, "open") == (newest.id, oldest.id)
    conversations.place(session, middle, status="closed", now=NOW)
    session.flush()
    assert lists.neighbours(session, aoi, middle.id, "open") == (newest.id, oldest.id)
    assert lists.neighbours(session, aoi, newest.id, "open") == (None, oldest.id)
    assert lists.neighbours(session, aoi, middle.id, "open", order="waiting") == (oldest.id, newest.id)


@pytest.mark.parametrize(
    "cursor", ["", "x", "o", "o_", "o1_", "o_1", "oé_1", "o" + "9" * 30 + "_1", "n-5_7", "o1_-1", "o1_²"]
)
def test_a_cursor_that_makes_no_sense_is_no_error(session: Session, support, cursor: str) -> None:
    aoi = a_viewer(session, "Aoi", support)
    a_conversation(session, support)
    for order in lists.ORDERS:
        lists.page(session, aoi, "open", now=NOW, after=cursor, order=order)


def test_a_page_takes_at_most_eight_queries(session: Session, engine: Engine, support, sales) -> None:
    aoi = a_viewer(session, "Aoi", support, sales)
    every = many(session, [support, sales], [None, aoi], 80)
    conversations.tag(session, every[0], "返品", now=NOW, actor_id=aoi.id)
    session.flush()
    tag_id = lists.tags(session)[0][0]
    with statements(engine) as seen:
        lists.page(session, aoi, "open", now=NOW)
        lists.counts_by_mailbox(session, aoi)
    assert len(seen) <= 6
    with statements(engine) as seen:
        lists.page(session, aoi, "open", now=NOW, order="waiting", tag_id=tag_id)
    assert len(seen) <= 8


@pytest.mark.parametrize("order", lists.ORDERS)
@pytest.mark.parametrize("box", lists.BOXES)
def test_a_page_walks_an_index_and_never_sorts_or_scans_all(
    session: Session, engine: Engine, support, sales, box, order
) -> None:
    aoi = a_viewer(session, "Aoi", support, sales)
    session.execute(
        Conversation.__table__.insert(),
        [
            {
                "mailbox_id": (support.id, sales.id)[n % 2],
                "status": ("open", "open", "waiting", "snoozed", "closed", "spam")[n // 2 % 6],
                "owner_id": (None, aoi.id)[n // 12 % 2],
                "waiting_since": (None, NOW - timedelta(seconds=n))[n // 24 % 2],
                "activity_at": NOW - timedelta(seconds=n),
                "created_at": NOW,
            }
            for n in range(20_000)
        ],
    )
    session.execute(text("ANALYZE conversation" if engine.dialect.name == "postgresql" else "ANALYZE"))
    cursor = lists.Cursor(at=NOW - timedelta(seconds=600), id=9).written(back=False)
    plan = explained(
        session, engine, lambda: lists.page(session, aoi, box, now=NOW, after=cursor, order=order, size=20)
    )
    if engine.dialect.name == "sqlite":
        assert "SCAN c" not in plan, plan
        assert plan.count("USE TEMP B-TREE") == plan.count("USE TEMP B-TREE FOR ORDER BY") <= 2, plan
        assert "ix_conversation_" in plan, plan
    else:
        assert "Seq Scan on conversation" not in plan, plan
        assert "ix_conversation_" in plan, plan
        rows = [
            int(part.split()[0])
            for line in plan.splitlines()
            if "on conversation" in line
            for part in line.split("rows=")[2:]
        ]
        assert rows, plan
        assert max(rows) <= 60, plan


def test_without_statistics_a_few_rows_are_never_read_by_way_of_a_whole_mailbox(
    session: Session, engine: Engine, support
) -> None:
    """SQLite has no statistics as long as nobody runs ANALYZE."""
    if engine.dialect.name != "sqlite":
        pytest.skip("PostgreSQL always has statistics")
    aoi, taro = a_viewer(session, "Aoi", support), a_person(session)
    made = a_conversation(session, support, person=taro)
    plan = explained(session, engine, lambda: lists.rows_of(session, aoi, [made.id], now=NOW), of="read_mark")
    assert "SEARCH conversation USING INTEGER PRIMARY KEY" in plan
    plan = explained(session, engine, lambda: profiles.profile(session, aoi, taro.id), of="first_seen")
    assert plan.count("SEARCH conversation USING INDEX ix_conversation_person (person_id=?)") == 2, plan


def explained(session: Session, engine: Engine, act, *, of: str = " AS place") -> str:
    """The query plans of those statements of `act` in which `of` stands: as it is, those that ask for a list's keys."""
    from sqlalchemy import event

    taken: list[tuple[str, object]] = []

    def note(_connection, _cursor, statement, parameters, _context, _many) -> None:
        if of in statement:
            taken.append((statement, parameters))

    event.listen(engine, "before_cursor_execute", note)
    act()
    event.remove(engine, "before_cursor_execute", note)
    assert taken
    prefix = "EXPLAIN QUERY PLAN " if engine.dialect.name == "sqlite" else "EXPLAIN (ANALYZE, TIMING OFF) "
    lines = [
        row[-1]
        for statement, parameters in taken
        for row in session.connection().exec_driver_sql(prefix + statement, parameters)
    ]
    return "\n".join(map(str, lines))
