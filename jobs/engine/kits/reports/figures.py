"""The figures of a report, computed by DuckDB over a Parquet file: constant memory, whatever its size."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jobs.engine import jsonsafe
from jobs.engine.errors import BadInput
from jobs.engine.formats import tables
from jobs.engine.formats.exports import parquet
from jobs.engine.kits.reports.measures import OF_NUMBERS, ROWS, Measure
from jobs.engine.sandbox import locked_duckdb
from jobs.engine.sandbox.locked_duckdb import LockedDuckDB, numbered, text

FUNCTIONS = {"sum": "fsum", "mean": "favg", "median": "median", "min": "min", "max": "max"}
NUMBERS = ("INT", "DOUBLE", "FLOAT", "DECIMAL", "REAL")
FORMATS = ["%b %d %Y", "%d.%m.%Y", "%m/%d/%Y", "%d %b %Y", "%B %d, %Y", "%Y", "%Y-%m", "%Y/%m/%d", "%m/%d/%Y %H:%M"]
LABELS = {"year": "%Y", "month": "%Y-%m", "quarter": "%Y", "week": "%Y-%m-%d", "day": "%Y-%m-%d"}
MEMORY = 768 << 20
MOST_PERIODS = 1_000
LINES = 6  # groups that the chart over time shows
EMPTY = "(empty)"


@dataclass(frozen=True)
class ReportPlan:
    """What is wanted. `date`: the column of a report over time, else empty; `period`: a key of LABELS, or "auto"."""

    measures: list[Measure]
    group_by: list[str]
    date: str
    period: str
    most_groups: int
    encoding: str | None = None
    delimiter: str | None = None

    @property
    def columns(self) -> list[str]:
        named = [*(one.column for one in self.measures if one.column != ROWS), *self.group_by, self.date]
        return list(dict.fromkeys(name for name in named if name))


def compute(path: Path, name: str, plan: ReportPlan, folder: Path) -> dict[str, Any]:
    """The figures as JSON: rows_read, rows_used, totals, groups, periods, lines, notes. Raises BadInput in words."""
    import duckdb

    rows, names = _put_down(path, name, plan, folder)
    try:
        with locked_duckdb.opened(MEMORY, threads=2, reads=[rows], folder=folder) as database:
            return _Report(database, plan, names).figures()
    except duckdb.OutOfMemoryException:
        raise BadInput(
            "The table has too many different groups to be added up here. Group by something coarser."
        ) from None


def _put_down(path: Path, name: str, plan: ReportPlan, folder: Path) -> tuple[Path, list[str]]:
    """The columns that matter, as Parquet, and their names; of a Parquet file all columns, and no names."""
    with path.open("rb") as opened:
        if opened.read(4) == b"PAR1":
            return path, []
    target, columns = folder / "rows.parquet", plan.columns
    rows = tables.read_here(path, name, encoding=plan.encoding, delimiter=plan.delimiter)
    short = [f"c{place}" for place in range(len(columns) + 1)]
    parquet.write(short, ([*(row.get(column) for column in columns), 1] for row in rows), target)  # some need no column
    (folder / "rows.jsonl").unlink(missing_ok=True)
    return target, columns


class _Report:
    """The queries over one table, whose columns are c0, c1, ... in all of them: no name of a column is ever in the SQL."""

    def __init__(self, database: LockedDuckDB, plan: ReportPlan, names: list[str]):
        self._database = database
        self._plan = plan
        self._where = ""
        database.execute("create macro finite(x) as case when isfinite(x) then x end")
        file = f"read_parquet({text(database.sources[0])})"
        found = database.execute(f"select * from {file} limit 0").description
        named = names or [jsonsafe.clean_text(column[0]) for column in found]
        places = {column: place for place, column in enumerate(named)}
        self._columns = {column: f"c{places[column]}" for column in plan.columns}
        self._types = {column: str(found[places[column]][1]).upper() for column in plan.columns}
        database.execute(f"create view read_rows({numbered(len(found))}) as select * from {file}")
        self._texts = {column for column in plan.columns if self._is_text(column)}

    def figures(self) -> dict[str, Any]:
        read = self._one("select count(*) from read_rows")[0]
        self._where = f"where {self._date} is not null" if self._plan.date else ""
        used = self._one(f"select count(*) from {self._used}")[0]
        figures = {
            "rows_read": read,
            "rows_used": used,
            "totals": list(self._one(f"select {self._measures} from {self._used}")),
        }
        figures |= {"groups": None, "periods": None, "lines": None, "period": None, "notes": self._notes(read, used)}
        if used and self._plan.group_by:
            figures["groups"] = self._groups()
        if used and self._plan.date:
            figures |= self._periods()
        return figures

    def _groups(self) -> dict[str, Any]:
        """The largest groups by the first measure, and all others together."""
        keys = ", ".join(f"{self._key(column)} as k{place}" for place, column in enumerate(self._plan.group_by))
        names = ", ".join(f"k{place}" for place in range(len(self._plan.group_by)))
        kept = f"create temp table kept as select {keys}, {self._measures} from {self._used} group by {names}"
        self._database.execute(kept)
        count = self._one("select count(*) from kept")[0]
        order = f"order by m0 desc nulls last, {names} limit {self._plan.most_groups}"
        rows = self._database.execute(f"select * from kept {order}").fetchall()
        others = None
        if count > len(rows):
            same = " and ".join(f"{self._key(column)} = t.k{place}" for place, column in enumerate(self._plan.group_by))
            top = f"(select * from kept {order}) t"
            inner = "and" if self._where else "where"
            left = f"{self._used} {inner} not exists (select 1 from {top} where {same})"
            others = list(self._one(f"select {self._measures} from {left}"))
        return {"count": count, "rows": [_plain(row) for row in rows], "others": others}

    def _periods(self) -> dict[str, Any]:
        first, last = self._one(f"select min({self._date}), max({self._date}) from read_rows")
        days = (last - first).days
        period = (
            self._plan.period
            if self._plan.period != "auto"
            else "day"
            if days <= 92
            else "month"
            if days <= 2_000
            else "year"
        )
        start = f"date_trunc('{period}', {self._date})"
        label = f"strftime({start}, '{LABELS[period]}')" + (
            f" || '-Q' || quarter({start})" if period == "quarter" else ""
        )
        by = f"group by {start} order by {start} limit {MOST_PERIODS + 1}"
        rows = self._all(f"select {label} as p, {self._measures} from {self._used} {by}")
        if len(rows) > MOST_PERIODS:
            raise BadInput(f"There are more than {MOST_PERIODS:,} periods of one {period}. Choose a longer period.")
        said = {"period": period, "periods": rows, "from": str(first), "to": str(last)}
        if self._plan.group_by:
            key = self._key(self._plan.group_by[0])
            measure = self._measure(self._plan.measures[0])
            top = (
                f"(select {key} as k from {self._used} group by 1 order by {measure} desc nulls last, 1 limit {LINES})"
            )
            by = f"and {key} in {top} group by {start}, 2 order by {start}, 2"
            said["lines"] = self._all(f"select {label} as p, {key} as k, {measure} as m0 from {self._used} {by}")
        return said

    def _notes(self, read: int, used: int) -> list[str]:
        notes = []
        if read > used:
            notes.append(f"{read - used:,} rows were left out: {self._plan.date} holds no date there.")
        for column in {
            one.column: None for one in self._plan.measures if one.column in self._texts and self._numeric(one)
        }:
            wrong = f"{self._text(column)} is not null and {self._number(column)} is null"
            if count := self._one(f"select count(*) from {self._used} {'and' if self._where else 'where'} {wrong}")[0]:
                notes.append(f"{count:,} values of {column} are no numbers and were left out.")
        return notes

    # Pieces of SQL.

    @property
    def _date(self) -> str:
        column = self._plan.date
        if self._types.get(column, "").startswith(("DATE", "TIMESTAMP")):
            return f"cast({self._columns[column]} as timestamp)"
        return f"coalesce(try_cast({self._text(column)} as timestamp), try_strptime({self._text(column)}, {FORMATS!r}))"

    def _measure(self, one: Measure) -> str:
        if one.column == ROWS:
            return "count(*)"
        if one.how == "count":
            return f"count({self._text(one.column)})"
        return f"{FUNCTIONS[one.how]}({self._number(one.column) if self._numeric(one) else self._text(one.column)})"

    def _numeric(self, one: Measure) -> bool:
        """Whether it is of numbers: the least and the most of texts, as dates, are texts."""
        return one.how in OF_NUMBERS or (one.how in ("min", "max") and self._has_numbers(one.column))

    def _has_numbers(self, column: str) -> bool:
        return column not in self._texts or bool(self._one(f"select count({self._number(column)}) from read_rows")[0])

    def _number(self, column: str) -> str:
        if column not in self._texts:
            return f"finite(cast({self._columns[column]} as double))"
        return f"finite(try_cast({self._text(column)} as double))"

    def _text(self, column: str) -> str:
        return f"nullif(trim(cast({self._columns[column]} as varchar)), '')"

    def _key(self, column: str) -> str:
        return f"coalesce({self._text(column)}, '{EMPTY}')"

    def _is_text(self, column: str) -> bool:
        return not (any(word in self._types[column] for word in NUMBERS) or self._types[column] == "BOOLEAN")

    @property
    def _used(self) -> str:
        return f"read_rows {self._where}"

    @property
    def _measures(self) -> str:
        return ", ".join(f"{self._measure(one)} as m{place}" for place, one in enumerate(self._plan.measures))

    def _one(self, sql: str) -> list[Any]:
        return self._all(sql)[0]

    def _all(self, sql: str) -> list[list[Any]]:
        return [_plain(row) for row in self._database.execute(sql).fetchall()]


def _plain(row: Any) -> list[Any]:
    return [
        int(value) if isinstance(value, float) and value.is_integer() and abs(value) < 2**53 else value for value in row
    ]
