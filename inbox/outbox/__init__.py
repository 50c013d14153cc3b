"""The one queue for everything that leaves: replies, automatic answers, sequences, surveys, notices.

A mail is composed once, with its Message-ID, and every try sends the same bytes. Its attempt is committed before the
network is touched, and the moment before DATA once more: from there on nobody but a person, or the mail itself when it
shows up somewhere, says what became of it.
"""

from inbox.outbox.decisions import (
    cancel,
    hold,
    mark_sent,
    pause,
    pause_all,
    release,
    send_now,
    take_back,
    try_again,
    when_taken_back,
)
from inbox.outbox.kinds import KINDS, OutgoingKind
from inbox.outbox.page import (
    AttemptRow,
    OutboxPage,
    OutboxRow,
    RecipientRow,
    attempts,
    counts,
    of_conversation,
    one,
    page,
)
from inbox.outbox.queue import LEASE, Claimed, begin, claim, due_mailboxes, holders, paused_by, put, recipient, renew
from inbox.outbox.queue import release as give_back
from inbox.outbox.settling import Done, found_elsewhere, give_up, lapse, sent_copy_of, settle

__all__ = [
    "KINDS",
    "LEASE",
    "AttemptRow",
    "Claimed",
    "Done",
    "OutboxPage",
    "OutboxRow",
    "OutgoingKind",
    "RecipientRow",
    "attempts",
    "begin",
    "cancel",
    "claim",
    "counts",
    "due_mailboxes",
    "found_elsewhere",
    "give_back",
    "give_up",
    "hold",
    "holders",
    "lapse",
    "mark_sent",
    "of_conversation",
    "one",
    "page",
    "pause",
    "pause_all",
    "paused_by",
    "put",
    "recipient",
    "release",
    "renew",
    "send_now",
    "sent_copy_of",
    "settle",
    "take_back",
    "try_again",
    "when_taken_back",
]
