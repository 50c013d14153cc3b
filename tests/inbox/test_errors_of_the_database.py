"""What the database refuses is logged and shown in the quarantine: without what stood in the statement."""

from __future__ import annotations

import traceback

import pytest
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from inbox.models import User
from tests.inbox.cast import NOW, a_user

CANARY = "canary-6a1f-horse"


def test_s29_an_error_of_the_database_tells_no_value(session: Session) -> None:
    aoi = a_user(session, "Aoi")
    again = User(email=aoi.email, name="Aoi", role="agent", locale="ja", created_at=NOW, password_hash=CANARY)
    session.add(again)
    with pytest.raises(DBAPIError) as caught:
        session.flush()
    assert "INSERT" in str(caught.value)
    assert "unique" in str(caught.value).lower()
    told = "".join(traceback.format_exception(caught.value)) + str(caught.value.orig) + repr(caught.value.orig)
    assert CANARY not in told
    assert aoi.email not in told
