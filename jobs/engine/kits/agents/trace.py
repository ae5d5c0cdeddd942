"""What an agent did, for its page: each step with its calls, whether one failed, and its result as a table where it is one."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

FAILED = "Error: "  # what the result of a call begins with that failed
NOT_MADE = ("A person refused this call", "Nobody approved this call")
CODE = ("sql", "command", "script", "expression", "formula")  # arguments that are written in a language
MOST_ROWS = 50
MOST_TEXT = 4_000  # characters


class TracedCall(NamedTuple):
    """A call of a tool. outcome: ok, failed or refused. code: its argument in a language, with its name; `rows`: of a table."""

    tool: str
    code: tuple[str, str] | None
    arguments: dict[str, Any]
    outcome: str
    text: str
    head: list[str]
    rows: list[list[Any]]
    waited: float | None  # seconds, for a person's answer


class TracedStep(NamedTuple):
    """A reply of the model and its calls."""

    number: int
    thought: str
    calls: list[TracedCall]
    seconds: float | None
    tokens: int | None
    error: str


def recorded_calls(calls: Sequence[Mapping[str, Any]], results: Mapping[str, str]) -> list[dict[str, Any]]:
    """The calls of a step as they are kept in its item."""
    return [
        {
            "id": call["id"],
            "tool": call["name"],
            "arguments": call["args"],
            "result": results[call["id"]][:MOST_TEXT],
        }
        for call in calls
    ]


def traced_step(
    number: int,
    output: Mapping[str, Any],
    seconds: float | None,
    tokens: int | None,
    error: str,
    waited: Mapping[str, float],
) -> TracedStep:
    """A step by its item. waited: for each call that a person was asked about, by its id, how many seconds."""
    calls = [_call(one, waited) for one in output.get("calls") or _older(output)]
    return TracedStep(number, str(output.get("thought") or ""), calls, seconds, tokens, error)


def _older(output: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The call of an item that was kept before calls were; of several calls at once the first."""
    tool = str(output.get("tool") or "").partition(",")[0]
    if not tool:
        return []
    arguments: Any = {}
    with suppress(ValueError, RecursionError):
        arguments = json.loads(str(output.get("arguments") or "{}").partition("\n")[0])
    return [{"tool": tool, "arguments": arguments, "result": str(output.get("result") or "")}]


def _call(kept: Mapping[str, Any], waited: Mapping[str, float]) -> TracedCall:
    text = str(kept.get("result") or "")
    given = kept.get("arguments")
    arguments = dict(given) if isinstance(given, dict) else {}
    name = next((one for one in CODE if isinstance(arguments.get(one), str)), None)
    code = (name, str(arguments.pop(name))) if name else None
    outcome = "failed" if text.startswith(FAILED) else "refused" if text.startswith(NOT_MADE) else "ok"
    head, rows = _table(text) if outcome == "ok" else ([], [])
    said, seconds = text.removeprefix(FAILED), waited.get(str(kept.get("id")))
    return TracedCall(str(kept.get("tool")), code, arguments, outcome, said, head, rows, seconds)


def _table(text: str) -> tuple[list[str], list[list[Any]]]:
    """The result of a query, which is lines of JSON: the names of the columns, then the rows."""
    found: list[list[Any]] = []
    for line in text.splitlines()[: MOST_ROWS + 1]:
        with suppress(ValueError, RecursionError):
            row = json.loads(line)
            if isinstance(row, list) and (not found or len(row) == len(found[0])):
                found.append(row)
                continue
        break
    return ([str(name) for name in found[0]], found[1:]) if found else ([], [])
