"""OpenAI's batch files: JSONL with one whole request a line, named by its `custom_id`."""

from __future__ import annotations

import base64
import json
import re
import struct
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from jobs.engine.errors import BadInput

URL = "/v1/chat/completions"
EMBEDDINGS_URL = "/v1/embeddings"
INPUT = "body.input"  # stands for the column with the texts, in a batch of requests for embeddings
MOST_PROBLEMS = 20  # that are named of one file
MOST_INPUTS = 2_048  # texts in one request for embeddings
_LINE = re.compile(r"\bLine ([\d,]+)")


class BatchRefused(BadInput):
    """A file is no batch. `result` has its first problems, each with code, message and line."""

    def __init__(self, problems: list[dict[str, Any]]) -> None:
        super().__init__(str(problems[0]["message"]), reason=str(problems[0]["code"]))
        self.result = {"batch_problems": problems}


def is_batch(columns: Iterable[str]) -> bool:
    """Whether a table with these columns is a batch file."""
    return {"custom_id", "body"} <= set(columns)


def custom_id(row: Mapping[str, Any]) -> str:
    return str(row.get("custom_id") or "")


def check_lines(rows: Iterable[Mapping[str, Any]]) -> int:
    """How many requests there are. Raises BatchRefused where a custom_id is missing or not unique, or a line is no JSON.

    One digest a line is held in memory.
    """
    seen: set[int] = set()
    problems: list[dict[str, Any]] = []
    line = 0
    try:
        for line, row in enumerate(rows, start=1):
            name = custom_id(row)
            if not name:
                _add(problems, "missing_custom_id", f"Request {line} of the batch has no custom_id.", line)
            elif hash(name) in seen:
                taken = f"The custom_id “{name[:80]}” of request {line} was used before; each must be its own."
                _add(problems, "duplicate_custom_id", taken, line)
            seen.add(hash(name))
    except BadInput as error:
        problems.append(unreadable(error.message))
    if not line and not problems:
        _add(problems, "empty_file", "The file has no requests.", None)
    if problems:
        raise BatchRefused(problems)
    return line


def unreadable(message: str) -> dict[str, Any]:
    """The problem of a file that cannot be read as JSON Lines, of what the reader says."""
    found = _LINE.search(message)
    line = int(found[1].replace(",", "")) if found else None
    return {"code": "invalid_json_line" if found else "invalid_file", "message": message, "line": line}


def _add(problems: list[dict[str, Any]], code: str, message: str, line: int | None) -> None:
    if len(problems) < MOST_PROBLEMS:
        problems.append({"code": code, "message": message, "line": line})


def request(row: Mapping[str, Any], model: str, max_tokens: int | None = None) -> dict[str, Any]:
    """The request body of a line; `model` and `max_tokens` fill in where it names none. Raises BadInput."""
    body = _body(row, URL)
    if not isinstance(body.get("messages"), list) or not body["messages"]:
        raise BadInput("The body of this request is no object with messages.")
    limited = max_tokens is None or body.get("max_tokens") or body.get("max_completion_tokens")
    return {**body, "model": body.get("model") or model} | ({} if limited else {"max_tokens": max_tokens})


class EmbeddingsRequest(NamedTuple):
    """model: empty for the default one. packed: the vectors are to come in base64."""

    model: str
    texts: list[str]
    packed: bool


def embeddings_request(row: Mapping[str, Any]) -> EmbeddingsRequest:
    """A line that asks for embeddings. Raises BadInput."""
    body = _body(row, EMBEDDINGS_URL)
    given, form, model = body.get("input"), body.get("encoding_format"), body.get("model") or ""
    texts = [given] if isinstance(given, str) else given
    fit = isinstance(texts, list) and 0 < len(texts) <= MOST_INPUTS
    if not fit or not all(isinstance(one, str) and one.strip() for one in texts or ()):
        raise BadInput(f"input must be a text, or a list of up to {MOST_INPUTS:,} texts that are not empty.")
    if form not in (None, "float", "base64") or not isinstance(model, str):
        raise BadInput("encoding_format must be float or base64, and model a text.")
    if body.get("dimensions") is not None:
        raise BadInput("dimensions cannot be asked for here; vectors have as many numbers as the model gives.")
    return EmbeddingsRequest(model, list(texts or ()), form == "base64")


def embeddings_answer(model: str, vectors: Sequence[Sequence[float]], tokens: int, *, packed: bool) -> dict[str, Any]:
    """The response body to a request for embeddings, as OpenAI writes it. packed: 32-bit floats in base64."""
    data = [
        {"object": "embedding", "index": place, "embedding": _packed(vector) if packed else list(vector)}
        for place, vector in enumerate(vectors)
    ]
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    return {"object": "list", "data": data, "model": model, "usage": usage}


def _packed(vector: Sequence[float]) -> str:
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()


def _body(row: Mapping[str, Any], url: str) -> dict[str, Any]:
    """The body of a line that asks for this URL. Raises BadInput."""
    body = row.get("body")
    try:
        body = json.loads(body) if isinstance(body, str) else body
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise BadInput("The body of this request is no object.")
    if row.get("url") not in (None, "", url):
        raise BadInput(f"This request is for {str(row['url'])[:80]}; only {url} can be asked here.")
    return body
