"""Sending through the pages: once, refused with the words kept, taken back, and what people decide afterwards."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select, text, update

from inbox import db, replies
from inbox.models import Conversation, Draft, Event, Message, Outgoing, User
from tests.inbox.cast import a_message
from tests.servers import wait_until
from tests.web.conftest import Visitor, World, conversation
from tests.web.test_drafts import SCRIPT, started, the_draft
from tests.web.test_guards import boxes


def outgoings() -> list[Outgoing]:
    with db.reading() as session:
        return list(session.scalars(select(Outgoing).where(Outgoing.draft_id.is_not(None)).order_by(Outgoing.id)))


def form(text: str = "発送しました。", *, seen: int = 1, rev: int = 1, **more: Any) -> dict[str, Any]:
    return {"rev": rev, "seen_version": seen, "text": text, "next_status": "closed", **more}


def customer_writes(conversation_id: int, text: str = "Please hurry!") -> None:
    with db.transaction() as session:
        a_message(session, session.get_one(Conversation, conversation_id), text, at=datetime.now(UTC))


def test_an_answer_is_sent_and_leads_to_the_next_of_the_list(agent: Visitor, world: World) -> None:
    draft = started(agent, world)
    done = agent.post(f"/drafts/{draft}/replies", form(way_box="open"))
    assert done.status_code == 303
    assert done.headers["Location"] == f"/conversations/{world.mine}?box=open"
    [sent] = outgoings()
    assert sent.state == "queued"
    assert sent.due_at > datetime.now(UTC) + timedelta(seconds=8)
    assert conversation(world.free).status == "closed"
    page = agent.get(done.headers["Location"]).text
    assert f"/replies/{sent.id}/undoing" in page, "a way back, also without scripts"
    promised = (sent.due_at - replies.HOLD).isoformat()
    shown = agent.get(f"/conversations/{world.free}").text
    assert f'data-told-until="{promised}"' in page
    assert f'data-until="{promised}"' in shown, "both count down to the same moment"
    assert sent.due_at.isoformat() not in shown


@pytest.mark.parametrize(
    ("after", "place"), [("stay", "/conversations/"), ("list", "/inbox/open"), ("next", "/conversations/")]
)
def test_where_one_goes_after_sending_is_everybodys_own_choice(
    agent: Visitor, world: World, after: str, place: str
) -> None:
    with db.transaction() as session:
        session.execute(update(User).where(User.id == world.users["agent"]).values(after_send=after))
    draft = started(agent, world)
    done = agent.post(f"/drafts/{draft}/replies", form(way_box="open"))
    assert done.headers["Location"].startswith(place)
    assert (f"/conversations/{world.free}" in done.headers["Location"]) == (after == "stay")


@pytest.mark.parametrize(
    ("status", "then"), [("closed", "closed"), ("waiting", "waiting"), ("open", "open"), ("", "waiting")]
)
def test_the_send_menu_says_what_becomes_of_the_conversation(
    agent: Visitor, world: World, status: str, then: str
) -> None:
    draft = started(agent, world)
    agent.post(f"/drafts/{draft}/replies", form(next_status=status))
    assert conversation(world.free).status == then


def test_a_double_click_sends_one_mail(agent: Visitor, world: World) -> None:
    draft = started(agent, world)
    places = [agent.post(f"/drafts/{draft}/replies", form()).headers["Location"] for _ in range(3)]
    assert len(outgoings()) == 1
    assert all(place.startswith("/") for place in places)


@pytest.mark.parametrize(
    ("wrong", "told"),
    [({"to": "nobody"}, 'id="composer-to-error"'), ({"to": ""}, "field-error"), ({"text": " "}, "field-error")],
)
def test_what_cannot_be_sent_is_said_at_its_field_and_nothing_is_lost(
    agent: Visitor, world: World, wrong: dict[str, str], told: str
) -> None:
    draft = started(agent, world)
    page = agent.post(
        f"/drafts/{draft}/replies",
        form(**{"subject": "My subject", "to": "taro@example.jp"} | {"text": "Kept words"} | wrong),
    )
    assert page.status_code == 400
    assert told in page.text
    assert "My subject" in page.text
    assert outgoings() == []
    assert the_draft().subject == "My subject", "stored before it was refused"


def test_undo_brings_the_draft_back_with_all_its_words(agent: Visitor, world: World) -> None:
    draft = started(agent, world)
    agent.post(f"/drafts/{draft}/replies", form("Oops, wrong words"))
    [sent] = outgoings()
    back = agent.post(f"/replies/{sent.id}/undoing")
    assert back.headers["Location"] == f"/conversations/{world.free}?draft={draft}#composer"
    assert "Oops, wrong words" in agent.get(back.headers["Location"]).text
    assert conversation(world.free).status == "open"
    with db.reading() as session:
        assert session.scalars(select(Message).where(Message.direction == "out")).all() == []
    assert (
        agent.post(
            f"/drafts/{draft}/replies", form("Right words", rev=the_draft().rev, seen=conversation(world.free).version)
        ).status_code
        == 303
    )
    assert [one.state for one in outgoings()] == ["cancelled", "queued"]


@pytest.mark.only_on("postgres")
def test_a_deadlock_is_nothing_that_a_person_sees(agent: Visitor, world: World) -> None:
    """Undo takes the mail, then its conversation; who files a bounce takes the conversation, then the mail."""
    draft = started(agent, world)
    agent.post(f"/drafts/{draft}/replies", form("Oops"))
    [sent] = outgoings()
    waiting = text("SELECT count(*) FROM pg_locks WHERE NOT granted")
    held, ended = threading.Event(), []

    def file_a_bounce() -> None:
        with db.engine().connect() as watching, db.transaction() as session:
            session.execute(text("SET LOCAL deadlock_timeout = '30s'"))  # so that it is the person's request that ends
            session.get_one(Conversation, world.free, with_for_update=True)
            held.set()
            wait_until(lambda: watching.scalar(waiting), what="undo waits for the conversation")
            session.get_one(Outgoing, sent.id, with_for_update=True)
            ended.append(True)

    thread = threading.Thread(target=file_a_bounce)
    thread.start()
    assert held.wait(20)
    back = agent.post(f"/replies/{sent.id}/undoing")
    thread.join(20)
    assert ended == [True]
    assert (back.status_code, back.headers["Location"]) == (303, f"/conversations/{world.free}?draft={draft}#composer")
    assert [one.state for one in outgoings()] == ["cancelled"]


def test_undo_after_it_left_says_so(agent: Visitor, world: World) -> None:
    draft = started(agent, world)
    agent.post(f"/drafts/{draft}/replies", form())
    [sent] = outgoings()
    with db.transaction() as session:
        session.execute(update(Outgoing).where(Outgoing.id == sent.id).values(state="sent"))
    late = agent.post(f"/replies/{sent.id}/undoing")
    assert late.status_code == 409
    assert "Too late" in late.text


def test_an_answer_to_an_old_state_is_stopped_and_shows_what_arrived(agent: Visitor, world: World) -> None:
    draft = started(agent, world)
    seen = conversation(world.free).version
    customer_writes(world.free, "I cancelled the order.")
    stopped = agent.post(f"/drafts/{draft}/replies", form("We sent it today.", seen=seen))
    assert stopped.status_code == 409
    assert "I cancelled the order." in stopped.text
    assert "We sent it today." in stopped.text
    assert outgoings() == []
    kept = the_draft()
    assert kept.text == "We sent it today."
    assert kept.refused_at is not None
    with db.reading() as session:
        assert session.scalars(select(Event).where(Event.kind == "refused")).one().actor_id == world.users["agent"]
    assert "Stopped" in agent.get("/drafts").text
    version = re.search(r'name="seen_version" value="(\d+)"', stopped.text)
    assert version is not None
    anyway = agent.post(f"/drafts/{draft}/replies", {"seen_version": version[1], "next_status": "closed"})
    assert anyway.status_code == 303
    assert len(outgoings()) == 1


def test_of_two_colleagues_one_answers(agent: Visitor, world: World, signed_in: Callable[..., Visitor]) -> None:
    mei = signed_in("manager")
    first, second = started(agent, world), started(mei, world)
    seen = conversation(world.free).version
    assert agent.post(f"/drafts/{first}/replies", form("From Aoi", seen=seen)).status_code == 303
    stopped = mei.post(f"/drafts/{second}/replies", form("From Mei", seen=seen))
    assert stopped.status_code == 409
    assert "From Aoi" in stopped.text
    assert "From Mei" in stopped.text
    assert len(outgoings()) == 1


def test_while_a_colleague_writes_sending_is_stopped_until_it_is_taken_over(
    agent: Visitor, world: World, signed_in: Callable[..., Visitor]
) -> None:
    mei = signed_in("manager")
    agent.post(f"/conversations/{world.free}/claim")
    draft = started(mei, world)
    seen = conversation(world.free).version
    stopped = mei.post(f"/drafts/{draft}/replies", form("Mine", seen=seen))
    assert stopped.status_code == 409
    assert "Take over from Aoi" in stopped.text
    taken = mei.post(f"/conversations/{world.free}/claim/takeover", {"draft": draft, "reason": "urgent"})
    assert f"draft={draft}" in taken.headers["Location"]
    assert mei.post(f"/drafts/{draft}/replies", form("Mine", seen=seen, rev=the_draft().rev)).status_code == 303


def test_reading_on_opens_the_draft_with_what_is_known_now(agent: Visitor, world: World) -> None:
    draft = started(agent, world)
    agent.post(f"/drafts/{draft}", {"rev": 1, "text": "Half"}, headers=SCRIPT)
    customer_writes(world.free)
    page = agent.get(f"/conversations/{world.free}?draft={draft}").text
    assert "The conversation went on since you began to write." in page
    agent.post("/drafts", {"kind": "reply", "conversation_id": world.free})
    assert the_draft().seen_version == conversation(world.free).version


def test_a_device_that_was_slower_cannot_send_over_the_other(agent: Visitor, world: World) -> None:
    draft = started(agent, world)
    agent.post(f"/drafts/{draft}", {"rev": 1, "text": "newer words"}, headers=SCRIPT)
    page = agent.post(f"/drafts/{draft}/replies", form("older words"))
    assert page.status_code == 409
    assert "newer words" in page.text
    assert "older words" in page.text
    assert outgoings() == []


# -- what did not go out smoothly


def settled(agent: Visitor, world: World, state: str, **values: Any) -> Outgoing:
    draft = started(agent, world)
    agent.post(f"/drafts/{draft}/replies", form())
    [sent] = outgoings()
    recipients = [one | {"state": {"failed": "refused"}.get(state, state)} for one in sent.recipients]
    with db.transaction() as session:
        session.execute(
            update(Outgoing).where(Outgoing.id == sent.id).values(state=state, recipients=recipients, **values)
        )
    return sent


def test_a_failed_answer_shows_the_servers_words_and_what_to_do(agent: Visitor, world: World) -> None:
    sent = settled(agent, world, "failed", code=550, answer="5.1.1 User <unknown>")
    page = agent.get(f"/conversations/{world.free}").text
    assert "Not sent: the mail server refused it" in page
    assert "550 5.1.1 User &lt;unknown&gt;" in page
    back = agent.post(f"/replies/{sent.id}/decision", {"what": "cancel"})
    assert f"draft={sent.draft_id}" in back.headers["Location"]


def test_an_uncertain_answer_is_a_persons_decision(agent: Visitor, world: World) -> None:
    sent = settled(agent, world, "uncertain", answer="Connection reset")
    page = agent.get(f"/conversations/{world.free}").text
    assert "Uncertain" in page
    assert "the customer may get it twice" in page
    assert (
        agent.post(f"/replies/{sent.id}/decision", {"what": "mark_sent", "next": "/inbox/open"}).headers["Location"]
        == "/inbox/open"
    )
    assert [one.state for one in outgoings()] == ["sent"]
    assert agent.post(f"/replies/{sent.id}/decision", {"what": "explode"}).status_code == 400


def test_a_new_mail_begins_a_conversation(agent: Visitor, world: World) -> None:
    agent.post("/drafts", {"kind": "new"})
    draft = the_draft()
    between = agent.post(
        f"/drafts/{draft.id}/replies",
        form("Good morning", to="新規 <new@example.jp>", subject="ご案内", next_status=""),
    )
    assert "First time" in between.text
    done = agent.post(f"/drafts/{draft.id}/replies", boxes(between.text, tick=True))
    assert done.status_code == 303
    page = agent.get(done.headers["Location"]).text
    assert "ご案内" in page
    [sent] = outgoings()
    back = agent.post(f"/replies/{sent.id}/undoing")
    assert back.headers["Location"] == f"/drafts/{draft.id}", "the conversation that it began is gone again"
    with db.reading() as session:
        assert session.get_one(Draft, draft.id).text == "Good morning"
