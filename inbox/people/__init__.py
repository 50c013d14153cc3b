"""The people of the team: who looks, signing in, one-time links, rights, own settings, the audit trail."""

from inbox.people.addresses import normalised
from inbox.people.links import DeadLink, LinkOwner, any_user, first_login_link, link_owner, path, start_reset, take_up
from inbox.people.profile import Signature, change_password, end_other_sessions, preferences, sign_as, signatures
from inbox.people.signing_in import NotSignedIn, TooManyTries, forget_old_tries, sign_in
from inbox.people.team import Member, add, change_person, colleagues, invite, team
from inbox.people.trail import AuditRow, audit, trail
from inbox.people.viewers import Viewer, conversation, mailbox, must_be, of, viewer

__all__ = [
    "AuditRow",
    "DeadLink",
    "LinkOwner",
    "Member",
    "NotSignedIn",
    "Signature",
    "TooManyTries",
    "Viewer",
    "add",
    "any_user",
    "audit",
    "change_password",
    "change_person",
    "colleagues",
    "conversation",
    "end_other_sessions",
    "first_login_link",
    "forget_old_tries",
    "invite",
    "link_owner",
    "mailbox",
    "must_be",
    "normalised",
    "of",
    "path",
    "preferences",
    "sign_as",
    "sign_in",
    "signatures",
    "start_reset",
    "take_up",
    "team",
    "trail",
    "viewer",
]
