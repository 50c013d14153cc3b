"""Hand-over notes: for one mailbox or all, until a time, with who read them."""

from __future__ import annotations

import pytest
from sqlalchemy.orm import Session

from inbox import handovers
from inbox.errors import Forbidden, NotFound, UserError
from tests.inbox.cast import DAY, HOUR, NOW, a_mailbox, a_viewer


@pytest.fixture
def support(session: Session):
    return a_mailbox(session)


@pytest.fixture
def aoi(session: Session, support):
    a_mailbox(session, "Sales")
    return a_viewer(session, "Aoi", support)


def texts(session: Session, who, **more) -> list[str]:
    return [note.text for note in handovers.current(session, who, **{"now": NOW, **more})]


def write(session: Session, who, text: str, mailbox=None, **more) -> int:
    given = {"until": NOW + DAY, "now": NOW, **more}
    return handovers.write(session, who, text=text, mailbox_id=mailbox.id if mailbox else None, **given)


def test_notes_reach_those_who_see_the_mailbox_until_their_time_is_over(session, support, aoi) -> None:
    ben, mei = a_viewer(session, "Ben"), a_viewer(session, "Mei", support, role="manager")
    write(session, aoi, "  山田様から電話あり\0 ", support)
    write(session, mei, "明日は棚卸です", until=NOW + HOUR)
    assert texts(session, aoi) == ["明日は棚卸です", "山田様から電話あり"]
    assert texts(session, aoi, mailbox_id=support.id) == texts(session, aoi)
    assert texts(session, ben) == ["明日は棚卸です"]
    assert texts(session, aoi, now=NOW + HOUR) == ["山田様から電話あり"]
    assert texts(session, aoi, now=NOW + DAY) == []


def test_who_read_it_is_told_and_unread_ones_stand_first(session, support, aoi) -> None:
    ben = a_viewer(session, "Ben", support)
    first = write(session, aoi, "one", support)
    write(session, aoi, "two", support)
    handovers.read(session, ben, first, now=NOW)
    handovers.read(session, ben, first, now=NOW + HOUR)
    two, one = handovers.current(session, ben, now=NOW)
    assert (two.text, two.unread, two.read_by) == ("two", True, ("Aoi",))
    assert (one.unread, one.read_by, one.may_end) == (False, ("Aoi", "Ben"), False)


def test_its_author_or_a_manager_ends_it(session, support, aoi) -> None:
    note = write(session, aoi, "one", support)
    with pytest.raises(Forbidden):
        handovers.end(session, a_viewer(session, "Ben", support), note, now=NOW)
    with pytest.raises(NotFound):
        handovers.end(session, a_viewer(session, "Cho", role="manager"), note, now=NOW)
    handovers.end(session, a_viewer(session, "Mei", support, role="manager"), note, now=NOW)
    assert texts(session, aoi) == []


def test_wrong_notes_are_refused_at_their_field(session, support, aoi) -> None:
    for given, field in (
        ({"text": " "}, "text"),
        ({"text": "x" * 5_001}, "text"),
        ({"until": NOW}, "until"),
        ({"until": NOW + 500 * DAY}, "until"),
        ({"mailbox": None}, "mailbox"),
    ):
        with pytest.raises(UserError) as refused:
            write(session, aoi, **{"text": "x", "mailbox": support, **given})
        assert refused.value.field == field
    with pytest.raises(NotFound):
        write(session, aoi, "x", a_mailbox(session, "Secret"))
