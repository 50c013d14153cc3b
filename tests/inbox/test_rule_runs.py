"""Rules at work on mail that comes in: owner, team, tags, status, priority; traces; what fails; time."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import Engine, select, text, update

from inbox import clock, conversations, db, drafts, people, presence, profiles, rule_runs, rules, teams, triage
from inbox.models import DeadlinePolicy, Notification, Person, RuleVersion, User
from tests.inbox.cast import HOUR, MINUTE, NOW
from tests.inbox.intake.story import Story, a_mail
from tests.inbox.routing_cast import (
    a_body,
    a_manager,
    a_rule,
    a_team,
    agents,
    contains,
    conversations_of,
    events_of,
    the_rule,
    traces_of,
)
from tests.servers import wait_until


def mail(subject: str, sender: str = "taro@example.jp", **more: object) -> bytes:
    return a_mail(f"{subject}について", sender=("山田 太郎", sender), subject=subject, **more)  # type: ignore[arg-type]


def test_a_rule_gives_mail_to_a_person_and_the_history_names_it(engine: Engine) -> None:
    story = Story()
    mei, (aoi,) = a_manager(), agents("Aoi")
    rule_id = a_rule(
        mei,
        a_body("請求", {"do": "assign", "try": [{"how": "fixed", "person_id": aoi}]}, when=contains("subject", "請求")),
    )
    story.arrives(mail("ご請求の件"), mail("届きません", "hana@example.jp"))

    billing, other = conversations_of(story.mailbox_id)
    assert (billing.owner_id, other.owner_id) == (aoi, None)
    (assigned,) = events_of(billing.id, "assigned")
    assert (assigned.about["rule"], assigned.about["rule_name"], assigned.actor_id) == (rule_id, "請求", None)
    (trace,) = traces_of(billing.id)
    assert trace.trace == [{"rule": rule_id, "version": 1, "how": "matched", "why": [["", True, "ご請求の件", "請求"]]}]
    assert trace.assignment is not None
    assert (trace.assignment["owner"], trace.assignment["reason"]) == (aoi, "fixed")
    (not_matched,) = traces_of(other.id)
    assert not_matched.trace[0]["how"] == "not_matched"
    assert (the_rule(rule_id).hits, the_rule(rule_id).last_hit_at) == (1, story.now)


def test_every_action_is_carried_out_and_written_down(engine: Engine) -> None:
    story = Story()
    mei, (aoi, ben) = a_manager(), agents("Aoi", "Ben")
    with db.transaction() as session:
        tag = conversations.tag_named(session, "VIP").id
    team = a_team(mei, [aoi, ben])
    a_rule(
        mei,
        a_body(
            "All",
            {"do": "team", "team_id": team},
            {"do": "add_tag", "tag_id": tag},
            {"do": "priority", "priority": "high"},
            {"do": "notify", "people": [ben], "teams": [], "owner": True},
            {"do": "status", "status": "waiting"},
        ),
    )
    story.arrive(mail("こんにちは"))
    with db.reading() as session:
        told = session.scalars(select(Notification.user_id).where(Notification.kind == "rule"))
        assert sorted(told) == sorted([aoi, ben])
    (found,) = conversations_of(story.mailbox_id)
    assert (found.team_id, found.priority, found.status, found.owner_id) == (team, "high", "waiting", aoi)
    assert [one.about.get("tag") for one in events_of(found.id, "tagged")] == ["VIP"]
    assert all(one.about["rule_name"] == "All" for one in events_of(found.id, "team", "tagged", "priority", "status"))


def test_spam_and_mail_of_a_first_import_are_left_alone(engine: Engine) -> None:
    story = Story()
    mei, (aoi,) = a_manager(), agents("Aoi")
    a_rule(mei, a_body("Spam", {"do": "spam"}, when=contains("subject", "casino"), stop=True))
    a_rule(mei, a_body("All", {"do": "assign", "try": [{"how": "fixed", "person_id": aoi}]}))
    story.arrive(mail("casino"))
    story.arrive(mail("old", "old@example.jp"), silent=True)
    spam, old = conversations_of(story.mailbox_id)
    assert (spam.status, spam.owner_id) == ("spam", None)
    assert (old.owner_id, traces_of(old.id)) == (None, [])


def test_several_mails_of_one_conversation_in_one_batch_are_asked_one_after_the_other(engine: Engine) -> None:
    story = Story()
    mei, both = a_manager(), agents("Aoi", "Ben")
    team = a_team(mei, both)
    a_rule(mei, a_body("Turns", {"do": "assign", "try": [{"how": "team", "team_id": team}]}))
    first = mail("一件目", mail_id="<1@example.jp>")
    story.arrives(
        first, a_mail("続きです。", subject="Re: 一件目", answers="<1@example.jp>"), mail("二件目", "hana@example.jp")
    )
    one, other = conversations_of(story.mailbox_id)
    assert [one.owner_id, other.owner_id] == both
    assert [trace.assignment["reason"] for trace in traces_of(one.id) if trace.assignment] == ["round_robin", "kept"]


def test_an_action_that_fails_costs_the_rule_and_never_the_mail(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    story = Story()
    mei, (aoi,) = a_manager(), agents("Aoi")
    broken = a_rule(
        mei, a_body("Broken", {"do": "priority", "priority": "high"}, {"do": "status", "status": "waiting"})
    )
    a_rule(mei, a_body("All", {"do": "assign", "try": [{"how": "fixed", "person_id": aoi}]}))

    def fails(*_args: object, **_more: object) -> None:
        raise RuntimeError("the disk of rules is full")

    monkeypatch.setattr(rule_runs.conversations, "set_status", fails)
    story.arrives(mail("一件目"), mail("二件目", "hana@example.jp"))
    found = conversations_of(story.mailbox_id)
    assert [(one.owner_id, one.priority, one.status) for one in found] == [(aoi, "normal", "open")] * 2
    (trace,) = traces_of(found[0].id)
    assert [one["how"] for one in trace.trace] == ["failed", "matched"]
    assert "the disk of rules is full" in trace.trace[0]["params"]["error"]
    assert (the_rule(broken).failures, the_rule(broken).hits) == (2, 0)
    with db.reading() as session:
        assert rules.alarms(session) == ("Broken",)


def test_a_rule_that_names_somebody_who_left_is_told_and_skipped(engine: Engine) -> None:
    story = Story()
    mei, (aoi, ben) = a_manager(), agents("Aoi", "Ben")
    gone = a_rule(mei, a_body("Gone", {"do": "assign", "try": [{"how": "fixed", "person_id": aoi}]}))
    a_rule(mei, a_body("All", {"do": "assign", "try": [{"how": "fixed", "person_id": ben}]}))
    with db.transaction() as session:
        session.get_one(User, aoi).active = False
    story.arrive(mail("一件目"))
    (found,) = conversations_of(story.mailbox_id)
    assert found.owner_id == ben
    assert traces_of(found.id)[0].trace[0]["error"] == "The person with number %(id)s no longer exists."
    assert the_rule(gone).failures == 1
    with db.reading() as session:
        assert rules.page(session, mei)[0].wrong[0].field == "actions.0.try.0.person_id"


def test_a_change_of_status_sets_rules_off_and_rules_that_feed_each_other_come_to_rest(engine: Engine) -> None:
    story = Story()
    mei = a_manager()
    a_rule(mei, a_body("Open", {"do": "status", "status": "open"}, on={"on": "status_changed", "to": ["closed"]}))
    a_rule(mei, a_body("Close", {"do": "status", "status": "closed"}, on={"on": "status_changed", "to": ["open"]}))
    story.arrive(mail("一件目"))
    (found,) = conversations_of(story.mailbox_id)
    assert traces_of(found.id) == []
    with db.transaction() as session:
        triage.close(session, mei, found.id, now=story.now)
    traces = traces_of(found.id)
    assert sum(one.done for one in traces) == 10
    assert traces[-1].capped
    assert [one.capped for one in traces[:-1]] == [False] * 10
    with db.transaction() as session:  # many at once write together
        assert (
            triage.many(session, mei, [found.id], "close" if found.status == "open" else "reopen", now=story.now) == 1
        )


def test_an_unanswered_mail_sets_a_rule_off_once_when_its_minutes_have_passed(engine: Engine) -> None:
    story = Story()
    mei = a_manager()
    rule = a_rule(mei, a_body("Late", {"do": "priority", "priority": "urgent"}, on={"on": "unanswered", "minutes": 60}))
    story.arrive(mail("一件目"))
    (found,) = conversations_of(story.mailbox_id)
    assert found.waiting_since is not None
    with db.transaction() as session:
        assert rule_runs.unanswered(session, now=found.waiting_since + 59 * MINUTE) == 0
        assert rule_runs.unanswered(session, now=found.waiting_since + 60 * MINUTE) == 1
        assert rule_runs.unanswered(session, now=found.waiting_since + 61 * MINUTE) == 0
    assert conversations_of(story.mailbox_id)[0].priority == "urgent"
    assert the_rule(rule).hits == 1


def test_a_rule_by_the_clock_runs_once_for_each_planned_moment(engine: Engine) -> None:
    story = Story()
    mei = a_manager()
    at = {"on": "schedule", "weekdays": [1, 2, 3, 4, 5, 6, 7], "at": "12:30"}  # 03:30 UTC
    a_rule(mei, a_body("Noon", {"do": "priority", "priority": "high"}, on=at), now=story.now)
    story.arrive(mail("一件目"))
    clock._run_rules(story.now + 10 * MINUTE)
    assert conversations_of(story.mailbox_id)[0].priority == "normal"
    clock._run_rules(story.now + 40 * MINUTE)
    assert conversations_of(story.mailbox_id)[0].priority == "high"
    with db.transaction() as session:
        assert rule_runs.due_by_the_clock(session, now=story.now + HOUR) == frozenset()
        assert len(rule_runs.due_by_the_clock(session, now=story.now + timedelta(days=1, hours=1))) == 1


def test_a_daily_reminder_goes_on_for_weeks(engine: Engine) -> None:
    story = Story()
    mei = a_manager()
    daily = {"on": "schedule", "weekdays": [1, 2, 3, 4, 5, 6, 7], "at": "12:30"}
    a_rule(mei, a_body("Reminds", {"do": "notify", "people": [mei.id]}, on=daily), now=story.now)
    story.arrive(mail("一件目"))
    for day in range(14):
        clock._run_rules(story.now + timedelta(days=day, minutes=40))
    with db.reading() as session:
        told = session.scalars(select(Notification).where(Notification.kind == "rule")).all()
    assert len(told) == 14


@pytest.mark.parametrize("on", ["schedule", "unanswered"])
def test_two_clocks_at_one_moment_ask_a_rule_once(engine: Engine, on: str) -> None:
    story = Story()
    mei = a_manager()
    trigger = {
        "schedule": {"on": "schedule", "weekdays": [1, 2, 3, 4, 5, 6, 7], "at": "12:30"},
        "unanswered": {"on": "unanswered", "minutes": 30},
    }[on]
    rule = a_rule(mei, a_body("Tells", {"do": "notify", "people": [mei.id]}, on=trigger), now=story.now)
    story.arrive(mail("一件目"))
    noon = story.now + 40 * MINUTE
    waiting = text("SELECT count(*) FROM pg_locks WHERE NOT granted")
    with ThreadPoolExecutor(1) as aside:
        with engine.connect() as watching, db.transaction() as session:
            if on == "schedule":
                assert rule_runs.due_by_the_clock(session, now=noon)
            else:
                assert rule_runs.unanswered(session, now=noon) == 1
            other = aside.submit(clock._run_rules, noon)
            if not db.is_sqlite(session):
                wait_until(lambda: other.done() or watching.scalar(waiting), what="the second clock waits")
        other.result(30)
    clock._run_rules(noon)
    assert the_rule(rule).hits == 1


def test_what_waits_for_the_first_to_open_it_becomes_theirs(engine: Engine) -> None:
    story = Story()
    mei, (aoi, ben) = a_manager(), agents("Aoi", "Ben")
    team = a_team(mei, [aoi, ben], way="on_open", mailboxes=[story.mailbox_id])
    story.arrive(mail("一件目"))
    (found,) = conversations_of(story.mailbox_id)
    assert (found.owner_id, found.team_id, found.for_opener) == (None, team, True)
    with db.transaction() as session:
        presence.look(session, mei, found.id, now=story.now)  # not one of the team
    assert conversations_of(story.mailbox_id)[0].owner_id is None
    for opener in (ben, aoi):
        with db.transaction() as session:
            who = people.of(session, session.get_one(User, opener))
            presence.look(session, who, found.id, now=story.now)
    (found,) = conversations_of(story.mailbox_id)
    assert (found.owner_id, found.for_opener) == (ben, False)


def test_a_team_of_a_mailbox_gets_what_no_rule_gives_to_anybody(engine: Engine) -> None:
    story = Story()
    mei, (aoi, ben) = a_manager(), agents("Aoi", "Ben")
    a_team(mei, [aoi], mailboxes=[story.mailbox_id])
    a_rule(
        mei,
        a_body("VIP", {"do": "assign", "try": [{"how": "fixed", "person_id": ben}]}, when=contains("subject", "VIP")),
    )
    story.arrives(mail("VIP"), mail("ほか", "hana@example.jp"))
    assert [one.owner_id for one in conversations_of(story.mailbox_id)] == [ben, aoi]


def test_the_companys_owner_is_asked_for_wherever_among_the_ways_that_stands(engine: Engine) -> None:
    """First the customer's own last owner, then a team of which nobody is there, then whoever cared for colleagues."""
    story = Story()
    mei, (aoi, ben) = a_manager(), agents("Aoi", "Ben")
    team = a_team(mei, [ben])
    with db.transaction() as session:
        teams.be_absent(session, mei, ben, starts_at=NOW, ends_at=None, now=NOW)
    story.arrive(mail("一件目"))
    (first,) = conversations_of(story.mailbox_id)
    with db.transaction() as session:
        triage.assign(session, mei, first.id, aoi, now=story.now)
    story.arrive(mail("二件目", "hana@example.jp"))
    with db.transaction() as session:
        session.execute(update(Person).values(company="山田商店"))
    ways = [{"how": "sticky"}, {"how": "team", "team_id": team}, {"how": "sticky", "company": True}]
    a_rule(mei, a_body("Company", {"do": "assign", "try": ways}))
    story.arrive(mail("三件目", "hana@example.jp"))
    found = conversations_of(story.mailbox_id)[-1]
    assert found.owner_id == aoi
    trace = traces_of(found.id)[-1].assignment
    assert trace is not None
    assert trace["reason"] == "sticky_company"


def test_what_a_rule_by_the_clock_began_is_gone_on_with_after_a_crash(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each batch is a transaction, and the place is kept with it: none is left out and none is asked twice."""
    monkeypatch.setattr(rule_runs, "AT_ONCE", 2)
    story = Story()
    mei = a_manager()
    at = {"on": "schedule", "weekdays": [1, 2, 3, 4, 5, 6, 7], "at": "12:30"}  # 03:30 UTC
    rule = a_rule(mei, a_body("Noon", {"do": "priority", "priority": "high"}, on=at), now=story.now)
    story.arrives(*(mail(f"{number}件目", f"c{number}@example.jp") for number in range(5)))
    noon = story.now + 40 * MINUTE
    with db.transaction() as session:
        assert rule_runs.due_by_the_clock(session, now=noon)
    with db.transaction() as session:
        assert rule_runs.by_the_clock(session, now=noon)
    assert [one.priority for one in conversations_of(story.mailbox_id)].count("high") == 2
    with pytest.raises(RuntimeError), db.transaction() as session:
        rule_runs.by_the_clock(session, now=noon)
        raise RuntimeError  # the clock process ends here
    clock._run_rules(noon + MINUTE)
    assert {one.priority for one in conversations_of(story.mailbox_id)} == {"high"}
    assert the_rule(rule).hits == 5
    clock._run_rules(noon + 2 * MINUTE)
    assert the_rule(rule).hits == 5


def test_a_planned_moment_that_comes_while_the_one_before_is_not_done_yet_comes_after_it(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rule_runs, "AT_ONCE", 1)
    story = Story()
    mei = a_manager()
    made = [
        a_rule(
            mei,
            a_body(
                name,
                {"do": "notify", "owner": True},
                on={"on": "schedule", "weekdays": [1, 2, 3, 4, 5, 6, 7], "at": at},
            ),
            now=story.now,
        )
        for name, at in (("Noon", "12:30"), ("A minute later", "12:31"))
    ]
    story.arrives(mail("一件目"), mail("二件目", "hana@example.jp"))
    with db.transaction() as session:
        assert rule_runs.due_by_the_clock(session, now=NOW + 30 * MINUTE) == frozenset(made[:1])
    clock._run_rules(NOW + 31 * MINUTE)
    clock._run_rules(NOW + 31 * MINUTE)
    assert [the_rule(one).hits for one in made] == [2, 2]


def test_sticky_and_fallback(engine: Engine) -> None:
    story = Story()
    mei, (aoi, ben, chie) = a_manager(), agents("Aoi", "Ben", "Chie")
    team = a_team(mei, [aoi, ben], fallback=chie)
    sticky = [{"how": "sticky"}, {"how": "team", "team_id": team}]
    a_rule(mei, a_body("Sticky", {"do": "assign", "try": sticky}))
    story.arrive(mail("一件目", "one@example.jp"))
    story.arrive(mail("二件目", "two@example.jp"))
    story.arrive(mail("三件目", "two@example.jp"))
    assert [one.owner_id for one in conversations_of(story.mailbox_id)] == [aoi, ben, ben]
    with db.transaction() as session:
        for one in (aoi, ben):
            teams.be_absent(session, mei, one, starts_at=story.now, ends_at=None, now=story.now)
    story.arrive(mail("四件目", "new@example.jp"))
    assert conversations_of(story.mailbox_id)[-1].owner_id == chie


def test_untouched_with_somebody_who_is_away_it_is_offered_again(engine: Engine) -> None:
    story = Story()
    mei, (aoi, ben) = a_manager(), agents("Aoi", "Ben")
    a_team(mei, [aoi, ben], hand_back=30, mailboxes=[story.mailbox_id])
    story.arrives(
        mail("一件目", "one@example.jp"), mail("二件目", "two@example.jp"), mail("三件目", "three@example.jp")
    )
    first, second, third = conversations_of(story.mailbox_id)
    assert [first.owner_id, second.owner_id, third.owner_id] == [aoi, ben, aoi]
    with db.transaction() as session:
        me = people.of(session, session.get_one(User, aoi))
        presence.look(session, me, first.id, now=story.now)  # reading alone is no work
        draft = drafts.start(session, me, "reply", conversation_id=third.id, now=story.now)
        drafts.save(session, me, draft.id, rev=draft.rev, fields={"text": "承知しました"}, now=story.now)
        teams.be_absent(session, me, aoi, starts_at=story.now, ends_at=None, now=story.now)
    clock._hand_back(story.now + 29 * MINUTE)
    assert conversations_of(story.mailbox_id)[0].owner_id == aoi
    clock._hand_back(story.now + 31 * MINUTE)
    assert [one.owner_id for one in conversations_of(story.mailbox_id)] == [ben, ben, aoi]
    assert traces_of(first.id)[-1].happened == "handed_back"
    assert events_of(first.id, "assigned")[-1].about["handed_back"] is True


def test_versions_are_kept_and_one_can_go_back(engine: Engine) -> None:
    story = Story()
    mei = a_manager()
    rule = a_rule(mei, a_body("Old", {"do": "priority", "priority": "high"}))
    with db.transaction() as session:
        assert (
            rules.change(
                session, mei, rule, a_body("New", {"do": "priority", "priority": "low"}), seen_version=1, now=story.now
            )
            == 2
        )
        with pytest.raises(rules.Conflict):
            rules.change(session, mei, rule, a_body("Mine", {"do": "spam"}), seen_version=1, now=story.now)
        assert rules.go_back(session, mei, rule, 1, now=story.now) == 3
        assert [(one.version, one.body["name"]) for one in rules.versions(session, mei, rule)] == [
            (3, "Old"),
            (2, "New"),
            (1, "Old"),
        ]
        assert session.get_one(RuleVersion, (rule, 3)).user_id == mei.id


def test_a_rule_moves_mail_to_another_mailbox_and_its_team_takes_it_there(engine: Engine) -> None:
    story, sales = Story("Support"), Story("Sales")
    mei, (aoi, ben) = a_manager(), agents("Aoi", "Ben")
    a_team(mei, [aoi], mailboxes=[story.mailbox_id])
    by_hand = {"do": "assign", "try": [{"how": "fixed", "person_id": ben}]}
    move = {"do": "move", "mailbox_id": sales.mailbox_id}
    a_rule(mei, a_body("To sales", move, by_hand, when=contains("subject", "見積")))
    story.arrives(mail("見積もりのお願い"), mail("届きません", "hana@example.jp"))
    assert [one.owner_id for one in conversations_of(story.mailbox_id)] == [aoi]
    (moved,) = conversations_of(sales.mailbox_id)
    assert moved.owner_id == ben
    assert events_of(moved.id, "moved")[0].about["rule_name"] == "To sales"
    story.arrive(mail("続きの見積", "taro@example.jp"))  # another matter of the same customer
    assert len(conversations_of(sales.mailbox_id)) == 2


def test_a_rule_chooses_the_deadline_policy(engine: Engine) -> None:
    story = Story()
    mei = a_manager()
    with db.transaction() as session:
        for position, minutes in enumerate((60, 600)):
            session.add(DeadlinePolicy(position=position, body={"name": f"P{minutes}", "first_answer": minutes}))
        session.flush()
        slow = session.scalars(select(DeadlinePolicy.id).order_by(DeadlinePolicy.position.desc())).first()
    a_rule(mei, a_body("Slow", {"do": "deadline_policy", "policy_id": slow}, when=contains("subject", "急がない")))
    story.arrives(mail("急がない件"), mail("急ぐ件", "hana@example.jp"))
    calm, hasty = conversations_of(story.mailbox_id)
    assert calm.waiting_since is not None
    assert hasty.waiting_since is not None
    assert (calm.policy_id, calm.due_at) == (slow, calm.waiting_since + 600 * MINUTE)
    assert (hasty.policy_id, hasty.due_at) == (None, hasty.waiting_since + 60 * MINUTE)
    assert events_of(calm.id, "deadline_policy")[0].about["rule_name"] == "Slow"


def test_a_rule_may_ask_for_the_customers_tier_and_phase(engine: Engine) -> None:
    story = Story()
    mei = a_manager()
    urgent = {"do": "priority", "priority": "urgent"}
    vip = {"field": "customer_tier", "operator": "equals", "values": ["vip"]}
    new = {"field": "customer_phase", "operator": "starts", "values": ["導入"]}
    rule = a_rule(mei, a_body("VIP", urgent, when={"all": [vip, new]}))
    story.arrives(mail("一通目"), mail("二通目", "hana@example.jp"))
    first, other = conversations_of(story.mailbox_id)
    assert (first.priority, other.priority) == ("normal", "normal")
    with db.transaction() as session:
        known = {"name": "", "company": "", "note": "", "now": story.now}
        profiles.change(session, mei, first.id, tier="ＶＩＰ", phase="導入中", **known)
        profiles.change(session, mei, other.id, tier="VIP", phase="", **known)
    story.arrives(mail("三通目"), mail("四通目", "hana@example.jp"))
    third, fourth = conversations_of(story.mailbox_id)[2:]
    assert (third.priority, fourth.priority) == ("urgent", "normal")
    (matched,), (missed,) = traces_of(third.id)[0].trace, traces_of(fourth.id)[0].trace
    assert matched["why"] == [["all.0", True, "ＶＩＰ", "vip"], ["all.1", True, "導入中", "導入"]]
    assert missed["why"] == [["all.1", False, "", None]]
    with db.reading() as session:
        assert set(rules.choices(session, mei).tiers) == {"VIP", "ＶＩＰ"}
        assert rules.dry_run(session, mei, rule, now=story.now).count == 2, "it knows the customers as they are today"
