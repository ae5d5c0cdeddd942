"""Call one tool, or a list of tools.

Search the library, read a document, query a table, calculate, fetch a page of a host you allow, or run a small program.
Each call has its own time limit.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Literal

from jobs.engine.kits.tools import TOOL_WORDS, TOOLS, ToolContext, ToolResult, tool
from jobs.engine.masking import LEAST, SecretMasker
from jobs.engine.sdk import (
    BadInput,
    Context,
    Estimate,
    FieldError,
    Find,
    ItemColumn,
    KindResult,
    ShortText,
    TableFile,
    TableParams,
    figure,
    param,
)

TITLE = "Run tools"
GROUP = "Text and AI"
WORDS = "command, fetch, calculate, web page, function calls, shell, script, api"
QUEUE = "io"
NEEDS = ("duckdb", "numpy")
NOUN = ("call", "calls")
SPREAD = True

PLACE = "{{secret}}"
CUT = 4_000  # characters of a result that are stored in its row
CHECKED = 1_000  # calls of a file that are checked before the job is accepted

Name = Literal["", "search_library", "read_document", "query_table", "calculate", "fetch_page", "run_command"]


class Params(TableParams):
    tool: Name = param(
        "Tool",
        "The tool to call, or a list of calls.",
        default="",
        words={"": "A list of calls"} | TOOL_WORDS,
    )
    arguments: dict[str, Any] = param(
        "Arguments",
        "What the tool takes.",
        default={},
        shapes=("tool", {name: one.Arguments for name, one in TOOLS.items()}),
    )
    calls: TableFile | None = param(
        "List of calls", 'JSONL, each line {"tool": "…", "arguments": {…}}.', default=None, only_if={"tool": [""]}
    )
    hosts: list[ShortText] = param(
        "Hosts",
        "The only hosts that “Fetch a page” may call, with their subdomains.",
        default=[],
        only_if={"tool": ["", "fetch_page"]},
        max_length=50,
    )
    secret: str = param(
        "Secret",
        "A token or password. It replaces {{secret}} in an argument, and is masked in rows, files, the log and errors.",
        default="",
        max_length=1_000,
        widget="secret",
    )
    seconds: int = param("Longest call", default=30, ge=1, le=600, unit="seconds")
    concurrency: int = param("Calls at a time", default=2, ge=1, le=16, unit="calls", advanced=True)


COLUMNS = (
    ItemColumn("tool", "Tool", "tag", role="yours", words=TOOL_WORDS, facet=True),
    ItemColumn("arguments", "Arguments", "tree", role="yours"),
    ItemColumn("result", "What it gave", "markdown"),
    ItemColumn("whole", "All of it", "file"),
    ItemColumn("exit", "Exit code", "number"),
    ItemColumn("seconds", "Took", "seconds"),
)


class Result(KindResult):
    calls: int = figure("Calls", type="number", shown="never")


EXAMPLE: dict[str, Any] = {"calls": "sample:tool-calls.jsonl"}


def check(params: Params, find: Find) -> list[FieldError]:
    if bool(params.tool) == (params.calls is not None):
        return [FieldError("tool", "Choose a tool, or give a list of calls.")]
    if 0 < len(params.secret) < LEAST:
        return [FieldError("secret", f"A secret needs at least {LEAST} characters: shorter ones cannot be masked.")]
    reach = ToolContext("", find, _nothing, tuple(params.hosts), params.seconds)
    field = "arguments" if params.calls is None else "calls"
    try:
        for place, call in enumerate(itertools.islice(_calls(params, find), CHECKED), start=1):
            if error := _call_error(call, params.secret, reach):
                return [FieldError(field, error if params.calls is None else f"Call {place:,}: {error}")]
    except BadInput as error:
        return [FieldError(field, error.message)]
    return []


def estimate(params: Params, find: Find) -> Estimate:
    if params.calls is None:
        return Estimate(items=1, calls=1, notes=(tool(params.tool).description, *tool(params.tool).details))
    rows = find(params.calls).table(params.reading).rows
    return Estimate(items=rows, calls=rows)


def label(params: Params, find: Find) -> str:
    return TOOL_WORDS.get(params.tool) or (find(params.calls).name if params.calls else "")


def run(params: Params, context: Context) -> dict[str, Any]:
    reach = ToolContext(context.job.owner, context.open, context.check, tuple(params.hosts), params.seconds)
    total = 1 if params.calls is None else context.open(params.calls).count(params.reading)
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
    return find(params.calls).rows(params.reading)


def _call_error(call: dict[str, Any], secret: str, reach: ToolContext) -> str | None:
    masker = SecretMasker()
    masker.add([secret])
    try:
        used = tool(call.get("tool"))
        message = used.argument_error(used.read(_filled(call.get("arguments", {}), secret)), reach)
    except BadInput as error:
        message = error.message
    return message and masker.text(message)


def _call(call: dict[str, Any], secret: str, reach: ToolContext, context: Context) -> dict[str, Any]:
    began = time.monotonic()
    used = tool(call.get("tool"))
    result = used.run(used.read(_filled(call.get("arguments", {}), secret)), reach)
    masker = SecretMasker()
    masker.add([secret])
    result = replace(
        result, text=masker.text(result.text)
    )  # before it is truncated: a part of a secret would not be recognised
    return {**_kept(used.name, result, context), "exit": result.exit, "seconds": round(time.monotonic() - began, 3)}


def _filled(value: Any, secret: str) -> Any:
    """The arguments with {{secret}} replaced by the secret."""
    if isinstance(value, str):
        return value.replace(PLACE, secret) if secret else value
    if isinstance(value, dict):
        return {name: _filled(one, secret) for name, one in value.items()}
    return [_filled(one, secret) for one in value] if isinstance(value, list) else value


def _kept(name: str, result: ToolResult, context: Context) -> dict[str, Any]:
    """The result; of a long one the beginning, and the id of a file with all of it."""
    if len(result.text) <= CUT:
        return {"result": result.text, "whole": None}
    file = context.save(f"{name} result.txt", result.text, "text/plain")
    return {"result": result.text[:CUT] + "…", "whole": str(file)}


def _nothing() -> None:
    pass
