"""Secrets that make the first account, while there is none: of a link, for an hour, and FIRST_ACCOUNT_SECRET."""

from __future__ import annotations

import secrets
import time

from jobs.engine.accounts import users

VALID_SECONDS = 3_600


def new_secret() -> str:
    """A timestamp (seconds since 1970) and a random token."""
    return f"{int(time.time())}-{secrets.token_urlsafe(32)}"


def opens(secret: str, expected: str) -> bool:
    """Whether the secret is the expected one and still valid."""
    if not expected or not secrets.compare_digest(secret.encode("utf-8", "replace"), expected.encode()):
        return False
    return time.time() - int(expected.partition("-")[0]) <= VALID_SECONDS and not users.any_accounts()


def is_secret(given: str, expected: str) -> bool:
    """Whether this is FIRST_ACCOUNT_SECRET, and there is no account yet."""
    right = secrets.compare_digest(given.strip().encode("utf-8", "replace"), expected.encode())
    return bool(expected) and right and not users.any_accounts()
