"""One answer of the provider as it comes, for text that somebody waits for.

urllib3 keeps the connections, and costs a fraction of the provider's own package. Another thread (under gevent: another
greenlet) can end a request at any moment by shutting its socket down, also before the provider has said a word.
"""

from __future__ import annotations

import json
import re
import socket
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import orjson
from urllib3 import BaseHTTPResponse, Timeout
from urllib3.exceptions import HTTPError, ProtocolError

from jobs.engine.errors import JobFailed, LegworkError, Transient
from jobs.engine.llm import anthropic_wire, connections, provider_errors, responses, stream_errors
from jobs.engine.llm.connections import Provider

HEADERS = {"Content-Type": "application/json", "Accept": "text/event-stream, application/json"}
READ_BYTES = 65_536
LEAVE_SECONDS = 0.2  # that the end of a body may take after its last event, for its connection to be kept
_CHUNK_SIZE = re.compile(rb"[0-9a-fA-F]{0,16}")
LONGEST_EVENT = 1_000_000  # bytes
LONGEST_PROBLEM = 100_000  # bytes of an error that are read


class StreamStopped(Exception):
    """The stream was ended from this side."""


class Stream:
    """A request to `chat/completions`. `close` may be called at any time, from any thread, and more than once."""

    def __init__(
        self, provider: Provider, body: Mapping[str, Any], others: Sequence[tuple[Provider, str]] = ()
    ) -> None:
        """others: providers to ask where this one cannot be reached, each with its model."""
        self.provider = provider
        self.body = dict(body)
        self._others = list(others)
        self.closed = False
        self.usage: dict[str, Any] = {}  # the provider's own counts, known at the end, as is
        self.finish_reason = ""
        self.refused = False  # by the model, whose words are the text then
        self._reasoning = responses.ReasoningFilter()
        self._thinking = 0  # events of the last ones that brought no text yet
        self._silenced = False
        self._heard = 0.0  # when the last bytes came, once there is an answer
        self._half = ""  # of a character, whose other half is in the next event
        self._reused = False  # whether the connection has served another answer
        self._socket: socket.socket | None = None
        self._response: BaseHTTPResponse | None = None
        self._lock = threading.Lock()

    @property
    def connected(self) -> bool:
        return self._socket is not None

    @property
    def answered(self) -> bool:
        """Whether the provider began to answer."""
        return self._response is not None and self._response.status == 200

    def open(self) -> None:
        """Send the request and read the head of the answer.

        Raises StreamStopped, Transient (away, slow or busy), BadInput (this request is refused) or JobFailed (no request
        can succeed).
        """
        while True:
            try:
                return self._open()
            except (Transient, JobFailed):
                if self.closed or not self._others:
                    raise
            self.provider, model = self._others.pop(0)
            self.body["model"] = model

    def _open(self) -> None:
        with self._translated():
            while (response := self._send()).status != 200:
                said, code = provider_errors.sentence_of(response.read1(LONGEST_PROBLEM), self.provider.api_key)
                response.close()
                self.body = self._other_options(response.status, said) or self._refused(response, said, code)

    def chunks(self) -> Iterator[bytes]:
        """The body as it comes. Raises StreamStopped, or Transient where the connection breaks or `end_silent` ended it."""
        found = self._chunks()
        return anthropic_wire.translated(found, bool(self.body.get("stream"))) if self.provider.other_wire else found

    def _chunks(self) -> Iterator[bytes]:
        assert self._response is not None
        with self._translated():
            self._limit(None)  # a timer for each token would cost more than to read it
            self._heard = time.monotonic()
            while chunk := self._response.read1(READ_BYTES, decode_content=False):
                self._heard = time.monotonic()
                yield chunk
            if self.closed:
                raise ProtocolError("ended from this side")

    def texts(self) -> Iterator[tuple[str, int]]:
        """Pieces of text as they come, each with its number of tokens; empty ones while the model reasons.

        Raises what `chunks` raises, and Transient where the stream ends before the answer, or brings what is no part of one."""
        for events in self._events():
            self._thinking = 0
            said = [text for event in events if (text := self._text(event))]
            whole = self._readable("".join(said)) if said else ""
            if whole or self._thinking:
                yield whole, len(said) + self._thinking
        if rest := self._reasoning.rest():
            yield rest, 1
        if not self.finish_reason:
            raise Transient("The provider's connection ended before the answer did.", reason="provider_broke")

    @property
    def reasoning(self) -> str:
        """What the model thought before its answer, as far as it came."""
        return (
            self._reasoning.reasoning.replace("\x00", "")
            .encode("utf-16-le", "surrogatepass")
            .decode("utf-16-le", "replace")
        )

    @property
    def reasoning_length(self) -> int:
        return self._reasoning.length

    def counted(self, name: str) -> int | None:
        """`prompt_tokens` or `completion_tokens`, where the provider said."""
        count = self.usage.get(name)
        return count if isinstance(count, int) and count > 0 else None

    def ending(self, has_text: bool) -> tuple[str, str] | None:
        """Why an answer that came to its end is not whole, as a word and a sentence; None if it is."""
        if self.finish_reason == "length":
            before = responses.cut_off_before_text(self.body, self.counted("completion_tokens"))
            return "length", responses.CUT_OFF if has_text else before
        if self.finish_reason == "error":
            return "provider_unwell", responses.BROKE
        if self.finish_reason == "content_filter":
            return "filtered", responses.FILTERED_HERE if has_text else responses.FILTERED
        if not has_text:
            return "provider_unwell", responses.ONLY_REASONED if self._reasoning.seen else responses.EMPTY
        return ("refused", responses.REFUSED) if self.refused else None

    def whole(self) -> bytes:
        """The body of an answer that is not streamed."""
        body = bytearray()
        for chunk in self.chunks():
            body += chunk
            if len(body) > responses.LONGEST_ANSWER:
                raise Transient("The provider's answer was longer than any answer can be.", reason="provider_unwell")
        return bytes(body)

    def close(self) -> None:
        """End the request at once: its reader gets StreamStopped."""
        with self._lock:
            self.closed = True
            ours = self._response is None or self._response.connection is not None  # else another answer may have it
            if self._socket is not None and ours:
                with suppress(OSError):  # of the plain socket: TLS would first say goodbye
                    socket.socket.shutdown(self._socket, socket.SHUT_RDWR)

    def end_silent(self) -> None:
        """End the request if nothing has come for too long. Somebody has to call this now and then."""
        if self._heard and not self.closed and time.monotonic() - self._heard > self.provider.silence_seconds:
            self._silenced = True
            self.close()

    def release(self) -> None:
        """Keep the connection for another answer if this one was read to its end, or close it. Only for the reader."""
        response = self._response
        if response is not None and not self.closed:
            with suppress(OSError, HTTPError, ValueError):
                self._limit(LEAVE_SECONDS)
                response.read1(READ_BYTES, decode_content=False)  # at its end, urllib3 keeps the connection
        with self._lock:
            self.closed, self._socket = True, None
        if response is not None:
            response.close()

    def connected_to(self, connection: socket.socket, reused: bool) -> None:
        """This request is about to go out over a connection."""
        connections.check_peer(self.provider.connection, connection)
        with self._lock:
            self._socket, self._reused = connection, reused
        if self.closed:  # also while the connection was being made
            raise StreamStopped

    def _send(self) -> BaseHTTPResponse:
        self._socket = self._response = None
        timeout = Timeout(connect=connections.CONNECT_SECONDS, read=self.provider.first_seconds)
        asked = anthropic_wire.request(self.body) if self.provider.other_wire else self.body
        body, headers = json.dumps(asked).encode(), HEADERS | self.provider.headers
        while True:
            try:
                self._response = connections.post(self.provider, body, headers, timeout, self.connected_to)
                break
            except ProtocolError as error:  # of a kept connection that its server has closed in this moment
                if self.closed or not self._reused or not isinstance(error.args[-1], ConnectionError):
                    raise
        if self.closed:  # a head that was cut off counts as whole
            raise StreamStopped
        return self._response

    def _other_options(self, status: int, said: str) -> dict[str, Any] | None:
        """The same request for a provider that is too old for `stream_options`, or too new for `max_tokens`."""
        if status in (400, 422) and "stream_options" in said and "stream_options" in self.body:
            return {name: value for name, value in self.body.items() if name != "stream_options"}
        if status == 400 and provider_errors.wants_other_limit_name(said, self.body):
            return provider_errors.renamed_limit(self.body)
        return None

    def _refused(self, response: BaseHTTPResponse, said: str, code: str) -> dict[str, Any]:
        model = str(self.body.get("model"))
        raise stream_errors.refusal(self.provider, response.status, response.headers, said, code, model)

    def _limit(self, seconds: float | None) -> None:
        """Let a read take no longer than this."""
        if self._socket is not None:
            self._socket.settimeout(seconds)

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """Turn the ways in which a connection ends into our errors; into StreamStopped once the stream was closed."""
        try:
            yield
        except (HTTPError, OSError, ValueError) as error:
            if self._silenced:
                raise stream_errors.silent(self.provider.silence_seconds) from error
            if self.closed:
                raise StreamStopped from error
            answered = self._response is not None
            raise stream_errors.broken(self.provider, error, sent=self.connected, answered=answered) from error

    # What the bytes say.

    def _events(self) -> Iterator[list[dict[str, Any]]]:
        """The events, as many as come at a time, to [DONE]. An answer that does not stream is one event."""
        assert self._response is not None
        media_type = self._response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        if media_type == "text/event-stream":
            yield from self._streamed()
            return
        yield [self._unstreamed(self.whole())]

    def _unstreamed(self, raw: bytes) -> dict[str, Any]:
        """An answer that was not streamed as one event."""
        try:
            whole = responses.parse(raw, self.body, 0.0)
        except provider_errors.Unwell as error:
            raise stream_errors.shown(provider_errors.instead_of_answer(raw, self.provider.api_key) or error) from error
        usage = {"prompt_tokens": whole.prompt_tokens, "completion_tokens": whole.completion_tokens}
        said = {"refusal" if whole.refused else "content": whole.text, "reasoning_content": whole.reasoning}
        return {"choices": [{"delta": said, "finish_reason": whole.finish_reason}], "usage": usage}

    def _streamed(self) -> Iterator[list[dict[str, Any]]]:
        """The events of a stream. Raises also where one of them is no part of an answer, after those before it."""
        with self._translated():
            unframed = self._unframed()
        if unframed:
            error = provider_errors.instead_of_answer(unframed, self.provider.api_key)
            raise stream_errors.shown(error) if error is not None else stream_errors.rubbish()
        heard, left = time.monotonic(), b""
        for chunk in self.chunks():
            *lines, left = (left + chunk).split(b"\n")
            if len(left) > LONGEST_EVENT:
                raise stream_errors.rubbish()
            found, trouble, done = self._read(lines)
            if found:
                heard = time.monotonic()
                yield found
            if trouble is not None:
                raise trouble
            if done:
                return
            if not found and time.monotonic() - heard > self.provider.silence_seconds:
                raise stream_errors.silent(self.provider.silence_seconds)
        found, trouble, _ = self._read([left])  # a last line without an end is one too
        yield found
        if trouble is not None:
            raise trouble

    def _unframed(self) -> bytes:
        """The JSON in the body of a server that announces chunks and sends an error without them; empty where there are chunks."""
        buffer = getattr(getattr(self._response, "_fp", None), "fp", None)
        if self._response is None or buffer is None or not getattr(self._response, "chunked", False):
            return b""
        self._limit(None)
        self._heard = time.monotonic()
        size = bytes(buffer.peek(1)).partition(b"\n")[0].partition(b";")[0].strip()
        if _CHUNK_SIZE.fullmatch(size):
            return b""
        raw = bytes(buffer.read1(LONGEST_PROBLEM))
        return raw[raw.find(b"{") : raw.rfind(b"}") + 1]

    def _read(self, lines: list[bytes]) -> tuple[list[dict[str, Any]], LegworkError | None, bool]:
        """The events in some lines, what is wrong with the one behind them, and whether that was the end."""
        found: list[dict[str, Any]] = []
        for line in lines:
            if line.startswith(b"{"):  # an error may stand alone, as no event
                if (error := provider_errors.instead_of_answer(line, self.provider.api_key)) is not None:
                    return found, stream_errors.shown(error), False
            elif line.startswith(b"data:"):
                data = line[5:].strip()
                if data == b"[DONE]":
                    return found, None, True
                try:
                    found.append(self._event(data))
                except LegworkError as error:
                    return found, error, False
        return found, None, False

    def _event(self, data: bytes) -> dict[str, Any]:
        try:
            event = _json(data)
        except (ValueError, RecursionError):
            raise stream_errors.rubbish() from None
        if not isinstance(event, dict):
            raise stream_errors.rubbish()
        if (error := provider_errors.within(event, self.provider.api_key)) is not None:
            raise stream_errors.shown(error)
        return event

    def _text(self, event: dict[str, Any]) -> str:
        """The text that an event brings; what else it says is noted."""
        if isinstance(usage := event.get("usage"), dict):
            self.usage = usage
        choices = event.get("choices")
        choice = choices[0] if isinstance(choices, list) and choices else {}
        delta = choice.get("delta") if isinstance(choice, dict) else None
        if not isinstance(delta, dict):
            return ""
        self.finish_reason = str(choice.get("finish_reason") or self.finish_reason)
        if isinstance(refusal := delta.get("refusal"), str) and refusal:
            self.refused = True
            return refusal
        thought = delta.get("reasoning_content") or delta.get("reasoning")
        self._reasoning.note(thought)
        said = delta.get("content")
        text = self._reasoning.answer(said) if isinstance(said, str) else ""
        self._thinking += bool(not text and (thought or said))
        return text

    def _readable(self, text: str) -> str:
        """Text that can be stored: no NUL, and the halves of a character, which may come one by one, put together."""
        if text.isascii() and not self._half:
            return text.replace("\x00", "")
        text = (self._half + text).replace("\x00", "")
        self._half = text[-1] if text and "\ud800" <= text[-1] <= "\udbff" else ""
        whole = text[: len(text) - len(self._half)]
        return whole.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _json(data: bytes) -> Any:
    try:
        return orjson.loads(data)
    except ValueError:  # half of a character, which some providers send: only the standard library reads it
        return json.loads(data.decode())
