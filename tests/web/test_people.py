"""The team's pages: inviting with a link that is shown once, rights, the audit trail."""

from __future__ import annotations

import re
from collections.abc import Callable

from sqlalchemy import select

from inbox import db, people
from inbox.models import Outgoing, User
from tests.web.conftest import Visitor, World, user

KEI = {"email": "kei@shop.example", "name": "Kei", "role": "agent", "locale": "en"}


def link_in(text: str) -> str:
    found = re.search(r'value="https?://[^"/]+(/links/invite/[^"]+)"', text)
    assert found
    return found[1]


def test_an_invitation_is_mailed_and_its_link_shown_and_it_works_once(
    signed_in: Callable[[str], Visitor], world: World, visitor: Visitor
) -> None:
    admin = signed_in("admin")
    shown = admin.post("/people/invitations", KEI | {"mailbox_ids": [str(world.support)]})
    assert "A mail with this link is on its way to kei@shop.example." in shown.text
    link = link_in(shown.text)
    assert visitor.get(link).status_code == 200
    assert visitor.post(link, {"name": "Kei", "password": "a sentence of Kei"}).status_code == 303
    assert Visitor(admin.client.application).get(link).status_code == 404
    with db.reading() as session:
        kei = session.scalars(select(User).where(User.email == "kei@shop.example")).one()
        assert people.of(session, kei).mailbox_ids == (world.support,)
        mailed = session.scalars(select(Outgoing).where(Outgoing.kind == "notice")).one()
    assert mailed.recipients[0]["address"] == "kei@shop.example"
    assert "invites you to Madoguchi" in mailed.subject


def test_without_a_mailbox_that_sends_the_page_says_to_hand_over_the_link(
    signed_in: Callable[[str], Visitor], world: World
) -> None:
    admin = signed_in("admin")
    admin.post("/outbox/pauses", {"mailbox": "all", "on": "1"})
    shown = admin.post("/people/invitations", KEI)
    assert "Give Kei this link yourself." in shown.text
    assert link_in(shown.text)


def test_inviting_again_kills_the_older_link(
    signed_in: Callable[[str], Visitor], world: World, visitor: Visitor
) -> None:
    admin = signed_in("admin")
    first = link_in(admin.post("/people/invitations", KEI).text)
    with db.reading() as session:
        kei = session.scalars(select(User.id).where(User.email == "kei@shop.example")).one()
    second = link_in(admin.post(f"/people/{kei}/invitation").text)
    assert visitor.get(first).status_code == 404
    assert visitor.get(second).status_code == 200


def test_a_wrong_invitation_keeps_what_was_typed_and_names_the_field(
    signed_in: Callable[[str], Visitor], world: World
) -> None:
    again = signed_in("admin").post(
        "/people/invitations", KEI | {"email": "no address", "mailbox_ids": [str(world.sales)]}
    )
    assert again.status_code == 400
    assert 'id="email-error"' in again.text
    assert 'value="no address"' in again.text
    assert re.search(rf'name="mailbox_ids" value="{world.sales}" checked', again.text)
    assert not re.search(rf'name="mailbox_ids" value="{world.support}" checked', again.text)


def test_somebody_who_is_there_already_is_not_invited_twice(signed_in: Callable[[str], Visitor], world: World) -> None:
    again = signed_in("admin").post("/people/invitations", KEI | {"email": "aoi@shop.example"})
    assert again.status_code == 400
    assert "in the team already" in again.text


def test_rights_are_changed_and_a_deactivated_person_is_out_at_once(
    signed_in: Callable[[str], Visitor], world: World, agent: Visitor
) -> None:
    admin, aoi = signed_in("admin"), world.users["agent"]
    assert agent.get("/outbox").status_code == 200
    admin.post(f"/people/{aoi}", {"role": "manager", "active": "1", "mailbox_ids": [str(world.sales)]})
    assert user(aoi).role == "manager"
    assert agent.get("/people").status_code == 200
    admin.post(f"/people/{aoi}", {"role": "manager", "mailbox_ids": [str(world.sales)]})
    assert not user(aoi).active
    assert "/sign-in" in agent.get("/outbox").headers["Location"]


def test_the_last_administrator_cannot_take_the_rights_away(signed_in: Callable[[str], Visitor], world: World) -> None:
    rin = world.users["admin"]
    again = signed_in("admin").post(f"/people/{rin}", {"role": "agent", "active": "1"})
    assert again.status_code == 400
    assert "your own administrator rights" in again.text
    assert user(rin).role == "admin"


def test_a_manager_sees_the_team_but_changes_nothing(signed_in: Callable[[str], Visitor], world: World) -> None:
    page = signed_in("manager").get("/people").text
    assert "aoi@shop.example" in page
    assert "/people/invitations" not in page
    assert f"/people/{world.users['agent']}" not in page


def test_the_audit_trail_tells_who_did_what_and_no_token(signed_in: Callable[[str], Visitor], world: World) -> None:
    admin = signed_in("admin")
    token = link_in(admin.post("/people/invitations", KEI | {"name": "<b>Kei</b>"}).text).rpartition("/")[2]
    trail = admin.get("/people/audit-trail").text
    assert "<strong>Rin</strong> invited" in trail
    assert "kei@shop.example" in trail
    assert token not in trail


def test_the_audit_trail_has_older_pages(signed_in: Callable[[str], Visitor], world: World) -> None:
    from datetime import UTC, datetime

    with db.transaction() as session:
        for number in range(130):
            people.audit(session, None, "mailbox_on", now=datetime.now(UTC), number=f"no. {number:03}")
    admin = signed_in("admin")
    first = admin.get("/people/audit-trail").text
    assert "no. 129" in first
    assert "no. 029" not in first
    older = first.split('rel="next" href="')[1].split('"')[0]
    assert "no. 029" in admin.get(older).text


def test_an_id_that_no_database_can_hold_is_just_not_found(signed_in: Callable[[str], Visitor], world: World) -> None:
    assert signed_in("admin").get("/people/99999999999999999999999").status_code == 404
    assert signed_in("admin").get("/outbox/99999999999999999999999").status_code == 404
