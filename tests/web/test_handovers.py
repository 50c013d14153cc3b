"""Hand-over notes on their page and above the list."""

from __future__ import annotations

from collections.abc import Callable

from tests.web.conftest import Visitor, World

LATER = "2999-01-01T18:00"


def test_a_note_stands_above_the_list_until_it_is_read_or_over(
    signed_in: Callable[[str], Visitor], world: World, agent: Visitor
) -> None:
    mei = signed_in("manager")
    until = mei.get("/handovers").text.split('name="until"')[1].split('value="')[1].split('"')[0]
    mei.post("/handovers", {"text": "山田様: <b>折り返し</b>", "mailbox": world.support, "until": until})
    page = agent.get("/inbox/open").text
    assert "山田様: &lt;b&gt;折り返し&lt;/b&gt;" in page
    assert "I have read it" in page
    number = page.split("/handovers/")[1].split("/")[0]
    answer = agent.post(f"/handovers/{number}/reading", {"next": "/inbox/open"})
    assert answer.headers["Location"] == "/inbox/open"
    page = agent.get("/inbox/open").text
    assert "1 hand-over note that you have read" in page
    assert "Read by: Mei, Aoi" in page
    assert "折り返し" not in signed_in("outsider").get("/inbox/open").text
    mei.post(f"/handovers/{number}/end")
    assert "折り返し" not in agent.get("/inbox/open").text


def test_in_japanese_too_a_note_says_until_when_it_stands(agent: Visitor, world: World) -> None:
    until = agent.get("/handovers").text.split('name="until"')[1].split('value="')[1].split('"')[0]
    agent.post("/handovers", {"text": "Words", "mailbox": world.support, "until": until})
    agent.post("/appearance", {"locale": "ja"})
    header = agent.get("/handovers").text.split("<header>")[1].split("</header>")[0]
    assert f"{until[11:16]}</time> まで" in header
    assert "から" not in header


def test_a_refused_note_keeps_its_words(agent: Visitor, world: World) -> None:
    for typed, field in (
        ({"text": "", "mailbox": world.support, "until": LATER}, "text"),
        ({"text": "Words", "mailbox": world.support, "until": "soon"}, "until"),
        ({"text": "Words", "mailbox": world.support, "until": LATER}, "until"),
        ({"text": "Words", "mailbox": "", "until": LATER[:3] + "0" + LATER[4:]}, "until"),
    ):
        again = agent.post("/handovers", typed)
        assert again.status_code == 400
        assert f'id="{field}-error"' in again.text
        assert str(typed["text"]) in again.text
    assert agent.post("/handovers", {"text": "x", "mailbox": world.sales, "until": LATER}).status_code in (400, 404)


def test_the_hour_of_the_digest_is_chosen_at_the_foot_of_the_board(agent: Visitor, world: World) -> None:
    assert "This board by mail" in agent.get("/board").text
    agent.post("/board/digest", {"hour": "9"})
    assert '<option value="9" selected>' in agent.get("/board").text
    agent.post("/board/digest", {"hour": ""})
    assert '<option value="" selected>' in agent.get("/board").text
