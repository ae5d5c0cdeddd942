"""The secret of the link that makes the first account: valid for an hour, and only while there is no account."""

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
