"""Tables out of the test folders of other projects, read as Legwork reads them and compared with what other readers see.

The floors never fall: a table that is not read any more, or a cell that is not right any more, is a fault. docs/accuracy.md has the
figures.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import pytest

from jobs.engine import jsonsafe
from jobs.engine.errors import BadInput
from jobs.engine.formats import tables
from jobs.engine.formats.tables import TableInfo
from tests import source_distributions

PACKAGES = (
    *(
        "agate",
        "agate-excel",
        "csvkit",
        "lifelines",
        "odfpy",
        "pandas",
        "petl",
        "pyexcel",
        "pyexcel-ods",
        "pyexcel-ods3",
    ),
    *("pyexcel-xls", "pyexcel-xlsx", "python-calamine", "tablib", "vega_datasets", "xlrd"),
)
SUFFIXES = (".csv", ".tsv", ".xlsx", ".xlsm", ".xlsb", ".xls", ".ods", ".json")
NO_TABLES = (".vscode", "node_modules", "package.json")  # settings of programs
RIGHTLY_REFUSED = "is empty|are empty|has a password|with a password|There are NUL bytes|There is no sheet with cells"
LEAST_TABLES, MOST_REFUSED, LEAST_CELLS, MOST_WRONG = 381, 0, 993_000, 6


@dataclass
class Outcome:
    read: int = 0
    refused: dict[str, str] = field(default_factory=dict)
    compared: int = 0
    cells: int = 0
    wrong: list[str] = field(default_factory=list)


@pytest.fixture(scope="module")
def files() -> list[Path]:
    folders = [source_distributions.folder(name) for name in PACKAGES]
    found = (path for folder in folders for path in sorted(folder.rglob("*")))
    return [path for path in found if path.suffix.lower() in SUFFIXES and not set(path.parts) & set(NO_TABLES)]


@pytest.mark.slow
def test_real_tables_are_read_and_right(files: list[Path]) -> None:
    outcome = Outcome()
    for path in files:
        try:
            info = tables.describe_here(path, path.name)
            rows = list(tables.read_here(path, path.name, info.options))
        except BadInput as error:
            if not re.search(RIGHTLY_REFUSED, error.message):
                outcome.refused[path.name] = error.message
            continue
        outcome.read += 1
        assert not info.exact or info.rows == len(rows), path.name
        _compare(path, info, rows, outcome)
    count, right = outcome.read + len(outcome.refused), outcome.cells - len(outcome.wrong)
    print(
        f"{outcome.read} of {count} tables read; {right:,} of {outcome.cells:,} cells of {outcome.compared} as others read them"
    )
    for name, sentence in outcome.refused.items():
        print(f"refused: {name}: {sentence}")
    print(*outcome.wrong[:40], sep="\n")
    assert count >= LEAST_TABLES and outcome.cells >= LEAST_CELLS
    assert len(outcome.refused) <= MOST_REFUSED
    assert len(outcome.wrong) <= MOST_WRONG


def _compare(path: Path, info: TableInfo, rows: list[dict[str, Any]], outcome: Outcome) -> None:
    """Each cell with the same one of another reader, where there is one that reads the file."""
    others = list(_of_workbook(path, info) if info.sheet is not None else _of_text(path, info))
    if not others:
        return
    outcome.compared += 1
    merged = any("merged" in note for note in info.notes)
    if len(others) != len(rows):
        outcome.wrong.append(f"{path.name}: {len(rows)} rows, {len(others)} by others")
    for place, (row, other) in enumerate(zip(rows, others, strict=False)):
        for mine, theirs in zip(row.values(), [*other, *[None] * (len(row) - len(other))], strict=False):
            outcome.cells += 1
            if _plain(mine) != _plain(theirs) and not (merged and _plain(theirs) == ""):
                outcome.wrong.append(f"{path.name} row {place + 1}: {mine!r}, {theirs!r} by others")


def _of_workbook(path: Path, info: TableInfo) -> Iterator[list[Any]]:
    """The rows below the header by calamine; nothing where it cannot read the file, or could read it in no other way."""
    from python_calamine import CalamineError, CalamineWorkbook

    if info.format == "xlsb" or any("Only the values" in note for note in info.notes):
        return
    try:
        sheet = CalamineWorkbook.from_path(path).get_sheet_by_name(info.sheet or "")
    except CalamineError:
        return
    top, left = sheet.start or (0, 0)
    for number, cells in enumerate(sheet.to_python(), top + 1):
        if number > (info.header_row or 0) and any(cell != "" for cell in cells):
            yield [None] * left + list(cells)


def _of_text(path: Path, info: TableInfo) -> Iterator[list[Any]]:
    """The rows of a text by pandas, whose parser is not the one of Python; of JSON by the standard library."""
    if info.format in ("json", "jsonl"):
        yield from _of_json(path, info)
        return
    import pandas

    if any("#" in note or "backslash" in note or "single quotes" in note for note in info.notes) or not info.columns:
        return
    try:
        frame = pandas.read_csv(
            path,
            sep=info.delimiter if info.delimiter != "none" else "\x1f",
            encoding=info.encoding,
            header=None,
            names=list(range(len(info.columns))),
            skiprows=info.header_row,
            dtype=str,
            keep_default_na=False,
            na_values=[],
        )
    except (ValueError, UnicodeError):
        return
    yield from frame.values.tolist()


def _of_json(path: Path, info: TableInfo) -> Iterator[list[Any]]:
    try:
        value = json.loads(path.read_bytes(), parse_constant=lambda _: None)
    except ValueError:
        return
    if isinstance(value, list) and all(isinstance(row, dict) for row in value):
        for row in value:
            yield list(row.values())


def _plain(value: Any) -> str:
    """A value so that two writings of the same are equal."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return f"{value:.12g}"
    if isinstance(value, datetime):
        value = value.date() if value.time() == time() else value
    if isinstance(value, date | time):
        return value.isoformat()[:23]
    if isinstance(value, timedelta):
        return jsonsafe.duration(value)
    text = str(value).replace("\r\n", "\n").strip()
    return text[:23] if re.match(r"\d{4}-\d\d-\d\dT", text) else text
