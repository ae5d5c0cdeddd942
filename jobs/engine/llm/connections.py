"""Connections to the provider, kept by urllib3 between two answers: the next one begins without a handshake."""

from __future__ import annotations

import ipaddress
import socket
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from urllib3 import BaseHTTPResponse, HTTPConnectionPool, HTTPSConnectionPool, PoolManager, ProxyManager, Timeout
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.util import make_headers

from jobs.engine.errors import BadInput
from jobs.engine.llm import anthropic_wire
from jobs.engine.llm.providers import Connection
from jobs.engine.sandbox import http

if TYPE_CHECKING:
    from aiohttp import TCPConnector

CONNECT_SECONDS = 10.0
MOST_IDLE = 32
# An idle connection that a firewall has forgotten must not swallow the next question: the kernel notices within a minute.
ALIVE = [
    *HTTPConnection.default_socket_options,
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 30),
    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 10),
    (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3),
]

Connected = Callable[[socket.socket, bool], None]  # with the socket, and whether it has served another request


@dataclass(frozen=True)
class Provider:
    """Where to ask. first_seconds: until the first byte of an answer; silence_seconds: between two of its tokens."""

    base_url: str
    api_key: str = field(repr=False)
    first_seconds: float
    silence_seconds: float
    proxy: str | None = None
    connection: Connection | None = None  # where it has a name

    @property
    def other_wire(self) -> bool:
        return self.connection is not None and self.connection.kind == "anthropic"

    @property
    def headers(self) -> dict[str, str]:
        if self.other_wire:
            return anthropic_wire.headers(self.api_key)
        return {"Authorization": f"Bearer {self.api_key}"} if self.api_key else {}

    @property
    def host(self) -> str:
        return urlsplit(self.base_url).hostname or self.base_url


def post(
    provider: Provider, body: bytes, headers: dict[str, str], timeout: Timeout, connected: Connected
) -> BaseHTTPResponse:
    """The head of the answer to a chat. connected: called before the request is sent. Raises urllib3's HTTPError."""
    parts = urlsplit(provider.base_url)
    path = anthropic_wire.path() if provider.other_wire else "chat/completions"
    url = parts._replace(path=f"{parts.path.rstrip('/')}/{path}").geturl()
    _asking.connected = connected
    return _manager(provider.proxy).urlopen(
        "POST", url, redirect=False, retries=False, preload_content=False, body=body, headers=headers, timeout=timeout
    )


def close_idle() -> None:
    """Close all that nobody uses: the process ends, or takes other settings."""
    while _managers:
        _managers.popitem()[1].clear()


_asking = threading.local()  # `connected` of the request that this thread makes
_managers: dict[str | None, PoolManager] = {}  # by proxy


def _manager(proxy: str | None) -> PoolManager:
    if proxy not in _managers:
        _managers[proxy] = _made(proxy)
    return _managers[proxy]


def _made(proxy: str | None) -> PoolManager:
    options: dict[str, Any] = {
        "maxsize": MOST_IDLE,
        "socket_options": ALIVE,
        "ssl_context": ssl.create_default_context(),
    }
    if proxy:
        options["proxy_headers"] = _login(proxy)
        manager: PoolManager = ProxyManager(proxy, **options)
    else:
        manager = PoolManager(**options)
    manager.pool_classes_by_scheme = {"http": _Pool, "https": _SecurePool}
    return manager


def _login(proxy: str) -> dict[str, str]:
    parts = urlsplit(proxy)
    return dict(make_headers(proxy_basic_auth=f"{parts.username}:{parts.password or ''}") if parts.username else {})


class _Connection(HTTPConnection):
    """A connection that says when a request is about to go out over it, so that others can shut its socket down."""

    _fresh = False

    def connect(self) -> None:
        super().connect()
        self._fresh = True

    def request(self, *arguments: Any, **options: Any) -> None:
        if self.is_closed:
            self.connect()
        reused, self._fresh = not self._fresh, False
        _asking.connected(self.sock, reused)
        super().request(*arguments, **options)


class _SecureConnection(_Connection, HTTPSConnection):
    pass


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _SecureConnection


# Where providers whose address was typed into a page may be: each address is checked, and the connection goes to that one.

INSIDE = "{} is an address inside this machine or its network, which is not asked from here."


def connector(checked: bool) -> TCPConnector:
    """What aiohttp makes connections with. checked: only to public addresses, or private ones with OUTGOING_PRIVATE."""
    import aiohttp
    from aiohttp.resolver import ThreadedResolver

    class Checked(ThreadedResolver):
        async def resolve(self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET) -> Any:
            found = await super().resolve(host, port, family)
            for one in found:
                check(host, one["host"])
            return found

    return aiohttp.TCPConnector(limit=0, resolver=Checked()) if checked else aiohttp.TCPConnector(limit=0)


def check_peer(connection: Connection | None, connected: socket.socket) -> None:
    """Raise BadInput where a checked connection has led to an address that may not be asked, before anything is sent."""
    if connection is not None and connection.checked:
        check(connection.host, str(connected.getpeername()[0]))


def check(host: str, address: str) -> None:
    """Raise BadInput for an address that may not be asked."""
    if not http.allowed(ipaddress.ip_address(address.split("%")[0])):
        raise BadInput(INSIDE.format(host), reason="inside")
