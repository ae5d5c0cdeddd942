"""Outgoing requests to addresses that users typed, protected against server-side request forgery (SSRF).

The server may reach more of the network than its users may. So for each hop the name is resolved here, every address of
it is checked, and the connection goes to the checked address itself: a name that resolves to something else a moment
later changes nothing. No proxy of the environment is used. Time and size are limited.
"""

from __future__ import annotations

import http.client
import ipaddress
import re
import socket
import ssl
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import SplitResult, urljoin, urlsplit

from jobs.engine import settings
from jobs.engine.errors import BadInput, Transient

MOST_BYTES = 64_000
MOST_SECONDS = 15.0
MOST_HOPS = 3
MOST_URL = 2_000
AGENT = "Legwork/1"

_HOST = re.compile(r"[A-Za-z0-9._-]{1,253}", re.ASCII)
_NUMBERS = re.compile(r"(0x[0-9a-f]+|[0-9]+)(\.(0x[0-9a-f]*|[0-9]+)){0,3}\.?", re.IGNORECASE)
_INSIDE = "{} is an address inside this machine or its network, which is not asked from here."
_KEEPS_METHOD = (307, 308)
_LEADS_ON = (301, 302, 303, *_KEEPS_METHOD)
# The addresses that the Internet's registries give out. Python calls more global, and how many depends on its version.
_PUBLIC = [ipaddress.ip_network(net) for net in ("0.0.0.0/0", "2000::/3")]
# Of those, what is reserved or leads elsewhere: IETF protocols with Teredo, documentation, 6to4, a 6to4 relay.
_SPECIAL = [
    ipaddress.ip_network(net)
    for net in ("192.0.0.0/24", "192.88.99.0/24", "2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20")
]

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True)
class HttpReply:
    """The answer; `body` is cut at MOST_BYTES."""

    status: int
    body: bytes
    location: str = ""
    media_type: str = ""


def check(url: str) -> SplitResult:
    """The parts of a URL, checked as far as that works without resolving its name. Raises BadInput."""
    parts = _split(url)
    if parts.scheme not in ("http", "https"):
        raise BadInput("The address must begin with https:// or http://.")
    if parts.username is not None or parts.password is not None:
        raise BadInput("The address must not hold a name or password; nothing would keep them secret.")
    host = parts.hostname or ""
    if ":" not in host and not _HOST.fullmatch(host):
        raise BadInput("The address has no host name that can be looked up. Write others than a-z as xn--….")
    if _NUMBERS.fullmatch(host) and not _is_plain(host):
        raise BadInput("Write the host as a name, or as an address such as 203.0.113.7.")
    if _is_plain(host) and not allowed(ipaddress.ip_address(host)):
        raise BadInput(_INSIDE.format(host))
    return parts


def post(url: str, body: bytes, headers: Mapping[str, str]) -> HttpReply:
    """Send `body`, follow redirects that keep the method, and return the last answer.

    Raises BadInput for an address that may not be asked, Transient for one that does not answer in time.
    """
    until = time.monotonic() + MOST_SECONDS
    for _ in range(MOST_HOPS + 1):
        reply = _one_hop(check(url), body, headers, until)
        if reply.status not in _KEEPS_METHOD or not reply.location:
            return reply
        following = urljoin(url, reply.location)
        if url.startswith("https:") and not following.startswith("https:"):
            raise BadInput("The address leads from https:// to http://, where anybody could read along.")
        url = following
    raise BadInput(f"The address leads on more than {MOST_HOPS} times.")


def get(url: str, seconds: float, refuse: Callable[[str], None]) -> HttpReply:
    """Fetch a page, following redirects. `refuse` is called with the host of each hop, and raises for a forbidden one.

    Raises BadInput and Transient as `post` does, and takes `seconds`, MOST_SECONDS at most.
    """
    until = time.monotonic() + min(seconds, MOST_SECONDS)
    for _ in range(MOST_HOPS + 1):
        parts = check(url)
        refuse(parts.hostname or "")
        reply = _one_hop(parts, None, {}, until, "GET")
        if reply.status not in _LEADS_ON or not reply.location:
            return reply
        url = urljoin(url, reply.location)
    raise BadInput(f"The address leads on more than {MOST_HOPS} times.")


def allowed(address: Address) -> bool:
    """Whether an address is public; with OUTGOING_PRIVATE also one of this machine and its network."""
    inner = getattr(address, "ipv4_mapped", None)
    if inner is not None:
        return allowed(inner)
    if address.is_multicast or address.is_link_local or address.is_unspecified or _is_in(address, _SPECIAL):
        return False
    if settings.current().outgoing_private and (address.is_private or address.is_loopback):
        return not address.is_reserved or address.is_loopback
    return _is_in(address, _PUBLIC) and address.is_global and not address.is_reserved


def _is_in(address: Address, networks: Sequence[Network]) -> bool:
    return any(address in net for net in networks if net.version == address.version)


def _split(url: str) -> SplitResult:
    if len(url) > MOST_URL or not url.isascii() or not url.isprintable() or "\\" in url or " " in url:
        raise BadInput("The address holds characters that no address has, or is too long.")
    try:
        parts = urlsplit(url)
        if parts.port == 0:
            raise ValueError
    except ValueError:
        raise BadInput("The address cannot be read; one is https://example.org/hook.") from None
    return parts


def _is_plain(host: str) -> bool:
    """Whether this is an IP address in its usual form, not one of the odd forms that resolvers accept."""
    try:
        return str(ipaddress.ip_address(host)) == host
    except ValueError:
        return False


def _one_hop(
    parts: SplitResult, body: bytes | None, headers: Mapping[str, str], until: float, method: str = "POST"
) -> HttpReply:
    secure = parts.scheme == "https"
    host, port = parts.hostname or "", parts.port or (443 if secure else 80)
    try:
        stream = _connected(host, port, until)
        if secure:
            stream = ssl.create_default_context().wrap_socket(stream, server_hostname=host)
        connection = http.client.HTTPConnection(host, port)
        connection.sock = stream
        try:
            target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
            own = {"Host": parts.netloc, "User-Agent": AGENT, "Accept-Encoding": "identity", "Connection": "close"}
            connection.request(method, target, body, {**headers, **own})
            answer = connection.getresponse()
            location, media_type = answer.headers.get("Location", ""), answer.headers.get_content_type()
            return HttpReply(answer.status, _read(answer, stream, until), location, media_type)
        finally:
            connection.close()
    except ssl.SSLCertVerificationError as error:
        raise Transient(f"{host} does not prove who it is: {error.verify_message}.") from error
    except TimeoutError as error:
        raise Transient(f"{host} did not answer in time.") from error
    except (OSError, http.client.HTTPException) as error:
        raise Transient(f"{host} could not be reached or broke off: {type(error).__name__}.") from error


def _connected(host: str, port: int, until: float) -> socket.socket:
    """A connection to one of the addresses of a name, after all of them have been checked."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise Transient(f"The name {host} is not known.") from None
    addresses = [(family, place) for family, _, _, _, place in found]
    for _, place in addresses:
        if not allowed(ipaddress.ip_address(str(place[0]).split("%")[0])):
            raise BadInput(_INSIDE.format(host))
    last: OSError = OSError("no address")
    for family, place in addresses:
        stream = socket.socket(family, socket.SOCK_STREAM)
        stream.settimeout(_left(until))
        try:
            stream.connect(place)
            return stream
        except OSError as error:
            stream.close()
            last = error
    raise last


def _read(answer: http.client.HTTPResponse, stream: socket.socket, until: float) -> bytes:
    """At most MOST_BYTES, within the time that is left, however slowly they come."""
    found = b""
    while len(found) < MOST_BYTES:
        stream.settimeout(_left(until))
        chunk = answer.read1(MOST_BYTES - len(found))
        if not chunk:
            break
        found += chunk
    return found


def _left(until: float) -> float:
    left = until - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left
