"""Tables as downloads: CSV, JSONL, XLSX and Parquet, made as they are read."""

from __future__ import annotations

from jobs.engine.formats.exports.parquet import FLOATS
from jobs.engine.formats.exports.writer import END, FORMATS, cell, export, without_apostrophes

__all__ = [
    "END",
    "FLOATS",
    "FORMATS",
    "cell",
    "export",
    "without_apostrophes",
]
