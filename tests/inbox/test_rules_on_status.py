"""Rules on a change of status: whoever changes it, they are asked once, in the same transaction."""

from __future__ import annotations

import grimp
import pytest
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from inbox import bulk, clock, conversations, db, joins, replies, triage
from inbox.models import Conversation, Outgoing
from inbox.outbox import settling
from inbox.people import Viewer
from tests.inbox.cast import MINUTE, NOW
from tests.inbox.intake.story import Story, a_mail
from tests.inbox.routing_cast import a_body, a_manager, a_rule, conversations_of, events_of, the_rule, traces_of
from tests.inbox.test_approvals import Office, asked, decided, office
from tests.inbox.test_replies import LATER, Desk, desk, sent, written

__all__ = ["desk", "office"]

CLOSED = {"on": "status_changed", "to": ["closed"]}
OPEN = {"on": "status_changed", "to": ["open"]}


def marks(who: Viewer, on: dict[str, object], name: str = "Marks") -> int:
    return a_rule(who, a_body(name, {"do": "priority", "priority": "urgent"}, on=on))


def hits_of(rule_id: int) -> int:
    return the_rule(rule_id).hits


@pytest.mark.parametrize("status", ["closed", "waiting"])
def test_the_status_after_an_answer_sets_rules_off(session: Session, desk: Desk, status: str) -> None:
    session.commit()
    rule = marks(a_manager(), {"on": "status_changed", "to": [status]})
    sent(session, desk, written(session, desk.aoi, desk.conversation), status=status)
    session.commit()
    assert (hits_of(rule), conversations_of(desk.mailbox.id)[0].priority) == (1, "urgent")
    (trace,) = traces_of(desk.conversation.id)
    assert (trace.happened, trace.done, trace.at) == ("status_changed", 1, LATER)


def test_an_undone_answer_opens_it_again_for_rules_too(session: Session, desk: Desk) -> None:
    session.commit()
    rule = marks(a_manager(), OPEN)
    outgoing_id = sent(session, desk, written(session, desk.aoi, desk.conversation), status="closed").outgoing_id
    session.commit()
    assert hits_of(rule) == 0
    replies.undo(session, desk.aoi, outgoing_id, now=LATER)
    session.commit()
    assert hits_of(rule) == 1


def test_a_release_by_the_approver_sets_rules_off(session: Session, office: Office) -> None:
    session.commit()
    rule = marks(a_manager("Nao"), CLOSED)
    approval_id = asked(session, office)
    session.commit()
    assert hits_of(rule) == 0
    decided(session, office, approval_id, "send")
    session.commit()
    assert hits_of(rule) == 1


def test_an_answer_that_failed_opens_it_again_for_rules_too(session: Session, desk: Desk) -> None:
    session.commit()
    rule = marks(a_manager(), OPEN)
    outgoing_id = sent(session, desk, written(session, desk.aoi, desk.conversation), status="closed").outgoing_id
    session.commit()
    settling._uncertain(session, session.get_one(Outgoing, outgoing_id), "lost", now=LATER + MINUTE)
    session.commit()
    assert hits_of(rule) == 1


def test_waking_up_sets_rules_off(engine: Engine) -> None:
    story = Story()
    mei = a_manager()
    rule = marks(mei, OPEN)
    story.arrive(a_mail())
    (found,) = conversations_of(story.mailbox_id)
    with db.transaction() as session:
        triage.snooze(session, mei, found.id, until=story.now + MINUTE, now=story.now)
    assert hits_of(rule) == 0
    clock._wake(story.now + 2 * MINUTE)
    assert hits_of(rule) == 1
    assert traces_of(found.id)[0].at == story.now + 2 * MINUTE


def test_a_customer_who_answers_reopens_it_for_rules_too(engine: Engine) -> None:
    story = Story()
    mei = a_manager()
    arrived = marks(mei, {"on": "arrived"}, "Arrived")
    reopened = marks(mei, OPEN, "Reopened")
    row = story.arrive(a_mail(mail_id="<1@customer.example>"))
    found = story.conversation_of(row)
    assert (hits_of(arrived), hits_of(reopened)) == (1, 0)
    with db.transaction() as session:
        triage.close(session, mei, found.id, now=story.now)
    story.arrives(
        a_mail("まだです。", answers="<1@customer.example>"), a_mail("至急です。", answers="<1@customer.example>")
    )
    assert (hits_of(arrived), hits_of(reopened)) == (3, 1)  # two mails of one batch open it once
    assert [one.happened for one in traces_of(found.id)].count("status_changed") == 1


def test_what_a_first_import_opens_and_closes_is_past(engine: Engine) -> None:
    story = Story()
    rule = marks(a_manager(), {"on": "status_changed", "to": []})
    story.arrive(a_mail(mail_id="<1@customer.example>"), silent=True)
    ours = a_mail(
        "承りました。", sender=("Support", story.address), to="taro@example.jp", answers="<1@customer.example>"
    )
    story.arrive(ours, folder="Sent", silent=True, at=story.now + MINUTE)
    assert [one.status for one in conversations_of(story.mailbox_id)] == ["closed"]
    assert hits_of(rule) == 0


def test_there_and_back_in_one_transaction_is_no_change_and_twice_is_one(engine: Engine) -> None:
    story = Story()
    mei = a_manager()
    rule = marks(mei, {"on": "status_changed", "to": []})
    story.arrive(a_mail())
    (found,) = conversations_of(story.mailbox_id)
    with db.transaction() as session:
        triage.close(session, mei, found.id, now=story.now)
        triage.reopen(session, mei, found.id, now=story.now)
    assert hits_of(rule) == 0
    with db.transaction() as session:
        triage.wait(session, mei, found.id, now=story.now)
        triage.close(session, mei, found.id, now=story.now)
    assert hits_of(rule) == 1


def test_a_request_that_fails_asks_nobody(engine: Engine) -> None:
    story = Story()
    mei = a_manager()
    rule = marks(mei, CLOSED)
    story.arrive(a_mail())
    (found,) = conversations_of(story.mailbox_id)
    with pytest.raises(RuntimeError), db.transaction() as session:
        triage.close(session, mei, found.id, now=story.now)
        raise RuntimeError
    assert (hits_of(rule), conversations_of(story.mailbox_id)[0].status) == (0, "open")


def test_no_rule_is_asked_about_what_it_did_itself(engine: Engine) -> None:
    story = Story()
    mei = a_manager()
    anything = {"on": "status_changed", "to": []}
    feeds = a_rule(mei, a_body("Feeds", {"do": "status", "status": "waiting"}, on=anything))
    tells = a_rule(mei, a_body("Tells", {"do": "priority", "priority": "high"}, on=anything))
    story.arrive(a_mail())
    (found,) = conversations_of(story.mailbox_id)
    with db.transaction() as session:
        triage.close(session, mei, found.id, now=story.now)
    assert conversations_of(story.mailbox_id)[0].status == "waiting"
    assert (hits_of(feeds), hits_of(tells)) == (1, 2)
    first, second = traces_of(found.id)
    assert [one["how"] for one in first.trace] == ["matched", "matched"]
    assert [one["how"] for one in second.trace] == ["not_triggered", "matched"]
    assert [one.about["rule_name"] for one in events_of(found.id, "status") if one.actor_id is None] == ["Feeds"]


def test_joining_and_parting_change_no_status(engine: Engine) -> None:
    story = Story()
    mei = a_manager()
    rule = marks(mei, {"on": "status_changed", "to": []})
    story.arrives(a_mail(), a_mail("別件です。", subject="別件"))
    older, newer = conversations_of(story.mailbox_id)
    with db.transaction() as session:
        join_id = joins.join(session, mei, newer.id, older.id, now=story.now)
    with db.transaction() as session:
        joins.undo(session, mei, join_id, now=story.now)
    assert [one.status for one in conversations_of(story.mailbox_id)] == ["open", "open"]
    assert hits_of(rule) == 0


def test_many_at_once_are_taken_back_with_what_rules_made_of_them(engine: Engine) -> None:
    story = Story()
    mei = a_manager()
    a_rule(mei, a_body("Waits", {"do": "status", "status": "waiting"}, on=CLOSED))
    story.arrives(a_mail(), a_mail("別件です。", sender=("Hana", "hana@example.jp"), subject="別件"))
    ids = [one.id for one in conversations_of(story.mailbox_id)]
    with db.transaction() as session:
        made = bulk.start(session, mei, "close", ids, now=story.now).id
    clock._go_on_with_bulk(story.now)
    assert [one.status for one in conversations_of(story.mailbox_id)] == ["waiting", "waiting"]
    with db.transaction() as session:
        bulk.undo(session, mei, made, now=story.now)
    clock._go_on_with_bulk(story.now)
    assert [one.status for one in conversations_of(story.mailbox_id)] == ["open", "open"]


def test_a_new_conversation_has_no_status_before(session: Session, desk: Desk) -> None:
    with conversations.history(session):
        conversations.set_status(session, desk.conversation, "closed", now=NOW, actor_id=None)
    assert conversations.changes(session) == {}
    fresh = conversations.start(
        session, desk.mailbox.id, now=NOW, subject="新規", person_id=None, at=NOW, status="closed"
    )
    assert isinstance(fresh, Conversation)
    assert conversations.changes(session) == {}


def test_every_process_that_changes_a_status_asks_rules() -> None:
    """They are heard of by `rule_runs`, wherever the commit is made: so each process has to know it."""
    graph = grimp.build_graph("inbox", "web", cache_dir=None)
    processes = (
        "inbox.clock",
        "inbox.jobs",
        "inbox.poller",
        "inbox.cli.send",
        "inbox.cli.quarantine",
        "web.conversations",
    )
    for process in processes:
        assert graph.chain_exists(importer=process, imported="inbox.rule_runs"), process
