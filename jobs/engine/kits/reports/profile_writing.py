"""A profile as Markdown, as sheets of a workbook, as a chart and as the preview on the job's page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jobs.engine.display import as_text
from jobs.engine.kits.reports.charts import INK
from jobs.engine.kits.reports.shown_figures import escaped, shown, table

CHARTED = 24  # columns
ACROSS = 3  # charts beside each other
LABEL = 16  # characters
HEAD = ["Column", "Contents", "Missing", "Distinct", "Least", "Middle", "Most", "Most frequent"]
NUMBERS_HEAD = ["Column", "Mean", "Deviation", "5%", "25%", "50%", "75%", "95%", "Zeros", "Outliers"]
NUMBERS = ("mean", "sd", "p5", "p25", "p50", "p75", "p95", "zeros", "outliers")


def markdown(profile: dict[str, Any], chart: str) -> str:
    """The sections of the profile."""
    parts = ["## What to look at", _listed(profile["warnings"]) or "Nothing stands out."]
    parts += ["## Columns", table(HEAD, overview(profile), 2)]
    if chart:
        parts += ["## Distributions", f"![Distributions of the columns]({chart})"]
    if numbers := numbers_of(profile):
        parts += ["## Numbers", table(NUMBERS_HEAD, numbers)]
    if values := _top(profile):
        parts += ["## Most frequent values", table(["Column", "Value", "Rows", "Share"], values, 2)]
    if profile["correlations"]:
        parts += ["## Correlations", table(["Column", "And", "Correlation"], profile["correlations"], 2)]
    return "\n\n".join(part for part in parts if part)


def sheets(profile: dict[str, Any]) -> dict[str, list[list[Any]]]:
    """The rows of each sheet, with a header."""
    found: dict[str, list[list[Any]]] = {
        "What to look at": [["What to look at"], *([one] for one in profile["warnings"])],
        "Columns": [HEAD, *overview(profile)],
        "Numbers": [NUMBERS_HEAD, *numbers_of(profile)],
        "Values": [["Column", "Value", "Rows", "Share"], *_top(profile)],
        "Correlations": [["Column", "And", "Correlation"], *profile["correlations"]],
    }
    return {name: rows for name, rows in found.items() if len(rows) > 1}


def overview(profile: dict[str, Any]) -> list[list[Any]]:
    """A row for each column of the table."""
    return [
        [
            column["name"],
            f"{column['type']} ({column['unit']})" if column["unit"] else column["type"],
            f"{column['missing_share']:.1%}" if column["missing"] else "0",
            column["distinct"],
            *(_short(column.get(key)) for key in ("least", "p50", "most")),
            _short(column["top"][0][0]) if column["top"] and column["top"][0][1] > 1 else "",
        ]
        for column in profile["columns"]
    ]


def numbers_of(profile: dict[str, Any]) -> list[list[Any]]:
    found = [column for column in profile["columns"] if "mean" in column]
    return [[column["name"], *(column[key] for key in NUMBERS)] for column in found]


def spec(profile: dict[str, Any]) -> dict[str, Any] | None:
    """The Vega-Lite specification of small charts, one for each column that has a distribution."""
    charts = [chart for column in profile["columns"] if (chart := _chart(column))][:CHARTED]
    if not charts:
        return None
    return {
        "$schema": "https://vega.github.io/schema/vega-lite/v5.json",
        "concat": charts,
        "columns": ACROSS,
        "config": {"view": {"stroke": None}, "axis": {"grid": False}, "bar": {"color": INK}},
    }


def _chart(column: dict[str, Any]) -> dict[str, Any] | None:
    size = {"width": 150, "height": 90, "title": {"text": column["name"][:30], "fontSize": 11}}
    if column.get("bins") and column["type"] == "number":
        width = column["bins"][1][0] - column["bins"][0][0]
        values = [{"low": low, "high": low + width, "n": count} for low, count in column["bins"]]
        x = {"field": "low", "type": "quantitative", "bin": {"binned": True}, "title": None, "axis": {"tickCount": 4}}
        encoding = {"x": x, "x2": {"field": "high"}, "y": {"field": "n", "type": "quantitative", "title": None}}
        return {**size, "data": {"values": values}, "mark": "bar", "encoding": encoding}
    if column.get("bins"):
        values = [{"at": low * 1_000, "n": count} for low, count in column["bins"]]
        x = {"field": "at", "type": "temporal", "title": None, "axis": {"tickCount": 3}}
        encoding = {"x": x, "y": {"field": "n", "type": "quantitative", "title": None}}
        return {**size, "data": {"values": values}, "mark": {"type": "area", "color": INK}, "encoding": encoding}
    if not column["top"] or column["top"][0][1] < 2:
        return None
    values = [
        {"k": f"{place}", "label": text[:LABEL], "n": count} for place, (text, count) in enumerate(column["top"][:6])
    ]
    y = {"field": "label", "type": "nominal", "sort": None, "title": None, "axis": {"labelLimit": 80}}
    encoding = {"y": y, "x": {"field": "n", "type": "quantitative", "title": None, "axis": {"tickCount": 3}}}
    return {**size, "data": {"values": values}, "mark": "bar", "encoding": encoding}


def _top(profile: dict[str, Any]) -> list[list[Any]]:
    """The values that more than one row has, of columns that are not of different numbers."""
    return [
        [column["name"], text, count, f"{count / column['filled']:.1%}"]
        for column in profile["columns"]
        for text, count in column["top"]
        if count > 1 and (column["type"] != "number" or column["distinct"] <= 50)
    ]


def _listed(sentences: Sequence[str]) -> str:
    return "\n".join(f"- {escaped(one)}" for one in sentences)


def _short(value: Any) -> Any:
    if value is None:
        return ""
    if isinstance(value, int | float):
        return shown(value)
    text = as_text(value).removesuffix(" 00:00:00")
    return text if len(text) <= 24 else f"{text[:23]}…"
