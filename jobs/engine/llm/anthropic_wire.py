"""Anthropic's Messages API in the words of OpenAI's chat completions: the request, the answer, and the events of a stream.

Only the wire is translated, so that calls have the same client, limits, retries and stops as all others. Their own package
would bring another HTTP client, at 0.6 s of the processor for each process that loads it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

VERSION = "2023-06-01"
LONGEST = 4_096  # tokens of an answer, where a request does not say; their API needs a number
_ENDS = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}
_KEPT = ("temperature", "top_p", "stream")
_ANSWER = "answer"  # the tool whose arguments are the answer where a schema is asked for


def path() -> str:
    return "v1/messages"


def headers(key: str) -> dict[str, str]:
    return {"anthropic-version": VERSION} | ({"x-api-key": key} if key else {})


def request(body: Mapping[str, Any]) -> dict[str, Any]:
    """The same request. The system prompt, which is the same for all rows of a job, is marked for their cache."""
    said = [one for one in body["messages"] if one.get("role") not in ("system", "developer")]
    system = "\n\n".join(_text(one.get("content")) for one in body["messages"] if one not in said)
    asked: dict[str, Any] = {name: body[name] for name in _KEPT if body.get(name) is not None}
    asked |= {"model": body["model"], "messages": _merged([_message(one) for one in said])}
    asked["max_tokens"] = body.get("max_completion_tokens") or body.get("max_tokens") or LONGEST
    if system:
        asked["system"] = [{"type": "text", "text": system, "cache_control": {"type": "ephemeral"}}]
    if stop := body.get("stop"):
        asked["stop_sequences"] = [stop] if isinstance(stop, str) else list(stop)
    tools = [_tool(one["function"]) for one in body.get("tools") or ()]
    if (schema := _schema(body)) is not None:
        tools = [{"name": _ANSWER, "description": "Give the answer in this form.", "input_schema": schema}]
        asked["tool_choice"] = {"type": "tool", "name": _ANSWER}
    return asked | ({"tools": tools} if tools else {})


def answer(found: Any) -> dict[str, Any]:
    """Their answer as a chat completion. Raises KeyError, TypeError or AttributeError for what is none."""
    blocks = found["content"]
    calls = [one for one in blocks if one["type"] == "tool_use"]
    text = "".join(one["text"] for one in blocks if one["type"] == "text")
    thought = "".join(one.get("thinking", "") for one in blocks if one["type"] == "thinking")
    message: dict[str, Any] = {"role": "assistant", "content": text, "reasoning_content": thought}
    finish = _ENDS.get(found.get("stop_reason") or "", "stop")
    if calls and calls[0]["name"] == _ANSWER:
        message["content"], finish = (
            json.dumps(calls[0]["input"], ensure_ascii=False),
            "stop" if finish == "tool_calls" else finish,
        )
    elif calls:
        message["tool_calls"] = [_call(one) for one in calls]
    choice = {"index": 0, "message": message, "finish_reason": finish}
    return {"id": found.get("id"), "object": "chat.completion", "model": found["model"], "choices": [choice],
            "usage": usage(found.get("usage"))}  # fmt: skip


def usage(counts: Any) -> dict[str, Any]:
    """Their counts: `input_tokens` is without what the cache was read from and written to."""
    found = counts if isinstance(counts, dict) else {}
    read, written = found.get("cache_read_input_tokens") or 0, found.get("cache_creation_input_tokens") or 0
    prompt, completion = (found.get("input_tokens") or 0) + read + written, found.get("output_tokens") or 0
    details = {"cached_tokens": read, "cache_write_tokens": written}
    return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion,
            "prompt_tokens_details": details}  # fmt: skip


def translated(chunks: Iterator[bytes], streamed: bool) -> Iterator[bytes]:
    """The body of an answer in OpenAI's wire; what is no answer comes as it is."""
    if not streamed:
        raw = b"".join(chunks)
        with suppress(ValueError, KeyError, TypeError, AttributeError, IndexError):
            raw = json.dumps(answer(json.loads(raw))).encode()
        yield raw
        return
    reader, left = StreamReader(), b""
    for chunk in chunks:
        *lines, left = (left + chunk).split(b"\n")
        for line in lines:
            if line.startswith(b"data:"):
                yield reader.line(line[5:].strip())
            elif line.startswith(b"{"):
                yield line + b"\n"
    yield b"data: [DONE]\n\n" if reader.ended else b""


class StreamReader:
    """Events of a stream, one after another, as chunks of a chat completion; None for those that say nothing.

    ended: whether the answer came to its end.
    """

    ended = False

    def __init__(self) -> None:
        self._usage: dict[str, Any] = {}

    def line(self, data: bytes) -> bytes:
        """The data of an event as a whole event; what is no event comes as it is."""
        try:
            found = self.chunk(json.loads(data))
        except (ValueError, KeyError, TypeError, AttributeError):
            return b"data: " + data + b"\n\n"
        return b"" if found is None else b"data: " + json.dumps(found).encode() + b"\n\n"

    def chunk(self, event: Mapping[str, Any]) -> dict[str, Any] | None:
        kind = event.get("type")
        self.ended = self.ended or kind == "message_stop"
        if kind == "error":
            return {"error": event.get("error")}
        if kind == "message_start":
            self._usage = dict((event.get("message") or {}).get("usage") or {})
        delta = event.get("delta") or {}
        if kind == "content_block_delta":
            said = {"content": delta["text"]} if "text" in delta else {"reasoning_content": delta.get("thinking", "")}
            return {"choices": [{"index": 0, "delta": said, "finish_reason": None}]}
        if kind == "message_delta":
            self._usage |= event.get("usage") or {}
            finish = _ENDS.get(delta.get("stop_reason") or "", "stop")
            return {"choices": [{"index": 0, "delta": {}, "finish_reason": finish}], "usage": usage(self._usage)}
        return None


def _schema(body: Mapping[str, Any]) -> dict[str, Any] | None:
    asked = body.get("response_format")
    if not isinstance(asked, dict) or asked.get("type") != "json_schema":
        return None
    return (asked.get("json_schema") or {}).get("schema")


def _tool(function: Mapping[str, Any]) -> dict[str, Any]:
    return {"name": function["name"], "description": function.get("description", ""),
            "input_schema": function.get("parameters") or {"type": "object"}}  # fmt: skip


def _call(block: Mapping[str, Any]) -> dict[str, Any]:
    return {"id": block["id"], "type": "function",
            "function": {"name": block["name"], "arguments": json.dumps(block["input"])}}  # fmt: skip


def _message(one: Mapping[str, Any]) -> dict[str, Any]:
    if one.get("role") == "tool":
        result = {"type": "tool_result", "tool_use_id": one.get("tool_call_id"), "content": _text(one.get("content"))}
        return {"role": "user", "content": [result]}
    calls = [
        {"type": "tool_use", "id": call["id"], "name": call["function"]["name"],
         "input": json.loads(call["function"].get("arguments") or "{}")}
        for call in one.get("tool_calls") or ()
    ]  # fmt: skip
    text = _text(one.get("content"))
    blocks = ([{"type": "text", "text": text}] if text else []) + calls
    return {
        "role": "assistant" if one.get("role") == "assistant" else "user",
        "content": blocks or [{"type": "text", "text": " "}],
    }


def _merged(messages: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Messages of one role that follow each other, such as results of tools, are one."""
    found: list[dict[str, Any]] = []
    for one in messages:
        if found and found[-1]["role"] == one["role"]:
            found[-1]["content"] += one["content"]
        else:
            found.append(one)
    return found


def _text(content: Any) -> str:
    if isinstance(content, list):
        return "".join(str(part.get("text", "")) for part in content if isinstance(part, Mapping))
    return content if isinstance(content, str) else ""
