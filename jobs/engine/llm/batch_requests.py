"""OpenAI's batch files: JSONL with one whole request a line, named by its `custom_id`."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from jobs.engine.errors import BadInput

URL = "/v1/chat/completions"


def is_batch(columns: Iterable[str]) -> bool:
    """Whether a table with these columns is a batch file."""
    return {"custom_id", "body"} <= set(columns)


def custom_id(row: Mapping[str, Any]) -> str:
    return str(row.get("custom_id") or "")


def check_ids(rows: Iterable[Mapping[str, Any]]) -> None:
    """Raise BadInput naming the first custom_id that is missing or not unique. One digest a line is held in memory."""
    seen: set[int] = set()
    for line, row in enumerate(rows, start=1):
        name = custom_id(row)
        if not name:
            raise BadInput(f"Request {line} of the batch has no custom_id.")
        if hash(name) in seen:
            raise BadInput(f"The custom_id “{name[:80]}” of request {line} was used before; each must be its own.")
        seen.add(hash(name))


def request(row: Mapping[str, Any], model: str, max_tokens: int | None = None) -> dict[str, Any]:
    """The request body of a line; `model` and `max_tokens` fill in where it names none. Raises BadInput."""
    body = row.get("body")
    try:
        body = json.loads(body) if isinstance(body, str) else body
    except ValueError:
        body = None
    if not isinstance(body, dict) or not isinstance(body.get("messages"), list) or not body["messages"]:
        raise BadInput("The body of this request is no object with messages.")
    if row.get("url") not in (None, "", URL):
        raise BadInput(f"This request is for {str(row['url'])[:80]}; only {URL} can be asked here.")
    if body.get("n") not in (None, 1):
        raise BadInput("This request asks for several answers; only one can be kept.")
    limited = max_tokens is None or body.get("max_tokens") or body.get("max_completion_tokens")
    return {**body, "model": body.get("model") or model} | ({} if limited else {"max_tokens": max_tokens})
