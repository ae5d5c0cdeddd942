"""Passwords: Argon2id in OWASP's first recommended setting (19 MiB, 2 passes), some 20 ms a look.

A web process of gevent does nothing else meanwhile, so the setting is the smallest that is recommended, and tries are counted
before any of them is computed.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from jobs.engine.errors import FieldError, InvalidParams
from jobs.engine.jsonsafe import clean_text

LEAST, MOST = 12, 200  # characters
_NOBODYS = "$argon2id$v=19$m=19456,t=2,p=1$5F5TY86pDdgic/xX8Xbm7A$u+MzljzoH9Ec8SUEAjHmqYCppgsBZK1tvJ+RgIb+4WY"


def hashed(password: str) -> str:
    """What is kept of a password."""
    return str(_hasher().hash(password))


def matches(kept: str | None, password: str) -> bool:
    """Whether this is the password. Without a kept one it takes as long, and says no."""
    from argon2.exceptions import InvalidHashError, VerificationError

    try:
        return bool(_hasher().verify(kept or _NOBODYS, password[: MOST + 1])) and kept is not None
    except (VerificationError, InvalidHashError):
        return False


def checked(password: str, name: str, field: str = "password") -> str:
    """A new password that will do. Raises InvalidParams."""
    if not LEAST <= len(password) <= MOST:
        raise InvalidParams([FieldError(field, f"A password has {LEAST} to {MOST} characters.")])
    if clean_text(password) != password:
        raise InvalidParams([FieldError(field, "This holds a character that cannot be kept.")])
    if password.casefold().strip() == name.casefold() or len(set(password)) < 4:
        raise InvalidParams([FieldError(field, "This is too easy to guess. Take several words.")])
    return password


@cache
def _hasher() -> Any:
    from argon2 import PasswordHasher  # at first use: most requests see no password

    return PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)
