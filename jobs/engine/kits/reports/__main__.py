"""The child process that computes the figures of a report, or renders it."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

from jobs.engine.formats.columns import Choices
from jobs.engine.formats.tables import ReadOptions
from jobs.engine.kits.conversion import documents
from jobs.engine.kits.reports import charts, figures, profile_writing, writing
from jobs.engine.kits.reports.filters import Filter
from jobs.engine.kits.reports.measures import Measure
from jobs.engine.kits.reports.readings import ReportPlan
from jobs.engine.kits.reports.shown_figures import escaped
from jobs.engine.sandbox import confined

# The stylesheet of a report as a page: for reading on a screen, in a mail, and on paper.
STYLE = """
:root { color-scheme: light; }
html { background: #f4f2ec; }
body { max-width: 820px; margin: 32px auto; padding: 56px 64px; background: #fff; color: #1d1c19;
  font: 16px/1.55 "Source Sans 3", "Segoe UI", "Helvetica Neue", Arial, sans-serif; overflow-wrap: break-word; }
h1, h2, h3 { font-family: "Source Serif 4", Georgia, "Times New Roman", serif; line-height: 1.2; break-after: avoid; }
h1 { font-size: 34px; margin: 0 0 12px; text-align: left; }
h2 { font-size: 22px; margin: 36px 0 8px; }
header { margin: 0; }
p { margin: 0 0 14px; }
em { color: #5c5a53; }
img { display: block; width: 100%; height: auto; margin: 20px 0; break-inside: avoid; }
figure { margin: 0; } figcaption { display: none; }
table { width: 100%; margin: 20px 0; border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: 15px; }
th, td { padding: 7px 12px; border-bottom: 1px solid #e4e0d6; vertical-align: top; }
th:first-child, td:first-child { padding-left: 0; } th:last-child, td:last-child { padding-right: 0; }
thead th { border-bottom: 1px solid #8a867b; color: #5c5a53; font-weight: 400; font-size: 14px; }
tbody tr:last-child td { border-bottom: 1px solid #8a867b; }
.led > p:last-child em { font-size: 14px; }
thead { display: table-header-group; } tr { break-inside: avoid; }
.led > table:first-of-type { margin: 24px 0; table-layout: fixed; }
.led > table:first-of-type :is(th, td) { border: 0; padding-block: 0 2px; text-align: left !important; }
.led > table:first-of-type th { font: 600 30px/1.1 "Source Serif 4", Georgia, serif; color: #1d1c19; }
.led > table:first-of-type tr:last-child td { color: #5c5a53; font-size: 14px; font-weight: 400; }
.led > table:first-of-type + p { font: 19px/1.45 "Source Serif 4", Georgia, serif; }
tbody tr:last-child td:first-child { font-weight: 600; }
ul { padding-left: 20px; color: #5c5a53; font-size: 14px; }
a { color: #1f4fa8; }
@media (max-width: 640px) { body { margin: 0; padding: 24px 16px; } table { display: block; overflow-x: auto; } }
@page { margin: 18mm; }
@media print { html { background: none; } body { margin: 0; padding: 0; max-width: none; font-size: 11pt; } }
"""
_STYLES = re.compile(r"<style\b[^>]*>.*?</style>", re.DOTALL)
_BODY = re.compile("<body>")


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
    led = writing.is_led(report)
    look = {"margin_mm": 20, "report": True, "led": led}
    made, warnings = documents.convert(source, "report", format, report.title, look, folder)
    if format == "html":
        page = styled(made.read_text())
        made.write_text(_BODY.sub('<body class="led">', page, count=1) if led else page)
    return {"path": made.name, "warnings": [*warnings, *beside]}


def _spec(report: writing.Report) -> dict[str, Any] | None:
    if profile := report.figures["profile"]:
        return profile_writing.spec(profile)
    return charts.chart(report.figures, report.labels, report.keys)


def styled(page: str) -> str:
    """The page with our stylesheet in place of its own."""
    return _STYLES.sub(lambda _: f"<style>{STYLE}</style>", page, count=1)


if __name__ == "__main__":
    confined.serve(work)
