"""The settings: the only reader of the environment.

`read()` turns a mapping into one frozen object or raises SettingsError with a sentence that names the variable.
`current()` is that object for this process. Nothing here opens or connects to anything.
"""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from jobs.engine import platforms
from jobs.engine.errors import SettingsError
from jobs.engine.setting_values import json_setting, senders

LEAST_SECRET = 32  # characters
EXAMPLE_VALUE = "change-me"  # in the examples of deploy/
KEEPING = ("KEEP_SUCCEEDED_DAYS", "KEEP_FAILED_DAYS", "KEEP_STOPPED_DAYS", "KEEP_FILES_DAYS")
BUILT_IN_MODEL = "SmolLM2-135M-Instruct"


@dataclass(frozen=True)
class Settings:
    """All settings. A URL that is not set is empty; `built_in` names the services that Legwork started itself."""

    host: str
    port: int
    data_dir: Path
    database_url: str
    redis_url: str
    openai_base_url: str
    openai_api_key: str
    model: str
    embedding_model: str  # of the provider; empty: the built-in one
    storage_url: str
    smtp_url: str
    secret_key: str
    trusted_hosts: tuple[str, ...]
    max_upload_bytes: int
    files_in_database_bytes: int  # largest file that is kept in Postgres; 0: files are in DATA_DIR or the bucket
    extra_kinds: tuple[str, ...]  # packages with more kinds, in addition to jobs/
    web_concurrency: int
    built_in: frozenset[str]
    reload_kinds: bool = False  # whether files of kinds that change are read again
    dkim_key: str = field(default="", repr=False)  # private key (PEM) that mail is signed with
    dkim_domain: str = ""  # whose mail is signed
    dkim_selector: str = "legwork"
    imap_url: str = ""  # mailbox that bounces come to
    mail_senders: tuple[str, ...] = ()  # that mailings may be from: ann@example.org, or @example.org for a domain
    database_connections: int = 0  # that a process may have; 0: by what the server allows
    procfile_process: str = ""  # what honcho or foreman, which run this process, call it
    redis_tls: str = "verified"  # or unverified, or the file of the authority that signed the certificate
    first_account: str = ""  # secret of the link that makes the first account
    first_account_secret: str = ""  # what the page that makes it asks for, until there is an account
    account_password: str = field(default="", repr=False)  # for `accounts add --password-from-env`
    outgoing_private: bool = False  # whether requests may go to this machine and private networks
    trusted_proxies: tuple[str, ...] = ()  # networks whose X-Forwarded-For and -Proto are believed
    oidc_issuer: str = ""
    oidc_client_id: str = ""
    oidc_client_secret: str = ""
    oidc_new_accounts: bool = False  # whether a first sign-in through the provider makes a member account
    max_waiting_jobs: int = 10_000  # of one owner
    allow_tracing: bool = False  # whether debuggers of the same user may look into our processes
    provider_batches: bool = False  # OPENAI_BASE_URL answers batches for less
    provider_webhook_secret: str = field(default="", repr=False)  # with which it signs that a batch has ended
    models_allowed: tuple[str, ...] = ()  # beside the default one; empty: all that the provider has
    connections: tuple[Any, ...] = ()  # providers beside the default one, as CONNECTIONS has them
    prices: Mapping[str, Any] = field(default_factory=dict)  # dollars for a million tokens, by model
    keep_answers_days: int = 30  # for jobs that use answers again; 0: none is kept
    job_memory_bytes: int = 0  # that a job may take; 0: half of the machine's
    max_storage_bytes: int = 0  # of one owner's files; 0: no limit
    keep_succeeded_days: int = 0  # after the end of succeeded and partial jobs; 0: for ever
    keep_failed_days: int = 0
    keep_stopped_days: int = 0
    keep_files_days: int = 0  # outputs after the end of their job, uploads after the upload
    log_format: str = "text"  # or json: one object a line
    sentry_dsn: str = ""
    otlp_endpoint: str = ""
    otlp_headers: str = ""  # name=value,…: headers for the collector
    target_wait_seconds: int = 10  # how long a job may wait before more workers are started

    @property
    def loopback(self) -> bool:
        """Whether only programs on this machine can reach the web server."""
        return is_loopback(self.host)

    @property
    def this_machine_only(self) -> bool:
        """Whether nobody on another machine uses the site: no other can reach it, and no proxy passes requests of others on."""
        return self.loopback and not self.trusted_proxies and all(is_loopback(host) for host in self.trusted_hosts)

    @property
    def public_name(self) -> str:
        """The name that people use, as far as it is known; empty if it is not."""
        return next((host for host in self.trusted_hosts if host != platforms.ANY_HOST), "")

    @property
    def has_model(self) -> bool:
        return bool(self.openai_base_url or self.openai_api_key)

    def allows_model(self, name: str) -> bool:
        """Whether this model of the provider may be asked."""
        return not self.models_allowed or name in self.models_allowed or name == self.model

    @property
    def has_oidc(self) -> bool:
        return bool(self.oidc_issuer)

    @property
    def secrets(self) -> list[str]:
        """Values that must never be shown or logged."""
        urls = (self.database_url, self.redis_url, self.smtp_url, self.imap_url, self.openai_base_url)
        words = [unquote(word) for url in urls if (word := urlsplit(url).password)]
        words += [self.secret_key, self.openai_api_key, self.oidc_client_secret, self.dkim_key]
        words += [str(one["key"]) for one in self.connections if isinstance(one, dict) and one.get("key")]
        return [word for word in (*words, self.first_account_secret, self.account_password) if word]

    def refuse_open_host(self) -> None:
        """Raise SettingsError if other machines can reach the web server and SECRET_KEY is short enough to guess."""
        if not self.loopback and len(self.secret_key) < LEAST_SECRET:
            raise SettingsError(
                f"HOST is {self.host!r}, which other machines can reach. Set SECRET_KEY to at least {LEAST_SECRET} "
                "characters and make an account. `python -c 'import secrets; print(secrets.token_hex(32))'` makes a key; "
                "`python -m webapp accounts add NAME` makes an account."
            )

    def require(self, *names: str) -> None:
        """Raise SettingsError for the first of these settings that is empty."""
        for name in names:
            if not getattr(self, name):
                raise SettingsError(f"{name.upper()} is not set. {_NEEDED[name]}")


_WITH_SECRETS = (
    *("SECRET_KEY", "DATABASE_URL", "REDIS_URL", "SMTP_URL", "IMAP_URL", "OPENAI_API_KEY"),
    *("OIDC_CLIENT_SECRET", "FIRST_ACCOUNT_SECRET", "ACCOUNT_PASSWORD"),
)
_NO_SETTINGS = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "LD_LIBRARY_PATH", "PYTHONPATH")
_NEEDED = {
    "database_url": "Set it to the address of a PostgreSQL 14 or later, or start with `make run`, which brings its own.",
    "redis_url": "Set it to the address of a Redis or Valkey, or start with `make run`, which brings its own.",
    "secret_key": "Set it to a long random text; `python -c 'import secrets; print(secrets.token_hex(32))'` makes one.",
}


@cache
def current() -> Settings:
    """The settings of this process, read once from its environment."""
    return read(os.environ)


def environment_without_settings() -> dict[str, str]:
    """The environment without settings, for services: every program of this user can read theirs."""
    return {name: os.environ[name] for name in _NO_SETTINGS if name in os.environ}


def adopt(addresses: Mapping[str, str]) -> None:
    """Set these environment variables if they are not set, for this process and those that it starts."""
    for name, value in addresses.items():
        os.environ[name] = os.environ.get(name, "").strip() or value
    current.cache_clear()


def read(environ: Mapping[str, str]) -> Settings:
    """Read every setting; raise SettingsError naming the first variable that is wrong."""
    environ = platforms.with_defaults(environ)
    for name in _WITH_SECRETS:
        if EXAMPLE_VALUE in environ.get(name, "").lower():
            raise SettingsError(f"{name} still has the example's {EXAMPLE_VALUE}, which everybody knows. Set your own.")
    base_url = _url(environ, "OPENAI_BASE_URL", "http", "https")
    return Settings(
        host=environ.get("HOST", "").strip() or "127.0.0.1",
        port=_number(environ, "PORT", default=8000, least=1, most=65535),
        data_dir=Path(environ.get("DATA_DIR", "").strip() or "var").absolute(),
        database_url=_url(environ, "DATABASE_URL", "postgres", "postgresql"),
        redis_url=_url(environ, "REDIS_URL", "redis", "rediss", "unix", "redis+sentinel", "rediss+sentinel"),
        database_connections=_number(environ, "DATABASE_CONNECTIONS", default=0, least=2, most=1_000),
        procfile_process=environ.get("HONCHO_PROCESS_NAME", "") or environ.get("PS", ""),
        redis_tls=_redis_tls(environ),
        openai_base_url=base_url,
        openai_api_key=environ.get("OPENAI_API_KEY", "").strip(),
        model=environ.get("OPENAI_MODEL", "").strip()
        or (BUILT_IN_MODEL if "model" in _built_in(environ) else "gpt-4o-mini"),
        embedding_model=environ.get("EMBEDDING_MODEL", "").strip(),
        storage_url=_url(environ, "STORAGE_URL", "s3"),
        smtp_url=_url(environ, "SMTP_URL", "smtp", "smtps"),
        imap_url=_url(environ, "IMAP_URL", "imap", "imaps"),
        **_dkim(environ),
        secret_key=environ.get("SECRET_KEY", "").strip(),
        trusted_hosts=_words(environ, "TRUSTED_HOSTS"),
        max_upload_bytes=_number(environ, "MAX_UPLOAD_MB", default=200, least=1, most=100_000) * 1_000_000,
        files_in_database_bytes=_files_in_database(environ),
        web_concurrency=_number(environ, "WEB_CONCURRENCY", default=1, least=1, most=64),
        extra_kinds=_words(environ, "EXTRA_KINDS"),
        built_in=_built_in(environ),
        first_account_secret=_long_secret(environ, "FIRST_ACCOUNT_SECRET"),
        account_password=environ.get("ACCOUNT_PASSWORD", ""),
        reload_kinds=environ.get("RELOAD_KINDS", "").strip() == "1",
        first_account=environ.get("LEGWORK_FIRST_ACCOUNT", ""),  # set by `python -m webapp`, as LEGWORK_BUILT_IN
        outgoing_private=environ.get("OUTGOING_PRIVATE", "").strip() == "1",
        mail_senders=senders(environ.get("MAIL_SENDERS", "")),
        trusted_proxies=_networks(environ, "TRUSTED_PROXIES"),
        max_waiting_jobs=_number(environ, "MAX_WAITING_JOBS", default=10_000, least=1, most=10_000_000),
        max_storage_bytes=_number(environ, "MAX_STORAGE_MB", default=0, least=0, most=1_000_000_000) * 1_000_000,
        allow_tracing=environ.get("ALLOW_TRACING", "").strip() == "1",
        provider_batches=environ.get("PROVIDER_BATCHES", "").strip() == "1",
        provider_webhook_secret=environ.get("OPENAI_WEBHOOK_SECRET", "").strip(),
        models_allowed=_words(environ, "MODELS_ALLOWED"),
        connections=tuple(json_setting(environ, "CONNECTIONS", list)),
        keep_answers_days=_number(environ, "KEEP_ANSWERS_DAYS", default=30, least=0, most=36_500),
        prices=json_setting(environ, "PRICES", dict),
        job_memory_bytes=_number(environ, "JOB_MEMORY_MB", default=0, least=64, most=100_000_000) * 1_000_000,
        target_wait_seconds=_number(environ, "TARGET_WAIT_SECONDS", default=10, least=1, most=86_400),
        **_retention(environ),
        log_format=_one_of(environ, "LOG_FORMAT", "text", "json"),
        sentry_dsn=_with_package(environ, "SENTRY_DSN", "sentry-sdk"),
        otlp_endpoint=_url(environ, "OTEL_EXPORTER_OTLP_ENDPOINT", "http", "https"),
        otlp_headers=environ.get("OTEL_EXPORTER_OTLP_HEADERS", "").strip(),
        **_oidc(environ),
    )


def _files_in_database(environ: Mapping[str, str]) -> int:
    """FILES_IN_DATABASE_MB in bytes. By default 20 MB on platforms whose disks vanish, unless DATA_DIR names one that stays."""
    vanishing = any(environ.get(name) for name in ("DYNO", "RENDER", "RAILWAY_ENVIRONMENT"))
    default = 20 if vanishing and not environ.get("DATA_DIR", "").strip() else 0
    return _number(environ, "FILES_IN_DATABASE_MB", default=default, least=0, most=1_000) * 1_000_000


def _retention(environ: Mapping[str, str]) -> dict[str, Any]:
    """How many days ended jobs and files are kept."""
    return {name.lower(): _number(environ, name, default=0, least=0, most=36_500) for name in KEEPING}


def _oidc(environ: Mapping[str, str]) -> dict[str, Any]:
    """The settings of the OpenID provider: all set or all empty."""
    provider = {
        "oidc_issuer": _url(environ, "OIDC_ISSUER", "https", "http").rstrip("/"),
        "oidc_client_id": environ.get("OIDC_CLIENT_ID", "").strip(),
        "oidc_client_secret": environ.get("OIDC_CLIENT_SECRET", "").strip(),
    }
    missing = [name.upper() for name, text in provider.items() if not text]
    if 0 < len(missing) < len(provider):
        raise SettingsError(
            f"{' and '.join(missing)} is not set: signing in through a provider needs all three OIDC settings."
        )
    issuer = urlsplit(provider["oidc_issuer"])
    if issuer.scheme == "http" and not is_loopback(issuer.hostname or ""):
        raise SettingsError(
            "OIDC_ISSUER begins with http://, so sign-ins could be read and changed on the network. Use https://."
        )
    new = environ.get("OIDC_NEW_ACCOUNTS", "").strip() or "refuse"
    if new not in ("refuse", "member"):
        raise SettingsError(f"OIDC_NEW_ACCOUNTS is {new!r}; it must be member or refuse.")
    return {**provider, "oidc_new_accounts": new == "member"}


def is_loopback(host: str) -> bool:
    """Whether a bind address is reachable from this machine only."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _long_secret(environ: Mapping[str, str], name: str) -> str:
    text = environ.get(name, "").strip()
    if 0 < len(text) < LEAST_SECRET:
        raise SettingsError(
            f"{name} is shorter than {LEAST_SECRET} characters, so it could be guessed. Set a longer one."
        )
    return text


def _redis_tls(environ: Mapping[str, str]) -> str:
    """REDIS_TLS: verified, unverified, or the path of a file with certificates of authorities."""
    text = environ.get("REDIS_TLS", "").strip() or "verified"
    if text not in ("verified", "unverified") and not Path(text).is_file():
        raise SettingsError(
            f"REDIS_TLS is {text!r}; it must be verified, unverified, or the path of a file with a certificate."
        )
    return text


def _built_in(environ: Mapping[str, str]) -> frozenset[str]:
    """LEGWORK_BUILT_IN, which `python -m webapp` sets for the processes that it starts."""
    return frozenset(part for part in environ.get("LEGWORK_BUILT_IN", "").split(",") if part)


def _words(environ: Mapping[str, str], name: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in environ.get(name, "").split(",") if word.strip())


def _dkim(environ: Mapping[str, str]) -> dict[str, Any]:
    """The key that mail is signed with, and whose mail. In one line, \\n stands for a line break of the key."""
    key = environ.get("DKIM_KEY", "").strip().replace("\\n", "\n")
    domain = environ.get("DKIM_DOMAIN", "").strip().casefold()
    if bool(key) != bool(domain):
        raise SettingsError("Signing mail needs both DKIM_KEY and DKIM_DOMAIN, or neither.")
    if key and "PRIVATE KEY-----" not in key:
        raise SettingsError("DKIM_KEY must be a private key in PEM: -----BEGIN PRIVATE KEY-----, and so on.")
    selector = environ.get("DKIM_SELECTOR", "").strip() or "legwork"
    return {"dkim_key": key, "dkim_domain": domain, "dkim_selector": selector}


def _networks(environ: Mapping[str, str], name: str) -> tuple[str, ...]:
    found: list[str] = []
    for word in _words(environ, name):
        try:
            found += platforms.PRIVATE if word == "private" else [str(ipaddress.ip_network(word, strict=False))]
        except ValueError:
            raise SettingsError(
                f"{name} has {word!r}; it must list networks such as 10.0.0.0/8, or say private."
            ) from None
    return tuple(found)


def _number(environ: Mapping[str, str], name: str, default: int, least: int, most: int) -> int:
    text = environ.get(name, "").strip()
    if not text:
        return default
    if not (text.isascii() and text.isdigit() and least <= int(text) <= most):
        raise SettingsError(f"{name} is {text!r}; it must be a whole number from {least} to {most}.")
    return int(text)


def _one_of(environ: Mapping[str, str], name: str, *words: str) -> str:
    """The variable's value, which must be one of these words; the first one if it is not set."""
    text = environ.get(name, "").strip().lower() or words[0]
    if text not in words:
        raise SettingsError(f"{name} is {text!r}; it must be {' or '.join(words)}.")
    return text


def _with_package(environ: Mapping[str, str], name: str, package: str) -> str:
    """A URL whose use needs an optional package."""
    text = _url(environ, name, "http", "https")
    try:
        if text:
            metadata.version(package)
        return text
    except metadata.PackageNotFoundError:
        raise SettingsError(
            f"{name} is set, but the package {package} is not installed. "
            "Install it: pip install -r requirements-telemetry.txt."
        ) from None


def _url(environ: Mapping[str, str], name: str, *schemes: str) -> str:
    text = environ.get(name, "").strip()
    if not text:
        return ""
    scheme = urlsplit(text).scheme.split("+psycopg")[0]
    if scheme not in schemes:
        wanted = " or ".join(f"{scheme}://" for scheme in schemes)
        raise SettingsError(f"{name} does not start with {wanted}. Check the address.")
    return text
