"""Tables as downloads: CSV, JSONL, XLSX and Parquet, made as they are read."""

from __future__ import annotations

from jobs.engine.formats.exports.writer import END, FORMATS, FORMULA, cell, export

__all__ = [
    "END",
    "FORMATS",
    "FORMULA",
    "cell",
    "export",
]
