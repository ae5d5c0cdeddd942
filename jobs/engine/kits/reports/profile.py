"""A profile of a table nobody knows yet: what is in each column, what belongs together, and what to look at, in words."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from jobs.engine.errors import BadInput
from jobs.engine.formats import tables
from jobs.engine.formats.columns import Choices, Column, ColumnFormat, as_numbers, converted, decide, some, table_hints
from jobs.engine.formats.exports import parquet
from jobs.engine.formats.tables import ReadOptions
from jobs.engine.kits.reports import profile_warnings
from jobs.engine.kits.reports.filters import Filter, condition
from jobs.engine.kits.reports.plain_figures import plain
from jobs.engine.sandbox import locked_duckdb
from jobs.engine.sandbox.locked_duckdb import LockedDuckDB, numbered

MEMORY = 768 << 20
MOST_COLUMNS = 200
CORRELATED = 40  # columns of numbers whose correlations are computed
CLEAR = 0.5  # correlations from which on they are listed
MOST_PAIRS = 30
BINS = 20
TOP = 8  # values listed
LONG = 60  # characters of a value
MOSTLY = 0.9  # share of numbers from which on a column is one of numbers, and the others are named
NUMBERS = ("BIGINT", "HUGEINT", "DOUBLE", "DECIMAL", "INT", "FLOAT", "REAL")
PARQUET = "parquet"
KINDS = {"DATE": "date", "TIMESTAMP": "time", "TIMESTAMPTZ": "time", "TIME": "time of day", "BOOLEAN": "yes or no"}


def profile(
    path: Path, name: str, options: ReadOptions, choices: Choices, filters: Sequence[Filter], folder: Path
) -> dict[str, Any]:
    """The profile as JSON: rows, duplicates, columns, correlations, warnings, notes. Raises BadInput in words."""
    import duckdb

    table = tables.describe_here(path, name, options)
    names = table.columns[:MOST_COLUMNS]
    seen = [Column(column) for column in names]
    rows = path if table.format == PARQUET else folder / "rows.parquet"
    if rows is not path:
        parquet.write([f"c{place}" for place in range(len(names))], _read(path, name, options, seen), rows)
        (folder / "rows.jsonl").unlink(missing_ok=True)
    try:
        with locked_duckdb.opened(MEMORY, threads=2, reads=[rows], folder=folder) as database:
            types = _typed(database, seen, look=rows is path)
            formats = _formats(seen, choices, table.delimiter)
            found = _Profile(database, seen, types, formats, filters).figures()
    except duckdb.OutOfMemoryException:
        raise BadInput("The table is too wide or its values are too long for a profile. Choose measures.") from None
    if len(table.columns) > len(names):
        found["notes"].append(f"The profile has the first {len(names)} of {len(table.columns):,} columns.")
    return found


def _read(path: Path, name: str, options: ReadOptions, seen: Sequence[Column]) -> Iterator[list[Any]]:
    for row in tables.read_here(path, name, options):
        values = [row.get(column.name) for column in seen]
        for column, value in zip(seen, values, strict=True):
            column.add(value)
        yield values


def _typed(database: LockedDuckDB, seen: Sequence[Column], look: bool) -> list[str]:
    """Create `raw`, with the columns c0, c1, ...; return their types. look: the texts of the columns have not been seen yet."""
    source = f"read_parquet({locked_duckdb.text(database.sources[0])})"
    every = [str(one[1]).upper() for one in database.execute(f"select * from {source} limit 0").description]
    database.execute(f"create view raw as select * from {source} as t({numbered(len(every))})")
    types = every[: len(seen)]
    for place, column in enumerate(seen if look else ()):
        if types[place] == "VARCHAR":
            result = database.execute(f"select c{place}, count(*) from raw group by 1")
            while batch := result.fetchmany(1_000):
                for value, count in batch:
                    column.add(value, count)
    return types


def _formats(seen: Sequence[Column], choices: Choices, delimiter: str | None) -> list[ColumnFormat]:
    """The format of each column; of one that holds mostly numbers, that of the numbers."""
    hints = table_hints(seen, delimiter)
    formats = decide(seen, choices, delimiter)
    for place, column in enumerate(seen):
        if formats[place].reads != "text" or column.name in choices.texts:
            continue
        try:
            numbers = as_numbers(column, choices, hints)
        except ValueError:  # of several units
            continue
        if numbers and 0 < numbers.misfits <= (1 - MOSTLY) * column.filled:
            formats[place] = numbers
    return formats


class _Profile:
    """The queries. The columns are c0, c1, ... as they were read; t0, t1, ... their texts; n0, n1, ... numbers or times."""

    def __init__(
        self,
        database: LockedDuckDB,
        seen: Sequence[Column],
        raw: Sequence[str],
        formats: Sequence[ColumnFormat],
        filters: Sequence[Filter],
    ):
        self._database, self._seen, self._formats = database, seen, formats
        self._notes = [format.guess for format in formats if format.guess]
        self._types = [_type(format, one) for format, one in zip(formats, raw, strict=True)]
        database.execute("create macro finite(x) as case when isfinite(x) then x end")
        texts = [f"nullif(trim(cast(c{place} as varchar)), '') as t{place}" for place in range(len(seen))]
        values = [
            f"{_value(format, one, place)} as n{place}"
            for place, (format, one) in enumerate(zip(formats, raw, strict=True))
        ]
        inner = f"select *, {', '.join(texts)} from raw"
        kept = ", ".join(f"t{place}, n{place}" for place in range(len(seen)))
        where = " and ".join(self._condition(one, raw) for one in filters) or "true"
        rows = f"select *, {', '.join(values)} from ({inner}) where {where}"
        database.execute(f"create temp table rows as select {kept} from ({rows})")
        if filters:
            self._notes.append(f"Only rows where {' and '.join(one.words for one in filters)}.")

    def _condition(self, one: Filter, raw: Sequence[str]) -> str:
        place = next(at for at, column in enumerate(self._seen) if column.name == one.column)
        format = self._formats[place]
        if raw[place] != "VARCHAR":
            format = ColumnFormat(one.column, raw[place], "plain")
        return condition(one, format, f"t{place}")

    def figures(self) -> dict[str, Any]:
        [rows] = self._one("select count(*) from rows")
        every = ", ".join(f"t{place}" for place in range(len(self._seen)))
        [distinct] = self._one(f"select count(distinct hash({every})) from rows")
        columns = [self._column(place, rows) for place in range(len(self._seen))] if rows else []
        found = {
            **{"rows": rows, "duplicates": rows - distinct, "columns": columns, "notes": self._notes},
            "correlations": self._correlations() if rows > 2 else [],
        }
        return found | {"warnings": profile_warnings.warnings(found)}

    def _column(self, place: int, rows: int) -> dict[str, Any]:
        filled, distinct, folded, longest = self._one(
            f"select count(t{place}), count(distinct t{place}), count(distinct lower(t{place})), max(length(t{place})) from rows"
        )
        kind = self._types[place]
        format = self._formats[place]
        found = {
            **{"name": self._seen[place].name, "type": kind, "unit": format.unit, "filled": filled},
            **{"missing": rows - filled, "missing_share": (rows - filled) / rows, "distinct": distinct},
            **{"folded": folded, "longest": longest or 0, "top": self._top(place)},
            **{"misfits": format.misfits, "misfit_examples": some(format.examples) if format.misfits else ""},
        }
        if kind == "number" and filled:
            found |= self._numbers(place)
        elif kind in ("date", "time") and filled:
            first, last = self._one(f"select cast(min(n{place}) as varchar), cast(max(n{place}) as varchar) from rows")
            found |= {"least": first, "most": last, "bins": self._bins(place, f"epoch(n{place})")}
        return found

    def _numbers(self, place: int) -> dict[str, Any]:
        number = f"cast(n{place} as double)"
        names = ("least", "most", "mean", "sd", "skewness", "zeros", "negative", "p5", "p25", "p50", "p75", "p95")
        shares = ", ".join(f"quantile_cont({number}, 0.{share})" for share in ("05", "25", "5", "75", "95"))
        values = self._one(
            f"select min({number}), max({number}), avg({number}), stddev_samp({number}), skewness({number}), "
            f"count(*) filter ({number} = 0), count(*) filter ({number} < 0), {shares} from rows"
        )
        found = dict(zip(names, values, strict=True))
        reach = 3 * (found["p75"] - found["p25"])
        low, high = found["p25"] - reach, found["p75"] + reach
        [outliers] = self._one(f"select count(*) from rows where {number} < {low!r} or {number} > {high!r}")
        return found | {"outliers": outliers if reach else 0, "bins": self._bins(place, number)}

    def _bins(self, place: int, number: str) -> list[list[Any]]:
        """Where each bin of the histogram begins, and how many values it has."""
        low, high = self._one(f"select min({number}), max({number}) from rows")
        if low is None or not low < high:
            return []
        width = (high - low) / BINS
        bin_ = f"least(cast(floor(({number} - {low!r}) / {width!r}) as integer), {BINS - 1})"
        counted = dict(
            self._database.execute(
                f"select {bin_}, count(*) from rows where n{place} is not null group by 1"
            ).fetchall()
        )
        return [[low + at * width, counted.get(at, 0)] for at in range(BINS)]

    def _top(self, place: int) -> list[list[Any]]:
        by = f"where t{place} is not null group by 1 order by 2 desc, 1 limit {TOP}"
        return self._all(f"select left(t{place}, {LONG}), count(*) from rows {by}")

    def _correlations(self) -> list[list[Any]]:
        """Pairs of columns of numbers, the strongest first, by Pearson's correlation."""
        places = [place for place, kind in enumerate(self._types) if kind == "number"][:CORRELATED]
        pairs = list(itertools.combinations(places, 2))
        if not pairs:
            return []
        values = self._one("select " + ", ".join(f"corr(n{a}, n{b})" for a, b in pairs) + " from rows")
        known = {pair: value for pair, value in zip(pairs, values, strict=True) if _is_clear(value)}
        strongest = sorted(known.items(), key=lambda one: -abs(one[1]))[:MOST_PAIRS]
        return [[self._seen[a].name, self._seen[b].name, round(value, 3)] for (a, b), value in strongest]

    def _one(self, sql: str) -> list[Any]:
        return self._all(sql)[0]

    def _all(self, sql: str) -> list[list[Any]]:
        return [plain(row) for row in self._database.execute(sql).fetchall()]


def _is_clear(correlation: Any) -> bool:
    return isinstance(correlation, int | float) and abs(correlation) >= CLEAR


def _type(format: ColumnFormat, raw: str) -> str:
    """What is in a column, as one word or two."""
    name = format.type if raw == "VARCHAR" else raw
    if any(name.startswith(number) for number in NUMBERS):
        return "number"
    return next((kind for type_name, kind in KINDS.items() if name.split("(")[0].split(" ")[0] == type_name), "text")


def _value(format: ColumnFormat, raw: str, place: int) -> str:
    """The SQL of a column's numbers or times; null for what has none."""
    kind = _type(format, raw)
    if kind not in ("number", "date", "time"):
        return "null"
    sql = converted(format, f"t{place}") if raw == "VARCHAR" else f"c{place}"
    return f"finite(cast({sql} as double))" if kind == "number" else f"cast({sql} as timestamp)"
