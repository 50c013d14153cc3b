"""Tables and constraints; nothing else. Rows stay inside `inbox`."""

from inbox.models.base import Base
from inbox.models.conversations import (
    Attachment,
    Claim,
    Conversation,
    ConversationTag,
    Event,
    FolderCount,
    JoinSuggestion,
    Message,
    Note,
    Person,
    PersonAddress,
    Tag,
    ThreadKey,
)
from inbox.models.mailboxes import Folder, Mailbox, MailboxAddress, RawMail
from inbox.models.outgoing import Attempt, Draft, DraftFile, Outgoing
from inbox.models.people import (
    AuditEvent,
    Heartbeat,
    MailboxAccess,
    OneTimeLink,
    Presence,
    ReadMark,
    Setting,
    SignInAttempt,
    User,
)
from inbox.models.search import SearchWords

__all__ = [
    "Attachment",
    "Attempt",
    "AuditEvent",
    "Base",
    "Claim",
    "Conversation",
    "ConversationTag",
    "Draft",
    "DraftFile",
    "Event",
    "Folder",
    "FolderCount",
    "Heartbeat",
    "JoinSuggestion",
    "Mailbox",
    "MailboxAccess",
    "MailboxAddress",
    "Message",
    "Note",
    "OneTimeLink",
    "Outgoing",
    "Person",
    "PersonAddress",
    "Presence",
    "RawMail",
    "ReadMark",
    "SearchWords",
    "Setting",
    "SignInAttempt",
    "Tag",
    "ThreadKey",
    "User",
]
