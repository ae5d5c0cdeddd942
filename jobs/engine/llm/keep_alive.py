"""Connections to the provider that are kept open between two answers: the next one begins without a handshake."""

from __future__ import annotations

import select
import ssl
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from http.client import HTTPConnection, HTTPSConnection
from urllib.parse import urlsplit

CONNECT_SECONDS = 10.0
IDLE_SECONDS = 60.0
LOOK_SECONDS = 5.0
MOST_IDLE = 32


@dataclass(frozen=True)
class Provider:
    """Where to ask. first_seconds: until the first byte of an answer; silence_seconds: between two of its tokens."""

    base_url: str
    api_key: str = field(repr=False)
    first_seconds: float
    silence_seconds: float
    proxy: str | None = None

    @property
    def host(self) -> str:
        return urlsplit(self.base_url).hostname or self.base_url

    @property
    def server(self) -> str:
        """What connections that can be used for one another have in common."""
        parts = urlsplit(self.base_url)
        return f"{parts.scheme}://{parts.netloc} by {self.proxy}"


_idle: list[tuple[str, HTTPConnection, float]] = []  # (where to, the connection, since when), the last one last
_lock = threading.Lock()
_looking = False


def take(provider: Provider) -> HTTPConnection | None:
    """A connection that nobody uses, as far as can be seen still open."""
    while True:
        with _lock:
            place = next((at for at in reversed(range(len(_idle))) if _idle[at][0] == provider.server), None)
            if place is None:
                return None
            _, connection, _ = _idle.pop(place)
        if not has_word(connection):
            return connection
        connection.close()


def give(provider: Provider, connection: HTTPConnection) -> None:
    """Keep a connection whose answer was read to its end."""
    global _looking
    with _lock:
        _idle.append((provider.server, connection, time.monotonic()))
        dropped = _idle.pop(0)[1] if len(_idle) > MOST_IDLE else None
        start, _looking = not _looking, True
    if dropped is not None:
        dropped.close()
    if start:
        threading.Thread(target=_look, name="idle connections", daemon=True).start()


def has_word(connection: HTTPConnection) -> bool:
    """Whether an idle connection has anything to read: then its server has closed it, or means somebody else."""
    if connection.sock is None:
        return True
    poll = select.poll()
    with suppress(OSError, ValueError):
        poll.register(connection.sock, select.POLLIN)
        return bool(poll.poll(0))
    return True


def fresh(provider: Provider) -> HTTPConnection:
    """A connection that is still to be made."""
    target = urlsplit(provider.base_url)
    port = target.port or (443 if target.scheme == "https" else 80)
    via = urlsplit(provider.proxy) if provider.proxy else target
    host, at = via.hostname or "", via.port or port
    if target.scheme != "https":
        return HTTPConnection(host, at, timeout=CONNECT_SECONDS)
    secure = HTTPSConnection(host, at, timeout=CONNECT_SECONDS, context=_tls())
    if provider.proxy:
        secure.set_tunnel(target.hostname or "", port)
    return secure


@cache
def _tls() -> ssl.SSLContext:
    """Made once: reading the certificates takes longer than a handshake."""
    return ssl.create_default_context()


def count() -> int:
    return len(_idle)


def close_idle() -> None:
    """Give back all that nobody uses: the process ends, or takes other settings."""
    with _lock:
        over, _idle[:] = list(_idle), []
    for _, connection, _ in over:
        connection.close()


def _look() -> None:
    """Close what was idle for too long, or was closed by its server. Ends with the last connection."""
    global _looking
    while True:
        time.sleep(min(LOOK_SECONDS, IDLE_SECONDS))
        with _lock:
            now = time.monotonic()
            closed = [each for each in _idle if now - each[2] >= IDLE_SECONDS or has_word(each[1])]
            _idle[:] = [each for each in _idle if each not in closed]
            _looking = bool(_idle)
            going_on = _looking
        for _, connection, _ in closed:
            connection.close()
        if not going_on:
            return
