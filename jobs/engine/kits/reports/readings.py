"""Reads the numbers and dates in the texts of a table, for a report: by one format a column, decided from all values."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jobs.engine import jsonsafe
from jobs.engine.errors import BadInput
from jobs.engine.formats import tables
from jobs.engine.formats.columns import (
    Choices,
    Column,
    ColumnFormat,
    Hints,
    as_dates,
    as_numbers,
    converted,
    decide,
    some,
    table_hints,
)
from jobs.engine.formats.exports import parquet
from jobs.engine.formats.tables import DETECTED, ReadOptions
from jobs.engine.kits.reports.filters import Filter, condition
from jobs.engine.kits.reports.measures import Measure
from jobs.engine.sandbox.locked_duckdb import LockedDuckDB, numbered, text

NUMBERS = ("INT", "DOUBLE", "FLOAT", "DECIMAL", "REAL")


@dataclass(frozen=True)
class ReportPlan:
    """What is wanted. `date`: the column of a report over time, else empty; `period`: a key of LABELS, or "auto"."""

    measures: list[Measure]
    group_by: list[str]
    date: str
    period: str
    most_groups: int
    options: ReadOptions = DETECTED
    choices: Choices = field(default_factory=Choices)
    profile: bool = False  # of all columns, instead of measures
    known: Sequence[str] = ()  # the columns of the table
    filters: Sequence[Filter] = ()

    @property
    def columns(self) -> list[str]:
        measured = [name for one in self.measures for name in one.columns(self.known)]
        named = [*measured, *self.group_by, self.date, *(one.column for one in self.filters)]
        return list(dict.fromkeys(name for name in named if name))


@dataclass(frozen=True)
class Spool:
    """The columns that matter, as Parquet. names: theirs; of a Parquet file, which is used as it is, none.

    seen, hints: how the texts of all columns of the table can be read.
    """

    rows: Path
    names: list[str]
    seen: dict[str, Column]
    hints: Hints


def put_down(path: Path, name: str, plan: ReportPlan, folder: Path) -> Spool:
    with path.open("rb") as opened:
        if opened.read(4) == b"PAR1":
            return Spool(path, [], {}, Hints())
    target, columns = folder / "rows.parquet", plan.columns
    table = tables.describe_here(path, name, plan.options)
    seen = {column: Column(column) for column in [*table.columns, *columns]}
    rows = tables.read_here(path, name, plan.options)
    short = [f"c{place}" for place in range(len(columns) + 1)]
    parquet.write(short, _seen(rows, columns, seen), target)
    (folder / "rows.jsonl").unlink(missing_ok=True)
    return Spool(target, columns, seen, table_hints(list(seen.values()), table.delimiter))


def _seen(rows: Iterable[dict[str, Any]], columns: list[str], seen: dict[str, Column]) -> Iterator[list[Any]]:
    """The values of the columns, and a 1, since some reports need no column."""
    for row in rows:
        for name, column in seen.items():
            column.add(row.get(name))
        yield [*(row.get(column) for column in columns), 1]


class Readings:
    """The table `read_rows`: the columns c0, c1, ..., the date in cN as dN, and the numbers in it as nN.

    formats: of the columns of texts. numbers: the SQL of the numbers, by column. notes, said, left_out: sentences on what
    was guessed and left out, how many values each is about, and how many of each column.
    """

    def __init__(self, database: LockedDuckDB, plan: ReportPlan, spool: Spool):
        self._database = database
        self._plan = plan
        self._spool = spool
        self.notes: list[str] = []
        self.said: dict[str, int] = {}
        self.left_out: dict[str, int] = {}
        file = f"read_parquet({text(database.sources[0])})"
        found = database.execute(f"select * from {file} limit 0").description
        named = spool.names or [jsonsafe.clean_text(column[0]) for column in found]
        places = {column: place for place, column in enumerate(named)}
        self._columns = {column: f"c{places[column]}" for column in plan.columns}
        self._types = {column: str(found[places[column]][1]).upper() for column in plan.columns}
        database.execute(f"create view raw_rows({numbered(len(found))}) as select * from {file}")
        self._texts = {column for column in plan.columns if self._types[column] == "VARCHAR"}
        self.formats: dict[str, ColumnFormat] = {}
        self.numbers: dict[str, str] = {}  # the SQL of the numbers in a column
        self._dates: dict[str, str] = {}
        for one in plan.measures:
            for name in one.columns(plan.known):
                self._find_numbers(one, name)
        if plan.date:
            self._find_dates(plan.date)
        self._create_rows()

    def _create_rows(self) -> None:
        """Convert the texts once, if there are any."""
        more = [f"{sql} as {self.number(column)}" for column, sql in self.numbers.items()]
        more += [f"{sql} as {self.date(column)}" for column, sql in self._dates.items()]
        kind = "temp table" if self._texts & {*self.numbers, *self._dates} else "view"
        where = " and ".join(self._condition(one) for one in self._plan.filters) or "true"
        self._database.execute(
            f"create {kind} read_rows as select *{''.join(f', {one}' for one in more)} from raw_rows where {where}"
        )
        if self._plan.filters:
            self.notes.append(f"Only rows where {' and '.join(one.words for one in self._plan.filters)}.")

    def _condition(self, one: Filter) -> str:
        format = ColumnFormat(one.column, self._types[one.column], "plain")
        if one.column in self._texts:
            [format] = decide([self._column(one.column)], self._plan.choices)
            if format.reads == "text" and one.how in (
                "at_least",
                "at_most",
            ):  # some values are none of the others' kind
                hints, column = self._spool.hints, self._column(one.column)
                found = as_numbers(column, self._plan.choices, hints), as_dates(column, self._plan.choices, hints)
                format = next((other for other in found if other), format)
        return condition(one, format, self.text(one.column))

    def _mostly(self, column: Column) -> ColumnFormat | None:
        """The format of a column that holds numbers or dates beside other values."""
        choices, hints = self._plan.choices, self._spool.hints
        with suppress(ValueError):  # of several units
            if numbers := as_numbers(column, choices, hints):
                return numbers
        return as_dates(column, choices, hints)

    # How texts are read.

    def _find_numbers(self, one: Measure, name: str) -> None:
        """The SQL of a column's numbers, if the measure is of numbers. Raises BadInput where there are none."""
        wanted = one.of_numbers
        if name in self.numbers or not (wanted or one.how in ("min", "max")):
            return
        if name not in self._texts:
            self._take_numbers(name, wanted)
            return
        column = self._column(name)
        if not wanted and (self._find_moments(column) or not column.filled):
            return
        format = self._number_format(one, column)
        if format is None or (format.loose and not wanted):
            return
        self.formats[name] = format
        sql = converted(format, self.text(name))
        self.numbers[name] = f"finite({sql})" if format.type == "DOUBLE" else sql
        self._tell(format, "number", "numbers")

    def _take_numbers(self, name: str, wanted: bool) -> None:
        """Of a column that has a type."""
        raw, type_name = self._columns[name], self._types[name]
        if any(word in type_name for word in NUMBERS) or (wanted and type_name == "BOOLEAN"):
            whole = "cast({} as integer)" if type_name == "BOOLEAN" else "{}"
            exact = not any(word in type_name for word in ("DOUBLE", "FLOAT", "REAL"))
            self.numbers[name] = whole.format(raw) if exact else f"finite(cast({raw} as double))"

    def _number_format(self, one: Measure, column: Column) -> ColumnFormat | None:
        try:
            format = as_numbers(column, self._plan.choices, self._spool.hints)
        except ValueError as units:
            raise BadInput(
                f"{one.name} would add up different units: {units}. Put each into a column of its own."
            ) from None
        if format is None and column.filled and one.of_numbers:
            raise BadInput(f"{one.name} needs numbers, and {column.name} has none: {_some(column)}.")
        return format

    def _find_moments(self, column: Column) -> bool:
        """Whether the least and the most are those of dates."""
        [format] = decide([column], self._plan.choices)
        if format.type not in ("DATE", "TIMESTAMP", "TIMESTAMPTZ", "TIME"):
            return False
        self.numbers[column.name] = converted(format, self.text(column.name))
        return True

    def _find_dates(self, name: str) -> None:
        raw = self._columns[name]
        if self._types[name].startswith(("DATE", "TIMESTAMP")):
            self._dates[name] = f"cast({raw} as timestamp)"
            return
        column = self._column(name)
        format = as_dates(column, self._plan.choices, self._spool.hints)
        if format is None and column.filled:
            raise BadInput(
                f"{name} holds no date that can be read: {_some(column)}. Dates are read when written like 2026-03-31, "
                "31/03/2026, 31.3.26, 31 March 2026 or 20260331."
            )
        format = format or ColumnFormat(name)
        self.formats[name] = format
        sql = converted(format, self.text(name)) if format.reads == "date" else "null"
        self._dates[name] = f"cast({sql} as timestamp)"
        if format.guess:
            self.notes.append(format.guess)

    def _column(self, name: str) -> Column:
        """The texts of a column, counted."""
        if name in self._spool.seen:
            return self._spool.seen[name]
        column = self._spool.seen[name] = Column(name)
        result = self._database.execute(
            f"select cast({self._columns[name]} as varchar), count(*) from raw_rows group by 1"
        )
        while batch := result.fetchmany(1_000):
            for value, count in batch:
                column.add(value, count)
        return column

    def _tell(self, format: ColumnFormat, one: str, many: str) -> None:
        if format.guess:
            self.notes.append(format.guess)
        if count := format.misfits:
            what = (
                f"1 value of {format.name} is no {one}"
                if count == 1
                else f"{count:,} values of {format.name} are no {many}"
            )
            self._leave_out(
                format, f"{what} and {'was' if count == 1 else 'were'} left out ({some(format.examples)}).", count
            )

    def tell_of_dates(self, read: int, used: int) -> None:
        format = self.formats.get(self._plan.date)
        if count := read - used:
            examples = f" ({some(format.examples)})" if format and format.examples else ""
            rows = "1 row was" if count == 1 else f"{count:,} rows were"
            self._leave_out(
                format or ColumnFormat(self._plan.date),
                f"{rows} left out: {self._plan.date} holds no date there{examples}.",
                count,
            )

    def _leave_out(self, format: ColumnFormat, note: str, count: int) -> None:
        self.notes.append(note)
        self.said[note] = count
        self.left_out[format.name] = count

    # Pieces of SQL.

    def date(self, column: str) -> str:
        return f"d{self._columns[column][1:]}"

    def number(self, column: str) -> str:
        return f"n{self._columns[column][1:]}"

    def text(self, column: str) -> str:
        return f"nullif(trim(cast({self._columns[column]} as varchar)), '')"


def _some(column: Column) -> str:
    return some(column.misfits(())[1])
