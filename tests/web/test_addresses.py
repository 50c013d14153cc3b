"""Addresses come out as Flask itself would write them."""

from __future__ import annotations

import pytest
from flask import Flask, url_for
from werkzeug.routing import BuildError

ASKED = [
    ("inbox.home", {}),
    ("inbox.show", {"box": "open"}),
    ("inbox.show", {"box": "未 対応/x?", "mailbox": 3, "order": None, "after": "o12_3"}),
    ("search.show", {"q": "請求書 & co+#"}),
    ("conversations.show", {"conversation_id": 7, "draft": None, "box": "mine"}),
    ("conversations.show", {"conversation_id": 7, "_anchor": "m7 %"}),
    ("static", {"name": "css/app.css", "v": "1a"}),
    ("inbox.show", {"box": "open", "_external": True}),
    ("inbox.show", {"box": "open", "tag": [1, 2]}),
]


@pytest.mark.parametrize(("endpoint", "values"), ASKED)
@pytest.mark.parametrize("root", ["", "/mail"])
def test_an_address_is_the_one_that_flask_makes(
    app: Flask, endpoint: str, values: dict[str, object], root: str
) -> None:
    with app.test_request_context("/", base_url=f"http://localhost{root}"):
        assert url_for(endpoint, **values) == Flask.url_for(app, endpoint, **values)


@pytest.mark.parametrize("endpoint", ["conversations.show", "nowhere.show"])
def test_an_address_that_cannot_be_made_is_still_an_error(app: Flask, endpoint: str) -> None:
    with app.test_request_context("/"), pytest.raises(BuildError):
        url_for(endpoint)
