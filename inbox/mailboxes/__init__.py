"""Connected mailboxes: providers' settings, the form, trying both directions, adding, changing, removing, and their
secrets."""

from inbox.mailboxes.accounts import LOGIN_TRIES, REFUSED, Account, FolderToRead, account, active_ids
from inbox.mailboxes.demo_mailbox import connect_demo, remove_demo
from inbox.mailboxes.forms import MailboxForm, form_of, needs_trial, with_kept_passwords
from inbox.mailboxes.providers import PROVIDERS, Provider, suggest
from inbox.mailboxes.secrets import open_secret, seal
from inbox.mailboxes.settings import add, change, choose_folders, read_now, remove, set_active, try_again
from inbox.mailboxes.trying import STEPS, TestStep, test

__all__ = [
    "LOGIN_TRIES",
    "PROVIDERS",
    "REFUSED",
    "STEPS",
    "Account",
    "FolderToRead",
    "MailboxForm",
    "Provider",
    "TestStep",
    "account",
    "active_ids",
    "add",
    "change",
    "choose_folders",
    "connect_demo",
    "form_of",
    "needs_trial",
    "open_secret",
    "read_now",
    "remove",
    "remove_demo",
    "seal",
    "set_active",
    "suggest",
    "test",
    "try_again",
    "with_kept_passwords",
]
