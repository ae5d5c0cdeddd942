"""An agent's steps for its page: what failed or was refused, code apart from other arguments, tables as tables."""

from __future__ import annotations

from typing import Any

import pytest

from jobs.engine.kits.agents import recorded_calls, traced_step

TABLE = '["species", "n"]\n["Gull", 319]\n["Tern", null]\n[there are more rows]'


def step(**output: Any) -> Any:
    return traced_step(1, output, 1.5, 60, "", {"a": 64.0})


def test_calls_are_kept_and_told() -> None:
    calls = [
        {"id": "a", "name": "query_table", "args": {"sql": "select 1", "files": ["birds.csv"]}},
        {"id": "b", "name": "fetch_page", "args": {"url": "x"}},
        {"id": "c", "name": "fetch_page", "args": {"url": "y"}},
    ]
    results = {"a": TABLE, "b": "Error: There is no host.", "c": "A person refused this call, and it was not made."}
    query, failed, refused = step(thought="I look.", calls=recorded_calls(calls, results)).calls
    assert (query.code, query.arguments) == (("sql", "select 1"), {"files": ["birds.csv"]})
    assert (query.head, query.rows, query.waited) == (["species", "n"], [["Gull", 319], ["Tern", None]], 64.0)
    assert (failed.outcome, failed.text, failed.waited) == ("failed", "There is no host.", None)
    assert refused.outcome == "refused"


@pytest.mark.parametrize(
    ("output", "tool"),
    [
        ({"tool": "calculate", "arguments": '{"expression": "1+1"}', "result": "2"}, "calculate"),
        ({"tool": "a, b", "arguments": '{"x": 1}\n{"y": 2}', "result": "2"}, "a"),
        ({"tool": "a", "arguments": "no JSON"}, "a"),
        ({"thought": "The answer."}, None),
        ({"calls": [{"tool": "a", "arguments": "odd", "result": None}]}, "a"),
        ({"calls": [{}]}, "None"),
    ],
)
def test_items_of_older_versions_and_odd_ones(output: dict[str, Any], tool: str | None) -> None:
    assert [call.tool for call in step(**output).calls] == ([tool] if tool else [])
