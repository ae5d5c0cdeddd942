"""The table at the end of `make accuracy`, and the way to the peers."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import CODE

PEERS = CODE / ".venv-accuracy" / "bin" / "python"
SECONDS = 1_200

Row = tuple[str, str, str, str]
Report = Callable[[str, str, str, dict[str, str]], None]
_rows: list[Row] = []


def peer(measure: str, given: Any) -> Any:
    """What a function of peers.py makes of this JSON."""
    done = subprocess.run(
        [PEERS, Path(__file__).with_name("peers.py"), measure],
        input=json.dumps(given),
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"{measure} failed in .venv-accuracy: {done.stderr[-1_000:]}")
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture
def report() -> Report:
    """report(kind, measure, ours, {peer: value}) adds a row to the table."""

    def add(kind: str, measure: str, ours: str, peers: dict[str, str]) -> None:
        _rows.append((kind, measure, ours, ", ".join(f"{name} {value}" for name, value in peers.items())))

    return add


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    head: Row = ("kind", "measure", "Legwork", "others")
    widths = [max(len(row[place]) for row in [head, *_rows]) for place in range(4)]
    for row in [head, *_rows] if _rows else []:
        terminalreporter.write_line(
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        )
