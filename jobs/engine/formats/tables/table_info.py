"""What a table looks like: the result of describing one."""

from __future__ import annotations

from dataclasses import MISSING, asdict, dataclass, field, fields
from typing import Any

from jobs.engine.formats.tables.options import NO_HEADER, ReadOptions

VERSION = 2  # of the reader: what an older one described is looked at again


@dataclass(frozen=True)
class TableInfo:
    """What a table looks like.

    format: csv, tsv, json, jsonl, xlsx, xls, ods or parquet. encoding and delimiter: where the format has them.
    rows: how many; an estimate unless `exact`; None if not known. first: the first few, long values cut short, for showing.
    shown: of the same rows, the cells that a workbook shows otherwise.
    sheet, sheets: the one that is read, and those that can be seen. header_row: the number of the header's row or line; 0 where
    there is no header, None where the format has none. notes: what a person should know of how it was read, as sentences.
    """

    format: str
    encoding: str | None
    delimiter: str | None
    columns: list[str]
    rows: int | None
    exact: bool
    first: list[dict[str, Any]] = field(default_factory=list)
    shown: list[dict[str, str]] = field(default_factory=list)
    sheet: str | None = None
    sheets: list[str] = field(default_factory=list)
    header_row: int | None = None
    cells: str | None = None
    lenient: bool = False
    notes: list[str] = field(default_factory=list)
    version: int = VERSION

    @property
    def empty(self) -> bool:
        """Whether there are column names and nothing under them."""
        return self.exact and self.rows == 0

    @property
    def options(self) -> ReadOptions:
        """What makes the reader take the table exactly as it is described here."""
        header = None if self.header_row is None else str(self.header_row) if self.header_row else NO_HEADER
        width = None if self.header_row is None else len(self.columns)
        return ReadOptions(self.encoding, self.delimiter, self.sheet, header, self.cells, width, self.lenient)

    @property
    def first_shown(self) -> list[dict[str, Any]]:
        """The first rows as the workbook shows them."""
        return [{**row, **shown} for row, shown in zip(self.first, self.shown or [{}] * len(self.first), strict=True)]

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> TableInfo:
        known = {one.name for one in fields(cls)}
        return cls(**{name: one for name, one in value.items() if name in known})

    @staticmethod
    def is_current(value: dict[str, Any]) -> bool:
        """Whether this was described by the reader as it is now, and is whole."""
        needed = {one.name for one in fields(TableInfo) if one.default is MISSING and one.default_factory is MISSING}
        return value.get("version") == VERSION and needed <= value.keys()
