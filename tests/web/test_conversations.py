"""The conversation page: what it shows, folds and warns of, and what people do on it without answering."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine, select

from inbox import conversations, db, joins, people, triage
from inbox.models import Claim, Conversation, Event, Message, Note, Outgoing, ReadMark, Team
from tests.inbox.cast import HOUR, MINUTE, statements
from tests.web.conftest import Visitor, World, conversation
from tests.web.stories import a_letter, an_answer, arrives

EVIL = '"><img src=x onerror=alert(1)>'


@pytest.fixture
def story(world: World) -> int:
    """A question, an answer, an answer to that with quotation and signature, a note."""
    now = datetime.now(UTC)
    with db.transaction() as session:
        first = arrives(
            session,
            world.support,
            a_letter("まだ届きません。\n\n-- \n山田 太郎\n", at=now - 5 * HOUR),
            at=now - 5 * HOUR,
        )
        who = people.viewer(session, world.users["agent"], 0)
        assert who is not None
        sent = an_answer(session, who, first.conversation_id, "発送しました。", now=now - 4 * HOUR, status="waiting")
        answer = session.get_one(Message, session.get_one(Outgoing, sent.outgoing_id).message_id)
        arrives(
            session,
            world.support,
            a_letter(
                "届きました！\n\n2026年11月20日 Support <support@shop.example>:\n> 発送しました。\n",
                at=now - HOUR,
                answers=answer,
            ),
            at=now - HOUR,
        )
        triage.note(session, who, first.conversation_id, "倉庫に確認済み https://wiki.example/a", now=now - 30 * MINUTE)
        return first.conversation_id


def test_messages_stand_oldest_first_with_new_words_before_folded_ones(agent: Visitor, story: int) -> None:
    page = agent.get(f"/conversations/{story}").text
    places = [page.index(words) for words in ("まだ届きません。", "発送しました。", "届きました！", "倉庫に確認済み")]
    assert places == sorted(places)
    folded = re.search(r'<details class="folded">.{0,400}?山田 太郎', page, re.S)
    assert folded, "the signature is folded, not deleted"
    assert re.search(r"届きました！\s*</div>\s*<details class=\"folded\">", page)


def test_a_note_is_visibly_internal_and_its_links_work(agent: Visitor, story: int) -> None:
    page = agent.get(f"/conversations/{story}").text
    note = re.search(r'<article class="note-entry".*?</article>', page, re.S)
    assert note is not None
    assert "Internal note" in note[0]
    assert '<a href="https://wiki.example/a" rel="noopener noreferrer nofollow"' in note[0]


def test_history_stands_between_the_messages(agent: Visitor, story: int) -> None:
    agent.post(f"/conversations/{story}/owner", {"owner": "me"})
    agent.post(f"/conversations/{story}/tags", {"tag": "配送"})
    agent.post(f"/conversations/{story}/status", {"status": "waiting"})
    page = agent.get(f"/conversations/{story}").text
    for told in ("Aoi took it", "Aoi added the tag “配送”", "Aoi set it to wait for the customer"):
        assert told in page


def test_history_names_the_team_as_long_as_it_stands(agent: Visitor, world: World) -> None:
    with db.transaction() as session:
        team = Team(name="Billing <1>", created_at=datetime.now(UTC))
        session.add(team)
        session.flush()
        told = {"now": datetime.now(UTC), "actor_id": None}
        conversations.give_to_team(session, session.get_one(Conversation, world.free), team.id, **told)
    assert "Handed to the team “Billing &lt;1&gt;”" in agent.get(f"/conversations/{world.free}").text
    with db.transaction() as session:
        conversations.give_to_team(session, session.get_one(Conversation, world.free), None, **told)
        session.delete(session.get_one(Team, team.id))
    page = agent.get(f"/conversations/{world.free}").text
    assert "Handed to another team" in page
    assert "No team is in charge any more" in page


def test_every_text_of_a_mail_is_only_text(agent: Visitor, world: World) -> None:
    now = datetime.now(UTC)
    letter = a_letter(
        EVIL,
        at=now,
        subject=EVIL,
        sender=(EVIL.replace('"', ""), "x@evil.example"),
        files=((EVIL, "text/plain", b"x"),),
    )
    with db.transaction() as session:
        message = arrives(session, world.support, letter, at=now)
        who = people.viewer(session, world.users["agent"], 0)
        assert who is not None
        triage.tag(session, who, message.conversation_id, EVIL, now=now)
        triage.note(session, who, message.conversation_id, EVIL, now=now)
    for path in (f"/conversations/{message.conversation_id}", f"/messages/{message.id}/source"):
        page = agent.get(path)
        assert "<img src=x" not in page.text
        assert "script-src 'self'" in page.headers["Content-Security-Policy"]


def test_a_long_conversation_folds_what_is_read(
    agent: Visitor, world: World, signed_in: Callable[..., Visitor]
) -> None:
    now, before = datetime.now(UTC), None
    with db.transaction() as session:
        for n in range(12):
            at = now - timedelta(hours=30 - n)
            letter = a_letter(
                f"Question {n}", at=at, subject="A long story", sender=("Long", "long@example.jp"), answers=before
            )
            before = arrives(session, world.support, letter, at=at)
        assert before is not None
    story = before.conversation_id
    assert agent.post(f"/conversations/{story}/looks").status_code == 204
    page = agent.get(f"/conversations/{story}").text
    assert "earlier messages" in page
    opened = re.findall(r'<details class="msg-fold" open>', page)
    assert 3 <= len(opened) <= 5
    assert all(f"Question {n}" in page for n in range(12)), "folded, never left out"


def test_looking_marks_read_and_shows_who_looks(
    agent: Visitor, world: World, signed_in: Callable[..., Visitor]
) -> None:
    assert agent.get(f"/conversations/{world.free}").status_code == 200
    with db.reading() as session:
        assert session.scalars(select(ReadMark)).all() == [], "GET changes nothing"
    agent.post(f"/conversations/{world.free}/looks")
    assert conversation(world.free).opened_at is not None
    assert (
        "Aoi"
        in re.search(
            r"Looking at it now.*?</span>", signed_in("manager").get(f"/conversations/{world.free}").text, re.S
        )[0]
    )  # type: ignore[index]
    agent.post(f"/conversations/{world.free}/leaving")
    assert "Looking at it now" not in signed_in("manager").get(f"/conversations/{world.free}").text


@pytest.mark.parametrize(
    ("given", "status"),
    [
        ({"status": "closed"}, "closed"),
        ({"status": "snoozed", "until": "tomorrow"}, "snoozed"),
        ({"status": "spam"}, "spam"),
    ],
)
def test_what_is_done_leads_to_the_next_of_the_list_and_can_be_undone(
    agent: Visitor, world: World, given: dict[str, str], status: str
) -> None:
    done = agent.post(f"/conversations/{world.mine}/status", {**given, "way_box": "open"})
    assert done.status_code == 303
    assert done.headers["Location"].startswith(f"/conversations/{world.free}?box=open"), "the one that is left"
    assert conversation(world.mine).status == status
    page = agent.get(done.headers["Location"]).text
    assert f'action="/conversations/{world.mine}/status"' in page
    agent.post(f"/conversations/{world.mine}/status", {"status": "open", "here": "1"})
    assert conversation(world.mine).status == "open"


def test_opening_again_is_undone_exactly(agent: Visitor, world: World) -> None:
    path = f"/conversations/{world.mine}/status"
    agent.post(path, {"status": "closed"})
    before = conversation(world.mine).closed_at
    page = agent.get(agent.post(path, {"status": "open"}).headers["Location"]).text
    assert 'name="as_before" value="1"' in page
    agent.post(path, {"status": "closed", "here": "1", "as_before": "1"})
    assert conversation(world.mine).closed_at == before


def test_a_snooze_into_the_past_is_refused(agent: Visitor, world: World) -> None:
    assert (
        agent.post(
            f"/conversations/{world.mine}/status", {"status": "snoozed", "until": "2001-01-01T09:00"}
        ).status_code
        == 400
    )
    assert conversation(world.mine).status == "open"


def test_it_can_be_taken_given_away_and_given_back(agent: Visitor, world: World) -> None:
    for owner, expected in (
        ("me", world.users["agent"]),
        (str(world.users["manager"]), world.users["manager"]),
        ("", None),
    ):
        agent.post(f"/conversations/{world.free}/owner", {"owner": owner})
        assert conversation(world.free).owner_id == expected
    assert agent.post(f"/conversations/{world.free}/owner", {"owner": str(world.users["outsider"])}).status_code == 400


def test_notes_and_tags_are_written_once(agent: Visitor, world: World) -> None:
    done = agent.post(f"/conversations/{world.free}/notes", {"text": "Called them."})
    with db.reading() as session:
        note = session.scalars(select(Note)).one()
    assert done.headers["Location"].endswith(f"#note-{note.id}")
    assert agent.post(f"/conversations/{world.free}/notes", {"text": "  "}).status_code == 400
    agent.post(f"/conversations/{world.free}/tags", {"tag": "VIP"})
    agent.post(f"/conversations/{world.free}/tags", {"tag": "VIP"})
    with db.reading() as session:
        assert len(session.scalars(select(Event).where(Event.kind == "tagged")).all()) == 1


def test_a_claim_is_seen_by_the_others_and_taken_over_in_writing(
    agent: Visitor, world: World, signed_in: Callable[..., Visitor]
) -> None:
    mei = signed_in("manager")
    assert agent.post(f"/conversations/{world.free}/claim").text.strip() == ""
    told = mei.post(f"/conversations/{world.free}/claim").text
    assert "Aoi is writing an answer" in told
    assert "Aoi is writing" in mei.get(f"/conversations/{world.free}").text
    mei.post(f"/conversations/{world.free}/claim/takeover", {"reason": "Aoi went home"})
    with db.reading() as session:
        assert session.scalars(select(Claim)).one().user_id == world.users["manager"]
    assert "Mei took the writing over from Aoi: Aoi went home" in agent.get(f"/conversations/{world.free}").text
    mei.post(f"/conversations/{world.free}/claim/release")
    assert agent.post(f"/conversations/{world.free}/claim").text.strip() == ""


def test_two_conversations_are_joined_by_one_click_and_parted_again(agent: Visitor, world: World) -> None:
    with db.transaction() as session:
        joins.offer(session, world.free, world.mine, reason="same person", now=datetime.now(UTC))
    page = agent.get(f"/conversations/{world.free}").text
    assert "Is this the same matter?" in page
    done = agent.post("/joins", {"id": [world.free, world.mine]})
    kept = min(world.free, world.mine)
    assert done.headers["Location"] == f"/conversations/{kept}"
    gone = max(world.free, world.mine)
    assert agent.get(f"/conversations/{gone}").headers["Location"] == f"/conversations/{kept}", (
        "its old address leads on"
    )
    page = agent.get(f"/conversations/{kept}").text
    assert "Words about Broken lamp" in page
    assert "Words about 届きません" in page
    parting = re.search(r'name="part" value="(\d+)"', page)
    assert parting is not None
    agent.post("/joins/partings", {"part": parting[1]})
    assert agent.get(f"/conversations/{gone}").status_code == 200


def test_a_script_gets_what_changes_without_the_house(agent: Visitor, world: World) -> None:
    part = agent.get(f"/conversations/{world.mine}", headers={"X-Fragment": "1"}).text
    assert "data-thread" in part
    assert "<html" not in part
    assert 'class="side"' not in part


def test_a_strange_sender_is_named(agent: Visitor, world: World) -> None:
    now = datetime.now(UTC)
    with db.transaction() as session:
        message = arrives(
            session,
            world.support,
            a_letter("Pay!", at=now, sender=("support@shop.example", "mallory@evil.example")),
            at=now,
        )
    page = agent.get(f"/conversations/{message.conversation_id}").text
    assert "The name shows another address than the true one: mallory@evil.example" in page


def test_the_page_asks_few_queries_however_long_it_is(agent: Visitor, world: World, engine: Engine) -> None:
    now, before = datetime.now(UTC), None
    with db.transaction() as session:
        for n in range(20):
            at = now - timedelta(hours=30 - n)
            before = arrives(session, world.support, a_letter(f"Q {n}", at=at, subject="S", answers=before), at=at)
        assert before is not None
    counted = []
    for path in (f"/conversations/{world.mine}?box=open", f"/conversations/{before.conversation_id}?box=open"):
        agent.get(path)
        with statements(engine) as asked:
            agent.get(path)
        counted.append(len(asked))
    assert abs(counted[0] - counted[1]) <= 2
    assert max(counted) <= 12, counted


def test_unread_goes_back_to_the_list(agent: Visitor, world: World) -> None:
    agent.post(f"/conversations/{world.mine}/looks")
    done = agent.post(f"/conversations/{world.mine}/unread", {"way_box": "mine"})
    assert done.headers["Location"] == "/inbox/mine"
    with db.reading() as session:
        assert session.scalars(select(ReadMark)).all() == []
