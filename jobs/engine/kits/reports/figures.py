"""The figures of a report, computed by DuckDB over a Parquet file: constant memory, whatever its size."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jobs.engine.errors import BadInput
from jobs.engine.kits.reports import profile
from jobs.engine.kits.reports.measures import ROWS, Measure
from jobs.engine.kits.reports.plain_figures import plain
from jobs.engine.kits.reports.readings import Readings, ReportPlan, Spool, put_down
from jobs.engine.sandbox import locked_duckdb
from jobs.engine.sandbox.locked_duckdb import LockedDuckDB

EXACT = {"sum": "sum", "mean": "avg", "median": "median", "min": "min", "max": "max", "sd": "stddev_samp"}
OF_FRACTIONS = EXACT | {"sum": "fsum", "mean": "favg"}  # of binary fractions; EXACT is of whole numbers and decimals
NUMBERS = ("INT", "DOUBLE", "FLOAT", "DECIMAL", "REAL")
LABELS = {"year": "%Y", "month": "%Y-%m", "quarter": "%Y", "week": "%Y-%m-%d", "day": "%Y-%m-%d"}
MEMORY = 768 << 20
MOST_PERIODS = 1_000
LINES = 6  # groups that the chart over time shows
EMPTY = "(empty)"
MANY = 0.05  # share of rows left out, from which on it is said at the top


def compute(path: Path, name: str, plan: ReportPlan, folder: Path) -> dict[str, Any]:
    """The figures as JSON: rows_read, rows_used, totals, groups, periods, lines, units, left_out, warnings, notes.

    Raises BadInput in words.
    """
    if plan.profile:
        return _profiled(profile.profile(path, name, plan.options, plan.choices, plan.filters, folder))
    import duckdb

    spool = put_down(path, name, plan, folder)
    try:
        with locked_duckdb.opened(MEMORY, threads=2, reads=[spool.rows], folder=folder) as database:
            return _Report(database, plan, spool).figures()
    except duckdb.OutOfMemoryException:
        raise BadInput(
            "The table has too many different groups to be added up here. Group by something coarser."
        ) from None


def _profiled(found: dict[str, Any]) -> dict[str, Any]:
    nothing: dict[str, Any] = {"totals": [], "units": [], "left_out": {}, "warnings": []}
    nothing |= {"groups": None, "periods": None, "lines": None, "period": None, "notes": found.pop("notes")}
    return nothing | {"rows_read": found["rows"], "rows_used": found["rows"], "profile": found}


class _Report:
    """The queries over one table, whose columns are c0, c1, ... in all of them: no name of a column is ever in the SQL.

    Beside them stand the dates and numbers in them, as `readings` has it.
    """

    def __init__(self, database: LockedDuckDB, plan: ReportPlan, spool: Spool):
        self._database = database
        self._plan = plan
        self._where = ""
        database.execute("create macro finite(x) as case when isfinite(x) then x end")
        self._texts = Readings(database, plan, spool)

    def figures(self) -> dict[str, Any]:
        read = self._one("select count(*) from read_rows")[0]
        self._where = f"where {self._day} is not null" if self._plan.date else ""
        used = self._one(f"select count(*) from {self._used}")[0]
        if self._plan.date:
            self._texts.tell_of_dates(read, used)
        figures = {
            "rows_read": read,
            "rows_used": used,
            "totals": list(self._one(f"select {self._measures} from {self._used}")),
            "units": [self._unit(one) for one in self._plan.measures],
            "left_out": self._texts.left_out,
            "warnings": [note for note, count in self._texts.said.items() if count > MANY * read],
            "notes": self._texts.notes,
        }
        figures |= {"groups": None, "periods": None, "lines": None, "period": None}
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
        return {"count": count, "rows": [plain(row) for row in rows], "others": others}

    def _periods(self) -> dict[str, Any]:
        first, last = f"min({self._day})", f"max({self._day})"
        range_ = (
            f"{first}::varchar, {last}::varchar, date_diff('day', {first}, {last}), count(distinct {self._day}::date)"
        )
        first, last, days, filled = self._one(f"select {range_} from read_rows")
        period = self._plan.period if self._plan.period != "auto" else _period(days, filled)
        start = f"date_trunc('{period}', {self._day})"
        label = f"strftime({start}, '{LABELS[period]}')" + (
            f" || '-Q' || quarter({start})" if period == "quarter" else ""
        )
        by = f"group by {start} order by {start} limit {MOST_PERIODS + 1}"
        rows = self._all(f"select {label} as p, {self._measures} from {self._used} {by}")
        if len(rows) > MOST_PERIODS:
            raise BadInput(f"There are more than {MOST_PERIODS:,} periods of one {period}. Choose a longer period.")
        said = {"period": period, "periods": rows, "from": first, "to": last}
        if self._plan.group_by:
            key = self._key(self._plan.group_by[0])
            measure = self._measure(self._plan.measures[0])
            top = (
                f"(select {key} as k from {self._used} group by 1 order by {measure} desc nulls last, 1 limit {LINES})"
            )
            by = f"and {key} in {top} group by {start}, 2 order by {start}, 2"
            said["lines"] = self._all(f"select {label} as p, {key} as k, {measure} as m0 from {self._used} {by}")
        return said

    def _unit(self, one: Measure) -> str:
        format = self._texts.formats.get(one.column)
        return format.unit if format and one.how not in ("count", "distinct") else ""

    # Pieces of SQL.

    @property
    def _day(self) -> str:
        return self._texts.date(self._plan.date)

    def _measure(self, one: Measure) -> str:
        if one.column == ROWS:
            return "count(*)"
        if one.how in ("count", "distinct"):
            return f"count({'distinct ' if one.how == 'distinct' else ''}{self._texts.text(one.column)})"
        if one.how == "ratio":
            above, below = (self._sum(name) for name in one.columns(self._plan.known))
            return f"cast({above} as double) / nullif({below}, 0)"
        if one.column not in self._texts.numbers:
            return "min(null::integer)" if one.of_numbers else f"{EXACT[one.how]}({self._texts.text(one.column)})"
        number = self._texts.number(one.column)
        if one.percentile is not None:
            return f"quantile_cont(cast({number} as double), {one.percentile!r})"
        if one.how in ("median", "sd"):
            number = f"cast({number} as double)"
        return f"{(OF_FRACTIONS if self._is_fraction(one.column) else EXACT)[one.how]}({number})"

    def _sum(self, column: str) -> str:
        if column not in self._texts.numbers:
            return "min(null::integer)"
        return f"{'fsum' if self._is_fraction(column) else 'sum'}({self._texts.number(column)})"

    def _is_fraction(self, column: str) -> bool:
        return "finite(" in self._texts.numbers[column]

    def _key(self, column: str) -> str:
        return f"coalesce({self._texts.text(column)}, '{EMPTY}')"

    @property
    def _used(self) -> str:
        return f"read_rows {self._where}"

    @property
    def _measures(self) -> str:
        return ", ".join(f"{self._measure(one)} as m{place}" for place, one in enumerate(self._plan.measures))

    def _one(self, sql: str) -> list[Any]:
        return self._all(sql)[0]

    def _all(self, sql: str) -> list[list[Any]]:
        return [plain(row) for row in self._database.execute(sql).fetchall()]


def _period(days: int, filled: int) -> str:
    """The period for dates that are so many days apart, on so many different days."""
    if days <= 31 or (days <= 92 and 2 * filled > days):
        return "day"
    return "month" if days <= 2_000 else "year"
