"""Anthropic's Messages API, as a route of the fake provider; the real `anthropic` client is held against it."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from aiohttp import web


def text_of(content: Any) -> str:
    return content if isinstance(content, str) else "".join(block.get("text", "") for block in content)


def refused(status: int, kind: str, message: str) -> web.Response:
    return web.json_response({"type": "error", "error": {"type": kind, "message": message}}, status=status)


async def messages(server: Any, request: web.Request, instance: Any, answer_to: Any) -> web.StreamResponse:
    """An answer that follows from the last prompt, with what its cache was read and written."""
    body = await request.json()
    if request.headers.get("anthropic-version") is None or "max_tokens" not in body or "stream_options" in body:
        return refused(400, "invalid_request_error", "anthropic-version and max_tokens are required")
    if any(one["role"] not in ("user", "assistant") for one in body["messages"]):
        return refused(400, "invalid_request_error", "messages: Unexpected role")
    prompt = next(text_of(one["content"]) for one in reversed(body["messages"]) if one["role"] == "user")
    call = server._note(body | {"messages": [{"role": "user", "content": prompt}]}, request)
    call |= {"key": request.headers.get("x-api-key", ""), "body": body}
    how = server._behaviour(call)
    await asyncio.sleep(how.get("latency", 0))
    if call["did"] == "status":
        call["status"] = how["status"]
        return refused(how["status"], how.get("code", "api_error"), how.get("message", "Overloaded"))
    call["status"] = 200
    answer = _answer(body, call, instance, answer_to(prompt))
    call["usage"] = answer["usage"]
    return await _streamed(request, answer) if body.get("stream") else web.json_response(answer)


def _answer(body: dict[str, Any], call: dict[str, Any], instance: Any, text: str) -> dict[str, Any]:
    content: list[dict[str, Any]] = [{"type": "text", "text": text}]
    if chosen := (body.get("tool_choice") or {}).get("name"):
        tool = next(one for one in body["tools"] if one["name"] == chosen)
        content = [{"type": "tool_use", "id": "toolu_1", "name": chosen, "input": instance(tool["input_schema"], text)}]
    elif body.get("tools") and not any("tool_result" in str(one["content"]) for one in body["messages"]):
        content.append(
            {"type": "tool_use", "id": "toolu_2", "name": body["tools"][0]["name"], "input": {"formula": "6*7"}}
        )
    end = "tool_use" if content[-1]["type"] == "tool_use" else "end_turn"
    usage = {"input_tokens": 10, "cache_read_input_tokens": 5, "cache_creation_input_tokens": 2, "output_tokens": 7}
    return {
        "id": f"msg_{call['n']}", "type": "message", "role": "assistant", "model": body["model"], "content": content,
        "stop_reason": end, "stop_sequence": None, "usage": usage,
    }  # fmt: skip


async def _streamed(request: web.Request, answer: dict[str, Any]) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await response.prepare(request)
    start = {**answer, "content": [], "stop_reason": None, "usage": answer["usage"] | {"output_tokens": 1}}
    text = answer["content"][0]["text"]
    pieces = [text[place : place + 9] for place in range(0, len(text), 9)]
    events: list[dict[str, Any]] = [
        {"type": "message_start", "message": start},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "ping"},
        *({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": one}} for one in pieces),
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": answer["stop_reason"]}, "usage": {"output_tokens": 7}},
        {"type": "message_stop"},
    ]
    for event in events:
        await response.write(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode())
    return response
