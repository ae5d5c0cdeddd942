"""What the page of a report's job shows of it: its chart, and its comparison as a table."""

from __future__ import annotations

from jobs.engine.kinds.columns import ItemColumn
from jobs.engine.kinds.shown import Chart, Table
from jobs.engine.kits.reports.comparisons import Comparison
from jobs.engine.kits.reports.writing import Report

CHARTED = 60  # points


def chart(report: Report) -> Chart | None:
    """The first measure by period or group, as the report has it."""
    figures = report.figures
    rows = figures["periods"] or (figures["groups"] or {}).get("rows") or []
    width = 1 if figures["periods"] else len(report.keys)
    points = [(" · ".join(map(str, row[:width])), row[width]) for row in rows[:CHARTED]]
    if len(points) < 2 or not all(value is None or isinstance(value, int | float) for _, value in points):
        return None
    return Chart("line" if figures["periods"] else "bars", points, report.labels[0])


def comparison_table(comparison: Comparison | None) -> Table | None:
    """None without a comparison."""
    if comparison is None:
        return None
    heads = [
        ItemColumn(f"c{place}", name, "word" if place < comparison["texts"] else "number")
        for place, name in enumerate(comparison["columns"][:-1])
    ]
    heads.append(ItemColumn("percent", comparison["columns"][-1], "text"))
    return Table(heads, comparison["rows"], comparison["title"])
