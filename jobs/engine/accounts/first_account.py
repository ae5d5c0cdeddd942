"""The secret of a link that makes the first account: it holds for an hour, and as long as there is no account."""

from __future__ import annotations

import secrets
import time

from jobs.engine.accounts import users

HOLDS_SECONDS = 3_600


def new_secret() -> str:
    """When it was made (seconds since 1970), and what nobody can guess."""
    return f"{int(time.time())}-{secrets.token_urlsafe(32)}"


def opens(given: str, wanted: str) -> bool:
    """Whether this is the secret that is wanted, and still good."""
    if not wanted or not secrets.compare_digest(given.encode("utf-8", "replace"), wanted.encode()):
        return False
    return time.time() - int(wanted.partition("-")[0]) <= HOLDS_SECONDS and not users.any_accounts()
