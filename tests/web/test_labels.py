"""The page of tags, categories and fields: what is refused stays in its own row, with the reason beside it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlalchemy import select

from inbox import db
from inbox.models import Category, CustomField, Tag
from tests.web.conftest import Visitor, World

TYPED = "<typed & kept>"


@pytest.fixture
def manager(world: World, signed_in: Callable[[str], Visitor]) -> Visitor:
    with db.transaction() as session:
        for name in ("Old", "VIP"):
            made = (Tag(name=name), Category(name=name), CustomField(mailbox_id=world.support, name=name, kind="text"))
            session.add_all(made)
            session.flush()
            world.more |= {f"{one.__tablename__} {name}": one.id for one in made}
    return signed_in("manager")


@pytest.mark.parametrize("model", [Tag, Category, CustomField])
def test_a_name_that_another_one_has_is_refused_in_its_own_row(
    world: World, manager: Visitor, model: type[Tag | Category | CustomField]
) -> None:
    number = world.more[f"{model.__tablename__} Old"]
    path = {Tag: "tags", Category: "categories", CustomField: "fields"}[model]
    refused = manager.post(f"/labels/{path}/{number}", {"name": "VIP", "colour": "#112233", "group": TYPED})
    assert refused.status_code == 400
    assert refused.text.count('id="name-error"') == refused.text.count('aria-describedby="name-error"') == 1
    assert refused.text.count('value="VIP"') == 4  # one of each, and what was typed
    assert ("&lt;typed &amp; kept&gt;" in refused.text) == (model is Tag)
    with db.reading() as session:
        assert session.get_one(model, number).name == "Old"


def test_a_colour_that_is_none_is_refused_in_its_own_row(world: World, manager: Visitor) -> None:
    refused = manager.post(f"/labels/tags/{world.more['tag Old']}", {"name": "Kept", "colour": "red", "group": ""})
    assert refused.status_code == 400
    assert 'id="colour-error"' in refused.text
    assert 'value="Kept"' in refused.text


def test_choices_that_were_refused_stand_there_as_they_were_typed(world: World, manager: Visitor) -> None:
    with db.transaction() as session:
        field = CustomField(mailbox_id=world.support, name="Size", kind="choice", choices=["S", "M"])
        session.add(field)
        session.flush()
        number = field.id
    refused = manager.post(f"/labels/fields/{number}", {"name": "Sizes", "choices": ""})
    assert refused.status_code == 400
    assert 'id="choices-error"' in refused.text
    assert 'value="Sizes"' in refused.text
    with db.reading() as session:
        assert session.scalars(select(CustomField.choices).where(CustomField.id == number)).one() == ["S", "M"]
