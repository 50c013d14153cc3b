"""Why a mail was treated as it was: what became of each rule, kept with the mail, put into sentences by `web`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from routing.conditions import Reason

How = Literal["matched", "not_matched", "disabled", "not_triggered", "after_stop", "after_cap", "failed"]


@dataclass(frozen=True, slots=True)
class LeftOut:
    """An action that a matched rule asked for in vain. `index`: its place in the rule.

    `why`: decided (rule `by` had decided the same before; the rule itself, when it asks twice), capped
    (evaluation.MOST_ACTIONS).
    """

    index: int
    why: Literal["decided", "capped"]
    by: int | None = None


class Trace(NamedTuple):
    """What became of one rule.

    `how`: matched and not_matched with the questions that decided in `why` (none when the rule takes every mail);
    disabled; not_triggered (waits for something else); after_stop (rule `by` stopped the rest); after_cap (rule `by`
    went beyond evaluation.MOST_ACTIONS); failed, with `error`: an English msgid and its parameters, the first mistake
    of a broken rule or what went wrong as it ran.
    """

    rule_id: int
    version: int
    how: How
    why: tuple[Reason, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    by: int | None = None
    error: str = ""
    params: tuple[tuple[str, str], ...] = ()


def trace_json(traces: Iterable[Trace]) -> list[dict[str, Any]]:
    """The trace as it is stored with a mail, without what is empty:

    {"rule": 4, "version": 2, "how": "matched", "why": [["all.0", true, "ご請求について", "請求"]],
     "left_out": [[1, "decided", 3]], "by": 3, "error": "…", "params": {"id": "7"}}
    """
    return [_trace_json(one) for one in traces]


def trace_from(data: Iterable[Mapping[str, Any]]) -> tuple[Trace, ...]:
    """What `trace_json` wrote; the questions of a reason stand in the rule's version (`conditions.question_at`)."""
    return tuple(
        Trace(
            one["rule"],
            one["version"],
            one["how"],
            why=tuple(Reason(*why) for why in one.get("why", ())),
            left_out=tuple(LeftOut(*what) for what in one.get("left_out", ())),
            by=one.get("by"),
            error=one.get("error", ""),
            params=tuple(one.get("params", {}).items()),
        )
        for one in data
    )


def _trace_json(one: Trace) -> dict[str, Any]:
    told: dict[str, Any] = {"rule": one.rule_id, "version": one.version, "how": one.how}
    if one.why:
        told["why"] = [list(reason) for reason in one.why]
    if one.left_out:
        told["left_out"] = [[what.index, what.why, what.by] for what in one.left_out]
    if one.by is not None:
        told["by"] = one.by
    if one.error:
        told |= {"error": one.error, "params": dict(one.params)}
    return told
