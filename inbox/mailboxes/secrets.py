"""Mailbox passwords at rest: encrypted with a key that never stands in the database."""

from __future__ import annotations

from cryptography.fernet import Fernet, InvalidToken

from inbox.config import settings
from inbox.wire.problems import Problem, WireProblem


def seal(password: str) -> str:
    """What is stored for a password."""
    return Fernet(settings().fernet_key()).encrypt(password.encode()).decode()


def open_secret(secret: str) -> str:
    """The password behind a stored secret. Raises WireProblem("secret") when this installation's key does not fit."""
    if not secret:
        return ""
    try:
        return Fernet(settings().fernet_key()).decrypt(secret.encode()).decode()
    except (InvalidToken, ValueError):
        raise WireProblem(Problem("secret")) from None
