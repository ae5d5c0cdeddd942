"""The settings: the only reader of the environment.

`read()` turns a mapping into one frozen object or raises SettingsError with a sentence that names the variable.
`current()` is that object for this process. Nothing here opens or connects to anything.
"""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

from jobs.engine.errors import SettingsError

BUILT_IN_MODEL = "SmolLM2-135M-Instruct"


@dataclass(frozen=True)
class Settings:
    """All there is to set. URLs are empty where none was given; `built_in` names the parts that Legwork started itself."""

    host: str
    port: int
    data_dir: Path
    database_url: str
    redis_url: str
    openai_base_url: str
    openai_api_key: str
    model: str
    embedding_model: str  # of the provider; empty: the one that comes along
    storage_url: str
    smtp_url: str
    secret_key: str
    trusted_hosts: tuple[str, ...]
    max_upload_bytes: int
    extra_kinds: tuple[str, ...]  # packages with more kinds, beside jobs/
    web_concurrency: int
    built_in: frozenset[str]
    outgoing_private: bool = False  # whether webhooks may go to this machine and its network

    @property
    def loopback(self) -> bool:
        """Whether only programs on this machine can reach the web server."""
        return is_loopback(self.host)

    @property
    def has_model(self) -> bool:
        return bool(self.openai_base_url or self.openai_api_key)

    def refuse_open_host(self) -> None:
        """Raise SettingsError if other machines could reach the web server: there are no accounts to keep them out yet."""
        if self.loopback:
            return
        raise SettingsError(
            f"HOST is {self.host!r}, which other machines could reach: that takes a SECRET_KEY and accounts, and there are "
            "no accounts yet. Leave HOST unset, and reach this machine through an SSH tunnel or a proxy with its own sign-in."
        )

    def require(self, *names: str) -> None:
        """Raise SettingsError for the first of these settings that is empty."""
        for name in names:
            if not getattr(self, name):
                raise SettingsError(f"{name.upper()} is not set. {_NEEDED[name]}")


_NEEDED = {
    "database_url": "Set it to the address of a PostgreSQL 14 or later, or start with `make run`, which brings its own.",
    "redis_url": "Set it to the address of a Redis or Valkey, or start with `make run`, which brings its own.",
    "secret_key": "Set it to a long random text; `python -c 'import secrets; print(secrets.token_hex(32))'` makes one.",
}


@cache
def current() -> Settings:
    """The settings of this process, read once from its environment."""
    return read(os.environ)


def read(environ: Mapping[str, str]) -> Settings:
    """Read every setting; raise SettingsError naming the first variable that is wrong."""
    base_url = _url(environ, "OPENAI_BASE_URL", "http", "https")
    return Settings(
        host=environ.get("HOST", "").strip() or "127.0.0.1",
        port=_number(environ, "PORT", default=8000, least=1, most=65535),
        data_dir=Path(environ.get("DATA_DIR", "").strip() or "var").absolute(),
        database_url=_url(environ, "DATABASE_URL", "postgres", "postgresql"),
        redis_url=_url(environ, "REDIS_URL", "redis", "rediss", "unix", "redis+sentinel", "rediss+sentinel"),
        openai_base_url=base_url,
        openai_api_key=environ.get("OPENAI_API_KEY", "").strip(),
        model=environ.get("OPENAI_MODEL", "").strip()
        or (BUILT_IN_MODEL if "model" in _built_in(environ) else "gpt-4o-mini"),
        embedding_model=environ.get("EMBEDDING_MODEL", "").strip(),
        storage_url=_url(environ, "STORAGE_URL", "s3"),
        smtp_url=_url(environ, "SMTP_URL", "smtp", "smtps"),
        secret_key=environ.get("SECRET_KEY", "").strip(),
        trusted_hosts=_words(environ, "TRUSTED_HOSTS"),
        max_upload_bytes=_number(environ, "MAX_UPLOAD_MB", default=200, least=1, most=100_000) * 1_000_000,
        web_concurrency=_number(environ, "WEB_CONCURRENCY", default=1, least=1, most=64),
        extra_kinds=_words(environ, "EXTRA_KINDS"),
        built_in=_built_in(environ),
        outgoing_private=environ.get("OUTGOING_PRIVATE", "").strip() == "1",
    )


def is_loopback(host: str) -> bool:
    """Whether a bind address is reachable from this machine only."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _built_in(environ: Mapping[str, str]) -> frozenset[str]:
    """LEGWORK_BUILT_IN is written by `python -m webapp` for the processes it starts; nobody sets it by hand."""
    return frozenset(part for part in environ.get("LEGWORK_BUILT_IN", "").split(",") if part)


def _words(environ: Mapping[str, str], name: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in environ.get(name, "").split(",") if word.strip())


def _number(environ: Mapping[str, str], name: str, default: int, least: int, most: int) -> int:
    text = environ.get(name, "").strip()
    if not text:
        return default
    if not (text.isascii() and text.isdigit() and least <= int(text) <= most):
        raise SettingsError(f"{name} is {text!r}; it must be a whole number from {least} to {most}.")
    return int(text)


def _url(environ: Mapping[str, str], name: str, *schemes: str) -> str:
    text = environ.get(name, "").strip()
    if not text:
        return ""
    scheme = urlsplit(text).scheme.split("+psycopg")[0]
    if scheme not in schemes:
        wanted = " or ".join(f"{scheme}://" for scheme in schemes)
        raise SettingsError(f"{name} does not start with {wanted}; look at the address again.")
    return text
