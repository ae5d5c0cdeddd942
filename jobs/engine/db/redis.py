"""The client of Redis, also through sentinels; and how to leave a Redis alone that does not answer."""

from __future__ import annotations

import time
from functools import cache
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

from jobs.engine import settings

if TYPE_CHECKING:  # importing it takes 200 ms, and children that embed texts import this file
    from redis import Redis
    from redis.asyncio import Redis as AsyncRedis

MOST_CONNECTIONS = 4  # of a process, for short commands: more callers wait for one
SENTINEL_SECONDS = 1.0  # for a sentinel to say where the master is


class CircuitBreaker:
    """Open for some seconds after a failure: nothing is asked meanwhile, so that what can do without does not wait."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._until = 0.0

    @property
    def is_open(self) -> bool:
        return time.monotonic() < self._until

    def trip(self) -> None:
        self._until = time.monotonic() + self._seconds

    def reset(self) -> None:
        self._until = 0.0


@cache
def broker() -> Redis:
    """A client for short commands: it times out within two seconds and never repeats a write."""
    from redis import BlockingConnectionPool, ConnectionPool

    client = connect(socket_timeout=1.5, socket_connect_timeout=1)
    pool = client.connection_pool
    if type(pool) is ConnectionPool:  # not one of sentinels
        given = {"connection_class": pool.connection_class, **pool.connection_kwargs}
        client.connection_pool = BlockingConnectionPool(max_connections=MOST_CONNECTIONS, timeout=1, **given)
    return client


def connect(**options: Any) -> Redis:
    """A client on REDIS_URL without redis-py's own retries, which can hang for a minute and push one message twice."""
    from redis import Redis
    from redis.backoff import NoBackoff
    from redis.retry import Retry
    from redis.sentinel import Sentinel

    settings.current().require("redis_url")
    options["retry"] = Retry(NoBackoff(), 0)
    client: Redis = _client(settings.current().redis_url, Redis, Sentinel, options)
    return client


def connect_async(url: str, **options: Any) -> AsyncRedis:
    """The same on any URL, for an event loop."""
    from redis.asyncio import Redis as AsyncRedis
    from redis.asyncio.retry import Retry
    from redis.asyncio.sentinel import Sentinel
    from redis.backoff import NoBackoff

    options["retry"] = Retry(NoBackoff(), 0)
    client: AsyncRedis = _client(url, AsyncRedis, Sentinel, options)
    return client


def _client(url: str, plain: Any, sentinel: Any, options: dict[str, Any]) -> Any:
    """A client on a server, or on the master that sentinels name: redis+sentinel://:password@host:port,…/service/db, rediss+…"""
    from redis.driver_info import DriverInfo

    # No greeting with the library's name: it costs each new connection two round trips and a look into package metadata.
    options |= {"driver_info": DriverInfo(name=None, lib_version=None), "protocol": 2}
    if url.startswith("rediss"):
        options |= _tls(settings.current().redis_tls)
    if "+sentinel://" not in url:
        return plain.from_url(url, **options)
    from redis_sentinel_url import parse_sentinel_url

    parts = urlsplit(url)
    secure: dict[str, Any] = {"ssl": True} if parts.scheme.startswith("rediss") else {}
    secure |= {name: value for name, value in options.items() if name.startswith("ssl_")}
    secure |= {name: value for name, value in parse_qsl(parts.query) if name.startswith("ssl_")}
    common = {name: options[name] for name in ("retry", "driver_info", "protocol")} | secure
    brief = {"socket_timeout": SENTINEL_SECONDS, "socket_connect_timeout": SENTINEL_SECONDS}
    wanted = parse_sentinel_url("redis" + url[url.index("+") :], common | brief, options | secure)
    found = sentinel(wanted.hosts, sentinel_kwargs=wanted.sentinel_options)
    return found.master_for(wanted.default_client.service, **wanted.client_options)


def _tls(setting: str) -> dict[str, Any]:
    """How the certificate is checked, by REDIS_TLS. Parameters in REDIS_URL count more."""
    if setting == "verified":
        return {}
    if setting == "unverified":
        return {"ssl_cert_reqs": "none", "ssl_check_hostname": False}
    return {"ssl_ca_certs": setting}
