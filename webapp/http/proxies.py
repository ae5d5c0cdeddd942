"""Applies X-Forwarded-* headers of proxies in TRUSTED_PROXIES, and ignores those of others.

X-Forwarded-For gives the client's address: the last entry that is not itself a trusted proxy. X-Forwarded-Proto gives the
scheme. X-Forwarded-Host is ignored; a proxy must pass Host unchanged. The client that a private address names without being in
TRUSTED_PROXIES is counted by itself at sign-ins: else one stranger's wrong passwords lock everybody out behind a router that was
not named. The limit of tries for each name holds all the same.
"""

from __future__ import annotations

import ipaddress
import logging
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse

CLAIMED = "legwork.claimed_client"  # in the environment of a request: believed for nothing but to count tries
log = logging.getLogger("legwork.web")

Application = Callable[[dict[str, Any], "StartResponse"], Iterable[bytes]]


class TrustedProxies:
    """The addresses and networks of TRUSTED_PROXIES."""

    def __init__(self, networks: Iterable[str]) -> None:
        self._networks = [ipaddress.ip_network(network, strict=False) for network in networks]

    def __contains__(self, text: str) -> bool:
        found = _address(text) if self._networks else None
        return found is not None and any(found in network for network in self._networks)


class Forwarded:
    """WSGI middleware that sets the address and scheme of the client behind the proxy."""

    def __init__(self, application: Application, networks: Iterable[str]) -> None:
        self._application = application
        self._proxies = TrustedProxies(networks)

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        if environ.get("REMOTE_ADDR", "") in self._proxies:
            environ["REMOTE_ADDR"] = self._client(environ)
            scheme = environ.get("HTTP_X_FORWARDED_PROTO", "").rpartition(",")[2].strip().lower()
            if scheme in ("http", "https"):
                environ["wsgi.url_scheme"] = scheme
        elif claimed := _named_by_router(environ):
            environ[CLAIMED] = claimed
            _warn(environ["REMOTE_ADDR"])
        return self._application(environ, start_response)

    def _client(self, environ: dict[str, Any]) -> str:
        client = str(environ["REMOTE_ADDR"])
        for hop in reversed(environ.get("HTTP_X_FORWARDED_FOR", "").split(",")):
            if client not in self._proxies or _address(hop) is None:
                break
            client = str(_address(hop))
        return client


def _named_by_router(environ: dict[str, Any]) -> str:
    """The client that a router says it asks for, where something on a private network asks that TRUSTED_PROXIES does not name."""
    hop = _address(environ.get("HTTP_X_FORWARDED_FOR", "").rpartition(",")[2])
    peer = _address(environ.get("REMOTE_ADDR", "")) if hop else None
    return str(hop) if peer is not None and not peer.is_global else ""


@lru_cache(maxsize=64)
def _warn(address: str) -> None:
    """Once for an address: the log of a site that was not set up for its router says how."""
    log.warning(
        "%s sends X-Forwarded-For, and TRUSTED_PROXIES does not name it. If it is a proxy, set TRUSTED_PROXIES=private",
        address,
    )


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        found = ipaddress.ip_address(text.strip().strip("[]"))
    except ValueError:
        return None
    return getattr(found, "ipv4_mapped", None) or found
