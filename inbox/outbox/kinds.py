"""Where kinds of outgoing mail differ, and nowhere else."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from inbox.errors import N_

GIVE_UP_AFTER = timedelta(hours=48)  # of temporary refusals (4xx), counted from the first one
GREYLISTING = tuple(timedelta(minutes=m) for m in (5, 15, 30, 60, 120, 240))  # the last one repeats


@dataclass(frozen=True)
class OutgoingKind:
    """How one kind of mail leaves.

    `priority`: lower leaves first, so human replies overtake everything. `retries`: the waits between tries after a
    temporary refusal, the last one repeats until `give_up_after`. `headers`: what every mail of the kind carries
    besides what its writer composed. `owed`: somebody waits for it, so when it does not arrive its conversation is open
    again. `sent_copy`: whether a copy is laid into the mailbox's Sent folder. `stopped_by`:
    what takes a queued one out again without asking a person.
    """

    title: str
    priority: int
    retries: tuple[timedelta, ...] = GREYLISTING
    give_up_after: timedelta = GIVE_UP_AFTER
    headers: tuple[tuple[str, str], ...] = ()
    owed: bool = True
    sent_copy: bool = False
    stopped_by: frozenset[str] = frozenset()

    def retry_after(self, tries: int) -> timedelta:
        """The wait after the `tries`-th try (counted from 1)."""
        return self.retries[min(tries, len(self.retries)) - 1]


REPLIED = (
    ("Auto-Submitted", "auto-replied"),
    ("X-Auto-Response-Suppress", "All"),  # Exchange
    ("Precedence", "bulk"),  # vacation programs older than RFC 3834
)
GENERATED = (("Auto-Submitted", "auto-generated"), ("X-Auto-Response-Suppress", "All"))

KINDS = {
    "reply": OutgoingKind(N_("Reply"), 10, sent_copy=True),
    "notice": OutgoingKind(N_("Notice to the team"), 20, headers=GENERATED),
    "auto_reply": OutgoingKind(
        N_("Automatic answer"),
        30,
        headers=REPLIED,
        owed=False,
        stopped_by=frozenset({"person_blocked", "person_bounced"}),
    ),
    "survey": OutgoingKind(
        N_("Survey"), 60, stopped_by=frozenset({"person_blocked", "person_bounced", "unsubscribed", "customer_wrote"})
    ),
    "sequence": OutgoingKind(
        N_("Sequence"),
        70,
        sent_copy=True,
        stopped_by=frozenset({"person_blocked", "person_bounced", "unsubscribed", "customer_wrote"}),
    ),
    "broadcast": OutgoingKind(
        N_("Broadcast"), 90, stopped_by=frozenset({"person_blocked", "person_bounced", "unsubscribed"})
    ),
}
