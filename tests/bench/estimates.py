"""How near the estimate after three rows comes to what 1,000 cost: three tables that nobody here made, three sorts of answers.

    python -m tests.bench.estimates FOLDER        # the folder `data` of vega-datasets

The tables are those of the npm package vega-datasets. Lengths of answers are those of real tasks: a translation is about as
long as its text (within 10 %), a label has a few tokens, a sentence of thanks some dozens (within 12 %).
"""

from __future__ import annotations

import csv
import json
import random
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

from jobs.engine.billing import CallUsage
from jobs.engine.llm.budget import request_bytes
from jobs.engine.llm.cost_estimate import TriedRow, expected_cost
from jobs.engine.llm.prices import public_rates

ROWS, TRIED, MOST_OFF = 1_000, 3, 0.20
TABLES = ("movies.json", "airports.csv", "seattle-weather.csv")
SEEDS = 20


def usage(text: str, task: str, chance: random.Random) -> CallUsage:
    tokens = len(text) / 4
    answer = {
        "translate": max(1, tokens * chance.gauss(1.1, 0.1)),
        "label": chance.choice((2, 3, 3, 4)),
        "thank": max(5, chance.gauss(34, 4)),
    }[task]
    return CallUsage(round(tokens) + 12, round(answer))


def body(row: dict[str, Any], task: str) -> dict[str, Any]:
    said = "; ".join(f"{name}: {value}" for name, value in row.items())
    return {"messages": [{"role": "user", "content": f"{task.capitalize()}, and give the result alone.\n{said}"}]}


def off(rows: list[dict[str, Any]], task: str, chance: random.Random) -> float:
    """By how much of the whole the middle of the range is off."""
    rates = public_rates("gpt-4o-mini", "https://api.openai.com/v1")
    assert rates
    asked = [body(row, task) for row in rows]
    took = [usage(one["messages"][0]["content"], task, chance) for one in asked]
    sizes = [request_bytes(one) for one in asked]
    tried = [TriedRow(*one) for one in zip(sizes[:TRIED], took[:TRIED], strict=True)]
    low, high = expected_cost(tried, rates, len(rows), sum(sizes))
    cost = sum((rates.cost(one) for one in took), Decimal(0))
    return float(abs((low + high) / 2 - cost) / cost)


def read(path: Path) -> list[dict[str, Any]]:
    if path.suffix == ".json":
        found: list[dict[str, Any]] = json.loads(path.read_text())
        return found
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def main(folder: Path) -> None:
    worst = 0.0
    for table in TABLES:
        rows = read(folder / table)[:ROWS]
        for task in ("translate", "label", "thank"):
            found = sorted(off(rows, task, random.Random(seed)) for seed in range(SEEDS))
            worst = max(worst, found[-1])
            print(
                f"{table:22} {task:10} {len(rows):5} rows  median {found[10]:6.1%}  worst of {SEEDS} {found[-1]:6.1%}"
            )
    print(f"{'within' if worst <= MOST_OFF else 'NOT within'} {MOST_OFF:.0%}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
