"""The form in which the demo's conversations are written down: a scenario is a list of turns with alternatives."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Turn:
    """One mail of a scenario. `texts` are alternatives; `hours` is the time since the mail before it."""

    by_team: bool
    texts: tuple[str, ...]
    attach: str = ""  # a name in inbox.demo.attachments.KINDS
    hours: tuple[int, int] = (1, 24)
    private: bool = False  # a person, not a company


@dataclass(frozen=True)
class Scenario:
    """A kind of conversation: subjects and turns with slots in braces."""

    name: str
    subjects: tuple[str, ...]
    turns: tuple[Turn, ...]
    billing: bool = False  # written to billing@ now and then
    urgent: bool = False
    mobile: bool = False  # often written on a phone, also from carriers' addresses

    @property
    def private(self) -> bool:
        return self.turns[0].private


def scenario(
    name: str,
    subjects: tuple[str, ...],
    *turns: Turn,
    billing: bool = False,
    urgent: bool = False,
    mobile: bool = False,
) -> Scenario:
    return Scenario(name, subjects, turns, billing=billing, urgent=urgent, mobile=mobile)


def customer(*texts: str, attach: str = "", hours: tuple[int, int] = (1, 24), private: bool = False) -> Turn:
    """A mail by the customer."""
    return Turn(False, texts, attach=attach, hours=hours, private=private)


def team(*texts: str, attach: str = "", hours: tuple[int, int] = (1, 24)) -> Turn:
    """An answer by the team."""
    return Turn(True, texts, attach=attach, hours=hours)
