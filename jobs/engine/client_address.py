"""What counts as one client: an IPv4 address, or the IPv6 network /64 that one client usually has all of."""

from __future__ import annotations

import ipaddress

PREFIX = 64  # bits of an IPv6 address


def network_of(address: str) -> str:
    """The address or network of a client, as a key for counting."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(found, ipaddress.IPv4Address):
        return str(found)
    return str(found.ipv4_mapped or ipaddress.ip_network((found, PREFIX), strict=False))
