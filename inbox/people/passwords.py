"""Passwords: argon2id, and a policy that stops the guessable ones without rules of composition (NIST SP 800-63B)."""

from __future__ import annotations

import threading
import unicodedata
from itertools import pairwise

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from inbox.errors import N_, UserError

SHORTEST = 10
LONGEST = 256
# OWASP's argon2id figures: 19 MiB, 2 passes. Small enough for a small machine, too slow for guessing.
HASHER = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
AT_ONCE = threading.BoundedSemaphore(4)  # a flood of sign-ins must not take all memory
NOBODYS = HASHER.hash("the password of nobody, to spend the same time on an unknown address")

GUESSED_FIRST = frozenset(
    [
        "password",
        "passw0rd",
        "password1",
        "password12",
        "password123",
        "password1234",
        "passwordpassword",
        "1234567890",
        "12345678910",
        "123456789a",
        "1q2w3e4r5t",
        "1qaz2wsx3edc",
        "qwertyuiop",
        "qwerty1234",
        "qwerty12345",
        "asdfghjkl1",
        "abcdefghij",
        "abcdefghijk",
        "abcd123456",
        "a123456789",
        "iloveyou123",
        "letmein123",
        "welcome123",
        "welcome1234",
        "admin12345",
        "administrator",
        "changeme123",
        "madoguchi",
        "madoguchi1",
        "madoguchi123",
        "パスワード1234",
        "ぱすわーど",
        "0123456789",
        "9876543210",
        "sakura1234",
        "doraemon12",
        "asdfasdfasdf",
        "qwerqwerqwer",
        "support123",
        "support1234",
    ]
)


def hashed(password: str) -> str:
    with AT_ONCE:
        return HASHER.hash(_plain(password))


def right(stored: str | None, password: str) -> bool:
    """Whether the password is right; takes the same time when there is none to compare with."""
    with AT_ONCE:
        try:
            HASHER.verify(stored or NOBODYS, _plain(password)[:LONGEST])
        except (VerificationError, InvalidHashError):
            return False
    return stored is not None


def outdated(stored: str) -> bool:
    """Whether it was hashed with weaker figures than today's."""
    return HASHER.check_needs_rehash(stored)


def check(password: str, *, email: str, name: str) -> None:
    """Raises UserError (field "password") for what would be guessed first."""
    plain = _plain(password)
    if len(plain) < SHORTEST:
        raise UserError(N_("Use at least %(shortest)d characters."), field="password", shortest=SHORTEST)
    if len(plain) > LONGEST:
        raise UserError(N_("Use at most %(longest)d characters."), field="password", longest=LONGEST)
    folded = plain.casefold()
    if folded in GUESSED_FIRST or len(set(folded)) < 4 or _counts_up(folded):
        raise UserError(N_("This password is among the first that are guessed. Choose another one."), field="password")
    own = {
        email.casefold(),
        email.partition("@")[0].casefold(),
        _plain(name).casefold(),
        "".join(_plain(name).casefold().split()),
    }
    if folded in own or any(len(part) > 3 and len(folded) - len(part) < 4 and part in folded for part in own):
        raise UserError(N_("A password must not be your name or e-mail address."), field="password")


def _plain(password: str) -> str:
    """One spelling for what an input method may spell in several ways (full-width letters, combining marks)."""
    return unicodedata.normalize("NFKC", password)


def _counts_up(folded: str) -> bool:
    steps = {ord(after) - ord(before) for before, after in pairwise(folded)}
    return steps in ({1}, {-1}, {0})
