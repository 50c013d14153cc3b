"""The quarantine page: why, what its header says without carrying anything out, the original, another try."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from inbox import db
from inbox.models import RawMail
from tests.web.conftest import Visitor, World, a_broken_mail

EVIL = '"><img src=x onerror=alert(1)>'
pytestmark = pytest.mark.only_on("sqlite")


def broken(mailbox_id: int, **more: object) -> int:
    with db.transaction() as session:
        return a_broken_mail(session, mailbox_id, **more)


def state_of(raw_id: int) -> str:
    with db.reading() as session:
        return session.get_one(RawMail, raw_id).state


def test_the_cause_stands_there_in_words_and_nothing_of_the_mail_runs(agent: Visitor, world: World) -> None:
    raw_id = broken(
        world.support,
        cause="timeout",
        detail=EVIL,
        subject=EVIL,
        sender=EVIL,
        headers={"from": EVIL, EVIL: "x", "subject": EVIL},
    )
    for path in ("/quarantine", f"/quarantine/{raw_id}"):
        page = agent.get(path).text
        assert "Reading it took too long." in page
        assert "<img" not in page.split("<main")[1].split("</main>")[0]
        assert "&lt;img src=x onerror=alert(1)&gt;" in page


def test_the_original_is_a_download_byte_for_byte(agent: Visitor, world: World) -> None:
    raw = b"From: <script>alert(1)</script>\r\n\r\n\xff\xfe"
    raw_id = broken(world.support, raw=raw)
    response = agent.get(f"/quarantine/{raw_id}/original")
    assert response.data == raw
    assert response.headers["Content-Disposition"].startswith("attachment")
    assert "sandbox" in response.headers["Content-Security-Policy"]
    assert response.headers["X-Content-Type-Options"] == "nosniff"


def test_a_mail_without_bytes_has_no_download_but_can_be_fetched(agent: Visitor, world: World) -> None:
    raw_id = broken(world.support, raw=b"", cause="too_large")
    page = agent.get(f"/quarantine/{raw_id}").text
    assert "Fetch and read again" in page
    assert "/original" not in page
    assert agent.get(f"/quarantine/{raw_id}/original").status_code == 404


def test_one_is_read_again_or_all_and_those_of_others_are_not(
    agent: Visitor, signed_in: Callable[[str], Visitor], world: World
) -> None:
    mine, too, theirs = broken(world.support), broken(world.support), broken(world.sales)
    assert agent.post("/quarantine/readings", {"id": str(mine)}).status_code == 303
    assert (state_of(mine), state_of(too), state_of(theirs)) == ("pending", "quarantined", "quarantined")
    agent.post("/quarantine/readings", {"all": "1"})
    assert (state_of(too), state_of(theirs)) == ("pending", "quarantined")
    assert agent.post("/quarantine/readings", {"id": str(theirs)}).status_code == 404
    assert state_of(theirs) == "quarantined"


def test_leaving_aside_is_for_managers_and_written_down(
    agent: Visitor, signed_in: Callable[[str], Visitor], world: World
) -> None:
    assert agent.post("/quarantine/dismissals", {"id": str(world.broken)}).status_code == 403
    signed_in("manager").post("/quarantine/dismissals", {"id": str(world.broken)})
    assert state_of(world.broken) == "ignored"
    assert "left mail of the quarantine aside" in signed_in("admin").get("/people/audit-trail").text


def test_others_do_not_learn_that_it_exists(signed_in: Callable[[str], Visitor], world: World) -> None:
    outsider = signed_in("outsider")
    assert "bomb" not in outsider.get("/quarantine").text
    assert outsider.get(f"/quarantine/{world.broken}").status_code == 404


def test_older_pages_are_reached_by_key(agent: Visitor, world: World) -> None:
    for number in range(52):
        broken(world.support, subject=f"bomb no. {number:02}")
    first = agent.get("/quarantine").text
    assert "bomb no. 51" in first
    assert "bomb no. 00" not in first
    older = first.split('rel="next" href="')[1].split('"')[0].replace("&amp;", "&")
    assert "bomb no. 00" in agent.get(older).text
