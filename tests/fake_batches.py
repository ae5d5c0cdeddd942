"""Files and batches of the fake provider.

A batch is answered when it is first looked at, unless the script has `hold_batches`. Requests whose prompt has `expire` are
not come to, those with `garble` are answered with something that is no answer, those with `refuse` are refused; all others are
paid for, and counted as calls.
"""

from __future__ import annotations

import json
import time
from typing import Any, Protocol

from aiohttp import web


class Answering(Protocol):
    """What of the fake provider is used here."""

    hold_batches: bool
    lose_created: int

    def batch_answer(self, body: dict[str, Any], request: web.Request) -> dict[str, Any]: ...


class FakeBatches:
    def __init__(self, provider: Answering) -> None:
        self._provider = provider
        self.files: dict[str, bytes] = {}
        self.batches: dict[str, dict[str, Any]] = {}

    def add_routes(self, app: web.Application) -> None:
        app.router.add_post("/v1/files", self.upload)
        app.router.add_get("/v1/files/{id}/content", self.content)
        app.router.add_post("/v1/batches", self.create)
        app.router.add_get("/v1/batches", self.list)
        app.router.add_get("/v1/batches/{id}", self.look)
        app.router.add_post("/v1/batches/{id}/cancel", self.cancel)

    async def upload(self, request: web.Request) -> web.Response:
        form = await request.post()
        content = form["file"].file.read()  # type: ignore[union-attr]
        return web.json_response(self._file(content))

    async def content(self, request: web.Request) -> web.Response:
        return web.Response(body=self.files[request.match_info["id"]])

    async def create(self, request: web.Request) -> web.StreamResponse:
        asked = await request.json()
        made = {
            "id": f"batch_{len(self.batches) + 1}",
            "object": "batch",
            "status": "in_progress",
            "created_at": int(time.time()),
            "endpoint": asked["endpoint"],
            "completion_window": "24h",
            "input_file_id": asked["input_file_id"],
            "metadata": asked.get("metadata"),
        }
        self.batches[made["id"]] = made
        if self._provider.lose_created:  # it was begun, and the answer is lost
            self._provider.lose_created -= 1
            assert request.transport
            request.transport.close()
        return web.json_response(made)

    async def list(self, _: web.Request) -> web.Response:
        return web.json_response({"object": "list", "data": list(self.batches.values())[::-1], "has_more": False})

    async def look(self, request: web.Request) -> web.Response:
        found = self.batches[request.match_info["id"]]
        if found["status"] == "in_progress" and not self._provider.hold_batches:
            self._answer(found, request)
        return web.json_response(found)

    async def cancel(self, request: web.Request) -> web.Response:
        found = self.batches[request.match_info["id"]]
        found["status"] = "cancelled"
        return web.json_response(found)

    def _answer(self, batch: dict[str, Any], request: web.Request) -> None:
        answers, errors = [], []
        for line in map(json.loads, self.files[batch["input_file_id"]].splitlines()):
            asked = line["body"]
            prompt = asked["messages"][-1]["content"] if "messages" in asked else "\n".join(asked["input"])
            if "expire" in prompt:
                errors.append({"custom_id": line["custom_id"], "response": None, "error": {"code": "batch_expired"}})
                continue
            if "refuse" in prompt:
                said = {
                    "error": {"message": "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead."}
                }
                refused = {"status_code": 400, "body": said}
                errors.append({"custom_id": line["custom_id"], "response": refused, "error": None})
                continue
            body = {"no": "answer"} if "garble" in prompt else self._provider.batch_answer(asked, request)
            answers.append(
                {"custom_id": line["custom_id"], "response": {"status_code": 200, "body": body}, "error": None}
            )
        batch["status"] = "expired" if errors else "completed"
        for name, lines in (("output_file_id", answers[::-1]), ("error_file_id", errors)):
            if lines:
                batch[name] = self._file("\n".join(map(json.dumps, lines)).encode())["id"]

    def _file(self, content: bytes) -> dict[str, Any]:
        name = f"file-{len(self.files) + 1}"
        self.files[name] = content
        about = {"object": "file", "bytes": len(content), "created_at": 0, "filename": "f", "purpose": "batch"}
        return {"id": name, "status": "processed"} | about
