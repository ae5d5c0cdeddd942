"""One answer of the provider, as its bytes come: for text that somebody waits for.

The standard library's HTTP client is enough for the head of a stream, costs a quarter of the processor time of the
provider's own package, and lets another thread (under gevent: another greenlet) end it by shutting the socket down. A
connection whose answer was read to its end is kept for the next.
"""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from http.client import HTTPConnection, HTTPException, HTTPResponse
from typing import Any
from urllib.parse import urlsplit

import orjson

from jobs.engine.errors import BadInput, JobFailed, LegworkError, Transient
from jobs.engine.llm import keep_alive, responses
from jobs.engine.llm.http_body import ResponseBody
from jobs.engine.llm.keep_alive import Provider

LEAVE_SECONDS = 0.2  # that the end of a body may take after its last event, for its connection to be kept
LONGEST_EVENT = 1_000_000  # bytes
LONGEST_PROBLEM = 100_000  # bytes of an error that are read


class StreamStopped(Exception):
    """The stream was ended from this side."""


class Stream:
    """A request to `chat/completions`. `close` may be called at any time, from any thread, and more than once."""

    def __init__(self, provider: Provider, body: Mapping[str, Any]) -> None:
        self.provider = provider
        self.body = dict(body)
        self.closed = False
        self._silenced = False
        self._heard = 0.0  # when the last bytes came, once there is an answer
        self.media_type = ""
        self._connection: HTTPConnection | None = None
        self._socket: socket.socket | None = (
            None  # of our own keeping: the connection forgets it at "Connection: close"
        )
        self._response: HTTPResponse | None = None
        self._body: ResponseBody | None = None
        self._lock = threading.Lock()  # whoever ends the stream must not end the next one on its connection

    @property
    def connected(self) -> bool:
        return self._socket is not None

    def open(self) -> None:
        """Send the request and read the head of the answer.

        Raises Stopped, Transient (away, slow or busy), BadInput (this request is refused) or JobFailed (no request can
        succeed).
        """
        while True:
            try:
                return self._send()
            except _OtherOptions as other:
                self.body = other.body
                if self._connection is not None:
                    self._connection.close()

    def chunks(self) -> Iterator[bytes]:
        """The body as it comes. Raises Stopped, or Transient where the connection breaks, or `end_silent` ended it."""
        assert self._body is not None
        with self._translated():
            self._silence(None)  # a timer for each token would cost more than to read it
            self._heard = time.monotonic()
            while chunk := self._body.read():
                self._heard = time.monotonic()
                yield chunk
            if self._silenced:
                raise _silent(self.provider.silence_seconds)
            if self.closed:
                raise StreamStopped

    def events(self) -> Iterator[list[dict[str, Any]]]:
        """The body's events, read, as many as come at a time; ends at [DONE]. Raises also where one of them is no part
        of an answer, after those before it, or where silent ones come for too long."""
        heard = time.monotonic()
        left = b""
        for chunk in self.chunks():
            *lines, left = (left + chunk).split(b"\n")
            if len(left) > LONGEST_EVENT:
                raise _rubbish()
            found, trouble, done = self._read(lines)
            if found:
                heard = time.monotonic()
                yield found
            if trouble is not None:
                raise trouble
            if done:
                return
            if not found and time.monotonic() - heard > self.provider.silence_seconds:
                raise _silent(self.provider.silence_seconds)
        found, trouble, _ = self._read([left])  # a last line without an end is one too
        yield found
        if trouble is not None:
            raise trouble

    def _read(self, lines: list[bytes]) -> tuple[list[dict[str, Any]], LegworkError | None, bool]:
        """The events in some lines, what is wrong with the one behind them, and whether that was the end."""
        found: list[dict[str, Any]] = []
        for line in lines:
            if line.startswith(b"data:"):
                data = line[5:].strip()
                if data == b"[DONE]":
                    return found, None, True
                try:
                    found.append(self._event(data))
                except LegworkError as error:
                    return found, error, False
        return found, None, False

    def whole(self) -> bytes:
        """The body of an answer that is not streamed."""
        body = bytearray()
        for chunk in self.chunks():
            body += chunk
            if len(body) > responses.LONGEST_ANSWER:
                raise Transient("The provider's answer was longer than any answer can be.", reason="provider_unwell")
        return bytes(body)

    def close(self) -> None:
        """End the request at once: whoever reads from it gets Stopped."""
        with self._lock:
            self.closed = True
            if self._socket is not None:
                with suppress(OSError):  # of the plain socket: TLS would first say goodbye
                    socket.socket.shutdown(self._socket, socket.SHUT_RDWR)

    def end_silent(self) -> None:
        """End the request if nothing has come for too long. Somebody has to call this now and then."""
        if self._heard and not self.closed and time.monotonic() - self._heard > self.provider.silence_seconds:
            self._silenced = True
            self.close()

    def release(self) -> None:
        """Keep the connection for another answer, or give it back to the system. Only for the one who reads."""
        whole = self._read_out()
        with self._lock:
            keep = whole and not self.closed
            self.closed, self._socket = True, None
        response, self._response = self._response, None
        connection, self._connection = self._connection, None
        if response is not None:
            with suppress(OSError, ValueError, HTTPException):
                response.close()
        if connection is not None and keep:
            keep_alive.give(self.provider, connection)
        elif connection is not None:
            with suppress(OSError, ValueError, HTTPException):
                connection.close()

    def _read_out(self) -> bool:
        """Whether the body has ended, and its connection can be used again."""
        if self.closed or self._body is None:
            return False
        with suppress(OSError, ValueError, HTTPException):
            self._silence(LEAVE_SECONDS)
            while not self._body.ended:
                if self._body.read():  # more than a last event: whoever sends on is not waited for
                    return False
            return self._body.reusable
        return False

    def _send(self) -> None:
        with self._translated():
            if (kept := keep_alive.take(self.provider)) is not None:
                with suppress(ConnectionError):  # closed by its server in this moment, before it said a word
                    return self._send_over(kept)
                kept.close()
            fresh = self._connection = keep_alive.fresh(self.provider)
            if not self.closed:
                fresh.connect()
            self._send_over(fresh)

    def _send_over(self, connection: HTTPConnection) -> None:
        with self._lock:
            self._connection, self._socket = connection, connection.sock
        if self.closed:  # also while the connection was being made
            raise StreamStopped
        self._silence(self.provider.first_seconds)
        connection.request("POST", _target(self.provider), json.dumps(self.body).encode(), self._headers())
        response = self._response = connection.getresponse()
        self._body = ResponseBody(response, self._socket)
        self.media_type = (response.getheader("Content-Type") or "").partition(";")[0].strip().lower()
        if response.status != 200:
            raise self._refused(response)

    def _headers(self) -> dict[str, str]:
        key = {"Authorization": f"Bearer {self.provider.api_key}"} if self.provider.api_key else {}
        return {"Content-Type": "application/json", "Accept": "text/event-stream, application/json", **key}

    def _refused(self, response: HTTPResponse) -> Exception:
        raw = response.read1(LONGEST_PROBLEM)
        response.close()
        said, code = responses.sentence_of(raw, self.provider.api_key)
        if response.status in (400, 422) and "stream_options" in said and "stream_options" in self.body:
            return _OtherOptions({name: value for name, value in self.body.items() if name != "stream_options"})
        if response.status == 400 and responses.wants_other_limit_name(said, self.body):
            return _OtherOptions(responses.renamed_limit(self.body))
        return _refusal(self.provider, response.status, response.headers, said, code, str(self.body.get("model")))

    def _event(self, data: bytes) -> dict[str, Any]:
        try:
            event = _json(data)
        except (ValueError, RecursionError):
            raise _rubbish() from None
        if not isinstance(event, dict):
            raise _rubbish()
        if event.get("error"):
            said, _ = responses.sentence_of(data, self.provider.api_key)
            raise Transient(f"The provider ended the answer with an error. It says: {said}", reason="provider_unwell")
        return event

    def _silence(self, seconds: float | None) -> None:
        if self._socket is not None:
            self._socket.settimeout(seconds)

    def _translated(self) -> _Translated:
        return _Translated(self)


def _json(data: bytes) -> Any:
    try:
        return orjson.loads(data)
    except ValueError:  # half of a character, which some providers send: only the standard library reads it
        return json.loads(data.decode())


class _OtherOptions(Exception):
    """This provider wants the same in other words: an older one does not know `stream_options`, a newer one `max_tokens`."""

    def __init__(self, body: dict[str, Any]) -> None:
        super().__init__()
        self.body = body


class _Translated:
    """Turns the ways in which a connection ends into our own errors; into Stopped once the stream was closed."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> None:
        if error is None or isinstance(error, LegworkError | StreamStopped | _OtherOptions | GeneratorExit):
            return
        if self._stream._silenced:
            raise _silent(self._stream.provider.silence_seconds) from error
        if self._stream.closed:
            raise StreamStopped from error
        if isinstance(error, OSError | HTTPException | ValueError):
            raise _broken(self._stream, error) from error


def _broken(stream: Stream, error: Exception) -> LegworkError:
    provider, answered = stream.provider, stream._response is not None
    if isinstance(error, TimeoutError):
        if stream._socket is None:
            return Transient(_away(provider, f" within {keep_alive.CONNECT_SECONDS:g} s"), reason="provider_away")
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
        return _busy(responses.busy(headers, said, code))
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
    if not isinstance(error, responses.Busy):
        assert isinstance(error, LegworkError)
        return error
    wait = f" It asks for a wait of {error.seconds:.0f} s." if error.seconds and error.seconds >= 1 else ""
    sentence = f"The provider is too busy for another answer now (429).{wait} Then try again."
    return Transient(sentence, reason="provider_busy", retry_after=error.seconds)


def _target(provider: Provider) -> str:
    parts = urlsplit(provider.base_url)
    path = f"{parts.path.rstrip('/')}/chat/completions" + (f"?{parts.query}" if parts.query else "")
    return f"{parts.scheme}://{parts.netloc}{path}" if provider.proxy and parts.scheme == "http" else path
