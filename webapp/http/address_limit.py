"""Limits on what one client does at a time: open connections, and request bodies that are waited for.

Without them one client that is slow on purpose holds all connections of a web process. Proxies in TRUSTED_PROXIES have no
limit of connections, since those are of many clients; bodies are counted for the client that a proxy names. Where only this
machine uses the site nothing is limited.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from gunicorn.workers.ggevent import GeventWorker

from jobs.engine import settings
from jobs.engine.client_address import network_of
from webapp.http.proxies import TrustedProxies

MOST_CONNECTIONS = 256  # a quarter of a web process's
MOST_BODIES = 32


class AddressLimit:
    """Counts what the clients of this process do at a time."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._counts: Counter[str] = Counter()

    @contextmanager
    def one(self, address: str) -> Iterator[bool]:
        """Count one more of this address for the block. False if it has as many as it may."""
        key = network_of(address)
        self._counts[key] += 1
        try:
            yield self._counts[key] <= self._most or settings.current().this_machine_only
        finally:
            self._counts[key] -= 1
            if not self._counts[key]:
                del self._counts[key]


class Worker(GeventWorker):  # type: ignore[misc]
    """Gunicorn's worker, which closes connections above MOST_CONNECTIONS of an address at once."""

    def __init__(self, *args: Any, **named: Any) -> None:
        super().__init__(*args, **named)
        self._limit = AddressLimit(MOST_CONNECTIONS)
        self._proxies = TrustedProxies(settings.current().trusted_proxies)

    def handle(self, listener: Any, client: Any, addr: Any) -> None:
        address = str(addr[0]) if addr else ""
        with self._limit.one(address) as fits:
            if fits or address in self._proxies:
                super().handle(listener, client, addr)
            else:
                client.close()
