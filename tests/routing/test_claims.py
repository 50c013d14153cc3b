from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from routing.claims import MayReply, ReplyFacts, may_reply

AKI, BEN = 1, 2


def facts(*, seen: int = 3, version: int = 3, claimed_by: int | None = None) -> ReplyFacts:
    return ReplyFacts(author_id=AKI, seen=seen, version=version, claimed_by=claimed_by)


def test_who_has_seen_everything_may_reply() -> None:
    assert may_reply(facts()) == MayReply(True)


def test_ones_own_claim_is_no_hindrance() -> None:
    assert may_reply(facts(claimed_by=AKI)).may


def test_nobody_replies_over_what_they_have_not_seen() -> None:
    assert may_reply(facts(seen=2)) == MayReply(False, "stale")


def test_nobody_replies_while_a_colleague_writes() -> None:
    assert may_reply(facts(claimed_by=BEN)) == MayReply(False, "claimed")


def test_unread_words_are_told_before_the_colleague() -> None:
    assert may_reply(facts(seen=2, claimed_by=BEN)).reason == "stale"


@given(st.integers(0, 5), st.integers(0, 5), st.none() | st.integers(1, 3))
def test_a_reason_stands_exactly_where_it_may_not(seen: int, version: int, claimed_by: int | None) -> None:
    decided = may_reply(facts(seen=seen, version=version, claimed_by=claimed_by))
    assert decided.may == (decided.reason == "")
    assert not decided.may or seen == version
