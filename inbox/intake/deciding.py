"""Decides where an incoming mail belongs, from what is known; writes nothing.

By ids alone: first a signed id of ours, then the mails that it names. Who did not take part so far joins only a mail
that really stands in the conversation, and is marked; an id of ours without its signature joins nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

from inbox.intake.knowing import Knowledge, Stored
from inbox.models import Conversation
from inbox.reading import Reading


@dataclass(frozen=True)
class Place:
    """Where a mail belongs: a conversation, or None for a new one; `unverified` when its sender took no part before."""

    conversation: Conversation | None
    unverified: bool = False


def place_of(known: Knowledge, reading: Reading, *, trusted: bool) -> Place:
    """The conversation that a mail goes on with. `trusted`: it stands in our own Sent folder."""
    sender = {one[1].lower() for one in reading.from_[:1]}
    for conversation, is_real in _candidates(known, reading):
        if trusted or sender & known.taking_part.get(conversation, set()):
            return Place(conversation)
        if is_real:
            return Place(conversation, unverified=True)
    return Place(None)


def copy_of(candidates: list[Stored], reading: Reading) -> Stored | None:
    """The message that a mail repeats word for word, over another of our addresses perhaps; same Message-ID is not
    enough."""
    return next((one for one in candidates if _is_same(one, reading)), None)


def _candidates(known: Knowledge, reading: Reading) -> list[tuple[Conversation, bool]]:
    """Conversations that the mail names, the most trustworthy first, and whether the named mail really stands there."""
    found: dict[Conversation, bool] = {}
    stand = (known.conversation(known.threads.get(key)) for key in reading.names)
    nearest = next(
        (one for key, one in zip(reading.names, stand, strict=True) if one and _stands(known, key, one)), None
    )
    for conversation_id in reading.ours:
        conversation = known.conversations.get(conversation_id)
        if nearest not in (None, conversation):
            continue  # the mail of ours that it answers was split off since
        if conversation is not None and (conversation.mailbox_id == known.mailbox_id or _leads_to(known, conversation)):
            # its number alone proves nothing: after a restored backup another conversation has it
            found[conversation] = any(_stands(known, key, conversation) for key in reading.names)
    for key in reading.names:
        conversation = known.conversation(known.threads.get(key))
        if conversation is None:
            continue
        found[conversation] = found.get(conversation, False) or _stands(known, key, conversation)
    if not found and not known.by_key.get(reading.key):  # others have named this mail before it came
        conversation = known.conversation(known.threads.get(reading.key))
        if conversation is not None:
            found[conversation] = False
    return list(found.items())


def _leads_to(known: Knowledge, conversation: Conversation) -> bool:
    """Whether a key of this mailbox leads there: what stood here was moved."""
    return any(known.conversation(one) is conversation for one in known.threads.values())


def _stands(known: Knowledge, key: str, conversation: Conversation) -> bool:
    """Whether a mail with this key really is one of the conversation's."""
    return any(known.conversation(one.conversation) is conversation for one in known.by_key.get(key, ()))


def _is_same(one: Stored, reading: Reading) -> bool:
    sender = reading.from_[0][1] if reading.from_ else ""
    return (
        one.from_address == sender
        and one.dated == reading.dated
        and one.subject == reading.subject
        and one.text == reading.text
        and one.files == tuple(file.sha256 for file in reading.files)
    )
