"""Names of tables and columns in SQL."""

from __future__ import annotations

import re
from collections.abc import Iterable

LONGEST = 60

# DuckDB's reserved words, which cannot be table names without quotes.
RESERVED = frozenset(
    """all analyse analyze and anti any array as asc asof asymmetric at authorization binary both by case cast check
    collate collation column concurrently constraint create cross default deferrable desc describe distinct do else
    end except false fetch for foreign freeze from full glob group having ilike in initially inner intersect into is
    isnull join lambda lateral leading left like limit natural not notnull null offset on only or order outer overlaps
    pivot pivot_longer pivot_wider placing positional primary qualify recursive references returning right select semi
    show similar some summarize symmetric table tablesample then to trailing true union unique unpack unpivot using
    variadic verbose when where window with""".split()  # noqa: SIM905
)


def table_names(files: Iterable[str]) -> list[str]:
    """A unique table name for each file, made from the file's name: lower case, without need of quotes."""
    names: list[str] = []
    for file in files:
        name = table_name(file)
        same = sum(1 for taken in names if taken == name or re.fullmatch(re.escape(name) + r"_\d+", taken))
        names.append(name if name not in names else f"{name}_{same + 1}")
    return names


def table_name(file: str) -> str:
    """The table name of a file: `Sales 2024.xlsx` becomes sales_2024."""
    stem = file.rsplit(".", 1)[0] if "." in file else file
    name = re.sub(r"\W+", "_", stem.lower()).strip("_")[:LONGEST]
    if not name or name[0].isdigit():
        name = f"t_{name}".rstrip("_")
    return f"{name}_" if name in RESERVED else name


def column_names(columns: Iterable[str]) -> list[str]:
    """The column names, made unique without regard to case, as SQL requires."""
    taken: set[str] = set()
    names = []
    for column in columns:
        name, number = column, 1
        while name.lower() in taken:
            number += 1
            name = f"{column}_{number}"
        taken.add(name.lower())
        names.append(name)
    return names
