"""Vega-Lite charts, rendered without a browser and without a network."""

from __future__ import annotations

import base64
from typing import Any

from jobs.engine import jsonsafe
from jobs.engine.formats import fonts
from jobs.engine.kits.reports import periods

MOST_BARS = 25
MOST_TICKS = 9  # periods that are named at the axis
INK = "#1f5fa8"
GREY = "#5c5a53"


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
    numbers = [abs(one["v"]) for one in values if isinstance(one["v"], int | float)]
    encoding = {
        "y": {
            "field": "k",
            "type": "nominal",
            "sort": None,
            "title": None,
            "axis": {"labelLimit": 200, "ticks": False},
        },
        "x": {"field": "v", "type": "quantitative", "title": label, "axis": _numbers(numbers)},
    }
    return _spec([{"mark": {"type": "bar", "color": INK, "cornerRadiusEnd": 2}, "encoding": encoding}], values) | {
        "height": {"step": 22}
    }


def _lines(figures: dict[str, Any], label: str, keys: list[str]) -> dict[str, Any]:
    """Courses over all periods between the first and the last: one without rows is a gap. The last is dashed while it is not
    over, because it will grow."""
    rows = [[row[0], "", row[1]] for row in figures["periods"]]
    found = figures["lines"] or rows
    places = periods.between(rows[0][0], rows[-1][0], figures["period"] or "")
    known = {(row[0], row[1]): row[2] for row in found}
    groups = list(dict.fromkeys(row[1] for row in found))
    values = [{"p": place, "k": group, "v": known.get((place, group))} for group in groups for place in places]
    numbers = [abs(row[2]) for row in found if isinstance(row[2], int | float)]
    every = max(1, -(-len(places) // MOST_TICKS))
    encoding: dict[str, Any] = {
        "x": {
            "field": "p",
            "type": "ordinal",
            "title": None,
            "scale": {"domain": places},
            "axis": {"values": places[::every], "labelAngle": 0, "labelOverlap": "greedy", "grid": False},
        },
        "y": {"field": "v", "type": "quantitative", "title": label, "axis": _numbers(numbers)},
    }
    if figures["lines"]:
        encoding["color"] = {"field": "k", "type": "nominal", "title": keys[0]}
    mark: dict[str, Any] = {"type": "line", "strokeWidth": 2, "point": len(places) < 60}
    mark |= {} if figures["lines"] else {"color": INK}
    over = len(places) < 3 or periods.is_over(places[-1], figures["period"] or "", str(figures.get("as_of") or ""))
    layers = [{"mark": mark, "encoding": encoding}]
    if not over:
        layers[0]["data"] = {"values": [one for one in values if one["p"] != places[-1]]}
        dashed = mark | {"strokeDash": [4, 4], "point": False}
        hollow = {"type": "point", "filled": False, "size": 36} | ({} if figures["lines"] else {"color": INK})
        for look, count in ((dashed, 2), (hollow, 1)):
            last = {"values": [one for one in values if one["p"] in places[-count:]]}
            layers.append({"mark": look, "encoding": encoding, "data": last})
    return _spec(layers, values) | {"height": 240}


def open_period(figures: dict[str, Any]) -> str:
    """A sentence on the last period, if it was not over when the data were read; empty else."""
    last = periods.open_last(figures)
    return f"{last} was not over when the data were read; it is dashed in the chart." if last else ""


def _numbers(numbers: list[Any]) -> dict[str, Any]:
    """The axis of numbers: with thousands, and few enough not to collide."""
    return {
        "tickCount": 5,
        "format": ",.0f" if max(numbers, default=0) >= 10 else ",~g",
        "domain": False,
        "ticks": False,
    }


def _spec(layers: list[dict[str, Any]], values: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "$schema": "https://vega.github.io/schema/vega-lite/v5.json",
        "data": {"values": values},
        "layer": layers,
        "width": 560,
        "config": {
            "view": {"stroke": None},
            "axis": {
                "grid": True,
                "gridColor": "#e9e6de",
                "labelColor": "#5c5a53",
                "titleColor": "#5c5a53",
                "titleFontWeight": "normal",
            },
            "range": {"category": [INK, "#b5760b", "#2f7d4f", "#b3416b", "#6d6a63", "#5a86c9"]},
        },
    }
