"""The client of Redis, also through sentinels."""

from __future__ import annotations

from functools import cache
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from redis import Redis
from redis.backoff import NoBackoff
from redis.driver_info import DriverInfo
from redis.retry import Retry

from jobs.engine import settings

SENTINEL_SECONDS = 1.0  # for a sentinel to say where the master is


@cache
def broker() -> Redis:
    """A client for short commands: it times out within two seconds and never repeats a write."""
    return connect(socket_timeout=1.5, socket_connect_timeout=1)


def connect(**options: Any) -> Redis:
    """A client on REDIS_URL without redis-py's own retries, which can hang for a minute and push one message twice."""
    settings.current().require("redis_url")
    # No CLIENT SETINFO: it costs each new connection two round trips, and reading package metadata.
    options |= {"retry": Retry(NoBackoff(), 0), "driver_info": DriverInfo(name=None, lib_version=None), "protocol": 2}
    url = settings.current().redis_url
    if "+sentinel://" not in url:
        return Redis.from_url(url, **options)
    return _of_sentinels(url, options)


def _of_sentinels(url: str, options: dict[str, Any]) -> Redis:
    """A client on the master that the sentinels name: redis+sentinel://:password@host:port,…/service/db, or rediss+…"""
    from redis.sentinel import Sentinel
    from redis_sentinel_url import parse_sentinel_url

    parts = urlsplit(url)
    secure: dict[str, Any] = {"ssl": True} if parts.scheme.startswith("rediss") else {}
    secure |= {name: value for name, value in parse_qsl(parts.query) if name.startswith("ssl_")}
    common = {name: options[name] for name in ("retry", "driver_info", "protocol")} | secure
    brief = {"socket_timeout": SENTINEL_SECONDS, "socket_connect_timeout": SENTINEL_SECONDS}
    wanted = parse_sentinel_url("redis" + url[url.index("+") :], common | brief, options | secure)
    sentinel = Sentinel(wanted.hosts, sentinel_kwargs=wanted.sentinel_options)
    client: Redis = sentinel.master_for(wanted.default_client.service, **wanted.client_options)
    return client
