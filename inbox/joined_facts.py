"""What a conversation is when two become one, and what is left when they are parted. Pure: facts in, facts out.

Facts are the values of a conversation's own columns, by name. A join can be parted at any time and in any order: the
joins made later into the same conversation are taken back in thought, newest first, and made again without it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

Facts = Mapping[str, Any]

OF_THE_LAST_MESSAGE = ("activity_at", "snippet", "last_direction")
EARLIEST = ("waiting_since", "opened_at", "began_at", "first_asked_at")
COUNTS = ("message_count", "attachment_count")
MOST_URGENT_FIRST = ("open", "snoozed", "waiting", "closed", "spam")
PEOPLE_CHARACTERS = 500


@dataclass(frozen=True)
class Joint:
    """One join: what the conversation that goes on was before and after it, and what the other one was."""

    before: Facts
    other: Facts
    after: Facts


def united(one: Facts, other: Facts) -> dict[str, Any]:
    """As urgent as the more urgent of the two, waiting as long as the longer; what else only one of them has, stays."""
    last = max((one, other), key=lambda facts: facts["activity_at"])
    status = min((one["status"], other["status"]), key=MOST_URGENT_FIRST.index)
    facts = {name: other[name] if value in (None, "") else value for name, value in one.items()}
    facts |= {name: last[name] for name in OF_THE_LAST_MESSAGE}
    facts |= {name: one[name] + other[name] for name in COUNTS}
    facts |= {name: _earliest(one[name], other[name]) for name in EARLIEST if name in one}
    facts["status"] = status
    facts["snoozed_until"] = _earliest(one["snoozed_until"], other["snoozed_until"]) if status == "snoozed" else None
    closed = last["closed_at"] or one["closed_at"] or other["closed_at"]
    facts["closed_at"] = closed if status == "closed" else None
    names = dict.fromkeys(filter(None, f"{one['people']}, {other['people']}".split(", ")))
    facts["people"] = ", ".join(names)[:PEOPLE_CHARACTERS]
    return facts


def parted(present: Facts, joint: Joint, later: Sequence[Joint]) -> tuple[dict[str, Any], list[Joint]]:
    """The conversation without `joint`, and the `later` joins (oldest first) as they are without it.

    What somebody changed since the join stays as it is now.
    """
    facts = dict(present)
    for one in (*reversed(later), joint):
        facts = _without(facts, one)
    again = []
    for one in later:
        before, facts = facts, united(facts, one.other)
        again.append(Joint(before=before, other=one.other, after=facts))
    if later:  # what was changed since the last of them was made stays changed
        facts |= {
            name: present[name] for name in facts if name not in COUNTS and present[name] != later[-1].after[name]
        }
    return facts, again


def _without(present: Facts, joint: Joint) -> dict[str, Any]:
    facts = {name: joint.before[name] if value == joint.after[name] else value for name, value in present.items()}
    return facts | {name: max(0, present[name] - joint.other[name]) for name in COUNTS}


def _earliest(*times: datetime | None) -> datetime | None:
    known: Iterable[datetime] = filter(None, times)
    return min(known, default=None)
