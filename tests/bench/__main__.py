"""`python -m tests.bench [--quick] [--only idle,items,...] [file]`: measure, print one table, write one JSON file."""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

from tests.bench import (
    batch,
    calls,
    elastic,
    embed,
    growth,
    idle,
    plans,
    processes,
    rows,
    status,
    streams,
    web,
    wide,
    work,
)
from tests.bench.figures import Figure, table
from tests.bench.installation import house

Measure = Callable[[str, bool, int], list[Figure]]

MEASURES: dict[str, Measure] = {
    "idle": lambda redis_url, quick, _: idle.figures(redis_url, 20 if quick else 60),
    "items": lambda redis_url, quick, repeat: work.items(redis_url, 2_000 if quick else 10_000, repeat),
    "jobs": lambda redis_url, quick, repeat: [work.jobs(redis_url, 400 if quick else 1_500, repeat)],
    "waits": lambda redis_url, _, repeat: work.waits(redis_url, repeat),
    "calls": lambda redis_url, _, repeat: calls.figures(redis_url, repeat),
    "batch": lambda _redis_url, quick, _: batch.figures(2_000 if quick else 50_000),
    "embed": lambda _redis_url, quick, repeat: embed.figures(500 if quick else 1_500, repeat),
    "elastic": lambda _redis_url, quick, _: elastic.figures(100 if quick else 400),
    "processes": lambda *_: processes.figures(),
    "web": lambda *_: web.figures(),
    "status": lambda redis_url, _, repeat: status.figures(redis_url, repeat),
    "streams": lambda _redis_url, quick, repeat: streams.figures(quick, repeat),
    "growth": lambda _redis_url, quick, _: growth.figures(quick),
    "table": lambda _redis_url, quick, _: work.long_table(100_000 if quick else 1_000_000),
    "wide": lambda _redis_url, quick, repeat: wide.figures(quick, repeat),
    "plans": lambda _redis_url, quick, _: plans.figures(quick),
    "rows": lambda _redis_url, quick, _: rows.figures(20_000 if quick else 1_000_000),
}
LONG = ("batch", "plans", "rows", "wide")  # only where they are asked for


def main() -> None:
    arguments = _arguments()
    figures: list[Figure] = []
    with house(arguments.file.with_suffix(".log")) as redis_url:
        for name in arguments.only:
            print(f"measuring: {name}", flush=True)
            figures += MEASURES[name](redis_url, arguments.quick, arguments.repeat)
            _keep(figures, arguments.file)  # after each, so that a run that is broken off has not been for nothing
    print(f"\n{table(figures)}\n")
    print(f"All runs are in {arguments.file}; what the workers said is in {arguments.file.with_suffix('.log')}.")


def _keep(figures: list[Figure], file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(_machine() | {"figures": [figure.as_json() for figure in figures]}, indent=1))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description="Measure the engine beside its peers.")
    parser.add_argument(
        "file",
        nargs="?",
        type=Path,
        default=Path("var/bench.json"),
        help="where the JSON goes, with the workers' lines beside it",
    )
    parser.add_argument("--quick", action="store_true", help="smaller, in about two minutes")
    parser.add_argument("--repeat", type=int, default=3, help="runs of each, of which the median is shown")
    parser.add_argument(
        "--only", type=_names, default=[name for name in MEASURES if name not in LONG], help=",".join(MEASURES)
    )
    return parser.parse_args()


def _names(text: str) -> list[str]:
    names = text.split(",")
    if unknown := set(names) - set(MEASURES):
        raise argparse.ArgumentTypeError(f"no such measure: {', '.join(sorted(unknown))}")
    return names


def _machine() -> dict[str, Any]:
    return {
        "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "cores": os.cpu_count(),
        "load": os.getloadavg(),
        "python": platform.python_version(),
        "kernel": platform.release(),
        "rq": version("rq"),
        "redis": version("redis"),
    }


if __name__ == "__main__":
    main()
