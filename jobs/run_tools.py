"""Call tools, one or a list of them.

Search the library, read a document, query a table, calculate, fetch a page of a host you allow, or run a small program.
Each call has its own time limit; one that hangs is ended alone.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Literal

from jobs.engine.kits.tools import TOOLS, ToolContext, ToolResult, tool
from jobs.engine.masking import LEAST, SecretMasker
from jobs.engine.sdk import BadInput, Context, Estimate, FieldError, Find, KindParams, ShortText, TableFile, param

TITLE = "Run tools"
GROUP = "Text and AI"
QUEUE = "io"
NEEDS = ("duckdb", "numpy")
NOUN = ("call", "calls")

PLACE = "{{secret}}"
CUT = 4_000  # characters of a result that stay in its row
CHECKED = 1_000  # calls of a file that are looked at before the job is accepted

Name = Literal["", "search_library", "read_document", "query_table", "calculate", "fetch_page", "run_command"]


class Params(KindParams):
    tool: Name = param("Tool", "The one to call. Empty: the file below names them.", default="")
    arguments: dict[str, Any] = param(
        "Arguments",
        "A JSON object. " + " ".join(one.usage for one in TOOLS.values()),
        default={},
        widget="json",
    )
    calls: TableFile | None = param("List of calls", 'JSONL, each line {"tool": "…", "arguments": {…}}.', default=None)
    hosts: list[ShortText] = param(
        "Hosts", "The only ones that fetch_page may ask, with those below them.", default=[], max_length=50
    )
    secret: str = param(
        "Secret",
        "A token or password. {{secret}} in an argument stands for it; in rows, files, the log and errors it is hidden.",
        default="",
        max_length=1_000,
        widget="secret",
    )
    seconds: int = param("Longest call", default=30, ge=1, le=600, unit="seconds")
    concurrency: int = param("Calls at a time", default=2, ge=1, le=16, unit="calls", advanced=True)


EXAMPLE: dict[str, Any] = {"calls": "sample:tool-calls.jsonl"}


def check(params: Params, find: Find) -> list[FieldError]:
    if bool(params.tool) == (params.calls is not None):
        return [FieldError("tool", "Choose a tool, or give a list of calls.")]
    if 0 < len(params.secret) < LEAST:
        return [
            FieldError("secret", f"A secret has {LEAST} characters or more: a shorter one is in every text by chance.")
        ]
    reach = ToolContext("", find, _nothing, tuple(params.hosts), params.seconds)
    field = "arguments" if params.calls is None else "calls"
    try:
        for place, call in enumerate(itertools.islice(_calls(params, find), CHECKED), start=1):
            if wrong := _wrong(call, params.secret, reach):
                return [FieldError(field, wrong if params.calls is None else f"Call {place:,}: {wrong}")]
    except BadInput as error:
        return [FieldError(field, error.message)]
    return []


def estimate(params: Params, find: Find) -> Estimate:
    if params.calls is None:
        return Estimate(items=1, calls=1, notes=(tool(params.tool).description, *tool(params.tool).details))
    rows = find(params.calls).table().rows
    return Estimate(items=rows, calls=rows)


def label(params: Params, find: Find) -> str:
    return params.tool or (find(params.calls).name if params.calls else "")


def run(params: Params, context: Context) -> dict[str, Any]:
    reach = ToolContext(context.job.owner, context.open, context.check, tuple(params.hosts), params.seconds)
    total = 1 if params.calls is None else context.open(params.calls).count()
    counts = context.map(
        lambda call: _call(call, params.secret, reach, context),
        _calls(params, context.open),
        total=total,
        concurrency=params.concurrency,
    )
    return {"calls": counts.done, "failed": counts.failed}


def _calls(params: Params, find: Find) -> Iterator[dict[str, Any]]:
    if params.calls is None:
        return iter([{"tool": params.tool, "arguments": params.arguments}])
    return find(params.calls).rows()


def _wrong(call: dict[str, Any], secret: str, reach: ToolContext) -> str | None:
    hider = SecretMasker()
    hider.add([secret])
    try:
        used = tool(call.get("tool"))
        wrong = used.wrong(used.read(_told(call.get("arguments", {}), secret)), reach)
    except BadInput as error:
        wrong = error.message
    return wrong and hider.text(wrong)


def _call(call: dict[str, Any], secret: str, reach: ToolContext, context: Context) -> dict[str, Any]:
    began = time.monotonic()
    used = tool(call.get("tool"))
    result = used.run(used.read(_told(call.get("arguments", {}), secret)), reach)
    hider = SecretMasker()
    hider.add([secret])
    result = replace(
        result, text=hider.text(result.text)
    )  # before it is cut: half of a secret would not be known again
    return {**_kept(used.name, result, context), "exit": result.exit, "seconds": round(time.monotonic() - began, 3)}


def _told(value: Any, secret: str) -> Any:
    """Arguments with the secret in the place of {{secret}}."""
    if isinstance(value, str):
        return value.replace(PLACE, secret) if secret else value
    if isinstance(value, dict):
        return {name: _told(one, secret) for name, one in value.items()}
    return [_told(one, secret) for one in value] if isinstance(value, list) else value


def _kept(name: str, result: ToolResult, context: Context) -> dict[str, Any]:
    """The result, and where it is long, its beginning and the id of the file that has all of it."""
    if len(result.text) <= CUT:
        return {"result": result.text, "whole": None}
    file = context.save(f"{name} result.txt", result.text, "text/plain")
    return {"result": result.text[:CUT] + "…", "whole": str(file)}


def _nothing() -> None:
    pass
