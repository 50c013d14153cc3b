"""What the team writes down about a customer: names in one line, tiers that move deadlines, values that forms offer."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, insert, select
from sqlalchemy.orm import Session

from inbox import conversations, deadlines, kept_deadlines, lists, profiles
from inbox.errors import NotFound, UserError
from inbox.lists import More
from inbox.models import Conversation, Event, Person, Setting
from tests.inbox.cast import HOUR, MINUTE, NOW, a_conversation, a_mailbox, a_message, a_person, a_viewer
from tests.inbox.test_lists import explained


@pytest.fixture
def support(session: Session):
    return a_mailbox(session)


@pytest.fixture
def aoi(session: Session, support):
    return a_viewer(session, "Aoi", support)


@pytest.fixture
def taro(session: Session):
    return a_person(session)


def write(session: Session, who, conversation: Conversation, **more: Any) -> None:
    """Changes these fields; the others stay as they are."""
    known = profiles.of_conversation(session, who, conversation.id)
    fields = {name: getattr(known, name) for name in ("name", "company", "tier", "phase", "note")}
    profiles.change(session, who, conversation.id, **(fields | more), now=NOW)


def waiting(session: Session, mailbox, person: Person | None, **more: Any) -> Conversation:
    """A conversation whose customer waits since NOW."""
    made = a_conversation(session, mailbox, person=person, at=NOW - MINUTE, **more)
    a_message(session, made, at=NOW)
    return made


def told(session: Session, conversation: Conversation) -> list[dict[str, Any]]:
    wanted = select(Event.about).where(Event.conversation_id == conversation.id, Event.kind == "customer")
    return [about["customer"] for about in session.scalars(wanted.order_by(Event.id))]


def test_what_is_written_down_is_one_line_each_and_stands_in_the_history(session, support, aoi, taro) -> None:
    made = a_conversation(session, support, person=taro)
    write(
        session,
        aoi,
        made,
        name="山田\n 太郎 ",
        company="山田商店",
        tier=" ハイ\0タッチ ",
        phase="x" * 41,
        note=" 1\r\n2 ",
    )
    found = profiles.of_conversation(session, aoi, made.id)
    assert (found.name, found.company, found.note) == ("山田 太郎", "山田商店", "1\n2")
    assert (found.tier, found.phase) == ("ハイタッチ", "x" * 40)
    assert told(session, made) == [{"company": "山田商店", "tier": "ハイタッチ", "phase": "x" * 40, "note": ""}], (
        "what did not change is not told, and the words of the note are the team's"
    )
    write(session, aoi, made, tier="ハイタッチ")
    assert len(told(session, made)) == 1, "nothing changed"


def test_a_customer_is_known_since_their_oldest_mail_not_since_its_import(session, support, aoi, taro) -> None:
    elsewhere = a_mailbox(session, "Sales")
    for mailbox, days in ((support, 400), (support, 20), (elsewhere, 900)):
        story = a_conversation(session, mailbox, person=taro, at=NOW)
        a_message(session, story, at=NOW - timedelta(days=days))
    found = profiles.of_conversation(session, aoi, waiting(session, support, taro).id)
    assert found.first_seen == NOW - timedelta(days=400), "a mailbox out of sight tells nothing"
    assert (found.conversations, found.open) == (3, 3)


def test_a_note_that_is_too_long_is_refused_and_nothing_is_written(session, support, aoi, taro) -> None:
    made = a_conversation(session, support, person=taro)
    with pytest.raises(UserError) as refused:
        write(session, aoi, made, tier="VIP", note="x" * (profiles.LONGEST_NOTE + 1))
    assert refused.value.field == "note"
    assert profiles.of_conversation(session, aoi, made.id).tier == ""


def test_only_who_sees_the_conversation_may_write(session, support, aoi, taro) -> None:
    made = a_conversation(session, support, person=taro)
    nobodys = a_conversation(session, support)
    outsider = a_viewer(session, "Ben", a_mailbox(session, "Sales"))
    for who, one in ((outsider, made), (aoi, nobodys)):
        with pytest.raises(NotFound):
            profiles.change(session, who, one.id, name="", company="", tier="VIP", phase="", note="", now=NOW)
    assert session.get_one(Person, taro.id).tier == ""


def test_the_values_in_use_are_told_by_name_and_read_past_all_who_have_none(
    session: Session, engine: Engine, support, aoi, taro
) -> None:
    assert (profiles.tiers(session), profiles.phases(session)) == ((), ())
    people = [("VIP", ""), ("", "運用"), ("A", "導入"), ("VIP", "導入"), ("", "")]
    session.execute(insert(Person), [{"tier": tier, "phase": phase, "created_at": NOW} for tier, phase in people])
    assert profiles.tiers(session) == ("A", "VIP")
    assert set(profiles.phases(session)) == {"導入", "運用"}
    if engine.dialect.name == "sqlite":
        plan = explained(session, engine, lambda: profiles.tiers(session), of="person.tier")
        assert plan.count("USING COVERING INDEX ix_person_tier") == 2, plan


# -- deadlines


def test_the_policy_of_the_customers_tier_counts_and_another_tier_settles_the_open_ones_anew(
    session: Session, engine: Engine, support, aoi, taro
) -> None:
    mei = a_viewer(session, "Mei", support, role="manager")
    deadlines.save(
        session, mei, None, body={"name": "Gold", "first_answer": 30, "tiers": [" ＶＩＰ ", ""]}, enabled=True, now=NOW
    )
    deadlines.save(session, mei, None, body={"name": "All", "first_answer": 240}, enabled=True, now=NOW)
    assert deadlines.show(session, mei)[0].policy.tiers == {"ＶＩＰ"}
    sales = a_mailbox(session, "Sales")
    here, elsewhere = waiting(session, support, taro), waiting(session, sales, taro)
    closed, hanakos = (
        waiting(session, support, taro),
        waiting(session, support, a_person(session, "花子", "h@example.jp")),
    )
    conversations.set_status(session, closed, "closed", now=NOW, actor_id=None)
    ordinary = hanakos.due_at
    assert ordinary is not None
    assert here.due_at == elsewhere.due_at == ordinary

    write(session, aoi, here, tier="vip")
    assert here.due_at == elsewhere.due_at is not None
    assert here.due_at < ordinary == hanakos.due_at
    assert closed.due_at is None
    assert told(session, here) == told(session, elsewhere) == [{"tier": "vip"}], "also where Aoi sees nothing"
    assert told(session, closed) == told(session, hanakos) == []
    assert kept_deadlines.work_out(session, here, now=NOW).policy == "Gold"
    fresh = waiting(session, support, taro)
    assert fresh.due_at == here.due_at
    again = a_conversation(session, support, person=taro, status="closed")
    conversations.set_status(session, again, "open", now=NOW + HOUR, actor_id=None)
    assert again.due_at is None, "nobody asked anything in it"

    write(session, aoi, here, tier="")
    assert here.due_at == elsewhere.due_at == fresh.due_at == ordinary
    if engine.dialect.name == "sqlite":
        plan = explained(
            session,
            engine,
            lambda: kept_deadlines.customer_changed(session, taro.id, now=NOW),
            of="conversation.person_id = ",
        )
        assert "USING INDEX ix_conversation_person" in plan, plan


def test_of_a_customer_with_very_many_open_conversations_the_clock_works_them_out(
    session: Session, support, aoi, taro, monkeypatch
) -> None:
    monkeypatch.setattr(kept_deadlines, "BATCH", 2)
    mei = a_viewer(session, "Mei", support, role="manager")
    deadlines.save(
        session, mei, None, body={"name": "Gold", "first_answer": 30, "tiers": ["VIP"]}, enabled=True, now=NOW
    )
    while kept_deadlines.go_on_anew(session, now=NOW):
        pass
    made = [waiting(session, support, taro) for _ in range(3)]
    write(session, aoi, made[0], tier="VIP")
    assert [one.due_at for one in made] == [None, None, None]
    assert session.get(Setting, kept_deadlines.ANEW) is not None
    while kept_deadlines.go_on_anew(session, now=NOW):
        pass
    assert all(one.due_at is not None for one in made)


# -- lists


@pytest.mark.parametrize("few", [0, 1_000])
@pytest.mark.parametrize("order", lists.ORDERS)
def test_a_list_asks_for_tier_and_phase_whether_few_or_many_customers_have_them(
    session: Session, engine: Engine, support, aoi, taro, monkeypatch, few: int, order: Any
) -> None:
    monkeypatch.setattr(lists, "FEW_CUSTOMERS", few)
    hanako, kim = a_person(session, "花子", "h@example.jp"), a_person(session, "Kim", "kim@example.jp")
    taro.tier = hanako.tier = "VIP"
    hanako.phase = kim.phase = "導入"
    sales = a_mailbox(session, "Sales")
    of_taro, of_hanako, of_kim = (waiting(session, support, one) for one in (taro, hanako, kim))
    waiting(session, support, None)
    waiting(session, sales, hanako)
    conversations.set_status(session, waiting(session, support, taro), "closed", now=NOW, actor_id=None)

    def found(**more: str) -> list[int]:
        asked = More(**{name: (value,) for name, value in more.items()})
        return [one.id for one in lists.page(session, aoi, "open", now=NOW, order=order, more=asked).rows]

    assert sorted(found(tier="VIP")) == [of_taro.id, of_hanako.id]
    assert sorted(found(phase="導入")) == [of_hanako.id, of_kim.id]
    assert found(tier="VIP", phase="導入") == [of_hanako.id]
    assert found(tier="Gold") == []
    assert lists.every_id(session, aoi, "open", more=More(tier=("VIP", "ｖｉｐ")), most=9) == [of_hanako.id, of_taro.id]
    above, below = lists.neighbours(session, aoi, of_hanako.id, "open", order=order, more=More(tier=("VIP", "ｖｉｐ")))
    assert of_taro.id in (above, below)
    if engine.dialect.name == "sqlite":
        plan = explained(session, engine, lambda: found(tier="VIP"), of="person.tier IN ")
        assert "SCAN person" not in plan, plan
        assert "SCAN conversation" not in plan, plan
        assert (plan.count("ix_person_tier (tier=?)") > 1) == bool(few), plan
        assert ("ix_conversation_person (person_id=?)" in plan) == bool(few), plan
