"""`python -m webapp --demo`: run every kind's example through the HTTP API, as a program from outside would."""

from __future__ import annotations

import json
import shutil
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from jobs.engine.display import as_text
from jobs.engine.logs import escaped

FIRST = "generate_texts"
ENDED = {"succeeded", "partial", "failed", "cancelled"}
LOOK_SECONDS = 0.25
PATIENCE_SECONDS = 600.0
ROWS = 5
BAR = 24


@dataclass(frozen=True)
class DemoResult:
    """How one kind's example went. `state` is a job's, or `unavailable`, `refused` or `unfinished`."""

    kind: str
    state: str
    items: int
    seconds: float
    message: str
    page: str

    @property
    def good(self) -> bool:
        return self.state in {"succeeded", "unavailable"}


def run(address: str, between: Callable[[], None], only: Collection[str] = ()) -> bool:
    """Run the examples of these kinds, or of all, the main job first, and print what came out; whether all went well.

    `between` is called a few times a second. It may raise to end the demo.
    """
    kinds = sorted(_get(f"{address}/api/v1/kinds")["kinds"], key=lambda kind: kind["name"] != FIRST)
    outcomes = [_example(address, kind, between) for kind in kinds if not only or kind["name"] in only]
    unknown = set(only) - {kind["name"] for kind in kinds}
    outcomes += [DemoResult(name, "refused", 0, 0.0, "There is no kind of this name.", "") for name in sorted(unknown)]
    print()
    print("\n".join(table(["kind", "state", "items", "seconds", ""], map(_row, outcomes))))
    if not only:
        print("\n`make run` shows these jobs again, at /jobs.")
    return bool(outcomes) and all(outcome.good for outcome in outcomes)


def table(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> list[str]:
    """Rows as aligned lines, no wider than the terminal. A number stands at the right of its column."""
    cells = [[_cell(value) for value in row] for row in [head, *rows]]
    columns = list(zip(*cells, strict=True))
    numeric = [all(_is_number(value) for value in column[1:]) for column in columns]
    most = max(8, (shutil.get_terminal_size((100, 24)).columns - 2 * len(columns)) // len(columns))
    longest = [max(map(len, column)) for column in columns]
    spare = sum(max(0, most - length) for length in longest)
    share = most + spare // max(1, sum(length > most for length in longest))
    widths = [min(length, share) for length in longest]
    return ["  ".join(map(_fitted, row, widths, numeric)).rstrip() for row in cells]


def _example(address: str, kind: dict[str, Any], between: Callable[[], None]) -> DemoResult:
    name = kind["name"]
    if not kind["available"]:
        return DemoResult(name, "unavailable", 0, 0.0, kind["reason"] or "", "")
    started = time.monotonic()
    try:
        example = _get(f"{address}/api/v1/kinds/{name}")["example"]
        job = _post(f"{address}/api/v1/kinds/{name}/jobs", example)
    except urllib.error.HTTPError as error:
        return DemoResult(name, "refused", 0, 0.0, _problem(error), "")
    job = _follow(f"{address}/api/v1/jobs/{job['id']}", kind["title"], started, between)
    state = job["state"] if job["state"] in ENDED else "unfinished"
    page = f"{address}/jobs/{job['id']}"
    if name == FIRST:
        _show_items(address, job, page)
    total = job["progress"]["total"] or job["progress"]["done"] or 0
    return DemoResult(name, state, total, time.monotonic() - started, job["message"] or "", page)


def _follow(url: str, title: str, started: float, between: Callable[[], None]) -> dict[str, Any]:
    while True:
        job: dict[str, Any] = _get(url)
        _draw(title, job, time.monotonic() - started)
        if job["state"] in ENDED or time.monotonic() - started > PATIENCE_SECONDS:
            print()
            return job
        between()
        time.sleep(LOOK_SECONDS)


def _draw(title: str, job: dict[str, Any], seconds: float) -> None:
    """One line, drawn over itself in a terminal; in a file only the last one is written."""
    if not sys.stdout.isatty() and job["state"] not in ENDED:
        return
    progress = job["progress"]
    over = sum(progress[part] or 0 for part in ("done", "failed", "skipped", "unknown"))
    total = progress["total"]
    filled = BAR * over // total if total else (BAR if job["state"] == "succeeded" else 0)
    count = f"{over}/{total}" if total else ""
    clear = "\r\x1b[2K" if sys.stdout.isatty() else ""
    bar = "█" * filled + "░" * (BAR - filled)
    print(f"{clear}{title:<20} {bar} {count:>9}  {job['state']:<10} {seconds:5.1f} s", end="", flush=True)


def _show_items(address: str, job: dict[str, Any], page: str) -> None:
    rows = [_flat(item) for item in _get(f"{address}/api/v1/jobs/{job['id']}/items")["items"][:ROWS]]
    if rows:
        head = list(dict.fromkeys(name for row in rows for name in row))
        print("\n" + "\n".join(table(head, [[row.get(name, "") for name in head] for row in rows])))
    print(f"\nIts page: {page}\n", flush=True)


def _flat(item: dict[str, Any]) -> dict[str, Any]:
    """An item as one row: what went in, what came out, or why not."""
    row = {**(item.get("input") or {}), **(item.get("output") or {})}
    return row if item.get("state") == "done" else {**row, "state": item.get("state"), "error": item.get("error") or ""}


def _row(outcome: DemoResult) -> list[Any]:
    return [outcome.kind, outcome.state, outcome.items, round(outcome.seconds, 1), outcome.message]


def _cell(value: object) -> str:
    return escaped(" ".join(as_text(value).split()))


def _is_number(text: str) -> bool:
    return text.replace(".", "", 1).isdigit()


def _fitted(text: str, width: int, right: bool) -> str:
    cut = text if len(text) <= width else text[: width - 1] + "…"
    return cut.rjust(width) if right else cut.ljust(width)


def _get(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=30) as answer:  # noqa: S310 - an address of ours
        return json.load(answer)


def _post(url: str, body: object) -> Any:
    request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})  # noqa: S310
    with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310
        return json.load(answer)


def _problem(error: urllib.error.HTTPError) -> str:
    """The sentence of a problem document, or the status line."""
    try:
        problem = json.load(error)
    except ValueError:
        return str(error)
    fields = [f"{each['field']}: {each['message']}" for each in problem.get("errors", [])]
    return "; ".join(fields) or problem.get("detail") or problem.get("title") or str(error)
