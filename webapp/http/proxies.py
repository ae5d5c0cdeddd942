"""Applies X-Forwarded-* headers of proxies in TRUSTED_PROXIES, and ignores those of others.

X-Forwarded-For gives the client's address: the last entry that is not itself a trusted proxy. X-Forwarded-Proto gives the
scheme. X-Forwarded-Host is ignored; a proxy must pass Host unchanged.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse

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
        return self._application(environ, start_response)

    def _client(self, environ: dict[str, Any]) -> str:
        client = str(environ["REMOTE_ADDR"])
        for hop in reversed(environ.get("HTTP_X_FORWARDED_FOR", "").split(",")):
            if client not in self._proxies or _address(hop) is None:
                break
            client = str(_address(hop))
        return client


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        found = ipaddress.ip_address(text.strip().strip("[]"))
    except ValueError:
        return None
    return getattr(found, "ipv4_mapped", None) or found
