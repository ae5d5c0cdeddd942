"""The child process that computes the figures of a report, or renders it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from jobs.engine.formats.columns import Choices
from jobs.engine.formats.tables import ReadOptions
from jobs.engine.kits.conversion import documents
from jobs.engine.kits.reports import charts, figures, html_style, profile_writing, writing
from jobs.engine.kits.reports.filters import Filter
from jobs.engine.kits.reports.measures import Measure
from jobs.engine.kits.reports.readings import ReportPlan
from jobs.engine.kits.reports.shown_figures import escaped
from jobs.engine.sandbox import confined


def work(request: dict[str, Any], folder: Path) -> dict[str, Any]:
    return _compute(request, folder) if request["do"] == "compute" else _render(request, folder)


def _compute(request: dict[str, Any], folder: Path) -> dict[str, Any]:
    measures = [Measure(**one) for one in request["plan"]["measures"]]
    given = {"choices": Choices(**request["plan"]["choices"]), "options": ReadOptions(**request["plan"]["options"])}
    filters = [Filter(**one) for one in request["plan"]["filters"]]
    plan = ReportPlan(**(request["plan"] | {"measures": measures, "filters": filters} | given))
    return figures.compute(Path(request["path"]), request["name"], plan, folder)


def _render(request: dict[str, Any], folder: Path) -> dict[str, Any]:
    format, report = request["format"], writing.Report(**request["report"])
    if format == "xlsx":
        writing.workbook(report, folder / "report.xlsx")
        return {"path": "report.xlsx", "warnings": []}
    beside: list[str] = []
    spec = _spec(report) if report.figures["rows_used"] else None
    if spec:
        noted = [*report.notes, *filter(None, [charts.open_period(report.figures)])]
        report = replace(report, chart=charts.drawn(spec, "svg" if format == "html" else "png"), notes=noted)
        beside = (
            charts.warning(spec) if format == "docx" else []
        )  # a PDF's warning is of all its letters; HTML has none
    source = folder / "report.md"
    source.write_text(f"---\ntitle: >-\n  {escaped(report.title)}\n---\n\n{writing.markdown(report)}")
    made, warnings = documents.convert(source, "report", format, report.title, {"margin_mm": 20}, folder)
    if format == "html":
        made.write_text(html_style.styled(made.read_text()))
    return {"path": made.name, "warnings": [*warnings, *beside]}


def _spec(report: writing.Report) -> dict[str, Any] | None:
    if profile := report.figures["profile"]:
        return profile_writing.spec(profile)
    return charts.chart(report.figures, report.labels, report.keys)


if __name__ == "__main__":
    confined.serve(work)
