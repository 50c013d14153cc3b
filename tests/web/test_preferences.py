"""A person's own settings."""

from __future__ import annotations

from collections.abc import Callable

from inbox import db, people
from tests.web.conftest import PASSWORD, Visitor, World, user

SETTINGS = {
    "name": "葵",
    "locale": "ja",
    "time_zone": "Europe/Berlin",
    "theme": "dark",
    "undo_seconds": "30",
    "after_send": "stay",
}


def test_everything_is_saved_and_the_next_page_speaks_the_new_language(agent: Visitor, world: World) -> None:
    assert agent.post("/preferences", SETTINGS).status_code == 303
    aoi = user(world.users["agent"])
    assert (aoi.name, aoi.locale, aoi.time_zone, aoi.theme, aoi.undo_seconds, aoi.after_send) == (
        "葵", "ja", "Europe/Berlin", "dark", 30, "stay",
    )  # fmt: skip
    assert '<html lang="ja"' in agent.get("/preferences").text


def test_a_wrong_value_is_named_at_its_field_and_nothing_is_saved(agent: Visitor, world: World) -> None:
    for name, value in (
        ("undo_seconds", "61"),
        ("undo_seconds", "soon"),
        ("time_zone", "Mars/Olympus"),
        ("locale", "xx"),
        ("name", "  "),
    ):
        again = agent.post("/preferences", SETTINGS | {name: value})
        assert again.status_code == 400
        assert f'id="{name}-error"' in again.text
    assert user(world.users["agent"]).name == "Aoi"


def test_a_signature_of_ones_own_is_cleaned_and_given_back(agent: Visitor, world: World) -> None:
    path = f"/preferences/signatures/{world.support}"
    agent.post(
        path, {"from_name": "Aoi of Support", "own": "1", "html": "Aoi<script>alert(1)</script><br><b>Support</b>"}
    )
    own = signature(world)
    assert own.from_name == "Aoi of Support"
    assert own.html is not None
    assert "<b>Support</b>" in own.html
    assert "script" not in own.html
    agent.post(path, {"from_name": "", "html": "whatever"})
    assert (signature(world).from_name, signature(world).html) == (None, None)


def test_lines_typed_without_the_editor_stay_lines(agent: Visitor, world: World) -> None:
    agent.post(f"/preferences/signatures/{world.support}", {"own": "1", "html": "葵\r\nTel. 03-0000 & more"})
    assert signature(world).html == "葵<br>Tel. 03-0000 &amp; more"


def test_nobody_signs_in_a_mailbox_of_others(signed_in: Callable[[str], Visitor], world: World) -> None:
    assert signed_in("outsider").post(f"/preferences/signatures/{world.support}", {"html": "x"}).status_code == 404


def test_a_new_password_signs_out_every_other_browser_but_not_this_one(
    signed_in: Callable[[str], Visitor], world: World
) -> None:
    here, there = signed_in("agent"), signed_in("agent")
    wrong = here.post("/preferences/password", {"old": "not it", "password": "another long sentence"})
    assert 'id="old-error"' in wrong.text
    weak = here.post("/preferences/password", {"old": PASSWORD, "password": "short"})
    assert 'id="password-error"' in weak.text
    assert here.post("/preferences/password", {"old": PASSWORD, "password": "another long sentence"}).status_code == 303
    assert here.get("/preferences").status_code == 200
    assert there.get("/preferences").status_code == 303


def test_other_browsers_are_signed_out_on_demand(signed_in: Callable[[str], Visitor], world: World) -> None:
    here, there = signed_in("agent"), signed_in("agent")
    assert here.post("/preferences/sessions").status_code == 303
    assert here.get("/preferences").status_code == 200
    assert there.get("/preferences").status_code == 303


def signature(world: World) -> people.Signature:
    with db.reading() as session:
        who = people.viewer(session, world.users["agent"], 0)
        assert who is not None
        return people.signatures(session, who)[0]
