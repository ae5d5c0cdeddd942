"""The plan of a report from what was asked for, and the table. These functions raise BadInput."""

from __future__ import annotations

from collections.abc import Sequence

from jobs.engine.errors import BadInput
from jobs.engine.formats import columns
from jobs.engine.formats.tables import TableInfo
from jobs.engine.kits.reports import measures

MOST_KEYS = 3
PROFILE, SUMMARY = "profile", "summary"


def is_profile(template: str, wanted: str, keys: str) -> bool:
    """Whether the report is a profile: asked for, or because nobody said what to measure."""
    return template.strip() == PROFILE or (template.strip() == SUMMARY and not wanted.strip() and not keys.strip())


def keys_of(wanted: str, template: str, table: TableInfo) -> list[str]:
    """The columns to group by."""
    keys = measures.columns_in(wanted.strip(), table.columns)
    if len(keys) > MOST_KEYS:
        raise BadInput(f"These are {len(keys)} columns; a report can be grouped by at most {MOST_KEYS}.")
    if not keys and template.strip() == "grouped":
        raise BadInput(f"The template grouped needs a column to group by. There are: {', '.join(table.columns[:12])}.")
    return keys


def date_of(wanted: str, template: str, table: TableInfo, compared: bool) -> str:
    """The column of a report over time; empty for other reports."""
    if wanted and wanted not in table.columns:
        raise BadInput(measures.no_column(wanted, table.columns))
    if wanted or not (compared or template.strip() == "timeseries" or "{periods}" in template):
        return wanted
    for column in columns.of_rows(table.columns, table.first):
        if columns.is_dated(column):
            return column.name
    if not table.first:
        return next((column for column in table.columns if "date" in column.lower()), table.columns[0])
    raise BadInput("No column of the table has dates such as 2026-03-31. Name one, or choose another template.")


def check_other(needed: Sequence[str], columns_of_other: Sequence[str]) -> None:
    """Raise BadInput if the table to compare with lacks a column."""
    missing = [name for name in needed if name not in columns_of_other]
    if missing:
        there = ", ".join(columns_of_other[:12])
        raise BadInput(f"This table has no column “{missing[0][:80]}”, which the report needs. It has: {there}.")
