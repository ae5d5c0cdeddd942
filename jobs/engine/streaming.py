"""One answer of the provider, as its bytes come: for text that somebody waits for.

The standard library's HTTP client is enough for a stream, costs a quarter of the processor time of the provider's own
package, and lets another thread (under gevent: another greenlet) end it by shutting the socket down.
"""

from __future__ import annotations

import json
import socket
import ssl
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from typing import Any
from urllib.parse import urlsplit

from jobs.engine import answers
from jobs.engine.errors import BadInput, JobFailed, LegworkError, Transient

CONNECT_SECONDS = 10.0
READ_BYTES = 65_536
LONGEST_EVENT = 1_000_000  # bytes
LONGEST_PROBLEM = 100_000  # bytes of an error that are read


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


class Stopped(Exception):
    """The stream was ended from this side."""


class Stream:
    """A request to `chat/completions`. `close` may be called at any time, from any thread, and more than once."""

    def __init__(self, provider: Provider, body: Mapping[str, Any]) -> None:
        self.provider = provider
        self.body = dict(body)
        self.closed = False
        self.media_type = ""
        self._connection: HTTPConnection | None = None
        self._socket: socket.socket | None = (
            None  # of our own keeping: the connection forgets it at "Connection: close"
        )
        self._response: HTTPResponse | None = None

    @property
    def connected(self) -> bool:
        return self._socket is not None

    def open(self) -> None:
        """Send the request and read the head of the answer.

        Raises Stopped, Transient (away, slow or busy), BadInput (this request is refused) or JobFailed (no request can
        succeed).
        """
        try:
            self._send()
        except _OtherOptions:  # an older server that does not count tokens in a stream
            self.body.pop("stream_options", None)
            self._send()

    def chunks(self) -> Iterator[bytes]:
        """The body as it comes. Raises Stopped, or Transient where the connection breaks or falls silent."""
        assert self._response is not None
        with self._translated():
            self._silence(self.provider.silence_seconds)
            while chunk := self._response.read1(READ_BYTES):
                yield chunk
            if self.closed:
                raise Stopped

    def events(self) -> Iterator[dict[str, Any]]:
        """The body's events, read; ends at [DONE]. Raises also where one of them is no part of an answer, or silent ones
        come for too long."""
        heard = time.monotonic()
        for line in _lines(self.chunks()):
            if line.startswith(b"data:"):
                data = line[5:].strip()
                if data == b"[DONE]":
                    return
                heard = time.monotonic()
                yield self._event(data)
            elif time.monotonic() - heard > self.provider.silence_seconds:
                raise _silent(self.provider.silence_seconds)

    def whole(self) -> bytes:
        """The body of an answer that is not streamed."""
        body = bytearray()
        for chunk in self.chunks():
            body += chunk
            if len(body) > answers.LONGEST_ANSWER:
                raise Transient("The provider's answer was longer than any answer can be.", reason="provider_unwell")
        return bytes(body)

    def close(self) -> None:
        """End the request at once: whoever reads from it gets Stopped."""
        self.closed = True
        if self._socket is not None:
            with suppress(OSError):  # of the plain socket: TLS would first say goodbye
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)

    def release(self) -> None:
        """Give the connection back to the system. Only for the one who reads."""
        self.closed = True
        for part in (self._response, self._connection):
            if part is not None:
                with suppress(OSError, ValueError, HTTPException):
                    part.close()

    def _send(self) -> None:
        with self._translated():
            if self.closed:
                raise Stopped
            connection = self._connection = _connection(self.provider)
            connection.connect()
            self._socket = connection.sock
            if self.closed:  # while it was being made
                raise Stopped
            self._silence(self.provider.first_seconds)
            connection.request("POST", _target(self.provider), json.dumps(self.body).encode(), self._headers())
            response = self._response = connection.getresponse()
            self.media_type = (response.getheader("Content-Type") or "").partition(";")[0].strip().lower()
            if response.status != 200:
                raise self._refused(response)

    def _headers(self) -> dict[str, str]:
        key = {"Authorization": f"Bearer {self.provider.api_key}"} if self.provider.api_key else {}
        return {"Content-Type": "application/json", "Accept": "text/event-stream, application/json", **key}

    def _refused(self, response: HTTPResponse) -> Exception:
        raw = response.read1(LONGEST_PROBLEM)
        response.close()
        said, code = answers.sentence_of(raw, self.provider.api_key)
        if response.status in (400, 422) and "stream_options" in said and "stream_options" in self.body:
            return _OtherOptions()
        return _refusal(self.provider, response.status, response.headers, said, code, str(self.body.get("model")))

    def _event(self, data: bytes) -> dict[str, Any]:
        try:
            event = json.loads(data)
        except (ValueError, RecursionError):
            raise _rubbish() from None
        if not isinstance(event, dict):
            raise _rubbish()
        if event.get("error"):
            said, _ = answers.sentence_of(data, self.provider.api_key)
            raise Transient(f"The provider ended the answer with an error. It says: {said}", reason="provider_unwell")
        return event

    def _silence(self, seconds: float) -> None:
        if self._socket is not None:
            self._socket.settimeout(seconds)

    def _translated(self) -> _Translated:
        return _Translated(self)


class _OtherOptions(Exception):
    """This provider does not know `stream_options`."""


class _Translated:
    """Turns the ways in which a connection ends into our own errors; into Stopped once the stream was closed."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> None:
        if error is None or isinstance(error, LegworkError | Stopped | _OtherOptions | GeneratorExit):
            return
        if self._stream.closed:
            raise Stopped from error
        if isinstance(error, OSError | HTTPException | ValueError):
            raise _broken(self._stream, error) from error


def _broken(stream: Stream, error: Exception) -> LegworkError:
    provider, answered = stream.provider, stream._response is not None
    if isinstance(error, TimeoutError):
        if stream._socket is None:
            return Transient(_away(provider, f" within {CONNECT_SECONDS:g} s"), reason="provider_away")
        return _silent(provider.silence_seconds) if answered else _slow(provider.first_seconds)
    if answered:
        return Transient("The connection to the provider broke before the answer ended.", reason="provider_broke")
    if isinstance(error, ValueError):
        return JobFailed("OPENAI_BASE_URL is not an address that can be called.", reason="settings")
    return Transient(_away(provider, ""), reason="provider_away")


def _away(provider: Provider, within: str) -> str:
    return f"The provider at {provider.host} could not be reached{within}. Try again in a moment."


def _silent(seconds: float) -> Transient:
    return Transient(f"The model fell silent: nothing came for {seconds:g} s.", reason="provider_silent")


def _slow(seconds: float) -> Transient:
    return Transient(f"The model did not begin to answer within {seconds:g} s.", reason="provider_silent")


def _rubbish() -> Transient:
    return Transient("The provider sent something that is not part of an answer.", reason="provider_unwell")


def _refusal(provider: Provider, status: int, headers: Any, said: str, code: str, model: str) -> LegworkError:
    """What an answer other than 200 means. Somebody waits, so nothing is tried again by itself."""
    if status == 429:
        return _busy(answers.busy(headers, said, code))
    if status in (408, 409, 425) or status >= 500:
        return Transient(f"The provider had an error ({status}). Try again in a moment.", reason="provider_unwell")
    if status in (401, 403):
        sentence = f"The provider refused the key in OPENAI_API_KEY ({status}). It says: {said}"
        return JobFailed(sentence, reason="provider_refused_key")
    if status == 402:
        return JobFailed(f"The provider asks for payment first. It says: {said}", reason="provider_credit")
    if status < 400 or status in (404, 405):
        sentence = f"The provider at {provider.host} has no model “{model}”, or no chat at this address ({status})."
        return JobFailed(f"{sentence} It says: {said}", reason="no_model")
    return BadInput(f"The provider refused this request. It says: {said}", reason="provider_refused")


def _busy(error: Exception) -> LegworkError:
    if not isinstance(error, answers.Busy):
        assert isinstance(error, LegworkError)
        return error
    wait = f" It asks for a wait of {error.seconds:.0f} s." if error.seconds and error.seconds >= 1 else ""
    sentence = f"The provider is too busy for another answer now (429).{wait} Then try again."
    return Transient(sentence, reason="provider_busy", retry_after=error.seconds)


def _lines(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """The lines of a body, without their ends; a last line that has none is one too."""
    left = b""
    for chunk in chunks:
        *lines, left = (left + chunk).split(b"\n")
        yield from lines
        if len(left) > LONGEST_EVENT:
            raise _rubbish()
    if left:
        yield left


def _connection(provider: Provider) -> HTTPConnection:
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


def _target(provider: Provider) -> str:
    parts = urlsplit(provider.base_url)
    path = f"{parts.path.rstrip('/')}/chat/completions" + (f"?{parts.query}" if parts.query else "")
    return f"{parts.scheme}://{parts.netloc}{path}" if provider.proxy and parts.scheme == "http" else path
