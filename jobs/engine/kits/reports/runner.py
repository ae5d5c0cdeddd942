"""Reports from tables: figures by DuckDB, charts by Vega-Lite, pages by pandoc and typst; each in a child process."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from jobs.engine.kits.reports.readings import ReportPlan
from jobs.engine.kits.reports.writing import Report
from jobs.engine.sandbox import confined

COMPUTE = confined.ProcessLimits(seconds=3_600, memory=4 << 30, written=20_000_000_000)
RENDER = confined.ProcessLimits(
    seconds=300, memory=4 << 30, address_space=False
)  # V8, which renders the charts, reserves much address space
MODULE = "jobs.engine.kits.reports"

Check = Callable[[], None] | None


def compute(path: Path, name: str, plan: ReportPlan, folder: Path, check: Check = None) -> dict[str, Any]:
    """The figures of a table as JSON; see figures.compute. Raises BadInput."""
    request = {"do": "compute", "path": str(path.absolute()), "name": name, "plan": asdict(plan)}
    return confined.run(MODULE, request, COMPUTE, reads=[path], folder=folder, check=check)


def render(report: Report, format: str, folder: Path, check: Check = None) -> tuple[Path, list[str]]:
    """The report as a file in the folder, and warnings as sentences."""
    request = {"do": "render", "report": asdict(report), "format": format}
    result = confined.run(MODULE, request, RENDER, folder=folder, check=check)
    return folder / result["path"], result["warnings"]
