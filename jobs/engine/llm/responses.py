"""What a model provider sends back, read with distrust: an answer is one only if it has text."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

from jobs.engine.errors import BadInput, JobFailed

if TYPE_CHECKING:
    from aiohttp import ClientResponse

LONGEST_ANSWER = 16_000_000  # bytes
LONGEST_SENTENCE = 300

_KEYS = re.compile(r"(?:\b(?:sk|pk|key|gsk|xai)[-_]|Bearer\s+)[\w*.\-]{6,}", re.IGNORECASE)


@dataclass(frozen=True)
class Completion:
    """An answer. `finish_reason` is the provider's own; tokens include those of a first answer that did not do."""

    text: str
    finish_reason: str
    prompt_tokens: int
    completion_tokens: int
    seconds: float
    model: str
    refused: bool = False

    @property
    def tokens(self) -> int:
        return self.prompt_tokens + self.completion_tokens

    @property
    def cut_off(self) -> bool:
        """Whether the answer ends where the limit of tokens was, not where the model ended it."""
        return self.finish_reason == "length"

    def after(self, other: Completion) -> Completion:
        """This answer, with the cost of the one before it."""
        return replace(
            self,
            prompt_tokens=self.prompt_tokens + other.prompt_tokens,
            completion_tokens=self.completion_tokens + other.completion_tokens,
            seconds=self.seconds + other.seconds,
        )


class Unwell(Exception):
    """This try brought no answer; another may. Its text is the start of a sentence."""


class Busy(Exception):
    """The provider asks for a wait, of `seconds` where it says how long."""

    def __init__(self, seconds: float | None) -> None:
        self.seconds = seconds


class OtherLimitName(Exception):
    """This model knows the limit of tokens under its newer name only."""


class InvalidAnswer(BadInput):
    """The model answered, and not in the form asked for. The tokens are paid all the same."""

    reason = "invalid_answer"

    def __init__(self, message: str, answer: Completion) -> None:
        super().__init__(message)
        self.prompt_tokens = answer.prompt_tokens
        self.completion_tokens = answer.completion_tokens


async def read(response: ClientResponse) -> bytes:
    """The whole body, unless it is too long to be an answer."""
    raw = bytearray()
    async for chunk in response.content.iter_any():
        raw += chunk
        if len(raw) > LONGEST_ANSWER:
            raise Unwell("The provider's answer was longer than any answer can be")
    return bytes(raw)


def parse(raw: bytes, body: Mapping[str, Any], seconds: float) -> Completion:
    """The answer in a body with status 200. Raises Unwell where there is none."""
    try:
        found = json.loads(raw)
        choice = found["choices"][0]
        message, finish = choice["message"], choice.get("finish_reason") or "stop"
        text, refusal = message.get("content") or "", message.get("refusal") or ""
    except (ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError) as error:
        raise Unwell("The provider sent something that is not an answer") from error
    if not isinstance(text, str) or not isinstance(refusal, str) or not isinstance(finish, str):
        raise Unwell("The provider sent something that is not an answer")
    refused = bool(refusal) or finish == "content_filter"
    if not text.strip() and not refused:
        raise Unwell("The model gave an empty answer")
    prompt_tokens, completion_tokens = _usage(found.get("usage"), body, text)
    return Completion(
        text or refusal,
        finish,
        prompt_tokens,
        completion_tokens,
        seconds,
        str(found.get("model") or body["model"]),
        refused,
    )


def response_format(schema: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "json_schema", "json_schema": {"name": "answer", "schema": dict(schema), "strict": True}}


def schema_of(body: Mapping[str, Any]) -> dict[str, Any] | None:
    """The schema that a request asks its answer to fit."""
    asked = body.get("response_format")
    if not isinstance(asked, dict) or asked.get("type") != "json_schema":
        return None
    return (asked.get("json_schema") or {}).get("schema")


def sentence_of(raw: bytes, api_key: str) -> tuple[str, str]:
    """The provider's own words about an error, without keys and not long, and its code for it."""
    said, code = _said(raw)
    if api_key:
        said = said.replace(api_key, "[key]")
    said = " ".join(_KEYS.sub("[key]", said).split())
    return (said if len(said) <= LONGEST_SENTENCE else said[: LONGEST_SENTENCE - 1] + "…") or "nothing.", code


def busy(headers: Mapping[str, str], said: str, code: str) -> Exception:
    """What a 429 means: a wait, unless the account has nothing left to spend."""
    if code in ("insufficient_quota", "billing_hard_limit_reached"):
        return JobFailed(f"The provider says that the account has no credit left: {said}", reason="provider_credit")
    return Busy(_retry_after(headers.get("Retry-After", "")))


def wants_other_limit_name(said: str, body: Mapping[str, Any]) -> bool:
    return "max_tokens" in body and "max_completion_tokens" in said


def renamed_limit(body: Mapping[str, Any]) -> dict[str, Any]:
    return {"max_completion_tokens" if name == "max_tokens" else name: value for name, value in body.items()}


def _said(raw: bytes) -> tuple[str, str]:
    try:
        error = json.loads(raw)["error"]
        if isinstance(error, str):
            return error, ""
        return str(error["message"]), str(error.get("code") or error.get("type") or "")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return raw[:2000].decode(errors="replace"), ""


def _retry_after(text: str) -> float | None:
    """Seconds, from seconds or from a date (RFC 9110, 10.2.3)."""
    try:
        seconds = float(text)
    except ValueError:
        try:
            seconds = parsedate_to_datetime(text).timestamp() - time.time()
        except (ValueError, TypeError, OverflowError):
            return None
    return max(0.05, seconds) if seconds < float("inf") else None


def _usage(usage: Any, body: Mapping[str, Any], text: str) -> tuple[int, int]:
    """Tokens of prompt and answer; guessed at four characters each where the provider does not count."""
    counts = usage if isinstance(usage, dict) else {}
    prompt, completion = counts.get("prompt_tokens"), counts.get("completion_tokens")
    if not isinstance(prompt, int) or not isinstance(completion, int):
        return sum(len(str(message.get("content", ""))) for message in body["messages"]) // 4 + 1, len(text) // 4 + 1
    return prompt, completion
