"""What a kind may return for its page to show: text, Markdown, HTML, a picture, a table, a chart.

They are values of the result or of an item's output: plain JSON with the word `show`, so that programs can read them too.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any, Literal

from jobs.engine.kinds.columns import ItemColumn

MOST_ROWS = 200  # of a table in a result; more belong into items or a file
MOST_POINTS = 1_000


class Shown(dict[str, Any]):
    """Base class. The title stands above."""

    def __init__(self, show: str, title: str, **values: Any):
        super().__init__(show=show, title=title, **values)


class Text(Shown):
    """Plain text, its lines kept."""

    def __init__(self, text: str, title: str = ""):
        super().__init__("text", title, text=text)


class Markdown(Shown):
    """Text with headings, lists, tables and links. Raw HTML and pictures in it are not shown."""

    def __init__(self, text: str, title: str = ""):
        super().__init__("markdown", title, text=text)


class Html(Shown):
    """A page of its own, shown in a frame without scripts, forms or requests."""

    def __init__(self, html: str, title: str = ""):
        super().__init__("html", title, html=html)


class Picture(Shown):
    """A picture that the job saved: `file` is what `context.save` returned, `alt` says what it shows."""

    def __init__(self, file: Any, alt: str, title: str = ""):
        super().__init__("picture", title, file=str(file), alt=alt)


class Table(Shown):
    """Rows under columns. A column is an ItemColumn, or its name. At most MOST_ROWS are kept; `more` counts the rest."""

    def __init__(
        self, columns: Sequence[ItemColumn | str], rows: Iterable[Sequence[Any]], title: str = "", note: str = ""
    ):
        heads = [asdict(one) if isinstance(one, ItemColumn) else {"name": one, "label": one} for one in columns]
        every = [list(row) for row in rows]
        super().__init__(
            "table", title, columns=heads, rows=every[:MOST_ROWS], note=note, more=max(len(every) - MOST_ROWS, 0)
        )


class Chart(Shown):
    """Numbers to look at. The table of them stands below.

    shape: "bars" compares names, "columns" are a distribution or periods, "line" is a course, "dots" are a map. points: label
    and number; None leaves a gap. across: of dots, how far to the right each is. unit: of the numbers. note: a sentence below, of
    what the numbers say.
    """

    def __init__(
        self,
        shape: Literal["bars", "columns", "line", "dots"],
        points: Mapping[str, float | None] | Iterable[tuple[str, float | None]],
        title: str = "",
        *,
        unit: str = "",
        decimals: int | None = None,
        note: str = "",
        across: Sequence[float] = (),
    ):
        pairs = list(points.items() if isinstance(points, Mapping) else points)
        kept = [[str(label), None if value is None else float(value)] for label, value in pairs[:MOST_POINTS]]
        more = {"across": [float(one) for one in across[:MOST_POINTS]]} if shape == "dots" else {}
        super().__init__("chart", title, shape=shape, points=kept, unit=unit, decimals=decimals, note=note, **more)
