"""What a provider says to one request, as text: whatever its events look like, and also where it does not stream."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from jobs.engine.errors import Transient
from jobs.engine.llm import responses
from jobs.engine.llm.stream import Stream

CUT_OFF = "The answer was cut off at the model's limit of tokens."


class StreamedReply:
    """The text that comes over a stream that is open. `usage` and `finish_reason` are known at its end."""

    def __init__(self, stream: Stream) -> None:
        self.usage: dict[str, Any] = {}
        self.finish_reason = ""
        self._stream = stream
        self._held = ""  # half of a character

    def texts(self) -> Iterator[tuple[str, int]]:
        """Pieces of text as they come, each with its number of tokens. Raises what `Stream.events` raises, and Transient
        where the stream ends before the answer."""
        for events in self._events():
            said = [text for event in events if (text := self._said(event))]
            if said and (whole := self._readable("".join(said))):
                yield whole, len(said)
        if not self.finish_reason:
            raise Transient("The provider's connection ended before the answer did.", reason="provider_broke")

    def counted(self, name: str) -> int | None:
        """`prompt_tokens` or `completion_tokens`, where the provider said."""
        count = self.usage.get(name)
        return count if isinstance(count, int) and count > 0 else None

    def _events(self) -> Iterator[list[dict[str, Any]]]:
        if self._stream.media_type == "text/event-stream":
            yield from self._stream.events()
            return
        try:
            whole = responses.parse(self._stream.whole(), self._stream.body, 0.0)
        except responses.Unwell as error:
            raise Transient(f"{error}.", reason="provider_unwell") from error
        usage = {"prompt_tokens": whole.prompt_tokens, "completion_tokens": whole.completion_tokens}
        yield [{"choices": [{"delta": {"content": whole.text}, "finish_reason": whole.finish_reason}], "usage": usage}]

    def _said(self, event: dict[str, Any]) -> str:
        """The text that an event brings; what else it says is noted."""
        if isinstance(usage := event.get("usage"), dict):
            self.usage = usage
        choices = event.get("choices")
        choice = choices[0] if isinstance(choices, list) and choices else {}
        delta = choice.get("delta") if isinstance(choice, dict) else None
        if not isinstance(delta, dict):
            return ""
        self.finish_reason = str(choice.get("finish_reason") or self.finish_reason)
        said = delta.get("content") or delta.get("refusal")
        return said if isinstance(said, str) else ""

    def _readable(self, text: str) -> str:
        """Text that can be kept: no NUL, and the halves of a character, which may come one by one, put together."""
        if text.isascii() and not self._held:
            return text.replace("\x00", "")
        text = (self._held + text).replace("\x00", "")
        self._held = text[-1] if text and "\ud800" <= text[-1] <= "\udbff" else ""
        whole = text[: len(text) - len(self._held)]
        return whole.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
