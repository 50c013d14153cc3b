"""May this person's answer leave? Decided from what its author saw and who else is writing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Reason = Literal["", "stale", "claimed"]


@dataclass(frozen=True, slots=True)
class ReplyFacts:
    """`seen` is the conversation's version that the author saw, `version` the one it has now.

    `claimed_by` is whoever writes an answer just now (a claim that has not lapsed), None for nobody.
    """

    author_id: int
    seen: int
    version: int
    claimed_by: int | None


@dataclass(frozen=True, slots=True)
class MayReply:
    """`reason`: stale (something was added since), claimed (a colleague is writing), "" when it may leave."""

    may: bool
    reason: Reason = ""


def may_reply(facts: ReplyFacts) -> MayReply:
    """An answer leaves only if its author has seen everything and nobody else is writing one.

    What came in weighs more than who writes: the author must read it before anything else makes sense.
    """
    if facts.seen != facts.version:
        return MayReply(False, "stale")
    if facts.claimed_by is not None and facts.claimed_by != facts.author_id:
        return MayReply(False, "claimed")
    return MayReply(True)
