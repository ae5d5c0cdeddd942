"""Password hashes: Argon2id with OWASP's minimum parameters (19 MiB, 2 passes), about 20 ms for each check.

A check blocks the gevent web process, hence the smallest recommended parameters; sign-ins are throttled before the hash is
computed.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from jobs.engine.errors import FieldError, InvalidParams
from jobs.engine.jsonsafe import clean_text

LEAST, MOST = 12, 200  # characters
_DUMMY_HASH = "$argon2id$v=19$m=19456,t=2,p=1$5F5TY86pDdgic/xX8Xbm7A$u+MzljzoH9Ec8SUEAjHmqYCppgsBZK1tvJ+RgIb+4WY"


def hashed(password: str) -> str:
    """The password's hash, to be stored."""
    return str(_hasher().hash(password))


def matches(stored: str | None, password: str) -> bool:
    """Whether the password has this stored hash. Without one it is False after the same time, against timing attacks."""
    from argon2.exceptions import InvalidHashError, VerificationError

    try:
        return bool(_hasher().verify(stored or _DUMMY_HASH, password[: MOST + 1])) and stored is not None
    except (VerificationError, InvalidHashError):
        return False


def checked(password: str, name: str, field: str = "password") -> str:
    """The password, if it is acceptable as a new one. Raises InvalidParams."""
    if not LEAST <= len(password) <= MOST:
        raise InvalidParams([FieldError(field, f"A password has {LEAST} to {MOST} characters.")])
    if clean_text(password) != password:
        raise InvalidParams([FieldError(field, "This has a character that cannot be stored.")])
    if password.casefold().strip() == name.casefold() or len(set(password)) < 4:
        raise InvalidParams([FieldError(field, "This is too easy to guess. Use several words.")])
    return password


@cache
def _hasher() -> Any:
    from argon2 import PasswordHasher  # at first use: most requests need no password

    return PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)
