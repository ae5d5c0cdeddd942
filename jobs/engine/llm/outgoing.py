"""Connections to providers whose address was typed into a page: only to where outgoing requests may go.

Each name is resolved here and each of its addresses is checked, and the connection goes to the checked address.
"""

from __future__ import annotations

import ipaddress
import socket
from typing import TYPE_CHECKING, Any

from jobs.engine.errors import BadInput
from jobs.engine.llm.providers import Connection
from jobs.engine.sandbox import http

if TYPE_CHECKING:
    from aiohttp import TCPConnector

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
