"""Charts as SVG, laid out on the server: positions in percent, so that words keep their size at any width."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

from jobs.engine.kinds import ItemColumn
from webapp.results import values

TALL = 160  # px of the drawing
LOW = 104  # of one that stands beside others
WORDS = 8  # labels below at most, of a low one fewer
DOTS = 240  # px of a map

Point = tuple[str, float | None]


class Mark(NamedTuple):
    """One bar or column: where it stands, how large it is, and its words."""

    label: str
    text: str
    x: float
    y: float
    width: float
    height: float
    worded: bool


class Drawing(NamedTuple):
    """A chart: its marks, the lines through them, the numbers at its axis, and a sentence of what is to be seen."""

    shape: str
    marks: list[Mark]
    lines: list[str]
    top: str
    foot: str
    sentence: str
    tall: int = TALL


def draw(
    shape: str, points: Sequence[Any], unit: str = "", decimals: int | None = None, *, tall: int = TALL
) -> Drawing:
    """The chart of these points, a label and a number each; a number that is None leaves a gap."""
    column = ItemColumn("", "", "number", unit=unit, decimals=decimals)
    pairs: list[Point] = [(str(one[0]), _finite(one[1])) for one in points]
    numbers = [value for _, value in pairs if value is not None]
    if not numbers:
        return Drawing(shape, [], [], "", "", "There are no numbers to show.")
    low, high = (
        min(*numbers, 0.0) if shape != "line" else min(numbers),
        max(*numbers, 0.0) if shape != "line" else max(numbers),
    )
    span = (high - low) or 1.0
    marks = _bars(pairs, low, span, column) if shape == "bars" else _columns(pairs, low, span, column, tall)
    lines = _lines(marks, pairs) if shape == "line" else []
    if shape == "line":  # its words stand below its points
        apart = 100 / max(len(marks) - 1, 1)
        marks = [mark._replace(x=round(place * apart, 2)) for place, mark in enumerate(marks)]
    texts = str(values.with_unit(high, column)), str(values.with_unit(low, column))
    return Drawing(shape, marks, lines, *texts, _sentence(pairs, column), tall)


def dots(points: Sequence[Any], across: Sequence[Any]) -> Drawing:
    """A map: each point has a label and two numbers, the second of which is how far to the right it is."""
    places = [(str(one[0]), _finite(one[1]), _finite(right)) for one, right in zip(points, across, strict=False)]
    known = [(label, up, right) for label, up, right in places if up is not None and right is not None]
    if not known:
        return Drawing("dots", [], [], "", "", "There is nothing to show.", DOTS)
    ups, rights = [up for _, up, _ in known], [right for *_, right in known]
    high, wide = (max(ups) - min(ups)) or 1.0, (max(rights) - min(rights)) or 1.0
    marks = [
        Mark(
            label,
            "",
            round(2 + 96 * (right - min(rights)) / wide, 2),
            round(8 + (DOTS - 16) * (max(ups) - up) / high, 1),
            0,
            0,
            False,
        )
        for label, up, right in known
    ]
    return Drawing("dots", marks, [], "", "", f"{len(marks):,} dots; those that are near each other are alike.", DOTS)


def _finite(value: float | None) -> float | None:
    """The number; None for what is none, which leaves a gap."""
    return None if value is None or not math.isfinite(value) else value


def _bars(pairs: Sequence[Point], low: float, span: float, column: ItemColumn) -> list[Mark]:
    zero = -low / span * 100
    marks = []
    for label, value in pairs:
        wide = abs(value or 0) / span * 100
        left = zero if (value or 0) >= 0 else zero - wide
        text = str(values.with_unit(value, column)) or "none"
        marks.append(Mark(label, text, round(left, 2), 0, round(wide, 2), 0, True))
    return marks


def _columns(pairs: Sequence[Point], low: float, span: float, column: ItemColumn, tall: int) -> list[Mark]:
    wide, each = 100 / len(pairs), max(1, -(-len(pairs) // (WORDS if tall == TALL else WORDS // 2)))
    marks = []
    for place, (label, value) in enumerate(pairs):
        top = tall if value is None else tall - (value - low) / span * tall
        base = tall + low / span * tall if low < 0 else tall
        y, long = min(top, base), abs(base - top)
        text = str(values.with_unit(value, column)) or "none"
        marks.append(
            Mark(
                label,
                text,
                round(place * wide, 3),
                round(y, 1),
                round(wide * 0.86, 3),
                round(long, 1),
                place % each == 0,
            )
        )
    return marks


def _lines(marks: Sequence[Mark], pairs: Sequence[Point]) -> list[str]:
    """The courses between the gaps, as points of a drawing of 100 by TALL."""
    wide = 100 / max(len(pairs) - 1, 1)
    courses: list[list[str]] = []
    here: list[str] = []
    for place, (mark, (_, value)) in enumerate(zip(marks, pairs, strict=True)):
        if value is None:
            courses.append(here)
            here = []
        else:
            here.append(f"{place * wide:.2f},{mark.y}")
    return [" ".join(course) for course in [*courses, here] if course]


def _sentence(pairs: Sequence[Point], column: ItemColumn) -> str:
    known = [(value, label) for label, value in pairs if value is not None]
    most, least = max(known), min(known)
    high = f"Most in {most[1]}: {values.with_unit(most[0], column)}"
    return f"{high}. Least in {least[1]}: {values.with_unit(least[0], column)}." if most[0] != least[0] else f"{high}."
