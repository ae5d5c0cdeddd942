"""Why Postgres or Redis could not be reached, as a sentence with the setting that mends it."""

from __future__ import annotations

from collections.abc import Iterator

# What is in the texts of the drivers' errors, and what to say. The settings are named for Redis and for Postgres.
_CERTIFICATE = ("certificate_verify_failed", "certificate verify failed")
_FULL = ("max number of clients reached", "too many connections", "remaining connection slots", "too many clients")
_PASSWORD = ("wrongpass", "noauth", "password authentication failed", "invalid username-password pair")


def why(error: BaseException) -> str:
    """A sentence for an operator; empty where nothing better than the error itself is known."""
    text = " ".join(str(one) for one in _chain(error)).lower()
    redis = any("redis" in type(one).__module__ for one in _chain(error))
    if any(words in text for words in _CERTIFICATE):
        what = "self-signed" if "self-signed" in text or "self signed" in text else "not trusted"
        if redis:
            return (
                f"The certificate of Redis is {what}. Set REDIS_TLS to the file of the authority that signed it, or to "
                "unverified, where the network to it is trusted."
            )
        return (
            f"The certificate of Postgres is {what}. Set sslrootcert in DATABASE_URL to the file of its authority, or "
            "sslmode=require."
        )
    if any(words in text for words in _FULL):
        name = "Redis (maxclients)" if redis else "Postgres (DATABASE_CONNECTIONS limits each process)"
        return f"All connections that the server allows are in use at {name}. Start fewer processes, or allow more."
    if any(words in text for words in _PASSWORD):
        return f"The password in {'REDIS_URL' if redis else 'DATABASE_URL'} is not accepted."
    return ""


def is_full(error: BaseException) -> bool:
    """Whether the server refused a connection because it has as many as it allows."""
    text = " ".join(str(one) for one in _chain(error)).lower()
    return any(words in text for words in _FULL)


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
