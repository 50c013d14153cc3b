"""Working hours of people: who gets what outside of them, what goes back when a shift is over, who may set them."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import Engine

from inbox import calendars, clock, db, people, reasons, shifts, teams
from inbox.errors import Forbidden, NotFound, UserError
from inbox.models import Shift, User
from inbox.people import Viewer
from tests.inbox.cast import HOUR, MINUTE, NOW
from tests.inbox.routing_cast import a_body, a_manager, a_rule, a_team, agents, conversations_of, traces_of
from tests.inbox.test_rule_runs import Story, mail

EVERY_DAY = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
DAY_SHIFT = {key: ["9:00-17:00"] for key in EVERY_DAY}  # NOW is Friday, 12:00 in Tokyo
NIGHT_SHIFT = {key: ["17:00-24:00", "0:00-9:00"] for key in EVERY_DAY}


def works(who: Viewer, user_id: int, week: dict[str, list[str]] | None, *, holidays: bool = True) -> None:
    with db.transaction() as session:
        kind = "own" if week is not None else "mailbox"
        shifts.change(session, who, user_id, kind=kind, zone="Asia/Tokyo", week=week or {}, holidays=holidays, now=NOW)


def test_outside_their_hours_people_get_nothing_in_turn(engine: Engine) -> None:
    story = Story()
    mei, (aoi, ben, chie) = a_manager(), agents("Aoi", "Ben", "Chie")
    a_team(mei, [aoi, ben], mailboxes=[story.mailbox_id], fallback=chie)
    works(mei, aoi, NIGHT_SHIFT)
    works(mei, ben, DAY_SHIFT)
    for number in range(3):
        story.arrive(mail(f"{number}件目", f"{number}@example.jp"))
    assert {one.owner_id for one in conversations_of(story.mailbox_id)} == {ben}
    with db.reading() as session:
        conversation = conversations_of(story.mailbox_id)[0]
        told = reasons.why(session, mei, conversation.id)
    assigned = told.rulings[0].assigned
    assert assigned is not None
    against = {one.person_id: (one.why, one.values.get("until")) for one in assigned.considered}
    assert against[aoi] == ("off_shift", "2026-11-20T08:00:00+00:00")


def test_nobody_on_shift_whoever_stands_in_gets_it(engine: Engine) -> None:
    story = Story()
    mei, (aoi, ben, chie) = a_manager(), agents("Aoi", "Ben", "Chie")
    a_team(mei, [aoi, ben], mailboxes=[story.mailbox_id], fallback=chie)
    for one in (aoi, ben):
        works(mei, one, NIGHT_SHIFT)
    story.arrive(mail("一件目", "one@example.jp"))
    assert conversations_of(story.mailbox_id)[0].owner_id == chie


def test_sticky_asks_the_next_way_after_the_shift(engine: Engine) -> None:
    story = Story()
    mei, (aoi, ben) = a_manager(), agents("Aoi", "Ben")
    team = a_team(mei, [aoi, ben])
    a_rule(mei, a_body("Sticky", {"do": "assign", "try": [{"how": "sticky"}, {"how": "team", "team_id": team}]}))
    story.arrive(mail("一件目", "one@example.jp"))
    works(mei, aoi, NIGHT_SHIFT)
    story.arrive(mail("二件目", "one@example.jp"))
    assert [one.owner_id for one in conversations_of(story.mailbox_id)] == [aoi, ben]


def test_as_the_mailbox_says_follows_its_calendar(engine: Engine) -> None:
    story = Story()
    mei, (aoi, ben) = a_manager(), agents("Aoi", "Ben")
    a_team(mei, [aoi, ben], mailboxes=[story.mailbox_id])
    with db.transaction() as session:
        me = people.of(session, session.get_one(User, mei.id))
        body = {"zone": "Asia/Tokyo", "week": {"mon": ["9:00-17:00"]}}
        calendars.save(session, me, None, name="Team", body=body, is_default=True, mailbox_ids=[], now=NOW)
    works(mei, aoi, None)
    story.arrive(mail("一件目", "one@example.jp"))
    story.arrive(mail("二件目", "two@example.jp"))
    assert [one.owner_id for one in conversations_of(story.mailbox_id)] == [ben, ben]


def test_untouched_with_somebody_whose_shift_is_over_it_goes_to_who_is_there(engine: Engine) -> None:
    story = Story()
    mei, (aoi, ben) = a_manager(), agents("Aoi", "Ben")
    a_team(mei, [aoi, ben], hand_back=30, mailboxes=[story.mailbox_id])
    works(mei, aoi, {key: ["9:00-12:20", "13:00-17:00"] for key in EVERY_DAY})
    story.arrive(mail("一件目", "one@example.jp"))
    first = conversations_of(story.mailbox_id)[0]
    assert first.owner_id == aoi
    clock._hand_back(story.now + 40 * MINUTE)  # 12:40, a break
    assert conversations_of(story.mailbox_id)[0].owner_id == aoi
    clock._hand_back(story.now + 5 * HOUR - 2 * MINUTE)
    assert conversations_of(story.mailbox_id)[0].owner_id == aoi
    clock._hand_back(story.now + 5 * HOUR + MINUTE)
    assert conversations_of(story.mailbox_id)[0].owner_id == ben
    assert traces_of(first.id)[-1].happened == "handed_back"


def test_at_night_it_does_not_wander_between_people_who_sleep(engine: Engine) -> None:
    story = Story()
    mei, (aoi, ben) = a_manager(), agents("Aoi", "Ben")
    a_team(mei, [aoi, ben], hand_back=30, mailboxes=[story.mailbox_id])
    for one in (aoi, ben):
        works(mei, one, DAY_SHIFT)
    story.arrive(mail("一件目", "one@example.jp"))
    for hours in range(6, 20):
        clock._hand_back(story.now + timedelta(hours=hours))
    assert conversations_of(story.mailbox_id)[0].owner_id == aoi
    works(mei, ben, NIGHT_SHIFT)
    clock._hand_back(story.now + timedelta(hours=20))
    assert conversations_of(story.mailbox_id)[0].owner_id == ben


def test_who_may_set_hours_and_what_is_refused(engine: Engine) -> None:
    mei, (aoi, ben) = a_manager(), agents("Aoi", "Ben")
    with db.transaction() as session:
        me = people.of(session, session.get_one(User, aoi))
    works(me, aoi, DAY_SHIFT)
    with pytest.raises(Forbidden):
        works(me, ben, DAY_SHIFT)
    works(mei, ben, DAY_SHIFT, holidays=False)
    with pytest.raises(NotFound):
        works(mei, 9999, DAY_SHIFT)
    refusals = {
        "week.tue": {"tue": ["9:00-13:00", "12:00-17:00"]},
        "week.sat": {"sat": ["22:00-6:00"]},
        "week.mon": {"mon": ["nine"]},
        "week": {},
    }
    for field, week in refusals.items():
        with pytest.raises(UserError) as error:
            works(me, aoi, week)
        assert error.value.field == field
    with db.reading() as session:
        view = shifts.show(session, me, aoi, now=NOW)
        assert (view.kind, str(view.calendar.week[0][0]), view.holidays) == ("own", "09:00-17:00", True)
        assert [len(one.counted) for one in view.ahead] == [1] * 7
        with pytest.raises(Forbidden):
            shifts.show(session, me, ben, now=NOW)
        assert shifts.show(session, mei, ben, now=NOW).holidays is False


def test_at_any_hour_again_and_what_the_team_page_says_of_today(engine: Engine) -> None:
    mei, (aoi, ben) = a_manager(), agents("Aoi", "Ben")
    a_team(mei, [aoi, ben])
    works(mei, aoi, DAY_SHIFT)
    with db.reading() as session:
        members = {one.user_id: one.today for one in teams.page(session, mei, now=NOW)[0].members}
    assert members[ben] is None
    assert members[aoi] is not None
    assert ([str(one) for one in members[aoi].periods], members[aoi].zone) == (["09:00-17:00"], "Asia/Tokyo")
    with db.transaction() as session:
        shifts.change(session, mei, aoi, kind="any", zone="", week={}, holidays=True, now=NOW)
        assert session.get(Shift, aoi) is None
