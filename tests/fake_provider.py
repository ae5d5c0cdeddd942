"""A model provider to test against: a real HTTP server that speaks OpenAI's wire format and does as it is told.

    with FakeProvider() as provider:                     # in a thread of this process
        provider.script(latency=0.2, do=[{"do": "status", "status": 429, "retry_after": 1, "calls": 5}])
        ... provider.base_url, provider.calls(), provider.answered()

    python -m tests.fake_provider --port 0               # a process of its own; prints its port

HTTP: `GET /v1/models`, `POST /v1/chat/completions` (streaming too), `POST /v1/embeddings`, `POST /v1/moderations` (unless
the script says moderates=False), and for the test `POST /script`, `GET /calls`, `DELETE /calls`.
An answer follows from the prompt alone, so two runs agree. A behaviour is used up after its `calls` (default 1) or its
`seconds`, and can be kept to prompts that contain `match`. The behaviours: status (with status, message, code,
retry_after, retry_after_date), hang, drip, cut, rubbish, no_choices, empty, wrong_json, refusal, content_filter, length,
slow (with latency); of streams: break, silence, garbage (each `after` so many words), endless, and any with `text`,
`token_seconds`, or `lines` that go out before the first word.
Any answer with `hold` waits, after so many words of a stream, for the next script.
And tool, with `calls_tool`: a tool's name and arguments. And body, with `body`: any JSON instead of an answer, in a stream
each of a list as an event. Of judgements: status, hang, rubbish, one_less, with `scores` any scores instead.
With `usage` in its script its answers say that beside the tokens that they took.
With `calls_tools` it calls a tool wherever one is offered.
With `strict` it checks schemas of strict mode as OpenAI does. With `keep` false in its script it remembers no
call; with `whole` it remembers all messages of each.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import re
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from email.utils import formatdate
from typing import Any, Self

from aiohttp import web

from tests import fake_anthropic
from tests.fake_batches import FakeBatches

MODELS = ("fake-small", "fake-large")
CATEGORIES = ("harassment", "harassment/threatening", "hate", "self-harm", "sexual", "violence", "violence/graphic")


class FakeProvider:
    """The server in a thread. `base_url` is what OPENAI_BASE_URL takes. keep_seconds: of a connection that nobody uses."""

    def __init__(self, keep_seconds: float = 75.0) -> None:
        self.server = Server(keep_seconds)

    def __enter__(self) -> Self:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._port = asyncio.run_coroutine_threadsafe(self.server.start(), self._loop).result(10)
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self.server.stop(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    @contextmanager
    def away(self) -> Iterator[None]:
        """Nobody listens at its address."""
        asyncio.run_coroutine_threadsafe(self.server.stop(), self._loop).result(10)
        try:
            yield
        finally:
            asyncio.run_coroutine_threadsafe(self.server.start(self._port), self._loop).result(10)

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self._port}/v1"

    def script(self, **script: Any) -> None:
        """Set what the server does from now on; forgets the script before it."""
        body = json.dumps(script).encode()
        urllib.request.urlopen(f"http://127.0.0.1:{self._port}/script", body, timeout=10).close()

    def calls(self) -> list[dict[str, Any]]:
        """Each as {n, at, prompt, hash, model, key, did, status, ended, left, body}; `ended` if the whole answer was sent."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self._port}/calls", timeout=10) as answer:
            return json.load(answer)["calls"]

    def answered(self) -> Counter[str]:
        """How often each prompt got an answer that was paid for."""
        return Counter(call["prompt"] for call in self.calls() if call["status"] == 200)


class Server:
    def __init__(self, keep_seconds: float = 75.0) -> None:
        self._keep_seconds = keep_seconds
        self.calls: list[dict[str, Any]] = []
        self.busy = self.busiest = 0
        self.batches = FakeBatches(self)
        self._next_script = asyncio.Event()
        self._set({})

    async def start(self, port: int = 0, host: str = "127.0.0.1") -> int:
        app = web.Application(client_max_size=64_000_000)
        app.router.add_get("/v1/models", self.models)
        app.router.add_post("/v1/chat/completions", self.complete)
        app.router.add_post("/v1/messages", self.messages)
        app.router.add_post("/v1/embeddings", self.embed)
        app.router.add_post("/v1/moderations", self.moderate)
        self.batches.add_routes(app)
        app.router.add_post("/script", self.take_script)
        app.router.add_get("/calls", self.show_calls)
        app.router.add_delete("/calls", self.forget_calls)
        self._runner = web.AppRunner(
            app,
            access_log=None,
            shutdown_timeout=0.1,
            handler_cancellation=True,
            keepalive_timeout=self._keep_seconds,
        )
        await self._runner.setup()
        site = web.TCPSite(self._runner, host, port, backlog=512)
        await site.start()
        return site._server.sockets[0].getsockname()[1]  # type: ignore[union-attr]

    async def stop(self) -> None:
        await self._runner.cleanup()

    async def take_script(self, request: web.Request) -> web.Response:
        self._set(await request.json())
        return web.json_response({})

    async def show_calls(self, _: web.Request) -> web.Response:
        return web.json_response(
            {"count": len(self.calls), "busy": self.busy, "busiest": self.busiest, "calls": self.calls}
        )

    async def forget_calls(self, _: web.Request) -> web.Response:
        self.calls.clear()
        self.busiest = 0
        return web.json_response({})

    async def models(self, _: web.Request) -> web.Response:
        return web.json_response({"object": "list", "data": [{"id": name, "object": "model"} for name in MODELS]})

    async def embed(self, request: web.Request) -> web.StreamResponse:
        """As many numbers as `dimension` of the script says (default 8), from the text alone."""
        body = await request.json()
        prompt = "\n".join(body["input"])
        call = self._note(body | {"messages": [{"role": "user", "content": prompt}]}, request)
        behaviour = self._behaviour(call)
        await asyncio.sleep(behaviour.get("latency", self._latency))
        if call["did"] == "status":
            return _error(call, behaviour["status"], behaviour.get("message", "No."), **_retry_after(behaviour))
        call["status"] = 200
        return web.json_response(self._embeddings(body))

    def _embeddings(self, body: dict[str, Any]) -> dict[str, Any]:
        rows = [
            {"object": "embedding", "index": place, "embedding": vector_of(text, self._dimension)}
            for place, text in enumerate(body["input"])
        ]
        tokens = len("\n".join(body["input"])) // 4 + len(rows)
        usage = {"prompt_tokens": tokens, "total_tokens": tokens}
        return {"object": "list", "data": rows[::-1], "model": body["model"], "usage": usage}

    async def moderate(self, request: web.Request) -> web.StreamResponse:
        """What a text names as `category:score`, it gets; the rest is 0.01."""
        if not self._moderates:
            return web.json_response({"error": {"message": "Not Found"}}, status=404)
        body = await request.json()
        texts = [body["input"]] if isinstance(body["input"], str) else body["input"]
        call = self._note(body | {"messages": [{"role": "user", "content": "\n".join(texts)}]}, request)
        how = self._behaviour(call)
        await asyncio.sleep(how.get("latency", self._latency))
        if call["did"] == "status":
            return _error(call, how["status"], how.get("message", "No."), **_retry_after(how))
        if call["did"] == "hang":
            await asyncio.sleep(3600)
        call["status"] = 200
        if call["did"] == "rubbish":
            return web.Response(text="<html>Bad gateway</html>", content_type="text/html")
        given = [how["scores"] if "scores" in how else scores_of(text) for text in texts]
        given = given[:-1] if call["did"] == "one_less" else given
        return web.json_response(_moderations(body["model"], given))

    async def messages(self, request: web.Request) -> web.StreamResponse:
        """Anthropic's wire."""
        return await fake_anthropic.messages(self, request, _instance, answer_to)

    async def complete(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        call = self._note(body, request)
        self.busy += 1
        self.busiest = max(self.busiest, self.busy)
        try:
            behaviour = self._behaviour(call)
            await asyncio.sleep(behaviour.get("latency", self._latency))
            if "hold" in behaviour and not body.get("stream"):
                await self._next_script.wait()
            response = await self._answer(request, body, call, behaviour)
            call["ended"] = time.time()
            return response
        finally:
            call["left"] = time.time()
            self.busy -= 1

    def _set(self, script: dict[str, Any]) -> None:
        self._next_script.set()
        self._next_script = asyncio.Event()
        self._latency = script.get("latency", 0.0)
        self._key = script.get("key")
        self._keep = script.get("keep", True)
        self._left_out = () if script.get("whole") else ("messages",)
        self._dimension = script.get("dimension", 8)
        self._moderates = script.get("moderates", True)
        self._strict = script.get("strict", False)
        self._calls_tools = script.get("calls_tools", False)
        self.hold_batches, self.lose_created = script.get("hold_batches", False), script.get("lose_created", 0)
        self._usage = script.get("usage", {})
        self._behaviours = [
            dict(one, until=time.time() + one["seconds"]) if "seconds" in one else dict(one)
            for one in script.get("do", [])
        ]

    def _note(self, body: dict[str, Any], request: web.Request) -> dict[str, Any]:
        prompt = next((m["content"] for m in reversed(body["messages"]) if m["role"] == "user"), "")
        call = {
            "n": len(self.calls) + 1,
            "at": time.time(),
            "prompt": prompt,
            "hash": digest(prompt),
            "model": body.get("model"),
            "key": request.headers.get("Authorization", "").removeprefix("Bearer "),
            "did": "answer",
            "status": None,
            "ended": None,
            "body": {name: value for name, value in body.items() if name not in self._left_out},
        }
        if self._keep:
            self.calls.append(call)
        return call

    def batch_answer(self, body: dict[str, Any], request: web.Request) -> dict[str, Any]:
        """The answer to a request of a batch, which is a call that was paid for."""
        said = body.get("messages") or [{"role": "user", "content": "\n".join(body["input"])}]
        call = self._note(body | {"messages": said}, request) | {"status": 200}
        if self._keep:
            self.calls[-1] = call
        if "messages" in body:
            return _completion(body, call, "answer")
        return (
            _moderations(body["model"], map(scores_of, body["input"]))
            if "moderation" in body["model"]
            else self._embeddings(body)
        )

    def _behaviour(self, call: dict[str, Any]) -> dict[str, Any]:
        for one in self._behaviours:
            if one.get("match", "") not in call["prompt"] or one.get("until", call["at"]) < call["at"]:
                continue
            if "until" not in one:
                if one.get("calls", 1) < 1:
                    continue
                one["calls"] = one.get("calls", 1) - 1
            call["did"] = one["do"]
            return one
        return {}

    async def _answer(
        self, request: web.Request, body: dict[str, Any], call: dict[str, Any], how: dict[str, Any]
    ) -> web.StreamResponse:
        did = call["did"]
        if self._key and call["key"] != self._key:
            return _error(
                call, 401, f"Incorrect API key provided: {call['key']}. You can find your API key on the page of keys."
            )
        if body.get("model") not in MODELS:
            return _error(call, 404, f"The model `{body.get('model')}` does not exist or you do not have access to it.")
        if did == "status":
            return _error(
                call,
                how["status"],
                how.get("message", "The server had an error."),
                how.get("code"),
                **_retry_after(how),
            )
        answer = _completion(body, call, did)
        answer["usage"] |= self._usage
        call["usage"] = answer["usage"]  # what it bills, whether or not the answer arrives
        if did == "hang":
            await asyncio.sleep(3600)
        if self._strict and (wrong := _not_strict(body)):
            return _error(call, 400, f"Invalid schema for response_format 'answer': In context=(), {wrong}")
        call["status"] = 200
        if did == "body":
            return await _as_written(request, how["body"]) if body.get("stream") else web.json_response(how["body"])
        called = how["calls_tool"] if did == "tool" else _likely_call(body, call) if self._calls_tools else None
        if called:
            answer["choices"][0] |= {"message": _tool_call(*called, call["n"]), "finish_reason": "tool_calls"}
        if did == "rubbish":
            return web.Response(text="<html>Bad gateway</html>", content_type="text/html")
        if did in ("drip", "cut"):
            return await _unwell(request, json.dumps(answer).encode(), did)
        if body.get("stream"):
            return await _stream(request, body, answer, how, self._next_script)
        return web.json_response(answer)


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def answer_to(prompt: str) -> str:
    """The text that answers this prompt."""
    return f"Answer {digest(prompt)} to: {prompt[:60]}"


def vector_of(text: str, dimension: int = 8) -> list[float]:
    """The embedding of this text."""
    seed = hashlib.sha256(text.encode()).digest()
    return [seed[place % 32] / 128 - 1 for place in range(dimension)]


def scores_of(text: str) -> dict[str, float]:
    """The judgement of this text."""
    named = {name: float(score) for name, score in re.findall(r"([a-z/-]+):([01]?\.\d+)", text)}
    return dict.fromkeys(CATEGORIES, 0.01) | {name: score for name, score in named.items() if name in CATEGORIES}


def _error(call: dict[str, Any], status: int, message: str, code: str | None = None, **headers: str) -> web.Response:
    call["status"] = status
    return web.json_response(
        {"error": {"message": message, "type": "error", "code": code}}, status=status, headers=headers
    )


def _retry_after(how: dict[str, Any]) -> dict[str, str]:
    if "retry_after_date" in how:
        return {"Retry-After": formatdate(time.time() + how["retry_after_date"], usegmt=True)}
    return {"Retry-After": str(how["retry_after"])} if "retry_after" in how else {}


def _moderations(model: str, given: Iterable[dict[str, float]]) -> dict[str, Any]:
    results = [
        {"flagged": False, "categories": dict.fromkeys(scores, False), "category_scores": scores} for scores in given
    ]
    return {"id": f"modr-{len(results)}", "model": model, "results": results}


def _completion(body: dict[str, Any], call: dict[str, Any], did: str) -> dict[str, Any]:
    text = answer_to(call["prompt"])
    if (body.get("response_format") or {}).get("type") == "json_schema":
        text = json.dumps(_instance(body["response_format"]["json_schema"]["schema"], text))
    text = {"wrong_json": '{"nothing": "asked for"}', "empty": "", "refusal": "", "length": text[: len(text) // 2]}.get(
        did, text
    )
    message = {"role": "assistant", "content": text}
    if did == "refusal":
        message |= {"content": None, "refusal": "I cannot help with that."}
    finish = did if did in ("length", "content_filter") else "stop"
    tokens = {
        "prompt_tokens": sum(len(m["content"] or "") for m in body["messages"]) // 4 + 1,
        "completion_tokens": len(text) // 4 + 1,
    }
    return {
        "id": f"chatcmpl-{call['n']}",
        "object": "chat.completion",
        "created": int(call["at"]),
        "model": body["model"],
        "choices": [] if did == "no_choices" else [{"index": 0, "message": message, "finish_reason": finish}],
        "usage": tokens | {"total_tokens": sum(tokens.values())},
    }


def _tool_call(name: str, arguments: dict[str, Any], number: int) -> dict[str, Any]:
    function = {"name": name, "arguments": json.dumps(arguments)}
    called = {"id": f"call-{number}", "type": "function", "function": function}
    return {"role": "assistant", "content": f"I use {name}.", "tool_calls": [called]}


def _likely_call(body: dict[str, Any], call: dict[str, Any]) -> tuple[str, dict[str, Any]] | None:
    """The tool that must be called or the first, with the plainest arguments; None after a tool's result."""
    tools = [one["function"] for one in body.get("tools", [])]
    if not tools or body["messages"][-1]["role"] == "tool":
        return None
    choice = body.get("tool_choice")
    forced = choice["function"]["name"] if isinstance(choice, dict) else tools[0]["name"]
    schema = next(one["parameters"] for one in tools if one["name"] == forced)
    return forced, _instance(schema, call["prompt"])


def _instance(schema: dict[str, Any], text: str) -> Any:
    """The plainest value that fits a schema."""
    if "enum" in schema:
        return schema["enum"][len(text) % len(schema["enum"])]
    match schema.get("type"):
        case "object":
            return {name: _instance(part, text) for name, part in schema.get("properties", {}).items()}
        case "array":
            return [_instance(schema.get("items", {}), text)]
        case "integer" | "number":
            return schema.get("minimum", 1)
        case "boolean":
            return True
        case "null":
            return None
    return text


def _not_strict(body: dict[str, Any]) -> str | None:
    """What OpenAI refuses about a schema in strict mode: https://platform.openai.com/docs/guides/structured-outputs."""
    asked = (body.get("response_format") or {}).get("json_schema") or {}
    return _open_object(asked["schema"]) if asked.get("strict") else None


def _open_object(schema: Any) -> str | None:
    if not isinstance(schema, dict):
        return None
    if schema.get("type") == "object" and schema.get("additionalProperties") is not False:
        return "'additionalProperties' is required to be supplied and to be false."
    if set(schema.get("required", [])) != set(schema.get("properties", {})):
        return "'required' is required to be supplied and to be an array including every key in properties."
    if unknown := {"oneOf", "allOf", "not", "if", "patternProperties", "default", "uniqueItems"} & schema.keys():
        return f"'{unknown.pop()}' is not permitted."
    inner = [*schema.get("properties", {}).values(), *schema.get("$defs", {}).values(), *schema.get("anyOf", [])]
    return next(filter(None, map(_open_object, [*inner, schema.get("items")])), None)


async def _as_written(request: web.Request, body: Any) -> web.StreamResponse:
    """A body as it is; a list as the events of a stream."""
    if not isinstance(body, list):
        return web.json_response(body)
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await response.prepare(request)
    for event in body:
        await response.write(b"data: " + json.dumps(event).encode() + b"\n\n")
    await response.write(b"data: [DONE]\n\n")
    return response


async def _unwell(request: web.Request, body: bytes, did: str) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "application/json", "Content-Length": str(len(body))})
    await response.prepare(request)
    if did == "cut":
        await response.write(body[: len(body) // 2])
        assert request.transport
        request.transport.close()
        return response
    for at in range(len(body)):
        await response.write(body[at : at + 1])
        await asyncio.sleep(0.5)
    return response


async def _stream(
    request: web.Request, body: dict[str, Any], answer: dict[str, Any], how: dict[str, Any], next_script: asyncio.Event
) -> web.StreamResponse:
    """Word by word, `token_seconds` apart. After `after` words a stream may `break`, fall into `silence`, or send `garbage`."""
    seconds, end = how.get("token_seconds", 0.0), how.get("after", 3)
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await response.prepare(request)
    head = {
        "id": answer["id"],
        "object": "chat.completion.chunk",
        "created": answer["created"],
        "model": answer["model"],
    }
    choice = answer["choices"][0]
    await response.write(how.get("lines", "").encode())
    for place, word in enumerate(_words(choice["message"]["content"], how)):
        if place == end and how.get("do") in ("break", "silence", "garbage"):
            return await _spoilt(request, response, how["do"])
        if place == how.get("hold"):
            await next_script.wait()
        delta = {"index": 0, "delta": {"content": word + " "}, "finish_reason": None}
        await response.write(b"data: " + json.dumps(head | {"choices": [delta]}).encode() + b"\n\n")
        await asyncio.sleep(seconds)
    end = {"index": 0, "delta": {}, "finish_reason": choice["finish_reason"]}
    await response.write(b"data: " + json.dumps(head | {"choices": [end]}).encode() + b"\n\n")
    if (body.get("stream_options") or {}).get("include_usage"):
        await response.write(
            b"data: " + json.dumps(head | {"choices": [], "usage": answer["usage"]}).encode() + b"\n\n"
        )
    await response.write(b"data: [DONE]\n\n")
    return response


def _words(text: str, how: dict[str, Any]) -> Iterator[str]:
    """The words of the answer; for `endless` never an end, for `text` those given."""
    yield from how.get("text", text).split(" ")
    while how.get("do") == "endless":
        yield "more"


async def _spoilt(request: web.Request, response: web.StreamResponse, did: str) -> web.StreamResponse:
    if did == "garbage":
        await response.write(b"data: {not json\n\n")
    if did == "silence":
        await asyncio.sleep(3600)
    assert request.transport
    request.transport.close()
    return response


async def _serve(port: int, host: str) -> None:
    print(await Server().start(port, host), flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="A scripted OpenAI-compatible server.")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--host", default="127.0.0.1")
    arguments = parser.parse_args()
    asyncio.run(_serve(arguments.port, arguments.host))
