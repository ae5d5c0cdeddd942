"""Columns of a table as numbers, for inputs that are drawn from data."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from jobs.engine.display import as_text
from jobs.engine.errors import BadInput
from jobs.engine.formats import columns

MOST_ROWS = 1_000_000


def numbers_of(
    rows: Iterable[Mapping[str, Any]], names: Sequence[str], delimiter: str | None
) -> dict[str, list[float]]:
    """The values of these columns, of the rows that have a number in each. Raises BadInput where there are none."""
    read = [columns.Column(name) for name in names]
    texts: list[list[str]] = []
    for row in rows:
        if len(texts) == MOST_ROWS:
            raise BadInput(f"The data has more than {MOST_ROWS:,} rows. Take a sample of it.")
        texts.append([as_text(row.get(name)).strip() for name in names])
        for column, text in zip(read, texts[-1], strict=True):
            column.add(text)
    hints = columns.table_hints(read, delimiter)
    formats = [_format(column, hints) for column in read]
    whole = []
    for row_texts in texts:
        values = [columns.number_of(format, text) for format, text in zip(formats, row_texts, strict=True)]
        if None not in values:
            whole.append([float(value) for value in values if value is not None])
    if not whole:
        raise BadInput(f"No row of the data has a number in {' and in '.join(names)}.")
    return {name: [row[place] for row in whole] for place, name in enumerate(names)}


def _format(column: columns.Column, hints: columns.Hints) -> columns.ColumnFormat:
    try:
        format = columns.as_numbers(column, columns.AUTOMATIC, hints)
    except ValueError as units:
        raise BadInput(f"{column.name} has several units: {units}.") from None
    if format is None:
        raise BadInput(f"{column.name} holds no numbers: {columns.some(column.misfits(())[1])}.")
    return format
