"""Vega-Lite charts, rendered without a browser and without a network."""

from __future__ import annotations

import base64
from typing import Any

from jobs.engine import jsonsafe
from jobs.engine.formats import fonts

MOST_BARS = 25
INK = "#1f5fa8"


def chart(figures: dict[str, Any], labels: list[str], keys: list[str]) -> dict[str, Any] | None:
    """The Vega-Lite specification of a chart for the figures; None if there is nothing to compare."""
    if figures["periods"]:
        return _lines(figures, labels[0], keys)
    groups = figures["groups"]
    if groups and any(isinstance(row[len(keys)], int | float) for row in groups["rows"]):
        return _bars(groups["rows"][:MOST_BARS], labels[0], keys)
    return None


def warning(spec: dict[str, Any]) -> list[str]:
    """A sentence on letters that no font of the chart has."""
    return fonts.warning(jsonsafe.dumps(spec), "in the chart ")


def drawn(spec: dict[str, Any], format: str) -> str:
    """The chart as a data URI: "svg", or "png" at twice the size."""
    import vl_convert

    for folder in fonts.folders():
        vl_convert.register_font_directory(str(folder))
    if format == "svg":
        image = vl_convert.vegalite_to_svg(spec, allowed_base_urls=[]).encode()
        return f"data:image/svg+xml;base64,{base64.b64encode(image).decode()}"
    image = vl_convert.vegalite_to_png(spec, scale=2.5, allowed_base_urls=[])
    return f"data:image/png;base64,{base64.b64encode(image).decode()}"


def _bars(rows: list[list[Any]], label: str, keys: list[str]) -> dict[str, Any]:
    width = len(keys)
    values = [{"k": " · ".join(str(key) for key in row[:width]), "v": row[width]} for row in rows]
    encoding = {
        "y": {"field": "k", "type": "nominal", "sort": None, "title": None, "axis": {"labelLimit": 160}},
        "x": {"field": "v", "type": "quantitative", "title": label},
    }
    return _spec(values, {"type": "bar", "color": INK}, encoding) | {"height": {"step": 18}}


def _lines(figures: dict[str, Any], label: str, keys: list[str]) -> dict[str, Any]:
    if figures["lines"]:
        values = [{"p": row[0], "k": row[1], "v": row[2]} for row in figures["lines"]]
    else:
        values = [{"p": row[0], "k": "", "v": row[1]} for row in figures["periods"]]
    encoding: dict[str, Any] = {
        "x": {"field": "p", "type": "ordinal", "title": None, "axis": {"labelOverlap": True, "labelAngle": 0}},
        "y": {"field": "v", "type": "quantitative", "title": label},
    }
    if figures["lines"]:
        encoding["color"] = {"field": "k", "type": "nominal", "title": keys[0]}
    mark: dict[str, Any] = {"type": "line", "point": len(values) < 60} | ({} if figures["lines"] else {"color": INK})
    return _spec(values, mark, encoding) | {"height": 220}


def _spec(values: list[dict[str, Any]], mark: dict[str, Any], encoding: dict[str, Any]) -> dict[str, Any]:
    return {
        "$schema": "https://vega.github.io/schema/vega-lite/v5.json",
        "data": {"values": values},
        "mark": mark,
        "encoding": encoding,
        "width": 480,
        "config": {"view": {"stroke": None}, "axis": {"grid": True, "gridColor": "#e6e6e6"}},
    }
