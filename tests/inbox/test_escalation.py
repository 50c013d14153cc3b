"""What the clock does so that nothing is forgotten: steps told once, the morning digest, reminders, the proof."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from inbox import (
    calendars,
    clock,
    conversations,
    db,
    deadlines,
    digests,
    escalation,
    forgotten,
    kept_deadlines,
    triage,
)
from inbox.calendars import SUGGESTED
from inbox.errors import UserError
from inbox.models import Conversation, Digest, EscalationStep, Event, Folder, Outgoing, Team, TeamMember
from tests.inbox.cast import DAY, HOUR, MINUTE, a_conversation, a_mailbox, a_message, a_user, a_viewer

TOKYO = ZoneInfo("Asia/Tokyo")
FRIDAY = datetime(2026, 11, 20, 15, 0, tzinfo=TOKYO)


@pytest.fixture
def support(session: Session):
    return a_mailbox(session)


@pytest.fixture
def mei(session: Session, support):
    who = a_viewer(session, "Mei", support, role="manager")
    calendars.save(session, who, None, name="Team", body=SUGGESTED, is_default=True, mailbox_ids=(), now=FRIDAY)
    deadlines.save(session, who, None, body={"name": "Normal", "first_answer": 100}, enabled=True, now=FRIDAY)
    return who


def asked(session: Session, mailbox, **more) -> Conversation:
    made = a_conversation(session, mailbox, at=FRIDAY - MINUTE, **more)
    a_message(session, made, at=FRIDAY)
    return made


def steps(session: Session) -> list[tuple[int, list[int]]]:
    rows = session.execute(select(EscalationStep.percent, EscalationStep.told).order_by(EscalationStep.id))
    return [(percent, told) for percent, told in rows]


def test_owner_team_and_managers_are_told_at_their_step_and_only_once(session, support, mei) -> None:
    aoi, ben = a_user(session, "Aoi", support), a_user(session, "Ben", support)
    team = Team(name="Care", created_at=FRIDAY, members=[TeamMember(user_id=ben.id), TeamMember(user_id=aoi.id)])
    session.add(team)
    session.flush()
    made = asked(session, support, owner=aoi)
    conversations.give_to_team(session, made, team.id, now=FRIDAY, actor_id=None)
    seen = []
    for minutes in (49, 50, 51, 80, 99, 100, 101, 500):
        session.flush()
        seen.append(escalation.tell_due(session, now=FRIDAY + minutes * MINUTE))
    assert seen == [0, 1, 0, 1, 0, 1, 0, 0]
    assert steps(session) == [(50, [aoi.id]), (80, [aoi.id, ben.id]), (100, [aoi.id, ben.id, mei.id])]
    events = session.scalars(select(Event.about).where(Event.kind == "escalated").order_by(Event.id)).all()
    assert [one["percent"] for one in events] == [50, 80, 100]


def test_of_steps_that_were_passed_at_once_only_the_highest_is_told(session, support, mei) -> None:
    made = asked(session, support)
    assert escalation.tell_due(session, now=FRIDAY + 90 * MINUTE) == 1
    assert steps(session) == [(50, []), (80, [mei.id])], "nobody owns it, no team has it"
    assert session.scalars(select(Event.about).where(Event.kind == "escalated")).one()["percent"] == 80
    assert made.next_step_at == FRIDAY + 100 * MINUTE


def test_what_is_answered_or_late_to_arrive(session, support, mei) -> None:
    made = asked(session, support)
    conversations.answered(session, made, status="waiting", at=FRIDAY + MINUTE)
    assert escalation.tell_due(session, now=FRIDAY + 2 * HOUR) == 0
    late = a_conversation(session, support, at=FRIDAY)
    a_message(session, late, at=FRIDAY)
    kept_deadlines.keep(session, late, now=FRIDAY + 3 * HOUR)  # it was fetched three hours late
    assert late.next_step_at == FRIDAY + 50 * MINUTE
    assert escalation.tell_due(session, now=FRIDAY + 3 * HOUR) == 1
    assert steps(session) == [(50, []), (80, []), (100, [mei.id])]


def test_a_mailbox_without_a_manager_has_its_administrators(session, support) -> None:
    rin = a_viewer(session, "Rin", role="admin")
    rin = a_viewer(session, "Ran", role="admin") if not rin.mailbox_ids else rin
    deadlines.save(session, rin, None, body={"name": "N", "first_answer": 10}, enabled=True, now=FRIDAY)
    asked(session, support)
    escalation.tell_due(session, now=FRIDAY + HOUR)
    assert rin.id in steps(session)[-1][1]


def test_a_clock_that_is_killed_tells_every_step_once(engine) -> None:
    with db.transaction() as session:
        mailbox = a_mailbox(session)
        who = a_viewer(session, "Mei", mailbox, role="manager")
        deadlines.save(session, who, None, body={"name": "N", "first_answer": 100}, enabled=True, now=FRIDAY)
        for _ in range(5):
            asked(session, mailbox)

    class Killed(Exception):
        pass

    def killed() -> None:
        with db.transaction() as session:
            escalation.tell_due(session, now=FRIDAY + 2 * HOUR)
            raise Killed

    with pytest.raises(Killed):
        killed()
    for _restart in range(3):
        clock._deadlines(FRIDAY + 2 * HOUR)
    with db.reading() as session:
        rows = session.execute(select(EscalationStep.conversation_id, EscalationStep.percent)).all()
        told = session.scalars(select(Event.id).where(Event.kind == "escalated")).all()
    assert len(rows) == len(set(rows)) == 15
    assert len(told) == 5


def test_a_changed_policy_is_worked_in_by_the_clock(engine) -> None:
    with db.transaction() as session:
        mailbox = a_mailbox(session)
        who = a_viewer(session, "Mei", mailbox, role="manager")
        made = asked(session, mailbox).id
        deadlines.save(session, who, None, body={"name": "N", "first_answer": 100}, enabled=True, now=FRIDAY)
    clock._deadlines(FRIDAY + HOUR)
    with db.reading() as session:
        assert session.get_one(Conversation, made).due_at == FRIDAY + 100 * MINUTE


# -- the morning digest

MORNING = datetime(2026, 11, 24, 8, 10, tzinfo=TOKYO)  # Tuesday; Monday was a holiday


def mails(session: Session) -> list[Outgoing]:
    return list(session.scalars(select(Outgoing).where(Outgoing.kind == "notice").order_by(Outgoing.id)))


def test_the_digest_comes_once_on_a_working_morning_and_only_with_news(session, support, mei) -> None:
    asked(session, support)
    session.flush()
    assert digests.due(session, now=MORNING - HOUR) == []
    assert digests.due(session, now=MORNING) == [mei.id]
    assert digests.send(session, mei.id, now=MORNING)
    assert not digests.send(session, mei.id, now=MORNING + MINUTE)
    assert digests.due(session, now=MORNING + HOUR) == []
    (mail,) = mails(session)
    assert (mail.subject, mail.recipients[0]["address"]) == ("返信遅れ 1件、本日期限 0件", "mei@shop.example")
    assert not digests.send(session, mei.id, now=MORNING + 4 * DAY), "Saturday"
    for made in session.scalars(select(Conversation)):
        conversations.set_status(session, made, "closed", now=MORNING, actor_id=None)
    assert not digests.send(session, mei.id, now=MORNING + DAY), "nothing to tell"
    assert digests.due(session, now=MORNING + DAY + MINUTE) == [], "and it is not looked for again that day"
    assert len(mails(session)) == 1


def test_everybody_chooses_the_hour_or_none(session, support, mei) -> None:
    assert digests.hour_of(session, mei) == digests.USUAL_HOUR
    digests.choose(session, mei, 10, now=MORNING)
    assert digests.due(session, now=MORNING) == []
    assert digests.due(session, now=MORNING + 2 * HOUR) == [mei.id]
    digests.choose(session, mei, None, now=MORNING)
    assert digests.due(session, now=MORNING + 2 * HOUR) == []
    with pytest.raises(UserError):
        digests.choose(session, mei, 24, now=MORNING)
    assert session.get_one(Digest, mei.id).hour is None


def test_a_digest_that_cannot_leave_is_tried_again(session, support, mei) -> None:
    asked(session, support)
    support.sending_paused = True
    session.flush()
    assert not digests.send(session, mei.id, now=MORNING)
    support.sending_paused = False
    session.flush()
    assert digests.due(session, now=MORNING + HOUR) == [mei.id]
    assert digests.send(session, mei.id, now=MORNING + HOUR)


def test_two_clocks_send_one_digest(engine) -> None:
    with db.transaction() as session:
        mailbox = a_mailbox(session)
        who = a_viewer(session, "Mei", mailbox, role="manager")
        deadlines.save(session, who, None, body={"name": "N", "first_answer": 100}, enabled=True, now=FRIDAY)
        asked(session, mailbox)
    for _ in range(3):
        clock._send_digests(MORNING)
    with db.reading() as session:
        assert len(mails(session)) == 1


# -- snooze, and the nightly proof


def test_a_snooze_ends_when_the_customer_writes_and_a_reminder_comes_in_any_case(session, support, mei) -> None:
    plain, sure = asked(session, support), asked(session, support)
    until = FRIDAY + DAY
    triage.snooze(session, mei, plain.id, until=until, now=FRIDAY)
    triage.snooze(session, mei, sure.id, until=until, in_any_case=True, now=FRIDAY)
    for one in (plain, sure):
        a_message(session, one, at=FRIDAY + HOUR)
        assert (one.status, one.snoozed_until) == ("open", None)
        conversations.set_status(session, one, "closed", now=FRIDAY + 2 * HOUR, actor_id=None)
    session.flush()
    assert conversations.wake_due(session, now=until) == 1
    assert (plain.status, sure.status, sure.remind_at) == ("closed", "open", None)
    kinds = session.scalars(select(Event.kind).where(Event.conversation_id == sure.id).order_by(Event.id)).all()
    assert kinds[-1] == "reminded"
    triage.snooze(session, mei, plain.id, until=until + DAY, in_any_case=True, now=until)
    session.flush()
    assert conversations.wake_due(session, now=until + DAY) == 1, "woken once, not reminded again"
    assert (plain.status, plain.remind_at) == ("open", None)


@pytest.mark.parametrize("status", ["waiting", "snoozed", "closed"])
def test_a_conversation_that_a_customer_answers_always_comes_back(session, support, mei, status) -> None:
    made = asked(session, support)
    conversations.answered(session, made, status="waiting", at=FRIDAY + MINUTE)
    until = FRIDAY + DAY if status == "snoozed" else None
    conversations.set_status(session, made, status, now=FRIDAY + 2 * MINUTE, actor_id=None, until=until)
    a_message(session, made, at=FRIDAY + HOUR)
    assert (made.status, made.waiting_since) == ("open", FRIDAY + HOUR)
    assert made.due_at is None, "this policy promises no next answer"


def proof(session: Session, now: datetime) -> dict[str, tuple[int, ...]]:
    session.flush()
    wrong, after = forgotten.mend(session, after=0, now=now)
    assert after is None
    forgotten.prove(session, wrong_deadlines=wrong, now=now)
    found = forgotten.last(session)
    assert found is not None
    assert found.at == now
    return {one.code: one.ids for one in found.findings}


def test_the_proof_finds_what_nobody_would_see_and_mends_deadlines(session, support, mei) -> None:
    aoi, gone, outsider = a_user(session, "Aoi", support), a_user(session, "Gone", support), a_user(session, "Cho")
    asked(session, support)
    asked(session, support, owner=aoi)
    assert forgotten.last(session) is None
    assert not kept_deadlines.go_on_anew(session, now=FRIDAY)
    assert proof(session, FRIDAY) == {}
    left, strange, lost, asleep, wrong = (asked(session, support) for _ in range(5))
    conversations.assign(session, left, gone.id, now=FRIDAY, actor_id=None)
    conversations.assign(session, strange, outsider.id, now=FRIDAY, actor_id=None)
    gone.active = False
    conversations.set_status(session, lost, "waiting", now=FRIDAY, actor_id=None)
    conversations.set_status(session, asleep, "snoozed", now=FRIDAY, actor_id=None, until=FRIDAY + MINUTE)
    wrong.due_at = None
    found = proof(session, FRIDAY + HOUR)
    assert found == {
        "asleep": (asleep.id,),
        "waits_unowned": (lost.id,),
        "owner_gone": (left.id, strange.id),
        "no_deadline": (wrong.id,),
    }
    assert wrong.due_at == FRIDAY + 100 * MINUTE
    assert "no_deadline" not in proof(session, FRIDAY + HOUR)


def test_the_first_proof_waits_for_mail(engine) -> None:
    clock._prove_nightly(FRIDAY)
    with db.reading() as session:
        assert forgotten.last(session) is None
    with db.transaction() as session:
        made = asked(session, a_mailbox(session))
        inbox = Folder(mailbox_id=made.mailbox_id, name="INBOX", import_started_at=FRIDAY)
        session.add(inbox)
    clock._prove_nightly(FRIDAY + MINUTE)
    with db.transaction() as session:
        assert forgotten.last(session) is None
        session.merge(inbox).import_finished_at = FRIDAY + MINUTE
    clock._prove_nightly(FRIDAY + 2 * MINUTE)
    with db.reading() as session:
        found = forgotten.last(session)
    assert found is not None
    assert (found.at, found.open) == (FRIDAY + 2 * MINUTE, 1)


def test_the_clock_proves_it_once_a_night(engine) -> None:
    with db.transaction() as session:
        made = asked(session, a_mailbox(session))
        conversations.set_status(session, made, "waiting", now=FRIDAY, actor_id=None)
    night = datetime(2026, 11, 20, 18, 5, tzinfo=UTC)
    clock._prove_nightly(night)
    clock._prove_nightly(night + timedelta(minutes=10))
    with db.reading() as session:
        found = forgotten.last(session)
    assert found is not None
    assert (found.at, found.open, [one.code for one in found.findings]) == (night, 1, ["waits_unowned"])
