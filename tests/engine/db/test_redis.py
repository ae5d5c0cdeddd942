"""A broker behind Redis Sentinel: where the master is, is asked of the sentinels, also after it has changed."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest
from redis import Redis
from redis.exceptions import RedisError

from jobs.engine.db import failures
from jobs.engine.db import redis as db_redis
from jobs.engine.embedded import redis, service
from jobs.engine.errors import SettingsError
from jobs.engine.operations.health import broker_health
from jobs.engine.queue import commands, queries
from jobs.engine.settings import read
from tests.engine.workers import ended, running, until
from tests.stories.app_process import free_port
from tests.stories.certificates import certify


class Guarded:
    """A master, a replica of it, and a sentinel that watches both."""

    def __init__(self, folder: Path, stack: ExitStack):
        self.folder, self.stack = folder, stack
        self.master, self.replica, self.sentinel = free_port(), free_port(), free_port()
        self.first = self._start("master", "--port", str(self.master))
        self._start("replica", "--port", str(self.replica), "--replicaof", "127.0.0.1", str(self.master))
        until(lambda: self._told(self.replica).get("master_link_status") == "up")
        config = folder / "sentinel.conf"
        watched = (f"monitor house 127.0.0.1 {self.master} 1", "down-after-milliseconds house 1000")
        config.write_text(f"port {self.sentinel}\n" + "".join(f"sentinel {line}\n" for line in watched))
        self._start("sentinel", str(config), "--sentinel")
        until(lambda: self._told(self.sentinel).get("master0", {}).get("slaves") == 1)

    @property
    def url(self) -> str:
        return f"redis+sentinel://127.0.0.1:{self.sentinel}/house/0"

    def _start(self, name: str, *options: str) -> object:
        place = self.folder / name
        place.mkdir()
        process = service.spawn(
            [redis.server(), *options], self.folder / f"{name}.log", death_signal=signal.SIGKILL, cwd=place
        )
        self.stack.callback(process.wait)
        self.stack.callback(process.kill)
        return process

    def _told(self, port: int) -> dict[str, object]:
        with suppress(RedisError), Redis(port=port) as client:
            return client.info()
        return {}


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[Guarded]:
    with ExitStack() as stack:
        yield Guarded(tmp_path, stack)


@pytest.mark.slow
def test_jobs_go_on_with_the_next_master(environment: Callable[..., None], guarded: Guarded) -> None:
    environment(EXTRA_KINDS="tests.sample_kinds", REDIS_URL=guarded.url)
    with running("--processes", "1", "--queues", "cpu"):
        until(queries.served_queues)
        assert ended(commands.submit("nap", {}, owner="local")).state == "succeeded"
        guarded.first.kill()  # type: ignore[attr-defined]
        until(lambda: _port() == guarded.replica)
        assert ended(commands.submit("nap", {}, owner="local")).state == "succeeded"


def _port() -> int:
    """Of the master that our own client talks to."""
    with suppress(RedisError):
        return int(db_redis.broker().info("server")["tcp_port"])
    return 0


def test_a_self_signed_certificate_is_named_and_one_setting_mends_it(
    environment: Callable[..., None], redis: redis.Redis, tmp_path: Path
) -> None:
    def use(address: str, tls: str | None) -> None:
        db_redis.broker().close()
        environment(REDIS_URL=address, REDIS_TLS=tls)

    certificate, authority, port = tmp_path / "redis.pem", tmp_path / "authority.pem", free_port()
    certify("127.0.0.1", certificate, authority)
    proxy = ("tests.stories.tls_proxy", "127.0.0.1", str(port), str(certificate), str(redis.socket))
    process = service.spawn([sys.executable, "-m", *proxy], tmp_path / "proxy.log", death_signal=signal.SIGKILL)
    address = f"rediss://127.0.0.1:{port}/0"
    try:
        use(address, "unverified")
        until(_answers)
        assert "its certificate is not verified" in broker_health().detail
        assert asyncio.run(_answers_async(address))
        use(address, str(authority))
        until(_answers)
        assert asyncio.run(_answers_async(address))
        use(address, None)
        with pytest.raises(RedisError) as failed:
            db_redis.broker().ping()
        assert "The certificate of Redis is not trusted. Set REDIS_TLS to" in failures.why(failed.value)
        assert "Set REDIS_TLS to" in broker_health().advice
        use(f"{address}?ssl_cert_reqs=none", None)
        until(_answers)
        db_redis.broker().close()
    finally:
        process.kill()
        process.wait()
    with pytest.raises(SettingsError, match="REDIS_TLS is '/no/such/file'"):
        read({"REDIS_TLS": "/no/such/file"})


def _answers() -> bool:
    with suppress(RedisError):
        return bool(db_redis.broker().ping())
    return False


async def _answers_async(address: str) -> bool:
    async with db_redis.connect_async(address) as client:
        return bool(await client.ping())
