"""DuckDB's errors as messages for the author of the query."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from jobs.engine.validation import nearest

SHOWN_COLUMNS = 25

Tables = Mapping[str, Iterable[str]]  # the columns by table

_NO_TABLE = re.compile(r"Table with name (.+?) does not exist|Referenced table \"(.+?)\" not found")
_NO_COLUMN = re.compile(r"Referenced column \"(.+?)\" not found|does not have a column named \"(.+?)\"")
_NO_FUNCTION = re.compile(r"Function with name \"?(.+?)\"? (?:does not exist|is not)")
_OUT_OF_REACH = re.compile(r"disabled by configuration|Permission Error")


def of(error: Exception, tables: Tables) -> tuple[str, str] | None:
    """Reason and sentence for an error in a query; None if it depends on the data."""
    text = str(error)
    if found := _NO_TABLE.search(text):
        return "no_such_table", _no_table(found[1] or found[2], tables)
    if found := _NO_COLUMN.search(text):
        return "no_such_column", _no_column(found[1] or found[2], tables)
    if found := _NO_FUNCTION.search(text):
        return "no_such_function", f"There is no function “{found[1][:80]}” in this SQL."
    if _OUT_OF_REACH.search(text):
        return "out_of_reach", f"A query reads its own tables only: no files, addresses or settings. {_offer(tables)}"
    if text.startswith("Parser Error"):
        return "bad_sql", f"The SQL cannot be read: {first_line(error)}{_place(text)}."
    return None


def first_line(error: Exception) -> str:
    line = str(error).split("\n", 1)[0]
    return re.sub(r"^[\w ]+ Error: ", "", line).strip().rstrip(".!")[:300]


def no_select(kinds: list[str]) -> str | None:
    """Why these statements are refused, as a sentence; None for one SELECT."""
    if not kinds:
        return "There is no statement. Write a SELECT."
    if len(kinds) > 1:
        return f"Only one SELECT can be run, and these are {len(kinds)} statements. Keep one of them."
    return (
        None
        if kinds[0] in ("SELECT", "MULTI", "EXPLAIN")
        else f"Only a SELECT can be run, and this is {kinds[0].replace('_', ' ')}."
    )


def _no_table(name: str, tables: Tables) -> str:
    near = nearest(name.strip('"'), tables)
    hint = f" Did you mean {near}?" if near else ""
    return f"There is no table “{name[:80]}”.{hint} {_offer(tables)}"


def _no_column(name: str, tables: Tables) -> str:
    near = nearest(name, (column for columns in tables.values() for column in columns))
    hint = f" Did you mean {near}?" if near else ""
    return f"There is no column “{name[:80]}”.{hint} {_offer(tables)}"


def _offer(tables: Tables) -> str:
    return "There " + ("is " if len(tables) == 1 else "are ") + "; ".join(map(listed, tables, tables.values())) + "."


def listed(table: str, columns: Iterable[str]) -> str:
    """A table with its columns: movies (Title, Year)."""
    names = list(columns)
    more = f", and {len(names) - SHOWN_COLUMNS:,} more" if len(names) > SHOWN_COLUMNS else ""
    return f"{table} ({', '.join(names[:SHOWN_COLUMNS])}{more})"


def _place(text: str) -> str:
    found = re.search(r"^LINE (\d+):", text, re.MULTILINE)
    return f", in line {found[1]}" if found else ""
