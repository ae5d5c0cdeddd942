"""What a model provider sends back, read with distrust: for bulk work and for streams, here alone.

A model's reasoning (`reasoning_content`, or <think>…</think> before the answer) is no part of its answer.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from jobs.engine.billing import Bill, CallUsage
from jobs.engine.errors import BadInput
from jobs.engine.llm.provider_errors import NoAnswer, Unwell

if TYPE_CHECKING:
    from aiohttp import ClientResponse

LONGEST_ANSWER = 16_000_000  # bytes
LONGEST_REASONING = 200_000  # characters that are kept of a stream
CUT_OFF = "The answer was cut off at the model's limit of tokens."
FILTERED = "The provider's content filter refused the answer."
FILTERED_HERE = "The provider's content filter ended the answer here."
REFUSED = "The model refused to answer."
BROKE = "The provider ended the answer with an error."
EMPTY = "The model gave an empty answer."
ONLY_REASONED = "The model only reasoned, and gave no answer."

_TAGS = ("think", "thinking", "thought", "reasoning")
_THINK = rf"<({'|'.join(_TAGS)})>"
_REASONED = re.compile(rf"\s*{_THINK}(?P<reasoning>.*?)(?:</\1>\s*|\Z)", re.DOTALL | re.IGNORECASE)
_UNOPENED = re.compile(r"(?P<reasoning>.*?)\n?</think>[ \t]*\n\s*", re.DOTALL)  # some templates open it in the prompt
_FENCE_MARK = re.compile(r"^[ \t]*(?:`{3,}|~{3,})", re.MULTILINE)
_FENCE = re.compile(
    r"^[ \t]*(`{3,}|~{3,})[ \t]*(?:json\w*)?[ \t]*\n(.*?)\n?[ \t]*\1[ \t]*$", re.DOTALL | re.MULTILINE | re.IGNORECASE
)


@dataclass(frozen=True)
class ToolCall:
    """`arguments`: the JSON text as it came."""

    name: str
    arguments: str


@dataclass(frozen=True)
class Completion:
    """An answer. `finish_reason` is the provider's own; tokens include those of earlier tries, which are paid too.

    refused: by the model, whose words the text has. filtered: by the provider, which may have cut the text short.
    """

    text: str
    finish_reason: str
    bill: Bill
    seconds: float
    model: str
    refused: bool = False
    filtered: bool = False
    reasoning: str = ""
    calls: tuple[ToolCall, ...] = ()
    body: Mapping[str, Any] = field(default_factory=dict, repr=False)  # all of it, as it came

    @property
    def prompt_tokens(self) -> int:
        return self.bill.usage.prompt

    @property
    def completion_tokens(self) -> int:
        return self.bill.usage.completion

    @property
    def tokens(self) -> int:
        return self.bill.usage.tokens

    @property
    def cut_off(self) -> bool:
        """Whether the answer ends where the limit of tokens was, not where the model ended it."""
        return self.finish_reason == "length"

    @property
    def unwilling(self) -> bool:
        """Whether the model or its provider refused."""
        return self.refused or self.filtered

    def after(self, bill: Bill, seconds: float = 0.0) -> Completion:
        """This answer, with the cost of the tries before it."""
        return replace(self, bill=bill + self.bill, seconds=self.seconds + seconds)

    def given(self) -> Completion:
        """This answer, for work that needs one. Raises InvalidAnswer for a refusal, with the words that there are."""
        if self.filtered:
            raise InvalidAnswer(FILTERED, self, reason="filtered")
        if self.refused:
            raise InvalidAnswer(f"{REFUSED} It says: {self.text[:300]}", self, reason="refused")
        return self


class InvalidAnswer(BadInput):
    """The model answered, and not in a form that can be used. The tokens are paid all the same."""

    reason = "invalid_answer"

    def __init__(self, message: str, answer: Completion, reason: str | None = None) -> None:
        super().__init__(message, reason=reason)
        self.bill = answer.bill


async def read(response: ClientResponse) -> bytes:
    """The whole body, unless it is too long to be an answer."""
    raw = bytearray()
    async for chunk in response.content.iter_any():
        raw += chunk
        if len(raw) > LONGEST_ANSWER:
            raise Unwell("The provider's answer was longer than any answer can be")
    return bytes(raw)


def parse(raw: bytes, body: Mapping[str, Any], seconds: float) -> Completion:
    """The answer in a body with status 200.

    Raises NoAnswer where the body is none, Unwell for one without text, and InvalidAnswer where its limit of tokens was
    used up before the text began: the same request would end there again.
    """
    try:
        found = json.loads(raw)
        choice = found["choices"][0]
        message, finish = choice["message"], choice.get("finish_reason") or "stop"
        written, refusal = _joined(message.get("content")), message.get("refusal") or ""
        reasoning, text = reasoned(written)
        reasoning = reasoning or _joined(message.get("reasoning_content") or message.get("reasoning"))
        calls = tuple(_call(one["function"]) for one in message.get("tool_calls") or ())
    except (ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError) as error:
        raise NoAnswer("The provider sent something that is not an answer") from error
    if not isinstance(refusal, str) or not isinstance(finish, str) or (finish == "error" and not text.strip()):
        raise NoAnswer("The provider sent something that is not an answer")
    filtered = finish == "content_filter"
    paid = Bill(_usage(found.get("usage"), body, written + reasoning))
    model = str(found.get("model") or body["model"])
    answer = Completion(text or refusal, finish, paid, seconds, model, bool(refusal), filtered, reasoning, calls, found)
    if answer.text.strip() or calls or filtered:
        return answer
    if answer.cut_off:
        raise InvalidAnswer(cut_off_before_text(body, answer.completion_tokens), answer, reason="cut_off")
    raise Unwell((ONLY_REASONED if reasoning else EMPTY).rstrip("."), bill=paid)


def cut_off_before_text(body: Mapping[str, Any], tokens: int | None) -> str:
    """The sentence for an answer whose limit of tokens was used up before it had any text."""
    limit = body.get("max_completion_tokens") or body.get("max_tokens") or tokens
    where = f"at the limit of {limit:,} tokens" if isinstance(limit, int) else "at the limit of tokens"
    return f"The answer was cut off {where}, before it had any text. A model that reasons uses them for that too: allow more."


def reasoned(text: str) -> tuple[str, str]:
    """The reasoning before an answer, and the answer."""
    found = _REASONED.match(text)
    return (found["reasoning"].strip(), text[found.end() :]) if found else unopened(text)


def unopened(text: str) -> tuple[str, str]:
    """As `reasoned`, of a text whose opening tag stood in the prompt. A tag that the text itself opens, or that stands in a
    code fence, is text."""
    found = _UNOPENED.match(text)
    if not found or "<think>" in found["reasoning"] or len(_FENCE_MARK.findall(found["reasoning"])) % 2:
        return "", text
    return found["reasoning"].strip(), text[found.end() :]


class ReasoningFilter:
    """Takes the reasoning before an answer out of text that comes in pieces. seen: whether there is any."""

    def __init__(self) -> None:
        self.seen = False
        self._reasoning: list[str] = []
        self.length = 0  # characters of it
        self._held = ""
        self._closing = ""  # the tag that ends the reasoning
        self._answering = False

    @property
    def reasoning(self) -> str:
        """The reasoning so far, at most LONGEST_REASONING characters of it."""
        return "".join(self._reasoning).strip()

    def note(self, piece: object) -> None:
        """A piece of reasoning."""
        if isinstance(piece, str) and piece:
            self.seen = True
            if room := max(LONGEST_REASONING - self.length, 0):
                self._reasoning.append(piece[:room])
                self.length += min(len(piece), room)

    def answer(self, piece: str) -> str:
        """What of the answer is known now. A beginning that may be a tag is held until it is decided."""
        if self._answering:
            return piece
        self._held += piece
        if not self._closing:
            begun = self._held.lstrip().lower()
            opened = next((tag for tag in _TAGS if begun.startswith(f"<{tag}>")), None)
            if opened is None:
                return "" if any(f"<{tag}>".startswith(begun) for tag in _TAGS) else self.rest()
            self.seen, self._closing = True, f"</{opened}>"
            self._held = self._held.lstrip()[len(opened) + 2 :]
        end = self._held.lower().find(self._closing)
        if end < 0:
            self.note(self._held[: -len(self._closing)])
            self._held = self._held[-len(self._closing) :]
            return ""
        self.note(self._held[:end])
        self._held = self._held[end + len(self._closing) :].lstrip()
        self._closing = ""
        if not self._held:
            return ""  # the blanks before the answer may still come
        return self.rest()

    def rest(self) -> str:
        """What was held, if it is no reasoning; the rest is the answer."""
        if self._closing:
            self.note(self._held)
        held = "" if self._closing else self._held.lstrip() if self.seen else self._held
        self._answering, self._held = True, ""
        return held


def json_of(text: str) -> str:
    """The JSON in an answer: all of it, or what stands in its only code fence."""
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        fences = _FENCE.findall(text)
        return fences[0][1] if len(fences) == 1 else text
    return text


def schema_of(body: Mapping[str, Any]) -> dict[str, Any] | None:
    """The schema that a request asks its answer to fit."""
    asked = body.get("response_format")
    if not isinstance(asked, dict) or asked.get("type") != "json_schema":
        return None
    return (asked.get("json_schema") or {}).get("schema")


def _joined(content: Any) -> str:
    """Text, which some providers send in parts. Raises TypeError for what is none."""
    if isinstance(content, list):
        return "".join(part["text"] for part in content if part.get("type", "text") == "text")
    if content is not None and not isinstance(content, str):
        raise TypeError
    return content or ""


def _call(function: Mapping[str, Any]) -> ToolCall:
    arguments = function.get("arguments")
    return ToolCall(str(function["name"]), arguments if isinstance(arguments, str) else json.dumps(arguments or {}))


def _usage(usage: Any, body: Mapping[str, Any], text: str) -> CallUsage:
    """Tokens of prompt and answer; guessed at four characters each where the provider does not count."""
    counted = usage_of(usage)
    if counted is None:
        asked = sum(len(str(message.get("content", ""))) for message in body["messages"])
        return CallUsage(asked // 4 + 1, len(text) // 4 + 1)
    return counted


def usage_of(usage: Any) -> CallUsage | None:
    """What a provider counted, in OpenAI's words; None where it did not."""
    counts = usage if isinstance(usage, dict) else {}
    prompt, completion = _count(counts, "prompt_tokens"), _count(counts, "completion_tokens")
    if prompt is None or completion is None:
        return None
    read, thought = (_part(counts, name) for name in ("prompt_tokens_details", "completion_tokens_details"))
    cached, reasoning = _count(read, "cached_tokens") or 0, _count(thought, "reasoning_tokens") or 0
    written = _count(read, "cache_write_tokens") or 0
    return CallUsage(prompt, completion, min(cached, prompt), written, min(reasoning, completion))


def _part(counts: Mapping[str, Any], name: str) -> dict[str, Any]:
    found = counts.get(name)
    return found if isinstance(found, dict) else {}


def _count(counts: Mapping[str, Any], name: str) -> int | None:
    found = counts.get(name)
    return found if isinstance(found, int) and found >= 0 else None
