"""From the queue to a real SMTP server and back into the conversation, on both databases."""

from __future__ import annotations

import multiprocessing
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine, event, func, select, update
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from inbox import config, db, drafts, outbox, replies, sending
from inbox.blobs import blobs
from inbox.errors import Conflict
from inbox.models import Attempt, Conversation, Event, Mailbox, Outgoing
from inbox.people import Viewer
from inbox.wire import smtp
from tests.inbox.cast import (
    CUSTOMER,
    NOW,
    RACES,
    a_conversation,
    a_mailbox,
    a_message,
    a_person,
    a_viewer,
    all_ticked,
)
from tests.mail_lint import lint
from tests.servers import free_port, wait_until
from tests.servers.smtp_sink import SmtpSink
from tests.servers.valkey import Valkey


@dataclass(frozen=True)
class Desk:
    mailbox_id: int
    aoi: Viewer
    mei: Viewer


@pytest.fixture(autouse=True)
def fresh_sender() -> Iterator[None]:
    sending._stopping.clear()
    sending._failures.clear()
    yield
    sending._stopping.clear()


@pytest.fixture
def desk(engine: Engine, smtp_sink: SmtpSink, valkey: Valkey) -> Desk:
    """A mailbox that sends to the sink; Aoi wants no undo, Mei is the manager."""
    with db.transaction() as session:
        mailbox = a_mailbox(session)
        mailbox.smtp_host, mailbox.smtp_port = "127.0.0.1", smtp_sink.port
        mailbox.smtp_security, mailbox.smtp_user, mailbox.sent_folder = "plain", "", "Sent"
        aoi = replace(a_viewer(session, "Aoi", mailbox), undo_seconds=0)
        return Desk(mailbox.id, aoi, a_viewer(session, "Mei", mailbox, role="manager"))


def answer(desk: Desk, text: str = "発送しました。", *, status: str = "closed", **fields: object) -> int:
    """A customer asks, Aoi answers; the id of the queued mail."""
    with db.transaction() as session:
        mailbox = session.get_one(Mailbox, desk.mailbox_id)
        conversation = a_conversation(session, mailbox, person=a_person_once(session))
        a_message(session, conversation)
        draft = drafts.start(session, desk.aoi, "reply", conversation_id=conversation.id, now=NOW)
        drafts.save(session, desk.aoi, draft.id, rev=draft.rev, fields={"text": text, **fields}, now=NOW)
        seen = conversation.version
        return replies.send(
            session,
            desk.aoi,
            draft.id,
            seen_version=seen,
            next_status=status,
            looked=all_ticked(session, draft.id),
            now=datetime.now(UTC),
        ).outgoing_id


def a_person_once(session: Session):
    from inbox.models import Person

    return session.scalar(select(Person)) or a_person(session)


def row(outgoing_id: int) -> Outgoing:
    with db.reading() as session:
        return session.get_one(Outgoing, outgoing_id)


def conversation_of(outgoing_id: int) -> Conversation:
    with db.reading() as session:
        return session.get_one(Conversation, session.get_one(Outgoing, outgoing_id).conversation_id)


def history(outgoing_id: int) -> list[str]:
    with db.reading() as session:
        wanted = select(Event.kind).where(Event.conversation_id == row(outgoing_id).conversation_id)
        return [kind for kind in session.scalars(wanted.order_by(Event.id)) if kind not in ("received", "assigned")]


def make_due(outgoing_id: int) -> None:
    with db.transaction() as session:
        session.execute(update(Outgoing).where(Outgoing.id == outgoing_id).values(due_at=NOW))


# -- the usual


def test_an_answer_arrives_once_and_is_settled(desk: Desk, smtp_sink: SmtpSink) -> None:
    outgoing_id = answer(desk)
    assert sending.send_due(patience=None).accepted == 1
    delivery = smtp_sink.deliveries[0]
    assert (delivery.sender, delivery.recipients) == ("support@shop.example", (CUSTOMER[1],))
    sent = row(outgoing_id)
    assert delivery.raw == blobs().get(sent.raw_sha256)
    lint(delivery.raw)
    assert (sent.state, sent.code, sent.tries, sent.sent_copy, sent.lease_until) == ("sent", 250, 1, "due", None)
    assert [(one["address"], one["state"], one["code"]) for one in sent.recipients] == [(CUSTOMER[1], "accepted", 250)]
    assert history(outgoing_id) == ["replied", "sent"]
    with db.reading() as session:
        attempt = session.scalars(select(Attempt)).one()
    assert (attempt.outcome, attempt.number, attempt.code) == ("sent", 1, 250)
    assert attempt.started_at <= attempt.data_started_at <= attempt.ended_at
    assert sending.send_due(patience=None).all == 0


def test_many_leave_over_one_connection_and_each_once(desk: Desk, smtp_sink: SmtpSink) -> None:
    ids = [answer(desk, f"{n}") for n in range(30)]
    assert sending.send_due(patience=None).accepted == 30
    assert len({d.raw for d in smtp_sink.deliveries}) == len(smtp_sink.deliveries) == 30
    assert {row(one).state for one in ids} == {"sent"}
    assert smtp_sink.connections <= sending.CONNECTIONS


def test_people_overtake_bulk(desk: Desk, smtp_sink: SmtpSink) -> None:
    first, second = answer(desk, "bulk"), answer(desk, "person")
    with db.transaction() as session:
        session.execute(
            update(Outgoing).where(Outgoing.id == first).values(priority=outbox.KINDS["broadcast"].priority)
        )
    sending.send_due(patience=None)
    order = [d.raw for d in smtp_sink.deliveries]
    assert order == [blobs().get(row(second).raw_sha256), blobs().get(row(first).raw_sha256)]


def test_nothing_leaves_before_its_time(desk: Desk, smtp_sink: SmtpSink) -> None:
    outgoing_id = answer(desk)
    with db.transaction() as session:
        session.execute(update(Outgoing).values(due_at=datetime.now(UTC) + timedelta(hours=1)))
    assert sending.send_due(patience=None).all == 0
    assert (row(outgoing_id).state, smtp_sink.deliveries) == ("queued", [])


@pytest.mark.parametrize("how", ["mailbox", "all", "held"])
def test_what_is_paused_stays_until_it_is_released(desk: Desk, smtp_sink: SmtpSink, how: str) -> None:
    outgoing_id = answer(desk)

    def switch(on: bool) -> None:
        with db.transaction() as session:
            if how == "mailbox":
                outbox.pause(session, desk.mei, desk.mailbox_id, on)
            elif how == "all":
                outbox.pause_all(session, None, on)
            elif on:
                outbox.hold(session, desk.aoi, outgoing_id, now=NOW)
            else:
                outbox.release(session, desk.aoi, outgoing_id, now=NOW)

    switch(True)
    assert sending.send_due(patience=None).all == 0
    switch(False)
    assert sending.send_due(patience=None).accepted == 1
    assert len(smtp_sink.deliveries) == 1


def test_a_pause_stops_even_what_a_worker_has_claimed(desk: Desk, smtp_sink: SmtpSink) -> None:
    outgoing_id = answer(desk)
    with db.transaction() as session:
        claimed = outbox.claim(session, desk.mailbox_id, "w", now=datetime.now(UTC), limit=1)
    with db.transaction() as session:
        outbox.pause_all(session, None, True)
    with db.transaction() as session:
        assert outbox.begin(session, "w", [claimed[0].id], now=datetime.now(UTC)) == frozenset()
        outbox.give_back(session, "w", [claimed[0].id], now=datetime.now(UTC))
    assert row(outgoing_id).state == "queued"


# -- later


def test_a_greylisted_mail_comes_back_as_documented_and_arrives_once(desk: Desk, smtp_sink: SmtpSink) -> None:
    smtp_sink.fail("rcpt", "450 4.2.0 greylisted", times=5)
    outgoing_id = answer(desk)
    waits = []
    for _ in range(5):
        before = datetime.now(UTC)
        assert sending.send_due(patience=None).later == 1
        waits.append(round((row(outgoing_id).due_at - before).total_seconds() / 60))
        assert (row(outgoing_id).state, row(outgoing_id).answer) == ("queued", "4.2.0 greylisted")
        make_due(outgoing_id)
    assert waits == [5, 15, 30, 60, 120]
    assert sending.send_due(patience=None).accepted == 1
    assert len(smtp_sink.deliveries) == 1
    with db.reading() as session:
        assert session.scalars(select(Attempt.outcome).order_by(Attempt.id)).all() == ["later"] * 5 + ["sent"]
    assert conversation_of(outgoing_id).status == "closed"


def test_after_two_days_of_later_it_has_failed(desk: Desk, smtp_sink: SmtpSink) -> None:
    smtp_sink.fail("dot", "451 4.3.0 come back", times=2)
    outgoing_id = answer(desk)
    sending.send_due(patience=None)
    make_due(outgoing_id)
    with db.transaction() as session:
        session.execute(update(Outgoing).values(retrying_since=datetime.now(UTC) - timedelta(hours=49)))
    assert sending.send_due(patience=None).later == 1
    assert row(outgoing_id).state == "failed"
    assert (conversation_of(outgoing_id).trouble, conversation_of(outgoing_id).closed_at) == ("failed", None)
    with db.transaction() as session:
        outbox.try_again(session, desk.mei, outgoing_id, now=datetime.now(UTC))
    stands = conversation_of(outgoing_id)
    assert (stands.status, stands.closed_at) == ("closed", row(outgoing_id).created_at)


def test_each_recipient_of_one_mail_has_its_own_truth(desk: Desk, smtp_sink: SmtpSink) -> None:
    smtp_sink.fail("rcpt", "550 5.1.1 unknown", only="gone@")
    smtp_sink.fail("rcpt", "450 4.2.0 later", only="grey@", times=1)
    outgoing_id = answer(desk, cc="gone@a.example, grey@a.example")
    sending.send_due(patience=None)
    assert {one["address"]: one["state"] for one in row(outgoing_id).recipients} == {
        CUSTOMER[1]: "accepted",
        "gone@a.example": "refused",
        "grey@a.example": "",
    }
    assert row(outgoing_id).state == "queued"
    make_due(outgoing_id)
    sending.send_due(patience=None)
    assert [d.recipients for d in smtp_sink.deliveries] == [(CUSTOMER[1],), ("grey@a.example",)]
    assert row(outgoing_id).state == "sent"
    assert history(outgoing_id) == ["replied", "sent", "failed"]
    assert (conversation_of(outgoing_id).status, conversation_of(outgoing_id).trouble) == ("open", "failed")
    with db.reading() as session:
        told = session.scalars(select(Event.about).where(Event.kind == "failed")).one()
    assert [one["address"] for one in told["recipients"]] == ["gone@a.example"]
    assert told["partly"] is True


# -- no


@pytest.mark.parametrize("reply", ["552 5.3.4 too big", "550 5.7.1 policy", "535 5.7.8 auth", "554 5.0.0 no"])
def test_a_refused_answer_comes_back_to_its_owner_with_the_servers_words(
    desk: Desk, smtp_sink: SmtpSink, reply: str
) -> None:
    smtp_sink.fail("dot", reply)
    outgoing_id = answer(desk)
    assert sending.send_due(patience=None).refused == 1
    failed, conversation = row(outgoing_id), conversation_of(outgoing_id)
    assert (failed.state, failed.code, failed.answer) == ("failed", int(reply[:3]), reply[4:])
    assert (conversation.status, conversation.trouble, conversation.owner_id) == ("open", "failed", desk.aoi.id)
    assert conversation.waiting_since is not None
    assert history(outgoing_id) == ["replied", "failed"]
    make_due(outgoing_id)
    assert sending.send_due(patience=None).all == 0


def test_a_refused_answer_can_be_tried_again_or_taken_back(desk: Desk, smtp_sink: SmtpSink) -> None:
    smtp_sink.fail("rcpt", "550 5.1.1 unknown", times=2)
    again, back = answer(desk, "a"), answer(desk, "b")
    sending.send_due(patience=None)
    with db.transaction() as session:
        outbox.try_again(session, desk.aoi, again, now=datetime.now(UTC))
        draft_id = outbox.cancel(session, desk.aoi, back, now=datetime.now(UTC))
    assert sending.send_due(patience=None).accepted == 1
    assert (row(again).state, conversation_of(again).trouble, conversation_of(again).status) == ("sent", "", "closed")
    assert row(back).state == "cancelled"
    with db.reading() as session:
        assert drafts.show(session, desk.aoi, draft_id or 0).state == "open"
    assert len(smtp_sink.deliveries) == 1


# -- nobody knows


@pytest.mark.parametrize("taken", [True, False])
def test_a_mail_lost_after_the_dot_is_never_sent_again_by_a_machine(
    desk: Desk, smtp_sink: SmtpSink, taken: bool
) -> None:
    smtp_sink.cut("dot", taken=taken)
    outgoing_id = answer(desk)
    assert sending.send_due(patience=None).uncertain == 1
    clear_backoff()
    make_due(outgoing_id)
    assert sending.send_due(patience=None).all == 0
    with db.transaction() as session:
        assert outbox.lapse(session, now=datetime.now(UTC) + timedelta(days=3)) == 0
    assert (row(outgoing_id).state, len(smtp_sink.deliveries)) == ("uncertain", int(taken))
    assert (conversation_of(outgoing_id).status, conversation_of(outgoing_id).trouble) == ("open", "uncertain")
    assert history(outgoing_id) == ["replied", "uncertain"]


def test_a_person_says_that_an_uncertain_mail_arrived(desk: Desk, smtp_sink: SmtpSink) -> None:
    smtp_sink.cut("dot", taken=True)
    outgoing_id = answer(desk)
    sending.send_due(patience=None)
    with db.transaction() as session:
        outbox.mark_sent(session, desk.aoi, outgoing_id, now=datetime.now(UTC))
    assert (row(outgoing_id).state, row(outgoing_id).sent_copy) == ("sent", "due")
    conversation = conversation_of(outgoing_id)
    assert (conversation.status, conversation.trouble, conversation.waiting_since) == ("closed", "", None)
    assert history(outgoing_id) == ["replied", "uncertain", "resolved"]
    with pytest.raises(Conflict), db.transaction() as session:
        outbox.try_again(session, desk.aoi, outgoing_id, now=datetime.now(UTC))


def test_a_person_sends_an_uncertain_mail_again(desk: Desk, smtp_sink: SmtpSink) -> None:
    smtp_sink.cut("dot")
    outgoing_id = answer(desk)
    sending.send_due(patience=None)
    clear_backoff()
    with db.transaction() as session:
        outbox.try_again(session, desk.aoi, outgoing_id, now=datetime.now(UTC))
    assert sending.send_due(patience=None).accepted == 1
    assert (row(outgoing_id).state, len(smtp_sink.deliveries)) == ("sent", 1)
    assert conversation_of(outgoing_id).trouble == ""


def test_an_uncertain_mail_that_shows_up_somewhere_is_settled(desk: Desk, smtp_sink: SmtpSink) -> None:
    smtp_sink.cut("dot", taken=True)
    outgoing_id = answer(desk)
    sending.send_due(patience=None)
    with db.transaction() as session:
        assert outbox.found_elsewhere(session, row(outgoing_id).key, now=datetime.now(UTC))
        assert not outbox.found_elsewhere(session, "0" * 32, now=datetime.now(UTC))
    assert (row(outgoing_id).state, conversation_of(outgoing_id).status) == ("sent", "closed")


def test_what_came_in_since_stays_open_when_an_uncertain_mail_is_settled(desk: Desk, smtp_sink: SmtpSink) -> None:
    smtp_sink.cut("dot", taken=True)
    outgoing_id = answer(desk)
    sending.send_due(patience=None)
    with db.transaction() as session:
        a_message(
            session, session.get_one(Conversation, row(outgoing_id).conversation_id), "もう一つ", at=datetime.now(UTC)
        )
    with db.transaction() as session:
        outbox.found_elsewhere(session, row(outgoing_id).key, now=datetime.now(UTC))
    conversation = conversation_of(outgoing_id)
    assert (conversation.status, conversation.trouble) == ("open", "")
    assert conversation.waiting_since is not None


# -- a worker dies


def test_a_worker_that_dies_before_data_costs_a_minute_and_nothing_else(desk: Desk, smtp_sink: SmtpSink) -> None:
    outgoing_id = answer(desk)
    with db.transaction() as session:
        outbox.claim(session, desk.mailbox_id, "dead", now=datetime.now(UTC), limit=1)
    with db.transaction() as session:
        assert outbox.lapse(session, now=datetime.now(UTC)) == 0
    with db.transaction() as session:
        assert outbox.lapse(session, now=datetime.now(UTC) + outbox.LEASE + timedelta(seconds=1)) == 1
    assert sending.send_due(patience=None).accepted == 1
    assert (row(outgoing_id).state, len(smtp_sink.deliveries)) == ("sent", 1)


def test_a_worker_that_dies_inside_data_leaves_an_uncertain_mail(desk: Desk) -> None:
    outgoing_id = answer(desk)
    with db.transaction() as session:
        outbox.claim(session, desk.mailbox_id, "dead", now=datetime.now(UTC), limit=1)
        assert outbox.begin(session, "dead", [outgoing_id], now=datetime.now(UTC)) == {outgoing_id}
    with db.transaction() as session:
        assert outbox.lapse(session, now=datetime.now(UTC) + outbox.LEASE + timedelta(seconds=1)) == 1
    assert row(outgoing_id).state == "uncertain"
    assert [one["state"] for one in row(outgoing_id).recipients] == ["uncertain"]


def test_a_worker_whose_lease_was_lost_cannot_begin(desk: Desk) -> None:
    outgoing_id = answer(desk)
    with db.transaction() as session:
        outbox.claim(session, desk.mailbox_id, "slow", now=datetime.now(UTC), limit=1)
    later = datetime.now(UTC) + outbox.LEASE + timedelta(seconds=1)
    with db.transaction() as session:
        outbox.lapse(session, now=later)
        assert outbox.claim(session, desk.mailbox_id, "swift", now=later, limit=1)
    with db.transaction() as session:
        assert outbox.begin(session, "slow", [outgoing_id], now=later) == frozenset()
        assert outbox.begin(session, "swift", [outgoing_id], now=later) == {outgoing_id}


def test_what_the_server_said_counts_even_when_the_lease_has_lapsed_meanwhile(desk: Desk) -> None:
    outgoing_id = answer(desk)
    now = datetime.now(UTC)
    with db.transaction() as session:
        claimed = outbox.claim(session, desk.mailbox_id, "slow", now=now, limit=1)[0]
        outbox.begin(session, "slow", [outgoing_id], now=now)
    with db.transaction() as session:
        outbox.lapse(session, now=now + outbox.LEASE + timedelta(seconds=1))
    accepted = smtp.Result(outgoing_id, "accepted", 250, "ok", (smtp.Answer(CUSTOMER[1], "accepted", 250, "ok"),))
    with db.transaction() as session:
        outbox.settle(session, "slow", [outbox.Done(claimed, accepted, now)], sent_copy="due", now=now)
    assert row(outgoing_id).state == "sent"
    assert (conversation_of(outgoing_id).status, conversation_of(outgoing_id).trouble) == ("closed", "")


def test_two_workers_never_claim_one_mail(desk: Desk) -> None:
    for n in range(20):
        answer(desk, f"{n}")
    taken: list[int] = []
    barrier = threading.Barrier(4)

    def work(name: str) -> None:
        barrier.wait()
        while True:
            with db.transaction() as session:
                got = outbox.claim(session, desk.mailbox_id, name, now=datetime.now(UTC), limit=3)
            if not got:
                return
            taken.extend(one.id for one in got)

    threads = [threading.Thread(target=work, args=(f"w{n}",)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(taken) == len(set(taken)) == 20


# -- the server is in trouble


def clear_backoff() -> None:
    with db.transaction() as session:
        session.execute(update(Mailbox).values(smtp_next_try_at=None))


def test_a_server_that_is_not_there_is_told_on_the_mailbox_and_costs_no_mail_a_try(
    desk: Desk, smtp_sink: SmtpSink
) -> None:
    with db.transaction() as session:
        session.execute(update(Mailbox).values(smtp_port=free_port()))
    outgoing_id = answer(desk)
    assert sending.send_due(patience=None).all == 0
    with db.reading() as session:
        mailbox = session.get_one(Mailbox, desk.mailbox_id)
    assert mailbox.smtp_error_code == "refused"
    assert mailbox.smtp_next_try_at > datetime.now(UTC)
    assert (row(outgoing_id).state, row(outgoing_id).tries) == ("queued", 0)
    with db.transaction() as session:
        session.execute(update(Mailbox).values(smtp_port=smtp_sink.port, smtp_next_try_at=None))
    assert sending.send_due(patience=None).accepted == 1
    with db.reading() as session:
        mailbox = session.get_one(Mailbox, desk.mailbox_id)
    assert (mailbox.smtp_error_code, mailbox.smtp_next_try_at) == ("", None)
    assert mailbox.smtp_last_ok_at is not None


def test_a_wrong_password_is_not_tried_more_than_every_quarter_of_an_hour(engine: Engine, desk: Desk) -> None:
    guarded = SmtpSink(users={"support": "right"})
    try:
        from inbox.mailboxes.secrets import seal

        with db.transaction() as session:
            session.execute(
                update(Mailbox).values(smtp_port=guarded.port, smtp_user="support", smtp_secret=seal("wrong"))
            )
        answer(desk)
        for _ in range(3):
            sending.send_due(patience=None)
        with db.reading() as session:
            mailbox = session.get_one(Mailbox, desk.mailbox_id)
        assert guarded.connections == 1
        assert mailbox.smtp_error_code == "login"
        assert "535" in mailbox.smtp_error_text
        assert mailbox.smtp_next_try_at > datetime.now(UTC) + timedelta(minutes=14)
    finally:
        guarded.close()


def test_a_connection_lost_before_data_sends_everything_a_little_later(desk: Desk, smtp_sink: SmtpSink) -> None:
    smtp_sink.cut("rcpt")
    ids = [answer(desk, f"{n}") for n in range(3)]
    sending.send_due(patience=None)
    assert {row(one).state for one in ids} == {"queued"}
    clear_backoff()
    assert sending.send_due(patience=None).accepted == 3
    assert len(smtp_sink.deliveries) == 3


def test_a_database_that_is_away_for_longer_than_a_sender_waits_costs_no_mail(
    engine: Engine, desk: Desk, smtp_sink: SmtpSink, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sending, "DATABASE_PATIENCE", 0.1)
    ids = [answer(desk, f"{n}") for n in range(2)]
    away = threading.Event()

    def refuse(_connection: object, _cursor: object, statement: str, *_about: object) -> None:
        if "SET" in statement and "data_started_at" in statement and "RETURNING" not in statement:  # DATA would begin
            away.set()
        if away.is_set():
            raise OperationalError(statement, None, Exception("the database went away"))

    event.listen(engine, "before_cursor_execute", refuse)
    with pytest.raises(OperationalError):
        sending.send_due(patience=None)
    event.remove(engine, "before_cursor_execute", refuse)
    wait_until(lambda: not [one for one in threading.enumerate() if one.name == "leases"], what="no lease is kept")
    assert [row(one).state for one in ids] == ["sending", "sending"]
    with db.transaction() as session:
        assert outbox.lapse(session, now=datetime.now(UTC) + outbox.LEASE * 2) == 2
    sending.send_due(patience=None)
    assert [row(one).state for one in ids] == ["sent", "sent"]
    assert len(smtp_sink.deliveries) == 2


def test_a_server_that_hangs_delays_no_other_mailbox(desk: Desk, smtp_sink: SmtpSink) -> None:
    slow = SmtpSink()
    slow.delay("dot", 1.5)
    try:
        with db.transaction() as session:
            other = a_mailbox(session, "Sales")
            other.smtp_host, other.smtp_port, other.smtp_security, other.smtp_user = "127.0.0.1", slow.port, "plain", ""
            mei = replace(a_viewer(session, "Ben", other), undo_seconds=0)
            other_id = other.id
        stuck = answer(Desk(other_id, mei, mei))
        swift = answer(desk)
        sending.send_due(patience=0.3)
        wait_until(lambda: row(swift).state == "sent", seconds=1.2, what="the other mailbox's mail is sent")
        assert row(stuck).state == "sending"
        wait_until(lambda: row(stuck).state == "sent", what="and the slow one's in the end")
    finally:
        slow.close()


def test_mail_for_a_server_that_is_gone_for_two_days_comes_back(desk: Desk) -> None:
    outgoing_id = answer(desk)
    now = datetime.now(UTC)
    with db.transaction() as session:
        make_unreachable(session, since=now - timedelta(hours=49), now=now)
        assert outbox.give_up(session, now=now) == 0
        session.execute(update(Outgoing).values(due_at=now - timedelta(hours=49)))
        assert outbox.give_up(session, now=now) == 1
    assert (row(outgoing_id).state, conversation_of(outgoing_id).trouble) == ("failed", "failed")


@pytest.mark.parametrize("paused", ["this mailbox", "everything"])
def test_a_mail_that_was_paused_for_days_is_tried_for_the_full_time(desk: Desk, paused: str) -> None:
    answer(desk)
    now = datetime.now(UTC)
    with db.transaction() as session:
        make_unreachable(session, since=now - timedelta(hours=60), now=now)
        session.execute(update(Outgoing).values(due_at=now - timedelta(hours=60), retrying_since=now - timedelta(60)))
        if paused == "everything":
            outbox.pause_all(session, None, False)
        else:
            outbox.pause(session, desk.mei, desk.mailbox_id, False)
        failing = session.get_one(Mailbox, desk.mailbox_id, populate_existing=True).smtp_failing_since
        assert (failing, session.scalar(select(Outgoing.retrying_since))) == (None, None)
        make_unreachable(session, since=now - timedelta(hours=47), now=now)
        assert outbox.give_up(session, now=now) == 0


def test_a_mail_that_was_held_for_days_is_tried_for_the_full_time(desk: Desk, smtp_sink: SmtpSink) -> None:
    outgoing_id = answer(desk)
    now = datetime.now(UTC)
    with db.transaction() as session:
        outbox.hold(session, desk.mei, outgoing_id, now=now)
        make_unreachable(session, since=now - timedelta(hours=60), now=now)
        long_ago = now - timedelta(hours=60)
        session.execute(update(Outgoing).values(due_at=long_ago, retrying_since=long_ago))
        outbox.release(session, desk.mei, outgoing_id, now=now)
        assert outbox.give_up(session, now=now) == 0
    smtp_sink.fail("rcpt", "450 4.2.0 greylisted")
    clear_backoff()
    assert sending.send_due(patience=None).later == 1
    assert row(outgoing_id).state == "queued"


def test_after_days_switched_off_a_mail_is_tried_before_it_is_given_up(desk: Desk) -> None:
    outgoing_id = answer(desk)
    now = datetime.now(UTC)
    with db.transaction() as session:
        session.execute(update(Mailbox).values(smtp_port=free_port()))
        make_unreachable(session, since=now - timedelta(days=3), now=now - timedelta(days=3))
        session.execute(update(Outgoing).values(due_at=now - timedelta(days=3)))
        assert outbox.give_up(session, now=now) == 0
    assert sending.send_due(patience=None).all == 0
    with db.transaction() as session:
        assert session.get_one(Mailbox, desk.mailbox_id).smtp_failing_since >= now
        assert outbox.give_up(session, now=now) == 0
    assert row(outgoing_id).state == "queued"


def make_unreachable(session: Session, *, since: datetime, now: datetime) -> None:
    values = {"smtp_error_code": "refused", "smtp_failing_since": since}
    session.execute(update(Mailbox).values(smtp_next_try_at=now + timedelta(minutes=10), **values))


def test_a_mail_whose_bytes_are_gone_fails_in_words_and_the_next_one_goes(desk: Desk, smtp_sink: SmtpSink) -> None:
    lost, fine = answer(desk, "a"), answer(desk, "b")
    blobs().delete(row(lost).raw_sha256)
    sending.send_due(patience=None)
    assert (row(lost).state, row(fine).state) == ("failed", "sent")
    assert "missing" in row(lost).answer


# -- faults by the hundred


@pytest.mark.slow
def test_of_hundreds_of_mails_with_lost_connections_every_one_is_accounted_for(desk: Desk, smtp_sink: SmtpSink) -> None:
    ids = [answer(desk, f"{n}") for n in range(200)]
    cut_after_taking, cut_without = 6, 5
    for taken, times in ((True, cut_after_taking), (False, cut_without)):
        for _ in range(times):
            smtp_sink.cut("dot", taken=taken)
            smtp_sink.fail("rcpt", "450 4.2.0 later", times=2)
            for _ in range(3):
                clear_backoff()
                with db.transaction() as session:
                    session.execute(update(Outgoing).where(Outgoing.state == "queued").values(due_at=NOW))
                sending.send_due(patience=None)
                if not smtp_sink._server.faults or all(one.times == 0 for one in smtp_sink._server.faults):
                    break
            smtp_sink.heal()
    clear_backoff()
    with db.transaction() as session:
        session.execute(update(Outgoing).where(Outgoing.state == "queued").values(due_at=NOW))
    sending.send_due(patience=None)
    states = {one: row(one).state for one in ids}
    delivered = [d.raw for d in smtp_sink.deliveries]
    sent = [blobs().get(row(one).raw_sha256) for one in ids if states[one] == "sent"]
    uncertain = [blobs().get(row(one).raw_sha256) for one in ids if states[one] == "uncertain"]
    assert set(states.values()) <= {"sent", "uncertain"}
    assert len(delivered) == len(set(delivered)), "none doubled"
    assert all(delivered.count(raw) == 1 for raw in sent), "none lost"
    assert sum(1 for raw in uncertain if raw in delivered) <= cut_after_taking
    assert len(uncertain) <= cut_after_taking + cut_without


# -- races


def _send_from_another_process(url: str, data_dir: str, redis_url: str, stop: object) -> None:
    import os

    os.environ.update(DATABASE_URL=url, DATA_DIR=data_dir, REDIS_URL=redis_url)
    config.settings.cache_clear()
    db.engine.cache_clear()
    while not stop.is_set():  # type: ignore[attr-defined]
        sending.send_due(patience=None)


@pytest.mark.slow
def test_undos_at_the_deadline_are_undone_or_sent_and_never_both(
    desk: Desk, smtp_sink: SmtpSink, database_url: str, valkey: Valkey
) -> None:
    ids = [answer(desk, f"{n}", status="waiting") for n in range(RACES)]
    spawn = multiprocessing.get_context("spawn")
    stop = spawn.Event()
    rival = spawn.Process(
        target=_send_from_another_process, args=(database_url, str(config.settings().data), valkey.url, stop)
    )
    base = datetime.now(UTC) + timedelta(seconds=4)
    with db.transaction() as session:  # one is due every 4 ms
        for n, one in enumerate(ids):
            due = base + timedelta(milliseconds=4 * n)
            session.execute(update(Outgoing).where(Outgoing.id == one).values(due_at=due))
    rival.start()
    undone, too_late = set(), set()
    try:
        for n, one in enumerate(ids):
            moment = base + timedelta(milliseconds=4 * n + n % 11 - 5)
            wait_until(lambda m=moment: datetime.now(UTC) >= m, every=0.001, seconds=30)  # type: ignore[misc]
            try:
                with db.transaction() as session:
                    replies.undo(session, desk.aoi, one, now=datetime.now(UTC))
                undone.add(one)
            except Conflict:
                too_late.add(one)
        wait_until(lambda: all(row(one).state == "sent" for one in too_late), seconds=60, every=0.2)
    finally:
        stop.set()
        rival.join(30)
        if rival.is_alive():
            rival.kill()
    delivered = {d.raw for d in smtp_sink.deliveries}
    assert len(smtp_sink.deliveries) == len(delivered) == len(too_late)
    assert {row(one).state for one in undone} <= {"cancelled"}
    assert not any(blobs().get(row(one).raw_sha256) in delivered for one in undone)
    assert all(blobs().get(row(one).raw_sha256) in delivered for one in too_late)
    with db.reading() as session:
        open_again = session.scalar(select(func.count()).where(Conversation.status == "open"))
    assert open_again == len(undone)


